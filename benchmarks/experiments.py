"""The experiments: each a function of a session that adds its rows.

What is compared, in which order and for how long stands here; how it is done in rig.py, what it
means in figures.py.
"""
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

import figures
import rig as bench
from rig import Null, Run, Streams, Upshot, say


class Session:
    """One comparison: its settings, its rig, and the rows so far."""

    def __init__(self, options, rig, program):
        self.options, self.rig, self.program = options, rig, program
        self.rows = []
        self.writes = {}  # by number of workers: what a null stage is told
        self.tools = rig.tools.parent  # where measuring programs are built
        self.serial = 0
        self.loaded = False

    def add(self, experiment, contender, repeat, values):
        for figure, value in values.items():
            self.rows.append(figures.Row(experiment, contender, repeat, figure, value))
        figures.write_rows(self.options.out / "compare.tsv", self.rows)

    def run(self, contender, **more):
        self.serial += 1
        return Run(self.rig, contender, f"{contender.name}-{self.serial}", **more)

    def chosen(self, contenders):
        """Those that were asked for and can be had; what is missing is said once."""
        there = []
        for contender in contenders:
            if self.options.contenders and contender.name not in self.options.contenders:
                continue
            if contender.missing():
                say(f"{contender.name} is left out: {contender.missing()}")
            else:
                there.append(contender)
        return there

    def backlog(self):
        """The one load that all drain, made when first asked for."""
        if not self.loaded:
            for topic in bench.INPUTS:
                self.rig.create(topic, "retention.ms=-1")
            self.rig.fill("--messages", self.options.messages, "--seed", self.options.seed,
                          "--base-ms", self.options.base_ms)
            self.loaded = True

    def inputs(self, name):
        """Input topics of their own, for experiments that may not see the backlog."""
        topics = (name + ".sends", name + ".receipts")
        for topic in topics:
            self.rig.create(topic, "retention.ms=-1")
        return topics


def in_turn(contenders, repeats):
    """Every repeat has every contender, and every other one has them backwards."""
    for repeat in range(1, repeats + 1):
        for contender in contenders if repeat % 2 else contenders[::-1]:
            yield repeat, contender


def cpu_us(pid):
    return int(time.clock_gettime(~pid << 3 | 2) * 1e6)  # the kernel's name for its CPU clock


# drain ------------------------------------------------------------------------------------------


def drain_once(session, contender, keep=None):
    """One run to the end of the backlog: its figures. keep(run) looks at it before it is gone."""
    run = session.run(contender)
    broker_us = cpu_us(session.rig.broker_pid())
    try:
        run.start()
        watch = contender.Watch(run) if isinstance(contender, Watched) else None
        if watch:
            watch.start()
        samples = run.drain()
        if watch:
            watch.over.set()
            watch.join()
        if samples is None:
            say(f"{run.name} did not finish: see {run.log}")
            return None
        first = run.said(r"first_record_ms=(\d+)")
        values = figures.of_drain(samples, run.started_ms, broker_us, first and int(first))
        run.stop()
        values["rss_max_mb"] = run.peak_kb / 1024
        values["written_bytes_per_event"] = session.rig.log_bytes(run.name) / values["events"]
        if watch:
            values["answers"] = watch.answers
        if isinstance(contender, Null):
            for part, ms in bench.facts(run.said(r"ms_per_transaction (.*)") or "").items():
                values["ms_" + part] = float(ms)
        if keep:
            keep(run, values)
        return values
    finally:
        run.forget()


def learn(session, workers):
    """
    What upshot writes for this load, and so what a null stage has to write: as many records, as
    many bytes, and so many of them noise that the broker's logs grow as much.
    """
    rig, sizes = session.rig, {}

    def measure(run, values):
        # A null stage's topics bear the same names; how many records they have it was told.
        sizes.update(outcome=rig.log_bytes(run.outcomes), state=rig.log_bytes(run.name + ".state"),
                     events=values["events"])

    def look(run, values):
        session.writes[workers] = figures.writes(values["events"], rig.count(run.outcomes),
                                                 rig.count(run.name + ".state"))
        measure(run, values)

    drain_once(session, Upshot(rig, workers, session.program), look)
    wanted, words = dict(sizes), session.writes[workers]
    words.update({"outcome-noise": 0, "state-noise": 0})
    drain_once(session, Null(rig, workers, session.writes), measure)
    for kind, rate in (("outcome", words["outcomes-per-1000"]), ("state", words["state-per-1000"])):
        records = max(sizes["events"] * rate / 1000, 1)
        noise = round((wanted[kind] - sizes[kind]) / records)
        words[kind + "-noise"] = max(0, min(noise, words[kind + "-bytes"]))


