"""The page with one's own numbers, whatever they are: which span and scale it shows, what it reads off and gives away.

The points come from the test, over a WebSocket that Playwright answers, and the page's clock stands still unless the
test moves it: nothing here waits for time to pass.
"""
import csv
import math
import random
import re
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
from browser import (
    NOW,
    START,
    axes,
    colors,
    drag,
    drawn,
    entries,
    hover,
    legend,
    length,
    lines,
    number_of,
    pixel,
    place,
    press_in_view,
    still,
    toggle,
    values,
    xs,
)
from conftest import wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

TEN = ["#e06c1f", "#2f9e5b", "#8a5fd6", "#d63f5c", "#12a0b4", "#b98a00", "#cf55b4", "#7d9612", "#8b6a52", "#3a7bd5"]


# ---- from the start ----

def test_before_the_first_point_it_says_for_what_it_waits_and_how_to_send_one(feed):
    feed = feed()
    feed.page.evaluate("draw()")
    assert "Waiting for the first point" in feed.page.inner_text("#graph")
    assert "python zws.py --send tcp://127.0.0.1:5000" in feed.page.inner_text("#graph")
    assert lines(feed.page) == {}
    feed.send("cpu", [NOW, 12.5])
    assert "Waiting" not in feed.page.inner_text("#graph")


def test_one_point_is_a_dot_with_its_value_and_two_are_a_line(feed):
    feed = feed()
    feed.send("cpu", [NOW, 12.5])
    assert drawn(feed.page)[0]["dots"] and values(feed.page) == {"cpu": "12.5"}
    assert pixel(feed.page, NOW, 12.5)[3] == 255 and pixel(feed.page, NOW - 200, 12.5)[3] < 255
    feed.send("cpu", [NOW + 60_000, 12.5])
    assert axes(feed.page)["x"] == [NOW, NOW + 60_000]
    color = feed.page.evaluate("lines.get('cpu').color")
    assert pixel(feed.page, NOW + 30_000, 12.5) == [*bytes.fromhex(color[1:]), 255]


# ---- scale ----

def fills_half(page, low, high):
    seen = axes(page)
    (bottom, top), texts = seen["y"], seen["values"]
    assert bottom <= low and high <= top and high - low >= 0.5 * (top - bottom), (low, high)
    assert len(texts) >= 2 and len(set(texts)) == len(texts), texts
    assert all(bottom <= y <= top or math.isclose(y, bottom) or math.isclose(y, top)
               for y in map(number_of, texts)), texts


def test_a_line_fills_at_least_half_of_the_height_whatever_its_size_and_offset(feed):
    feed = feed()
    for low, high in ((0.001, 0.002), (1e6, 1e6 + 1), (999_999, 1_000_001), (-3, -2.9), (0, 5),
                      (0.3, 0.7), (1e-9, 2e-9), (-1e12, 1e12), (0, 1e300), (-1e300, 1e299), (7, 7.000001),
                      (123456789.1, 123456789.2), (0.9, 2.1), (-2.1, -0.9)):
        label = f"{low} to {high}"
        feed.line(label, value=lambda i, low=low, high=high: low + (high - low) * (i % 10) / 9)
        fills_half(feed.page, low, high)
        toggle(feed.page, label)


def test_so_do_numbers_without_a_label(feed):
    feed = feed()
    feed.line("", value=lambda i: 0.001 + 0.001 * (i % 10) / 9)
    fills_half(feed.page, 0.001, 0.002)


def test_a_constant_line_stands_in_the_middle(feed):
    feed = feed()
    for y in (0, 7, -3, 1e6, 230.47, 1e-7, 1e308, -1e308, 5e-324):
        feed.line(str(y), value=lambda i, y=y: y)
        bottom, top = axes(feed.page)["y"]
        assert bottom < top
        if abs(y) < 1e307:
            assert (y - bottom) / (top - bottom) == pytest.approx(0.5, abs=0.11), y
        assert float(values(feed.page)[str(y)]) == pytest.approx(y, rel=1e-3)
        toggle(feed.page, str(y))


def test_the_second_point_is_enough_for_a_scale_that_fits(feed):
    feed = feed()
    feed.send("a", [NOW - 1000, 1_000_000])
    feed.send("a", [NOW, 1_000_001])
    fills_half(feed.page, 1_000_000, 1_000_001)


def test_the_scale_grows_at_once_and_shrinks_after_some_seconds_without_trembling(feed):
    feed = feed("&points=10")
    feed.line("noise", value=lambda i: i % 2)
    assert axes(feed.page)["y"] == [0, 1]
    feed.send("noise", [NOW + 100, 80])
    assert axes(feed.page)["y"] == [0, 80]
    feed.passes(2)
    feed.line("noise", 10, value=lambda i: i % 2)
    assert axes(feed.page)["y"] == [0, 80], "not yet"
    feed.passes(4)
    assert axes(feed.page)["y"] == [0, 1]
    seen = []
    for second in range(8):    # noise whose highest value comes and goes
        feed.passes(4)
        seen.append(axes(feed.page)["y"])
        feed.line("noise", 10, value=lambda i, top=1 + second % 2 * 0.15: top * (i % 2))
    assert seen[2:] == [seen[2]] * 6, "it does not tremble"


def test_the_articles_sine_wave_stands_on_0_to_5_as_soon_as_it_has_been_up_and_down_once(feed):
    feed = feed()
    feed.line("", 33, value=lambda i: 2.5 * (1 + math.sin((NOW - 100 * (32 - i)) / 500)))
    assert axes(feed.page)["y"] == [0, 5] and sorted(axes(feed.page)["values"]) == [*"012345"]


def test_the_address_can_fix_the_scale(feed):
    feed = feed("&y=-1,2.5")
    feed.line("small", value=lambda i: i / 1e6)
    assert axes(feed.page)["y"] == [-1, 2.5]
    feed.line("big", value=lambda i: 1000 * i)
    assert axes(feed.page)["y"] == [-1, 2.5]
    feed.page.click("#apart")
    assert axes(feed.page, 0)["y"] == axes(feed.page, 1)["y"] == [-1, 2.5]


def test_a_line_outside_a_fixed_scale_says_so_and_fills_nothing(feed):
    feed = feed("&y=0,10")
    page = feed.page
    feed.line("high", value=lambda i: 900 + i % 3)
    feed.line("within", value=lambda i: 5 + i % 10)
    feed.line("low", value=lambda i: -7)
    assert {label: entry["note"] for label, entry in entries(page).items()} == {
        "high": "above the scale", "within": "", "low": "below the scale"}
    toggle(page, "within")
    for y in (1, 5, 9):
        assert pixel(page, NOW - 4950, y)[3] == 0, "nothing is drawn there"
    feed.line("high", ago=-10, value=lambda i: 4)
    assert entries(page)["high"]["note"] == "" and pixel(page, NOW + 5050, 1)[3] > 0
    toggle(page, "low")
    feed.line("low", ago=-10, value=lambda i: 4)
    assert entries(page)["low"]["note"] == "", "also while it is hidden"


def test_what_an_address_cannot_mean_is_left_alone(feed):
    feed = feed()
    url = feed.page.url
    for query in ("y=", "y=5", "y=5,1", "y=a,b", "y=1,1", "y=-1e308,1e308", "span=", "span=-1", "span=x", "span=1e999",
                  "points=x", "apart=1"):
        feed.page.goto(f"{url}&{query}")
        feed.fill(100, "{x: now + 100 * i, y: i % 2}")
        assert axes(feed.page)["y"] == [0, 1] and length(feed.page) == pytest.approx(9.9), query


# ---- span ----

def test_fast_and_slow_lines_fill_the_same_axis(feed):
    feed = feed()
    fast = feed.line("fast", 500, 0.02)
    assert axes(feed.page)["x"] == [NOW - 1980, NOW], "the last 100 points"
    slow = feed.line("slow", 100, 1)
    assert axes(feed.page)["x"] == [slow[0][0], NOW]
    assert xs(feed.page, "slow") == [x for x, _ in slow]
    assert xs(feed.page, "fast") == [x for x, _ in fast], "all that there are"


def test_the_span_can_be_chosen_and_lines_reach_its_edges(feed):
    feed = feed()
    select = feed.page.get_by_role("combobox", name="Span of time")
    assert select.locator("option:not([hidden])").all_inner_texts() == ["100 points", "10 s", "1 min", "10 min", "1 h"]
    feed.line("fast", 1000, 0.1)
    feed.line("slow", 90, 45)
    for name, seconds in (("10 s", 10), ("1 min", 60), ("10 min", 600), ("1 h", 3600)):
        select.select_option(name)
        feed.page.evaluate("draw()")
        assert axes(feed.page)["x"] == [NOW - 1000 * seconds, NOW]
        assert f"span={seconds}" in feed.page.url
        assert xs(feed.page, "slow")[0] <= NOW - 1000 * seconds, "it comes from beyond the left edge"
        assert xs(feed.page, "slow")[-1] == NOW
    select.select_option("100 points")
    feed.page.evaluate("draw()")
    assert "span" not in feed.page.url
    assert axes(feed.page)["x"] == [NOW - 89 * 45_000, NOW]


def test_the_address_holds_the_view_and_is_obeyed(feed):
    feed = feed("&span=60&y=-1,1&apart&points=200&other=x")
    page = feed.page
    feed.line("a")
    feed.line("b")
    assert length(page) == 60 and axes(page)["y"] == [-1, 1] and page.locator(".strip:not(.time)").count() == 2
    assert page.locator("#span").input_value() == "60"
    assert page.get_by_role("button", name="Apart", pressed=True).count() == 1
    assert page.locator("#span option").first.inner_text() == "200 points"
    before = page.url
    page.click("#apart")
    page.click("#apart")
    page.select_option("#span", "10")
    page.select_option("#span", "60")
    order = ("ws", "span", "y", "points", "other", "apart")
    assert sorted(page.url.split("?")[1].split("&")) == sorted(before.split("?")[1].split("&")), order
    page.click("#apart")
    page.select_option("#span", "")
    assert page.url.split("&", 1)[1] == "y=-1,1&points=200&other=x"
    assert page.evaluate("history.length") <= 2, "going back leads away from the page"
    page.goto(before.replace("span=60", "span=90"))
    wait_until(lambda: page.inner_text("#conn_status") == "Connected")
    assert page.locator("#span option:checked").inner_text() == "1.5 min"


def reload(feed):
    """The page anew; it has got no points yet."""
    feed.sockets.clear()
    feed.sent = 0
    feed.page.reload()
    wait_until(lambda: feed.sockets and feed.page.inner_text("#conn_status") == "Connected")


def test_hidden_lines_stay_hidden_after_a_reload_until_they_are_shown_or_forgotten(feed):
    feed = feed("&apart")
    page = feed.page
    for label in ("a,b", "c & d", "old", "shown"):
        feed.line(label, ago=300 if label == "old" else 0)
    for label in ("a,b", "c & d", "old"):
        toggle(page, label)
    assert page.url.split("&", 2)[2] == "hide=a,b&hide=c+%26+d&hide=old"
    reload(feed)
    feed.line("shown")
    page.click("#apart")        # the address keeps those that have not come yet
    for label in ("a,b", "c & d", "old"):
        feed.line(label, ago=300 if label == "old" else 0)
    assert list(lines(page)) == ["shown"] and axes(page)["values"]
    assert page.get_by_role("button", name="c & d", pressed=False).count() == 1
    toggle(page, "a,b")
    page.get_by_role("button", name="Forget old").click()
    assert list(lines(page)) == ["a,b", "shown"] and page.url.split("&", 1)[1] == "hide=c+%26+d"
    feed.send("old", [NOW, 1])
    assert list(lines(page)) == ["a,b", "old", "shown"]


