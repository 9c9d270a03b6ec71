"""Publications while the back-end is down, slow, or wrong: accepted, asked after, delivered exactly once."""
import hashlib
import json
import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
import unittest

import proxy
import support

PROVIDE = "ProvideAndRegisterDocumentSet-b"


RESPONSE = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><r:RegistryResponse '
    'xmlns:r="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" '
    'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure"><r:RegistryErrorList>'
    '<r:RegistryError errorCode="%s" codeContext="as said" '
    'severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/></r:RegistryErrorList>'
    '</r:RegistryResponse></s:Body></s:Envelope>')
REFUSAL = (RESPONSE % "XDSRegistryMetadataError").encode()


def reference_location(answer):
    return next(entry["response"]["location"] for entry in answer["entry"]
                if entry["response"]["location"].startswith("DocumentReference/"))


class Case(unittest.TestCase):
    """A domain behind a proxy, and a gateway that accepts what it cannot register now."""
    maxDiff = None
    publication = {}
    overrides = {}

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.domain = support.Domain(self.directory)
        self.addCleanup(lambda: self.domain.kill())
        self.proxy = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(self.proxy.close)
        self.gateway = self.gateway_start()
        self.addCleanup(lambda: self.gateway.kill())

    def back_end_make(self):
        return self.domain.back_end(
            registry_url=self.proxy.url("/registry"), provide_url=self.proxy.url("/repository"),
            repositories=[{"unique_id": support.REPOSITORY, "url": self.proxy.url("/repository")}], timeout_ms=3000)

    def back_ends(self):
        return [self.back_end_make()]

    def gateway_start(self, port=None):
        publication = dict({"degraded": "accept", "deadline_ms": 2000, "retry_seconds_max": 1}, **self.publication)
        return support.Gateway(self.directory, self.back_ends(), port=port, publication=publication, **self.overrides)

    def gateway_restart(self):
        self.gateway = self.gateway_start(self.gateway.port)

    def domain_restart(self):
        self.domain = support.Domain(self.directory, port=self.domain.port)

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def accept(self, bundle, headers=None):
        """A publication that is answered 202; its status URL."""
        answer = support.request("POST", self.gateway.base, dict({"Content-Type": "application/fhir+json"},
                                                                 **(headers or {})), json.dumps(bundle).encode())
        self.assertStatus(answer, 202)
        self.assertEqual(answer.json()["resourceType"], "OperationOutcome")
        self.assertTrue(all(issue["severity"] == "information" for issue in answer.json()["issue"]), repr(answer))
        return answer.header("Content-Location")

    def settled(self, url):
        """Waits for the end of a publication; what it is answered with."""
        kept = []

        def is_settled():
            answer = support.request("GET", url)
            kept.append(answer)
            return answer.status != 202
        support.wait_until(is_settled, "the publication to be settled")
        return self.assertStatus(kept[-1], 200).json()

    def delivered(self, url):
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "Bundle", answer)
        self.assertEqual(answer["type"], "transaction-response")
        return answer

    def assertOnce(self, bundle, document):
        """The registry has it once, and the repository every byte of it."""
        found = self.assertStatus(self.gateway.find(), 200).json()
        oid = support.document_oid(bundle)
        matches = [entry["resource"] for entry in found.get("entry", [])
                   if entry["search"]["mode"] == "match" and oid in json.dumps(entry["resource"]["masterIdentifier"])]
        self.assertEqual(len(matches), 1)
        self.assertNotIn("tag", matches[0].get("meta", {}))
        url = matches[0]["content"][0]["attachment"]["url"]
        self.assertEqual(self.assertStatus(support.request("GET", url), 200).body, document)


