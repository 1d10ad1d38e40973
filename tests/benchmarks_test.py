#!/usr/bin/env python3
"""The tools of benchmarks/, and the page that they made; no word about how fast anything is.

    tests/benchmarks_test.py DIRECTORY_OF_THE_TOOLS

Arithmetic on figures whose answers are known, arguments that are wrong, and docs/performance.md: it
and its drawings must be what docs/performance.tsv gives, byte for byte, so that no sentence of it
can say what was not measured.
"""
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import experiments  # noqa: E402
import figures  # noqa: E402
import page  # noqa: E402
import plots  # noqa: E402
import rig  # noqa: E402

TOOLS = pathlib.Path(sys.argv.pop(1)) if len(sys.argv) > 1 else ROOT / "build/release/benchmarks"


def row(experiment, contender, repeat, figure, value):
    return figures.Row(experiment, contender, repeat, figure, str(value))


def sample(at_ms, committed, cpu_us, end=1000):
    return {"at_ms": at_ms, "committed": committed, "end": end, "cpu_us": cpu_us,
            "broker_cpu_us": 2 * cpu_us, "rss_kb": 1024}


class Samples(unittest.TestCase):
    drained = [sample(1000, 0, 100), sample(1100, 200, 200), sample(1300, 600, 600),
               sample(1500, 1000, 1000)]

    def test_a_moment_between_two_samples_is_found_between_them(self):
        self.assertEqual(figures.when(self.drained, .4), 1200)
        self.assertEqual(figures.when(self.drained, .4, "cpu_us"), 400)
        self.assertEqual(figures.when(self.drained, 1), 1500)

    def test_rates_are_from_the_start_and_from_the_first_commit(self):
        known = figures.of_drain(self.drained, 500, 50)
        self.assertEqual(known["events"], 1000)
        self.assertEqual(known["wall_s"], 1)
        self.assertEqual(known["start_s"], .6)  # nothing said: the first commit
        self.assertEqual(known["rate_whole"], 1000)
        self.assertEqual(known["rate"], 800 / .4)
        self.assertAlmostEqual(known["rate_warm"], 470 / .235)
        self.assertAlmostEqual(known["cpu_s_per_M"], 1.0)
        self.assertAlmostEqual(known["broker_cpu_s_per_M"], (2000 - 50) / 1000)
        self.assertEqual(figures.of_drain(self.drained, 500, 0, 700)["start_s"], .2)

    def test_a_null_stage_is_told_what_upshot_wrote(self):
        told = figures.writes(3000, {"records": 1000, "key_bytes": 36000, "value_bytes": 700400},
                              {"records": 2000, "key_bytes": 84000, "value_bytes": 100000})
        self.assertEqual(told, {"outcomes-per-1000": 333, "outcome-bytes": 700,
                                "state-per-1000": 667, "state-bytes": 50, "state-key-bytes": 42})
        nothing = {"records": 0, "key_bytes": 0, "value_bytes": 0}
        self.assertEqual(figures.writes(10, nothing, nothing)["outcome-bytes"], 0)


class Rows(unittest.TestCase):
    def test_a_file_comes_back_as_it_was(self):
        rows = [figures.Row("drain", "null-1w", 1, "rate", 123456.789),
                figures.Row("setup", "-", 0, "cpu", "a\tb"),
                figures.Row("drain", "null-1w", 2, "events", 3000000)]
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch) / "rows.tsv"
            figures.write_rows(path, rows)
            back = figures.read_rows(path)
        self.assertEqual([one.value for one in back], ["123457", "a b", "3000000"])
        self.assertEqual(figures.Figures(back).text("setup", "-", "cpu"), "a b")
        revision = figures.Figures([row("setup", "-", 0, "revision", "123456e789")])
        self.assertEqual(revision.text("setup", "-", "revision"), "123456e789")

    def test_a_broken_file_is_refused_with_its_line(self):
        for text, says in (("", "first line"), ("a\tb\n", "first line"),
                           ("\t".join(figures.COLUMNS) + "\ndrain\tx\n", ":2: 2 cells")):
            with tempfile.TemporaryDirectory() as scratch:
                path = pathlib.Path(scratch) / "rows.tsv"
                path.write_text(text, encoding="utf-8")
                with self.assertRaisesRegex(ValueError, says):
                    figures.read_rows(path)

    def test_ratios_are_taken_in_each_repeat_and_then_their_median(self):
        known = figures.Figures([
            row("drain", "ours", 1, "rate", 100), row("drain", "theirs", 1, "rate", 200),
            row("drain", "ours", 2, "rate", 300), row("drain", "theirs", 2, "rate", 300),
            row("drain", "ours", 3, "rate", 80), row("drain", "theirs", 3, "rate", 100),
            row("drain", "ours", 4, "rate", 999)])
        self.assertEqual(known.ratios("drain", "ours", "theirs", "rate"), [.5, 1, .8])
        self.assertEqual(known.ratio("drain", "ours", "theirs", "rate"), .8)
        self.assertIsNone(known.ratio("drain", "ours", "nobody", "rate"))

    def test_every_other_round_goes_backwards(self):
        self.assertEqual(list(experiments.in_turn(["a", "b"], 3)),
                         [(1, "a"), (1, "b"), (2, "b"), (2, "a"), (3, "a"), (3, "b")])


