"""Documents of the hospitals that were shared with another network: in an outage of the first their copies are what is found,
and stand for them."""
import json
import os
import shutil
import sqlite3
import tempfile
import unittest

import proxy
import support
import trust
import xds
from test_outbox import reference_location, tags
from test_outbox_trust import Trusted
from test_update import JSON_PATCH
from test_update_outage import UPDATE, Stand
from test_update_unseen import QUERY

DSP_HOME = "2.999.20.72"
DSP_REPOSITORY = "2.999.20.11"


def dsp_entry(dsp):
    repository = {"unique_id": DSP_REPOSITORY, "url": dsp.repository_url, "remove_url": dsp.repository_url}
    return dsp.back_end(source=2, home_community_id=DSP_HOME, timeout_ms=3000, delete_url=dsp.registry_url,
                        repositories=[repository])


class Copies(Stand):
    """hcm behind a proxy, and dsp, to which everything is given."""
    publication = dict(Stand.publication, share=["any = dsp provide"])

    def setUp(self):
        self.dsp_directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.dsp_directory, True)
        self.dsp = support.Domain(self.dsp_directory, name="dsp", repository_unique_id=DSP_REPOSITORY,
                                  home_community_id=DSP_HOME)
        self.addCleanup(lambda: self.dsp.kill())
        super().setUp()

    def back_ends(self):
        return super().back_ends() + [dsp_entry(self.dsp)]

    def shared(self, content=b"<a>for both</a>"):
        """A document that both have: its Bundle, and its id at the first."""
        bundle = support.demo_bundle(content)
        name = reference_location(self.assertStatus(self.gateway.publish(bundle), 200).json()).split("/")[1]
        support.wait_until(lambda: self.versions(bundle, self.dsp), "the other network to have it")
        return bundle, name

    def found(self, bundle, **parameters):
        """What a search shows under the uniqueId of the Bundle's document."""
        answer = self.assertStatus(self.gateway.find(**dict({"status": None}, **parameters)), 200).json()
        return [entry["resource"] for entry in answer.get("entry", []) if entry["search"]["mode"] == "match" and
                support.document_oid(bundle) in json.dumps(entry["resource"]["masterIdentifier"])]

    def copy_of(self, bundle):
        """In the outage: what is shown of a document, which is the other network's copy."""
        copy, = self.found(bundle)
        self.assertEqual(copy["meta"]["source"], "urn:oid:" + DSP_HOME)
        self.assertEqual(self.read(copy["id"])[0], copy)
        return copy

    def replacing(self, target, content=b"<a>anew</a>"):
        bundle = support.demo_bundle(content)
        bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": target}]
        return bundle


