"""The WebSocket by RFC 6455, frame by frame; then clients that mean harm, and a fuzz."""
import contextlib
import json
import random
import select
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import HANDSHAKE, ask, frame, parse_frames, points_of_frames, read_all, read_until, wait_until

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def code(number, reason=b""):
    return number.to_bytes(2, "big") + reason


def claim(opcode, size, digits):
    """The start of a masked frame that claims to be as long as that."""
    return bytes([0x80 | opcode, 0x80 | (126 if digits == 2 else 127)]) + size.to_bytes(digits, "big") + b"mask"


def converse(server, data):
    """The frames that the server answers until it ends the connection, and the seconds that took."""
    with server.raw() as connection:
        start = time.monotonic()
        connection.sendall(data)
        answer = read_all(connection)
        return parse_frames(answer), time.monotonic() - start


def read_frames(connection, count):
    """The next frames, until there are so many."""
    data = b""
    while True:
        with contextlib.suppress(AssertionError, IndexError):
            if len(frames := parse_frames(data)) >= count:
                return frames
        part = connection.recv(1 << 16)
        assert part, data
        data += part


# Ping

def test_a_ping_of_every_length_is_answered_with_its_payload(quiet):
    payloads = [bytes(range(size)) for size in range(126)]
    with quiet.raw() as connection:
        for payload in payloads:
            connection.sendall(frame(PING, payload))
            assert read_frames(connection, 1) == [(PONG, payload)]


def test_many_pings_at_once_are_answered_in_order(quiet):
    payloads = [b"%d" % number for number in range(1000)]
    with quiet.raw() as connection:
        connection.sendall(b"".join(frame(PING, payload) for payload in payloads))
        assert read_frames(connection, 1000) == [(PONG, payload) for payload in payloads]


def test_a_ping_in_single_bytes_is_a_ping(quiet):
    with quiet.raw() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(PING, b"in pieces"):
            connection.sendall(bytes([byte]))
            time.sleep(0.001)
        assert read_frames(connection, 1) == [(PONG, b"in pieces")]


def test_frames_that_come_with_the_handshake_are_heard(quiet):
    with quiet.raw(handshake=False) as connection:
        connection.sendall(HANDSHAKE.format(port=quiet.ws_port).encode() + frame(PING, b"early") + frame(CLOSE))
        assert parse_frames(read_all(connection).partition(b"\r\n\r\n")[2]) == [(PONG, b"early"), (CLOSE, b"")]


def test_a_pong_that_nobody_asked_for_is_ignored(quiet):
    with quiet.raw() as connection:
        connection.sendall(frame(PONG) + frame(PONG, b"x" * 125) + frame(PING, b"still here"))
        assert read_frames(connection, 1) == [(PONG, b"still here")]


# Close

@pytest.mark.parametrize("payload", [b"", *map(code, (1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000,
                                     4999)), code(1000, b"bye"), code(1000, "grüße".encode()), code(1000, b"x" * 123)])
def test_a_close_is_answered_with_its_code_and_the_connection_is_gone(quiet, payload):
    frames, seconds = converse(quiet, frame(CLOSE, payload))
    assert frames == [(CLOSE, payload[:2])]
    assert seconds < 1


def test_nothing_is_answered_after_the_close(quiet):
    frames, seconds = converse(quiet, frame(PING, b"1") + frame(CLOSE, code(1000)) + frame(PING, b"2") + frame(TEXT,
                                                                                                               b"3"))
    assert frames == [(PONG, b"1"), (CLOSE, code(1000))]
    assert seconds < 1


@pytest.mark.parametrize("end", [frame(CLOSE), frame(TEXT, b"x"), frame(PING, mask=b"")])
def test_the_server_ends_the_connection_where_the_client_does_not(quiet, end):
    def is_gone():
        try:
            connection.sendall(frame(PONG))
        except OSError:
            return True
    with quiet.raw() as connection:
        connection.sendall(end)
        assert read_all(connection)
        wait_until(is_gone, 1)


# What breaks the protocol

