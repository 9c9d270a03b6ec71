"""A real PostgreSQL on a private port, with a data directory of its own; it ends with the test, also when that is killed."""
import contextlib
import glob
import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from support import absent, free_port, wait_until

USER = "passerelle"
PASSWORD = "postgres-password-of-the-tests"


def program(name):
    """Debian keeps the server's programs out of the path."""
    found = shutil.which(name) or (sorted(glob.glob("/usr/lib/postgresql/*/bin/" + name)) or [None])[-1]
    if not found:
        absent("PostgreSQL is not installed (%s)" % name)
    return found


def unprivileged():
    """PostgreSQL does not run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            pass
    return absent("PostgreSQL needs a user that is not root")


class PostgreSQL:
    """Durable as in earnest (fsync, synchronous_commit): kill() and start() are the crash and what comes after it."""

    def __init__(self, *settings, directory=None):
        self.directory = directory or tempfile.mkdtemp(prefix="passerelle-pg-")
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.port = free_port()
        self.settings = settings
        self.process = None
        owner = unprivileged()
        self.prefix = ["setpriv"]
        if owner:
            os.chown(self.directory, owner.pw_uid, owner.pw_gid)
            self.prefix += ["--reuid", str(owner.pw_uid), "--regid", str(owner.pw_gid), "--clear-groups"]
        self.prefix += ["--pdeathsig", "KILL"]
        password = os.path.join(self.directory, "password")
        with open(password, "w", encoding="ascii") as file:
            file.write(PASSWORD)
        os.chmod(password, 0o644)
        done = subprocess.run(self.prefix + [program("initdb"), "-D", self.data, "-U", USER, "-A", "scram-sha-256",
                                             "--pwfile", password, "-E", "UTF8", "--locale=C", "--no-sync"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/")
        if done.returncode != 0:
            raise AssertionError("initdb ended with %d: %s" % (done.returncode, done.stderr[-2000:]))
        self.start()
        self.sql("CREATE DATABASE " + USER, database="postgres")

    def start(self):
        command = [program("postgres"), "-D", self.data, "-p", str(self.port), "-k", self.directory]
        for setting in ("listen_addresses=127.0.0.1", "shared_buffers=32MB", "max_connections=200", *self.settings):
            command += ["-c", setting]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.prefix + command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        wait_until(self.is_up, "PostgreSQL to answer", 60)

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError("PostgreSQL ended with %d at its start:\n%s" % (self.process.returncode, self.log()))
        return self.query("SELECT 1", "postgres").returncode == 0

    def conninfo(self, port=None):
        """For libpq; port: of a wire in front of it."""
        return "host=127.0.0.1 port=%d dbname=%s user=%s password=%s connect_timeout=3" % (
            port or self.port, USER, USER, PASSWORD)

    def query(self, text, database=USER):
        """psql as it ended."""
        return subprocess.run(["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port),
                               "-U", USER, "-d", database, "-c", text], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, env=dict(os.environ, PGPASSWORD=PASSWORD))

    def sql(self, text, database=USER):
        """What a statement answers: lines of columns that | separates."""
        done = self.query(text, database)
        if done.returncode != 0:
            raise AssertionError("PostgreSQL: " + done.stderr)
        return done.stdout.strip()

    @contextlib.contextmanager
    def session(self):
        """One that stays: what it is called with runs in it, so that it holds what that locks until COMMIT."""
        process = subprocess.Popen(["psql", "-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p",
                                    str(self.port), "-U", USER, "-d", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   text=True, env=dict(os.environ, PGPASSWORD=PASSWORD))

        def run(text):
            process.stdin.write(text + ";\n\\echo done\n")
            process.stdin.flush()
            for line in process.stdout:
                if line == "done\n":
                    return
            raise AssertionError("psql ended in: " + text)
        with process:
            yield run

    def cut(self):
        """Ends every connection but this one."""
        self.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                   " AND backend_type = 'client backend'")

    def kill(self):
        """The crash (pg_ctl stop -m immediate): nothing is finished, the next start recovers from the log."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
        self.process.wait()

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]

    def close(self):
        self.kill()
        shutil.rmtree(self.directory, True)
