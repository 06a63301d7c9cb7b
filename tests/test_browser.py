"""The page in a real browser: what a user sees of the points, whatever the publishers, the server and the window do."""
import contextlib
import json
import re
import time

import pytest
from browser import (
    LINES,
    START,
    axes,
    colors,
    drag,
    entries,
    legend,
    lines,
    moves,
    only,
    pixel,
    place,
    ramp,
    status,
    still,
    toggle,
    xs,
)
from conftest import wait_until
from test_nodes import Link

HOSTILE = ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "__proto__", "constructor", "toString",
           "a&b &amp;", "%H<br>x", "שלום, עולם", "\u202egnp.exe", "🌊 wave", "W" * 64, "line\nbreak", "'\"`${x}"]

HIDDEN = ["a/b", "ü", "a,b & c=d", "1+1 %", "#x", "🌊?"]


def again(zws, server, *options):
    """The same server once more, on the same ports."""
    return zws("--http-port", server.http_port, "--ws-port", server.ws_port, "--zmq", server.zmq, *options)


# ---- the article's page ----

def test_three_tabs_opened_one_after_another_all_connect_and_move(zws, open_tab):
    server = zws()
    pages = []
    for _ in range(3):
        pages.append(open_tab(server.url))
        wait_until(lambda: status(pages[-1]) == "Connected")
    for page in pages:
        moves(page)


def test_before_any_script_runs_it_says_not_connected_in_bold(zws, chromium):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(zws().url)
    assert page.title() == "ZWS Example"
    assert page.inner_text("h1") == "ZMQ - WebSocket Example"
    assert page.inner_text("b#conn_status") == "Not Connected"
    context.close()