WRONG = {
    "ping without mask": (1002, frame(PING, b"x", mask=b"")),
    "close without mask": (1002, frame(CLOSE, code(1000), mask=b"")),
    "text without mask": (1002, frame(TEXT, b"x", mask=b"")),
    "empty without mask": (1002, frame(PONG, mask=b"")),
    **{f"opcode {opcode}": (1002, frame(opcode, b"x")) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    **{f"reserved bit {bit:#x}, opcode {opcode}": (1002, frame(opcode | bit, b"x"))
       for bit in (0x10, 0x20, 0x40, 0x70) for opcode in (TEXT, CONTINUATION, PING, PONG, CLOSE)},
    **{f"fragmented control {opcode}": (1002, frame(opcode, b"xy", fin=False)) for opcode in (CLOSE, PING, PONG)},
    **{f"control {opcode} of 126 bytes": (1002, frame(opcode, b"x" * 126)) for opcode in (CLOSE, PING, PONG)},
    "ping of 2 bytes in 16 bits": (1002, claim(PING, 2, 2) + b"xx"),
    "ping of 2^63-1 bytes": (1002, claim(PING, 2**63 - 1, 8)),
    "close of one byte": (1002, frame(CLOSE, b"\x03")),
    **{f"close code {number}": (1002, frame(CLOSE, code(number)))
       for number in (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)},
    **{f"close reason {reason!r}": (1007, frame(CLOSE, code(1000, reason)))
       for reason in (b"\xff", b"ok\x80", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82")},
    "text": (1003, frame(TEXT, b"hello")),
    "empty text": (1003, frame(TEXT)),
    "text of bad UTF-8": (1003, frame(TEXT, b"\xff")),
    "binary": (1003, frame(BINARY, b"\0" * 1000)),
    "continuation": (1003, frame(CONTINUATION, b"x")),
    "first fragment": (1003, frame(TEXT, b"x", fin=False)),
    "fragments with a ping between": (1003, frame(TEXT, b"x", fin=False) + frame(PING) + frame(CONTINUATION, b"y")),
    "text after a ping": (1003, frame(PING, b"x") + frame(TEXT, b"x")),
    **{f"claim of {size} bytes": (1003, claim(BINARY, size, digits))
       for size, digits in ((126, 2), (65535, 2), (65536, 8), (2**32, 8), (2**63 - 1, 8), (2**64 - 1, 8))}}


@pytest.mark.parametrize("name", WRONG)
def test_what_breaks_the_protocol_ends_the_connection_at_once_with_its_code(quiet, name):
    number, data = WRONG[name]
    frames, seconds = converse(quiet, data)
    assert [opcode for opcode, _ in frames if opcode != PONG] == [CLOSE]
    opcode, payload = frames[-1]
    assert (opcode, payload[:2]) == (CLOSE, code(number))
    assert number != 1003 or payload[2:] == b"one-way stream"
    payload[2:].decode()
    assert seconds < 1


@pytest.mark.parametrize("cut", [frame(PING, b"hello")[:-2], frame(CLOSE, code(1000))[:-1], claim(TEXT, 2**40, 8)[:7],
                                 frame(PING)[:1], frame(PING)[:3], b""])
def test_a_client_that_leaves_within_a_frame_is_no_news(quiet, cut):
    connection = quiet.raw()
    connection.sendall(cut)
    connection.close()
    wait_until(lambda: quiet.files() == quiet.idle_files)     # and `quiet` says nothing of it


def test_100_mb_that_are_really_sent_are_not_kept(quiet):
    memory = quiet.memory()
    with quiet.raw() as connection, ThreadPoolExecutor() as pool:
        answer = pool.submit(read_all, connection)
        start = time.monotonic()
        with contextlib.suppress(OSError):
            connection.sendall(claim(BINARY, 100_000_000, 8))
            for _ in range(100):
                connection.sendall(bytes(1_000_000))
        assert parse_frames(answer.result(10)) == [(CLOSE, code(1003, b"one-way stream"))]
        assert time.monotonic() - start < 2
    assert quiet.memory() - memory < 5_000


# The one write path

def test_a_pong_never_lands_inside_a_half_sent_frame_and_no_point_follows_the_close(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    long = 10**300      # so that a frame is longer than 126 bytes, and more often cut
    with server.raw(receive_buffer=4096) as connection, server.raw() as witness:
        for number in range(6000):
            send({"x": number, "y": long})
            if number % 500 == 499:     # the other tab takes them all
                read_until(witness, b'"x":%d,"y":%d}' % (number, long))
        data = b""
        for number in range(50):    # now its socket is full, but for what it reads here
            data += connection.recv(5000)
            connection.sendall(frame(PING, b"%d" % number))
        connection.sendall(frame(CLOSE, code(1000)))
        frames = parse_frames(data + read_all(connection))
    points = [point["x"] for point in points_of_frames([frame for frame in frames if frame[0] == TEXT])]
    pongs = [int(payload) for opcode, payload in frames if opcode == PONG]
    assert 100 < len(points) < 6000, "it was slow: it lost some"
    assert points == sorted(set(points))
    assert pongs == list(range(50))
    assert frames[-1] == (CLOSE, code(1000)) and frames[-2][0] != CLOSE


def test_a_client_that_pings_without_end_and_never_reads_has_to_wait(quiet):
    memory = quiet.memory()
    with quiet.raw() as connection, quiet.raw() as other:
        connection.settimeout(3)
        with pytest.raises(TimeoutError):
            connection.sendall(frame(PING, b"x" * 125) * 1_000_000)
        assert quiet.memory() - memory < 2_000
        other.sendall(frame(PING, b"and I?"))
        assert read_frames(other, 1) == [(PONG, b"and I?")]


FLOODS = {      # by name: the port, what is sent first, and what then without end
    "pings": ("ws", HANDSHAKE, frame(PING)),
    "pongs": ("ws", HANDSHAKE, frame(PONG)),
    "data": ("ws", HANDSHAKE + claim(BINARY, 2**62, 8).decode("latin-1"), b"x"),
    "pages": ("http", "", b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "body": ("http", "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n", b"x"),
    "chunks": ("http", "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "headers": ("http", "GET / HTTP/1.1\r\n", b"A: b\r\n"),
    "one header": ("ws", "GET / HTTP/1.1\r\nA: ", b"x"),
    "connections": ("ws", HANDSHAKE, b"")}
FLOOD = """
import socket, sys, threading
port, first, more = eval(sys.argv[1])
more *= 1_000_000 // max(1, len(more))
def drain(connection):
    try:
        while connection.recv(1 << 20): pass
    except OSError: pass
while True:
    try:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(first)
            if more: threading.Thread(target=drain, args=(connection,)).start()
            while more: connection.sendall(more)
    except OSError: pass
"""


@pytest.mark.parametrize("name", FLOODS)
def test_a_client_that_floods_keeps_nobody_waiting(zws, name):
    port, first, more = FLOODS[name]
    server = zws()
    target = server.ws_port if port == "ws" else server.http_port, first.format(port=1).encode("latin-1"), more
    with server.connect() as tab:
        tab.recv()
        before = server.memory()
        floods = [subprocess.Popen([sys.executable, "-c", FLOOD, repr(target)]) for _ in range(2)]
        try:
            waits, now = [], time.monotonic()
            end = now + 2
            while now < end:
                tab.recv(10)
                waits.append(time.monotonic() - now)
                now += waits[-1]
            assert len(waits) > 4 and max(waits) < 1
            assert server.memory() - before < 20_000
            start = time.monotonic()
            assert server.stop(2) == 0
            assert time.monotonic() - start < 2
        finally:
            for flood in floods:
                flood.kill()
                flood.wait()


def test_a_client_that_asks_without_end_and_reads_nothing_is_dropped_and_no_news(quiet):
    with quiet.raw(handshake=False, port=quiet.http_port, receive_buffer=4096) as connection:
        request = b"HEAD /graph.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.settimeout(2)
        with pytest.raises(OSError, match=r"timed out|reset|Broken"):
            connection.sendall(request * 100_000)
        wait_until(lambda: quiet.files() == quiet.idle_files, 15)


# Clients that do not finish

def test_a_client_that_does_not_finish_its_request_is_dropped_after_10_seconds(quiet):
    get, post = (f"{method} / HTTP/1.1\r\nHost: localhost\r\n" for method in ("GET", "POST"))
    starts = {  # by name: the port and what comes
        "no byte for the WebSocket": (quiet.ws_port, ""),
        "no byte for the page": (quiet.http_port, ""),
        "half a line": (quiet.ws_port, "GET / HT"),
        "half a handshake": (quiet.ws_port, HANDSHAKE.format(port=1)[:-2]),
        "half a head": (quiet.http_port, get),
        "half a body": (quiet.http_port, post + "Content-Length: 9\r\n\r\nx"),
        "half a body for the WebSocket": (quiet.ws_port, get + "Content-Length: 9\r\n\r\nx"),
        "half a chunk": (quiet.http_port, post + "Transfer-Encoding: chunked\r\n\r\n9\r\nx"),
        "byte by byte": (quiet.ws_port, "")}
    with quiet.raw() as tab:
        waiting = {name: quiet.raw(False, port) for name, (port, _) in starts.items()}
        for name, (_, data) in starts.items():
            waiting[name].sendall(data.encode())
        dribble = iter(HANDSHAKE.encode() * 10)
        start, seconds = time.monotonic(), {}
        while waiting and time.monotonic() < start + 12:
            with contextlib.suppress(KeyError, OSError):
                waiting["byte by byte"].send(bytes([next(dribble)]))
            ready = select.select(list(waiting.values()), [], [], 0.2)[0]
            for name in [name for name, connection in waiting.items() if connection in ready]:
                with contextlib.suppress(ConnectionResetError):
                    if waiting[name].recv(1 << 16):
                        continue
                seconds[name] = time.monotonic() - start
                waiting.pop(name).close()
        assert not waiting, list(waiting)
        assert all(8 < each < 12 for each in seconds.values()), seconds
        tab.sendall(frame(PING, b"tabs have no such limit"))
        assert read_frames(tab, 1) == [(PONG, b"tabs have no such limit")]
    wait_until(lambda: quiet.files() == quiet.idle_files)


# All else

def mangle(chance, data):
    """The bytes with a few of them changed, cut out, doubled or added."""
    data = bytearray(data)
    for _ in range(chance.randrange(4)):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.randrange(1, 9))
        data[start:end] = chance.choice((b"", chance.randbytes(end - start), chance.randbytes(5), data[start:end] * 2))
    return bytes(data)


def random_frame(chance):
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(40))
    opcode = chance.choice((PING, PONG, PING, PONG, chance.randrange(16), chance.randrange(128)))
    payload = chance.randbytes(chance.choice((0, 1, 2, 5, 125, 126, 300)))
    if opcode == CLOSE and chance.random() < 0.8:
        payload = code(chance.randrange(900, 5100)) + payload[:123]
    return frame(opcode, payload, fin=chance.random() < 0.9, mask=chance.randbytes(4) if chance.random() < 0.9 else b"")


def test_after_3000_random_handshakes_and_frames_it_still_delivers(quiet, publish):
    chance = random.Random(4)
    seen, send = 0, publish(quiet)
    with quiet.connect() as tab:
        for number in range(3000):
            request = HANDSHAKE.format(port=quiet.ws_port).encode()
            if chance.random() < 0.4:
                request = mangle(chance, request)
            data = request + b"".join(random_frame(chance) for _ in range(chance.randrange(6)))
            connection = quiet.raw(handshake=False, port=chance.choice((quiet.ws_port,) * 9 + (quiet.http_port,)))
            connection.sendall(mangle(chance, data) if chance.random() < 0.3 else data)
            if chance.random() < 0.1:       # reset
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            elif chance.random() < 0.9:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_WR)
                head, _, frames = read_all(connection).partition(b"\r\n\r\n")
                assert head[:12] in (b"", b"HTTP/1.1 101", b"HTTP/1.1 400", b"HTTP/1.1 403", b"HTTP/1.1 404",
                                     b"HTTP/1.1 405", b"HTTP/1.1 414", b"HTTP/1.1 426", b"HTTP/1.1 302"), (number, head)
                if head[:12] == b"HTTP/1.1 101":
                    seen += 1
                    frames = [each for each in parse_frames(frames) if each[0] != TEXT]
                    assert {opcode for opcode, _ in frames[:-1]} <= {PONG}, (number, frames)
                    assert not frames or frames[-1][0] in (PONG, CLOSE), (number, frames)
            connection.close()
            if number % 100 == 0:
                send({"y": number})
                assert json.loads(tab.recv(10))["y"] == number
    assert seen > 1000, "most of the handshakes were to succeed"
    wait_until(lambda: quiet.files() == quiet.idle_files + 1)       # the publisher
    assert b"200 OK" in ask(quiet.http_port, b"GET /graph.js HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
