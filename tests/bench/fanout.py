#!/usr/bin/env python3
"""Fan-out, measured side by side: ZWS and what one would pick instead, under the same load.

    python tests/bench/fanout.py                                    # all servers and cases: about ten minutes
    python tests/bench/fanout.py --servers zws,websockets --cases 4000x10 --repeat 3
    python tests/bench/fanout.py --servers zws --cases 9000x0       # idle tabs: see the server's CPU %

The peers come from `pip install -r tests/bench/requirements.txt` and `npm ci --ignore-scripts --prefix
tests/bench`; one that is not installed is skipped. Linux, two cores: core 1 is the server's alone, core 0 is
shared by the publisher and all tabs. For every server and case (TABSxPOINTS/S), the server starts, the tabs join,
points flow, and 1.5 s later the measured interval begins. The columns:

    points/s    offered: what the publisher really sent
    frames/s    delivered: what all tabs together received in the interval
    lost        frames of all points, warm-up included, that a tab did not have 2 s after the last point
    p50, p99    ms from the publisher's clock, which x carries, to the tab's read; of a sample of tabs, whose
                frames are all decoded and checked, as is their order (y carries a sequence number)
    KiB/tab     growth of the server's resident memory, from before the tabs joined to the interval's end
    µs/frame    the server's CPU time (user and system, all threads) per delivered frame
    CPU %       the same, of one core
"""
import argparse
import contextlib
import gc
import math
import os
import resource
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from publisher import FRAME, FRAME_BYTES

HERE = Path(__file__).resolve().parent
LOAD_CORE, SERVER_CORE = 0, 1
CASES = "1000x10,1000x100,1000x200,1000x1000,1000x4000,4000x10,9000x10"
WARM_UP, TAIL = 1.55, 0.25  # seconds of points before and after the interval, which begins between two points
PATIENCE = 2                # seconds after the last point: what has not arrived by then is lost
DISTURBED = 0.1             # of a core taken by others: then the row says so
SAMPLE = 100                # tabs whose frames are decoded
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="    # RFC 6455's own example


# ---- servers ----

@dataclass
class Server:
    command: list[str]          # {python}, {port} (of the tabs) and {feed} (of the points) are filled in
    modules: str = ""           # the Python modules it needs
    packages: str = ""          # the npm packages it needs
    takes: str = "zmq"          # points from a ZeroMQ PUB, or "lines" over TCP

    def missing(self, python):
        """What is not installed, if anything."""
        if not shutil.which(interpreter := self.command[0].replace("{python}", python)):
            return interpreter
        for name in self.modules.split():
            if subprocess.run([python, "-c", f"import {name}"], capture_output=True).returncode:
                return f"Python's {name}"
        for name in self.packages.split():
            if not (HERE / "node_modules" / name).exists():
                return f"npm's {name}"
        return None


def zws(path):
    return Server(["{python}", str(path), "--no-browser", "--source", "none", "--http-port", "0", "--ws-port", "{port}",
                   "--zmq", "tcp://127.0.0.1:{feed}"], modules="gevent zmq geventwebsocket paste")


def peer(file, interpreter="{python}", **needs):
    return Server([interpreter, str(HERE / "peers" / file), "{port}", "{feed}"], **needs)


BUN = "@oven/bun-linux-" + ("aarch64" if os.uname().machine == "aarch64" else "x64")
SERVERS = {
    "zws": zws(HERE.parent.parent / "zws.py"),
    "plain": peer("plain.py", modules="gevent zmq geventwebsocket"),
    "websockets": peer("websockets_.py", modules="websockets zmq"),
    "aiohttp": peer("aiohttp_.py", modules="aiohttp zmq"),
    "tornado": peer("tornado_.py", modules="tornado zmq"),
    "picows": peer("picows_.py", modules="picows zmq"),
    "node-ws": peer("node_ws.js", "node", packages="ws zeromq"),
    "bun": peer("bun.js", str(HERE / "node_modules" / BUN / "bin" / "bun"), takes="lines"),
    "floor": peer("floor.py", modules="zmq"),
}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(command, core):
    """A process that has the core to run on, once it has said by a line that it is ready."""
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, bufsize=0,
                                   preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        try:
            if not hear(process):
                errors.seek(0)
                raise RuntimeError("does not start: " + "".join(errors.readlines()[-1:]).strip())
            yield process
        finally:
            process.kill()
            process.communicate()


