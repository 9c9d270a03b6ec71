"""The Provide Document Bundles of the MHD 4.2.4 guide, published as they stand but for what names nothing real in them:
their patient, their repeated or too long identifiers, and the documents and folders that they expect to be there."""
import glob
import json
import os
import unittest

import support

SYSTEM = "urn:oid:1.3.6.1.4.1.21367.13.20.3000"
PATIENT = "IHEBLUE-1004"
EXAMPLES = ("fhir", "mhd-package", "compiled-4.2.4-current")
OLD = ("DocumentReference/ex-DocumentReferenceComprehensive", "DocumentReference/ex-documentreference")

# Wrong by the guide's own rules: attachment.size says 24 of 23 bytes; a document Bundle is an option of its own.
REFUSED = {"comprehensiveProvideDocumentBundleReplace": "attachment.size",
           "comprehensiveProvideDocumentBundleDocument": "FHIRDocumentNotSupported"}


def fresh(value):
    """value with every OID of the guide replaced by one of our own: they are used twice, and longer than XDS allows."""
    if isinstance(value, dict):
        return {key: support.fresh_oid(31) if key == "value" and str(each).startswith("urn:oid:1.2.840.113556")
                else fresh(each) for key, each in value.items()}
    return [fresh(each) for each in value] if isinstance(value, list) else value


class Examples(support.Stand):
    def example(self, path, old, folder):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name in OLD:
            text = text.replace('"%s"' % name, '"%s"' % old)
        bundle = fresh(json.loads(text))
        for entry in bundle["entry"]:
            resource = entry["resource"]
            if "subject" in resource or resource["resourceType"] in ("DocumentReference", "List"):
                resource["subject"] = {"identifier": {"system": SYSTEM, "value": PATIENT}}
            if entry["request"]["method"] == "PATCH":
                entry["request"]["url"] = old
            if entry["request"]["method"] == "PUT":
                entry["request"]["url"] = folder
        return bundle

    def uncontained(self, bundle, patient):
        """Who is meant outside of the Bundle comes along in it; the source patient is one that the gateway named."""
        text = json.dumps(bundle).replace("Patient/ex-patient", patient)
        bundle = json.loads(text.replace("Practitioner/ex-practitioner", "urn:x:practitioner")
                            .replace("Organization/ex-organization", "urn:x:organization"))
        for kind, name in (("Practitioner", [{"family": "Example"}]), ("Organization", "Example Hospital")):
            bundle["entry"].append({"fullUrl": "urn:x:" + kind.lower(), "resource": {"resourceType": kind, "name": name},
                                    "request": {"method": "POST", "url": kind}})
        return bundle

    def place(self, location):
        """The part of a location behind the base."""
        return location.replace(self.gateway.base + "/", "")

    def prepare(self, paths):
        """A document to relate to, a folder to add to, and the id of the patient."""
        simple = self.example([path for path in paths if "minimalProvideDocumentBundleSimple." in path][0], "x", "x")
        simple["entry"].append({"fullUrl": "urn:x:folder", "resource": {
            "resourceType": "List", "status": "current", "mode": "working", "title": "Example",
            "subject": {"identifier": {"system": SYSTEM, "value": PATIENT}},
            "code": {"coding": [{"code": "folder"}]}}, "request": {"method": "POST", "url": "List"}})
        simple["entry"][0]["resource"]["entry"].append({"item": {"reference": "urn:x:folder"}})
        places = [self.place(entry["response"]["location"]) for entry in self.publish(simple)["entry"]]
        return places[1], places[4], places[3]

    def test_every_example(self):
        paths = [path for path in sorted(glob.glob(os.path.join(support.shared(*EXAMPLES), "Bundle-ex-*.json")))
                 if "rovideDocumentBundle" in path and "-response-" not in path]
        self.assertEqual(len(paths), 9)
        for path in paths:
            old, folder, patient = self.prepare(paths)
            bundle = self.example(path, old, folder)
            name = os.path.basename(path)[len("Bundle-ex-"):-len(".json")]
            if name.startswith("unContained"):
                bundle = self.uncontained(bundle, patient)
            with self.subTest(name):
                response = self.gateway.publish(bundle)
                if name in REFUSED:
                    self.assertStatus(response, 422)
                    self.assertIn(REFUSED[name], response.body.decode())
                    continue
                self.assertStatus(response, 200)
                entries = response.json()["entry"]
                self.assertEqual(len(entries), len(bundle["entry"]))
                for entry, sent in zip(entries, bundle["entry"]):
                    created = sent["request"]["method"] == "POST"
                    self.assertEqual(entry["response"]["status"], "201 Created" if created else "200 OK")
                    read = support.request("GET", self.gateway.base + "/" + self.place(entry["response"]["location"]))
                    self.assertEqual(read.status, 200, entry)


if __name__ == "__main__":
    unittest.main()
