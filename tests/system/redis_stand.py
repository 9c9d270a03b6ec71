"""Real Redis servers and sentinels on private ports and sockets, a proxy that misbehaves between them and us, and the
cache driven from outside (cache_driver). All end with the test, also when it is killed."""
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import threading

from support import BUILD, START_SECONDS, absent, close_listener, free_port, wait_until, write_configuration

DRIVER = os.path.join(BUILD, "tests/cache_driver")
STATE_KEYS = {1: b"a" * 32, 2: b"b" * 32}


def need_redis():
    if not shutil.which("redis-server") or not shutil.which("redis-sentinel"):
        absent("redis-server and redis-sentinel are not installed")


def guarded(command):
    """The same command, which dies with this process."""
    return ["setpriv", "--pdeathsig", "KILL", *command]


class RedisError(Exception):
    pass


class Resp:
    """A connection that speaks RESP2."""

    def __init__(self, address):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(30)
        self.socket.connect(address)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, *words):
        words = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))

    def reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]

    def __call__(self, *words):
        self.send(*words)
        answer = self.reply()
        if isinstance(answer, RedisError):
            raise answer
        return answer


class RedisServer:
    """redis-server, or redis-sentinel with sentinel=True. Its unix socket is for the test's own commands too."""

    def __init__(self, directory, name, *lines, port=0, sentinel=False):
        self.directory = os.path.join(directory, name)
        self.port = port
        self.path = os.path.join(self.directory, "s")
        self.config = os.path.join(self.directory, "redis.conf")
        self.sentinel = sentinel
        self.process = None
        os.makedirs(self.directory, exist_ok=True)
        # A sentinel rewrites its file: it is written once.
        with open(self.config, "w", encoding="ascii") as file:
            file.write("\n".join(("port %d" % port, "bind 127.0.0.1", "unixsocket " + self.path, "daemonize no",
                                  "dir " + self.directory, "logfile " + os.path.join(self.directory, "log"),
                                  *([] if sentinel else ["save \"\"", "appendonly no", "enable-debug-command yes"]),
                                  *lines)) + "\n")
        self.start()

    def start(self, *arguments):
        program = "redis-sentinel" if self.sentinel else "redis-server"
        self.process = subprocess.Popen(guarded([program, self.config, *arguments]), stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.is_up, "redis to open " + self.path)

    def is_up(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.directory, "log"), encoding="utf-8", errors="replace") as file:
                raise AssertionError("redis ended at its start: " + file.read()[-2000:])
        try:
            Resp(self.path).close()
            return True
        except OSError:
            return False

    def __call__(self, *words):
        connection = Resp(self.path)
        try:
            return connection(*words)
        finally:
            connection.close()

    def logged_in(self, password, *words):
        connection = Resp(self.path)
        try:
            connection("AUTH", password)
            return connection(*words)
        finally:
            connection.close()

    def keys(self, pattern="*"):
        return sorted(self("KEYS", pattern))

    def life(self):
        """What keys carry of this Redis."""
        run = re.search(r"run_id:(\w+)", self("INFO", "server").decode()).group(1)
        return (run[:20] + re.search(r"master_replid:(\w+)", self("INFO", "replication").decode()).group(1)[:20]).encode()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def restart(self, *arguments):
        self.kill()
        self.start(*arguments)


class Proxy:
    """TCP in front of a Redis. hold: what the server says is kept back; inject: bytes that go before the server's
    next answer; deaf: nothing passes either way, as after a cut cable."""

    def __init__(self, target):
        self.target = target
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.hold = False
        self.deaf = False
        self.inject = b""
        self.inject_after = b""
        self.ending = False
        self.connections = 0
        self.held = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.ending:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.carry, args=(client,), daemon=True).start()

    def carry(self, client):
        upstream = socket.socket(socket.AF_UNIX)
        kept = b""
        try:
            upstream.connect(self.target)
            while not self.ending:
                ready, _, _ = select.select([client, upstream], [], [], 0.01)
                if self.deaf:
                    continue
                if client in ready:
                    data = client.recv(65536)
                    if not data:
                        return
                    upstream.sendall(data)
                if upstream in ready:
                    data = upstream.recv(65536)
                    if not data:
                        return
                    kept += data
                    if self.hold:
                        self.held += 1
                if kept and not self.hold:
                    before, self.inject = self.inject, b""
                    after, self.inject_after = self.inject_after, b""
                    client.sendall(before + kept + after)
                    kept = b""
        except OSError:
            pass
        finally:
            client.close()
            upstream.close()

    def close(self):
        self.ending = True
        close_listener(self.server)


