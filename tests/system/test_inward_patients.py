"""Another community asks who a patient is here (XCPD, ITI-55): one is named, or nobody; and nobody who lets nothing be
seen. Every answer is validated against the public schemas."""
import unittest
import uuid

import hl7v3
import inward
import support
import trust
import xds

ASKING = "2.999.20.72"
THERE = "2.999.20.73"  # assigning authority of the community that asks
DISCOVERY = hl7v3.PDQ_QUERY + ":CrossGatewayPatientDiscovery"
NAMED = "controlActProcess/subject/registrationEvent/"


def person(family, given="Léa", birth="19800506", gender="F", more=""):
    return ('<name><family>%s</family><given>%s</given></name>%s<administrativeGenderCode code="%s"/><birthTime value="%s"/>'
            % (family, given, more, gender, birth))


def traits(family, birth="19800506"):
    return hl7v3.by_birth(birth), hl7v3.by_name(family, "Léa", exact=True)


class Discovery(inward.InwardStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.answers = []

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        faults = hl7v3.schema_faults(cls.answers)
        assert not faults, "\n".join(faults[:20])

    def known(self, family, others=(), **options):
        """A patient that the domain's identity manager gets to know."""
        value = "XC-" + uuid.uuid4().hex[:12]
        response = support.request(
            "POST", "http://127.0.0.1:%d/pix" % self.domain.port,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % hl7v3.action(hl7v3.ADD)},
            xds.envelope(hl7v3.action(hl7v3.ADD), hl7v3.feed(hl7v3.ADD, (hl7v3.BLUE, value), others=others,
                                                             person=person(family, **options))).encode())
        self.assertEqual(hl7v3.Reply(xds.Answer(response)).codes[0], "CA")
        return value

    def discover(self, *parameters, home=ASKING, receiver_home=None, **said):
        said.setdefault("subject", "dr-" + uuid.uuid4().hex)  # who asks much is stopped
        body = hl7v3.pdq_query("".join(parameters), home=home, receiver_home=receiver_home)
        answer = self.cross(hl7v3.action(DISCOVERY), body, path="/xcpd", **said)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.head("Action"), hl7v3.action(hl7v3.PDQ_ANSWER) + ":CrossGatewayPatientDiscovery")
        self.answers.append(answer.root)
        reply = hl7v3.Reply(answer)
        sender = reply.all("sender/device/asAgent/representedOrganization/id")[0].get("root")
        self.assertEqual((reply.kind, "urn:oid:" + sender), (hl7v3.PDQ_ANSWER, inward.HOME))
        return reply

    def assertFound(self, reply, value):
        self.assertEqual((reply.codes[:2], reply.ids()), (("AA", "OK"), [(hl7v3.BLUE, value)]), repr(reply))
        entity = NAMED + "custodian/assignedEntity/"
        self.assertEqual(("urn:oid:" + reply.all(entity + "id")[0].get("root"), reply.code(entity + "code")),
                         (inward.HOME, "NotHealthDataLocator"))

    def assertNobody(self, reply):
        self.assertEqual((reply.codes, reply.ids(), reply.requests), (("AA", "NF", None, None), [], []), repr(reply))

    def test_who_fits_alone_is_found(self):
        value = self.known("Fictional-Inward", others=[(hl7v3.RED, "RED-77")],
                           more='<telecom value="tel:+352 77"/>')
        for parameters in (traits("Fictional-Inward"), [*traits("FICTIONAL-INWARD"), hl7v3.by_gender("F")],
                           [hl7v3.by_id(hl7v3.RED, "RED-77")], [hl7v3.by_id(hl7v3.BLUE, value)],
                           [hl7v3.by_birth("19800506"), hl7v3.by_id(THERE, "their-own"), traits("Fictional-Inward")[1]],
                           [hl7v3.by_birth("19800506"), hl7v3.by_id(hl7v3.GREEN, "nobody"),
                            traits("Fictional-Inward")[1]]):
            reply = self.discover(*sorted(parameters, key=lambda one: "livingSubjectName" in one))
            self.assertFound(reply, value)
            self.assertNotIn(b"+352 77", reply.answer.root)
            self.assertNotIn(b"RED-77", reply.answer.root.partition(b"queryByParameter")[0])
        self.assertFound(self.discover(*traits("Fictional-Inward"), receiver_home=inward.HOME[len("urn:oid:"):]), value)
        # And by what was found documents are asked for.
        self.assertEqual(self.find(value).outcome, "Success")

    def test_who_does_not_fit_is_nobody(self):
        self.known("Fictional-Longer", others=[(hl7v3.RED, "RED-78")])
        self.assertNobody(self.discover(*traits("Fictional-Long")))
        self.assertNobody(self.discover(*traits("Fictional-Longer", "19800507")))
        self.assertNobody(self.discover(hl7v3.by_gender("M"), *traits("Fictional-Longer")))
        self.assertNobody(self.discover(hl7v3.by_birth("19800506"), hl7v3.by_id(hl7v3.RED, "RED-79"),
                                        traits("Fictional-Longer")[1]))
        self.assertNobody(self.discover(hl7v3.by_id(hl7v3.RED, "RED-nobody")))

    def test_several_are_told_apart_by_more(self):
        first, second = self.known("Fictional-Twins", gender="F"), self.known("Fictional-Twins", gender="M")
        reply = self.discover(*traits("Fictional-Twins"))
        self.assertEqual((reply.codes, reply.ids()), (("AA", "OK", None, None), []), repr(reply))
        self.assertIn("LivingSubjectAdministrativeGenderRequested", reply.requests)
        self.assertFound(self.discover(hl7v3.by_gender("F"), *traits("Fictional-Twins")), first)
        # One who lets nothing be seen does not make the other look like the only one.
        self.close_all(first)
        self.assertEqual(self.discover(*traits("Fictional-Twins")).ids(), [])
        self.assertFound(self.discover(hl7v3.by_gender("M"), *traits("Fictional-Twins")), second)

    def close_all(self, value):
        path = self.consent({"type": "deny"}, value)
        self.addCleanup(self.revoke, path, value)

    def test_who_lets_nothing_be_seen_is_not_there(self):
        value = self.known("Fictional-Closed")
        self.assertFound(self.discover(*traits("Fictional-Closed")), value)
        self.close_all(value)
        self.assertNobody(self.discover(*traits("Fictional-Closed")))
        self.assertNobody(self.discover(hl7v3.by_id(hl7v3.BLUE, value)))
        self.assertFound(self.discover(*traits("Fictional-Closed"), purpose="BTG", reason="found unconscious"), value)
        self.assertFound(self.discover(*traits("Fictional-Closed"), role=inward.PATIENT_ROLE, purpose="PATRQT",
                                       about=xds.patient_cx(value)), value)

    def test_others_than_whom_the_assertion_speaks_of_are_not_there(self):
        value, other = self.known("Fictional-Bound"), self.known("Fictional-Other")
        said = {"about": xds.patient_cx(value)}
        self.assertFound(self.discover(*traits("Fictional-Bound"), **said), value)
        self.assertNobody(self.discover(*traits("Fictional-Other"), **said))
        self.assertNobody(self.discover(hl7v3.by_id(hl7v3.BLUE, other), **said))

    def test_questions_that_cannot_be_answered(self):
        asked = "/PRPA_IN201305UV02/controlActProcess/queryByParameter/parameterList"
        for parameters in ([hl7v3.by_name("Fictional", "Léa")], [hl7v3.by_birth("19800506")], [hl7v3.by_gender("F")],
                           [hl7v3.by_birth("19800506"), hl7v3.by_name("Fiction*")],
                           [hl7v3.by_birth("19800506"), hl7v3.by_name("Fictional"),
                            hl7v3.parameter("principalCareProviderId", hl7v3.ii("value", "2.999.1", "x"))]):
            reply = self.discover(*parameters)
            self.assertEqual((reply.codes, reply.ids()), (("AE", "AE", "207", asked), []), repr(reply))
        reply = self.discover(*traits("Fictional"), receiver_home="2.999.9")
        self.assertEqual(reply.codes[:3], ("AE", "AE", "204"), repr(reply))
        body = hl7v3.pdq_query("".join(traits("Fictional")), home=ASKING)
        self.assertFault(self.cross(hl7v3.action(DISCOVERY), body), "ActionNotSupported")
        self.assertFault(self.cross(hl7v3.action(DISCOVERY), body, path="/xcpd", security=""), "InvalidSecurity")
        self.assertFault(self.cross(inward.QUERY, xds.find_documents(), path="/xcpd"), "ActionNotSupported")

    def test_102_who_lists_people_is_stopped(self):
        for number in range(6):
            reply = self.discover(*traits("Fictional-%d" % number), subject="dr-harvest")
        self.assertEqual((reply.codes[:2], reply.problem), (("AE", "AE"), "ResponderBusy"), repr(reply))

    def test_what_was_asked_is_recorded(self):
        value = self.known("Fictional-Recorded")
        self.assertFound(self.discover(*traits("Fictional-Recorded"), name="Dr Discoverer"), value)
        found = self.send("GET", "/AuditEvent?patient.identifier=%s|%s&date=ge2020-01-01"
                          % (trust.PATIENT_SYSTEM, value), self.patient(value))
        events = [entry["resource"] for entry in self.assertStatus(found, 200).json()["entry"]]
        self.assertEqual({event["subtype"][0]["code"] for event in events
                          if any(agent["who"].get("display") == "Dr Discoverer" for agent in event["agent"])},
                         {"ITI-55", "ITI-47"})


Discovery.sections = {"identity": {"searches_per_hour": 5}}


if __name__ == "__main__":
    unittest.main()
