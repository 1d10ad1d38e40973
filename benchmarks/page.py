"""docs/performance.md: made from a file of figures, whole, and never edited by hand.

So the page cannot say what was not measured; tests/benchmarks_test.py makes it again from
docs/performance.tsv and compares.
"""
import pathlib
import shutil

import figures
import plots

NAMES = {
    "null-1w": "null stage, 1 worker", "null-2w": "null stage, 2 workers",
    "upshot-1w": "upshot, 1 worker", "upshot-2w": "upshot, 2 workers",
    "upshot-4w": "upshot, 4 workers", "ks-mem-2t": "Kafka Streams, in memory, 2 threads",
    "ks-roc-2t": "Kafka Streams, RocksDB, 2 threads",
    "upshot-snapshot": "upshot, from a snapshot", "upshot-kafka": "upshot, from Kafka",
}


def said(value, digits=2):
    """A figure for people: three digits count, thousands apart."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{round(value, -(len(str(int(abs(value)))) - 3)):,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.{1 if abs(value) >= 10 else digits}f}"


def goal_cells(goal, known):
    """(what, wanted, found, from..to, verdict), or None where it was not measured."""
    found = goal.find(known)
    if found is None:
        return None
    value, least, most = found
    return (goal.what, f"{goal.better} {goal.wanted:g} {goal.unit}".strip(),
            f"{said(value)} {goal.unit}".strip(),
            "" if least == most else f"{said(least)}..{said(most)}",
            "yes" if goal.reached(value) else "no")


def goals(known):
    rows = [goal_cells(goal, known) for goal in figures.GOALS]
    return [row for row in rows if row]


def columns(rows, heads):
    """Text in columns, for a terminal."""
    widths = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    return [" ".join(cell.ljust(width) if at == 0 else cell.rjust(width)
                     for at, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in [heads, *rows]]


def markdown(rows, heads):
    out = ["| " + " | ".join(heads) + " |", "|" + "---|" + "---:|" * (len(heads) - 1)]
    return out + ["| " + " | ".join(row) + " |" for row in rows]


DRAIN = (("rate", "events/s"), ("rate_warm", "warm"), ("cpu_s_per_M", "CPU s/M"),
         ("cpu_s_per_M_warm", "warm"), ("broker_cpu_s_per_M", "broker s/M"), ("start_s", "start s"),
         ("rss_max_mb", "RSS MiB"), ("written_bytes_per_event", "log B/event"))


def rows_of(known, experiment, wanted):
    return [[name] + [said(known.median(experiment, name, figure)) for figure, _ in wanted]
            for name in known.contenders[experiment]
            if any(known.median(experiment, name, figure) is not None for figure, _ in wanted)]


def table(known):
    """What the terminal shows."""
    lines = []
    drained = rows_of(known, "drain", DRAIN)
    if drained:
        lines += columns(drained, ["drain", *(head for _, head in DRAIN)]) + [""]
    for experiment, wanted in (("latency", LATENCY), ("flight", FLIGHT), ("start", START),
                               ("idle", IDLE), ("scaling", SCALING), ("seen", SCALING),
                               ("overload", OVERLOAD)):
        rows = rows_of(known, experiment, wanted)
        if rows:
            lines += columns(rows, [experiment, *(head for _, head in wanted)]) + [""]
    return "\n".join(lines + columns(goals(known),
                                     ["goal", "wanted", "found", "from..to", "reached"]))


LATENCY = (("p50", "p50 ms"), ("p90", "p90"), ("p99", "p99"), ("p99.9", "p99.9"), ("max", "max"),
           ("whole_p99", "p99 whole"), ("cpu_s_per_M", "CPU s/M"), ("missing", "missing"))
FLIGHT = (("first_record_s", "first record s"), ("first_commit_s", "first commit s"),
          ("rss_mb", "RSS MiB"))
START = (("first_outcome_s", "first outcome s"),)
IDLE = (("rss_mb", "RSS MiB"), ("cpu_percent", "% of a core"), ("stripped_kib", "binary KiB"))
SCALING = (("rate", "events/s"), ("cpu_s_per_M", "CPU s/M"), ("cpu_s_per_M_warm", "warm"))
OVERLOAD = (("load_rate", "events/s in"), ("lag_max", "greatest lag"),
            ("rss_before_mb", "RSS before MiB"), ("rss_max_mb", "greatest"),
            ("burst_rate", "events/s after"))


def against_table(known):
    rows = []
    for workers in (1, 2):
        for figure, head in (("rate", "events/s"), ("cpu_s_per_M", "CPU-seconds an event")):
            ratios = known.ratios("against", f"this-{workers}w", f"other-{workers}w", figure)
            if ratios:
                middle = known.ratio("against", f"this-{workers}w", f"other-{workers}w", figure)
                rows.append([f"{head}, {workers} worker{'s' * (workers > 1)}",
                             said(known.median("against", f"this-{workers}w", figure)),
                             said(known.median("against", f"other-{workers}w", figure)),
                             f"{middle:.3f}", f"{min(ratios):.3f}..{max(ratios):.3f}"])
    other = known.text("setup", "-", "against", "other")
    return "\n".join(columns(rows, ["median", "this", other, "this/other", "from..to"]))


# Drawings ---------------------------------------------------------------------------------------


def bars_of(known, experiment, figure, title):
    rows = []
    for name in known.contenders[experiment]:
        values = known.all(experiment, name, figure)
        if values:
            rows.append((name, known.median(experiment, name, figure), min(values), max(values)))
    return plots.bars(title, rows)


def drawings(known):
    """{file name: SVG}, of what was measured."""
    points = ("p50", "p90", "p99", "p99.9", "max")
    latencies = [(name, [(at, known.median("latency", name, point))
                         for at, point in enumerate(points)
                         if known.median("latency", name, point) is not None])
                 for name in known.contenders["latency"]]
    growth = {"expected": [], "unexpected": []}
    for name in known.contenders["core"]:
        words = name.replace(",", "").split()
        if words[0] == "event" and words[-1] in growth:
            growth[words[-1]].append((float(words[1]), known.median("core", name, "ns")))
    curve = [(known.values["overload_curve", "upshot-1w", "at_s"].get(at),
              known.values["overload_curve", "upshot-1w", "lag"].get(at),
              known.values["overload_curve", "upshot-1w", "rss_mb"].get(at))
             for at in sorted(known.values["overload_curve", "upshot-1w", "at_s"])]
    made = {
        "rate.svg": bars_of(known, "drain", "rate", "Events a second, whole run"),
        "cpu.svg": bars_of(known, "drain", "cpu_s_per_M",
                           "CPU-seconds per million events, of the process alone"),
        "memory.svg": bars_of(known, "drain", "rss_max_mb",
                              "Peak resident memory of a run, MiB (Java: the heap it is given)"),
        "latency.svg": plots.lines("From receipt to outcome, ms (each scale mark is ten times the "
                                   "one below)", "percentile", latencies, dict(enumerate(points)),
                                   log=True),
        "growth.svg": plots.lines("ns of CPU per event in the core", "million live messages",
                                  [(f"messages {name}", made) for name, made in growth.items()]),
        "overload.svg": plots.lines(
            "A flood: thousands of events waiting, and resident MiB", "seconds",
            [("lag, k", [(at, lag / 1000) for at, lag, _ in curve]),
             ("RSS, MiB", [(at, rss) for at, _, rss in curve])]),
    }
    return {name: svg for name, svg in made.items() if svg}


# The page ---------------------------------------------------------------------------------------


HEAD = """\
# How fast it is

