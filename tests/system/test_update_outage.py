"""Updates and deletions of documents while the back-end is down, slow, or wrong: they wait like publications."""
import json
import shutil
import subprocess
import tempfile
import threading
import unittest

import proxy
import support
import xds
from test_outbox import PROVIDE, RESPONSE, Case, reference_location
from test_update import JSON_PATCH

UPDATE = "UpdateDocumentSet"
REMOVE = "DeleteDocumentSet"
SILENCES = (proxy.answering(200, "application/soap+xml", (RESPONSE % "XDSRegistryBusy").encode()),
            proxy.answering(503, "text/html", b"<html>starting"), proxy.lost_request)


def description(text):
    return [{"op": "add", "path": "/description", "value": text}]


def by_id(_bundle, resource):
    """Ways to name a document as a target of relatesTo."""
    return {"reference": "DocumentReference/" + resource["id"]}


def by_unique_id(bundle, _resource):
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(bundle)}}


def by_entry_uuid(_bundle, resource):
    """Of the version that is shown."""
    value, = [each["value"] for each in resource["identifier"] if each["value"].startswith("urn:uuid:")]
    return {"identifier": {"system": "urn:ietf:rfc:3986", "value": value}}


class Stand(Case):
    publication = {"delete": "remove"}

    def back_end_make(self):
        entry = super().back_end_make()
        repositories = [dict(entry["repositories"][0], remove_url=self.proxy.url("/repository"))]
        return dict(entry, update_url=self.proxy.url("/registry"), delete_url=self.proxy.url("/registry"),
                    repositories=repositories)

    def published(self, content=b"a letter", named=lambda bundle: bundle):
        """A registered document: its bundle, its id, and its ETag."""
        bundle = named(support.demo_bundle(content))
        answer = self.assertStatus(self.gateway.publish(bundle), 200).json()
        name = reference_location(answer).split("/")[1]
        return bundle, name, self.read(name)[1]

    def url(self, name):
        return self.gateway.base + "/DocumentReference/" + name

    def read(self, name, status=200):
        answer = self.assertStatus(support.request("GET", self.url(name)), status)
        return answer.json(), answer.header("ETag")

    def patch(self, name, text, **headers):
        return support.request("PATCH", self.url(name), dict({"Content-Type": JSON_PATCH}, **headers),
                               json.dumps(description(text)).encode())

    def delete(self, name, **headers):
        return support.request("DELETE", self.url(name), headers)

    def waits(self, answer):
        self.assertStatus(answer, 202)
        self.assertEqual(answer.json()["resourceType"], "OperationOutcome")
        return answer.header("Content-Location")

    def versions(self, bundle, domain=None):
        """What the registry has of the document, in its own words."""
        answer = xds.Answer(support.request(
            "POST", (domain or self.domain).registry_url,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % xds.STORED_QUERY},
            xds.envelope(xds.STORED_QUERY, xds.stored_query(
                xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % support.document_oid(bundle)),
                                    ("MetadataLevel", "2")])).encode()))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        return answer.objects


