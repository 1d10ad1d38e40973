#!/usr/bin/env python3
"""Is the page true, usable and harmless? A real browser looks at it.

    tests/page_test.py [--upshot PROGRAM] [--shots DIR]    against the fake stage (page/)
    tests/page_test.py --at URL [--shots DIR]              against a stage that runs

Every answer of /v1/overview that the page gets is kept beside it in the browser; what is shown for
an instant must be what was served for it. Against a real stage those checks are left out that take
a stage at one's command. --shots keeps pictures for people to look at.
"""
import argparse
import json
import os
import pathlib
import re
import sys
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "page"))
import browser as browsers  # noqa: E402
import fake_stage  # noqa: E402

HOSTILE = fake_stage.HOSTILE
WIDTHS = {"wide": 1280, "tablet": 768, "phone": 360}
WITHOUT_DRAWING = "rcs"

# Before the page's own script: what came, how many were asked at a time.
WITNESS = """
window.served = {}; window.most = window.asked = 0;
const plain = window.fetch;
window.fetch = async (...all) => {
    window.most = Math.max(window.most, ++window.asked);
    try {
        const answer = await plain(...all);
        if (String(all[0]).endsWith('overview') && answer.ok) {
            const body = await answer.clone().json();
            window.served[body.at] = body;
        }
        return answer;
    } finally { window.asked--; }
};
"""

# In one go, so that no update comes between.
SNAPSHOT = """
const text = node => node.innerText === undefined ? node.textContent : node.textContent;
const at = document.querySelector('#at').getAttribute('datetime');
const rows = name => [...document.querySelectorAll(`[data-table=${name}] tbody tr`)]
    .map(row => [...row.cells].map(text));
const machines = {};
for (const root of document.querySelectorAll('.machine')) {
    const states = {};
    for (const node of root.querySelectorAll('.drawing .node'))
        states[node.dataset.state] = [...node.querySelectorAll('.counts tspan')].map(text);
    machines[root.querySelector('h3').textContent] = {states,
        rows: [...root.querySelectorAll('tbody tr')].map(row => [...row.cells].map(text))};
}
const ids = {};
for (const node of document.querySelectorAll('[id]'))
    ids[node.id] = node.textContent;
return {at, overview: window.served[at], machines, ids,
    paths: [...document.querySelectorAll('[data-path]')].map(node =>
        [node.dataset.path, node.dataset.as || 'number', node.textContent]),
    tables: Object.fromEntries([...document.querySelectorAll('[data-table]')].map(place =>
        [place.dataset.table, rows(place.dataset.table)]))};
"""

CONTRAST = """
const channels = text => {
    const parts = text.match(/[\\d.]+(?:e-\\d+)?/g).map(Number), wide = text.startsWith('color(');
    const rgb = parts.slice(0, 3).map(one => wide ? one * 255 : one);
    return [...rgb, parts.length > 3 ? parts[3] : 1];
};
const over = (top, under) => [0, 1, 2].map(at => top[at] * top[3] + under[at] * (1 - top[3]));
const light = rgb => rgb.slice(0, 3).map(one => one / 255)
    .map(one => one <= .04045 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4)
    .reduce((total, one, at) => total + one * [.2126, .7152, .0722][at], 0);
const ratio = (a, b) => (Math.max(light(a), light(b)) + .05) / (Math.min(light(a), light(b)) + .05);
const ground = node => {
    if (!node)
        return [255, 255, 255];
    const own = channels(getComputedStyle(node).backgroundColor);
    return own[3] > .99 ? own : over(own, ground(node.parentElement));
};
const poor = [];
const judge = (node, colour, under) => {
    const found = ratio(over(channels(colour), under), under);
    if (found < 4.5)
        poor.push(`${found.toFixed(2)} ${node.tagName} ${node.textContent.trim().slice(0, 30)}`);
};
for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some(one => one.nodeType === 3 && one.data.trim());
    if (!own || !node.getClientRects().length || node.closest('script, .unseen, .skip, .plot'))
        continue;
    const style = getComputedStyle(node);
    if (!node.closest('svg'))
        judge(node, style.color, ground(node));
    else if (node.closest('.node'))
        judge(node, style.fill,
            channels(getComputedStyle(node.closest('.node').querySelector('path, polygon')).fill));
}
return poor;
"""

