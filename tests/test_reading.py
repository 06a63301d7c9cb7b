"""What programs print: each form gives the points one expects, and no form makes a new label for each line."""
import csv
import datetime
import io
import json
import math
import random
import time
import unicodedata

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import zws
from zws import DEFAULT_LABEL, MAX_ALIKE_LABELS, MAX_DEPTH, LineReader, Point, points_of_object
from zws import points_of_payload as points_of_message

NOW = int(time.time())
ISO = datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
ARRIVAL = 4321.5            # when all comes in here that has no time of its own
HUGE = int(1.7976931348623157e308)
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.fixture(autouse=True, scope="module")
def arrival():
    """For these tests the clock stands still."""
    patch = pytest.MonkeyPatch()
    patch.setattr(zws, "now_ms", lambda: ARRIVAL)
    yield
    patch.undo()


def new_reader():
    """A reader, and the lines that it calls no header."""
    dropped = []
    return LineReader(dropped.append), dropped


def read_all(text):
    """The points in lines, each as its label and value."""
    reader, _ = new_reader()
    return [(point.label, point.y) for line in text.split("\n") for point in reader.read(line.encode())]


def reason(read, argument):
    with pytest.raises(ValueError) as error:
        read(argument)
    return str(error.value)


# The table of the issue, and what other programs print. Without a time of their own, points have none.