def test_an_address_never_becomes_too_long_for_the_server(feed):
    feed = feed()
    for number in range(64):
        label = f"{number:02}" + "長" * 62
        feed.send(label, [NOW, 1])
        toggle(feed.page, label)
    assert lines(feed.page) == {} and 5000 < len(feed.page.url) < 8000
    reload(feed)


# ---- lines that stop, and clocks that are wrong ----

def test_a_line_that_stopped_does_not_stretch_the_axis_and_says_for_how_long(feed):
    feed = feed()
    feed.line("stopped", 100, 0.1, ago=300)
    feed.line("live", 100, 0.1)
    page = feed.page
    assert length(page) == pytest.approx(9.9)
    entry = entries(page)["stopped"]
    assert entry["stopped"] and entry["note"] == "stopped 5 min ago" and entry["forget"]
    assert not entries(page)["live"]["stopped"] and not entries(page)["live"]["forget"]
    dim = page.locator(".stopped .value").evaluate("one => getComputedStyle(one).opacity")
    assert float(dim) < 0.7
    feed.send("stopped", [NOW, 1])
    assert not entries(page)["stopped"]["stopped"] and entries(page)["stopped"]["note"] == ""
    assert xs(page, "stopped")[-1] == NOW


@pytest.mark.parametrize(("step", "still_live", "stopped"), [(0.1, 9, 11), (5, 49, 51), (60, 599, 601)])
def test_a_line_stops_after_ten_usual_intervals_and_ten_seconds(feed, step, still_live, stopped):
    feed = feed()
    feed.line("a", 30, step)
    feed.passes(still_live)
    assert not entries(feed.page)["a"]["stopped"]
    feed.passes(stopped - still_live)
    assert entries(feed.page)["a"]["stopped"]


def test_whether_a_line_lives_is_judged_by_when_its_points_arrive_not_by_their_times(feed):
    feed = feed()
    page = feed.page
    feed.passes(5)      # what comes is no history
    for i in range(4):
        feed.line("batches", 15, 1)
        feed.send("counter", [i, 1])
        feed.passes(15)
    assert entries(page)["batches"]["note"] == ""
    feed.passes(134)
    assert not any(entry["stopped"] for entry in entries(page).values()), "15 s and 134 s"
    feed.passes(2)
    assert {entry["note"] for entry in entries(page).values()} == {"stopped 2 min ago"}


def test_a_line_in_batches_lives_also_after_a_history_of_even_times(feed):
    feed = feed()
    feed.line("batches", 100, 1)
    feed.passes(15)
    feed.line("batches", 15, 1)
    feed.passes(14)
    assert entries(feed.page)["batches"]["note"] == ""


def test_the_page_notices_by_itself_that_a_line_has_stopped(feed):
    feed = feed()
    feed.line("a")
    wait_until(lambda: not feed.page.evaluate("isDrawingAskedFor"))
    feed.page.clock.set_fixed_time(NOW / 1000 + 7200)
    wait_until(lambda: entries(feed.page)["a"]["note"] == "stopped 2 h ago")


def test_a_stopped_line_can_be_forgotten_and_comes_again(feed):
    feed = feed()
    feed.line("old", ago=300)
    feed.line("live")
    feed.page.get_by_role("button", name="Forget old").press("Enter")
    assert legend(feed.page) == ["live"] and sorted(lines(feed.page)) == ["live"]
    feed.send("old", [NOW, 1])
    assert legend(feed.page) == ["live", "old"] and xs(feed.page, "old") == [NOW]


def test_a_point_alone_does_not_stretch_the_axis(feed):
    feed = feed()
    feed.send("one", [NOW, 3])
    feed.passes(9)
    feed.line("live", 20, 0.1)
    assert length(feed.page) == pytest.approx(1.9)
    assert entries(feed.page)["one"]["note"] == ""
    feed.passes(20)
    feed.send("two", [feed.now, 3])
    assert axes(feed.page)["x"][1] == feed.now, "a new one is in sight at once"
    feed.passes(30)
    assert length(feed.page) == pytest.approx(21.9), "where nothing is live, all that there is"
    assert {label: entry["note"] for label, entry in entries(feed.page).items()} == {
        "one": "59 s ago", "live": "stopped 50 s ago", "two": "30 s ago"}
    assert entries(feed.page)["one"]["forget"]
    feed.send("one", [feed.now, 3])
    assert axes(feed.page)["x"][1] == feed.now and entries(feed.page)["one"]["note"] == ""


def test_a_new_connection_does_not_bring_a_forgotten_line_back_but_a_new_point_does(feed):
    feed = feed()
    page = feed.page
    old, live = feed.line("old", ago=300), feed.line("live")
    page.click(".forget:visible")
    feed.connects_again()
    feed.message([{"x": x, "y": y, "label": "old"} for x, y in old])
    feed.send("live", *live)
    assert legend(page) == ["live"] and lines(page)["live"] == live
    feed.send("old", [NOW, 1])
    assert legend(page) == ["live", "old"]


@pytest.mark.parametrize(("before", "history", "after"), [
    (range(50), range(30, 60), range(60)),      # an overlap
    (range(50), range(60), range(60)),          # all and more
    (range(30, 50), range(60), range(60)),      # older ones too
    (range(20), range(40, 60), [*range(20), *range(40, 60)]),       # a gap
    ([7] * 20, [7] * 25, [7] * 25),             # x stands still
    ([*range(0, 100, 10)] * 3, [*range(0, 100, 10)] * 3, sorted([*range(0, 100, 10)] * 3)),     # three equal sweeps
    ([1, 2, 4, 3, 5], [2, 4, 3, 5, 6, 8, 7], range(1, 9)),          # late points
    ([*range(30, 80), *range(20)], [*range(60, 80), *range(25)], range(25)),    # two runs
    (range(600_000, 600_100), range(5), range(5)),                  # a new run began while nobody was there
])
def test_after_a_new_connection_the_history_doubles_nothing_and_nothing_is_lost(feed, before, history, after):
    feed = feed("&points=1000")
    feed.send("a", *[[x, 1] for x in before])
    feed.connects_again()
    for some in (history[:7], history[7:]):
        feed.message([{"x": x, "y": 1, "label": "a"} for x in some])
    feed.sent += len(history)
    wait_until(lambda: feed.page.evaluate("received") == feed.sent)
    feed.page.evaluate("draw()")
    assert xs(feed.page, "a") == [*after]


def test_a_live_line_whose_clock_is_off_says_so_and_stretches_nobodys_axis(feed):
    feed = feed()
    feed.line("right")
    feed.passes(5)
    feed.line("right")
    feed.line("late", ago=3600)
    feed.line("early", ago=-7200)
    feed.line("a little off", ago=3)
    assert {label: entry["note"] for label, entry in entries(feed.page).items()} == {
        "right": "", "late": "1 h behind", "early": "2 h ahead", "a little off": ""}
    assert not any(entry["stopped"] for entry in entries(feed.page).values())
    assert length(feed.page) == pytest.approx(12.9)


def test_the_value_of_a_line_that_is_never_in_sight_is_true(feed):
    feed = feed()
    feed.line("right")
    feed.line("early", ago=-7200, value=lambda i: 1e-8)
    assert float(values(feed.page)["early"]) == 1e-8


def test_nothing_is_read_beyond_the_end_of_a_line(feed):
    feed = feed()
    feed.line("a")
    feed.send("b", *[[NOW - 6000 + 100 * i, i] for i in range(30)])
    hover(feed.page, NOW - 1000)
    assert wait_until(lambda: feed.page.is_visible("#hair") and values(feed.page))["b"] == "–"
    hover(feed.page, NOW - 4000)
    assert values(feed.page)["b"] == "20"


def test_where_all_clocks_differ_from_the_tabs_nothing_is_said(feed):
    feed = feed()
    feed.passes(5)
    for label in ("a", "b"):
        points = feed.line(label, ago=3600)
    assert [entry["note"] for entry in entries(feed.page).values()] == ["", ""]
    assert axes(feed.page)["x"] == [points[0][0], points[-1][0]]


def test_points_of_1970_that_are_meant_are_drawn_alone_and_together(feed):
    feed = feed()
    feed.send("a", *([i * 10, i] for i in range(20)))
    assert axes(feed.page)["x"] == [0, 190] and entries(feed.page)["a"]["note"] == ""
    feed.send("b", *([50_000 + i * 10, i] for i in range(20)))
    assert axes(feed.page)["x"] == [0, 50_190]
    assert len(xs(feed.page, "a")) == len(xs(feed.page, "b")) == 20
    assert [entry["note"] for entry in entries(feed.page).values()] == ["", ""]


def test_a_65th_label_takes_the_place_of_the_one_that_came_longest_ago(feed):
    feed = feed()
    for i in range(64):
        feed.send(f"label {i}", [NOW - i, 1])       # by its x the last one would be the oldest
        assert i == 63 or "most" not in feed.page.inner_text("#legend")
    feed.send("label 0", [NOW - 1000, 1])
    feed.send("new", [NOW, 1])
    expected = ["label 0", *(f"label {i}" for i in range(2, 64)), "new"]
    assert legend(feed.page) == expected and sorted(lines(feed.page)) == sorted(expected)
    assert "64 lines are the most" in feed.page.inner_text("#legend")
    feed.send("label 1", [NOW, 1])
    assert len(legend(feed.page)) == 64 and "label 2" not in legend(feed.page)


# ---- silence is not a line ----

def test_a_silence_breaks_the_line(feed):
    feed = feed("&y=0,2")
    feed.line("a", 50, 0.1, ago=10, value=lambda i: 1.1)
    feed.line("a", 50, 0.1, value=lambda i: 1.1)
    data = lines(feed.page)["a"]
    assert data[50] is None and sum(one is None for one in data) == 1
    assert pixel(feed.page, NOW - 7500, 1.1)[3] == 0 and pixel(feed.page, NOW - 7500, 0.3)[3] == 0
    assert pixel(feed.page, NOW - 12_050, 1.1)[3] == 255


def test_a_state_that_is_sent_when_it_changes_is_drawn_through_also_where_one_looks_closer(feed):
    feed = feed("&y=0,1")
    page = feed.page
    feed.passes(5)      # what comes is no history
    began = feed.now
    for i, seconds in enumerate((0, 1, 2, 3, 30, 31, 32, 33, 34, 90)):
        feed.passes(seconds - (feed.now - began) / 1000)
        feed.send("door", [feed.now, i % 2])
        assert None not in lines(page)["door"]
    feed.passes(60)
    assert entries(page)["door"]["note"] == "", "it has been silent for as long before"
    drag(page, began + 10_000, began + 25_000)
    assert lines(page)["door"] == [[began + 3000, 1], [began + 30_000, 0]]


def test_a_rhythm_is_steady_or_not_whatever_its_size(feed):
    feed = feed("&points=10000")
    page = feed.page
    chance = random.Random(1)
    rhythms = {"clock": (lambda: 1, 1), "jitter": (lambda: chance.uniform(0.7, 1.3), 1),
               "chance": (lambda: chance.expovariate(1), 0), "people": (lambda: chance.lognormvariate(0, 2), 0),
               "batches": (lambda: 1 if chance.random() < 0.2 else 0.01, 0),
               "pairs": (lambda: 1 if chance.random() < 0.5 else 0.01, 0)}
    for label, (interval, breaks) in rhythms.items():
        for size in (10, 100_000):
            name = f"{label} of {size} ms"
            times = list(accumulate(size * interval() for _ in range(300)))
            feed.send(name, *[[START + x + (40 * size if i > 150 else 0), 1] for i, x in enumerate(times)])
            assert sum(point is None for point in lines(page)[name]) == breaks, name
            toggle(page, name)


