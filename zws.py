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
import struct
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
from geventwebsocket.websocket import Header, WebSocket
from paste.urlparser import StaticURLParser

HERE = os.path.dirname(os.path.abspath(__file__))
QUEUE = "inproc://queue"
MAX_MESSAGE = 64 * 1024     # bytes of a publisher's message
MAX_LABELS = 64
MAX_BATCH = 8 * 1024        # bytes of frames in one message on the queue
QUEUE_BATCHES = 40          # high-water mark at either end of the queue
SEND_BUFFER = 128 * 1024    # bytes that the kernel holds for a slow tab
REQUEST_SECONDS = 10        # for a whole HTTP request
SILENT_SECONDS = 20         # for a tab that takes no bytes
SPARE_FILES = 1000          # open files kept for all that is not a tab
log = logging.getLogger("zws")


# ---- points ----

def not_json(constant):
    raise ValueError(f"{constant} is not JSON")


decode_json = json.JSONDecoder(parse_constant=not_json).decode
encode_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def parse_point(message):
    """A publisher's message (bytes) as (label, point): x in ms since the epoch, y, and label if it had one.

    Raises ValueError, with the reason, for everything that is not a point.
    """
    try:
        fields = decode_json(message.decode())
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if type(fields) is not dict:
        raise ValueError("not a JSON object")
    point = {"x": fields.get("x", time.time() * 1000), "y": fields.get("y")}
    for name, value in point.items():
        if type(value) not in (int, float):         # a bool is an int, but no number
            raise ValueError(f"{name} is not a number")
        if not -sys.float_info.max <= value <= sys.float_info.max:
            raise ValueError(f"{name} is not finite")
    if "label" not in fields:
        return "Value", point
    point["label"] = label = fields["label"]
    if type(label) is not str or not 1 <= len(label) <= 64:
        raise ValueError("label is not a string of 1 to 64 characters")
    if any("\ud800" <= character <= "\udfff" for character in label):
        raise ValueError("label is not Unicode")    # half a surrogate pair: it has no UTF-8
    return label, point


def encode_frame(opcode, payload):
    """A whole WebSocket frame (RFC 6455 §5.2); a server's are unmasked, so the same bytes do for every tab."""
    return bytes(Header.encode_header(True, opcode, b"", len(payload), 0)) + payload


class Drops:
    """Counts what was dropped and says so, with the reasons, in one log line at most every 10 s."""

    def __init__(self):
        self.reasons = collections.Counter()
        self.reporter = None

    def add(self, reason):
        if len(self.reasons) < 100 or reason in self.reasons:
            self.reasons[reason] += 1
        else:
            self.reasons["other"] += 1
        if not self.reporter:
            self.reporter = gevent.spawn(self.report)

    def report(self):
        while self.reasons:
            reasons, self.reasons = self.reasons, collections.Counter()
            said = ", ".join(f"{reason} ({n})" if n > 1 else reason for reason, n in reasons.most_common(5))
            log.warning("dropped %d: %s%s", sum(reasons.values()), said, ", ..." if len(reasons) > 5 else "")
            gevent.sleep(10)
        self.reporter = None


# ---- publishers ----

def zmq_producer(context, endpoint):
    """The article's sine wave: ten points/s on a steady clock, sent to the relay as any publisher would."""
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
    """Publishes each line of standard input, a number or a point; reports the others by their number."""
    publisher = context.socket(zmq.XPUB)
    publisher.set(zmq.XPUB_NODROP, 1)   # where lines come faster than points go, stdin waits
    publisher.connect(endpoint)
    publisher.recv()                    # an XPUB hears its subscriber come, so the first line is not lost
    readline = sys.stdin.buffer.readline
    count = 0
    while line := gevent.get_hub().threadpool.apply(readline, (MAX_MESSAGE + 1,)):
        count += 1
        try:
            if len(line) > MAX_MESSAGE:
                while line and not line.endswith(b"\n"):
                    line = gevent.get_hub().threadpool.apply(readline, (MAX_MESSAGE + 1,))
                raise ValueError("too long")
            with contextlib.suppress(ValueError):
                line = json.dumps({"y": float(line)}).encode()
            parse_point(line)
        except ValueError as error:
            drops.add(f"line {count}: {error}")
        else:
            publisher.send(line)
    log.info("standard input ended after %d lines; still serving", count)


