"""Updates and deletions, in an outage, of documents that the gateway knows nothing of: the requests are kept, and decided
when the registry can be asked."""
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest

import proxy
import support
import test_update_outage
import trust
from test_outbox import PROVIDE, reference_location, tags
from test_outbox_trust import OTHER, Trusted
from test_update import JSON_PATCH, parameters, patch
from test_update_outage import UPDATE, Stand, by_entry_uuid, description

QUERY = "RegistryStoredQuery"
THIRD = "IHEBLUE-1007"


class Case(Stand):
    def setUp(self):
        super().setUp()
        self.other = support.Gateway(self.directory, [self.domain.back_end()], name="other")
        self.addCleanup(self.other.kill)

    def unseen(self, content):
        """A registered document that this gateway has never read: its bundle, its resource and its ETag, read elsewhere."""
        bundle = support.demo_bundle(content)
        location = reference_location(self.assertStatus(self.other.publish(bundle), 200).json())
        answer = self.assertStatus(support.request("GET", self.other.base + "/" + location), 200)
        return bundle, answer.json(), answer.header("ETag")

    def send(self, method, name, body, content_type="application/fhir+json", **headers):
        return support.request(method, self.url(name), dict({"Content-Type": content_type}, **headers),
                               json.dumps(body).encode())

    def put(self, resource, text, **headers):
        return self.send("PUT", resource["id"], dict(resource, description=text), **headers)

    def task(self, url, status=200):
        return self.assertStatus(support.request("GET", url.replace("/_async/", "/Task/")), status).json()



class CalledAlike(Case):
    """A uniqueId may be any URI, and so also what is another document's entryUUID."""
    def called_like(self, uuid):
        """Registered past this gateway, and read here; its id."""
        bundle = support.demo_bundle(b"<a>called alike</a>")
        bundle["entry"][1]["resource"]["masterIdentifier"]["value"] = uuid
        name = reference_location(self.assertStatus(self.other.publish(bundle), 200).json()).split("/")[1]
        self.read(name)
        return name

    def entry_uuid(self, name):
        return by_entry_uuid(None, self.read(name)[0])["identifier"]["value"]

    def test_a_change_is_made_of_the_one_that_was_named(self):
        _, name, _ = self.published(b"<a>named</a>")
        other = self.called_like(self.entry_uuid(name))
        self.domain.kill()
        urls = [self.waits(self.patch(name, "of the named")), self.waits(self.delete(other))]
        self.assertEqual([self.task(url)["focus"]["reference"] for url in urls],
                         ["DocumentReference/" + each for each in (name, other)])
        # What is dropped of one is not dropped of the other.
        urls.append(self.waits(self.patch(name, "once more")))
        self.assertEqual(self.task(urls[2])["focus"]["reference"], "DocumentReference/" + name)
        self.domain_restart()
        for url in urls:
            self.settled(url)
        self.assertEqual(self.read(name)[0]["description"], "once more")
        self.read(other, 404)

    def test_it_does_not_stand_in_for_what_waits(self):
        self.proxy.script(PROVIDE, *[proxy.lost_request] * 1000)
        url = self.accept(support.demo_bundle(b"<a>waiting</a>"))
        waiting = self.gateway.find().json()["entry"][0]["resource"]["id"]
        other = self.called_like(self.entry_uuid(waiting))
        self.domain.kill()
        self.assertEqual(tags(self.read(waiting)[0]), ["not-registered"])
        self.proxy.clear()
        self.domain_restart()
        self.delivered(url)
        self.assertNotEqual(self.read(other)[0]["identifier"], self.read(waiting)[0]["identifier"])


