"""Several sources, some of them slow or dead, side by side in one run. Prints ratios and asserts no time.

  (f) Two sources against the slower one alone: how much longer a search takes.
  (g) A dead source (nobody listens; somebody who takes connections and never answers) beside a living one: how much of
      the living one's throughput is left.
  (h) A source that dies under load: how much of the living one's throughput is left from that moment on, the time
      included in which nobody knows yet; and when the breaker opens.
  (i) The id of another hospital's document against one that nobody has given out: whether the time tells them apart.

bench.py runs this; it has what both need."""
import concurrent.futures
import contextlib
import os
import re
import signal
import socket
import statistics
import subprocess
import threading
import time
import urllib.request

import support

OTHER = "2.999.20.11"
PAIRS = 5
FIRST_SECONDS = (2, 4, 8, 16, 32)


def entry(name, number, url, repository, **more):
    return dict({"name": name, "source": number, "registry_url": url, "provide_url": url, "connections_max": 4096,
                 "repositories": [{"unique_id": repository, "url": url}]}, **more)


@contextlib.contextmanager
def nobody():
    """An address where connections are refused."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield "http://127.0.0.1:%d/" % closed.getsockname()[1]


@contextlib.contextmanager
def black_hole():
    """An address that takes every connection and all that is sent, and says nothing."""
    kept = []
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
        def take():
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield "http://127.0.0.1:%d/" % listener.getsockname()[1]
        for connection in kept:
            connection.close()


def seconds_of(gateway, path, count=20):
    """The median of so many searches, one after the other."""
    url = "http://127.0.0.1:%d%s" % (gateway.port, path)
    took = []
    for _ in range(count):
        began = time.monotonic()
        with urllib.request.urlopen(url) as answer:
            answer.read()
        took.append(time.monotonic() - began)
    return statistics.median(took)


def fan_out(bench, path):
    quick, slow = bench.stub(100, 10), bench.stub(120, 10)
    both = bench.before([entry("quick", 1, bench.url(quick), support.REPOSITORY),
                         entry("slow", 2, bench.url(slow), OTHER)], "both")
    alone = bench.before([entry("slow", 1, bench.url(slow), OTHER)], "alone")
    for gateway in (both, alone):
        seconds_of(gateway, path, 3)
    together, slower = seconds_of(both, path), seconds_of(alone, path)
    print("%-60s %5.0f ms %5.0f ms %7.3f" % ("search in two sources (100, 120 ms a call), the slower alone",
                                             together * 1000, slower * 1000, together / slower), flush=True)
    for process in (both, alone, quick, slow):
        process.stop()


def dead_source(bench, path, title, dead_url):
    stub = bench.stub(5, 10)
    living = entry("living", 1, bench.url(stub), support.REPOSITORY)
    alone = bench.before([living], "alone")
    beside = bench.before([living, entry("dead", 2, dead_url, OTHER)], "beside")
    for gateway in (alone, beside):
        bench.wrk(gateway.port, path, seconds=1)
    pairs = []
    for _ in range(PAIRS):
        counts = []
        for gateway in (beside, alone):
            requests, refused, errors = bench.wrk(gateway.port, path)
            if refused or errors:
                raise SystemExit("%s: %d refused, %d broken: %s" % (title, refused, errors, gateway.log()[-2000:]))
            counts.append(requests)
        pairs.append((counts[0] / counts[1], *counts))
    ratio, with_dead, without = sorted(pairs)[PAIRS // 2]
    print("%-60s %8d %8d %7.3f" % (title, with_dead, without, ratio), flush=True)
    for process in (alone, beside, stub):
        process.stop()


class Counts:
    """How many searches a gateway has answered and how its breakers stand, from one moment on."""

    def __init__(self, gateway):
        self.url = "http://127.0.0.1:%d/metrics" % gateway.port
        self.began = time.monotonic()
        self.first = self.answered()[0]

    def answered(self):
        with urllib.request.urlopen(self.url) as answer:
            text = answer.read().decode()
        return (sum(int(count) for count in re.findall(r'^passerelle_requests_total\{[^}]*class="2[^}]*\} (\d+)$', text,
                                                       re.MULTILINE)),
                max(map(int, re.findall(r"^passerelle_breaker_state\{[^}]*\} (\d+)$", text, re.MULTILINE))))

    def at(self, moments):
        """The count at each of these seconds, and when a breaker was seen open for the first time."""
        counts, opened = [], None
        for moment in moments:
            while time.monotonic() - self.began < moment:
                time.sleep(0.05)
                opened = opened or self.answered()[1] == 2 and time.monotonic() - self.began
            counts.append(self.answered()[0] - self.first)
        return counts, opened or None


def dying_source(bench, path):
    """It is paused: whatever is sent to it goes in, by new connections and by warm ones, and nothing comes back. Both sides
    at once, so that what else the machine does is the same for both, and with as little load as leaves it idle."""
    stub, dying = bench.stub(20, 10), bench.stub(20, 10)
    living = entry("living", 1, bench.url(stub), support.REPOSITORY)
    alone = bench.before([living], "alone")
    beside = bench.before([living, entry("dying", 2, bench.url(dying), OTHER)], "beside")
    loads = [subprocess.Popen(["wrk", "-t1", "-c8", "-d%ds" % (FIRST_SECONDS[-1] + 3), "--timeout", "60s",
                               "http://127.0.0.1:%d%s" % (gateway.port, path)], stdout=subprocess.DEVNULL)
             for gateway in (beside, alone)]
    time.sleep(2)
    dying.process.send_signal(signal.SIGSTOP)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        (with_dead, opened), (without, _) = pool.map(lambda gateway: Counts(gateway).at(FIRST_SECONDS), (beside, alone))
    for load in loads:
        load.wait()
    for seconds, ours, theirs in zip(FIRST_SECONDS, with_dead, without):
        print("%-60s %8d %8d %7.3f" % ("searches, first %d s after a source beside has died" % seconds, ours, theirs,
                                       ours / theirs), flush=True)
    print("%-60s %8s" % ("... its breaker opens after", "%.1f s" % opened if opened else "(not)"), flush=True)
    dying.process.send_signal(signal.SIGCONT)
    for process in (alone, beside, stub, dying):
        process.stop()


def foreign_ids(bench, path, count=400):
    stub = bench.stub(0, 1)
    names = ("north", "south")
    for name in names:
        support.write_configuration(os.path.join(bench.directory, name + ".yaml"), {})
    gateway = bench.before([entry("stub", 1, bench.url(stub), support.REPOSITORY)], "hospitals", default_tenant="north",
                           tenants=[{"name": name, "file": name + ".yaml"} for name in names])
    found = support.request("GET", "http://127.0.0.1:%d%s" % (gateway.port, path)).json()
    foreign = next(each["resource"]["id"] for each in found["entry"] if each["search"]["mode"] == "match")
    ids = (foreign, foreign[:-2] + ("a" if foreign[-2] != "a" else "b") + foreign[-1])
    took = ([], [])
    for number in range(2 * count):
        began = time.monotonic()
        answer = support.request("GET", "%s/south/DocumentReference/%s" % (gateway.base, ids[number % 2]))
        took[number % 2].append(time.monotonic() - began)
        if answer.status != 404:
            raise SystemExit("the id of another hospital: %r" % answer)
    ours, theirs = (statistics.median(each) * 1e6 for each in took)
    print("%-60s %5.0f us %5.0f us %7.3f" % ("an id of another hospital's, one that nobody has given out", ours, theirs,
                                             ours / theirs), flush=True)
    gateway.stop()
    stub.stop()


def run(bench, path):
    print("%-60s %8s %8s %7s" % ("Several sources", "this", "that", "ratio"))
    fan_out(bench, path)
    for title, dead in (("searches, a source beside that refuses connections", nobody),
                        ("searches, a source beside that never answers", black_hole)):
        with dead() as url:
            dead_source(bench, path, title, url)
    dying_source(bench, path)
    foreign_ids(bench, path)
