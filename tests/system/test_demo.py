"""./run demo as a user meets it: the round trip, again and again, taken ports, two at once, and its end."""
import os
import signal
import socket
import subprocess
import unittest

import support


class Demo(support.DemoStand):
    def test_once_and_again(self):
        for runs in (1, 2):
            done = self.run_once()
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for expected in ("curl -sS -X POST", "ITI-65", "ITI-67", "ITI-68", "byte for byte", "the DSP has it",
                             "is there once", "1 of dsp"):
                self.assertIn(expected, done.stdout)
            self.assertTrue(self.ports_free(), "the demo left a process behind")
            # What is followed is the Task of this letter, and not the list of all until it looks right.
            self.assertRegex(done.stdout, r"curl -sS http://\S+/fhir/Task/\w+\n")
            with open(os.path.join(self.state, "gateway.log"), encoding="utf-8") as file:
                self.assertEqual(file.read().count('"FIND_TASKS"'), 2 * runs)
        self.assertEqual(sorted(os.listdir(self.state)).count("gateway.pid"), 0)

    def test_secure_once_and_again(self):
        for _ in range(2):
            done = self.run_once("--secure")
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            for expected in ("1 of dsp", "The other way round", "ITI-108", "breaks the glass", "with purpose BTG",
                             "the DSP has it"):
                self.assertIn(expected, done.stdout)
            self.assertTrue(self.ports_free(), "the demo left a process behind")
        with open(os.path.join(self.state, "audit-hopital-nord.ndjson"), encoding="utf-8") as file:
            self.assertIn("AuditEvent", file.read())

    def test_taken_port(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            for name in ("GATEWAY_PORT", "HCM_PORT", "DSP_PORT"):
                done = self.run_once(**{name: port})
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(port, done.stderr)
                self.assertIn(name, done.stderr)

    def test_senseless_ports(self):
        self.assertIn("GATEWAY_PORT", self.run_once(GATEWAY_PORT="http").stderr)
        self.assertIn("GATEWAY_PORT", self.run_once(GATEWAY_PORT="70000").stderr)
        self.assertIn("differ", self.run_once(GATEWAY_PORT="9000", HCM_PORT="9000").stderr)

    def test_second_demo_is_refused(self):
        process = self.start()
        with open(os.path.join(self.state, "gateway.pid"), encoding="utf-8") as file:
            os.kill(int(file.read()), 0)
        with open(os.path.join(self.state, "hcm.pid"), encoding="utf-8") as file:
            os.kill(int(file.read()), 0)
        second = self.run_once(GATEWAY_PORT=str(support.free_port()), HCM_PORT=str(support.free_port()),
                               DSP_PORT=str(support.free_port()))
        self.assertNotEqual(second.returncode, 0)
        self.assertIn("already running", second.stderr)
        answer = support.request("GET", "http://127.0.0.1:%s/fhir/metadata" % self.environment["GATEWAY_PORT"])
        self.assertEqual(answer.status, 200, "the first demo goes on serving")
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        self.assertTrue(self.ports_free())

    def plug(self, *words, expect=0):
        done = subprocess.run(["./run", "demo", *words], cwd=support.ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_plugs_are_pulled_and_plugged_in(self):
        self.assertIn("start one", self.plug("stop", "hcm", expect=1))
        process = self.start()
        port = {"hcm": "HCM_PORT", "dsp": "DSP_PORT", "gateway": "GATEWAY_PORT"}
        for verb, part in (("stop", "hcm"), ("kill", "dsp"), ("stop", "redis"), ("kill", "gateway")):
            with self.subTest(verb=verb, part=part):
                self.assertIn("is down", self.plug(verb, part))
                if part in port:
                    self.assertFalse(support.accepts(int(self.environment[port[part]])))
                self.assertIn("down already", self.plug(verb, part))
                self.assertIn("ready again", self.plug("start", part))
                if part in port:
                    self.assertTrue(support.accepts(int(self.environment[port[part]])))
                self.assertIn("runs already", self.plug("start", part))
        self.assertIn("one of: redis hcm dsp gateway", self.plug("stop", "everything", expect=1))
        self.plug("stop", "gateway")
        with socket.create_server(("127.0.0.1", int(self.environment["GATEWAY_PORT"]))):
            self.assertIn("did not start", self.plug("start", "gateway", expect=1), "a stranger's port taken for its own")
        self.plug("start", "gateway")
        self.assertIsNone(process.poll())
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)
        self.assertTrue(self.ports_free())

    def test_who_plugs_in_keeps_nothing_open(self):
        """start from a pipe: the reader sees the end of the pipe while the part runs on."""
        self.start()
        self.plug("stop", "hcm")
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as pipe:
            subprocess.run(["./run", "demo", "start", "hcm"], cwd=support.ROOT, env=self.environment,
                           stdin=subprocess.DEVNULL, stdout=writing, stderr=writing, pass_fds=(writing,), timeout=120,
                           check=True)
            os.close(writing)
            self.assertIn(b"ready", pipe.read())
        self.assertTrue(support.accepts(int(self.environment["HCM_PORT"])))

    def test_every_end_ends_all(self):
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            with self.subTest(signal=number):
                process = self.start()
                process.send_signal(number)
                process.wait(60)
                support.wait_until(self.ports_free, "all processes of the demo to end")


if __name__ == "__main__":
    unittest.main()
