#!/usr/bin/env python3
"""Do examples/analytics count the outcomes that count, in DuckDB and in a real PostgreSQL?

    script/python tests/analytics_test.py [--write]

--write makes docs/analytics anew instead: the page of a generated day, which the test compares.
"""
import collections
import json
import math
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

import numpy
import PIL.Image
import psycopg

import postgres

ROOT = pathlib.Path(__file__).resolve().parent.parent
ANALYTICS = ROOT / "examples" / "analytics"
DOCS = ROOT / "docs" / "analytics"
UPSHOT = os.environ.get("UPSHOT", str(ROOT / "build" / "release" / "upshot"))
SEED = 8
DAY_MS = 24 * 60 * 60 * 1000
START_MS = 1795428000000  # 2026-11-23T10:00:00Z
PATIENCE_S = 120

sys.path.insert(0, str(ANALYTICS))
import report  # noqa: E402

COLUMNS = ("channel, message_id, life, revision, send_seen, outcome, status, phase, settled_by, "
           "settled_at, conflict, sent_at, status_at, latency_ms, reason, "
           "CAST(timeline AS varchar), CAST(attributes AS varchar)")


def replay(events):
    return subprocess.run([UPSHOT, "replay", "-q", "--to-end-of-time", "-"], input=events,
                          stdout=subprocess.PIPE, check=True).stdout.splitlines(keepends=True)


def generated(*options):
    return replay(subprocess.run([UPSHOT, "gen", *options], stdout=subprocess.PIPE,
                                 check=True).stdout)


def write_page(into):
    with tempfile.TemporaryDirectory() as scratch:
        outcomes = pathlib.Path(scratch) / "outcomes.jsonl"
        outcomes.write_bytes(b"".join(generated("--seed", str(SEED), "--lives", "60000", "--rate",
                                                "0.25", "--stretch", "3h")))
        report.write(report.load([outcomes]), [outcomes.name], into)


def the_one_that_counts(outcomes):
    """The rule by lives as whole things: of those that saw the send, or else of all, the first;
    of that one the last revision. Slower than the one order that SQL uses, and made apart."""
    lives = collections.defaultdict(lambda: collections.defaultdict(list))
    for outcome in outcomes:
        lives[outcome["channel"], outcome["message_id"]][outcome["life"]].append(outcome)
    for message in lives.values():
        seen = [life for life, told in message.items() if any(one["send_seen"] for one in told)]
        yield max(message[min(seen or message)], key=lambda one: one["revision"])


def keys(outcomes):
    return sorted((one["channel"], one["message_id"], one["life"], one["revision"])
                  for one in outcomes)


def comparable(rows):
    """As sets, and JSON by what it says: DuckDB writes it anew, PostgreSQL keeps the bytes."""
    def said(cell):
        if isinstance(cell, str) and cell[:1] in "[{":
            return json.dumps(json.loads(cell), sort_keys=True)
        return repr(cell)
    return sorted(tuple(map(said, row)) for row in rows)


def duckdb_of(lines):
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        file.writelines(lines)
        file.flush()
        return report.load([file.name])


# One message a story: what happens in it (day, send or status), and which outcome counts: life by
# its day, revision. push forgets 48 hours after it settled, and holds orphans for ten minutes.
STORIES = (
    ("a correction", [(0, "send"), (.01, "UNREGISTERED"), (.02, "SENT")], (0, 2)),
    ("a send that came too late to be first", [(0, "SENT"), (.5, "send")], (0, 2)),
    ("a life without a send, then one with", [(0, "SENT"), (9, "send"), (9.01, "SENT")], (9, 1)),
    ("a late word about a forgotten message", [(0, "send"), (.01, "UNREGISTERED"), (9, "SENT")],
     (0, 1)),
    ("two lives without any send", [(0, "UNREGISTERED"), (9, "SENT")], (0, 1)),
    ("two lives with a send", [(0, "send"), (.01, "SENT"), (9, "send")], (0, 1)),
    ("more revisions in a life that does not count",
     [(0, "send"), (.01, "SENT"), (9, "NOT_SENT"), (9.5, "UNREGISTERED"), (9.6, "SENT")], (0, 1)),
)


def stories():
    events = []
    for number, (_, happenings, _) in enumerate(STORIES):
        for day, word in happenings:
            event = {"type": "send" if word == "send" else "receipt", "message_id": f"m-{number}",
                     "channel": "push", "at": START_MS + round(day * DAY_MS)}
            if word != "send":
                event["status"] = word
            events.append(event)
    # Something else goes on every day: without it no time would pass.
    events += [{"type": "send", "message_id": f"day-{day}", "channel": "sms",
                "at": START_MS + day * DAY_MS + 1} for day in range(1, 20)]
    events.sort(key=lambda event: event["at"])
    return replay("".join(json.dumps(event) + "\n" for event in events).encode())


