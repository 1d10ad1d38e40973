#!/usr/bin/env python3
"""The demo says where its page is, and the numbers there move and come to what it tells itself.

    tests/demo_test.py --upshot PROGRAM
"""
import argparse
import json
import re
import subprocess
import sys
import urllib.error
import urllib.request


def overview(address):
    with urllib.request.urlopen(f"{address}v1/overview", timeout=30) as answer:
        return json.load(answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upshot", required=True)
    program = parser.parse_args().upshot
    demo = subprocess.Popen([program, "demo", "--seconds", "12"], stdout=subprocess.PIPE, text=True)
    told, seen = [], []
    try:
        for line in demo.stdout:
            told.append(line)
            address = re.search(r"Watch it at (http://\S+/)", "".join(told))
            if not address:
                continue
            try:
                seen.append(overview(address[1])["totals"])
            except (urllib.error.URLError, ConnectionError):
                pass  # its last lines come when the page is gone
    finally:
        code = demo.wait()
    text = "".join(told)
    totals = re.search(r"(\d+) outcomes, of which (\d+) corrections; (\d+) dead letters", text)
    rates = sorted({one["outcomes"] for one in seen})
    faults = []
    if code != 0:
        faults.append(f"exit code {code}")
    if not totals or int(totals[1]) == 0:
        faults.append("no outcomes")
    elif len(rates) < 3 or rates[-1] > int(totals[1]):
        faults.append(f"the page said {rates}, and the demo {totals[0]}")
    for fault in faults:
        print(f"demo: {fault}; it said:\n{text}")
    print(f"demo: {len(seen)} looks at its page, {len(rates)} different, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
