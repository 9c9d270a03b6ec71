"""The outbox driven from outside (outbox_driver), on SQLite and on a real PostgreSQL."""
import json
import os
import queue
import shutil
import sqlite3
import subprocess
import tempfile
import threading

from postgres_stand import PostgreSQL
from redis_stand import guarded
from support import BINARY, BUILD, START_SECONDS, wait_until, write_configuration

DRIVER = os.path.join(BUILD, "tests/outbox_driver")
WAITING, SENDING, DELIVERED, REFUSED, WITHDRAWN = range(5)


class SQLiteStore:
    """The file in the state directory of the gateway; there is one gateway at a time."""
    shared = False
    version_one = "PRAGMA user_version=1"

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-outbox-")

    def settings(self, name):
        return {"state_directory": os.path.join(self.directory, name)}, {"store": "sqlite"}

    def sql(self, text, name="gateway"):
        """Rows as lines of columns that | separates, as psql writes them."""
        connection = sqlite3.connect(os.path.join(self.directory, name, "outbox.db"), timeout=30)
        try:
            with connection:
                return "\n".join("|".join(str(column) for column in row) for row in connection.execute(text))
        finally:
            connection.close()

    def empty(self):
        shutil.rmtree(self.directory, True)
        os.makedirs(self.directory)

    def close(self):
        shutil.rmtree(self.directory, True)


class PostgreSQLStore:
    """Shared by all gateways; wire: what stands in front of it."""
    shared = True
    version_one = "UPDATE outbox_schema SET version = 1"

    def __init__(self):
        self.server = PostgreSQL()
        self.directory = tempfile.mkdtemp(prefix="passerelle-outbox-")

    def settings(self, name, port=None):
        path = os.path.join(self.directory, name + ".conninfo")
        with open(path, "w", encoding="ascii") as file:
            file.write(self.server.conninfo(port))
        os.chmod(path, 0o600)
        return {}, {"store": "postgresql", "postgresql": {"connection_file": path}}

    def sql(self, text, _name="gateway"):
        return self.server.sql(text)

    def empty(self):
        self.server.sql("DROP TABLE IF EXISTS outbox_item, outbox_chunk, outbox_name, outbox_usage, outbox_schema")

    def close(self):
        self.server.close()
        shutil.rmtree(self.directory, True)


class Driver:
    """One gateway's outbox."""

    def __init__(self, store, name="gateway", lease_seconds=30, port=None):
        self.store = store
        self.config_path = os.path.join(store.directory, name + ".yaml")
        self.log_path = os.path.join(store.directory, name + ".log")
        key = os.path.join(store.directory, "state.key")
        with open(key, "wb") as file:
            file.write(b"a" * 32)
        os.chmod(key, 0o600)
        top, outbox = store.settings(name, port) if port else store.settings(name)
        url = "http://127.0.0.1:1/"
        write_configuration(self.config_path, {
            "listen": {"port": 1},
            "keys": [{"id": 1, "file": key}],
            "state_keys": [{"id": 1, "file": key}],
            "back_ends": [{"name": "hcm", "source": 1, "registry_url": url, "provide_url": url,
                           "repositories": [{"unique_id": "2.999.1", "url": url}]}],
            "patient": {"assigning_authority": "2.999.2"},
            "access": {"anonymous": True},
            "outbox": dict(outbox, lease_seconds=lease_seconds),
            **top})
        self.start()

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(guarded([DRIVER, self.config_path]), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1)
        self.answers = queue.Queue()
        self.lines = []  # what came while commands ran
        threading.Thread(target=self.read, args=(self.process.stdout, self.lines, self.answers), daemon=True).start()
        if self.result(START_SECONDS) != "ready":
            raise AssertionError("the driver is not ready:\n" + self.log())

    @staticmethod
    def read(stream, lines, answers):
        """Of one process; another may have been started when its last words come."""
        for line in stream:
            if line.startswith("+ "):
                lines.append(line[2:].rstrip("\n"))
            else:
                answers.put(line.rstrip("\n"))
        answers.put(None)

    def send(self, *words):
        self.process.stdin.write(" ".join(str(word) for word in words) + "\n")

    def result(self, seconds=120):
        line = self.answers.get(timeout=seconds)
        if line is None:
            raise AssertionError("the driver ended:\n" + self.log())
        return line

    def __call__(self, *words):
        self.send(*words)
        return self.result()

    def put(self, patient="p", size=1000, *names):
        word, _, text = self("put", patient, size, *names).partition(" ")
        if word != "put":
            raise AssertionError("put: " + text)
        return text

    def claim(self):
        """(id, fence, attempts, unclear), or None."""
        words = self("claim").split()
        if words[0] == "nothing":
            return None
        if words[0] != "claimed":
            raise AssertionError(" ".join(words))
        return words[1], int(words[2]), int(words[3]), words[4] == "1"

    def state(self, identifier):
        word, _, text = self("state", identifier).partition(" ")
        return int(text) if word == "state" else text

    def acknowledged(self, word="put"):
        """The ids of lines like "put ID" and "settled ID FENCE"."""
        return [line.split()[1] for line in list(self.lines) if line.startswith(word + " ")]

    def wait_lines(self, count, word="put"):
        wait_until(lambda: len(self.acknowledged(word)) >= count, "%d lines of %s\n%s" % (count, word, self.log()), 120)

    def queue(self, *words):
        """passerelle queue as another process: (exit code, standard output, standard error)."""
        done = subprocess.run([BINARY, "queue", *words, "--config", self.config_path], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, check=False)
        return done.returncode, done.stdout, done.stderr

    def items(self, *words):
        """What `passerelle queue list --json` says, by id."""
        code, out, error = self.queue("list", "--json", *words)
        if code != 0:
            raise AssertionError(error)
        return {item["id"]: item for item in map(json.loads, out.splitlines())}

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

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
            raise AssertionError("the driver ended with %d:\n%s" % (code, self.log()))
