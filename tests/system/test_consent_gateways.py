"""Two gateways over one domain, one consent directory and one Redis, as clients meet them: while patients revoke and
grant through either of them (ITI-108), no search and no retrieve that begins after the answer shows a document."""
import json
import os
import shutil
import tempfile
import threading
import time
import unittest

import support
from test_consent_race import Redis, REDIS
from test_consents import SYSTEM, consent

PATIENTS = ["IHEBLUE-10%02d" % number for number in range(1, 5)]
ROUNDS = 15
READERS = 2     # per gateway
GRANTED, REVOKING, REVOKED, GRANTING = range(4)


class Gateways(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not REDIS:
            support.absent("redis-server is not installed")
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        secret = os.path.join(cls.directory, "consent.secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("consent-secret-of-the-tests-0123456789\n")
        cls.redis = Redis(cls.directory)
        cls.addClassCleanup(cls.redis.kill)
        cls.domain = support.Domain(cls.directory, consent_secret=secret)
        cls.addClassCleanup(cls.domain.kill)
        cls.gateways = []
        for name in ("one", "two"):
            gateway = support.Gateway(
                cls.directory, [cls.domain.back_end()], name=name, access={"anonymous": False},
                redis={"address": cls.redis.path},
                consent={"source": "directory", "directory_url": "http://127.0.0.1:%d/consent" % cls.domain.port,
                         "secret_file": secret, "default": "permit", "care_relationships": ["any"]})
            cls.addClassCleanup(gateway.kill)
            gateway.doctor = gateway.token("doctor")
            gateway.patients = {one: gateway.token("patient", patient=SYSTEM + "|" + one) for one in PATIENTS}
            cls.gateways.append(gateway)
        for patient in PATIENTS:
            done = cls.gateways[0].publish(support.demo_bundle(support.demo_letter(), patient=patient),
                                           token=cls.gateways[0].doctor)
            assert done.status == 200, done

    @classmethod
    def tearDownClass(cls):
        for gateway in cls.gateways:
            gateway.stop()
        cls.domain.stop()

    def send(self, gateway, method, path, token, body=None, accept="application/fhir+json"):
        headers = dict({"Content-Type": "application/fhir+json", "Accept": accept},
                       **support.bearer(token))
        return support.request(method, gateway.base + "/" + path, headers,
                               None if body is None else json.dumps(body).encode())

    def search(self, gateway, patient):
        """The documents that the doctor finds; and nothing else may tell of others."""
        answer = self.send(gateway, "GET", "DocumentReference?patient.identifier=%s|%s&status=current"
                           % (SYSTEM, patient), gateway.doctor)
        self.assertEqual(answer.status, 200, repr(answer))
        bundle = answer.json()
        found = [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
        self.assertEqual(bundle["total"], len(found))
        return found

    def address(self, patient):
        """Path of the document's bytes."""
        for gateway in self.gateways:
            for resource in self.search(gateway, patient):
                url = resource["content"][0]["attachment"]["url"]
                return url[url.index("/fhir/") + len("/fhir/"):]
        raise AssertionError("no document of " + patient)

    def retrieve(self, gateway, path):
        status = self.send(gateway, "GET", path, gateway.doctor, accept="*/*").status
        self.assertIn(status, (200, 404))
        return status == 200

    def change(self, gateway, patient, name, kind):
        """Creates or changes the patient's Consent; its id."""
        resource = consent(patient, provision={"type": kind})
        if name:
            resource["id"] = name
        answer = self.send(gateway, "PUT" if name else "POST", "Consent" + ("/" + name if name else ""),
                           gateway.patients[patient], resource)
        self.assertEqual(answer.status, 200 if name else 201, repr(answer))
        return answer.json()["id"]

    def test_093_revoked_between_search_and_retrieve(self):
        one, two = self.gateways
        patient = PATIENTS[0]
        name = self.change(one, patient, None, "permit")
        path = self.address(patient)
        for reader, writer in ((one, two), (two, one), (one, one)):
            self.assertEqual(len(self.search(reader, patient)), 1)
            self.assertTrue(self.retrieve(reader, path))
            self.change(writer, patient, name, "deny")
            self.assertFalse(self.retrieve(reader, path))
            self.assertEqual(self.search(reader, patient), [])
            self.change(writer, patient, name, "permit")

    def test_no_answer_after_a_revocation_shows_anything(self):
        race = Race(self)
        result = race.run()
        print("two gateways by FHIR: %s" % json.dumps(result), flush=True)
        self.assertEqual(race.wrong, [])
        self.assertEqual(race.failures, [])
        self.assertEqual(result["revocations"], ROUNDS * len(PATIENTS))
        self.assertGreaterEqual(result["permits"], result["revocations"])
        self.assertGreaterEqual(result["denials"], result["revocations"])


class Race:
    def __init__(self, test):
        self.test = test
        self.gateways = test.gateways
        self.paths = {patient: test.address(patient) for patient in PATIENTS}
        self.phases = {patient: GRANTING for patient in PATIENTS}
        self.seen = {(gateway.name, patient): -1 for gateway in self.gateways for patient in PATIENTS}
        self.wrong = []
        self.failures = []
        self.counts = {"revocations": 0, "reads": 0, "permits": 0, "denials": 0}
        self.lock = threading.Lock()
        self.stop = threading.Event()

    def count(self, name):
        with self.lock:
            self.counts[name] += 1

    def read(self, gateway, turn):
        """Searches and retrieves in turn; what it says is judged only when the phase was one and the same."""
        patient = PATIENTS[turn % len(PATIENTS)]
        before = self.phases[patient]
        if turn // len(PATIENTS) % 2:
            permit = self.test.retrieve(gateway, self.paths[patient])
        else:
            permit = len(self.test.search(gateway, patient)) > 0
        self.count("reads")
        if self.phases[patient] != before or before % 2:
            return
        if permit != (before % 4 == GRANTED):
            self.wrong.append((gateway.name, patient, before, permit))
        self.count("permits" if permit else "denials")
        self.seen[gateway.name, patient] = before

    def read_on(self, gateway, turn):
        try:
            while not self.stop.is_set():
                self.read(gateway, turn)
                turn += 1
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))
            self.stop.set()

    def await_seen(self, patient):
        support.wait_until(lambda: self.stop.is_set() or all(self.seen[gateway.name, patient] == self.phases[patient]
                                                             for gateway in self.gateways), "both gateways", 60)

    def write_on(self, patient, turn):
        """Through each gateway in turn."""
        try:
            name = self.test.change(self.gateways[0], patient, None, "permit")
            self.phases[patient] = 4 + GRANTED
            for number in range(1, ROUNDS + 1):
                self.await_seen(patient)
                self.phases[patient] = 4 * number + REVOKING
                self.test.change(self.gateways[(turn + number) % 2], patient, name, "deny")
                self.phases[patient] = 4 * number + REVOKED
                self.count("revocations")
                self.await_seen(patient)
                if self.stop.is_set():
                    return
                self.phases[patient] = 4 * number + GRANTING
                self.test.change(self.gateways[(turn + number + 1) % 2], patient, name, "permit")
                self.phases[patient] = 4 * number + 4 + GRANTED
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))
            self.stop.set()

    def run(self):
        begin = time.monotonic()
        readers = [threading.Thread(target=self.read_on, args=(gateway, turn))
                   for gateway in self.gateways for turn in range(READERS)]
        writers = [threading.Thread(target=self.write_on, args=(patient, turn))
                   for turn, patient in enumerate(PATIENTS)]
        for thread in readers + writers:
            thread.start()
        for thread in writers:
            thread.join()
        self.stop.set()
        for thread in readers:
            thread.join()
        return dict(self.counts, seconds=round(time.monotonic() - begin, 1))


if __name__ == "__main__":
    unittest.main()
