"""Two hospitals with the same patients: whatever one shows, the other knows nothing of it. Every endpoint is tried with the
other's token and with the other's ids; and where both share one domain, what one recorded the other reads only by the
patient's consent."""
import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest
import urllib.parse

import chaos
import issuer
import support
import trust
import xds

NORD, SUD = "hopital-nord", "hopital-sud"
URI = "urn:ietf:rfc:3986"
ORGANIZATIONS = {NORD: "2.999.20.101", SUD: "2.999.20.102"}
PATIENT_QUERY = "patient.identifier=urn:oid:%s%%7C%s" % (support.AUTHORITY, support.PATIENT)


def routes():
    """(name, method, path, body) of every row that is served below a base and needs a token."""
    with open(os.path.join(support.ROOT, "profiles/iua/scopes.def"), encoding="utf-8") as file:
        is_open = set(re.findall(r"^OPEN\((\w+)\)", file.read(), re.M))
    with open(os.path.join(support.ROOT, "profiles/mhd/routes.def"), encoding="utf-8") as file:
        rows = re.findall(r'^ROUTE\((\w+),\s*(\w+),\s*"([^"]*)",\s*"[^"]*",\s*"[^"]*",\s*"[^"]*",\s*(\w+),', file.read(), re.M)
    return [row for row in rows if row[0] not in is_open and not row[2].startswith("/")]


def told(answer):
    """Everything that an answer tells: two that tell the same cannot be told apart."""
    return answer.status, answer.body, sorted((name, value) for name, value in answer.headers.items()
                                              if name not in ("Date", "X-Request-Id"))


class TwoHospitals(trust.TrustStand):
    """Each hospital has a domain and consent directory of its own unless `shared`; the gateway and Redis are one."""
    shared = False
    settings = {}
    sections = {}  # more, by tenant

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.redis = trust.Redis(cls.directory)
        cls.addClassCleanup(cls.redis.kill)
        cls.domains = {}
        for tenant in (NORD, SUD):
            if not cls.shared or not cls.domains:
                cls.domain = support.Domain(cls.directory, name="hcm-" + tenant,
                                            **trust.domain_configuration(cls.directory))
                cls.addClassCleanup(cls.domain.kill)
            cls.domains[tenant] = cls.domain
            trusted = trust.trust_configuration(cls.directory, cls.domain)
            own = {key: trusted[key] for key in ("consent", "identity")}
            own["consent"] = dict(own["consent"], **cls.settings)
            support.write_configuration(os.path.join(cls.directory, tenant + ".yaml"), dict(own, **{
                "back_ends": [cls.domain.back_end(update_url=cls.domain.registry_url)], "organizations": ["urn:oid:" + ORGANIZATIONS[tenant]],
                "audit": {"readers": ["client:demo-system"], "repositories": [{"name": "file", "kind": "file", "path": tenant + ".ndjson"}]},
                **cls.sections.get(tenant, {})}))
        overrides = trust.trust_configuration(cls.directory, cls.domain, cls.redis)
        overrides.update({"default_tenant": NORD,
                          "tenants": [{"name": name, "file": name + ".yaml"} for name in (NORD, SUD)]})
        cls.gateway = support.Gateway(cls.directory, [cls.domain.back_end()], **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.tokens = {(tenant, role): cls.make_token(tenant, role) for tenant in (NORD, SUD)
                      for role in ("doctor", "patient", "system")}

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        for domain in set(cls.domains.values()):
            domain.stop()

    @classmethod
    def make_token(cls, tenant, role, **options):
        if role == "patient":
            options["patient"] = "%s|%s" % (trust.PATIENT_SYSTEM, support.PATIENT)
        if role == "doctor":
            options["organization"] = ORGANIZATIONS[tenant]
        return cls.gateway.token(role, tenant=tenant, **options)

    def at(self, tenant, method, path, token, resource=None, headers=None, form=None):
        all_headers = dict(headers or {}, **support.bearer(token))
        body = None
        if resource is not None:
            all_headers.update(trust.FHIR)
            body = json.dumps(resource).encode()
        if form is not None:
            all_headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = form.encode()
        return support.request(method, self.gateway.base + "/" + tenant + path, all_headers, body)

    @staticmethod
    def letter_of(*tenants):
        """Of which the first wrote, and the others did as well."""
        bundle = support.demo_bundle(support.demo_letter())
        letter = bundle["entry"][1]["resource"]
        for resource in letter["contained"]:
            if resource["resourceType"] == "Organization":
                resource["identifier"] = [{"system": URI, "value": "urn:oid:" + ORGANIZATIONS[tenants[0]]}]
        for tenant in tenants[1:]:
            TwoHospitals.write_too(letter, tenant)
        return bundle

    @staticmethod
    def write_too(letter, tenant):
        letter["contained"].append({"resourceType": "Organization", "id": tenant, "name": tenant, "identifier": [
            {"system": URI, "value": "urn:oid:" + ORGANIZATIONS[tenant]}]})
        letter["author"].append({"reference": "#" + tenant})

    def publish_at(self, tenant):
        bundle = self.letter_of(tenant)
        self.assertStatus(self.at(tenant, "POST", "", self.tokens[tenant, "doctor"], bundle), 200)
        return support.document_oid(bundle)

    def found_at(self, tenant, token, kind="DocumentReference", more=""):
        return trust.matches(self.assertStatus(self.at(
            tenant, "GET", "/%s?status=current&%s%s" % (kind, PATIENT_QUERY, more), token), 200).json())

    def oids_at(self, tenant, token):
        return {resource["masterIdentifier"]["value"][len("urn:oid:"):] for resource in self.found_at(tenant, token)}

    def events(self, tenant):
        path = os.path.join(self.directory, tenant + ".ndjson")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file.read().split("\n")[:-1]]


