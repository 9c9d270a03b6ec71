"""Documents much larger than what the gateway may keep of them: it hands them on as they come, outward and inward. By the
release build, for the sanitizers keep what was freed."""
import hashlib
import http.client
import os
import re
import unittest
import urllib.parse

os.environ["PASSERELLE_BUILD"] = "build"

import inward  # pylint: disable=wrong-import-position
import support  # pylint: disable=wrong-import-position
import xds  # pylint: disable=wrong-import-position

HOME_DSP = "2.999.70.2"
REPOSITORY_DSP = "2.999.20.11"
PATIENT = "IHEBLUE-1001"
SMALL, LARGE = 1 << 20, 96 << 20  # both larger than what is verified before it leaves
GROWTH_KIB = 4 << 10
NORMAL = "2.16.840.1.113883.5.25"  # of confidentialities


class Streamed(inward.InwardStand):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.dsp = support.Domain(cls.directory, name="dsp", repository_unique_id=REPOSITORY_DSP, home_community_id=HOME_DSP)
        cls.addClassCleanup(cls.dsp.kill)
        cls.far = support.Gateway(cls.directory, [cls.domain.back_end(), cls.dsp.community(HOME_DSP)], name="far",
                                  limits=cls.gateway_overrides["limits"])
        cls.addClassCleanup(cls.far.kill)
        cls.sha256 = {}
        cls.oids = {domain: [cls.stored(domain, os.urandom(SMALL) * (size // SMALL)) for size in (SMALL, LARGE)]
                    for domain in (cls.domain, cls.dsp)}

    @classmethod
    def tearDownClass(cls):
        for process in (cls.far, cls.dsp):
            process.stop()
        super().tearDownClass()

    @classmethod
    def stored(cls, domain, document):
        """Past every gateway."""
        oid = support.fresh_oid(1)
        entry = xds.entry("doc", oid, PATIENT)
        label = entry.index("f4f85eac-e6cb-4883-b524-f2705394840f")
        entry = entry[:label] + entry[label:].replace("2.999.20.3", NORMAL, 1)
        text = xds.envelope(xds.PROVIDE, xds.provide(
            [xds.submission_set("set", support.fresh_oid(7), PATIENT), entry, xds.member("set", "doc")],
            [("doc", xds.include("doc@tests"))]))
        answer = xds.Answer(support.request("POST", domain.repository_url, {
            "Content-Type": xds.package_type(xds.PROVIDE)}, xds.package(text, [xds.part("doc@tests", document)])))
        assert answer.outcome == "Success", answer
        cls.sha256[oid] = hashlib.sha256(document).digest()
        return oid

    @staticmethod
    def memory(gateway, name):
        with open("/proc/%d/status" % gateway.process.pid, encoding="ascii") as status:
            return int(re.search(name + r":\s+(\d+) kB", status.read()).group(1))

    @staticmethod
    def received(answer, size):
        """The SHA-256 of the next so many bytes."""
        found = hashlib.sha256()
        while size and (chunk := answer.read(min(size, 1 << 18))):
            found.update(chunk)
            size -= len(chunk)
        return found.digest()

    def assertBounded(self, gateway, oids, fetch):
        """Fetching the large one takes no more than fetching the small one, before which the gateway got what it needs once."""
        fetch(oids[0], SMALL)
        with open("/proc/%d/clear_refs" % gateway.process.pid, "w", encoding="ascii") as peak:
            peak.write("5")  # it begins anew: proc(5)
        before, own = self.memory(gateway, "VmRSS"), self.memory(gateway, "RssAnon")
        fetch(oids[1], LARGE)
        self.assertLess(self.memory(gateway, "VmHWM") - before, GROWTH_KIB)
        self.assertLess(self.memory(gateway, "RssAnon") - own, GROWTH_KIB)

    def outward(self, gateway, token, oids):
        def fetch(oid, size):
            found = self.assertStatus(gateway.find(identifier="urn:oid:" + oid, token=token), 200).json()
            url = urllib.parse.urlsplit(found["entry"][0]["resource"]["content"][0]["attachment"]["url"])
            connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
            connection.request("GET", url.path, headers=support.bearer(token))
            answer = connection.getresponse()
            self.assertEqual((answer.status, answer.getheader("Content-Length")), (200, str(size)))
            self.assertEqual(self.received(answer, size), self.sha256[oid])
            connection.close()

        self.assertBounded(gateway, oids, fetch)

    def test_a_document_of_a_registry(self):
        self.outward(self.gateway, self.doctor, self.oids[self.domain])

    def test_a_document_of_another_community(self):
        self.outward(self.far, None, self.oids[self.dsp])

    def test_a_document_for_another_community(self):
        def fetch(oid, size):
            text = xds.envelope(inward.RETRIEVE, inward.retrieve((support.REPOSITORY, oid)),
                                head=self.issuer.security(role=inward.DOCTOR))
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
            connection.request("POST", "/xca", xds.package(text), {"Content-Type": xds.package_type(inward.RETRIEVE)})
            answer = connection.getresponse()
            self.assertEqual(answer.status, 200)
            begin = b""  # the heads of the message and of the document
            while begin.count(b"\r\n\r\n") < 2 and (line := answer.readline()):
                begin += line
            self.assertIn(b'ResponseStatusType:Success"', begin)
            self.assertEqual(self.received(answer, size), self.sha256[oid])
            self.assertRegex(answer.read(), rb"\A\r\n--[^\r\n]+--\r\n\Z")
            connection.close()

        self.assertBounded(self.gateway, self.oids[self.domain], fetch)


if __name__ == "__main__":
    unittest.main()
