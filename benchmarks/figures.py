"""Figures: from samples to rates, from runs to medians and ratios, from ratios to goals.

Nothing here measures and nothing draws; so all of it is tested by tests/benchmarks_test.py. A row
is (experiment, contender, repeat, figure, value), and a file of them is the whole truth of a
comparison: table, page and plots are made from it and from nothing else.
"""
import collections
import statistics

COLUMNS = ("experiment", "contender", "repeat", "figure", "value")
Row = collections.namedtuple("Row", COLUMNS)


# Samples ----------------------------------------------------------------------------------------


def when(samples, share, field="at_ms"):
    """A field's value at the moment when so much of the backlog was committed, between samples."""
    wanted = samples[-1]["end"] * share
    before = samples[0]
    for now in samples:
        if now["committed"] >= wanted:
            step = now["committed"] - before["committed"]
            part = (wanted - before["committed"]) / step if step > 0 else 1
            return before[field] + (now[field] - before[field]) * max(part, 0)
        before = now
    return samples[-1][field]


def of_drain(samples, started_ms, broker_us, first_ms=None):
    """The figures of one drained backlog; broker_us is the broker's CPU time before the start."""
    last, events = samples[-1], samples[-1]["end"]
    million = events / 1e6
    first = next(sample for sample in samples if sample["committed"] > 0)
    run_s = max(last["at_ms"] - first["at_ms"], 1) / 1000
    warm_s = (when(samples, .97) - when(samples, .5)) / 1000
    warm_us = when(samples, .97, "cpu_us") - when(samples, .5, "cpu_us")
    figures = {
        "events": events,
        "wall_s": (last["at_ms"] - started_ms) / 1000,
        "start_s": ((first_ms or first["at_ms"]) - started_ms) / 1000,
        "rate_whole": events / (last["at_ms"] - started_ms) * 1000,
        "rate": (events - first["committed"]) / run_s,
        "rate_warm": events * .47 / max(warm_s, .001),
        "cpu_s_per_M": last["cpu_us"] / 1e6 / million,
        "cpu_s_per_M_warm": warm_us / 1e6 / (million * .47),
        "broker_cpu_s_per_M": (last["broker_cpu_us"] - broker_us) / 1e6 / million,
    }
    return figures


def writes(events, outcomes, state):
    """What a null stage is told, from the counts of the two topics that upshot filled."""
    def mean(counts, field):
        return round(counts[field] / counts["records"]) if counts["records"] else 0

    return {
        "outcomes-per-1000": round(outcomes["records"] * 1000 / events),
        "outcome-bytes": mean(outcomes, "value_bytes"),
        "state-per-1000": round(state["records"] * 1000 / events),
        "state-bytes": mean(state, "value_bytes"),
        "state-key-bytes": max(mean(state, "key_bytes"), 1),
    }


# Rows -------------------------------------------------------------------------------------------


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def shown(value):
    """As it stands in the file: enough digits, and no more."""
    if isinstance(value, str):
        return value.replace("\t", " ").replace("\n", " ")
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    return f"{value:.6g}"


