#!/usr/bin/env python3
"""ZWS: live points from ZeroMQ to every open browser tab, in one gevent process.

    publisher ──tcp PUB──▶ SUB :5000 ─ relay ─▶ inproc PUB ─▶ SUB ─ tab ─▶ WebSocket :9999
    graph.html, graph.js, flot/ ─ paste StaticURLParser, WSGI :8000 ─▶ browser

Run `python zws.py`, then open http://localhost:8000/graph.html in as many tabs as you like. It began as an article of
2011, "Gevent, ZeroMQ, WebSockets and Flot FTW!", whose names and sine wave it keeps.

After what all sections use, and what a point is, the file goes the way of a point: publishers, relay, tab. Then come
the doors, the connections and the command line.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import errno
import gc
import io
import ipaddress
import json
import logging
import math
import os
import re
import signal
import socket
import struct
import sys
import time
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn, TypedDict

try:
    import resource

    import gevent
    import gevent.event
    import zmq.green
    from gevent.pywsgi import WSGIServer
    from gevent.socket import wait_read, wait_write
    from geventwebsocket.exceptions import ProtocolError, WebSocketError
    from geventwebsocket.handler import WebSocketHandler
    from geventwebsocket.websocket import Header, WebSocket
    from paste.urlparser import StaticURLParser
    from zmq.utils.monitor import recv_monitor_message
except ModuleNotFoundError as missing:
    if missing.name == "resource":
        sys.exit("zws: this system does not let a program raise its file limit; ZWS runs on Linux and macOS")
    sys.exit(f"zws: this Python has no package {missing.name}; run: python3 -m venv .venv && "
             ".venv/bin/pip install -r requirements.txt, and then: .venv/bin/python zws.py")

log = logging.getLogger("zws")

# ---- What all sections use: waiting, and the log --------------------------------------------------------------------

REPORT_INTERVAL_SECONDS = 10
CONNECT_PATIENCE_SECONDS = 3                # after this, the log says that the other side is not there
READABLE, WRITABLE = 1, 2                   # what a watcher of gevent's loop can wait for


def let_others_run() -> None:
    """Gives every other greenlet its turn, and gevent's hub the time to look for I/O, which sleep(0) rarely does."""
    gevent.sleep(1e-6)


def has_message(receiver: zmq.Socket) -> bool:
    """Whether there is a message to receive at once.

    This is zmq.Socket's own `get`. That of zmq.green, asked for EVENTS, looks once more after its answer, which uses up
    the descriptor's signal (see wait_for_message): what came in between would be in no answer, and would wake nobody.
    Most sockets that come in here are plain ones; of zmq.green is the monitor in send_lines. (int() is for mypy, to
    which an option may also be bytes or a str.)
    """
    return bool(int(zmq.Socket.get(receiver, zmq.EVENTS)) & zmq.POLLIN)


def wait_for_message(receiver: zmq.Socket) -> None:
    """Lets the others run until there is a message to receive.

    A ZeroMQ socket has a file descriptor that becomes readable once each time that anything happens to the socket; it
    does not stay readable while messages wait. So one has to look first, then to wait, and to look again. zmq.green's
    sockets do so in each call, which costs more.
    """
    while not has_message(receiver):
        wait_read(receiver.get(zmq.FD))


def connect_and_watch(connector: zmq.Socket, who: str, endpoint: str) -> gevent.Greenlet:
    """Connects a socket, and says in the log when the other side is not there, comes, or goes.

    Returns the greenlet that watches, to be killed before the socket is closed. Raises zmq.ZMQError.
    """
    monitor = connector.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    connector.connect(endpoint)
    return gevent.spawn(watch_connection, monitor, who, endpoint)


def watch_connection(monitor: zmq.Socket, who: str, endpoint: str) -> None:
    """Reads a socket's monitor for good; closes it when killed."""
    not_there = gevent.spawn_later(CONNECT_PATIENCE_SECONDS, log.warning, "%s %s is not there yet: waiting for it",
                                   who, endpoint)
    is_connected = False
    try:
        while True:
            wait_for_message(monitor)
            event = recv_monitor_message(monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                not_there.kill()
                is_connected = True
                log.info("%s %s is connected", who, endpoint)
            elif is_connected:              # else it was a connection that never came to be
                is_connected = False
                log.warning("%s %s is gone: waiting for it", who, endpoint)
    finally:
        not_there.kill()
        monitor.close()


class ThrottledLog:
    """Counts what went wrong, by reason, and gathers it in one log line at most every REPORT_INTERVAL_SECONDS."""

    def __init__(self, headline: str) -> None:
        self.headline = headline            # of the line, with {} for the number
        self.counts: collections.Counter[str] = collections.Counter()
        self.first_places: dict[str, str] = {}
        self.last_report = -math.inf
        self.is_scheduled = False

    def add(self, reason: str, count: int = 1, place: str = "") -> None:
        """Counts one more (or `count`), which happened at that place."""
        self.counts[reason] += count
        self.first_places.setdefault(reason, place)
        if not self.is_scheduled:
            self.is_scheduled = True
            wait = self.last_report + REPORT_INTERVAL_SECONDS - time.monotonic()
            # If publish_lines, at its end, has called `report` by then, there is nothing left to say.
            gevent.spawn_later(max(0, wait), self.report)

    def report(self) -> None:
        """Says what has been counted since the last report."""
        if self.counts:
            reasons = []
            for reason, count in self.counts.most_common():
                place = self.first_places[reason]
                reasons.append(f"{reason} ({count}, the first in {place})" if place else f"{reason} ({count})")
            log.warning("%s: %s", self.headline.format(self.counts.total()), "; ".join(reasons))
        self.counts.clear()
        self.first_places.clear()
        self.last_report = time.monotonic()
        self.is_scheduled = False


# ---- Points: what is a point, what is a frame? ----------------------------------------------------------------------

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_LABEL_CHARACTERS = 64
DEFAULT_LABEL = "Value"                     # names the graph's line of the points that have no label
HALF_CHARACTER = re.compile("[\ud800-\udfff]")      # half of a surrogate pair: there is no UTF-8 for it

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10       # opcodes of frames (RFC 6455 §5.2)
DATA_OPCODES = (0, 1, 2)                    # continuation, text, binary
CONTROL_OPCODES = (CLOSE, PING, PONG)

Frame = bytes                               # one whole WebSocket frame, ready to send
Batch = bytes                               # the frames that go over the queue as one message


class Point(TypedDict, total=False):        # total=False: a key may be absent
    """A point as it goes to the tabs."""
    x: float        # milliseconds since the epoch; always there, like y
    y: float
    label: str      # absent: DEFAULT_LABEL


def refuse_constant(name: str) -> NoReturn:
    """Called for NaN and Infinity, which Python takes for JSON; a browser's JSON.parse would throw."""
    raise ValueError(name)


decode_json = json.JSONDecoder(parse_constant=refuse_constant).decode
encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parse_point(payload: bytes) -> Point:
    """The point in what a publisher has sent: the one gate through which everything goes that reaches a tab.

    Raises ValueError, with the reason, for all that is not a point.
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        fields = decode_json(payload.decode())
    except (ValueError, RecursionError):    # RecursionError: brackets in brackets, thousands deep
        raise ValueError("not JSON in UTF-8") from None
    if not isinstance(fields, dict):
        raise ValueError("not an object")
    return make_point(fields)


def make_point(fields: dict[str, Any]) -> Point:
    """A point with x (default: now), y, and label if there is one. Raises ValueError, with the reason, if one is wrong.
    """
    x = fields.get("x", time.time() * 1000)
    y: Any = fields.get("y")
    if not is_finite_number(x):
        raise ValueError("x is not a finite number")
    if not is_finite_number(y):
        raise ValueError("y is not a finite number")
    point = Point(x=x, y=y)
    if "label" in fields:
        if not is_label(fields["label"]):
            raise ValueError(f"label is not a string of 1 to {MAX_LABEL_CHARACTERS} characters")
        point["label"] = fields["label"]
    return point


def is_finite_number(value: object) -> bool:
    """Whether a browser, whose numbers are all doubles, can hold this value out of JSON."""
    if type(value) is int:                  # not isinstance: a bool is an int as well
        return abs(value) <= sys.float_info.max
    return type(value) is float and math.isfinite(value)


def is_label(value: object) -> bool:
    """Whether the value can name a line of the graph."""
    return (isinstance(value, str) and 1 <= len(value) <= MAX_LABEL_CHARACTERS
            and not HALF_CHARACTER.search(value))


def encode_frame(opcode: int, payload: bytes) -> Frame:
    """A whole WebSocket frame (RFC 6455 §5.2). A server's is not masked: the same bytes do for every tab."""
    header = Header.encode_header(fin=True, opcode=opcode, mask=b"", length=len(payload), flags=0)
    return bytes(header) + payload


# ---- Publishers: where do points come from? -------------------------------------------------------------------------

SINE_INTERVAL_SECONDS = 0.1
STDIN = 0                                   # standard input's file descriptor
STDIN_CHUNK_BYTES = 4096
# "nan" and "inf" are numbers here, so that parse_line can say "nan is not a finite number", not "no number".
NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[-+]?[0-9]+)?|[-+]?(nan|inf|infinity)",
                    re.ASCII | re.IGNORECASE)


