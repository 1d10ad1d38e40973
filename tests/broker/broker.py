"""What the tests on a real Kafka share: the broker, the stage, its topics, and what must hold.

Not a test. A test is an executable beside this file whose name begins with test_; it calls
main() with a function, and is run again inside script/kafka, which gives it a broker of its own
and takes that away again. Nothing here waits for a time to pass and calls that a proof: what is
waited for is a condition, with a deadline that only a fault ever reaches.
"""
import collections
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
KAFKA = str(ROOT / "script" / "kafka")
DAY_MS = 24 * 60 * 60 * 1000
SENDS, RECEIPTS = "message.sends", "message.receipts"


class Broken(Exception):
    """A claim that does not hold."""


def require(claim, why):
    if not claim:
        raise Broken(why)


def say(text):
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


def upshot():
    program = os.environ.get("UPSHOT", str(ROOT / "build" / "release" / "upshot"))
    if not os.access(program, os.X_OK):
        sys.exit(f"{program} is no program: set UPSHOT to the binary that is to be tested")
    return program


def preload(name):
    """LD_PRELOAD with a library of ours, which is beside the program."""
    linked = subprocess.run(["ldd", upshot()], capture_output=True, text=True, check=True)
    # A sanitizer's library must be the first; what it takes for the C library is then ours.
    first = [line.split()[2] for line in linked.stdout.splitlines()
             if line.strip().startswith(("libasan", "libtsan"))]
    return ":".join([*first, str(pathlib.Path(upshot()).parent / "tests" / f"lib{name}.so")])


def loading(times):
    """An environment in which a group's coordinator has just come to it, see loading.c."""
    return {"LD_PRELOAD": preload("loading"), "LOADING": str(times)}


