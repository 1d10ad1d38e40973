#!/usr/bin/env python3
"""--help, the manual page and the completions of bash and zsh, held against each other.

Each is asked as its user asks it: the page is rendered by mandoc, bash runs its function, and zsh
sits at a terminal and is given a tab.
"""
import argparse
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

LONG = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
DEADLINE_S = 20


def output(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, check=False, **more)
    if done.returncode != 0 or done.stderr:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode} {done.stderr}")
    return done.stdout


class Help:
    """What a command says of itself."""

    def __init__(self, upshot, word):
        self.word = word
        self.text = output(upshot, word, "--help",
                           env={**os.environ, "ARGP_HELP_FMT": "rmargin=200"})
        table = self.text.split("Mandatory or optional arguments")[0]
        self.options = {option for line in table.splitlines() if re.match(r" +-", line)
                        for option in LONG.findall(line[:line.find("  ", 8)])}
        self.examples = [line.strip() for line in self.text.partition("Example")[2].splitlines()
                         if re.match(rf"  .*\bupshot {word}\b", line)]


def a_page_with_examples(helps):
    for each in helps:
        if not {"help", "usage"} <= each.options:
            yield f"upshot {each.word} --help: no option is found in it"
        if not each.examples:
            yield f"upshot {each.word} --help: has no example"
        for example in each.examples:
            call = re.search(rf"upshot {each.word}\b[^|)]*", example)[0]
            for option in set(LONG.findall(call)) - each.options:
                yield f"{example}: there is no option --{option}"


def sections(page):
    """Rendered text by command."""
    found = {}
    for part in re.split(r"(?m)^   (?=upshot \w)", page.partition("\nCOMMANDS\n")[2]):
        words = part.split()
        if words[:1] == ["upshot"]:
            found[words[1]] = found.get(words[1], "") + part
    return found


def the_manual_page(upshot, helps, scratch):
    path = scratch / "upshot.1"
    path.write_text(output(upshot, "man"))
    lint = subprocess.run(["mandoc", "-Tlint", "-W", "warning", str(path)], capture_output=True,
                          text=True, check=False).stdout
    for line in lint.splitlines():
        if "missing date" not in line:  # the page is the same, whenever it is built
            yield f"mandoc: {line}"
    page = re.sub(".\b", "", output("mandoc", "-Tutf8", "-O", "width=200", str(path)))
    told = sections(page)
    for each in helps:
        text = told.get(each.word, "")
        missing = each.options - set(LONG.findall(text))
        if missing:
            yield f"man: upshot {each.word} lacks {sorted(missing)}"
        for example in each.examples:
            if " ".join(example.split()) not in " ".join(text.split()):
                yield f"man: lacks the example {example}"
    for line in output(upshot, "check", "--properties").splitlines():
        name = line.split()[0]
        if not re.search(rf"^ +{re.escape(name)}(=|$)", page, re.MULTILINE):
            yield f"man: lacks the property {name}"


def in_bash(script, *words):
    """What bash offers for the last word."""
    asked = 'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _upshot; ' \
            'printf "%s\\n" "${COMPREPLY[@]}"'
    return set(output("bash", "-uc", asked, "bash", str(script), "upshot", *words).split())


def bash(upshot, helps, properties, scratch):
    script = scratch / "upshot.bash"
    script.write_text(output(upshot, "completion", "bash"))
    (scratch / "a file").write_text("")
    words = {each.word for each in helps}
    for wanted, *typed in (
            (words | {"--help", "--version"}, ""), ({"replay", "run"} & words, "r"),
            ({"logfmt", "json"}, "run", "--log-format", ""), ({"json"}, "run", "--log-format", "j"),
            ({"json"}, "run", "--log-format", "=", "j"),
            ({"logfmt", "json"}, "run", "--log-format", "="),
            (properties, "run", "-X", ""), ({"app.id="}, "run", "-X", "app"),
            ({"sms"}, "graph", "s"), ({"dot", "mermaid", "svg"}, "graph", "sms", "-f", ""),
            ({"bash", "zsh"}, "completion", ""), (set(), "replay", "--from", "")):
        offered = in_bash(script, *typed)
        if offered != wanted and not (typed == ["r"] and wanted <= offered):
            yield f"bash: {typed} offers {sorted(offered)}, not {sorted(wanted)}"
    files = in_bash(script, "replay", f"{scratch}/a")
    if files != set(f"{scratch}/a file".split()):
        yield f"bash: of files it offers {files}"
    for each in helps:
        offered = {word[2:] for word in in_bash(script, each.word, "--")}
        if offered != each.options:
            yield f"bash: upshot {each.word} differs in {sorted(offered ^ each.options)}"


