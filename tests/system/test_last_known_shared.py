"""Two gateways and one Redis: in an outage one knows what the other knows, and what one saw revoked stays so."""
import json
import os
import shutil
import tempfile
import unittest

import support
import trust

COPY = ("for _, key in ipairs(redis.call('keys', ARGV[1] .. 'passerelle:*:v:*')) do "
        "redis.call('copy', key, ARGV[2] .. string.sub(key, string.len(ARGV[1]) + 1), 'replace') end")


class Neighbours(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.redis = trust.Redis(self.directory)
        self.addCleanup(self.redis.kill)
        self.hcm = support.Domain(self.directory, name="hcm")
        self.addCleanup(self.hcm.kill)
        self.people = support.Domain(self.directory, name="people", **trust.domain_configuration(self.directory))
        self.addCleanup(self.people.kill)
        self.first = self.gateway_start("first")
        self.doctor = {}

    def gateway_start(self, name):
        overrides = trust.trust_configuration(self.directory, self.people, self.redis)
        overrides["consent"].update({"max_age_seconds": 600, "care_relationships": ["any|any"]})
        overrides["identity"]["timeout_ms"] = 2000
        overrides["state_directory"] = os.path.join(self.directory, name + ".state")
        gateway = support.Gateway(self.directory, [self.hcm.back_end()], name=name, **overrides)
        self.addCleanup(gateway.kill)
        return gateway

    def find(self, gateway, patient, system=trust.PATIENT_SYSTEM):
        if gateway not in self.doctor:
            self.doctor[gateway] = gateway.token("doctor", user="doctor-1")
        return gateway.find(token=self.doctor[gateway], **{"patient.identifier": "%s|%s" % (system, patient)})

    def assertFinds(self, gateway, patient, **more):
        found = self.find(gateway, patient, **more)
        self.assertEqual(found.status, 200, repr(found))

    def assertNobodyKnows(self, gateway, patient, **more):
        found = self.find(gateway, patient, **more)
        self.assertEqual(found.status, 503, repr(found))
        self.assertIn("consents to", found.body.decode())

    def copy(self, source, target):
        self.redis.cli("eval", COPY, "0", source, target)

    def test_one_that_has_just_started(self):
        self.assertFinds(self.first, support.PATIENT)
        self.assertFinds(self.first, "IHERED-1002", system="urn:oid:" + trust.RED)
        self.people.kill()
        second = self.gateway_start("second")
        support.wait_until(lambda: self.find(second, support.PATIENT).status == 200, "the neighbour's answer")
        support.wait_until(lambda: self.find(second, "IHERED-1002", system="urn:oid:" + trust.RED).status == 200,
                           "the neighbour's answer about who it is")
        self.assertNobodyKnows(second, "IHEBLUE-1003")
        self.redis.cli("flushall")
        self.assertFinds(self.first, support.PATIENT)
        self.assertNobodyKnows(second, support.PATIENT)

    def test_116_117_an_emptied_redis_permits_nothing_to_who_was_not_there(self):
        patient = "IHEBLUE-1005"
        second = self.gateway_start("second")
        bundle = support.demo_bundle(b"a letter", "text/plain", patient=patient)
        published = self.first.publish(bundle, token=self.first.token("doctor", user="doctor-1"))
        self.assertEqual(published.status, 200, repr(published))
        for each in (patient, "IHEBLUE-1006"):
            self.assertFinds(second, each)
        second.stop()
        token = self.first.token("patient", user="patient-5", patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))
        written = support.request("POST", self.first.base + "/Consent", dict(support.bearer(token), **trust.FHIR),
                                  json.dumps(trust.consent_resource({"type": "deny"}, patient)).encode())
        self.assertEqual(written.status, 201, repr(written))
        self.first.stop()
        self.people.kill()
        second = self.gateway_start("second")
        self.assertNobodyKnows(second, patient)
        self.assertFinds(second, "IHEBLUE-1006")
        second.stop()
        self.redis.cli("flushall")
        second = self.gateway_start("second")
        self.assertNobodyKnows(second, patient)
        self.assertNobodyKnows(second, "IHEBLUE-1006")
        self.people = support.Domain(self.directory, name="people", port=self.people.port,
                                     **trust.domain_configuration(self.directory))
        self.addCleanup(self.people.kill)
        support.wait_until(lambda: self.find(second, "IHEBLUE-1006").status == 200, "the source's own answer")
        self.people.kill()
        self.redis.cli("flushall")
        self.assertFinds(second, "IHEBLUE-1006")

    def test_revoked_wins_over_what_is_older(self):
        patient = "IHEBLUE-1004"
        second = self.gateway_start("second")
        self.assertFinds(self.first, patient)
        self.people.kill()
        support.wait_until(lambda: self.find(second, patient).status == 200, "the neighbour's answer")
        self.people = support.Domain(self.directory, name="people", port=self.people.port,
                                     **trust.domain_configuration(self.directory))
        self.addCleanup(self.people.kill)
        self.copy("", "old:")
        token = self.first.token("patient", user="patient-4", patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))
        written = support.request("POST", self.first.base + "/Consent", dict(support.bearer(token), **trust.FHIR),
                                  json.dumps(trust.consent_resource({"type": "deny"}, patient)).encode())
        self.assertEqual(written.status, 201, repr(written))
        self.people.kill()
        self.copy("old:", "")
        for gateway in (self.first, second):
            self.assertNobodyKnows(gateway, patient)
        self.first.stop()
        self.first = self.gateway_start("first")
        self.copy("old:", "")
        self.assertNobodyKnows(self.first, patient)


if __name__ == "__main__":
    unittest.main()
