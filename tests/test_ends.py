"""Issue 14's ends: what fails for good ends the process; a wrong start, or a change at an upstream, is one line."""
import re
import socket
import subprocess
import sys
import time

import pytest
from conftest import ROOT, free_endpoint, free_port, program, until_it_arrives, wait_until

PORTS = "--http-port", "0", "--ws-port", "0", "--zmq", "tcp://127.0.0.1:*"


def fails(*command, statuses=(1,), stdin=subprocess.DEVNULL):
    """What a start says that must fail at once: one line on stderr, or argparse's usage and one line."""
    result = subprocess.run([sys.executable, *map(str, command)], stdin=stdin, capture_output=True, text=True,
                            timeout=10)
    assert result.returncode in statuses, result
    assert result.stdout == "" and "Traceback" not in result.stderr, result
    lines = result.stderr.splitlines()
    assert len(lines) == 1 or result.returncode == 2 and lines[0].startswith("usage: "), result
    return lines[-1]


# 1. No server stays up without its points

@pytest.mark.parametrize("broken", [
    "def run(*_): gevent.sleep(2); raise RuntimeError('boom')\nzws.zmq_server = run",
    "def fail(*_): raise RuntimeError('boom')\nzws.encode_point = fail"])
def test_a_relay_that_fails_for_good_ends_the_process_with_status_1(zws, publish, broken):
    server = zws("--source", "none", program=program(f"import gevent\n{broken}"))
    if "run" not in broken:
        publish(server)({"y": 1})
    assert server.process.wait(10) == 1
    server.stop()
    assert "relay" in server.stderr and server.stderr.count("\n") == 1, server.stderr


# 2. Ports that there are not, or that are asked for twice

@pytest.mark.parametrize("option", ["--zmq", "--republish", "--upstream"])
@pytest.mark.parametrize("port", ["99999", "65536", "70537"])
def test_a_zeromq_port_beyond_65535_is_named_in_one_line(option, port):
    endpoint = f"tcp://127.0.0.1:{port}"
    assert endpoint in fails(ROOT / "zws.py", "--no-browser", "--source", "none", *PORTS, option, endpoint,
                             statuses=(1, 2))


def test_the_last_port_there_is_may_be_an_upstreams(zws):
    assert zws("--source", "none", "--upstream", "tcp://127.0.0.1:65535").ws_port


def test_one_port_for_two_doors_is_named_in_one_line():
    port, other = free_port(), free_port()
    for http, ws, zmq, *more in ((port, port, other), (other, port, port), (port, other, port),
                                 (0, 0, other, "--republish", f"tcp://127.0.0.1:{other}")):
        line = fails(ROOT / "zws.py", "--no-browser", "--source", "none", "--http-port", http, "--ws-port", ws,
                     "--zmq", f"tcp://127.0.0.1:{zmq}", *more, statuses=(1, 2))
        assert str(other if more else port) in line


# 3. Without the packages, or on another system

@pytest.mark.parametrize("options", [("-S",), ("-I", "-S")])
def test_a_python_without_the_packages_is_told_how_to_get_them(options):
    line = fails(*options, ROOT / "zws.py")
    assert re.search(r"\b(gevent|zmq|pyzmq)\b", line) and "pip install -r requirements.txt" in line


@pytest.mark.parametrize(("module", "package"), [
    ("gevent", "gevent"), ("zmq.green", "zmq"), ("geventwebsocket", "gevent-?websocket"), ("paste.urlparser", "paste")])
def test_a_package_that_is_missing_is_named(module, package):
    line = fails("-c", f"import runpy, sys; sys.modules[{module!r}] = None; sys.argv = ['zws.py']\n"
                       f"runpy.run_path({str(ROOT / 'zws.py')!r}, run_name='__main__')")
    assert re.search(package, line, re.I) and "pip install -r requirements.txt" in line


def test_on_a_system_without_resource_it_says_where_it_runs():
    line = fails("-c", "import runpy, sys; sys.modules['resource'] = None; sys.argv = ['zws.py']\n"
                       f"runpy.run_path({str(ROOT / 'zws.py')!r}, run_name='__main__')")
    assert "Linux" in line and "pip" not in line


# 4. No hard limit of files

INFINITE = """
limits = [(256, resource.RLIM_INFINITY)]
def get(which):
    return limits[-1]
def set(which, new):        # a kernel has a limit of its own, whatever the hard limit says
    if new[0] == resource.RLIM_INFINITY or new[0] > {kernels}:
        raise ValueError("current limit exceeds maximum limit")
    limits.append(new)
resource.getrlimit, resource.setrlimit = get, set
"""