@pytest.mark.parametrize(("before", "queue", "after"), [(250, 50, 20), (20, 50, 0), (300, 50, 300), (100, 10, 5)])
def test_an_outage_is_a_silence_also_where_a_queue_of_points_comes_at_once_after_it(feed, before, queue, after):
    feed = feed()
    times = list(accumulate([0] + [100] * before + [5000] + [0.02] * (queue - 1) + [100] * after))
    feed.send("a", *[[NOW - times[-1] + time, 1] for time in times])
    for span in ("", "60"):
        feed.page.select_option("#span", span)
        if span or after < 100:
            assert lines(feed.page)["a"].count(None) == 1, span


def test_a_silence_is_one_also_where_one_looks_closer_and_in_a_short_span(feed):
    feed = feed("&span=10")
    page = feed.page
    feed.line("a", 60, 1, ago=16)
    feed.line("a", 4, 1, ago=5)
    feed.line("b", 3, 1)
    assert None in lines(page)["a"]
    feed.line("a", 6, 1)
    page.select_option("#span", "60")
    page.evaluate("draw()")
    drag(page, NOW - 18_500, NOW - 6000)
    assert sum(one is None for one in lines(page)["a"]) == 1 and len(lines(page)["a"]) < 10


@pytest.mark.parametrize("steps", [
    [1, 1, 1, 4.5, 1, 1, 1], [0.1, 0.1, 60] * 5, [5, 100], [1, 2, 4, 1, 3, 2, 1, 4, 5, 1], [0, 0, 0, 0], [-1, -1, -30]])
def test_an_uneven_line_is_not_broken(feed, steps):
    feed = feed()
    times = [sum(steps[:i + 1]) for i in range(len(steps))]
    feed.send("a", *([START + 1000 * time, i] for i, time in enumerate(times)))
    assert None not in lines(feed.page)["a"]


def test_a_lone_point_between_two_silences_is_a_dot(feed):
    feed = feed("&span=60&y=0,2")
    feed.line("a", 150, 0.1, ago=40, value=lambda i: 1.1)
    feed.send("a", [NOW - 30_700, 1.1])
    feed.line("a", 150, 0.1, value=lambda i: 1.1)
    assert not drawn(feed.page)[0]["dots"], "too many points for a dot each"
    assert pixel(feed.page, NOW - 30_700, 1.1)[3] == 255, "but this one has one"
    assert pixel(feed.page, NOW - 28_700, 1.1)[3] == pixel(feed.page, NOW - 32_700, 1.1)[3] == 0


def test_a_silence_stays_a_silence_where_there_are_more_points_than_pixels(feed):
    feed = feed("&span=60")
    feed.fill(55_000, "{x: now - 60000 + i + (i > 30000 ? 5000 : 0), y: i % 7, label: 'a'}")
    data = lines(feed.page)["a"]
    assert sum(one is None for one in data) == 1 and len(data) < 2 * 810
    left, right = (data[data.index(None) + side][0] for side in (-1, 1))
    assert left == pytest.approx(NOW - 30_001, abs=80) and right == pytest.approx(NOW - 24_999, abs=80)


def test_a_gap_that_is_too_narrow_to_see_breaks_nothing_until_one_looks_closer(feed):
    feed = feed("&span=600")
    feed.line("a", 300, 0.1, ago=301.1)
    feed.line("a", 3000, 0.1)
    assert None not in lines(feed.page)["a"], "it is 1.2 s, and a pixel is 0.8 s"
    drag(feed.page, NOW - 310_000, NOW - 290_000)
    assert sum(one is None for one in lines(feed.page)["a"]) == 1


# ---- steps ----

def test_in_steps_each_value_holds_until_the_next_one_and_the_last_one_to_the_right_edge(feed):
    feed = feed("&span=60")
    page = feed.page
    door = [[NOW - 90_000, 1], [NOW - 40_000, 3], [NOW - 20_000, 2]]
    feed.send("door", *door)
    feed.line("a clock", 600, 0.1, value=lambda i: 2.5)
    press_in_view(page, "Steps")
    assert page.url.endswith("&steps") and page.get_attribute("#steps", "aria-pressed") == "true"
    assert lines(page)["door"] == [door[0], [NOW - 40_000, 1], door[1], [NOW - 20_000, 3], door[2], [NOW, 2]]
    assert pixel(page, NOW - 10_000, 2) == [*bytes.fromhex(colors(page)["door"][1:]), 255]
    assert axes(page)["y"] == [1, 3], "as it is drawn"
    for ago, value in ((55, "1"), (41, "1"), (39, "3"), (21, "3"), (10, "2"), (0.1, "2")):
        hover(page, NOW - 1000 * ago)
        wait_until(lambda value=value: values(page)["door"] == value)
    page.select_option("#span", "10")
    feed.passes(300)
    feed.line("a clock", 600, 0.1)
    assert entries(page)["door"]["note"].startswith("stopped")
    assert lines(page)["door"] == door[-1:], "nobody knows whether it still holds"
    hover(page, feed.now - 1000)
    wait_until(lambda: values(page)["door"] == "–")
    press_in_view(page, "Steps")
    assert "steps" not in page.url


def test_a_value_that_holds_is_in_sight_also_where_its_point_is_not(feed):
    feed = feed("&span=10&steps&apart")
    page = feed.page
    feed.send("door", *[[NOW - 1000 * ago, y] for ago, y in ((600, 1), (320, 0), (300, 1), (100, 4))])
    feed.line("fast", 200, 0.1)
    assert lines(page)["door"] == [[NOW - 100_000, 4], [NOW, 4]]
    assert axes(page, 0)["y"][0] < 4 < axes(page, 0)["y"][1]
    assert pixel(page, NOW - 5000, 4)[3] == 255
    hover(page, NOW - 5000)
    wait_until(lambda: values(page)["door"] == "4")


def test_steps_end_where_there_is_no_value_and_many_are_held_from_the_last(feed):
    feed = feed("&span=3600&steps&y=0,9")
    page = feed.page
    points = [[NOW - 3_000_000, 1], [NOW - 2_000_000, None], [NOW - 1_000_000, 2], [NOW, 3]]
    feed.send("a", *points)
    assert [point for point in lines(page)["a"] if point] == [
        [NOW - 3_000_000, 1], [NOW - 2_000_000, 1], [NOW - 1_000_000, 2], [NOW, 2], [NOW, 3]]
    assert pixel(page, NOW - 2_500_000, 1)[3] == 255 and pixel(page, NOW - 1_500_000, 1)[3] == 0
    for ago, value in ((2500, "1"), (1500, "–"), (500, "2")):
        hover(page, NOW - 1000 * ago)
        wait_until(lambda value=value: values(page)["a"] == value)
    feed.fill(5000, "{x: now - 3000000 + i / 100, y: [8, 1, 5][i % 3], label: 'b'}")      # all in one pixel
    feed.fill(1, "{x: now, y: 1, label: 'b'}")
    assert pixel(page, NOW - 500_000, 1)[3] == 255, "the last one of them: 4999 % 3 is 1"
    press_in_view(page, "Steps")
    last = [point for point in lines(page)["b"] if point and point[0] < NOW][-1]
    assert last == [NOW - 3_000_000 + 49.99, 1], "and so without steps"


# ---- many points ----

def test_no_spike_is_lost_and_no_more_is_drawn_than_pixels_can_show(feed):
    feed = feed("&span=600")
    feed.fill(600_000, "{x: now - 600000 + i, label: 'a', "
                       "y: i % 10 + (i === 123456 ? 1000 : 0) - (i === 400001 ? 500 : 0)}")
    data = lines(feed.page)["a"]
    assert len(data) <= 2 * 803
    assert [NOW - 600_000 + 123_456, 1006] in data and [NOW - 600_000 + 400_001, -499] in data
    assert data == sorted(data) and data[-1][0] >= NOW - 750


def test_the_columns_of_a_moving_picture_do_not_flicker(feed):
    feed = feed("&span=60")
    feed.fill(60_000, "{x: now - 60000 + i, y: Math.sin(i * i), label: 'a'}")
    before = lines(feed.page)["a"]
    feed.send("a", [NOW + 33, 0])
    after = lines(feed.page)["a"]
    middle = before[10:-10]
    assert len(middle) > 1000 and middle == [point for point in after if middle[0][0] <= point[0] <= middle[-1][0]]


def test_a_tab_keeps_a_million_points_and_the_oldest_of_the_longest_line_go_first(feed):
    feed = feed("&span=3600")
    feed.send("short", [NOW, 1])
    feed.fill(1_200_000, "{x: now - 1200000 + i, y: 1, label: 'long'}")
    counts = feed.page.evaluate("""() => { const {points} = lines.get("long");
        return [points.length, lines.get("short").points.length, points.xs[points.start], points.xs.length]; }""")
    assert counts == [999_999, 1, NOW - 999_999, 2 ** 20]
    assert xs(feed.page, "long")[0] == NOW - 999_999


def test_two_sweeps_over_the_same_times_are_one_line_also_where_one_looks_closer(feed):
    feed = feed()
    feed.send("a", *[[NOW + x, x] for sweep in (range(0, 101, 10), range(5, 106, 10)) for x in sweep])
    assert lines(feed.page)["a"] == [[NOW + x, x] for x in range(0, 106, 5)]
    drag(feed.page, NOW + 36, NOW + 44)
    drag(feed.page, NOW + 41, NOW + 43.9)
    assert lines(feed.page)["a"] == [[NOW + 40, 40], [NOW + 45, 45]]


def test_late_points_are_put_in_their_places_also_many_in_one_message(feed):
    feed = feed("&span=60")
    page = feed.page
    swapped = [NOW - 100 * (99 - i ^ 3) for i in range(100)]       # each four points come in reverse
    feed.send("a", *[[x, x % 7] for x in swapped])
    assert lines(page)["a"] == [[x, x % 7] for x in sorted(swapped)] and values(page) == {"a": str(NOW % 7)}
    hover(page, NOW - 5100)
    wait_until(lambda: values(page) == {"a": str((NOW - 5100) % 7)})
    rows, _ = saved(page)
    assert [float(x) for x, _, _ in rows[1:]] == sorted(swapped)
    feed.fill(100_000, "{x: now - (i ^ 15) / 10, y: i % 7, label: 'b'}")
    data = lines(page)["b"]
    assert data == sorted(data) and len(data) <= 2 * 803


def test_a_late_point_moves_only_those_that_are_newer(feed):
    feed = feed()
    feed.fill(500_000, "{x: i, y: 1}")
    moved = feed.page.evaluate("""() => { const {points} = lines.get("Value"), {xs} = points;
        let moved = 0;
        xs.copyWithin = function(to, from, end) {
            moved += end - from;
            return Float64Array.prototype.copyWithin.call(this, to, from, end); };
        for (let i = 0; i < 1000; i += 1) addMessage([{x: 499990.5, y: 2}, {x: 500000 + i, y: 1}]);
        return moved; }""")
    assert moved < 10 * 1000 + 1000 * 1000 / 2 + 1000


# ---- a new run ----

def test_where_x_goes_back_far_and_goes_on_from_there_a_new_run_begins(feed):
    feed = feed("&span=10")
    page = feed.page
    feed.send("a", *[[600_000 + 1000 * i, i] for i in range(120)])
    feed.send("a", [0, 5])
    assert axes(page)["x"][1] == 719_000, "one point may be a mistake"
    feed.send("a", [1000, 6])
    assert lines(page)["a"] == [[0, 5], [1000, 6]] and axes(page)["x"] == [-9000, 1000]
    assert entries(page)["a"]["note"] == ""
    feed.send("a", *[[1000 * i, i] for i in range(2, 20)])
    assert axes(page)["x"] == [9000, 19_000] and None not in lines(page)["a"]


