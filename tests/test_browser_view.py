"""What is chosen behind View: a logarithmic y, statistics of what is shown; and the panel itself."""
import math
import re
import statistics
from itertools import pairwise
from pathlib import Path

import pytest
from browser import (
    NOW,
    axes,
    colors,
    drag,
    entries,
    hover,
    lines,
    number_of,
    place,
    press_in_view,
    toggle,
    values,
    xs,
)
from conftest import wait_until
from hypothesis import given, settings
from hypothesis import strategies as st

COLUMNS = ["Last", "Least", "Greatest", "Mean", "Points", "Points/s"]
COLOR_AT = """([left, top]) => { const canvas = [...document.querySelectorAll("canvas.flot-base")].find(one => {
        const box = one.getBoundingClientRect(); return top >= box.top && top < box.bottom; });
    const box = canvas.getBoundingClientRect();
    return [...canvas.getContext("2d").getImageData(left - box.left, top - box.top, 1, 1).data]; }"""
TICKS = """strip => [...document.querySelectorAll(".strip:not(.time)")].at(strip)
    .querySelectorAll(".flot-y-axis text").values().map(text => { const box = text.getBoundingClientRect();
        return [text.textContent, box.top + box.height / 2]; }).toArray()"""


def table(page):
    """label -> the cells of its row, by their columns; once the table is of what is shown."""
    wait_until(lambda: page.evaluate("statistics.span === span || !paused && !drag"))
    heads = page.locator("#statistics thead th").all_inner_texts()
    assert heads == ["Line", *COLUMNS]
    rows = page.eval_on_selector_all("#rows tr", """rows => rows.map(row =>
        [row.querySelector("bdi").title, ...[...row.querySelectorAll("td")].map(cell => cell.textContent)])""")
    return {label: dict(zip(COLUMNS, cells, strict=True)) for label, *cells in rows}


def shows(page, label, **cells):
    """Waits until the table says so."""
    wanted = {name.capitalize().replace("_", "/"): text for name, text in cells.items()}

    def found():
        page.evaluate("draw()")
        row = table(page).get(label, {})
        return {name: row.get(name) for name in wanted} == wanted
    try:
        wait_until(found, 5)
    except AssertionError:
        raise AssertionError(f"{table(page)}, not {wanted}") from None


def ticks(page, strip=0):
    """The numbers beside a strip, from below: [text, pixels from the top of the window]."""
    return sorted(page.evaluate(TICKS, strip), key=lambda tick: -tick[1])


def top_of(page, y, strip=0):
    """How far from the top of the window y has its place, by the numbers beside a logarithmic strip."""
    (low, low_top), *_, (high, high_top) = ticks(page, strip)
    low, high = math.log10(number_of(low)), math.log10(number_of(high))
    return low_top + (math.log10(y) - low) / (high - low) * (high_top - low_top)


def color_at(page, x, y, strip=0, up=0):
    """[red, green, blue, alpha] at a place on a logarithmic strip, or so many pixels above it."""
    left, _ = place(page, x, strip=strip)
    return page.evaluate(COLOR_AT, [left, top_of(page, y, strip) - up])


def is_on_line(page, x, y, label="a", strip=0):
    """Whether the line is drawn at that place, which the numbers beside the strip say to a pixel or so."""
    wanted = list(bytes.fromhex(colors(page)[label][1:]))
    seen = [color_at(page, x, y, strip, up) for up in (0, -1, 1, -2, 2)]
    return any(color[3] > 150 and color[:3] == pytest.approx(wanted, abs=8) for color in seen)    # more than is filled


# ---- the panel ----

def is_open(page):
    return page.is_visible("#panel")


def focused(page):
    return page.evaluate("document.activeElement.id")


def test_at_first_sight_there_are_four_controls_and_neither_panel_nor_statistics(feed):
    feed = feed()
    feed.line("a")
    assert feed.page.locator(".controls select:visible, .controls button:visible").evaluate_all(
        "all => all.map(one => one.id)") == ["span", "apart", "view", "pause"]
    assert not is_open(feed.page) and not feed.page.is_visible("#statistics")


