"""Attacks on what several networks and hospitals share: a community that lies, patches that grow."""
import json
import os
import re
import threading
import unittest
import uuid

import proxy
import support
import test_outbox
import test_tenants
import trust
from test_federation import CommunityStand, issues, matches, oid_of
from test_tenants_apart import told

OBJECT = re.compile(rb"<rim:ExtrinsicObject.*?</rim:ExtrinsicObject>", re.DOTALL)
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
LABELS = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACTIONS = "http://terminology.hl7.org/CodeSystem/consentaction"
NORD, SUD = test_tenants.NORD, test_tenants.SUD
PIX = "PRPA_IN201309UV02"


def more_entries(count, edit):
    """An answer with that many entries more, each edited by edit(entry, number)."""
    def change(body):
        found = OBJECT.search(body)
        assert found, body[:300]
        own = re.search(rb' id="(urn:uuid:[^"]+)"', found.group()).group(1)
        more = b"".join(edit(found.group().replace(own, b"urn:uuid:%s" % str(uuid.uuid4()).encode()), number)
                        for number in range(count))
        return body[:found.end()] + more + body[found.end():]
    return proxy.changed(change)


class HostileCommunity(CommunityStand):
    """What another community says costs the hospital nothing, and hides nothing of its own."""

    def test_047_strangers_in_an_answer_are_not_looked_up_one_by_one(self):
        here = self.publish(self.gateway, b"of the hospital")
        self.publish(self.feeder, b"of the nation")
        self.find()
        self.hcm_proxy.clear()
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(
            1000, lambda entry, number: re.sub(rb"DSP-1\d{3}", b"DSP-9%05d" % number, entry)))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [here])
        self.assertEqual([each["code"] for each in issues(found)], ["incomplete"])
        self.assertLess(self.hcm_proxy.count(PIX), 100)

    def test_047_a_stranger_in_an_answer_is_not_shown(self):
        there = self.publish(self.feeder, b"of the nation")
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(
            1, lambda entry, number: re.sub(rb"DSP-1\d{3}", b"DSP-1148", entry)))
        found = self.find()
        self.assertEqual([oid_of(each) for each in matches(found)], [there])


class FloodingCommunity(CommunityStand):
    """Who answers more than there is room for is missing, alone."""

    @classmethod
    def configuration(cls):
        return dict(super().configuration(), search={"results_max": 50}, limits={"request_memory": 4 * 1024 * 1024})

    def answers(self, count, edit):
        self.dsp_proxy.clear()
        self.dsp_proxy.script("CrossGatewayQuery", more_entries(count, edit))
        found = self.find(_count=100)
        self.assertIn(self.here, [oid_of(each) for each in matches(found)])
        return found

    def setUp(self):
        super().setUp()
        self.here = self.publish(self.gateway, b"of the hospital")
        self.there = self.publish(self.feeder, b"of the nation")

    def another(self, entry, number):
        return entry.replace(self.there.encode(), b"%s.%d" % (self.there.encode(), number))

    def test_029_more_entries_than_one_search_may_have(self):
        self.assertEqual(self.answers(49, self.another)["total"], 51)
        for count in (50, 500):
            found = self.answers(count, self.another)
            self.assertEqual([each["code"] for each in issues(found)], ["incomplete"])
            self.assertEqual(len(matches(found)), 1)

    def test_029_more_bytes_than_there_is_memory(self):
        """However near to the end of it: what is done with the answers takes some, too."""
        filled = set()
        for size in range(60, 200, 6):
            slot = (b'<rim:Slot name="urn:x:fill"><rim:ValueList><rim:Value>' + b"x" * size * 1000 +
                    b"</rim:Value></rim:ValueList></rim:Slot>")
            found = self.answers(30, lambda entry, number, slot=slot: re.sub(
                rb"(<rim:ExtrinsicObject[^>]*>)", rb"\1" + slot, self.another(entry, number)))
            filled.add(tuple(each["code"] for each in issues(found)))
        self.assertEqual(filled, {(), ("incomplete",)})


