// The page's side of ZWS: points come in over a WebSocket, Flot draws the last ones of each label.
"use strict";

const query = new URLSearchParams(location.search);
const datalen = Math.floor(Math.min(Math.max(Number(query.get("points")) || 100, 11), 100000));  // points of each label
const series = new Map();  // label -> {label, color, data: [[x, y], ...], drawn, hidden, rejoined}
const colors = ["#e06c1f", "#2f9e5b", "#8a5fd6", "#d63f5c", "#12a0b4", "#b98a00", "#cf55b4", "#7d9612", "#8b6a52", "#3a7bd5"];
const element = id => document.getElementById(id);
let received = 0, plot = null, paused = false;

// ---- points ----
function addPoint({x, y, label = "Value"}) {
  if (Math.abs(x) > 8.6e15) return;  // no Date is there, nor 270,000 years from now
  const one = series.get(label) || newSeries(label);
  if (one.rejoined) {  // the history comes again: it replaces what it overlaps
    const again = one.data.findIndex(point => point[0] === x && point[1] === y);
    one.data = again < 0 ? one.data.filter(point => point[0] < x) : one.data.slice(0, again);
    one.rejoined = false;
  }
  one.data.push([x, y]);
  if (one.data.length > 2 * datalen) one.data = one.data.slice(-datalen);
  received += 1;
  redraw();
}

function newSeries(label) {
  const one = {label, color: pickColor(label), data: [], drawn: [], hidden: false, rejoined: false};
  series.set(label, one);
  addToLegend(one);
  return one;
}

function pickColor(label) {  // by its letters, so that it is the same in every tab; the next one where that is taken
  const taken = new Set([...series.values()].map(one => one.color));
  let number = [...label].reduce((sum, letter) => sum + letter.codePointAt(), 0);
  while (taken.size < colors.length && taken.has(colors[number % colors.length])) number += 1;
  return colors[number % colors.length];
}

// ---- connection ----
let attempts = 0, retry = null;  // to connect again, so far; the timer of the next one

function connect() {
  clearTimeout(retry);
  retry = null;
  if (attempts) element("retry").textContent = "Trying again";
  const scheme = location.protocol.replace("http", "ws");
  const ws = new WebSocket(`${scheme}//${location.hostname}:${Number(query.get("ws")) || 9999}/`);
  let failed = false;
  ws.onopen = () => {
    attempts = 0;
    for (const one of series.values()) one.rejoined = true;
    status("Connected");
  };
  ws.onmessage = message => addPoint(JSON.parse(message.data));
  ws.onerror = () => { failed = true; };
  ws.onclose = () => {  // try again after 0.5 s, then 1, 2, 4, 4, each up to a quarter more
    const wait = Math.min(4000, 500 * 2 ** attempts) * (1 + Math.random() / 4);
    attempts += 1;
    retry = setTimeout(connect, wait);
    status(failed ? "Error" : "Closed", `Next try in ${(wait / 1000).toFixed(1)} s`);
  };
}

function status(text, more = "") {
  element("conn_status").textContent = text;
  element("retry").textContent = more;
  element("rate").textContent = "";
  rates = [];
}

document.addEventListener("visibilitychange", () => {  // a hidden tab's timers are slow
  if (!document.hidden && retry) connect();
});

// ---- drawing: at most 30 times a second and an eighth of the time, whatever the rate ----
let due = false, rest = 0;  // a frame has been asked for; no drawing before this time

function redraw() {
  if (due || paused) return;
  due = true;
  requestAnimationFrame(frame);
}

function frame() {
  const start = performance.now();
  if (start < rest) return setTimeout(requestAnimationFrame, rest - start, frame);
  due = false;
  if (!paused) draw();
  setTimeout(() => {  // once the browser has painted it, which is most of the work
    rest = start + Math.min(Math.max(30, 8 * (performance.now() - start)), 1000);
  });
}

function draw() {
  if (received <= 10) return;
  const shown = [...series.values()].filter(one => !one.hidden);
  if (!paused) for (const one of series.values()) one.drawn = one.data.slice(-datalen);
  if (!plot) plot = newPlot();
  setRange(shown.flatMap(one => one.drawn));
  const style = plot.getOptions().series;
  style.points.show = shown.length <= 10 && shown.every(one => one.drawn.length <= 200);
  style.lines.fill = 0.3 / Math.max(shown.length, 1);
  plot.setData(shown.map(({label, color, drawn}) => ({name: label, color, data: drawn})));
  plot.setupGrid(true);
  plot.draw();
}

