"""XDS messages made and read without any code of ours: SOAP 1.2, MTOM and ebRIM by hand, for tests of the domain."""
import email.parser
import email.policy
import os
import re
import shutil
import subprocess
import tempfile
import urllib.parse
import uuid
import xml.etree.ElementTree
from xml.sax.saxutils import escape, quoteattr

import support

SOAP = "http://www.w3.org/2003/05/soap-envelope"
WSA = "http://www.w3.org/2005/08/addressing"
RIM = "urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0"
RS = "urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"
LCM = "urn:oasis:names:tc:ebxml-regrep:xsd:lcm:3.0"
QUERY = "urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"
XDS = "urn:ihe:iti:xds-b:2007"
XOP = "http://www.w3.org/2004/08/xop/include"

PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
REGISTER = "urn:ihe:iti:2007:RegisterDocumentSet-b"
STORED_QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
RETRIEVE = "urn:ihe:iti:2007:RetrieveDocumentSet"
UPDATE = "urn:ihe:iti:2010:UpdateDocumentSet"
REMOVE_METADATA = "urn:ihe:iti:2010:DeleteDocumentSet"
REMOVE_DOCUMENTS = "urn:ihe:iti:2017:RemoveDocuments"
CROSS_QUERY = "urn:ihe:iti:2007:CrossGatewayQuery"
CROSS_RETRIEVE = "urn:ihe:iti:2007:CrossGatewayRetrieve"

APPROVED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Approved"
DEPRECATED = "urn:oasis:names:tc:ebxml-regrep:StatusType:Deprecated"
HAS_MEMBER = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
REPLACE = "urn:ihe:iti:2007:AssociationType:RPLC"
UPDATE_STATUS = "urn:ihe:iti:2010:AssociationType:UpdateAvailabilityStatus"

FIND_DOCUMENTS = "14d4debf-8f97-4251-9a74-a90016b0af0d"
FIND_SUBMISSION_SETS = "f26abbcb-ac74-4422-8a30-edb644bbc1a9"
GET_ALL = "10b545ea-725c-446d-9b95-8aeb444eddf3"
GET_DOCUMENTS = "5c4f972b-d56b-40ac-a5fc-c8ca9b40b9d4"
GET_ASSOCIATIONS = "a7ae438b-4bc2-4642-93e9-be891f7bb155"


def patient_cx(value):
    return "%s^^^&%s&ISO" % (value, support.AUTHORITY)


def slot(name, *values):
    return "<rim:Slot name=%s><rim:ValueList>%s</rim:ValueList></rim:Slot>" % (
        quoteattr(name), "".join("<rim:Value>%s</rim:Value>" % escape(value) for value in values))


def code(scheme, owner, value, coding="2.999.20.3"):
    return ('<rim:Classification id="%s" classifiedObject=%s classificationScheme="urn:uuid:%s" '
            'nodeRepresentation=%s>%s<rim:Name><rim:LocalizedString value=%s/></rim:Name></rim:Classification>') % (
                "c" + uuid.uuid4().hex, quoteattr(owner), scheme, quoteattr(value), slot("codingScheme", coding),
                quoteattr(value))


def node(owner, value):
    return '<rim:Classification id="%s" classifiedObject=%s classificationNode="urn:uuid:%s"/>' % (
        "n" + uuid.uuid4().hex, quoteattr(owner), value)


def identifier(owner, scheme, value, name):
    return ('<rim:ExternalIdentifier id="%s" registryObject=%s identificationScheme="urn:uuid:%s" value=%s><rim:Name>'
            '<rim:LocalizedString value="%s"/></rim:Name></rim:ExternalIdentifier>') % (
                "i" + uuid.uuid4().hex, quoteattr(owner), scheme, quoteattr(value), name)


def entry(owner, unique_id, patient=support.PATIENT, extra="", mime_type="text/plain", author="Muster"):
    """A complete stable DocumentEntry; extra is further Slots."""
    return ('<rim:ExtrinsicObject id=%s mimeType="%s" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">'
            % (quoteattr(owner), mime_type)
            + slot("creationTime", "20260312") + slot("languageCode", "fr-LU")
            + slot("sourcePatientId", "77^^^&2.999.20.4&ISO") + extra
            + '<rim:Name><rim:LocalizedString value="Plainly fictional letter"/></rim:Name>'
            + '<rim:Classification id="a%s" classifiedObject=%s nodeRepresentation="" '
              'classificationScheme="urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d">%s</rim:Classification>'
            % (uuid.uuid4().hex, quoteattr(owner), slot("authorPerson", "^%s^Erika^^^Dr" % author))
            + code("41a5887f-8865-4c09-adf7-e362475b143a", owner, "class")
            + code("f4f85eac-e6cb-4883-b524-f2705394840f", owner, "N")
            + code("a09d5840-386c-46f2-b5ad-9c3699a4309d", owner, "format")
            + code("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", owner, "HOSP")
            + code("cccf5598-8b07-4b77-a05e-ae952c785ead", owner, "general")
            + code("f0306f51-975f-434e-a61c-c59651d33983", owner, "type")
            + identifier(owner, "58a6f841-87b3-4a3e-92fd-a8ffeff98427", patient_cx(patient),
                         "XDSDocumentEntry.patientId")
            + identifier(owner, "2e82c1f6-a085-4c72-9da3-8640a32e42ab", unique_id, "XDSDocumentEntry.uniqueId")
            + "</rim:ExtrinsicObject>")