# ---- relay ----

class Relay:
    """tcp SUB -> inproc PUB: encodes each point once, as a frame, for all tabs; keeps the last ones for new tabs.

    Raises zmq.ZMQError where the endpoint can't be bound.
    """

    def __init__(self, context, endpoint, history, drops):
        self.drops = drops
        self.history = collections.defaultdict(lambda: collections.deque(maxlen=history))
        self.sub = context.socket(zmq.SUB)
        self.sub.set(zmq.MAXMSGSIZE, MAX_MESSAGE)
        self.sub.set(zmq.RCVHWM, 10_000)
        self.sub.set(zmq.IPV6, 1)
        self.sub.subscribe(b"")
        self.sub.bind(endpoint)
        # The queue's two ends are plain sockets: they never wait, and green ones cost more.
        self.context = zmq.Context.shadow(context)
        self.queue = self.context.socket(zmq.PUB)
        self.queue.set(zmq.SNDHWM, QUEUE_BATCHES)
        self.queue.bind(QUEUE)

    def run(self):
        """The relay greenlet: takes all that waits (up to a batch) and publishes it as one message."""
        while True:
            message = self.sub.recv_multipart()[-1]
            batch = size = 0
            frames = []
            while True:
                if frame := self.accept(message):
                    frames.append(frame)
                    size += len(frame)
                batch += len(message) + 100
                if size > MAX_BATCH or batch > 4 * MAX_MESSAGE or not self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                    break
                message = self.sub.recv_multipart()[-1]
            if frames:
                self.queue.send(b"".join(frames))
            gevent.sleep(0)             # a flood of messages must not keep the hub from the tabs

    def accept(self, message):
        """The message's frame, now in the history; None where it was no point."""
        try:
            label, point = parse_point(message)
            if label not in self.history and len(self.history) == MAX_LABELS:
                raise ValueError(f"more than {MAX_LABELS} labels")
        except ValueError as error:
            return self.drops.add(str(error))
        frame = encode_frame(WebSocket.OPCODE_TEXT, encode_json(point).encode())
        self.history[label].append(frame)
        return frame

    def subscribe(self):
        """A new SUB on the queue and, joined to it without a gap, the history's frames.

        libzmq attaches a SUB when the PUB next handles its commands, in a send at most once a
        millisecond; asking the PUB for its EVENTS makes it do so now. No yield before the copy.
        """
        sub = self.context.socket(zmq.SUB)
        sub.set(zmq.RCVHWM, QUEUE_BATCHES)
        sub.set(zmq.LINGER, 0)
        sub.subscribe(b"")
        sub.connect(QUEUE)
        self.queue.get(zmq.EVENTS)
        return sub, b"".join(frame for frames in self.history.values() for frame in frames)


# ---- tabs ----

