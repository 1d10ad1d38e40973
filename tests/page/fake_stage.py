#!/usr/bin/env python3
"""A stage that only looks like one: the page, and moving answers by the HTTP contract.

    tests/page/fake_stage.py [--port N] [--upshot PROGRAM] [--no-drawing CHANNEL]

Serves consumer/page.html and what it asks for. Messages flow through the real channel tables as
numbers only: each second, a part of those in a state moves on along its `then`. page_test.py starts
it in its own process, takes it away and brings it back; alone it is for who works on the page.
"""
import argparse
import collections
import datetime
import hashlib
import http.server
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
HISTORY = 60

# Messages a second, and how likely a status is to come next; the others are as likely as 0.4.
RATES = {"sms": 420, "email": 310, "push": 260, "whatsapp": 120, "rcs": 60}
LIKELY = {
    "sms": {"DEQUEUED": 95, "SENT": 90, "ENROUTE": 40, "ACCEPTD": 30, "DELIVRD": 75, "UNDELIV": 3},
    "email": {"SENT": 98, "OPEN": 30, "CLICK": 9, "BOUNCED": 1.5},
    "push": {"SENT": 96, "UNREGISTERED": 2},
    "whatsapp": {"DELIVERED": 70, "READ": 25},
    "rcs": {"DELIVERED": 60, "READ": 30, "FALLBACK": 6},
}
STAY_S = {"queued": 3, "transit": 8, "provisional": 45, "final": 600}

OUTCOMES = re.findall(r'OUTCOME\(\w+, "(\w+)"\)', (ROOT / "statemachine/outcome.def").read_text())
HOSTILE = '<img src=x onerror="window.hurt=1">'
REASONS = {"unknown_status": ("sms has no status \"SENDING\"", 60),
           "bad_field": ("at: \"yesterday\" is no time", 25),
           "not_json": ("byte 17: a value was expected", 14),
           "key_mismatch": ("the key is not the message id", 8),
           "unknown_channel": ("no channel \"fax\"", 5)}