def wait_for(what, condition, seconds=60, every=0.1):
    """The condition's value, as soon as it is true."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        require(time.monotonic() < deadline, f"after {seconds} s: not {what}")
        time.sleep(every)


def wait_asleep(process):
    """Until SIGSTOP, which it has sent itself (kill_at), has stopped it."""
    def stopped():
        require(process.poll() is None, f"it ended with {process.returncode}, and did not sleep")
        stat = pathlib.Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
        return stat.split(") ")[1][0] == "T"
    wait_for("asleep", stopped)


def iso(ms):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms / 1000)) + "Z"


def now_ms():
    return time.time_ns() // 1000000


# The broker -------------------------------------------------------------------------------------


class Broker:
    def __init__(self):
        self.bootstrap = os.environ["KAFKA_BOOTSTRAP"]

    def script(self, *words):
        done = subprocess.run([KAFKA, *words], capture_output=True, text=True)
        require(done.returncode == 0, f"script/kafka {' '.join(words)}: {done.stderr}")
        return done.stdout

    def topics(self, partitions, *names):
        # Records here are dated weeks ago, which Kafka would take for a reason to delete them, or
        # hours ahead, which it would not accept.
        for name in names:
            self.script("topic", name, str(partitions), "retention.ms=-1",
                        f"message.timestamp.after.max.ms={365 * DAY_MS}")

    def metadata(self):
        """Partitions by topic, as kcat shows them; those of Kafka itself among them."""
        listed = subprocess.run(["kcat", "-L", "-J", "-m", "10", "-b", self.bootstrap],
                                capture_output=True)
        if listed.returncode != 0:
            return {}  # the one broker that was asked has just gone
        return {topic["topic"]: topic["partitions"]
                for topic in json.loads(listed.stdout)["topics"]}

    def partitions(self):
        """Partition counts by topic."""
        return {topic: len(partitions) for topic, partitions in self.metadata().items()}

    def coordinator(self, topic, name):
        """Which broker coordinates a group (__consumer_offsets) or a transactional id
        (__transaction_state): the leader of the name's partition. None while there is none."""
        partitions = self.metadata().get(topic)
        if not partitions:
            return None
        mine = java_hash(name) % len(partitions)
        leader = next(row["leader"] for row in partitions if row["partition"] == mine)
        return leader if leader > 0 else None

    def wait_in_sync(self, replicas, seconds=180):
        """Until no replica of any partition is behind."""
        def all_in_sync():
            topics = self.metadata()
            return topics and all(len(row["isrs"]) == replicas and row["leader"] > 0
                                  for rows in topics.values() for row in rows)
        wait_for("all replicas in sync", all_in_sync, seconds, every=0.5)

    def produce(self, topic, records, *settings, partition=None):
        """Records are (key, value), each bytes, str or None; neither has a newline or a tab."""
        blob = b"".join(as_bytes(key) + b"\t" + as_bytes(value) + b"\n" for key, value in records)
        command = ["kcat", "-P", "-q", "-b", self.bootstrap, "-t", topic, "-K", "\t", "-Z"]
        if partition is not None:
            command += ["-p", str(partition)]
        for setting in settings:
            command += ["-X", setting]
        done = subprocess.run(command, input=blob, capture_output=True)
        require(done.returncode == 0, f"kcat -P {topic}: {done.stderr.decode()}")

    def generate(self, *options, inputs=(SENDS, RECEIPTS)):
        done = subprocess.run([upshot(), "gen", "--to-kafka", "-X",
                               f"bootstrap.servers={self.bootstrap}", "-X",
                               f"input.topics={','.join(inputs)}", *map(str, options)],
                              capture_output=True, text=True)
        require(done.returncode == 0, f"upshot gen: {done.stderr}")
        return int(re.search(r"events=(\d+)", done.stderr)[1])

    def consume(self, topic, isolation="read_committed", stay=False):
        command = ["kcat", "-C", "-J", "-q", "-u", "-b", self.bootstrap, "-t", topic,
                   "-X", f"isolation.level={isolation}",
                   "-X", "topic.metadata.refresh.interval.ms=1000"]
        return subprocess.Popen(command + ([] if stay else ["-e"]), stdout=subprocess.PIPE)

    def read(self, topic, isolation="read_committed"):
        """All records of a topic, as kcat's envelopes."""
        process = self.consume(topic, isolation)
        for line in process.stdout:
            yield json.loads(line.decode(errors="surrogateescape"))  # state is binary
        require(process.wait() == 0, f"kcat -C {topic} ended with {process.returncode}")

    def count(self, topic, isolation="read_committed"):
        """How many records it has, markers not among them: a byte each is what kcat prints."""
        done = subprocess.run(["kcat", "-C", "-e", "-q", "-b", self.bootstrap, "-t", topic, "-X",
                               f"isolation.level={isolation}", "-f", "."], capture_output=True)
        require(done.returncode == 0, f"kcat -C {topic}: {done.stderr.decode()}")
        return len(done.stdout)

    def raw(self, topic):
        """(partition, key, value), as bytes or None: kcat's JSON would not bring all of them."""
        dump = subprocess.run(["kcat", "-C", "-e", "-q", "-b", self.bootstrap, "-t", topic, "-X",
                               "isolation.level=read_committed", "-f", "%p %K %S\n%k%s\n"],
                              capture_output=True, check=True).stdout
        at = 0
        while at < len(dump):
            end = dump.index(b"\n", at)
            partition, *sizes = map(int, dump[at:end].split())
            at = end + 1
            texts = []
            for size in sizes:
                texts.append(None if size < 0 else dump[at:at + size])
                at += max(size, 0)
            require(dump[at:at + 1] == b"\n", f"{topic}: cannot tell records apart")
            at += 1
            yield partition, *texts

    def dump(self, topic, path):
        with open(path, "wb") as file:
            done = subprocess.run(["kcat", "-C", "-J", "-e", "-q", "-b", self.bootstrap, "-t",
                                   topic, "-X", "isolation.level=read_committed"], stdout=file)
        require(done.returncode == 0, f"kcat -C {topic} ended with {done.returncode}")


def java_hash(text):
    """String.hashCode() without its sign: how Kafka finds a name's coordinator."""
    total = 0
    for char in text:
        total = (31 * total + ord(char)) & 0xffffffff
    return total & 0x7fffffff


def as_bytes(text):
    return b"" if text is None else text if isinstance(text, bytes) else text.encode()


# The stage --------------------------------------------------------------------------------------


