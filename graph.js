// The page's side of ZWS: points come in over a WebSocket, Flot draws the last ones of each label.
"use strict";

const query = new URLSearchParams(location.search);
const datalen = Math.floor(Math.min(Math.max(query.get("points") || 100, 11), 100000));  // points drawn of each label
const series = new Map();  // label -> {label, color, data: [[x, y], ...], drawn, hidden, rejoined}
const colors = ["#e0782f", "#2fa36b", "#8a63d2", "#d6456b", "#17a2b0", "#b58a00", "#c45bb8", "#6b8e23", "#8c6d5a", "#3a7bd5"];
const element = id => document.getElementById(id);
let received = 0;          // points since the page was opened
let plot = null;
let paused = false;

// ---- points ----

function addPoint({x, y, label = "Value"}) {
  if (Math.abs(x) > 8.6e15) return;  // beyond what a Date can hold
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

// The label itself says the color, so that it is the same in every tab; the next one where that is taken.
function pickColor(label) {
  const taken = new Set([...series.values()].map(one => one.color));
  let number = [...label].reduce((sum, letter) => sum + letter.codePointAt(), 0);
  while (taken.size < colors.length && taken.has(colors[number % colors.length])) number += 1;
  return colors[number % colors.length];
}

// ---- connection ----

let attempts = 0;
let retry = null;

function status(text, more = "") {
  element("conn_status").textContent = text;
  element("retry").textContent = more;
  element("rate").textContent = "";
  rates = [];
}

function connect() {
  clearTimeout(retry);
  retry = null;
  element("retry").textContent = attempts ? "Trying again" : "";
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(`${scheme}//${location.hostname}:${Number(query.get("ws")) || 9999}/`);
  let failed = false;
  ws.onopen = () => {
    status("Connected");
    attempts = 0;
    for (const one of series.values()) one.rejoined = true;
  };
  ws.onmessage = message => addPoint(JSON.parse(message.data));
  ws.onerror = () => { failed = true; };
  ws.onclose = () => {  // try again after 0.5 s, then 1, 2, 4, 4, each up to a quarter more
    const wait = Math.min(4000, 500 * 2 ** attempts) * (1 + Math.random() / 4);
    attempts += 1;
    status(failed ? "Error" : "Closed", `Next try in ${(wait / 1000).toFixed(1)} s`);
    retry = setTimeout(connect, wait);
  };
}

document.addEventListener("visibilitychange", () => {  // the browser slows a hidden tab's timers
  if (!document.hidden && retry) connect();
});

// ---- drawing: at most once an animation frame, and 30 times a second, whatever the rate ----

let due = false;
let lastDraw = 0;

function redraw() {
  if (due || paused || received <= 10) return;
  due = true;
  requestAnimationFrame(frame);
}

function frame(now) {
  if (now - lastDraw < 30) return requestAnimationFrame(frame);
  lastDraw = now;
  due = false;
  if (!paused) draw();
}

function draw() {
  if (received <= 10) return;
  let left = Infinity, right = -Infinity, low = 0, high = 5, count = 0;
  const shown = [...series.values()].filter(one => !one.hidden);
  for (const one of shown) {
    if (!paused) one.drawn = one.data.slice(-datalen);
    for (const [x, y] of one.drawn) {
      left = Math.min(left, x);
      right = Math.max(right, x);
      low = Math.min(low, y);
      high = Math.max(high, y);
    }
    count = Math.max(count, one.drawn.length);
  }
  if (!plot) plot = newPlot();
  setRange(left, right, Math.max(low, -5e307), Math.min(high, 5e307));  // Flot needs a finite difference
  const style = plot.getOptions().series;
  style.points.show = count <= 200;
  style.lines.fill = shown.length > 1 ? 0.08 : 0.3;
  plot.setData(shown.map(({label, color, drawn}) => ({name: label, color, data: drawn})));
  plot.setupGrid(true);
  plot.draw();
}

function setRange(left, right, low, high) {
  const [{options: xaxis}, {options: yaxis}] = [plot.getXAxes()[0], plot.getYAxes()[0]];
  if (left > right) [left, right] = [Date.now() - 10000, Date.now()];  // nothing to show
  if (left === right) [left, right] = [left - 500, right + 500];
  [xaxis.min, xaxis.max] = [left, right];
  xaxis.timeformat = right - left < 86400e3 ? "%H:%M:%S" : "%H:%M:%S<br>%Y-%m-%d";
  xaxis.ticks = right - left < 3000 ? [right] : element("placeholder").clientWidth / 150;
  const step = 10 ** Math.floor(Math.log10((high - low) / 5));  // 0 to 5 grows by whole steps: it does not tremble
  [yaxis.min, yaxis.max] = [Math.floor(low / step) * step, Math.ceil(high / step) * step];
}

function newPlot() {
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name);
  return $.plot("#placeholder", [], {
    series: {lines: {show: true, lineWidth: 2}, points: {show: true, radius: 2.5, fillColor: css("--back")}, shadowSize: 0},
    xaxis: {mode: "time", timeBase: "milliseconds", timezone: "browser", minTickSize: [2, "second"], autoScale: "none",
            tickColor: css("--line")},
    yaxis: {autoScale: "none", tickColor: css("--line"), tickFormatter: (value, axis) => (
      Math.abs(value) < 1e7 ? value.toFixed(axis.tickDecimals) : Number(value.toPrecision(6)).toExponential().replace("+", ""))},
    grid: {hoverable: true, borderWidth: 1, borderColor: css("--line"), mouseActiveRadius: 30,
           margin: {left: 8, right: 8, top: 4, bottom: 6}},
    interaction: {redrawOverlayInterval: 1000000000},  // in the same frame
    legend: {show: false},                     // Flot's takes labels as HTML; ours is below
  });
}

function restart() {  // Flot takes colors, size and resolution when it starts
  if (plot) {
    plot = null;
    draw();
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", restart);
new ResizeObserver(restart).observe(element("placeholder"));

// ---- legend, pause, hover, rate ----

const order = new Intl.Collator(undefined, {numeric: true}).compare;

function addToLegend(one) {
  const [button, swatch, name] = ["button", "i", "bdi"].map(tag => document.createElement(tag));
  swatch.style.background = one.color;
  name.textContent = button.title = one.label;
  button.type = "button";
  button.append(swatch, name);
  button.setAttribute("aria-pressed", true);
  button.onclick = () => {
    one.hidden = !one.hidden;
    button.setAttribute("aria-pressed", !one.hidden);
    draw();
  };
  const next = [...element("legend").children].find(other => order(other.title, one.label) > 0);
  element("legend").insertBefore(button, next || null);
}

function togglePause() {
  paused = !paused;
  element("pause").textContent = paused ? "Resume" : "Pause";
  redraw();
}

element("pause").onclick = togglePause;
for (const type of ["keydown", "keyup"]) {
  document.addEventListener(type, event => {  // wherever the focus is: Enter does for the buttons
    if (event.code !== "Space" || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (type === "keydown" && !event.repeat) togglePause();
  });
}

$("#placeholder").on("plothover", (event, position, item) => {
  const tooltip = element("tooltip");
  tooltip.hidden = !item;
  if (!item) return;
  const [x, y] = item.datapoint, time = new Date(x);
  const clock = `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
  tooltip.textContent = `${clock}\n${Number(y.toPrecision(12))}\n${item.series.name}`;
  tooltip.style.left = `${Math.max(4, Math.min(item.pageX + 12, document.documentElement.clientWidth - tooltip.offsetWidth - 4))}px`;
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
