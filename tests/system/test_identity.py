"""The identity manager of the embedded domain as a foreign PIX consumer, PDQ consumer and identity source meets it: SOAP
bytes over HTTP, nothing of ours in between. Every answer is validated against the public schemas."""
import json
import os
import shutil
import tempfile
import threading
import unittest

import hl7v3
import support
import xds
from hl7v3 import ADD, BLUE, GREEN, MERGE, RED, REVISE

QUERY = "/PRPA_IN201309UV02/controlActProcess/queryByParameter/parameterList"
TRAITS = "/PRPA_IN201305UV02/controlActProcess/queryByParameter/parameterList"


SECRET = "consent-secret-of-the-tests-0123456789"


class IdentityStand(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-identity-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.start()
        cls.addClassCleanup(lambda: cls.domain.kill())
        cls.answers = []
        cls.number = 0

    @classmethod
    def start(cls):
        secret = os.path.join(cls.directory, "consent.secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write(SECRET)
        cls.domain = support.Domain(
            cls.directory, consent_secret=secret, cross_references=[RED + "|IHERED-1001..IHERED-1010 = IHEBLUE-1001..IHEBLUE-1010",
                                             "urn:oid:%s | IHEGREEN-1001..IHEGREEN-1010 = %s|IHEBLUE-1001..IHEBLUE-1010"
                                             % (GREEN, BLUE)],
            demographics_file=os.path.join(support.ROOT, "conf", "demo", "patients.json"))

    @classmethod
    def tearDownClass(cls):
        cls.domain.stop()
        faults = hl7v3.schema_faults(cls.answers)
        assert not faults, "\n".join(faults[:20])

    def send(self, interaction, body, path="/pix"):
        response = support.request(
            "POST", "http://127.0.0.1:%d%s" % (self.domain.port, path),
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % hl7v3.action(interaction)},
            xds.envelope(hl7v3.action(interaction), body).encode())
        answer = xds.Answer(response)
        self.answers.append(answer.root)
        return answer

    def ask(self, interaction, body, path="/pix"):
        answer = self.send(interaction, body, path)
        self.assertEqual(answer.status, 200, repr(answer))
        return hl7v3.Reply(answer)

    def pix(self, root, extension, *domains):
        return self.ask(hl7v3.PIX_QUERY, hl7v3.pix_query(root, extension, domains))

    def pdq(self, parameters, **options):
        return self.ask(hl7v3.PDQ_QUERY, hl7v3.pdq_query(parameters, **options), "/pdq")

    def feed(self, interaction, own, **options):
        return self.ask(interaction, hl7v3.feed(interaction, own, **options))

    def accepted(self, interaction, own, **options):
        reply = self.feed(interaction, own, **options)
        self.assertEqual((reply.kind, reply.codes), (hl7v3.ACK, ("CA", None, None, None)), repr(reply))

    def refused(self, code, interaction, own, **options):
        reply = self.feed(interaction, own, **options)
        self.assertEqual(reply.codes[:3], ("CE", None, code), repr(reply))
        return reply.codes[3]

    def found(self, root, extension, *domains):
        reply = self.pix(root, extension, *domains)
        self.assertEqual(reply.codes, ("AA", "OK" if reply.ids() else "NF", None, None), repr(reply))
        return sorted(reply.ids())

    @classmethod
    def fresh(cls, prefix="F"):
        """An identifier that no other test uses."""
        cls.number += 1
        return "%s-%04d" % (prefix, cls.number)

    def publish(self, patient):
        """ITI-42 of one entry; the code of the first error, or Success."""
        objects = [xds.submission_set("set", support.fresh_oid(7), patient),
                   xds.entry("doc", support.fresh_oid(1), patient, xds.slot("hash", "da39a3ee5e6b4b0d3255bfef95601890afd80709")
                             + xds.slot("size", "0") + xds.slot("repositoryUniqueId", support.REPOSITORY)),
                   xds.member("set", "doc")]
        answer = self.xds(xds.REGISTER, xds.submit_objects(*objects))
        return answer.codes[0] if answer.codes else answer.outcome

    def xds(self, action, body):
        return xds.Answer(support.request(
            "POST", self.domain.registry_url,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % action},
            xds.envelope(action, body).encode()))

    def documents(self, patient):
        """The patient ids that the metadata of a patient's documents carry."""
        answer = self.xds(xds.STORED_QUERY, xds.find_documents(patient))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        return [item.get("value") for item in answer.body.iter("{%s}ExternalIdentifier" % xds.RIM)
                if item.get("identificationScheme").endswith("58a6f841-87b3-4a3e-92fd-a8ffeff98427")]


