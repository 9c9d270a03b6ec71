"""A gateway killed at every point of a publication and of a change at which something becomes durable or goes out
(kill_points.c), one after the other, and started again each time: the ledger of what became of each."""
import collections
import concurrent.futures
import contextlib
import json
import mmap
import os
import random
import shutil
import sqlite3
import struct
import tempfile
import threading
import unittest

import chaos
import support
import trust
import xds

LIBRARY = os.path.join(support.BUILD, "tests/libkill_points.so")
HOME_DSP = "2.999.20.72"
PATCH = "application/json-patch+json"
POINTS_MAX = 200
HEAD = 16  # bytes of struct points before its kinds
BYTES = HEAD + 1000


class Lane:
    """A gateway with a state of its own, which dies again and again."""

    def __init__(self, directory, name, back_ends, more):
        self.directory, self.name, self.back_ends, self.more = directory, name, back_ends, more
        self.port = support.free_port()
        self.outbox = os.path.join(directory, name + ".state", "outbox.db")
        path = os.path.join(directory, name + ".points")
        with open(path, "wb") as file:
            file.truncate(BYTES)
        with open(path, "r+b") as file:
            self.points = mmap.mmap(file.fileno(), BYTES)
        self.environment = dict(os.environ, KILL_POINTS=path, LD_PRELOAD=":".join(chaos.Clock.sanitizer() + [LIBRARY]))
        self.killed = collections.Counter()
        self.start()

    def start(self):
        self.points[:HEAD] = struct.pack("4I", 0, 0, 0, self.port)
        self.gateway = support.Gateway(
            self.directory, self.back_ends, port=self.port, name=self.name, environment=self.environment, **self.more)
        self.base = self.gateway.base

    def count(self, condition):
        """Of the outbox's items, by its own table: a question to the gateway would have points, too."""
        connection = sqlite3.connect(self.outbox, timeout=30)
        try:
            return connection.execute("SELECT COUNT(*) FROM outbox_item WHERE " + condition).fetchone()[0]
        finally:
            connection.close()

    def age(self):
        """Ten minutes pass: whatever was announced, and has not happened, does not happen any more."""
        with contextlib.closing(sqlite3.connect(self.outbox, timeout=30)) as connection, connection:
            connection.execute("UPDATE outbox_item SET accepted_ms = accepted_ms - 600000 WHERE state = 5")

    def works(self):
        """Something has its turn. What is behind something announced has not: whether that has happened is asked later."""
        return self.count("state IN (0, 1) AND turn = 1") > 0

    def settle(self):
        support.wait_until(lambda: not self.count("state IN (0, 1, 5)"), "everything to be settled", 60)

    def dies_at(self, number, act):
        """Does it, with a gateway that dies at that point and is started again. False: it got to the end before."""
        self.points[:HEAD] = struct.pack("4I", 0, 0, 0, self.port)
        self.points[:4] = struct.pack("I", number)
        act()
        support.wait_until(lambda: self.gateway.process.poll() is not None or not self.works(), "its end")
        if self.gateway.process.poll() is None and struct.unpack("4I", self.points[:HEAD])[1] < number:
            self.points[:4] = struct.pack("I", 0)
            return False
        self.gateway.process.wait()
        self.killed[chr(self.points[HEAD + number - 1])] += 1
        self.start()
        return True

    def run(self, make):
        """make(number) of each point, until there are none any more."""
        for number in range(1, POINTS_MAX):
            if number % 2 == 0:  # else there would be points of what is left of those before, without end
                support.wait_until(lambda: not self.works(), "what is left")
            if not self.dies_at(number, make(number)):
                break
        self.settle()


