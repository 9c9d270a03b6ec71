"""Documents of the hospitals that were shared with another network: in an outage of the first their copies are what is found,
and stand for them."""
import json
import shutil
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


if __name__ == "__main__":
    unittest.main()