Made by `benchmarks/compare` from [performance.tsv](performance.tsv), in which every figure of every
run stands; nothing here is written by hand. To measure anew: `script/install peer`, and
`benchmarks/compare`, alone on the machine. `--quick` takes less than five minutes and is rougher;
`--quick --against REV` sets the tree beside another revision of it.
"""

METHOD = """\
## How it was measured

Everything is on one machine: broker, load and contender share its CPUs. Numbers from other machines
will differ; ratios nearly do not, and goals are ratios wherever that was possible.

- **The load** (`benchmarks/load.c`, by seed): a send and about two receipts a message, 190 to 260
  bytes of JSON each, UUIDs for ids; 60 % sms, 20 % email, 10 % push, 5 % rcs, 5 % whatsapp; 5 % of
  the receipts twice, 5 % of the messages out of order. A message's last receipt comes up to 50 000
  messages after its send. Four partitions. No deadline falls due and nothing is forgotten.
- **The null stage** (`benchmarks/null_stage.c`): consumes the same records and writes, in
  transactions of the same size, as many records of the same sizes as upshot was counted to write
  for this load; it parses nothing, keeps nothing and has no group to join. How compressible its
  bytes are is set so that the broker's logs grow alike (last column of the table). It is the limit
  for a loop that waits for its own commits.
- **Kafka Streams** (`benchmarks/kafka-streams`): the same job in Java, exactly_once_v2.
- **The ruler** (`benchmarks/ruler.c`) asks the broker for the group's committed offsets, and Linux
  for the CPU time and memory of contender and broker. What is not committed does not count.
  *events/s* is from the first commit to the last, *CPU s/M* from the process's start, per million
  events; *warm* is between half and 97 % of the backlog, where a JVM has compiled. *Start* is until
  the first record, where the contender says so, else the first commit.
- Repeats are interleaved, every other round backwards. A figure is the median of them; ratios are
  taken in each round and then their median, with the range beside it.
