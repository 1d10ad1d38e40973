#!/usr/bin/env python3
"""Believable lives of messages, and nasty ones, as input for compare.py. The same seed, the same
bytes. It knows the channels' tables and nothing of what upshot makes of them.

    generate.py --seed N --lives N [--envelopes] [--partitions N] [--files 1|2] [--nasty]
                [--short] [--channels DIR] --out PREFIX     writes PREFIX.1.jsonl [PREFIX.2.jsonl]
"""
import argparse
import base64
import json
import random
import re
import zlib
from pathlib import Path

CHANNELS_DIR = Path(__file__).resolve().parents[2] / "schemas" / "channels"
START = 1795428000000  # 2026-11-23T10:00:00.000Z
S, M, H = 1000, 60 * 1000, 3600 * 1000
DAY = 24 * H
UNITS = {"ms": 1, "s": S, "m": M, "h": H, "d": DAY}


def milliseconds(duration):
    number, unit = re.fullmatch(r"([0-9]+)(ms|s|m|h|d)", duration).groups()
    return int(number) * UNITS[unit]


def rfc3339(rng, ms):
    """One of the many ways to write a time."""
    days, rest = divmod(ms, DAY)
    offset = rng.choice((0, 0, 0, 60, -330))
    days, rest = divmod(ms + offset * M, DAY)
    # Gregorian from days, by search: clear, and not how anybody else here does it.
    year = 1970
    while days >= 365 + is_leap(year):
        days -= 365 + is_leap(year)
        year += 1
    month = 1
    while days >= month_size(year, month):
        days -= month_size(year, month)
        month += 1
    zone = rng.choice("Zz") if not offset else "%s%02d:%02d" % (
        "+" if offset > 0 else "-", abs(offset) // 60, abs(offset) % 60)
    fraction = "%03d" % (rest % S)
    fraction = rng.choice(("." + fraction, "." + fraction + "999", "." + fraction + "0"))
    if rest % S == 0:
        fraction = rng.choice(("", fraction))
    return "%04d-%02d-%02d%s%02d:%02d:%02d%s%s" % (
        year, month, days + 1, rng.choice("TTt"), rest // H, rest // M % 60, rest // S % 60,
        fraction, zone)


def is_leap(year):
    return year % 4 == 0 and year % 100 != 0 or year % 400 == 0


def month_size(year, month):
    if month == 2:
        return 28 + is_leap(year)
    return 30 if month in (4, 6, 9, 11) else 31


# --------------------------------------------------------------------------------------- lives


class Channel:
    def __init__(self, document):
        self.name = document["channel"]
        self.retention = milliseconds(document["retention"])
        self.statuses = [row["status"] for row in document["statuses"]]
        self.then = {row["status"]: row.get("then", []) for row in document["statuses"]}
        self.finals = [row["status"] for row in document["statuses"] if row["phase"] == "final"]

    def walk_to(self, rng, target):
        """A chain of statuses along `then` that ends at the target."""
        path = [target]
        while True:
            before = [s for s in self.statuses if path[0] in self.then[s]]
            if not before or rng.random() < 0.2:
                return path
            path.insert(0, rng.choice(before))


class Lives:
    def __init__(self, rng, options, channels):
        self.rng = rng
        self.options = options
        self.channels = channels
        # Every status is somebody's aim before any is aimed at twice.
        self.aims = []
        self.events = []  # (arrival, timestamp, event): arrival orders the lines of a file

    def draw_aim(self):
        if not self.aims:
            self.aims = [(c, s) for c in self.channels for s in c.statuses]
            self.rng.shuffle(self.aims)
        return self.aims.pop()

    def message_id(self, number):
        rng = self.rng
        if rng.random() < 0.15:  # shared by channels, and by partitions never
            return "shared-%d" % rng.randrange(max(1, self.options.lives // 4))
        if self.options.nasty and rng.random() < 0.3:
            return rng.choice(("\u00e9%d", "\U0001f600%d", "a\"\\%d", "tab\t\n%d", "\x01\x7f%d",
                               "\uffff%d", "z" * 120 + "%d", "%d\u2028", "<&>'%d/")) % number
        return rng.choice(("m%d", "m-%d", "M%d")) % number

    def delay(self):
        rng = self.rng
        choices = (0, 1, S, 30 * S, 5 * M, 10 * M, 50 * M, H)
        if not self.options.short:
            choices += (H, 5 * H, 24 * H, 30 * H, 48 * H, 72 * H, 80 * H)
        base = rng.choice(choices)
        return base + (rng.choice((-1, 1)) if base and rng.random() < 0.1 else 0)

    def event(self, kind, channel, message_id, timestamp, status=None):
        rng = self.rng
        event = {"type": kind, "message_id": message_id, "channel": channel.name}
        if status is not None:
            event["status"] = status
        if self.options.envelopes:
            # Reporters' clocks: lagging, hurrying, or cut to whole minutes so that many are equal.
            at = rng.choice((timestamp, timestamp - rng.randrange(5 * M), timestamp + 3 * S,
                             timestamp // M * M, timestamp // H * H))
        else:
            at = timestamp
        if rng.random() < 0.95:
            event["at"] = at if rng.random() < 0.7 else rfc3339(rng, at)
        if rng.random() < (0.5 if kind == "send" else 0.05):
            event["attributes"] = rng.choice((
                {"campaign_id": "c%d" % rng.randrange(4)}, {"b": rng.randrange(3)}, {},
                {"n": 1.5e300, "list": [1, None, {"x": "\u00e9"}], "c": True}))
        if rng.random() < (0.5 if status else 0.1):
            event["reason"] = rng.choice(("err:%03d" % rng.randrange(3), "b", "a", "",
                                          "\u00fcber", "x" * rng.choice((255, 256))))
        if rng.random() < 0.1:
            event["recipient"] = {"to": "+3900", "x": [1, 2.50, "\u20ac"]}
        arrival = timestamp
        if rng.random() < 0.1:
            arrival += rng.randrange(10 * M)
        self.events.append((arrival, timestamp, event))

    def life(self, number):
        rng = self.rng
        channel, aim = self.draw_aim()
        message_id = self.message_id(number)
        opened = START + rng.randrange(6 * DAY)
        if rng.random() < 0.4:  # so that deadlines of many messages are equal
            opened = opened // H * H
        last = opened + DAY if self.options.short else opened + 40 * DAY

        def tell(kind, timestamp, status=None):
            self.event(kind, channel, message_id, min(timestamp, last), status)

        # The send: at once, a bit later, about the end of the hold, days later, or never.
        late = rng.choices((0, S, 9 * M, 10 * M, 11 * M, 3 * H, 60 * H, None),
                           (60, 5, 5, 5, 5, 8, 4, 8))[0]
        if late is not None:
            carries = rng.random() < 0.15
            tell("send", opened + late, rng.choice(channel.statuses) if carries else None)
            if rng.random() < 0.2:
                tell("send", opened + late + rng.choice((0, 0, S, H)))

        path = channel.walk_to(rng, aim)
        if rng.random() < 0.25:
            path = path[-1:]
        told, now = [], opened
        for status in path:
            now += self.delay()
            tell("receipt", now, status)
            told.append(status)
            if rng.random() < 0.2:
                tell("receipt", now + rng.choice((0, 0, S, -S, 2 * H)), status)
        if rng.random() < 0.3:
            tell("receipt", now + self.delay(), rng.choice(told))
        if rng.random() < 0.25:
            tell("receipt", now + self.delay(), rng.choice(channel.statuses))
        if rng.random() < 0.2:
            tell(rng.choice(("receipt", "send")), now + self.delay(), rng.choice(channel.finals))
        if rng.random() < 0.15 and not self.options.short:
            # About the end of retention, on both sides, and well behind it: a new life.
            again = now + channel.retention + rng.choice((-1, 0, 1, H, 73 * H))
            tell(rng.choice(("receipt", "send")), again, rng.choice(channel.statuses))
            tell("receipt", again + self.delay(), rng.choice(channel.statuses))


# --------------------------------------------------------------------------------------- bytes


def dump(event, **how):
    return json.dumps(event, separators=(",", ":"), **how).encode()


def pretty(rng, event):
    """The same event, written in another way."""
    names = list(event)
    rng.shuffle(names)
    text = json.dumps({name: event[name] for name in names},
                      ensure_ascii=rng.random() < 0.5,
                      separators=rng.choice(((",", ":"), (", ", ": "), (" ,\t", " : "))))
    return text.encode()


def replace(**changes):
    return lambda rng, event: dump({**event, **changes})


def without(name):
    return lambda rng, event: dump({k: v for k, v in event.items() if k != name})


def append(text):
    """More members behind the last one."""
    return lambda rng, event: dump(event)[:-1] + b"," + text + b"}"


def around(before, after):
    return lambda rng, event: before + dump(event) + after


def padded(size):
    def change(rng, event):
        text = dump(event)[:-1] + b',"pad":"'
        return text + b"x" * (size - len(text) - 2) + b'"}'
    return change


def with_attributes(raw):
    def change(rng, event):
        return dump({**event, "type": "send", "attributes": "@"}).replace(b'"@"', raw)
    return change


def swap(old, new):
    return lambda rng, event: dump(event).replace(old, new, 1)


def deep(levels):
    return append(b'"deep":' + b"[" * levels + b"]" * levels)


# Good and bad: what a value may look like, each at the edge of a rule.
MUTATIONS = [
    # RFC 8259, kept
    append(b'"extra":{"type":"x","a":[null,true,false,-0.0E-0,"\\ud800","\\u0000"]}'),
    append(b'"same":1,"same":2,"":3'), append(b'"\\u0000at":1,"at\\u0000":2'),
    append(b'"x":1e999999999999'), append('"\u20ac":"\u007f\u2028"'.encode()),
    around(b" \t", b" \r"), deep(63), padded(65536),
    swap(b'"type"', b'"\\u0074ype"'), swap(b'"channel"', b'"ch\\u0061nne\\u006C"'),
    # RFC 8259, broken
    deep(64), deep(5000), padded(65537), padded(70000),
    around(b"\xef\xbb\xbf", b""), around(b"", b"x"), around(b"", b"{}"), around(b"[", b"]"),
    around(b"", b","), around(b"\x0c", b""), around(b"\0", b""), around(b"", b"\0"),
    append(b'"x":01'), append(b'"x":1.'), append(b'"x":.5'), append(b'"x":+1'), append(b'"x":-'),
    append(b'"x":1e'), append(b'"x":1e+'), append(b'"x":NaN'), append(b'"x":Infinity'),
    append(b'"x":True'), append(b'"x":nul'), append(b'"x":"\t"'), append(b'"x":"\x01"'),
    append(b'"x":"\\x41"'), append(b'"x":"\\u12g4"'), append(b'"x":"\\u12"'), append(b'"x":"'),
    append(b'"x":[1,]'), append(b'"x":{"a":1,}'), append(b'"x":{a:1}'), append(b"'x':1"),
    append(b'"x" 1'), append(b'"x":1 2'), append(b""), append(b'"x":[1}'), append(b"/**/"),
    append(b'"x":"\xff"'), append(b'"x":"\xc0\x80"'), append(b'"x":"\xed\xa0\x80"'),
    append(b'"x":"\xf4\x90\x80\x80"'), append(b'"x":"\xe2\x82"'), append(b'"\x80":1'),
    lambda rng, event: dump(event)[:rng.randrange(1, 40)],
    lambda rng, event: bytes(rng.randrange(32, 127) for _ in range(rng.randrange(1, 60))),
    lambda rng, event: rng.choice((b"null", b"1", b'"x"', b"[]", b"{}", b"{ }", b"{", b"}")),
    # type
    without("type"), replace(type="Send"), replace(type=""), replace(type=None), replace(type=1),
    append(b'"type":"send"'), append(b'"t\\u0079pe":"send"'), replace(type="send\0"),
    # message_id
    without("message_id"), replace(message_id=""), replace(message_id=None),
    replace(message_id=7), replace(message_id="i" * 128), replace(message_id="i" * 129),
    replace(message_id="\u20ac" * 42), replace(message_id="\u20ac" * 43),
    replace(message_id="nul\0"), replace(message_id="lone\ud800"),
    replace(message_id="lone\udc00\ud800"), replace(message_id="pair\U0001f600"),
    append(b'"message_id":"twice"'),
    # channel and status
    without("channel"), replace(channel=None), replace(channel=["sms"]), replace(channel="fax"),
    replace(channel="SMS"), replace(channel="sms\0"), replace(channel="sms "),
    append(b'"channel":"sms"'),
    replace(type="receipt", status=None), replace(type="send", status=None),
    lambda rng, event: without("status")(rng, {**event, "type": "receipt"}),
    replace(status="NOPE"), replace(status="delivrd"), replace(status=3), replace(status="a\0"),
    replace(status="x\ud8ff"), replace(channel="fax", status="NOPE"), append(b'"status":"SENT"'),
    lambda rng, event: dump({**event, "status": "SENT"})[:-1] + b',"status":"SENT"}',
    # at
    replace(at=None), replace(at=True), replace(at={}), replace(at=""), replace(at="now"),
    replace(at=1795428000), replace(at=99999999999), replace(at=100000000000), replace(at=0),
    replace(at=-1), replace(at=253402300800000), replace(at=10**30), append(b'"at":1795428000000'),
    lambda rng, event: swap(b'"@"', b"1.7954280015e12")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"1795428000000.9999")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"17954280000005e-1")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"99999999999.99")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"1e400")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"1e-99999999999999999999")(rng, {**event, "at": "@"}),
    lambda rng, event: swap(b'"@"', b"\"2026-11-23T10:00:00\\u005a\"")(rng, {**event, "at": "@"}),
    replace(at="2026-11-23 10:00:00Z"), replace(at="2026-11-23T10:00:00"),
    replace(at="2026-11-23T10:00:00.Z"), replace(at="2026-11-23T10:00:00,5Z"),
    replace(at="2026-02-29T10:00:00Z"), replace(at="2024-02-29T10:00:00Z"),
    replace(at="2026-11-31T10:00:00Z"), replace(at="2026-11-23T24:00:00Z"),
    replace(at="2026-11-23T10:60:00Z"), replace(at="2026-11-23T10:00:61Z"),
    replace(at="2026-11-23T10:00:60Z"), replace(at="2016-12-31T23:59:60Z"),
    replace(at="2017-01-01T05:29:60.75+05:30"), replace(at="2026-10-31T23:59:60Z"),
    replace(at="2026-10-30T23:59:60Z"), replace(at="2026-11-23T10:00:00+24:00"),
    replace(at="2026-11-23T10:00:00+01:60"), replace(at="2026-11-23T10:00:00-00:00"),
    replace(at="2026-11-23T10:00:00+0100"), replace(at="2026-11-23T10:00:00." + "9" * 300 + "Z"),
    replace(at="0000-01-01T00:00:00Z"), replace(at="0000-01-01T00:00:00+00:01"),
    replace(at="0000-02-29T00:00:00.001Z"), replace(at="1969-12-31T23:59:59.999Z"),
    replace(at="2026-11-23T10:00:00Z\0"), replace(at=" 2026-11-23T10:00:00Z"),
    # reason
    replace(reason=None), replace(reason=5), replace(reason=["a"]), replace(reason="a\0b"),
    replace(reason="x" * 300 + "\udfff"), replace(reason="x" * 255 + "\u00e9"),
    replace(reason="x" * 254 + "\u20ac"), replace(reason="x" * 253 + "\u20ac"),
    replace(reason="\U0001f600" * 70), replace(reason="y" * 5000), replace(reason=""),
    replace(reason="\x01\x1f\n\t\"\\/\b"), append(b'"reason":"a","reason":"a"'),
    # attributes
    with_attributes(b"null"), with_attributes(b"[]"), with_attributes(b'"x"'),
    with_attributes(b"{}"), with_attributes(b"{ }"), with_attributes(b"{\r}"),
    with_attributes(b'{"a" : 1.0,\t"a":1e+00, "b":123456789012345678901234567890}'),
    with_attributes(b'{"a":"\\u0000"}'), with_attributes(b'{"a":[{"b":"\\ud800"}]}'),
    with_attributes(b'{"a":"\\ud83d\\ude00","\\u0062":"\\/"}'),
    with_attributes(b'{"a":"' + b"x" * 1016 + b'"}'),
    with_attributes(b'{"a":"' + b"x" * 1017 + b'"}'),
    with_attributes(b'{"a":' + b"[" * 62 + b"]" * 62 + b"}"),
    append(b'"attributes":{},"attributes":{}'),
    lambda rng, event: dump({**event, "type": "receipt", "attributes": {"x": "y" * 1100}}),
]
# Only where a record's timestamp is not its `at`: these would settle everything that is open.
FAR_MUTATIONS = [
    replace(at=253402300799999), replace(at="9999-12-31T23:59:59.999Z"),
    replace(at="9999-12-31T23:59:60Z"), replace(at="9999-12-31T23:59:59.999-00:01"),
    lambda rng, event: swap(b'"@"', b"253402300799999.9")(rng, {**event, "at": "@"}),
]


