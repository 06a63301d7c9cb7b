"""A tree of nodes: --republish and --upstream pass every point on, exactly once, also through restarts and loops."""
import contextlib
import itertools
import json
import re
import socket
import threading
import time

import pytest
import zmq
from conftest import failure, free_endpoint, until_it_arrives, wait_until

from zws import has_only_ipv6


@pytest.fixture
def connections():
    with contextlib.ExitStack() as stack:
        yield stack


def numbers(tab, last, seconds=15):
    """The y of what the tab gets, up to and with `last`."""
    got = []
    end = time.monotonic() + seconds
    while not got or got[-1] != last:
        got.append(json.loads(tab.recv(max(0, end - time.monotonic())))["y"])
    return got




def test_a_root_and_two_leaves_show_2000_points_exactly_once_and_in_order(zws, publish, connections):
    republish = free_endpoint()
    nodes = [zws("--source", "none", "--republish", republish)]
    nodes += [zws("--source", "none", "--upstream", republish) for _ in range(2)]
    send = publish(nodes[0])
    tabs = [connections.enter_context(node.connect(max_queue=None)) for node in nodes]
    for tab in tabs:
        until_it_arrives(lambda: send({"y": 0}), tab, 0)
    start = time.monotonic()
    for number in range(1, 2001):
        send({"y": number, "label": "numbers"})
        time.sleep(max(0, start + number / 2000 - time.monotonic()))
    for tab in tabs:
        assert [number for number in numbers(tab, 2000) if number] == list(range(1, 2001))


