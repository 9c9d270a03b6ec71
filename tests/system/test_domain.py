"""The embedded XDS domain as a foreign document source and consumer meets it: SOAP bytes over HTTP, nothing of ours in
between. Every answer is validated against the public schemas."""
import base64
import hashlib
import http.client
import os
import random
import re
import shutil
import socket
import tempfile
import threading
import unittest
import uuid

import support
import xds

EMPTY_SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


class DomainStand(unittest.TestCase):
    maxDiff = None
    overrides = {}

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-domain-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        os.environ["PASSERELLE_DOMAIN_RECORD"] = os.path.join(cls.directory, "received")
        os.mkdir(os.environ["PASSERELLE_DOMAIN_RECORD"])
        cls.domain = support.Domain(cls.directory, **cls.overrides)
        cls.addClassCleanup(lambda: cls.domain.kill())  # the present one: a test may have started it anew
        cls.answers = []

    @classmethod
    def tearDownClass(cls):
        cls.domain.stop()
        os.environ.pop("PASSERELLE_DOMAIN_RECORD")

    def post(self, content_type, body, path="/xds"):
        response = support.request("POST", "http://127.0.0.1:%d%s" % (self.domain.port, path),
                                   {"Content-Type": content_type}, body)
        answer = xds.Answer(response)
        self.answers.append(answer.root)
        return answer

    def simple(self, action, body, path="/registry", **envelope):
        return self.post('application/soap+xml; charset=UTF-8; action="%s"' % action,
                         xds.envelope(action, body, **envelope).encode(), path)

    def mtom(self, action, body, parts=(), path="/repository", **envelope):
        return self.post(xds.package_type(action), xds.package(xds.envelope(action, body, **envelope), parts), path)

    def publish(self, content, unique_id=None, set_id=None, more=(), extra="", patient=support.PATIENT, **entry):
        """One document with its submission set; returns the answer and the uniqueId."""
        unique_id = unique_id or support.fresh_oid(1)
        objects = [xds.submission_set("set", set_id or support.fresh_oid(7), patient),
                   xds.entry("doc", unique_id, patient, extra, **entry), xds.member("set", "doc"), *more]
        return self.mtom(xds.PROVIDE, xds.provide(objects, [("doc", xds.include("doc@tests"))]),
                         [xds.part("doc@tests", content)]), unique_id

    def find(self, *more, **options):
        return self.simple(xds.STORED_QUERY, xds.find_documents(options.pop("patient", support.PATIENT), xds.APPROVED,
                                                                *more, **options))

    def get(self, *unique_ids):
        return self.mtom(xds.RETRIEVE, xds.retrieve(*[(support.REPOSITORY, unique_id) for unique_id in unique_ids]))

    def assertOutcome(self, answer, outcome, *codes):
        self.assertEqual((answer.outcome, answer.codes), (outcome, list(codes)), repr(answer))
        self.assertEqual(answer.status, 200)
        return answer

    def assertFault(self, answer, status, *codes):
        self.assertEqual(answer.outcome, "Fault", repr(answer))
        self.assertEqual((answer.status, answer.fault[:-1]), (status, list(codes)), repr(answer))
        return answer


