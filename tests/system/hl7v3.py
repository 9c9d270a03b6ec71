"""HL7 V3 messages of patient identity made and read without any code of ours: by hand, for tests of the identity manager."""
import re
import shutil
import subprocess
import tempfile
import os
import uuid
from xml.sax.saxutils import quoteattr

import support
import xds

V3 = "urn:hl7-org:v3"
PIX_QUERY, PIX_ANSWER = "PRPA_IN201309UV02", "PRPA_IN201310UV02"
PDQ_QUERY, PDQ_ANSWER = "PRPA_IN201305UV02", "PRPA_IN201306UV02"
ADD, REVISE, MERGE, ACK = "PRPA_IN201301UV02", "PRPA_IN201302UV02", "PRPA_IN201304UV02", "MCCI_IN000002UV01"

RED, GREEN, BLUE = ("1.3.6.1.4.1.21367.13.20.%d" % number for number in (1000, 2000, 3000))


def action(interaction):
    return V3 + ":" + interaction


def ii(name, root, extension=None):
    return "<%s root=%s%s/>" % (name, quoteattr(root), "" if extension is None else " extension=" + quoteattr(extension))


def device(role, code, oid, home=None):
    agent = "" if home is None else (
        '<asAgent classCode="AGNT"><representedOrganization classCode="ORG" determinerCode="INSTANCE">%s'
        "</representedOrganization></asAgent>") % ii("id", home)
    return ('<%s typeCode="%s"><device classCode="DEV" determinerCode="INSTANCE">%s%s</device></%s>'
            % (role, code, ii("id", oid), agent, role))


def message(interaction, control_act, message_id=None, home=None, receiver_home=None):
    return ('<%s xmlns="%s" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ITSVersion="XML_1.0">%s'
            '<creationTime value="20260401120000"/><interactionId root="2.16.840.1.113883.1.6" extension="%s"/>'
            '<processingCode code="P"/><processingModeCode code="T"/><acceptAckCode code="AL"/>'
            '%s%s<controlActProcess classCode="CACT" moodCode="EVN"><code code="%s" '
            'codeSystem="2.16.840.1.113883.1.6"/>%s</controlActProcess></%s>') % (
                interaction, V3, message_id or ii("id", str(uuid.uuid4())), interaction,
                device("receiver", "RCV", "2.999.30.1", receiver_home), device("sender", "SND", "2.999.30.2", home),
                interaction.replace("_IN", "_TE"), control_act, interaction)


def parameter(name, value):
    return "<%s>%s<semanticsText>x</semanticsText></%s>" % (name, value, name)


def pix_query(root, extension, domains=(), query_id=None, **options):
    return message(PIX_QUERY, '<queryByParameter>%s<statusCode code="new"/><responsePriorityCode code="I"/>'
                   "<parameterList>%s%s</parameterList></queryByParameter>" % (
                       query_id or ii("queryId", str(uuid.uuid4())),
                       "".join(parameter("dataSource", ii("value", domain)) for domain in domains),
                       parameter("patientIdentifier", ii("value", root, extension))), **options)


def pdq_query(parameters, minimum=None, quantity=None, **options):
    """parameters: the elements of parameterList, in the order of the schema."""
    return message(PDQ_QUERY, "<queryByParameter>%s<statusCode code=\"new\"/>%s%s<parameterList>%s</parameterList>"
                   "</queryByParameter>" % (
                       ii("queryId", str(uuid.uuid4())),
                       "" if quantity is None else '<initialQuantity value="%d"/>' % quantity,
                       "" if minimum is None else "<matchCriterionList>%s</matchCriterionList>" % parameter(
                           "minimumDegreeMatch", '<value xsi:type="INT" value="%d"/>' % minimum),
                       parameters), **options)


def by_name(family=None, given=None, exact=False):
    return parameter("livingSubjectName", "<value%s>%s%s</value>" % (
        "" if exact else ' use="SRCH"', "" if given is None else "<given>%s</given>" % given,
        "" if family is None else "<family>%s</family>" % family))


def by_birth(value):
    return parameter("livingSubjectBirthTime", '<value value="%s"/>' % value)