class Stage:
    """One process of `upshot run`, with its log in a file."""

    running = []
    numbers = itertools.count(1)

    def __init__(self, broker, settings, *options, environment=None):
        settings = {"bootstrap.servers": broker.bootstrap, "idle.after": "3s",
                    "http.listen": "127.0.0.1:0", "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, **settings}
        if os.environ.get("UPSHOT_GROUP_PROTOCOL", "classic") != "classic":  # see tests/matrix
            settings["group.protocol"] = os.environ["UPSHOT_GROUP_PROTOCOL"]
            for server_side in ("session.timeout.ms", "heartbeat.interval.ms"):
                settings.pop(server_side, None)
        if "UPSHOT_WORKERS" in os.environ:  # see tests/tsan/check
            settings["workers"] = os.environ["UPSHOT_WORKERS"]
        self.log_path = DIRECTORY / f"stage-{next(Stage.numbers):02d}.log"
        command = [upshot(), "run", *options]
        for key, value in settings.items():
            command += ["-X", f"{key}={value}"]
        with open(self.log_path, "wb") as log:
            log.write(f"# {' '.join(command)}\n".encode())
            log.flush()
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(environment or {})})
        Stage.running.append(self)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def events(self, name):
        """Log lines of an event, as dictionaries."""
        return [dict(re.findall(r'([\w.]+)=("(?:[^"\\]|\\.)*"|\S+)', line))
                for line in self.log().splitlines() if line.split(" ", 1)[0] == name]

    def wait_event(self, name, seconds=60, **fields):
        wanted = {key: str(value) for key, value in fields.items()}

        def found():
            for event in self.events(name):
                if wanted.items() <= event.items():
                    return event
            require(self.process.poll() is None or name in self.log(),
                    f"the stage ended with {self.process.returncode}; {self.tail()}")
            return None
        return wait_for(f"{name} {wanted or ''} in {self.log_path}", found, seconds)

    def tail(self):
        return f"the end of {self.log_path}:\n" + "\n".join(self.log().splitlines()[-8:])

    def signal(self, number):
        self.process.send_signal(number)

    def wait_exit(self, seconds=30):
        """Exit code, and how long it took."""
        start = time.monotonic()
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Broken(f"still running after {seconds} s; {self.tail()}") from None
        Stage.running.remove(self)
        self.check_memory()
        return code, time.monotonic() - start

    def check_memory(self):
        """Whatever a sanitizer has to say is a fault of its own, a leak at the end included: its
        exit code is 1, which would also be that of a stage that found something wrong."""
        report = re.search(r"^.*(?:AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|"
                           r"broken_promise).*$", self.log(), re.MULTILINE)
        require(report is None, f"{self.log_path}: {report and report[0]}")

    def kill(self):
        self.signal(signal.SIGKILL)
        self.wait_exit()

    @staticmethod
    def kill_all():
        for stage in list(Stage.running):
            stage.kill()

    def stop(self):
        """SIGTERM, which must end well and soon; returns the last words on progress."""
        self.signal(signal.SIGTERM)
        code, took = self.wait_exit()
        require(code == 0, f"SIGTERM ended it with {code}; {self.tail()}")
        require(took < 5, f"SIGTERM took {took:.1f} s; {self.tail()}")
        last = (self.events("progress") or [{}])[-1]  # none: it had not begun
        return {key: int(value) for key, value in last.items() if key not in ("level", "time")}


