"""The stand of docker/compose.yaml under load and harm: two gateways behind HAProxy on one PostgreSQL and one Redis. Any
gateway answers anything and finishes what a dead one began; an emptied Redis loses nothing and permits nothing."""
import json
import random
import threading
import time
import unittest
import urllib.parse

import chaos
import cluster
import support
from test_consents import consent

SYSTEM = cluster.PATIENT_SYSTEM
LEASE_SECONDS = 2
LOAD = 160        # publications
PUBLISHERS = 4
FHIR = {"Content-Type": "application/fhir+json"}
# As it is shipped, but with less patience than among real networks.
IMPATIENT = (("publication: {degraded: accept}", "publication: {degraded: accept, deadline_ms: 1000, retry_seconds_max: 3}"),
             ("outbox:\n", "outbox:\n  lease_seconds: %d\n" % LEASE_SECONDS),
             ("    source: 1\n", "    source: 1\n    timeout_ms: 1500\n"))


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = cluster.Cluster(gateway=IMPATIENT)
        cls.addClassCleanup(cls.cluster.close)
        cls.doctor = support.bearer(cls.cluster.token("doctor"))
        cls.base = cls.cluster.base
        support.wait_until(lambda: support.request("GET", cls.base + "/metadata").status == 200, "HAProxy to see a gateway")

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def setUp(self):
        """What the test before did to the wires is forgotten."""
        for name in cluster.GATEWAYS:
            support.wait_until(lambda: self.reaches(name, "IHEBLUE-1010"), "%s to reach its back-ends" % name)

    def reaches(self, name, patient):
        """Whether a gateway publishes directly; what waits instead is out of the way afterwards."""
        answer = self.publish(self.of(name), patient)[1]
        if answer.status == 202:
            self.settled(self.past(name, answer.header("Content-Location")))
        return answer.status == 200

    def tearDown(self):
        self.cluster.hcm_wire.mode = self.cluster.postgres_wire.mode = ""

    def of(self, name):
        """The base URL of one gateway, past HAProxy."""
        return self.cluster.gateways[name].base

    def past(self, name, url):
        """What a gateway's answer says as url, asked of this gateway."""
        self.assertTrue(url.startswith(self.base + "/"), url)
        return self.of(name) + url[len(self.base):]

    def publish(self, base, patient, document=b"a letter", **headers):
        bundle = support.demo_bundle(document, "text/plain", patient)
        answer = support.request("POST", base, {**FHIR, **self.doctor, **headers}, json.dumps(bundle).encode())
        return bundle, answer

    def accepted(self, base, patient, document=b"a letter", **headers):
        """Publishes what must wait; (bundle, path of its status)."""
        bundle, answer = self.publish(base, patient, document, **headers)
        self.assertEqual(answer.status, 202, repr(answer))
        return bundle, answer.header("Content-Location")

    def found(self, base, patient, headers=None):
        """(The OperationOutcomes', the matches' resources.)"""
        query = urllib.parse.urlencode({"patient.identifier": SYSTEM + "|" + patient, "status": "current"})
        answer = support.request("GET", base + "/DocumentReference?" + query, headers or self.doctor)
        self.assertEqual(answer.status, 200, repr(answer))
        return [entry["resource"] for entry in answer.json().get("entry", []) if entry["search"]["mode"] == "match"]

    def settled(self, url):
        answer = []

        def over():
            answer[:] = [support.request("GET", url, self.doctor)]
            return answer[0].status not in (202, 503)

        support.wait_until(over, "delivery", 60)
        self.assertEqual(answer[0].status, 200, repr(answer[0]))
        return answer[0].json()

    def in_registry(self, bundle, patient):
        """How often the registry has the document."""
        publication = chaos.Publication.__new__(chaos.Publication)
        publication.oid, publication.patient = support.document_oid(bundle), patient
        return len(chaos.Ledger(self.cluster.ask).entries_of([publication])[publication.oid])


