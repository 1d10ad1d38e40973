#!/usr/bin/env python3
"""Is the README true?

Runs every command of its console blocks and compares what it prints; compares the table of
properties with the parser's own list, and the table of capacities with the channel files.
`--write` renews the two tables from README.md's own markers instead.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BYTES_A_MESSAGE = 128
DAYS = {"d": 1, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}


def run(command, upshot):
    with tempfile.TemporaryDirectory() as shelf:
        os.symlink(upshot, os.path.join(shelf, "upshot"))
        path = shelf + os.pathsep + os.environ["PATH"]
        done = subprocess.run(["bash", "-c", "set -o pipefail; " + command], cwd=ROOT, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env={**os.environ, "PATH": path}, timeout=120)
    return done.stdout, done.stderr


def config_rows(upshot):
    out, err = run("upshot check --properties", upshot)
    assert out, err
    rows = []
    for line in out.splitlines():
        name, default, text = line.split("\t")
        shown = f"`{default}`" if default else ""
        rows.append(f"| `{name}` | {shown} | {text.replace('|', chr(92) + '|')} |")
    return rows


def capacity_rows():
    rows = []
    for path in sorted((ROOT / "schemas" / "channels").glob("*.json")):
        channel = json.loads(path.read_text())
        kept = channel["retention"]
        days = int(kept[:-1]) * DAYS[kept[-1]]
        million = 2 ** 30 / BYTES_A_MESSAGE / days / 1e6
        rows.append(f"| {channel['channel']} | {kept} | {million:.1f} million |")
    return rows


def rows_under(text, head):
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith(head)) + 2
    rows = []
    while at < len(lines) and lines[at].startswith("|"):
        rows.append(lines[at])
        at += 1
    return rows


def console_blocks(text):
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        command, expected = None, []
        for line in block.splitlines(keepends=True):
            if line.startswith("$ "):
                if command:
                    yield command, "".join(expected)
                command, expected = line[2:].strip(), []
            else:
                expected.append(line)
        if command:
            yield command, "".join(expected)


def unknown_events():
    """Events that docs/set-ups.md lists and the program never says."""
    said = "".join(path.read_text() for path in (ROOT / "consumer").glob("*.[ch]"))
    listed = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "set-ups.md").read_text(), re.M)
    assert len(listed) > 20, listed
    return [event for event in listed if f'"{event}"' not in said]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upshot", required=True)
    parser.add_argument("--write", action="store_true", help="fill @CONFIG@ and @CAPACITY@")
    args = parser.parse_args()
    upshot = os.path.abspath(args.upshot)
    readme = ROOT / "README.md"
    text = readme.read_text()
    if args.write:
        text = text.replace("@CONFIG@", "\n".join(config_rows(upshot)))
        text = text.replace("@CAPACITY@", "\n".join(capacity_rows()))
        readme.write_text(text)
        return 0

    faults = commands = 0
    for command, expected in console_blocks(text):
        commands += 1
        out, err = run(command, upshot)
        if out != expected:
            faults += 1
            print(f"$ {command}\n--- the README says\n{expected}--- it prints\n{out}{err}")
    for head, rows in (("| property |", config_rows(upshot)), ("| channel | kept |",
                                                              capacity_rows())):
        if rows_under(text, head) != rows:
            faults += 1
            print(f"the table under \"{head}\" should be:\n" + "\n".join(rows))
    for event in unknown_events():
        faults += 1
        print(f"docs/set-ups.md lists {event}, which no line begins with")
    for path in re.findall(r"\]\(([^)#:]+)\)", text):
        if not (ROOT / path).exists():
            faults += 1
            print(f"README links to {path}, which is not there")
    print(f"README: {commands} commands, {faults} faults")
    return 1 if faults or commands < 4 else 0


if __name__ == "__main__":
    sys.exit(main())
