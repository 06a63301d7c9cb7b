#!/usr/bin/env python3
"""ZWS: live points from ZeroMQ to every open browser tab, in one gevent process.

Run `python zws.py`, then open http://localhost:8000/graph.html in as many tabs as you like.

    publisher ──tcp PUB──▶ SUB :5000 ┐
     (the sine wave, stdin,          │ zmq_server            ┌─▶ SUB ─ tab 1 ─▶ WebSocket :9999
      or any other process)          └─▶ inproc PUB "queue" ─┼─▶ SUB ─ tab 2 ─▶ …
                                                             └─▶ SUB ─ tab n
    graph.html, graph.js, flot/  ──paste StaticURLParser, WSGI :8000──▶ browser

It began as an article of 2011, "Gevent, ZeroMQ, WebSockets and Flot FTW!". Its parts are here, in this order:

    main             main: the same stanzas. What the article did not have is called here, and defined below.
    zmq_producer     zmq_producer: the same formula, with x in milliseconds.
    zmq_server       zmq_server: the relay. Its `sock_outgoing` is `Queue`, whose history keeps the last points.
    WebSocketApp     WebSocketApp: subscribes each client to the queue. Instead of its loop `msg = sock.recv();
                     ws.send(msg)`, `Queue.publish` has each `Tab` send the next message.
    StaticURLParser  StaticFiles: the same parser, behind a list of what it may serve.
    graph.js         graph.js, beside this file.

That is the demo. Behind it stands what feeds and guards it: the log, points, lines, standard input, the history, the
record, nodes, doors, connections and the command line.
"""
from __future__ import annotations

import argparse
import collections
import contextlib
import csv
import datetime
import errno
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
import unicodedata
import urllib.parse
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

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


def main() -> None:
    """Sets up the ZeroMQ context and greenlets for all the servers, launches the web browser, starts the data producer,
    and waits for the end.
    """
    options = parse_arguments(sys.argv[1:])
    start_log(options.verbose)
    if options.send is not None:
        send_lines(options.send)            # serves nothing
        return
    check_page_files()
    max_tabs, max_others = share_out_files()
    context = new_context(max_tabs + SPARE_SOCKETS)
    end = gevent.event.AsyncResult()        # holds the exit status; the process ends when it is set
    end_on_signal(end.set)

    # zeromq: tcp to inproc gateway
    nodes = Nodes(context)
    queue = Queue(context, options.history, nodes)
    publishers, publishers_endpoint = listen_for_publishers(context, options.zmq)
    spawn_part(end, "relay", zmq_server, publishers, points_of_publisher, queue)
    for endpoint in options.upstream:
        spawn_part(end, "relay", zmq_server, nodes.connect(endpoint), nodes.points_of_upstream, queue)
    if options.republish is not None:
        nodes.listen(options.republish)
    if options.record is not None:
        queue.record = Record(options.record)
        spawn_part(end, "record", queue.record.keep_writing)

    # The ports of both servers, as each server has to know the other's
    http_listener = listen(options.host, options.http_port, "--http-port")
    ws_listener = listen(options.host, options.ws_port, "--ws-port")
    http_port = http_listener.getsockname()[1]
    ws_port = ws_listener.getsockname()[1]
    doors = Doors(options.host, options.allow_host, http_listener)

    # websocket server: copies inproc zmq messages to websocket
    ws_app = WebSocketApp(context, queue, doors, max_tabs)
    ws_server = Server(ws_listener, ws_app, max_connections=max_tabs + max_others)

    # http server: serves up static files
    http_server = Server(http_listener, StaticFiles(doors, ws_port), max_connections=max_others)

    # Start the server greenlets
    http_server.start()
    ws_server.start()

    # Open a couple of webbrowsers
    page = page_url(options.host, http_port)
    print_banner(options.host, page, http_port, publishers_endpoint)
    if not options.no_browser:
        gevent.spawn(open_browsers, page)

    # Kick off the producer
    if options.source == "sine":
        spawn_part(end, "sine wave", zmq_producer, context, publishers_endpoint)
    if options.source == "stdin":
        spawn_part(end, "reader of standard input", stdin_producer, context, publishers_endpoint)

    # Wait for the end, and end
    exit_status = end.get()
    http_server.close()
    ws_server.close()
    queue.close_tabs()
    if queue.record:
        queue.record.end()
    os._exit(exit_status)                   # not sys.exit: a thread may still wait for a line or a browser


# ---- The producer ---------------------------------------------------------------------------------------------------

SINE_INTERVAL_SECONDS = 0.1


def zmq_producer(context: zmq.Context, endpoint: str) -> None:
    """Produces a nice time series sine wave, and sends it as any other publisher sends its points."""
    publisher = context.socket(zmq.PUB)
    publisher.set(zmq.IPV6, has_only_ipv6(endpoint))
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


# ---- The relay: from the tcp socket to the inproc socket ------------------------------------------------------------

QUEUE = "inproc://queue"
# A high-water mark is the number of messages that are kept for a slow SUB; then the PUB drops new ones for this SUB.
QUEUE_HIGH_WATER_MARK = 40                  # at the queue's PUB and at each tab's SUB: they add up, to 80
SHORTEST_SLEEP_SECONDS = 1e-6               # gives the hub time to look for I/O, which sleep(0) rarely does
REST_SECONDS = 0.008                        # from one batch to the next: 125 a second are more than a screen shows
LONGEST_REST_SECONDS = 0.03                 # after much work; the page draws 30 times a second
MANY_MESSAGES = 4                           # in a batch: so many come in a rest only where hundreds come in a second
MAX_BATCH_MESSAGES = 500                    # taken at a time; the other greenlets wait meanwhile, some milliseconds
MAX_BATCH_BYTES = 64 * 1024                 # of these messages; the last one may go over it
TABS_IN_A_GROUP = 50                        # see Queue.have_tabs_send
MAX_FRAME_BYTES = 32 * 1024                 # of what goes to a tab
MAX_PARTS = 8                               # of a message; the last is the point, the others may be topics
MAX_PART_BYTES = 1024 * 1024                # far above MAX_PAYLOAD_BYTES: libzmq disconnects whoever sends more
PARTS_IN_A_ROW = 5000                       # of a message that is too long; to read them takes some milliseconds
READABLE, WRITABLE = 1, 2                   # what a watcher of gevent's loop can wait for

Message = list[bytes]                       # a ZeroMQ message: its parts
Frame = bytes                               # one whole WebSocket frame, ready to send


def zmq_server(sock_incoming: zmq.Socket, points_of: Callable[[Message], list[Point]], queue: Queue) -> None:
    """Funnels points coming from an external tcp socket to the inproc socket.

    A point that comes after a pause goes at once. Then the relay rests, unless its batch was full, so that points which
    keep coming go to the tabs in few frames: a browser takes some 5,000 frames a second, but many more points.
    """
    dropped = ThrottledLog("dropped", "message")
    while True:
        wait_for_message(sock_incoming)
        began = time.monotonic()
        messages, is_full = receive_batch(sock_incoming)
        points = []
        for message in messages:
            try:
                points += points_of(message)
            except ValueError as error:
                dropped.add(str(error), excerpt(message[-1]))
        queue.publish(points)
        if is_full:
            let_others_run()
        else:
            rest(len(messages), time.monotonic() - began)


def rest(message_count: int, worked_seconds: float) -> None:
    """Lets the others run after a batch of so many messages, so that the next one begins REST_SECONDS after this one.

    Where many come, the rest is at least as long as the work was: so half of the time is left for tabs that join, and
    all else. Where few come, such as a hundred a second, it would only keep each of them waiting.
    """
    rest_seconds = REST_SECONDS - worked_seconds
    if message_count >= MANY_MESSAGES:
        rest_seconds = max(rest_seconds, min(worked_seconds, LONGEST_REST_SECONDS))
    gevent.sleep(max(rest_seconds, SHORTEST_SLEEP_SECONDS))


class Queue:
    """The way from the relay to the tabs: a PUB, to which the SUB of each tab is connected; and the last points, for
    tabs that join.

    Why a queue, a PUB and a SUB for each tab, within one thread? Because of the high-water mark: for a slow tab some
    messages are kept, and the rest is dropped for this tab alone. No tab waits on its SUB: a message that is sent to
    the PUB is at once in each SUB that has room, so `publish` just calls each tab, which takes it and sends it on.
    """

    def __init__(self, context: zmq.Context, points_per_label: int, nodes: Nodes) -> None:
        self.history = History(points_per_label)
        self.nodes = nodes
        self.record: Record | None = None
        self.dropped = ThrottledLog("dropped", "point")
        self.tabs: set[Tab] = set()
        self.publisher = context.socket(zmq.PUB)
        self.publisher.set(zmq.SNDHWM, QUEUE_HIGH_WATER_MARK)
        self.publisher.bind(QUEUE)
        # While no points come, nobody calls `publish`. Then the hub calls see_subscribers, so that the SUBs of tabs
        # that left are freed.
        self.watcher = gevent.get_hub().loop.io(self.publisher.get(zmq.FD), READABLE)
        self.watcher.start(self.see_subscribers)

    def publish(self, points: list[Point]) -> None:
        """Keeps the points for tabs that join, passes them on to other nodes (see Nodes), sends them to all tabs, and
        records them.

        Nothing in here may switch to another greenlet. A tab that joined when the points are in the history, but not
        yet on the queue, would get them twice; and no tab may join or leave while the tabs are called.
        """
        payloads = []
        for point in points:
            try:
                payload = self.history.add(point)
            except ValueError as error:
                self.dropped.add(str(error))
            else:
                payloads.append(payload)
                self.nodes.pass_on(payload, point.stamp)
        for frame in point_frames(payloads):
            self.see_subscribers()
            self.publisher.send(frame)
            self.have_tabs_send()
        if self.record:
            self.record.add(payloads)

    def have_tabs_send(self) -> None:
        """Has each tab that is not full take its next frame and send it. For a full tab, the hub does.

        First a group of tabs takes, then the group sends: to repeat one step keeps its code in the processor's cache,
        and a small group keeps its frames there, too. Tab by tab would cost a fifth more.
        """
        ready_tabs = [tab for tab in self.tabs if not tab.unsent]
        for start in range(0, len(ready_tabs), TABS_IN_A_GROUP):
            group = ready_tabs[start:start + TABS_IN_A_GROUP]
            for tab in group:
                tab.take_frame()
            for tab in group:
                tab.send_frame()

    def see_subscribers(self) -> None:
        """Lets the PUB see at once which SUBs have come or gone, and which have room again.

        By itself it looks for that only when it sends, and then once a millisecond at most: a tab that had just joined
        would miss points. To ask for its events makes it look; the answer does not matter.
        """
        self.publisher.get(zmq.EVENTS)

    def join(self, tab: Tab) -> None:
        """From now on the tab gets points, as many as it can take: first those of the history, then live ones."""
        self.tabs.add(tab)
        tab.send_later(self.history.all_frames())
        log.debug("tab %s joined: %d", tab.address, len(self.tabs))

    def leave(self, tab: Tab) -> None:
        """The tab gets no more points."""
        self.tabs.discard(tab)
        log.debug("tab %s left: %d", tab.address, len(self.tabs))

    def close_tabs(self) -> None:
        """Tells every tab that the server ends, and waits a little until they have answered."""
        with gevent.Timeout(END_SECONDS, False):
            while self.tabs:
                for tab in self.tabs:       # again and again, since one may join meanwhile; none is told twice
                    tab.close(Ending(GOING_AWAY, "server stopped"))
                gevent.sleep(0.02)


