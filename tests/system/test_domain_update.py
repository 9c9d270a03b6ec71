"""The embedded domain's ITI-57, ITI-62 and ITI-86 as a foreign document administrator meets them: SOAP bytes over HTTP. Every
answer is validated against the public schemas."""
import hashlib
import os
import threading
import unittest
import uuid

import support
import test_domain
import xds

PATIENTS = ["IHEBLUE-10%02d" % number for number in range(3, 11)]


class Updates(test_domain.DomainStand):
    def setUp(self):
        self.patient = PATIENTS.pop()

    def registered(self, content=b"a letter", **more):
        """A published document: its element, and its uniqueId."""
        answer, unique_id = self.publish(content, patient=self.patient, **more)
        self.assertOutcome(answer, "Success")
        return self.documents(unique_id)[0], unique_id

    def documents(self, unique_id, *more):
        answer = self.simple(xds.STORED_QUERY, xds.stored_query(
            xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "('%s')" % unique_id), *more]))
        self.assertOutcome(answer, "Success")
        return answer.objects

    def version(self, item, unique_id, previous, content=b"a letter", **changes):
        """An ITI-57 with a new version of a registered entry."""
        extra = xds.slot("hash", hashlib.sha1(content).hexdigest()) + xds.slot("size", str(len(content))) + xds.slot(
            "repositoryUniqueId", support.REPOSITORY)
        entry = xds.entry("doc", unique_id, self.patient, extra, **changes).replace(
            "<rim:ExtrinsicObject", '<rim:ExtrinsicObject lid="%s"' % item.get("lid"))
        member = xds.association(xds.HAS_MEMBER, "set", "doc", xds.slot("SubmissionSetStatus", "Original")
                                 + xds.slot("PreviousVersion", str(previous)))
        return xds.submit_objects(xds.submission_set("set", support.fresh_oid(7), self.patient), entry, member)

    def status(self, item, before, after):
        return xds.submit_objects(
            xds.submission_set("set", support.fresh_oid(7), self.patient),
            xds.association(xds.UPDATE_STATUS, "set", item.get("id"),
                            xds.slot("OriginalStatus", before) + xds.slot("NewStatus", after)))

    def removal(self, item):
        """All ids that an ITI-62 of this document must name: it, its associations, and sets that would be empty."""
        answer = self.simple(xds.STORED_QUERY, xds.stored_query(xds.GET_ASSOCIATIONS,
                                                                [("uuid", "('%s')" % item.get("id"))]))
        ids = {item.get("id")}
        for association in answer.objects:
            ids |= {association.get("id"), association.get("sourceObject")}
        return sorted(ids)

    def files(self):
        return sum(len(names) for _, _, names in os.walk(os.path.join(self.directory, "hcm", "documents")))

    def test_versions(self):
        item, unique_id = self.registered()
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, unique_id, 1, author="Nouvelle")), "Success")
        found = self.find(patient=self.patient).objects
        self.assertEqual(len(found), 1)
        self.assertEqual(found[0].get("lid"), item.get("id"))
        self.assertNotEqual(found[0].get("id"), item.get("id"))
        self.assertEqual(found[0].find("{%s}VersionInfo" % xds.RIM).get("versionName"), "2")
        self.assertEqual(found[0].get("status"), xds.APPROVED)
        self.assertIn("Nouvelle", "".join(found[0].itertext()))
        versions = self.documents(unique_id, ("MetadataLevel", "2"))
        self.assertEqual([each.get("status") for each in versions], [xds.DEPRECATED, xds.APPROVED])
        self.assertEqual(len(self.documents(unique_id)), 1)
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, unique_id, 1)), "Failure",
                           "XDSMetadataVersionError")
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, unique_id, 2)), "Success")
        self.assertEqual(self.get(unique_id).documents()[unique_id][1], b"a letter")

    def test_what_may_not_change(self):
        item, unique_id = self.registered()
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, unique_id, 1, content=b"another")), "Failure",
                           "XDSMetadataUpdateError", "XDSMetadataUpdateError")
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, support.fresh_oid(1), 1)), "Failure",
                           "XDSMetadataUpdateError")

    def test_of_many_writers_one_wins(self):
        item, unique_id = self.registered()
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(
            self.simple(xds.UPDATE, self.version(item, unique_id, 1)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.outcome for answer in answers), ["Failure"] * 7 + ["Success"])
        self.assertEqual({code for answer in answers for code in answer.codes}, {"XDSMetadataVersionError"})
        self.assertEqual(len(self.documents(unique_id, ("MetadataLevel", "2"))), 2)

    def test_statuses(self):
        item, unique_id = self.registered()
        self.assertOutcome(self.simple(xds.UPDATE, self.status(item, xds.APPROVED, xds.DEPRECATED)), "Success")
        self.assertEqual(self.find(patient=self.patient).objects, [])
        self.assertEqual([each.get("status") for each in self.documents(unique_id)], [xds.DEPRECATED])
        self.assertOutcome(self.simple(xds.UPDATE, self.status(item, xds.APPROVED, xds.DEPRECATED)), "Failure",
                           "XDSMetadataVersionError")
        self.assertOutcome(self.simple(xds.UPDATE, self.status(item, xds.DEPRECATED, xds.APPROVED)), "Success")
        self.assertEqual(len(self.find(patient=self.patient).objects), 1)

    def test_a_change_survives_a_crash(self):
        item, unique_id = self.registered()
        self.assertOutcome(self.simple(xds.UPDATE, self.version(item, unique_id, 1)), "Success")
        self.domain.kill()
        type(self).domain = support.Domain(self.directory, port=self.domain.port)
        self.assertEqual(len(self.documents(unique_id, ("MetadataLevel", "2"))), 2)
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects(*self.removal(self.documents(
            unique_id)[0]))), "Success")
        self.domain.kill()
        type(self).domain = support.Domain(self.directory, port=self.domain.port)
        self.assertEqual(len(self.documents(unique_id, ("MetadataLevel", "2"))), 1)

    def test_removal_of_metadata_is_all_or_nothing(self):
        item, unique_id = self.registered()
        ids = self.removal(item)
        self.assertEqual(len(ids), 3)
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects(item.get("id"))), "Failure",
                           "ReferencesExistException")
        unknown = "urn:uuid:" + str(uuid.uuid4())
        answer = self.simple(xds.REMOVE_METADATA, xds.remove_objects(*ids, unknown))
        self.assertOutcome(answer, "Failure", "UnresolvedReferenceException")
        self.assertEqual([each.get("location") for each in answer.body.iter("{%s}RegistryError" % xds.RS)], [unknown])
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects()), "Failure", "XDSRegistryError")
        self.assertEqual(len(self.documents(unique_id)), 1)
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects(*ids)), "Success")
        self.assertEqual(self.documents(unique_id), [])
        self.assertEqual(self.get(unique_id).outcome, "Success")  # the bytes are another matter

    def test_removal_of_documents(self):
        content = os.urandom(2000)
        item, unique_id = self.registered(content)
        _, twin = self.registered(content)
        remove = xds.remove_documents((support.REPOSITORY, unique_id))
        before = self.files()
        self.assertOutcome(self.simple(xds.REMOVE_DOCUMENTS, remove, "/repository"), "Failure",
                           "XDSRemoveDocumentsError")
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects(*self.removal(item))), "Success")
        self.assertOutcome(self.simple(xds.REMOVE_DOCUMENTS, xds.remove_documents(
            (support.REPOSITORY, unique_id), ("2.999.20.11", unique_id)), "/repository"), "Failure",
            "XDSUnknownRepositoryId")
        self.assertEqual(self.get(unique_id).outcome, "Success")
        self.assertOutcome(self.simple(xds.REMOVE_DOCUMENTS, remove, "/repository"), "Success")
        self.assertOutcome(self.get(unique_id), "Failure", "XDSDocumentUniqueIdError")
        self.assertOutcome(self.simple(xds.REMOVE_DOCUMENTS, remove, "/repository"), "Failure",
                           "XDSDocumentUniqueIdError")
        # Another document has the same bytes, and keeps them.
        self.assertEqual(self.files(), before)
        self.assertEqual(self.get(twin).documents()[twin][1], content)
        self.assertOutcome(self.simple(xds.REMOVE_METADATA, xds.remove_objects(*self.removal(self.documents(twin)[0]))),
                           "Success")
        self.assertOutcome(self.simple(xds.REMOVE_DOCUMENTS, xds.remove_documents((support.REPOSITORY, twin)),
                                       "/repository"), "Success")
        self.assertEqual(self.files(), before - 1)

    def test_all_messages_are_valid(self):
        self.test_statuses()
        self.test_removal_of_documents()
        received = os.environ["PASSERELLE_DOMAIN_RECORD"]
        texts = list(self.answers)
        for name in sorted(os.listdir(received)):
            with open(os.path.join(received, name), "rb") as file:
                texts.append(file.read())
        self.assertEqual(xds.schema_faults(texts), [])


if __name__ == "__main__":
    unittest.main()
