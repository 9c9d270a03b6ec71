"""What is published is also given to another network, as far as the patient consents."""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile
import unittest

import chaos
import proxy
import support
import test_outbox
import trust
import xds

DSP_HOME = "2.999.20.72"
DSP_REPOSITORY = "2.999.20.11"


def removing(domain, unique_id):
    """The repositories of a back-end that also removes documents."""
    return [{"unique_id": unique_id, "url": domain.repository_url, "remove_url": domain.repository_url}]


class Sharing(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.hcm = support.Domain(cls.directory, **trust.domain_configuration(cls.directory))
        cls.addClassCleanup(lambda: cls.hcm.kill())
        cls.dsp = cls.dsp_start()
        cls.addClassCleanup(lambda: cls.dsp.kill())
        dsp = cls.dsp.back_end(source=2, home_community_id=DSP_HOME, timeout_ms=3000,
                               repositories=[{"unique_id": DSP_REPOSITORY, "url": cls.dsp.repository_url}])
        overrides = trust.trust_configuration(cls.directory, cls.hcm)
        overrides["consent"]["care_relationships"] = ["any|any", "urn:oid:%s|any" % DSP_HOME]
        overrides["publication"] = {
            "degraded": "accept", "deadline_ms": 2000, "retry_seconds_max": 1,
            "share": ["http://loinc.org|11503-0 = dsp provide", "http://loinc.org|11488-4 = dsp register"]}
        cls.gateway = support.Gateway(cls.directory, [cls.hcm.back_end(timeout_ms=3000), dsp], **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.face = support.Gateway(cls.directory, [dsp], name="face")
        cls.addClassCleanup(cls.face.kill)
        cls.doctor = cls.gateway.token("doctor", user="doctor-1")

    @classmethod
    def dsp_start(cls, **more):
        return support.Domain(cls.directory, name="dsp", repository_unique_id=DSP_REPOSITORY,
                              home_community_id=DSP_HOME, **more)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.face.stop()
        cls.dsp.stop()
        cls.hcm.stop()

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def at_dsp(self, patient=support.PATIENT):
        """What the DSP itself has of a patient: uniqueId to resource."""
        found = self.assertStatus(self.face.find(**{
            "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, patient)}), 200).json()
        return {entry["resource"]["masterIdentifier"]["value"][len("urn:oid:"):]: entry["resource"]
                for entry in found.get("entry", []) if entry["search"]["mode"] == "match"}

    def tasks(self, status):
        bundle = self.assertStatus(support.request("GET", self.gateway.base + "/Task?status=" + status,
                                                   support.bearer(self.doctor)), 200).json()
        return [entry["resource"] for entry in bundle.get("entry", [])]

    def classed(self, document, code, patient=support.PATIENT):
        bundle = support.demo_bundle(document, patient=patient)
        bundle["entry"][1]["resource"]["category"][0]["coding"][0].update(
            {"system": "http://loinc.org", "code": code, "display": "class"})
        return bundle

    def test_shared_while_the_other_network_is_down(self):
        document = b"<a>for both</a>"
        bundle = self.classed(document, "11503-0")
        self.dsp.kill()
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        self.assertIn("It is being shared with dsp.", answer.body.decode())
        oid = support.document_oid(bundle)
        self.assertIn("dsp", json.dumps(self.tasks("requested,in-progress")))
        type(self).dsp = self.dsp_start(port=self.dsp.port)
        support.wait_until(lambda: oid in self.at_dsp(), "the DSP to have the document")
        resource = self.at_dsp()[oid]
        self.assertEqual(support.request("GET", resource["content"][0]["attachment"]["url"]).body, document)
        support.wait_until(lambda: any(task["code"]["coding"][0]["code"] == "share"
                                       for task in self.tasks("completed")), "its Task to be completed")
        again = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        self.assertEqual(len([each for each in self.at_dsp() if each == oid]), 1)
        del again

    def test_what_is_registered_is_delivered_also_when_it_can_never_be_shared(self):
        bundle = self.classed(b"<a>spoilt</a>", "11503-0", "IHEBLUE-1009")
        self.assertStatus(self.gateway.publish(self.classed(b"<a>known</a>", "34109-9", "IHEBLUE-1009"),
                                               token=self.doctor), 200)
        self.hcm.kill()
        url = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 202).header("Content-Location")

        def is_spoilt():
            """Put aside as one that may have been sent, with nothing left of its document."""
            path, = pathlib.Path(self.directory).glob("**/outbox.db")
            with contextlib.closing(sqlite3.connect(path, timeout=10)) as store, store:
                store.execute("UPDATE outbox_chunk SET bytes = zeroblob(length(bytes)) WHERE part = 3")
                return store.execute("UPDATE outbox_item SET unclear = 1, due_ms = due_ms + 600000 WHERE state = 0"
                                     ).rowcount == 1
        support.wait_until(is_spoilt, "the publication to wait for its turn")
        type(self).hcm = support.Domain(self.directory, port=self.hcm.port, **trust.domain_configuration(self.directory))
        plain = support.Gateway(self.directory, [self.hcm.back_end()], name="plain")
        self.addCleanup(plain.kill)
        self.assertStatus(plain.publish(bundle), 200)
        self.assertStatus(support.request("POST", url.replace("/_async/", "/Task/") + "/$retry",
                                          support.bearer(self.doctor)), 200)

        def answer():
            return support.request("GET", url, support.bearer(self.doctor))
        support.wait_until(lambda: answer().status != 202, "the publication to be settled")
        self.assertEqual(answer().json()["resourceType"], "Bundle", answer())
        self.assertIn("cannot be shared with other networks", answer().body.decode())
        self.assertNotIn(support.document_oid(bundle), self.at_dsp("IHEBLUE-1009"))

    def test_other_classes_stay(self):
        bundle = self.classed(b"<a>ours</a>", "34109-9", "IHEBLUE-1003")
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        self.assertNotIn("shared", answer.body.decode())
        marker = self.classed(b"<a>marker</a>", "11503-0", "IHEBLUE-1003")
        self.assertStatus(self.gateway.publish(marker, token=self.doctor), 200)
        support.wait_until(lambda: support.document_oid(marker) in self.at_dsp("IHEBLUE-1003"), "the marker")
        self.assertNotIn(support.document_oid(bundle), self.at_dsp("IHEBLUE-1003"))

    def test_registered_alone(self):
        document = b"<a>registered</a>"
        bundle = self.classed(document, "11488-4", "IHEBLUE-1004")
        self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        oid = support.document_oid(bundle)
        support.wait_until(lambda: oid in self.at_dsp("IHEBLUE-1004"), "the DSP to know of the document")

    def object_to(self, patient):
        """The patient denies the other network everything."""
        token = self.gateway.token("patient", user="patient-2", patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))
        provision = {"type": "permit", "provision": [{"type": "deny", "actor": [{
            "role": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                 "code": "IRCP"}]},
            "reference": {"type": "Organization", "identifier": {"system": "urn:ietf:rfc:3986",
                                                                 "value": "urn:oid:" + DSP_HOME}}}]}]}
        answer = self.assertStatus(support.request(
            "POST", self.gateway.base + "/Consent", dict(support.bearer(token), **{
                "Content-Type": "application/fhir+json"}),
            json.dumps(trust.consent_resource(provision, patient)).encode()), 201)
        return answer.header("Location"), token

    def waiting(self):
        return self.tasks("requested,in-progress")

    def test_100_objection_keeps_changes_back(self):
        patient = "IHEBLUE-1006"
        bundle = self.classed(b"<a>once for both</a>", "11503-0", patient)
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200).json()
        name = next(entry["response"]["location"] for entry in answer["entry"]
                    if entry["response"]["location"].startswith("DocumentReference/"))
        oid = support.document_oid(bundle)
        support.wait_until(lambda: oid in self.at_dsp(patient), "the DSP to have the document")
        self.object_to(patient)
        self.assertStatus(support.request("PATCH", self.gateway.base + "/" + name, dict(support.bearer(self.doctor), **{
            "Content-Type": "application/json-patch+json"}), json.dumps(
                [{"op": "add", "path": "/description", "value": "for us"}]).encode()), 200)
        support.wait_until(lambda: not any(task["code"]["coding"][0]["code"] == "update"
                                           for task in self.tasks("requested,in-progress")), "its end")
        self.assertEqual(self.tasks("failed"), [])
        self.assertNotEqual(self.at_dsp(patient)[oid].get("description"), "for us")

    def test_100_objection_is_withheld_and_told(self):
        patient = "IHEBLUE-1002"
        self.object_to(patient)
        bundle = self.classed(b"<a>not for them</a>", "11503-0", patient)
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        issues = json.dumps(answer.json())
        self.assertIn("withheld", issues)
        self.assertNotIn('"error"', issues)
        self.assertNotIn("dsp", [task["input"][0]["valueString"] for task in self.tasks("requested,in-progress")])
        self.assertEqual(self.at_dsp(patient), {})

    def test_100_what_was_withheld_is_shared_once_the_patient_consents(self):
        """Who publishes the same again is not told that it is being shared when it is not."""
        patient = "IHEBLUE-1008"
        bundle = self.classed(b"<a>for them at last</a>", "11503-0", patient)
        oid = support.document_oid(bundle)
        self.dsp.kill()
        self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        consent, token = self.object_to(patient)
        type(self).dsp = self.dsp_start(port=self.dsp.port)
        support.wait_until(lambda: not self.waiting(), "it to be withheld")
        self.assertEqual(self.at_dsp(patient), {})
        self.assertIn(support.request("DELETE", consent.split("/_history")[0], support.bearer(token)).status, (200, 204))
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        self.assertIn("It is being shared with dsp.", answer.body.decode())
        support.wait_until(lambda: oid in self.at_dsp(patient), "the DSP to have the document")

    def test_what_was_refused_is_tried_again_when_it_is_published_again(self):
        patient = "IHEBLUE-1009"
        bundle = self.classed(b"<a>of a stranger</a>", "11503-0", patient)
        oid = support.document_oid(bundle)
        self.dsp.stop()
        shutil.rmtree(os.path.join(self.directory, "dsp"))
        type(self).dsp = self.dsp_start(port=self.dsp.port, patients=[support.PATIENT])
        self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        support.wait_until(lambda: self.tasks("failed"), "the DSP to refuse it")
        self.dsp.stop()
        type(self).dsp = self.dsp_start(port=self.dsp.port)
        self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        support.wait_until(lambda: oid in self.at_dsp(patient), "the DSP to have the document")
        self.assertEqual(self.tasks("failed"), [])

    def test_accepted_in_an_outage_is_shared_when_it_is_delivered(self):
        document = b"<a>later for both</a>"
        bundle = self.classed(document, "11503-0", "IHEBLUE-1005")
        oid = support.document_oid(bundle)
        answer = support.request("POST", self.gateway.base, dict(support.bearer(self.doctor), **{
            "Content-Type": "application/fhir+json", "Prefer": "respond-async"}), json.dumps(bundle).encode())
        url = self.assertStatus(answer, 202).header("Content-Location")
        headers = support.bearer(self.doctor)
        support.wait_until(lambda: support.request("GET", url, headers).status == 200, "it to be delivered")
        self.assertIn("It is being shared with dsp.", support.request("GET", url, headers).body.decode())
        support.wait_until(lambda: oid in self.at_dsp("IHEBLUE-1005"), "the DSP to have the document")


