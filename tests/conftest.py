"""What the tests share: the real zws.py on free ports, a real publisher, an independent client, a real browser."""
import contextlib
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import websockets.sync.client
import zmq
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
HANDSHAKE = ("GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")


def points_in(message):
    """The points in a message to a tab, each as JSON text: a message is a point, or a list of points."""
    content = json.loads(message)
    if isinstance(content, dict):
        return [message]
    assert len(content) > 1, "a point alone is no list"
    return [json.dumps(point, ensure_ascii=False, separators=(",", ":")) for point in content]


class PointConnection(websockets.sync.client.ClientConnection):
    """A tab that is no browser, an independent WebSocket client. `recv` gives one point at a time, as JSON text."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.points: list[str] = []

    def recv(self, timeout=None, decode=None):
        while not self.points:
            self.points = points_in(super().recv(timeout, decode))
        return self.points.pop(0)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments):
        return None


def wait_until(condition, seconds=10.0):
    """Calls until it answers something true, and returns that; AssertionError after `seconds`."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
    return answer


def frame(opcode, payload=b"", fin=True, mask=b"\x12\x34\x56\x78"):
    """A frame as a client sends it (one without a mask is wrong)."""
    size = len(payload)
    length = [size] if size < 126 else [126, *size.to_bytes(2, "big")]
    head = bytes([0x80 * fin | opcode, 0x80 * bool(mask) | length[0], *length[1:]])
    return head + mask + (bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload)) if mask else payload)


def parse_frames(data):
    """The (opcode, payload) of each frame that a server sent; AssertionError unless all are whole and sound."""
    frames, start = [], 0
    while start < len(data):
        assert data[start] & 0xf0 == 0x80, "a fragment, or reserved bits"
        size, start = data[start + 1], start + 2
        opcode = data[start - 2] & 0xf
        assert size < 127, "masked or huge"
        if size == 126:
            size, start = int.from_bytes(data[start:start + 2], "big"), start + 2
        frames.append((opcode, data[start:start + size]))
        start += size
    assert start == len(data), "the last frame is cut"
    return frames


def points_of_frames(frames):
    """The points, decoded, in the frames of `parse_frames`; AssertionError if there is another frame."""
    assert {opcode for opcode, _ in frames} <= {1}
    return [json.loads(point) for _, payload in frames for point in points_in(payload.decode())]


def read_until(connection, end):
    """Reads until these bytes have come."""
    tail = b""
    while end not in tail:
        part = connection.recv(1 << 18)
        assert part, "the server has ended the connection"
        tail = tail[-len(end):] + part


def read_all(connection):
    """What comes until the server ends the connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            data += part
    return data


def ask(port, request, host="127.0.0.1"):
    """The whole answer to the bytes of a request, which should ask to close.

    The server may end the connection while the request is still on its way: its reset is the end of the answer, too.
    """
    with socket.create_connection((host, port), 15) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        return read_all(connection)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def free_endpoint():
    return f"tcp://127.0.0.1:{free_port()}"


def program(code):
    """zws.py, with some Python before it starts."""
    return "-c", f"import resource, sys; sys.path.insert(0, {str(ROOT)!r}); import zws\n{code}\nzws.main()"


def with_files(soft, hard):
    return program(f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))")


def page_of(server):
    with urllib.request.urlopen(server.url, timeout=15) as answer:
        return answer.status


def answers(tab):
    tab.sendall(frame(9, b"?"))
    return wait_until(lambda: b"\x8a\x01?" in tab.recv(4096))


def until_it_arrives(send, tab, y, seconds=15):
    """Sends again and again until that point comes: a node connects in its own time, with nothing to wait for here."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send()
        with contextlib.suppress(TimeoutError):
            while json.loads(tab.recv(0.1))["y"] != y:
                pass
            return
    raise AssertionError("it never came")


def failure(*options):
    """The one line on stderr of a start that must fail with status 1."""
    result = subprocess.run([sys.executable, ROOT / "zws.py", "--no-browser", "--zmq", "tcp://127.0.0.1:*",
                             "--http-port", "0", "--ws-port", "0", *options],
                            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)
    assert result.returncode == 1, result
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1, result.stderr
    return result.stderr