class CrossReferences(IdentityStand):
    def test_configured(self):
        self.assertEqual(self.found(RED, "IHERED-1003", BLUE), [(BLUE, "IHEBLUE-1003")])
        self.assertEqual(self.found(GREEN, "IHEGREEN-1003", BLUE), [(BLUE, "IHEBLUE-1003")])
        # by way of the third
        self.assertEqual(self.found(RED, "IHERED-1003", GREEN), [(GREEN, "IHEGREEN-1003")])
        self.assertEqual(self.found(BLUE, "IHEBLUE-1010"), [(RED, "IHERED-1010"), (GREEN, "IHEGREEN-1010")])
        self.assertEqual(self.found(RED, "IHERED-1003", BLUE, GREEN),
                         [(GREEN, "IHEGREEN-1003"), (BLUE, "IHEBLUE-1003")])
        self.assertEqual(self.found(RED, "IHERED-1003", RED), [])

    def test_answer_names_the_question(self):
        body = hl7v3.pix_query(RED, "IHERED-1001", (BLUE,), query_id='<queryId root="2.999.7" extension="q&amp;1"/>',
                               message_id='<id root="2.999.8" extension="m1"/>')
        reply = self.ask(hl7v3.PIX_QUERY, body)
        self.assertEqual(reply.kind, hl7v3.PIX_ANSWER)
        self.assertEqual(reply.answer.head("Action"), hl7v3.action(hl7v3.PIX_ANSWER))
        target = reply.all("acknowledgement/targetMessage/id")[0]
        self.assertEqual((target.get("root"), target.get("extension")), ("2.999.8", "m1"))
        for where in ("queryAck", "queryByParameter"):
            query = reply.all("controlActProcess/%s/queryId" % where)[0]
            self.assertEqual((query.get("root"), query.get("extension")), ("2.999.7", "q&1"))

    def test_three_errors(self):
        self.assertEqual(self.pix("2.999.40", "X-1", BLUE).codes,
                         ("AE", "AE", "204", QUERY + "/patientIdentifier/value/@root"))
        self.assertEqual(self.pix(RED, "IHERED-9999", BLUE).codes,
                         ("AE", "AE", "204", QUERY + "/patientIdentifier/value/@extension"))
        self.assertEqual(self.pix(RED, "IHERED-1001", BLUE, "2.999.40").codes,
                         ("AE", "AE", "204", QUERY + "/dataSource/value/@root"))

    def test_feed_makes_a_domain_known(self):
        local = "2.999.41"
        self.assertEqual(self.pix(RED, "IHERED-1001", local).codes[3], QUERY + "/dataSource/value/@root")
        self.accepted(ADD, (local, "L-1"), others=[(BLUE, "IHEBLUE-1005")])
        self.assertEqual(self.found(local, "L-1", BLUE), [(BLUE, "IHEBLUE-1005")])
        self.assertEqual(self.found(RED, "IHERED-1005", local), [(local, "L-1")])
        self.assertEqual(self.found(RED, "IHERED-1001", local), [])
        # again is once
        self.accepted(ADD, (local, "L-1"), others=[(BLUE, "IHEBLUE-1005")])
        self.assertEqual(self.found(RED, "IHERED-1005", local), [(local, "L-1")])

    def test_revise_links_and_unlinks(self):
        one, two = self.fresh(), self.fresh()
        self.accepted(ADD, (RED, one))
        self.accepted(ADD, (GREEN, two))
        self.assertEqual(self.found(RED, one), [])
        self.accepted(REVISE, (RED, one), others=[(GREEN, two)])
        self.assertEqual(self.found(GREEN, two), [(RED, one)])
        # what a change of traits does not mention stays
        self.accepted(REVISE, (RED, one), person="<name><family>Other</family></name>")
        self.assertEqual(self.found(RED, one), [(GREEN, two)])
        self.accepted(REVISE, (RED, one), ended=[(GREEN, two)], person='<name nullFlavor="NA"/>')
        self.assertEqual(self.found(RED, one), [])
        self.assertEqual(self.found(GREEN, two), [])
        self.assertEqual(self.pdq(hl7v3.by_id(RED, one), quantity=1).patients, [("Other", 100)],
                         "unlinking says nothing of the person")
        self.assertIn("asOtherIDs", self.refused("204", REVISE, (RED, one), ended=[(GREEN, two)]))

    def test_unlinked_stays_unlinked_after_a_restart(self):
        self.accepted(REVISE, (RED, "IHERED-1007"), ended=[(BLUE, "IHEBLUE-1007")], person='<name nullFlavor="NA"/>')
        self.assertEqual(self.found(RED, "IHERED-1007"), [])
        self.domain.stop()
        type(self).start()
        self.assertEqual(self.found(RED, "IHERED-1007"), [])
        self.assertEqual(self.found(RED, "IHERED-1008", BLUE), [(BLUE, "IHEBLUE-1008")])

    def test_feeds_that_are_refused(self):
        self.assertIn("patient/id", self.refused("207", ADD, ("5d9728c6-cdb9-4039-a2a5-379203f08099", "x")))
        self.assertIn("patient/id", self.refused("207", ADD, (RED, "x" * 300)))
        self.assertIn("asOtherIDs", self.refused("207", ADD, (RED, self.fresh()), others=[(RED, "x" * 300)]))


