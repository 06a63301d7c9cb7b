// The page's side of ZWS: points come in over a WebSocket, Flot draws the last ones of each label.
"use strict";

const query = new URLSearchParams(location.search);
const datalen = Math.min(Math.max(Number(query.get("points")) || 100, 11), 100000);  // points drawn of each label
const series = new Map();  // label -> {label, color, data: [[x, y], ...], hidden, rejoined}
const colors = ["#3a7bd5", "#e0782f", "#2fa36b", "#d6456b", "#8a63d2", "#17a2b0", "#b58a00", "#c45bb8", "#6b8e23", "#8c6d5a"];
let received = 0;          // points since the page was opened
let plot = null;
let paused = false;
let due = false;           // an animation frame has been asked for

// ---- points ----

function addPoint({x, y, label = "Value"}) {
  if (Math.abs(x) > 8.64e15) return;  // beyond what a Date can hold
  let one = series.get(label);
  if (!one) {
    one = {label, color: colors[series.size % colors.length], data: [], hidden: false, rejoined: false};
    series.set(label, one);
    drawLegend();
  }
  if (one.rejoined) {  // the history comes again: it replaces what it overlaps
    one.data = one.data.filter(point => point[0] < x);
    one.rejoined = false;
  }
  one.data.push([x, y]);
  if (one.data.length > 2 * datalen) one.data = one.data.slice(-datalen);
  received += 1;
  redraw();
}

// ---- connection ----

const status = (text, more = "") => {
  document.getElementById("conn_status").textContent = text;
  document.getElementById("retry").textContent = more;
};
let attempts = 0;
let retry = null;

function connect() {
  clearTimeout(retry);
  retry = null;
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(`${scheme}//${location.hostname}:${query.get("ws") || 9999}/`);
  let failed = false;
  ws.onopen = () => {
    status("Connected");
    attempts = 0;
    for (const one of series.values()) one.rejoined = true;
  };
  ws.onmessage = message => addPoint(JSON.parse(message.data));
  ws.onerror = () => { failed = true; };
  ws.onclose = () => {  // try again after 0.5 s, then 1, 2, 4, at most 5 s, each up to a quarter less
    const wait = Math.max(500, Math.min(5000, 500 * 2 ** attempts++) * (1 - Math.random() / 4));
    status(failed ? "Error" : "Closed", `Next try in ${(wait / 1000).toFixed(1)} s`);
    retry = setTimeout(connect, wait);
  };
}

document.addEventListener("visibilitychange", () => {  // the browser slows a hidden tab's timers
  if (!document.hidden && retry) connect();
});

// ---- drawing: at most once an animation frame, whatever the rate ----

function redraw() {
  if (due || paused || received <= 10) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    if (!paused) draw();
  });
}

function draw() {
  let low = 0, high = 5, count = 0;
  const shown = [...series.values()].filter(one => !one.hidden);
  const data = shown.map(({label, color, data: all}) => {
    const points = all.slice(-datalen);
    for (const [, y] of points) {
      if (y < low) low = y;
      if (y > high) high = y;
    }
    count = Math.max(count, points.length);
    return {name: label, color, data: points};
  });
  if (!plot) plot = newPlot();
  const {series: style, yaxes: [yaxis]} = plot.getOptions();
  const room = (high / 20 - low / 20);
  yaxis.min = low < 0 ? low - room : 0;
  yaxis.max = high > 5 ? high + room : 5;
  style.points.show = count <= 200;
  style.lines.fill = shown.length > 1 ? 0.08 : 0.3;
  plot.setData(data);
  plot.setupGrid(true);
  plot.draw();
}

function newPlot() {
  const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  return $.plot("#placeholder", [], {
    series: {lines: {show: true, lineWidth: 2}, points: {show: true, radius: 2.5, fillColor: css("--back")}, shadowSize: 0},
    xaxis: {mode: "time", timeBase: "milliseconds", timezone: "browser", timeformat: "%H:%M:%S", minTickSize: [2, "second"],
            autoScale: "exact", tickColor: css("--line")},
    yaxis: {autoScale: "none", min: 0, max: 5, tickColor: css("--line")},
    grid: {hoverable: true, borderWidth: 1, borderColor: css("--line"), mouseActiveRadius: 24},
    legend: {show: false},  // Flot's takes labels as HTML; ours is below
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  if (plot) plot.shutdown();
  plot = null;
  if (received > 10) draw();
});

// ---- legend, pause, hover, rate ----

function drawLegend() {
  const sorted = [...series.values()].sort((a, b) => (a.label < b.label ? -1 : 1));
  document.getElementById("legend").replaceChildren(...sorted.map(one => {
    const [button, swatch, name] = ["button", "i", "bdi"].map(tag => document.createElement(tag));
    swatch.style.background = one.color;
    name.textContent = one.label;
    button.type = "button";
    button.append(swatch, name);
    button.setAttribute("aria-pressed", !one.hidden);
    button.onclick = () => {
      one.hidden = !one.hidden;
      button.setAttribute("aria-pressed", !one.hidden);
      if (received > 10) draw();
    };
    return button;
  }));
}

function togglePause() {
  paused = !paused;
  document.getElementById("pause").textContent = paused ? "Resume" : "Pause";
  redraw();
}

document.getElementById("pause").onclick = togglePause;
document.addEventListener("keydown", event => {
  if (event.code === "Space" && !event.target.closest("button")) {  // on a button it already is a click
    event.preventDefault();
    togglePause();
  }
});

$("#placeholder").on("plothover", (event, position, item) => {
  const tooltip = document.getElementById("tooltip");
  tooltip.hidden = !item;
  if (!item) return;
  const [x, y] = item.datapoint, time = new Date(x);
  const clock = time.toTimeString().slice(0, 8) + "." + String(time.getMilliseconds()).padStart(3, "0");
  tooltip.textContent = `${clock}\n${item.series.name}: ${Number(y.toPrecision(6))}`;
  tooltip.style.left = Math.max(4, Math.min(item.pageX + 12, innerWidth - tooltip.offsetWidth - 4)) + "px";
  tooltip.style.top = Math.max(4, item.pageY - tooltip.offsetHeight - 10) + "px";
});

let counted = 0;
setInterval(() => {
  document.getElementById("rate").textContent = `${received - counted} points/s`;
  counted = received;
}, 1000);

connect();