class Server:
    """One zws.py process, started on free ports unless the options say others."""

    def __init__(self, *options, stdin=subprocess.DEVNULL, env=None, program=(str(ROOT / "zws.py"),), browser=False):
        self.options = [*program]
        for name, value in (("--http-port", "0"), ("--ws-port", "0"), ("--zmq", "tcp://127.0.0.1:*")):
            if name not in options:
                self.options += [name, value]
        self.options += [*([] if browser else ["--no-browser"]), *map(str, options)]
        self.process = subprocess.Popen([sys.executable, *self.options], stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env={**os.environ, **(env or {})}, text=True)
        self.out: list[str] = []
        self.err: list[str] = []
        self.readers = [threading.Thread(target=lines.extend, args=(pipe,), daemon=True)
                        for lines, pipe in ((self.out, self.process.stdout), (self.err, self.process.stderr))]
        for reader in self.readers:
            reader.start()
        try:
            wait_until(lambda: len(self.out) >= 3 or self.process.poll() is not None, 20)
            assert len(self.out) >= 3, self.stderr
            start = "".join(self.out)
            self.url = re.search(r"http://\S+", start)[0]               # type: ignore[index]
            self.zmq = re.search(r"\w+://\S+", start.split("Publish")[1])[0]    # type: ignore[index]
            self.http_port = int(re.search(r":(\d+)/", self.url)[1])    # type: ignore[index]
            self.idle_files = self.files()
            self.ws_port = self.find_ws_port()
        except BaseException:
            self.process.kill()
            raise

    def find_ws_port(self):
        """The page's redirect names it, unless it is 9999."""
        try:
            urllib.request.build_opener(NoRedirect).open(self.url, timeout=10)
        except urllib.error.HTTPError as redirect:
            return int(re.search(r"ws=(\d+)", redirect.headers["Location"])[1])     # type: ignore[index]
        return 9999

    @property
    def pid(self):
        return self.process.pid

    @property
    def stderr(self):
        return "".join(self.err)

    def connect(self, **options):
        """A tab that is no browser; see PointConnection."""
        return websockets.sync.client.connect(f"ws://localhost:{self.ws_port}/", compression=None,
                                              create_connection=PointConnection, **options)

    def raw(self, handshake=True, port=None, receive_buffer=None):
        """A plain TCP connection to the WebSocket port, with the handshake done unless told otherwise."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(10)
        connection.connect(("127.0.0.1", port or self.ws_port))
        if handshake:
            connection.sendall(HANDSHAKE.format(port=self.ws_port).encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                byte = connection.recv(1)
                assert byte, answer
                answer += byte
            assert answer.startswith(b"HTTP/1.1 101 "), answer
        return connection

    def files(self):
        """How many files the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory(self):
        """Resident memory in KiB."""
        return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())[1])   # type: ignore[index]

    def stop(self, number=15, seconds=10):
        """Sends the signal and returns the exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            for reader in self.readers:
                reader.join(5)


@pytest.fixture(scope="module")
def enough_files():
    """As many files as the system allows, for tests with hundreds of connections."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@pytest.fixture
def zws():
    """Starts servers: `zws("--source", "none")`. Each is ended after the test and must not have printed a traceback."""
    servers = []

    def start(*options, **more):
        servers.append(Server(*options, **more))
        return servers[-1]
    yield start
    for server in servers:
        server.stop()
        assert "Traceback" not in server.stderr, server.stderr


@pytest.fixture(scope="module")
def quiet():
    """One server for a file's tests. Whatever its clients do, it has nothing to say about it but whom it refused."""
    server = Server("--source", "none")
    yield server
    assert server.stop() == 0
    assert all(line.startswith("zws: refused ") for line in server.stderr.splitlines()), server.stderr


@pytest.fixture
def publish():
    """Connects publishers: `send = publish(server)`, then `send({"y": 1})` or `send(b"...")`; nothing is lost."""
    context = zmq.Context()
    context.linger = 2000

    def connect(server):
        publisher = context.socket(zmq.XPUB)
        publisher.set(zmq.XPUB_NODROP, 1)
        publisher.connect(server if isinstance(server, str) else server.zmq)
        assert publisher.poll(10000), "no subscriber"
        publisher.recv()

        def send(point, *more):
            publisher.send_multipart([part if isinstance(part, bytes) else json.dumps(part).encode()
                                      for part in (point, *more)])
        return send
    yield connect
    context.destroy(2000)


@pytest.fixture
def source(zws, publish):
    """A server without a source of its own, and what publishes to it: `server, send = source()`."""
    def start(*options):
        server = zws("--source", "none", *options)
        return server, publish(server)
    return start


def find_chromium():
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=[
            "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium):
    """Opens pages: `page = open_tab(url)`. At the end none of them may have said an error."""
    errors: list[str] = []
    contexts = []

    def open_page(url, may_fail=False, **options):
        contexts.append(chromium.new_context(**{"viewport": {"width": 800, "height": 600}, **options}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if not may_fail:    # a server that is stopped on purpose leaves "connection refused" on the console
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            page.on("response", lambda response: errors.append(response.url) if response.status >= 400 else None)
        page.goto(url)
        return page
    yield open_page
    for context in contexts:
        context.close()
    assert not errors


@pytest.fixture(scope="module")
def plain_context(chromium):
    """What most tests need. They share it, and so its cache; each has a page of its own."""
    context = chromium.new_context(viewport={"width": 800, "height": 600}, timezone_id="UTC")
    yield context
    context.close()


@pytest.fixture(scope="module")
def points_page(quiet, plain_context):
    """A page for what needs its functions alone."""
    page = plain_context.new_page()
    page.goto(quiet.url)
    yield page
    page.close()


@pytest.fixture
def feed(quiet, plain_context, open_tab):
    """Opens pages that get their points from the test: `feed("&apart")`; see browser.Feed."""
    from browser import Feed  # not before: it needs what is in here
    pages, errors = [], []

    def start(query="", **options):
        if options:
            page = open_tab("about:blank", **{"timezone_id": "UTC", **options})
        else:
            page = plain_context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
            pages.append(page)
        return Feed(page, f"http://localhost:{quiet.http_port}/graph.html?ws={quiet.ws_port}{query}")
    yield start
    for page in pages:
        page.close()
    assert not errors
