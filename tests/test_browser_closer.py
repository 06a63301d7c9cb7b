"""The page where one looks closer, with wheel and fingers, compares two times, and takes a picture along."""
import base64
import math
import re
import struct
from pathlib import Path

import pytest
from browser import NOW, axes, colors, drag, entries, hover, length, place, still, toggle, values
from conftest import wait_until


def press(page, button):
    """By its id, wherever it is now."""
    page.evaluate("id => document.getElementById(id).click()", button)


def state(page):
    """Live or Still."""
    return {"Pause": "Live", "Resume": "Still"}[page.inner_text("#pause")]


def over(page, left, right):
    """Drags over a range, and holds on."""
    page.mouse.move(*place(page, left))
    page.mouse.down()
    page.mouse.move(*place(page, right), steps=3)
    wait_until(lambda: page.is_visible("#selection"))


# ---- two times compared ----

@pytest.mark.parametrize("steps", ["", "&steps"])
def test_over_a_range_each_line_says_by_how_much_it_differs(feed, steps):
    feed = feed(steps)
    page = feed.page
    points = feed.line("a", value=lambda i: 100 + i)
    feed.line("falls", value=lambda i: 10 - i / 4)
    feed.line("late", 15)
    before = values(page)
    over(page, points[20][0] + 1, points[80][0] + 1)
    assert values(page) == {"a": "Δ 60", "falls": "Δ -15.00", "late": "–"}
    page.mouse.move(*place(page, points[10][0] + 1), steps=2)
    assert values(page) == {"a": "Δ 10", "falls": "Δ -2.50", "late": "–"}, "from left to right, wherever one began"
    page.keyboard.press("Escape")
    wait_until(lambda: values(page) != before)
    page.mouse.up()
    page.mouse.move(400, 5)
    wait_until(lambda: values(page) == before)


def test_a_gap_has_no_difference_and_in_steps_the_value_that_holds_has(feed):
    feed = feed("&span=20")
    page = feed.page
    feed.line("a", 50, 0.1, ago=10, value=lambda i: 1)
    feed.line("a", 50, 0.1, value=lambda i: 4)
    over(page, NOW - 12_000, NOW - 7_000)
    assert values(page) == {"a": "–"}
    page.mouse.move(*place(page, NOW - 1000))
    assert values(page) == {"a": "Δ 3"}
    page.keyboard.press("Escape")
    page.mouse.up()
    press(page, "steps")
    over(page, NOW - 7_000, NOW - 1000)
    assert values(page) == {"a": "Δ 3"}


def test_the_range_says_how_long_it_is_and_how_often_that_is_in_a_second(feed):
    feed = feed()
    page = feed.page
    feed.line("a", 101, 0.1)
    over(page, NOW - 9000, NOW - 7000)
    found = re.fullmatch(r"Δt ([\d.]+) s · ([\d.]+) (m?)Hz", page.inner_text("#selection"))
    assert found, page.inner_text("#selection")
    seconds, hertz = float(found[1]), float(found[2]) / (1000 if found[3] else 1)
    assert seconds == pytest.approx(2, abs=0.04) and seconds * hertz == pytest.approx(1, abs=0.01)
    texts = page.evaluate("[0.004, 0.5, 1, 16.6667, 1000, 1000.2, 3000, 3600000, 31536000000].map(frequencyText)")
    assert texts == ["250 kHz", "2 kHz", "1 kHz", "60 Hz", "1 Hz", "1 Hz", "333 mHz", "278 µHz", "0.0317 µHz"]


@pytest.mark.parametrize("width", [360, 1200])
def test_what_the_range_says_is_never_cut_off(feed, width):
    feed = feed(viewport={"width": width, "height": 640})
    page = feed.page
    feed.line("a", 101, 0.1)
    for left, right in ((9900, 9000), (800, 0), (300, 0), (5200, 4700), (9990, 10)):
        over(page, NOW - left, NOW - right)
        text = page.locator("#selection span").bounding_box()
        assert text["x"] >= 0 and text["x"] + text["width"] <= width
        page.keyboard.press("Escape")
        page.mouse.up()