ONE_LINE: dict[str, dict] = {
    "0.5": {"Value": 0.5}, "-3": {"Value": -3}, "+.5": {"Value": 0.5}, "1e3": {"Value": 1000}, "nan": {"Value": None},
    "room one 21.5": {"room one": 21.5}, "room 2 7": {"room 2": 7}, "CPU\t 0  -3 ": {"CPU 0": -3},
    "Temperatur außen 4e1": {"Temperatur außen": 40}, "temp nan": {"temp": None},
    "home/temp 21.5": {"home/temp": 21.5},
    "1.5 2 3": {"1": 1.5, "2": 2, "3": 3}, "1.5,2,3": {"1": 1.5, "2": 2, "3": 3},
    "1.5;2;3": {"1": 1.5, "2": 2, "3": 3}, "(1, 2, 3)": {"1": 1, "2": 2, "3": 3}, "1\t2\t3": {"1": 1, "2": 2, "3": 3},
    "[1. 2. 3.]": {"1": 1, "2": 2, "3": 3}, "1, nan,,4,": {"1": 1, "2": None, "3": None, "4": 4},
    "a:1 b:2": {"a": 1, "b": 2}, "a:1,b:2": {"a": 1, "b": 2}, "A1: 300": {"A1": 300},
    "temp=21.5 hum=40": {"temp": 21.5, "hum": 40}, ">temp:21.5": {"temp": 21.5},
    "x:0.1 y:2 z:9": {"x": 0.1, "y": 2, "z": 9},
    "temp 21.5 hum 40": {"temp": 21.5, "hum": 40}, "A 300 B 200": {"A": 300, "B": 200},
    "21.5 C": {"Value": 21.5}, "12.3ms": {"Value": 12.3}, "temp 22 %": {"temp": 22},
    "21.5 C 40 %": {"1": 21.5, "2": 40},
    "temp 21.5 C hum 40 %": {"temp": 21.5, "hum": 40}, "45 %, 1024 MiB": {"1": 45, "2": 1024},
    "12:00:00 20": {"Value": 20}, "12:00:00 2048": {"Value": 2048}, "Sensor 1:30": {"Sensor 1": 30},
    "12:00:00 PM,20": {"Value": 20}, "12:30 20 21": {"1": 20, "2": 21},
    "21,5;40,1": {"1": 21.5, "2": 40.1}, "21,5": {"1": 21, "2": 5}, "t: 21,5; h: 40,1": {"t": 21.5, "h": 40.1},
    "cpu 10 20 30": {"cpu/1": 10, "cpu/2": 20, "cpu/3": 30}, "load 0.5 2": {"load/1": 0.5, "load/2": 2},
    "Mon Nov 28 12:00:01 load 0.5": {"load": 0.5}, "Nov 28 12:00:01 UTC 2026 load 0.5": {"load": 0.5},
    "[12:00:01] loss: 0.5": {"loss": 0.5}, "epoch 3 loss 0.5 acc 0.9": {"epoch": 3, "loss": 0.5, "acc": 0.9},
    "Epoch 3/10 - loss: 0.51 - acc: 0.9": {"loss": 0.51, "acc": 0.9}, "Epoch 3/10 loss 0.5": {"loss": 0.5},
    "64 bytes from 127.0.0.1: icmp_seq=3 ttl=64 time=0.034 ms": {"icmp_seq": 3, "ttl": 64, "time": 0.034},
    "/dev/sda1  41152736 12345 4567 27% /": {"/dev/sda1/1": 41152736, "/dev/sda1/2": 12345, "/dev/sda1/3": 4567,
                                             "/dev/sda1/4": 27},
    "Core 0:  +45.0°C  (high = +80.0°C)": {"Core 0": 45, "high": 80},
    "Sensor 1: 300, Sensor 2: 400": {"Sensor 1": 300, "Sensor 2": 400},
    "Sensor 1:300,Sensor 2:400": {"Sensor 1": 300, "Sensor 2": 400},
    "load average: 1, 0.4, 0.3": {"load average/1": 1, "load average/2": 0.4, "load average/3": 0.3},
    " 12:00:01 up 3 days,  4:05,  2 users,  load average: 0.5, 0.4, 0.3":
        {"load average/1": 0.5, "load average/2": 0.4, "load average/3": 0.3},
    "level=info msg=\"done in 3 s\" dur=0.5 n=3": {"dur": 0.5, "n": 3},
    "{'loss': 0.5, 'lr': 5e-05}": {"loss": 0.5, "lr": 5e-05}, "INFO:root:loss 0.5": {"loss": 0.5},
    "1,234,567": {"1": 1, "2": 234, "3": 567}, "temp -> 21.5": {"temp": 21.5},
    "\"room one\",21.5": {"room one": 21.5},
    "\x1b[31mtemp\x1b[0m 21.5\x1b[K": {"temp": 21.5}, "\ufefftemp 21.5\r": {"temp": 21.5},
    "temp\0 21.5\x07": {"temp": 21.5},
    '{"temp": 21.5, "hum": 40, "state": "ON"}': {"temp": 21.5, "hum": 40}, '{"y": 2.5}': {"Value": 2.5},
    '[{"y": 1, "label": "a"}, {"b": 2}]': {"a": 1, "b": 2}, '[{"y": "?"}, {"b": 2}]': {"b": 2}, "inf 1": {"2": 1},
    "INFO loss=0.5": {"loss": 0.5}, f"ts={NOW}": {"ts": NOW}, "gpu 45, 60": {"gpu/1": 45, "gpu/2": 60},
    "a: 1 2": {"a/1": 1, "a/2": 2}, "\"a\nb\",1\r\n": {"a b": 1},
    '{\n"y": 1\n}\0': {"Value": 1}, "temp 1\nhum 2": {"temp": 1, "hum": 2},
    '"a",1\nb,2': {"a": 1, "b": 2}}


@pytest.mark.parametrize("line", ONE_LINE)
def test_a_line_gives_these_points(line):
    reader, _ = new_reader()
    points = reader.read(line.encode())
    assert [(point.label, point.y) for point in points] == [*ONE_LINE[line].items()]
    assert {point.x for point in points} == {ARRIVAL}
    assert points_of_message(line.encode()) == points


