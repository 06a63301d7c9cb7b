#!/usr/bin/env python3
"""Fan-out, measured side by side: ZWS and what one would pick instead, under the same load.

    python tests/bench/fanout.py                                    # all servers and cases: about ten minutes
    python tests/bench/fanout.py --servers zws,websockets --cases 4000x10 --repeat 3
    python tests/bench/fanout.py --servers zws --cases 9000x0       # idle tabs: see the server's CPU %
    python tests/bench/fanout.py --servers zws --cases 1xmax        # one publisher, one tab, as fast as it goes
    python tests/bench/fanout.py --servers zws --cases 1000x10000 --seconds 7
    python tests/bench/fanout.py --servers zws,aiohttp,picows --storm 8000 --repeat 5

The peers come from `pip install -r tests/bench/requirements.txt` and `npm ci --ignore-scripts --prefix
tests/bench`; socketify also needs libuv (`apt-get install libuv1`). One that is not installed is skipped. Linux, two
cores: core 1 is the server's alone, core 0 is shared by the publisher and all tabs. For every server and case
(TABSxPOINTS/S), the server starts, the tabs join, points flow, and 1.5 s later the measured interval begins. With
TABSxmax the publisher sends as fast as it goes, and waits where there is no room, so that none is dropped on the way to
the server. The figure is what is delivered, with none lost; offered is more by what TCP's buffers hold at the end, and
the latencies are those of full buffers.

A server may send a point as a message, or a list of points (see PointCounter). Points are counted, not messages. The
columns:

    offered/s    points/s that the publisher really sent
    delivered/s  points/s that all tabs together received in the interval
    per message  points in a message: the mean of the sample's
    lost         points for all tabs, warm-up included, that a tab did not have 2 s after the last one (with max: 2 s
                 after it last got any); below 0: doubles
    p50, p99     ms from the publisher's clock, which x carries, to the tab's read; of a sample of tabs, whose points
                 are all decoded and checked, as is their order (y carries a sequence number)
    KiB/tab      growth of the server's resident memory, from before the tabs joined to the interval's end
    µs/point     the server's CPU time (user and system, all threads) per delivered point
    CPU %        the same, of one core

With --storm, 500 tabs (--there) are connected and get 10 points/s when 8,000 more arrive at once, as browsers do after
a server has been started again: all connect without waiting for each other, and none tries twice. A tab is in when it
has read the 101 and then a point that was published after that: so it has joined the live stream, and a history, which
only some servers send, makes nobody faster. The storm lasts until every tab is in or has failed, 60 s at the most.

    all in, half  seconds from the first connect until all, or half of them, were in
    in            how many came in; what became of the others is said at the end of the row
    lost          points missing from a tab's first one to the last one published, of all tabs that are in
    p50 to max    ms from the publisher's clock to the read, of the tabs that were there before: all points that were
                  published during the storm
    CPU s         the server's CPU time during the storm
    overflows     times that the kernel dropped a SYN or ACK because a listen queue was full (TcpExt ListenOverflows)
    load %        CPU time of the tabs and the publisher, of their core, during the storm

With --repeat, ratios follow the medians: each is taken within a round, where the two ran one after the other, and the
ratio shown is the median of the rounds'.
"""
import argparse
import collections
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

from publisher import POINT, POINT_BYTES

HERE = Path(__file__).resolve().parent
LOAD_CORE, SERVER_CORE = 0, 1
CASES = "1000x100,1000x1000,1000x4000,1000x10000,4000x10,9000x10,1xmax"
WARM_UP, TAIL = 1.55, 0.25  # seconds of points before and after the interval, which begins between two points
PATIENCE = 2                # seconds after the last point: what has not come by then is lost
DISTURBED = 0.1             # of a core taken by others: then the row says so
SAMPLE = 100                # tabs whose points are decoded; fewer
SAMPLE_POINTS = 2_000_000   # where these would have more points than that together
STORM_RATE = 10             # points/s
STORM_SECONDS = 60          # who is not in by then does not get in
KEY, ACCEPT = "dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="    # RFC 6455's own example


# ---- servers ----

