"""Who sees what waits: consent decides in the outage too, and a publication is its sender's."""
import json
import shutil
import subprocess
import tempfile
import threading
import unittest
import uuid

import proxy
import support
import trust
from test_outbox import PROVIDE, reference_location
from test_outbox_targets import adding, by_unique_id

URI = "urn:ietf:rfc:3986"
PATCH = "application/json-patch+json"
OTHER = "IHEBLUE-1006"


class Trusted(unittest.TestCase):
    maxDiff = None
    max_age = 600
    care_relationships = ["any|any"]
    publication = {}
    overrides = {}

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
        overrides["consent"]["care_relationships"] = cls.care_relationships
        overrides["publication"] = dict({"degraded": "accept", "deadline_ms": 2000, "retry_seconds_max": 1,
                                         "operators": [trust.DOCTOR + "-nobody", "client:queue-desk"]},
                                        **cls.publication)
        overrides.update(cls.overrides)
        cls.gateway = support.Gateway(cls.directory, cls.back_ends(), **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.doctor = cls.gateway.token("doctor", user="doctor-1")
        cls.colleague = cls.gateway.token("doctor", user="doctor-2")

    @classmethod
    def back_ends(cls):
        return [cls.back_end_make()]

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


class Forger(Trusted):
    """Publishes objects with the identifiers of others'."""

    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url=cls.proxy.url("/registry"))

    def published(self, content, patient=support.PATIENT):
        """A registered document: its Bundle, the answer, and where it is read."""
        bundle = support.demo_bundle(content, patient=patient)
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200).json()
        return bundle, answer, reference_location(answer).split("/_history")[0]

    def read(self, location):
        return self.assertStatus(self.get("/" + location, self.doctor), 200).json()

    def uuid_of(self, location):
        return next(each["value"] for each in self.read(location)["identifier"]
                    if each["value"].startswith("urn:uuid:"))

    def fake(self, content, patient=OTHER, **identifiers):
        """A Bundle of the colleague's: oid of its document, uuid of its document, set_uuid of its SubmissionSet."""
        bundle = support.demo_bundle(content, patient=patient)
        if "oid" in identifiers:
            bundle = json.loads(json.dumps(bundle).replace(support.document_oid(bundle), identifiers["oid"]))
        if "uuid" in identifiers:
            bundle["entry"][1]["resource"]["identifier"] = [{"system": URI, "value": identifiers["uuid"]}]
        if "set_uuid" in identifiers:
            bundle["entry"][0]["resource"]["identifier"].append({"system": URI, "value": identifiers["set_uuid"]})
        if "folder_uuid" in identifiers:
            folder = support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
            folder["identifier"].append({"system": URI, "value": identifiers["folder_uuid"]})
        bundle["entry"][1]["resource"]["description"] = "not the same at all"
        return bundle

    def send(self, bundle, token, **headers):
        return support.request("POST", self.gateway.base, dict(support.bearer(token), **dict(
            {"Content-Type": "application/fhir+json"}, **headers)), json.dumps(bundle).encode())

    def asked(self, bundle):
        """It is accepted by wish, or refused at once."""
        return self.send(bundle, self.colleague, Prefer="respond-async")

    def accepted(self, bundle, token=None):
        return self.assertStatus(self.gateway.publish(bundle, token=token or self.colleague),
                                 202).header("Content-Location")

    def dead_letter(self, bundle):
        """Accepted in an outage, refused when the registry is back."""
        self.domain.kill()
        url = self.accepted(bundle)
        self.domain_restart()
        self.assertEqual(self.settled(url, self.colleague)["resourceType"], "OperationOutcome")
        return url

    def patch(self, location, text):
        return support.request("PATCH", self.gateway.base + "/" + location, dict(support.bearer(self.doctor), **{
            "Content-Type": PATCH}), json.dumps([{"op": "replace", "path": "/description", "value": text}]).encode())

    def uuid_of_known(self, resource):
        return next(each["value"] for each in resource["identifier"] if each["value"].startswith("urn:uuid:"))