def test_a_new_run_of_a_device_without_a_clock_leads_no_line_back_and_is_not_57_years_behind(feed):
    feed = feed()
    page = feed.page
    feed.send("device", *[[600_000 + 1000 * i, i] for i in range(120)])
    feed.send("device", *[[1000 * i, i] for i in range(2)])
    assert axes(page)["x"] == [0, 1000] and lines(page)["device"] == [[0, 0], [1000, 1]]
    feed.line("right")
    assert {label: entry["note"] for label, entry in entries(page).items()} == {"device": "counts from 0", "right": ""}


def test_a_state_without_a_rhythm_begins_a_new_run_too(feed):
    feed = feed()
    feed.send("door", *[[1000 * x, i % 2] for i, x in enumerate((0, 1, 2, 3, 30, 31, 32, 33, 34, 90))])
    feed.send("door", [0, 1], [3000, 0])
    assert lines(feed.page)["door"] == [[0, 1], [3000, 0]]


def test_a_clock_that_is_set_back_begins_a_new_run_and_points_that_are_seconds_late_do_not(feed):
    feed = feed("&span=60")
    page = feed.page
    points = feed.line("a", 100, 0.1)
    late = [[NOW - 8050 + 100 * i, 3] for i in range(20)]      # another publisher's, whose clock is a little behind
    feed.send("a", *late)
    assert lines(page)["a"] == sorted(points + late)
    back = [[NOW - 3_600_000 + 100 * i, i] for i in range(20)]
    feed.send("a", *back)
    assert lines(page)["a"] == back


def test_one_point_of_long_ago_stays_one_and_takes_nothing_away(feed):
    feed = feed("&span=3600")
    points = feed.line("a", 50)
    feed.send("a", [NOW - 3_000_000, 4])
    points += feed.line("a", 50, ago=-5)
    assert [point for point in lines(feed.page)["a"] if point] == [[NOW - 3_000_000, 4], *points]


def test_a_paused_picture_outlives_a_new_run(feed):
    feed = feed()
    points = [[600_000 + 1000 * i, i] for i in range(100)]
    feed.send("a", *points)
    feed.page.click("#pause")
    feed.send("a", *[[1000 * i, i] for i in range(100)])
    assert lines(feed.page)["a"] == points
    feed.page.click("#pause")
    feed.page.evaluate("draw()")
    assert lines(feed.page)["a"] == [[1000 * i, i] for i in range(100)]


# ---- messages: a point, or a list of points ----

def test_a_message_is_a_point_or_a_list_of_points(feed):
    feed = feed()
    page = feed.page
    points = [{"x": NOW + i, "y": i, **({"label": "b"} if i % 2 else {})} for i in range(40)]
    feed.message(points[:1])
    feed.message(points[1])
    feed.message(points[2:])
    feed.message([])
    wait_until(lambda: xs(page, "b")[-1:] == [NOW + 39])
    assert lines(page) == {label: [[NOW + i, i] for i in range(first, 40, 2)]
                           for first, label in enumerate(("Value", "b"))}


# ---- no value ----

def test_where_there_is_no_value_the_line_is_broken_and_nothing_is_read(feed):
    feed = feed()
    page = feed.page
    times = [NOW - 1000 * (29 - i) for i in range(30)]
    points = [[x, None if 10 <= i <= 12 else 20 + i % 3 / 2] for i, x in enumerate(times)]
    feed.send("a", *points)
    data = lines(page)["a"]
    assert data == [None if y is None else [x, y] for x, y in points]
    assert axes(page)["y"] == [20, 21] and values(page) == {"a": "21.0"}
    assert pixel(page, times[11], 20.05)[3] == 0 and pixel(page, times[9] - 500, 20.05)[3] > 0
    for number, value in ((11, "–"), (10, "–"), (9, "20.0"), (13, "20.5")):
        hover(page, times[number])
        wait_until(lambda value=value: values(page) == {"a": value})
    page.mouse.move(5, 5)
    rows, _ = saved(page)
    assert [y for _, _, y in rows[1:]] == ["" if y is None else f"{y:g}" for _, y in points]
    feed.send("a", [NOW + 1000, None])
    assert values(page) == {"a": "–"} and axes(page)["x"][1] == NOW + 1000


def test_no_value_at_all_and_no_values_among_more_points_than_pixels(feed):
    feed = feed("&span=60")
    page = feed.page
    feed.send("nothing", [NOW, None], [NOW + 1, None])
    assert values(page) == {"nothing": "–"} and axes(page)["times"]
    feed.fill(60_000, "{x: now - 60000 + i, y: i > 30000 && i < 35000 || i % 10 === 0 ? null : i % 7, label: 'a'}")
    data = lines(page)["a"]
    assert {y for _, y in filter(None, data[1:-1])} == {0, 6}, "what is missing hides no spike"
    gap = [place for place, point in enumerate(data) if point is None]
    assert gap == [*range(gap[0], gap[-1] + 1)]
    assert data[gap[0] - 1][0] == pytest.approx(NOW - 30_000, abs=80)
    assert data[gap[-1] + 1][0] == pytest.approx(NOW - 25_000, abs=80)


def test_drawing_takes_an_eighth_of_the_time_however_long_it_takes(feed):
    feed = feed()
    feed.send("a", [NOW, 1])
    feed.page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    times = feed.page.evaluate("""() => new Promise(done => {
        const reallyDraw = draw, times = [];
        draw = () => {
            times.push(performance.now());
            while (performance.now() < times.at(-1) + 40) {}
            reallyDraw();
            if (times.length === 4) done(times);
        };
        setInterval(() => addMessage({x: Date.now(), y: 1}), 1); })""")
    assert all(later - earlier >= 8 * 40 for earlier, later in pairwise(times))


# ---- reading ----

def test_each_entry_shows_the_last_value_in_digits_that_do_not_jump(feed):
    feed = feed()
    page = feed.page
    feed.line("sine", value=lambda i: 2.5 * (1 + math.sin(i / 5)))
    feed.line("whole", value=lambda i: i % 7)
    feed.line("volt", value=lambda i: round(229 + i / 37, 2))
    feed.line("leak", value=lambda i: 0.002 + 0.0005 * math.sin(i))
    feed.line("rpm", value=lambda i: 9000 + 500 * math.sin(i))
    assert values(page)["whole"] == "1" and values(page)["volt"] == "231.68"
    feed.line("a counter", value=lambda i: 5 + i % 10)
    seen, places = set(), set()
    for i in range(12):
        feed.send("a counter", [NOW + i, 8 + i % 4])
        feed.send("sine", [NOW + i, 2.5 * (1 + math.sin(i / 2))])
        seen.add(len(values(page)["sine"]))
        places.add(str(page.locator(".entry").last.bounding_box()))
    assert seen == {5} and len(places) == 1
    assert abs(float(values(page)["leak"]) - 0.0015) < 0.001 and len(values(page)["leak"]) >= 7
    assert re.fullmatch(r"\d{4}", values(page)["rpm"])


def test_no_reading_changes_the_width_of_an_entry(feed):
    feed = feed()
    for label, value in (("a", 9999.5), ("b", -12.25), ("c", 1)):
        feed.line(label, 50, ago=300, value=lambda i, value=value: value + i % 2 / 4)
    feed.line("live")
    page = feed.page
    before = [entry.bounding_box() for entry in page.locator(".entry").all()]
    hover(page, NOW - 1000)
    wait_until(lambda: values(page)["a"] == "–")
    assert [entry.bounding_box() for entry in page.locator(".entry").all()] == before


@pytest.mark.parametrize("means", ["mouse", "finger", "keyboard"])
def test_a_press_on_the_cross_forgets_the_line_also_where_values_are_read_elsewhere(feed, means):
    feed = feed("&span=10", has_touch=True, viewport={"width": 800, "height": 600})
    page = feed.page
    for label in "abc":
        feed.line(label, 50, ago=300, value=lambda i: -123_456.75 + i % 2 / 4)
    feed.line("live")
    for label in "abc":
        if means == "finger":
            page.touchscreen.tap(*place(page, NOW - 5000))
        else:
            page.keyboard.press("ArrowLeft")
        wait_until(lambda label=label: values(page)[label] == "–")
        cross = page.get_by_role("button", name=f"Forget {label}")
        box = cross.bounding_box()
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        if means == "finger":
            page.touchscreen.tap(*middle)
        elif means == "mouse":
            page.mouse.move(*middle)
            page.mouse.down()
            assert cross.bounding_box() == box
            page.mouse.up()
        else:
            cross.press("Enter")
        wait_until(lambda label=label: label not in legend(page))
    assert legend(page) == ["live"]


def test_nothing_moves_under_a_press_even_if_a_line_stops_meanwhile(feed):
    feed = feed()
    page = feed.page
    feed.line("old", ago=300)
    for label in ("a", "b", "c"):
        feed.line(label)
    cross = page.get_by_role("button", name="Forget old")
    wait_until(lambda: page.evaluate("!isLayoutOld && !isDrawingAskedFor && !isResting"))   # the first layout is done
    before = [entry.bounding_box() for entry in page.locator(".entry").all()]
    cross.hover()
    page.mouse.down()
    page.clock.set_fixed_time(NOW / 1000 + 60)
    still(page)
    assert [entry.bounding_box() for entry in page.locator(".entry").all()] == before
    page.mouse.up()
    assert legend(page) == ["a", "b", "c"]
    wait_until(lambda: entries(page)["a"]["note"] == "stopped 1 min ago")


def test_a_note_and_a_cross_that_come_change_no_entrys_width(feed):
    feed = feed()
    page = feed.page
    for label in ("a", "b", "c"):
        feed.line(label)

    def sides():
        return [(box["x"], box["width"]) for box in (entry.bounding_box() for entry in page.locator(".entry").all())]
    before = sides()
    for seconds in (5, 10, 50, 1000):
        feed.passes(seconds)
        feed.line("c")
        assert sides() == before
    assert entries(page)["a"]["note"] == "stopped 17 min ago" and entries(page)["a"]["forget"]
    assert page.get_by_role("button", name="Forget c").count() == 0, "it is not there, only its room"


@pytest.mark.parametrize(("width", "columns"), [(360, 1), (800, 3), (1200, 5)])
def test_many_entries_stand_in_columns(feed, width, columns):
    feed = feed(viewport={"width": width, "height": 640})
    page = feed.page
    feed.fill(640, "{x: now - 640 + i, y: (i % 64) * 10 ** (i % 3), label: `sensor ${i % 64}`}")
    boxes = [entry.bounding_box() for entry in page.locator(".entry").all()]
    lefts = {box["x"] for box in boxes}
    assert len(lefts) >= columns and len({box["width"] for box in boxes}) == 1
    assert max(box["x"] + box["width"] for box in boxes) <= width
    for part in ("bdi", ".value"):
        found = page.eval_on_selector_all(f".entry {part}", "all => all.map(one => one.getBoundingClientRect().left)")
        assert len(set(found)) == len(lefts), part


def test_an_entry_has_room_for_its_name_and_its_value(feed):
    feed = feed(viewport={"width": 360, "height": 640})
    page = feed.page
    for label, size in (("v", 1_767_225_600_000), ("a temperature", -21.5), ("x", 1e-300)):
        feed.line(label, value=lambda i, size=size: size * (1 + i % 3))
    assert page.eval_on_selector_all(".entry bdi, .entry .value", """parts => parts.filter(one =>
        one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0).map(one => one.textContent)""") == []
    assert page.locator("#legend").evaluate("one => one.scrollWidth <= one.clientWidth")
    feed.line("W" * 64)
    assert page.locator("#legend").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_the_value_of_a_hidden_line_is_written_as_before(feed):
    feed = feed()
    for label, size in (("huge", 3.2e9), ("tiny", 3e-6), ("usual", 21.123456)):
        feed.line(label, value=lambda i, size=size: size * (1 + math.sin(i) / 10))
    before = values(feed.page)
    for label in before:
        toggle(feed.page, label)
        assert values(feed.page) == before
    toggle(feed.page, "usual")
    assert values(feed.page) == before


