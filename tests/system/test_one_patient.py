"""A caller whose token speaks of one patient learns nothing about others: not even whether they are known."""
import unittest
import urllib.parse

import support
import trust


class OnePatient(trust.TrustStand):
    def ask_all(self, token, value):
        """Every way to name a patient of another hospital; what each answers, without its time and links."""
        whose = urllib.parse.quote("urn:oid:%s|%s" % (trust.RED, value), safe="")
        consent = trust.consent_resource({"type": "deny"}, value, "urn:oid:" + trust.RED)
        bundle = support.demo_bundle(support.demo_letter())
        for entry in bundle["entry"]:
            subject = entry["resource"].get("subject")
            if subject:
                subject.clear()
                subject["identifier"] = {"system": "urn:oid:" + trust.RED, "value": value}
        answers = [self.send("GET", path + whose, token) for path in (
            "/DocumentReference?status=current&patient.identifier=",
            "/List?status=current&code=submissionset&patient.identifier=",
            "/Consent?status=active&patient.identifier=",
            "/AuditEvent?patient.identifier=",
            "/Patient/$ihe-pix?sourceIdentifier=")]
        answers.append(self.send("POST", "/Consent", token, consent))
        answers.append(self.send("POST", "", token, bundle))
        return [(answer.status, answer.json()["issue"]) for answer in answers]

    def test_074_others_and_nobody_look_the_same(self):
        whose = "%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT)
        patient = self.token("--role", "patient", "--patient", whose, "--scope", "patient/*.cruds")
        for other, nobody in zip(self.ask_all(patient, "IHERED-1002"), self.ask_all(patient, "IHERED-9999")):
            self.assertIn(other[0], (403, 404))
            self.assertEqual(other, nobody)


if __name__ == "__main__":
    unittest.main()