def zmq_producer(context: zmq.green.Context, endpoint: str) -> None:
    """The article's sine wave, sent as any other publisher sends its points."""
    publisher = context.socket(zmq.PUB)
    publisher.connect(endpoint)
    due = time.monotonic()
    while True:
        x = time.time() * 1000
        y = 2.5 * (1 + math.sin(x / 500))
        publisher.send_json({"x": x, "y": y})
        due += SINE_INTERVAL_SECONDS        # the next one, whatever this one took: so the clock does not drift
        now = time.monotonic()
        due = max(due, now)                 # but what a standstill has missed is not made up for
        gevent.sleep(due - now)


def new_line_publisher(context: zmq.green.Context) -> zmq.green.Socket:
    """A publisher that waits for room where points come faster than they go, where an ordinary PUB would drop them.

    An XPUB can also receive, namely subscriptions. Closed, or no longer used, it still sends what it holds: this is
    what libzmq does by default (ZMQ_LINGER).
    """
    publisher = context.socket(zmq.XPUB)
    publisher.set(zmq.XPUB_NODROP, 1)
    return publisher


def stdin_producer(context: zmq.green.Context, endpoint: str) -> None:
    """Publishes the points in the lines of standard input, as long as there are any."""
    publisher = new_line_publisher(context)
    publisher.connect(endpoint)
    count = publish_lines(publisher)
    log.info("standard input ended after %d lines; still serving", count)


def publish_lines(publisher: zmq.green.Socket) -> int:
    """Publishes the points in the lines of standard input, and reports lines without one; returns how many lines came.
    """
    dropped = ThrottledLog("dropped {} lines of standard input")
    has_subscriber = False
    number = 0
    for number, line in enumerate(read_lines(), 1):
        try:
            point = parse_line(line)
        except ValueError as error:
            dropped.add(str(error), place=f"line {number}")
        else:
            if not has_subscriber:          # without one, the point would be dropped
                publisher.recv()            # the subscription; libzmq keeps it when the server is away for a while
                has_subscriber = True
            publisher.send(encode_json(point).encode())
    dropped.report()
    return number


def read_lines() -> Iterator[bytes]:
    """The lines of standard input without their ends. They are waited for in a thread, so that the hub goes on."""
    os.set_blocking(STDIN, True)            # it may be shared with a program that has set it otherwise
    read_in_thread = gevent.get_hub().threadpool.apply
    rest = b""
    while chunk := read_in_thread(os.read, (STDIN, STDIN_CHUNK_BYTES)):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        rest = rest[:MAX_PAYLOAD_BYTES + 1]     # of a line without an end, this is enough to refuse it
    if rest:
        yield rest


def parse_line(line: bytes) -> Point:
    """The point in a line: `0.5`, or `room one 21.5` (a label, white space, a number), or a point in JSON.

    Raises ValueError, with the reason, where there is none.
    """
    if len(line) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        words = line.decode().split()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not words:
        raise ValueError("empty line")
    if words[0].startswith("{"):
        return parse_point(line)
    *label_words, number_word = words
    if not NUMBER.fullmatch(number_word):   # float() alone would also take 1_000, and Arabic digits
        raise ValueError("no number at its end")
    number = float(number_word)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    if not label_words:
        return make_point({"y": number})
    return make_point({"label": " ".join(label_words), "y": number})


# ---- Relay: from the SUB to the queue -------------------------------------------------------------------------------

QUEUE = "inproc://queue"
# A node is a running ZWS. It connects to the nodes above, its upstreams, and the nodes below connect to it.
# A high-water mark is the number of messages that a ZeroMQ socket keeps for a slow reader; then it drops new ones.
QUEUE_HIGH_WATER_MARK = 40                  # in batches; at the queue's PUB, and again at each tab's SUB
NODES_HIGH_WATER_MARK = 10_000              # in points; at the PUB for the nodes below
MAX_PARTS = 8                               # of a message; the last is the point, the others may be topics
MAX_PART_BYTES = 1024 * 1024                # far above MAX_PAYLOAD_BYTES: libzmq disconnects whoever sends more
MAX_SUBSCRIPTION_BYTES = 64                 # enough for the handshake's READY, and for a subscription to everything
MAX_BATCH_BYTES = 8192
MAX_BATCH_MESSAGES = 100
TABS_IN_A_GROUP = 50                        # see Relay.publish
PARTS_IN_A_ROW = 5000                       # of a message that is too long; to read them takes some milliseconds
MAX_LABELS = 64
LABEL_SILENCE_SECONDS = 60                  # a label that is silent for longer gives its place to a new one
YEAR_SECONDS = 366 * 86_400

# libzmq also talks to clients of the old protocols ZMTP 1 and 2, and takes an HTTP request for ZMTP 1: any web page
# could publish. Where ZAP_DOMAIN, which is for authentication, is set to anything, libzmq refuses the old protocols.
# Nobody answers for that domain here, so all clients that speak ZMTP 3 get in.
ZMTP_3_ONLY = b"zws"

STAMP = struct.Struct(">4s8sQ")             # a stamp's bytes: STAMP_MARK, the name of the node, the number there
STAMP_MARK = b"\0zws"

Message = list[bytes]                       # a ZeroMQ message: its parts
FrameMaker = Callable[[Message], Frame]     # makes the frame of a message's point; raises ValueError if it has none