class Updates(Stand):
    def test_104_a_lost_update_is_made_once(self):
        """Whether the registry has done it or not: it is asked, and the update is made once."""
        for behaviours in ((proxy.lost_request,), (proxy.lost_answer,), (proxy.half_answer,),
                           (proxy.lost_request, proxy.lost_answer),
                           (proxy.answering(503, "text/html", b"<html>busy"),)):
            with self.subTest(behaviours=behaviours):
                bundle, name, etag = self.published()
                self.proxy.script(UPDATE, *behaviours)
                # The gateway looks a lost answer up itself, when the registry says so at once.
                answer = self.patch(name, "changed", **{"If-Match": etag})
                self.assertIn(answer.status, (200, 202), repr(answer))
                if answer.status == 202:
                    after = self.settled(answer.header("Content-Location"))
                    self.assertEqual(after["resourceType"], "DocumentReference", after)
                    self.assertEqual(after["description"], "changed")
                resource, new_etag = self.read(name)
                self.assertEqual(resource["description"], "changed")
                self.assertNotEqual(new_etag, etag)
                self.assertEqual(len(self.versions(bundle)), 2)

    def test_slow_registry(self):
        bundle, name, _ = self.published()
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.script(UPDATE, proxy.held(gate))
        url = self.waits(self.patch(name, "slow"))
        gate.set()
        self.assertEqual(self.settled(url)["description"], "slow")
        self.assertEqual(self.read(name)[0]["description"], "slow")
        self.assertEqual(len(self.versions(bundle)), 2)

    def test_down_between_read_and_update(self):
        bundle, name, etag = self.published()
        self.domain.kill()
        first = self.waits(self.patch(name, "first", **{"If-Match": etag}))
        self.assertStatus(self.patch(name, "stale", **{"If-Match": etag}), 412)
        second = self.waits(self.patch(name, "second"))
        self.gateway.kill()
        self.gateway_restart()
        self.domain_restart()
        self.assertEqual(self.settled(first)["description"], "first")
        self.assertEqual(self.settled(second)["description"], "second")
        self.assertEqual(len(self.versions(bundle)), 3)
        self.domain.kill()
        third = self.waits(self.patch(name, "third"))
        self.domain_restart()
        self.assertEqual(self.settled(third)["description"], "third")
        self.assertEqual(self.read(name)[0]["description"], "third")

    def test_down_between_read_and_delete(self):
        bundle, name, etag = self.published()
        self.domain.kill()
        url = self.waits(self.delete(name, **{"If-Match": etag}))
        self.assertStatus(self.delete(name), 404)
        self.domain_restart()
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        self.assertEqual(self.versions(bundle), [])

    def test_109_gateway_killed_in_between(self):
        bundle, name, _ = self.published()
        self.proxy.script(UPDATE, *[proxy.lost_request] * 3)
        url = self.waits(self.patch(name, "first"))
        self.gateway.kill()
        self.gateway_restart()
        after = self.settled(url)
        self.assertEqual(after["description"], "first")
        self.assertEqual(len(self.versions(bundle)), 2)

    def test_conflict_is_a_dead_letter(self):
        """What somebody else has changed meanwhile is not overwritten."""
        bundle, name, _ = self.published()
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.script(UPDATE, proxy.lost_request, *[proxy.held(gate, proxy.lost_request)])
        url = self.waits(self.patch(name, "mine"))
        other = support.Gateway(self.directory, [self.domain.back_end()], name="other")
        self.addCleanup(other.kill)
        self.assertStatus(support.request("PATCH", other.base + "/DocumentReference/" + name,
                                          {"Content-Type": JSON_PATCH},
                                          json.dumps(description("theirs")).encode()), 200)
        gate.set()
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "OperationOutcome", answer)
        self.assertEqual(answer["issue"][0]["code"], "conflict")
        resource, etag = self.read(name)
        self.assertEqual(resource["description"], "theirs")
        self.assertEqual(len(self.versions(bundle)), 2)
        # The dead letter does not stand in the way of who has read anew.
        self.assertStatus(self.patch(name, "mine again", **{"If-Match": etag}), 200)

    def test_respond_async(self):
        bundle, name, _ = self.published()
        first = self.waits(self.patch(name, "first", Prefer="respond-async"))
        second = self.patch(name, "second")
        if second.status == 202:
            self.assertEqual(self.settled(second.header("Content-Location"))["description"], "second")
        self.assertEqual(self.settled(first)["description"], "first")
        self.assertEqual(self.read(name)[0]["description"], "second")
        self.assertEqual(len(self.versions(bundle)), 3)

    def test_replacement_of_what_will_be_changed(self):
        """The version that it replaces is the one that is there when it is delivered."""
        _, name, _ = self.published(b"<a>old</a>")
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.script(UPDATE, proxy.lost_request, proxy.held(gate))
        change = self.waits(self.patch(name, "changed first"))
        replacement = support.demo_bundle(b"<a>new</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + name}}]
        url = self.accept(replacement)
        gate.set()
        self.assertEqual(self.settled(change)["description"], "changed first")
        self.delivered(url)
        old, _ = self.read(name)
        self.assertEqual((old["status"], old["description"]), ("superseded", "changed first"))
        self.assertOnce(replacement, b"<a>new</a>")

    def test_removal_waits(self):
        bundle, name, _ = self.published()
        self.proxy.script(REMOVE, proxy.lost_request)
        url = self.waits(self.delete(name))
        self.assertStatus(self.patch(name, "too late"), 404)
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        self.assertEqual(self.versions(bundle), [])
        self.read(name, 404)

    def test_bytes_are_removed_later(self):
        bundle, name, _ = self.published()
        resource, _ = self.read(name)
        self.proxy.script("RemoveDocuments", proxy.lost_request)
        self.assertStatus(self.delete(name), 204)
        support.wait_until(lambda: self.proxy.count("RemoveDocuments") == 2, "the bytes to be removed")
        self.assertEqual(self.versions(bundle), [])
        self.assertTrue(resource)

    def removal_with(self, code):
        """A removal whose bytes the repository does not give up at first: its status URL and its bundle."""
        bundle, name, _ = self.published(b"to be erased")
        self.proxy.script("RemoveDocuments", proxy.answering(200, "application/soap+xml", (RESPONSE % code).encode()))
        return self.waits(self.delete(name, Prefer="respond-async")), bundle

    def test_bytes_of_a_removal_that_waited_are_removed(self):
        """The metadata are gone, and the repository is not well: nothing is deleted before the bytes are."""
        url, bundle = self.removal_with("XDSRepositoryError")
        self.assertIn("is deleted", json.dumps(self.settled(url)))
        self.assertEqual(self.proxy.count("RemoveDocuments"), 2)
        self.assertEqual(self.versions(bundle), [])

    def test_bytes_are_removed_when_a_refused_removal_is_tried_again(self):
        url, _ = self.removal_with("XDSRemoveDocumentsError")
        self.assertIn("XDSRemoveDocumentsError", json.dumps(self.settled(url)))
        self.assertStatus(support.request("POST", url.replace("/_async/", "/Task/") + "/$retry"), 200)
        self.assertIn("is deleted", json.dumps(self.settled(url)))
        self.assertEqual(self.proxy.count("RemoveDocuments"), 2)

    def versions_asked(self, answer, place=0):
        """The registry answers so when it is asked for versions the next time, or at a later place; what it was asked."""
        self.proxy.clear()
        asked = []

        def behave(exchange):
            if b"$XDSDocumentEntryLogicalID" not in exchange.body:
                return proxy.passing(exchange)
            asked.append(exchange)
            return (answer if len(asked) == place + 1 else proxy.passing)(exchange)
        self.proxy.script("RegistryStoredQuery", *[behave] * 200)
        return asked

    def test_change_is_not_refused_by_a_registry_that_does_not_say(self):
        for silence in SILENCES:
            with self.subTest(silence=silence):
                _, name, _ = self.published()
                self.assertStatus(self.patch(name, "second"), 200)
                self.domain.kill()
                url = self.waits(self.patch(name, "third"))
                asked = self.versions_asked(silence)
                self.domain_restart()
                self.assertEqual(self.settled(url).get("description"), "third")
                self.assertGreater(len(asked), 1)

    def test_removal_is_whole_or_waits(self):
        """When it is read, when it is found again, and when it is planned: whenever the registry does not say."""
        for silence in SILENCES:
            for place in range(3):
                with self.subTest(silence=silence, place=place):
                    bundle, name, _ = self.published()
                    self.assertStatus(self.patch(name, "second"), 200)
                    self.assertEqual(len(self.versions(bundle)), 2)
                    asked = self.versions_asked(silence, place)
                    url = self.waits(self.delete(name, Prefer="respond-async"))
                    self.assertIn("is deleted", json.dumps(self.settled(url)))
                    self.assertGreater(len(asked), place)
                    self.assertEqual(self.versions(bundle), [])

    def test_read_is_not_answered_by_a_registry_that_does_not_say(self):
        _, name, _ = self.published()
        self.assertStatus(self.patch(name, "second"), 200)
        for silence in SILENCES[:2]:
            with self.subTest(silence=silence):
                asked = self.versions_asked(silence)
                self.assertIn(support.request("GET", self.url(name)).status, (502, 503))
                self.assertEqual(len(asked), 1)
                self.assertEqual(self.read(name)[0]["description"], "second")

    def test_removal_from_a_registry_without_versions(self):
        """It says that it knows no such parameter: what it has under its id is all."""
        bundle, name, _ = self.published()
        asked = self.versions_asked(proxy.answering(
            200, "application/soap+xml", (RESPONSE % "XDSStoredQueryParamNumber").encode()))
        url = self.waits(self.delete(name, Prefer="respond-async"))
        self.assertIn("is deleted", json.dumps(self.settled(url)))
        self.assertTrue(asked)
        self.assertEqual(self.versions(bundle), [])


class NothingWaits(Stand):
    """What is shared is kept until the other network has it; changes are made at once or refused."""
    publication = {"degraded": "refuse", "delete": "remove", "deadline_ms": 100, "share": ["any = other provide"]}

    def back_ends(self):
        url = "http://127.0.0.1:%d/" % support.free_port()
        return [self.back_end_make(),
                {"name": "other", "source": 2, "home_community_id": "2.999.20.72", "registry_url": url, "provide_url": url,
                 "repositories": [{"unique_id": "2.999.20.11", "url": url}]}]

    def test_a_slow_registry_is_waited_for(self):
        """The time of what goes into the outbox otherwise is not that of what cannot."""
        bundle, name, _ = self.published()

        def slow(exchange):
            threading.Event().wait(0.5)
            proxy.passing(exchange)
        for action in ("RegistryStoredQuery", UPDATE):
            self.proxy.script(action, slow)
        self.assertStatus(self.patch(name, "late"), 200)
        self.assertEqual(len(self.versions(bundle)), 2)


class HalfFull(Stand):
    overrides = {"outbox": {"bytes_max": 1048576}}

    def test_who_need_not_wait_leaves_half_of_the_room(self):
        """A wish to wait is no reason to, also for a change: what must wait has the rest."""
        _, name, _ = self.published()
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml",
                                                   (RESPONSE % "XDSRegistryMetadataError").encode()))
        url = self.accept(support.demo_bundle(b"<a>" + b"x" * 300 * 1024 + b"</a>"), {"Prefer": "respond-async"})
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        self.assertStatus(self.patch(name, "at once", Prefer="respond-async"), 200)
        self.assertStatus(support.request("DELETE", url), 202)
        self.settled(self.waits(self.patch(name, "later", Prefer="respond-async")))