class Outage(Case):
    def test_down_accepted_and_delivered(self):
        document = b"<a>down</a>"
        bundle = support.demo_bundle(document)
        self.domain.kill()
        url = self.accept(bundle)
        asked = self.assertStatus(support.request("GET", url), 202)
        self.assertTrue(asked.header("X-Progress"))
        self.assertTrue(asked.header("Retry-After"))
        self.assertEqual(self.accept(bundle), url, "the same submission is the same publication")
        self.domain_restart()
        answer = self.delivered(url)
        self.assertOnce(bundle, document)
        location = reference_location(answer)
        self.assertStatus(support.request("GET", self.gateway.base + "/" + location), 200)
        again = self.assertStatus(self.gateway.publish(bundle), 200).json()
        self.assertEqual(reference_location(again), location)

    def test_106_other_content_is_a_conflict(self):
        bundle = support.demo_bundle(b"<a>first</a>")
        self.domain.kill()
        url = self.accept(bundle)
        other = json.loads(json.dumps(bundle))
        changed = support.demo_bundle(b"<a>second</a>")
        other["entry"][1:] = changed["entry"][1:]
        other["entry"][0]["resource"]["entry"] = changed["entry"][0]["resource"]["entry"]
        self.assertStatus(self.gateway.publish(other), 409)
        self.domain_restart()
        self.delivered(url)
        self.assertOnce(bundle, b"<a>first</a>")

    def test_104_lost_acknowledgement_is_no_double(self):
        document = b"<a>lost</a>"
        bundle = support.demo_bundle(document)
        self.proxy.script(PROVIDE, proxy.lost_answer)
        self.delivered(self.accept(bundle))
        self.assertEqual(self.proxy.count(PROVIDE), 1)
        self.assertOnce(bundle, document)

    def test_104_what_names_no_submission_set_is_no_double(self):
        later, now = {"Prefer": "respond-async"}, {}
        for way in ((later, later), (now, later), (later, now)):
            document = b"<a>%d</a>" % len(str(way))
            bundle = support.unnamed_bundle(document)
            for headers in way:
                answer = support.request("POST", self.gateway.base, dict(headers, **{"Content-Type": "application/fhir+json"}),
                                         json.dumps(bundle).encode())
                if answer.status == 202:
                    self.delivered(answer.header("Content-Location"))
                else:
                    self.assertStatus(answer, 200)
            self.assertOnce(bundle, document)
        bundle = support.unnamed_bundle(b"<a>lost</a>")
        self.proxy.script(PROVIDE, proxy.lost_answer)
        url = self.accept(bundle)
        self.delivered(url)
        self.assertStatus(self.gateway.publish(bundle), 200)
        self.assertOnce(bundle, b"<a>lost</a>")

    def test_104_lost_acknowledgement_of_a_delivery(self):
        document = b"<a>lost twice</a>"
        bundle = support.demo_bundle(document)
        self.proxy.script(PROVIDE, proxy.lost_request, proxy.lost_answer)
        self.delivered(self.accept(bundle))
        self.assertOnce(bundle, document)

    def test_garbage_faults_and_errors_pass(self):
        for status, media_type, body in (
                (502, "text/html", b"<html>bad gateway</html>"), (500, "text/plain", b""),
                (200, "application/soap+xml", b"<garbage"),
                (200, "application/soap+xml", (RESPONSE % "XDSRepositoryError").encode()),
                (200, "application/soap+xml", (RESPONSE % "XDSRegistryBusy").encode()),
                (200, "application/soap+xml", (RESPONSE % "XDSRegistryNotAvailable").encode())):
            with self.subTest(body=body):
                document = hashlib.sha256(body).hexdigest().encode()
                bundle = support.demo_bundle(document)
                self.proxy.script(PROVIDE, proxy.answering(status, media_type, body))
                self.delivered(self.accept(bundle))
                self.assertOnce(bundle, document)

    def test_a_refusal_is_none_of_that(self):
        bundle = support.demo_bundle(b"<a>nobody</a>", patient="NOBODY-1")
        self.assertStatus(self.gateway.publish(bundle), 422)

    def test_paused_back_end(self):
        document = b"<a>paused</a>"
        bundle = support.demo_bundle(document)
        self.domain.process.send_signal(signal.SIGSTOP)
        try:
            url = self.accept(bundle)
        finally:
            self.domain.process.send_signal(signal.SIGCONT)
        self.delivered(url)
        self.assertOnce(bundle, document)

    def test_109_gateway_killed_after_202(self):
        document = b"<a>killed</a>"
        bundle = support.demo_bundle(document)
        self.domain.kill()
        url = self.accept(bundle)
        self.gateway.kill()
        self.domain_restart()
        self.gateway_restart()
        self.delivered(url)
        self.assertOnce(bundle, document)

    def test_109_what_cannot_be_opened_is_told_and_not_given_up(self):
        """By a gateway that accepts nothing any more, and so needs no outbox but for what waits from before."""
        document = b"<a>from before</a>"
        bundle = support.demo_bundle(document)
        self.domain.kill()
        url = self.accept(bundle)
        self.gateway.stop()

        def version(number):
            store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"))
            before, = store.execute("PRAGMA user_version").fetchone()
            store.execute("PRAGMA user_version=%d" % number)
            store.close()
            return before
        present = version(99)  # as a later version of the program leaves it
        self.publication = {"degraded": "refuse"}
        self.domain_restart()
        self.gateway_restart()
        self.assertStatus(support.request("GET", url), 503)
        self.assertStatus(support.request("GET", url[:-8] + "aaaaaaaa"), 404)
        self.assertIn("its schema is 99", self.gateway.log())
        parts = support.request("GET", "http://127.0.0.1:%d/health/ready" % self.gateway.port).json()["parts"]
        self.assertIn(("outbox", "not ok"), [(part["name"], part["status"]) for part in parts])
        self.gateway.stop()
        version(present)
        self.gateway_restart()
        self.delivered(url)
        self.assertOnce(bundle, document)

    def test_109_gateway_killed_while_it_delivers(self):
        document = b"<a>in the middle</a>"
        bundle = support.demo_bundle(document)
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on, proxy.lost_answer))
        url = self.accept(bundle, {"Prefer": "respond-async"})
        support.wait_until(lambda: self.proxy.count(PROVIDE) == 1, "the delivery to be under way")
        self.gateway.kill()
        go_on.set()             # the domain stores it, and nobody is told
        self.gateway_restart()
        self.delivered(url)
        self.assertOnce(bundle, document)

    def test_114_order_of_a_patient(self):
        self.domain.kill()
        bundles = [support.demo_bundle(b"<a>%d</a>" % number, patient="IHEBLUE-10%02d" % (1 + number % 3))
                   for number in range(30)]
        urls = [self.accept(bundle) for bundle in bundles]
        self.domain_restart()
        for url in urls:
            self.delivered(url)
        for patient in range(3):
            places = [self.last_sent(support.document_oid(bundle)) for bundle in bundles[patient::3]]
            self.assertEqual(places, sorted(places))
        self.assertEqual(self.assertStatus(self.gateway.find(**{
            "patient.identifier": "urn:oid:%s|IHEBLUE-1002" % support.AUTHORITY}), 200).json()["total"], 10)

    def last_sent(self, oid):
        """The place of a document's last way through the proxy: the one that counted."""
        return max(place for place, exchange in enumerate(self.proxy.seen)
                   if exchange.action == PROVIDE and oid.encode() in exchange.body)

    def test_respond_async(self):
        document = b"<a>async</a>"
        bundle = support.demo_bundle(document)
        url = self.accept(bundle, {"Prefer": "respond-async"})
        self.delivered(url)
        self.assertOnce(bundle, document)

    def test_one_hiccup_after_an_outage_is_no_refusal(self):
        """However often it was tried while nothing was taken: a back-end that is just starting may fail once more."""
        first = support.demo_bundle(b"<a>1</a>", patient="IHEBLUE-1001")
        second = support.demo_bundle(b"<a>2</a>", patient="IHEBLUE-1002")
        is_back = threading.Event()
        hiccups = []

        def behave(exchange):
            is_first = support.document_oid(first).encode() in exchange.body
            if not is_back.is_set() or (is_first and len(hiccups) < 2):
                if taken:
                    hiccups.append(exchange)
                return proxy.answering(503, "text/html", b"<html>starting")(exchange)
            proxy.passing(exchange)
            return None if is_first else taken.append(exchange)
        taken = []
        self.proxy.script(PROVIDE, *[behave] * 500)
        url = self.accept(first)
        support.wait_until(lambda: self.proxy.count(PROVIDE) > 21, "many attempts in vain")
        second_url = self.accept(second)
        is_back.set()
        self.delivered(second_url)
        self.delivered(url)
        self.assertEqual(len(hiccups), 2)

    def test_dead_letter_says_why_and_withdraw(self):
        bundle = support.demo_bundle(b"<a>dead</a>", patient="NOBODY-2")
        good = support.demo_bundle(b"<a>good</a>")
        self.domain.kill()
        url = self.accept(bundle)
        good_url = self.accept(good)
        gone = self.accept(support.demo_bundle(b"<a>gone</a>"))
        self.assertStatus(support.request("DELETE", gone), 202)
        self.assertStatus(support.request("GET", gone), 404)
        self.domain_restart()
        self.delivered(good_url)
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "OperationOutcome")
        self.assertIn("XDSUnknownPatientId", json.dumps(answer))
        support.wait_until(lambda: '"state":"refused"' in self.gateway.log(), "the refusal to be logged")
        refused, = [json.loads(line) for line in self.gateway.log().splitlines() if '"state":"refused"' in line]
        self.assertEqual((refused["level"], refused["reason"]), ("warn", "XDSUnknownPatientId"))
        self.assertNotIn("outbox", refused)
        self.assertEqual(answer["issue"][0]["expression"], ["Bundle.entry[1].resource"], answer)
        found = self.assertStatus(self.gateway.find(), 200).json()
        self.assertEqual(found["total"], 1)
        self.assertStatus(support.request("GET", url[:-1] + ("b" if url[-1] == "a" else "a")), 404)