class Tab:
    """One WebSocket client: its own SUB on the queue, and the one path by which bytes go to its socket.

    Live points never switch greenlets: the hub's watcher on the SUB calls `pump`. The handler's
    greenlet is left to `serve`, which reads what the client sends.
    """
    __slots__ = ("ws", "socket", "sub", "readable", "writable", "pending", "closing")

    def __init__(self, ws, relay):
        self.ws = ws
        self.socket = ws.handler.socket
        self.pending = b""              # the rest of what a full socket did not take
        self.closing = False
        loop = gevent.get_hub().loop
        self.writable = loop.io(self.socket.fileno(), 2)
        self.sub, history = relay.subscribe()
        self.readable = loop.io(self.sub.get(zmq.FD), 1)
        self.write(history)
        self.resume()

    def resume(self):
        """Live from now on. ZMQ_FD is edge-triggered: what waits already needs a first pump."""
        self.readable.start(self.pump)
        self.pump()

    def pump(self):
        """Send all that waits in the SUB with one system call."""
        try:
            batches = []
            while self.sub.get(zmq.EVENTS) & zmq.POLLIN:
                batches.append(self.sub.recv())
            if batches:
                self.write(b"".join(batches))
        except Exception as error:      # this tab's alone: never the hub's or another tab's
            self.fail(error)

    def write(self, data):
        """Send now what the socket takes. The rest goes first when it takes more; until then the
        SUB is left alone, so that its high-water mark does the queueing and the dropping."""
        if self.pending:
            self.pending += data        # never into a half-sent frame
            return
        try:
            sent = self.socket._sock.send(data) if data else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            return self.drop()
        if sent < len(data):
            self.pending = data[sent:]
            self.readable.stop()
            self.writable.start(self.flush)

    def flush(self):
        """The socket takes bytes again."""
        try:
            data, self.pending = self.pending, b""
            self.writable.stop()
            self.write(data)
            if not self.pending and not self.closing:
                self.resume()
        except Exception as error:
            self.fail(error)

    def close(self, code, reason=b""):
        """Say goodbye (RFC 6455 §5.5.1), after whatever is half sent; no point follows."""
        if not self.closing:
            self.closing = True
            self.readable.stop()
            self.write(encode_frame(WebSocket.OPCODE_CLOSE, (struct.pack("!H", code) if code else b"") + reason))

    def fail(self, error):
        log.error("tab %s: %r", self.ws.handler.client_address, error)
        self.drop()

    def drop(self):
        """End the connection at once: `serve`, which reads, sees the end and cleans up."""
        self.closing = True
        self.pending = b""
        self.readable.stop()
        self.writable.stop()
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def serve(self):
        """Answer the client until it leaves. A tab has nothing to say but ping, pong and close (RFC 6455 §5.5)."""
        try:
            self.close(*self.read())
        except ProtocolError:
            self.close(1002, b"protocol error")
        except OSError:                 # the connection ended without a close
            return self.drop()
        # The client may still be sending, and a socket closed on unread bytes resets, which loses
        # the close frame: so read on for a moment, until the client has closed as well.
        with gevent.Timeout(0.5, False), contextlib.suppress(OSError):
            while self.pending:
                wait_write(self.socket.fileno())
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(16 * 1024):
                pass

    def read(self):
        """Answer pings until the connection has to end; returns the close code (0: none) and reason to end it with.

        Raises ProtocolError where the client breaks RFC 6455, OSError where it is gone.
        """
        while True:
            header = Header.decode_header(self.ws.stream)
            if header.flags or not header.mask or header.opcode not in (0, 1, 2, 8, 9, 10):
                raise ProtocolError
            if header.opcode < 8:       # refused before its payload is read: it may claim any length
                return 1003, b"one-way stream"
            payload = header.unmask_payload(self.ws.raw_read(header.length))
            if header.opcode == WebSocket.OPCODE_PING:
                while self.pending and not self.closing:
                    wait_write(self.socket.fileno())
                if not self.closing:
                    self.write(encode_frame(WebSocket.OPCODE_PONG, bytes(payload)))
            elif header.opcode == WebSocket.OPCODE_CLOSE:
                if not payload:
                    return 0, b""
                if len(payload) == 1 or not valid_close_code(code := int.from_bytes(payload[:2], "big")):
                    raise ProtocolError
                try:
                    payload[2:].decode()
                except UnicodeDecodeError:
                    return 1007, b"reason is not UTF-8"
                return code, b""

    def end(self):
        """Leave nothing behind."""
        self.readable.close()
        self.writable.close()
        self.sub.close()
        self.ws.closed = True           # what there was to say is said: the library must not add its own close


def valid_close_code(code):
    """RFC 6455 §7.4 and the IANA registry: the codes that may stand in a close frame."""
    return 1000 <= code <= 1014 and code not in (1004, 1005, 1006) or 3000 <= code <= 4999