def receive_batch(sub: zmq.Socket) -> tuple[list[Message], bool]:
    """The messages that wait, as many as a batch may have; and whether it is full, so that more may wait."""
    messages: list[Message] = []
    batch_bytes = 0
    try:
        while len(messages) < MAX_BATCH_MESSAGES and batch_bytes < MAX_BATCH_BYTES:
            message = receive_message(sub)
            batch_bytes += sum(map(len, message))
            messages.append(message)
    except zmq.Again:                       # no message waits any more
        return messages, False
    return messages, True


def receive_message(sub: zmq.Socket) -> Message:
    """The parts of the next message: at most MAX_PARTS + 1, by which points_of_publisher refuses it. The rest is read
    away. Raises zmq.Again if no message waits.

    A message arrives whole, so that behind its first part no `recv` has to wait. It may have a million parts, so the
    others get their turn in between. With copy=False `recv` returns a zmq.Frame, which knows whether more follow.
    """
    parts: Message = []
    count = 0
    while True:
        part = sub.recv(zmq.NOBLOCK, copy=False)
        count += 1
        if count <= MAX_PARTS + 1:
            parts.append(part.bytes)
        if not part.more:
            return parts
        if count % PARTS_IN_A_ROW == 0:
            let_others_run()


def has_message(receiver: zmq.Socket) -> bool:
    """Whether there is a message to receive at once. (int() is for mypy, to which an option may also be a str.)"""
    return bool(int(receiver.get(zmq.EVENTS)) & zmq.POLLIN)


def wait_for_message(receiver: zmq.Socket) -> None:
    """Lets the others run until there is a message to receive.

    A ZeroMQ socket has a file descriptor that becomes readable once each time that anything happens to the socket; it
    does not stay readable while messages wait. So one has to look first, then to wait, and to look again.
    """
    while not has_message(receiver):
        wait_read(receiver.get(zmq.FD))


def point_frames(payloads: list[bytes]) -> list[Frame]:
    """Points, each encoded as JSON, in few WebSocket frames: one alone is the article's message, more are a list."""
    longest = max(map(len, payloads), default=0)
    points_per_frame = MAX_FRAME_BYTES // (longest + 1)         # each has a comma or a bracket behind it
    frames = []
    for start in range(0, len(payloads), points_per_frame):
        some = payloads[start:start + points_per_frame]
        text = some[0] if len(some) == 1 else b"[" + b",".join(some) + b"]"
        frames.append(encode_frame(TEXT, text))
    return frames


def encode_frame(opcode: int, payload: bytes) -> Frame:
    """A whole WebSocket frame (RFC 6455 §5.2). A server's is not masked: the same bytes do for every tab."""
    header = Header.encode_header(fin=True, opcode=opcode, mask=b"", length=len(payload), flags=0)
    return bytes(header) + payload


# ---- The WebSocket server: from the inproc socket to each tab -------------------------------------------------------

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10       # opcodes of frames (RFC 6455 §5.2)
DATA_OPCODES = (0, 1, 2)                    # continuation, text, binary
CONTROL_OPCODES = (CLOSE, PING, PONG)
GOING_AWAY, PROTOCOL_ERROR, UNSUPPORTED_DATA, INVALID_DATA, TRY_AGAIN_LATER = 1001, 1002, 1003, 1007, 1013
CLOSE_CODES = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}      # that may be sent (IANA's registry)
LINGER_SECONDS = 0.5                        # for a client to read the close frame
END_SECONDS = 1.0                           # for all tabs to answer their close frames when the server ends

StartResponse = Callable[..., Any]
Environ = dict[str, Any]