def replacing(bundle, target):
    """The Bundle as a replacement of a document (a DocumentReference of the gateway)."""
    bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": target}}]
    return bundle


def tags(resource):
    return [tag["code"] for tag in resource.get("meta", {}).get("tag", [])
            if tag["system"] == "urn:passerelle:publication"]


class Unreadable(Case):
    overrides = {"audit": {"enabled": "on", "repositories": [{"name": "file", "kind": "file", "path": "audit.ndjson"}]}}

    def test_what_cannot_be_read_any_more_holds_up_nobody(self):
        self.domain.kill()
        bundles = [support.demo_bundle(b"<a>lost</a>"), support.demo_bundle(b"<a>next</a>")]
        oids = [support.document_oid(bundle) for bundle in bundles]
        url, next_url = (self.accept(bundle) for bundle in bundles)
        store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"), timeout=30)
        with store:
            self.assertGreater(store.execute("DELETE FROM outbox_chunk WHERE part = 1 AND item = "
                                             "(SELECT MIN(seq) FROM outbox_item)").rowcount, 0)
        store.close()

        def found():
            answer = json.dumps(self.assertStatus(self.gateway.find(), 200).json())
            self.assertIn("cannot be read any more", answer)
            return [oid in answer for oid in oids]
        self.assertEqual(found(), [False, True])
        self.domain_restart()
        self.delivered(next_url)
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        self.assertEqual(found(), [False, True])
        self.assertStatus(support.request("DELETE", url), 202)
        self.assertNotIn("ERR_INCOMPLETE", json.dumps(self.assertStatus(self.gateway.find(), 200).json()))
        recorded = os.path.join(self.directory, "audit.ndjson")
        task = url.replace("/_async/", "/Task/")[len(self.gateway.base) + 1:]

        def events():
            with open(recorded, "rb") as file:
                return [json.loads(line) for line in file.read().split(b"\n")[:-1]]

        def ends():
            return [event["outcome"] for event in events() for entity in event.get("entity", [])
                    if entity.get("what", {}).get("reference", "").endswith(task) and
                    event["type"]["code"] == "110106"]
        support.wait_until(ends, "its end to be recorded")
        self.assertNotIn("0", ends())