class Stamps:
    """Marks each point with the node where it came in, and its number there, so that no point comes twice.

    Nodes pass points on with their stamps. Each takes a node's points in rising order of their numbers only. So a point
    that comes by two ways is taken once, and one that has gone round a loop of nodes is not taken again where it began.
    """

    def __init__(self) -> None:
        self.own_node = os.urandom(8)       # a new name at each start, since the numbers begin again at 1
        # The last number of each node, and of this one. It grows by one entry whenever a node is started.
        self.newest: dict[bytes, int] = {self.own_node: 0}
        self.missed = ThrottledLog("missed {} points of upstream nodes")

    def next(self) -> bytes:
        """The stamp of a point that comes in here."""
        self.newest[self.own_node] += 1
        return STAMP.pack(STAMP_MARK, self.own_node, self.newest[self.own_node])

    def is_new(self, stamp: bytes) -> bool:
        """Whether a point with this stamp has not been here yet; from then on it has."""
        _, node, number = STAMP.unpack(stamp)
        if node in self.newest:
            missed = number - self.newest[node] - 1
            if missed < 0:
                return False
            if missed > 0:
                self.missed.add(f"node {node.hex()}", count=missed)
        self.newest[node] = number
        return True


class LabelHistory:
    """What is known of one label: its last frames, when it was heard, and whether its x was complained of."""

    def __init__(self, max_frames: int) -> None:
        self.frames: collections.deque[Frame] = collections.deque(maxlen=max_frames)
        self.heard_at = time.monotonic()    # in seconds
        self.told_about_seconds = False     # whether the log has said that its x is in seconds


class History:
    """The last frames of each label, for new tabs; the label that has been silent longest comes first."""

    def __init__(self, max_frames: int) -> None:
        self.max_frames = max_frames        # of each label
        self.labels: collections.OrderedDict[str, LabelHistory] = collections.OrderedDict()
        self.all_frames_cache: bytes | None = None

    def of(self, label: str) -> LabelHistory:
        """The history of this label, a new one if need be. Raises ValueError if there is no room for one more."""
        if label not in self.labels:
            if len(self.labels) >= MAX_LABELS:
                self.drop_silent_label()
            self.labels[label] = LabelHistory(self.max_frames)
        return self.labels[label]

    def drop_silent_label(self) -> None:
        """Makes room for a label. Raises ValueError if all are in use."""
        longest_silent, history = next(iter(self.labels.items()))
        if time.monotonic() - history.heard_at < LABEL_SILENCE_SECONDS:
            raise ValueError(f"more than {MAX_LABELS} labels")
        del self.labels[longest_silent]

    def add(self, label: str, frame: Frame) -> None:
        """Keeps a label's newest frame."""
        history = self.of(label)
        history.frames.append(frame)
        history.heard_at = time.monotonic()
        self.labels.move_to_end(label)
        self.all_frames_cache = None

    def all_frames(self) -> bytes:
        """All frames, one behind the other.

        They are cached, so that tabs that join between two points, and then stall, share one copy.
        """
        if self.all_frames_cache is None:
            frames = (frame for history in self.labels.values() for frame in history.frames)
            self.all_frames_cache = b"".join(frames)
        return self.all_frames_cache


class Relay:
    """tcp SUB -> inproc PUB: makes each point a frame once, for all tabs, and keeps the last ones for new tabs.

    Publishers connect to one SUB. For each upstream node there is one more, which connects to it. Only what comes from
    there may carry a stamp: from a publisher it is taken for a topic, so that nobody can forge one. What goes to the
    tabs also goes to the nodes below, with its stamp.

    Why a queue, a PUB and a SUB for each tab, within one thread? For its high-water mark: a slow tab's SUB holds some
    batches and drops the rest. No tab waits on its SUB. A batch that is sent to the PUB is in every SUB at once, so the
    relay just calls each tab, which takes it and sends it on.

    From the making of a frame until its batch is on the queue, nothing may switch to another greenlet: the frame is in
    the history already, so a tab that joined in between would get it twice. Nor may anything switch while the tabs are
    called, since tabs could come and go.
    """

    def __init__(self, context: zmq.green.Context, max_frames: int) -> None:
        # A shadow is the same context of libzmq, as an object of plain pyzmq: its sockets never switch to another
        # greenlet within `recv` and `send`, as those of zmq.green do.
        self.context = zmq.Context.shadow(context)
        self.history = History(max_frames)
        self.stamps = Stamps()
        self.dropped = ThrottledLog("dropped {} messages")
        self.tabs: dict[Tab, None] = {}     # a set that keeps the order in which they came
        self.inputs: list[tuple[zmq.Socket, FrameMaker]] = []       # the SUBs, and how to read what comes from each
        self.nodes: zmq.Socket | None = None        # the PUB for the nodes below
        self.queue = self.context.socket(zmq.PUB)
        self.queue.set(zmq.SNDHWM, QUEUE_HIGH_WATER_MARK)
        self.queue.bind(QUEUE)
        # `publish` calls update_queue. While no points come, the hub does, so that SUBs of tabs that left are freed.
        self.queue_watcher = gevent.get_hub().loop.io(self.queue.get(zmq.FD), READABLE)
        self.queue_watcher.start(self.update_queue)

    # The ways in and out

    def new_sub(self) -> zmq.Socket:
        """A SUB for everything, not connected yet. Raises zmq.ZMQError if no file descriptor or socket is left."""
        sub = self.context.socket(zmq.SUB)
        sub.subscribe(b"")
        return sub

    def listen(self, endpoint: str) -> str:
        """Opens the SUB to which publishers connect, and returns where it is. Raises zmq.ZMQError."""
        sub = self.new_sub()
        sub.set(zmq.MAXMSGSIZE, MAX_PART_BYTES)
        bind_for_strangers(sub, endpoint)
        self.inputs.append((sub, self.frame_from_publisher))
        return sub.get_string(zmq.LAST_ENDPOINT)        # with the real port, if it asked for any free one

    def connect(self, endpoint: str) -> None:
        """Opens a SUB to an upstream node. Raises zmq.ZMQError."""
        sub = self.new_sub()
        sub.set(zmq.MAXMSGSIZE, MAX_PART_BYTES)
        # ZMTP_3_ONLY is for strangers who connect to us; to whom we connect is our choice.
        connect_and_watch(sub, "upstream", endpoint)    # for good, as this SUB is never closed
        self.inputs.append((sub, self.frame_from_upstream))

    def republish(self, endpoint: str) -> None:
        """Opens the PUB to which the nodes below connect. Raises zmq.ZMQError."""
        self.nodes = self.context.socket(zmq.PUB)
        self.nodes.set(zmq.SNDHWM, NODES_HIGH_WATER_MARK)
        self.nodes.set(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)  # a PUB keeps every topic that it is asked for
        bind_for_strangers(self.nodes, endpoint)

    # The way of a point

    def run(self, sub: zmq.Socket, make_frame: FrameMaker) -> None:
        """The relay greenlet, one for each SUB: takes what comes, and publishes it on the queue."""
        while True:
            messages = receive_messages(sub)
            frames = []
            for message in messages:        # from here until the batch is on the queue, nothing may switch (see Relay)
                try:
                    frames.append(make_frame(message))
                except ValueError as error:
                    self.dropped.add(str(error))
            if any(frames):                 # an empty one stands for a point that has been here already
                self.publish(b"".join(frames))
            let_others_run()                # a flood of messages must not keep the hub from all else

    def frame_from_publisher(self, message: Message) -> Frame:
        """The frame of a publisher's point. Raises ValueError, with the reason, if the message holds no point."""
        if len(message) > MAX_PARTS:
            raise ValueError(f"more than {MAX_PARTS} parts")
        return self.take_in(parse_point(message[-1]))

    def frame_from_upstream(self, message: Message) -> Frame:
        """The frame of a point that another node passes on; an empty one if the point has been here already.

        A publisher that listens can be connected to as well: what comes without a stamp is a publisher's point.
        """
        is_stamped = len(message) == 2 and len(message[0]) == STAMP.size and message[0].startswith(STAMP_MARK)
        if not is_stamped:
            return self.frame_from_publisher(message)
        stamp, payload = message
        if not self.stamps.is_new(stamp):
            return b""
        return self.take_in(parse_point(payload), stamp)

    def take_in(self, point: Point, stamp: bytes | None = None) -> Frame:
        """Makes the point's frame, keeps it for new tabs, and passes the point on to the nodes below.

        Without a stamp the point has come in here, and gets one for them. Raises ValueError if its label has no room.
        """
        label = point.get("label", DEFAULT_LABEL)
        label_history = self.history.of(label)
        is_in_seconds = abs(point["x"] - time.time()) < YEAR_SECONDS        # x is about now, but in seconds
        if is_in_seconds and not label_history.told_about_seconds:
            label_history.told_about_seconds = True
            log.warning("label %r has x in seconds; x is in milliseconds: multiply it by 1000", label)
        payload = encode_json(point).encode()
        if self.nodes:
            self.nodes.send_multipart([stamp or self.stamps.next(), payload])
        frame = encode_frame(TEXT, payload)
        self.history.add(label, frame)
        return frame

    def publish(self, batch: Batch) -> None:
        """Puts a batch on the queue, and has each tab that is not full take the next one from its SUB and send it.

        This is the hot path. First a group of tabs takes, then the group sends: to repeat one step keeps its code in
        the processor's cache, and a small group keeps its batches there too. That is cheaper than tab by tab.
        """
        self.update_queue()
        self.queue.send(batch)
        ready_tabs = [tab for tab in self.tabs if not tab.pending]      # live or catching up: see Tab
        for start in range(0, len(ready_tabs), TABS_IN_A_GROUP):
            group = ready_tabs[start:start + TABS_IN_A_GROUP]
            batches = [tab.take_batch() for tab in group]
            for tab, taken in zip(group, batches, strict=True):
                tab.send_batch(taken)

    def update_queue(self) -> None:
        """Lets the queue's PUB see at once which SUBs have come or gone, and which have room again.

        By itself it looks for that only when it sends, and then once a millisecond at most: a tab that had just joined
        would miss points. To ask for its events makes it look; the answer does not matter.
        """
        self.queue.get(zmq.EVENTS)


