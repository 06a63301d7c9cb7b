"""Any publisher, every tab: what is a point arrives in canonical form, what is none is dropped with a reason."""
import json
import math
import re
import sys
import time
from collections import Counter

import pytest
from conftest import program, wait_until
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zws import encode_frame, parse_point

KIB = 1024
HUGE = int(sys.float_info.max)
BAD = {     # by name: a message that is no point, and what the reason must mention
    "empty": (b"", "JSON"),
    "not JSON": (b"y=1", "JSON"),
    "half": (b'{"y":1', "JSON"),
    "two points": (b'{"y":1}{"y":2}', "JSON"),
    "trailing comma": (b'{"y":1,}', "JSON"),
    "single quotes": (b"{'y':1}", "JSON"),
    "bad UTF-8": (b'{"y":1,"label":"\xff"}', "UTF-8"),
    "surrogates in UTF-8": (b'{"y":1,"label":"\xed\xa0\xbd\xed\xb8\x80"}', "UTF-8"),
    "BOM": (b'\xef\xbb\xbf{"y":1}', "JSON"),
    "UTF-16": ('{"y":1}'.encode("utf-16"), "UTF-8"),
    "UTF-16 without BOM": ('{"y":1}'.encode("utf-16-le"), "JSON"),
    "NUL at the end": (b'{"y":1}\0', "JSON"),
    "control character": (b'{"y":1,"label":"a\nb"}', "JSON"),
    "NaN": (b'{"y":NaN}', "JSON"),
    "Infinity": (b'{"y":Infinity}', "JSON"),
    "-Infinity": (b'{"x":-Infinity,"y":1}', "JSON"),
    "NaN in another member": (b'{"y":1,"z":NaN}', "JSON"),
    "nan": (b'{"y":nan}', "JSON"),
    "hexadecimal": (b'{"y":0x10}', "JSON"),
    "leading zero": (b'{"y":01}', "JSON"),
    "Arabic digit": ('{"y":1٣}'.encode(), "JSON"),
    "5,000 digits": (b'{"y":' + b"1" * 5000 + b"}", "JSON"),
    "30,000 nested arrays": (b'{"y":1,"z":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "JSON"),
    "10,000 nested objects": (b'{"y":' * 10_000 + b"1" + b"}" * 10_000, "JSON"),
    "65,000 open brackets": (b"[" * 65_000, "JSON"),
    "100,000 nested arrays": (b"[" * 100_000 + b"]" * 100_000, "65536 bytes"),
    "a number": (b"1", "object"),
    "a string": (b'"{}"', "object"),
    "null": (b"null", "object"),
    "true": (b"true", "object"),
    "an array": (b'[{"y":1}]', "object"),
    "no y": (b'{"x":1}', r"\by\b"),
    "empty object": (b"{}", r"\by\b"),
    "Y": (b'{"Y":1}', r"\by\b"),
    "y null": (b'{"y":null}', r"\by\b"),
    "y true": (b'{"y":true}', r"\by\b"),
    "y string": (b'{"y":"1"}', r"\by\b"),
    "y array": (b'{"y":[1]}', r"\by\b"),
    "y 1e999": (b'{"y":1e999}', r"\by\b"),
    "y -1e999": (b'{"y":-1e999}', r"\by\b"),
    "y of 400 digits": (b'{"y":' + b"9" * 400 + b"}", r"\by\b"),
    "y just over a double": (b'{"y":%d}' % (HUGE + 1), r"\by\b"),
    "second y bad": (b'{"y":1,"y":null}', r"\by\b"),
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
    "label a lone low surrogate": (b'{"y":1,"label":"\\ude00b"}', "label"),
    "label surrogates in wrong order": (b'{"y":1,"label":"\\ude00\\ud83d"}', "label"),
    "65,537 bytes": (b'{"y":1}'.ljust(64 * KIB + 1), "65536 bytes"),
    "100 KB": (b'{"y":1}'.ljust(100_000), "65536 bytes"),
    "1 MiB": (b'{"y":1}'.ljust(KIB * KIB), "65536 bytes"),
}


def reason(message):
    """Why the message is no point, or None."""
    try:
        parse_point(message)
    except ValueError as error:
        return str(error)


def strict_json(text):
    """What the text is to JavaScript's JSON.parse."""
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def assert_canonical(point):
    assert list(point) in (["x", "y"], ["x", "y", "label"])
    assert all(type(point[name]) in (int, float) and math.isfinite(point[name]) for name in "xy")
    label = point.get("label", "Value")
    assert type(label) is str and 1 <= len(label) <= 64
    assert strict_json(json.dumps(point, ensure_ascii=False, allow_nan=False).encode().decode()) == point


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-HUGE, HUGE)
labels = st.text(st.characters(codec="utf-8"), min_size=1, max_size=64)
not_numbers = (st.sampled_from([math.nan, math.inf, -math.inf, HUGE + 1, 10 ** 400, None, True, False])
               | st.text() | st.lists(numbers) | st.dictionaries(st.text(), numbers))