function setRange(points) {
  const now = Date.now(), near = ([x]) => Math.abs(x - now) < 366 * 86400e3;
  const least = (list, i, start) => list.reduce((best, point) => Math.min(best, point[i]), start);
  const most = (list, i, start) => list.reduce((best, point) => Math.max(best, point[i]), start);
  const timely = points.some(near) ? points.filter(near) : points;  // a wrong clock must not spoil it for the others
  const some = timely.length ? timely[0][0] : now;
  let left = least(timely, 0, some), right = most(timely, 0, some);
  if (left === right) [left, right] = [left - 500, right + 500];
  const low = Math.max(least(points, 1, 0), -5e307), high = Math.min(most(points, 1, 5), 5e307);  // a finite difference
  const step = 10 ** Math.floor(Math.log10((high - low) / 5));  // it grows by whole steps and does not tremble
  const timeformat = right - left < 86400e3 ? "%H:%M:%S" : "%Y-%m-%d<br>%H:%M";
  Object.assign(plot.getXAxes()[0].options, {min: left, max: right, timeformat});
  Object.assign(plot.getYAxes()[0].options, {min: Math.floor(low / step) * step, max: Math.ceil(high / step) * step});
}

function newPlot() {  // Flot takes the colors, the size and the resolution when it starts
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name);
  const measured = ticks => [[-Infinity, ""], ...ticks, [Infinity, ""]];  // Flot leaves out the first and the last
  const times = axis => {
    axis.delta = (axis.max - axis.min) * 140 / element("placeholder").clientWidth;
    return measured(axis.max - axis.min < 3000 ? [axis.max] : axis.tickGenerator(axis));
  };
  const number = (value, axis) => (Math.abs(value) < 1e7 ? value.toFixed(axis.tickDecimals)
    : Number(value.toPrecision(6)).toExponential().replace("+", ""));
  const common = {show: true, autoScale: "none", showMinorTicks: false, tickColor: css("--line")};
  return $.plot("#placeholder", [], {
    series: {shadowSize: 0, lines: {show: true, lineWidth: 2}, points: {radius: 2.5, fillColor: css("--back")}},
    xaxis: {...common, mode: "time", timeBase: "milliseconds", timezone: "browser", minTickSize: [2, "second"], ticks: times},
    yaxis: {...common, ticks: axis => measured(axis.tickGenerator(axis)), tickFormatter: number},
    grid: {hoverable: true, mouseActiveRadius: 30, borderWidth: 1, borderColor: css("--line"), tickColor: css("--line"),
           margin: {left: 8, right: 8, top: 6, bottom: 6}},
  });
}

const restart = () => { plot = null; draw(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restart);
new ResizeObserver(restart).observe(element("placeholder"));

// ---- legend (Flot's own takes labels as HTML), pause, hover, rate ----
function addToLegend(one) {
  const [button, swatch, name] = ["button", "i", "bdi"].map(tag => document.createElement(tag));
  swatch.style.background = one.color;
  name.textContent = one.label.trim() ? one.label : JSON.stringify(one.label);
  button.append(swatch, name);
  button.title = one.label;
  button.setAttribute("aria-pressed", true);
  button.onclick = () => {
    one.hidden = !one.hidden;
    button.setAttribute("aria-pressed", !one.hidden);
    draw();
  };
  const after = other => other.title.localeCompare(one.label, undefined, {numeric: true}) > 0;
  element("legend").insertBefore(button, [...element("legend").children].find(after) || null);
}

function togglePause() {
  paused = !paused;
  element("pause").textContent = paused ? "Resume" : "Pause";
  redraw();
}

element("pause").onclick = togglePause;
document.addEventListener("keydown", event => {  // wherever the focus is: Enter does for the buttons
  if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  if (!event.repeat) togglePause();
});

$("#placeholder").on("plothover", (event, position, item) => {
  const tooltip = element("tooltip");
  tooltip.hidden = !item;
  if (!item) return;
  const [x, y] = item.datapoint, time = new Date(x);
  const clock = `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  tooltip.textContent = `${clock}\n${Number(y.toPrecision(12))}\n${item.series.name}`;
  tooltip.style.left = `${Math.min(item.pageX + 12, document.documentElement.clientWidth - tooltip.offsetWidth - 4)}px`;
  tooltip.style.top = `${Math.max(4, item.pageY - tooltip.offsetHeight - 10)}px`;
});

let rates = [];  // [ms, points received] at the last seconds
setInterval(() => {
  rates = [...rates.slice(-5), [performance.now(), received]];
  const [from, to] = [rates[0], rates.at(-1)];
  const rate = (to[1] - from[1]) / (to[0] - from[0]) * 1000;
  if (rates.length > 1 && !retry) element("rate").textContent = `${Number(rate.toFixed(rate < 10 ? 1 : 0))} points/s`;
}, 1000);

connect();