def test_dots_are_drawn_only_where_there_is_room_for_them(feed):
    feed = feed()
    feed.line("a", 100, 0.1)
    assert drawn(feed.page)[0]["dots"]
    feed.page.set_viewport_size({"width": 360, "height": 640})
    wait_until(lambda: not drawn(feed.page)[0]["dots"])
    feed.page.select_option("#span", "3600")
    feed.page.set_viewport_size({"width": 1600, "height": 640})
    feed.page.evaluate("draw()")
    assert not drawn(feed.page)[0]["dots"]


@pytest.mark.parametrize("apart", ["", "&apart"])
def test_the_hair_reads_every_line_at_its_time(feed, apart):
    feed = feed(apart)
    page = feed.page
    one = feed.line("one", 100, 0.1, value=lambda i: i)
    feed.line("two", 10, 1, value=lambda i: 100 * i)
    feed.line("elsewhere", 10, 0.1, value=lambda i: 7)
    assert not page.is_visible("#hair")
    hover(page, one[50][0] + 20)
    seen = wait_until(lambda: page.is_visible("#hair") and values(page))
    assert seen == {"one": "50", "two": "400", "elsewhere": "–"}
    assert re.fullmatch(r"23:59:55\.\d\d\d", page.inner_text("#hair"))
    assert abs(float(page.inner_text("#hair")[6:]) - 55.12) < 0.02
    hair, graph = page.locator("#hair").bounding_box(), page.locator("#graph").bounding_box()
    assert hair["x"] == pytest.approx(place(page, one[50][0] + 20)[0], abs=1)
    assert hair["height"] > 0.85 * graph["height"], "through all strips"
    for point in (0, 99):
        hover(page, one[point][0])
        wait_until(lambda point=point: values(page)["one"] == str(point))
        label = page.locator("#hair span").bounding_box()
        assert label["x"] >= 0 and label["x"] + label["width"] <= 800
    page.mouse.move(400, 5)
    wait_until(lambda: not page.is_visible("#hair"))
    assert values(page) == {"one": "99", "two": "900", "elsewhere": "7"}


def test_the_hair_stands_still_while_the_lines_move_on_beneath_it(feed):
    feed = feed()
    points = feed.line("a", 100, 0.1, value=lambda i: i)
    hover(feed.page, points[50][0])
    wait_until(lambda: values(feed.page) == {"a": "50"})
    hair = feed.page.locator("#hair").bounding_box()
    for i in range(100, 105):
        feed.send("a", [NOW + 100 * (i - 99), i])
        assert values(feed.page) == {"a": str(i - 49)}
    assert feed.page.locator("#hair").bounding_box() == hair
    feed.page.keyboard.press("Space")
    feed.line("a", 100, 0.1, ago=-60)
    assert values(feed.page) == {"a": "55"}
    hover(feed.page, axes(feed.page)["x"][0] + 1000)
    wait_until(lambda: values(feed.page) == {"a": "15"})


def test_in_a_silence_there_is_nothing_to_read(feed):
    feed = feed()
    feed.line("a", 50, 0.1, ago=10, value=lambda i: 1)
    feed.line("a", 50, 0.1, value=lambda i: 1)
    for x, value in ((NOW - 7500, "–"), (NOW - 9980, "1"), (NOW - 2000, "1")):
        hover(feed.page, x)
        wait_until(lambda value=value: values(feed.page) == {"a": value})


def test_a_finger_reads_too(feed):
    feed = feed(has_touch=True)
    points = feed.line("a", 100, 0.1, value=lambda i: i)
    feed.page.touchscreen.tap(*place(feed.page, points[30][0]))
    wait_until(lambda: values(feed.page) == {"a": "30"})
    assert feed.page.is_visible("#hair") and feed.page.inner_text("#pause") == "Pause"


