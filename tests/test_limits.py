"""What is bounded, what comes and goes, and what goes wrong: one failure never is another's."""
import json
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import zmq
from conftest import HANDSHAKE, Server, answers, frame, free_port, page_of, program, read_all, wait_until, with_files

PING, PONG = 9, 10


pytestmark = pytest.mark.usefixtures("enough_files")


# Limits

def test_the_file_limit_is_raised_to_the_hard_limit(zws):
    server = zws("--source", "none", program=with_files(300, 2000))
    assert re.search(r"Max open files\s+2000\s+2000 ", Path(f"/proc/{server.pid}/limits").read_text())
    tabs = [server.raw() for _ in range(400)]
    assert all(map(answers, tabs))


def knock(server, path="/"):
    """A connection on which the handshake was sent, and the first line of the answer."""
    connection = server.raw(handshake=False)
    connection.sendall(HANDSHAKE.replace(" / ", f" {path} ").format(port=server.ws_port).encode())
    return connection, connection.recv(4096, socket.MSG_PEEK).split(b"\r\n")[0]


@pytest.mark.parametrize("files", [64, 256, 1024])
def test_one_tab_too_many_gets_503_and_the_rest_run_on(zws, publish, files):
    server = zws("--source", "none", program=with_files(files, files))
    tabs = []
    while (one := knock(server))[1].startswith(b"HTTP/1.1 101 "):
        tabs.append(one[0])
    assert one[1] == b"HTTP/1.1 503 Service Unavailable"
    assert read_all(one[0]).endswith(b"All %d tabs are taken.\n" % len(tabs))
    assert len(tabs) > files / 5
    assert page_of(server) == 200
    publish(server)({"y": 7})
    for tab in tabs:
        wait_until(lambda tab=tab: b'"y":7' in tab.recv(4096))
    tabs.pop().close()
    wait_until(lambda: b" 101 " in knock(server)[1])
    assert server.stderr == ""


def test_half_open_connections_cannot_use_up_the_files(zws, publish):
    server = zws("--source", "none", "--history", 0, program=with_files(600, 600))
    send = publish(server)
    with server.connect() as tab, ThreadPoolExecutor() as pool:
        half_open = [server.raw(False, port) for port in (server.ws_port, server.http_port) * 400]
        page, late = pool.submit(page_of, server), pool.submit(server.raw)
        for number in range(10):        # others have to wait, but those who are in notice nothing
            send({"y": number})
            assert json.loads(tab.recv(5))["y"] == number
        publish(server)({"y": "a publisher gets in as well"})
        wait_until(lambda: "y is not a number" in server.stderr)
        assert server.files() < 600 and not page.done() and not late.done()
        for connection in half_open:
            connection.close()
        assert page.result(15) == 200 and answers(late.result(15))
    assert server.stderr.count("\n") == 1


def test_3000_tabs_come_and_go_and_leave_nothing(zws):
    server = zws("--history", 0)

    def come_and_go(count):
        for number in range(count):
            connection = server.raw()
            if number % 3 == 0:     # a reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif number % 3 == 1:
                connection.sendall(frame(8))
            connection.close()
    come_and_go(300)
    wait_until(lambda: server.files() <= server.idle_files + 2)     # the sine wave's connection, at both ends
    files, memory = server.files(), server.memory()
    come_and_go(3000)
    wait_until(lambda: server.files() <= files)
    assert server.memory() - memory < 10 * 1024
    assert answers(server.raw())
    assert server.stderr == ""


# Publishers and servers come and go

def take_until(tab, y):
    """Reads until that point has come."""
    while json.loads(tab.recv(10))["y"] != y:
        pass


def test_publishers_come_and_go_in_any_order(zws, publish):
    server = zws("--source", "none", "--history", 0)
    with server.connect() as tab, zmq.Context() as context:
        first, second = publish(server), publish(server)
        for number in range(20):
            with context.socket(zmq.XPUB) as passing:
                passing.connect(server.zmq)
                passing.recv()
                passing.send_json({"y": number})
                passing.linger = 1000
            (first if number % 2 else second)({"y": 100 + number})
            assert {json.loads(tab.recv(5))["y"] for _ in range(2)} == {number, 100 + number}
        killed = subprocess.Popen([sys.executable, "-c", f"""
import time, zmq
publisher = zmq.Context().socket(zmq.PUB)
publisher.connect("{server.zmq}")
while True: publisher.send_json({{"y": -1}}) or time.sleep(0.001)"""])
        take_until(tab, -1)
        killed.kill()
        killed.wait()
        first({"y": 200})
        take_until(tab, 200)