def expected_of_stories():
    return sorted(("push", f"m-{number}", START_MS + life * DAY_MS, revision)
                  for number, (_, _, (life, revision)) in enumerate(STORIES))


class Page(unittest.TestCase):
    def test_docs_are_what_the_seed_gives(self):
        again = "script/python tests/analytics_test.py --write makes docs/analytics anew"
        with tempfile.TemporaryDirectory() as scratch:
            made = pathlib.Path(scratch)
            write_page(made)
            self.assertEqual((made / "report.md").read_text(encoding="utf-8"),
                             (DOCS / "report.md").read_text(encoding="utf-8"), again)
            self.assertEqual(sorted(path.name for path in made.iterdir()),
                             sorted(path.name for path in DOCS.iterdir()), again)
            for path in made.glob("*.png"):
                self.same_picture(path, DOCS / path.name, again)

    def same_picture(self, one, other, again):
        """Pixel by pixel, and not byte by byte: another processor may round an edge otherwise."""
        one, other = (numpy.asarray(PIL.Image.open(path).convert("RGB"), dtype=int)
                      for path in (one, other))
        self.assertEqual(one.shape, other.shape, again)
        self.assertLess((abs(one - other) > 8).mean(), .0005, again)

    def test_every_query_is_on_the_page(self):
        self.assertEqual(sorted(section[0] for section in report.SECTIONS), report.queries())


class Rule(unittest.TestCase):
    def test_stories_tell_what_counts_in_duckdb(self):
        rows = duckdb_of(stories()).execute(
            "SELECT channel, message_id, life, revision FROM latest WHERE channel = 'push'")
        self.assertEqual(sorted(rows.fetchall()), expected_of_stories())

    def test_stories_hold_all_that_the_rule_is_about(self):
        told = [json.loads(line) for line in stories()]
        self.assertEqual(keys(one for one in the_one_that_counts(told) if one["channel"] == "push"),
                         expected_of_stories())
        mine = [one for one in told if one["message_id"] == "m-6"]
        self.assertGreater(max(one["revision"] for one in mine), 1)
        self.assertEqual(len({one["life"] for one in mine}), 2)

    def test_repeated_lines_and_files_change_nothing(self):
        lines = generated("--seed", "3", "--lives", "2000")
        again = lines + lines[::-1]
        self.assertEqual(*(duckdb_of(each).execute(
            "SELECT count(*) FROM outcomes").fetchall() for each in (lines, again)))
        self.assertEqual(*(report.ask(duckdb_of(each), "funnel") for each in (lines, again)))