class Unseen(Case):
    def test_few_are_kept_of_one_document(self):
        resources = [self.unseen(b"<a>many %d</a>" % number)[1] for number in range(2)]
        self.domain.kill()
        urls = [self.waits(self.patch(resources[0]["id"], "once more")) for _ in range(16)]
        answer = self.assertStatus(self.patch(resources[0]["id"], "too much"), 503)
        self.assertGreaterEqual(int(answer.header("Retry-After")), 1)
        self.assertIn("about this document", answer.json()["issue"][0]["diagnostics"])
        self.waits(self.patch(resources[1]["id"], "another document"))
        self.assertStatus(support.request("DELETE", urls[3]), 202)
        self.waits(self.patch(resources[0]["id"], "in its place"))

    def test_each_kind_is_done_once(self):
        documents = [self.unseen(b"<a>%d</a>" % number) for number in range(4)]
        names = [resource["id"] for _, resource, _ in documents]
        self.domain.kill()
        urls = [self.waits(self.put(documents[0][1], "by PUT", **{"If-Match": documents[0][2]})),
                self.waits(self.patch(names[1], "by JSON Patch")),
                self.waits(self.send("PATCH", names[2], parameters(
                    patch("DocumentReference.description", {"valueString": "by FHIRPath Patch"})))),
                self.waits(self.delete(names[3]))]
        for name in names:
            self.assertIn(support.request("GET", self.url(name)).status, (502, 503))
        self.gateway.kill()
        self.gateway_restart()
        for name, url in zip(names, urls):
            task = self.task(url)
            self.assertIn(task["status"], ("requested", "in-progress"))
            self.assertEqual(task["focus"]["reference"], "DocumentReference/" + name)
            self.assertNotIn("for", task)
        self.domain_restart()
        for name, url, text in zip(names, urls, ("by PUT", "by JSON Patch", "by FHIRPath Patch")):
            self.assertEqual(self.settled(url)["description"], text)
            self.assertEqual(self.read(name)[0]["description"], text)
            self.assertEqual(self.task(url)["status"], "completed")
        self.assertEqual(self.settled(urls[3])["resourceType"], "OperationOutcome")
        self.assertEqual([len(self.versions(bundle)) for bundle, _, _ in documents], [2, 2, 2, 0])

    def test_if_match_is_judged_by_what_is_registered(self):
        bundle, resource, etag = self.unseen(b"<a>stale</a>")
        name = resource["id"]
        self.assertStatus(support.request("PATCH", self.other.base + "/DocumentReference/" + name,
                                          {"Content-Type": JSON_PATCH}, json.dumps(description("theirs")).encode()),
                          200)
        self.domain.kill()
        stale = self.waits(self.patch(name, "mine", **{"If-Match": etag}))
        empty = self.waits(self.delete(name, **{"If-Match": ""}))
        self.domain_restart()
        for url in (stale, empty):
            answer = self.settled(url)
            self.assertEqual(answer["resourceType"], "OperationOutcome")
            self.assertEqual(answer["issue"][0]["code"], "conflict")
            self.assertEqual(answer["issue"][0]["expression"], ["If-Match"])
            self.assertEqual(self.task(url)["status"], "failed")
        self.assertEqual(self.read(name)[0]["description"], "theirs")
        self.assertEqual(len(self.versions(bundle)), 2)
        # It is a dead letter like every other: it may be tried again, or dropped.
        again = stale.replace("/_async/", "/Task/") + "/$retry"
        self.assertStatus(support.request("POST", again), 200)
        self.assertEqual(self.settled(stale)["issue"][0]["code"], "conflict")
        self.assertStatus(support.request("DELETE", stale), 202)
        self.assertEqual(self.task(stale)["status"], "cancelled")

    def test_what_is_wrong_in_itself_is_refused_at_once(self):
        _, resource, _ = self.unseen(b"<a>wrong</a>")
        name = resource["id"]
        self.domain.kill()
        self.assertStatus(self.send("PUT", name, dict(resource, id="another")), 400)
        self.assertStatus(self.send("PUT", name, dict(resource, nonsense="x")), 400)
        self.assertStatus(self.send("PUT", name, {"resourceType": "Patient", "id": name}), 400)
        self.assertStatus(self.send("PATCH", name, [{"op": "explode", "path": "/a"}], JSON_PATCH), 400)
        self.assertStatus(self.send("PATCH", name, [{"op": "add", "path": "/description"}], JSON_PATCH), 400)
        self.assertStatus(self.send("PATCH", name, parameters(patch("DocumentReference.description", kind="explode",
                                                                    value={"valueString": "x"}))), 400)
        self.assertStatus(self.delete("no-such-id"), 404)
        self.assertNotIn("entry", self.assertStatus(support.request("GET", self.gateway.base + "/Task"), 200).json())

    def test_requests_and_what_builds_upon_them_keep_their_order(self):
        bundle, resource, _ = self.unseen(b"<a>old</a>")
        name = resource["id"]
        self.domain.kill()
        first = self.waits(self.patch(name, "first"))
        replacement = support.demo_bundle(b"<a>new</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + name}}]
        replaced = self.accept(replacement)
        gate = threading.Event()
        self.addCleanup(gate.set)
        asked = self.proxy.count(QUERY)
        self.proxy.script(QUERY, proxy.held(gate))
        self.domain_restart()
        support.wait_until(lambda: self.proxy.count(QUERY) > asked, "the registry to be asked")
        # The registry answers again, and others who come now do not overtake.
        second = self.waits(self.patch(name, "second"))
        gate.set()
        self.assertEqual(self.settled(first)["description"], "first")
        self.assertEqual(self.settled(second)["description"], "second")
        self.delivered(replaced)
        self.assertEqual(len(self.versions(bundle)), 3)
        old, _ = self.read(name)
        self.assertEqual((old["status"], old["description"]), ("superseded", "second"))
        self.assertOnce(replacement, b"<a>new</a>")

    def builds_upon_the_undecided(self, target_of, bundle, resource):
        gate = threading.Event()
        self.addCleanup(gate.set)
        before = len(self.versions(bundle))
        asked, provided = self.proxy.count(QUERY), self.proxy.count(PROVIDE)
        self.proxy.script(QUERY, proxy.lost_request, proxy.held(gate))
        change = self.waits(self.patch(resource["id"], "first"))
        support.wait_until(lambda: self.proxy.count(QUERY) == asked + 2, "the request to be worked out")
        replacement = support.demo_bundle(b"<a>after</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": target_of(bundle, resource)}]
        logged = len(self.gateway.log())
        url = self.accept(replacement)
        support.wait_until(lambda: "put off" in self.gateway.log()[logged:], "the replacement to be looked at")
        self.assertEqual(self.proxy.count(PROVIDE), provided)
        gate.set()
        self.assertEqual(self.settled(change)["description"], "first")
        self.delivered(url)
        actions = [each.action for each in self.proxy.seen]
        self.assertLess(actions.index(UPDATE), actions.index(PROVIDE))
        self.assertEqual(len(self.versions(bundle)), before + 1)

    def test_their_order_is_not_that_of_a_clock(self):
        """The clock was an hour ahead when the request came, and right when its document was replaced."""
        bundle, resource, _ = self.unseen(b"<a>old</a>")
        self.domain.kill()
        first = self.waits(self.patch(resource["id"], "first"))
        store = sqlite3.connect(os.path.join(self.directory, "gateway.state", "outbox.db"), timeout=10)
        self.addCleanup(store.close)

        def is_put_aside():
            with store:
                return store.execute("UPDATE outbox_item SET due_ms = due_ms + 600000, accepted_ms = accepted_ms + "
                                     "3600000 WHERE state = 0").rowcount == 1
        support.wait_until(is_put_aside, "the request to wait for its turn")
        replacement = support.demo_bundle(b"<a>new</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + resource["id"]}}]
        replaced = self.accept(replacement)
        self.domain_restart()
        support.wait_until(lambda: "is decided first" in store.execute(
            "SELECT coalesce(reason, '') || state FROM outbox_item ORDER BY seq DESC LIMIT 1").fetchone()[0],
            "the replacement to wait for the request")
        self.assertStatus(support.request("POST", first.replace("/_async/", "/Task/") + "/$retry"), 200)
        self.assertEqual(self.settled(first)["description"], "first")
        self.delivered(replaced)
        self.assertEqual(len(self.versions(bundle)), 2)

    def test_what_builds_upon_the_undecided_waits_for_it(self):
        """They lie in different lines: of the one nobody knows the patient."""
        self.builds_upon_the_undecided(test_update_outage.by_id, *self.unseen(b"<a>before</a>")[:2])

    def test_so_does_what_names_it_by_its_unique_id(self):
        self.builds_upon_the_undecided(test_update_outage.by_unique_id, *self.unseen(b"<a>before</a>")[:2])

    def test_what_is_worked_out_meanwhile_goes_first(self):
        """While the publication that builds upon it is on its way already."""
        bundle, resource, _ = self.unseen(b"<a>before</a>")
        gates = [threading.Event(), threading.Event()]
        for gate in gates:
            self.addCleanup(gate.set)
        asked = self.proxy.count(QUERY)
        self.proxy.script(QUERY, proxy.lost_request, proxy.held(gates[0]), proxy.passing, proxy.passing,
                          proxy.held(gates[1]))
        change = self.waits(self.patch(resource["id"], "first"))
        support.wait_until(lambda: self.proxy.count(QUERY) == asked + 2, "the request to be worked out")
        replacement = support.demo_bundle(b"<a>after</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": test_update_outage.by_unique_id(bundle, resource)}]
        url = self.accept(replacement)
        support.wait_until(lambda: self.proxy.count(QUERY) == asked + 5, "the document to be looked up")
        gates[0].set()
        support.wait_until(lambda: "update" in [item["kind"] for item in self.queue()], "the request to be a change")
        gates[1].set()
        self.assertEqual(self.settled(change)["description"], "first")
        self.delivered(url)
        actions = [each.action for each in self.proxy.seen]
        self.assertLess(actions.index(UPDATE), actions.index(PROVIDE))

    def later(self, content):
        """The same, where what is current is not the first version."""
        bundle, resource, _ = self.unseen(content)
        url = self.other.base + "/DocumentReference/" + resource["id"]
        self.assertStatus(support.request("PATCH", url, {"Content-Type": JSON_PATCH},
                                          json.dumps(description("theirs")).encode()), 200)
        return bundle, self.assertStatus(support.request("GET", url), 200).json()

    def test_so_does_what_names_a_later_version(self):
        self.builds_upon_the_undecided(test_update_outage.by_entry_uuid, *self.later(b"<a>before</a>"))

    def test_so_does_what_names_a_later_version_while_nobody_answers(self):
        """When it is delivered, that version is not the current one any more."""
        bundle, resource = self.later(b"<a>before</a>")
        self.domain.kill()
        change = self.waits(self.patch(resource["id"], "first"))
        replacement = support.demo_bundle(b"<a>after</a>")
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": test_update_outage.by_entry_uuid(bundle, resource)}]
        url = self.accept(replacement)
        self.domain_restart()
        self.assertEqual(self.settled(change)["description"], "first")
        self.delivered(url)
        self.assertEqual(len(self.versions(bundle)), 3)
        self.assertEqual(self.read(resource["id"])[0]["status"], "superseded")

    def test_109_a_patch_is_applied_once_whatever_is_killed(self):
        bundle, resource, _ = self.unseen(b"<a>killed</a>")
        name = resource["id"]
        # Applied a second time, it fails.
        operations = [{"op": "test", "path": "/description", "value": resource["description"]},
                      {"op": "replace", "path": "/description", "value": "once"}]
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.domain.kill()
        url = self.waits(self.send("PATCH", name, operations, JSON_PATCH))
        asked = self.proxy.count(QUERY)
        self.proxy.script(QUERY, proxy.held(gate, proxy.lost_request))
        self.domain_restart()
        support.wait_until(lambda: self.proxy.count(QUERY) > asked, "it to be worked out")
        self.gateway.kill()
        self.assertEqual(self.queue()[0]["kind"], "request")
        # Worked out, and sent: the registry does it, and nobody is told.
        self.proxy.script(UPDATE, proxy.held(gate, proxy.lost_answer))
        self.gateway_restart()
        support.wait_until(lambda: self.proxy.count(UPDATE) == 1, "it to be sent")
        self.gateway.kill()
        self.assertEqual(self.queue()[0]["kind"], "update")
        gate.set()
        support.wait_until(lambda: len(self.versions(bundle)) == 2, "the registry to have made it")
        self.gateway_restart()
        self.assertEqual(self.settled(url)["description"], "once")
        self.assertEqual(self.read(name)[0]["description"], "once")
        self.assertEqual(len(self.versions(bundle)), 2)

    def queue(self):
        out = subprocess.run([support.BINARY, "queue", "--config", self.gateway.configuration_path, "--json", "list"],
                             capture_output=True, text=True, check=True).stdout
        return [json.loads(line) for line in out.splitlines()]

    def test_dropped_by_hand(self):
        bundle, resource, _ = self.unseen(b"<a>dropped</a>")
        self.domain.kill()
        url = self.waits(self.delete(resource["id"]))
        subprocess.run([support.BINARY, "queue", "--config", self.gateway.configuration_path, "drop",
                        self.queue()[0]["id"]], capture_output=True, check=True)
        self.assertEqual(self.settled(url)["resourceType"], "OperationOutcome")
        self.domain_restart()
        self.assertEqual(len(self.versions(bundle)), 1)

    def test_what_changes_nothing_is_done(self):
        bundle, resource, _ = self.unseen(b"<a>same</a>")
        self.domain.kill()
        same = self.waits(self.put(resource, resource["description"]))
        self.domain_restart()
        self.assertEqual(self.settled(same)["description"], resource["description"])
        self.assertEqual(len(self.versions(bundle)), 1)