def b64(content):
    return base64.b64encode(content).decode()


def text_or_b64(envelope, name, content):
    try:
        envelope[name] = content.decode()
    except UnicodeDecodeError:
        envelope[name + "_b64"] = b64(content)


def drop(*names):
    def change(envelope):
        for name in names:
            envelope.pop(name, None)
    return change


def put(**changes):
    return lambda envelope: envelope.update(changes)


def in_base64(envelope):
    for name in ("key", "payload"):
        if isinstance(envelope.get(name), str):
            envelope[name + "_b64"] = b64(envelope.pop(name).encode("utf-8", "surrogatepass"))


def decoded(envelope):
    try:
        envelope["payload"] = json.loads(envelope["payload"])
    except (KeyError, ValueError, RecursionError):
        pass


def value(**member):
    """The value is this and nothing else."""
    def change(envelope):
        drop("payload", "payload_b64")(envelope)
        envelope.update(member)
    return change


ENVELOPE_MUTATIONS = [
    in_base64, in_base64, decoded, value(payload=None), drop("key"), put(key=None),
    put(key="other"),
    drop("ts"), put(ts=-1), put(ts=0), drop("topic"), drop("partition"), drop("offset"),
    drop("topic", "partition", "offset", "tstype", "broker"),
    put(ts=253402300800000), put(ts=2**63 - 1),
    put(headers=["trace", "1", "none", None, "trace", "\u00e9"]), put(headers=[]),
    put(headers=["upshot-reason", "not_json", "upshot-source", "old/1/2"]),
    put(headers_b64=["raw", "/wD+", "none", None, "text", "YQ=="]),
    put(unknown={"a": [1]}),
    # ill-typed
    put(ts="1795428000000"), put(ts=2**63), put(ts=1e300), put(partition="0"),
    put(partition=2**31), put(offset="7"), put(offset=[]), put(topic=1), put(key=5), put(key={}),
    put(headers="x"), put(headers=["odd"]), put(headers=["a", 1]), put(headers=[1, "a"]),
    value(payload_b64="!"), value(payload_b64="YQ"), value(payload_b64=5),
    # values that only an envelope can carry
    value(payload=""), value(payload="\ud800"), value(payload="{}\0"), value(payload=7),
    value(payload=True), value(payload=[1]), value(payload={}), put(key="\0"),
    value(payload_b64=b64(b"\xff\xfe{}")), value(payload_b64=""), value(payload_b64=None),
]