def drain(session):
    """The backlog as fast as each can: rate, CPU, memory, start."""
    rig, program = session.rig, session.program
    session.backlog()
    contenders = session.chosen([
        Null(rig, 1, session.writes), Upshot(rig, 1, program),
        Null(rig, 2, session.writes), Upshot(rig, 2, program),
        Streams(rig, "mem", 2), Streams(rig, "rocksdb", 2)])
    for workers in (1, 2):
        learn(session, workers)  # and the broker, a JVM, warms up
        session.add("drain", f"null-{workers}w", 0,
                    {"told_" + name.replace("-", "_"): value
                     for name, value in session.writes[workers].items()})
    for repeat, contender in in_turn(contenders, session.options.repeats):
        if session.options.quick and repeat > 1 and isinstance(contender, Streams):
            continue
        values = drain_once(session, contender)
        if values:
            session.add("drain", contender.name, repeat, values)
            say(f"{contender.name:10} rate={values['rate']:,.0f}/s "
                f"cpu={values['cpu_s_per_M']:.2f} s/M start={values['start_s']:.2f} s "
                f"rss={values['rss_max_mb']:.0f} MB "
                f"written={values['written_bytes_per_event']:.0f} B")
        time.sleep(1)


def scaling(session):
    """One, two and four workers: do they slow each other?

    CPU-seconds tell, for wall time cannot where there are fewer CPUs than threads.
    """
    session.backlog()
    contenders = session.chosen([Upshot(session.rig, workers, session.program)
                                 for workers in (1, 2, 4)])
    for repeat, contender in in_turn(contenders, session.options.few):
        values = drain_once(session, contender)
        if values:
            session.add("scaling", contender.name, repeat,
                        {name: values[name] for name in
                         ("rate", "cpu_s_per_M", "cpu_s_per_M_warm", "start_s")})
            say(f"{contender.name:10} cpu={values['cpu_s_per_M']:.2f} s/M")


class Watched(Upshot):
    """upshot run with a scraper and the page open, each asking once a second."""

    class Watch(threading.Thread):
        def __init__(self, run):
            super().__init__(daemon=True)
            self.run_, self.over, self.answers = run, threading.Event(), 0

        def run(self):
            while not self.over.wait(1):
                address = self.run_.said(r"http_listening .*address=(\S+)")
                for path in ("metrics", "v1/overview") if address else ():
                    try:
                        with urllib.request.urlopen(f"http://{address}/{path}", timeout=30) as body:
                            self.answers += len(body.read()) > 0
                    except OSError:
                        pass  # it has ended

    def __init__(self, rig, workers, program):
        super().__init__(rig, workers, program, f"seen-{workers}w",
                         ("http.listen=127.0.0.1:0",))


def seen(session):
    """What metrics, a scraper and an open page cost: the stage with them, and without HTTP."""
    session.backlog()
    contenders = session.chosen(
        [one for workers in (1, 2)
         for one in (Upshot(session.rig, workers, session.program, f"unseen-{workers}w",
                            ("http.listen=",)),
                     Watched(session.rig, workers, session.program))])
    drain_once(session, contenders[0])  # the broker, a JVM, warms up
    for repeat, contender in in_turn(contenders, session.options.repeats):
        values = drain_once(session, contender)
        if values:
            session.add("seen", contender.name, repeat, values)
            say(f"{contender.name:10} cpu={values['cpu_s_per_M']:.2f} s/M "
                f"asked={values.get('answers', 0):.0f}")


# latency ----------------------------------------------------------------------------------------

BESIDE = (("commit_ms=100",), ("commit.interval=100ms",))  # as the peer says it, as upshot does


def settings_of(contender):
    return BESIDE[0] if isinstance(contender, Streams) else BESIDE[1]


def rivals(session):
    """Kafka Streams with each store; where it has to be quick, with the faster one."""
    stores = ("mem",) if session.options.quick else ("mem", "rocksdb")
    return [Streams(session.rig, store, 2) for store in stores]


