"""The demo as the README promises it: a sine wave to every tab, by one command."""
import json
import math
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import ROOT, Server, failure, program, wait_until

from zws import parse_arguments


def take(tab, seconds):
    """The points that come within the time, with the time of each in ms."""
    points, end = [], time.time() + seconds
    while (left := end - time.time()) > 0:
        try:
            points.append((json.loads(tab.recv(left)), time.time() * 1000))
        except TimeoutError:
            break
    return points


def test_a_client_gets_the_sine_wave_ten_times_a_second(zws):
    with zws("--history", 0).connect() as tab:
        tab.recv()
        points = take(tab, 3)
    assert 27 <= len(points) <= 33
    for point, now in points:
        assert list(point) == ["x", "y"]
        assert point["y"] == pytest.approx(2.5 * (1 + math.sin(point["x"] / 500)), abs=1e-6)
        assert abs(now - point["x"]) < 500


def test_the_sine_waves_clock_does_not_drift(zws):
    with zws("--history", 0).connect() as tab:
        first = json.loads(tab.recv())["x"]
        for _ in range(50):
            last = json.loads(tab.recv())["x"]
    assert (last - first) / 50 == pytest.approx(100, abs=4)


def test_the_start_message_says_where_to_look_where_to_publish_and_how_to_stop(zws):
    server = zws()
    assert len(server.out) == 3
    assert f"http://localhost:{server.http_port}/graph.html" in server.out[0]
    assert "tcp://127.0.0.1:" in server.out[1]
    assert "Ctrl-C" in server.out[2]


def test_the_default_ports_are_the_articles():
    text = subprocess.check_output([sys.executable, ROOT / "zws.py", "--help"], text=True)
    for word in ("8000", "9999", "tcp://127.0.0.1:5000", "127.0.0.1", "--source", "--verbose", "--no-browser"):
        assert word in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_within_two_seconds_and_tells_the_tabs(zws, number):
    server = zws()
    with server.connect() as tab, ThreadPoolExecutor() as pool:
        rest = pool.submit(lambda: list(tab))
        start = time.monotonic()
        assert server.stop(number) == 0
        assert time.monotonic() - start < 2
        rest.result(5)
        assert tab.close_code == 1001
    assert server.stderr == ""


def test_by_ipv6_alone_the_sine_wave_arrives(zws):
    server = zws("--zmq", "tcp://[::1]:*")
    with server.connect() as tab:
        assert len(take(tab, 1)) >= 8


def test_it_ends_as_soon_as_all_tabs_have_answered(zws, open_tab):
    server = zws(program=program("zws.END_SECONDS = 60"))
    page = open_tab(server.url, may_fail=True)
    page.get_by_text("Connected", exact=True).wait_for()
    with server.connect():
        assert server.stop(seconds=20) == 0


def test_who_comes_while_it_ends_is_refused(zws):
    server = zws()
    with server.raw() as hung:          # it does not answer the close, so that the end takes a while
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: b"server stopped" in hung.recv(1 << 16))
        for port in (server.http_port, server.ws_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port), 5)


@pytest.mark.parametrize("option", ["--http-port", "--ws-port", "--zmq"])
def test_a_port_in_use_is_named_in_one_line(option):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        line = failure(option, f"tcp://{where}" if option == "--zmq" else where.split(":")[1])
    assert where in line and option in line and "in use; perhaps another zws.py is running" in line


@pytest.mark.parametrize("options", [
    ("--zmq", "nonsense"), ("--zmq", "udp://127.0.0.1:5"), ("--zmq", ""),
    ("--http-port", "70000"), ("--host", "no such host"), ("--host", "203.0.113.7"), ("--host", "a" * 300)])
def test_a_place_where_it_cannot_listen_is_named_in_one_line(options):
    assert options[1] in failure(*options)


@pytest.mark.parametrize("endpoint", [
    "", "5000", "localhost:5000", "tcp", "tcp://", "tcp://localhost", "tcp://localhost:", "tcp://:5000", "tcp://[::1]",
    "tcp://localhost:abc", "tcp://127.0.0.1:-1", "tcp://localhost:5000/", "tcp://localhost:5000 ", "TCP://localhost:1",
    "http://localhost:5000", "udp://127.0.0.1:5000", "ipc://", "inproc://x"])
@pytest.mark.parametrize("option", ["--zmq", "--republish", "--upstream", "--send"])
def test_an_endpoint_that_is_none_is_told_what_it_lacks(option, endpoint):
    with pytest.raises(SystemExit) as end:
        parse_arguments([option, endpoint])
    assert end.value.args == (
        f"zws: {option} {endpoint}: an endpoint is tcp://, a host and a port, like tcp://127.0.0.1:5000",)


@pytest.mark.parametrize("endpoint", ["tcp://*:5000", "tcp://127.0.0.1:0", "tcp://127.0.0.1:*"])
@pytest.mark.parametrize("option", ["--upstream", "--send"])
def test_one_cannot_connect_to_any_host_or_port(option, endpoint):
    line = failure(option, endpoint)
    assert f"{option} {endpoint}: " in line and "to connect" in line


