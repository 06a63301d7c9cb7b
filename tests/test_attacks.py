"""Issue 12's attacks. Beside each of them a control tab gets its 20 points a second in time, and nothing is kept."""
import contextlib
import http.server
import json
import random
import re
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq
from conftest import (
    HANDSHAKE,
    answers,
    ask,
    frame,
    free_endpoint,
    page_of,
    read_until,
    until_it_arrives,
    wait_until,
    with_files,
)

from zws import receive_batch

PING, MIB = 9, 1024 * 1024
LATE_SECONDS = 0.5      # what nobody may be later: ten times what is measured where nothing else runs
RESET = b"\1\0\0\0\0\0\0\0"       # for SO_LINGER: the connection ends with a reset


pytestmark = pytest.mark.usefixtures("enough_files")


@contextlib.contextmanager
def started(program, *arguments):
    """An attacker in a process of its own, which is ended at the end of the `with`."""
    command = [sys.executable, "-c", program, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


class Control:
    """Publishes 20 points a second and takes them in a tab. Afterwards `late` is the worst delay, in seconds."""

    def __init__(self, server, publish):
        self.send, self.late, self.taken, self.labels = publish(server), 0.0, 0, set()
        self.connection = server.connect()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.publish), threading.Thread(target=self.take, daemon=True)]

    def publish(self):
        count = 0
        while not self.stop.wait(0.05):
            count += 1
            self.send({"x": time.time(), "y": count, "label": "control"})
        self.send({"x": time.time(), "y": count + 1, "label": "the end"})

    def take(self):
        for text in self.tab:
            now, point = time.time(), json.loads(text)
            label = point.get("label")
            if label in ("control", "the end"):
                self.late = max(self.late, now - point["x"])
                self.taken += 1
            self.labels.add(label)
            if label == "the end":
                return

    def __enter__(self):
        self.tab = self.connection.__enter__()
        for thread in self.threads:
            thread.start()
        wait_until(lambda: self.taken > 5)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(20)
        self.connection.__exit__(None, None, None)
        assert "the end" in self.labels, "the control tab's points stopped"


