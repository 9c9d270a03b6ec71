"""An XDS back-end nobody here wrote: SOAP, MTOM and ebXML of IPF read what the gateway sends and write what it reads."""
import os
import shutil
import subprocess
import tempfile
import unittest

import peer
import support
import xds

COMMUNITY = "urn:oid:2.999.20.70"


class PeerBackEnd(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-peer-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = support.Domain(cls.directory, name="community", home_community_id=COMMUNITY)
        cls.addClassCleanup(cls.domain.kill)
        cls.peer = peer.Peer(cls.directory, "127.0.0.1:%d/xca" % cls.domain.port)
        cls.addClassCleanup(cls.peer.kill)
        cls.gateway = support.Gateway(cls.directory, [cls.peer.back_end()])
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    def publish(self, document=None):
        bundle = support.demo_bundle(document or support.demo_letter())
        answer = self.gateway.publish(bundle)
        self.assertEqual(answer.status, 200, repr(answer) + self.peer.log()[-3000:])
        return bundle, answer.json()

    def test_ipf_understands_the_metadata(self):
        bundle, _ = self.publish()
        reference = bundle["entry"][1]["resource"]
        entry = self.peer.understood(support.document_oid(bundle))
        self.assertEqual(entry["mimeType"], "text/xml")
        self.assertEqual(entry["languageCode"], "en")
        self.assertEqual(entry["title"]["value"], reference["content"][0]["attachment"]["title"])
        self.assertEqual(entry["comments"]["value"], reference["description"])
        # 10:15 in Luxembourg's winter is 09:15 UTC; XDS times are UTC (TF-3 4.2.3.1.7, table 4.2.3.1.7-2).
        self.assertIn("2026-03-12T09:15:00", str(entry["creationTime"]))
        self.assertIn("2026-03-08T06:15:00", str(entry["serviceStartTime"]))
        for name, code, scheme in (("classCode", "18842-5", "2.16.840.1.113883.6.1"),
                                   ("typeCode", "34105-7", "2.16.840.1.113883.6.1"),
                                   ("healthcareFacilityTypeCode", "HOSP", "2.16.840.1.113883.5.111"),
                                   ("practiceSettingCode", "394579002", "2.16.840.1.113883.6.96")):
            self.assertEqual((entry[name]["code"], entry[name]["codeSystemName"]), (code, scheme), name)
        self.assertEqual(entry["confidentialityCode"][0]["code"], "N")
        patient = {"extension": support.PATIENT, "root": support.AUTHORITY}
        self.assertEqual(entry["patientId"], patient)
        self.assertEqual(entry["sourcePatientId"], patient)
        self.assertEqual(entry["size"], reference["content"][0]["attachment"]["size"])
        person = entry["author"][0]["authorPerson"]
        self.assertEqual((person["name"]["family"], person["name"]["given"], person["name"]["prefix"]),
                         ("Beispiel", "Camille", "Dr"))
        self.assertEqual(person["id"], {"extension": "D-4711", "root": "2.999.20.3"})
        institution = entry["author"][0]["authorInstitution"][0]
        self.assertEqual((institution["name"], institution["idNumber"]), ("Hôpital Fictif de la Moselle", "HFM"))
        name = entry["sourcePatientInfo"]["name"][0]
        self.assertEqual((name["family"], name["given"], name["secondAndFurtherGiven"]),
                         ("Muster-Fantaisie", "Zoé", "Amélie"))
        self.assertEqual(entry["sourcePatientInfo"]["gender"], "F")
        oid = bundle["entry"][0]["resource"]["identifier"][0]["value"][len("urn:oid:"):]
        submission = self.peer.understood(oid)
        self.assertEqual(submission["sourceId"], "2.999.20.6")
        self.assertEqual(submission["contentTypeCode"]["code"], "18842-5")
        self.assertEqual(submission["patientId"], patient)

    def test_publish_find_retrieve(self):
        document = bytes(range(256)) * 1000
        bundle, answer = self.publish(document)
        self.assertEqual([entry["response"]["status"][:3] for entry in answer["entry"]], ["201"] * 3)
        found = self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle))
        self.assertEqual(found.status, 200, repr(found))
        entries = [entry for entry in found.json()["entry"] if entry["search"]["mode"] == "match"]
        self.assertEqual(len(entries), 1)
        attachment = entries[0]["resource"]["content"][0]["attachment"]
        got = support.request("GET", attachment["url"])
        self.assertEqual(got.status, 200, repr(got))
        self.assertTrue(got.body == document)

    def test_real_documents(self):
        """Every document of the public corpus goes through IPF's MTOM both ways and comes back byte for byte."""
        directory = support.shared("samples/documents")
        for name in sorted(os.listdir(directory)):
            with self.subTest(name=name):
                with open(os.path.join(directory, name), "rb") as file:
                    document = file.read()
                bundle, _ = self.publish(document)
                found = self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle)).json()
                got = support.request("GET", found["entry"][0]["resource"]["content"][0]["attachment"]["url"])
                self.assertEqual(got.status, 200, got.status)
                self.assertTrue(got.body == document)

    def test_find_all_of_a_patient(self):
        bundles = [self.publish()[0] for _ in range(3)]
        found = self.gateway.find(type="http://loinc.org|34105-7")
        self.assertEqual(found.status, 200, repr(found))
        oids = {entry["resource"]["masterIdentifier"]["value"] for entry in found.json()["entry"]
                if entry["search"]["mode"] == "match"}
        for bundle in bundles:
            self.assertIn("urn:oid:" + support.document_oid(bundle), oids)
        lists = self.gateway.find("List", code="submissionset")
        self.assertEqual(lists.status, 200, repr(lists))
        self.assertGreaterEqual(lists.json()["total"], 3)

    @staticmethod
    def post(url, action, body, parts=None):
        """SOAP by hand: plain, or as a package with these parts."""
        text = xds.envelope(action, body)
        if parts is None:
            return xds.Answer(support.request("POST", url, {"Content-Type": "application/soap+xml; charset=UTF-8; action=\"%s\""
                                                            % action}, text.encode()))
        return xds.Answer(support.request("POST", url, {"Content-Type": xds.package_type(action)},
                                          xds.package(text, parts)))

    def test_ipf_asks_the_domain_of_another_community(self):
        """IPF as Initiating Gateway: its ITI-38 and ITI-39 are understood, and what is answered passes its validation."""
        unique_id = support.fresh_oid(1)
        document = bytes(range(256)) * 3000
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", unique_id), xds.member("set", "doc")]
        stored = self.post(self.domain.repository_url, xds.PROVIDE, xds.provide(objects, [("doc", xds.include("doc@tests"))]),
                           [xds.part("doc@tests", document)])
        self.assertEqual(stored.outcome, "Success", repr(stored))
        by_id = xds.stored_query(xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % unique_id)], home=COMMUNITY)
        for query in (xds.find_documents(home=COMMUNITY), by_id):
            found = self.post(self.peer.url + "initiate18", xds.STORED_QUERY, query)
            self.assertEqual(found.outcome, "Success", repr(found) + self.peer.log()[-3000:])
            self.assertEqual(found.unique_ids(), [unique_id])
            self.assertEqual(found.objects[0].get("home"), COMMUNITY)
        fetch = xds.retrieve((support.REPOSITORY, unique_id), home=COMMUNITY)
        got = self.post(self.peer.url + "initiate43", xds.RETRIEVE, fetch, [])
        self.assertEqual(got.outcome, "Success", repr(got)[:2000] + self.peer.log()[-3000:])
        self.assertEqual(got.documents(), {unique_id: ("text/plain", document)})
        unknown = self.post(self.peer.url + "initiate18", xds.STORED_QUERY, xds.find_documents(home="urn:oid:2.999.20.71"))
        self.assertEqual((unknown.outcome, unknown.codes), ("Failure", ["XDSUnknownCommunity"]), repr(unknown))

    def test_ipf_is_asked_as_another_community(self):
        """IPF as Responding Gateway validates our ITI-38 and ITI-39; it takes no query by ids without a home."""
        path = os.path.join(self.directory, "communities.yaml")
        key = os.path.join(self.directory, "seal.key")
        support.write_configuration(path, {
            "keys": [{"id": 1, "file": key}], "access": {"anonymous": True},
            "patient": {"assigning_authority": support.AUTHORITY},
            "back_ends": [self.peer.back_end(), self.peer.community()]})
        done = subprocess.run([support.BINARY, "check", "--config", path], capture_output=True, text=True, check=False)
        self.assertEqual(done.stdout.count("ok   ipf-community"), 2, done.stdout + done.stderr + self.peer.log()[-3000:])

    def test_unknown_document_is_not_found(self):
        bundle, _ = self.publish()
        found = self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle)).json()
        attachment = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        wrong = attachment[:-4] + ("aaaa" if not attachment.endswith("aaaa") else "bbbb")
        self.assertEqual(support.request("GET", wrong).status, 404)


if __name__ == "__main__":
    unittest.main()
