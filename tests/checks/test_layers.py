"""Who may use whom. CMake lets a room see only the rooms it links to; these tests look at what the compiler really
read (ninja's dependency log) and at what the mappers really import."""
import os
import re
import subprocess
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, "build-sanitize")

# room: rooms whose headers it may read. No cycle; gateway/run/config.def is read by its own room only.
ROOMS = {
    "profiles": "",
    "mappers": "profiles",
    "gateway/run": "mappers profiles",
    "gateway/state": "gateway/run mappers profiles",
    "gateway/http": "gateway/run mappers profiles",
    "gateway/soap": "gateway/http gateway/run mappers profiles",
    "gateway/south": "gateway/run mappers profiles",
    "gateway/domain": "gateway/soap gateway/http gateway/state gateway/run mappers profiles",
    "gateway/access": "gateway/south gateway/state gateway/run mappers profiles",
    "gateway/audit": "gateway/south gateway/state gateway/run mappers profiles",
    "gateway/delivery": "gateway/access gateway/audit gateway/south gateway/run gateway/state mappers profiles",
    "gateway/transactions": "gateway/delivery gateway/access gateway/audit gateway/south gateway/run gateway/state "
                            "mappers profiles",
    "gateway/north": "gateway/http gateway/transactions gateway/delivery gateway/access gateway/audit gateway/south "
                     "gateway/run gateway/state mappers profiles",
    "gateway/community": "gateway/soap gateway/http gateway/transactions gateway/delivery gateway/access gateway/audit "
                         "gateway/south gateway/run gateway/state mappers profiles",
}
ROOMS["gateway/cli"] = " ".join(ROOMS)
ROOMS["gateway"] = " ".join(ROOMS)          # main.c

# Headers of rooms that not all of a room's visitors may read.
PRIVATE = {
    "gateway/south/unchecked.h": "gateway/south gateway/access",   # nothing leaves a back-end past consent
}

# A library's header: rooms that may read it, directly or through another header.
LIBRARIES = {
    "microhttpd.h": "gateway/http",
    "curl/curl.h": "gateway/south",
    "sqlite3.h": "gateway/state",
    "libpq-fe.h": "gateway/state",
    "yaml.h": "gateway/run",
    "hiredis/hiredis.h": "gateway/state",
    "hiredis/read.h": "gateway/state",
    "cjose/cjose.h": "gateway/access",
    "xmlsec/xmlsec.h": "gateway/soap gateway/south gateway/run",
    "gnutls/gnutls.h": "gateway/http",
    "openssl/ssl.h": "gateway/state gateway/audit gateway/south",
    "openssl/evp.h": "gateway/run gateway/state gateway/soap gateway/south gateway/domain gateway/access gateway/audit "
                     "gateway/transactions",
    "libxml/parser.h": "mappers gateway/soap gateway/south gateway/run",   # the last three: by xmlsec, for signatures
    "libxml/tree.h": "mappers gateway/soap gateway/south gateway/run",
}

# The mappers are pure: they import memory, strings, formatting and the in-memory parts of two libraries.
MAPPERS_MAY_IMPORT = re.compile(r"""^(?:
    mem(?:cpy|move|set|cmp|chr|rchr|mem)|str(?:len|nlen|chr|rchr|cmp|ncmp|casecmp|ncasecmp|str|spn|cspn|pbrk)
    |malloc|calloc|realloc(?:array)?|free|abort|__assert_fail|qsort|bsearch|v?snprintf|__stack_chk_fail|__errno_location
    |__(?:asan|ubsan|sanitizer)_\w+|_GLOBAL_OFFSET_TABLE_
    |__(?:mem|str|v?snprintf)\w*_chk|__ctype_b_loc
    |json_(?!load_file|load_callback|loadf|loadfd|dump_file|dumpf|dumpfd|object_seed|set_alloc_funcs)\w+|jsonp_\w+
    |xml(?:CreatePushParserCtxt|CreateMemoryParserCtxt|ParseChunk|ParseDocument|FreeParserCtxt|CtxtUseOptions
        |CtxtResetPush|StopParser|SAXVersion|Strlen|FreeDoc|CtxtGetLastError|ByteConsumed|SAX2\w+|CtxtReadMemory
        |GetLastError|ResetLastError|SwitchEncoding|InitParser)
)$""", re.X)


def room_of(path):
    """The room of a file, or None for files outside the rooms."""
    parts = path.split("/")
    if parts[0] == "gateway":
        return "gateway/" + parts[1] if len(parts) > 2 else "gateway"
    return parts[0] if parts[0] in ("mappers", "profiles") else None


def dependencies():
    """(source, [files it read]) of every object, paths relative to the root where they are inside."""
    out = subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], capture_output=True, text=True, check=True).stdout
    for block in out.split("\n\n"):
        lines = [line.strip() for line in block.split("\n") if line.startswith("    ")]
        files = []
        for line in lines:
            path = os.path.realpath(os.path.join(BUILD, line))
            files.append(os.path.relpath(path, ROOT) if path.startswith(ROOT + "/") else path)
        if files and files[0].endswith(".c"):
            yield files[0], files[1:]


class Layers(unittest.TestCase):
    maxDiff = None

    def test_rooms(self):
        wrong = set()
        seen = 0
        for source, files in dependencies():
            room = room_of(source)
            if room is None:
                continue
            seen += 1
            allowed = ROOMS[room].split() + [room]
            for path in files:
                if room_of(path) is not None and room_of(path) not in allowed:
                    wrong.add("%s (%s) reads %s" % (source, room, path))
        self.assertGreater(seen, 3)
        self.assertEqual(sorted(wrong), [])

    def test_private_headers(self):
        wrong = ["%s reads %s" % (source, path) for source, files in dependencies() for path in files
                 if path in PRIVATE and room_of(source) and room_of(source) not in PRIVATE[path].split()]
        self.assertEqual(wrong, [])

    def test_libraries(self):
        wrong = set()
        for source, files in dependencies():
            room = room_of(source)
            for path in files:
                for header, rooms in LIBRARIES.items():
                    if room and path.startswith("/") and path.endswith("/" + header) and room not in rooms.split():
                        wrong.add("%s reads <%s>, which stops in %s" % (source, header, rooms))
        self.assertEqual(sorted(wrong), [])

    def test_mappers_are_pure(self):
        archive = os.path.join(BUILD, "libmappers.a")

        def names(option):
            return set(subprocess.run(["nm", option, "--format=just-symbols", archive], capture_output=True, text=True,
                                      check=True).stdout.split()) - {""}

        own = names("--defined-only")
        foreign = {name for name in names("--undefined-only") - own if not name.endswith(".o:")}
        self.assertIn("malloc", foreign)
        self.assertEqual(sorted(name for name in foreign if not MAPPERS_MAY_IMPORT.match(name)), [])

    def test_mappers_hold_no_state(self):
        """No writable data: everything that is not constant would be a global."""
        out = subprocess.run(["nm", "--defined-only", "--format=sysv", os.path.join(BUILD, "libmappers.a")],
                             capture_output=True, text=True, check=True).stdout
        rows = [[cell.strip() for cell in line.split("|")] for line in out.split("\n")]
        wrong = [row[0] + " in " + row[6] for row in rows
                 if len(row) == 7 and re.match(r"\.(data(?!\.rel\.ro)|bss|tbss|tdata)|\*COM\*", row[6])
                 and not re.match(r"__asan|\.?L|_?\.?LASAN|__odr_asan|__UNIQUE", row[0])]
        self.assertEqual(wrong, [])
