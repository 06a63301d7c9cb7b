#!/usr/bin/env python3
"""ZWS: live points from ZeroMQ to every open browser tab, in one gevent process.

    publisher ──tcp PUB──▶ SUB :5000 ─ relay ─▶ inproc PUB ─▶ SUB ─ tab ─▶ WebSocket :9999
    graph.html, graph.js, flot/ ─ paste StaticURLParser, WSGI :8000 ─▶ browser

Run `python zws.py`, then open http://localhost:8000/graph.html in as many tabs as you like.
"""
import argparse
import collections
import contextlib
import io
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

import gevent
import gevent.event
import zmq.green
from gevent.pywsgi import WSGIServer
from gevent.socket import wait_write
from geventwebsocket.handler import WebSocketHandler
from geventwebsocket.websocket import Header
from paste.urlparser import StaticURLParser

HERE = os.path.dirname(os.path.abspath(__file__))
FILES = "/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js"
HEADERS = [("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"), ("X-Frame-Options", "DENY"),
           ("Cache-Control", "no-cache")]
QUEUE, QUEUE_BATCHES = "inproc://queue", 40         # and the high-water mark of each end of it
MAX_MESSAGE, MAX_LABELS = 64 * 1024, 64             # bytes of a publisher's message; labels of them all
STAMP = b"\0zws"        # starts a node's stamp on a point; then come 8 bytes of its name and 8 of the point's number
SWITCH = 1e-6           # seconds to sleep so that all others run: with sleep(0) gevent would rarely look for I/O
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10                                           # opcodes (RFC 6455 §5.2)
CLOSE_CODES = {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}     # RFC 6455 §7.4, IANA registry
log = logging.getLogger("zws")
decode_json = json.JSONDecoder(parse_constant=int).decode                       # int() refuses NaN, as JSON does
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
        publisher.send_json({"x": x, "y": 2.5 * (1 + math.sin(x / 500))})
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

    Nodes pass points on with a stamp: the name of the node where a point came in, and its number there. They take a
    name's points in rising order only: none comes twice, and a loop of nodes ends. Raises zmq.ZMQError.
    """

    def __init__(self, context, options):
        self.tabs = set()
        self.history = collections.defaultdict(lambda: collections.deque(maxlen=options.history))
        self.dropped, self.reported = collections.Counter(), 0.0
        self.name, self.taken, self.newest = STAMP + os.urandom(8), 0, {}
        self.sub = context.socket(zmq.SUB)
        self.sub.set(zmq.MAXMSGSIZE, 16 * MAX_MESSAGE)  # libzmq cuts off who sends more, and good points are lost
        self.sub.subscribe(b"")
        self.sub.bind(options.zmq)
        self.endpoint = self.sub.get(zmq.LAST_ENDPOINT).decode()
        for upstream in options.upstream:
            self.sub.connect(upstream)
        self.plain = zmq.Context.shadow(context)        # for sockets that never wait: green ones cost more
        self.queue = self.plain.socket(zmq.PUB)
        self.queue.set(zmq.SNDHWM, QUEUE_BATCHES)
        self.queue.bind(QUEUE)
        # A PUB looks who joined, left or has read when it sends, once a millisecond at most, or when it is asked.
        self.news = gevent.get_hub().loop.io(self.queue.get(zmq.FD), 1)
        self.news.start(self.queue.get, zmq.EVENTS)
        self.leaves = self.plain.socket(zmq.PUB)
        self.leaves.set(zmq.SNDHWM, 10_000)
        if options.republish:
            self.leaves.bind(options.republish)

    def run(self):
        """The relay greenlet. All that waits goes out as one batch: the more points, the less a frame costs."""
        while True:
            frames, size = [], 0
            while size == 0 or size < 8192 and self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                parts = self.sub.recv_multipart()
                frames.append(self.accept(parts[0], parts[-1]))
                size += len(parts[-1]) + 30     # bytes; small messages cost time too
            if any(frames):
                self.queue.get(zmq.EVENTS)
                self.queue.send(b"".join(frames))
                for tab in self.tabs:   # they are in this thread: that libzmq wakes each would double a frame's cost
                    if not tab.pending:
                        tab.pump()
            gevent.sleep(SWITCH)        # a flood of messages must not keep the hub from all else

    def accept(self, stamp, message):
        """The frame of a message's point, which goes into the history and to the leaves as well; b"" if it is none."""
        if stamp[:4] != STAMP or len(stamp) != 20:
            stamp = b""
        elif stamp[12:] <= self.newest.get(stamp[:12], b""):
            return b""                  # it came before, by another way
        try:
            point = parse_point(message)
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
        self.newest[stamp[:12]] = stamp[12:]    # the last in the dict: the first has been silent longest
        if len(self.newest) > 1000:
            del self.newest[next(iter(self.newest))]
        message = encode_json(point).encode()
        self.leaves.send_multipart([stamp, message])
        frame = encode_frame(TEXT, message)
        self.history[label].append(frame)
        return frame

    def report(self):
        """Says what was dropped, and why, in one log line at most every 10 s."""
        reasons = "; ".join(f"{reason} ({count})" for reason, count in self.dropped.most_common())
        log.warning("dropped %d: %s", self.dropped.total(), reasons)
        self.dropped.clear()
        self.reported = time.monotonic()


