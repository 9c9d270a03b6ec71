"""ITI-65 over ITI-41: what is answered, what is refused and why, and publications whose end is unclear."""
import base64
import copy
import hashlib
import json
import os
import threading
import unittest
import uuid

import proxy
import support

PROVIDE = "ProvideAndRegisterDocumentSet-b"
QUERY = "RegistryStoredQuery"
FHIR_JSON = {"Content-Type": "application/fhir+json"}


def issue(response):
    return response.json()["issue"][0]


def locations(answer):
    return [entry["response"]["location"] for entry in answer["entry"]]


class Publish(support.Stand):
    def absolute(self, location):
        return location if location.startswith("http") else self.gateway.base + "/" + location

    def refused(self, bundle, status, expression=None, code=None):
        """Refused with this status, and nothing of it is there."""
        response = self.assertStatus(self.gateway.publish(bundle), status)
        self.assertEqual(response.json()["resourceType"], "OperationOutcome")
        if expression:
            expressions = [each for one in response.json()["issue"] for each in one.get("expression", [])]
            self.assertTrue(any(expression in each for each in expressions), response)
        if code:
            self.assertIn(code, json.dumps(response.json()))
        for one in response.json()["issue"]:
            self.assertTrue(one["diagnostics"].endswith("."), one)
        return response

    def test_answer_has_one_entry_per_entry_and_each_location_can_be_read(self):
        for profile in ("Minimal", "Comprehensive"):
            bundle = support.demo_bundle(support.demo_letter(), profile=profile)
            answer = self.publish(bundle)
            self.assertEqual(answer["type"], "transaction-response")
            self.assertEqual(len(answer["entry"]), len(bundle["entry"]))
            for entry, kind in zip(answer["entry"], ("List", "DocumentReference", "Binary")):
                self.assertEqual(entry["response"]["status"][:3], "201")
                self.assertIn("/%s/" % kind, self.absolute(entry["response"]["location"]))
                read = support.request("GET", self.absolute(entry["response"]["location"]))
                self.assertEqual(read.status, 200, read)
            self.assertEqual(read.body, support.demo_letter())

    def test_104_what_names_no_submission_set_is_no_double(self):
        """Who sends the very same again means the same: what it sent says which it is."""
        bundle = support.unnamed_bundle(b"<a>once</a>")
        folder = support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        del folder["identifier"]
        folder["meta"]["profile"] = [support.PROFILES + "IHE.MHD.Minimal.Folder"]
        first, again = self.publish(bundle), self.publish(bundle)
        self.assertEqual(locations(first), locations(again))
        self.assertIn("ERR_DUPLICATE", json.dumps(again))
        self.find_one(support.document_oid(bundle))
        # Another day, or another document, is another submission.
        bundle["entry"][0]["resource"]["date"] = "2026-03-12T10:15:01Z"
        self.assertNotEqual(locations(first), locations(self.publish(bundle)))

    def test_xml_like_json(self):
        bundle = support.demo_bundle(support.demo_letter())
        answer = self.gateway.publish(bundle, accept="application/fhir+xml")
        self.assertStatus(answer, 200)
        self.assertIn(b"<Bundle xmlns=\"http://hl7.org/fhir\"", answer.body)
        self.assertTrue(answer.header("Content-Type").startswith("application/fhir+xml"))

    def test_patient_unknown_to_the_registry(self):
        bundle = support.demo_bundle(support.demo_letter(), patient="NOBODY-1")
        answer = self.refused(bundle, 422, code="XDSUnknownPatientId")
        self.assertEqual(len(answer.json()["issue"]), 1, answer)

    def test_refusal_does_not_speak_of_what_was_filled_in(self):
        """Warnings say what was registered otherwise than sent: of a publication that was refused, nothing was."""
        with open(os.path.join(support.ROOT, "conf/demo/hello.json"), encoding="utf-8") as file:
            bundle = json.loads(file.read().replace("IHEBLUE-1001", "NOBODY-1"))
        answer = self.refused(bundle, 422, code="XDSUnknownPatientId")
        self.assertEqual({issue["severity"] for issue in answer.json()["issue"]}, {"error"}, answer)

    def test_patient_of_another_domain(self):
        bundle = json.loads(json.dumps(support.demo_bundle(support.demo_letter())).replace(
            "urn:oid:" + support.AUTHORITY, "urn:oid:2.999.1"))
        self.refused(bundle, 422, expression="subject")

    def test_patient_is_readable_where_the_answer_says(self):
        bundle = support.demo_bundle(support.demo_letter())
        subject = copy.deepcopy(bundle["entry"][1]["resource"]["subject"])
        patient = {"resourceType": "Patient", "identifier": [subject["identifier"]]}
        full_url = "urn:uuid:" + str(uuid.uuid4())
        bundle["entry"].append({"fullUrl": full_url, "resource": patient,
                                "request": {"method": "POST", "url": "Patient"}})
        for entry in bundle["entry"][:2]:
            entry["resource"]["subject"] = {"reference": full_url}
        answer = self.publish(bundle)
        read = support.request("GET", self.absolute(locations(answer)[3])).json()
        self.assertEqual(read["resourceType"], "Patient")
        self.assertEqual(read["identifier"][0]["value"], support.PATIENT)

    def test_claims_about_the_document_are_held_against_it(self):
        for change in ({"hash": base64.b64encode(hashlib.sha1(b"another").digest()).decode()}, {"size": 1}):
            bundle = support.demo_bundle(support.demo_letter())
            bundle["entry"][1]["resource"]["content"][0]["attachment"].update(change)
            self.refused(bundle, 422, expression="attachment")

    def test_bodies_that_are_no_bundle(self):
        for body, status in ((b"", 400), (b"{", 400), (b"[]", 400), (b'{"resourceType":"Patient"}', 422),
                             (b'{"resourceType":"Bundle","type":"batch"}', 422),
                             (b'{"resourceType":"Bundle","resourceType":"Bundle"}', 400),
                             (b"\xff\xfe{", 400), (b"[" * 100000, 400)):
            with self.subTest(body=body[:40]):
                response = support.request("POST", self.gateway.base, FHIR_JSON, body)
                self.assertIn(response.status, (400, 422) if status == 422 else (status,), response)
                self.assertEqual(response.json()["resourceType"], "OperationOutcome")

    def test_media_types(self):
        for headers, status in (({"Content-Type": "text/html"}, 415), ({}, 415),
                                ({"Content-Type": "application/fhir+json; charset=utf-16"}, 415),
                                ({"Content-Type": "application/fhir+json", "Accept": "text/html"}, 406)):
            with self.subTest(headers=headers):
                response = support.request("POST", self.gateway.base, headers, b"{}")
                self.assertEqual(response.status, status, response)

    def test_methods(self):
        for method, path, allow in (("PUT", "", "POST"), ("DELETE", "/DocumentReference/x", "GET, HEAD, PUT, PATCH"),
                                    ("POST", "/DocumentReference/x", "GET, HEAD, PUT, DELETE, PATCH"),
                                    ("GET", "/DocumentReference/_search", "GET, HEAD, POST")):
            response = support.request(method, self.gateway.base + path)
            if path.endswith("_search"):
                self.assertIn(response.status, (400, 404, 405), response)
            else:
                self.assertStatus(response, 405)
                self.assertEqual(response.header("Allow"), allow)

    def test_entry_uuids_of_the_client_are_kept(self):
        """TF-3 4.2.3.2.7: a source may choose the entryUUID. Any mark or none says what the identifier is."""
        bundle = support.demo_bundle(b"x", "text/plain")
        kinds = "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType"
        marks = ({"use": "official"}, {"type": {"coding": [{"system": kinds, "code": "entryUUID"}]}})
        sent = []
        for entry, mark in zip(bundle["entry"], marks):
            sent.append("urn:uuid:" + str(uuid.uuid4()))
            entry["resource"].setdefault("identifier", []).append(
                dict(mark, system="urn:ietf:rfc:3986", value=sent[-1].upper().replace("URN:UUID", "urn:uuid")))
        answer = self.publish(bundle)
        for kind, location, value in zip(("List", "DocumentReference"), locations(answer), sent):
            found = self.gateway.find(kind, identifier="urn:ietf:rfc:3986|" + value).json()
            self.assertEqual([entry["resource"]["id"] for entry in found["entry"]], [location.split("/")[1]])
        self.assertEqual(locations(self.publish(bundle)), locations(answer), "the same submission again")
        again = support.demo_bundle(b"y", "text/plain")
        again["entry"][1]["resource"]["identifier"] = bundle["entry"][1]["resource"]["identifier"]
        self.refused(again, 422, "Bundle.entry[1]", "XDSRegistryMetadataError")

    def test_what_is_not_kept_is_said(self):
        bundle = support.demo_bundle(b"x", "text/plain")
        for entry in bundle["entry"][:2]:
            entry["resource"]["meta"]["security"] = [
                {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]
        foreign = {"url": "http://example.org/priority", "valueString": "high"}
        bundle["entry"][1]["resource"].setdefault("extension", []).append(foreign)
        answer = self.publish(bundle)
        for index, places in enumerate((["meta.security"], ["meta.security", "extension[0]"])):
            issues = answer["entry"][index]["response"]["outcome"]["issue"]
            self.assertEqual([(each["severity"], each["expression"]) for each in issues],
                             [("information", ["Bundle.entry[%d].resource.%s" % (index, place)]) for place in places])
        self.assertNotIn("outcome", self.publish(support.demo_bundle(b"y", "text/plain"))["entry"][1]["response"])

    def test_same_submission_twice_is_stored_once(self):
        old = self.absolute(locations(self.publish(support.demo_bundle(b"old", "text/plain")))[1])
        bundle = support.demo_bundle(support.demo_letter())
        bundle["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": old}}]
        first = self.publish(bundle)
        again = self.publish(bundle)
        self.assertEqual(locations(again), locations(first))
        self.assertIn("stored before", json.dumps(again))
        found = self.gateway.find(identifier="urn:oid:" + support.document_oid(bundle)).json()
        self.assertEqual(found["total"], 1)

    def test_same_submission_set_with_another_document(self):
        first = support.demo_bundle(support.demo_letter())
        self.publish(first)
        second = support.demo_bundle(support.demo_letter())
        second["entry"][0]["resource"]["identifier"] = first["entry"][0]["resource"]["identifier"]
        self.refused(second, 409, code="XDSDuplicateUniqueIdInRegistry")

    def test_same_unique_id_with_other_bytes(self):
        first = support.demo_bundle(b"first", "text/plain")
        self.publish(first)
        second = support.demo_bundle(b"second", "text/plain")
        second["entry"][1]["resource"]["masterIdentifier"] = first["entry"][1]["resource"]["masterIdentifier"]
        self.refused(second, 409, code="XDSNonIdenticalHash")

    def test_replace(self):
        old = support.demo_bundle(b"old", "text/plain")
        old_location = self.absolute(locations(self.publish(old))[1])
        new = support.demo_bundle(b"new", "text/plain")
        new["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": old_location}}]
        new_location = self.absolute(locations(self.publish(new))[1])
        self.assertEqual(support.request("GET", old_location).json()["status"], "superseded")
        read = support.request("GET", new_location).json()
        self.assertEqual(read["relatesTo"][0]["code"], "replaces")
        self.assertEqual(self.absolute(read["relatesTo"][0]["target"]["reference"]), old_location)
        gone = support.request("GET", self.absolute(
            support.request("GET", old_location).json()["content"][0]["attachment"]["url"]))
        self.assertEqual(gone.status, 410, gone)

    def test_target_that_is_not_there(self):
        bundle = support.demo_bundle(support.demo_letter())
        bundle["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": self.gateway.base + "/DocumentReference/abcdefgh"}}]
        self.refused(bundle, 422, expression="relatesTo")


    def test_xml_bundle(self):
        """The same publication written as XML, with a document too long for an attribute of libxml2's taste."""
        document = bytes(range(256)) * 50000
        with open(support.ROOT + "/tests/system/minimal-bundle.xml", encoding="utf-8") as file:
            text = file.read()
        oid = support.fresh_oid(1)
        text = text.replace("@SET@", support.fresh_oid(7)).replace("@DOCUMENT@", oid).replace(
            "@DATA@", base64.b64encode(document).decode())
        response = support.request("POST", self.gateway.base, {"Content-Type": "application/fhir+xml; charset=utf-8",
                                                               "Accept": "application/fhir+json"}, text.encode())
        self.assertStatus(response, 200)
        attachment = self.find_one(oid)["content"][0]["attachment"]
        self.assertEqual(attachment["title"], "Größe & <Farbe>")
        self.assertTrue(support.request("GET", attachment["url"]).body == document)

    def test_contained_patient(self):
        bundle = support.demo_bundle(support.demo_letter())
        for entry in bundle["entry"][:2]:
            resource = entry["resource"]
            identifier = resource["subject"]["identifier"]
            resource.setdefault("contained", []).append(
                {"resourceType": "Patient", "id": "who", "identifier": [identifier]})
            resource["subject"] = {"reference": "#who"}
        answer = self.publish(bundle)
        read = support.request("GET", self.absolute(locations(answer)[1])).json()
        self.assertEqual(read["subject"]["identifier"]["value"], support.PATIENT)

    def test_two_patients_in_one_bundle(self):
        bundle = support.demo_bundle(support.demo_letter())
        bundle["entry"][1]["resource"]["subject"]["identifier"]["value"] = "IHEBLUE-1002"
        self.refused(bundle, 422, expression="subject")

    def test_empty_document(self):
        bundle = support.demo_bundle(b"", "text/plain")
        self.refused(bundle, 400, expression="data")  # FHIR knows no empty values
        bundle["entry"][2]["resource"].pop("data")
        self.refused(bundle, 422)

    def test_several_documents(self):
        bundle = support.demo_bundle(b"one", "text/plain")
        for number in (2, 3):
            more = support.demo_bundle(b"document %d" % number, "text/plain")
            bundle["entry"][0]["resource"]["entry"] += more["entry"][0]["resource"]["entry"]
            bundle["entry"] += more["entry"][1:]
        answer = self.publish(bundle)
        self.assertEqual(len(set(locations(answer))), 7)
        for index, expected in ((2, b"one"), (4, b"document 2"), (6, b"document 3")):
            self.assertEqual(support.request("GET", self.absolute(locations(answer)[index])).body, expected)


