"""Documents come back byte for byte: the demo's letter, awkward bytes, and every real document of the public corpus."""
import os
import random
import unittest

import support

MEDIA_TYPES = {".xml": "text/xml", ".json": "application/fhir+json", ".pdf": "application/pdf"}


class Documents(support.Stand):
    def round_trip(self, document, content_type):
        bundle = support.demo_bundle(document, content_type)
        self.publish(bundle)
        attachment = self.find_one(support.document_oid(bundle))["content"][0]["attachment"]
        self.assertEqual(attachment["size"], len(document))
        self.assertEqual(attachment["contentType"], content_type)
        got = self.assertStatus(support.request("GET", attachment["url"], {"Accept": content_type}), 200)
        self.assertTrue(got.body == document, "%d bytes published, %d came back" % (len(document), len(got.body)))
        self.assertEqual(got.header("Content-Type").split(";")[0], content_type)

    def test_demo_letter(self):
        self.round_trip(support.demo_letter(), "text/xml")

    def test_awkward_bytes(self):
        """What could be mistaken for the end of a MIME part, of a line or of a string."""
        for document in (b"x", b"\r\n", b"\r\n--", b"--\r\n--boundary--\r\n\r\n", b"\0" * 3, bytes(range(256)) * 300):
            with self.subTest(document=document[:20]):
                self.round_trip(document, "application/octet-stream")

    def test_large(self):
        """Larger than what is kept in memory and than what is verified before the first byte leaves."""
        seed = random.SystemRandom().randrange(1 << 32)
        print("seed", seed)
        self.round_trip(random.Random(seed).randbytes(20 << 20), "application/octet-stream")

    def test_corpus(self):
        directory = support.shared("samples/documents")
        names = sorted(os.listdir(directory))
        self.assertGreater(len(names), 10)
        for name in names:
            with self.subTest(name=name):
                with open(os.path.join(directory, name), "rb") as file:
                    self.round_trip(file.read(), MEDIA_TYPES[os.path.splitext(name)[1]])


if __name__ == "__main__":
    unittest.main()
