"""The embedded domain as the Responding Gateway of its community, met by an Initiating Gateway that is none of ours: SOAP
bytes over HTTP. Every answer is validated against the public schemas."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest

import certificates
import support
import test_domain
import xds

HOME = "urn:oid:2.999.20.70"
FOREIGN = "urn:oid:2.999.20.71"
GET_SUBMISSION_SETS = "51224314-5390-4169-9b91-b1980040715a"


def by_unique_id(unique_id):
    return [("XDSDocumentEntryUniqueId", "('%s')" % unique_id)]


class RespondingGateway(test_domain.DomainStand):
    overrides = {"home_community_id": HOME}

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        faults = xds.schema_faults(cls.answers)
        if faults:
            raise AssertionError("\n".join(faults))

    def ask(self, body):
        return self.simple(xds.CROSS_QUERY, body, "/xca")

    def fetch(self, *unique_ids, home=HOME, repository=support.REPOSITORY):
        return self.mtom(xds.CROSS_RETRIEVE, xds.retrieve(*[(repository, unique_id) for unique_id in unique_ids],
                                                          home=home), path="/xca")

    def assertHomes(self, answer):
        self.assertTrue(answer.objects)
        self.assertEqual({item.get("home") for item in answer.objects}, {HOME})

    def assertRefused(self, answer, *codes):
        self.assertOutcome(answer, "Failure", *codes)
        self.assertEqual({error.get("location") for error in answer.body.iter("{%s}RegistryError" % xds.RS)}, {HOME})

    def test_find_get_retrieve(self):
        content = os.urandom(3 << 20)
        answer, unique_id = self.publish(content, patient="IHEBLUE-1003")
        self.assertOutcome(answer, "Success")
        for home in (None, HOME):  # who asks by patient may ask everybody
            found = self.ask(xds.find_documents("IHEBLUE-1003", home=home))
            self.assertOutcome(found, "Success")
            self.assertFalse(found.is_package)
            self.assertEqual(found.head("Action"), xds.CROSS_QUERY + "Response")
            self.assertEqual(found.unique_ids(), [unique_id])
            self.assertHomes(found)
        refs = self.ask(xds.find_documents("IHEBLUE-1003", return_type="ObjectRef", home=HOME))
        self.assertEqual([item.tag.split("}")[1] for item in refs.objects], ["ObjectRef"])
        self.assertHomes(refs)
        sets = self.ask(xds.stored_query(GET_SUBMISSION_SETS, [("uuid", "('%s')" % refs.objects[0].get("id"))],
                                         home=HOME))
        self.assertEqual(sorted(item.tag.split("}")[1] for item in sets.objects), ["Association", "RegistryPackage"])
        self.assertHomes(sets)
        got = self.fetch(unique_id)
        self.assertOutcome(got, "Success")
        self.assertTrue(got.is_package)
        self.assertEqual(got.head("Action"), xds.CROSS_RETRIEVE + "Response")
        media_type, bytes_got = got.documents()[unique_id]
        self.assertEqual((media_type, hashlib.sha1(bytes_got).digest()), ("text/plain", hashlib.sha1(content).digest()))
        self.assertEqual([item.text for item in got.body.iter("{%s}HomeCommunityId" % xds.XDS)], [HOME])

    def test_a_query_by_ids_names_the_community(self):
        _, unique_id = self.publish(b"named")
        query = by_unique_id(unique_id)
        self.assertRefused(self.ask(xds.stored_query(xds.GET_DOCUMENTS, query)), "XDSMissingHomeCommunityId")
        self.assertRefused(self.ask(xds.stored_query(xds.GET_DOCUMENTS, query, home="")), "XDSMissingHomeCommunityId")
        self.assertRefused(self.ask(xds.stored_query(xds.GET_DOCUMENTS, query, home=FOREIGN)), "XDSUnknownCommunity")
        self.assertRefused(self.ask(xds.find_documents(home=FOREIGN)), "XDSUnknownCommunity")
        self.assertEqual(self.ask(xds.stored_query(xds.GET_DOCUMENTS, query, home=HOME)).unique_ids(), [unique_id])
        self.assertEqual(self.simple(xds.STORED_QUERY, xds.stored_query(xds.GET_DOCUMENTS, query)).unique_ids(),
                         [unique_id], "inside the community nobody needs to name it")

    def test_a_document_is_asked_of_its_community(self):
        _, unique_id = self.publish(b"asked")
        self.assertRefused(self.fetch(unique_id, home=None), "XDSMissingHomeCommunityId")
        self.assertRefused(self.fetch(unique_id, home=FOREIGN), "XDSUnknownCommunity")
        self.assertRefused(self.fetch(unique_id, repository="2.999.20.99"), "XDSUnknownRepositoryId")
        self.assertRefused(self.fetch("2.999.20.1.404"), "XDSDocumentUniqueIdError")
        partial = self.fetch(unique_id, "2.999.20.1.404")
        self.assertOutcome(partial, "PartialSuccess", "XDSDocumentUniqueIdError")
        self.assertEqual(list(partial.documents()), [unique_id])

    def test_what_is_not_there(self):
        nobody = self.ask(xds.find_documents("NOBODY-1", home=HOME))
        self.assertOutcome(nobody, "Success")
        self.assertEqual(nobody.objects, [])
        self.assertRefused(self.ask(xds.stored_query("00000000-0000-4000-8000-000000000000", [], home=HOME)),
                           "XDSUnknownStoredQuery")
        self.assertFault(self.simple(xds.CROSS_RETRIEVE, xds.retrieve((support.REPOSITORY, "1.2"), home=HOME), "/xca"),
                         400, "Sender")

    def test_what_was_registered_before_the_community_had_a_name(self):
        before = support.Domain(self.directory, name="before")
        try:
            self.domain, domain = before, self.domain
            _, unique_id = self.publish(b"nameless", extra="", patient="IHEBLUE-1004")
            before.stop()
            after = support.Domain(self.directory, name="before", home_community_id=HOME)
            self.domain = before = after
            found = self.ask(xds.find_documents("IHEBLUE-1004", home=HOME))
            self.assertEqual(found.unique_ids(), [unique_id])
            self.assertHomes(found)
            self.assertIsNone(self.simple(xds.STORED_QUERY, xds.find_documents("IHEBLUE-1004")).objects[0].get("home"))
            before.stop()
            before = self.domain = support.Domain(self.directory, name="before", home_community_id=FOREIGN)
            self.assertEqual(self.ask(xds.find_documents("IHEBLUE-1004")).objects[0].get("home"), FOREIGN)
            before.stop()
        finally:
            self.domain = domain
            before.kill()

    def test_a_domain_without_a_name_is_no_community(self):
        plain = support.Domain(self.directory, name="plain")
        try:
            self.domain, domain = plain, self.domain
            self.assertFault(self.simple(xds.CROSS_QUERY, xds.find_documents(), "/registry"), 400, "Sender",
                             "ActionNotSupported")
            self.assertEqual(support.request("POST", "http://127.0.0.1:%d/xca" % plain.port,
                                             {"Content-Type": "application/soap+xml"}, b"<x/>").status, 404)
            plain.stop()
        finally:
            self.domain = domain
            plain.kill()


class Signed(unittest.TestCase):
    def test_communities_say_who_asks(self):
        """A domain that wants assertions wants them of other communities too, in all three transactions."""
        directory = tempfile.mkdtemp(prefix="passerelle-xca-")
        self.addCleanup(shutil.rmtree, directory, True)
        own = certificates.self_signed(directory, "own")
        issuer, audience = "https://fhir.hospital.example/xua", "urn:oid:2.999.20.70"
        domain = support.Domain(directory, home_community_id=HOME, xua={
            "issuers": [{"issuer": issuer, "certificate_file": own.certificate}], "audiences": [audience]})
        self.addCleanup(domain.kill)
        key = os.path.join(directory, "seal.key")
        with open(key, "wb") as file:
            file.write(os.urandom(32))
        path = os.path.join(directory, "gateway.yaml")
        for signed in (True, False):
            more = {"xua_audience": audience} if signed else {}
            support.write_configuration(path, {
                "keys": [{"id": 1, "file": key}], "patient": {"assigning_authority": support.AUTHORITY},
                "access": {"anonymous": True},
                "back_ends": [domain.back_end(name="own", **more), domain.community(HOME, **more)],
                "xua": {"key_file": own.key, "certificate_file": own.certificate, "issuer": issuer}})
            done = subprocess.run([support.BINARY, "check", "--config", path], stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
            self.assertEqual(done.stdout.count("ok   hcm: community"), 3 if signed else 0, done.stdout)
        domain.stop()


if __name__ == "__main__":
    unittest.main()
