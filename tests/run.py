#!/usr/bin/env python3
"""Builds with sanitizers and runs every test. The last line is `N passed, N failed[, N skipped]`.

usage: tests/run.py [--fuzz SECONDS] [NAME...]
  --fuzz SECONDS  also fuzz each target that long (CI gives a minute)
  NAME            run only test files whose path holds NAME

Stages: build; unit (tests/unit/test_*.c, cmocka); checks (tests/checks/test_*.py; clang-tidy only in CI or by name);
system (tests/system/test_*.py); fuzz corpus replay (tests/fuzz/fuzz_*.c). Test files run in parallel; each is a process
of its own and picks its own ports and directories.
"""
import argparse
import concurrent.futures
import glob
import json
import os
import re
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_SECONDS_MAX = 1500


class Count:
    """What happened so far: how many passed, and the names with reasons of what failed or was skipped."""

    def __init__(self):
        self.passed = 0
        self.failed = []
        self.skipped = []

    def add(self, passed=0, failed=(), skipped=()):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped


def shell(command, seconds=FILE_SECONDS_MAX, **more):
    """Runs a command to its end; returns (exit code, stdout and stderr together). A hang is an error, not a wait."""
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True, **more)
    try:
        out, _ = process.communicate(timeout=seconds)
        return process.returncode, out.decode("utf-8", "replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        out, _ = process.communicate()
        return 124, out.decode("utf-8", "replace") + "\nended: took longer than %d s" % seconds


def build(preset, *target):
    """Configures and builds one CMake preset."""
    code, out = shell(["cmake", "--preset", preset])
    if code == 0:
        code, out = shell(["cmake", "--build", "--preset", preset, *target], 3600)
    if code != 0:
        print(out[-8000:])
    return code == 0


def run_unit(path):
    """One cmocka program: counts its `[       OK ]` and `[  FAILED  ]` lines; a crash is one failure more."""
    name = os.path.basename(path)
    code, out = shell([path])
    passed = len(re.findall(r"^\[ +OK \] ", out, re.M))
    skipped = re.findall(r"^\[ +SKIPPED \] (\S+)$", out, re.M)
    failed = sorted(set(re.findall(r"^\[ +FAILED +\] (?!tests:)(\w+)$", out, re.M)))
    if code != 0 and not failed:
        failed = ["ended with %d" % code]
    if skipped and os.environ.get("CI") == "true":
        failed += ["%s was skipped (CI must have all it needs)" % one for one in dict.fromkeys(skipped)]
        skipped = []
    return (passed, [("%s: %s" % (name, one), out) for one in failed],
            ["%s: %s" % (name, one) for one in dict.fromkeys(skipped)])


def run_unittest(path):
    """One Python test file, in a process of its own, which reports its result as JSON in its last line."""
    name = os.path.relpath(path, ROOT)
    code, out = shell([sys.executable, os.path.abspath(__file__), "--file", path])
    try:
        result = json.loads(out.rstrip().rsplit("\n", 1)[-1])
    except ValueError:
        return 0, [("%s: ended with %d" % (name, code), out)], []
    log = out.rstrip().rpartition("\n")[0]
    if result["report"]:
        print("---- %s\n%s" % (name, result["report"]), flush=True)
    return (result["passed"],
            [("%s: %s" % (name, test), text + "\n" + log) for test, text in result["failed"]],
            ["%s: %s" % (name, text) for text in result["skipped"]])


def file_main(path):
    """The child's side of run_unittest."""
    sys.path[:0] = [os.path.dirname(path)]
    module = os.path.basename(path)[:-3]
    suite = unittest.defaultTestLoader.loadTestsFromName(module)

    class Result(unittest.TestResult):
        def __init__(self):
            super().__init__()
            self.passed = 0
            self.subtests = {}

        def addSuccess(self, test):
            super().addSuccess(test)
            self.passed += 1

    result = Result()
    suite.run(result)
    print()
    print(json.dumps({
        "report": "\n".join(getattr(sys.modules.get(module), "REPORT", [])),  # what is worth reading when all passed, too
        "passed": result.passed,
        "failed": [(str(test), text) for test, text in result.failures + result.errors],
        "skipped": ["%s: %s" % (test, why) for test, why in result.skipped]}))


def fuzz_targets():
    return [os.path.basename(path)[:-2] for path in sorted(glob.glob(os.path.join(ROOT, "tests/fuzz/fuzz_*.c")))]


# Seeds in the public corpora beside the project (PASSERELLE_SHARED or ../shared), where they are there.
FUZZ_SHARED = {
    "fhir_json": ("fhir/samples/**/*.json", "fhir/mhd-package/compiled-4.2.4-current/*.json"),
    "fhir_xml": ("fhir/samples/**/*.xml",),
    "provide_bundle": ("fhir/mhd-package/compiled-4.2.4-current/Bundle-*.json",),
    "xds_message": ("xds/messages/**/*.xml",),
    "mtom": ("xds/messages/**/*",),
    "consent": ("fhir/pcf-package/compiled/Consent-*.json",),
}


def fuzz_seeds(target):
    """Files to replay: the project's own seeds, found crashes, and the public corpus."""
    topic = target[len("fuzz_"):]
    shared = os.environ.get("PASSERELLE_SHARED") or os.path.join(os.path.dirname(ROOT), "shared")
    patterns = [os.path.join(ROOT, "tests/fuzz/corpus", topic, "*"), os.path.join(ROOT, "tests/regression", topic, "*")]
    patterns += [os.path.join(shared, pattern) for pattern in FUZZ_SHARED.get(topic, ())]
    return sorted(path for pattern in patterns for path in glob.glob(pattern, recursive=True) if os.path.isfile(path))


def run_fuzz(target, seconds):
    """Replays the seeds of one target; with seconds > 0 goes on from them searching that long."""
    binary = os.path.join(ROOT, "build-fuzz", "tests/fuzz", target)
    found = os.path.join(ROOT, "build-fuzz", "found-" + target)
    corpus = os.path.join(ROOT, "build-fuzz", "corpus-" + target)
    seeds = fuzz_seeds(target)
    for directory in (found, corpus):
        os.makedirs(directory, exist_ok=True)
    command = [binary, "-timeout=25", "-rss_limit_mb=3000", "-artifact_prefix=" + found + "/"]
    if seconds:
        for number, path in enumerate(seeds):
            link = os.path.join(corpus, "seed-%04d" % number)
            if not os.path.exists(link):
                os.symlink(path, link)
        command += ["-max_len=65536", "-max_total_time=%d" % seconds, corpus]
    else:
        command += seeds
    if not seeds:
        return 0, [(target, "there is not one seed in tests/fuzz/corpus")], []
    code, out = shell(command, seconds + 900)
    if code != 0:
        return 0, [("%s (%s)" % (target, "fuzzing" if seconds else "replay"), out[-6000:])], []
    if not seconds and out.count("Executed ") != len(seeds):
        return 0, [(target, "replayed %d of %d seeds\n%s" % (out.count("Executed "), len(seeds), out[-2000:]))], []
    return 1, [], []


class Report:
    """Prints what happens as it happens, and the sum at the end."""

    def __init__(self):
        self.count = Count()
        self.stages = []

    def stage(self, name, jobs, workers):
        """Runs the jobs (function, argument...) side by side and prints the stage's line."""
        begin = time.monotonic()
        count = Count()
        with concurrent.futures.ThreadPoolExecutor(max(1, workers)) as pool:
            for passed, failed, skipped in pool.map(lambda job: job[0](*job[1:]), jobs):
                count.add(passed, failed, skipped)
                for test, text in failed:
                    print("---- FAILED %s\n%s" % (test, text.strip()))
                for text in skipped:
                    print("---- SKIPPED %s" % text)
        self.count.add(count.passed, count.failed, count.skipped)
        self.line(name, begin, "%d passed, %d failed, %d skipped" % (
            count.passed, len(count.failed), len(count.skipped)))

    def line(self, name, begin, text):
        line = "%-28s %5.1f min  %s" % (name, (time.monotonic() - begin) / 60, text)
        self.stages.append(line)
        print("== " + line, flush=True)

    def build(self, preset, *target):
        begin = time.monotonic()
        good = build(preset, *target)
        self.line("build " + preset, begin, "done" if good else "FAILED")
        if not good:
            self.count.add(failed=[("build " + preset, "")])
        return good

    def end(self):
        print("\nMinutes of each stage:")
        for line in self.stages:
            print("  " + line)
        for text in self.count.skipped:
            print("SKIPPED %s" % text)
        for test, _ in self.count.failed:
            print("FAILED %s" % test)
        print("%d passed, %d failed%s" % (self.count.passed, len(self.count.failed),
                                          ", %d skipped" % len(self.count.skipped) if self.count.skipped else ""))
        return 1 if self.count.failed or not self.count.passed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fuzz", type=int, default=0, metavar="SECONDS")
    parser.add_argument("--file", help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if options.file:
        return file_main(options.file)

    def chosen(pattern):
        paths = sorted(glob.glob(os.path.join(ROOT, pattern)))
        return [path for path in paths
                if not options.names or any(name in os.path.relpath(path, ROOT) for name in options.names)]

    report = Report()
    cores = os.cpu_count() or 1
    # The release build too: its optimiser sees mistakes that the sanitizer build does not warn of.
    if not report.build("release") or not report.build("sanitize"):
        return report.end()
    units = [os.path.join(ROOT, "build-sanitize/unit", os.path.basename(path)[:-2])
             for path in chosen("tests/unit/test_*.c")]
    report.stage("unit", [(run_unit, path) for path in units], cores)
    # clang-tidy takes minutes: CI runs it, and whoever names it.
    checks = [path for path in chosen("tests/checks/test_*.py")
              if options.names or os.environ.get("CI") == "true" or not path.endswith("test_tidy.py")]
    report.stage("checks", [(run_unittest, path) for path in checks], cores)
    report.stage("system", [(run_unittest, path) for path in chosen("tests/system/test_*.py")], cores)
    targets = [target for target in fuzz_targets()
               if not options.names or any(name in target for name in options.names)]
    if targets and report.build("fuzz", "--target", "fuzzers"):
        report.stage("fuzz corpus replay", [(run_fuzz, target, 0) for target in targets], cores)
        if options.fuzz:
            report.stage("fuzz %d s each" % options.fuzz, [(run_fuzz, target, options.fuzz) for target in targets],
                         cores)
    return report.end()


if __name__ == "__main__":
    sys.exit(main())
