"""Cross Gateway Patient Discovery [ITI-55]: the embedded domain says by which identifier it knows a patient, asked by a
foreign Initiating Gateway in SOAP bytes over HTTP. Every answer is validated against the public schemas."""
import unittest

import hl7v3
import support
import test_identity
import xds
from hl7v3 import ADD, BLUE, RED

HOME = "2.999.20.70"
ASKING = "2.999.20.71"
THERE = "2.999.20.72"  # assigning authority of the community that asks
DISCOVERY = hl7v3.PDQ_QUERY + ":CrossGatewayPatientDiscovery"


def person(family, given, birth, gender="F", more=""):
    return ('<name><family>%s</family><given>%s</given></name>%s<administrativeGenderCode code="%s"/><birthTime value="%s"/>'
            % (family, given, more, gender, birth))


class Discovery(test_identity.IdentityStand):
    @classmethod
    def start(cls):
        cls.domain = support.Domain(
            cls.directory, home_community_id="urn:oid:" + HOME,
            cross_references=[RED + "|IHERED-1001..IHERED-1010 = IHEBLUE-1001..IHEBLUE-1010"])

    def discover(self, *parameters, **options):
        options.setdefault("home", ASKING)
        reply = self.ask(DISCOVERY, hl7v3.pdq_query("".join(parameters), **options), "/xcpd")
        self.assertEqual(reply.answer.head("Action"), hl7v3.action(hl7v3.PDQ_ANSWER) + ":CrossGatewayPatientDiscovery")
        home = reply.all("sender/device/asAgent/representedOrganization/id")[0].get("root")
        self.assertEqual((reply.kind, home), (hl7v3.PDQ_ANSWER, HOME))
        return reply

    def known(self, family, given="Léa", birth="19800506", others=(), **options):
        value = self.fresh("XC")
        self.accepted(ADD, (BLUE, value), others=others, person=person(family, given, birth, **options))
        return value

    def assertFound(self, reply, *values):
        self.assertEqual((reply.codes[:2], reply.ids()), (("AA", "OK"), [(BLUE, value) for value in values]), repr(reply))
        entity = "controlActProcess/subject/registrationEvent/custodian/assignedEntity/"
        self.assertEqual((reply.all(entity + "id")[0].get("root"), reply.code(entity + "code")),
                         (HOME, "NotHealthDataLocator"))

    def assertNobody(self, reply):
        self.assertEqual((reply.codes, reply.ids(), reply.requests), (("AA", "NF", None, None), [], []), repr(reply))

    def test_who_fits_alone_is_found(self):
        value = self.known("Fictional-Alone")
        reply = self.discover(hl7v3.by_birth("19800506"), hl7v3.by_id(THERE, "their-own-1"),
                              hl7v3.by_name("Fictional-Alone", "Léa", exact=True))
        self.assertFound(reply, value)
        self.assertEqual(reply.patients, [("Fictional-Alone", 100)])
        self.assertFound(self.discover(hl7v3.by_birth("19800506"), hl7v3.by_name("FICTIONAL-ALONE", "Lea"),
                                       receiver_home=HOME), value)

    def test_what_only_begins_alike_is_somebody_else(self):
        self.known("Fictional-Longer")
        self.assertNobody(self.discover(hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Long", "Léa")))
        self.assertNobody(self.discover(hl7v3.by_birth("19800507"), hl7v3.by_name("Fictional-Longer", "Léa")))
        self.assertNobody(self.discover(hl7v3.by_gender("M"), hl7v3.by_birth("19800506"),
                                        hl7v3.by_name("Fictional-Longer", "Léa")))

    def test_a_shared_identifier_is_enough(self):
        self.assertFound(self.discover(hl7v3.by_id(RED, "IHERED-1003")), "IHEBLUE-1003")
        self.assertFound(self.discover(hl7v3.by_id(BLUE, "IHEBLUE-1004")), "IHEBLUE-1004")
        self.assertNobody(self.discover(hl7v3.by_id(THERE, "their-own-2")))
        self.assertNobody(self.discover(hl7v3.by_id(RED, "IHERED-1003"), hl7v3.by_id(BLUE, "IHEBLUE-1004")))

    def test_traits_and_a_shared_identifier_must_agree(self):
        number = self.fresh("N")
        value = self.known("Fictional-Numbered", others=[(RED, number)])
        traits = hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Numbered", "Léa")
        self.assertFound(self.discover(traits[0], hl7v3.by_id(RED, number), traits[1]), value)
        # Somebody who has this name and birthday, and another number of those that each person has one of.
        self.assertNobody(self.discover(traits[0], hl7v3.by_id(RED, "elsewhere-1"), traits[1]))
        self.assertNobody(self.discover(hl7v3.by_birth("19790101"), hl7v3.by_id(RED, number), traits[1]))

    def test_several_are_told_apart_by_more_traits(self):
        first = self.known("Fictional-Twin", gender="F")
        second = self.known("Fictional-Twin", gender="M")
        traits = hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Twin", "Léa")
        for options in ({}, {"quantity": 1}, {"minimum": 10}):  # nothing makes one of several look like the only one
            reply = self.discover(*traits, **options)
            self.assertEqual((reply.codes, reply.ids()), (("AA", "OK", None, None), []), repr(reply))
            self.assertEqual(reply.requests, ["LivingSubjectAdministrativeGenderRequested", "PatientAddressRequested",
                                              "PatientTelecomRequested", "MothersMaidenNameRequested"])
        self.assertFound(self.discover(hl7v3.by_gender("F"), *traits), first)
        self.assertFound(self.discover(hl7v3.by_gender("M"), *traits), second)

    def test_several_whom_nothing_tells_apart(self):
        more = '<telecom value="tel:+352 1"/>'
        end = '<addr><city>Fictionville</city></addr>'
        mother = ('<personalRelationship classCode="PRS"><code code="MTH" codeSystem="2.16.840.1.113883.5.111"/>'
                  '<relationshipHolder1 classCode="PSN" determinerCode="INSTANCE"><name><family>Fictional-Mother</family>'
                  "</name></relationshipHolder1></personalRelationship>")
        for _ in range(2):
            self.accepted(ADD, (BLUE, self.fresh("XC")), person=person("Fictional-Same", "Léa", "19800506", more=more)
                          + end + mother)
        reply = self.discover(
            hl7v3.by_gender("F"), hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Same", "Léa"),
            hl7v3.parameter("mothersMaidenName", "<value><family>Fictional-Mother</family></value>"),
            hl7v3.parameter("patientAddress", "<value><city>Fictionville</city></value>"),
            hl7v3.parameter("patientTelecom", '<value value="tel:+352 1"/>'))
        self.assertEqual((reply.codes[:2], reply.ids(), reply.problem), (("AE", "AE"), [], "AnswerNotAvailable"),
                         repr(reply))

    def test_who_has_no_identifier_of_this_community(self):
        self.accepted(ADD, (RED, self.fresh("ONLY")), person=person("Fictional-Elsewhere", "Léa", "19800506"))
        self.assertNobody(self.discover(hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Elsewhere", "Léa")))

    def test_questions_that_cannot_be_answered(self):
        traits = "/PRPA_IN201305UV02/controlActProcess/queryByParameter/parameterList"
        for parameters in ([hl7v3.by_name("Fictional-Alone", "Léa")], [hl7v3.by_birth("19800506")],
                           [hl7v3.by_gender("F")],
                           [hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional-Alone"),
                            hl7v3.parameter("principalCareProviderId", hl7v3.ii("value", "2.999.1", "x"))]):
            reply = self.discover(*parameters)
            self.assertEqual((reply.codes, reply.ids()), (("AE", "AE", "207", traits), []), repr(reply))
        reply = self.discover(hl7v3.by_id(BLUE, "IHEBLUE-1004"), receiver_home=ASKING)
        self.assertEqual(reply.codes, ("AE", "AE", "204", "/PRPA_IN201305UV02/receiver/device/asAgent/"
                                       "representedOrganization/id/@root"), repr(reply))

    def test_only_its_own_action_is_a_discovery(self):
        body = hl7v3.pdq_query(hl7v3.by_id(BLUE, "IHEBLUE-1004"), home=ASKING)
        plain = self.ask(hl7v3.PDQ_QUERY, body, "/xcpd")
        self.assertEqual(plain.answer.head("Action"), hl7v3.action(hl7v3.PDQ_ANSWER))
        self.assertEqual(plain.all("sender/device/asAgent"), [])
        wrong = self.send(hl7v3.PIX_QUERY + ":CrossGatewayPatientDiscovery", body, "/xcpd")
        self.assertEqual((wrong.status, wrong.outcome), (400, "Fault"))
        body = hl7v3.pix_query(RED, "IHERED-1001")
        wrong = xds.Answer(support.request(
            "POST", "http://127.0.0.1:%d/xcpd" % self.domain.port,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % hl7v3.action(DISCOVERY)},
            xds.envelope(hl7v3.action(DISCOVERY), body).encode()))
        self.assertEqual((wrong.status, wrong.outcome), (400, "Fault"), repr(wrong))


if __name__ == "__main__":
    unittest.main()
