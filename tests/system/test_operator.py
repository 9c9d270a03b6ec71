"""What operators ask: /health/live, /health/ready and /metrics, also while every worker waits for a back-end."""
import contextlib
import glob
import http.client
import json
import os
import signal
import sqlite3
import sys
import threading
import unittest

import proxy
import support
import trust

QUERY = "RegistryStoredQuery"
PROVIDE = "ProvideAndRegisterDocumentSet-b"
SECRET = "a secret of some length"
DEBIAN_PACKAGES = "/usr/lib/python3/dist-packages"
HEALTH = ("/health/live", "/health/ready")
FROM_ELSEWHERE = {"X-Forwarded-For": "192.0.2.7"}


def parsed(text):
    """{(name, labels as a sorted tuple): value}, as Prometheus' own parser reads it."""
    if DEBIAN_PACKAGES not in sys.path:
        sys.path.append(DEBIAN_PACKAGES)  # whichever python runs: the parser is pure
    try:
        from prometheus_client import parser  # pylint: disable=import-outside-toplevel
    except ImportError:
        support.absent("prometheus_client is not installed")
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in parser.text_string_to_metric_families(text) for sample in family.samples}


class Operator(support.Stand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.secret = os.path.join(cls.directory, "metrics.secret")
        with open(cls.secret, "w", encoding="ascii") as file:
            file.write(SECRET + "\n")
        os.chmod(cls.secret, 0o600)

    def setUp(self):
        self.proxy = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(self.proxy.close)

    def behind(self, **overrides):
        gateway = support.Gateway(self.directory, [self.domain.back_end(
            registry_url=self.proxy.url("/registry"), provide_url=self.proxy.url("/repository"), breaker_failures=2,
            breaker_open_ms=60000)], name="behind-" + self._testMethodName, metrics={"secret_file": self.secret}, **overrides)
        self.addCleanup(gateway.stop)
        return gateway

    @staticmethod
    def ask(gateway, path, headers=None, method="GET"):
        return support.request(method, "http://127.0.0.1:%d%s" % (gateway.port, path), headers)

    def metrics(self, gateway):
        answer = self.assertStatus(self.ask(gateway, "/metrics"), 200)
        self.assertEqual(answer.header("Content-Type"), "text/plain; version=0.0.4; charset=utf-8")
        return parsed(answer.body.decode())

    def test_health(self):
        gateway = self.behind()
        for path in HEALTH:
            self.assertEqual(self.assertStatus(self.ask(gateway, path), 200).json()["status"], "ok")
            self.assertEqual(self.assertStatus(self.ask(gateway, path, method="HEAD"), 200).body, b"")
            self.assertStatus(self.ask(gateway, path, method="POST"), 405)
            self.assertEqual(self.ask(gateway, path, FROM_ELSEWHERE).json(), {"status": "ok"})
        parts = {part["name"]: part["status"] for part in self.ask(gateway, "/health/ready").json()["parts"]}
        self.assertEqual(parts, {"hcm": "ok", "audit": "ok", "gateway": "ok"})
        self.assertStatus(self.ask(gateway, "/health"), 404)

    def test_not_ready_while_nobody_can_be_asked(self):
        gateway = self.behind()
        self.proxy.script(QUERY, *[proxy.lost_request] * 4)
        for _ in range(2):
            self.assertStatus(gateway.find(), 502)
        answer = self.assertStatus(self.ask(gateway, "/health/ready"), 503)
        self.assertIn({"tenant": "default", "name": "hcm", "status": "not ok"}, answer.json()["parts"])
        self.assertEqual(self.assertStatus(self.ask(gateway, "/health/ready", FROM_ELSEWHERE), 503).json(),
                         {"status": "not ok"})
        self.assertStatus(self.ask(gateway, "/health/live"), 200)
        values = self.metrics(gateway)
        self.assertEqual(values["passerelle_breaker_state", (("source", "hcm"), ("tenant", "default"))], 2)
        calls = dict(action=QUERY, source="hcm", tenant="default")
        self.assertEqual(values["passerelle_calls_total", tuple(sorted(dict(calls, end="failed").items()))], 2)
        self.assertStatus(gateway.find(), 503)
        self.assertEqual(self.metrics(gateway)["passerelle_calls_total",
                                               tuple(sorted(dict(calls, end="down").items()))], 1)

    def test_a_back_end_is_well_again_when_it_has_answered(self):
        """From the first call that fails, and also when the breaker would let another one pass."""
        gateway = self.behind()
        self.proxy.script(QUERY, proxy.lost_request)
        self.assertStatus(gateway.find(), 502)
        down = {"hcm": "not ok", "audit": "ok", "gateway": "ok"}
        self.assertEqual(self.ready(gateway, 200), ("degraded", down))
        self.assertStatus(gateway.find(), 200)
        self.assertEqual(self.ready(gateway, 200), ("ok", dict(down, hcm="ok")))

    def test_who_says_whose_and_what_is_permitted_is_told_and_decides_nothing(self):
        absent = "http://127.0.0.1:%d/" % support.free_port()
        with open(os.path.join(self.directory, "directory.secret"), "wb") as file:
            file.write(b"s" * 32)
        os.chmod(file.name, 0o600)
        gateway = self.behind(identity={"pix_url": absent + "pix", "authorities": [
            {"number": 1, "oid": trust.RED, "source": "*"}]},
                              consent={"source": "directory", "directory_url": absent + "consent",
                                       "secret_file": file.name, "default": "permit"})
        well = {"hcm": "ok", "identity": "ok", "consent": "ok", "audit": "ok", "gateway": "ok"}
        self.assertEqual(self.ready(gateway, 200), ("ok", well))
        self.assertStatus(gateway.find(), 503)
        for _ in range(5):
            gateway.find(**{"patient.identifier": "urn:oid:%s|IHERED-1002" % trust.RED})
        self.assertEqual(self.ready(gateway, 200), ("degraded", dict(well, consent="not ok", identity="not ok")))
        values = self.metrics(gateway)
        self.assertGreater(values["passerelle_breaker_state", (("source", "identity"), ("tenant", "default"))], 0)
        self.assertIn(("passerelle_breaker_state", (("source", "consent"), ("tenant", "default"))), values)

    def test_redis_is_told_and_decides_nothing(self):
        absent = support.free_port()
        gateway = self.behind(redis={"address": "127.0.0.1:%d" % absent})
        status, parts = self.ready(gateway, 200)
        self.assertEqual((status, parts["redis"]), ("degraded", "not ok"))

    def test_ready_in_an_outage_that_publications_are_accepted_in(self):
        """Who believes a health check must not take every gateway out when they are needed most."""
        gateway = self.behind(publication={"degraded": "accept", "deadline_ms": 1000, "retry_seconds_max": 1})
        self.assertEqual(self.assertStatus(self.ask(gateway, "/health/ready"), 200).json()["status"], "ok")
        self.proxy.script(QUERY, *[proxy.lost_request] * 500)

        def status():
            gateway.find()
            return self.assertStatus(self.ask(gateway, "/health/ready"), 200).json()

        support.wait_until(lambda: status()["status"] == "degraded", "the breaker to open")
        parts = {part["name"]: part["status"] for part in status()["parts"]}
        self.assertEqual(parts, {"hcm": "not ok", "audit": "ok", "outbox": "ok", "gateway": "ok"})
        self.assertEqual(self.assertStatus(self.ask(gateway, "/health/ready", FROM_ELSEWHERE), 200).json(),
                         {"status": "degraded"})
        self.assertEqual(self.assertStatus(self.ask(gateway, "/health/live"), 200).json()["status"], "ok")

    def test_not_ready_in_an_outage_while_the_outbox_takes_nothing(self):
        gateway = self.behind(publication={"degraded": "accept", "deadline_ms": 1000, "retry_seconds_max": 1})
        self.cut_off(gateway)
        self.proxy.script(PROVIDE, *[proxy.lost_request] * 10)
        outbox = {"hcm": "not ok", "audit": "ok", "outbox": "ok", "gateway": "ok"}
        self.assertEqual(self.ready(gateway, 200), ("degraded", outbox))
        name, = glob.glob(os.path.join(self.directory, "behind-%s.state" % self._testMethodName, "outbox.db"))
        with contextlib.closing(sqlite3.connect(name, timeout=30, isolation_level=None)) as store:
            for table in ("outbox_item", "outbox_usage"):  # read it may be, and not written
                store.execute("CREATE TRIGGER no_%s BEFORE INSERT ON %s BEGIN SELECT RAISE(ABORT, 'no'); END" %
                              (table, table))
            self.assertStatus(gateway.publish(support.demo_bundle(b"<a>lost</a>")), 503)
            refused = ("not ok", dict(outbox, outbox="not ok", gateway="not ok"))
            support.wait_until(lambda: self.ask(gateway, "/health/ready").status == 503, "the gateway to know")
            self.assertEqual(self.ready(gateway, 503), refused)
            for table in ("outbox_item", "outbox_usage"):
                store.execute("DROP TRIGGER no_" + table)
        support.wait_until(lambda: self.ask(gateway, "/health/ready").status == 200, "it to know that it takes again")
        self.assertEqual(self.ready(gateway, 200), ("degraded", outbox))

    def cut_off(self, gateway):
        """No back-end can be asked from now on. The patient has nothing that waits, which would be shown."""
        self.proxy.script(QUERY, *[proxy.lost_request] * 500)
        other = "urn:oid:%s|IHEBLUE-1002" % support.AUTHORITY
        support.wait_until(lambda: gateway.find(**{"patient.identifier": other}).status == 503, "the breaker to open")

    def ready(self, gateway, status):
        """The sum, and each part's."""
        answer = self.assertStatus(self.ask(gateway, "/health/ready"), status).json()
        self.assertEqual(self.assertStatus(self.ask(gateway, "/health/ready", FROM_ELSEWHERE), status).json(),
                         {"status": answer["status"]})
        return answer["status"], {part["name"]: part["status"] for part in answer["parts"]}

    def test_not_ready_when_nothing_can_be_read_and_nothing_accepted(self):
        """The outbox is away as well: any other gateway is better."""
        connection = os.path.join(self.directory, "outbox.conninfo")
        with open(connection, "w", encoding="ascii") as file:
            file.write("host=127.0.0.1 port=%d dbname=outbox" % support.free_port())
        gateway = self.behind(publication={"degraded": "accept", "deadline_ms": 1000},
                              outbox={"store": "postgresql", "postgresql": {"connection_file": connection}})
        support.wait_until(lambda: self.ask(gateway, "/health/ready").json()["status"] == "degraded", "it to be missed")
        self.assertEqual(self.ready(gateway, 200), ("degraded", {"hcm": "ok", "audit": "ok", "outbox": "not ok",
                                                                 "gateway": "ok"}))
        self.cut_off(gateway)
        self.assertEqual(self.ready(gateway, 503), ("not ok", {"hcm": "not ok", "audit": "ok", "outbox": "not ok",
                                                               "gateway": "not ok"}))
        self.assertStatus(self.ask(gateway, "/health/live"), 200)

    def test_not_ready_when_no_more_is_accepted(self):
        """An outbox is there, for what waits; but by now publications are refused in an outage."""
        gateway = self.behind(publication={"degraded": "accept", "deadline_ms": 1000})
        self.proxy.script(PROVIDE, *[proxy.lost_request] * 500)
        self.assertStatus(gateway.publish(support.demo_bundle(b"it waits", "text/plain")), 202)
        with open(gateway.configuration_path, encoding="utf-8") as file:
            configuration = json.load(file)
        configuration["publication"]["degraded"] = "refuse"
        support.write_configuration(gateway.configuration_path, configuration)
        gateway.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: "the new configuration holds" in gateway.log(), "the reload")
        self.assertEqual(self.ready(gateway, 200)[1]["outbox"], "ok")
        self.cut_off(gateway)
        self.assertEqual(self.ready(gateway, 503), ("not ok", {"hcm": "not ok", "audit": "ok", "outbox": "ok",
                                                               "gateway": "not ok"}))

    def test_who_may_read_the_metrics(self):
        gateway = self.behind()
        for headers, status in (({}, 200), (FROM_ELSEWHERE, 401), ({"Via": "1.1 proxy"}, 401),
                                ({"Authorization": "Bearer " + SECRET}, 200),
                                (dict(FROM_ELSEWHERE, Authorization="Bearer " + SECRET), 200),
                                (dict(FROM_ELSEWHERE, Authorization="Bearer " + SECRET[1:]), 401),
                                (dict(FROM_ELSEWHERE, Authorization="Bearer "), 401),
                                (dict(FROM_ELSEWHERE, Authorization=SECRET), 401)):
            self.assertStatus(self.ask(gateway, "/metrics", headers), status)
        # Without a secret nobody from elsewhere reads them.
        for secret in ("", " "):
            self.assertStatus(self.ask(self.gateway, "/metrics",
                                       dict(FROM_ELSEWHERE, Authorization="Bearer " + secret)), 401)

    def test_requests_are_counted(self):
        gateway = self.behind()
        bundle = support.demo_bundle(b"a letter", "text/plain")
        self.assertStatus(gateway.publish(bundle), 200)
        self.assertStatus(gateway.find(), 200)
        self.assertStatus(gateway.find(nonsense="1", **{"patient.identifier": None}), 400)
        self.assertStatus(self.ask(gateway, "/elsewhere"), 404)

        def requests(**labels):
            return sum(value for (name, pairs), value in self.metrics(gateway).items()
                       if name == "passerelle_requests_total" and set(labels.items()) <= set(pairs))

        # What is counted is over: the client may know before.
        for labels in ({"transaction": "PROVIDE_BUNDLE", "class": "2xx"}, {"transaction": "FIND_REFERENCES", "class": "2xx"},
                       {"transaction": "FIND_REFERENCES", "class": "4xx"}):
            support.wait_until(lambda labels=labels: requests(server="gateway", tenant="default", **labels) == 1,
                               "one request with %s" % labels)
        support.wait_until(lambda: requests(transaction="unknown", **{"class": "4xx"}) == 1, "the unknown path")
        values = self.metrics(gateway)
        self.assertEqual(values["passerelle_refused_total", (("code", "ERR_NOT_FOUND"), ("server", "gateway"))], 1)
        self.assertEqual(values["passerelle_request_seconds_count", (
            ("server", "gateway"), ("tenant", "default"), ("transaction", "PROVIDE_BUNDLE"))], 1)
        self.assertGreater(values["passerelle_spool_bound_bytes", ()], 0)
        self.assertEqual([value for (name, _), value in values.items() if name == "passerelle_build_info"], [1])
        text = self.ask(gateway, "/metrics").body.decode()
        for word in support.PRIVATE_WORDS:
            self.assertNotIn(word, text)

    def test_what_waits_is_counted_and_leaves_although_the_breaker_is_open(self):
        """Who delivers what waits asks a back-end that does not answer, and is the first to know that it does."""
        back = self.domain.back_end(provide_url=self.proxy.url("/repository"), breaker_failures=1, breaker_open_ms=60000)
        gateway = support.Gateway(self.directory, [back], name="accepting", publication={
            "degraded": "accept", "deadline_ms": 1000, "retry_seconds_max": 1})
        self.addCleanup(gateway.stop)
        self.proxy.script("ProvideAndRegisterDocumentSet-b", *[proxy.lost_request] * 500)
        self.assertStatus(gateway.publish(support.demo_bundle(b"a letter", "text/plain")), 202)

        def outbox(state, name="entries"):
            return self.metrics(gateway)["passerelle_outbox_" + name, (("state", state), ("tenant", "default"))]

        support.wait_until(lambda: outbox("waiting") + outbox("sending") == 1, "the publication to be counted")
        self.assertGreaterEqual(outbox("waiting", "oldest_seconds"), 0)
        support.wait_until(lambda: self.metrics(gateway)["passerelle_breaker_state", (
            ("source", "hcm"), ("tenant", "default"))] == 2, "the breaker to open")
        self.proxy.clear()
        support.wait_until(lambda: outbox("delivered") == 1, "the publication to be delivered")
        self.assertEqual(outbox("waiting"), 0)
        self.assertIn({"tenant": "default", "name": "outbox", "status": "ok"},
                      self.ask(gateway, "/health/ready").json()["parts"])

    def test_every_name_is_of_the_table(self):
        """Each family has its help and type, and no sample comes twice."""
        gateway = self.behind()
        self.assertStatus(gateway.find(), 200)
        lines = self.ask(gateway, "/metrics").body.decode().splitlines()
        samples = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
        self.assertEqual(len(samples), len(set(samples)))
        families = {line.split(" ")[2] for line in lines if line.startswith("# TYPE ")}
        for sample in samples:
            name = sample.split("{")[0]
            self.assertTrue({name, name.rsplit("_", 1)[0]} & families, name)

    def test_they_answer_while_all_workers_wait(self):
        gateway = self.behind(limits={"workers": 1, "queue": 1})
        go = threading.Event()
        self.addCleanup(go.set)
        self.proxy.script(QUERY, proxy.held(go))
        waiting = [threading.Thread(target=gateway.find) for _ in range(2)]
        waiting[0].start()
        support.wait_until(lambda: self.proxy.count(QUERY) == 1, "the first search at the back-end")
        waiting[1].start()
        support.wait_until(lambda: self.metrics(gateway)["passerelle_requests_waiting", (("server", "gateway"),)] == 1,
                           "the second to wait for a worker")
        for path in HEALTH:
            self.assertStatus(self.ask(gateway, path), 200)
        values = self.metrics(gateway)
        self.assertEqual(values["passerelle_workers", (("server", "gateway"), ("state", "busy"))], 1)
        self.assertEqual(values["passerelle_calls_under_way", (("source", "hcm"), ("tenant", "default"))], 1)
        go.set()
        for thread in waiting:
            thread.join(60)

    def test_a_body_is_not_read(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/health/live", b"x" * 100000)
        self.assertEqual(connection.getresponse().status, 200)


if __name__ == "__main__":
    unittest.main()