class Squatters(Forger):
    def test_what_is_there_is_refused_at_once(self):
        bundle, answer, location = self.published(b"<a>victim</a>")
        of_set = self.uuid_of(answer["entry"][0]["response"]["location"].split("/_history")[0])
        for identifiers in ({"uuid": self.uuid_of(location)}, {"oid": support.document_oid(bundle)},
                            {"set_uuid": of_set}):
            refusal = self.assertStatus(self.asked(self.fake(b"<a>fake</a>", **identifiers)), 409)
            self.assertIn("identifier", refusal.body.decode())
        # The same document once more, by somebody else; and the same submission again.
        again = self.fake(b"<a>victim</a>", patient=support.PATIENT, oid=support.document_oid(bundle))
        answer = self.settled(self.assertStatus(self.asked(again), 202).header("Content-Location"), self.colleague)
        self.assertEqual(answer["resourceType"], "Bundle", answer)
        url = self.assertStatus(self.send(bundle, self.doctor, Prefer="respond-async"), 202).header("Content-Location")
        self.assertEqual(self.settled(url, self.doctor)["resourceType"], "Bundle")

    def test_a_dead_letter_does_not_stand_for_what_is_registered(self):
        bundle, answer, location = self.published(b"<a>victim</a>")
        of_list = answer["entry"][0]["response"]["location"].split("/_history")[0]
        before, before_list = self.read(location), self.read(of_list)
        url = before["content"][0]["attachment"]["url"]
        self.domain.kill()
        urls = [self.accepted(self.fake(b"<a>fake</a>", uuid=self.uuid_of_known(before))),
                self.accepted(self.fake(b"<a>fake list</a>", set_uuid=self.uuid_of_known(before_list)))]
        # Nothing else is shown for it, and changes are of what was read of it.
        self.assertIn(self.get("/" + location, self.doctor).status, (502, 503, 504))
        self.assertIn(self.get(url, self.doctor).status, (502, 503, 504))
        change = self.assertStatus(self.patch(location, "the victim's"), 202).header("Content-Location")
        self.domain_restart()
        for each in urls:
            self.assertEqual(self.settled(each, self.colleague)["resourceType"], "Bundle")
        self.assertEqual(self.settled(change, self.doctor)["resourceType"], "DocumentReference")
        after = self.read(location)
        self.assertEqual(after["description"], "the victim's")
        self.assertEqual(after["subject"], before["subject"])
        self.assertNotIn("tag", after["meta"])
        self.assertEqual(self.assertStatus(self.get(url, self.doctor), 200).body, b"<a>victim</a>")
        self.assertEqual(self.read(of_list)["entry"], before_list["entry"])
        # A change goes to what is registered, and a search of the other patient does not have it.
        self.assertStatus(self.patch(location, "once more"), 200)
        found = self.gateway.find(token=self.doctor, **{"patient.identifier": "%s|%s" % (
            trust.PATIENT_SYSTEM, OTHER)}).body.decode()
        self.assertNotIn('"%s"' % after["id"], found)

    def test_a_strangers_dead_letter_holds_nobody(self):
        for patient in (OTHER, support.PATIENT):
            bundle, _, location = self.published(b"<a>victim</a>")
            self.dead_letter(self.fake(b"<a>fake 1</a>", patient=patient, oid=support.document_oid(bundle)))
            new = support.demo_bundle(b"<a>new</a>")
            new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
                "system": URI, "value": "urn:oid:" + support.document_oid(bundle)}}}]
            self.assertStatus(self.gateway.publish(new, token=self.doctor), 200)
            self.assertEqual(self.read(location)["status"], "superseded")

    def test_in_an_outage_too(self):
        bundle, _, location = self.published(b"<a>victim</a>")
        self.dead_letter(self.fake(b"<a>fake</a>", patient=support.PATIENT, oid=support.document_oid(bundle)))
        self.domain.kill()
        new = support.demo_bundle(b"<a>new</a>")
        new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
            "system": URI, "value": "urn:oid:" + support.document_oid(bundle)}}}]
        url = self.accepted(new, self.doctor)
        self.domain_restart()
        self.assertEqual(self.settled(url, self.doctor)["resourceType"], "Bundle")
        self.assertEqual(self.read(location)["status"], "superseded")

    def test_what_waits_of_another(self):
        self.assertStatus(self.gateway.find(token=self.doctor), 200)
        self.domain.kill()
        name = uuid.uuid4().urn
        first = self.fake(b"<a>first</a>", patient=support.PATIENT, uuid=name)
        url = self.accepted(first, self.doctor)
        shown = next(each["resource"] for each in self.gateway.find(token=self.doctor).json()["entry"]
                     if support.document_oid(first) in json.dumps(each["resource"]))
        self.assertStatus(self.gateway.publish(self.fake(
            b"<a>second</a>", patient=support.PATIENT, oid=support.document_oid(first)), token=self.colleague), 409)
        # By the id that it has, or the one that it was to have: what comes of that is something else.
        for each in (self.uuid_of_known(shown), name):
            answer = self.gateway.publish(self.fake(b"<a>second</a>", patient=support.PATIENT, uuid=each),
                                          token=self.colleague)
            self.assertIn(answer.status, (202, 409))
            self.assertEqual(self.read("DocumentReference/" + shown["id"]), shown)
        # The very same, by its sender and by somebody else, who would lose it when the first takes it back.
        self.assertEqual(self.accepted(first, self.doctor), url)
        self.assertStatus(self.gateway.publish(first, token=self.colleague), 409)
        self.domain_restart()
        self.assertEqual(self.settled(url, self.doctor)["resourceType"], "Bundle")


