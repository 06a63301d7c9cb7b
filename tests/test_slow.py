"""Tabs that read nothing and peers that vanish: they cost little, cost nobody else a point, and are gone in the end."""
import contextlib
import ctypes
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Server, frame, parse_frames, points_of_frames, read_until, wait_until

STALLED, SECONDS, RATE = 200, 45, 1000
KIB = 1024
PUBLISHER = """
import sys, time, zmq
endpoint, count, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
publisher = zmq.Context().socket(zmq.XPUB)
publisher.connect(endpoint)
publisher.recv()
start = time.monotonic()
for number in range(count):
    while number > (time.monotonic() - start) * rate:
        time.sleep(0.002)
    publisher.send_json({"x": 1767225600000 + number, "y": 3.1415926535897931})
publisher.close(5000)
"""


def vanish(connection):
    """The kernel drops all that comes for this socket from now on, and acknowledges nothing: as if a cable were cut."""
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))       # BPF: return 0
    connection.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HL", 1,
                                                             ctypes.addressof(instruction)))   # SO_ATTACH_FILTER


def sending_queues(server):
    """The bytes that the kernel holds for each client of the WebSocket port, by the client's port."""
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return {int(remote[-4:], 16): int(queues.split(":")[0], 16) for _, local, remote, state, queues, *_ in rows
            if local.endswith(f":{server.ws_port:04X}") and state == "01"}


@pytest.fixture(scope="module")
def run():
    """45 s at 1,000 points/s: 200 tabs read nothing, one reads all, one vanishes; so does one where no points flow."""
    seen = SimpleNamespace(data=b"", memory=[], queued=[], gone={}, stderr="")
    busy, still = Server("--source", "none", "--history", 0), Server("--source", "none")
    reader = busy.raw()
    reader.sendall(frame(9))
    reader.recv(2)      # its pong: so now it is a tab

    def read():
        while part := reader.recv(1 << 16):
            seen.data += part
    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    seen.files_before, memory_before = busy.files(), busy.memory()
    tabs = [busy.raw() for _ in range(STALLED)]
    vanished = {"while points flow": (busy, busy.raw()), "while none do": (still, still.raw())}
    publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER, busy.zmq, str(SECONDS * RATE), str(RATE)])
    try:
        wait_until(lambda: len(seen.data) > 1000)
        start = time.monotonic()
        for _, connection in vanished.values():
            vanish(connection)
        while publisher.poll() is None:
            time.sleep(0.5)
            seen.memory.append(busy.memory() - memory_before)
            queues = {server: sending_queues(server) for server in (busy, still)}
            seen.queued.append(sum(queues[busy].values()) // KIB)
            for name, (server, connection) in vanished.items():
                if connection.getsockname()[1] not in queues[server]:
                    seen.gone.setdefault(name, time.monotonic() - start)
        last = b'"x":%d,' % (1767225600000 + SECONDS * RATE - 1)
        wait_until(lambda: last in seen.data[-50:])
        seen.left = len(sending_queues(busy)) - 1
        with contextlib.suppress(AssertionError):
            wait_until(lambda: busy.files() == seen.files_before, 2)    # the publisher's connection closes
        seen.files_after, seen.still_left = busy.files(), still.files() - still.idle_files
    finally:
        publisher.kill()
        for server in (busy, still):
            server.stop()
            seen.stderr += server.stderr
        reading.join(5)
        for tab in tabs:
            tab.close()
    print(f"\n{STALLED} stalled tabs: memory +{max(seen.memory)} KiB, kernel {max(seen.queued)} KiB; gone: {seen.gone}")
    return seen


def test_a_tab_that_reads_gets_every_point_in_order_beside_200_that_do_not(run):
    *frames, (opcode, _) = parse_frames(run.data)
    assert opcode == 8, "the server stopped"
    assert [point["x"] - 1767225600000 for point in points_of_frames(frames)] == list(range(SECONDS * RATE))


def test_tabs_that_take_no_bytes_are_all_gone_in_the_end(run):
    assert run.left == 0
    assert (run.files_after, run.still_left) == (run.files_before, 0)
    assert run.stderr == ""


def test_200_stalled_tabs_cost_less_than_100_mib_and_each_less_than_1_with_the_kernels_part(run):
    assert max(run.memory) < 100 * KIB
    assert max(map(sum, zip(run.memory, run.queued, strict=True))) < STALLED * KIB


def test_what_a_stalled_tab_cannot_take_is_dropped_and_not_kept(zws, publish):
    server = zws("--source", "none", "--history", 0)
    send, long, count = publish(server), 10**300, 60_000
    with server.raw(), server.raw() as reader:
        memory = server.memory()
        for number in range(count):
            send({"x": number, "y": long})
            if number % 500 == 499:     # the other tab takes them all
                read_until(reader, b'"x":%d,"y":%d}' % (number, long))
        assert server.memory() - memory < 12_000  # KiB: twice 40 frames of 32, and what a batch needs; all are 18,000


def cpu_seconds(server):
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def test_a_tab_that_was_full_catches_up_and_then_costs_nothing(zws, publish):
    server = zws("--source", "none", "--history", 0)
    send, long = publish(server), 10**300
    with server.raw(receive_buffer=4096) as slow, server.raw() as witness:
        for number in range(3000):
            send({"x": number, "y": long})
        read_until(witness, b'"x":2999,"y":%d}' % long)
        wait_until(lambda: sending_queues(server)[slow.getsockname()[1]] > 10_000)      # now it is full
        data = slow.recv(1 << 20)
        with contextlib.suppress(TimeoutError):
            slow.settimeout(1)
            while part := slow.recv(1 << 20):
                data += part
        points = [point["x"] for point in points_of_frames(parse_frames(data))]
        assert points[:1000] == list(range(1000)) and points == sorted(set(points))
        before = cpu_seconds(server)
        time.sleep(1)       # what it costs has no event
        assert cpu_seconds(server) - before < 0.5
        send({"x": 3000, "y": 1})
        assert b'"x":3000' in slow.recv(1 << 20)


@pytest.mark.parametrize("when", ["while points flow", "while none do"])
def test_a_peer_that_vanished_without_a_word_is_dropped_after_20_seconds(run, when):
    assert 15 < run.gone[when] < 27
