#!/usr/bin/env python3
"""Alerts and dashboard: do they parse, do they say what is true, and do the alerts fire?

What /metrics shows stands in consumer/metrics.def; whatever deploy/ asks for must be in it, with
the labels that it has there. Prometheus' own promtool runs the alerts over histories
(deploy/prometheus/alerts_test.yml). Each alert has its section in docs/alerts.md.
"""
import itertools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

try:
    import yaml
except ImportError:
    sys.exit("dashboards_test: the module yaml is missing (apt-get install python3-yaml)")
if not shutil.which("promtool"):
    sys.exit("dashboards_test: promtool is missing (apt-get install prometheus)")

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROMETHEUS = ROOT / "deploy" / "prometheus"
METRIC = re.compile(r'^METRIC\(\w+,\s*"(\w+)",\s*(\w+),\s*"(?:[^"\\]|\\.)*",\s*"([\w,]*)"\)', re.M)
SCRAPED = {"job", "instance"}  # what Prometheus adds to every series
# What Grafana writes into an expression, as an example of it.
EXAMPLES = {"$__rate_interval": "1m", "$job": "upshot", "$instance": ".*", "$channel": ".*"}
UNITS = {"short", "cps", "s", "bytes", "Bps", "percentunit"}  # some of Grafana's
COLUMNS = 24


def read(path):
    return (ROOT / path).read_text(encoding="utf-8")


def read_yaml(path):
    return yaml.safe_load(read(path))


def read_series():
    """Labels by the name of a series: those of metrics.def, and Prometheus' own `up`."""
    text = read("consumer/metrics.def")
    series = {"up": set(SCRAPED)}
    for name, kind, words in METRIC.findall(text):
        labels = SCRAPED | set(filter(None, words.split(",")))
        if kind == "HISTOGRAM":
            series.update({f"{name}_bucket": labels | {"le"}, f"{name}_sum": labels,
                           f"{name}_count": labels})
        else:
            series[name] = labels
    written = len(re.findall(r"^METRIC\(", text, re.M))
    assert written == len(METRIC.findall(text)) > 30, "metrics.def has lines of another form"
    return series


SERIES = read_series()
RULES = read_yaml("deploy/prometheus/alerts.yml")["groups"][0]["rules"]
CASES = read_yaml("deploy/prometheus/alerts_test.yml")["tests"]
BOARD = json.loads(read("deploy/grafana/upshot.json"))
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
TITLES = {panel["title"] for panel in PANELS}


def promtool(*words):
    return subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True)


def faults_of(expression):
    """What an expression asks for and nobody gives."""
    known = set()
    asked = re.findall(r"\b((?:upshot|process)_\w+|up\b)\s*(\{[^}]*\})?", expression)
    if not asked:
        yield "asks for nothing"
    for name, braces in asked:
        if name not in SERIES:
            yield f"there is no {name}"
            continue
        known |= SERIES[name]
        for label in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', braces):
            if label not in SERIES[name]:
                yield f"{name} has no {label}"
    for words in re.findall(r"\b(?:by|on|ignoring|without)\s*\(([^)]*)\)", expression):
        for label in filter(None, re.split(r"[\s,]+", words)):
            if label not in known:
                yield f"nothing there has {label}"


def labels_of(expression):
    names = re.findall(r"\b(?:upshot|process)_\w+|\bup\b", expression)
    return set().union(*(SERIES.get(name, set()) for name in names))


def named(alert):
    return f"alert {alert['alert']}"


