"""The cache with a primary, a replica and three sentinels: failover, sentinels that are away, a lost last second."""
import shutil
import tempfile
import unittest

from redis_stand import Driver, RedisError, RedisServer, free_port, need_redis, unhurried
from support import wait_until


class Sentinels(unittest.TestCase):
    def setUp(self):
        need_redis()
        self.directory = tempfile.mkdtemp(prefix="passerelle-sentinel-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.first = self.redis("first", port=free_port())
        self.second = self.redis("second", "replicaof 127.0.0.1 %d" % self.first.port, port=free_port())
        self.sentinels = [self.redis("sentinel%d" % number, "sentinel monitor main 127.0.0.1 %d 2" % self.first.port,
                                     "sentinel down-after-milliseconds main 500", "sentinel failover-timeout main 3000",
                                     "requirepass watch", "sentinel sentinel-pass watch", port=free_port(),
                                     sentinel=True) for number in range(3)]
        password = self.directory + "/password"
        with open(password, "w", encoding="ascii") as file:
            file.write("watch")
        self.where = unhurried(sentinels=["127.0.0.1:%d" % sentinel.port for sentinel in self.sentinels],
                               sentinel_master="main", sentinel_password_file=password)
        wait_until(lambda: b"connected_slaves:1" in self.first("INFO", "replication"), "the replica")
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self.knows(sentinel), "the sentinels to know all", 60)

    def redis(self, name, *lines, **more):
        server = RedisServer(self.directory, name, *lines, **more)
        self.addCleanup(server.kill)
        return server

    def driver(self, name, **more):
        driver = Driver(self.directory, name, dict(self.where, **more))
        self.addCleanup(driver.kill)
        self.addCleanup(driver.stop)
        return driver

    @staticmethod
    def ask(sentinel, *words):
        """A command to a sentinel, which wants its password first; a refusal is an answer."""
        try:
            return sentinel.logged_in("watch", *words)
        except RedisError as refusal:
            return refusal

    def knows(self, sentinel):
        state = self.ask(sentinel, "SENTINEL", "MASTER", "main")
        state = dict(zip(state[::2], state[1::2]))
        return state[b"num-slaves"] == b"1" and state[b"num-other-sentinels"] == b"2" and state[b"flags"] == b"master"

    def primary_of(self, sentinel):
        return int(self.ask(sentinel, "SENTINEL", "get-master-addr-by-name", "main")[1])

    def test_117_failover(self):
        one, two = self.driver("one"), self.driver("two")
        one.wait_usable()
        two.wait_usable()
        one.put("a", "before")
        epoch = one.epoch()
        self.assertEqual((two.get("a"), two.epoch()), ("before", epoch))
        one("first", "t", "jti", "1", 1)
        wait_until(lambda: two("first", "t", "jti", "x", 20) == "first certain", "certainty")
        self.assertEqual(one("first", "t", "jti", "1", 600000), "first uncertain")
        # The last second is lost: the replica hears of nothing more.
        key = self.first.keys("*:e:*")[0]
        wait_until(lambda: self.second("GET", key) is not None, "the epoch to be replicated")
        self.second("REPLICAOF", "NO", "ONE")
        self.assertEqual(one("bump", "t", "e", "p"), "told")
        self.second("REPLICAOF", "127.0.0.1", self.first.port)
        self.first.kill()
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self.primary_of(sentinel) == self.second.port, "the failover", 60)
        for driver in (one, two):
            driver.wait_usable()
            # What the new primary inherited is out of reach: neither the epoch before the lost bump nor its values.
            self.assertNotIn(driver.epoch(), (None, epoch))
            self.assertIsNone(driver.get("a"))
        # A replay guard is lost too, and nobody says that it is not.
        self.assertEqual(two("first", "t", "jti", "1", 600000), "first uncertain")
        self.assertEqual(one.epoch(), two.epoch())
        one.put("a", "after")
        self.assertEqual(two.get("a"), "after")
        # The old primary comes back as a replica, and changes nothing.
        self.first.start()
        wait_until(lambda: b"role:slave" in self.first("INFO", "replication"), "the old primary to follow", 60)
        self.assertEqual((one.get("a"), two.get("a")), ("after", "after"))

    def test_117_a_primary_that_was_only_paused(self):
        """The old primary wakes up and still believes; the sentinels do not."""
        driver = self.driver("one")
        driver.wait_usable()
        driver.put("a", "before")
        epoch = driver.epoch()
        self.first.pause()
        self.addCleanup(self.first.resume)
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self.primary_of(sentinel) == self.second.port, "the failover", 60)
        self.first.resume()
        driver.wait_usable()
        wait_until(lambda: driver.epoch() not in (None, epoch), "the new primary", 60)
        # It follows, is made the primary again, and still holds what it held before: out of reach as well.
        wait_until(lambda: b"master_link_status:up" in self.first("INFO", "replication"), "the old primary to follow", 60)
        wait_until(lambda: driver("bump", "t", "e", "p") == "told", "the new primary to be told", 60)
        wait_until(lambda: self.ask(self.sentinels[0], "SENTINEL", "FAILOVER", "main") == "OK", "the way back", 60)
        for sentinel in self.sentinels:
            wait_until(lambda sentinel=sentinel: self.primary_of(sentinel) == self.first.port, "the way back", 60)
        wait_until(lambda: driver.epoch() is not None and self.first.keys("passerelle:%s:e:*" % self.first.life().decode()),
                   "the old primary anew", 60)
        self.assertNotEqual(driver.epoch(), epoch)
        self.assertIsNone(driver.get("a"))

    def test_less_than_half_of_the_sentinels_is_not_enough(self):
        driver = self.driver("one", connect_timeout_ms=1000, command_timeout_ms=1000)
        driver.wait_usable()
        driver.put("a", "x")
        self.sentinels[0].kill()
        self.assertEqual(driver.get("a"), "x")
        driver.wait_usable()
        self.sentinels[1].pause()
        self.addCleanup(self.sentinels[1].resume)
        # This gateway may be in the part of the network that has been cut off: it does without.
        wait_until(lambda: driver.get("a") is None and driver.epoch() is None, "the cache to be left alone", 60)
        self.assertEqual(driver("bump", "t", "e", "p"), "untold")
        wait_until(lambda: "less than half of the sentinels agree" in driver.log(), "the log to say why")
        self.sentinels[1].resume()
        driver.wait_usable()
        self.assertEqual(driver.get("a"), "x")

    def test_a_name_that_no_sentinel_knows(self):
        driver = self.driver("one", sentinel_master="other")
        self.assertIsNone(driver.epoch())
        self.assertIn("it knows no primary of that name", driver.log())


if __name__ == "__main__":
    unittest.main()