def latency(session):
    """From a message's last receipt to its outcome at a read_committed reader, at a steady rate."""
    rig, seconds = session.rig, 12 if session.options.quick else 24
    contenders = session.chosen([Upshot(rig, 1, session.program), *rivals(session)])
    for repeat, contender in in_turn(contenders, session.options.few):
        session.serial += 1
        inputs = session.inputs(f"paced-{session.serial}")
        run = session.run(contender, inputs=inputs, settings=settings_of(contender))
        run.start()
        time.sleep(6)  # joined; what a JVM has not warmed up by then, the load's warm-up is for
        before_us = cpu_us(run.process.pid)
        text = rig.tool("load", "pace", "--bootstrap", rig.bootstrap, "--inputs", ",".join(inputs),
                        "--rate", session.options.rate, "--seconds", seconds,
                        "--warm-up", seconds // 2, "--seed", session.options.seed,
                        "--outcomes", run.outcomes)
        values = {}
        for line in text.splitlines():
            known = {name: float(value) for name, value in bench.facts(line).items()}
            word = line.split()[0]
            if word in ("whole", "warm"):
                values.update({name if word == "warm" else "whole_" + name: value
                               for name, value in known.items()})
            else:
                values.update(events=known["events"], missing=known["missing"])
        values["cpu_s_per_M"] = (cpu_us(run.process.pid) - before_us) / values["events"]
        values["rss_mb"] = run.status("VmRSS") / 1024
        session.add("latency", contender.name, repeat, values)
        say(f"{contender.name:10} p50={values['p50']:.0f} p99={values['p99']:.0f} "
            f"p99.9={values['p99.9']:.0f} ms missing={values['missing']:.0f}")
        run.forget()
        rig.delete(inputs[0], inputs[1])


# flight -----------------------------------------------------------------------------------------


def first_commit(run, seconds=90):
    """Starts a run again: from its start until the group's offsets move."""
    ruler = subprocess.Popen([run.rig.tools / "ruler", "advance", run.rig.bootstrap, run.name,
                              str(seconds), *run.inputs], stdout=subprocess.PIPE, text=True)
    ruler.stdout.readline()
    size = run.log.stat().st_size
    run.start()
    found = re.search(r"advanced_ms=(\d+)", ruler.stdout.read())
    ruler.wait()
    if not found:
        return None
    values = {"first_commit_s": (int(found.group(1)) - run.started_ms) / 1000}
    first = re.search(r"first_record_ms=(\d+)",
                      run.log.read_bytes()[size:].decode(errors="replace"))
    if first:
        values["first_record_s"] = (int(first.group(1)) - run.started_ms) / 1000
    return values


def await_snapshots(run, seconds=30):
    """An image of each task that was begun after now."""
    size = run.log.stat().st_size
    for _ in range(seconds * 5):
        text = run.log.read_bytes()[size:].decode(errors="replace")
        if text.count("\nsnapshot_written ") >= bench.PARTITIONS + 1:
            return
        time.sleep(.2)
    say(f"{run.name} wrote no snapshots: see {run.log}")


def flight(session):
    """kill -9 with all messages in flight: from the next start to the first commit."""
    rig = session.rig
    inputs = session.inputs("flight")
    rig.fill("--messages", session.options.messages, "--seed", session.options.seed + 1,
             "--finals", 0, "--base-ms", session.options.base_ms, inputs=inputs)
    contenders = session.chosen([
        Upshot(rig, 1, session.program, name="upshot-snapshot"),
        Upshot(rig, 1, session.program, name="upshot-kafka"),
        *([] if session.options.quick else rivals(session))])
    for contender in contenders:
        settings = list(settings_of(contender))
        with tempfile.TemporaryDirectory(dir=rig.home) as images:
            if contender.name == "upshot-snapshot":
                settings += [f"state.dir={images}", "snapshot.interval=3s"]
            run = session.run(contender, inputs=inputs, settings=settings)
            if run.start().drain() is None:
                say(f"{run.name} did not finish: see {run.log}")
                run.forget()
                continue
            session.add("flight", contender.name, 0, {
                "messages": session.options.messages, "rss_mb": run.status("VmRSS") / 1024})
            # Traffic that goes on, so that it dies at work and finds some when it is back.
            pace = subprocess.Popen([rig.tools / "load", "pace", "--bootstrap", rig.bootstrap,
                                     "--inputs", ",".join(inputs), "--rate", "3000",
                                     "--seconds", "600", "--outcomes", run.outcomes,
                                     "--seed", str(1000 + session.serial)],
                                    stdout=subprocess.DEVNULL)
            try:
                for repeat in range(1, session.options.few + 1):
                    if contender.name == "upshot-snapshot":
                        await_snapshots(run)
                    time.sleep(1.5)
                    run.stop(signal.SIGKILL)
                    time.sleep(.3)  # what was being committed is
                    values = first_commit(run)
                    if values is None:
                        say(f"{run.name} did not come back: see {run.log}")
                        break
                    session.add("flight", contender.name, repeat, values)
                    say(f"{contender.name:15} back after {values['first_commit_s']:.2f} s")
            finally:
                pace.kill()
                pace.wait()
                run.forget()
    rig.delete(*inputs)


