#!/usr/bin/env python3
"""report.py: a page of tables and plots from files of outcomes, by the queries beside it.

    script/python examples/analytics/report.py --into DIRECTORY OUTCOMES.jsonl...

Writes report.md and the plots that it shows. It asks no clock: the same outcomes give the same
page. What is counted is in queries/*.sql; here is only how it looks.
"""
import argparse
import collections
import pathlib
import sys

import duckdb
import matplotlib

matplotlib.use("Agg")
from matplotlib import dates, pyplot, ticker  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent

# Five hues that also the colour-blind tell apart; a channel that is not among them gets the grey.
CHANNELS = {"email": "#0072b2", "push": "#cc79a7", "rcs": "#d89000", "sms": "#009e73",
            "whatsapp": "#7a52a8"}
OUTCOMES = {"accepted": "#8cc6a4", "delivered": "#2e9e6b", "read": "#1f7a8c", "clicked": "#0b4f6c",
            "complained": "#b8336a", "failed": "#d1495b", "rejected": "#8c2f39",
            "fallback": "#edae49", "incomplete": "#b9b4a7", "unresolved": "#6d6a75"}
INK, FAINT, GRID = "#22262b", "#6b727a", "#e4e7ea"

SECOND, MINUTE, HOUR, DAY = 1000, 60000, 3600000, 86400000  # in milliseconds
ROUND_DURATIONS = [*(each * SECOND for each in (.001, .01, .1, 1, 5, 15)),
                   *(each * MINUTE for each in (1, 5, 15, 30)),
                   *(each * HOUR for each in (1, 2, 3, 4, 6, 8, 12)),
                   *(each * DAY for each in (1, 3, 7))]

STYLE = {
    "font.family": "DejaVu Sans", "font.size": 10, "text.color": INK, "axes.labelcolor": FAINT,
    "xtick.color": FAINT, "ytick.color": FAINT, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "axes.edgecolor": GRID, "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID,
    "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "xtick.major.size": 0, "ytick.major.size": 0, "axes.titlelocation": "left",
    "axes.titlesize": 11, "axes.titleweight": "bold", "axes.titlepad": 10,
    "legend.frameon": False, "legend.fontsize": 9, "figure.facecolor": "white", "figure.dpi": 110,
    "savefig.dpi": 110, "figure.constrained_layout.use": True,
}


# Figures ----------------------------------------------------------------------------------------


def load(files):
    """A database of these outcomes, with the views that the queries read."""
    base = duckdb.connect()
    base.execute("SET VARIABLE files = $files", {"files": [str(file) for file in files]})
    for name in ("duckdb.sql", "messages.sql"):
        base.execute((HERE / name).read_text(encoding="utf-8"))
    return base


def ask(base, query):
    """Rows of one of the queries, with the columns' names."""
    base.execute((HERE / "queries" / f"{query}.sql").read_text(encoding="utf-8"))
    row = collections.namedtuple(query, [column[0] for column in base.description])
    return [row(*values) for values in base.fetchall()]


def queries():
    return sorted(path.stem for path in (HERE / "queries").glob("*.sql"))


# Plots ------------------------------------------------------------------------------------------


def percent(axis, digits=0):
    axis.set_major_formatter(ticker.PercentFormatter(1, decimals=digits))


def colour_of(channel):
    return CHANNELS.get(channel, FAINT)


def channels_of(rows):
    return sorted({row.channel for row in rows})