not_labels = st.just("") | st.text(min_size=65) | numbers | st.none() | st.lists(labels) | labels.map("{}\ud800".format)
members = st.fixed_dictionaries({}, optional={
    name: numbers | not_numbers | not_labels | st.sampled_from(["a", "ü", "a" * 64])
    for name in ("x", "y", "label", "z")})
messages = (st.binary() | st.text('{}[]",:.0123456789eE+-xylabel\\ ').map(str.encode)
            | members.map(lambda fields: json.dumps(fields).encode()))
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@patient
@given(messages)
@example(b"\xef\xbb\xbf")
@example(b"[" * 65_000)
def test_any_bytes_are_a_canonical_point_or_a_value_error_with_a_reason(message):
    try:
        point = parse_point(message)
    except ValueError as error:
        assert str(error)
    else:
        assert_canonical(point)
        fields = strict_json(message)
        assert point["y"] == fields["y"]
        assert point["x"] == fields.get("x", point["x"])
        assert point.get("label") == fields.get("label")


@patient
@given(numbers, numbers, labels, st.dictionaries(st.text().map("_{}".format), numbers))
def test_every_point_is_taken_and_nothing_else_that_was_written(x, y, label, more):
    for wanted in ({"x": x, "y": y}, {"x": x, "y": y, "label": label}):
        for ascii_only in (True, False):
            point = parse_point(json.dumps({**more, **wanted}, ensure_ascii=ascii_only).encode())
            assert point == wanted
            assert [*map(repr, point.values())] == [*map(repr, wanted.values())]


@patient
@given(numbers, not_numbers, not_labels)
def test_a_point_with_one_bad_member_is_refused_with_its_name(good, bad, label):
    for name, fields in {"x": {"x": bad, "y": good}, "y": {"x": good, "y": bad},
                         "label": {"x": good, "y": good, "label": label}}.items():
        text = json.dumps(fields).replace("NaN", "1e999").replace("Infinity", "1e999")
        assert re.search(rf"\b{name}\b", reason(text.encode()))


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_point_is_refused_with_the_reason(name):
    message, word = BAD[name]
    assert re.search(word, reason(message))


@pytest.mark.parametrize("message, point", [
    (b'{"x":5,"y":1}', {"x": 5, "y": 1}),
    (b' {"y" :\t1,\r\n"x": 5 } ', {"x": 5, "y": 1}),
    (b'{"x":5,"y":1,"y":2}', {"x": 5, "y": 2}),
    (b'{"x":5,"y":-1.5e300}', {"x": 5, "y": -1.5e300}),
    (b'{"x":5,"y":%d}' % HUGE, {"x": 5, "y": HUGE}),
    (b'{"x":5,"y":1,"label":"\\ud83d\\ude00"}', {"x": 5, "y": 1, "label": "😀"}),
    (b'{"x":5,"y":1,"label":"Value"}', {"x": 5, "y": 1, "label": "Value"}),
    (b'{"x":5,"y":1,"label":"__proto__","__proto__":{}}', {"x": 5, "y": 1, "label": "__proto__"}),
    (b'{"x":5,"y":1,"label":"\\u0000"}', {"x": 5, "y": 1, "label": "\0"}),
    (('{"x":5,"y":1,"label":"' + "😀" * 64 + '"}').encode(), {"x": 5, "y": 1, "label": "😀" * 64}),
    (b'{"x":5,"y":1}'.ljust(64 * KIB), {"x": 5, "y": 1})])
def test_unusual_points_are_points(message, point):
    assert parse_point(message) == point


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
        wait_until(lambda: server.stderr.count("\n") == 2, 20)
    assert time.monotonic() - start > 8
    lines = server.stderr.splitlines()
    assert [int(re.search("dropped ([0-9]+) messages:", line)[1]) for line in lines] == [1, len(BAD)]    # type: ignore[index]
    counts = Counter(reason(message) for message, _ in BAD.values())
    assert all(f"{why} ({count})" in lines[1] for why, count in counts.items())


def test_whatever_bytes_are_sent_tabs_get_the_points_among_them_and_nothing_else(zws, publish):
    server = zws("--source", "none")
    send = publish(server)
    with server.connect() as tab:
        @settings(patient, max_examples=50)
        @given(st.lists(messages, max_size=20))
        def check(batch):
            wanted = [parse_point(message) for message in batch if reason(message) is None]
            for message in [*batch, b'{"y":0,"label":"end"}']:
                send(message)
            got = [strict_json(tab.recv(10))]
            while got[-1].get("label") != "end":
                got.append(strict_json(tab.recv(10)))
            assert [point | {"x": 0} for point in got[:-1]] == [point | {"x": 0} for point in wanted]
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
        kept = [f"label {number}" for number in range(35, 64) for _ in range(2)]
        kept += [f"label {number}" for number in range(32) for _ in range(3)]
        assert history(server, len(kept) + 4) == [*kept, "new b", "label 32", "new a", "new a"]
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
        assert history(server, 65) == [f"label {number}" for number in range(2, 64)] + ["label 0"] * 2 + ["one more"]


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
        while (point := strict_json(tab.recv(10)))["y"] != -2:
            seen[point["label"]] += 1
    assert len(seen) == 64 and all(seen[label] >= 99 for label in used)
