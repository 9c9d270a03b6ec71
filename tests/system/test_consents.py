"""Access Consent [ITI-108] over HTTP: recorded, read, searched, changed and revoked by those who may, judged by an
independent FHIR validator. Real domain with its consent directory, real gateway."""
import copy
import json
import os
import unittest
import urllib.parse
import uuid

import support
import validator

SYSTEM = "urn:oid:" + support.AUTHORITY
IDP = "https://idp.example"
FHIR_JSON = "application/fhir+json"
FHIR_XML = "application/fhir+xml"
LOINC_CONSENT = {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}
RECIPIENT = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}


def consent(patient=support.PATIENT, **more):
    """A Consent that refuses all; more replaces elements, None leaves one out."""
    made = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope",
                              "code": "patient-privacy"}]},
        "category": [LOINC_CONSENT],
        "patient": {"identifier": {"system": SYSTEM, "value": patient}},
        "dateTime": "2024-05-01",
        "policy": [{"uri": "https://profiles.ihe.net/ITI/PCF/Policy-basic-normal"}],
        "provision": {"type": "deny"},
    }
    made.update(more)
    return {name: value for name, value in made.items() if value is not None}


def person(value, system=None):
    identifier = {"value": value}
    if system:
        identifier["system"] = system
    return {"role": RECIPIENT, "reference": {"type": "Practitioner", "identifier": identifier}}


class ConsentStand(support.Stand):
    """A domain with a consent directory, and a gateway that asks for tokens."""
    gateway_more = {}

    @classmethod
    def setUpClass(cls):
        # The secret must be there before the domain is: Stand makes the directory, so it is made here, elsewhere.
        cls.secret_directory = support.tempfile.mkdtemp(prefix="passerelle-secret-")
        cls.addClassCleanup(support.shutil.rmtree, cls.secret_directory, True)
        secret = os.path.join(cls.secret_directory, "consent.secret")
        with open(secret, "w", encoding="utf-8") as file:
            file.write("consent-secret-of-the-tests-0123456789\n")
        port = support.free_port()
        cls.domain_overrides = {"port": port, "consent_secret": secret}
        cls.gateway_overrides = {
            "access": {"anonymous": False},
            "consent": {"source": "directory", "directory_url": "http://127.0.0.1:%d/consent" % port,
                        "secret_file": secret, "default": "permit", "care_relationships": ["any|any", "demo-system|any"],
                        "break_glass_roles": ["http://snomed.info/sct|309343006"],
                        "recorders": ["client:recorder", "client:passerelle-demo", "http://snomed.info/sct|106292003"]},
        }
        super().setUpClass()
        cls.tokens = {}
        for number in range(1, 11):
            cls.tokens["IHEBLUE-10%02d" % number] = cls.gateway.token("patient", patient=SYSTEM + "|IHEBLUE-10%02d" % number)
        cls.doctor = cls.gateway.token("doctor")

    def ask(self, method, path, token, body=None, accept=FHIR_JSON, content_type=FHIR_JSON, **headers):
        sent = dict({"Accept": accept}, **support.bearer(token))
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent.update({name.replace("_", "-"): value for name, value in headers.items()})
        return support.request(method, self.gateway.base + "/" + path, sent, body)

    def create(self, resource, patient=support.PATIENT, status=201):
        answer = self.ask("POST", "Consent", self.tokens[patient], resource)
        return self.assertStatus(answer, status)

    def search(self, patient=support.PATIENT, token=None, **parameters):
        query = {"patient.identifier": SYSTEM + "|" + patient, "status": "active"}
        query.update(parameters)
        query = urllib.parse.urlencode({name: value for name, value in query.items() if value is not None})
        answer = self.assertStatus(self.ask("GET", "Consent?" + query, token or self.tokens[patient]), 200).json()
        return answer["total"], [entry["resource"]["id"] for entry in answer.get("entry", [])
                                 if entry["search"]["mode"] == "match"]

    def issue(self, answer):
        return [(issue["code"], (issue.get("expression") or [""])[0]) for issue in answer.json()["issue"]]


