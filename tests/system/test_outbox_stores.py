"""What waits for a back-end, whatever dies meanwhile: the same cases on SQLite and on PostgreSQL."""
import collections
import json
import os
import random
import stat
import subprocess
import unittest

import chaos
from outbox_stand import DELIVERED, WAITING, WITHDRAWN, Driver, PostgreSQLStore, SQLiteStore
from support import BINARY, BUILD, wait_until, write_configuration


class Cases:
    """On the store of a subclass."""

    @classmethod
    def setUpClass(cls):
        cls.store = cls.Store()

    @classmethod
    def tearDownClass(cls):
        cls.store.close()

    def setUp(self):
        self.store.empty()
        self.drivers = []

    def tearDown(self):
        for driver in self.drivers:
            driver.kill()

    def driver(self, *arguments, **more):
        driver = Driver(self.store, *arguments, **more)
        self.drivers.append(driver)
        return driver

    def consistent(self, driver):
        """No rows that belong to nothing, none missing, and the bytes are those that are counted."""
        for table in ("outbox_chunk", "outbox_name"):
            self.assertEqual(self.store.sql("SELECT COUNT(*) FROM %s WHERE item NOT IN (SELECT seq FROM outbox_item "
                                            "WHERE state IN (0, 1, 3))" % table), "0", table)
        # Those of each caller, too.
        sums = "SELECT slot / 16 AS caller, SUM(bytes) FROM %s GROUP BY slot / 16 HAVING SUM(bytes) <> 0 ORDER BY caller"
        self.assertEqual(self.store.sql(sums % "outbox_usage"), self.store.sql(sums % "outbox_item"))
        items = driver.items()
        for identifier in items:
            self.assertEqual(driver("whole", identifier), "whole")
        return items

    def test_killed_while_it_takes_in(self):
        """Whatever was acknowledged is there, whole; of the rest all or nothing."""
        rounds = 3
        acknowledged = []
        driver = self.driver()
        for count in range(rounds):
            driver.send("fill", 4, 0, random.choice((2000, 300000, 600000)), 7)
            driver.wait_lines(10 + count)
            driver.kill()
            acknowledged += driver.acknowledged()
            driver.start()
        items = self.consistent(driver)
        self.assertEqual([one for one in acknowledged if one not in items], [])
        self.assertLessEqual(len(items), len(acknowledged) + 4 * rounds)
        driver.stop()

    def test_killed_while_it_delivers(self):
        """What was settled stays so; what was being sent is asked for again; each is delivered in the end."""
        driver = self.driver(lease_seconds=1)
        self.assertTrue(driver("fill", 4, 120, 5000, 30).startswith("filled 120 "))
        everything = set(driver.acknowledged())
        settled = []
        for _ in range(3):
            driver.send("drain", 4)
            driver.wait_lines(10, "settled")
            driver.kill()
            settled += driver.acknowledged("settled")
            driver.start()
            for identifier in settled:
                self.assertEqual(driver.state(identifier), DELIVERED)
            self.consistent(driver)
        self.assertEqual(len(settled), len(set(settled)))

        def drained():
            driver("drain", 4)
            return not driver.items()
        wait_until(drained, "the last leases to run out", 60)
        self.assertEqual({identifier: driver.state(identifier) for identifier in everything},
                         dict.fromkeys(everything, DELIVERED))
        self.assertEqual(self.consistent(driver), {})
        driver.stop()

    def test_chunks_open_at_their_place_only(self):
        driver = self.driver()
        one, two = driver.put("a", 600000), driver.put("b", 600000)
        item = {identifier: self.store.sql("SELECT seq FROM outbox_item WHERE id = '%s'" % identifier)
                for identifier in (one, two)}
        spoils = {
            "another item's": "UPDATE outbox_chunk SET bytes = (SELECT bytes FROM outbox_chunk WHERE item = {b} AND part = 2"
                              " AND n = 0) WHERE item = {a} AND part = 2 AND n = 0",
            "another place": "UPDATE outbox_chunk SET bytes = (SELECT bytes FROM outbox_chunk WHERE item = {a} AND part = 2"
                             " AND n = 1) WHERE item = {a} AND part = 2 AND n = 0",
            "cut at the end": "DELETE FROM outbox_chunk WHERE item = {a} AND part = 2 AND n = 2",
            "cut, and said to be whole": "UPDATE outbox_chunk SET last = 1 WHERE item = {a} AND part = 2 AND n = 1",
            "another target": "UPDATE outbox_item SET target = 'thief' WHERE seq = {a}",
            "fewer parts": "UPDATE outbox_item SET part_count = 2 WHERE seq = {a}",
            "another tenant": "UPDATE outbox_item SET id = '%s', tenant = 'else' WHERE seq = {b}" % one,
        }
        for name, spoil in spoils.items():
            with self.subTest(name):
                self.assertEqual(driver("whole", one), "whole")
                kept = self.store.sql("SELECT target, part_count FROM outbox_item WHERE id = '%s' AND tenant = 'default'" % one)
                self.store.sql("CREATE TABLE kept AS SELECT * FROM outbox_chunk WHERE item = %s" % item[one])
                self.store.sql(spoil.format(a=item[one], b=item[two]))
                answer = driver("whole", one)
                if name == "another tenant":
                    self.assertEqual(answer, "whole")
                else:
                    self.assertIn(answer, ("failed ERR_DOCUMENT_CORRUPT", "failed ERR_NOT_FOUND"))
                target, part_count = kept.split("|")
                self.store.sql("DELETE FROM outbox_chunk WHERE item = %s" % item[one])
                self.store.sql("INSERT INTO outbox_chunk SELECT * FROM kept")
                self.store.sql("DROP TABLE kept")
                self.store.sql("UPDATE outbox_item SET target = '%s', part_count = %s WHERE seq = %s" %
                               (target, part_count, item[one]))
        self.store.sql("UPDATE outbox_item SET tenant = 'default', id = '%s' WHERE seq = %s" % (two, item[two]))
        self.assertEqual(driver("whole", two), "whole")
        driver.stop()

    def test_nothing_lies_there_in_clear(self):
        driver = self.driver()
        identifier = driver.put("patientname", 300, "documentname")
        for table in ("outbox_item", "outbox_chunk", "outbox_name"):
            text = self.store.sql("SELECT * FROM " + table)
            for word in ("patientname", "documentname", "metadata", "70617469656e746e616d65"):
                self.assertNotIn(word, text)
        self.assertEqual(driver("whole", identifier), "whole")
        driver.stop()

    def test_clock_that_was_wrong(self):
        """Times that another clock wrote, a day ahead: due now, and the lease has run out."""
        driver = self.driver()
        identifier = driver.put()
        self.store.sql("UPDATE outbox_item SET due_ms = due_ms + 86400000")
        self.assertEqual(driver.claim(), (identifier, 1, 1, False))
        self.assertIsNone(driver.claim())
        self.store.sql("UPDATE outbox_item SET lease_ms = lease_ms + 86400000")
        self.assertEqual(driver.claim(), (identifier, 2, 2, True))
        self.assertEqual(driver("settle", identifier, 1), "stale")
        self.assertEqual(driver("settle", identifier, 2), "done")
        driver.stop()

    def test_made_by_the_version_before(self):
        """What waits in the tables of an earlier version is delivered, and counted as nobody's."""
        driver = self.driver()
        old = driver.put("p", 3000)
        driver.stop()
        self.store.sql("UPDATE outbox_usage SET slot = 3")
        self.store.sql("ALTER TABLE outbox_item DROP COLUMN slot")
        self.store.sql(self.store.version_one)
        driver.start()
        driver.put("p", 2000)
        self.assertEqual(driver.claim()[0], old)
        self.assertEqual(driver("settle", old, 1), "done")
        self.assertEqual(set(self.store.sql("SELECT state FROM outbox_item").split()), {"0", "2"})
        self.assertEqual(self.store.sql("SELECT SUM(bytes) FROM outbox_usage"),
                         self.store.sql("SELECT SUM(bytes) FROM outbox_item"))
        self.assertEqual(self.store.sql("SELECT SUM(bytes) FROM outbox_usage WHERE slot < 16"), "0")

    def test_command_line_beside_the_gateway(self):
        driver = self.driver()
        document = driver.put("p", 1000, "d1")
        replacement = driver.put("p", 1000, "d2", "d1")
        code, out, _ = driver.queue("list")
        self.assertEqual(code, 0)
        self.assertEqual([line.split()[:2] for line in out.splitlines()],
                         [["ID", "STATE"], [document, "waiting"], [replacement, "waiting"]])
        directory = os.path.join(self.store.directory, "parts")
        code, out, error = driver.queue("show", document, "--parts", directory)
        self.assertEqual(code, 0, error)
        self.assertIn("state:     waiting", out)
        path = os.path.join(directory, document + ".part-0")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "1000")
        self.assertEqual(os.path.getsize(os.path.join(directory, document + ".part-2")), 1000)
        identifier, fence, _, _ = driver.claim()
        self.assertEqual(identifier, document)
        self.assertEqual(driver.items()[document]["state"], "sending")
        code, _, error = driver.queue("drop", document)
        self.assertEqual(code, 1)
        self.assertIn("in the state sending", error)
        self.assertEqual(driver("settle", document, fence), "done")
        code, out, error = driver.queue("drop", replacement, "00000000-0000-4000-8000-000000000000")
        self.assertEqual(code, 1)
        self.assertIn("There is no such publication", error)
        self.assertIn(replacement + "  withdrawn", out)
        self.assertEqual(driver.state(replacement), WITHDRAWN)
        self.assertIsNone(driver.claim())
        self.assertEqual(driver.items(), {})
        self.assertEqual(set(driver.items("--all")), {document, replacement})
        third = driver.put()
        self.assertEqual(driver.queue("retry", third)[0], 0)
        self.assertEqual(driver.claim()[0], third)
        for wrong in ((), ("list", "x"), ("show",), ("burn", third)):
            self.assertEqual(driver.queue(*wrong)[0], 2, wrong)
        self.assertEqual(driver.queue("list", "--tenant", "default")[0], 0)
        driver.stop()


