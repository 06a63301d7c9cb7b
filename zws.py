#!/usr/bin/env python3
"""ZWS: live points from ZeroMQ to every open browser tab, in one gevent process.

    publisher ──tcp PUB──▶ SUB :5000 ─ relay ─▶ inproc PUB ─▶ SUB ─ tab ─▶ WebSocket :9999
    graph.html, graph.js, flot/ ─ paste StaticURLParser, WSGI :8000 ─▶ browser

Run `python zws.py`, then open http://localhost:8000/graph.html in as many tabs as you like.
"""
import argparse
import collections
import contextlib
import gc
import io
import ipaddress
import itertools
import json
import logging
import math
import os
import re
import resource
import signal
import socket
import sys
import time
import webbrowser
from urllib.parse import parse_qs

import gevent
import gevent.event
import zmq.green
from gevent.pywsgi import LoggingLogAdapter, WSGIHandler, WSGIServer
from gevent.socket import wait_write
from geventwebsocket.exceptions import ProtocolError
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.websocket import Header
from paste.urlparser import StaticURLParser

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = "/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js"
QUEUE = "inproc://queue"
QUEUE_BATCHES = 40          # high-water mark of each end of the queue
MAX_BATCH = 8 * 1024        # bytes of messages after which a batch goes to the queue
MAX_MESSAGE = 64 * 1024     # bytes of a publisher's message
MAX_LABELS = 64
MAX_NODES = 1000            # whose stamps are remembered
MAX_HEAD = 16 * 1024        # bytes of an HTTP request's headers
SWITCH = 1e-6               # seconds to sleep to let all others run: after sleep(0) gevent may not look for I/O
STAMP = b"\0zws"            # how a stamp starts, which the points of another node carry
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10                                       # opcodes (RFC 6455 §5.2)
CLOSE_CODES = {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}     # RFC 6455 §7.4, IANA registry
log = logging.getLogger("zws")
decode_json = json.JSONDecoder(parse_constant=int).decode                   # int() refuses NaN, as JSON does
encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parse_point(message):
    """A publisher's message (bytes) as a dict of x (ms since the epoch), y, and label if it had one.

    Raises ValueError with the reason for everything that is not a point.
    """
    if len(message) > MAX_MESSAGE:
        raise ValueError(f"more than {MAX_MESSAGE} bytes")
    try:
        fields = decode_json(message.decode())
    except (ValueError, RecursionError):
        raise ValueError("not JSON in UTF-8") from None
    if type(fields) is not dict:
        raise ValueError("not an object")
    point = {"x": fields.get("x", time.time() * 1000), "y": fields.get("y")}
    for name, value in point.items():
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:     # a bool is no number here
            raise ValueError(f"{name} is not a finite number")
    if "label" in fields:
        point["label"] = label = fields["label"]
        if type(label) is not str or not 1 <= len(label) <= 64 or re.search("[\ud800-\udfff]", label):
            raise ValueError("label is not a string of 1 to 64 characters")
    return point


def encode_frame(opcode, payload):
    """A whole WebSocket frame (RFC 6455 §5.2). A server's is not masked: the same bytes do for every tab."""
    return bytes(Header.encode_header(True, opcode, b"", len(payload), 0)) + payload


def zmq_producer(context, endpoint):
    """The article's sine wave: ten points/s on a steady clock, sent as any other publisher's."""
    publisher = context.socket(zmq.PUB)
    publisher.connect(endpoint)
    due = time.monotonic()
    while True:
        x = time.time() * 1000
        y = 2.5 * (1 + math.sin(x / 500))
        publisher.send_json({"x": x, "y": y})
        due = max(due + 0.1, time.monotonic())
        gevent.sleep(due - time.monotonic())


def stdin_producer(context, endpoint):
    """Publishes the lines of standard input, each a number or a point; reports the others by their numbers."""
    publisher = context.socket(zmq.XPUB)
    publisher.set(zmq.XPUB_NODROP, 1)   # where lines come faster than points can go, they wait
    publisher.connect(endpoint)
    publisher.recv()                    # an XPUB hears that its subscriber has come: no line is lost
    os.set_blocking(0, True)
    count, rest = 0, b""
    while chunk := gevent.get_hub().threadpool.apply(os.read, (0, 4096)) or (rest and b"\n"):
        *lines, rest = (rest + chunk).split(b"\n")
        rest = rest[:MAX_MESSAGE + 1]   # of a line without an end, this is enough to refuse it
        for line in lines:
            count += 1
            with contextlib.suppress(ValueError):
                line = b'{"y":%r}' % float(line) if len(line) <= MAX_MESSAGE else line
            try:
                parse_point(line)
                publisher.send(line)
            except ValueError as error:
                log.warning("line %d of standard input dropped: %s", count, error)
    log.info("standard input ended after %d lines; still serving", count)