class Interactions(ConsentStand):
    def test_create_read_vread_update_delete(self):
        sent = consent(meta={"profile": ["https://example.org/p"], "versionId": "77"}, id="mine", language="fr")
        answer = self.create(sent)
        made = answer.json()
        path = "Consent/" + made["id"]
        self.assertNotEqual(made["id"], "mine")
        self.assertEqual(answer.header("Location"), "%s/%s/_history/1" % (self.gateway.base, path))
        self.assertEqual(answer.header("ETag"), 'W/"1"')
        self.assertEqual(made["meta"]["versionId"], "1")
        self.assertEqual(made["meta"]["profile"], ["https://example.org/p"])
        kept = {name: made[name] for name in made if name not in ("id", "meta")}
        self.assertEqual(kept, {name: sent[name] for name in sent if name not in ("id", "meta")})

        token = self.tokens[support.PATIENT]
        read = self.assertStatus(self.ask("GET", path, token), 200)
        self.assertEqual(read.json(), made)
        self.assertEqual(read.header("ETag"), 'W/"1"')
        self.assertStatus(self.ask("GET", path, token, If_None_Match='W/"1"'), 304)
        self.assertEqual(self.assertStatus(self.ask("HEAD", path, token), 200).body, b"")

        changed = dict(made, status="inactive")
        self.assertStatus(self.ask("PUT", path, token, changed, If_Match='W/"7"'), 412)
        for tag in ("*", 'W/"2"'):
            self.assertStatus(self.ask("PUT", path, token, changed, If_None_Match=tag), 412)
            self.assertStatus(self.ask("DELETE", path, token, If_None_Match=tag), 412)
        answer = self.assertStatus(self.ask("PUT", path, token, changed, If_Match='W/"1"'), 200)
        self.assertEqual((answer.header("ETag"), answer.json()["meta"]["versionId"], answer.json()["status"]),
                         ('W/"2"', "2", "inactive"))
        self.assertStatus(self.ask("PUT", path, token, changed, If_Match='W/"1"'), 412)
        answer = self.assertStatus(self.ask("PUT", path, token, changed), 200)
        self.assertEqual(answer.header("Location"), "%s/%s/_history/3" % (self.gateway.base, path))
        self.assertEqual(self.ask("GET", path + "/_history/1", token).json(), made)
        self.assertEqual(self.ask("GET", path + "/_history/2", token).json()["status"], "inactive")
        for version in ("4", "0", "x", "18446744073709551616"):
            self.assertStatus(self.ask("GET", path + "/_history/" + version, token), 404)

        self.assertStatus(self.ask("DELETE", path, token, If_Match='W/"1"'), 412)
        answer = self.assertStatus(self.ask("DELETE", path, token, If_Match='W/"3"'), 204)
        self.assertEqual(answer.body, b"")
        self.assertStatus(self.ask("GET", path, token), 410)
        self.assertStatus(self.ask("PUT", path, token, changed), 410)
        self.assertStatus(self.ask("GET", path + "/_history/4", token), 410)
        self.assertEqual(self.ask("GET", path + "/_history/1", token).json(), made)
        self.assertStatus(self.ask("GET", "Consent/" + str(uuid.uuid4()), token), 404)

    def test_bodies(self):
        token = self.tokens[support.PATIENT]
        made = self.create(consent()).json()
        path = "Consent/" + made["id"]
        self.assertStatus(self.ask("PUT", path, token, {**made, "id": "other"}), 400)
        self.assertStatus(self.ask("PUT", path, token, {**made, "patient": consent("IHEBLUE-1002")["patient"]}), 403)
        self.assertStatus(self.ask("PUT", "Consent/" + str(uuid.uuid4()), token, consent(id="x")), 400)
        unknown = str(uuid.uuid4())
        self.assertStatus(self.ask("PUT", "Consent/" + unknown, token, consent(id=unknown)), 404)
        for body, status in ((b"{", 400), (b"", 400), ({"resourceType": "Patient"}, 400), (consent(status="on"), 422)):
            self.assertStatus(self.ask("POST", "Consent", token, body), status)
        for size in (70000, 130000, 900000):
            too_long = consent(policy=[{"uri": "urn:oid:2.999." + "1" * size}])
            self.assertStatus(self.ask("POST", "Consent", token, too_long), 413)
        self.assertStatus(self.ask("POST", "Consent", token, consent(), content_type="text/plain"), 415)
        self.assertStatus(self.ask("POST", "Consent", token, consent(), If_None_Exist="status=active"), 400)
        answer = self.assertStatus(self.ask("POST", "Consent", token, consent(), Prefer="return=minimal"), 201)
        self.assertEqual(answer.body, b"")
        self.assertIn("/_history/1", answer.header("Location"))
        self.assertStatus(self.ask("PATCH", path, token, b"{}"), 405)

    def test_034_what_may_turn_the_meaning_round_is_refused(self):
        modifier = [{"url": "https://example.org/not", "valueBoolean": True}]
        for resource in (consent(modifierExtension=modifier), consent(implicitRules="https://example.org/rules"),
                         consent(provision={"type": "deny", "modifierExtension": modifier})):
            self.assertEqual(self.issue(self.create(resource, status=422))[0][0], "not-supported")

    def test_what_a_decision_needs_is_required(self):
        for element in ("patient", "dateTime", "policy", "scope", "category", "status"):
            resource = {name: value for name, value in consent().items() if name != element}
            answer = self.ask("POST", "Consent", self.tokens[support.PATIENT], resource)
            self.assertIn(answer.status, (400, 422), element)
            self.assertIn(("required", "Consent." + element), self.issue(answer))
        nested = {"type": "permit", "provision": [{"purpose": []}, {"period": {"start": "2024", "end": "2023"}}]}
        self.create(consent(provision=nested), status=400)
        nested["provision"][0] = {"securityLabel": [{"code": "R"}]}
        found = self.issue(self.create(consent(provision=nested), status=422))
        self.assertIn(("required", "Consent.provision.provision[0].type"), found)
        self.assertIn(("invalid", "Consent.provision.provision[1].period"), found)

    def test_xml(self):
        token = self.tokens[support.PATIENT]
        made = self.create(consent(provision={"type": "permit", "provision": [
            {"type": "deny", "actor": [person("x")]}]})).json()
        path = "Consent/" + made["id"]
        xml = self.assertStatus(self.ask("GET", path, token, accept=FHIR_XML), 200)
        self.assertTrue(xml.header("Content-Type").startswith(FHIR_XML))
        answer = self.ask("PUT", path, token, xml.body, accept=FHIR_XML, content_type=FHIR_XML)
        self.assertIn(b'<versionId value="2"/>', self.assertStatus(answer, 200).body)
        again = self.ask("GET", path, token).json()
        self.assertEqual({**again, "meta": None}, {**made, "meta": None})

    def test_consents_and_answers_are_valid_fhir(self):
        made = self.create(consent("IHEBLUE-1009"), "IHEBLUE-1009").json()
        token = self.tokens["IHEBLUE-1009"]
        query = "Consent?patient.identifier=%s%%7CIHEBLUE-1009&status=active" % SYSTEM
        profile = "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic"
        resources = {
            "consent": made,
            "xml": self.ask("GET", "Consent/" + made["id"], token, accept=FHIR_XML).body.decode(),
            "bundle": self.ask("GET", query, token).body.decode(),
            "empty": self.ask("GET", query + "&actor=Practitioner/none", token).body.decode(),
            "capabilities": self.ask("GET", "metadata", None).body.decode(),
            "refusal": self.create(consent(status="on"), status=422).body.decode(),
        }
        profiles = [support.shared("fhir", "pcf-package", "compiled")]
        found = [line for line in validator.errors(resources, self.directory, profiles) if profile not in line]
        self.assertEqual(found, [])

    def test_the_capability_statement(self):
        rest = self.ask("GET", "metadata", None).json()["rest"][0]
        consents = [each for each in rest["resource"] if each["type"] == "Consent"][0]
        self.assertEqual({each["code"] for each in consents["interaction"]},
                         {"create", "read", "vread", "update", "delete", "search-type"})
        self.assertEqual(consents["versioning"], "versioned")
        self.assertLessEqual({"_id", "_lastUpdated", "status", "patient", "patient.identifier", "actor"},
                             {each["name"] for each in consents["searchParam"]})


