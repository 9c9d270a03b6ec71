"""What a reload, or a restart with other settings, must not do: open doors, or forget what was accepted."""
import collections
import copy
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading
import unittest
import urllib.parse

import chaos
import inward
import proxy
import support
import xds
from support import BINARY, Domain, Gateway, request, wait_until, write_configuration

NORD, SUD = "hopital-nord", "hopital-sud"
PROVIDE, QUERY = "ProvideAndRegisterDocumentSet-b", "RegistryStoredQuery"
ACCEPT = {"degraded": "accept", "retry_seconds_max": 1}


class ReloadStand(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="passerelle-")
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        self.port = support.free_port()  # of the registry that is not there yet

    def back_end(self, port=None):
        url = "http://127.0.0.1:%d/" % (port or self.port)
        return {"name": "hcm", "source": 1, "registry_url": url + "registry", "provide_url": url + "repository",
                "repositories": [{"unique_id": support.REPOSITORY, "url": url + "repository"}]}

    def start(self, **overrides):
        gateway = Gateway(self.directory, [self.back_end()], **overrides)
        self.addCleanup(gateway.kill)
        with open(gateway.configuration_path, encoding="utf-8") as file:
            return gateway, json.load(file)

    def domain(self):
        domain = Domain(self.directory, port=self.port)
        self.addCleanup(domain.kill)
        return domain

    def reload(self, gateway, configuration):
        """The lines that the gateway writes about it."""
        def lines():
            return [json.loads(line) for line in gateway.log().split("\n") if '"config.reload"' in line]
        before = len(lines())
        write_configuration(gateway.configuration_path, copy.deepcopy(configuration))
        gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(lines()) > before, "the reload to be told of")
        return lines()[before:]

    def accepted(self, gateway, base=None, patient=support.PATIENT):
        """(uniqueId, status URL) of a publication that waits."""
        bundle = support.demo_bundle(b"written in the outage", "text/plain", patient=patient)
        answer = request("POST", base or gateway.base, {"Content-Type": "application/fhir+json"}, json.dumps(bundle).encode())
        self.assertEqual(answer.status, 202, answer)
        return support.document_oid(bundle), answer.header("Content-Location")

    def queue(self, gateway, *words):
        return subprocess.run([BINARY, "queue", *words, "--config", gateway.configuration_path], capture_output=True,
                              text=True, check=False)


class Doors(ReloadStand):
    def test_what_is_for_this_machine_alone_is_not_opened_to_others(self):
        """The new file listens on loopback, which takes effect at a restart; until then others reach the gateway."""
        port = support.free_port()
        gateway, before = self.start(port=port, listen={"address": "0.0.0.0", "port": port},
                                     public_base="http://127.0.0.1:1/fhir",
                                     access={"anonymous": False}, demo={"organization": "2.999.1"},
                                     issuers=[{"issuer": "https://issuer.example", "jwks_url": "http://127.0.0.1:1/jwks"}])
        key = support.signing_key(os.path.join(self.directory, "demo-tokens.pem"))
        line = self.reload(gateway, dict(before, listen=dict(before["listen"], address="127.0.0.1"),
                                         demo={"token_key": key}))[0]
        self.assertEqual(line["state"], "the old configuration stays", line)
        self.assertRegex(line["path"], r"\A\S+/gateway.yaml:\d+: demo.token_key\Z")
        line = self.reload(gateway, dict(before, listen=dict(before["listen"], address="127.0.0.1")))[0]
        self.assertEqual(line["state"], "the new configuration holds")
        gateway.stop()


