"""The rig: a Kafka of its own, contenders that are started and stopped, and a ruler beside them.

Nothing is asked of a contender but that its consumer group bears the name it is given. What it
costs is seen from outside (ruler.c): committed offsets, CPU time and memory, of it and of the
broker.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
KAFKA = ROOT / "script" / "kafka"
STREAMS = ROOT / "benchmarks" / "kafka-streams"
INPUTS = ("message.sends", "message.receipts")
PARTITIONS = 4
# The broker of the tests looks for something to compact each second; here it would be measured.
BROKER = "log.cleaner.backoff.ms=15000"
SAMPLE = ("at_ms", "committed", "end", "cpu_us", "broker_cpu_us", "rss_kb")


def facts(text):
    return dict(re.findall(r"([\w.]+)=(\S+)", text))


def say(*words):
    print(time.strftime("%H:%M:%S"), *words, file=sys.stderr, flush=True)


def build(source, into, targets, *more):
    """One revision of the project, as users get it; says where the binary is."""
    if not (into / "build.ninja").exists():
        subprocess.run(["cmake", "-S", source, "-B", into, "-G", "Ninja",
                        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                        "-DCMAKE_INTERPROCEDURAL_OPTIMIZATION=ON", *more],
                       check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", into, "--target", *targets], check=True,
                   stdout=subprocess.DEVNULL)
    return into / "upshot"


def try_to_build(into, target):
    """A measuring program that this revision may not have; None where it has not."""
    done = subprocess.run(["cmake", "--build", into, "--target", target], check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return into / "benchmarks" / target if done.returncode == 0 else None


class Rig:
    """Kafka, the tools, and a directory for what is left over."""

    def __init__(self, out, tools):
        self.out = out
        self.tools = tools
        self.home = None
        self.bootstrap = None
        self.environment = None
        self.running = []

    def __enter__(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="upshot-compare."))
        self.environment = {**os.environ, "KAFKA_HOME": str(self.home / "kafka"),
                            "KAFKA_PORT": "0", "KAFKA_EXTRA": BROKER,
                            "KAFKA_HEAP": os.environ.get("KAFKA_HEAP", "2g")}
        try:
            done = subprocess.run([KAFKA, "up"], env=self.environment, check=True,
                                  stdout=subprocess.PIPE, text=True)
        except BaseException:
            self.__exit__()
            raise
        self.bootstrap = done.stdout.strip().splitlines()[-1]
        return self

    def __exit__(self, *_):
        for run in list(self.running):
            run.stop(signal.SIGKILL)
        subprocess.run([KAFKA, "destroy"], env=self.environment, check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def broker_pid(self):
        return int((self.home / "kafka" / "1" / "pid").read_text())

    def tool(self, name, *words):
        return subprocess.run([self.tools / name, *map(str, words)], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def create(self, topic, *properties, partitions=PARTITIONS):
        self.tool("ruler", "create", self.bootstrap, partitions, topic, *properties)

    def delete(self, *prefixes):
        self.tool("ruler", "delete", self.bootstrap, *prefixes)

    def fill(self, *words, inputs=INPUTS):
        text = self.tool("load", "fill", "--bootstrap", self.bootstrap,
                         "--inputs", ",".join(inputs), *words)
        say("load:", text.strip())
        return facts(text)

    def count(self, topic):
        return {name: int(value) for name, value in
                facts(self.tool("ruler", "count", self.bootstrap, topic)).items()
                if name != "topic"}

    def log_bytes(self, prefix):
        """Bytes on disk of all topics that begin so: after compression, with every framing."""
        data = self.home / "kafka" / "1" / "data"
        return sum(path.stat().st_size for folder in data.glob(prefix + "*")
                   for path in folder.glob("*.log"))


class Run:
    """One process of a contender. Its group and all its topics begin with `name`."""

    def __init__(self, rig, contender, name, inputs=INPUTS, settings=()):
        self.rig, self.contender, self.name, self.inputs = rig, contender, name, inputs
        self.work = pathlib.Path(tempfile.mkdtemp(prefix=name + ".", dir=rig.home))
        self.log = rig.out / "logs" / (name + ".log")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self.outcomes, self.dead = name + ".outcomes", name + ".dead"
        for topic in (self.outcomes, self.dead):
            rig.create(topic)
        contender.prepare(self)
        self.command = [str(word) for word in contender.command(self, settings)]
        self.process, self.started_ms = None, None
        self.peak_kb = 0

    def start(self):
        self.started_ms = time.time() * 1000
        with open(self.log, "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.rig.running.append(self)
        return self

    def ruler(self, how, seconds):
        """Starts a ruler; samples() reads what it wrote."""
        return subprocess.Popen(
            [self.rig.tools / "ruler", how, self.rig.bootstrap, self.name, str(self.process.pid),
             str(self.rig.broker_pid()), str(seconds), *self.inputs],
            stdout=subprocess.PIPE, text=True)

    def drain(self, seconds=300):
        """To the end of the backlog. None where it did not get there."""
        return samples(self.ruler("drain", seconds))

    def status(self, field):
        try:
            text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        except FileNotFoundError:
            return 0
        found = re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)
        return int(found.group(1)) if found else 0

    def said(self, pattern):
        found = re.search(pattern, self.log.read_text(encoding="utf-8", errors="replace"))
        return found.group(1) if found else None

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.peak_kb = max(self.peak_kb, self.status("VmHWM"))
        try:
            self.process.send_signal(how)
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self in self.rig.running:
            self.rig.running.remove(self)

    def forget(self):
        self.stop()
        self.rig.delete(self.name)
        shutil.rmtree(self.work, ignore_errors=True)


def samples(ruler):
    """What a ruler saw, as dicts; None where it did not see the end."""
    lines = ruler.stdout.read().splitlines()
    rows = [dict(zip(SAMPLE, map(int, line.split()))) for line in lines]
    return rows if ruler.wait() == 0 and rows else None


# Contenders -------------------------------------------------------------------------------------


class Null:
    """null_stage, which writes what upshot wrote for this load: told by `writes`."""

    def __init__(self, rig, workers, writes, name=None, more=()):
        self.rig, self.workers, self.writes, self.more = rig, workers, writes, more
        self.name = name or f"null-{workers}w"

    def missing(self):
        return None

    def prepare(self, run):
        self.rig.create(run.name + ".state", "cleanup.policy=compact")

    def command(self, run, _settings):
        words = [self.rig.tools / "null_stage", "--bootstrap", self.rig.bootstrap,
                 "--group", run.name, "--workers", self.workers, "--inputs", ",".join(run.inputs),
                 "--outcomes", run.outcomes, "--state", run.name + ".state"]
        for name, value in self.writes[self.workers].items():
            words += ["--" + name, value]
        return words + list(self.more)


class Upshot:
    """upshot run, as it comes: nothing set but names, and what an experiment is about."""

    def __init__(self, rig, workers, program, name=None, more=()):
        self.rig, self.workers, self.program, self.more = rig, workers, program, more
        self.name = name or f"upshot-{workers}w"

    def missing(self):
        return None

    def prepare(self, run):
        pass

    def command(self, run, settings):
        words = [self.program, "run"]
        for setting in (f"bootstrap.servers={self.rig.bootstrap}", f"app.id={run.name}",
                        "instance.id=bench", f"input.topics={','.join(run.inputs)}",
                        f"outcomes.topic={run.outcomes}", f"dead_letters.topic={run.dead}",
                        f"workers={self.workers}", *self.more, *settings):
            words += ["-X", setting]
        return words


class Streams:
    """Kafka Streams, in benchmarks/kafka-streams: the peer."""

    def __init__(self, rig, store, threads, commit_ms=1000, name=None):
        self.rig, self.store, self.threads, self.commit_ms = rig, store, threads, commit_ms
        self.name = name or f"ks-{'mem' if store == 'mem' else 'roc'}-{threads}t"

    def missing(self):
        return None if (STREAMS / "run").exists() else f"there is no {STREAMS.name}"

    def prepare(self, run):
        pass

    def command(self, run, settings):
        commit_ms = dict(setting.split("=") for setting in settings).get("commit_ms",
                                                                        self.commit_ms)
        return [STREAMS / "run", "--bootstrap", self.rig.bootstrap, "--app-id", run.name,
                "--store", self.store, "--threads", self.threads, "--commit-ms", commit_ms,
                "--outcomes", run.outcomes, "--dead-letters", run.dead,
                "--inputs", ",".join(run.inputs), "--state-dir", run.work / "state"]
