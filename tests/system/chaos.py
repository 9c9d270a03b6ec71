"""Publications while everything breaks: real processes that are killed, paused, cut off, filled up and lied to, and a
ledger that says at the end what became of every single publication. test_chaos.py runs it within the suite, ./run chaos
for as long as one wants:

    tests/system/chaos.py [--publications N] [--faults N] [--gateways N] [--store sqlite|postgresql] [--seed N]

What is claimed: every document that was acknowledged (200, or 202) is in the registry exactly once and byte for byte;
every one that was not is there whole or not at all; of two documents the newer one is the one that is valid; every
acknowledged change of a document has made one version of it, in their order, and every other one at most one."""
import argparse
import base64
import collections
import contextlib
import glob
import hashlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

import postgres_stand
import support
import xds

PUBLISHERS = 8
REPLACING = 0.15  # share of publications that replace an earlier one of the same publisher
CHANGING = 0.15   # chance that a publisher changes one of its documents before it publishes the next
UNNAMED = 0.3     # share whose SubmissionSet has no uniqueId: sent again, it is to be known by what it holds
AGAIN = 0.7       # chance that a client sends again what was not acknowledged
FAULT_SECONDS = 1.5  # that one takes on average
STATE_BYTES = 48 << 20
LEASE_SECONDS = 2


class Wire:
    """Bytes between a gateway and a back-end, both ways, while `mode` lets them."""
    MODES = ("answers lost", "answers held back", "answers cut in half", "answers spoilt", "bytes one by one", "nothing passes")

    def __init__(self, address):
        self.address = address
        self.mode = ""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            peer = socket.create_connection(self.address, 5)
        except OSError:
            client.close()
            return
        threading.Thread(target=self.carry, args=(client, peer, False), daemon=True).start()
        self.carry(peer, client, True)

    def carry(self, source, target, is_answer):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if self.mode == "nothing passes" or (is_answer and self.mode == "answers held back"):
                    held = self.mode
                    while self.mode == held:
                        time.sleep(0.02)
                    break
                if not is_answer or not self.mode:
                    target.sendall(data)
                elif self.mode == "answers cut in half":
                    target.sendall(data[:len(data) // 2])
                    break
                elif self.mode == "answers spoilt":
                    target.sendall(data[:40] + bytes(byte ^ 0x55 for byte in data[40:]))
                elif self.mode == "bytes one by one":
                    for byte in data:
                        target.sendall(bytes([byte]))
                        if self.mode:
                            time.sleep(0.02)
                else:
                    break
        except OSError:
            pass
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                each.close()


class Network:
    """A network namespace for the domain, so that its cable can be pulled; unless the machine does not permit one."""

    def __init__(self):
        self.name = "passerelle%d" % os.getpid()
        self.veth = "pa%d" % (os.getpid() % 1000000)
        net = "10.%d.%d" % (64 + os.getpid() % 128, os.getpid() // 128 % 250)
        self.address = net + ".2"
        self.prefix = ["ip", "netns", "exec", self.name]
        commands = ("netns add %s" % self.name, "link add %sa type veth peer name %sb" % (self.veth, self.veth),
                    "link set %sb netns %s" % (self.veth, self.name), "addr add %s.1/24 dev %sa" % (net, self.veth),
                    "link set %sa up" % self.veth, "-n %s addr add %s.2/24 dev %sb" % (self.name, net, self.veth),
                    "-n %s link set %sb up" % (self.name, self.veth), "-n %s link set lo up" % self.name)
        self.exists = all(self.ip(command) for command in commands)
        if not self.exists:
            self.close()
            self.address, self.prefix = "127.0.0.1", []

    @staticmethod
    def ip(command):
        try:
            return subprocess.run(["ip"] + command.split(), capture_output=True, check=False).returncode == 0
        except FileNotFoundError:
            return False

    def cable(self, plugged):
        self.ip("link set %sa %s" % (self.veth, "up" if plugged else "down"))

    def close(self):
        self.ip("netns del " + self.name)
        self.ip("link del %sa" % self.veth)


class SmallDisk:
    """A file system of its own for a state directory, so that it can be full; unless the machine does not permit one."""

    def __init__(self, path, size):
        self.path = path
        os.makedirs(path, exist_ok=True)
        try:
            done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % size, "tmpfs", path],
                                  capture_output=True, check=False)
            self.exists = done.returncode == 0
        except FileNotFoundError:
            self.exists = False

    def fill(self):
        with contextlib.suppress(OSError), open(os.path.join(self.path, "ballast"), "wb", 0) as file:
            while True:
                file.write(bytes(1 << 16))

    def free(self):
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.path, "ballast"))

    def close(self):
        if self.exists:
            subprocess.run(["umount", "-l", self.path], capture_output=True, check=False)


