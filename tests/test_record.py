"""--record: every point that goes to the tabs is in the file, whatever happens to that, and can be read again."""
import json
import os
import resource

import pytest
from conftest import failure, program, wait_until

POINTS = [{"x": 1790000000000.25, "y": 1}, {"x": 5, "y": None, "label": "a b"}, {"x": 6, "y": -1e-9, "label": "ü"},
          {"x": 7, "y": 2.5, "label": "a b"}]


def recorded(path):
    """The points in the file, decoded."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_point_that_a_tab_gets_is_in_the_file_and_can_be_read_again(zws, publish, tmp_path):
    path = tmp_path / "points.jsonl"
    server = zws("--source", "none", "--record", path)
    send = publish(server)
    with server.connect() as tab:
        for point in POINTS:
            send(point)
        send({"y": "no point"})
        send({"temp": 1, "hum": 2, "x": 8})
        received = [tab.recv(10) for _ in range(len(POINTS) + 2)]
    wait_until(lambda: len(path.read_text().splitlines()) == len(received))
    assert path.read_text().splitlines() == received

    with path.open() as lines:
        again = zws("--source", "stdin", stdin=lines)
        wait_until(lambda: f"ended after {len(received)} lines" in again.stderr)
        with again.connect() as tab:        # the history brings the points label by label
            assert sorted(tab.recv(10) for _ in received) == sorted(received)


def test_what_was_taken_is_in_the_file_when_the_server_has_ended(zws, publish, tmp_path):
    path = tmp_path / "points.jsonl"
    server = zws("--source", "none", "--record", path, program=program("zws.RECORD_INTERVAL_SECONDS = 0.4"))
    send = publish(server)
    with server.connect() as tab:
        for number in range(5000):
            send({"x": number, "y": number})
        for _ in range(5000):
            tab.recv(10)
        assert server.stop() == 0
    assert [point["y"] for point in recorded(path)] == list(range(5000))


def test_it_appends_and_half_a_line_costs_that_line_only(zws, publish, tmp_path):
    path = tmp_path / "points.jsonl"
    path.write_text('{"x":1,"y":1}\n{"x":2,"y')
    for y in (3, 4):
        server = zws("--source", "none", "--record", path)
        publish(server)({"x": y, "y": y})
        wait_until(lambda y=y: f'"y":{y}}}\n' in path.read_text())
        server.stop()
    assert path.read_text() == '{"x":1,"y":1}\n{"x":2,"y\n{"x":3,"y":3}\n{"x":4,"y":4}\n'


def test_a_file_that_is_truncated_begins_anew(zws, publish, tmp_path):
    path = tmp_path / "points.jsonl"
    server = zws("--source", "none", "--record", path)
    send = publish(server)
    send({"x": 1, "y": 1})
    wait_until(path.read_text)
    os.truncate(path, 0)                    # as logrotate does with `copytruncate`
    send({"x": 2, "y": 2})
    assert wait_until(path.read_text) == '{"x":2,"y":2}\n'


@pytest.mark.parametrize("kind", ["a folder", "in no folder", "a pipe that nobody reads"])
def test_a_file_that_cannot_be_opened_is_named_in_one_line(tmp_path, kind):
    path = tmp_path / "record"
    if kind == "a folder":
        path.mkdir()
    elif kind == "in no folder":
        path = path / "record"
    else:
        os.mkfifo(path)
    assert f"cannot open {path} (--record): " in failure("--record", str(path))


def test_a_full_disk_is_said_and_when_there_is_room_again_nothing_is_missing(zws, publish, tmp_path):
    path = tmp_path / "points.jsonl"
    server = zws("--source", "none", "--record", path)
    resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))      # bytes of a file
    send = publish(server)
    with server.connect() as tab:
        for number in range(50):
            send({"x": number, "y": number})
            assert json.loads(tab.recv(10))["y"] == number
        said = wait_until(lambda: server.stderr)
        assert str(path) in said and "File too large" in said and said.count("\n") == 1
        assert len(path.read_bytes()) == 100
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        wait_until(lambda: path.read_text().count("\n") == 50)
    assert [point["y"] for point in recorded(path)] == list(range(50))


def test_what_waits_for_a_full_disk_is_bounded_and_what_is_dropped_is_said(zws, publish):
    server = zws("--source", "none", "--record", "/dev/full", program=program("zws.MAX_UNWRITTEN_BYTES = 1000"))
    send = publish(server)
    with server.connect() as tab:
        for number in range(200):
            send({"x": number, "y": number})
            assert tab.recv(10)
        wait_until(lambda: "did not record" in server.stderr)
        assert "No space left on device" in wait_until(lambda: "failed" in server.stderr and server.stderr)