def peak(server):
    """The most memory that the server ever had, in KiB."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1])     # type: ignore[index]


def ends(connection):
    """Whether the server ends the connection, after whatever it says."""
    try:
        while connection.recv(1 << 16):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


# 1. A page of another origin cannot publish

EVIL = b'{"y":666,"label":"evil page"}'
# libzmq takes bytes that do not begin with 0xFF as ZMTP 1.0: a length, flags, a part; so the request's head is parts,
# too. Wherever the last of those ends in the row of 1s, from the next bytes on there is one reading.
SLED = b"\1" * 300 + b"\3\1\0\2\1\0"
BODY = SLED + bytes([len(EVIL) + 1, 0]) + EVIL
POST = (b"POST / HTTP/1.1\r\nHost: 127.0.0.1:5000\r\nConnection: keep-alive\r\nContent-Length: %d\r\n"
        b"sec-ch-ua-platform: \"Linux\"\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
        b"Gecko) Chrome/142.0.0.0 Safari/537.36\r\nContent-Type: text/plain\r\nAccept: */*\r\n"
        b"Origin: http://evil.example\r\nReferer: http://evil.example/\r\nAccept-Encoding: gzip, deflate\r\n"
        b"Accept-Language: en-US,en;q=0.9\r\n\r\n" % len(BODY)) + BODY
GREETING_2 = b"\xff\0\0\0\0\0\0\0\1\x7f\1\1\0\0"      # ZMTP 2.0: signature, revision, PUB, no identity
OLD_PUBLISHERS = {
    "a page's POST": POST,
    "ZMTP 1": bytes([1, 0, len(EVIL) + 1, 0]) + EVIL,
    "ZMTP 2": GREETING_2 + bytes([0, len(EVIL)]) + EVIL}


@pytest.mark.parametrize("name", OLD_PUBLISHERS)
def test_the_bytes_that_a_page_can_send_to_the_zeromq_port_are_no_points(zws, publish, name):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab, server.raw(False, int(server.zmq.rpartition(":")[2])) as connection:
        connection.settimeout(3)
        connection.sendall(OLD_PUBLISHERS[name])
        cut_off = ends(connection)
        send({"y": 1, "label": "good"})
        assert json.loads(tab.recv(10))["label"] == "good"
        assert cut_off


@pytest.mark.parametrize("name", ["ZMTP 1", "ZMTP 2"])
def test_who_speaks_an_old_zmtp_gets_no_points_of_a_node(zws, name):
    endpoint = free_endpoint()
    server = zws("--republish", endpoint)
    subscription = {"ZMTP 1": bytes([1, 0, 2, 0, 1]), "ZMTP 2": GREETING_2.replace(b"\1\1\0", b"\1\2\0") + b"\0\1\1"}
    with server.raw(False, int(endpoint.rpartition(":")[2])) as connection:
        connection.sendall(subscription[name])
        data = b""
        with contextlib.suppress(ConnectionError):
            while b'"y":' not in data and (part := connection.recv(1 << 16)):
                data += part
        assert b'"y":' not in data


def test_a_page_of_another_origin_cannot_publish_from_a_browser(zws, publish, open_tab):
    class Evil(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>evil</title><iframe name=hole></iframe>")

        def log_message(self, *_):
            pass
    server = zws("--source", "none")
    send = publish(server)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Evil) as evil, server.connect() as tab:
        threading.Thread(target=evil.serve_forever, daemon=True).start()
        page = open_tab(f"http://127.0.0.1:{evil.server_port}/", may_fail=True)
        page.evaluate("""([port, body]) => {
            const url = `http://127.0.0.1:${port}/`, text = String.fromCharCode(...body);
            const soon = new Promise(done => setTimeout(done, 2000));       // who is not refused waits for an answer
            const bytes = fetch(url, {method: "POST", mode: "no-cors", body: new Blob([new Uint8Array(body)],
                                      {type: "text/plain"})}).catch(() => {});
            const form = Object.assign(document.createElement("form"),
                {action: url, method: "POST", enctype: "text/plain", target: "hole"});
            form.append(Object.assign(document.createElement("input"), {name: "\\x01", value: text, type: "hidden"}));
            document.body.append(form);
            const loaded = new Promise(done => { document.querySelector("iframe").onload = done; });
            form.submit();
            return Promise.race([soon, Promise.all([bytes, loaded])]);
        }""", [int(server.zmq.rpartition(":")[2]), list(BODY)])
        send({"y": 1, "label": "good"})
        assert json.loads(tab.recv(10))["label"] == "good"
        evil.shutdown()


# 2. A message of very many parts stops nobody

MANY_PARTS = """
import sys, zmq
endpoint, count, parts = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
publisher = zmq.Context().socket(zmq.XPUB)
publisher.set(zmq.XPUB_NODROP, 1)
publisher.connect(endpoint)
publisher.recv()
for _ in range(count):
    publisher.send_multipart([b""] * parts)
