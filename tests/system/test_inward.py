"""Another community asks: a raw SOAP peer with signed assertions at the gateway's Responding Gateway (ITI-38, ITI-39), in
front of the embedded domain. Who sees what is the patient's will, as through FHIR."""
import json
import os
import re
import time
import unittest
import uuid

import support
import trust
import xds
from inward import DOCTOR, HOME, PATIENT_ROLE, QUERY, RETRIEVE, InwardStand, get_documents, homed, retrieve

GET_ASSOCIATIONS = "a7ae438b-4bc2-4642-93e9-be891f7bb155"
GET_DOCUMENTS_AND_ASSOCIATIONS = "bab9529a-4a10-40b3-a01f-f68a615d247a"
GET_RELATED = "d90e5407-b356-4d91-a89f-873917b4b0e6"
APND = "urn:ihe:iti:2007:AssociationType:APND"


class Inward(InwardStand):
    def test_what_is_found_is_of_this_community(self):
        patient = "IHEBLUE-1001"
        oids = {self.letter(patient), self.letter(patient)}
        answer = self.find(patient)
        self.assertEqual(answer.outcome, "Success", answer)
        self.assertTrue(oids <= set(answer.unique_ids()))
        self.assertEqual(answer.head("Action"), QUERY + "Response")
        self.assertEqual({item.get("home") for item in answer.objects}, {HOME})
        everything = homed(xds.stored_query(xds.GET_ALL, [
            ("patientId", "'%s'" % xds.patient_cx(patient)), ("XDSDocumentEntryStatus", "('%s')" % xds.APPROVED),
            ("XDSSubmissionSetStatus", "('%s')" % xds.APPROVED), ("XDSFolderStatus", "('%s')" % xds.APPROVED)]))
        answer = self.cross(QUERY, everything)
        kinds = {item.tag.rpartition("}")[2] for item in answer.objects}
        self.assertEqual(kinds, {"ExtrinsicObject", "RegistryPackage", "Association"})
        self.assertEqual({item.get("home") for item in answer.objects}, {HOME})
        refs = self.cross(QUERY, xds.find_documents(patient, return_type="ObjectRef"))
        self.assertEqual({item.tag for item in refs.objects}, {"{%s}ObjectRef" % xds.RIM})
        self.assertEqual({item.get("home") for item in refs.objects}, {HOME})

    def test_documents_come_as_they_were_stored(self):
        patient = "IHEBLUE-1002"
        small, large = b"small", os.urandom(3 << 20)
        oids = [self.letter(patient, document) for document in (small, large)]
        for wanted, content in zip(oids, (small, large)):
            answer = self.cross(RETRIEVE, retrieve((support.REPOSITORY, wanted)))
            self.assertEqual(answer.outcome, "Success", answer)
            self.assertEqual(answer.documents(), {wanted: ("text/plain", content)})
            self.assertEqual(answer.body.findtext(".//{%s}HomeCommunityId" % xds.XDS), HOME)
        both = self.cross(RETRIEVE, retrieve(*[(support.REPOSITORY, oid) for oid in (oids[1], oids[0], oids[1])]))
        self.assertEqual(both.outcome, "Success")
        self.assertEqual(both.documents(), {oids[0]: ("text/plain", small), oids[1]: ("text/plain", large)})
        some = self.cross(RETRIEVE, retrieve((support.REPOSITORY, "2.999.1"), (support.REPOSITORY, oids[1])))
        self.assertEqual(some.outcome, "PartialSuccess")
        self.assertEqual(some.codes, ["XDSDocumentUniqueIdError"])
        self.assertEqual(some.documents(), {oids[1]: ("text/plain", large)})

    def test_092_hidden_is_as_not_there(self):
        patient = "IHEBLUE-1003"
        hidden, shown = self.letter(patient), self.letter(patient)
        self.hide(patient, hidden)
        self.assertEqual(self.find(patient).unique_ids(), [shown])
        refs = [len(self.cross(QUERY, query).objects) for query in (
            xds.find_documents(patient, return_type="ObjectRef"), get_documents(hidden, return_type="ObjectRef"))]
        self.assertEqual(refs, [1, 0])
        self.assertEqual(self.cross(QUERY, get_documents(hidden)).objects, [])
        absent = "2.999.20.1.%d" % (uuid.uuid4().int >> 64)
        answers = [self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid))) for oid in (hidden, absent)]
        for answer, oid in zip(answers, (hidden, absent)):
            self.assertError(answer, "XDSDocumentUniqueIdError")
            answer.shown = [sorted(error.attrib.items()) for error in answer.body.iter("{%s}RegistryError" % xds.RS)]
            answer.shown = repr(answer.shown).replace(oid, "")
        self.assertEqual(answers[0].shown, answers[1].shown)
        patient_says = dict(role=PATIENT_ROLE, about=xds.patient_cx(patient), purpose="PATRQT", name="Somebody")
        self.assertEqual(set(self.find(patient, **patient_says).unique_ids()), {hidden, shown})

    def stored(self, patient, oid, document, label_system):
        """Stored without the gateway, with the confidentiality N of this code system."""
        entry = xds.entry("doc", oid, patient)
        label = entry.index("f4f85eac-e6cb-4883-b524-f2705394840f")
        entry = entry[:label] + entry[label:].replace("2.999.20.3", label_system, 1)
        text = xds.envelope(xds.PROVIDE, xds.provide(
            [xds.submission_set("set", support.fresh_oid(7), patient), entry, xds.member("set", "doc")],
            [("doc", xds.include("doc@tests"))]))
        answer = xds.Answer(support.request("POST", self.domain.repository_url, {
            "Content-Type": xds.package_type(xds.PROVIDE)}, xds.package(text, [xds.part("doc@tests", document)])))
        self.assertEqual(answer.outcome, "Success", answer)

    def test_one_entry_does_not_open_what_another_closes(self):
        """The same document registered twice, once with a confidentiality that nobody knows: both must be open."""
        patient = "IHEBLUE-1004"
        normal = "2.16.840.1.113883.5.25"
        for schemes in ((normal,), (normal, "2.999.20.3"), ("2.999.20.3", normal)):
            oid = support.fresh_oid(1)
            for scheme in schemes:
                self.stored(patient, oid, b"registered twice", scheme)
            self.assertEqual(len(self.cross(QUERY, get_documents(oid)).objects), len(schemes) == 1)
            answer = self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid)))
            if len(schemes) == 1:
                self.assertEqual(answer.documents(), {oid: ("text/plain", b"registered twice")})
            else:
                self.assertError(answer, "XDSDocumentUniqueIdError")

    def test_098_associations_do_not_name_what_is_hidden(self):
        patient = "IHEBLUE-1004"
        first = self.letter(patient)
        second = self.letter(patient, relatesTo=[{"code": "appends", "target": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + first}}}])
        entry = {oid: self.cross(QUERY, get_documents(oid)).objects[0].get("id") for oid in (first, second)}
        queries = {
            "around": homed(xds.stored_query(GET_DOCUMENTS_AND_ASSOCIATIONS,
                                             [("XDSDocumentEntryUniqueId", "('%s')" % second)])),
            "associations": homed(xds.stored_query(GET_ASSOCIATIONS, [("uuid", "('%s')" % entry[second])])),
            "references": homed(xds.stored_query(GET_ASSOCIATIONS, [("uuid", "('%s')" % entry[second])],
                                                 return_type="ObjectRef")),
            "related": homed(xds.stored_query(GET_RELATED, [("XDSDocumentEntryUniqueId", "'%s'" % second),
                                                            ("AssociationTypes", "('%s')" % APND)])),
            "hidden": homed(xds.stored_query(GET_ASSOCIATIONS, [("uuid", "('%s')" % entry[first])]))}
        before = {name: self.cross(QUERY, query) for name, query in queries.items()}
        for name in ("around", "associations", "related", "hidden"):
            self.assertIn(entry[first].encode(), before[name].root, name)
        self.assertEqual(len(before["references"].objects), 2)
        self.hide(patient, first)
        after = {name: self.cross(QUERY, query) for name, query in queries.items()}
        for name, answer in after.items():
            self.assertEqual(answer.outcome, "Success")
            self.assertNotIn(entry[first].encode(), answer.root, name)
            self.assertLess(len(answer.objects), len(before[name].objects), name)
        self.assertEqual([item.get("associationType") for item in after["associations"].objects], [xds.HAS_MEMBER])
        self.assertEqual(after["hidden"].objects, [])

    def test_093_consent_that_ends_between_find_and_retrieve(self):
        patient = "IHEBLUE-1005"
        oid = self.letter(patient)
        self.assertEqual(self.find(patient).unique_ids(), [oid])
        self.hide(patient, oid)
        self.assertError(self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid))), "XDSDocumentUniqueIdError")

    def test_whom_nobody_knows_and_whom_nobody_may_ask(self):
        unknown = xds.find_documents("X").replace(support.AUTHORITY, "2.999.5")
        self.assertError(self.cross(QUERY, unknown), "XDSUnknownPatientId")
        self.assertEqual(self.find("NOBODY-1").objects, [])
        bound = dict(about=xds.patient_cx("IHEBLUE-1006"))
        self.assertEqual(self.find("IHEBLUE-1006", **bound).outcome, "Success")
        self.assertError(self.find("IHEBLUE-1007", **bound), "XDSRegistryError")
        by_alias = dict(about="IHERED-1006^^^&%s&ISO" % trust.RED)
        self.assertEqual(self.find("IHEBLUE-1006", **by_alias).outcome, "Success")
        self.assertError(self.find("IHEBLUE-1007", **by_alias), "XDSRegistryError")
        oid = self.letter("IHEBLUE-1007")
        self.assertEqual(self.cross(QUERY, get_documents(oid), **bound).objects, [])
        self.assertError(self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid)), **bound), "XDSDocumentUniqueIdError")
        self.assertError(self.find("IHEBLUE-1007", role=PATIENT_ROLE, purpose="PATRQT",
                                   about=xds.patient_cx("IHEBLUE-1006")), "XDSRegistryError")

    def test_homes(self):
        oid = self.letter("IHEBLUE-1008")
        self.assertEqual(self.cross(QUERY, homed(xds.find_documents("IHEBLUE-1008"))).outcome, "Success")
        self.assertError(self.cross(QUERY, homed(xds.find_documents("IHEBLUE-1008"), "urn:oid:2.999.9")),
                         "XDSUnknownCommunity")
        self.assertError(self.cross(QUERY, get_documents(oid).replace('home="%s" ' % HOME, "")),
                         "XDSMissingHomeCommunityId")
        self.assertError(self.cross(QUERY, get_documents(oid).replace(HOME, "urn:oid:2.999.9")), "XDSUnknownCommunity")
        for home, code in ((None, "XDSMissingHomeCommunityId"), ("urn:oid:2.999.9", "XDSUnknownCommunity")):
            self.assertError(self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid), home=home)), code)
        self.assertError(self.cross(RETRIEVE, retrieve(("2.999.9", oid))), "XDSUnknownRepositoryId")

    def test_015_packed_bodies(self):
        for path in ("/xca", "/xcpd"):
            for coding in ("gzip", "br", "kettle"):
                answer = support.request("POST", "http://127.0.0.1:%d%s" % (self.port, path), {
                    "Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % QUERY,
                    "Content-Encoding": coding}, xds.envelope(QUERY, homed(xds.find_documents("IHEBLUE-1008")),
                                                              head=self.issuer.security(role=DOCTOR)).encode())
                self.assertEqual(answer.status, 415, repr(answer))

    def test_questions_that_are_none(self):
        self.assertError(self.cross(QUERY, xds.stored_query("3d1bdb10-39a2-11de-89c2-2f44d94eaa9f", [])),
                         "XDSUnknownStoredQuery")
        self.assertError(self.cross(QUERY, xds.stored_query(xds.FIND_DOCUMENTS, [])), "XDSStoredQueryMissingParam")
        patient = ("XDSDocumentEntryPatientId", "'%s'" % xds.patient_cx("IHEBLUE-1001"))
        self.assertError(self.cross(QUERY, xds.stored_query(xds.FIND_DOCUMENTS, [patient])),
                         "XDSStoredQueryMissingParam")
        self.assertError(self.cross(QUERY, xds.stored_query(xds.FIND_DOCUMENTS, [patient, patient])),
                         "XDSStoredQueryParamNumber")
        injected = ("XDSDocumentEntryStatus", "('%s') or ('1'='1')" % xds.APPROVED)
        self.assertError(self.cross(QUERY, xds.stored_query(xds.FIND_DOCUMENTS, [patient, injected])),
                         "XDSStoredQueryParamNumber")
        self.assertFault(self.cross(xds.STORED_QUERY, xds.find_documents()), "ActionNotSupported")
        self.assertEqual(self.cross(QUERY, xds.find_documents(), path="/xca/default").outcome, "Success")
        self.assertEqual(self.cross(QUERY, xds.find_documents(), path="/xca/elsewhere").status, 404)

    def test_076_077_080_who_is_not_believed(self):
        good = self.issuer.security(role=DOCTOR)
        self.assertFault(self.find("IHEBLUE-1001", security=""), "InvalidSecurity")
        self.assertFault(self.find("IHEBLUE-1001", security=self.other.security(role=DOCTOR)), "FailedAuthentication")
        self.assertFault(self.find("IHEBLUE-1001", security=good.replace("dr-7", "dr-8")), "FailedAuthentication")
        self.assertFault(self.find("IHEBLUE-1001", security=good + good), "InvalidSecurity")
        for wrong in (dict(audience="urn:elsewhere"), dict(begin=-600, end=-61), dict(begin=120),
                      dict(issuer="urn:elsewhere")):
            self.assertFault(self.find("IHEBLUE-1001", **wrong), "FailedAuthentication")
        message = "urn:uuid:" + str(uuid.uuid4())
        self.assertEqual(self.find("IHEBLUE-1001", security=good, message_id=message).outcome, "Success")
        self.assertEqual(self.find("IHEBLUE-1001", security=good).outcome, "Success")
        self.assertFault(self.find("IHEBLUE-1001", security=good, message_id=message), "FailedAuthentication")
        once = self.issuer.security(role=DOCTOR, once=True)
        self.assertEqual(self.find("IHEBLUE-1001", security=once).outcome, "Success")
        self.assertFault(self.find("IHEBLUE-1001", security=once), "FailedAuthentication")

    def test_roles_that_are_not_served(self):
        for said in (dict(role=None), dict(role=("1", "2.999.8")), dict(role=PATIENT_ROLE)):
            answer = self.find("IHEBLUE-1001", **said)
            self.assertEqual((answer.status, answer.outcome), (400, "Fault"), said)
            self.assertEqual(answer.fault[0], "Sender")

    def test_097_breaking_the_glass(self):
        patient = "IHEBLUE-1009"
        oid = self.letter(patient)
        self.hide(patient, oid)
        self.assertEqual(self.find(patient).unique_ids(), [])
        self.assertError(self.find(patient, purpose="BTG"), "XDSRegistryError")
        broken = dict(purpose="BTG", reason="found unconscious")
        self.assertEqual(self.find(patient, **broken).unique_ids(), [oid])
        self.assertEqual(self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid)), **broken).documents(),
                         {oid: ("text/plain", b"letter")})

    def test_everything_is_recorded(self):
        patient = "IHEBLUE-1010"
        oid = self.letter(patient)
        security = self.issuer.security(role=DOCTOR, name="Dr Recorded", subject="dr-recorded")
        self.assertEqual(self.find(patient, security=security).outcome, "Success")
        self.assertEqual(self.cross(RETRIEVE, retrieve((support.REPOSITORY, oid)), security=security).outcome, "Success")
        self.assertFault(self.find(patient, security=""), "InvalidSecurity")
        found = self.send("GET", "/AuditEvent?patient.identifier=%s|%s&date=ge2020-01-01"
                          % (trust.PATIENT_SYSTEM, patient), self.patient(patient))
        events = [entry["resource"] for entry in self.assertStatus(found, 200).json()["entry"]]
        by_code = {event["subtype"][0]["code"]: event for event in events
                   if any(agent["who"].get("display") == "Dr Recorded" for agent in event["agent"])}
        self.assertEqual({"ITI-38", "ITI-39", "ITI-18", "ITI-43"}, set(by_code))
        assertion = re.search(r' ID="([^"]*)"', security).group(1)
        for name in ("ITI-38", "ITI-39"):
            self.assertEqual(by_code[name]["outcome"], "0")
            person = next(agent for agent in by_code[name]["agent"] if agent["requestor"])
            self.assertEqual(person["policy"], [assertion])
            self.assertEqual(person["who"]["identifier"], {"system": "urn:tests:sts", "value": "dr-recorded"})
            self.assertNotIn("SignatureValue", json.dumps(by_code[name]))
        self.assertIn(oid, json.dumps(by_code["ITI-39"]))