class Tab:
    """One WebSocket client: its own SUB on the queue, and the one path by which bytes go to its socket."""
    __slots__ = ("closing", "pending", "reader", "relay", "socket", "sub", "writable", "ws")

    def __init__(self, ws, relay):
        self.ws, self.relay, self.socket, self.reader = ws, relay, ws.handler.socket, gevent.getcurrent()
        self.pending, self.closing = b"", False     # what a full socket has not taken yet; nothing may follow
        self.writable = gevent.get_hub().loop.io(self.socket.fileno(), 2)
        self.sub = relay.plain.socket(zmq.SUB)
        self.sub.set(zmq.RCVHWM, QUEUE_BATCHES)
        self.sub.subscribe(b"")
        self.sub.connect(QUEUE)

    def pump(self):
        """Send the next batch. The relay calls it for each; after a full socket the hub does, until none waits."""
        try:
            self.write(b"" if self.pending or self.closing else self.sub.recv(zmq.NOBLOCK))
        except zmq.Again:
            self.writable.stop()
        except Exception as error:      # it must not reach the relay or the other tabs
            self.closing = True
            self.reader.kill(error, block=False)

    def write(self, data):
        """Send what the socket takes; the rest when it takes more. Nothing gets into a half-sent frame."""
        self.pending += data
        try:
            self.pending = self.pending[self.socket._sock.send(self.pending):]
        except BlockingIOError:
            pass
        if self.pending:                # meanwhile batches stay in the SUB, whose high-water mark drops
            self.writable.start(self.pump)
        elif self.closing:
            self.writable.stop()

    def close(self, code, reason=b""):
        """Say that the connection ends, and why (RFC 6455 §5.5.1); code 0: without a code."""
        if not self.closing:
            self.closing = True
            self.write(encode_frame(CLOSE, (code.to_bytes(2, "big") if code else b"") + reason))

    def serve(self):
        """Send the history, read until the connection ends, and leave nothing behind."""
        try:
            # From the SUB's start to its first live batch nothing yields: no point is missing, and none twice.
            self.write(b"".join(frame for frames in self.relay.history.values() for frame in frames))
            self.relay.tabs.add(self)
            log.debug("tab %s joined: %d", self.ws.handler.client_address, len(self.relay.tabs))
            self.close(*self.read())
            # Closed on unread bytes, a socket resets, and the close frame may be lost.
            with gevent.Timeout(0.5, False), contextlib.suppress(OSError):
                while self.pending:
                    wait_write(self.socket.fileno())
                self.socket.shutdown(socket.SHUT_WR)
                while self.ws.raw_read(4096):
                    pass
        finally:
            self.relay.tabs.discard(self)
            log.debug("tab %s left: %d", self.ws.handler.client_address, len(self.relay.tabs))
            self.writable.close()
            self.sub.close(0)
            self.ws.closed = True               # or the library would send a close frame of its own

    def read(self):
        """Answer pings until the connection has to end: returns the close code and reason (RFC 6455 §5, §7.4)."""
        while len(head := self.ws.raw_read(2)) == 2:
            opcode, size = head[0] & 15, head[1] & 127
            if opcode not in (0, 1, 2, CLOSE, PING, PONG) or head[0] & 112 or head[1] < 128:
                return 1002, b"unmasked, or reserved bits"
            if opcode < CLOSE:
                return 1003, b"one-way stream"              # its payload, of whatever length, is not read
            if head[0] < 128 or size > 125:
                return 1002, b"fragmented or long control frame"
            mask, payload = self.ws.raw_read(4), self.ws.raw_read(size)
            payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
            if opcode == PING:
                while self.pending:                         # who pings but does not read waits
                    wait_write(self.socket.fileno())
                self.write(encode_frame(PONG, payload))
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                if payload and code not in CLOSE_CODES:
                    return 1002, b"bad close code"
                if payload[2:].decode(errors="ignore").encode() != payload[2:]:
                    return 1007, b"reason is not UTF-8"
                return code, b""
        self.closing = True                                 # it has ended without a word
        return 0, b""


