"""SMART Backend Services end to end: discovery, a signed request for a token, the token at work. The client side is the
jose library from npm."""
import json
import os
import shutil
import tempfile
import time
import unittest
import urllib.parse
import uuid

import issuer
import redis_stand
import support

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Smart(support.Stand):
    more = {}  # of the configuration

    @classmethod
    def setUpClass(cls):
        cls.jose = issuer.Jose()
        cls.addClassCleanup(cls.jose.close)
        cls.server = issuer.Server()
        cls.addClassCleanup(cls.server.close)
        keys = tempfile.mkdtemp(prefix="passerelle-keys-")
        cls.addClassCleanup(shutil.rmtree, keys, True)
        cls.keys = {alg: cls.jose.key(alg) for alg in ("RS384", "ES384", "ES256")}
        cls.server.answers["/jwks"] = {"keys": [key["public"] for key in cls.keys.values()]}
        cls.gateway_overrides = {
            **cls.more,
            # No clock differs here, and the endpoint need not wait until it is older than what a clock might hide.
            "access": {"anonymous": False, "skew_seconds": 0},
            "clients": [
                {"id": "ehr", "jwks_url": cls.server.base + "/jwks", "organization_id": "2.999.20.100",
                 "scopes": "system/DocumentReference.rs system/Binary.r system/Patient.read",
                 "roles": ["http://snomed.info/sct|224608005|Administrative healthcare staff"]},
                {"id": "ihe", "jwks_url": cls.server.base + "/jwks", "organization_id": "2.999.20.100",
                 "scopes": "ITI-67"},
            ],
            "authorization_server": {"key_file": support.signing_key(os.path.join(keys, "tokens.pem"), "P-384")},
        }
        super().setUpClass()
        cls.configuration = support.request("GET", cls.gateway.base + "/.well-known/smart-configuration").json()
        cls.endpoint = cls.configuration["token_endpoint"]

    def assertion(self, alg="ES384", header=None, **overrides):
        now = int(time.time())
        claims = {"iss": "ehr", "sub": "ehr", "aud": self.endpoint, "iat": now, "exp": now + 120, "jti": uuid.uuid4().hex}
        claims.update(overrides)
        return self.jose.sign(self.keys[alg], {name: value for name, value in claims.items() if value is not None},
                              **dict({"typ": "JWT"}, **(header or {})))

    def ask(self, assertion, **overrides):
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion}
        form.update(overrides)
        body = urllib.parse.urlencode({name: value for name, value in form.items() if value is not None})
        return support.request("POST", self.endpoint, {"Content-Type": "application/x-www-form-urlencoded"}, body)

    def granted(self, scope=None, **claims):
        """An assertion that was answered with a token, and the answer. The endpoint may ask for another one while what it
        remembers is not yet older than the assertion: after a start, or when signing took long."""
        asked = []

        def given():
            assertion = self.assertion(**claims)
            asked.append((assertion, self.ask(assertion, scope=scope)))
            return asked[-1][1].status != 503

        support.wait_until(given, "the token endpoint to be certain")
        self.assertStatus(asked[-1][1], 200)
        return asked[-1]

    def get(self, scope=None, **claims):
        return self.granted(scope, **claims)[1]

    def assertRefused(self, answer, error, status=400):
        self.assertEqual((answer.status, answer.json()["error"]), (status, error), repr(answer))
        self.assertEqual(answer.header("Cache-Control"), "no-store")

    def test_discovery(self):
        base = self.gateway.base
        self.assertEqual(self.endpoint, base + "/auth/token")
        self.assertEqual(self.configuration["issuer"], base)
        self.assertEqual(self.configuration["grant_types_supported"], ["client_credentials"])
        self.assertEqual(self.configuration["token_endpoint_auth_methods_supported"], ["private_key_jwt"])
        self.assertEqual(sorted(self.configuration["token_endpoint_auth_signing_alg_values_supported"]),
                         ["ES384", "RS384"])
        for scope in ("ITI-65", "ITI-68", "system/DocumentReference.s", "system/DocumentReference.read",
                      "system/Binary.read", "system/Patient.read", "system/DocumentReference.create"):
            self.assertIn(scope, self.configuration["scopes_supported"])
        origin = base[:-len("/fhir")]
        for path in ("", "/fhir"):
            resource = support.request("GET", origin + "/.well-known/oauth-protected-resource" + path)
            self.assertStatus(resource, 200)
            self.assertEqual(resource.header("Content-Type"), "application/json")
            self.assertIn("max-age", resource.header("Cache-Control"))
            self.assertEqual(resource.json()["resource"], base)
            self.assertEqual(resource.json()["authorization_servers"], [base])
        server = support.request("GET", origin + "/.well-known/oauth-authorization-server/fhir").json()
        self.assertEqual(server, self.configuration)
        capability = support.request("GET", base + "/metadata").json()
        security = capability["rest"][0]["security"]
        self.assertEqual(security["service"][0]["coding"][0]["code"], "SMART-on-FHIR")
        self.assertEqual(security["extension"][0]["extension"][0]["valueUri"], self.endpoint)

    def test_token_end_to_end(self):
        for alg in ("RS384", "ES384"):
            with self.subTest(alg=alg):
                answer = self.get(alg=alg)
                self.assertEqual(answer.header("Cache-Control"), "no-store")
                given = answer.json()
                self.assertEqual(given["token_type"], "Bearer")
                self.assertEqual(given["expires_in"], 300)
                self.assertEqual(self.assertStatus(self.gateway.find(token=given["access_token"]), 200).json()["total"], 0)
        jwks = support.request("GET", self.configuration["jwks_uri"]).json()
        self.assertEqual(set(jwks["keys"][0]), {"kty", "crv", "x", "y", "use", "alg", "kid"})
        seen = self.jose.ask(op="verify", token=given["access_token"], jwks=jwks,
                             options={"issuer": self.gateway.base, "audience": self.gateway.base, "typ": "at+jwt"})
        self.assertEqual(seen["payload"]["sub"], "ehr")
        self.assertEqual(seen["payload"]["client_id"], "ehr")
        self.assertEqual(seen["payload"]["extensions"]["ihe_iua"]["subject_organization_id"], "urn:oid:2.999.20.100")
        self.assertEqual(seen["payload"]["extensions"]["ihe_iua"]["subject_role"][0]["system"], "http://snomed.info/sct")
        # What the system may not do stays shut.
        refused = self.gateway.publish(support.demo_bundle(support.demo_letter()), token=given["access_token"])
        self.assertStatus(refused, 403)

    def test_scopes(self):
        self.assertEqual(self.get().json()["scope"], "system/DocumentReference.rs system/Binary.r system/Patient.read")
        for wanted, granted in (("system/DocumentReference.s", "system/DocumentReference.s"),
                                ("system/DocumentReference.cruds system/Binary.read", None),
                                ("system/DocumentReference.search system/Binary.r system/Consent.c",
                                 "system/DocumentReference.search system/Binary.r"),
                                ("user/DocumentReference.r", None), ("system/*.r", None),
                                ("system/DocumentReference.r?status=current", None), ("ITI-67", None)):
            with self.subTest(wanted=wanted):
                if granted:
                    self.assertEqual(self.get(scope=wanted).json()["scope"], granted)
                else:
                    self.get()
                    self.assertRefused(self.ask(self.assertion(), scope=wanted), "invalid_scope")
        token = self.get(scope="system/DocumentReference.r").json()["access_token"]
        self.assertStatus(self.gateway.find(token=token), 403)
        token = self.get(iss="ihe", sub="ihe").json()["access_token"]
        self.assertStatus(self.gateway.find(token=token), 200)
        self.assertStatus(self.gateway.find("List", token=token), 403)

    def test_071_client_assertions(self):
        used, _ = self.granted()
        for _ in range(2):
            self.assertRefused(self.ask(used), "invalid_client")
        now = int(time.time())
        foreign = {"private": self.jose.key("ES384")["private"]}
        foreign["private"]["kid"] = self.keys["ES384"]["private"]["kid"]
        for name, assertion in {
                "other endpoint": self.assertion(aud=self.gateway.base),
                "prefix": self.assertion(aud=self.endpoint[:-1]),
                "two audiences": self.assertion(aud=[self.endpoint, "https://elsewhere.example/token"]),
                "iss is not sub": self.assertion(sub="ihe"),
                "nobody": self.assertion(iss="nobody", sub="nobody"),
                "an hour ahead": self.assertion(exp=now + 3600),
                "expired": self.assertion(exp=now - 1),
                "no exp": self.assertion(exp=None),
                "exp is text": self.assertion(exp=str(now + 60)),
                "no jti": self.assertion(jti=None),
                "iat ahead": self.assertion(iat=now + 60),
                "nbf ahead": self.assertion(nbf=now + 60),
                "algorithm": self.assertion(alg="ES256"),
                "type": self.assertion(header={"typ": "at+jwt"}),
                "kid": self.assertion(header={"kid": "unknown"}),
                "another key": self.jose.sign(foreign, {"iss": "ehr", "sub": "ehr", "aud": self.endpoint, "iat": now,
                                                        "exp": now + 60, "jti": uuid.uuid4().hex}, typ="JWT"),
                "jku": self.assertion(header={"jku": self.server.base + "/evil", "kid": "unknown"}),
                "none": issuer.encode('{"alg":"none"}') + "." + used.split(".")[1] + ".",
                "rubbish": "rubbish"}.items():
            with self.subTest(assertion=name):
                self.assertRefused(self.ask(assertion), "invalid_client")
        self.assertNotIn("/evil", self.server.hits)
        self.assertRefused(self.ask(self.assertion(), client_id="ihe"), "invalid_client")
        self.assertRefused(self.ask(self.assertion(), client_assertion_type="other"), "invalid_client")
        self.assertRefused(self.ask(None, client_id="ehr", client_secret="x"), "invalid_client")
        self.assertRefused(self.ask(self.assertion(), grant_type="password"), "unsupported_grant_type")
        self.assertRefused(self.ask(self.assertion(), grant_type=None), "invalid_request")
        self.assertRefused(self.ask(self.assertion(), resource="https://elsewhere.example"), "invalid_target")
        twice = support.request("POST", self.endpoint, {"Content-Type": "application/x-www-form-urlencoded"},
                                "grant_type=client_credentials&grant_type=client_credentials")
        self.assertRefused(twice, "invalid_request")
        self.assertStatus(support.request("GET", self.endpoint), 405)

    def test_071_a_restart_forgets_no_assertion(self):
        """A gateway without Redis does not know what it granted before: it grants nothing that may be a repetition."""
        used, _ = self.granted()
        self.gateway.stop()
        port = self.gateway.port
        self.__class__.gateway = type(self.gateway)(self.directory, [self.domain.back_end()], port=port,
                                                    **json.loads(json.dumps(self.gateway_overrides)))
        answer = self.ask(used)
        self.assertIn(answer.status, (400, 503), repr(answer))
        self.assertRefused(self.ask(used), "invalid_client")
        self.get()

    def test_the_log_holds_no_credentials(self):
        assertion = self.assertion()
        token = self.get().json()["access_token"]
        self.ask(assertion)
        self.gateway.find(token=token)
        log = self.gateway.log()
        for secret in (assertion, token, assertion.split(".")[2], token.split(".")[2]):
            self.assertNotIn(secret, log)


