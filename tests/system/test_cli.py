"""The program on the command line: help, errors that say what to do, the mapping offline, stopping gracefully."""
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import unittest

import certificates
import proxy
import support


def run(*arguments, text=None):
    return subprocess.run([support.BINARY, *arguments], input=text, capture_output=True, text=True, timeout=60,
                          check=False)


class Help(unittest.TestCase):
    def test_help_everywhere(self):
        self.assertEqual(run("--help").returncode, 0)
        for command in ("serve", "domain", "map", "check", "token", "version"):
            self.assertIn(command, run("--help").stdout)
            done = run(command, "--help")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("Usage: passerelle " + command, done.stdout)

    def test_wrong_usage(self):
        for arguments in ((), ("nonsense",), ("serve",), ("serve", "--nonsense"), ("serve", "--config"),
                          ("serve", "--config", "x", "y"), ("domain",), ("map",), ("map", "a", "b"), ("check",)):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("--help", done.stderr)

    def test_version(self):
        self.assertRegex(run("version").stdout, r"^passerelle \d+\.\d+\.\d+\n$")


class Map(unittest.TestCase):
    def test_bundle_to_soap_and_back(self):
        bundle = json.dumps(support.demo_bundle(support.demo_letter()))
        soap = run("map", "-", text=bundle)
        self.assertEqual(soap.returncode, 0, soap.stderr)
        self.assertIn("ProvideAndRegisterDocumentSetRequest", soap.stdout)
        back = run("map", "-", text=soap.stdout)
        self.assertEqual(back.returncode, 0, back.stderr)
        resources = [entry["resource"] for entry in json.loads(back.stdout)["entry"]]
        self.assertEqual([each["resourceType"] for each in resources], ["List", "DocumentReference"])
        wanted = json.loads(bundle)["entry"][1]["resource"]
        self.assertEqual(resources[1]["masterIdentifier"]["value"], wanted["masterIdentifier"]["value"])
        self.assertEqual(resources[1]["content"][0]["attachment"]["hash"],
                         wanted["content"][0]["attachment"]["hash"])

    def test_same_in_same_out(self):
        bundle = json.dumps(support.demo_bundle(support.demo_letter()))
        self.assertEqual(run("map", "-", text=bundle).stdout, run("map", "-", text=bundle).stdout)

    def test_reference_alone(self):
        reference = json.dumps(support.demo_bundle(support.demo_letter())["entry"][1]["resource"])
        done = run("map", "-", text=reference)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("ExtrinsicObject", done.stdout)

    def test_explain(self):
        done = run("map", "--explain", "-", text=json.dumps(support.demo_bundle(support.demo_letter())))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"XDSDocumentEntry\.classCode +<- DocumentReference\.category")
        for line in done.stdout.splitlines():
            # Objects are set apart by an empty line; an attribute that FHIR has no place for says so.
            self.assertRegex(line, r"^(XDS\w+\.\S+ +(<- |-- \(no place in FHIR\))|Association |$)")

    def test_explain_tells_what_was_filled_in(self):
        """What no client said is not told as if it came from FHIR."""
        done = run("map", "--explain", os.path.join(support.ROOT, "conf/demo/hello.json"))
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("classCode", "entryUUID", "hash", "size", "creationTime"):
            self.assertRegex(done.stdout, r"XDSDocumentEntry\.%s +<- \(filled in by the gateway\)" % name)
        for name, path in (("uniqueId", "masterIdentifier"), ("mimeType", "content"), ("patientId", "subject")):
            self.assertRegex(done.stdout, r"XDSDocumentEntry\.%s +<- DocumentReference\.%s" % (name, path))

    def test_xml(self):
        soap = run("map", "-", text=json.dumps(support.demo_bundle(support.demo_letter()))).stdout
        fhir = run("map", "--xml", "-", text=soap)
        self.assertIn('<Bundle xmlns="http://hl7.org/fhir"', fhir.stdout)
        self.assertEqual(run("map", "-", text=fhir.stdout).returncode, 1, "a collection is no Provide Bundle")

    def test_refused(self):
        for text in ("", "x", "{", "<", "<a/>", "{}", '{"resourceType":"Observation"}', "<!DOCTYPE a><a/>"):
            done = run("map", "-", text=text)
            self.assertEqual((done.returncode, done.stdout), (1, ""), text)
            self.assertIn("error", done.stderr)
        self.assertEqual(run("map", "/no/such/file").returncode, 1)


