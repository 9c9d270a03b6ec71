"""What passes between the gateway and its back-end: every message, both ways, obeys the schemas."""
import os
import shutil
import subprocess
import tempfile
import unittest

import recorder
import support


class Wire(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-wire-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.domain = support.Domain(self.directory)
        self.addCleanup(self.domain.kill)
        self.recorder = recorder.Recorder(self.domain.port)
        self.addCleanup(self.recorder.close)
        base = "http://127.0.0.1:%d/" % self.recorder.port
        self.gateway = support.Gateway(self.directory, [self.domain.back_end(
            registry_url=base + "registry", provide_url=base + "repository",
            repositories=[{"unique_id": support.REPOSITORY, "url": base + "repository"}])])
        self.addCleanup(self.gateway.kill)

    def tearDown(self):
        self.gateway.stop()
        self.domain.stop()

    def publish(self, bundle=None, status=200):
        bundle = bundle or support.demo_bundle(support.demo_letter())
        answer = self.gateway.publish(bundle)
        self.assertEqual(answer.status, status, repr(answer))
        return bundle

    def entries(self, bundle):
        found = self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle))
        self.assertEqual(found.status, 200, repr(found))
        return [entry["resource"] for entry in found.json().get("entry", []) if entry["search"]["mode"] == "match"]

    def test_every_message_is_valid(self):
        schema = support.shared("xds/schema/xds-soap-wire.xsd")
        bundle = self.publish()
        for profile in ("Minimal", "UnContained.Comprehensive"):
            self.publish(support.demo_bundle(b"x", "text/plain", profile=profile))
        reference = self.entries(bundle)[0]
        self.assertEqual(support.request("GET", reference["content"][0]["attachment"]["url"]).status, 200)
        replacing = support.demo_bundle(b"y", "text/plain")
        replacing["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + reference["id"]}}]
        self.publish(replacing)
        self.assertEqual(self.gateway.find(status="current,superseded", date="ge2020").status, 200)
        self.assertEqual(self.gateway.find("List", code="submissionset,folder").status, 200)
        self.publish(support.demo_bundle(b"z", "text/plain", patient="NOBODY-1"), 422)

        self.assertEqual(set(self.recorder.actions()), {"ProvideAndRegisterDocumentSet-b", "RegistryStoredQuery",
                                                     "RetrieveDocumentSet"})
        files = []
        for number, message in enumerate(self.recorder.messages):
            for side, headers, body in (("request", message.request_headers, message.request_body),
                                        ("answer", message.answer_headers, message.answer_body)):
                path = os.path.join(self.directory, "%03d-%s-%s.xml" % (number, message.action, side))
                with open(path, "wb") as file:
                    file.write(recorder.root_part(headers.get("Content-Type"), body))
                files.append(path)
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", schema, *files], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, "\n".join(
            line for line in done.stderr.split("\n") if not line.endswith(" validates"))[:6000])

    def test_documents_travel_as_mtom(self):
        self.publish()
        message = next(one for one in self.recorder.messages if one.action == "ProvideAndRegisterDocumentSet-b")
        self.assertIn("multipart/related", message.request_headers["Content-Type"])
        self.assertIn("application/xop+xml", message.request_headers["Content-Type"])
        # The letter carries a fresh id in ./run only; here it goes out as it is.
        self.assertIn(support.demo_letter(), message.request_body, "the bytes travel unencoded")


if __name__ == "__main__":
    unittest.main()
