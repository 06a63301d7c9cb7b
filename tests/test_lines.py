"""Lines, of `--source stdin` and `--send`: whatever prints them shows up in every tab, and no line is lost."""
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from pathlib import Path

import pytest
from conftest import ROOT, free_endpoint, free_port, program, wait_until
from test_points import assert_canonical
from test_reading import HEADERS, ONE_LINE


@pytest.fixture
def piped(zws):
    """A server that reads a pipe, and a function that has a thread write bytes there."""
    server = zws("--source", "stdin", stdin=subprocess.PIPE)
    writer = ThreadPoolExecutor(1)

    def write(data):
        server.process.stdin.buffer.write(data)
        server.process.stdin.flush()
    return server, lambda data: writer.submit(write, data)


@pytest.fixture
def sender():
    """Starts senders: `process = sender(endpoint)`, with pipes. Each is ended after the test, without a traceback."""
    with contextlib.ExitStack() as stack:
        def start(endpoint, *options):
            process = stack.enter_context(subprocess.Popen(
                [sys.executable, ROOT / "zws.py", "--send", endpoint, *options], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE))
            stack.callback(process.kill)
            assert process.stderr
            os.set_blocking(process.stderr.fileno(), False)
            return process
        yield start


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


def test_a_line_may_be_a_label_and_a_number(piped):
    server, feed = piped
    feed("room one 21.5\n\tCPU\t 0  -3 \r\nTemperatur außen 4e1\n{ 1\n{\"y\": 2}\n".encode())
    with server.connect() as tab:
        assert [(point["label"], point["y"]) for point in points(tab, 3)] == [
            ("room one", 21.5), ("CPU 0", -3), ("Temperatur außen", 40)]
        assert values(tab, 1) == [2]


def test_bad_lines_are_reported_with_reason_and_number_and_the_good_ones_between_them_arrive(piped):
    server, feed = piped
    bad = [b"load", b"load inf", b"-inf", b"true", b'{"y":"1"}', b'{"x":1}', b"\xff\xfe 1", b"x" * 100_000]
    with server.connect() as tab:
        feed(b"load\n")      # is reported at once
        wait_until(lambda: server.stderr == "zws: dropped 1 line: no number in it (1, the first: line 1, 'load')\n")
        for number, line in enumerate(bad):
            feed(b"%d\n\n%b\n" % (number, line))       # empty lines are no news
        assert values(tab, len(bad)) == [*range(len(bad))]
    report = wait_until(lambda: server.stderr.splitlines()[1:], 12)[0]      # and the others together
    assert f"dropped {len(bad)} lines: " in report
    for reason in ("no number in it (2, the first: line 4, 'load')", "y is Infinity (2, the first: line 7, 'load inf')",
                   "y is not a number (1, the first: line 16, ", "y is missing (1, ", "not UTF-8 (1, ",
                   "more than 65536 bytes (1, "):
        assert reason in report


def test_a_header_that_names_nothing_is_said_in_the_end(piped):
    server, feed = piped
    feed(b"temp,hum\n1,2\nall done\n")
    with server.connect() as tab:
        assert [(point["label"], point["y"]) for point in points(tab, 2)] == [("temp", 1), ("hum", 2)]
        assert server.stderr == ""
        server.process.stdin.close()
        assert "no number in it (1, the first: 'all done')" in wait_until(lambda: server.stderr)


def test_lines_that_end_in_crlf_are_counted_once_wherever_the_reading_cuts_them(piped):
    server, feed = piped
    with server.connect() as tab:
        for number in range(50):
            feed(b"%d\r" % number)
            assert values(tab, 1) == [number]
            feed(b"\n")
        server.process.stdin.close()
        wait_until(lambda: "ended after 50 lines" in server.stderr)


def test_a_bare_carriage_return_ends_a_line_at_once(piped):
    server, feed = piped
    with server.connect() as tab:
        for number in range(3):
            feed(b"progress %d%%\r" % number)
            assert values(tab, 1) == [number]
        feed(b"a 1\r\nb 2\n")
        assert values(tab, 2) == [1, 2]
    assert server.stderr == ""


ONE_LINE_FORMS: list[tuple] = [(line, [*wanted.items()]) for line, wanted in ONE_LINE.items() if "\n" not in line]