class Relay:
    """tcp SUB -> inproc PUB: makes each point a frame once, for all tabs, and keeps the last ones for new tabs.

    With --upstream and --republish nodes pass points on, each with a stamp: the name of the node where
    it came in, and its number there. A node takes a name's points in rising order only, so none comes
    twice, whatever the paths, and a loop of nodes ends. Raises zmq.ZMQError for a bad endpoint.
    """

    def __init__(self, context, options):
        self.tabs = set()
        self.history = collections.defaultdict(lambda: collections.deque(maxlen=options.history))
        self.dropped, self.reported = collections.Counter(), 0.0
        self.name, self.taken, self.newest = STAMP + os.urandom(8), 0, {}
        self.plain = zmq.Context.shadow(context)        # for sockets that never wait: green ones cost more
        self.queue = self.plain.socket(zmq.PUB)
        self.queue.set(zmq.SNDHWM, QUEUE_BATCHES)
        self.queue.bind(QUEUE)
        self.joins = gevent.get_hub().loop.io(self.queue.get(zmq.FD), 1)
        self.joins.start(self.queue.get, zmq.EVENTS)    # a PUB lets go of closed SUBs when it handles its commands
        self.sub = context.socket(zmq.SUB)
        self.sub.set(zmq.MAXMSGSIZE, 16 * MAX_MESSAGE)  # libzmq cuts off who sends more, and good points are lost
        self.sub.set(zmq.HANDSHAKE_IVL, 10_000)         # ms; who connects and says nothing holds a file no longer
        self.sub.subscribe(b"")
        self.sub.bind(options.zmq)
        self.endpoint = self.sub.get(zmq.LAST_ENDPOINT).decode()
        for upstream in options.upstream:
            self.sub.connect(upstream)
        self.leaves = context.socket(zmq.XPUB)
        self.leaves.set(zmq.SNDHWM, 10_000)
        self.leaves.set(zmq.XPUB_VERBOSE, 1)            # hear of every leaf that subscribes, not of the first alone
        self.republish = options.republish
        if self.republish:
            self.leaves.bind(self.republish)

    def run(self):
        """The relay greenlet. All that waits goes out as one batch: the more points, the less a frame costs."""
        while True:
            batch, size = [], 0
            while not batch or size < MAX_BATCH and self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                parts = self.sub.recv_multipart()
                batch.append(self.accept(parts))
                size += len(parts[-1]) + 30
            if any(batch):
                self.queue.get(zmq.EVENTS)      # or the PUB hears at most once a millisecond who is new and has read
                self.queue.send(b"".join(batch))
                for tab in list(self.tabs):     # they are in this thread: that libzmq wakes each by an event of
                    tab.pump()                  # its own would double what a frame costs
            gevent.sleep(SWITCH)                # a flood of messages must not keep the hub from all else

    def accept(self, parts):
        """The point in a message (of several parts, the last) as a frame, now in the history; b"" if there is none."""
        stamp = parts[0] if len(parts) == 2 and len(parts[0]) == 20 and parts[0].startswith(STAMP) else None
        if stamp and stamp[12:] <= self.newest.get(stamp[:12], b""):
            return b""                          # it came by another way
        try:
            point = parse_point(parts[-1])
            label = point.get("label", "Value")
            if label not in self.history and len(self.history) == MAX_LABELS:
                raise ValueError(f"more than {MAX_LABELS} labels")
        except ValueError as error:
            if not self.dropped:
                gevent.spawn_later(max(0, self.reported + 10 - time.monotonic()), self.report)
            self.dropped[str(error)] += 1
            return b""
        self.taken += 1
        stamp = stamp or self.name + self.taken.to_bytes(8, "big")
        self.newest.pop(stamp[:12], None)
        self.newest[stamp[:12]] = stamp[12:]    # the last in the dict, so the first in it has been silent longest
        if len(self.newest) > MAX_NODES:
            del self.newest[next(iter(self.newest))]
        message = encode_json(point).encode()
        frame = encode_frame(TEXT, message)
        self.history[label].append((self.taken, frame, stamp, message))
        if self.republish:
            self.leaves.send_multipart([stamp, message])
        return frame

    def report(self):
        """Says what was dropped, and why, in one log line at most every 10 s."""
        reasons = "; ".join(f"{reason} ({count})" for reason, count in self.dropped.most_common())
        log.warning("dropped %d: %s", self.dropped.total(), reasons)
        self.dropped.clear()
        self.reported = time.monotonic()

    def greet(self):
        """Gives a leaf that subscribes the history. The others get it as well, and drop it by its stamps."""
        while True:
            if self.leaves.recv() == b"\1":     # what an XPUB hears of a subscription to everything
                for _, _, stamp, message in sorted(itertools.chain(*self.history.values())):
                    self.leaves.send_multipart([stamp, message])