class Driver:
    """One gateway's cache: cache_driver with a configuration of its own."""

    def __init__(self, directory, name, redis, keys=(1,), state_keys=None):
        self.log_path = os.path.join(directory, name + ".log")
        self.config_path = os.path.join(directory, name + ".yaml")
        write_configuration(self.config_path, gateway_configuration(directory, redis, keys, state_keys))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(guarded([DRIVER, self.config_path]), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)
        self.answers = queue.Queue()
        self.bells = []
        threading.Thread(target=self.read, daemon=True).start()
        self.answer(60)

    def read(self):
        for line in self.process.stdout:
            line = line.rstrip("\n")
            if line.startswith("bell "):
                self.bells.append(line[len("bell "):])
            else:
                self.answers.put(line)
        self.answers.put(None)

    def answer(self, seconds):
        line = self.answers.get(timeout=seconds)
        if line is None:
            raise AssertionError("the driver ended:\n" + self.log())
        return line

    def send(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")

    def result(self, seconds=120):
        """The answer to what was sent, without its time, which stays in self.us."""
        text, _, us = self.answer(seconds).rpartition(" ")
        self.us = int(us)
        return text

    def __call__(self, *words):
        self.send(*words)
        return self.result()

    def put(self, part, value, ttl=60000, kind="k", tenant="t"):
        return self("put", tenant, kind, part, ttl, value)

    def get(self, part, kind="k", tenant="t"):
        """The value, or None."""
        text = self("get", tenant, kind, part)
        return None if text == "miss" else text[len("hit "):]

    def epoch(self, part="p"):
        """The number, or None."""
        text = self("epoch", "t", "e", part)
        return None if text == "unknown" else int(text[len("epoch "):])

    def usable(self):
        return self("put", "t", "probe", "p", 60000, "x") and self.get("p", "probe") == "x"

    def wait_usable(self):
        wait_until(self.usable, "the cache to be usable\n" + self.log(), 60)

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def events(self, event):
        return [line for line in map(json.loads, filter(lambda text: text.startswith("{"), self.log().split("\n")))
                if line["event"] == event]

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends in order; a sanitizer's word is a failure."""
        if self.process.poll() is None:
            self.process.stdin.close()
        code = self.process.wait(START_SECONDS)
        if code != 0:
            raise AssertionError("the driver ended with %d:\n%s" % (code, self.log()[-4000:]))


def gateway_configuration(directory, redis, keys=(1,), state_keys=None):
    """The least that a gateway needs, and this Redis. keys: which of STATE_KEYS, in their order."""
    for number, secret in STATE_KEYS.items():
        with open(os.path.join(directory, "state%d.key" % number), "wb") as file:
            file.write(secret)
    url = "http://127.0.0.1:1/"
    return {
        "listen": {"port": 1},
        "keys": [{"id": 1, "file": os.path.join(directory, "state1.key")}],
        "state_keys": state_keys if state_keys is not None else
                      [{"id": number, "file": os.path.join(directory, "state%d.key" % number)} for number in keys],
        "back_ends": [{"name": "none", "source": 1, "registry_url": url, "provide_url": url,
                       "repositories": [{"unique_id": "2.999.1", "url": url}]}],
        "patient": {"assigning_authority": "2.999.2"},
        "access": {"anonymous": True},
        "redis": redis,
    }


def unhurried(**redis):
    """Timeouts for a machine that runs other tests too: where none is what the test is about."""
    return dict({"connect_timeout_ms": 20000, "command_timeout_ms": 20000}, **redis)


__all__ = ["Driver", "Proxy", "RedisError", "RedisServer", "Resp", "free_port", "gateway_configuration", "need_redis",
           "unhurried"]