@pytest.mark.parametrize("way", ["--source stdin", "--send", "ZeroMQ"])
def test_every_form_of_line_comes_out_at_a_tab(zws, publish, sender, way):
    forms = ONE_LINE_FORMS if way == "ZeroMQ" else [*ONE_LINE_FORMS, *HEADERS]
    server = zws("--source", "stdin" if way == "--source stdin" else "none", "--history", 0, stdin=subprocess.PIPE,
                 program=program("zws.MAX_LABELS = 1000"))
    if way == "ZeroMQ":
        send = publish(server)
    else:
        stdin = server.process.stdin.buffer if way == "--source stdin" else sender(server.zmq).stdin

        def send(line):
            stdin.write(line + b"\n")
            stdin.flush()
    with server.connect() as tab:
        for line, wanted in forms:
            send(line.encode())
            got = [(point.get("label", "Value"), point["y"]) for point in points(tab, len(wanted))]
            assert got == wanted, line


def test_20_000_bad_lines_do_not_fill_a_terminal(piped):
    server, feed = piped
    with server.connect() as tab:
        feed(b"".join(b"bad %d?\n" % number for number in range(20_000)) + b"1\n")
        assert values(tab, 1) == [1]
        wait_until(lambda: sum(map(int, re.findall(r"dropped (\d+) line", server.stderr))) == 20_000, 12)
    lines = server.stderr.splitlines()
    assert len(lines) <= 3 and max(map(len, lines)) < 1000


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
            assert_canonical(point)


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


# --send: the lines go into a server that runs

def stderr_of(process, until=None):
    """What a sender has said, which must hold `until` in the end."""
    said = getattr(process, "said", "")

    def more():
        nonlocal said
        said += (process.stderr.read() or b"").decode()
        process.said = said
        return until is None or until in said
    wait_until(more)
    assert "Traceback" not in said
    return said


def is_up(process):
    """Waits until the process has a handler for SIGTERM."""
    status = Path(f"/proc/{process.pid}/status")
    wait_until(lambda: int(re.search(r"SigCgt:\s*(\w+)", status.read_text())[1], 16) & 1 << 14)     # type: ignore[index]


def finish(process, seconds=15):
    """Ends its input and returns its exit status."""
    process.stdin.close()
    return process.wait(seconds)


def test_lines_go_into_a_running_server(zws, sender):
    server = zws("--source", "none")
    process = sender(server.zmq)
    with server.connect() as tab:
        process.stdin.write(b'1\nroom one 21.5\n{"y": 4, "x": 5}\n')
        process.stdin.flush()
        got = points(tab, 3)
        assert [(point.get("label"), point["y"]) for point in got] == [(None, 1), ("room one", 21.5), (None, 4)]
        assert abs(got[0]["x"] - time.time() * 1000) < 10_000 and got[2]["x"] == 5
        process.stdin.write(b"2")       # the last line needs no newline
        assert finish(process) == 0
        assert values(tab, 1) == [2]
    assert process.stdout.read() == b"" and set(stderr_of(process).splitlines()) <= {
        f"zws: server {server.zmq} is connected"}


@pytest.mark.parametrize("starts", ["before the server", "after the server"])
def test_two_senders_lose_no_line_and_keep_their_order(zws, sender, starts):
    endpoint = free_endpoint()
    senders = {}

    def send():
        for name in ("a", "b"):
            senders[name] = sender(endpoint)
            senders[name].stdin.write(b"".join(b"%s %d\n" % (name.encode(), number) for number in range(1000)))
            senders[name].stdin.close()
    if starts == "before the server":
        send()
        for process in senders.values():
            is_up(process)
    server = zws("--source", "none", "--zmq", endpoint, "--history", 1000)     # the lines may come before the tab
    with server.connect(max_queue=None) as tab:
        if starts == "after the server":
            send()
        got = points(tab, 2000)
    for name, process in senders.items():
        assert process.wait(10) == 0
        assert [point["y"] for point in got if point["label"] == name] == [*range(1000)]


def test_20_000_lines_at_once_reach_a_server_that_is_slow_to_start(zws, sender):
    endpoint = free_endpoint()
    process, writer = sender(endpoint), ThreadPoolExecutor(1)
    writer.submit(lambda: (process.stdin.write(b"".join(b"%d\n" % number for number in range(20_000))),
                           process.stdin.close()))
    is_up(process)
    server = zws("--source", "none", "--zmq", endpoint, "--history", 20_000)
    assert process.wait(20) == 0
    with server.connect(max_queue=None) as tab:
        assert values(tab, 20_000) == [*range(20_000)]


