#!/usr/bin/env python3
"""The rules of the house that no compiler holds, each proven over the whole tree.

    tests/house/check.py [--root DIR] [--build DIR --ctest CTEST] [--cc CC]

Prints one line a fault, file and line first, and ends with 1 where there is any. --build says
where CMake configured the tree; without it, nothing can be said about which tests are registered,
and that is a fault too.
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

ROOMS = ("statemachine", "schemas", "consumer")

# DESIGN 6. No clock, no I/O, no JSON, no Kafka: what is left of the C library is memory, strings
# and numbers. stdio.h is there for snprintf alone; core_symbols() sees anything else of it.
CORE_HEADERS = {
    "errno.h", "float.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h",
    "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h", "string.h",
}
SCHEMAS_NEVER = re.compile(r"^(librdkafka/|rdkafka|microhttpd|pthread\.h|sys/socket\.h|netdb\.h)")

MEMORY = {"malloc", "calloc", "realloc", "reallocarray", "aligned_alloc", "posix_memalign", "free"}
CORE_SYMBOLS = MEMORY | {
    "memcmp", "memcpy", "memmove", "memset", "memchr",
    "strcmp", "strlen", "strncmp", "strnlen", "strchr", "strrchr",
    "snprintf", "vsnprintf", "qsort", "bsearch", "abort",
    "require_failed",
}
# A step has no memory but what it is given (DESIGN 6).
WITHOUT_MEMORY = ("step.c", "record.c", "watermark.c")

# Written so that none of these lines finds itself.
MACHINE_PATHS = re.compile(
    r"(?<![\w.$}/-])/(?:[w]ork|[r]oot|[h]ome/\w+|[U]sers/\w+)\b(?![-.]\w)"
    r"|(?<![\w.$}/-])/[t]mp/(?!upshot)\w|\.\./[s]hared\b")
REGISTRIES = re.compile(
    r"\b(?:repo1?[.](?:maven|maven[.]apache)[.]org|maven[.]org|registry[.](?:npmjs|yarnpkg)[.]\w+"
    r"|(?:test[.])?pypi[.](?:org|python[.]org)|(?:files[.])?pythonhosted[.]org|crates[.]io"
    r"|(?:deb|security|snapshot|archive)[.](?:debian|ubuntu)[.](?:org|com)"
    r"|(?:registry-1[.]|hub[.]|index[.])?docker[.](?:io|com)|ghcr[.]io|quay[.]io|gcr[.]io"
    r"|proxy[.]golang[.]org|rubygems[.]org|packages[.]confluent[.]io|[\w-]+[.]jfrog[.]io)\b")

COLUMNS = 100

STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


class House:
    def __init__(self, root):
        self.root = root
        self.faults = []
        self.files = self.list_files()

    def fault(self, path, line, words):
        where = f"{path}:{line}" if line else str(path)
        self.faults.append(f"{where}: {words}")

    def list_files(self):
        """What is tracked or would be: a fault is found before it is committed, too."""
        command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                   "--exclude-standard"]
        found = subprocess.run(command, cwd=self.root, capture_output=True, check=False)
        if found.returncode == 0 and found.stdout:
            names = [name for name in found.stdout.decode().split("\0") if name]
        else:  # an unpacked archive: no git here
            names = [str(path.relative_to(self.root)) for path in self.root.rglob("*")
                     if path.relative_to(self.root).parts[0] not in ("build", ".git")]
        paths = sorted(set(map(pathlib.PurePosixPath, names)))
        return [path for path in paths if (self.root / path).is_file()]

    def read(self, path):
        return (self.root / path).read_bytes().decode("utf-8", errors="replace")

    def lines(self, path):
        return enumerate(self.read(path).split("\n"), start=1)

    def c_files(self):
        return [path for path in self.files if path.suffix in (".c", ".h", ".def")]

    def room_files(self, room):
        return [path for path in self.c_files() if path.parts[0] == room]


def arrows(house):
    """consumer -> schemas -> statemachine, never back (DESIGN 6)."""
    include = re.compile(r'^\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)')
    below = {"statemachine": ("statemachine",), "schemas": ("statemachine", "schemas")}
    for path in house.c_files():
        room = path.parts[0]
        for number, line in house.lines(path):
            match = include.match(line)
            if not match:
                continue
            own, foreign = match.groups()
            if own is not None:
                if not (house.root / own).is_file() and "/" in own or "/" not in own:
                    house.fault(path, number, f'"{own}" is no path from the root of the project')
                elif room in below and own.split("/")[0] not in below[room]:
                    house.fault(path, number, f'{room} includes "{own}": the arrow points back')
            elif foreign.split("/")[0] in ROOMS:
                house.fault(path, number, f"<{foreign}> is ours: quote it")
            elif room == "statemachine" and foreign not in CORE_HEADERS:
                house.fault(path, number, f"statemachine includes <{foreign}>: not one of the "
                                          "C headers that need neither a clock nor a world")
            elif room == "schemas" and SCHEMAS_NEVER.match(foreign):
                house.fault(path, number, f"schemas includes <{foreign}>: only the consumer "
                                          "touches the world")


def symbols(obj, *flags):
    found = subprocess.run(["nm", "-P", *flags, str(obj)], capture_output=True, text=True,
                           check=True)
    rows = [line.split()[:2] for line in found.stdout.splitlines() if line.strip()]
    return [(name.split("@")[0], kind) for name, kind in rows]


def core_symbols(house, cc):
    """What the core asks of the world, as its objects tell it; an include could lie."""
    sources = [path for path in house.room_files("statemachine") if path.suffix == ".c"]
    if not sources:
        house.fault("statemachine", 0, "no source at all: this check would prove nothing")
        return
    objects = {}
    with tempfile.TemporaryDirectory(prefix="upshot-house-") as scratch:
        for path in sources:
            obj = pathlib.Path(scratch) / (path.stem + ".o")
            # Compiled here and plainly, so that no sanitizer or optimiser adds a symbol.
            done = subprocess.run(
                [cc, "-std=c11", "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-O1", "-fno-pic",
                 "-fno-lto", "-fno-stack-protector", "-I", str(house.root), "-c",
                 str(house.root / path), "-o", str(obj)],
                capture_output=True, text=True, check=False)
            if done.returncode != 0:
                house.fault(path, 0, "does not compile: " + done.stderr.strip().split("\n")[0])
                continue
            objects[path] = symbols(obj)
    own = {name for rows in objects.values() for name, kind in rows if kind in "TRVW"}
    for path, rows in objects.items():
        for name, kind in rows:
            if kind in "UVvw" and name not in own:
                if name not in CORE_SYMBOLS:
                    house.fault(path, 0, f"asks the world for {name}()")
                elif name in MEMORY and path.name in WITHOUT_MEMORY:
                    house.fault(path, 0, f"asks for memory by {name}(): a step has none")
            elif kind in "BbDdC":
                house.fault(path, 0, f"{name} is a variable that outlives a call: the core's only "
                                     "memory is what it is given")


def registered_tests(house, build, ctest):
    if not build:
        house.fault("tests", 0, "no --build: cannot tell which tests are registered")
        return
    found = subprocess.run([ctest, "-N", "--show-only=json-v1", "--test-dir", str(build)],
                           capture_output=True, text=True, check=False)
    if found.returncode != 0:
        house.fault(build, 0, "ctest -N fails: " + found.stderr.strip())
        return
    known = {test["name"] for test in json.loads(found.stdout)["tests"]}
    for path in house.files:
        if path.parts[0] != "tests" or len(path.parts) < 2:
            continue
        name = None
        if len(path.parts) == 2 and path.name.endswith("_test.c"):
            name = path.stem
        elif path.parts[1] == "broker" and path.name.startswith("test_"):
            name = "broker_" + path.stem[len("test_"):]
        elif path.parts[1] == "fuzz" and path.name.endswith("_fuzz.c"):
            name = "fuzz"
        if name and name not in known:
            house.fault(path, 0, f"is not among the tests that ctest knows ({name})")


def commands(house):
    """One file a command (DESIGN 7)."""
    listed = re.compile(r'^\s*COMMAND\(\s*(\w+)\s*,\s*"([^"]+)"')
    words = set()
    for number, line in house.lines(pathlib.PurePosixPath("consumer/command.def")):
        match = listed.match(line)
        if not match:
            continue
        words.add(match.group(2))
        if not (house.root / f"consumer/command_{match.group(2)}.c").is_file():
            house.fault("consumer/command.def", number,
                        f"there is no consumer/command_{match.group(2)}.c")
    if not words:
        house.fault("consumer/command.def", 0, "lists no command: this check would prove nothing")
    for path in house.room_files("consumer"):
        match = re.fullmatch(r"command_(\w+)\.c", path.name)
        if match and match.group(1) not in words:
            house.fault(path, 0, "is not in consumer/command.def")


def arguments(text, start):
    """The arguments of a call, from behind its parenthesis, each as the source has it."""
    found, depth, begin, at = [], 1, start, start
    while depth:
        if text[at] == '"':
            at = STRING.match(text, at).end()
            continue
        depth += (text[at] in "([{") - (text[at] in ")]}")
        if depth == 0 or depth == 1 and text[at] == ",":
            found.append(text[begin:at])
            begin = at + 1
        at += 1
    return found


def log_formats(house):
    """A log line is pairs, and only a conversion brings in what is not ours (log_text.h)."""
    call = re.compile(r"\blog_(error|warn|info|debug|line|seldom)\(")
    literal = re.compile(STRING.pattern + "|(PRI[dux]64)")
    one = r"%(?:s|\.\*s|\d*(?:l|ll|z)?[dux])"
    pair = rf'([a-z][a-z0-9_.]*)=(?:"(?:[^"%\\]|{one})*"|(?:[^"%\s=]|{one})+)'
    pairs = re.compile(rf"{pair}(?: {pair})*")
    directive = re.compile(r"^#\s*(?:define|include|undef)\b.*[^\\\n]$", re.MULTILINE)
    for path in house.room_files("consumer"):
        # A list's pairs, which a .def file puts in, are not seen here.
        text = directive.sub(lambda match: " " * len(match.group(0)), house.read(path))
        for match in call.finditer(text):
            if path.name in ("log.c", "log.h"):
                continue
            at = {"line": 2, "seldom": 3}.get(match.group(1), 1)
            pieces = literal.findall(arguments(text, match.end())[at])
            words = "".join("ll" + macro[3] if macro else string for string, macro in pieces)
            words = words.replace('\\"', '"')
            line = text.count("\n", 0, match.start()) + 1
            if not pairs.fullmatch(words):
                house.fault(path, line, f"a log line is key=%s or key=\"%s\", not: {words}")
            for key in re.findall(pair, words):
                if key in ("event", "level", "time", "unsaid"):
                    house.fault(path, line, f"{key}= is the log's own")


def strange_places(house):
    """Nothing of the machine that it was written on, and no registry by name."""
    for path in house.files:
        raw = (house.root / path).read_bytes()
        if b"\0" in raw:
            continue
        for number, line in enumerate(raw.decode("utf-8", errors="replace").split("\n"), start=1):
            for what, pattern in (("a path of somebody's machine", MACHINE_PATHS),
                                  ("a package registry", REGISTRIES)):
                match = pattern.search(line)
                if match:
                    house.fault(path, number, f"{match.group(0)} is {what}")


def manner(house):
    assertion = re.compile(r"(?<![\w\"])assert\s*\(|#\s*include\s*<assert\.h>")
    for path in house.c_files():
        text = house.read(path)
        if text and not text.endswith("\n"):
            house.fault(path, 0, "does not end with a newline")
        for number, line in house.lines(path):
            if "\t" in line:
                house.fault(path, number, "has a tab")
            if "\r" in line:
                house.fault(path, number, "has a carriage return")
            elif line != line.rstrip():
                house.fault(path, number, "ends in white space")
            if len(line) > COLUMNS:
                house.fault(path, number, f"has {len(line)} columns, {COLUMNS} are the limit")
            if assertion.search(line):
                house.fault(path, number, "asserts: use require() (statemachine/require.h)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--build", type=pathlib.Path)
    parser.add_argument("--ctest", default="ctest")
    parser.add_argument("--cc", default="cc")
    options = parser.parse_args()

    house = House(options.root.resolve())
    try:
        arrows(house)
        core_symbols(house, options.cc)
        registered_tests(house, options.build, options.ctest)
        commands(house)
        log_formats(house)
        strange_places(house)
        manner(house)
    except FileNotFoundError as missing:
        packages = {"nm": "binutils", "git": "git", "cc": "gcc", "ctest": "cmake"}
        name = pathlib.PurePath(str(missing.filename)).name
        house.fault(name, 0, "is missing (apt-get install " + packages.get(name, name) + ")")
    for words in house.faults:
        print(words)
    print(f"house: {len(house.files)} files, {len(house.faults)} faults")
    return 1 if house.faults else 0


if __name__ == "__main__":
    sys.exit(main())