class Full(test_outbox.Case):
    """What is to be shared of what was accepted finds its room, however full the outbox is: else it would stay full."""
    overrides = {"outbox": {"bytes_max": 2097152}, "access": {"anonymous": False}}
    publication = {"share": ["any = dsp provide"]}

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, directory, True)
        self.dsp = support.Domain(directory, name="dsp", repository_unique_id=DSP_REPOSITORY, home_community_id=DSP_HOME)
        self.addCleanup(self.dsp.kill)
        super().setUp()

    def back_ends(self):
        return [self.back_end_make(), self.dsp.back_end(
            source=2, home_community_id=DSP_HOME, timeout_ms=3000,
            repositories=[{"unique_id": DSP_REPOSITORY, "url": self.dsp.repository_url}])]

    def test_110_a_full_outbox_is_delivered_and_shared(self):
        self.domain.kill()
        accepted = []
        for number, client in enumerate(("doctor", "doctor", "system", "system")):
            headers = support.bearer(self.gateway.token(client, user=client + "-1"))
            document = b"<a>" + b"%d" % number * (400 * 1024) + b"</a>"
            bundle = support.demo_bundle(document, patient="IHEBLUE-100%d" % (number + 1))
            accepted.append((self.accept(bundle, headers), headers))
        last = self.gateway.publish(support.demo_bundle(document), token=self.gateway.token("doctor", user="doctor-1"))
        self.assertStatus(last, 503)
        self.domain_restart()
        for url, headers in accepted:
            support.wait_until(lambda: support.request("GET", url, headers).status == 200, "its delivery")
        store, = pathlib.Path(self.directory).glob("**/outbox.db")
        with contextlib.closing(sqlite3.connect(store)) as reading:
            support.wait_until(lambda: reading.execute(
                "SELECT state, COUNT(*) FROM outbox_item GROUP BY state").fetchall() == [(2, 8)], "all to be shared")


