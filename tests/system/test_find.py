"""ITI-67 and ITI-66 over ITI-18: parameters, pages, views, relations, and what must not be shown."""
import json
import re
import unittest
import urllib.parse
import xml.etree.ElementTree

import proxy
import support

QUERY = "RegistryStoredQuery"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OTHER_PATIENT = "IHEBLUE-1002"


def matches(bundle):
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def link(bundle, relation):
    return next((each["url"] for each in bundle["link"] if each["relation"] == relation), None)


class Find(support.Stand):
    COUNT = 7

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bundles = []
        for number in range(cls.COUNT):
            bundle = support.demo_bundle(b"document %d" % number, "text/plain", patient="IHEBLUE-1003")
            attachment = bundle["entry"][1]["resource"]["content"][0]["attachment"]
            attachment["creation"] = "2024-03-%02dT10:00:00Z" % (number + 1)
            attachment["title"] = "Number %d" % number
            answer = cls.gateway.publish(bundle)
            assert answer.status == 200, answer
            cls.bundles.append(bundle)

    def search(self, kind="DocumentReference", status=200, headers=None, **parameters):
        query = {"patient.identifier": "urn:oid:%s|IHEBLUE-1003" % support.AUTHORITY, "status": "current"}
        query.update(parameters)
        query = {name: value for name, value in query.items() if value is not None}
        response = support.request(
            "GET", self.gateway.base + "/" + kind + "?" + urllib.parse.urlencode(query, doseq=True), headers)
        return self.assertStatus(response, status).json()

    def test_who_looks_at_the_base_is_told_where_to_go(self):
        refused = self.assertStatus(support.request("GET", self.gateway.base), 405)
        text = refused.json()["issue"][0]["diagnostics"]
        self.assertIn("Use " + refused.header("Allow"), text)
        self.assertIn("metadata", text)

    def test_all(self):
        found = self.search()
        self.assertEqual(found["type"], "searchset")
        self.assertEqual(found["total"], self.COUNT)
        self.assertEqual(len(matches(found)), self.COUNT)
        for entry in found["entry"]:
            self.assertEqual(entry["fullUrl"], "%s/DocumentReference/%s" % (self.gateway.base, entry["resource"]["id"]))
            self.assertEqual(support.request("GET", entry["fullUrl"]).json(), entry["resource"])

    def test_post_like_get(self):
        form = urllib.parse.urlencode({"patient.identifier": "urn:oid:%s|IHEBLUE-1003" % support.AUTHORITY,
                                       "status": "current"}).encode()
        response = support.request("POST", self.gateway.base + "/DocumentReference/_search", FORM, form)
        found = self.assertStatus(response, 200).json()
        self.assertEqual([each["id"] for each in matches(found)], [each["id"] for each in matches(self.search())])

    def test_xml(self):
        response = support.request("GET", self.gateway.base + "/DocumentReference?" + urllib.parse.urlencode(
            {"patient.identifier": "urn:oid:%s|IHEBLUE-1003" % support.AUTHORITY, "status": "current",
             "_format": "application/fhir+xml"}))
        root = xml.etree.ElementTree.fromstring(self.assertStatus(response, 200).body)
        self.assertEqual(root.find("{http://hl7.org/fhir}total").get("value"), str(self.COUNT))
        self.assertEqual(len(root.findall("{http://hl7.org/fhir}entry")), self.COUNT)

    def test_creation(self):
        for value, count in (("ge2024-03-03", 5), ("lt2024-03-03", 2), ("2024-03-03", 1), ("gt2024-03-03", 4),
                             ("le2024-03-03", 3), (["ge2024-03-02", "lt2024-03-04"], 2), ("2024", self.COUNT),
                             ("ge2025", 0), ("2024-03-03T10:00:00Z", 1), ("2024-03-03T11:00:00+01:00", 1)):
            with self.subTest(creation=value):
                self.assertEqual(self.search(creation=value)["total"], count)

    def test_codes_and_identifiers(self):
        reference = self.bundles[2]["entry"][1]["resource"]
        coding = reference["type"]["coding"][0]
        self.assertEqual(self.search(type="%s|%s" % (coding["system"], coding["code"]))["total"], self.COUNT)
        self.assertEqual(self.search(type=coding["code"])["total"], self.COUNT)
        self.assertEqual(self.search(type=coding["system"] + "|no-such-code")["total"], 0)
        unique = reference["masterIdentifier"]["value"]
        for value in (unique, "urn:ietf:rfc:3986|" + unique):
            found = matches(self.search(identifier=value))
            self.assertEqual([each["masterIdentifier"]["value"] for each in found], [unique])
        identifier = matches(self.search())[0]["id"]
        self.assertEqual([each["id"] for each in matches(self.search(_id=identifier))], [identifier])

    def test_patient_by_reference(self):
        patient = matches(self.search())[0]["subject"]["reference"]
        self.assertTrue(patient.startswith("Patient/"))
        for reference in (patient, self.gateway.base + "/" + patient):
            self.assertEqual(self.search(**{"patient.identifier": None, "patient": reference})["total"], self.COUNT)
        for nobody in ({"patient.identifier": None, "patient": "Patient/nobody"},
                       {"patient.identifier": "urn:oid:2.999.1|IHEBLUE-1003"}):
            self.assertEqual(self.search(status=404, **nobody)["issue"][0]["code"], "not-found")

    def test_pages_neither_lose_nor_repeat(self):
        everything = [each["id"] for each in matches(self.search())]
        for size in (1, 2, 3, self.COUNT, 100):
            page = self.search(_count=size)
            seen = []
            while True:
                self.assertEqual(page["total"], self.COUNT)
                self.assertLessEqual(len(matches(page)), size)
                seen += [each["id"] for each in matches(page)]
                following = link(page, "next")
                if not following:
                    break
                self.assertTrue(following.startswith(self.gateway.base))
                self.assertNotIn("1003", following, "no patient in a link of a page")
                page = self.assertStatus(support.request("GET", following), 200).json()
            self.assertEqual(seen, everything)

    def test_forged_page(self):
        following = link(self.search(_count=1), "next")
        response = support.request("GET", following[:-3] + "AAA")
        self.assertEqual(response.status, 400, response)

    def test_sort(self):
        up = [each["content"][0]["attachment"]["creation"] for each in matches(self.search(_sort="creation"))]
        down = [each["content"][0]["attachment"]["creation"] for each in matches(self.search(_sort="-creation"))]
        self.assertEqual(up, sorted(up))
        self.assertEqual(down, sorted(up, reverse=True))

    def test_views(self):
        count = self.search(_summary="count")
        self.assertEqual((count["total"], count.get("entry")), (self.COUNT, None))
        for each in matches(self.search(_elements="content")):
            self.assertEqual(each["meta"]["tag"][0]["code"], "SUBSETTED")
            self.assertIn("status", each)
            self.assertNotIn("type", each)

    def test_parameters_unknown(self):
        self.assertEqual(self.search(nonsense="1")["total"], self.COUNT)
        self.assertNotIn("nonsense", link(self.search(nonsense="1"), "self"))
        self.search(nonsense="1", headers={"Prefer": "handling=strict"}, status=400)
        self.search(creation="yesterday", status=400)
        self.search(**{"patient.identifier": None}, status=400)

    def test_injection(self):
        for value in ("x') or ('1'='1", "x'--", "x%", "\\", "x&amp;y"):
            with self.subTest(value=value):
                self.assertEqual(self.search(type="http://loinc.org|" + value)["total"], 0)
                self.assertEqual(self.search(
                    **{"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, value)})["total"], 0)

    def test_lists(self):
        found = self.search("List", code="submissionset")
        self.assertEqual(found["total"], self.COUNT)
        for each in matches(found):
            self.assertEqual(each["resourceType"], "List")
            self.assertEqual(len(each["entry"]), 1)
            document = support.request("GET", self.gateway.base + "/" + each["entry"][0]["item"]["reference"])
            self.assertEqual(document.json()["resourceType"], "DocumentReference")
            read = support.request("GET", self.gateway.base + "/List/" + each["id"])
            self.assertEqual(read.json(), each)
        self.assertEqual(self.search("List", code="folder")["total"], 0)

    def test_read_with_tag(self):
        address = self.gateway.base + "/DocumentReference/" + matches(self.search())[0]["id"]
        tag = support.request("GET", address).header("ETag")
        self.assertTrue(tag.startswith("W/"))
        self.assertEqual(support.request("GET", address, {"If-None-Match": tag}).status, 304)


class BehindProxy(support.Stand):
    gateway_overrides = {"public_base": "https://gateway.example/hospital/fhir"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        cls.gateway = support.Gateway(
            cls.directory, [cls.domain.back_end(registry_url=cls.proxy.url("/registry"))], name="behind-proxy",
            public_base="https://gateway.example/hospital/fhir")
        cls.addClassCleanup(cls.gateway.kill)

    def test_addresses_are_those_that_clients_see(self):
        bundle = support.demo_bundle(b"x", "text/plain")
        self.publish(bundle)
        found = self.gateway.find(identifier="urn:oid:" + support.document_oid(bundle)).json()
        public = "https://gateway.example/hospital/fhir/"
        attachment = matches(found)[0]["content"][0]["attachment"]["url"]
        self.assertTrue(attachment.startswith(public + "Binary/"))
        self.assertTrue(found["entry"][0]["fullUrl"].startswith(public))
        self.assertTrue(link(found, "self").startswith(public))
        for path in ("/hospital/fhir", "/fhir"):
            local = attachment.replace("https://gateway.example/hospital/fhir",
                                       "http://127.0.0.1:%d%s" % (self.gateway.port, path))
            self.assertEqual(self.assertStatus(support.request("GET", local), 200).body, b"x")

    def test_entries_of_another_patient_are_dropped(self):
        self.publish(support.demo_bundle(b"x", "text/plain"))
        self.proxy.script(QUERY, proxy.changed(lambda body: body.replace(
            support.PATIENT.encode() + b"^^^", OTHER_PATIENT.encode() + b"^^^")))
        found = self.assertStatus(self.gateway.find(), 200)
        self.assertNotIn(OTHER_PATIENT, found.body.decode())
        self.assertEqual(found.json()["total"], 0)

    def test_partial_success_is_shown_with_a_warning(self):
        self.publish(support.demo_bundle(b"x", "text/plain"))
        error = (b'<rs:RegistryErrorList xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0">'
                 b'<rs:RegistryError errorCode="XDSUnavailableCommunity" codeContext="one is away" '
                 b'severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/></rs:RegistryErrorList>')

        def change(body):
            body = body.replace(b"urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success",
                                b"urn:ihe:iti:2007:ResponseStatusType:PartialSuccess")
            begin = body.index(b">", body.index(b"AdhocQueryResponse")) + 1
            return body[:begin] + error + body[begin:]

        self.proxy.script(QUERY, proxy.changed(change))
        found = self.assertStatus(self.gateway.find(), 200).json()
        outcomes = [entry["resource"] for entry in found["entry"] if entry["search"]["mode"] == "outcome"]
        self.assertEqual(len(outcomes), 1)
        self.assertIn("XDSUnavailableCommunity", json.dumps(outcomes))
        self.assertEqual(outcomes[0]["issue"][0]["severity"], "warning")
        self.assertGreater(found["total"], 0)


    def fault(self, code):
        return (b'<soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"><soap:Body>'
                b'<query:AdhocQueryResponse xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0" '
                b'status="urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Failure">'
                b'<rs:RegistryErrorList xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0"><rs:RegistryError '
                b'errorCode="%s" codeContext="x" severity="urn:oasis:names:tc:ebxml-regrep:ErrorSeverityType:Error"/>'
                b'</rs:RegistryErrorList></query:AdhocQueryResponse></soap:Body></soap:Envelope>' % code)

    def test_too_many_results_are_fetched_in_batches(self):
        for _ in range(3):
            self.publish(support.demo_bundle(b"x", "text/plain"))
        whole = self.gateway.find().json()
        self.proxy.clear()
        self.proxy.script(QUERY, proxy.answering(200, "application/soap+xml", self.fault(b"XDSTooManyResults")))
        batched = self.assertStatus(self.gateway.find(), 200).json()
        self.assertEqual([each["id"] for each in matches(batched)], [each["id"] for each in matches(whole)])
        self.assertGreaterEqual(self.proxy.count(QUERY), 3)

    def test_errors_of_the_registry_come_through(self):
        for code, status in ((b"XDSRegistryBusy", 503), (b"XDSRegistryError", 502), (b"XDSUnknownPatientId", 422),
                             (b"NobodyKnowsThis", 502)):
            self.proxy.script(QUERY, proxy.answering(200, "application/soap+xml", self.fault(code)))
            response = self.gateway.find()
            self.assertIn(response.status, (status, 404, 200) if status == 422 else (status,), response)
            self.assertIn(code.decode(), response.body.decode())

    def test_ids_survive_a_metadata_update(self):
        """A new version has its own entryUUID and the logicalID of the first (ITI-57): same resource, same address."""
        bundle = support.demo_bundle(b"x", "text/plain")
        self.publish(bundle)
        oid = support.document_oid(bundle)
        before = self.gateway.find(identifier="urn:oid:" + oid).json()["entry"][0]["resource"]
        uuid_before = next(each["value"] for each in before["identifier"] if "uuid" in each["value"]).encode()
        uuid_after = b"urn:uuid:0c0c0c0c-1111-4222-8333-444455556666"

        def updated(body):
            body = re.sub(rb' lid="[^"]*"', b"", body)
            body = body.replace(b'id="' + uuid_before + b'"', b'id="' + uuid_after + b'" lid="' + uuid_before + b'"')
            return body.replace(b'versionName="1"', b'versionName="2"').replace(b'value="Discharge', b'value="Updated')

        def outdated(body):
            return body.replace(b"StatusType:Approved", b"StatusType:Deprecated")

        self.proxy.script(QUERY, proxy.changed(updated))
        found = self.gateway.find(identifier="urn:oid:" + oid).json()["entry"][0]["resource"]
        self.assertEqual(found["id"], before["id"])
        self.assertEqual(found["content"][0]["attachment"]["url"], before["content"][0]["attachment"]["url"])
        self.proxy.clear()
        self.proxy.script(QUERY, proxy.changed(outdated), proxy.changed(updated))
        local = "http://127.0.0.1:%d/fhir/DocumentReference/%s" % (self.gateway.port, before["id"])
        read = self.assertStatus(support.request("GET", local), 200).json()
        self.assertEqual((read["id"], read["status"]), (before["id"], "current"))
        self.assertIn(uuid_after.decode(), json.dumps(read["identifier"]))


class Capability(support.Stand):
    def test_says_what_is_served(self):
        statement = self.assertStatus(support.request("GET", self.gateway.base + "/metadata"), 200).json()
        self.assertEqual(statement["resourceType"], "CapabilityStatement")
        types = {each["type"] for each in statement["rest"][0]["resource"]}
        self.assertLessEqual({"DocumentReference", "List", "Binary"}, types)
        self.assertFalse(any("XDSonFHIR" in each for each in statement.get("instantiates", [])))


if __name__ == "__main__":
    unittest.main()
