"""Runs zws.py for minutes under all that happens to it, and prints what that costs and loses.

500 points/s to three tabs that read all, while others come and go, reset, stall, flood and send nonsense, and
publishers come and go, some with bad messages.  `python tests/bench/soak.py [--minutes 10]`
"""
import argparse
import contextlib
import random
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from conftest import HANDSHAKE, Server, frame

GOOD = """
import sys, time, zmq
publisher = zmq.Context().socket(zmq.XPUB)
publisher.set(zmq.XPUB_NODROP, 1)
publisher.connect(sys.argv[1])
publisher.recv()
start = time.monotonic()
for number in range(int(sys.argv[2]) * 500):
    while number > (time.monotonic() - start) * 500:
        time.sleep(0.002)
    publisher.send(b'{"x":%d,"y":2.5}' % number)
publisher.close(5000)
"""
BAD = """
import os, random, sys, time, zmq
context, chance = zmq.Context(), random.Random(4)
while True:
    publisher = context.socket(zmq.PUB)
    publisher.connect(sys.argv[1])
    for _ in range(chance.randrange(200)):
        publisher.send_multipart(chance.choice(([b""], [b"nonsense"], [os.urandom(100)], [b'{"y":NaN}'], [b"[" * 60000],
            [b"x" * 100_000], [b"1"] * 100, [b'{"y":' + b"9" * 5000 + b"}"])))
        time.sleep(0.01)
    publisher.close(0)
"""


class Reader(threading.Thread):
    """A tab that reads all, and counts the numbers that are missing."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.tab, self.points, self.lost, self.next = server.raw(), 0, 0, 0
        self.tab.settimeout(60)
        self.start()

    def run(self):
        rest = b""
        with contextlib.suppress(OSError):
            while part := self.tab.recv(1 << 16):
                rest += part
                while point := re.search(rb'"x":(\d+),"y":2.5', rest):
                    self.points += 1
                    self.lost += int(point[1]) - self.next
                    self.next = int(point[1]) + 1
                    rest = rest[point.end():]


def trouble(server, chance, stalled):
    """One client that comes, does something that clients do, and goes."""
    kind = chance.choice(("comes", "resets", "closes", "stalls", "text", "noise", "half", "page", "post"))
    with contextlib.suppress(OSError):
        if kind in ("half", "noise", "page", "post"):
            client = server.raw(False, chance.choice((server.http_port, server.ws_port)))
            client.sendall({"half": HANDSHAKE[:50].encode(), "noise": chance.randbytes(300) + b"\r\n\r\n",
                            "page": b"GET /graph.html HTTP/1.1\r\nHost: localhost\r\n\r\n",
                            "post": b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"}[kind])
        else:
            client = server.raw(receive_buffer=4096 if kind == "stalls" else None)
            client.sendall({"text": frame(1, b"hello"), "closes": frame(8, b"\x03\xe8")}.get(kind, frame(9, b"ping")))
        if kind == "resets":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        if kind in ("stalls", "half"):
            stalled.append((client, time.monotonic() + chance.randrange(60)))
        else:
            client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    seconds = int(parser.parse_args().minutes * 60)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    server, chance, stalled, count = Server("--source", "none", "--history", 0), random.Random(4), [], 0
    readers = [Reader(server) for _ in range(3)]
    good = subprocess.Popen([sys.executable, "-c", GOOD, server.zmq, str(seconds)])
    bad = [subprocess.Popen([sys.executable, "-c", BAD, server.zmq]) for _ in range(2)]
    start = last = time.monotonic()
    peak = 0

    def report():
        print(f"{time.monotonic() - start:5.0f} s: {server.files()} files, {server.memory() / 1024:.1f} MiB, "
              f"{count} clients came, {len(stalled)} stall; {sum(map(Reader.is_alive, readers))} tabs read, "
              f"each {min(reader.points for reader in readers)} points, lost {sum(reader.lost for reader in readers)}",
              flush=True)
    print(f"    0 s: {server.files()} files, {server.memory() / 1024:.1f} MiB")
    try:
        while good.poll() is None:
            trouble(server, chance, stalled)
            count += 1
            time.sleep(0.02)
            peak = max(peak, server.memory())
            for client, end in [each for each in stalled if each[1] < time.monotonic()]:
                client.close()
                stalled.remove((client, end))
            if time.monotonic() - last > seconds / 20:
                last = time.monotonic()
                report()
    finally:
        for process in (good, *bad):
            process.kill()
            process.wait()
    while stalled:
        stalled.pop()[0].close()
    time.sleep(1)
    report()
    print(f"peak memory {peak / 1024:.1f} MiB; exit status {server.stop(2)}; on stderr:")
    kinds = {line.split("dropped")[0] + "dropped ..." if "dropped" in line else line.strip() for line in server.err}
    print("\n".join(sorted(kinds)[:20]) or "nothing")


if __name__ == "__main__":
    main()
