#!/usr/bin/env python3
"""Does docs/guarantees.md name for each of its sentences a test that is there?

Every row's second cell has at least one file of this project in backquotes; a word after `FILE`:
must be a name in that file. Every property outside the tables would be a promise without a proof:
so each numbered section must have a table.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guarantees.md"


def faults_of_row(number, cell):
    files = re.findall(r"`([\w./-]+)`", cell)
    if not files:
        yield f"{number}: names no test"
    for name in files:
        if not (ROOT / name).exists():
            yield f"{number}: there is no {name}"
    for name, claim in re.findall(r"`([\w./-]+)`: (\w+)", cell):
        path = ROOT / name
        if path.is_file() and not re.search(rf"\b{claim}\b", path.read_text(encoding="utf-8")):
            yield f"{number}: {name} has no {claim}"


def main():
    faults, rows, section, tables = [], 0, None, {}
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("## "):
            section = line
            tables.setdefault(section, 0)
        if not line.startswith("|") or set(line) <= set("|- ") or "is shown by" in line:
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        rows += 1
        tables[section] += 1
        if len(cells) != 2:
            faults.append(f"{number}: {len(cells)} cells")
        else:
            faults += faults_of_row(number, cells[1])
    for section, count in tables.items():
        if re.match(r"## \d", section) and count == 0:
            faults.append(f"{section}: no row")
    numbered = [section for section in tables if re.match(r"## \d", section)]
    if len(numbered) != 8:
        faults.append(f"{len(numbered)} promises, there are 8")
    for fault in faults:
        print(f"docs/guarantees.md:{fault}")
    print(f"guarantees: {rows} rows, {len(faults)} faults")
    return 1 if faults or rows < 30 else 0


if __name__ == "__main__":
    sys.exit(main())
