"""What the system tests share: real processes in directories of their own on free ports, and plain HTTP.

A test file is one process (tests/run.py starts several side by side), so nothing here is shared between files but the
built binaries. PASSERELLE_BUILD names another build directory than build-sanitize."""
import base64
import copy
import fcntl
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("PASSERELLE_BUILD", "build-sanitize"))
BINARY = os.path.join(BUILD, "passerelle")

AUTHORITY = "1.3.6.1.4.1.21367.13.20.3000"
PATIENT = "IHEBLUE-1001"
REPOSITORY = "2.999.20.10"
PROFILES = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/"
START_SECONDS = 30

# Of the demo's letter and patients: a log must hold none of it, whatever happened.
PRIVATE_WORDS = ("IHEBLUE-", "Muster-Fantaisie", "Zoé", "1958-02-28", "19580228", "Beispiel", "atrial")


def absent(why):
    """A part that the test needs is not there: CI must have everything, elsewhere it is a loud, counted skip."""
    if os.environ.get("CI") == "true":
        raise AssertionError(why + " (CI must have it)")
    raise unittest.SkipTest(why)


def shared(*parts):
    """A path in the public corpora that lie beside the project: PASSERELLE_SHARED, or ../shared. Skips when absent."""
    path = os.path.join(os.environ.get("PASSERELLE_SHARED") or os.path.join(os.path.dirname(ROOT), "shared"), *parts)
    if not os.path.exists(path):
        absent("the public corpus %s is not there; PASSERELLE_SHARED can name its place" % os.path.join(*parts))
    return path


def _ports():
    """Those that the kernel gives no client."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first = int(file.read().split()[0])
    return range(10000, first) if first > 12000 else range(10000, 65536)


RESERVED = []  # one socket for each port of this process


def free_port():
    """A port that stays this process's own until it ends, also while nobody listens there: tests in other processes see its
    name taken, and no client is given it."""
    for port in random.sample(_ports(), 1000):
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind("\0passerelle-tests-port-%d" % port)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            name.close()
            continue
        RESERVED.append(name)
        return port
    raise AssertionError("no port is free")


def close_listener(listener):
    """Also for a thread that waits in accept: by close alone it would go on waiting, and take what comes to the next
    socket of that number."""
    try:
        listener.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    listener.close()


def wait_until(true, what, seconds=START_SECONDS):
    """Polls; fails after the given time. Nothing in the tests sleeps for a fixed time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError("still waiting after %d s: %s" % (seconds, what() if callable(what) else what))
        time.sleep(0.02)


def accepts(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Process:
    """A process of ours with its log. stop() asks it to end gracefully and insists on exit code 0 and a clean log."""

    def __init__(self, name, command, directory, port, **more):
        self.name = name
        self.port = port
        self.log_path = os.path.join(directory, name + ".log")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)
        wait_until(lambda: self.process.poll() is not None or accepts(port), "%s to open port %d" % (name, port),
                   more.get("seconds", START_SECONDS))
        if self.process.poll() is not None:
            raise AssertionError("%s ended with %d at its start:\n%s" % (name, self.process.returncode, self.log()))

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        """The crash: nothing is flushed, no handler runs."""
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=40):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("%s did not end within %d s of SIGTERM:\n%s" % (self.name, seconds, self.log()[-4000:]))
        text = self.log()
        for word in PRIVATE_WORDS:
            if word in text:
                raise AssertionError("the log of %s holds patient data (%s):\n%s" % (self.name, word, text[-4000:]))
        if code != 0 or re.search(r"ERROR: \w+Sanitizer|runtime error:|Assertion .* failed", text):
            raise AssertionError("%s ended with %d:\n%s" % (self.name, code, text[-8000:]))


