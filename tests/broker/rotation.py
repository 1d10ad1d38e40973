"""A rotation of faults over three brokers and up to four processes, while events flow in.

Not a test: test_rotation is the short form, soak the long one. Two lanes make faults at the same
time, each in an order that the seed alone decides: one has the processes of the stage (SIGKILL,
sleep beyond the session, more and fewer of them, static and dynamic members), the other the
brokers (rolling restart, SIGKILL of a coordinator, a pause). One broker is away at a time, since
min.insync.replicas is 2 of 3. Who ends by himself is started again, as a supervisor would do, and
is reported with his reason.

At the end the inputs are dumped, and two programs that know nothing of Kafka's transactions say
what must have come of them: upshot replay, and the reference written from the contract alone.
"""
import collections
import json
import random
import signal
import subprocess
import sys
import threading
import time

import broker
from broker import RECEIPTS, SENDS, Broken, Follower, Stage, say

PARTITIONS = 6
BROKERS = 3
SLICE_LIVES, RATE = 100, 0.05  # a slice is half an hour of record time
PACE_S = 0.2                   # between two slices, so that small machines keep up
PATIENCE_S = 180               # no condition takes that long unless something is broken
OFFSETS, TRANSACTIONS = "__consumer_offsets", "__transaction_state"
APP = "rotation"

SETTINGS = {
    "app.id": APP,
    # Never idle: a broker that is away would look like silence, and silence lets time pass, so
    # that lives which are still being written would be settled and forgotten by the wall clock.
    "idle.after": "1h",
    "transaction.timeout.ms": 10000,
    # Many small transactions, so that a fault seldom finds none under way.
    "commit.records": 200,
}

BAD = [
    ("m-1", "not JSON"),
    ("m-2", None),
    (None, '{"type":"send","message_id":"m-3","channel":"sms"}'),
    ("m-4", '{"type":"send","message_id":"m-4","channel":"fax"}'),
    ("m-5", '{"type":"receipt","message_id":"m-5","channel":"sms","status":"GONE"}'),
    ("m-6", '{"type":"receipt","type":"send","message_id":"m-6","channel":"sms"}'),
    ("other", '{"type":"send","message_id":"m-7","channel":"sms"}'),
    ("m-8", '{"type":"send","message_id":"m-8","channel":"sms"'),
]


class Lane(threading.Thread):
    """Work beside other work; what goes wrong in it is told when it is joined."""

    def __init__(self, name, body):
        super().__init__(name=name, daemon=True)
        self.body, self.broken = body, None

    def run(self):
        try:
            self.body()
        except Exception as broken:  # whatever it is, it is the test's end
            self.broken = broken

    def finish(self, seconds):
        self.join(seconds)
        if self.broken:
            raise self.broken
        broker.require(not self.is_alive(), f"{self.name} does not come to its end")


class Flow:
    """Events, slice after slice, until it is closed."""

    def __init__(self, kafka, rng, days):
        self.kafka, self.rng = kafka, rng
        self.closed, self.slices, self.torn = threading.Event(), 0, 0
        # Record time runs faster than the wall clock, and must not overtake it.
        self.start_ms = broker.now_ms() - int(days * broker.DAY_MS)
        self.lane = Lane("the flow of events", self.produce)
        self.lane.start()

    def produce(self):
        while not self.closed.wait(PACE_S):
            seed = self.rng.randrange(1 << 31)
            start = self.start_ms + int(self.slices * SLICE_LIVES / RATE * 1000)
            self.slices += 1
            try:
                self.kafka.generate("--lives", SLICE_LIVES, "--rate", RATE, "--seed", seed,
                                    "--bad", 20, "--start", broker.iso(start))
            except Broken:
                self.torn += 1  # it waits for 30 s; what it did not write is not in the inputs

    def close(self):
        """The last records of each input are dated now: all that is due by then settles. Not
        earlier, for every record moves time, the bad ones too."""
        self.closed.set()
        self.lane.finish(PATIENCE_S)
        for topic in (SENDS, RECEIPTS):
            self.kafka.produce(topic, BAD)
            for partition in range(PARTITIONS):
                self.kafka.produce(topic, [("the end", "of the flow")], partition=partition)