class AnyGateway(Case):
    def test_any_gateway_answers_anything(self):
        patient = "IHEBLUE-1001"
        for _ in range(4):
            self.assertEqual(self.publish(self.base, patient)[1].status, 200)
        served = self.cluster.haproxy.log()
        self.assertIn("by gateway1", served)
        self.assertIn("by gateway2", served)
        # Pages, ids and addresses of one are good at the other. (A pipe as clients send it passes, too.)
        page = support.request("GET", "%s/DocumentReference?patient.identifier=%s|%s&status=current&_count=2"
                               % (self.of("gateway1"), SYSTEM, patient), self.doctor).json()
        following = next(link["url"] for link in page["link"] if link["relation"] == "next")
        rest = support.request("GET", self.past("gateway2", following), self.doctor)
        self.assertEqual(rest.status, 200, repr(rest))
        for resource in self.found(self.of("gateway1"), patient):
            url = resource["content"][0]["attachment"]["url"]
            self.assertEqual(support.request("GET", self.past("gateway2", url), self.doctor).body, b"a letter")

    def test_haproxy_keeps_to_itself_what_is_not_for_clients(self):
        root = self.base[:-len("/fhir")]
        for path in ("/health/ready", "/health/live", "/metrics", "/metrics/", "/%6detrics", "//metrics"):
            status = support.request("GET", root + path, {"X-Forwarded-For": "127.0.0.1"}).status
            self.assertIn(status, (400, 401, 403, 404), path)
        self.assertNotIn("IHEBLUE", self.cluster.haproxy.log())

    def test_a_waiting_document_is_visible_through_the_other_gateway(self):
        patient = "IHEBLUE-1002"
        self.assertEqual(self.publish(self.base, patient)[1].status, 200)
        self.cluster.hcm_wire.mode = "nothing passes"
        bundle, status_url = self.accepted(self.of("gateway1"), patient, b"read me in the outage")
        answer = support.request("GET", self.past("gateway2", status_url), self.doctor)
        self.assertEqual(answer.status, 202, repr(answer))
        waiting = self.found(self.of("gateway2"), patient)
        self.assertEqual([each["masterIdentifier"]["value"] for each in waiting],
                         ["urn:oid:" + support.document_oid(bundle)])
        self.assertTrue(waiting[0]["meta"].get("tag"), waiting[0]["meta"])
        url = waiting[0]["content"][0]["attachment"]["url"]
        self.assertEqual(support.request("GET", self.past("gateway2", url), self.doctor).body, b"read me in the outage")
        self.cluster.hcm_wire.mode = ""
        self.settled(self.past("gateway2", status_url))
        for name in cluster.GATEWAYS:
            same = [each for each in self.found(self.of(name), patient) if each["id"] == waiting[0]["id"]]
            self.assertEqual(len(same), 1)
            self.assertFalse(same[0]["meta"].get("tag"), same[0]["meta"])
            self.assertEqual(support.request("GET", self.past(name, url), self.doctor).body, b"read me in the outage")
        self.assertEqual(self.in_registry(bundle, patient), 1)

    def test_another_gateway_finishes_what_a_dead_one_began(self):
        """The back-end has taken the document; the gateway that sent it dies before it knows."""
        patient = "IHEBLUE-1003"
        self.cluster.gateways["gateway2"].kill()
        self.cluster.hcm_wire.mode = "answers held back"
        bundle, status_url = self.accepted(self.of("gateway1"), patient, Prefer="respond-async")
        support.wait_until(lambda: self.in_registry(bundle, patient) == 1, "the registry to have it")
        self.assertEqual(self.cluster.postgres.sql("SELECT count(*) FROM outbox_item WHERE state = 1"), "1")
        self.cluster.gateways["gateway1"].kill()
        self.cluster.hcm_wire.mode = ""
        self.cluster.gateway_start("gateway2")
        done = self.settled(self.past("gateway2", status_url))
        self.assertEqual(done["type"], "transaction-response")
        self.assertEqual(self.in_registry(bundle, patient), 1)
        self.cluster.gateway_start("gateway1")
        self.assertEqual(self.settled(self.past("gateway1", status_url)), done)

    def test_a_gateway_that_awakes_does_not_finish_what_another_one_has_taken_over(self):
        patient = "IHEBLUE-1004"
        self.cluster.gateways["gateway2"].kill()
        self.cluster.hcm_wire.mode = "nothing passes"
        bundle, status_url = self.accepted(self.of("gateway1"), patient, Prefer="respond-async")
        support.wait_until(lambda: self.cluster.postgres.sql(
            "SELECT count(*) FROM outbox_item WHERE state = 1") == "1", "gateway1 to send it")
        sleeper = self.cluster.gateways["gateway1"].process
        sleeper.send_signal(chaos.signal.SIGSTOP)
        self.cluster.hcm_wire.mode = ""
        self.cluster.gateway_start("gateway2")
        done = self.settled(self.past("gateway2", status_url))
        sleeper.send_signal(chaos.signal.SIGCONT)
        self.assertEqual(self.settled(self.past("gateway1", status_url)), done)
        # Both are awake; a publication after it is not held up by what gateway1 believed.
        support.wait_until(lambda: self.reaches("gateway1", patient), "gateway1 to know better")
        self.assertEqual(self.publish(self.base, patient)[1].status, 200)
        self.assertEqual(self.in_registry(bundle, patient), 1)

    def test_what_is_registered_is_there_without_postgresql(self):
        patient = "IHEBLUE-1006"
        _, answer = self.publish(self.base, patient)
        self.assertEqual(answer.status, 200, repr(answer))
        location = {entry["response"]["location"].split("/")[0]: entry["response"]["location"]
                    for entry in answer.json()["entry"]}
        self.cluster.hcm_wire.mode = "nothing passes"
        waiting = self.accepted(self.base, patient, b"one that waits")[1]
        self.cluster.postgres.kill()
        self.cluster.hcm_wire.mode = ""
        for name in cluster.GATEWAYS:
            def there():
                return len(self.found(self.of(name), patient)) == 1

            support.wait_until(there, "the gateway to ask its back-end again")  # which it left alone for a while
            query = urllib.parse.urlencode({"patient.identifier": SYSTEM + "|" + patient, "status": "current"})
            found = support.request("GET", self.of(name) + "/DocumentReference?" + query, self.doctor).json()
            self.assertIn("What waits to be registered is missing here", json.dumps(found))
            self.assertNotIn("total", found)
            for kind in ("DocumentReference", "List"):
                read = support.request("GET", self.of(name) + "/" + location[kind], self.doctor)
                self.assertEqual(read.status, 200, repr(read))
            url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]
            self.assertEqual(support.request("GET", self.past(name, url), self.doctor).body, b"a letter")
            # Nobody knows what waits: neither whether this one is settled, nor what a publication has to wait for.
            self.assertEqual(support.request("GET", self.past(name, waiting), self.doctor).status, 503)
            self.assertEqual(self.publish(self.of(name), patient)[1].status, 503)
            ready = urllib.parse.urljoin(self.of(name), "/health/ready")
            support.wait_until(lambda url=ready: support.request("GET", url).json()["status"] == "degraded",
                               "the gateway to say that something is missing")
            self.assertEqual(support.request("GET", ready).status, 200)
        self.cluster.postgres.start()
        self.settled(waiting)
        self.assertEqual(len(self.found(self.base, patient)), 2)

    def test_a_flush_revives_no_consent(self):
        patient = "IHEBLUE-1005"
        self_ = {**support.bearer(self.cluster.token("patient", patient=SYSTEM + "|" + patient)), **FHIR}
        self.publish(self.base, patient)
        self.cluster.hcm_wire.mode = "nothing passes"
        _, status_url = self.accepted(self.base, patient, b"soon to be hidden")
        urls = []
        for name in cluster.GATEWAYS:  # both have decided that the doctor may see it
            waiting = self.found(self.of(name), patient)
            self.assertEqual(len(waiting), 1)
            urls = [waiting[0]["content"][0]["attachment"]["url"]]
        made = support.request("POST", self.of("gateway1") + "/Consent", self_,
                               json.dumps(consent(patient, provision={"type": "deny"})).encode())
        self.assertEqual(made.status, 201, repr(made))
        self.cluster.redis.flush()
        self.hidden(patient, urls)
        # Nobody can be asked any more: neither the last known answers of the two nor those of a fresh one say otherwise.
        self.cluster.hcm.kill()
        self.cluster.redis.flush()
        self.hidden(patient, urls)
        self.cluster.gateways["gateway2"].kill()
        self.cluster.gateway_start("gateway2")
        self.hidden(patient, urls)
        self.cluster.redis.kill()
        self.hidden(patient, urls)
        self.cluster.hcm_start()
        self.cluster.redis.start()
        self.cluster.hcm_wire.mode = ""
        self.settled(status_url)
        self.hidden(patient, urls)

    def hidden(self, patient, urls):
        """No gateway shows the doctor anything of the patient."""
        query = urllib.parse.urlencode({"patient.identifier": SYSTEM + "|" + patient, "status": "current"})
        for name in cluster.GATEWAYS:
            answer = support.request("GET", "%s/DocumentReference?%s" % (self.of(name), query), self.doctor)
            self.assertNotIn(b'"DocumentReference"', answer.body)
            for url in urls:
                answer = support.request("GET", self.past(name, url), self.doctor)
                self.assertNotEqual(answer.status, 200, repr(answer))


