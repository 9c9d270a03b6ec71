"""The entryUUIDs that publishers choose, in an outage: nothing that waits stands in for what is registered."""
import json
import threading
import unittest
import uuid

import proxy
import support
import trust
from test_outbox import PROVIDE, REFUSAL, reference_location
from test_outbox_trust import URI, Forger

QUERY = "RegistryStoredQuery"
KINDS = (("DocumentReference", {}), ("List", {"code": "submissionset"}), ("List", {"code": "folder"}))
PATIENTS = ["IHEBLUE-1002", "IHEBLUE-1003", "IHEBLUE-1004"]


class StandIns(Forger):
    def setUp(self):
        if self.domain.process.poll() is not None:
            self.domain_restart()
        # The registry is asked again, and what these patients consent to is known.
        for patient in [support.PATIENT] + PATIENTS:
            for token in (self.doctor, self.colleague):
                support.wait_until(lambda: self.gateway.find(token=token, **{"patient.identifier": "%s|%s" % (
                    trust.PATIENT_SYSTEM, patient)}).status == 200, "the registry to be asked")

    def registered(self, content):
        """A registered document in a folder that nobody has read by their ids: what it is read by, and its entryUUIDs."""
        bundle = support.demo_bundle(content)
        support.add_folder(bundle, bundle["entry"][1]["fullUrl"])
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.doctor), 200).json()
        found = {}
        for kind, parameters in KINDS:
            for entry in self.assertStatus(self.gateway.find(kind, token=self.doctor, **parameters), 200).json()["entry"]:
                found["%s/%s" % (kind, entry["resource"].get("id"))] = entry["resource"]
        places = [entry["response"]["location"].split("/_history")[0] for entry in answer["entry"]]
        locations = {"uuid": places[1], "set_uuid": places[0], "folder_uuid": places[3]}
        return locations, {name: self.uuid_of_known(found[place]) for name, place in locations.items()}, \
            found[places[1]]["content"][0]["attachment"]["url"]

    def waiting(self, patient):
        """What waits of the patient, by where it is read."""
        found = {}
        for kind, parameters in KINDS:
            for entry in self.assertStatus(self.gateway.find(kind, token=self.colleague, **dict(parameters, **{
                    "patient.identifier": "%s|%s" % (trust.PATIENT_SYSTEM, patient)})), 200).json().get("entry", []):
                if "not-registered" in json.dumps(entry["resource"].get("meta", {})):
                    found["%s/%s" % (kind, entry["resource"]["id"])] = entry["resource"]
        return found

    def shows_nobody_else(self, locations, url):
        for each in list(locations.values()):
            self.assertIn(self.get("/" + each, self.doctor).status, (502, 503, 504))
        self.assertIn(self.get(url, self.doctor).status, (502, 503, 504))

    def test_nobody_stands_in_for_what_nobody_has_read(self):
        """Documents, SubmissionSets and Folders; what is accepted has ids of its own, which it keeps."""
        locations, uuids, url = self.registered(b"<a>unread</a>")
        self.domain.kill()
        bundle = self.fake(b"<a>fake unread</a>", patient=PATIENTS[0], **uuids)
        answer = self.assertStatus(self.gateway.publish(bundle, token=self.colleague), 202)
        self.shows_nobody_else(locations, url)
        self.assertIn("entryUUID", answer.body.decode())
        before = self.waiting(PATIENTS[0])
        self.assertEqual(len(before), 3)
        for each in before:
            self.assertStatus(self.get("/" + each, self.colleague), 200)
        self.assertEqual(set(before) & set(locations.values()), set())
        # Once more, it is the same.
        again = self.assertStatus(self.gateway.publish(bundle, token=self.colleague), 202)
        self.assertEqual(again.header("Content-Location"), answer.header("Content-Location"))
        self.assertEqual(set(self.waiting(PATIENTS[0])), set(before))
        self.domain_restart()
        settled = self.settled(answer.header("Content-Location"), self.colleague)
        self.assertLessEqual(set(before), {entry["response"]["location"].split("/_history")[0]
                                           for entry in settled["entry"]})
        for each in before:
            support.wait_until(lambda: self.get("/" + each, self.colleague).status == 200, "the registry to be asked")
            after = self.get("/" + each, self.colleague).json()
            self.assertNotIn("tag", after["meta"])
            self.assertEqual(self.uuid_of_known(after), self.uuid_of_known(before[each]))
        self.assertEqual(self.assertStatus(self.get(url, self.doctor), 200).body, b"<a>unread</a>")

    def test_nor_while_the_registry_is_silent(self):
        """It takes what is sent, and does not say so: under the ids that are shown all the while."""
        locations, uuids, _ = self.registered(b"<a>silence</a>")
        go_on = threading.Event()
        self.addCleanup(go_on.set)
        self.proxy.script(QUERY, *[proxy.held(go_on)] * 100)
        self.proxy.script(PROVIDE, proxy.lost_answer)
        url = self.accepted(self.fake(b"<a>fake silence</a>", patient=PATIENTS[1], **uuids))
        before = self.waiting(PATIENTS[1])
        self.assertEqual(len(before), 3)
        self.assertEqual(set(before) & set(locations.values()), set())
        with self.proxy.lock:
            self.proxy.scripts.clear()
        go_on.set()
        self.assertEqual(self.settled(url, self.colleague)["resourceType"], "Bundle")
        for each in before:
            support.wait_until(lambda: self.get("/" + each, self.colleague).status == 200, "the registry to be asked")
            self.assertNotIn("tag", self.get("/" + each, self.colleague).json()["meta"])

    def test_nor_as_the_correction_of_a_dead_letter(self):
        locations, uuids, url = self.registered(b"<a>corrected</a>")
        first = self.fake(b"<a>to be corrected</a>", patient=PATIENTS[2])
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml", REFUSAL))
        status_url = self.assertStatus(self.asked(first), 202).header("Content-Location")
        self.assertEqual(self.settled(status_url, self.colleague)["resourceType"], "OperationOutcome")
        before = self.waiting(PATIENTS[2])
        self.domain.kill()
        for uuid_name in ("uuid", "set_uuid"):
            changed = json.loads(json.dumps(first))
            place = changed["entry"][uuid_name == "uuid"]["resource"]
            place["identifier"] = place.get("identifier", []) + [{"system": URI, "value": uuids[uuid_name]}]
            answer = support.request("POST", status_url.replace("/_async/", "/Task/") + "/$resubmit", dict(
                support.bearer(self.colleague), **{"Content-Type": "application/fhir+json"}), json.dumps(changed).encode())
            self.assertIn(answer.status, (202, 409), repr(answer))
            self.shows_nobody_else(locations, url)
            self.assertEqual(set(self.waiting(PATIENTS[2])), set(before), "it keeps the ids that it had")
        self.domain_restart()
        self.assertEqual(self.settled(status_url, self.colleague)["resourceType"], "Bundle")

    def test_nobody_takes_the_unique_id_of_what_waits(self):
        """Also where the registry would take it at once: what waits behind a dead letter keeps its place."""
        letter, held = (self.fake(text, patient=PATIENTS[0]) for text in (b"<a>letter</a>", b"<a>held</a>"))
        held["entry"][1]["resource"]["relatesTo"] = [{"code": "appends", "target": {"identifier": {
            "system": URI, "value": "urn:oid:" + support.document_oid(letter)}}}]
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml", REFUSAL))
        letter_url, held_url = (self.assertStatus(self.asked(bundle), 202).header("Content-Location")
                                for bundle in (letter, held))
        self.assertEqual(self.settled(letter_url, self.colleague)["resourceType"], "OperationOutcome")
        taking = support.demo_bundle(b"<a>another</a>", patient=PATIENTS[1])
        taking["entry"][1]["resource"]["masterIdentifier"] = held["entry"][1]["resource"]["masterIdentifier"]
        answer = self.assertStatus(self.gateway.publish(taking, token=self.doctor), 409)
        self.assertIn("ERR_DUPLICATE", answer.body.decode())
        taking = support.demo_bundle(b"<a>another</a>", patient=PATIENTS[1])
        taking["entry"][0]["resource"]["identifier"] = held["entry"][0]["resource"]["identifier"]
        self.assertStatus(self.gateway.publish(taking, token=self.doctor), 409)
        # The same document is no other one, whoever sends it.
        same = support.demo_bundle(b"<a>held</a>", patient=PATIENTS[0])
        same["entry"][1]["resource"]["masterIdentifier"] = held["entry"][1]["resource"]["masterIdentifier"]
        self.assertStatus(self.gateway.publish(same, token=self.doctor), 200)
        self.assertStatus(support.request("POST", letter_url.replace("/_async/", "/Task/") + "/$resubmit", dict(
            support.bearer(self.colleague), **{"Content-Type": "application/fhir+json"}), json.dumps(letter).encode()), 202)
        for url in (letter_url, held_url):
            self.assertEqual(self.settled(url, self.colleague)["resourceType"], "Bundle")

    def test_its_sender_may_go_on_naming_it(self):
        """By the entryUUID that they chose, and that nobody could look up."""
        self.assertStatus(self.gateway.find(token=self.doctor), 200)
        chosen = uuid.uuid4().urn
        self.domain.kill()
        first = self.fake(b"<a>chosen</a>", patient=support.PATIENT, uuid=chosen)
        after = self.fake(b"<a>after</a>", patient=support.PATIENT)
        after["entry"][1]["resource"]["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
            "system": URI, "value": chosen}}}]
        urls = [self.accepted(bundle) for bundle in (first, after)]
        self.domain_restart()
        places = [reference_location(self.settled(url, self.colleague)).split("/_history")[0] for url in urls]
        support.wait_until(lambda: self.get("/" + places[0], self.doctor).status == 200, "the registry to be asked")
        self.assertEqual(self.read(places[0])["status"], "superseded")
        self.assertEqual(self.read(places[1])["relatesTo"][0]["target"]["reference"], places[0])

    def test_what_is_free_is_kept(self):
        chosen = uuid.uuid4().urn
        url = self.assertStatus(self.asked(self.fake(b"<a>free</a>", uuid=chosen)), 202).header("Content-Location")
        place = reference_location(self.settled(url, self.colleague)).split("/_history")[0]
        support.wait_until(lambda: self.get("/" + place, self.doctor).status == 200, "the registry to be asked")
        self.assertEqual(self.uuid_of(place), chosen)


if __name__ == "__main__":
    unittest.main()