# idle, start ------------------------------------------------------------------------------------


def idle(session):
    """Nothing to do: memory, CPU; and the size of the binary."""
    rig = session.rig
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(["strip", "-o", scratch + "/upshot", session.program], check=True)
        session.add("idle", "upshot-1w", 0,
                    {"stripped_kib": os.stat(scratch + "/upshot").st_size / 1024})
    inputs = session.inputs("silent")
    seconds = 5 if session.options.quick else 10
    for contender in session.chosen([Upshot(rig, 1, session.program), Streams(rig, "mem", 2)]):
        run = session.run(contender, inputs=inputs)
        run.start()
        time.sleep(seconds)
        before_us = cpu_us(run.process.pid)
        time.sleep(seconds)
        values = {"cpu_percent": (cpu_us(run.process.pid) - before_us) / 1e4 / seconds,
                  "rss_mb": run.status("VmRSS") / 1024}
        session.add("idle", contender.name, 1, values)
        say(f"{contender.name:10} idle: {values['cpu_percent']:.2f} % of a core, "
            f"{values['rss_mb']:.0f} MB")
        run.forget()
    rig.delete(*inputs)


def start(session):
    """From nothing to the first outcome that a reader sees, with a backlog waiting."""
    rig = session.rig
    session.backlog()
    contenders = session.chosen([Upshot(rig, 1, session.program), *rivals(session)])
    for repeat, contender in in_turn(contenders, session.options.few + 1):
        run = session.run(contender, settings=settings_of(contender))
        ruler = subprocess.Popen([rig.tools / "ruler", "first", rig.bootstrap, "90", run.outcomes],
                                 stdout=subprocess.PIPE, text=True)
        ruler.stdout.readline()
        run.start()
        found = re.search(r"first_ms=(\d+)", ruler.stdout.read())
        if found:
            seconds = (int(found.group(1)) - run.started_ms) / 1000
            session.add("start", contender.name, repeat, {"first_outcome_s": seconds})
            say(f"{contender.name:10} first outcome after {seconds:.2f} s")
        run.forget()


# overload ---------------------------------------------------------------------------------------