class WebSocketApp:
    """The application of the WebSocket port: gives every client a tab."""

    def __init__(self, relay, max_tabs, hosts, origins):
        self.relay, self.max_tabs, self.hosts, self.origins = relay, max_tabs, hosts, origins

    def refusal(self, environ):
        """Why a client gets no tab, as status and text; None where it gets one."""
        header = environ.get
        host = self.hosts.fullmatch(header("HTTP_HOST", ""))
        if not host:
            return "403 Forbidden", "No such host here; see --allow-host."
        if header("HTTP_UPGRADE", "").lower() != "websocket":
            return "426 Upgrade Required", "This port speaks WebSocket."
        if (environ["REQUEST_METHOD"] != "GET" or environ["SERVER_PROTOCOL"] != "HTTP/1.1"
                or "upgrade" not in re.split(r"[ \t,]+", header("HTTP_CONNECTION", "").lower())
                or header("HTTP_SEC_WEBSOCKET_VERSION") != "13"
                or not re.fullmatch("[A-Za-z0-9+/]{22}==", header("HTTP_SEC_WEBSOCKET_KEY", ""))
                or header("CONTENT_LENGTH", "0") != "0" or header("HTTP_TRANSFER_ENCODING")):
            return "400 Bad Request", "Not a WebSocket handshake (RFC 6455, version 13)."
        # A page by the very name that its WebSocket is reached by is this server's own, as one by localhost is.
        if not self.origins.fullmatch(header("HTTP_ORIGIN", "no browser").replace(f"//{host[1]}", "//localhost", 1)):
            return "403 Forbidden", "Pages of another origin may not connect."
        if len(self.relay.tabs) >= self.max_tabs:
            return "503 Service Unavailable", f"All {self.max_tabs} tabs are taken."

    def __call__(self, environ, start_response):
        if "wsgi.websocket" not in environ:
            return answer(environ, start_response, *self.refusal(environ),
                          ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
        handler = environ["wsgi.websocket"].handler
        handler.deadline.close()
        handler.rfile.raw.left = math.inf
        Tab(environ["wsgi.websocket"], self.relay).serve()
        return []


class StaticFiles:
    """The application of the page's port: paste's StaticURLParser behind the list of what it may serve."""

    def __init__(self, ws_port, hosts):
        self.ws_port, self.hosts, self.parser = ws_port, hosts, StaticURLParser(HERE)

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], environ["QUERY_STRING"].split("&")
        host = self.hosts.fullmatch(environ.get("HTTP_HOST", ""))
        if not host:
            return answer(environ, start_response, "403 Forbidden", "No such host here; see --allow-host.")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(environ, start_response, "405 Method Not Allowed", "GET or HEAD.", ("Allow", "GET, HEAD"))
        port, asked = f"ws={self.ws_port}", [each for each in query if each.startswith("ws=")] or ["ws=9999"]
        if path == "/" or path == "/graph.html" and asked != [port]:
            kept = "&".join([port, *(each for each in query if re.fullmatch("points=[0-9]+", each))])
            return answer(environ, start_response, "302 Found", "See there.", ("Location", f"/graph.html?{kept}"))
        if path not in FILES or not os.path.isfile(HERE + path):
            return answer(environ, start_response, "404 Not Found", "No such page here.")
        request = {name: value for name, value in environ.items() if name[:5] != "HTTP_"}   # paste fails on some
        tabs = "" if host[1].startswith("[") else f"//{host[1]}:{self.ws_port}"  # a policy cannot name IPv6 addresses
        policy = ("default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src "
                  f"ws:{tabs} wss:{tabs}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
        return self.parser(request, lambda status, headers, exc_info=None: start_response(
            status, [*headers, *HEADERS, ("Content-Security-Policy", policy)], exc_info))


def answer(environ, start_response, status, text, *headers):
    """A response of one line of plain text, after which the connection ends."""
    body = text.encode() + b"\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))),
                            ("Connection", "close"), *HEADERS, *headers])
    return [body] if environ["REQUEST_METHOD"] != "HEAD" else []