class Clock:
    """The wall clock of one process, which jumps when one says so; unless libfaketime is not there. What measures time
    by the monotonic clock is left alone, as it is when a real clock is set."""

    def __init__(self, path):
        self.path = path
        libraries = sorted(glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1"))
        self.exists = bool(libraries)
        self.jump(0)
        if self.exists:
            self.environment = dict(
                os.environ, FAKETIME_TIMESTAMP_FILE=path, FAKETIME_DONT_FAKE_MONOTONIC="1", FAKETIME_CACHE_DURATION="1",
                LD_PRELOAD=":".join(self.sanitizer() + libraries[:1]))
        else:
            self.environment = None

    @staticmethod
    def sanitizer():
        """The address sanitizer wants to be the first library of all."""
        linked = subprocess.run(["ldd", support.BINARY], capture_output=True, text=True, check=False).stdout
        return [line.split()[0] for line in linked.split("\n") if "libasan.so" in line]

    def jump(self, seconds):
        with open(self.path + ".new", "w", encoding="ascii") as file:
            file.write("%+d" % seconds)
        os.replace(self.path + ".new", self.path)


def ask(url, action, body):
    """SOAP straight to the domain, past every gateway and wire."""
    content_type = 'application/soap+xml; charset=UTF-8; action="%s"' % action
    text = xds.envelope(action, body).encode()
    if action == xds.RETRIEVE:
        text, content_type = xds.package(text.decode()), xds.package_type(action)
    return xds.Answer(support.request("POST", url, {"Content-Type": content_type}, text))


class Parts:
    """The processes: a domain behind a wire, gateways that share what gateways share, Redis, and with the store
    "postgresql" a PostgreSQL behind a wire, too."""

    def __init__(self, directory, publications, gateway_count, more, store="sqlite"):
        self.directory = directory
        self.gateway_count = gateway_count
        self.lock = threading.Lock()
        self.network = Network()
        self.redis_path = os.path.join(directory, "r.sock")
        self.redis = None
        self.redis_start()
        self.hcm_port = support.free_port()
        self.wire = Wire((self.network.address, self.hcm_port))
        self.hcm_disk = SmallDisk(os.path.join(directory, "hcm"), (64 << 20) + 100000 * publications)
        self.hcm = None
        self.hcm_start()
        self.more = dict(more)
        self.postgres = None
        if store == "postgresql":
            self.postgres_start(publications)
        self.disks = [SmallDisk(os.path.join(directory, "state%d" % number), STATE_BYTES) for number in range(gateway_count)]
        self.clocks = [Clock(os.path.join(directory, "clock%d" % number)) for number in range(gateway_count)]
        self.ports = [support.free_port() for _ in range(gateway_count)]
        self.gateways = [None] * gateway_count
        for number in range(gateway_count):
            self.gateway_start(number)

    def redis_start(self):
        self.redis = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", self.redis_path, "--save", "",
                                       "--appendonly", "no", "--dir", self.directory],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def redis_cli(self, *words):
        subprocess.run(["redis-cli", "-s", self.redis_path, *words], capture_output=True, check=False, timeout=20)

    def postgres_start(self, publications):
        self.postgres_disk = SmallDisk(tempfile.mkdtemp(prefix="passerelle-pg-"), (192 << 20) + 50000 * publications)
        self.postgres = postgres_stand.PostgreSQL("min_wal_size=32MB", "max_wal_size=64MB", directory=self.postgres_disk.path)
        self.postgres_wire = Wire(("127.0.0.1", self.postgres.port))
        path = os.path.join(self.directory, "postgresql.conninfo")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.postgres.conninfo(self.postgres_wire.port))
        self.more["outbox"] = {"store": "postgresql", "postgresql": {"connection_file": path},
                               "lease_seconds": LEASE_SECONDS}

    def hcm_start(self):
        path = os.path.join(self.directory, "hcm.yaml")
        support.write_configuration(path, {"domain": {
            "listen": {"address": self.network.address, "port": self.hcm_port},
            "data_directory": self.hcm_disk.path, "repository_unique_id": support.REPOSITORY,
            "assigning_authority": support.AUTHORITY, "accept_any_code": True,
            "patients": ["IHEBLUE-10%02d" % number for number in range(1, 11)]}})
        with open(os.path.join(self.directory, "hcm.log"), "ab") as log:
            self.hcm = subprocess.Popen(self.network.prefix + [support.BINARY, "domain", "--config", path],
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        support.wait_until(lambda: self.hcm.poll() is not None or self.hcm_accepts(), "the domain to start", 60)
        if self.hcm.poll() is not None:
            raise AssertionError("the domain ended with %d at its start" % self.hcm.returncode)

    def hcm_accepts(self):
        with contextlib.suppress(OSError):
            socket.create_connection((self.network.address, self.hcm_port), 1).close()
            return True
        return False

    def gateway_start(self, number):
        back_end = {"name": "hcm", "source": 1, "timeout_ms": 3000, "registry_url": self.url("/registry"),
                    "provide_url": self.url("/repository"),
                    "repositories": [{"unique_id": support.REPOSITORY, "url": self.url("/repository")}]}
        self.gateways[number] = support.Gateway(
            self.directory, [back_end], port=self.ports[number], name="gateway%d" % number,
            state_directory=self.disks[number].path, redis={"address": self.redis_path},
            state_keys=[{"id": 1, "file": os.path.join(self.directory, "seal.key")}],
            environment=self.clocks[number].environment, **self.more)

    def url(self, path):
        return "http://127.0.0.1:%d%s" % (self.wire.port, path)

    def ask(self, path, action, body):
        return ask("http://%s:%d%s" % (self.network.address, self.hcm_port, path), action, body)

    def close(self):
        for gateway in self.gateways:
            if gateway:
                gateway.kill()
        for process in (self.hcm, self.redis):
            process.kill()
            process.wait()
        if self.postgres:
            self.postgres.close()
            self.postgres_disk.close()
            shutil.rmtree(self.postgres_disk.path, True)
        for each in self.disks + [self.hcm_disk, self.network]:
            each.close()


# ---- faults: each takes the parts and a random source, does its harm, and has mended it when it returns ---------------

def hold(chance, low=0.3, high=1.5):
    time.sleep(chance.uniform(low, high))


def gateway_killed(parts, chance):
    number = chance.randrange(parts.gateway_count)
    parts.gateways[number].kill()
    hold(chance, 0, 0.3)
    parts.gateway_start(number)


def gateway_paused(parts, chance):
    process = parts.gateways[chance.randrange(parts.gateway_count)].process
    process.send_signal(signal.SIGSTOP)
    hold(chance)
    process.send_signal(signal.SIGCONT)


def domain_killed(parts, chance):
    parts.hcm.kill()
    parts.hcm.wait()
    hold(chance)
    parts.hcm_start()


def domain_paused(parts, chance):
    parts.hcm.send_signal(signal.SIGSTOP)
    hold(chance, 0.5, 5)
    parts.hcm.send_signal(signal.SIGCONT)


def both_killed(parts, chance):
    """The gateway dies while it holds what the domain could not take."""
    parts.hcm.kill()
    parts.hcm.wait()
    hold(chance, 0.2, 0.6)
    gateway_killed(parts, chance)
    hold(chance, 0.2, 0.6)
    parts.hcm_start()


def cable_pulled(parts, chance):
    parts.network.cable(False)
    hold(chance, 0.5, 3)
    parts.network.cable(True)


def wire_spoilt(parts, chance):
    parts.wire.mode = chance.choice(Wire.MODES)
    hold(chance)
    parts.wire.mode = ""


def redis_killed(parts, chance):
    parts.redis.kill()
    parts.redis.wait()
    hold(chance, 0, 0.5)
    parts.redis_start()


def redis_emptied(parts, _chance):
    parts.redis_cli("FLUSHALL")


def gateway_disk_full(parts, chance):
    disk = parts.disks[chance.randrange(parts.gateway_count)]
    disk.fill()
    hold(chance)
    disk.free()


def domain_disk_full(parts, chance):
    parts.hcm_disk.fill()
    hold(chance)
    parts.hcm_disk.free()


def clock_jumps(parts, chance):
    """One gateway's clock is an hour off for a while; those of the others are not."""
    clock = chance.choice(parts.clocks)
    clock.jump(chance.choice((-3600, 3600)))
    hold(chance, 1.5, 3)
    clock.jump(0)


def postgres_killed(parts, chance):
    parts.postgres.kill()
    hold(chance, 0, 1)
    parts.postgres.start()


def postgres_connections_cut(parts, _chance):
    parts.postgres.cut()


def postgres_disk_full(parts, chance):
    parts.postgres_disk.fill()
    hold(chance)
    parts.postgres_disk.free()
    # It may have given up, as one that cannot write its log does; then its operator starts it again.
    parts.postgres.kill()
    parts.postgres.start()


def postgres_wire_spoilt(parts, chance):
    parts.postgres_wire.mode = chance.choice(("answers lost", "answers cut in half", "nothing passes"))
    hold(chance)
    parts.postgres_wire.mode = ""


def faults_possible(parts):
    faults = [gateway_killed, gateway_paused, domain_killed, domain_paused, both_killed, wire_spoilt, wire_spoilt,
              redis_killed, redis_emptied]
    faults += [cable_pulled] if parts.network.exists else []
    faults += [gateway_disk_full] if parts.disks[0].exists else []
    faults += [domain_disk_full] if parts.hcm_disk.exists else []
    faults += [clock_jumps] if parts.clocks[0].exists else []
    faults += [postgres_killed, postgres_connections_cut, postgres_wire_spoilt] if parts.postgres else []
    faults += [postgres_disk_full] if parts.postgres and parts.postgres_disk.exists else []
    return faults


# ---- publications ------------------------------------------------------------------------------------------------------

class Publication:
    """One document on its way, as its client sees it."""

    def __init__(self, chance, number, replaces):
        size = chance.choice((200, 2000, 20000, 100000))
        self.number = number
        self.document = b"publication %d\n" % number + chance.randbytes(size)
        self.replaces = replaces
        make = support.unnamed_bundle if chance.random() < UNNAMED else support.demo_bundle
        self.bundle = make(self.document, content_type="application/octet-stream",
                           patient="IHEBLUE-10%02d" % chance.randint(1, 10) if not replaces else replaces.patient)
        self.oid = support.document_oid(self.bundle)
        reference = self.bundle["entry"][1]["resource"]
        self.patient = reference["subject"]["identifier"]["value"]
        if replaces:
            reference["relatesTo"] = [{"code": "replaces", "target": {"identifier": {
                "system": "urn:ietf:rfc:3986", "value": "urn:oid:" + replaces.oid}}}]
        self.acknowledged = ""  # "200" or "202"
        self.status_url = ""
        self.statuses = []
        self.when = None

    def send(self, base, **headers):
        try:
            answer = support.request("POST", base, {"Content-Type": "application/fhir+json", **headers},
                                     json.dumps(self.bundle).encode(), 30)
        except (OSError, support.http.client.HTTPException):
            self.statuses.append("no answer")
            return
        self.statuses.append(str(answer.status))
        if answer.status in (200, 202):
            self.acknowledged = str(answer.status)
            self.status_url = answer.header("Content-Location") or ""
            self.when = time.monotonic()


class Change:
    """A PATCH of a document that was acknowledged. It is sent once: the same again would be another change."""

    def __init__(self, publication, text):
        self.publication, self.text = publication, text
        self.acknowledged = ""
        self.status_url = ""
        self.status = "nothing"  # nobody could be asked for the document's id

    def send(self, base):
        try:
            found = support.request("GET", "%s/DocumentReference?%s" % (base, urllib.parse.urlencode({
                "patient.identifier": "urn:oid:%s|%s" % (support.AUTHORITY, self.publication.patient),
                "identifier": "urn:oid:" + self.publication.oid})), seconds=30)
            ids = [entry["resource"]["id"] for entry in found.json().get("entry", [])
                   if entry["search"]["mode"] == "match"] if found.status == 200 else []
        except (OSError, support.http.client.HTTPException):
            return
        if not ids:
            return
        try:
            answer = support.request(
                "PATCH", "%s/DocumentReference/%s" % (base, ids[0]), {"Content-Type": "application/json-patch+json"},
                json.dumps([{"op": "add", "path": "/description", "value": self.text}]).encode(), 30)
        except (OSError, support.http.client.HTTPException):
            self.status = "no answer"
            return
        self.status = str(answer.status)
        if answer.status in (200, 202):
            self.acknowledged = self.status
            self.status_url = answer.header("Content-Location") or ""


class Ledger:
    """What became of every publication, as its client, the gateways and the registry tell it."""

    def __init__(self, domain_ask, **headers):
        """domain_ask: of (path, action, body) at the domain; headers: by which a client asks after a publication."""
        self.ask = domain_ask
        self.headers = headers
        self.made = []
        self.changes = []

    def settled(self, publication):
        """What the status URL says: None while it is under way."""
        try:
            answer = support.request("GET", publication.status_url, self.headers, seconds=30)
        except OSError:
            return None
        return None if answer.status in (202, 503) else answer

    def await_delivery(self, seconds=90):
        waiting = [each for each in self.made + self.changes if each.acknowledged == "202"]
        end = time.monotonic() + seconds
        refused = []
        while waiting:
            assert time.monotonic() < end, "%d of what was accepted are still under way" % len(waiting)
            for publication in list(waiting):
                answer = self.settled(publication)
                if answer is None:
                    break
                waiting.remove(publication)
                if answer.status != 200 or answer.json()["resourceType"] == "OperationOutcome":
                    refused.append((publication, answer))
            time.sleep(0.1 if waiting else 0)
        self.drained = time.monotonic()
        return refused

    def entries_of(self, publications):
        """uniqueId: the entries that the registry has of it, as (status, hash)."""
        found = collections.defaultdict(list)
        batches = [group[begin:begin + 50] for group in (
            [each for each in publications if each.patient == patient]
            for patient in sorted({each.patient for each in publications})) for begin in range(0, len(group), 50)]
        for batch in batches:  # one question is about one patient (ITI TF-2 3.18.4.1.2.3.8)
            ids = ",".join("'%s'" % each.oid for each in batch)
            answer = self.ask("/registry", xds.STORED_QUERY, xds.stored_query(
                xds.GET_DOCUMENTS, [("XDSDocumentEntryUniqueId", "(%s)" % ids)]))
            for entry in answer.objects:
                unique_id = [each.get("value") for each in entry.iter("{%s}ExternalIdentifier" % xds.RIM)
                             if each.get("identificationScheme") == "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"]
                hashes = [each.findtext(".//{%s}Value" % xds.RIM) for each in entry.iter("{%s}Slot" % xds.RIM)
                          if each.get("name") == "hash"]
                for each in unique_id:
                    found[each].append((entry.get("status"), hashes))
        return found

    def is_whole(self, publication):
        """The repository gives this very document, and nothing before or after it."""
        answer = self.ask("/repository", xds.RETRIEVE, xds.retrieve((support.REPOSITORY, publication.oid)))
        boundary = b"\r\n--" + answer.content_type.split("boundary=")[1].split(";")[0].strip('"').encode()
        return b"\r\n\r\n" + publication.document + boundary in answer.response.body

    def versions_of(self, publication):
        """What the versions of its document are called, from the first one on."""
        answer = self.ask("/registry", xds.STORED_QUERY, xds.stored_query(xds.GET_DOCUMENTS, [
            ("XDSDocumentEntryUniqueId", "('%s')" % publication.oid), ("MetadataLevel", "2")]))
        found = []
        for entry in answer.objects:
            text = entry.find("{%s}Description/{%s}LocalizedString" % (xds.RIM, xds.RIM))
            found.append((int(entry.find("{%s}VersionInfo" % xds.RIM).get("versionName")),
                          "" if text is None else text.get("value")))
        return sorted(found)

    def judge_changes(self, rows):
        """What is wrong with them."""
        wrong = []
        by_publication = collections.defaultdict(list)
        for each in self.changes:
            by_publication[each.publication].append(each)
        for publication, changes in by_publication.items():
            versions = self.versions_of(publication)
            made = [text for _, text in versions[1:]]
            acknowledged = [each.text for each in changes if each.acknowledged]
            if [number for number, _ in versions] != list(range(1, len(versions) + 1)) or len(made) != len(set(made)) or \
                    [text for text in made if text in acknowledged] != acknowledged or \
                    not set(made) <= {each.text for each in changes}:
                wrong.append("%d has the versions %r after %r" % (publication.number, versions, [
                    (each.text, each.status) for each in changes]))
            for each in changes:
                rows["change " + ("acknowledged " + each.acknowledged if each.acknowledged else
                                  "unacknowledged, " + ("made" if each.text in made else "not made"))] += 1
        return wrong

    def judge(self):
        """Every publication and change in its row: returns (how many are in each, what is wrong)."""
        wrong = ["%s was accepted and then refused: %r" % (getattr(each, "text", getattr(each, "number", "")), answer)
                 for each, answer in self.await_delivery()]
        found = self.entries_of(self.made)
        rows = collections.Counter()
        replaced = {each.replaces.oid for each in self.made if each.replaces and found[each.oid]}
        for each in self.made:
            entries = found[each.oid]
            if each.acknowledged:
                rows["acknowledged " + each.acknowledged] += 1
            else:
                rows["unacknowledged, " + ("whole" if entries else "not at all")] += 1
            if not entries and not each.acknowledged:
                continue
            if len(entries) != 1:
                wrong.append("%d (%s) is there %d times" % (each.number, ", ".join(each.statuses), len(entries)))
                continue
            if not self.is_whole(each):
                wrong.append("%d is not byte for byte what was published" % each.number)
            status, hashes = entries[0]
            if hashes != [hashlib.sha1(each.document).hexdigest()]:
                wrong.append("%d has another hash in the registry" % each.number)
            if status != (xds.DEPRECATED if each.oid in replaced else xds.APPROVED):
                wrong.append("%d is %s" % (each.number, status))
            rows["exactly once and byte for byte"] += each.acknowledged != ""
        return rows, wrong + self.judge_changes(rows)


class Run(Ledger):
    def __init__(self, publications, faults, gateways, seed, more, store="sqlite"):
        self.wanted = publications
        self.fault_count = faults
        self.seed = seed
        self.directory = tempfile.mkdtemp(prefix="passerelle-chaos-")
        self.parts = Parts(self.directory, publications, gateways, more, store)
        super().__init__(self.parts.ask)
        self.faults = faults_possible(self.parts)
        self.harm = collections.Counter()
        self.lock = threading.Lock()
        self.ends = threading.Event()

    def change(self, chance, own):
        """Perhaps: one of the last documents that nobody has begun to replace."""
        replaced = [each.replaces for each in own]
        last = [each for each in own[-3:] if each.acknowledged and each not in replaced]
        if not last or chance.random() > CHANGING:
            return
        with self.lock:
            text = "change %d" % len(self.changes)
            change = Change(chance.choice(last), text)
            self.changes.append(change)
        change.send("http://127.0.0.1:%d/fhir" % chance.choice(self.parts.ports))

    def publisher(self, number):
        chance = random.Random("%s %d" % (self.seed, number))
        own = []
        while not self.ends.is_set():
            with self.lock:
                if len(self.made) >= self.wanted:
                    return
                count = len(self.made)
                self.made.append(None)
            # No faster than the faults come, or all would be over before the harm begins.
            time.sleep(chance.uniform(0, 2) * PUBLISHERS * FAULT_SECONDS * self.fault_count / self.wanted)
            self.change(chance, own)
            earlier = own[-1] if own and own[-1].acknowledged and chance.random() < REPLACING else None
            publication = Publication(chance, count, earlier)
            with self.lock:
                self.made[count] = publication
            own.append(publication)
            while not publication.acknowledged and not self.ends.is_set():
                publication.send("http://127.0.0.1:%d/fhir" % chance.choice(self.parts.ports))
                if publication.acknowledged or chance.random() > AGAIN:
                    break
                time.sleep(chance.uniform(0.05, 0.3))

    def run(self):
        chance = random.Random(self.seed)
        threads = [threading.Thread(target=self.publisher, args=(number,), daemon=True) for number in range(PUBLISHERS)]
        self.began = time.monotonic()
        for thread in threads:
            thread.start()
        order = []
        try:
            while self.harm.total() < self.fault_count or any(thread.is_alive() for thread in threads):
                if not order:  # every kind comes as often as the others
                    order = chance.sample(self.faults, len(self.faults))
                fault = order.pop()
                fault(self.parts, chance)
                with self.lock:
                    self.harm[fault.__name__.replace("_", " ")] += 1
                hold(chance, 0.1, 0.8)
        finally:
            self.ends.set()
        self.ended = time.monotonic()

    def ledger(self):
        """(What is printed, what is wrong.)"""
        rows, wrong = self.judge()
        lines = ["seed %s: %d publications, %d changes, %d faults in %.0f s; the last accepted one was delivered %.1f s after the "
                 "last fault" % (self.seed, len(self.made), len(self.changes), self.harm.total(), self.ended - self.began,
                                 max(0, self.drained - self.ended))]
        lines += ["  %-42s %5d" % row for row in sorted(rows.items())]
        lines += ["  fault: %-35s %5d" % row for row in sorted(self.harm.items())]
        lines += ["  not permitted on this machine: %s" % what for what, there in (
            ("network namespaces", self.parts.network.exists), ("mounting a small disk", self.parts.disks[0].exists),
            ("setting a clock (libfaketime)", self.parts.clocks[0].exists)) if not there]
        return "\n".join(lines), wrong

    def close(self, keep=False):
        self.parts.close()
        if keep:
            print("logs and configurations are kept in " + self.directory)
        else:
            shutil.rmtree(self.directory, True)


def main():
    parser = argparse.ArgumentParser(description="publishes while everything breaks, and prints the ledger")
    parser.add_argument("--publications", type=int, default=5000)
    parser.add_argument("--faults", type=int, default=300)
    parser.add_argument("--gateways", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--seed", default=str(int(time.time())))
    options = parser.parse_args()
    run = Run(options.publications, options.faults, options.gateways, options.seed, MORE, options.store)
    wrong = ["the run did not end"]
    try:
        run.run()
        ledger, wrong = run.ledger()
        print(ledger)
        for each in wrong[:50]:
            print("WRONG: " + each)
    finally:
        run.close(keep=bool(wrong))
    return 1 if wrong else 0


MORE = {"publication": {"degraded": "accept", "retry_seconds_max": 5}}

if __name__ == "__main__":
    sys.exit(main())
