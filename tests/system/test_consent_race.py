"""No read that begins after a revocation was acknowledged is permitted, on any gateway: real gateways' rooms of access in
processes of their own (consent_race.c), a real consent directory, a real Redis."""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support import AUTHORITY, BUILD, Domain, free_port, write_configuration

DRIVER = os.path.join(BUILD, "tests/consent_race")


class Race(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        for name, content in (("consent.secret", "consent-secret-of-the-tests-0123456789\n"), ("seal.key", "s" * 32),
                              ("state.key", "t" * 32)):
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                file.write(content)
        self.port = free_port()
        self.start_domain()

    def start_domain(self):
        self.domain = Domain(self.directory, port=self.port, patients=["IHEBLUE-1001..IHEBLUE-1064"],
                             consent_secret="consent.secret")
        self.addCleanup(self.domain.kill)

    def configure(self, **more):
        configuration = {
            "keys": [{"id": 1, "file": "seal.key"}],
            "patient": {"assigning_authority": AUTHORITY},
            "back_ends": [self.domain.back_end()],
            "consent": {"source": "directory", "directory_url": "http://127.0.0.1:%d/consent" % self.port,
                        "secret_file": "consent.secret", "default": "deny", "care_relationships": ["any"]},
        }
        configuration.update(more)
        path = os.path.join(self.directory, "gateway.yaml")
        write_configuration(path, configuration)
        return path

    def start(self, gateways, patients, rounds, readers, **more):
        return subprocess.Popen([DRIVER, self.configure(**more), str(gateways), str(patients), str(rounds),
                                 str(readers)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)

    def finish(self, process):
        try:
            out, _ = process.communicate(timeout=600)
        finally:
            process.kill()
        result = json.loads(out)
        print(json.dumps(result), flush=True)
        self.assertEqual(process.returncode, 0, result)
        self.assertEqual(result["wrong_permits"], 0, result)
        return result


class One(Race):
    def test_one_gateway_alone(self):
        result = self.finish(self.start(1, 8, 100, 4))
        self.assertEqual(result["revocations"], 800)
        self.assertGreaterEqual(result["permits"], 800)
        self.domain.stop()

    def test_two_gateways_that_cannot_ring_each_other(self):
        result = self.finish(self.start(2, 8, 2, 2))
        self.assertEqual(result["revocations"], 16)
        self.domain.stop()


if __name__ == "__main__":
    unittest.main()