class SmallLimits(support.Stand):
    gateway_overrides = {"limits": {"body_bytes": 200000}}

    def test_too_large(self):
        bundle = support.demo_bundle(b"x" * 200000, "text/plain")
        response = self.gateway.publish(bundle)
        self.assertEqual(response.status, 413, response)
        self.assertEqual(response.json()["resourceType"], "OperationOutcome")


class Unclear(support.Stand):
    """Between gateway and domain stands the proxy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        back_end = cls.domain.back_end(
            registry_url=cls.proxy.url("/registry"), provide_url=cls.proxy.url("/repository"), timeout_ms=3000,
            breaker_failures=0,  # each test spoils calls, and the next one asks again
            repositories=[{"unique_id": support.REPOSITORY, "url": cls.proxy.url("/repository")}])
        cls.gateway = support.Gateway(cls.directory, [back_end], name="behind-proxy")
        cls.addClassCleanup(cls.gateway.kill)

    def setUp(self):
        self.proxy.clear()

    def entries_of(self, bundle):
        found = self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle)).json()
        return found["total"]

    def test_answer_lost_after_it_was_stored(self):
        """Stored, but nobody said so: the registry is asked, and the client hears that it is there."""
        behaviours = (proxy.lost_answer, proxy.half_answer, proxy.done_but(200, "text/html", b"<html>gateway</html>"),
                      proxy.done_but(200, "application/soap+xml", b""), proxy.done_but(502, "text/plain", b"bad gateway"))
        for behaviour in behaviours:
            self.proxy.clear()
            bundle = support.demo_bundle(support.demo_letter())
            self.proxy.script(PROVIDE, behaviour)
            answer = self.publish(bundle)
            self.assertEqual(self.proxy.count(PROVIDE), 1, "sent once")
            self.assertIn("warning", json.dumps(answer))
            self.assertEqual(self.entries_of(bundle), 1)

    def test_request_lost_before_it_was_stored(self):
        bundle = support.demo_bundle(support.demo_letter())
        self.proxy.script(PROVIDE, proxy.lost_request)
        response = self.gateway.publish(bundle)
        self.assertIn(response.status, (502, 503, 504), response)
        self.assertEqual(self.proxy.count(PROVIDE), 1, "sent once, never again by itself")
        self.assertEqual(self.proxy.count(QUERY), 1, "the registry was asked")
        self.assertEqual(self.entries_of(bundle), 0)
        self.publish(bundle)  # the client's own retry goes through
        self.assertEqual(self.entries_of(bundle), 1)

    def test_registry_silent_too(self):
        bundle = support.demo_bundle(support.demo_letter())
        self.proxy.script(PROVIDE, proxy.lost_answer)
        self.proxy.script(QUERY, proxy.lost_answer, proxy.lost_answer)
        response = self.gateway.publish(bundle)
        self.assertEqual(response.status, 502, response)
        self.assertIn("not certain", json.dumps(response.json()))
        self.publish(bundle)  # the client asks for it again, and it is stored once
        self.assertEqual(self.entries_of(bundle), 1)

    def test_too_slow(self):
        bundle = support.demo_bundle(support.demo_letter())
        go = threading.Event()
        self.addCleanup(go.set)
        self.proxy.script(PROVIDE, proxy.held(go, proxy.lost_request))
        response = self.gateway.publish(bundle)
        self.assertEqual(response.status, 504, response)
        self.assertEqual(self.proxy.count(PROVIDE), 1)

    def test_warm_connection_that_has_died(self):
        """A query leaves a connection open; it is cut behind the gateway's back. Nothing may be sent twice."""
        for _ in range(3):
            self.gateway.find()
            for exchange in self.proxy.seen:
                exchange.connection.close()
            self.proxy.clear()
            bundle = support.demo_bundle(support.demo_letter())
            self.publish(bundle)
            self.assertEqual(self.proxy.count(PROVIDE), 1)
            self.assertEqual(self.entries_of(bundle), 1)

    def test_refusal_is_no_unclear_end(self):
        bundle = support.demo_bundle(support.demo_letter(), patient="NOBODY-1")
        self.assertStatus(self.gateway.publish(bundle), 422)
        self.assertEqual(self.proxy.count(QUERY), 0)

    def test_garbage_to_a_query(self):
        for behaviour, status in ((proxy.answering(200, "text/html", b"<html></html>"), 502),
                                  (proxy.answering(200, "application/soap+xml", b""), 502),
                                  (proxy.answering(200, "application/soap+xml", b"<x/>"), 502),
                                  (proxy.answering(200, "application/soap+xml", b"<!DOCTYPE a><a/>"), 502),
                                  (proxy.answering(503, "text/plain", b"later"), 503),
                                  (proxy.answering(302, "text/plain", b""), 502),
                                  (proxy.half_answer, 502),
                                  (proxy.lost_answer, 502)):
            self.proxy.script(QUERY, behaviour, behaviour)
            response = self.gateway.find()
            self.assertEqual(response.status, status, response)
            self.assertEqual(response.json()["resourceType"], "OperationOutcome")
            self.proxy.clear()


class Down(support.Stand):
    def test_no_back_end(self):
        self.domain.stop()
        response = self.gateway.publish(support.demo_bundle(support.demo_letter()))
        self.assertEqual(response.status, 503, response)
        self.assertIsNotNone(response.header("Retry-After"))
        self.assertEqual(self.gateway.find().status, 503)
        self.assertEqual(support.request("GET", self.gateway.base + "/metadata").status, 200)
        type(self).domain = support.Domain(self.directory, port=self.domain.port)
        self.assertEqual(self.gateway.find().status, 200)


if __name__ == "__main__":
    unittest.main()
