"""What a patient hides in one network is hidden in all, also when networks are chosen, hang or know other patients, and
whoever asks."""
import json
import re
import threading
import unittest
import xml.etree.ElementTree

import inward
import proxy
import saml
import support
import test_federation
import trust
import xds
from test_federation import HOME_DSP, HOME_HCM, QUERY, issues, matches, oid_of
from test_update import JSON_PATCH

THIRD = "2.999.70.3"
LETTERS = [{"coding": [{"system": "http://loinc.org", "code": "34133-9", "display": "Summary of episode note"}]}]
RECORDS = [{"coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]}]
NO_RECORDS = {"type": "permit", "provision": [{"type": "deny", "code": RECORDS}]}


class Secrets:
    """Documents that are letters in the hospital and records in the nation, for patients who hide records."""

    def setUp(self):
        super().setUp()
        self.token = self.gateway.token("doctor", user="doctor-1")

    def consent(self, provision):
        token = self.gateway.token("patient", user="patient", patient="%s|%s" % (trust.PATIENT_SYSTEM, self.patient))
        self.assertStatus(support.request(
            "POST", self.gateway.base + "/Consent", dict(support.bearer(token), **trust.FHIR),
            json.dumps(trust.consent_resource(provision, self.patient)).encode()), 201)

    def secret(self):
        oid = self.publish(self.gateway, b"secret", category=LETTERS)
        self.publish(self.feeder, b"secret", oid, category=RECORDS)
        return oid


class TwoStand(Secrets, test_federation.Networks):
    @classmethod
    def hcm_configuration(cls):
        return trust.domain_configuration(cls.directory)

    @classmethod
    def configuration(cls):
        return trust.trust_configuration(cls.directory, cls.hcm)


class ThirdStand(TwoStand):
    """A third network beside the two."""

    @classmethod
    def back_ends(cls):
        cls.third_proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.dsp.port)
        cls.addClassCleanup(cls.third_proxy.close)
        return super().back_ends() + [dict(cls.third_entry(cls.third_proxy.url), name="third", source=3,
                                           home_community_id=THIRD)]

    @classmethod
    def third_entry(cls, url):
        return {"registry_url": url("/registry"), "provide_url": url("/repository"), "breaker_failures": 0,
                "repositories": [{"unique_id": "2.999.20.12", "url": url("/repository")}]}

    def setUp(self):
        super().setUp()
        self.third_proxy.clear()

    def hang(self, network, count=1):
        held = threading.Event()
        self.addCleanup(held.set)
        network.script(QUERY, *[proxy.held(held, proxy.lost_request)] * count)


class WhileAnotherHangs(ThirdStand):
    CHOSEN = "urn:oid:%s,urn:oid:%s" % (HOME_HCM, THIRD)

    @classmethod
    def configuration(cls):
        return dict(super().configuration(), federation={"deadline_ms": 1500})

    def setUp(self):
        super().setUp()
        self.secret()
        self.consent(NO_RECORDS)

    def test_what_is_hidden_stays_hidden(self):
        self.assertEqual(self.found(targetCommunityIdList="urn:oid:" + HOME_HCM), [])
        self.third_proxy.clear()
        self.hang(self.third_proxy, 10)
        found = self.find(targetCommunityIdList=self.CHOSEN)
        self.assertEqual([oid_of(each) for each in matches(found)], [])
        self.assertEqual([each["code"] for each in issues(found)], ["incomplete"])
        self.assertEqual(self.third_proxy.count(QUERY), 1, "who has not answered is not asked again")


class AnotherPatientsCopy(TwoStand):
    """A network that has documents of somebody else under the same uniqueIds: it answers about one patient at a time."""

    def test_what_is_hidden_stays_hidden(self):
        shown = [self.publish(self.gateway, b"open %d" % number, category=LETTERS) for number in range(5)]
        secrets = [self.secret(), self.secret()]
        patient, self.patient = self.patient, next(test_federation.PATIENTS)
        for oid in shown[::2]:
            self.publish(self.feeder, b"of another", oid, category=LETTERS)
        self.patient = patient
        self.consent(NO_RECORDS)
        hospital = {"targetCommunityIdList": "urn:oid:" + HOME_HCM}
        self.dsp_proxy.clear()
        found = self.find(**hospital)
        self.assertEqual(sorted(oid_of(each) for each in matches(found)), sorted(shown))
        self.assertEqual(issues(found), [])
        self.assertLess(self.dsp_proxy.count(QUERY), 2 * len(shown + secrets))
        self.assertEqual(self.found(), sorted(shown))


class WhatWillBeHidden(TwoStand):
    """A change that waits for the hospital's registry hides what the nation has, too, whether or not that registry answers."""

    @classmethod
    def hcm_entry(cls, port, **more):
        return super().hcm_entry(port, update_url="http://127.0.0.1:%d/" % support.free_port(), breaker_failures=0, **more)

    @classmethod
    def configuration(cls):
        return dict(super().configuration(), publication={"degraded": "accept", "deadline_ms": 2000})

    def test_095_closed_at_once_everywhere(self):
        oid = self.publish(self.gateway, b"a letter", category=LETTERS)
        self.publish(self.feeder, b"a letter", oid, category=LETTERS)
        self.consent(NO_RECORDS)
        places = [{}] + [{"targetCommunityIdList": "urn:oid:" + home} for home in (HOME_HCM, HOME_DSP)]
        self.assertEqual([self.found(**place) for place in places], [[oid]] * 3)
        names = [matches(self.find(**place))[0]["id"] for place in places[1:]]
        owner = self.gateway.token("patient", user="patient", scope="patient/*.cruds",
                                   patient="%s|%s" % (trust.PATIENT_SYSTEM, self.patient))
        self.assertStatus(support.request(
            "PATCH", self.gateway.base + "/DocumentReference/" + names[0], dict(support.bearer(owner), **{
                "Content-Type": JSON_PATCH}),
            json.dumps([{"op": "replace", "path": "/category", "value": RECORDS}]).encode()), 202)
        self.assertEqual([self.found(**place) for place in places], [[]] * 3)
        for name in names:
            self.get("DocumentReference/" + name, 404)
        self.hcm_proxy.script(QUERY, *test_federation.DEAD)
        self.assertEqual(self.found(**places[2]), [])
        self.get("DocumentReference/" + names[1], 404)


class WithoutTime(WhileAnotherHangs):
    """The request's own time ends before the sources'."""

    @classmethod
    def configuration(cls):
        return dict(super().configuration(), limits={"request_seconds": 3})

    def test_what_is_hidden_stays_hidden(self):
        self.hang(self.third_proxy, 10)
        self.hang(self.dsp_proxy, 10)
        self.find(targetCommunityIdList=self.CHOSEN, status=504)


def one_by_one(*oids):
    """A registry that answers about several patients at once: it is asked for each of these documents by itself."""
    def behave(exchange):
        both = exchange.body
        if not all(oid.encode() in both for oid in oids):
            exchange.answer(*exchange.pass_on())
            return
        answers = []
        for oid in oids:
            exchange.body = re.sub(rb"\('[0-9.', ]+'\)", b"('%s')" % oid.encode(), both)
            answers.append(exchange.pass_on())
        status, content_type, body = answers[0]
        more = answers[1][2].partition(b"<rim:RegistryObjectList>")[2].partition(b"</rim:RegistryObjectList>")[0]
        assert more, answers[1]
        exchange.answer(status, content_type, body.replace(b"</rim:RegistryObjectList>",
                                                           more + b"</rim:RegistryObjectList>"))
    return behave


class AnotherCommunity(Secrets, test_federation.CommunityStand):
    STRANGER = "IHEBLUE-1170"  # whom the other community does not know

    def test_a_stranger_beside_opens_nothing(self):
        secret = self.secret()
        self.consent(NO_RECORDS)
        self.assertEqual(self.found(), [])
        patient, self.patient = self.patient, self.STRANGER
        other = self.publish(self.gateway, b"of another", category=LETTERS)
        self.consent(NO_RECORDS)
        self.patient = patient
        for oids in ((secret, other), (other, secret)):
            self.hcm_proxy.script(QUERY, *[one_by_one(*oids)] * 4)
            found = self.find(identifier=",".join("urn:ietf:rfc:3986|urn:oid:" + oid for oid in oids),
                              targetCommunityIdList="urn:oid:" + HOME_HCM, **{"patient.identifier": None})
            self.assertEqual([oid_of(each) for each in matches(found)], [other])

    def test_what_is_met_last_counts(self):
        """A registry whose first answer lacks the copy, and who names it later, in a relation."""
        def without_copy(body):
            return re.sub(rb"<rim:ExtrinsicObject.*?</rim:ExtrinsicObject>",
                          lambda found: b"" if secret.encode() in found.group() else found.group(), body, flags=re.S)
        other = self.publish(self.gateway, b"open", category=LETTERS)
        secret = self.secret()
        addendum = self.publish(self.feeder, b"addendum", category=LETTERS, relatesTo=[{"code": "appends", "target": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + secret}}}])
        self.consent(NO_RECORDS)
        for bound in ({}, {"_lastUpdated": "ge2024"}):
            self.dsp_proxy.script("CrossGatewayQuery", proxy.changed(without_copy))
            found = self.find(**bound)
            self.assertEqual(sorted(oid_of(each) for each in matches(found)), sorted([other, addendum]))
            self.assertEqual(found["total"], 2)