class SharedCache(Smart):
    """The same with Redis behind it: what was used once is used for all gateways, and a Redis that forgot is not asked
    whether something was used."""

    @classmethod
    def setUpClass(cls):
        redis_stand.need_redis()
        cls.redis_directory = tempfile.mkdtemp(prefix="passerelle-redis-")
        cls.addClassCleanup(shutil.rmtree, cls.redis_directory, True)
        cls.redis = redis_stand.RedisServer(cls.redis_directory, "redis")
        cls.addClassCleanup(cls.redis.kill)
        key = issuer.write(os.path.join(cls.redis_directory, "state.key"), os.urandom(32))
        cls.more = {"redis": {"address": cls.redis.path}, "state_keys": [{"id": 1, "file": key}]}
        super().setUpClass()

    def test_071_redis_forgets(self):
        used, _ = self.granted()
        self.redis("FLUSHALL")
        self.assertRefused(self.ask(used), "temporarily_unavailable", 503)
        self.assertRefused(self.ask(used), "invalid_client")
        used, _ = self.granted()
        self.redis.kill()
        self.assertRefused(self.ask(used), "temporarily_unavailable", 503)
        self.assertRefused(self.ask(self.assertion()), "temporarily_unavailable", 503)
        self.redis.start()
        self.assertIn(self.ask(used).status, (400, 503))
        self.get()
        self.assertIn(self.ask(used).status, (400, 503))


class NoServer(support.Stand):
    gateway_overrides = {"access": {"anonymous": False}}

    def test_a_gateway_without_a_token_endpoint_says_so(self):
        base = self.gateway.base
        for path in ("/.well-known/smart-configuration", "/auth/jwks"):
            self.assertStatus(support.request("GET", base + path), 404)
        self.assertStatus(support.request("POST", base + "/auth/token",
                                          {"Content-Type": "application/x-www-form-urlencoded"},
                                          "grant_type=client_credentials"), 404)
        self.assertStatus(support.request("GET", base[:-5] + "/.well-known/oauth-protected-resource"), 200)


if __name__ == "__main__":
    unittest.main()