class Transactions(DomainStand):
    def test_publish_find_retrieve(self):
        content = bytes(range(256)) * 300 + b"\r\n--b.o.u.n.dary\r\n\n"
        answer, unique_id = self.publish(content, patient="IHEBLUE-1002")
        self.assertOutcome(answer, "Success")
        self.assertTrue(answer.is_package)
        found = self.find(patient="IHEBLUE-1002")
        self.assertOutcome(found, "Success")
        self.assertFalse(found.is_package)
        self.assertEqual(found.unique_ids(), [unique_id])
        item = found.objects[0]
        slots = {each.get("name"): [value.text for value in each.iter("{%s}Value" % xds.RIM)]
                 for each in item.findall("{%s}Slot" % xds.RIM)}
        self.assertEqual(slots["hash"], [hashlib.sha1(content).hexdigest()])
        self.assertEqual(slots["size"], [str(len(content))])
        self.assertEqual(slots["repositoryUniqueId"], [support.REPOSITORY])
        self.assertEqual(item.get("status"), xds.APPROVED)
        self.assertEqual(item.get("lid"), item.get("id"))
        self.assertRegex(item.get("id"), "^urn:uuid:[0-9a-f-]{36}$")
        self.assertEqual(item.find("{%s}VersionInfo" % xds.RIM).get("versionName"), "1")
        for name in ("Classification", "ExternalIdentifier"):
            for each in item.findall("{%s}%s" % (xds.RIM, name)):
                self.assertRegex(each.get("id"), "^urn:uuid:")
                self.assertEqual(each.get("classifiedObject", each.get("registryObject")), item.get("id"))
                self.assertEqual(each.get("objectType"),
                                 "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:" + name)
        got = self.get(unique_id)
        self.assertOutcome(got, "Success")
        self.assertEqual(got.documents(), {unique_id: ("text/plain", content)})

    def test_answers_say_what_they_answer(self):
        message_id = "urn:uuid:" + str(uuid.uuid4())
        answer = self.simple(xds.STORED_QUERY, xds.find_documents(), message_id=message_id)
        self.assertEqual(answer.head("RelatesTo"), message_id)
        self.assertEqual(answer.head("Action"), xds.STORED_QUERY + "Response")
        self.assertTrue(answer.content_type.startswith("application/soap+xml"), answer.content_type)
        answer = self.get("1.2.3")
        self.assertEqual(answer.head("Action"), xds.RETRIEVE + "Response")
        self.assertTrue(answer.is_package)

    def test_inline_documents_and_parts_are_alike(self):
        unique_ids = [support.fresh_oid(1), support.fresh_oid(1)]
        contents = [b"inline \x00\xff", b"in a part"]
        objects = [xds.submission_set("set", support.fresh_oid(7))]
        for index, unique_id in enumerate(unique_ids):
            objects += [xds.entry("doc%d" % index, unique_id), xds.member("set", "doc%d" % index)]
        text = base64.encodebytes(contents[0]).decode()
        body = xds.provide(objects, [("doc1", xds.include("a%20b@tests")), ("doc0", text)])
        self.assertOutcome(self.mtom(xds.PROVIDE, body, [xds.part("a b@tests", contents[1])]), "Success")
        self.assertEqual(self.get(*unique_ids).documents(),
                         {unique_ids[0]: ("text/plain", contents[0]), unique_ids[1]: ("text/plain", contents[1])})

    def test_transfer_encodings(self):
        unique_id = support.fresh_oid(1)
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", unique_id),
                   xds.member("set", "doc")]
        headers = ["content-id:<doc@tests>", "CONTENT-TRANSFER-ENCODING: base64"]
        answer = self.mtom(xds.PROVIDE, xds.provide(objects, [("doc", xds.include("doc@tests"))]),
                           [(headers, base64.encodebytes(b"x" * 1000))])
        self.assertOutcome(answer, "Success")
        self.assertEqual(self.get(unique_id).documents()[unique_id][1], b"x" * 1000)

    def test_an_empty_document(self):
        answer, unique_id = self.publish(b"", extra=xds.slot("hash", EMPTY_SHA1) + xds.slot("size", "0"))
        self.assertOutcome(answer, "Success")
        self.assertEqual(self.get(unique_id).documents()[unique_id][1], b"")

    def test_hash_and_size_are_counted(self):
        good = hashlib.sha1(b"abc").hexdigest()
        for extra, outcome in ((xds.slot("hash", good.upper()) + xds.slot("size", "3"), "Success"),
                               (xds.slot("hash", "0" * 40), "XDSRepositoryMetadataError"),
                               (xds.slot("size", "4"), "XDSRepositoryMetadataError")):
            answer, _ = self.publish(b"abc", extra=extra)
            self.assertEqual(answer.codes or [answer.outcome], [outcome])

    def test_documents_and_entries_come_in_pairs(self):
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", support.fresh_oid(1)),
                   xds.member("set", "doc")]
        include = xds.include("doc@tests")
        parts = [xds.part("doc@tests", b"x")]
        for documents, code in (([], "XDSMissingDocument"), ([("other", include)], "XDSMissingDocumentMetadata"),
                                ([("doc", xds.include("nowhere@tests"))], "XDSMissingDocument")):
            answer = self.mtom(xds.PROVIDE, xds.provide(objects, documents), parts)
            self.assertEqual(answer.outcome, "Failure")
            self.assertIn(code, answer.codes)

    def test_a_document_keeps_its_bytes(self):
        answer, unique_id = self.publish(b"the first")
        self.assertOutcome(answer, "Success")
        answer, _ = self.publish(b"the second", unique_id)
        self.assertOutcome(answer, "Failure", "XDSNonIdenticalHash")
        self.assertEqual(self.get(unique_id).documents()[unique_id][1], b"the first")
        answer, _ = self.publish(b"the first", unique_id)
        self.assertOutcome(answer, "Success")

    def test_replace(self):
        old_id = "urn:uuid:" + str(uuid.uuid4())
        old = support.fresh_oid(1)
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry(old_id, old), xds.member("set", old_id)]
        self.assertOutcome(self.mtom(xds.PROVIDE, xds.provide(objects, [(old_id, xds.include("d@tests"))]),
                                     [xds.part("d@tests", b"old")]), "Success")
        answer, new = self.publish(b"new", more=[xds.association(xds.REPLACE, "doc", old_id)])
        self.assertOutcome(answer, "Success")
        found = self.find().unique_ids()
        self.assertIn(new, found)
        self.assertNotIn(old, found)
        answer, _ = self.publish(b"newer", more=[xds.association(xds.REPLACE, "doc", old_id)])
        self.assertOutcome(answer, "Failure", "XDSRegistryDeprecatedDocumentError")
        # A deprecated document is still there for those who know it.
        self.assertEqual(self.get(old).documents()[old][1], b"old")

    def test_register_from_another_repository(self):
        unique_id = support.fresh_oid(1)
        extra = xds.slot("hash", "0" * 40) + xds.slot("size", "5") + xds.slot("repositoryUniqueId", "2.999.20.77")
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", unique_id, extra=extra),
                   xds.member("set", "doc")]
        answer = self.simple(xds.REGISTER, xds.submit_objects(*objects))
        self.assertOutcome(answer, "Success")
        self.assertEqual(answer.head("Action"), xds.REGISTER + "Response")
        self.assertIn(unique_id, self.find().unique_ids())
        self.assertOutcome(self.get(unique_id), "Failure", "XDSDocumentUniqueIdError")

    def test_a_refused_submission_leaves_nothing(self):
        answer, unique_id = self.publish(b"for nobody", patient="IHEBLUE-2000")
        self.assertOutcome(answer, "Failure", "XDSUnknownPatientId")  # once, for the set and its document
        self.assertNotIn("IHEBLUE-2000", self.domain.log())
        self.assertOutcome(self.get(unique_id), "Failure", "XDSDocumentUniqueIdError")

    def test_retrieve_some(self):
        _, unique_id = self.publish(b"here")
        body = xds.retrieve((support.REPOSITORY, unique_id), (support.REPOSITORY, "1.2.3"), ("1.2.3", unique_id))
        answer = self.mtom(xds.RETRIEVE, body)
        self.assertOutcome(answer, "PartialSuccess", "XDSDocumentUniqueIdError", "XDSUnknownRepositoryId")
        self.assertIn("urn:ihe:iti:2007:ResponseStatusType:PartialSuccess", answer.root.decode())
        self.assertEqual(answer.documents(), {unique_id: ("text/plain", b"here")})

    def test_object_refs(self):
        _, unique_id = self.publish(b"x", patient="IHEBLUE-1003")
        answer = self.find(patient="IHEBLUE-1003", return_type="ObjectRef")
        self.assertEqual([item.tag for item in answer.objects], ["{%s}ObjectRef" % xds.RIM])
        one = self.simple(xds.STORED_QUERY, xds.stored_query(xds.GET_DOCUMENTS, [
            ("XDSDocumentEntryEntryUUID", "('%s')" % answer.objects[0].get("id"))]))
        self.assertEqual(one.unique_ids(), [unique_id])

    def test_a_failed_query_is_whole(self):
        answer = self.simple(xds.STORED_QUERY, xds.stored_query(xds.FIND_DOCUMENTS, []))
        self.assertEqual(answer.outcome, "Failure")
        self.assertEqual(set(answer.codes), {"XDSStoredQueryMissingParam"})
        self.assertEqual(answer.objects, [])
        self.assertOutcome(self.simple(xds.STORED_QUERY, xds.stored_query(str(uuid.uuid4()), [])), "Failure",
                           "XDSUnknownStoredQuery")

    def test_text_comes_back_as_it_came(self):
        nasty = "Ünï <&>\"' \U0001f9ea"
        answer, _ = self.publish(b"x", patient="IHEBLUE-1004", extra=xds.slot("urn:example:extra", nasty, "two"),
                                 author="O&amp;\\S\\Hara")
        self.assertOutcome(answer, "Success")
        found = self.find(patient="IHEBLUE-1004")
        values = [value.text for each in found.objects[0].findall("{%s}Slot" % xds.RIM)
                  if each.get("name") == "urn:example:extra" for value in each.iter("{%s}Value" % xds.RIM)]
        self.assertEqual(values, [nasty, "two"])

    def test_large_documents_stream(self):
        content = random.Random(7).randbytes(1 << 20) * 24
        answer, unique_id = self.publish(content)
        self.assertOutcome(answer, "Success")
        answer = self.get(unique_id)
        self.assertEqual(hashlib.sha1(answer.documents()[unique_id][1]).hexdigest(), hashlib.sha1(content).hexdigest())

    def test_many_at_once(self):
        """Concurrent submissions share commits; each is there afterwards, once."""
        published = []

        def work(number):
            for _ in range(5):
                answer, unique_id = self.publish(b"content %d" % number, patient="IHEBLUE-1005")
                published.append((answer.outcome, unique_id))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([outcome for outcome, _ in published], ["Success"] * 40)
        self.assertEqual(sorted(self.find(patient="IHEBLUE-1005").unique_ids()),
                         sorted(unique_id for _, unique_id in published))

    def test_one_wins_when_two_replace(self):
        """Two replacements at the same moment: the second meets a deprecated document."""
        old_id = "urn:uuid:" + str(uuid.uuid4())
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry(old_id, support.fresh_oid(1)),
                   xds.member("set", old_id)]
        self.mtom(xds.PROVIDE, xds.provide(objects, [(old_id, xds.include("d@tests"))]), [xds.part("d@tests", b"old")])
        answers = []

        def work():
            answers.append(self.publish(b"new", more=[xds.association(xds.REPLACE, "doc", old_id)])[0])

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answer.outcome for answer in answers), ["Failure"] * 3 + ["Success"])

    def test_zz_answers_and_requests_are_valid(self):
        """Last by its name: what was said and heard in this class, against the schemas."""
        folder = os.environ["PASSERELLE_DOMAIN_RECORD"]
        received = []
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                received.append(file.read())
        self.assertGreater(len(received), 30)
        self.assertEqual(xds.schema_faults(self.answers), [])
        self.assertEqual(xds.schema_faults(received), [])