class Searches(ConsentStand):
    patient = "IHEBLUE-1005"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stand = cls()
        cls.ids = [stand.create(each, cls.patient).json()["id"] for each in (
            consent(cls.patient, dateTime="2023-01-15", provision={"type": "deny", "period": {"end": "2023-12-31"}}),
            consent(cls.patient, status="inactive", category=[{"coding": [{"system": "urn:x", "code": "other"}]}]),
            consent(cls.patient, provision={"type": "permit", "provision": [
                {"type": "deny", "actor": [person("anna", IDP)]},
                {"type": "deny", "actor": [{"role": RECIPIENT, "reference": {"reference": "Practitioner/p1"}}]}]}),
        )]
        stand.create(consent("IHEBLUE-1006"), "IHEBLUE-1006")

    def runTest(self):
        """Of the instance that setUpClass makes its Consents with."""

    def test_parameters(self):
        one, two, three = self.ids
        for parameters, ids in (
                ({}, [one, three]),
                ({"status": None}, self.ids),
                ({"status": "inactive"}, [two]),
                ({"status": "active,inactive"}, self.ids),
                ({"status": "http://hl7.org/fhir/consent-state-codes|active"}, [one, three]),
                ({"status": "urn:x|active"}, []),
                ({"status": None, "status:not": "active"}, [two]),
                ({"status": None, "_id": two}, [two]),
                ({"status": None, "_id": one + "," + three}, [one, three]),
                ({"actor:identifier": IDP + "|anna"}, [three]),
                ({"actor": IDP + "|anna"}, [three]),
                ({"actor": IDP + "|bob"}, []),
                ({"actor": "Practitioner/p1"}, [three]),
                ({"actor:Practitioner": "p1"}, [three]),
                ({"actor:Organization": "p1"}, []),
                ({"status": None, "category": "urn:x|other"}, [two]),
                ({"category": "59284-0"}, [one, three]),
                ({"date": "2023"}, [one]),
                ({"date": "ge2024-05"}, [three]),
                ({"period": "ge2024"}, []),
                ({"period": "le2023-12-31"}, [one]),
                ({"scope": "http://terminology.hl7.org/CodeSystem/consentscope|patient-privacy"}, [one, three]),
                ({"scope": "research"}, []),
                ({"_lastUpdated": "lt2020"}, []),
                ({"_lastUpdated": "gt2020", "unknown": "x"}, [one, three])):
            with self.subTest(parameters=parameters):
                self.assertEqual(self.search(self.patient, **parameters), (len(ids), ids))

    def test_post(self):
        form = urllib.parse.urlencode({"patient.identifier": SYSTEM + "|" + self.patient, "status": "inactive"}).encode()
        answer = self.ask("POST", "Consent/_search", self.tokens[self.patient], form,
                          content_type="application/x-www-form-urlencoded")
        found = self.assertStatus(answer, 200).json()
        self.assertEqual([entry["fullUrl"] for entry in found["entry"]], [self.gateway.base + "/Consent/" + self.ids[1]])

    def test_pages(self):
        token = self.tokens[self.patient]
        url = "Consent?patient.identifier=%s%%7C%s&_count=2" % (SYSTEM, self.patient)
        found = self.assertStatus(self.ask("GET", url, token), 200).json()
        self.assertEqual((found["total"], [entry["resource"]["id"] for entry in found["entry"]]), (3, self.ids[:2]))
        links = {link["relation"]: link["url"] for link in found["link"]}
        self.assertNotIn(self.patient, links["next"])
        found = self.assertStatus(support.request("GET", links["next"], support.bearer(token)), 200).json()
        self.assertEqual([entry["resource"]["id"] for entry in found["entry"]], self.ids[2:])
        self.assertNotIn("next", {link["relation"] for link in found["link"]})
        found = self.ask("GET", url + "&_summary=count", token).json()
        self.assertEqual((found["total"], found.get("entry")), (3, None))
        # Another patient's token opens no page of this one.
        self.assertStatus(support.request("GET", links["next"], support.bearer(self.tokens["IHEBLUE-1006"])), 403)

    def test_what_is_asked_wrongly(self):
        token = self.tokens[self.patient]
        for query, status in (("status=active", 400), ("patient=&status=active", 400), ("patient=a,b", 400),
                              ("patient=x&date=soon", 400), ("patient=x&_count=-1", 400), ("patient=x&date:exact=2024", 400)):
            self.assertStatus(self.ask("GET", "Consent?" + query, token), status)
        whose = "Consent?patient.identifier=%s%%7C%s" % (SYSTEM, self.patient)
        self.assertStatus(self.ask("GET", whose, token, Prefer="handling=strict"), 400)
        self.assertStatus(self.ask("GET", whose + "&status=active&x=1", token, Prefer='handling="strict"'), 400)
        recorder = self.gateway.token("system", user="recorder", scope="system/Consent.cruds")
        self.assertEqual(self.ask("GET", "Consent?patient.identifier=urn:oid:2.999%7Cx", recorder).json()["total"], 0)


