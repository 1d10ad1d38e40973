#!/usr/bin/env python3
"""Compares `upshot replay` with reference.py, seed by seed; exit 1 on the first difference.

    compare.py --upshot BIN [--seeds A-B] [--lives N] [--channels DIR]

Compared: outcomes (order of lines, order of fields, every value as it is written), dead letters
(reason, source, key, payload, headers), counts. Not compared: upshot-detail and the table's
digest, which are upshot's own, and where in a correction `supersedes` stands. Beside that, what
must hold of any run: the same bytes again, every line accounted for, revisions without gap, and
the same last verdicts for shuffled lines (DESIGN 9).
"""
import argparse
import base64
import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import generate  # noqa: E402
import reference  # noqa: E402

DAY = 24 * 3600 * 1000
SHUFFLE_MS = 10 * 60 * 1000
VARIANTS = [
    ["--files", "1"],
    ["--files", "2"],
    ["--files", "1", "--nasty"],
    ["--files", "2", "--nasty"],
    ["--files", "1", "--envelopes", "--partitions", "3"],
    ["--files", "2", "--envelopes", "--partitions", "3"],
    ["--files", "1", "--envelopes", "--nasty"],
    ["--files", "2", "--envelopes", "--partitions", "3", "--nasty"],
]
SHORT = ["--files", "2", "--envelopes", "--partitions", "2", "--short"]


class Difference(Exception):
    pass


class Run:
    """What one run of upshot left behind."""

    def __init__(self, upshot, folder, files, now, to_end):
        letters = Path(folder) / "dead_letters.jsonl"
        letters.unlink(missing_ok=True)
        self.command = [upshot, "replay", "--json", "--dead-letters", str(letters)]
        self.command += ["--now", reference.format_time(now)] if now is not None else []
        self.command += ["--to-end-of-time"] if to_end else []
        self.command += files
        done = subprocess.run(self.command, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False)
        errors = done.stderr.decode("utf-8", "replace")
        # 1 is "found something wrong": dead letters may count as that.
        if done.returncode not in (0, 1):
            raise Difference(f"exit code {done.returncode}:\n{errors[-3000:]}")
        self.out = done.stdout
        self.dead = letters.read_bytes() if letters.exists() else b""
        summaries = [line for line in errors.splitlines() if line.startswith("{")]
        if not summaries:
            raise Difference(f"no summary on stderr:\n{errors[-3000:]}")
        self.summary = json.loads(summaries[-1])


def lines_of(content):
    return [line for line in content.split(b"\n") if line]


def exact(line):
    """JSON with nothing lost: objects as (name, value) pairs, numbers as they are written."""
    reference.read_object(line)  # whatever upshot writes must be RFC 8259
    return json.loads(line, object_pairs_hook=lambda pairs: ("object", pairs),
                      parse_int=lambda text: ("number", text),
                      parse_float=lambda text: ("number", text))


def comparable_outcome(line):
    pairs = exact(line)[1]
    supersedes = [row for row in pairs if row[0] == "supersedes"]
    result = []
    for name, content in pairs:
        if name == "table":
            content = ("object", [(k, "digest" if k == "digest" else v) for k, v in content[1]])
        if name != "supersedes":
            result.append((name, content))
    return result + supersedes


def bytes_of(envelope, name):
    if envelope.get(name) is not None:
        return envelope[name].encode("utf-8", "surrogatepass")
    if envelope.get(name + "_b64") is not None:
        return base64.b64decode(envelope[name + "_b64"], validate=True)
    return None


def comparable_letter(line):
    reference.read_object(line)
    envelope = json.loads(line)
    headers = []
    for member in ("headers", "headers_b64"):
        cells = envelope.get(member, [])
        for name, content in zip(cells[::2], cells[1::2]):
            if content is not None and member == "headers_b64":
                content = base64.b64decode(content, validate=True)
            elif content is not None:
                content = content.encode()
            if name != "upshot-detail":
                headers.append((name, content))
    return [("headers", headers), ("key", bytes_of(envelope, "key")),
            ("payload", bytes_of(envelope, "payload"))]


