"""Attacks from behind and beside: a back-end that lies, the domain's own port, hostile files."""
import os
import re
import subprocess
import time
import unittest
import uuid

import fhir_peer
import proxy
import support
import xds
from attacks import CANARY, Attacks, fresh_bundle, reference, submission_set


class BadBackEnd(Attacks):
    """C, D and I: a back-end that breaks, lies and floods."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        url = cls.proxy.url("/repository")
        cls.gateway = support.Gateway(cls.directory, [cls.domain.back_end(
            registry_url=cls.proxy.url("/registry"), provide_url=url, timeout_ms=4000,
            breaker_failures=0,  # each attack meets a gateway that asks
            repositories=[{"unique_id": support.REPOSITORY, "url": url}])], name="behind")
        cls.addClassCleanup(cls.gateway.kill)
        answer = cls.gateway.publish(fresh_bundle()).json()
        cls.binary = answer["entry"][2]["response"]["location"]
        if not cls.binary.startswith("http"):
            cls.binary = cls.gateway.base + "/" + cls.binary

    def setUp(self):
        self.proxy.clear()

    def finds(self, behaviour, statuses, what):
        self.proxy.clear()
        self.proxy.script("RegistryStoredQuery", *[behaviour] * 3)
        began = time.monotonic()
        response = self.gateway.find()
        self.assertLess(time.monotonic() - began, 10, what)
        self.assertHarmless(response, statuses, what)
        return response

    def gets(self, behaviour, statuses, what, query=None):
        self.proxy.clear()
        self.proxy.script("RetrieveDocumentSet", *[behaviour] * 2)
        if query:
            self.proxy.script("RegistryStoredQuery", *[query] * 3)
        response = support.request("GET", self.binary)
        self.assertHarmless(response, statuses, what)
        if response.status == 200:
            self.assertEqual(response.body, CANARY, what)
        return response

    @staticmethod
    def edit(pattern, replacement, flags=re.DOTALL):
        """Changes the answer by a regular expression that must be found."""
        def change(body):
            changed, count = re.subn(pattern, replacement, body, 1, flags)
            assert count, (pattern, body[:400])
            return changed
        return proxy.changed(change)

    @staticmethod
    def answer(body, status=200, content_type="application/soap+xml; charset=utf-8"):
        return proxy.answering(status, content_type, body)

    def test_039_entities(self):
        for doctype in (b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
                        b'<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x">',
                        b'<!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]>', b"<!DOCTYPE x>"):
            self.finds(self.edit(rb"(<[\w:]*Envelope)", doctype + rb"\1"), (502,), doctype)

    def test_041_masses_of_xml(self):
        def attributes(pattern, count):
            return self.edit(rb"(<[\w:]*Body)", lambda m: m.group(1) + b"".join(pattern % i for i in range(count)))

        for behaviour in (attributes(b' a%d="1"', 100000), attributes(b' xmlns:a%d="b"', 30000),
                          self.answer(b"<a>" * 100000),
                          self.answer(b'<a b="' + b"x" * 11000000 + b'"/>'), self.answer(b"<a>" + b"x" * 70000000),
                          self.edit(rb"(</[\w:]*RegistryObjectList>)", b'<rim:ObjectRef id="a"/>' * 500000 + rb"\1")):
            self.finds(behaviour, (502, 504), "masses")

    def test_043_encodings(self):
        def spoil(change):
            return proxy.changed(change)

        for change in (lambda b: b.decode().encode("utf-16"), lambda b: b.replace(b"UTF-8", b"UTF-7", 1),
                       lambda b: b.replace(b"UTF-8", b"ISO-8859-1", 1),
                       lambda b: b.replace(b"Discharge", b"Disch\xff", 1),
                       lambda b: b.replace(b"Discharge", b"Disch\0", 1),
                       lambda b: b.replace(b"Discharge", b"Disch&#0;", 1)):
            self.finds(spoil(change), (502,), "encoding")

    def test_045_answers_that_are_none(self):
        page = b"<html>LEAK secret-host</html>"
        rows = [self.answer(body) for body in (b"", b" ", b"{}", page, b"\0\1LEAK")]
        rows += [self.answer(page, status, "text/html") for status in (200, 400, 404, 500, 502)]
        rows += [self.edit(rb".{30}$", b""), self.answer(b"", 204), self.answer(b"", 401), proxy.half_answer,
                 lambda each: each.send(b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n"),
                 lambda each: each.send(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
                 lambda each: each.send(b"LEAK\r\n\r\n"),
                 lambda each: each.send(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200000)]
        for number, behaviour in enumerate(rows):
            self.finds(behaviour, (502, 503), number)

    def test_045_faults(self):
        def fault(exchange):
            message = re.search(rb"MessageID[^>]*>([^<]+)", exchange.body).group(1).decode()
            body = ("<s:Fault><s:Code><s:Value>s:Sender</s:Value></s:Code><s:Reason><s:Text xml:lang='en'>LEAK /opt/x"
                    "</s:Text></s:Reason><s:Detail>LEAK</s:Detail></s:Fault>")
            head = "<a:RelatesTo>%s</a:RelatesTo>" % message
            exchange.answer(200, "application/soap+xml",
                            xds.envelope(xds.WSA + "/soap/fault", body, head=head).encode())

        self.finds(fault, (502,), "fault")

    def errors(self, status, *errors):
        """The answer with this status and these RegistryErrors: (code, severity, context, location)."""
        items = "".join('<rs:RegistryError errorCode="%s" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:%s" '
                        'codeContext="%s" location="%s"/>' % error for error in errors)
        inside = '<rs:RegistryErrorList xmlns:rs="%s">%s</rs:RegistryErrorList>' % (xds.RS, items)
        return self.edit(rb'(ResponseStatusType:)Success"([^>]*?)(/?)>',
                         lambda m: m.group(1) + status.encode() + b'"' + m.group(2) + b">" + inside.encode()
                         + (b"</rs:RegistryResponse>" if m.group(3) else b""))

    def test_046_errors_of_the_registry(self):
        trace = "Do this&#10;LEAK at org.example.Registry.java:42"
        for code, status in (("XDSMissingHomeCommunityId", 502), ("XDSResultNotSinglePatient", 502), ("XDSNope", 502),
                             ("XDSUnknownStoredQuery", 501), ("XDSUnknownPatientId", 422), ("XDSTooManyResults", 400),
                             ("XDSRegistryBusy", 503), ("", 502), ("LEAK &lt;code&gt;", 502), ("x" * 5000, 502)):
            error = (code, "Error", trace, "LEAK org.example.Registry.java:42 IHEBLUE-1001")
            for answer in (self.errors("Failure", error), self.errors("Success", error),
                           self.errors("Failure", *[("XDSExtraMetadataNotSaved", "Warning", "w", "")] * 40, error)):
                response = self.finds(answer, (status,), code[:30])
                self.assertNotIn(b"IHEBLUE", response.body)
        self.assertNotIn("LEAK", self.gateway.log())
        for status in ("Failure", "Kettle", ""):
            self.finds(self.errors(status), (502,), status)

    def test_046_errors_of_a_publication(self):
        before = self.stored()
        for code, status in (("XDSMissingHomeCommunityId", 502), ("XDSRepositoryBusy", 503),
                             ("XDSNonIdenticalHash", 409)):
            self.proxy.clear()
            self.proxy.script("ProvideAndRegisterDocumentSet-b", lambda exchange, code=code: exchange.answer(
                200, "application/soap+xml", self.registry_response(exchange, "Failure", code)))
            self.assertHarmless(self.gateway.publish(fresh_bundle()), (status,), code)
        self.assertEqual(self.stored(), before)

    @staticmethod
    def registry_response(exchange, status, code=None):
        message = re.search(rb"MessageID[^>]*>([^<]+)", exchange.body).group(1).decode()
        error = ('<r:RegistryErrorList><r:RegistryError errorCode="%s" codeContext="c&#10;LEAK" location="LEAK" severity='
                 '"urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/></r:RegistryErrorList>' % code) if code else ""
        body = ('<r:RegistryResponse xmlns:r="%s" status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:%s">%s'
                "</r:RegistryResponse>" % (xds.RS, status, error))
        return xds.envelope(xds.PROVIDE + "Response", body, head="<a:RelatesTo>%s</a:RelatesTo>" % message).encode()

    def test_046_a_part_is_not_the_whole(self):
        def partial(pass_on):
            def behave(exchange):
                if pass_on:
                    exchange.pass_on()
                exchange.answer(200, "application/soap+xml",
                                self.registry_response(exchange, "PartialSuccess", "XDSRegistryError"))
            return behave

        for stored, status in ((False, 502), (True, 200)):
            self.proxy.clear()
            self.proxy.script("ProvideAndRegisterDocumentSet-b", partial(stored))
            self.assertHarmless(self.gateway.publish(fresh_bundle()), (status,), stored)

    def test_047_metadata_of_another_patient(self):
        response = self.finds(proxy.changed(lambda b: b.replace(b"IHEBLUE-1001^^^", b"IHEBLUE-1002^^^")), (200, 502),
                              "patient")
        self.assertNotIn("DocumentReference/", response.body.decode())

    def test_049_addressing(self):
        self.finds(self.edit(rb"(RelatesTo[^>]*>)[^<]+", rb"\1urn:uuid:00000000-0000-4000-8000-000000000000"), (502,),
                   "relates")
        self.finds(self.edit(rb"(<[^<]*RelatesTo[^>]*>)[^<]+(<[^>]+>)", rb"\g<0>\1urn:uuid:0\2"), (502,), "two")
        unknown = rb'<x:y xmlns:x="urn:x" xmlns:z="%s" z:mustUnderstand="1"/>' % xds.SOAP.encode()
        self.finds(self.edit(rb"(</[\w:]*Header>)", unknown + rb"\1"), (502,), "mustUnderstand")

    @staticmethod
    def parts(change):
        """change(list of parts without delimiters) -> list."""
        def behave(body):
            delimiter = b"--" + re.match(rb"\s*--([^\r\n]+)", body).group(1)
            pieces = body.split(delimiter)
            return delimiter.join([pieces[0]] + change(pieces[1:-1]) + [pieces[-1]])
        return proxy.changed(behave)

    def test_050_packages(self):
        def boundary(value):
            def behave(exchange):
                status, content_type, body = exchange.pass_on()
                old = re.search('boundary="([^"]+)"', content_type).group(1)
                exchange.answer(status, content_type.replace('boundary="%s"' % old, value), body)
            return behave

        for value in ("", 'boundary=""', 'boundary="%s"' % ("b" * 71), 'boundary="("', 'boundary="x"; boundary="y"'):
            self.gets(boundary(value), (502,), value)
        self.gets(proxy.changed(lambda body: body.rstrip()[:-2]), (502,), "no end")
        self.gets(proxy.changed(lambda body: b"p" * 10000000 + b"\r\n" + body), (200, 502), "preamble")

    def test_051_parts(self):
        evil = b"E" * len(CANARY)
        for what, behaviour in (
                ("no part", self.edit(rb'href="cid:[^"]*"', b'href="cid:none"')),
                ("root", self.edit(rb'href="cid:[^"]*"', b'href="cid:root@passerelle"')),
                ("http", self.edit(rb'href="cid:[^"]*"', b'href="http://127.0.0.1:9/"')),
                ("id twice, first", self.parts(lambda p: [p[0], p[1].replace(CANARY, evil), p[1]])),
                ("id twice, second", self.parts(lambda p: [p[0], p[1], p[1].replace(CANARY, evil)])),
                ("10000 parts",
                 self.parts(lambda p: [p[0]] + [b"\r\nContent-ID: <p%d>\r\n\r\nx\r\n" % i for i in range(10000)]
                                           + [p[1]])),
                ("other document", self.edit(rb"(DocumentUniqueId>)[^<]*", rb"\g<1>1.2.3")),
                ("other repository", self.edit(rb"(RepositoryUniqueId>)[^<]*", rb"\g<1>1.2.3")),
                ("none", self.edit(rb"<[\w:]*DocumentResponse>.*</[\w:]*DocumentResponse>", b"")),
                ("twice", self.edit(rb"<([\w:]*)DocumentResponse>.*</[\w:]*DocumentResponse>", rb"\g<0>\g<0>")),
                ("both", self.edit(rb"(<[\w:]*Include)", rb"QUJD\1"))):
            self.gets(behaviour, (502,), what)

    def test_052_headers_of_parts(self):
        self.gets(self.edit(rb"Content-ID", b"X: " + b"a" * 1000000 + b"\r\nContent-ID"), (502,), "long")
        # Plain text is itself in quoted-printable.
        for coding, status in ((b"quoted-printable", 200), (b"base64", 502), (b"kettle", 502)):
            self.gets(self.edit(rb"(?i)transfer-encoding: binary\r\n(Content-ID: <(?!root))",
                                b"Transfer-Encoding: " + coding + rb"\r\n\1"), (status,), coding)

    def test_055_other_bytes_than_registered(self):
        for what, change in (("bytes", lambda b: b.replace(CANARY, b"E" * len(CANARY))),
                             ("short", lambda b: b.replace(CANARY, b"E")),
                             ("long", lambda b: b.replace(CANARY, CANARY * 2)),
                             ("none", lambda b: b.replace(CANARY, b""))):
            self.gets(proxy.changed(change), (502,), what)
        # Without a size that can be read the hash still counts.
        for size in (b"", b"abc", b"-1", b"99999999999999999999999"):
            registry = proxy.changed(lambda b, size=size: re.sub(
                rb'(Slot name="size">.{0,40}?<rim:Value>)\d+', rb"\g<1>" + size, b, 1, re.DOTALL))
            self.gets(proxy.changed(lambda b: b.replace(CANARY, b"E" * len(CANARY))), (502,), size, registry)
            self.gets(proxy.passing, (200, 502), size, registry)

    def test_091_repositories_come_from_configuration(self):
        for repository in (b"1.2.3.4.5", b"../../etc", b"http://127.0.0.1:9/", b""):
            query = proxy.changed(lambda b, to=repository: b.replace(support.REPOSITORY.encode(), to))
            self.gets(proxy.passing, (404, 502), repository, query)

    def test_105_half_an_answer(self):
        self.proxy.script("RetrieveDocumentSet", *[proxy.half_answer] * 3)
        self.assertHarmless(support.request("GET", self.binary), (502,), "half")

    def test_125_a_slow_back_end_is_given_up(self):
        def drip(exchange):
            exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nContent-Type: text/xml\r\n\r\n")
            for _ in range(8):
                exchange.send(b" ")
                time.sleep(1)

        self.proxy.script("RetrieveDocumentSet", drip)
        began = time.monotonic()
        response = support.request("GET", self.binary)
        self.assertHarmless(response, (504,), "drip")
        self.assertLess(time.monotonic() - began, 7)


class Identity(Attacks):
    """C and G: an identity source that is confused, and patients who could be two."""

    @classmethod
    def setUpClass(cls):
        cls.peer = fhir_peer.FhirPeer()
        cls.addClassCleanup(cls.peer.close)
        cls.gateway_overrides = {"patient": {"assigning_authority": support.AUTHORITY, "identity_base": cls.peer.base}}
        super().setUpClass()

    @staticmethod
    def patient(*identifiers, **more):
        return dict({"resourceType": "Patient", "id": "p1", "identifier": [
            dict({"system": "urn:oid:" + support.AUTHORITY, "value": value}, **({"use": use} if use else {}))
            for use, value in identifiers]}, **more)

    def test_048_patients_of_the_identity_source(self):
        one, two = (None, support.PATIENT), (None, "IHEBLUE-1002")
        for patient, status in ((self.patient(one), 200), (self.patient(one, one), 200), (self.patient(one, two), 409),
                                (self.patient(("old", "IHEBLUE-1002"), one), 200), (self.patient(("old", one[1])), 422),
                                (self.patient(one, id="p2"), 422), (self.patient(one, resourceType="Person"), 422),
                                (self.patient(), 422), (self.patient((None, "")), 422),
                                (self.patient(one, identifier="x"), 422), (self.patient(one, identifier=[[]]), 422),
                                (self.patient(one, identifier=[{"system": {}, "value": []}]), 422)):
            self.peer.resources["Patient/p1"] = patient
            bundle = fresh_bundle()
            for each in (reference(bundle), submission_set(bundle)):
                each["subject"] = {"reference": self.peer.base + "/Patient/p1"}
            self.assertHarmless(self.gateway.publish(bundle), (status,), patient)

    def test_032_a_patient_with_two_names(self):
        for identifiers, status in (([(None, support.PATIENT), (None, "IHEBLUE-1002")], 409),
                                    ([(None, support.PATIENT), ("old", "IHEBLUE-1002")], 200)):
            bundle = fresh_bundle()
            for each in (reference(bundle), submission_set(bundle)):
                each["contained"] = each.get("contained", []) + [self.patient(*identifiers)]
                each["subject"] = {"reference": "#p1"}
            self.assertHarmless(self.gateway.publish(bundle), (status,), identifiers)


class Direct(Attacks):
    """The domain's own port, without a gateway in between."""

    def ask(self, body, url=None, action=xds.STORED_QUERY, parts=None):
        if parts is None:
            kind, text = 'application/soap+xml; action="%s"' % action, xds.envelope(action, body).encode()
        else:
            kind, text = xds.package_type(action), xds.package(xds.envelope(action, body), parts)
        began = time.monotonic()
        answer = xds.Answer(support.request("POST", url or self.domain.registry_url, {"Content-Type": kind}, text))
        self.assertLess(time.monotonic() - began, 5, body[:80])
        self.assertNotEqual(answer.status, 500, answer)
        self.assertNotIn(b"Canary", answer.root)
        return answer

    def provide(self, change=None, extra="", documents=None, parts=None):
        owner, unique_id = "urn:uuid:" + str(uuid.uuid4()), support.fresh_oid(1)
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry(owner, unique_id, extra=extra),
                   xds.member("set", owner)]
        objects = change(objects, owner) if change else objects
        body = xds.provide(objects, documents(owner) if documents else [(owner, xds.include("d@x"))])
        return self.ask(body, self.domain.repository_url, xds.PROVIDE, parts or [xds.part("d@x", CANARY)])

    def test_029_masses_of_slots_and_values(self):
        slots = "".join(xds.slot("urn:x:%d" % number, "v") for number in range(40000))
        self.assertEqual(self.provide(extra=slots).outcome, "Failure")
        self.assertEqual(self.provide(extra=xds.slot("urn:x", *["v"] * 50000)).outcome, "Success")
        values = ",".join("'1.2.%d'" % number for number in range(20000))
        answer = self.ask(xds.stored_query(xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "(%s)" % values)]))
        self.assertEqual(answer.outcome, "Success")
        self.assertEqual(self.ask(xds.retrieve(*[(support.REPOSITORY, "1.2.3")] * 50000), self.domain.repository_url,
                                  xds.RETRIEVE, []).outcome, "Failure")

    def test_031_associations(self):
        for change in (lambda o, e: o + [xds.association(xds.REPLACE, e, e)],
                       lambda o, e: o + [xds.association(xds.REPLACE, e, "set")],
                       lambda o, e: o + [xds.association(xds.REPLACE, e, "x' or 1=1 --")],
                       lambda o, e: o + [xds.association("urn:x", e, "set")],
                       lambda o, e: o + [xds.member("set", "set")], lambda o, e: o + [xds.member(e, "set")],
                       lambda o, e: o + [o[1]], lambda o, e: [each.replace(e, "set") for each in o],
                       lambda o, e: o + [xds.association(xds.REPLACE, e, "urn:uuid:" + str(uuid.UUID(int=i)))
                                         for i in range(20000)]):
            self.assertEqual(self.provide(change).outcome, "Failure")

    def test_051_parts(self):
        for inside, parts in (("root@tests", None), ("none", None),
                              ("d@x", [xds.part("d@x", b"A"), xds.part("d@x", b"B")]),
                              ("d@x", [xds.part("p%d" % i, b"x") for i in range(10000)])):
            answer = self.provide(documents=lambda owner, inside=inside: [(owner, xds.include(inside))], parts=parts)
            self.assertIn(answer.outcome, ("Failure", "Fault"))
        for inside in ("QUJD" + xds.include("d@x"), "****", xds.include("d@x").replace("cid:", "file:///etc/passwd?")):
            answer = self.provide(documents=lambda owner, inside=inside: [(owner, inside)])
            self.assertIn(answer.outcome, ("Failure", "Fault"))

    def test_083_queries(self):
        good = "'%s'" % xds.patient_cx(support.PATIENT)
        for value in (good.strip("'"), "'open", "'x'' or ''1''=''1'", "(('a'))", "5", "(%s,%s)" % (good, good),
                      "'" + "x" * 1000000 + "'", "", "()", "('a',)", "'a'b", "''''", "'", "'''", "''"):
            answer = self.ask(xds.stored_query(xds.FIND_DOCUMENTS, [
                ("XDSDocumentEntryPatientId", value), ("XDSDocumentEntryStatus", "('%s')" % xds.APPROVED)]))
            self.assertEqual(answer.outcome, "Failure", value[:40])
        for pattern in ("%_" * 5000, "%a" * 400, "''; DROP TABLE x; --", "\\\\"):
            self.ask(xds.find_documents(support.PATIENT, xds.APPROVED,
                                        ("XDSDocumentEntryAuthorPerson", "('%s')" % pattern)))