class Merges(IdentityStand):
    def test_links_go_to_the_surviving_identifier(self):
        old, new, green = self.fresh(), self.fresh(), self.fresh()
        self.accepted(ADD, (RED, old), others=[(GREEN, green)])
        self.accepted(ADD, (RED, new))
        self.accepted(MERGE, (RED, new), subsumed=(RED, old))
        self.assertEqual(self.found(GREEN, green), [(RED, new)])
        self.assertEqual(self.found(RED, new), [(GREEN, green)])
        self.assertEqual(self.pix(RED, old).codes[3], QUERY + "/patientIdentifier/value/@extension")
        # doing it again is doing it once
        self.accepted(MERGE, (RED, new), subsumed=(RED, old))

    def test_loops_and_nonsense_are_refused(self):
        one, two, three = self.fresh(), self.fresh(), self.fresh()
        for value in (one, two, three):
            self.accepted(ADD, (RED, value))
        self.assertIn("priorRegisteredRole", self.refused("205", MERGE, (RED, one), subsumed=(RED, one)))
        self.accepted(MERGE, (RED, two), subsumed=(RED, one))
        self.accepted(MERGE, (RED, three), subsumed=(RED, two))
        self.assertIn("patient/id", self.refused("205", MERGE, (RED, one), subsumed=(RED, three)))
        self.assertIn("patient/id", self.refused("205", MERGE, (RED, two), subsumed=(RED, three)))
        self.assertIn("priorRegisteredRole", self.refused("205", MERGE, (RED, three), subsumed=(RED, one)))
        self.assertIn("patient/id", self.refused("205", REVISE, (RED, one)))
        self.assertIn("asOtherIDs", self.refused("205", REVISE, (RED, three), others=[(RED, two)]))
        self.assertIn("priorRegisteredRole", self.refused("204", MERGE, (RED, three), subsumed=(RED, "nobody")))
        self.assertIn("patient/id", self.refused("204", MERGE, (RED, "nobody"), subsumed=(RED, three)))
        self.assertIn("priorRegisteredRole", self.refused("207", MERGE, (RED, three), subsumed=(BLUE, "IHEBLUE-1001")))
        self.assertEqual(self.found(RED, three), [])