def receive_messages(sub: zmq.Socket) -> list[Message]:
    """Waits for a message and takes those that wait behind it: the more points come, the less each one costs."""
    wait_for_message(sub)
    messages: list[Message] = []
    batch_bytes = 0
    while batch_bytes < MAX_BATCH_BYTES and len(messages) < MAX_BATCH_MESSAGES and has_message(sub):
        messages.append(receive_message(sub))
        payload = messages[-1][-1]
        batch_bytes += len(payload)
    return messages


def receive_message(sub: zmq.Socket) -> Message:
    """The parts of a message that waits: at most MAX_PARTS + 1, by which it is refused. The rest is read away.

    A message arrives whole, so that no `recv` here has to wait. It may have a million parts, so the others get their
    turn in between. With copy=False `recv` returns a zmq.Frame, which knows whether more follow.
    """
    parts: Message = []
    count = 0
    while True:
        part = sub.recv(copy=False)
        count += 1
        if count <= MAX_PARTS + 1:
            parts.append(part.bytes)
        if not part.more:
            return parts
        if count % PARTS_IN_A_ROW == 0:
            let_others_run()


def bind_for_strangers(listener: zmq.Socket, endpoint: str) -> None:
    """Opens a ZeroMQ port to anybody's program."""
    listener.set(zmq.ZAP_DOMAIN, ZMTP_3_ONLY)
    listener.bind(endpoint)


# ---- Tab: from the queue to one WebSocket ---------------------------------------------------------------------------

NOBLOCK = int(zmq.NOBLOCK)                  # pyzmq is quicker with a plain int than with its enum

GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_DATA = 1001, 1002, 1003, 1007    # RFC 6455 §7.4.1
CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}      # that may be sent (IANA's registry)
LINGER_SECONDS = 0.5                        # for a client to read the close frame