def test_the_graph_is_as_wide_as_the_window_whatever_its_size(zws, open_tab):
    page = open_tab(zws().url)
    for width, height in ((600, 400), (400, 700), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        moves(page)
        wait_until(lambda width=width: page.locator("canvas.flot-base").bounding_box()["width"] == width)
        box = page.locator("#placeholder").bounding_box()
        assert box["width"] == width and box["height"] >= 0.4 * height and box["x"] == 0
        assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate("document.documentElement.scrollHeight") == 720


def test_a_filled_line_and_points(source, open_tab):
    server, send = source()
    times = ramp(send, value=lambda i: 2.5)
    page = open_tab(server.url)
    wait_until(lambda: xs(page) == times)
    line, point, below, above = (pixel(page, START + x, y) for x, y in (
        (5500, 2.5), (5000, 2.5), (5500, 1.3), (5500, 3.3)))
    assert line == [0x3a, 0x7b, 0xd5, 255]
    assert point == [255, 255, 255, 255]
    assert below[2] > 200 and 50 < below[3] < 110
    assert above[3] == 0
    assert legend(page) == ["Value"]


def test_it_connects_by_an_ipv6_address_too(zws, open_tab):
    page = open_tab(zws("--host", "::1").url)
    wait_until(lambda: status(page) == "Connected" and xs(page))


def test_the_sine_wave_alone_is_the_articles_graph_from_the_start(zws, open_tab):
    page = open_tab(zws("--history", "0").url)
    wait_until(lambda: xs(page))
    wait_until(lambda: axes(page)["y"] == [0, 5])       # as soon as the wave has been up and down once
    assert len(xs(page)) < 80 and sorted(axes(page)["values"]) == [*"012345"]
    assert page.evaluate(f"({LINES})()")[0]["dots"]
    moves(page)
    assert axes(page)["y"] == [0, 5]


def test_it_draws_the_last_100_points_or_those_asked_for(source, open_tab):
    server, send = source("--history", "500")
    times = ramp(send, 450)
    page, ws = open_tab("about:blank"), f"ws={server.ws_port}"
    for query, count in (("", 100), ("points=150", 150), (f"{ws}&points=20.5", 20), (f"{ws}&points=-3", 2),
                         (f"{ws}&points=many", 100), (f"{ws}&points=0", 100)):
        page.goto(f"{server.url}?{query}")
        wait_until(lambda: xs(page)[-1:] == times[-1:])
        assert xs(page) == times[-count:], query
        assert axes(page)["x"] == [times[-count], times[-1]]


def test_an_address_keeps_its_view_through_the_redirect_that_adds_the_port(source, open_tab):
    server, send = source("--history", "500")
    ramp(send, 250, "a", step=100)
    ramp(send, 250, "b", step=100)
    page = open_tab(f"{server.url}?span=60&y=-1,1&apart&points=200")
    wait_until(lambda: len(lines(page)) == 2)
    assert page.url == f"{server.url}?ws={server.ws_port}&span=60&y=-1,1&apart=&points=200"
    assert axes(page)["y"] == [-1, 1] and axes(page)["x"][1] - axes(page)["x"][0] == 60_000
    page.select_option("#span", "")
    page.click("#apart")
    assert page.url == f"{server.url}?ws={server.ws_port}&y=-1,1&points=200"
    wait_until(lambda: len(xs(page, "a")) == 200)


def test_an_address_keeps_its_hidden_lines_through_that_redirect_whatever_their_labels(source, open_tab):
    server, send = source()
    for label in ("shown", *HIDDEN):
        ramp(send, 5, label)
    page = open_tab(server.url)
    wait_until(lambda: len(lines(page)) == 1 + len(HIDDEN))
    for label in HIDDEN:
        toggle(page, label)
    page.goto(f"{server.url}?{page.url.split('&', 1)[1]}")
    wait_until(lambda: list(lines(page)) == ["shown"] and len(legend(page)) == 1 + len(HIDDEN))
    page.goto(f"{server.url}?hide=a/b&hide=%C3%BC")
    wait_until(lambda: set(lines(page)) == {"shown", *HIDDEN} - {"a/b", "ü"})


def test_nothing_fails_and_nothing_comes_from_another_host(zws, chromium):
    server, context = zws(), chromium.new_context()
    requests, failures = [], []
    page = context.new_page()
    page.add_init_script("addEventListener('securitypolicyviolation', event => console.error(event.blockedURI))")
    page.on("request", lambda request: requests.append(request.url))
    page.on("websocket", lambda socket: requests.append(socket.url))
    page.on("response", lambda answer: failures.append(answer.url) if answer.status >= 400 else None)
    page.on("console", lambda message: failures.append(message.text))
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.goto(server.url)
    moves(page)
    page.mouse.move(300, 300)
    page.click("#apart")
    page.emulate_media(color_scheme="dark")
    moves(page)
    context.close()
    assert failures == []
    assert len(requests) >= 5
    for url in requests:
        assert re.match(rf"(http://localhost:{server.http_port}|ws://localhost:{server.ws_port})/|data:image/svg", url)


# ---- labels and lines ----

def test_hostile_labels_appear_as_text_and_nothing_runs(source, open_tab):
    server, send = source()
    page = open_tab(server.url)
    ran = []

    def refuse(dialog):
        ran.append(dialog.message)
        dialog.dismiss()
    page.on("dialog", refuse)
    for label in HOSTILE:
        ramp(send, 11, label)
    wait_until(lambda: sorted(lines(page)) == sorted(HOSTILE))
    shown = page.eval_on_selector_all("#legend bdi", "names => names.map(name => name.textContent)")
    assert sorted(shown) == sorted(HOSTILE)
    assert all(box["width"] <= 400 for box in (entry.bounding_box() for entry in page.locator(".entry").all()))
    page.click("#apart")
    names = page.eval_on_selector_all(".name", "names => names.map(name => name.textContent)")
    assert sorted(names) == sorted(["", *shown]), "one for each strip, and none for the times"
    page.click("#apart")
    for label in HOSTILE:
        only(page, label)
        page.mouse.move(*place(page, START + 5000))
        page.focus("#placeholder")
        page.keyboard.press("ArrowLeft")
        assert label in page.get_attribute("#placeholder", "aria-valuetext")
    assert page.locator("#placeholder img, #legend img, #graph script, body script").count() == 0
    assert ran == []


def test_one_line_per_label_in_a_color_the_same_in_every_tab_and_after_a_restart(source, zws, publish, open_tab):
    labels = ["cpu", "disk", "io", "memory", "swap"]    # no two of them want the same color
    server, send = source()
    first = open_tab(server.url, may_fail=True)
    for label in labels:
        ramp(send, 11, label)
    wait_until(lambda: sorted(lines(first)) == labels)
    seen = colors(first)
    assert len(set(seen.values())) == 5
    second = open_tab(server.url, may_fail=True)
    wait_until(lambda: colors(second) == seen)
    server.stop(9)
    server = again(zws, server, "--source", "none")
    send = publish(server)
    for label in reversed(labels):
        ramp(send, 12, label)
    third = open_tab(server.url)
    wait_until(lambda: colors(third) == seen)
    wait_until(lambda: len(xs(first, "cpu")) == 12)
    assert colors(first) == seen
    for label, color in seen.items():
        assert entries(first)[label]["color"] == "rgb({}, {}, {})".format(*bytes.fromhex(color[1:]))


def test_ten_labels_have_ten_colors_the_same_in_every_tab_also_where_they_want_the_same(source, open_tab):
    server, send = source()
    first = open_tab(server.url)
    for label in ("a", "k", "u", "b", "l", "v", "temperature", "humidity", "a b", "b a"):
        ramp(send, 2, label)
    wait_until(lambda: len(set(colors(first).values())) == 10)
    second = open_tab(server.url)
    wait_until(lambda: colors(second) == colors(first))


# ---- pause, rate, look ----

def test_pause_freezes_the_picture_while_data_goes_on(zws, publish, open_tab):
    server = zws()
    page = open_tab(server.url)
    moves(page)
    page.get_by_role("button", name="Pause").click()
    before, received = lines(page), page.evaluate("received")
    wait_until(lambda: page.evaluate("received") >= received + 10)
    send = publish(server)
    ramp(send, 3, "new")
    wait_until(lambda: "new" in legend(page))
    page.set_viewport_size({"width": 500, "height": 500})       # everything that draws meanwhile
    page.emulate_media(color_scheme="dark")
    for _ in "hide", "show":
        page.click("#legend >> text=Value")
    still(page)
    assert lines(page)["Value"] == before["Value"]
    page.get_by_role("button", name="Resume").click()
    wait_until(lambda: xs(page)[-1] > before["Value"][-1][0])
    assert sum(x > before["Value"][-1][0] for x in xs(page)) > 10
    assert "new" in lines(page)
    moves(page)


def test_the_space_bar_pauses_wherever_the_mouse_has_been(zws, open_tab):
    page = open_tab(zws().url)
    moves(page)
    for clicked in "#apart", "#apart", "h1", ".line", ".line", "#placeholder":
        page.click(clicked)
        for button in "Resume", "Pause":
            page.keyboard.press("Space")
            assert page.inner_text("#pause") == button
    assert page.get_attribute(".line", "aria-pressed") == "true"
    assert page.get_attribute("#apart", "aria-pressed") == "false"
    moves(page)


def test_the_space_bar_presses_the_button_to_which_tab_has_led(zws, open_tab):
    page = open_tab(zws().url)
    moves(page)
    page.focus("#span")
    page.keyboard.press("Tab")
    for pressed in "true", "false":
        page.keyboard.press("Space")
        assert page.get_attribute("#apart", "aria-pressed") == pressed
        assert page.inner_text("#pause") == "Pause"
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.inner_text("#pause") == "Resume"


def test_it_says_how_many_points_come_in_a_second_and_history_is_none_of_them(zws, publish, open_tab):
    def fill(server):
        for label in "abcdef":
            ramp(publish(server), 100, label)

    def says_ten():
        text = re.fullmatch(r"([\d.]+) points/s", page.inner_text("#rate"))
        return text and 6 <= float(text[1]) <= 15
    server = zws()
    fill(server)
    page = open_tab(server.url, may_fail=True)
    wait_until(says_ten)
    page.context.set_offline(True)      # so that it does not connect before there is a history
    server.stop(9)
    fill(again(zws, server))
    received = page.evaluate("received")
    page.context.set_offline(False)
    wait_until(lambda: page.evaluate("received") >= received + 600)
    said = wait_until(lambda: page.inner_text("#rate"))
    assert 6 <= int(said.split()[0]) <= 15, said


def test_after_the_timers_of_a_hidden_tab_have_slept_it_still_says_how_many_points_come_in_a_second(feed):
    page = feed().page
    page.evaluate("""() => {
        openedAt -= 10 * SECOND;  // all history has come
        countedAt -= 59 * SECOND;  // since when no timer was run
        addMessage(Array.from({length: 600}, (_, i) => ({x: i, y: i}))); }""")
    wait_until(lambda: page.inner_text("#rate"))
    assert 9 <= int(page.inner_text("#rate").split()[0]) <= 11


def test_a_screen_reader_finds_its_way(zws, open_tab):
    page = open_tab(zws().url)
    moves(page)
    assert page.get_attribute("html", "lang") == "en"
    assert page.get_by_role("heading", name="ZMQ - WebSocket Example", level=1).count() == 1
    assert "Connected" in page.get_by_role("status").inner_text()
    assert page.get_by_role("slider", name="Graph of the points by time").count() == 1
    assert page.get_by_role("group", name="Lines").get_by_role("button", name="Value", pressed=True).count() == 1
    for role, name in (("combobox", "Span of time"), ("button", "Apart"), ("button", "View"), ("button", "Pause")):
        page.keyboard.press("Tab")
        assert page.get_by_role(role, name=name, exact=True).evaluate("one => one === document.activeElement")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "one sees where the focus is"
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="Resume").count() == 1
    page.get_by_role("button", name="Apart").press("Enter")
    assert page.get_by_role("button", name="Apart", pressed=True).count() == 1