def submission_set(owner, unique_id, patient=support.PATIENT):
    return ('<rim:RegistryPackage id=%s>' % quoteattr(owner) + slot("submissionTime", "20260312101500")
            + code("aa543740-bdda-424e-8c96-df4873be8500", owner, "content")
            + node(owner, "a54d6aa5-d40d-43f9-88c5-b4633d873bdd")
            + identifier(owner, "6b5aea1a-874d-4603-a4bc-96a0a7b38446", patient_cx(patient),
                         "XDSSubmissionSet.patientId")
            + identifier(owner, "554ac39e-e3fe-47fe-b233-965d2a147832", "2.999.20.6", "XDSSubmissionSet.sourceId")
            + identifier(owner, "96fdda7c-d067-4183-912e-bf5ee74998a8", unique_id, "XDSSubmissionSet.uniqueId")
            + "</rim:RegistryPackage>")


def association(kind, source, target, extra=""):
    return '<rim:Association id="m%s" associationType="%s" sourceObject=%s targetObject=%s>%s</rim:Association>' % (
        uuid.uuid4().hex, kind, quoteattr(source), quoteattr(target), extra)


def member(source, target, status="Original"):
    return association(HAS_MEMBER, source, target, slot("SubmissionSetStatus", status))


def submit_objects(*objects):
    return ('<lcm:SubmitObjectsRequest xmlns:lcm="%s" xmlns:rim="%s"><rim:RegistryObjectList>%s'
            '</rim:RegistryObjectList></lcm:SubmitObjectsRequest>') % (LCM, RIM, "".join(objects))


def provide(objects, documents):
    """documents: (id, what stands inside Document)."""
    return '<xds:ProvideAndRegisterDocumentSetRequest xmlns:xds="%s">%s%s</xds:ProvideAndRegisterDocumentSetRequest>' % (
        XDS, submit_objects(*objects),
        "".join("<xds:Document id=%s>%s</xds:Document>" % (quoteattr(owner), inside) for owner, inside in documents))


def include(content_id):
    return '<xop:Include xmlns:xop="%s" href="cid:%s"/>' % (XOP, content_id)


def stored_query(query_id, parameters, return_type="LeafClass", home=None):
    """parameters: (name without $, text as it stands in the Value)."""
    return ('<query:AdhocQueryRequest xmlns:query="%s" xmlns:rim="%s"><query:ResponseOption '
            'returnComposedObjects="true" returnType="%s"/><rim:AdhocQuery id="urn:uuid:%s"%s>%s</rim:AdhocQuery>'
            "</query:AdhocQueryRequest>") % (QUERY, RIM, return_type, query_id,
                                             "" if home is None else " home=" + quoteattr(home),
                                             "".join(slot("$" + name, text) for name, text in parameters))


def find_documents(patient=support.PATIENT, status=APPROVED, *more, **options):
    return stored_query(FIND_DOCUMENTS, [("XDSDocumentEntryPatientId", "'%s'" % patient_cx(patient)),
                                         ("XDSDocumentEntryStatus", "('%s')" % status), *more], **options)


def retrieve(*documents, home=None):
    return '<xds:RetrieveDocumentSetRequest xmlns:xds="%s">%s</xds:RetrieveDocumentSetRequest>' % (XDS, "".join(
        "<xds:DocumentRequest>%s<xds:RepositoryUniqueId>%s</xds:RepositoryUniqueId><xds:DocumentUniqueId>%s"
        "</xds:DocumentUniqueId></xds:DocumentRequest>" % (
            "" if home is None else "<xds:HomeCommunityId>%s</xds:HomeCommunityId>" % home, repository,
            escape(unique_id))
        for repository, unique_id in documents))


def remove_objects(*ids):
    return ('<lcm:RemoveObjectsRequest xmlns:lcm="%s" xmlns:rim="%s"><rim:ObjectRefList>%s</rim:ObjectRefList>'
            "</lcm:RemoveObjectsRequest>") % (LCM, RIM, "".join('<rim:ObjectRef id="%s"/>' % each for each in ids))


def remove_documents(*documents):
    return retrieve(*documents).replace("xds:RetrieveDocumentSetRequest xmlns:xds",
                                        'rmd:RemoveDocumentsRequest xmlns:rmd="urn:ihe:iti:rmd:2017" xmlns:xds').replace(
        "xds:RetrieveDocumentSetRequest", "rmd:RemoveDocumentsRequest")


