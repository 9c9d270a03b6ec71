"""What the house style promises and a machine can see: format, lengths, banned functions and words, headers."""
import concurrent.futures
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROOMS = ("gateway/", "mappers/", "profiles/")

# Unbounded, locale-bound or not safe in threads; what to use stands in mappers/base.
BANNED = """strcpy strcat strncpy strncat sprintf vsprintf sscanf fscanf scanf gets atoi atol atoll atof strtok strtok_r
gmtime localtime asctime ctime mktime rand srand random drand48 tmpnam tempnam mktemp tmpfile system popen alloca
setjmp longjmp readdir_r gethostbyname inet_ntoa""".split()

# Headers of more than 100 lines, where one table of fields or the face of a room needs them; they may shrink.
LONG_HEADERS = {
    "gateway/http/exchange.h": 139, "gateway/transactions/transactions.h": 135, "gateway/run/config.h": 140,
    "mappers/metadata.h": 123, "mappers/consent_set.h": 121, "mappers/consent_rule.h": 111, "mappers/rim.h": 111,
    "gateway/south/consent_client.h": 105, "mappers/provide_plan.h": 101,
    "mappers/hl7v3.h": 112,
}

# Unfinished work, and words that belong to no reader of the project.
BANNED_WORDS = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|/wo" + r"rk/(?:main|wt|shared)")


def tracked(*suffixes):
    """Files under version control with one of these endings (all files without one), relative to the root; also
    those not yet added, except in a tree without git."""
    try:
        out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                             check=True).stdout.split("\n")
    except (OSError, subprocess.CalledProcessError):
        out = [os.path.relpath(os.path.join(path, name), ROOT)
               for top in ("gateway", "mappers", "profiles", "tests", "conf", "docker")
               for path, folders, names in os.walk(os.path.join(ROOT, top))
               if "node_modules" not in path and "target" not in path for name in names]
    return [path for path in out if path and os.path.isfile(os.path.join(ROOT, path))
            and (not suffixes or path.endswith(suffixes))]


def text(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def shell(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


class Source(unittest.TestCase):
    maxDiff = None

    def test_format(self):
        files = tracked(".c", ".h")
        done = shell("clang-format", "--dry-run", "-Werror", *files)
        wrong = sorted(set(re.findall(r"^([^:\n]+):\d+:\d+: error", done.stderr, re.M)))
        self.assertEqual(wrong, [], "run clang-format -i on these files")

    def test_lengths(self):
        """A source file has 600 lines at most, a header 100 (but for LONG_HEADERS), a function 70."""
        wrong = []
        for path in tracked(".c", ".h"):
            lines = text(path).split("\n")
            most = 600 if path.endswith(".c") else LONG_HEADERS.get(path, 100)
            if path.startswith(ROOMS) and len(lines) - 1 > most:
                wrong.append("%s: %d lines, at most %d" % (path, len(lines) - 1, most))
            begin = None
            for number, line in enumerate(lines, 1):
                if line == "{" and path.startswith(ROOMS):
                    begin = number
                elif line == "}" and begin:
                    if number - begin - 1 > 70:
                        wrong.append("%s:%d: a function of %d lines, at most 70" % (path, begin, number - begin - 1))
                    begin = None
        self.assertEqual(wrong, [])

    def test_words(self):
        """No unfinished work, no machine's paths."""
        wrong = []
        for path in tracked():
            if path in ("LICENSE", "tests/checks/test_source.py") or path.endswith((".pdf", ".png", ".json")):
                continue
            try:
                content = text(path)
            except UnicodeDecodeError:
                continue
            for number, line in enumerate(content.split("\n"), 1):
                if BANNED_WORDS.search(line):
                    wrong.append("%s:%d: %s" % (path, number, line.strip()[:100]))
        self.assertEqual(wrong, [])

    def test_banned_functions(self):
        """Looks at the calls in the text, and at the symbols that the built rooms import, so a macro cannot hide one."""
        wrong = []
        call = re.compile(r"\b(%s)\s*\(" % "|".join(BANNED))
        for path in tracked(".c", ".h"):
            if not path.startswith(ROOMS):
                continue
            code = re.sub(r'/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"', "", text(path), flags=re.S)
            wrong += ["%s: %s" % (path, name) for name in sorted(set(call.findall(code)))]
        for library in sorted(os.listdir(os.path.join(ROOT, "build-sanitize"))):
            if not library.endswith(".a"):
                continue
            names = shell("nm", "--undefined-only", "--format=just-symbols", "build-sanitize/" + library).stdout.split()
            wrong += ["%s: %s" % (library, name) for name in sorted(set(names) & set(BANNED))]
        self.assertEqual(wrong, [])

    def test_threads_work_for_whom_their_maker_works(self):
        """What a thread logs names its tenant, because thread_start or its pool hands the name on."""
        makers = [path for path in tracked(".c") if path.startswith(ROOMS) and "pthread_create(" in text(path)]
        self.assertEqual(makers, ["gateway/run/thread.c", "gateway/run/worker.c"])

    def test_headers_compile_alone(self):
        """Each header twice, with nothing before it."""
        flags = shell("pkg-config", "--cflags", "jansson", "libxml-2.0", "libmicrohttpd", "libcurl", "libcrypto", "sqlite3",
                      "yaml-0.1", "xmlsec1-openssl").stdout.split()

        def compile_alone(path):
            done = subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
                                   "-I.", *flags, "-x", "c", "-"], cwd=ROOT, capture_output=True, text=True,
                                  input='#include "%s"\n#include "%s"\n' % (path, path))
            return "" if done.returncode == 0 else path + "\n" + done.stderr

        headers = [path for path in tracked(".h") if path.startswith(ROOMS)]
        self.assertGreater(len(headers), 5)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            self.assertEqual([one for one in pool.map(compile_alone, headers) if one], [])