def shown(line):
    text = line.decode("utf-8", "replace")
    return text if len(text) <= 1500 else text[:1500] + f"... ({len(text)} characters)"


def compare_lines(what, expected, found, comparable, inputs):
    for i in range(max(len(expected), len(found))):
        mine = comparable(expected[i]) if i < len(expected) else None
        try:
            theirs = comparable(found[i]) if i < len(found) else None
        except (ValueError, reference.NotJson) as error:
            raise Difference(f"{what} {i + 1} is no JSON: {error}\n{shown(found[i])}") from None
        if mine == theirs:
            continue
        story = [f"{what} {i + 1} (reference has {len(expected)}, upshot {len(found)})"]
        if mine and theirs:
            mine, theirs = dict(mine), dict(theirs)
            names = [n for n in {**mine, **theirs} if mine.get(n) != theirs.get(n)]
            story.append("fields: " + (", ".join(names) or "only their order"))
        for side, rows in (("reference", expected), ("upshot", found)):
            story.append(f"  {side}: " + (shown(rows[i]) if i < len(rows) else "nothing"))
        for side, rows in (("reference", expected), ("upshot", found)):
            if i < len(rows):
                story += context(side, rows[i], expected[:i], inputs)
        raise Difference("\n".join(story))


def context(side, line, before, inputs):
    """What was said and read of the message that differs."""
    message_id = json.loads(line).get("message_id") or json.loads(line).get("key")
    if not message_id:
        return []
    # As it may stand in a line: bare, or escaped once or twice.
    ways = {json.dumps(message_id)[1:-1].encode(), message_id.encode("utf-8", "surrogatepass")}
    ways |= {json.dumps(way.decode("utf-8", "replace"))[1:-1].encode() for way in list(ways)}
    story = [f"  said before of {side}'s message:"]
    story += ["    " + shown(row) for row in before if any(w in row for w in ways)][-6:]
    story.append(f"  lines of {side}'s message:")
    for path in inputs:
        rows = [(n, row) for n, row in enumerate(Path(path).read_bytes().split(b"\n"), 1)
                if any(w + b'"' in row or w + b'\\"' in row for w in ways)]
        story += [f"    {Path(path).name}:{n}: {shown(row)}" for n, row in rows[:25]]
    return story


def compare_counts(expected, found):
    for group in ("arrivals", "dead_letters"):
        for name, count in expected[group].items():
            if found.get(group, {}).get(name, 0) != count:
                raise Difference(f"{group}.{name}: reference {count}, upshot "
                                 f"{found.get(group, {}).get(name, 0)}")
    mine = {(c, o): n for c, row in expected["outcomes"].items() for o, n in row.items()}
    theirs = {(c, o): n for c, row in found.get("outcomes", {}).items() for o, n in row.items()
              if n}
    if mine != theirs:
        raise Difference(f"outcomes: reference {mine}\nupshot {theirs}")


def check_run(run, inputs):
    """What must hold of any run, whatever the reference says."""
    lines = sum(bool(line.strip(b" \t\r")) for path in inputs
                for line in Path(path).read_bytes().split(b"\n"))
    counted = sum(run.summary["arrivals"].values()) + sum(run.summary["dead_letters"].values())
    if counted != lines:
        raise Difference(f"{lines} lines, {counted} counted")
    revisions, digests = {}, {}
    for line in lines_of(run.out):
        outcome = json.loads(line)
        key = (outcome["source"]["partition"], outcome["channel"], outcome["message_id"])
        if outcome["revision"] not in (1, revisions.get(key, 0) + 1):
            raise Difference(f"a gap in the revisions: {shown(line)}")
        revisions[key] = outcome["revision"]
        digest = outcome["table"]["digest"]
        if len(digest) != 16 or digests.setdefault(outcome["channel"], digest) != digest:
            raise Difference(f"digest: {shown(line)}")


def last_verdicts(content):
    verdicts = {}
    for line in lines_of(content):
        o = json.loads(line)
        verdicts[o["source"]["partition"], o["channel"], o["message_id"]] = (
            o["outcome"], o["status"], o["send_seen"], o["conflict"])
    return verdicts