class Waiting(Stand):
    """Documents that are not registered themselves."""

    def waiting(self, content):
        """A document that waits: its bundle, the status URL of its publication, and its id. Another one of its patient
        waits before it, so that it is not being sent."""
        bundle = support.demo_bundle(content)
        self.domain.kill()
        self.accept(support.demo_bundle(b"<a>before</a>"))
        url = self.accept(bundle)
        found = self.assertStatus(self.gateway.find(), 200).json()
        oid = support.document_oid(bundle)
        names = [entry["resource"]["id"] for entry in found["entry"] if oid in json.dumps(entry["resource"])]
        return bundle, url, names[0]

    def test_change_follows_its_document(self):
        bundle, url, name = self.waiting(b"<a>patched</a>")
        _, etag = self.read(name)
        first = self.waits(self.patch(name, "first", **{"If-Match": etag}))
        self.assertStatus(self.patch(name, "stale", **{"If-Match": etag}), 412)
        second = self.waits(self.patch(name, "second"))
        self.assertNotEqual(first, second)
        self.assertEqual(self.waits(self.patch(name, "second")), second, "it says that already")
        self.gateway.kill()
        self.gateway_restart()
        self.domain_restart()
        self.delivered(url)
        self.assertEqual(self.settled(first)["description"], "first")
        self.assertEqual(self.settled(second)["description"], "second")
        self.assertEqual(self.read(name)[0]["description"], "second")
        self.assertEqual(len(self.versions(bundle)), 3)
        self.assertOnce(bundle, b"<a>patched</a>")

    def test_delete_withdraws(self):
        bundle, url, name = self.waiting(b"<a>gone</a>")
        change = self.waits(self.patch(name, "in vain"))
        self.assertStatus(self.delete(name), 204)
        self.domain_restart()
        for each in (url, change):
            self.assertIn("Its document was deleted.", json.dumps(self.settled(each)))
        support.wait_until(lambda: support.request("GET", self.url(name)).status == 404, "the registry to be asked")
        self.assertEqual(self.versions(bundle), [])

    def unclear(self, content):
        """A publication that is registered, which the gateway was not told and cannot ask: its bundle and status URL."""
        bundle = support.demo_bundle(content)
        self.proxy.script(PROVIDE, proxy.lost_answer)
        self.proxy.script("RegistryStoredQuery", *[proxy.lost_request] * 500)
        return bundle, self.accept(bundle)

    def test_delete_of_what_may_be_registered(self):
        """It is not said to be gone before it is: the document is found, and removed in its turn."""
        bundle, url = self.unclear(b"<a>registered already</a>")
        found = self.assertStatus(self.gateway.find(), 200).json()
        name, = [entry["resource"]["id"] for entry in found["entry"] if entry["search"]["mode"] == "match"]
        removal = self.waits(self.delete(name))
        self.proxy.clear()
        self.delivered(url)
        self.assertIn("is deleted", json.dumps(self.settled(removal)))
        self.assertEqual(self.versions(bundle), [])
        self.read(name, 404)

    def test_withdrawn_may_be_registered(self):
        """Whoever takes it back is told that it may be there all the same."""
        kept = []

        def taken_back():
            kept.append(support.request("DELETE", url))     # 409: it is being sent, or asked after
            return kept[-1].status != 409
        _, url = self.unclear(b"<a>taken back</a>")
        support.wait_until(taken_back, "it to be taken back")
        self.assertStatus(kept[-1], 202)
        self.assertIn("registered all the same", kept[-1].json()["issue"][0]["diagnostics"])
        task = self.assertStatus(support.request("GET", url.replace("/_async/", "/Task/")), 200).json()
        self.assertEqual(task["status"], "cancelled")
        self.assertIn("registered all the same", task["statusReason"]["text"])

    def test_withdrawn_by_the_command_line_may_be_registered(self):
        self.unclear(b"<a>dropped</a>")

        def queue(*words):
            return subprocess.run([support.BINARY, "queue", *words, "--config", self.gateway.configuration_path],
                                  capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        identifier = json.loads(queue("list", "--json").stdout)["id"]
        kept = []

        def dropped():
            kept.append(queue("drop", identifier))
            return kept[-1].returncode == 0
        support.wait_until(dropped, "it to be dropped")
        self.assertIn("registered all the same", kept[-1].stdout)


class TwoDomains(Stand):
    """The document is in a second domain too, under ids of that domain's own."""

    def setUp(self):
        self.second_directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.second_directory, True)
        self.second = support.Domain(self.second_directory, name="dsp")
        self.addCleanup(lambda: self.second.kill())
        super().setUp()
        self.there = support.Gateway(self.directory, [self.second.back_end()], name="there")
        self.addCleanup(self.there.kill)

    def back_ends(self):
        second = self.second.back_end(source=2, timeout_ms=3000)
        repositories = [dict(second["repositories"][0], remove_url=second["provide_url"])]
        return super().back_ends() + [dict(second, delete_url=second["registry_url"], repositories=repositories)]

    publication = dict(Stand.publication, share=["http://loinc.org|0-0 = dsp provide"])

    def shared(self, content):
        bundle, name, etag = self.published(content)
        self.assertStatus(self.there.publish(bundle), 200)
        return bundle, name, etag

    def second_has(self, bundle, count, text=None):
        def is_so():
            objects = self.versions(bundle, self.second)
            return len(objects) == count and (text is None or text in repr([vars(each) for each in objects]))
        support.wait_until(is_so, "the second domain to have %d versions" % count)


