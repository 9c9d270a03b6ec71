"""What the patient hides is not there: no entry, no count, no page, no List, no relation, no document, for nobody who may
not see it; and it is there for who may. Source: IHE PCF, MHD 4.2.4 5.3."""
import json
import statistics
import time
import unittest

import support
import trust

PATIENT = "IHEBLUE-1004"


class Enforced(trust.TrustStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundles = []
        for number in range(5):
            bundle = support.demo_bundle(b"letter %d" % number, "text/plain", patient=PATIENT)
            attachment = bundle["entry"][1]["resource"]["content"][0]["attachment"]
            attachment["creation"] = "2024-03-%02dT10:00:00Z" % (number + 1)
            answer = support.request("POST", cls.gateway.base,
                                     dict(trust.FHIR, Authorization="Bearer " + cls.doctor),
                                     json.dumps(bundle).encode())
            assert answer.status == 200, answer
            cls.bundles.append(bundle)
        cls.oids = [support.document_oid(bundle) for bundle in cls.bundles]

    def setUp(self):
        self.assertEqual(self.found(self.doctor, patient=PATIENT), set(self.oids))

    def hide(self, provision, patient=PATIENT):
        path = self.consent(provision, patient)
        self.addCleanup(self.revoke, path, patient)

    def reference(self, oid, token, patient=PATIENT):
        bundle = self.search(token, patient=patient, identifier="urn:ietf:rfc:3986|urn:oid:" + oid)
        return trust.matches(bundle)[0]

    def test_hidden_document_leaves_no_trace(self):
        reference = self.reference(self.oids[2], self.doctor)
        document = reference["content"][0]["attachment"]["url"]
        lists = self.search(self.doctor, "List", patient=PATIENT, code="submissionset")
        hidden_list = next(each for each in trust.matches(lists)
                           if any(reference["id"] in entry["item"]["reference"] for entry in each.get("entry", [])))
        self.hide(trust.hide_document(self.oids[2]))
        left = set(self.oids) - {self.oids[2]}
        self.assertEqual(self.found(self.doctor, patient=PATIENT), left)
        self.assertEqual(self.search(self.doctor, patient=PATIENT, _summary="count")["total"], 4)
        for path in (document, "/DocumentReference/" + reference["id"], "/List/" + hidden_list["id"]):
            hidden = self.assertStatus(self.send("GET", path, self.doctor), 404)
            never = self.assertStatus(self.send("GET", path[:-1] + ("A" if path[-1] != "A" else "B"), self.doctor), 404)
            self.assertEqual([issue["diagnostics"] for issue in hidden.json()["issue"]],
                             [issue["diagnostics"] for issue in never.json()["issue"]])
        seen = self.search(self.doctor, "List", patient=PATIENT, code="submissionset")
        self.assertEqual(seen["total"], lists["total"] - 1)
        self.assertNotIn(reference["id"], repr(seen))
        # The patient sees all of it, and so does nobody else.
        self.assertEqual(self.found(self.patient(PATIENT), patient=PATIENT), set(self.oids))
        self.assertStatus(self.send("GET", document, self.patient(PATIENT)), 200)

    def test_092_099_hidden_others_and_absent_look_the_same(self):
        """To the letter, but for the clock and the request's name. How long each takes is told, not asserted."""
        reference = self.reference(self.oids[2], self.doctor)
        paths = (reference["content"][0]["attachment"]["url"], "/DocumentReference/" + reference["id"])
        stranger = self.patient("IHEBLUE-1005")
        self.hide(trust.hide_document(self.oids[2]))
        for path in paths:
            absent = path[:-1] + ("a" if path[-1] != "a" else "b")
            asked = {"hidden": (path, self.doctor), "another's": (path, stranger), "absent": (absent, self.doctor)}
            answers = {}
            for what, (where, token) in asked.items():
                answer = self.assertStatus(self.send("GET", where, token), 404)
                answers[what] = (sorted((name, value) for name, value in answer.headers.items()
                                        if name not in ("Date", "X-Request-Id")), answer.body)
                times = []
                for _ in range(100):
                    began = time.perf_counter()
                    self.send("GET", where, token)
                    times.append(1000 * (time.perf_counter() - began))
                print("%s: %.2f ms" % (what, statistics.median(times)))
            self.assertEqual(answers["hidden"], answers["absent"])
            self.assertEqual(answers["another's"], answers["absent"])

    def test_098_pages_have_no_holes(self):
        self.hide(trust.hide_document(self.oids[2]))
        seen = []
        bundle = self.search(self.doctor, patient=PATIENT, _count="1")
        while True:
            self.assertEqual(bundle["total"], 4)
            page = trust.matches(bundle)
            self.assertEqual(len(page), 1)
            seen += [each["masterIdentifier"]["value"][len("urn:oid:"):] for each in page]
            following = [each["url"] for each in bundle["link"] if each["relation"] == "next"]
            if not following:
                break
            bundle = self.assertStatus(self.send("GET", following[0], self.doctor), 200).json()
        self.assertEqual(sorted(seen), sorted(oid for oid in self.oids if oid != self.oids[2]))

    def test_098_relations_do_not_name_what_is_hidden(self):
        patient = "IHEBLUE-1006"
        first = support.demo_bundle(b"first", "text/plain", patient=patient)
        self.publish(self.doctor, first)
        addendum = support.demo_bundle(b"addendum", "text/plain", patient=patient)
        addendum["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(first)}}}]
        self.publish(self.doctor, addendum)
        self.assertIn("relatesTo", self.reference(support.document_oid(addendum), self.doctor, patient))
        self.hide(trust.hide_document(support.document_oid(first)), patient)
        self.assertNotIn("relatesTo", self.reference(support.document_oid(addendum), self.doctor, patient))

    def test_folder_of_what_is_hidden(self):
        """A Folder says what its documents are about: it goes with the last of them that may be seen."""
        patient = "IHEBLUE-1008"
        bundle = support.demo_bundle(b"in a folder", "text/plain", patient=patient)
        support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        self.publish(self.doctor, bundle)
        folders = trust.matches(self.search(self.doctor, "List", patient=patient, code="folder"))
        self.assertEqual([folder["title"] for folder in folders], ["A folder"])
        self.hide(trust.hide_document(support.document_oid(bundle)), patient)
        self.assertEqual(self.search(self.doctor, "List", patient=patient, code="folder")["total"], 0)
        self.assertStatus(self.send("GET", "/List/" + folders[0]["id"], self.doctor), 404)
        self.assertEqual(self.search(self.patient(patient), "List", patient=patient, code="folder")["total"], 1)

    def test_refuse_all(self):
        self.hide({"type": "deny"})
        self.assertEqual(self.found(self.doctor, patient=PATIENT), set())
        self.assertEqual(self.search(self.doctor, "List", patient=PATIENT, code="submissionset")["total"], 0)
        self.assertEqual(self.found(self.patient(PATIENT), patient=PATIENT), set(self.oids))

    def test_break_glass(self):
        self.hide({"type": "deny"})
        without = self.token("--role", "doctor", "--user", "doctor-1", "--purpose", "BTG")
        self.search(without, patient=PATIENT, status=403)
        broken = self.token("--role", "doctor", "--user", "doctor-1", "--purpose", "BTG", "--reason", "unconscious")
        self.assertEqual(self.found(broken, patient=PATIENT), set(self.oids))
        nurse = self.token("--role", "nurse", "--user", "nurse-1", "--purpose", "BTG", "--reason", "unconscious")
        self.search(nurse, patient=PATIENT, status=403)

    def recorded(self, subtype, patient, seen_by):
        """What the patient reads in the audit record: outcomes and decisions, newest first."""
        path = "/AuditEvent?patient.identifier=%s%%7C%s&subtype=%s" % (trust.PATIENT_SYSTEM, patient, subtype)
        bundle = self.assertStatus(self.send("GET", path, seen_by), 200).json()
        return [(event["outcome"], detail["valueString"]) for event in trust.matches(bundle)
                for entity in event["entity"] for detail in entity.get("detail", []) if detail["type"] == "decision"]

    def test_097_a_broken_glass_is_recorded_whatever_stays_hidden(self):
        patient = "IHEBLUE-1008"
        for confidentiality in ("N", "V"):
            bundle = support.demo_bundle(confidentiality.encode(), "text/plain", patient=patient)
            bundle["entry"][1]["resource"]["securityLabel"] = [{"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": confidentiality}]}]
            self.publish(self.doctor, bundle)
        self.hide({"type": "deny"}, patient)
        broken = self.token("--role", "doctor", "--purpose", "BTG", "--reason", "unconscious")
        self.assertEqual(len(self.found(broken, patient=patient)), 1)
        own = self.patient(patient)
        self.assertEqual(self.recorded("110127", patient, own), [("0", "permit: the glass was broken")])
        self.assertEqual(self.recorded("ITI-67", patient, own)[0], ("0", "permit: the glass was broken"))
        self.search(self.token("--role", "nurse", "--purpose", "BTG", "--reason", "unconscious"), patient=patient,
                    status=403)
        self.assertEqual(self.recorded("AuthZ-Consent", patient, own), [("8", "deny: not by who may break the glass")])

    def test_feeds_are_recorded(self):
        """ITI-104: a patient sees who changed what is known of them, by whatever identifier it was fed."""
        patient = "IHEBLUE-1009"
        identifier = {"system": "urn:oid:" + trust.RED, "value": "IHERED-1009"}
        fed = {"resourceType": "Patient", "active": True, "identifier": [identifier], "name": [{"family": "Nobody"}]}
        path = "/Patient?identifier=%s%%7C%s" % (identifier["system"], identifier["value"])
        self.assertStatus(self.send("PUT", path, self.token("--role", "system"), fed), 200)
        found = "/AuditEvent?patient.identifier=%s%%7C%s&subtype=" % (trust.PATIENT_SYSTEM, patient)
        for transaction in ("ITI-104", "ITI-44"):
            answer = self.assertStatus(self.send("GET", found + transaction, self.patient(patient)), 200).json()
            self.assertEqual(answer["total"], 1, answer)

    def test_no_care_relationship(self):
        self.assertEqual(self.found(self.nurse, patient=PATIENT), set())

    def test_074_another_patient(self):
        for system, value in ((trust.PATIENT_SYSTEM, PATIENT), ("urn:oid:" + trust.RED, "IHERED-1004")):
            answer = self.search(self.patient("IHEBLUE-1005"), patient=value, system=system, status=403)
            self.assertEqual(answer["issue"][0]["code"], "forbidden")
        own = self.patient("IHERED-1004", "urn:oid:" + trust.RED)
        self.assertEqual(self.found(own, patient=PATIENT), set(self.oids))

    def test_any_identifier(self):
        for system, value in ((trust.RED, "IHERED-1004"), (trust.GREEN, "IHEGREEN-1004")):
            self.assertEqual(self.found(self.doctor, patient=value, system="urn:oid:" + system), set(self.oids))

    def test_no_token(self):
        answer = self.assertStatus(self.send("GET", "/DocumentReference?patient.identifier=x%7Cy&status=current"), 401)
        self.assertIn("Bearer", answer.header("WWW-Authenticate"))

    def test_093_revoked_between_search_and_retrieve(self):
        document = self.reference(self.oids[0], self.doctor)["content"][0]["attachment"]["url"]
        self.assertStatus(self.send("GET", document, self.doctor), 200)
        self.hide(trust.hide_document(self.oids[0]))
        self.assertStatus(self.send("GET", document, self.doctor), 404)