class WebSocketApp:
    """Funnels messages coming from the inproc zmq socket to the websocket of each client."""

    def __init__(self, context: zmq.Context, queue: Queue, doors: Doors, max_tabs: int) -> None:
        self.context = context
        self.queue = queue
        self.doors = doors
        self.max_tabs = max_tabs
        self.refused = ThrottledLog("refused", "WebSocket")

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Subscribes to the queue, and serves the websocket until the connection ends."""
        websocket = environ.get("wsgi.websocket")
        if not websocket:                   # it was not upgraded: see stays_plain_http
            return self.refuse(environ, start_response)
        tab = Tab(websocket)
        try:
            sock = self.context.socket(zmq.SUB)
        except zmq.ZMQError:                # no file descriptor or ZeroMQ socket is left
            tab.end(Ending(TRY_AGAIN_LATER, "no room is left for a tab"))
            tab.stop()
            return []
        with sock:
            sock.set(zmq.RCVHWM, QUEUE_HIGH_WATER_MARK)
            sock.subscribe(b"")
            self.serve(tab, sock)
        return []

    def serve(self, tab: Tab, sock: zmq.Socket) -> None:
        """Has the tab join the queue, and reads from its client until the connection ends.

        From `connect` to `join`, nothing may switch to another greenlet, or points could come twice.
        """
        sock.connect(QUEUE)
        tab.receive = sock.recv
        self.queue.join(tab)
        try:
            tab.answer_frames()             # this greenlet only reads; `Queue.publish` and the hub send
        except Ending as ending:
            tab.end(ending)
        finally:
            self.queue.leave(tab)
            tab.stop()

    def stays_plain_http(self, handler: WebSocketHandler) -> bool:
        """gevent-websocket's pre_start_hook: whether `__call__` gets the request as plain HTTP, without an upgrade."""
        return self.refusal(handler.environ) is not None

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
            return WRONG_ORIGIN
        if len(self.queue.tabs) >= self.max_tabs:
            return Refusal("503 Service Unavailable", f"All {self.max_tabs} tabs are taken.")
        return None

    def refuse(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Says why a request was not upgraded.

        426 must say to what protocol to upgrade (RFC 9110 §15.5.22), and 400 which version is spoken (RFC 6455 §4.4).
        Every refusal says both. `answer` adds `Connection: close`; two Connection headers count as one list.
        """
        refusal = self.refusal(environ) or NO_PAGE
        if refusal is WRONG_ORIGIN:
            self.refused.add(origin_advice(environ["HTTP_ORIGIN"]))
        return answer(environ, start_response, *refusal, ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                      ("Sec-WebSocket-Version", "13"))


class Ending(Exception):
    """Why a connection ends: the code and reason in its close frame. Without a code, the close frame is empty.

    The reading side raises it; `close` takes it as a plain value.
    """

    def __init__(self, code: int | None = None, reason: str = "") -> None:
        super().__init__(code, reason)
        self.payload = b"" if code is None else code.to_bytes(2, "big") + reason.encode()   # RFC 6455 §5.5.1


class Tab:
    """One WebSocket client, and the one path by which frames go to its socket, whole and one behind the other.

    First go its own frames: the history, pongs, the close frame. Then come those of the queue, which all tabs get.
    """

    def __init__(self, websocket: WebSocket) -> None:
        self.websocket = websocket
        self.socket = websocket.handler.socket
        self.address = websocket.handler.client_address
        self.own_frames: list[bytes] = []   # each is one frame, or all of the history's, one behind the other
        self.unsent: Frame | memoryview = b""       # what the socket has not taken of a frame: then the tab is full
        self.is_closing = False             # no frame of the queue follows
        self.watcher = gevent.get_hub().loop.io(self.socket.fileno(), WRITABLE)
        # Each frame needs these two, so they are looked up only once. gevent's own `send` would wait where the socket
        # is full; that of the socket beneath it raises BlockingIOError.
        self.send = self.socket._sock.send
        self.receive: Callable[[int], Frame]        # `recv` of the tab's SUB, as soon as there is one

    # Sending

    def flush(self) -> None:
        """The hub calls it whenever the socket has room, while the tab is full or may have more frames to send."""
        if not self.unsent:
            self.take_frame()
        self.send_frame()

    def take_frame(self) -> None:
        """Takes the next frame, which is then unsent: one of its own, or one of the queue. There may be none."""
        try:
            if self.own_frames:
                self.unsent = self.own_frames.pop(0)
            elif self.is_closing:
                self.watcher.stop()
            else:
                self.unsent = self.receive(zmq.NOBLOCK)
        except zmq.Again:                   # the SUB holds no message
            self.watcher.stop()
        except Exception as error:          # it ends this tab, not the relay, which may have called
            self.fail(error)

    def send_frame(self) -> None:
        """Sends what is unsent, as much as the socket takes. If that is not all, the tab is full."""
        if not self.unsent:
            return
        try:
            sent = self.send(self.unsent)
        except BlockingIOError:
            sent = 0
        except Exception as error:
            self.fail(error)
            return
        if sent == len(self.unsent):
            self.unsent = b""
        else:
            self.unsent = memoryview(self.unsent)[sent:]    # a view: tabs go on sharing the history's bytes
            self.watcher.start(self.flush)

    def send_later(self, frames: bytes) -> None:
        """Has the hub send one frame or more behind the tab's other own frames, and before any of the queue."""
        self.own_frames.append(frames)
        self.watcher.start(self.flush)

    def close(self, ending: Ending) -> None:
        """Says to the client that the connection ends, and why, unless that has been said."""
        if not self.is_closing:
            self.is_closing = True
            self.send_later(encode_frame(CLOSE, ending.payload))

    def end(self, ending: Ending) -> None:
        """Ends the connection so that the client can read why.

        A socket that is closed with unread bytes resets, and the close frame may be lost: so it is read for a little.
        """
        self.close(ending)
        with gevent.Timeout(LINGER_SECONDS, False), contextlib.suppress(OSError):
            self.wait_until_sent()
            self.socket.shutdown(socket.SHUT_WR)
            while self.websocket.raw_read(4096):
                pass

    def wait_until_sent(self) -> None:
        """Waits until nothing is half sent, and no frame of its own is left."""
        while self.unsent or self.own_frames:
            wait_write(self.socket.fileno())

    def fail(self, error: Exception) -> None:
        """The connection cannot go on: shuts it down, so that the greenlet that reads from it sees its end."""
        self.is_closing = True
        self.own_frames.clear()
        self.unsent = b""
        self.watcher.stop()
        if not isinstance(error, OSError):  # clients come and go; all else is worth a line
            log_unforeseen(f"tab {self.address}", error)
        with contextlib.suppress(OSError):
            self.socket._sock.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Frees the watcher, and keeps the library from sending a close frame of its own."""
        self.is_closing = True
        self.watcher.close()
        self.websocket.closed = True

    # Reading

    def answer_frames(self) -> None:
        """Answers pings until the client is gone. Raises Ending where the client, or what it sends, ends it."""
        while frame := self.read_frame():
            opcode, payload = frame
            if opcode == CLOSE:
                raise ending_in_answer_to(payload)
            if opcode == PING:
                self.wait_until_sent()      # so that no pongs pile up for a client that does not read
                self.send_later(encode_frame(PONG, payload))
            let_others_run()                # the reader's buffer may hold dozens of pings

    def read_frame(self) -> tuple[int, bytes] | None:
        """Opcode and payload of the next control frame; None where the client is gone. Raises Ending for other frames.

        `decode_header` and `raw_read` are the library's. A data frame, of whatever length, is refused without its
        payload.
        """
        try:
            header = Header.decode_header(self.websocket.stream)
        except ProtocolError:
            raise Ending(PROTOCOL_ERROR, "fragmented or long control frame") from None
        except (WebSocketError, OSError):   # the client has left within the header, or before it
            return None
        if header.flags:
            raise Ending(PROTOCOL_ERROR, "reserved bits are set")
        if header.opcode not in DATA_OPCODES + CONTROL_OPCODES:
            raise Ending(PROTOCOL_ERROR, "unknown opcode")
        if not header.mask:
            raise Ending(PROTOCOL_ERROR, "a client's frame must be masked")
        if header.opcode in DATA_OPCODES:
            raise Ending(UNSUPPORTED_DATA, "one-way stream")
        try:
            payload = self.websocket.raw_read(header.length)
        except OSError:
            return None
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


# ---- The HTTP server: static files ----------------------------------------------------------------------------------

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
# The view, as graph.js keeps it in the page's address. A redirect keeps these parameters only.
VIEW_PARAMETERS = ("points", "span", "y", "apart", "steps", "log", "stats", "hide")


class StaticFiles:
    """Serves up static files: paste's StaticURLParser behind the list of what it may serve."""

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
        if path == "/" or (path == PAGE and self.needs_port(environ)):
            location = ("Location", self.page_with_port(query))
            return answer(environ, start_response, "302 Found", "See there.", location)
        if path not in SERVED_PATHS:
            return answer(environ, start_response, *NO_PAGE)
        return self.serve_file(environ, start_response)

    def stays_plain_http(self, handler: WebSocketHandler) -> bool:
        """gevent-websocket's pre_start_hook: no request to this port becomes a WebSocket."""
        return True

    def needs_port(self, environ: Environ) -> bool:
        """Whether the page, opened with this query, would look for its WebSocket at another port than ours.

        If it was opened through a tunnel, under another port, its WebSocket may have another port, too: then that of
        the query is trusted.
        """
        query = environ["QUERY_STRING"]
        port_parameters = [parameter for parameter in query.split("&") if parameter.startswith("ws=")]
        if not port_parameters:
            return self.ws_port != DEFAULT_WS_PORT
        return port_parameters != [f"ws={self.ws_port}"] and self.doors.is_through_our_port(environ)

    def page_with_port(self, query: str) -> str:
        """The page's address with our WebSocket port, and with the parameters of the view that the query had."""
        parameters = urllib.parse.parse_qsl(query, keep_blank_values=True)
        view = [(name, value) for name, value in parameters if name in VIEW_PARAMETERS]
        return PAGE + "?" + urllib.parse.urlencode([("ws", self.ws_port), *view], safe=",")

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


# =====================================================================================================================
# That was the demo. From here on: what feeds it, and what guards it.
# =====================================================================================================================

# ---- Waiting, and the log -------------------------------------------------------------------------------------------

REPORT_INTERVAL_SECONDS = 10
EXCERPT_BYTES = 40
MAX_REASONS = 10                            # in one report
OUT_OF_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
CLIENT_IS_GONE = (errno.EHOSTUNREACH, errno.ENETUNREACH)    # besides ConnectionError and TimeoutError


def let_others_run() -> None:
    """Gives every other greenlet its turn."""
    gevent.sleep(SHORTEST_SLEEP_SECONDS)


def start_log(is_verbose: bool) -> None:
    """From now on the log goes to stderr, and gevent's hub reports its errors there, too."""
    logging.basicConfig(format="zws: %(message)s", level=logging.DEBUG if is_verbose else logging.INFO)
    report_errors_in_the_log(gevent.get_hub())


def log_unforeseen(what: str, error: BaseException) -> None:
    """Says an error in one line; with --verbose, also where it arose."""
    is_verbose = log.isEnabledFor(logging.DEBUG)
    log.error("%s: %r", what, error, exc_info=error if is_verbose else None)


def report_errors_in_the_log(hub: Any) -> None:
    """Makes gevent's hub say in the log what went wrong in a greenlet, and nothing of clients that are gone."""
    not_accepted = ThrottledLog("could not accept", "connection")

    def print_exception(context: object, kind: type[BaseException], error: BaseException, traceback: object) -> None:
        error_number = error.errno if isinstance(error, OSError) else None
        if error_number in OUT_OF_DESCRIPTORS:
            not_accepted.add("all file descriptors are in use")
        elif error_number not in CLIENT_IS_GONE:
            log_unforeseen(str(context), error)
    hub.print_exception = print_exception
    # gevent.Timeout: a Handler's deadline that gevent's own `except:` has caught before the Handler's `with` could.
    hub.NOT_ERROR = (*hub.NOT_ERROR, ConnectionError, TimeoutError, gevent.Timeout)


def excerpt(data: bytes) -> str:
    """The beginning of what a program has sent, for the log: control characters are escaped."""
    text = repr(data[:EXCERPT_BYTES].decode(errors="replace"))
    return text if len(data) <= EXCERPT_BYTES else text + "..."


class ThrottledLog:
    """Counts what went wrong, by reason, and gathers it in one log line at most every REPORT_INTERVAL_SECONDS."""

    def __init__(self, verb: str, noun: str) -> None:
        self.verb = verb                    # "dropped": what happened
        self.noun = noun                    # "line": to what, in the singular
        self.counts: collections.Counter[str] = collections.Counter()
        self.first_examples: dict[str, str] = {}
        self.is_reporting = False

    def add(self, reason: str, example: str = "", count: int = 1) -> None:
        """Counts one more (or `count`). Of the examples of a reason, the first is shown."""
        if reason not in self.counts and len(self.counts) >= MAX_REASONS:
            reason = "more reasons"         # which may be clients' doing: they must not fill the memory, nor the log
        self.counts[reason] += count
        self.first_examples.setdefault(reason, example)
        if not self.is_reporting:
            self.is_reporting = True
            gevent.spawn(self.keep_reporting)

    def keep_reporting(self) -> None:
        """Reports at once, and then after each interval, until nothing more has been counted."""
        while self.counts:
            self.report()
            gevent.sleep(REPORT_INTERVAL_SECONDS)
        self.is_reporting = False

    def report(self) -> None:
        """Says what has been counted since the last report."""
        if self.counts:
            reasons = []
            for reason, count in self.counts.most_common():
                example = self.first_examples[reason]
                reasons.append(f"{reason} ({count}, the first: {example})" if example else f"{reason} ({count})")
            total = self.counts.total()
            log.warning("%s %d %s: %s", self.verb, total, self.noun if total == 1 else f"{self.noun}s",
                        "; ".join(reasons))
        self.counts.clear()
        self.first_examples.clear()


# ---- Points: what comes in ------------------------------------------------------------------------------------------

MAX_PAYLOAD_BYTES = 64 * 1024
MAX_LABEL_CHARACTERS = 64
MAX_DEPTH = 4                               # of objects in objects; what lies deeper is passed over
DEFAULT_LABEL = "Value"                     # names the graph's line of the points that have no label
LARGEST_NUMBER = sys.float_info.max         # beyond it, a browser's numbers are Infinity
HALF_CHARACTER = re.compile("[\ud800-\udfff]")      # half of a surrogate pair: there is no UTF-8 for it
TIME_KEYS = ("x", "t", "ts", "time", "timestamp", "time_ms", "date", "Time", "Timestamp", "Date")
POINT_KEYS = frozenset(["y", "label", *TIME_KEYS])
MAX_KEYS_SAID = 20                          # in the log, of those that are passed over
DATE_AND_CLOCK = re.compile(r"""            # as ISO 8601 has it; programs also write a space for the T
    (?<![\w.:-]) (\d{4})-(\d\d)-(\d\d) [T ]
    (\d\d):(\d\d) (?: :(\d\d) (?: \.(\d{1,9}) | ,(\d{3})(?=\s+\S) )? )?      # Python's log: 12:00:01,123 INFO
    (?: [ ]? (Z|UTC|[-+]\d\d:?\d\d) )? (?![\w:])
    """, re.ASCII | re.VERBOSE)

encode_json = json.JSONEncoder(ensure_ascii=False).encode
decode_json = json.JSONDecoder().raw_decode     # returns a value and where it ends; takes half of json.loads' time


class Point(NamedTuple):
    """A point of one label."""
    x: float                                # its time; for its unit, see History.add
    y: float | None                         # None: no value at this time
    label: str = DEFAULT_LABEL
    stamp: bytes | None = None              # of a point that another node passes on: see Nodes


def encode_point(x: float, y: float | None, label: str) -> bytes:
    """A point as JSON, as it goes to the tabs. (What repr() says of a finite number is JSON.)"""
    y_text = "null" if y is None else repr(y)
    label_text = "" if label == DEFAULT_LABEL else f',"label":{encode_json(label)}'
    return f'{{"x":{x!r},"y":{y_text}{label_text}}}'.encode()


def now_ms() -> float:
    """The time of a point that comes without one."""
    return time.time() * 1000


def points_of_object(fields: dict[str, Any]) -> list[Point]:
    """The points in an object: one if it has the key `y`, else one for each number in it, labelled by its key.

    Raises ValueError, with the reason, if there is none. A reason never quotes what was sent, since the log counts by
    reasons.
    """
    x = time_of_object(fields)
    if "y" not in fields:
        if all(key in TIME_KEYS for key in fields):
            raise ValueError("y is missing")
        return labelled_points(x, numbers_in(fields))
    for key in fields:
        if key not in POINT_KEYS:
            say_passed_over(key, "it is not a part of a point with y")
    if "x" in fields and time_of_value(fields["x"]) is None:
        raise ValueError("x is not a number or a date")
    return [Point(x, checked_y(fields["y"]), checked_label(fields.get("label", DEFAULT_LABEL)))]


def points_of_objects(objects: list[dict[str, Any]]) -> list[Point]:
    """The points in several objects. One without a point is passed over; ValueError, if none has any."""
    points = []
    reason = "no number in it"
    for fields in objects:
        try:
            points += points_of_object(fields)
        except ValueError as error:
            reason = str(error)
    if not points:
        raise ValueError(reason)
    return points


def time_of_object(fields: dict[str, Any]) -> float:
    """The first time in an object; if there is none, it is now."""
    for key in TIME_KEYS:
        if key in fields:
            x = time_of_value(fields[key])
            if x is not None:
                return x
    return now_ms()


def time_of_value(value: Any) -> float | None:
    """The time that a value of JSON means, if it is a number, or a date in ISO 8601 (as milliseconds)."""
    x = milliseconds_of_date(value) if isinstance(value, str) else value
    return x if is_finite_number(x) else None


def numbers_in(fields: dict[str, Any], outer: str = "", depth: int = 1) -> Iterator[tuple[str, float]]:
    """The numbers in an object and in the objects in it, each with its label. Other values are passed over, but null
    and times with a word in the log.
    """
    for key, value in fields.items():
        if isinstance(value, dict):
            if depth < MAX_DEPTH:
                yield from numbers_in(value, f"{outer}{key}/", depth + 1)
            else:
                say_passed_over(outer + key, f"it lies deeper than {MAX_DEPTH} objects")
        elif not outer and key in TIME_KEYS:
            continue
        elif is_number(value):
            yield outer + key, value
        elif key == "label":
            say_passed_over(outer + key, "it is of use only beside y")
        elif value is not None:
            say_passed_over(outer + key, "it is not a number")


keys_said: set[str] = set()


def say_passed_over(key: str, reason: str) -> None:
    """Says in the log that what stands under this key, or label, has no effect: once, for the first MAX_KEYS_SAID."""
    if key not in keys_said and len(keys_said) < MAX_KEYS_SAID:
        keys_said.add(key)
        log.warning("passed over: %s, as %s", excerpt(key.encode(errors="replace")), reason)


def labelled_points(x: float, numbers: Iterable[tuple[str, float]]) -> list[Point]:
    """A point for each number with its label. Of several, one that cannot be a point is passed over."""
    points = []
    reasons: dict[str, str] = {}            # by label: why its number is no point
    for label, number in numbers:
        try:
            points.append(Point(x, checked_y(number), checked_label(label)))
        except ValueError as error:
            reasons[label] = str(error)
    if not points:
        first_reason = next(iter(reasons.values()), "no number in it")
        raise ValueError(first_reason)
    for label, reason in reasons.items():
        say_passed_over(label, reason)
    return points


def checked_y(y: Any) -> float | None:
    """A point's y; None, which is no value at this time, stands for itself and for NaN."""
    if is_finite_number(y):
        return y
    if y is None or y != y:                 # only NaN differs from itself
        return None
    raise ValueError("y is Infinity" if is_number(y) else "y is not a number")


def checked_label(label: Any) -> str:
    """A label as it is used: without white space at its ends; an ü is always one character, not a u and two dots."""
    if isinstance(label, str):
        label = unicodedata.normalize("NFC", label).strip()
        if 1 <= len(label) <= MAX_LABEL_CHARACTERS and not HALF_CHARACTER.search(label):
            return label
    raise ValueError(f"label is not text of 1 to {MAX_LABEL_CHARACTERS} characters")


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number. (For Python, True is one too.)"""
    return type(value) is float or type(value) is int


def is_finite_number(value: Any) -> bool:
    """Whether a browser, too, takes the value for a finite number. (JSON's integers may have any number of digits.)"""
    return is_number(value) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER


def milliseconds_of_date(text: str) -> float | None:
    """The time that a date in ISO 8601 names; None if the text is none. Without a clock's time, it is midnight."""
    is_date_alone = len(text) == len("2026-11-28")
    match = DATE_AND_CLOCK.fullmatch(f"{text} 00:00" if is_date_alone else text)
    return milliseconds_of_match(match) if match else None


def milliseconds_of_match(date_and_clock: re.Match[str]) -> float | None:
    """The time that a match of DATE_AND_CLOCK names, in milliseconds; without a zone, it is local time."""
    year, month, day, hour, minute, second, fraction, milliseconds, zone = date_and_clock.groups()
    if zone in ("Z", "UTC"):
        zone = "+0000"
    try:
        date = datetime.datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0))
        if zone:
            minutes = int(zone[0] + zone[1:3]) * 60 + int(zone[0] + zone[-2:])
            date = date.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=minutes)))
        return date.timestamp() * 1000 + float(f"0.{fraction or milliseconds or 0}") * 1000
    except (ValueError, OverflowError, OSError):    # a month 13; or a year for which the system has no local time
        return None