def test_a_tap_elsewhere_takes_the_hair_away_and_two_fingers_are_no_drag(feed):
    feed = feed(has_touch=True)
    page = feed.page
    points = feed.line("a", 100, 0.1, value=lambda i: i)
    touch = page.context.new_cdp_session(page)

    def fingers(kind, *places):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [
            {"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]})
    one, two, three = (place(page, points[number][0]) for number in (20, 50, 80))
    fingers("touchStart", one)
    fingers("touchStart", one, three)
    fingers("touchMove", two, three)
    assert not page.is_visible("#selection")
    fingers("touchEnd")
    assert length(page) > 9, "not the range between one and two"
    page.keyboard.press("Space")
    wait_until(lambda: page.inner_text("#pause") == "Pause")
    fingers("touchStart", one)
    fingers("touchMove", two)
    fingers("touchEnd")
    wait_until(lambda: page.inner_text("#pause") == "Resume")
    assert page.is_visible("#hair")
    page.touchscreen.tap(30, 20)
    assert not page.is_visible("#hair")


def test_arrow_keys_move_the_hair_and_say_what_is_there(feed):
    feed = feed()
    page = feed.page
    feed.line("a", 101, 0.1, value=lambda i: i)
    feed.line("hidden")
    toggle(page, "hidden")
    page.focus("#placeholder")
    assert not page.is_visible("#hair")
    for key, value in (("ArrowLeft", "99"), ("ArrowLeft", "98"), ("Home", "1"), ("ArrowRight", "2"), ("End", "100")):
        page.keyboard.press(key)
        assert values(page)["a"] == value
    assert page.get_attribute("#placeholder", "aria-valuetext") == "00:00:00.000: a 100"
    assert page.get_attribute("#placeholder", "aria-valuenow") == "100"
    page.keyboard.press("Escape")
    page.keyboard.press("Control+ArrowLeft")        # the browser's, as Alt and an arrow are
    assert not page.is_visible("#hair")
    page.keyboard.press("ArrowLeft")
    page.focus("#pause")
    assert not page.is_visible("#hair")


def test_arrow_keys_read_as_soon_as_the_page_is_open_and_a_menu_keeps_its_own(feed):
    feed = feed()
    page = feed.page
    feed.line("a", 101, 0.1, value=lambda i: i)
    page.keyboard.press("ArrowLeft")
    assert values(page)["a"] == "99" and page.is_visible("#hair")
    page.focus("#pause")
    page.keyboard.press("Home")
    assert values(page)["a"] == "1"
    page.focus("#span")
    page.keyboard.press("ArrowDown")
    assert page.locator("#span").input_value() == "10" and not page.is_visible("#hair")


def test_no_pointer_over_the_graph_promises_that_a_click_does_something(feed):
    feed = feed()
    feed.line("a")
    cursor = "getComputedStyle(document.querySelector('.room')).cursor"
    hover(feed.page, NOW - 5000)
    assert feed.page.evaluate(cursor) == "default"
    feed.page.mouse.down()
    assert feed.page.evaluate(cursor) == "ew-resize"
    feed.page.mouse.up()


# ---- looking closer ----

def test_dragging_shows_a_range_at_rest_and_points_that_come_are_not_lost(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 100, 0.1, value=lambda i: 1000 if i == 50 else i % 10)
    page.mouse.move(*place(page, points[60][0]))
    page.mouse.down()
    page.mouse.move(*place(page, points[80][0]), steps=3)
    assert re.fullmatch(r"Δt (2|1\.9\d|2\.0\d) s · [\d.]+ m?Hz", page.inner_text("#selection"))
    box = page.locator("#selection").bounding_box()
    assert box["x"] == pytest.approx(place(page, points[60][0])[0], abs=1)
    assert box["x"] + box["width"] == pytest.approx(place(page, points[80][0])[0], abs=1)
    before = axes(page)
    feed.line("a", 20, 0.1, ago=-2, value=lambda i: 7)
    assert axes(page) == before, "nothing moves under the pointer"
    page.mouse.up()
    assert not page.is_visible("#selection") and page.inner_text("#pause") == "Resume"
    assert axes(page)["x"] == pytest.approx([points[60][0], points[80][0]], abs=20)
    assert axes(page)["y"] == [0, 10], "it fits the range"
    feed.line("a", 20, 0.1, ago=-4, value=lambda i: 7)
    drag(page, points[70][0], points[65][0])
    assert axes(page)["x"] == pytest.approx([points[65][0], points[70][0]], abs=20)
    page.mouse.dblclick(*place(page, points[67][0]))
    assert axes(page)["x"] == before["x"] and axes(page)["y"] == [0, 1000]
    assert xs(page) == [] and xs(page, "a") == [x for x, _ in points]
    page.keyboard.press("Space")
    page.evaluate("draw()")
    assert page.inner_text("#pause") == "Pause" and axes(page)["x"][1] == NOW + 4000
    assert len(xs(page, "a")) == 100 and lines(page)["a"][-1] == [NOW + 4000, 7]


def test_a_drag_outlives_a_new_layout(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 100, 0.1)
    page.mouse.move(*place(page, points[60][0]))
    page.mouse.down()
    page.mouse.move(*place(page, points[70][0]), steps=3)
    width = page.locator("#placeholder").bounding_box()["width"]
    page.set_viewport_size({"width": 700, "height": 500})
    wait_until(lambda: page.evaluate("document.querySelector('#placeholder canvas').clientWidth") < width / 1.1)
    box = page.locator("#selection").bounding_box()
    assert box["x"] == pytest.approx(place(page, points[60][0])[0], abs=1)
    page.mouse.move(*place(page, points[80][0]), steps=3)
    page.mouse.up()
    assert page.inner_text("#pause") == "Resume"
    assert axes(page)["x"] == pytest.approx([points[60][0], points[80][0]], abs=40)


def test_escape_takes_a_drag_back(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 100, 0.1)
    before = axes(page)
    page.mouse.move(*place(page, points[60][0]))
    page.mouse.down()
    page.mouse.move(*place(page, points[80][0]), steps=3)
    assert page.is_visible("#selection")
    page.keyboard.press("Space")        # not now: it would pause behind the drag
    assert page.inner_text("#pause") == "Pause"
    page.keyboard.press("Escape")
    assert not page.is_visible("#selection")
    page.mouse.up()
    assert page.inner_text("#pause") == "Pause" and axes(page) == before


def test_escape_goes_back_step_by_step_to_the_live_picture(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 100, 0.1)
    whole = axes(page)["x"]
    drag(page, points[40][0], points[80][0])
    first = axes(page)["x"]
    drag(page, points[50][0], points[60][0])
    drag(page, points[52][0], points[55][0])
    for seen in ([points[50][0], points[60][0]], first, whole):
        page.keyboard.press("Escape")
        assert axes(page)["x"] == pytest.approx(seen, abs=20) and page.inner_text("#pause") == "Resume"
    feed.line("a", 20, 0.1, ago=-2)
    assert axes(page)["x"] == whole
    page.keyboard.press("Escape")
    page.evaluate("draw()")
    assert page.inner_text("#pause") == "Pause" and axes(page)["x"][1] == NOW + 2000
    assert page.is_visible("#hair")
    page.keyboard.press("Escape")
    assert not page.is_visible("#hair")


def test_escape_after_a_double_click_is_live_again(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 100, 0.1)
    drag(page, points[40][0], points[80][0])
    drag(page, points[50][0], points[60][0])
    page.mouse.dblclick(*place(page, points[52][0]))
    assert axes(page)["x"] == [points[0][0], NOW] and page.inner_text("#pause") == "Resume"
    page.keyboard.press("Escape")
    assert page.inner_text("#pause") == "Pause"


def test_a_line_that_crosses_the_range_is_fitted_as_it_is_drawn_there(feed):
    feed = feed()
    page = feed.page
    feed.line("fast", 200, 0.1)
    slow = feed.line("slow", 20, 1, value=lambda i: 20 + i / 10)
    page.click("#apart")
    drag(page, slow[10][0] - 400, slow[10][0] + 400)        # one point of the slow line is there, and none
    assert axes(page, 1)["y"] == pytest.approx([20.96, 21.04], abs=0.021)
    drag(page, slow[10][0] + 100, slow[10][0] + 300)
    low, high = axes(page, 1)["y"]
    assert 21 < low < 21.02 and 21.02 < high < 21.04, "the line neither lies flat nor leaves its strip"


def test_a_click_is_not_a_drag(feed):
    feed = feed()
    feed.line("a")
    page = feed.page
    before = axes(page)
    page.mouse.click(400, 400)
    page.mouse.dblclick(300, 400)
    page.mouse.down()
    page.mouse.move(302, 400)       # a hand trembles
    page.mouse.up()
    page.mouse.down(button="right")
    page.mouse.move(500, 400)
    page.mouse.up(button="right")
    assert axes(page) == before and page.inner_text("#pause") == "Pause"


def test_a_paused_picture_rests_whatever_comes_even_points_of_the_same_time(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a")
    page.click("#pause")
    feed.send("a", [points[50][0], 99])
    feed.send("a", [points[20][0] + 1, 98])
    feed.line("b")
    feed.passes(60)
    assert lines(page)["a"] == points and lines(page)["b"] == [] and axes(page)["y"] == [0, 4]
    page.click("#pause")
    page.evaluate("draw()")
    assert [points[50][0], 99] in lines(page)["a"] and len(lines(page)["b"]) == 100


def test_a_paused_picture_keeps_its_last_values_its_strips_and_its_notes(feed):
    feed = feed("&apart")
    page = feed.page
    feed.line("live")
    feed.line("old", ago=300, value=lambda i: 7)
    feed.line("off", ago=3600, value=lambda i: i)
    page.click("#pause")
    before = entries(page)
    assert (before["old"]["value"], before["off"]["value"]) == ("7", "99")
    feed.send("new", [NOW, 1])
    feed.send("old", [NOW, 8])
    feed.line("off", 5, ago=3590, value=lambda i: 5)
    feed.passes(20)
    assert list(lines(page)) == ["live"] and page.locator(".strip:not(.time)").count() == 1
    after = entries(page)
    assert {label: after[label] for label in before} == before and after["new"]["value"] == "–"
    page.click("#pause")
    page.evaluate("draw()")
    assert (values(page)["old"], values(page)["off"], values(page)["new"]) == ("8", "5", "1")


def test_another_span_is_live_again(feed):
    feed = feed()
    feed.line("a", 200)
    feed.page.click("#pause")
    feed.page.select_option("#span", "10")
    feed.page.evaluate("draw()")
    assert feed.page.inner_text("#pause") == "Pause" and length(feed.page) == 10


def test_at_rest_the_menu_says_how_long_a_range_is_and_any_choice_of_it_is_live_again(feed):
    feed = feed("&span=10")
    page = feed.page
    points = feed.line("a", 200)

    def chosen():
        return page.locator("#span option:checked").inner_text()
    width = page.locator("#span").bounding_box()["width"]
    drag(page, points[120][0], points[190][0])
    assert re.fullmatch(r"Still (7|6\.9\d|7\.0\d) s", chosen())
    assert page.locator("#span").bounding_box()["width"] == width
    page.click("#apart")
    assert "span=10&" in page.url, "the address has what will be live again"
    drag(page, points[150][0], points[160][0])
    assert re.fullmatch(r"Still (1|1\.0\d) s|Still 9\d\d ms", chosen())
    page.keyboard.press("Escape")
    assert re.fullmatch(r"Still (7|6\.9\d|7\.0\d) s", chosen())
    page.keyboard.press("Escape")
    assert chosen() == "10 s" and page.inner_text("#pause") == "Resume"
    drag(page, points[150][0], points[160][0])
    page.select_option("#span", "10")
    page.evaluate("draw()")
    assert page.inner_text("#pause") == "Pause" and chosen() == "10 s" and length(page) == 10
    drag(page, points[150][0], points[160][0])
    page.keyboard.press("Space")
    assert chosen() == "10 s"


def test_pause_and_resume_name_the_space_bar(feed):
    page = feed().page
    for name in ("Pause", "Resume", "Pause"):
        assert "Space" in page.get_by_role("button", name=name).get_attribute("title")
        page.keyboard.press("Space")


def test_the_space_bar_opens_the_choice_of_spans_and_does_not_pause(feed):
    feed = feed()
    feed.page.focus("#span")
    feed.page.keyboard.press("Space")
    assert feed.page.inner_text("#pause") == "Pause"
    feed.page.keyboard.press("Escape")


# ---- together or apart ----

def test_apart_each_line_has_a_strip_with_its_own_scale_and_the_same_times(feed):
    feed = feed()
    page = feed.page
    feed.line("volt", value=lambda i: 230 + i % 3)
    feed.line("leak", value=lambda i: 0.002 + i % 3 / 1000)
    feed.line("rpm", value=lambda i: 9000 + i % 3)
    page.get_by_role("button", name="Apart").click()
    assert page.get_attribute("#apart", "aria-pressed") == "true" and page.url.endswith("&apart")
    assert [line["label"] for line in drawn(page)] == ["leak", "rpm", "volt"]
    assert [axes(page, strip)["y"] for strip in range(3)] == [[0.002, 0.004], [9000, 9002], [230, 232]]
    assert [axes(page, strip)["x"] for strip in range(3)] == [[NOW - 9900, NOW]] * 3
    assert [axes(page, strip)["times"] for strip in range(3)] == [[]] * 3
    assert page.locator(".strip.time .flot-x-axis text").count() >= 2
    lefts = [place(page, NOW - 5000, strip=strip)[0] for strip in range(3)]
    assert lefts[0] == lefts[1] == lefts[2], "the same time is below the same time"
    boxes = [box.bounding_box() for box in page.locator(".strip").all()]
    assert all(one["y"] + one["height"] <= two["y"] + 1 for one, two in pairwise(boxes))
    names = [name.bounding_box() for name in page.locator(".strip:not(.time) .name").all()]
    assert page.locator(".name").all_inner_texts()[:3] == ["leak", "rpm", "volt"]
    for strip, (name, volt) in enumerate(zip(names, (0.004, 9002, 232), strict=True)):
        assert name["y"] + name["height"] <= place(page, NOW, volt, strip)[1], "above its line, not in its way"
    toggle(page, "rpm")
    assert [line["label"] for line in drawn(page)] == ["leak", "volt"]
    page.get_by_role("button", name="Apart").click()
    assert page.locator(".strip").count() == 1 and sorted(lines(page)) == ["leak", "volt"]
    assert axes(page)["y"][1] >= 232 and axes(page)["y"][0] <= 0.002


def test_strips_of_any_height_have_at_least_two_values_and_a_stopped_line_has_none_in_the_end(feed):
    feed = feed("&apart")
    page = feed.page
    for count in range(2, 13):
        feed.line(f"l{count:02}", 100, 0.1, value=lambda i: -24 + 38 * i / 99)
        feed.line("flat", 100, 0.1, value=lambda i: 21.5)
        for strip in range(count):
            assert len(set(axes(page, strip)["values"])) >= 2, (count, strip)
    for seconds in range(1, 12):
        feed.passes(1)
        if seconds < 11:
            feed.line("flat", 10, 0.1, value=lambda i: 21.5)
    assert page.locator(".strip:not(.time)").count() == 1 and list(lines(page)) == ["flat"]


def test_where_a_line_looks_flat_beside_another_apart_is_offered_once(feed):
    feed = feed()
    page = feed.page
    hint = page.locator("#hint")

    def draws(seconds, *labels):
        for _ in range(seconds):
            feed.passes(1)
            for label in labels:
                feed.line(label, value=lambda i, size=100 if label == "big" else 0.1: 5 + size * (i % 10))
    draws(10, "small")
    feed.line("constant", value=lambda i: 7)
    draws(10, "small")
    assert not hint.is_visible(), "nothing varies that is not seen to"
    draws(1, "small", "big")
    assert not hint.is_visible(), "it may pass"
    draws(4, "small", "big")
    assert hint.is_visible() and "Apart" in hint.inner_text()
    before = page.locator("#placeholder").bounding_box()
    draws(10, "small", "big")
    assert hint.is_visible()
    page.get_by_role("button", name="Dismiss").click()
    assert not hint.is_visible() and page.locator("#placeholder").bounding_box() == before
    draws(10, "small", "big")
    assert not hint.is_visible()


def test_the_offer_is_a_button(feed):
    feed = feed()
    for _ in range(5):
        feed.passes(1)
        feed.line("small")
        feed.line("big", value=lambda i: 1000 * i)
    feed.page.get_by_role("button", name="try Apart").click()
    assert feed.page.get_attribute("#apart", "aria-pressed") == "true" and not feed.page.is_visible("#hint")


@pytest.mark.parametrize("is_paused", [False, True])
@pytest.mark.parametrize("way", ["#apart", "#legend >> text=big"])
def test_the_offer_goes_away_when_nothing_looks_flat_any_more(feed, way, is_paused):
    feed = feed()
    page = feed.page
    for _ in range(5):
        feed.passes(1)
        feed.line("small")
        feed.line("big", value=lambda i: 1000 * i)
    assert page.is_visible("#hint")
    if is_paused:
        page.click("#pause")
    for _ in "there", "and back":
        page.click(way)
        for _ in range(5):
            feed.passes(1)
        assert not page.is_visible("#hint")


def test_no_offer_where_the_scale_is_fixed_or_the_lines_are_apart(feed):
    for query in ("&y=0,1000", "&apart"):
        tab = feed(query)
        for _ in range(5):
            tab.passes(1)
            tab.line("small")
            tab.line("big", value=lambda i: 1000 * i)
        assert not tab.page.is_visible("#hint"), query


def test_the_axis_of_a_constant_ends_round(feed):
    feed = feed("&apart")
    page = feed.page
    for label, y in (("a", 7.3), ("b", 230.47), ("c", -21.5), ("d", 0), ("e", 1000), ("f", 0.0123)):
        feed.line(label, value=lambda i, y=y: y)
    seen = [axes(page, strip) for strip in range(6)]
    ends = [[0, 16], [0, 500], [-50, 0], [-1, 1], [0, 2000], [0, 0.025]]
    for one, both in zip(seen, ends, strict=True):
        assert one["y"] == pytest.approx(both)
        assert sorted(number_of(text) for text in one["values"]) == pytest.approx(both)


def test_many_strips_scroll_and_none_is_less_than_60_pixels_high(feed):
    feed = feed("&apart")
    page = feed.page
    feed.fill(192, "{x: now - 10000 + i, y: i % 7, label: `line ${i % 64}`}")
    strips = page.locator(".strip:not(.time)")

    def heights():      # in one look: between two, a new layout may put other strips in the place of these
        return page.evaluate("""[...document.querySelectorAll(".strip:not(.time)")]
            .map(strip => strip.getBoundingClientRect().height)""")
    wait_until(lambda: len(found := heights()) == 64 and min(found) >= 60)
    assert page.evaluate("document.documentElement.scrollHeight") == 600
    assert "line 0" in lines(page) and "line 63" not in lines(page), "those out of sight cost nothing"
    page.locator("#placeholder").hover()
    page.mouse.wheel(0, 100_000)
    wait_until(lambda: strips.last.bounding_box()["y"] < 600)
    times = page.locator(".strip.time").bounding_box()
    assert times["y"] + times["height"] == pytest.approx(600, abs=1), "the times stay in sight"
    page.evaluate("draw()")
    assert "line 63" in lines(page), "those in sight are drawn"


# ---- taking away ----

def saved(page):
    """The rows of the CSV that the browser downloads, and the name of the file."""
    with page.expect_download() as download:
        press_in_view(page, "Save CSV")
    text = Path(download.value.path()).read_bytes().decode()
    assert text.endswith("\r\n") and text.count("\n") == text.count("\r\n") + text.count("line\nbreak")
    return list(csv.reader(text.splitlines(keepends=True), strict=True)), download.value.suggested_filename


def test_a_new_layout_leaves_the_strips_where_they_were_scrolled(feed):
    feed = feed("&apart")
    page = feed.page
    for number in range(20):
        feed.line(f"line {number}")
    page.evaluate("document.getElementById('placeholder').scrollTop = 500")
    for change in (lambda: page.set_viewport_size({"width": 790, "height": 580}), lambda: feed.line("one more"),
                   lambda: page.emulate_media(color_scheme="dark")):
        canvas = page.query_selector("#placeholder canvas")
        change()
        wait_until(lambda canvas=canvas: not canvas.evaluate("canvas => canvas.isConnected"))
        assert page.evaluate("document.getElementById('placeholder').scrollTop") == 500
        assert axes(page, 10)["values"], "and those in sight are drawn"


def test_the_hair_is_at_the_pointer_also_where_the_first_strip_is_scrolled_out_of_sight(feed):
    feed = feed("&apart")
    page = feed.page
    for number in range(20):
        line = feed.line(f"line {number}", value=lambda i: 1e6 + 123_456 * i)
    page.evaluate("document.getElementById('placeholder').scrollTop = 100000")
    canvas = page.query_selector("#placeholder canvas")
    page.set_viewport_size({"width": 790, "height": 580})
    wait_until(lambda: not canvas.evaluate("canvas => canvas.isConnected"))
    x, y = place(page, line[50][0], None, -1)
    page.mouse.move(x, y)
    wait_until(lambda: page.is_visible("#hair"))
    assert page.locator("#hair").bounding_box()["x"] == pytest.approx(x, abs=1)
    assert abs(float(page.inner_text("#hair")[6:]) - 55.1) < 0.02
    assert values(page)["line 3"] == values(page)["line 19"] == "7172800"


def test_a_screen_of_another_resolution_is_drawn_for(feed):
    feed = feed(viewport={"width": 800, "height": 600})
    feed.line("a")
    page = feed.page
    width = page.evaluate("document.querySelector('#placeholder canvas').width")
    page.context.new_cdp_session(page).send("Emulation.setDeviceMetricsOverride", {
        "width": 800, "height": 600, "deviceScaleFactor": 2, "mobile": False})
    page.evaluate("draw()")
    assert page.evaluate("document.querySelector('#placeholder canvas').width") == 2 * width


def test_what_is_shown_can_be_saved_with_every_digit(feed):
    feed = feed("&span=10")
    page = feed.page
    label = 'a, "b"\r\nline\nbreak'
    points: list[list[float]] = [[NOW - 20_000, 1], [NOW - 5000.25, 0.1], [NOW - 4000, 1 / 3], [NOW - 3000, -1e-300],
              [NOW, 12345678901234568]]
    feed.send(label, *points)
    feed.line("hidden")
    toggle(page, "hidden")
    feed.send("é 🌊", [NOW, 5])
    rows, name = saved(page)
    assert name == "zws 2026-01-01 00.00.00.csv"
    assert rows[0] == ["time_ms", "label", "y"]
    assert [(float(x), one, float(y)) for x, one, y in rows[1:]] == [
        *((x, label, y) for x, y in points[1:]), (NOW, "é 🌊", 5)]
    assert rows[2][2] == "0.3333333333333333" and rows[1][0] == f"{NOW - 5000.25}"


def test_a_zoomed_picture_saves_just_itself(feed):
    feed = feed()
    points = feed.line("a")
    drag(feed.page, points[20][0] - 40, points[30][0] + 40)
    feed.line("a", ago=-10)
    rows, _ = saved(feed.page)
    assert [[float(x), float(y)] for x, _, y in rows[1:]] == points[20:31]


def test_a_menu_on_the_graph_offers_no_copy_of_an_empty_picture(feed):
    feed = feed()
    points = feed.line("a")
    for x, y in (points[50], points[10]):
        left, top = place(feed.page, x, y)
        tag = feed.page.evaluate("([left, top]) => document.elementFromPoint(left, top).tagName", [left, top])
        assert tag == "DIV"


@pytest.mark.parametrize("apart", ["", "&apart"])
def test_on_paper_it_is_as_wide_as_that_light_and_without_buttons(feed, apart, tmp_path):
    feed = feed(apart, color_scheme="dark", viewport={"width": 1900, "height": 700})
    page = feed.page
    for i in range(8):
        feed.line(f"line {i}")
    page.evaluate("""() => addEventListener("beforeprint", () => {
        const seen = name => document.querySelector(name).getClientRects().length > 0;
        const style = name => getComputedStyle(document.querySelector(name));
        window.onPaper = {width: document.querySelector("canvas").clientWidth, buttons: seen("#pause") || seen("#span"),
            text: style("main").color, back: style("body").backgroundColor, adjust: style(".line i").printColorAdjust,
            tick: style(".flot-tick-label").fill,
            drawn: strips.reduce((sum, strip) => sum + strip.plot.getData().length, 0)}; })""")
    file = tmp_path / "page.pdf"
    page.pdf(path=file, format="A4", print_background=False)
    paper = page.evaluate("onPaper")
    assert 500 < paper["width"] <= 700 and not paper["buttons"] and paper["adjust"] == "exact"
    assert paper["text"] == "rgb(34, 34, 34)" and paper["back"] == "rgb(255, 255, 255)"
    assert paper["tick"] == "rgb(92, 99, 107)" and paper["drawn"] == 8
    assert len(re.findall(rb"/Type\s*/Page\b", file.read_bytes())) == 1
    page.wait_for_function("document.querySelector('#placeholder canvas').clientWidth === 1900")
    assert page.is_visible("#pause")
    assert page.evaluate("getComputedStyle(document.querySelector('main')).color") == "rgb(230, 232, 234)"


# ---- colours ----

def luminance(color):
    parts = (part / 255 for part in bytes.fromhex(color[1:]))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue, 0.2126 * red + 0.7152 * green + 0.0722 * blue


def oklab(color):
    """The color where equal distances look about equally great."""
    red, green, blue, _ = luminance(color)
    long, middle, short = ((a * red + b * green + c * blue) ** (1 / 3) for a, b, c in (
        (0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
        (0.0883024619, 0.2817188376, 0.6299787005)))
    return [a * long + b * middle + c * short for a, b, c in (
        (0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099),
        (0.0259040371, 0.7827717662, -0.8086757660))]


def test_64_colours_can_be_told_apart_on_white_and_on_black(feed):
    colors = feed().page.evaluate("COLORS")
    assert len(set(colors)) == 64 and colors[:10] == TEN
    for color in colors:
        for background in ("#ffffff", "#16191d"):
            dark, light = sorted((luminance(color)[3], luminance(background)[3]))
            assert (light + 0.05) / (dark + 0.05) >= 3, (color, background)
    places = [oklab(color) for color in colors]
    nearest = min(math.dist(one, two) for i, one in enumerate(places) for two in places[:i])
    assert nearest >= 0.03      # 0.02 is what one just notices


def test_64_labels_have_64_colours_and_the_first_ten_the_best_ten(feed):
    feed = feed()
    ten = ["Value", "b", "l", "v", "cpu", "x", "y", "z", "ab", "ba"]
    feed.message([{"x": NOW, "y": 1, "label": label} for label in ten])
    wait_until(lambda: len(legend(feed.page)) == 10)
    assert {entry["color"] for entry in entries(feed.page).values()} == {
        "rgb({}, {}, {})".format(*bytes.fromhex(color[1:])) for color in TEN}
    feed.message([{"x": NOW, "y": 1, "label": f"sensor {number}"} for number in range(54)])
    wait_until(lambda: len(legend(feed.page)) == 64)
    assert len({entry["color"] for entry in entries(feed.page).values()}) == 64


def test_a_line_keeps_its_colour_whatever_comes_and_goes(feed):
    feed = feed()

    def seen():
        return {label: entry["color"] for label, entry in entries(feed.page).items()}
    labels = ["temperature", "humidity", *(f"line {number}" for number in range(10))]
    for label in labels:
        feed.line(label, ago=20 if label == "line 0" else 0)
    before = seen()
    for label in "abcdefghijk":     # short ones, each of which would like a colour that is taken
        feed.send(label, [NOW, 1])
    assert {label: seen()[label] for label in labels} == before
    feed.page.click(".forget:visible")
    assert {label: seen()[label] for label in labels[:2] + labels[3:]} == {
        label: color for label, color in before.items() if label != "line 0"}
    assert len(set(seen().values())) == len(seen())


def test_two_tabs_agree_on_colours_where_labels_want_different_ones(feed):
    labels = ["cpu", "disk", "io", "memory", "swap"]
    one, two = feed(), feed()
    for label in labels:
        one.send(label, [NOW, 1])
    for label in reversed(labels):
        two.send(label, [NOW, 1])
    colors = [{label: entry["color"] for label, entry in entries(tab.page).items()} for tab in (one, two)]
    assert colors[0] == colors[1] and len(set(colors[0].values())) == 5


# ---- pure functions ----

def test_numbers_are_written_with_the_digits_that_matter(feed):
    page = feed().page
    for number, difference, text in (
            (2.5, 0.005, "2.500"), (0, 0.01, "0.00"), (-0.001, 0.1, "0.0"), (230, 1, "230"), (1e9, 1e7, "1.00 G"),
            (16_789_057_400, 1e8, "16.8 G"), (16_789_057_400, 1, "16.789057400 G"), (-2.5e12, 1e11, "-2.5 T"),
            (999_999_999, 1, "999999999"), (1.25e15, 1e13, "1.25 P"), (1.5e18, 1e17, "1.5e18"),
            (1.5e-12, 1e-13, "1.5e-12"), (123456.789, 0.01, "123456.79"), (-1e300, 1e298, "-1.00e300"),
            (0.3, 0.1, "0.3")):
        seen = page.evaluate("([number, difference]) => numberText(number, difference, Math.abs(number))",
                             [number, difference])
        assert seen == text


@pytest.mark.parametrize("low,high", [
    (0, 3.2e9), (0, 3.5e9), (-2e9, 5e8), (1e9, 1.000001e9), (0, 3e-10), (-4e-10, 2e-10), (3e-6, 3.2e-6), (0, 5e-5),
    (9.99e8, 1.01e9), (16.7e9, 16.8e9), (0, 4e15), (2e18, 3e18), (0, 0.00012), (1000, 1000.0001), (-0.3, 0.3),
    (0, 1e300), (2.5e5, 7e8)])
def test_the_values_of_an_axis_are_true_and_written_alike(feed, low, high):
    feed = feed()
    feed.line("a", value=lambda i: low + (high - low) * i / 99)
    texts = axes(feed.page)["values"]
    numbers = [number_of(text) for text in texts]
    steps = [two - one for one, two in pairwise(sorted(numbers))]
    assert len(numbers) >= 2 and steps == pytest.approx([steps[0]] * len(steps), rel=0.01), texts
    units = {re.sub(r"[-.\d]", "", re.sub(r"e-?\d+", "e", text)) for text in texts if text != "0"}
    assert len(units) == 1, texts
    page_low, page_high = axes(feed.page)["y"]
    assert min(numbers) == pytest.approx(page_low, abs=steps[0]) and max(numbers) <= page_high * (1 + 1e-9) + 1e-12
    assert re.sub(r"[-.\d]", "", re.sub(r"e-?\d+", "e", values(feed.page)["a"])) in units, (values(feed.page), texts)


def test_a_low_strip_names_the_ends_of_a_scale_that_holds_no_round_number(feed):
    seen = feed().page.evaluate("valueTicks({low: 0.005, high: 0.495}, 2.2)")
    assert [value for value, _ in seen] == [0.005, 0.495]


@pytest.mark.parametrize(("seconds", "text"), [
    (11, "11 s"), (59.5, "59 s"), (59.99, "1 min"), (61, "1 min"), (3590, "59 min"), (3601, "1 h"), (86_000, "23 h"),
    (86_399, "1 d"), (364 * 86_400, "364 d"), (365 * 86_400, "1 y")])
def test_a_line_says_for_how_long_it_has_stopped(feed, seconds, text):
    feed = feed()
    feed.line("a")
    feed.passes(seconds)
    assert entries(feed.page)["a"]["note"] == f"stopped {text} ago"


def test_durations_are_written_in_their_greatest_unit(feed):
    page = feed().page
    for duration, text in ((5, "5 ms"), (2310, "2.31 s"), (59_990, "1 min"), (90_000, "1.5 min"), (3_599_000, "1 h"),
                           (86_400_000 * 3, "3 d"), (86_400_000 * 365 * 56, "56 y"), (0.25, "0.25 ms")):
        assert page.evaluate("duration => durationText(duration, threeDigits)", duration) == text


def test_points_find_their_places(feed):
    seen = feed().page.evaluate("""() => { const points = new Points(); const answers = [];
        for (let x = 0; x < 1000; x += 1) points.add(x, -x);
        points.start = 900;
        for (let x = 1000; x < 1100; x += 1) points.add(x, -x);
        answers.push(points.length, points.xs[points.start]);
        const {from, to} = points.placesIn({left: 950.5, right: 960});
        answers.push(points.xs[from], points.xs[to - 1]);
        answers.push(points.xs[points.placeNearest(970.4)], points.xs[points.placeNearest(-5)],
            points.xs[points.placeNearest(5000)]);
        points.add(7, 0);
        answers.push(points.xs[points.start], points.ys[points.start], points.length);
        return answers; }""")
    assert seen == [200, 900, 951, 960, 970, 900, 1099, 7, 0, 201]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 9)), max_size=200), st.integers(0, 50))
