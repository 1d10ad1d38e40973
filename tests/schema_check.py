#!/usr/bin/env python3
"""Holds files against the JSON Schemas in schemas/.

    tests/schema_check.py                    the examples, the channel files, and the schemas
                                             themselves: each must also refuse what is wrong
    tests/schema_check.py --outcomes FILE    every line is an outcome
    tests/schema_check.py --events FILE      every line is a send or a receipt, as its type says

FILE may be - for stdin; both options may be given several times. Complaints are one line each,
file and line first. Ends with 1 where there is one, and where nothing was there to hold.
"""
import argparse
import copy
import json
import pathlib
import sys

try:
    import jsonschema
except ImportError:
    sys.exit("schema_check: the module jsonschema is missing (apt-get install python3-jsonschema)")

SCHEMAS = pathlib.Path(__file__).resolve().parents[1] / "schemas"
KINDS = ("channel", "event.send", "event.receipt", "outcome")
GONE = object()  # take the member away

# What each schema must refuse: an example, a path in it, what to put there, and why that is wrong.
WRONG = (
    ("channel.voice", "channel", "Voice", "a channel's name is lower case"),
    ("channel.voice", "channel", "v" * 33, "a channel's name has 32 letters at most"),
    ("channel.voice", "version", 0, "versions begin with 1"),
    ("channel.voice", "version", "1", "a version is a number"),
    ("channel.voice", "retention", GONE, "every duration must be given"),
    ("channel.voice", "retention", "0h", "nothing can be forgotten at once"),
    ("channel.voice", "orphan_hold", "-10m", "a duration is never negative"),
    ("channel.voice", "orphan_hold", "10 minutes", "no such unit"),
    ("channel.voice", "initial/outcome", "unsolved", "no such outcome"),
    ("channel.voice", "retension", "48h", "no such member"),
    ("channel.voice", "statuses", [], "a channel has statuses"),
    ("channel.voice", "statuses/0/phase", "ringing", "no such phase"),
    ("channel.voice", "statuses/0/settel_after", "1h", "no such member"),
    ("channel.voice", "statuses/0/then", ["BUSY", "BUSY"], "listed twice"),
    ("channel.voice", "statuses/0/then", "BUSY", "then is a list"),
    ("channel.voice", "statuses/0/status", "NO ANSWER", "a status has no blank"),
    ("channel.voice", "statuses/3/settle_after", "1s", "a final settles at once"),
    ("event.send.attributes", "type", "receipt", "another type"),
    ("event.send.attributes", "message_id", GONE, "the id is missing"),
    ("event.send.attributes", "message_id", "", "the id is empty"),
    ("event.send.attributes", "message_id", "m" * 129, "the id is too long"),
    ("event.send.attributes", "message_id", "m\0", "the id has a NUL"),
    ("event.send.attributes", "message_id", 7, "the id is a string"),
    ("event.send.attributes", "channel", None, "null is no channel"),
    ("event.send.attributes", "at", None, "null is no time"),
    ("event.send.attributes", "at", 1795428000, "seconds, not milliseconds"),
    ("event.send.attributes", "at", "2026-11-23 10:00:00Z", "a blank for the T"),
    ("event.send.attributes", "at", "2026-11-23T10:00:00", "no offset"),
    ("event.send.attributes", "attributes", [], "attributes are an object"),
    ("event.send.attributes", "reason", 3, "a reason is a string"),
    ("event.receipt.delivered", "type", "send", "another type"),
    ("event.receipt.delivered", "status", GONE, "a receipt has a status"),
    ("event.receipt.delivered", "status", 5, "a status is a string"),
    ("event.receipt.delivered", "attributes", 1, "dropped, but held to the same rules"),
    ("outcome.delivered", "schema", "upshot.outcome/2", "another version"),
    ("outcome.delivered", "extra", 1, "no such member"),
    ("outcome.delivered", "outcome", "sent", "no such outcome"),
    ("outcome.delivered", "outcome_id", "sms:m-1:1795428000000:0", "revisions begin with 1"),
    ("outcome.delivered", "life", "1795428000000", "life is a number"),
    ("outcome.delivered", "revision", 2, "a correction supersedes something"),
    ("outcome.delivered", "supersedes", "sms:m-1:1795428000000:1", "a first one does not"),
    ("outcome.correction", "supersedes", GONE, "a correction supersedes something"),
    ("outcome.correction", "supersedes", None, "absent facts are absent members"),
    ("outcome.delivered", "status", None, "a phase without a status"),
    ("outcome.delivered", "phase", None, "a status without a phase"),
    ("outcome.delivered", "status_at", GONE, "a status was seen at some time"),
    ("outcome.delivered", "sent_at", GONE, "the send was seen at some time"),
    ("outcome.delivered", "send_seen", False, "sent_at without a send"),
    ("outcome.delivered", "latency_ms", GONE, "latency is null where it is not known"),
    ("outcome.delivered", "latency_ms", None, "both times are there"),
    ("outcome.delivered", "latency_ms", 1.5, "latency is whole milliseconds"),
    ("outcome.orphan", "latency_ms", 0, "latency of what?"),
    ("outcome.unresolved", "status_at", "2026-11-23T10:00:00.000Z", "no status was seen"),
    ("outcome.unresolved", "settled_by", "orphan", "its send was seen"),
    ("outcome.delivered", "settled_by", "nobody", "no such word"),
    ("outcome.delivered", "settled_at", "2026-11-23T10:00:01Z", "milliseconds are missing"),
    ("outcome.delivered", "settled_at", "2026-11-23T10:00:01.300+00:00", "UTC is written Z"),
    ("outcome.delivered", "settled_at", 1795428001300, "times are strings"),
    ("outcome.delivered", "reason", "", "an empty reason is absent"),
    ("outcome.delivered", "reason", None, "absent facts are absent members"),
    ("outcome.delivered", "timeline", [], "its status is not in its timeline"),
    ("outcome.delivered", "timeline/0/at", GONE, "every status has its time"),
    ("outcome.delivered", "timeline/0/reason", "x", "no such member"),
    ("outcome.delivered", "attributes", None, "absent facts are absent members"),
    ("outcome.delivered", "source/partition", -1, "partitions begin with 0"),
    ("outcome.delivered", "source/topic", GONE, "where does it come from?"),
    ("outcome.delivered", "table/digest", "9F2C9F2C9F2C9F2C", "hex is lower case"),
    ("outcome.delivered", "table/digest", "9f2c", "a digest has 16 digits"),
)