# ---- Lines: what programs print -------------------------------------------------------------------------------------

MAX_LINE_CHARACTERS = 4096                  # of a line that is no JSON: room for 64 labels; to read it takes some 10 ms
MAX_ALIKE_LABELS = 32                       # that differ in their digits only: "room 1", "room 2" and so on
MAX_SHAPES = 1000                           # of labels for which this is watched
MAX_NUMBER_IN_NAME = 999
NUMBER = re.compile(r"[-+]? (\d+\.?\d*|\.\d+) (e[-+]?\d+)? | [-+]? (nan|inf|infinity)\b",
                    re.ASCII | re.IGNORECASE | re.VERBOSE)
UNITS = frozenset("""
    % °C °F ° C F K V mV kV A mA µA uA W mW kW MW Wh kWh Ah mAh Hz kHz MHz GHz d h min s ms us µs μs ns km m cm mm
    km/h m/s kg g mg l ml Pa hPa kPa bar mbar RPM rpm ppm ppb dB dBm lx lux Ω J N k M G T B kB KB MB GB TB KiB MiB GiB
    TiB Ki Mi Gi bytes bit B/s kB/s KB/s MB/s GB/s KiB/s MiB/s GiB/s bit/s kbit/s Mbit/s Gbit/s bps fps it/s
    """.split())                            # noqa: SIM905 (a list of 90 quoted words is nothing to read)
NOISE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"              # colours and other wishes to a terminal (ECMA-48)
    r"|[\x00-\x08\x0e-\x1f\x7f-\x9f\ufeff]")        # other control characters, and the byte order mark
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
CLOCK = re.compile(rf"""                    # a time of day; a day before it, and only then a year behind it
    (?<![\w.:])
    (?P<day> (?: (?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ,? \s+ )?
             (?: {MONTH} \s+ \d\d? | \d\d? \s+ {MONTH} )
             \s+ (?: \d{{4}} \s+ )? )?
    (?: \d\d?:\d\d:\d\d (?: \.\d+ )? |
        (?: ^ | (?<=\s\s) | (?<=up\s) ) \d\d?:\d\d )       # "12:30 20"; uptime: "up 14:05"; but "Sensor 1:30" is none
    (?: \s? [AP]M\b )? (?: \s (?:UTC|GMT|CES?T|[ECMP][SD]T)\b )? (?(day) (?: \s 20\d\d\b )? )
    (?![\w:])
    """, re.ASCII | re.VERBOSE)
# Before a = that follows at once, a name is one word: `level=info loss=0.5`.
GLUED_NAME = re.compile(r"""(?<![^\s,;|=:([{<"])([^\s,;|=:()[\]{}<>"]+)=""")
DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)", re.ASCII)
WORDS = re.compile(r"""[,;|=:] | [^\s,;|=:()[\]{}<>"]+""", re.VERBOSE)       # brackets and quotes are white space
DIGITS = re.compile(r"\d+")
DIGITS_FIRST = re.compile(r"[\W_]*\d")      # 3/10, 127.0.0.1, 2026-11-28, #5
TELEPLOT_TIME = re.compile(r"^>([^:|]+):([0-9.]+)(?=:[-+.0-9])")    # >temp:1790000000000:21.5

LabelledNumbers = list[tuple[str, float]]


class ColumnNames(NamedTuple):
    """The line that names the columns of the lines behind it."""
    names: list[str]
    delimiter: str | None                   # None: white space
    line: bytes                             # as it came