class Member:
    """A place for one process of the stage, and who fills it after a death."""

    def __init__(self, kafka, number, static, workers):
        self.kafka, self.number, self.static = kafka, number, static
        self.settings = {**SETTINGS, "workers": workers}
        if static:
            self.settings["instance.id"] = f"pod-{number}"
        self.stage, self.wanted = None, False

    def __str__(self):
        return f"{'static' if self.static else 'dynamic'} {self.number}"

    def start(self):
        self.stage = Stage(self.kafka, self.settings)

    def runs(self):
        return self.wanted and self.stage is not None and self.stage.process.poll() is None


class Members:
    """All places, and the supervisor who fills those that are wanted."""

    def __init__(self, kafka, kinds):
        self.all = [Member(kafka, i, kind, 2 if i == 0 else 1) for i, kind in enumerate(kinds)]
        self.lock = threading.RLock()  # who holds it starts and ends processes
        self.exits = []
        self.retired = []
        self.closed = threading.Event()
        self.lane = Lane("the supervisor", self.supervise)
        self.lane.start()

    def supervise(self):
        while not self.closed.wait(0.3):
            with self.lock:
                for member in self.all:
                    if not member.wanted or member.runs():
                        continue
                    if member.stage is not None:
                        self.note_exit(member)
                    member.start()

    def note_exit(self, member):
        code, _ = member.stage.wait_exit()
        self.exits.append((code, why(member.stage), str(member), member.stage.log_path))
        self.retired.append(member.stage)
        member.stage = None
        say(f"  {member} ended by itself with {code}: {self.exits[-1][1]}")
        broker.require(code == 3, f"an exit with {code} is no way for the world to fail")

    def running(self):
        return [member for member in self.all if member.runs()]

    def kill(self, member):
        with self.lock:
            if member.runs():
                member.stage.kill()
            if member.stage is not None:
                self.retired.append(member.stage)
            member.stage = None  # the supervisor starts it again

    def dismiss(self, member):
        with self.lock:
            member.wanted = False
            stage, member.stage = member.stage, None
            if stage is None:
                return
            self.retired.append(stage)
            stage.signal(signal.SIGTERM)
            code, took = stage.wait_exit()
            # With a broker away the last transaction may be left for the next start to find out;
            # and one that has not said a word yet was stopped before it was upshot.
            unborn = code == -signal.SIGTERM and len(stage.log().splitlines()) == 1
            broker.require(code == 0 or unborn or (code == 3 and took < 8),
                           f"SIGTERM ended {member} with {code} after {took:.1f} s; {stage.tail()}")
            if code != 0:
                self.exits.append((code, why(stage), f"{member} at SIGTERM", stage.log_path))

    def scale(self, count, rng):
        wanted = [member for member in self.all if member.wanted]
        for member in rng.sample(wanted, max(0, len(wanted) - count)):
            self.dismiss(member)
        spare = [member for member in self.all if not member.wanted]
        for member in rng.sample(spare, max(0, count - len(wanted))):
            member.wanted = True

    def close(self):
        self.closed.set()
        self.lane.finish(60)


def why(stage):
    """The last error that a process gave, shortened."""
    lines = [line for line in stage.log().splitlines() if "level=error" in line]
    return lines[-1][:200] if lines else "no error was logged"


# Faults of processes ----------------------------------------------------------------------------

# How a process that slept through its session shows that it was stopped from going on.
FENCED = ("revoked", "consumer_fatal", "transaction_call", "task_moved", "transaction_unclear")


def kill_one(run, rng, kind):
    member = pick(run, rng, kind)
    say(f"SIGKILL {member}")
    run.members.kill(member)
    run.count(f"SIGKILL of a {kind} process")


def pick(run, rng, kind, at_least=1):
    """A process of the kind that is at work; there may be none for a moment."""
    def candidates():
        running = run.members.running()
        return len(running) >= at_least and [
            member for member in running if member.static == (kind == "static") and
            member.stage.events("restored")]
    return rng.choice(broker.wait_for(f"a {kind} process at work", candidates, PATIENCE_S))