def overload(session):
    """More than it can do, and a burst after a pause: the lag grows, the memory does not.

    The same few messages again and again, so that what grows is not the state. The stage is given
    the idle class of the scheduler, so that on any machine it is slower than the load.
    """
    rig = session.rig
    inputs = session.inputs("flood")
    laps = ["--messages", 20000, "--laps", 60 if session.options.quick else 200]
    for contender in session.chosen([Upshot(rig, 1, session.program)]):
        rig.fill("--messages", 20000, "--laps", 40, inputs=inputs)  # then all buffers are in use
        run = session.run(contender, inputs=inputs)
        run.start().drain()
        values = {"rss_before_mb": run.status("VmRSS") / 1024}
        os.sched_setscheduler(run.process.pid, os.SCHED_IDLE, os.sched_param(0))
        for task in os.listdir(f"/proc/{run.process.pid}/task"):
            os.sched_setscheduler(int(task), os.SCHED_IDLE, os.sched_param(0))
        ruler = run.ruler("follow", 600)
        rig.fill(*laps, inputs=inputs)
        filled_ms = time.time() * 1000
        for task in os.listdir(f"/proc/{run.process.pid}/task"):
            os.sched_setscheduler(int(task), os.SCHED_OTHER, os.sched_param(0))
        run.drain()
        ruler.terminate()
        rows = [dict(zip(bench.SAMPLE, map(int, line.split())))
                for line in ruler.stdout.read().splitlines() if len(line.split()) == 6]
        worked = [row for row in rows if row["at_ms"] >= filled_ms]
        flood = [row for row in rows if row["at_ms"] < filled_ms]
        lag = max(row["end"] - row["committed"] for row in rows)
        done = next((row for row in worked if row["committed"] >= row["end"]), worked[-1])
        values.update({
            "lag_max": lag, "rss_max_mb": max(row["rss_kb"] for row in rows) / 1024,
            "load_rate": (flood[-1]["end"] - flood[0]["end"]) * 1000 /
                         max(flood[-1]["at_ms"] - flood[0]["at_ms"], 1),
            "burst_rate": (done["committed"] - worked[0]["committed"]) * 1000 /
                          max(done["at_ms"] - worked[0]["at_ms"], 1)})
        session.add("overload", contender.name, 1, values)
        first_ms = rows[0]["at_ms"]
        for at, row in enumerate(rows[::max(1, len(rows) // 40)]):
            session.add("overload_curve", contender.name, at, {
                "at_s": (row["at_ms"] - first_ms) / 1000, "lag": row["end"] - row["committed"],
                "rss_mb": row["rss_kb"] / 1024})
        say(f"{contender.name:10} lag {values['lag_max']:,}, RSS {values['rss_before_mb']:.0f} to "
            f"{values['rss_max_mb']:.0f} MB, then {values['burst_rate']:,.0f}/s")
        run.forget()
    rig.delete(*inputs)


# Without a stage --------------------------------------------------------------------------------


def spent(command, **more):
    """CPU seconds of one command, and what it said."""
    before = os.times()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, **more)
    after = os.times()
    return (after.children_user + after.children_system - before.children_user -
            before.children_system), done.stdout


def replay(session):
    """`upshot replay FILE` beside a loop that only parses, on one core."""
    parse_loop = bench.try_to_build(session.tools, "parse_loop")
    if parse_loop is None:
        say("replay is left out: there is no parse_loop")
        return
    lives = 100000 if session.options.quick else 500000
    with tempfile.TemporaryDirectory() as scratch:
        file = scratch + "/events.jsonl"
        with open(file, "wb") as events:
            subprocess.run([session.program, "gen", "--lives", str(lives), "--bad", "0"],
                           stdout=events, check=True)
        with open(file, "rb") as events:
            count = sum(1 for _ in events)
        commands = {"cjson": [parse_loop, "malloc", file],
                    "cjson-arena": [parse_loop, "arena", file],
                    "upshot-replay": [session.program, "replay", "-q", file]}
        for repeat, name in in_turn(list(commands), session.options.repeats):
            seconds, _ = spent(commands[name], stderr=subprocess.DEVNULL)
            session.add("replay", name, repeat, {"rate": count / seconds, "events": count})
    known = figures.Figures(session.rows)
    ratio = known.ratio("replay", "upshot-replay", "cjson-arena", "rate")
    say(f"replay to arena loop: {ratio:.2f}")


def restore(session):
    """A task's state comes back, from Kafka and from a snapshot, beside a bare read."""
    if bench.try_to_build(session.tools, "restore_bench") is None:
        say("restore is left out: there is no restore_bench")
        return
    done = subprocess.run(
        [bench.ROOT / "benchmarks" / "restore" / "run", "--records",
         "1000000" if session.options.quick else "3000000", "--rounds",
         str(session.options.few + 1)], check=False, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL)
    if done.returncode != 0:
        say("restore failed: benchmarks/restore/run says why")
    for found in re.finditer(r"^round=(\d+) (\w+) (.*)$", done.stdout, re.MULTILINE):
        session.add("restore", found.group(2), int(found.group(1)) + 1, {
            name: float(value) for name, value in bench.facts(found.group(3)).items()
            if name in ("rate", "took_ms", "live", "records")})


def core(session):
    """The core alone, as micro sees it: cost and bytes as the number of live messages grows."""
    micro = bench.try_to_build(session.tools, "micro")
    if micro is None:
        say("core is left out: there is no micro")
        return
    for part in ("growth", "bytes", "stops"):
        most = ("--most", "2000000") if session.options.quick else ()
        done = subprocess.run([micro, "--tsv", "--repeats", "3", *most, part], check=False,
                              stdout=subprocess.PIPE, text=True)
        lines = [line.split("\t") for line in done.stdout.splitlines()]
        for cells in lines[1:]:
            known = dict(zip(lines[0], cells))
            session.add("core", known["name"], 1, {name: float(known[name]) for name in
                                                   ("ns", "bytes", "floor_ns")
                                                   if float(known[name]) > 0})


# Two revisions ------------------------------------------------------------------------------------


def against(session, other):
    """This tree beside another revision's binary, in pairs."""
    session.backlog()
    contenders = session.chosen(
        [Upshot(session.rig, workers, program, name=f"{word}-{workers}w")
         for workers in (1, 2)
         for word, program in (("this", session.program), ("other", other))])
    drain_once(session, contenders[0])  # the broker, a JVM, warms up
    for repeat, contender in in_turn(contenders, session.options.repeats):
        values = drain_once(session, contender)
        if values:
            session.add("against", contender.name, repeat, values)
            say(f"{contender.name:10} rate={values['rate']:,.0f}/s "
                f"cpu={values['cpu_s_per_M']:.2f} s/M")


# What --quick has no time for.
LONG = ("scaling", "seen")
EVERY = {"drain": drain, "scaling": scaling, "seen": seen, "latency": latency, "flight": flight, "idle": idle,
         "start": start, "overload": overload, "replay": replay, "restore": restore, "core": core}