class WebSocketApp:
    """The application on the WebSocket port: gives every client a tab, or says why not."""

    def __init__(self, relay, hosts, max_tabs):
        self.relay = relay
        self.hosts = hosts
        self.max_tabs = max_tabs
        self.tabs = set()

    def refusal(self, handler):
        """The server's pre_start_hook. The library would upgrade before the application is asked, so what
        is to be refused is found here: the hook's True sends the request on as plain HTTP."""
        environ = handler.environ
        refused = None
        if not self.hosts.allow(environ.get("HTTP_HOST", "")):
            refused = "403 Forbidden", "This host name is not served here (see --allow-host)."
        elif environ.get("HTTP_UPGRADE", "").lower() != "websocket":
            refused = "426 Upgrade Required", "This port speaks WebSocket."
        elif (environ["REQUEST_METHOD"] != "GET" or environ["SERVER_PROTOCOL"] != "HTTP/1.1"
                or "upgrade" not in re.split(r"[\s,]+", environ.get("HTTP_CONNECTION", "").lower())
                or environ.get("HTTP_SEC_WEBSOCKET_VERSION") != "13"
                or not re.fullmatch(r"[A-Za-z0-9+/]{22}==", environ.get("HTTP_SEC_WEBSOCKET_KEY", ""))):
            refused = "400 Bad Request", "Not a WebSocket handshake of version 13 (RFC 6455)."
        elif not self.hosts.allow_origin(environ.get("HTTP_ORIGIN")):
            refused = "403 Forbidden", "Only the graph's own page may connect from a browser."
        elif len(self.tabs) >= self.max_tabs:
            refused = "503 Service Unavailable", f"All {self.max_tabs} tabs are taken."
        environ["zws.refused"] = refused
        return bool(refused)

    def __call__(self, environ, start_response):
        if environ["zws.refused"]:
            status, text = environ["zws.refused"]
            return answer(environ, start_response, status, text, ("Connection", "close"),
                          ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"))
        ws = environ["wsgi.websocket"]
        ws.handler.deadline.close()
        tab = Tab(ws, self.relay)
        self.tabs.add(tab)
        log.debug("tab %s joined, %d in all", ws.handler.client_address, len(self.tabs))
        try:
            tab.serve()
        except Exception as error:
            tab.fail(error)
        finally:
            self.tabs.discard(tab)
            tab.end()
            log.debug("tab %s left, %d in all", ws.handler.client_address, len(self.tabs))
        return []


# ---- static files ----

class StaticFiles:
    """The graph's page: paste's StaticURLParser behind the list of what it may serve."""
    paths = ("/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js")

    def __init__(self, directory, hosts, ws_port):
        self.directory = directory
        self.hosts = hosts
        self.ws_port = ws_port
        self.parser = StaticURLParser(directory)

    def __call__(self, environ, start_response):
        path, query = environ["PATH_INFO"], parse_qs(environ["QUERY_STRING"])
        host = environ.get("HTTP_HOST", "")
        if not self.hosts.allow(host):
            return answer(environ, start_response, "403 Forbidden", "This host name is not served here (see --allow-host).")
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return answer(environ, start_response, "405 Method Not Allowed", "GET or HEAD only.",
                          ("Allow", "GET, HEAD"), ("Connection", "close"))
        if path == "/":
            return answer(environ, start_response, "302 Found", "/graph.html", ("Location", "/graph.html"))
        if path not in self.paths or not os.path.isfile(self.directory + path):
            return answer(environ, start_response, "404 Not Found", "There is no such page.")
        if path == "/graph.html" and query.get("ws", ["9999"]) != [str(self.ws_port)]:
            kept = "".join(f"&points={n}" for n in query.get("points", []) if n.isdecimal())
            target = f"/graph.html?ws={self.ws_port}{kept}"
            return answer(environ, start_response, "302 Found", target, ("Location", target))
        # paste fails on some of these headers' values, and small files need none of them
        for name in ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_RANGE", "HTTP_CACHE_CONTROL"):
            environ.pop(name, None)
        ws = f"//{split_host(host)[0]}:{self.ws_port}"
        policy = (f"default-src 'none'; script-src 'self'; style-src 'unsafe-inline'; img-src data:; "
                  f"connect-src ws:{ws} wss:{ws}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

        def start(status, headers, exc_info=None):
            return start_response(status, [*headers, ("Content-Security-Policy", policy)], exc_info)
        return self.parser(environ, start)


def answer(environ, start_response, status, text, *headers):
    """A short plain-text response."""
    body = text.encode() + b"\n"
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body))), *headers])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


# ---- doors ----