class Accepted(ReloadStand):
    def delivered(self, gateway, oid, url):
        domain = self.domain()
        wait_until(lambda: request("GET", url).status == 200, "the delivery")
        self.assertEqual(gateway.find(identifier="urn:oid:" + oid).json()["total"], 1)
        gateway.stop()
        domain.stop()

    def test_what_was_accepted_is_delivered_when_no_more_is_accepted(self):
        gateway, configuration = self.start(publication=ACCEPT)
        oid, url = self.accepted(gateway)
        self.reload(gateway, dict(configuration, publication={"degraded": "refuse"}))
        self.assertEqual(request("GET", url).status, 202)
        bundle = support.demo_bundle(b"too late", "text/plain")
        self.assertEqual(gateway.publish(bundle).status, 503)
        self.delivered(gateway, oid, url)

    def test_and_after_a_restart_as_well(self):
        gateway, configuration = self.start(publication=ACCEPT)
        oid, url = self.accepted(gateway)
        gateway.stop()
        gateway, _ = self.start(port=gateway.port, publication={"degraded": "refuse"})
        self.delivered(gateway, oid, url)

    def tenants(self, *names, **more):
        for name in (NORD, SUD):
            write_configuration(os.path.join(self.directory, name + ".yaml"), more.get(name.replace("-", "_"), {}))
        return {"default_tenant": NORD, "tenants": [{"name": name, "file": name + ".yaml"} for name in names]}

    def test_a_tenant_does_not_go_while_something_of_it_waits(self):
        gateway, configuration = self.start(publication=ACCEPT, **self.tenants(NORD, SUD))
        _, url = self.accepted(gateway, gateway.base + "/" + SUD)
        alone = dict(configuration, tenants=configuration["tenants"][:1])
        line = self.reload(gateway, alone)[0]
        self.assertEqual(line["state"], "the old configuration stays")
        self.assertIn("Keep %s until what waits of it is delivered or withdrawn" % SUD, line["text"])
        self.assertEqual(request("GET", url).status, 202)
        write_configuration(gateway.configuration_path, configuration)
        listed = self.queue(gateway, "list")
        self.assertEqual((listed.stdout.count("\n"), listed.returncode), (1, 0))
        self.assertIn("this is %s's; others have queues of their own (--tenant NAME): %s\n" % (NORD, SUD), listed.stderr)
        self.assertEqual(self.queue(gateway, "list", "--json").stderr, "")
        head = self.queue(gateway, "list", "--tenant", SUD).stdout.splitlines()[0]
        self.assertEqual(head.split()[6:9], ["TRIES", "LAST", "DUE"])
        listed = self.queue(gateway, "list", "--tenant", SUD, "--json")
        item = json.loads(listed.stdout.splitlines()[0])["id"]

        def retried():
            return self.queue(gateway, "retry", item, "--tenant", SUD)
        wait_until(lambda: "due now; look again with: passerelle queue show --config %s --tenant %s %s\n" % (
            gateway.configuration_path, SUD, item) in retried().stdout, "it to be due")
        # Not in the moment in which it is being tried.
        wait_until(lambda: self.queue(gateway, "drop", item, "--tenant", SUD).returncode == 0, "the withdrawal")
        line = self.reload(gateway, alone)[0]
        self.assertEqual((line["state"], line.get("removed")), ("the new configuration holds", SUD))
        gateway.stop()

    def test_where_none_is_served_without_a_name_the_names_are_told(self):
        tenants = self.tenants(NORD, SUD)
        del tenants["default_tenant"]
        gateway, _ = self.start(publication=ACCEPT, **tenants)
        for path in ("", "/metadata", "/DocumentReference"):
            answer = request("GET", gateway.base + path)
            self.assertEqual(answer.status, 404)
            self.assertIn("name a tenant behind the FHIR base URL, [base]/NAME", answer.body.decode())
        self.assertEqual(request("GET", gateway.base + "/" + SUD + "/metadata").status, 200)
        listed = self.queue(gateway, "list")
        self.assertEqual(listed.returncode, 1)
        self.assertIn("none is served without a name: %s, %s" % (NORD, SUD), listed.stderr)
        gateway.stop()

    def in_flight(self, gateway, base, change):
        """What becomes of a change of settings, and of a publication that waits for a silent back-end meanwhile."""
        listener = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(listener.close)
        answers = []
        body = json.dumps(support.demo_bundle(b"in flight", "text/plain")).encode()
        asking = threading.Thread(target=lambda: answers.append(
            request("POST", base, {"Content-Type": "application/fhir+json"}, body)))
        asking.start()
        connection, _ = listener.accept()
        try:
            line = self.reload(gateway, change)[0]
        finally:
            listener.close()
            connection.close()
            asking.join()
        return line["state"], answers[0]

    def test_nothing_is_accepted_for_a_tenant_that_goes(self):
        gateway, configuration = self.start(publication=ACCEPT, **self.tenants(NORD, SUD))
        state, answer = self.in_flight(gateway, gateway.base + "/" + SUD,
                                       dict(configuration, tenants=configuration["tenants"][:1]))
        self.assertEqual((state, answer.status), ("the new configuration holds", 503), answer)
        gateway.stop()

    def test_nor_where_no_more_is_accepted(self):
        """Who is in place then saw that nothing waits, and delivers nothing."""
        gateway, configuration = self.start(publication=ACCEPT)
        state, answer = self.in_flight(gateway, gateway.base, dict(configuration, publication={"degraded": "refuse"}))
        self.assertEqual((state, answer.status), ("the new configuration holds", 503), answer)
        gateway.stop()

    def test_as_before_when_the_reload_is_refused(self):
        gateway, configuration = self.start(publication=ACCEPT, **self.tenants(NORD, SUD))
        self.tenants(hopital_nord={"back_ends": [dict(self.back_end(), ca_file="not-there.pem")]})
        state, answer = self.in_flight(gateway, gateway.base + "/" + SUD,
                                       dict(configuration, tenants=configuration["tenants"][:1]))
        self.assertEqual((state, answer.status), ("the old configuration stays", 202), answer)
        gateway.stop()

    def test_what_is_warned_of_is_not_why_a_reload_is_refused(self):
        gateway, configuration = self.start(access={"anonymous": False})
        os.chmod(os.path.join(self.directory, "demo-tokens.pem"), 0o604)
        lines = self.reload(gateway, dict(configuration, publication={"degraded": "perhaps"}))
        self.assertEqual([line["path"].split(": ")[-1] for line in lines], ["publication.degraded"], lines)
        warning, = [json.loads(line) for line in gateway.log().split("\n") if '"config.warning"' in line]
        self.assertEqual((warning["level"], warning["path"].split(": ")[-1]), ("warn", "demo.token_key"))
        gateway.stop()

    def test_what_a_refused_reload_names_is_not_delivered_to(self):
        gateway, configuration = self.start(publication=ACCEPT, **self.tenants(NORD, SUD))
        for number in range(1, 10):
            self.accepted(gateway, patient="IHEBLUE-100%d" % number)
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        elsewhere = self.back_end(listener.getsockname()[1])
        self.tenants(hopital_nord={"back_ends": [elsewhere]},
                     hopital_sud={"back_ends": [dict(self.back_end(), ca_file="not-there.pem")]})
        for _ in range(10):
            self.assertEqual(self.reload(gateway, configuration)[0]["state"], "the old configuration stays")
        gateway.stop()
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)