class Apart(TwoHospitals):
    """The same patient numbers, in domains of the same OIDs: only the tenants' names tell them apart."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stand = cls("setUp")
        cls.oids = {tenant: {stand.publish_at(tenant) for _ in range(3)} for tenant in (NORD, SUD)}
        cls.ids = {}
        for tenant in (NORD, SUD):
            doctor, patient = cls.tokens[tenant, "doctor"], cls.tokens[tenant, "patient"]
            reference = stand.found_at(tenant, doctor)[0]
            consent = stand.at(tenant, "POST", "/Consent", patient,
                               trust.consent_resource({"type": "permit"}))
            stand.assertStatus(consent, 201)
            events = stand.at(tenant, "GET", "/AuditEvent?" + PATIENT_QUERY, patient).json()
            cls.ids[tenant] = {
                "DocumentReference": reference["id"],
                "Binary": reference["content"][0]["attachment"]["url"].rsplit("/", 1)[1],
                "List": stand.found_at(tenant, doctor, "List", "&code=submissionset")[0]["id"],
                "Patient": reference["subject"]["reference"].rsplit("/", 1)[1],
                "Consent": consent.json()["id"],
                "AuditEvent": events["entry"][0]["resource"]["id"],
                "Task": "0b5a3c9e-6a1f-4f0e-8a57-000000000001",
            }

    def test_066_every_endpoint_refuses_the_other_tenants_token(self):
        tried = 0
        for name, method, path, body in routes():
            for role in ("doctor", "patient", "system"):
                own = path.replace("{id}", self.ids[SUD].get(path.split("/")[0], "x")).replace("{version}", "1")
                more = {"resource": {"resourceType": "Bundle"}} if body in ("BUNDLE", "RESOURCE", "PATCH") else \
                    {"form": PATIENT_QUERY} if body == "FORM" else {}
                for token in (self.tokens[NORD, role], self.make_token(NORD, role, scope="system/*.cruds")):
                    response = self.at(SUD, method, "/" + own if own else "", token, **more)
                    self.assertEqual(response.status, 401, (name, method, own, response))
                    self.assertIn("ERR_OTHER_TENANT", response.body.decode(), name)
                    tried += 1
        self.assertGreater(tried, 100)

    def test_092_ids_of_one_tenant_lead_to_nothing_at_another(self):
        for kind, role in (("DocumentReference", "doctor"), ("Binary", "doctor"), ("List", "doctor"), ("Patient", "doctor"),
                           ("Consent", "patient"), ("AuditEvent", "system")):
            token, foreign = self.tokens[SUD, role], self.ids[NORD][kind]
            never = foreign[:-1] + ("a" if foreign[-1] != "a" else "b")
            own = self.at(SUD, "GET", "/%s/%s" % (kind, self.ids[SUD][kind]), token)
            self.assertEqual(own.status, 200, (kind, own))
            one = self.at(SUD, "GET", "/%s/%s" % (kind, foreign), token)
            other = self.at(SUD, "GET", "/%s/%s" % (kind, never), token)
            self.assertEqual(one.status, 404, (kind, one))
            self.assertEqual(told(one), told(other), kind)
        for role, path in (("doctor", "/DocumentReference?_id=" + self.ids[NORD]["DocumentReference"] + "&" + PATIENT_QUERY),):
            self.assertEqual(trust.matches(self.at(SUD, "GET", path, self.tokens[SUD, role]).json()), [])
        change = trust.consent_resource({"type": "permit"})
        self.assertStatus(self.at(SUD, "PUT", "/Consent/" + self.ids[NORD]["Consent"], self.tokens[SUD, "patient"],
                                  dict(change, id=self.ids[NORD]["Consent"])), 404)

    def test_092_pages_of_one_tenant_are_no_pages_of_another(self):
        page = self.at(NORD, "GET", "/DocumentReference?status=current&_count=1&" + PATIENT_QUERY,
                       self.tokens[NORD, "doctor"]).json()
        following = next(link["url"] for link in page["link"] if link["relation"] == "next")
        self.assertTrue(following.startswith(self.gateway.base + "/" + NORD + "/"), following)
        query = following.split("?", 1)[1]
        self.assertStatus(self.at(NORD, "GET", "/DocumentReference?" + query, self.tokens[NORD, "doctor"]), 200)
        foreign = self.at(SUD, "GET", "/DocumentReference?" + query, self.tokens[SUD, "doctor"])
        name, _, place = query.rpartition("=")
        place = place[:-2] + ("a" if place[-2] != "a" else "b") + place[-1]
        garbage = self.at(SUD, "GET", "/DocumentReference?%s=%s" % (name, place), self.tokens[SUD, "doctor"])
        self.assertIn(foreign.status, (400, 404))
        self.assertEqual(told(foreign), told(garbage))

    def test_103_the_same_number_is_two_patients(self):
        for tenant in (NORD, SUD):
            for role in ("doctor", "patient"):
                self.assertEqual(self.oids_at(tenant, self.tokens[tenant, role]), self.oids[tenant])
        self.assertNotEqual(self.ids[NORD]["Patient"], self.ids[SUD]["Patient"])
        # What the patient of one hides is there at the other.
        hidden = min(self.oids[NORD])
        consent = self.assertStatus(self.at(NORD, "POST", "/Consent", self.tokens[NORD, "patient"],
                                            trust.consent_resource(trust.hide_document(hidden))), 201).json()["id"]
        for tenant, expected in ((NORD, self.oids[NORD] - {hidden}), (SUD, self.oids[SUD])):
            visiting = self.gateway.token("doctor", tenant=tenant)
            self.assertEqual(self.oids_at(tenant, visiting), expected)
        self.at(NORD, "DELETE", "/Consent/" + consent, self.tokens[NORD, "patient"])

    def test_103_the_shared_cache_knows_each_tenants_patient_apart(self):
        """Through their other identifiers, so that cross-references are cached as well."""
        query = "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7CIHERED-1003" % trust.RED

        def keys():
            return set(self.redis.cli("KEYS", "*").split())

        found = []
        before = keys()
        for tenant in (NORD, SUD):
            self.assertStatus(self.at(tenant, "GET", query, self.tokens[tenant, "doctor"]), 200)
            found.append(keys() - before)
            before |= found[-1]
        self.assertGreater(len(found[0]), 0)
        self.assertEqual(len(found[0]), len(found[1]))
        for tenant in (NORD, SUD):
            self.assertStatus(self.at(tenant, "GET", query, self.tokens[tenant, "doctor"]), 200)
        self.assertEqual(keys(), before)

    def test_065_who_checks_tokens_is_told_the_tenants_own_name(self):
        """A token endpoint of one tenant is none of another's, and each keeps its state in a directory of its own."""
        for tenant in (NORD, SUD):
            directory = os.path.join(self.directory, "state", "tenants", tenant)
            self.assertTrue(os.path.isdir(os.path.join(directory, "audit")), directory)
            self.assertTrue(os.path.exists(os.path.join(directory, "last_known.db")), directory)

    def test_each_tenants_audit_tells_of_its_own_patients_alone(self):
        for tenant, other in ((NORD, SUD), (SUD, NORD)):
            support.wait_until(lambda own=tenant: len(self.events(own)) > 5, "events to be sent")
            text = json.dumps(self.events(tenant))
            self.assertNotIn("/fhir/" + other, text.replace("/fhir/" + tenant, ""))
            for oid in self.oids[other]:
                self.assertNotIn(oid, text)