class KillPoints(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = support.Domain(cls.directory, **trust.domain_configuration(cls.directory))
        cls.addClassCleanup(cls.domain.kill)
        cls.dsp = support.Domain(cls.directory, name="dsp", home_community_id=HOME_DSP)
        cls.addClassCleanup(cls.dsp.kill)

    @classmethod
    def tearDownClass(cls):
        cls.domain.stop()
        cls.dsp.stop()

    def lane(self, name, share=False):
        entry = self.domain.back_end()
        entry.update(delete_url=entry["registry_url"],
                     repositories=[dict(entry["repositories"][0], remove_url=self.domain.repository_url)])
        publication = {"degraded": "accept", "retry_seconds_max": 1, "delete": "remove"}
        back_ends, more = [entry], {"publication": publication}
        if share:
            back_ends.append(self.dsp.back_end(source=2, home_community_id=HOME_DSP))
            more = dict(trust.trust_configuration(self.directory, self.domain), limits={"request_seconds": 1}, **more)
            more["consent"]["care_relationships"] = ["any|any", "urn:oid:%s|any" % HOME_DSP]
            more["state_directory"] = os.path.join(self.directory, name + ".state")
            publication["share"] = ["any = dsp provide"]
        lane = Lane(self.directory, name, back_ends, more)
        self.addCleanup(lambda: lane.gateway.kill())
        return lane

    def ask(self, path, action, body, domain=None):
        return chaos.ask("http://127.0.0.1:%d%s" % ((domain or self.domain).port, path), action, body)

    def publications(self, name, share=False, **headers):
        """Each second client sends again what was not acknowledged; some publications replace earlier ones. share: and all
        that is registered is given to another network."""
        lane, chance = self.lane(name, share), random.Random(name)
        if share:
            headers.update(support.bearer(lane.gateway.token("doctor", user="doctor-1", minutes=60)))
        ledger = chaos.Ledger(self.ask, **headers)

        def make(number):
            earlier = [each for each in ledger.made if each.acknowledged and
                       each not in [other.replaces for other in ledger.made]]
            publication = chaos.Publication(chance, number, earlier[-1] if earlier and number % 3 == 0 else None)
            ledger.made.append(publication)
            return lambda: publication.send(lane.base, **headers)

        def again():
            publication = ledger.made[-1]
            if not publication.acknowledged and publication.number % 2 == 0:
                publication.send(lane.base, **headers)
        start = lane.start
        lane.start = lambda: (start(), again())
        lane.run(make)
        rows, wrong = ledger.judge()
        if share:
            here, ledger.ask = ledger.entries_of(ledger.made), lambda *words: self.ask(*words, domain=self.dsp)
            there = ledger.entries_of(ledger.made)
            wrong += ["%d is %r here and %r there" % (each.number, here[each.oid], there[each.oid])
                      for each in ledger.made if here[each.oid] != there[each.oid]]
            wrong += ["%d is not whole there" % each.number for each in ledger.made
                      if there[each.oid] and not ledger.is_whole(each)]
        lane.gateway.stop()
        return lane, rows, wrong

    def versions(self, oid, domain=None):
        answer = self.ask("/registry", xds.STORED_QUERY, xds.stored_query(xds.GET_DOCUMENTS, [
            ("XDSDocumentEntryUniqueId", "('%s')" % oid), ("MetadataLevel", "2")]), domain)
        return [(int(each.find("{%s}VersionInfo" % xds.RIM).get("versionName")),
                 each.find("{%s}Description/{%s}LocalizedString" % (xds.RIM, xds.RIM)).get("value")
                 if each.find("{%s}Description" % xds.RIM) is not None else "") for each in answer.objects]

    @staticmethod
    def published(lane, headers):
        """The Bundle of a document, and the id that it has got."""
        bundle = support.demo_bundle(b"a letter", "text/plain")
        lane.settle()
        answer = support.request("POST", lane.base, dict({"Content-Type": "application/fhir+json"}, **headers),
                                 json.dumps(bundle).encode())
        assert answer.status == 200, answer
        lane.settle()
        return bundle, next(entry["response"]["location"] for entry in answer.json()["entry"]
                            if entry["response"]["location"].startswith("DocumentReference/"))

    def changes(self, name, share=False, **headers):
        lane, accepted = self.lane(name, share), []
        own = support.bearer(lane.gateway.token("doctor", user="doctor-1", minutes=60)) if share else {}
        bundle, location = self.published(lane, own)

        def make(number):
            def change():
                with contextlib.suppress(OSError, support.http.client.HTTPException):
                    answer = support.request(
                        "PATCH", lane.base + "/" + location, {"Content-Type": PATCH, **own, **headers},
                        json.dumps([{"op": "add", "path": "/description", "value": "change %d" % number}]).encode())
                    assert answer.status in (200, 202), answer
                    accepted.append("change %d" % number)
            return change
        lane.run(make)
        found = [title for _, title in sorted(self.versions(support.document_oid(bundle)))][1:]
        wrong = ["%s is there twice" % each for each, count in collections.Counter(found).items() if count > 1]
        wrong += ["%s was accepted and is lost" % each for each in accepted if each not in found]
        wrong += ["not in order"] if found != sorted(found, key=lambda title: int(title.split()[1])) else []
        if share:
            there = [title for _, title in sorted(self.versions(support.document_oid(bundle), self.dsp))][1:]
            wrong += ["there: %r, here: %r" % (there, found)] if there != found else []
        lane.gateway.stop()
        return lane, {"accepted": len(accepted), "made": len(found)}, wrong

    def removals(self, name, **headers):
        """What was accepted is gone with its bytes; the others are whole or gone."""
        lane, rows, wrong, made = self.lane(name), collections.Counter(), [], []
        start = lane.start
        lane.start = lambda: (lane.age(), start())

        def make(number):
            bundle, location = self.published(lane, {})
            made.append([support.document_oid(bundle), "unacknowledged"])

            def remove():
                with contextlib.suppress(OSError, support.http.client.HTTPException):
                    answer = support.request("DELETE", lane.base + "/" + location, headers)
                    assert answer.status in (200, 202, 204), answer
                    made[-1][1] = "accepted"
            return remove
        lane.run(make)
        for oid, end in made:
            entries = len(self.versions(oid))
            is_there = b"a letter" in self.ask("/repository", xds.RETRIEVE, xds.retrieve(
                (support.REPOSITORY, oid))).response.body
            rows["%s, %s" % (end, "there" if entries else "gone")] += 1
            if is_there != (entries == 1) or (end == "accepted" and entries):
                wrong.append("%s: %s, %d entries, bytes: %s" % (oid, end, entries, is_there))
        lane.gateway.stop()
        return lane, rows, wrong

    def test_109_every_point_of_a_publication_and_of_a_change(self):
        waits = {"Prefer": "respond-async"}
        lanes = ((self.publications, "async", waits), (self.publications, "direct", {}),
                 (self.publications, "shared", {"share": True}), (self.changes, "change", {}),
                 (self.changes, "change-async", waits), (self.changes, "change-shared", {"share": True}),
                 (self.removals, "removal-async", waits), (self.removals, "removal", {}))
        with concurrent.futures.ThreadPoolExecutor(len(lanes)) as pool:
            futures = [pool.submit(run, name, **more) for run, name, more in lanes]
        for future in futures:
            lane, rows, wrong = future.result()
            print("\nkilled at %d points of %s (%s): %s" % (lane.killed.total(), lane.name, " ".join(
                "%s %d" % each for each in sorted(lane.killed.items())), dict(rows)))
            with self.subTest(lane.name):
                self.assertEqual(wrong, [])
                self.assertGreater(lane.killed.total(), 4)

    def test_128_asked_to_end_while_clients_publish(self):
        """What was acknowledged is there, and the gateway has ended in order."""
        lane, ledger, chances = self.lane("ending"), chaos.Ledger(self.ask), random.Random("ending")
        ending = threading.Event()

        def publish(number):
            chance = random.Random(number)
            while not ending.is_set():
                publication = chaos.Publication(chance, len(ledger.made), None)
                ledger.made.append(publication)
                publication.send(lane.base, **({"Prefer": "respond-async"} if chance.random() < 0.5 else {}))
                if publication.statuses == ["no answer"]:
                    return
        for _ in range(3):
            ending.clear()
            goal = len(ledger.made) + chances.randint(20, 40)
            clients = [threading.Thread(target=publish, args=(len(ledger.made) + each,)) for each in range(6)]
            for client in clients:
                client.start()
            support.wait_until(lambda goal=goal: len(ledger.made) >= goal, "clients to publish")
            lane.gateway.stop()
            ending.set()
            for client in clients:
                client.join()
            lane.start()
        rows, wrong = ledger.judge()
        lane.gateway.stop()
        self.assertEqual(wrong, [], rows)
        self.assertGreater(rows["exactly once and byte for byte"], 20, rows)
        print("\n%s" % dict(rows))


if __name__ == "__main__":
    unittest.main()
