"""What another community is told when something behind the gateway is wrong: a registry that is down or answers about
somebody else, a repository that sends other bytes, a consent that ends while a document is on its way."""
import http.client
import json
import os
import threading
import unittest

import inward
import proxy
import support
import trust
import xds
from test_update import JSON_PATCH

QUERY = "RegistryStoredQuery"
RETRIEVE = "RetrieveDocumentSet"


class BehindStand(inward.InwardStand):
    back_end = {}
    sections = {"publication": {"degraded": "accept"}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        overrides = trust.trust_configuration(cls.directory, cls.domain, cls.redis)
        overrides.update(cls.gateway_overrides)
        url = cls.proxy.url
        cls.gateway = support.Gateway(cls.directory, [cls.domain.back_end(
            registry_url=url("/registry"), provide_url=url("/repository"), timeout_ms=5000,
            repositories=[{"unique_id": support.REPOSITORY, "url": url("/repository")}], **cls.back_end)],
            port=cls.gateway.port, **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.wait_for_memory()

    def setUp(self):
        self.proxy.clear()


class Behind(BehindStand):
    def test_a_registry_that_is_down(self):
        oid = self.letter("IHEBLUE-1001")
        self.proxy.script(QUERY, *[proxy.lost_request] * 8)
        self.assertError(self.find("IHEBLUE-1001"), "XDSRegistryNotAvailable")
        self.proxy.clear()
        self.proxy.script(QUERY, *[proxy.lost_request] * 8)
        self.assertError(self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, oid))),
                         "XDSRegistryNotAvailable")
        self.proxy.clear()
        self.assertEqual(self.find("IHEBLUE-1001").unique_ids(), [oid])

    def test_046_a_registry_that_has_a_part(self):
        oid = self.letter("IHEBLUE-1009")
        error = ('<rs:RegistryErrorList xmlns:rs="%s"><rs:RegistryError errorCode="XDSRegistryBusy" codeContext="One part is '
                 'busy." severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/></rs:RegistryErrorList>'
                 "<rim:RegistryObjectList>" % xds.RS).encode()
        self.proxy.script(QUERY, proxy.changed(lambda body: body.replace(
            b"ResponseStatusType:Success", b"ResponseStatusType:PartialSuccess").replace(
                b"<rim:RegistryObjectList>", error)))
        answer = self.find("IHEBLUE-1009")
        self.assertEqual((answer.outcome, answer.codes, answer.unique_ids()), ("PartialSuccess", ["XDSRegistryBusy"], [oid]))
        self.assertTrue(next(answer.body.iter("{%s}RegistryError" % xds.RS)).get("severity").endswith(":Error"))

    def test_047_a_registry_that_answers_about_somebody_else(self):
        self.letter("IHEBLUE-1002")
        other = self.letter("IHEBLUE-1003")
        taken = xds.Answer(support.request("POST", self.domain.registry_url, {
            "Content-Type": "application/soap+xml; charset=UTF-8"},
            xds.envelope(xds.STORED_QUERY, xds.find_documents("IHEBLUE-1003")).encode()))
        objects = taken.root.partition(b"<query:AdhocQueryResponse")[2].partition(b"</soap:Body>")[0]
        self.assertIn(other.encode(), objects)
        self.proxy.script(QUERY, proxy.changed(lambda body: body.partition(b"<query:AdhocQueryResponse")[0]
                                               + b"<query:AdhocQueryResponse" + objects + b"</soap:Body></soap:Envelope>"))
        answer = self.find("IHEBLUE-1002")
        self.assertEqual((answer.outcome, answer.objects), ("Success", []), answer)

    def test_055_other_bytes_than_the_registry_says(self):
        small, large = self.letter("IHEBLUE-1004", b"small"), self.letter("IHEBLUE-1004", b"L" * (1 << 20))
        self.proxy.script(RETRIEVE, proxy.changed(lambda body: body.replace(b"small", b"smalL")))
        self.assertError(self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, small))), "XDSRepositoryError")
        # A large one is on its way when it is noticed: the answer breaks off, and nobody takes it for the document.
        self.proxy.script(RETRIEVE, proxy.changed(lambda body: body.replace(b"L" * 100, b"l" * 100, 1)))
        with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
            self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, large)))
        # Beside others it waits until it is known to be right, and the answer says which it was.
        self.proxy.script(RETRIEVE, proxy.changed(lambda body: body.replace(b"L" * 100, b"l" * 100, 1)))
        answer = self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, large), (support.REPOSITORY, small)))
        self.assertEqual((answer.outcome, answer.codes), ("PartialSuccess", ["XDSRepositoryError"]), answer)
        self.assertEqual(answer.documents(), {small: ("text/plain", b"small")})

    def test_093_consent_that_ends_while_a_document_is_fetched(self):
        for number, content in enumerate((b"small", os.urandom(1 << 20))):
            patient = "IHEBLUE-100%d" % (5 + number)
            oid = self.letter(patient, content)
            event, answers = threading.Event(), []
            self.proxy.script(RETRIEVE, proxy.held(event))
            security = self.issuer.security(role=inward.DOCTOR)
            asking = threading.Thread(target=lambda: answers.append(self.cross(
                inward.RETRIEVE, inward.retrieve((support.REPOSITORY, oid)), security)))
            asking.start()
            support.wait_until(lambda: self.proxy.count(RETRIEVE) > number, "the repository to be asked")
            self.hide(patient, oid)
            event.set()
            asking.join()
            self.assertError(answers[0], "XDSDocumentUniqueIdError")

    def test_what_waits_for_its_registration_is_not_shown(self):
        bundle = support.demo_bundle(b"waiting", "text/plain", patient="IHEBLUE-1010")
        oid = support.document_oid(bundle)
        self.proxy.script("ProvideAndRegisterDocumentSet-b", *[proxy.lost_request] * 100)
        self.assertStatus(self.send("POST", "", self.doctor, bundle), 202)
        self.assertEqual(self.find("IHEBLUE-1010").unique_ids(), [])
        self.assertError(self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, oid))),
                         "XDSDocumentUniqueIdError")
        self.proxy.clear()
        support.wait_until(lambda: self.find("IHEBLUE-1010").unique_ids() == [oid], "the publication to be registered", 90)

    def test_a_repository_that_is_down(self):
        oid = self.letter("IHEBLUE-1008")
        self.proxy.script(RETRIEVE, *[proxy.lost_request] * 8)
        self.assertError(self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, oid))),
                         "XDSRepositoryError")