class Shared(InwardStand):
    """Two gateways that share a Redis."""

    def test_080_116_replay_to_another_gateway(self):
        port = support.free_port()
        sections = trust.trust_configuration(self.directory, self.domain, self.redis)
        sections["state_directory"] = os.path.join(self.directory, "second.state")
        sections["community"] = dict(self.gateway_overrides["community"], listen={"port": port})
        second = support.Gateway(self.directory, [self.domain.back_end()], name="second", **sections)
        self.addCleanup(second.kill)
        self.wait_for_memory(port)
        good, message = self.issuer.security(role=DOCTOR), "urn:uuid:" + str(uuid.uuid4())
        again = dict(security=good, message_id=message)
        self.assertEqual(self.find("IHEBLUE-1001", **again).outcome, "Success")
        self.assertFault(self.find("IHEBLUE-1001", port=port, **again), "FailedAuthentication")
        self.assertEqual(self.find("IHEBLUE-1001", port=port, security=good).outcome, "Success")
        again["message_id"] = "urn:uuid:" + str(uuid.uuid4())
        self.assertEqual(self.find("IHEBLUE-1001", **again).outcome, "Success")
        self.redis.cli("FLUSHALL")
        answer = self.find("IHEBLUE-1001", port=port, **again)
        self.assertEqual((answer.outcome, answer.fault[0]), ("Fault", "Receiver"), answer)
        self.assertFault(self.find("IHEBLUE-1001", **again), "FailedAuthentication")
        second.stop()