def no_number(word):
    raise ValueError(f"{word} is no number")


def read_json(text):
    """The value, and the names that its top object gives twice: JSON says nothing about them."""
    twins = set()

    def note_twins(pairs):
        names = [name for name, _ in pairs]
        twins.clear()  # objects end from the inside out, so the top one has the last word
        twins.update(name for name in names if names.count(name) > 1)
        return dict(pairs)

    value = json.loads(text, object_pairs_hook=note_twins, parse_constant=no_number)
    return value, twins if isinstance(value, dict) else set()


def read_file(path):
    return read_json(path.read_text(encoding="utf-8"))[0]


def load_schemas():
    validators = {}
    for kind in KINDS:
        schema = read_file(SCHEMAS / f"{kind}.schema.json")
        jsonschema.Draft202012Validator.check_schema(schema)
        validators[kind] = jsonschema.Draft202012Validator(schema)
    return validators


class Check:
    def __init__(self):
        self.validators = load_schemas()
        self.held = dict.fromkeys(KINDS, 0)
        self.faults = 0

    def fault(self, where, words):
        self.faults += 1
        print(f"{where}: {words}")

    def hold(self, where, kind, text):
        """One text against one schema; an event's kind is what its type says."""
        try:
            value, twins = read_json(text)
        except ValueError as error:
            self.fault(where, f"is not JSON: {error}")
            return
        if kind == "event":
            word = value.get("type") if isinstance(value, dict) else None
            if word not in ("send", "receipt"):
                self.fault(where, "type is neither send nor receipt")
                return
            kind = f"event.{word}"
        for error in self.validators[kind].iter_errors(value):
            place = "/".join(map(str, error.absolute_path))
            words = error.message if len(error.message) < 300 else error.message[:300] + "…"
            self.fault(where, f"{kind}: {place + ': ' if place else ''}{words}")
        for name in sorted(twins & self.validators[kind].schema["properties"].keys()):
            self.fault(where, f'{kind}: "{name}" is given twice')
        self.held[kind] += 1

    def examples(self):
        for path in sorted((SCHEMAS / "examples").glob("*.json")):
            kind = next((kind for kind in KINDS if path.name.startswith(kind + ".")), None)
            if kind is None:
                self.fault(path, "its name does not say of which schema it is an example")
            else:
                self.hold(path, kind, path.read_text(encoding="utf-8"))
        for kind in KINDS:
            if self.held[kind] == 0:
                self.fault(SCHEMAS / "examples", f"has no example of {kind}")

    def channels(self):
        before = self.held["channel"]
        for path in sorted((SCHEMAS / "channels").glob("*.json")):
            self.hold(path, "channel", path.read_text(encoding="utf-8"))
        if self.held["channel"] == before:
            self.fault(SCHEMAS / "channels", "has no channel file")

    def refusals(self):
        """A schema that accepts everything would pass all of the above."""
        for example, place, value, why in WRONG:
            path = SCHEMAS / "examples" / f"{example}.json"
            try:
                wrong = spoil(read_file(path), place, value)
            except (OSError, ValueError, LookupError, TypeError) as error:
                self.fault(path, f"cannot be spoilt at {place}: {error!r}")
                continue
            kind = next(kind for kind in KINDS if example.startswith(kind + "."))
            if self.validators[kind].is_valid(wrong):
                shown = "taken away" if value is GONE else json.dumps(value)
                self.fault(path, f"passes with {place} {shown}, but {why}")

    def lines(self, name, kind):
        held = sum(self.held.values())
        faults = self.faults
        try:
            stream = sys.stdin if name == "-" else open(name, encoding="utf-8", newline="\n")
            with stream:
                for number, line in enumerate(stream, start=1):
                    self.hold(f"{name}:{number}", kind, line)
        except (OSError, UnicodeDecodeError) as error:
            self.fault(name, f"cannot be read: {error}")
        if held == sum(self.held.values()) and faults == self.faults:
            self.fault(name, "has no line: nothing was held against a schema")


def spoil(value, place, by):
    """A copy of the value with one member changed."""
    whole = copy.deepcopy(value)
    *way, last = [int(step) if step.isdigit() else step for step in place.split("/")]
    inner = whole
    for step in way:
        inner = inner[step]
    if by is GONE:
        del inner[last]
    else:
        inner[last] = by
    return whole


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--outcomes", metavar="FILE", action="append", default=[])
    parser.add_argument("--events", metavar="FILE", action="append", default=[])
    options = parser.parse_args()

    check = Check()
    if not options.outcomes and not options.events:
        check.examples()
        check.channels()
        check.refusals()
    for name in options.outcomes:
        check.lines(name, "outcome")
    for name in options.events:
        check.lines(name, "event")
    counts = ", ".join(f"{count} {kind}" for kind, count in check.held.items() if count > 0)
    print(f"schema_check: {counts or 'nothing'} held, {check.faults} faults")
    return 1 if check.faults or not counts else 0


if __name__ == "__main__":
    sys.exit(main())