class RegistryHonoursIdentity(IdentityStand):
    def test_fed_patients_may_have_documents(self):
        patient = self.fresh()
        self.assertEqual(self.publish(patient), "XDSUnknownPatientId")
        # named by another domain's feed is not fed
        self.accepted(ADD, (RED, self.fresh()), others=[(BLUE, patient)])
        self.assertEqual(self.publish(patient), "XDSUnknownPatientId")
        self.accepted(ADD, (BLUE, patient))
        self.assertEqual(self.publish(patient), "Success")
        self.assertEqual(self.documents(patient), [xds.patient_cx(patient)])

    def test_merged_patients(self):
        old, new = "IHEBLUE-1009", self.fresh("it's & <new>")
        escaped = new.replace("&", "\\T\\")  # as HL7 v2 has it in a patient id
        self.accepted(ADD, (BLUE, new))
        for patient in (old, old, escaped):
            self.assertEqual(self.publish(patient), "Success")
        self.accepted(MERGE, (BLUE, new), subsumed=(BLUE, old))
        self.assertEqual(self.documents(escaped.replace("'", "''")), [xds.patient_cx(escaped)] * 3)
        self.assertEqual(self.documents(old), [])
        self.assertEqual(self.publish(old), "XDSUnknownPatientId")
        self.assertEqual(self.publish(escaped), "Success")
        self.assertEqual(self.found(RED, "IHERED-1009", BLUE), [(BLUE, new)])

    def test_merged_stays_merged_after_a_restart(self):
        old, new = "IHEBLUE-1008", "IHEBLUE-1010"
        for patient in (old, new):
            self.assertEqual(self.publish(patient), "Success")
        self.accepted(MERGE, (BLUE, new), subsumed=(BLUE, old))
        self.domain.kill()
        type(self).start()
        self.assertEqual(self.documents(new), [xds.patient_cx(new)] * 2)
        self.assertEqual(self.publish(old), "XDSUnknownPatientId")
        self.assertEqual(self.found(RED, "IHERED-1008"), [(RED, "IHERED-1010"), (GREEN, "IHEGREEN-1008"),
                                                          (GREEN, "IHEGREEN-1010"), (BLUE, new)])


class ConsentsFollow(IdentityStand):
    """Who is merged brings their Consents along: a document that was refused yesterday is refused today."""

    def consent(self, operation, status=200, **body):
        answer = support.request("POST", "http://127.0.0.1:%d/consent/%s" % (self.domain.port, operation),
                                 {"Authorization": "Bearer " + SECRET, "Content-Type": "application/json"},
                                 json.dumps(body).encode())
        self.assertEqual(answer.status, status, repr(answer))
        return answer.json()

    def write(self, name, patient, status=200, **more):
        return self.consent("write", status, id=name, patient=xds.patient_cx(patient), active=True, resource="{}", **more)

    def state(self, patient, gateway="a"):
        answer = self.consent("state", gateway=gateway, patient=xds.patient_cx(patient))
        return answer["version"], [item["id"] for item in answer["consents"]]

    def test_fed_patients_may_have_consents(self):
        patient = self.fresh()
        self.write("fed", patient, 422)
        self.accepted(ADD, (BLUE, patient))
        self.write("fed", patient)

    def test_consents_of_both(self):
        old, middle, new = (self.fresh() for _ in range(3))
        for value in (old, middle, new):
            self.accepted(ADD, (BLUE, value))
            self.write("of-" + value, value)
        before, names = self.state(new)
        self.assertEqual(names, ["of-" + new])
        self.accepted(MERGE, (BLUE, middle), subsumed=(BLUE, old))
        self.accepted(MERGE, (BLUE, new), subsumed=(BLUE, middle))
        after, names = self.state(new)
        self.assertGreater(after, before)
        self.assertEqual(sorted(names), sorted("of-" + value for value in (old, middle, new)))
        self.assertEqual(len(self.consent("list", patient=xds.patient_cx(new))["consents"]), 3)
        # who survived may change them; who did not has no say any more
        self.write("more", old, 422)
        self.write("of-" + old, new)
        self.assertIn("of-" + old, self.state(new)[1])
        self.domain.stop()
        type(self).start()
        self.assertEqual(len(self.state(new)[1]), 3)

    def test_a_refused_merge_moves_no_consents(self):
        one, two = self.fresh(), self.fresh()
        for value in (one, two):
            self.accepted(ADD, (BLUE, value))
            self.write("of-" + value, value)
        version, _ = self.state(one)
        self.refused("204", MERGE, (BLUE, "nobody"), subsumed=(BLUE, one))
        self.refused("204", MERGE, (BLUE, one), subsumed=(BLUE, "nobody"))
        self.refused("205", MERGE, (BLUE, one), subsumed=(BLUE, one))
        self.assertEqual(self.state(one), (version, ["of-" + one]))

    def test_a_merge_is_answered_when_nobody_relies_on_the_old_state(self):
        one, two = self.fresh(), self.fresh()
        for value in (one, two):
            self.accepted(ADD, (BLUE, value))
        self.write("of-" + two, two)
        version, _ = self.state(one, gateway="g")
        done = threading.Event()

        def merge():
            self.accepted(MERGE, (BLUE, one), subsumed=(BLUE, two))
            done.set()

        thread = threading.Thread(target=merge)
        thread.start()
        self.addCleanup(thread.join)
        # The new state comes before the merge is answered: it can only be read while the lease is still held.
        support.wait_until(lambda: self.state(one, gateway="h")[0] > version, "the Consents to be one's")
        self.consent("return", gateway="g", leases=[{"patient": xds.patient_cx(one), "version": version + (1 << 40)}])
        self.assertTrue(done.wait(support.START_SECONDS))
        self.assertEqual(self.state(one, gateway="g")[1], ["of-" + two])


