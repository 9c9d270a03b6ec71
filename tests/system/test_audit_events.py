"""Each row of profiles/balp/audit.def, as an event with plausible facts: its codes are those of IHE's own example, an
independent FHIR validator finds it valid by the profile that it claims, and as a DICOM message it says the same."""
import glob
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import xml.etree.ElementTree

import support
import validator

PROGRAM = os.path.join(support.BUILD, "tests/audit_events")
PACKAGES = ("balp-1.1.4", "mhd-4.2.3", "pdqm-3.2.0", "pixm-3.1.0")

# IHE transaction and action: the example of the actor that the gateway is.
EXAMPLES = {
    ("ITI-65", "C"): "ex-auditProvideBundle-recipient",
    ("ITI-66", "E"): "ex-auditFindDocumentLists-responder",
    ("ITI-67", "E"): "ex-auditFindDocumentReferences-responder",
    ("ITI-68", "R"): "ex-auditRetrieveDocument-responder",
    ("ITI-78", "E"): "ex-auditPdqmQuery-supplier",
    ("ITI-119", "E"): "ex-auditPdqmMatch-supplier",
    ("ITI-83", "E"): "ex-auditPixmQuery-manager",
    ("ITI-104", "C"): "ex-auditPixmFeed-create-manager",
    ("ITI-104", "U"): "ex-auditPixmFeed-update-manager",
    ("ITI-104", "D"): "ex-auditPixmFeed-delete-manager",
    ("AuthZ-Consent", "E"): "ex-auditAuthZconsent-deny",
}


def code(coding):
    return coding["system"], coding["code"]


def shape(event):
    """The codes that make an event what it is."""
    return {
        "type": code(event["type"]),
        "subtype": sorted(code(one) for one in event.get("subtype", [])),
        "action": event["action"],
        "agents": {code(coding) for agent in event["agent"] for coding in agent["type"]["coding"]},
        "entities": {code(one["type"]) + (one.get("role", {}).get("code"),) for one in event.get("entity", [])},
    }


class AuditEvents(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-events-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        out = subprocess.run([PROGRAM], capture_output=True, check=True, text=True).stdout
        cls.events = [json.loads(line) for line in out.split("\n") if line]
        for package in PACKAGES:
            path = support.shared("fhir", "mhd-package", "published", "ihe.iti.%s.tgz" % package)
            with tarfile.open(path) as archive:
                archive.extractall(os.path.join(cls.directory, package), filter="data")

    def example(self, name):
        paths = glob.glob(os.path.join(self.directory, "*/package/example/AuditEvent-%s.json" % name))
        paths += glob.glob(support.shared("fhir", "mhd-package") + "/compiled-*/AuditEvent-%s.json" % name)
        with open(paths[0], encoding="utf-8") as file:
            return json.load(file)

    def test_codes_are_those_of_the_examples(self):
        for (name, action), example in EXAMPLES.items():
            with self.subTest(example=example):
                ours = [event for event in self.events
                        if event["action"] == action and name in [one["code"] for one in event.get("subtype", [])]][0]
                theirs = shape(self.example(example))
                mine = shape(ours)
                for part in ("type", "subtype", "action"):
                    self.assertEqual(mine[part], theirs[part])
                self.assertLessEqual(theirs["agents"], mine["agents"])
                self.assertLessEqual(theirs["entities"], mine["entities"])

    def test_events_are_valid_by_their_profiles(self):
        named = {"%02d-%s" % (number, "-".join(one["code"] for one in event.get("subtype", []))): event
                 for number, event in enumerate(self.events)}
        profiles = [os.path.join(self.directory, package, "package") for package in PACKAGES]
        self.assertEqual(validator.errors(named, self.directory, profiles), [])
        claimed = [event for event in self.events if "profile" in event["meta"]]
        self.assertGreater(len(claimed), 20)
        # The validator looks at the profiles: one agent less is one too few.
        broken = json.loads(json.dumps(claimed[0]))
        broken["agent"] = broken["agent"][:1]
        self.assertTrue(validator.errors({"broken": broken}, self.directory, profiles))

    def test_dicom_says_the_same(self):
        out = subprocess.run([PROGRAM, "dicom"], capture_output=True, check=True).stdout
        messages = [xml.etree.ElementTree.fromstring(line) for line in out.split(b"\n") if line]
        self.assertEqual(len(messages), len(self.events))
        order = ["EventIdentification", "ActiveParticipant", "AuditSourceIdentification",
                 "ParticipantObjectIdentification"]
        for event, message in zip(self.events, messages):
            head = message.find("EventIdentification")
            self.assertEqual(head.get("EventActionCode"), event["action"])
            self.assertEqual(head.get("EventDateTime"), event["recorded"])
            self.assertEqual(head.get("EventOutcomeIndicator"), event["outcome"])
            self.assertEqual(head.find("EventID").get("csd-code"), event["type"]["code"])
            places = [order.index(part.tag) for part in message]
            self.assertEqual(places, sorted(places))
            self.assertEqual(len(message.findall("ActiveParticipant")), len(event["agent"]))
            self.assertEqual(len(message.findall("ParticipantObjectIdentification")), len(event.get("entity", [])))
            patients = [part.get("ParticipantObjectID") for part in message.findall("ParticipantObjectIdentification")
                        if part.get("ParticipantObjectTypeCode") == "1"]
            for patient in patients:
                self.assertEqual(patient, "IHEBLUE-1001^^^&1.3.6.1.4.1.21367.13.20.3000&ISO")
            queries = [one["query"] for one in event.get("entity", []) if "query" in one]
            self.assertEqual([part.text for part in message.iter("ParticipantObjectQuery")], queries)


if __name__ == "__main__":
    unittest.main()
