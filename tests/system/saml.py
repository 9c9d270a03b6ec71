"""Assertions about who asks (XUA), signed by xmlsec1, which knows nothing of this project."""
import os
import shutil
import subprocess
import time
import uuid
from xml.sax.saxutils import escape, quoteattr

import certificates
import support

ACT_REASON = "2.16.840.1.113883.5.8"
ROLE = "urn:oasis:names:tc:xacml:2.0:subject:role"
PURPOSE = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"

TEMPLATE = """<s:Assertion xmlns:s="urn:oasis:names:tc:SAML:2.0:assertion" ID="%(id)s" IssueInstant="%(issued)s" \
Version="2.0"><s:Issuer>%(issuer)s</s:Issuer><ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo>\
<ds:CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/><ds:SignatureMethod \
Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#%(id)s"><ds:Transforms><ds:Transform \
Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform \
Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/></ds:Transforms><ds:DigestMethod \
Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>\
</ds:Signature><s:Subject><s:NameID>%(subject)s</s:NameID><s:SubjectConfirmation \
Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"/></s:Subject><s:Conditions NotBefore="%(begin)s" NotOnOrAfter="%(end)s">\
<s:AudienceRestriction><s:Audience>%(audience)s</s:Audience></s:AudienceRestriction>%(once)s</s:Conditions>\
<s:AttributeStatement>%(attributes)s</s:AttributeStatement></s:Assertion>"""

SECURITY = """<w:Security xmlns:w="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">%s\
</w:Security>"""


def instant(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + seconds))


def attribute(name, inside):
    return "<s:Attribute Name=%s><s:AttributeValue>%s</s:AttributeValue></s:Attribute>" % (quoteattr(name), inside)


def coded(element, code, system, text=None):
    return '<%s xmlns="urn:hl7-org:v3" code=%s codeSystem=%s>%s</%s>' % (
        element, quoteattr(code), quoteattr(system),
        "" if text is None else "<originalText>%s</originalText>" % escape(text), element)


class Issuer:
    """Who signs assertions: a name and an RSA key with its certificate in directory."""

    def __init__(self, directory, name, audience, file="sts"):
        if not shutil.which("xmlsec1"):
            support.absent("xmlsec1 is not installed")
        self.directory = directory
        self.name = name
        self.audience = audience
        self.identity = certificates.self_signed(directory, file, kind="RSA")

    def security(self, role=None, purpose="TREAT", reason=None, about=None, name="Dr Fictional", begin=-5, end=300, issued=0,
                 once=False, **values):
        """The wsse:Security header. role: (code, system OID); about: CX of the resource-id."""
        attributes = [attribute("urn:oasis:names:tc:xspa:1.0:subject:subject-id", escape(name)),
                      attribute("urn:oasis:names:tc:xspa:1.0:subject:organization", "Fictional portal"),
                      attribute("urn:oasis:names:tc:xspa:1.0:subject:organization-id", "urn:oid:2.999.20.77")]
        if role:
            attributes.append(attribute(ROLE, coded("Role", *role)))
        if purpose:
            attributes.append(attribute(PURPOSE, coded("PurposeOfUse", purpose, ACT_REASON, reason)))
        if about:
            attributes.append(attribute("urn:oasis:names:tc:xacml:2.0:resource:resource-id", escape(about)))
        text = TEMPLATE % dict({"id": "_" + uuid.uuid4().hex, "issuer": self.name, "audience": self.audience,
                                "begin": instant(begin), "issued": instant(issued), "end": instant(end), "subject": "dr-7",
                                "once": "<s:OneTimeUse/>" if once else "", "attributes": "".join(attributes)}, **values)
        path = os.path.join(self.directory, "assertion-%s.xml" % uuid.uuid4().hex)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = subprocess.run(["xmlsec1", "--sign", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion",
                               "--privkey-pem", self.identity.key, path], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=True)
        os.unlink(path)
        return SECURITY % done.stdout.partition("?>")[2]