# ---- a server that goes and comes, a tab that is hidden ----

def test_a_server_that_was_killed_is_found_again_within_six_seconds(zws, publish, open_tab):
    server = zws()
    page = open_tab(server.url, may_fail=True)
    moves(page)
    page.evaluate("""() => { window.said = []; const retry = document.querySelector("#retry");
        new MutationObserver(() => said.push(retry.textContent)).observe(retry, {childList: true}); }""")
    server.stop(9)
    said = wait_until(lambda: "next try" in page.inner_text("#retry") and page.get_by_role("status").inner_text())
    assert re.fullmatch(r"Server gone, next try in \d\.\d s( \(.*\))?", said)
    assert page.inner_text("#rate") == ""
    said = wait_until(lambda: [text for text in page.evaluate("said") if "next try in " in text][2:]
                      and page.evaluate("said"))
    tries = [text for text in said if "next try in " in text]
    waits = [float(text.split()[4]) for text in tries]
    for wait, least, most in zip(waits, (0.5, 1, 2), (0.7, 1.3, 2.5), strict=False):
        assert least <= wait <= most
    assert ["the server's log" in text for text in tries[:3]] == [False, False, True], "after the second that failed"
    assert status(page) == "Server gone"
    server = again(zws, server)
    wait_until(lambda: status(page) == "Connected", 6)
    assert page.inner_text("#retry") == ""
    moves(page)


