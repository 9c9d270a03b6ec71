"""Several hospitals on one gateway: each below the base by its name, and nothing of one is anything to another."""
import copy
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from support import (AUTHORITY, BINARY, PATIENT, Domain, Gateway, bearer, demo_bundle, demo_letter, document_oid,
                     request, write_configuration)

NORD, SUD = "hopital-nord", "hopital-sud"


class TenantStand(unittest.TestCase):
    """One domain, and a gateway with two hospitals in front of it; hopital-nord is the default."""
    tenants = {NORD: {}, SUD: {}}
    overrides = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = Domain(cls.directory)
        cls.addClassCleanup(cls.domain.kill)
        for name, more in cls.tenants.items():
            cls.write_tenant(name, more)
        overrides = dict({"access": {"anonymous": False}, "default_tenant": NORD,
                          "tenants": [{"name": name, "file": name + ".yaml"} for name in cls.tenants]},
                         **copy.deepcopy(cls.overrides))
        cls.gateway = Gateway(cls.directory, [cls.domain.back_end()], **overrides)
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def write_tenant(cls, name, more):
        write_configuration(os.path.join(cls.directory, name + ".yaml"), more)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    def base(self, tenant):
        return self.gateway.base + ("/" + tenant if tenant else "")

    def token(self, role, tenant=None, **options):
        return self.gateway.token(role, **dict({"tenant": tenant} if tenant else {}, **options))

    def ask(self, tenant, path, token, method="GET", body=None, **headers):
        return request(method, self.base(tenant) + path, dict(headers, **bearer(token)), body)

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def publish(self, tenant, token, **options):
        bundle = demo_bundle(demo_letter(), **options)
        self.assertStatus(self.ask(tenant, "", token, "POST", json.dumps(bundle).encode(),
                                   **{"Content-Type": "application/fhir+json"}), 200)
        return bundle

    def find(self, tenant, token, oid, patient=PATIENT):
        found = self.assertStatus(self.ask(
            tenant, "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s&identifier=urn:oid:%s"
            % (AUTHORITY, patient, oid), token), 200).json()
        return [entry["resource"] for entry in found.get("entry", []) if entry["search"]["mode"] == "match"]


class Routing(TenantStand):
    def test_each_tenant_is_served_below_its_name_and_one_without(self):
        for tenant, own in ((NORD, NORD), (SUD, SUD), (None, NORD)):
            statement = self.assertStatus(self.ask(tenant, "/metadata", None), 200).json()
            self.assertEqual(statement["implementation"]["url"], self.base(own))
            token = self.token("doctor", tenant)
            bundle = self.publish(tenant, token)
            reference, = self.find(tenant, token, document_oid(bundle))
            url = reference["content"][0]["attachment"]["url"]
            self.assertTrue(url.startswith(self.base(own) + "/Binary/"), url)
            self.assertEqual(self.assertStatus(request("GET", url, bearer(token)), 200).body, demo_letter())

    def test_009_017_another_way_to_write_a_tenant_leads_nowhere(self):
        token = self.token("doctor", NORD)
        for path in ("/hopital-est", "/Hopital-sud", "/%68opital-sud", "//hopital-sud", "/hopital-sud;a", "/hopital-sud%00",
                     "/hopital-nord/%2e%2e/hopital-sud", "/hopital-nord/../hopital-sud", "/hopital-nord//hopital-sud",
                     "/hopital-nord/hopital-sud", "/hopital-nord/%252e%252e/hopital-sud", "/hopital-nord%2f..%2fhopital-sud",
                     "/hopital-nord/%c0%af/hopital-sud"):
            for credential in (token, None):
                response = request("GET", self.gateway.base + path + "/metadata", bearer(credential))
                self.assertIn(response.status, (400, 404), path + repr(response))

    def test_what_says_where_tokens_come_from_is_each_tenants_own(self):
        root = self.gateway.base[:-len("/fhir")]
        for tenant in (NORD, SUD, None):
            suffix = "/fhir" + ("/" + tenant if tenant else "")
            resource = self.assertStatus(request("GET", root + "/.well-known/oauth-protected-resource" + suffix), 200)
            self.assertEqual(resource.json()["resource"], self.base(tenant))
            refused = self.assertStatus(self.ask(tenant, "/DocumentReference", None), 401)
            self.assertIn('resource_metadata="%s/.well-known/oauth-protected-resource%s"' % (root, suffix),
                          refused.header("WWW-Authenticate"))
        self.assertStatus(request("GET", root + "/.well-known/oauth-protected-resource/fhir/hopital-est"), 404)

    def test_start_is_told_tenant_by_tenant(self):
        log = self.gateway.log()
        for tenant in (NORD, SUD):
            self.assertIn('"tenant":"%s","base":"%s"' % (tenant, self.base(tenant)), log)

    def test_check_asks_the_back_ends_of_all(self):
        done = subprocess.run([BINARY, "check", "--config", self.gateway.configuration_path], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for tenant in (NORD, SUD):
            self.assertIn("tenant %s:\nok   hcm: registry" % tenant, done.stdout)


class Tokens(TenantStand):
    def test_066_token_of_one_tenant_opens_nothing_of_another(self):
        for own, other in ((NORD, SUD), (SUD, NORD)):
            token = self.token("doctor", own)
            self.assertStatus(self.ask(own, "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current"
                                       % (AUTHORITY, PATIENT), token), 200)
            self.assertStatus(self.ask(other, "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current"
                                       % (AUTHORITY, PATIENT), token), 401)

    def test_token_of_a_tenant_that_is_not_there_is_not_made(self):
        done = subprocess.run([BINARY, "token", "--config", self.gateway.configuration_path, "--role", "doctor",
                               "--tenant", "hopital-est"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no tenant of this name", done.stderr)


if __name__ == "__main__":
    unittest.main()
