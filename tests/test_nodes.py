"""A tree of nodes: --republish and --upstream pass every point on, exactly once, also through restarts and loops."""
import contextlib
import json
import socket
import time

import pytest
from conftest import wait_until


def free_endpoint():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


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


def until_it_arrives(send, tab, y, seconds=15):
    """Sends again and again until that point comes: a node connects in its own time, with nothing to wait for here."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        send()
        with contextlib.suppress(TimeoutError):
            while json.loads(tab.recv(0.1))["y"] != y:
                pass
            return
    raise AssertionError("it never came")


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


def test_an_upstream_is_trusted_no_more_than_a_publisher(zws, publish):
    node = zws("--source", "none")
    send = publish(node)
    stamp = b"\0zws" + b"8 bytes!"
    with node.connect() as tab:
        send(stamp + (1).to_bytes(8, "big"), b'{"y": NaN}')
        send(stamp + (2).to_bytes(8, "big"), b'{"y": 2, "label": "' + b"x" * 65 + b'"}')
        send(stamp + (3).to_bytes(8, "big"), b'{"y": 3, "more": 1}')
        send(stamp + (3).to_bytes(8, "big"), b'{"y": 4}')
        send(stamp + (5).to_bytes(8, "big"), b'{"y": 5}')
        assert numbers(tab, 5) == [3, 5]
    wait_until(lambda: "dropped" in node.stderr)


def test_a_bad_upstream_or_republish_endpoint_is_named_in_one_line():
    from test_demo import failure
    assert "nonsense" in failure("--upstream", "nonsense")
    assert "tcp://203.0.113.7:1" in failure("--republish", "tcp://203.0.113.7:1")