class Cycle:
    """Hands out all rows of a list, shuffled, before any comes twice."""

    def __init__(self, rng, rows):
        self.rng = rng
        self.rows = rows
        self.left = []

    def next(self):
        if not self.left:
            self.left = list(self.rows)
            self.rng.shuffle(self.left)
        return self.left.pop()


class Writer:
    def __init__(self, rng, options):
        self.rng = rng
        self.options = options
        self.mutations = Cycle(rng, MUTATIONS + (FAR_MUTATIONS if options.envelopes else []))
        self.envelope_mutations = Cycle(rng, ENVELOPE_MUTATIONS)
        self.files = [[] for _ in range(options.files)]
        self.offsets = {}

    def file_of(self, event):
        if self.options.files == 1:
            return 0
        side = 0 if event["type"] == "send" else 1
        return side if self.rng.random() < 0.97 else 1 - side

    def write(self, timestamp, event):
        rng, nasty = self.rng, self.options.nasty
        index = self.file_of(event)
        value = dump(event)
        if nasty:
            value = pretty(rng, event)
            if rng.random() < 0.2:
                # Beside the event mostly, so that the lives go on.
                self.line(index, timestamp, event, self.mutations.next()(rng, event))
                if rng.random() < 0.3:
                    return
        self.line(index, timestamp, event, value)

    def line(self, index, timestamp, event, value):
        rng, nasty = self.rng, self.options.nasty
        lines = self.files[index]
        if nasty and rng.random() < 0.02:
            lines.append(rng.choice((b"", b" \t", b"\r")))
        if not self.options.envelopes or (nasty and rng.random() < 0.03):
            lines.append(value.replace(b"\n", b" "))
            return
        partition = zlib.crc32(event["message_id"].encode()) % self.options.partitions
        place = (index, partition)
        self.offsets[place] = self.offsets.get(place, -1) + 1
        envelope = {"topic": ("message.sends", "message.receipts")[index], "partition": partition,
                    "offset": self.offsets[place], "tstype": "create", "ts": timestamp,
                    "broker": 1, "key": event["message_id"]}
        if nasty:  # the key that the mutated value asks for, where it can be told
            try:
                found = json.loads(value).get("message_id")
                if isinstance(found, str):
                    envelope["key"] = found
            except (ValueError, AttributeError, RecursionError):
                pass
        text_or_b64(envelope, "payload", value)
        if nasty and rng.random() < 0.15:
            self.envelope_mutations.next()(envelope)
        lines.append(json.dumps(envelope, separators=(",", ":")).encode())


