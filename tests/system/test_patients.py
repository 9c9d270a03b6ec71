"""Patients at the FHIR face: PIXm and PDQm over the embedded domain's PIX and PDQ manager, and patients named by any of
their identifiers. Two gateways share a real Redis; a proxy in front of the manager counts, holds and cuts."""
import concurrent.futures
import copy
import json
import os
import shutil
import tempfile
import threading
import unittest
import urllib.parse
import xml.etree.ElementTree as ElementTree

import fhir_peer
import proxy
import support
import trust
import validator
from attacks import fresh_bundle, reference, submission_set

RED, GREEN, BLUE = trust.RED, trust.GREEN, support.AUTHORITY
MATRICULE = "1.3.182.4.4"
RED_SYSTEM = "https://red.example/mrn"
PIX_QUERY, PDQ_QUERY = "PRPA_IN201309UV02", "PRPA_IN201305UV02"
ADD, REVISE, MERGE = "PRPA_IN201301UV02", "PRPA_IN201302UV02", "PRPA_IN201304UV02"
JSON = {"Content-Type": "application/fhir+json", "Accept": "application/fhir+json"}
XML = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}
F = "{http://hl7.org/fhir}"


def oid(root):
    return "urn:oid:" + root


def token(root, value):
    return "%s|%s" % (oid(root), value)


def identifier(root, value):
    return {"system": oid(root), "value": value}


class PatientStand(unittest.TestCase):
    gateway_overrides = {}
    gateway_names = ("gateway", "second")
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-patients-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.redis = trust.Redis(cls.directory)
        cls.addClassCleanup(cls.redis.kill)
        cls.peer = fhir_peer.FhirPeer()
        cls.addClassCleanup(cls.peer.close)
        cls.domain = support.Domain(
            cls.directory, demographics_file=os.path.join(support.ROOT, "conf/demo/patients.json"),
            cross_references=["%s|IHE%s-1001..IHE%s-1010 = IHEBLUE-1001..IHEBLUE-1010" % (root, color, color)
                              for root, color in ((RED, "RED"), (GREEN, "GREEN"))])
        cls.addClassCleanup(cls.domain.kill)
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateways = []
        for name in cls.gateway_names:
            cls.gateways.append(support.Gateway(cls.directory, [cls.domain.back_end()], name=name, **cls.overrides()))
            cls.addClassCleanup(cls.gateways[-1].kill)
        cls.gateway = cls.gateways[0]
        cls.number = 0

    @classmethod
    def overrides(cls):
        overrides = {
            "patient": {"assigning_authority": BLUE, "identity_base": cls.peer.base},
            "redis": {"address": cls.redis.path, "command_timeout_ms": 5000},
            "identity": {
                "pix_url": cls.proxy.url("/pix"), "pdq_url": cls.proxy.url("/pdq"), "feed_url": cls.proxy.url("/pix"),
                "authorities": [{"number": 1, "oid": RED, "source": "*", "system": RED_SYSTEM},
                                {"number": 2, "oid": GREEN, "source": "green-adt"},
                                {"number": 3, "oid": MATRICULE}],
            },
        }
        for section, more in copy.deepcopy(cls.gateway_overrides).items():
            overrides[section] = dict(overrides.get(section, {}), **more)
        return overrides

    @classmethod
    def tearDownClass(cls):
        for gateway in cls.gateways:
            gateway.stop()
        cls.domain.stop()

    def setUp(self):
        self.proxy.clear()

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    @classmethod
    def fresh(cls, prefix="F"):
        cls.number += 1
        return "%s-%d" % (prefix, cls.number)

    def get(self, path, headers=None, gateway=None):
        return support.request("GET", (gateway or self.gateway).base + path, headers)

    def pix(self, source, *targets, gateway=None, status=200):
        """All identifiers that $ihe-pix answers with, and the targetIds."""
        query = urllib.parse.urlencode([("sourceIdentifier", source)] + [("targetSystem", target) for target in targets])
        answer = self.assertStatus(self.get("/Patient/$ihe-pix?" + query, gateway=gateway), status).json()
        if status != 200:
            return answer["issue"][0]
        self.assertEqual(answer["resourceType"], "Parameters")
        values, references = [], []
        for parameter in answer.get("parameter", []):
            if parameter["name"] == "targetIdentifier":
                values.append("%(system)s|%(value)s" % parameter["valueIdentifier"])
            else:
                self.assertEqual(parameter["name"], "targetId")
                references.append(parameter["valueReference"]["reference"])
        return sorted(values), references

    def feed(self, root, value, status, gateway=None, headers=None, **more):
        """ITI-104 with a Patient that holds the identifier and whatever else is given."""
        patient = dict({"resourceType": "Patient", "identifier": [identifier(root, value)]}, **more)
        return self.assertStatus(support.request(
            "PUT", "%s/Patient?identifier=%s" % ((gateway or self.gateway).base, urllib.parse.quote(token(root, value))),
            headers or JSON, json.dumps(patient).encode()), status)

    def merge(self, root, old, new, status=200, **more):
        return self.feed(root, old, status, active=False, link=[
            {"other": {"identifier": identifier(root, new)}, "type": "replaced-by"}], **more)

    def know_matricules(self):
        """The manager knows a domain from the first feed that names it."""
        value = self.fresh("IHERED")
        self.feed(RED, value, 201, identifier=[identifier(RED, value), identifier(MATRICULE, "1990010100160")])

    def matches(self, response, status=200):
        bundle = self.assertStatus(response, status).json()
        entries = bundle.get("entry", [])
        found = [entry["resource"] for entry in entries if entry["search"]["mode"] == "match"]
        issues = [issue for entry in entries if entry["search"]["mode"] == "outcome"
                  for issue in entry["resource"]["issue"]]
        return found, issues, bundle

    def search(self, gateway=None, **parameters):
        return self.get("/Patient?" + urllib.parse.urlencode(parameters), gateway=gateway)

    def values(self, patients):
        """The affinity domain's identifiers of Patients."""
        return [each["value"] for patient in patients for each in patient["identifier"] if each["system"] == oid(BLUE)]


