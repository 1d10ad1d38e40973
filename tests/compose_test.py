#!/usr/bin/env python3
"""docker-compose.yml, without a container engine: its words, and that its parts fit together.

    tests/compose_test.py --upshot PROGRAM

What is mounted is there, what is published is published on loopback only, images are pinned, ports
are the same on both sides, and the program takes the options that it is started with. How the
stage's health is asked for is run, against servers that answer well, badly, and not at all.
"""
import argparse
import http.server
import pathlib
import re
import subprocess
import sys
import threading
import unittest

try:
    import yaml
except ImportError:
    sys.exit("compose_test: the module yaml is missing (apt-get install python3-yaml)")

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Of the compose specification, what is used here: anything else is a word that somebody misspelled.
SERVICE_WORDS = {
    "image", "build", "command", "entrypoint", "environment", "ports", "volumes", "depends_on",
    "healthcheck", "restart", "stop_grace_period", "read_only", "cap_drop", "security_opt"}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
UPSHOT = None


class UniqueKeys(yaml.SafeLoader):
    """A name that is given twice is a fault; by itself yaml takes the last one."""

    def construct_mapping(self, node, deep=False):
        names = [key.value for key, _ in node.value]
        assert len(set(names)) == len(names), f"{node.start_mark}: a name is given twice"
        return super().construct_mapping(node, deep)


def read_yaml(path):
    return yaml.load((ROOT / path).read_text(encoding="utf-8"), UniqueKeys)


COMPOSE = read_yaml("docker-compose.yml")
SERVICES = COMPOSE["services"]
STAGE = SERVICES["stage"]


def http_port():
    """Where the stage listens inside."""
    listen = next(word for word in STAGE["command"] if word.startswith("http.listen="))
    return int(listen.rsplit(":", 1)[1])


def mounts(service):
    return [mount.split(":") for mount in SERVICES[service].get("volumes", [])]


class Words(unittest.TestCase):
    def test_there_is_no_word_that_compose_does_not_know(self):
        self.assertEqual(set(COMPOSE), {"services", "volumes"})
        for name, service in SERVICES.items():
            self.assertLessEqual(set(service), SERVICE_WORDS, name)
            self.assertTrue(all(isinstance(value, str)
                                for value in service.get("environment", {}).values()), name)

    def test_images_are_built_here_or_pinned(self):
        for name, service in SERVICES.items():
            if "build" not in service:
                self.assertRegex(service["image"], r"^[\w./-]+:v?\d+\.\d+\.\d+$", name)

    def test_only_loopback_is_published(self):
        for name, service in SERVICES.items():
            for port in service.get("ports", []):
                self.assertRegex(port, r"^127\.0\.0\.1:\d+(-\d+)?:\d+$", name)

    def test_who_waits_for_a_service_waits_for_one_that_is_there(self):
        for name, service in SERVICES.items():
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, SERVICES, name)
                self.assertIn(how["condition"], CONDITIONS)
                if how["condition"] == "service_healthy":
                    self.assertIn("healthcheck", SERVICES[other])

    def test_what_is_mounted_is_there_and_cannot_be_written(self):
        used = set()
        for name in SERVICES:
            for source, *rest in mounts(name):
                if source.startswith("./"):
                    self.assertTrue((ROOT / source).exists(), source)
                    self.assertEqual(rest[1:], ["ro"], source)
                else:
                    used.add(source)
        self.assertEqual(used, set(COMPOSE["volumes"]))


class Parts(unittest.TestCase):
    def test_the_program_takes_its_options(self):
        self.assertEqual(STAGE["command"][0], "run")
        done = subprocess.run([UPSHOT, "check", *STAGE["command"][1:]], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_everybody_means_the_same_port(self):
        port = http_port()
        self.assertEqual(STAGE["ports"][0].rsplit(":", 1)[1], str(port))
        self.assertIn(f"/dev/tcp/127.0.0.1/{port}", STAGE["healthcheck"]["test"][-1])
        scraped = read_yaml("deploy/prometheus/prometheus.yml")["scrape_configs"][0]
        self.assertEqual(scraped["dns_sd_configs"][0]["port"], port)
        self.assertEqual(scraped["dns_sd_configs"][0]["names"], ["stage"])

    def test_prometheus_is_given_its_files(self):
        flag = next(word for word in SERVICES["prometheus"]["command"] if "--config.file=" in word)
        config = pathlib.PurePosixPath(flag.split("=")[1])
        source, target, _ = mounts("prometheus")[0]
        self.assertEqual(pathlib.PurePosixPath(target), config.parent)
        for name in [config.name, *read_yaml(f"{source}/{config.name}")["rule_files"]]:
            self.assertTrue((ROOT / source / name).is_file(), name)

    def test_grafana_is_given_its_source_and_its_dashboard(self):
        source, = read_yaml("deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"]
        host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()
        self.assertTrue(SERVICES[host]["ports"][0].endswith(f":{port}"))
        provider, = read_yaml("deploy/grafana/provisioning/dashboards/upshot.yml")["providers"]
        targets = {target: path for path, target, *_ in mounts("grafana")}
        board = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
        self.assertEqual(targets[board], "./deploy/grafana/upshot.json")
        self.assertEqual(str(pathlib.PurePosixPath(board).parent), provider["options"]["path"])
        for kind in ("datasources", "dashboards"):
            self.assertEqual(targets[f"/etc/grafana/provisioning/{kind}"],
                             f"./deploy/grafana/provisioning/{kind}")


class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.end_headers()  # and no body: who asks is gone after the first line

    def log_message(self, *_):
        pass


class Health(unittest.TestCase):
    def ask(self, port):
        how, *command = STAGE["healthcheck"]["test"]
        self.assertEqual(how, "CMD")
        # As compose does: two dollars are one.
        words = [word.replace("$$", "$").replace(str(http_port()), str(port)) for word in command]
        return subprocess.run(words, capture_output=True, timeout=30).returncode

    def server(self, status):
        server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        server.status, server.asked = status, []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_ready_is_healthy_and_nothing_else_is(self):
        for status, healthy in ((200, True), (503, False), (404, False)):
            server = self.server(status)
            self.assertEqual(self.ask(server.server_port) == 0, healthy, status)
            self.assertEqual(server.asked, ["/readyz"])

    def test_nobody_there_is_not_healthy(self):
        server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
        server.server_close()
        self.assertNotEqual(self.ask(server.server_port), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--upshot", required=True)
    options, rest = parser.parse_known_args()
    UPSHOT = options.upshot
    unittest.main(argv=[sys.argv[0], *rest])
