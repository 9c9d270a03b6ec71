"""Each tenant allows the codes that its own file names, in publications and in changes."""
import json
import os
import signal
import subprocess
import threading

from support import BINARY, add_folder, bearer, demo_bundle, demo_letter, document_oid, request, wait_until
from test_tenants import NORD, SUD, TenantStand

CODES = """<?xml version="1.0" encoding="UTF-8"?>
<Codes>
  <CodeType name="typeCode" classScheme="urn:uuid:f0306f51-975f-434e-a61c-c59651d33983">
    %s
  </CodeType>
  <CodeType name="mimeType"><Code code="text/xml" ext="xml"/></CodeType>
  <CodeType name="folderCodeList"><Code code="11503-0" codingScheme="2.16.840.1.113883.6.1"/></CodeType>
  <AssigningAuthority id="&amp;1.3.6.1.4.1.21367.13.20.3000&amp;ISO"/>
</Codes>
"""
LETTER = ("34105-7", "Hospital Discharge summary")
SUMMARY = ("34133-9", "Summary of episode note")


def listed(*codes):
    return CODES % "\n".join('<Code code="%s" display="%s" codingScheme="2.16.840.1.113883.6.1" system="http://loinc.org"/>'
                             % code for code in codes)


class CodeSets(TenantStand):
    tenants = {NORD: {"code_sets_file": NORD + ".xml"}, SUD: {"code_sets_file": SUD + ".xml"}}
    codes = {NORD: listed(LETTER, SUMMARY), SUD: listed(SUMMARY)}

    @classmethod
    def write_tenant(cls, name, more):
        cls.write_codes(name, cls.codes[name])
        super().write_tenant(name, more)

    @classmethod
    def write_codes(cls, name, text):
        """In the place of what is there, as an editor does it."""
        path = os.path.join(cls.directory, name + ".xml")
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(path + ".new", path)

    def provide(self, tenant, status, change=None, token=None):
        bundle = demo_bundle(demo_letter())
        if change:
            change(bundle)
        return bundle, self.assertStatus(self.ask(
            tenant, "", token or self.token("doctor", tenant), "POST", json.dumps(bundle).encode(),
            **{"Content-Type": "application/fhir+json"}), status)

    def refusals(self, answer):
        return [(issue["code"], issue["expression"], issue["diagnostics"]) for issue in answer.json()["issue"]
                if issue["severity"] == "error"]

    def reload(self, *expected):
        before = self.gateway.log().count('"config.reload"')
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.gateway.log().count('"config.reload"') > before, "the reload to be told of")
        told = [line for line in self.gateway.log().split("\n") if '"config.reload"' in line][before:]
        for text in expected:
            self.assertIn(text, told[0])

    def check(self, *options):
        return subprocess.run([BINARY, "check", "--config", self.gateway.configuration_path, *options], capture_output=True,
                              text=True, check=False)


def retype(code):
    def change(bundle):
        bundle["entry"][1]["resource"]["type"] = {"coding": [{"system": "http://loinc.org", "code": code[0], "display": code[1]}]}
    return change


