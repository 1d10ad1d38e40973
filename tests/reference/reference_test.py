#!/usr/bin/env python3
"""Cases computed by hand, which prove the reference itself before anything is compared with it.

The tables here are made up, so that no change of a shipped channel can change an expectation.
"""
import json
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import reference  # noqa: E402

S, M, H = 1000, 60 * 1000, 3600 * 1000
T = 1795428000000  # 2026-11-23T10:00:00.000Z

TOY = {
    "channel": "toy", "version": 3, "retention": "48h", "orphan_hold": "10m",
    "initial": {"settle_after": "72h", "outcome": "unresolved"},
    "statuses": [
        {"status": "SENT", "phase": "transit", "outcome": "unresolved", "settle_after": "72h",
         "then": ["SOFT", "DONE", "BAD"]},
        {"status": "SOFT", "phase": "provisional", "outcome": "failed", "settle_after": "1h",
         "then": ["DONE"]},
        {"status": "BAD", "phase": "final", "outcome": "rejected", "settle_after": "0s"},
        {"status": "DONE", "phase": "final", "outcome": "delivered", "settle_after": "0s",
         "then": ["READ"]},
        {"status": "READ", "phase": "final", "outcome": "read", "settle_after": "0s"},
    ],
}
ABC = dict(TOY, channel="abc")
CHANNELS = {b"toy": reference.Channel(TOY), b"abc": reference.Channel(ABC)}


def send(at, message_id="m", **more):
    return {"type": "send", "message_id": message_id, "channel": "toy", "at": T + at, **more}


def receipt(at, status, message_id="m", **more):
    return {"type": "receipt", "message_id": message_id, "channel": "toy", "status": status,
            "at": T + at, **more}


def enveloped(ts, event, partition=0, **more):
    return {"topic": "t", "partition": partition, "offset": 7, "ts": T + ts,
            "key": event["message_id"], "payload": json.dumps(event), **more}


def as_bytes(line):
    return line if isinstance(line, bytes) else json.dumps(line).encode()


