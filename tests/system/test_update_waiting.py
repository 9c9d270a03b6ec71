"""Changes that wait for the registry, as readers meet them: at once, marked, and never opening what is closed."""
import json
import os
import sqlite3
import threading
import unittest

import proxy
import support
import test_update_outage
import trust
from test_outbox import REFUSAL, reference_location, replacing, tags
from test_outbox_trust import Trusted
from test_update import JSON_PATCH
from test_update_outage import REMOVE, UPDATE, Stand

LABELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
TYPE = "http://loinc.org|34133-9"
OTHER = "http://loinc.org|18842-5"
QUERY = "RegistryStoredQuery"
SUPERSEDED = [{"op": "replace", "path": "/status", "value": "superseded"}]
RETYPED = [{"op": "replace", "path": "/type", "value": {"coding": [{
    "system": "http://loinc.org", "code": "18842-5", "display": "Discharge summary"}]}}]


class Held(Stand):
    """The registry answers questions, and takes no change before the gate is open."""

    def setUp(self):
        super().setUp()
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)
        for action in (UPDATE, REMOVE):
            self.proxy.script(action, *[proxy.held(self.gate)] * 20)

    def change(self, name, operations, **headers):
        return self.waits(support.request(
            "PATCH", self.url(name), dict({"Content-Type": JSON_PATCH, "Prefer": "respond-async"}, **headers),
            json.dumps(operations).encode()))

    def found(self, **parameters):
        whole = self.assertStatus(self.gateway.find(**parameters), 200).json()
        found = {entry["resource"]["id"]: entry["resource"] for entry in whole.get("entry", [])}
        self.assertEqual(whole["total"], len(found))
        return found