def test_a_page_that_is_refused_names_the_place_that_tells_why_and_is_let_in_as_that_says(zws, open_tab, request):
    server = zws("--source", "none")
    tunnel = Link(f"tcp://127.0.0.1:{server.http_port}")
    request.addfinalizer(tunnel.cut)
    page = open_tab(f"http://localhost:{tunnel.address[1]}/graph.html?ws={server.ws_port}", may_fail=True)
    said = wait_until(lambda: "see the server's log" in page.inner_text("#retry") and page.inner_text("#retry"))
    assert re.fullmatch(r", next try in \d\.\d s \(see the server's log\)", said)
    assert status(page) == "Not Connected", "it never was"
    server.stop()
    advice = re.search(r"--allow-host localhost:\d+", server.stderr)
    assert advice, server.stderr
    again(zws, server, "--source", "none", *advice[0].split())
    wait_until(lambda: status(page) == "Connected")
    assert page.inner_text("#retry") == ""


def test_a_server_that_ends_properly_leaves_the_tab_closed_not_in_error(zws, open_tab):
    server = zws()
    page = open_tab(server.url, may_fail=True)
    moves(page)
    server.stop()
    assert wait_until(lambda: status(page) != "Connected" and status(page)) == "Closed"


def test_after_a_new_connection_the_history_doubles_nothing(source, zws, publish, open_tab):
    runs = [*range(30, 80), *range(20)]
    cases = {   # label: the points before and after, and those to be seen
        "an overlap": (range(50), range(30, 60), range(60)),
        "all and more": (range(50), range(60), range(60)),
        "older ones too": (range(30, 50), range(60), range(60)),
        "a gap": (range(20), range(40, 60), [*range(20), *range(40, 60)]),
        "a new run": (runs, [*runs, 20], range(21)),
        "x stands still": ([7] * 20, [7] * 25, [7] * 25)}
    server, send = source()
    page = open_tab(server.url, may_fail=True)
    for stage in (0, 1):
        for label, case in cases.items():
            for x in case[stage]:
                send({"x": START + x, "y": 1, "label": label})
        for label, case in cases.items():
            seen = [START + x for x in (case[2] if stage else range(20) if label == "a new run" else case[0])]
            wait_until(lambda label=label, seen=seen: xs(page, label) == seen)
        if stage == 0:
            server.stop(9)
            send = publish(again(zws, server, "--source", "none"))