class OneDomain(TwoHospitals):
    """Both hospitals publish to one domain, whose documents tell by their authors whose they are."""
    shared = True
    sections = {NORD: {"publication": {"degraded": "accept"}}}

    def details(self, tenant, kind="documents of"):
        return [detail["valueString"] for event in self.events(tenant) for entity in event.get("entity", [])
                for detail in entity.get("detail", []) if detail["type"] == kind]

    def consent(self, provision):
        answer = self.at(SUD, "POST", "/Consent", self.tokens[SUD, "patient"], trust.consent_resource(provision))
        path = "/Consent/" + self.assertStatus(answer, 201).json()["id"]
        self.addCleanup(lambda: self.at(SUD, "DELETE", path, self.tokens[SUD, "patient"]))

    def test_another_hospitals_documents_are_read_by_consent_alone(self):
        own, others = self.publish_at(SUD), self.publish_at(NORD)
        doctor = self.tokens[SUD, "doctor"]
        self.assertIn(own, self.oids_at(SUD, doctor))
        self.assertNotIn(others, self.oids_at(SUD, doctor))
        before = len(self.details(SUD))
        self.assertIn(own, self.oids_at(SUD, self.tokens[SUD, "patient"]))
        self.assertIn(others, self.oids_at(SUD, self.tokens[SUD, "patient"]))
        self.consent({"type": "permit"})
        self.assertIn(others, self.oids_at(SUD, doctor))
        reference = next(each for each in self.found_at(SUD, doctor) if others in each["masterIdentifier"]["value"])
        path = reference["content"][0]["attachment"]["url"].split("/" + SUD, 1)[1]
        self.assertStatus(self.at(SUD, "GET", path, doctor), 200)
        # The search, twice, and the document itself; and what the patient saw was theirs, wherever it was.
        support.wait_until(lambda: len(self.details(SUD)) >= before + 3, "the reading to be recorded as such")
        self.assertEqual(set(self.details(SUD)), {NORD})

    def test_112_what_is_only_read_by_consent_is_not_replaced(self):
        others = self.publish_at(NORD)
        self.consent({"type": "permit", "action": [{"coding": [{
            "system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "access"}]}, {"coding": [{
                "system": "http://terminology.hl7.org/CodeSystem/consentaction", "code": "collect"}]}]})
        doctor = self.tokens[SUD, "doctor"]
        old = next(each for each in self.found_at(SUD, doctor) if others in each["masterIdentifier"]["value"])
        bundle = support.demo_bundle(support.demo_letter())
        bundle["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + old["id"]}}]
        self.assertStatus(self.at(SUD, "POST", "", doctor, bundle), 403)
        self.assertIn(others, self.oids_at(NORD, self.tokens[NORD, "patient"]), "it is current as before")

    def test_a_broken_glass_opens_them(self):
        others = self.publish_at(NORD)
        breaker = self.make_token(SUD, "doctor", purpose="BTG", reason="unconscious")
        before = len(self.details(SUD))
        self.assertNotIn(others, self.oids_at(SUD, self.tokens[SUD, "doctor"]))
        self.assertIn(others, self.oids_at(SUD, breaker))
        support.wait_until(lambda: len(self.details(SUD)) > before, "the reading to be recorded as such")

    def test_nobody_is_of_two_hospitals(self):
        """Who says at one hospital to be of the other's organization is no producer of its documents there."""
        others = self.publish_at(NORD)
        pretender = self.gateway.token("doctor", tenant=SUD, organization=ORGANIZATIONS[NORD])
        self.assertNotIn(others, self.oids_at(SUD, pretender))
        self.assertIn(others, self.oids_at(NORD, self.tokens[NORD, "doctor"]))


    def refused(self, answer, path):
        """Because of who is said to have written it."""
        issues = self.assertStatus(answer, 403).json()["issue"]
        self.assertEqual([(issue["code"], issue["expression"]) for issue in issues], [("forbidden", [path])])
        self.assertIn("another hospital", json.dumps(issues))

    def test_nobody_publishes_for_the_other_hospital(self):
        """It would be the other's, who could then change and delete it."""
        doctor = self.tokens[NORD, "doctor"]
        for authors, author in (((SUD,), 0), ((NORD, SUD), 1)):
            bundle = self.letter_of(*authors)
            self.refused(self.at(NORD, "POST", "", doctor, bundle), "Bundle.entry[1].resource.author[%d]" % author)
            self.assertNotIn(support.document_oid(bundle), self.oids_at(SUD, self.tokens[SUD, "patient"]))

    def test_nor_corrects_for_it(self):
        doctor = self.tokens[NORD, "doctor"]
        refused, corrected = self.letter_of(NORD), self.letter_of(NORD, SUD)
        refused["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
            "system": URI, "value": "urn:oid:" + support.fresh_oid(1)}}}]
        self.found_at(NORD, doctor)
        self.domain.kill()
        answer = self.at(NORD, "POST", "", doctor, refused)
        type(self).domain = support.Domain(self.directory, name="hcm-" + NORD, port=self.domain.port,
                                           **trust.domain_configuration(self.directory))
        type(self).domains = dict.fromkeys(self.domains, self.domain)
        self.addClassCleanup(self.domain.kill)
        url = self.assertStatus(answer, 202).header("Content-Location")[len(self.gateway.base + "/" + NORD):]
        support.wait_until(lambda: self.at(NORD, "GET", url, doctor).status != 202, "it to be refused")
        task = url.replace("/_async/", "/Task/")
        self.refused(self.at(NORD, "POST", task + "/$resubmit", doctor, corrected), "Bundle.entry[1].resource.author[1]")
        self.assertEqual(self.at(NORD, "GET", task, doctor).json()["status"], "failed")
        self.assertStatus(self.at(NORD, "POST", task + "/$resubmit", doctor, self.letter_of(NORD)), 202)

    def test_nor_changes_its_own_into_the_others(self):
        oid, doctor = self.publish_at(NORD), self.tokens[NORD, "doctor"]
        letter = next(each for each in self.found_at(NORD, doctor) if oid in each["masterIdentifier"]["value"])
        path = "/DocumentReference/" + letter["id"]
        given = json.loads(json.dumps(letter))
        self.write_too(given, SUD)
        place = "DocumentReference.author[%d]" % len(letter["author"])
        self.refused(self.at(NORD, "PUT", path, doctor, given), place)
        patch = json.dumps([{"op": "add", "path": "/contained/-", "value": given["contained"][-1]},
                            {"op": "add", "path": "/author/-", "value": given["author"][-1]}])
        self.refused(support.request("PATCH", self.gateway.base + "/" + NORD + path, dict(
            support.bearer(doctor), **{"Content-Type": "application/json-patch+json"}), patch.encode()), place)
        self.assertEqual(self.assertStatus(self.at(NORD, "GET", path, doctor), 200).json(), letter)

    def feed(self, bundle):
        """Past the gateway that keeps the hospitals apart."""
        if "feeder" not in vars(type(self)):
            type(self).feeder = support.Gateway(self.directory, [self.domain.back_end()], name="feeder")
            type(self).addClassCleanup(self.feeder.kill)
        self.assertStatus(self.feeder.publish(bundle), 200)
        return support.document_oid(bundle)

    def test_what_both_have_written_is_changed_as_ever(self):
        oid, doctor = self.feed(self.letter_of(NORD, SUD)), self.tokens[NORD, "doctor"]
        letter = next(each for each in self.found_at(NORD, doctor) if oid in each["masterIdentifier"]["value"])
        letter["description"] = "A word more"
        self.assertStatus(self.at(NORD, "PUT", "/DocumentReference/" + letter["id"], doctor, letter), 200)

    @staticmethod
    def anonymous_bundle():
        """Of whose authors none names an institution."""
        bundle = support.demo_bundle(support.demo_letter(), profile="Minimal")
        reference = bundle["entry"][1]["resource"]
        del reference["author"]
        reference["contained"] = [each for each in reference["contained"] if each["resourceType"] == "Patient"]
        return bundle

    def test_what_names_no_institution_is_of_who_takes_it(self):
        bundle = self.anonymous_bundle()
        answer = self.assertStatus(self.at(NORD, "POST", "", self.tokens[NORD, "doctor"], bundle), 200)
        self.assertIn("author (an Organization) is missing and filled in", answer.body.decode())
        oid = support.document_oid(bundle)
        self.assertIn(oid, self.oids_at(NORD, self.tokens[NORD, "doctor"]))
        self.assertNotIn(oid, self.oids_at(SUD, self.tokens[SUD, "doctor"]))

    def test_what_could_be_anybodys_is_read_by_consent_alone(self):
        """It came past the gateway."""
        oid = self.feed(self.anonymous_bundle())
        for tenant in (NORD, SUD):
            self.assertNotIn(oid, self.oids_at(tenant, self.tokens[tenant, "doctor"]))
        self.assertIn(oid, self.oids_at(SUD, self.tokens[SUD, "patient"]))
        self.assertIn(oid, self.oids_at(SUD, self.make_token(SUD, "doctor", purpose="BTG", reason="unconscious")))
        support.wait_until(lambda: "an unknown hospital" in self.details(SUD), "the reading to be recorded as such")
        self.consent({"type": "permit"})
        self.assertIn(oid, self.oids_at(SUD, self.tokens[SUD, "doctor"]))


