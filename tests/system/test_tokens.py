"""Access tokens that somebody would like to have accepted. The tokens are the jose library's (npm), keys and introspection
come over real HTTP."""
import base64
import copy
import hashlib
import hmac
import http.client
import json
import os
import shutil
import socket
import tempfile
import threading
import time
import unittest
import uuid

import issuer
import support
from issuer import encode, iua

RS = ("RS256", "RS384", "PS256", "PS384")
ES = ("ES256", "ES384")
SECRET = "Bearer of-the-resource-server"
SKEW = 30


def p1363_to_der(raw):
    def integer(value):
        value = value.lstrip(b"\0") or b"\0"
        value = (b"\0" if value[0] & 0x80 else b"") + value
        return b"\x02" + bytes([len(value)]) + value

    half = len(raw) // 2
    body = integer(raw[:half]) + integer(raw[half:])
    return b"\x30" + bytes([len(body)]) + body


class Tokens(support.Stand):
    """One gateway that trusts several issuers."""

    @classmethod
    def setUpClass(cls):
        cls.jose = issuer.Jose()
        cls.addClassCleanup(cls.jose.close)
        cls.server = issuer.Server()
        cls.addClassCleanup(cls.server.close)
        files = tempfile.mkdtemp(prefix="passerelle-keys-")
        cls.addClassCleanup(shutil.rmtree, files, True)
        cls.keys = {alg: cls.jose.key(alg) for alg in RS + ES}
        cls.publish_keys("/jwks", cls.keys.values())
        for name in ("rotating", "crowded", "flooded", "doubled"):
            cls.publish_keys("/" + name, [cls.keys["ES256"]])
        cls.server.answers["/doubled"]["keys"] *= 2
        cls.file = issuer.write(os.path.join(files, "keys.json"), {"keys": [cls.keys["PS256"]["public"]]})

        def row(name, **more):
            return dict({"issuer": cls.name(name), "jwks_url": cls.server.base + "/" + name}, **more)

        cls.gateway_overrides = {
            "access": {"anonymous": False, "skew_seconds": SKEW},
            "issuers": [
                row("jwks"), row("rotating"), row("crowded"), row("flooded"), row("doubled"), row("weak"),
                row("picky", jwks_url=cls.server.base + "/jwks", algorithms=["PS384", "ES384"]),
                row("away", jwks_url="http://127.0.0.1:%d/jwks" % support.free_port()),
                {"issuer": cls.name("file"), "jwks_file": cls.file, "audience": "https://one.example/name"},
                {"issuer": cls.name("opaque"), "introspection_url": cls.server.base + "/introspect",
                 "introspection_authorization_file": issuer.write(os.path.join(files, "secret"), SECRET + "\n")},
            ],
        }
        cls.server.answers["/introspect"] = {"active": False}
        super().setUpClass()

    @classmethod
    def name(cls, name):
        return "https://%s.example" % name

    @classmethod
    def publish_keys(cls, path, keys):
        cls.server.answers[path] = {"keys": [key["public"] for key in keys]}

    def claims(self, name="jwks", **overrides):
        return issuer.claims(self.name(name), self.gateway.base, **overrides)

    def token(self, alg="ES256", name="jwks", header=None, **overrides):
        return self.jose.sign(self.keys[alg], self.claims(name, **overrides), **(header or {}))

    def assertIn401(self, token, code="login"):
        answer = self.assertStatus(self.gateway.find(token=token), 401)
        self.assertEqual(answer.json()["issue"][0]["code"], code)
        challenge = answer.header("WWW-Authenticate")
        self.assertIn('error="invalid_token"', challenge)
        self.assertNotIn(token[-16:] or "nothing", challenge + answer.body.decode())

    def assertRefused(self, token, code="login"):
        """Refused, and refused again when it may have been remembered."""
        for _ in range(2):
            self.assertIn401(token, code)

    def assertAccepted(self, token):
        for _ in range(2):
            self.assertStatus(self.gateway.find(token=token), 200)

    # ---- what is accepted ----

    def test_every_algorithm(self):
        for alg in RS + ES:
            with self.subTest(alg=alg):
                self.assertAccepted(self.token(alg))
        for typ in ("JWT", "jwt", "application/at+jwt", "IUA-JWT", None):
            self.assertAccepted(self.token(header={"typ": typ}))
        self.assertAccepted(self.token(aud=["https://elsewhere.example", self.gateway.base]))
        self.assertAccepted(self.token(exp=int(time.time()) - SKEW + 5, iat=int(time.time()) - 100))
        for typ in ("id+jwt", "logout+jwt", "", "dpop+jwt"):
            self.assertRefused(self.token(header={"typ": typ}))

    def test_algorithms_per_issuer(self):
        self.assertAccepted(self.token("ES384", "picky"))
        self.assertRefused(self.token("ES256", "picky"))
        self.assertRefused(self.token("RS256", "picky"))

    def test_keys_of_a_file_and_an_audience_of_its_own(self):
        name = {"name": "file", "aud": "https://one.example/name"}
        self.assertAccepted(self.token("PS256", **name))
        self.assertRefused(self.token("PS256", name="file"))
        # The file changes: a kid that it did not have has it read again.
        key = self.jose.key("ES384")
        issuer.write(self.file, {"keys": [key["public"]]})
        self.assertAccepted(self.jose.sign(key, self.claims("file", aud="https://one.example/name")))

    def test_rotation(self):
        old = self.token("ES256", "rotating")
        self.assertAccepted(old)
        before = self.server.hits["/rotating"]
        for _ in range(5):
            self.assertAccepted(self.token("ES256", "rotating"))
        self.assertEqual(self.server.hits["/rotating"], before)
        # The new key is asked for once, by the first token that names it.
        self.publish_keys("/rotating", [self.keys["RS256"], self.keys["ES384"]])
        self.assertAccepted(self.token("ES384", "rotating"))
        self.assertAccepted(self.token("RS256", "rotating"))
        self.assertEqual(self.server.hits["/rotating"], before + 1)
        # What the retired key signed before it was retired is remembered until it expires; new signatures do not hold.
        self.assertAccepted(old)
        self.assertRefused(self.token("ES256", "rotating"))

    def test_a_new_key_and_many_who_have_it(self):
        """Whoever comes while the keys are being read waits for them."""
        self.assertAccepted(self.token("ES256", "crowded"))
        before = self.server.hits["/crowded"]
        started = threading.Event()
        keys = {"keys": [self.keys["ES384"]["public"]]}

        def answer(_):
            started.wait(20)
            return self.ok(keys)

        self.server.handlers["/crowded"] = answer
        seen = []
        threads = [threading.Thread(target=lambda token=self.token("ES384", "crowded"): seen.append(
            self.gateway.find(token=token).status)) for _ in range(12)]
        for thread in threads:
            thread.start()
        started.set()
        for thread in threads:
            thread.join()
        self.assertEqual(seen, [200] * 12)
        self.assertEqual(self.server.hits["/crowded"], before + 1)

    def test_an_issuer_that_is_away(self):
        answer = self.assertStatus(self.gateway.find(token=self.token(name="away")), 503)
        self.assertEqual(answer.json()["issue"][0]["code"], "transient")
        self.assertIsNotNone(answer.header("Retry-After"))

    # ---- what is not ----

    def test_060_algorithm_none(self):
        payload = json.dumps(self.claims())
        good = self.token().split(".")
        for alg in ("none", "None", "NONE", "nOnE", "", None, 7):
            header = {"typ": "JWT", "alg": alg}
            if alg is None:
                del header["alg"]
            for signature in ("", good[2]):
                self.assertRefused(encode(json.dumps(header)) + "." + encode(payload) + "." + signature)
        self.assertRefused(".".join(good[:2]))
        self.assertRefused(".".join(good[:2]) + ".")
        self.assertRefused(".".join(good + [""]))
        self.assertRefused(".".join(good + good[2:]))
        self.assertRefused("." + ".".join(good[1:]))

    def test_061_symmetric_with_the_public_key(self):
        for key in (self.keys["RS256"], self.keys["ES256"]):
            for secret in (key["pem"].encode(), key["pem"].strip().encode(), json.dumps(key["public"]).encode(),
                           issuer.decode(key["public"].get("n", key["public"].get("x")))):
                for alg, hash_ in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384)):
                    text = encode(json.dumps({"alg": alg, "kid": key["public"]["kid"]})) + "." + encode(
                        json.dumps(self.claims()))
                    self.assertRefused(text + "." + encode(hmac.new(secret, text.encode(), hash_).digest()))

    def test_062_key_ids(self):
        for kid in ("../../dev/null", "/etc/passwd", "' OR 1=1 --", "k" * 257, "a\nb", "kid\0x", "é", "x" * 8000, ""):
            with self.subTest(kid=kid[:20]):
                self.assertRefused(self.token(header={"kid": kid}))
        self.assertRefused(self.jose.raw(self.keys["ES256"], '{"alg":"ES256","kid":7}', json.dumps(self.claims())))
        self.assertRefused(self.jose.raw(self.keys["ES256"], '{"alg":"ES256","kid":["%s"]}' % (
            self.keys["ES256"]["public"]["kid"]), json.dumps(self.claims())))
        # Two keys of one name: nobody can say which is meant. And no kid where several keys would do.
        self.assertRefused(self.token(name="doubled"))
        self.assertRefused(self.token(name="doubled", header={"kid": None}))
        self.assertAccepted(self.token("ES384", header={"kid": None}))

    def test_062_a_flood_of_unknown_key_ids_asks_once(self):
        self.assertAccepted(self.token(name="flooded"))
        before = self.server.hits["/flooded"]
        tokens = [self.token(name="flooded", header={"kid": "flood-%d" % i}) for i in range(40)]
        threads = [threading.Thread(target=lambda part=tokens[i::8]: [self.gateway.find(token=token) for token in part])
                   for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for token in tokens[:5]:
            self.assertIn401(token)
        self.assertLessEqual(self.server.hits["/flooded"] - before, 1)

    def test_063_keys_that_the_token_brings(self):
        evil = self.jose.key("ES256", kid="evil")
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        listener.setblocking(False)
        url = "http://127.0.0.1:%d/keys" % listener.getsockname()[1]
        headers = ({"jwk": evil["public"]}, {"jku": url}, {"x5u": url}, {"jku": self.server.base + "/evil"},
                   {"jku": "http://169.254.169.254/latest"}, {"x5c": ["MIIB"]}, {"jwk": evil["public"], "kid": "evil"})
        self.server.answers["/evil"] = {"keys": [evil["public"]]}
        for header in headers:
            for kid in ("evil", self.keys["ES256"]["public"]["kid"]):
                self.assertRefused(self.jose.raw(evil, json.dumps(dict({"alg": "ES256", "kid": kid}, **header)),
                                                 json.dumps(self.claims())))
        with self.assertRaises(BlockingIOError):
            listener.accept()
        self.assertNotIn("/evil", self.server.hits)
        self.assertRefused(self.jose.raw(self.keys["ES256"], json.dumps({
            "alg": "ES256", "kid": self.keys["ES256"]["public"]["kid"], "crit": ["exp"]}), json.dumps(self.claims())))
        self.assertRefused(self.jose.raw(self.keys["ES256"], json.dumps({
            "alg": "ES256", "kid": self.keys["ES256"]["public"]["kid"], "b64": False}), json.dumps(self.claims())))

    def test_064_times(self):
        now = int(time.time())
        self.assertRefused(self.token(exp=now - SKEW - 1, iat=now - 100), "expired")
        for name, overrides in {
                "no exp": {"exp": None}, "text": {"exp": str(now + 60)}, "float": {"exp": now + 60.5},
                "2^60": {"exp": 2 ** 60}, "2^64": {"exp": 2 ** 64}, "negative": {"exp": -now}, "true": {"exp": True},
                "nbf": {"nbf": now + SKEW + 30}, "nbf text": {"nbf": "now"}, "iat": {"iat": now + SKEW + 30},
                "no iat": {"iat": None}, "iat float": {"iat": now - 0.5}, "ten years": {"exp": now + 315360000},
                "an hour and more": {"iat": now - 10, "exp": now + 3600}, "before iat": {"iat": now, "exp": now - 5},
                "auth_time": {"auth_time": "yesterday"}}.items():
            with self.subTest(times=name):
                self.assertRefused(self.token(**overrides))

    def test_065_audiences(self):
        base = self.gateway.base
        for audience in ("https://elsewhere.example/fhir", base[:-1], base + "/", base.upper(), base + "x", "", None, 7,
                         [], ["https://elsewhere.example"], ["a"] * 999 + [base], ["a"] * 16 + [base],
                         {"aud": base}, [[base]], [base, 7]):
            with self.subTest(audience=str(audience)[:40]):
                self.assertRefused(self.token(aud=audience))

    def test_066_another_tenant(self):
        for tenant in ("elsewhere", "DEFAULT", "default ", "", 7):
            self.assertRefused(self.token(extensions=dict(iua(), passerelle={"tenant": tenant})))
        self.assertAccepted(self.token(extensions=dict(iua(), passerelle={"tenant": "default"})))

    def test_066_another_issuer(self):
        for name in ("nobody", "jwks.example:443", "JWKS"):
            self.assertRefused(self.token(name=name))
        self.assertRefused(self.token(iss=self.name("jwks") + "/"))
        self.assertRefused(self.token(iss=None))
        self.assertRefused(self.token(iss=[self.name("jwks")]))
        # One issuer's key does not sign for another, nor for the gateway's own issuers.
        self.assertRefused(self.token("RS256", "flooded"))
        self.assertRefused(self.token(iss="urn:passerelle:demo"))
        self.assertRefused(self.token(iss=self.gateway.base))

    def test_067_doubled_members_and_wrong_types(self):
        header = json.dumps({"alg": "ES256", "kid": self.keys["ES256"]["public"]["kid"]})
        text = json.dumps(self.claims())
        self.assertAccepted(self.jose.raw(self.keys["ES256"], header, text))
        for wrong in ('{"scope":"ITI-67",' + text[1:], text[:-1] + ',"aud":"%s"}' % self.gateway.base,
                      text.replace('"code": "TREAT"', '"code": "TREAT", "code": "BTG"'), "[" + text + "]", "null", '"x"',
                      text + text, text[:-1], text.replace('"sub"', '"s\\u0075b": "x", "sub"'),
                      text[:-1] + ',"x":' + "[" * 20 + "]" * 20 + "}", text[:-1] + ',"x":"\\ud800"}',
                      text[:-1] + ',"x\\u0000y":1}', text[:-1] + ",'x':1}", ""):
            self.assertRefused(self.jose.raw(self.keys["ES256"], header, wrong))
        self.assertRefused(self.jose.raw(self.keys["ES256"], '{"alg":"none",' + header[1:], text))
        for extensions in ({"ihe_iua": []}, {"ihe_iua": "x"}, [], "x", iua(subject_role={}), iua(subject_role=["x"]),
                           iua(subject_role=[{"system": "http://snomed.info/sct"}]), iua(subject_role=[{"code": 7}]),
                           iua(purpose_of_use="TREAT"), iua(subject_name=7), iua(subject_name="a\u0000b"),
                           iua(subject_name="x" * 300), iua(subject_organization_id=["x"]), iua(person_id={"x": "y"}),
                           iua(subject_role=[issuer.PHYSICIAN] * 17),
                           dict(iua(), ihe_pcf={"patient_id": "x", "residual": [{"type": "forbid"}]}),
                           dict(iua(person_id="a"), ihe_bppc={"patient_id": "b"})):
            with self.subTest(extensions=str(extensions)[:60]):
                self.assertRefused(self.token(extensions=extensions))
        for overrides in ({"scope": 7}, {"scope": None}, {"scope": ["ITI-67"]}, {"scope": "x" * 5000}, {"sub": None},
                          {"sub": 7}, {"client_id": None}, {"client_id": 7}, {"jti": None}, {"jti": "x" * 129}, {"jti": 7},
                          {"act": "x"}, {"act": {}}, {"cnf": "x"}, {"cnf": {"jkt": "x"}}, {"sub": "x" * 257}):
            with self.subTest(overrides=str(overrides)[:60]):
                self.assertRefused(self.token(**overrides))

    def test_067_what_must_be_known_of_a_user(self):
        for missing in ("subject_name", "subject_role", "subject_organization_id", "purpose_of_use"):
            self.assertRefused(self.token(extensions=iua(**{missing: None})))
        # BTG of another code system is none, and then there is no purpose at all.
        self.assertRefused(self.token(extensions=iua(purpose_of_use=[{"system": "http://elsewhere.example", "code": "BTG"}])))
        self.assertRefused(self.token(extensions=iua(purpose_of_use=[{"code": "BTG"}])))
        self.assertRefused(self.token(scope="patient/*.rs"))
        self.assertAccepted(self.token(scope="system/*.rs", extensions=None))
        self.assertAccepted(self.token(scope="ITI-67", sub="machine", client_id="machine", extensions=None))
        self.assertRefused(self.token(scope="ITI-67", extensions=iua(subject_organization_id=None)))

    def test_068_signatures(self):
        key = self.keys["ES256"]
        text = self.token().rsplit(".", 1)[0]
        raw = issuer.decode(self.token().rsplit(".", 1)[1])
        order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        for name, signature in {
                "zero": bytes(64), "r zero": bytes(32) + raw[32:], "s zero": raw[:32] + bytes(32),
                "order": order.to_bytes(32, "big") * 2, "ones": b"\xff" * 64, "DER": p1363_to_der(raw), "63": raw[:63],
                "65": raw + b"\0", "128": raw * 2, "96": bytes(96), "empty": b"", "another token's": raw}.items():
            with self.subTest(signature=name):
                self.assertRefused(text + "." + encode(signature))
        # The other root is as good (RFC 7518 3.4 knows no low s), and another token to the cache.
        good = self.token()
        body, signature = good.rsplit(".", 1)
        signature = issuer.decode(signature)
        other = signature[:32] + (order - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
        self.assertAccepted(body + "." + encode(other))
        # One curve's key under the other's name.
        self.assertRefused(self.jose.raw(self.keys["ES384"], json.dumps({
            "alg": "ES256", "kid": self.keys["ES384"]["public"]["kid"]}), json.dumps(self.claims())))
        self.assertRefused(self.token("RS256", header={"kid": key["public"]["kid"]}))
        rsa = self.token("RS256")
        self.assertRefused(rsa[:-8] + "AAAAAAAA")
        for end in ("=", "==", "A", "%3D", "+"):
            self.assertRefused(good + end)

    def test_068_weak_keys(self):
        weak = copy.deepcopy(self.keys["RS256"]["public"])
        one = dict(weak, kid="one", e="AQ")
        even = dict(weak, kid="even", e="AQAA")
        huge = dict(weak, kid="huge", e=encode(b"\x01" * 9))
        small = dict(weak, kid="small", n=encode(b"\xc1" + b"\x55" * 63))
        padded = dict(weak, kid="padded", n=encode(b"\0" * 200 + b"\xc1" * 100))
        point = dict(self.keys["ES256"]["public"], kid="point", x=encode(b"\1" * 32))
        zero = dict(self.keys["ES256"]["public"], kid="zero", x=encode(bytes(32)), y=encode(bytes(32)))
        use = dict(self.keys["ES256"]["public"], kid="use", use="enc")
        ops = {key: value for key, value in self.keys["ES256"]["public"].items() if key != "use"}
        ops.update(kid="ops", key_ops=["sign"])
        other = dict(self.keys["ES256"]["public"], kid="other", alg="ES384")
        oct_ = {"kty": "oct", "kid": "oct", "k": encode(b"k" * 32), "alg": "HS256"}
        real = [self.jose.ask(op="weak", kid="real-%d" % i, bits=bits, exponent=exponent)
                for i, (bits, exponent) in enumerate(((2048, 65537), (2040, 65537), (1024, 65537), (2048, 3)))]
        self.server.answers["/weak"] = {"keys": [key["public"] for key in real] + [one, even, huge, small, padded, point, zero, use, ops, other, oct_,
                                                 self.keys["RS384"]["public"]]}
        self.assertAccepted(self.token("RS384", "weak"))
        for alg, kid in [("RS256", kid) for kid in ("one", "even", "huge", "small", "padded")] + [
                ("ES256", kid) for kid in ("point", "zero", "use", "ops", "other")]:
            with self.subTest(kid=kid):
                self.assertRefused(self.token(alg, "weak", header={"kid": kid}))
        for key in real:
            token = self.jose.raw(key, json.dumps({"alg": "RS256", "kid": key["public"]["kid"]}),
                                  json.dumps(self.claims("weak")))
            (self.assertAccepted if key is real[0] else self.assertRefused)(token)
        text = encode('{"alg":"RS256","kid":"one"}') + "." + encode(json.dumps(self.claims("weak")))
        digest = hashlib.sha256(text.encode()).digest()
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")
        block = b"\0\1" + b"\xff" * (256 - 3 - len(prefix) - 32) + b"\0" + prefix + digest
        self.assertRefused(text + "." + encode(block))

    def test_069_where_tokens_stand(self):
        token = self.token()
        url = self.gateway.base + "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current" % (
            support.AUTHORITY, support.PATIENT)

        def ask(*values, path=url):
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
            try:
                connection.putrequest("GET", path[path.index("/fhir"):])
                for value in values:
                    connection.putheader("Authorization", value)
                connection.endheaders()
                answer = connection.getresponse()
                return support.Response(answer.status, answer.headers, answer.read())
            finally:
                connection.close()

        for scheme in ("Bearer", "bearer", "BEARER"):
            self.assertStatus(ask(scheme + " " + token), 200)
        for values in (("Bearer " + token,) * 2, ("Basic dTpw", "Bearer " + token)):
            answer = self.assertStatus(ask(*values), 400)
            self.assertIn('error="invalid_request"', answer.header("WWW-Authenticate"))
        for path in (url + "&access_token=" + token, url + "&access_token=", url.replace("?", "?access_token=x&")):
            self.assertStatus(ask(path=path), 400)
            self.assertStatus(ask("Bearer " + token, path=path), 400)
        for value in ("Basic dTpw", "Bearer", "Bearer ", "Bearer a b", "Bearer " + token + ", Bearer x", token,
                      "Bearer \x80", "Bearer " + "a" * 17000, "DPoP " + token):
            answer = ask(value)
            self.assertIn(answer.status, (400, 401, 431), value[:20])
        try:
            self.assertIn(ask("Bearer " + "x" * (1 << 20)).status, (400, 401, 431))
        except OSError:
            pass  # closed while the client was still sending: nobody read it
        log = self.gateway.log()
        for part in token.split("."):
            self.assertNotIn(part, log)

    def test_069_a_strangers_body_is_not_read(self):
        """No Content-Length worth of bytes is ever sent, and the answer comes."""
        head = ("POST /fhir HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
                "Content-Length: 100000000\r\n%s\r\n")
        bad = self.token()[:-8] + "AAAAAAAA"
        self.gateway.find(token=self.token())  # the keys are there
        for credentials in ("", "Authorization: Bearer " + bad + "\r\n"):
            with socket.create_connection(("127.0.0.1", self.gateway.port), 60) as connection:
                connection.sendall((head % credentials).encode())
                self.assertIn(b" 401 ", connection.recv(65536).split(b"\r\n")[0])

    def opaque(self, handler):
        """A fresh opaque token that the handler answers for."""
        token = "opaque." + uuid.uuid4().hex + "/+="

        def answer(form):
            if form.get("token") != token:
                return 200, {"Content-Type": "application/json"}, b'{"active": false}'
            return handler()

        self.server.handlers["/introspect"] = answer
        self.addCleanup(self.server.handlers.pop, "/introspect", None)
        return token

    def active(self, **overrides):
        return dict(self.claims("opaque", **overrides), active=True)

    @staticmethod
    def ok(tree):
        return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()

    def test_070_introspection(self):
        token = self.opaque(lambda: self.ok(self.active()))
        before = self.server.hits.get("/introspect", 0)
        self.assertAccepted(token)
        self.assertAccepted(token)
        self.assertEqual(self.server.hits["/introspect"], before + 1)
        command, _, headers, body = self.server.requests[-1]
        self.assertEqual((command, headers["Authorization"]), ("POST", SECRET))
        self.assertEqual(headers["Content-Type"], "application/x-www-form-urlencoded")
        self.assertIn("token_type_hint=access_token", body)
        # A token that says who issued it, where that issuer has no keys, is looked up too.
        jwt = self.token(name="opaque")
        self.server.handlers["/introspect"] = lambda form: self.ok(self.active() if form["token"] == jwt else {"active": False})
        self.assertAccepted(jwt)
        self.assertRefused("opaque.unknown")
        now = int(time.time())
        for name, tree in {"inactive": {"active": False}, "no exp": self.active(exp=None),
                           "iss": self.active(iss=self.name("jwks")),
                           "aud": self.active(aud="https://elsewhere.example"), "no aud": self.active(aud=None),
                           "scope": self.active(scope=7), "exp text": self.active(exp=str(now + 60))}.items():
            with self.subTest(answer=name):
                self.assertRefused(self.opaque(lambda tree=tree: self.ok(tree)))
        self.assertRefused(self.opaque(lambda: self.ok(self.active(exp=now - 100, iat=now - 200))), "expired")

    def test_070_introspection_that_is_none(self):
        for name, answer in {
                "text": (200, {}, json.dumps(dict(self.active(), active="true")).encode()),
                "one": (200, {}, json.dumps(dict(self.active(), active=1)).encode()),
                "null": (200, {}, json.dumps(dict(self.active(), active=None)).encode()),
                "missing": (200, {}, json.dumps(self.claims("opaque")).encode()),
                "twice": (200, {}, b'{"active": false, ' + json.dumps(self.active()).encode()[1:]),
                "html": (200, {"Content-Type": "text/html"}, b"<html>active: true</html>"),
                "empty": (200, {}, b""), "list": (200, {}, json.dumps([self.active()]).encode()),
                "500": (500, {}, json.dumps(self.active()).encode()),
                "401": (401, {}, json.dumps(self.active()).encode()),
                "204": (201, {}, json.dumps(self.active()).encode()),
                "redirect": (307, {"Location": self.server.base + "/elsewhere"}, json.dumps(self.active()).encode()),
                "huge": (200, {}, b'{"active": true, "x": "' + b"x" * 100000 + b'"}')}.items():
            with self.subTest(answer=name):
                token = self.opaque(lambda answer=answer: answer)
                for _ in range(2):
                    answered = self.assertStatus(self.gateway.find(token=token), 503)
                    self.assertIsNone(answered.header("WWW-Authenticate"))
                # Nothing of it was kept: as soon as the issuer can say, it is heard.
                self.server.handlers["/introspect"] = lambda form: self.ok(self.active())
                self.assertAccepted(token)
        self.assertNotIn("/elsewhere", self.server.hits)

    def test_070_introspection_that_takes_too_long(self):
        release = threading.Event()
        self.addCleanup(release.set)

        def slow():
            release.wait(60)
            return self.ok(self.active())

        token = self.opaque(slow)
        self.assertStatus(self.gateway.find(token=token), 503)

    def test_073_scopes(self):
        reference = self.gateway.base + "/DocumentReference/x"
        binary = self.gateway.base + "/Binary/x"

        def status(token, method="find"):
            if method == "find":
                return self.gateway.find(token=token).status
            if method == "publish":
                return self.gateway.publish(support.demo_bundle(b"x"), token=token).status
            return support.request("GET", method, support.bearer(token)).status

        cases = (
            ("ITI-67", "find", 200), ("ITI-67", binary, 403), ("ITI-67", "publish", 403), ("ITI-66", "find", 403),
            ("ITI-68", binary, 404), ("ITI-68", "find", 403), ("iti-67", "find", 403), ("ITI-6", "find", 403),
            ("user/DocumentReference.rs", "find", 200), ("user/DocumentReference.r", "find", 403),
            ("user/DocumentReference.s", reference, 403), ("user/DocumentReference.rs", reference, 404),
            ("user/DocumentReference.sr", "find", 403), ("user/DocumentReference.", "find", 403),
            ("user/DocumentReference.read", "find", 200), ("user/DocumentReference.search", "find", 200),
            ("user/DocumentReference.search", reference, 403), ("user/*.rs", "publish", 403),
            ("user/DocumentReference.cruds", "publish", 403), ("user/*.*", "find", 200), ("user/*.write", "find", 403),
            ("user/DocumentReference.rs?category=laboratory", "find", 403), ("user/Binary.r?x=y", binary, 403),
            ("user/documentreference.rs", "find", 403), ("launch openid", "find", 403),
            ("system/DocumentReference.rs user/Binary.r", "find", 403),
        )
        for scope, method, expected in cases:
            with self.subTest(scope=scope, method=method[-20:]):
                self.assertEqual(status(self.token(scope=scope), method), expected)
        answer = self.gateway.find(token=self.token(scope="ITI-68"))
        self.assertEqual(answer.json()["issue"][0]["code"], "forbidden")
        self.assertIn('error="insufficient_scope"', answer.header("WWW-Authenticate"))
        self.assertIn('scope="ITI-67"', answer.header("WWW-Authenticate"))

    def test_074_one_patient_only(self):
        """The token speaks of one patient; every way to ask about another is shut."""
        system = "urn:oid:" + support.AUTHORITY
        other = "IHEBLUE-1002"
        for scope, extensions in (("patient/*.rs", None), ("user/*.rs", iua())):
            extensions = dict(extensions or {})
            extensions.setdefault("ihe_iua", {})
            for person in (system + "|" + support.PATIENT, "%s^^^&%s&ISO" % (support.PATIENT, support.AUTHORITY)):
                extensions["ihe_iua"]["person_id"] = person
                token = self.token(scope=scope, extensions=extensions)
                self.assertAccepted(token)
                for answer in (
                        self.gateway.find(token=token, **{"patient.identifier": system + "|" + other}),
                        self.gateway.find("List", token=token, **{"patient.identifier": system + "|" + other,
                                                                  "code": "submissionset"}),
                        support.request("POST", self.gateway.base + "/DocumentReference/_search",
                                        dict({"Content-Type": "application/x-www-form-urlencoded"},
                                             **support.bearer(token)),
                                        "status=current&patient.identifier=%s%%7C%s" % (system, other))):
                    self.assertStatus(answer, 403)
        writer = self.token(scope="user/*.cruds", extensions=iua(person_id=system + "|" + support.PATIENT))
        bundle = support.demo_bundle(support.demo_letter(), patient=other)
        self.assertStatus(self.gateway.publish(bundle, token=writer), 403)


class Strangers(support.Stand):
    """Whoever shows a token that nobody here knows may be anybody."""
    PLACES = 4

    @classmethod
    def setUpClass(cls):
        cls.server = issuer.Server()
        cls.addClassCleanup(cls.server.close)
        cls.server.answers["/introspect"] = {"active": False}
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = support.Domain(cls.directory)
        cls.addClassCleanup(cls.domain.kill)
        secret = issuer.write(os.path.join(cls.directory, "secret"), SECRET + "\n")
        cls.gateway = support.Gateway(
            cls.directory, [cls.domain.back_end(connections_max=cls.PLACES)], access={"anonymous": False},
            issuers=[{"issuer": "https://opaque.example", "introspection_url": cls.server.base + "/introspect",
                      "introspection_authorization_file": secret}])
        cls.addClassCleanup(cls.gateway.kill)

    def test_070_strangers_leave_room(self):
        """Bodies that never come hold places at the back-end; some are left for those who are known."""
        head = ("POST /fhir HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
                "Authorization: Bearer opaque.%s\r\nContent-Length: 100000\r\n\r\n")
        answers = []
        for _ in range(self.PLACES):
            connection = socket.create_connection(("127.0.0.1", self.gateway.port), 60)
            self.addCleanup(connection.close)
            connection.sendall((head % uuid.uuid4().hex).encode())
            connection.settimeout(1)
            try:
                answers.append(connection.recv(65536).split(b"\r\n")[0])
            except socket.timeout:
                answers.append(b"waiting")
        self.assertEqual([answer for answer in answers if b" 503 " in answer][:1], [b"HTTP/1.1 503 Service Unavailable"])
        self.assertIn(b"waiting", answers)
        self.assertStatus(self.gateway.find(token=self.gateway.token("doctor")), 200)


if __name__ == "__main__":
    unittest.main()
