"""What `upshot doctor` finds, asked for as JSON, and held to its form."""
import json
import os
import subprocess

import broker
from broker import require


def ask(kafka, own, *checks, environment=None):
    """(exit code, findings) of a run with --json."""
    command = [broker.upshot(), "doctor", "--json"]
    for key, value in {"bootstrap.servers": kafka.bootstrap, **own}.items():
        command += ["-X", f"{key}={value}"]
    done = subprocess.run([*command, *checks], capture_output=True, text=True,
                          env={**os.environ, **(environment or {})})
    require(done.returncode in (0, 1) and not done.stderr,
            f"doctor ended with {done.returncode}: {done.stderr}")
    findings = json.loads(done.stdout)
    for finding in findings:
        require(list(finding) == ["check", "target", "level", "finding", "hint"] and
                finding["level"] in ("ok", "warn", "fail"), f"it says {finding}")
        require((finding["hint"] is None) == (finding["level"] == "ok"), f"its hint: {finding}")
    fails = any(finding["level"] == "fail" for finding in findings)
    require(done.returncode == fails, f"ended with {done.returncode}, but says {findings}")
    return findings


def found(findings, check, target, level, words=""):
    """There is such a finding, and for this check and target none of another level."""
    levels = {finding["level"] for finding in findings
              if (finding["check"], finding["target"]) == (check, target)}
    require(levels == {level} and any(words in finding["finding"] for finding in findings
                                      if (finding["check"], finding["target"]) == (check, target)),
            f"{check} {target} is not {level} \"{words}\": " +
            "; ".join(str(finding) for finding in findings if finding["check"] == check))
