"""Several hospitals on one gateway: each below the base by its name, and nothing of one is anything to another."""
import copy
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import unittest

import certificates
import proxy
from support import (AUTHORITY, BINARY, PATIENT, REPOSITORY, Domain, Gateway, bearer, close_listener, demo_bundle,
                     demo_letter, document_oid, request, wait_until, write_configuration)

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


class Check(TenantStand):
    def setUp(self):
        self.addCleanup(self.write_tenant, SUD, {})
        self.proxy = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(self.proxy.close)

    def check(self, code):
        done = subprocess.run([BINARY, "check", "--config", self.gateway.configuration_path], capture_output=True,
                              text=True, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done

    def back_end(self, **more):
        return self.domain.back_end(registry_url=self.proxy.url("/registry"), **more)

    def test_a_back_end_of_several_is_asked_once_for_all(self):
        for tenant in (NORD, SUD):
            self.write_tenant(tenant, {"back_ends": [self.back_end(name="hcm-of-" + tenant)]})
            self.addCleanup(self.write_tenant, tenant, {})
        said = self.check(0).stdout
        self.assertIn("tenants %s, %s:\nok   hcm-of-%s: registry" % (NORD, SUD, NORD), said)
        self.assertEqual((self.proxy.count("RegistryStoredQuery"), said.count("ok   hcm")), (1, 3), said)

    def test_one_that_is_asked_otherwise_is_asked_apart(self):
        """Whatever decides about the answer."""
        certificate = certificates.Authority(self.directory).issue("gateway")
        xua = {"key_file": certificate.key, "certificate_file": certificate.certificate, "issuer": "urn:a"}
        self.write_tenant(NORD, {"back_ends": [self.back_end(xua_audience="urn:b")], "xua": xua})
        self.addCleanup(self.write_tenant, NORD, {})
        for other in ({"xua": dict(xua, issuer="urn:c"), "back_ends": [self.back_end(xua_audience="urn:b")]},
                      {"xua": xua, "back_ends": [self.back_end(xua_audience="urn:c")]},
                      {"back_ends": [self.back_end(ca_file=certificate.certificate)]},
                      {"back_ends": [self.back_end(timeout_ms=1000)]}):
            with self.subTest(other=other):
                self.write_tenant(SUD, other)
                before = self.proxy.count("RegistryStoredQuery")
                said = self.check(0).stdout
                self.assertEqual(self.proxy.count("RegistryStoredQuery") - before, 2)
                for tenant in (NORD, SUD):
                    self.assertIn("tenant %s:\nok   hcm: registry" % tenant, said)

    def test_faults_name_file_line_and_tenant(self):
        self.write_tenant(SUD, {"search": {"count_default": 900}, "log": {"level": "info"}})
        said = self.check(1).stderr
        self.assertRegex(said, SUD + r"\.yaml:3: search\.count_default: error: .*\(tenant " + SUD + r"\)")
        self.assertRegex(said, SUD + r"\.yaml:6: log\.level: error: .*main file")

    def test_faults_of_several_are_told_at_once(self):
        """Of whatever kind: what the table of keys forbids, what goes together with other keys, and files that are named."""
        self.addCleanup(self.write_tenant, NORD, {})
        self.write_tenant(NORD, {"search": {"count_default": 900}, "serach": {}, "access": {"skew_seconds": 61}})
        self.write_tenant(SUD, {"search": {"resulst_max": 9}, "keys": "none", "limits": {"workers": 3}})
        self.faults(NORD, (3, "search.count_default"), (5, "serach"), (7, "access.skew_seconds"))
        self.faults(SUD, (3, "search.resulst_max"), (5, "keys"), (7, "limits.workers"))
        self.write_tenant(NORD, {"code_sets_file": "nix.xml", "search": {"count_default": 3}})
        self.write_tenant(SUD, {"search": {"count_default": 3}, "publication": {"share": ["any = dsp provide"]}})
        self.faults(NORD, (2, "code_sets_file"))
        self.faults(SUD, (6, "publication.share"))

    def faults(self, tenant, *expected):
        """What is said of the tenant's file, with nothing else of it."""
        said = self.check(1).stderr
        told = re.findall(r"^(?:tenant %s: )?/\S*/%s\.yaml:(\d+): (\S+): error: " % (tenant, tenant), said, re.M)
        self.assertEqual(sorted((int(line), key) for line, key in told), list(expected), said)

    def test_a_back_end_of_one_that_is_away_is_named(self):
        away = dict(self.domain.back_end(), registry_url="http://127.0.0.1:1/registry")
        self.write_tenant(SUD, {"back_ends": [away]})
        said = self.check(1).stdout
        self.assertRegex(said, "tenant %s:\nok   hcm: registry" % NORD)
        self.assertRegex(said, "tenant %s:\nFAIL hcm: registry" % SUD)


class Tokens(TenantStand):
    tenants = {name: {"audit": {"repositories": [{"name": "file", "kind": "file", "path": name + ".ndjson"}]}}
               for name in (NORD, SUD)}

    def test_066_token_of_one_tenant_opens_nothing_of_another(self):
        for own, other in ((NORD, SUD), (SUD, NORD)):
            token = self.token("doctor", own)
            self.assertStatus(self.ask(own, "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current"
                                       % (AUTHORITY, PATIENT), token), 200)
            self.assertStatus(self.ask(other, "/DocumentReference?patient.identifier=urn:oid:%s%%7C%s&status=current"
                                       % (AUTHORITY, PATIENT), token), 401)

    def test_066_it_is_recorded_that_the_token_was_anothers(self):
        doctor = self.token("doctor", NORD)
        before = {tenant: len(self.refusals(tenant)) for tenant in (NORD, SUD)}
        refused = self.assertStatus(self.ask(SUD, "/List", doctor), 401)
        self.assertIn("ERR_OTHER_TENANT", refused.body.decode())
        self.assertIn('error="invalid_token"', refused.header("WWW-Authenticate"))
        # What is no token of anybody's here says no more than that.
        for name, value in (("Authorization", "Bearer " + doctor[:-3] + "AAA"), ("Authorization", "Bearer x.y.z")):
            self.assertNotIn("ERR_OTHER_TENANT", request("GET", self.base(SUD) + "/List", {name: value}).body.decode())
        wait_until(lambda: len(self.refusals(SUD)) > before[SUD], "the refusal to be recorded")
        self.assertEqual(len(self.refusals(SUD)), before[SUD] + 1)
        self.assertEqual(len(self.refusals(NORD)), before[NORD])

    def refusals(self, tenant):
        """What this tenant's audit repository has of tokens that were another's."""
        path = os.path.join(self.directory, tenant + ".ndjson")
        if not os.path.exists(path):
            return []
        with open(path, encoding="utf-8") as file:
            return [line for line in file if "ERR_OTHER_TENANT" in line]

    def test_token_of_a_tenant_that_is_not_there_is_not_made(self):
        done = subprocess.run([BINARY, "token", "--config", self.gateway.configuration_path, "--role", "doctor",
                               "--tenant", "hopital-est"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("no tenant of this name", done.stderr)


class Sources(TenantStand):
    """A tenant that says which systems publish for it takes nothing of others."""
    tenants = {NORD: {"source_ids": ["2.999.20.6"]}, SUD: {"source_ids": ["urn:oid:2.999.20.77", "2.999.20.78"]}}

    def provide(self, tenant, source_id):
        text = json.dumps(demo_bundle(b"letter")).replace("urn:oid:2.999.20.6\"", "urn:oid:%s\"" % source_id)
        return self.ask(tenant, "", self.token("doctor", tenant), "POST", text.encode(),
                        **{"Content-Type": "application/fhir+json"})

    def test_who_publishes_is_known_to_the_tenant(self):
        for tenant, source_id, status in ((NORD, "2.999.20.6", 200), (NORD, "2.999.20.77", 403),
                                          (SUD, "2.999.20.77", 200), (SUD, "2.999.20.78", 200),
                                          (SUD, "2.999.20.6", 403)):
            with self.subTest(tenant=tenant, source_id=source_id):
                answer = self.assertStatus(self.provide(tenant, source_id), status)
                if status == 403:
                    self.assertIn("ihe-sourceId", answer.body.decode())


class Quotas(TenantStand):
    """What one tenant's callers do costs only that tenant; a slow back-end stands for much work."""
    tenants = {NORD: {"limits": {"requests_per_minute": 5}}, SUD: {}}

    def test_requests_per_minute_are_each_callers_own(self):
        wait_until(lambda: time.time() % 60 < 40, "a minute with enough left of it", 60)
        one, other = self.token("doctor", NORD, user="one"), self.token("doctor", NORD, user="other")
        sud = self.token("doctor", SUD, user="one")
        path = "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT)
        statuses = [self.ask(NORD, path, one).status for _ in range(8)]
        self.assertEqual(statuses, [200] * 5 + [429] * 3)
        refused = self.assertStatus(self.ask(NORD, path, one), 429)
        self.assertIn("ERR_THROTTLED", refused.body.decode())
        self.assertTrue(1 <= int(refused.header("Retry-After")) <= 60, refused)
        self.assertStatus(self.ask(NORD, "/metadata", one), 200)
        self.assertStatus(self.ask(NORD, path, other), 200)
        self.assertEqual([self.ask(SUD, path, sud).status for _ in range(8)], [200] * 8)


class Bodies(TenantStand):
    """A hospital whose uploads never end leaves the other its half."""
    overrides = {"limits": {"spool_bytes": "8MiB", "body_rate": 0}}

    def test_unfinished_bodies_of_one_tenant_cost_the_other_nothing(self):
        token, half = self.token("doctor", NORD), b"x" * (1 << 20)
        for _ in range(6):
            client = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=30)
            self.addCleanup(client.close)
            client.putrequest("POST", "/fhir/" + NORD)
            for name, value in dict(bearer(token), **{"Content-Type": "application/fhir+json",
                                                      "Content-Length": str(4 * len(half))}).items():
                client.putheader(name, value)
            client.endheaders()
            try:
                client.send(half)
            except OSError:  # it is refused already
                pass
        bundle = json.dumps(demo_bundle(b"letter")).encode()
        json_type = {"Content-Type": "application/fhir+json"}
        wait_until(lambda: self.ask(NORD, "", token, "POST", bundle + b" " * len(half), **json_type).status == 503,
                   "hopital-nord to have its half")
        self.assertStatus(self.ask(SUD, "", self.token("doctor", SUD), "POST", bundle + b" " * len(half), **json_type), 200)


class Bulkheads(TenantStand):
    overrides = {"limits": {"workers": 16}}

    @classmethod
    def setUpClass(cls):
        cls.slow = Silent()
        cls.addClassCleanup(cls.slow.close)
        url = "http://127.0.0.1:%d/" % cls.slow.port
        cls.tenants = {NORD: {"limits": {"requests_at_once": 3},
                              "back_ends": [{"name": "slow", "registry_url": url, "provide_url": url, "timeout_ms": 30000,
                                             "repositories": [{"unique_id": REPOSITORY, "url": url}]}]}, SUD: {}}
        super().setUpClass()

    def test_requests_at_once_are_each_tenants_own(self):
        path = "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT)
        nord, sud = self.token("doctor", NORD), self.token("doctor", SUD)
        waiting = [threading.Thread(target=self.ask, args=(NORD, path, nord)) for _ in range(3)]
        for thread in waiting:
            thread.start()
        wait_until(lambda: self.slow.count() == 3, "three requests to wait for the back-end")
        refused = self.assertStatus(self.ask(NORD, path, nord), 503)
        self.assertIn("ERR_BUSY", refused.body.decode())
        self.assertTrue(refused.header("Retry-After"), refused)
        self.assertStatus(self.ask(SUD, path, sud), 200)
        self.slow.close()
        for thread in waiting:
            thread.join()
        self.assertNotEqual(self.ask(NORD, "/metadata", None).status, 503)


class Silent:
    """Takes connections and never answers, until it is closed."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.taken = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            while True:
                self.taken.append(self.listener.accept()[0])
        except OSError:
            pass

    def count(self):
        return len(self.taken)

    def close(self):
        close_listener(self.listener)
        for connection in self.taken:
            connection.close()


class Reload(TenantStand):
    def setUp(self):
        with open(self.gateway.configuration_path, encoding="utf-8") as file:
            self.main = json.load(file)
        self.addCleanup(self.reload)
        self.addCleanup(write_configuration, self.gateway.configuration_path, copy.deepcopy(self.main))
        for name in (NORD, SUD):
            self.addCleanup(self.write_tenant, name, {})

    def lines(self):
        return [json.loads(line) for line in self.gateway.log().split("\n") if '"config.reload"' in line]

    def reload(self):
        """SIGHUP, and the lines that the gateway writes about it."""
        before = len(self.lines())
        self.gateway.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(self.lines()) > before, "the reload to be told of")
        return self.lines()[before:]

    def write_main(self, **changes):
        write_configuration(self.gateway.configuration_path, dict(copy.deepcopy(self.main), **changes))

    def test_tenants_are_added_changed_and_removed(self):
        token = self.token("doctor", SUD)
        bundle = self.publish(SUD, token)
        names = [NORD, SUD, "hopital-est"]
        self.write_tenant("hopital-est", {})
        self.write_tenant(SUD, {"search": {"results_max": 77}})
        self.write_main(tenants=[{"name": name, "file": name + ".yaml"} for name in names])
        line, = self.reload()
        self.assertEqual((line["added"], line["changed"], line["removed"], line["unchanged"]),
                         ("hopital-est", SUD + " (search.results_max)", "", 1))
        self.assertEqual(len(self.find(SUD, token, document_oid(bundle))), 1)
        est = self.token("doctor", "hopital-est")
        self.assertEqual(len(self.find("hopital-est", est, document_oid(bundle))), 1)
        self.write_main(tenants=[{"name": name, "file": name + ".yaml"} for name in (NORD, "hopital-est")])
        line, = self.reload()
        self.assertEqual((line["added"], line["changed"], line["removed"], line["unchanged"]), ("", "", SUD, 2))
        self.assertStatus(self.ask(SUD, "/metadata", None), 404)
        self.assertStatus(self.ask("hopital-est", "/metadata", None), 200)
        self.write_main()
        line, = self.reload()
        self.assertEqual((line["added"], line["removed"], line["unchanged"]), (SUD, "hopital-est", 1))
        # It has come back to what it kept, and its tokens are good as they were.
        self.assertEqual(len(self.find(SUD, token, document_oid(bundle))), 1)

    def test_audit_goes_on_over_a_change_of_settings(self):
        patient = self.token("patient", SUD, patient="urn:oid:%s|%s" % (AUTHORITY, PATIENT))
        self.publish(SUD, self.token("doctor", SUD))
        before = self.assertStatus(self.ask(SUD, "/AuditEvent?patient.identifier=urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT), patient), 200).json()
        self.assertGreater(before["total"], 0)
        self.write_tenant(SUD, {"search": {"results_max": 78}})
        self.reload()
        after = self.assertStatus(self.ask(SUD, "/AuditEvent?patient.identifier=urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT), patient), 200).json()
        self.assertGreater(after["total"], before["total"])
        self.assertNotIn('"storage.error"', self.gateway.log())

    def test_with_a_fault_everything_stays(self):
        self.write_tenant(SUD, {"search": {"results_max": 79}})
        self.write_tenant(NORD, {"search": {"resulst_max": 79}, "listen": {"port": 1}})
        self.write_main(tenants=self.main["tenants"] + [{"name": "metadata", "file": "none.yaml"}])
        lines = self.reload()
        wait_until(lambda: any("listen" in line.get("path", "") for line in self.lines()), "all faults to be told")
        told = " ".join(line["path"] + " " + line["text"] for line in self.lines() if "path" in line)
        for part in (NORD + ".yaml:3: search.resulst_max", NORD + ".yaml:6: listen.port", "gateway.yaml", "No such file"):
            self.assertIn(part, told)
        self.assertTrue(all(line["state"] == "the old configuration stays" for line in lines), lines)
        self.assertStatus(self.ask(NORD, "/metadata", None), 200)
        self.write_tenant(NORD, {})
        self.write_main(tenants=self.main["tenants"][:1] + [{"name": SUD, "file": SUD + ".yaml"}])
        self.write_tenant(SUD, {"demo": {"token_key": os.path.join(self.directory, "seal.key")}})
        line = self.reload()[0]
        self.assertEqual(line["state"], "the old configuration stays")
        self.assertRegex(line["path"], r"\Atenant %s: \S+/%s.yaml:\d+: demo.token_key\Z" % (SUD, SUD))
        self.assertStatus(self.ask(SUD, "/metadata", None), 200)

    def test_what_needs_a_restart_is_told_and_stays(self):
        self.write_main(limits={"workers": 7}, listen={"port": 1})
        lines = self.reload()
        wait_until(lambda: any("keys" in line for line in self.lines()), "what was kept to be told")
        kept = [line for line in self.lines() if "keys" in line][-1]
        self.assertEqual(sorted(kept["keys"].split(", ")), ["limits.workers", "listen.port"])
        self.assertEqual(lines[0]["unchanged"], 2)
        self.assertStatus(self.ask(NORD, "/metadata", None), 200)

    def test_one_hospital_becomes_two_and_one_again(self):
        directory = tempfile.mkdtemp(prefix="passerelle-")
        self.addCleanup(shutil.rmtree, directory, True)
        gateway = Gateway(directory, [self.domain.back_end()], access={"anonymous": False}, limits={"workers": 8})
        self.addCleanup(gateway.kill)
        with open(gateway.configuration_path, encoding="utf-8") as file:
            single = json.load(file)
        for name in (NORD, SUD):
            write_configuration(os.path.join(directory, name + ".yaml"), {})
        several = dict(single, default_tenant=NORD, tenants=[{"name": name, "file": name + ".yaml"} for name in (NORD, SUD)])
        before = gateway.token("doctor")
        query = "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT)
        self.assertStatus(request("GET", gateway.base + query, bearer(before)), 200)

        def reload(configuration, added):
            write_configuration(gateway.configuration_path, configuration)
            gateway.process.send_signal(signal.SIGHUP)
            wait_until(lambda: '"added":"%s"' % added in gateway.log(), "the reload")

        reload(several, NORD + ", " + SUD)
        for tenant in (NORD, SUD):
            token = gateway.token("doctor", tenant=tenant)
            self.assertStatus(request("GET", gateway.base + "/" + tenant + query, bearer(token)), 200)
        self.assertStatus(request("GET", gateway.base + query, bearer(gateway.token("doctor"))), 200)
        reload(single, "default")
        self.assertStatus(request("GET", gateway.base + query, bearer(before)), 200)
        self.assertStatus(request("GET", gateway.base + "/" + SUD + "/metadata"), 404)
        gateway.stop()

    def test_no_request_is_dropped_while_tenants_come_and_go(self):
        """A stream of requests to two tenants over connections that are kept, while one of them changes all the time
        and a third comes and goes."""
        patient = "urn:oid:%s%%7C%s" % (AUTHORITY, PATIENT)
        stop = threading.Event()
        wrong, counts = [], []
        tokens = {tenant: self.token("doctor", tenant) for tenant in (NORD, SUD)}

        def stream(tenant, token, paths):
            count = 0
            connection = http.client.HTTPConnection("127.0.0.1", self.gateway.port, timeout=60)
            while not stop.is_set():
                path = paths[count % len(paths)]
                connection.request("GET", "/fhir/" + tenant + path, headers=bearer(token))
                answer = connection.getresponse()
                body = answer.read()
                count += 1
                if answer.status != 200:
                    wrong.append((tenant, path, answer.status, body[:500]))
            counts.append(count)
            connection.close()

        paths = ("/DocumentReference?status=current&_count=2&patient.identifier=" + patient, "/metadata")
        threads = [threading.Thread(target=stream, args=(tenant, tokens[tenant], paths)) for tenant in (NORD, SUD) for _ in range(3)]
        for thread in threads:
            thread.start()
        self.addCleanup(stop.set)
        self.write_tenant("hopital-est", {})
        third = [{"name": "hopital-est", "file": "hopital-est.yaml"}]
        for turn in range(30):
            self.write_tenant(SUD, {"search": {"results_max": 100 + turn}})
            self.write_main(tenants=self.main["tenants"] + (third if turn % 2 else []))
            self.assertEqual(self.reload()[0]["state"], "the new configuration holds")
        stop.set()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertGreater(min(counts), 30)


if __name__ == "__main__":
    unittest.main()