class Full(Case):
    overrides = {"outbox": {"bytes_max": 2097152}}

    def test_110_full_refuses_and_keeps_nothing(self):
        self.domain.kill()
        size = 700 * 1024
        url = self.accept(support.demo_bundle(b"<a>" + b"x" * size + b"</a>"))
        self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>" + b"y" * size + b"</a>")), 503)
        found = self.assertStatus(self.gateway.find(), 200).json()
        self.assertEqual(len([entry for entry in found["entry"] if entry["search"]["mode"] == "match"]), 1)
        support.wait_until(lambda: support.request("DELETE", url).status == 202, "no attempt to be under way")
        self.accept(support.demo_bundle(b"<a>" + b"z" * size + b"</a>"))


class Greedy(Case):
    """One client leaves half of the room to the others, in an outage too."""
    overrides = {"outbox": {"bytes_max": 2097152}, "access": {"anonymous": False}}

    def publish(self, text, token, status, **headers):
        bundle = support.demo_bundle(b"<a>" + text * (400 * 1024) + b"</a>")
        headers = dict({"Content-Type": "application/fhir+json"}, **headers, **support.bearer(token))
        return self.assertStatus(support.request("POST", self.gateway.base, headers, json.dumps(bundle).encode()), status)

    def test_110_a_greedy_client_and_a_modest_one(self):
        greedy = [self.gateway.token("doctor", user=user) for user in ("doctor-1", "doctor-2")]  # one program
        modest = self.gateway.token("system", user="ward")
        self.domain.kill()
        taken = [self.publish(text, token, 202).header("Content-Location")
                 for text, token in ((b"a", greedy[0]), (b"b", greedy[1]))]
        refused = self.publish(b"c", greedy[1], 503)
        self.assertIn("one client may fill half of the outbox", refused.body.decode())
        self.assertTrue(refused.header("Retry-After"))
        taken.append(self.publish(b"d", modest, 202).header("Content-Location"))
        taken.append(self.publish(b"e", modest, 202).header("Content-Location"))
        self.domain_restart()
        for url, token in zip(taken, greedy + [modest, modest]):
            support.wait_until(lambda: support.request("GET", url, support.bearer(token)).status == 200, "its delivery")
        # What was delivered takes no room.
        self.domain.kill()
        self.publish(b"f", greedy[0], 202)
        self.publish(b"g", greedy[1], 202)
        self.publish(b"h", greedy[0], 503)
        self.domain_restart()

    def test_who_asks_to_wait_takes_less_and_is_served_at_once_beyond(self):
        greedy = self.gateway.token("doctor", user="doctor-1")
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on))
        first = self.publish(b"a", greedy, 202, Prefer="respond-async").header("Content-Location")
        self.publish(b"b", greedy, 202, Prefer="respond-async")
        # They wait for each other: the same patient's.
        other = support.demo_bundle(b"<a>another's</a>", patient="IHEBLUE-1002")
        headers = dict({"Content-Type": "application/fhir+json", "Prefer": "respond-async"}, **support.bearer(greedy))
        self.assertStatus(support.request("POST", self.gateway.base, headers, json.dumps(other).encode()), 200)
        go_on.set()
        support.wait_until(lambda: support.request("GET", first, support.bearer(greedy)).status == 200, "its delivery")


