"""What the tests of the page share: what Flot has drawn and what the legend says, not the page's own variables."""
import json
import re

from conftest import wait_until

NOW = 1_767_225_600_000     # 2026-01-01 00:00:00 UTC, in ms: there a Feed's clock stands
START = 978_307_200_000     # 2001-01-01 00:00:00 UTC, in ms: no clock says that today

PLOTS = """const plots = [...document.querySelectorAll(".strip:not(.time) .room")].map(room => $(room).data("plot"));"""
LINES = f"""() => {{ {PLOTS}
    return plots.flatMap(plot => plot.getData()).filter(one => one.name !== undefined)
        .map(one => ({{label: one.name, color: one.color, data: one.data, dots: one.points.show}})); }}"""
AXES = f"""strip => {{ {PLOTS}
    const plot = plots.at(strip), {{xaxis, yaxis}} = plot.getAxes();
    const labels = name => [...plot.getPlaceholder()[0].querySelectorAll(`.flot-${{name}}-axis text`)]
        .map(text => text.textContent);
    const lines = axis => axis.ticks.filter(({{v}}) => v >= axis.min && v <= axis.max).length;
    return {{x: [xaxis.min, xaxis.max], y: [yaxis.min, yaxis.max], times: labels("x"), values: labels("y"),
            lines: [lines(xaxis), lines(yaxis)]}}; }}"""
PIXEL = f"""([x, y]) => {{ {PLOTS}
    const plot = plots[0], {{left, top}} = plot.getPlotOffset(), {{xaxis, yaxis}} = plot.getAxes();
    return [...plot.getCanvas().getContext("2d")
        .getImageData(left + xaxis.p2c(x), top + yaxis.p2c(y), 1, 1).data]; }}"""
PLACE = f"""([x, y, strip]) => {{ {PLOTS}
    const plot = plots.at(strip), offset = plot.offset(), {{xaxis, yaxis}} = plot.getAxes();
    return [offset.left + xaxis.p2c(x), offset.top + (y === null ? plot.height() / 2 : yaxis.p2c(y))]; }}"""
ENTRIES = """entries => Object.fromEntries(entries.map(entry => {
    const text = part => entry.querySelector(part).textContent;
    return [entry.querySelector(".line").title, {name: text("bdi"), value: text(".value"), note: text(".note"),
        stopped: entry.classList.contains("stopped"), color: getComputedStyle(entry.querySelector("i")).backgroundColor,
        forget: !entry.querySelector(".forget").hidden}]; }))"""


def drawn(page):
    """What Flot has drawn: label, color, data (null: a break), dots."""
    return page.evaluate(LINES)


def lines(page):
    """label -> [[x, y], ...] as drawn."""
    return {line["label"]: line["data"] for line in drawn(page)}


def colors(page):
    return {line["label"]: line["color"] for line in drawn(page)}


def xs(page, label="Value"):
    """The times of a line's points as drawn."""
    return [point[0] for point in lines(page).get(label, []) if point]


def axes(page, strip=0):
    return page.evaluate(AXES, strip)


def pixel(page, x, y):
    """[red, green, blue, alpha] of the graph there."""
    return page.evaluate(PIXEL, [x, y])


def place(page, x, y=None, strip=0):
    """Where in the window that is: [left, top] in pixels."""
    return page.evaluate(PLACE, [x, y, strip])


def entries(page):
    """label -> what its legend entry says: name, value, note, stopped, color, forget."""
    return page.eval_on_selector_all(".entry", ENTRIES)


def legend(page):
    return page.locator("#legend bdi").all_inner_texts()


def values(page):
    """label -> the value in the legend."""
    return {label: entry["value"] for label, entry in entries(page).items()}


def number_of(text):
    """The number that a text of an axis or of the legend means."""
    digits, _, unit = text.partition(" ")
    return float(digits) * {"": 1, "G": 1e9, "T": 1e12, "P": 1e15}[unit]


