"""Publications while nobody can say who their patient is or what they consent to: accepted where the tenant says so, shown
to nobody, and decided before they are delivered."""
import json
import pathlib
import re
import shutil
import sqlite3
import tempfile
import unittest
import uuid

import support
import trust

RED_SYSTEM = "urn:oid:" + trust.RED
NOT_COLLECTED = {"type": "permit", "provision": [{"type": "deny", "action": [{"coding": [{
    "system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "collect"}]}]}]}


def named(bundle, system, value):
    """The same for a patient who is named by another identifier."""
    text = json.dumps(bundle)
    for patient in ("IHEBLUE-%d" % number for number in range(1001, 1011)):
        text = text.replace(json.dumps({"system": trust.PATIENT_SYSTEM, "value": patient}),
                            json.dumps({"system": system, "value": value}))
    return json.loads(text)


def replacing(entry_uuid, document, patient=support.PATIENT):
    bundle = support.demo_bundle(document, patient=patient)
    bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
        "system": "urn:ietf:rfc:3986", "value": entry_uuid}}}]
    return bundle


class Undecided(unittest.TestCase):
    """The registry is one domain; identity and consent are another, which is down at first."""
    maxDiff = None
    publication = {}

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.people = None
        self.people_port = support.free_port()
        self.hcm = support.Domain(self.directory, name="hcm")
        self.addCleanup(lambda: self.hcm.kill())
        self.gateway = self.gateway_start()
        self.addCleanup(lambda: self.gateway.kill())
        self.doctor = self.gateway.token("doctor", user="doctor-1")
        self.colleague = self.gateway.token("doctor", user="doctor-2")

    def gateway_start(self, port=None, **more):
        domain_keys = trust.domain_configuration(self.directory)
        self.people_keys = domain_keys
        overrides = trust.trust_configuration(self.directory, type("Port", (), {"port": self.people_port}))
        overrides["consent"].update({"max_age_seconds": 600, "care_relationships": ["any|any"]})
        overrides["identity"]["timeout_ms"] = 2000
        overrides["publication"] = dict({"degraded": "accept", "deadline_ms": 2000, "retry_seconds_max": 1},
                                        **self.publication)
        overrides.update(more)
        return support.Gateway(self.directory, [self.hcm.back_end(timeout_ms=3000, update_url=self.hcm.registry_url)],
                               port=port, **overrides)

    def store(self):
        path, = pathlib.Path(self.directory).glob("**/outbox.db")
        return path

    def people_start(self):
        self.people = support.Domain(self.directory, name="people", port=self.people_port, **self.people_keys)
        self.addCleanup(self.people.kill)

    def hcm_restart(self):
        self.hcm = support.Domain(self.directory, name="hcm", port=self.hcm.port)

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def get(self, url, token):
        return support.request("GET", url if url.startswith("http") else self.gateway.base + url,
                               support.bearer(token))

    def find(self, token=None, patient=support.PATIENT):
        return self.gateway.find(token=token or self.colleague,
                                 **{"patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, patient)})

    def accept(self, bundle, token=None):
        answer = self.assertStatus(self.gateway.publish(bundle, token=token or self.doctor), 202)
        issues = answer.json()["issue"]
        self.assertIn("accepted and kept durably", issues[0]["diagnostics"])
        self.assertIn("nobody is shown it", json.dumps(issues))
        return answer.header("Content-Location")

    def settled(self, url):
        support.wait_until(lambda: self.get(url, self.doctor).status != 202, "the publication to be settled")
        return self.assertStatus(self.get(url, self.doctor), 200).json()

    def delivered(self, url):
        answer = self.settled(url)
        self.assertEqual(answer.get("type"), "transaction-response", answer)
        return answer

    def consent(self, provision, patient=support.PATIENT):
        token = self.gateway.token("patient", user="patient-" + patient,
                                   patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))
        self.assertStatus(support.request(
            "POST", self.gateway.base + "/Consent", dict(support.bearer(token), **trust.FHIR),
            json.dumps(trust.consent_resource(provision, patient)).encode()), 201)

    def assertFound(self, bundle, patient=support.PATIENT):
        found = self.assertStatus(self.find(patient=patient), 200).json()
        matches = [resource for resource in trust.matches(found)
                   if support.document_oid(bundle) in json.dumps(resource["masterIdentifier"])]
        self.assertEqual(len(matches), 1, found)
        self.assertNotIn("tag", matches[0].get("meta", {}))
        return matches[0]

    def registered(self, patient=support.PATIENT):
        """What the registry has, whatever anybody consents to."""
        anybody = support.Gateway(self.directory, [self.hcm.back_end()], name="anybody")
        try:
            return json.dumps(self.assertStatus(anybody.find(**{
                "patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, patient)}), 200).json())
        finally:
            anybody.kill()


class Requests(Undecided):
    def test_one_that_waits_for_others_does_not_make_the_registry_away(self):
        """Its subject is named by what only the identity source can tell: that is asked when the registry has answered."""
        self.people_start()
        elsewhere = support.Gateway(self.directory, [self.hcm.back_end()], name="elsewhere")
        self.addCleanup(elsewhere.kill)
        published = self.assertStatus(elsewhere.publish(support.demo_bundle(b"<a>theirs</a>")), 200).json()
        name = next(entry["response"]["location"].split("/_history")[0] for entry in published["entry"]
                    if entry["response"]["location"].startswith("DocumentReference/"))
        resource = support.request("GET", elsewhere.base + "/" + name).json()
        # What the patients consent to is remembered.
        for patient in (support.PATIENT, "IHEBLUE-1002"):
            self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>before</a>", patient=patient),
                                                   token=self.doctor), 200)
        self.hcm.kill()
        self.people.kill()
        resource["subject"] = {"identifier": {"system": RED_SYSTEM, "value": "IHERED-1009"}}
        answer = support.request("PUT", self.gateway.base + "/" + name, dict(support.bearer(self.doctor), **trust.FHIR),
                                 json.dumps(resource).encode())
        self.assertStatus(answer, 202)
        store = sqlite3.connect(self.store(), timeout=10)
        self.addCleanup(store.close)

        def turns():
            return store.execute("SELECT fence FROM outbox_item").fetchone()[0]
        self.hcm_restart()
        before = turns()
        support.wait_until(lambda: turns() > before + 2, "the request to be looked at again")
        for document in (b"<a>one</a>", b"<a>two</a>"):
            self.assertStatus(self.gateway.publish(support.demo_bundle(document, patient="IHEBLUE-1002"),
                                                   token=self.doctor), 200)
        self.assertStatus(self.get(answer.header("Content-Location"), self.doctor), 202)


class Accepted(Undecided):
    def test_115_consent_that_nobody_could_ask_for(self):
        document = b"<a>unknown consent</a>"
        bundle = support.demo_bundle(document)
        url = self.accept(bundle)
        self.assertEqual(self.accept(bundle), url, "the same submission is the same publication")
        task = url.replace("/_async/", "/Task/")
        self.assertStatus(self.find(), 503)
        self.assertStatus(self.find(token=self.doctor), 503)
        self.assertStatus(self.get(url, self.colleague), 404)
        self.assertStatus(self.get(task, self.colleague), 404)
        self.assertEqual(self.assertStatus(self.get(task, self.doctor), 200).json()["code"]["coding"][0]["code"],
                         "undecided")
        self.assertNotIn(support.document_oid(bundle), self.registered())
        self.people_start()
        answer = self.delivered(url)
        entry = self.assertFound(bundle)
        self.assertIn("DocumentReference/" + entry["id"], json.dumps(answer), "it keeps the id that it was given")
        self.assertEqual(self.get(entry["content"][0]["attachment"]["url"], self.colleague).body, document)

    def test_time_in_which_nobody_could_be_asked_is_no_attempt(self):
        """Else one failure of the registry, after a long outage of the consent directory, would be the one too many."""
        for what, bundle in (("consent", support.demo_bundle(b"<a>whose consent</a>")),
                             ("identity", named(support.demo_bundle(b"<a>who</a>"), RED_SYSTEM, "7"))):
            with self.subTest(what):
                self.accept(bundle)
                before = len(self.gateway.log())
                tries = []

                def is_tried(before=before, tries=tries):
                    tries[:] = re.findall(r"put off.*attempts\D+(\d+)", self.gateway.log()[before:])
                    return len(tries) > 3
                support.wait_until(is_tried, "it to be put off again and again")
                self.assertEqual(set(tries), {"1"})

    def test_what_cannot_be_read_any_more_is_a_dead_letter_and_nobody_waits_for_it(self):
        url = self.accept(support.demo_bundle(b"<a>spoilt</a>"))
        following = support.demo_bundle(b"<a>next</a>")
        following_url = self.accept(following)
        with sqlite3.connect(self.store(), timeout=10) as store:
            self.assertEqual(store.execute("UPDATE outbox_chunk SET bytes = zeroblob(length(bytes)) WHERE part = 3 AND "
                                           "item = (SELECT MIN(item) FROM outbox_chunk)").rowcount, 1)
        self.people_start()
        self.assertIn("state_keys", json.dumps(self.settled(url)["issue"]))
        self.delivered(following_url)
        self.assertFound(following)

    def test_denied_is_never_registered(self):
        url = self.accept(support.demo_bundle(b"<a>first</a>", patient="IHEBLUE-1002"))
        self.people_start()
        self.delivered(url)
        self.consent(NOT_COLLECTED, patient="IHEBLUE-1003")
        self.people.kill()
        self.gateway.kill()
        bundle = support.demo_bundle(b"<a>denied</a>", patient="IHEBLUE-1003")
        self.gateway = self.gateway_start(self.gateway.port, state_directory=self.directory + "/elsewhere")
        url = self.accept(bundle)
        self.people_start()
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "OperationOutcome")
        self.assertIn("withdraw it, or retry it once they do", json.dumps(answer))
        task = self.assertStatus(self.get(url.replace("/_async/", "/Task/"), self.doctor), 200).json()
        self.assertEqual(task["status"], "failed")
        self.assertIn("withdraw it", json.dumps(task["statusReason"]))
        self.assertNotIn(support.document_oid(bundle), self.registered("IHEBLUE-1003"))

    def test_shown_once_it_is_known(self):
        """The registry is still down when consent can be asked again: colleagues may see it then, and what is denied never."""
        shown = support.demo_bundle(b"<a>shown later</a>", patient="IHEBLUE-1004")
        hidden = support.demo_bundle(b"<a>never</a>", patient="IHEBLUE-1005")
        self.people_start()
        self.consent(NOT_COLLECTED, patient="IHEBLUE-1005")
        self.people.kill()
        self.hcm.kill()
        urls = [self.accept(bundle) for bundle in (shown, hidden)]
        self.people_start()
        support.wait_until(lambda: "not-registered" in self.find(patient="IHEBLUE-1004").body.decode(),
                           "the publication to be decided")
        self.assertStatus(self.find(patient="IHEBLUE-1005"), 503)
        self.hcm_restart()
        self.delivered(urls[0])
        self.assertEqual(self.settled(urls[1])["resourceType"], "OperationOutcome")

    def test_a_patient_whom_nobody_could_tell(self):
        """Named by another domain's identifier; a replacement by the same name waits behind it."""
        bundle = named(support.demo_bundle(b"<a>red</a>"), RED_SYSTEM, "IHERED-1006")
        entry_uuid = uuid.uuid4().urn
        bundle["entry"][1]["resource"]["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": entry_uuid}]
        url = self.accept(bundle)
        self.assertEqual(self.accept(bundle), url)
        self.assertStatus(self.find(patient="IHEBLUE-1006"), 503)
        after = named(replacing(entry_uuid, b"<a>red again</a>"), RED_SYSTEM, "IHERED-1006")
        after_url = self.accept(after)
        self.assertStatus(self.gateway.publish(replacing(entry_uuid, b"<a>blue</a>", patient="IHEBLUE-1006"),
                                               token=self.doctor), 409)
        self.people_start()
        self.delivered(url)
        self.delivered(after_url)
        found = self.assertFound(after, patient="IHEBLUE-1006")
        self.assertIn("replaces", json.dumps(found["relatesTo"]))
        self.assertIn("Patient/", found["subject"]["reference"])
        patient = self.assertStatus(self.get("/" + found["subject"]["reference"], self.colleague), 200).json()
        self.assertIn("IHEBLUE-1006", json.dumps(patient))
        queue = json.dumps(self.get("/Task?status=failed", self.doctor).json())
        self.assertNotIn("Task/", queue.replace("/Task?", ""))

    def test_099_what_nobody_is_shown_is_to_others_as_what_is_not_there(self):
        hidden = support.demo_bundle(b"<a>hidden</a>", patient="IHEBLUE-1006")
        self.accept(hidden)

        def answers():
            made = []
            for oid in (support.document_oid(hidden), support.fresh_oid(4711)):
                bundle = support.demo_bundle(b"<a>asks</a>", patient="IHEBLUE-1007")
                bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {"identifier": {
                    "system": "urn:ietf:rfc:3986", "value": "urn:oid:" + oid}}}]
                answer = self.gateway.publish(bundle, token=self.colleague)
                made.append((answer.status, [issue["diagnostics"] for issue in answer.json()["issue"]],
                             answer.header("Content-Location")))
            self.assertEqual(made[0][:2], made[1][:2])
            return made
        self.assertEqual(answers()[0][0], 422)
        self.hcm.kill()
        made = answers()
        self.assertEqual(made[0][0], 202)
        self.hcm_restart()
        self.people_start()
        for _, _, url in made:
            support.wait_until(lambda: self.get(url, self.colleague).status != 202, "the publication to be settled")
            self.assertEqual(self.get(url, self.colleague).json()["resourceType"], "OperationOutcome")

    def test_nobody_of_that_name(self):
        url = self.accept(named(support.demo_bundle(b"<a>nobody</a>"), RED_SYSTEM, "IHERED-9999"))
        self.people_start()
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "OperationOutcome")
        self.assertIn("Nobody is known here", json.dumps(answer))

    def test_killed_in_between(self):
        bundle = named(support.demo_bundle(b"<a>killed</a>"), RED_SYSTEM, "IHERED-1007")
        self.hcm.kill()
        url = self.accept(bundle)
        self.gateway.kill()
        self.people_start()
        self.gateway = self.gateway_start(self.gateway.port)
        support.wait_until(lambda: support.document_oid(bundle) in self.find(patient="IHEBLUE-1007").body.decode(),
                           "the publication to be known as the patient's")
        again = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 202)
        self.assertEqual(again.header("Content-Location"), url, "it is the same, by whichever name it is known")
        self.hcm_restart()
        self.delivered(url)
        support.wait_until(lambda: self.find(patient="IHEBLUE-1007").status == 200, "the registry to be asked again")
        self.assertFound(bundle, patient="IHEBLUE-1007")

    def test_a_patient_publishes(self):
        """Their own is theirs to publish, whatever others may see of it."""
        bundle = support.demo_bundle(b"<a>my own</a>", patient="IHEBLUE-1008")
        patient = self.gateway.token("patient", user="patient-8",
                                     patient="%s|%s" % (trust.PATIENT_SYSTEM, "IHEBLUE-1008"),
                                     scope="ITI-65 ITI-67 patient/*.cruds")
        url = self.accept(bundle, token=patient)
        self.people_start()
        support.wait_until(lambda: self.get(url, patient).status != 202, "the publication to be settled")
        self.assertEqual(self.get(url, patient).json().get("type"), "transaction-response")
        self.assertFound(bundle, patient="IHEBLUE-1008")

    def test_still_refused(self):
        """A domain that nobody knows, a patient who speaks by a name that nobody can tell, and two names."""
        strange = named(support.demo_bundle(b"<a>strange</a>"), "urn:oid:2.999.77", "X-1")
        self.assertStatus(self.gateway.publish(strange, token=self.doctor), 422)
        patient = self.gateway.token("patient", user="patient-8",
                                     patient="%s|%s" % (trust.PATIENT_SYSTEM, "IHEBLUE-1008"),
                                     scope="ITI-65 ITI-67 patient/*.cruds")
        red = named(support.demo_bundle(b"<a>own</a>"), RED_SYSTEM, "IHERED-1008")
        self.assertStatus(self.gateway.publish(red, token=patient), 503)
        mixed = support.demo_bundle(b"<a>mixed</a>")
        mixed["entry"][1] = named(mixed["entry"][1], RED_SYSTEM, "IHERED-1001")
        self.assertStatus(self.gateway.publish(mixed, token=self.doctor), 503)


class Refused(Undecided):
    publication = {"unverified_patient": "refuse"}

    def test_by_policy(self):
        self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>a</a>"), token=self.doctor), 503)
        red = named(support.demo_bundle(b"<a>b</a>"), RED_SYSTEM, "IHERED-1006")
        self.assertEqual(self.gateway.publish(red, token=self.doctor).status // 100, 5)
        self.assertNotIn("entry", self.get("/Task", self.doctor).json())


if __name__ == "__main__":
    unittest.main()