class Refusing(Case):
    publication = {"degraded": "refuse"}

    def test_by_policy_nothing_waits(self):
        _, resource, _ = self.unseen(b"<a>refused</a>")
        self.domain.kill()
        self.assertIn(self.patch(resource["id"], "x").status, (502, 503))
        self.assertIn(self.put(resource, "x").status, (502, 503))


class RefusingTheUnverified(Refusing):
    publication = {"unverified_patient": "refuse"}


class WhoMay(Trusted):
    @classmethod
    def back_end_make(cls):
        return dict(super().back_end_make(), update_url=cls.proxy.url("/registry"))

    def elsewhere(self, bundle, delete=False):
        """Published past this gateway, which knows nothing of it."""
        directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, directory, True)
        back_end = self.domain.back_end(delete_url=self.domain.registry_url, repositories=[
            {"unique_id": support.REPOSITORY, "url": self.domain.repository_url,
             "remove_url": self.domain.repository_url}])
        other = support.Gateway(self.directory, [back_end], name="other", publication={"delete": "remove"})
        try:
            name = reference_location(self.assertStatus(other.publish(bundle), 200).json()).split("/")[1]
            if delete:
                self.assertStatus(support.request("DELETE", other.base + "/DocumentReference/" + name), 204)
        finally:
            other.kill()
        return name

    def patch(self, name, token, operations=None, status=202):
        answer = support.request("PATCH", self.gateway.base + "/DocumentReference/" + name, dict(
            support.bearer(token), **{"Content-Type": JSON_PATCH}),
            json.dumps(operations or description("changed")).encode())
        return self.assertStatus(answer, status)

    def queue(self):
        out = subprocess.run([support.BINARY, "queue", "--config", self.gateway.configuration_path, "--json", "list"],
                             capture_output=True, text=True, check=True).stdout
        return [item for item in map(json.loads, out.splitlines()) if item["state"] in ("waiting", "sending")]

    def kinds(self):
        return sorted(item["kind"] for item in self.queue())

    def patient(self, user, patient):
        return self.gateway.token("patient", user=user, scope="patient/*.cruds",
                                  patient="%s|%s" % (trust.PATIENT_SYSTEM, patient))

    def test_a_stranger_keeps_nobody_from_a_change(self):
        """Nor does what they want come first: what closes a document closes it at once."""
        name = self.elsewhere(support.demo_bundle(b"<a>flooded</a>"))
        owner, stranger = self.patient("own", support.PATIENT), self.patient("stranger", "IHEBLUE-1009")
        self.assertStatus(self.get("/DocumentReference/" + name, owner), 200)
        self.patch(name, stranger, status=404)
        self.domain.kill()
        strange = [self.patch(name, stranger).header("Content-Location") for _ in range(16)]
        self.assertIn("about this document", self.patch(name, stranger, status=503).json()["issue"][0]["diagnostics"])
        closing = [{"op": "add", "path": "/securityLabel", "value": [{"coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}]}]}]
        changes = [self.patch(name, owner, operations).header("Content-Location")
                   for operations in (closing, description("once more"))]
        self.assertEqual(self.kinds(), ["request"] * 16 + ["update"] * 2)
        self.domain_restart()
        for url, text in zip(changes, ("", "once more")):
            self.assertIn(text, self.settled(url, owner)["description"])
        for url in strange:
            self.assertEqual(self.settled(url, stranger)["issue"][0]["code"], "not-found")
        shown = self.get("/DocumentReference/" + name, owner).json()
        self.assertEqual((shown["description"], shown["securityLabel"][0]["coding"][0]["code"]), ("once more", "V"))

    def test_changes_of_somebody_else_are_built_upon(self):
        """Who made them is not who reads them: each is looked at, and only the last is kept meanwhile."""
        name = self.elsewhere(support.demo_bundle(b"<a>of two</a>", patient=THIRD))
        one, other = (self.gateway.token("doctor", user=user) for user in ("doctor-3", "doctor-4"))
        self.assertStatus(self.get("/DocumentReference/" + name, one), 200)
        self.domain.kill()
        urls = [(self.patch(name, token, description(text)).header("Content-Location"), token, text) for token, text in (
            (one, "one"), (one, "two"), (other, "three"), (one, "four"))]
        self.domain_restart()
        for url, token, text in urls:
            self.assertEqual(self.settled(url, token)["description"], text)
        self.assertEqual(self.get("/DocumentReference/" + name, other).json()["description"], "four")

    def test_what_was_passed_is_decided_later_and_nobody_waits_for_it(self):
        """The request of somebody who may not see the document yet, a replacement of it, and a change that was decided in
        spite of both."""
        bundle = support.demo_bundle(b"<a>passed</a>", patient=OTHER)
        name = self.elsewhere(bundle)
        consent = self.consent(trust.hide_document(support.document_oid(bundle)), OTHER).json()
        owner = self.patient("own", OTHER)
        self.assertStatus(self.get("/DocumentReference/" + name, owner), 200)
        self.domain.kill()
        passed = self.patch(name, self.colleague, description("passed")).header("Content-Location")
        replacement = support.demo_bundle(b"<a>new</a>", patient=OTHER)
        replacement["entry"][1]["resource"]["relatesTo"] = [
            {"code": "replaces", "target": {"reference": "DocumentReference/" + name}}]
        replaced = self.assertStatus(self.gateway.publish(replacement, token=owner), 202).header("Content-Location")
        change = self.patch(name, owner, description("decided")).header("Content-Location")
        self.assertEqual(self.kinds(), ["provide", "request", "update"])
        gate = threading.Event()
        self.addCleanup(gate.set)
        self.proxy.script(UPDATE, proxy.held(gate))
        self.domain_restart()
        self.assertEqual(self.settled(replaced, owner)["type"], "transaction-response")
        support.wait_until(lambda: any("decided first" in item["reason"] for item in self.queue()), "it to be passed")
        self.assertStatus(support.request("PUT", self.gateway.base + "/Consent/" + consent["id"], dict(
            support.bearer(owner), **{"Content-Type": "application/fhir+json"}), json.dumps(
                dict(consent, status="inactive")).encode()), 200)
        gate.set()
        self.assertEqual(self.settled(change, owner)["description"], "decided")
        self.assertEqual(self.settled(passed, self.colleague)["description"], "passed")
        shown = self.get("/DocumentReference/" + name, owner).json()
        self.assertEqual((shown["status"], shown["description"]), ("superseded", "passed"))

    def test_what_one_may_not_see_is_not_there(self):
        hidden = support.demo_bundle(b"<a>hidden</a>")
        shown = support.demo_bundle(b"<a>shown</a>")
        label = hidden["entry"][1]["resource"]["securityLabel"][0]["coding"][0]
        label["code"], label["display"] = "R", "restricted"
        self.consent({"type": "permit", "provision": [{"type": "deny", "securityLabel": [
            {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}]})
        names = [self.elsewhere(hidden), self.elsewhere(support.demo_bundle(b"<a>gone</a>"), delete=True),
                 self.elsewhere(shown)]
        self.domain.kill()
        accepted = [self.patch(name, self.colleague) for name in names]
        self.assertEqual(accepted[0].json(), accepted[1].json())
        self.assertEqual(accepted[0].json(), accepted[2].json())
        urls = [answer.header("Content-Location") for answer in accepted]
        # A request is its sender's.
        self.assertStatus(self.get(urls[2], self.doctor), 404)
        self.assertNotIn("entry", self.get("/Task", self.doctor).json())
        self.domain_restart()
        answers = [self.settled(url, self.colleague) for url in urls]
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0]["issue"][0]["code"], "not-found")
        self.assertEqual(answers[2]["description"], "changed")
        tasks = [self.get(url.replace("/_async/", "/Task/"), self.colleague).json() for url in urls]

        def told(task):
            return {name: value for name, value in task.items()
                    if name not in ("id", "output", "focus", "authoredOn", "lastModified", "input")}
        self.assertEqual(told(tasks[0]), told(tasks[1]))
        self.assertEqual(tasks[0]["status"], "failed")
        self.assertNotIn("for", tasks[0])


if __name__ == "__main__":
    unittest.main()