class Ending(Exception):
    """Why a connection ends: the code and reason in its close frame. Without a code, the close frame is empty.

    The reading side raises it; `close` takes it as a plain value.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()   # RFC 6455 §5.5.1


class Tab:
    """One WebSocket client: its own SUB on the queue, and the one path by which bytes go to its socket.

    A tab is in one of three states:
    - *live*: nothing is pending, and no batch waits. The relay has it take and send each batch that is published.
    - *full*: its socket has not taken all. The rest is in `pending`, batches wait in the SUB, and the hub calls
      `send_pending` as soon as the socket takes more.
    - *catching up*: nothing is pending, but batches may wait in the SUB. Besides the relay, the hub calls `pump`.
    Whoever calls, a tab takes the oldest batch in its SUB, so the order stays. Once `closing` is set (a close frame was
    sent, the connection has failed, or the tab has left), no batch follows.
    """

    def __init__(self, ws: WebSocket, subscriber: zmq.Socket, relay: Relay) -> None:
        self.ws = ws
        self.relay = relay
        self.subscriber = subscriber
        self.socket = ws.handler.socket
        self.address = ws.handler.client_address
        self.closing = False
        self.pending: list[memoryview] = []
        self.watcher = gevent.get_hub().loop.io(self.socket.fileno(), WRITABLE)
        # Each batch needs these two, so they are looked up only once. gevent's own `send` would wait where
        # the socket is full; that of the socket beneath it raises BlockingIOError.
        self.receive_batch = subscriber.recv
        self.send = self.socket._sock.send

    def serve(self) -> None:
        """Sends the history and all that comes, until the connection ends; leaves nothing behind."""
        try:
            self.join()
            self.answer_frames()
        except Ending as ending:
            self.close(ending)
            self.let_client_read_the_close()
        finally:
            self.leave()

    def join(self) -> None:
        """The history first, then live batches. If anything yielded here, points could come twice, or out of order."""
        self.subscriber.set(zmq.RCVHWM, QUEUE_HIGH_WATER_MARK)
        self.subscriber.connect(QUEUE)
        self.relay.tabs[self] = None        # `publish` makes the queue see the SUB before it sends the next batch
        self.write(self.relay.history.all_frames())
        log.debug("tab %s joined: %d", self.address, len(self.relay.tabs))

    def leave(self) -> None:
        """Ends all that the tab does. Its SUB is closed where it was made, in `WebSocketApp`."""
        self.relay.tabs.pop(self, None)
        log.debug("tab %s left: %d", self.address, len(self.relay.tabs))
        self.closing = True
        self.watcher.close()
        self.ws.closed = True               # or the library would send a close frame of its own

    # Sending

    def take_batch(self) -> Batch:
        """The next batch in the SUB; an empty one if there is none. An error ends this tab alone, not the relay."""
        if self.closing:
            return b""
        try:
            return self.receive_batch(NOBLOCK)
        except zmq.Again:
            return b""
        except Exception as error:
            self.fail(error)
            return b""

    def send_batch(self, batch: Batch) -> None:
        """Sends a batch to a socket for which nothing is pending. What it does not take is pending then."""
        if not batch:
            return
        try:
            sent = self.send(batch)
        except BlockingIOError:
            sent = 0
        except Exception as error:
            self.fail(error)
            return
        if sent < len(batch):
            self.keep(memoryview(batch)[sent:])

    def pump(self) -> None:
        """The hub calls it while the tab is catching up: sends the next batch, or finds that none waits any more."""
        batch = self.take_batch()
        if batch:
            self.send_batch(batch)
        else:
            self.watcher.stop()

    def write(self, data: bytes) -> None:
        """Sends data behind what is pending, so that nothing gets into the middle of another frame."""
        self.keep(memoryview(data))
        self.send_pending()

    def keep(self, data: memoryview) -> None:
        """Puts data behind what is pending. It is a view, so that nothing is copied, and the history is shared."""
        self.pending.append(data)
        self.watcher.start(self.send_pending)       # if it runs already, this only changes what it calls

    def send_pending(self) -> None:
        """Sends what a full socket had not taken, as far as it takes it now."""
        try:
            while self.pending:
                sent = self.send(self.pending[0])
                self.pending[0] = self.pending[0][sent:]
                if not self.pending[0]:
                    self.pending.pop(0)
        except BlockingIOError:             # still full: the hub calls again
            return
        except Exception as error:
            self.fail(error)
            return
        self.watcher.start(self.pump)       # instead of this function: batches may wait in the SUB

    def fail(self, error: Exception) -> None:
        """The connection cannot go on: shuts it down, so that the greenlet that reads from it sees its end."""
        self.closing = True
        self.pending.clear()
        self.watcher.stop()
        if not isinstance(error, OSError):  # clients come and go; all else is worth a line
            log.error("tab %s: %r", self.address, error)
        with contextlib.suppress(OSError):
            self.socket._sock.shutdown(socket.SHUT_RDWR)

    def close(self, ending: Ending) -> None:
        """Says to the client that the connection ends, and why, unless that has been said."""
        if not self.closing:
            self.closing = True
            self.write(encode_frame(CLOSE, ending.payload))

    def let_client_read_the_close(self) -> None:
        """Reads on for a little: a socket that is closed with unread bytes resets, and the close frame may be lost."""
        with gevent.Timeout(LINGER_SECONDS, False), contextlib.suppress(OSError):
            self.wait_until_sent()
            self.socket.shutdown(socket.SHUT_WR)
            while self.ws.raw_read(4096):
                pass

    def wait_until_sent(self) -> None:
        """Waits until the hub's calls of `send_pending` have sent all that is pending."""
        while self.pending:
            wait_write(self.socket.fileno())

    # Reading

    def answer_frames(self) -> None:
        """Answers pings until the client is gone. Raises Ending where the client, or what it sends, ends it."""
        while frame := self.read_frame():
            opcode, payload = frame
            if opcode == CLOSE:
                raise ending_in_answer_to(payload)
            if opcode == PING:
                self.wait_until_sent()      # so that no pongs pile up for a client that does not read
                self.write(encode_frame(PONG, payload))
            let_others_run()                # the reader's buffer may hold dozens of pings

    def read_frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next control frame; None where the client is gone. Raises Ending for other frames.

        `decode_header` and `raw_read` are the library's; where the connection breaks, they raise OSError, which goes up
        to gevent: see report_errors_in_one_line. A data frame, of whatever length, is refused without its payload.
        """
        try:
            header = Header.decode_header(self.ws.stream)
        except ProtocolError:
            raise Ending(PROTOCOL_ERROR, "fragmented or long control frame") from None
        except WebSocketError:              # the client has left within the header, or before it
            return None
        if header.flags:
            raise Ending(PROTOCOL_ERROR, "reserved bits are set")
        if header.opcode not in DATA_OPCODES + CONTROL_OPCODES:
            raise Ending(PROTOCOL_ERROR, "unknown opcode")
        if not header.mask:
            raise Ending(PROTOCOL_ERROR, "a client's frame must be masked")
        if header.opcode in DATA_OPCODES:
            raise Ending(UNSUPPORTED_DATA, "one-way stream")
        payload = self.ws.raw_read(header.length)
        if len(payload) < header.length:    # the client has left within the payload
            return None
        return header.opcode, bytes(header.unmask_payload(payload))


def ending_in_answer_to(payload: bytes) -> Ending:
    """How to answer a client's close frame: with its own code, or with what is wrong with it (RFC 6455 §5.5.1)."""
    if not payload:
        return Ending()
    code = int.from_bytes(payload[:2], "big")
    if code not in CLOSE_CODES:             # a payload of one byte ends here as well: it is less than 256
        return Ending(PROTOCOL_ERROR, "bad close code")
    try:
        payload[2:].decode()
    except UnicodeDecodeError:
        return Ending(INVALID_DATA, "reason is not UTF-8")
    return Ending(code)


# ---- Doors: who may come in? ----------------------------------------------------------------------------------------