class Domain(Process):
    """The embedded XDS domain on a free port; its data stays when it is started again in the same directory."""

    def __init__(self, directory, port=None, name="hcm", **overrides):
        port = port or free_port()
        section = {
            "listen": {"port": port},
            "data_directory": os.path.join(directory, name),
            "repository_unique_id": REPOSITORY,
            "assigning_authority": AUTHORITY,
            "patients": ["IHEBLUE-10%02d" % number for number in range(1, 11)],
            "accept_any_code": True,
        }
        section.update(overrides)
        path = os.path.join(directory, name + ".yaml")
        write_configuration(path, {"domain": section})
        super().__init__(name, [BINARY, "domain", "--config", path], directory, port)
        self.registry_url = "http://127.0.0.1:%d/registry" % port
        self.repository_url = "http://127.0.0.1:%d/repository" % port

    def back_end(self, **overrides):
        """The gateway's entry for this domain."""
        entry = {
            "name": self.name,
            "source": 1,
            "registry_url": self.registry_url,
            "provide_url": self.repository_url,
            "repositories": [{"unique_id": REPOSITORY, "url": self.repository_url}],
        }
        entry.update(overrides)
        return entry

    def community(self, home, **overrides):
        """The gateway's entry for this domain as another community; the domain has it as home_community_id."""
        url = "http://127.0.0.1:%d/" % self.port
        entry = {"name": self.name, "kind": "xca", "source": 2, "registry_url": url + "xca", "home_community_id": home,
                 "xcpd_url": url + "xcpd"}
        entry.update(overrides)
        return entry


class Gateway(Process):
    """The gateway on a free port in front of the given back-ends (entries of back_ends)."""

    def __init__(self, directory, back_ends, port=None, name="gateway", environment=None, prefix=(), **overrides):
        port = port or free_port()
        key = os.path.join(directory, "seal.key")
        if not os.path.exists(key):
            with open(key, "wb") as file:
                file.write(hashlib.sha512(b"tests").digest()[:32])
            os.chmod(key, 0o600)
        configuration = {
            "listen": {"port": port},
            "keys": [{"id": 1, "file": key}],
            "back_ends": back_ends,
            "patient": {"assigning_authority": AUTHORITY},
            "spool_directory": directory,
            "access": {"anonymous": True},
            "defaults": {
                "class_code": "http://loinc.org|11503-0|Medical records",
                "type_code": "http://loinc.org|34133-9|Summary of episode note",
                "format_code": "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
                               "|urn:ihe:iti:xds:2017:mimeTypeSufficient|mimeType Sufficient",
                "confidentiality_code": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N|normal",
                "facility_type_code": "http://terminology.hl7.org/CodeSystem/v3-RoleCode|HOSP|Hospital",
                "practice_setting_code": "http://snomed.info/sct|394802001|General medicine",
                "content_type_code": "http://loinc.org|11503-0|Medical records",
                "language_code": "en",
            },
        }
        configuration.update(overrides)
        if "state_directory" not in configuration:
            # Who serves others than loopback strangers records what it does, and keeps that encrypted.
            configuration["state_directory"] = os.path.join(directory, name + ".state")
            configuration.setdefault("state_keys", [{"id": 1, "file": key}])
        if not configuration["access"].get("anonymous"):
            configuration.setdefault("consent", {"source": "none"})
            configuration.setdefault("demo", {"token_key": signing_key(os.path.join(directory, "demo-tokens.pem"))})
        path = os.path.join(directory, name + ".yaml")
        write_configuration(path, configuration)
        self.configuration_path = path
        super().__init__(name, [*prefix, BINARY, "serve", "--config", path], directory, port, env=environment)
        self.base = "http://127.0.0.1:%d/fhir" % port

    def token(self, role, **options):
        """A developer token (`passerelle token`) of a gateway with access.anonymous false: token("doctor", user="x",
        purpose="BTG", reason="..."), token("patient", patient="urn:oid:...|...")."""
        command = [BINARY, "token", "--config", self.configuration_path, "--role", role]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def publish(self, bundle, accept="application/fhir+json", token=None):
        """ITI-65 with a Bundle as Python objects."""
        return request("POST", self.base, dict({"Content-Type": "application/fhir+json", "Accept": accept},
                                               **bearer(token)), json.dumps(bundle).encode())

    def find(self, kind="DocumentReference", token=None, **parameters):
        """ITI-67 or ITI-66 for the demo patient; names with a dot or dash come as {"patient.identifier": ...}."""
        query = {"patient.identifier": "urn:oid:%s|%s" % (AUTHORITY, PATIENT), "status": "current"}
        query.update(parameters)
        query = {name: value for name, value in query.items() if value is not None}
        return request("GET", self.base + "/" + kind + "?" + urllib.parse.urlencode(query), bearer(token))