class Packaging(DomainStand):
    """What comes before any registry: HTTP, SOAP, WS-Addressing and MTOM."""

    def test_greeting(self):
        answer = support.request("GET", "http://127.0.0.1:%d/" % self.domain.port)
        self.assertEqual(answer.status, 200)
        self.assertEqual(answer.body.count(b"\n"), 1)

    def test_wrong_places(self):
        for method, path, status in (("GET", "/registry", 405), ("PUT", "/xds", 405), ("POST", "/elsewhere", 404),
                                     ("GET", "/documents/00", 404)):
            answer = support.request(method, "http://127.0.0.1:%d%s" % (self.domain.port, path))
            self.assertEqual(answer.status, status, (method, path))

    def test_media_types(self):
        body = xds.envelope(xds.STORED_QUERY, xds.find_documents()).encode()
        for content_type in ("text/xml", "application/json", "application/xop+xml", "multipart/form-data; boundary=x"):
            answer = self.post(content_type, body)
            self.assertEqual(answer.status, 415, content_type)

    def test_015_packed_bodies(self):
        body = xds.envelope(xds.STORED_QUERY, xds.find_documents()).encode()
        kind = 'application/soap+xml; charset=UTF-8; action="%s"' % xds.STORED_QUERY
        for path in ("/registry", "/consent/state", "/pix"):
            for coding, statuses in (("gzip", (415,)), ("kettle", (415,)), ("identity", (200, 400, 401, 404))):
                answer = support.request("POST", "http://127.0.0.1:%d%s" % (self.domain.port, path),
                                         {"Content-Type": kind, "Content-Encoding": coding}, body)
                self.assertIn(answer.status, statuses, (path, coding))

    def test_mtom_is_required(self):
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", support.fresh_oid(1)),
                   xds.member("set", "doc")]
        answer = self.simple(xds.PROVIDE, xds.provide(objects, [("doc", base64.b64encode(b"x").decode())]))
        self.assertFault(answer, 400, "Sender")
        self.assertIn("MTOM required", answer.fault[-1])
        self.assertFault(self.simple(xds.RETRIEVE, xds.retrieve(("1.2", "1.2"))), 400, "Sender")

    def test_addressing(self):
        query = xds.find_documents()
        no_action = xds.envelope("", query).replace('<a:Action s:mustUnderstand="1"></a:Action>', "")
        soap = "application/soap+xml"
        self.assertFault(self.post(soap, no_action.encode()), 400, "Sender", "MessageAddressingHeaderRequired")
        self.assertFault(self.simple("urn:example:unknown", query), 400, "Sender", "ActionNotSupported")
        self.assertFault(self.simple(xds.REGISTER, query), 400, "Sender", "ActionMismatch")
        self.assertFault(self.post('application/soap+xml; action="urn:other"',
                                   xds.envelope(xds.STORED_QUERY, query).encode()), 400, "Sender", "ActionMismatch")
        self.assertFault(self.simple(xds.STORED_QUERY, query, reply_to="http://127.0.0.1:9/"), 400, "Sender",
                         "OnlyAnonymousAddressSupported")
        fault = self.simple(xds.STORED_QUERY, query, head='<x:It xmlns:x="urn:x" s:mustUnderstand="true"/>')
        self.assertFault(fault, 500, "MustUnderstand")
        self.assertOutcome(self.simple(xds.STORED_QUERY, query, head='<x:It xmlns:x="urn:x"/>'), "Success")

    def test_soap_versions(self):
        body = xds.envelope(xds.STORED_QUERY, xds.find_documents())
        answer = self.post("application/soap+xml", body.replace(xds.SOAP,
                                                               "http://schemas.xmlsoap.org/soap/envelope/").encode())
        self.assertFault(answer, 500, "VersionMismatch")

    def test_bad_xml(self):
        good = xds.envelope(xds.STORED_QUERY, xds.find_documents())
        for text in ("", "<", good[:-5], good.replace("?>", '?><!DOCTYPE x [<!ENTITY e "e">]>'), "no xml at all",
                     good.replace("LeafClass", "\x01")):
            self.assertFault(self.post("application/soap+xml", text.encode()), 400, "Sender")
        deep = good.replace("<s:Body>", "<s:Body>" + "<x>" * 2000)
        self.assertFault(self.post("application/soap+xml", deep.encode()), 413, "Sender")
        self.assertFault(self.post("application/soap+xml", good.encode("utf-16")), 400, "Sender")
        self.assertFault(self.post("application/soap+xml", good.replace("LeafClass", "Ü").encode("latin-1")), 400,
                         "Sender")

    def test_bad_packages(self):
        action = xds.PROVIDE
        objects = [xds.submission_set("set", support.fresh_oid(7)), xds.entry("doc", support.fresh_oid(1)),
                   xds.member("set", "doc")]
        root = xds.envelope(action, xds.provide(objects, [("doc", xds.include("d@tests"))]))
        whole = xds.package(root, [xds.part("d@tests", b"content")])
        kind = xds.package_type(action)
        self.assertFault(self.post(kind, whole[:-6]), 400, "Sender")  # no closing delimiter
        self.assertFault(self.post(kind, b""), 400, "Sender")
        self.assertFault(self.post(kind.replace("b.o.u.n.d", "another"), whole), 400, "Sender")
        self.assertFault(self.post(kind.replace("<root@tests>", "<other@tests>"), whole), 400, "Sender")
        outside = xds.envelope(action, xds.provide(objects, [("doc", '<xop:Include xmlns:xop="%s" '
                                                                     'href="file:///etc/passwd"/>' % xds.XOP)]))
        self.assertFault(self.post(kind, xds.package(outside)), 400, "Sender")
        # None of them left anything: the same submission is still new.
        self.assertOutcome(self.post(kind, xds.package(root, [xds.part("d@tests", b"content")], newline=b"\n")),
                           "Success")

    def test_a_client_that_goes_away(self):
        """Half a message, then silence and a closed connection: the server lives on."""
        body = xds.package(xds.envelope(xds.PROVIDE, xds.provide([], [])))
        for cut in (1, 100, len(body) - 1):
            with socket.create_connection(("127.0.0.1", self.domain.port)) as client:
                client.sendall(b"POST /xds HTTP/1.1\r\nHost: localhost\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
                               % (xds.package_type(xds.PROVIDE).encode(), len(body)) + body[:cut])
        self.assertOutcome(self.find(), "Success")

    def test_chunked(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.domain.port, timeout=60)
        body = xds.envelope(xds.STORED_QUERY, xds.find_documents()).encode()
        connection.request("POST", "/registry", iter([body[:10], body[10:]]),
                           {"Content-Type": "application/soap+xml"}, encode_chunked=True)
        answer = connection.getresponse()
        self.assertEqual(xds.Answer(support.Response(answer.status, answer.headers, answer.read())).outcome, "Success")
        connection.close()