class FairReader(socket.SocketIO):
    """A client's bytes. gevent's recv does not switch while there are any: a flood would have the hub to itself."""
    left = 0        # bytes that it may send

    def readinto(self, buffer):
        gevent.sleep(SWITCH)
        size = super().readinto(buffer) or 0
        self.left -= size
        if self.left < 0:
            raise ConnectionAbortedError("request too long")
        return size


class Handler(WebSocketHandler):
    """The libraries' handler of a connection, with bounds: a request is short, and done within 10 s."""
    logger = logging.Logger("geventwebsocket", logging.CRITICAL)

    def __init__(self, connection, address, server):
        super().__init__(connection, address, server, io.BufferedReader(FairReader(connection, "r"), 512))

    def handle_one_request(self):
        self.rfile.raw.left = 32 * 1024     # bytes
        self.deadline = gevent.Timeout(10, False)
        with self.deadline:
            return super().handle_one_request()

    def handle_error(self, *error):
        self._log_error(*error)
        self.close_connection = True        # a response of status 500 would wait for who does not read

    def _handle_client_error(self, error):
        # gevent prints a traceback of what is not a ValueError, also where a client leaves within its headers
        return None if isinstance(error, OSError) else super()._handle_client_error(ValueError(str(error)))


def open_browsers(url):
    """Opens two windows at the page, from the hub's thread pool: a browser can block."""
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        console = os.path.basename(getattr(browser, "name", "")) in ("www-browser", "links", "elinks", "lynx", "w3m")
        if not console and all(gevent.get_hub().threadpool.apply(browser.open, (url, 1)) for _ in range(2)):
            return
    print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(prog="zws.py", description="Live points from ZeroMQ to every open browser tab.")
    option = parser.add_argument
    option("--source", choices=("sine", "stdin", "none"), default="sine", help="what it publishes; default: sine")
    option("--no-browser", action="store_true", help="open no browser windows")
    option("--host", default="127.0.0.1", help="where to listen; 0.0.0.0: for other devices too; default: %(default)s")
    option("--http-port", type=int, default=8000, metavar="PORT", help="the page's; 0: any free; default: %(default)s")
    option("--ws-port", type=int, default=9999, metavar="PORT", help="the tabs'; 0: any free; default: %(default)s")
    option("--zmq", default="tcp://127.0.0.1:5000", metavar="ENDPOINT", help="for publishers; default: %(default)s")
    option("--history", type=int, default=100, metavar="N", help="points kept of each label; default: %(default)s")
    option("--allow-host", action="append", default=[], metavar="NAME", help="one more name of this server; repeatable")
    option("--upstream", action="append", default=[], metavar="ENDPOINT", help="take another node's points; repeatable")
    option("--republish", metavar="ENDPOINT", help="publish all points there, for other nodes")
    option("--verbose", action="store_true", help="log every tab that comes or goes")
    options = parser.parse_args(arguments)
    if not 0 <= options.history <= 1_000_000 or not options.host:
        parser.error("argument --history: not a number of points" if options.host else "argument --host: empty")
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
    pages, tabs = (WSGIServer((options.host, port), backlog=1024, spawn=spawn, handler_class=Handler, log=None,
                              error_log=None, environ={"SERVER_NAME": ""})    # or pywsgi asks the name server for it
                   for port, spawn in ((options.http_port, spare // 2), (options.ws_port, max_tabs + spare // 4)))
    host = f"[{options.host}]" if ":" in options.host else options.host
    try:
        where = "a ZeroMQ socket"
        relay = Relay(context, options)
        where = f"{host}:{options.http_port}"
        pages.init_socket()
        where = f"{host}:{options.ws_port}"
        tabs.init_socket()
    except (OSError, OverflowError, UnicodeError, zmq.ZMQError) as error:
        sys.exit(f"zws: cannot open {where}: " + str(getattr(error, "strerror", None) or error).partition(": (")[0])
    for server in (pages, tabs):
        server.max_accept = 10              # at a time; 100, gevent's default, keep the hub for long
        # What connections inherit: little is held for a slow one; one that takes no bytes for 20 s, or is silent, ends.
        for name, value in {"SO_SNDBUF": 128 * 1024, "SO_KEEPALIVE": 1, "TCP_NODELAY": 1, "TCP_USER_TIMEOUT": 20_000,
                            "TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5}.items():
            if hasattr(socket, name):
                level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
                server.socket.setsockopt(level, getattr(socket, name), value)
    http_port, ws_port = pages.address[1], tabs.address[1]
    # A page that came by another name was brought here by somebody else's name server (DNS rebinding).
    names = "|".join(map(re.escape, ["localhost", "127.0.0.1", "[::1]", host, *filter(None, options.allow_host)]))
    page = {80: f"http://({names})", 443: f"https://({names})"}.get(http_port, f"https?://({names}):{http_port}")
    if not re.match(r"127\.|::1$", pages.address[0]):   # beyond loopback any address is a name of this machine
        names += r"|[0-9]+(?:\.[0-9]+){3}|\[[0-9a-f:.]+\]"
    hosts, origins = re.compile(f"({names})(:[0-9]{{1,5}})?", re.I), re.compile(f"{page}|no browser", re.I)
    app = WebSocketApp(relay, max_tabs, hosts, origins)
    pages.application, tabs.application = StaticFiles(ws_port, hosts), app
    pages.pre_start_hook = lambda handler: True     # where it is true, gevent-websocket does not upgrade
    tabs.pre_start_hook = lambda handler: app.refusal(handler.environ)
    pages.start()
    tabs.start()
    gevent.spawn(relay.run)

    name = "localhost" if options.host in ("127.0.0.1", "0.0.0.0") else "[::1]" if options.host == "::" else host
    url = f"http://{name}:{http_port}/graph.html"
    print(f"Graph:   {url}\nPublish: JSON points to {relay.endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)
    if options.source != "none":
        gevent.spawn(zmq_producer if options.source == "sine" else stdin_producer, context, relay.endpoint)
    if not options.no_browser:
        gevent.spawn(open_browsers, url)
    stop.wait()
    pages.close()
    tabs.close()
    for tab in relay.tabs:
        with contextlib.suppress(OSError):
            tab.close(1001, b"server stopped")
    with gevent.Timeout(1, False):
        while relay.tabs:
            gevent.sleep(0.02)
    os._exit(0)                         # a thread may still wait for a line or a browser


if __name__ == "__main__":
    main()
