"""Several entries of one document in one registry: what is submitted again, with the same uniqueId and the same bytes, is
registered again (ITI TF-3 4.2.4, XDSNonIdenticalHash), and is one document for those who read."""
import re
import unittest
import urllib.parse

import support
import trust
import xds

PATIENTS = ["IHEBLUE-10%02d" % number for number in range(3, 11)]
CONFIDENTIALITY = "2.16.840.1.113883.5.25"
CLASSES = "urn:oid:2.999.20.3"


class Twins(trust.TrustStand):
    def setUp(self):
        self.who = PATIENTS.pop()

    def soap(self, path, action, body, parts=()):
        answer = xds.Answer(support.request(
            "POST", "http://127.0.0.1:%d/%s" % (self.domain.port, path), {"Content-Type": xds.package_type(action)},
            xds.package(xds.envelope(action, body), parts)))
        self.assertEqual((answer.outcome, answer.codes), ("Success", []), repr(answer))
        return answer

    def submit(self, unique_id=None, content=b"a letter", kind="class", created="20260312"):
        """A document, or one more entry of it, past the gateway; returns its uniqueId."""
        unique_id = unique_id or support.fresh_oid(1)
        entry = xds.entry("doc", unique_id, self.who).replace("20260312", created)
        for value, coding, other in (("class", "2.999.20.3", kind), ("N", CONFIDENTIALITY, "N")):
            entry = re.sub('nodeRepresentation="%s"(.*?)2.999.20.3' % value, lambda found, coding=coding, other=other:
                           'nodeRepresentation="%s"%s%s' % (other, found.group(1), coding), entry, count=1)
        objects = [xds.submission_set("set", support.fresh_oid(7), self.who), entry, xds.member("set", "doc")]
        self.soap("repository", xds.PROVIDE, xds.provide(objects, [("doc", xds.include("doc@tests"))]),
                  [xds.part("doc@tests", content)])
        return unique_id

    def entries(self, unique_id):
        """What the registry has of a document."""
        return self.soap("registry", xds.STORED_QUERY, xds.stored_query(
            xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % unique_id)])).objects

    def deprecate(self, entry):
        self.soap("registry", xds.UPDATE, xds.submit_objects(
            xds.submission_set("set", support.fresh_oid(7), self.who),
            xds.association(xds.UPDATE_STATUS, "set", entry.get("id"),
                            xds.slot("OriginalStatus", xds.APPROVED) + xds.slot("NewStatus", xds.DEPRECATED))))

    def search(self, kind="DocumentReference", **parameters):
        query = {"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.who)}
        query.update(parameters)
        return self.assertStatus(self.send("GET", "/" + kind + "?" + urllib.parse.urlencode(query), self.doctor), 200).json()

    def found(self, kind="DocumentReference", **parameters):
        return [entry["resource"] for entry in self.search(kind, **parameters).get("entry", [])
                if entry["search"]["mode"] == "match"]

    def oids(self, **parameters):
        return sorted(each["masterIdentifier"]["value"][len("urn:oid:"):] for each in self.found(**parameters))

    def named(self, entry):
        """The DocumentReference of just this entry."""
        found = self.found(identifier=entry.get("id"))
        self.assertEqual(len(found), 1)
        return found[0]

    def hide(self, kind):
        provision = {"type": "permit", "provision": [{"type": "deny", "code": [
            {"coding": [{"system": CLASSES, "code": kind}]}]}]}
        self.assertStatus(self.send("POST", "/Consent", self.patient(self.who),
                                    trust.consent_resource(provision, self.who)), 201)

    def test_are_one_result(self):
        oid = self.submit()
        self.submit(oid, created="20260313")
        entries = self.entries(oid)
        self.assertEqual(len(entries), 2)
        found = self.search()
        self.assertEqual((found["total"], self.search(_summary="count")["total"]), (1, 1))
        shown = self.found()
        self.assertEqual([each["content"][0]["attachment"]["creation"] for each in shown], ["2026-03-13"])
        self.assertEqual([each["search"]["mode"] for each in found["entry"]], ["match"])
        self.assertEqual(self.found(identifier="urn:oid:" + oid), shown)
        named = [self.named(entry) for entry in entries]
        self.assertEqual(len({each["id"] for each in named}), 2)
        self.assertEqual(self.found(_id=",".join(each["id"] for each in named)), shown)
        for each in named:
            self.assertEqual(self.found(_id=each["id"]), [each])
            read = self.assertStatus(self.send("GET", "/DocumentReference/" + each["id"], self.doctor), 200)
            self.assertEqual(read.json(), each)
            url = each["content"][0]["attachment"]["url"]
            self.assertEqual(self.assertStatus(self.send("GET", url, self.doctor), 200).body, b"a letter")
        lists = self.found("List", code="submissionset")
        self.assertEqual({each["entry"][0]["item"]["reference"] for each in lists},
                         {"DocumentReference/" + each["id"] for each in named})

    def test_on_pages_are_one_result(self):
        oids = [self.submit(content=b"%d" % number, created="202603%02d" % (number // 2 + 1)) for number in range(7)]
        for number in (0, 1, 2, 5, 6):
            self.submit(oids[number], b"%d" % number, created="202603%02d" % (number // 2 + 1))
        for sort in ("date", "-date", "creation", "-creation"):
            seen, page = [], self.search(_sort=sort, _count=2)
            while page:
                self.assertEqual(page["total"], len(oids))
                seen += [entry["resource"] for entry in page["entry"]]
                following = [each["url"] for each in page["link"] if each["relation"] == "next"]
                page = following and self.assertStatus(self.send("GET", following[0], self.doctor), 200).json()
            self.assertEqual(seen, self.found(_sort=sort))
            self.assertEqual(sorted(each["masterIdentifier"]["value"] for each in seen),
                             sorted("urn:oid:" + oid for oid in oids))

    def test_the_current_one_is_shown(self):
        oid = self.submit()
        self.submit(oid, created="20260313")
        newest = next(each for each in self.entries(oid) if self.named(each)["content"][0]["attachment"]["creation"]
                      == "2026-03-13")
        self.deprecate(newest)
        self.assertEqual([(each["status"], each["content"][0]["attachment"]["creation"]) for each in self.found()],
                         [("current", "2026-03-12")])
        self.assertEqual(self.found(status="current"), self.found())
        self.assertEqual([each["status"] for each in self.found(status="superseded")], ["superseded"])

    def test_what_one_hides_both_hide(self):
        secret = self.submit()
        self.submit(secret, kind="secret")
        shown = self.submit()
        named = [self.named(entry) for entry in self.entries(secret)]
        self.assertEqual(self.oids(), sorted([secret, shown]))
        self.hide("secret")
        for more in ({}, {"category": CLASSES + "|class"}, {"status": "current"}, {"_lastUpdated": "ge2024"}):
            self.assertEqual(self.oids(**more), [shown], more)
            self.assertEqual(self.search(_summary="count", **more)["total"], 1)
        self.assertEqual(self.oids(identifier="urn:oid:" + secret), [])
        self.assertEqual(len(self.found("List", code="submissionset")), 1)
        for each in named:
            self.assertEqual(self.oids(_id=each["id"]), [])
            for path in ("/DocumentReference/" + each["id"], each["content"][0]["attachment"]["url"]):
                self.assertStatus(self.send("GET", path, self.doctor), 404)

    def test_what_was_deprecated_hides_nothing(self):
        oid = self.submit()
        self.submit(oid, kind="secret")
        old = next(each for each in self.entries(oid)
                   if self.named(each)["category"][0]["coding"][0]["code"] == "secret")
        self.deprecate(old)
        self.hide("secret")
        self.assertEqual((self.oids(), self.oids(category=CLASSES + "|class")), ([oid], [oid]))
        [shown] = self.found()
        self.assertStatus(self.send("GET", "/DocumentReference/" + shown["id"], self.doctor), 200)
        self.assertStatus(self.send("GET", shown["content"][0]["attachment"]["url"], self.doctor), 200)


if __name__ == "__main__":
    unittest.main()