class FirstMessage(InwardStand):
    """What is remembered of messages begins with the start: whoever comes first, a while later, is served."""

    @classmethod
    def wait_for_memory(cls, port=None):
        began = time.monotonic()  # nobody sends anything meanwhile
        support.wait_until(lambda: time.monotonic() > began + 4, "a gateway that has run for a while")

    def test_the_first_message_is_served(self):
        self.assertEqual(self.find("IHEBLUE-1001").outcome, "Success")

    def test_who_is_served_once_is_served_on(self):
        """An assertion from right after the start: as time passes, it does not become one from before it."""
        self.gateway.stop()
        overrides = dict(trust.trust_configuration(self.directory, self.domain), **self.gateway_overrides)
        type(self).gateway = support.Gateway(self.directory, [self.domain.back_end()], port=self.gateway.port, **overrides)
        self.addClassCleanup(self.gateway.kill)
        tried = []

        def is_served():
            tried.append(self.issuer.security(role=DOCTOR))
            return self.find("IHEBLUE-1001", security=tried[-1]).outcome == "Success"
        support.wait_until(is_served, "the first success")
        served = int(time.time())
        support.wait_until(lambda: int(time.time()) > served, "the next second")
        self.assertEqual(self.find("IHEBLUE-1001", security=tried[-1]).outcome, "Success")


if __name__ == "__main__":
    unittest.main()