class Settings(ReloadStand):
    """What names an open store waits for a restart, and nothing else."""

    def holds(self, gateway, configuration):
        lines = self.reload(gateway, configuration)
        self.assertEqual([line["state"] for line in lines], ["the new configuration holds"], lines)

    def sources(self, name):
        """Who recorded the events that came to this file, each once."""
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            events = [json.loads(line) for line in file.read().split("\n")[:-1]]
        return [event["source"]["site"] for event in events]

    def test_the_room_of_the_outbox(self):
        bundle = support.demo_bundle(b"x" * 700000, "text/plain")
        gateway, configuration = self.start(publication=ACCEPT, outbox={"bytes_max": "1MiB"})
        self.assertEqual(gateway.publish(bundle).status, 503)
        self.holds(gateway, dict(configuration, outbox={"bytes_max": "8MiB", "lease_seconds": 5, "keep_hours": 1}))
        self.assertEqual(gateway.publish(bundle).status, 202)
        gateway.stop()

    def test_the_place_of_the_outbox_waits_for_a_restart(self):
        gateway, configuration = self.start(publication=ACCEPT)
        place = support.signing_key(os.path.join(self.directory, "connection"))
        lines = self.reload(gateway, dict(configuration, outbox={"store": "postgresql",
                                                                 "postgresql": {"connection_file": place}}))
        self.assertEqual(lines[1]["state"], "keys that changed take effect at restart")
        self.assertEqual(lines[1]["keys"], "outbox.store, outbox.postgresql.connection_file")
        self.assertEqual(self.accepted(gateway)[1].split("/")[2], "127.0.0.1:%d" % gateway.port)
        gateway.stop()

    def test_who_records_and_where_to(self):
        def repository(name):
            return {"name": name, "kind": "file", "path": os.path.join(self.directory, name)}
        def audit(source, *names, **more):
            return dict(configuration, audit=dict({"enabled": "on", "source_id": source,
                                                   "repositories": [repository(name) for name in names]}, **more))
        domain = self.domain()
        gateway, configuration = self.start(audit={"enabled": "on", "source_id": "one",
                                                   "repositories": [repository("old"), repository("gone")]})
        self.assertEqual(gateway.find().status, 200)
        wait_until(lambda: "one" in self.sources("gone"), "the event of the first settings")
        self.holds(gateway, audit("two", "old", "new", journal_bytes_max="1GiB", retention_days=1))
        gone = self.sources("gone")
        self.assertEqual(gateway.find().status, 200)
        wait_until(lambda: "two" in self.sources("old") and "two" in self.sources("new"), "the event of the second")
        # Who comes later gets what the journal still has; who goes gets no more.
        self.assertEqual(self.sources("new"), self.sources("old"))
        self.assertEqual(self.sources("gone"), gone)
        self.holds(gateway, audit("three", enabled="off"))
        self.assertEqual(gateway.find().status, 200)
        self.holds(gateway, audit("four", "old"))
        self.assertEqual(gateway.find().status, 200)
        gateway.stop()
        self.assertIn("four", self.sources("old"))
        # That nobody recorded for a while is itself recorded.
        self.assertEqual(self.sources("old").count("three"), 1)
        domain.stop()

    def test_where_to_changes_and_nothing_is_lost_on_the_way(self):
        def audit(path):
            return {"enabled": "on", "repositories": [{"name": "arr", "kind": "file",
                                                       "path": os.path.join(self.directory, path)}]}
        domain = self.domain()
        gateway, configuration = self.start(audit=audit("nowhere/events"))
        for _ in range(5):
            self.assertEqual(gateway.find().status, 200)
        self.holds(gateway, dict(configuration, audit=audit("events")))
        wait_until(lambda: len(self.sources("events")) > 5, "what had not been taken before")
        gateway.stop()
        domain.stop()

    def test_who_shows_no_token(self):
        domain = self.domain()
        gateway, configuration = self.start(consent={"source": "none"})
        self.assertEqual(gateway.find().status, 200)
        key = support.signing_key(os.path.join(self.directory, "demo-tokens.pem"))
        known = dict(configuration, access={"anonymous": False}, demo={"token_key": key})
        self.holds(gateway, known)
        self.assertEqual(gateway.find().status, 401)
        self.assertEqual(gateway.find(token=gateway.token("doctor")).status, 200)
        # It is recorded from now on (audit.enabled: auto), and found.
        identifier = "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT)
        patient = support.bearer(gateway.token("patient", patient=identifier))
        query = urllib.parse.urlencode({"patient.identifier": identifier, "date": "ge2020"})
        found = request("GET", gateway.base + "/AuditEvent?" + query, patient)
        self.assertEqual(found.status, 200, found)
        self.assertGreater(found.json()["total"], 0)
        self.holds(gateway, configuration)
        self.assertEqual(gateway.find().status, 200)
        gateway.stop()
        domain.stop()


