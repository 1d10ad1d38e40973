#!/usr/bin/env python3
"""The unit file, by systemd's own word: valid, hardened, and starting what there is to start."""
import argparse
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXPOSURE_MAX = 15  # tenths: `systemd-analyze security` says from 0 (none) to 100
STUCK_AFTER_S = 4 * 15  # consumer/stage.c, look_for_stuck()


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def systemd_finds_no_fault(unit):
    code, words = run("systemd-analyze", "verify", "--man=no", str(unit))
    return [] if code == 0 and not words.strip() else [f"verify ends with {code}: {words}"]


def it_is_hardened(unit):
    code, words = run("systemd-analyze", "security", "--offline=true", "--no-pager",
                      f"--threshold={EXPOSURE_MAX}", str(unit))
    return [] if code == 0 else [f"exposed to more than {EXPOSURE_MAX / 10}:\n{words}"]


def its_command_line_is_one_that_upshot_takes(unit, scratch):
    line = re.search(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)[1]
    line = line.replace("%H", "host-1").replace("%S", str(scratch))
    line = line.replace("/etc/upshot/", f"{ROOT}/deploy/systemd/")
    (scratch / "upshot").mkdir()
    code, words = run(*shlex.split(line), "--dry-run")
    faults = [] if code == 0 else [f"ExecStart --dry-run ends with {code}: {words}"]
    code, words = run(*shlex.split(line), "--dry-run", "-X", "no.such.property=1")
    return faults if code == 2 else faults + [f"a bad property ends it with {code}, not 2"]


def the_watchdog_comes_after_its_own_word(unit):
    seconds = int(re.search(r"^WatchdogSec=(\d+)$", unit.read_text(), re.MULTILINE)[1])
    if seconds > STUCK_AFTER_S:
        return []
    return [f"WatchdogSec={seconds}: killed before it says at {STUCK_AFTER_S} s what hangs"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--unit", type=pathlib.Path, required=True)
    parser.add_argument("--upshot", required=True)
    options = parser.parse_args()
    if shutil.which("systemd-analyze") is None:
        sys.exit("systemd-analyze is missing: script/install test brings it")
    with tempfile.TemporaryDirectory(prefix="upshot-service.") as directory:
        scratch = pathlib.Path(directory)
        unit = scratch / "upshot.service"
        text, places = re.subn(r"^(ExecStart=)\S+/upshot ", rf"\g<1>{options.upshot} ",
                               options.unit.read_text(), flags=re.MULTILINE)
        unit.write_text(text)
        faults = [] if places == 1 else [f"{places} lines start upshot"]
        faults += systemd_finds_no_fault(unit) + it_is_hardened(unit)
        faults += its_command_line_is_one_that_upshot_takes(unit, scratch)
        faults += the_watchdog_comes_after_its_own_word(unit)
    for fault in faults:
        print(fault)
    print(f"service: {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