class CorrespondingIdentifiers(PatientStand):
    gateway_names = ("gateway",)

    def test_all_domains_and_some(self):
        red, green, blue = (token(root, "IHE%s-1001" % color)
                            for root, color in ((RED, "RED"), (GREEN, "GREEN"), (BLUE, "BLUE")))
        values, references = self.pix(red)
        self.assertEqual(values, [green, blue])
        self.assertEqual(len(references), 1)
        self.assertEqual(self.pix(blue)[0], [red, green])
        self.assertEqual(self.pix(red, oid(BLUE)), ([blue], references))
        self.assertEqual(self.pix(red, oid(GREEN)), ([green], []))
        self.assertEqual(self.pix(red, oid(GREEN), oid(BLUE)), ([green, blue], references))
        self.assertEqual(self.pix(red, self.gateway.base), ([], references))
        self.assertEqual(self.pix(red, oid(MATRICULE)), ([], []))
        self.assertEqual(self.pix(red, oid(RED)), ([], []))
        self.assertEqual(self.pix(RED_SYSTEM + "|IHERED-1001")[0], [green, blue])
        # the Patient of the targetId, asked about by its id: its own identifier is an answer, its id is not
        self.assertEqual(self.pix(self.gateway.base + "|" + references[0]), ([red, green, blue], []))

    def test_errors_as_laid_down(self):
        """PIXm 3.83.4.2.2.2 to 3.83.4.2.2.4, word for word."""
        for source, targets, status, code, text in (
                (token(RED, "IHERED-9999"), (), 404, "not-found", "sourceIdentifier Patient Identifier not found"),
                (token("2.999.40", "1"), (), 400, "code-invalid", "sourceIdentifier Assigning Authority not found"),
                ("https://nowhere.example|1", (), 400, "code-invalid", "sourceIdentifier Assigning Authority not found"),
                (token(RED, "IHERED-1001"), (oid("2.999.40"),), 403, "code-invalid", "targetSystem not found"),
                (token(RED, "IHERED-1001"), (oid(BLUE), "x"), 403, "code-invalid", "targetSystem not found"),
                (self.gateway.base + "|Patient/x", (), 404, "not-found", "sourceIdentifier Patient Identifier not found"),
                (self.peer.base + "|Patient/x", (), 404, "not-found", "sourceIdentifier Patient Identifier not found")):
            issue = self.pix(source, *targets, status=status)
            self.assertEqual((issue["severity"], issue["code"], issue["diagnostics"]), ("error", code, text), source)
        for query, code in (("", "required"), ("targetSystem=" + oid(BLUE), "required"),
                            ("sourceIdentifier=4711", "value"), ("sourceIdentifier=%7C4711", "value"),
                            ("sourceIdentifier=urn:oid:1.2%7C", "value"),
                            ("sourceIdentifier=urn:oid:1.2%7C1&sourceIdentifier=urn:oid:1.2%7C1", "value"),
                            ("sourceIdentifier=urn:oid:1.2%7C1&targetsystem=urn:oid:1.2", "not-supported")):
            answer = self.assertStatus(self.get("/Patient/$ihe-pix?" + query), 400).json()
            self.assertEqual(answer["issue"][0]["code"], code, query)
        self.assertEqual(self.proxy.count(PIX_QUERY), 1)

    def test_xml_and_post(self):
        query = "/Patient/%24ihe-pix?sourceIdentifier=" + urllib.parse.quote(token(RED, "IHERED-1002"))
        root = ElementTree.fromstring(self.assertStatus(self.get(query, XML), 200).body)
        self.assertEqual(root.tag, F + "Parameters")
        self.assertIn("IHEBLUE-1002", [each.get("value") for each in root.iter(F + "value")])
        self.assertStatus(self.get(query + "&_format=xml"), 200)
        body = {"resourceType": "Parameters", "parameter": [
            {"name": "sourceIdentifier", "valueString": token(RED, "IHERED-1002")},
            {"name": "targetSystem", "valueUri": oid(BLUE)}]}
        answer = self.assertStatus(support.request("POST", self.gateway.base + "/Patient/$ihe-pix", JSON,
                                                   json.dumps(body).encode()), 200).json()
        self.assertEqual(answer["parameter"][0]["valueIdentifier"], identifier(BLUE, "IHEBLUE-1002"))
        xml = ('<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="sourceIdentifier"/><valueString value="%s"/>'
               "</parameter></Parameters>" % token(RED, "IHERED-1002")).encode()
        root = ElementTree.fromstring(self.assertStatus(
            support.request("POST", self.gateway.base + "/Patient/$ihe-pix", XML, xml), 200).body)
        self.assertIn("IHEGREEN-1002", [each.get("value") for each in root.iter(F + "value")])

    def test_084_an_identifier_is_one_value(self):
        """What looks like HL7 V2 or XML inside a value stays inside it; nobody else is ever asked about."""
        for value in ("IHERED-1001^^^&%s&ISO" % GREEN, "IHERED-1001|", "IHERED-1001~IHERED-1002", "a&amp;amp;b<x/>", '"/>',
                      "IHERED-1001' or '1'='1"):
            self.pix(token(RED, value.replace("|", "\\|")), status=404)
        for value in ("IHERED-1001\r\n", "IHERED\x001001", " IHERED-1001", "x" * 129):
            self.pix(token(RED, value), status=400)
        self.assertNotIn(b"IHERED-1001\"", b"".join(exchange.body for exchange in self.proxy.seen))

    def test_matricule(self):
        self.know_matricules()
        for value, status in (("1893120105732", 404), ("1893120105733", 404), ("189312010573", 400),
                              ("1893139905732", 400), ("189312010573X", 400)):
            self.pix(token(MATRICULE, value), status=status)


class StrictCheckDigits(PatientStand):
    gateway_names = ("gateway",)
    gateway_overrides = {"identity": {"strict_check_digits": True}}

    def test_matricule(self):
        self.know_matricules()
        for value, status in (("1893120105732", 404), ("1893120105733", 400), ("1893120105742", 400)):
            self.pix(token(MATRICULE, value), status=status)