class Group:
    """A name in a line, and the numbers behind it; at the beginning of a line, perhaps without a name."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.numbers: list[float] = []
        self.signs: list[bool] = []         # for each number: whether it follows a : or =
        self.is_second_next = False         # whether its second number follows the first, perhaps with such a sign

    def add(self, number: float, follows_sign: bool, follows_number: bool) -> None:
        """Adds a number that stands behind the others."""
        if len(self.numbers) == 1:
            self.is_second_next = follows_number
        self.numbers.append(number)
        self.signs.append(follows_sign)

    def is_pair(self) -> bool:
        """Whether it is like "name: 1", "name=1" or "Core 0: 45"."""
        return any(self.signs[:2])

    def may_be_numbered(self) -> bool:
        """Whether its first number may belong to the name, as in "room 2 7" or "Core 0: 45"."""
        first = self.numbers[0]
        is_short = isinstance(first, int) and first <= MAX_NUMBER_IN_NAME
        return is_short and self.is_second_next and not self.signs[0]


class LineReader:
    """Reads lines, or messages that are no JSON, one after the other. A line is one of these:

        0.5                                 a number
        room one 21.5      room 2 7         a label and a number: "room one", "room 2"
        temp 21.5 hum 40                    labels and numbers
        a:1 b=2      Core 0: 45 (high = 80) pairs; whatever else is in such a line is passed over
        1.5 2 3      1.5,2,3      (1, 2)    columns, "1", "2" and so on
        21,5;40,1                           columns; where there is a semicolon, a comma is the decimal sign
        cpu 10 20 30                        columns behind a name: "cpu/1", "cpu/2", "cpu/3"
        temp,hum      us sy id              a header: two words or more, no number. It names the columns of the lines
                                            behind it, if they are as many; those that TIME_KEYS names are their time
        {"temp": 21.5}      [{"y": 1}]      JSON: an object, or a list of objects

    A unit behind a number is passed over. So is a time; but a date with a time, or a first column, is the line's time
    if it is about now. `nan`, or nothing between two commas, is no value at this time.

    No label may change with each line. So a word that begins with a digit is never part of one, with one exception:
    one number of up to three digits, directly between a name and a number. Since nobody can tell from one line whether
    that is `room 2 7` or `epoch 3 0.5`, and likewise with `job17 0.5`, only the first MAX_ALIKE_LABELS labels that
    differ in nothing but their digits are believed. Then a line like `epoch 33 0.5` is read as columns.
    """

    def __init__(self, drop_header: Callable[[bytes], None] | None = None) -> None:
        """drop_header is called with a line that looked like a header, once it has turned out to be none. Without it,
        headers are not taken: between the messages of several publishers, they would name what they do not know.
        """
        self.drop_header = drop_header
        self.new_header: ColumnNames | None = None       # the last line, if it looks like a header
        self.header: ColumnNames | None = None           # the last one that named anything
        self.alike_labels: dict[str, set[str]] = {}     # by what they are without their digits
        self.names_of_columns: set[str] = set()

    def read(self, line: bytes) -> list[Point]:
        """The points in a line. Raises ValueError, with the reason, if there are none and it is no header."""
        text = text_of(line)
        objects = objects_of_json(text)
        if objects is not None:
            return points_of_objects(objects)
        if not text:
            raise ValueError("empty line")
        if len(text) > MAX_LINE_CHARACTERS:
            raise ValueError(f"a line of more than {MAX_LINE_CHARACTERS} characters")
        points = self.points_under_header(text)
        if points is None:
            try:
                points = self.points_of_text(text)
            finally:
                self.forget_new_header()    # if it has not named the columns of this line
            if not points:
                self.keep_as_header(text, line)
        return points

    # Headers

    def keep_as_header(self, text: str, line: bytes) -> None:
        """Keeps a line without a number as a header. Raises ValueError if it cannot be one."""
        delimiter = delimiter_of(text)
        names = split_columns(text if delimiter else CLOCK.sub(" ", text), delimiter)
        if names and not names[-1]:
            names.pop()                     # a comma at the end of the line
        if sum(map(has_letter_or_digit, names)) < 2 or not self.drop_header:
            raise ValueError("no number in it")
        self.new_header = ColumnNames(names, delimiter, line)

    def forget_new_header(self) -> None:
        """Says that the last line, if it looked like a header, was none. To be called at the end of the lines, too."""
        if self.new_header and self.drop_header:
            self.drop_header(self.new_header.line)
        self.new_header = None

    def points_under_header(self, text: str) -> list[Point] | None:
        """The points in a line whose columns a header names; None if there is no header that fits."""
        for header in (self.new_header, self.header):
            if header:
                points = points_of_row(header, split_columns(text, header.delimiter))
                if points is not None:
                    self.keep_using(header)
                    return points
        return None

    def names_by_header(self, *counts: int) -> list[str] | None:
        """The names of so many columns, by the last header; None if there is none that fits."""
        for header in (self.new_header, self.header):
            if header and len(header.names) in counts:
                self.keep_using(header)
                return header.names
        return None

    def keep_using(self, header: ColumnNames) -> None:
        """A header that has named columns is one for good, until another one has."""
        self.header = header
        self.new_header = None

    # Lines that speak for themselves

    def points_of_text(self, text: str) -> list[Point]:
        """The points in a line that needs no header; none if there is no number in it."""
        x = time_in_line(text)
        delimiter = delimiter_of(text)
        if delimiter:
            numbers = numbers_of_columns(split_columns(text.strip("()[] "), delimiter))
            if numbers:
                return self.points_of_columns(x, numbers)
        if delimiter == ";":
            text = DECIMAL_COMMA.sub(".", text)
        unnamed, *groups = groups_in_line(text)
        named = [group for group in groups if group.numbers]
        pairs = [group for group in named if group.is_pair()]
        if pairs:
            named = pairs
        elif groups and not groups[-1].numbers and (named or unnamed.numbers):
            raise ValueError("no number at its end")
        if named:
            return self.points_of_groups(x, unnamed.numbers, named)
        if unnamed.numbers:
            return self.points_of_columns(x, unnamed.numbers)
        return []

    def points_of_columns(self, x: float, numbers: list[float]) -> list[Point]:
        """The points in columns without a name. The first one may be the time."""
        if len(numbers) > 1 and is_about_now(numbers[0]):
            x, *numbers = numbers
        if len(numbers) == 1:
            return labelled_points(x, [(DEFAULT_LABEL, numbers[0])])
        names = self.names_by_header(len(numbers)) or counted_names(len(numbers))
        return labelled_points(x, zip(names, numbers, strict=True))

    def points_of_groups(self, x: float, unnamed: list[float], groups: list[Group]) -> list[Point]:
        """The points in names with numbers behind them. A number before all names is the time, or is passed over."""
        if unnamed and is_about_now(unnamed[0]):
            x = unnamed[0]
        numbers = [number for group in groups for number in self.labelled_numbers(group)]
        if not numbers:
            raise ValueError(f"more than {MAX_ALIKE_LABELS} labels that differ in their digits only")
        values: LabelledNumbers = []
        for label, number in numbers:
            if label in TIME_KEYS and len(numbers) > 1 and is_about_now(number):    # ts=1790000000 temp=21.5
                x = number
            else:
                values.append((label, number))
        return labelled_points(x, values)

    def labelled_numbers(self, group: Group) -> LabelledNumbers:
        """The numbers behind a name, each with its label: the name alone, with a number of its own, or with columns.

        Once two numbers behind a name were columns, they are: "wind -3 5" says what "wind 3 5" is.
        """
        name = " ".join(group.words)
        count = len(group.numbers)
        if count == 2 and group.may_be_numbered() and name not in self.names_of_columns:
            numbered_name = f"{name} {group.numbers[0]}"
            if self.believe(numbered_name):
                return [(numbered_name, group.numbers[1])]
        if not self.believe(name):
            return []
        if count == 1:
            return [(name, group.numbers[0])]
        if not group.may_be_numbered() and len(self.names_of_columns) < MAX_SHAPES:
            self.names_of_columns.add(name)
        names = counted_names(count)
        if count >= 3:                      # then the name may have a name in the header, too: "Device", as iostat says
            names = self.names_by_header(count, count + 1) or names
        return [(f"{name}/{column}", number) for column, number in zip(names[-count:], group.numbers, strict=True)]

    def believe(self, label: str) -> bool:
        """Takes a label as one of the first that differ in nothing but their digits. Returns whether it is one."""
        shape = DIGITS.sub("", label)
        if shape == label:
            return True
        if shape not in self.alike_labels and len(self.alike_labels) == MAX_SHAPES:
            self.alike_labels.clear()
        alike = self.alike_labels.setdefault(shape, set())
        if len(alike) < MAX_ALIKE_LABELS:
            alike.add(label)
        return label in alike


def text_of(line: bytes) -> str:
    """A line as text, without what only a terminal understands. Raises ValueError if there is none."""
    if len(line) > MAX_PAYLOAD_BYTES:
        raise ValueError(f"more than {MAX_PAYLOAD_BYTES} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    if not text.isprintable():              # few are not, and it is quick to see
        text = NOISE.sub("", text).replace("\r", " ").replace("\n", " ")      # a message may have several lines
    return text.strip()


def objects_of_json(text: str) -> list[dict[str, Any]] | None:
    """The object in a text, or those in a list of objects; None if it is to be read as a line.

    Python prints a dict like {'loss': 0.5}, which is no JSON, but a line of pairs.
    """
    if not text.startswith(("{", "[")) or text.startswith("{'"):
        return None
    try:
        value, end = decode_json(text)
    except json.JSONDecodeError as error:
        if text.startswith("["):            # "[12:00:01] loss: 0.5"
            return None
        raise ValueError(f"not JSON: {error.msg}") from None
    except (ValueError, RecursionError):    # an integer of 5,000 digits; brackets in brackets, thousands deep
        raise ValueError("JSON with too many digits or brackets") from None
    if end < len(text):                     # "[12:00:01]" is no JSON, but "[1] loss: 0.5" begins with a list
        if text.startswith("["):
            return None
        raise ValueError("not JSON: Extra data")
    if isinstance(value, dict):
        return [value]
    if value and all(isinstance(item, dict) for item in value):
        return value
    return None


def points_of_row(header: ColumnNames, columns: list[str]) -> list[Point] | None:
    """The points in a line whose columns have names; None if the header is not for this line.

    Among numbers there may be text only where commas divide three columns or more: "Now starting" is no header for the
    line "temp 21.5". With columns `label` and `y`, as the page's Save writes them, a line is one point.
    """
    if len(columns) == len(header.names) + 1 and not columns[-1]:
        columns = columns[:-1]
    if len(columns) != len(header.names):
        return None
    numbers: dict[str, Any] = {}
    times = []
    has_text = False
    for name, column in zip(header.names, columns, strict=True):
        number = number_of_column(column)
        if name in TIME_KEYS:
            times.append(column)
        elif number is not None:
            numbers[name] = number
        elif not is_time(column):
            has_text = True
    if not numbers or (has_text and (len(columns) < 3 or header.delimiter is None)):
        return None
    x = time_of_columns(times)
    if "label" in header.names and "y" in numbers:
        label = columns[header.names.index("label")]
        return [Point(x, checked_y(numbers["y"]), checked_label(label))]
    return labelled_points(x, numbers.items())


def time_of_columns(columns: list[str]) -> float:
    """The time in the columns that a header names as time: a number, or a date, whose clock may have its own column."""
    number = number_of(columns[0]) if columns else None
    x = time_of_value(" ".join(columns) if number is None else number)
    return now_ms() if x is None else x


def numbers_of_columns(columns: list[str]) -> list[float]:
    """The numbers in columns; an empty column is NaN. No numbers if there is a column with a text that is no time."""
    if not columns[-1]:
        columns = columns[:-1]              # a comma at the end of the line
    numbers = []
    for column in columns:
        number = number_of_column(column)
        if number is not None:
            numbers.append(number)
        elif not is_time(column):
            return []
    return numbers if any(columns) else []


def counted_names(count: int) -> list[str]:
    """The names of so many columns that have none: "1", "2" and so on."""
    return [str(place) for place in range(1, count + 1)]


def delimiter_of(text: str) -> str | None:
    """What divides the columns of a line; None is white space."""
    for delimiter in (";", ","):
        if delimiter in text:
            return delimiter
    return None


def split_columns(text: str, delimiter: str | None) -> list[str]:
    """The columns of a line."""
    if delimiter is None:
        return text.split()
    if delimiter == ";":
        text = DECIMAL_COMMA.sub(".", text)
    if '"' in text:
        return [column.strip() for column in next(csv.reader([text], delimiter=delimiter, skipinitialspace=True))]
    return [column.strip() for column in text.split(delimiter)]


def groups_in_line(text: str) -> list[Group]:
    """Cuts a line into names with the numbers behind them.

    A new name begins behind a number, a comma, a sign, or a word that begins with a digit and is no number (`3/10`).
    """
    if ":" in text:
        text = TELEPLOT_TIME.sub(r"\2 \1", text)
        text = CLOCK.sub(" , ", DATE_AND_CLOCK.sub(" , ", text))
    if "=" in text:
        text = GLUED_NAME.sub(r" , \1 = ", text)
    words = [word.strip("'") for word in WORDS.findall(text)]
    numbers = [number_of(word) for word in words]
    groups = [Group()]                      # the first one has no name
    begins_name = True                      # whether the next word does
    follows_sign = False                    # whether the last word was : or =
    follows_number = False                  # whether it was a number, perhaps with such a sign behind it
    for place, word in enumerate(words):
        group = groups[-1]
        number = numbers[place]
        is_before_number = place + 1 < len(words) and numbers[place + 1] is not None
        is_next_name = group.words and is_before_number         # "A 300 B 200": this B is no unit
        if number is not None:
            group.add(number, follows_sign, follows_number)
            begins_name = follows_sign = False
            follows_number = True
        elif word in (":", "="):
            begins_name = follows_sign = True
        elif word in UNITS and follows_number and not is_next_name:
            follows_number = False
        elif DIGITS_FIRST.match(word) or not has_letter_or_digit(word):
            begins_name = True
            follows_number = False
        else:
            if begins_name or group.numbers:
                groups.append(Group())
            groups[-1].words.append(word)
            begins_name = follows_sign = follows_number = False
    return groups


def has_letter_or_digit(word: str) -> bool:
    return any(map(str.isalnum, word))


def number_of_column(column: str) -> float | None:
    """The number in a column. Nothing is NaN, no value at this time; any other text is None."""
    return number_of(column) if column else math.nan


def number_of(text: str) -> float | None:
    """The number in a text, which may end in a unit; None if the text is something else.

    A few digits are an int, so that "room 2" is not called "room 2.0".
    """
    if text.isdecimal() and text.isascii() and len(text) <= 15:
        return int(text)
    match = NUMBER.match(text)
    if not match:
        return None
    unit = text[match.end():].strip()
    if unit and unit not in UNITS:
        return None
    return float(match[0])


def is_time(text: str) -> bool:
    """Whether a text is a date or a time of day."""
    return milliseconds_of_date(text) is not None or CLOCK.fullmatch(text) is not None


def time_in_line(text: str) -> float:
    """The time that a line names with its date, in milliseconds, if it is about now; else it is now."""
    match = DATE_AND_CLOCK.search(text) if ":" in text else None
    x = milliseconds_of_match(match) if match else None
    return x if x is not None and time_unit_about_now(x) == "milliseconds" else now_ms()


MESSAGE_READER = LineReader()               # of all publishers


def points_of_payload(payload: bytes) -> list[Point]:
    """The points in what a publisher has sent: the one gate through which everything goes that reaches a tab.

    Raises ValueError, with the reason, if there are none.
    """
    return MESSAGE_READER.read(payload)


# ---- Standard input: lines that become points -----------------------------------------------------------------------

STDIN = 0                                   # standard input's file descriptor
STDIN_CHUNK_BYTES = 4096
LINE_END = re.compile(rb"\r\n|\r|\n")


def new_line_publisher(context: zmq.Context) -> zmq.green.Socket:
    """A publisher that waits for room where points come faster than they go, where an ordinary PUB would drop them.

    While it waits, the others run, since it is a socket of zmq.green (a shadow is the same context, for zmq.green). An
    XPUB can also receive, namely subscriptions. Closed, or no longer used, it still sends what it holds: this is what
    libzmq does by default (ZMQ_LINGER).
    """
    publisher = zmq.green.Context.shadow(context).socket(zmq.XPUB)
    publisher.set(zmq.XPUB_NODROP, 1)
    return publisher


def stdin_producer(context: zmq.Context, endpoint: str) -> None:
    """Publishes the points in the lines of standard input, as long as there are any."""
    publisher = new_line_publisher(context)
    publisher.set(zmq.IPV6, has_only_ipv6(endpoint))
    publisher.connect(endpoint)
    count = publish_lines(publisher)
    log.info("standard input ended after %d lines; still serving", count)


def publish_lines(publisher: zmq.green.Socket) -> int:
    """Publishes the points in the lines of standard input, and reports lines without one; returns how many lines came.
    """
    dropped = ThrottledLog("dropped", "line")
    reader = LineReader(drop_header=lambda line: dropped.add("no number in it", excerpt(line)))
    has_subscriber = False
    line_count = 0
    for line_count, line in enumerate(read_lines(), 1):
        if not line.strip():
            continue
        try:
            points = reader.read(line)
        except ValueError as error:
            dropped.add(str(error), f"line {line_count}, {excerpt(line)}")
            continue
        if points and not has_subscriber:   # without one, the points would be dropped
            publisher.recv()                # the subscription; libzmq keeps it when the server is away for a while
            has_subscriber = True
        for point in points:
            publisher.send(encode_point(point.x, point.y, point.label))
    reader.forget_new_header()
    dropped.report()
    return line_count


def read_lines() -> Iterator[bytes]:
    """The lines of standard input without their ends. They are waited for in a thread, so that the hub goes on."""
    os.set_blocking(STDIN, True)            # it may be shared with a program that has set it otherwise
    read_in_thread = gevent.get_hub().threadpool.apply
    half_line = b""                         # what has come of a line without its end
    ended_in_return = False
    while chunk := read_in_thread(os.read, (STDIN, STDIN_CHUNK_BYTES)):
        if ended_in_return and chunk.startswith(b"\n"):
            chunk = chunk[1:]               # the second half of a "\r\n" that the reading has cut in two
        ended_in_return = chunk.endswith(b"\r")
        parts = LINE_END.split(chunk)
        parts[0] = half_line + parts[0]
        *lines, half_line = parts
        yield from lines
        half_line = half_line[:MAX_PAYLOAD_BYTES + 1]   # this is enough to refuse the line
    if half_line:
        yield half_line


def send_lines(endpoint: str) -> None:
    """Sends the lines of standard input to a running server, and returns when all of them are sent. It serves nothing.

    A context ends only when its sockets are closed, the monitor too, and have sent all that they held.
    """
    end_on_signal(os._exit)                 # at once; sys.exit would wait for the thread that reads the lines
    context = new_context(SPARE_SOCKETS)
    publisher = new_line_publisher(context)
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


# ---- History: the last points of each label -------------------------------------------------------------------------

MAX_LABELS = 64
LABEL_SILENCE_SECONDS = 60                  # a label that is silent for longer gives its place to a new one
YEAR_MS = 366 * 86_400_000
LAST_DATE_MS = 8.6e15                       # a browser's dates end a little later, and as long before 1970
MILLISECONDS_IN = {"milliseconds": 1, "seconds": 1000, "microseconds": 1e-3, "nanoseconds": 1e-6}


class Label:
    """What is known of one label."""

    def __init__(self, max_points: int) -> None:
        self.payloads: collections.deque[bytes] = collections.deque(maxlen=max_points)   # its last points, as JSON
        self.heard_at = time.monotonic()    # in seconds
        self.time_unit: str | None = None   # of its x; None: x counts something else
        self.is_unit_said = False           # in the log, where it is not milliseconds


class History:
    """The last points of each label, for new tabs. All get the labels in the order in which they came, so that a line
    has the same colour in each.
    """

    def __init__(self, max_points: int) -> None:
        self.max_points = max_points        # of each label
        self.labels: dict[str, Label] = {}
        self.all_frames_cache: bytes | None = None

    def add(self, point: Point) -> bytes:
        """Keeps the point, and returns it as the tabs get it: in JSON, with x in milliseconds.

        Raises ValueError, with the reason, if a browser has no date for x, or if there is no room for the label.
        """
        label = self.labels.get(point.label)
        unit = time_unit_of(point.x, label)
        x = point.x * MILLISECONDS_IN[unit] if unit else point.x
        if abs(x) > LAST_DATE_MS:
            raise ValueError("x is no date that a browser knows")
        if not label:
            label = self.add_label(point.label)
        label.time_unit = unit
        if unit not in (None, "milliseconds") and not label.is_unit_said:
            label.is_unit_said = True
            log.info("label %r: x is in %s", point.label, unit)
        payload = encode_point(x, point.y, point.label)
        label.payloads.append(payload)
        label.heard_at = time.monotonic()
        self.all_frames_cache = None
        return payload

    def add_label(self, name: str) -> Label:
        """A new label. Raises ValueError if all places are taken, and none has been silent for long."""
        if len(self.labels) >= MAX_LABELS:
            longest_silent = min(self.labels, key=lambda other: self.labels[other].heard_at)
            if time.monotonic() - self.labels[longest_silent].heard_at < LABEL_SILENCE_SECONDS:
                raise ValueError(f"more than {MAX_LABELS} labels")
            del self.labels[longest_silent]
        self.labels[name] = Label(self.max_points)
        return self.labels[name]

    def all_frames(self) -> bytes:
        """All points, as frames one behind the other. They are cached, so that tabs that join between two points share
        them.
        """
        if self.all_frames_cache is None:
            payloads = [payload for label in self.labels.values() for payload in label.payloads]
            self.all_frames_cache = b"".join(point_frames(payloads))
        return self.all_frames_cache


def time_unit_of(x: float, label: Label | None) -> str | None:
    """The unit of a point's x; None if it counts something else than time, as a label's x then always does.

    It is decided at the first point of the label, when there is none yet. If x is later about now in another unit, the
    program that sends it has been mended.
    """
    if label and not label.time_unit:
        return None
    return time_unit_about_now(x) or (label.time_unit if label else None)


def time_unit_about_now(x: float) -> str | None:
    """The unit in which x, since 1970, is about now; None if there is none."""
    now = time.time() * 1000
    for unit, milliseconds in MILLISECONDS_IN.items():
        if abs(x * milliseconds - now) < YEAR_MS:
            return unit
    return None


def is_about_now(x: float) -> bool:
    """Whether x is about now, in some unit."""
    return time_unit_about_now(x) is not None


# ---- The record: a file of all points -------------------------------------------------------------------------------

RECORD_INTERVAL_SECONDS = 0.2               # from one writing to the next
MAX_UNWRITTEN_BYTES = 16 * 1024 * 1024      # that wait where the disk is slow, or full
MAX_WRITE_BYTES = 1024 * 1024               # at a time
RECORD_END_SECONDS = 0.5                    # for what is unwritten when the server ends


class Record:
    """The file to which all points go that go to the tabs: one JSON object a line, as standard input takes them.

    It is only ever appended to, so that a program like logrotate may copy and truncate it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        with opening(f"{path} (--record)"):
            # Without O_NONBLOCK, a named pipe that nobody reads yet would keep the server from starting.
            self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK, 0o666)
        os.set_blocking(self.file, True)
        self.unwritten = bytearray()
        if ends_within_line(path):
            self.unwritten += b"\n"         # so that only that line is lost
        self.has_ended = False
        self.failed = ThrottledLog("failed", "attempt")
        self.dropped = ThrottledLog("did not record", "point")

    def add(self, payloads: list[bytes]) -> None:
        """Takes points, each encoded as JSON, to be written soon."""
        if self.has_ended or not payloads:
            return
        if len(self.unwritten) > MAX_UNWRITTEN_BYTES:
            self.dropped.add(f"{MAX_UNWRITTEN_BYTES} bytes wait already", count=len(payloads))
            return
        self.unwritten += b"\n".join(payloads) + b"\n"

    def keep_writing(self) -> None:
        """Writes for good, in a thread, as the disk may be slow. What cannot be written now, as the disk is full, is
        tried again.
        """
        write_in_thread = gevent.get_hub().threadpool.apply
        while True:
            gevent.sleep(RECORD_INTERVAL_SECONDS)
            while self.unwritten:
                some = bytes(self.unwritten[:MAX_WRITE_BYTES])
                result = write_in_thread(try_to_write, (self.file, some))
                if isinstance(result, OSError):
                    self.failed.add(f"to write to {self.path}: {explain(result)}")
                    break
                del self.unwritten[:result]

    def end(self) -> None:
        """Takes no more points, and waits a little until all are written."""
        self.has_ended = True
        with gevent.Timeout(RECORD_END_SECONDS, False):
            while self.unwritten:
                gevent.sleep(0.02)