publisher.send(b'{"y":1,"label":"attack is over"}')
publisher.recv()
"""


@pytest.mark.parametrize(("count", "parts", "seconds"), [   # what waits behind a part waits until it was read away
    (1, 1_000_000, 2.5), (30, 10_000, LATE_SECONDS)])
def test_a_message_of_very_many_parts_keeps_nobody_waiting_for_long(zws, publish, count, parts, seconds):
    server = zws("--source", "none", "--history", 0)
    with started(MANY_PARTS, server.zmq, count, parts), Control(server, publish) as control:
        wait_until(lambda: "attack is over" in control.labels, 40)
    print(f"\nlate: {control.late:.2f} s")
    assert control.late < seconds
    assert "more than 8 parts" in wait_until(lambda: server.stderr)


def test_of_large_messages_only_a_few_are_taken_at_a_time():
    with zmq.Context() as context, context.socket(zmq.PUSH) as publisher, context.socket(zmq.PULL) as receiver:
        publisher.bind("inproc://large")
        receiver.connect("inproc://large")
        for _ in range(100):
            publisher.send_multipart([b"x" * 100_000] * 7 + [b'{"y": 1}'])
        messages, is_full = receive_batch(receiver)
        assert (len(messages), is_full) == (1, True)


def test_a_point_may_follow_seven_other_parts_and_no_more(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send(*[b"part"] * 7, {"y": 1})
        send(*[b"part"] * 8, {"y": 2})
        send(*[b'{"y": 3}'] * 5000)
        send({"y": 4})
        assert [json.loads(tab.recv(10))["y"] for _ in range(2)] == [1, 4]
    assert re.search(r"more than 8 parts", wait_until(lambda: server.stderr))


# 3. Requests and pings without end

LOAD = """
import resource, selectors, socket, sys, time
port, count, seconds, first, more = eval(sys.argv[1])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
more, ready, connections = memoryview(more), selectors.DefaultSelector(), []
for _ in range(count if first else 0):      # those who are in do not flood before all are
    connections.append(socket.create_connection(("127.0.0.1", port)))
    connections[-1].sendall(first)
    assert connections[-1].recv(4096)
def start(connection):
    connection.setblocking(False)
    ready.register(connection, selectors.EVENT_WRITE, [more])
def connect():
    connection = socket.socket()
    start(connection)
    connection.connect_ex(("127.0.0.1", port))
for connection in connections:
    start(connection)
for _ in range(count - len(connections)):
    connect()
print("all are in", flush=True)
end = time.monotonic() + seconds
while time.monotonic() < end:
    for key, events in ready.select(0.1):
        connection, rest = key.fileobj, key.data
        try:
            if events & selectors.EVENT_WRITE:
                ready.modify(connection, selectors.EVENT_READ, rest)
            elif not connection.recv(1 << 18):
                raise ConnectionError
            rest[0] = rest[0][connection.send(rest[0]):] or more    # each answer is followed by more
        except BlockingIOError:
            pass
        except OSError:
            ready.unregister(connection)
            connection.close()
            connect()
"""
LOADS = {   # by name: the port, the connections, what they send first, and what then without end
    "requests": ("http_port", 450, "", b"GET /graph.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 40),
    "pings": ("ws_port", 1000, HANDSHAKE, frame(PING) * 400)}


@pytest.mark.parametrize("name", LOADS)
def test_hundreds_of_clients_that_ask_without_end_keep_nobody_waiting(zws, publish, name):
    port, count, first, more = LOADS[name]
    server = zws("--source", "none")
    pages = [0.0]
    target = getattr(server, port), count, 3.0, first.format(port=1).encode(), more
    with Control(server, publish) as control, started(LOAD, repr(target)) as attacker:
        attacker.stdout.readline()
        while attacker.poll() is None:
            start = time.monotonic()
            assert page_of(server) == 200
            pages.append(time.monotonic() - start)
    print(f"\nlate: {control.late:.2f} s, page {max(pages):.2f} s")
    assert (control.late < LATE_SECONDS, max(pages) < 5) == (True, True)


def test_of_pipelined_requests_the_first_is_answered_and_the_connection_ends(quiet):
    for port, path, status in ((quiet.http_port, "/graph.js", 200), (quiet.http_port, "/nothing", 404),
                               (quiet.http_port, "/", 302), (quiet.ws_port, "/", 426)):
        request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n".encode()
        last = request.replace(b"keep-alive", b"close")
        for data in (request + last, request.replace(b"1.1", b"1.0") + last, request):
            answer = ask(port, data)
            head = answer.partition(b"\r\n\r\n")[0]
            assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 %d " % status)
            upgrade = [b"Upgrade"] if status == 426 else []     # RFC 9110 §7.8
            assert re.findall(rb"\r\nConnection: *(\S+)", head, re.I) == [*upgrade, b"close"]


# 4 and 5. Stamps are the business of nodes

def a_stamp_of(endpoint, send):
    """The stamp of a node's point, which it tells everybody who subscribes."""
    with zmq.Context() as context, context.socket(zmq.SUB) as leaf:
        leaf.subscribe(b"")
        leaf.connect(endpoint)

        def told():
            send({"y": -1, "label": "stamp"})
            return leaf.poll(50) and leaf.recv_multipart()
        stamp, point = wait_until(told)
        assert json.loads(point)["label"] == "stamp"
        return stamp


