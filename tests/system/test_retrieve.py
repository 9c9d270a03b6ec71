"""ITI-68 over ITI-43: the bytes that were published, their headers, and what is never delivered."""
import base64
import hashlib
import http.client
import re
import time
import unittest
import urllib.parse

import proxy
import support

RETRIEVE = "RetrieveDocumentSet"
VERIFY_BYTES = 1 << 20


class Retrieve(support.Stand):
    gateway_overrides = {"limits": {"verify_bytes": VERIFY_BYTES}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        back_end = cls.domain.back_end(
            timeout_ms=3000, breaker_failures=0,  # each test spoils calls, and the next one asks again
            repositories=[{"unique_id": support.REPOSITORY, "url": cls.proxy.url("/repository")}])
        cls.gateway = support.Gateway(cls.directory, [back_end], name="behind-proxy", **cls.gateway_overrides)
        cls.addClassCleanup(cls.gateway.kill)

    def setUp(self):
        self.proxy.clear()

    def published(self, document, content_type="text/plain"):
        """The ITI-68 address of a document just published."""
        bundle = support.demo_bundle(document, content_type)
        self.publish(bundle)
        return self.find_one(support.document_oid(bundle))["content"][0]["attachment"]["url"]

    def test_headers(self):
        url = self.published(support.demo_letter(), "text/xml")
        got = self.assertStatus(support.request("GET", url), 200)
        self.assertEqual(got.body, support.demo_letter())
        self.assertEqual(got.header("Content-Type"), "text/xml")
        self.assertEqual(got.header("Content-Length"), str(len(support.demo_letter())))
        self.assertEqual(got.header("ETag"), '"%s"' % hashlib.sha1(support.demo_letter()).hexdigest())
        self.assertEqual(got.header("X-Content-Type-Options"), "nosniff")
        self.assertTrue(got.header("Content-Disposition").startswith("attachment"))

    def test_id(self):
        """FHIR ids, and nothing of patient or registry in them."""
        url = self.published(b"x")
        identifier = url.rsplit("/", 1)[1]
        self.assertRegex(identifier, r"^[A-Za-z0-9.-]{1,64}$")
        self.assertNotIn("1001", identifier)

    def test_head(self):
        url = self.published(support.demo_letter(), "text/xml")
        got = self.assertStatus(support.request("HEAD", url), 200)
        self.assertEqual(got.body, b"")
        self.assertEqual(got.header("Content-Length"), str(len(support.demo_letter())))
        self.assertEqual(self.proxy.count(RETRIEVE), 0, "answered from the metadata")

    def test_if_none_match(self):
        url = self.published(support.demo_letter(), "text/xml")
        tag = support.request("HEAD", url).header("ETag")
        for header in (tag, "W/" + tag, '"x", ' + tag, "*"):
            got = self.assertStatus(support.request("GET", url, {"If-None-Match": header}), 304)
            self.assertEqual(got.body, b"")
            self.assertEqual(got.header("ETag"), tag)
        self.assertStatus(support.request("GET", url, {"If-None-Match": '"x"'}), 200)

    def test_accept(self):
        url = self.published(support.demo_letter(), "text/xml")
        for accept, status in (("text/xml", 200), ("text/*", 200), ("*/*", 200), ("application/pdf", 406),
                               ("text/xml;q=0", 406), ("application/pdf, */*;q=0.1", 200)):
            got = self.assertStatus(support.request("GET", url, {"Accept": accept}), status)
            if status == 406:
                self.assertEqual(got.json()["resourceType"], "OperationOutcome")

    def test_ids_that_are_not_ours(self):
        url = self.published(b"x")
        base, identifier = url.rsplit("/", 1)
        changed = identifier[:-1] + ("a" if identifier[-1] != "a" else "b")
        reference = self.gateway.base + "/DocumentReference/" + identifier
        for address in (base + "/" + changed, base + "/x", base + "/" + "a" * 64, base + "/" + "a" * 65,
                        base + "/" + identifier + "/x", base + "/%2e%2e", base + "/" + identifier + "%00", reference):
            response = support.request("GET", address)
            self.assertIn(response.status, (400, 404), address)
        one = support.request("GET", base + "/" + changed).json()
        two = support.request("GET", base + "/" + "a" * 40).json()
        self.assertEqual(one, two, "what never was and what is not yours look the same")

    def spoiled(self, old, new):
        return proxy.changed(lambda body: body.replace(old, new))

    def test_spoiled_document_is_an_error(self):
        url = self.published(b"the right bytes of this document")
        for old, new in ((b"right bytes", b"wrong bytes"), (b"of this document", b""), (b"text/plain", b"text/html")):
            self.proxy.script(RETRIEVE, self.spoiled(old, new))
            got = support.request("GET", url)
            self.assertEqual(got.status, 502, got)
            self.assertNotIn(b"wrong bytes", got.body)
        self.assertStatus(support.request("GET", url), 200)

    def test_broken_answers(self):
        url = self.published(b"some bytes")
        for behaviour in (proxy.half_answer, proxy.lost_answer, proxy.answering(200, "text/html", b"<p>"),
                          proxy.answering(200, "multipart/related", b""), proxy.answering(500, "text/plain", b"no")):
            self.proxy.script(RETRIEVE, behaviour, behaviour)
            got = support.request("GET", url)
            self.assertEqual(got.status, 502, got)
            self.proxy.clear()

    def stream(self, url):
        """Status, announced length, and what really came before the connection ended."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        try:
            body = answer.read()
        except http.client.IncompleteRead as incomplete:
            body = incomplete.partial
        except ConnectionResetError:
            body = None
        connection.close()
        return answer.status, int(answer.getheader("Content-Length")), body

    def test_large_document_streams_and_breaks_on_a_mismatch(self):
        document = bytes(range(256)) * (2 * VERIFY_BYTES // 256) + b"the very end"
        url = self.published(document, "application/octet-stream")
        status, length, body = self.stream(url)
        self.assertEqual((status, length), (200, len(document)))
        self.assertTrue(body == document)
        for old, new in ((b"the very end", b"another end!"), (b"the very end", b""), (b"the very end", b"the very end and more")):
            self.proxy.script(RETRIEVE, self.spoiled(old, new))
            status, length, body = self.stream(url)
            self.assertEqual(length, len(document))
            self.assertTrue(body is None or len(body) < len(document), "a spoiled document must not look whole")

    def test_large_document_may_take_longer_than_a_request(self):
        """A slow reader: the stream outlives limits.request_seconds as long as it moves."""
        gateway = support.Gateway(self.directory, [self.domain.back_end()], name="short-of-time",
                                  limits={"verify_bytes": VERIFY_BYTES, "request_seconds": 1})
        self.addCleanup(gateway.kill)
        document = bytes(range(256)) * (64 * VERIFY_BYTES // 256)
        path = urllib.parse.urlsplit(self.published(document, "application/octet-stream")).path
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        begun = time.monotonic()
        received = hashlib.sha1()
        while chunk := answer.read(1 << 20):
            received.update(chunk)
            time.sleep(0.04)  # the reader's own pace, not a wait for something to happen
        connection.close()
        self.assertGreater(time.monotonic() - begun, 1)
        self.assertEqual(received.digest(), hashlib.sha1(document).digest())
        gateway.stop()

    def test_large_document_cut_by_the_back_end(self):
        document = bytes(range(256)) * (3 * VERIFY_BYTES // 256)
        url = self.published(document, "application/octet-stream")
        self.proxy.script(RETRIEVE, proxy.half_answer, proxy.half_answer)
        _, length, body = self.stream(url)
        self.assertEqual(length, len(document))
        self.assertTrue(body is None or len(body) < length)

    def test_inline_documents(self):
        """Repositories may send base64 in plain SOAP instead of a package."""
        def inline(body):
            boundary = re.match(rb"\s*--([^\r\n]+)", body).group(1)
            parts = body.split(b"--" + boundary)
            root = parts[1].split(b"\r\n\r\n", 1)[1].rstrip(b"\r\n")
            document = parts[2].split(b"\r\n\r\n", 1)[1][:-2]
            return re.sub(rb"<xop:Include[^>]*(/>|></xop:Include>)", base64.b64encode(document), root)

        def behave(exchange):
            status, _, body = exchange.pass_on()
            exchange.answer(status, "application/soap+xml; charset=UTF-8", inline(body))

        document = bytes(range(256)) * 40
        url = self.published(document, "application/octet-stream")
        self.proxy.script(RETRIEVE, behave)
        got = self.assertStatus(support.request("GET", url), 200)
        self.assertTrue(got.body == document)

    def test_unknown_repository(self):
        bundle = support.demo_bundle(b"x", "text/plain")
        self.publish(bundle)
        url = self.find_one(support.document_oid(bundle))["content"][0]["attachment"]["url"]
        other = self.domain.back_end(repositories=[{"unique_id": "2.999.77", "url": self.domain.repository_url}])
        gateway = support.Gateway(self.directory, [other], name="other")
        self.addCleanup(gateway.kill)
        path = urllib.parse.urlsplit(url).path
        got = support.request("GET", "http://127.0.0.1:%d%s" % (gateway.port, path))
        self.assertEqual(got.status, 404, got)
        gateway.stop()


class Keys(support.Stand):
    def test_ids_survive_restart_and_rotation(self):
        bundle = support.demo_bundle(b"x", "text/plain")
        locations = [entry["response"]["location"] for entry in self.publish(bundle)["entry"]]
        path = urllib.parse.urlsplit(self.find_one(support.document_oid(bundle))["content"][0]["attachment"]["url"]).path
        new_key = self.directory + "/new.key"
        with open(new_key, "wb") as file:
            file.write(hashlib.sha512(b"new").digest()[:32])
        keys = [{"id": 2, "file": new_key}, {"id": 1, "file": self.directory + "/seal.key"}]
        for name, overrides, status in (("restarted", {}, 200), ("rotated", {"keys": keys}, 200),
                                        ("stranger", {"keys": keys[:1]}, 404)):
            gateway = support.Gateway(self.directory, [self.domain.back_end()], name=name, **overrides)
            self.addCleanup(gateway.kill)
            got = support.request("GET", "http://127.0.0.1:%d%s" % (gateway.port, path))
            self.assertEqual(got.status, status, got)
            for location in locations[:2]:
                got = support.request("GET", gateway.base + "/" + location)
                self.assertEqual(got.status, status, got)
                if status == 200:
                    self.assertEqual(got.json()["id"], location.split("/")[1], "the id that was asked for")
            gateway.stop()


if __name__ == "__main__":
    unittest.main()