class Permissions(ConsentStand):
    def test_patients_manage_their_own(self):
        made = self.create(consent("IHEBLUE-1003"), "IHEBLUE-1003").json()
        path = "Consent/" + made["id"]
        other = self.tokens["IHEBLUE-1004"]
        absent = self.ask("GET", "Consent/" + str(uuid.uuid4()), other)
        for answer in (self.ask("GET", path, other), self.ask("GET", path + "/_history/1", other),
                       self.ask("PUT", path, other, made), self.ask("DELETE", path, other)):
            self.assertStatus(answer, 404)
            self.assertEqual(answer.json()["issue"][0]["code"], absent.json()["issue"][0]["code"])
        self.assertStatus(self.ask("POST", "Consent", other, consent("IHEBLUE-1003")), 403)
        query = "Consent?status=active&patient.identifier=%s%%7CIHEBLUE-1003" % SYSTEM
        self.assertStatus(self.ask("GET", query, other), 403)
        self.assertEqual(self.search("IHEBLUE-1003")[0], 1)

    def test_professionals_only_as_recorders(self):
        made = self.create(consent("IHEBLUE-1007"), "IHEBLUE-1007").json()
        scope = "user/Consent.cruds"
        doctor = self.gateway.token("doctor", scope=scope)
        recorder = self.gateway.token("nurse", scope=scope)
        machine = self.gateway.token("system", user="recorder", scope="system/Consent.cruds")
        for token, status in ((doctor, 403), (recorder, 200), (machine, 200)):
            self.assertStatus(self.ask("GET", "Consent/" + made["id"], token), status)
            query = "Consent?status=active&patient.identifier=%s%%7CIHEBLUE-1007" % SYSTEM
            self.assertStatus(self.ask("GET", query, token), status)
        self.assertStatus(self.ask("GET", "Consent/" + made["id"],
                                   self.gateway.token("system", user="other", scope="system/Consent.cruds")), 403)
        # Who uses a machine's client is not that machine.
        person = self.gateway.token("doctor", user="passerelle-demo", scope=scope)
        self.assertStatus(self.ask("GET", "Consent/" + made["id"], person), 403)
        answer = self.assertStatus(self.ask("POST", "Consent", recorder, consent("IHEBLUE-1008")), 201)
        self.assertStatus(self.ask("DELETE", "Consent/" + answer.json()["id"], self.tokens["IHEBLUE-1008"]), 204)

    def test_scopes(self):
        whose = SYSTEM + "|IHEBLUE-1010"
        for scope, method, status in (("patient/Consent.rs", "POST", 403), ("patient/Consent.c", "POST", 201),
                                      ("patient/Consent.c", "GET", 403), ("patient/Consent.s", "GET", 200),
                                      ("ITI-108 patient/Patient.r", "GET", 200)):
            token = self.gateway.token("patient", patient=whose, scope=scope)
            path = "Consent" if method == "POST" else "Consent?status=active&patient.identifier=" + whose.replace("|", "%7C")
            self.assertStatus(self.ask(method, path, token, consent("IHEBLUE-1010") if method == "POST" else None), status)
        self.assertStatus(self.ask("GET", "Consent/x", None), 401)

    def test_nobody_is_no_patient(self):
        answer = self.ask("POST", "Consent", self.gateway.token("system", user="recorder"), consent("unknown"))
        self.assertIn(answer.status, (404, 422), repr(answer))
        self.assertEqual(answer.json()["issue"][0]["code"], "not-found")