def test_points_are_in_order_and_none_is_missing_in_whatever_order_they_come(points_page, points, dropped):
    seen = points_page.evaluate("""([points, dropped]) => { const all = new Points(1);
        for (const [x, y] of points) all.add(x, y);
        all.start = Math.min(dropped, all.end);
        const copy = all.copy();
        all.add(0, 0);
        const list = one => [...one.xs.subarray(one.start, one.end)].map((x, i) => [x, one.ys[one.start + i]]);
        return [list(copy), list(all)]; }""", [points, dropped])
    kept = sorted(points, key=lambda point: point[0])[dropped:]     # stable: equal times stay as they came
    assert seen[0] == [list(point) for point in kept]
    assert seen[1] == [list(point) for point in sorted([*kept, (0, 0)], key=lambda point: point[0])]


def test_scales_have_round_ends(feed):
    page = feed().page
    for low, high, scale in ((0.1, 4.9, [0, 5]), (228, 232, [228, 232]), (0.0012, 0.0019, [0.0012, 0.0019]),
                             (-7, 93, [-20, 100]), (9.9, 10.1, [9.9, 10.1])):
        seen = page.evaluate("([low, high]) => fittingScale({low, high})", [low, high])
        assert [seen["low"], seen["high"]] == pytest.approx(scale), (low, high)


