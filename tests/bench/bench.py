"""The gateway's cost, side by side with the least that the same libraries can do. Prints a table and asserts no time.

  (b) CPU per request of the gateway, before a back-end that answers at once, against a bare proxy of libmicrohttpd and
      libcurl that makes the same number of back-end calls with the same answers.
  (d) CPU per request of a search with trust on (token, cross-reference, consent) against the same search with all of it
      off: cached in process, in Redis by socket, and with the audit journal beside it.
  (c) 2,000 clients at once before a back-end that takes 500 ms: answers, and memory per waiting request. By default
      three quarters of the workers wait for the back-end, and the others for them; with limits.workers of 2,700 all do.
  (e) A question to the cache: in process, and in Redis by unix socket, TCP and TLS.

Run by ./run bench after (a), the mapper alone (build/bench/bench_mapper). Needs wrk."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request

os.environ.setdefault("PASSERELLE_BUILD", "build")
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "system"))
import bench_sources  # pylint: disable=wrong-import-position
import certificates  # pylint: disable=wrong-import-position
import redis_stand  # pylint: disable=wrong-import-position
import support  # pylint: disable=wrong-import-position
import trust  # pylint: disable=wrong-import-position

SECONDS = int(os.environ.get("BENCH_SECONDS", "5"))
CLIENTS = 32
RIM = 'xmlns:rim="urn:oasis:names:tc:ebxml-regrep:xsd:rim:3.0" xmlns:query="urn:oasis:names:tc:ebxml-regrep:xsd:query:3.0"'
SUCCESS = "urn:oasis:names:tc:ebxml-regrep:ResponseStatusType:Success"
OBJECT_TYPE = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:"


def envelope(action, body):
    return ('<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            'xmlns:a="http://www.w3.org/2005/08/addressing"><s:Header><a:Action s:mustUnderstand="true">%s</a:Action>'
            "</s:Header><s:Body>%s</s:Body></s:Envelope>" % (action, body)).encode()


def slot(name, *values):
    return '<rim:Slot name="%s"><rim:ValueList>%s</rim:ValueList></rim:Slot>' % (
        name, "".join("<rim:Value>%s</rim:Value>" % value for value in values))


def classification(parent, number, scheme, code, display, coding_scheme="2.16.840.1.113883.6.1"):
    return ('<rim:Classification id="urn:uuid:%08x-0000-4000-9000-%012x" objectType="%sClassification" '
            'classifiedObject="%s" classificationScheme="urn:uuid:%s" nodeRepresentation="%s">%s'
            '<rim:Name><rim:LocalizedString value="%s"/></rim:Name></rim:Classification>' % (
                number, hash(parent) & 0xFFFFFFFF, OBJECT_TYPE, parent, scheme, code,
                slot("codingScheme", coding_scheme), display))


def identifier(parent, scheme, name, value):
    return ('<rim:ExternalIdentifier id="urn:uuid:%s" objectType="%sExternalIdentifier" registryObject="%s" '
            'identificationScheme="urn:uuid:%s" value="%s"><rim:Name><rim:LocalizedString value="XDSDocumentEntry.%s"/>'
            "</rim:Name></rim:ExternalIdentifier>" % (parent[9:], OBJECT_TYPE, parent, scheme, value, name))


def document_entry(number):
    uuid = "urn:uuid:%08x-1111-4111-8111-%012x" % (number, number)
    codes = (("41a5887f-8865-4c09-adf7-e362475b143a", "11369-6", "History"),
             ("f0306f51-975f-434e-a61c-c59651d33983", "34133-9", "Summary of episode note"),
             ("a09d5840-386c-46f2-b5ad-9c3699a4309d", "urn:ihe:iti:xds:2017:mimeTypeSufficient", "mime"),
             ("f4f85eac-e6cb-4883-b524-f2705394840f", "N", "normal", "2.16.840.1.113883.5.25"),
             ("f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1", "82242000", "Hospital"),
             ("cccf5598-8b07-4b77-a05e-ae952c785ead", "408467006", "Adult medicine"))
    return "".join((
        '<rim:ExtrinsicObject id="%s" lid="%s" mimeType="text/xml" status="urn:oasis:names:tc:ebxml-regrep:StatusType:'
        'Approved" objectType="urn:uuid:7edca82f-054d-47f2-a032-9b2a5b5186c1">' % (uuid, uuid),
        slot("creationTime", "20260302081500"), slot("languageCode", "fr-LU"),
        slot("hash", hashlib.sha1(str(number).encode()).hexdigest()), slot("size", 4711 + number),
        slot("repositoryUniqueId", support.REPOSITORY),
        slot("sourcePatientId", "MRN-1^^^&amp;2.999.20.5&amp;ISO"),
        slot("sourcePatientInfo", "PID-3|MRN-1^^^&amp;2.999.20.5&amp;ISO", "PID-5|Exemple^Anna", "PID-7|19800229",
             "PID-8|F"),
        '<rim:Name><rim:LocalizedString value="Letter %d"/></rim:Name>' % number,
        '<rim:VersionInfo versionName="1"/>',
        '<rim:Classification id="urn:uuid:%08x-2222-4222-8222-222222222222" objectType="%sClassification" '
        'classifiedObject="%s" classificationScheme="urn:uuid:93606bcf-9494-43ec-9b4e-a7748d1a838d" '
        'nodeRepresentation="">%s%s</rim:Classification>' % (
            number, OBJECT_TYPE, uuid, slot("authorPerson", "D9^Muster^Tim^^^Dr^^^&amp;2.999.20.4&amp;ISO"),
            slot("authorInstitution", "Exemple Hospital^^^^^^^^^2.999.20.3")),
        "".join(classification(uuid, index, *code) for index, code in enumerate(codes)),
        identifier(uuid, "58a6f841-87b3-4a3e-92fd-a8ffeff98427", "patientId",
                   "%s^^^&amp;%s&amp;ISO" % (support.PATIENT, support.AUTHORITY)),
        identifier(uuid, "2e82c1f6-a085-4c72-9da3-8640a32e42ab", "uniqueId", "2.999.20.1.%d" % number),
        "</rim:ExtrinsicObject>"))


def query_response(objects):
    return envelope("urn:ihe:iti:2007:RegistryStoredQueryResponse",
                    '<query:AdhocQueryResponse %s status="%s"><rim:RegistryObjectList>%s</rim:RegistryObjectList>'
                    "</query:AdhocQueryResponse>" % (RIM, SUCCESS, objects))


class Bench:
    def __init__(self, directory):
        self.directory = directory
        self.rows = []

    def stub(self, delay_ms, entries):
        replies = {
            "a7ae438b": query_response(""),  # GetAssociations
            "RegistryStoredQuery": query_response("".join(document_entry(number) for number in range(entries))),
            "ProvideAndRegister": envelope(
                "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-bResponse",
                '<rs:RegistryResponse xmlns:rs="urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0" status="%s"/>' % SUCCESS),
        }
        arguments = []
        for kind, reply in replies.items():
            path = os.path.join(self.directory, kind)
            with open(path, "wb") as file:
                file.write(reply)
            arguments.append("%s=%s" % (kind, path))
        port = support.free_port()
        return support.Process("stub", [os.path.join(support.BUILD, "bench/stub_back_end"), str(port), str(delay_ms),
                                        *arguments], self.directory, port)

    @staticmethod
    def url(stub):
        return "http://127.0.0.1:%d/" % stub.port

    def before(self, back_ends, name, **more):
        """A gateway with its default limits."""
        return support.Gateway(self.directory, back_ends, name=name, log={"level": "error"}, **more)

    def gateway(self, stub, name="gateway", trusted=None, **limits):
        url = self.url(stub)
        return support.Gateway(self.directory, [{
            "name": "stub", "source": 1, "registry_url": url, "provide_url": url, "connections_max": 4096,
            "repositories": [{"unique_id": support.REPOSITORY, "url": url}]}],
            name=name, log={"level": "warn"}, limits=dict({"workers": 64}, **limits), **(trusted or {}))

    def proxy(self, stub, actions):
        port = support.free_port()
        return support.Process("proxy", [os.path.join(support.BUILD, "bench/bare_proxy"), str(port),
                                         "http://127.0.0.1:%d/" % stub.port, "64", *actions], self.directory, port)

    def wrk(self, port, path, script=None, clients=CLIENTS, seconds=SECONDS, token=None):
        """Requests answered, those not answered 2xx, and socket errors."""
        command = ["wrk", "-t1", "-c%d" % clients, "-d%ds" % seconds, "--timeout", "60s"]
        if script:
            command += ["-s", script]
        if token:
            command += ["-H", "Authorization: Bearer " + token]
        text = subprocess.run(command + ["http://127.0.0.1:%d%s" % (port, path)], capture_output=True, text=True,
                              check=True).stdout
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        return (int(re.search(r"(\d+) requests in", text).group(1)), int(refused.group(1)) if refused else 0,
                sum(map(int, errors.groups())) if errors else 0)

    def cpu_per_request(self, process, path, script=None, token=None):
        """Microseconds of user and system time."""
        self.wrk(process.port, path, script, seconds=1, token=token)
        before = cpu_seconds(process.process.pid)
        requests, refused, errors = self.wrk(process.port, path, script, token=token)
        if refused or errors:
            raise SystemExit("%d requests refused, %d broken: %s" % (refused, errors, process.log()[-2000:]))
        return (cpu_seconds(process.process.pid) - before) / requests * 1e6

    def compare(self, title, entries, path, script=None):
        stub = self.stub(0, entries)
        gateway = self.gateway(stub)
        requests, _, _ = self.wrk(gateway.port, path, script, clients=1, seconds=1)
        actions = []
        for line in urllib.request.urlopen("http://127.0.0.1:%d/" % stub.port).read().decode().splitlines():
            kind, count = line.rsplit(" ", 1)
            actions += [kind] * round(int(count) / requests)
        # The big answer comes last: it is the one that the proxy hands on.
        actions.sort(key=lambda kind: os.path.getsize(os.path.join(self.directory, kind)))
        proxy = self.proxy(stub, actions)
        ratios = []
        for _ in range(3):
            ours = self.cpu_per_request(gateway, path, script)
            bare = self.cpu_per_request(proxy, path, script)
            ratios.append((ours / bare, ours, bare))
        ratio, ours, bare = sorted(ratios)[1]
        print("%-44s %8.0f us %8.0f us %7.2f   (%d back-end calls)" % (title, ours, bare, ratio, len(actions)), flush=True)
        for process in (gateway, proxy, stub):
            process.stop()

    def trust(self):
        """100 entries found by an identifier of another domain. Pairs are measured in turn, the median pair is shown."""
        stub = self.stub(0, 100)
        redis = trust.Redis(self.directory)
        domain = support.Domain(self.directory, **trust.domain_configuration(self.directory))
        identity = trust.trust_configuration(self.directory, domain)["identity"]
        open_gateway = self.gateway(stub, trusted={"identity": identity})
        for title, shared, audit in (("token, xref, consent; cached in process", None, "off"),
                                     ("token, xref, consent; Redis by socket", redis, "off"),
                                     ("the same and the audit journal", redis, "on")):
            trusted = dict(trust.trust_configuration(self.directory, domain, shared), audit={"enabled": audit})
            closed = self.gateway(stub, name="trusted", trusted=trusted)
            token = subprocess.run([support.BINARY, "token", "--config", os.path.join(self.directory, "trusted.yaml"),
                                    "--role", "doctor"], capture_output=True, text=True, check=True).stdout.strip()
            path = "/fhir/DocumentReference?patient.identifier=urn:oid:%s%%7CIHERED-1001&status=current&_count=200" % (
                trust.RED)
            found = support.request("GET", "http://127.0.0.1:%d%s" % (closed.port, path),
                                    {"Authorization": "Bearer " + token})
            if found.status != 200 or found.json()["total"] != 100:
                raise SystemExit("the search with trust does not find its 100 entries: %r" % found)
            pairs = []
            for _ in range(5):
                with_trust = self.cpu_per_request(closed, path, token=token)
                without = self.cpu_per_request(open_gateway, path)
                pairs.append((with_trust / without, with_trust, without))
            ratio, with_trust, without = sorted(pairs)[2]
            print("%-44s %8.0f us %8.0f us %7.3f" % (title, with_trust, without, ratio), flush=True)
            closed.stop()
            shutil.rmtree(os.path.join(self.directory, "state"), True)
        for process in (open_gateway, domain, stub):
            process.stop()
        redis.kill()

    def crowd(self, clients, title, **limits):
        stub = self.stub(500, 1)
        gateway = self.before([bench_sources.entry("stub", 1, self.url(stub), support.REPOSITORY)], "crowded",
                              limits=dict(limits, connections_per_address=0))
        path = search_path()
        self.wrk(gateway.port, path, clients=8, seconds=1)
        quiet = memory_kib(gateway.process.pid, "VmRSS")
        requests, refused, errors = self.wrk(gateway.port, path, clients=clients, seconds=max(SECONDS, 15))
        peak = memory_kib(gateway.process.pid, "VmHWM")
        print("%d clients, back-end takes 500 ms a call, %s: %d answered, %d of them not 200, %d broken; %.1f KiB per "
              "waiting request" % (clients, title, requests, refused, errors, (peak - quiet) / clients), flush=True)
        for process in (gateway, stub):
            process.stop()


def caches(directory):
    """One Redis, reached in three ways, and none. Two connections are enough: one thread asks."""
    authority = certificates.Authority(directory)
    server = authority.issue("server")
    port, tls_port = support.free_port(), support.free_port()
    redis = redis_stand.RedisServer(
        directory, "redis", "tls-port %d" % tls_port, "tls-cert-file " + server.certificate,
        "tls-key-file " + server.key, "tls-ca-cert-file " + authority.certificate, "tls-auth-clients no", port=port)
    try:
        arguments = []
        for name, where in (("in process", None), ("Redis by unix socket", {"address": redis.path}),
                            ("Redis by TCP (loopback)", {"address": "127.0.0.1:%d" % port}),
                            ("Redis by TLS (loopback)", {"address": "127.0.0.1:%d" % tls_port,
                                                         "tls": {"ca_file": authority.certificate}})):
            path = os.path.join(directory, "cache%d.yaml" % len(arguments))
            configuration = redis_stand.gateway_configuration(directory, redis_stand.unhurried(**where or {}))
            if not where:
                del configuration["redis"]
            support.write_configuration(path, configuration)
            arguments.append("%s=%s" % (name, path))
        subprocess.run([os.path.join(support.BUILD, "bench/bench_cache"), *arguments], check=True)
    finally:
        redis.kill()


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_kib(pid, name):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(name + r":\s+(\d+)", file.read()).group(1))


def search_path(count=200):
    return "/fhir/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current&_count=%d" % (
        support.AUTHORITY, support.PATIENT, count)


def post_script(directory):
    """A wrk script that publishes one 50 KB document with every request; the stub takes the same ids again."""
    document = base64.b64encode(os.urandom(37500))
    bundle = json.dumps(support.demo_bundle(document))
    body = os.path.join(directory, "bundle.json")
    with open(body, "w", encoding="utf-8") as file:
        file.write(bundle)
    path = os.path.join(directory, "publish.lua")
    with open(path, "w", encoding="utf-8") as file:
        file.write('wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/fhir+json"\n'
                   'local file = io.open("%s", "rb")\nwrk.body = file:read("*all")\nfile:close()\n' % body)
    return path


def main():
    if not shutil.which("wrk"):
        raise SystemExit("wrk is missing: apt-get install wrk")
    directory = tempfile.mkdtemp(prefix="passerelle-bench-")
    try:
        bench = Bench(directory)
        print("%-44s %11s %11s %7s" % ("CPU per request", "gateway", "bare proxy", "ratio"))
        bench.compare("ITI-67, 1 entry", 1, search_path())
        bench.compare("ITI-67, 10 entries", 10, search_path())
        bench.compare("ITI-67, 100 entries", 100, search_path())
        bench.compare("ITI-65, one 50 KB document", 1, "/fhir", post_script(directory))
        print("%-44s %11s %11s %7s" % ("CPU per request, ITI-67, 100 entries", "trust on", "trust off", "ratio"))
        bench.trust()
        bench.crowd(2000, "default limits")
        bench.crowd(2000, "a worker for each", workers=2700)
        bench_sources.run(bench, search_path())
        if shutil.which("redis-server"):
            caches(directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