def generate(options):
    rng = random.Random("upshot %d" % options.seed)
    channels = [Channel(json.loads(path.read_text(encoding="utf-8")))
                for path in sorted(Path(options.channels).glob("*.json"))]
    lives = Lives(rng, options, channels)
    for number in range(options.lives):
        lives.life(number)
    lives.events.sort(key=lambda row: row[0])
    writer = Writer(rng, options)
    for _, timestamp, event in lives.events:
        writer.write(timestamp, event)
    paths = []
    for number, lines in enumerate(writer.files, 1):
        path = Path("%s.%d.jsonl" % (options.out, number))
        # Now and then a last line without its line feed.
        end = b"" if options.nasty and rng.random() < 0.5 else b"\n"
        path.write_bytes(b"\n".join(lines) + end)
        paths.append(str(path))
    return paths


def parse(arguments=None):
    parser = argparse.ArgumentParser(description="lives of messages, by seed")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--lives", type=int, required=True)
    parser.add_argument("--envelopes", action="store_true", help="kcat -J lines, not bare ones")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--files", type=int, choices=(1, 2), default=1)
    parser.add_argument("--nasty", action="store_true", help="bad lines, escapes, edges")
    parser.add_argument("--short", action="store_true",
                        help="every message within a day, so that none is forgotten between")
    parser.add_argument("--channels", default=CHANNELS_DIR)
    parser.add_argument("--out", required=True, metavar="PREFIX")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    print("\n".join(generate(parse())))