OVERFLOW = """
const wide = innerWidth, out = [];
if (document.documentElement.scrollWidth > wide)
    out.push('the page is ' + document.documentElement.scrollWidth + ' wide');
for (const node of document.querySelectorAll('body *:not(.unseen)'))
    if (!node.parentElement.closest('.scroll, .drawing, .unseen') && node.getClientRects().length &&
        node.getBoundingClientRect().right > wide + 1)
        out.push(node.tagName + '#' + node.id + '.' + node.className);
return out;
"""

FOCUSED = """
const node = document.activeElement;
const style = getComputedStyle(node.closest('.choice label') || node);
return {what: node.id || node.className || node.tagName, tag: node.tagName, value: node.value || '',
    ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    text: node.textContent.trim().slice(0, 40), radio: node.type === 'radio'};
"""


def check(claim, *shown):
    if not claim:
        raise AssertionError("; ".join(map(str, shown)))


def same(shown, served, where):
    check(shown == served, f"{where}: shown {shown!r}, served {served!r}")


def number(value):
    return "–" if value is None else f"{value:,}"


def near(text, value, where):
    """Is "26.4K" the number 26,412? To half a unit of the last digit shown."""
    digits, unit = re.fullmatch(r"\+?([\d,.]+)([KMBT]?)", text).groups()
    factor = {"": 1, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[unit]
    decimals = len(digits.partition(".")[2])
    shown = float(digits.replace(",", "")) * factor
    check(abs(shown - value) <= 0.51 * factor / 10 ** decimals, where, f"{text} is not {value}")


def size(value):
    units = ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:,.0f} B" if units[0] == "B" else f"{value:,.1f} {units[0]}"