HEADERS = [
    ("temp,hum\n21.5,40", [("temp", 21.5), ("hum", 40)]),
    (" temp  hum \n 21.5  40\n1 2 3", [("temp", 21.5), ("hum", 40), ("1", 1), ("2", 2), ("3", 3)]),
    ("a;b;c\n1,5;2,5;3", [("a", 1.5), ("b", 2.5), ("c", 3)]),
    ("time;temp;hum\n12:00:01;21,5;40,1", [("temp", 21.5), ("hum", 40.1)]),
    ("time,a,b,\n5,1,2,", [("a", 1), ("b", 2)]), ("a;b\n21,5;40", [("a", 21.5), ("b", 40)]),
    ("a,b,\n1,2,", [("a", 1), ("b", 2)]), ("a,b\n,2\n1,", [("a", None), ("b", 2), ("a", 1), ("b", None)]),
    ("procs ---memory--\n r  b   us\n 3  0   17", [("r", 3), ("b", 0), ("us", 17)]),
    ("total used free\nMem: 5 4 1", [("Mem/total", 5), ("Mem/used", 4), ("Mem/free", 1)]),
    ("Device tps read wrtn\nsda 1.5 2 3", [("sda/tps", 1.5), ("sda/read", 2), ("sda/wrtn", 3)]),
    ("time,room,temp\n12:00:01,kitchen,21", [("temp", 21)]), ("time temp\n12:00:01 21", [("temp", 21)]),
    ("Starting up\ntemp 21", [("temp", 21)]), ("Hello, world\ntemp, 21", [("temp", 21)]),
    ("temp,hum\n1,2\nSensor lost!\n3,4", [("temp", 1), ("hum", 2), ("temp", 3), ("hum", 4)]),
    ("gpu [%], mem [MiB]\n45 %, 1024 MiB", [("gpu [%]", 45), ("mem [MiB]", 1024)])]


@pytest.mark.parametrize("lines, points", HEADERS)
def test_a_header_names_the_columns_behind_it(lines, points):
    assert read_all(lines) == points


def test_a_header_that_names_nothing_is_said_and_one_that_names_something_is_not():
    reader, dropped = new_reader()
    for line, points, said in ((b"temp hum", 0, []), (b"hello new world", 0, [b"temp hum"]),
        (b"a 1", 1, [b"hello new world"]),
                               (b"a,b", 0, []), (b"1,2", 2, []), (b"1", 1, []), (b"no number", 0, []),
                               (b"1 2 3", 3, [b"no number"])):
        dropped.clear()
        assert len(reader.read(line)) == points
        assert dropped == said
    reader.read(b"the end")
    dropped.clear()
    assert reason(reader.read, b"OK") == "no number in it"
    assert dropped == [b"the end"]
    reader.read(b"the end")
    reader.forget_new_header()
    reader.forget_new_header()
    assert dropped == [b"the end", b"the end"]
    assert reason(reader.read, b"--- ---") == "no number in it"
    assert reason(points_of_message, b"temp hum") == "no number in it"


@pytest.mark.parametrize("line, x, y", [
    (f"{ISO} load 0.5", NOW * 1000, 0.5), (f"{ISO},0.5", NOW * 1000, 0.5), (f"{NOW} 20", NOW, 20),
    (f"{NOW}000 20", NOW * 1000, 20),
    (f"{NOW}000000,20", NOW * 10**6, 20), (f"{NOW}000000000;20", NOW * 10**9, 20), (f"{NOW} temp 20", NOW, 20),
    (f"[{NOW}.5] temp: 20", NOW + 0.5, 20), (f"ts={NOW} temp=20", NOW, 20), (f">temp:{NOW}000:20", NOW * 1000, 20),
    (f"{ISO[:-1].replace('T', ' ')}.250+00:00 20", NOW * 1000 + 250, 20),
    (f"time={ISO} level=info loss=2", NOW * 1000, 2),
    ("2019-01-01T00:00:00Z load 0.5", ARRIVAL, 0.5), (f"{NOW}", ARRIVAL, NOW), ("1000 temp 3", ARRIVAL, 3),
    (f'{{"ts": "{ISO}", "a": 1}}', NOW * 1000, 1), ('{"t": 5, "a": 1}', 5, 1), ('{"date": "soon", "a": 1}', ARRIVAL, 1),
    ('{"x": 5, "y": 1}', 5, 1), ('{"time": "1970-01-02", "y": 1, "x": 7}', 7, 1),
    ('{"Time": 9, "A": {"b": 1}}', 9, 1)])