def sleep_one(run, rng, kind):
    """Beyond its session, until others have taken its partitions; then it wakes up."""
    members = run.members
    member = pick(run, rng, kind, at_least=2)
    with members.lock:
        if not member.runs():
            return sleep_one(run, rng, kind)
        stage = member.stage
        stage.signal(signal.SIGSTOP)
    say(f"SIGSTOP {member}")
    try:
        before = len(stage.events("assigned"))
        # Asleep between two assignments it has nothing to be fenced from.
        held = before > len(stage.events("revoked"))
        seen = marks(stage)
        at = {other.stage: len(other.stage.events("assigned"))
              for other in members.running() if other is not member}
        # Any assignment of another process after its session ended has all partitions in it.
        time.sleep(8)  # the session, which is the fault, and no condition
        broker.wait_for("others at its work", lambda: any(
            len(other.stage.events("assigned")) > at.get(other.stage, 0)
            for other in members.running() if other is not member), PATIENCE_S)
    finally:
        stage.signal(signal.SIGCONT)
    say(f"SIGCONT {member}")

    def fenced():
        now = marks(stage)
        return [name for name in FENCED if now[name] > seen[name]]
    ways = ["it held nothing"]
    if held:
        ways = broker.wait_for(f"fenced: {member}, {stage.log_path}", fenced, PATIENCE_S)
    broker.wait_for(f"at work again, or replaced: {member}, {stage.log_path}",
                    lambda: stage.process.poll() is not None or
                    len(stage.events("assigned")) > before, PATIENCE_S)
    run.count(f"sleep of a {kind} process")
    run.fences.update(name for name in FENCED if marks(stage)[name] > seen[name])
    say(f"  it was fenced: {', '.join(ways)}")


def marks(stage):
    words = collections.Counter(line.split(" ", 1)[0] for line in stage.log().splitlines())
    return {name: words[name] for name in FENCED}


def scale_to(run, rng, count):
    say(f"to {count} processes")
    run.members.scale(count, rng)
    broker.wait_for(f"{count} processes at work", lambda: sum(
        bool(member.stage and member.stage.events("restored"))
        for member in run.members.running()) >= count, PATIENCE_S)
    run.count(f"to {count} processes")


# Faults of brokers ------------------------------------------------------------------------------


def rolling_restart(run, rng):
    order = rng.sample(range(1, BROKERS + 1), BROKERS)
    say(f"rolling restart of the brokers {order}")
    for number in order:
        run.kafka.script("stop", str(number))
        run.kafka.script("launch", str(number))
        run.kafka.wait_in_sync(BROKERS)
    run.count("rolling restart")


def kill_leader(run, rng, topic, name, what):
    number = broker.wait_for(f"a coordinator of {name}",
                             lambda: run.kafka.coordinator(topic, name), PATIENCE_S)
    say(f"SIGKILL broker {number}, {what} of {name}")
    run.kafka.script("kill", str(number))
    time.sleep(rng.uniform(1, 10))
    run.kafka.script("launch", str(number))
    run.kafka.wait_in_sync(BROKERS)
    run.count(f"SIGKILL of {what}")


def kill_group_coordinator(run, rng):
    kill_leader(run, rng, OFFSETS, APP, "the group coordinator")


def kill_transaction_coordinator(run, rng):
    def ids():
        return [event["transactional_id"] for member in run.members.running()
                for event in member.stage.events("worker_started")]
    transactional_id = rng.choice(broker.wait_for("a worker", ids, PATIENCE_S))
    kill_leader(run, rng, TRANSACTIONS, transactional_id, "the transaction coordinator")


def kill_state_leader(run, rng):
    number = broker.wait_for("a leader", lambda: (run.kafka.metadata().get(f"{APP}.state") or
                                                  [{}])[0].get("leader"), PATIENCE_S)
    say(f"SIGKILL broker {number}, a leader of the state")
    run.kafka.script("kill", str(number))
    time.sleep(rng.uniform(0, 8))
    run.kafka.script("launch", str(number))
    run.kafka.wait_in_sync(BROKERS)
    run.count("SIGKILL of a leader of the state")


def pause_broker(run, rng, seconds=20):
    number = rng.randint(1, BROKERS)
    say(f"broker {number} pauses for {seconds} s")
    run.kafka.script("pause", str(number))
    try:
        time.sleep(seconds)
    finally:
        run.kafka.script("resume", str(number))
    run.kafka.wait_in_sync(BROKERS)
    run.count(f"broker paused for {seconds} s")


