"""A real PostgreSQL for as long as a test: a directory and a socket of its own, and no port.

    with postgres.Server() as server:
        server.psql("SELECT 1")     # rows as lists of texts
        server.address              # as libpq takes it

The server refuses to be root, so for root it is the user postgres that Debian's package makes. It
goes when the test goes, in whatever way: the kernel sends it SIGQUIT then, and a guard outside the
test's process tree takes the directory away.
"""
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

PATIENCE_S = 120


def program(name):
    """Debian keeps the server's programs by version, where no shell finds them."""
    found = shutil.which(name)
    if found is None:
        homes = pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}")
        newest = max(homes, key=lambda path: float(path.parent.parent.name), default=None)
        if newest is None:
            raise SystemExit(f"{name} is missing: script/install test brings it")
        found = str(newest)
    return found


class Server:
    def __enter__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="upshot-postgres."))
        self.process = None
        subprocess.run(["sh", "-c", '(tail --pid="$0" -s 0.2 -f /dev/null; rm -rf "$1") &',
                        str(os.getpid()), str(self.directory)], start_new_session=True, check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(PATIENCE_S)
        shutil.rmtree(self.directory)

    def start(self):
        data = self.directory / "data"
        self.address = f"host={self.directory} user=postgres dbname=postgres"
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        with open(self.directory / "log", "wb") as log:
            subprocess.run(self.as_user(program("initdb"), "-D", data, "-U", "postgres",
                                        "--auth=trust", "--encoding=UTF8", "--no-locale",
                                        "--no-sync"), stdout=log, stderr=log, check=True,
                           cwd=self.directory)
            self.process = subprocess.Popen(
                self.as_user("setpriv", "--pdeathsig", "QUIT", "--", program("postgres"),
                             "-D", data, "-k", self.directory, "-c", "listen_addresses=",
                             "-c", "fsync=off"),
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.directory)
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("SELECT 1").returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit("postgres does not start: " +
                                 (self.directory / "log").read_text(errors="replace")[-2000:])
            time.sleep(.1)

    def as_user(self, *command):
        if os.geteuid() == 0:
            command = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--",
                       *command)
        return [str(word) for word in command]

    def ask(self, statement, *options, **more):
        return subprocess.run([program("psql"), "-X", "-q", "-A", "-t", "-F", "\t", "-v",
                               "ON_ERROR_STOP=1", *map(str, options),
                               *(["-c", statement] if statement else []), self.address],
                              capture_output=True, text=True, check=False, **more)

    def psql(self, statement, *options, **more):
        done = self.ask(statement, *options, **more)
        if done.returncode != 0:
            raise AssertionError(f"psql: {done.stderr}")
        return [line.split("\t") for line in done.stdout.splitlines()]