@dataclass
class Server:
    command: list[str]          # {python}, {port} (of the tabs) and {feed} (of the points) are filled in
    modules: str = ""           # the Python modules it needs
    packages: str = ""          # the npm packages it needs
    takes: str = "zmq"          # points from a ZeroMQ PUB, or "lines" over TCP

    def missing(self, python):
        """Why it cannot run, if so."""
        if not shutil.which(interpreter := self.command[0].replace("{python}", python)):
            return f"{interpreter} is not installed"
        for name in self.modules.split():
            trial = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True)
            if trial.returncode:        # not installed, or a library is missing that it needs: the last line says it
                return f"`import {name}` fails: {trial.stderr.splitlines()[-1]}"
        for name in self.packages.split():
            if not (HERE / "node_modules" / name).exists():
                return f"npm's {name} is not installed"
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
    "socketify": peer("socketify_.py", modules="socketify zmq"),
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


# ---- messages ----

TEXT_FRAME = 0x81                               # the first byte of a whole text frame, which is not masked
LONG_HEADER_BYTES = 4                           # of a frame with more than 125 bytes; that of a shorter one has 2
FRAME_BYTES = 2 + POINT_BYTES                   # of a frame with one point
POINT_LENGTH = bytes([POINT_BYTES])             # as its header has it


class PointCounter:
    """Counts the points in what tabs read: WebSocket text frames, each a point or `[point,point,...]`.

    All points have the same length. So the length in a frame's header says how many are in it, and where the next
    header is; nothing else is looked at. A row of frames of one point is counted by one slice, and a list costs the
    same however long it is: so the cost of a read is about a microsecond.
    """

    def __init__(self):
        # By file, where the last frame has not come whole: how many bytes after the last read the next frame begins,
        # how many points the last one has, and what has come of a header.
        self.unfinished: dict[int, tuple[int, int, bytes]] = {}

    def count(self, file, buffer, end):
        """How many points have come whole by a read: that of this tab, which is in the buffer up to this end."""
        start, last, cut_header = self.unfinished.pop(file, (0, 0, b""))
        if cut_header:
            buffer = cut_header + buffer[:end]
            end = len(buffer)
        points = last                           # of all frames that have begun by now; `last` is the last one's
        while start + LONG_HEADER_BYTES <= end:     # no frame is shorter than a long header
            if buffer[start + 1] == POINT_BYTES:
                # If a frame has one point, the next length is FRAME_BYTES further on; and so on, while that is one too.
                lengths = buffer[start + 1:end:FRAME_BYTES]
                frames = len(lengths) - len(lengths.lstrip(POINT_LENGTH))
                start += frames * FRAME_BYTES
                points += frames
                last = 1
            else:
                header, length = read_header(buffer, start)
                start += header + length
                last = points_in_list(length)
                points += last
        if start > end:                         # within a frame
            points -= last
            self.unfinished[file] = start - end, last, b""
        elif start < end:                       # within a header
            self.unfinished[file] = 0, 0, bytes(buffer[start:end])
        return points


def read_header(data, start):
    """How long the header is that starts there, and the payload behind it (RFC 6455 §5.2)."""
    length = data[start + 1]
    if length < 126:
        return 2, length
    if length == 126:
        return LONG_HEADER_BYTES, int.from_bytes(data[start + 2:start + LONG_HEADER_BYTES], "big")
    raise RuntimeError("sent a message of more than 64 KiB")


def points_in_list(length):
    """How many points a list of so many bytes has: each has a comma behind it, the last one a bracket."""
    points, odd = divmod(length - len("["), POINT_BYTES + len(","))
    if points < 1 or odd:
        raise RuntimeError(f"sent a message of {length} bytes, which is neither a point nor a list of points")
    return points


def messages(reads):
    """The whole frames in what was read: the time of the read that ended each, and its payload."""
    rest = b""
    for moment, data in reads:
        data, start = rest + data, 0
        while start + LONG_HEADER_BYTES <= len(data):
            header, length = read_header(data, start)
            end = start + header + length
            if end > len(data):
                break
            if data[start] != TEXT_FRAME:
                raise RuntimeError(f"sent something else than text frames: {data[start:end][:60]!r}")
            yield moment, data[start + header:end]
            start = end
        rest = data[start:]


def decode(payload):
    """The points of a message, as x and sequence number."""
    points = POINT.findall(payload)
    texts = [text for text, _, _ in points]
    if not (payload == b"[" + b",".join(texts) + b"]" or [payload] == texts):
        raise RuntimeError(f"sent something else than the points: {payload[:60]!r}")
    return [(float(x), int(digits)) for _, x, digits in points]


# ---- tabs ----