@pytest.mark.parametrize("endpoint", ["tcp://*:5000", "tcp://eth0:5000", "tcp://[::1]:5000", "tcp://::1:5000",
                                      "tcp://a.example:1", "ipc:///tmp/zws.sock", "ipc://@abstract", "tcp://*:*"])
def test_other_endpoints_are_taken(endpoint):
    assert parse_arguments(["--zmq", endpoint]).zmq == endpoint


@pytest.mark.parametrize("options", [("--source", "cosine"), ("--http-port", "abc"), ("--history", "-1"),
                                     ("--history", "9" * 20), ("--host", ""),
                                     ("--ws-port",), ("--what",)])
def test_a_wrong_option_is_named(options):
    result = subprocess.run([sys.executable, ROOT / "zws.py", *options], capture_output=True, text=True, timeout=20)
    assert result.returncode == 2
    assert options[0] in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr


def test_without_flot_it_says_how_to_get_it(tmp_path):
    for name in ("zws.py", "graph.html", "graph.js"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    result = subprocess.run([sys.executable, tmp_path / "zws.py"], capture_output=True, text=True, timeout=20)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "flot/jquery.min.js" in result.stderr and "npm ci --prefix flot" in result.stderr


def fake_browser(tmp_path, script):
    program = tmp_path / "browser"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def test_it_opens_exactly_two_windows(zws, tmp_path):
    seen = tmp_path / "seen"
    browser = fake_browser(tmp_path, f'echo "$@" >> {seen}')
    server = zws(browser=True, env={"BROWSER": f"{browser} %s"})
    wait_until(lambda: seen.exists() and len(seen.read_text().split()) == 2)
    time.sleep(0.5)     # nothing to wait for: a third must not come
    assert seen.read_text().split() == [server.url] * 2
    assert len(server.out) == 3


def test_a_browser_that_blocks_holds_nobody_up(zws, tmp_path):
    seen = tmp_path / "seen"
    browser = fake_browser(tmp_path, f"echo started > {seen}; exec sleep 30 >/dev/null 2>&1")
    server = zws(browser=True, env={"BROWSER": f"{browser} %s"})
    wait_until(seen.exists)
    with server.connect() as tab:
        assert len(take(tab, 1)) >= 8
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 2


def test_a_system_that_is_slow_to_name_its_browser_holds_nobody_up(zws, tmp_path):
    asked = tmp_path / "asked"
    settings = tmp_path / "xdg-settings"        # which Python's webbrowser asks for the default browser
    settings.write_text(f"#!/bin/sh\necho > {asked}; exec sleep 30 >/dev/null 2>&1\n")
    settings.chmod(0o755)
    server = zws(browser=True, env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "DISPLAY": ":0", "BROWSER": ""})
    wait_until(asked.exists)
    with server.connect() as tab:
        assert len(take(tab, 1)) >= 8


@pytest.mark.parametrize("name", ["/nothing/there", "lynx"])
def test_without_a_window_to_open_it_serves_and_says_so(zws, tmp_path, name):
    (tmp_path / "lynx").write_text("#!/bin/sh\nsleep 30\n")
    (tmp_path / "lynx").chmod(0o755)
    server = zws(browser=True, env={"BROWSER": f"{name} %s", "PATH": str(tmp_path)})
    assert "No browser window" in wait_until(lambda: "".join(server.out[3:]))
    assert server.url in server.out[3]
    with server.connect() as tab:
        tab.recv(5)


def test_a_thousand_tabs_that_come_and_go_leave_nothing_behind(zws):
    server = zws()
    server.raw().close()
    wait_until(lambda: server.files() <= server.files())
    with server.connect() as tab:
        tab.recv()
        before = server.files()
        for number in range(1000):
            connection = server.raw()
            if number % 2:      # a reset instead of a proper end
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        wait_until(lambda: server.files() == before)
        assert len(take(tab, 1)) >= 8


def test_a_killed_client_is_noticed_at_once(zws):
    server = zws("--verbose", "--source", "none")
    script = "import sys, websockets.sync.client as c\nwith c.connect(sys.argv[1]) as tab: tab.recv()"
    client = subprocess.Popen([sys.executable, "-c", script, f"ws://localhost:{server.ws_port}"])
    wait_until(lambda: "joined: 1" in server.stderr)
    client.kill()
    client.wait()
    wait_until(lambda: "left: 0" in server.stderr, 2)


def test_two_servers_do_not_get_in_each_others_way():
    one, two = Server("--source", "none"), Server()
    try:
        with one.connect() as quiet, two.connect() as busy:
            busy.recv(5)
            with pytest.raises(TimeoutError):
                quiet.recv(0.5)
    finally:
        assert one.stop() == two.stop() == 0
