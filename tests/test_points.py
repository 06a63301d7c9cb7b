"""Any publisher, every tab: what is a point arrives in canonical form, what is none is dropped with a reason."""
import json
import math
import re
import sys
import time
from collections import Counter

import pytest
import zmq
from conftest import program, wait_until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zws import encode_frame, encode_point, points_of_payload

KIB = 1024
HUGE = int(sys.float_info.max)
BAD = {     # by name: a message that is no point, and what the reason must mention
    "empty": (b"", "empty"),
    "no number": (b"OK", "no number"),
    "half": (b'{"y":1', "not JSON"),
    "two points": (b'{"y":1}{"y":2}', "not JSON"),
    "trailing comma": (b'{"y":1,}', "not JSON"),
    "bad UTF-8": (b'{"y":1,"label":"\xff"}', "UTF-8"),
    "surrogates in UTF-8": (b'{"y":1,"label":"\xed\xa0\xbd\xed\xb8\x80"}', "UTF-8"),
    "UTF-16": ('{"y":1}'.encode("utf-16"), "UTF-8"),
    "Infinity": (b'{"y":Infinity}', "y is Infinity"),
    "-Infinity": (b'{"x":-Infinity,"y":1}', r"\bx\b"),
    "NaN as x": (b'{"x":NaN,"y":1}', r"\bx\b"),
    "nan": (b'{"y":nan}', "not JSON"),
    "hexadecimal": (b'{"y":0x10}', "not JSON"),
    "leading zero": (b'{"y":01}', "not JSON"),
    "Arabic digit": ('{"y":1٣}'.encode(), "not JSON"),
    "5,000 digits": (b'{"y":' + b"1" * 5000 + b"}", "too many digits"),
    "100,000 nested arrays": (b"[" * 100_000 + b"]" * 100_000, "65536 bytes"),
    "null": (b"null", "no number"),
    "an array of text": (b'["a"]', "no number"),
    "no y": (b'{"x":1}', "y is missing"),
    "empty object": (b"{}", "y is missing"),
    "text only": (b'{"state":"ON"}', "no number"),
    "y true": (b'{"y":true}', "y is not a number"),
    "y string": (b'{"y":"1"}', "y is not a number"),
    "y array": (b'{"y":[1]}', "y is not a number"),
    "y 1e999": (b'{"y":1e999}', "y is Infinity"),
    "y -1e999": (b'{"y":-1e999}', "y is Infinity"),
    "y of 400 digits": (b'{"y":' + b"9" * 400 + b"}", "y is Infinity"),
    "y just over a double": (b'{"y":%d}' % (HUGE + 1), "y is Infinity"),
    "x null": (b'{"x":null,"y":1}', r"\bx\b"),
    "x false": (b'{"x":false,"y":1}', r"\bx\b"),
    "x string": (b'{"x":"now","y":1}', r"\bx\b"),
    "x 1e999": (b'{"x":1e999,"y":1}', r"\bx\b"),
    "label empty": (b'{"y":1,"label":""}', "label"),
    "label of 65": (b'{"y":1,"label":"%s"}' % (b"a" * 65), "label"),
    "label null": (b'{"y":1,"label":null}', "label"),
    "label number": (b'{"y":1,"label":1}', "label"),
    "label array": (b'{"y":1,"label":["a"]}', "label"),
    "label a lone high surrogate": (b'{"y":1,"label":"a\\ud83d"}', "label"),
    "65,537 bytes": (b'{"y":1}'.ljust(64 * KIB + 1), "65536 bytes"),
    "1 MiB": (b'{"y":1}'.ljust(KIB * KIB), "65536 bytes"),
}


def reason(message):
    """Why the message holds no points, or None."""
    try:
        points_of_payload(message)
    except ValueError as error:
        return str(error)