class Postgres(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(postgres.Server())
        cls.lines = generated("--seed", "5", "--lives", "3000", "--stretch", "3h", "--rate", "0.1")
        cls.duckdb = duckdb_of(cls.lines)

    def setUp(self):
        self.server.psql("DROP TABLE IF EXISTS outcomes, latest CASCADE")
        self.server.psql(None, "-f", ANALYTICS / "postgres" / "schema.sql",
                         "-f", ANALYTICS / "messages.sql")
        self.random = random.Random(SEED)

    def open_sink(self, **more):
        return subprocess.Popen([sys.executable, str(ANALYTICS / "postgres" / "sink.py"),
                                 self.server.address], stdin=subprocess.PIPE,
                                stderr=subprocess.PIPE, **more)

    def sink(self, lines):
        sink = self.open_sink()
        _, said = sink.communicate(b"".join(lines), PATIENCE_S)
        self.assertEqual(sink.returncode, 0, said.decode())

    def shuffled_with_repeats(self):
        lines = self.lines + self.random.sample(self.lines, len(self.lines) // 3)
        self.random.shuffle(lines)
        return lines

    def rows(self, table):
        with psycopg.connect(self.server.address) as database:
            return database.execute(f"SELECT {COLUMNS} FROM {table}").fetchall()

    def check_same_as_duckdb(self):
        for table in ("outcomes", "latest"):
            theirs = self.duckdb.execute(f"SELECT {COLUMNS} FROM {table}").fetchall()
            self.assertEqual(comparable(self.rows(table)), comparable(theirs), table)

    def wait_for(self, question):
        deadline = time.monotonic() + PATIENCE_S
        while self.server.psql(question) != [["t"]]:
            self.assertLess(time.monotonic(), deadline, question)
            time.sleep(.05)

    def test_stories_tell_what_counts_in_any_order_one_at_a_time(self):
        lines = stories()
        for _ in range(8):
            self.random.shuffle(lines)
            self.server.psql("TRUNCATE outcomes, latest")
            self.sink_one_by_one(lines)
            found = [tuple(row[:4]) for row in self.rows("latest") if row[0] == "push"]
            self.assertEqual(sorted(found), expected_of_stories())

    def sink_one_by_one(self, lines):
        take = (ANALYTICS / "postgres" / "take.sql").read_text(encoding="utf-8")
        with psycopg.connect(self.server.address, autocommit=True) as database:
            for line in lines:
                with database.transaction():
                    database.execute("CREATE TEMP TABLE incoming (line json) ON COMMIT DROP")
                    database.execute("INSERT INTO incoming VALUES (%s)", (line.decode(),))
                    database.execute(take)

    def test_shuffled_repeated_and_twice_is_what_duckdb_says(self):
        self.sink(self.shuffled_with_repeats())
        self.check_same_as_duckdb()
        self.sink(self.shuffled_with_repeats())
        self.check_same_as_duckdb()
        self.assertEqual(keys(the_one_that_counts(map(json.loads, self.lines))),
                         sorted(tuple(row[:4]) for row in self.rows("latest")))

    def test_a_crash_within_a_transaction_leaves_nothing_and_costs_nothing(self):
        lines = self.shuffled_with_repeats()
        sink = self.open_sink()
        sink.stdin.write(b"".join(lines[:1000]))
        sink.stdin.flush()
        self.wait_for("SELECT count(*) > 0 FROM latest")
        before = len(self.rows("outcomes"))
        with psycopg.connect(self.server.address) as database:
            # So that the sink stands between its two statements when it dies.
            database.execute("LOCK TABLE latest IN ACCESS EXCLUSIVE MODE")
            sink.stdin.write(b"".join(lines[1000:2000]))
            sink.stdin.flush()
            self.wait_for("SELECT count(*) = 1 FROM pg_locks WHERE NOT granted "
                          "AND relation = 'latest'::regclass")
            sink.kill()
            sink.communicate()
        # The server notices when it has its lock. The one that is left is the one that asks.
        self.wait_for("SELECT count(*) = 1 FROM pg_stat_activity "
                      "WHERE backend_type = 'client backend'")
        self.assertEqual(len(self.rows("outcomes")), before)
        self.sink(lines)
        self.check_same_as_duckdb()

    def test_two_sinks_beside_each_other_do_not_stop_each_other(self):
        sinks = [self.open_sink() for _ in range(2)]
        inputs = [b"".join(self.shuffled_with_repeats()) for _ in sinks]
        for sink, lines in zip(sinks, inputs):
            sink.stdin.write(lines)
            sink.stdin.close()
        for sink in sinks:
            said = sink.stderr.read()
            sink.stderr.close()
            self.assertEqual(sink.wait(PATIENCE_S), 0, said.decode())
        self.check_same_as_duckdb()

    def test_psql_alone_does_it_too(self):
        with tempfile.TemporaryFile() as file:
            file.writelines(self.shuffled_with_repeats())
            file.seek(0)
            self.server.psql(None, "-1", "-f", ANALYTICS / "postgres" / "load.sql", stdin=file)
        self.check_same_as_duckdb()

    def test_texts_that_csv_and_copy_might_spoil_come_through(self):
        attributes = '{"campaign_id":"a\\tb\\\\N \\"c\\", \\u0001 ÿ","n":1.000,"far":1e9999}'
        lines = replay((f'{{"type":"send","message_id":"\\\\.","channel":"sms","at":{START_MS},'
                        f'"attributes":{attributes}}}\n').encode())
        for how in (self.sink, self.sink_by_psql):
            self.server.psql("TRUNCATE outcomes, latest")
            how(lines)
            row, = self.rows("latest")
            self.assertEqual(row[1], "\\.")
            self.assertEqual(row[-1], attributes)

    def sink_by_psql(self, lines):
        self.server.psql(None, "-1", "-f", ANALYTICS / "postgres" / "load.sql",
                         input=b"".join(lines).decode())

    def test_what_is_no_outcome_is_refused_and_nothing_is_half_done(self):
        for line in (b"no outcome\n", b'{"channel":"sms"}\n', b"[]\n"):
            sink = self.open_sink()
            _, said = sink.communicate(self.lines[0] + line, PATIENCE_S)
            self.assertEqual(sink.returncode, 1, said)
            self.assertRegex(said.decode(), "^sink.py: after 0 outcomes: ")
            self.assertEqual(self.rows("outcomes"), [])

    def test_every_query_says_the_same_in_both(self):
        self.sink(self.lines)
        for query in report.queries():
            theirs = report.ask(self.duckdb, query)
            self.assertTrue(theirs, query)
            with psycopg.connect(self.server.address) as database:
                cursor = database.execute(
                    (ANALYTICS / "queries" / f"{query}.sql").read_text(encoding="utf-8"))
                self.assertEqual([column.name for column in cursor.description],
                                 list(theirs[0]._fields), query)
                ours = cursor.fetchall()
            self.assertEqual(len(ours), len(theirs), query)
            for one, other in zip(ours, theirs):
                for name, mine, yours in zip(other._fields, one, other):
                    if isinstance(yours, float):
                        self.assertTrue(math.isclose(mine, yours, abs_tol=1e-9), (query, name))
                    else:
                        self.assertEqual(mine, yours, (query, name, one, other))


if __name__ == "__main__":
    if "--write" in sys.argv:
        write_page(DOCS)
    else:
        unittest.main()