class Load(Case):
    def test_nothing_is_lost_and_nothing_doubled(self):
        for name in cluster.GATEWAYS:  # what patients consent to goes on being known in the outage of who says so
            for number in range(1, 11):
                self.found(self.of(name), "IHEBLUE-10%02d" % number)
        ledger = chaos.Ledger(self.cluster.ask, **self.doctor)
        lock = threading.Lock()
        ends = threading.Event()
        self.addCleanup(ends.set)

        def publisher(number):
            chance = random.Random("cluster %d" % number)
            while not ends.is_set():
                with lock:
                    if len(ledger.made) >= LOAD:
                        return
                    publication = chaos.Publication(chance, len(ledger.made), None)
                    ledger.made.append(publication)
                while not publication.acknowledged and not ends.is_set():
                    publication.send(self.base, **self.doctor)
                    if not publication.acknowledged:
                        time.sleep(0.1)

        threads = [threading.Thread(target=publisher, args=(number,), daemon=True) for number in range(PUBLISHERS)]
        for thread in threads:
            thread.start()

        def go_on():
            """The next harm comes when some more were acknowledged since the last one, or all are."""
            with lock:
                before = sum(1 for each in ledger.made if each.acknowledged)
            support.wait_until(lambda: not any(thread.is_alive() for thread in threads) or
                               sum(1 for each in list(ledger.made) if each.acknowledged) >= before + 12,
                               lambda: "publications to be acknowledged after %d: %s" % (
                                   before, [each.statuses for each in ledger.made if not each.acknowledged]), 60)

        stand = self.cluster
        for harm in (lambda: (stand.gateways["gateway1"].kill(), stand.gateway_start("gateway1")),
                     stand.redis.flush,
                     lambda: stand.hcm.kill(),
                     lambda: (stand.gateways["gateway2"].kill(), stand.gateway_start("gateway2")),
                     lambda: (stand.postgres.kill(), stand.postgres.start()),
                     stand.hcm_start,
                     stand.redis.flush,
                     lambda: (stand.redis.kill(), stand.redis.start()),
                     stand.postgres.cut,
                     lambda: (stand.gateways["gateway1"].kill(), stand.gateway_start("gateway1"))):
            go_on()
            harm()
        for thread in threads:
            thread.join(120)
            self.assertFalse(thread.is_alive())
        rows, wrong = ledger.judge()
        print("\n" + "\n".join("  %-42s %5d" % row for row in sorted(rows.items())))
        self.assertEqual(wrong, [])
        self.assertEqual(rows["exactly once and byte for byte"], LOAD)
        self.assertGreater(rows["acknowledged 202"], 0)


if __name__ == "__main__":
    unittest.main()