class Community(unittest.TestCase):
    """The other network is read by XCA, knows patients by other numbers, and takes documents by XDS.b."""

    AUTHORITY = "2.999.20.75"

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        numbers = {"cross_references": ["%s|DSP-1001..DSP-1010 = IHEBLUE-1001..IHEBLUE-1010" % cls.AUTHORITY]}
        cls.hcm = support.Domain(cls.directory, **numbers)
        cls.addClassCleanup(cls.hcm.kill)
        cls.dsp = support.Domain(cls.directory, name="dsp", repository_unique_id=DSP_REPOSITORY,
                                 home_community_id=DSP_HOME, assigning_authority=cls.AUTHORITY,
                                 patients=["DSP-1001..DSP-1010"])
        cls.addClassCleanup(cls.dsp.kill)
        cls.takes = {"provide_url": cls.dsp.repository_url, "register_url": cls.dsp.registry_url,
                     "update_url": cls.dsp.registry_url, "delete_url": cls.dsp.registry_url,
                     "repositories": removing(cls.dsp, DSP_REPOSITORY)}
        cls.identity = {"pix_url": "http://127.0.0.1:%d/pix" % cls.hcm.port,
                        "authorities": [{"number": 1, "oid": cls.AUTHORITY}]}
        cls.gateway = cls.gateway_start("gateway", **cls.takes)
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def entry(cls, **more):
        return cls.dsp.community(DSP_HOME, assigning_authority=cls.AUTHORITY, timeout_ms=3000, **more)

    @classmethod
    def gateway_start(cls, name, share=("any = dsp provide",), **takes):
        hcm = cls.hcm.back_end(delete_url=cls.hcm.registry_url, repositories=removing(cls.hcm, support.REPOSITORY))
        return support.Gateway(cls.directory, [hcm, cls.entry(**takes)],
                               name=name, identity=cls.identity,
                               publication={"delete": "remove", "retry_seconds_max": 1, "share": list(share)})

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.dsp.stop()
        cls.hcm.stop()

    def answer_of(self, bundle):
        """What the community's own registry has of the document: its versions."""
        answer = xds.Answer(support.request(
            "POST", self.dsp.registry_url,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % xds.STORED_QUERY},
            xds.envelope(xds.STORED_QUERY, xds.stored_query(
                xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % support.document_oid(bundle)),
                                    ("MetadataLevel", "2")])).encode()))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        return answer

    def dsp_has(self, bundle, count):
        support.wait_until(lambda: len(self.answer_of(bundle).objects) == count, "the community to have %d versions" % count)

    def found(self, bundle):
        """The document in the merged record: its resources."""
        answer = self.gateway.find(**{"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT)})
        self.assertEqual(answer.status, 200, repr(answer))
        self.assertNotIn("incomplete", answer.body.decode())
        return [entry["resource"] for entry in answer.json()["entry"]
                if support.document_oid(bundle) in json.dumps(entry["resource"].get("masterIdentifier"))]

    def has_bytes(self, bundle, content):
        """Which of the two repositories have the document itself."""
        return [domain.name for domain, repository in ((self.hcm, support.REPOSITORY), (self.dsp, DSP_REPOSITORY))
                if content in chaos.ask(domain.repository_url, xds.RETRIEVE, xds.retrieve(
                    (repository, support.document_oid(bundle)))).response.body]

    def delete(self, resource, gateway=None):
        url = "%s/DocumentReference/%s" % ((gateway or self.gateway).base, resource["id"])
        self.assertEqual(support.request("DELETE", url).status, 204)

    def test_given_and_changed_and_removed(self):
        bundle = support.demo_bundle(b"<a>for the community</a>")
        answer = self.gateway.publish(bundle)
        self.assertEqual(answer.status, 200, repr(answer))
        self.assertIn("It is being shared with dsp.", answer.body.decode())
        self.dsp_has(bundle, 1)
        self.assertIn("DSP-1001^^^&amp;" + self.AUTHORITY, self.answer_of(bundle).root.decode())
        resource = self.found(bundle)
        self.assertEqual(len(resource), 1, "both have it, and it is shown once")
        url = self.gateway.base + "/DocumentReference/" + resource[0]["id"]
        self.assertEqual(support.request("PATCH", url, {"Content-Type": "application/json-patch+json"}, json.dumps(
            [{"op": "add", "path": "/description", "value": "for both"}]).encode()).status, 200)
        self.dsp_has(bundle, 2)
        self.assertEqual(len(self.found(bundle)), 1)
        self.assertEqual(self.has_bytes(bundle, b"for the community"), ["hcm", "dsp"])
        self.delete(resource[0])
        self.dsp_has(bundle, 0)
        support.wait_until(lambda: not self.has_bytes(bundle, b"for the community"), "the bytes to be gone")

    def test_bytes_that_an_attempt_left_are_removed_there(self):
        wire = proxy.Proxy("http://127.0.0.1:%d" % self.dsp.port)
        self.addCleanup(wire.close)
        repositories = [dict(self.takes["repositories"][0], remove_url=wire.url("/repository"))]
        gateway = self.gateway_start("retrying", **dict(self.takes, repositories=repositories))
        self.addCleanup(gateway.kill)
        bundle = support.demo_bundle(b"<a>half gone</a>")
        self.assertEqual(gateway.publish(bundle).status, 200)
        self.dsp_has(bundle, 1)
        wire.script("RemoveDocuments", proxy.lost_request)
        self.delete(self.found(bundle)[0], gateway)
        support.wait_until(lambda: wire.count("RemoveDocuments") == 2, "the community to be asked again")
        support.wait_until(lambda: not self.has_bytes(bundle, b"half gone"), "the bytes to be gone")
        gateway.stop()

    def test_where_bytes_would_stay_it_is_deprecated(self):
        gateway = self.gateway_start("keeping", **{key: value for key, value in self.takes.items() if key != "repositories"})
        self.addCleanup(gateway.kill)
        bundle = support.demo_bundle(b"<a>kept by the community</a>")
        self.assertEqual(gateway.publish(bundle).status, 200)
        self.dsp_has(bundle, 1)
        self.delete(self.found(bundle)[0], gateway)
        support.wait_until(lambda: [each.get("status") for each in self.answer_of(bundle).objects] == [xds.DEPRECATED],
                           "the community to deprecate it")
        self.assertEqual(self.has_bytes(bundle, b"kept by the community"), ["dsp"])
        gateway.stop()

    def test_registered_alone(self):
        gateway = self.gateway_start("registering", ("any = dsp register",), **self.takes)
        self.addCleanup(gateway.kill)
        bundle = support.demo_bundle(b"<a>known to the community</a>")
        self.assertEqual(gateway.publish(bundle).status, 200)
        self.dsp_has(bundle, 1)
        self.delete(self.found(bundle)[0], gateway)
        self.dsp_has(bundle, 0)
        self.assertEqual(self.has_bytes(bundle, b"known to the community"), [])
        gateway.stop()

    def test_check_asks_for_where_documents_go(self):
        for how, key in (("provide", "register_url"), ("register", "provide_url")):
            with self.subTest(how=how):
                with self.assertRaises(AssertionError) as refused:
                    self.gateway_start("wrong", ("any = dsp " + how,), **{key: self.takes[key]})
                self.assertIn("publication.share", str(refused.exception))
        done = subprocess.run([support.BINARY, "check", "--config",
                               os.path.join(self.directory, "gateway.yaml")], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("dsp: publications at " + self.dsp.repository_url, done.stdout)


if __name__ == "__main__":
    unittest.main()
