"""Attacks from the north: what clients may send to the gateway over HTTP."""
import base64
import copy
import json
import os
import socket
import threading
import time
import unittest
import urllib.parse
import uuid
from xml.etree import ElementTree

import support
from attacks import (CANARY, CHUNKED, GET, HIDDEN, HOST, POST, Attacks, attachment,
                     fresh_bundle, raw, reference, submission_set)


class Http(Attacks):
    """A: the HTTP layer."""

    def refused(self, rows, expected=(400,)):
        for row in rows:
            data, statuses = row if isinstance(row, tuple) else (row, expected)
            answers, got, closed = raw(self.gateway.port, data)
            self.assertTrue(closed, data[:80])
            # The library's own answer to a bad head quotes its status once more in its page.
            self.assertTrue(set(answers) <= set(statuses), (data[:80], answers))
            self.assertNotIn(b"CapabilityStatement", got, data[:80])

    def test_002_slow_bodies_and_heads_hold_nothing_up(self):
        slow = [socket.create_connection(("127.0.0.1", self.gateway.port)) for _ in range(60)]
        try:
            for number, connection in enumerate(slow):
                connection.sendall(POST + b"Content-Length: 1000\r\n\r\n{" if number % 2 else b"GET /fhir/me")
            began = time.monotonic()
            self.assertStatus(support.request("GET", self.gateway.base + "/metadata"), 200)
            self.assertLess(time.monotonic() - began, 5)
        finally:
            for connection in slow:
                connection.close()

    def test_004_content_length_and_transfer_encoding(self):
        self.refused([POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
                      POST + b"Transfer-Encoding: chunked\r\nContent-Length: 60\r\n\r\n0\r\n\r\n" + HIDDEN])

    def test_005_lengths(self):
        self.refused([(POST + line + b"\r\n\r\nhello" + HIDDEN, (400, 413)) for line in (
            b"Content-Length: 5\r\nContent-Length: 0", b"Content-Length: 5\r\nContent-Length: 5",
            b"Content-Length: 5, 5", b"Content-Length: +5", b"Content-Length: -1", b"Content-Length: 0x5",
            b"Content-Length: ", b"Content-Length: 9223372036854775807",
            b"Content-Length: 99999999999999999999999")])

    def test_006_shapes_of_headers(self):
        self.refused([POST + b"Content-Length : 5\r\n\r\nhello" + HIDDEN, GET + HOST + b"X: a\r\n b\r\n\r\n",
                      GET.replace(b"\r\n", b"\n") + HOST.replace(b"\r\n", b"\n") + b"\n",
                      GET + HOST + b"X: a\0b\r\n\r\n", GET + HOST + b"X\0y: a\r\n\r\n", GET + HOST + b": a\r\n\r\n",
                      GET + HOST + b"no colon\r\n\r\n", GET + HOST + b"X: a\rY: b\r\n\r\n"])

    def test_007_transfer_codings(self):
        old = CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"
        self.refused([old] + [POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + HIDDEN for coding in (
            b"xchunked", b"chunked, identity", b"gzip, chunked", b"\x0bchunked", b"")], (400, 501))

    def test_008_chunks(self):
        self.refused([CHUNKED + chunk + HIDDEN for chunk in (
            b"ffffffffffffffff1\r\nab", b"0x3\r\nabc\r\n0\r\n\r\n", b"-1\r\nabc\r\n0\r\n\r\n",
            b"3\r\nabcd\r\n0\r\n\r\n",
            b" 2 \r\n{}\r\n0\r\n\r\n", b"\r\n\r\n")], (400, 413))
        # Trailers stay trailers: this Content-Type comes too late.
        answers, got, _ = raw(self.gateway.port,
                              CHUNKED + b"2\r\n{}\r\n0\r\nContent-Type: text/html\r\nHost: evil\r\n\r\n")
        self.assertEqual(answers, [400], got)
        self.assertIn(b"Name a resource type", got)

    def test_009_hosts(self):
        self.refused([GET + HOST + HOST + b"\r\n", GET + b"\r\n", GET + b"Host: evil.example\r\n\r\n",
                      GET + b"Host: 127.0.0.1@evil.example\r\n\r\n", b"GET /fhir/metadata HTTP/1.0\r\n\r\n",
                      b"GET http://evil.example/fhir/metadata HTTP/1.1\r\n" + HOST + b"\r\n"])

    def test_010_long_headers(self):
        self.refused([GET + HOST + b"".join(b"X%d: %s\r\n" % (i, b"a" * 8192) for i in range(100)) + b"\r\n",
                      GET + HOST + b"X: " + b"a" * 65536 + b"\r\n\r\n",
                      GET + HOST + b"".join(b"X%d: a\r\n" % i for i in range(150)) + b"\r\n",
                      GET + HOST + b"".join(b"X%d: a\r\n" % i for i in range(5000)) + b"\r\n"], (431,))

    def test_011_long_urls(self):
        many = b"&".join(b"a%d=1" % i for i in range(2000))
        self.refused([b"GET /fhir/" + b"a" * 65536 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
                      b"GET /fhir/" + b"a" * 13000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
                      b"GET /fhir/DocumentReference?" + many + b" HTTP/1.1\r\n" + HOST + b"\r\n"], (414,))
        few = "&".join("a%d=1" % i for i in range(900))
        for method, url, body in (("GET", "/DocumentReference?" + few, None),
                                  ("POST", "/DocumentReference/_search", few)):
            response = support.request(method, self.gateway.base + url,
                                       {"Content-Type": "application/x-www-form-urlencoded"} if body else {}, body)
            self.assertHarmless(response, (400,), method)

    def test_012_methods_are_what_the_line_says(self):
        url = self.gateway.base + "/metadata"
        self.assertStatus(support.request("GET", url, {"X-HTTP-Method-Override": "DELETE"}), 200)
        self.assertHarmless(support.request("GET", self.gateway.base + "/DocumentReference?_method=PUT"), (400,),
                            "_method")
        self.refused([b"get /fhir/metadata HTTP/1.1\r\n" + HOST + b"\r\n"], (405,))

    def test_013_other_methods(self):
        for method in ("TRACE", "PATCH", "OPTIONS", "DELETE", "PUT", "PROPFIND"):
            for path in ("", "/metadata", "/Binary/x"):
                response = support.request(method, self.gateway.base + path, {"Origin": "http://evil.example"})
                self.assertHarmless(response, (405,), method + path)
                self.assertRegex(response.header("Allow"), r"^[A-Z, ]+$")
                self.assertIsNone(response.header("Access-Control-Allow-Origin"))
        self.refused([b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
                      b"CONNECT 127.0.0.1:80 HTTP/1.1\r\n" + HOST + b"\r\n"],
                     (405,))

    def test_014_ranges(self):
        answer = self.publish(fresh_bundle())
        url = self.absolute(answer["entry"][2]["response"]["location"])
        for value in ("bytes=0-3", "bytes=" + ",".join("%d-%d" % (i, i) for i in range(1500)), "kettle",
                      "bytes=9223372036854775807-", "bytes=-99999999999999999999"):
            response = support.request("GET", url, {"Range": value, "If-Range": '"x"'})
            self.assertIn(response.status, (200, 416), value[:40])
            self.assertIn(response.body, (CANARY, b""), value[:40])

    def test_015_packed_bodies(self):
        before = self.stored()
        for coding in ("gzip", "x-gzip", "deflate", "br", "zstd", "gzip, gzip", "kettle"):
            self.send(fresh_bundle(), (415,), coding, {"Content-Encoding": coding})
        self.assertEqual(self.stored(), before)
        twice = POST + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
        self.assertEqual(raw(self.gateway.port, twice)[0], [415])
        self.send(fresh_bundle(), (200,), "identity", {"Content-Encoding": "identity"})

    def test_016_expectations(self):
        head = POST + b"Expect: 100-continue\r\nContent-Length: 999999999999\r\n\r\n"
        self.assertEqual(raw(self.gateway.port, head)[0], [413])
        self.refused([POST + b"Expect: kettle\r\nContent-Length: 2\r\n\r\n{}"], (417,))

    def test_017_paths(self):
        for path in ("%2e%2e/fhir/metadata", "/metadata", "%2fmetadata", "metadata;x", "metadata%00", "metadata%00x",
                     "%c0%afmetadata", "%252e%252e/metadata", "../fhir/metadata", "./metadata", "metadata/",
                     "%6detadata",
                     "Binary/../../etc/passwd", "metadata#x", "meta\xe9", "metadata?%zz", "\\metadata"):
            answers, got, _ = raw(self.gateway.port, b"GET /fhir/" + path.encode("latin-1") + b" HTTP/1.1\r\n" + HOST
                                  + b"Connection: close\r\n\r\n")
            self.assertIn(answers, ([400], [404]), path)
            self.assertNotIn(b'"resourceType":"CapabilityStatement"', got, path)

    def test_018_other_protocols_and_pipelines(self):
        self.refused([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET /fhir/metadata\r\n\r\n", b"GET / HTTP/1.2\r\n\r\n"],
                     (400, 505))
        answers, _, _ = raw(self.gateway.port, HIDDEN * 100, 2)
        self.assertEqual(answers, [200] * 100)
        self.assertEqual(raw(self.gateway.port, bytes.fromhex("16030100a5010000a10303") + b"\1" * 160, 0.3)[0], [])

    def test_020_forwarding_headers_are_not_believed(self):
        response = support.request("GET", self.gateway.base + "/metadata", {
            "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example", "X-Forwarded-For": "evil.example",
            "X-Request-Id": "evil" * 500, "traceparent": "00-" + "EVIL" * 8})
        self.assertStatus(response, 200)
        self.assertNotIn("evil", (response.body.decode() + str(response.headers)).lower())

    def test_022_split_answers(self):
        for value in ("%0d%0aX-Evil:%20y", "json%0d%0aX-Evil:%20y", "html", "x" * 100):
            response = support.request("GET", self.gateway.base + "/metadata?_format=" + value)
            self.assertHarmless(response, (406,), value)
            self.assertIsNone(response.header("X-Evil"))
        for media_type in ("text/plain\r\nX-Evil: y", "text/plain\u00e9", "a", "text/", "/x", "*/*", "text/*",
                           "../../x",
                           'text/plain; x="\r\n"', "x" * 300 + "/y", "<script>/x"):
            bundle = fresh_bundle()
            attachment(bundle)["contentType"] = bundle["entry"][2]["resource"]["contentType"] = media_type
            response = self.send(bundle, (400, 422), media_type)
            self.assertIn("contentType", response.json()["issue"][0]["expression"][0], media_type)
        for media_type in ("text/html", "image/svg+xml", 'text/plain; charset="utf-8"', "APPLICATION/pdf"):
            bundle = fresh_bundle()
            attachment(bundle)["contentType"] = bundle["entry"][2]["resource"]["contentType"] = media_type
            answer = self.send(bundle, (200,), media_type).json()
            served = support.request("GET", self.absolute(answer["entry"][2]["response"]["location"]))
            self.assertEqual((served.status, served.body, served.header("X-Content-Type-Options"),
                              served.header("Content-Disposition")), (200, CANARY, "nosniff", "attachment"))

    def test_059_cut_uploads(self):
        before = self.stored()
        body = json.dumps(fresh_bundle()).encode()
        for size in (1, len(body) // 2, len(body) - 1):
            raw(self.gateway.port, POST + b"Content-Length: %d\r\n\r\n" % len(body) + body[:size], 0.2)
            raw(self.gateway.port, CHUNKED + b"%x\r\n" % len(body) + body[:size], 0.2)
            raw(self.gateway.port, CHUNKED + b"%x\r\n" % len(body) + body + b"\r\n", 0.2)
        self.assertEqual(self.stored(), before)

    def test_089_logs_stay_one_line_per_request(self):
        support.request("GET", self.gateway.base + "/metadata",
                        {"User-Agent": "\x1b[31m%n%s\"'{}".replace("\x1b", "ESC") + "x" * 9000})
        support.request("GET",
                        self.gateway.base + "/" + urllib.parse.quote('\r\n{"event":"forged"}\x1b[31m') + "?x=IHEBLUE")
        log = self.gateway.log()
        for line in log.splitlines():
            self.assertIn("event", json.loads(line))
        self.assertNotIn("forged", log)
        self.assertNotIn("\x1b", log)
        self.assertNotIn("IHEBLUE", log)


class Bodies(Attacks):
    """B, D and G: bodies, documents and identifiers."""

    def changed(self, rows, statuses):
        """rows: (what, change of a fresh bundle)."""
        before = self.stored()
        for what, change in rows:
            bundle = fresh_bundle()
            change(bundle)
            self.send(bundle, statuses, what)
        self.assertEqual(self.stored(), before)

    def replaced(self, rows, statuses):
        """rows: (old bytes, new bytes) of the JSON text."""
        before = self.stored()
        for old, new in rows:
            text = json.dumps(fresh_bundle()).encode()
            self.assertIn(old, text)
            self.send(text.replace(old, new, 1), statuses, new[:60])
        self.assertEqual(self.stored(), before)

    def test_024_depth(self):
        text = json.dumps(fresh_bundle()).encode()
        deep = [b"[" * 100000, b'{"a":' * 100000,
                text.replace(b'"status"', b'"extension":' + b"[" * 200 + b"]" * 200 + b',"status"', 1),
                text.replace(b'"contained": [', b'"contained": [' + b'{"extension":[' * 70 + b"]}" * 70 + b",", 1)]
        for body in deep:
            self.assertIn("less deeply", self.send(body, (400,), body[:20]).json()["issue"][0]["diagnostics"])

    def test_025_names_given_twice(self):
        self.replaced([(b'"status": "current"', b'"status":"current","status":"superseded"'),
                       (b'"status": "current"', b'"status":"current","stat\\u0075s":"superseded"'),
                       (b'"subject":', b'"subject":{},"subject":')], (400,))

    def test_026_numbers(self):
        self.replaced([(b'"size": %d' % len(CANARY), b'"size": ' + number) for number in (
            b"1e400", b"1e-400", b"9223372036854775808", b"-0", b"-1", b"0.10", b"NaN", b"01", b"1.", b"+1", b'"5"',
            b"1" * 5000, b"1e1", b"0x10")], (400,))
        self.replaced([(b'"hash":', b'"extension":[{"url":"http://x.example","valueDecimal":%s}],"hash":' % number)
                       for number in (b"1e400", b"1e-400", b"NaN", b"01", b"1" * 200)], (400,))

    def test_027_encodings(self):
        text = json.dumps(fresh_bundle()).encode()
        for body in (text.decode().encode("utf-16"), text.decode().encode("utf-16-le"), text.decode().encode("utf-32")):
            self.send(body, (400,), "encoding")
        self.send(b"\xef\xbb\xbf" + json.dumps(fresh_bundle()).encode(), (200,), "BOM")
        self.replaced([(b"Discharge letter", b"Disch" + piece + b"arge letter") for piece in (
            b"\xc0\xaf", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\0", b"\\u0000",
            b"\\ud800", b"\\udc00", b"\\udc00\\ud800", b"\x01", b"\\u0001", b"\\u0001B0", b"\\ufffe", b"\xef\xbf\xbf",
            b"\\x41")], (400,))

    def test_028_awkward_text_comes_back(self):
        for piece in ("\U0001f600", "\u202e\u2066", "]]>", "<script>&amp;&#0;&#x1F;", "\x7f\u0085", "a'b\"c\\|^~&"):
            bundle = fresh_bundle()
            attachment(bundle)["title"] = "Letter " + piece + " end"
            answer = self.send(bundle, (200,), piece).json()
            found = support.request("GET", self.absolute(answer["entry"][1]["response"]["location"])).json()
            self.assertEqual(attachment({"entry": [0, {"resource": found}]})["title"], "Letter " + piece + " end")

    def test_029_masses(self):
        text = json.dumps(fresh_bundle()).encode()
        bodies = [
            b'{"resourceType":"Bundle","type":"transaction","entry":[' + b",".join([b"{}"] * 1000000) + b"]}",
            b'{"resourceType":"Bundle",' + b",".join(b'"k%d":1' % i for i in range(100000)) + b"}",
            text.replace(b'"author": [', b'"author": [' + b'{"reference":"#role"},' * 100000, 1),
            text.replace(b'"description": "', b'"description": "' + b"x" * 20000000, 1)]
        for body in bodies:
            began = time.monotonic()
            self.send(body, (400, 413, 422), body[:40])
            self.assertLess(time.monotonic() - began, 5)

    def test_030_shapes(self):
        def twice(bundle):
            bundle["entry"].append(dict(copy.deepcopy(bundle["entry"][0]), fullUrl="urn:uuid:" + str(uuid.uuid4())))

        self.changed([
            ("no resourceType", lambda b: b.pop("resourceType")), ("case", lambda b: b.update(resourceType="bundle")),
            ("batch", lambda b: b.update(type="batch")), ("no submission set", lambda b: b["entry"].pop(0)),
            ("two submission sets", twice), ("entry null", lambda b: b["entry"].append(None)),
            ("entry empty", lambda b: b["entry"].append({})), ("no entries", lambda b: b.update(entry=[])),
            ("entry object", lambda b: b.update(entry={"a": 1})),
            ("array", lambda b: b["entry"][1].update(resource=[])),
            ("text", lambda b: b["entry"][1].update(resource="x")),
            ("number", lambda b: b["entry"][1].update(fullUrl=5)),
            ("request", lambda b: b["entry"][1].update(request="POST")),
            ("unknown", lambda b: reference(b).update(x="y")),
            ("no binary", lambda b: b["entry"].pop(2))], (400, 422))
        for body in (b"", b" ", b"null", b"[]", b'"x"', b"1", b"{}", b"{", b"{}x", b"/**/{}", b"{'a':1}", b"\0" * 1000):
            self.send(body, (400,), body)

    def test_031_references(self):
        def lists(bundle, target):
            submission_set(bundle)["entry"].append({"item": {"reference": target}})

        def ring(bundle):
            reference(bundle)["contained"].append({
                "resourceType": "PractitionerRole", "id": "ring", "practitioner": {"reference": "#ring"},
                "organization": {"reference": "#ring"}})
            reference(bundle)["author"] = [{"reference": "#ring"}]

        self.changed([
            ("#", lambda b: reference(b).update(author=[{"reference": "#"}])), ("ring", ring),
            ("nowhere", lambda b: lists(b, "urn:uuid:" + str(uuid.uuid4()))),
            ("itself", lambda b: lists(b, b["entry"][0]["fullUrl"])),
            ("binary", lambda b: lists(b, b["entry"][2]["fullUrl"])),
            ("one fullUrl", lambda b: b["entry"][2].update(fullUrl=b["entry"][1]["fullUrl"]))], (422,))

    def test_032_two_patients(self):
        self.changed([
            ("subject", lambda b: reference(b)["subject"]["identifier"].update(value="IHEBLUE-1002")),
            ("source", lambda b: reference(b)["contained"][0]["identifier"][0].update(value="IHEBLUE-1002")),
            ("foreign", lambda b: [each["subject"]["identifier"].update(system="urn:oid:2.999.9")
                                   for each in (reference(b), submission_set(b))])], (422,))

    def test_033_xml_bodies(self):
        bomb = "".join('<!ENTITY %s "%s">' % (chr(98 + i), ("&%s;" % chr(97 + i)) * 10) for i in range(9))
        head = '<Bundle xmlns="http://hl7.org/fhir">'
        rows = ['<!DOCTYPE Bundle [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + head + '<id value="&a;"/></Bundle>',
                '<!DOCTYPE Bundle [<!ENTITY a "aaaa">' + bomb + "]>" + head + '<id value="&j;"/></Bundle>',
                '<!DOCTYPE Bundle SYSTEM "http://127.0.0.1:9/x.dtd">' + head + "</Bundle>",
                '<?xml version="1.0" encoding="UTF-7"?>' + head + "</Bundle>", head + "<a>" * 10000,
                '<Bundle xmlns="http://hl7.org/fhir"' + "".join(' a%d=""' % i for i in range(100000)) + "/>",
                '<Bundle xmlns="http://hl7.org/fhir"' + "".join(' xmlns:a%d="b"' % i for i in range(30000)) + "/>",
                head + '<id value="' + "x" * 11000000 + '"/></Bundle>', head + "<entry/>" * 60000 + "</Bundle>",
                head + '<id value="a"/><id value="b"/></Bundle>', "<Bundle/>", head, "", "x", head + "&#0;</Bundle>",
                head + '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd"/></Bundle>']
        for row in rows:
            began = time.monotonic()
            response = self.send(row.encode(), (400, 413, 422), row[:60], {"Content-Type": "application/fhir+xml"})
            self.assertLess(time.monotonic() - began, 5, row[:60])
            self.assertNotIn(b"root:", response.body)

    def test_034_modifiers(self):
        modifier = [{"url": "http://x.example/not", "valueBoolean": True}]
        self.changed([("reference", lambda b: reference(b).update(modifierExtension=modifier)),
                      ("set", lambda b: submission_set(b).update(modifierExtension=modifier)),
                      ("rules", lambda b: reference(b).update(implicitRules="http://x.example"))], (422,))

    def test_037_media_types(self):
        for media_type in ("application/fhir+json; charset=utf-16", "text/html", "",
                           "application/fhir+json; fhirVersion=3.0",
                           "multipart/form-data; boundary=x", "application/fhir+json; charset=iso-8859-1"):
            self.send(fresh_bundle(), (415,), media_type, {"Content-Type": media_type})
        self.send(fresh_bundle(), (400,), "other body", {"Content-Type": "application/fhir+xml"})
        for accept in ("text/html", "*/*;q=0", ";;,,;q=", ",".join(["a/b"] * 800)):
            self.send(fresh_bundle(), (406,), accept[:20], {"Accept": accept})

    def test_038_conditions(self):
        self.changed([(name, lambda b, name=name, value=value: b["entry"][1]["request"].update({name: value}))
                      for name, value in (("ifNoneExist", "identifier=x"), ("ifMatch", 'W/"1"'), ("ifNoneMatch", "*"),
                                          ("ifModifiedSince", "2020-01-01T00:00:00Z"))], (422,))

    def test_053_document_twice(self):
        self.changed([("data", lambda b: attachment(b).update(data="QUJD")),
                      ("long data", lambda b: attachment(b).update(data="QUJD" * 20000))], (422,))

    def test_054_base64(self):
        def data(text):
            bundle = fresh_bundle()
            bundle["entry"][2]["resource"]["data"] = text
            for name in ("hash", "size"):
                attachment(bundle).pop(name)
            return bundle

        for text in ("____", "YWJjZA", "QUJDRB==", "QUJ=RA==", "QUI===", "====", "", "Q", "QUJD\u00e9",
                     "QUJD" * 20000 + "*",
                     "QUJD" * 20000 + "QUJDRB==", "QUJD" * 20000 + "QQ==" + "QUJD" * 20000, "QUJD" * 20000 + "QUI"):
            self.send(data(text), (400,), text[-20:])
        for text in (" \n".join("QUJD"), "QUJD" + " " * 200000 + "QUJD"):
            self.send(data(text), (200,), "white space")
        answer = self.send(json.dumps(data("@@")).encode().replace(b"@@", b"\\/\\u002B\\/+"), (200,), "escapes").json()
        served = support.request("GET", self.absolute(answer["entry"][2]["response"]["location"]))
        self.assertEqual(served.body, base64.b64decode("/+/+"))

    def test_055_claims_about_the_bytes(self):
        self.changed([(str(claim)[:30], lambda b, claim=claim: attachment(b).update(claim)) for claim in (
            {"hash": base64.b64encode(b"x" * 20).decode()}, {"hash": "QUJD"}, {"hash": "QUJD" * 30000}, {"size": 1})],
            (422,))

    def test_084_patient_identifiers(self):
        for value in ("IHEBLUE-1001^^^&2.999.9&ISO", "x|y", "IHEBLUE-1001~IHEBLUE-1002", "a&amp;amp;b", "' or '1'='1",
                      "IHEBLUE-1001\r\nX: y", " IHEBLUE-1001", "iheblue-1001", "\\E\\", "x" * 1000,
                      "IHEBLUE-1001\u00a0"):
            bundle = fresh_bundle()
            reference(bundle)["context"].pop("sourcePatientInfo")
            for each in (reference(bundle), submission_set(bundle)):
                each["subject"]["identifier"]["value"] = value
            self.send(bundle, (400, 422), value[:30])

    def test_085_markup_stays_text(self):
        """In JSON and in XML; what is published is read back from what went through ebXML."""
        for piece in ("]]>", "</rim:Name><x>", "<![CDATA[x", "--><!DOCTYPE x>", "&#0;", "&#x1F;", "&lt;", "'\"/>", "<?x?>"):
            bundle = fresh_bundle()
            reference(bundle)["description"] = "a" + piece + "b"
            attachment(bundle)["title"] = "a" + piece + "b"
            for each in reference(bundle)["contained"]:
                if each["resourceType"] == "Practitioner":
                    each["name"] = [{"family": "F" + piece}]
            location = self.absolute(self.send(bundle, (200,), piece).json()["entry"][1]["response"]["location"])
            found = support.request("GET", location).json()
            self.assertEqual((found["description"], found["content"][0]["attachment"]["title"]), ("a" + piece + "b",) * 2)
            self.assertIn("F" + piece, [name["family"] for each in found["contained"] for name in each.get("name", [])
                                        if isinstance(name, dict)])
            tree = ElementTree.fromstring(support.request("GET", location, {"Accept": "application/fhir+xml"}).body)
            self.assertEqual(tree.find("{http://hl7.org/fhir}description").get("value"), "a" + piece + "b")

    def test_086_names_cannot_leave_their_field(self):
        for value in ("a|PID-3|x", "a\rPID-3|x^^^&2.999.9&ISO", "^&~\\", "~IHEBLUE-1002", "\\.br\\"):
            bundle = fresh_bundle()
            for each in reference(bundle)["contained"]:
                if each["resourceType"] in ("Patient", "Practitioner"):
                    each["name"] = [{"family": value, "given": ["A" + value]}]
            answer = self.send(bundle, (200,), value).json()
            found = support.request("GET", self.absolute(answer["entry"][1]["response"]["location"])).json()
            patient = next(each for each in found["contained"] if each["resourceType"] == "Patient")
            self.assertEqual([each["value"] for each in patient["identifier"]], [support.PATIENT], value)

    def test_087_urls_are_not_fetched(self):
        urls = ["http://169.254.169.254/latest", "http://localhost:1/", "file:///etc/passwd", "gopher://x/",
                "//x.example/",
                "http://[::ffff:127.0.0.1]/", "http://0x7f000001/", "data:text/plain,x", "cid:x", "#x",
                "Binary/../../x",
                self.domain.registry_url]
        self.changed([(url, lambda b, url=url: attachment(b).update(url=url)) for url in urls], (422,))
        self.changed([(url, lambda b, url=url: [each.update(subject={"reference": url})
                                                for each in (reference(b), submission_set(b))]) for url in urls],
                                                (422,))
        self.changed([(url, lambda b, url=url: reference(b).update(author=[{"reference": url}])) for url in urls],
                     (422,))

    def test_107_twins_are_one(self):
        body = json.dumps(fresh_bundle()).encode()
        answers = []

        def go():
            answers.append(support.request("POST", self.gateway.base, {"Content-Type": "application/fhir+json"}, body))

        threads = [threading.Thread(target=go) for _ in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual({answer.status for answer in answers}, {200})
        self.assertEqual(len({answer.json()["entry"][1]["response"]["location"] for answer in answers}), 1)
        self.find_one(support.document_oid(json.loads(body)))

    def test_130_masses_of_entries(self):
        def more(bundle, count):
            for _ in range(count):
                entry, binary = copy.deepcopy(bundle["entry"][1]), copy.deepcopy(bundle["entry"][2])
                entry["fullUrl"], binary["fullUrl"] = ("urn:uuid:" + str(uuid.uuid4()) for _ in range(2))
                entry["resource"]["masterIdentifier"]["value"] = "urn:oid:" + support.fresh_oid(1)
                entry["resource"]["content"][0]["attachment"]["url"] = binary["fullUrl"]
                bundle["entry"] += [entry, binary]
                submission_set(bundle)["entry"].append({"item": {"reference": entry["fullUrl"]}})

        self.changed([("1000", lambda b: more(b, 1000))], (400, 413))
        bundle = fresh_bundle()
        more(bundle, 60)
        self.assertEqual(len(self.send(bundle, (200,), "60").json()["entry"]), 123)


class Searches(Attacks):
    """B and G: searches and ids."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.locations = [entry["response"]["location"] for entry in cls.gateway.publish(fresh_bundle()).json()["entry"]]

    def test_035_result_parameters(self):
        for name, value, strict in (("_count", "-1", 400), ("_count", "+1", 400), ("_count", "1.5", 400),
                                    ("_count", "0", 200),
                                    ("_count", "18446744073709551616", 400), ("_count", "1000000000", 200),
                                    ("_sort", "kettle", 400), ("_include", "*", 400), ("_revinclude", "*:*", 400),
                                    ("_has:Observation:patient:code", "1", 400), ("type:kettle", "a", 400),
                                    ("_filter", "x", 400), ("_page", "A" * 64, 400), ("_page", "x", 400)):
            query = urllib.parse.urlencode({"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY,
                                                                                     support.PATIENT),
                                            "status": "current", name: value})
            url = self.gateway.base + "/DocumentReference?" + query
            self.assertHarmless(support.request("GET", url, {"Prefer": "handling=strict"}), (strict,), name + value)
            self.assertHarmless(support.request("GET", url), (200, 400), name + value)

    def test_036_dates(self):
        for name in ("date", "creation", "period"):
            for value in ("lt9999-99-99", "2026-01-01T00:60", "2026-01-01T00:00:00+15:00", "gt2026-02-30", "0000",
                          "99999", "ge",
                          "-2026", "2026-1-1", "2026-02-29", "\uff12\uff10\uff12\uff16", "xx2026", " 2026"):
                self.assertHarmless(self.gateway.find(**{name: value}), (400,), name + value)
            for value in ("sa2026", "eb2026", "ap2026", "ne2026-01-01", "2016-12-31T23:59:60Z", "2024-02-29",
                          "lt0001-01-01",
                          "gt9999-12-31T23:59:59.999Z", "ge9999-12-31T23:59:59-14:00", "lt0001-01-01T00:00:00+14:00"):
                self.assertHarmless(self.gateway.find(**{name: value}), (200,), name + value)

    def test_083_injection(self):
        hostile = ("urn:oid:1.2|x') or ('1'='1", "'", "''", "$XDS", "(", "')", "a','b", "%", "_", "\\", "\\,", "\\|",
                   "||",
                   "a|b|c", "*", "\u00e9", "\U0001f600", "<>&\"", "]]>", ";DROP TABLE x--", "x" * 5000)
        for name in ("identifier", "type", "author.family", "facility", "format", "setting", "category", "event",
                     "related",
                     "security-label", "_id"):
            for value in hostile:
                response = self.gateway.find(**{name: value})
                self.assertHarmless(response, (200, 400), name + value[:20])
                if response.status == 200:
                    self.assertNotIn("entry", response.json(), name + value[:20])
            self.assertHarmless(self.gateway.find("List", code="submissionset", **{name: hostile[0]}), (200, 400), name)
        for value in ("%00", "%ff%fe", "%C0%AF", "a%0d%0ab", "%01"):
            self.assertHarmless(support.request("GET", self.gateway.base + "/DocumentReference?identifier=" + value),
                                (400,), value)

    def test_084_patients(self):
        system = "urn:oid:" + support.AUTHORITY
        for value in (system + "|IHEBLUE-1001^^^&2.999.9&ISO", system + "|' or '1'='1",
                      system + "|IHEBLUE-1001~IHEBLUE-1002",
                      system + "|", "|", "|IHEBLUE-1001'", "%", "*", system + "|%",
                      system + "|IHEBLUE-1002,%s|x" % system):
            response = self.gateway.find(**{"patient.identifier": value})
            self.assertHarmless(response, (200, 400, 404, 422), value)
            self.assertEqual([entry for entry in response.json().get("entry", [])
                              if entry["search"]["mode"] != "outcome"], [], value)

    def test_088_forged_ids(self):
        for location in self.locations:
            kind, identifier = location.rsplit("/", 2)[-2:]
            for other in ("DocumentReference", "Binary", "List", "Patient"):
                response = support.request("GET", "%s/%s/%s" % (self.gateway.base, other, identifier))
                self.assertHarmless(response, (200,) if other == kind else (404,), other)
            flipped = [identifier[:i] + ("b" if identifier[i] != "b" else "c") + identifier[i + 1:]
                       for i in range(0, len(identifier), 3)]
            for forged in flipped + [identifier[:-1], identifier + "a", identifier.upper(), "a" * 64, "-", "...",
                                     "a" * 65, "%41"]:
                self.assertHarmless(support.request("GET", "%s/%s/%s" % (self.gateway.base, kind, forged)), (404,),
                                    forged)


class Races(Attacks):
    """G1 and I: what many requests at once and one after the other leave behind."""

    def test_112_one_of_two_replacements_wins(self):
        old = self.publish(fresh_bundle())["entry"][1]["response"]["location"]
        for _ in range(3):
            answers = []

            def go(location, answers):
                bundle = fresh_bundle()
                reference(bundle)["relatesTo"] = [{"code": "replaces", "target": {"reference": location}}]
                answers.append(self.gateway.publish(bundle))

            threads = [threading.Thread(target=go, args=(old, answers)) for _ in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            won = [answer for answer in answers if answer.status == 200]
            self.assertEqual(len(won), 1, answers)
            for answer in answers:
                self.assertHarmless(answer, (200, 409, 410, 422), "replace")
            old = won[0].json()["entry"][1]["response"]["location"]

    def test_000_bad_requests_leave_nothing_open(self):
        def descriptors():
            return len(os.listdir("/proc/%d/fd" % self.gateway.process.pid))

        def mix():
            for _ in range(20):
                self.send(b'{"resourceType":"Bundle"' + b" " * 400000, (400,), "unfinished")
                self.send(fresh_bundle(), (415,), "packed", {"Content-Encoding": "gzip"})
                raw(self.gateway.port, POST + b"Content-Length: 9999999\r\n\r\n" + b" " * 400000, 0.01)
                raw(self.gateway.port, CHUNKED + b"zz\r\n", 0.5)

        mix()
        before = descriptors()
        mix()
        support.wait_until(lambda: descriptors() <= before + 3, "descriptors to be closed", 10)


if __name__ == "__main__":
    unittest.main(verbosity=2)