class Shown(Held):
    def test_shown_as_it_will_be(self):
        bundle, name, etag = self.published()
        before, _ = self.read(name)
        self.assertIn(name, self.found(type=before["type"]["coding"][0]["code"]))
        first = self.change(name, RETYPED, **{"If-Match": etag})
        resource, shown = self.read(name)
        self.assertEqual(resource["type"]["coding"][0]["code"], "18842-5")
        self.assertEqual(tags(resource), ["change-not-registered"])
        self.assertNotEqual(shown, etag)
        self.assertEqual(self.found(type="18842-5"), {name: resource})
        self.assertEqual(self.found(type=before["type"]["coding"][0]["code"]), {})
        self.assertEqual(self.found(), {name: resource})
        self.assertEqual(self.found(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle),
                                    **{"patient.identifier": None}), {name: resource})
        attachment = resource["content"][0]["attachment"]["url"]
        self.assertEqual(self.assertStatus(support.request("GET", attachment), 200).body, b"a letter")
        # What is shown is what a further change is made from.
        self.assertStatus(self.patch(name, "stale", **{"If-Match": etag}), 412)
        second = self.waits(self.patch(name, "second", **{"If-Match": shown}))
        resource, shown = self.read(name)
        self.assertEqual((resource["type"]["coding"][0]["code"], resource["description"]), ("18842-5", "second"))
        self.gate.set()
        self.settled(first)
        self.settled(second)
        resource, after = self.read(name)
        self.assertEqual((resource["description"], tags(resource), after), ("second", [], shown))
        self.assertEqual(self.found(type="18842-5"), {name: resource})
        self.assertEqual(len(self.versions(bundle)), 3)

    def test_pages_are_stable(self):
        names = [self.published(b"<a>%d</a>" % number)[1] for number in range(4)]
        for name in names[:3]:
            self.change(name, RETYPED)
        seen = []
        answer = self.gateway.find(type="18842-5", _count="2")
        while True:
            page = self.assertStatus(answer, 200).json()
            self.assertEqual(page["total"], 3)
            seen += [entry["resource"]["id"] for entry in page["entry"]]
            following = [link["url"] for link in page["link"] if link["relation"] == "next"]
            if not following:
                break
            answer = support.request("GET", following[0])
        self.assertEqual(sorted(seen), sorted(names[:3]))

    def test_deprecated_is_gone(self):
        _, name, _ = self.published()
        attachment = self.read(name)[0]["content"][0]["attachment"]["url"]
        self.change(name, SUPERSEDED)
        resource, _ = self.read(name)
        self.assertEqual((resource["status"], tags(resource)), ("superseded", ["change-not-registered"]))
        self.assertEqual(self.found(), {})
        self.assertEqual(list(self.found(status="superseded")), [name])
        self.assertStatus(support.request("GET", attachment), 410)

    def test_removal_is_told(self):
        _, name, _ = self.published()
        url = self.waits(self.delete(name, Prefer="respond-async"))
        resource, _ = self.read(name)
        self.assertEqual(tags(resource), ["to-be-removed"])
        self.assertEqual(self.found(), {name: resource})
        self.assertStatus(support.request("GET", resource["content"][0]["attachment"]["url"]), 200)
        self.gate.set()
        self.settled(url)
        self.read(name, 404)
        self.assertEqual(self.found(), {})

    def test_refused_is_not_shown(self):
        """Nor what was made upon it, which is held."""
        _, name, etag = self.published()
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.scripts.clear()
        self.proxy.script(UPDATE, proxy.held(gate, proxy.answering(200, "application/soap+xml", REFUSAL)))
        first = self.change(name, RETYPED)
        second = self.waits(self.patch(name, "upon it"))
        self.assertEqual(self.read(name)[0]["description"], "upon it")
        gate.set()
        self.assertEqual(self.settled(first)["resourceType"], "OperationOutcome")
        resource, shown = self.read(name)
        self.assertEqual((tags(resource), shown), ([], etag))
        self.assertNotEqual(resource.get("description"), "upon it")
        self.assertEqual(self.found(type="18842-5"), {})
        self.assertStatus(support.request("GET", second), 202)
        self.assertStatus(self.patch(name, "anew", **{"If-Match": shown}), 200)
        self.assertEqual(self.read(name)[0]["description"], "anew")

    def test_relations_stay(self):
        _, old, _ = self.published(b"<a>old</a>")
        bundle = support.demo_bundle(b"<a>addendum</a>")
        bundle["entry"][1]["resource"]["relatesTo"] = [
            {"code": "appends", "target": {"reference": "DocumentReference/" + old}}]
        name = reference_location(self.assertStatus(self.gateway.publish(bundle), 200).json()).split("/")[1]
        relations = self.read(name)[0]["relatesTo"]
        for each in (old, name):
            self.change(each, RETYPED)
        self.assertEqual(self.read(name)[0]["relatesTo"], relations)
        self.assertEqual(self.found(type="18842-5")[name]["relatesTo"], relations)


    def test_what_replaces_a_changed_document_waits_for_the_change(self):
        """However it is named: the version that is replaced is the one that the change makes."""
        for number, target_of in enumerate((test_update_outage.by_id, test_update_outage.by_unique_id,
                                            test_update_outage.by_entry_uuid)):
            with self.subTest(target_of.__name__):
                self.proxy.scripts.clear()
                bundle, name, _ = self.published(b"<a>old %d</a>" % number)
                self.assertStatus(self.patch(name, "a later version"), 200)
                resource, _ = self.read(name)
                gate = threading.Event()
                self.addCleanup(gate.set)
                self.proxy.script(UPDATE, proxy.held(gate))
                change = self.change(name, RETYPED)
                replacement = support.demo_bundle(b"<a>new %d</a>" % number)
                replacement["entry"][1]["resource"]["relatesTo"] = [
                    {"code": "replaces", "target": target_of(bundle, resource)}]
                url = self.accept(replacement)
                gate.set()
                self.settled(change)
                self.delivered(url)
                self.assertEqual(len(self.versions(bundle)), 3)
                self.assertEqual(self.read(name)[0]["status"], "superseded")


