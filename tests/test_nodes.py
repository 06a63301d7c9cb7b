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


def test_a_root_and_two_leaves_show_2000_points_exactly_once_and_in_order(zws, publish, connections):
    republish = free_endpoint()
    nodes = [zws("--source", "none", "--republish", republish)]
    nodes += [zws("--source", "none", "--upstream", republish) for _ in range(2)]
    send = publish(nodes[0])
    tabs = [connections.enter_context(node.connect(max_queue=None)) for node in nodes]
    send({"y": 0})
    for tab in tabs:
        assert numbers(tab, 0) == [0]
    start = time.monotonic()
    for number in range(1, 2001):
        send({"y": number, "label": "numbers"})
        time.sleep(max(0, start + number / 2000 - time.monotonic()))
    for tab in tabs:
        assert numbers(tab, 2000) == list(range(1, 2001))


def test_points_go_on_unchanged_with_their_time_and_label(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    leaf = zws("--source", "none", "--upstream", republish)
    send = publish(root)
    with root.connect() as one, leaf.connect() as other:
        for point in ({"y": 1}, {"x": 5, "y": 2.5}, {"x": 1.25, "y": -3, "label": "Zürich 🎈"}, {"y": 1, "more": [1]}):
            send(point)
            assert one.recv(5) == other.recv(5)


def test_a_leaf_that_starts_late_has_the_history_at_once(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    send = publish(root)
    with root.connect() as tab:
        for number in range(150):
            send({"y": number, "label": "ab"[number % 2]})
        numbers(tab, 149)
    leaf = zws("--source", "none", "--upstream", republish, "--history", "50")
    with leaf.connect() as tab:
        wait_until(lambda: len(json.loads(tab.recv(5))["label"]) == 1)     # the root's, as it came
    def picture():
        with leaf.connect() as tab:
            got = []
            try:
                while True:
                    got.append(json.loads(tab.recv(0.3))["y"])
            except TimeoutError:
                return sorted(got)
    assert wait_until(lambda: (got := picture()) and got[-1] == 149 and got) == list(range(50, 150))


def test_a_second_leaf_does_not_make_the_first_show_points_twice(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    send = publish(root)
    first = zws("--source", "none", "--upstream", republish)
    with first.connect() as tab:
        send({"y": 1})
        assert numbers(tab, 1) == [1]
        second = zws("--source", "none", "--upstream", republish)
        with second.connect() as other:
            assert numbers(other, 1) == [1]
        send({"y": 2})
        assert numbers(tab, 2) == [2]


def test_a_killed_root_that_comes_back_is_picked_up_with_the_tabs_still_connected(zws, publish):
    ports = "--republish", free_endpoint(), "--zmq", free_endpoint(), "--source", "none"
    root = zws(*ports)
    leaf = zws("--source", "none", "--upstream", ports[1])
    send = publish(root)
    with leaf.connect() as tab:
        send({"y": 1})
        assert numbers(tab, 1) == [1]
        root.process.kill()
        root.process.wait()
        time.sleep(3)       # the figure
        root = zws(*ports)
        again = publish(root)
        start = time.monotonic()
        while True:         # the leaf connects again in its own time, with nothing to wait for on our side
            again({"y": 2})
            try:
                assert json.loads(tab.recv(0.1))["y"] == 2
                break
            except TimeoutError:
                assert time.monotonic() < start + 3


def test_a_killed_leaf_that_comes_back_shows_what_it_missed_and_costs_the_others_nothing(zws, publish):
    republish = free_endpoint()
    root = zws("--source", "none", "--republish", republish)
    send = publish(root)
    leaf = zws("--source", "none", "--upstream", republish)
    leaf.process.kill()
    leaf.process.wait()
    with root.connect() as tab:
        for number in range(20):
            send({"y": number})
        assert numbers(tab, 19) == list(range(20))
    leaf = zws("--source", "none", "--upstream", republish)
    with leaf.connect() as tab:
        assert numbers(tab, 19) == list(range(20))


def test_a_loop_of_nodes_shows_every_point_once(zws, publish, connections):
    one, two, three = free_endpoint(), free_endpoint(), free_endpoint()
    nodes = [zws("--source", "none", "--republish", mine, "--upstream", other)
             for mine, other in ((one, three), (two, one), (three, two))]
    sends = [publish(node) for node in nodes]
    tabs = [connections.enter_context(node.connect()) for node in nodes]
    def seen_by_all(number):
        return all(number in numbers(tab, number) for tab in tabs)
    for number, send in enumerate(sends):       # each once round before anything is counted
        wait_until(lambda send=send, number=number: send({"y": -1 - number}) or True)
        assert seen_by_all(-1 - number)
    for number in range(300):
        sends[number % 3]({"y": number, "label": f"of {number % 3}"})
    for send in sends:
        send({"y": 1000})
    for tab in tabs:
        got = []
        while got.count(1000) < 3:
            got.append(json.loads(tab.recv(10))["y"])
        assert sorted(y for y in got if y < 1000) == list(range(300))
        with pytest.raises(TimeoutError):
            tab.recv(0.3)


def test_a_node_with_two_ways_to_the_root_shows_every_point_once(zws, publish):
    top, side = free_endpoint(), free_endpoint()
    root = zws("--source", "none", "--republish", top)
    zws("--source", "none", "--upstream", top, "--republish", side)
    leaf = zws("--source", "none", "--upstream", top, "--upstream", side)
    send = publish(root)
    with leaf.connect() as tab:
        for number in range(500):
            send({"y": number})
        assert numbers(tab, 499) == list(range(500))
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
