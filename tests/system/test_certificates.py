"""Systems that come with a client certificate: instead of a token, or bound to one (RFC 8705)."""
import hashlib
import json
import os
import shutil
import ssl
import tempfile
import unittest
import http.client
import urllib.parse

import certificates
import issuer
import support


class Certificates(support.Stand):
    @classmethod
    def setUpClass(cls):
        cls.jose = issuer.Jose()
        cls.addClassCleanup(cls.jose.close)
        cls.files = tempfile.mkdtemp(prefix="passerelle-keys-")
        cls.addClassCleanup(shutil.rmtree, cls.files, True)
        cls.authority = certificates.Authority(cls.files)
        own = cls.authority.issue("gateway")
        cls.known, cls.other, cls.stranger = (cls.authority.client(name) for name in ("known", "other", "stranger"))
        cls.key = cls.jose.key("ES256")

        def row(identity, **more):
            return dict({"id": identity.name, "organization_id": "2.999.20.100", "scopes": "system/DocumentReference.rs",
                         "certificate_sha256": cls.fingerprint(identity)}, **more)

        cls.gateway_overrides = {
            "access": {"anonymous": False},
            "tls": {"certificate_file": own.certificate, "key_file": own.key, "client_ca_file": cls.authority.certificate,
                    "client_certificate": "optional"},
            "public_base": "https://localhost/fhir",
            "demo": {},
            "issuers": [{"issuer": "https://as.example",
                         "jwks_file": issuer.write(os.path.join(cls.files, "keys.json"), {"keys": [cls.key["public"]]})}],
            "clients": [row(cls.known), row(cls.other, scopes="ITI-68",
                                            certificate_sha256=cls.fingerprint(cls.other).replace(":", "").lower())],
        }
        super().setUpClass()

    @staticmethod
    def fingerprint(identity):
        text = hashlib.sha256(identity.der()).hexdigest().upper()
        return ":".join(text[i:i + 2] for i in range(0, 64, 2))

    def find(self, identity=None, token=None):
        context = ssl.create_default_context(cafile=self.authority.certificate)
        if identity:
            context.load_cert_chain(identity.certificate, identity.key)
        connection = http.client.HTTPSConnection("localhost", self.gateway.port, context=context, timeout=60)
        try:
            query = urllib.parse.urlencode({"patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, support.PATIENT),
                                            "status": "current"})
            connection.request("GET", "/fhir/DocumentReference?" + query, headers=support.bearer(token))
            answer = connection.getresponse()
            return support.Response(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def token(self, **overrides):
        return self.jose.sign(self.key, issuer.claims("https://as.example", "https://localhost/fhir", **overrides))

    def test_a_certificate_instead_of_a_token(self):
        self.assertStatus(self.find(self.known), 200)
        self.assertStatus(self.find(self.other), 403)
        self.assertStatus(self.find(self.stranger), 401)
        self.assertStatus(self.find(), 401)
        # A token that is shown is judged, whoever shows it.
        self.assertStatus(self.find(self.known, "rubbish"), 401)
        self.assertStatus(self.find(self.stranger, self.token()), 200)

    def test_075_a_bound_token_with_another_certificate(self):
        digest = hashlib.sha256(self.known.der()).digest()
        bound = self.token(cnf={"x5t#S256": issuer.encode(digest)})
        for _ in range(2):
            self.assertStatus(self.find(self.known, bound), 200)
            for identity in (None, self.other, self.stranger):
                answer = self.assertStatus(self.find(identity, bound), 401)
                self.assertIn('error="invalid_token"', answer.header("WWW-Authenticate"))
        for cnf in ({"x5t#S256": issuer.encode(hashlib.sha1(self.known.der()).digest())}, {"x5t#S256": digest.hex()},
                    {"x5t#S256": issuer.encode(digest) + "="}, {"x5t": issuer.encode(digest)}, {}, [], {"jkt": "x"},
                    {"x5t#S256": issuer.encode(digest), "jkt": "x"}):
            self.assertStatus(self.find(self.known, self.token(cnf=cnf)), 401)


if __name__ == "__main__":
    unittest.main()
