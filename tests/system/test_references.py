"""What a publication refers to: patients by URL, external authors (UnContained), folders, registered documents."""
import copy
import json
import unittest
import uuid

import fhir_peer
import support

RIM = "urn:ietf:rfc:3986"


def locations(answer):
    return [entry["response"]["location"] for entry in answer["entry"]]


class References(support.Stand):
    @classmethod
    def setUpClass(cls):
        cls.peer = fhir_peer.FhirPeer()
        cls.addClassCleanup(cls.peer.close)
        cls.gateway_overrides = {"patient": {"assigning_authority": support.AUTHORITY,
                                             "identity_base": cls.peer.base, "reference_bases": [cls.peer.base]}}
        super().setUpClass()

    def setUp(self):
        self.peer.resources.clear()
        self.peer.asked.clear()

    def absolute(self, location):
        return location if location.startswith("http") else self.gateway.base + "/" + location

    def read(self, location):
        return self.assertStatus(support.request("GET", self.absolute(location)), 200).json()

    def with_subject(self, subject):
        bundle = support.demo_bundle(support.demo_letter())
        for entry in bundle["entry"][:2]:
            entry["resource"]["subject"] = subject
        return bundle

    def patient(self, value=support.PATIENT, system="urn:oid:" + support.AUTHORITY):
        return {"resourceType": "Patient", "id": "p1", "identifier": [
            {"system": "urn:oid:2.999.5", "value": "x"}, {"system": system, "value": value}]}

    def test_patient_by_url(self):
        url = self.peer.add(self.patient())
        for reference in (url, "Patient/p1"):
            answer = self.publish(self.with_subject({"reference": reference}))
            self.assertEqual(self.read(locations(answer)[1])["subject"]["identifier"]["value"], support.PATIENT)

    def test_patient_urls_that_do_not_resolve(self):
        self.peer.add(self.patient(system="urn:oid:2.999.6"))
        self.peer.resources["Patient/wrong"] = {"resourceType": "Practitioner", "id": "wrong"}
        self.peer.resources["Patient/away"] = (302, "text/plain", b"", {"Location": self.peer.base + "/Patient/p1"})
        self.peer.resources["Patient/html"] = (200, "text/html", b"<html>", {})
        self.peer.resources["Patient/huge"] = (200, "application/fhir+json", b'{"a":"' + b"x" * (2 << 20) + b'"}', {})
        self.peer.resources["Patient/error"] = (500, "text/plain", b"", {})
        for reference, status in ((self.peer.base + "/Patient/p1", 422), (self.peer.base + "/Patient/none", 422),
                                  (self.peer.base + "/Patient/wrong", 422), (self.peer.base + "/Patient/away", 422),
                                  (self.peer.base + "/Patient/html", 502), (self.peer.base + "/Patient/huge", 502),
                                  (self.peer.base + "/Patient/error", 503),
                                  ("http://127.0.0.1:9/fhir/Patient/p1", 422),
                                  ("file:///etc/passwd", 422), (self.peer.base + "/Patient/../Patient/p1", 422)):
            with self.subTest(reference=reference):
                response = self.gateway.publish(self.with_subject({"reference": reference}))
                self.assertEqual(response.status, status, response)
        self.assertNotIn("/fhir/Patient/../Patient/p1", self.peer.asked)

    def uncontained(self):
        bundle = support.demo_bundle(support.demo_letter(), profile="UnContained.Comprehensive")
        resource = bundle["entry"][1]["resource"]
        resource.pop("contained", None)
        resource.pop("authenticator", None)
        resource.pop("custodian", None)
        context = resource["context"]
        context.pop("sourcePatientInfo", None)
        submission = bundle["entry"][0]["resource"]
        submission.pop("contained", None)
        submission.pop("source", None)
        submission["extension"] = [each for each in submission["extension"] if "Recipient" not in each["url"]]
        return bundle, resource

    def test_external_author_is_frozen(self):
        practitioner = self.peer.add({"resourceType": "Practitioner", "id": "d1", "name": [
            {"family": "Fictive", "given": ["Docteur"]}]})
        organization = self.peer.add({"resourceType": "Organization", "id": "o1", "name": "Imaginary Hospital",
                                      "identifier": [{"system": RIM, "value": "urn:oid:2.999.8"}]})
        role = self.peer.add({"resourceType": "PractitionerRole", "id": "r1",
                              "practitioner": {"reference": practitioner},
                              "organization": {"reference": organization}})
        for reference in (practitioner, role):
            bundle, resource = self.uncontained()
            resource["author"] = [{"reference": reference}]
            answer = self.publish(bundle)
            self.peer.resources["Practitioner/d1"]["name"][0]["family"] = "Changed"
            self.assertIn("Fictive", json.dumps(self.read(locations(answer)[1])))
            self.peer.resources["Practitioner/d1"]["name"][0]["family"] = "Fictive"

    def test_external_author_that_cannot_be_read(self):
        bundle, resource = self.uncontained()
        for reference in (self.peer.base + "/Practitioner/none", "http://127.0.0.1:9/fhir/Practitioner/d1",
                          "https://169.254.169.254/latest/Practitioner/x"):
            resource["author"] = [{"reference": reference}]
            response = self.assertStatus(self.gateway.publish(bundle), 422)
            self.assertIn("author", json.dumps(response.json()))

    def test_folders(self):
        bundle = support.demo_bundle(support.demo_letter())
        support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        answer = self.publish(bundle)
        document, folder = locations(answer)[1], locations(answer)[3]
        listed = self.read(folder)
        self.assertEqual(listed["title"], "A folder")
        self.assertEqual([self.absolute(each["item"]["reference"]) for each in listed["entry"]],
                         [self.absolute(document)])
        submission = self.read(locations(answer)[0])
        self.assertEqual({self.absolute(each["item"]["reference"]) for each in submission["entry"]},
                         {self.absolute(document), self.absolute(folder)})
        found = self.gateway.find("List", code="folder").json()
        self.assertIn(listed["id"], [entry["resource"]["id"] for entry in found["entry"]])

        more = support.demo_bundle(b"one more", "text/plain")
        update = copy.deepcopy(listed)
        update["entry"].append({"item": {"reference": more["entry"][1]["fullUrl"]}})
        full_url = self.absolute(folder)
        more["entry"].append({"fullUrl": full_url, "resource": update,
                              "request": {"method": "PUT", "url": "List/" + listed["id"]}})
        more["entry"][0]["resource"]["entry"].append({"item": {"reference": full_url}})
        added = self.publish(more)
        self.assertEqual(added["entry"][3]["response"]["status"][:3], "200")
        self.assertEqual(len(self.read(folder)["entry"]), 2)

    def test_append_and_transform(self):
        first = self.publish(support.demo_bundle(b"first", "text/plain"))
        for code in ("appends", "transforms", "signs"):
            bundle = support.demo_bundle(code.encode(), "text/plain")
            bundle["entry"][1]["resource"]["relatesTo"] = [{"code": code, "target": {
                "reference": locations(first)[1]}}]
            answer = self.publish(bundle)
            relation = self.read(locations(answer)[1])["relatesTo"][0]
            self.assertEqual(relation["code"], code)
            self.assertEqual(self.absolute(relation["target"]["reference"]), self.absolute(locations(first)[1]))
        self.assertEqual(self.read(locations(first)[1])["status"], "current")

    def test_replace_with_the_superseded_update(self):
        old = support.demo_bundle(b"old", "text/plain")
        location = locations(self.publish(old))[1]
        identifier = self.read(location)["id"]
        new = support.demo_bundle(b"new", "text/plain")
        new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference":
                                                    "DocumentReference/" + identifier}}]
        new["entry"].append({"fullUrl": self.gateway.base + "/DocumentReference/" + identifier, "resource": {
            "resourceType": "Parameters", "parameter": [{"name": "operation", "part": [
                {"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "DocumentReference.status"},
                {"name": "value", "valueCode": "superseded"}]}]},
            "request": {"method": "PATCH", "url": "DocumentReference/" + identifier}})
        answer = self.publish(new)
        self.assertEqual(answer["entry"][3]["response"]["status"][:3], "200")
        self.assertEqual(self.read(locations(answer)[3])["status"], "superseded")
        again = support.demo_bundle(b"third", "text/plain")
        again["entry"][1]["resource"]["relatesTo"] = new["entry"][1]["resource"]["relatesTo"]
        self.assertEqual(self.gateway.publish(again).status, 409, "what was replaced cannot be replaced again")

    def test_relation_by_identifier(self):
        old = support.demo_bundle(b"old", "text/plain")
        location = locations(self.publish(old))[1]
        new = support.demo_bundle(b"new", "text/plain")
        new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
            "system": RIM, "value": "urn:oid:" + support.document_oid(old)}}}]
        self.publish(new)
        self.assertEqual(self.read(location)["status"], "superseded")


class MinimalRefused(support.Stand):
    gateway_overrides = {"minimal_policy": "refuse"}

    def test_thin_bundle(self):
        bundle = support.demo_bundle(support.demo_letter(), profile="Minimal")
        self.publish(bundle)  # it has everything, whatever it claims
        thin = support.demo_bundle(support.demo_letter(), profile="Minimal")
        thin["entry"][1]["resource"].pop("type")
        response = self.gateway.publish(thin)
        self.assertEqual(response.status, 422, response)
        self.assertIn("type", json.dumps(response.json()))


class ProfilesChosen(support.Stand):
    gateway_overrides = {"profiles": ["comprehensive"]}

    def test_other_profiles_are_refused(self):
        self.publish(support.demo_bundle(support.demo_letter()))
        self.assertEqual(self.gateway.publish(support.demo_bundle(b"x", profile="Minimal")).status, 422)
        bundle = support.demo_bundle(b"x")
        bundle.pop("meta")
        self.assertEqual(self.gateway.publish(bundle).status, 422)


if __name__ == "__main__":
    unittest.main()