@pytest.mark.parametrize("width", [360, 1000])
def test_no_difference_changes_the_width_of_an_entry(feed, width):
    feed = feed(viewport={"width": width, "height": 640})
    page = feed.page
    for label, size, offset in (("a", 0.5, 0), ("b", 5, 0), ("c", 9999, 0), ("d", 99_999, 0), ("e", 0.009, 0),
                                ("f", 1, 20), ("g", 0.01, 1000), ("h", 3e9, 0), ("i", 3e-6, 0), ("j", 8e7, 0)):
        feed.line(label, value=lambda i, size=size, offset=offset: offset + size * (1 - math.cos(i / 15)) / 2)
    feed.line("whole", value=lambda i: i % 7)

    def boxes():
        return [[entry[key] for key in ("x", "y", "width")]
                for entry in (one.bounding_box() for one in page.locator(".entry").all())]
    before = boxes()
    for left, right in ((9800, 5000), (5000, 1000), (9000, 100)):
        over(page, NOW - left, NOW - right)
        assert all(value.startswith("Δ ") for value in values(page).values())
        for was, box in zip(before, boxes(), strict=True):
            assert box == pytest.approx(was, abs=0.4), (values(page), before)
        page.keyboard.press("Escape")
        page.mouse.up()


# ---- a picture ----

class Picture:
    """A PNG as somebody sees it who opens it."""

    def __init__(self, page, data, scale=1.0):
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        self.width, self.height = (round(size * scale) for size in struct.unpack(">II", data[16:24]))
        self.pixels = base64.b64decode(page.evaluate("""async ([data, width, height]) => {
            const image = new Image();
            image.src = data;
            await image.decode();
            const context = new OffscreenCanvas(width, height).getContext("2d");
            context.drawImage(image, 0, 0, width, height);
            const bytes = context.getImageData(0, 0, width, height).data;
            const parts = [];
            for (let i = 0; i < bytes.length; i += 8192)
                parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
            return btoa(parts.join("")); }""", [
            "data:image/png;base64," + base64.b64encode(data).decode(), self.width, self.height]))

    def at(self, x, y):
        """[red, green, blue, alpha]"""
        place = 4 * (y * self.width + x)
        return list(self.pixels[place:place + 4])

    def row(self, y):
        return self.pixels[4 * y * self.width:4 * (y + 1) * self.width]

    def rows_with(self, color):
        """The rows in which some pixels have exactly this colour."""
        pixel = bytes.fromhex(color[1:]) + b"\xff"
        return [y for y in range(self.height) if self.row(y).count(pixel) > 10]

    def blocks(self, size=8):
        """How bright the picture is, from 0 to 255, in each square of so many pixels."""
        found = []
        for top in range(0, self.height - size, size):
            rows = [self.row(top + y)[1::4] for y in range(size)]       # green says enough
            found.append([sum(sum(row[left:left + size]) for row in rows) / size ** 2
                          for left in range(0, self.width - size, size)])
        return found


def most_different(blocks, others):
    """By how much, and in which row and column."""
    return max((abs(one - other), y, x) for y, (row, other_row) in enumerate(zip(blocks, others, strict=False))
               for x, (one, other) in enumerate(zip(row, other_row, strict=True)))