class Leases(Case):
    """While an answer is long in coming, the gateway goes on holding what it sends."""
    overrides = {"outbox": {"lease_seconds": 1}}

    def setUp(self):
        super().setUp()
        self.go_on = threading.Event()
        self.addCleanup(self.go_on.set)
        self.proxy.script(PROVIDE, proxy.held(self.go_on))
        self.url = self.accept(support.demo_bundle(b"<a>slow</a>"), {"Prefer": "respond-async"})
        support.wait_until(lambda: self.proxy.count(PROVIDE) == 1, "the delivery to be under way")
        self.store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"), isolation_level=None)
        self.addCleanup(self.store.close)

    def test_the_shortest_is_kept(self):
        leases = set()

        def is_kept():
            leases.add(self.store.execute("SELECT lease_ms FROM outbox_item").fetchone()[0])
            return len(leases) > 4 or self.proxy.count(PROVIDE) > 1
        support.wait_until(is_kept, "the lease to be extended again and again")
        self.assertEqual(self.proxy.count(PROVIDE), 1, "nobody else went on with it")
        self.go_on.set()
        self.delivered(self.url)

    def test_a_store_that_stalls_stops_nobody_else(self):
        """The lease cannot be extended now: whoever asks about the back-end's state is answered all the same."""
        self.store.execute("BEGIN IMMEDIATE")
        lease_ms, = self.store.execute("SELECT lease_ms FROM outbox_item").fetchone()
        while time.clock_gettime(time.CLOCK_BOOTTIME) * 1000 < lease_ms:
            answer = support.request("GET", self.gateway.base.replace("/fhir", "/health/ready"), seconds=8)
            self.assertStatus(answer, 200)
        self.store.execute("ROLLBACK")
        self.go_on.set()
        self.delivered(self.url)


