"""Audit: each transaction leaves its events before it is answered, whatever becomes of it; patients can read theirs."""
import base64
import json
import os
import urllib.parse
import unittest

import support
from support import AUTHORITY, PATIENT

SYSTEM = "urn:oid:" + AUTHORITY
PATIENT_TOKEN = SYSTEM + "|" + PATIENT


def codes(event):
    return [one["code"] for one in event["subtype"]]


def entity(event, type_code):
    return [one for one in event.get("entity", []) if one["type"]["code"] == type_code]


def agents(event):
    return {coding["code"]: agent for agent in event["agent"] for coding in agent["type"]["coding"]}


class AuditStand(support.Stand):
    """A gateway that asks for tokens and records into a file."""

    @classmethod
    def setUpClass(cls):
        cls.gateway_overrides = {"access": {"anonymous": False},
                                 "audit": {"source_id": "gateway-1", "readers": ["client:demo-system"],
                                           "repositories": [{"name": "file", "kind": "file", "path": "audit.ndjson"}]}}
        super().setUpClass()
        cls.doctor = cls.gateway.token("doctor", user="dr-audit", organization="2.999.20.100")
        cls.system = cls.gateway.token("system")

    def lines(self):
        path = os.path.join(self.directory, "audit.ndjson")
        if not os.path.exists(path):
            return []
        with open(path, "rb") as file:
            return [json.loads(line) for line in file.read().split(b"\n")[:-1]]  # what is being written has no end yet

    def of_request(self, response, count=1):
        """The events of one answered request; they come by the sender, a moment later."""
        request_id = response.header("X-Request-Id")

        def found():
            return [event for event in self.lines() if any(
                one.get("what", {}).get("identifier", {}).get("value") == request_id for one in entity(event, "XrequestId"))]
        support.wait_until(lambda: len(found()) >= count, "the events of the request")
        return found()

    def published(self):
        bundle = support.demo_bundle(support.demo_letter())
        return self.assertStatus(self.gateway.publish(bundle, token=self.system), 200), bundle


