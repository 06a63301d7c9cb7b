"""Does a tab that is open for long grow, how busy is it, and does it keep up? Many points into one real tab.

    python tests/bench/page_soak.py [--minutes 5] [--rate 1000] [--lines 1] [--span SECONDS] [--apart]

    --minutes 1 --lines 4 --rate 2000       # what few fast lines cost
    --minutes 1 --lines 64 --rate 640       # what many slow lines cost
    --minutes 10 --rate 1000 --span 600     # that the heap stays flat, with 600,000 points in sight
    --pace                                  # does it keep up with fast lines? Prints a table, judges nothing

Each row: heap, DOM nodes and listeners after a forced garbage collection, and the part of the time since the
last row in which the page's main thread was busy (by the clock, and by its own processor time).
Ends with status 1 if anything has grown since the first row, or if the main thread was busy for more than 0.35.
"""
import argparse
import math
import multiprocessing
import sys
import time
from pathlib import Path

import zmq
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import Server, find_chromium, wait_until

MOST_BUSY = 0.35    # of the time


PACES = [(1000, 1), (5000, 4), (10_000, 4), (20_000, 4), (20_000, 64), (50_000, 4)]     # points/s, lines
PACE_SECONDS = 8


def point(number):
    x = time.time() * 1000
    return b'{"x": %a, "y": %a, "label": "line %d"}' % (x, 2.5 * (1 + math.sin(x / 500 + number)), number)


def new_publisher(endpoint):
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.set(zmq.SNDHWM, 0)        # nothing is dropped
    publisher.connect(endpoint)
    return publisher


def publish(endpoint, rate, lines):
    """Points at a steady rate, until it is ended."""
    publisher = new_publisher(endpoint)
    start, sent = time.monotonic(), 0
    while True:
        while sent < (time.monotonic() - start) * rate:
            publisher.send(point(sent % lines))
            sent += 1
        time.sleep(0.002)


def start_publishing(*arguments):
    publisher = multiprocessing.get_context("spawn").Process(target=publish, args=arguments, daemon=True)
    publisher.start()
    return publisher


class Meter:
    """The tab's counters, by Chromium's own measuring."""

    def __init__(self, page):
        self.page = page
        self.sessions = []
        for domain in ("timeTicks", "threadTicks"):
            self.sessions.append(page.context.new_cdp_session(page))
            self.sessions[-1].send("Performance.enable", {"timeDomain": domain})
        self.busy = self.read_busy()

    def metrics(self, session):
        return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}

    def read_busy(self):
        """Each figure with the time in seconds at which it was read: a busy machine can take long to answer."""
        answers = []
        for session in self.sessions:
            answers.append((self.metrics(session)["TaskDuration"], time.monotonic()))
        answers.append(tuple(self.page.evaluate("[received, performance.now() / 1000]")))
        return answers

    def shares(self, before, after):
        """Of the time: by the clock, and by the processor; and points/s."""
        return ((now[0] - then[0]) / (now[1] - then[1]) for now, then in zip(after, before, strict=True))

    def read(self):
        """heap in MB, nodes, listeners; shares of the time by the clock and by the processor; points/s."""
        before, self.busy = self.busy, self.read_busy()
        clock, processor, points = self.shares(before, self.busy)
        for _ in range(3):
            self.sessions[0].send("HeapProfiler.collectGarbage")
        counters = self.metrics(self.sessions[0])
        time.sleep(1)
        self.busy = self.read_busy()    # the collecting, and what waited for it, is not the page's work
        return (counters["JSHeapUsedSize"] / 1e6, int(counters["Nodes"]), int(counters["JSEventListeners"]),
                clock, processor, points)


