"""Who sees what waits: consent decides in the outage too, and a publication is its sender's."""
import json
import shutil
import tempfile
import unittest

import proxy
import support
import trust


class Trusted(unittest.TestCase):
    maxDiff = None
    max_age = 600
    publication = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = support.Domain(cls.directory, **trust.domain_configuration(cls.directory))
        cls.addClassCleanup(lambda: cls.domain.kill())
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        overrides = trust.trust_configuration(cls.directory, cls.domain)
        overrides["consent"]["max_age_seconds"] = cls.max_age
        overrides["consent"]["care_relationships"] = ["any|any"]
        overrides["publication"] = dict({"degraded": "accept", "deadline_ms": 2000, "retry_seconds_max": 1,
                                         "operators": [trust.DOCTOR + "-nobody", "client:queue-desk"]},
                                        **cls.publication)
        cls.gateway = support.Gateway(cls.directory, [cls.back_end_make()], **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.doctor = cls.gateway.token("doctor", user="doctor-1")
        cls.colleague = cls.gateway.token("doctor", user="doctor-2")

    @classmethod
    def back_end_make(cls):
        return cls.domain.back_end(
            registry_url=cls.proxy.url("/registry"), provide_url=cls.proxy.url("/repository"),
            repositories=[{"unique_id": support.REPOSITORY, "url": cls.proxy.url("/repository")}], timeout_ms=3000)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def get(self, url, token):
        return support.request("GET", url if url.startswith("http") else self.gateway.base + url,
                               support.bearer(token))

    def domain_restart(self):
        type(self).domain = support.Domain(self.directory, port=self.domain.port,
                                           **trust.domain_configuration(self.directory))

    def settled(self, url, token):
        support.wait_until(lambda: self.get(url, token).status != 202, "the publication to be settled")
        return self.assertStatus(self.get(url, token), 200).json()

    def consent(self, provision, patient=support.PATIENT):
        token = self.gateway.token("patient", user="patient-" + patient,
                                   patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))
        return self.assertStatus(support.request(
            "POST", self.gateway.base + "/Consent", dict(support.bearer(token), **{
                "Content-Type": "application/fhir+json"}),
            json.dumps(trust.consent_resource(provision, patient)).encode()), 201)


class WhoSees(Trusted):
    def test_sender_reader_and_stranger(self):
        hidden = support.demo_bundle(b"<a>hidden</a>")
        shown = support.demo_bundle(b"<a>shown</a>")
        label = hidden["entry"][1]["resource"]["securityLabel"][0]["coding"][0]
        label["code"], label["display"] = "R", "restricted"
        self.consent({"type": "permit", "provision": [{"type": "deny", "securityLabel": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}]})
        self.assertStatus(self.gateway.find(token=self.doctor), 200)     # consent is known here from now on
        self.assertStatus(self.gateway.find(token=self.colleague), 200)
        self.domain.kill()
        hidden_url = self.assertStatus(self.gateway.publish(hidden, token=self.doctor), 202).header("Content-Location")
        shown_url = self.assertStatus(self.gateway.publish(shown, token=self.doctor), 202).header("Content-Location")
        for url, status in ((hidden_url, 404), (shown_url, 202)):
            self.assertStatus(self.get(url, self.doctor), 202)
            self.assertStatus(self.get(url, self.colleague), status)
            task = url.replace("/_async/", "/Task/")
            self.assertStatus(self.get(task, self.doctor), 200)
            self.assertStatus(self.get(task, self.colleague), 404 if status == 404 else 200)
        self.assertEqual(len(self.get("/Task", self.doctor).json()["entry"]), 2)
        self.assertNotIn("entry", self.get("/Task", self.colleague).json())
        self.assertStatus(support.request("DELETE", shown_url, support.bearer(self.colleague)), 403)
        self.assertStatus(support.request("DELETE", hidden_url, support.bearer(self.colleague)), 404)
        found = self.assertStatus(self.gateway.find(token=self.colleague), 200).json()
        text = json.dumps(found)
        self.assertIn(support.document_oid(shown), text)
        self.assertNotIn(support.document_oid(hidden), text)
        self.assertStatus(self.get("/Task", None), 401)
        self.domain_restart()
        for url in (hidden_url, shown_url):
            self.assertEqual(self.settled(url, self.doctor)["type"], "transaction-response")
        self.assertStatus(self.get(hidden_url, self.colleague), 404)

    def test_who_lists_their_own_is_not_recorded_as_a_reader_of_others(self):
        self.assertStatus(self.gateway.find(token=self.doctor), 200)
        self.domain.kill()
        url = self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>mine</a>"), token=self.doctor),
                                202).header("Content-Location")
        lists, reads = (self.gateway.token("doctor", user=user) for user in ("doctor-3", "doctor-4"))
        self.assertNotIn("entry", self.get("/Task", lists).json())
        self.assertStatus(self.get(url, reads), 202)
        self.assertIn(url, json.dumps(self.get("/Task", self.doctor).json()))
        self.domain_restart()
        self.settled(url, self.doctor)
        patient = self.gateway.token("patient", user="p", patient="%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT))

        def record():
            return self.assertStatus(self.get("/AuditEvent?patient.identifier=%s%%7C%s&_count=100" % (
                trust.PATIENT_SYSTEM, support.PATIENT), patient), 200).body
        support.wait_until(lambda: b"doctor-4" in record(), "who read of it to be in the patient's record")
        self.assertNotIn(b"doctor-3", record())


class NobodyKnows(Trusted):
    max_age = 0
    publication = {"unverified_patient": "refuse"}

    def test_115_consent_that_is_not_known_denies(self):
        self.domain.kill()
        self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>x</a>", patient="IHEBLUE-1005"),
                                               token=self.doctor), 503)
        self.domain_restart()
        found = self.assertStatus(self.gateway.find(token=self.doctor), 200).json()
        self.assertEqual(found["total"], 0)
        self.assertNotIn("entry", self.get("/Task", self.doctor).json())


if __name__ == "__main__":
    unittest.main()