class Goals(unittest.TestCase):
    known = figures.Figures(
        [row("drain", "upshot-2w", 1, "rate", 410), row("drain", "null-2w", 1, "rate", 400),
         row("drain", "upshot-1w", 1, "cpu_s_per_M", 4), row("drain", "null-1w", 1, "cpu_s_per_M", 2),
         row("core", "event, 0.1 M live, expected", 1, "ns", 100),
         row("core", "event, 20.0 M live, expected", 1, "ns", 140),
         row("core", "event, 20.0 M live, unexpected", 1, "ns", 900),
         row("core", "longest task_apply", 1, "ns", 3e6), row("core", "longest task_land", 1, "ns", 9e6)])

    def test_what_was_not_measured_is_not_in_the_table(self):
        cells = {cells[0]: cells[1:] for cells in page.goals(self.known)}
        self.assertEqual(len(cells), 4)
        self.assertEqual(cells["`run`, events/s to the null stage's, 2 workers"],
                         ("≥ 1", "1.02", "", "yes"))
        self.assertEqual(cells["`run`, CPU-seconds an event to the null stage's, 1 worker"][3], "no")

    def test_growth_is_from_the_fewest_to_the_most(self):
        self.assertAlmostEqual(figures.growth(self.known)[0], 1.4)
        self.assertAlmostEqual(figures.longest_stop(self.known)[0], 9)

    def test_a_figure_on_the_edge_is_reached(self):
        self.assertTrue(figures.Goal("", None, "≤", 1.5).reached(1.5))
        self.assertTrue(figures.Goal("", None, "≥", 1.5).reached(1.5))
        self.assertFalse(figures.Goal("", None, "≥", 1.5).reached(1.4999))


class Words(unittest.TestCase):
    def test_three_digits_count(self):
        for value, text in ((412345.6, "412,000"), (999.4, "999"), (1234, "1,230"), (12.34, "12.3"),
                            (1.234, "1.23"), (0, "0.00"), (None, "–")):
            self.assertEqual(page.said(value), text)

    def test_an_axis_ends_at_a_round_number_above(self):
        for value, end in ((1, 1), (1.2, 2), (2.1, 2.5), (3, 5), (412000, 500000), (0, 1)):
            self.assertEqual(plots.round_up(value), end)

    def test_a_drawing_of_nothing_is_none(self):
        self.assertIsNone(plots.bars("", []))
        self.assertIsNone(plots.lines("", "", [("a", [])]))


class Arguments(unittest.TestCase):
    def says(self, command, words, code=2):
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              check=False, timeout=30)
        self.assertEqual((done.returncode, words in done.stderr), (code, True), done.stderr)

    def test_wrong_arguments_are_refused_before_anything_is_done(self):
        compare = [sys.executable, ROOT / "benchmarks" / "compare"]
        for command, words in (
                ([TOOLS / "null_stage", "--workers", "0"], "not a whole number from 1"),
                ([TOOLS / "null_stage", "--outcome-bytes", "many"], "not a whole number"),
                ([TOOLS / "null_stage", "--inputs", "one"], "two topics"),
                ([TOOLS / "null_stage", "-X", "linger.ms"], "PROPERTY=VALUE"),
                ([TOOLS / "load"], "fill or pace"),
                ([TOOLS / "load", "spill"], "there is no \"spill\""),
                ([TOOLS / "load", "pace"], "--outcomes"),
                ([TOOLS / "load", "fill", "--messages", "0"], "no load"),
                ([TOOLS / "ruler"], "ruler drain"),
                ([TOOLS / "ruler", "drain", "here"], "ruler drain"),
                ([*compare, "--only", "sprint"], "no experiment sprint"),
                ([*compare, "--repeats", "0"], "above 0"),
                ([*compare, "--messages", "-1"], "above 0")):
            self.says(command, words)

    def test_what_there_is_can_be_listed(self):
        done = subprocess.run([sys.executable, ROOT / "benchmarks" / "compare", "--list"],
                              capture_output=True, text=True, check=True, timeout=30)
        self.assertEqual([line.split()[0] for line in done.stdout.splitlines()],
                         list(experiments.EVERY))

    def test_facts_are_names_and_values(self):
        self.assertEqual(rig.facts("whole p50=1.5 p99.9=30 outcomes=7"),
                         {"p50": "1.5", "p99.9": "30", "outcomes": "7"})


class Page(unittest.TestCase):
    def test_the_page_is_what_its_figures_give(self):
        docs = ROOT / "docs"
        with tempfile.TemporaryDirectory() as scratch:
            page.write(docs / "performance.tsv", scratch)
            made = pathlib.Path(scratch)
            again = "benchmarks/compare --page docs/performance.tsv makes it anew"
            self.assertEqual((made / "performance.md").read_text(encoding="utf-8"),
                             (docs / "performance.md").read_text(encoding="utf-8"), again)
            drawn = sorted(path.name for path in (made / "performance").iterdir())
            self.assertEqual(drawn, sorted(path.name for path in (docs / "performance").iterdir()))
            for name in drawn:
                self.assertEqual((made / "performance" / name).read_bytes(),
                                 (docs / "performance" / name).read_bytes(), f"{name}: {again}")


if __name__ == "__main__":
    unittest.main()