RESTRICTED = {"type": "permit", "provision": [{"type": "deny", "securityLabel": [
    {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}]}
UPDATE = "UpdateDocumentSet"


def denying(action):
    return {"type": "permit", "provision": [{"type": "deny", "action": [{"coding": [{
        "system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": action}]}]}]}


class AnewAtDelivery(Trusted):
    """What the patient consents to when it is delivered counts, for who sent it."""
    publication = {"delete": "deprecate"}

    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url=cls.proxy.url("/registry"))

    def restricted(self, content, patient):
        """A registered document that the patient hides, with a folder; where the two are, and the folder."""
        bundle = support.demo_bundle(content, patient=patient)
        label = bundle["entry"][1]["resource"]["securityLabel"][0]["coding"][0]
        label["code"], label["display"] = "R", "restricted"
        folder = support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        answer = self.assertStatus(self.registrar.publish(bundle), 200).json()
        return bundle, reference_location(answer).split("/_history")[0], \
            answer["entry"][3]["response"]["location"].split("/_history")[0], folder

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.registrar = support.Gateway(cls.directory, [cls.domain.back_end()], name="registrar")
        cls.addClassCleanup(cls.registrar.kill)

    def registered(self, location):
        return self.assertStatus(support.request("GET", self.registrar.base + "/" + location), 200).json()

    def test_what_is_hidden_is_not_named(self):
        """What waits does not say what it replaces to who may not see that, or of whom nobody can tell whether they may."""
        shown, hidden = "IHEBLUE-1003", "IHEBLUE-1004"
        old = support.demo_bundle(b"<a>named</a>", patient=shown)
        place = reference_location(self.assertStatus(self.registrar.publish(old), 200).json()).split("/_history")[0]
        targets = {shown: (old, place), hidden: self.restricted(b"<a>not named</a>", hidden)[:2]}
        self.consent(RESTRICTED, hidden)
        new = []
        for patient, (bundle, place) in targets.items():
            for token in (self.doctor, self.colleague):
                self.assertStatus(self.gateway.find(token=token, **{"patient.identifier": "%s|%s" % (
                    trust.PATIENT_SYSTEM, patient)}), 200)
            self.assertStatus(self.get("/" + place, self.colleague), 200 if patient == shown else 404)
            for relation in ({"reference": place}, {"identifier": {
                    "system": URI, "value": "urn:oid:" + support.document_oid(bundle)}}):
                new.append(support.demo_bundle(b"<a>new</a>", patient=patient))
                new[-1]["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": relation}]
        self.domain.kill()
        try:
            for bundle in new:
                self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 202)
            # Who has sent it has named it; what a colleague has read is known to be theirs to see, by its id (in a search
            # of both, by what that says its uniqueId is).
            for patient, token, counts in ((shown, self.doctor, [2, 2]), (shown, self.colleague, [2, 1]),
                                           (hidden, self.doctor, [2, 2]), (hidden, self.colleague, [0, 0])):
                found = self.assertStatus(self.gateway.find(token=token, **{"patient.identifier": "%s|%s" % (
                    trust.PATIENT_SYSTEM, patient)}), 200).json()
                ids = [each["resource"]["id"] for each in found["entry"]
                       if "not-registered" in json.dumps(each["resource"].get("meta", {}))]
                self.assertEqual(len(ids), 2)
                read = [self.assertStatus(self.get("/DocumentReference/" + each, token), 200).json() for each in ids]
                self.assertEqual([json.dumps(each).count("relatesTo") for each in (found, read)], counts, patient)
        finally:
            self.domain_restart()
            support.wait_until(lambda: self.gateway.find(token=self.doctor).status == 200, "the registry to be asked")

    def test_what_is_hidden_is_not_there(self):
        patient = "IHEBLUE-1007"
        hidden = [self.restricted(b"<a>hidden %d</a>" % number, patient) for number in range(2)]
        self.consent(RESTRICTED, patient)
        self.assertStatus(self.gateway.find(token=self.colleague, **{"patient.identifier": "%s|%s" % (
            trust.PATIENT_SYSTEM, patient)}), 200)

        def bundles():
            made = [support.demo_bundle(b"<a>new</a>", patient=patient) for _ in range(3)]
            by_unique_id(made[0], support.document_oid(hidden[0][0]))
            made[1]["entry"][1]["resource"]["relatesTo"] = [
                {"code": "replaces", "target": {"reference": hidden[1][1]}}]
            folder = hidden[0][3]
            return made[:2] + [adding(made[2], folder | {"entry": []}, "List?identifier=%s|%s" % (
                URI, folder["identifier"][0]["value"]))]
        for bundle in bundles():
            self.assertStatus(self.gateway.publish(bundle, token=self.colleague), 422)
        self.domain.kill()
        urls = [self.assertStatus(self.gateway.publish(bundle, token=self.colleague), 202).header("Content-Location")
                for bundle in bundles()]
        self.domain_restart()
        for url in urls:
            answer = self.settled(url, self.colleague)
            self.assertEqual(answer["resourceType"], "OperationOutcome", answer)
            self.assertIn("not registered", json.dumps(answer))
        for _, where, folder, _ in hidden:
            self.assertEqual(self.registered(where)["status"], "current")
            self.assertEqual(len(self.registered(folder)["entry"]), 1)

    def test_115_consent_to_publish_is_withdrawn_meanwhile(self):
        patient = "IHEBLUE-1008"
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on, proxy.lost_request))
        url = self.assertStatus(support.request("POST", self.gateway.base, dict(support.bearer(self.doctor), **{
            "Content-Type": "application/fhir+json", "Prefer": "respond-async"}), json.dumps(
                support.demo_bundle(b"<a>x</a>", patient=patient)).encode()), 202).header("Content-Location")
        self.consent(denying("collect"), patient)
        go_on.set()
        answer = self.settled(url, self.doctor)
        self.assertEqual(answer["resourceType"], "OperationOutcome", answer)
        self.assertIn("does not allow its sender", json.dumps(answer))
        self.assertEqual(self.registrar.find(**{"patient.identifier": "%s|%s" % (
            trust.PATIENT_SYSTEM, patient)}).json()["total"], 0)

    def test_115_consent_to_change_is_withdrawn_meanwhile(self):
        patient = "IHEBLUE-1009"
        answer = self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>x</a>", patient=patient),
                                                        token=self.doctor), 200).json()
        location = reference_location(answer).split("/_history")[0]
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(UPDATE, proxy.held(go_on, proxy.lost_request))
        url = self.assertStatus(support.request("PATCH", self.gateway.base + "/" + location, dict(
            support.bearer(self.doctor), **{"Content-Type": PATCH, "Prefer": "respond-async"}), json.dumps(
                [{"op": "replace", "path": "/description", "value": "other"}]).encode()), 202).header(
                    "Content-Location")
        self.consent(denying("correct"), patient)
        go_on.set()
        answer = self.settled(url, self.doctor)
        self.assertEqual(answer["resourceType"], "OperationOutcome", answer)
        self.assertIn("does not allow its sender", json.dumps(answer))
        self.assertNotEqual(self.registered(location).get("description"), "other")


    def assertCancelled(self, url, reason):
        """Its sender finds what became of it, as long as of what is settled otherwise; a stranger does not."""
        path = url.replace("/_async/", "/Task/")
        task = self.assertStatus(self.get(path, self.doctor), 200).json()
        self.assertEqual(task["status"], "cancelled")
        self.assertIn(reason, json.dumps(task["statusReason"]))
        listed = self.assertStatus(self.get("/Task?status=cancelled", self.doctor), 200).json()
        self.assertIn(task["id"], [entry["resource"]["id"] for entry in listed["entry"]])
        self.assertNotIn("entry", self.get("/Task?status=cancelled", self.colleague).json())

    def test_what_is_withdrawn_is_found_by_who_sent_it(self):
        patient = "IHEBLUE-1003"
        self.assertStatus(self.gateway.find(token=self.doctor, **{
            "patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, patient)}), 200)
        self.domain.kill()
        urls = [self.assertStatus(self.gateway.publish(support.demo_bundle(
            b"<a>%d</a>" % number, patient=who), token=self.doctor), 202).header("Content-Location")
            for number, who in enumerate((patient, patient, patient, "IHEBLUE-1002"))]
        strangers = self.assertStatus(self.gateway.publish(support.demo_bundle(
            b"<a>%d</a>", patient=patient), token=self.colleague), 202).header("Content-Location")
        # The last one's patient nobody could be asked about: it was shown to its sender alone.
        for url in urls[:2] + urls[3:]:
            # 409 while it is just being sent
            support.wait_until(lambda: support.request("DELETE", url, support.bearer(self.doctor)).status == 202,
                               "it to be taken back")
            self.assertStatus(self.get(url, self.doctor), 404)
            self.assertCancelled(url, "by request")
        self.assertStatus(self.get(urls[3].replace("/_async/", "/Task/"), self.colleague), 404)
        listed = subprocess.run([support.BINARY, "queue", "--config", self.gateway.configuration_path, "--json", "list"],
                                capture_output=True, text=True, check=True).stdout.splitlines()
        dropped = [each["id"] for each in map(json.loads, listed) if each["state"] in ("waiting", "sending")][0]
        support.wait_until(lambda: subprocess.run(
            [support.BINARY, "queue", "--config", self.gateway.configuration_path, "drop", dropped],
            capture_output=True, check=False).returncode == 0, "it to be taken back by hand")
        self.assertCancelled(urls[2], "command line")
        answer = self.settled(urls[2], self.doctor)
        self.assertIn("by the command line", answer["issue"][0]["diagnostics"])
        self.assertEqual(answer["issue"][0]["severity"], "error")
        self.domain_restart()
        self.settled(strangers, self.colleague)

    def test_what_another_sent_is_deleted_once_it_is_registered(self):
        patient = "IHEBLUE-1004"
        about = {"patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, patient)}
        for token in (self.doctor, self.colleague):
            self.assertStatus(self.gateway.find(token=token, **about), 200)
        self.domain.kill()
        # The first may have arrived, as far as anybody knows; the others were never sent.
        self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>first</a>", patient=patient),
                                               token=self.doctor), 202)
        sent = [support.demo_bundle(b"<a>%d</a>" % number, patient=patient) for number in range(2)]
        urls = [self.assertStatus(self.gateway.publish(each, token=self.doctor), 202).header("Content-Location")
                for each in sent]
        found = trust.matches(self.assertStatus(self.gateway.find(token=self.colleague, **about), 200).json())
        paths = ["/DocumentReference/" + next(each["id"] for each in found if support.document_oid(one) in json.dumps(
            each["masterIdentifier"])) for one in sent]

        def delete(path, token):
            return support.request("DELETE", self.gateway.base + path, support.bearer(token))
        behind = self.assertStatus(delete(paths[0], self.colleague), 202).header("Content-Location")
        self.assertStatus(self.get(urls[0], self.doctor), 202)
        self.assertStatus(self.get(urls[0].replace("/_async/", "/Task/"), self.doctor), 200)
        self.assertStatus(delete(paths[1], self.doctor), 204)
        self.assertIn("Its document was deleted.", json.dumps(self.settled(urls[1], self.doctor)))
        self.assertCancelled(urls[1], "was deleted")
        self.domain_restart()
        self.assertEqual(self.settled(urls[0], self.doctor)["type"], "transaction-response")
        self.assertIn("is deleted", json.dumps(self.settled(behind, self.colleague)))
        self.assertEqual(self.registered(paths[0][1:])["status"], "superseded")
        self.assertStatus(support.request("GET", self.registrar.base + paths[1]), 404)

    def test_112_115_who_may_not_change_it_may_not_replace_it(self):
        patient = "IHEBLUE-1010"
        old = support.demo_bundle(b"<a>old</a>", patient=patient)
        location = reference_location(self.assertStatus(self.gateway.publish(old, token=self.doctor),
                                                        200).json()).split("/_history")[0]

        def building(code, by_name=False):
            bundle = support.demo_bundle(b"<a>new</a>", patient=patient)
            bundle["entry"][1]["resource"]["relatesTo"] = [{"code": code, "target": {"reference": location}}]
            return by_unique_id(bundle, support.document_oid(old), code) if by_name else bundle

        def accept(bundle):
            answer = support.request("POST", self.gateway.base, dict(support.bearer(self.colleague), **{
                "Content-Type": "application/fhir+json", "Prefer": "respond-async"}), json.dumps(bundle).encode())
            return self.assertStatus(answer, 202).header("Content-Location")
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on, proxy.lost_request))
        found = accept(building("replaces"))     # permitted, and looked up, when it was accepted
        self.consent(denying("correct"), patient)
        go_on.set()
        self.assertIn("does not allow its sender", json.dumps(self.settled(found, self.colleague)))
        for by_name in (False, True):
            for tokens in (self.colleague, self.doctor):
                refusal = self.assertStatus(self.gateway.publish(building("replaces", by_name), token=tokens), 403)
                self.assertIn("append to it", refusal.body.decode())
            both = building("replaces", by_name)
            both["entry"][1]["resource"]["relatesTo"] += building("transforms", by_name)["entry"][1]["resource"][
                "relatesTo"]
            self.assertStatus(self.gateway.publish(both, token=self.colleague), 403)
        self.domain.kill()
        urls = [self.assertStatus(self.gateway.publish(building("replaces", by_name), token=self.colleague),
                                  202).header("Content-Location") for by_name in (False, True)]
        self.domain_restart()
        for url in urls:
            self.assertIn("does not allow its sender", json.dumps(self.settled(url, self.colleague)))
        self.assertEqual(self.registered(location)["status"], "current")
        self.assertStatus(self.gateway.publish(building("appends"), token=self.colleague), 200)
        self.assertEqual(self.registered(location)["status"], "current")


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