def test_the_panel_is_opened_and_closed_by_keyboard(feed):
    feed = feed()
    page = feed.page
    feed.line("a")
    for key in ("Enter", "Space"):
        page.focus("#view")
        page.keyboard.press(key)
        assert is_open(page), key
        page.keyboard.press("Escape")
        wait_until(lambda: not is_open(page))
        assert focused(page) == "view"
        page.keyboard.press(key)
        page.keyboard.press(key)
        assert not is_open(page)
        page.keyboard.press(key)
        for button in ("steps", "log", "stats", "save"):
            page.keyboard.press("Tab")
            assert focused(page) == button and is_open(page)
        page.keyboard.press("Shift+Tab")
        page.keyboard.press(key)
        assert page.get_attribute("#stats", "aria-pressed") == ("true" if key == "Enter" else "false")
        page.keyboard.press("Escape")
        wait_until(lambda: not is_open(page))
        assert focused(page) == "view", "the focus comes back"
    assert page.inner_text("#pause") == "Pause", "Space was the buttons'"
    page.click("#apart")
    page.keyboard.press("Space")
    assert page.inner_text("#pause") == "Resume", "where one has pressed by mouse, Space is Pause"


def test_the_panel_closes_where_tab_leads_out_of_it_and_by_a_press_elsewhere(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a")
    page.focus("#view")
    page.keyboard.press("Enter")
    for _ in range(6):
        page.keyboard.press("Tab")
    assert focused(page) == "pause" and not is_open(page)
    page.click("#view")
    page.click("#steps")
    page.click("#panel", position={"x": 3, "y": 3})
    assert is_open(page), "not by a press inside"
    for press in (lambda: page.click("h1"), lambda: page.click("#view"), lambda: page.click("#apart"),
                  lambda: page.mouse.click(*place(page, points[50][0])),
                  lambda: drag(page, points[50][0], points[60][0])):
        if not is_open(page):
            page.click("#view")
        press()
        wait_until(lambda: not is_open(page))
    assert page.inner_text("#pause") == "Resume", "the drag was one, too"


def test_an_open_panel_takes_escape_before_the_hair(feed):
    feed = feed()
    page = feed.page
    feed.line("a")
    page.focus("#placeholder")
    page.keyboard.press("ArrowLeft")
    page.evaluate("document.getElementById('panel').showPopover()")
    page.evaluate("drag = {from: 0.2, to: 0.5}; showSelection()")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Escape")
    wait_until(lambda: not is_open(page))
    assert page.is_visible("#selection")
    page.keyboard.press("Escape")
    assert not page.is_visible("#selection")


def test_what_opens_the_panel_says_whether_it_is_open(feed):
    page = feed().page
    session = page.context.new_cdp_session(page)

    def expanded():
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        view = next(node for node in nodes if node.get("role", {}).get("value") == "button"
                    and node["name"]["value"] == "View")
        return next(one["value"]["value"] for one in view["properties"] if one["name"] == "expanded")
    assert expanded() is False
    page.click("#view")
    assert expanded() is True
    names = page.get_by_role("group", name="View").get_by_role("button").all()
    assert [name.inner_text() for name in names] == ["Steps", "Log scale", "Statistics", "Save CSV",
                                                      "Save PNG"]


@pytest.mark.parametrize(("width", "rows"), [(1200, 1), (800, 1), (360, 2)])
def test_the_controls_stay_one_row_and_the_panel_is_in_the_window(feed, width, rows):
    feed = feed(viewport={"width": width, "height": 640})
    page = feed.page
    feed.line("a")
    page.evaluate("document.getElementById('rate').textContent = '20000 points/s'")
    boxes = [page.locator(name).bounding_box() for name in ("#span", "#apart", "#view", "#pause", "#conn_status")]
    middles = [round(box["y"] + box["height"] / 2) for box in boxes]
    assert max(middles[:4]) - min(middles[:4]) <= 1
    assert (abs(middles[4] - middles[0]) <= 2) == (rows == 1)
    page.click("#view")
    view, panel = (page.locator(name).bounding_box() for name in ("#view", "#panel"))
    assert panel["x"] >= 0 and panel["x"] + panel["width"] <= width and panel["y"] + panel["height"] <= 640
    assert 0 <= panel["y"] - view["y"] - view["height"] < 10, "right below its button"
    assert abs(panel["x"] + panel["width"] - view["x"] - view["width"]) < 10 or panel["x"] < 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["", "&apart", "&log&stats", "&apart&log&stats&steps"])