def try_to_write(file: int, data: bytes) -> int | OSError:
    """How many bytes were written, or why none could be. (gevent would print an error that is raised in a thread.)"""
    try:
        return os.write(file, data)
    except OSError as error:
        return error


def ends_within_line(path: str) -> bool:
    """Whether a file's last line is a half one, which a crash or a full disk may have left."""
    if not os.path.isfile(path) or os.path.getsize(path) == 0:
        return False
    with opening(f"{path} (--record)"), open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() != b"\n"


# ---- Nodes: points that go from one running ZWS to another ----------------------------------------------------------

NODES_HIGH_WATER_MARK = 10_000              # in points; at the PUB for the nodes below
MAX_SUBSCRIPTION_BYTES = 64                 # enough for the handshake's READY, and for a subscription to everything
CONNECT_PATIENCE_SECONDS = 3                # after this, the log says that the other side is not there
STAMP = struct.Struct(">4s8sQ")             # a stamp's bytes: STAMP_MARK, the name of the node, the number there
STAMP_MARK = b"\0zws"

# libzmq also talks to clients of the old protocols ZMTP 1 and 2, and takes an HTTP request for ZMTP 1: any web page
# could publish. Where ZAP_DOMAIN, which is for authentication, is set to anything, libzmq refuses the old protocols.
# Nobody answers for that domain here, so all clients that speak ZMTP 3 get in.
ZMTP_3_ONLY = b"zws"


