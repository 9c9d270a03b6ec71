"""A back-end of which nothing is heard any more, neither its name nor its host: nobody waits for either."""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest

import chaos
import support

NAME = "hcm.passerelle.test"
HANG_SECONDS = 20  # less than the resolver waits


class NameServer:
    """Knows one host, and tells of it from tell() on."""

    def __init__(self):
        self.address = "127.%d.%d.53" % (1 + os.getpid() % 250, 1 + os.getpid() // 250 % 250)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 53))
        self.asked = []
        self.tells = False
        self.lock = threading.Lock()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while (question := self.socket.recvfrom(2000))[0]:
                with self.lock:
                    self.asked.append(question)
                    if self.tells:
                        self.answer(*question)

    def answer(self, query, client):
        """127.0.0.1 as an A record, and nothing for AAAA. RFC 1035 4.1"""
        end = 12 + query[12:].index(b"\0") + 5
        is_a = query[end - 4:end - 2] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if is_a else b""
        self.socket.sendto(query[:2] + b"\x81\x80\0\1\0" + bytes([is_a]) + b"\0\0\0\0" + query[12:end] + record, client)

    def tell(self):
        with self.lock:
            self.tells = True
            for question in self.asked:
                self.answer(*question)

    def close(self):
        self.tell()
        support.close_listener(self.socket)


class Name(support.Stand):
    def test_a_name_that_nobody_resolves(self):
        try:
            names = NameServer()
        except OSError as error:
            self.skipTest("no name server is permitted on this machine: %s" % error)
        self.addCleanup(names.close)
        resolver = os.path.join(self.directory, "resolv.conf")
        with open(resolver, "w", encoding="ascii") as file:
            file.write("nameserver %s\noptions timeout:30 attempts:1\n" % names.address)
        prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver]
        if subprocess.run(prefix + ["true"], capture_output=True, check=False).returncode != 0:
            self.skipTest("no mount namespace is permitted on this machine")
        url = "http://%s:%d/" % (NAME, self.domain.port)
        gateway = support.Gateway(self.directory, [self.domain.back_end(
            registry_url=url + "registry", timeout_ms=1000, breaker_failures=0)], name="asking", prefix=prefix)
        self.addCleanup(gateway.kill)
        query = gateway.base + "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s" % (support.AUTHORITY, support.PATIENT)
        for _ in range(2):
            answer = support.request("GET", query, seconds=HANG_SECONDS)
            self.assertIn(answer.status, (502, 504), answer)
            self.assertEqual(answer.json()["resourceType"], "OperationOutcome")
        self.assertTrue(any(b"passerelle\4test" in question for question, _ in names.asked))
        names.tell()
        self.assertStatus(support.request("GET", query), 200)
        gateway.stop()


class Host(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.network = chaos.Network()
        self.addCleanup(self.network.close)
        if not self.network.exists:
            self.skipTest("no network namespace is permitted on this machine")
        self.port = support.free_port()

    def domain(self):
        """On a host of its own, as far as the network goes."""
        path = os.path.join(self.directory, "hcm.yaml")
        support.write_configuration(path, {"domain": {
            "listen": {"address": self.network.address, "port": self.port}, "accept_any_code": True,
            "data_directory": os.path.join(self.directory, "hcm"), "repository_unique_id": support.REPOSITORY,
            "assigning_authority": support.AUTHORITY, "patients": [support.PATIENT]}})
        domain = subprocess.Popen(self.network.prefix + [support.BINARY, "domain", "--config", path],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(domain.wait)
        self.addCleanup(domain.kill)

        def is_there():
            with contextlib.suppress(OSError):
                socket.create_connection((self.network.address, self.port), 1).close()
                return True
            return False
        support.wait_until(is_there, "the domain")

    def connections(self):
        """Those that stand from here to the domain. proc(5): /proc/net/tcp"""
        peer = socket.inet_aton(self.network.address)[::-1].hex().upper()
        with open("/proc/net/tcp", encoding="ascii") as file:
            return re.findall(r"^ *\d+: \S+ %s:%04X 01 " % (peer, self.port), file.read(), re.M)

    def test_a_warm_connection_to_a_host_that_is_gone(self):
        """It ends by itself, before somebody asks by it."""
        self.domain()
        here = support.Domain(self.directory, name="here", repository_unique_id="2.999.20.11")
        self.addCleanup(here.kill)
        url = "http://%s:%d/" % (self.network.address, self.port)
        gateway = support.Gateway(self.directory, [{
            "name": "hcm", "source": 1, "registry_url": url + "registry", "provide_url": url + "repository",
            "repositories": [{"unique_id": support.REPOSITORY, "url": url + "repository"}], "breaker_failures": 0,
            "home_community_id": "2.999.70.1"}, here.back_end(source=2, home_community_id="2.999.70.2", repositories=[
                {"unique_id": "2.999.20.11", "url": here.repository_url}])])
        self.addCleanup(gateway.kill)

        def find(source):
            found = gateway.find(targetCommunityIdList="urn:oid:2.999.70.%d" % source)
            self.assertEqual(found.status, 200, found)

        def has_ended():
            find(2)  # who holds the connection goes on working, and keeps it by that
            return not self.connections()

        find(1)
        self.assertEqual(len(self.connections()), 1)
        self.network.cable(False)
        support.wait_until(has_ended, "the connection to end")
        self.network.cable(True)
        find(1)
        here.stop()
        gateway.stop()


if __name__ == "__main__":
    unittest.main()