@pytest.mark.parametrize("width", [800, 360])
def test_axe_finds_nothing_with_panel_and_statistics_open(feed, scheme, view, width):
    feed = feed(view, color_scheme=scheme, viewport={"width": width, "height": 640})
    page = feed.page
    for number in range(12):
        feed.line(f"line {number}", value=lambda i: i % 5)
    toggle(page, "line 1")
    page.click("#view")
    page.evaluate((Path(__file__).parent / "node_modules/axe-core/axe.min.js").read_text())     # see tests/run
    found = page.evaluate("axe.run()")["violations"]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found] == []


# ---- statistics ----

def test_the_statistics_are_those_of_the_span_that_is_shown(feed):
    feed = feed("&span=10")
    page = feed.page
    points = feed.line("a", 200, 0.1, value=lambda i: -1000 if i < 99 else i)
    feed.send("gaps", *[[NOW - 1000 * ago, y] for ago, y in ((60, 500), (8, 1), (6, None), (4, 2), (2, 4.5))])
    feed.line("old", ago=300)
    feed.send("none", [NOW - 500, None])
    assert not page.is_visible("#statistics")
    press_in_view(page, "Statistics")
    assert page.url.endswith("&stats") and page.get_attribute("#stats", "aria-pressed") == "true"
    shows(page, "a", last="199", least="99", greatest="199", mean="149.0", points="101", points_s="10")
    shows(page, "gaps", last="4.5", least="1.0", greatest="4.5", mean="2.50", points="4", points_s="0.4")
    shows(page, "old", last="–", least="–", greatest="–", mean="–", points="–", points_s="–")
    shows(page, "none", last="–", least="–", greatest="–", mean="–", points="1", points_s="0.1")
    assert list(table(page)) == ["a", "gaps", "none", "old"]
    drag(page, points[149][0] - 40, points[159][0] + 40)
    assert page.inner_text("#pause") == "Resume"
    shows(page, "a", last="159", least="149", greatest="159", mean="154.00", points="11")
    assert 10 <= float(table(page)["a"]["Points/s"]) < 11
    shows(page, "gaps", last="2.0", least="2.0", points="1")
    feed.line("a", 50, ago=-5, value=lambda i: 7777)
    shows(page, "a", greatest="159", points="11")
    page.keyboard.press("Space")
    shows(page, "a", last="7777", least="149", greatest="7777", points="101")
    page.select_option("#span", "60")
    shows(page, "a", least="-1000", points="250", points_s="4.17")
    press_in_view(page, "Statistics")
    assert not page.is_visible("#statistics") and "stats" not in page.url


def test_what_rests_has_the_statistics_of_what_rests_at_once(feed):
    feed = feed("&span=10&stats")
    page = feed.page
    feed.line("a", 100, value=lambda i: 5)
    for y in range(100, 105):
        last = page.evaluate("""([now, y]) => {
            const add = y => { addMessage({x: now + 1, y, label: "a"}); draw(); };
            add(1);
            add(y);
            element("pause").click();
            add(999);
            addMessage({x: now, y: 1, label: `new ${y}`});
            draw();
            return document.querySelector("#rows td").textContent; }""", [NOW, y])
        assert last == table(page)["a"]["Last"] == str(y) and lines(page)["a"][-1][1] == y
        assert table(page)[f"new {y}"]["Points"] == "–"
        page.click("#pause")