class Test:
    def __init__(self, browser, base, shots, stage=None, server=None):
        self.browser, self.base, self.shots = browser, base, shots
        self.stage, self.server = stage, server
        self.may_complain = [r"drawing\.svg"] if stage is None else [
            rf"channels/{WITHOUT_DRAWING}/drawing\.svg"]

    # ---- what checks are made of

    def fresh(self, address=""):
        self.browser.open("about:blank")
        self.browser.open(self.base + address)
        self.shown()

    def shown(self, after=None):
        """Waits for numbers, or newer ones; gives all that is shown and served of an instant."""
        self.browser.wait("const at = document.querySelector('#at').getAttribute('datetime');"
                          "return at && at !== arguments[0]", after, what="newer numbers")
        return self.browser.run(SNAPSHOT)

    def drawn(self):
        """Waits until each machine has its drawing, or is a list because there is none."""
        self.browser.wait(
            "const all = [...document.querySelectorAll('.machine')];"
            "return all.length && all.every(one => one.querySelector('.drawing svg') ||"
            " one.querySelector('details').open)", what="each machine as a drawing or a list")

    def text(self, css):
        return self.browser.run("return document.querySelector(arguments[0]).textContent", css)

    def wait_text(self, css, words):
        return self.browser.wait(
            "const node = document.querySelector(arguments[0]);"
            "return node && node.textContent.includes(arguments[1]) && node.textContent",
            css, words, what=f"{css} says {words!r}")

    def search(self, channel, message):
        self.browser.run("document.querySelector('#channel').value = arguments[0];"
                         "document.querySelector('#id').value = '';"
                         "document.querySelector('#id').focus()", channel)
        self.browser.press(*message, "Enter")
        self.wait_text("#message-title", message)
        self.browser.wait("return document.activeElement.id === 'message-title'",
                          what="the focus goes to the answer")

    def picture(self, name, height=None):
        if self.shots:
            width, whole = self.browser.run(
                "return [innerWidth, document.documentElement.scrollHeight]")
            self.browser.picture(self.shots / f"{name}.png", clip=(0, 0, width, height or whole))

    # ---- checks, in this order

    def numbers_shown_are_those_served(self):
        self.fresh()
        seen = self.shown()
        overview = seen["overview"]
        check(overview, "nothing is known to have been served for", seen["at"])
        self.compare_paths(seen, overview)
        self.compare_tables(seen["tables"], overview)
        self.compare_machines(seen["machines"], overview)
        self.compare_tiles(seen["ids"], overview)

    def compare_paths(self, seen, overview):
        check(len(seen["paths"]) >= 10, "hardly any number has a path")
        for path, kind, shown in seen["paths"]:
            value = overview
            for step in path.split("."):
                value = value[step]
            if kind == "ms":
                check(abs(float(shown[:-3].replace(",", "")) - value) < 0.051, path, shown, value)
            elif kind == "limit" and value is None:
                same(shown, "no limit", path)
            else:
                words = {"number": number, "bytes": size, "text": str, "limit": number}[kind]
                same(shown, words(value), path)

    def compare_tables(self, tables, overview):
        channels = overview["channels"]
        for row, channel in zip(tables["standings"], channels):
            same(row, [channel["channel"]] + [number(channel[key]) for key in
                                              ("unsent", "waiting", "settled")], "standings")
        same(tables["standings"][-1][2], number(sum(one["waiting"] for one in channels)), "wait")
        same([row[1] for row in tables["ahead"]],
             [number(row["count"]) for row in overview["ahead"]], "ahead")
        same([row[:3] for row in tables["upcoming"]],
             [[row["message_id"], row["channel"], row["status"] or "none yet"]
              for row in overview["upcoming"]], "upcoming")
        for row, task in zip(tables["tasks"], overview["tasks"], strict=True):
            same([row[0], row[1], row[5]], [str(task["partition"]), str(task["worker"]),
                                            number(task["messages"])], "task")
            for one in task["inputs"]:
                lag = "unknown" if one["lag"] is None else number(one["lag"])
                check(f"{one['topic']} {lag}" in row[6], "lag", row[6], one)
        dead = overview["dead_letters"]
        same({row[0]: row[1] for row in tables["reasons"]},
             {reason: number(count) for reason, count in dead["by_reason"].items() if count},
             "reasons")
        same([[row[1], row[3]] for row in tables["dead"]],
             [[row["reason"], row["key"]] for row in dead["last"]], "the last dead letters")
        same({row[0] for row in tables["outcomes"]},
             {word for one in channels for word, count in one["outcomes"].items() if count},
             "words")
        for word, minute, _, whole in tables["outcomes"]:
            same(minute, number(sum(overview["history"]["outcomes"].get(word, []))), word)
            same(whole, number(sum(one["outcomes"].get(word, 0) for one in channels)), word)
        same(len(tables["workers"]), len(overview["workers"]), "workers")

    def compare_machines(self, machines, overview):
        same(sorted(machines), sorted(one["channel"] for one in overview["channels"]), "machines")
        for channel in overview["channels"]:
            machine = machines[channel["channel"]]
            for row, state in zip(machine["rows"], channel["states"], strict=True):
                same([row[0], *row[2:]],
                     [state["status"] or "no status yet"] +
                     [number(state[key]) for key in ("live", "waiting", "last_minute", "entered")],
                     channel["channel"])
            if not machine["states"]:
                continue
            for state in channel["states"]:
                live, flow = machine["states"][(state["status"] or "").lower()]
                near(live, state["live"], f"{channel['channel']} {state['status']}")
                near(flow or "0", state["last_minute"], f"{channel['channel']} {state['status']}")

    def compare_tiles(self, shown, overview):
        history, channels = overview["history"], overview["channels"]
        same(shown["corrections-minute"], number(sum(history["corrections"])), "corrections")
        same(shown["dead-minute"], number(sum(history["dead_letters"])), "dead letters")
        same(shown["waiting-all"], number(sum(one["waiting"] for one in channels)), "waiting")
        same(shown["settled-all"], number(sum(one["settled"] for one in channels)), "settled")
        lately = history["records"][-10:]
        mean = sum(lately) / max(1, len(lately))
        check(abs(float(shown["records-rate"].replace(",", "")) - mean) <= 0.51, "records a second",
              shown["records-rate"], mean)

    def every_machine_is_drawn(self):
        self.fresh()
        self.drawn()
        seen = self.shown()
        for channel in seen["overview"]["channels"]:
            name = channel["channel"]
            states = {(state["status"] or "").lower() for state in channel["states"]}
            drawn = set(seen["machines"][name]["states"])
            same(drawn, set() if name == WITHOUT_DRAWING else states, f"states drawn of {name}")
        check(self.browser.run("return [...document.querySelectorAll('.machine')].find(one =>"
                               "one.querySelector('h3').textContent === arguments[0])"
                               ".querySelector('details').open", WITHOUT_DRAWING),
              "without a drawing the list is open")
        self.compare_machines(seen["machines"], seen["overview"])

    def numbers_move_and_nothing_else(self):
        self.fresh()
        self.drawn()
        first = self.shown()
        self.browser.run(
            "document.querySelectorAll('[data-table] tr, .drawing svg, .plot path, label')"
            ".forEach(node => { node.kept = true; });"
            "document.querySelector('[data-table=upcoming] a')?.focus()")
        second = self.shown(after=first["at"])
        third = self.shown(after=second["at"])
        check(first["at"] < second["at"] < third["at"], "time stands still")
        if self.stage:
            for name in ("records-rate", "waiting-all", "settled-all"):
                check(len({one["ids"][name] for one in (first, second, third)}) > 1, name, "stands")
            check(self.browser.run("return document.activeElement.matches('[data-table] a')"),
                  "the focus was lost by an update")
            check(self.browser.run(
                "return ['[data-table=tasks] tr', '.drawing svg', '.plot path', '.choice label']"
                ".every(css => [...document.querySelectorAll(css)].every(node => node.kept))"),
                "an update made anew what was there")
        same(self.browser.run("return window.most"), 1, "requests at a time")

    def a_drawing_cannot_hurt(self):
        whole = self.stage.drawings["push"]
        self.stage.drawings["push"] = whole.replace(
            b"</g>\n</svg>", b'<script>window.hurt = 1</script><image href="http://127.0.0.1:1/x"/>'
            b'<path d="M0 0" onclick="window.hurt = 1" style="fill:url(http://127.0.0.1:1/y)"/>'
            b'<foreignObject><b xmlns="http://www.w3.org/1999/xhtml">!</b></foreignObject>'
            b'</g>\n</svg>')
        check(self.stage.drawings["push"] != whole, "the drawing's end was not found")
        self.fresh()
        self.drawn()
        same(self.browser.run(
            "return [window.hurt, document.querySelectorAll('.drawing :is(script, image, b, a,"
            " foreignObject, [onclick], svg [style*=url])').length]"), [None, 0], "of the drawing")
        self.stage.drawings["push"] = whole

    def slow_answers_do_not_pile_up(self):
        self.fresh()
        self.stage.delay_s = 2
        before = self.server.asked.count("/v1/overview")
        first = self.shown(self.shown()["at"])
        self.browser.wait("return window.asked === 1", what="the next question")
        self.browser.run("document.dispatchEvent(new Event('visibilitychange'))")
        self.shown(after=first["at"])
        self.stage.delay_s = 0
        same(self.browser.run("return window.most"), 1, "requests at a time")
        check(self.server.asked.count("/v1/overview") - before <= 4, "asks on without an answer")

    def nobody_looks_nothing_is_asked(self):
        self.fresh()
        hide = ("Object.defineProperty(document, 'hidden', {value: arguments[0],"
                "configurable: true}); document.dispatchEvent(new Event('visibilitychange'))")
        self.browser.run(hide, True)
        self.browser.run("window.since = performance.now()")
        self.browser.wait("return performance.now() - window.since > 500", what="the last answer")
        asked, at = len(self.server.asked), self.shown()["at"]
        self.browser.wait("return performance.now() - window.since > 3500", what="three seconds")
        same(len(self.server.asked), asked, "asked while hidden")
        self.browser.run(hide, False)
        self.shown(after=at)

    def a_search_shows_a_life(self):
        self.fresh()
        self.search("sms", "m-delivered")
        self.wait_text("#message-answer", "Outcome: delivered, revision 2.")
        steps = self.browser.run("return [...document.querySelectorAll('.life li strong')]"
                                 ".map(one => one.textContent)")
        same(steps, ["sent", "QUEUE", "SENT", "EXPIRED", "DELIVRD", "It is forgotten"], "steps")
        same(self.browser.run("return location.hash"), "#sms/m-delivered", "address")
        self.picture("life", 900)
        self.browser.press("Escape")
        check(self.browser.run("return document.querySelector('#message').hidden &&"
                               "document.activeElement.id === 'id'"), "Escape closes")
        self.search("sms", "m-waiting")
        self.wait_text("#message-answer", "Waits: no outcome yet.")
        self.search("sms", "m-held")
        self.wait_text("#message-answer", "Held: a receipt came, but no send yet.")
        self.browser.ask("POST", "/back")
        self.wait_text("#message-title", "m-waiting")

    def a_search_in_vain_says_why(self):
        self.may_complain += [r"v1/messages/"]
        self.fresh()
        for message, words in (("m-nowhere", "Not here. It would be in partition 2"),
                               ("m-elsewhere", "partition 3, which another one has"),
                               ("m-restored", "Partition 1 is being restored."),
                               ("m-slow", "No answer in time")):
            self.search("sms", message)
            self.wait_text("#message-answer", words)
            check(self.browser.run("return document.querySelector('#message-life').hidden"),
                  "a life without a message")
        self.fresh("#fax/m-1")
        self.wait_text("#message-answer", "There is no such channel.")

    def a_hostile_id_is_text(self):
        """A miss on any stage; on the fake one it is known, and its attributes are as bad."""
        self.may_complain += [r"v1/messages/"]
        channel = self.first_channel()
        self.fresh(f"#{channel}/" + urllib.parse.quote(HOSTILE, safe=""))
        self.wait_text("#message-title", HOSTILE)
        self.browser.wait("return document.querySelector('#message-answer').textContent[10]",
                          what="an answer in words")
        if self.stage:
            self.wait_text("#message-facts", HOSTILE)
            self.wait_text("[data-table=upcoming]", HOSTILE)
            self.wait_text("[data-table=dead]", HOSTILE)
        same(self.browser.run("return [window.hurt, document.querySelectorAll('img').length]"),
             [None, 0], "what the id did")
        self.fresh("#%/%E0")
        check(self.browser.run("return document.querySelector('#message').hidden"),
              "half an address is none")

    def first_channel(self):
        self.fresh()
        return self.shown()["overview"]["channels"][0]["channel"]

    def keys_reach_everything(self):
        self.browser.width(WIDTHS["wide"])
        self.fresh()
        stops = []
        for _ in range(60):
            self.browser.press("Tab")
            stop = self.browser.run(FOCUSED)
            if stop["tag"] == "BODY":
                break
            check(stop["ring"], "no ring around", stop)
            stops.append(stop)
        names = [stop["what"] for stop in stops]
        same(names[:4], ["skip", "channel", "id", "main"], "the first stops")
        check(stops[4]["radio"], "then the machines", names)
        check([stop["text"] for stop in stops][-3:] == ["metrics", "overview as JSON", "ready?"],
              "the last stops", names)
        check(len(names) == len(stops) < 60, "no end of stops")
        self.browser.run("document.querySelector('.choice input:checked').focus()")
        self.browser.press("Right")
        check(self.browser.run(
            "const shown = [...document.querySelectorAll('.machine:not([hidden]) h3')];"
            "return shown.length === 1 && shown[0].textContent === document.activeElement.value"),
            "an arrow key chooses the next machine")
        self.fresh()
        self.browser.press("Tab")
        self.browser.press("Enter")
        self.browser.wait("return document.activeElement.id === 'now'", what="the skip link")
        for css, name in (("#channel", "Channel"), ("#id", "Message id"),
                          ("#search button", "Find"), (".choice input", None)):
            label = self.browser.label(css)
            check(label and (name is None or label == name), css, "is read as", label)

    def a_screen_reader_finds_its_way(self):
        self.fresh()
        same(self.browser.run("""
            const all = css => [...document.querySelectorAll(css)], wrong = [];
            for (const css of ['body > header', 'main', 'body > footer', '[role=search]', 'h1',
                               '[aria-live=polite]'])
                if (all(css).length !== 1) wrong.push(`${all(css).length} of ${css}`);
            if (!document.documentElement.lang) wrong.push('no language');
            let level = 0;
            for (const head of all('h1, h2, h3')) {
                if (head.tagName[1] - level > 1) wrong.push('skips to ' + head.textContent);
                level = +head.tagName[1];
            }
            for (const section of all('section'))
                if (!document.getElementById(section.getAttribute('aria-labelledby')))
                    wrong.push('a section without a name');
            for (const table of all('table'))
                if (!table.caption?.textContent || !table.querySelector('th[scope]'))
                    wrong.push('a table without caption or heads');
            for (const svg of all('svg'))
                if (svg.getAttribute('role') !== 'img' || !svg.getAttribute('aria-label'))
                    wrong.push('a picture without words: ' + svg.id);
            const ids = all('[id]').map(node => node.id);
            for (const id of ids)
                if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push('twice: ' + id);
            return wrong;"""), [], "for who listens")
        self.browser.wait("return document.querySelector('#spoken').textContent.length > 20",
                          what="the summary is said")

    def it_is_readable(self):
        """Light and dark, three widths; the pictures are for people."""
        grounds = set()
        for scheme in ("light", "dark"):
            self.browser.scheme(scheme)
            for name, width in WIDTHS.items():
                self.browser.width(width)
                self.fresh()
                self.drawn()
                self.browser.click(".choice label:last-child input")
                same(self.browser.run(OVERFLOW), [], f"beyond the edge, {scheme} {name}")
                poor = self.browser.run(CONTRAST)
                check(not poor, f"{len(poor)} texts are pale, {scheme} {name}", *poor[:5])
                self.picture(f"{name}-{scheme}-all")
                self.browser.click(".choice label:first-child input")
                self.picture(f"{name}-{scheme}")
            grounds.add(self.browser.run(
                "return getComputedStyle(document.documentElement).backgroundColor"))
        same(len(grounds), 2, "grounds of light and dark")
        self.browser.scheme("light")
        self.browser.width(WIDTHS["wide"])

    def a_restore_is_seen(self):
        self.fresh()
        self.stage.restoring = {"tasks": 2, "records": 1234567, "bytes": 99, "percent": 43.7,
                                "eta_s": 95}
        self.wait_text("#standing", "Restoring, 43 %")
        self.wait_text("[data-table=workers]",
                       "43 % of 2 tasks, 1,234,567 records, 1 min 35 s to go")
        self.wait_text("#spoken", "Restoring")
        self.picture("restoring", 900)
        self.stage.restoring = {**self.stage.restoring, "percent": 0, "eta_s": None}
        self.wait_text("[data-table=workers]", "0 % of 2 tasks, 1,234,567 records")
        self.stage.restoring = None
        self.wait_text("#standing", "Ready")

    def another_table_is_drawn_anew(self):
        self.fresh()
        self.browser.wait("return document.querySelector('.machine svg')", what="a drawing")
        path = "/v1/channels/sms/drawing.svg"
        before = self.server.asked.count(path)
        self.browser.run("document.querySelector('.machine svg').old = true")
        self.stage.channels[0].digest = "feedfacefeedface"
        self.browser.wait("const svg = document.querySelector('.machine svg');"
                          "return svg && !svg.old", what="a fresh drawing")
        same(self.server.asked.count(path), before + 1, "drawings asked for")

    def away_and_back(self):
        self.may_complain += [r"ERR_CONNECTION|ERR_EMPTY_RESPONSE|ERR_SOCKET"]
        self.fresh()
        seen, port = self.shown(), self.server.port
        self.server.leave()
        words = self.wait_text("#standing", "Not reachable since")
        check(re.search(r"since \d\d:\d\d:\d\d; (again in \d+ s|asking …)$", words), words)
        self.browser.wait("return /again in [2-9] s/.test(document.querySelector('#standing')"
                          ".textContent)", what="it asks less often")
        check(seen["at"] and self.text("#waiting-all") != "–", "the last numbers stay")
        self.wait_text("#spoken", "Not reachable since")
        check("not reachable" in self.browser.run("return document.title"), "the title says it")
        self.picture("away", 900)
        self.search("sms", "m-delivered")
        self.wait_text("#message-answer", "Not reachable")
        self.server = fake_stage.Server(self.stage, port)
        self.wait_text("#standing", "Ready")
        self.shown(after=seen["at"])
        self.browser.click("#message-again")
        self.wait_text("#message-answer", "Outcome: delivered")

    def it_asked_nobody_else_and_complained_of_nothing(self):
        complaints = [entry["message"] for entry in self.browser.logs("browser")
                      if entry["source"] != "network" or
                      not any(re.search(may, entry["message"]) for may in self.may_complain)]
        same(complaints, [], "on the console")
        urls = set()
        for entry in self.browser.logs("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                urls.add(message["params"]["request"]["url"])
        check(any("/v1/overview" in url for url in urls), "no request was seen: proves nothing")
        foreign = [url for url in urls
                   if not url.startswith((self.base, "data:", "about:"))]
        same(foreign, [], "asked elsewhere")


ANYWHERE = [
    Test.numbers_shown_are_those_served, Test.numbers_move_and_nothing_else,
    Test.a_hostile_id_is_text, Test.keys_reach_everything, Test.a_screen_reader_finds_its_way,
    Test.it_is_readable]
AT_COMMAND = [
    Test.every_machine_is_drawn, Test.a_drawing_cannot_hurt, Test.slow_answers_do_not_pile_up,
    Test.nobody_looks_nothing_is_asked, Test.a_search_shows_a_life, Test.a_search_in_vain_says_why,
    Test.a_restore_is_seen, Test.another_table_is_drawn_anew, Test.away_and_back]


def run(test, checks, only):
    failed = 0
    for one in checks:
        if only and only not in one.__name__:
            continue
        began = time.monotonic()
        try:
            one(test)
            print(f"ok    {one.__name__} ({time.monotonic() - began:.1f} s)", flush=True)
        except (AssertionError, browsers.Gone) as trouble:
            failed += 1
            print(f"FAIL  {one.__name__}: {trouble}", flush=True)
            test.picture(f"failed-{one.__name__}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--at", metavar="URL", help="a stage that runs, not the fake one")
    parser.add_argument("--shots", type=pathlib.Path, metavar="DIR", help="where to keep pictures")
    parser.add_argument("--upshot", default=os.environ.get("UPSHOT", "upshot"))
    parser.add_argument("--only", metavar="WORDS", help="checks with these words in their name")
    options = parser.parse_args()
    if options.shots:
        options.shots.mkdir(parents=True, exist_ok=True)
    stage = server = None
    if options.at:
        base = options.at.rstrip("/") + "/"
    else:
        stage = fake_stage.Stage(upshot=options.upshot, no_drawing=(WITHOUT_DRAWING,))
        server = fake_stage.Server(stage)
        base = f"http://127.0.0.1:{server.port}/"
    with browsers.Browser() as browser:
        browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=WITNESS)
        browser.width(WIDTHS["wide"])
        browser.open("about:blank")
        browser.logs("performance")  # the browser's own first page
        test = Test(browser, base, options.shots, stage, server)
        failed = run(test, ANYWHERE + (AT_COMMAND if stage else []), options.only)
        failed += run(test, [Test.it_asked_nobody_else_and_complained_of_nothing], None)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
