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
import ipaddress
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
from urllib.parse import parse_qs, urlsplit

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
QUEUE = "inproc://queue"
MAX_MESSAGE = 64 * 1024     # bytes of a publisher's message
MAX_LABELS = 64
MAX_BATCH = 8 * 1024        # bytes of frames after which a batch goes to the queue
QUEUE_BATCHES = 40          # high-water mark of each end of the queue
SPARE_FILES = 1000          # open files kept for all that is not a tab
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10   # opcodes (RFC 6455 §5.2)
log = logging.getLogger("zws")
decode_json = json.JSONDecoder(parse_constant=int).decode   # int() refuses NaN and Infinity, as JSON does
encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def parse_point(message):
    """A publisher's message (bytes) as (label, point), a dict of x (ms since the epoch), y, and label if it had one.

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
        if type(value) not in (int, float) or not abs(value) <= sys.float_info.max:    # a bool is an int as well
            raise ValueError(f"{name} is not a finite number")
    if "label" not in fields:
        return "Value", point
    point["label"] = label = fields["label"]
    if type(label) is not str or not 1 <= len(label) <= 64 or re.search("[\ud800-\udfff]", label):
        raise ValueError("label is not a string of 1 to 64 characters")
    return label, point


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


def stdin_producer(context, endpoint, drops):
    """Publishes each line of standard input that is a number or a point; the others are reported by number."""
    publisher = context.socket(zmq.XPUB)
    publisher.set(zmq.XPUB_NODROP, 1)   # lines that come faster than points can go wait
    publisher.connect(endpoint)
    publisher.recv()                    # an XPUB hears its subscriber come: now no line is lost
    count = 0
    while line := gevent.get_hub().threadpool.apply(sys.stdin.buffer.readline):
        count += 1
        with contextlib.suppress(ValueError):
            line = b'{"y":%r}' % float(line)
        try:
            parse_point(line)
            publisher.send(line)
        except ValueError as error:
            drops.add(f"line {count} of standard input: {error}")
    log.info("standard input ended after %d lines; still serving", count)


class Drops:
    """Counts the messages that were dropped and says so, with the reasons, in one log line at most every 10 s."""

    def __init__(self):
        self.reasons = collections.Counter()
        self.some = gevent.event.Event()

    def add(self, reason):
        self.reasons[reason if reason in self.reasons or len(self.reasons) < 20 else "other reasons"] += 1
        self.some.set()

    def report(self):
        while self.some.wait():
            reasons = "; ".join(f"{reason} ({count})" for reason, count in self.reasons.most_common())
            log.warning("dropped %d: %s", self.reasons.total(), reasons)
            self.reasons.clear()
            self.some.clear()
            gevent.sleep(10)


class Relay:
    """tcp SUB -> inproc PUB: makes each point a frame once, for all tabs, and keeps the last ones for new tabs.

    Raises zmq.ZMQError where the endpoint can't be bound.
    """

    def __init__(self, context, endpoint, history, drops):
        self.drops = drops
        self.history = collections.defaultdict(lambda: collections.deque(maxlen=history))
        self.tabs = set()
        self.sub = context.socket(zmq.SUB)
        self.sub.set(zmq.IPV6, "[" in endpoint)
        self.sub.set(zmq.MAXMSGSIZE, 16 * MAX_MESSAGE)  # libzmq cuts off who sends more, which costs good points too
        self.sub.subscribe(b"")
        self.sub.bind(endpoint)
        self.context = zmq.Context.shadow(context)      # the queue never waits: plain sockets, which cost less
        self.queue = self.context.socket(zmq.PUB)
        self.queue.set(zmq.SNDHWM, QUEUE_BATCHES)
        self.queue.bind(QUEUE)

    def run(self):
        """The relay greenlet. All that waits goes out as one batch, so that a frame costs less the more there are."""
        while True:
            batch, bulk = [self.accept(self.sub.recv_multipart()[-1])], 0
            while len(batch) < 500 and bulk < MAX_BATCH and self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                batch.append(self.accept(self.sub.recv_multipart()[-1]))
                bulk += len(batch[-1])
            self.publish(b"".join(batch))
            gevent.sleep(0)             # a flood of messages must not keep the hub from all else

    def accept(self, message):
        """The message as a frame, which is in the history now; empty where it was no point."""
        try:
            label, point = parse_point(message)
            if label not in self.history and len(self.history) == MAX_LABELS:
                raise ValueError(f"more than {MAX_LABELS} labels")
        except ValueError as error:
            self.drops.add(str(error))
            return b""
        frame = encode_frame(TEXT, encode_json(point).encode())
        self.history[label].append(frame)
        return frame

    def publish(self, batch):
        """Puts a batch on the queue and has every tab send it.

        The tabs are in this thread, so the relay calls them: that libzmq wakes each by an event of
        its own would double the cost of a frame. EVENTS makes the PUB hear at once (otherwise: at
        most once a millisecond) which SUBs are new and what has been read, so that none misses a batch.
        """
        if batch:
            self.queue.get(zmq.EVENTS)
            self.queue.send(batch)
            for tab in list(self.tabs):
                tab.pump()

    def subscribe(self):
        """A new SUB on the queue and the frames that came before it. No yield in between: no gap."""
        sub = self.context.socket(zmq.SUB)
        sub.set(zmq.RCVHWM, QUEUE_BATCHES)
        sub.subscribe(b"")
        sub.connect(QUEUE)
        return sub, b"".join(frame for frames in self.history.values() for frame in frames)


class Tab:
    """One WebSocket client: its own SUB on the queue, and the one path by which bytes go to its socket.

    Sending switches no greenlet: the relay calls `pump`, the hub's write watcher `flush`. The
    handler's own greenlet reads (`serve`).
    """
    __slots__ = ("ws", "socket", "sub", "pending", "closing", "writable")

    def __init__(self, ws, relay):
        self.ws = ws
        self.socket = ws.handler.socket
        self.writable = gevent.get_hub().loop.io(self.socket.fileno(), 2)
        self.pending = b""              # what a full socket has not taken yet
        self.closing = False            # no point may follow
        self.sub, history = relay.subscribe()
        self.write(history)

    def pump(self):
        """Send the batch that waits. Those of a full socket stay in the SUB: its high-water mark queues and drops."""
        try:
            if not self.pending and not self.closing:
                self.write(self.sub.recv(zmq.NOBLOCK))
        except zmq.Again:
            pass                        # it has just caught up, and lost this one
        except Exception as error:      # of this tab alone: it must not reach the relay
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
        """Send what the socket takes now. The rest goes when it takes more, and never is another frame put into it."""
        if self.pending:
            self.pending += data
            return
        try:
            sent = self.socket._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:                 # the client is gone: `serve` hears of it as well, and ends
            self.closing = True
            return
        if sent < len(data):
            self.pending = data[sent:]
            self.writable.start(self.flush)

    def close(self, code, reason=b""):
        """Say that the connection ends (RFC 6455 §5.5.1); code 0 says no code."""
        if not self.closing:
            self.closing = True
            self.write(encode_frame(CLOSE, (code.to_bytes(2, "big") if code else b"") + reason))

    def fail(self, error):
        log.error("tab %s: %r", self.ws.handler.client_address, error)
        self.closing = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def serve(self):
        """Read until the connection ends; then leave nothing behind."""
        try:
            self.close(*self.read())
            # A socket that is closed on unread bytes resets, and the client may lose the close frame:
            # so take and ignore, for half a second, what it may still be sending.
            with gevent.Timeout(0.5, False):
                while self.pending:
                    wait_write(self.socket.fileno())
                self.socket.shutdown(socket.SHUT_WR)
                while self.socket.recv(4096):
                    pass
        except OSError as error:
            log.debug("tab %s: %s", self.ws.handler.client_address, error)
        except Exception as error:
            self.fail(error)
        finally:
            self.writable.stop()
            self.writable.close()
            self.sub.close(0)
            self.ws.closed = True       # or the library would add a close frame of its own

    def read(self):
        """Answer pings until there is reason to end: returns the close code and reason. Raises OSError at end of file.

        Client to server, RFC 6455 §5 allows masked frames; of these a tab may send ping, pong and close.
        """
        while True:
            try:
                header = Header.decode_header(self.ws.stream)   # refuses long and fragmented control frames
            except ProtocolError:
                return 1002, b"bad control frame"
            if not header.mask or header.flags or header.opcode not in (0, 1, 2, CLOSE, PING, PONG):
                return 1002, b"not masked, or reserved bits"
            if header.opcode < CLOSE:
                return 1003, b"one-way stream"                  # and its payload, of any length, is not read
            payload = bytes(header.unmask_payload(self.ws.raw_read(header.length)))
            if header.opcode == CLOSE:
                return close_answer(payload)
            if header.opcode == PING:
                while self.pending:     # who pings but does not read waits
                    wait_write(self.socket.fileno())
                self.write(encode_frame(PONG, payload))


def close_answer(payload):
    """The code and reason with which to answer a close frame of this payload (RFC 6455 §7.4 and the IANA registry)."""
    if not payload:
        return 0, b""
    code = int.from_bytes(payload[:2], "big")
    if len(payload) < 2 or code not in {*range(1000, 1015), *range(3000, 5000)} - {1004, 1005, 1006}:
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
        """The server's pre_start_hook. The library upgrades before it calls the application; a true answer
        of the hook prevents that, and the application is called as for plain HTTP."""
        environ = handler.environ
        header = environ.get
        if not self.hosts.allow(header("HTTP_HOST")):
            environ["refusal"] = "403 Forbidden", "No such host here; see --allow-host."
        elif header("HTTP_UPGRADE", "").lower() != "websocket":
            environ["refusal"] = "426 Upgrade Required", "This port speaks WebSocket."
        elif (environ["REQUEST_METHOD"] != "GET" or environ["SERVER_PROTOCOL"] != "HTTP/1.1"
              or "upgrade" not in re.split("[ ,]+", header("HTTP_CONNECTION", "").lower())
              or header("HTTP_SEC_WEBSOCKET_VERSION") != "13"
              or not re.fullmatch("[A-Za-z0-9+/]{22}==", header("HTTP_SEC_WEBSOCKET_KEY", ""))):
            environ["refusal"] = "400 Bad Request", "Not a WebSocket handshake (RFC 6455, version 13)."
        elif not self.hosts.allow_origin(header("HTTP_ORIGIN")):
            environ["refusal"] = "403 Forbidden", "Pages of another origin may not connect."
        elif len(self.relay.tabs) >= self.max_tabs:
            environ["refusal"] = "503 Service Unavailable", f"All {self.max_tabs} tabs are taken."
        return "refusal" in environ

    def __call__(self, environ, start_response):
        if "refusal" in environ:
            return answer(environ, start_response, *environ["refusal"], ("Connection", "close"),
                          ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
        ws = environ["wsgi.websocket"]
        ws.handler.deadline.close()
        tab = Tab(ws, self.relay)
        self.relay.tabs.add(tab)
        log.debug("tab %s joined: %d", ws.handler.client_address, len(self.relay.tabs))
        try:
            tab.serve()
        finally:
            self.relay.tabs.remove(tab)
            log.debug("tab %s left: %d", ws.handler.client_address, len(self.relay.tabs))
        return []


class StaticFiles:
    """The application of the page's port: paste's StaticURLParser, behind the list of what it may serve."""
    paths = ("/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js")

    def __init__(self, hosts, ws_port):
        self.hosts, self.ws_port = hosts, ws_port
        self.parser = StaticURLParser(HERE)

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        name = self.hosts.allow(environ.get("HTTP_HOST"))
        location = path
        if not name:
            return answer(environ, start_response, "403 Forbidden", "No such host here; see --allow-host.")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(environ, start_response, "405 Method Not Allowed", "GET or HEAD only.",
                          ("Allow", "GET, HEAD"), ("Connection", "close"))
        if path == "/":
            location = "/graph.html"
        elif path not in self.paths or not os.path.isfile(HERE + path):
            return answer(environ, start_response, "404 Not Found", "No such page here.")
        elif path == "/graph.html" and query.get("ws", ["9999"]) != [str(self.ws_port)]:
            points = [f"&points={n}" for n in query.get("points", []) if n.isdecimal()]
            location = f"/graph.html?ws={self.ws_port}{''.join(points)}"
        if location != path:
            return answer(environ, start_response, "302 Found", location, ("Location", location))
        for header in ("IF_NONE_MATCH", "IF_MODIFIED_SINCE", "RANGE", "CACHE_CONTROL"):
            environ.pop(f"HTTP_{header}", None)     # paste fails on some values; the files are small
        ws = f"ws://{name}:{self.ws_port} wss://{name}:{self.ws_port}"
        policy = (f"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; connect-src {ws}; "
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
    """The host names that are this server's. A page that comes by another was brought here by somebody else's
    name server (DNS rebinding), or has another origin."""

    def __init__(self, host, names, http_port):
        self.http_port = http_port
        self.names = {"localhost", "127.0.0.1", "::1", host.lower(), *(name.lower() for name in names)}
        self.any_address = not is_loopback(host)

    def allow(self, netloc):
        """The name in a Host header, fit for a URL, where it is allowed; else None."""
        with contextlib.suppress(ValueError):
            name = urlsplit(f"//{netloc}").hostname or ""
            if name in self.names or self.any_address and ipaddress.ip_address(name):
                return bracket(name)
        return None

    def allow_origin(self, origin):
        """True for the graph page's own origin, or for none: no browser, then."""
        scheme, _, netloc = (origin or "").partition("://")
        with contextlib.suppress(ValueError):
            port = urlsplit(f"//{netloc}").port or {"http": 80, "https": 443}.get(scheme)
            return origin is None or bool(port == self.http_port and scheme in ("http", "https") and self.allow(netloc))
        return False