def test_where_the_server_takes_nothing_for_a_while_the_lines_wait(zws, sender):
    server = zws("--source", "none", "--history", 20_000)
    process, writer, label = sender(server.zmq), ThreadPoolExecutor(1), "🎈" * 64
    with server.connect() as tab:
        process.stdin.write(b"0\n")
        process.stdin.flush()
        assert values(tab, 1) == [0]
    server.process.send_signal(signal.SIGSTOP)
    fed = writer.submit(process.stdin.write, "".join(f"{label} {number}\n" for number in range(20_000)).encode())
    with contextlib.suppress(FutureTimeout):
        fed.result(2)
    server.process.send_signal(signal.SIGCONT)
    fed.result(20)
    assert finish(process) == 0

    def late_tab():
        got = []
        with server.connect(max_queue=None) as tab, contextlib.suppress(TimeoutError):
            while True:
                got.append(json.loads(tab.recv(1))["y"])
        return got
    wait_until(lambda: late_tab() == [0, *range(20_000)], 20)       # they are still on their way


def test_a_sender_says_for_whom_it_waits_and_ends_when_that_one_has_come(zws, sender):
    endpoint = free_endpoint()
    process = sender(endpoint)
    process.stdin.write(b"7\n")
    process.stdin.close()
    start = time.monotonic()
    assert "waiting" in stderr_of(process, until=endpoint) and time.monotonic() - start < 8
    assert process.poll() is None
    server = zws("--source", "none", "--zmq", endpoint)
    with server.connect() as tab:
        assert values(tab, 1) == [7]
    assert process.wait(10) == 0
    assert stderr_of(process).count("waiting") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["while it waits", "between lines", "after its input"])
def test_a_signal_ends_a_sender_at_once(zws, sender, number, when):
    endpoint = zws("--source", "none").zmq if when == "between lines" else free_endpoint()
    process = sender(endpoint)
    process.stdin.write(b"1\n2\nbad\n")
    process.stdin.flush()
    if when == "between lines":
        stderr_of(process, until="line 3")
    elif when == "after its input":
        process.stdin.close()
    is_up(process)
    start = time.monotonic()
    process.send_signal(number)
    assert process.wait(5) == 0 and time.monotonic() - start < 1
    stderr_of(process)


def test_a_sender_reports_bad_lines_by_number_and_sends_the_others(zws, sender):
    server = zws("--source", "none")
    process = sender(server.zmq)
    with server.connect() as tab:
        process.stdin.write(b"1\ninf\n2\nload\x07\n\ninf\n3\n")
        assert finish(process) == 0
        assert values(tab, 3) == [1, 2, 3]
    said = stderr_of(process)
    assert "y is Infinity (2, the first: line 2, 'inf')" in said
    assert r"no number in it (1, the first: line 4, 'load\x07')" in said
    assert sum(map(int, re.findall(r"dropped (\d+) line", said))) == 3
    assert server.stderr == ""


def test_a_sender_goes_on_when_its_server_was_restarted(zws, sender):
    options = "--source", "none", "--zmq", free_endpoint(), "--http-port", free_port(), "--ws-port", free_port()
    process = sender(options[3])
    for count in range(3):
        server = zws(*options)
        with server.connect() as tab:
            def arrives(count=count, tab=tab):
                process.stdin.write(b"%d\n" % count)
                process.stdin.flush()
                try:
                    return json.loads(tab.recv(0.1))["y"] == count
                except TimeoutError:
                    return False
            wait_until(arrives)
        assert server.stop() == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


@pytest.mark.parametrize("endpoint", ["nonsense", "", "tcp://127.0.0.1:99999", "udp://127.0.0.1:5"])
def test_a_wrong_endpoint_to_send_to_is_named_in_one_line(sender, endpoint):
    process = sender(endpoint)
    assert process.wait(10) in (1, 2)
    assert "--send" in stderr_of(process) or endpoint and endpoint in stderr_of(process).splitlines()[-1]


def test_a_sender_opens_no_port(zws, sender):
    process = sender(zws("--source", "none").zmq)
    process.stdin.write(b"bad\n")
    process.stdin.flush()
    stderr_of(process, until="line 1")      # it is at work
    inodes = {os.readlink(file)[8:-1] for file in Path(f"/proc/{process.pid}/fd").iterdir()
              if os.readlink(file).startswith("socket:")}
    rows = [row.split() for name in ("tcp", "tcp6") for row in Path(f"/proc/net/{name}").read_text().splitlines()]
    listening = [row[9] for row in rows if row[3] == "0A"]
    assert inodes and not inodes.intersection(listening)