def request(port):
    return (f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n").encode()


def accepted(answer):
    return answer.startswith(b"HTTP/1.1 101 ") and ACCEPT in answer


class Tabs:
    """All tabs of a run. Counts the points that they get; keeps what they read, with its time, for a sample."""

    def __init__(self, port, count, sample=SAMPLE):
        self.poller = select.epoll()
        self.buffer = bytearray(512 * 1024)
        self.points = 0
        self.sockets: list[socket.socket] = []
        while len(self.sockets) < count:
            self.join(port, min(100, count - len(self.sockets)))
        self.receive = {tab.fileno(): tab.recv_into for tab in self.sockets}
        self.count_points = PointCounter().count
        self.kept: dict[int, list] = {tab.fileno(): [] for tab in self.sockets[::math.ceil(count / sample)]}
        self.counted = dict.fromkeys(self.kept, 0)      # points of each tab that is kept
        self.ended: dict[int, str] = {}         # by file: why nothing more will come

    def join(self, port, count):
        joining = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(count)]
        self.sockets += joining
        for tab in joining:
            tab.sendall(request(port))
        for tab in joining:
            answer = part = tab.recv(4096)
            while part and not answer.endswith(b"\r\n\r\n"):
                answer += (part := tab.recv(4096))
            if not accepted(answer):
                raise RuntimeError(f"refused a tab: {answer[:60]!r}")
            tab.setblocking(False)
            self.poller.register(tab.fileno(), select.EPOLLIN | select.EPOLLET)

    def read(self, seconds, enough=math.inf):
        """Reads for so long, or until the tabs have had so many points in all."""
        end = time.monotonic() + seconds
        while self.points < enough and (left := end - time.monotonic()) > 0:
            for file, event in self.poller.poll(left, 1000):
                self.take(file, event)

    def read_until_silence(self, enough):
        """Reads until the tabs have had so many points in all, or none has come for PATIENCE."""
        before = -1
        while before < self.points < enough:
            before = self.points
            self.read(PATIENCE, enough)

    def take(self, file, event):
        got = len(self.buffer)
        while got == len(self.buffer):          # edge-triggered: where the buffer is full, there may be more
            try:
                got = self.receive[file](self.buffer)
            except BlockingIOError:
                break
            except OSError as error:
                self.end(file, type(error).__name__)
                break
            if file in self.kept:
                self.kept[file].append((time.time(), bytes(self.buffer[:got])))
            self.count(file, got)
            if not got:                         # the server has closed it: the rest will be lost
                self.end(file, "closed")

    def count(self, file, got):
        points = self.count_points(file, self.buffer, got)
        self.points += points
        if file in self.counted:
            self.counted[file] += points

    def end(self, file, reason):
        self.ended[file] = reason
        self.poller.unregister(file)

    def decoded(self, file):
        """What a tab that is kept has read: for each message the time of its read, and its points.

        Raises RuntimeError where it is not whole messages of points in their order.
        """
        last = -1
        for moment, payload in messages(self.kept[file]):
            points = decode(payload)
            for _, sequence in points:
                if sequence <= last:
                    raise RuntimeError("sent points out of order")
                last = sequence
            yield moment, points

    def sample(self, start, end):
        """Of what the sample read in this time: the milliseconds from the publisher's clock to the read, sorted, and
        how many points a message had."""
        latencies, count = [], 0
        for file in self.kept:
            points_of_tab = 0
            for moment, points in self.decoded(file):
                points_of_tab += len(points)
                if start <= moment < end:
                    count += 1
                    latencies += [moment * 1000 - x for x, _ in points]
            if points_of_tab != self.counted[file]:
                raise RuntimeError(f"sent {points_of_tab} points, and not {self.counted[file]} as counted")
        return sorted(latencies), len(latencies) / count if count else math.nan

    def close(self):
        for tab in self.sockets:
            tab.close()
        self.poller.close()