def status(page):
    return page.inner_text("#conn_status")


def toggle(page, label):
    """Hides the line, or shows it."""
    page.evaluate("""label => [...document.querySelectorAll(".line")]
        .find(one => one.title === label).click()""", label)


def only(page, label):
    """Hides all lines but this one."""
    page.evaluate("""label => { for (const one of document.querySelectorAll(".line"))
        if ((one.title === label) !== (one.getAttribute("aria-pressed") === "true")) one.click(); }""", label)
    assert list(lines(page)) == [label]


def press_in_view(page, name):
    """Presses a button of the panel behind View."""
    page.click("#view")
    page.get_by_role("group", name="View").get_by_role("button", name=name).click()
    page.click("#view")


def moves(page, label="Value"):
    """Waits until the graph has gone on."""
    before = wait_until(lambda: xs(page, label))
    wait_until(lambda: xs(page, label)[-1] > before[-1])


def still(page):
    """Lets the page draw what it would draw: it rests at most a second before the next animation frame."""
    page.evaluate("() => new Promise(done => setTimeout(() => requestAnimationFrame(done), 1100))")


def ramp(send, count=11, label=None, start=START, step=1000, value=lambda i: 1 + i % 3):
    """Sends points at even times and returns their times."""
    times = [start + step * i for i in range(count)]
    for i, x in enumerate(times):
        send({"x": x, "y": value(i), **({"label": label} if label else {})})
    return times


def drag(page, left, right):
    """Drags with the mouse over the graph, from one time to another."""
    page.mouse.move(*place(page, left))
    page.mouse.down()
    page.mouse.move(*place(page, right), steps=3)
    page.mouse.up()


def length(page):
    """Of the span, in seconds."""
    left, right = axes(page)["x"]
    return (right - left) / 1000


def hover(page, x, **options):
    page.mouse.move(*place(page, x, **options))


class Feed:
    """A page and its points."""

    def __init__(self, page, url):
        self.page, self.now, self.sent, self.sockets = page, NOW, 0, []
        page.clock.set_fixed_time(NOW / 1000)
        page.route_web_socket(re.compile("^ws:"), lambda socket: self.sockets.append(socket))
        page.goto(url)
        wait_until(lambda: self.sockets and page.inner_text("#conn_status") == "Connected")

    def message(self, points):
        """Sends a point, or a list of points, as the server does."""
        self.sockets[0].send(json.dumps(points))

    def connects_again(self):
        """The connection ends, and there is a new one."""
        self.sockets.pop().close()
        wait_until(lambda: self.page.inner_text("#conn_status") == "Connected" and self.sockets)

    def send(self, label, *points):
        """Sends [x, y] of a label, and draws them at once."""
        self.message([{"x": x, "y": y, **({"label": label} if label else {})} for x, y in points])
        self.sent += len(points)
        wait_until(lambda: self.page.evaluate("received") >= self.sent)
        self.page.evaluate("draw()")

    def fill(self, count, point):
        """Sends so many points, each made in the page from `i` and `now`, in messages of a thousand."""
        self.page.evaluate(f"""([now, count]) => {{
            const points = Array.from({{length: count}}, (_, i) => ({point}));
            for (let i = 0; i < count; i += 1000) addMessage(points.slice(i, i + 1000));
            draw(); }}""", [self.now, count])

    def line(self, label, count=100, step=0.1, ago=0.0, value=lambda i: i % 5):
        """A line whose points are `step` seconds apart and whose last is `ago` seconds old; returns its points."""
        points = [[self.now - 1000 * ago - round(1000 * step * (count - 1 - i)), value(i)] for i in range(count)]
        self.send(label, *points)
        return points

    def passes(self, seconds):
        """So much time goes by."""
        self.now += 1000 * seconds
        self.page.clock.set_fixed_time(self.now / 1000)
        self.page.evaluate("draw()")
