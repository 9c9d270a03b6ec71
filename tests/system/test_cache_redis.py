"""The cache in a real Redis: over unix socket, TCP and TLS, with ACL users; Redis emptied, restarted, full, paused,
demoted and lying. Whatever happens, a value is the right one or none."""
import os
import re
import shutil
import subprocess
import tempfile
import threading
import unittest

from certificates import Authority
from redis_stand import Driver, Proxy, RedisServer, Resp, free_port, gateway_configuration, need_redis, unhurried
from support import BINARY, wait_until, write_configuration

ACL = ("user passerelle on >secret resetkeys ~passerelle:* resetchannels &passerelle:* -@all "
       "+get +set +del +exists +pttl +publish +subscribe +ping +info")
KEY = re.compile(rb"passerelle:[0-9a-f]{40}:[vef]:[0-9a-f]{64}")


class Stand(unittest.TestCase):
    def setUp(self):
        need_redis()
        self.directory = tempfile.mkdtemp(prefix="passerelle-redis-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.count = 0

    def redis(self, *lines, **more):
        self.count += 1
        server = RedisServer(self.directory, "redis%d" % self.count, *lines, **more)
        self.addCleanup(server.kill)
        return server

    def driver(self, redis, stops=True, **more):
        self.count += 1
        driver = Driver(self.directory, "driver%d" % self.count, redis, **more)
        self.addCleanup(driver.kill)
        if stops:
            self.addCleanup(driver.stop)
        return driver

    def proxy(self, server):
        proxy = Proxy(server.path)
        self.addCleanup(proxy.close)
        return proxy

    def check(self, redis, **more):
        """What passerelle check says about Redis."""
        path = os.path.join(self.directory, "check.yaml")
        write_configuration(path, gateway_configuration(self.directory, redis, **more))
        done = subprocess.run([BINARY, "check", "--config", path], capture_output=True, text=True, check=False)
        return "\n".join(line for line in done.stdout.split("\n") if " redis: " in line) + done.stderr

    def password(self, text="secret"):
        path = os.path.join(self.directory, "password")
        with open(path, "w", encoding="ascii") as file:
            file.write(text + "\n")
        return path

    def shares(self, one, two):
        """Two gateways see the same."""
        one.put("a", "value")
        self.assertEqual(two.get("a"), "value")
        two("drop", "t", "k", "a")
        self.assertIsNone(one.get("a"))
        one.put("big", "x" * 60000)
        self.assertEqual(two.get("big"), "x" * 60000)
        epoch = one.epoch()
        self.assertIsNotNone(epoch)
        self.assertEqual(two.epoch(), epoch)
        self.assertEqual(two("bump", "t", "e", "p"), "told")
        self.assertNotEqual(one.epoch(), epoch)
        self.assertEqual(one.epoch(), two.epoch())
        self.assertEqual(one("first", "t", "jti", "1", 60000), "first uncertain")
        self.assertEqual(two("first", "t", "jti", "1", 60000), "seen certain")
        one("ring", "from-one")
        two("ring", "from-two")
        for driver in (one, two):
            wait_until(lambda driver=driver: sorted(driver.bells) == ["from-one", "from-two"], "the bell")


class Transports(Stand):
    def test_unix_socket(self):
        server = self.redis()
        where = unhurried(address=server.path)
        self.shares(self.driver(where), self.driver(where))
        self.assertRegex(self.check(where), r"^ok   redis: the shared cache at /")

    def test_tcp_and_acl_user(self):
        server = self.redis(ACL, "user default off", port=free_port())
        where = unhurried(address="localhost:%d" % server.port, user="passerelle", password_file=self.password())
        self.shares(self.driver(where), self.driver(where))
        self.assertRegex(self.check(where), r"^ok   redis:")
        wrong = self.check(dict(where, password_file=self.password("wrong")))
        self.assertRegex(wrong, r"^FAIL redis: .*WRONGPASS")
        self.assertNotIn("wrong", wrong.replace("WRONGPASS", "").replace("wrong number", ""))

    def test_password_of_the_default_user(self):
        server = self.redis("requirepass secret")
        where = unhurried(address=server.path, password_file=self.password())
        self.assertTrue(self.driver(where).usable())
        self.assertRegex(self.check(unhurried(address=server.path)), r"^FAIL redis: .*NOAUTH")

    def test_a_missing_right_is_named(self):
        for missing in ("get", "set", "del", "exists", "pttl", "publish", "subscribe", "info"):
            with self.subTest(missing=missing):
                server = self.redis(ACL + " -" + missing)
                said = self.check(unhurried(address=server.path, user="passerelle", password_file=self.password()))
                self.assertRegex(said, r"^FAIL redis: .*%s is refused: NOPERM" % missing.upper())
                server.kill()

    def test_tls(self):
        authority, other = Authority(self.directory), Authority(self.directory, "other")
        server = authority.issue("server", names="DNS:localhost,IP:127.0.0.1,DNS:redis.example")
        client = authority.client("client")
        port = free_port()
        self.redis("tls-port %d" % port, "tls-cert-file " + server.certificate, "tls-key-file " + server.key,
                   "tls-ca-cert-file " + authority.certificate, "tls-auth-clients yes", ACL)

        def where(host="127.0.0.1", ca=authority, shown=client, **more):
            tls = dict({"ca_file": ca.certificate}, **more)
            if shown:
                tls.update(certificate_file=shown.certificate, key_file=shown.key)
            return unhurried(address="%s:%d" % (host, port), user="passerelle", password_file=self.password(), tls=tls)

        self.shares(self.driver(where()), self.driver(where("localhost")))
        self.assertRegex(self.check(where(server_name="redis.example")), r"^ok   redis:")
        self.assertRegex(self.check(where(server_name="other.example")),
                         r"^FAIL redis: .*not accepted: hostname mismatch")
        self.assertRegex(self.check(where("127.0.0.2")), r"^FAIL redis: ")
        self.assertRegex(self.check(where(server_name="127.0.0.2")),
                         r"^FAIL redis: .*not accepted: IP address mismatch")
        self.assertRegex(self.check(where(ca=other)), r"^FAIL redis: .*not accepted: ")
        self.assertRegex(self.check(where(shown=None)), r"^FAIL redis: ")
        # In clear where TLS is spoken, and files that are not there.
        self.assertRegex(self.check(unhurried(address="127.0.0.1:%d" % port)), r"^FAIL redis: ")
        bad = where()
        bad["tls"]["ca_file"] = self.password()
        self.assertRegex(self.check(bad), r"^FAIL redis: redis.tls.ca_file: Name a file with certificates")
        bad = where()
        bad["tls"]["key_file"] = server.key
        self.assertRegex(self.check(bad), r"^FAIL redis: redis.tls.key_file: ")

    def test_what_does_not_fit_together_is_said(self):
        for redis, keys, said in (
                ({"address": "/x"}, (), "state_keys: error: Add this key"),
                ({"address": "/x", "sentinels": ["h:1"], "sentinel_master": "m"}, (1,), "redis.address: error: Remove"),
                ({"sentinels": ["h:1"]}, (1,), "redis.sentinel_master: error: Give"),
                ({"address": "/x", "user": "u"}, (1,), "redis.password_file: error: Add"),
                ({"address": "/x", "tls": {"ca_file": "x", "key_file": "y"}}, (1,),
                 "redis.tls.certificate_file: error: Give"),
                ({"address": "nowhere"}, (1,), "FAIL redis: nowhere: write the address as host:port")):
            with self.subTest(said=said):
                self.assertIn(said, self.check(redis, keys=keys))


class Names(Stand):
    def test_090_nothing_of_a_name_reaches_redis(self):
        server = self.redis()
        driver = self.driver(unhurried(address=server.path))
        names = ["IHEBLUE-1001", "a\rSET", "*1\r$8\rFLUSHALL", "{slot}x", "{slot}y", "x" * 5000, "%s%n", "\x01é"]
        for number, name in enumerate(names):
            driver.put(name, "Muster-Fantaisie-%d" % number)
        for number, name in enumerate(names):
            self.assertEqual(driver.get(name), "Muster-Fantaisie-%d" % number)
        self.assertIsNotNone(driver.epoch("IHEBLUE-1001"))
        driver("first", "t", "jti", "IHEBLUE-1001", 60000)
        keys = server.keys()
        self.assertEqual(len(keys), len(names) + 3)
        for key in keys:
            self.assertIsNotNone(KEY.fullmatch(key), key)
            self.assertNotIn(b"Muster", server("GET", key))
            self.assertGreater(server("PTTL", key), 0)

    def test_103_the_same_number_in_two_hospitals(self):
        server = self.redis()
        driver = self.driver(unhurried(address=server.path))
        driver.put("12345", "of a", tenant="a")
        self.assertIsNone(driver.get("12345", tenant="b"))
        self.assertIsNone(driver.get("12345", kind="other", tenant="a"))
        driver.put("12345", "of-b", tenant="b")
        self.assertEqual(driver.get("12345", tenant="b"), "of-b")

    def test_120_poisoned_values_do_not_open(self):
        server = self.redis()
        driver = self.driver(unhurried(address=server.path))

        def put(part, value, ttl=60000):
            before = set(server.keys())
            driver.put(part, value, ttl)
            return (set(server.keys()) - before).pop()

        permit, deny, gone = put("permit", "permit"), put("deny", "deny"), put("gone", "gone")
        good = server("GET", permit)
        # Another's value, also under the same run id.
        server("SET", deny, good)
        self.assertIsNone(driver.get("deny"))
        # A value at a key of another class.
        epoch = driver.epoch()
        epoch_key = server.keys("passerelle:*:e:*")[0]
        server("SET", epoch_key, good)
        self.assertNotIn(driver.epoch(), (None, epoch))
        # Bits, lengths, what we never wrote.
        flipped = bytearray(good)
        for position in (0, 1, 5, len(good) // 2, len(good) - 1):
            flipped[position] ^= 1
            server("SET", permit, bytes(flipped))
            self.assertIsNone(driver.get("permit"))
            flipped[position] ^= 1
        for value in (b"", b"\x01", good[:-1], good + b"x", b"x" * 100000):
            server("SET", permit, value)
            self.assertIsNone(driver.get("permit"))
        server("DEL", permit)
        server("LPUSH", permit, "not a string")
        self.assertIsNone(driver.get("permit"))
        driver.wait_usable()
        server("SET", permit, good)
        self.assertEqual(driver.get("permit"), "permit")
        # The lifetime stands inside: nobody can make it longer.
        server("PERSIST", put("short", "short", 300))
        wait_until(lambda: driver.get("short") is None, "the lifetime to pass")
        # After a restart: the old key, renamed into the new life.
        saved = server("GET", gone)
        server.restart()
        driver.wait_usable()
        server("SET", gone.replace(gone.split(b":")[1], server.life()), saved)
        self.assertIsNone(driver.get("gone"))
        events = driver.events("cache.foreign")
        self.assertTrue(events)
        self.assertEqual(events[0]["level"], "warn")


class Rotation(Stand):
    def test_two_gateways_while_keys_change(self):
        server = self.redis()
        where = unhurried(address=server.path)
        old, both, new = (self.driver(where, keys=keys) for keys in ((1, 2), (2, 1), (2,)))
        old.put("a", "by-old")
        self.assertEqual(both.get("a"), "by-old")
        both.put("b", "by-new")
        self.assertEqual(old.get("b"), "by-new")
        self.assertEqual(new.get("b"), "by-new")
        self.assertIsNone(new.get("a"))
        both("drop", "t", "k", "a")
        self.assertIsNone(old.get("a"))
        for teller, hearer in ((old, both), (both, old)):
            epoch = hearer.epoch()
            self.assertEqual(teller("bump", "t", "e", "p"), "told")
            self.assertNotEqual(hearer.epoch(), epoch)
        self.assertEqual(old("first", "t", "jti", "1", 60000).split()[0], "first")
        self.assertEqual(both("first", "t", "jti", "1", 60000), "seen certain")
        old("ring", "x")
        both("ring", "y")
        for driver in (old, both):
            wait_until(lambda driver=driver: sorted(driver.bells) == ["x", "y"], "the bell")


class Emptied(Stand):
    def test_116_flushall_under_load(self):
        server = self.redis()
        driver = self.driver(unhurried(address=server.path))
        other = self.driver(unhurried(address=server.path))
        other("first", "t", "jti", "0", 1)
        wait_until(lambda: other("first", "t", "jti", "x%d" % os.urandom(4)[0], 50).endswith(" certain"), "certainty")
        driver.send("hammer", 16, 50, 4)
        epochs, firsts = [], []
        ended = threading.Event()
        results = []

        def read():
            results.append(driver.result())
            ended.set()

        threading.Thread(target=read).start()
        while not ended.is_set():
            epochs.append(other.epoch())
            self.assertEqual(other("first", "t", "jti", "again", 600000).split()[0], "first")
            server("FLUSHALL")
            firsts.append(other("first", "t", "jti", "again", 600000))
            server("FLUSHALL")
        hits, misses, wrong, slowest = map(int, results[0].split())
        print("FLUSHALL %d times: %d hits, %d misses, %d wrong, slowest call %d us" % (
            len(epochs) * 2, hits, misses, wrong, slowest))
        self.assertEqual(wrong, 0)
        self.assertGreater(hits, 0)
        self.assertGreater(misses, 0)
        self.assertEqual(len(set(epochs)), len(epochs), "an epoch came back")
        # The guard was forgotten, and nobody claims to know.
        self.assertEqual(set(firsts), {"first uncertain"})

    def test_a_restart_begins_anew(self):
        server = self.redis("appendonly yes", "appendfsync always")
        driver = self.driver(unhurried(address=server.path))
        epoch = driver.epoch()
        driver.put("a", "old")
        self.assertEqual(driver.get("a"), "old")
        server.restart()
        wait_until(lambda: driver.epoch() not in (None, epoch), "another epoch", 60)
        self.assertIsNone(driver.get("a"))
        self.assertGreaterEqual(len(server.keys("*:v:*")), 1, "Redis kept it, we do not look there")

    def test_a_primary_that_was_a_replica_for_a_while_begins_anew(self):
        """The same process with the same data, but others may have been told things meanwhile."""
        server, other = self.redis(), self.redis(port=free_port())
        driver = self.driver(unhurried(address=server.path))
        reader = self.driver(unhurried(address=server.path))
        driver.put("a", "old")
        epoch = driver.epoch()
        self.assertEqual(reader.epoch(), epoch)
        kept = {key: server("GET", key) for key in server.keys()}
        # One that only reads meets no READONLY.
        server("REPLICAOF", "127.0.0.1", other.port)
        self.assertIsNone(reader.epoch())
        server("REPLICAOF", "NO", "ONE")
        for key, value in kept.items():
            server("SET", key, value)
        for one in (reader, driver):
            wait_until(lambda one=one: one.epoch() is not None, "the primary", 60)
            self.assertNotEqual(one.epoch(), epoch)
            self.assertIsNone(one.get("a"))
        self.assertEqual(reader.epoch(), driver.epoch())

    def test_evicted_guards_are_not_certain(self):
        server = self.redis()
        driver = self.driver(unhurried(address=server.path))
        driver("first", "t", "jti", "0", 1)
        wait_until(lambda: driver("first", "t", "jti", os.urandom(4).hex(), 20) == "first certain", "certainty")
        server("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
        server("CONFIG", "SET", "maxmemory", int(re.search(rb"used_memory:(\d+)", server("INFO", "memory")).group(1)))
        for number in range(200):
            driver.put("n%d" % number, "x" * 2000)
        self.assertIn("evicted_keys:", server("INFO", "stats").decode())
        self.assertNotIn("evicted_keys:0", server("INFO", "stats").decode())
        self.assertEqual(driver("first", "t", "jti", "after", 600000), "first uncertain")


class Slow(Stand):
    """Attack 119, with the timeouts that are the default."""

    def hammered(self, driver, during):
        """Runs a load of 50 threads and something beside it; hits, misses, wrong values and the slowest call."""
        driver.send("hammer", 50, 100, 4)
        during()
        hits, misses, wrong, slowest = map(int, driver.result().split())
        self.assertEqual(wrong, 0)
        return hits, misses, slowest

    def test_119_a_pause(self):
        server = self.redis(port=free_port())
        driver = self.driver({"address": "127.0.0.1:%d" % server.port})
        driver.wait_usable()
        server.pause()
        self.addCleanup(server.resume)
        hits, misses, slowest = self.hammered(driver, lambda: None)
        print("paused: %d calls in 4 s by 50 threads, the slowest %d us" % (misses, slowest))
        # Had each call waited for Redis, there would be at most 50 * 4 s / 50 ms of them.
        self.assertGreater(misses, 4000)
        server.resume()
        driver.wait_usable()
        hits, misses, slowest = self.hammered(driver, lambda: server("DEBUG", "SLEEP", 1))
        print("DEBUG SLEEP 1: %d hits, %d misses in 4 s, the slowest %d us" % (hits, misses, slowest))
        driver.wait_usable()

    def test_119_half_open_tcp(self):
        server = self.redis()
        proxy = self.proxy(server)
        driver = self.driver({"address": "127.0.0.1:%d" % proxy.port})
        driver.wait_usable()
        proxy.deaf = True
        _, misses, slowest = self.hammered(driver, lambda: None)
        print("half-open: %d calls in 4 s by 50 threads, the slowest %d us" % (misses, slowest))
        self.assertGreater(misses, 4000)
        proxy.deaf = False
        driver.wait_usable()

    def test_119_the_pool_is_whole_afterwards(self):
        server = self.redis()
        proxy = self.proxy(server)
        driver = self.driver({"address": "127.0.0.1:%d" % proxy.port, "connections_max": 2})
        for _ in range(5):
            driver.wait_usable()
            proxy.hold = True
            self.assertIsNone(driver.get("x"))
            self.assertIsNone(driver.get("x"))
            proxy.hold = False
        driver.wait_usable()
        hits, _, _ = self.hammered(driver, lambda: None)
        self.assertGreater(hits, 0)

    def test_119_full(self):
        server = self.redis("maxmemory-policy noeviction")
        driver = self.driver(unhurried(address=server.path))
        driver.put("a", "before")
        epoch = driver.epoch()
        server("CONFIG", "SET", "maxmemory", 1)
        driver.put("b", "x")
        self.assertIsNone(driver.get("b"))
        self.assertEqual(driver.get("a"), "before")
        self.assertEqual(driver.epoch(), epoch)
        self.assertEqual(driver("first", "t", "jti", "1", 60000), "first uncertain")
        # A full Redis can still be told; what it cannot make anew is not known.
        self.assertEqual(driver("bump", "t", "e", "p"), "told")
        self.assertIsNone(driver.epoch())
        self.assertEqual(driver.events("cache.state")[-1]["state"], "refuses")
        server("CONFIG", "SET", "maxmemory", 0)
        self.assertNotIn(driver.epoch(), (None, epoch))

    def test_119_loading(self):
        server = self.redis()
        server("DEBUG", "POPULATE", 2000, "filler", 100)
        server("SAVE")
        driver = self.driver({"address": server.path})
        driver.wait_usable()
        server.restart("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
        self.assertIsNone(driver.get("p", "probe"))
        wait_until(lambda: any("LOADING" in event.get("reason", "") for event in driver.events("cache.state")),
                   "LOADING to be met", 30)
        server("CONFIG", "SET", "key-load-delay", 0)
        driver.wait_usable()

    def test_119_readonly(self):
        server = self.redis(port=free_port())
        other = self.redis(port=free_port())
        driver = self.driver(unhurried(address=server.path))
        driver.put("a", "x")
        epoch = driver.epoch()
        server("REPLICAOF", "127.0.0.1", other.port)
        wait_until(lambda: driver.epoch() is None and driver("bump", "t", "e", "p") == "untold", "READONLY to be met")
        self.assertRegex(self.check(unhurried(address=server.path)), r"^FAIL redis: .*it is a replica")
        server("REPLICAOF", "NO", "ONE")
        driver.wait_usable()
        self.assertNotEqual(driver.epoch(), epoch)

    def test_119_busy_script(self):
        server = self.redis("busy-reply-threshold 1")
        driver = self.driver({"address": server.path})
        driver.wait_usable()
        script = Resp(server.path)
        script.send("EVAL", "while true do end", 0)
        wait_until(lambda: driver.get("p", "probe") is None, "the script to be met")
        wait_until(lambda: server("SCRIPT", "KILL") == "OK", "the script to end")
        script.close()
        driver.wait_usable()


class Desynchronised(Stand):
    """Attack 118: a reply that belongs to another command."""

    def test_118_a_late_reply_meets_nobody(self):
        server = self.redis()
        proxy = self.proxy(server)
        driver = self.driver({"address": "127.0.0.1:%d" % proxy.port})
        for number in range(10):
            wait_until(lambda number=number: driver.put("n%d" % number, "value-%d" % number) and
                       driver.get("n%d" % number) == "value-%d" % number, "the value", 60)
        late = 0
        for number in range(10):
            proxy.held = 0
            proxy.hold = True
            before = proxy.connections
            self.assertIsNone(driver.get("n%d" % number))
            late += proxy.held > 0
            proxy.hold = False
            # The replies of before are on their way now, and other commands are sent.
            for other in range(10):
                self.assertIn(driver.get("n%d" % other), (None, "value-%d" % other))
            driver.wait_usable()
            self.assertGreater(proxy.connections, before, "the connection was dropped")
            for other in range(10):
                self.assertIn(driver.get("n%d" % other), (None, "value-%d" % other))
        self.assertGreater(late, 5)

    def test_118_a_reply_too_much_meets_nobody(self):
        server = self.redis()
        proxy = self.proxy(server)
        driver = self.driver(unhurried(address="127.0.0.1:%d" % proxy.port, connections_max=1))
        driver.put("a", "of-a")
        driver.put("b", "of-b")
        self.assertEqual(driver.get("a"), "of-a")
        keys = server.keys("passerelle:*:v:*")
        values = [server("GET", key) for key in keys]
        for value in values:
            foreign = b"$%d\r\n%s\r\n" % (len(value), value)
            for place in ("inject", "inject_after"):
                setattr(proxy, place, foreign)
                for _ in range(4):
                    self.assertIn(driver.get("a"), (None, "of-a"))
                    self.assertIn(driver.get("b"), (None, "of-b"))
                driver.wait_usable()
        self.assertEqual(driver.get("a"), "of-a")

    def test_118_nonsense(self):
        """What no Redis sends: the connection is dropped, nothing is believed, and memory stays bounded."""
        server = self.redis()
        proxy = self.proxy(server)
        for nonsense in (b"?\r\n", b"*1000000000\r\n", b"*-7\r\n", b"$99999999999\r\n", b"$-9\r\n", b"*9999\r\n",
                         b"*1\r\n" * 20, b"+" + b"x" * 300000 + b"\r\n", b":99999999999999999999\r\n", b"\0\r\n",
                         b"*0\r\n", b"*-1\r\n", b"$-1\r\n", b"+QUEUED\r\n", b":1\r\n", b"-ERR unknown\r\n"):
            # A driver for each: one that meets trouble again and again makes longer and longer pauses.
            driver = self.driver({"address": "127.0.0.1:%d" % proxy.port, "command_timeout_ms": 1000}, stops=False)
            driver.wait_usable()
            proxy.inject = nonsense
            for _ in range(3):
                self.assertIn(driver.get("p", "probe"), (None, "x"))
                self.assertIn(driver("bump", "t", "e", "p"), ("told", "untold"))
            driver.wait_usable()
            driver.stop()


class Crowd(Stand):
    def test_121_a_thousand_clients_at_two_gateways(self):
        server = self.redis()
        drivers = [self.driver(unhurried(address=server.path, connections_max=64)) for _ in range(2)]
        for number in range(3):
            for driver in drivers:
                driver.send("crowd", 500, "cold-%d" % number)
            results = [tuple(map(int, driver.result().split())) for driver in drivers]
            asked, answered, wrong = (sum(column) for column in zip(*results))
            print("1000 clients, two gateways: %d questions, %d answered" % (asked, answered))
            self.assertLessEqual(asked, 2)
            self.assertEqual((answered, wrong), (1000, 0))


class Away(Stand):
    def test_redis_may_come_later(self):
        """Redis away at the start, and coming later."""
        path = os.path.join(self.directory, "later", "s")
        driver = self.driver(unhurried(address=path))
        self.assertIsNone(driver.get("a"))
        self.assertIsNone(driver.epoch())
        self.assertEqual(driver("bump", "t", "e", "p"), "untold")
        self.assertEqual(driver("first", "t", "jti", "1", 1000), "first uncertain")
        driver("ring", "alone")
        wait_until(lambda: driver.bells == ["alone"], "the bell of the process itself")
        server = RedisServer(self.directory, "later")
        self.addCleanup(server.kill)
        driver.wait_usable()
        self.assertEqual([event["state"] for event in driver.events("cache.state")], ["not found", "ready"])


if __name__ == "__main__":
    unittest.main()
