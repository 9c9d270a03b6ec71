"""Attacks on what several networks and hospitals share: a community that lies, patches that grow."""
import json
import re
import threading
import unittest
import uuid

import proxy
import support
import test_outbox
import trust
from test_federation import CommunityStand, issues, matches, oid_of

OBJECT = re.compile(rb"<rim:ExtrinsicObject.*?</rim:ExtrinsicObject>", re.DOTALL)
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
LABELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
PIX = "PRPA_IN201309UV02"


def more_entries(count, edit):
    """An answer with that many entries more, each edited by edit(entry, number)."""
    def change(body):
        found = OBJECT.search(body)
        assert found, body[:300]
        own = re.search(rb' id="(urn:uuid:[^"]+)"', found.group()).group(1)
        more = b"".join(edit(found.group().replace(own, b"urn:uuid:%s" % str(uuid.uuid4()).encode()), number)
                        for number in range(count))
        return body[:found.end()] + more + body[found.end():]
    return proxy.changed(change)


class HostileCommunity(CommunityStand):
    """What another community says costs the hospital nothing, and hides nothing of its own."""

    def test_047_strangers_in_an_answer_are_not_looked_up_one_by_one(self):
        here = self.publish(self.gateway, b"of the hospital")
        self.publish(self.feeder, b"of the nation")
        self.find()
        self.hcm_proxy.clear()
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(
            1000, lambda entry, number: re.sub(rb"DSP-1\d{3}", b"DSP-9%05d" % number, entry)))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [here])
        self.assertEqual([each["code"] for each in issues(found)], ["incomplete"])
        self.assertLess(self.hcm_proxy.count(PIX), 100)

    def test_047_a_stranger_in_an_answer_is_not_shown(self):
        there = self.publish(self.feeder, b"of the nation")
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(
            1, lambda entry, number: re.sub(rb"DSP-1\d{3}", b"DSP-1148", entry)))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [there])


class FloodingCommunity(CommunityStand):
    """Who answers more than there is room for is missing, alone."""

    @classmethod
    def configuration(cls):
        return dict(super().configuration(), search={"results_max": 50}, limits={"request_memory": 4 * 1024 * 1024})

    def answers(self, count, edit):
        self.dsp_proxy.clear()
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(count, edit))
        found = self.find(_count=100)
        self.assertIn(self.here, [oid_of(each) for each in matches(found)])
        return found

    def setUp(self):
        super().setUp()
        self.here = self.publish(self.gateway, b"of the hospital")
        self.there = self.publish(self.feeder, b"of the nation")

    def another(self, entry, number):
        return entry.replace(self.there.encode(), b"%s.%d" % (self.there.encode(), number))

    def test_029_more_entries_than_one_search_may_have(self):
        self.assertEqual(self.answers(49, self.another)["total"], 51)
        for count in (50, 500):
            found = self.answers(count, self.another)
            self.assertEqual([each["code"] for each in issues(found)], ["incomplete"])
            self.assertEqual(len(matches(found)), 1)

    def test_029_more_bytes_than_there_is_memory(self):
        """However near to the end of it: what is done with the answers takes some, too."""
        filled = set()
        for size in range(60, 200, 6):
            slot = (b'<rim:Slot name="urn:x:fill"><rim:ValueList><rim:Value>' + b"x" * size * 1000 +
                    b"</rim:Value></rim:ValueList></rim:Slot>")
            found = self.answers(30, lambda entry, number, slot=slot: re.sub(
                rb"(<rim:ExtrinsicObject[^>]*>)", rb"\1" + slot, self.another(entry, number)))
            filled.add(tuple(each["code"] for each in issues(found)))
        self.assertEqual(filled, {(), ("incomplete",)})