class Servers(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-cli-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def configuration(self, **overrides):
        key = os.path.join(self.directory, "key")
        with open(key, "wb") as file:
            file.write(b"k" * 32)
        os.chmod(key, 0o600)
        text = {"listen": {"port": support.free_port()}, "keys": [{"id": 1, "file": key}],
                "back_ends": [{"name": "hcm", "registry_url": "http://127.0.0.1:1/registry",
                               "provide_url": "http://127.0.0.1:1/repository",
                               "repositories": [{"unique_id": "2.999.1", "url": "http://127.0.0.1:1/repository"}]}],
                "patient": {"assigning_authority": support.AUTHORITY}, "access": {"anonymous": True}}
        text.update(overrides)
        path = os.path.join(self.directory, "gateway.yaml")
        support.write_configuration(path, text)
        return path, text

    def test_taken_port(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            path, _ = self.configuration(listen={"port": port})
            done = run("serve", "--config", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(str(port), done.stderr)

    def test_configuration_errors_name_file_line_and_key(self):
        path = os.path.join(self.directory, "wrong.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("listen:\n  port: many\n")
        for command in ("serve", "check"):
            done = run(command, "--config", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn("wrong.yaml:2: listen.port", done.stderr)

    def test_check(self):
        path, _ = self.configuration()
        self.assertEqual(run("check", "--config", path, "--offline").returncode, 0)
        done = run("check", "--config", path)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout.count("FAIL"), 3, done.stdout)
        self.assertEqual(done.stdout.count("Nothing answers at this address: Couldn't connect to server."), 3, done.stdout)
        domain = support.Domain(self.directory)
        self.addCleanup(domain.kill)
        path, _ = self.configuration(back_ends=[domain.back_end()])
        done = run("check", "--config", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"ok   hcm: publications at \S+: answers \(not tried\)\n")
        nowhere = "http://127.0.0.1:%d/regstry" % domain.port
        secure = domain.registry_url.replace("http:", "https:")
        path, _ = self.configuration(back_ends=[domain.back_end(registry_url=secure, delete_url=nowhere, provide_url=secure)])
        done = run("check", "--config", path)
        self.assertIn("FAIL hcm: removals at %s: Nothing is served at this path (HTTP 404).\n" % nowhere, done.stdout)
        self.assertEqual(done.stdout.count("TLS could not be agreed on: is this the port for https"), 2, done.stdout)
        path, _ = self.configuration(back_ends=[domain.back_end(
            repositories=[{"unique_id": "2.999.9", "url": domain.repository_url}])])
        self.assertEqual(run("check", "--config", path).returncode, 1)
        sources = {name + "_url": "http://127.0.0.1:%d/%s" % (domain.port, name) for name in ("pix", "pdq")}
        path, _ = self.configuration(back_ends=[domain.back_end()], identity=sources)
        done = run("check", "--config", path)
        self.assertEqual((done.returncode, done.stdout.count("ok   identity")), (0, 2), done.stdout)
        path, _ = self.configuration(back_ends=[domain.back_end()], identity=dict(
            sources, pix_url="http://127.0.0.1:%d/pix" % support.free_port()))
        done = run("check", "--config", path)
        self.assertEqual((done.returncode, done.stdout.count("FAIL identity")), (1, 1), done.stdout)
        domain.stop()

    def test_check_asks_other_communities(self):
        own = support.Domain(self.directory)
        self.addCleanup(own.kill)
        other = support.Domain(self.directory, name="dsp", home_community_id="2.999.20.70")
        self.addCleanup(other.kill)
        path, _ = self.configuration(back_ends=[own.back_end(), other.community("2.999.20.70")])
        done = run("check", "--config", path)
        self.assertEqual((done.returncode, done.stdout.count("ok   dsp: community")), (0, 3), done.stdout)
        path, _ = self.configuration(back_ends=[own.back_end(), other.community("2.999.20.71")])
        done = run("check", "--config", path)
        self.assertEqual((done.returncode, done.stdout.count("FAIL dsp: community")), (1, 3), done.stdout)
        self.assertIn("XDSUnknownCommunity", done.stdout)
        self.assertEqual(done.stdout.count("FAIL"), 3, done.stdout)
        own.stop()
        other.stop()

    def test_check_finds_what_serve_would_refuse(self):
        """Without access.anonymous there is consent and audit, and both need something."""
        path, _ = self.configuration(access={"anonymous": False})
        for command in (("serve",), ("check", "--offline")):
            done = run(*command, "--config", path)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("consent.directory_url", done.stderr)
        path, _ = self.configuration(access={"anonymous": False}, consent={"source": "none"})
        for command in (("serve",), ("check", "--offline")):
            done = run(*command, "--config", path)
            self.assertEqual(done.returncode, 1, done.stdout)
            self.assertIn("state_directory", done.stderr)

    def test_check_of_whom_is_believed(self):
        """Each mistake is named with file, line and key."""
        self.configuration()
        for text, line, key, words in (
                ("issuers:\n  - issuer: https://a.example\n", 2, "issuers[0]", "jwks_file, jwks_url or introspection_url"),
                ("issuers:\n  - issuer: https://a.example\n    jwks_url: http://a.example/keys\n", 2, "issuers[0]", "https"),
                ("issuers:\n  - issuer: https://a.example\n    jwks_url: https://a.example/k\n    jwks_file: k\n", 2,
                 "issuers[0]", "not both"),
                ("issuers:\n  - issuer: https://a.example\n    jwks_file: none.json\n", 2, "issuers[0].jwks_file",
                 "Cannot open"),
                ("issuers:\n  - issuer: https://a.example\n    jwks_file: key\n", 2, "issuers[0].jwks_file", "JWK Set"),
                ("issuers:\n  - issuer: https://a.example\n    introspection_url: https://a.example/i\n", 2, "issuers[0]",
                 "introspection_authorization_file"),
                ("issuers:\n  - issuer: https://a.example\n    jwks_url: https://a.example/k\n"
                 "  - issuer: https://a.example\n    jwks_url: https://a.example/k\n", 4, "issuers[1]", "only once"),
                ("issuers:\n  - issuer: https://a.example\n    algorithms: [HS256]\n", 3, "issuers[0].algorithms", "RS256"),
                ("clients:\n  - id: a\n    organization_id: 1.2\n    scopes: system/*.rs\n", 2, "clients[0]",
                 "certificate_sha256, jwks_file or jwks_url"),
                ("clients:\n  - id: a\n    organization_id: 1.2\n    scopes: user/*.rs\n    certificate_sha256: 'ab'\n", 2,
                 "clients[0].scopes", "scopes of systems"),
                ("clients:\n  - id: a\n    organization_id: 1.2\n    scopes: ITI-67\n    certificate_sha256: 'ab'\n", 2,
                 "clients[0].certificate_sha256", "64 hexadecimal digits"),
                ("clients:\n  - id: a\n    organization_id: 1.2\n    scopes: ITI-67\n    purpose: BTG\n    jwks_url: "
                 "https://a.example\n", 2, "clients[0]", "for people"),
                ("authorization_server:\n  key_file: key\n", 0, "authorization_server.key_file", "private key"),
                ("demo:\n  token_key: key\n", 0, "demo.token_key", "private key"),
                ("demo:\n  token_key: key\npublic_base: https://fhir.hospital.example/fhir\n", 2, "demo.token_key",
                 "loopback"),
                ("access:\n  anonymous: true\nlisten: {address: 0.0.0.0}\n", 2, "access.anonymous", "loopback")):
            with self.subTest(text=text):
                path, tree = self.configuration()
                tree = {name: value for name, value in tree.items() if name + ":" not in text}
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text + "".join("%s: %s\n" % (name, json.dumps(value)) for name, value in tree.items()))
                done = run("check", "--offline", "--config", path)
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(("%s:%d: %s" % (path, line, key)) if line else key, done.stderr)
                self.assertIn(words, done.stderr)

    def lines_write(self, name, text, **overrides):
        """A configuration file that begins with these lines."""
        path, tree = self.configuration(**overrides)
        target = os.path.join(self.directory, name)
        with open(target, "w", encoding="utf-8") as file:
            file.write(text + "".join("%s: %s\n" % (key, json.dumps(value)) for key, value in tree.items()
                                      if "\n%s:" % key not in "\n" + text))
        return target

    def test_what_only_its_use_tells_has_its_line_too(self):
        """Files that are named, and keys that go together with others: check, and serve as well."""
        state = "state_directory: state\nstate_keys: [{id: 1, file: key}]\n"
        xca = ("back_ends:\n- {name: hcm, registry_url: http://127.0.0.1:1/, provide_url: http://127.0.0.1:1/, repositories: "
               "[{unique_id: 2.999.1, url: http://127.0.0.1:1/}]}\n- name: dsp\n  kind: xca\n  source: 2\n"
               "  registry_url: http://127.0.0.1:1/\n  home_community_id: 2.999.2\n  client_certificate_file: nix.pem\n"
               "  client_key_file: nix.key\n")
        for text, line, key in (
                (state + "publication:\n  share:\n  - any = dsp provide\n", 4, "publication.share"),
                ("tls:\n  certificate_file: nix.pem\n  key_file: key\n", 2, "tls.certificate_file"),
                ("tls:\n  certificate_file: key\n  key_file: nix.key\n", 3, "tls.key_file"),
                ("tls:\n  certificate_file: key\n  key_file: key\n", 2, "tls"),
                ("code_sets_file: nix.xml\n", 1, "code_sets_file"),
                ("xua:\n  issuer: urn:a\n  key_file: nix.key\n  certificate_file: nix.pem\n", 3, "xua.key_file"),
                ("identity:\n  pix_url: http://127.0.0.1:1/\n  ca_file: nix.pem\n", 3, "identity"),
                ("audit:\n  repositories:\n  - {name: a, kind: syslog, address: 'h:1', ca_file: nix.pem}\n", 2,
                 "audit.repositories[0]"),
                (xca, 3, "back_ends[1]"),
                ("listen: {port: 0}\nspool_directory: nowhere\n", 2, "spool_directory"),
                ("listen: {port: 0}\n" + state.replace(": state\n", ": key/state\n"), 2, "state_directory"),
                ("access:\n  anonymous: false\n", 1, "issuers")):
            with self.subTest(key=key, line=line):
                path = self.lines_write("lines.yaml", text)
                for command in (("check", "--offline"), ("serve",)):
                    done = run(*command, "--config", path)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    self.assertIn("%s:%d: %s: error: " % (path, line, key), done.stderr)

    def test_what_may_not_be_meant_is_a_warning(self):
        """check says it and is content; serve writes it into its log."""
        key = os.path.join(self.directory, "key")
        text = ("listen:\n  address: 0.0.0.0\npublic_base: http://h.example/fhir\nconsent:\n  source: none\naccess:\n"
                "  anonymous: false\naudit:\n  enabled: off\norganizations:\n- urn:oid:2.999.1\nkeys:\n- id: 1\n  file: key\n"
                "issuers:\n- issuer: https://a.example\n  jwks_url: https://a.example/k\n")
        path = self.lines_write("warnings.yaml", text.replace("off", "'off'"))
        os.chmod(key, 0o644)
        done = run("check", "--offline", "--config", path)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [path + ":2: listen.address: warning: ", path + ":10: organizations: warning: ",
                 path + ":14: keys[0].file: warning: "]
        for line in lines:
            self.assertIn(line, done.stderr)
        self.assertEqual(done.stderr.count("warning:"), 3, done.stderr)
        os.chmod(key, 0o640)
        self.assertNotIn("keys[0]", run("check", "--offline", "--config", path).stderr)

    def test_what_stands_in_the_main_file_is_said_once(self):
        tenants = "tenants:\n- {name: nord, file: nord.yaml}\n- {name: sud, file: sud.yaml}\n"
        for name in ("nord", "sud"):
            with open(os.path.join(self.directory, name + ".yaml"), "w", encoding="utf-8") as file:
                file.write("demo: {organization: 2.999.%d}\n" % len(name))
        for text, line, key in (("code_sets_file: nix.xml\n", 1, "code_sets_file"), ("search:\n  count_default: 300\n", 2,
                                                                                     "search.count_default")):
            path = self.lines_write("main.yaml", text + tenants)
            done = run("check", "--offline", "--config", path)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(done.stderr.count(key), 1, done.stderr)
            self.assertTrue(done.stderr.startswith("%s:%d: %s: error: " % (path, line, key)), done.stderr)
            self.assertNotIn("nord", done.stderr)

    def test_check_says_at_once_all_that_would_stop_the_start(self):
        """What check finds right can be started: each fault is said by both, with its key, and none is left for later."""
        other = support.signing_key(os.path.join(self.directory, "other.pem"))
        certificate = certificates.Authority(self.directory).issue("gateway")
        state = {"state_directory": "state", "state_keys": [{"id": 1, "file": os.path.join(self.directory, "key")}]}
        demo = {"token_key": other}
        path, _ = self.configuration(access={"anonymous": False})
        bare = ("issuers: error: Say whose tokens", "consent.source: error: Set consent.directory_url",
                "state_directory: error: Name a directory", "state_keys: error: Give a key")
        for overrides, faults in (
                ({}, bare),
                (dict(state, demo=demo, consent={"source": "directory", "directory_url": "http://127.0.0.1:1/consent"}),
                 bare[1:2]),
                (dict(demo=demo, consent={"source": "none"}, audit={"enabled": "off"}, state_directory="state"),
                 ("state_keys: error: Add this key",)),
                (dict(state, demo=demo, consent={"source": "none", "care_relationships": ["x"]}),
                 ("consent.care_relationships: error: Write item 1",)),
                (dict(state, demo=demo, consent={"source": "none"},
                      tls={"certificate_file": certificate.certificate, "key_file": other}),
                 ("tls: error: %s and %s cannot be used" % (certificate.certificate, other),)),
                (dict(state, demo=demo, consent={"source": "none"}, audit={"repositories": [
                    {"name": "arr", "kind": "syslog", "address": "h:1", "ca_file": "nowhere.pem"}]}),
                 ("audit.repositories[0]: error: Name a PEM file",)),
                (dict(state, consent={"source": "none"}, clients=[
                    {"id": "a", "organization_id": "1.2", "scopes": "ITI-67", "jwks_url": "https://a.example/k"},
                    {"id": "b", "organization_id": "1.2", "scopes": "ITI-67", "certificate_sha256": "ab" * 32}]),
                 ("authorization_server.key_file: error: Give it", "tls.client_certificate: error: Set it"))):
            with self.subTest(faults=faults):
                path, _ = self.configuration(access={"anonymous": False}, **overrides)
                for command in (("check", "--offline"), ("serve",)):
                    done = run(*command, "--config", path)
                    self.assertEqual((done.returncode, done.stdout), (1, ""))
                    for fault in faults:
                        self.assertIn(fault, done.stderr)
                    self.assertEqual(done.stderr.count("error:"), len(faults), done.stderr)
                self.assertFalse(os.path.exists(os.path.join(self.directory, "state")))

    def test_check_asks_all_that_is_asked_later(self):
        """Identity sources, the keys of issuers and audit repositories: an address that nobody serves is no surprise."""
        key = os.path.join(self.directory, "key")
        dead = "http://127.0.0.1:1/"
        self.configuration()
        path, _ = self.configuration(
            access={"anonymous": False}, consent={"source": "none"}, identity={"pix_url": dead + "pix", "pdq_url": dead + "pdq"},
            issuers=[{"issuer": "https://a.example", "jwks_url": dead + "keys"}], state_directory="state",
            state_keys=[{"id": 1, "file": key}], audit={"repositories": [
                {"name": "a", "kind": "fhir", "url": dead + "arr"}, {"name": "b", "kind": "syslog", "address": "127.0.0.1:1"},
                {"name": "c", "kind": "file", "path": "audit.ndjson"}]})
        self.assertEqual(run("check", "--offline", "--config", path).returncode, 0)
        done = run("check", "--config", path)
        self.assertEqual(done.returncode, 1)
        for what in ("identity", "issuer: keys at " + dead, "audit: repository at " + dead, "audit: repository at 127.0.0.1:1"):
            self.assertIn("FAIL " + what, done.stdout)
        self.assertEqual(done.stdout.count("FAIL"), 8, done.stdout)

    def test_check_tells_what_a_fault_says(self):
        class Fault(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                body = (b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body><s:Fault><s:Code><s:Value>s:Sender'
                        b'</s:Value></s:Code><s:Reason><s:Text xml:lang="en">Who are you?</s:Text></s:Reason></s:Fault></s:Body>'
                        b'</s:Envelope>')
                self.send_response(500)
                self.send_header("Content-Type", "application/soap+xml; charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fault) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = "http://127.0.0.1:%d/" % server.server_port
            path, _ = self.configuration(back_ends=[{"name": "hcm", "registry_url": url, "provide_url": url,
                                                     "repositories": [{"unique_id": "2.999.1", "url": url}]}])
            done = run("check", "--config", path)
            server.shutdown()
        self.assertEqual(done.returncode, 1)
        self.assertIn("SOAP fault: Sender, Who are you?\n", done.stdout)

    def test_what_the_readme_says_a_gateway_in_earnest_needs(self):
        with open(os.path.join(support.ROOT, "README.md"), encoding="utf-8") as file:
            block = file.read().split("```yaml\n")[1].split("```")[0]
        certificates.self_signed(self.directory, "gateway")
        for name, content in (("state.key", "k" * 32), ("consent.secret", "5" * 64)):
            with open(os.path.join(self.directory, name), "w", encoding="ascii") as file:
                file.write(content)
            os.chmod(file.name, 0o600)
        path, tree = self.configuration()
        for name in ("key", "gateway.key"):
            os.chmod(os.path.join(self.directory, name), 0o600)
        with open(path, "w", encoding="utf-8") as file:
            file.write(block + "".join("%s: %s\n" % (name, json.dumps(value)) for name, value in tree.items()
                                       if name not in ("listen", "access")))
        done = run("check", "--offline", "--config", path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_tokens_only_for_demonstrations(self):
        path, _ = self.configuration()
        done = run("token", "--config", path, "--role", "doctor")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("no configuration of a demonstration", done.stderr)
        key = support.signing_key(os.path.join(self.directory, "demo.pem"))
        for listen, base in (({"address": "0.0.0.0", "port": 8080}, None), ({"port": 8080}, "https://h.example/fhir")):
            path, _ = self.configuration(demo={"token_key": key}, listen=listen, **({"public_base": base} if base else {}))
            done = run("token", "--config", path, "--role", "doctor")
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn("demo.token_key", done.stderr)
        path, _ = self.configuration(demo={"token_key": key})
        done = run("token", "--config", path, "--role", "doctor", "--purpose", "BTG", "--reason", "he bleeds")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\A[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\n\Z")
        for wrong in ([], ["--role", "cook"], ["--role", "doctor", "--minutes", "0"], ["--role", "doctor", "x"]):
            self.assertEqual(run("token", "--config", path, *wrong).returncode, 2)
        done = run("token", "--config", path, "--role", "patient")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("SYSTEM|VALUE", done.stderr)

    def test_generated_documents(self):
        self.assertIn("| `listen.port` |", run("check", "--reference").stdout)
        self.assertIn("listen:", run("check", "--sample").stdout)

    def test_pid_file(self):
        path, configuration = self.configuration()
        pid_file = os.path.join(self.directory, "gateway.pid")
        port = configuration["listen"]["port"]
        process = support.Process("gateway", [support.BINARY, "serve", "--config", path, "--pid-file", pid_file],
                                  self.directory, port)
        self.addCleanup(process.kill)
        support.wait_until(lambda: os.path.exists(pid_file), "the pid file")
        with open(pid_file, encoding="utf-8") as file:
            self.assertEqual(int(file.read()), process.process.pid)
        process.stop()
        self.assertFalse(os.path.exists(pid_file))

    def test_what_is_kept_is_for_its_user_alone(self):
        """Also where the directory was there before, and lets everybody in."""
        data = os.path.join(self.directory, "kept")
        os.mkdir(data)
        os.chmod(data, 0o755)
        domain = support.Domain(self.directory, name="kept")
        self.addCleanup(domain.kill)
        files = [os.path.join(folder, name) for folder, _, names in os.walk(self.directory) for name in names
                 if ".db" in name]
        self.assertTrue(files)
        for path in files:
            self.assertEqual(os.stat(path).st_mode & 0o077, 0, path)
        domain.stop()

    def test_start_says_what_is_served(self):
        path, configuration = self.configuration()
        process = support.Process("gateway", [support.BINARY, "serve", "--config", path], self.directory,
                                  configuration["listen"]["port"])
        process.stop()
        for expected in ("http://127.0.0.1:%d/fhir" % configuration["listen"]["port"], "hcm",
                         "http://127.0.0.1:1/registry"):
            self.assertIn(expected, process.log())


class Samples(unittest.TestCase):
    def test_two_hospitals(self):
        """conf/hospitals lacks nothing but the files that nobody else can make."""
        with tempfile.TemporaryDirectory(prefix="passerelle-cli-") as directory:
            copy = os.path.join(directory, "hospitals")
            shutil.copytree(os.path.join(support.ROOT, "conf/hospitals"), copy)
            configuration = os.path.join(copy, "gateway.yaml")
            done = run("check", "--offline", "--config", configuration)
            self.assertNotEqual(done.returncode, 0)
            for line in done.stderr.splitlines():
                self.assertRegex(line, r"gateway.yaml:\d+: .*: error: Cannot open \S+: No such file or directory")
            for name in ("seal.key", "state.key", "consent.secret"):
                self.assertIn(name, done.stderr)
                with open(os.path.join(copy, name), "wb") as file:
                    file.write(os.urandom(16).hex().encode())
                os.chmod(file.name, 0o600)
            certificates.self_signed(copy, "xua")
            done = run("check", "--offline", "--config", configuration)
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_two_hospitals_fill_in_what_the_readmes_publication_leaves_out(self):
        with open(os.path.join(support.ROOT, "conf/hospitals/gateway.yaml"), encoding="utf-8") as file:
            lines = file.read().split("\ndefaults:")[1].split("\n\n")[0].splitlines()[1:]
        with open(os.path.join(support.ROOT, "conf/demo/hello.json"), encoding="utf-8") as file:
            bundle = json.load(file)
        with tempfile.TemporaryDirectory(prefix="passerelle-cli-") as directory:
            domain = support.Domain(directory)
            self.addCleanup(domain.kill)
            gateway = support.Gateway(directory, [domain.back_end()],
                                      defaults=dict(line.strip().split(": ", 1) for line in lines))
            self.addCleanup(gateway.kill)
            answer = gateway.publish(bundle)
            self.assertEqual(answer.status, 200, answer)
            gateway.stop()
            domain.stop()


class Stopping(support.Stand):
    gateway_overrides = {"limits": {"stop_seconds": 30}}

    def setUp(self):
        self.proxy = proxy.Proxy("http://127.0.0.1:%d" % self.domain.port)
        self.addCleanup(self.proxy.close)
        self.behind = support.Gateway(self.directory, [self.domain.back_end(
            registry_url=self.proxy.url("/registry"), connections_max=2)], name="behind-" + self._testMethodName)
        self.addCleanup(self.behind.kill)

    def in_flight(self, count):
        """Searches that wait for the registry until the event is set; their responses end in the list."""
        go = threading.Event()
        self.addCleanup(go.set)
        responses = []
        self.proxy.script("RegistryStoredQuery", *[proxy.held(go)] * count)
        threads = [threading.Thread(target=lambda: responses.append(self.behind.find())) for _ in range(count)]
        for thread in threads:
            thread.start()
        support.wait_until(lambda: self.proxy.count("RegistryStoredQuery") == count, "the requests to be in flight")
        return go, threads, responses

    def test_requests_in_flight_finish(self):
        go, threads, responses = self.in_flight(2)
        self.behind.process.send_signal(signal.SIGTERM)
        support.wait_until(lambda: not support.accepts(self.behind.port), "the port to be closed")
        go.set()
        for thread in threads:
            thread.join(30)
        self.assertEqual([each.status for each in responses], [200, 200])
        self.behind.process.wait(40)  # a second SIGTERM would end it at once
        self.behind.stop()

    def test_a_full_back_end_refuses_at_once(self):
        go, threads, responses = self.in_flight(2)
        refused = self.behind.find()
        self.assertEqual(refused.status, 503, refused)
        self.assertIsNotNone(refused.header("Retry-After"))
        self.assertEqual(support.request("GET", self.behind.base + "/metadata").status, 200)
        go.set()
        for thread in threads:
            thread.join(30)
        self.assertEqual([each.status for each in responses], [200, 200])
        self.assertEqual(self.behind.find().status, 200, "those places are free again")
        self.behind.stop()

    def test_traces_go_through_and_logs_hold_no_patient(self):
        trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        address = self.behind.base + "/DocumentReference?status=current&patient.identifier=urn:oid:%s%%7C%s" % (
            support.AUTHORITY, support.PATIENT)
        response = support.request("GET", address, {"traceparent": trace})
        self.assertEqual(response.status, 200)
        sent = self.proxy.seen[-1].headers["traceparent"]
        self.assertRegex(sent, r"^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$")
        identifier = response.header("X-Request-Id")
        self.assertIn(identifier, sent)
        self.behind.stop()
        log = self.behind.log()
        lines = [line for line in log.splitlines() if identifier in line and "http.request" in line]
        self.assertEqual(len(lines), 1, log)
        self.assertNotIn(support.PATIENT, log)


if __name__ == "__main__":
    unittest.main()