def test_points_go_on_unchanged_with_their_time_and_label(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    leaf = zws("--source", "none", "--upstream", republish)
    send = publish(root)
    with root.connect() as one, leaf.connect() as other:
        until_it_arrives(lambda: send({"y": 0}), other, 0)
        send({"y": 9})
        for tab in (one, other):
            numbers(tab, 9)
        for point in ({"y": 1}, {"x": 5, "y": 2.5}, {"x": 1.25, "y": -3, "label": "Zürich 🎈"}, {"y": 1, "more": [1]}):
            send(point)
            assert one.recv(5) == other.recv(5)


def test_a_leaf_that_starts_late_shows_the_points_from_then_on(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    send = publish(root)
    with root.connect() as tab:
        send({"y": 0})
        assert numbers(tab, 0) == [0]
    leaf = zws("--source", "none", "--upstream", republish)
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": 1}), tab, 1)
        for number in range(2, 100):
            send({"y": number})
        assert [number for number in numbers(tab, 99) if number != 1] == list(range(2, 100))
    with leaf.connect() as tab:
        assert numbers(tab, 99)[-98:] == list(range(2, 100)), "its new tabs have its history"


def test_a_killed_root_that_comes_back_is_picked_up_with_the_tabs_still_connected(zws, publish):
    ports = "--republish", free_endpoint(), "--zmq", free_endpoint(), "--source", "none"
    root = zws(*ports)
    leaf = zws("--source", "none", "--upstream", ports[1])
    send = publish(root)
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": 1}), tab, 1)
        root.process.kill()
        root.process.wait()
        time.sleep(3)       # the figure
        root = zws(*ports)
        again = publish(root)
        until_it_arrives(lambda: again({"y": 2}), tab, 2, seconds=3)


def test_a_killed_leaf_costs_the_others_nothing_and_comes_back(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    send = publish(root)
    leaves = [zws("--source", "none", "--upstream", republish) for _ in range(2)]
    with root.connect() as tab, leaves[0].connect() as other:
        until_it_arrives(lambda: send({"y": -1}), other, -1)
        leaves[1].process.kill()
        leaves[1].process.wait()
        for number in range(20):
            send({"y": number})
        for each in (tab, other):
            assert [number for number in numbers(each, 19) if number >= 0] == list(range(20))
    leaf = zws("--source", "none", "--upstream", republish)
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": 20}), tab, 20)


def test_a_loop_of_nodes_shows_every_point_once(zws, publish, connections):
    one, two, three = free_endpoint(), free_endpoint(), free_endpoint()
    nodes = [zws("--source", "none", "--republish", mine, "--upstream", other)
             for mine, other in ((one, three), (two, one), (three, two))]
    sends = [publish(node) for node in nodes]
    tabs = [connections.enter_context(node.connect()) for node in nodes]
    for number, send in enumerate(sends):       # each once round before anything is counted
        for tab in tabs:
            until_it_arrives(lambda send=send, number=number: send({"y": -1 - number}), tab, -1 - number)
    for number in range(300):
        sends[number % 3]({"y": number, "label": f"of {number % 3}"})
    for send in sends:
        send({"y": 1000})
    for tab in tabs:
        got = []
        while got.count(1000) < 3:
            got.append(json.loads(tab.recv(10))["y"])
        assert sorted(y for y in got if 0 <= y < 1000) == list(range(300))
        with pytest.raises(TimeoutError):
            tab.recv(0.3)


def test_a_node_with_two_ways_to_the_root_shows_every_point_once(zws, publish):
    top, side = free_endpoint(), free_endpoint()
    root = zws("--source", "none", "--republish", top)
    zws("--source", "none", "--upstream", top, "--republish", side)
    leaf = zws("--source", "none", "--upstream", top, "--upstream", side)
    send = publish(root)
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": -1}), tab, -1)
        for number in range(500):
            send({"y": number})
        assert [number for number in numbers(tab, 499) if number >= 0] == list(range(500))
        with pytest.raises(TimeoutError):
            tab.recv(0.3)
    assert "missed" not in leaf.stderr


def stamped(name, number, point):
    """A point as it goes from node to node: with the name of the node where it came in, and its number there."""
    return [b"\0zws" + name + number.to_bytes(8, "big"), point]


@pytest.fixture
def fake_upstream(zws):
    """A node, and a function that sends it messages as an upstream would; the node has taken all it sent so far."""
    with zmq.Context() as context, context.socket(zmq.XPUB) as upstream:
        upstream.linger = 0
        port = upstream.bind_to_random_port("tcp://127.0.0.1")
        node = zws("--source", "none", "--upstream", f"tcp://127.0.0.1:{port}")
        assert upstream.poll(10000), "no subscriber"
        upstream.recv()
        yield node, upstream.send_multipart


def test_an_upstream_is_trusted_no_more_than_a_publisher(fake_upstream):
    node, send = fake_upstream
    name = b"8 bytes!"
    with node.connect() as tab:
        send(stamped(name, 1, b'{"y": Infinity}'))
        send(stamped(name, 2, b'{"y": 2, "label": "' + b"x" * 65 + b'"}'))
        send(stamped(name, 3, b'{"y": 3, "more": 1}'))
        send(stamped(name, 3, b'{"y": 4}'))
        send(stamped(name, 2, b'{"y": 4}'))
        send([b""] * 10_000)
        send(stamped(name, 5, b'{"y": 5}'))
        assert numbers(tab, 5) == [3, 5]
    wait_until(lambda: "dropped" in node.stderr)


def test_a_stamp_of_a_publisher_means_nothing(zws, publish):
    node = zws("--source", "none")
    send = publish(node)
    with node.connect() as tab:
        for number in (3, 3, 2, 2 ** 64 - 1, 1):
            send(*stamped(b"8 bytes!", number, b'{"y": %d}' % (number % 10)))
        assert [json.loads(tab.recv(5))["y"] for _ in range(5)] == [3, 3, 2, 5, 1]


class Link:
    """A way to a port that can be cut and mended: a small TCP proxy."""

    def __init__(self, endpoint):
        self.target = int(endpoint.rpartition(":")[2])
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.endpoint = f"tcp://127.0.0.1:{self.address[1]}"
        self.pairs: list[socket.socket] = []
        self.start()

    def start(self):
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        with contextlib.suppress(OSError):
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.target))
                self.pairs += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self.copy, args=pair, daemon=True).start()

    def copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def cut(self):
        for each in (self.listener, *self.pairs):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self.pairs.clear()

    def mend(self):
        self.listener = socket.create_server(self.address)
        self.start()


def missed(node):
    """How many points the node says it missed, line by line."""
    return [int(count) for count in re.findall(r"missed (\d+) points", node.stderr)]