class Member:
    """Of a group, by group.protocol=consumer, which not every librdkafka has: Kafka's own consumer.
    It reads, and commits nothing."""

    def __init__(self, broker, group, *topics):
        self.broker, self.group = broker, group
        self.process = subprocess.Popen(
            [KAFKA, "tool", "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
             broker.bootstrap, "--include", "|".join(map(re.escape, topics)), "--group", group,
             "--command-property", "group.protocol=consumer",
             "--command-property", "enable.auto.commit=false"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def wait_alone(self):
        """Until it is the group's only member, and has what it is to have. `uniform` is the way in
        which the broker deals out partitions: whoever was there before had dealt for itself."""
        def alone():
            require(self.process.poll() is None, f"it ended with {self.process.returncode}")
            told = self.broker.script("tool", "org.apache.kafka.tools.consumer.group."
                                      "ConsumerGroupCommand", "--bootstrap-server",
                                      self.broker.bootstrap, "--describe", "--state", "--group",
                                      self.group)
            return re.search(rf"^{re.escape(self.group)} .* uniform +Stable +1 *$", told, re.MULTILINE)
        wait_for("a member alone in its group", alone)

    def leave(self):
        """It says goodbye; the script that started it is in its session, too."""
        os.killpg(self.process.pid, signal.SIGTERM)
        self.process.wait(30)


def replay(broker, *words, dead_letters, inputs=None, now=None):
    """Outcomes of a replay to the end of time, and its dead letters, as (Outcomes, Counter)."""
    command = [upshot(), "replay", "--to-end-of-time", "-q", "--dead-letters", dead_letters]
    if now is not None:
        command += ["--now", str(now)]
    if inputs is not None:
        command += ["--topics", ",".join(inputs), "-X", f"bootstrap.servers={broker.bootstrap}"]
    process = subprocess.Popen(command + list(words), stdout=subprocess.PIPE)
    outcomes = Outcomes()
    for line in process.stdout:
        outcomes.add(json.loads(line))
    require(process.wait() == 0, f"upshot replay ended with {process.returncode}")
    with open(dead_letters, encoding="utf-8", errors="surrogateescape") as file:
        return outcomes, letters_of(json.loads(line) for line in file)


class Producer:
    """tests/broker/produce: any timestamp, any bytes, and transactions that stay open."""

    def __init__(self, broker, transactional_id=None):
        program = pathlib.Path(upshot()).parent / "tests" / "produce"
        command = [str(program), broker.bootstrap]
        if transactional_id is not None:
            command.append(transactional_id)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def record(self, topic, partition, timestamp_ms, key, value):
        envelope = {"topic": topic, "partition": partition, "ts": timestamp_ms, "key": key,
                    "payload": value}
        self.process.stdin.write(json.dumps(envelope).encode() + b"\n")

    def ask(self, *words):
        """The number of records that were delivered so far."""
        self.process.stdin.write(" ".join(map(str, words)).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        require(answer[:1] == [b"ok"], f"produce, asked to {words[0]}: {answer}")
        return int(answer[1])

    def flush(self):
        return self.ask("flush")

    def topic(self, name, partitions):
        """Made for records of any date, which stay in one segment and are never deleted."""
        longest = 2 ** 63 - 1
        self.ask("topic", name, partitions, "retention.ms=-1", f"segment.ms={longest}",
                 f"message.timestamp.after.max.ms={longest}")

    def close(self):
        self.process.stdin.close()
        require(self.process.wait(60) == 0, f"produce ended with {self.process.returncode}")


# What must hold ---------------------------------------------------------------------------------


class Control:
    """A control record: the books of a task, decoded after schemas/state_record.c."""

    def __init__(self, value):
        self.bytes, self.at = value, 1
        require(value[0] == 3, f"a control record of version {value[0]}")
        self.transaction, self.watermark = self.number(), self.number()
        self.inputs = {self.word(): self.number() for _ in range(self.number())}
        self.arrivals = {self.word(): self.number() for _ in range(self.number())}
        self.letters = {self.word(): self.number() for _ in range(self.number())}
        self.counts = {**self.arrivals, **self.letters}

    def number(self):
        value = shift = 0
        while True:
            byte = self.bytes[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def word(self):
        size = self.number()
        self.at += size
        return self.bytes[self.at - size:self.at].decode()


class Outcomes:
    """The lives of all messages, as a reader of the outcomes topic builds them up."""

    def __init__(self):
        self.lives = {}     # (channel, id) -> life -> (revision, verdict, outcome_id)
        self.faults = []
        self.count = 0
        self.corrections = 0
        self.kinds = {}     # one payload of each kind, for the schema
        self.partitions = {}

    def fault(self, outcome, why):
        if len(self.faults) < 20:
            self.faults.append(f"{outcome['outcome_id']}: {why}")

    def add(self, outcome, envelope=None):
        message = outcome["channel"], outcome["message_id"]
        life, revision = outcome["life"], outcome["revision"]
        verdict = (outcome["outcome"], outcome["status"], outcome["send_seen"], outcome["conflict"])
        lives = self.lives.setdefault(message, {})
        before = lives.get(life, (0, None, None))

        self.count += 1
        self.corrections += revision > 1
        if revision <= before[0]:
            self.fault(outcome, f"revision {revision} is there twice, or after {before[0]}")
        elif revision != before[0] + 1:
            self.fault(outcome, f"revision {revision} follows {before[0]}")
        elif verdict == before[1]:
            self.fault(outcome, f"a correction that changes nothing: {verdict}")
        if outcome["outcome_id"] != f"{message[0]}:{message[1]}:{life}:{revision}":
            self.fault(outcome, "an id that is made of something else")
        if outcome.get("supersedes") != before[2]:
            self.fault(outcome, f"supersedes {outcome.get('supersedes')}, not {before[2]}")
        if envelope is not None:
            self.check_envelope(outcome, envelope)
        lives[life] = (revision, verdict, outcome["outcome_id"])
        kind = (message[0], *verdict, outcome["settled_by"], revision > 1, len(outcome["timeline"]))
        self.kinds.setdefault(kind, outcome)

    def check_envelope(self, outcome, envelope):
        home = self.partitions.setdefault(outcome["message_id"], envelope["partition"])
        if envelope["key"] != outcome["message_id"]:
            self.fault(outcome, f"key {envelope['key']}")
        if not envelope["partition"] == outcome["source"]["partition"] == home:
            self.fault(outcome, f"in partition {envelope['partition']}, not {home}")
        if envelope.get("headers") != ["upshot-schema", "upshot.outcome/1",
                                       "content-type", "application/json"]:
            self.fault(outcome, f"headers {envelope.get('headers')}")

    def last_verdict(self, message):
        """The life that has seen the send, else the first; its highest revision."""
        lives = self.lives.get(message)
        if lives is None:
            return None
        seen = [life for life in lives if lives[life][1][2]]
        return lives[min(seen or lives)][1]

    def check(self):
        require(not self.faults, "outcomes:\n  " + "\n  ".join(self.faults))


def read_outcomes(broker, topic="message.outcomes"):
    outcomes = Outcomes()
    for envelope in broker.read(topic):
        outcomes.add(json.loads(envelope["payload"]), envelope)
    outcomes.check()
    return outcomes


def letters_of(envelopes):
    """A dead letter is what it was, where it was and why it is dead."""
    letters = collections.Counter()
    for envelope in envelopes:
        headers = dict(zip(envelope["headers"][::2], envelope["headers"][1::2]))
        letters[headers["upshot-source"], headers["upshot-reason"], envelope["key"],
                envelope["payload"]] += 1
    return letters


def read_letters(broker, topic="message.dead_letters"):
    return letters_of(broker.read(topic))


def same_verdicts(name, outcomes, other_name, others):
    wrong = [f"{':'.join(message)}: {name} {outcomes.last_verdict(message)}, "
             f"{other_name} {others.last_verdict(message)}"
             for message in sorted(outcomes.lives.keys() | others.lives.keys())
             if outcomes.last_verdict(message) != others.last_verdict(message)]
    require(not wrong, f"{len(wrong)} messages of {len(others.lives)} differ:\n  " +
            "\n  ".join(wrong[:20]))


def same_letters(name, letters, other_name, others):
    def brief(letter):
        return f"{letter[0]} {letter[1]} key {letter[2]} {str(letter[3])[:60]}"
    require(letters == others,
            "dead letters differ:" +
            "".join(f"\n  only {name}: {brief(letter)}" for letter in list(letters - others)[:10]) +
            "".join(f"\n  only {other_name}: {brief(letter)}"
                    for letter in list(others - letters)[:10]))


def check_schema(outcomes):
    """One outcome of each kind; all of them would take minutes."""
    path = DIRECTORY / "kinds.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for outcome in outcomes.kinds.values():
            file.write(json.dumps(outcome) + "\n")
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "schema_check.py"), "--outcomes",
                           str(path)], capture_output=True, text=True)
    require(done.returncode == 0, f"schema: {done.stdout[:2000]}{done.stderr[:2000]}")
    return len(outcomes.kinds)


class Follower:
    """Reads the outputs as they grow, to know when there is nothing left to wait for."""

    def __init__(self, broker, outcomes="message.outcomes", letters="message.dead_letters"):
        self.outcomes = Outcomes()
        self.lock = threading.Lock()    # outcomes are looked at while they come in
        self.letters = 0
        self.processes = [broker.consume(topic, stay=True) for topic in (outcomes, letters)]
        self.threads = [threading.Thread(target=body, daemon=True)
                        for body in (self.follow_outcomes, self.follow_letters)]
        for thread in self.threads:
            thread.start()

    def follow_outcomes(self):
        for line in self.processes[0].stdout:
            outcome = json.loads(json.loads(line)["payload"])
            with self.lock:
                self.outcomes.add(outcome)

    def last_verdict(self, message):
        with self.lock:
            return self.outcomes.last_verdict(message)

    def follow_letters(self):
        for _ in self.processes[1].stdout:
            self.letters += 1

    def wait_letters(self, count, seconds=60):
        try:
            wait_for("all dead letters", lambda: self.letters >= count, seconds)
        except Broken as broken:
            raise Broken(f"{broken}: {self.letters} of {count}") from None

    def wait_verdicts(self, expected, seconds, alive=()):
        """Until every last verdict is the expected one; which ones are not is told at the end."""
        left = set(expected.lives)
        size = len(left)

        def settled():
            for stage in alive:
                require(stage.process.poll() is None,
                        f"the stage ended with {stage.process.returncode}; {stage.tail()}")
            require(all(thread.is_alive() for thread in self.threads), "kcat -C ended")
            left.difference_update([message for message in list(left)
                                    if self.last_verdict(message) ==
                                    expected.last_verdict(message)])
            return not left
        try:
            wait_for("all verdicts", settled, seconds, every=0.5)
        except Broken as broken:
            wrong = ", ".join(f"{':'.join(message)} {self.last_verdict(message)} for "
                              f"{expected.last_verdict(message)}" for message in sorted(left)[:5])
            raise Broken(f"{broken}: {len(left)} of {size} are missing or wrong, such as {wrong}"
                         ) from None

    def close(self):
        for process, thread in zip(self.processes, self.threads):
            process.kill()
            process.wait()
            thread.join(10)


def settled_start(days=12.5):
    """A start so long ago that all has settled by the wall clock, and nothing else is like now."""
    return iso(now_ms() - int(days * DAY_MS))


# The test ---------------------------------------------------------------------------------------

STARTED = time.monotonic()
DIRECTORY = None


def main(test, brokers=1, extra=()):
    """Runs test(broker) on brokers of its own; its logs stay where something went wrong."""
    global DIRECTORY
    for program in ("kcat", "java"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: script/install test brings it")
    upshot()
    if os.environ.get("UPSHOT_BROKER_TEST") != sys.argv[0]:
        os.environ["UPSHOT_BROKER_TEST"] = sys.argv[0]
        # A transaction of a process that sleeps is aborted when it is due, not up to 10 s later.
        if os.environ.get("UPSHOT_GROUP_PROTOCOL", "classic") != "classic":
            # What a member of the classic protocol asks for itself, see Stage.
            extra = [*extra, *(f"group.consumer.{name}={ms}" for name, ms in (
                ("min.session.timeout.ms", 6000), ("session.timeout.ms", 6000),
                ("min.heartbeat.interval.ms", 1000), ("heartbeat.interval.ms", 1000)))]
        os.environ["KAFKA_EXTRA"] = "\n".join(
            ["transaction.abort.timed.out.transaction.cleanup.interval.ms=500", *extra])
        if brokers > 1:  # they start often: sooner up is worth more than faster later
            os.environ.setdefault("KAFKA_JAVA", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        os.execv(KAFKA, [KAFKA, "run", "-n", str(brokers), "--", sys.executable, *sys.argv])

    DIRECTORY = pathlib.Path(tempfile.mkdtemp(prefix="upshot-broker."))
    # So that script/kafka's SIGTERM runs the finally below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    good = False
    try:
        test(Broker())
        good = True
    except Broken as broken:
        say(f"BROKEN: {broken}")
    finally:
        Stage.kill_all()
        if good and "UPSHOT_KEEP_LOGS" not in os.environ:
            shutil.rmtree(DIRECTORY)
        else:
            for log in pathlib.Path(os.environ["KAFKA_HOME"]).glob("*/log"):
                shutil.copy(log, DIRECTORY / f"kafka-{log.parent.name}.log")
            say(f"logs: {DIRECTORY}")
    sys.exit(0 if good else 1)
