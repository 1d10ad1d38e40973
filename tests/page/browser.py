"""A browser by the W3C WebDriver protocol: as much of it as page_test.py needs, over urllib."""
import base64
import json
import pathlib
import re
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
# No other host exists for it, and it asks for nothing by itself.
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--no-first-run", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--disable-extensions", "--hide-scrollbars", "--window-size=1280,900",
         "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost"]
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Escape": "\ue00c", "Shift": "\ue008",
        "Right": "\ue014", "Space": " "}


class Gone(Exception):
    """The driver says no; its words are the message."""


def program(*names):
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise SystemExit(f"page: {names[0]} is missing here (script/install test brings it)")


class Browser:
    """One chromium with one window. Use it with `with`: it ends what it began."""

    def __init__(self):
        self.home = tempfile.TemporaryDirectory(prefix="upshot-page-", ignore_cleanup_errors=True)
        self.log = (pathlib.Path(self.home.name) / "driver.log").open("wb")
        self.driver = subprocess.Popen([program("chromedriver"), "--port=0"],
                                       stdout=subprocess.PIPE, stderr=self.log)
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.session = None
        self.base = f"http://127.0.0.1:{self.driver_port()}"

    def __enter__(self):
        options = {"binary": program("chromium", "google-chrome"),
                   "args": [*FLAGS, f"--user-data-dir={self.home.name}/profile"]}
        try:
            made = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options,
                "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        except BaseException:
            self.__exit__()
            raise
        self.session = made["sessionId"]
        return self

    def driver_port(self):
        for line in self.driver.stdout:
            found = re.search(rb"successfully on port (\d+)", line)
            if found:
                threading.Thread(target=self.driver.stdout.read, daemon=True).start()
                return int(found.group(1))
        raise SystemExit("page: chromedriver ended before it named its port")

    def __exit__(self, *_):
        try:
            if self.session:
                self.ask("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(20)
            self.driver.stdout.close()
            self.log.close()
            self.home.cleanup()

    def ask(self, method, path, body=None):
        at = self.base + (f"/session/{self.session}" if self.session else "") + path
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request(at, data, {"Content-Type": "application/json"},
                                         method=method)
        try:
            with self.opener.open(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise Gone(json.load(error)["value"]["message"].split("\n")[0]) from None

    def devtools(self, command, **parameters):
        return self.ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def open(self, url):
        self.ask("POST", "/url", {"url": url})

    def run(self, script, *arguments):
        """The value of a function's body, in the page."""
        return self.ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script, *arguments, what, patience_s=30):
        """Until the body's value is true; gives it."""
        deadline = time.monotonic() + patience_s
        while True:
            value = self.run(script, *arguments)
            if value:
                return value
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {patience_s} s in vain: {what}")
            time.sleep(0.05)

    def find(self, css):
        return self.ask("POST", "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css):
        self.ask("POST", f"/element/{self.find(css)}/click")

    def label(self, css):
        """Its name for a screen reader, as the browser computes it."""
        return self.ask("GET", f"/element/{self.find(css)}/computedlabel")

    def press(self, *keys, shift=False):
        strokes = [("keyDown", "Shift")] if shift else []
        for key in keys:
            strokes += [("keyDown", key), ("keyUp", key)]
        strokes += [("keyUp", "Shift")] if shift else []
        self.ask("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": [
            {"type": kind, "value": KEYS.get(key, key)} for kind, key in strokes]}]})

    def width(self, width, height=900):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=False)

    def scheme(self, scheme):
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, whole=True, clip=None):
        """A PNG of the page: all of it, the window, or the rectangle (x, y, width, height)."""
        more = {}
        if clip:
            more["clip"] = {**dict(zip(("x", "y", "width", "height"), clip)), "scale": 1}
        shot = self.devtools("Page.captureScreenshot", captureBeyondViewport=whole or bool(clip),
                             **more)
        path.write_bytes(base64.b64decode(shot["data"]))

    def logs(self, kind):
        """What came since it was last asked."""
        return self.ask("POST", "/se/log", {"type": kind})