def plot_delivery_by_hour(rows):
    """A panel a channel: lines over each other would be a knot."""
    channels = channels_of(rows)
    figure, panels = pyplot.subplots(len(channels), 1, figsize=(8.6, .6 + 1.15 * len(channels)),
                                     sharex=True, squeeze=False)
    # An hour of three messages is noise that would set the scale of all others.
    most = {channel: max(row.messages for row in rows if row.channel == channel)
            for channel in channels}
    full = [row for row in rows if row.messages >= most[row.channel] / 4]
    floor = max(0, min(row.rate for row in full) - .03)
    for panel, channel in zip(panels[:, 0], channels):
        mine = [row for row in full if row.channel == channel]
        hours, rates = [row.hour for row in mine], [row.rate for row in mine]
        mean = sum(row.arrived for row in mine) / sum(row.messages for row in mine)
        panel.axhline(mean, color=colour_of(channel), linewidth=.8, alpha=.5)
        panel.fill_between(hours, mean, rates, color=colour_of(channel), alpha=.15, linewidth=0)
        panel.plot(hours, rates, color=colour_of(channel), linewidth=1.8)
        panel.annotate(f"{channel}\n{mean:.1%}", (1.01, .5), xycoords="axes fraction", va="center",
                       color=colour_of(channel), fontweight="bold")
        panel.set_ylim(floor, 1)
        panel.yaxis.set_major_locator(ticker.MaxNLocator(3))
        percent(panel.yaxis)
    panels[-1, 0].xaxis.set_major_locator(dates.AutoDateLocator(minticks=4, maxticks=8))
    panels[-1, 0].xaxis.set_major_formatter(
        dates.ConciseDateFormatter(panels[-1, 0].xaxis.get_major_locator()))
    panels[-1, 0].set_xlabel("hour of the send, UTC")
    panels[0, 0].set_title("Arrived, of the messages sent in an hour")
    return figure


def plot_delivery_by_campaign(rows):
    """All campaigns from the worst to the best, each with its interval."""
    figure, panel = pyplot.subplots(figsize=(8.6, 3.6))
    whole = sum(row.arrived for row in rows) / sum(row.messages for row in rows)
    for place, row in enumerate(rows):
        apart = "#d1495b" if row.high < whole else "#2e9e6b" if row.low > whole else "#9aa3ab"
        panel.plot([place, place], [row.low, row.high], color=apart, linewidth=1.4, alpha=.55)
        panel.plot([place], [row.rate], "o", color=apart, markersize=3)
    panel.axhline(whole, color=INK, linewidth=.9)
    panel.annotate(f"all: {whole:.1%}", (len(rows) - .5, whole), xytext=(6, 0), va="center",
                   textcoords="offset points", annotation_clip=False)
    panel.set_xlim(-1.5, len(rows) + .5)
    panel.grid(False, axis="x")
    panel.set_xlabel("campaigns, from the least to the most delivered\ncoloured where the interval "
                     f"leaves out the whole: by chance alone, {len(rows) / 20:.0f} of them")
    panel.set_title("Arrived, by campaign, with 95 % intervals")
    panel.yaxis.set_major_locator(ticker.MaxNLocator(6, steps=(1, 2, 5, 10)))
    percent(panel.yaxis)
    return figure


def plot_latency(rows):
    figure, panel = pyplot.subplots(figsize=(8.6, 1.1 + .34 * len(rows)))
    names = ("p50", "p90", "p95", "p99")
    for place, row in enumerate(reversed(rows)):
        spots = [max(getattr(row, name), 1) for name in names]
        panel.plot(spots[::3], [place, place], color=colour_of(row.channel), linewidth=5, alpha=.22,
                   solid_capstyle="round")
        for spot, size in zip(spots, (9, 6.5, 5, 5)):
            panel.plot([spot], [place], "o", color=colour_of(row.channel), markersize=size,
                       markeredgecolor="white", markeredgewidth=.8)
    panel.set_yticks(range(len(rows)),
                     [f"{row.channel} · {row.outcome}" for row in reversed(rows)])
    panel.set_xscale("log")
    low, high = panel.get_xlim()
    marks = [mark for mark in ROUND_DURATIONS if low <= mark <= high]
    panel.set_xticks(marks, [short(mark) for mark in marks])
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    panel.grid(False, axis="y")
    panel.set_title("From the send to the status that decided: 50 (large), 90, 95 and 99 of 100")
    return figure


