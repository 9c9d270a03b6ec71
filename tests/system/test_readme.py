"""Runs the README's tour as it stands against the demo, with only the port changed, and compares the `#=>` lines."""
import os
import re
import subprocess
import unittest

import support


def tour(heading):
    """[(command, [expected text])] of the sh blocks under a heading of the README, in order."""
    with open(os.path.join(support.ROOT, "README.md"), encoding="utf-8") as file:
        text = file.read()
    section = text[text.index("## " + heading):]
    section = section[:section.index("\n## ", 1)]
    steps = []
    for block in re.findall(r"^```sh\n(.*?)^```$", section, re.M | re.S):
        for command in re.split(r"(?<=\n)(?=#=> )|(?<=\n)(?!#=>|[ \t])(?<![|\\]\n)", block):
            if command.startswith("#=> "):
                steps[-1][1].append(command[4:].strip())
            elif command.strip():
                steps.append((command, []))
    return steps


class Readme(support.DemoStand):
    def test_tour(self):
        self.walk("Five minutes in curl", 8)

    def test_tour_with_trust(self):
        self.walk("Who may see what", 6, "demo", "--secure")

    def test_tour_of_networks_and_outages(self):
        self.walk(("Two networks, many hospitals", "When something is down"), 7)

    def walk(self, headings, steps_min, *demo):
        steps = [step for heading in ([headings] if isinstance(headings, str) else headings) for step in tour(heading)]
        self.assertGreater(len([step for step in steps if step[1]]), steps_min)
        self.start(*demo)
        # One shell for all, as for a reader; a line of marks after each command tells its output and status apart.
        script = "".join("%s\nprintf '\\n@@@%%d\\n' \"$?\"\n" % command.rstrip("\n") for command, _ in steps)
        script = script.replace("127.0.0.1:8080", "127.0.0.1:" + self.environment["GATEWAY_PORT"])
        script = script.replace("var/demo", self.state)
        done = subprocess.run(["bash", "-c", "set -o pipefail\n" + script], cwd=support.ROOT, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        outputs = re.split(r"\n@@@(\d+)\n", done.stdout)
        self.assertEqual(len(outputs) // 2, len(steps), done.stderr + done.stdout[-2000:])
        for number, (command, expected) in enumerate(steps):
            with self.subTest(command=command):
                output, status = outputs[2 * number], outputs[2 * number + 1]
                self.assertEqual(status, "0", output + done.stderr)
                for text in expected:
                    self.assertIn(text, output)


if __name__ == "__main__":
    unittest.main()