def hear(process, seconds=10):
    """The next line that the process says; empty if none comes."""
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    return process.stdout.readline() if ready else b""


def memory(pid):
    """KiB of resident memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024


def cpu(pid):
    """Seconds of CPU time of the process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def busy(core):
    """Seconds for which anything, the machine's host included, has kept the core."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[1 + core].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


# ---- tabs ----

class Tabs:
    """All tabs of a run. Counts the bytes that they get; keeps them, with the time of the read, for a sample."""

    def __init__(self, port, count):
        self.poller = select.epoll()
        self.buffer = memoryview(bytearray(512 * 1024))
        self.bytes = 0
        self.sockets: list[socket.socket] = []
        while len(self.sockets) < count:
            self.join(port, min(100, count - len(self.sockets)))
        self.receive = {tab.fileno(): tab.recv_into for tab in self.sockets}
        self.kept: dict[int, list] = {tab.fileno(): [] for tab in self.sockets[::math.ceil(count / SAMPLE)]}

    def join(self, port, count):
        joining = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
        self.sockets += joining
        for tab in joining:
            tab.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        for tab in joining:
            answer = part = tab.recv(4096)
            while part and not answer.endswith(b"\r\n\r\n"):
                answer += (part := tab.recv(4096))
            if not answer.startswith(b"HTTP/1.1 101 ") or ACCEPT not in answer:
                raise RuntimeError(f"refused a tab: {answer[:60]!r}")
            tab.setblocking(False)
            self.poller.register(tab.fileno(), select.EPOLLIN | select.EPOLLET)

    def read(self, seconds, enough=math.inf):
        """Reads for so long, or until the tabs have had so many bytes in all."""
        end = time.monotonic() + seconds
        receive, kept, buffer = self.receive, self.kept, self.buffer
        while self.bytes < enough and (left := end - time.monotonic()) > 0:
            for file, _ in self.poller.poll(left, 1000):
                got = len(buffer)
                while got == len(buffer):       # edge-triggered: where the buffer is full, there may be more
                    try:
                        got = receive[file](buffer)
                    except BlockingIOError:
                        break
                    except ConnectionError:
                        got = 0
                    self.bytes += got
                    if file in kept:
                        kept[file].append((time.time(), bytes(buffer[:got])))
                    if not got:                 # the server has closed it: the rest will be lost
                        self.poller.unregister(file)

    def latencies(self, start, end):
        """Milliseconds from the publisher's clock to the read, sorted, of the frames that the sample read in this time.

        Raises RuntimeError where what a tab got is not whole frames of points in their order.
        """
        found = []
        for reads in self.kept.values():
            rest, last = b"", -1
            for moment, data in reads:
                frames = FRAME.findall(rest + data)
                rest = (rest + data)[len(frames) * FRAME_BYTES:]
                if len(rest) >= FRAME_BYTES:
                    raise RuntimeError(f"sent something else than the points: {data[:60]!r}")
                for _, sequence in frames:
                    if int(sequence) <= last:
                        raise RuntimeError("sent points out of order")
                    last = int(sequence)
                if start <= moment < end:
                    found += [moment * 1000 - float(x) for x, _ in frames]
        return sorted(found)

    def close(self):
        for tab in self.sockets:
            tab.close()
        self.poller.close()


# ---- runs ----

def measure(server, python, count, rate, seconds):
    """One server, one case: starts it, loads it, and returns the table's row."""
    with contextlib.ExitStack() as stack:
        port, feed = free_port(), free_port()
        length = WARM_UP + seconds + TAIL
        due = round(rate * length) * count * FRAME_BYTES
        under_test = stack.enter_context(running(
            [part.format(python=python, port=port, feed=feed) for part in server.command], SERVER_CORE))
        publisher = stack.enter_context(running(
            [sys.executable, str(HERE / "publisher.py"), str(feed), server.takes, str(rate), str(length)], LOAD_CORE))
        memory_before = memory(under_test.pid)
        tabs = Tabs(port, count)
        stack.callback(tabs.close)
        tabs.read(1)
        publisher.stdin.write(b"go\n")

        def counters():
            return (time.time(), tabs.bytes / FRAME_BYTES, cpu(under_test.pid),
                    cpu(os.getpid()) + cpu(publisher.pid), busy(SERVER_CORE), busy(LOAD_CORE))
        tabs.read(WARM_UP)
        before = counters()
        tabs.read(seconds)
        after = counters()
        memory_after = memory(under_test.pid)
        tabs.read(TAIL + PATIENCE, due or math.inf)
        if not (offered := hear(publisher)):
            raise RuntimeError("does not take all points")

        interval, frames, spent, load, server_core, load_core = (b - a for a, b in zip(before, after, strict=True))
        latencies = tabs.latencies(before[0], after[0]) or [math.nan]
        return {"points/s": float(offered), "frames/s": frames / interval, "lost": (due - tabs.bytes) / FRAME_BYTES,
                "p50 ms": latencies[len(latencies) // 2], "p99 ms": latencies[len(latencies) * 99 // 100],
                "KiB/tab": (memory_after - memory_before) / count,
                "µs/frame": spent / frames * 1e6 if frames else math.nan, "CPU %": spent / interval * 100,
                "load": load / interval,
                "others": max(server_core - spent, load_core - load) / interval}


def run(case, retry):
    """The same, again (so many times) where others disturbed it; where it fails, a row that says why."""
    for _ in range(1 + retry):
        try:
            row = measure(*case)
        except (OSError, RuntimeError) as error:
            row = {"failed": str(error)}
        if row.get("others", 0) < DISTURBED:
            break
    return row


COLUMNS = {"points/s": (9, 0), "frames/s": (11, 0), "lost": (12, 0), "p50 ms": (9, 1), "p99 ms": (9, 1),
           "KiB/tab": (9, 1), "µs/frame": (10, 2), "CPU %": (7, 1)}      # name: width, decimals
HEADER = f"{'server':<11}{'tabs':>6}" + "".join(f"{name:>{width}}" for name, (width, _) in COLUMNS.items())


def line(name, tabs, row):
    """The row as text, with what makes it doubtful at its end."""
    if "failed" in row:
        return f"{name:<11}{tabs:>6}  failed: {row['failed']}"
    text = f"{name:<11}{tabs:>6}"
    for column, (width, decimals) in COLUMNS.items():
        text += f"{'-':>{width}}" if math.isnan(row[column]) else f"{row[column]:{width},.{decimals}f}"
    if row["load"] > 0.95:
        text += f"  load's CPU {row['load']:.0%}: perhaps its limit"
    if row["others"] > DISTURBED:
        text += f"  other processes, or the host, took {row['others']:.0%} of a core"
    return text


def median(rows):
    """One row of many: the median of each column."""
    good = [row for row in rows if "failed" not in row]
    return {name: statistics.median(row[name] for row in good) for name in good[0]} if good else rows[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--servers", default=",".join(SERVERS), metavar="A,B,...",
           help="of %(default)s; also the path of another zws.py, to compare two versions")
    option("--cases", default=CASES, metavar="TABSxRATE,...", help="default: %(default)s")
    option("--seconds", type=float, default=3, help="of the measured interval (default: %(default)s)")
    option("--repeat", type=int, default=1, help="runs of everything, in turn, before the table of the medians")
    option("--retry", type=int, default=0, help="times that a run is repeated where other processes disturbed it")
    option("--python", default=sys.executable, help="runs the servers that are in Python (default: this one)")
    options = parser.parse_args()
    cases = [tuple(map(int, case.split("x"))) for case in options.cases.split(",")]
    servers = {name: zws(name) if name.endswith(".py") else SERVERS.get(name) for name in options.servers.split(",")}
    for name, server in list(servers.items()):
        if not server:
            parser.error(f"there is no server {name}")
        if missing := server.missing(options.python):
            print(f"{name} is skipped: {missing} is not installed", file=sys.stderr)
            del servers[name]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))           # so that the server ends as well
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))      # the servers inherit it
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    rows: dict[tuple, list[dict]] = {(name, *case): [] for case in cases for name in servers}
    print(HEADER)
    for _ in range(options.repeat):
        for (name, tabs, rate), found in rows.items():
            row = run((servers[name], options.python, tabs, rate, options.seconds), options.retry)
            found.append(row)
            print(line(name, tabs, row), flush=True)
    if options.repeat > 1:
        print(f"\nMedians of {options.repeat}:\n{HEADER}")
        for (name, tabs, _), found in rows.items():
            print(line(name, tabs, median(found)))


if __name__ == "__main__":
    main()