class Limits(DomainStand):
    @classmethod
    def setUpClass(cls):
        original = support.write_configuration

        def with_limit(path, configuration):
            original(path, dict(configuration, limits={"body_bytes": 100000}))

        support.write_configuration = with_limit
        cls.addClassCleanup(setattr, support, "write_configuration", original)
        super().setUpClass()

    def test_too_long(self):
        answer, _ = self.publish(b"x" * 200000)
        self.assertEqual(answer.status, 413)
        answer, _ = self.publish(b"x" * 50000)
        self.assertOutcome(answer, "Success")


class Codes(DomainStand):
    """An affinity domain with code sets of its own."""

    @classmethod
    def setUpClass(cls):
        directory = tempfile.mkdtemp(prefix="passerelle-codes-")
        cls.addClassCleanup(shutil.rmtree, directory, True)
        path = os.path.join(directory, "codes.xml")
        with open(path, "w", encoding="utf-8") as file:
            file.write('<Codes><CodeType name="classCode"><Code code="class" codingScheme="2.999.20.3"/></CodeType>'
                       '<CodeType name="mimeType"><Code code="text/plain"/></CodeType></Codes>')
        cls.overrides = {"accept_any_code": False, "codes_file": path}
        super().setUpClass()

    def test_codes(self):
        self.assertOutcome(self.publish(b"x")[0], "Success")
        self.assertOutcome(self.publish(b"x", mime_type="text/css")[0], "Failure", "XDSRegistryMetadataError")
        objects = [xds.submission_set("set", support.fresh_oid(7)),
                   xds.entry("doc", support.fresh_oid(1)).replace('nodeRepresentation="class"',
                                                                  'nodeRepresentation="other"'),
                   xds.member("set", "doc")]
        self.assertOutcome(self.mtom(xds.PROVIDE, xds.provide(objects, [("doc", "eA==")])), "Failure",
                           "XDSRegistryMetadataError")