class Narrow(Held):
    """A document of which more waits than can be read at once is shown to nobody: the bound, here with little memory."""
    overrides = {"limits": {"request_memory": "6MiB"}}

    def test_none_waits_that_is_too_large_to_be_shown(self):
        _, name, _ = self.published()
        codes = [{"coding": [{"system": "urn:oid:2.999.1", "code": "c%d" % number, "display": "a display name"}]}
                 for number in range(1000)]
        operations = [{"op": "add", "path": "/context/event", "value": codes}]
        headers = {"Content-Type": JSON_PATCH, "Prefer": "respond-async"}
        self.assertStatus(support.request("PATCH", self.url(name), headers, json.dumps(operations).encode()), 503)
        self.assertEqual(tags(self.read(name)[0]), [])
        self.waits(self.patch(name, "small", Prefer="respond-async"))
        self.assertEqual(self.read(name)[0]["description"], "small")


class Many(Held):
    """Of a document of which very much waits, all is looked at and little kept: the bound, here with little memory."""
    overrides = {"limits": {"request_memory": "1MiB"}}

    def test_no_more_wait_than_are_shown_and_what_is_refused_leaves_room(self):
        _, name, etag = self.published()
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.scripts.clear()
        self.proxy.script(UPDATE, *[proxy.held(gate, proxy.answering(200, "application/soap+xml", REFUSAL))] * 20)
        urls = []
        answer = self.patch(name, "0", Prefer="respond-async")
        while answer.status == 202 and len(urls) < 250:
            urls.append(self.waits(answer))
            answer = self.patch(name, str(len(urls)), Prefer="respond-async")
        self.assertStatus(answer, 503)
        self.assertGreater(len(urls), 100, answer)
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.assertEqual(answer.json()["issue"][0]["code"], "throttled")
        self.assertIn("changes of this document", answer.json()["issue"][0]["diagnostics"])
        self.assertStatus(self.delete(name, Prefer="respond-async"), 503)
        last = str(len(urls) - 1)
        resource, _ = self.read(name)
        self.assertEqual((resource["description"], tags(resource)), (last, ["change-not-registered"]))
        found = self.assertStatus(self.gateway.find(), 200).json()["entry"]
        self.assertEqual([each["resource"]["description"] for each in found if each["search"]["mode"] == "match"], [last])
        gate.set()
        self.assertEqual(self.settled(urls[0])["resourceType"], "OperationOutcome")
        self.proxy.scripts.clear()
        self.assertEqual(self.read(name)[1], etag)
        self.assertStatus(support.request("GET", urls[-1]), 202)
        self.assertStatus(self.patch(name, "anew", **{"If-Match": etag}), 200)
        self.assertEqual(self.read(name)[0]["description"], "anew")


class SpelledOtherwise(Held):
    """The registry writes the name of the assigning authority into the patient's identifier, which says nothing."""

    def test_changes_and_publications_are_one_line(self):
        _, name, _ = self.published(b"<a>old</a>")
        self.proxy.script(QUERY, *[proxy.changed(
            lambda body: body.replace(b"^^^&amp;", b"^^^HOSPITAL&amp;"))] * 200)
        change = self.change(name, RETYPED)
        replacement = replacing(support.demo_bundle(b"<a>new</a>"), "DocumentReference/" + name)
        url = self.accept(replacement)
        resource, _ = self.read(name)
        self.assertEqual(sorted(tags(resource)), ["change-not-registered", "to-be-superseded"])
        self.gate.set()
        self.settled(change)
        self.delivered(url)
        resource, _ = self.read(name)
        self.assertEqual((resource["status"], resource["type"]["coding"][0]["code"], tags(resource)),
                         ("superseded", "18842-5", []))


class Unregistered(Stand):
    """A document that waits itself, and changes of it."""
    waiting = test_update_outage.Waiting.waiting

    def test_change_follows_its_document(self):
        _, url, name = self.waiting(b"<a>patched</a>")
        change = self.waits(self.patch(name, "as it will be"))
        resource, etag = self.read(name)
        self.assertEqual((resource["description"], sorted(tags(resource))),
                         ("as it will be", ["change-not-registered", "not-registered"]))
        found = self.assertStatus(self.gateway.find(), 200).json()
        self.assertIn(resource, [entry["resource"] for entry in found["entry"]])
        self.waits(self.patch(name, "and again", **{"If-Match": etag}))
        self.assertEqual(self.assertStatus(support.request(
            "GET", resource["content"][0]["attachment"]["url"]), 200).body, b"<a>patched</a>")
        self.domain_restart()
        self.delivered(url)
        self.settled(change)