def blink_broker(run, rng):
    """Too short to lose its leaderships: what lay in its sockets is late, and still welcome."""
    pause_broker(run, rng, 4)


BROKER_FAULTS = (rolling_restart, kill_group_coordinator, kill_transaction_coordinator,
                 pause_broker)


# One run ----------------------------------------------------------------------------------------


class Run:
    def __init__(self, kafka, seed, days):
        self.kafka, self.seed = kafka, seed
        self.faults, self.fences = collections.Counter(), collections.Counter()
        kinds = [True, True, False, False]
        self.rng("kinds").shuffle(kinds)
        self.members = Members(kafka, kinds)
        self.flow = Flow(kafka, self.rng("flow"), days)

    def rng(self, name):
        return random.Random(f"{self.seed}/{name}")

    def count(self, fault):
        self.faults[fault] += 1

    def short_stage_lane(self):
        rng = self.rng("processes")
        scale_to(self, rng, 1)
        scale_to(self, rng, 4)
        faults = [(kill_one, "static"), (kill_one, "dynamic"), (sleep_one, "static"),
                  (sleep_one, "dynamic")]
        rng.shuffle(faults)
        for fault, kind in faults:
            fault(self, rng, kind)
        scale_to(self, rng, 2)

    def short_broker_lane(self):
        # Not before the outputs are there: they cannot be created while a broker is away.
        broker.wait_for("a process at work", lambda: any(
            member.stage and member.stage.events("restored") for member in self.members.all),
            PATIENCE_S)
        rng = self.rng("brokers")
        faults = list(BROKER_FAULTS)
        rng.shuffle(faults)
        for fault in faults:
            fault(self, rng)

    def long_stage_lane(self, until):
        rng = self.rng("processes")
        self.short_stage_lane()
        while time.monotonic() < until:
            kind = rng.choice(["static", "dynamic"])
            fault = rng.choice([kill_one, kill_one, sleep_one, "scale"])
            if fault == "scale":
                scale_to(self, rng, rng.choice([1, 2, 3, 4]))
            elif any(member.wanted and member.static == (kind == "static")
                     for member in self.members.all) and \
                    (fault is kill_one or sum(m.wanted for m in self.members.all) > 1):
                fault(self, rng, kind)
            time.sleep(rng.uniform(0, 6))

    def long_broker_lane(self, until):
        rng = self.rng("brokers")
        self.short_broker_lane()
        while time.monotonic() < until:
            rng.choice(BROKER_FAULTS + (kill_group_coordinator, kill_transaction_coordinator,
                                        kill_state_leader, blink_broker))(self, rng)
            time.sleep(rng.uniform(0, 6))

    def rotate(self, lanes, seconds):
        lanes = [Lane(name, body) for name, body in lanes]
        for lane in lanes:
            lane.start()
        while any(lane.is_alive() for lane in lanes):
            for lane in (*lanes, self.members.lane, self.flow.lane):
                lane.join(0.2)
                if lane.broken:
                    raise lane.broken
        for lane in lanes:
            lane.finish(seconds)


# What must hold ---------------------------------------------------------------------------------


def check_state(kafka, records):
    """Each task's transactions are 1, 2, 3, ..., and their counts make up the inputs' records."""
    last = {}
    for envelope in kafka.read(f"{APP}.state"):
        if envelope["key"] != "c\0":
            continue
        control = broker.Control(envelope["payload"].encode("utf-8", "surrogateescape"))
        before = last.get(envelope["partition"])
        expected = 1 if before is None else before.transaction + 1
        broker.require(control.transaction == expected,
                       f"partition {envelope['partition']}, offset {envelope['offset']}: "
                       f"transaction {control.transaction} where {expected} is next")
        last[envelope["partition"]] = control
    counted = sum(sum(control.counts.values()) for control in last.values())
    broker.require(counted == records, f"{counted} records are in the stage's counts, "
                   f"{records} are in its inputs: {[c.counts for c in last.values()]}")
    transactions = sum(control.transaction for control in last.values())
    say(f"{counted} records in {transactions} transactions of tasks, each counted once, and each "
        "transaction the next of its task")


