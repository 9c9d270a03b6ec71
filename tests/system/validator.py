"""The FHIR validator of HAPI (tests/validator), an independent judge of the resources that the gateway makes."""
import fcntl
import json
import os
import shutil
import subprocess

import support

DIRECTORY = os.path.join(support.ROOT, "tests/validator")
CLASSES = os.path.join(DIRECTORY, "target/classes")
LIBRARIES = os.path.join(DIRECTORY, "target/lib")


def build():
    """Compiles the validator and fetches its Maven packages, once."""
    if not shutil.which("java") or not shutil.which("mvn"):
        support.absent("Java and Maven are not installed, so no FHIR validator by others can run")
    source = os.path.join(DIRECTORY, "src/main/java/validator/Validator.java")
    built = os.path.join(CLASSES, "validator/Validator.class")
    newest = max(os.path.getmtime(source), os.path.getmtime(os.path.join(DIRECTORY, "pom.xml")))
    with open(os.path.join(DIRECTORY, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(built) and os.path.getmtime(built) > newest:
            return
        done = subprocess.run(["mvn", "-q", "-B", "clean", "compile", "dependency:copy-dependencies",
                               "-DoutputDirectory=target/lib"], cwd=DIRECTORY, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            support.absent("Maven could not build the FHIR validator: " + " ".join(done.stdout.split())[:300])


def errors(resources, directory, profiles=()):
    """What the validator objects to: resources maps a name to a resource (a dict, or FHIR text), directory takes the
    files, profiles are directories with the StructureDefinitions that meta.profile may name. Empty: all are valid."""
    build()
    files = []
    for name, resource in resources.items():
        text = resource if isinstance(resource, str) else json.dumps(resource)
        files.append(os.path.join(directory, name + (".xml" if text.lstrip().startswith("<") else ".json")))
        with open(files[-1], "w", encoding="utf-8") as file:
            file.write(text)
    command = ["java", "-Xmx900m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
               CLASSES + ":" + os.path.join(LIBRARIES, "*"), "validator.Validator"]
    for each in profiles:
        command += ["--profiles", each]
    done = subprocess.run(command + files, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise AssertionError("the validator does not run: " + done.stderr[:500])
    found = [line[len(directory) + 1:] for line in done.stdout.split("\n") if line.startswith(directory)]
    return [line for line in found if line.split(" ")[1] in ("error", "fatal")]