def test_a_loop_of_nodes_comes_to_rest_whatever_names_a_publisher_forges(zws, publish):
    one, two = free_endpoint(), free_endpoint()
    node = zws("--source", "none", "--republish", one, "--upstream", two, "--history", 0)
    other = zws("--source", "none", "--republish", two, "--upstream", one, "--history", 0)
    send = publish(node)
    stamp = a_stamp_of(one, send)
    with node.connect(max_queue=None) as tab, other.connect(max_queue=None) as behind:
        until_it_arrives(lambda: send({"y": -2}), behind, -2)
        other.process.send_signal(19)       # SIGSTOP: it is busy
        for number in range(3000):
            name = b"%08d" % number
            send(stamp[:4] + name + stamp[12:], {"x": number, "y": 1, "label": "flood"})
        got = []
        with contextlib.suppress(TimeoutError):
            while len(got) < 3000:
                got += [point["x"] for point in [json.loads(tab.recv(2))] if point.get("label") == "flood"]
        other.process.send_signal(18)       # SIGCONT
        end = time.monotonic() + 4
        with contextlib.suppress(TimeoutError):
            while time.monotonic() < end:
                got += [point["x"] for point in [json.loads(tab.recv(1.5))] if point.get("label") == "flood"]
        assert got == list(range(3000))
        assert time.monotonic() < end, "it goes round and round"
        until_it_arrives(lambda: send({"y": 3}), behind, 3)


@pytest.mark.parametrize("at", ["root", "leaf"])
def test_nobody_silences_a_node_by_a_forged_stamp(zws, publish, at):
    endpoint = free_endpoint()
    root = zws("--source", "none", "--republish", endpoint)
    leaf = zws("--source", "none", "--upstream", endpoint, "--history", 0)
    send, forge = publish(root), publish(root if at == "root" else leaf)
    stamp = a_stamp_of(endpoint, send)
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": -2}), tab, -2)
        until_it_arrives(lambda: forge(stamp[:-8] + b"\xff" * 8, {"y": -3}), tab, -3)
        for number in range(50):
            send({"y": number})
        got = []
        with contextlib.suppress(TimeoutError):
            while not got or got[-1] != 49:
                got.append(json.loads(tab.recv(2))["y"])
        assert [y for y in got if y >= 0] == list(range(50))


# 6. Long topics

def zmtp(flags, data):
    """A frame of ZMTP 3.1."""
    return bytes([flags | 2]) + len(data).to_bytes(8, "big") + data


SUBSCRIBER = (b"\xff\0\0\0\0\0\0\0\1\x7f\3\0NULL".ljust(64, b"\0")
              + zmtp(4, b"\5READY\x0bSocket-Type" + struct.pack(">I", 3) + b"SUB"))


def test_a_subscriber_of_long_topics_is_cut_off_and_fills_nothing(zws, publish):
    endpoint = free_endpoint()
    root = zws("--source", "none", "--republish", endpoint)
    leaf = zws("--source", "none", "--upstream", endpoint)
    send, memory, chance = publish(root), root.memory(), random.Random(6)
    with leaf.connect() as tab, root.connect() as own:
        until_it_arrives(lambda: send({"y": 1}), tab, 1)
        with root.raw(False, int(endpoint.rpartition(":")[2])) as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(SUBSCRIBER)
                for _ in range(20):
                    connection.sendall(zmtp(0, b"\1" + chance.randbytes(MIB)))
            connection.settimeout(5)
            cut_off = ends(connection)
        until_it_arrives(lambda: send({"y": 2}), tab, 2, 30)
        until_it_arrives(lambda: send({"y": 3}), own, 3, 30)
        assert peak(root) - memory < 300 * 1024
        assert cut_off


# 7. What stalled tabs held is given back

