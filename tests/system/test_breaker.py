"""A back-end that does not answer costs nobody anything: after a few failures it is not asked for a while."""
import socket
import threading
import unittest

import proxy
import support

QUERY = "RegistryStoredQuery"
FAILURES = 3
FAULT = ('<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:%s</s:Value>'
         '</s:Code><s:Reason><s:Text xml:lang="en">no</s:Text></s:Reason></s:Fault></s:Body></s:Envelope>')


def fault(code, status=500):
    return proxy.answering(status, "application/soap+xml; charset=UTF-8", (FAULT % code).encode())


class Breaker(support.Stand):
    def setUp(self):
        self.proxy = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(self.proxy.close)

    def behind(self, open_ms=60000, **more):
        url = self.proxy.url("/repository")
        gateway = support.Gateway(self.directory, [self.domain.back_end(**{
            "registry_url": self.proxy.url("/registry"), "breaker_failures": FAILURES, "breaker_open_ms": open_ms,
            "repositories": [{"unique_id": support.REPOSITORY, "url": url}], **more})],
            name="behind-" + self._testMethodName)
        self.addCleanup(gateway.stop)
        return gateway

    def fails(self, gateway, behaviour, status, times=FAILURES):
        self.proxy.script(QUERY, *[behaviour] * 2 * times)
        for _ in range(times):
            self.assertStatus(gateway.find(), status)
        self.proxy.clear()

    def assertOpen(self, gateway):
        refused = self.assertStatus(gateway.find(), 503)
        self.assertEqual(refused.json()["issue"][0]["code"], "transient")
        self.assertIsNotNone(refused.header("Retry-After"))
        self.assertEqual(self.proxy.count(QUERY), 0, "it is not asked")

    def test_what_opens_it(self):
        cases = {
            "lost": (proxy.lost_request, 502),
            "cut": (proxy.half_answer, 502),
            "page": (proxy.answering(502, "text/html", b"<html>no</html>"), 502),
            "unavailable": (proxy.answering(503, "text/plain", b"later"), 503),
            "fault": (fault("Receiver"), 502),
            "nothing": (proxy.answering(200, "application/soap+xml", b""), 502),
        }
        for name, (behaviour, status) in cases.items():
            with self.subTest(name):
                gateway = self.behind()
                self.fails(gateway, behaviour, status)
                self.assertOpen(gateway)
                gateway.stop()

    def test_what_does_not_open_it(self):
        gateway = self.behind()
        for behaviour in (fault("Sender"), fault("Sender", 503),
                          proxy.answering(200, "application/soap+xml", b"garbage"),
                          proxy.answering(302, "text/plain", b"elsewhere"),
                          proxy.changed(lambda body: body.replace(b":Success", b":Failure"))):
            self.fails(gateway, behaviour, 502, FAILURES + 2)
        self.assertStatus(gateway.find(), 200)

    def test_failures_between_answers_do_not_open_it(self):
        gateway = self.behind()
        for _ in range(4):
            self.fails(gateway, proxy.lost_request, 502, FAILURES - 1)
            self.assertStatus(gateway.find(), 200)

    def test_a_probe_closes_it(self):
        gateway = self.behind(open_ms=1)
        self.fails(gateway, proxy.lost_request, 502)
        support.wait_until(lambda: gateway.find().status == 200, "the breaker to close")
        self.assertIn('"state":"open"', gateway.log())
        self.assertIn('"state":"closed"', gateway.log())

    def test_silence_opens_it(self):
        go = threading.Event()
        self.addCleanup(go.set)
        gateway = self.behind(timeout_ms=300)
        self.fails(gateway, proxy.held(go), 504)
        self.assertOpen(gateway)

    def test_a_dead_repository_leaves_the_registry(self):
        """Each address has a breaker of its own."""
        bundle = support.demo_bundle(b"a letter", "text/plain")
        gateway = self.behind()
        self.assertStatus(gateway.publish(bundle), 200)
        found = gateway.find(identifier="urn:oid:" + support.document_oid(bundle)).json()
        url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        self.proxy.script("RetrieveDocumentSet", *[proxy.lost_request] * 2 * FAILURES)
        for _ in range(FAILURES):
            self.assertStatus(support.request("GET", url), 502)
        self.assertStatus(support.request("GET", url), 503)
        self.assertStatus(gateway.find(), 200)

    def test_nobody_listens(self):
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            gateway = self.behind(registry_url="http://127.0.0.1:%d/" % closed.getsockname()[1])
            for _ in range(FAILURES + 2):
                refused = self.assertStatus(gateway.find(), 503)
            self.assertIn("not asked for now", refused.json()["issue"][0]["diagnostics"])


if __name__ == "__main__":
    unittest.main()