def is_loopback(host):
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def bracket(host):
    return f"[{host}]" if ":" in host else host


class PageHandler(WSGIHandler):
    """gevent's handler with a deadline: a request has to come, and be answered, within 10 s."""

    def handle_one_request(self):
        self.deadline = gevent.Timeout(10, False)
        with self.deadline:
            return super().handle_one_request()

    def _handle_client_error(self, error):
        # gevent would print a traceback where a client leaves within its headers
        return None if isinstance(error, OSError) else super()._handle_client_error(error)


class TabHandler(PageHandler, WebSocketHandler):
    """The same for the WebSocket port, where the deadline ends with the handshake."""


def listen(host, port):
    """A listening socket; what is set here holds for each of its connections (Linux). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=1024)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 128 * 1024)   # what the kernel holds for a slow tab
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # A client that takes no bytes for 20 s, or is gone without a word, is dropped by the kernel.
    for option, value in (("TCP_NODELAY", 1), ("TCP_USER_TIMEOUT", 20_000), ("TCP_KEEPIDLE", 10),
                          ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return listener


def open_browsers(url):
    """Opens two windows at the page, in the hub's thread pool: a browser can block."""
    with contextlib.suppress(webbrowser.Error):
        browser = webbrowser.get()
        console = os.path.basename(getattr(browser, "name", "")) in ("www-browser", "links", "elinks", "lynx", "w3m")
        if not console and all(gevent.get_hub().threadpool.apply(browser.open, (url, 1)) for _ in range(2)):
            return
    print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="zws.py", description="Live points from ZeroMQ to every open browser tab.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    option = parser.add_argument
    option("--source", choices=("sine", "stdin", "none"), default="sine",
           help="what zws.py itself publishes; stdin: each line a number or a point")
    option("--no-browser", action="store_true", help="open no browser windows")
    option("--host", default="127.0.0.1", help="address that the page and the WebSocket listen on")
    option("--http-port", type=int, default=8000, metavar="PORT", help="the page's port; 0: any that is free")
    option("--ws-port", type=int, default=9999, metavar="PORT", help="the WebSocket's port; 0: any that is free")
    option("--zmq", default="tcp://127.0.0.1:5000", metavar="ENDPOINT", help="where publishers connect to")
    option("--history", type=int, default=100, metavar="N", help="points of each label that a new tab gets at once")
    option("--allow-host", action="append", default=[], metavar="NAME", help="another host name of this server")
    option("--verbose", action="store_true", help="log tabs and requests as well")
    options = parser.parse_args(arguments)
    if options.history < 0:
        parser.error("--history must not be negative")
    return options