def test_the_statistics_are_of_all_points_and_have_the_digits_of_the_legend(feed):
    feed = feed("&span=600&stats")
    page = feed.page
    feed.fill(400_000, "{x: now - 400000 + i, label: 'a', "
                       "y: 20 + Math.sin(i * i) + (i === 123456 ? 50.123456 : 0) - (i === 300001 ? 80 : 0)}")
    feed.line("volt", 100, value=lambda i: 230.25 + i % 3)
    feed.line("leak", 100, value=lambda i: 2e-5 + 1e-6 * math.sin(i))
    assert len(xs(page, "a")) <= 1700
    ys = [20 + math.sin(i * i) for i in range(400_000)]
    ys[123_456] += 50.123456
    ys[300_001] -= 80
    shows(page, "a", least=f"{min(ys):.1f}", greatest=f"{max(ys):.1f}", mean=f"{statistics.fmean(ys):.1f}",
          points="400000", points_s="667")
    for label in ("a", "volt", "leak"):
        shows(page, label, last=values(page)[label])
    shows(page, "volt", least="230.25", greatest="232.25", mean="231.240")


def test_a_hidden_line_is_hidden_in_the_table_as_in_the_legend_and_a_forgotten_one_is_gone(feed):
    feed = feed("&stats")
    page = feed.page
    feed.line("b", value=lambda i: 3)
    feed.line("a10")
    feed.line("a2", ago=300)
    assert list(table(page)) == ["a2", "a10", "b"]

    def is_struck(label):
        name = page.locator("#rows bdi", has_text=label)
        return "line-through" in name.evaluate("one => getComputedStyle(one).textDecoration")
    toggle(page, "b")
    wait_until(lambda: is_struck("b") and not is_struck("a10"))
    shows(page, "b", last="3", mean="3.000")
    toggle(page, "b")
    wait_until(lambda: not is_struck("b"))
    page.get_by_role("button", name="Forget a2").click()
    assert list(table(page)) == ["a10", "b"]
    swatch = page.locator("#rows i").first.evaluate("one => getComputedStyle(one).backgroundColor")
    assert swatch == entries(page)["a10"]["color"]


def test_a_moving_table_can_be_read(feed):
    feed = feed("&span=10&stats")
    page = feed.page
    feed.line("a")
    page.evaluate("""() => { window.changes = 0;
        new MutationObserver(() => { changes += 1; }).observe(document.getElementById("rows"),
            {childList: true, characterData: true, subtree: true}); }""")
    took, changes = page.evaluate("""now => new Promise(done => {
        const start = performance.now();
        let i = 0;
        const send = () => {
            i += 1;
            addMessage({x: now + i, y: i, label: "a"});
            if (performance.now() - start < 2000) setTimeout(send, 5);
            else done([performance.now() - start, changes]); };
        send(); })""", NOW)
    assert 1 <= changes <= 2 * took / 1000 + 1


@pytest.mark.parametrize("width", [360, 800])
@pytest.mark.parametrize("count", [3, 64])
def test_the_table_scrolls_within_itself_and_nothing_overlaps(feed, width, count):
    feed = feed("&stats", viewport={"width": width, "height": 640})
    page = feed.page
    feed.fill(3 * count, "{x: now - 1000 + i, y: -123456.789 * Math.sin(i), "
                         f"label: `a long name of ${{i % {count}}}`}}")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") == 640
    statistics_, graph, limit = (page.locator(name).bounding_box() for name in ("#statistics", "#graph", "#legend"))
    assert limit["y"] + limit["height"] <= statistics_["y"]
    assert statistics_["y"] + statistics_["height"] <= graph["y"] and graph["height"] >= 200
    assert statistics_["x"] + statistics_["width"] <= width
    rows = page.eval_on_selector_all("#statistics tr", """rows => rows.slice(0, 3).map(row =>
        [...row.children].map(cell => cell.getBoundingClientRect()).map(({left, right}) => [left, right]))""")
    for row in rows:
        assert all(one[1] <= two[0] + 1 for one, two in pairwise(row))
    page.locator("#statistics").evaluate("one => one.scrollTo(10000, 10000)")
    last = page.locator("#rows tr").last.locator("td").last.bounding_box()
    assert last["x"] + last["width"] <= width and last["y"] + last["height"] <= graph["y"]
    name = page.locator("#rows th").last.bounding_box()
    assert 0 <= name["x"] < 30, "the name stays in sight"
    hit = page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('th') !== null",
                        [name["x"] + name["width"] / 2, name["y"] + name["height"] / 2])
    assert hit, "above the numbers"
    head = page.locator("#statistics thead th").first.bounding_box()
    assert head["y"] == pytest.approx(statistics_["y"], abs=1), "so do the heads"