class Use(CodeSets):
    def test_each_hospital_takes_its_own_codes(self):
        self.provide(NORD, 200, retype(LETTER))
        _, refused = self.provide(SUD, 422, retype(LETTER))
        (code, expression, text), = self.refusals(refused)
        self.assertEqual((code, expression), ("code-invalid", ["Bundle.entry[1].resource.type"]))
        self.assertIn("typeCode", text)
        self.assertIn("http://loinc.org|34133-9", text)
        self.provide(SUD, 200, retype(SUMMARY))

    def test_a_system_is_the_same_under_its_oid(self):
        def by_oid(bundle):
            bundle["entry"][1]["resource"]["type"] = {"coding": [
                {"system": "urn:oid:2.16.840.1.113883.6.1", "code": SUMMARY[0], "display": SUMMARY[1]}]}

        self.provide(SUD, 200, by_oid)

    def test_media_types_and_folders(self):
        def as_text(bundle):
            bundle["entry"][1]["resource"]["content"][0]["attachment"]["contentType"] = "text/plain"
            bundle["entry"][2]["resource"]["contentType"] = "text/plain"

        def other_folder(bundle):
            folder = add_folder(bundle, bundle["entry"][1]["fullUrl"])
            folder["extension"][0]["valueCodeableConcept"]["coding"][0]["code"] = "11504-8"

        (_, expression, _), = self.refusals(self.provide(NORD, 422, as_text)[1])
        self.assertEqual(expression, ["Bundle.entry[1].resource.content.attachment.contentType"])
        (_, expression, _), = self.refusals(self.provide(NORD, 422, other_folder)[1])
        self.assertIn("ihe-designationType", expression[0])
        self.provide(NORD, 200, lambda bundle: add_folder(bundle, bundle["entry"][1]["fullUrl"]))

    def test_changes_bring_no_other_codes(self):
        doctor = self.token("doctor", NORD)
        bundle, _ = self.provide(NORD, 200, retype(LETTER), token=doctor)
        reference, = self.find(NORD, doctor, document_oid(bundle))
        patch = [{"op": "replace", "path": "/type/coding/0/code", "value": "57133-1"}]
        refused = self.assertStatus(self.ask(
            NORD, "/DocumentReference/" + reference["id"], doctor, "PATCH", json.dumps(patch).encode(),
            **{"Content-Type": "application/json-patch+json"}), 422)
        (code, expression, _), = self.refusals(refused)
        self.assertEqual((code, expression), ("code-invalid", ["DocumentReference.type"]))
        # What it has it keeps, also where the other hospital would not take it.
        sud = self.token("doctor", SUD)
        reference, = self.find(SUD, sud, document_oid(bundle))
        patch = [{"op": "replace", "path": "/description", "value": "Seen"}]
        self.assertStatus(self.ask(SUD, "/DocumentReference/" + reference["id"], sud, "PATCH", json.dumps(patch).encode(),
                                   **{"Content-Type": "application/json-patch+json"}), 200)

    def test_check_counts_what_it_read(self):
        for options in ((), ("--offline",)):
            done = self.check(*options)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn("%s.xml: 4 codes of 3 attributes for %s" % (NORD, NORD), done.stdout)
            self.assertIn("%s.xml: 3 codes of 3 attributes for %s" % (SUD, SUD), done.stdout)


class Reload(CodeSets):
    def tearDown(self):
        for name, codes in self.codes.items():
            self.write_codes(name, codes)
        self.reload("the new configuration holds")

    def test_what_is_allowed_changes_without_a_dropped_request(self):
        doctor = self.token("doctor", SUD)
        stop, statuses = threading.Event(), []

        def publish():
            while not stop.is_set():
                bundle = demo_bundle(demo_letter())
                retype(SUMMARY)(bundle)
                statuses.append(request("POST", self.base(SUD), dict({"Content-Type": "application/fhir+json"}, **bearer(doctor)),
                                        json.dumps(bundle).encode()).status)

        threads = [threading.Thread(target=publish) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.addCleanup(stop.set)
        for turn in range(4):
            self.write_codes(SUD, listed(LETTER, SUMMARY) if turn % 2 == 0 else listed(SUMMARY))
            self.reload(SUD + " (content of files)", '"unchanged":1')
            self.provide(SUD, 200 if turn % 2 == 0 else 422, retype(LETTER))
        wait_until(lambda: len(statuses) >= 12, "publications beside the reloads")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses), {200}, statuses)

    def test_a_fault_keeps_what_was(self):
        self.write_codes(SUD, listed(LETTER).replace('name="mimeType"', 'name="mimetype"'))
        self.reload("the old configuration stays", ": code_sets_file\"", "tenant %s: " % SUD, SUD + ".xml: Line 6: ")
        self.provide(SUD, 422, retype(LETTER))
        done = self.check()
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"tenant %s: \S+:2: code_sets_file: error: " % SUD)
        # The default type of documents is not among these.
        self.write_codes(SUD, listed(LETTER))
        self.reload("the old configuration stays", ": defaults.type_code\"", "tenant %s: " % SUD, "typeCode")
        self.write_codes(SUD, "")
        self.reload("the old configuration stays", SUD + ".xml")
        os.remove(os.path.join(self.directory, SUD + ".xml"))
        self.reload("the old configuration stays", SUD + ".xml")
        self.provide(SUD, 200, retype(SUMMARY))
