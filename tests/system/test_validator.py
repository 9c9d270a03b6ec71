"""The independent validator itself: it says yes to what is right and no to what is wrong."""
import shutil
import tempfile
import unittest

import support
import validator

CONSENT = {
    "resourceType": "Consent",
    "status": "active",
    "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]},
    "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
    "patient": {"identifier": {"system": "urn:oid:" + support.AUTHORITY, "value": "P1"}},
    "dateTime": "2024-05-01",
    "policy": [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal"}],
    "provision": {"type": "deny"},
}


class Validator(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-validator-")
        self.addCleanup(shutil.rmtree, self.directory)

    def test_right_and_wrong(self):
        found = validator.errors({
            "right": CONSENT,
            "status": {**CONSENT, "status": "perhaps"},
            "scope": {name: CONSENT[name] for name in CONSENT if name != "scope"},
            "element": {**CONSENT, "provisions": {"type": "deny"}},
            "ppc1": {name: CONSENT[name] for name in CONSENT if name != "policy"},
        }, self.directory)
        wrong = {line.split(" ")[0] for line in found}
        self.assertEqual(wrong, {"status.json", "scope.json", "element.json", "ppc1.json"}, found)

    def test_profile(self):
        profiles = support.shared("fhir", "pcf-package", "compiled")
        profile = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic"
        found = validator.errors({"unprofiled": {**CONSENT, "meta": {"profile": [profile]}}}, self.directory, [profiles])
        self.assertTrue(any("performer" in line for line in found), found)


if __name__ == "__main__":
    unittest.main()