class WhoSaysWhatIsSecret(trust.TrustStand):
    """What consents go by is not for those whom they keep out."""
    PATIENT = "IHEBLUE-1004"
    SCOPE = "user/DocumentReference.cruds user/Binary.cr user/List.crs"
    OWN = "2.999.20.2"  # the organization that the letter is of

    def setUp(self):
        self.own = self.patient(self.PATIENT)
        self.bundle = support.demo_bundle(b"a secret", "text/plain", patient=self.PATIENT)
        self.oid = support.document_oid(self.bundle)
        reference = self.bundle["entry"][1]["resource"]
        self.label(reference, "R")
        for each in reference["contained"]:
            if each["resourceType"] == "Organization":
                each["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + self.OWN}]
        self.publish(self.doctor, self.bundle)
        consent = self.consent({"type": "permit", "securityLabel": [{"system": LABELS, "code": "R"}]}, self.PATIENT)
        self.addCleanup(self.revoke, consent, self.PATIENT)

    @staticmethod
    def label(resource, code):
        resource["securityLabel"] = [{"coding": [{"system": LABELS, "code": code}]}]

    def who(self, *more):
        return self.token("--role", "doctor", "--user", "doctor-1", "--scope", self.SCOPE, *more)

    def change(self, token, status, change):
        resource = trust.matches(self.search(self.own, patient=self.PATIENT, identifier="urn:oid:" + self.oid))[0]
        change(resource)
        return self.assertStatus(self.send("PUT", "/DocumentReference/" + resource["id"], token, resource), status)

    def test_095_a_reader_does_not_open_it_to_others(self):
        writer = self.who()
        organization = {"resourceType": "Organization", "id": "mine",
                        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.20.100"}]}
        for change in (lambda each: self.label(each, "N"), lambda each: self.label(each, "V"),
                       lambda each: each.update(author=[{"reference": "#mine"}],
                                                contained=each["contained"] + [organization]),
                       lambda each: each["category"][0].update(coding=[{"system": "http://loinc.org",
                                                                        "code": "11503-0", "display": "Records"}]),
                       lambda each: each["context"].update(period={"start": "1999-01-01T00:00:00Z"})):
            outcome = self.change(writer, 403, change).json()
            self.assertEqual(outcome["issue"][0]["code"], "forbidden")
        self.change(writer, 200, lambda each: each.update(description="A word more"))
        self.change(self.token("--role", "patient", "--user", "p", "--patient", "%s|%s" % (
            trust.PATIENT_SYSTEM, self.PATIENT), "--scope", "patient/DocumentReference.cruds"), 200,
            lambda each: self.label(each, "V"))

    def test_095_its_organization_may(self):
        self.change(self.who("--organization", self.OWN), 200, lambda each: self.label(each, "N"))
        self.assertIn(self.oid, self.found(self.doctor, patient=self.PATIENT))

    def test_095_a_consent_may_forbid_corrections(self):
        consent = self.consent({"type": "permit", "securityLabel": [{"system": LABELS, "code": "R"}], "provision": [
            {"type": "deny", "action": [{"coding": [{"system": ACTIONS, "code": "correct"}]}]}]}, self.PATIENT)
        self.addCleanup(self.revoke, consent, self.PATIENT)
        self.change(self.who(), 403, lambda each: each.update(description="A word more"))


class Patches(support.Stand):
    def test_029_a_patch_of_long_texts_does_not_grow(self):
        bundle = support.demo_bundle(b"a letter", "text/plain")
        self.publish(bundle)
        name = self.find_one(support.document_oid(bundle))["id"]
        operations = [{"op": "add", "path": "/a", "value": ["x" * 1000000]}]
        for _ in range(12):  # each pair doubles it: 4 GB
            operations += [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a/-"}]
        before = self.memory()
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference/" + name, JSON_PATCH,
                                 json.dumps(operations).encode())
        self.assertStatus(answer, 400)
        self.assertIn("ERR_TOO_COSTLY", json.dumps(answer.json()))
        self.assertLess(self.memory() - before, 200 * 1024)

    def memory(self):
        """The most that the gateway has ever had, in KiB."""
        with open("/proc/%d/status" % self.gateway.process.pid, encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))


class WhatWaits(test_outbox.Case):
    overrides = {"outbox": {"bytes_max": 1024 * 1024}}

    def send(self, patient, size, status):
        bundle = support.demo_bundle(b"x" * size, "text/plain", patient=patient)
        self.assertStatus(support.request("POST", self.gateway.base, {
            "Content-Type": "application/fhir+json", "Prefer": "respond-async"}, json.dumps(bundle).encode()), status)

    def test_114_who_need_not_wait_leaves_room_to_those_who_must(self):
        held = threading.Event()
        self.addCleanup(held.set)
        self.proxy.script(test_outbox.PROVIDE, proxy.held(held), proxy.held(held))
        self.send("IHEBLUE-1001", 300000, 202)
        self.send("IHEBLUE-1002", 300000, 202)
        support.wait_until(lambda: self.proxy.count(test_outbox.PROVIDE) == 2, "both to be on their way")
        self.send("IHEBLUE-1003", 300000, 200)
        self.domain.kill()
        self.send("IHEBLUE-1004", 300000, 202)


if __name__ == "__main__":
    unittest.main()