def test_a_publisher_may_start_before_the_server_and_finds_a_restarted_one_again(zws):
    ports = {name: free_port() for name in ("--http-port", "--ws-port", "--zmq")}
    ports["--zmq"] = f"tcp://127.0.0.1:{ports['--zmq']}"
    options = [word for pair in ports.items() for word in pair]
    with zmq.Context() as context, context.socket(zmq.PUB) as publisher:
        publisher.linger = 0
        publisher.connect(ports["--zmq"])
        for end in ("kill", "terminate", "terminate"):
            server = zws("--source", "none", *options)
            with server.connect() as tab:
                def arrives():
                    publisher.send_json({"y": 1})
                    try:
                        return tab.recv(0.05)
                    except TimeoutError:
                        return None
                assert wait_until(arrives)
                getattr(server.process, end)()
                server.process.wait(5)


def test_ctrl_c_during_load_ends_within_two_seconds(zws):
    server = zws("--source", "none")
    flood = f"""
import zmq
publisher = zmq.Context().socket(zmq.PUB)
publisher.connect("{server.zmq}")
while True: publisher.send(b'{{"y":1}}')"""
    tabs = [server.raw() for _ in range(100)]       # which read nothing
    half_open = [server.raw(False, port) for port in (server.http_port, server.ws_port) * 20]
    floods = [subprocess.Popen([sys.executable, "-c", flood]) for _ in range(2)]
    try:
        wait_until(lambda: all(len(tab.recv(1 << 16, socket.MSG_PEEK)) > 10_000 for tab in tabs), 20)
        start = time.monotonic()
        assert server.stop(2) == 0
        assert time.monotonic() - start < 2
    finally:
        for process in floods:
            process.kill()
            process.wait()
    for connection in (*tabs, *half_open):
        connection.close()


# Faults

@pytest.mark.parametrize("error", ["EHOSTUNREACH", "ENETUNREACH", "ETIMEDOUT", "ECONNRESET"])
def test_a_client_whose_network_goes_away_is_no_news(zws, publish, error):
    code = f"""
import errno
def readinto(reader, buffer, read=zws.FairReader.readinto):
    size = read(reader, buffer)
    if b"gone" in bytes(buffer[:size]):
        raise OSError(errno.{error}, "gone")
    return size
zws.FairReader.readinto = readinto
"""
    server = zws("--source", "none", program=program(code))
    with server.raw() as tab:
        tab.sendall(frame(PING, b"gone", mask=b"\0\0\0\0"))
        assert read_all(tab) == b""
    with server.raw(handshake=False, port=server.http_port) as page:
        page.sendall(b"GET /gone HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert read_all(page) == b""
    publish(server)({"y": 1})
    assert server.stop() == 0
    assert server.stderr == ""


def test_an_error_that_nobody_foresaw_shows_where_it_arose_with_verbose_only():
    for options in ((), ("--verbose",)):
        server = Server("--source", "none", *options, program=program(BREAK.format(place="read_frame")))
        knock(server, "/broken")
        wait_until(lambda server=server: "boom" in server.stderr)
        server.stop()
        assert ("Traceback" in server.stderr) == bool(options)


BREAK = """
def boom(*_):
    raise RuntimeError("boom")
def broken_init(tab, websocket, init=zws.Tab.__init__):
    if websocket.path == "/broken" and "{place}" == "init":
        boom()
    init(tab, websocket)
    if websocket.path == "/broken" and "{place}" == "send":
        tab.send = boom
def broken_join(queue, tab, join=zws.Queue.join):
    if tab.websocket.path == "/broken" and "{place}" == "receive":
        tab.receive = boom
    join(queue, tab)
def broken_read(tab, read=zws.Tab.read_frame):
    if tab.websocket.path == "/broken" and "{place}" == "read_frame":
        boom()
    return read(tab)
zws.Tab.__init__, zws.Tab.read_frame, zws.Queue.join = broken_init, broken_read, broken_join
"""


@pytest.mark.parametrize("place", ["init", "read_frame", "send", "receive"])
def test_an_exception_in_one_tabs_path_closes_that_tab_alone_and_is_one_line(zws, publish, place):
    server = zws("--source", "none", "--history", 0, program=program(BREAK.format(place=place)))
    send, long = publish(server), 10**300
    with server.connect() as tab:
        send({"y": 0})
        tab.recv(5)
        files = server.files()
        broken, status = knock(server, "/broken")
        assert b" 101 " in status
        with broken:
            for start in range(0, 3000, 100):       # so many that its socket is full; then it reads
                numbers = list(range(start, start + 100))
                for number in numbers:
                    send({"x": number, "y": long})
                assert [json.loads(tab.recv(5))["x"] for _ in numbers] == numbers
            read_all(broken)
        send({"x": -1, "y": 1})
        assert json.loads(tab.recv(5))["x"] == -1
        wait_until(lambda: server.files() <= files)
    assert wait_until(lambda: server.stderr).count("boom") == server.stderr.count("\n") == 1
