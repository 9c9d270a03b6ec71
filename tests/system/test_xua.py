"""Assertions about who asks (XUA), as they leave the gateway: an independent implementation of XML signatures verifies
them, and they obey the schemas."""
import http.client
import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
import uuid

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
            "access": {"anonymous": True}, "back_ends": [self.back_end(**back_end)],
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


TEMPLATE = """<s:Assertion xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion" ID="%(id)s" IssueInstant="%(begin)s" \
Version="2.0"><s:Issuer>%(issuer)s</s:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod \
Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"/><ds:Reference URI="#%(id)s"><ds:Transforms><ds:Transform \
Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform \
Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod \
Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
</ds:Signature><s:Subject><s:NameID>dr-7</s:NameID><s:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/>\
</s:Subject><s:Conditions NotBefore="%(begin)s" NotOnOrAfter="%(end)s"><s:AudienceRestriction><s:Audience>%(audience)s\
</s:Audience></s:AudienceRestriction></s:Conditions></s:Assertion>"""

MESSAGE = """<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">\
<e:Header><a:Action>urn:ihe:iti:2007:RegistryStoredQuery</a:Action><a:MessageID>%s</a:MessageID>%s</e:Header><e:Body>\
<q:AdhocQueryRequest xmlns:q="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"><q:ResponseOption returnType="ObjectRef"/>\
<r:AdhocQuery xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" id="urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4">\
<r:Slot name="$XDSDocumentEntryEntryUUID"><r:ValueList><r:Value>('urn:uuid:5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d5')</r:Value>\
</r:ValueList></r:Slot></r:AdhocQuery></q:AdhocQueryRequest></e:Body></e:Envelope>"""

SECURITY = """<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">%s\
</w:Security>"""


