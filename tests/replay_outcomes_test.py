#!/usr/bin/env python3
"""What replay promises from outside: outcomes that fit their schema, the same bytes twice, every
line accounted for, a summary that says so, and an exit code."""
import argparse
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def upshot(binary, *words, stdin=b""):
    done = subprocess.run([binary, *words], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=300)
    return done.returncode, done.stdout, done.stderr.decode()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upshot", required=True)
    binary = parser.parse_args().upshot
    faults = []

    def claim(words, shown):
        print(("ok      " if shown else "NOT SO  ") + words)
        if not shown:
            faults.append(words)

    code, events, _ = upshot(binary, "gen", "--lives", "2000", "--seed", "7", "--bad", "20")
    claim("gen gives the same events for the same seed",
          upshot(binary, "gen", "--lives", "2000", "--seed", "7", "--bad", "20")[1] == events)
    with tempfile.TemporaryDirectory() as shelf:
        letters = os.path.join(shelf, "letters.jsonl")
        words = ("replay", "--json", "--to-end-of-time", "--dead-letters", letters, "-")
        code, first, said = upshot(binary, *words, stdin=events)
        summary = json.loads(said.splitlines()[-1])
        lines = events.count(b"\n")
        claim("exit code 0", code == 0)
        claim("every line is in one class, or a dead letter",
              sum(summary["arrivals"].values()) + sum(summary["dead_letters"].values()) == lines)
        with open(letters, "rb") as file:
            claim("every dead letter is in the file",
                  file.read().count(b"\n") == sum(summary["dead_letters"].values()) > 0)
        claim("every outcome is counted", first.count(b"\n") == sum(
            count for channel in summary["outcomes"].values() for count in channel.values()))
        claim("a second replay gives the same bytes",
              upshot(binary, *words, stdin=events)[1] == first)
        outcomes = os.path.join(shelf, "outcomes.jsonl")
        with open(outcomes, "wb") as file:
            file.write(first)
        source = os.path.join(shelf, "events.jsonl")
        with open(source, "wb") as file:
            file.write(events)
        checked = subprocess.run([sys.executable, os.path.join(HERE, "schema_check.py"),
                                  "--outcomes", outcomes], stdout=subprocess.PIPE, text=True)
        print(checked.stdout, end="")
        claim("every outcome fits schemas/outcome.schema.json", checked.returncode == 0)
        claim("a file gives what standard input gives, but for its name", upshot(
            binary, "replay", "-q", "--to-end-of-time", source)[1].replace(
                json.dumps(source).encode(), b'"-"') == first)
        with open(letters, "rb") as file:
            before = file.read()
        code, _, said = upshot(binary, "replay", "-q", "--dead-letters", letters, "/nowhere/at/all")
        with open(letters, "rb") as file:
            claim("a file that is not there costs no older dead letters",
                  code == 3 and file.read() == before)
        code, _, said = upshot(binary, "replay", "-q", "--dead-letters", source, source)
        claim("dead letters do not overwrite an input, exit 2",
              code == 2 and os.path.getsize(source) == len(events))
        code, _, said = upshot(binary, "check", "-F", shelf)
        claim("a directory is no configuration, exit 2", code == 2 and shelf in said)
        keyed = os.path.join(shelf, "keyed.jsonl")
        upshot(binary, "replay", "-q", "--dead-letters", keyed, "-", stdin=(
            b'{"type":"send","message_id":"m-1","channel":"fax","at":"2026-11-23T10:00:00Z"}\n'))
        with open(keyed, "rb") as file:
            claim("a bare line's dead letter has its id as its key",
                  json.loads(file.read())["key"] == "m-1")
    code, _, said = upshot(binary, "replay", "-q", "-", "-")
    claim("standard input is read only once, exit 2", code == 2)
    code, _, said = upshot(binary, "run", "--dry-run", "-X", "app.id=a/b")
    claim("a name that cannot be a topic is refused, exit 2", code == 2 and "a/b.state" in said)
    with open("/dev/full", "wb") as full:
        done = subprocess.run([binary, "check"], stdout=full, stderr=subprocess.PIPE, timeout=60)
    claim("a disk that is full is no success, exit 3", done.returncode == 3)
    code, _, said = upshot(binary, "replay", "/nowhere/at/all")
    claim("a file that is not there is named, exit 3", code == 3 and "/nowhere/at/all" in said)
    code, _, said = upshot(binary, "replay", "-X", "idle.aftr=3s", "-", stdin=b"")
    claim("an unknown property names the nearest, exit 2", code == 2 and "idle.after" in said)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
