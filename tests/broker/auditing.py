"""An application as an audit sees it: its topics, a stage that is killed, and what audit says.

Not a test: test_audit is the short form, soak_audit the long one.
"""
import json
import os
import random
import subprocess
import tempfile
import threading
import time

import broker
from broker import Stage, require, say, wait_for

RATE = 20                      # lives a second of record time
LIVES_A_SECOND = 25000         # a first guess of what is written and taken
PATIENCE_S = 600               # no condition takes that long unless something is broken


class App:
    """One application: its topics, and its audit."""

    def __init__(self, kafka, name, inputs, **settings):
        self.kafka, self.name, self.inputs = kafka, name, inputs
        self.outcomes, self.letters = f"{name}.outcomes", f"{name}.dead_letters"
        self.settings = {"app.id": name, "input.topics": ",".join(inputs),
                         "outcomes.topic": self.outcomes, "dead_letters.topic": self.letters,
                         "idle.after": "1s", **settings}

    def start(self, **more):
        return Stage(self.kafka, {**self.settings, **more})

    def audit(self, *options, environment=(), **settings):
        """Exit code, the tree of --json; the text of another audit is seldom worth its time. What
        it took is in the tree, too: seconds, cpu_seconds, peak_mb."""
        command = [broker.upshot(), "audit", "--json", *options, "-X",
                   f"bootstrap.servers={self.kafka.bootstrap}"]
        for key, value in {**self.settings, **settings}.items():
            command += ["-X", f"{key}={value}"]
        code, out, complaint, took = measured(command, environment)
        require(code in (0, 1) and not complaint,
                f"{self.name}: audit ended with {code}: {complaint}")
        return code, {**json.loads(out), **took}

    def clean(self, *options, **settings):
        code, found = self.audit(*options, **settings)
        require(code == 0 and found["differences"] == 0, f"{self.name}: {code}, {brief(found)}")
        return found

    def wait_clean(self, seconds=120, every=0.5, outcomes=1):
        """Until the stage has done all that there is to do; there is never a fault on the way. What
        is due later than now nobody waits for, so say how many outcomes there will be at least."""
        def all_done():
            found = self.clean()
            left = found["not_compared"]
            return (found["outcomes"] >= outcomes and left["open"] + left["waiting"] == 0 and
                    found)
        return wait_for(f"{self.name}: nothing is left to wait for", all_done, seconds, every)


def measured(command, environment=()):
    """Exit code, stdout, stderr, and what it took of time and memory."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as complaint:
        process = subprocess.Popen(command, stdout=out, stderr=complaint,
                                   env={**os.environ, **dict(environment)})
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        complaint.seek(0)
        return process.returncode, out.read(), complaint.read(), {
            "seconds": time.monotonic() - start, "peak_mb": used.ru_maxrss / 1024,
            "cpu_seconds": used.ru_utime + used.ru_stime}


def brief(found):
    """What an audit has found, without what it has not."""
    return {word: (fault["count"], fault["examples"][:2])
            for word, fault in found["faults"].items() if fault["count"]}


# A stage that is killed ---------------------------------------------------------------------------


class Flow:
    """Lives, slice after slice; each is written in the background when it is allowed."""

    def __init__(self, app, lives, slices, seed):
        self.app, self.each, self.slices, self.seed = app, lives // slices, slices, seed
        self.lives, self.events, self.broken = self.each * slices, 0, None
        self.slice_s = self.each / LIVES_A_SECOND  # how long the last one took to be written
        self.allowed = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.produce, daemon=True)
        self.thread.start()

    def produce(self):
        # The last receipts are days behind their sends, and all must be due by the wall clock.
        start = broker.now_ms() - int(12.5 * broker.DAY_MS)
        try:
            for i in range(self.slices):
                self.allowed.acquire()
                began = time.monotonic()
                self.events += self.app.kafka.generate(
                    "--lives", self.each, "--rate", RATE, "--seed", self.seed + i, "--start",
                    broker.iso(start + i * self.each * 1000 // RATE), inputs=self.app.inputs)
                self.slice_s = time.monotonic() - began
        except broker.Broken as broken:
            self.broken = broken

    def finish(self):
        self.thread.join(PATIENCE_S)
        if self.broken:
            raise self.broken
        require(not self.thread.is_alive(), f"{self.app.name}: events are still being written")


def undone(app):
    """Records of the outputs that are in aborted transactions: what kills have undone."""
    return sum(app.kafka.count(topic, "read_uncommitted") - app.kafka.count(topic)
               for topic in (app.outcomes, app.letters))


def run_with_kills(app, lives, kills, seed):
    """Lives flow in, and the stage dies `kills` times by SIGKILL at moments that the seed decides:
    one in five in the middle of a start, the others while a slice is written that it takes.
    Returns the flow and the stage that lives on, which has all of it still to finish."""
    moments = random.Random(seed)
    flow = Flow(app, lives, kills + 1, seed)
    at_work = 0
    for i in range(kills):
        stage = app.start()
        if i == 0 or moments.random() < 0.8:
            stage.wait_event("restored", PATIENCE_S)
        flow.allowed.release()
        time.sleep(moments.uniform(0.05, flow.slice_s))
        stage.kill()
        at_work += len(stage.events("restored")) > 0
        found = app.clean()
        say(f"{app.name}: SIGKILL {i + 1} of {kills}: {found['agreed']} outcomes agree, "
            f"{found['not_compared']['open']} messages are open, nothing is wrong")
    flow.allowed.release()
    stage = app.start()
    flow.finish()
    say(f"{app.name}: {flow.lives} lives, {flow.events} events; killed {kills} times, {at_work} of "
        "them at work")
    require(at_work > 0 or kills == 0, f"{app.name}: it was never at work when it was killed")
    return flow, stage