def test_what_150_stalled_tabs_held_is_given_back_when_they_are_gone(zws, publish):
    server = zws("--source", "none")
    send, long = publish(server), 10**308
    with server.raw() as witness:
        for number in range(100):
            for label in range(64):
                send({"x": number, "y": long, "label": chr(0x1F300 + label) * 64})
                if label == 63:
                    read_until(witness, b'"x":%d,' % number)
    before, files = server.memory(), server.files()
    tabs = []
    for number in range(150):
        tabs.append(server.raw(receive_buffer=4096))
        send({"y": number, "label": chr(0x1F300) * 64})
    full = server.memory()
    for tab in tabs:
        tab.close()
    wait_until(lambda: server.files() <= files, 20)
    send({"y": 1, "label": chr(0x1F300) * 64})
    with server.raw() as tab:
        assert tab.recv(1)
    wait_until(lambda: server.files() <= files, 20)
    print(f"\nmemory: {before >> 10}, with 150 stalled tabs {full >> 10}, after {server.memory() >> 10} MiB")
    assert server.memory() - before < 100 * 1024


# 8 and 9. Few files

@pytest.mark.parametrize("pages", [0, 16])
def test_tabs_that_come_back_all_at_once_get_a_tab_or_a_refusal(zws, pages):
    server = zws("--source", "none", program=with_files(64, 64))
    handshake = HANDSHAKE.format(port=server.ws_port).encode()
    count, refused, broken, tabs = 0, 0, [], []
    half_open = [server.raw(False, server.http_port) for _ in range(pages)]
    for _ in range(50):
        for tab in tabs:
            tab.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            tab.close()
        tabs = [server.raw(handshake=False) for _ in range(24)]
        for tab in tabs:
            tab.sendall(handshake + frame(PING, b"?"))
        for tab in tabs:
            answer = b""
            with contextlib.suppress(OSError):
                while not re.search(rb"\x8a\x01\?|are taken|no room is left", answer) and (part := tab.recv(1 << 16)):
                    answer += part
            is_tab = answer.endswith(b"\x8a\x01?")
            is_refused = answer.startswith(b"HTTP/1.1 503 ") or b"\x03\xf5no room is left" in answer     # close 1013
            count, refused = count + is_tab, refused + is_refused
            if not is_tab and not is_refused:
                broken.append(answer)
    for connection in (*tabs, *half_open):
        connection.close()
    assert broken == []
    assert count > 100
    assert "Too many open files" not in server.stderr
    assert server.stderr.count("\n") <= 1


def test_connections_to_the_zeromq_port_that_take_all_files_cost_no_tab_its_points(zws, publish):
    server = zws("--source", "none", "--history", 0, program=with_files(600, 600))
    send = publish(server)
    port = int(server.zmq.rpartition(":")[2])
    with server.connect() as tab, ThreadPoolExecutor() as pool:
        send({"y": -1})
        assert json.loads(tab.recv(5))["y"] == -1
        start = time.monotonic()
        held = []
        for number in range(650):
            held.append(socket.socket())
            held[-1].setblocking(False)
            held[-1].connect_ex(("127.0.0.1", port))
            if number % 50 == 0:
                time.sleep(0.02)        # a full listen queue would hold them up, and we are to hold up the server
        with contextlib.suppress(AssertionError):
            wait_until(lambda: server.files() >= 600, 2)
        late = pool.submit(server.raw)      # who comes now may have to wait
        for number in range(20):
            send({"y": number})
            assert json.loads(tab.recv(2))["y"] == number
            time.sleep(0.05)
        for connection in held:
            connection.close()
        assert answers(late.result(15))
        assert page_of(server) == 200
        publish(server)({"y": 100})
        assert json.loads(tab.recv(10))["y"] == 100
        said = [line for line in server.stderr.splitlines() if "file" in line]
        others = [line for line in server.stderr.splitlines() if "file" not in line]
        assert all("not a ZeroMQ PUB socket" in line for line in others)
        assert max(len(said), len(others)) <= 1 + (time.monotonic() - start) // 10