class WhoSaysWhatIsSecret(trust.TrustStand):
    """What consents go by is not for those whom they keep out."""
    PATIENT = "IHEBLUE-1004"
    SCOPE = "user/DocumentReference.cruds user/Binary.cr user/List.crs"
    OWN = "2.999.20.2"  # the organization that the letter is of

    def setUp(self):
        self.own = self.patient(self.PATIENT)
        self.bundle = support.demo_bundle(b"a secret", "text/plain", patient=self.PATIENT)
        self.oid = support.document_oid(self.bundle)
        reference = self.bundle["entry"][1]["resource"]
        self.label(reference, "R")
        for each in reference["contained"]:
            if each["resourceType"] == "Organization":
                each["identifier"] = [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + self.OWN}]
        self.publish(self.doctor, self.bundle)
        consent = self.consent({"type": "permit", "securityLabel": [{"system": LABELS, "code": "R"}]}, self.PATIENT)
        self.addCleanup(self.revoke, consent, self.PATIENT)

    @staticmethod
    def label(resource, code):
        resource["securityLabel"] = [{"coding": [{"system": LABELS, "code": code}]}]

    def who(self, *more):
        return self.token("--role", "doctor", "--user", "doctor-1", "--scope", self.SCOPE, *more)

    def change(self, token, status, change):
        resource = trust.matches(self.search(self.own, patient=self.PATIENT, identifier="urn:oid:" + self.oid))[0]
        change(resource)
        return self.assertStatus(self.send("PUT", "/DocumentReference/" + resource["id"], token, resource), status)

    def test_095_a_reader_does_not_open_it_to_others(self):
        writer = self.who()
        organization = {"resourceType": "Organization", "id": "mine",
                        "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:2.999.20.100"}]}
        for change in (lambda each: self.label(each, "N"), lambda each: self.label(each, "V"),
                       lambda each: each.update(author=[{"reference": "#mine"}],
                                                contained=each["contained"] + [organization]),
                       lambda each: each["category"][0].update(coding=[{"system": "http://loinc.org",
                                                                        "code": "11503-0", "display": "Records"}]),
                       lambda each: each["context"].update(period={"start": "1999-01-01T00:00:00Z"})):
            outcome = self.change(writer, 403, change).json()
            self.assertEqual(outcome["issue"][0]["code"], "forbidden")
        self.change(writer, 200, lambda each: each.update(description="A word more"))
        self.change(self.token("--role", "patient", "--user", "p", "--patient", "%s|%s" % (
            trust.PATIENT_SYSTEM, self.PATIENT), "--scope", "patient/DocumentReference.cruds"), 200,
            lambda each: self.label(each, "V"))

    def test_095_its_organization_may(self):
        self.change(self.who("--organization", self.OWN), 200, lambda each: self.label(each, "N"))
        self.assertIn(self.oid, self.found(self.doctor, patient=self.PATIENT))

    def test_095_a_consent_may_forbid_corrections(self):
        consent = self.consent({"type": "permit", "securityLabel": [{"system": LABELS, "code": "R"}], "provision": [
            {"type": "deny", "action": [{"coding": [{"system": ACTIONS, "code": "correct"}]}]}]}, self.PATIENT)
        self.addCleanup(self.revoke, consent, self.PATIENT)
        self.change(self.who(), 403, lambda each: each.update(description="A word more"))


class Patches(support.Stand):
    def test_029_a_patch_of_long_texts_does_not_grow(self):
        bundle = support.demo_bundle(b"a letter", "text/plain")
        self.publish(bundle)
        name = self.find_one(support.document_oid(bundle))["id"]
        operations = [{"op": "add", "path": "/a", "value": ["x" * 1000000]}]
        for _ in range(12):  # each pair doubles it: 4 GB
            operations += [{"op": "copy", "from": "/a", "path": "/b"}, {"op": "move", "from": "/b", "path": "/a/-"}]
        before = self.memory()
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference/" + name, JSON_PATCH,
                                 json.dumps(operations).encode())
        self.assertStatus(answer, 400)
        self.assertIn("ERR_TOO_COSTLY", json.dumps(answer.json()))
        self.assertLess(self.memory() - before, 200 * 1024)

    def memory(self):
        """The most that the gateway has ever had, in KiB."""
        with open("/proc/%d/status" % self.gateway.process.pid, encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))