class OnSQLite(Cases, unittest.TestCase):
    Store = SQLiteStore

    def test_claims_and_counts_look_at_few_rows(self):
        """The questions that are asked all the time go by the indexes that are made for them."""
        driver = self.driver()
        driver.put()
        for question, index in (
                ("target = 'hcm' AND turn = 1 AND state = 0 AND due_ms <= 5 ORDER BY due_ms, seq", "outbox_item_due"),
                ("target = 'hcm' AND turn = 1 AND state = 1 AND (lease_ms <= 3 OR lease_ms > 4)", "outbox_item_due"),
                ("patient = '' AND target = 'hcm' AND state IN (0, 1, 3) AND state = 0 AND held = 0 ORDER BY seq",
                 "outbox_item_line"),
                ("patient IN ('', 'x') AND state IN (0, 1, 3) AND state IN (0) ORDER BY seq + 0", "outbox_item_line"),
                ("state IN (2, 4) AND changed_ms < 5 ORDER BY changed_ms", "outbox_item_settled")):
            plan = self.store.sql("EXPLAIN QUERY PLAN SELECT seq FROM outbox_item WHERE tenant = 'default' AND %s LIMIT 1" %
                                  question)
            self.assertIn("INDEX " + index, plan)
            self.assertEqual("TEMP B-TREE" in plan, "+ 0" in question, plan)
        driver.stop()

    def test_second_gateway_is_refused(self):
        driver = self.driver()
        with self.assertRaisesRegex(AssertionError, "used by another process"):
            self.driver()
        driver.stop()

    def test_killed_with_a_lease(self):
        """The next life does not wait for the lease to run out, and knows that it may have been sent."""
        driver = self.driver()
        identifier = driver.put()
        self.assertEqual(driver.claim(), (identifier, 1, 1, False))
        driver.kill()
        driver.start()
        self.assertEqual(driver.claim(), (identifier, 2, 2, True))
        self.assertEqual(driver("settle", identifier, 1), "stale")
        driver.stop()


