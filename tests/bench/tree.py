#!/usr/bin/env python3
"""What a leaf costs the node above it: python tests/bench/tree.py [--seconds 10] [--rate 100]

Starts zws.py with --republish, pinned to the last core, publishes points to it at a steady rate from
the first, and lets 0, 1, 2, 4, 8 and 16 leaves (ZeroMQ SUBs, as a leaf's relay has one) take them. Prints the
node's CPU time per point (all its threads, from the kernel's own account in ns) and the bytes that each
leaf is sent per point (ZMTP's framing included, TCP's not); at the end what each leaf adds to the CPU time.
Linux only. For true figures have the machine to yourself.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import zmq

ROOT = Path(__file__).resolve().parent.parent.parent


def cpu_seconds(pid):
    """The CPU time that all threads of the process have had."""
    return sum(int(task.read_text().split()[0]) for task in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def start_node(core, endpoint):
    node = subprocess.Popen([sys.executable, ROOT / "zws.py", "--no-browser", "--source", "none", "--http-port", "0",
                             "--ws-port", "0", "--zmq", "tcp://127.0.0.1:*", "--republish", endpoint],
                            stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
    lines = [node.stdout.readline() for _ in range(3)]      # type: ignore[union-attr]
    return node, lines[1].split(" to ")[1].split()[0]


def measure(context, leaves, rate, seconds):
    """(CPU us per point, bytes per point and leaf, points lost) of a node with that many leaves."""
    with zmq.Context() as probe:
        finder = probe.socket(zmq.PUB)
        port = finder.bind_to_random_port("tcp://127.0.0.1")
        finder.close(0)
    endpoint = f"tcp://127.0.0.1:{port}"
    node, zmq_endpoint = start_node(max(os.sched_getaffinity(0)), endpoint)
    try:
        subs = []
        for _ in range(leaves):
            sub = context.socket(zmq.SUB)
            sub.set(zmq.RCVHWM, 0)
            sub.subscribe(b"")
            sub.connect(endpoint)
            subs.append(sub)
        publisher = context.socket(zmq.XPUB)
        publisher.connect(zmq_endpoint)
        publisher.recv()
        time.sleep(1)       # all leaves are there by now
        count = int(rate * seconds)
        start, before = time.monotonic(), cpu_seconds(node.pid)
        for number in range(count):
            publisher.send(b'{"x":%.3f,"y":%.6f}' % (time.time() * 1000, number % 90 + 10.123456))
            time.sleep(max(0, start + (number + 1) / rate - time.monotonic()))
        time.sleep(0.5)
        spent = cpu_seconds(node.pid) - before
        size = lost = 0
        for sub in subs:
            got = 0
            while got < count and sub.poll(2000):
                parts = sub.recv_multipart()
                size += sum(len(part) + 2 for part in parts)     # ZMTP: flags and length before each part
                got += 1
            lost += count - got
            sub.close(0)
        publisher.close(0)
        return spent / count * 1e6, size / count / max(1, leaves), lost
    finally:
        node.terminate()
        node.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement")
    parser.add_argument("--rate", type=float, default=100, help="points/s")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    context = zmq.Context()
    print(f"{'leaves':>6}  {'us/point':>8}  {'bytes/point/leaf':>16}  {'lost':>4}")
    counts, costs = [], []
    for leaves in (0, 1, 2, 4, 8, 16):
        os.sched_setaffinity(0, cores)
        cost, size, lost = measure(context, leaves, options.rate, options.seconds)
        counts.append(leaves)
        costs.append(cost)
        print(f"{leaves:6}  {cost:8.1f}  {size:16.0f}  {lost:4}", flush=True)
    slope, base = statistics.linear_regression(counts, costs)
    print(f"the line through these: {base:.0f} us per point, and {slope:.1f} us more for each leaf")


if __name__ == "__main__":
    main()