class WhatWaits(test_outbox.Case):
    overrides = {"outbox": {"bytes_max": 2 * 1024 * 1024}}

    def send(self, patient, size, status):
        bundle = support.demo_bundle(b"x" * size, "text/plain", patient=patient)
        self.assertStatus(support.request("POST", self.gateway.base, {
            "Content-Type": "application/fhir+json", "Prefer": "respond-async"}, json.dumps(bundle).encode()), status)

    def test_114_who_need_not_wait_leaves_room_to_those_who_must(self):
        held = threading.Event()
        self.addCleanup(held.set)
        self.proxy.script(test_outbox.PROVIDE, proxy.held(held), proxy.held(held))
        self.send("IHEBLUE-1001", 300000, 202)
        self.send("IHEBLUE-1002", 300000, 202)
        support.wait_until(lambda: self.proxy.count(test_outbox.PROVIDE) == 2, "both to be on their way")
        self.send("IHEBLUE-1003", 300000, 200)
        self.domain.kill()
        self.send("IHEBLUE-1004", 300000, 202)


def routes():
    """Method and path of everything that is served below a base, as the router's table says it."""
    with open(os.path.join(support.ROOT, "profiles/mhd/routes.def"), encoding="utf-8") as file:
        return re.findall(r'^ROUTE\(\w+,\s+(\w+),\s+"([^"/][^"]*|)"', file.read(), re.MULTILINE)


class OtherTenants(test_tenants.TenantStand):
    """Two hospitals with all that keeps state, on one affinity domain: the same patients, the same back-end."""
    OPEN = {"metadata", ".well-known/smart-configuration", "auth/jwks", "auth/token"}

    @classmethod
    def setUpClass(cls):
        before = test_tenants.Domain
        test_tenants.Domain = lambda directory: before(directory, **trust.domain_configuration(directory))
        try:
            super().setUpClass()
        finally:
            test_tenants.Domain = before
        cls.gateway.stop()
        overrides = trust.trust_configuration(cls.directory, cls.domain)
        overrides["consent"]["care_relationships"] = ["any|any"]
        cls.gateway = support.Gateway(
            cls.directory, [cls.domain.back_end()], name="both", default_tenant=NORD,
            tenants=[{"name": name, "file": name + ".yaml"} for name in (NORD, SUD)],
            publication={"degraded": "accept", "operators": [trust.DOCTOR]}, **overrides)
        cls.addClassCleanup(cls.gateway.kill)

    def test_066_tokens_open_no_route_of_another(self):
        token = self.token("doctor", NORD)
        below = routes()
        self.assertGreater(len(below), 35)
        for method, path in below:
            if path not in self.OPEN:
                self.assertStatus(self.ask(SUD, "/" + path.replace("{id}", "x").replace("{version}", "1"), token, method,
                                           None if method == "GET" else b"{}"), 401)

    def test_092_ids_lead_nowhere_at_another(self):
        doctor = {name: self.token("doctor", name, user="one",
                                   scope="user/*.cruds ITI-65 ITI-66 ITI-67 ITI-68") for name in (NORD, SUD)}
        patient = {name: self.token("patient", name, user="maria", patient="%s|%s" % (
            trust.PATIENT_SYSTEM, support.PATIENT)) for name in (NORD, SUD)}
        fhir = {"Content-Type": "application/fhir+json"}
        bundle = self.publish(NORD, doctor[NORD])
        found = self.find(NORD, doctor[NORD], support.document_oid(bundle))[0]
        binary = found["content"][0]["attachment"]["url"].rsplit("/", 1)[1]
        person = found["subject"]["reference"].rsplit("/", 1)[1]
        waiting = self.assertStatus(self.ask(NORD, "", doctor[NORD], "POST", json.dumps(support.demo_bundle(
            b"waits")).encode(), Prefer="respond-async", **fhir), 202).header("Content-Location").rsplit("/", 1)[1]
        consent = self.assertStatus(self.ask(NORD, "/Consent", patient[NORD], "POST", json.dumps(
            trust.consent_resource({"type": "permit"})).encode(), **fhir), 201).json()["id"]
        query = "?patient.identifier=%s%%7C%s&" % (trust.PATIENT_SYSTEM, support.PATIENT)
        events = self.assertStatus(self.ask(NORD, "/AuditEvent" + query + "date=ge2020", patient[NORD]), 200).json()
        event = next(each["resource"]["id"] for each in events["entry"] if "id" in each["resource"])
        for token, method, path in (
                (doctor, "GET", "/DocumentReference/" + found["id"]), (doctor, "GET", "/Binary/" + binary),
                (doctor, "PUT", "/DocumentReference/" + found["id"]), (doctor, "GET", "/Patient/" + person),
                (doctor, "DELETE", "/_async/" + waiting), (doctor, "GET", "/_async/" + waiting),
                (doctor, "GET", "/Task/" + waiting), (doctor, "DELETE", "/Task/" + waiting),
                (doctor, "POST", "/Task/" + waiting + "/$retry")):
            with self.subTest(method=method, path=path.split("/")[1]):
                body = json.dumps(found).encode() if method == "PUT" else None
                answer = self.ask(SUD, path, token[SUD], method, body, **(fhir if body else {}))
                self.assertIn(answer.status, (404, 405) if "DELETE" in method else (404,), repr(answer))
                name = path.split("/")[2]
                garbage = self.ask(SUD, path.replace(name, name[:-2] + ("a" if name[-2] != "a" else "b") + name[-1]),
                                   token[SUD], method, body, **(fhir if body else {}))
                self.assertEqual(told(answer), told(garbage))
                if method == "GET":
                    self.assertNotEqual(self.ask(NORD, path, token[NORD]).status, 404, path)
        # What both share is the patient's will; who may read it is each one's own matter.
        self.assertIn(self.ask(SUD, "/Consent/" + consent, patient[SUD]).status, (200, 404))
        tasks = self.assertStatus(self.ask(SUD, "/Task", doctor[SUD]), 200).json()
        self.assertNotIn("entry", tasks)
        events = self.assertStatus(self.ask(SUD, "/AuditEvent" + query + "date=ge2020&_id=" + event, patient[SUD]), 200)
        self.assertNotIn(b'"AuditEvent"', events.body)

    def test_066_places_in_a_search_are_not_anothers(self):
        token = {name: self.token("doctor", name) for name in (NORD, SUD)}
        for _ in range(2):
            self.publish(NORD, token[NORD])
        query = "?status=current&_count=1&patient.identifier=%s%%7C%s" % (trust.PATIENT_SYSTEM, support.PATIENT)
        first = self.assertStatus(self.ask(NORD, "/DocumentReference" + query, token[NORD]), 200).json()
        place = next(each["url"] for each in first["link"] if each["relation"] == "next").split("?")[1]
        self.assertStatus(self.ask(NORD, "/DocumentReference?" + place, token[NORD]), 200)
        self.assertStatus(self.ask(SUD, "/DocumentReference?" + place, token[SUD]), 400)