# ---- how it looks ----

def test_times_are_local_and_ticks_at_least_two_seconds_apart_unless_one_looks_closer(feed):
    feed = feed(timezone_id="Asia/Kolkata", viewport={"width": 1280, "height": 720})
    page = feed.page
    for step, label, count in ((0.1, "ten seconds", 4), (0.01, "one second", 3), (1, "100 seconds", 4)):
        feed.line(label, 100, step)
        times = axes(page)["times"]
        written = r"(59|00)\.\d" if step == 0.01 else r"05:(28|29|30):\d\d"
        assert len(times) >= count and all(re.fullmatch(written, time) for time in times), times
        seconds = sorted(float(time) % 59 if step == 0.01 else int(time[3:5]) * 60 + int(time[6:]) for time in times)
        assert all(later - earlier >= (0.09 if step == 0.01 else 2) for earlier, later in pairwise(seconds))
        toggle(page, label)


@pytest.mark.parametrize("width", [400, 1280])
def test_no_label_of_an_axis_is_cut_off_or_in_the_way_of_another(feed, width):
    feed = feed(viewport={"width": width, "height": 700})
    page = feed.page
    for step, value in ((0.1, 10), (1, 1e6), (20, -1e9), (3600, 1), (86_400, 1e300), (0.001, 100)):
        feed.line(f"{step} {value}", 100, step, value=lambda i, value=value: value * i / 99)
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        wait_until(lambda: not page.evaluate("isLayoutOld"))
        for axis, size in (("x", "width"), ("y", "height")):
            boxes = page.evaluate("""axis => [...document.querySelectorAll(`.flot-${axis}-axis text`)]
                .map(one => one.getBoundingClientRect().toJSON()).sort((one, two) => one[axis] - two[axis])""", axis)
            assert 0 < len(boxes) == axes(page)["lines"]["xy".index(axis)], "Flot leaves out what is in the way"
            assert all(box["width"] < 95 for box in boxes)
            assert boxes[0][axis] >= 4, (step, axis, boxes)
            assert all(box["x"] >= 4 and box["right"] <= width - 4 and box["bottom"] <= 698 for box in boxes)
            assert all(one[axis] + one[size] <= two[axis] for one, two in pairwise(boxes))
        toggle(page, f"{step} {value}")


def test_nothing_scrolls_and_the_graph_has_its_part_of_the_window(feed):
    feed = feed()
    page = feed.page

    def judge(width, height):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("""width => { const canvas = document.querySelector("canvas.flot-base");
            return canvas && canvas.clientWidth === width; }""", arg=width)
        box = page.locator(".strip").bounding_box()
        assert box["height"] >= 0.5 * height and box["y"] + box["height"] <= height
        assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
            width, height]
        controls = [control.bounding_box() for control in page.locator(".controls > :not([popover])").all()]
        tops = [control["y"] for control in controls]
        assert max(tops) - min(tops) <= 2 and all(control["height"] <= 32 for control in controls), "one row, small"
        assert controls[-1]["x"] + controls[-1]["width"] <= width
    sizes = [(640, 360), (360, 640), (812, 375), (1000, 600), (3840, 2160)]
    feed.line("one")
    for size in sizes:
        judge(*size)
    feed.fill(192, "{x: now - 192 + i, y: i, label: `sensor ${i % 63}`}")
    assert legend(page) == ["one", *(f"sensor {number}" for number in range(63))]
    for size in sizes:
        judge(*size)
        scrolls = page.locator("#legend").evaluate("one => one.scrollHeight > one.clientHeight")
        assert scrolls or size[1] > 1000
    feed.page.click("#apart")
    judge_strips = page.locator("#placeholder").evaluate("one => one.scrollHeight >= 64 * 60")
    assert judge_strips and page.evaluate("document.documentElement.scrollHeight") == 2160


def test_light_and_dark_also_while_it_is_open(feed):
    feed = feed(color_scheme="light")
    page = feed.page
    feed.line("a", 11, 1, value=lambda i: 2.5)
    for scheme, back in (("light", [255, 255, 255]), ("dark", [0x16, 0x19, 0x1d]), ("light", [255, 255, 255])):
        page.emulate_media(color_scheme=scheme)
        wait_until(lambda back=back: pixel(page, NOW - 5000, 2.5) == [*back, 255])      # inside of a dot
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert color == "rgb({}, {}, {})".format(*back)
        assert page.locator("canvas").count() == 2 and page.locator(".flot-svg").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("apart", ["", "&apart"])
def test_axe_finds_nothing_that_is_in_anybodys_way(feed, scheme, apart):
    feed = feed(apart, color_scheme=scheme)
    page = feed.page
    feed.line("one")
    feed.line("two")
    for label in ("old", "old and hidden", "hidden"):
        feed.line(label, ago=0 if label == "hidden" else 300)
    toggle(page, "old and hidden")
    toggle(page, "hidden")
    hover(page, NOW - 1000)
    page.evaluate("document.querySelector('#hint').hidden = false")
    page.evaluate((Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text())     # see tests/run
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


# ---- legend ----

def test_the_legend_is_in_label_order_and_a_new_label_takes_nobodys_focus(feed):
    feed = feed()
    for label in ("b", "a10", "a2"):
        feed.send(label, [NOW, 1])
    assert legend(feed.page) == ["a2", "a10", "b"]
    feed.page.get_by_role("button", name="a10", pressed=True).focus()
    feed.send("a", [NOW, 1])
    assert legend(feed.page) == ["a", "a2", "a10", "b"]
    assert feed.page.evaluate("document.activeElement.title") == "a10"


def test_a_click_or_enter_hides_a_line_which_then_has_no_say_in_the_axes(feed):
    feed = feed()
    page = feed.page
    feed.line("small", 20, 1, value=lambda i: 1 + i % 3)
    feed.line("big", 20, 60, value=lambda i: 1e6 * (i % 2))
    assert axes(page)["y"] == [0, 1e6] and axes(page)["x"][0] == NOW - 19 * 60_000
    page.click("#legend >> text=big")
    assert sorted(lines(page)) == ["small"]
    assert axes(page)["y"] == [1, 3] and axes(page)["x"][0] == NOW - 19_000
    page.get_by_role("button", name="big", pressed=False).press("Enter")
    assert sorted(lines(page)) == ["big", "small"]
    assert page.get_by_role("button", name="big", pressed=True).count() == 1
    assert axes(page)["y"] == [0, 1e6]
    for label in ("big", "small"):
        page.click(f"#legend >> text={label}")
    assert lines(page) == {}
    assert axes(page)["times"]     # an empty graph, not an empty window


# ---- when nothing comes any more ----

def test_when_all_lines_stop_at_once_those_that_had_stopped_before_do_not_stretch_the_axis(feed):
    feed = feed()
    page = feed.page
    feed.line("old", ago=600)
    feed.passes(60)
    points = feed.line("live")
    before = axes(page)["x"]
    assert before == [points[0][0], points[-1][0]]
    feed.passes(60)         # the server has gone
    assert entries(page)["live"]["note"].startswith("stopped") and axes(page)["x"] == before


def test_who_forgets_a_line_by_keyboard_is_then_on_the_graph(feed):
    feed = feed()
    page = feed.page
    feed.line("old", ago=600)
    feed.passes(60)
    page.get_by_role("button", name="Forget old").focus()
    page.keyboard.press("Enter")
    assert "old" not in entries(page)
    assert page.evaluate("document.activeElement.id") == "placeholder"


def test_a_span_that_is_chosen_is_shown_at_once_even_if_one_pauses_then(feed):
    feed = feed()
    page = feed.page
    feed.line("a", 601, 0.1)
    page.evaluate("""() => { document.getElementById("span").value = "10";
        document.getElementById("span").dispatchEvent(new Event("change")); togglePause(); }""")
    assert axes(page)["x"] == [NOW - 10_000, NOW]