class Gate:
    """Before a back-end: while it is shut, what comes waits there."""

    def __init__(self, peer):
        self.opened, self.lock = threading.Event(), threading.Lock()
        self.waiting = collections.Counter()
        self.opened.set()
        for action in (PROVIDE, QUERY):
            peer.script(action, *[self.pass_through] * 20000)

    def pass_through(self, exchange):
        with self.lock:
            self.waiting[exchange.action] += 1
        self.opened.wait(60)
        with self.lock:
            self.waiting[exchange.action] -= 1
        proxy.passing(exchange)


class UnderWay(ReloadStand):
    """Every reload happens while publications and searches wait for the back-end."""
    RELOADS = 24

    def setUp(self):
        super().setUp()
        domain = self.domain()
        self.addCleanup(domain.stop)
        self.peer = proxy.Proxy("http://127.0.0.1:%d" % domain.port)
        self.addCleanup(self.peer.close)
        self.gate = Gate(self.peer)
        self.names = [NORD, SUD]
        self.write_tenants(0)
        self.gateway, self.configuration = self.start(
            publication=ACCEPT, access={"anonymous": False}, default_tenant=NORD, tenants=self.rows())
        self.registry = domain.registry_url
        self.ends = threading.Event()
        self.addCleanup(self.ends.set)
        self.addCleanup(self.gate.opened.set)
        self.lock = threading.Lock()
        self.published = {}  # uniqueId: patient
        self.status_urls, self.wrong, self.counts = [], [], collections.Counter()

    def rows(self):
        return [{"name": name, "file": name + ".yaml"} for name in self.names]

    def write_tenants(self, turn):
        """What makes sources, delivery and searches anew."""
        for name in self.names:
            write_configuration(os.path.join(self.directory, name + ".yaml"), {
                "back_ends": [dict(self.back_end(self.peer.port), timeout_ms=20000 + turn)],
                "publication": dict(ACCEPT, retry_seconds_max=1 + turn % 2), "search": {"results_max": 1000 + turn}})

    def stream(self, tenant, token, client, exchange):
        """Exchanges with one tenant, over a connection of its own, until the end."""
        patient = "IHEBLUE-10%02d" % (client + 1)
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
        while not self.ends.is_set():
            answer = None
            try:
                answer = exchange(connection, "/fhir/" + tenant, patient, support.bearer(token))
            except (OSError, http.client.HTTPException) as error:
                answer = repr(error)
            with self.lock:
                self.counts[tenant, exchange.__name__] += 1
                if answer:
                    self.wrong.append((tenant, exchange.__name__, answer))
        connection.close()

    @staticmethod
    def asked(connection, *request_parts):
        connection.request(*request_parts)
        answer = connection.getresponse()
        return answer, answer.read()

    def publish(self, connection, path, patient, headers, status=200):
        bundle = support.demo_bundle(b"written during a reload", "text/plain", patient=patient)
        answer, body = self.asked(connection, "POST", path, json.dumps(bundle), dict(
            headers, **{"Content-Type": "application/fhir+json"}))
        if answer.status != status:
            return "%d %r" % (answer.status, body[:1000])
        with self.lock:
            self.published[support.document_oid(bundle)] = patient
            if status == 202:
                self.status_urls.append((answer.getheader("Content-Location"), headers["Authorization"]))
        return None

    def publish_later(self, connection, path, patient, headers):
        return self.publish(connection, path, patient, dict(headers, Prefer="respond-async"), 202)

    def search(self, connection, path, patient, headers):
        query = "status=current&_count=2&patient.identifier=urn:oid:%s%%7C%s" % (support.AUTHORITY, patient)
        answer, body = self.asked(connection, "GET", "%s/DocumentReference?%s" % (path, query), None, headers)
        modes = {entry["search"]["mode"] for entry in json.loads(body).get("entry", [])}
        return None if answer.status == 200 and modes <= {"match"} else "%d %r" % (answer.status, body[:1000])

    def join(self, tenant):
        """Begins the streams of one tenant, each about a patient of its own. What waits of a patient makes more wait."""
        token = self.gateway.token("doctor", tenant=tenant)
        exchanges = (self.publish, self.publish, self.search, self.search, self.publish_later)
        streams = [threading.Thread(target=self.stream, args=(tenant, token, client, exchange), daemon=True)
                   for client, exchange in enumerate(exchanges)]
        for stream in streams:
            stream.start()
        return streams

    def registered(self):
        """How often the registry has each document."""
        counts = collections.Counter()
        for patient in sorted(set(self.published.values())):
            counts.update(chaos.ask(self.registry, xds.STORED_QUERY, xds.find_documents(patient)).unique_ids())
        return counts

    def test_every_request_gets_its_ordinary_answer(self):
        streams = [each for tenant in self.names for each in self.join(tenant)]
        for turn in range(1, self.RELOADS + 1):
            self.gate.opened.clear()
            wait_until(lambda: self.gate.waiting[PROVIDE] > 1 and self.gate.waiting[QUERY] > 1,
                       lambda: "requests to be under way: %r %r" % (self.gate.waiting, self.wrong[:3]))
            if turn % 8 == 0:
                self.names.append("hopital-%d" % turn)
            self.write_tenants(turn)
            line = self.reload(self.gateway, dict(self.configuration, tenants=self.rows()))[0]
            self.assertEqual(line["state"], "the new configuration holds", line)
            self.gate.opened.set()
            if turn % 8 == 0:
                self.assertEqual(line["added"], self.names[-1])
                streams += self.join(self.names[-1])
        wait_until(lambda: len(self.counts) == 3 * len(self.names) and min(self.counts.values()) > 3,
                   lambda: "some of each: %r" % self.counts)
        self.ends.set()
        for stream in streams:
            stream.join()
        self.assertEqual(self.wrong[:5], [])
        for url, authorization in self.status_urls:
            wait_until(lambda url=url, authorization=authorization: request(
                "GET", url, {"Authorization": authorization}).status == 200, "the delivery of " + url)
        self.assertEqual(self.registered(), dict.fromkeys(self.published, 1))
        self.gateway.stop()


class Ending(inward.InwardStand):
    sections = {"limits": {"stop_seconds": 20}}

    def test_both_doors_close_at_once(self):
        """A community's request that does not end keeps nobody from closing the FHIR listener."""
        self.letter("IHEBLUE-1001")
        self.domain.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.domain.process.send_signal, signal.SIGCONT)
        asking = threading.Thread(target=self.find, args=("IHEBLUE-1001",))
        asking.start()
        wait_until(lambda: re.search(rb"^passerelle_calls_under_way{.*} 1$", request(
            "GET", "http://127.0.0.1:%d/metrics" % self.gateway.port).body, re.M), "the question to the registry")
        self.gateway.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not support.accepts(self.gateway.port) and not support.accepts(self.port), "closed doors")
        self.assertIsNone(self.gateway.process.poll(), "it still waits for the request in flight")
        self.domain.process.send_signal(signal.SIGCONT)
        asking.join()
        self.gateway.process.wait(40)


if __name__ == "__main__":
    unittest.main()