class Zsh:
    """An interactive zsh, at a terminal."""

    def __init__(self, script, scratch):
        # compinit keeps a file beside the user's own: not here.
        (scratch / ".zshrc").write_text(
            "PS1='ready> '; LISTMAX=100000; unsetopt zle_bracketed_paste prompt_sp\n"
            f"autoload -U compinit; compinit -u -d {scratch}/dump; source {script}\n"
            "zstyle ':completion:*' verbose no; bindkey -e\n")
        environment = {**os.environ, "ZDOTDIR": str(scratch), "TERM": "dumb", "HOME": str(scratch),
                       "COLUMNS": "200", "LINES": "500"}
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execvpe("zsh", ["zsh", "-d", "-i"], environment)
        self.said = ""
        self.wait("ready> ")

    def wait(self, *wanted):
        """Until all of it has been said, in whatever order; what has been, by then."""
        deadline = time.monotonic() + DEADLINE_S
        while not all(words in self.said for words in wanted):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.terminal], [], [], left)[0]:
                break
            try:
                self.said += os.read(self.terminal, 65536).decode(errors="replace")
            except OSError:
                break
        said, self.said = self.said, ""
        return said

    def ask(self, line, *wanted):
        """Empties the line (^U), types this one, and asks for the list (^D)."""
        os.write(self.terminal, b"\x15" + line.encode() + b"\x04")
        return self.wait(*wanted)

    def close(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def zsh(upshot, helps, scratch):
    script = scratch / "_upshot"
    script.write_text(output(upshot, "completion", "zsh"))
    shell = Zsh(script, scratch)
    try:
        for line, wanted in (
                ("upshot ", {each.word for each in helps}),
                ("upshot run --log-format=", {"logfmt", "json"}), ("upshot graph ", {"sms", "rcs"}),
                ("upshot run -X ", {"app.id=", "state.dir="}),
                ("upshot completion ", {"bash", "zsh"}),
                *((f"upshot {each.word} --", {f"--{name}" for name in each.options})
                  for each in helps)):
            said = shell.ask(line, *wanted)
            offered = set(re.split(r"[\s\x00-\x1f]+", said.partition(line.strip())[2]))
            if not wanted <= {word.removesuffix("=") for word in offered} | offered:
                yield f"zsh: \"{line}\" lacks {sorted(wanted - offered)}; it says {said!r}"
    finally:
        shell.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--upshot", required=True)
    upshot = parser.parse_args().upshot
    for program in ("mandoc", "bash", "zsh"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is missing: script/install test brings it")
    words = re.findall(r"^  ([a-z]+) ", output(upshot, "--help"), re.MULTILINE)
    helps = [Help(upshot, word) for word in words]
    properties = {line.split()[0] + "="
                  for line in output(upshot, "check", "--properties").splitlines()}
    with tempfile.TemporaryDirectory(prefix="upshot-commands.") as directory:
        scratch = pathlib.Path(directory)
        faults = [*a_page_with_examples(helps), *the_manual_page(upshot, helps, scratch),
                  *bash(upshot, helps, properties, scratch), *zsh(upshot, helps, scratch)]
    if len(helps) < 9:
        faults.append(f"only {len(helps)} commands: this test would prove nothing")
    for fault in faults:
        print(fault)
    print(f"commands: {len(helps)}, {sum(len(each.options) for each in helps)} options, "
          f"{len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
