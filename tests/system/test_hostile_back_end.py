"""A back-end that answers wrongly, oddly or with ill will: never a crash, never a wrong document, always an answer."""
import unittest

import proxy
import support

QUERY = "RegistryStoredQuery"
RETRIEVE = "RetrieveDocumentSet"
ENVELOPE = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://www.w3.org/2005/08/addressing"
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"


def soap(body, head=""):
    return ('<s:Envelope xmlns:s="%s" xmlns:a="%s"><s:Header>%s</s:Header><s:Body>%s</s:Body></s:Envelope>' % (
        ENVELOPE, ADDRESSING, head, body)).encode()


def query_answer(objects="", head="", status=SUCCESS):
    return soap('<query:AdhocQueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" '
                'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" status="%s"><rim:RegistryObjectList>%s'
                "</rim:RegistryObjectList></query:AdhocQueryResponse>" % (status, objects), head)


class HostileBackEnd(support.Stand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        url = cls.proxy.url
        cls.gateway = support.Gateway(cls.directory, [cls.domain.back_end(
            registry_url=url("/registry"), timeout_ms=5000,
            repositories=[{"unique_id": support.REPOSITORY, "url": url("/repository")}])], name="behind-proxy")
        cls.addClassCleanup(cls.gateway.kill)
        cls.bundle = support.demo_bundle(b"the document", "text/plain")
        assert cls.gateway.publish(cls.bundle).status == 200
        cls.oid = support.document_oid(cls.bundle)
        found = cls.gateway.find(identifier="urn:oid:" + cls.oid).json()
        cls.url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]

    def setUp(self):
        self.proxy.clear()

    def tearDown(self):
        self.proxy.clear()
        self.assertEqual(support.request("GET", self.url).body, b"the document", "it serves on")

    def found_through(self, body, content_type="application/soap+xml; charset=UTF-8", http_status=200):
        self.proxy.script(QUERY, *[proxy.answering(http_status, content_type, body)] * 2)
        response = self.gateway.find()
        self.assertIn(response.json()["resourceType"], ("Bundle", "OperationOutcome"))
        return response

    def test_queries(self):
        deep = "<x>" * 5000 + "</x>" * 5000
        wide = "<x %s/>" % " ".join('a%d="1"' % number for number in range(100000))
        cases = {
            "empty list": (query_answer(), 200),
            "no list at all": (soap('<query:AdhocQueryResponse status="%s" xmlns:query="urn:oasis:names:tc:ebxml-'
                                    'regrep:xsd:query:3.0"/>' % SUCCESS), 200),
            "status that nobody knows": (query_answer(status="urn:x:Maybe"), 502),
            "failure without a list": (query_answer(status=SUCCESS.replace("Success", "Failure")), 502),
            "fault with 200": (soap('<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Reason><s:Text '
                                    'xml:lang="en">secret /etc/stack</s:Text></s:Reason></s:Fault>'), 502),
            "related to another message": (query_answer(head="<a:RelatesTo>urn:uuid:other</a:RelatesTo>"), 502),
            "header that must be understood": (query_answer(
                head='<x:y xmlns:x="urn:x" s:mustUnderstand="true"/>'), 502),
            "entity": (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + query_answer(), 502),
            "depth": (query_answer(deep), 502),
            "attributes": (query_answer(wide), 502),
            "cut": (query_answer()[:-30], 502),
            "latin-1 in UTF-8": (query_answer('<rim:ObjectRef id="M\u00fcller"/>').decode().encode("latin-1"), 502),
            "SOAP 1.1": (query_answer().replace(ENVELOPE.encode(), b"http://schemas.xmlsoap.org/soap/envelope/"), 502),
            "request instead of an answer": (soap('<query:AdhocQueryRequest xmlns:query="urn:oasis:names:tc:ebxml-'
                                                  'regrep:xsd:query:3.0"/>'), 502),
            "entries without anything": (query_answer("<rim:ExtrinsicObject/>" * 3), 200),
        }
        for name, (body, status) in cases.items():
            with self.subTest(name):
                response = self.found_through(body)
                if status is not None:
                    self.assertEqual(response.status, status, response)
                self.assertNotIn(b"secret", response.body)
                self.assertNotIn(b"root:", response.body)
                self.proxy.clear()

    def test_answer_with_an_error_status(self):
        self.assertEqual(self.found_through(query_answer(), http_status=500).status, 200, "the body decides")

    def package(self, root, parts, boundary="b", end=True, start="root"):
        text = b""
        for identifier, content in [("root", root)] + parts:
            kind = "application/xop+xml" if identifier == "root" else "text/plain"
            text += ("--%s\r\nContent-Type: %s\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <%s>\r\n\r\n" % (
                boundary, kind, identifier)).encode() + content + b"\r\n"
        text += ("--%s--\r\n" % boundary).encode() if end else b""
        return 'multipart/related; boundary="%s"; type="application/xop+xml"; start="<%s>"' % (boundary, start), text

    def root(self, *hrefs, oid=None, repository=support.REPOSITORY):
        documents = "".join(
            "<x:DocumentResponse><x:RepositoryUniqueId>%s</x:RepositoryUniqueId><x:DocumentUniqueId>%s"
            "</x:DocumentUniqueId><x:mimeType>text/plain</x:mimeType><x:Document><i:Include xmlns:i="
            '"http://www.w3.org/2004/08/xop/include" href="%s"/></x:Document></x:DocumentResponse>' % (
                repository, oid or self.oid, href) for href in hrefs)
        return soap('<x:RetrieveDocumentSetResponse xmlns:x="urn:ihe:iti:xds-b:2007"><rs:RegistryResponse xmlns:rs='
                    '"urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="%s"/>%s</x:RetrieveDocumentSetResponse>' % (
                        SUCCESS, documents))

    def retrieved_through(self, content_type, body):
        self.proxy.script(RETRIEVE, *[proxy.answering(200, content_type, body)] * 2)
        return support.request("GET", self.url)

    def test_packages(self):
        right = b"the document"
        cases = {
            "right": (self.package(self.root("cid:d"), [("d", right)]), 200),
            "right among others": (self.package(self.root("cid:d"), [("a", b"x"), ("d", right), ("b", b"y")]), 200),
            "percent-encoded": (self.package(self.root("cid:d%40x"), [("d@x", right)]), 200),
            "a line end in front of the boundary": (self.package(
                self.root("cid:d"), [("d", right)], boundary="a.b+c'()=?:/_"), 200),
            "the part is missing": (self.package(self.root("cid:other"), [("d", right)]), 502),
            "two parts of one name": (self.package(self.root("cid:d"), [("d", right), ("d", b"the Document")]), 502),
            "the root as the document": (self.package(self.root("cid:root"), []), 502),
            "not a cid": (self.package(self.root("http://127.0.0.1/d"), [("d", right)]), 502),
            "file": (self.package(self.root("file:///etc/passwd"), [("d", right)]), 502),
            "twice in the root": (self.package(self.root("cid:d", "cid:d"), [("d", right)]), 502),
            "another document": (self.package(self.root("cid:d", oid="2.999.1"), [("d", right)]), 502),
            "another repository": (self.package(self.root("cid:d", repository="2.999.1"), [("d", right)]), 502),
            "no end": (self.package(self.root("cid:d"), [("d", right)], end=False), 502),
            "the start is not there": (self.package(self.root("cid:d"), [("d", right)], start="nobody"), 502),
            "no document": (self.package(self.root(), []), 502),
            "ten thousand parts": (self.package(self.root("cid:d"), [("p%d" % n, b"x") for n in range(10000)]), 502),
            "other bytes": (self.package(self.root("cid:d"), [("d", b"the_document")]), 502),
            "more bytes": (self.package(self.root("cid:d"), [("d", right * 1000000)]), 502),
            "no bytes": (self.package(self.root("cid:d"), [("d", b"")]), 502),
        }
        for name, (package, status) in cases.items():
            with self.subTest(name):
                response = self.retrieved_through(*package)
                self.assertEqual(response.status, status, response)
                if status == 200:
                    self.assertEqual(response.body, right)
                self.proxy.clear()

    def test_document_before_the_root(self):
        kind, text = self.package(self.root("cid:d"), [("d", b"the document")])
        parts = text.split(b"--b\r\n")
        swapped = b"--b\r\n" + parts[2].replace(b"--b--\r\n", b"") + b"--b\r\n" + parts[1] + b"--b--\r\n"
        self.assertEqual(self.retrieved_through(kind, swapped).status, 502)

    def test_content_types(self):
        _, body = self.package(self.root("cid:d"), [("d", b"the document")])
        for kind in ("multipart/related", 'multipart/related; boundary=""', "multipart/related; boundary=other",
                     'multipart/related; boundary="b"; boundary="c"', "text/html", "application/pdf",
                     "multipart/related; boundary=%s" % ("b" * 100)):
            with self.subTest(kind):
                self.assertEqual(self.retrieved_through(kind, body).status, 502)
                self.proxy.clear()


if __name__ == "__main__":
    unittest.main()