def bearer(token):
    """Headers that show an access token; none for None."""
    return {"Authorization": "Bearer " + token} if token else {}


def signing_key(path, curve="P-256"):
    """A private key for tokens at path, made when it is not there."""
    if not os.path.exists(path):
        subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve,
                        "-out", path], check=True, capture_output=True)
    return path


def write_configuration(path, configuration):
    """JSON is YAML too."""
    with open(path, "w", encoding="utf-8") as file:
        json.dump(configuration, file, indent=1)


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        return self.headers.get(name)

    def __repr__(self):
        return "%d %s\n%s" % (self.status, self.headers, self.body[:3000].decode("utf-8", "replace"))


def request(method, url, headers=None, body=None, seconds=120):
    """One HTTP exchange, redirects and errors as they come."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=seconds)
    try:
        connection.request(method, urllib.parse.urlunsplit(("", "", parts.path, parts.query, "")), body, headers or {})
        answer = connection.getresponse()
        return Response(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def fresh_oid(arc):
    return "2.999.20.%d.%d" % (arc, uuid.uuid4().int >> 64)


def demo_bundle(document, content_type="text/xml", patient=PATIENT, profile="Comprehensive"):
    """The demo's Provide Bundle around the given bytes, with fresh ids; tests change it further. Entries: 0 the
    SubmissionSet, 1 the DocumentReference, 2 the Binary."""
    with open(os.path.join(ROOT, "conf/demo/provide-bundle.json"), encoding="utf-8") as file:
        text = file.read()
    for name in ("SUBMISSION_SET_UUID", "DOCUMENT_REFERENCE_UUID", "BINARY_UUID"):
        text = text.replace("@%s@" % name, str(uuid.uuid4()))
    text = text.replace("@SUBMISSION_SET_OID@", fresh_oid(7)).replace("@DOCUMENT_OID@", fresh_oid(1))
    text = text.replace("@NOW@", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())).replace("IHEBLUE-1001", patient)
    text = text.replace("@HASH@", base64.b64encode(hashlib.sha1(document).digest()).decode())
    bundle = json.loads(text)
    attachment = bundle["entry"][1]["resource"]["content"][0]["attachment"]
    attachment["size"] = len(document)
    attachment["contentType"] = content_type
    bundle["entry"][2]["resource"]["contentType"] = content_type
    bundle["entry"][2]["resource"]["data"] = base64.b64encode(document).decode()
    if profile != "Comprehensive":
        bundle = json.loads(json.dumps(bundle).replace("IHE.MHD.Comprehensive.", "IHE.MHD.%s." % profile))
    return bundle


def uuid_named(bundle, entry=1):
    """The same, with a uniqueId that is a UUID, as many FHIR servers make them."""
    bundle["entry"][entry]["resource"]["masterIdentifier"]["value"] = uuid.uuid4().urn
    return bundle


def unnamed_bundle(document, **more):
    """A Minimal one whose SubmissionSet has no uniqueId, as MHD permits."""
    bundle = demo_bundle(document, profile="Minimal", **more)
    del bundle["entry"][0]["resource"]["identifier"]
    return bundle


def add_folder(bundle, *members):
    """A Folder with these members (fullUrls) in a Provide Bundle, and in its SubmissionSet."""
    subject = copy.deepcopy(bundle["entry"][0]["resource"]["subject"])
    full_url = "urn:uuid:" + str(uuid.uuid4())
    code = {"coding": [{"system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes", "code": "folder"}]}
    designation = {"url": PROFILES + "ihe-designationType", "valueCodeableConcept": {
        "coding": [{"system": "http://loinc.org", "code": "11503-0", "display": "Medical records"}]}}
    folder = {"resourceType": "List", "meta": {"profile": [PROFILES + "IHE.MHD.Comprehensive.Folder"]},
              "extension": [designation],
              "identifier": [{"use": "usual", "system": "urn:ietf:rfc:3986", "value": "urn:oid:" + fresh_oid(3)}],
              "status": "current", "mode": "working", "title": "A folder", "code": code, "subject": subject,
              "date": "2026-03-12T10:15:00Z", "entry": [{"item": {"reference": each}} for each in members]}
    bundle["entry"].append({"fullUrl": full_url, "resource": folder, "request": {"method": "POST", "url": "List"}})
    bundle["entry"][0]["resource"]["entry"].append({"item": {"reference": full_url}})
    return folder


def document_oid(bundle, entry=1):
    """Its uniqueId, which is no OID where uuid_named was asked for."""
    return bundle["entry"][entry]["resource"]["masterIdentifier"]["value"].removeprefix("urn:oid:")


def demo_letter():
    with open(os.path.join(ROOT, "conf/demo/discharge-letter.xml"), "rb") as file:
        return file.read()


class Stand(unittest.TestCase):
    """A domain and a gateway in front of it, for all tests of a class. They must end cleanly."""
    gateway_overrides = {}
    domain_overrides = {}
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.domain = Domain(cls.directory, **cls.domain_overrides)
        cls.addClassCleanup(cls.domain.kill)
        cls.gateway = Gateway(cls.directory, [cls.domain.back_end()], **copy.deepcopy(cls.gateway_overrides))
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()
        cls.domain.stop()

    def assertStatus(self, response, status):
        self.assertEqual(response.status, status, repr(response))
        return response

    def publish(self, bundle, status=200):
        return self.assertStatus(self.gateway.publish(bundle), status).json()

    def find_one(self, oid):
        """The DocumentReference with this uniqueId, found by search."""
        found = self.assertStatus(self.gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + oid), 200).json()
        entries = [entry for entry in found.get("entry", []) if entry["search"]["mode"] == "match"]
        self.assertEqual(len(entries), 1, found)
        return entries[0]["resource"]


class DemoStand(unittest.TestCase):
    """Runs ./run demo with a state directory and ports of its own."""

    def setUp(self):
        self.state = tempfile.mkdtemp(prefix="passerelle-demo-")
        self.addCleanup(shutil.rmtree, self.state, True)
        self.environment = dict(os.environ, DEMO_STATE=self.state, GATEWAY_PORT=str(free_port()),
                                HCM_PORT=str(free_port()), DSP_PORT=str(free_port()), COMMUNITY_PORT=str(free_port()))

    def run_once(self, *options, **more):
        return subprocess.run(["./run", "demo", "--once", *options], cwd=ROOT, env=dict(self.environment, **more),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=900, check=False)

    def start(self, *command):
        """The demo that serves, in a session of its own; returns when it has published."""
        path = os.path.join(self.state, "out")
        with open(path, "wb") as log:
            # A caller that ignores SIGHUP (nohup) hands that on, and bash cannot trap what it was told to ignore.
            process = subprocess.Popen(["./run", *command], cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True,
                                       preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))

        def text():
            with open(path, encoding="utf-8") as file:
                return file.read()

        wait_until(lambda: "Serving until Ctrl-C" in text() or process.poll() is not None, "the demo", 900)
        self.assertIsNone(process.poll(), text())
        return process

    def ports_free(self):
        return not any(accepts(int(self.environment[name])) for name in ("GATEWAY_PORT", "HCM_PORT", "DSP_PORT", "COMMUNITY_PORT"))


def npm_clients():
    """Installs the packages of tests/clients as its lock file says, once; returns the directory."""
    directory = os.path.join(ROOT, "tests/clients")
    if not shutil.which("node") or not shutil.which("npm"):
        absent("Node.js and npm are not installed")
    with open(os.path.join(directory, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        marker = os.path.join(directory, "node_modules/.package-lock.json")
        wanted = os.path.join(directory, "package-lock.json")
        if not os.path.exists(marker) or os.path.getmtime(marker) < os.path.getmtime(wanted):
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=directory, stdin=subprocess.DEVNULL,
                                  capture_output=True, text=True, check=False)
            if done.returncode != 0:
                absent("npm could not install the packages of tests/clients: " + " ".join(done.stderr.split())[:300])
            os.utime(marker)
    return directory