def main(arguments=None):
    """Starts the relay, both servers, a producer and the browsers; ends them on Ctrl-C or SIGTERM."""
    options = parse_arguments(arguments)
    logging.basicConfig(format="zws: %(message)s", level=logging.DEBUG if options.verbose else logging.INFO)
    for path in StaticFiles.paths:
        if not os.path.isfile(HERE + path):
            sys.exit(f"zws: {path[1:]} is missing" + ("; run: npm ci --prefix flot" if "flot" in path else ""))
    hub, stop = gevent.get_hub(), gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop.set)
    hub.NOT_ERROR = (*hub.NOT_ERROR, ConnectionError, TimeoutError, gevent.Timeout)     # clients come and go
    hub.print_exception = lambda context, kind, error, traceback: log.error("%s: %r", context, error)

    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    max_tabs = min((files - SPARE_FILES) // 2, 60_000)      # a tab takes a socket and its SUB's event
    context = zmq.green.Context()
    context.set(zmq.MAX_SOCKETS, max_tabs + 100)
    drops = Drops()
    try:
        where = options.zmq
        relay = Relay(context, options.zmq, options.history, drops)
        endpoint = relay.sub.get(zmq.LAST_ENDPOINT).decode()
        where = f"{bracket(options.host)}:{options.http_port}"
        page_socket = listen(options.host, options.http_port)
        where = f"{bracket(options.host)}:{options.ws_port}"
        tab_socket = listen(options.host, options.ws_port)
    except (OSError, OverflowError, UnicodeError, zmq.ZMQError) as error:
        sys.exit(f"zws: cannot listen on {where}: {getattr(error, 'strerror', None) or error}")
    http_port, ws_port = page_socket.getsockname()[1], tab_socket.getsockname()[1]
    hosts = Hosts(options.host, options.allow_host, http_port)
    app = WebSocketApp(relay, hosts, max_tabs)
    common = {"log": LoggingLogAdapter(log, logging.DEBUG), "error_log": LoggingLogAdapter(log, logging.DEBUG),
              "environ": {"SERVER_NAME": options.host}}     # pywsgi would ask the name server for it
    pages = WSGIServer(page_socket, StaticFiles(hosts, ws_port), handler_class=PageHandler, spawn=500, **common)
    tabs = WSGIServer(tab_socket, app, handler_class=TabHandler, spawn=max_tabs + 200, **common)
    tabs.pre_start_hook = app.refuse
    tabs.logger = logging.Logger("geventwebsocket", logging.ERROR)

    pages.start()
    tabs.start()
    gevent.spawn(drops.report)
    relaying = gevent.spawn(relay.run)
    url = f"http://{'localhost' if is_loopback(options.host) else bracket(options.host)}:{http_port}/graph.html"
    print(f"Graph:   {url}\nPublish: JSON points to {endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)
    if options.source == "sine":
        gevent.spawn(zmq_producer, context, endpoint)
    elif options.source == "stdin":
        gevent.spawn(stdin_producer, context, endpoint, drops)
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