class Alerts(unittest.TestCase):
    def test_prometheus_takes_the_configuration_and_the_rules(self):
        for words in (["check", "config", PROMETHEUS / "prometheus.yml"],
                      ["check", "rules", PROMETHEUS / "alerts.yml"]):
            done = promtool(*words)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_they_fire_when_they_should_and_only_then(self):
        done = promtool("test", "rules", PROMETHEUS / "alerts_test.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_each_has_a_case_in_which_it_fires_and_one_in_which_it_keeps_silent(self):
        found = {True: set(), False: set()}
        for test in itertools.chain.from_iterable(case["promql_expr_test"] for case in CASES):
            for name in re.findall(r'alertname="(\w+)"', test["expr"]):
                found[len(test["exp_samples"]) > 0].add(name)
        names = {rule["alert"] for rule in RULES}
        self.assertEqual(found[True], names)
        self.assertEqual(found[False], names)

    def test_their_histories_are_of_series_as_the_stage_has_them(self):
        for case in CASES:
            for history in case["input_series"]:
                name, words = re.fullmatch(r"(\w+)\{(.*)\}", history["series"]).groups()
                labels = set(re.findall(r'(\w+)="', words))
                with self.subTest(case["name"], series=history["series"]):
                    self.assertIn(name, SERIES)
                    self.assertEqual(labels, SERIES[name])

    def test_they_ask_for_what_the_stage_shows(self):
        for rule in RULES:
            with self.subTest(named(rule)):
                self.assertEqual(list(faults_of(rule["expr"])), [])

    def test_each_says_what_is_wrong_and_what_to_do(self):
        for rule in RULES:
            with self.subTest(named(rule)):
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook"})
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                self.assertLess(len(rule["annotations"]["summary"]), 160)
                self.assertGreater(len(rule["annotations"]["description"]), 100)
                for text in rule["annotations"].values():
                    self.assertLessEqual(set(re.findall(r"\$labels\.(\w+)", text)),
                                         labels_of(rule["expr"]))

    def test_what_they_tell_is_among_the_labels_that_they_fire_with(self):
        told = {rule["alert"]: set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
                for rule in RULES}
        for test in itertools.chain.from_iterable(case["promql_expr_test"] for case in CASES):
            for sample in test["exp_samples"]:
                labels = dict(re.findall(r'(\w+)="([^"]*)"', sample["labels"]))
                if labels["alertname"] != "UpshotDown":  # nobody is left that it could name
                    self.assertLessEqual(told[labels["alertname"]], set(labels), sample["labels"])


class Page(unittest.TestCase):
    """docs/alerts.md."""
    text = read("docs/alerts.md")

    def test_each_alert_has_its_row_and_its_section_in_the_order_of_the_rules(self):
        names = [rule["alert"] for rule in RULES]
        self.assertEqual(re.findall(r"^## (.*)$", self.text, re.M), names)
        rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \|", self.text, re.M)
        self.assertEqual(rows, [(rule["alert"], rule["alert"].lower(), rule["labels"]["severity"])
                                for rule in RULES])
        for rule in RULES:
            self.assertEqual(rule["annotations"]["runbook"],
                             f"docs/alerts.md#{rule['alert'].lower()}")

    def test_its_links_lead_somewhere(self):
        for path, anchor in re.findall(r"\]\(([\w.-]*)#?([\w-]*)\)", self.text):
            page = read(pathlib.Path("docs") / path) if path else self.text
            heads = [head.lower().replace(" ", "-")
                     for head in re.findall(r"^#+ (.*)$", page, re.M)]
            if anchor:
                self.assertIn(anchor, heads)

    def test_the_panels_that_it_and_the_alerts_name_are_there(self):
        texts = [self.text] + [rule["annotations"]["description"] for rule in RULES]
        names = [" ".join(name.split()) for text in texts for name in re.findall(r'"([^"]+)"', text)]
        self.assertGreater(len(names), 15)
        self.assertLessEqual(set(names), TITLES)


class Dashboard(unittest.TestCase):
    queries = [(panel["title"], target["expr"], target["legendFormat"])
               for panel in PANELS for target in panel["targets"]]

    def test_panels_have_an_id_of_their_own_and_a_place_of_their_own(self):
        ids = [panel["id"] for panel in BOARD["panels"]]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertEqual(len(TITLES), len(PANELS))
        taken = {}
        for panel in BOARD["panels"]:
            at = panel["gridPos"]
            self.assertTrue(0 <= at["x"] and 0 < at["w"] and at["x"] + at["w"] <= COLUMNS, at)
            for cell in itertools.product(range(at["x"], at["x"] + at["w"]),
                                          range(at["y"], at["y"] + at["h"])):
                self.assertNotIn(cell, taken, f"{panel['title']} lies on {taken.get(cell)}")
                taken[cell] = panel["title"]

    def test_panels_say_what_they_show_and_in_which_unit(self):
        for panel in PANELS:
            with self.subTest(panel["title"]):
                self.assertGreater(len(panel["description"]), 30)
                self.assertIn(panel["fieldConfig"]["defaults"].get("unit"), UNITS)
                self.assertTrue(panel["targets"])
                for asked in (panel, *panel["targets"]):
                    self.assertEqual(asked["datasource"]["uid"], "${datasource}")
                refs = [target["refId"] for target in panel["targets"]]
                self.assertEqual(len(set(refs)), len(refs))

    def test_they_ask_for_what_the_stage_shows(self):
        for title, expression, legend in self.queries:
            with self.subTest(title, expression=expression):
                self.assertEqual(list(faults_of(expression)), [])
                self.assertLessEqual(set(re.findall(r"{{(\w+)}}", legend)), labels_of(expression))

    def test_a_legend_names_only_what_the_sum_has_kept(self):
        for title, expression, legend in self.queries:
            kept = re.match(r"-?(?:sum|max|count) by \(([^)]*)\)", expression)
            if kept or re.match(r"-?(?:sum|max|count)\s*\(", expression):
                labels = set(re.split(r",\s*", kept.group(1))) if kept else set()
                self.assertLessEqual(set(re.findall(r"{{(\w+)}}", legend)), labels, title)

    def test_prometheus_can_read_every_expression(self):
        expressions = [expression for _, expression, _ in self.queries]
        expressions += [note["expr"] for note in BOARD["annotations"]["list"]]
        for name, example in EXAMPLES.items():
            expressions = [text.replace(name, example) for text in expressions]
        self.assertEqual([text for text in expressions if "$" in text], [])
        rules = [{"record": f"panel:{number}", "expr": text}
                 for number, text in enumerate(expressions)]
        with tempfile.TemporaryDirectory(prefix="upshot-dashboards-") as shelf:
            path = pathlib.Path(shelf) / "rules.yml"
            path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
            done = promtool("check", "rules", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{len(rules)} rules found", done.stdout)

    def test_its_variables_are_asked_of_what_is_there(self):
        variables = {entry["name"]: entry for entry in BOARD["templating"]["list"]}
        self.assertEqual(variables.pop("datasource")["type"], "datasource")
        for name, entry in variables.items():
            asked = entry["query"]["query"]
            self.assertEqual(entry["definition"], asked)
            series, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", asked).groups()
            self.assertIn(f"${name}", EXAMPLES)
            self.assertIn(label, SERIES[series])
            self.assertEqual(list(faults_of(asked.split("(", 1)[1].rsplit(",", 1)[0])), [])


class ThisTest(unittest.TestCase):
    """Expressions that are wrong: what finds no fault in them would find none at all."""
    wrong = {
        "rate(upshot_outcome_total[5m])": "there is no upshot_outcome_total",
        "upshot_settle_latency_seconds": "there is no upshot_settle_latency_seconds",
        'upshot_ready{channel="sms"}': "upshot_ready has no channel",
        "sum by (phase) (upshot_events_total)": "nothing there has phase",
        "sum by (le) (upshot_settle_latency_seconds_sum)": "nothing there has le",
        "vector(1)": "asks for nothing",
    }

    def test_faults_are_found(self):
        for expression, fault in self.wrong.items():
            self.assertEqual(list(faults_of(expression)), [fault])


if __name__ == "__main__":
    unittest.main()