def by_gender(code):
    return parameter("livingSubjectAdministrativeGender", '<value code="%s"/>' % code)


def by_id(root, extension):
    return parameter("livingSubjectId", ii("value", root, extension))


def by_domain(root):
    return parameter("otherIDsScopingOrganization", ii("value", root))


def feed(interaction, own, others=(), ended=(), person='<name><family>Fictional</family><given>Fay</given></name>',
         subsumed=None):
    """own, others, ended: (root, extension)."""
    def other(identity, status=""):
        return ('<asOtherIDs classCode="PAT">%s%s<scopingOrganization classCode="ORG" determinerCode="INSTANCE">%s'
                "</scopingOrganization></asOtherIDs>") % (ii("id", *identity), status, ii("id", identity[0]))

    replaced = "" if subsumed is None else (
        '<replacementOf typeCode="RPLC"><priorRegistration classCode="REG" moodCode="EVN"><statusCode code="obsolete"/>'
        '<subject1 typeCode="SBJ"><priorRegisteredRole classCode="PAT">%s</priorRegisteredRole></subject1>'
        "</priorRegistration></replacementOf>") % ii("id", *subsumed)
    return message(interaction, (
        '<subject typeCode="SUBJ"><registrationEvent classCode="REG" moodCode="EVN"><statusCode code="active"/>'
        '<subject1 typeCode="SBJ"><patient classCode="PAT">%s<statusCode code="active"/>'
        '<patientPerson classCode="PSN" determinerCode="INSTANCE">%s%s%s</patientPerson></patient></subject1>'
        '<custodian typeCode="CST"><assignedEntity classCode="ASSIGNED"><id root="2.999.30.2"/></assignedEntity>'
        "</custodian>%s</registrationEvent></subject>") % (
            ii("id", *own), person, "".join(other(identity) for identity in others),
            "".join(other(identity, '<statusCode code="terminated"/>') for identity in ended), replaced))


class Reply:
    """The HL7 V3 message in an xds.Answer."""

    def __init__(self, answer):
        self.answer = answer
        self.body = answer.body

    def all(self, path):
        return self.body.findall("/".join("{%s}%s" % (V3, step) for step in path.split("/")))

    def code(self, path):
        found = self.all(path)
        return found[0].get("code") if found else None

    @property
    def kind(self):
        return self.body.tag.split("}")[1]

    @property
    def codes(self):
        """Acknowledgement, query response, and of an error its code and location."""
        location = self.all("acknowledgement/acknowledgementDetail/location")
        return (self.code("acknowledgement/typeCode"), self.code("controlActProcess/queryAck/queryResponseCode"),
                self.code("acknowledgement/acknowledgementDetail/code"), location[0].text if location else None)

    def ids(self, person=None):
        patient = "controlActProcess/subject/registrationEvent/subject1/patient"
        patients = self.all(patient)[slice(person, None if person is None else person + 1)]
        return [(item.get("root"), item.get("extension")) for one in patients
                for item in one.findall("{%s}id" % V3)]

    @property
    def patients(self):
        """(family name, degree) of each."""
        return [(one.findtext("{%s}patientPerson/{%s}name/{%s}family" % (V3, V3, V3)),
                 int(one.find("{%s}subjectOf1/{%s}queryMatchObservation/{%s}value" % (V3, V3, V3)).get("value")))
                for one in self.all("controlActProcess/subject/registrationEvent/subject1/patient")]

    @property
    def requests(self):
        """The traits that a community asks for (ITI-55)."""
        return [item.get("code") for item in
                self.all("controlActProcess/reasonOf/detectedIssueEvent/triggerFor/actOrderRequired/code")]

    @property
    def problem(self):
        return self.code("controlActProcess/reasonOf/detectedIssueEvent/mitigatedBy/detectedIssueManagement/code")

    def quantity(self, name):
        return int(self.all("controlActProcess/queryAck/" + name)[0].get("value"))

    def __repr__(self):
        return repr(self.answer)


def schema_faults(texts):
    """Validates whole SOAP messages against the public schemas; returns what is wrong. Skips when they are absent."""
    schema = support.shared("xds", "schema", "hl7v3-soap.xsd")
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