class Commands(Attacks):
    """Files that are fed to the program: map, check and serve."""

    def run_with(self, command, data, arguments=()):
        path = os.path.join(self.directory, "input")
        with open(path, "wb") as file:
            file.write(data if isinstance(data, bytes) else data.encode())
        done = subprocess.run([support.BINARY, command, *arguments, path], capture_output=True, timeout=20, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr[-2000:])
        self.assertNotIn(b"Sanitizer", done.stderr)
        self.assertNotIn(b"runtime error", done.stderr)
        return done

    def test_042_map(self):
        multipart = b"Content-Type: multipart/related; boundary=x\r\n\r\n"
        for data in (b"", b"\0" * 1000, b"<?xml", b"{", b"HTTP/1.1 200 OK\r\n\r\n", b"<a>" * 100000, b"[" * 100000,
                     b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n<a/>", multipart + b"--x\r\n\r\n--x--",
                     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n<a/>",
                     multipart + (b"--x\r\n" + multipart) * 1000, b"X: y\r\n" * 100000, b"\xff\xfe\xfd" * 1000,
                     b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>"):
            for arguments in ((), ("--explain",)):
                done = self.run_with("map", data, arguments)
                self.assertEqual((done.returncode, done.stdout), (1, b""), data[:40])
                self.assertTrue(done.stderr, data[:40])

    def test_127_configurations(self):
        for text in ("", "~", "x", "[1]", b"\xff\xfe\0", b"a: \0", "a: &a [x]\nb: [*a,*a]\n", "[" * 100000,
                     "{a: " * 100000, "listen: !!python/object/apply:os.system ['id']", "<<: {a: b}", "\ta: 1", 'a: "',
                     "listen: {port: 010}", "listen: {port: -1}", "listen: {port: 1.5}", "listen: {port: 0x50}",
                     "listen: {port: 99999999999999}", "listen: {port: 1}\nlisten: {port: 2}",
                     "{%s}" % ",".join('"k%d": 1' % i for i in range(50000)),
                     'listen: {address: "%s"}' % ("x" * 10000000), "keys: [{id: 1, file: /dev/zero}]"):
            done = self.run_with("check", text, ("--config",))
            self.assertEqual(done.returncode, 1, text[:40])
            self.assertIn(b"input", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
