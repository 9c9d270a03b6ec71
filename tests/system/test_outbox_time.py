"""How long a publication may take until it is answered: publication.deadline_ms is for all that is asked before."""
import collections
import select
import threading
import time
import unittest

import proxy
import support
from test_outbox import PROVIDE, Case
from test_outbox_targets import by_unique_id

QUERY = "RegistryStoredQuery"
IDENTITY = "PRPA_IN201309UV02"


class Held(Case):
    """Peers that take what they are asked and say nothing, and note how long each was given."""
    publication = {"deadline_ms": 2000}

    def setUp(self):
        self.given = collections.defaultdict(list)
        super().setUp()

    def back_end_make(self):
        return dict(super().back_end_make(), timeout_ms=60000)

    def hold(self, exchange):
        began = time.monotonic()
        # The gateway sends nothing more: it can be read when the gateway has hung up.
        select.select([exchange.connection], [], [], 60)
        self.given[exchange.action].append(time.monotonic() - began)
        raise proxy.Cut


class Targets(Held):
    def test_several_targets_have_the_time_of_one(self):
        bundle = by_unique_id(support.demo_bundle(b"<a>several</a>"), "2.999.7.1")
        relates = bundle["entry"][1]["resource"]["relatesTo"]
        for oid in ("2.999.7.2", "2.999.7.3"):
            relates += by_unique_id(support.demo_bundle(b"<a>x</a>"), oid)["entry"][1]["resource"]["relatesTo"]
        self.proxy.script(QUERY, *[self.hold] * 100)
        self.accept(bundle)
        with self.proxy.lock:
            asked = b"".join(exchange.body for exchange in self.proxy.seen)
        self.assertIn(b"2.999.7.1", asked)
        for oid in (b"2.999.7.2", b"2.999.7.3"):
            self.assertNotIn(oid, asked, "there was no time left to ask after it")


class Patients(Held):
    """The PIX manager is held as well."""

    def setUp(self):
        super().setUp()
        self.gateway.kill()
        self.overrides = {"identity": {"pix_url": self.proxy.url("/pix"), "timeout_ms": 60000}}
        self.gateway = self.gateway_start()

    def test_who_is_asked_after_a_try_in_vain_has_what_that_left(self):
        self.proxy.script(PROVIDE, *[self.hold] * 100)
        self.proxy.script(IDENTITY, *[self.hold] * 100)
        self.accept(support.demo_bundle(b"<a>held</a>"))
        support.wait_until(lambda: self.given[PROVIDE] and self.given[IDENTITY], "both to be hung up on")
        self.assertLess(self.given[IDENTITY][0], self.given[PROVIDE][0])


if __name__ == "__main__":
    unittest.main()
