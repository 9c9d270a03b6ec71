"""clang-tidy over every source of the rooms; .clang-tidy says what it looks for. A source that was found clean is
looked at again when it, something that it includes, or .clang-tidy has changed."""
import concurrent.futures
import hashlib
import os
import subprocess
import unittest

from test_layers import BUILD, ROOT, dependencies, room_of

CLEAN = os.path.join(BUILD, "tidy")


def digest(paths):
    """One hash over the content of these files, paths relative to the root or absolute."""
    total = hashlib.sha256()
    for path in paths:
        with open(os.path.join(ROOT, path), "rb") as file:
            total.update(hashlib.sha256(file.read()).digest())
    return total.hexdigest()


def tidy(source, files):
    """What clang-tidy objects to in one source; empty when there is nothing."""
    stamp = os.path.join(CLEAN, digest([".clang-tidy", source, *files]))
    if os.path.exists(stamp):
        return ""
    done = subprocess.run(["clang-tidy", "-p", BUILD, "--quiet", "--extra-arg=-Wno-unknown-warning-option", source],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        return done.stdout or done.stderr
    with open(stamp, "w"):
        pass
    return ""


class Tidy(unittest.TestCase):
    maxDiff = None

    def test_sources(self):
        os.makedirs(CLEAN, exist_ok=True)
        sources = [(source, files) for source, files in dependencies() if room_of(source)]
        self.assertGreater(len(sources), 100)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            found = [text for text in pool.map(lambda row: tidy(*row), sources) if text]
        self.assertEqual("\n".join(found), "")