def split_host(netloc):
    """The lower-case name (or [address]) and the port (int or None) of a Host header; ("", None) if it is none."""
    match = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(\d{1,5}))?", netloc, re.ASCII)
    return (match[1].lower(), int(match[2]) if match[2] else None) if match else ("", None)


def is_address(name):
    with contextlib.suppress(ValueError):
        return bool(ipaddress.ip_address(name.strip("[]")))
    return False


class Hosts:
    """The host names this server answers to. Any other in a Host header is a foreign page whose
    name was pointed here (DNS rebinding), any other in an Origin a foreign page."""

    def __init__(self, host, names, http_port):
        self.http_port = http_port
        self.names = {"localhost", "127.0.0.1", "[::1]", *(bracket(name).lower() for name in (host, *names))}
        self.any_address = not (host == "localhost" or is_address(host) and ipaddress.ip_address(host).is_loopback)

    def allow(self, netloc):
        name, _ = split_host(netloc)
        return name in self.names or self.any_address and is_address(name)

    def allow_origin(self, origin):
        """None, as from a client that is no browser, or the page's own."""
        if origin is None:
            return True
        scheme, _, netloc = origin.partition("://")
        port = split_host(netloc)[1] or {"http": 80, "https": 443}.get(scheme)
        return scheme in ("http", "https") and self.allow(netloc) and port == self.http_port


def bracket(host):
    return f"[{host}]" if ":" in host else host


class HTTPHandler(WSGIHandler):
    """pywsgi's handler, which knows no deadline and prints tracebacks of what clients do."""

    def handle(self):
        try:
            super().handle()
        except OSError as error:
            log.debug("%s: %s", self.client_address, error)

    def handle_one_request(self):
        self.deadline = gevent.Timeout(REQUEST_SECONDS, False)
        with self.deadline:
            return super().handle_one_request()

    def handle_error(self, kind, error, _traceback):
        self.close_connection = True
        if not isinstance(error, (gevent.Timeout, OSError)):
            log.error("%s: %r", self.requestline, error)
            self._send_error_response_if_possible(500)

    def _handle_client_error(self, error):
        log.debug("%s: %s", self.client_address, error)
        return "400 Bad Request", b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

    def start_response(self, status, headers, exc_info=None):
        if not status.startswith("101"):
            headers = [*headers, ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                       ("X-Frame-Options", "DENY"), ("Cache-Control", "no-cache")]
        return super().start_response(status, headers, exc_info)


class TabHandler(HTTPHandler, WebSocketHandler):
    """gevent-websocket's handler with the same."""


def listen(host, port):
    """A listening TCP socket. What it is set to, every connection inherits (Linux).

    Raises OSError where it can't listen there.
    """
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024)
    listener.setblocking(False)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    # Who takes no bytes for 20 s, or is gone without a FIN, is dropped by the kernel.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", SILENT_SECONDS // 2), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2),
                          ("TCP_USER_TIMEOUT", SILENT_SECONDS * 1000)):
        if hasattr(socket, option):
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    return listener


# ---- command line ----

def open_browsers(url, count=2):
    """Opens the page in new browser windows, from the hub's thread pool: a browser can block."""
    try:
        browser = webbrowser.get()
        console = os.path.basename(getattr(browser, "name", "")) in ("www-browser", "links", "elinks", "lynx", "w3m")
    except webbrowser.Error:
        console = True
    for _ in range(0 if console else count):
        if not gevent.get_hub().threadpool.apply(browser.open, (url, 1)):
            console = True
            break
    if console:
        print(f"No browser window could be opened here: open {url} yourself.", flush=True)