def measure_pace(browser, rate, lines):
    """How late points and picture are after some seconds, in ms: the middle of some looks, and the worst; how busy."""
    server = Server("--source", "none")
    publisher = start_publishing(server.zmq, rate, lines)
    try:
        page = browser.new_page()
        page.goto(f"{server.url}?ws={server.ws_port}")
        wait_until(lambda: page.evaluate("received > 0"))
        time.sleep(PACE_SECONDS / 2)
        meter = Meter(page)
        before = meter.busy
        time.sleep(PACE_SECONDS / 2)
        looks = []      # how late the newest point is that has been received, and the newest that is drawn
        for _ in range(21):
            looks.append(page.evaluate("""[most([...lines.values()].map(newestX)), span.right]
                .map(time => Date.now() - time)"""))
            time.sleep(0.05)
        busy, _, points = meter.shares(before, meter.read_busy())
        page.close()
    finally:
        publisher.kill()
        server.stop()
    here, seen = (sorted(late) for late in zip(*looks, strict=True))
    print(f"{rate:8}  {lines:5}  {here[10]:8.0f}  {seen[10]:8.0f}  {seen[-1]:8.0f}  {busy:5.0%}  {points:17.0f}",
          flush=True)


def measure_history(browser, count=1000, lines=64):
    """How long a new tab takes to have the whole history."""
    server = Server("--source", "none", "--history", count)
    try:
        view = f"{server.url}?ws={server.ws_port}"
        page = browser.new_page()
        page.goto(view)
        wait_until(lambda: page.evaluate("openedAt > 0"))
        publisher = new_publisher(server.zmq)
        time.sleep(1)       # until it is connected
        for number in range(count * lines):
            publisher.send(point(number % lines))
        wait_until(lambda: page.evaluate("received") == count * lines, 60)
        page.goto("about:blank")
        page.goto(view)
        took = page.evaluate("""count => new Promise(done => {
            const look = () => (received < count ? setTimeout(look, 5) : done(performance.now()));
            look(); })""", count * lines)
        page.close()
    finally:
        server.stop()
    print(f"{lines} lines of {count} points of history are in a new tab after {took:.0f} ms")


def measure_paces(browser):
    print("points/s  lines  ms late:  as drawn  at worst   busy  points/s received", flush=True)
    for rate, lines in PACES:
        measure_pace(browser, rate, lines)
    measure_history(browser)


def main():
    parser = argparse.ArgumentParser(description="Soaks one tab in points.")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--lines", type=int, default=1)
    parser.add_argument("--span", type=int, help="seconds; without it the last 100 points")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--pace", action="store_true")
    options = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        return measure_paces(browser) if options.pace else soak(browser, options)


def soak(browser, options):
    server = Server("--source", "none")
    publisher = start_publishing(server.zmq, options.rate, options.lines)
    rows = []
    try:
        page = browser.new_page()
        view = [f"ws={server.ws_port}", *([f"span={options.span}"] if options.span else []),
                *(["apart"] if options.apart else [])]
        page.goto(f"{server.url}?{'&'.join(view)}")
        time.sleep(20)
        meter = Meter(page)
        print("   s  heap MB  nodes  listeners  busy  of a processor  points/s", flush=True)
        start = time.monotonic()
        while time.monotonic() - start < options.minutes * 60:
            time.sleep(min(30, options.minutes * 30))
            rows.append(meter.read())
            heap, nodes, listeners, clock, processor, points = rows[-1]
            print(f"{time.monotonic() - start:4.0f}  {heap:7.2f}  {nodes:5}  {listeners:9}  {clock:4.0%}  "
                  f"{processor:14.0%}  {points:8.0f}", flush=True)
    finally:
        publisher.kill()
        server.stop()
    first, last = rows[0], rows[-1]
    busy = sum(row[3] for row in rows) / len(rows)
    grown = last[0] > first[0] * 1.1 + 0.5 or last[1] > first[1] + 50 or last[2] > first[2] + 5
    print(f"{'grown' if grown else 'not grown'}; main thread busy {busy:.0%} of the time")
    return grown or busy > MOST_BUSY


if __name__ == "__main__":
    sys.exit(main())