def shuffled(rng, path, out):
    """Lines in another order, none further than SHUFFLE_MS of record time from its place."""
    rows = sorted((json.loads(line)["ts"], line) for line in lines_of(Path(path).read_bytes()))
    windows, window = [], []
    for ts, line in rows:
        if window and ts - window[0][0] > SHUFFLE_MS:
            windows.append(window)
            window = []
        window.append((ts, line))
    windows.append(window)
    for window in windows:
        rng.shuffle(window)
    Path(out).write_bytes(b"".join(line + b"\n" for window in windows for _, line in window))
    return str(out)


def options_of(seed, lives, variant, options, out):
    return generate.parse(["--seed", str(seed), "--lives", str(lives), "--out", str(out),
                           "--channels", str(options.channels), *variant])


def compare_once(options, channels, seed, number, variant, folder):
    files = generate.generate(options_of(seed, options.lives, variant, options,
                                         Path(folder) / "in"))
    # Some runs end in the middle of their lives, and some know what time it is.
    to_end = (seed + number) % 3 != 0
    now = generate.START + 5 * DAY if (seed + number) % 4 == 1 else None
    expected = reference.Replay(channels, now)
    expected.run(files, to_end)
    run = Run(options.upshot, folder, files, now, to_end)
    try:
        compare_lines("dead letter", expected.dead_letters, lines_of(run.dead),
                      comparable_letter, files)
        compare_lines("outcome", expected.outcomes, lines_of(run.out), comparable_outcome, files)
        compare_counts(expected.summary(), run.summary)
        check_run(run, files)
        again = Run(options.upshot, folder, files, now, to_end)
        if (again.out, again.dead) != (run.out, run.dead):
            raise Difference("a second run gave other bytes")
    except Difference as difference:
        raise Difference(f"{' '.join(run.command)}\n{difference}") from None
    return len(expected.outcomes), len(expected.dead_letters)


def compare_shuffled(options, seed, folder):
    files = generate.generate(options_of(seed, options.lives, SHORT, options,
                                         Path(folder) / "straight"))
    straight = last_verdicts(Run(options.upshot, folder, files, None, True).out)
    rng = random.Random("shuffle %d" % seed)
    others = [shuffled(rng, path, Path(folder) / f"shuffled.{i}.jsonl")
              for i, path in enumerate(files, 1)]
    run = Run(options.upshot, folder, others, None, True)
    other = last_verdicts(run.out)
    for key in sorted(straight.keys() | other.keys()):
        if straight.get(key) != other.get(key):
            raise Difference(f"{' '.join(run.command)}\nlast verdict of {key}: "
                             f"{straight.get(key)}, shuffled {other.get(key)}")


def seeds_of(text):
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def main():
    parser = argparse.ArgumentParser(description="upshot replay against the reference")
    parser.add_argument("--upshot", required=True, metavar="BIN")
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of("1-5"), metavar="A-B")
    parser.add_argument("--lives", type=int, default=300)
    parser.add_argument("--channels", default=reference.CHANNELS_DIR)
    options = parser.parse_args()
    options.upshot = str(Path(options.upshot).resolve())
    channels = reference.load_channels(options.channels)
    if not channels:
        parser.error(f"{options.channels}: no channel files there")

    outcomes = letters = 0
    for seed in options.seeds:
        for number, variant in enumerate(VARIANTS + [SHORT]):
            folder = tempfile.mkdtemp(prefix="upshot-compare-")
            try:
                if variant is SHORT:
                    compare_shuffled(options, seed, folder)
                else:
                    said, buried = compare_once(options, channels, seed, number, variant, folder)
                    outcomes, letters = outcomes + said, letters + buried
            except Difference as difference:
                print(f"seed {seed}, lives {options.lives}, {' '.join(variant)}: differs\n"
                      f"files kept in {folder}\n{difference}")
                return 1
            shutil.rmtree(folder)
    print(f"seeds {options.seeds[0]} to {options.seeds[-1]}: {outcomes} outcomes and {letters} "
          f"dead letters, no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