class HostileFiles(test_tenants.Reload):
    """Only what this class says: files of tenants that are none."""

    def test_127_what_is_no_configuration_is_not_taken(self):
        path = os.path.join(self.directory, SUD + ".yaml")
        token = self.token("doctor", SUD)

        def sparse():
            with open(path, "wb") as file:
                file.truncate(1 << 40)

        def content(text):
            def write():
                with open(path, "wb") as file:
                    file.write(text)
            return write

        bomb = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n" % ((c, c) + (c - 1,) * 8) for c in range(98, 108))
        for make in (lambda: os.mkfifo(path), lambda: os.mkdir(path), lambda: os.symlink("/dev/zero", path),
                     lambda: os.symlink(path, path), lambda: os.symlink("/etc/shadow-", path), sparse,
                     content(bomb), content(b"[" * 100000), content(b"{" * 100000), content(b"\0" * 100),
                     content(b"limits: {requests_per"), content(b"\xff\xfe{}"), content(b"limits: {}\nlimits: {}\n"),
                     content(b"listen: {port: 1}\n"), content(b"state_directory: /tmp/elsewhere\n"),
                     content(b"tenants: [{name: x, file: x.yaml}]\n"), content(b"audit: !!python/object:os.system {}\n"),
                     content(b"x" * 5000000)):
            os.remove(path)
            make()
            line = self.reload()[-1]
            self.assertNotEqual(line["level"], "info", (line, make))
            self.assertStatus(self.ask(SUD, "/List?patient.identifier=urn:oid:%s%%7C%s&code=submissionset" % (
                support.AUTHORITY, support.PATIENT), token), 200)
            if os.path.isdir(path) and not os.path.islink(path):
                os.rmdir(path)
                content(b"{}")()


for name in [name for name in vars(test_tenants.Reload) if name.startswith("test_")]:
    setattr(HostileFiles, name, None)  # they run where they stand


if __name__ == "__main__":
    unittest.main()