class Tab:
    """One WebSocket client: its own SUB on the queue, and the one path by which bytes go to its socket.

    Sending switches no greenlet: the relay calls `pump`, the hub's write watcher `flush`. The
    handler's own greenlet reads (`serve`).
    """
    __slots__ = ("closing", "pending", "socket", "sub", "writable", "ws")

    def __init__(self, ws, relay):
        self.ws, self.socket = ws, ws.handler.socket
        self.writable = gevent.get_hub().loop.io(self.socket.fileno(), 2)
        self.pending = b""              # what a full socket has not taken yet
        self.closing = False            # nothing may follow
        self.sub = relay.plain.socket(zmq.SUB)
        self.sub.set(zmq.RCVHWM, QUEUE_BATCHES)
        self.sub.subscribe(b"")
        self.sub.connect(QUEUE)         # and from here to the first live batch no yield: none missing, none twice
        self.write(b"".join(frame for _, frame, *_ in itertools.chain(*relay.history.values())))
        relay.tabs.add(self)

    def pump(self):
        """Send the batch that waits. A full socket's stay in the SUB, whose high-water mark queues and drops."""
        try:
            if not self.pending and not self.closing:
                self.write(self.sub.recv(zmq.NOBLOCK))
        except zmq.Again:
            pass                        # it has only just caught up, and this batch had been dropped
        except Exception as error:      # it must not reach the relay or the other tabs
            self.fail(error)

    def flush(self):
        """The socket takes bytes again: first the pending ones, then the batches that waited."""
        try:
            data, self.pending = self.pending, b""
            self.writable.stop()
            self.write(data)
            while not self.pending and not self.closing and self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                self.write(self.sub.recv())
        except Exception as error:
            self.fail(error)

    def write(self, data):
        """Send what the socket takes; the rest when it takes more. Nothing gets into a half-sent frame."""
        if self.pending:
            self.pending += data
            return
        try:
            sent = self.socket._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:                 # the client is gone: `read` hears of it too
            self.closing = True
            return
        if sent < len(data):
            self.pending = data[sent:]
            self.writable.start(self.flush)

    def close(self, code, reason=b""):
        """Say that the connection ends, and why (RFC 6455 §5.5.1); code 0: without a code."""
        if not self.closing:
            self.closing = True
            self.write(encode_frame(CLOSE, (code.to_bytes(2, "big") if code else b"") + reason))

    def fail(self, error):
        log.error("tab %s: %r", self.ws.handler.client_address, error)
        self.closing = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def serve(self):
        """Read until the connection ends, and leave nothing behind."""
        try:
            self.close(*self.read())
            # Closed on unread bytes, a socket resets, and the close frame may be lost: so ignore for a
            # moment what the client still sends.
            with gevent.Timeout(0.5, False):
                while self.pending:
                    wait_write(self.socket.fileno())
                self.socket.shutdown(socket.SHUT_WR)
                while self.socket.recv(4096):
                    gevent.sleep(SWITCH)
        except (OSError, EOFError) as error:
            log.debug("tab %s: %s", self.ws.handler.client_address, error)
        except Exception as error:
            self.fail(error)
        finally:
            self.writable.stop()
            self.writable.close()
            self.sub.close(0)
            self.ws.closed = True       # or the library would send a close frame of its own

    def read(self):
        """Answer pings until the connection has to end; returns the close code and reason (RFC 6455 §5, §7.4).

        Raises OSError or EOFError where it has ended.
        """
        while True:
            try:
                header = Header.decode_header(self.ws.stream)   # refuses long and fragmented control frames itself
            except ProtocolError:
                return 1002, b"bad control frame"
            if not header.mask or header.flags or header.opcode not in (0, 1, 2, CLOSE, PING, PONG):
                return 1002, b"unmasked, or reserved bits"
            if header.opcode < CLOSE:
                return 1003, b"one-way stream"                  # its payload, of whatever length, is not read
            payload = self.ws.raw_read(header.length)
            if len(payload) < header.length:
                raise EOFError("ended within a frame")
            payload = bytes(header.unmask_payload(payload))
            if header.opcode == PING:
                while self.pending:                             # who pings but does not read waits
                    wait_write(self.socket.fileno())
                self.write(encode_frame(PONG, payload))
            elif header.opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                if payload and code not in CLOSE_CODES:
                    return 1002, b"bad close code"
                try:
                    payload[2:].decode()
                except UnicodeDecodeError:
                    return 1007, b"reason is not UTF-8"
                return code, b""