def replay(*files, end=False, now=None):
    """Each file a list of lines (dicts or bytes) -> the Replay after it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for i, lines in enumerate(files):
            path = Path(folder) / f"f{i}"
            path.write_bytes(b"".join(as_bytes(line) + b"\n" for line in lines))
            paths.append(str(path))
        result = reference.Replay(CHANNELS, now)
        result.run(paths, end)
    result.seen = [json.loads(line) for line in result.outcomes]
    result.dead = [json.loads(line) for line in result.dead_letters]
    return result


def brief(result):
    """(id, revision, outcome, settled_by, settled_at - T) of each outcome."""
    return [(o["message_id"], o["revision"], o["outcome"], o["settled_by"],
             reference.parse_time(o["settled_at"].encode()) - T) for o in result.seen]


def reasons(result):
    return [letter["headers"][letter["headers"].index("upshot-reason") + 1]
            for letter in result.dead]


def classes(result):
    return {name: count for name, count in result.arrival_counts.items() if count}


class Settling(unittest.TestCase):
    # (reason, files' lines, to end of time, outcomes)
    CASES = [
        ("a final settles when it is applied",
         [send(0), receipt(S, "DONE")], False, [("m", 1, "delivered", "status", S)]),
        ("nothing is said before the deadline",
         [send(0), receipt(S, "SENT")], False, []),
        ("a send alone settles after the initial time, from its first record",
         [send(0), send(72 * H, "n")], False, [("m", 1, "unresolved", "deadline", 72 * H)]),
        ("one millisecond earlier it does not",
         [send(0), send(72 * H - 1, "n")], False, []),
        ("a provisional settles after its own time, from its own record",
         [send(0), receipt(M, "SOFT"), send(2 * H, "n")], False,
         [("m", 1, "failed", "deadline", H + M)]),
        ("late_delivery_after_settling_is_a_correction",
         [send(0), receipt(M, "SOFT"), receipt(2 * H, "DONE")], False,
         [("m", 1, "failed", "deadline", H + M), ("m", 2, "delivered", "status", 2 * H)]),
        ("the deadline fires before the record that reached it is applied",
         [send(0), receipt(0, "SOFT"), receipt(H, "DONE")], False,
         [("m", 1, "failed", "deadline", H), ("m", 2, "delivered", "status", H)]),
        ("a stronger final is a correction at once",
         [send(0), receipt(S, "DONE"), receipt(2 * S, "READ")], False,
         [("m", 1, "delivered", "status", S), ("m", 2, "read", "status", 2 * S)]),
        ("a repeat is no correction",
         [send(0), receipt(S, "DONE"), receipt(2 * S, "DONE"), send(3 * S)], False,
         [("m", 1, "delivered", "status", S)]),
        ("an orphan's final waits for the end of the hold",
         [receipt(0, "DONE"), send(10 * M, "n")], False,
         [("m", 1, "delivered", "orphan", 10 * M)]),
        ("the hold ends with the send",
         [receipt(0, "DONE"), send(9 * M)], False, [("m", 1, "delivered", "status", 0)]),
        ("a send after the hold is a correction",
         [receipt(0, "DONE"), send(11 * M)], False,
         [("m", 1, "delivered", "orphan", 10 * M), ("m", 2, "delivered", "status", 0)]),
        ("an orphan's deadline behind the hold's end is a deadline",
         [receipt(0, "SOFT")], True, [("m", 1, "failed", "deadline", H)]),
        ("an orphan's final behind the hold's end is settled by status",
         [receipt(0, "SOFT"), receipt(30 * M, "DONE")], False,
         [("m", 1, "delivered", "status", 30 * M)]),
        ("a deadline already past settles at once: the least record timestamp counts",
         [send(0), receipt(59 * M, "SOFT"), send(61 * M, "n"), receipt(M, "SOFT")], False,
         [("m", 1, "failed", "deadline", H + M)]),
        ("a contradiction corrects, though the state is the stronger one",
         [send(0), receipt(S, "DONE"), receipt(2 * S, "BAD")], False,
         [("m", 1, "delivered", "status", S), ("m", 2, "delivered", "status", S)]),
        ("within retention a late fact is a correction",
         [send(0), receipt(0, "DONE"), receipt(48 * H - 1, "READ")], False,
         [("m", 1, "delivered", "status", 0), ("m", 2, "read", "status", 48 * H - 1)]),
        ("after retention it opens a new life, and an orphan's",
         [send(0), receipt(0, "DONE"), receipt(48 * H, "READ")], True,
         [("m", 1, "delivered", "status", 0), ("m", 1, "read", "orphan", 48 * H + 10 * M)]),
        ("retention counts from the watermark at emission where that is later",
         [send(0), send(2 * H, "n"), receipt(0, "DONE"), receipt(49 * H, "READ")], False,
         [("m", 1, "delivered", "status", 0), ("m", 2, "read", "status", 49 * H)]),
        ("a correction starts retention anew",
         [send(0), receipt(0, "DONE"), receipt(40 * H, "BAD"), receipt(87 * H, "READ")], False,
         [("m", 1, "delivered", "status", 0), ("m", 2, "delivered", "status", 0),
          ("m", 3, "read", "status", 87 * H)]),
        ("equal deadlines fire in the order of ids' bytes",
         [send(0, "b"), send(0, "a"), send(0, "\u00e9"), send(0, "a0"), send(0, "Z")], True,
         [(i, 1, "unresolved", "deadline", 72 * H) for i in ("Z", "a", "a0", "b", "\u00e9")]),
        ("of equal ids, in the order of channels",
         [send(0, "x", status="DONE", campaign=1), dict(send(0, "q")),
          dict(send(0, "q"), channel="abc")], True,
         [("x", 1, "delivered", "status", 0), ("q", 1, "unresolved", "deadline", 72 * H),
          ("q", 1, "unresolved", "deadline", 72 * H)]),
    ]

    def test_each_case_gives_its_outcomes(self):
        for reason, lines, end, expected in self.CASES:
            with self.subTest(reason):
                self.assertEqual(brief(replay(lines, end=end)), expected)

    def test_of_equal_ids_the_first_channel_by_name_fires_first(self):
        result = replay([send(0), dict(send(0), channel="abc")], end=True)
        self.assertEqual([o["channel"] for o in result.seen], ["abc", "toy"])

    def test_a_pending_deadline_keeps_a_message_beyond_its_retention(self):
        # Settled at 0, forgotten at 30 m; the correction's own deadline is an hour away.
        slow = dict(TOY, retention="30m", statuses=[
            {"status": "OUT", "phase": "provisional", "outcome": "accepted",
             "settle_after": "0s", "then": ["SOFT"]},
            {"status": "SOFT", "phase": "provisional", "outcome": "failed",
             "settle_after": "1h", "then": []}])
        channels = {b"toy": reference.Channel(slow)}
        result = reference.Replay(channels)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "f"
            path.write_bytes(b"".join(as_bytes(line) + b"\n" for line in [
                send(0, status="OUT"), receipt(20 * M, "SOFT"), receipt(70 * M, "SOFT"),
                receipt(81 * M, "SOFT")]))
            result.run([str(path)])
        result.seen = [json.loads(line) for line in result.outcomes]
        self.assertEqual(brief(result), [("m", 1, "accepted", "status", 0),
                                         ("m", 2, "failed", "deadline", 80 * M)])
        self.assertEqual(classes(result), {"opened": 1, "advanced": 1, "repeated": 2})


class Arriving(unittest.TestCase):
    CASES = [
        ("first send after receipts joins, even with a status",
         [receipt(0, "SENT"), send(S, status="DONE")], {"opened": 1, "joined": 1}),
        ("a second send repeats", [send(0), send(S)], {"opened": 1, "repeated": 1}),
        ("a second send with a new status is judged by it",
         [send(0), send(S, status="SENT")], {"opened": 1, "advanced": 1}),
        ("a second send with a status seen before repeats",
         [send(0, status="SENT"), send(S, status="SENT")], {"opened": 1, "repeated": 1}),
        ("the first status advances, wherever it stands",
         [send(0), receipt(S, "READ")], {"opened": 1, "advanced": 1}),
        ("listed advances, not listed jumps",
         [send(0, status="SENT"), receipt(S, "SOFT"), receipt(2 * S, "READ")],
         {"opened": 1, "advanced": 1, "jumped": 1}),
        ("weaker is stale",
         [send(0, status="DONE"), receipt(S, "SENT")], {"opened": 1, "stale": 1}),
        ("two finals of other outcomes conflict",
         [send(0, status="DONE"), receipt(S, "BAD")], {"opened": 1, "conflicting": 1}),
        ("but not where one lists the other",
         [send(0, status="DONE"), receipt(S, "READ")], {"opened": 1, "advanced": 1}),
        ("a conflict with an older status than the state counts",
         [send(0, status="BAD"), receipt(S, "DONE"), receipt(2 * S, "READ")],
         {"opened": 1, "conflicting": 2}),
        ("the second time a conflicting status repeats",
         [send(0, status="DONE"), receipt(S, "BAD"), receipt(S, "BAD")],
         {"opened": 1, "conflicting": 1, "repeated": 1}),
    ]

    def test_each_arrival_gets_the_first_class_that_fits(self):
        for reason, lines, expected in self.CASES:
            with self.subTest(reason):
                self.assertEqual(classes(replay(lines)), expected)


class Joining(unittest.TestCase):
    def test_an_outcome_has_exactly_these_fields_in_this_order(self):
        result = replay([
            enveloped(0, send(-S, attributes={"c": "9"})),
            enveloped(5, receipt(5, "SENT"), offset=8),
            enveloped(9, receipt(9, "DONE", reason="ok"), offset=9),
            enveloped(20, receipt(-2 * S, "BAD"), offset=10)])
        self.assertEqual(result.outcomes[1].decode(), (
            '{"schema":"upshot.outcome/1","outcome_id":"toy:m:1795428000000:2",'
            '"supersedes":"toy:m:1795428000000:1","message_id":"m","channel":"toy",'
            '"life":1795428000000,"outcome":"delivered","status":"DONE","phase":"final",'
            '"revision":2,"settled_by":"status","settled_at":"2026-11-23T10:00:00.009Z",'
            '"send_seen":true,"conflict":true,"sent_at":"2026-11-23T09:59:59.000Z",'
            '"status_at":"2026-11-23T10:00:00.009Z","latency_ms":1009,"reason":"ok",'
            '"timeline":[{"status":"BAD","at":"2026-11-23T09:59:58.000Z"},'
            '{"status":"SENT","at":"2026-11-23T10:00:00.005Z"},'
            '{"status":"DONE","at":"2026-11-23T10:00:00.009Z"}],"attributes":{"c": "9"},'
            '"source":{"topic":"t","partition":0,"offset":9},'
            '"table":{"version":3,"digest":"0000000000000000"}}'))

    def test_what_was_never_said_is_absent_or_null(self):
        only = replay([enveloped(0, send(0))], end=True).seen[0]
        self.assertIsNone(only["status"])
        self.assertIsNone(only["phase"])
        self.assertIsNone(only["latency_ms"])
        self.assertEqual(only["timeline"], [])
        for name in ("status_at", "reason", "attributes", "supersedes"):
            self.assertNotIn(name, only)
        orphan = replay([receipt(0, "DONE")], end=True).seen[0]
        self.assertNotIn("sent_at", orphan)
        self.assertIsNone(orphan["latency_ms"])

    def test_attributes_are_of_the_least_send_that_has_any(self):
        # Spans compare as bytes: {"c":1} is less than {"c":2}; the earliest send has none.
        lines = [enveloped(0, send(0)),
                 enveloped(1, send(5, attributes={"c": 2})),
                 enveloped(2, send(5, attributes={"c": 1})),
                 enveloped(3, send(6, attributes={"a": 0})),
                 enveloped(4, receipt(7, "SENT", attributes={"A": 0}))]
        for order in (lines, lines[::-1]):
            last = replay(order, end=True).seen[-1]
            self.assertEqual(last["attributes"], {"c": 1})
            self.assertEqual(last["sent_at"], "2026-11-23T10:00:00.000Z")

    def test_attributes_are_carried_as_bytes_on_one_line(self):
        raw = '{ "big" : 12345678901234567890.10 ,\n\r"e":1E+2, "a":1, "a":"\\u0041" }'
        value = '{"type":"send","message_id":"m","channel":"toy","attributes":%s}' % raw
        line = replay([{"key": "m", "payload": value, "ts": T}], end=True).outcomes[0].decode()
        self.assertIn('"attributes":{ "big" : 12345678901234567890.10 ,  "e":1E+2, "a":1, '
                      '"a":"\\u0041" },', line)

    def test_the_reason_is_the_least_of_the_state(self):
        lines = [send(0), receipt(1, "SENT", reason="weak"), receipt(9, "DONE", reason="late"),
                 receipt(4, "DONE", reason="b"), receipt(4, "DONE", reason="a"),
                 receipt(2, "DONE"), receipt(3, "DONE", reason=""), receipt(9, "READ")]
        self.assertEqual([o.get("reason") for o in replay(lines).seen], ["late", None])
        with_send_seen_last = lines[1:7] + [send(0)]
        self.assertEqual([o.get("reason") for o in replay(with_send_seen_last).seen], ["a"])

    def test_a_reason_is_cut_at_a_character_before_it_is_compared(self):
        # 255 letters and a character of two bytes: the 256th byte would cut it in two.
        long = "x" * 255 + "\u00e9"
        self.assertEqual(replay([send(0), receipt(1, "DONE", reason=long)]).seen[0]["reason"],
                         "x" * 255)
        exact = "x" * 254 + "\u00e9"
        self.assertEqual(replay([send(0), receipt(1, "DONE", reason=exact)]).seen[0]["reason"],
                         exact)

    def test_the_source_is_the_first_that_brought_the_state(self):
        result = replay([enveloped(0, send(0), offset=1),
                         enveloped(1, receipt(1, "SOFT"), offset=2),
                         enveloped(0, receipt(0, "SOFT"), offset=3),
                         enveloped(9, receipt(1, "SENT"), offset=4)], end=True)
        self.assertEqual(result.seen[0]["source"], {"topic": "t", "partition": 0, "offset": 2})

    def test_a_bare_lines_source_is_its_file_and_line(self):
        source = replay([b"", send(0), b"  \t", receipt(1, "DONE")]).seen[0]["source"]
        self.assertTrue(source["topic"].endswith("/f0"))
        self.assertEqual((source["partition"], source["offset"]), (0, 4))


class Timekeeping(unittest.TestCase):
    def test_the_watermark_is_the_least_of_the_files(self):
        # The deadline at 1 h is passed by the first file only, as long as the second goes on.
        first = [send(0), receipt(0, "SOFT"), send(2 * H, "n")]
        late = replay(first, [send(0, "o"), send(30 * M, "o"), receipt(4 * H, "DONE", "o")])
        self.assertEqual(brief(late), [("m", 1, "failed", "deadline", H),
                                       ("o", 1, "delivered", "status", 4 * H)])
        # A line out of order at its end: o is applied when m's deadline has not been reached.
        held_back = replay(first, [send(0, "o"), send(3 * H, "o"), send(0, "o", status="DONE")])
        self.assertEqual([row[0] for row in brief(held_back)], ["m", "o"])

    def test_a_file_that_has_said_nothing_for_a_task_stops_its_time(self):
        first = [enveloped(0, receipt(0, "DONE")), enveloped(H, send(H, "n"))]
        second = [enveloped(2 * H, send(0, "o"), partition=1)]
        self.assertEqual(replay(first, second).seen, [])
        self.assertEqual(brief(replay(first)), [("m", 1, "delivered", "orphan", 10 * M)])

    def test_a_file_that_ended_leaves_the_minimum(self):
        first = [send(0), receipt(0, "SOFT")]
        second = [send(0, "n"), send(H, "n"), send(H, "n")]
        self.assertEqual(brief(replay(first, second)), [("m", 1, "failed", "deadline", H)])

    def test_ties_go_to_the_file_given_first(self):
        result = replay([receipt(0, "DONE", "b"), send(0, "b")],
                        [send(0, "a", status="DONE")])
        self.assertEqual([o["message_id"] for o in result.seen], ["b", "a"])

    def test_dead_letters_move_the_watermark_but_skewed_ones_do_not(self):
        orphan = enveloped(0, receipt(0, "DONE"))
        tombstone = {"ts": T + H, "key": "m", "payload": None}
        self.assertEqual(len(replay([orphan, tombstone]).seen), 1)
        far = {"ts": reference.TIME_MAX + 1, "key": "m", "payload": None}
        result = replay([orphan, far])
        self.assertEqual((reasons(result), result.seen), (["skewed_time"], []))

    def test_skew_is_judged_by_now_only(self):
        lines = [enveloped(0, receipt(0, "DONE")), enveloped(2 * H, send(0, "n"))]
        self.assertEqual(reasons(replay(lines)), [])
        self.assertEqual(reasons(replay(lines, now=T + H)), [])
        self.assertEqual(reasons(replay(lines, now=T + H - 1)), ["skewed_time"])

    def test_tasks_have_their_own_time_and_messages(self):
        result = replay([enveloped(0, receipt(0, "DONE"), partition=1),
                         enveloped(H, receipt(0, "DONE"), partition=2),
                         enveloped(H, send(0), partition=2)], end=True)
        self.assertEqual([(o["source"]["partition"], o["settled_by"]) for o in result.seen],
                         [(2, "status"), (1, "orphan")])

    def test_a_line_without_a_time_has_that_of_the_line_before(self):
        plain = send(0, "n")
        del plain["at"]
        cases = [
            ("the first line: 0", [plain], 0),
            ("a bare line", [send(5), plain], T + 5),
            ("a dead letter before it counts", [b'{"at":%d}' % (T + 8), plain], T + 8),
            ("at given twice does not", [b'{"at":%d,"at":1}' % T, plain], 0),
            ("nor a line that is no JSON", [b'{"at":%d' % T, plain], 0),
            ("an envelope without ts", [send(5), {"key": "n", "payload": json.dumps(plain)}],
             T + 5),
            ("a negative ts is none",
             [send(5), {"key": "n", "ts": -1, "payload": json.dumps(plain)}], T + 5),
            ("a skewed one is not remembered",
             [send(5), {"ts": reference.TIME_MAX + 1, "payload": None}, plain], T + 5),
        ]
        for reason, lines, life in cases:
            with self.subTest(reason):
                lives = {o["message_id"]: o["life"] for o in replay(lines, end=True).seen}
                self.assertEqual(lives["n"], life)

    def test_instants_are_read_as_rfc_3339_says(self):
        cases = [
            (b"2026-11-23T10:00:00Z", T), (b"2026-11-23t10:00:00z", T),
            (b"2026-11-23T10:00:00.1239999Z", T + 123), (b"2026-11-23T11:30:00.5+01:30", T + 500),
            (b"2026-11-23T00:00:00-10:00", T), (b"1970-01-01T00:00:00Z", 0),
            (b"1969-12-31T23:59:59.999Z", -1), (b"2000-02-29T00:00:00Z", 951782400000),
            (b"0000-01-01T00:00:00Z", -62167219200000), (b"0000-02-29T00:00:00Z", -62162121600000),
            (b"9999-12-31T23:59:59.999Z", 253402300799999),
            (b"2016-12-31T23:59:60Z", 1483228800000), (b"2017-01-01T01:59:60.25+02:00",
                                                       1483228800250),
            (b"2015-06-30T23:59:60Z", 1435708800000), (b"2016-12-30T23:59:60Z", None),
            (b"2016-12-31T22:59:60Z", None), (b"9999-12-31T23:59:60Z", None),
            (b"0000-01-01T00:00:00+00:01", None), (b"9999-12-31T23:59:59-00:01", None),
            (b"2026-11-23 10:00:00Z", None), (b"2026-11-23T10:00:00", None),
            (b"2026-11-23T10:00:00.Z", None), (b"2026-11-23T10:00:00+0100", None),
            (b"2026-11-23T24:00:00Z", None), (b"2026-02-29T10:00:00Z", None),
            (b"2100-02-29T10:00:00Z", None), (b"2026-13-01T10:00:00Z", None),
            (b"2026-00-01T10:00:00Z", None), (b"2026-11-00T10:00:00Z", None),
            (b"2026-11-23T10:60:00Z", None), (b"2026-11-23T10:00:61Z", None),
            (b"2026-11-23T10:00:00+24:00", None), (b"2026-11-23T10:00:00+23:60", None),
            (b"2026-11-23T10:00:00Z ", None), (b"+026-11-23T10:00:00Z", None),
        ]
        for text, expected in cases:
            with self.subTest(text):
                self.assertEqual(reference.parse_time(text), expected)
                if expected is not None and text.endswith(b"9Z") and b"." in text:
                    self.assertEqual(reference.format_time(expected)[:19], text.decode()[:19])

    def test_numbers_are_epoch_milliseconds_between_the_bounds(self):
        cases = [("100000000000", 10**11), ("99999999999", None), ("99999999999.9", None),
                 ("1795428000000.999", T), ("1.795428e12", T), ("17954280000000000e-4", T),
                 ("253402300799999", 253402300799999), ("253402300799999.9", 253402300799999),
                 ("253402300800000", None), ("-1795428000000", None), ("1e400", None),
                 ("1e99999999999999999999999", None), ("1e-99999999999999999999999", None),
                 ("0.00000000000001795428e26", T), ("0e99999999999999999999", None)]
        for text, expected in cases:
            with self.subTest(text):
                node = reference.read_object(b'{"at":%s}' % text.encode()).items[0][1]
                self.assertEqual(reference.time_of(node), expected)


class Dying(unittest.TestCase):
    def event(self, **changes):
        base = {"type": '"receipt"', "message_id": '"m"', "channel": '"toy"',
                "status": '"DONE"', "at": str(T)}
        base.update(changes)
        return ("{" + ",".join(f'"{k}":{v}' for k, v in base.items() if v is not None)
                + "}").encode()

    def test_each_bad_value_gets_its_reason(self):
        good = self.event()
        cases = [
            (good, None), (b" \t" + good + b"\r", None),
            (self.event(extra='{"a":null,"a":"\\ud800\\u0000"}'), None),
            (self.event(message_id='"\\ud83d\\ude00"'), None),
            (self.event(message_id='"' + "x" * 128 + '"'), None),
            (self.event(reason='""'), None), (self.event(attributes='{"a":{}}'), None),
            (self.event(attributes='{"a":"' + "x" * 1016 + '"}'), None),
            (self.event(type='"\\u0073end"', status=None), None),
            (good.replace(b'"status"', b'"st\\u0061tus"'), None),
            (self.event(x='"' + "y" * (65536 - len(good) - 7) + '"'), None),
            (self.event(x='"' + "y" * (65537 - len(good) - 7) + '"'), "too_large"),
            (self.event(x="[" * 63 + "]" * 63), None),
            (self.event(x="[" * 64 + "]" * 64), "not_json"),
            (b"\xef\xbb\xbf" + good, "not_json"), (good + b"x", "not_json"),
            (good + good, "not_json"), (b"[1]", "not_json"), (b"null", "not_json"),
            (b"{}", "bad_field"), (b"{,}", "not_json"), (good[:-1] + b",}", "not_json"),
            (good.replace(b'"', b"'"), "not_json"), (self.event(x="01"), "not_json"),
            (self.event(x="1."), "not_json"), (self.event(x=".5"), "not_json"),
            (self.event(x="+1"), "not_json"), (self.event(x="-"), "not_json"),
            (self.event(x="1e"), "not_json"), (self.event(x="NaN"), "not_json"),
            (self.event(x="True"), "not_json"), (self.event(x="-0.0E-0"), None),
            (self.event(x='"\t"'), "not_json"), (self.event(x='"\\x"'), "not_json"),
            (self.event(x='"\\u12g4"'), "not_json"), (self.event(x='"\x7f"'), None),
            (good.replace(b"DONE", b"\xff"), "not_json"),
            (good.replace(b"DONE", b"\xc0\x80"), "not_json"),
            (good.replace(b"DONE", b"\xed\xa0\x80"), "not_json"),
            (good.replace(b"DONE", b"\xf4\x90\x80\x80"), "not_json"),
            (good.replace(b"DONE", b"\0"), "not_json"),
            (self.event(type=None), "bad_field"), (self.event(type='"Send"'), "bad_field"),
            (self.event(message_id=None), "bad_field"),
            (self.event(message_id='""'), "bad_field"), (self.event(message_id="1"), "bad_field"),
            (self.event(message_id='"' + "x" * 129 + '"'), "bad_field"),
            (self.event(message_id='"a\\u0000"'), "bad_field"),
            (self.event(channel=None), "bad_field"), (self.event(channel="null"), "bad_field"),
            (self.event(status=None), "bad_field"), (self.event(status="null"), "bad_field"),
            (self.event(type='"send"', status="null"), "bad_field"),
            (self.event(at="null"), "bad_field"), (self.event(at='"yesterday"'), "bad_field"),
            (self.event(at="1795428000"), "bad_field"), (self.event(at="true"), "bad_field"),
            (self.event(reason="null"), "bad_field"), (self.event(reason="7"), "bad_field"),
            (self.event(reason='"' + "x" * 300 + '\\udc00"'), "bad_field"),
            (self.event(attributes="[]"), "bad_field"),
            (self.event(attributes='{"a":["\\ud800"]}'), "bad_field"),
            (self.event(attributes='{"a":"' + "x" * 1017 + '"}'), "bad_field"),
            (self.event(**{"st\\u0061tus": '"DONE"'}), "bad_field"),
            (self.event(channel='"sea"'), "unknown_channel"),
            (self.event(channel='"Toy"', status='"?"'), "unknown_channel"),
            (self.event(status='"Done"'), "unknown_status"),
            (self.event(type='"send"', status='""'), "unknown_status"),
        ]
        for line, expected in cases:
            with self.subTest(line[:200]):
                self.assertEqual(reasons(replay([line])), [expected] if expected else [])

    def test_each_bad_envelope_gets_its_reason(self):
        payload = self.event().decode()
        good = {"ts": T, "key": "m", "payload": payload}
        cases = [
            (good, None), (dict(good, key=None), "key_mismatch"),
            ({"payload": payload}, "key_mismatch"), (dict(good, key="n"), "key_mismatch"),
            (dict(good, payload=None), "no_value"), ({"payload_b64": None}, "no_value"),
            (dict(good, payload=""), "not_json"), (dict(good, payload=7), "not_json"),
            (dict(good, payload=json.loads(payload)), None),
            (dict(good, payload=payload.replace("DONE", "\ud800")), "not_json"),
            (dict(good, payload=payload.replace("DONE", "\0")), "not_json"),
            ({"ts": T, "key_b64": "bQ==", "payload_b64": "e30="}, "bad_field"),
            ({"ts": T, "payload_b64": "/w=="}, "not_json"),
            ({"ts": T, "payload_b64": "*"}, "bad_field"), (dict(good, ts="x"), "bad_field"),
            (dict(good, key=5), "bad_field"), (dict(good, partition="0"), "bad_field"),
            (dict(good, headers=["a"]), "bad_field"), (dict(good, headers=["a", 1]), "bad_field"),
            (dict(good, headers=["a", None]), None), (dict(good, topic=1), "bad_field"),
            (dict(good, ts=reference.TIME_MAX + 1, payload=None), "skewed_time"),
            (dict(good, type="send"), "bad_field"),  # `type`: so it is an event, and a bad one
        ]
        for line, expected in cases:
            with self.subTest(line):
                self.assertEqual(reasons(replay([line])), [expected] if expected else [])

    def test_a_dead_letter_keeps_key_value_and_headers(self):
        letter = replay([{"topic": "t", "partition": 2, "offset": 9, "ts": T, "key": "m",
                          "headers": ["upshot-source", "old/0/0", "none", None],
                          "payload_b64": "/wA="}]).dead[0]
        self.assertEqual((letter["key"], letter["payload_b64"]), ("m", "/wA="))
        self.assertEqual(letter["headers"][:4], ["upshot-source", "old/0/0", "none", None])
        self.assertEqual(letter["headers"][-2:], ["upshot-source", "t/2/9"])

    def test_an_ill_typed_envelope_dies_as_the_line_it_was(self):
        line = b'{"topic":"t","partition":2,"ts":"x","key":"m","payload":"{}"}'
        letter = replay([send(0), line]).dead[0]
        self.assertEqual((letter["key"], letter["payload"]), (None, line.decode()))
        self.assertTrue(letter["headers"][-1].endswith("/f0/0/2"))

    def test_every_record_is_counted_once(self):
        result = replay([send(0), b"x", receipt(1, "DONE"), b"", receipt(2, "NO")])
        self.assertEqual(sum(result.arrival_counts.values()), 2)
        self.assertEqual(sum(result.reason_counts.values()), 2)


if __name__ == "__main__":
    unittest.main()