class HiddenTab:
    """A tab behind another one, really hidden: Playwright's own pages all think that they are seen."""

    def __init__(self, browser, url):
        self.cdp, self.answers, self.count = browser.new_browser_cdp_session(), {}, 0
        self.context = self.cdp.send("Target.createBrowserContext")["browserContextId"]
        self.tab = self.open(url)
        self.session = self.cdp.send("Target.attachToTarget", {"targetId": self.tab, "flatten": False})["sessionId"]
        self.cdp.on("Target.receivedMessageFromTarget", self.hear)

    def open(self, url):
        return self.cdp.send("Target.createTarget", {"url": url, "browserContextId": self.context})["targetId"]

    def hear(self, event):
        message = json.loads(event["message"])
        self.answers[message.get("id")] = message

    def evaluate(self, expression):
        self.count += 1
        parameters = {"expression": expression, "returnByValue": True}
        message = json.dumps({"id": self.count, "method": "Runtime.evaluate", "params": parameters})
        self.cdp.send("Target.sendMessageToTarget", {"sessionId": self.session, "message": message})
        wait_until(lambda: self.cdp.send("Browser.getVersion") and self.count in self.answers)
        return self.answers.pop(self.count)["result"]["result"].get("value")

    def xs(self):
        return [x for line in self.evaluate(f"({LINES})()") or [] for x, _ in filter(None, line["data"])]

    def hide(self):
        self.open("about:blank")
        wait_until(lambda: self.evaluate("document.hidden"))

    def show(self):
        self.cdp.send("Target.activateTarget", {"targetId": self.tab})
        wait_until(lambda: not self.evaluate("document.hidden"))

    def close(self):
        self.cdp.send("Target.disposeBrowserContext", {"browserContextId": self.context})
        self.cdp.detach()


def test_a_hidden_tab_is_current_at_once_when_shown(source, chromium):
    server, send = source()
    with contextlib.closing(HiddenTab(chromium, server.url)) as tab:
        wait_until(lambda: tab.evaluate("document.readyState") == "complete")
        times = ramp(send, 20)
        wait_until(lambda: tab.xs() == times)
        tab.hide()
        times = ramp(send, 5000, start=START + 100_000)
        wait_until(lambda: tab.evaluate("received") == 5020)
        tab.show()
        wait_until(lambda: tab.xs() == times[-100:], 2)
        send({"x": START + 10_000_000, "y": 1})
        wait_until(lambda: tab.xs()[-1] == START + 10_000_000)


