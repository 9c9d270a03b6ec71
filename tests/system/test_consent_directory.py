"""The consent directory of the embedded domain, asked over HTTP as gateways ask it: versions, leases, and what is left of
them when it dies."""
import json
import os
import shutil
import tempfile
import threading
import time
import unittest

from support import AUTHORITY, Domain, free_port, request

SECRET = "consent-secret-of-the-tests-0123456789"
PATIENT_ONE = "IHEBLUE-1001^^^&%s&ISO" % AUTHORITY
PATIENT_TWO = "IHEBLUE-1002^^^&%s&ISO" % AUTHORITY
LEASE_SECONDS = 1.9      # as gateways are told


class Directory(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.secret_file = os.path.join(self.directory, "consent.secret")
        with open(self.secret_file, "w", encoding="utf-8") as file:
            file.write(SECRET + "\n")
        self.port = free_port()
        self.start()

    def start(self):
        self.domain = Domain(self.directory, port=self.port, consent_secret=self.secret_file)
        self.addCleanup(self.domain.kill)

    def post(self, operation, status=200, secret=SECRET, **body):
        answer = request("POST", "http://127.0.0.1:%d/consent/%s" % (self.port, operation),
                         {"Authorization": "Bearer " + secret, "Content-Type": "application/json"},
                         json.dumps(body).encode())
        self.assertEqual(answer.status, status, repr(answer))
        return answer.json()

    def write(self, name="c1", patient=PATIENT_ONE, resource="{}", active=True, status=200, **more):
        if resource is not None:
            more["resource"] = resource
        return self.post("write", status, id=name, patient=patient, active=active, **more)

    def state(self, gateway="a", patient=PATIENT_ONE, **more):
        return self.post("state", gateway=gateway, patient=patient, **more)

    def settle(self, version, gateway="a", patient=PATIENT_ONE):
        """Seconds that it took."""
        begin = time.monotonic()
        self.post("settle", gateway=gateway, patient=patient, version=version)
        return time.monotonic() - begin

    def let_first_leases_run_out(self):
        """Nothing is in force before leases of an earlier life have run out."""
        self.settle(1, patient=PATIENT_TWO)


class Versions(Directory):
    def test_a_consent_keeps_all_its_versions(self):
        first = self.write(resource='{"a":1}', expected=0)
        second = self.write(resource='{"a":2}', expected=1, active=False)
        self.assertEqual((first["version_id"], second["version_id"]), (1, 2))
        self.assertGreater(second["version"], first["version"])
        newest = self.post("read", id="c1", version_id=0)["consent"]
        self.assertEqual((newest["resource"], newest["version_id"], newest["active"], newest["patient"]),
                         ('{"a":2}', 2, False, PATIENT_ONE))
        self.assertEqual(self.post("read", id="c1", version_id=1)["consent"]["resource"], '{"a":1}')
        self.assertEqual(self.post("read", 404, id="c1", version_id=3)["error"], "ERR_NOT_FOUND")
        self.assertEqual(self.post("read", 404, id="c2", version_id=0)["error"], "ERR_NOT_FOUND")
        self.domain.stop()
        self.start()
        self.assertEqual(self.post("read", id="c1", version_id=1)["consent"]["resource"], '{"a":1}')
        self.assertEqual(self.state()["version"], second["version"])

    def test_who_changes_an_older_version_is_refused(self):
        self.write(expected=0)
        self.assertEqual(self.write(expected=0, status=412)["error"], "ERR_VERSION")
        self.assertEqual(self.write(expected=2, status=412)["error"], "ERR_VERSION")
        version = self.write(expected=1)["version"]
        self.assertEqual(self.write(patient=PATIENT_TWO, status=422)["error"], "ERR_RULE")
        self.assertEqual(self.state()["version"], version)
        self.assertEqual(self.state(patient=PATIENT_TWO)["version"], 0)

    def test_a_deleted_consent_is_gone_and_may_come_back(self):
        self.assertEqual(self.write(resource=None, status=404)["error"], "ERR_NOT_FOUND")
        self.write(resource='{"a":1}')
        self.assertEqual(len(self.state()["consents"]), 1)
        self.write(resource=None, expected=1)
        self.assertEqual(self.post("read", 410, id="c1", version_id=0)["error"], "ERR_GONE")
        self.assertEqual(self.post("read", id="c1", version_id=1)["consent"]["resource"], '{"a":1}')
        self.assertEqual(self.state()["consents"], [])
        self.assertEqual(self.post("list", patient=PATIENT_ONE)["consents"], [])
        self.assertEqual(self.write(resource='{"a":3}', expected=2)["version_id"], 3)

    def test_state_holds_what_is_active_and_list_holds_all(self):
        self.write("c1", resource='{"a":1}')
        self.write("c2", resource='{"a":2}', active=False)
        version = self.write("c3", resource='{"a":3}')["version"]
        self.write("c4", patient=PATIENT_TWO)
        state = self.state()
        self.assertEqual([one["id"] for one in state["consents"]], ["c1", "c3"])
        self.assertEqual(state["version"], version)
        self.assertNotIn("consents", self.state(known=version))
        self.assertNotIn("consents", self.state(content=False))
        self.assertEqual([one["id"] for one in self.post("list", patient=PATIENT_ONE)["consents"]], ["c1", "c2", "c3"])

    def test_a_patient_has_one_spelling(self):
        self.write()
        self.assertEqual(len(self.state(patient="IHEBLUE-1001^^^IHEBLUE&%s&ISO" % AUTHORITY)["consents"]), 1)
        self.assertEqual(self.write("c9", patient="STRANGER^^^&%s&ISO" % AUTHORITY, status=422)["error"],
                         "ERR_PATIENT_UNKNOWN")
        self.assertEqual(self.write("c9", patient="IHEBLUE-1001", status=400)["error"], "ERR_VALUE_INVALID")

    def test_bounds(self):
        self.assertEqual(self.write(resource="x" * 65537, status=400)["error"], "ERR_VALUE_INVALID")
        for number in range(64):
            self.write("c%d" % number, resource="x" * 65536)
        self.assertEqual(self.write("c64", resource="x", status=400)["error"], "ERR_TOO_COSTLY")
        self.write("c0", resource=None)
        self.write("c64", resource="x")
        self.assertEqual(len(self.state()["consents"]), 64)

    def test_nobody_without_the_secret(self):
        for secret in ("", SECRET[:-1], SECRET + "0", SECRET[:-1] + "0"):
            self.assertEqual(self.post("state", 401, secret=secret, gateway="a", patient=PATIENT_ONE)["error"],
                             "ERR_UNAUTHENTICATED")
        url = "http://127.0.0.1:%d/consent/" % self.port
        headers = {"Authorization": "Bearer " + SECRET}
        self.assertEqual(request("GET", url + "state", headers).status, 405)
        self.assertEqual(request("POST", url + "nothing", headers, b"{}").status, 404)
        for body in (b"", b"[]", b"{", b'{"gateway":"a","gateway":"b"}', b'{"gateway":1}', b'{"gateway":"a"}'):
            self.assertEqual(request("POST", url + "state", headers, body).status, 400, body)
        self.assertEqual(request("POST", url + "write", headers, b" " * 2000000).status, 413)


class Leases(Directory):
    def test_a_write_waits_for_those_who_know_the_old_state(self):
        self.let_first_leases_run_out()
        self.write()
        begin = time.monotonic()
        self.state("b")
        version = self.write()["version"]
        self.settle(version)
        self.assertGreater(time.monotonic() - begin, LEASE_SECONDS)

    def test_a_returned_lease_ends_the_wait(self):
        self.let_first_leases_run_out()
        self.write()
        for _ in range(20):
            begin = time.monotonic()
            self.state("a")
            self.state("b")
            self.state("b", patient=PATIENT_TWO)
            version = self.write()["version"]
            self.state("b")                       # the new state may be known
            waiter = threading.Thread(target=self.settle, args=(version,))
            waiter.start()
            self.post("return", gateway="b", leases=[{"patient": PATIENT_ONE, "version": version}])
            waiter.join()
            if time.monotonic() - begin < LEASE_SECONDS:
                return
        self.fail("no wait ended before the leases ran out")

    def test_a_new_lease_does_not_hide_an_old_one(self):
        self.let_first_leases_run_out()
        self.write()
        begin = time.monotonic()
        self.state("b")
        version = self.write()["version"]
        self.assertEqual(self.state("b")["version"], version)
        self.settle(version)
        self.assertGreater(time.monotonic() - begin, LEASE_SECONDS)

    def test_a_return_speaks_for_its_gateway_and_version_only(self):
        self.let_first_leases_run_out()
        first = self.write()["version"]
        begin = time.monotonic()
        self.state("b")
        version = self.write()["version"]
        self.post("return", gateway="c", leases=[{"patient": PATIENT_ONE, "version": version}])
        self.post("return", gateway="b", leases=[{"patient": PATIENT_ONE, "version": first},
                                                 {"patient": PATIENT_TWO, "version": version}])
        self.settle(version)
        self.assertGreater(time.monotonic() - begin, LEASE_SECONDS)

    def test_after_a_crash_it_knows_no_fewer_leases_than_exist(self):
        self.let_first_leases_run_out()
        self.write()
        begin = time.monotonic()
        self.state("b")
        self.domain.kill()
        self.start()
        self.settle(self.write()["version"])
        self.assertGreater(time.monotonic() - begin, LEASE_SECONDS)
        self.domain.stop()


if __name__ == "__main__":
    unittest.main()
