"""Audit repositories that are away, deaf, or break off: nothing is lost, nothing is out of order, and nobody waits for
them before the journal has reached its bound. A file repository beside them says what should have come."""
import json
import os
import shutil
import ssl
import tempfile
import time
import unittest

import certificates
import repository
import support


class FeedStand(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-feeds-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = support.Domain(cls.directory)
        cls.addClassCleanup(cls.domain.kill)

    @classmethod
    def tearDownClass(cls):
        cls.domain.stop()

    def gateway(self, name, *repositories, **audit):
        """A gateway that feeds these repositories, and a file."""
        path = os.path.join(self.directory, name + ".ndjson")
        audit["repositories"] = [{"name": "file", "kind": "file", "path": path}, *repositories]
        gateway = support.Gateway(self.directory, [self.domain.back_end()], name=name, audit=audit)
        gateway.audit_path = path
        self.addCleanup(gateway.kill)
        return gateway

    def expected(self, gateway):
        """What came to the file, each event once: after a crash the last of them come again."""
        if not os.path.exists(gateway.audit_path):
            return []
        with open(gateway.audit_path, encoding="utf-8") as file:
            events = [json.loads(line) for line in file.read().split("\n")[:-1] if line]
        return list({event["id"]: event for event in reversed(events)}.values())[::-1]

    def traffic(self, gateway, count, status=200):
        begin = time.monotonic()
        for _ in range(count):
            answer = gateway.find()
            self.assertEqual(answer.status, status, repr(answer))
        return time.monotonic() - begin

    def assertArrives(self, gateway, came, stopped=True):
        """Everything that the file has, in its order, each once."""
        if stopped:
            gateway.stop()
        expected = [event["id"] for event in self.expected(gateway)]
        self.assertEqual([event["id"] for event in came], expected)
        return len(expected)


class Fhir(FeedStand):
    def feed(self, port, **more):
        return dict({"name": "arr", "kind": "fhir", "url": "http://127.0.0.1:%d/fhir" % port}, **more)

    def settled(self, gateway, server):
        def even():
            return len(server.events) > 0 and len(server.events) == len(self.expected(gateway))
        support.wait_until(even, "the repository to have all events", 60)

    def test_batches(self):
        port = support.free_port()
        server = repository.FhirRepository(port)
        self.addCleanup(server.close)
        gateway = self.gateway("batches", self.feed(port))
        self.traffic(gateway, 30)
        self.settled(gateway, server)
        count = self.assertArrives(gateway, server.events)
        print("%d events in %d Bundles" % (count, server.bodies))
        self.assertGreater(count, 60)

    def test_122_down(self):
        """Down from the start, for as long as it takes: traffic goes on, and all comes when it is back, also across a
        crash of the gateway."""
        port = support.free_port()
        gateway = self.gateway("down", self.feed(port, batch=1))
        self.traffic(gateway, 40)
        gateway.kill()
        gateway = self.gateway("down", self.feed(port, batch=1))
        self.traffic(gateway, 20)
        server = repository.FhirRepository(port)
        self.addCleanup(server.close)
        self.settled(gateway, server)
        count = self.assertArrives(gateway, server.events)
        print("%d events after the repository was down and the gateway killed, %d sent twice" % (count, server.repeated))

    def test_122_deaf(self):
        """It accepts connections and reads nothing."""
        port = support.free_port()
        deaf = repository.DeafServer(port)
        gateway = self.gateway("deaf", self.feed(port))
        self.traffic(gateway, 30)
        support.wait_until(lambda: deaf.connections, "a connection")
        deaf.close()
        server = repository.FhirRepository(port)
        self.addCleanup(server.close)
        self.settled(gateway, server)
        self.assertArrives(gateway, server.events)

    def test_122_reset_every_ten(self):
        """The connection is reset after each ten requests, one of which was taken and never answered."""
        port = support.free_port()
        server = repository.FhirRepository(port, reset_every=10)
        self.addCleanup(server.close)
        gateway = self.gateway("reset", self.feed(port, batch=1))
        self.traffic(gateway, 30)
        self.settled(gateway, server)
        count = self.assertArrives(gateway, server.events)
        print("%d events through resets, %d known already" % (count, server.repeated))
        self.assertGreater(server.repeated, 0)

    def test_one_that_is_refused_for_good(self):
        """One event that the repository never takes does not hold up the others; a repository that takes none is waited
        for."""
        port = support.free_port()
        server = repository.FhirRepository(port, refuse=lambda event: event["subtype"][0]["code"] == "110120")
        self.addCleanup(server.close)
        gateway = self.gateway("refusing", self.feed(port))
        self.traffic(gateway, 10)
        support.wait_until(lambda: len(server.events) == len(self.expected(gateway)) - 1, "all but one event")
        gateway.stop()
        self.assertIn("refused an event for good", gateway.log())
        self.assertEqual([event["id"] for event in server.events],
                         [event["id"] for event in self.expected(gateway) if event["subtype"][0]["code"] != "110120"])

    def test_122_bound(self):
        """When nobody takes the events, requests are refused at the bound rather than done unrecorded; then all goes on
        by itself, and the gap is itself recorded."""
        port = support.free_port()
        gateway = self.gateway("bound", self.feed(port), journal_bytes_max=256 * 1024)
        served = 0
        while True:
            answer = gateway.find()
            if answer.status != 200:
                break
            served += 1
            self.assertLess(served, 400)
        self.assertEqual(answer.status, 503, repr(answer))
        self.assertEqual(answer.json()["issue"][0]["details"]["coding"][0]["code"], "ERR_UNRECORDED")
        self.traffic(gateway, 5, 503)
        self.assertEqual(support.request("GET", gateway.base + "/metadata").status, 200)
        log = gateway.log()
        for percent in (50, 80, 95):
            self.assertIn('"event":"audit.backlog","percent":%d' % percent, log)
        server = repository.FhirRepository(port)
        self.addCleanup(server.close)
        support.wait_until(lambda: gateway.find().status == 200, "the gateway to serve again", 60)
        self.settled(gateway, server)
        gaps = [event for event in server.events if event["subtype"][0]["code"] == "110133"]
        self.assertTrue(gaps and "requests were refused" in gaps[0]["outcomeDesc"], gaps)
        count = self.assertArrives(gateway, server.events)
        print("%d requests (%d events) in a journal of 256 KiB before the first refusal" % (served, count))


class Syslog(FeedStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.authority = certificates.Authority(cls.directory)
        cls.server = cls.authority.issue("arr")
        cls.client = cls.authority.client("gateway")
        cls.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        cls.context.minimum_version = ssl.TLSVersion.TLSv1_2
        cls.context.load_cert_chain(cls.server.certificate, cls.server.key)
        cls.context.load_verify_locations(cls.authority.certificate)
        cls.context.verify_mode = ssl.CERT_REQUIRED

    def feed(self, port, **more):
        return dict({"name": "arr", "kind": "syslog", "address": "localhost:%d" % port, "resend_seconds": 1,
                     "ca_file": self.authority.certificate, "certificate_file": self.client.certificate,
                     "key_file": self.client.key}, **more)

    def acknowledged(self, gateway, server):
        """What the messages say, each once, in the order in which they first came."""
        return list(dict.fromkeys(repository.key_of_message(message) for _, message in server.messages))

    def assertAllCome(self, gateway, server):
        def all_there():
            keys = {repository.key_of_event(event) for event in self.expected(gateway)}
            return keys and keys <= set(self.acknowledged(gateway, server))
        support.wait_until(all_there, "all events as syslog messages", 300)
        gateway.stop()
        expected = list(dict.fromkeys(repository.key_of_event(event) for event in self.expected(gateway)))
        self.assertEqual(self.acknowledged(gateway, server)[:len(expected) - 1], expected[:-1])
        return len(expected)

    def test_messages(self):
        port = support.free_port()
        server = repository.SyslogRepository(port, self.context)
        self.addCleanup(server.close)
        gateway = self.gateway("messages", self.feed(port))
        self.traffic(gateway, 20)
        count = self.assertAllCome(gateway, server)
        self.assertEqual(server.names[0], "gateway")
        head, message = server.messages[1]
        self.assertEqual((head[0], head[3], head[5]), ("85", "passerelle", "IHE+DICOM"))
        self.assertEqual(head[1], message.find("EventIdentification").get("EventDateTime"))
        self.assertEqual(message.tag, "AuditMessage")
        print("%d events, %d messages" % (count, len(server.messages)))

    def test_122_reset_after_ten(self):
        """Each connection dies when ten messages have been read, with what was on its way."""
        port = support.free_port()
        server = repository.SyslogRepository(port, self.context, reset_after=10)
        self.addCleanup(server.close)
        gateway = self.gateway("syslog-reset", self.feed(port))
        self.traffic(gateway, 20)
        count = self.assertAllCome(gateway, server)
        print("%d events as %d messages over %d connections" % (count, len(server.messages), server.connections))
        self.assertGreater(server.connections, count // 10)

    def test_122_never_read(self):
        """TLS is agreed on, and then nothing is ever read."""
        port = support.free_port()
        deaf = repository.SyslogRepository(port, self.context, deaf=True)
        gateway = self.gateway("syslog-deaf", self.feed(port, resend_seconds=60))
        self.traffic(gateway, 30)
        support.wait_until(lambda: deaf.connections, "a connection")
        deaf.close()
        server = repository.SyslogRepository(port, self.context)
        self.addCleanup(server.close)
        self.assertAllCome(gateway, server)

    def test_wrong_certificates(self):
        """A repository that is not who it should be gets nothing, and one that wants no strangers can tell."""
        port = support.free_port()
        other = certificates.Authority(self.directory, "other")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        wrong = other.issue("impostor")
        context.load_cert_chain(wrong.certificate, wrong.key)
        server = repository.SyslogRepository(port, context)
        gateway = self.gateway("impostor", self.feed(port))
        self.traffic(gateway, 3)
        support.wait_until(lambda: "is not trusted" in gateway.log(), "the gateway to say why")
        self.assertEqual(server.messages, [])
        server.close()
        gateway.stop()


if __name__ == "__main__":
    unittest.main()