class WebSocketApp:
    """The application of the WebSocket port: gives every client a tab."""

    def __init__(self, relay, hosts, max_tabs):
        self.relay, self.hosts, self.max_tabs = relay, hosts, max_tabs

    def refuse(self, handler):
        """The server's pre_start_hook: where it is true, the library does not upgrade, and calls the application
        as for plain HTTP. (It would upgrade before it calls the application.)"""
        header = handler.environ.get
        refusal = None
        if not self.hosts.allow(header("HTTP_HOST")):
            refusal = "403 Forbidden", "No such host here; see --allow-host."
        elif header("HTTP_UPGRADE", "").lower() != "websocket":
            refusal = "426 Upgrade Required", "This port speaks WebSocket."
        elif (handler.command != "GET" or handler.request_version != "HTTP/1.1"
              or "upgrade" not in re.split(r"[ \t,]+", header("HTTP_CONNECTION", "").lower())
              or header("HTTP_SEC_WEBSOCKET_VERSION") != "13"
              or not re.fullmatch("[A-Za-z0-9+/]{22}==", header("HTTP_SEC_WEBSOCKET_KEY", ""))
              or header("CONTENT_LENGTH", "0") != "0" or header("HTTP_TRANSFER_ENCODING")):
            refusal = "400 Bad Request", "Not a WebSocket handshake (RFC 6455, version 13)."
        elif not self.hosts.allow_origin(header("HTTP_ORIGIN")):
            refusal = "403 Forbidden", "Pages of another origin may not connect."
        elif len(self.relay.tabs) >= self.max_tabs:
            refusal = "503 Service Unavailable", f"All {self.max_tabs} tabs are taken."
        handler.environ["refusal"] = refusal
        return refusal

    def __call__(self, environ, start_response):
        if environ["refusal"]:
            return answer(environ, start_response, *environ["refusal"], ("Connection", "close"),
                          ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
        handler = environ["wsgi.websocket"].handler
        handler.deadline.close()
        tab = Tab(environ["wsgi.websocket"], self.relay)
        log.debug("tab %s joined: %d", handler.client_address, len(self.relay.tabs))
        try:
            tab.serve()
        finally:
            self.relay.tabs.remove(tab)
            log.debug("tab %s left: %d", handler.client_address, len(self.relay.tabs))
        return []


class StaticFiles:
    """The application of the page's port: paste's StaticURLParser behind the list of what it may serve."""

    def __init__(self, hosts, ws_port):
        self.hosts, self.ws_port, self.parser = hosts, ws_port, StaticURLParser(HERE)

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        name = self.hosts.allow(environ.get("HTTP_HOST"))
        if not name:
            return answer(environ, start_response, "403 Forbidden", "No such host here; see --allow-host.")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(environ, start_response, "405 Method Not Allowed", "GET or HEAD only.",
                          ("Allow", "GET, HEAD"), ("Connection", "close"))
        if path == "/" or (path == "/graph.html" and query.get("ws", ["9999"]) != [str(self.ws_port)]):
            points = "".join(f"&points={n}" for n in query.get("points", []) if re.fullmatch("[0-9]+", n))
            return answer(environ, start_response, "302 Found", "See /graph.html.",
                          ("Location", f"/graph.html?ws={self.ws_port}{points}"))
        if path not in FILES or not os.path.isfile(HERE + path):
            return answer(environ, start_response, "404 Not Found", "No such page here.")
        for header in ("IF_NONE_MATCH", "IF_MODIFIED_SINCE", "RANGE", "CACHE_CONTROL"):
            environ.pop(f"HTTP_{header}", None)         # paste fails on some values; the files are small
        policy = ("default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; "
                  f"connect-src ws://{name}:{self.ws_port} wss://{name}:{self.ws_port}; "
                  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        return self.parser(environ, lambda status, headers, exc_info=None: start_response(
            status, [*headers, *HEADERS, ("Content-Security-Policy", policy)], exc_info))


HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY"),
           ("Cache-Control", "no-cache")]


def answer(environ, start_response, status, text, *headers):
    """A response of one line of plain text."""
    body = text.encode() + b"\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))),
                            *HEADERS, *headers])
    return [body] if environ["REQUEST_METHOD"] != "HEAD" else []