class Closing(Trusted):
    """What a waiting change closes is closed, and what it opens is not open yet."""

    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url="http://127.0.0.1:%d/" % support.free_port())

    def setUp(self):
        self.owner = self.gateway.token("patient", user="patient-own", scope="patient/*.cruds",
                                        patient="%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT))
        if not hasattr(type(self), "documents"):
            self.consent({"type": "permit", "provision": [
                {"type": "deny", "securityLabel": [{"system": LABELS, "code": "R"}]}]})
            # While a change of a patient waits, so does what is published for them.
            type(self).documents = {code: self.published(code) for code in "NR"}
            type(self).others = [self.published("N") for _ in range(6)]
            oid = support.fresh_oid(1)
            type(self).twins = self.published("N", oid)
            self.published("R", oid)

    def published(self, code, again=None):
        """again: its uniqueId, for one more entry of a document."""
        bundle = support.demo_bundle(b"<a>%s</a>" % (b"again" if again else code.encode()))
        bundle["entry"][1]["resource"]["securityLabel"] = [{"coding": [{"system": LABELS, "code": code}]}]
        if again:
            bundle["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:" + again
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.owner), 200).json()
        return support.document_oid(bundle), reference_location(answer)

    def change(self, location, path, value):
        return self.assertStatus(support.request(
            "PATCH", self.gateway.base + "/" + location, dict(support.bearer(self.owner), **{
                "Content-Type": JSON_PATCH}), json.dumps([{"op": "add", "path": path, "value": value}]).encode()), 202)

    def relabel(self, location, code):
        return self.change(location, "/securityLabel", [{"coding": [{"system": LABELS, "code": code}]}])

    def assertSeen(self, oid, location, token, seen):
        for kind in ("DocumentReference", "List"):
            code = {"code": "submissionset"} if kind == "List" else {}
            found = json.dumps(self.assertStatus(self.gateway.find(kind, token=token, **code), 200).json())
            (self.assertIn if seen else self.assertNotIn)(location if kind == "List" else oid, found)
        self.assertStatus(self.get("/" + location, token), 200 if seen else 404)
        binary = self.get("/" + location, self.owner).json()["content"][0]["attachment"]["url"]
        self.assertStatus(self.get(binary, token), 200 if seen else 404)

    def test_095_closed_at_once(self):
        oid, location = self.documents["N"]
        self.assertSeen(oid, location, self.doctor, True)
        self.relabel(location, "R")
        self.assertSeen(oid, location, self.doctor, False)
        self.assertSeen(oid, location, self.owner, True)
        # Opened again, it stays closed: the registry will have the version in between.
        self.relabel(location, "N")
        self.assertSeen(oid, location, self.doctor, False)

    def test_095_not_opened_before_it_is_registered(self):
        oid, location = self.documents["R"]
        self.assertSeen(oid, location, self.doctor, False)
        self.relabel(location, "N")
        self.assertSeen(oid, location, self.doctor, False)
        self.assertEqual(tags(self.get("/" + location, self.owner).json()), ["change-not-registered"])

    def test_095_found_as_it_will_be_it_stays_closed(self):
        """By the other entry of the document, which the search does not find."""
        oid, location = self.twins
        self.assertSeen(oid, location, self.doctor, False)
        self.change(location, "/type", RETYPED[0]["value"])
        for token, seen in ((self.owner, True), (self.doctor, False)):
            found = json.dumps(self.assertStatus(self.gateway.find(token=token, type=OTHER), 200).json())
            (self.assertIn if seen else self.assertNotIn)(location, found)

    def test_095_large_changes_of_others_open_nothing(self):
        """Nor are they too large to be shown: more than 1 MiB of metadata."""
        (oid, location), (other_oid, other) = self.others[:2]
        self.relabel(location, "R")
        codes = [{"coding": [{"system": "urn:oid:2.999.1", "code": "c%d" % number, "display": "&" * 120}]}
                 for number in range(1400)]
        self.change(other, "/context/event", codes)
        self.assertSeen(oid, location, self.doctor, False)
        self.assertSeen(other_oid, other, self.doctor, True)
        self.assertEqual(self.get("/" + other, self.doctor).json()["context"]["event"][-1], codes[-1])

    def test_095_what_cannot_be_read_any_more_opens_nothing(self):
        """It is closed itself, too: nobody can say what it would close."""
        oid, location = self.others[2]
        self.relabel(location, "R")
        for part, (lost_oid, lost) in enumerate(self.others[3:5]):
            with self.subTest(part=part):
                self.relabel(lost, "R")
                with sqlite3.connect(os.path.join(self.directory, "state", "outbox.db"), timeout=30) as store:
                    self.assertGreater(store.execute(
                        "DELETE FROM outbox_chunk WHERE part = ? AND item = (SELECT MAX(seq) FROM outbox_item)",
                        (part,)).rowcount, 0)
                store.close()
                found = json.dumps(self.assertStatus(self.gateway.find(token=self.doctor), 200).json())
                self.assertNotIn(lost_oid, found)
                self.assertStatus(self.get("/" + lost, self.doctor), 404)
                self.assertSeen(oid, location, self.doctor, False)
                self.assertSeen(*self.others[5], self.doctor, True)