class Reference:
    """tests/reference over the dumps; it takes its time, so it begins while the stage works."""

    def __init__(self, paths):
        self.outcomes, self.letters = broker.Outcomes(), None
        self.letters_path = broker.DIRECTORY / "letters-of-reference"
        self.paths = paths
        self.lane = Lane("the reference", self.recompute)
        self.lane.start()

    def recompute(self):
        command = [sys.executable, str(broker.ROOT / "tests" / "reference" / "reference.py"),
                   "--to-end-of-time", "--dead-letters", str(self.letters_path), *self.paths]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        for line in process.stdout:
            self.outcomes.add(json.loads(line))
        broker.require(process.wait() == 0, f"the reference ended with {process.returncode}")
        with open(self.letters_path, encoding="utf-8", errors="surrogateescape") as file:
            self.letters = broker.letters_of(json.loads(line) for line in file)

    def result(self):
        self.lane.finish(3600)
        return self.outcomes, self.letters


def check(run):
    kafka, members = run.kafka, run.members
    paths = [str(broker.DIRECTORY / topic) for topic in (SENDS, RECEIPTS)]
    records = 0
    for topic, path in zip((SENDS, RECEIPTS), paths):
        kafka.dump(topic, path)
        with open(path, "rb") as file:
            records += sum(1 for _ in file)
    second_opinion = Reference(paths)
    expected, letters = broker.replay(
        kafka, *paths, dead_letters=str(broker.DIRECTORY / "letters-of-replay"))
    say(f"{records} records of {len(expected.lives)} messages are in Kafka; working them off")

    follower = Follower(kafka)
    follower.wait_verdicts(expected, PATIENCE_S)
    follower.wait_letters(sum(letters.values()), PATIENCE_S)
    follower.close()
    members.close()
    for member in members.running():
        member.stage.stop()
    say("all is worked off")

    outcomes = broker.read_outcomes(kafka)
    say(f"{outcomes.count} outcomes, {outcomes.corrections} of them corrections: no duplicate, no "
        "gap, each supersedes the one before")
    written = broker.read_letters(kafka)
    for name, (others, other_letters) in (
            ("replay", (expected, letters)), ("the reference", second_opinion.result())):
        broker.same_verdicts("run", outcomes, name, others)
        broker.same_letters("run", written, name, other_letters)
        say(f"last verdicts of {len(others.lives)} messages and {sum(other_letters.values())} "
            f"dead letters are those of {name}")
    check_state(kafka, records)


def tell(run):
    say("faults: " + ", ".join(f"{n} x {fault}" for fault, n in sorted(run.faults.items())))
    say(f"{run.flow.slices} slices of events, {run.flow.torn} of them not written whole")
    say("a process that slept saw: " + (", ".join(f"{n} x {fence}" for fence, n
                                                  in run.fences.items()) or "nothing"))
    logs = [stage.log() for stage in run.members.retired + [
        member.stage for member in run.members.all if member.stage is not None]]
    words = collections.Counter(line.split(" ", 1)[0] for log in logs for line in log.splitlines())
    say("logged: " + ", ".join(f"{words[word]} x {word}" for word in (
        "transaction_undone", "transaction_unclear", "transaction_resolved", "task_moved",
        "offsets_not_stable", "offsets_moved", "consumer_fatal")))
    reasons = collections.Counter((code, text.split(" level=")[0]) for code, text, _, _
                                  in run.members.exits)
    say("exits by themselves: " + (", ".join(f"{n} x {code} {text}" for (code, text), n
                                             in reasons.items()) or "none"))


def rotate(kafka, seed, days, lanes_of, seconds):
    say(f"UPSHOT_SEED={seed}")
    kafka.topics(PARTITIONS, SENDS, RECEIPTS)
    run = Run(kafka, seed, days)
    try:
        run.rotate(lanes_of(run), seconds)
        kafka.wait_in_sync(BROKERS)
        run.flow.close()
        check(run)
    except Broken:
        for code, text, who, path in run.members.exits:
            say(f"  {who} ended with {code}: {text} ({path})")
        raise
    finally:
        run.flow.closed.set()
        run.members.closed.set()
        tell(run)
    return run