class Documents(ConsentStand):
    """What a Consent hides, the doctor no longer finds, from the answer on."""
    number = 0

    def setUp(self):
        """Each test has a patient of its own, with two documents."""
        Documents.number += 1
        self.patient = "IHEBLUE-10%02d" % Documents.number
        system = self.gateway.token("system")
        self.oids = []
        for _ in range(2):
            bundle = support.demo_bundle(support.demo_letter(), patient=self.patient)
            self.assertStatus(self.gateway.publish(bundle, token=system), 200)
            self.oids.append(support.document_oid(bundle))
        self.doctor = self.gateway.token("doctor", organization="2.999.20.900")

    def found(self, token=None, **parameters):
        answer = self.gateway.find(token=token or self.doctor, **{"patient.identifier": SYSTEM + "|" + self.patient},
                                   **parameters)
        bundle = self.assertStatus(answer, 200).json()
        resources = [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]
        self.assertEqual(bundle["total"], len(resources))
        return {each["masterIdentifier"]["value"][len("urn:oid:"):]: each for each in resources}

    def hide(self, reference, **more):
        resource = consent(self.patient, provision={"type": "permit", "provision": [
            {"type": "deny", "data": [{"meaning": "instance", "reference": reference}], **more}]})
        return self.create(resource, self.patient).json()

    def test_all_is_refused_and_permitted_again(self):
        self.assertEqual(set(self.found()), set(self.oids))
        made = self.create(consent(self.patient), self.patient).json()
        self.assertEqual(self.found(), {})
        self.assertEqual(set(self.found(self.tokens[self.patient])), set(self.oids))
        path = "Consent/" + made["id"]
        self.assertStatus(self.ask("PUT", path, self.tokens[self.patient], {**made, "status": "inactive"}), 200)
        self.assertEqual(set(self.found()), set(self.oids))
        self.assertStatus(self.ask("PUT", path, self.tokens[self.patient], made), 200)
        self.assertEqual(self.found(), {})
        self.assertStatus(self.ask("DELETE", path, self.tokens[self.patient]), 204)
        self.assertEqual(set(self.found()), set(self.oids))

    def test_a_document_is_hidden_by_id(self):
        secret = self.found()[self.oids[0]]
        for base in ("", self.gateway.base + "/"):
            made = self.hide({"reference": base + "DocumentReference/" + secret["id"]})
            reference = made["provision"]["provision"][0]["data"][0]["reference"]
            self.assertEqual(reference["reference"], base + "DocumentReference/" + secret["id"])
            self.assertEqual(reference["identifier"]["system"], "urn:ietf:rfc:3986")
            self.assertEqual(set(self.found()), {self.oids[1]})
            answer = support.request("GET", self.gateway.base + "/DocumentReference/" + secret["id"],
                                     support.bearer(self.doctor))
            self.assertStatus(answer, 404)
            url = secret["content"][0]["attachment"]["url"]
            self.assertStatus(support.request("GET", url, support.bearer(self.doctor)), 404)
            self.assertStatus(support.request("GET", url, support.bearer(self.tokens[self.patient])), 200)
            self.assertStatus(self.ask("DELETE", "Consent/" + made["id"], self.tokens[self.patient]), 204)

    def test_a_document_is_hidden_by_identifier(self):
        secret = self.found()[self.oids[0]]
        entry_uuid = [each["value"] for each in secret["identifier"] if each.get("value", "").startswith("urn:uuid:")][0]
        for value in ("urn:oid:" + self.oids[0], entry_uuid):
            made = self.hide({"type": "DocumentReference",
                              "identifier": {"system": "urn:ietf:rfc:3986", "value": value}})
            self.assertEqual(set(self.found()), {self.oids[1]})
            self.assertStatus(self.ask("DELETE", "Consent/" + made["id"], self.tokens[self.patient]), 204)

    def test_only_documents_of_this_patient(self):
        mine = self.found()[self.oids[0]]
        bundle = support.demo_bundle(support.demo_letter(), patient="IHEBLUE-1010")
        self.assertStatus(self.gateway.publish(bundle, token=self.gateway.token("system")), 200)
        other = self.gateway.find(token=self.tokens["IHEBLUE-1010"],
                                  **{"patient.identifier": SYSTEM + "|IHEBLUE-1010"}).json()["entry"][0]["resource"]
        good = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + self.oids[0]}
        bad = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + self.oids[1]}
        for reference in ({"reference": "DocumentReference/" + other["id"]}, {"reference": "DocumentReference/unknown"},
                          {"reference": "DocumentReference/" + mine["id"], "identifier": bad},
                          {"type": "DocumentReference", "identifier": {**good, "value": "urn:oid:2.999.1.2.3"}}):
            resource = consent(self.patient, provision={"type": "deny", "data": [{"meaning": "instance",
                                                                                 "reference": reference}]})
            self.assertEqual(self.issue(self.create(resource, self.patient, 422)),
                             [("not-found", "Consent.provision.data[0].reference")])
            # What is not in force may speak of what is no longer there.
            made = self.create({**resource, "status": "inactive"}, self.patient).json()
            self.assertStatus(self.ask("DELETE", "Consent/" + made["id"], self.tokens[self.patient]), 204)
        self.hide({"reference": "DocumentReference/" + mine["id"], "identifier": good})
        self.assertEqual(set(self.found()), {self.oids[1]})

    def test_a_person_is_excluded_and_a_circle_chosen(self):
        exclude = consent(self.patient, provision={"type": "permit", "provision": [
            {"type": "deny", "actor": [person("demo-doctor")]}]})
        made = self.create(exclude, self.patient).json()
        self.assertEqual(self.found(), {})
        colleague = self.gateway.token("doctor", user="colleague", organization="2.999.20.900")
        self.assertEqual(len(self.found(colleague)), 2)
        circle = copy.deepcopy(made)
        circle["provision"] = {"type": "deny", "provision": [{"type": "permit", "actor": [person("demo-doctor")]}]}
        self.assertStatus(self.ask("PUT", "Consent/" + made["id"], self.tokens[self.patient], circle), 200)
        self.assertEqual((len(self.found()), len(self.found(colleague))), (2, 0))

    def test_097_the_glass_is_broken_by_who_may(self):
        btg = {"purpose": "BTG", "organization": "2.999.20.900"}
        entitled = self.gateway.token("doctor", reason="unconscious", **btg)
        made = self.create(consent(self.patient), self.patient).json()
        self.assertEqual(set(self.found(entitled)), set(self.oids))
        url = self.found(entitled)[self.oids[0]]["content"][0]["attachment"]["url"]
        self.assertStatus(support.request("GET", url, support.bearer(entitled)), 200)
        # A machine breaks no glass: it is taken to ask for treatment, and finds what a machine finds.
        self.assertEqual(self.found(self.gateway.token("system", reason="batch", **btg)), {})
        for token in (self.gateway.token("nurse", reason="curious", **btg), self.gateway.token("doctor", **btg)):
            answer = self.gateway.find(token=token, **{"patient.identifier": SYSTEM + "|" + self.patient})
            self.assertEqual(self.issue(self.assertStatus(answer, 403))[0][0], "forbidden")
            self.assertIn(support.request("GET", url, support.bearer(token)).status, (403, 404))
        # A reason may also come with the request.
        answer = support.request("GET", url, dict(support.bearer(self.gateway.token("doctor", **btg)),
                                                  **{"X-Break-Glass-Reason": "unconscious"}))
        self.assertStatus(answer, 200)
        # The patient may forbid even that.
        made["provision"] = {"type": "deny", "provision": [{"type": "deny", "purpose": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "BTG"}]}]}
        self.assertStatus(self.ask("PUT", "Consent/" + made["id"], self.tokens[self.patient], made), 200)
        self.assertEqual(self.found(entitled), {})
        self.assertStatus(support.request("GET", url, support.bearer(entitled)), 404)

    def test_a_type_and_a_time(self):
        code = self.found()[self.oids[0]]["type"]
        made = self.create(consent(self.patient, provision={"type": "permit", "provision": [
            {"type": "deny", "code": [{"coding": code["coding"]}]}]}), self.patient).json()
        self.assertEqual(self.found(), {})
        made["provision"]["provision"][0]["period"] = {"end": "2024-01-01"}
        self.assertStatus(self.ask("PUT", "Consent/" + made["id"], self.tokens[self.patient], made), 200)
        self.assertEqual(len(self.found()), 2)


if __name__ == "__main__":
    unittest.main()