class Visible(Case):
    """What waits is there for the gateway's readers, under the ids that it keeps."""

    def found(self, kind="DocumentReference", **parameters):
        bundle = self.assertStatus(self.gateway.find(kind, **parameters), 200).json()
        return {entry["resource"]["id"]: entry["resource"] for entry in bundle.get("entry", [])
                if entry["search"]["mode"] == "match"}, bundle

    def test_found_read_and_retrieved_while_it_waits(self):
        document = b"<a>waits</a>"
        bundle = support.demo_bundle(document)
        self.domain.kill()
        url = self.accept(bundle)
        found, whole = self.found()
        self.assertEqual(len(found), 1)
        self.assertIn("ERR_INCOMPLETE", json.dumps(whole))
        (identifier, resource), = found.items()
        self.assertEqual(tags(resource), ["not-registered"])
        self.assertIn(support.document_oid(bundle), json.dumps(resource["masterIdentifier"]))
        read = self.assertStatus(support.request("GET", self.gateway.base + "/DocumentReference/" + identifier), 200)
        self.assertEqual(tags(read.json()), ["not-registered"])
        attachment = resource["content"][0]["attachment"]["url"]
        got = self.assertStatus(support.request("GET", attachment), 200)
        self.assertEqual(got.body, document)
        self.assertEqual(self.assertStatus(support.request("HEAD", attachment), 200).header("Content-Length"),
                         str(len(document)))
        lists, _ = self.found("List", code="submissionset")
        (list_id, submission), = lists.items()
        self.assertEqual(tags(submission), ["not-registered"])
        self.assertEqual(submission["entry"][0]["item"]["reference"], "DocumentReference/" + identifier)
        read = self.assertStatus(support.request("GET", self.gateway.base + "/List/" + list_id), 200)
        self.assertEqual(tags(read.json()), ["not-registered"])
        self.assertEqual(self.found(type="http://loinc.org|0-0")[0], {})
        nobody = self.gateway.find(**{"patient.identifier": "urn:oid:%s|IHEBLUE-1002" % support.AUTHORITY})
        self.assertIn(nobody.status, (502, 503), "nothing waits of this patient, and nobody knows what is registered")
        self.domain_restart()
        self.delivered(url)
        after, whole = self.found()
        self.assertEqual(list(after), [identifier])
        self.assertEqual(tags(after[identifier]), [])
        self.assertNotIn("ERR_INCOMPLETE", json.dumps(whole))
        self.assertEqual(after[identifier]["content"][0]["attachment"]["url"], attachment)
        self.assertEqual(list(self.found("List", code="submissionset")[0]), [list_id])
        self.assertEqual(support.request("GET", attachment).body, document)

    def test_replacement_stands_beside_what_it_replaces(self):
        old = support.demo_bundle(b"<a>old</a>")
        answer = self.assertStatus(self.gateway.publish(old), 200).json()
        target = reference_location(answer)
        new = replacing(support.demo_bundle(b"<a>new</a>"), target)
        go_on = threading.Event()
        self.proxy.script(PROVIDE, proxy.held(go_on))
        url = self.accept(new, {"Prefer": "respond-async"})
        found, _ = self.found()
        self.assertEqual(sorted(tags(resource)[0] for resource in found.values()),
                         ["not-registered", "to-be-superseded"])
        waiting = next(resource for resource in found.values() if tags(resource) == ["not-registered"])
        self.assertEqual(waiting["relatesTo"], [{"code": "replaces", "target": {"reference": target}}])
        read = self.assertStatus(support.request("GET", self.gateway.base + "/" + target), 200).json()
        self.assertEqual(tags(read), ["to-be-superseded"])
        go_on.set()
        self.delivered(url)
        found, _ = self.found()
        self.assertEqual([tags(resource) for resource in found.values()], [[]])
        self.assertNotIn(target.split("/")[1], found)

    def test_what_it_relates_to_is_said_in_the_outage_too(self):
        """By the id that the registered document keeps, or by its uniqueId; also to who changes it meanwhile."""
        old = [support.demo_bundle(b"<a>%d</a>" % number) for number in range(2)]
        targets = [reference_location(self.assertStatus(self.gateway.publish(bundle), 200).json()).split("/_history")[0]
                   for bundle in old]
        name = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(old[1])}
        new = [replacing(support.demo_bundle(b"<a>by id</a>"), targets[0]), support.demo_bundle(b"<a>by name</a>")]
        new[1]["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {"identifier": name}}]
        oids = [support.document_oid(bundle) for bundle in new]
        self.domain.kill()
        urls = [self.accept(bundle) for bundle in new]

        def shown():
            found = self.found()[0].values()
            return [next(each for each in found if oid in json.dumps(each["masterIdentifier"])) for oid in oids]
        waiting = shown()
        self.assertEqual([each["relatesTo"] for each in waiting], [
            [{"code": "replaces", "target": {"reference": targets[0]}}], [{"code": "appends", "target": {"identifier": name}}]])
        for each in waiting:
            place = "%s/DocumentReference/%s" % (self.gateway.base, each["id"])
            read = self.assertStatus(support.request("GET", place), 200).json()
            self.assertEqual(read["relatesTo"], each["relatesTo"])
            read["description"] = "changed in the outage"
            self.assertStatus(support.request("PUT", place, {"Content-Type": "application/fhir+json"},
                                              json.dumps(read).encode()), 202)
        self.domain_restart()
        for url in urls:
            self.delivered(url)
        support.wait_until(lambda: [each["description"] for each in shown()] == ["changed in the outage"] * 2 and
                           not any(tags(each) for each in shown()), "the changes to be made")
        self.assertEqual([each["relatesTo"][0]["target"]["reference"] for each in shown()], targets)
        self.assertEqual([each["id"] for each in shown()], [each["id"] for each in waiting])

    def test_112_chain_of_replacements_in_an_outage(self):
        old = self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>1</a>")), 200).json()
        self.domain.kill()
        first = replacing(support.demo_bundle(b"<a>2</a>"), reference_location(old))
        url = self.accept(first)
        oid = support.document_oid(first)
        second = replacing(support.demo_bundle(b"<a>3</a>"),
                           "DocumentReference/" + next(key for key, resource in self.found()[0].items()
                                                       if oid in json.dumps(resource["masterIdentifier"])))
        second_url = self.accept(second)
        self.assertEqual(sorted(tags(resource) for resource in self.found()[0].values()),
                         [["not-registered"], ["not-registered", "to-be-superseded"]])
        self.domain_restart()
        self.delivered(url)
        self.delivered(second_url)
        found, _ = self.found()
        self.assertEqual(len(found), 1)
        self.assertIn(support.document_oid(second), json.dumps(found))


class Flood(Case):
    """Much that waits of one patient keeps nobody from reading."""
    overrides = {"search": {"results_max": 5}}

    def newest(self, bundles, kind="DocumentReference"):
        """What a search shows, and whether it says that more waits."""
        whole = self.assertStatus(self.gateway.find(kind), 200).json()
        found = [entry["resource"] for entry in whole["entry"] if entry["search"]["mode"] == "match"]
        self.assertNotIn("total", whole)
        self.assertIn("Too much waits", json.dumps(whole))
        places = [place for place, bundle in enumerate(bundles)
                  if support.document_oid(bundle) in json.dumps([each.get("masterIdentifier") for each in found])]
        return found, places

    def test_110_the_newest_are_shown(self):
        registered = support.demo_bundle(b"<a>registered</a>")
        self.assertStatus(self.gateway.publish(registered), 200)
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(PROVIDE, proxy.held(go_on))
        bundles = [registered] + [support.demo_bundle(b"<a>%d</a>" % number) for number in range(8)]
        urls = [self.accept(bundle, {"Prefer": "respond-async"}) for bundle in bundles[1:]]
        found, places = self.newest(bundles)
        self.assertEqual(places, [0, 5, 6, 7, 8], "what is registered, and what came last")
        read = [resource for resource in found if tags(resource)][0]
        self.assertStatus(support.request("GET", self.gateway.base + "/DocumentReference/" + read["id"]), 200)
        self.assertEqual(len(self.newest(bundles, "List")[0]), 6)
        go_on.set()
        for url in urls[:3]:
            self.delivered(url)


class FloodOfBytes(Flood):
    overrides = {"limits": {"request_memory": "2MiB"}}

    def test_110_the_newest_are_shown(self):
        self.domain.kill()
        bundles = [support.demo_bundle(b"<a>%d</a>" % number) for number in range(30)]
        for bundle in bundles:
            self.accept(bundle)
        _, places = self.newest(bundles)
        self.assertEqual(places, list(range(places[0], 30)))
        self.assertGreater(places[0], 0)


class Tasks(Case):
    """What waits and what was refused, as FHIR Tasks."""

    def tasks(self, query=""):
        bundle = self.assertStatus(support.request("GET", self.gateway.base + "/Task" + query), 200).json()
        return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"], bundle

    def refused(self):
        """A publication that the registry refuses once; its Bundle, status URL and Task."""
        answer = self.assertStatus(self.gateway.publish(support.demo_bundle(b"<a>old</a>")), 200).json()
        target = reference_location(answer)
        bundle = replacing(support.demo_bundle(b"<a>late</a>"), target)
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml", REFUSAL))
        url = self.accept(bundle, {"Prefer": "respond-async"})
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        (task,), _ = self.tasks("?status=failed")
        return bundle, url, task

    def test_failed_is_told_and_tried_again(self):
        bundle, url, task = self.refused()
        self.assertEqual(task["resourceType"], "Task")
        self.assertEqual(task["intent"], "order")
        self.assertEqual(task["statusReason"]["text"], "XDSRegistryMetadataError")
        self.assertTrue(task["for"]["reference"].startswith("Patient/"))
        self.assertEqual(task["output"][0]["valueUrl"], url)
        read = self.assertStatus(support.request("GET", self.gateway.base + "/Task/" + task["id"]), 200).json()
        self.assertEqual(read, task)
        again = self.assertStatus(
            support.request("POST", "%s/Task/%s/$retry" % (self.gateway.base, task["id"])), 200).json()
        self.assertEqual(again["status"], "requested")
        self.delivered(url)
        self.assertEqual(self.tasks("?status=failed")[0], [])
        self.assertEqual([each["id"] for each in self.tasks("?status=completed")[0]], [task["id"]])
        self.assertStatus(support.request("POST", "%s/Task/%s/$retry" % (self.gateway.base, task["id"])), 409)
        self.assertOnce(bundle, b"<a>late</a>")

    def test_sent_again_is_tried_again(self):
        """Also while the back-end is up: never registered beside its dead letter, which nobody would miss."""
        bundle, url, task = self.refused()
        following = replacing(support.demo_bundle(b"<a>next</a>"), "DocumentReference/" + next(
            entry["resource"]["id"] for entry in self.gateway.find().json()["entry"]
            if support.document_oid(bundle) in json.dumps(entry["resource"].get("masterIdentifier", ""))))
        following_url = self.accept(following)
        other = support.demo_bundle(b"<a>another content</a>")
        other["entry"][0]["resource"]["identifier"] = bundle["entry"][0]["resource"]["identifier"]
        self.assertStatus(self.gateway.publish(other), 409)
        self.assertEqual(self.accept(bundle), url)
        self.delivered(url)
        self.delivered(following_url)
        self.assertEqual(self.tasks("?status=failed")[0], [])
        self.assertNotIn(task["id"], [each["id"] for each in self.tasks("?status=requested,on-hold")[0]])

    def test_result_that_cannot_be_read_hides_nothing(self):
        _, _, task = self.refused()
        store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"))
        with store:
            self.assertEqual(store.execute("UPDATE outbox_item SET result = zeroblob(100)").rowcount, 1)
        store.close()
        self.assertEqual([each["id"] for each in self.tasks("?status=failed")[0]], [task["id"]])

    def test_cancelled_by_update(self):
        _, url, task = self.refused()
        task["status"] = "cancelled"
        body = json.dumps(task).encode()
        headers = {"Content-Type": "application/fhir+json"}
        location = self.gateway.base + "/Task/" + task["id"]
        self.assertStatus(support.request("PUT", location, headers, body.replace(b"cancelled", b"accepted")), 422)
        self.assertEqual(self.assertStatus(support.request("PUT", location, headers, body), 200).json()["status"],
                         "cancelled")
        # 200 with why it is not there: only who deletes the status URL has asked not to be told.
        answer = self.settled(url)
        self.assertEqual(answer["resourceType"], "OperationOutcome")
        self.assertEqual(answer["issue"][0]["details"]["coding"][0]["code"], "ERR_WITHDRAWN")
        self.assertIn("Withdrawn by request.", answer["issue"][0]["diagnostics"])
        self.assertStatus(support.request("PUT", location, headers, body), 200)

    def test_corrected_has_the_names_of_what_it_is_now(self):
        """It is another document then, which is read and replaced under its own names while it waits."""
        bundle, _, task = self.refused()
        bundle["entry"][1]["resource"]["masterIdentifier"]["value"] = "urn:oid:" + support.fresh_oid(1)
        self.domain.kill()
        answer = support.request("POST", "%s/Task/%s/$resubmit" % (self.gateway.base, task["id"]),
                                 {"Content-Type": "application/fhir+json"}, json.dumps(bundle).encode())
        self.assertStatus(answer, 202)
        oid = support.document_oid(bundle)
        resource, = [entry["resource"] for entry in self.gateway.find().json()["entry"]
                     if oid in json.dumps(entry["resource"].get("masterIdentifier", ""))]
        self.assertStatus(support.request("GET", self.gateway.base + "/DocumentReference/" + resource["id"]), 200)
        self.assertStatus(support.request("GET", resource["content"][0]["attachment"]["url"]), 200)
        following_url = self.accept(replacing(support.demo_bundle(b"<a>next</a>"), "DocumentReference/" + resource["id"]))
        self.domain_restart()
        self.delivered(following_url)

    def test_corrected_takes_nobodys_names(self):
        """Nor those of what is registered."""
        bundle, _, task = self.refused()
        registered = support.demo_bundle(b"<a>registered</a>")
        self.assertStatus(self.gateway.publish(registered), 200)
        bundle["entry"][1]["resource"]["masterIdentifier"] = registered["entry"][1]["resource"]["masterIdentifier"]
        answer = support.request("POST", "%s/Task/%s/$resubmit" % (self.gateway.base, task["id"]),
                                 {"Content-Type": "application/fhir+json"}, json.dumps(bundle).encode())
        self.assertStatus(answer, 409)

    def test_corrected_takes_its_place(self):
        bundle, url, task = self.refused()
        oid = support.document_oid(bundle)
        following = replacing(support.demo_bundle(b"<a>next</a>"), "DocumentReference/" + next(
            entry["resource"]["id"] for entry in self.gateway.find().json()["entry"]
            if oid in json.dumps(entry["resource"].get("masterIdentifier", ""))))
        other = support.demo_bundle(b"<a>passes</a>")
        following_url = self.accept(following)
        self.assertStatus(self.gateway.publish(other), 200)
        held, = self.tasks("?status=on-hold")[0]
        self.assertEqual(held["output"][0]["valueUrl"], following_url)
        bundle["entry"][1]["resource"]["description"] = "corrected"
        answer = support.request("POST", "%s/Task/%s/$resubmit" % (self.gateway.base, task["id"]),
                                 {"Content-Type": "application/fhir+json"}, json.dumps(bundle).encode())
        self.assertStatus(answer, 202)
        self.assertEqual(answer.header("Content-Location"), url)
        self.delivered(url)
        self.delivered(following_url)
        found = self.assertStatus(self.gateway.find(), 200).json()
        self.assertIn(support.document_oid(following), json.dumps(found))
        self.assertNotIn(oid, json.dumps([entry["resource"].get("masterIdentifier") for entry in found["entry"]]))

    def resubmit(self, task, bundle):
        return support.request("POST", "%s/Task/%s/$resubmit" % (self.gateway.base, task["id"]),
                               {"Content-Type": "application/fhir+json"}, json.dumps(bundle).encode())

    def test_a_wrong_patient_is_corrected(self):
        """Nothing of it is registered, and the registry knows nobody by that name: it goes on for whom it should be."""
        bundle = support.demo_bundle(b"<a>whose?</a>", patient="NOBODY-3")
        url = self.accept(bundle, {"Prefer": "respond-async"})
        self.assertIn("XDSUnknownPatientId", json.dumps(self.settled(url)))
        task, = self.tasks("?status=failed")[0]
        right = json.loads(json.dumps(bundle).replace("NOBODY-3", support.PATIENT))
        # What builds upon it is the other patient's as well.
        oid = support.document_oid(bundle)
        self.domain.kill()
        addendum = support.demo_bundle(b"<a>more</a>", patient="NOBODY-3")
        addendum["entry"][1]["resource"]["relatesTo"] = [
            {"code": "appends", "target": {"identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + oid}}}]
        behind = self.accept(addendum)
        self.assertIn("builds upon it", self.assertStatus(self.resubmit(task, right), 409).body.decode())
        self.assertStatus(support.request("DELETE", behind), 202)
        # It stands behind what this patient has waiting.
        before = self.accept(support.demo_bundle(b"<a>before</a>"))
        self.assertStatus(self.resubmit(task, right), 202)
        self.assertEqual(self.tasks("?status=failed")[0], [])
        self.domain_restart()
        self.delivered(before)
        self.delivered(url)
        self.assertOnce(bundle, b"<a>whose?</a>")
        self.assertIn(oid, json.dumps(self.assertStatus(self.gateway.find(), 200).json()))

    def test_the_patient_stays_where_that_is_not_what_was_refused(self):
        bundle, _, task = self.refused()
        other = json.loads(json.dumps(bundle).replace(support.PATIENT, "IHEBLUE-1002"))
        del other["entry"][1]["resource"]["relatesTo"]
        answer = self.assertStatus(self.resubmit(task, other), 422)
        self.assertIn("withdraw the publication and send another", answer.body.decode())

    def test_pages(self):
        self.domain.kill()
        urls = {self.accept(support.demo_bundle(b"<a>%d</a>" % number)) for number in range(5)}
        seen = []
        query = "?status=requested,in-progress&_count=2"
        while True:
            tasks, bundle = self.tasks(query)
            self.assertLessEqual(len(tasks), 2)
            seen += [task["output"][0]["valueUrl"] for task in tasks]
            links = {link["relation"]: link["url"] for link in bundle["link"]}
            if "next" not in links:
                break
            query = links["next"][len(self.gateway.base + "/Task"):]
        self.assertEqual(sorted(seen), sorted(urls))
        self.assertStatus(support.request("GET", self.gateway.base + "/Task?status=nonsense"), 400)
        self.assertStatus(support.request("GET", self.gateway.base + "/Task?_summary=count"), 422)
        self.domain_restart()
        for url in urls:
            self.delivered(url)


if __name__ == "__main__":
    unittest.main()