class Durability(DomainStand):
    """kill -9 in the middle of submissions, again and again: what was acknowledged is there, the rest is whole or not
    at all."""
    rounds = 6

    def test_nothing_acknowledged_is_lost(self):
        generator = random.Random(20260401)
        acknowledged = {}
        attempted = {}
        port = self.domain.port
        for number in range(self.rounds):
            stop = threading.Event()

            def work(seed, stop=stop):
                mine = random.Random(seed)
                while not stop.is_set():
                    content = mine.randbytes(mine.choice((10, 3000, 200000)))
                    unique_id = support.fresh_oid(1)
                    attempted[unique_id] = content
                    try:
                        answer, _ = self.publish(content, unique_id, patient="IHEBLUE-1006")
                    except (OSError, http.client.HTTPException):
                        return
                    self.assertEqual(answer.outcome, "Success", repr(answer))
                    acknowledged[unique_id] = content

            before = len(acknowledged)
            threads = [threading.Thread(target=work, args=(number * 100 + each,)) for each in range(4)]
            for thread in threads:
                thread.start()
            wanted = before + generator.randrange(3, 12)
            support.wait_until(lambda wanted=wanted: len(acknowledged) >= wanted, "submissions", 60)
            self.domain.kill()
            stop.set()
            for thread in threads:
                thread.join()
            type(self).domain = support.Domain(self.directory, port, **self.overrides)
            self.check(acknowledged, attempted)
        self.no_orphans()

    def check(self, acknowledged, attempted):
        found = self.find(patient="IHEBLUE-1006").unique_ids()
        self.assertEqual(len(found), len(set(found)))
        self.assertLessEqual(set(acknowledged), set(found))
        self.assertLessEqual(set(found), set(attempted))
        for unique_id in found:
            answer = self.get(unique_id)
            self.assertOutcome(answer, "Success")
            self.assertEqual(answer.documents()[unique_id][1], attempted[unique_id])
        # Whole: each entry has its set and the association between them.
        everything = self.simple(xds.STORED_QUERY, xds.stored_query(xds.GET_ALL, [
            ("patientId", "'%s'" % xds.patient_cx("IHEBLUE-1006")),
            *[("XDS%sStatus" % kind, "('%s')" % xds.APPROVED) for kind in ("DocumentEntry", "SubmissionSet", "Folder")]]))
        self.assertEqual(len(everything.objects), 3 * len(found))

    def no_orphans(self):
        """After the last start there is a file for each document, and no other."""
        documents = os.path.join(self.directory, "hcm", "documents")
        files = [name for folder in os.listdir(documents) if len(folder) == 2
                 for name in os.listdir(os.path.join(documents, folder))]
        found = self.find(patient="IHEBLUE-1006").unique_ids()
        self.assertEqual(sorted(files), sorted({hashlib.sha256(self.get(unique_id).documents()[unique_id][1]).hexdigest()
                                                for unique_id in found}))
        self.assertEqual(os.listdir(os.path.join(documents, "temporary")), [])

    def test_one_process_per_directory(self):
        with self.assertRaises(AssertionError) as caught:
            support.Domain(self.directory, support.free_port(), data_directory=os.path.join(self.directory, "hcm"),
                           name="second")
        self.assertIn("in use", str(caught.exception))