def strict_json(text):
    """What the text is to JavaScript's JSON.parse."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def assert_canonical(point):
    """Whether a point is as a tab may get it."""
    assert list(point) in (["x", "y"], ["x", "y", "label"])
    assert type(point["x"]) in (int, float) and abs(point["x"]) <= 8.6e15
    assert point["y"] is None or (type(point["y"]) in (int, float) and math.isfinite(point["y"]))
    label = point.get("label", "Value")
    assert type(label) is str and 1 <= len(label) <= 64


messages = (st.binary() | st.text('{}[]",:.0123456789eE+-xylabel\\ ').map(str.encode)
            | st.dictionaries(st.sampled_from(["x", "y", "label", "z"]),
                              st.floats() | st.integers() | st.none() | st.text()).map(
                                  lambda fields: json.dumps(fields).encode()))
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_point_is_refused_with_the_reason(name):
    message, word = BAD[name]
    assert re.search(word, reason(message))


@pytest.mark.parametrize("message, payload", [
    (b'{"x":5,"y":1}', b'{"x":5,"y":1}'),
    (b' {"y" :\t1,\r\n"x": 5 } ', b'{"x":5,"y":1}'),
    (b'{"x":5,"y":1,"y":2}', b'{"x":5,"y":2}'),
    (b'{"x":5,"y":null}', b'{"x":5,"y":null}'),
    (b'{"x":5,"y":NaN}', b'{"x":5,"y":null}'),
    (b'{"x":5,"y":-1.5e300}', b'{"x":5,"y":-1.5e+300}'),
    (b'{"x":5,"y":%d}' % HUGE, b'{"x":5,"y":%d}' % HUGE),
    (b'{"x":5,"y":1,"label":"\\ud83d\\ude00"}', '{"x":5,"y":1,"label":"😀"}'.encode()),
    (b'{"x":5,"y":1,"label":"Value"}', b'{"x":5,"y":1}'),
    (b'{"x":5,"y":1,"label":"a\\"b"}', b'{"x":5,"y":1,"label":"a\\"b"}'),
    (b'{"x":5,"y":1,"label":" a "}', b'{"x":5,"y":1,"label":"a"}'),
    (b'{"x":5,"y":1,"label":"__proto__","__proto__":{}}', b'{"x":5,"y":1,"label":"__proto__"}'),
    (b'{"x":5,"y":1,"label":"a\\u0000"}', b'{"x":5,"y":1,"label":"a\\u0000"}'),
    (('{"x":5,"y":1,"label":"' + "😀" * 64 + '"}').encode(), ('{"x":5,"y":1,"label":"' + "😀" * 64 + '"}').encode()),
    (b'{"x":5,"y":1}'.ljust(64 * KIB), b'{"x":5,"y":1}')])
def test_a_point_goes_to_the_tabs_in_canonical_form(message, payload):
    assert [encode_point(*point[:3]) for point in points_of_payload(message)] == [payload]


@pytest.mark.parametrize("size, header", [
    (0, b"\x81\x00"), (125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65535, b"\x81\x7e\xff\xff"),
    (65536, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00")])
def test_a_frame_has_the_shortest_header_for_its_size(size, header):
    payload = b"x" * size
    assert encode_frame(1, payload) == header + payload


def values(tab, count):
    return [strict_json(tab.recv(10))["y"] for _ in range(count)]


def test_bad_messages_between_good_ones_reach_no_tab_and_are_logged_once_in_ten_seconds(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send(b"first")
        wait_until(lambda: "dropped" in server.stderr)
        start = time.monotonic()
        for number, (message, _) in enumerate(BAD.values()):
            send({"y": number})
            send(message)
        send({"y": len(BAD)})
        assert values(tab, len(BAD) + 1) == [*range(len(BAD) + 1)]
        wait_until(lambda: server.stderr.count("dropped") == 2, 20)
    assert time.monotonic() - start > 8
    lines = [line for line in server.stderr.splitlines() if "passed over" not in line]
    assert lines[0] == "zws: dropped 1 message: no number in it (1, the first: 'first')"
    assert f"dropped {len(BAD)} messages: " in lines[1] and "more reasons" in lines[1]


def test_whatever_bytes_are_sent_tabs_get_canonical_points_and_nothing_else(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        @settings(patient, max_examples=50)
        @given(st.lists(messages, max_size=20))
        def check(batch):
            for message in [*batch, b'{"y":0,"label":"end"}']:
                send(message)
            got = [strict_json(tab.recv(10))]
            while got[-1].get("label") != "end":
                got.append(strict_json(tab.recv(10)))
            for point in got:
                assert_canonical(point)
        check()


def test_a_point_arrives_in_canonical_form(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send('{ "z": "<script>", "label": "Gr\\u00fc\\u00dfe 🌊", "y": 1.50, "x": 5, "y": 2.50 }'.encode())
        assert tab.recv(10, decode=False) == '{"x":5,"y":2.5,"label":"Grüße 🌊"}'.encode()
        send(b'{"y": 1, "x": -0.0, "id": [1, 2]}')
        assert tab.recv(10) == '{"x":-0.0,"y":1}'


def test_a_point_without_x_gets_the_time_in_milliseconds(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        before = time.time() * 1000
        send({"y": 1})
        point = strict_json(tab.recv(10))
        assert list(point) == ["x", "y"]
        assert before <= point["x"] <= time.time() * 1000


def test_of_several_zeromq_frames_the_last_counts(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send({"y": 1}, {"y": 2})
        send(b"topic", b"", b"\xff" * 1000, {"y": 3})
        send({"y": 4}, b"no point")
        send({"y": 5}, b"")
        send({"y": 6})
        assert values(tab, 3) == [2, 3, 6]


def test_a_message_of_64_kib_arrives_and_a_larger_one_is_dropped_with_a_reason(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send(b'{"y":0}'.ljust(64 * KIB))
        for number, size in enumerate((64 * KIB + 1, 100_000, KIB * KIB), 1):
            send(b'{"y":-1}'.ljust(size))
            send({"y": number})
        assert values(tab, 4) == [0, 1, 2, 3]
    wait_until(lambda: "65536 bytes" in server.stderr)


def test_a_publisher_that_libzmq_cuts_off_for_a_message_beyond_1_mib_comes_back_by_itself(zws, publish):
    server = zws("--source", "none")
    send, other = publish(server), publish(server)
    with server.connect() as tab:
        send(b" " * (KIB * KIB + 1))

        def comes_back():
            send({"y": 1, "label": "cut off"})
            other({"y": 2, "label": "other"})
            return "cut off" in tab.recv(5)
        wait_until(comes_back)


def test_the_points_of_64_labels_arrive_and_those_of_more_are_dropped_with_a_reason(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        for number in range(66):
            send({"y": number, "label": f"label {number}"})
        send({"y": 66})
        send({"y": 67, "label": "label 0"})
        send({"y": 68, "label": "label 63"})
        assert values(tab, 66) == [*range(64), 67, 68]
    wait_until(lambda: "64 labels" in server.stderr)


def with_silence(seconds):
    """zws.py with another time after which a label may lose its place."""
    return program(f"assert zws.LABEL_SILENCE_SECONDS == 60\nzws.LABEL_SILENCE_SECONDS = {seconds}")


def history(server, count):
    """The labels of the points that a new tab gets, in their order."""
    with server.connect() as tab:
        return [strict_json(tab.recv(10))["label"] for _ in range(count)]


def test_a_65th_label_takes_the_place_of_the_one_that_has_been_silent_longest(zws, publish):
    server = zws("--source", "none", program=with_silence(0.5))
    send = publish(server)
    with server.connect() as tab:
        for number in range(64):
            send({"y": number, "label": f"label {number}"})
            send({"y": number, "label": f"label {number}"})
        values(tab, 128)
        time.sleep(0.6)     # the silence itself
        for number in range(32):
            send({"y": number, "label": f"label {number}"})
        for name in ("new a", "new b", "label 32", "new a"):    # in the places of 32, 33 and 34
            send({"y": 1, "label": name})
        assert len(values(tab, 36)) == 36
        kept = [f"label {number}" for number in range(32) for _ in range(3)]
        kept += [f"label {number}" for number in range(35, 64) for _ in range(2)]
        assert history(server, len(kept) + 4) == [*kept, "new a", "new a", "new b", "label 32"]
    assert server.stderr == ""


def test_while_all_labels_are_in_use_a_65th_is_dropped_and_later_it_is_taken(zws, publish):
    server = zws("--source", "none", program=with_silence(1))
    send = publish(server)
    with server.connect() as tab:
        for number in range(64):
            send({"y": number, "label": f"label {number}"})
        send({"y": 64, "label": "one more"})
        send({"y": 65, "label": "label 0"})
        assert values(tab, 65) == [*range(64), 65]
        wait_until(lambda: "64 labels" in server.stderr)
        time.sleep(1.1)     # the silence itself
        send({"y": 66, "label": "one more"})
        assert values(tab, 1) == [66]
        assert history(server, 65) == [*["label 0"] * 2, *(f"label {number}" for number in range(2, 64)), "one more"]


@pytest.mark.parametrize("silence", [60, 0.01])
def test_a_flood_of_random_labels_harms_neither_memory_nor_the_labels_in_use(zws, publish, silence):
    server = zws("--source", "none", program=with_silence(silence))
    send = publish(server)
    used: dict[str, list[int]] = {f"used {number}": [] for number in range(10)}
    others = set()
    with server.connect(max_queue=None) as tab:
        for label in used:
            for number in range(100):
                send({"x": number, "y": -1, "label": label})
        values(tab, 1000)
        memory = server.memory()
        for number in range(20_000):
            send({"x": number, "y": 0, "label": f"{number:x}".rjust(64, "🎈")})
            if number % 4 == 0:     # each of them is heard again before 54 others are
                send({"x": number, "y": number, "label": f"used {number // 4 % 10}"})
        send({"x": 0, "y": -2, "label": "used 0"})
        while (point := strict_json(tab.recv(10)))["y"] != -2:
            if point["label"] in used:
                used[point["label"]].append(point["y"])
            else:
                others.add(point["label"])
        assert server.memory() - memory < 10 * KIB
    for place, got in enumerate(used.values()):
        assert got == list(range(4 * place, 20_000, 40))
    assert len(others) == 54 if silence == 60 else len(others) > 54
    seen: Counter[str] = Counter()
    with server.connect() as tab:
        point = strict_json(tab.recv(10))
        send({"x": 0, "y": -3, "label": "used 0"})      # comes behind the history
        while point["y"] != -3:
            seen[point["label"]] += 1
            point = strict_json(tab.recv(10))
    assert len(seen) == 64 and all(seen[label] >= 99 for label in used)


def test_what_is_no_publisher_is_said_in_the_log(zws, publish):
    server = zws("--source", "none")
    with zmq.Context() as context, context.socket(zmq.PUSH) as pusher:
        pusher.linger = 0
        pusher.connect(server.zmq)
        wait_until(lambda: ": not a ZeroMQ PUB socket (" in server.stderr)      # it tries again, so that may be (2)


def test_a_key_that_has_no_effect_is_said_once(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        for _ in range(3):
            send({"y": 1, "lable": "a", "x": 1, "ts": 2})
            send({"temp": 21.5, "room": {"state": "ON", "x": None}, "time": 1})
            assert [json.loads(tab.recv(10)).get("label") for _ in range(2)] == [None, "temp"]
        assert server.stderr.splitlines() == ["zws: passed over: 'lable', as it is not a part of a point with y",
                                              "zws: passed over: 'room/state', as it is not a number"]
        send({"y": 1, "label": "b"} | {f"key{number}": 0 for number in range(100)})
        assert json.loads(tab.recv(10))["label"] == "b"
    lines = wait_until(lambda: server.stderr.splitlines()[2:])
    assert len(lines) == 18 and lines[0] == "zws: passed over: 'key0', as it is not a part of a point with y"


def test_of_several_numbers_one_that_cannot_be_a_point_is_said_too(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send({"temp": 21.5, "big": float("inf"), "k" * 65: 1, "a": {"b": {"c": {"d": {"e": 1}}}}})
        assert json.loads(tab.recv(10))["label"] == "temp"
    lines = wait_until(lambda: len(server.stderr.splitlines()) >= 3 and server.stderr.splitlines())
    assert sorted(lines) == ["zws: passed over: 'a/b/c/d', as it lies deeper than 4 objects",
                             "zws: passed over: 'big', as y is Infinity",
                             f"zws: passed over: '{'k' * 40}'..., as label is not text of 1 to 64 characters"]


# Time

@pytest.mark.parametrize(("factor", "unit"), [(1, "seconds"), (10 ** 6, "microseconds"), (10 ** 9, "nanoseconds")])
def test_x_about_now_in_another_unit_is_taken_as_that_and_said_once(zws, publish, factor, unit):
    server = zws("--source", "none")
    send = publish(server)
    now = time.time()
    with server.connect() as tab:
        for number in range(3):
            send({"x": (now + number) * factor, "y": number, "label": "a"})
            send({"x": (now + number) * 1000, "y": number, "label": "b"})
        for number in range(3):
            for _ in range(2):
                point = json.loads(tab.recv(10))
                assert abs(point["x"] - (now + number) * 1000) < 0.01 and point["y"] == number
    said = wait_until(lambda: server.stderr)
    assert said == f"zws: label 'a': x is in {unit}\n"


def test_a_label_whose_x_comes_in_two_units_does_not_fill_the_log(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    now = time.time()
    with server.connect() as tab:
        for number in range(10):
            send({"x": (now + number) * 1000, "y": number})
            send({"x": now + number, "y": number})
        for number in range(10):
            assert [abs(json.loads(tab.recv(10))["x"] - (now + number) * 1000) < 0.01 for _ in range(2)] == [True] * 2
    assert server.stderr == "zws: label 'Value': x is in seconds\n"


def test_a_counter_stays_a_counter_and_a_mended_program_is_believed(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    now = int(time.time())
    sent = [(0, 0), (-5, -5), (now, now), (123456, 123456)]         # a counter may pass by
    with server.connect() as tab:
        for x, _ in sent:
            send({"x": x, "y": 1, "label": "counter"})
        assert [json.loads(tab.recv(10))["x"] for _ in sent] == [x for _, x in sent]
        for x in (now, 1000 * now, 1000 * now + 1000):
            send({"x": x, "y": 1, "label": "mended"})
        assert [json.loads(tab.recv(10))["x"] for _ in range(3)] == [1000 * now, 1000 * now, 1000 * now + 1000]


@pytest.mark.parametrize("x", [9e15, -9e15, 1e300, 10 ** 300])
def test_what_is_no_date_for_a_browser_is_refused_with_the_reason(zws, publish, x):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send({"x": x, "y": 1})
        send({"x": 8.6e15, "y": 2})
        assert json.loads(tab.recv(10))["y"] == 2
    assert "x is no date that a browser knows" in wait_until(lambda: server.stderr)


def test_no_value_at_a_time_is_null(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        for message in (b'{"x":1,"y":null}', b'{"x":2,"y":NaN}', b'{"t":3,"a":NaN,"b":null,"c":1}'):
            send(message)
        assert [tab.recv(10) for _ in range(4)] == [
            '{"x":1,"y":null}', '{"x":2,"y":null}', '{"x":3,"y":null,"label":"a"}', '{"x":3,"y":1,"label":"c"}']


def test_an_object_of_several_numbers_is_several_points_of_one_time(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        send({"temp": 21.5, "hum": 40, "state": "ON", "AM2301": {"Dew": 7}})
        points = [json.loads(tab.recv(10)) for _ in range(3)]
        assert [(point["label"], point["y"]) for point in points] == [("temp", 21.5), ("hum", 40), ("AM2301/Dew", 7)]
        assert len({point["x"] for point in points}) == 1