"""


def section(title, words, body):
    return ["", f"## {title}", "", *([words, ""] if words else []), *body] if body else []


def picture(made, name, words):
    return ["", f"![{words}](performance/{name})"] if name in made else []


def compose(known, made):
    def said_setup(figure):
        return known.text("setup", "-", figure)

    out = [HEAD]
    out += [f"Measured on {said_setup('date')}, revision `{said_setup('revision')}`: "
            f"{said_setup('cpus')} CPUs ({said_setup('cpu')}), {said_setup('memory_gib')} GiB, "
            f"Linux {said_setup('kernel')}; Kafka {said_setup('kafka')} on Java "
            f"{said_setup('java')}, librdkafka {said_setup('librdkafka')}, "
            f"{said_setup('compiler')}. {said(float(said_setup('messages')))} messages, seed "
            f"{said_setup('seed')}, `{said_setup('command')}`."]
    if float(said_setup("load_average") or 0) > float(said_setup("cpus") or 1) / 4:
        out += ["", "**The machine was busy with other things when this began (load average "
                f"{said_setup('load_average')}): no figure here is one to rely on.**"]
    if not said_setup("minutes"):
        out += ["", "**It was ended before its end: what comes last is missing or has fewer "
                "repeats.**"]
    out += section("Goals", "", markdown(goals(known),
                                         ["what", "goal", "found", "range", "reached"]))
    drained = rows_of(known, "drain", DRAIN)
    for row in drained:
        row[0] = NAMES.get(row[0], row[0])
    out += section("A backlog, as fast as it goes", "", markdown(
        drained, ["contender", *(head for _, head in DRAIN)]) if drained else [])
    for name, words in (("rate.svg", "rate"), ("cpu.svg", "CPU"), ("memory.svg", "memory")):
        out += picture(made, name, words)
    if drained:
        out += beside(known) + where_time_goes(known)
    for experiment, title, wanted, words in (
            ("scaling", "Workers", SCALING,
             "What a worker costs where others work beside it. Wall time is bounded by the CPUs, "
             "so look at CPU-seconds: they stay where nothing is shared."),
            ("seen", "Seen working", SCALING,
             "What it costs to be looked at: a scraper of /metrics and a page open, each asking "
             "once a second, beside the stage without HTTP."),
            ("latency", "From a receipt to its outcome",  LATENCY,
             f"{said(float(said_setup('rate') or 0))} events a second, committed every 100 ms, on "
             "the load's own clock: from the moment it produces a message's last receipt until its "
             "reader (read_committed) has the outcome. The first half of the time is the warm-up; "
             "*whole* has it in."),
            ("flight", "After kill -9", FLIGHT,
             f"{said(float(said_setup('messages')))} messages in flight, traffic going on, a "
             "static member: from the next start of the process. RSS is that of the process with "
             "all these messages."),
            ("start", "Start", START,
             "From nothing, a backlog waiting, to the first outcome that a reader sees."),
            ("idle", "Idle", IDLE, "Joined, and nothing to do. The binary is stripped."),
            ("overload", "More than it can do", OVERLOAD,
             "A flood of events about the same few messages, so that no state grows, while the "
             "stage gets only what CPU others leave; then all of it.")):
        rows = rows_of(known, experiment, wanted)
        for row in rows:
            row[0] = NAMES.get(row[0], row[0])
        out += section(title, words, markdown(rows, ["", *(head for _, head in wanted)])
                       if rows else [])
        out += picture(made, experiment + ".svg", title)
    for experiment, title, wanted in (
            ("replay", "Replay of a file, one core", (("rate", "events a CPU-second"),)),
            ("restore", "Restore", (("rate", "records/s"), ("took_ms", "ms"))),
            ("core", "The core alone", (("ns", "ns"), ("bytes", "bytes")))):
        rows = rows_of(known, experiment, wanted)
        out += section(title, "", markdown(rows, ["", *(head for _, head in wanted)])
                       if rows else [])
    out += picture(made, "growth.svg", "growth")
    out += ["", METHOD.rstrip()]
    return "\n".join(out) + "\n"


def beside(known):
    """upshot to the peers, as ratios."""
    rows = []
    for theirs in ("ks-mem-2t", "ks-roc-2t"):
        cells = [known.ratio("drain", "upshot-2w", theirs, figure) for figure, _ in DRAIN[:4]]
        if any(cells):
            rows.append([NAMES[theirs], *(said(cell) for cell in cells)])
    return ["", "upshot with 2 workers to:", "",
            *markdown(rows, ["", *(head for _, head in DRAIN[:4])])] if rows else []


def where_time_goes(known):
    parts = ("consume", "produce", "send_offsets", "flush", "commit")
    rows = [[NAMES[name]] + [said(known.median("drain", name, "ms_" + part)) for part in parts]
            for name in ("null-1w", "null-2w") if known.median("drain", name, "ms_flush")]
    return ["", "Where the null stage spends a transaction, ms of wall time:", "",
            *markdown(rows, ["", *parts])] if rows else []


def write(tsv, docs):
    docs = pathlib.Path(docs)
    known = figures.Figures(figures.read_rows(tsv))
    made = drawings(known)
    shutil.rmtree(docs / "performance", ignore_errors=True)
    (docs / "performance").mkdir()
    for name, svg in made.items():
        (docs / "performance" / name).write_text(svg, encoding="utf-8")
    (docs / "performance.md").write_text(compose(known, made), encoding="utf-8")
