#!/usr/bin/env python3
"""The outcomes of upshot, recomputed from the design alone: a second opinion on `upshot replay`.

Clear rather than fast, and written without a look at the C code: two programs by two readers of
one contract rarely make the same mistake. It keeps everything in memory, knows no Kafka, and its
words in upshot-detail and its table digest (always zeros) are its own; compare.py leaves those out.

    reference.py [--channels DIR] [--now TIME] [--to-end-of-time] [--dead-letters FILE]
                 [--summary FILE] FILE...
"""
import argparse
import base64
import binascii
import heapq
import json
import os
import re
import sys
from pathlib import Path

CHANNELS_DIR = Path(__file__).resolve().parents[2] / "schemas" / "channels"

ARRIVALS = ("opened", "joined", "repeated", "conflicting", "advanced", "jumped", "stale")
REASONS = ("skewed_time", "no_value", "too_large", "not_json", "bad_field", "key_mismatch",
           "wrong_partition", "unknown_channel", "unknown_status")

EVENT_MAX = 65536
DEPTH_MAX = 64
ID_MAX = 128
REASON_MAX = 256
ATTRIBUTES_MAX = 1024
HEADERS_MAX = 64
SKEW_MAX_MS = 3600 * 1000
INT64_MIN, INT64_MAX = -2**63, 2**63 - 1

# Before every time there is: no watermark yet, and "ripe at once".
NEVER = -10**30

# ---------------------------------------------------------------------------------------- JSON

WHITE = re.compile(rb"[ \t\n\r]*")
NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
ESCAPE = rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})'
STRING = re.compile(rb'"((?:[^"\\\x00-\x1f]++|' + ESCAPE + rb')*+)"')
SHORT_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r",
                 "t": "\t"}
WORDS = {b"true": "true", b"false": "false", b"null": "null"}


class NotJson(Exception):
    pass


class Node:
    """A value with the bytes it was written in. `items`: (name, node) of an object, in order."""

    def __init__(self, kind, raw=b""):
        self.kind = kind
        self.raw = raw
        self.text = None         # of a string: decoded, in generalised UTF-8
        self.items = []
        self.unkeepable = False  # a NUL or a lone surrogate somewhere inside

    def named(self, name):
        return [node for key, node in self.items if key == name]


def decode_string(body):
    """Bytes between the quotes -> (decoded bytes, unkeepable)."""
    if b"\\" not in body:
        return body, False

    def one(match):
        letter = match.group(1)
        return chr(int(letter[1:], 16)) if letter[0] == "u" else SHORT_ESCAPES[letter]

    text = re.sub(r'\\(u[0-9a-fA-F]{4}|.)', one, body.decode())
    # Through UTF-16, where a high and a low surrogate side by side become one character.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    unkeepable = any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
    return text.encode("utf-8", "surrogatepass"), unkeepable


class Reader:
    """RFC 8259 and nothing more; Python's own reader is not strict."""

    def __init__(self, text):
        self.text = text
        self.at = 0

    def white(self):
        self.at = WHITE.match(self.text, self.at).end()

    def take(self, byte):
        if not self.text.startswith(byte, self.at):
            return False
        self.at += 1
        return True

    def expect(self, byte):
        if not self.take(byte):
            raise NotJson(f"{byte.decode()} expected at byte {self.at}")

    def value(self, level):
        start = self.at
        first = self.text[start:start + 1]
        if first in (b"{", b"["):
            if level > DEPTH_MAX:
                raise NotJson("too many levels")
            node = self.object(level) if first == b"{" else self.array(level)
        elif first == b'"':
            node = self.string()
        else:
            node = self.scalar()
        node.raw = self.text[start:self.at]
        return node

    def string(self):
        match = STRING.match(self.text, self.at)
        if not match:
            raise NotJson(f"bad string at byte {self.at}")
        self.at = match.end()
        node = Node("string")
        node.text, node.unkeepable = decode_string(match.group(1))
        return node

    def scalar(self):
        for word, kind in WORDS.items():
            if self.text.startswith(word, self.at):
                self.at += len(word)
                return Node(kind)
        match = NUMBER.match(self.text, self.at)
        if not match:
            raise NotJson(f"no value at byte {self.at}")
        self.at = match.end()
        return Node("number")

    def object(self, level):
        node = Node("object")
        self.expect(b"{")
        self.white()
        if self.take(b"}"):
            return node
        while True:
            self.white()
            name = self.string()
            self.white()
            self.expect(b":")
            self.white()
            value = self.value(level + 1)
            node.items.append((name.text, value))
            node.unkeepable |= name.unkeepable or value.unkeepable
            self.white()
            if not self.take(b","):
                self.expect(b"}")
                return node

    def array(self, level):
        node = Node("array")
        self.expect(b"[")
        self.white()
        if self.take(b"]"):
            return node
        while True:
            self.white()
            value = self.value(level + 1)
            node.items.append((None, value))
            node.unkeepable |= value.unkeepable
            self.white()
            if not self.take(b","):
                self.expect(b"]")
                return node


