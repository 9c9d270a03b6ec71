"""Several hospitals reached by other communities: each by its own path, home and audience, and no assertion for one opens
another."""
import shutil
import tempfile
import unittest

import inward
import saml
import support
import test_tenants
import xds
from test_tenants import NORD, SUD

HOMES = {NORD: "urn:oid:2.999.20.70", SUD: "urn:oid:2.999.20.75"}


class Tenants(test_tenants.TenantStand):
    @classmethod
    def setUpClass(cls):
        cls.port = support.free_port()
        directory = tempfile.mkdtemp(prefix="passerelle-sts-")
        cls.addClassCleanup(shutil.rmtree, directory, True)
        cls.issuers = {name: saml.Issuer(directory, "urn:tests:sts", "urn:tests:" + name, file=name)
                       for name in (NORD, SUD)}
        cls.tenants = {name: {"community": {
            "home_community_id": HOMES[name][len("urn:oid:"):], "roles": [inward.DOCTOR[0]],
            "xua": {"issuers": [{"issuer": issuer.name, "certificate_file": issuer.identity.certificate}],
                    "audiences": [issuer.audience]}}} for name, issuer in cls.issuers.items()}
        cls.overrides = {"community": {"listen": {"port": cls.port}}}
        super().setUpClass()
        stand = cls("find")
        for name in (NORD, SUD):  # an assertion from before the start may have been used then
            support.wait_until(lambda own=name: stand.find("/xca/" + own, own, issued=-3).outcome == "Success",
                               "a gateway that knows what it has seen")

    def find(self, path, issuer, home=None, **said):
        query = xds.find_documents()
        text = xds.envelope(inward.QUERY, inward.homed(query, home) if home else query,
                            head=self.issuers[issuer].security(role=inward.DOCTOR, **said))
        return xds.Answer(support.request("POST", "http://127.0.0.1:%d%s" % (self.port, path), {
            "Content-Type": 'application/soap+xml; charset=UTF-8; action="%s"' % inward.QUERY}, text.encode()))

    def test_each_is_reached_as_itself(self):
        self.publish(NORD, self.token("doctor", NORD))
        for path, name in (("/xca/" + NORD, NORD), ("/xca/" + SUD, SUD), ("/xca", NORD)):
            answer = self.find(path, name)
            self.assertEqual({item.get("home") for item in answer.objects}, {HOMES[name]}, answer)
            self.assertEqual(self.find(path, name, HOMES[name]).outcome, "Success")

    def test_066_none_is_reached_as_another(self):
        for path, own, other in (("/xca/" + NORD, NORD, SUD), ("/xca/" + SUD, SUD, NORD), ("/xca", NORD, SUD)):
            answer = self.find(path, other)
            self.assertEqual((answer.status, answer.fault[1]), (400, "FailedAuthentication"), answer)
            told = [line for line in self.gateway.log().split("\n") if '"http.refused"' in line][-1]
            self.assertIn('"tenant":"%s"' % own, told)
            self.assertEqual(self.find(path, own, HOMES[other]).codes, ["XDSUnknownCommunity"])
        for path in ("/xca/hopital-est", "/xca/", "/xca/%s/" % NORD, "/xca/%68opital-sud", "/xcahopital-sud"):
            self.assertEqual(self.find(path, NORD).status, 404, path)


if __name__ == "__main__":
    unittest.main()