def test_a_leaf_says_how_many_points_it_missed_while_the_link_was_down(zws, publish, connections):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    link = Link(republish)
    connections.callback(link.cut)
    leaf = zws("--source", "none", "--upstream", link.endpoint)
    send, count = publish(root), itertools.count(1)
    tab = connections.enter_context(leaf.connect(max_queue=None))
    lost = 0

    def next_that_comes():
        """Sends points until one comes, and returns its number."""
        while True:
            send({"y": next(count)})
            with contextlib.suppress(TimeoutError):
                return json.loads(tab.recv(0.1))["y"]

    next_that_comes()
    for while_cut in (20, 1):       # the second is within 10 seconds of the first line
        send({"y": (last := next(count))})
        numbers(tab, last)
        link.cut()
        for _ in range(while_cut):
            send({"y": next(count)})
        with root.connect() as own:
            numbers(own, last + while_cut)      # the root has taken them
        link.mend()
        lost += next_that_comes() - last - 1
        wait_until(lambda: missed(leaf))
    assert len(missed(leaf)) == 1
    wait_until(lambda: sum(missed(leaf)) == lost, 12)
    assert "missed" not in root.stderr


def test_who_comes_late_or_finds_a_new_root_has_missed_nothing_that_it_could_know_of(zws, publish):
    ports = "--source", "none", "--republish", free_endpoint(), "--zmq", free_endpoint()
    root = zws(*ports)
    send = publish(root)
    with root.connect() as tab:
        for number in range(10):
            send({"y": number})
        numbers(tab, 9)
    leaf = zws("--source", "none", "--upstream", ports[3])
    with leaf.connect() as tab:
        until_it_arrives(lambda: send({"y": 10}), tab, 10)
        root.stop()
        root = zws(*ports)
        send = publish(root)
        for number in range(20):
            send({"y": number})
        until_it_arrives(lambda: send({"y": 11}), tab, 11)
    assert "missed" not in leaf.stderr


def test_a_bad_upstream_or_republish_endpoint_is_named_in_one_line():
    assert "nonsense" in failure("--upstream", "nonsense")
    assert "tcp://" in failure("--upstream", "5361"), "it says what one looks like"
    assert "tcp://203.0.113.7:1" in failure("--republish", "tcp://203.0.113.7:1")


def test_a_stamp_with_a_nodes_own_name_and_the_highest_number_ends_nothing(zws, publish):
    republish = free_endpoint()
    with zmq.Context() as context, context.socket(zmq.XPUB) as upstream, context.socket(zmq.SUB) as below:
        upstream.linger = 0
        port = upstream.bind_to_random_port("tcp://127.0.0.1")
        node = zws("--source", "none", "--upstream", f"tcp://127.0.0.1:{port}", "--republish", republish)
        assert upstream.poll(10000), "no subscriber"
        upstream.recv()
        send = publish(node)
        below.subscribe(b"")
        below.connect(republish)

        def own_stamp():
            send({"y": 1})
            return below.poll(50) and below.recv_multipart()[0]
        stamp = wait_until(own_stamp)
        with node.connect() as tab:
            upstream.send_multipart([stamp[:-8] + b"\xff" * 8, b'{"y": 2}'])
            upstream.send_multipart([b'{"y": 3}'])
            assert 2 not in numbers(tab, 3), "it has been here already, says its stamp"
            send({"y": 4})
            numbers(tab, 4)


@pytest.mark.parametrize(("endpoint", "families", "answer"), [
    ("tcp://[::1]:5000", None, True), ("tcp://127.0.0.1:5000", None, False), ("tcp://localhost:5000", None, False),
    ("tcp://*:5000", None, False), ("ipc:///tmp/x:y", None, False), ("tcp://six.example:5000", ["AF_INET6"], True),
    ("tcp://both.example:5000", ["AF_INET6", "AF_INET"], False)])
def test_ipv6_is_used_where_a_name_has_no_other_address(monkeypatch, endpoint, families, answer):
    if families:
        rows = [(getattr(socket, family), socket.SOCK_STREAM, 6, "", ()) for family in families]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: rows)
    assert has_only_ipv6(endpoint) == answer