class OnPostgreSQL(Cases, unittest.TestCase):
    Store = PostgreSQLStore

    def test_unit_cases(self):
        for name in ("test_outbox", "test_outbox_chain", "test_outbox_open"):
            done = subprocess.run([os.path.join(BUILD, "unit", name)], capture_output=True, text=True, check=False,
                                  env=dict(os.environ, PASSERELLE_TEST_POSTGRESQL=self.store.server.conninfo()))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_claims_and_counts_look_at_few_rows(self):
        """However many wait, and whatever PostgreSQL believed when it planned."""
        driver = self.driver()

        def insert(first, last):
            self.store.sql(
                "INSERT INTO outbox_item(tenant, id, kind, target, patient, state, held, turn, unclear, attempts, fence,"
                " accepted_ms, due_ms, lease_ms, changed_ms, revision, part_count, bytes) SELECT 'default',"
                " gen_random_uuid()::text, 'provide', 'hcm', sha256(n::text::bytea), 0, 0, 1, 0, 0, 0, n, n, 0, n, 0, 1, 1"
                " FROM generate_series(%d, %d) n" % (first, last))

        def few(answer, *words):
            driver.stop()
            self.store.sql("SELECT pg_stat_reset()")
            driver.start()
            self.assertEqual(driver(*words).split()[:2], answer.split())
            driver.stop()
            read = ("SELECT (SELECT SUM(idx_tup_read) FROM pg_stat_user_indexes) + "
                    "(SELECT SUM(seq_tup_read) FROM pg_stat_user_tables)")
            wait_until(lambda: int(self.store.sql(read) or 0) > 0, "PostgreSQL to count")
            self.assertLess(int(self.store.sql(read)), 8000)
            driver.start()

        driver.put()
        insert(1, 400)
        few("claims 20", "claims", 1, 20)
        self.store.sql("ANALYZE")
        insert(401, 20000)
        few("claims 10", "claims", 1, 10)
        self.store.sql("UPDATE outbox_item SET state = 0; ANALYZE")
        few("claims 10", "claims", 1, 10)
        self.store.sql("UPDATE outbox_item SET state = 2, turn = 0 WHERE seq > 400")
        count = self.store.sql("SELECT COUNT(*) FROM outbox_item WHERE state = 0").strip()
        self.store.sql("VACUUM ANALYZE outbox_item")
        few("undelivered " + count, "undelivered")
        driver.stop()

    def test_two_gateways_deliver_each_item_once(self):
        first, second = self.driver("one"), self.driver("two")
        for driver in (first, second):
            driver.send("fill", 4, 500, 100, 200)
        for driver in (first, second):
            self.assertTrue(driver.result().startswith("filled 500 "))
        everything = first.acknowledged() + second.acknowledged()
        self.assertEqual(len(set(everything)), 1000)
        for driver in (first, second):
            driver.send("drain", 8)
        for driver in (first, second):
            driver.result()
        settled = collections.Counter(first.acknowledged("settled") + second.acknowledged("settled"))
        self.assertEqual(sorted(settled), sorted(everything))
        self.assertEqual(set(settled.values()), {1})
        self.assertEqual({line.split()[2] for line in first.lines + second.lines if line.startswith("settled")}, {"1"})
        self.assertEqual(self.consistent(first), {})
        for driver in (first, second):
            driver.stop()

    def test_no_turn_is_lost_between_put_and_settle(self):
        """Few patients, so that what is put and what ends are always of the same line."""
        putting, settling = self.driver("one"), self.driver("two")
        putting.send("fill", 8, 800, 100, 3)
        while putting.answers.empty():
            settling("drain", 4)
        self.assertTrue(putting.result().startswith("filled 800 "))
        settling("drain", 4)
        self.assertEqual(settling.items(), {})
        self.assertEqual(sorted(settling.acknowledged("settled")), sorted(putting.acknowledged()))
        for driver in (putting, settling):
            driver.stop()

    def test_server_crashes_in_the_middle(self):
        """Acknowledged means there; not acknowledged means there or not; never twice."""
        driver = self.driver(lease_seconds=1)
        driver.send("fill", 4, 0, 20000, 50)
        for count in (20, 60, 100):
            driver.wait_lines(count)
            self.store.server.kill()
            self.store.server.start()
        driver.wait_lines(150)
        driver.kill()
        acknowledged = driver.acknowledged()
        driver.start()
        items = self.consistent(driver)
        self.assertEqual([one for one in acknowledged if one not in items], [])
        driver.send("drain", 4)
        for count in (20, 60):
            driver.wait_lines(count, "settled")
            self.store.server.kill()
            self.store.server.start()
        driver.result()

        def drained():
            driver("drain", 4)
            return not driver.items()
        wait_until(drained, "the last leases to run out", 60)
        settled = driver.acknowledged("settled")
        self.assertEqual(len(settled), len(set(settled)))
        self.assertEqual({self.store.sql("SELECT COUNT(*) FROM outbox_item WHERE state = 2")}, {str(len(items))})
        self.assertEqual(self.consistent(driver), {})
        driver.stop()

    def test_lost_connections_are_no_failures(self):
        """Each put is retried on another connection, and finds what it did: none fails, none is there twice."""
        driver = self.driver()
        driver.send("fill", 4, 300, 3000, 20)
        for count in range(20, 240, 20):
            driver.wait_lines(count)
            self.store.server.cut()
        self.assertTrue(driver.result().startswith("filled 300 "))
        self.assertEqual([line for line in driver.lines if line.startswith("failed")], [])
        self.assertEqual(len(self.consistent(driver)), 300)
        driver.stop()

    def test_answer_to_a_commit_is_lost(self):
        wire = chaos.Wire(("127.0.0.1", self.store.server.port))
        driver = self.driver(port=wire.port)
        identifier = driver.put("a")
        wire.mode = "answers lost"
        driver.send("put", "b", 1000)
        wait_until(lambda: "PostgreSQL" in driver.log(), "the driver to notice")
        wire.mode = ""
        text = driver.result()
        self.assertTrue(text.startswith("put ") or text == "failed ERR_STORAGE", text)
        wait_until(lambda: driver("put", "c", 10).startswith("put "), "the store to be there again")
        items = self.consistent(driver)
        self.assertIn(identifier, items)
        if text.startswith("put "):
            self.assertIn(text[len("put "):], items)
        self.assertEqual(len(items), 3 if text.startswith("put ") else 2)
        driver.stop()

    def test_cut_off_gateway_loses_its_lease(self):
        """Nothing hangs: calls end in time, another gateway goes on, and the first is told so when it is back."""
        wire = chaos.Wire(("127.0.0.1", self.store.server.port))
        first = self.driver("one", lease_seconds=1, port=wire.port)
        second = self.driver("two", lease_seconds=1)
        identifier = first.put()
        self.assertEqual(first.claim(), (identifier, 1, 1, False))
        wire.mode = "nothing passes"
        first.send("extend", identifier, 1)
        wait_until(lambda: second.claim() == (identifier, 2, 2, True), "the lease to run out", 60)
        self.assertEqual(first.result(60), "failed ERR_STORAGE")
        self.assertEqual(second("settle", identifier, 2), "done")
        wire.mode = ""
        wait_until(lambda: first("settle", identifier, 1) == "stale", "the first gateway to be back", 60)
        self.assertEqual(self.consistent(first), {})
        for driver in (first, second):
            driver.stop()

    def waits_for_locks(self, count):
        """Until so many sessions wait for a lock that another one holds."""
        wait_until(lambda: self.store.sql("SELECT COUNT(*) FROM pg_locks WHERE NOT granted") == str(count),
                   "%d sessions to wait" % count)

    def test_put_while_what_was_announced_is_forgotten(self):
        """Who puts it waits for the row, which is gone then: it is put all the same."""
        first, second = self.driver("one"), self.driver("two")
        identifier = "11111111-1111-4111-8111-111111111111"
        self.assertEqual(first("announce", identifier), "put " + identifier)
        with self.store.server.session() as session:
            session("BEGIN; UPDATE outbox_usage SET bytes = bytes")
            first.send("forget", identifier)
            self.waits_for_locks(1)
            second.send("put_as", identifier)
            self.waits_for_locks(2)
            session("COMMIT")
            self.assertEqual(first.result(), "done")
            self.assertEqual(second.result(), "put " + identifier)
        self.assertEqual(second.state(identifier), WAITING)
        self.assertEqual(second.claim(), (identifier, 1, 1, False))
        for driver in (first, second):
            driver.stop()

    def test_lease_that_is_extended_while_another_waits_to_end_it(self):
        first, second = self.driver("one"), self.driver("two")
        identifier = first.put()
        self.assertEqual(first.claim(), (identifier, 1, 1, False))
        self.store.sql("UPDATE outbox_item SET lease_ms = 1")
        line = int.from_bytes(bytes.fromhex(self.store.sql(
            "SELECT encode(substring(patient FROM 1 FOR 8), 'hex') FROM outbox_item")), "little", signed=True)
        with self.store.server.session() as session:
            session("BEGIN; SELECT pg_advisory_xact_lock(%d)" % line)
            second.send("claim")
            self.waits_for_locks(1)
            self.assertEqual(first("extend", identifier, 1), "done")
            session("COMMIT")
            self.assertEqual(second.result(), "nothing")
        self.assertEqual(first("settle", identifier, 1), "done")
        for driver in (first, second):
            driver.stop()

    def test_correction_that_is_undone_revives_nothing_withdrawn(self):
        """It is run again when its connection is lost; meanwhile somebody has withdrawn what it corrects."""
        first, second = self.driver("one"), self.driver("two")
        identifier = first.put()
        self.assertEqual(first("refuse", *first.claim()[:2]), "done")
        with self.store.server.session() as session:
            session("BEGIN; UPDATE outbox_usage SET bytes = bytes")
            first.send("correct", identifier)
            self.waits_for_locks(1)
            second.send("drop", identifier)
            self.waits_for_locks(2)
            self.store.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE "
                           "'INSERT INTO outbox_usage%' AND wait_event_type = 'Lock'")
            # The other one has the line now, and the first waits for that.
            wait_until(lambda: self.store.sql("SELECT COUNT(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'")
                       == "1" and "INSERT INTO outbox_usage" in self.store.sql(
                           "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"), "both to wait again")
            session("COMMIT")
            self.assertEqual(second.result(), "done")
            self.assertEqual(first.result(), "failed ERR_CONFLICT")
        self.assertEqual(first.state(identifier), WITHDRAWN)
        for driver in (first, second):
            driver.stop()

    def test_who_forgets_waits_for_a_turn_without_the_sum(self):
        """Others add to what is summed up: nobody waits for anything with that locked."""
        driver = self.driver()
        first, second = ("%d1111111-1111-4111-8111-111111111111" % n for n in (1, 2))
        self.assertEqual(driver("put_as", first), "put " + first)
        self.assertEqual(driver("announce", second), "put " + second)
        with self.store.server.session() as session:
            session("BEGIN; SELECT 1 FROM outbox_item WHERE turn = 1 FOR UPDATE")
            driver.send("forget", second)
            self.waits_for_locks(1)
            free = self.store.sql("SELECT COUNT(*) FROM (SELECT 1 FROM outbox_usage FOR UPDATE SKIP LOCKED) AS free")
            session("COMMIT")
            self.assertEqual(driver.result(), "done")
        self.assertEqual(free, "2")
        driver.stop()

    def test_away_at_the_start_is_no_end(self):
        self.store.server.kill()
        driver = self.driver()
        self.assertEqual(driver("put", "a", 10), "failed ERR_STORAGE")
        self.store.server.start()
        wait_until(lambda: driver("put", "a", 10).startswith("put "), "the store to be there")
        self.assertEqual(self.store.sql("SELECT state FROM outbox_item"), str(WAITING))
        self.assertEqual(self.store.sql("SELECT version FROM outbox_schema"), "2")
        driver.stop()

    def test_check_tells_what_is_wrong(self):
        driver = self.driver()
        with open(driver.config_path, encoding="utf-8") as file:
            configuration = json.load(file)
        configuration["publication"] = {"degraded": "accept"}
        write_configuration(driver.config_path, configuration)

        def check():
            done = subprocess.run([BINARY, "check", "--config", driver.config_path], capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, check=False)
            return done.stdout + done.stderr
        self.assertIn("ok   outbox: the PostgreSQL\n", check())
        with open(os.path.join(self.store.directory, "gateway.conninfo"), "a", encoding="ascii") as file:
            file.write(" password=wrong")
        text = check()
        self.assertIn("FAIL outbox: the PostgreSQL", text)
        self.assertIn("password authentication failed", text)
        self.assertNotIn("password=", text)
        driver.stop()

    def test_foreign_schema_is_left_alone(self):
        driver = self.driver()
        driver.put()
        driver.stop()
        self.store.sql("UPDATE outbox_schema SET version = 99")
        driver = self.driver()
        self.assertEqual(driver("put", "a", 10), "failed ERR_STORAGE")
        self.store.sql("UPDATE outbox_schema SET version = 2")
        driver.put()
        driver.stop()


if __name__ == "__main__":
    unittest.main()
