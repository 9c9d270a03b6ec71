"""Another network learns of what was published or changed also when the gateway is killed in between, or learns nothing when
nothing was."""
import json
import subprocess
import threading
import unittest

import proxy
import support
from test_outbox import PROVIDE, REFUSAL
from test_update_outage import REMOVE, UPDATE, Stand, TwoDomains

QUERY = "RegistryStoredQuery"
SECONDS = 3  # of a request: after twice as long it is found out what became of it


def tasks(gateway):
    """Of all that is in the outbox."""
    return support.request("GET", gateway.base + "/Task").json().get("entry", [])


class Killed(TwoDomains):
    publication = dict(Stand.publication, share=["any = dsp provide"])
    overrides = {"limits": {"request_seconds": SECONDS}}

    def kill_at(self, action, is_done, call):
        """Kills the gateway when the first network has done, or not even received, what call makes it send; which it does
        when what is returned is set."""
        reached, gate = threading.Event(), threading.Event()
        self.addCleanup(gate.set)
        closing = []
        self.addCleanup(closing.append, True)

        def behave(exchange):
            if is_done:
                exchange.pass_on()
            reached.set()
            gate.wait(60)
            if not is_done and not closing:
                exchange.pass_on()
        self.proxy.script(action, behave)
        caller = threading.Thread(target=lambda: self.refused(call), daemon=True)
        caller.start()
        self.assertTrue(reached.wait(support.START_SECONDS), "it was not sent")
        self.gateway.kill()
        caller.join()
        self.gateway_restart()
        return gate

    @staticmethod
    def refused(call):
        """Whoever is killed does not answer."""
        try:
            call()
        except OSError:
            pass


class Announced(Killed):
    def test_109_killed_when_it_was_published(self):
        bundle = support.demo_bundle(b"<a>killed when registered</a>")
        self.kill_at(PROVIDE, True, lambda: self.gateway.publish(bundle))
        self.second_has(bundle, 1)
        self.assertEqual(len(self.versions(bundle)), 1)
        # Nothing more comes of it when it is published again.
        self.assertStatus(self.gateway.publish(bundle), 200)
        self.second_has(bundle, 1)

    def test_109_killed_before_it_was_published(self):
        bundle = support.demo_bundle(b"<a>killed before</a>")
        self.kill_at(PROVIDE, False, lambda: self.gateway.publish(bundle))
        self.assertEqual(len(tasks(self.gateway)), 1)
        support.wait_until(lambda: tasks(self.gateway) == [], "what was announced to be forgotten")
        self.assertEqual((self.versions(bundle), self.versions(bundle, self.second)), ([], []))
        self.assertStatus(self.gateway.publish(bundle), 200)
        self.second_has(bundle, 1)

    def test_109_killed_when_it_was_changed(self):
        bundle, name, _ = self.published(b"<a>changed</a>")
        self.second_has(bundle, 1)
        self.kill_at(UPDATE, True, lambda: self.patch(name, "killed in between"))
        # What comes later stays behind what nobody knows yet.
        self.assertStatus(self.patch(name, "later"), 200)
        self.second_has(bundle, 3)
        self.assertEqual(len(self.versions(bundle)), 3)
        found = self.there.find().body
        self.assertIn(b"later", found)
        self.assertNotIn(b"killed in between", found)

    def test_109_killed_before_it_was_changed(self):
        bundle, name, _ = self.published(b"<a>not changed</a>")
        self.second_has(bundle, 1)
        self.kill_at(UPDATE, False, lambda: self.patch(name, "never made"))
        support.wait_until(lambda: len(tasks(self.gateway)) == 1, "what was announced to be forgotten")
        self.assertEqual((len(self.versions(bundle)), len(self.versions(bundle, self.second))), (1, 1))

    def removal_killed(self, is_done, **named):
        bundle, name, _ = self.published(b"<a>removed</a>", **named)
        self.second_has(bundle, 1)
        self.kill_at(REMOVE, is_done, lambda: self.delete(name))
        return bundle

    def test_109_killed_when_it_was_removed(self):
        bundle = self.removal_killed(True)
        self.second_has(bundle, 0)

    def test_109_killed_when_it_was_removed_whose_name_is_a_uuid(self):
        bundle = self.removal_killed(True, named=support.uuid_named)
        self.second_has(bundle, 0)

    def test_109_killed_before_it_was_removed_whose_name_is_a_uuid(self):
        """That no entry has it as its entryUUID does not say that it is gone."""
        bundle = self.removal_killed(False, named=support.uuid_named)
        support.wait_until(lambda: len(tasks(self.gateway)) == 1, "what was announced to be forgotten")
        self.assertEqual((len(self.versions(bundle)), len(self.versions(bundle, self.second))), (1, 1))

    def test_109_what_is_owed_is_given_by_one_that_shares_nothing_any_more(self):
        bundle = support.demo_bundle(b"<a>owed</a>")
        self.publication = dict(Stand.publication, degraded="refuse")  # of the next start
        self.kill_at(PROVIDE, True, lambda: self.gateway.publish(bundle))
        self.second_has(bundle, 1)

    def test_one_that_nobody_can_decide_holds_up_no_other(self):
        """And is a person's to drop; a back-end that is gone from the configuration keeps nothing here."""
        lost = support.demo_bundle(b"<a>nobody says</a>", patient="IHEBLUE-1001")
        found = support.demo_bundle(b"<a>somebody says</a>", patient="IHEBLUE-1002")
        names = [each["value"][len("urn:oid:"):].encode() for each in lost["entry"][0]["resource"]["identifier"]
                 if each["value"].startswith("urn:oid:")]

        def behave(exchange):
            if any(name in exchange.body for name in names):
                raise proxy.Cut
            proxy.passing(exchange)
        self.proxy.script(QUERY, *[behave] * 500)
        self.kill_at(PROVIDE, True, lambda: self.gateway.publish(lost))
        self.kill_at(PROVIDE, True, lambda: self.gateway.publish(found))
        self.second_has(found, 1)
        self.assertEqual(len(self.versions(lost, self.second)), 0)
        listed = [json.loads(line) for line in self.queue("list", "--json").stdout.splitlines()]
        self.assertEqual([each["state"] for each in listed], ["announced"])
        identifier = listed[0]["id"]
        # It counts as something that waits, and retrying it would send what may never have been made.
        self.assertIn("announced", self.queue("retry", identifier).stderr)
        self.assertEqual(self.queue("drop", identifier).returncode, 0)
        self.assertEqual(self.queue("list", "--json").stdout, "")

    def queue(self, *words):
        return subprocess.run([support.BINARY, "queue", *words, "--config", self.gateway.configuration_path],
                              capture_output=True, text=True, check=False)


