"""Update, patch and delete of documents through the gateway: FHIR outside, ITI-57, 62 and 86 inside."""
import base64
import copy
import hashlib
import json
import os
import threading
import unittest
import urllib.parse

import proxy
import support
import trust
import validator
import xds

FHIR = "application/fhir+json"
JSON_PATCH = "application/json-patch+json"


def patch(path, value, kind="replace", **more):
    """One operation of a FHIRPath Patch."""
    parts = [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}]
    if value is not None:
        parts.append(dict({"name": "value"}, **value))
    for name, each in more.items():
        parts.append(dict({"name": name}, **{"valueString" if isinstance(each, str) else "valueInteger": each}))
    return {"name": "operation", "part": parts}


def parameters(*operations):
    return {"resourceType": "Parameters", "parameter": list(operations)}


class UpdateStand(support.Stand):
    """delete_url and remove_url are there; DELETE removes."""
    gateway_overrides = {"publication": {"delete": "remove"}}
    back_end = {"delete_url", "remove_url"}
    patients = ["IHEBLUE-10%02d" % number for number in range(1, 11)]

    @classmethod
    def setUpClass(cls):
        offered = cls.back_end

        class Domain(support.Domain):
            def back_end(self, **overrides):
                entry = super().back_end(**overrides)
                if "delete_url" in offered:
                    entry["delete_url"] = self.registry_url
                if "remove_url" in offered:
                    entry["repositories"][0]["remove_url"] = self.repository_url
                return entry

        os.environ.pop("PASSERELLE_DOMAIN_RECORD", None)
        before = support.Domain
        support.Domain = Domain
        try:
            super().setUpClass()
        finally:
            support.Domain = before

    def setUp(self):
        self.patient = self.patients[hash(self.id()) % len(self.patients)]

    def published(self, content=b"a letter", **more):
        """A fresh document: its bundle, its resource as it is read, and its ETag."""
        bundle = support.demo_bundle(content, "text/plain", patient=self.patient)
        bundle["entry"][1]["resource"].update(more)
        self.publish(bundle)
        found = self.found(support.document_oid(bundle))[0]
        return bundle, *self.read(found["id"])

    def found(self, oid, **more):
        query = dict({"identifier": "urn:ietf:rfc:3986|urn:oid:" + oid}, **more)
        answer = self.assertStatus(support.request(
            "GET", self.gateway.base + "/DocumentReference?" + urllib.parse.urlencode(query)), 200)
        return trust.matches(answer.json())

    def read(self, name):
        answer = self.assertStatus(support.request("GET", self.gateway.base + "/DocumentReference/" + name), 200)
        return answer.json(), answer.header("ETag")

    def send(self, method, name, body=None, content_type=FHIR, **headers):
        headers = {key.replace("_", "-"): value for key, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = content_type
        return support.request(method, self.gateway.base + "/DocumentReference/" + name, headers,
                               None if body is None else json.dumps(body).encode())

    def put(self, resource, **headers):
        return self.send("PUT", resource["id"], resource, **headers)

    def soap(self, query, parameter, value, *more):
        answer = xds.Answer(support.request(
            "POST", self.domain.registry_url,
            {"Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % xds.STORED_QUERY},
            xds.envelope(xds.STORED_QUERY, xds.stored_query(query, [(parameter, "('%s')" % value), *more])).encode()))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        return answer.objects

    def versions(self, bundle):
        return self.soap(xds.GET_DOCUMENTS, "XDSDocumentEntryUniqueId", support.document_oid(bundle),
                         ("MetadataLevel", "2"))

    def issue(self, answer, status, path=None):
        issues = self.assertStatus(answer, status).json()["issue"]
        if path:
            self.assertIn(path, [each.get("expression", [""])[0] for each in issues], issues)
        return issues


class Updates(UpdateStand):
    def test_put_makes_a_new_version(self):
        bundle, resource, etag = self.published()
        changed = copy.deepcopy(resource)
        changed["description"] = "Seen by the second reader"
        changed["content"][0]["attachment"]["title"] = "Another title"
        answer = self.assertStatus(self.put(changed, If_Match=etag), 200)
        after = answer.json()
        self.assertEqual(after["description"], "Seen by the second reader")
        self.assertEqual(after["content"][0]["attachment"]["title"], "Another title")
        self.assertEqual(after["id"], resource["id"])
        self.assertNotEqual(answer.header("ETag"), etag)
        again, new_etag = self.read(resource["id"])
        self.assertEqual(again, after)
        self.assertEqual(new_etag, answer.header("ETag"))
        # All but what was changed, and the id of the version, is as it was.
        for each in (again, resource):
            each.pop("description")
            each["content"][0]["attachment"].pop("title")
            each["identifier"] = [one for one in each["identifier"] if not one["value"].startswith("urn:uuid:")]
        self.assertEqual(again, resource)
        versions = self.versions(bundle)
        self.assertEqual([each.get("status") for each in versions], [xds.DEPRECATED, xds.APPROVED])
        self.assertEqual(versions[1].get("lid"), versions[0].get("id"))
        # The old ETag is of use no more.
        self.issue(self.put(changed, If_Match=etag), 412)
        # The document itself is what it was, under the same address.
        got = support.request("GET", after["content"][0]["attachment"]["url"])
        self.assertEqual((got.status, got.body), (200, b"a letter"))

    def test_what_is_read_and_sent_back_changes_nothing(self):
        bundle, resource, etag = self.published()
        answer = self.assertStatus(self.put(resource, If_Match=etag), 200)
        self.assertEqual((answer.json(), answer.header("ETag")), (resource, etag))
        self.assertEqual(len(self.versions(bundle)), 1)

    def test_xml_is_taken_too(self):
        _, resource, _ = self.published()
        text = support.request("GET", self.gateway.base + "/DocumentReference/" + resource["id"],
                               {"Accept": "application/fhir+xml"}).body
        changed = text.replace(b"<status value=\"current\"/>", b"<status value=\"superseded\"/>")
        self.assertNotEqual(changed, text)
        answer = support.request("PUT", self.gateway.base + "/DocumentReference/" + resource["id"],
                                 {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}, changed)
        self.assertStatus(answer, 200)
        self.assertIn(b"superseded", answer.body)

    def test_it_is_found_by_what_it_says_now(self):
        bundle, resource, _ = self.published()
        oid = support.document_oid(bundle)
        old = resource["type"]["coding"][0]
        new = {"system": "http://loinc.org", "code": "34133-9", "display": "Summary of episode note"}
        self.assertNotEqual(old["code"], new["code"])
        resource["type"] = {"coding": [new]}
        self.assertStatus(self.put(resource), 200)
        self.assertEqual(len(self.found(oid, type="http://loinc.org|34133-9")), 1)
        self.assertEqual(self.found(oid, type="%s|%s" % (old["system"], old["code"])), [])

    def test_history_is_kept_in_order(self):
        bundle, resource, etag = self.published()
        for number in range(3):
            answer = self.assertStatus(self.send("PATCH", resource["id"], [
                {"op": "add", "path": "/description", "value": "Reading %d" % number}], JSON_PATCH, If_Match=etag), 200)
            etag = answer.header("ETag")
        versions = self.versions(bundle)
        self.assertEqual([each.find("{%s}VersionInfo" % xds.RIM).get("versionName") for each in versions],
                         ["1", "2", "3", "4"])
        self.assertEqual([each.get("status") for each in versions], [xds.DEPRECATED] * 3 + [xds.APPROVED])
        self.assertEqual(len(self.soap(xds.GET_DOCUMENTS, "XDSDocumentEntryLogicalID", versions[0].get("id"),
                                       ("MetadataLevel", "2"))), 4)

    def test_of_two_writers_one_is_told(self):
        """Both mean the version that they read; with If-Match and without, whoever is second is told."""
        for with_tag in (True, False):
            bundle, resource, etag = self.published()
            answers = []

            def write(number, resource=resource, etag=etag, answers=answers, with_tag=with_tag):
                changed = dict(resource, description="By writer %d" % number)
                answers.append(self.put(changed, **({"If_Match": etag} if with_tag else {})))

            threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            statuses = [answer.status for answer in answers]
            self.assertEqual(set(statuses) - {200, 412}, set(), answers)
            if with_tag:
                self.assertEqual(statuses.count(200), 1, answers)
            # Each that was told 200 is a version, and nobody overwrote another unread.
            self.assertEqual(len(self.versions(bundle)), 1 + statuses.count(200))

    def test_headers_that_forbid(self):
        _, resource, etag = self.published()
        self.issue(self.put(resource, If_Match='W/"other"'), 412)
        self.issue(self.put(resource, If_None_Match="*"), 412)
        self.assertStatus(self.put(resource, If_Match='W/"other", ' + etag), 200)
        self.assertStatus(self.put(resource, If_Match="*"), 200)
        answer = self.assertStatus(self.put(dict(resource, description="Short"), Prefer="return=minimal"), 200)
        self.assertEqual(answer.body, b"")
        self.assertNotEqual(answer.header("ETag"), etag)

    def test_what_may_not_change(self):
        bundle, resource, _ = self.published()
        attachment = "content[0].attachment."

        def changed(change):
            other = copy.deepcopy(resource)
            change(other)
            return other

        hash_of_another = base64.b64encode(hashlib.sha1(b"another").digest()).decode()
        cases = {
            attachment + "hash": lambda each: each["content"][0]["attachment"].update(hash=hash_of_another),
            attachment + "size": lambda each: each["content"][0]["attachment"].update(size=7),
            attachment + "contentType": lambda each: each["content"][0]["attachment"].update(contentType="text/xml"),
            attachment + "data": lambda each: each["content"][0]["attachment"].update(data="YQ=="),
            "masterIdentifier": lambda each: each["masterIdentifier"].update(value="urn:oid:2.999.20.1.1"),
            "identifier": lambda each: each["identifier"].append({"system": "urn:example:x", "value": "1"}),
            "subject": lambda each: each.update(subject={"identifier": {
                "system": "urn:oid:" + support.AUTHORITY,
                "value": next(one for one in self.patients if one != self.patient)}}),
            "relatesTo": lambda each: each.update(relatesTo=[{"code": "replaces", "target": {
                "reference": "DocumentReference/" + resource["id"]}}]),
            "docStatus": lambda each: each.update(docStatus="preliminary"),
            "status": lambda each: each.update(status="current") or each.pop("status"),
        }
        for path, change in cases.items():
            with self.subTest(path=path):
                answer = self.put(changed(change))
                if path == "status":
                    self.issue(answer, 422)
                else:
                    self.issue(answer, 422, "DocumentReference." + path)
        self.issue(self.put(changed(lambda each: each["type"]["coding"][0].pop("code"))), 422)
        self.issue(self.put(dict(resource, nonsense=1)), 400)
        self.issue(self.put(dict(resource, resourceType="List")), 400)
        other = dict(resource, id="abc")
        self.issue(self.send("PUT", resource["id"], other), 400, "DocumentReference.id")
        self.assertEqual(len(self.versions(bundle)), 1)
        # The same patient in other words is the same patient.
        same = changed(lambda each: each.update(subject={"identifier": {"system": "urn:oid:" + support.AUTHORITY,
                                                                        "value": self.patient}}))
        self.assertStatus(self.put(same), 200)

    def test_json_patch(self):
        _, resource, _ = self.published()
        name = resource["id"]
        answer = self.assertStatus(self.send("PATCH", name, [
            {"op": "test", "path": "/status", "value": "current"},
            {"op": "add", "path": "/description", "value": "A ~ / b"},
            {"op": "replace", "path": "/content/0/attachment/title", "value": "Patched"}], JSON_PATCH), 200)
        self.assertEqual((answer.json()["description"], answer.json()["content"][0]["attachment"]["title"]),
                         ("A ~ / b", "Patched"))
        answer = self.assertStatus(self.send("PATCH", name, [{"op": "remove", "path": "/description"}], JSON_PATCH), 200)
        self.assertNotIn("description", answer.json())
        before = self.read(name)
        for operations, status in (
                ([{"op": "test", "path": "/status", "value": "superseded"}], 422),
                ([{"op": "replace", "path": "/nothing", "value": 1}], 422),
                ([{"op": "replace", "path": "/content/7/attachment/title", "value": "x"}], 422),
                ([{"op": "add", "path": "/content/01", "value": {}}], 422),
                ([{"op": "remove", "path": "/masterIdentifier"}], 422),
                ([{"op": "replace", "path": "/resourceType", "value": "List"}], 422),
                ([{"op": "replace", "path": "", "value": {}}], 422),
                ([{"op": "move", "from": "/content", "path": "/content/0/x"}], 422),
                ([{"op": "replace", "path": "/id", "value": "x"}], 400),
                ([{"op": "add", "path": "/description", "value": 7}], 400),
                ([{"op": "explode", "path": "/status"}], 400), ([{"path": "/status"}], 400), ([7], 400), ({}, 400),
                ([{"op": "test", "path": "/status", "value": "current"}] * 101, 400),
                # Each copy doubles what is there.
                ([{"op": "copy", "from": "/content", "path": "/content/-"}] * 60, 400)):
            with self.subTest(operations=operations[:1] if isinstance(operations, list) else operations):
                self.issue(self.send("PATCH", name, operations, JSON_PATCH), status)
        self.assertEqual(self.read(name), before)
        text = b'[{"op":"remove","path":"/description"}],"x":[]'
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference/" + name, {"Content-Type": JSON_PATCH},
                                 text)
        self.issue(answer, 400)

    def test_fhirpath_patch(self):
        _, resource, _ = self.published()
        name = resource["id"]
        event = {"coding": [{"system": "http://loinc.org", "code": "34133-9", "display": "Summary of episode note"}]}
        answer = self.assertStatus(self.send("PATCH", name, parameters(
            patch("DocumentReference.content[0].attachment.title", {"valueString": "Patched"}),
            patch("DocumentReference.description", None, "delete"),
            patch("DocumentReference", {"valueString": "Added"}, "add", name="description"),
            patch("DocumentReference.context", {"valueCodeableConcept": event}, "add", name="event"))), 200)
        after = answer.json()
        self.assertEqual(after["content"][0]["attachment"]["title"], "Patched")
        self.assertEqual(after["description"], "Added")
        self.assertIn("34133-9", json.dumps(after["context"]["event"]))
        answer = self.assertStatus(self.send("PATCH", name, parameters(
            patch("DocumentReference.description", None, "delete"),
            patch("DocumentReference.description", None, "delete"))), 200)
        self.assertNotIn("description", answer.json())
        before = self.read(name)
        for operation, status in (
                (patch("DocumentReference.nothing", {"valueString": "x"}), 422),
                (patch("Patient.active", {"valueBoolean": True}), 422),
                (patch("DocumentReference.content.where(true)", {"valueString": "x"}), 422),
                (patch("DocumentReference.content[3].attachment.title", {"valueString": "x"}), 422),
                (patch("DocumentReference.status", {"valueCode": "current"}, "add", name="x"), 422),
                (patch("DocumentReference.masterIdentifier.value", {"valueUri": "urn:oid:2.999.1"}), 422),
                (patch("DocumentReference.status", None), 400),
                (patch("DocumentReference.status", {"valueCode": "current"}, "explode"), 400)):
            with self.subTest(operation=operation):
                self.issue(self.send("PATCH", name, parameters(operation)), status)
        self.issue(self.send("PATCH", name, resource), 400)
        self.assertEqual(self.read(name), before)

    def test_other_bodies_are_refused(self):
        _, resource, _ = self.published()
        answer = self.send("PATCH", resource["id"], [], "text/plain")
        self.issue(answer, 415)
        self.assertIn(JSON_PATCH, answer.header("Accept-Patch"))
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference", {"Content-Type": JSON_PATCH}, b"[]")
        self.assertStatus(answer, 405)
        answer = self.send("POST", resource["id"], {})
        self.assertStatus(answer, 405)
        self.assertEqual(answer.header("Allow"), "GET, HEAD, PUT, DELETE, PATCH")

    def test_a_status_hides_and_shows_again(self):
        for body, content_type in (
                ([{"op": "replace", "path": "/status", "value": "superseded"}], JSON_PATCH),
                ([{"op": "replace", "path": "/status", "value": "entered-in-error"}], JSON_PATCH),
                ([{"op": "add", "path": "/docStatus", "value": "entered-in-error"}], JSON_PATCH),
                (parameters(patch("DocumentReference.status", {"valueCode": "superseded"})), FHIR)):
            with self.subTest(body=body):
                bundle, resource, etag = self.published()
                oid = support.document_oid(bundle)
                answer = self.assertStatus(self.send("PATCH", resource["id"], body, content_type, If_Match=etag), 200)
                self.assertEqual(answer.json()["status"], "superseded")
                self.assertNotEqual(answer.header("ETag"), etag)
                self.assertEqual(self.found(oid, status="current"), [])
                self.assertEqual(len(self.found(oid, status="superseded")), 1)
                self.assertEqual(len(self.versions(bundle)), 1)
                self.assertEqual(self.read(resource["id"]), (answer.json(), answer.header("ETag")))
                self.assertStatus(self.send("PATCH", resource["id"], [
                    {"op": "replace", "path": "/status", "value": "current"}], JSON_PATCH), 200)
                self.assertEqual(len(self.found(oid, status="current")), 1)

    def test_status_and_metadata_at_once(self):
        bundle, resource, _ = self.published()
        answer = self.assertStatus(self.put(dict(resource, status="superseded", description="Replaced")), 200)
        self.assertEqual((answer.json()["status"], answer.json()["description"]), ("superseded", "Replaced"))
        self.assertEqual(self.read(resource["id"]), (answer.json(), answer.header("ETag")))
        self.assertEqual([each.get("status") for each in self.versions(bundle)], [xds.DEPRECATED, xds.DEPRECATED])

    def test_lists_folders_and_relations_follow(self):
        first = support.demo_bundle(b"first", "text/plain", patient=self.patient)
        support.add_folder(first, first["entry"][1]["fullUrl"])
        published = self.publish(first)
        added = support.demo_bundle(b"addendum", "text/plain", patient=self.patient)
        added["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(first)}}}]
        self.publish(added)
        resource = self.found(support.document_oid(first))[0]
        for _ in range(2):
            self.assertStatus(self.put(dict(resource, description=os.urandom(4).hex())), 200)
        reference = "DocumentReference/" + resource["id"]
        addendum = self.found(support.document_oid(added))[0]
        relations = [{"code": "appends", "target": {"reference": reference}}]
        self.assertEqual(addendum["relatesTo"], relations)
        answer = self.assertStatus(self.put(dict(addendum, description="Better")), 200)
        self.assertEqual(answer.json()["relatesTo"], relations)
        self.assertEqual(self.read(addendum["id"])[0]["relatesTo"], relations)
        # The submission set and the folder hold the document that they held.
        for index in (0, 3):
            location = published["entry"][index]["response"]["location"].split("/_history")[0]
            path = location if location.startswith("http") else self.gateway.base + "/" + location
            held = self.assertStatus(support.request("GET", path), 200).json()
            self.assertIn(reference, [entry["item"]["reference"] for entry in held.get("entry", [])], held)
        for code in ("submissionset", "folder"):
            query = urllib.parse.urlencode({"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.patient),
                                            "code": code, "status": "current"})
            lists = trust.matches(support.request("GET", self.gateway.base + "/List?" + query).json())
            self.assertTrue(any(reference in json.dumps(each.get("entry")) for each in lists), lists)
        # It can still be replaced, by its id.
        newer = support.demo_bundle(b"newer", "text/plain", patient=self.patient)
        newer["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"reference": reference}}]
        self.publish(newer)
        self.assertEqual(self.read(resource["id"])[0]["status"], "superseded")

    def test_delete_removes_metadata_and_bytes(self):
        bundle, resource, etag = self.published(os.urandom(100))
        binary = resource["content"][0]["attachment"]["url"]
        files = self.files()
        self.assertStatus(self.put(dict(resource, description="Second version")), 200)
        self.issue(self.send("DELETE", resource["id"], If_Match=etag), 412)
        _, etag = self.read(resource["id"])
        answer = self.assertStatus(self.send("DELETE", resource["id"], If_Match=etag), 204)
        self.assertEqual(answer.body, b"")
        self.assertStatus(support.request("GET", binary), 404)
        self.issue(self.send("GET", resource["id"]), 404)
        self.issue(self.send("DELETE", resource["id"]), 404)
        self.issue(self.put(resource), 404)
        self.assertEqual(self.found(support.document_oid(bundle)), [])
        self.assertEqual(self.versions(bundle), [])
        self.assertEqual(self.files(), files - 1)

    def files(self):
        return sum(len(names) for _, _, names in os.walk(os.path.join(self.directory, "hcm", "documents")))

    def test_delete_leaves_neighbours(self):
        first = support.demo_bundle(b"in a folder", "text/plain", patient=self.patient)
        support.add_folder(first, first["entry"][1]["fullUrl"])
        self.publish(first)
        added = support.demo_bundle(b"about it", "text/plain", patient=self.patient)
        added["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {
            "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + support.document_oid(first)}}}]
        self.publish(added)
        resource = self.found(support.document_oid(first))[0]
        self.assertStatus(self.put(dict(resource, description="Second version")), 200)
        self.assertStatus(self.send("DELETE", resource["id"]), 204)
        addendum = self.found(support.document_oid(added))[0]
        self.assertNotIn("relatesTo", addendum)
        self.assertStatus(self.send("DELETE", addendum["id"]), 204)

    def test_bytes_of_another_entry_stay(self):
        bundle, resource, _ = self.published(b"twice registered")
        again = copy.deepcopy(bundle)
        fresh = support.demo_bundle(b"twice registered", "text/plain", patient=self.patient)
        again["entry"][0] = fresh["entry"][0]
        text = json.dumps(again).replace(bundle["entry"][1]["fullUrl"], fresh["entry"][1]["fullUrl"])
        again = json.loads(text.replace(bundle["entry"][2]["fullUrl"], fresh["entry"][2]["fullUrl"]))
        again["entry"][0]["resource"]["entry"] = fresh["entry"][0]["resource"]["entry"]
        self.publish(again)
        shown = self.found(support.document_oid(bundle))
        self.assertEqual(len(shown), 1)
        self.assertStatus(self.send("DELETE", shown[0]["id"]), 204)
        left = self.found(support.document_oid(bundle))
        self.assertEqual(len(left), 1)
        self.assertNotEqual(left[0]["id"], shown[0]["id"])
        self.assertEqual(support.request("GET", left[0]["content"][0]["attachment"]["url"]).body, b"twice registered")

    def test_the_statement_says_so(self):
        statement = support.request("GET", self.gateway.base + "/metadata").json()
        resource = next(each for each in statement["rest"][0]["resource"] if each["type"] == "DocumentReference")
        codes = {each["code"] for each in resource["interaction"]}
        self.assertEqual(codes, {"read", "search-type", "update", "patch", "delete"})

    def test_answers_are_valid(self):
        _, resource, _ = self.published()
        answer = self.assertStatus(self.put(dict(resource, description="Valid")), 200)
        updated = answer.json()
        updated.pop("meta")  # the profiles are held against what the mapper writes elsewhere
        self.assertEqual(validator.errors({"updated": updated}, self.directory), [])


class Wire(UpdateStand):
    """What goes over the wire, and what does not come back."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.received = os.path.join(cls.directory, "received")
        os.mkdir(cls.received)
        os.environ["PASSERELLE_DOMAIN_RECORD"] = cls.received
        cls.addClassCleanup(os.environ.pop, "PASSERELLE_DOMAIN_RECORD", None)
        port = cls.domain.port
        cls.domain.stop()
        cls.domain = support.Domain(cls.directory, port=port)
        cls.addClassCleanup(cls.domain.kill)
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % port)
        cls.addClassCleanup(cls.proxy.close)
        back_end = cls.domain.back_end(
            registry_url=cls.proxy.url("/registry"), delete_url=cls.proxy.url("/registry"), timeout_ms=3000,
            repositories=[{"unique_id": support.REPOSITORY, "url": cls.domain.repository_url,
                           "remove_url": cls.proxy.url("/repository")}])
        cls.gateway.stop()
        cls.gateway = support.Gateway(cls.directory, [back_end], name="behind-proxy",
                                      **copy.deepcopy(cls.gateway_overrides))
        cls.addClassCleanup(cls.gateway.kill)

    def setUp(self):
        super().setUp()
        self.proxy.clear()

    def test_a_lost_answer_is_looked_up(self):
        for behaviour in (proxy.lost_answer, proxy.half_answer, proxy.done_but(502, "text/plain", b"bad gateway")):
            with self.subTest(behaviour=behaviour.__name__):
                bundle, resource, etag = self.published()
                self.proxy.script("UpdateDocumentSet", behaviour)
                answer = self.assertStatus(self.put(dict(resource, description="Once"), If_Match=etag), 200)
                self.assertEqual(self.read(resource["id"])[0], answer.json())
                self.assertEqual(len(self.versions(bundle)), 2)
                self.proxy.script("DeleteDocumentSet", behaviour)
                self.assertStatus(self.send("DELETE", resource["id"]), 204)
                self.assertEqual(self.versions(bundle), [])

    def test_a_lost_request_changes_nothing(self):
        bundle, resource, etag = self.published()
        self.proxy.script("UpdateDocumentSet", proxy.lost_request)
        answer = self.put(dict(resource, description="Never"), If_Match=etag)
        self.assertIn(answer.status, (502, 503), answer)
        self.assertEqual(self.read(resource["id"]), (resource, etag))
        self.assertEqual(len(self.versions(bundle)), 1)
        self.proxy.script("RemoveDocuments", proxy.lost_request)
        self.assertStatus(self.send("DELETE", resource["id"]), 204)
        self.assertStatus(self.send("GET", resource["id"]), 404)

    def test_a_race_lost_in_the_registry(self):
        """Another writer was faster, after the gateway had looked."""
        bundle, resource, etag = self.published()

        def overtaken(exchange):
            other = self.soap(xds.GET_DOCUMENTS, "XDSDocumentEntryUniqueId", support.document_oid(bundle))[0]
            status = xds.submit_objects(
                xds.submission_set("set", support.fresh_oid(7), self.patient),
                xds.association(xds.UPDATE_STATUS, "set", other.get("id"),
                                xds.slot("OriginalStatus", xds.APPROVED) + xds.slot("NewStatus", xds.DEPRECATED)))
            support.request("POST", self.domain.registry_url, {
                "Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % xds.UPDATE},
                xds.envelope(xds.UPDATE, status).encode())
            proxy.passing(exchange)

        self.proxy.script("UpdateDocumentSet", overtaken)
        self.issue(self.send("PATCH", resource["id"], [{"op": "replace", "path": "/status", "value": "superseded"}],
                             JSON_PATCH, If_Match=etag), 412)

    def test_what_fhir_has_no_place_for_stays(self):
        oid = support.fresh_oid(1)
        entry = xds.entry("doc", oid, self.patient, xds.slot("urn:example:extra", "kept")).replace(
            '<rim:LocalizedString value="Plainly fictional letter"/>',
            '<rim:LocalizedString value="Plainly fictional letter"/>'
            '<rim:LocalizedString xml:lang="fr" value="Lettre fictive"/>')
        body = xds.provide([xds.submission_set("set", support.fresh_oid(7), self.patient), entry,
                            xds.member("set", "doc")], [("doc", xds.include("doc@tests"))])
        answer = xds.Answer(support.request("POST", self.domain.repository_url,
                                            {"Content-Type": xds.package_type(xds.PROVIDE)},
                                            xds.package(xds.envelope(xds.PROVIDE, body), [xds.part("doc@tests", b"x")])))
        self.assertEqual(answer.outcome, "Success", repr(answer))
        resource = self.found(oid)[0]
        self.assertStatus(self.put(dict(resource, description="New"), Prefer="return=minimal"), 200)
        item = self.soap(xds.GET_DOCUMENTS, "XDSDocumentEntryUniqueId", oid)[0]
        text = "".join(item.itertext())
        values = [each.get("value") for each in item.iter("{%s}LocalizedString" % xds.RIM)]
        self.assertIn("kept", text)
        self.assertIn("Lettre fictive", values)
        self.assertIn("New", values)

    def test_messages_are_valid(self):
        self.test_a_lost_answer_is_looked_up()
        _, resource, _ = self.published()
        self.assertStatus(self.put(dict(resource, status="superseded", description="Both")), 200)
        texts = []
        for name in sorted(os.listdir(self.received)):
            with open(os.path.join(self.received, name), "rb") as file:
                texts.append(file.read())
        for action in (xds.UPDATE, xds.REMOVE_METADATA, xds.REMOVE_DOCUMENTS):
            self.assertTrue(any(action.encode() in text for text in texts), action)
        self.assertEqual(xds.schema_faults(texts), [])


class Deprecates(UpdateStand):
    """DELETE deprecates, or cannot remove: it is the same."""
    gateway_overrides = {"publication": {"delete": "remove"}}
    back_end = set()

    def test_delete_deprecates(self):
        bundle, resource, etag = self.published()
        self.assertStatus(self.send("DELETE", resource["id"], If_Match=etag), 204)
        self.assertEqual(self.read(resource["id"])[0]["status"], "superseded")
        self.assertStatus(self.send("DELETE", resource["id"]), 204)
        self.assertEqual(len(self.versions(bundle)), 1)


class Refuses(support.Stand):
    """Who does not configure deletion has none."""

    def test_delete_is_refused(self):
        bundle = support.demo_bundle(b"stays", "text/plain")
        self.publish(bundle)
        resource = self.find_one(support.document_oid(bundle))
        answer = self.assertStatus(support.request("DELETE", self.gateway.base + "/DocumentReference/" + resource["id"]),
                                   405)
        self.assertEqual(answer.header("Allow"), "GET, HEAD, PUT, PATCH")
        statement = support.request("GET", self.gateway.base + "/metadata").json()
        resource = next(each for each in statement["rest"][0]["resource"] if each["type"] == "DocumentReference")
        self.assertNotIn("delete", {each["code"] for each in resource["interaction"]})


class WhoMay(trust.TrustStand):
    gateway_overrides = {"publication": {"delete": "deprecate"}}
    SCOPES = "user/DocumentReference.%s user/Binary.cr user/List.crs"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.writer = cls.scoped("cruds")
        cls.bundle = support.demo_bundle(b"a letter", "text/plain", patient="IHEBLUE-1004")
        answer = support.request("POST", cls.gateway.base, dict(trust.FHIR, Authorization="Bearer " + cls.doctor),
                                 json.dumps(cls.bundle).encode())
        assert answer.status == 200, answer

    @classmethod
    def scoped(cls, letters):
        return cls.token("--role", "doctor", "--user", "doctor-1", "--scope", cls.SCOPES % letters)

    def reference(self, token=None):
        oid = support.document_oid(self.bundle)
        return trust.matches(self.search(token or self.doctor, patient="IHEBLUE-1004", identifier="urn:ietf:rfc:3986|urn:oid:" + oid))[0]

    def write(self, token, text="Changed"):
        resource = self.reference()
        resource["description"] = text
        return self.send("PUT", "/DocumentReference/" + resource["id"], token, resource)

    def test_scopes(self):
        for letters, method, status in (("crs", "PUT", 403), ("crs", "DELETE", 403), ("u", "DELETE", 403),
                                        ("d", "PUT", 403), ("ru", "PUT", 200), ("u", "PUT", 200)):
            with self.subTest(letters=letters, method=method):
                if method == "PUT":
                    answer = self.write(self.scoped(letters), "By " + letters + status.__str__())
                else:
                    answer = self.send("DELETE", "/DocumentReference/" + self.reference()["id"], self.scoped(letters))
                self.assertStatus(answer, status)
        self.assertStatus(self.write(self.nurse), 403)
        self.assertStatus(self.write(None), 401)

    def test_what_one_may_not_see_is_not_there(self):
        resource = self.reference()
        path = "/DocumentReference/" + resource["id"]
        stranger = self.token("--role", "patient", "--user", "patient-x", "--patient",
                              "%s|%s" % (trust.PATIENT_SYSTEM, "IHEBLUE-1005"),
                              "--scope", "patient/DocumentReference.cruds")
        for method, body in (("PUT", resource), ("DELETE", None)):
            self.assertStatus(self.send(method, path, stranger, body), 404)
        consent = self.consent(trust.hide_document(support.document_oid(self.bundle)), "IHEBLUE-1004")
        for method, body in (("PUT", resource), ("DELETE", None)):
            self.assertStatus(self.send(method, path, self.writer, body), 404)
        self.revoke(consent, "IHEBLUE-1004")
        self.assertStatus(self.send("GET", path, self.writer), 200)

    def test_what_is_hidden_stays_hidden_when_it_changes(self):
        """A consent means the document, whichever version of it."""
        consent = self.consent({"type": "permit", "provision": [{"type": "deny", "data": [{
            "meaning": "instance", "reference": {"reference": "DocumentReference/" + self.reference()["id"]}}]}]},
            "IHEBLUE-1004")
        self.assertEqual(self.found(self.doctor, patient="IHEBLUE-1004"), set())
        self.revoke(consent, "IHEBLUE-1004")
        self.assertStatus(self.write(self.writer, "Now another version"), 200)
        consent = self.consent({"type": "permit", "provision": [{"type": "deny", "data": [{
            "meaning": "instance", "reference": {"reference": "DocumentReference/" + self.reference()["id"]}}]}]},
            "IHEBLUE-1004")
        self.addCleanup(self.revoke, consent, "IHEBLUE-1004")
        self.assertEqual(self.found(self.doctor, patient="IHEBLUE-1004"), set())

    def test_it_is_recorded(self):
        self.assertStatus(self.write(self.writer, "For the record"), 200)
        patient = self.patient("IHEBLUE-1004")
        query = urllib.parse.urlencode({"patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, "IHEBLUE-1004"),
                                        "date": "ge2020-01-01"})

        def kinds():
            bundle = self.assertStatus(self.send("GET", "/AuditEvent?" + query, patient), 200).json()
            events = [entry["resource"] for entry in bundle.get("entry", []) if
                      entry["resource"]["resourceType"] == "AuditEvent"]
            return {(event["action"], each["code"]) for event in events for each in event.get("subtype", [])}

        support.wait_until(lambda: {("U", "update"), ("U", "ITI-57")} <= kinds(), "the events of an update", 20)


if __name__ == "__main__":
    unittest.main()
