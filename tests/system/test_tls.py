"""TLS of the listeners: versions, suites, client certificates, and that all that HTTP promises holds under it."""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import unittest

import certificates
import inward
import saml
import support


def context_for(ca, client=None, **more):
    """Python's defaults, but that a certificate of ours may be as bad as the test wants it."""
    context = ssl.create_default_context(cafile=ca)
    if client:
        context.set_ciphers("DEFAULT@SECLEVEL=0")
        context.load_cert_chain(client.certificate, client.key)
    for name, value in more.items():
        setattr(context, name, value)
    return context


def connect(port, context, seconds=20):
    """The handshake is over when it returns (TLS 1.3: the server's part of it)."""
    plain = socket.create_connection(("127.0.0.1", port), seconds)
    try:
        return context.wrap_socket(plain, server_hostname="localhost")
    except Exception:
        plain.close()
        raise


def read_all(connection):
    data = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return data
            data += piece
    except (ssl.SSLError, ConnectionError) as error:
        return data + b"<" + type(error).__name__.encode() + b" " + str(error).encode() + b">"


def exchange(connection, text):
    with connection:
        try:
            connection.sendall(text)
        except (ssl.SSLError, ConnectionError) as error:
            return ("<%s %s>" % (type(error).__name__, error)).encode()
        return read_all(connection)