def test_the_time_of_a_line(line, x, y):
    assert [(point.x, point.y) for point in points_of_message(line.encode())] == [(x, y)]


@pytest.mark.parametrize("field, x", [
    ("1970-01-02T00:00:00Z", 86_400_000), ("1970-01-02 01:00:00.5+01:00", 86_400_500), ("5", 5), ("0", 0),
    ("-1.5", -1.5),
    ("12:00:00", ARRIVAL), ("1970-13-01T00:00:00Z", ARRIVAL), ("noon", ARRIVAL), ("", ARRIVAL), ("nan", ARRIVAL)])
def test_a_column_that_a_header_calls_time(field, x):
    for header in ("time,temp,a", "Timestamp,temp,a", "t,temp,a"):
        reader, _ = new_reader()
        reader.read(header.encode())
        assert reader.read(f"{field},20,1".encode()) == [Point(x, 20, "temp"), Point(x, 1, "a")]


def test_a_date_and_a_clock_in_two_columns():
    reader, _ = new_reader()
    reader.read(b"date,time,temp")
    day = datetime.datetime(2026, 11, 28, 12, 0, 1).timestamp() * 1000
    assert reader.read(b"2026-11-28,12:00:01,20") == [Point(day, 20, "temp")]


# No new label for each line

FORMS = [
    "{f}", "{f} {f} {f}", "{i},{f},{s}", "cpu {i} {f} {f}", "cpu {f} {f}", "cpu {I} {I}", "wind {s} {s}",
    "temp {f} hum {i}", "temp={f} hum={s}", "temp:{f},hum:{i}", "room 2 {i}", "room 2 {f}",
    "Mon Nov {d} {H}:{m}:{m} load {f}", "2026-11-{d}T{H}:{m}:{m}Z load {f}",
    "2026-11-{d} {H}:{m}:{m},{M} INFO loss {f}",
    "2026/11/{d} {H}:{m}:{m} loss {f}", "{d}/Nov/2026:{H}:{m}:{m} +0100 size {i}", "[{H}:{m}:{m}] loss: {f}",
    "{H}:{m}:{m} PM {i}",
    "epoch {n} loss {f} acc {f}", "Epoch {n}/100 - loss: {f} - acc: {f}", "Epoch {n}: loss {f} acc {f}",
    "step {n} of 80 loss={f}",
    "64 bytes from 127.0.0.1: icmp_seq={n} ttl=64 time={f} ms", "/dev/sda1  {I} {I} {I} {d}% /",
    "{d} %, {I} MiB", "Core 0:  +{f}°C  (high = +80.0°C, crit = +100.0°C)", "home/temp {f}",
    "Sensor 1: {i}, Sensor 2: {i}", "Sensor 1:{I},Sensor 2:{I}", "load average: {f}, {f}, {f}",
    "load average: {i}, {i}, {i}",
    " {H}:{m}:{m} up {n} days,  4:{m},  {i} users,  load average: {f}, {f}, {f}",
    " {H}:{m}:{m} up  {H}:{m},  {i} users,  load average: {f}, {f}, {f}",
    " {H}:{m}:{m} up {m} min,  {i} users,  load average: {f}, {f}, {f}",
    "ts=2026-11-{d}T{H}:{m}:{m}Z level=info msg=\"done in {f} s\" dur={f} n={i}", "loss 0x{x} {f}",
    "abc web {f}% {f}MiB / 1.9GiB {f}% {f}kB / {i}B {i}", " {d}%|##  | {n}/100 [00:{m}<00:{m},  {f}it/s, loss={f}]",
    "MiB Mem :  {f} total,  {f} free,  {f} used", "frame= {n} fps= {i} q={f} time=00:{m}:{m}.{d} bitrate={f}kbits/s",
    "10.0.0.{i} latency {f} ms", "#{n} value {f}", "took {n}/80 {f}", "({n}, {f})", "{n}: {f}", "{n} loss {f}"]


def filled(form, generator, number):
    return form.format_map(Filling(generator, number))


