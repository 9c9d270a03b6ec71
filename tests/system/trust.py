"""A stand with trust switched on: real Redis, a domain with a consent directory, tokens for every role."""
import copy
import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

import support

PATIENT_SYSTEM = "urn:oid:" + support.AUTHORITY
DOCTOR = "http://snomed.info/sct|309343006"
RED = "1.3.6.1.4.1.21367.13.20.1000"
GREEN = "1.3.6.1.4.1.21367.13.20.2000"
FHIR = {"Content-Type": "application/fhir+json"}


def secret_file(directory, name, content):
    path = os.path.join(directory, name)
    if not os.path.exists(path):
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, 0o600)
    return path


def token_key(directory):
    path = os.path.join(directory, "demo-tokens.pem")
    if not os.path.exists(path):
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-out", path], check=True, capture_output=True)
        os.chmod(path, 0o600)
    return path


class Redis:
    """A redis-server that keeps nothing, on a unix socket of its own."""

    def __init__(self, directory):
        if not shutil.which("redis-server"):
            support.absent("redis-server is not installed")
        self.directory = tempfile.mkdtemp(prefix="passerelle-redis-")
        self.path = os.path.join(self.directory, "redis.sock")
        with open(os.path.join(directory, "redis.log"), "ab") as log:
            self.process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.path, "--save", "",
                                             "--appendonly", "no", "--dir", self.directory],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        support.wait_until(lambda: os.path.exists(self.path), "redis-server")

    def cli(self, *command):
        return subprocess.run(["redis-cli", "-s", self.path, *command], capture_output=True, text=True,
                              check=True).stdout

    def kill(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory, True)


def trust_configuration(directory, domain, redis=None):
    """What a gateway needs besides its back-ends to ask for tokens and consent."""
    url = "http://127.0.0.1:%d" % domain.port
    configuration = {
        "access": {"anonymous": False},
        "demo": {"token_key": token_key(directory)},
        "consent": {
            "source": "directory", "directory_url": url + "/consent",
            "secret_file": os.path.join(directory, "consent.secret"), "default": "permit",
            "care_relationships": [DOCTOR + "|any"], "break_glass_roles": [DOCTOR],
        },
        "identity": {
            "pix_url": url + "/pix", "pdq_url": url + "/pdq", "feed_url": url + "/pix",
            "authorities": [{"number": 1, "oid": RED, "source": "*"}, {"number": 2, "oid": GREEN, "source": "*"}],
        },
        "state_directory": os.path.join(directory, "state"),
        "state_keys": [{"id": 1, "file": secret_file(directory, "state.key", secrets.token_bytes(32))}],
    }
    if redis:
        # A machine that runs many tests may be slower than the 50 ms that Redis has otherwise.
        configuration["redis"] = {"address": redis.path, "command_timeout_ms": 2000}
    return configuration


def domain_configuration(directory):
    return {
        "consent_secret": secret_file(directory, "consent.secret", secrets.token_hex(32).encode()),
        "cross_references": ["%s|IHE%s-1001..IHE%s-1010 = IHEBLUE-1001..IHEBLUE-1010" % (oid, color, color)
                             for oid, color in ((RED, "RED"), (GREEN, "GREEN"))],
    }


class TrustStand(unittest.TestCase):
    """Redis, domain and gateway with trust on, for all tests of a class. They must end cleanly."""
    gateway_overrides = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.redis = Redis(cls.directory)
        cls.addClassCleanup(cls.redis.kill)
        cls.domain = support.Domain(cls.directory, **domain_configuration(cls.directory))
        cls.addClassCleanup(cls.domain.kill)
        overrides = trust_configuration(cls.directory, cls.domain, cls.redis)
        for name, section in copy.deepcopy(cls.gateway_overrides).items():
            overrides[name] = dict(overrides.get(name, {}), **section) if isinstance(section, dict) else section
        cls.gateway = support.Gateway(cls.directory, [cls.domain.back_end()], **overrides)
        cls.addClassCleanup(cls.gateway.kill)
        cls.doctor = cls.token("--role", "doctor", "--user", "doctor-1")
        cls.nurse = cls.token("--role", "nurse", "--user", "nurse-1")

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    @classmethod
    def token(cls, *arguments, config="gateway"):
        done = subprocess.run([support.BINARY, "token", "--config", os.path.join(cls.directory, config + ".yaml"),
                               *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout.strip()

    @classmethod
    def patient(cls, value=support.PATIENT, system=PATIENT_SYSTEM):
        return cls.token("--role", "patient", "--user", "patient-" + value, "--patient", "%s|%s" % (system, value))

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def send(self, method, path, token=None, resource=None, headers=None):
        """One request below the base, with a token; path may be a whole URL."""
        all_headers = dict(headers or {})
        if token:
            all_headers["Authorization"] = "Bearer " + token
        if resource is not None:
            all_headers.update(FHIR)
        return support.request(method, path if path.startswith("http") else self.gateway.base + path, all_headers,
                               None if resource is None else json.dumps(resource).encode())

    def publish(self, token, bundle, status=200):
        return self.assertStatus(self.send("POST", "", token, bundle), status).json()

    def search(self, token, kind="DocumentReference", status=200, patient=support.PATIENT, system=PATIENT_SYSTEM,
               **parameters):
        query = {"patient.identifier": "%s|%s" % (system, patient), "status": "current"}
        query.update(parameters)
        query = {name: value for name, value in query.items() if value is not None}
        answer = self.send("GET", "/%s?%s" % (kind, urllib.parse.urlencode(query, doseq=True)), token)
        return self.assertStatus(answer, status).json()

    def found(self, token, **parameters):
        """The uniqueIds that a search finds; its total must say the same."""
        bundle = self.search(token, **parameters)
        resources = matches(bundle)
        self.assertEqual(bundle["total"], len(resources), bundle)
        return {resource["masterIdentifier"]["value"][len("urn:oid:"):] for resource in resources}

    def consent(self, provision, patient=support.PATIENT, token=None, status=201):
        """The patient lays something down; returns the path of the Consent."""
        answer = self.assertStatus(self.send("POST", "/Consent", token or self.patient(patient),
                                             consent_resource(provision, patient)), status)
        return "/Consent/" + answer.json()["id"] if status == 201 else answer

    def revoke(self, path, patient=support.PATIENT):
        self.assertIn(self.send("DELETE", path, self.patient(patient)).status, (200, 204))


def matches(bundle):
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == "match"]


def consent_resource(provision, patient=support.PATIENT, system=PATIENT_SYSTEM):
    coding = "http://terminology.hl7.org/CodeSystem/"
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [{"system": coding + "consentscope", "code": "patient-privacy"}]},
        "category": [{"coding": [{"system": coding + "v3-ActCode", "code": "INFA"}]}],
        "patient": {"identifier": {"system": system, "value": patient}},
        "dateTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "policy": [{"uri": "urn:oid:2.999.20.30"}],
        "provision": provision,
    }


def hide_document(oid):
    return {"type": "permit", "provision": [{"type": "deny", "data": [{
        "meaning": "instance",
        "reference": {"type": "DocumentReference",
                      "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:" + oid}}}]}]}