class Unknown(trust.TrustStand):
    """The directory cannot be asked: deny, and say that it is not known rather than that there is nothing."""

    def test_directory_away(self):
        bundle = support.demo_bundle(b"letter", "text/plain")
        self.publish(self.doctor, bundle)
        self.assertEqual(len(self.found(self.doctor)), 1)
        self.assertEqual(self.found(self.doctor, patient="IHEBLUE-1002"), set())
        proxy_gone = trust.trust_configuration(self.directory, self.domain, self.redis)
        proxy_gone["consent"]["directory_url"] = "http://127.0.0.1:%d/consent" % support.free_port()
        proxy_gone["state_directory"] = self.directory + "/other-state"
        gateway = support.Gateway(self.directory, [self.domain.back_end()], name="cut-off", **proxy_gone)
        self.addCleanup(gateway.kill)
        token = self.token("--role", "doctor", config="cut-off")
        for patient in (support.PATIENT, "IHEBLUE-1002"):
            answer = self.send("GET", gateway.base + "/DocumentReference?status=current&patient.identifier=%s%%7C%s" % (
                trust.PATIENT_SYSTEM, patient), token)
            self.assertStatus(answer, 503)
            self.assertEqual(answer.json()["issue"][0]["code"], "transient")
        self.assertStatus(self.send("POST", gateway.base, token, support.demo_bundle(b"another", "text/plain")), 503)
        gateway.stop()


if __name__ == "__main__":
    unittest.main()
