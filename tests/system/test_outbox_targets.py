"""Publications that name what they build upon in ways that only the registry can resolve, while it is away."""
import copy
import json
import threading
import unittest

import proxy
import support
import xds
from test_outbox import PROVIDE, REFUSAL, Case, reference_location, tags

FOLDER_NEEDED = "publish the folder first"
DOCUMENT_NEEDED = "publish that first"
FOLDER_AND_CONTENTS = "b909a503-523d-4517-8acf-8e5834dfc4c7"


def by_unique_id(bundle, oid, code="replaces"):
    bundle["entry"][1]["resource"]["relatesTo"] = [{"code": code, "target": {
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + oid}}}]
    return bundle


def patching(bundle, url):
    """The Bundle with the PATCH that supersedes what it replaces."""
    parts = [{"name": "type", "valueCode": "replace"}, {"name": "path", "valueString": "DocumentReference.status"},
             {"name": "value", "valueCode": "superseded"}]
    bundle["entry"].append({"fullUrl": "urn:uuid:6a1b4c6c-1111-4222-8333-444455556666", "resource": {
        "resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]},
        "request": {"method": "PATCH", "url": url}})
    return bundle


def adding(bundle, folder, url, *others):
    """The Bundle with its document, and others, put into a folder that is there already."""
    update = copy.deepcopy(folder)
    references = [bundle["entry"][1]["fullUrl"]] + list(others)
    update["entry"] = update.get("entry", []) + [{"item": {"reference": each}} for each in references]
    full_url = "urn:uuid:7b1b4c6c-1111-4222-8333-444455556666"
    bundle["entry"].append({"fullUrl": full_url, "resource": update, "request": {"method": "PUT", "url": url}})
    bundle["entry"][0]["resource"]["entry"].append({"item": {"reference": full_url}})
    return bundle


class Targets(Case):
    def read(self, location):
        return self.assertStatus(support.request("GET", "%s/%s" % (self.gateway.base, location.split("/_history")[0])),
                                 200).json()

    def published(self, bundle):
        return self.assertStatus(self.gateway.publish(bundle), 200).json()

    def folder_publish(self, content):
        """A registered folder with one document: its List, and the document's location and Bundle."""
        bundle = support.demo_bundle(content)
        support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        answer = self.published(bundle)
        return self.read(answer["entry"][3]["response"]["location"]), reference_location(answer), bundle

    def found(self):
        bundle = self.assertStatus(self.gateway.find(), 200).json()
        return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]

    def found_oid(self, oid):
        return next(each for each in self.found() if oid in json.dumps(each["masterIdentifier"]))

    def members(self, folder):
        """How often the registry has each document in the folder, in its own words: as many numbers as documents."""
        oid = next(each["value"] for each in folder["identifier"] if each["value"].startswith("urn:oid:"))
        answer = xds.Answer(support.request(
            "POST", self.domain.registry_url,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % xds.STORED_QUERY},
            xds.envelope(xds.STORED_QUERY, xds.stored_query(
                FOLDER_AND_CONTENTS, [("XDSFolderUniqueId", "'%s'" % oid[len("urn:oid:"):])])).encode()))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        uuid, = [each.get("id") for each in answer.xml.iter("{%s}RegistryPackage" % xds.RIM)]
        ends = [each.get("targetObject") for each in answer.xml.iter("{%s}Association" % xds.RIM)
                if each.get("sourceObject") == uuid]
        return sorted(ends.count(each) for each in set(ends))

    def test_a_folder_by_id_and_by_its_unique_id(self):
        folder, first, first_bundle = self.folder_publish(b"<a>first</a>")
        other_bundle = support.demo_bundle(b"<a>other</a>")
        other = reference_location(self.published(other_bundle))
        oid = next(each["value"] for each in folder["identifier"] if each["value"].startswith("urn:oid:"))
        bundles = [support.demo_bundle(b"<a>%d</a>" % number) for number in range(3)]
        adding(bundles[0], folder, "List/" + folder["id"])
        adding(bundles[1], folder, "List?identifier=urn:ietf:rfc:3986|" + oid)
        # A document that is a member already, and one that is not, each by two names.
        adding(bundles[2], folder, "List/" + folder["id"])
        for location, bundle in ((first, first_bundle), (other, other_bundle)):
            bundles[2]["entry"][3]["resource"]["entry"] += [
                {"item": {"reference": location}}, {"item": {"identifier": {
                    "system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(bundle)}}}]
        self.domain.kill()
        urls = [self.accept(bundle) for bundle in bundles]
        self.domain_restart()
        for url in urls:
            answer = self.delivered(url)
            self.assertEqual(self.read(answer["entry"][3]["response"]["location"])["id"], folder["id"])
        self.assertEqual(self.members(folder), [1] * 5)
        references = [each["item"]["reference"] for each in self.read("List/" + folder["id"])["entry"]]
        self.assertEqual(len(references), 5)
        self.assertIn(first.split("/_history")[0], references)

    def test_a_folder_that_waits_itself(self):
        bundle = support.demo_bundle(b"<a>begins</a>")
        folder = support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        oid = folder["identifier"][0]["value"]
        more = adding(support.demo_bundle(b"<a>more</a>"), folder | {"entry": []},
                      "List?identifier=urn:ietf:rfc:3986|" + oid)
        self.domain.kill()
        urls = [self.accept(bundle), self.accept(more)]
        waiting, = [entry["resource"] for entry in self.assertStatus(
            self.gateway.find("List", code="folder"), 200).json()["entry"] if entry["search"]["mode"] == "match"]
        self.assertEqual(len(waiting["entry"]), 2, "what waits for it is shown in it")
        urls.append(self.accept(adding(support.demo_bundle(b"<a>most</a>"), waiting, "List/" + waiting["id"])))
        self.domain_restart()
        for url in urls:
            self.delivered(url)
        self.assertEqual(self.members(folder), [1] * 3)
        self.assertEqual(len(self.read("List/" + waiting["id"])["entry"]), 3)

    def test_documents_by_unique_id(self):
        old = [support.demo_bundle(b"<a>old %d</a>" % number) for number in range(3)]
        locations = [reference_location(self.published(bundle)) for bundle in old]
        self.domain.kill()
        new = [by_unique_id(support.demo_bundle(code.encode()), support.document_oid(bundle), code)
               for code, bundle in zip(("replaces", "appends", "transforms"), old)]
        patching(new[0], locations[0])  # the same document by its id
        urls = [self.accept(bundle) for bundle in new]
        self.domain_restart()
        for url, bundle, location, code in zip(urls, new, locations, ("replaces", "appends", "transforms")):
            self.delivered(url)
            shown = self.found_oid(support.document_oid(bundle))
            (relation,) = shown["relatesTo"]
            self.assertEqual(relation["code"], code)
            self.assertEqual(relation["target"]["reference"], location.split("/_history")[0])
            self.assertEqual(self.read(location)["status"], "superseded" if code == "replaces" else "current")

    def test_what_will_be_superseded_is_told_by_its_unique_id(self):
        old = support.demo_bundle(b"<a>old</a>")
        location = reference_location(self.published(old))
        new = by_unique_id(support.demo_bundle(b"<a>new</a>"), support.document_oid(old))
        newest = by_unique_id(support.demo_bundle(b"<a>newest</a>"), support.document_oid(new))
        self.domain.kill()
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on))
        urls = [self.accept(new), self.accept(newest)]
        self.domain_restart()
        support.wait_until(lambda: support.request("GET", "%s/%s" % (
            self.gateway.base, location.split("/_history")[0])).status == 200, "the registry to be asked")
        self.assertEqual(tags(self.read(location)), ["to-be-superseded"])
        self.assertEqual(tags(self.found_oid(support.document_oid(old))), ["to-be-superseded"])
        waiting = self.found_oid(support.document_oid(new))
        self.assertEqual(sorted(tags(waiting)), ["not-registered", "to-be-superseded"])
        self.assertEqual(waiting["relatesTo"], [{"code": "replaces", "target": {
            "reference": location.split("/_history")[0]}}])
        self.assertEqual(self.found_oid(support.document_oid(newest))["relatesTo"], [{"code": "replaces", "target": {
            "reference": "DocumentReference/" + waiting["id"]}}])
        go_on.set()
        for url in urls:
            self.delivered(url)
        self.assertEqual([support.document_oid(newest) in json.dumps(each["masterIdentifier"])
                          for each in self.found()], [True])

    def test_112_a_dead_letter_holds_what_replaces_it_by_its_unique_id(self):
        first = support.demo_bundle(b"<a>1</a>")
        second = by_unique_id(support.demo_bundle(b"<a>2</a>"), support.document_oid(first))
        other = support.demo_bundle(b"<a>passes</a>")
        self.domain.kill()
        urls = [self.accept(bundle) for bundle in (first, second, other)]
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml", REFUSAL))
        self.domain_restart()
        self.delivered(urls[2])
        self.assertEqual(self.settled(urls[0])["resourceType"], "OperationOutcome")
        held = self.assertStatus(support.request("GET", urls[1]), 202)
        self.assertIn("waits until", held.header("X-Progress"))
        task, = [entry["resource"]["id"] for entry in support.request(
            "GET", self.gateway.base + "/Task?status=failed").json()["entry"] if entry["search"]["mode"] == "match"]
        self.assertStatus(support.request("POST", "%s/Task/%s/$retry" % (self.gateway.base, task)), 200)
        for url in urls[:2]:
            self.delivered(url)
        self.assertEqual(sorted(each["status"] for each in self.found()), ["current", "current"])

    def test_nothing_like_it_is_refused_with_a_reason(self):
        folder, _, _ = self.folder_publish(b"<a>here</a>")
        old = support.demo_bundle(b"<a>old</a>")
        other = reference_location(self.published(support.demo_bundle(b"<a>other</a>")))
        self.published(old)
        patched = patching(by_unique_id(support.demo_bundle(b"<a>patched</a>"), support.document_oid(old)), other)
        bundles = [adding(support.demo_bundle(b"<a>no folder</a>"), folder,
                          "List?identifier=urn:ietf:rfc:3986|urn:oid:2.999.1.2.3.4"),
                   by_unique_id(support.demo_bundle(b"<a>no document</a>"), "2.999.1.2.3.5"), patched]
        self.domain.kill()
        urls = [self.accept(bundle) for bundle in bundles]
        self.domain_restart()
        for url, reason in zip(urls, (FOLDER_NEEDED, DOCUMENT_NEEDED, "Supersede a document only together")):
            answer = self.settled(url)
            self.assertEqual(answer["resourceType"], "OperationOutcome")
            self.assertIn(reason, json.dumps(answer))
        self.assertEqual(self.read(other)["status"], "current")
        # At once, now that the registry answers.
        self.assertStatus(self.gateway.publish(by_unique_id(support.demo_bundle(b"<a>x</a>"), "2.999.1.2.3.5")), 422)

    def test_109_killed_in_the_middle_the_answer_is_right(self):
        folder, _, _ = self.folder_publish(b"<a>first</a>")
        oid = next(each["value"] for each in folder["identifier"] if each["value"].startswith("urn:oid:"))
        bundle = adding(support.demo_bundle(b"<a>second</a>"), folder, "List?identifier=urn:ietf:rfc:3986|" + oid)
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.domain.kill()
        before = self.proxy.count(PROVIDE)
        url = self.accept(bundle)
        self.proxy.script(PROVIDE, proxy.held(go_on, proxy.lost_answer))
        self.domain_restart()
        support.wait_until(lambda: self.proxy.count(PROVIDE) > before, "the delivery to be under way")
        self.gateway.kill()
        go_on.set()
        self.gateway_restart()
        answer = self.delivered(url)
        self.assertEqual(self.read(answer["entry"][3]["response"]["location"])["id"], folder["id"])
        self.assertEqual(self.members(folder), [1, 1])


if __name__ == "__main__":
    unittest.main()
