"""Who is slow costs nobody but those who ask them: a tenant's back-end leaves workers to the other tenants, and to what
asks no back-end. Nobody is refused for it: what has no worker waits its turn."""
import threading
import unittest

import proxy
import support
from test_tenants import NORD, SUD, TenantStand

QUERY = "RegistryStoredQuery"
WORKERS = 8


class Bulkheads(TenantStand):
    """Half of the workers for each of two hospitals, three quarters of these for what asks back-ends: three."""
    overrides = {"limits": {"workers": WORKERS}}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.proxy = proxy.Proxy("http://127.0.0.1:%d" % cls.domain.port)
        cls.addClassCleanup(cls.proxy.close)
        cls.gateway.stop()
        cls.write_tenant(SUD, {"back_ends": [cls.domain.back_end(registry_url=cls.proxy.url("/registry"))]})
        cls.gateway = support.Gateway(
            cls.directory, [cls.domain.back_end()], name="bulkheads", access={"anonymous": False}, default_tenant=NORD,
            tenants=[{"name": name, "file": name + ".yaml"} for name in cls.tenants], **cls.overrides)
        cls.addClassCleanup(cls.gateway.kill)

    def search(self, tenant, token):
        return self.ask(tenant, "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s" % (
            support.AUTHORITY, support.PATIENT), token)

    def waiting(self):
        text = support.request("GET", "http://127.0.0.1:%d/metrics" % self.gateway.port).body.decode()
        return [line for line in text.splitlines()
                if line.startswith('passerelle_requests_waiting{server="gateway"}')][0].endswith(" %d" % (2 * WORKERS - 3))

    def test_a_slow_back_end_leaves_workers_to_all_others(self):
        go = threading.Event()
        self.addCleanup(go.set)
        self.proxy.script(QUERY, *[proxy.held(go)] * 2 * WORKERS)
        token, other = self.token("doctor", SUD), self.token("doctor", NORD)
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(self.search(SUD, token).status))
                   for _ in range(2 * WORKERS)]
        for thread in threads:
            thread.start()
        support.wait_until(lambda: self.proxy.count(QUERY) == 3, "three searches at the slow back-end")
        support.wait_until(self.waiting, "all others to wait for their turn")
        for _ in range(WORKERS):
            self.assertStatus(self.search(NORD, other), 200)
        self.assertStatus(self.ask(SUD, "/metadata", None), 200)
        self.assertEqual(answers, [])
        self.assertEqual(self.proxy.count(QUERY), 3)
        go.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(answers, [200] * 2 * WORKERS)


del TenantStand

if __name__ == "__main__":
    unittest.main()