class StormTabs(Tabs):
    """Tabs that are there before, and those that arrive at once. All that any of them reads is kept."""

    def __init__(self, port, there):
        super().__init__(port, there, sample=there)
        self.there = list(self.kept)
        self.request = request(port)
        self.arriving: dict[int, socket.socket] = {}    # by file: those that are not in yet, and have not failed
        self.opened: dict[int, float] = {}              # by file: when the 101 was read
        self.entered: dict[int, float] = {}             # by file: when the first live point was read

    def arrive(self, port, count):
        """All connect at once; but for a look, after every hundred, at what has come for the others."""
        for number in range(count):
            tab = socket.socket()
            tab.setblocking(False)
            tab.connect_ex(("127.0.0.1", port))
            file = tab.fileno()
            self.sockets.append(tab)
            self.receive[file], self.kept[file], self.arriving[file] = tab.recv_into, [], tab
            self.poller.register(file, select.EPOLLOUT | select.EPOLLET)
            if number % 100 == 99:
                for file, event in self.poller.poll(0, 1000):
                    self.take(file, event)

    def wait(self, seconds):
        """Until all that arrived are in, or have failed."""
        end = time.monotonic() + seconds
        while self.arriving and (left := end - time.monotonic()) > 0:
            for file, event in self.poller.poll(left, 1000):
                self.take(file, event)

    def take(self, file, event):
        if event & select.EPOLLOUT:             # it is connected, or cannot be
            try:
                self.arriving[file].send(self.request)
                self.poller.modify(file, select.EPOLLIN | select.EPOLLET)
            except OSError as error:
                self.end(file, type(error).__name__)
        else:
            super().take(file, event)
            if file in self.arriving and file not in self.ended:
                self.look(file)

    def count(self, file, got):
        """Nothing is counted yet: all that is read is kept, and it begins with the answer to the request."""

    def look(self, file):
        """Whether a tab that arrives is in now, by what it has just read."""
        reads = self.kept[file]
        moment, data = reads[-1]
        if file in self.opened:
            if any(float(x) > self.opened[file] * 1000 for _, x, _ in POINT.findall(data)):
                self.entered[file] = moment
                del self.arriving[file]
            return
        answer, end, points = b"".join(data for _, data in reads).partition(b"\r\n\r\n")
        if end and accepted(answer):
            self.opened[file] = moment
            reads[:] = [(moment, points)]
        elif end:
            self.end(file, f"status {answer[9:12].decode()}")

    def end(self, file, reason):
        super().end(file, reason)
        self.arriving.pop(file, None)

    def lost(self, published):
        """Points that those who are in do not have, of so many, from the first one that each has."""
        lost = 0
        for file in [*self.there, *self.entered]:
            numbers = [number for _, points in self.decoded(file) for _, number in points]
            lost += published - (numbers[0] if numbers else 0) - len(numbers)
        return lost

    def failures(self):
        """Why those who are not in are not, as text."""
        reasons = collections.Counter(reason for file, reason in self.ended.items()
                                      if file not in self.entered and file not in self.there)
        reasons["not in by then"] = len(self.arriving)
        return ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)


# ---- runs ----

class Run:
    """The processes of one run, and the time that they have used so far."""

    def __init__(self, stack, server, python, rate, seconds):
        self.port, feed = free_port(), free_port()
        self.server = stack.enter_context(running(
            [part.format(python=python, port=self.port, feed=feed) for part in server.command], SERVER_CORE))
        self.publisher = stack.enter_context(running(
            [sys.executable, str(HERE / "publisher.py"), str(feed), server.takes, str(rate), str(seconds)], LOAD_CORE))

    def tell_publisher(self, word):
        self.publisher.stdin.write(word + b"\n")

    def publisher_has_spoken(self):
        """Whether published() need not wait."""
        return bool(select.select([self.publisher.stdout], [], [], 0)[0])

    def published(self):
        """How many points/s, and points, the publisher has sent, once it is done."""
        if not (said := hear(self.publisher).split()):
            raise RuntimeError("does not take all points")
        return float(said[0]), int(said[1])

    def times(self):
        """Seconds so far: the clock, the server's CPU time, the load's, and each core's of anything."""
        return (time.time(), cpu(self.server.pid), cpu(os.getpid()) + cpu(self.publisher.pid),
                busy(SERVER_CORE), busy(LOAD_CORE))


def spent(before, after):
    """Seconds between two times() and the server's CPU time; what the load and what others used, as parts of a core."""
    interval, server, load, server_core, load_core = (b - a for a, b in zip(before, after, strict=True))
    return interval, server, {"load": load / interval, "others": max(server_core - server, load_core - load) / interval}