def rfc3339(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


class Channel:
    """One table, and how many messages are where."""

    def __init__(self, table, dice):
        self.name = table["channel"]
        self.table = table
        self.dice = dice
        self.digest = hashlib.sha256(json.dumps(table).encode()).hexdigest()[:16]
        self.statuses = {row["status"]: row for row in table["statuses"]}
        self.initial = table["initial"]["outcome"]
        self.live = collections.Counter()
        self.entered = collections.Counter()
        self.minute = collections.deque(maxlen=HISTORY)
        self.outcomes, self.settled_by = collections.Counter(), collections.Counter()
        self.arrivals = collections.Counter()
        self.corrections = self.unsent = 0

    def some(self, mean):
        """About so many: whole, never negative."""
        value = max(0.0, self.dice.gauss(mean, mean ** 0.5 / 2))
        return int(value) + (self.dice.random() < value % 1)

    def next_of(self, status):
        names = self.statuses[status]["then"] if status else list(self.statuses)[:1]
        odds = LIKELY[self.name]
        return names, [odds.get(name, 0.4) for name in names]

    def stay(self, status):
        row = self.statuses.get(status)
        seconds = STAY_S[row["phase"]] if row else 1
        return seconds * 20 if row and row["settle_after"] == "72h" and seconds == 45 else seconds

    def second(self, weather):
        """One second passes. Gives records read, outcomes by word, corrections."""
        came = self.some(RATES[self.name] * weather)
        moved, outcomes, corrections = collections.Counter({None: came}), collections.Counter(), 0
        self.live[None] += came
        self.arrivals["opened"] += came
        for status in [None, *self.statuses]:
            names, odds = self.next_of(status)
            leave = min(self.live[status], self.some(self.live[status] / self.stay(status)))
            if not names or not leave:
                continue
            for name, odd in zip(names, odds):
                count = min(self.live[status], self.some(leave * odd / sum(odds)))
                self.live[status] -= count
                self.live[name] += count
                moved[name] += count
                row, before = self.statuses[name], self.statuses.get(status)
                if row["phase"] == "final" and count:
                    outcomes[row["outcome"]] += count
                    if before and before["phase"] == "final":
                        corrections += count
        overdue = self.some(0.6) if outcomes else 0
        outcomes[self.initial] += overdue
        self.settled_by["status"] += sum(outcomes.values()) - overdue
        self.settled_by["deadline"] += overdue
        self.arrivals["advanced"] += sum(moved.values()) - came
        self.arrivals["repeated"] += self.some(came / 40)
        self.arrivals["stale"] += self.some(came / 90)
        self.unsent = max(0, self.unsent + self.dice.randint(-6, 6) + (self.unsent < 20) * 4)
        self.entered.update(moved)
        self.minute.append(moved)
        self.outcomes.update(outcomes)
        self.corrections += corrections
        return sum(moved.values()), outcomes, corrections

    def states(self):
        recent = sum(self.minute, collections.Counter())
        return [{"status": status, "phase": row["phase"] if row else None,
                 "live": self.live[status],
                 "waiting": 0 if row and row["phase"] == "final" else self.live[status],
                 "entered": self.entered[status], "last_minute": recent[status]}
                for status, row in [(None, None), *self.statuses.items()]]

    def view(self):
        states = self.states()
        waiting = sum(state["waiting"] for state in states)
        return {"channel": self.name, "digest": self.digest, "arrivals": dict(self.arrivals),
                "outcomes": {word: self.outcomes[word] for word in OUTCOMES},
                "settled_by": dict(self.settled_by), "corrections": self.corrections,
                "forgotten": self.entered[None] // 3, "unsent": self.unsent, "waiting": waiting,
                "settled": sum(state["live"] for state in states) - waiting, "states": states}


class Stage:
    """What the answers are made of. All of it under one lock."""

    def __init__(self, seed=7, no_drawing=(), upshot="upshot"):
        self.lock = threading.Lock()
        self.dice = random.Random(seed)
        tables = [json.loads((ROOT / "schemas/channels" / f"{name}.json").read_text())
                  for name in RATES]
        self.channels = [Channel(table, self.dice) for table in tables]
        self.drawings = {name: self.draw(upshot, name) for name in RATES if name not in no_drawing}
        self.records, self.dead = collections.deque(maxlen=HISTORY), collections.deque(
            maxlen=HISTORY)
        self.corrections, self.outcomes = collections.deque(maxlen=HISTORY), collections.deque(
            maxlen=HISTORY)
        self.reasons, self.last_dead = collections.Counter(), collections.deque(maxlen=10)
        self.totals = collections.Counter()
        self.restoring = None
        self.delay_s = 0
        self.second_now = int(time.time()) - 400
        self.started = self.second_now + 0.25
        self.catch_up()

    @staticmethod
    def draw(upshot, channel):
        return subprocess.run([upshot, "graph", channel, "-f", "svg"], check=True,
                              capture_output=True).stdout

    def catch_up(self):
        while self.second_now < int(time.time()):
            self.second_now += 1
            self.second()

    def second(self):
        weather = 1 + 0.25 * abs((self.second_now % 50) - 25) / 25 + self.dice.uniform(-.06, .06)
        records, outcomes, corrections, dead = 0, collections.Counter(), 0, 0
        for channel in self.channels:
            taken, settled, corrected = channel.second(weather)
            records += taken
            outcomes.update(settled)
            corrections += corrected
        while self.dice.random() < 0.3:
            dead += 1
            self.bury()
        self.records.append(records + dead)
        self.outcomes.append(outcomes)
        self.corrections.append(corrections)
        self.dead.append(dead)
        self.totals.update(records=records + dead, outcomes=sum(outcomes.values()) - corrections,
                           corrections=corrections, dead_letters=dead)

    def bury(self):
        reason, = self.dice.choices(list(REASONS), [odds for _, odds in REASONS.values()])
        self.reasons[reason] += 1
        key = HOSTILE if self.reasons.total() % 4 == 1 else f"m-{self.dice.getrandbits(40):010x}"
        self.last_dead.appendleft(
            {"at": rfc3339(self.second_now + self.dice.random()), "reason": reason,
             "detail": REASONS[reason][0], "topic": "message.receipts",
             "partition": self.dice.randrange(4), "offset": 810000 + self.totals["records"],
             "key": key})

    def history(self):
        return {"step_s": 1, "end": rfc3339(self.second_now), "records": list(self.records),
                "outcomes": {word: [second[word] for second in self.outcomes] for word in OUTCOMES},
                "dead_letters": list(self.dead), "corrections": list(self.corrections)}

    def tasks(self):
        rows = []
        for partition in range(4):
            age = self.dice.randrange(40, 900)
            inputs = []
            for topic in ("message.sends", "message.receipts"):
                taken = self.totals["records"] // 8 + partition * 1000
                lag = self.dice.choice((0, 0, 0, 3, 12, 41))
                inputs.append({"topic": topic, "next": taken, "end": taken + lag, "lag": lag,
                               "idle": False, "greatest": rfc3339(time.time() - age / 1000)})
            rows.append({"partition": partition, "worker": partition % 2, "running": True,
                         "watermark": rfc3339(time.time() - age / 1000), "watermark_age_ms": age,
                         "messages": sum(sum(channel.live.values())
                                         for channel in self.channels) // 4,
                         "caught_up": all(one["lag"] < 40 for one in inputs), "inputs": inputs})
        return rows

    def upcoming(self, now):
        rows = [("sms", "m-held", None, "unsent"), ("push", "m-push-7", "DEQUEUED", "waiting"),
                ("sms", HOSTILE, "EXPIRED", "waiting"), ("whatsapp", "m-wa-3", "FAILED", "waiting"),
                ("email", "m-waiting", "NOT_SENT", "waiting"), ("rcs", "m-9", "SENT", "settled"),
                ("sms", "m-1007", "UNKNOWN", "waiting"), ("sms", "m-1008", "SENT", "waiting")]
        return [{"channel": channel, "message_id": message, "status": status, "standing": standing,
                 "deadline": rfc3339(now - now % 20 + 20 + place ** 3 * 9)}
                for place, (channel, message, status, standing) in enumerate(rows)]

    def worker(self, worker, now):
        none = {"tasks": 0, "records": 0, "bytes": 0, "percent": 100, "eta_s": 0}
        return {"worker": worker, "at": rfc3339(now), "joined": True, "tasks": 2,
                "restoring": self.restoring if self.restoring and worker == 1 else none}

    def overview(self):
        with self.lock:
            self.catch_up()
            now = time.time()
            live = sum(sum(channel.live.values()) for channel in self.channels)
            ahead = [(60, 2), (600, 5), (3600, 9), (21600, 14), (86400, 23), (259200, 35),
                     (None, 12)]
            return {
                "at": rfc3339(now), "app": "upshot", "version": "1.0.0",
                "started_at": rfc3339(self.started), "ready": self.restoring is None,
                "workers": [self.worker(worker, now) for worker in (0, 1)],
                "totals": {**self.totals, "forgotten": self.totals["outcomes"] // 5,
                           "inputs_waited_out": 0},
                "channels": [channel.view() for channel in self.channels],
                "history": self.history(), "tasks": self.tasks(), "upcoming": self.upcoming(now),
                "ahead": [{"within_s": within, "count": live * share // 100}
                          for within, share in ahead],
                "ahead_exact": True,
                "dead_letters": {"by_reason": dict(self.reasons), "last": list(self.last_dead)},
                "transactions": {"landed": self.totals["records"] // 310, "undone": 2,
                                 "resolved": 1, "mean_ms": 23.4 + self.dice.random()},
                "memory": {"store_bytes": live * 118, "resident_bytes": live * 131 + 42000000,
                           "limit_bytes": 1 << 30, "records_max": 8000000}}

    def message(self, channel, message):
        """The answer's status and body; ids say what they want."""
        if channel not in RATES:
            return 404, {"error": "unknown_channel", "message": f"no channel \"{channel}\""}
        if message == "m-slow":
            return 503, {"error": "no_answer", "message": "worker 1 did not answer within 2 s"}
        if message == "m-restored":
            return 503, {"error": "restoring", "partition": 1, "owned": True,
                         "message": "partition 1 is being restored: ask again later"}
        if message == "m-elsewhere":
            return 404, {"error": "not_owned", "partition": 3, "owned": False,
                         "message": "partition 3 is not of this process"}
        known = {"m-delivered": self.delivered, "m-waiting": self.waits, "m-held": self.held,
                 HOSTILE: self.delivered}
        if message not in known:
            return 404, {"error": "not_found", "partition": 2, "owned": True,
                         "message": "never seen, or forgotten"}
        now = time.time()
        return 200, {"channel": channel, "message_id": message, "partition": 2, "worker": 0,
                     "life": int((now - 90) * 1000), "first_seen": rfc3339(now - 90),
                     **known[message](now), "source": {"topic": "message.receipts", "offset": 4711}}

    @staticmethod
    def delivered(now):
        seen = [("QUEUE", "queued", 89.9), ("SENT", "transit", 89.2),
                ("EXPIRED", "provisional", 61), ("DELIVRD", "final", 31.25)]
        return {"status": "DELIVRD", "phase": "final", "outcome": "delivered", "revision": 2,
                "emitted": {"outcome": "delivered", "status": "DELIVRD", "send_seen": True,
                            "conflict": False},
                "send_seen": True, "conflict": False, "held": False, "sent_at": rfc3339(now - 90),
                "latency_ms": 58750, "reason": "err:000",
                "timeline": [{"status": status, "phase": phase, "at": rfc3339(now - ago)}
                             for status, phase, ago in seen],
                "deadline": rfc3339(now + 172769), "deadline_for": "forget",
                "attributes": {"campaign_id": "c9", "note": HOSTILE}}

    @staticmethod
    def waits(now):
        return {"status": "SENT", "phase": "transit", "outcome": "unresolved", "revision": 0,
                "emitted": None, "send_seen": True, "conflict": False, "held": False,
                "sent_at": rfc3339(now - 90), "latency_ms": 1800,
                "timeline": [{"status": "SENT", "phase": "transit", "at": rfc3339(now - 88.2)}],
                "deadline": rfc3339(now + 259110), "deadline_for": "settle"}

    @staticmethod
    def held(now):
        return {"status": "DELIVRD", "phase": "final", "outcome": "delivered", "revision": 0,
                "emitted": None, "send_seen": False, "conflict": False, "held": True,
                "timeline": [{"status": "DELIVRD", "phase": "final", "at": rfc3339(now - 88.2)}],
                "deadline": rfc3339(now + 510), "deadline_for": "hold"}

    def channel_view(self, channel):
        statuses = [{**{key: row[key] for key in ("status", "phase", "outcome", "meaning")},
                     "rank": rank} for rank, row in enumerate(channel.table["statuses"])]
        return {"channel": channel.name, "digest": channel.digest, "statuses": statuses}


class Answers(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        stage, path = self.server.stage, self.path.split("?", 1)[0]
        words = [urllib.parse.unquote(word) for word in path.split("/")[1:]]
        self.server.asked.append(path)
        if path == "/":
            return self.answer(200, (ROOT / "consumer/page.html").read_bytes(),
                               "text/html; charset=utf-8")
        if words == ["v1", "overview"]:
            time.sleep(stage.delay_s)
            return self.answer_json(200, stage.overview())
        if words[:2] == ["v1", "channels"] and words[3:] == ["drawing.svg"]:
            drawing = stage.drawings.get(words[2])
            if drawing is not None:
                return self.answer(200, drawing, "image/svg+xml")
        if words[:2] == ["v1", "channels"] and len(words) == 3 and words[2] in RATES:
            channel, = [one for one in stage.channels if one.name == words[2]]
            return self.answer_json(200, stage.channel_view(channel))
        if words[:2] == ["v1", "messages"] and len(words) == 4:
            return self.answer_json(*stage.message(words[2], words[3]))
        return self.answer_json(404, {"error": "no_such_path", "message": path})

    def answer_json(self, status, body):
        self.answer(status, json.dumps(body).encode(), "application/json")

    def answer(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        if self.server.leaving:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    """Goes away and comes back at the same port, as a restarted stage does."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, stage, port=0):
        super().__init__(("127.0.0.1", port), Answers)
        self.stage, self.asked, self.leaving, self.talks = stage, [], False, []
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def get_request(self):
        talk, peer = super().get_request()
        self.talks.append(talk)
        return talk, peer

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # the browser went first: well
            super().handle_error(request, client_address)

    def leave(self):
        self.leaving = True
        self.shutdown()
        self.server_close()
        for talk in self.talks:
            try:
                talk.shutdown(2)
            except OSError:
                pass  # the browser was faster

    @property
    def port(self):
        return self.server_address[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--port", type=int, default=9464)
    parser.add_argument("--upshot", default=os.environ.get("UPSHOT", "upshot"))
    parser.add_argument("--no-drawing", action="append", default=[])
    options = parser.parse_args()
    server = Server(Stage(no_drawing=options.no_drawing, upshot=options.upshot), options.port)
    print(f"http://127.0.0.1:{server.port}/", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
