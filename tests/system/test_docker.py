"""What docker/ holds, looked at as far as that goes without a Docker daemon: the compose file, HAProxy's file, the image's
packages, and the script that makes the keys. test_cluster.py runs the same files as processes."""
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

import support

DOCKER = os.path.join(support.ROOT, "docker")


def text_of(name):
    with open(os.path.join(DOCKER, name), encoding="utf-8") as file:
        return file.read()


def run(*command, **more):
    return subprocess.run(command, stdin=more.pop("stdin", subprocess.DEVNULL), capture_output=True, text=True, check=False,
                          timeout=120, **more)


class Compose(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            import yaml
        except ImportError:
            support.absent("python3-yaml is not installed")
        cls.compose = yaml.safe_load(text_of("compose.yaml"))
        cls.services = cls.compose["services"]

    def test_it_is_valid(self):
        command = ["docker", "compose"]
        if not shutil.which("docker") or run(*command, "version").returncode != 0:
            command = ["docker-compose"]
            if not shutil.which("docker-compose"):
                support.absent("neither docker compose nor docker-compose is installed")
        # Debian's docker-compose is older than the name of a project.
        text = re.sub(r"(?m)^name: .*$", "", text_of("compose.yaml"))
        done = subprocess.run(command + ["-f", "-", "--project-directory", DOCKER, "config", "--quiet"], input=text,
                              capture_output=True, text=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_parts_are_there(self):
        self.assertLessEqual({"haproxy", "gateway1", "gateway2", "postgresql", "redis", "hcm", "dsp"}, set(self.services))

    def test_every_part_is_confined(self):
        for name, service in self.services.items():
            with self.subTest(name):
                self.assertIs(service.get("read_only"), True)
                self.assertEqual(service["cap_drop"], ["ALL"])
                self.assertIn("no-new-privileges:true", service["security_opt"])
                self.assertNotIn("privileged", service)
                if name == "prepare":  # gives the files away to those who may read them, and reaches nobody
                    self.assertEqual(service["network_mode"], "none")
                    continue
                self.assertNotIn(service["user"].split(":")[0], ("", "0", "root"))
                self.assertIn("healthcheck", service)
                self.assertRegex(service["image"], r"^(passerelle|[a-z]+:[0-9.]+)$")

    def test_only_haproxy_is_published_and_on_loopback_only(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertTrue(name == "haproxy" and port.startswith("127.0.0.1:"), (name, port))
            if name not in ("haproxy", "prepare"):
                self.assertEqual(service["networks"], ["inside"])
        self.assertIs(self.compose["networks"]["inside"]["internal"], True)

    def test_what_it_mounts_is_there(self):
        for service in self.services.values():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0]
                if source.startswith("."):
                    self.assertTrue(os.path.exists(os.path.join(DOCKER, source)), source)
                    self.assertTrue(volume.endswith(":ro"), volume)
                else:
                    self.assertIn(source, self.compose["volumes"])

    def test_a_part_is_started_alone(self):
        """What it waits for would be plugged in with it; HAProxy waits for all, so that all is there when `up` returns."""
        for name, service in self.services.items():
            wanted = set() if name == "prepare" else {"prepare"}
            if name == "haproxy":
                wanted = set(self.services) - {"haproxy", "prepare"}
            self.assertEqual(set(service.get("depends_on", {})), wanted, name)

    def test_no_part_is_held_up_or_fills_the_disk(self):
        for name, service in self.services.items():
            if name != "prepare":
                self.assertEqual(service["dns_opt"], ["timeout:1", "attempts:1"], name)
                self.assertLessEqual({"max-size", "max-file"}, set(service["logging"]["options"]), name)

    def test_no_part_leaves_a_nameless_volume(self):
        volumes = {"passerelle": "/var/lib/passerelle", "postgres": "/var/lib/postgresql/data", "redis": "/data"}  # the images'
        for name, service in self.services.items():
            place = volumes.get(service["image"].split(":")[0])
            mounted = [each.split(":")[1] for each in service.get("volumes", [])] + [
                each.split(":")[0] for each in service.get("tmpfs", [])]
            self.assertTrue(place is None or place in mounted, name)

    def test_a_reload_finds_a_file_that_was_put_in_the_place_of_the_old_one(self):
        """A file that is mounted by itself stays the one that it was when the container began."""
        for name in ("gateway1", "gateway2"):
            self.assertIn(".:/etc/passerelle:ro", self.services[name]["volumes"])

    def test_no_part_waits_for_one_that_cannot_be_healthy(self):
        for service in self.services.values():
            for other, how in service.get("depends_on", {}).items():
                wanted = "service_completed_successfully" if other == "prepare" else "service_healthy"
                self.assertEqual(how, {"condition": wanted})


class HAProxy(unittest.TestCase):
    def test_it_takes_its_file(self):
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            support.absent("haproxy is not installed")
        done = run(program, "-c", "-f", os.path.join(DOCKER, "haproxy.cfg"))
        self.assertEqual(done.returncode, 0, done.stderr)


def with_dependencies(packages):
    """The packages, and all that come with them."""
    found = set()
    while packages:
        found |= packages
        depends = run("dpkg-query", "-W", "-f", "${Depends},", *packages).stdout
        packages = {each.split()[0].split(":")[0] for each in depends.split(",") if each.strip()} - found
    return found


class Image(unittest.TestCase):
    def test_it_is_built_of_what_is_sent(self):
        """.dockerignore lets through what CMake reads, and neither keys nor what was built here."""
        with open(os.path.join(support.ROOT, ".dockerignore"), encoding="ascii") as file:
            lines = [line.strip() for line in file if line.strip() and not line.startswith("#")]
        self.assertEqual(lines[0], "*")
        sent = {line[1:] for line in lines[1:] if line.startswith("!")}
        self.assertEqual(len(sent), len(lines) - 1)
        with open(os.path.join(support.ROOT, "CMakeLists.txt"), encoding="utf-8") as file:
            rooms = {each.split("/")[0] for each in re.findall(r"(?m)^room\(\S+ ([^\s)]+)", file.read())}
        self.assertEqual(sent, rooms | {"run", "CMakeLists.txt", "CMakePresets.json"})

    def test_it_has_the_libraries_that_the_program_needs(self):
        if not shutil.which("dpkg"):
            support.absent("this is not Debian")
        named = set(re.search(r"--no-install-recommends (.*) \\", text_of("Dockerfile")).group(1).split())
        installed = with_dependencies(named)
        needed = re.findall(r"(\S+) => (/\S+)", run("ldd", support.BINARY).stdout)
        direct = set(re.findall(r"NEEDED.*\[(.+)\]", run("readelf", "-d", support.BINARY).stdout))
        self.assertIn("libjansson.so.4", direct)
        self.assertIn("curl", named)  # compose.yaml asks for the parts' health by it
        for name, path in needed:
            if name not in direct or re.match(r"lib(c|m|asan|ubsan|gcc_s)\.so", name):
                continue
            owner = run("dpkg", "-S", os.path.realpath(path)).stdout.split(":")[0]
            self.assertIn(owner, installed, name)


class Prepare(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="passerelle-prepare-")
        self.addCleanup(shutil.rmtree, self.directory, True)

    def files(self):
        found = {}
        for top, _, names in os.walk(self.directory):
            for name in names:
                with open(os.path.join(top, name), "rb") as file:
                    found[os.path.relpath(os.path.join(top, name), self.directory)] = file.read()
        return found

    def test_keys_are_made_once_and_for_their_owner_alone(self):
        command = [os.path.join(DOCKER, "prepare"), self.directory]
        self.assertEqual(run(*command).returncode, 0)
        first = self.files()
        for name in first:
            mode = os.stat(os.path.join(self.directory, name)).st_mode
            self.assertEqual(stat.S_IMODE(mode) & 0o077, 0, name)
        self.assertEqual(len(first["gateway/seal.key"]), 32)
        self.assertNotEqual(first["gateway/seal.key"], first["gateway/state.key"])
        self.assertEqual(run(*command).returncode, 0)
        self.assertEqual(self.files(), first)
        # Each part has what it needs and no more.
        self.assertEqual({name for name in first if not name.startswith("gateway/")},
                         {"hcm/consent.secret", "hcm/patients.json", "dsp/patients.json", "postgresql/password",
                          "redis/users.acl"})


if __name__ == "__main__":
    unittest.main()