def plot_funnel(rows):
    """Where all messages of a channel ended, in one bar: what arrived first, then what did not."""
    figure, panel = pyplot.subplots(figsize=(8.6, 1.2 + .52 * len(rows)))
    steps = (("arrived, no more known", "#8cc6a4", lambda row: row.arrived - row.was_read),
             ("read", OUTCOMES["read"], lambda row: row.was_read - row.clicked),
             ("clicked", OUTCOMES["clicked"], lambda row: row.clicked),
             *((name, OUTCOMES[name], lambda row, name=name: getattr(row, name))
               for name in ("fallback", "incomplete", "unresolved", "rejected", "failed")))
    left = [0.0] * len(rows)
    for name, colour, count in steps:
        shares = [count(row) / row.messages for row in rows]
        panel.barh(range(len(rows)), shares, left=left, color=colour, height=.62, label=name,
                   edgecolor="white", linewidth=.8)
        for place, share in enumerate(shares):
            if share >= .045:
                dark = matplotlib.colors.rgb_to_hsv(matplotlib.colors.to_rgb(colour))[2] < .66
                panel.text(left[place] + share / 2, place, f"{share:.0%}", ha="center",
                           va="center", fontsize=9, color="white" if dark else INK)
        left = [a + b for a, b in zip(left, shares)]
    panel.set_yticks(range(len(rows)), [f"{row.channel}\n{row.messages:,}" for row in rows])
    panel.invert_yaxis()
    panel.set_xlim(0, 1)
    panel.grid(False)
    percent(panel.xaxis)
    figure.legend(loc="outside lower center", ncols=len(steps), columnspacing=1.1, handlelength=1,
                  handletextpad=.5)
    panel.set_title("How far messages came, and where the others stayed")
    return figure


def plot_corrections(rows):
    """Side by side by age; a colour says what the message became."""
    figure, panel = pyplot.subplots(figsize=(8.6, 3.4))
    ages = sorted({(row.step, row.age) for row in rows})
    places = {step: place for place, (step, _) in enumerate(ages)}
    bottom = [0] * len(ages)
    for outcome, colour in OUTCOMES.items():
        counts = [0] * len(ages)
        for row in rows:
            if row.became == outcome:
                counts[places[row.step]] += row.corrections
        if any(counts):
            panel.bar(range(len(ages)), counts, bottom=bottom, color=colour, width=.66,
                      edgecolor="white", linewidth=.8, label=outcome)
        bottom = [a + b for a, b in zip(bottom, counts)]
    for place, height in enumerate(bottom):
        panel.annotate(f"{height:,}", (place, height), xytext=(0, 4), ha="center",
                       textcoords="offset points", color=INK)
    panel.set_xticks(range(len(ages)), [age for _, age in ages])
    panel.grid(False, axis="x")
    panel.set_ylim(0, max(bottom) * 1.1)
    panel.yaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    panel.set_xlabel("after the message's first outcome")
    panel.legend(title="became", alignment="left", loc="center left", bbox_to_anchor=(1.01, .5),
                 reverse=True)
    panel.set_title("Corrections, by how long the first outcome had stood")
    return figure


def plot_unresolved(rows):
    rows = sorted(rows, key=lambda row: (row.channel, -row.messages))
    figure, panel = pyplot.subplots(figsize=(8.6, 1.1 + .3 * len(rows)))
    for place, row in enumerate(rows):
        panel.plot([row.messages], [place], "o", color=colour_of(row.channel), markersize=9)
        panel.annotate(f"{row.messages:,}  ({row.share:.2%} of {row.channel})",
                       (row.messages, place), xytext=(9, 0), va="center",
                       textcoords="offset points", fontsize=9)
    panel.set_yticks(range(len(rows)), [f"{row.channel} · {row.last_status}" for row in rows])
    panel.invert_yaxis()
    panel.set_xscale("log")
    panel.set_xlim(.7, max(row.messages for row in rows) * 9)
    panel.xaxis.set_major_formatter(ticker.StrMethodFormatter("{x:,.0f}"))
    panel.xaxis.set_minor_locator(ticker.NullLocator())
    panel.set_title("Unresolved: the last word that was heard of them")
    return figure