class Demographics(IdentityStand):
    def names(self, *parameters, **options):
        reply = self.pdq("".join(parameters), **options)
        self.assertEqual(reply.codes, ("AA", "OK" if reply.patients else "NF", None, None), repr(reply))
        return reply.patients

    def test_by_name(self):
        self.assertEqual(self.names(hl7v3.by_name("muller")), [("Müller-Exempel", 80)])
        self.assertEqual(self.names(hl7v3.by_name("MULLER-EXEMPEL", "Chloe", exact=True)), [("Müller-Exempel", 100)])
        self.assertEqual(self.names(hl7v3.by_name("Müller", exact=True)), [])
        self.assertEqual(self.names(hl7v3.by_name("silva", "joao")), [("da Silva Fictício", 100)])
        self.assertEqual(self.names(hl7v3.by_name("100%_")), [])

    def test_all_traits_must_match(self):
        self.assertEqual(self.names(hl7v3.by_gender("F"), hl7v3.by_birth("1988"), hl7v3.by_name("mull")),
                         [("Müller-Exempel", 90)])
        self.assertEqual(self.names(hl7v3.by_gender("M"), hl7v3.by_name("mull")), [])
        self.assertEqual(self.names(hl7v3.by_birth("19880101"), hl7v3.by_name("mull")), [])
        self.assertEqual(
            self.names(hl7v3.parameter("livingSubjectBirthTime", '<value><low value="1985"/><high value="1990"/></value>')),
            [("Müller-Exempel", 100)])
        self.assertEqual(
            self.names(hl7v3.parameter("patientAddress", "<value><city>petange</city></value>"),
                       hl7v3.parameter("patientTelecom", '<value value="tel:+352-5550-1008"/>')),
            [("da Silva Fictício", 100)])
        self.assertEqual(self.names(hl7v3.parameter("mothersMaidenName", "<value><family>Niemand</family></value>")),
                         [("Nobody", 100)])

    def test_degree(self):
        """With a least degree, patients that fit in a part of the traits are found too, the best first."""
        traits = hl7v3.by_gender("F") + hl7v3.by_birth("19581128") + hl7v3.by_name("Muster", "Erik")
        self.assertEqual(self.names(traits), [])
        found = self.names(traits, minimum=40)
        self.assertEqual([name for name, _ in found], ["Muster"])
        self.assertGreater(found[0][1], 40)
        found = self.names(hl7v3.by_name("Muster"), minimum=1)
        self.assertEqual(found[0], ("Muster", 100))

    def test_identifiers_of_all_domains_or_of_some(self):
        reply = self.pdq(hl7v3.by_id(RED, "IHERED-1002"))
        self.assertEqual(reply.ids(0), [(BLUE, "IHEBLUE-1002"), (RED, "IHERED-1002"), (GREEN, "IHEGREEN-1002")])
        reply = self.pdq(hl7v3.by_id(RED, "IHERED-1002") + hl7v3.by_domain(GREEN))
        self.assertEqual(reply.ids(0), [(GREEN, "IHEGREEN-1002")])
        self.assertEqual(reply.patients, [("Fictif", 100)])
        self.assertEqual(self.pdq(hl7v3.by_id(RED, "IHERED-1002") + hl7v3.by_domain("2.999.40")).codes,
                         ("AE", "AE", "204", TRAITS + "/otherIDsScopingOrganization/value/@root"))
        self.assertEqual(self.names(hl7v3.by_id(RED, "IHERED-1002"), hl7v3.by_id(GREEN, "IHEGREEN-1002")),
                         [("Fictif", 100)])
        self.assertEqual(self.names(hl7v3.by_id(RED, "IHERED-1002"), hl7v3.by_id(GREEN, "IHEGREEN-1003")), [])
        self.assertEqual(self.names(hl7v3.by_id("2.999.40", "x")), [])

    def test_one_person_is_answered_once(self):
        one, two = self.fresh(), self.fresh()
        self.accepted(ADD, (RED, one), person="<name><family>Doppel</family><given>A</given></name>")
        self.accepted(ADD, (GREEN, two), others=[(RED, one)],
                      person="<name><family>Doppel</family><given>Anna</given></name>")
        reply = self.pdq(hl7v3.by_name("doppel", "anna"))
        self.assertEqual(reply.patients, [("Doppel", 100)])
        self.assertEqual(reply.ids(0), [(GREEN, two), (RED, one)])

    def test_quantity(self):
        for _ in range(4):
            self.accepted(ADD, (RED, self.fresh()), person="<name><family>Vielling</family></name>")
        reply = self.pdq(hl7v3.by_name("vielling"), quantity=3)
        self.assertEqual((len(reply.patients), reply.quantity("resultTotalQuantity"),
                          reply.quantity("resultRemainingQuantity")), (3, 4, 1))

    def test_questions_that_are_refused(self):
        self.assertEqual(self.pdq("").codes[:3], ("AE", "AE", "207"))
        self.assertEqual(self.pdq(hl7v3.by_name("a") + hl7v3.by_name("b")).codes[:3], ("AE", "AE", "207"))
        self.assertEqual(
            self.pdq(hl7v3.by_name("muller") + hl7v3.parameter("principalCareProviderId", '<value root="2.999.1"/>'))
            .codes[:3], ("AE", "AE", "207"))