def test_the_table_is_scrolled_by_keyboard_where_the_focus_is_on_it(feed):
    feed = feed("&stats", viewport={"width": 360, "height": 640})
    page = feed.page
    feed.line("a long name of a line", value=lambda i: -123456.789 * math.sin(i))
    page.click("#statistics")
    page.keyboard.press("ArrowLeft")
    assert page.is_visible("#hair"), "it was pressed, not reached by Tab"
    page.focus(".line")
    page.keyboard.press("Escape")
    while page.evaluate("document.activeElement.id") != "statistics":
        page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    wait_until(lambda: page.evaluate("document.activeElement.id === 'statistics' && document.activeElement.scrollLeft"))
    assert page.is_hidden("#hair")
    page.keyboard.press("Space")
    assert page.inner_text("#pause") == "Resume"


def test_on_paper_the_table_is_whole(feed):
    feed = feed("&stats&log", viewport={"width": 500, "height": 500})
    page = feed.page
    for number in range(20):
        feed.line(f"a rather long name of a line {number}", value=lambda i: 1e-9 * (1 + i))
    page.evaluate("""() => addEventListener("beforeprint", () => {
        const box = document.getElementById("statistics"), table = box.firstElementChild.getBoundingClientRect();
        window.onPaper = {width: table.right, whole: box.scrollHeight === box.clientHeight,
            bottom: table.bottom, graph: document.getElementById("graph").getBoundingClientRect().top}; })""")
    page.pdf(format="A4")
    paper = page.evaluate("onPaper")
    assert paper["width"] <= 700 and paper["whole"] and paper["bottom"] <= paper["graph"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-1e300, 1e300) | st.floats(-5, 5), max_size=40),
       st.integers(0, 45), st.integers(0, 45))
def test_statistics_of_any_numbers_are_right(points_page, ys, left, length):
    right = left + length
    found = points_page.evaluate("""([ys, left, right]) => {
        const points = new Points();
        ys.forEach((y, x) => points.add(x, y === null ? NaN : y));
        const found = statisticsOf(points, {left, right});
        return found && Object.fromEntries(Object.entries(found).map(([name, one]) => [name, `${one}`])); }""",
        [ys, left, right + 0.5])
    inside = ys[left:right + 1]
    if not inside:
        assert found is None
        return
    found = {name: float(text) for name, text in found.items()}
    valued = [y for y in inside if y is not None] or [math.nan]
    mean = math.fsum(y / len(valued) for y in valued)
    last = math.nan if inside[-1] is None else inside[-1]
    wanted = {"last": last, "low": min(valued), "high": max(valued), "mean": mean, "count": len(inside)}
    for name, number in wanted.items():
        off = max(1e-14 * max(map(abs, valued)), 1e-300) if name == "mean" else 0
        assert found[name] == pytest.approx(number, rel=1e-12, abs=off, nan_ok=True), name


# ---- a logarithmic y ----

def loss(i):
    return 2.5 / (1 + i) ** 1.5