class AtOnce(Killed):
    """Requests may take long, and so may what they sent; nobody waits so long for what can be told before."""
    overrides = {"limits": {"request_seconds": 600}}

    def test_109_what_has_happened_goes_on_at_once(self):
        bundle = support.demo_bundle(b"<a>registered</a>")
        self.kill_at(PROVIDE, True, lambda: self.gateway.publish(bundle))
        later = support.demo_bundle(b"<a>behind it</a>")
        self.assertStatus(self.gateway.publish(later), 200)
        self.second_has(later, 1)
        self.second_has(bundle, 1)

    def test_109_what_happens_after_the_kill_is_given_on(self):
        """That it is not there yet says nothing: the first network may still be about it."""
        bundle = support.demo_bundle(b"<a>on its way</a>")
        gate = self.kill_at(PROVIDE, False, lambda: self.gateway.publish(bundle))
        support.wait_until(lambda: "announced, has not happened" in self.gateway.log(), "it to be asked after")
        self.assertEqual(len(tasks(self.gateway)), 1)
        gate.set()
        self.second_has(bundle, 1)


class Refused(TwoDomains):
    """What does not happen leaves nothing behind."""
    publication = dict(Announced.publication, degraded="refuse")
    overrides = Announced.overrides

    def test_refused_publications_and_changes_are_forgotten(self):
        bundle = support.demo_bundle(b"<a>refused</a>")
        self.proxy.script(PROVIDE, proxy.answering(200, "application/soap+xml", REFUSAL))
        self.assertStatus(self.gateway.publish(bundle), 422)
        self.assertEqual(tasks(self.gateway), [])
        # Nobody can tell what became of this one, until the registry is asked.
        self.proxy.script(PROVIDE, proxy.answering(503, "text/html", b"<html>busy"))
        self.assertEqual(self.gateway.publish(bundle).status // 100, 5)
        support.wait_until(lambda: tasks(self.gateway) == [], "what was announced to be forgotten")
        self.assertStatus(self.gateway.publish(bundle), 200)
        self.second_has(bundle, 1)
        name = self.gateway.find().json()["entry"][0]["resource"]["id"]
        support.wait_until(lambda: len(tasks(self.gateway)) == 1, "it to be shared")
        self.proxy.script(UPDATE, proxy.answering(503, "text/html", b"<html>busy"))
        self.assertEqual(self.patch(name, "refused").status // 100, 5)
        support.wait_until(lambda: len(tasks(self.gateway)) == 1, "what was announced to be forgotten")


if __name__ == "__main__":
    unittest.main()