class Foreign(DomainStand):
    """Messages that other systems sent, as they were captured; only what this domain cannot know is changed: patient,
    uniqueIds, and OIDs that are none."""

    def corpus(self, *path):
        with open(support.shared("xds", "messages", *path), "rb") as file:
            return file.read()

    def localised(self, text):
        """The patient becomes a known one, each uniqueId a fresh OID."""
        patient = xds.patient_cx("IHEBLUE-1007").replace("&", "&amp;").encode()
        for scheme in (b"58a6f841-87b3-4a3e-92fd-a8ffeff98427", b"6b5aea1a-874d-4603-a4bc-96a0a7b38446",
                       b"f64ffdf0-4b97-4e06-b79f-a52b38ec2f8a"):
            text = self.with_value(text, scheme, lambda old: patient)
        for scheme, arc in ((b"2e82c1f6-a085-4c72-9da3-8640a32e42ab", 1), (b"96fdda7c-d067-4183-912e-bf5ee74998a8", 7),
                            (b"75df8f67-9973-4fbe-a900-df66cefecc5a", 8)):
            text = self.with_value(text, scheme, lambda old, arc=arc: support.fresh_oid(arc).encode())
        return self.with_value(text, b"554ac39e-e3fe-47fe-b233-965d2a147832", lambda old: b"2.999.20.6")

    @staticmethod
    def with_value(text, scheme, change):
        """Replaces the value of ExternalIdentifiers with this scheme, whatever the order of attributes."""
        def element(match):
            found = match.group(0)
            if scheme not in found:
                return found
            return re.sub(rb'(\bvalue=")([^"]*)(")', lambda m: m.group(1) + change(m.group(2)) + m.group(3), found, 1)

        return re.sub(rb"<[\w:]*ExternalIdentifier\b[^>]*>", element, text)

    def replay(self, name):
        body = self.localised(self.corpus("iti-41", name))
        boundary = body[2:body.index(b"\n")].strip().decode()
        body = body.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n"
        start = body[body.index(b"Content-ID: ") + 12:].split(b"\n", 1)[0].strip().decode()
        return self.post('multipart/related; boundary="%s"; type="application/xop+xml"; start="%s"; '
                         'start-info="application/soap+xml"' % (boundary, start), body)

    def test_captured_packages(self):
        support.shared("xds/messages/iti-41")
        for name in ("request-mtom-xop.mime", "request-mtom-cid-percent-encoded.mime",
                     "request-mtom-inline-base64-inside-multipart.mime"):
            with self.subTest(name):
                answer = self.replay(name)
                self.assertOutcome(answer, "Success")
        found = self.find(patient="IHEBLUE-1007")
        self.assertEqual(len(found.objects), 3)
        for unique_id in found.unique_ids():
            self.assertOutcome(self.get(unique_id), "Success")

    def test_captured_registrations(self):
        for name in ("request-body-folder-only.xml", "request-body-folder-with-doc.xml"):
            with self.subTest(name):
                text = self.localised(self.corpus("iti-42", name)).decode()
                body = text[text.index("<lcm:SubmitObjectsRequest"):text.index("</lcm:SubmitObjectsRequest>")] \
                    + "</lcm:SubmitObjectsRequest>"
                extra = "".join(xds.slot(*pair) for pair in (("hash", "0" * 40), ("size", "5"),
                                                              ("repositoryUniqueId", "2.999.20.77")))
                declared = 'xmlns:rim="%s"' % xds.RIM
                body = body.replace('<rim:Slot name="languageCode">', extra + '<rim:Slot name="languageCode">')
                body = body if declared in body else body.replace("<lcm:SubmitObjectsRequest",
                                                                  "<lcm:SubmitObjectsRequest " + declared, 1)
                if "xmlns:lcm" not in body:
                    body = body.replace("<lcm:SubmitObjectsRequest", '<lcm:SubmitObjectsRequest xmlns:lcm="%s"' % xds.LCM,
                                        1)
                self.assertOutcome(self.simple(xds.REGISTER, body), "Success")

    def test_captured_faults(self):
        """Messages kept because they are wrong."""
        soap = "application/soap+xml"
        answer = self.post(soap, self.corpus("iti-41", "invalid-no-wsa-action.xml"))
        self.assertFault(answer, 400, "Sender", "MessageAddressingHeaderRequired")
        answer = self.simple(xds.REGISTER, self.corpus("iti-42", "invalid-ebxml21-namespace.xml").decode()
                             .split("?>", 1)[-1])
        self.assertFault(answer, 400, "Sender")
        answer = self.simple(xds.STORED_QUERY, self.corpus("iti-18", "invalid-status-without-parentheses.xml").decode()
                             .split("?>", 1)[-1])
        self.assertOutcome(answer, "Failure", "XDSStoredQueryParamNumber")

    def test_captured_queries(self):
        for name in ("request-body-finddocuments-on-demand.xml",):
            text = self.corpus("iti-18", name).decode().split("?>", 1)[-1]
            answer = self.simple(xds.STORED_QUERY, text.replace("$patient_id$", xds.patient_cx("IHEBLUE-1008")
                                                                .replace("&", "&amp;")))
            self.assertEqual(answer.outcome in ("Success", "Failure"), True, repr(answer))
        for name in ("request-findfolders.xml", "request-multi-codes-norway.xml", "request-finddocuments-xua.xml"):
            answer = self.post("application/soap+xml", self.corpus("iti-18", name))
            self.assertOutcome(answer, "Success")
            self.assertEqual(answer.objects, [])


if __name__ == "__main__":
    unittest.main()