class Nodes:
    """The nodes above, our upstreams, to which we connect; and the nodes below, which connect to us.

    A point that comes in at a node gets a stamp: the node, and the point's number there. Points go on with their
    stamps, and each node takes another one's points in rising order of their numbers only. So a point that comes by two
    ways is taken once, and one that has gone round a loop of nodes is not taken again where it began.

    Only what comes from an upstream may carry a stamp: from a publisher it is taken for a topic, and means nothing.
    """

    def __init__(self, context: zmq.Context) -> None:
        self.context = context
        self.publisher: zmq.Socket | None = None        # for the nodes below
        self.own_name = os.urandom(8)       # a new one at each start, since the numbers begin again at 1
        self.own_count = 0                  # of the points that have come in here
        self.newest: dict[bytes, int] = {}  # of each other node the last number; it grows whenever a node is started
        self.missed = ThrottledLog("missed", "point")

    def listen(self, endpoint: str) -> None:
        """Opens the PUB to which the nodes below connect."""
        self.publisher = self.context.socket(zmq.PUB)
        self.publisher.set(zmq.SNDHWM, NODES_HIGH_WATER_MARK)
        self.publisher.set(zmq.MAXMSGSIZE, MAX_SUBSCRIPTION_BYTES)  # a PUB keeps every topic that it is asked for
        bind_for_strangers(self.publisher, endpoint, "--republish")

    def connect(self, endpoint: str) -> zmq.Socket:
        """A SUB that is connected to an upstream."""
        sub = new_incoming_sub(self.context)
        connect_and_watch(sub, "upstream", endpoint)    # for good, as this SUB is never closed
        return sub

    def pass_on(self, payload: bytes, stamp: bytes | None) -> None:
        """Sends a point to the nodes below. Without a stamp it has come in here, and gets one."""
        if not self.publisher:
            return
        if stamp is None:
            self.own_count += 1
            stamp = STAMP.pack(STAMP_MARK, self.own_name, self.own_count)
        self.publisher.send_multipart([stamp, payload])

    def points_of_upstream(self, message: Message) -> list[Point]:
        """The point that another node passes on; none, if it has been here already. Raises ValueError, with the reason.

        A publisher that listens can be connected to as well: what comes without a stamp is a publisher's.
        """
        is_stamped = len(message) == 2 and len(message[0]) == STAMP.size and message[0].startswith(STAMP_MARK)
        if not is_stamped:
            return points_of_publisher(message)
        stamp, payload = message
        if not self.take_note_of(stamp):
            return []
        return [point._replace(stamp=stamp) for point in points_of_payload(payload)]

    def take_note_of(self, stamp: bytes) -> bool:
        """Notes that a point with this stamp has come. Returns whether it is the first time."""
        _, name, number = STAMP.unpack(stamp)
        if name == self.own_name:
            return False
        if name in self.newest:
            missed = number - self.newest[name] - 1
            if missed < 0:
                return False
            if missed > 0:
                self.missed.add(f"of upstream node {name.hex()}", count=missed)
        self.newest[name] = number
        return True


def points_of_publisher(message: Message) -> list[Point]:
    """The points of a publisher's message. Raises ValueError, with the reason, if it holds none."""
    if len(message) > MAX_PARTS:
        raise ValueError(f"more than {MAX_PARTS} parts")
    return points_of_payload(message[-1])


def listen_for_publishers(context: zmq.Context, endpoint: str) -> tuple[zmq.Socket, str]:
    """A SUB to which publishers connect, and where it really is, if it asked for any free port."""
    sub = new_incoming_sub(context)
    bind_for_strangers(sub, endpoint, "--zmq")
    return sub, sub.get_string(zmq.LAST_ENDPOINT)


def new_incoming_sub(context: zmq.Context) -> zmq.Socket:
    """A SUB for everything that comes from outside."""
    sub = context.socket(zmq.SUB)
    sub.set(zmq.MAXMSGSIZE, MAX_PART_BYTES)
    sub.subscribe(b"")
    return sub


def bind_for_strangers(listener: zmq.Socket, endpoint: str, option: str) -> None:
    """Opens a ZeroMQ port to anybody's program, and says in the log who connects in vain. `option` asked for the port.
    """
    listener.set(zmq.ZAP_DOMAIN, ZMTP_3_ONLY)
    listener.set(zmq.IPV6, has_only_ipv6(endpoint))
    monitor = listener.get_monitor_socket(zmq.EVENT_ACCEPTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    with opening(f"{endpoint} ({option})"):
        listener.bind(endpoint)
    wanted = "SUB" if listener.type == zmq.PUB else "PUB"
    gevent.spawn(watch_strangers, monitor, f"at {endpoint}: not a ZeroMQ {wanted} socket")


def watch_strangers(monitor: zmq.Socket, reason: str) -> None:
    """Reads the monitor of a port for good, and tells of connections that end before their handshake has succeeded.

    (libzmq has an event for handshakes that fail, but not where the other side is the first to notice.)
    """
    refused = ThrottledLog("refused", "connection")
    in_handshake: set[int] = set()          # the connections' file descriptors
    while True:
        wait_for_message(monitor)
        message = recv_monitor_message(monitor)
        event, descriptor = message["event"], message["value"]
        if event == zmq.EVENT_ACCEPTED:
            in_handshake.add(descriptor)
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:    # it does not say whose
            in_handshake.clear()            # so no more is said of these, rather than something wrong
        elif descriptor in in_handshake:    # it has ended
            in_handshake.remove(descriptor)
            refused.add(reason)


def connect_and_watch(connector: zmq.Socket, who: str, endpoint: str) -> gevent.Greenlet:
    """Connects a socket, and says in the log when the other side is not there, comes, or goes.

    Returns the greenlet that watches, to be killed before the socket is closed.
    """
    monitor = connector.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_DISCONNECTED)
    connector.set(zmq.IPV6, has_only_ipv6(endpoint))
    with opening(endpoint):
        connector.connect(endpoint)
    return gevent.spawn(watch_connection, connector, monitor, f"{who} {endpoint}")


def has_only_ipv6(endpoint: str) -> bool:
    """Whether an endpoint's host has an IPv6 address and no other: libzmq, told to use IPv6, sees no other.

    It would also make the banner call 127.0.0.1 [::ffff:127.0.0.1].
    """
    host = endpoint.partition("://")[2].rpartition(":")[0].strip("[]")
    if host in ("", "*"):                   # a path, or all addresses of IPv4: nothing to ask a name server for
        return False
    try:
        addresses = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):         # an interface, or no host at all
        return False
    return all(family == socket.AF_INET6 for family, *_ in addresses)