class Filling(dict):
    """Numbers that vary, for the places in a form."""

    def __init__(self, generator, number):
        self.make = {"f": lambda: f"{generator.random() * 100:.2f}", "i": lambda: generator.randrange(200),
                     "I": lambda: generator.randrange(1000, 10 ** 7),
                     "s": lambda: generator.choice([-1, 1]) * generator.randrange(1, 99),
                     "d": lambda: f"{generator.randrange(10, 29)}", "H": lambda: f"{generator.randrange(10, 24)}",
                     "m": lambda: f"{generator.randrange(60):02}", "M": lambda: f"{generator.randrange(1000):03}",
                     "n": lambda: number, "x": lambda: f"{generator.randrange(4096):X}"}

    def __getitem__(self, name):
        return self.make[name]()

    def __missing__(self, name):
        return self[name]


@pytest.mark.parametrize("form", FORMS)
def test_80_lines_whose_numbers_vary_have_the_labels_of_the_first_ones(form):
    for takes_headers in (True, False):
        reader = LineReader((lambda line: None) if takes_headers else None)
        generator = random.Random(7)
        labels = set()
        for number in range(80):
            labels.update(point.label for point in reader.read(filled(form, generator, number + 1).encode()))
            if number == 9:
                first = set(labels)
        assert labels == first
        assert 1 <= len(labels) <= 8


@pytest.mark.parametrize("form", ["epoch {n} {f}", "epoch {n}: {f}", "job{n} {f}", "eth0 {i} {i}",
    "worker[{n}]: load {f}", "a{n}b{i}: {f}"])
def test_what_nobody_can_tell_from_room_2_7_makes_few_labels(form):
    reader, _ = new_reader()
    generator = random.Random(7)
    labels = set()
    for number in range(400):
        try:
            labels.update(point.label for point in reader.read(filled(form, generator, number).encode()))
        except ValueError as error:
            assert "differ" in str(error)
    assert len(labels) <= MAX_ALIKE_LABELS + 3


def test_every_label_that_was_believed_stays():
    reader, _ = new_reader()
    for _ in range(3):
        for room in range(MAX_ALIKE_LABELS):
            assert reader.read(b"room %d 7" % room) == [Point(ARRIVAL, 7, f"room {room}")]
            assert reader.read(b"a%d 7" % room) == [Point(ARRIVAL, 7, f"a{room}")]
        assert reader.read(b"room 999 7") == [Point(ARRIVAL, 999, "room/1"), Point(ARRIVAL, 7, "room/2")]
        assert "differ" in reason(reader.read, b"a999 7")


# Reasons

@pytest.mark.parametrize("line, words", [
    (b"", "empty line"), (b" \t\r", "empty line"), (b"load", "no number in it"), (b"inf", "y is Infinity"),
    (b"load -inf", "y is Infinity"),
    (b"1e999", "y is Infinity"), (b"1 load", "no number at its end"), (b"Found 3 devices", "no number at its end"),
    (b"\xff 1", "not UTF-8"), (b"\xed\xa0\x80 1", "not UTF-8"),
    (b"x" * 65 + b" 1", "label is not text of 1 to 64 characters"),
    (b"1" * 65_537, "more than 65536 bytes"), (b'{"y": 1', "not JSON: Expecting ',' delimiter"),
    (b"{ 1", "not JSON: Expecting property name enclosed in double quotes"),
    (b"1 " * 2049, "a line of more than 4096 characters"),
    (b'{"y":1} 2', "not JSON: Extra data"), (b"{}", "y is missing"), (b'{"x": 1}', "y is missing"),
    (b'{"a": "b"}', "no number in it"),
    (b'{"y": true}', "y is not a number"), (b'{"y": "1"}', "y is not a number"), (b'{"y": [1]}', "y is not a number"),
    (b'{"y": 1e999}', "y is Infinity"), (b'{"y": -Infinity}', "y is Infinity"),
    (b'{"y": %d}' % (HUGE * 2), "y is Infinity"),
    (b'{"a": Infinity}', "y is Infinity"), (b'{"x": null, "y": 1}', "x is not a number or a date"),
    (b'{"x": "now", "y": 1}', "x is not a number or a date"),
    (b'{"x": NaN, "y": 1}', "x is not a number or a date"), (b'{"x": true, "y": 1}', "x is not a number or a date"),
    (b'{"y": 1, "label": ""}', "label is not text of 1 to 64 characters"),
    (b'{"y": 1, "label": 5}', "label is not text of 1 to 64 characters"),
    (b'{"y": 1, "label": "a\\ud83d"}', "label is not text of 1 to 64 characters"),
    (b'{" ": 1}', "label is not text of 1 to 64 characters"),
    (b'{"y": ' + b"1" * 5000 + b"}", "JSON with too many digits or brackets"), (b"null", "no number in it"),
    (b"[true]", "no number in it"), (b"[]", "no number in it"), (b",,,", "no number in it")])