class Shown(Copies):
    def test_a_copy_will_be_superseded(self):
        for by in ("id", "uniqueId"):
            with self.subTest(by=by):
                bundle, name = self.shared()
                other, _ = self.shared(b"<a>another</a>")
                self.domain.kill()
                target = {"reference": "DocumentReference/" + name} if by == "id" else {
                    "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(bundle)}}
                self.assertEqual(tags(self.copy_of(bundle)), [])
                url = self.accept(self.replacing(target))
                self.assertEqual(tags(self.copy_of(bundle)), ["to-be-superseded"])
                self.assertEqual(tags(self.copy_of(other)), [])
                by_id = self.assertStatus(self.gateway.find(_id=self.copy_of(bundle)["id"]), 200).json()
                self.assertEqual(tags(by_id["entry"][0]["resource"]), ["to-be-superseded"])
                self.domain_restart()
                self.delivered(url)
                self.assertEqual(self.read(name)[0]["status"], "superseded")
                support.wait_until(lambda: self.versions(bundle, self.dsp)[0].get("status") == xds.DEPRECATED,
                                   "the other network to know")

    def test_a_copy_is_shown_as_it_will_be(self):
        bundle, name = self.shared()
        self.read(name)
        self.domain.kill()
        before = self.copy_of(bundle)
        url = self.waits(self.patch(name, "for both, soon"))
        copy = self.copy_of(bundle)
        self.assertEqual(tags(copy), ["change-not-registered"])
        self.assertEqual(copy["description"], "for both, soon")
        self.assertEqual({key: copy[key] for key in ("id", "identifier", "content", "subject", "status")},
                         {key: before[key] for key in ("id", "identifier", "content", "subject", "status")})
        self.waits(self.patch_status(name, "superseded"))
        self.assertEqual(self.copy_of(bundle)["status"], "superseded")
        self.assertEqual(self.found(bundle, status="current"), [])
        last = self.waits(self.delete(name))
        self.assertIn("to-be-removed", tags(self.copy_of(bundle)))
        self.domain_restart()
        for each in (url, last):
            self.settled(each)
        support.wait_until(lambda: not self.versions(bundle, self.dsp), "the other network to remove it")
        self.assertEqual(self.found(bundle), [])

    def patch_status(self, name, status):
        return support.request("PATCH", self.url(name), {"Content-Type": "application/json-patch+json"}, json.dumps(
            [{"op": "replace", "path": "/status", "value": status}]).encode())


class Meant(Copies):
    """Who names a copy means the first's document."""
    def copied(self, content):
        """A document that both have: its Bundle, its ids at the first and of its copy, and the latter's resource and ETag."""
        bundle, name = self.shared(content)
        self.domain.kill()
        copy = self.copy_of(bundle)
        return bundle, name, copy, self.read(copy["id"])[1]

    def put(self, copy, text, **headers):
        return support.request("PUT", self.url(copy["id"]), dict({"Content-Type": "application/fhir+json"}, **headers),
                               json.dumps(dict(copy, description=text)).encode())

    def test_while_both_answer(self):
        bundle, name, copy, etag = self.copied(b"<a>both</a>")
        self.domain_restart()
        self.assertEqual(self.assertStatus(self.patch(copy["id"], "patched"), 200).json()["id"], copy["id"])
        self.assertEqual(self.read(name)[0]["description"], "patched")
        self.assertStatus(self.patch(copy["id"], "stale", **{"If-Match": etag}), 412)
        support.wait_until(lambda: len(self.versions(bundle, self.dsp)) == 2, "the other network to have it")
        copy, etag = self.read(copy["id"])
        self.assertStatus(self.put(copy, "put", **{"If-Match": etag}), 200)
        self.assertEqual(self.read(name)[0]["description"], "put")
        new = self.replacing({"reference": "DocumentReference/" + copy["id"]})
        self.assertStatus(self.gateway.publish(new), 200)
        self.assertEqual(self.read(name)[0]["status"], "superseded")
        self.assertEqual(self.found(new)[0]["relatesTo"][0]["target"]["reference"], "DocumentReference/" + name)
        self.assertStatus(self.delete(copy["id"]), 204)
        self.read(name, 404)

    def test_in_the_outage(self):
        bundle, name, copy, etag = self.copied(b"<a>away</a>")
        first = self.waits(self.put(copy, "as put", **{"If-Match": etag}))
        shown, etag = self.read(copy["id"])
        self.assertEqual((shown["description"], tags(shown)), ("as put", ["change-not-registered"]))
        second = self.waits(self.patch(copy["id"], "as patched", **{"If-Match": etag}))
        self.assertEqual(self.copy_of(bundle)["description"], "as patched")
        url = self.accept(self.replacing({"reference": "DocumentReference/" + copy["id"]}))
        self.assertEqual(sorted(tags(self.copy_of(bundle))), ["change-not-registered", "to-be-superseded"])
        self.domain_restart()
        for each in (first, second):
            self.settled(each)
        self.delivered(url)
        resource, _ = self.read(name)
        self.assertEqual((resource["description"], resource["status"]), ("as patched", "superseded"))

    def test_deleted_in_the_outage(self):
        bundle, _, copy, _ = self.copied(b"<a>going</a>")
        url = self.waits(self.delete(copy["id"]))
        self.assertEqual(tags(self.copy_of(bundle)), ["to-be-removed"])
        self.domain_restart()
        self.settled(url)
        self.assertEqual(self.versions(bundle), [])
        support.wait_until(lambda: not self.versions(bundle, self.dsp), "the other network to remove it")

    def elsewhere(self, bundle, *back_ends):
        """Published past this gateway, which knows nothing of it; the id at the last."""
        for back_end in back_ends:
            other = support.Gateway(self.directory, [back_end], name="other")
            try:
                answer = self.assertStatus(other.publish(bundle), 200)
            finally:
                other.kill()
        return reference_location(answer.json()).split("/")[1]

    def unknown(self, content):
        """A document that both have and nobody here has read: its Bundle, its id at the first and that of its copy, in the
        outage."""
        bundle = support.demo_bundle(content)
        name = self.elsewhere(bundle, dsp_entry(self.dsp), self.domain.back_end())
        self.domain.kill()
        return bundle, name, self.copy_of(bundle)["id"]

    def put_aside(self, **plus):
        """The request that waits alone goes after all that come after it; what its row is to be greater by."""
        store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"), timeout=10)
        self.addCleanup(store.close)
        plus = dict({"due_ms": 600000}, **plus)

        def is_done():
            with store:
                return store.execute("UPDATE outbox_item SET %s WHERE state = 0" % ", ".join(
                    "%s = %s + %d" % (name, name, by) for name, by in plus.items())).rowcount == 1
        support.wait_until(is_done, "the request to wait for its turn")
        return store

    def decided_first(self, store, url):
        """The last one waits for that which was put aside, which now has its turn."""
        support.wait_until(lambda: "is decided first" in store.execute(
            "SELECT coalesce(reason, '') || state FROM outbox_item ORDER BY seq DESC LIMIT 1").fetchone()[0],
            "the last to wait for the first")
        self.assertStatus(support.request("POST", url.replace("/_async/", "/Task/") + "/$retry"), 200)

    def test_requests_keep_their_order_whatever_the_clock_says(self):
        """The clock was an hour ahead when the first came, and right for the second, which names the document otherwise."""
        _, name, copy = self.unknown(b"<a>in order</a>")
        first = self.waits(self.patch(copy, "first"))
        store = self.put_aside(accepted_ms=3600000)
        second = self.waits(self.patch(name, "second"))
        self.domain_restart()
        self.decided_first(store, first)
        self.assertEqual([self.settled(url)["description"] for url in (first, second)], ["first", "second"])
        self.assertEqual(self.read(name)[0]["description"], "second")

    def test_what_nobody_can_tell_is_decided_later(self):
        bundle = support.demo_bundle(b"<a>unknown</a>")
        replaced = support.demo_bundle(b"<a>unknown, too</a>")
        absent = support.demo_bundle(b"<a>at dsp alone</a>")
        for each in (bundle, replaced):
            self.elsewhere(each, self.domain.back_end(), dsp_entry(self.dsp))
        self.elsewhere(absent, dsp_entry(self.dsp))
        self.domain.kill()
        copy = self.copy_of(bundle)
        put = self.waits(self.put(copy, "as put"))
        patch = self.waits(self.patch(copy["id"], "as patched"))
        lost = self.waits(self.delete(self.copy_of(absent)["id"]))
        url = self.accept(self.replacing({"reference": "DocumentReference/" + self.copy_of(replaced)["id"]}))
        self.assertEqual(tags(self.copy_of(replaced)), ["to-be-superseded"])
        self.domain_restart()
        self.assertEqual(self.settled(put)["description"], "as put")
        self.assertEqual(self.settled(patch)["description"], "as patched")
        self.delivered(url)
        support.wait_until(lambda: support.request("GET", lost).status != 202, "the deletion to be refused")
        self.assertEqual(self.versions(replaced)[0].get("status"), xds.DEPRECATED)
        self.assertEqual(len(self.versions(absent, self.dsp)), 1)

    def test_a_replacement_stays_behind_what_named_the_copy(self):
        """Whether the registry answers when it comes or not, it names the document by its own id."""
        for is_away in (True, False):
            with self.subTest(is_away=is_away):
                _, name, copy = self.unknown(b"<a>old %d</a>" % is_away)
                first = self.waits(self.patch(copy, "first"))
                store = self.put_aside()
                new = self.replacing({"reference": "DocumentReference/" + name})
                if is_away:
                    url = self.accept(new)
                    self.domain_restart()
                else:
                    self.domain_restart()
                    support.wait_until(lambda: support.request("GET", self.url(name)).status == 200,
                                       "the registry to be asked again")
                    url = self.accept(new)
                self.decided_first(store, first)
                self.assertEqual(self.settled(first)["description"], "first")
                self.delivered(url)
                old, _ = self.read(name)
                self.assertEqual((old["status"], old["description"]), ("superseded", "first"))

    def test_what_the_first_has_not_is_told(self):
        alone = support.demo_bundle(b"<a>alone</a>")
        twin = support.demo_bundle(b"<a>twin</a>")
        self.elsewhere(alone, dsp_entry(self.dsp))
        self.elsewhere(twin, dsp_entry(self.dsp))
        other = support.demo_bundle(b"<a>other bytes</a>")
        other["entry"][1]["resource"]["masterIdentifier"] = twin["entry"][1]["resource"]["masterIdentifier"]
        for each in other["entry"][1]["resource"].get("identifier", []):
            if each.get("use") == "usual":
                each["value"] = twin["entry"][1]["resource"]["masterIdentifier"]["value"]
        self.elsewhere(other, self.domain.back_end())
        for bundle in (alone, twin):
            copy, = [each for each in self.found(bundle) if each["meta"]["source"] == "urn:oid:" + DSP_HOME]
            for answer in (self.patch(copy["id"], "no"), self.delete(copy["id"]), self.put(copy, "no"),
                           self.gateway.publish(self.replacing({"reference": "DocumentReference/" + copy["id"]}))):
                self.assertStatus(answer, 422)
                self.assertIn("hcm has no copy of it", answer.body.decode())
        self.assertEqual(len(self.versions(other)), 1)


class Closed(Trusted):
    """With consent: what waits closes copies, too."""
    publication = {"delete": "remove", "share": ["any = dsp provide"]}
    care_relationships = ["any|any", "urn:oid:%s|any" % DSP_HOME]

    @classmethod
    def setUpClass(cls):
        cls.dsp_directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.dsp_directory, True)
        cls.dsp = support.Domain(cls.dsp_directory, name="dsp", repository_unique_id=DSP_REPOSITORY,
                                 home_community_id=DSP_HOME)
        cls.addClassCleanup(cls.dsp.kill)
        super().setUpClass()

    @classmethod
    def back_ends(cls):
        first = dict(cls.back_end_make(), update_url=cls.proxy.url("/registry"))
        return [first, dsp_entry(cls.dsp)]

    def setUp(self):
        super().setUp()
        self.proxy.clear()

    def shared(self, content):
        bundle = support.demo_bundle(content)
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200)
        name = reference_location(answer.json()).split("/_history")[0]
        support.wait_until(lambda: Copies.versions(self, bundle, self.dsp), "the other network to have it")
        return bundle, name

    def found(self, bundle, token):
        return Copies.found(self, bundle, token=token)

    def patch(self, name, token, *operations):
        return support.request("PATCH", "%s/%s" % (self.gateway.base, name), dict(
            support.bearer(token), **{"Content-Type": JSON_PATCH}), json.dumps(operations).encode())

    def down(self):
        """Nobody at hcm answers, but for its consent directory."""
        self.proxy.script(QUERY, *[proxy.lost_request] * 1000)
        self.proxy.script(UPDATE, *[proxy.lost_request] * 1000)

    def test_what_waits_closes_the_copy(self):
        bundle, name = self.shared(b"<a>soon restricted</a>")
        self.assertStatus(self.get("/" + name, self.doctor), 200)
        self.consent({"type": "permit", "provision": [{"type": "deny", "securityLabel": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}]})
        self.down()
        copy, = self.found(bundle, self.colleague)
        patient = self.gateway.token("patient", user="patient-1", scope="patient/*.cruds",
                                     patient="%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT))
        self.assertStatus(self.patch(name, patient, {
            "op": "replace", "path": "/securityLabel/0/coding/0/code", "value": "R"}), 202)
        self.assertEqual(self.found(bundle, self.colleague), [])
        self.assertStatus(self.get("/DocumentReference/" + copy["id"], self.colleague), 404)
        self.assertStatus(self.get(copy["content"][0]["attachment"]["url"], self.colleague), 404)

    def test_a_hidden_copy_is_none(self):
        bundle, _ = self.shared(b"<a>hidden</a>")
        self.down()
        copy, = self.found(bundle, self.colleague)
        self.proxy.clear()
        self.consent(trust.hide_document(support.document_oid(bundle)))
        name = "DocumentReference/" + copy["id"]
        for away in (False, True):
            if away:
                self.down()
            new = support.demo_bundle(b"<a>instead</a>")
            new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": name}}]
            refused = self.gateway.publish(new, token=self.colleague)
            self.assertStatus(refused, 422)
            self.assertIn("Refer to a document that is registered here", refused.body.decode())
            self.assertStatus(self.patch(name, self.colleague, {"op": "add", "path": "/description", "value": "x"}), 404)


if __name__ == "__main__":
    unittest.main()