def raise_limits():
    """Lets the process open as many files as it may; returns how many tabs fit: one takes a socket and a SUB."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    return min((files - SPARE_FILES) // 2, 60_000)


def port_number(text):
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (0 to 65535)")
    return int(text)


def whole_number(text):
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(
        prog="zws.py", description="Live points from ZeroMQ to every open browser tab.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    option = parser.add_argument
    option("--source", choices=("sine", "stdin", "none"), default="sine",
           help="what this process publishes itself; stdin: each line a number or a point")
    option("--no-browser", action="store_true", help="do not open two browser windows")
    option("--host", default="127.0.0.1", help="address on which the page and the WebSocket listen")
    option("--http-port", type=port_number, default=8000, metavar="PORT", help="the page's port (0: any free one)")
    option("--ws-port", type=port_number, default=9999, metavar="PORT", help="the WebSocket's port (0: any free one)")
    option("--zmq", default="tcp://127.0.0.1:5000", metavar="ENDPOINT", help="where publishers connect")
    option("--history", type=whole_number, default=100, metavar="N", help="points of each label that a new tab gets at once")
    option("--allow-host", action="append", default=[], metavar="NAME", help="a further host name of this server; repeatable")
    option("--verbose", action="store_true", help="log tabs and requests as well")
    return parser.parse_args(arguments)


def main(arguments=None):
    """Starts the relay, both servers, the browsers and the producer, and stops them on Ctrl-C or SIGTERM."""
    options = parse_arguments(arguments)
    logging.basicConfig(format="zws: %(message)s", level=logging.DEBUG if options.verbose else logging.INFO)
    for path in StaticFiles.paths:
        if not os.path.isfile(HERE + path):
            sys.exit(f"zws: {path[1:]} is missing" + "; get it with: npm ci --prefix flot" * path.startswith("/flot/"))
    stop = gevent.event.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        gevent.signal_handler(number, stop.set)
    hub = gevent.get_hub()
    hub.print_exception = lambda context, kind, error, traceback: log.error("%r in %s", error, context)

    max_tabs = raise_limits()
    context = zmq.green.Context()
    context.set(zmq.MAX_SOCKETS, max_tabs + 100)
    drops = Drops()
    where = options.zmq
    try:
        relay = Relay(context, options.zmq, options.history, drops)
        where = f"{bracket(options.host)}:{options.http_port}"
        http_socket = listen(options.host, options.http_port)
        where = f"{bracket(options.host)}:{options.ws_port}"
        ws_socket = listen(options.host, options.ws_port)
    except (OSError, UnicodeError, zmq.ZMQError) as error:
        sys.exit(f"zws: cannot listen on {where}: {getattr(error, 'strerror', None) or error}")
    http_port, ws_port = http_socket.getsockname()[1], ws_socket.getsockname()[1]
    endpoint = relay.sub.get(zmq.LAST_ENDPOINT).decode()
    hosts = Hosts(options.host, options.allow_host, http_port)
    app = WebSocketApp(relay, hosts, max_tabs)
    logs = {"log": LoggingLogAdapter(log, logging.DEBUG), "error_log": LoggingLogAdapter(log, logging.DEBUG),
            "environ": {"SERVER_NAME": options.host}}
    http_server = WSGIServer(http_socket, StaticFiles(HERE, hosts, ws_port), handler_class=HTTPHandler,
                             spawn=SPARE_FILES // 2, **logs)
    ws_server = WSGIServer(ws_socket, app, handler_class=TabHandler, spawn=max_tabs + SPARE_FILES // 4, **logs)
    ws_server.pre_start_hook = app.refusal
    ws_server.logger = logging.getLogger("zws.websocket")
    ws_server.logger.setLevel(logging.WARNING)

    http_server.start()
    ws_server.start()
    relay_greenlet = gevent.spawn(relay.run)
    name = "localhost" if options.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else bracket(options.host)
    url = f"http://{name}:{http_port}/graph.html"
    print(f"Graph:   {url}\nPublish: JSON points to {endpoint} (ZeroMQ PUB)\nStop:    Ctrl-C", flush=True)
    if options.source == "sine":
        gevent.spawn(zmq_producer, context, endpoint)
    elif options.source == "stdin":
        gevent.spawn(stdin_producer, context, endpoint, drops)
    if not options.no_browser:
        gevent.spawn(open_browsers, url)
    gc.freeze()                         # what is here by now stays: the collector need not look at it again

    stop.wait()
    relay_greenlet.kill()
    http_server.close()
    ws_server.close()
    for tab in list(app.tabs):
        tab.close(1001, b"server stopped")
    with gevent.Timeout(1, False):
        while app.tabs:
            gevent.sleep(0.02)
    sys.stdout.flush()
    os._exit(0)                         # a thread may still wait for standard input or a browser


if __name__ == "__main__":
    main()