class ClosedAtOnce(BehindStand):
    """The registry takes no changes."""
    back_end = {"update_url": "http://127.0.0.1:%d/" % support.free_port()}

    def test_095_a_change_that_waits_closes_at_once(self):
        """What it opens is not open yet."""
        patient = "IHEBLUE-1008"
        owner = self.token("--role", "patient", "--user", "patient", "--scope", "patient/*.cruds",
                           "--patient", "%s|%s" % (trust.PATIENT_SYSTEM, patient))
        labels = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
        oids = {code: self.letter(patient, token=owner, securityLabel=[{"coding": [{"system": labels, "code": code}]}])
                for code in "NR"}
        names = {code: next(each["id"] for each in trust.matches(self.search(owner, patient=patient))
                            if oid in json.dumps(each)) for code, oid in oids.items()}
        self.addCleanup(self.revoke, self.consent({"type": "permit", "provision": [
            {"type": "deny", "securityLabel": [{"system": labels, "code": "R"}]}]}, patient), patient)
        self.assertEqual(self.find(patient).unique_ids(), [oids["N"]])
        for code, other in ("NR", "RN"):
            self.assertStatus(support.request(
                "PATCH", self.gateway.base + "/DocumentReference/" + names[code],
                dict(support.bearer(owner), **{"Content-Type": JSON_PATCH}),
                json.dumps([{"op": "replace", "path": "/securityLabel/0/coding/0/code", "value": other}]).encode()), 202)
        self.assertEqual(self.find(patient).unique_ids(), [])
        self.assertEqual(self.cross(inward.QUERY, inward.get_documents(*oids.values())).unique_ids(), [])
        self.assertError(self.cross(inward.RETRIEVE, inward.retrieve(*[(support.REPOSITORY, oid) for oid in oids.values()])),
                         *["XDSDocumentUniqueIdError"] * 2)


if __name__ == "__main__":
    unittest.main()
