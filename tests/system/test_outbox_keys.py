"""What waits under a key that a gateway does not have: put off, and told; as it was once the key is there."""
import os
import sqlite3
import unittest

import support
import test_outbox

OTHER = 9


class Keys(test_outbox.Case):
    def restart(self, **overrides):
        self.gateway.stop()
        self.overrides = overrides
        self.gateway_restart()

    def other_keys(self):
        path = os.path.join(self.directory, "other.key")
        with open(path, "wb") as file:
            file.write(b"z" * 32)
        os.chmod(path, 0o600)
        return [{"id": OTHER, "file": path}]

    def rows(self):
        path = os.path.join(self.directory, "gateway.state", "outbox.db")
        with sqlite3.connect(path, timeout=10) as store:
            return store.execute("SELECT state, fence, reason FROM outbox_item ORDER BY seq").fetchall()

    def told(self):
        parts = support.request("GET", self.gateway.base.replace("/fhir", "/health/ready")).json()["parts"]
        return next(part["status"] for part in parts if part["name"] == "outbox")

    def test_nothing_dies_while_its_key_is_missing(self):
        documents = [b"<a>one</a>", b"<a>two</a>"]
        bundles = [support.demo_bundle(document) for document in documents]
        self.domain.kill()
        urls = [self.accept(bundle) for bundle in bundles]
        self.restart(state_keys=self.other_keys())
        support.wait_until(lambda: sum(fence for _, fence, _ in self.rows()) > 8, "what waits to be looked at")
        self.assertTrue(all(state in (0, 1) for state, _, _ in self.rows()), self.rows())
        support.wait_until(lambda: self.told() != "ok", "health to tell")
        self.assertEqual(self.gateway.log().count("its key is missing"), 1)
        for url in urls:
            # No operator is known here but everybody, who may see that it waits.
            self.assertStatus(support.request("GET", url), 202)
        self.domain_restart()
        self.restart()
        for url, bundle, document in zip(urls, bundles, documents):
            self.delivered(url)
            self.assertOnce(bundle, document)
        self.assertEqual(self.told(), "ok")


if __name__ == "__main__":
    unittest.main()