def envelope(action, body, message_id=None, head="", reply_to=WSA + "/anonymous"):
    message_id = message_id or "urn:uuid:" + str(uuid.uuid4())
    return ('<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="%s" xmlns:a="%s"><s:Header>'
            '<a:Action s:mustUnderstand="1">%s</a:Action><a:MessageID>%s</a:MessageID>'
            "<a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo><a:To>http://domain.example.org/</a:To>%s</s:Header>"
            "<s:Body>%s</s:Body></s:Envelope>") % (SOAP, WSA, action, message_id, reply_to, head, body)


def package(root, parts=(), boundary="b.o.u.n.d", newline=b"\r\n"):
    """A multipart/related body. parts: (headers as text lines, bytes)."""
    lines = [(['Content-Type: application/xop+xml; charset=UTF-8; type="application/soap+xml"',
               "Content-Transfer-Encoding: binary", "Content-ID: <root@tests>"], root.encode())]
    body = b""
    for headers, content in lines + list(parts):
        body += b"--" + boundary.encode() + newline + newline.join(line.encode() for line in headers)
        body += newline + newline + content + newline
    return body + b"--" + boundary.encode() + b"--" + newline


def package_type(action, boundary="b.o.u.n.d"):
    return ('multipart/related; boundary="%s"; type="application/xop+xml"; start="<root@tests>"; '
            'start-info="application/soap+xml"; action="%s"') % (boundary, action)


def part(content_id, content, content_type="application/octet-stream"):
    return (["Content-Type: " + content_type, "Content-Transfer-Encoding: binary", "Content-ID: <%s>" % content_id],
            content)


class Answer:
    """A SOAP answer, plain or as a package: status, the body's element, and parts by Content-ID."""

    def __init__(self, response):
        self.response = response
        self.status = response.status
        self.parts = {}
        self.content_type = response.header("Content-Type") or ""
        self.is_package = self.content_type.startswith("multipart/related")
        if self.is_package:
            message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(
                b"Content-Type: " + self.content_type.encode() + b"\r\n\r\n" + response.body)
            assert not message.defects, message.defects
            payloads = [(item["Content-ID"].strip("<>"), item.get_payload(decode=True)) for item in
                        message.iter_parts()]
            self.root = payloads[0][1]
            self.parts = dict(payloads[1:])
        else:
            self.root = response.body
        self.xml = xml.etree.ElementTree.fromstring(self.root)
        self.body = self.xml.find("{%s}Body" % SOAP)[0]

    def head(self, name):
        found = self.xml.find("{%s}Header/{%s}%s" % (SOAP, WSA, name))
        return None if found is None else found.text

    @property
    def outcome(self):
        """The last word of the status, of the RegistryResponse or the element that extends it; Fault for a fault."""
        if self.body.tag == "{%s}Fault" % SOAP:
            return "Fault"
        found = self.body if self.body.get("status") else self.body.find("{%s}RegistryResponse" % RS)
        return found.get("status").rsplit(":", 1)[1]

    @property
    def codes(self):
        return [error.get("errorCode") for error in self.body.iter("{%s}RegistryError" % RS)]

    @property
    def fault(self):
        """The local names of code and subcode, and the reason."""
        values = [value.text.split(":")[1] for value in self.body.iter("{%s}Value" % SOAP)]
        return values + [self.body.find("{%s}Reason/{%s}Text" % (SOAP, SOAP)).text]

    @property
    def objects(self):
        return list(self.body.find("{%s}RegistryObjectList" % RIM))

    def unique_ids(self):
        return [item.get("value") for item in self.body.iter("{%s}ExternalIdentifier" % RIM)
                if item.get("identificationScheme").endswith(("2e82c1f6-a085-4c72-9da3-8640a32e42ab",
                                                              "96fdda7c-d067-4183-912e-bf5ee74998a8",
                                                              "75df8f67-9973-4fbe-a900-df66cefecc5a"))]

    def documents(self):
        """uniqueId -> (mimeType, bytes) of an ITI-43 answer."""
        found = {}
        for item in self.body.iter("{%s}DocumentResponse" % XDS):
            href = item.find("{%s}Document/{%s}Include" % (XDS, XOP)).get("href")
            found[item.findtext("{%s}DocumentUniqueId" % XDS)] = (item.findtext("{%s}mimeType" % XDS),
                                                                  self.parts[urllib.parse.unquote(href[len("cid:"):])])
        return found

    def __repr__(self):
        return "%d %s\n%s" % (self.status, self.content_type, self.root[:4000].decode("utf-8", "replace"))


def schema_faults(texts):
    """Validates messages against the public schemas (with XOP); returns what is wrong. Skips when they are absent."""
    schema = support.shared("xds", "schema", "xds-soap-wire.xsd")
    if not shutil.which("xmllint"):
        support.absent("xmllint is not installed")
    with tempfile.TemporaryDirectory() as directory:
        names = []
        for index, text in enumerate(texts):
            names.append(os.path.join(directory, "%06d.xml" % index))
            with open(names[-1], "wb") as file:
                file.write(text)
        done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", schema, *names], capture_output=True,
                              text=True, check=False)
        return [line for line in done.stderr.splitlines() if not re.search(r" validates$", line)]