class ClosingMany(Trusted):
    """More changes of each document than are kept: their entries are read again for each decision."""
    change = Closing.change
    relabel = Closing.relabel
    published = Closing.published
    assertSeen = Closing.assertSeen
    overrides = {"limits": {"request_memory": "2MiB"}}

    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url="http://127.0.0.1:%d/" % support.free_port())

    def test_095_one_of_many_that_closes_does(self):
        self.owner = self.gateway.token("patient", user="patient-own", scope="patient/*.cruds",
                                        patient="%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT))
        self.consent({"type": "permit", "provision": [
            {"type": "deny", "securityLabel": [{"system": LABELS, "code": "R"}]}]})
        closed, opened = self.published("N"), self.published("N")
        for number in range(12):
            for _, location in (closed, opened):
                self.change(location, "/description", str(number))
            if number in (5, 6):
                self.relabel(closed[1], "R" if number == 5 else "N")
        self.assertSeen(*closed, self.doctor, False)
        self.assertSeen(*opened, self.doctor, True)
        self.assertEqual(self.get("/" + opened[1], self.doctor).json()["description"], "11")
        self.assertEqual(self.get("/" + closed[1], self.owner).json()["securityLabel"][0]["coding"][0]["code"], "N")


class ClosingUpon(Trusted):
    """What builds upon a change that was refused will never be, and closes nothing."""
    change = Closing.change
    relabel = Closing.relabel
    published = Closing.published

    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url=cls.proxy.url("/registry"))

    def test_095_what_was_refused_closes_nothing(self):
        self.owner = self.gateway.token("patient", user="patient-own", scope="patient/*.cruds",
                                        patient="%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT))
        self.consent({"type": "permit", "provision": [
            {"type": "deny", "securityLabel": [{"system": LABELS, "code": "R"}]}]})
        oid, location = self.published("N")
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.script(UPDATE, proxy.lost_request,
                          proxy.held(gate, proxy.answering(200, "application/soap+xml", REFUSAL)))
        first = self.change(location, "/description", "refused").header("Content-Location")
        for code in "RN":
            self.relabel(location, code)
        self.assertEqual(self.gateway.find(token=self.doctor).json()["total"], 0)
        self.assertStatus(self.get("/" + location, self.doctor), 404)
        gate.set()
        self.assertEqual(self.settled(first, self.owner)["resourceType"], "OperationOutcome")
        self.assertIn(oid, json.dumps(self.assertStatus(self.gateway.find(token=self.doctor), 200).json()))
        self.assertStatus(self.get("/" + location, self.doctor), 200)


if __name__ == "__main__":
    unittest.main()