class OneDomainAsItWas(OneDomain):
    """Where the tenant wants it, the default opens what others have recorded; the audit says so all the same."""
    settings = {"other_hospitals": "default"}

    def test_another_hospitals_documents_are_read_by_consent_alone(self):
        others = self.publish_at(NORD)
        self.assertIn(others, self.oids_at(SUD, self.tokens[SUD, "doctor"]))
        support.wait_until(lambda: NORD in self.details(SUD), "the reading to be recorded as such")

    test_a_broken_glass_opens_them = None
    test_what_names_no_institution_is_of_who_takes_it = None
    test_what_could_be_anybodys_is_read_by_consent_alone = None
    test_nobody_is_of_two_hospitals = None
    test_112_what_is_only_read_by_consent_is_not_replaced = None


class Unlike(unittest.TestCase):
    """Each hospital has an issuer, an assigning authority and a consent policy of its own; patients' numbers are the same."""
    AUTHORITIES = {NORD: support.AUTHORITY, SUD: "2.999.20.46"}
    POLICIES = {NORD: {"default": "permit"}, SUD: {"default": "deny", "break_glass_roles": []}}
    NUMBERS = iter("IHEBLUE-10%02d" % number for number in range(1, 11))

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.jose = issuer.Jose()
        cls.addClassCleanup(cls.jose.close)
        cls.keys = {tenant: cls.jose.key("ES256", kid="one") for tenant in (NORD, SUD)}
        cls.domains = {}
        for tenant in (NORD, SUD):
            domain = support.Domain(cls.directory, name="hcm-" + tenant, assigning_authority=cls.AUTHORITIES[tenant],
                                    **trust.domain_configuration(cls.directory))
            cls.addClassCleanup(domain.kill)
            cls.domains[tenant] = domain
            trusted = trust.trust_configuration(cls.directory, domain)
            keys = issuer.write(os.path.join(cls.directory, tenant + ".jwks"), {"keys": [cls.keys[tenant]["public"]]})
            support.write_configuration(os.path.join(cls.directory, tenant + ".yaml"), {
                "back_ends": [domain.back_end()], "identity": trusted["identity"],
                "patient": {"assigning_authority": cls.AUTHORITIES[tenant]},
                "consent": dict(trusted["consent"], producer_reads_own=False, **cls.POLICIES[tenant]),
                "issuers": [{"issuer": cls.issuer_of(tenant), "jwks_file": keys}]})
        overrides = trust.trust_configuration(cls.directory, domain)
        overrides.update({"default_tenant": NORD,
                          "tenants": [{"name": name, "file": name + ".yaml"} for name in (NORD, SUD)]})
        cls.gateway = support.Gateway(cls.directory, [domain.back_end()], **overrides)
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def tearDownClass(cls):
        for process in (cls.gateway, *cls.domains.values()):
            process.stop()

    def setUp(self):
        self.patient = next(self.NUMBERS)

    @staticmethod
    def issuer_of(tenant):
        return "https://%s.example" % tenant

    def base(self, tenant):
        return self.gateway.base + "/" + tenant

    def token(self, tenant, key=None, audience=None, **more):
        """A doctor's of this tenant's issuer."""
        return self.jose.sign(self.keys[key or tenant], issuer.claims(
            self.issuer_of(tenant), self.base(audience or tenant), **more))

    def identifier(self, tenant):
        return "urn:oid:%s|%s" % (self.AUTHORITIES[tenant], self.patient)

    def ask(self, tenant, token, path, method="GET", resource=None):
        headers = dict(support.bearer(token), **{"X-Break-Glass-Reason": "unconscious"}, **(trust.FHIR if resource else {}))
        return support.request(method, self.base(tenant) + path, headers, resource and json.dumps(resource).encode())

    def search(self, tenant, token, identifier=None):
        return self.ask(tenant, token, "/DocumentReference?status=current&patient.identifier=" + urllib.parse.quote(
            identifier or self.identifier(tenant)))

    def found(self, tenant, token=None, **more):
        answer = self.search(tenant, token or self.token(tenant), **more)
        self.assertEqual(answer.status, 200, answer)
        return {each["masterIdentifier"]["value"][len("urn:oid:"):] for each in trust.matches(answer.json())}

    def publish(self, tenant):
        bundle = json.loads(json.dumps(support.demo_bundle(b"a letter", "text/plain", patient=self.patient)).replace(
            support.AUTHORITY, self.AUTHORITIES[tenant]))
        answer = self.ask(tenant, self.token(tenant), "", "POST", bundle)
        self.assertEqual(answer.status, 200, answer)
        return support.document_oid(bundle)

    def consent(self, tenant, provision):
        """The patient's own. Returns what takes it back."""
        patient = self.gateway.token("patient", tenant=tenant, patient=self.identifier(tenant))
        answer = self.ask(tenant, patient, "/Consent", "POST", trust.consent_resource(
            provision, self.patient, "urn:oid:" + self.AUTHORITIES[tenant]))
        self.assertEqual(answer.status, 201, answer)
        path = "/Consent/" + answer.json()["id"]
        return lambda: self.assertIn(self.ask(tenant, patient, path, "DELETE").status, (200, 204))

    def test_065_066_tokens_of_one_issuer_open_nothing_of_the_other(self):
        for own, other in ((NORD, SUD), (SUD, NORD)):
            self.assertEqual(self.search(own, self.token(own)).status, 200)
            for wrong in ({"tenant": other}, {"tenant": other, "audience": own},
                          {"tenant": other, "key": own, "audience": own},
                          {"tenant": own, "key": other}, {"tenant": own, "audience": other},
                          {"tenant": other, "audience": own, "aud": [self.base(own), self.base(other)]}):
                token = self.token(**wrong)
                for name, method, path, _ in routes():
                    answer = self.ask(own, token, "/" + path.replace("{id}", "x").replace("{version}", "1"), method)
                    self.assertEqual(answer.status, 401, (wrong, name, answer))

    def test_103_patients_are_each_authoritys_own(self):
        oids = {tenant: self.publish(tenant) for tenant in (NORD, SUD)}
        take_back = self.consent(SUD, {"type": "permit"})
        for own, other in ((NORD, SUD), (SUD, NORD)):
            self.assertEqual(self.found(own), {oids[own]})
            # By an identifier that both know, which is another patient's at each.
            self.assertEqual(self.found(own, identifier="urn:oid:%s|%s" % (
                trust.RED, self.patient.replace("BLUE", "RED"))), {oids[own]})
            answer = self.search(own, self.token(own), self.identifier(other))
            self.assertEqual((answer.status, "entry" in answer.json()), (404, False), answer)
            query = xds.find_documents(self.patient).replace(support.AUTHORITY, self.AUTHORITIES[own])
            stored = chaos.ask(self.domains[own].registry_url, xds.STORED_QUERY, query)
            self.assertEqual(stored.unique_ids(), [oids[own]])
        take_back()

    def test_094_the_policy_of_one_does_not_rule_the_other(self):
        oids = {tenant: self.publish(tenant) for tenant in (NORD, SUD)}

        def seen():
            return {tenant: bool(self.found(tenant)) for tenant in (NORD, SUD)}

        self.assertEqual(seen(), {NORD: True, SUD: False})
        deny, permit = self.consent(NORD, {"type": "deny"}), self.consent(SUD, {"type": "permit"})
        self.assertEqual(seen(), {NORD: False, SUD: True})
        permit()
        self.assertEqual(seen(), {NORD: False, SUD: False})
        # The reason comes with the request.
        glass = issuer.iua(purpose_of_use=[{"system": issuer.ACT_REASON, "code": "BTG"}])
        self.assertEqual(self.found(NORD, self.token(NORD, extensions=glass)), {oids[NORD]})
        self.assertEqual(self.search(SUD, self.token(SUD, extensions=glass)).status, 403)
        deny()
        self.assertEqual(seen(), {NORD: True, SUD: False})


if __name__ == "__main__":
    unittest.main()