@pytest.mark.parametrize("kernels", [1_048_576, 10_240])
def test_an_infinite_hard_limit_of_files_works(zws, publish, kernels):
    server = zws("--source", "none", program=program(INFINITE.format(kernels=kernels)))
    send = publish(server)
    with server.connect() as tab:
        send({"y": 7})
        assert '"y":7' in tab.recv(5)
        tabs = [server.raw() for _ in range(100)]       # more than the soft limit of before has room for
        assert len(tabs) == 100
    assert server.stderr == ""


# 5. Upstreams come and go

def test_an_upstream_that_is_not_there_comes_and_goes_with_one_line_each(zws, publish):
    endpoint = free_endpoint().replace("127.0.0.1", "localhost")    # by name: libzmq's events later tell an address
    leaf = zws("--source", "none", "--upstream", endpoint)
    said = {word: f"upstream {endpoint} {word}" for word in ("is not there yet", "is connected", "is gone")}
    wait_until(lambda: said["is not there yet"] in leaf.stderr, 12)
    ports = "--source", "none", "--republish", endpoint.replace("localhost", "127.0.0.1")
    for number in (1, 2):
        root = zws(*ports)
        wait_until(lambda number=number: leaf.stderr.count(said["is connected"]) == number)
        send = publish(root)
        with leaf.connect() as tab:
            until_it_arrives(lambda send=send, number=number: send({"y": number}), tab, number)
        root.process.kill()
        root.process.wait()
        wait_until(lambda number=number: leaf.stderr.count(said["is gone"]) == number)
    lines = [line for line in leaf.stderr.splitlines() if "missed" not in line]
    words = [re.match(f"zws: upstream {re.escape(endpoint)} (is not there yet|is connected|is gone)", line)
             for line in lines]
    assert [word and word[1] for word in words] == ["is not there yet", *["is connected", "is gone"] * 2]


def test_an_upstream_that_is_there_is_connected_and_one_that_is_no_node_is_not(zws):
    endpoint, silent = free_endpoint(), socket.create_server(("127.0.0.1", 0))
    with silent:        # it accepts, and says nothing
        zws("--source", "none", "--republish", endpoint)
        other = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        leaf = zws("--source", "none", "--upstream", endpoint, "--upstream", other)
        wait_until(lambda: f"upstream {endpoint} is connected" in leaf.stderr)
        wait_until(lambda: f"upstream {other} is not there yet" in leaf.stderr, 12)
        assert "is gone" not in leaf.stderr
        assert f"{endpoint} is not" not in leaf.stderr and f"{other} is connected" not in leaf.stderr


# 6. Which address other devices use

def own_address():
    """The address of this machine on the way to others, or None. Nothing is sent: UDP has no connections."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        try:
            way.connect(("192.0.2.1", 9))       # RFC 5737: nobody's
        except OSError:
            return None
        address = way.getsockname()[0]
        return None if address.startswith("127.") or address == "0.0.0.0" else address


@pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.1"])
def test_beyond_loopback_the_banner_shows_the_address_that_other_devices_use(zws, host):
    server = zws("--source", "none", "--host", host)
    address = own_address() if host == "0.0.0.0" else None
    wait_until(lambda: len(server.out) >= 3 + bool(address))
    shown = [line for line in server.out if address and f"http://{address}:{server.http_port}/graph.html" in line]
    assert len(shown) == bool(address)
    time.sleep(0.2)     # nothing to wait for: no further line
    assert len(server.out) == 3 + bool(address)
    assert server.url == f"http://localhost:{server.http_port}/graph.html"
    assert "Ctrl-C" in server.out[-1]


# 7. A watch that ends

WATCH = """
import sys; sys.path.insert(0, sys.argv[1])
import gevent, zmq, zws
context = zmq.Context()
server, client = context.socket(zmq.XPUB), zmq.green.Context.shadow(context).socket(zmq.SUB)
port = server.bind_to_random_port("tcp://127.0.0.1")
client.subscribe(b"")
watch = zws.connect_and_watch(client, "server", f"tcp://127.0.0.1:{port}")
server.recv()
gevent.sleep(0.2)
watch.kill()
server.close(0)                 # libzmq has an event for the monitor that nobody reads
gevent.sleep(0.2)
server = context.socket(zmq.XPUB)
server.bind(f"tcp://127.0.0.1:{port}")
assert server.poll(5000), "libzmq's only I/O thread hangs"
"""


def test_after_a_watch_has_ended_connections_come_and_go_as_before():
    result = subprocess.run([sys.executable, "-c", WATCH + "import os; os._exit(0)", str(ROOT)], capture_output=True,
                            text=True, timeout=20)
    assert result.returncode == 0, result.stderr
