"""The stand of docker/compose.yaml as processes of this machine: HAProxy, two gateways, PostgreSQL, Redis and the domains,
with the very files that the containers get. Only what names a machine, a port or a place is put in the place of names that
no container is behind here."""
import os
import shutil
import signal
import subprocess
import tempfile

import support
from chaos import Wire, ask
from postgres_stand import PASSWORD, PostgreSQL
from redis_stand import guarded, need_redis

DOCKER = os.path.join(support.ROOT, "docker")
PATIENT_SYSTEM = "urn:oid:" + support.AUTHORITY
GATEWAYS = ("gateway1", "gateway2")


def docker_file(name):
    with open(os.path.join(DOCKER, name), encoding="utf-8") as file:
        return file.read()


def replaced(text, *pairs):
    """Every first is there, and becomes the second."""
    for old, new in pairs:
        if old not in text:
            raise AssertionError("docker/ does not hold %r any more" % old)
        text = text.replace(old, new)
    return text


class Redis:
    """Of compose.yaml: it keeps nothing, and knows its users by the file that docker/prepare made."""

    def __init__(self, directory, port):
        need_redis()
        self.directory = directory
        self.port = port
        self.process = None
        self.start()

    def start(self):
        self.process = subprocess.Popen(
            guarded(["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                     "--dir", self.directory, "--aclfile", os.path.join(self.directory, "made/redis/users.acl"),
                     "--maxmemory", "256mb", "--maxmemory-policy", "allkeys-lru"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        support.wait_until(lambda: support.accepts(self.port), "redis-server to answer")

    def flush(self):
        """The gateways' user may not; so it is done by an operator, whom an ACL of the moment lets in."""
        subprocess.run(["redis-cli", "-p", str(self.port), "--user", "operator", "--pass", PASSWORD, "--no-auth-warning",
                        "FLUSHALL"], check=True, capture_output=True)

    def kill(self):
        self.process.kill()
        self.process.wait()


class Cluster:
    def __init__(self, **more):
        """more: pairs (old, new) for the gateways' file beside those that every stand needs, as `gateway`."""
        if not shutil.which("haproxy"):
            support.absent("haproxy is not installed")
        self.directory = tempfile.mkdtemp(prefix="passerelle-cluster-")
        self.made = os.path.join(self.directory, "made")
        self.ports = {name: support.free_port() for name in ("haproxy", "redis", "hcm", "dsp") + GATEWAYS}
        self.gateways = {}
        self.haproxy = self.redis = self.hcm = self.dsp = None
        os.makedirs(self.made)
        subprocess.run([os.path.join(DOCKER, "prepare"), self.made], check=True, capture_output=True)
        with open(os.path.join(self.made, "redis/users.acl"), "a", encoding="ascii") as file:
            file.write("user operator on >%s -@all +flushall\n" % PASSWORD)
        self.postgres = PostgreSQL()
        self.postgres_wire = Wire(("127.0.0.1", self.postgres.port))
        with open(os.path.join(self.made, "gateway/postgresql.conninfo"), "w", encoding="ascii") as file:
            file.write(self.postgres.conninfo(self.postgres_wire.port))
        self.redis = Redis(self.directory, self.ports["redis"])
        self.hcm_wire = Wire(("127.0.0.1", self.ports["hcm"]))
        self.hcm_start()
        self.dsp = self.domain("dsp", "8082")
        self.gateway_pairs = more.get("gateway", ())
        for name in GATEWAYS:
            self.gateway_start(name)
        self.haproxy_start()
        self.base = "http://127.0.0.1:%d/fhir" % self.ports["haproxy"]

    def path(self, *parts):
        return os.path.join(self.directory, *parts)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def domain(self, name, port):
        path = self.write(name + ".yaml", replaced(
            docker_file(name + ".yaml"), ("address: 0.0.0.0, port: " + port, "address: 127.0.0.1, port: %d" % self.ports[name]),
            ("/made/", self.path("made", name, "")), ("/var/lib/passerelle", self.path(name))))
        return support.Process(name, guarded([support.BINARY, "domain", "--config", path]), self.directory, self.ports[name])

    def hcm_start(self):
        self.hcm = self.domain("hcm", "8081")

    def ask(self, path, action, body):
        return ask("http://127.0.0.1:%d%s" % (self.ports["hcm"], path), action, body)

    def gateway_text(self, name):
        hcm, wire = "http://127.0.0.1:%d" % self.ports["hcm"], "http://127.0.0.1:%d" % self.hcm_wire.port
        return replaced(
            docker_file("gateway.yaml"),
            ("{address: 0.0.0.0, port: 8080}", "{address: 0.0.0.0, port: %d}" % self.ports[name]),
            ("http://127.0.0.1:8080/fhir", "http://127.0.0.1:%d/fhir" % self.ports["haproxy"]),
            # Documents go through a wire that can be cut; the consent directory is reached past it.
            ("http://hcm:8081/registry", wire + "/registry"), ("http://hcm:8081/repository", wire + "/repository"),
            ("http://hcm:8081", hcm), ("http://dsp:8082", "http://127.0.0.1:%d" % self.ports["dsp"]),
            ("redis:6379", "127.0.0.1:%d" % self.ports["redis"]),
            ("/made/", self.path("made/gateway", "")), ("/var/lib/passerelle", self.path(name)), *self.gateway_pairs)

    def gateway_start(self, name):
        os.makedirs(self.path(name), exist_ok=True)
        path = self.write(name + ".yaml", self.gateway_text(name))
        self.gateways[name] = support.Process(name, guarded([support.BINARY, "serve", "--config", path]), self.directory,
                                              self.ports[name])
        self.gateways[name].base = "http://127.0.0.1:%d/fhir" % self.ports[name]

    def haproxy_start(self):
        path = self.write("haproxy.cfg", replaced(
            docker_file("haproxy.cfg"), ("bind :8080", "bind 127.0.0.1:%d" % self.ports["haproxy"]),
            *((" %s:8080" % name, " 127.0.0.1:%d" % self.ports[name]) for name in GATEWAYS)))
        self.haproxy = support.Process("haproxy", guarded(["haproxy", "-db", "-f", path]), self.directory, self.ports["haproxy"])

    def token(self, role, **options):
        """By the file that the containers have for it."""
        with open(self.path("made/gateway/tokens.yaml"), encoding="utf-8") as file:
            text = replaced(file.read(), ("/made/", self.path("made/gateway", "")),
                            ("http://127.0.0.1:8080/fhir", self.base), ("/var/lib/passerelle", self.directory))
        command = [support.BINARY, "token", "--config", self.write("tokens.yaml", text), "--role", role]
        for name, value in options.items():
            command += ["--" + name, str(value)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def close(self):
        for process in [*self.gateways.values(), self.haproxy, self.hcm, self.dsp, self.redis]:
            if process:
                process.kill()
        self.postgres.close()
        shutil.rmtree(self.directory, True)

    def stop(self):
        """In order; a gateway or domain that a sanitizer has a word about fails."""
        for process in [*self.gateways.values(), self.hcm, self.dsp]:
            process.stop()