class AnyIdentifier(PatientStand):
    """ITI-65, ITI-66 and ITI-67 by whatever names the patient."""
    gateway_names = ("gateway",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        answer = cls.gateway.publish(fresh_bundle())
        assert answer.status == 200, repr(answer)
        cls.peer.add({"resourceType": "Patient", "id": "p1", "identifier": [identifier(RED, "IHERED-1001")]})

    def find(self, kind="DocumentReference", status=200, **names):
        query = {"status": "current"}
        if kind == "List":
            query["code"] = "submissionset"
        query.update({name.replace("_", "."): value for name, value in names.items()})
        return self.matches(self.get("/%s?%s" % (kind, urllib.parse.urlencode(query))), status)

    def nobody(self, kind="DocumentReference", **names):
        """The issues of a search for a patient whom nobody knows."""
        query = {"status": "current"}
        query.update({"code": "submissionset"} if kind == "List" else {})
        query.update({name.replace("_", "."): value for name, value in names.items()})
        answer = self.get("/%s?%s" % (kind, urllib.parse.urlencode(query)))
        return self.assertStatus(answer, 404).json()["issue"]

    def patient_id(self, source):
        return self.pix(source, self.gateway.base)[1][0]

    def test_found_by_every_name(self):
        red_id = self.matches(self.search(identifier=token(RED, "IHERED-1001")))[0][0]["id"]
        for names in ({"patient_identifier": token(BLUE, "IHEBLUE-1001")},
                      {"patient_identifier": token(RED, "IHERED-1001")},
                      {"patient_identifier": token(GREEN, "IHEGREEN-1001")},
                      {"patient_identifier": RED_SYSTEM + "|IHERED-1001"},
                      {"patient_identifier": "%s|%s" % (self.gateway.base, self.patient_id(token(RED, "IHERED-1001")))},
                      {"patient_identifier": self.peer.base + "|Patient/p1"},
                      {"patient": self.patient_id(token(GREEN, "IHEGREEN-1001"))}, {"patient": "Patient/" + red_id},
                      {"patient": self.peer.base + "/Patient/p1"}, {"patient": "Patient/p1"}):
            for kind in ("DocumentReference", "List"):
                found, issues, _ = self.find(kind, **names)
                self.assertEqual((len(found), issues), (1, []), names)

    def test_nobody_is_said(self):
        for names in ({"patient_identifier": token(RED, "IHERED-9999")}, {"patient_identifier": token("2.999.40", "1")},
                      {"patient": "Patient/nobody"}, {"patient": self.peer.base + "/Patient/p9"}):
            for kind in ("DocumentReference", "List"):
                issues = self.nobody(kind, **names)
                self.assertEqual([(issue["severity"], issue["code"]) for issue in issues], [("error", "not-found")], names)
        # in the affinity domain nobody is asked whether there is such a patient
        self.assertEqual(self.find(patient_identifier=token(BLUE, "IHEBLUE-9999"))[:2], ([], []))

    def test_wrong_form_is_refused_and_wrong_digits_are_said(self):
        answer = self.get("/DocumentReference?status=current&patient.identifier=" + token(MATRICULE, "123"))
        self.assertEqual(self.assertStatus(answer, 400).json()["issue"][0]["code"], "value")
        issues = self.nobody(patient_identifier=token(MATRICULE, "1893120105733"))
        self.assertEqual([issue["severity"] for issue in issues], ["warning", "error"])
        self.assertIn("check digits", issues[0]["diagnostics"])

    def publish(self, subject, status, contained=None, patient=support.PATIENT):
        bundle = support.demo_bundle(b"x", "text/plain", patient)
        for each in (reference(bundle), submission_set(bundle)):
            each["subject"] = subject
            if contained:
                each["contained"] = each.get("contained", []) + [dict(contained, resourceType="Patient", id="who")]
        return self.assertStatus(self.gateway.publish(bundle), status).json()

    def test_published_by_every_name(self):
        for value, subject in (("IHEBLUE-1004", {"identifier": identifier(RED, "IHERED-1004")}),
                               ("IHEBLUE-1005", {"identifier": {"system": self.gateway.base,
                                                                "value": self.patient_id(token(RED, "IHERED-1005"))}}),
                               ("IHEBLUE-1006", {"reference": self.patient_id(token(GREEN, "IHEGREEN-1006"))})):
            self.publish(subject, 200, patient=value)
            self.assertEqual(len(self.find(patient_identifier=token(BLUE, value))[0]), 1, subject)
        self.publish({"reference": "#who"}, 200, {"identifier": [identifier(GREEN, "IHEGREEN-1007"),
                                                                 identifier("2.999.40", "1")]}, "IHEBLUE-1007")
        self.assertEqual(len(self.find(patient_identifier=token(RED, "IHERED-1007"))[0]), 1)

    def test_published_for_nobody(self):
        for subject in ({"identifier": identifier(RED, "IHERED-9999")}, {"identifier": identifier("2.999.40", "1")}):
            self.assertEqual(self.publish(subject, 422)["issue"][0]["code"], "not-found")
        self.publish({"identifier": identifier(MATRICULE, "123")}, 400)

    def test_several_patients_are_a_conflict(self):
        """Identifiers that lead to two patients of the affinity domain, and one that means two."""
        answer = self.publish({"reference": "#who"}, 409, {"identifier": [identifier(RED, "IHERED-1001"),
                                                                          identifier(GREEN, "IHEGREEN-1002")]})
        self.assertEqual(answer["issue"][0]["code"], "multiple-matches")
        self.peer.add({"resourceType": "Patient", "id": "two", "identifier": [identifier(RED, "IHERED-1001"),
                                                                              identifier(RED, "IHERED-1002")]})
        issue = self.assertStatus(self.get("/DocumentReference?status=current&patient=Patient/two"), 409).json()["issue"]
        self.assertEqual(issue[0]["code"], "multiple-matches")

    def test_patients_who_were_replaced(self):
        """A Patient of the identity server that was replaced stands for the survivor; one out of use for nobody."""
        link = [{"other": {"reference": "Patient/p1"}, "type": "replaced-by"}]
        wrong = [identifier(RED, "IHERED-1002")]
        self.peer.add({"resourceType": "Patient", "id": "old", "active": False, "identifier": wrong, "link": link})
        self.peer.add({"resourceType": "Patient", "id": "older", "identifier": wrong, "link": [
            {"other": {"identifier": identifier(GREEN, "IHEGREEN-1001")}, "type": "replaced-by"}]})
        self.peer.add({"resourceType": "Patient", "id": "gone", "active": False, "identifier": wrong})
        self.peer.add({"resourceType": "Patient", "id": "ring", "identifier": wrong, "link": [
            {"other": {"reference": "Patient/ring"}, "type": "replaced-by"}]})
        self.peer.add({"resourceType": "Patient", "id": "away", "identifier": wrong, "link": [
            {"other": {"reference": "http://127.0.0.1:9/fhir/Patient/p1"}, "type": "replaced-by"}]})
        for name in ("old", "older"):
            self.assertEqual(len(self.find(patient="Patient/" + name)[0]), 1, name)
        for name in ("gone", "ring", "away"):
            self.assertEqual(self.nobody(patient="Patient/" + name)[-1]["code"], "not-found")
            self.publish({"reference": self.peer.base + "/Patient/" + name}, 422)


class Feeds(PatientStand):
    def test_add_revise_and_find(self):
        value = self.fresh("IHERED")
        mohr = {"name": [{"family": "Mohr-" + value, "given": ["Alissa"]}], "gender": "female",
                "birthDate": "1958-01-30", "active": True}
        answer = self.feed(RED, value, 201, **mohr)
        location = answer.header("Location")
        self.assertEqual(location, self.gateway.base + "/Patient/" + answer.json()["id"])
        read = self.assertStatus(support.request("GET", location), 200).json()
        self.assertEqual((read["name"][0]["given"], read["birthDate"]), (["Alissa"], "1958-01-30"))
        mohr["name"][0]["given"] = ["Alice"]
        self.feed(RED, value, 200, gateway=self.gateways[1], **mohr)
        self.assertEqual(support.request("GET", location).json()["name"][0]["given"], ["Alice"])

    def test_xml(self):
        value = self.fresh("IHERED")
        body = ('<Patient xmlns="http://hl7.org/fhir"><identifier><system value="%s"/><value value="%s"/></identifier>'
                '<name><family value="Xml-%s"/></name></Patient>' % (RED_SYSTEM, value, value)).encode()
        answer = self.assertStatus(support.request("PUT", "%s/Patient?identifier=%s" % (
            self.gateway.base, urllib.parse.quote(token(RED, value))), XML, body), 201)
        root = ElementTree.fromstring(answer.body)
        self.assertEqual((root.tag, root.find(F + "identifier/" + F + "system").get("value")), (F + "Patient", oid(RED)))
        self.assertEqual(self.pix(token(RED, value))[0], [])

    def test_linked_by_what_the_source_may_say(self):
        """A national number has no source of its own: every feed may say it, and it links."""
        one, two, number = self.fresh("IHERED"), self.fresh("IHERED"), "1990010100160"
        patient = {"identifier": [identifier(MATRICULE, number), identifier(RED, one)], "name": [{"family": "X"}]}
        self.feed(RED, one, 201, **patient)
        self.assertEqual(self.pix(token(RED, one))[0], [token(MATRICULE, number)])
        self.assertEqual(self.pix(token(MATRICULE, number))[0], [token(RED, one)])
        # what is not known here is left out, and what is another source's is not for this one to say
        self.feed(RED, two, 201, identifier=[identifier(RED, two), identifier("2.999.40", "1")])
        self.assertEqual(self.pix(token(RED, two))[0], [])
        for other in (identifier(GREEN, "IHEGREEN-1001"), identifier(BLUE, "IHEBLUE-1001")):
            self.feed(RED, two, 403, identifier=[identifier(RED, two), other])
        self.assertEqual(self.pix(token(RED, two))[0], [])

    def test_refusals(self):
        value = self.fresh("IHERED")
        self.feed(GREEN, "IHEGREEN-1", 403)
        self.feed(BLUE, "IHEBLUE-1001", 403)
        self.feed(MATRICULE, "1893120105732", 403)
        self.feed("2.999.40", "1", 403)
        self.feed(RED, value, 422, identifier=[identifier(RED, "another")])
        self.feed(RED, value, 422, identifier=[identifier("2.999.40", value)])
        self.feed(RED, value, 400, birthDate="yesterday")
        self.feed(RED, value, 400, identifier=[identifier(RED, value), identifier(MATRICULE, "12")])
        self.merge(RED, value, value, 409)
        self.merge(RED, value, "IHERED-9999", 422)
        self.feed(RED, value, 422, link=[{"other": {"identifier": identifier(RED, "IHERED-1001")}, "type": "replaced-by"}])
        self.feed(RED, value, 422, active=False, link=[
            {"other": {"identifier": identifier(GREEN, "IHEGREEN-1001")}, "type": "replaced-by"}])
        body = json.dumps({"resourceType": "Patient", "identifier": [identifier(RED, value)]}).encode()
        for query, status in (("", 400), ("?identifier=" + value, 403), ("?family=x", 400),
                              ("?identifier=%s&identifier=%s" % ((urllib.parse.quote(token(RED, value)),) * 2), 400),
                              ("?identifier=%s,%s" % ((urllib.parse.quote(token(RED, value)),) * 2), 400)):
            self.assertStatus(support.request("PUT", self.gateway.base + "/Patient" + query, JSON, body), status)
        url = self.gateway.base + "/Patient?identifier=" + urllib.parse.quote(token(RED, value))
        self.assertStatus(support.request("PUT", url, JSON, b'{"resourceType": "Person"}'), 400)
        self.assertStatus(support.request("PUT", url, JSON, b""), 400)
        self.assertStatus(support.request("PUT", url, {"Content-Type": "text/plain"}, body), 415)
        refused = self.assertStatus(support.request("DELETE", url), 405)
        self.assertEqual(refused.header("Allow"), "GET, HEAD, PUT")
        self.assertEqual([self.proxy.count(kind) for kind in (ADD, REVISE)], [0, 0])
        self.pix(token(RED, value), status=404)

    def test_101_merged_while_cached(self):
        """The old alias is dead on both gateways when the merge is acknowledged, whatever they had remembered."""
        old, new = self.fresh("IHERED"), self.fresh("IHERED")
        number = "2000123199983"
        self.feed(RED, old, 201, identifier=[identifier(RED, old), identifier(MATRICULE, number)])
        self.feed(RED, new, 201)
        for gateway in self.gateways:
            self.assertEqual(self.pix(token(RED, old), gateway=gateway)[0], [token(MATRICULE, number)])
            self.assertEqual(self.pix(token(RED, new), gateway=gateway)[0], [])
        answer = self.merge(RED, old, new).json()
        self.assertEqual(answer["link"][0]["other"]["identifier"], identifier(RED, new))
        for gateway in self.gateways:
            self.pix(token(RED, old), gateway=gateway, status=404)
            self.assertEqual(self.pix(token(RED, new), gateway=gateway)[0], [token(MATRICULE, number)])
            self.assertEqual(self.pix(token(MATRICULE, number), gateway=gateway)[0], [token(RED, new)])
        self.assertStatus(support.request("GET", "%s/Patient/%s" % (self.gateway.base, answer["id"])), 404)
        self.merge(RED, old, new)  # doing it twice is doing it once

    def test_101_answers_that_were_on_their_way(self):
        """An answer from before a merge that arrives after it is not remembered by anybody."""
        old, new = self.fresh("IHERED"), self.fresh("IHERED")
        number = "1952022901008"
        self.feed(RED, old, 201, identifier=[identifier(RED, old), identifier(MATRICULE, number)])
        self.feed(RED, new, 201)
        asked, goes_on = threading.Event(), threading.Event()

        def slow(exchange):
            answer = exchange.pass_on()
            asked.set()
            goes_on.wait(60)
            exchange.answer(*answer)

        self.proxy.script(PIX_QUERY, slow)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            before = pool.submit(self.pix, token(MATRICULE, number))
            self.assertTrue(asked.wait(60))
            self.merge(RED, old, new, gateway=self.gateways[1])
            goes_on.set()
            self.assertEqual(before.result()[0], [token(RED, old)])
        for gateway in self.gateways:
            self.assertEqual(self.pix(token(MATRICULE, number), gateway=gateway)[0], [token(RED, new)])

    def test_101_asked_while_the_merge_is_on_its_way(self):
        """What is asked and remembered after a merge was begun and before it was made dies with its acknowledgement."""
        old, new = self.fresh("IHERED"), self.fresh("IHERED")
        number = "1893120105732"
        self.feed(RED, old, 201, identifier=[identifier(RED, old), identifier(MATRICULE, number)])
        self.feed(RED, new, 201)
        event = threading.Event()
        self.proxy.script(MERGE, proxy.held(event))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            merging = pool.submit(self.merge, RED, old, new)
            support.wait_until(lambda: self.proxy.count(MERGE) > 0, "the merge")
            for gateway in self.gateways:
                self.assertEqual(self.pix(token(MATRICULE, number), gateway=gateway)[0], [token(RED, old)])
            event.set()
            merging.result()
        for gateway in self.gateways:
            self.assertEqual(self.pix(token(MATRICULE, number), gateway=gateway)[0], [token(RED, new)])

    def test_a_feed_that_cannot_be_announced_is_not_made(self):
        value = self.fresh("IHERED")
        self.redis.cli("client", "pause", "60000", "all")
        try:
            self.feed(RED, value, 503)
        finally:
            self.redis.cli("client", "unpause")
        self.assertEqual(self.proxy.count(ADD), 0)

        def fed(gateway):
            body = json.dumps({"resourceType": "Patient", "identifier": [identifier(RED, value)]}).encode()
            return support.request("PUT", "%s/Patient?identifier=%s" % (
                gateway.base, urllib.parse.quote(token(RED, value))), JSON, body).status in (200, 201)
        for gateway in self.gateways:
            support.wait_until(lambda gateway=gateway: fed(gateway), "Redis is used again")


class Remembered(PatientStand):
    def test_both_gateways_share_what_was_found(self):
        source = token(RED, "IHERED-1003")
        for gateway in self.gateways * 3:
            self.assertEqual(len(self.pix(source, gateway=gateway)[0]), 2)
        self.assertEqual(self.proxy.count(PIX_QUERY), 1)
        for gateway in self.gateways * 3:
            self.pix(token(RED, "IHERED-7777"), gateway=gateway, status=404)
        self.assertEqual(self.proxy.count(PIX_QUERY), 2)

    def test_who_misses_at_the_same_time_asks_once(self):
        event = threading.Event()
        self.proxy.script(PIX_QUERY, proxy.held(event))
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            answers = [pool.submit(self.pix, token(GREEN, "IHEGREEN-1008")) for _ in range(16)]
            support.wait_until(lambda: self.proxy.count(PIX_QUERY) > 0, "the question")
            event.set()
            self.assertEqual({str(answer.result()) for answer in answers}.__len__(), 1)
        self.assertEqual(self.proxy.count(PIX_QUERY), 1)

    def test_103_another_tenant_remembers_for_itself(self):
        """The same number in the same domain is another name in the cache of another tenant."""
        source = token(RED, "IHERED-1009")
        other = support.Gateway(self.directory, [self.domain.back_end()], name="other",
                                **dict(self.overrides(), tenant="other"))
        self.addCleanup(other.kill)
        for gateway, asked in ((self.gateway, 1), (other, 2), (self.gateway, 2), (other, 2)):
            self.assertEqual(len(self.pix(source, gateway=gateway)[0]), 2)
            self.assertEqual(self.proxy.count(PIX_QUERY), asked)
        other.stop()

    def test_090_103_names_in_redis_tell_nothing(self):
        self.pix(token(RED, "IHERED-1004"))
        self.pix(token(RED, "{tag}IHERED 1004"), status=404)
        keys = self.redis.cli("--no-raw", "keys", "*")
        self.assertTrue(keys)
        for word in ("IHE", "1004", "tag", RED, "xref"):
            self.assertNotIn(word, keys)
        values = self.redis.cli("--no-raw", "eval", "local t = {} for _, k in ipairs(redis.call('keys', '*')) do if redis.call("
                                "'type', k).ok == 'string' then t[#t + 1] = redis.call('get', k) end end return t", "0")
        self.assertTrue(values.strip())
        for word in ("IHE", RED, BLUE):
            self.assertNotIn(word, values)


class Outage(PatientStand):
    gateway_names = ("gateway",)
    gateway_overrides = {"identity": {"positive_seconds": 0, "negative_seconds": 0, "timeout_ms": 2000}}

    def test_the_last_known_stands_in(self):
        """While the manager is away, what it last said is used, and said to be so; what it never said is an error."""
        self.assertStatus(self.gateway.publish(fresh_bundle()), 200)
        find = "/DocumentReference?status=current&patient.identifier=" + token(RED, "IHERED-1001")
        self.assertEqual(len(self.matches(self.get(find))[0]), 1)
        for behaviour in (proxy.lost_request, proxy.half_answer, proxy.answering(200, "text/html", b"<html/>"),
                          proxy.answering(503, "text/plain", b"")):
            self.proxy.clear()
            self.proxy.script(PIX_QUERY, *[behaviour] * 8)
            found, issues, _ = self.matches(self.get(find))
            self.assertEqual((len(found), [issue["severity"] for issue in issues]), (1, ["warning"]))
            answer = self.get("/DocumentReference?status=current&patient.identifier=" + token(GREEN, "IHEGREEN-1001"))
            self.assertIn(answer.status, (502, 503, 504))
        self.proxy.clear()
        support.wait_until(lambda: self.matches(self.get(find))[1] == [], "the manager to be asked again")

    def test_nothing_outlives_a_merge(self):
        old, new = self.fresh("IHERED"), self.fresh("IHERED")
        number = "1985061512347"
        self.feed(RED, old, 201, identifier=[identifier(RED, old), identifier(MATRICULE, number)])
        self.feed(RED, new, 201)
        self.assertEqual(self.pix(token(RED, old))[0], [token(MATRICULE, number)])
        self.merge(RED, old, new)
        self.proxy.script(PIX_QUERY, *[proxy.lost_request] * 8)
        answer = self.get("/Patient/$ihe-pix?sourceIdentifier=" + urllib.parse.quote(token(RED, old)))
        self.assertIn(answer.status, (502, 503, 504), repr(answer))


class Demographics(PatientStand):
    gateway_names = ("gateway",)

    def test_parameters(self):
        for query, expected in (
                ({"identifier": token(RED, "IHERED-1001")}, ["IHEBLUE-1001"]),
                ({"identifier": token(RED, "IHERED-1001") + "," + token(GREEN, "IHEGREEN-1002")},
                 ["IHEBLUE-1001", "IHEBLUE-1002"]),
                ({"identifier": "IHEBLUE-1003"}, ["IHEBLUE-1003"]),
                ({"identifier": token(RED, "IHERED-9999")}, []),
                ({"identifier": token(RED, "IHERED-1001"), "family": "other"}, []),
                ({"family": "muster", "given": "zoe"}, ["IHEBLUE-1001"]),
                ({"family:exact": "Muster-Fantaisie", "given": "zoe"}, ["IHEBLUE-1001"]),
                ({"family:exact": "muster-fantaisie", "given": "zoe"}, []),
                ({"family": "muster", "birthdate": "1958-02-28", "gender": "female"}, ["IHEBLUE-1001"]),
                ({"family": "muster", "birthdate": "1958-02-28", "gender": "male"}, []),
                ({"family": "muster", "birthdate": "1958"}, ["IHEBLUE-1001"]),
                ({"family": "muller", "given": "chloe"}, ["IHEBLUE-1003"]),
                ({"family": "muster,fictif", "birthdate": "ge1950", "address": "lux", "gender": "male"}, ["IHEBLUE-1002"]),
                ({"telecom": "+352 5550 1002", "family": "fictif"}, ["IHEBLUE-1002"]),
                ({"address": "L-3404", "family": "dupont"}, ["IHEBLUE-1004"]),
                ({"address-city": "dudel", "family": "dupont"}, ["IHEBLUE-1004"]),
                ({"address-postalcode": "L-4001", "mothersMaidenName": "exempel"}, ["IHEBLUE-1001"]),
                ({"identifier": token(BLUE, "IHEBLUE-1001"), "active": "false"}, [])):
            found, issues, bundle = self.matches(self.search(**query))
            self.assertEqual((self.values(found), issues), (expected, []), query)
            self.assertEqual(bundle["total"], len(expected))

    def test_post_and_xml(self):
        body = urllib.parse.urlencode({"family": "muster", "given": "zoe"}).encode()
        found = self.matches(support.request("POST", self.gateway.base + "/Patient/_search", {
            "Content-Type": "application/x-www-form-urlencoded"}, body))[0]
        self.assertEqual(self.values(found), ["IHEBLUE-1001"])
        root = ElementTree.fromstring(self.assertStatus(self.get("/Patient?family=muster&given=zoe", XML), 200).body)
        self.assertEqual(root.find(".//%sPatient/%sbirthDate" % (F, F)).get("value"), "1958-02-28")

    def test_a_patient_is_read_as_it_was_found(self):
        found, _, bundle = self.matches(self.search(identifier=token(RED, "IHERED-1001")))
        read = support.request("GET", bundle["entry"][0]["fullUrl"]).json()
        self.assertEqual(read, found[0])
        self.assertEqual(read["extension"][0]["valueString"], "Exempel")
        self.assertEqual(sorted(each["value"] for each in read["identifier"]),
                         ["IHEBLUE-1001", "IHEGREEN-1001", "IHERED-1001"])
        self.assertEqual(self.values(self.matches(self.search(_id=read["id"] + ",nobody"))[0]), ["IHEBLUE-1001"])
        self.assertEqual(self.matches(self.search(_id="nobody"))[0], [])
        self.assertStatus(self.get("/Patient/nobody"), 404)

    def test_domains_that_are_wanted(self):
        found = self.matches(self.search(family="muster", given="zoe",
                                         identifier=oid(RED) + "|," + oid(GREEN) + "|"))[0]
        self.assertEqual(sorted(each["system"] for each in found[0]["identifier"]), [oid(RED), oid(GREEN)])
        self.assertEqual(self.matches(self.search(family="muster", given="zoe", identifier=oid(MATRICULE) + "|"))[0], [])
        answer = self.assertStatus(self.search(family="muster", given="zoe", identifier="urn:oid:2.999.40|"), 404).json()
        issue = answer["issue"][0]
        self.assertEqual((issue["severity"], issue["code"], issue["diagnostics"]),
                         ("warning", "not-found", "targetSystem not found"))

    def test_pages(self):
        query = {"identifier": ",".join(token(BLUE, "IHEBLUE-10%02d" % number) for number in range(1, 11)), "_count": 4}
        seen, url = [], self.gateway.base + "/Patient?" + urllib.parse.urlencode(query)
        while url:
            found, _, bundle = self.matches(support.request("GET", url))
            self.assertEqual(bundle["total"], 10)
            self.assertLessEqual(len(found), 4)
            seen += self.values(found)
            url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            self.assertNotIn("IHEBLUE", url or "")
        self.assertEqual(seen, ["IHEBLUE-10%02d" % number for number in range(1, 11)])
        self.assertNotIn("entry", self.matches(self.search(**dict(query, _count=0)))[2])

    def test_102_nobody_is_listed(self):
        """Who says next to nothing of a person would list people."""
        for query, status in (({"gender": "female"}, 422), ({"family": "muster"}, 422), ({"family": "m", "given": "z"}, 422),
                              ({"family": "*", "given": "*"}, 400), ({"family": "m%", "birthdate": "1958"}, 400),
                              ({"active": "true"}, 422), ({"birthdate": "ge1900", "gender": "female"}, 422),
                              ({"address-country": "LU", "family": "muster"}, 422), ({}, 422)):
            self.assertStatus(self.search(**query), status)
        for patient in ({"gender": "female"}, {"gender": "female", "active": True}, {"name": [{"family": "Muster"}]},
                        {"name": [{"family": "M", "given": ["Z"]}]}, {}):
            answer = self.match(patient)
            self.assertEqual(self.assertStatus(answer, 422).json()["issue"][0]["code"], "business-rule", patient)
        self.assertStatus(self.match({"name": [{"family": "M*", "given": ["Z*"]}]}), 400)
        self.assertEqual(self.proxy.count(PDQ_QUERY), 0)

    def match(self, patient, **parameters):
        body = {"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": dict({"resourceType": "Patient"}, **patient)}]}
        body["parameter"] += [{"name": name, "value" + kind: value} for name, (kind, value) in parameters.items()]
        return support.request("POST", self.gateway.base + "/Patient/$match", JSON, json.dumps(body).encode())

    def test_match(self):
        zoe = {"name": [{"family": "Muster-Fantaisie", "given": ["Zoé"]}], "gender": "female", "birthDate": "1958-02-28"}
        found, _, bundle = self.matches(self.match(zoe))
        self.assertEqual(self.values(found)[0], "IHEBLUE-1001")
        search = bundle["entry"][0]["search"]
        self.assertEqual((search["mode"], search["score"]), ("match", 1.0))
        self.assertEqual(search["extension"], [{"url": "http://hl7.org/fhir/StructureDefinition/match-grade",
                                                "valueCode": "certain"}])
        scores = [entry["search"]["score"] for entry in bundle["entry"]]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(self.values(self.matches(self.match(zoe, onlyCertainMatches=("Boolean", True)))[0]),
                         ["IHEBLUE-1001"])
        self.assertEqual(len(self.matches(self.match(zoe, count=("Integer", 1)))[0]), 1)
        # most of it is right, and that is not certain
        near = dict(zoe, birthDate="1958-02-27")
        entries = self.matches(self.match(near))[2].get("entry", [])
        self.assertTrue(entries)
        self.assertNotIn("certain", [entry["search"]["extension"][0]["valueCode"] for entry in entries])
        self.assertEqual(self.matches(self.match(near, onlyCertainMatches=("Boolean", True)))[2]["total"], 0)
        self.assertEqual(self.matches(self.match({"name": [{"family": "Nobody", "given": ["At", "All"]}],
                                                  "birthDate": "1901-01-01"}))[0], [])
        alone = json.dumps(dict(zoe, resourceType="Patient")).encode()
        self.assertEqual(self.values(self.matches(support.request(
            "POST", self.gateway.base + "/Patient/$match", JSON, alone))[0])[0], "IHEBLUE-1001")
        for parameters in ({"count": ("Integer", 0)}, {"onlyCertainMatches": ("String", "true")}, {"other": ("Integer", 1)}):
            self.assertStatus(self.match(zoe, **parameters), 400)

    def test_others_find_nothing_wrong(self):
        """The independent validator reads everything that is answered about patients."""
        zoe = {"name": [{"family": "Muster-Fantaisie", "given": ["Zoé"]}], "birthDate": "1958-02-28"}
        found = self.search(family="muster", given="zoe")
        resources = {
            "search": found.json(), "patient": support.request("GET", found.json()["entry"][0]["fullUrl"]).json(),
            "match": self.match(zoe).json(), "none": self.search(identifier=token(RED, "IHERED-9999")).json(),
            "pix": self.get("/Patient/$ihe-pix?sourceIdentifier=" + token(RED, "IHERED-1001")).json(),
            "refused": self.get("/Patient/$ihe-pix?sourceIdentifier=" + token(RED, "IHERED-9999")).json(),
            "fed": self.feed(RED, self.fresh("IHERED"), 201, name=[{"family": "Fed"}], gender="other").json(),
            "metadata": self.get("/metadata").json(),
            "xml": self.get("/Patient?family=muster&given=zoe", XML).body.decode(),
        }
        self.assertEqual(validator.errors(resources, self.directory), [])

    def test_a_source_that_fails(self):
        self.proxy.script(PDQ_QUERY, proxy.half_answer, proxy.answering(200, "text/html", b"<html/>"), proxy.lost_request)
        for _ in range(3):
            self.assertIn(self.search(family="muster", given="zoe").status, (502, 503, 504))

    def test_what_is_claimed(self):
        statement = self.get("/metadata").json()
        patient = [each for each in statement["rest"][0]["resource"] if each["type"] == "Patient"][0]
        self.assertEqual([each["code"] for each in patient["interaction"]], ["read", "search-type", "update"])
        self.assertTrue(patient["conditionalUpdate"])
        self.assertEqual([each["name"] for each in patient["operation"]], ["ihe-pix", "match"])
        self.assertEqual(len(patient["searchParam"]), 14)


