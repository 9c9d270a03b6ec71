"""Everything of a hospital breaks: each line that the log then has says whose it is."""
import json

import support
import trust
from test_tenants_apart import NORD, PATIENT_QUERY, SUD, TwoHospitals

NOWHERE = "http://127.0.0.1:1/"
# What belongs to the process as a whole.
OF_ALL = {"program.start", "program.stop", "config.reload", "http.listen", "cache.state", "workers.state", "access.demo"}


def lines(gateway, start=0):
    return [json.loads(line) for line in gateway.log()[start:].split("\n") if line.startswith("{")]


class Outage(TwoHospitals):
    settings = {"max_age_seconds": 3600}
    sections = {SUD: {
        "publication": {"degraded": "accept", "retry_seconds_max": 1},
        "audit": {"repositories": [{"name": "away", "kind": "fhir", "url": NOWHERE + "audit"}]}}}

    def test_each_line_names_the_tenant(self):
        doctor = self.tokens[SUD, "doctor"]
        by_other_number = "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7CIHERED-1001" % trust.RED
        self.publish_at(SUD)
        self.assertStatus(self.at(SUD, "GET", by_other_number, doctor), 200)
        start = len(self.gateway.log())
        self.domains[SUD].kill()
        for _ in range(6):
            self.assertIn(self.at(SUD, "GET", by_other_number, doctor).status, (503, 504))
        self.assertStatus(self.at(SUD, "GET", "/nothing", doctor), 404)
        self.assertStatus(self.at(SUD, "GET", "/List?" + PATIENT_QUERY, None), 401)
        bundle = support.demo_bundle(support.demo_letter())
        self.assertStatus(self.at(SUD, "POST", "", doctor, bundle), 202)
        wanted = {"south.error", "south.breaker", "request.error", "consent.state", "delivery.state", "http.request", "audit.sender"}

        def events():
            # Who may see what waits is decided by the last known Consents when the present ones are no longer sure.
            self.at(SUD, "GET", by_other_number, doctor)
            return {line["event"] for line in lines(self.gateway)}

        support.wait_until(lambda: wanted <= events(), lambda: "lines of " + ", ".join(sorted(wanted - events())), 60)
        nobody = [line for line in lines(self.gateway, start) if line["event"] not in OF_ALL and line.get("tenant") != SUD]
        self.assertEqual(nobody, [])
        sender = [line for line in lines(self.gateway) if line["event"] == "audit.sender"]
        self.assertEqual({line.get("tenant") for line in sender}, {SUD})
        # The other one works on, and its lines are its own.
        start = len(self.gateway.log())
        self.publish_at(NORD)
        support.wait_until(lambda: any(line.get("tenant") == NORD for line in lines(self.gateway, start)), "the line of a request")
        self.assertEqual({line.get("tenant") for line in lines(self.gateway, start) if line["event"] not in OF_ALL} - {SUD}, {NORD})

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domains[NORD].stop()


class Alone(support.Stand):
    def test_one_hospital_has_no_name_to_tell(self):
        self.publish(support.demo_bundle(support.demo_letter()))
        self.domain.kill()
        self.assertStatus(self.gateway.find(), 503)
        found = lines(self.gateway)
        self.assertIn("south.error", {line["event"] for line in found})
        self.assertEqual({line["event"] for line in found if "tenant" in line}, {"program.start", "http.request"})

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