HERE = os.path.dirname(os.path.abspath(__file__))
PAGE = "/graph.html"
SERVED_PATHS = (PAGE, "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js")
DEFAULT_WS_PORT = 9999                      # the one that graph.js takes if its address names none
COMMON_HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                  ("Cache-Control", "no-cache"), ("Connection", "close")]
# What the page may load, and who may show it in a frame: nobody (Content Security Policy, level 3). A policy can name a
# WebSocket by its host and port, but not where the host is an IPv6 address; so it allows any.
PAGE_POLICY = ("default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src ws: wss:; "
               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
HOST = re.compile(r"([\w.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?", re.ASCII | re.IGNORECASE)    # RFC 9110 §7.2
ORIGIN = re.compile(r"(https?)://([\w.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)   # RFC 6454 §7
SCHEME_PORTS = {"http": 80, "https": 443}   # https: behind a proxy that speaks TLS on the port of our page
# The view, as graph.js keeps it in the page's address. A redirect keeps these parameters only.
VIEW_PARAMETER = re.compile(r"points=[0-9]+|span=[0-9.]+|y=[-+.0-9e]+(,|%2C)[-+.0-9e]+|apart(=1?)?", re.IGNORECASE)
WEBSOCKET_KEY = re.compile("[A-Za-z0-9+/]{22}==")   # 16 bytes in base64 (RFC 6455 §4.1)

StartResponse = Callable[..., Any]
Environ = dict[str, Any]


class Refusal(NamedTuple):
    """Why a request gets nothing: an HTTP status and a line of text."""
    status: str
    text: str


WRONG_HOST = Refusal("403 Forbidden", "No such host here; see --allow-host.")
NO_PAGE = Refusal("404 Not Found", "No such page here.")


class Doors:
    """Knows this server's names and answers two questions: is this Host ours, is this Origin ours?

    A request with another Host may be DNS rebinding: somebody's own name that resolves to our address, so that their
    page may read ours. Where the server listens beyond loopback, any IP address is a name of it too, since an address
    in the Host header was not resolved by anybody.
    """

    def __init__(self, names: Iterable[str], page_port: int, beyond_loopback: bool) -> None:
        self.names = {name.lower() for name in names}
        self.page_port = page_port
        self.beyond_loopback = beyond_loopback

    def our_name(self, environ: Environ) -> str | None:
        """The name in a request's Host header, if it is one of ours. The port there proves nothing about the name."""
        match = HOST.fullmatch(environ.get("HTTP_HOST", ""))
        if not match:
            return None
        name = match[1].lower()
        is_ours = name in self.names or (self.beyond_loopback and is_ip_address(name))
        return name if is_ours else None

    def is_our_origin(self, origin: str, host_name: str) -> bool:
        """Whether a page of this origin is ours: it came from our page's port, by our name or the request's own."""
        match = ORIGIN.fullmatch(origin)
        if not match:
            return False
        scheme, name, port = match[1].lower(), match[2].lower(), match[3]
        if int(port or SCHEME_PORTS[scheme]) != self.page_port:
            return False
        return name in self.names or name == host_name


def is_ip_address(name: str) -> bool:
    """Whether a host's name is an IP address, of version 6 in brackets."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class WebSocketApp:
    """The application of the WebSocket port: gives every client a tab."""

    def __init__(self, relay: Relay, doors: Doors, max_tabs: int) -> None:
        self.relay = relay
        self.doors = doors
        self.max_tabs = max_tabs

    def must_not_upgrade(self, handler: WebSocketHandler) -> bool:
        """gevent-websocket's pre_start_hook: whether `__call__` gets the request as plain HTTP, without an upgrade.

        Besides judging the request, it takes what a tab needs: once the client has been told "101 Switching Protocols",
        it is too late to find that no file descriptor or ZeroMQ socket is left.
        """
        environ = handler.environ
        environ["zws.refusal"] = self.refusal(environ)
        if environ["zws.refusal"] is None:
            try:
                subscriber = self.relay.new_sub()
            except zmq.ZMQError:
                environ["zws.refusal"] = Refusal("503 Service Unavailable", "No room is left for a tab.")
                return True
            # The upgrade can still fail, and then `__call__` never comes. But the greenlet of this connection ends in
            # any case, and calls what is linked to it: then the SUB is closed (0: without waiting to send anything).
            gevent.getcurrent().rawlink(lambda greenlet: subscriber.close(0))
            environ["zws.subscriber"] = subscriber
        return environ["zws.refusal"] is not None

    def refusal(self, environ: Environ) -> Refusal | None:
        """Why a client gets no tab; None where it gets one."""
        host_name = self.doors.our_name(environ)
        if not host_name:
            return WRONG_HOST
        if environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            return Refusal("426 Upgrade Required", "This port speaks WebSocket.")
        if not is_handshake(environ):
            return Refusal("400 Bad Request", "Not a WebSocket handshake (RFC 6455, version 13).")
        origin = environ.get("HTTP_ORIGIN")     # only browsers send one
        if origin is not None and not self.doors.is_our_origin(origin, host_name):
            return Refusal("403 Forbidden", "Pages of another origin may not connect.")
        if len(self.relay.tabs) >= self.max_tabs:
            return Refusal("503 Service Unavailable", f"All {self.max_tabs} tabs are taken.")
        return None

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Refuses a request that was not upgraded; serves the WebSocket of one that was."""
        refusal = environ["zws.refusal"]
        if refusal:
            # 426 must say to what protocol to upgrade (RFC 9110 §15.5.22), and 400 which version is spoken (RFC 6455
            # §4.4); the others may. To this Connection `answer` adds `close`: the two headers make one list.
            return answer(environ, start_response, *refusal, ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                          ("Sec-WebSocket-Version", "13"))
        Tab(environ["wsgi.websocket"], environ["zws.subscriber"], self.relay).serve()
        return []


def is_handshake(environ: Environ) -> bool:
    """Whether a request to upgrade to WebSocket is as RFC 6455 §4.1 wants it."""
    connection = environ.get("HTTP_CONNECTION", "").lower()
    return (environ["REQUEST_METHOD"] == "GET"
            and environ["SERVER_PROTOCOL"] == "HTTP/1.1"
            and "upgrade" in re.split(r"[ \t,]+", connection)
            and environ.get("HTTP_SEC_WEBSOCKET_VERSION") == "13"
            and WEBSOCKET_KEY.fullmatch(environ.get("HTTP_SEC_WEBSOCKET_KEY", "")) is not None
            and environ.get("CONTENT_LENGTH", "0") == "0"       # no body: what comes next are frames
            and not environ.get("HTTP_TRANSFER_ENCODING"))


class StaticFiles:
    """The application of the page's port: paste's StaticURLParser behind the list of what it may serve."""

    def __init__(self, doors: Doors, ws_port: int) -> None:
        self.doors = doors
        self.ws_port = ws_port
        self.parser = StaticURLParser(HERE)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
        if not self.doors.our_name(environ):
            return answer(environ, start_response, *WRONG_HOST)
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(environ, start_response, "405 Method Not Allowed", "GET or HEAD.", ("Allow", "GET, HEAD"))
        if path == "/" or (path == PAGE and self.names_other_port(query)):
            location = ("Location", self.page_with_port(query))
            return answer(environ, start_response, "302 Found", "See there.", location)
        if path not in SERVED_PATHS:
            return answer(environ, start_response, *NO_PAGE)
        return self.serve_file(environ, start_response)

    def names_other_port(self, query: str) -> bool:
        """Whether the page, opened with this query, would look for its WebSocket at another port than ours."""
        port_parameters = [parameter for parameter in query.split("&") if parameter.startswith("ws=")]
        if not port_parameters:
            return self.ws_port != DEFAULT_WS_PORT
        return port_parameters != [f"ws={self.ws_port}"]

    def page_with_port(self, query: str) -> str:
        """The page's address with our WebSocket port, and with the parameters of the view that the query had."""
        view = [parameter for parameter in query.split("&") if VIEW_PARAMETER.fullmatch(parameter)]
        return PAGE + "?" + "&".join([f"ws={self.ws_port}", *view])

    def serve_file(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Has paste serve the file. It gets no HTTP_ header of the request: an odd If-None-Match makes it fail."""
        without_headers = {name: value for name, value in environ.items() if not name.startswith("HTTP_")}
        start: list[Any] = []               # the status and the headers with which paste calls start_response
        body = self.parser(without_headers, lambda *arguments: start.extend(arguments))
        status, file_headers = start[:2]
        if status != "200 OK":              # the file has gone, or cannot be read: paste's text names our folders
            return answer(environ, start_response, *NO_PAGE)
        start_response(status, [*file_headers, *COMMON_HEADERS, ("Content-Security-Policy", PAGE_POLICY)])
        return body


def answer(environ: Environ, start_response: StartResponse, status: str, text: str,
           *headers: tuple[str, str]) -> list[bytes]:
    """A response of one line of plain text."""
    body = text.encode() + b"\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))),
                            *headers, *COMMON_HEADERS])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


# ---- Connections: gevent's server and handler, with bounds ----------------------------------------------------------

MAX_REQUEST_BYTES = 32 * 1024
MAX_REQUEST_SECONDS = 10
READ_BUFFER_BYTES = 512                     # of each connection
WAITING_CONNECTIONS = 4096                  # that the system keeps until they are accepted; it ignores those beyond

SOCKET_OPTIONS = [                          # level, name and value; a system may lack some of them
    ("SOL_SOCKET", "SO_SNDBUF", 128 * 1024),            # bytes that the system holds for a slow client
    ("SOL_SOCKET", "SO_KEEPALIVE", 1),
    ("IPPROTO_TCP", "TCP_KEEPIDLE", 10),                # seconds; then a silent client gets a probe: is it still there?
    ("IPPROTO_TCP", "TCP_KEEPINTVL", 5),                # seconds; then another, each time that none was answered
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT", 20_000),        # ms; who acknowledges nothing, no probe either, is gone
    ("IPPROTO_TCP", "TCP_NODELAY", 1),
]


class FairReader(socket.SocketIO):
    """A client's bytes. gevent's recv does not switch while there are any: a flood would have the hub to itself.

    Ends a client that sends more than `bytes_left`.
    """

    bytes_left: float = MAX_REQUEST_BYTES   # that the client may send
    has_read = False

    def readinto(self, buffer: Any) -> int:
        if self.has_read:                   # not before the first read, as a short request needs no other
            let_others_run()
        self.has_read = True
        size = super().readinto(buffer) or 0    # None is for sockets that do not wait, so never here
        self.bytes_left -= size
        if self.bytes_left < 0:
            raise ConnectionAbortedError("request too long")
        return size


class Handler(WebSocketHandler):
    """The libraries' handler of a connection, with bounds: one request, which is short and done within 10 s."""

    logger = logging.Logger("geventwebsocket", logging.CRITICAL)    # instead of the library's, which logs each refusal

    def __init__(self, connection: Any, address: Any, server: Server) -> None:
        self.reader = FairReader(connection, "r")
        self.deadline = gevent.Timeout(MAX_REQUEST_SECONDS, False)
        rfile = io.BufferedReader(self.reader, READ_BUFFER_BYTES)   # the library reads request and frames from it
        super().__init__(connection, address, server, rfile)

    def handle_one_request(self) -> Any:
        """The library's own, within the deadline. Called once: none follows `Connection: close`, or a WebSocket."""
        with self.deadline:
            return super().handle_one_request()
        # The deadline has passed: a Timeout with False ends its block silently. On None gevent closes the connection.
        return None

    def run_websocket(self) -> None:
        """The library calls this after an upgrade. The bounds are those of a request; a WebSocket lasts."""
        self.deadline.close()
        self.reader.bytes_left = math.inf
        super().run_websocket()

    def handle_error(self, *error: Any) -> None:
        """The library would send a response of status 500, and wait for a client that may not read it."""
        self._log_error(*error)             # by way of the hub: see report_errors_in_one_line
        self.close_connection = True

    def _handle_client_error(self, error: Exception) -> Any:
        """Answers with status 400; nothing, to an OSError. The library prints a traceback of all but a ValueError."""
        if isinstance(error, OSError):      # the client has left, or FairReader has ended it
            return None                     # gevent closes the connection without an answer
        return super()._handle_client_error(ValueError(str(error)))


class Server(WSGIServer):
    """gevent's HTTP server, with bounds on the connections that are open, and on what a slow one holds."""

    max_accept = 10                         # in a row, then all else gets its turn; gevent's 100 keep the hub for long

    def __init__(self, host: str, port: int, max_connections: int) -> None:
        no_name = {"SERVER_NAME": ""}       # or gevent asks the name server for it
        pool_size = max_connections         # gevent accepts no more than these at a time
        super().__init__((host, port), backlog=WAITING_CONNECTIONS, spawn=pool_size, handler_class=Handler,
                         log=None, error_log=None, environ=no_name)

    def open(self) -> None:
        """Listens; connections wait until `start`. Raises OSError. Connections inherit the socket's options."""
        self.init_socket()
        for level, name, value in SOCKET_OPTIONS:
            if hasattr(socket, name):
                self.socket.setsockopt(getattr(socket, level), getattr(socket, name), value)


def report_errors_in_one_line(hub: Any) -> None:
    """Makes gevent's hub report an error in one line, and connections that were reset or timed out not at all."""
    out_of_descriptors = ThrottledLog("could not accept a connection {} times")

    def print_exception(context: object, kind: type[BaseException], error: BaseException, traceback: object) -> None:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            out_of_descriptors.add("all file descriptors are in use")
        else:
            log.error("%s: %r", context, error)
    hub.print_exception = print_exception
    # gevent.Timeout: a Handler's deadline that gevent's own `except:` has caught before the Handler's `with` could.
    hub.NOT_ERROR = (*hub.NOT_ERROR, ConnectionError, TimeoutError, gevent.Timeout)


# ---- Command line: options, limits of the machine, browsers, and main -----------------------------------------------

MAX_PORT = 65_535
MAX_HISTORY = 1_000_000
MAX_TABS = 60_000
FILES_PER_TAB = 2                           # descriptors, on Linux: its socket's, and its SUB's
SPARE_FILES = 2000                          # descriptors for all that is not a tab
SPARE_SOCKETS = 100                         # of ZeroMQ, for all that is not a tab
END_SECONDS = 1.0                           # the server waits so long for its tabs to answer their close frames
CONSOLE_BROWSERS = ("www-browser", "links", "elinks", "lynx", "w3m")    # they would take the terminal


class ArgumentParser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"zws: {message}; see --help\n")


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The options. Ends the program with status 2 where they are wrong, and 1 where a port or an endpoint cannot be."""
    parser = ArgumentParser(prog="zws.py", description="Live points from ZeroMQ to every open browser tab.",
                            allow_abbrev=False)
    option = parser.add_argument
    option("--source", choices=("sine", "stdin", "none"), default="sine", help="what it publishes; default: sine")
    option("--no-browser", action="store_true", help="open no browser windows")
    option("--host", default="127.0.0.1", help="where to listen; 0.0.0.0: for other devices too; default: %(default)s")
    option("--http-port", type=int, default=8000, metavar="PORT", help="the page's; 0: any free; default: %(default)s")
    option("--ws-port", type=int, default=DEFAULT_WS_PORT, metavar="PORT",
           help="the tabs'; 0: any free; default: %(default)s")
    option("--zmq", default="tcp://127.0.0.1:5000", metavar="ENDPOINT", help="for publishers; default: %(default)s")
    option("--history", type=int, default=100, metavar="N", help="points kept of each label; default: %(default)s")
    option("--allow-host", action="append", default=[], metavar="NAME", help="one more name of this server; repeatable")
    option("--upstream", action="append", default=[], metavar="ENDPOINT", help="take another node's points; repeatable")
    option("--republish", metavar="ENDPOINT", help="publish all points there, for other nodes")
    option("--verbose", action="store_true", help="log every tab that comes or goes")
    option("--send", metavar="ENDPOINT", help="serve nothing: send the lines of standard input to a running server")
    options = parser.parse_args(arguments)
    if not options.host:
        parser.error("argument --host: empty")
    if options.send == "":
        parser.error("argument --send: empty")
    if not 0 <= options.history <= MAX_HISTORY:
        parser.error(f"argument --history: not a number from 0 to {MAX_HISTORY}")
    check_places(options)
    return options


def check_places(options: argparse.Namespace) -> None:
    """Ends the program where a port or an endpoint cannot be. ZeroMQ takes a port beyond 65535 for another one."""
    for port in (options.http_port, options.ws_port):
        if not 0 <= port <= MAX_PORT:
            sys.exit(f"zws: there is no port {port}")
    for endpoint in (options.zmq, options.republish, options.send, *options.upstream):
        if endpoint and "://" not in endpoint:
            sys.exit(f"zws: an endpoint is like tcp://127.0.0.1:5000, not {endpoint}")
        port_of_endpoint = re.search(r"^tcp://.*:([0-9]+)$", endpoint or "")
        if port_of_endpoint and int(port_of_endpoint[1]) > MAX_PORT:
            sys.exit(f"zws: there is no port {port_of_endpoint[1]}: {endpoint}")


def check_page_files() -> None:
    """Ends the program where a file of the page is missing."""
    for path in SERVED_PATHS:
        if not os.path.isfile(HERE + path):
            remedy = "; run: npm ci --prefix flot" if "flot" in path else ""
            sys.exit(f"zws: {path[1:]} is missing{remedy}")


def raise_file_limit() -> int:
    """Raises the limit of file descriptors to what all tabs need, or to what is allowed. Returns what to count on."""
    wanted = MAX_TABS * FILES_PER_TAB + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    while wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            return wanted
        except (OSError, ValueError):       # macOS has a limit of its own below an infinite one
            wanted //= 2
    return soft


@contextlib.contextmanager
def opening(place: str) -> Iterator[None]:
    """Ends the program with one line where a place cannot be opened."""
    try:
        yield
    except (OSError, UnicodeError, zmq.ZMQError) as error:      # UnicodeError: a name that cannot be a host's
        sys.exit(f"zws: cannot open {place}: {explain(error)}")


def explain(error: Exception) -> str:
    """The system's own words for an error; str(error) would repeat the place."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror).partition(":")[0]    # gevent has appended ": " and the address
    number = getattr(error, "errno", None)
    if number is None:
        return str(error)
    return zmq.strerror(number)             # it knows the system's errors as well as ZeroMQ's


class Limits(NamedTuple):
    """How many tabs there can be, and how many connections to each port, so that the file descriptors suffice."""
    tabs: int
    ws_connections: int         # more than tabs, so that a client that gets no tab can be told so
    page_connections: int


def share_out(max_files: int) -> Limits:
    """Shares out the file descriptors.

    Of those that are not for tabs, an eighth goes to refusals at the WebSocket port and a quarter to the page; the rest
    is left for publishers, nodes and all else.
    """
    spare_files = min(SPARE_FILES, max_files // 2)
    max_tabs = min(MAX_TABS, (max_files - spare_files) // FILES_PER_TAB)
    return Limits(tabs=max_tabs, ws_connections=max_tabs + spare_files // 8, page_connections=spare_files // 4)


def new_context(endpoints: Iterable[str], max_sockets: int) -> zmq.green.Context:
    """The ZeroMQ context of all sockets."""
    context = zmq.green.Context()
    context.set(zmq.MAX_SOCKETS, max_sockets)
    # Only where there is an IPv6 address, which stands in brackets. It also changes what tcp://*:5000 means, and the
    # banner would then call 127.0.0.1 [::ffff:127.0.0.1].
    context.set(zmq.IPV6, any("[" in endpoint for endpoint in endpoints))
    return context


def url_host(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def page_url(host: str, port: int) -> str:
    """Where a browser on this machine finds the page."""
    if host in ("127.0.0.1", "0.0.0.0"):
        host = "localhost"
    elif host == "::":
        host = "::1"
    return f"http://{url_host(host)}:{port}{PAGE}"


def own_address() -> str | None:
    """The IPv4 address by which other devices reach this machine; None if there is no network.

    To connect a UDP socket sends nothing: the system only chooses the address from which it would.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))     # nobody's: for documentation (RFC 5737)
        except OSError:
            return None
        return str(probe.getsockname()[0])


def print_banner(options: argparse.Namespace, page: str, page_port: int, endpoint: str) -> None:
    """Says where to look, where to publish and how to stop."""
    print(f"Graph:   {page}")
    address = own_address() if options.host in ("0.0.0.0", "::") else None      # "::" takes IPv4 clients as well
    if address:
        print(f"Devices: http://{address}:{page_port}{PAGE}")
    print(f"Publish: JSON points to {endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)


def open_browsers(url: str) -> None:
    """Opens two windows, to show that each gets all points; in the hub's thread pool, since a browser can block."""
    in_thread = gevent.get_hub().threadpool.apply
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        name = os.path.basename(getattr(browser, "name", ""))
        if name not in CONSOLE_BROWSERS:
            opened = [in_thread(browser.open_new, (url,)) for _ in range(2)]
            if any(opened):
                return
    print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def spawn_part(exit_status: gevent.event.AsyncResult, name: str, part: Callable[..., None], *arguments: Any) -> None:
    """Starts a part of the server as a greenlet. If it fails, the process ends with status 1: no server without it."""
    def run() -> None:
        try:
            part(*arguments)
        except Exception as error:
            log.error("the %s has failed: %r", name, error)
            exit_status.set(1)
    gevent.spawn(run)


def send_lines(endpoint: str) -> None:
    """Sends the lines of standard input to a running server, and returns when all of them are sent.

    A context ends only when its sockets are closed, the monitor too, and have sent all that they held.
    """
    context = new_context([endpoint], SPARE_SOCKETS)
    publisher = new_line_publisher(context)
    with opening(endpoint):
        watch = connect_and_watch(publisher, "server", endpoint)
    with opening("standard input"):         # read_lines raises OSError where it is closed, or cannot be read
        publish_lines(publisher)
    watch.kill()
    publisher.close()
    sending = gevent.get_hub().threadpool.spawn(context.term)   # waits until all is sent, in a thread: Ctrl-C works
    sending.wait(CONNECT_PATIENCE_SECONDS)
    if not sending.ready():
        log.warning("waiting for server %s to take the last lines", endpoint)
    sending.get()


def end_on_signal(end: Callable[[int], None]) -> None:
    """Ctrl-C and SIGTERM call `end` with exit status 0."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(signal_number, end, 0)


def close_tabs(relay: Relay) -> None:
    """Tells every tab that the server ends, and waits a little until they have answered."""
    with gevent.Timeout(END_SECONDS, False):
        while relay.tabs:
            for tab in relay.tabs:          # again and again, as one may join meanwhile; none is told twice
                tab.close(Ending(GOING_AWAY, "server stopped"))
            gevent.sleep(0.02)


def main() -> None:
    """Makes the parts, opens the ports, starts everything, waits for the end, and ends it."""
    options = parse_arguments(sys.argv[1:])
    logging.basicConfig(format="zws: %(message)s", level=logging.DEBUG if options.verbose else logging.INFO)
    report_errors_in_one_line(gevent.get_hub())
    if options.send is not None:
        end_on_signal(os._exit)             # at once; sys.exit would wait for the thread that reads the lines
        send_lines(options.send)
        return
    check_page_files()
    exit_status = gevent.event.AsyncResult()    # the process ends when it is set
    end_on_signal(exit_status.set)

    limits = share_out(raise_file_limit())
    endpoints = [options.zmq, options.republish or "", *options.upstream]
    context = new_context(endpoints, limits.tabs + SPARE_SOCKETS)
    relay = Relay(context, options.history)
    page_server = Server(options.host, options.http_port, limits.page_connections)
    ws_server = Server(options.host, options.ws_port, limits.ws_connections)
    with opening(options.zmq):
        publishers_endpoint = relay.listen(options.zmq)
    for endpoint in options.upstream:
        with opening(endpoint):
            relay.connect(endpoint)
    if options.republish is not None:
        with opening(options.republish):
            relay.republish(options.republish)
    host = url_host(options.host)
    with opening(f"{host}:{options.http_port}"):
        page_server.open()
    with opening(f"{host}:{options.ws_port}"):
        ws_server.open()

    # Once they are open, server_host and server_port are those really bound: an address, never a name, and no port 0.
    names = ["localhost", "127.0.0.1", "[::1]", host, *options.allow_host]
    beyond_loopback = not ipaddress.ip_address(page_server.server_host).is_loopback
    doors = Doors(names, page_server.server_port, beyond_loopback)
    page_server.application = StaticFiles(doors, ws_server.server_port)
    page_server.pre_start_hook = lambda handler: True       # true: go on as plain HTTP
    ws_server.application = WebSocketApp(relay, doors, limits.tabs)
    ws_server.pre_start_hook = ws_server.application.must_not_upgrade

    # As tabs come, Python's garbage collector would search all objects again and again, and find hardly any garbage.
    # Now it leaves out those that exist already, and searches the new ones after every 20,000, older ones more rarely.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    page_server.start()
    ws_server.start()
    for sub, make_frame in relay.inputs:
        spawn_part(exit_status, "relay", relay.run, sub, make_frame)
    url = page_url(options.host, page_server.server_port)
    print_banner(options, url, page_server.server_port, publishers_endpoint)
    if options.source == "sine":
        spawn_part(exit_status, "sine wave", zmq_producer, context, publishers_endpoint)
    if options.source == "stdin":
        spawn_part(exit_status, "reader of standard input", stdin_producer, context, publishers_endpoint)
    if not options.no_browser:
        gevent.spawn(open_browsers, url)

    status = exit_status.get()
    page_server.close()
    ws_server.close()
    close_tabs(relay)
    os._exit(status)                        # not sys.exit: a thread may still wait for a line or a browser


if __name__ == "__main__":
    main()
