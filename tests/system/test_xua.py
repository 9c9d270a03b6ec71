"""Assertions about who asks (XUA), as they leave the gateway: an independent implementation of XML signatures verifies
them, and they obey the schemas."""
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import certificates
import recorder
import support

AUDIENCE = "urn:oid:1.3.6.1.4.1.21367.13.20.3000"
ISSUER = "https://gateway.example/xua"


def verify(path, certificate):
    """xmlsec1's word on the signature of the assertion in a message."""
    return subprocess.run(
        ["xmlsec1", "--verify", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
         "--enabled-reference-uris", "same-doc", "--pubkey-cert-pem", certificate, path],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


class Wire(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        if not shutil.which("xmlsec1"):
            support.absent("xmlsec1 is not installed")
        self.directory = tempfile.mkdtemp(prefix="passerelle-xua-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.domain = support.Domain(self.directory)
        self.addCleanup(self.domain.kill)
        self.recorder = recorder.Recorder(self.domain.port)
        self.addCleanup(self.recorder.close)

    def back_end(self, **overrides):
        base = "http://127.0.0.1:%d/" % self.recorder.port
        return self.domain.back_end(registry_url=base + "registry", provide_url=base + "repository",
                                    repositories=[{"unique_id": support.REPOSITORY, "url": base + "repository"}],
                                    **overrides)

    def configuration(self, identity, **back_end):
        """As the gateway has it; passerelle check asks with it in the gateway's own name."""
        key = os.path.join(self.directory, "seal.key")
        with open(key, "wb") as file:
            file.write(os.urandom(32))
        path = os.path.join(self.directory, "gateway.yaml")
        support.write_configuration(path, {
            "keys": [{"id": 1, "file": key}], "patient": {"assigning_authority": support.AUTHORITY},
            "back_ends": [self.back_end(**back_end)],
            "xua": {"key_file": identity.key, "certificate_file": identity.certificate, "issuer": ISSUER}})
        return path

    def check(self, path):
        return subprocess.run([support.BINARY, "check", "--config", path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)

    def messages(self):
        files = []
        for number, message in enumerate(self.recorder.messages):
            if message.action:
                path = os.path.join(self.directory, "%d-%s.xml" % (number, message.action))
                with open(path, "wb") as file:
                    file.write(recorder.root_part(message.request_headers.get("Content-Type"), message.request_body))
                files.append(path)
        return files

    def test_xmlsec1_and_the_schema_agree(self):
        schema = support.shared("xds/schema/xds-soap-xua.xsd")
        for kind in ("RSA", "EC"):
            with self.subTest(kind):
                self.recorder.messages.clear()
                identity = certificates.self_signed(self.directory, "xua" + kind, kind=kind)
                other = certificates.self_signed(self.directory, "other" + kind, kind=kind)
                done = self.check(self.configuration(identity, xua_audience=AUDIENCE))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                files = self.messages()
                self.assertEqual(len(files), 2)
                for path in files:
                    good = verify(path, identity.certificate)
                    self.assertEqual(good.returncode, 0, good.stdout + good.stderr)
                    self.assertNotEqual(verify(path, other.certificate).returncode, 0)
                    with open(path, encoding="utf-8") as file:
                        text = file.read()
                    self.assertEqual(len(re.findall("<saml2:Assertion ", text)), 1)
                    self.assertIn("<saml2:Audience>%s</saml2:Audience>" % AUDIENCE, text)
                    self.assertIn("<saml2:Issuer>%s</saml2:Issuer>" % ISSUER, text)
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(text.replace(">passerelle-check<", ">passerelle-chief<"))
                    self.assertNotEqual(verify(path, identity.certificate).returncode, 0)
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(text)
                done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", schema, *files], capture_output=True,
                                      text=True, check=False)
                self.assertEqual(done.returncode, 0, done.stderr[:3000])

    def test_without_an_audience_nothing_is_said(self):
        identity = certificates.self_signed(self.directory, "xua")
        self.assertEqual(self.check(self.configuration(identity)).returncode, 0)
        for message in self.recorder.messages:
            self.assertNotIn(b"Assertion", message.request_body)
