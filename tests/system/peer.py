"""The XDS peer made of IPF (tests/peer), the implementation of others that the tests run as a back-end."""
import fcntl
import os
import shutil
import subprocess

import support

DIRECTORY = os.path.join(support.ROOT, "tests/peer")
CLASSES = os.path.join(DIRECTORY, "target/classes")
LIBRARIES = os.path.join(DIRECTORY, "target/lib")


def build():
    """Compiles the peer and fetches its Maven packages, once."""
    if not shutil.which("java") or not shutil.which("mvn"):
        support.absent("Java and Maven are not installed, so no XDS back-end by others can run")
    source = os.path.join(DIRECTORY, "src/main/java/peer/Peer.java")
    built = os.path.join(CLASSES, "peer/Peer.class")
    newest = max(os.path.getmtime(source), os.path.getmtime(os.path.join(DIRECTORY, "pom.xml")))
    with open(os.path.join(DIRECTORY, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(built) and os.path.getmtime(built) > newest:
            return
        done = subprocess.run(["mvn", "-q", "-B", "clean", "compile", "dependency:copy-dependencies",
                               "-DoutputDirectory=target/lib"], cwd=DIRECTORY, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            support.absent("Maven could not build the XDS peer: " + " ".join(done.stdout.split())[:300])


HOME = "2.999.20.80"


class Peer(support.Process):
    """Runs on a free port; understood(oid) is what IPF made of an object that was published to it. responding: host, port
    and path of a Responding Gateway that it asks as an Initiating Gateway."""

    def __init__(self, directory, responding=None):
        build()
        port = support.free_port()
        self.directory = os.path.join(directory, "peer")
        super().__init__("peer", ["java", "-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
                                  CLASSES + ":" + os.path.join(LIBRARIES, "*"), "peer.Peer", str(port), self.directory,
                                  support.REPOSITORY, "urn:oid:" + HOME] + ([responding] if responding else []),
                         directory, port)
        self.url = "http://127.0.0.1:%d/" % port

    def back_end(self):
        return {
            "name": "ipf",
            "source": 2,
            "registry_url": self.url + "iti18",
            "provide_url": self.url + "iti41",
            "repositories": [{"unique_id": support.REPOSITORY, "url": self.url + "iti43"}],
        }

    def community(self, **overrides):
        """The same as another community, by XCA."""
        entry = {"name": "ipf-community", "kind": "xca", "source": 3, "registry_url": self.url + "iti38",
                 "retrieve_url": self.url + "iti39", "home_community_id": HOME}
        entry.update(overrides)
        return entry

    def understood(self, oid):
        with open(os.path.join(self.directory, oid + ".json"), encoding="utf-8") as file:
            return support.json.load(file)