def write_rows(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        for row in rows:
            file.write("\t".join([row[0], row[1], str(row[2]), row[3], shown(row[4])]) + "\n")


def read_rows(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    if not lines or tuple(lines[0].split("\t")) != COLUMNS:
        raise ValueError(f"{path}: the first line does not name {', '.join(COLUMNS)}")
    rows = []
    for at, line in enumerate(lines[1:], start=2):
        cells = line.split("\t")
        if len(cells) != len(COLUMNS):
            raise ValueError(f"{path}:{at}: {len(cells)} cells, not {len(COLUMNS)}")
        rows.append(Row(cells[0], cells[1], int(cells[2]), cells[3], cells[4]))
    return rows


class Figures:
    """Rows, to be asked."""

    def __init__(self, rows):
        self.values = collections.defaultdict(dict)
        self.texts = {}
        self.contenders = collections.defaultdict(list)
        for row in rows:
            # A revision may look like a number, and is none.
            value = None if row.experiment == "setup" else number(str(row.value))
            if value is None:
                self.texts[row.experiment, row.contender, row.figure] = row.value
            else:
                self.values[row.experiment, row.contender, row.figure][row.repeat] = value
            if row.contender not in self.contenders[row.experiment]:
                self.contenders[row.experiment].append(row.contender)

    def text(self, experiment, contender, figure, otherwise=""):
        if (experiment, contender, figure) in self.texts:
            return self.texts[experiment, contender, figure]
        value = self.median(experiment, contender, figure)
        return otherwise if value is None else shown(value)

    def all(self, experiment, contender, figure):
        return list(self.values.get((experiment, contender, figure), {}).values())

    def median(self, experiment, contender, figure):
        values = self.all(experiment, contender, figure)
        return statistics.median(values) if values else None

    def ratios(self, experiment, ours, theirs, figure):
        """Ours to theirs in each repeat that has both: neighbours in time, so paired."""
        mine = self.values.get((experiment, ours, figure), {})
        other = self.values.get((experiment, theirs, figure), {})
        return [mine[repeat] / other[repeat] for repeat in sorted(mine)
                if other.get(repeat, 0) > 0]

    def ratio(self, experiment, ours, theirs, figure):
        ratios = self.ratios(experiment, ours, theirs, figure)
        return statistics.median(ratios) if ratios else None


# Goals ------------------------------------------------------------------------------------------


class Goal:
    """A figure that was promised: what it is, how it is found, which side of `wanted` is good."""

    def __init__(self, what, find, better, wanted, unit=""):
        self.what, self.find, self.better, self.wanted, self.unit = (what, find, better, wanted,
                                                                     unit)

    def reached(self, value):
        return value >= self.wanted if self.better == "≥" else value <= self.wanted


def pair(experiment, ours, theirs, figure):
    """The median of the ratios, and how far they lie apart."""
    def find(known):
        ratios = known.ratios(experiment, ours, theirs, figure)
        return (statistics.median(ratios), min(ratios), max(ratios)) if ratios else None
    return find


def middle(experiment, contender, figure):
    """The median of the runs, and how far they lie apart."""
    def find(known):
        values = known.all(experiment, contender, figure)
        return (statistics.median(values), min(values), max(values)) if values else None
    return find


def scaled(find, factor):
    def scale(known):
        found = find(known)
        return found and tuple(value * factor for value in found)
    return scale


def medians(experiment, ours, theirs, figure):
    """For figures whose repeats are no pairs: the ratio of the medians."""
    def find(known):
        mine, other = (known.median(experiment, name, figure) for name in (ours, theirs))
        return (mine / other,) * 3 if mine is not None and other else None
    return find


def growth(known):
    """The cost of an event with the most live messages, to that with the fewest."""
    sizes = {}
    for name in known.contenders["core"]:
        if name.startswith("event, ") and name.endswith(" live, expected"):
            sizes[float(name.split()[1])] = known.median("core", name, "ns")
    return (sizes[max(sizes)] / sizes[min(sizes)],) * 3 if len(sizes) > 1 else None


def longest_stop(known):
    stops = [known.median("core", name, "ns") for name in known.contenders["core"]
             if name.startswith("longest ")]
    return (max(stops) / 1e6,) * 3 if stops else None


GOALS = (
    Goal("`run`, events/s to the null stage's, 2 workers",
         pair("drain", "upshot-2w", "null-2w", "rate"), "≥", 1.0),
    Goal("`run`, events/s to the null stage's, 1 worker",
         pair("drain", "upshot-1w", "null-1w", "rate"), "≥", 0.9),
    Goal("`run`, CPU-seconds an event to the null stage's, 2 workers",
         pair("drain", "upshot-2w", "null-2w", "cpu_s_per_M"), "≤", 1.5),
    Goal("`run`, CPU-seconds an event to the null stage's, 1 worker",
         pair("drain", "upshot-1w", "null-1w", "cpu_s_per_M"), "≤", 1.5),
    Goal("CPU-seconds an event, seen by a scraper and the page, to those without HTTP, 2 workers",
         pair("seen", "seen-2w", "unseen-2w", "cpu_s_per_M"), "≤", 1.03),
    Goal("CPU-seconds an event, seen by a scraper and the page, to those without HTTP, 1 worker",
         pair("seen", "seen-1w", "unseen-1w", "cpu_s_per_M"), "≤", 1.03),
    Goal("`replay FILE`, events a CPU-second to the arena cJSON loop's",
         pair("replay", "upshot-replay", "cjson-arena", "rate"), "≥", 0.6),
    Goal("restore from Kafka, records/s to the bare read's",
         pair("restore", "from_kafka", "bare_read", "rate"), "≥", 0.8),
    Goal("restore from a snapshot", scaled(middle("restore", "from_snapshot", "rate"), 1e-6),
         "≥", 3, "M records/s"),
    Goal("resident, a message in flight", middle("core", "resident, in flight", "bytes"),
         "≤", 160, "bytes"),
    Goal("resident, a settled message", middle("core", "resident, settled", "bytes"),
         "≤", 112, "bytes"),
    Goal("cost of an event with the most live messages to that with 100 k", growth, "≤", 1.5),
    Goal("longest stop while the store grows, in CPU time", longest_stop, "≤", 20, "ms"),
    Goal("latency, 99th percentile, at a steady rate", middle("latency", "upshot-1w", "p99"),
         "≤", 250, "ms"),
    Goal("after kill -9, to the first commit, from a snapshot",
         middle("flight", "upshot-snapshot", "first_commit_s"), "≤", 1, "s"),
    Goal("after kill -9, to the first commit, from Kafka",
         middle("flight", "upshot-kafka", "first_commit_s"), "≤", 3, "s"),
    Goal("start to first outcome, to Kafka Streams' in memory",
         medians("start", "upshot-1w", "ks-mem-2t", "first_outcome_s"), "≤", 0.25),
    Goal("stripped binary", middle("idle", "upshot-1w", "stripped_kib"), "≤", 1024, "KiB"),
    Goal("resident when idle", middle("idle", "upshot-1w", "rss_mb"), "≤", 48, "MiB"),
    Goal("CPU when idle", middle("idle", "upshot-1w", "cpu_percent"), "≤", 1, "% of a core"),
)