class AnotherCommunityAsks(ThirdStand):
    """Neither is it shown to a community that asks, and no community is asked for the sake of another."""
    cross = inward.InwardStand.cross

    @classmethod
    def third_entry(cls, url):
        return {"kind": "xca", "registry_url": url("/xca"), "xcpd_url": url("/xcpd"), "assigning_authority": "2.999.20.45"}

    @classmethod
    def configuration(cls):
        cls.port = support.free_port()
        cls.issuer = saml.Issuer(cls.directory, "urn:tests:sts", inward.AUDIENCE)
        return dict(super().configuration(), community={
            "listen": {"port": cls.port}, "home_community_id": inward.HOME[len("urn:oid:"):], "roles": [trust.DOCTOR],
            "xua": {"issuers": [{"issuer": cls.issuer.name, "certificate_file": cls.issuer.identity.certificate}],
                    "audiences": [inward.AUDIENCE]}})

    def setUp(self):
        super().setUp()
        self.oid = self.secret()
        self.open = self.publish(self.gateway, b"open", category=LETTERS)
        # An assertion from before the start may have been used then.
        support.wait_until(lambda: self.query(xds.find_documents(self.patient), issued=-3).outcome == "Success",
                           "a gateway that knows what it has seen")

    def query(self, query, **said):
        return self.cross(inward.QUERY, query, **said)

    def count(self, query):
        """Of objects in the answer."""
        answer = self.query(query)
        self.assertEqual(answer.outcome, "Success", answer)
        return len(answer.objects)

    def test_what_is_hidden_stays_hidden(self):
        approved = "('%s')" % xds.APPROVED
        patient = "'%s'" % xds.patient_cx(self.patient)
        sets = xds.stored_query(xds.FIND_SUBMISSION_SETS, [("XDSSubmissionSetPatientId", patient),
                                                           ("XDSSubmissionSetStatus", approved)])
        everything = inward.homed(xds.stored_query(xds.GET_ALL, [
            ("patientId", patient), ("XDSDocumentEntryStatus", approved), ("XDSSubmissionSetStatus", approved),
            ("XDSFolderStatus", approved)]))
        before = self.query(xds.find_documents(self.patient))
        self.assertEqual(sorted(before.unique_ids()), sorted([self.oid, self.oid, self.open]))
        entry = next(item.get("id") for item in before.objects
                     if self.oid in xml.etree.ElementTree.tostring(item, "unicode"))
        bound = inward.homed(xds.stored_query(xds.GET_ASSOCIATIONS, [("uuid", "('%s')" % entry)]))
        self.assertEqual([self.count(each) for each in (sets, everything, bound)], [3, 9, 1])
        self.consent(NO_RECORDS)
        self.assertEqual(self.query(xds.find_documents(self.patient)).unique_ids(), [self.open])
        self.assertEqual(self.query(inward.get_documents(self.oid)).unique_ids(), [])
        self.assertEqual([self.count(each) for each in (sets, everything, bound)], [1, 3, 0])
        answer = self.cross(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, self.oid),
                                                             (support.REPOSITORY, self.open)))
        self.assertEqual((answer.codes, list(answer.documents())), (["XDSDocumentUniqueIdError"], [self.open]))
        self.assertEqual(self.third_proxy.seen, [])

    def test_of_who_is_away_it_is_not_known(self):
        self.consent(NO_RECORDS)
        self.dsp_proxy.script(QUERY, *test_federation.DEAD)
        answer = self.query(xds.find_documents(self.patient))
        self.assertEqual((answer.outcome, answer.codes), ("PartialSuccess", ["XDSRegistryNotAvailable"]), answer)


if __name__ == "__main__":
    unittest.main()