def percentile(values, percent):
    """Of sorted values."""
    return values[min(len(values) * percent // 100, len(values) - 1)] if values else math.nan


def measure(server, python, count, rate, seconds):
    """One server, one case: starts it, loads it, and returns the table's row."""
    with contextlib.ExitStack() as stack:
        length = WARM_UP + seconds + TAIL
        run = Run(stack, server, python, rate, length)
        memory_before = memory(run.server.pid)
        tabs = Tabs(run.port, count, sample_size(rate * length))
        stack.callback(tabs.close)
        tabs.read(1)
        run.tell_publisher(b"go")

        tabs.read(WARM_UP)
        before, points_before = run.times(), tabs.points
        tabs.read(seconds)
        after, points_after = run.times(), tabs.points
        memory_after = memory(run.server.pid)
        give_up = time.monotonic() + TAIL + PATIENCE
        while not run.publisher_has_spoken() and time.monotonic() < give_up:
            tabs.read(0.05)             # or a server whose tabs do not read might keep the publisher waiting
        offered, published = run.published()
        due = published * count
        tabs.read(PATIENCE, due)
        if rate == math.inf:                    # then TCP's buffers are full of points, which are only late
            tabs.read_until_silence(due)

        interval, server_cpu, shares = spent(before, after)
        points = points_after - points_before
        latencies, per_message = tabs.sample(before[0], after[0])
        return {"offered/s": offered, "delivered/s": points / interval, "per message": per_message,
                "lost": due - tabs.points,
                "p50 ms": percentile(latencies, 50), "p99 ms": percentile(latencies, 99),
                "KiB/tab": (memory_after - memory_before) / count,
                "µs/point": server_cpu / points * 1e6 if points else math.nan, "CPU %": server_cpu / interval * 100,
                **shares}


def sample_size(points):
    """How many tabs to decode, where each gets so many points."""
    return max(1, min(SAMPLE, round(SAMPLE_POINTS / max(1, points))))


def overflows():
    """How often, since the machine started, a connection was dropped because a listen queue was full."""
    names, values = (line.split() for line in Path("/proc/net/netstat").read_text().splitlines()[:2])
    return int(values[names.index("ListenOverflows")])


def measure_storm(server, python, count, there):
    """One server, one storm: so many tabs arrive at once where some are there. Returns the table's row."""
    with contextlib.ExitStack() as stack:
        run = Run(stack, server, python, STORM_RATE, 2 * STORM_SECONDS)
        tabs = StormTabs(run.port, there)
        stack.callback(tabs.close)
        run.tell_publisher(b"go")
        tabs.read(WARM_UP)

        before, overflows_before = run.times(), overflows()
        tabs.arrive(run.port, count)
        tabs.wait(STORM_SECONDS - (time.time() - before[0]))
        after, overflows_after = run.times(), overflows()
        failures = tabs.failures()
        run.tell_publisher(b"stop")
        tabs.read(PATIENCE)
        _, published = run.published()

        start, end = before[0], after[0]
        _, server_cpu, shares = spent(before, after)
        entered = sorted(moment - start for moment in tabs.entered.values())
        entered += [math.inf] * (count - len(entered))
        latencies = sorted(moment * 1000 - x for file in tabs.there for moment, points in tabs.decoded(file)
                           for x, _ in points if start <= x / 1000 < end)
        return {"all in s": entered[-1], "half s": entered[(count - 1) // 2], "in": len(tabs.entered),
                "lost": tabs.lost(published), "p50 ms": percentile(latencies, 50), "p99 ms": percentile(latencies, 99),
                "max ms": percentile(latencies, 100), "CPU s": server_cpu,
                "overflows": overflows_after - overflows_before, "load %": shares["load"] * 100,
                "failures": failures, **shares}


def run(server, options, tabs, number):
    """A row of the table; where others disturbed the run, that of another one; where it failed, one that says why."""
    for _ in range(1 + options.retry):
        try:
            row = (measure_storm(server, options.python, tabs, number) if options.storm
                   else measure(server, options.python, tabs, number, options.seconds))
        except (OSError, RuntimeError) as error:
            row = {"failed": str(error)}
        if row.get("others", 0) < DISTURBED:
            break
    return row


# ---- the tables ----

COLUMNS = {"offered/s": (11, 0), "delivered/s": (13, 0), "per message": (13, 1), "lost": (11, 0), "p50 ms": (9, 1),
           "p99 ms": (9, 1), "KiB/tab": (9, 1), "µs/point": (10, 3), "CPU %": (7, 1)}       # name: width, decimals
STORM_COLUMNS = {"all in s": (9, 2), "half s": (8, 2), "in": (7, 0), "lost": (8, 0), "p50 ms": (8, 0), "p99 ms": (8, 0),
                 "max ms": (8, 0), "CPU s": (7, 2), "overflows": (11, 0), "load %": (8, 0)}
RATIOS, STORM_RATIOS = ["p99 ms", "µs/point"], ["all in s", "p99 ms"]


def header(columns):
    return f"{'server':<18}{'tabs':>6}" + "".join(f"{name:>{width}}" for name, (width, _) in columns.items())


def line(name, tabs, row, columns):
    """The row as text, with what makes it doubtful at its end."""
    text = f"{name[-18:]:<18}{tabs:>6}"
    if "failed" in row:
        return f"{text}  failed: {row['failed']}"
    for column, (width, decimals) in columns.items():
        word = {math.inf: "never"}.get(row[column], "-" if math.isnan(row[column]) else "")
        text += f"{word:>{width}}" if word else f"{row[column]:{width},.{decimals}f}"
    if row.get("failures"):
        text += f"  {row['failures']}"
    if row["load"] > 0.95:
        text += f"  load's CPU {row['load']:.0%}: perhaps its limit"
    if row["others"] > DISTURBED:
        text += f"  other processes, or the host, took {row['others']:.0%} of a core"
    return text


def median(rows):
    """One row of many: the median of each column."""
    good = [row for row in rows if "failed" not in row]
    return {name: statistics.median(row[name] for row in good)
            for name, value in good[0].items() if not isinstance(value, str)} if good else rows[0]


def case_name(case):
    """As the options have it."""
    return "x".join("max" if number == math.inf else str(number) for number in case)


def print_ratios(rows, columns):
    """Of zws, and of every other zws.py, to each peer (and to zws): the median of the rounds' ratios."""
    for (name, *case), own in rows.items():
        for (other, *other_case), others in rows.items():
            if name == other or case != other_case or other.endswith(".py") or not (
                    name == "zws" or name.endswith(".py")):
                continue
            rounds = [(a, b) for a, b in zip(own, others, strict=True) if "failed" not in a and "failed" not in b]
            text = f"{name[-18:]:<18} / {other:<12}{case_name(case):<10}"
            for column in columns:
                ratios = [a[column] / b[column] for a, b in rounds if 0 < b[column] < math.inf]
                if ratios:
                    text += (f"{column:>10} {statistics.median(ratios):.2f}"
                             f" ({min(ratios):.2f} to {max(ratios):.2f})")
            print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    option = parser.add_argument
    option("--servers", default=",".join(SERVERS), metavar="A,B,...",
           help="of %(default)s; also the path of another zws.py, to compare two versions")
    option("--cases", default=CASES, metavar="TABSxRATE,...", help="default: %(default)s")
    option("--seconds", type=float, default=3, help="of the measured interval (default: %(default)s)")
    option("--storm", type=int, metavar="TABS", help="instead of the cases: so many tabs arrive at once")
    option("--there", type=int, default=500, metavar="TABS", help="connected before the storm (default: %(default)s)")
    option("--repeat", type=int, default=1, help="runs of everything, in turn, before the table of the medians")
    option("--retry", type=int, default=0, help="times that a run is repeated where other processes disturbed it")
    option("--python", default=sys.executable, help="runs the servers that are in Python (default: this one)")
    options = parser.parse_args()
    servers = {name: zws(name) if name.endswith(".py") else SERVERS.get(name) for name in options.servers.split(",")}
    for name, server in list(servers.items()):
        if not server:
            parser.error(f"there is no server {name}")
        if missing := server.missing(options.python):
            print(f"{name} is skipped: {missing}", file=sys.stderr)
            del servers[name]

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))           # so that the server ends as well
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))      # the servers inherit it
    os.sched_setaffinity(0, {LOAD_CORE})
    gc.disable()
    cases = [(options.storm, options.there)] if options.storm else [
        (int(tabs), math.inf if rate == "max" else int(rate))
        for tabs, rate in (case.split("x", 1) for case in options.cases.split(","))]
    columns, ratios = (STORM_COLUMNS, STORM_RATIOS) if options.storm else (COLUMNS, RATIOS)
    rows: dict[tuple, list[dict]] = {(name, *case): [] for case in cases for name in servers}   # a row for each round
    print(header(columns))
    for _ in range(options.repeat):
        for (name, tabs, number), found in rows.items():
            row = run(servers[name], options, tabs, number)
            found.append(row)
            print(line(name, tabs, row, columns), flush=True)
    if options.repeat > 1:
        print(f"\nMedians of {options.repeat}:\n{header(columns)}")
        for (name, tabs, _), found in rows.items():
            print(line(name, tabs, median(found), columns))
        print("\nRatios, the median of the rounds' (and the least and greatest):")
        print_ratios(rows, ratios)


if __name__ == "__main__":
    main()