def picture(page):
    """What the button saves, and the name of the file."""
    with page.expect_download() as download:
        press(page, "picture")
    return Path(download.value.path()).read_bytes(), download.value.suggested_filename


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("query", ["", "&apart", "&steps&span=5"])
@pytest.mark.parametrize("size", [(1200, 640), (360, 640)])
def test_a_picture_is_what_the_page_shows_on_white_at_twice_its_resolution(feed, scheme, query, size):
    feed = feed(query, viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page = feed.page
    for label, value in (("office", 20.0), ("a cellar", 0.5), ("the third line", 1200)):
        feed.line(label, value=lambda i, value=value: value * (1 + math.sin(i / 9) / 5))
    data, name = picture(page)
    assert name == "zws 2026-01-01 00.00.00.png"
    page.mouse.move(5, 5)
    page.emulate_media(color_scheme="light")
    wait_until(lambda: page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)")
    page.evaluate("outdateLayout(); draw()")
    top = math.floor(page.locator("#legend").bounding_box()["y"]) - 6
    shot = page.screenshot(clip={"x": 0, "y": top, "width": size[0], "height": size[1] - top})
    blank = page.context.new_page()
    seen, saved = Picture(blank, shot), Picture(blank, data, 0.5)
    width, height = struct.unpack(">II", data[16:24])
    assert width == 2 * size[0] and 2 * (size[1] - top) < height < 2 * (size[1] - top) + 60
    assert most_different(seen.blocks(), saved.blocks()) < (32,)
    ink = [x for y in range(seen.height, saved.height) for x in range(size[0]) if saved.at(x, y)[1] < 160]
    assert ink and size[0] - 170 < min(ink) and max(ink) < size[0] - 4, "the time, below on the right"


def test_a_picture_says_when_it_was_made_and_the_page_is_as_it_was(feed):
    feed = feed("&apart", color_scheme="dark", viewport={"width": 500, "height": 600})
    page = feed.page
    blank = page.context.new_page()
    for number in range(20):
        feed.line(f"line {number:02}")
    page.keyboard.press("Space")
    page.evaluate("document.getElementById('placeholder').scrollTop = 500")
    page.evaluate("document.getElementById('legend').scrollTop = 20")
    page.focus("#pause")
    page.evaluate("draw()")
    before = Picture(blank, page.screenshot()).blocks()
    first, _ = picture(page)
    assert most_different(before, Picture(blank, page.screenshot()).blocks()) < (2,)
    assert state(page) == "Still"
    assert page.evaluate("['legend', 'placeholder'].map(id => document.getElementById(id).scrollTop)") == [20, 500]
    assert page.evaluate("document.activeElement.id") == "pause"
    feed.passes(86_400)
    second, name = picture(page)
    assert name == "zws 2026-01-02 00.00.00.png"
    one, two = Picture(blank, first), Picture(blank, second)
    changed = [y for y in range(one.height) if one.row(y) != two.row(y)]
    assert changed and min(changed) >= one.height - 44


def test_a_picture_holds_all_strips_and_all_names_of_64_lines(feed):
    feed = feed("&apart", viewport={"width": 400, "height": 600}, color_scheme="dark")
    page = feed.page
    feed.fill(6400, """{x: now - 10000 + 1.5625 * i, y: Math.floor(i / 64) % 7,
        label: `sensor ${String(i % 64).padStart(2, "0")} with a rather long name, as some have`}""")
    by_label = page.evaluate("Object.fromEntries([...lines.values()].map(line => [line.label, line.color]))")
    data, _ = picture(page)
    seen = Picture(page.context.new_page(), data)
    assert seen.width == 800 and seen.height > 2 * (64 * 60 + 30 + 64 * 20)
    assert all(seen.at(x, y) == [255, 255, 255, 255] for x, y in ((0, 0), (799, 0), (0, seen.height - 1)))
    legend_rows, strip_rows = [], []
    for _, color in sorted(by_label.items()):
        rows = seen.rows_with(color)
        gap = max(range(1, len(rows)), key=lambda i: rows[i] - rows[i - 1])
        assert 20 <= rows[gap - 1] - rows[0] <= 30, "the swatch"
        assert 50 <= rows[-1] - rows[gap] <= 120, "the line and its name"
        legend_rows.append(rows[0])
        strip_rows.append(rows[gap])
    assert legend_rows == sorted(legend_rows) and strip_rows == sorted(strip_rows)
    assert min(strip_rows) > max(legend_rows)


def test_hidden_lines_are_in_no_picture_and_a_zoomed_one_shows_just_itself(feed):
    feed = feed()
    page = feed.page
    points = feed.line("seen", value=lambda i: 5 * (40 <= i < 60))
    feed.line("hidden")
    color = colors(page)
    toggle(page, "hidden")
    drag(page, points[45][0], points[55][0])
    seen = Picture(page.context.new_page(), picture(page)[0])
    assert not seen.rows_with(color["hidden"])
    rows = seen.rows_with(color["seen"])
    assert rows and max(rows) < seen.height * 0.75, "a constant in the middle"


def test_a_picture_that_browsers_could_not_make_has_fewer_pixels(feed):
    feed = feed("&apart", viewport={"width": 1900, "height": 900}, device_scale_factor=3)
    feed.fill(192, "{x: now - 10000 + i, y: i % 7, label: `line ${i % 64}`}")
    width, height = struct.unpack(">II", picture(feed.page)[0][16:24])
    assert 2 ** 26 * 0.98 < width * height <= 2 ** 26
    feed.page.click("#apart")
    width, height = struct.unpack(">II", picture(feed.page)[0][16:24])
    assert width == 6 * 1900


# ---- the wheel ----

def turn(page, pixels, x=None):
    """Turns the wheel over the graph, up (below 0) or down, at a time or where the pointer is."""
    if x is not None:
        hover(page, x)
    page.mouse.wheel(0, pixels)


def near(page, left, right):
    """Whether about this span is shown."""
    return axes(page)["x"] == pytest.approx([left, right], abs=30)


def test_where_one_has_looked_closer_the_legend_is_that_of_the_picture(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 101, 0.1, value=lambda i: i)
    drag(page, points[20][0] + 10, points[60][0] + 10)
    page.mouse.move(400, 5)
    wait_until(lambda: values(page) == {"a": "60"})
    page.keyboard.press("Escape")
    wait_until(lambda: values(page) == {"a": "100"})


def test_plus_and_minus_look_closer_around_the_hair_and_wider_again(feed):
    feed = feed()
    page = feed.page
    feed.line("a", 101, 0.1, value=lambda i: i)
    whole = axes(page)["x"]
    page.keyboard.press("Home")
    for _ in range(3):
        page.keyboard.press("+")
    assert state(page) == "Still" and length(page) < 5
    assert axes(page)["x"][0] == pytest.approx(whole[0], abs=1), "around the hair"
    for _ in range(4):
        page.keyboard.press("-")
    assert near(page, *whole)
    page.keyboard.press("+")
    page.keyboard.press("Space")
    assert state(page) == "Live"
    wait_until(lambda: axes(page)["x"] == whole)


def test_the_wheel_looks_closer_around_the_pointer_and_wider_again_up_to_the_whole(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 101, 0.1, value=lambda i: i)
    whole = axes(page)["x"]
    turn(page, -100, points[80][0])
    wait_until(lambda: state(page) == "Still")
    left, right = axes(page)["x"]
    assert 5 < length(page) < 9
    assert (points[80][0] - left) / (right - left) == pytest.approx(0.8, abs=0.01), "what is under the pointer stays"
    assert values(page)["a"] == "80" and page.locator("#hair").bounding_box()["x"] == pytest.approx(
        place(page, points[80][0])[0], abs=1.5)
    for _ in range(4):
        before = length(page)
        turn(page, -100)
        wait_until(lambda before=before: length(page) < before)
    assert length(page) < 4
    assert axes(page)["y"][0] > 0, "the scale fits what is seen"
    for _ in range(30):
        turn(page, 100)
    wait_until(lambda: axes(page)["x"] == whole)
    assert axes(page)["y"] == [0, 100] and state(page) == "Still"
    feed.line("a", 10, 0.1, ago=-5)
    page.keyboard.press("Space")
    wait_until(lambda: state(page) == "Live" and axes(page)["x"][1] == NOW + 5000)


def test_a_run_of_turns_is_one_step_for_escape(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 101, 0.1)
    whole = axes(page)["x"]
    hover(page, points[50][0])
    page.evaluate("""() => {
        for (let i = 0; i < 5; i += 1) {
            const turn = new WheelEvent("wheel", {deltaY: -100, clientX: 400, clientY: 300, bubbles: true});
            document.querySelector(".room").dispatchEvent(turn);
        } }""")
    assert length(page) < 4
    page.keyboard.press("Escape")
    assert axes(page)["x"] == whole and state(page) == "Still"
    turn(page, -100)
    wait_until(lambda: length(page) < 9)
    page.keyboard.press("Escape")
    assert axes(page)["x"] == whole and state(page) == "Still"
    page.keyboard.press("Escape")
    wait_until(lambda: state(page) == "Live")


def test_turns_with_something_between_them_are_two_steps(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 101, 0.1)
    turn(page, -100, points[50][0])
    wait_until(lambda: length(page) < 9)
    drag(page, points[40][0], points[60][0])
    wait_until(lambda: length(page) < 3)
    dragged = axes(page)["x"]
    turn(page, -100, points[50][0])
    wait_until(lambda: axes(page)["x"][0] > dragged[0])
    page.keyboard.press("Escape")
    assert axes(page)["x"] == dragged
    turn(page, 1000, points[50][0])
    for _ in range(9):
        turn(page, 100)
    wait_until(lambda: length(page) == pytest.approx(9.9))
    whole = axes(page)["x"]
    turn(page, -100)
    wait_until(lambda: length(page) < 9)
    page.keyboard.press("Escape")
    assert axes(page)["x"] == whole and state(page) == "Still", "the whole was a step"


@pytest.mark.parametrize("look_wider", [lambda page: turn(page, 100), lambda page: page.keyboard.press("-")])
def test_a_picture_that_was_moved_back_is_not_thrown_to_the_end_where_one_looks_wider(feed, look_wider):
    feed = feed("&span=10")
    page = feed.page
    points = feed.line("a", 600, 0.1)
    page.keyboard.down("Shift")
    drag(page, NOW - 8000, NOW - 1000)
    page.keyboard.up("Shift")
    moved = wait_until(lambda: axes(page)["x"][1] < NOW - 6000 and axes(page)["x"])
    look_wider(page)
    still(page)
    assert axes(page)["x"] == moved and points[0][0] < moved[0]
    middle = (moved[0] + moved[1]) / 2
    turn(page, -100, middle)
    wait_until(lambda: length(page) < 9)
    turn(page, 100)
    wait_until(lambda: length(page) == pytest.approx(10))
    assert axes(page)["x"] == pytest.approx(moved, abs=50), "it is where it was"


def test_no_turn_goes_below_a_millisecond_or_is_wild(feed):
    feed = feed()
    page = feed.page
    points = feed.line("a", 101, 0.1)
    turn(page, -100_000, points[50][0])
    wait_until(lambda: state(page) == "Still")
    assert 5 < length(page) < 9
    for _ in range(60):
        turn(page, -1000)
    wait_until(lambda: length(page) == pytest.approx(0.001, rel=0.01))


def test_the_wheel_scrolls_the_page_where_there_is_nothing_to_zoom(feed):
    feed = feed()
    page = feed.page
    page.add_style_tag(content="body { height: 4000px; }")
    scrolled = "window.scrollY"

    def scrolls(pixels):
        turn(page, pixels)
        wait_until(lambda: page.evaluate(scrolled) > 0)
        page.evaluate("window.scrollTo(0, 0)")
        wait_until(lambda: page.evaluate(scrolled) == 0)
    page.mouse.move(400, 400)
    scrolls(50)         # no point has come
    feed.line("a")
    whole = axes(page)["x"]
    scrolls(50)         # there is no wider span than the live one
    assert axes(page)["x"] == whole and state(page) == "Live"
    turn(page, -100)
    wait_until(lambda: state(page) == "Still")
    turn(page, 100)
    wait_until(lambda: axes(page)["x"] == whole)
    assert page.evaluate(scrolled) == 0
    page.evaluate("new Promise(done => setTimeout(done, 700))")     # else Chromium takes it for one gesture with those
    scrolls(50)
    page.mouse.move(400, 10)
    scrolls(50)         # not over the graph


def test_where_strips_scroll_the_wheel_scrolls_them_and_with_ctrl_it_looks_closer(feed):
    feed = feed("&apart")
    page = feed.page
    for number in range(20):
        feed.line(f"line {number}")
    whole = axes(page)["x"]
    page.mouse.move(400, 400)
    turn(page, 200)
    wait_until(lambda: page.evaluate("document.getElementById('placeholder').scrollTop") == 200)
    turn(page, -100)
    wait_until(lambda: page.evaluate("document.getElementById('placeholder').scrollTop") == 100)
    assert state(page) == "Live"
    page.keyboard.down("Control")
    turn(page, -100)
    wait_until(lambda: state(page) == "Still" and axes(page, 5)["x"] != whole)
    assert page.evaluate("document.getElementById('placeholder').scrollTop") == 100
    page.keyboard.up("Control")


# ---- moving the still picture ----

def shift_drag(page, left, right, release=True):
    page.keyboard.down("Shift")
    page.mouse.move(*place(page, left))
    page.mouse.down()
    x, y = place(page, right)
    page.mouse.move((place(page, left)[0] + x) / 2, y)
    page.mouse.move(x, y)
    if release:
        page.mouse.up()
        page.keyboard.up("Shift")


def test_dragging_with_shift_moves_the_picture_through_all_points_that_there_are(feed):
    feed = feed("&span=10")
    page = feed.page
    feed.line("a", 601, 0.1, value=lambda i: i)
    shift_drag(page, NOW - 8000, NOW - 4000)
    wait_until(lambda: state(page) == "Still")
    assert not page.is_visible("#selection") and axes(page)["x"][1] == pytest.approx(NOW - 4000, abs=2500)
    left = axes(page)["x"][0]
    shift_drag(page, left + 2000, left + 9000)
    assert near(page, left - 7000, left + 3000) or axes(page)["x"][0] == pytest.approx(left - 7000, abs=150)
    assert length(page) == pytest.approx(10)
    for _ in range(8):
        left = axes(page)["x"][0]
        shift_drag(page, left + 500, left + 9500)
    assert near(page, NOW - 60_000, NOW - 50_000), "to the oldest point"
    for _ in range(8):
        left = axes(page)["x"][0]
        shift_drag(page, left + 9500, left + 500)
    assert near(page, NOW - 10_000, NOW), "and back to the end"


def test_what_is_held_stays_under_the_pointer_and_escape_takes_it_back(feed):
    feed = feed("&span=10")
    page = feed.page
    points = feed.line("a", 601, 0.1)
    drag(page, points[540][0], points[580][0])
    before = axes(page)["x"]
    shift_drag(page, points[550][0], points[570][0], release=False)
    wait_until(lambda: axes(page)["x"] != before)
    x, _ = place(page, points[550][0])
    assert page.locator("#hair").bounding_box()["x"] == pytest.approx(x, abs=8)
    page.keyboard.press("Escape")
    assert axes(page)["x"] == before
    page.mouse.move(300, 400, steps=3)
    assert axes(page)["x"] == before, "it has let go"
    page.mouse.up()
    page.keyboard.up("Shift")
    assert axes(page)["x"] == before and not page.is_visible("#selection")
    page.keyboard.press("Escape")
    assert near(page, NOW - 10_000, NOW) and state(page) == "Still"
    page.keyboard.press("Escape")
    wait_until(lambda: state(page) == "Live")


def test_a_click_with_shift_moves_nothing(feed):
    feed = feed()
    page = feed.page
    feed.line("a")
    before = axes(page)
    page.keyboard.down("Shift")
    page.mouse.move(400, 400)
    page.mouse.down()
    page.mouse.move(402, 400)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert axes(page) == before and state(page) == "Live"


# ---- fingers ----

@pytest.fixture
def fingers():
    """Puts fingers on a page: `touch(page, [(x, y), ...], [(x, y), ...], ...)`, from one place to the next."""
    sessions = {}

    def touch(page, *steps, lift=True):
        session = sessions.setdefault(page, None) or page.context.new_cdp_session(page)
        sessions[page] = session
        for number, step in enumerate(steps):
            session.send("Input.dispatchTouchEvent", {
                "type": "touchMove" if number else "touchStart",
                "touchPoints": [{"x": x, "y": y, "id": finger} for finger, (x, y) in enumerate(step)]})
        if lift:
            session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    return touch


def between(start, end, count=6):
    """Fingers on their way from some places to others."""
    return [[(x + (to_x - x) * i / count, y + (to_y - y) * i / count)
             for (x, y), (to_x, to_y) in zip(start, end, strict=True)] for i in range(count + 1)]


def test_two_fingers_that_part_look_closer_as_one_step_for_escape(feed, fingers):
    feed = feed(has_touch=True)
    page = feed.page
    points = feed.line("a", 101, 0.1, value=lambda i: i)
    whole = axes(page)["x"]
    middle, y = place(page, points[50][0])
    fingers(page, *between([(middle - 50, y), (middle + 50, y)], [(middle - 150, y), (middle + 150, y)]))
    wait_until(lambda: state(page) == "Still" and length(page) < 4.2)
    left, right = axes(page)["x"]
    assert length(page) > 2.8 and (left + right) / 2 == pytest.approx(points[50][0], abs=150)
    assert not page.is_visible("#selection")
    page.keyboard.press("Escape")
    assert axes(page)["x"] == whole and state(page) == "Still"
    page.keyboard.press("Escape")
    wait_until(lambda: state(page) == "Live")


def test_two_fingers_that_come_together_look_wider_and_no_wider_than_the_whole(feed, fingers):
    feed = feed(has_touch=True)
    page = feed.page
    points = feed.line("a", 101, 0.1, value=lambda i: i)
    whole = axes(page)["x"]
    drag(page, points[40][0], points[60][0])
    fingers(page, *between([(300, 300), (500, 500)], [(370, 370), (430, 430)]))
    wait_until(lambda: length(page) > 5)
    fingers(page, *between([(200, 300), (700, 300)], [(400, 300), (420, 300)]))
    wait_until(lambda: near(page, *whole))


def test_two_fingers_move_the_picture(feed, fingers):
    feed = feed("&span=10", has_touch=True)
    page = feed.page
    feed.line("a", 601, 0.1)
    pixels = place(page, NOW)[0] - place(page, NOW - 10_000)[0]
    fingers(page, *between([(200, 300), (300, 320)], [(400, 300), (500, 320)], 10))
    wait_until(lambda: state(page) == "Still")
    assert length(page) == pytest.approx(10, abs=0.3)
    assert axes(page)["x"][1] == pytest.approx(NOW - 10_000 * 190 / pixels, abs=500)


def test_a_finger_that_slips_does_not_look_closer(feed, fingers):
    feed = feed(has_touch=True)
    page = feed.page
    points = feed.line("a", 101, 0.1, value=lambda i: i)
    x, y = place(page, points[50][0])
    fingers(page, *between([(x, y)], [(x + 12, y)]))
    assert state(page) == "Live" and page.is_visible("#hair")
    fingers(page, *between([(x, y)], [(x + 40, y)]))
    wait_until(lambda: state(page) == "Still")


@pytest.mark.parametrize("apart", ["", "&apart"])
def test_one_finger_still_scrolls_strips_and_reads_and_drags_over_a_range(feed, fingers, apart):
    feed = feed(apart, has_touch=True, is_mobile=True, viewport={"width": 400, "height": 600})
    page = feed.page
    for number in range(20):
        points = feed.line(f"line {number:02}", value=lambda i: i)
    if apart:
        fingers(page, *between([(200, 500)], [(205, 250)]))
        wait_until(lambda: page.evaluate("document.getElementById('placeholder').scrollTop") > 100)
        assert state(page) == "Live"
        wait_until(lambda: not page.is_visible("#hair"))
    one, two = place(page, points[20][0]), place(page, points[60][0])
    y = 400
    fingers(page, *between([(one[0], y)], [(two[0], y)]), lift=False)
    wait_until(lambda: page.is_visible("#selection") and entries(page)["line 00"]["value"].startswith("Δ "))
    fingers(page)
    wait_until(lambda: state(page) == "Still")
    in_sight = page.evaluate("""() => {
        const {scrollTop} = document.getElementById("placeholder");
        const strips = [...document.querySelectorAll(".strip:not(.time)")];
        return strips.findIndex(strip => strip.offsetTop >= scrollTop); }""")
    left, right = axes(page, in_sight)["x"]
    assert 3000 < right - left < 5000