def test_a_hidden_tab_tries_to_connect_at_once_when_shown(source, chromium):
    server, _ = source()
    with contextlib.closing(HiddenTab(chromium, server.url)) as tab:
        wait_until(lambda: tab.evaluate("document.getElementById('conn_status').textContent") == "Connected")
        tab.hide()
        tab.evaluate("setTimeout = () => 1")    # from now on no timer ends
        server.stop(9)
        wait_until(lambda: tab.evaluate("retry") == 1)
        assert tab.evaluate("attempts") == 0
        tab.show()
        wait_until(lambda: tab.evaluate("attempts") == 1)


# ---- points that are extreme, and many ----

@pytest.mark.parametrize("field", ["x", "y"])
def test_no_point_stops_the_page_or_takes_the_others_out_of_sight(source, open_tab, field):
    server, send = source()
    page = open_tab(server.url)
    now = int(time.time() * 1000)
    odd = {"x": [0, 0.001, 1.5e12, 4e12, 8.6e15, -8.6e15, 8.64e15, 1e300, -1e300],
           "y": [1e308, -1e308, 1.7976931348623157e308, -1.7976931348623157e308, 5e-324, 123456789.12345679]}[field]
    for value in odd:
        for i in range(12):
            send({"x": now, "y": i, "label": str(value), field: value})
    times = ramp(send, 60, start=now - 60_000, step=1000, value=lambda i: i % 2)
    wait_until(lambda: xs(page) == times)
    assert axes(page)["x"] == [times[0], now if field == "y" else times[-1]]
    if field == "x":
        assert pixel(page, now - 3500, 0.5)[3] > 0, "the line is where it belongs"
    page.mouse.move(400, 400)
    for label in (None, *legend(page)):
        if label:
            only(page, label)
        seen = axes(page), entries(page), page.inner_text("#hair")
        assert seen[0]["values"] and seen[0]["times"], label
        assert not re.search("nan|invalid|infinity", str(seen).lower()), label
    page.set_viewport_size({"width": 500, "height": 500})
    for label in legend(page):
        if label != "Value" and page.get_attribute(f".line[title='{label}']", "aria-pressed") == "false":
            toggle(page, label)
    page.click("#apart")
    drag(page, *(sum(axes(page)["x"]) / 2 + (axes(page)["x"][1] - axes(page)["x"][0]) * part for part in (-0.2, 0.2)))
    assert page.inner_text("#pause") == "Resume"
    page.click("#apart")
    page.click("#pause")
    only(page, "Value")
    send({"x": now, "y": 1})
    wait_until(lambda: xs(page)[-1] == now)


def test_equal_times_are_all_drawn_and_late_ones_in_their_places(source, open_tab):
    server, send = source()
    page = open_tab(server.url)
    same = ramp(send, 20, "same", step=0)
    wait_until(lambda: xs(page, "same") == same)
    assert axes(page)["x"] == [START - 500, START + 500] and axes(page)["times"]
    back = ramp(send, 20, "back", step=-1000)
    wait_until(lambda: xs(page, "back") == back[::-1])
    assert axes(page)["x"] == [back[-1], START]


def test_it_draws_at_most_once_an_animation_frame_and_30_times_a_second(source, open_tab):
    server, send = source()
    page = open_tab(server.url)
    ramp(send, 20)
    wait_until(lambda: xs(page))
    page.evaluate("""() => { window.draws = window.frames_ = 0; const {plot} = strips[0], draw = plot.draw;
        plot.draw = () => { draws += 1; draw(); };
        (function count() { frames_ += 1; requestAnimationFrame(count); })(); }""")
    start = time.monotonic()
    while (elapsed := time.monotonic() - start) < 2:
        for _ in range(10):
            send({"y": 1})
        time.sleep(0.01)
    wait_until(lambda: page.evaluate("received") > 500)
    draws, frames = page.evaluate("[draws, frames_]")
    assert 0 < draws <= frames + 1
    assert draws <= 31 * (elapsed + 1)