def read_object(text):
    """Exactly one object, or NotJson."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        raise NotJson("not UTF-8") from None
    reader = Reader(text)
    reader.white()
    if not text.startswith(b"{", reader.at):
        raise NotJson("not an object")
    node = reader.value(1)
    reader.white()
    if reader.at != len(text):
        raise NotJson("something behind the object")
    return node


def integer_of(node):
    """A number's value without its fraction, exactly; None where it does not fit an int64."""
    sign, whole, fraction, exponent = re.fullmatch(
        rb"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]+))?", node.raw).groups(b"")
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return 0
    # No number here has 10^9 digits, so an exponent longer than that is as good as 10^9.
    size = exponent.lstrip(b"+-").lstrip(b"0")
    shift = int(size or b"0") if len(size) <= 9 else 10**9
    shift = (-shift if exponent.startswith(b"-") else shift) - len(fraction)
    if len(digits) + shift > 20:
        return None
    kept = digits[:max(len(digits) + shift, 0)]
    value = int(kept or b"0") * 10**max(shift, 0)
    if sign:
        value = -value - bool(digits[len(kept):].strip(b"0"))
    return value if INT64_MIN <= value <= INT64_MAX else None


def json_string(text):
    """Bytes of valid UTF-8 -> a JSON string that escapes no more than it must."""
    out = ['"']
    short = {"\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"',
             "\\": "\\\\"}
    for c in text.decode("utf-8"):
        out.append(short.get(c) or (f"\\u{ord(c):04x}" if c < " " else c))
    return "".join(out) + '"'


# ---------------------------------------------------------------------------------------- time

RFC3339 = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})"
                     rb"(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))")
DAY_MS = 24 * 3600 * 1000


def leap(year):
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def month_days(year, month):
    return 29 if month == 2 and leap(year) else (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
                                                 31)[month - 1]


def days_of(year, month, day):
    """Days since 1970-01-01; datetime is not used, for it has no year 0."""
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400
    days += sum(month_days(year, m) for m in range(1, month)) + day - 1
    return days - 719162


def date_of(days):
    year = 1970 + days // 366
    while days_of(year + 1, 1, 1) <= days:
        year += 1
    while days_of(year, 1, 1) > days:
        year -= 1
    month = 1
    while month < 12 and days_of(year, month + 1, 1) <= days:
        month += 1
    return year, month, days - days_of(year, month, 1) + 1


TIME_MIN = days_of(0, 1, 1) * DAY_MS
TIME_MAX = days_of(10000, 1, 1) * DAY_MS - 1