def test_a_loss_curve_stands_at_its_logarithms_between_powers_of_ten(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", value=loss)
    assert xs(page, "a")[-1] == NOW
    press_in_view(page, "Log scale")
    assert page.url.endswith("&log") and page.get_attribute("#log", "aria-pressed") == "true"
    assert [text for text, _ in ticks(page)] == ["0.01", "0.1", "1"]
    gaps = [below - above for (_, below), (_, above) in pairwise(ticks(page))]
    assert gaps == pytest.approx([gaps[0]] * 2, abs=1.5)
    for i in (0, 3, 10, 40, 70, 98):
        assert is_on_line(page, *points[i]), i
    x = (points[2][0] + points[3][0]) / 2
    assert is_on_line(page, x, math.sqrt(loss(2) * loss(3))), "straight from one to the next"
    below, above = color_at(page, points[40][0], loss(40), up=-20), color_at(page, points[40][0], loss(40), up=20)
    assert below[3] > 40 and above[3] == 0, "filled below, down to the bottom"
    assert color_at(page, points[3][0], 0.002)[3] > 40
    press_in_view(page, "Log scale")
    assert "log" not in page.url and ticks(page)[0][0] == "0.0"


def test_a_line_is_straight_also_where_it_crosses_the_edge(feed):
    feed = feed("&log&span=10&y=1,10000")
    feed.send("a", [NOW - 20_000, 1], [NOW, 10_000])
    for ago, y in ((9.9, 10 ** 2.02), (5, 1000), (1, 10 ** 3.8)):
        assert is_on_line(feed.page, NOW - 1000 * ago, y), ago
    feed.page.goto(feed.page.url.replace("&y=1,10000", ""))
    wait_until(lambda: feed.page.inner_text("#conn_status") == "Connected")
    feed.page.evaluate(f"addMessage([{{x: {NOW - 20_000}, y: 1, label: 'a'}}, {{x: {NOW}, y: 1e4, label: 'a'}}])")
    feed.page.evaluate("draw()")
    assert [text for text, _ in ticks(feed.page)] == ["100", "1000", "10000"], "as it is drawn there"


@pytest.mark.parametrize("apart", ["", "&apart"])
def test_what_is_not_above_zero_is_left_out_and_the_entry_says_so(feed, apart):
    feed = feed(f"&log&span=10{apart}")
    page = feed.page
    points = feed.line("a", 101, value=lambda i: 0 if 40 <= i < 60 else -3 if i == 80 else 150)
    feed.line("b", 101, value=lambda i: 1 + i)
    feed.line("all", 101, value=lambda i: -1)
    notes = {label: entry["note"] for label, entry in entries(page).items()}
    assert notes == {"a": "≤ 0 left out", "b": "", "all": "≤ 0 left out"}
    if apart:
        assert page.locator(".strip:not(.time) .name").all_inner_texts() == ["a", "all", "b"]
        assert ticks(page, 1) == []
    assert is_on_line(page, points[20][0], 150) and is_on_line(page, points[70][0], 150)
    for i in (50, 80):
        assert not is_on_line(page, points[i][0], 150), "a gap"
    for i, text in ((20, "150"), (50, "0"), (80, "-3")):
        hover(page, points[i][0])
        wait_until(lambda text=text: values(page)["a"] == text)
    page.mouse.move(5, 5)
    page.click("#pause")
    press_in_view(page, "Log scale")
    assert entries(page)["a"]["note"] == "" and axes(page)["y"][0] <= -3
    press_in_view(page, "Log scale")
    assert entries(page)["a"]["note"] == "≤ 0 left out", "also at rest"
    drag(page, points[3][0], points[30][0])
    assert entries(page)["a"]["note"] == "", "there is none in this range"
    page.keyboard.press("Space")
    feed.passes(300)
    assert entries(page)["a"]["note"] == "stopped 5 min ago, ≤ 0 left out"
    assert entries(page)["b"]["note"] == "stopped 5 min ago"
    toggle(page, "a")
    assert entries(page)["a"]["note"] == "stopped 5 min ago", "nothing of it is drawn"


def test_zeros_among_more_points_than_pixels_take_no_other_out(feed):
    feed = feed("&log&span=60")
    feed.fill(60_000, "{x: now - 60000 + i, label: 'a', y: i % 3 ? (i === 30001 ? 1e-3 : 1 + i % 5) : -i % 2}")
    page = feed.page
    drawn = [point for point in lines(page)["a"] if point]
    assert len(drawn) == len(lines(page)["a"]) and len(drawn) > 1000, "none of them is broken"
    assert ticks(page)[0][0] == "0.001"
    assert [round(height, 9) for x, height in drawn if x == NOW - 29_999] == [-3]
    assert entries(page)["a"]["note"] == "≤ 0 left out"


@pytest.mark.parametrize("height", [600, 320])
@pytest.mark.parametrize(("low", "high"), [
    (1, 10), (0.9, 11), (3, 8), (228, 232), (2, 2.1), (1e-6, 2e-6), (4, 21), (0.011, 0.09), (1, 1000), (1e-4, 1e9),
    (7e8, 3e12), (1e-300, 1e300), (5e-324, 1.7e308), (1e-12, 1), (999_999, 1_000_001), (123456789.1, 123456789.2),
    (7, 7), (10, 10), (0.003, 0.003), (1e300, 1e300), (5e-324, 5e-324)])
def test_any_range_has_two_true_numbers_beside_it_and_fills_a_third(feed, low, high, height):
    feed = feed("&log", viewport={"width": 800, "height": height})
    page = feed.page
    feed.line("a", value=lambda i: low if i % 2 else high)
    found = ticks(page)
    assert len({text for text, _ in found}) == len(found) >= 2, found
    numbers = [number_of(text) for text, _ in found]
    assert numbers == sorted(numbers)
    tops = [top for _, top in found]
    assert all(below - above >= 14 for below, above in pairwise(tops)), found
    bottom, top = axes(page)["y"]
    if low > 1e-300 and high < 1e308:
        assert bottom <= math.log10(low) and math.log10(high) <= top
        assert low == high or math.log10(high) - math.log10(low) >= (top - bottom) / 3
    if low > 1e-300 and 10 ** (top - bottom) > 6:
        assert all(re.fullmatch(r"(0\.0*)?[125]0*( [GTP])?|[125]e-?\d+", text) for text, _ in found), found
        for text, place_ in found:
            assert place_ == pytest.approx(top_of(page, number_of(text)), abs=2)
    assert "NaN" not in str(entries(page)) and "Infinity" not in str(entries(page))


@pytest.mark.parametrize(("low", "high", "texts"), [
    (1, 10, "1 2 5 10"), (2, 20, "2 5 10 20"), (0.9, 11, "0.5 1 2 5 10 20"), (7, 8, "7.0 7.2 7.4 7.6 7.8 8.0"),
    (7, 7, "1 2 5 10"), (10, 10, "1 10 100"), (0.003, 0.003, "0.001 0.002 0.005 0.01"), (1, 1000, "1 10 100 1000"),
    (1e-6, 1e10, "1e-6 0.0001 0.01 1 100 10000 1000000 100000000 10 G")])
def test_the_numbers_are_powers_of_ten_or_2_and_5_times_these_and_a_constant_is_between_powers(feed, low, high, texts):
    feed = feed("&log")
    feed.line("a", value=lambda i: low if i % 2 else high)
    assert " ".join(text for text, _ in ticks(feed.page)) == texts


def test_apart_each_strip_has_its_own_logarithms_and_two_numbers(feed):
    feed = feed("&log&apart")
    page = feed.page
    sizes = {"falls": loss, "tiny": lambda i: 1e-9 * (1 + i), "volt": lambda i: 230 + i % 3}
    for label, value in sizes.items():
        feed.line(label, value=value)
    assert [text for text, _ in ticks(page, 1)] == ["1e-9", "1e-8", "1e-7"]
    for strip, label in enumerate(sizes):
        assert is_on_line(page, NOW - 5000, sizes[label](49), label, strip), label
    for count in range(4, 10):
        feed.line(f"more {count}", value=lambda i, count=count: 0.0007 * 10 ** (i * count / 400))
        for strip in range(count):
            texts = [text for text, _ in ticks(page, strip)]
            assert len(set(texts)) == len(texts) >= 2, (count, strip, texts)


def test_a_logarithmic_scale_grows_at_once_and_shrinks_after_some_seconds(feed):
    feed = feed("&log&points=10")
    page = feed.page
    feed.line("noise", value=lambda i: 1 + 9 * (i % 2))
    before = axes(page)["y"]
    assert before == pytest.approx([0, 1])
    feed.send("noise", [NOW + 100, 2000])
    assert axes(page)["y"] == pytest.approx([0, math.log10(2000)])
    feed.passes(2)
    feed.line("noise", 10, value=lambda i: 1 + 9 * (i % 2))
    assert axes(page)["y"] == pytest.approx([0, math.log10(2000)]), "not yet"
    feed.passes(4)
    assert axes(page)["y"] == pytest.approx(before)


def test_a_fixed_scale_is_logarithmic_where_both_ends_are_above_zero_and_else_left_alone(feed):
    feed = feed("&log&y=0.5,3000")
    page, url = feed.page, feed.page.url
    points = feed.line("a", value=lambda i: 1 + i)
    assert axes(page)["y"] == pytest.approx([math.log10(0.5), math.log10(3000)])
    assert [text for text, _ in ticks(page)] == ["1", "10", "100", "1000"] and is_on_line(page, *points[30])
    for other in ("0,5", "-1,1"):
        page.goto(re.sub("y=[^&]*", f"y={other}", url))
        wait_until(lambda: page.inner_text("#conn_status") == "Connected")
        feed.fill(100, "{x: now - 10000 + 100 * i, y: 1 + 999 * (i % 2), label: 'a'}")
        assert [text for text, _ in ticks(page)] == ["1", "10", "100", "1000"]
        press_in_view(page, "Log scale")
        assert axes(page)["y"] == [float(end) for end in other.split(",")], "and there without logarithms"


def test_steps_and_silences_are_drawn_in_logarithms_too(feed):
    feed = feed("&log&steps&span=60")
    page = feed.page
    feed.send("a", [NOW - 50_000, 1], [NOW - 30_000, 100], [NOW - 10_000, 0], [NOW - 5000, 10])
    feed.line("0 clock", 600, value=lambda i: 1000)
    for ago, y in ((40, 1), (20, 100), (2, 10)):
        assert is_on_line(page, NOW - 1000 * ago, y), ago
    assert not is_on_line(page, NOW - 7000, 100), "nothing, where it holds what has no place"
    for ago, text in ((40, "1"), (20, "100"), (7, "0"), (2, "10")):
        hover(page, NOW - 1000 * ago)
        wait_until(lambda text=text: values(page)["a"] == text)
    press_in_view(page, "Steps")
    feed.line("beats", 100, ago=30, value=lambda i: 20)
    feed.line("beats", 100, value=lambda i: 20)
    on_line = [is_on_line(page, NOW - 1000 * ago, 20, "beats") for ago in (35, 20, 5)]
    assert on_line == [True, False, True], "a silence"


def test_a_line_that_begins_without_a_value_is_filled_to_the_bottom(feed):
    feed = feed("&log&span=10")
    page = feed.page
    points = feed.line("a", 101, value=lambda i: 0 if i < 20 else 0.001 if i % 50 else 100)
    x = points[50][0]
    assert color_at(page, x, 0.01)[3] > 40 and color_at(page, x, 10)[3] > 40
    assert color_at(page, points[75][0], 0.5)[3] == 0, "not up to 1"


def test_each_number_has_its_digits_also_where_its_line_has_left_the_span(feed):
    feed = feed("&log&span=10")
    page = feed.page
    feed.line("old", value=lambda i: 2e6 * (1 + math.sin(i) / 3))
    feed.passes(3600)
    numbers = {"a": 2.345678, "b": 0.00012346, "c": 7, "d": 123456.78, "e": 0, "f": 3.456789e-7}
    for label, y in numbers.items():
        feed.line(label, value=lambda i, y=y: y * math.exp(math.sin(i)) if y % 1 else y)
        feed.send(label, [feed.now, y])
    texts = {"a": "2.346", "b": "0.0001235", "c": "7", "d": "123457", "e": "0", "f": "3.457e-7"}
    found = values(page)
    assert {label: found[label] for label in texts} == texts
    assert axes(page)["x"][0] > NOW, "it is out of sight"
    press_in_view(page, "Log scale")
    assert re.fullmatch(r"\d{7}", values(page)["old"]), "not as if it went from 6 to 6.5"