class Shared(TwoDomains):
    def test_update_and_delete_are_passed_on(self):
        bundle, name, etag = self.shared(b"<a>shared</a>")
        self.assertStatus(self.patch(name, "for both", **{"If-Match": etag}), 200)
        self.second_has(bundle, 2)
        self.assertStatus(self.patch(name, "for both"), 200)
        tasks = self.assertStatus(support.request("GET", self.gateway.base + "/Task"), 200).json()
        self.assertIn("dsp", json.dumps(tasks))
        self.assertStatus(self.delete(name), 204)
        self.second_has(bundle, 0)
        self.assertEqual(self.versions(bundle), [])

    def test_what_is_not_there_is_left_alone(self):
        bundle, name, _ = self.published(b"<a>here alone</a>")
        self.assertStatus(self.patch(name, "here"), 200)

        def is_done():
            tasks = support.request("GET", self.gateway.base + "/Task").json()
            return [entry["resource"]["status"] for entry in tasks.get("entry", [])] == ["completed"]
        support.wait_until(is_done, "nothing to do to be done")
        self.assertEqual(self.versions(bundle, self.second), [])

    def test_109_both_down_and_the_gateway_killed(self):
        bundle, name, _ = self.shared(b"<a>killed between</a>")
        self.proxy.script(UPDATE, *[proxy.lost_request] * 2)
        self.second.kill()
        url = self.waits(self.patch(name, "in the end"))
        self.settled(url)
        self.gateway.kill()
        self.second = support.Domain(self.second_directory, name="dsp", port=self.second.port)
        self.gateway_restart()
        self.second_has(bundle, 2)
        self.assertEqual(len(self.versions(bundle)), 2)


class GivenOn(TwoDomains):
    """The gateway shares the document itself."""
    publication = dict(Stand.publication, share=["any = dsp provide"])

    def test_a_uniqueId_that_is_a_uuid_is_no_entryUUID(self):
        """The other network has it under that, and under an entryUUID of its own."""
        bundle, name, _ = self.published(b"<a>named by a UUID</a>", support.uuid_named)
        self.second_has(bundle, 1)
        self.assertStatus(self.patch(name, "for both"), 200)
        self.second_has(bundle, 2)
        self.assertStatus(self.delete(name), 204)
        self.second_has(bundle, 0)
        self.assertEqual(self.versions(bundle), [])

    def test_changes_follow_what_they_change(self):
        self.second.kill()
        bundle, name, _ = self.published(b"<a>given on</a>")
        self.assertStatus(self.patch(name, "changed at once"), 200)
        self.second = support.Domain(self.second_directory, name="dsp", port=self.second.port)
        self.second_has(bundle, 2)
        self.assertStatus(self.delete(name), 204)
        self.second_has(bundle, 0)


if __name__ == "__main__":
    unittest.main()