class Hostile(IdentityStand):
    def test_faults(self):
        good = hl7v3.pix_query(RED, "IHERED-1001")
        for action, body in ((hl7v3.PIX_QUERY, hl7v3.feed(ADD, (RED, "X"))),           # another message than its action
                             (hl7v3.ADD, good),
                             (hl7v3.PIX_QUERY, good.replace("urn:hl7-org:v3", "urn:other")),
                             ("QUQI_IN000003UV01", good),                               # no continuations here
                             (hl7v3.PIX_QUERY, good.replace("extension=\"IHERED-1001\"", "")),
                             (hl7v3.PIX_QUERY, good.replace("</controlActProcess>", "<x/>")),
                             (MERGE, hl7v3.feed(MERGE, (RED, "X")))):                   # merges nobody
            answer = self.send(action, body)
            self.assertEqual((answer.status, answer.outcome), (400, "Fault"), repr(answer))
        self.assertEqual(self.found(RED, "IHERED-1001", BLUE), [(BLUE, "IHEBLUE-1001")])

    def test_039_doctype(self):
        text = xds.envelope(hl7v3.action(hl7v3.PIX_QUERY), hl7v3.pix_query(RED, "IHERED-1001")).replace(
            "<s:Envelope", '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]><s:Envelope', 1)
        response = support.request("POST", "http://127.0.0.1:%d/pix" % self.domain.port,
                                   {"Content-Type": "application/soap+xml"}, text.encode())
        self.assertEqual(response.status, 400)

    def test_values_are_not_sql(self):
        nasty = "x' OR '1'='1"
        self.assertEqual(self.pix(RED, nasty).codes[3], QUERY + "/patientIdentifier/value/@extension")
        self.accepted(ADD, (RED, nasty), person="<name><family>Robert'); DROP TABLE identity;--</family></name>")
        self.assertEqual(self.found(RED, nasty), [])
        self.assertEqual(self.pdq(hl7v3.by_name("robert'); drop")).patients[0][0],
                         "Robert'); DROP TABLE identity;--")

    def test_nothing_of_patients_in_the_log(self):
        self.accepted(ADD, (BLUE, "IHEBLUE-1001"), person="<name><family>Muster-Fantaisie</family></name>")
        self.assertEqual(self.refused("205", MERGE, (BLUE, "IHEBLUE-1001"), subsumed=(BLUE, "IHEBLUE-1001"))[:1], "/")
        log = self.domain.log()
        for word in support.PRIVATE_WORDS:
            self.assertNotIn(word, log)


if __name__ == "__main__":
    unittest.main()