def watch_connection(connector: zmq.Socket, monitor: zmq.Socket, other_side: str) -> None:
    """Reads a socket's monitor for good; ends it when killed."""
    not_there = gevent.spawn_later(CONNECT_PATIENCE_SECONDS, log.warning, "%s is not there yet: waiting for it",
                                   other_side)
    is_connected = False
    try:
        while True:
            wait_for_message(monitor)
            event = recv_monitor_message(monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                not_there.kill()
                is_connected = True
                log.info("%s is connected", other_side)
            elif is_connected:              # else it was a connection that never came to be
                is_connected = False
                log.warning("%s is gone: waiting for it", other_side)
    finally:
        not_there.kill()
        connector.disable_monitor()         # first: where nobody reads its monitor, libzmq's only I/O thread hangs
        monitor.close()


# ---- Doors: who may come in? ----------------------------------------------------------------------------------------

HOST = re.compile(r"([\w.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.ASCII | re.IGNORECASE)    # RFC 9110 §7.2
ORIGIN = re.compile("(https?)://" + HOST.pattern, re.ASCII | re.IGNORECASE)     # RFC 6454 §7
SCHEME_PORTS = {"http": 80, "https": 443}   # https: behind a proxy that speaks TLS on the port of our page
WEBSOCKET_KEY = re.compile("[A-Za-z0-9+/]{22}==")   # 16 bytes in base64 (RFC 6455 §4.1)


class Refusal(NamedTuple):
    """Why a request gets nothing: an HTTP status and a line of text."""
    status: str
    text: str


WRONG_HOST = Refusal("403 Forbidden", "No such host here; see --allow-host.")
WRONG_ORIGIN = Refusal("403 Forbidden", "Pages of another origin may not connect; see --allow-host.")
NO_PAGE = Refusal("404 Not Found", "No such page here.")


class Doors:
    """Knows this server's names and answers two questions: is this Host ours, is this Origin ours?

    A request with another Host may be DNS rebinding: somebody's own name that resolves to our address, so that their
    page may read ours. Where the server listens beyond loopback, any IP address is a name of it too, since an address
    in the Host header was not resolved by anybody.

    Of the allowed hosts, one with a port says in addition that our page may come through that port.
    """

    def __init__(self, host: str, allowed_hosts: list[re.Match[str]], page_listener: Any) -> None:
        self.names = {"localhost", "127.0.0.1", "[::1]", url_host(host).lower()}
        self.names |= {match[1].lower() for match in allowed_hosts}
        self.other_pages = {(match[1].lower(), int(match[2])) for match in allowed_hosts if match[2]}
        address, self.page_port, *_ = page_listener.getsockname()       # those really bound: no name, and no port 0
        self.is_beyond_loopback = not ipaddress.ip_address(address).is_loopback

    def our_name(self, environ: Environ) -> str | None:
        """The name in a request's Host header, if it is one of ours. The port there proves nothing about the name."""
        match = HOST.fullmatch(environ.get("HTTP_HOST", ""))
        if not match:
            return None
        name = match[1].lower()
        is_ours = name in self.names or (self.is_beyond_loopback and is_ip_address(name))
        return name if is_ours else None

    def is_our_origin(self, origin: str, host_name: str) -> bool:
        """Whether a page of this origin is ours.

        It came from our page's port, by our name or the request's own, or from a host and port that are allowed.
        """
        match = ORIGIN.fullmatch(origin)
        if not match:
            return False
        scheme, name = match[1].lower(), match[2].lower()
        port = int(match[3] or SCHEME_PORTS[scheme])
        if (name, port) in self.other_pages:
            return True
        return port == self.page_port and (name in self.names or name == host_name)

    def is_through_our_port(self, environ: Environ) -> bool:
        """Whether a request's Host header has the page's own port: a tunnel may have another one at its other end."""
        match = HOST.fullmatch(environ.get("HTTP_HOST", ""))
        return match is not None and int(match[2] or SCHEME_PORTS["http"]) == self.page_port


def origin_advice(origin: str) -> str:
    """For the log: how to let pages of this origin connect."""
    match = ORIGIN.fullmatch(origin)
    if not match:
        return "of a page of another origin"
    host = origin.partition("://")[2]
    port = "" if match[3] else f":{SCHEME_PORTS[match[1].lower()]}"
    return f"of a page of {origin}; to allow it: --allow-host {host}{port}"


def is_ip_address(name: str) -> bool:
    """Whether a host's name is an IP address, of version 6 in brackets."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


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

    def readinto(self, buffer: Any) -> int:
        let_others_run()
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
        self._log_error(*error)             # by way of the hub: see report_errors_in_the_log
        self.close_connection = True

    def _handle_client_error(self, error: Exception) -> Any:
        """Answers with status 400; nothing, to an OSError. The library prints a traceback of all but a ValueError."""
        if isinstance(error, OSError):      # the client has left, or FairReader has ended it
            return None                     # gevent closes the connection without an answer
        return super()._handle_client_error(ValueError(str(error)))


class Server(WSGIServer):
    """gevent's HTTP server, with bounds on the connections that are open, and on what a slow one holds."""

    max_accept = 10                         # in a row, then all else gets its turn; gevent's 100 keep the hub for long

    def __init__(self, listener: Any, application: WebSocketApp | StaticFiles, max_connections: int) -> None:
        no_name = {"SERVER_NAME": ""}       # or gevent asks the name server for it
        pool_size = max_connections         # gevent accepts no more than these at a time
        super().__init__(listener, application, spawn=pool_size, handler_class=Handler, log=None, error_log=None,
                         environ=no_name)
        self.pre_start_hook = application.stays_plain_http


def listen(host: str, port: int, option: str) -> Any:
    """A socket of gevent's that listens. Connections inherit its options. `option` asked for the port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with opening(f"{url_host(host)}:{port} ({option})"):
        listener = WSGIServer.get_listener((host, port), WAITING_CONNECTIONS, family)
    for level, name, value in SOCKET_OPTIONS:
        if hasattr(socket, name):
            listener.setsockopt(getattr(socket, level), getattr(socket, name), value)
    return listener


# ---- Command line: options, limits of the machine, browsers, signals ------------------------------------------------

MAX_PORT = 65_535
ENDPOINT = re.compile(r"""
    ipc:// .+ |                             # a path
    tcp:// (?P<host> [^\s/\[\]]+ | \[ [^\s/\]]+ \] )     # in brackets: IPv6
         : (?P<port> [0-9]{1,9} | \* )
    """, re.VERBOSE)
LIKELY_CAUSES = {
    errno.EADDRINUSE: "; perhaps another zws.py is running",
    errno.EADDRNOTAVAIL: "; it is no address of this machine",
    errno.ENODEV: "; it is no address of this machine",     # so ZeroMQ calls a host that it does not know
}
MAX_HISTORY = 1_000_000
MAX_TABS = 60_000
FILES_PER_TAB = 2                           # descriptors, on Linux: its socket's, and its SUB's
SPARE_FILES = 2000                          # descriptors for all that is not a tab
SPARE_SOCKETS = 100                         # of ZeroMQ, for all that is not a tab
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
    option("--history", type=int, default=1000, metavar="N", help="points kept of each label; default: %(default)s")
    option("--allow-host", action="append", type=allowed_host, default=[], metavar="NAME[:PORT]",
           help="one more name of this server, and a port through which its page may come; repeatable")
    option("--upstream", action="append", default=[], metavar="ENDPOINT", help="take another node's points; repeatable")
    option("--republish", metavar="ENDPOINT", help="publish all points there, for other nodes")
    option("--record", metavar="FILE", help="append all points to this file, as lines of JSON")
    option("--verbose", action="store_true", help="log every tab that comes or goes")
    option("--send", metavar="ENDPOINT", help="serve nothing: send the lines of standard input to a running server")
    options = parser.parse_args(arguments)
    if not options.host:
        parser.error("argument --host: empty")
    if not 0 <= options.history <= MAX_HISTORY:
        parser.error(f"argument --history: not a number from 0 to {MAX_HISTORY}")
    check_ports_and_endpoints(options)
    return options


def allowed_host(text: str) -> re.Match[str]:
    """The name, and the port if there is one, in a value of --allow-host. Raises ArgumentTypeError if it is none."""
    match = HOST.fullmatch(text)
    if not match:
        raise argparse.ArgumentTypeError(f"not a host's name, with or without a port: {text!r}")
    return match


def check_ports_and_endpoints(options: argparse.Namespace) -> None:
    """Ends the program where a port or an endpoint cannot be."""
    for option, port in (("--http-port", options.http_port), ("--ws-port", options.ws_port)):
        if not 0 <= port <= MAX_PORT:
            sys.exit(f"zws: {option}: there is no port {port}")
    check_endpoint("--zmq", options.zmq, is_to_listen=True)
    if options.republish is not None:
        check_endpoint("--republish", options.republish, is_to_listen=True)
    for endpoint in options.upstream:
        check_endpoint("--upstream", endpoint, is_to_listen=False)
    if options.send is not None:
        check_endpoint("--send", options.send, is_to_listen=False)


def check_endpoint(option: str, endpoint: str, is_to_listen: bool) -> None:
    """Ends the program where an endpoint cannot be.

    ZeroMQ itself takes a port beyond 65535 for another one, and to all else says "Invalid argument".
    """
    match = ENDPOINT.fullmatch(endpoint)
    if not match:
        sys.exit(f"zws: {option} {endpoint}: an endpoint is tcp://, a host and a port, like tcp://127.0.0.1:5000")
    host, port = match["host"], match["port"]
    if not host:                            # ipc, which has no port
        return
    if port != "*" and int(port) > MAX_PORT:
        sys.exit(f"zws: {option} {endpoint}: there is no port {port}")
    is_any = host == "*" or port == "*" or int(port) == 0
    if is_any and not is_to_listen:
        sys.exit(f"zws: {option} {endpoint}: to connect needs a host and a port, like tcp://127.0.0.1:5000")


def check_page_files() -> None:
    """Ends the program where a file of the page is missing."""
    for path in SERVED_PATHS:
        if not os.path.isfile(HERE + path):
            # npm runs copy.js by itself, unless it is set to ignore scripts.
            remedy = "; run: npm ci --prefix flot && node flot/copy.js" if "flot" in path else ""
            sys.exit(f"zws: {path[1:]} is missing{remedy}")


def share_out_files() -> tuple[int, int]:
    """How many tabs there can be, and how many other connections to each of the two ports.

    A tab takes FILES_PER_TAB descriptors. So this first raises the limit of descriptors, if that is allowed.
    """
    files, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MAX_TABS * FILES_PER_TAB + SPARE_FILES
    wanted = most if hard_limit == resource.RLIM_INFINITY else min(most, hard_limit)
    while files != resource.RLIM_INFINITY and files < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard_limit))
            files = wanted
        except (OSError, ValueError):       # macOS has a limit of its own below an infinite one
            wanted //= 2
    if files == resource.RLIM_INFINITY or files > most:
        files = most
    spare_files = min(SPARE_FILES, files // 2)
    return (files - spare_files) // FILES_PER_TAB, spare_files // 4


@contextlib.contextmanager
def opening(place: str) -> Iterator[None]:
    """Ends the program with one line where a place cannot be opened."""
    try:
        yield
    except (OSError, UnicodeError, zmq.ZMQError) as error:      # UnicodeError: a name that cannot be a host's
        sys.exit(f"zws: cannot open {place}: {explain(error)}")


def explain(error: Exception) -> str:
    """The system's own words for an error, and the likely cause; str(error) would repeat the place."""
    if isinstance(error, socket.gaierror):
        return str(error.strerror).partition(":")[0]    # gevent has appended ": " and the address
    number = getattr(error, "errno", None)
    if number is None:
        return str(error)
    return zmq.strerror(number) + LIKELY_CAUSES.get(number, "")     # it knows the system's errors as well as ZeroMQ's


def new_context(max_sockets: int) -> zmq.Context:
    """The ZeroMQ context of all sockets: a place for ZeroMQ to store some global state.

    It is plain pyzmq's, whose sockets would block all greenlets where they wait: those here never do. The publisher of
    lines waits, so its socket is one of zmq.green.
    """
    context = zmq.Context()
    context.set(zmq.MAX_SOCKETS, max_sockets)
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


def print_banner(host: str, page: str, page_port: int, endpoint: str) -> None:
    """Says where to look, where to publish and how to stop."""
    print(f"Graph:   {page}")
    address = own_address() if host in ("0.0.0.0", "::") else None      # "::" takes IPv4 clients as well
    if address:
        print(f"Devices: http://{address}:{page_port}{PAGE}")
    print(f"Publish: JSON, or lines of text, to {endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)


def open_browsers(url: str) -> None:
    """Opens two windows, to show that each gets all points."""
    has_opened = gevent.get_hub().threadpool.apply(open_two_windows, (url,))    # a browser may block
    if not has_opened:
        print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def open_two_windows(url: str) -> bool:
    """Whether a browser has opened them. It may take long: it starts programs, and waits for them."""
    try:
        browser = webbrowser.get()
    except webbrowser.Error:
        return False
    name = os.path.basename(getattr(browser, "name", ""))
    if name in CONSOLE_BROWSERS:
        return False
    opened = [browser.open_new(url) for _ in range(2)]
    return any(opened)


def spawn_part(end: gevent.event.AsyncResult, name: str, part: Callable[..., None], *arguments: Any) -> None:
    """Starts a part of the server as a greenlet. If it fails, the process ends with status 1: no server without it."""
    def run() -> None:
        try:
            part(*arguments)
        except Exception as error:
            log_unforeseen(f"the {name} has failed", error)
            end.set(1)
    gevent.spawn(run)


def end_on_signal(end: Callable[[int], None]) -> None:
    """Ctrl-C and SIGTERM call `end` with exit status 0."""
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(signal_number, end, 0)


if __name__ == "__main__":
    main()