def parse_time(text):
    """RFC 3339 in bytes -> milliseconds, or None."""
    match = RFC3339.fullmatch(text)
    if not match:
        return None
    year, month, day, hour, minute, second = (int(g) for g in match.groups()[:6])
    if not 1 <= month <= 12 or not 1 <= day <= month_days(year, month):
        return None
    if hour > 23 or minute > 59 or second > 60:
        return None
    ms = days_of(year, month, day) * DAY_MS + (hour * 60 + minute) * 60000 + second * 1000
    if match.group(8):
        offset_hour, offset_minute = int(match.group(9)), int(match.group(10))
        if offset_hour > 23 or offset_minute > 59:
            return None
        offset = (offset_hour * 60 + offset_minute) * 60000
        ms += offset if match.group(8) == b"-" else -offset
    # A leap second is the last of a month in UTC: what it reads as is a month's first midnight.
    if second == 60 and (ms % DAY_MS != 0 or date_of(ms // DAY_MS)[2] != 1):
        return None
    if match.group(7):
        ms += int(match.group(7)[:3].ljust(3, b"0"))
    return ms if TIME_MIN <= ms <= TIME_MAX else None


def format_time(ms):
    ms = min(max(ms, TIME_MIN), TIME_MAX)
    year, month, day = date_of(ms // DAY_MS)
    ms %= DAY_MS
    return (f"{year:04}-{month:02}-{day:02}T{ms // 3600000:02}:{ms // 60000 % 60:02}"
            f":{ms // 1000 % 60:02}.{ms % 1000:03}Z")


def parse_duration(text):
    units = {"ms": 1, "s": 1000, "m": 60000, "h": 3600000, "d": DAY_MS}
    number, unit = re.fullmatch(r"([0-9]+)(ms|s|m|h|d)", text).groups()
    return int(number) * units[unit]


# -------------------------------------------------------------------------------------- tables


class Status:
    def __init__(self, row):
        self.name = row["status"]
        self.phase = row["phase"]
        self.outcome = row["outcome"]
        self.settle_after = parse_duration(row["settle_after"])
        self.then = set(row.get("then", []))


class Channel:
    def __init__(self, document):
        self.name = document["channel"]
        self.version = document["version"]
        self.retention = parse_duration(document["retention"])
        self.orphan_hold = parse_duration(document["orphan_hold"])
        self.initial_settle_after = parse_duration(document["initial"]["settle_after"])
        self.initial_outcome = document["initial"]["outcome"]
        self.statuses = [Status(row) for row in document["statuses"]]  # weakest first
        self.strength = {status.name: i for i, status in enumerate(self.statuses)}

    def contradict(self, a, b):
        a, b = self.statuses[a], self.statuses[b]
        return (a.phase == b.phase == "final" and a.outcome != b.outcome
                and a.name not in b.then and b.name not in a.then)


def load_channels(directory):
    channels = [Channel(json.loads(path.read_text(encoding="utf-8")))
                for path in sorted(Path(directory).glob("*.json"))]
    return {channel.name.encode(): channel for channel in channels}


# ---------------------------------------------------------------------------- lines and events


class Record:
    """What Kafka would have given us for one line of a file."""

    def __init__(self, value, topic, partition, offset, timestamp):
        self.value = value      # None: a tombstone
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.timestamp = timestamp
        self.key = None
        self.key_is_id = False  # a bare line: its key is its id
        self.headers = []       # (name, value or None)
        self.bad = None         # an envelope with an ill-typed member: which


class DeadLetter(Exception):
    def __init__(self, reason, detail=""):
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Event:
    def __init__(self, **facts):
        self.__dict__.update(facts)


def time_of(node):
    """The `at` of an event -> milliseconds, or None."""
    if node.kind == "string":
        return parse_time(node.text)
    if node.kind == "number":
        ms = integer_of(node)
        return ms if ms is not None and 10**11 <= ms <= TIME_MAX else None
    return None


def cut_text(text, limit):
    if len(text) <= limit:
        return text
    while text[limit] & 0xC0 == 0x80:
        limit -= 1
    return text[:limit]


def decode_event(record, channels):
    """The event in a record's value, or DeadLetter with the first reason that fits."""
    if record.value is None:
        raise DeadLetter("no_value")
    if len(record.value) > EVENT_MAX:
        raise DeadLetter("too_large")
    try:
        top = read_object(record.value)
    except NotJson as error:
        raise DeadLetter("not_json", str(error)) from None

    members = {}
    for name in ("type", "message_id", "channel", "status", "at", "reason", "attributes"):
        found = top.named(name.encode())
        if len(found) > 1 or any(node.unkeepable for node in found):
            raise DeadLetter("bad_field", name)
        if found:
            kinds = {"at": ("string", "number"), "attributes": ("object",)}.get(name, ("string",))
            if found[0].kind not in kinds:
                raise DeadLetter("bad_field", name)
        members[name] = found[0] if found else None

    for name in ("type", "message_id", "channel"):
        if members[name] is None:
            raise DeadLetter("bad_field", name)
    if members["type"].text not in (b"send", b"receipt"):
        raise DeadLetter("bad_field", "type")
    is_send = members["type"].text == b"send"
    message_id = members["message_id"].text
    if not 1 <= len(message_id) <= ID_MAX:
        raise DeadLetter("bad_field", "message_id")
    if not is_send and members["status"] is None:
        raise DeadLetter("bad_field", "status")
    at = record.timestamp
    if members["at"]:
        at = time_of(members["at"])
        if at is None:
            raise DeadLetter("bad_field", "at")
    attributes = members["attributes"].raw if members["attributes"] else b""
    if len(attributes) > ATTRIBUTES_MAX:
        raise DeadLetter("bad_field", "attributes")
    reason = cut_text(members["reason"].text, REASON_MAX) if members["reason"] else b""

    if not record.key_is_id and record.key != message_id:
        raise DeadLetter("key_mismatch")
    if record.key_is_id:
        record.key = message_id
    channel = channels.get(members["channel"].text)
    if channel is None:
        raise DeadLetter("unknown_channel")
    status = None
    if members["status"]:
        name = members["status"].text.decode("utf-8")
        if name not in channel.strength:
            raise DeadLetter("unknown_status")
        status = channel.strength[name]

    return Event(channel=channel, message_id=message_id, is_send=is_send, status=status, at=at,
                 reason=reason if status is not None else b"",
                 attributes=attributes if is_send else b"")


class BadEnvelope(Exception):
    pass


def one_member(top, name, kinds):
    found = top.named(name.encode())
    if not found:
        return None
    if len(found) > 1 or found[0].kind not in kinds:
        raise BadEnvelope(name)
    return found[0]


def integer_member(top, name, least, greatest):
    node = one_member(top, name, ("number",))
    if node is None:
        return None
    value = integer_of(node)
    if value is None or not least <= value <= greatest:
        raise BadEnvelope(name)
    return value


def base64_bytes(text, name):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadEnvelope(name) from None


def bytes_member(top, name, any_kind):
    """Bytes of NAME or NAME_b64; None where neither is there, or it is null."""
    kinds = ("string", "null")
    node = one_member(top, name, kinds + ("object", "array", "number", "true", "false")
                      if any_kind else kinds)
    if node is not None and node.kind != "null":
        # kcat with a decoder writes the payload as JSON: its bytes are the value.
        return node.text if node.kind == "string" else node.raw
    node = one_member(top, name + "_b64", kinds)
    if node is not None and node.kind != "null":
        return base64_bytes(node.text, name + "_b64")
    return None


def headers_of(top):
    headers = []
    for member in ("headers", "headers_b64"):
        node = one_member(top, member, ("array",))
        if node is None:
            continue
        cells = [cell for _, cell in node.items]
        if len(cells) % 2 or len(cells) > 2 * HEADERS_MAX:
            raise BadEnvelope(member)
        for name, value in zip(cells[::2], cells[1::2]):
            if name.kind != "string" or value.kind not in ("string", "null"):
                raise BadEnvelope(member)
            content = value.text
            if content is not None and member == "headers_b64":
                content = base64_bytes(content, member)
            headers.append((name.text, content))
    return headers


def read_envelope(record, top, line_before):
    """Fills the record from an envelope. Nothing of it is changed where a member is ill-typed."""
    partition = integer_member(top, "partition", 0, 2**31 - 1)
    offset = integer_member(top, "offset", INT64_MIN, INT64_MAX)
    timestamp = integer_member(top, "ts", INT64_MIN, INT64_MAX)
    topic = one_member(top, "topic", ("string",))
    key = bytes_member(top, "key", False)
    value = bytes_member(top, "payload", True)
    headers = headers_of(top)
    if topic is not None:
        record.topic = topic.text
    record.partition = partition or 0
    if offset is not None and offset >= 0:
        record.offset = offset
    known = timestamp is not None and timestamp >= 0
    record.timestamp = timestamp if known else line_before
    record.key, record.value, record.headers = key, value, headers


def read_line(line, number, topic, line_before):
    """One line of a file -> Record."""
    record = Record(line, topic, 0, number, line_before)
    try:
        top = read_object(line)
    except NotJson:
        record.key_is_id = True
        return record
    payloads = top.named(b"payload") + top.named(b"payload_b64")
    if payloads and not top.named(b"type"):
        try:
            read_envelope(record, top, line_before)
        except BadEnvelope as error:
            record.bad = str(error)
        return record
    record.key_is_id = True
    found = top.named(b"at")
    if len(found) == 1 and time_of(found[0]) is not None:
        record.timestamp = time_of(found[0])
    return record


def skewed(timestamp, now):
    return timestamp > TIME_MAX or (now is not None and timestamp > now + SKEW_MAX_MS)


def read_file(path, now):
    """All records of a file, in its order."""
    data = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    records, line_before = [], 0
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip(b" \t\r"):
            continue
        record = read_line(line, number, os.fsencode(path), line_before)
        if record.timestamp <= TIME_MAX:
            line_before = record.timestamp
        records.append(record)
    return records


# ------------------------------------------------------------------------------ state machine


class Message:
    """One life of a message: every fact joins by itself, so order does not matter."""

    def __init__(self, channel, message_id, record):
        self.channel = channel
        self.message_id = message_id
        self.life = record.timestamp
        self.first_timestamp = record.timestamp
        self.seen = {}           # status -> earliest at
        self.state = None
        self.state_timestamp = None
        self.send_seen = False
        self.sent_at = None
        self.attributes = None   # (at, bytes)
        self.reason = None       # (at, bytes), of the state
        self.source = (record.topic, record.offset)
        self.revision = 0
        self.emitted = None      # the verdict of the last outcome
        self.forget_at = None

    def arrival(self, event, fresh):
        channel, status = self.channel, event.status
        if fresh:
            return "opened"
        if event.is_send and not self.send_seen:
            return "joined"
        if status is None or status in self.seen:
            return "repeated"
        if any(channel.contradict(status, other) for other in self.seen):
            return "conflicting"
        if self.state is None:
            return "advanced"
        if status < self.state:
            return "stale"
        listed = channel.statuses[status].name in channel.statuses[self.state].then
        return "advanced" if listed else "jumped"

    def join(self, event, record):
        self.first_timestamp = min(self.first_timestamp, record.timestamp)
        if event.is_send:
            self.sent_at = min(self.sent_at, event.at) if self.send_seen else event.at
            self.send_seen = True
            if event.attributes:
                mine = (event.at, event.attributes)
                self.attributes = min(self.attributes or mine, mine)
        if event.status is None:
            return
        self.seen[event.status] = min(self.seen.get(event.status, event.at), event.at)
        if self.state is None or event.status > self.state:
            self.state = event.status
            self.state_timestamp = record.timestamp
            self.source = (record.topic, record.offset)
            self.reason = None
        if event.status == self.state:
            self.state_timestamp = min(self.state_timestamp, record.timestamp)
            if event.reason:
                mine = (event.at, event.reason)
                self.reason = min(self.reason or mine, mine)

    # What follows is computed from the facts above each time, and never stored.

    def outcome(self):
        if self.state is None:
            return self.channel.initial_outcome
        return self.channel.statuses[self.state].outcome

    def verdict(self):
        conflict = any(self.channel.contradict(a, b) for a in self.seen for b in self.seen)
        return (self.outcome(), self.state, self.send_seen, conflict)

    def pending(self):
        return self.revision == 0 or self.verdict() != self.emitted

    def settle_after(self):
        if self.state is None:
            return self.channel.initial_settle_after
        return self.channel.statuses[self.state].settle_after

    def deadline(self):
        base = self.first_timestamp if self.state is None else self.state_timestamp
        return base + self.settle_after()

    def held(self):
        return not self.send_seen and self.revision == 0

    def hold_end(self):
        return self.first_timestamp + self.channel.orphan_hold

    def ripe_at(self):
        if self.held():
            if self.settle_after() == 0:
                return self.hold_end()
            return max(self.deadline(), self.hold_end())
        return NEVER if self.settle_after() == 0 else self.deadline()

    def wake_at(self):
        return self.ripe_at() if self.pending() else self.forget_at

    def settled(self):
        """(settled_at, settled_by) of an outcome emitted now."""
        if self.held() and self.hold_end() > self.deadline():
            return self.hold_end(), "orphan"
        return self.deadline(), "status" if self.settle_after() == 0 else "deadline"


class Task:
    """Partition p of every file."""

    def __init__(self, partition, files):
        self.partition = partition
        self.greatest = [None] * files  # timestamp taken from each file
        self.watermark = NEVER
        self.messages = {}
        self.wakes = []                 # heap; rows that are not true any more are skipped

    def target(self, ended):
        """The watermark that the files allow: none while one that goes on has said nothing."""
        going_on = [g for g, end in zip(self.greatest, ended) if not end]
        if not going_on or None in going_on:
            return self.watermark
        return max(self.watermark, min(going_on))

    def note(self, message):
        heapq.heappush(self.wakes, (message.wake_at(), message.message_id,
                                    message.channel.name.encode()))

    def next_due(self):
        """(deadline, message) of the first in (deadline, id, channel) order, or None."""
        while self.wakes:
            deadline, message_id, channel = self.wakes[0]
            message = self.messages.get((channel, message_id))
            if message is not None and message.wake_at() == deadline:
                return deadline, message
            heapq.heappop(self.wakes)
        return None


class Replay:
    def __init__(self, channels, now=None):
        self.channels = channels
        self.now = now
        self.tasks = {}
        self.outcomes = []      # lines, bytes
        self.dead_letters = []  # lines, bytes
        self.arrival_counts = dict.fromkeys(ARRIVALS, 0)
        self.reason_counts = dict.fromkeys(REASONS, 0)
        self.outcome_counts = {}

    def run(self, paths, to_end_of_time=False):
        self.run_records([read_file(path, self.now) for path in paths], to_end_of_time)

    def run_records(self, files, to_end_of_time=False):
        heads = [0] * len(files)
        self.ended = [not records for records in files]
        while not all(self.ended):
            choice = min((records[heads[i]].timestamp, i) for i, records in enumerate(files)
                         if not self.ended[i])[1]
            self.take(choice, files[choice][heads[choice]], len(files))
            heads[choice] += 1
            if heads[choice] == len(files[choice]):
                self.ended[choice] = True
                for _, task in sorted(self.tasks.items()):
                    self.advance(task, task.target(self.ended))
        if to_end_of_time:
            for _, task in sorted(self.tasks.items()):
                self.advance(task, None)

    def take(self, index, record, files):
        if skewed(record.timestamp, self.now):
            try:
                decode_event(record, self.channels)  # for the key of a bare line
            except DeadLetter:
                pass
            self.bury(record, DeadLetter("skewed_time"))
            return
        task = self.tasks.setdefault(record.partition, Task(record.partition, files))
        greatest = task.greatest[index]
        task.greatest[index] = (record.timestamp if greatest is None
                                else max(greatest, record.timestamp))
        self.advance(task, task.target(self.ended))
        try:
            if record.bad:
                raise DeadLetter("bad_field", record.bad)
            event = decode_event(record, self.channels)
        except DeadLetter as letter:
            self.bury(record, letter)
            return
        self.apply(task, event, record)

    def advance(self, task, target):
        """Fires what is due up to the target; None: everything there is."""
        while (due := task.next_due()) and (target is None or due[0] <= target):
            deadline, message = due
            heapq.heappop(task.wakes)
            # As if the watermark had stopped here: cutting anywhere must give the same.
            task.watermark = max(task.watermark, deadline)
            self.settle(task, message)
        if target is not None:
            task.watermark = max(task.watermark, target)

    def apply(self, task, event, record):
        key = (event.channel.name.encode(), event.message_id)
        fresh = key not in task.messages
        if fresh:
            task.messages[key] = Message(event.channel, event.message_id, record)
        message = task.messages[key]
        self.arrival_counts[message.arrival(event, fresh)] += 1
        message.join(event, record)
        self.settle(task, message)

    def settle(self, task, message):
        """Emits what is ripe, forgets what is over, and notes when to look again."""
        if message.pending() and message.ripe_at() <= task.watermark:
            settled_at, settled_by = message.settled()
            message.revision += 1
            message.emitted = message.verdict()
            message.forget_at = max(settled_at, task.watermark) + message.channel.retention
            self.emit(task, message, settled_at, settled_by)
        if message.wake_at() <= task.watermark:
            del task.messages[(message.channel.name.encode(), message.message_id)]
        else:
            task.note(message)

    def emit(self, task, message, settled_at, settled_by):
        channel = message.channel
        outcome, state, send_seen, conflict = message.emitted
        status = channel.statuses[state] if state is not None else None
        status_at = message.seen[state] if status else None
        name = channel.name.encode() + b":" + message.message_id + b":%d:" % message.life
        latency = status_at - message.sent_at if status and send_seen else None
        timeline = sorted((at, strength) for strength, at in message.seen.items())
        topic, offset = message.source

        # Every value is JSON text already: attributes keep the bytes they came in.
        fields = {"schema": '"upshot.outcome/1"',
                  "outcome_id": json_string(name + b"%d" % message.revision)}
        if message.revision > 1:
            fields["supersedes"] = json_string(name + b"%d" % (message.revision - 1))
        fields["message_id"] = json_string(message.message_id)
        fields["channel"] = json_string(channel.name.encode())
        fields["life"] = str(message.life)
        fields["outcome"] = json_string(outcome.encode())
        fields["status"] = json_string(status.name.encode()) if status else "null"
        fields["phase"] = json_string(status.phase.encode()) if status else "null"
        fields["revision"] = str(message.revision)
        fields["settled_by"] = json_string(settled_by.encode())
        fields["settled_at"] = f'"{format_time(settled_at)}"'
        fields["send_seen"] = json.dumps(send_seen)
        fields["conflict"] = json.dumps(conflict)
        if send_seen:
            fields["sent_at"] = f'"{format_time(message.sent_at)}"'
        if status:
            fields["status_at"] = f'"{format_time(status_at)}"'
        fields["latency_ms"] = json.dumps(latency)
        if message.reason:
            fields["reason"] = json_string(message.reason[1])
        fields["timeline"] = "[" + ",".join(
            '{"status":%s,"at":"%s"}' % (json_string(channel.statuses[strength].name.encode()),
                                         format_time(at)) for at, strength in timeline) + "]"
        if message.attributes:
            raw = message.attributes[1].decode("utf-8")
            fields["attributes"] = raw.replace("\n", " ").replace("\r", " ")
        fields["source"] = ('{"topic":%s,"partition":%d,"offset":%d}'
                            % (json_string(topic), task.partition, offset))
        fields["table"] = '{"version":%d,"digest":"%s"}' % (channel.version, "0" * 16)
        self.outcomes.append(("{" + ",".join(f'"{k}":{v}' for k, v in fields.items())
                              + "}").encode())
        counts = self.outcome_counts.setdefault(channel.name, {})
        counts[outcome] = counts.get(outcome, 0) + 1

    def bury(self, record, letter):
        self.reason_counts[letter.reason] += 1
        source = b"%s/%d/%d" % (record.topic, record.partition, record.offset)
        headers = list(record.headers) + [(b"upshot-reason", letter.reason.encode())]
        if letter.detail:
            headers.append((b"upshot-detail", letter.detail.encode()))
        headers.append((b"upshot-source", source))
        envelope = {"topic": record.topic.decode("utf-8", "replace"),
                    "partition": record.partition, "offset": record.offset,
                    "ts": record.timestamp}
        put_headers(envelope, headers)
        put_bytes(envelope, "key", record.key)
        put_bytes(envelope, "payload", record.value)
        self.dead_letters.append(json.dumps(envelope, ensure_ascii=False).encode())

    def summary(self):
        return {"arrivals": self.arrival_counts, "dead_letters": self.reason_counts,
                "outcomes": self.outcome_counts}


def utf8_or_none(content):
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


def put_bytes(envelope, name, content):
    if content is None:
        envelope[name] = None
    elif utf8_or_none(content) is not None:
        envelope[name] = content.decode("utf-8")
    else:
        envelope[name + "_b64"] = base64.b64encode(content).decode()


def put_headers(envelope, headers):
    plain = all(value is None or utf8_or_none(value) is not None for _, value in headers)
    cells = []
    for name, value in headers:
        cells.append(name.decode("utf-8", "replace"))
        if value is None:
            cells.append(None)
        else:
            cells.append(value.decode("utf-8") if plain else base64.b64encode(value).decode())
    envelope["headers" if plain else "headers_b64"] = cells


def now_of(text):
    ms = int(text) if text.isdigit() else parse_time(text.encode())
    if ms is None:
        raise argparse.ArgumentTypeError(f"{text}: neither RFC 3339 nor epoch milliseconds")
    return ms


def main():
    parser = argparse.ArgumentParser(description="upshot replay, recomputed")
    parser.add_argument("--channels", default=CHANNELS_DIR)
    parser.add_argument("--now", type=now_of)
    parser.add_argument("--to-end-of-time", action="store_true")
    parser.add_argument("--dead-letters")
    parser.add_argument("--summary")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()

    replay = Replay(load_channels(options.channels), options.now)
    replay.run(options.files, options.to_end_of_time)
    sys.stdout.buffer.writelines(line + b"\n" for line in replay.outcomes)
    if options.dead_letters:
        Path(options.dead_letters).write_bytes(
            b"".join(line + b"\n" for line in replay.dead_letters))
    if options.summary:
        Path(options.summary).write_text(json.dumps(replay.summary()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