class Hosts:
    """The names of this server. A page that comes by another has another origin, or was brought here by
    somebody else's name server (DNS rebinding)."""
    pattern = r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?"

    def __init__(self, options, address, http_port):
        self.http_port = http_port
        self.any_address = not ipaddress.ip_address(address).is_loopback
        self.names = {"localhost", "127.0.0.1", "[::1]", bracket(options.host), *map(str.lower, options.allow_host)}

    def allow(self, netloc):
        """The name in a Host header where it is allowed, or None."""
        host = re.fullmatch(self.pattern, (netloc or "").lower())
        with contextlib.suppress(ValueError):
            if host and (host[1] in self.names or (self.any_address and ipaddress.ip_address(host[1].strip("[]")))):
                return host[1]

    def allow_origin(self, origin):
        """Whether it is the page's own origin, or none: then the client is no browser."""
        url = re.fullmatch(f"(https?)://({self.pattern})", origin or "")
        if not url:
            return origin is None
        return int(url[4] or {"http": 80, "https": 443}[url[1]]) == self.http_port and self.allow(url[2])


def bracket(host):
    return f"[{host}]" if ":" in host else host


class FairReader(socket.SocketIO):
    """gevent's recv does not switch while there are bytes: a client that floods would have the hub to itself."""

    def readinto(self, buffer):
        gevent.sleep(SWITCH)
        return super().readinto(buffer)


class PageHandler(WSGIHandler):
    """gevent's handler with bounds: a request has come and been answered within 10 s, and its headers are short."""

    def __init__(self, connection, address, server):
        super().__init__(connection, address, server, io.BufferedReader(FairReader(connection, "r"), 512))

    def handle_one_request(self):
        self.deadline = gevent.Timeout(10, False)
        with self.deadline:
            return super().handle_one_request()

    def MessageClass(self, *arguments):
        head = b""
        while (line := self.rfile.readline(MAX_HEAD)).strip():
            head += line
            if len(head) >= MAX_HEAD:
                raise ValueError("headers too long")
        return super().MessageClass(io.BytesIO(head + b"\r\n"), *arguments[1:])

    def _handle_client_error(self, error):
        # gevent prints a traceback of what is not a ValueError, also where a client leaves within its headers
        return None if isinstance(error, OSError) else super()._handle_client_error(ValueError(str(error)))


class TabHandler(PageHandler, WebSocketHandler):
    """The same on the WebSocket port, where the deadline is the handshake's."""


def listen(host, port):
    """A listening socket, whose connections inherit what is set here (Linux). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 128 * 1024)    # what the kernel holds for a slow tab
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # The kernel drops a client that takes no bytes for 20 s, or has gone without a word.
    for option, value in {"TCP_NODELAY": 1, "TCP_USER_TIMEOUT": 20_000, "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5,
                          "TCP_KEEPCNT": 2}.items():
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return listener


def open_browsers(url):
    """Opens two windows at the page, from the hub's thread pool: a browser can block."""
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        console = os.path.basename(getattr(browser, "name", "")) in ("www-browser", "links", "elinks", "lynx", "w3m")
        if not console and all(gevent.get_hub().threadpool.apply(browser.open, (url, 1)) for _ in range(2)):
            return
    print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="zws.py", description="Live points from ZeroMQ to every open browser tab.",
                                     epilog="--allow-host and --upstream may be given several times.",
                                     formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    option = parser.add_argument
    option("--source", choices=("sine", "stdin", "none"), default="sine",
           help="what zws.py publishes itself; stdin: each line a number or a point")
    option("--no-browser", action="store_true", help="open no browser windows")
    option("--host", default="127.0.0.1", help="where the page and the WebSocket listen")
    option("--http-port", type=int, default=8000, metavar="PORT", help="the page's port; 0: any that is free")
    option("--ws-port", type=int, default=9999, metavar="PORT", help="the WebSocket's port; 0: any that is free")
    option("--zmq", default="tcp://127.0.0.1:5000", metavar="ENDPOINT", help="where publishers connect")
    option("--history", type=int, default=100, metavar="N", help="points of each label that a new tab gets at once")
    option("--allow-host", action="append", default=[], metavar="NAME", help="one more host name of this server")
    option("--upstream", action="append", default=[], metavar="ENDPOINT",
           help="take the points of the node that republishes there, too")
    option("--republish", metavar="ENDPOINT", help="publish all points there, for other nodes")
    option("--verbose", action="store_true", help="log tabs and requests too")
    options = parser.parse_args(arguments)
    if options.history < 0:
        parser.error("argument --history: not a number of points")
    return options