class Events(AuditStand):
    def test_publish(self):
        answer, bundle = self.published()
        events = {codes(event)[0]: event for event in self.of_request(answer, 2)}
        self.assertEqual(set(events), {"ITI-65", "ITI-41"})
        north, south = events["ITI-65"], events["ITI-41"]
        self.assertEqual((north["type"]["code"], north["action"], north["outcome"]), ("110107", "C", "0"))
        self.assertEqual((south["type"]["code"], south["action"], south["outcome"]), ("110106", "R", "0"))
        for event in (north, south):
            self.assertEqual(entity(event, "1")[0]["what"]["identifier"], {"system": SYSTEM, "value": PATIENT})
            self.assertEqual(entity(event, "2")[0]["role"]["code"], "20")
            self.assertEqual(entity(event, "DocumentReference")[0]["what"]["identifier"]["value"],
                             "urn:oid:" + support.document_oid(bundle))
            self.assertEqual(event["source"]["site"], "gateway-1")
        self.assertEqual(agents(south)["110152"]["network"]["address"], self.domain.repository_url)
        self.assertEqual(agents(north)["110152"]["who"], north["source"]["observer"])

    def test_find_and_retrieve(self):
        _, bundle = self.published()
        trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        url = self.gateway.base + "/DocumentReference?patient.identifier=%s%%7C%s&status=current" % (SYSTEM, PATIENT)
        found = self.assertStatus(support.request("GET", url, dict(support.bearer(self.doctor), traceparent=trace)), 200)
        events = {codes(event)[0]: event for event in self.of_request(found, 2)}
        self.assertEqual(set(events), {"ITI-67", "ITI-18"})
        north = events["ITI-67"]
        self.assertEqual(codes(north), ["ITI-67", "search"])
        self.assertEqual((north["type"]["code"], north["action"], north["outcome"]), ("rest", "E", "0"))
        parts = urllib.parse.urlsplit(url)
        self.assertEqual(base64.b64decode(entity(north, "2")[0]["query"]).decode(),
                         "GET %s?%s" % (parts.path, parts.query))
        self.assertIn(b"AdhocQueryRequest", base64.b64decode(entity(events["ITI-18"], "2")[0]["query"]))
        details = {one["type"]: one["valueString"] for one in entity(north, "XrequestId")[0]["detail"]}
        self.assertTrue(details["traceparent"].startswith("00-0af7651916cd43dd8448eb211c80319c-"), details)
        user = agents(north)["IRCP"]
        self.assertEqual(user["who"]["identifier"]["value"], "dr-audit")
        self.assertTrue(user["requestor"])
        self.assertTrue(user["policy"][0].startswith("urn:ietf:params:oauth:jti:"), user)
        self.assertEqual(user["purposeOfUse"][0]["coding"][0]["code"], "TREAT")
        self.assertEqual(agents(north)["PROV"]["who"]["identifier"]["value"], "urn:oid:2.999.20.100")
        document = [one["resource"] for one in found.json()["entry"] if one["search"]["mode"] == "match"][0]
        address = document["content"][0]["attachment"]["url"]
        got = self.assertStatus(support.request("GET", address, support.bearer(self.doctor)), 200)
        events = {codes(event)[0]: event for event in self.of_request(got, 3)}
        self.assertEqual(set(events), {"ITI-68", "ITI-18", "ITI-43"})
        self.assertEqual(entity(events["ITI-68"], "2")[0]["what"]["reference"], address[len(self.gateway.base) + 1:])
        self.assertEqual((events["ITI-43"]["type"]["code"], events["ITI-43"]["action"]), ("110107", "C"))

    def test_refused(self):
        """Who is turned away is recorded, with or without a name."""
        nurse = self.gateway.token("nurse", user="nurse-audit")
        bundle = support.demo_bundle(support.demo_letter())
        answer = self.assertStatus(self.gateway.publish(bundle, token=nurse), 403)
        event = self.of_request(answer)[0]
        self.assertEqual((codes(event)[0], event["outcome"]), ("ITI-65", "8"))
        self.assertEqual(agents(event)["IRCP"]["who"]["identifier"]["value"], "nurse-audit")
        self.assertNotIn("profile", event["meta"])
        # Strangers are listed one by one only while they are few: those of another test may fill this second.
        asked = set()

        def listed():
            asked.add(self.assertStatus(self.gateway.find(), 401).header("X-Request-Id"))
            return [event for event in self.lines() if codes(event) == ["110122"] and
                    entity(event, "XrequestId")[0]["what"]["identifier"]["value"] in asked]
        support.wait_until(listed, "a stranger to be listed")
        event = listed()[0]
        self.assertEqual((event["type"]["code"], codes(event), event["outcome"]), ("110114", ["110122"], "8"))
        self.assertIn("ERR_UNAUTHENTICATED", event["outcomeDesc"])
        request = entity(event, "XrequestId")[0]
        self.assertIn("-%s-" % request["what"]["identifier"]["value"],
                      [one["valueString"] for one in request["detail"] if one["type"] == "traceparent"][0])
        answer = self.assertStatus(support.request("GET", self.gateway.base + "/List/nobody", support.bearer(self.doctor)),
                                   404)
        event = self.of_request(answer)[0]
        self.assertEqual((codes(event), event["outcome"]), (["read"], "4"))

    def test_refused_on_headers(self):
        """What ends before anybody has looked for its patient is a transaction too."""
        headers = dict(support.bearer(self.doctor), **{"Content-Type": "text/plain"})
        asked = set()

        def listed():
            answer = support.request("POST", self.gateway.base, headers, b"{}")
            asked.add(self.assertStatus(answer, 415).header("X-Request-Id"))
            return [event for event in self.lines() if codes(event) == ["ITI-65"] and event["outcome"] == "4" and
                    entity(event, "XrequestId")[0]["what"]["identifier"]["value"] in asked]
        support.wait_until(listed, "the refusal to be listed")
        self.assertIn("ERR_MEDIA_TYPE", listed()[0]["outcomeDesc"])

    def test_many_strangers(self):
        """Nobody fills the journal by being turned away: what comes too fast is counted."""
        before = len(self.lines())
        for _ in range(300):
            self.assertStatus(self.gateway.find(), 401)
        self.assertStatus(self.gateway.find(token=self.doctor), 200)

        def told():
            refusals = [event for event in self.lines()[before:] if codes(event) == ["110122"]]
            more = sum(int(event["outcomeDesc"].split(";")[1].split()[0]) for event in refusals
                       if ";" in event["outcomeDesc"])
            return refusals, len(refusals) + more
        support.wait_until(lambda: told()[0], "refusals to be recorded")
        refusals, count = told()
        self.assertLess(len(refusals), 301)
        self.assertLessEqual(count, 300)
        asked = set()

        def listed():
            asked.add(self.gateway.find().header("X-Request-Id"))
            return asked & {one["what"]["identifier"]["value"] for event in self.lines() for one in entity(event, "XrequestId")}
        support.wait_until(listed, "refusals to be listed one by one again")

    def test_089_hostile_text(self):
        """Attack 89: one line of JSON per event whatever came, and the query byte for byte."""
        user = "dr {\"event\":\"fake\"}\u202e%n"
        token = self.gateway.token("doctor", user=user)
        query = "patient.identifier=a%0d%0aFAKE%1b[31m%22%7d&x=%n%n".replace("%n", "%25n")
        form = b"status=\x00\x1b[2J\r\n{\"resourceType\":\"AuditEvent\"}\xff\xfe%n%s&" + b"y" * 1000
        headers = dict(support.bearer(token), **{"Content-Type": "application/x-www-form-urlencoded",
                                                 "User-Agent": "x" * 6000 + "%n%s", "X-Break-Glass-Reason": "\"}]%n"})
        answer = support.request("POST", self.gateway.base + "/DocumentReference/_search?" + query, headers, form)
        event = self.of_request(answer)[0]
        self.assertEqual(base64.b64decode(entity(event, "2")[0]["query"]),
                         b"POST /fhir/DocumentReference/_search?" + query.encode() + b"\n\n" + form)
        self.assertEqual(agents(event)["IRCP"]["who"]["identifier"]["value"],
                         user)
        with open(os.path.join(self.directory, "audit.ndjson"), "rb") as file:
            lines = file.read().split(b"\n")
        for line in lines:
            self.assertNotRegex(line, rb"[\x00-\x1f\x7f]")
            self.assertNotIn("\x1b", json.dumps(json.loads(line or b"{}"), ensure_ascii=False))

    def test_123_long_query(self):
        """Attack 123: what fits is there whole; what does not is there as far as it fits, and the event says so."""
        values = ",".join("%s%%7CX%06d" % (SYSTEM, number) for number in range(150))
        form = ("patient.identifier=%s%%7C%s&status=current&identifier=" % (SYSTEM, PATIENT) + values +
                "&category=" + "c" * 40000).encode()
        headers = dict(support.bearer(self.doctor), **{"Content-Type": "application/x-www-form-urlencoded"})
        answer = support.request("POST", self.gateway.base + "/DocumentReference/_search", headers, form)
        event = [one for one in self.of_request(answer) if codes(one)[0] == "ITI-67"][0]
        self.assertEqual(base64.b64decode(entity(event, "2")[0]["query"]),
                         b"POST /fhir/DocumentReference/_search\n\n" + form)
        self.assertNotIn("description", entity(event, "2")[0])
        print("a query of %d bytes is recorded whole" % len(form))
        body = json.dumps({"resourceType": "Parameters", "parameter": [
            {"name": "resource", "resource": {"resourceType": "Patient", "name": [{"family": "x" * 400000}]}}]}).encode()
        headers["Content-Type"] = "application/fhir+json"
        answer = support.request("POST", self.gateway.base + "/Patient/$match", headers, body)
        event = [one for one in self.of_request(answer) if codes(one)[0] == "ITI-119"][0]
        query = entity(event, "2")[0]
        whole = b"POST /fhir/Patient/$match\n\n" + body
        self.assertEqual(base64.b64decode(query["query"]), whole[:262144])
        self.assertEqual(query["description"], "cut: the first 262144 of %d bytes of the query" % len(whole))

    def test_patient_sees_who_looked(self):
        """ITI-81: own events, at once, paged; nobody else's; others by scope."""
        self.published()
        found = self.assertStatus(self.gateway.find(token=self.doctor), 200)
        patient = self.gateway.token("patient", patient=PATIENT_TOKEN)
        url = self.gateway.base + "/AuditEvent?patient.identifier=%s%%7C%s" % (SYSTEM, PATIENT)
        page = self.assertStatus(support.request("GET", url + "&subtype=ITI-67&_count=1", support.bearer(patient)), 200)
        newest = page.json()["entry"][0]["resource"]
        self.assertEqual(entity(newest, "XrequestId")[0]["what"]["identifier"]["value"], found.header("X-Request-Id"))
        self.assertEqual(agents(newest)["IRCP"]["who"]["identifier"]["value"], "dr-audit")
        seen = []
        following = url + "&_count=3&date=ge2020"
        while following:
            page = self.assertStatus(support.request("GET", following, support.bearer(patient)), 200).json()
            seen += [one["resource"]["id"] for one in page.get("entry", []) if one["search"]["mode"] == "match"]
            following = {one["relation"]: one["url"] for one in page["link"]}.get("next")
        self.assertEqual(len(seen), len(set(seen)))
        self.assertGreaterEqual(len(seen), page["total"] - 20)
        posted = support.request("POST", self.gateway.base + "/AuditEvent/_search", dict(
            support.bearer(patient), **{"Content-Type": "application/x-www-form-urlencoded"}),
            "patient.identifier=%s%%7C%s&outcome=0&action=E" % (SYSTEM, PATIENT))
        self.assertStatus(posted, 200)
        self.assertTrue(all(one["resource"]["action"] == "E" for one in posted.json()["entry"]))
        none = support.request("GET", url + "&date=lt2020", support.bearer(patient))
        self.assertEqual(self.assertStatus(none, 200).json()["total"], 0)
        other = url.replace(PATIENT, "IHEBLUE-1002")
        self.assertStatus(support.request("GET", other, support.bearer(patient)), 403)
        self.assertIn(support.request("GET", self.gateway.base + "/AuditEvent", support.bearer(patient)).status, (400, 403))
        self.assertIn(support.request("GET", self.gateway.base + "/AuditEvent/" + seen[0], support.bearer(patient)).status,
                      (403,))
        narrow = self.gateway.token("doctor", scope="user/DocumentReference.rs")
        self.assertStatus(support.request("GET", url, support.bearer(narrow)), 403)
        for stranger in (self.gateway.token("doctor", scope="user/*.rs"),
                         self.gateway.token("system", user="other", scope="system/*.rs")):
            for one in (url, self.gateway.base + "/AuditEvent", self.gateway.base + "/AuditEvent/" + seen[0]):
                self.assertStatus(support.request("GET", one, support.bearer(stranger)), 403)
        auditor = self.gateway.token("system", scope="system/AuditEvent.rs")
        answer = self.assertStatus(support.request("GET", url + "&subtype=ITI-81", support.bearer(auditor)), 200)
        self.assertGreater(answer.json()["total"], 0)
        event = self.of_request(answer)[0]
        self.assertEqual((event["type"]["code"], codes(event)), ("110101", ["ITI-81", "search"]))
        self.assertStatus(support.request("GET", self.gateway.base + "/AuditEvent/" + seen[0], support.bearer(auditor)), 200)

    def test_nothing_in_clear(self):
        """State on the disk tells of nobody."""
        self.published()
        state = os.path.join(self.directory, "gateway.state", "audit")
        for name in os.listdir(state):
            with open(os.path.join(state, name), "rb") as file:
                text = file.read()
            for word in (PATIENT.encode(), b"AuditEvent", b"dr-audit"):
                self.assertNotIn(word, text, name)


class Killed(AuditStand):
    def test_109_kill(self):
        """Every request that was answered is in the journal after kill -9, and is sent after the restart."""
        self.published()
        answered = []
        for _ in range(20):
            answered.append(self.assertStatus(self.gateway.find(token=self.doctor), 200).header("X-Request-Id"))
        self.gateway.kill()
        type(self).gateway = support.Gateway(self.directory, [self.domain.back_end()], **self.gateway_overrides)
        self.addClassCleanup(self.gateway.kill)

        def known():
            return {one["what"]["identifier"]["value"] for event in self.lines() for one in entity(event, "XrequestId")}
        support.wait_until(lambda: set(answered) <= known(), "events of all answered requests")
        # The start is recorded by itself, and all that was answered may have been sent before the kill.
        support.wait_until(lambda: len([event for event in self.lines() if codes(event) == ["110120"]]) >= 2,
                           "the event of the second start")


if __name__ == "__main__":
    unittest.main()