def test_a_line_without_points_is_refused_with_its_reason(line, words):
    assert reason(points_of_message, line) == words


def test_deep_nesting_does_no_harm():
    for text in (b"[" * 65_000, b'{"y":1,"z":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
                 b'{"a":' * 9_000 + b"1" + b"}" * 9_000):
        try:
            points_of_message(text)
        except ValueError as error:
            assert str(error)
    deep: dict = {"a": 1}
    for _ in range(MAX_DEPTH - 1):
        deep = {"o": deep}
    assert points_of_object(deep) == [Point(ARRIVAL, 1, "o/" * (MAX_DEPTH - 1) + "a")]
    assert reason(points_of_object, {"o": deep}) == "no number in it"


# Objects

@pytest.mark.parametrize("fields, points", [
    ({"y": None}, [Point(ARRIVAL, None)]), ({"y": math.nan, "x": 5}, [Point(5, None)]),
    ({"y": HUGE}, [Point(ARRIVAL, HUGE)]),
    ({"y": 1, "z": 2, "label": " a "}, [Point(ARRIVAL, 1, "a")]),
    ({"y": 1, "label": "u\u0308"}, [Point(ARRIVAL, 1, "ü")]),
    ({"a": 1, "b": None, "c": True, "d": [1], "e": "5", "f": math.nan, "g": {"h": 2, "time": 3}},
     [Point(ARRIVAL, 1, "a"), Point(ARRIVAL, None, "f"), Point(ARRIVAL, 2, "g/h"), Point(ARRIVAL, 3, "g/time")]),
    ({"a" * 65: 1, "": 2, "b": 3, "c": math.inf, "\ud800": 4}, [Point(ARRIVAL, 3, "b")]),
    ({"Time": ISO, "AM2301": {"Temperature": 21.5},
    "TempUnit": "C"}, [Point(NOW * 1000, 21.5, "AM2301/Temperature")])])
def test_an_object_holds_one_point_or_several(fields, points):
    assert points_of_object(fields) == points
    assert points_of_message(json.dumps(fields).encode()) == points


# Whatever comes

numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-HUGE, HUGE)
labels = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=64).map(
    lambda label: unicodedata.normalize("NFC", label).strip()).filter(lambda label: 1 <= len(label) <= 64)
words = st.sampled_from(["a", "temp", "room 2", "x", "y", "time", "label", "1", "-2.5", "nan", "inf", "0x1f", "C",
    "%", "12:00:01",
                         "2026-11-28", ISO, str(NOW), "Nov 28", "3/10", "1.5ms", "é", "\x1b[1m", '"', "'", "\ufeff",
                         "²", "٣", "1e999",
                         "Mon", "[", "]", "(", "{", "}", "up 1:23"])
texts = st.lists(words | st.sampled_from([" ", ",", ";", ":", "=", "\t", "|", "-", ">", ", ", "\r",
    "\n"])).map("".join)
lines = texts.map(str.encode) | st.binary() | st.text().map(str.encode) | (
    st.text('{}[]",:.0123456789eE+-xylabel\\ ').map(str.encode))


def assert_sound(points):
    for x, y, label, _ in points:
        assert (type(x) in (int, float) and math.isfinite(x))
        assert y is None or (type(y) in (int, float) and math.isfinite(y))
        assert 1 <= len(label) <= 64 and label == unicodedata.normalize("NFC", label).strip()
        assert json.loads(json.dumps([x, y, label], allow_nan=False, ensure_ascii=False).encode()) == [x, y, label]


