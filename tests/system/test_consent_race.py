"""No read that begins after a revocation was acknowledged is permitted, on any gateway: real gateways' rooms of access in
processes of their own (consent_race.c), a real consent directory, a real Redis. What is measured is printed."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

from support import AUTHORITY, BINARY, BUILD, Domain, absent, close_listener, free_port, wait_until, write_configuration

DRIVER = os.path.join(BUILD, "tests/consent_race")
REDIS = shutil.which("redis-server")


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
        return [int(one) for one in file.read().split()]


class Redis:
    """A redis-server on a unix socket, without persistence."""

    def __init__(self, directory, name="redis"):
        self.path = os.path.join(directory, name + ".sock")
        self.log = os.path.join(directory, name + ".log")
        self.command = [REDIS, "--port", "0", "--unixsocket", self.path, "--save", "", "--appendonly", "no",
                        "--dir", directory, "--logfile", self.log]
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.ask("PING") == b"+PONG\r\n", "redis-server")

    def ask(self, command):
        """One command, inline; the first bytes of the answer, or nothing."""
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(self.path)
                client.sendall(command.encode() + b"\r\n")
                return client.recv(4096)
        except OSError:
            return b""

    def kill(self):
        self.process.kill()
        self.process.wait()


class Stand(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        for name, content in (("consent.secret", "consent-secret-of-the-tests-0123456789\n"), ("seal.key", "s" * 32),
                              ("state.key", "t" * 32)):
            with open(os.path.join(self.directory, name), "w", encoding="utf-8") as file:
                file.write(content)
        self.port = free_port()
        self.start_domain()
        self.redis = None

    def start_domain(self):
        self.domain = Domain(self.directory, port=self.port, patients=["IHEBLUE-1001..IHEBLUE-1064"],
                             consent_secret="consent.secret")
        self.addCleanup(self.domain.kill)

    def start_redis(self):
        if not REDIS:
            absent("redis-server is not installed")
        self.redis = Redis(self.directory)
        self.addCleanup(lambda: self.redis.kill())

    def configure(self, name="gateway", max_age=0, **more):
        configuration = {
            "keys": [{"id": 1, "file": "seal.key"}],
            "state_keys": [{"id": 1, "file": "state.key"}],
            "patient": {"assigning_authority": AUTHORITY},
            "back_ends": [self.domain.back_end()],
            "consent": {"source": "directory", "directory_url": "http://127.0.0.1:%d/consent" % self.port,
                        "secret_file": "consent.secret", "default": "deny", "care_relationships": ["any"],
                        "max_age_seconds": max_age},
        }
        if self.redis:
            configuration["redis"] = {"address": self.redis.path}
        configuration.update(more)
        path = os.path.join(self.directory, name + ".yaml")
        write_configuration(path, configuration)
        return path


class Race(Stand):
    """Gateways that read while each patient's consent is revoked and granted in turn."""

    def start(self, gateways, patients, rounds, readers, **more):
        process = subprocess.Popen([DRIVER, self.configure(**more), str(gateways), str(patients), str(rounds),
                                    str(readers)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        return process

    def finish(self, process, what):
        out, _ = process.communicate(timeout=900)
        result = json.loads(out)
        print("%s: %s" % (what, json.dumps(result)), flush=True)
        self.assertEqual(result["wrong_permits"], 0, result)
        self.assertEqual(process.returncode, 0, result)
        # Each was read as granted on each gateway before, and as revoked after.
        self.assertGreaterEqual(result["permits"], result["revocations"], result)
        self.assertGreaterEqual(result["denials"], result["revocations"], result)
        return result

    def meanwhile(self, process, action, pause=0.2):
        """Does something again and again until the process ends; returns how often."""
        count = 0
        while process.poll() is None:
            action()
            count += 1
            try:
                process.wait(pause)
            except subprocess.TimeoutExpired:
                pass
        return count

    @staticmethod
    def pause(process, pid):
        """Stops a process for longer than a lease, and lets it go on."""
        os.kill(pid, signal.SIGSTOP)
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def test_one_gateway_alone(self):
        result = self.finish(self.start(1, 8, 100, 4), "one gateway")
        self.assertEqual(result["revocations"], 800)
        self.domain.stop()

    def test_two_gateways_that_cannot_ring_each_other(self):
        """The leases run out by themselves."""
        result = self.finish(self.start(2, 16, 2, 2), "two gateways without Redis")
        self.assertEqual(result["revocations"], 32)
        self.domain.stop()

    def test_093_ten_thousand_revocations(self):
        self.start_redis()
        result = self.finish(self.start(2, 16, 650, 2), "two gateways")
        self.assertEqual(result["revocations"], 10400)
        self.assertEqual((result["unclear"], result["refused"]), (0, 0))
        self.domain.stop()

    def test_116_redis_emptied_all_the_time(self):
        self.start_redis()
        process = self.start(2, 8, 60, 2)
        flushed = self.meanwhile(process, lambda: self.redis.ask("FLUSHALL"), 0.005)
        self.finish(process, "FLUSHALL %d times" % flushed)
        self.domain.stop()

    def test_117_redis_lost_with_all_it_knew(self):
        """Killed and back, empty, again and again: nothing was ever kept there that a decision needs."""
        self.start_redis()
        process = self.start(2, 8, 15, 2)

        def lose():
            self.redis.kill()
            self.redis.start()

        lost = self.meanwhile(process, lose, 2)
        self.finish(process, "Redis lost %d times" % lost)
        self.domain.stop()

    def test_the_directory_dies_again_and_again(self):
        self.start_redis()
        process = self.start(2, 8, 150, 2)

        def die():
            self.domain.kill()
            self.start_domain()

        died = self.meanwhile(process, die, 3)
        self.finish(process, "directory killed %d times" % died)
        self.assertGreater(died, 1)
        self.domain.stop()

    def test_the_directory_stands_still_now_and_then(self):
        """Longer than a lease, and longer than a gateway waits for an answer."""
        self.start_redis()
        process = self.start(2, 8, 150, 2)
        paused = self.meanwhile(process, lambda: self.pause(process, self.domain.process.pid), 1)
        self.finish(process, "directory paused %d times" % paused)
        self.domain.stop()

    def test_a_gateway_stands_still_now_and_then(self):
        """When it goes on, the lease that it held is over."""
        self.start_redis()
        process = self.start(2, 8, 150, 2)
        wait_until(lambda: process.poll() is not None or len(children(process.pid)) == 2, "two gateways")
        gateways = children(process.pid)
        paused = self.meanwhile(process, lambda: self.pause(process, gateways[0]), 1)
        self.finish(process, "gateway paused %d times" % paused)
        self.domain.stop()


class Talker:
    """One gateway that does as it is told."""

    def __init__(self, configuration):
        self.process = subprocess.Popen([DRIVER, configuration], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def tell(self, command, patient=0):
        self.process.stdin.write("%s %d\n" % (command, patient))
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(60)


class Outage(Stand):
    """The directory cannot be asked."""

    def talker(self, name="gateway", max_age=0, **more):
        talker = Talker(self.configure(name, max_age, state_directory=os.path.join(self.directory, name), **more))
        self.addCleanup(talker.process.wait)
        self.addCleanup(talker.process.kill)
        return talker

    def test_nothing_is_permitted_by_default(self):
        gateway = self.talker()
        self.assertEqual(gateway.tell("grant"), "written")
        self.assertEqual(gateway.tell("read"), "permit by consent")
        self.domain.kill()
        wait_until(lambda: gateway.tell("read") == "deny by unavailable", "the lease to run out")
        self.assertEqual(gateway.tell("read", 1), "deny by unavailable")
        self.assertEqual(gateway.tell("revoke"), "refused")
        self.start_domain()
        self.assertEqual(gateway.tell("read"), "permit by consent")
        self.assertEqual(gateway.tell("revoke"), "written")
        self.assertEqual(gateway.tell("read"), "deny by consent")
        self.assertEqual(gateway.end(), 0)
        self.domain.stop()

    def test_check_asks_the_directory(self):
        path = self.configure(audit={"enabled": "off"}, access={"anonymous": True})

        def check():
            done = subprocess.run([BINARY, "check", "--config", path], capture_output=True, text=True, check=False)
            return done.returncode, [line.split(" at ")[0] for line in done.stdout.split("\n") if "directory" in line]

        self.assertEqual(check(), (0, ["ok   consent directory:"]))
        with open(os.path.join(self.directory, "consent.secret"), "w", encoding="utf-8") as file:
            file.write("another-secret-of-the-tests\n")
        self.assertEqual(check(), (1, ["FAIL consent directory:"]))
        self.domain.stop()

    def test_the_last_known_consents_decide_for_a_while(self):
        gateway = self.talker(max_age=3)
        self.assertEqual(gateway.tell("grant"), "written")
        self.assertEqual(gateway.tell("read"), "permit by consent")
        self.domain.kill()
        permits = 0
        while gateway.tell("read") == "permit by consent":
            permits += 1
        self.assertGreater(permits, 0)
        self.assertEqual(gateway.tell("read"), "deny by unavailable")
        self.assertEqual(gateway.tell("read", 1), "deny by unavailable")
        self.assertEqual(gateway.end(), 0)

    def test_the_last_known_consents_outlive_the_gateway(self):
        gateway = self.talker(max_age=600)
        self.assertEqual(gateway.tell("grant", 0), "written")
        self.assertEqual(gateway.tell("revoke", 1), "written")
        self.assertEqual(gateway.tell("read", 0), "permit by consent")
        self.assertEqual(gateway.tell("read", 1), "deny by consent")
        self.assertEqual(gateway.end(), 0)
        self.domain.kill()
        gateway = self.talker(max_age=600)
        self.assertEqual(gateway.tell("read", 0), "permit by consent")
        self.assertEqual(gateway.tell("read", 1), "deny by consent")
        self.assertEqual(gateway.tell("read", 2), "deny by unavailable")
        # What may have changed is not known any more.
        self.start_domain()
        self.assertEqual(gateway.tell("read", 0), "permit by consent")
        self.domain.process.send_signal(signal.SIGSTOP)
        self.assertEqual(gateway.tell("revoke", 0), "unclear")
        self.assertEqual(gateway.tell("read", 0), "deny by unavailable")
        self.domain.process.send_signal(signal.SIGCONT)
        wait_until(lambda: gateway.tell("read", 0) == "deny by consent", "the unclear write to be there")
        self.assertEqual(gateway.end(), 0)
        self.domain.stop()

    def test_who_heard_the_bell_does_not_remember_what_was_before(self):
        self.start_redis()
        one = self.talker("one", 600)
        two = self.talker("two", 600)
        self.assertEqual(one.tell("grant"), "written")
        self.assertEqual(two.tell("read"), "permit by consent")
        self.assertEqual(one.tell("revoke"), "written")
        self.domain.kill()
        self.assertEqual(one.tell("read"), "deny by unavailable")
        self.assertEqual(two.tell("read"), "deny by unavailable")
        self.assertEqual((one.end(), two.end()), (0, 0))

    def test_what_is_no_answer_denies(self):
        """Something listens where the directory should, and answers with anything."""
        answers = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                   b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n[1]",
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":1,"lease_ms":999999,"consents":[]}',
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":-1,"lease_ms":1900,"consents":[]}',
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":5,"lease_ms":1900,"consents":{}}',
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":5,"lease_ms":1900,"consents":[{"id":"a"}]}',
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":5,"lease_ms":1900,"consents":[{"id":"a","patient":"p",'
                   b'"version_id":1,"updated_ms":1,"active":true,"resource":"{"}]}',
                   b'HTTP/1.1 200 OK\r\n\r\n{"version":5,"version":5,"lease_ms":1900,"consents":[]}',
                   b'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n',
                   b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n{", b"\x00\xff\r\n\r\n"]
        self.domain.stop()
        present = [b""]
        listener = socket.create_server(("127.0.0.1", self.port))
        self.addCleanup(close_listener, listener)

        def serve():
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    client.settimeout(5)
                    try:
                        client.recv(65536)
                        client.sendall(present[0])
                    except OSError:
                        pass

        threading.Thread(target=serve, daemon=True).start()
        gateway = self.talker(consent={
            "source": "directory", "directory_url": "http://127.0.0.1:%d/consent" % self.port,
            "secret_file": "consent.secret", "default": "permit", "care_relationships": ["any"]})
        for answer in answers:
            present[0] = answer
            self.assertEqual(gateway.tell("read"), "deny by unavailable", answer)
        self.assertEqual(gateway.end(), 0)


if __name__ == "__main__":
    unittest.main()
