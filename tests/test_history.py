"""A new tab shows at once what the others show, then goes on with them: no point missing, none twice."""
import json
import re
import socket
import threading
import time
from collections import defaultdict

import pytest


def points(tab, count):
    return [json.loads(tab.recv(10)) for _ in range(count)]


def by_label(got):
    lines = defaultdict(list)
    for point in got:
        lines[point.get("label")].append(point["y"])
    return lines


def publish_and_see(server, send, fields):
    """Publishes the points and waits until a tab has seen them all; that tab's points."""
    with server.connect() as tab:
        for field in fields:
            send(field)
        return points(tab, len(fields))


@pytest.mark.parametrize("options, kept", [((), 1000), (("--history", 5), 5), (("--history", 0), 0)])
def test_a_new_tab_gets_the_last_points_of_every_label_and_then_live_ones(zws, publish, options, kept):
    server = zws("--source", "none", *options)
    send = publish(server)
    publish_and_see(server, send, [{"y": 0, "label": "rare"}]
                    + [{"y": number, **label} for number in range(1250) for label in ({"label": "often"}, {})])
    with server.connect() as tab:
        lines = by_label(points(tab, 2 * kept + (kept > 0)))
        last = [*range(1250 - kept, 1250)]
        assert lines == ({"rare": [0], "often": last, None: last} if kept else {})
        send({"y": 1250, "label": "rare"})
        send({"y": 1251})
        assert by_label(points(tab, 2)) == {"rare": [1250], None: [1251]}


def test_a_slow_publishers_second_tab_shows_the_same_picture_as_the_first(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    first = publish_and_see(server, send, [{"y": 1}, {"y": 2, "label": "a"}, {"y": 3, "x": 5}, {"y": 4, "label": "a"}])
    for _ in range(2):
        with server.connect() as tab:
            assert sorted(points(tab, 4), key=lambda point: point["y"]) == first


class Pace:
    """Publishes y = 0, 1, 2, … at a steady rate from a thread of its own, until the end of the `with`."""

    def __init__(self, send, rate):
        self.send, self.rate, self.count, self.stop = send, rate, 0, threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        start = time.monotonic()
        while not self.stop.wait(max(0, start + self.count / self.rate - time.monotonic())):
            self.count += 1
            self.send({"y": self.count - 1})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def numbers_up_to(connection, last):
    """The y of all frames until one is at least `last`."""
    data, numbers = b"", [-1]
    while numbers[-1] < last:
        data += connection.recv(65536)
        numbers = [int(number) for number in re.findall(rb'"y":(\d+)[}]', data)] or [-1]
    return numbers


def test_150_tabs_that_join_at_2_000_points_a_second_each_see_an_unbroken_run(zws, publish):
    server = zws("--source", "none")
    with Pace(publish(server), 2000) as pace:
        while pace.count < 200:
            time.sleep(0.01)
        for _ in range(150):
            with server.raw() as tab:
                tab.recv(1, socket.MSG_PEEK)
                joined = pace.count
                numbers = numbers_up_to(tab, joined + 100)
            assert numbers[0] <= joined - 100
            assert numbers == [*range(numbers[0], numbers[0] + len(numbers))]