def main(arguments=None):
    """Starts the relay, both servers, a producer and the browsers; ends them on Ctrl-C or SIGTERM."""
    options = parse_arguments(arguments)
    logging.basicConfig(format="zws: %(message)s", level=logging.DEBUG if options.verbose else logging.INFO)
    for path in FILES:
        if not os.path.isfile(HERE + path):
            sys.exit(f"zws: {path[1:]} is missing" + ("; run: npm ci --prefix flot" if "flot" in path else ""))
    hub, stop = gevent.get_hub(), gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop.set)
    hub.NOT_ERROR = (*hub.NOT_ERROR, ConnectionError, TimeoutError, gevent.Timeout)     # clients come and go
    hub.print_exception = lambda context, kind, error, traceback: log.error("%s: %r", context, error)

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    spare = min(1000, files // 2)           # for all that is not a tab; a tab takes two, its socket and its SUB's event
    max_tabs = min((files - spare) // 2, 60_000)
    context = zmq.green.Context()
    context.set(zmq.MAX_SOCKETS, max_tabs + 100)
    context.set(zmq.IPV6, any("[" in (end or "") for end in (options.zmq, options.republish, *options.upstream)))
    try:
        where = ", ".join(filter(None, (options.zmq, options.republish, *options.upstream)))
        relay = Relay(context, options)
        where = f"{bracket(options.host)}:{options.http_port}"
        page_socket = listen(options.host, options.http_port)
        where = f"{bracket(options.host)}:{options.ws_port}"
        tab_socket = listen(options.host, options.ws_port)
    except (OSError, OverflowError, UnicodeError, zmq.ZMQError) as error:
        sys.exit(f"zws: cannot listen on {where}: {getattr(error, 'strerror', None) or error}")
    http_port, ws_port = page_socket.getsockname()[1], tab_socket.getsockname()[1]
    hosts = Hosts(options, *page_socket.getsockname()[:2])
    app = WebSocketApp(relay, hosts, max_tabs)
    common = {"log": LoggingLogAdapter(log, logging.DEBUG), "error_log": LoggingLogAdapter(log, logging.DEBUG),
              "environ": {"SERVER_NAME": options.host}}     # or pywsgi asks the name server for it
    pages = WSGIServer(page_socket, StaticFiles(hosts, ws_port), handler_class=PageHandler, spawn=spare // 2, **common)
    tabs = WSGIServer(tab_socket, app, handler_class=TabHandler, spawn=max_tabs + spare // 4, **common)
    tabs.pre_start_hook, tabs.logger = app.refuse, logging.Logger("geventwebsocket", logging.ERROR)
    pages.max_accept = tabs.max_accept = 10     # at a time; 100, gevent's default, keep the hub for long
    pages.start()
    tabs.start()
    relaying = gevent.spawn(relay.run)
    gevent.spawn(relay.greet)

    name = {"127.0.0.1": "localhost", "0.0.0.0": "localhost", "::": "[::1]"}.get(options.host) or bracket(options.host)
    url = f"http://{name}:{http_port}/graph.html"
    print(f"Graph:   {url}\nPublish: JSON points to {relay.endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)
    if options.source != "none":
        gevent.spawn(zmq_producer if options.source == "sine" else stdin_producer, context, relay.endpoint)
    if not options.no_browser:
        gevent.spawn(open_browsers, url)
    gc.freeze()                         # what is here stays: the collector need not look at it again
    stop.wait()

    relaying.kill()
    pages.close()
    tabs.close()
    for tab in list(relay.tabs):
        tab.close(1001, b"server stopped")
    with gevent.Timeout(1, False):
        while relay.tabs:
            gevent.sleep(0.02)
    os._exit(0)                         # a thread may still wait for a line or a browser


if __name__ == "__main__":
    main()