class Bound(PatientStand):
    """A token that speaks of one patient, by whatever identifier, opens that patient and nobody else."""
    gateway_names = ("gateway",)
    gateway_overrides = {"access": {"anonymous": False}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        assert cls.gateway.publish(fresh_bundle(), token=cls.gateway.token("system")).status == 200
        cls.tokens = [cls.gateway.token("patient", patient=token(root, value)) for root, value in (
            (RED, "IHERED-1001"), (GREEN, "IHEGREEN-1001"), (BLUE, "IHEBLUE-1001"))]

    def ask(self, path, status, bearer, method="GET", body=None, kind="application/x-www-form-urlencoded"):
        return self.assertStatus(support.request(method, self.gateway.base + path, dict(
            support.bearer(bearer), **{"Content-Type": kind} if body else {}), body), status)

    def test_074_by_every_alias(self):
        for bearer in self.tokens:
            for root, color in ((RED, "RED"), (GREEN, "GREEN"), (BLUE, "BLUE")):
                own, other = (token(root, "IHE%s-100%d" % (color, number)) for number in (1, 2))
                find = "/DocumentReference?status=current&patient.identifier="
                self.assertEqual(len(self.matches(self.ask(find + own, 200, bearer))[0]), 1)
                self.ask(find + other, 403, bearer)
                form = urllib.parse.urlencode({"status": "current", "patient.identifier": other}).encode()
                self.ask("/DocumentReference/_search", 403, bearer, "POST", form)
                self.ask("/List?code=submissionset&status=current&patient.identifier=" + other, 403, bearer)
            # whom one may not ask about, and whom nobody knows, look the same
            refused = [self.ask("/DocumentReference?status=current&patient.identifier=" + token(RED, value), 403, bearer)
                       for value in ("IHERED-1002", "IHERED-9999")]
            self.assertEqual(refused[0].body, refused[1].body)

    def test_074_the_operations(self):
        pix = "/Patient/$ihe-pix?sourceIdentifier="
        system = self.gateway.token("system")
        ids = [json.loads(self.ask(pix + token(RED, "IHERED-100%d" % number) + "&targetSystem=" + self.gateway.base, 200,
                                   system).body)["parameter"][0]["valueReference"]["reference"] for number in (1, 2)]
        for bearer in self.tokens:
            self.ask(pix + token(GREEN, "IHEGREEN-1001"), 200, bearer)
            refused = [self.ask(pix + token(RED, value), 404, bearer) for value in ("IHERED-1002", "IHERED-9999")]
            self.assertEqual(refused[0].body, refused[1].body)
            self.ask("/" + ids[0], 200, bearer)
            self.ask("/" + ids[1], 404, bearer)
            everybody = ",".join(token(BLUE, "IHEBLUE-10%02d" % number) for number in range(1, 11))
            found, _, bundle = self.matches(self.ask("/Patient?identifier=" + everybody, 200, bearer))
            self.assertEqual((self.values(found), bundle["total"]), (["IHEBLUE-1001"], 1))
            fictif = {"resourceType": "Patient", "name": [{"family": "Fictif", "given": ["Jean"]}]}
            self.assertEqual(self.matches(self.ask("/Patient/$match", 200, bearer, "POST", json.dumps(fictif).encode(),
                                                   "application/fhir+json"))[0], [])
            body = json.dumps({"resourceType": "Patient", "identifier": [identifier(RED, "IHERED-1001")]}).encode()
            self.ask("/Patient?identifier=" + token(RED, "IHERED-1001"), 403, bearer, "PUT", body, "application/fhir+json")
        self.assertEqual(self.proxy.count(REVISE), 0)

    def test_one_source_for_each_domain(self):
        """The system token's client feeds the domain that any source may feed, and not the one that has its own."""
        system = self.gateway.token("system")
        for root, status in ((RED, 201), (GREEN, 403)):
            value = self.fresh("NEW")
            body = json.dumps({"resourceType": "Patient", "identifier": [identifier(root, value)]}).encode()
            self.ask("/Patient?identifier=" + token(root, value), status, system, "PUT", body, "application/fhir+json")
        # a machine may search by one trait
        self.ask("/Patient?family=muster", 200, system)
        self.ask("/Patient?family=muster", 422, self.gateway.token("doctor"))


class Throttled(PatientStand):
    gateway_names = ("gateway",)
    gateway_overrides = {"identity": {"searches_per_hour": 5}}

    def test_102_name_after_name(self):
        answers = [self.search(family="name%d" % number, given="any") for number in range(8)]
        self.assertEqual([answer.status for answer in answers], [200] * 5 + [429] * 3)
        self.assertEqual(answers[-1].json()["issue"][0]["code"], "throttled")
        self.assertTrue(answers[-1].header("Retry-After"))
        self.assertEqual(self.gateway.log().count("access.throttled"), 1)
        self.assertEqual(len(self.pix(token(RED, "IHERED-1001"))[0]), 2)


class WithoutSources(support.Stand):
    """Where nobody can be asked, nothing is claimed, and patients are known by the affinity domain alone."""

    def test_nothing_is_claimed(self):
        statement = support.request("GET", self.gateway.base + "/metadata").json()
        patient = [each for each in statement["rest"][0]["resource"] if each["type"] == "Patient"][0]
        self.assertEqual([each["code"] for each in patient["interaction"]], ["read"])
        self.assertNotIn("operation", patient)
        for path in ("/Patient?family=muster&given=zoe", "/Patient/$ihe-pix?sourceIdentifier=" + token(BLUE, "x")):
            answer = self.assertStatus(support.request("GET", self.gateway.base + path), 422)
            self.assertEqual(answer.json()["issue"][0]["code"], "not-supported")


if __name__ == "__main__":
    unittest.main()