@patient
@given(st.lists(lines, max_size=8))
@example([b"a=" * 30_000])
@example([b"x,y", b"0x1,5"])
@example([",²".encode(), b"1,2"])
def test_any_lines_are_sound_points_or_a_value_error(some):
    for reader in (LineReader(lambda line: None), LineReader()):
        for line in some:
            try:
                points = reader.read(line)
            except ValueError as error:
                assert str(error) and str(error).isprintable() and len(str(error)) < 100
            else:
                assert_sound(points)
                assert points or reader.new_header


values = st.recursive(numbers | st.none() | st.booleans() | st.text() | st.just(math.nan) | st.just(math.inf)
                      | st.integers(HUGE, HUGE * 9),
                      lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3))


@patient
@given(st.dictionaries(st.sampled_from(["x", "y", "label", "t", "date", "a"]) | st.text(), values))
def test_any_object_is_sound_points_or_a_value_error(fields):
    try:
        points = points_of_message(json.dumps(fields).encode())
    except ValueError as error:
        assert str(error)
    else:
        assert points
        assert_sound(points)


@patient
@given(numbers, numbers, labels)
def test_a_point_comes_out_as_it_went_in(x, y, label):
    for ascii_only in (True, False):
        payload = json.dumps({"x": x, "y": y, "label": label, "z": 1}, ensure_ascii=ascii_only).encode()
        assert list(map(repr, points_of_message(payload)[0][:3])) == [repr(x), repr(y), repr(label)]


@patient
@given(st.dictionaries(labels.map("_{}".format).filter(lambda label: len(label) <= 64), numbers, min_size=1), numbers)
def test_an_object_gives_back_its_numbers(wanted, x):
    points = points_of_message(json.dumps({**wanted, "x": x}).encode())
    assert points == [Point(x, y, label) for label, y in wanted.items()]


@patient
@given(st.lists(st.tuples(st.floats(-8.6e15, 8.6e15), labels,
    st.none() | st.floats(allow_nan=False, allow_infinity=False)), min_size=1))
@example([(5.0, "1;2,3", 1.5), (6.0, "7", None), (7.0, "time", 3.0), (8.0, 'a "b', 1e21)])
def test_what_the_page_saves_can_be_read_again(points):
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["time_ms", "label", "y"])
    for x, label, y in points:
        writer.writerow([repr(x), label, "" if y is None else repr(y)])
    reader, dropped = new_reader()
    read = [point for line in file.getvalue().encode().split(b"\r\n")[:-1] for point in reader.read(line)]
    assert read == [Point(x, y, label) for x, label, y in points] and not dropped


@patient
@given(st.lists(st.from_regex(r"[A-Zd-z_]{5,12}", fullmatch=True), min_size=2, max_size=6, unique=True), st.data())
def test_names_and_numbers_in_the_usual_forms_come_out(names, data):
    floats = st.floats(allow_nan=False, allow_infinity=False)
    ys = data.draw(st.lists(floats.filter(lambda y: abs(y) < 1e9), min_size=len(names), max_size=len(names)))
    wanted = [Point(ARRIVAL, y, name) for name, y in zip(names, ys, strict=True)]
    for pair, between in (("{}:{}", " "), ("{}={}", ","), ("{}: {}", "; "), ("{} {}", " "), ("{} = {} ms", ", "),
        ("'{}': {}", ", ")):
        line = between.join(pair.format(name, repr(y)) for name, y in zip(names, ys, strict=True))
        assert points_of_message(line.encode()) == wanted, line
    for delimiter in (",", ";", " ", "\t", ", "):
        reader, _ = new_reader()
        assert reader.read(delimiter.join(names).encode()) == []
        assert reader.read(delimiter.join(map(repr, ys)).encode()) == wanted


def test_a_number_alone_is_named_value():
    assert points_of_message(b"7") == [Point(ARRIVAL, 7, DEFAULT_LABEL)]