METADATA = b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Tls(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="passerelle-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.directory, True)
        cls.authority = certificates.Authority(cls.directory)
        cls.server = cls.authority.issue("server")
        cls.client = cls.authority.client("client", subject="/C=LU/O=Clinic/CN=adt, east")
        cls.domain = support.Domain(cls.directory)
        cls.addClassCleanup(cls.domain.kill)
        cls.open = cls.gateway("open")
        cls.strict = cls.gateway("strict", client_ca_file=cls.authority.certificate, client_certificate="required")
        cls.audited = os.path.join(cls.directory, "audit.ndjson")
        cls.lenient = cls.gateway("lenient", client_ca_file=cls.authority.certificate, client_certificate="optional",
                                  audit={"repositories": [{"name": "arr", "kind": "file", "path": cls.audited}]})

    @classmethod
    def gateway(cls, name, audit=None, **tls):
        more = {"audit": audit} if audit else {}
        tls = dict({"certificate_file": cls.server.certificate, "key_file": cls.server.key}, **tls)
        made = support.Gateway(cls.directory, [cls.domain.back_end()], name=name, tls=tls,
                               limits={"header_seconds": 3, "body_bytes": "64KiB"}, **more)
        cls.addClassCleanup(made.kill)
        return made

    @classmethod
    def tearDownClass(cls):
        for process in (cls.open, cls.strict, cls.lenient, cls.domain):
            process.stop()

    def ask(self, gateway, client=None, text=METADATA, **more):
        return exchange(connect(gateway.port, context_for(self.authority.certificate, client, **more)), text)

    def assertServes(self, gateway, client=None, **more):
        self.assertEqual(self.ask(gateway, client, **more)[:15], b"HTTP/1.1 200 OK")

    def assertRefuses(self, gateway, client=None):
        """The handshake fails, or (TLS 1.3, where the client is done first) what follows it."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = context_for(self.authority.certificate, client, minimum_version=version, maximum_version=version)
            try:
                answer = exchange(connect(gateway.port, context), METADATA)
            except (ssl.SSLError, ConnectionError) as error:
                answer = str(error).encode()
            self.assertNotIn(b"HTTP/", answer)

    def s_client(self, gateway, *arguments, typed=b""):
        return subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % gateway.port, "-CAfile",
                               self.authority.certificate, *arguments], input=typed, capture_output=True, timeout=60,
                              check=False)

    def test_serves_both_versions(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertServes(self.open, minimum_version=version, maximum_version=version)

    def test_public_base_is_https(self):
        text = self.ask(self.open)
        self.assertIn(b'"https://127.0.0.1:%d/fhir"' % self.open.port, text)

    def test_019_old_versions_and_weak_suites_end_the_handshake(self):
        for arguments in (("-tls1_1", "-cipher", "ALL@SECLEVEL=0"), ("-tls1", "-cipher", "ALL@SECLEVEL=0"),
                          ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"), ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-CCM"),
                          ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"), ("-groups", "P-521"),
                          ("-tls1_2", "-sigalgs", "ECDSA+SHA1")):
            done = self.s_client(self.open, *arguments)
            self.assertIn(b"Cipher is (NONE)", done.stdout, arguments)
        done = self.s_client(self.open, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
        self.assertIn(b"Cipher is ECDHE-ECDSA-AES128-GCM-SHA256", done.stdout)

    def test_019_nothing_is_renegotiated_resumed_or_compressed(self):
        done = self.s_client(self.open, "-tls1_2", typed=b"R\n" + METADATA)
        self.assertIn(b"RENEGOTIATING", done.stderr + done.stdout)
        self.assertNotIn(b"HTTP/1.1 200", done.stdout)
        for version in ("-tls1_2", "-tls1_3"):
            done = self.s_client(self.open, version, typed=METADATA)
            self.assertIn(b"Compression: NONE", done.stdout)
            self.assertNotIn(b"session ticket:", done.stdout.lower().replace(b"hint", b""))
            self.assertNotIn(b"Max Early Data: 1", done.stdout)
        self.assertServes(self.open)

    def test_a_certificate_opens(self):
        self.assertServes(self.strict, self.client)
        self.assertServes(self.lenient, self.client)
        self.assertServes(self.lenient)

    def test_019_bad_client_certificates_end_the_handshake(self):
        stranger = os.path.join(self.directory, "stranger")
        os.mkdir(stranger)
        issue = self.authority.client
        bad = {
            "none": None,
            "self-signed": certificates.self_signed(self.directory, "selfish"),
            "of another authority": certificates.Authority(stranger, "other").client("guest"),
            "expired": issue("late", days=-1),
            "of a server": self.authority.issue("notclient"),
            "1024 bits": issue("short", kind="RSA1024"),
            "NUL in its name": certificates.with_nul(self.authority, issue("nul", subject="/CN=ward~1.example"),
                                                     "ward~1.example"),
        }
        for what, identity in bad.items():
            with self.subTest(what):
                self.assertRefuses(self.strict, identity)
                if identity:
                    self.assertRefuses(self.lenient, identity)
        log = self.lenient.log()
        for why in ("not of a configured authority", "expired", "not for clients", "weak algorithm", "unusable names"):
            self.assertIn(why, log)
        self.assertServes(self.strict, self.client)

    def test_019_a_refused_client_is_told(self):
        stranger = certificates.self_signed(self.directory, "alone")
        answer = self.ask(self.strict, stranger)
        self.assertIn(b"alert bad certificate", answer.lower())

    def test_019_a_refused_client_is_audited(self):
        self.ask(self.lenient, certificates.self_signed(self.directory, "audited"))

        def recorded():
            if not os.path.exists(self.audited):
                return []
            with open(self.audited, encoding="utf-8") as file:
                events = [json.loads(line) for line in file]
            return [one for one in events if any(code["code"] == "110126" for code in one.get("subtype", []))]

        support.wait_until(recorded, "the audit of a refused certificate")
        event = recorded()[0]
        self.assertEqual(event["type"]["code"], "110113")
        self.assertNotEqual(event["outcome"], "0")
        self.assertIn("127.0.0.1", [agent.get("network", {}).get("address") for agent in event["agent"]])

    def test_019_a_chain_of_a_megabyte_ends_the_handshake(self):
        long = certificates.Identity(self.directory, "long")
        with open(self.client.certificate, encoding="ascii") as file:
            text = file.read()
        with open(self.authority.certificate, encoding="ascii") as file:
            text += file.read() * 2500
        with open(long.certificate, "w", encoding="ascii") as file:
            file.write(text)
        shutil.copy(self.client.key, long.key)
        self.assertRefuses(self.strict, long)
        self.assertServes(self.strict, self.client)

    def test_018_plain_http_on_the_tls_port_is_closed(self):
        with socket.create_connection(("127.0.0.1", self.open.port), 30) as connection:
            connection.sendall(METADATA)
            self.assertNotIn(b"HTTP/1.1 200", read_all(connection))
        self.assertServes(self.open)

    def test_018_tls_on_a_plain_port_is_closed(self):
        with self.assertRaises(OSError):
            connect(self.domain.port, context_for(self.authority.certificate))
        self.assertEqual(support.request("GET", "http://127.0.0.1:%d/" % self.domain.port).status, 200)

    def test_018_a_silent_handshake_is_closed(self):
        with socket.create_connection(("127.0.0.1", self.open.port), 30) as connection:
            connection.sendall(b"\x16\x03\x01\x02\x00\x01")
            self.assertNotIn(b"HTTP", read_all(connection))

    def test_refusals_before_the_body_are_read_by_the_client(self):
        head = (b"POST /fhir HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/fhir+json\r\n"
                b"Content-Length: 1000000\r\n\r\n")
        answer = self.ask(self.open, text=head + b"x" * 100000)
        self.assertEqual(answer[:12], b"HTTP/1.1 413")
        self.assertIn(b"OperationOutcome", answer)
        chunked = head.replace(b"Content-Length: 1000000", b"Transfer-Encoding: chunked")
        answer = self.ask(self.open, text=chunked + b"1000\r\n" + b"x" * 4096 + b"\r\n" + (b"8000\r\n" + b"x" * 32768 +
                                                                                          b"\r\n") * 3)
        self.assertEqual(answer[:12], b"HTTP/1.1 413")

    def test_heads_are_judged_as_without_tls(self):
        for text in (b"GET /fhir/metadata HTTP/1.1\nHost: localhost\n\n",
                     b"GET /fhir/metadata HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
                     b"POST /fhir HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                     b"GET /fhir/metadata%00 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            self.assertEqual(self.ask(self.open, text=text)[:12], b"HTTP/1.1 400", text)

    def test_many_requests_on_one_connection(self):
        one = METADATA.replace(b"Connection: close\r\n", b"")
        answer = self.ask(self.strict, self.client, text=one * 20 + METADATA)
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), 21)


class Renewed(unittest.TestCase):
    """Certificates that were renewed under the same names (as certbot does), on both listeners."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-tls-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.first = self.authority("first")
        self.second = self.authority("second")
        self.server = self.first.issue("server")
        shutil.copy(self.first.certificate, self.path("clients.pem"))
        tls = {"certificate_file": self.server.certificate, "key_file": self.server.key,
               "client_ca_file": self.path("clients.pem"), "client_certificate": "optional"}
        port = support.free_port()
        trusted = saml.Issuer(self.directory, "urn:tests:sts", inward.AUDIENCE)
        nobody = {"name": "hcm", "registry_url": "http://127.0.0.1:1/", "provide_url": "http://127.0.0.1:1/",
                  "repositories": [{"unique_id": support.REPOSITORY, "url": "http://127.0.0.1:1/"}]}
        self.gateway = support.Gateway(self.directory, [nobody], tls=tls, community={
            "listen": {"port": port}, "tls": tls, "home_community_id": inward.HOME[len("urn:oid:"):],
            "xua": {"issuers": [{"issuer": trusted.name, "certificate_file": trusted.identity.certificate}],
                    "audiences": [inward.AUDIENCE]}})
        self.addCleanup(self.gateway.kill)
        self.ports = (self.gateway.port, port)

    def path(self, name):
        return os.path.join(self.directory, name)

    def authority(self, name):
        os.mkdir(self.path(name))
        return certificates.Authority(self.path(name), name)

    def put(self, **files):
        """Each with another file in its place, as who renews them does it."""
        for name, source in files.items():
            shutil.copy(source, self.path("renewed"))
            os.rename(self.path("renewed"), {"certificate": self.server.certificate, "key": self.server.key,
                                             "clients": self.path("clients.pem")}[name])

    def reload(self):
        """What the gateway says of it, to its last line."""
        def lines():
            return [json.loads(line) for line in self.gateway.log().split("\n") if '"config.reload"' in line]
        before = len(lines())
        self.gateway.process.send_signal(signal.SIGHUP)
        support.wait_until(lambda: "configuration" in lines()[-1]["state"] if len(lines()) > before else False, "the reload")
        told = lines()[before:]
        self.assertEqual(told[-1]["state"], "the new configuration holds")
        return told[:-1]

    def shown(self, authority, client=None):
        """Whether each listener answers one who trusts this authority alone."""
        for port in self.ports:
            try:
                answer = exchange(connect(port, context_for(authority.certificate, client)), METADATA)
            except (ssl.SSLError, ConnectionError):
                answer = b""
            yield answer.startswith(b"HTTP/1.1 ")

    def assertShown(self, authority, other, **more):
        self.assertEqual(list(self.shown(authority, **more)), [True, True])
        self.assertEqual(list(self.shown(other, **more)), [False, False])

    def test_new_connections_are_shown_the_renewed_certificate(self):
        self.assertShown(self.first, self.second)
        begun = connect(self.gateway.port, context_for(self.first.certificate))
        renewed = self.second.issue("server")
        self.put(certificate=renewed.certificate, key=renewed.key)
        self.assertShown(self.first, self.second)
        self.assertEqual([(line["state"], line["server"]) for line in self.reload()],
                         [("new connections are shown the renewed certificate", "gateway"),
                          ("new connections are shown the renewed certificate", "community")])
        self.assertShown(self.second, self.first)
        self.assertEqual(exchange(begun, METADATA)[:15], b"HTTP/1.1 200 OK")
        self.assertEqual(self.reload(), [])
        self.assertShown(self.second, self.first)
        self.gateway.stop()

    def test_a_pair_that_does_not_fit_leaves_the_old_in_use(self):
        renewed = self.second.issue("server")
        self.put(certificate=renewed.certificate)
        for line in self.reload():
            self.assertEqual(line["state"], "the old certificate stays")
            self.assertIn("its own PEM private key", line["text"])
        self.assertShown(self.first, self.second)
        os.unlink(self.server.key)
        told = self.reload()
        self.assertEqual([line["state"] for line in told], ["the old certificate stays"] * 2)
        self.assertIn(self.server.key, told[0]["text"])
        self.assertShown(self.first, self.second)
        self.put(key=renewed.key)
        self.assertEqual(len(self.reload()), 2)
        self.assertShown(self.second, self.first)
        self.gateway.stop()

    def test_the_authorities_of_clients_are_renewed_as_well(self):
        old, new = (authority.client("client") for authority in (self.first, self.second))
        self.assertEqual(list(self.shown(self.first, old)) + list(self.shown(self.first, new)), [True, True, False, False])
        self.put(clients=self.second.certificate)
        self.assertEqual(len(self.reload()), 2)
        self.assertEqual(list(self.shown(self.first, old)) + list(self.shown(self.first, new)), [False, False, True, True])
        self.gateway.stop()


class Southbound(unittest.TestCase):
    """The gateway as a client: nothing is sent to who does not prove to be the back-end."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-tls-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.authority = certificates.Authority(self.directory)

    def start_domain(self, identity, **tls):
        domain = support.Domain(self.directory, tls=dict(
            {"certificate_file": identity.certificate, "key_file": identity.key}, **tls))
        self.addCleanup(domain.kill)
        return domain

    def start_gateway(self, port, name="gateway", **back_end):
        url = "https://localhost:%d/" % port
        entry = dict({"name": "hcm", "registry_url": url + "registry", "provide_url": url + "repository",
                      "repositories": [{"unique_id": support.REPOSITORY, "url": url + "repository"}],
                      "ca_file": self.authority.certificate}, **back_end)
        gateway = support.Gateway(self.directory, [entry], name=name)
        self.addCleanup(gateway.kill)
        return gateway

    def test_everything_goes_through_both_ways(self):
        domain = self.start_domain(self.authority.issue("server"), client_ca_file=self.authority.certificate,
                                   client_certificate="required")
        mine = self.authority.client("gateway")
        gateway = self.start_gateway(domain.port, client_certificate_file=mine.certificate, client_key_file=mine.key)
        document = os.urandom(3 << 20)
        bundle = support.demo_bundle(document, "application/octet-stream")
        self.assertEqual(gateway.publish(bundle).status, 200)
        found = gateway.find(identifier="urn:ietf:rfc:3986|urn:oid:" + support.document_oid(bundle)).json()
        url = found["entry"][0]["resource"]["content"][0]["attachment"]["url"]
        self.assertEqual(support.request("GET", url).body, document)

        stranger = self.start_gateway(domain.port, name="stranger")
        self.assertIn(stranger.find().status, (502, 503))
        unclear = stranger.publish(support.demo_bundle(b"x", "text/plain"))
        self.assertGreaterEqual(unclear.status, 500)
        for process in (gateway, stranger, domain):
            process.stop()

    def test_124_a_false_back_end_gets_nothing(self):
        other = os.path.join(self.directory, "other")
        os.mkdir(other)
        false = {
            "of another authority": certificates.Authority(other, "other").issue("foreign"),
            "of another host": self.authority.issue("elsewhere", names="DNS:elsewhere.example"),
            "with the host as its common name alone": self.authority.issue("cn", subject="/CN=localhost", names="DNS:x.y"),
            "expired": self.authority.issue("late", days=-1),
            "of a client": self.authority.client("clientonly"),
        }
        for number, (what, identity) in enumerate(false.items()):
            with self.subTest(what):
                domain = support.Domain(self.directory, name="false%d" % number, tls={
                    "certificate_file": identity.certificate, "key_file": identity.key})
                self.addCleanup(domain.kill)
                gateway = self.start_gateway(domain.port, name="gateway%d" % number)
                self.assertEqual(gateway.find().status, 502)
                self.assertEqual(gateway.publish(support.demo_bundle(b"x", "text/plain")).status, 502)
                self.assertNotIn("ITI-", domain.log())
                gateway.stop()
                domain.stop()

    def test_124_no_fallback_to_plain_http(self):
        """A back-end that no longer speaks TLS is told nothing but a TLS greeting."""
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(support.close_listener, server)
        heard = []

        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    heard.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 301 Moved\r\nLocation: http://localhost/\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        gateway = self.start_gateway(server.getsockname()[1])
        self.assertEqual(gateway.find().status, 502)
        self.assertEqual(gateway.publish(support.demo_bundle(b"x", "text/plain")).status, 502)
        gateway.stop()
        self.assertTrue(heard)
        for bytes_heard in heard:
            self.assertEqual(bytes_heard[:2], b"\x16\x03")
            self.assertNotIn(b"HTTP", bytes_heard)
            self.assertNotIn(b"POST", bytes_heard)

    def test_019_an_old_back_end_is_not_spoken_to(self):
        identity = self.authority.issue("server")
        port = support.free_port()
        server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", identity.certificate, "-key",
                                   identity.key, "-tls1_1", "-cipher", "ALL@SECLEVEL=0", "-www"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        support.wait_until(lambda: support.accepts(port), "s_server")
        gateway = self.start_gateway(port)
        self.assertEqual(gateway.find().status, 502)
        gateway.stop()


class Files(unittest.TestCase):
    """What is wrong with the files is said before anything listens."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-tls-")
        self.addCleanup(shutil.rmtree, self.directory, True)
        self.own = certificates.self_signed(self.directory, "own")
        self.other = certificates.self_signed(self.directory, "other")

    def starts(self, **tls):
        path = os.path.join(self.directory, "domain.yaml")
        support.write_configuration(path, {"domain": {
            "listen": {"port": support.free_port()}, "data_directory": os.path.join(self.directory, "data"),
            "repository_unique_id": support.REPOSITORY, "assigning_authority": support.AUTHORITY,
            "accept_any_code": True, "tls": tls}})
        done = subprocess.run([support.BINARY, "domain", "--config", path], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        return done.stdout + done.stderr

    def test_each_mistake_has_its_sentence(self):
        own = {"certificate_file": self.own.certificate, "key_file": self.own.key}
        self.assertIn("certificate_file and key_file, or neither", self.starts(certificate_file=self.own.certificate))
        self.assertIn("its own PEM private key", self.starts(**dict(own, key_file=self.other.key)))
        self.assertIn("missing.key", self.starts(**dict(own, key_file="missing.key")))
        self.assertIn("client_ca_file when clients", self.starts(**own, client_certificate="required"))
        self.assertIn("has no certificate in it",
                      self.starts(**own, client_certificate="required", client_ca_file=self.own.key))
