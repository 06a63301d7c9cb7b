"""`--source stdin`: whatever prints lines shows up in every tab, and no line is lost."""
import json
import random
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import wait_until


@pytest.fixture
def piped(zws):
    """A server that reads a pipe, and a function that has a thread write bytes there."""
    server = zws("--source", "stdin", stdin=subprocess.PIPE)
    writer = ThreadPoolExecutor(1)

    def write(data):
        server.process.stdin.buffer.write(data)
        server.process.stdin.flush()
    return server, lambda data: writer.submit(write, data)


def points(tab, count):
    return [json.loads(tab.recv(10)) for _ in range(count)]


def values(tab, count):
    return [point["y"] for point in points(tab, count)]


def test_each_line_is_a_number_or_a_point(piped):
    server, feed = piped
    before = time.time() * 1000
    feed(b'1\n-2.5e3\n  7 \r\n{"y": 4}\n {"label": "load", "y": 6, "x": 5, "z": 0}\n')
    with server.connect() as tab:
        got = points(tab, 5)
    assert [point["y"] for point in got] == [1, -2500, 7, 4, 6]
    assert all(list(point) == ["x", "y"] and before <= point["x"] <= time.time() * 1000 for point in got[:4])
    assert got[4] == {"x": 5, "y": 6, "label": "load"}


def test_a_line_arrives_as_soon_as_it_is_written(piped):
    server, feed = piped
    with server.connect() as tab:
        for number in range(5):
            feed(b"%d\n" % number)
            assert values(tab, 1) == [number]


def test_bad_lines_are_reported_by_number_and_the_good_ones_between_them_arrive(piped):
    server, feed = piped
    bad = [b"", b"load", b"1 2", b"1,5", b"nan", b"-inf", b"1e999", b"9" * 5000, b"[1]", b"true", b'"1"', b'{"y":"1"}',
           b'{"x":1}', b"\xff\xfe", b"1\0", b"[" * 60_000, b"x" * 100_000]
    with server.connect() as tab:
        for number, line in enumerate(bad):
            feed(b"%d\n%b\n" % (number, line))
        assert values(tab, len(bad)) == [*range(len(bad))]
    for number in range(len(bad)):
        wait_until(lambda number=number: f"line {2 * number + 2} of standard input" in server.stderr, 15)
    assert f"line {len(bad) * 2 - 1} " not in server.stderr


def test_a_line_without_an_end_takes_little_memory_and_the_next_one_arrives(piped):
    server, feed = piped
    with server.connect() as tab:
        before = server.memory()
        feed(b"x" * 100_000_000 + b"\n2\n")
        assert values(tab, 1) == [2]
    peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1]  # type: ignore[index]
    assert int(peak) - before < 20_000


def test_binary_garbage_disturbs_nothing(piped):
    server, feed = piped
    with server.connect() as tab:
        feed(random.Random(3).randbytes(500_000) + b'\n{"y":42,"label":"after"}\n')
        while (point := points(tab, 1)[0]).get("label") != "after":
            assert list(point) == ["x", "y"]


def test_the_last_line_needs_no_newline_and_after_it_the_server_serves_on(piped, publish):
    server, feed = piped
    feed(b"1\n2").result(10)
    server.process.stdin.close()
    send = publish(server)
    with server.connect() as tab:
        assert values(tab, 2) == [1, 2]
        wait_until(lambda: "2 lines" in server.stderr)
        send({"y": 3})
        assert values(tab, 1) == [3]


def test_all_lines_of_a_file_arrive_from_the_first_on(zws, tmp_path):
    (tmp_path / "numbers").write_text("\n".join(map(str, range(100))))
    with open(tmp_path / "numbers") as stdin:
        server = zws("--source", "stdin", stdin=stdin)
    with server.connect() as tab:
        assert values(tab, 100) == [*range(100)]


def test_without_any_input_the_server_serves(zws, publish):
    server = zws("--source", "stdin")
    wait_until(lambda: "ended" in server.stderr)
    send = publish(server)
    with server.connect() as tab:
        send({"y": 3})
        assert values(tab, 1) == [3]


def test_20_000_lines_at_once_all_arrive_in_order(piped):
    server, feed = piped
    with server.connect() as tab:
        feed(b"".join(b"%d\n" % number for number in range(20_000)))
        assert values(tab, 20_000) == [*range(20_000)]


def test_the_load_of_the_machine_by_a_shell_pipe(zws):
    with subprocess.Popen(["sh", "-c", "while sleep 0.1; do cut -d' ' -f1 /proc/loadavg; done"],
                          stdout=subprocess.PIPE) as shell:
        server = zws("--source", "stdin", stdin=shell.stdout)
        try:
            with server.connect() as tab:
                assert all(0 <= value < 1000 for value in values(tab, 5))
        finally:
            shell.kill()
        wait_until(lambda: "ended" in server.stderr)


def test_ctrl_c_ends_it_within_two_seconds_though_its_input_has_not_ended(piped):
    server, feed = piped
    with server.connect() as tab:
        feed(b"1\n2")
        assert values(tab, 1) == [1]
        start = time.monotonic()
        assert server.stop(signal.SIGINT) == 0
        assert time.monotonic() - start < 2