def instant(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


class Believed(unittest.TestCase):
    """A domain that wants to know who asks, and a gateway that tells it."""
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-xua-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.own = certificates.self_signed(cls.directory, "own")
        cls.other = certificates.self_signed(cls.directory, "sts", kind="RSA")
        cls.domain = support.Domain(cls.directory, xua={
            "issuers": [{"issuer": ISSUER, "certificate_file": cls.own.certificate},
                        {"issuer": "urn:sts", "certificate_file": cls.other.certificate}],
            "audiences": [AUDIENCE]})
        cls.addClassCleanup(cls.domain.kill)
        cls.recorder = recorder.Recorder(cls.domain.port)
        cls.addClassCleanup(cls.recorder.close)
        base = "http://127.0.0.1:%d/" % cls.recorder.port
        cls.back_end = cls.domain.back_end(
            registry_url=base + "registry", provide_url=base + "repository", xua_audience=AUDIENCE,
            repositories=[{"unique_id": support.REPOSITORY, "url": base + "repository"}])
        cls.xua = {"key_file": cls.own.key, "certificate_file": cls.own.certificate, "issuer": ISSUER}
        cls.gateway = support.Gateway(cls.directory, [cls.back_end], access={"anonymous": False}, xua=cls.xua)
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    def setUp(self):
        self.recorder.messages.clear()

    def said(self, action, pattern):
        """What the assertions of all messages of an action say."""
        found = []
        for message in self.recorder.messages:
            if message.action == action:
                text = recorder.root_part(message.request_headers.get("Content-Type"), message.request_body).decode()
                self.assertEqual(text.count("<saml2:Assertion "), 1)
                found += re.findall(pattern, text)
        return found

    def post(self, text, source="127.0.0.1"):
        connection = http.client.HTTPConnection("127.0.0.1", self.domain.port, timeout=60, source_address=(source, 0))
        connection.request("POST", "/registry", text.encode(), {"Content-Type": "application/soap+xml; charset=UTF-8"})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, body

    def ask(self, header, source="127.0.0.1"):
        return self.post(MESSAGE % (uuid.uuid4().urn, header), source)

    def assertFault(self, answer, subcode):
        self.assertEqual(answer[0], 400)
        self.assertRegex(answer[1], '<soap:Value xmlns:wsse="[^"]+">wsse:%s</soap:Value>' % subcode)

    def signed(self, **values):
        """An assertion that xmlsec1 has signed, which knows nothing of this project."""
        if not shutil.which("xmlsec1"):
            support.absent("xmlsec1 is not installed")
        text = TEMPLATE % dict({"id": "_" + uuid.uuid4().hex, "issuer": "urn:sts", "audience": AUDIENCE,
                                "begin": instant(-5), "end": instant(300)}, **values)
        path = os.path.join(self.directory, "template.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(["xmlsec1", "--sign", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
                               "--privkey-pem", self.other.key, path], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=True)
        return SECURITY % done.stdout.partition("?>")[2]

    def test_each_call_says_who_asks_and_about_whom(self):
        document = b"who asks"
        bundle = support.demo_bundle(document, "text/plain")
        self.assertEqual(self.gateway.publish(bundle, token=self.gateway.token("system")).status, 200)
        doctor = self.gateway.token("doctor", user="dr-who")
        found = self.gateway.find(token=doctor, identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle))
        self.assertEqual(found.status, 200, repr(found))
        url = found.json()["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        self.assertEqual(support.request("GET", url, support.bearer(doctor)).body, document)
        patient = re.escape("%s^^^&amp;%s&amp;ISO" % (support.PATIENT, support.AUTHORITY))
        for action in ("ProvideAndRegisterDocumentSet-b", "RegistryStoredQuery", "RetrieveDocumentSet"):
            self.assertIn(support.PATIENT, " ".join(self.said(action, r"<saml2:AttributeValue>(%s)<" % patient)), action)
        self.assertIn("dr-who", self.said("RegistryStoredQuery", r"<saml2:NameID [^>]*>([^<]*)<"))
        self.assertEqual({"dr-who"}, set(self.said("RetrieveDocumentSet", r"<saml2:NameID [^>]*>([^<]*)<")))
        roles = self.said("RetrieveDocumentSet", r'<Role [^>]* code="([^"]*)" codeSystem="([0-9.]+)"')
        self.assertTrue(roles)

    def test_081_an_assertion_speaks_of_who_asks_about_whom(self):
        """Nobody else makes the assertions here: the one that is kept must not be another's, nor about another patient."""
        one, two = (self.gateway.token("doctor", user=user) for user in ("dr-81-one", "dr-81-two"))
        asked = [(one, "IHEBLUE-1001"), (two, "IHEBLUE-1001"), (one, "IHEBLUE-1002"), (two, "IHEBLUE-1002")] * 2
        before = len(self.said("RegistryStoredQuery", r"<saml2:NameID [^>]*>([^<]*)<"))
        for token, patient in asked:
            self.assertEqual(self.gateway.find(token=token, **{
                "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, patient)}).status, 200)
        said = self.said("RegistryStoredQuery",
                         r"(?s)<saml2:NameID [^>]*>([^<]*)<.*<saml2:AttributeValue>(IHEBLUE-[0-9]*)\^")[before:]
        self.assertEqual([pair for number, pair in enumerate(said) if number == 0 or pair != said[number - 1]],
                         [("dr-81-one" if token == one else "dr-81-two", patient) for token, patient in asked])

    def test_082_one_breaks_the_glass_the_next_asks_without(self):
        break_glass = self.gateway.token("doctor", user="dr-glass", purpose="BTG", reason="found unconscious")
        ordinary = self.gateway.token("doctor", user="dr-glass")
        for token in (break_glass, ordinary, break_glass, ordinary):
            self.assertEqual(self.gateway.find(token=token).status, 200)
        purposes = self.said("RegistryStoredQuery", r'<PurposeOfUse [^>]* code="([^"]*)"')
        self.assertEqual([one for number, one in enumerate(purposes) if number == 0 or one != purposes[number - 1]],
                         ["BTG", "TREAT", "BTG", "TREAT"])
        reasons = self.said("RegistryStoredQuery", r'code="(BTG|TREAT)"[^>]*>(?:<originalText>([^<]*)<)?')
        self.assertEqual(set(reasons), {("BTG", "found unconscious"), ("TREAT", "")})

    def test_who_says_nothing_is_refused(self):
        self.assertFault(self.ask(""), "InvalidSecurity")
        self.assertFault(self.ask(SECURITY % ""), "InvalidSecurity")
        anonymous = support.Gateway(self.directory, [self.back_end], name="anonymous", xua=self.xua)
        self.addCleanup(anonymous.kill)
        self.assertEqual(anonymous.find().status, 502)
        anonymous.stop()

    def test_another_issuers_are_believed_too(self):
        status, body = self.ask(self.signed())
        self.assertEqual(status, 200, body)
        self.assertIn("AdhocQueryResponse", body)

    def test_076_a_changed_assertion_is_refused(self):
        good = self.signed()
        self.assertFault(self.ask(good.replace("dr-7", "dr-8")), "FailedAuthentication")
        self.assertFault(self.ask(good + good.replace("dr-7", "dr-8")), "InvalidSecurity")
        self.assertFault(self.ask(self.signed(issuer=ISSUER)), "FailedAuthentication")

    def test_080_times_and_audiences(self):
        self.assertFault(self.ask(self.signed(begin=instant(-600), end=instant(-61))), "FailedAuthentication")
        self.assertFault(self.ask(self.signed(begin=instant(120))), "FailedAuthentication")
        self.assertFault(self.ask(self.signed(audience="urn:oid:2.999.1")), "FailedAuthentication")

    def test_080_replay(self):
        self.assertEqual(self.gateway.find(token=self.gateway.token("doctor", user="dr-replay")).status, 200)
        message = next(one for one in self.recorder.messages if one.action == "RegistryStoredQuery")
        text = message.request_body.decode()
        self.assertFault(self.post(text), "FailedAuthentication")
        self.assertIn("came before", self.domain.log())
        anew = re.sub(r"(<wsa:MessageID>)[^<]*", lambda found: found.group(1) + uuid.uuid4().urn, text)
        self.assertFault(self.post(anew, "127.0.0.2"), "FailedAuthentication")
        self.assertIn("another peer", self.domain.log())
        self.assertEqual(self.post(anew)[0], 200)

    def test_the_greeting_needs_no_assertion(self):
        self.assertEqual(support.request("GET", "http://127.0.0.1:%d/" % self.domain.port).status, 200)


class Optional(unittest.TestCase):
    def test_not_required_means_not_required(self):
        """Who says something must be believed all the same."""
        directory = tempfile.mkdtemp(prefix="passerelle-xua-")
        self.addCleanup(shutil.rmtree, directory, True)
        own = certificates.self_signed(directory, "own")
        domain = support.Domain(directory, xua={"issuers": [{"issuer": ISSUER, "certificate_file": own.certificate}],
                                                "audiences": [AUDIENCE], "required": False})
        self.addCleanup(domain.kill)
        gateway = support.Gateway(directory, [domain.back_end()])
        self.addCleanup(gateway.kill)
        self.assertEqual(gateway.find().status, 200)
        forged = SECURITY % (TEMPLATE % {"id": "_1", "issuer": ISSUER, "audience": AUDIENCE, "begin": instant(-5),
                                         "end": instant(300)})
        answer = support.request("POST", domain.registry_url, {"Content-Type": "application/soap+xml; charset=UTF-8"},
                                 (MESSAGE % (uuid.uuid4().urn, forged)).encode())
        self.assertEqual(answer.status, 400)
        self.assertIn(b"wsse:FailedAuthentication", answer.body)
        gateway.stop()
        domain.stop()