# Words ------------------------------------------------------------------------------------------


def short(milliseconds):
    """A duration that one can read: 250 ms, 12 s, 5 min, 1.5 h."""
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        if abs(milliseconds) >= size:
            return f"{milliseconds / size:.3g} {unit}"
    return f"{milliseconds:.3g} ms"


def said(column, value):
    if value is None:
        return "–"
    if column in ("rate", "low", "high", "share"):
        return f"{value:.2%}"
    if column in ("p50", "p90", "p95", "p99"):
        return short(value)
    if hasattr(value, "isoformat"):
        return value.isoformat(sep=" ", timespec="minutes")
    return f"{value:,}" if isinstance(value, int) else str(value).replace("|", "\\|")


def table(rows, without=()):
    columns = [name for name in rows[0]._fields if name not in without]
    right = {name for name in columns if not isinstance(getattr(rows[0], name), str)}
    yield "| " + " | ".join(name.replace("_", " ") for name in columns) + " |"
    yield "|" + "|".join("---:" if name in right else "---" for name in columns) + "|"
    for row in rows:
        yield "| " + " | ".join(said(name, getattr(row, name)) for name in columns) + " |"


def brief(rows, ends=5):
    """The two ends of a long list."""
    return rows if len(rows) <= 2 * ends else rows[:ends] + rows[-ends:]


def lowest(rows, count=8):
    """The worst hours of those that count; the plot shows the others."""
    most = max(row.messages for row in rows)
    return sorted((row for row in rows if row.messages >= most / 10),
                  key=lambda row: (row.rate, row.channel, row.hour))[:count]


def most_frequent(rows, count=12):
    return sorted(rows, key=lambda row: -row.corrections)[:count]


SECTIONS = (
    ("delivery_by_channel", "Delivery by channel", None, list, ()),
    ("funnel", "Funnel", plot_funnel, list, ()),
    ("delivery_by_hour", "Delivery by hour: the lowest", plot_delivery_by_hour, lowest, ()),
    ("delivery_by_campaign", "Delivery by campaign: both ends", plot_delivery_by_campaign, brief,
     ()),
    ("latency", "Latency", plot_latency, list, ()),
    ("corrections", "Corrections by age: the most frequent", plot_corrections, most_frequent,
     ("step",)),
    ("unresolved", "Unresolved", plot_unresolved, list, ()),
)


def heading(base, names):
    counts = base.execute(
        "SELECT (SELECT count(*) FROM messages), (SELECT count(*) FROM outcomes), "
        "(SELECT count(*) FROM outcomes WHERE revision > 1)").fetchone()
    if counts[0] == 0:
        sys.exit(f"report.py: there is no outcome in {', '.join(names)}")
    return "{:,} messages, from {:,} outcomes of which {:,} are corrections.".format(*counts)


def write(base, names, into):
    into.mkdir(parents=True, exist_ok=True)
    page = ["# What became of the messages", "", heading(base, names)]
    for query, title, plot, choose, without in SECTIONS:
        rows = ask(base, query)
        page += ["", f"## {title}", "", f"By `{query}.sql`."]
        if not rows:
            page += ["", "None."]
            continue
        if plot:
            with pyplot.rc_context(STYLE):
                figure = plot(rows)
                # Who drew it, and when, would make another file of the same figures.
                figure.savefig(into / f"{query}.png", metadata={"Software": None})
                pyplot.close(figure)
            page += ["", f"![{title}]({query}.png)"]
        page += ["", *table(choose(rows), without)]
    (into / "report.md").write_text("\n".join(page) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("outcomes", nargs="+", type=pathlib.Path, help="files, an outcome a line")
    parser.add_argument("--into", required=True, type=pathlib.Path, help="directory for the page")
    options = parser.parse_args()
    try:
        base = load(options.outcomes)
    except duckdb.Error as error:
        sys.exit(f"report.py: {error}")
    write(base, [str(path) for path in options.outcomes], options.into)


if __name__ == "__main__":
    main()
