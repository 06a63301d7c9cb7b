"""Does a tab that is open for long grow, and how busy is it? Many points/s into one real tab; prints and judges.

    python tests/bench/page_soak.py [--minutes 5] [--rate 1000] [--series 1]

Each line: heap, DOM nodes and listeners after a forced garbage collection, and the part of the time since the
last line in which the page's main thread was busy (by the clock, and by its own processor time).
Ends with status 1 if anything has grown since the first line, or if the main thread was busy for a third.
"""
import argparse
import json
import math
import multiprocessing
import sys
import time
from pathlib import Path

import zmq
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import Server, find_chromium


def publish(endpoint, rate, series):
    """Points at a steady rate, until it is ended."""
    publisher = zmq.Context().socket(zmq.PUB)
    publisher.connect(endpoint)
    start, sent = time.monotonic(), 0
    while True:
        while sent < (time.monotonic() - start) * rate:
            x = time.time() * 1000
            number = sent % series
            point = {"x": x, "y": 2.5 * (1 + math.sin(x / 500 + number)), "label": f"series {number}"}
            publisher.send(json.dumps(point).encode())
            sent += 1
        time.sleep(0.002)


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

    def read(self):
        """heap in MB, nodes, listeners; shares of the time by the clock and by the processor; points/s."""
        before, self.busy = self.busy, self.read_busy()
        clock, processor, points = ((now[0] - then[0]) / (now[1] - then[1])
                                    for now, then in zip(self.busy, before, strict=True))
        for _ in range(3):
            self.sessions[0].send("HeapProfiler.collectGarbage")
        counters = self.metrics(self.sessions[0])
        time.sleep(1)
        self.busy = self.read_busy()    # the collecting, and what waited for it, is not the page's work
        return (counters["JSHeapUsedSize"] / 1e6, int(counters["Nodes"]), int(counters["JSEventListeners"]),
                clock, processor, points)


def main():
    parser = argparse.ArgumentParser(description="Soaks one tab in points.")
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--series", type=int, default=1)
    options = parser.parse_args()
    server = Server("--source", "none")
    publisher = multiprocessing.get_context("spawn").Process(
        target=publish, args=(server.zmq, options.rate, options.series), daemon=True)
    publisher.start()
    lines = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
            page = browser.new_page()
            page.goto(server.url)
            time.sleep(20)
            meter = Meter(page)
            print("   s  heap MB  nodes  listeners  busy  of a processor  points/s", flush=True)
            start = time.monotonic()
            while time.monotonic() - start < options.minutes * 60:
                time.sleep(min(30, options.minutes * 30))
                lines.append(meter.read())
                heap, nodes, listeners, clock, processor, points = lines[-1]
                print(f"{time.monotonic() - start:4.0f}  {heap:7.2f}  {nodes:5}  {listeners:9}  {clock:4.0%}  "
                      f"{processor:14.0%}  {points:8.0f}", flush=True)
            browser.close()
    finally:
        publisher.kill()
        server.stop()
    first, last = lines[0], lines[-1]
    busy = sum(line[3] for line in lines) / len(lines)
    grown = last[0] > first[0] * 1.1 + 0.5 or last[1] > first[1] + 50 or last[2] > first[2] + 5
    print(f"{'grown' if grown else 'not grown'}; main thread busy {busy:.0%} of the time")
    return grown or busy >= 1 / 3


if __name__ == "__main__":
    sys.exit(main())
