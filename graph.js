// The page's side of ZWS. Points come in over a WebSocket and are kept as lines, one for each label. Pure functions
// say which span of time and which scale of y is shown of them; Flot draws that; the controls choose.
"use strict";

const SECOND = 1000;  // all times are in milliseconds
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

const DEFAULT_LABEL = "Value";  // of points without a label, as in the article
const COLORS = [
  "#e06c1f", "#2f9e5b", "#8a5fd6", "#d63f5c", "#12a0b4", "#b98a00", "#cf55b4", "#7d9612", "#8b6a52", "#3a7bd5",
  "#586c64", "#908494", "#909484", "#b04400", "#147444", "#c01478", "#5c7000", "#686478", "#207080", "#2050fc",
  "#fc5854", "#70684c", "#885494", "#f02c00", "#54649c", "#cc0424", "#cc8068", "#d400f8", "#00a498", "#8490b8",
  "#b88498", "#ac6404", "#508870", "#7c7874", "#9004fc", "#985058", "#a49088", "#647888", "#809864", "#8c7c24",
  "#188000", "#8c949c", "#c08850", "#786060", "#60744c", "#b40cb0", "#38a800", "#749894", "#806020", "#7c80fc",
  "#a07470", "#b45c48", "#988464", "#b85c80", "#00746c", "#ec6888", "#f8008c", "#8474a8", "#0098f0", "#bc70fc",
  "#b480c0", "#086c9c", "#8c6880", "#1888b0",
];
const FIRST_COLORS = 10;  // these differ most; the others are used when they are taken

const element = id => document.getElementById(id);
const fromTemplate = id => element(id).content.firstElementChild.cloneNode(true);
const clamp = (number, low, high) => Math.min(Math.max(number, low), high);
const lengthOf = ({left, right}) => right - left;  // of a span
const least = numbers => numbers.reduce((one, two) => Math.min(one, two), Infinity);
const most = numbers => numbers.reduce((one, two) => Math.max(one, two), -Infinity);

// ---- points: x (a time in milliseconds) and y of one line, in the order of x. NaN is no value at this time ----

class Points {
  constructor(room = 64) {
    this.xs = new Float64Array(room);
    this.ys = new Float64Array(room);
    this.start = 0;  // the place of the oldest point
    this.end = 0;  // the place behind the newest point
  }

  get length() {
    return this.end - this.start;
  }

  // Puts a point in its place: behind all that are not newer. Those that are newer move up, but these are few.
  add(x, y) {
    if (this.end === this.xs.length) this.makeRoom();
    const isLate = this.length > 0 && x < this.xs[this.end - 1];
    const place = isLate ? this.firstPlace(other => other > x) : this.end;
    if (isLate) {
      this.xs.copyWithin(place + 1, place, this.end);
      this.ys.copyWithin(place + 1, place, this.end);
    }
    this.xs[place] = x;
    this.ys[place] = y;
    this.end += 1;
  }

  dropFrom(time) {
    this.end = this.firstPlace(x => x >= time);
  }

  copy() {
    const copy = new Points(this.length);
    copy.xs.set(this.xs.subarray(this.start, this.end));
    copy.ys.set(this.ys.subarray(this.start, this.end));
    copy.end = this.length;
    return copy;
  }

  makeRoom() {
    const room = this.xs.length;
    const isEnough = this.start > room / 32;  // where old points were dropped, so much is free again
    const xs = new Float64Array(isEnough ? room : 2 * room);
    const ys = new Float64Array(xs.length);
    xs.set(this.xs.subarray(this.start, this.end));
    ys.set(this.ys.subarray(this.start, this.end));
    this.xs = xs;
    this.ys = ys;
    this.end -= this.start;
    this.start = 0;
  }

  // The first place whose x fulfils a condition that, once fulfilled, is so for all that follow.
  firstPlace(condition) {
    let low = this.start;
    let high = this.end;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (condition(this.xs[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  // The points of a span lie at the places from `from` to before `to`.
  placesIn({left, right}) {
    return {from: this.firstPlace(x => x >= left), to: this.firstPlace(x => x > right)};
  }

  // The same, with the neighbour on either side, so that the line goes on to the edges of the graph. The left one is
  // taken also where no point follows, since its value may hold until now.
  placesThrough(span) {
    const {from, to} = this.placesIn(span);
    const goesOnToTheLeft = from > this.start && (from === this.end || this.xs[from] > span.left);
    const goesOnToTheRight = to > this.start && to < this.end && this.xs[to - 1] < span.right;
    return {from: goesOnToTheLeft ? from - 1 : from, to: goesOnToTheRight ? to + 1 : to};
  }

  // The place of the point that is nearest to a time.
  placeNearest(time) {
    const after = this.firstPlace(x => x >= time);
    if (after === this.end) return this.end - 1;
    if (after === this.start) return this.start;
    return this.xs[after] - time < time - this.xs[after - 1] ? after : after - 1;
  }
}

// ---- lines: label -> what is known of it ----

const MAX_LINES = COLORS.length;  // 64: each has a color of its own
const MAX_POINTS = 1e6;  // of all lines together
const MAX_DECIMALS = 6;
const BATCH_TIME = SECOND / 2;  // what arrives so soon after a batch's first point belongs to it
const HISTORY_TIME = 2 * SECOND;  // what comes so soon after a connection opens may be history

const lines = new Map();
const forgotten = new Map();  // label -> its newest x when it was forgotten, so that no history brings it back
let received = 0;  // points
let openedAt = 0;  // when the connection opened; 0: it is not open

// A message is a point, or a list of points. What can be done once for all of them is done here.
function addMessage(message) {
  const now = Date.now();
  const points = Array.isArray(message) ? message : [message];
  for (const point of points) addPoint(point, now);
  keepToMaxPoints();
  askForDrawing();
}

function addPoint({x, y, label = DEFAULT_LABEL}, now) {
  const mayBeHistory = now - openedAt < HISTORY_TIME;
  if (mayBeHistory && x <= forgotten.get(label)) return;
  const line = lines.get(label) || addLine(label);
  if (line.comesAgain) beginHistory(line, x);
  addToRun(line, x, y === null ? NaN : y, now);
  received += 1;
  line.latest = received;
  // Of a point of the history only x tells when it has arrived at the server, if x is a time near now.
  const arrivedAt = mayBeHistory && isNear(x, now) ? Math.min(x, now) : now;
  noteArrival(line, arrivedAt, mayBeHistory);
  while (line.decimals < MAX_DECIMALS && y !== null && !hasDecimals(y, line.decimals)) line.decimals += 1;
}

// Whether a line lives is judged by when its points arrive, batch to batch, whatever their x.
function noteArrival(line, time, mayBeHistory) {
  if (line.isHistory && !mayBeHistory) {
    line.isHistory = false;
    line.arrivals = line.arrivals.slice(-1);  // from now on they are known: the hints of the history go
  }
  const isNewBatch = !line.arrivals.length || time - line.arrivals.at(-1) >= BATCH_TIME;
  if (isNewBatch) line.arrivals.push(time);
  if (line.arrivals.length > LATEST_INTERVALS + 1) line.arrivals.shift();
  line.heard = Math.max(line.heard, time);
}

// After a new connection a line's history comes again, from this time on: what it will bring is dropped.
function beginHistory(line, time) {
  line.points.dropFrom(time);
  line.leap = null;
  line.comesAgain = false;
}

// Whether a number has no more decimals than this.
function hasDecimals(number, decimals) {
  const power = 10 ** decimals;
  return Math.round(number * power) / power === number;
}

// A late point is put in its place. But where x goes back far, and the next point is nearer to that one than to the
// newest, a new run has begun: a device has started again, or its clock was set. The old run goes, or the picture would
// rest until the new one has come as far.
function addToRun(line, x, y, now) {
  const {points, leap} = line;
  const goesOnFromLeap = leap && x >= leap.x && x - leap.x < newestX(line) - x;
  if (goesOnFromLeap) {
    points.dropFrom(-Infinity);
    points.add(leap.x, leap.y);
  }
  line.leap = isTooLate(line, x, now) ? {x, y} : null;
  points.add(x, y);
}

// Whether x is so much older than the newest point that it is not just late.
function isTooLate(line, x, now) {
  if (!line.points.length || x >= newestX(line)) return false;
  const usual = LATEST_INTERVALS * usualInterval(latestIntervals(line.points));
  // A counter starts again at any time, but the time of a day does not: publishers' clocks may differ by so much.
  return newestX(line) - x > (isNear(x, now) ? Math.max(usual, CLOCK_TOLERANCE) : usual);
}

function addLine(label) {
  if (lines.size === MAX_LINES) removeLine(lineSilentLongest());
  const points = new Points();
  const line = {
    label,
    points,
    drawn: paused ? new Points() : points,  // what there is to be seen of it: while paused, what there was then
    leap: null,  // the last point, if x went back far
    stopped: false,  // whether it has, as `draw` finds first; so this rests while paused
    holds: false,  // whether its last value goes on to the right edge, where it is drawn in steps
    isHistory: true,  // whether it has got nothing else so far
    arrivals: [],  // when its latest batches began to arrive
    heard: -Infinity,  // when its last point arrived
    latest: 0,  // the number of its last point among all that were received
    comesAgain: false,  // from the start of the history, after a new connection
    decimals: 0,  // that its numbers have, at most MAX_DECIMALS
    scale: null,  // of y, if it had a graph to itself
    isCut: false,  // whether a logarithmic scale has no place for some of its values
    note: "",  // what is odd about it
    silence: Infinity,  // the interval from which on it is broken
    color: freeColor(label),  // which it keeps as long as it is on the page
    entry: newEntry(label),
    row: newRow(label),  // of the statistics
  };
  line.entry.swatch.style.background = line.color;
  line.row.swatch.style.background = line.color;
  forgotten.delete(label);
  insertLine(line);
  return line;
}

// Keeps the lines, with their entries and rows, in the order of their labels.
function insertLine(line) {
  const labelOrder = new Intl.Collator(undefined, {numeric: true});
  const inOrder = [...lines.values(), line].sort((one, two) => labelOrder.compare(one.label, two.label));
  lines.clear();
  for (const one of inOrder) lines.set(one.label, one);
  const next = inOrder[inOrder.indexOf(line) + 1];
  element("legend").insertBefore(line.entry.whole, next ? next.entry.whole : null);
  element("rows").insertBefore(line.row.whole, next ? next.row.whole : null);
}

function removeLine(line) {
  line.entry.whole.remove();
  line.row.whole.remove();
  lines.delete(line.label);
}

function lineSilentLongest() {
  return [...lines.values()].reduce((longest, line) => (line.latest < longest.latest ? line : longest));
}

// The oldest points of the longest line go when there are too many.
function keepToMaxPoints() {
  let count = 0;
  let longest = null;
  for (const line of lines.values()) {
    count += line.points.length;
    if (!longest || line.points.length > longest.points.length) longest = line;
  }
  if (count > MAX_POINTS) longest.points.start += count - MAX_POINTS;
}

// Each label would like one of the first colors, by its letters, so that it mostly has the same one in every tab. Where
// that is taken it gets the next.
function freeColor(label) {
  const taken = new Set([...lines.values()].map(line => line.color));
  const number = [...label].reduce((sum, letter) => sum + letter.codePointAt(), 0);
  const fromThere = list => list.map((_, place) => list[(number + place) % list.length]);
  const wanted = [...fromThere(COLORS.slice(0, FIRST_COLORS)), ...fromThere(COLORS.slice(FIRST_COLORS))];
  return wanted.find(color => !taken.has(color));
}

// ---- view: which span, which points of it, which scale. Pure functions of the lines and the time ----

const LATEST_INTERVALS = 20;  // which say what is usual now
const UNUSUAL_TIMES = 5;  // an interval is unusual if it is so many times longer, or shorter, than the usual one
const STEADY_INTERVALS = 20;  // a rhythm is steady if of so many intervals at most one is unusual
const STOPPED_INTERVALS = 10;  // a line that is silent for so many of its expected intervals has stopped,
const STOPPED_TIME = 10 * SECOND;  // if it is silent for so long, too
const RHYTHM_POINTS = 50;  // on either side of a span, which say what is usual where few are in it
const MOST_INTERVALS = 1000;  // that are looked at
const CLOCK_TOLERANCE = 10 * SECOND;  // clocks differ; from here on one of them is wrong
const SHORTEST_SPAN = 1;  // in milliseconds

// Three quarters of the intervals are no longer than this one: so neither a few silences count, nor pairs of points.
function usualInterval(intervals) {
  return Float64Array.from(intervals).sort()[Math.floor((intervals.length - 1) * 3 / 4)] || 0;
}

// Where more than a few intervals are unusual there is no rhythm, as of a state that is sent when it changes: then even
// the longest one has to be expected. What comes at once, as from a queue after an outage, is one unusual thing.
function expectedInterval(intervals) {
  const usual = usualInterval(intervals);
  const isLong = interval => interval > UNUSUAL_TIMES * usual;
  const isShort = interval => interval < usual / UNUSUAL_TIMES;
  const beginsBurst = (interval, index) => isShort(interval) && (index === 0 || !isShort(intervals[index - 1]));
  const unusual = intervals.filter((interval, index) => isLong(interval) || beginsBurst(interval, index));
  const isSteady = STEADY_INTERVALS * unusual.length <= intervals.length;
  return isSteady ? usual : most(intervals);
}

function intervalsOf(times) {
  return Array.from(times.slice(1), (time, place) => time - times[place]);  // times[place] is the one before
}

function latestIntervals({xs, start, end}) {
  return intervalsOf(xs.slice(Math.max(start, end - LATEST_INTERVALS - 1), end));
}

// The intervals of a span and a little beyond; where they are very many, some of them.
function intervalsAround(points, span) {
  const {from, to} = points.placesIn(span);
  const first = Math.max(from - RHYTHM_POINTS, points.start + 1);
  const behind = Math.min(to + RHYTHM_POINTS, points.end);
  const stride = Math.ceil((behind - first) / MOST_INTERVALS);
  const intervals = [];
  for (let place = first; place < behind; place += stride) intervals.push(points.xs[place] - points.xs[place - 1]);
  return intervals;
}

function isStopped({arrivals, heard}, now) {
  return now - heard > Math.max(STOPPED_TIME, STOPPED_INTERVALS * expectedInterval(intervalsOf(arrivals)));
}

function isNear(time, now) {
  return Math.abs(time - now) < YEAR;
}

function newestX({points}) {
  return points.xs[points.end - 1];
}

// How far a line's clock was ahead of ours when its last point arrived. (Below zero: behind.) Only here the two clocks
// meet, to find that one of them is wrong.
function clockError(line) {
  return newestX(line) - line.heard;
}

// The lines that say which span is live: those that have not stopped. Where none of them has two points, which a span
// needs, those that had not stopped when the last point came. Of these, only those whose clock is about as right as the
// best one.
function leadingLines(shown, now) {
  const live = shown.filter(line => !line.stopped);
  const candidates = live.some(({points}) => points.length > 1) ? live : liveAtLastPoint(shown);
  const dated = candidates.filter(line => isNear(newestX(line), now));
  if (!dated.length) return candidates;  // no x is near today, as where one counts from 0: any may be right
  const leastError = least(dated.map(line => Math.abs(clockError(line))));
  return dated.filter(line => Math.abs(clockError(line)) <= leastError + CLOCK_TOLERANCE);
}

// When the server has gone, all lines have stopped; these are what was live until then.
function liveAtLastPoint(shown) {
  const latest = most(shown.map(({heard}) => heard));
  const last = shown.filter(line => !isStopped(line, latest));
  return last.some(({points}) => points.length > 1) ? last : shown;
}

function spanOfLast({xs, start, end}, count) {
  return {left: xs[Math.max(start, end - count)], right: xs[end - 1]};
}

// The span ends at the newest point. Its length is chosen, or else it holds the last points of the slowest line.
function liveSpan(leading, now, length, count) {
  if (!leading.length) return {left: now - STOPPED_TIME, right: now};  // nothing to be seen: any span will do
  const spans = leading.map(({points}) => spanOfLast(points, count));
  const right = most(spans.map(span => span.right));
  const paced = spans.filter(span => span.right > span.left);  // a point alone says nothing of how far back to go
  const left = length ? right - length : least((paced.length ? paced : spans).map(span => span.left));
  return right - left >= SHORTEST_SPAN ? {left, right} : {left: right - SECOND / 2, right: right + SECOND / 2};
}

// The points of a span as [x, y]. Where there are more than pixels could show: the lowest and the highest of each
// column of pixels, so that no spike is lost, and beside an empty column the one from which the line goes on. Columns
// are fixed in time, so that a moving picture does not flicker. A y that is not above `floor` counts as no value.
function pairsThrough(points, span, columns, floor) {
  const {from, to} = points.placesThrough(span);
  const {xs, ys} = points;
  const pair = place => [xs[place], ys[place] > floor ? ys[place] : NaN];
  if (to - from <= 2 * columns) return Array.from({length: to - from}, (_, number) => pair(from + number));
  const width = lengthOf(span) / columns;
  const columnOf = place => Math.floor(xs[place] / width);
  const pairs = [];
  let place = from;
  while (place < to) {
    const oldest = place;
    const column = columnOf(oldest);
    let lowest = -1;
    let highest = -1;
    for (; place < to && columnOf(place) === column; place += 1) {
      const y = ys[place];
      if (!(y > floor)) continue;  // nor is NaN
      if (lowest < 0 || y < ys[lowest]) lowest = place;
      if (highest < 0 || y > ys[highest]) highest = place;
    }
    const kept = new Set(lowest < 0 ? [oldest] : [lowest, highest]);
    if (oldest === from || columnOf(oldest - 1) < column - 1) kept.add(oldest);
    if (place === to || columnOf(place) > column + 1) kept.add(place - 1);
    const inOrder = [...kept].sort((one, two) => one - two);
    for (const one of inOrder) pairs.push(pair(one));
  }
  return pairs;
}

// The corners of steps: each value holds until the next one, and the last one until then.
function stepsOf(pairs, until) {
  const corners = pairs.flatMap(([x, y], number) => (number ? [[x, pairs[number - 1][1]], [x, y]] : [[x, y]]));
  const isHeld = pairs.length > 0 && pairs.at(-1)[0] < until;
  return isHeld ? [...corners, [until, pairs.at(-1)[1]]] : corners;
}

// The interval from which on points are not joined. A gap that is too narrow to see is none.
function silenceOf(points, span, pixelTime) {
  return UNUSUAL_TIMES * Math.max(expectedInterval(intervalsAround(points, span)), pixelTime);
}

// A null breaks the line, for Flot: between points that are far apart, and where there is no value. None stands before
// the first value: Flot would fill such a line down to 0, whatever it is told.
function breakAt(pairs, silence) {
  const first = pairs.findIndex(([, y]) => !Number.isNaN(y));
  if (first < 0) return [];
  const broken = [];
  pairs.slice(first).forEach((pair, index, all) => {
    if (index > 0 && pair[0] - all[index - 1][0] > silence) broken.push(null);
    broken.push(Number.isNaN(pair[1]) ? null : pair);
  });
  return broken;
}

// The points with a break, or nothing, on both sides: no line leads to them.
function lonePoints(broken) {
  return broken.filter((pair, number) => pair && !broken[number - 1] && !broken[number + 1]);
}

// Whether some value is in a span, or beside it, that has no logarithm.
function hasValueUpToZero(points, span) {
  const {from, to} = points.placesThrough(span);
  for (let place = from; place < to; place += 1) {
    if (points.ys[place] <= 0) return true;
  }
  return false;
}

// The lowest and the highest y of what is drawn in a span, also where a line only crosses its edge; null: nothing is.
function extremesOf(pairs, silence, {left, right}) {
  const ys = pairs.filter(([x]) => x >= left && x <= right).map(([, y]) => y);
  pairs.slice(1).forEach(([x, y], number) => {
    const [xBefore, yBefore] = pairs[number];
    if (x - xBefore > silence) return;  // the line is broken here
    for (const edge of [left, right]) {
      const part = (edge - xBefore) / (x - xBefore);
      if (part > 0 && part < 1) ys.push((1 - part) * yBefore + part * y);
    }
  });
  const there = ys.filter(y => !Number.isNaN(y));
  return there.length ? {low: least(there), high: most(there)} : null;
}

// What the line shows at a time: the y of the nearest point, if the line is drawn there or the point is within reach.
function readingAt({drawn, silence}, time, reach) {
  const nearest = drawn.placeNearest(time);
  const x = drawn.xs[nearest];
  const beyond = x < time ? nearest + 1 : nearest - 1;  // the place on the other side of that time
  const hasNeighbour = beyond >= drawn.start && beyond < drawn.end && !Number.isNaN(drawn.ys[beyond]);
  const isJoined = hasNeighbour && Math.abs(drawn.xs[beyond] - x) <= silence;
  return isJoined || Math.abs(x - time) <= reach ? drawn.ys[nearest] : NaN;
}

// The same in steps: the y of the last point up to that time, if it still holds then.
function stepAt({drawn, holds}, time, reach) {
  const place = drawn.firstPlace(x => x > time) - 1;
  if (place < drawn.start) return NaN;
  const isHeld = holds || place < drawn.end - 1;
  return isHeld || time - drawn.xs[place] <= reach ? drawn.ys[place] : NaN;
}

// What can be said of all points in a span, also of those that are too many to be drawn. Those without a value are
// counted, but have no part in the rest. null: there are none.
function statisticsOf(points, span) {
  const {from, to} = points.placesIn(span);
  const count = to - from;
  if (!count) return null;
  let valued = 0;
  let low = Infinity;
  let high = -Infinity;
  let sum = 0;
  for (let place = from; place < to; place += 1) {
    const y = points.ys[place];
    if (Number.isNaN(y)) continue;
    valued += 1;
    if (y < low) low = y;
    if (y > high) high = y;
    sum += y;
  }
  // Each point stands for the interval before it. That of a point on the left edge is not in the span.
  const intervals = points.xs[from] > span.left ? count : count - 1;
  const seconds = lengthOf(span) / SECOND;
  const found = valued ? {low, high, mean: sum / valued} : {low: NaN, high: NaN, mean: NaN};
  return {last: points.ys[to - 1], ...found, count, rate: intervals / seconds};
}

// ---- scale: the range of y. Where it is logarithmic, it is one of the logarithms ----

const ARTICLE_SCALE = {low: 0, high: 5};
const STEPS_OF_SPREAD = 4;  // the spread of the points is at least so many steps, so they fill two thirds of the scale
const MOST_Y = 5e307;  // so that the difference of two is still a number
const LEAST_Y = 1e-300;  // so that a thousandth of it is still a number
const LEAST_RELATIVE_SPREAD = 1e-12;  // below this, numbers have no digits left
const LITTLE = 1e-9;  // by so much computed numbers may be off: 0.0012 / 0.0001 is not quite 12
const SHRINKING_TIME = 3 * SECOND;  // a scale that is too wide for so long shrinks
const FLAT_PART = 0.02;  // of a scale: a line that varies less looks flat
const WORTH_SHRINKING = 0.75;  // if it shrinks to less than this part; so it does not tremble

// The greatest of 1, 2, 5, 10, 20 ... that is not greater than the number; and the same below 1.
function roundDown(number) {
  const power = 10 ** Math.floor(Math.log10(number));
  return [5, 2, 1].find(digit => digit * power <= number || digit === 1) * power;
}

function fittingScale(extremes) {
  const low = clamp(extremes.low, -MOST_Y, MOST_Y);
  const high = clamp(extremes.high, -MOST_Y, MOST_Y);
  const spread = high - low;
  const size = Math.max(Math.abs(low), Math.abs(high));
  const isConstant = spread < LEAST_Y || spread < LEAST_RELATIVE_SPREAD * size;
  if (!isConstant) return roundScale(low, high);
  const half = size < LEAST_Y ? 1 : size;  // a constant stands about in the middle
  return {...roundScale(low - half, low + half), isConstant};
}

// The least of 1, 2, 5, 10, 20 ... that is not less than the number: the inverses of these are 1, 0.5, 0.2, 0.1 ...
const roundUp = number => 1 / roundDown(1 / number);

// The scale between round numbers that holds both.
function roundScale(low, high) {
  const step = roundDown((high - low) / STEPS_OF_SPREAD);
  return {
    low: Math.min(low, Math.floor(low / step + LITTLE) * step),
    high: Math.max(high, Math.ceil(high / step - LITTLE) * step),
  };
}

// fittingScale for logarithms: a constant stands between powers of ten. A range of few numbers ends as it would on a
// linear scale, any other at 1, 2 or 5 times a power of ten.
function fittingLogScale(extremes) {
  const low = clamp(extremes.low, Math.log10(LEAST_Y), Math.log10(MOST_Y));
  const high = clamp(extremes.high, Math.log10(LEAST_Y), Math.log10(MOST_Y));
  if (high - low < LEAST_RELATIVE_SPREAD) {
    return {low: Math.ceil(low - LITTLE) - 1, high: Math.floor(low + LITTLE) + 1, isConstant: true};
  }
  if (isNarrow({low, high})) {
    const ends = roundScale(10 ** low, 10 ** high);
    return {low: Math.log10(ends.low), high: Math.log10(ends.high)};
  }
  return {
    low: Math.log10(roundDown(10 ** low * (1 + LITTLE))),
    high: Math.log10(roundUp(10 ** high * (1 - LITTLE))),
  };
}

// Whether a logarithmic scale holds too few numbers to differ much from a linear one.
function isNarrow({low, high}) {
  return high - low < Math.log10(5) - LITTLE;
}

// On which side of a scale that is fixed the line is with all that is in the span; "": some of it is on the scale.
function sideOf({extremes}) {
  const fixed = shownFixedScale();
  if (!fixed || !extremes) return "";
  if (extremes.low > fixed.high) return "above";
  return extremes.high < fixed.low ? "below" : "";
}

// Whether a line that varies looks flat on this scale, which others need.
function looksFlat({extremes, scale}, {low, high}) {
  return extremes && !scale.isConstant && extremes.high - extremes.low < FLAT_PART * (high - low);
}

// What becomes of a scale when another would fit: it grows at once, and shrinks when it has been too wide for a while.
// `fitAt` is when it last was not.
function settledScale(before, fitting, now) {
  const isNew = !before || before.isOutdated;
  const wasGuessed = before && before.isConstant;  // nobody knew how far the line would vary
  if (isNew || wasGuessed) return {...fitting, fitAt: now};
  const low = Math.min(before.low, fitting.low);
  const high = Math.max(before.high, fitting.high);
  // A constant counts as too wide: it is then taken over as a constant, so that what varies again fits at once.
  const isTooWide = fitting.isConstant || fitting.high - fitting.low < WORTH_SHRINKING * (high - low);
  if (!isTooWide) return {low, high, fitAt: now};
  if (now - before.fitAt > SHRINKING_TIME) return {...fitting, fitAt: now};
  return {low, high, fitAt: before.fitAt};
}

// [y, text] of the round numbers on a scale, or of its ends where there is no room for two.
function valueTicks(scale, room) {
  const {low, high} = scale;
  const step = roundUp((high - low) / room);  // the smallest round step of which no more than `room` fit
  const first = Math.ceil(low / step - LITTLE);
  const last = Math.floor(high / step + LITTLE);
  if (room < 2 || last <= first) {
    const difference = (high - low) / 20;  // the ends need not be round: one digit more than their distance
    return [low, high].map(y => [y, numberText(y, difference, sizeOf(scale))]);
  }
  const numbers = Array.from({length: last - first + 1}, (_, place) => first + place);
  return numbers.map(number => [clamp(number * step, low, high), numberText(number * step, step, sizeOf(scale))]);
}

// The same for a logarithmic scale: of powers of ten or, where these are few, of 2 and 5 times them, too.
function logTicks(scale, room) {
  if (isNarrow(scale)) {
    const numbers = {low: 10 ** scale.low, high: 10 ** scale.high};
    return valueTicks(numbers, room).map(([y, text]) => [Math.log10(y), text]);
  }
  const step = Math.ceil((scale.high - scale.low) / room);
  const powers = powerTicks(scale, step, [1]);
  if (powers.length > 2) return powers;
  const more = powerTicks(scale, 1, [1, 2, 5]);
  if (more.length <= room + 1) return more;
  return powers.length > 1 ? powers : [more[0], more.at(-1)];
}

// [logarithm, text] of the digits times each power of ten, from `step` to `step`, that are on a scale.
function powerTicks({low, high}, step, digits) {
  const ticks = [];
  for (let power = Math.floor(low / step) * step; power <= high + LITTLE; power += step) {
    for (const digit of digits) {
      const number = Number(`${digit}e${power}`);  // 10 ** power may be a little off
      const logarithm = power + Math.log10(digit);
      const isOnScale = logarithm > low - LITTLE && logarithm < high + LITTLE;
      if (isOnScale) ticks.push([clamp(logarithm, low, high), numberText(number, number, number)]);
    }
  }
  return ticks;
}

// ---- words for numbers and times ----

const PLAIN_FROM = 1e-4;  // where the greatest numbers are less than this,
const PLAIN_BELOW = 1e18;  // or not less than this, all are written with an exponent
const LARGE_UNITS = [[1e15, " P"], [1e12, " T"], [1e9, " G"]];
const MOST_DIGITS = 15;  // that a number has
const ROUNDED_UP_FROM = 0.9995;  // of a unit: with three digits that is one
const DURATION_UNITS = [[YEAR, "y"], [DAY, "d"], [HOUR, "h"], [MINUTE, "min"], [SECOND, "s"], [1, "ms"]];
const FREQUENCY_UNITS = [[1e6, "MHz"], [1e3, "kHz"], [1, "Hz"], [1e-3, "mHz"], [1e-6, "µHz"]];

// A number with as many digits as it takes to tell it from others that differ by `difference`. Numbers of one scale, of
// which `size` is the greatest, are written in the same way.
function numberText(number, difference, size) {
  const isPlain = size === 0 || size >= PLAIN_FROM && size < PLAIN_BELOW;
  if (!isPlain) return exponentText(number, difference);
  const [unit, letter] = LARGE_UNITS.find(([one]) => size >= one) || [1, ""];
  if (letter && Math.abs(number) < difference / 2) return "0";
  const text = (number / unit).toFixed(clamp(-exponentOf(difference / unit), 0, MOST_DIGITS));
  return (Number(text) === 0 ? text.replace("-", "") : text) + letter;
}

function exponentText(number, difference) {
  if (Math.abs(number) < difference / 2) return "0";
  const digits = exponentOf(Math.abs(number)) - exponentOf(difference);
  return number.toExponential(clamp(digits, 0, MOST_DIGITS)).replace("+", "");
}

const exponentOf = number => Math.floor(Math.log10(number) + LITTLE);

const sizeOf = ({low, high}) => Math.max(Math.abs(low), Math.abs(high));

// The difference that can be read off a line: of all its decimals if they are few, or a thousandth of its scale.
function legibleDifference({decimals, scale}) {
  const received = 10 ** -decimals;
  const legible = Math.max((scale.high - scale.low) / 1000, LEAST_Y);
  if (decimals === MAX_DECIMALS) return legible;
  return scale.isConstant ? received : Math.max(received, legible);
}

function inGreatestUnit(units, number, round) {
  const [size, unit] = units.find(([size]) => number >= ROUNDED_UP_FROM * size) || units.at(-1);
  return `${round(number / size)} ${unit}`;
}

// A y of a line, with the digits that can be read off it. Where its scale does not say which, as a logarithmic one does
// not, and as it has none if it was never in the span, the digits are those of a constant.
function valueText(line, y) {
  if (Number.isNaN(y)) return "–";
  const scale = !chosen.log && line.scale || fittingScale({low: y, high: y});
  return numberText(y, legibleDifference({decimals: line.decimals, scale}), sizeOf(scale));
}

const threeDigits = number => Number(number.toPrecision(3));
const durationText = (duration, round) => inGreatestUnit(DURATION_UNITS, duration, round);
const frequencyText = duration => inGreatestUnit(FREQUENCY_UNITS, SECOND / duration, threeDigits);

// Whole milliseconds only: Flot would write 59.9996 s as 59.000 s.
function localTime(time, format = "%H:%M:%S.%3s") {
  return $.plot.formatDate($.plot.dateGenerator(Math.floor(time), {timezone: "browser"}), format);
}

// What is odd about a line, in words.
function noteOn(line, now, span) {
  const x = newestX(line);
  if (line.stopped) {
    const wholeUnits = number => Math.floor(number) || 1;  // 0 where it has just been rounded up to a unit
    const ago = `${durationText(now - line.heard, wholeUnits)} ago`;
    return line.points.length > 1 ? `stopped ${ago}` : ago;
  }
  const error = clockError(line);
  const isOutside = x < span.left || x > span.right;
  if (sideOf(line)) return `${sideOf(line)} the scale`;
  if (!isOutside || Math.abs(error) < CLOCK_TOLERANCE) return "";
  if (Math.abs(x) < YEAR) return "counts from 0";
  return `${durationText(Math.abs(error), Math.round)} ${error < 0 ? "behind" : "ahead"}`;
}

// ---- what is chosen: by the address, then by the controls ----

const LONGEST_ADDRESS = 6000;  // characters; the server takes 8,192, or it would not give the page again

const address = new URLSearchParams(location.search);
const datalen = clamp(Math.floor(Number(address.get("points"))) || 100, 2, 100000);  // points of the slowest line
const fixedScale = readScale(address.get("y") || "");
const CHOICES = ["apart", "steps", "log", "stats"];  // as the address and the buttons name them
const chosen = Object.fromEntries(CHOICES.map(name => [name, address.has(name)]));
let chosenSpan = "";  // in seconds, as the menu has it; "": the last points
const chosenLength = () => Number(chosenSpan) * SECOND;
const hiddenLabels = new Set(address.getAll("hide"));  // also of lines that have not come yet
const shownLines = () => [...lines.values()].filter(line => !hiddenLabels.has(line.label));
let paused = null;  // or {at, span, rangesBefore}: the time, all that was to be seen then, of which `span` may be a
                    // part, and the ranges that were looked at before this one
let span = {left: Date.now() - STOPPED_TIME, right: Date.now()};  // which is shown

// Whether a part of what rests is shown. To pause keeps the span itself, no copy: so the whole is the same object.
const isCloser = () => paused !== null && span !== paused.span;

function readScale(text) {
  const [low, high] = text.split(",").map(Number);
  return low < high && Number.isFinite(high - low) ? {low, high} : null;
}

// The fixed scale, if the graph can have it: there is no logarithm of what is not above zero.
function shownFixedScale() {
  if (!chosen.log || !fixedScale) return fixedScale;
  return fixedScale.low > 0 ? {low: Math.log10(fixedScale.low), high: Math.log10(fixedScale.high)} : null;
}

function writeAddress() {
  const write = (name, value, isChosen) => (isChosen ? address.set(name, value) : address.delete(name));
  write("span", chosenSpan, chosenLength() > 0);
  for (const name of CHOICES) write(name, "", chosen[name]);
  address.delete("hide");
  for (const label of hiddenLabels) {
    if (address.toString().length < LONGEST_ADDRESS) address.append("hide", label);
  }
  const text = address.toString().replaceAll("%2C", ",").replace(/=(?=&|$)/g, "");  // as one writes it: y=-1,1&apart
  history.replaceState(null, "", text ? `?${text}` : location.pathname);
}

// ---- drawing: when. At most 30 times a second and an eighth of the time, whatever the rate of the points ----

const SHORTEST_REST = SECOND / 30;
const LONGEST_REST = SECOND;  // even where a drawing takes more than an eighth of it
const REST_PER_WORK = 8;

let isDrawingAskedFor = false;
let isResting = false;  // from a drawing until the next one may begin

// A hidden tab gets no animation frames. Its points are kept all the same, and it draws once it is shown.
function askForDrawing() {
  if (isDrawingAskedFor) return;
  isDrawingAskedFor = true;
  if (!isResting) requestAnimationFrame(drawFrame);
}

function drawFrame() {
  const start = performance.now();
  isDrawingAskedFor = false;
  isResting = true;
  const isPressed = isBeingDragged() || element("legend").matches(":active");
  if (!isPressed || isLayoutOld) draw();  // what is under the pointer must stay there
  setTimeout(() => {  // The browser paints first, which is most of the work.
    const work = performance.now() - start;
    setTimeout(endRest, clamp(REST_PER_WORK * work, SHORTEST_REST, LONGEST_REST) - work);
  });
}

function endRest() {
  isResting = false;
  if (isDrawingAskedFor) requestAnimationFrame(drawFrame);
}

// ---- drawing: what. Strips from top to bottom, each of them a plot: one for all lines, or one for each line ----

const TIME_ROOM = 140;  // pixels from one time to the next,
const TIME_WIDTH = 70;  // and for the longest that Flot writes
const LABEL_HEIGHT = 14;  // pixels; Flot does not measure the first and the last label, and these may be all
const VALUE_LABEL_HEIGHT = 60;  // pixels from one value to the next
const SIDE_MARGIN = 8;  // pixels beside the plots,
const MARGIN = 6;  // and above and below them,
const NAME_ROOM = 13;  // or above them where the line's name stands there
const DOT_ROOM = 4;  // pixels; where points are closer, lines are drawn without dots
const MAX_BROAD_LINES = 10;  // more in one graph are thin, without dots, and not filled
const BROAD = 2;  // pixels
const THIN = 1;
const FILL_OPACITY = 0.3;  // below a line; all lines of a graph share it

let strips = [];
let isLayoutOld = false;  // whether they have to be made again
let pixelRatio = devicePixelRatio;  // with which they were made; another screen may have another
let stripOfTimes = null;  // below many strips, so that the times are in sight when these scroll
const allStrips = () => (stripOfTimes ? [...strips, stripOfTimes] : strips);
const RULER_SIZE = 12;  // pixels: of the letters on the axes
const ruler = document.createElement("canvas").getContext("2d");
ruler.font = `${RULER_SIZE}px system-ui, sans-serif`;

function draw() {
  element("waiting").hidden = lines.size > 0;  // it covers the graph
  const now = paused ? paused.at : Date.now();
  const shown = shownLines();
  if (!paused) {
    for (const line of lines.values()) line.stopped = isStopped(line, now);
    const leading = leadingLines(shown, now);
    for (const line of shown) line.holds = !line.stopped && leading.includes(line);
    if (!isBeingDragged()) span = liveSpan(leading, now, chosenLength(), datalen);
  }
  const columns = Math.max(element("placeholder").clientWidth, 1);
  for (const line of lines.values()) fitLine(line, columns, now);  // also what is hidden has readings and a note
  const groups = groupsOf(shown);
  if (isLayoutOld || strips.length !== groups.length || pixelRatio !== devicePixelRatio) buildStrips(groups.length);
  groups.forEach((group, number) => fitStrip(strips[number], group, now));
  alignStrips();
  strips.forEach((strip, number) => drawStrip(strip, groups[number]));
  if (stripOfTimes) drawStrip(stripOfTimes, []);
  showSelection();
  alignEntries();
  showReadings();
  showStatistics();
  offerApart(shown);
}

// The lines of each strip. A line that has stopped has none of its own when nothing of it is in sight any more.
function groupsOf(shown) {
  const own = chosen.apart ? shown.filter(line => line.extremes || line.drawn.length && !line.stopped) : [];
  return own.length ? own.map(line => [line]) : [shown];
}

// What of the line is in the span, and the scale that it would have to itself. Where y is logarithmic, both are made of
// logarithms: Flot has axes with a transform, but cuts lines at the edge of the graph as if there was none.
function fitLine(line, columns, now) {
  const points = pairsThrough(line.drawn, span, columns, chosen.log ? 0 : -Infinity);
  const pairs = chosen.log ? points.map(([x, y]) => [x, Math.log10(y)]) : points;
  line.isCut = chosen.log && hasValueUpToZero(line.drawn, span);
  const until = line.holds ? span.right : -Infinity;
  line.pairs = chosen.steps ? stepsOf(pairs, until) : pairs;
  line.silence = chosen.steps ? Infinity : silenceOf(line.drawn, span, lengthOf(span) / columns);
  line.extremes = extremesOf(line.pairs, line.silence, span);
  if (!line.extremes) return;
  line.scale = settledScale(line.scale, fitting(line.extremes), now);
}

const fitting = extremes => (chosen.log ? fittingLogScale(extremes) : fittingScale(extremes));

function fitStrip(strip, group, now) {
  const some = group.filter(line => line.extremes);
  if (some.length === 1) strip.scale = some[0].scale;  // which is kept when strips are built again
  if (some.length > 1) {
    const low = least(some.map(line => line.extremes.low));
    const high = most(some.map(line => line.extremes.high));
    strip.scale = settledScale(strip.scale, fitting({low, high}), now);
  }
  const scale = shownFixedScale() || strip.scale;
  strip.shownScale = scale || ARTICLE_SCALE;
  const room = strip.box.clientHeight / VALUE_LABEL_HEIGHT;
  const ticksOf = chosen.log ? logTicks : valueTicks;
  strip.ticks = scale ? ticksOf(scale, room) : [];  // nothing is there, so no values are
  const named = chosen.apart && group.length === 1;
  strip.name.textContent = named ? group[0].label : "";
  strip.name.style.color = named ? group[0].color : "";
}

// All strips get the room for the widest of their values, so that the same time is below the same time.
function alignStrips() {
  const texts = strips.flatMap(strip => strip.ticks.map(([, text]) => text));
  const width = Math.ceil(most([0, ...texts.map(text => ruler.measureText(text).width)]));
  for (const strip of allStrips()) strip.plot.getYAxes()[0].options.labelWidth = width;
}

function drawStrip(strip, group) {
  const {plot} = strip;
  if (!isInSight(strip)) return;
  const length = lengthOf(span);
  const minTickSize = length < 3 * SECOND ? [1, "millisecond"] : [2, "second"];  // the article has two seconds
  const count = strip.box.clientWidth / TIME_ROOM;
  Object.assign(plot.getXAxes()[0].options, {min: span.left, max: span.right, ticks: count, minTickSize});
  const {low, high} = strip.shownScale;
  Object.assign(plot.getYAxes()[0].options, {min: low, max: high, ticks: strip.ticks});
  const dotTime = DOT_ROOM * length / plot.width();  // in milliseconds
  const isBroad = group.length <= MAX_BROAD_LINES;
  const isDotted = !chosen.steps && isBroad && group.every(line => isSparse(line.pairs, dotTime));
  plot.setData(group.flatMap(line => {
    const data = breakAt(line.pairs, line.silence);
    const fill = isBroad && !sideOf(line) && FILL_OPACITY / group.length;
    // The name is not for Flot, but for those who ask what it has drawn (plot.getData()), such as the tests.
    const look = {fill, fillTowards: chosen.log ? low : 0, lineWidth: isBroad ? BROAD : THIN};
    const whole = {name: line.label, color: line.color, data, lines: look, points: {show: isDotted}};
    const lone = {color: line.color, data: lonePoints(data), lines: {show: false}, points: {show: true}};
    return isDotted || !lone.data.length ? [whole] : [whole, lone];  // each series costs, even an empty one
  }));
  plot.setupGrid();
  plot.draw();
  strip.name.style.left = `${plot.getPlotOffset().left}px`;
}

// Whether there is room for a dot at each point.
function isSparse(pairs, dotTime) {
  return pairs.length < 2 || pairs.at(-1)[0] - pairs[0][0] >= (pairs.length - 1) * dotTime;
}

function isInSight({box}) {
  const {scrollTop, clientHeight} = element("placeholder");
  return box.offsetTop < scrollTop + clientHeight && box.offsetTop + box.offsetHeight > scrollTop;
}

function buildStrips(count) {
  for (const strip of allStrips()) strip.plot.destroy();
  element("placeholder").replaceChildren();
  isLayoutOld = false;
  pixelRatio = devicePixelRatio;
  const isMany = count > 1;
  const timeOptions = isMany ? {showTickLabels: "none", showTicks: false, labelHeight: 0} : {};
  const margins = {top: chosen.apart ? NAME_ROOM : MARGIN, bottom: isMany ? 0 : MARGIN};
  strips = Array.from({length: count}, () => newStrip("strip"));
  stripOfTimes = isMany ? newStrip("strip time") : null;
  for (const strip of strips) strip.plot = newPlot(strip, timeOptions, margins);
  if (isMany) stripOfTimes.plot = newPlot(stripOfTimes, {gridLines: false}, {top: MARGIN, bottom: MARGIN});
}

function newStrip(className) {
  const box = fromTemplate("strip");
  box.className = className;
  element("placeholder").append(box);
  const [room, name] = box.children;
  return {box, room, name, plot: null, scale: null, shownScale: ARTICLE_SCALE, ticks: []};
}

// Flot takes the colors, the size and the resolution of the screen when a plot is made.
function newPlot(strip, timeOptions, margins) {
  const css = variable => getComputedStyle(document.documentElement).getPropertyValue(variable);
  const axis = {show: true, autoScale: "none", showMinorTicks: false, labelHeight: LABEL_HEIGHT};
  return $.plot(strip.room, [], {
    series: {shadowSize: 0, lines: {show: true}, points: {radius: 2.5, fillColor: css("--back")}},
    xaxis: {...axis, mode: "time", timeBase: "milliseconds", timezone: "browser", labelWidth: TIME_WIDTH,
            ...timeOptions},
    yaxis: axis,
    interaction: {redrawOverlayInterval: DAY},  // nothing lies over the plot: clearing that would cost a second frame
    grid: {borderWidth: 1, borderColor: css("--line"), tickColor: css("--line"),
           margin: {left: SIDE_MARGIN, right: SIDE_MARGIN, ...margins}},
  });
}

// After a choice all that is worked out of the points fits at once: the scales and the statistics. A line out of sight
// keeps its own scale, by which its last value is written.
function outdateFits() {
  for (const line of lines.values()) line.scale = line.scale && {...line.scale, isOutdated: true};
  for (const strip of strips) strip.scale = null;
  statistics = NO_STATISTICS;
}

function outdateLayout() {
  isLayoutOld = true;
  askForDrawing();
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", outdateLayout);
new ResizeObserver(outdateLayout).observe(element("placeholder"));

// ---- reading: the hair, and the legend (Flot's own takes labels as HTML) ----

const NAME_SIZE = 15;  // pixels: of the letters of a name in the legend,
const NAME_WIDTHS = [64, 240];  // and of the narrowest and the widest
const LEAST_DIGITS = 6;  // for which there is room in every entry
const REACH = 6;  // pixels from the hair to a point that is read all the same

let hairAt = null;  // how far to the right, from 0 to 1; null: there is no hair

const timeAt = part => span.left + part * lengthOf(span);

function newEntry(label) {
  const whole = fromTemplate("entry");
  const [toggle, swatch, name, value, note, forget] =
    [".line", "i", "bdi", ".value", ".note", ".forget"].map(part => whole.querySelector(part));
  name.textContent = label;
  toggle.title = label;
  forget.setAttribute("aria-label", `Forget ${label}`);
  toggle.setAttribute("aria-pressed", !hiddenLabels.has(label));
  toggle.onclick = () => {
    const wasHidden = hiddenLabels.delete(label);
    if (!wasHidden) hiddenLabels.add(label);
    toggle.setAttribute("aria-pressed", wasHidden);
    writeAddress();
    outdateFits();
    draw();
  };
  forget.onclick = () => {
    forgotten.set(label, newestX(lines.get(label)));
    removeLine(lines.get(label));
    hiddenLabels.delete(label);
    writeAddress();
    draw();
    element("placeholder").focus();  // the button that had it is gone
  };
  const nameWidth = Math.ceil(ruler.measureText(label).width * NAME_SIZE / RULER_SIZE);
  return {whole, swatch, nameWidth, value, note, forget};
}

// Each line's last value or, with a hair, its value there, or the difference over a range; and what is odd about it.
function showReadings() {
  placeHair();
  element("legend").classList.toggle("differences", isRangeShown());
  element("limit").hidden = lines.size < MAX_LINES;
  const now = Date.now();
  for (const line of lines.values()) {
    if (!paused) showState(line, now);  // else it rests, like the picture
    const cut = line.isCut && !hiddenLabels.has(line.label) ? "≤ 0 left out" : "";
    setText(line.entry.note, [line.note, cut].filter(text => text).join(", "));
    setText(line.entry.value, readingText(line));
  }
}

function showState(line, now) {
  line.note = noteOn(line, now, span);
  line.entry.whole.classList.toggle("stopped", line.stopped);
  line.entry.forget.hidden = !line.stopped;
}

let digitsEver = LEAST_DIGITS;  // the widest value so far: entries never get narrower again

// All entries are as wide as the longest name and the widest value ask for: they stand in columns, and what is read
// moves none of them, so that a finger that is coming down on one meets it.
function alignEntries() {
  const all = [...lines.values()];
  const name = clamp(most(all.map(line => line.entry.nameWidth)), ...NAME_WIDTHS);
  digitsEver = most([digitsEver, ...all.map(mostDigits)]);
  element("legend").style.setProperty("--name", `${name}px`);
  element("legend").style.setProperty("--digits", digitsEver);
}

// Of all that may be read of the line: its values are between the ends of its scale, unless the last one is elsewhere.
function mostDigits(line) {
  const ends = line.scale ? [line.scale.low, line.scale.high] : [];
  const ys = [...(chosen.log ? ends.map(end => 10 ** end) : ends), lastY(line)];
  return most(ys.map(y => valueText(line, y).length));
}

function lastY({drawn}) {
  return drawn.length ? drawn.ys[drawn.end - 1] : NaN;  // none, if it came while paused
}

function readingText(line) {
  if (!line.drawn.length) return valueText(line, NaN);  // it came while paused
  if (isRangeShown()) return differenceText(line, selected());
  return valueText(line, hairAt === null ? lastShownY(line) : valueAt(line, timeAt(hairAt)));
}

// Where one has looked closer, the last value in the range, so that it is that of the picture.
function lastShownY(line) {
  if (!isCloser()) return lastY(line);
  const {drawn} = line;
  const place = drawn.firstPlace(x => x > span.right) - 1;
  return place < drawn.start ? NaN : drawn.ys[place];
}

function valueAt(line, time) {
  const reach = REACH * lengthOf(span) / plotInSight().width();
  return chosen.steps ? stepAt(line, time, reach) : readingAt(line, time, reach);
}

// By how much the line is higher at the right end of a range than at the left one.
function differenceText(line, {left, right}) {
  const y = valueAt(line, right) - valueAt(line, left);
  if (Number.isNaN(y)) return "–";
  const scale = !chosen.log && line.scale || fittingScale({low: Math.min(y, 0), high: Math.max(y, 0)});
  return `Δ ${numberText(y, legibleDifference({decimals: line.decimals, scale}), scale.high - scale.low)}`;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function placeHair() {
  const hair = element("hair");
  hair.hidden = hairAt === null || !lines.size || isRangeShown();
  if (hair.hidden) return;
  hair.style.left = `${pixelAt(hairAt)}px`;
  hair.classList.toggle("flipped", hairAt > 0.5);
  setText(hair.firstChild, localTime(timeAt(hairAt)));
}

// Whose margins are those of all: a strip that is scrolled out of sight is not drawn, so its own may be old.
function plotInSight() {
  return (stripOfTimes || strips[0]).plot;
}

// Where a part of the span is, in pixels from the left of the graph; and the other way round.
function pixelAt(part) {
  const plot = plotInSight();
  return plot.getPlotOffset().left + part * plot.width();
}

function partAt(pageX) {
  const plot = plotInSight();
  return clamp((pageX - plot.offset().left) / plot.width(), 0, 1);
}

function moveHair(part) {
  hairAt = part;
  if (part === null) describeHair(100, "now");
  showReadings();
}

function describeHair(percent, text) {
  element("placeholder").setAttribute("aria-valuenow", percent);
  element("placeholder").setAttribute("aria-valuetext", text);
}

const HAIR_STEP = 0.01;
const KEYS = {  // where each key moves the hair
  ArrowLeft: part => Math.max(part - HAIR_STEP, 0),
  ArrowRight: part => Math.min(part + HAIR_STEP, 1),
  Home: () => 0,
  End: () => 1,
};

function moveHairByKey(key) {
  element("placeholder").focus();  // who hears the page is told its value
  moveHair(KEYS[key](hairAt === null ? 1 : hairAt));
  const readings = shownLines().map(line => `${line.label} ${readingText(line)}`);
  describeHair(Math.round(100 * hairAt), `${localTime(timeAt(hairAt))}: ${readings.join(", ")}`);
}

element("placeholder").onblur = () => moveHair(null);
element("placeholder").onscroll = askForDrawing;
document.addEventListener("pointerdown", event => {  // a finger does not leave the graph as a mouse does
  if (!element("graph").contains(event.target)) moveHair(null);
});

// ---- statistics of what is shown, in a table ----

const STATISTICS_REST = SECOND / 2;  // from one time to the next: a moving picture's can still be read, and cost little

const NO_STATISTICS = {span: null, at: -Infinity};
let statistics = NO_STATISTICS;  // of which span they are shown, and since when

function newRow(label) {
  const whole = fromTemplate("row");
  const [swatch, name, ...cells] = whole.querySelectorAll("i, bdi, td");
  name.textContent = label;
  name.title = label;
  return {whole, swatch, cells};
}

// A picture at rest has its own at once.
function showStatistics() {
  element("statistics").hidden = !chosen.stats || !lines.size;
  const now = performance.now();
  const isAnotherPicture = span !== statistics.span;  // as each that moves has a span of its own
  const isNew = isAnotherPicture && (paused || now - statistics.at >= STATISTICS_REST);
  if (!chosen.stats || !isNew) return;
  statistics = {span, at: now};
  for (const line of lines.values()) {
    const {whole, cells} = line.row;
    whole.classList.toggle("hidden", hiddenLabels.has(line.label));
    const texts = statisticsTexts(line);
    cells.forEach((cell, place) => setText(cell, texts[place]));
  }
}

// In the order of the table's columns.
function statisticsTexts(line) {
  const found = statisticsOf(line.drawn, span);
  if (!found) return ["–", "–", "–", "–", "–", "–"];
  const {last, low, high, mean, count, rate} = found;
  const meanText = valueText({...line, decimals: MAX_DECIMALS}, mean);  // that of whole numbers is not whole
  return [...[last, low, high].map(y => valueText(line, y)), meanText, `${count}`, `${threeDigits(rate)}`];
}

// ---- looking closer: a range is dragged over, with mouse or finger ----

const SHORTEST_DRAG = 5;  // pixels; less is a click,
const SHORTEST_TOUCH = 15;  // or a finger that slips

let drag = null;  // {from, to, shortest}: parts of the span, and how long it has to be, in pixels

element("placeholder").onpointerdown = event => {
  const isOnScrollBar = event.target === element("placeholder") && event.offsetX >= event.target.clientWidth;
  if (event.button !== 0 || isOnScrollBar) return;
  element("placeholder").setPointerCapture(event.pointerId);
  leaveDrag();
  if (event.pointerType === "touch") fingers.set(event.pointerId, event);
  const {part} = pointed(event);
  if (event.shiftKey || fingers.size === 2) takeGrip(event);
  else if (event.isPrimary) drag = {from: part, to: part, shortest: shortestDrag(event)};
  moveHair(part);
};

const shortestDrag = ({pointerType}) => (pointerType === "touch" ? SHORTEST_TOUCH : SHORTEST_DRAG);

element("placeholder").onpointermove = event => {
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
  const {part} = pointed(event);
  if (drag) drag.to = part;
  if (grip) moveGrip(event);
  showSelection();
  moveHair(part);
};

element("placeholder").onpointerup = () => {
  const range = isRangeShown() && selected();
  leaveDrag();
  if (!range || lengthOf(range) < SHORTEST_SPAN) return;
  lookCloser({left: range.left, right: range.right});
};

element("placeholder").onlostpointercapture = event => {
  fingers.delete(event.pointerId);
  leaveDrag();
};

element("placeholder").onpointercancel = () => moveHair(null);  // the finger scrolls

element("placeholder").onpointerleave = event => {
  if (event.pointerType === "mouse") moveHair(null);
};

element("placeholder").ondblclick = () => {
  if (paused) showWhole();
};

// Shows all that was there when it was paused. From there Escape leads to what is live.
function showWhole() {
  paused.rangesBefore = [];
  showStill(paused.span);
}

// Shows a range at rest. Escape leads back to what is shown now.
function lookCloser(range) {
  if (!paused) pause();
  paused.rangesBefore.push(span);
  showStill(range);
}

// What Escape does: it takes back the drag, or one step of looking closer, or the rest, or the hair.
function undo() {
  grip = null;  // lets go of a picture that is being moved; what it was before is one step back
  if (drag) leaveDrag();
  else if (paused && paused.rangesBefore.length) showStill(paused.rangesBefore.pop());
  else if (paused) resume();
  else moveHair(null);
}

function leaveDrag() {
  drag = null;
  grip = null;
  showSelection();
  askForDrawing();
}

function selected() {
  const start = Math.min(drag.from, drag.to);
  const end = Math.max(drag.from, drag.to);
  return {left: timeAt(start), right: timeAt(end), edge: pixelAt(start), pixels: pixelAt(end) - pixelAt(start)};
}

function showSelection() {
  const selection = element("selection");
  selection.hidden = !drag || selected().pixels < drag.shortest;
  if (selection.hidden) return;
  const {left, right, edge, pixels} = selected();
  selection.style.left = `${edge}px`;
  selection.style.width = `${pixels}px`;
  selection.classList.toggle("flipped", timeAt(0.5) < (left + right) / 2);
  setText(selection.firstChild, `Δt ${durationText(right - left, threeDigits)} · ${frequencyText(right - left)}`);
}

function isRangeShown() {
  return !element("selection").hidden;
}

// ---- the still picture is moved, by dragging with Shift or with two fingers, and stretched by these or the wheel ----

const PIXELS_PER_TURN = [1, 30, 300];  // for each unit in which browsers tell how far a wheel was turned
const TURN_PIXELS = 400;  // make the span e times as long,
const PINCH_PIXELS = 100;  // or these with Ctrl, as which browsers tell of a pinch on a touchpad;
const MOST_PER_TURN = 0.3;  // but one turn makes it no longer than e to the power of this
const KEY_TURNS = {"+": -MOST_PER_TURN, "-": MOST_PER_TURN};  // the same by key, around the hair

const fingers = new Map();  // on the graph: pointerId -> the last event
let grip = null;  // {time, part, length, distance, isMoving}: the time that is held, and how it all was at first
let rangeOfTurns = null;  // what is shown, if that was a turn of the wheel or a key

const isBeingDragged = () => drag !== null || grip !== null;
const wholeSpan = () => (paused ? paused.span : span);

// Where the pointer is, or the middle between two fingers, and how far these are apart.
function pointed(event) {
  if (fingers.size !== 2) return {part: partAt(event.pageX), distance: 1};
  const [one, two] = fingers.values();
  const distance = Math.max(Math.hypot(one.pageX - two.pageX, one.pageY - two.pageY), 1);
  return {part: partAt((one.pageX + two.pageX) / 2), distance};
}

function takeGrip(event) {
  const {part, distance} = pointed(event);
  grip = {time: timeAt(part), part, length: lengthOf(span), distance, isMoving: false};
}

// The time that is held stays at the pointer, or between the fingers.
function moveGrip(event) {
  const {part, distance} = pointed(event);
  const pixels = Math.abs(pixelAt(part) - pixelAt(grip.part)) + Math.abs(distance - grip.distance);
  if (!grip.isMoving && pixels < SHORTEST_DRAG) return;
  const range = spanAround(grip.time, part, grip.length * grip.distance / distance, oldestX());
  if (grip.isMoving) showStill(range);
  else lookCloser(range);
  grip.isMoving = true;
}

// The span in which a time is at this part. It is no longer than the whole that was paused and ends no later. It begins
// no earlier than the whole or `earliest`, whichever is older.
function spanAround(time, part, wantedLength, earliest) {
  const whole = wholeSpan();
  const length = clamp(wantedLength, Math.min(SHORTEST_SPAN, lengthOf(whole)), lengthOf(whole));
  const left = clamp(time - part * length, Math.min(earliest, whole.left), whole.right - length);
  return {left, right: left + length};
}

function oldestX() {
  return least(shownLines().filter(({drawn}) => drawn.length).map(({drawn}) => drawn.xs[drawn.start]));
}

element("placeholder").onwheel = event => {
  const {scrollHeight, clientHeight} = element("placeholder");
  const scrollsStrips = scrollHeight > clientHeight && !event.ctrlKey;
  if (scrollsStrips || isBeingDragged() || !event.deltaY || !lines.size) return;
  const pixels = event.deltaY * PIXELS_PER_TURN[event.deltaMode];
  const turn = clamp(pixels / (event.ctrlKey ? PINCH_PIXELS : TURN_PIXELS), -MOST_PER_TURN, MOST_PER_TURN);
  const range = rangeStretched(partAt(event.pageX), turn);
  if (range !== span || event.ctrlKey) event.preventDefault();  // else the page may scroll: there is no wider span
  if (range !== span) turnTo(range);
};

function stretchByKey(key) {
  const range = rangeStretched(hairAt === null ? 1 : hairAt, KEY_TURNS[key]);
  if (range !== span && !isBeingDragged() && lines.size) turnTo(range);
}

// The span, longer or shorter, with what is at this part of it where it is.
function rangeStretched(part, turn) {
  const whole = wholeSpan();
  const isWidest = lengthOf(span) > lengthOf(whole) - SHORTEST_SPAN;  // computed times are not exact
  if (turn > 0 && isWidest) return span;
  const earliest = span.left < whole.left ? oldestX() : whole.left;  // if it has been moved there, it may stay there
  const range = spanAround(timeAt(part), part, Math.exp(turn) * lengthOf(span), earliest);
  const isWhole = Math.abs(range.left - whole.left) + Math.abs(range.right - whole.right) < SHORTEST_SPAN;
  return isWhole ? whole : range;
}

// Turns that follow each other, with nothing else between them, are one step: Escape takes them back at once.
function turnTo(range) {
  if (paused && range === paused.span) {
    showWhole();
    return;
  }
  if (span === rangeOfTurns) showStill(range);
  else lookCloser(range);
  rangeOfTurns = range;
}

// ---- pausing: the picture rests, while points go on coming ----

function pause() {
  paused = {at: Date.now(), span, rangesBefore: []};
  for (const line of lines.values()) line.drawn = line.points.copy();
  showPause();
  askForDrawing();  // of its statistics
}

function resume() {
  paused = null;
  for (const line of lines.values()) line.drawn = line.points;
  showPause();
  showSpanInMenu();
  askForDrawing();
}

function showPause() {
  element("pause").textContent = paused ? "Resume" : "Pause";
  element("pause").title = paused ? "Live again (Space)" : "Rest, while points go on coming (Space)";
}

function togglePause() {
  if (paused) resume();
  else pause();
}

function showStill(range) {
  span = range;
  rangeOfTurns = null;
  showSpanInMenu();
  outdateFits();
  draw();
}

// ---- controls ----

element("pause").onclick = togglePause;

let isTabLeading = false;  // whether the focus is where Tab has led it, and not where one has pressed

document.addEventListener("pointerdown", () => {
  isTabLeading = false;
});

document.addEventListener("keydown", event => {  // wherever the focus is
  if (event.key === "Tab") isTabLeading = true;
  if (event.key === "Escape" && isPanelOpen()) return;  // the browser closes it
  const isOther = event.ctrlKey || event.altKey || event.metaKey || event.target === element("span");
  const isOurs = event.code === "Space" || event.key === "Escape" || KEYS[event.key] || KEY_TURNS[event.key];
  const isOfPanel = event.target.closest("#view, #panel");
  const isOfTable = KEYS[event.key] && isTabLeading && event.target === element("statistics");  // they scroll it
  const isOfButton = event.code === "Space" && isTabLeading && event.target.matches("button");
  if (isOther || !isOurs || isOfButton || isOfTable || isOfPanel && event.key !== "Escape") return;
  event.preventDefault();
  if (event.key === "Escape") undo();
  else if (KEYS[event.key]) moveHairByKey(event.key);
  else if (KEY_TURNS[event.key]) stretchByKey(event.key);
  else if (!event.repeat && !isBeingDragged()) togglePause();
});

// At rest, where one has looked closer, the menu says how long that is; so any choice of it is another one.
function showSpanInMenu() {
  if (isCloser()) element("still").text = `Still ${durationText(lengthOf(span), threeDigits)}`;
  element("span").value = isCloser() ? element("still").value : chosenSpan;
}

element("span").onchange = () => {
  chosenSpan = element("span").value;
  writeAddress();
  outdateFits();
  resume();
  draw();  // at once, as it may be paused next
};

function choose(name) {
  chosen[name] = !chosen[name];
  if (name === "apart") {
    isApartKnown = true;
    isLayoutOld = true;
  }
  if (name === "log") {
    for (const line of lines.values()) line.scale = null;  // logarithms are no numbers, and numbers no logarithms
  }
  showPressed();
  writeAddress();
  outdateFits();
  draw();
}

function showPressed() {
  for (const name of CHOICES) element(name).setAttribute("aria-pressed", chosen[name]);
}

for (const name of CHOICES) element(name).onclick = () => choose(name);

const FLAT_TIME = 3 * SECOND;  // a line that looks flat for so long does not do so by chance

let isApartKnown = false;  // whether it was offered or pressed
let notFlatAt = Date.now();  // when no line looked flat, last

// Offers Apart, once, for as long as a line looks flat.
function offerApart(shown) {
  const mayApartHelp = !chosen.apart && !chosen.log && !fixedScale;
  const isFlat = mayApartHelp && shown.some(line => looksFlat(line, strips[0].shownScale));
  if (!isFlat) {
    notFlatAt = Date.now();
    element("hint").hidden = true;
  } else if (!paused && !isApartKnown && Date.now() - notFlatAt > FLAT_TIME) {
    isApartKnown = true;
    element("hint").hidden = false;
  }
}

element("try").onclick = () => choose("apart");

element("dismiss").onclick = () => {
  element("hint").hidden = true;
  element("placeholder").focus();  // the button that had it is gone
};

// The panel behind View is the browser's to open and close: by that button, by Escape, by a press elsewhere.
const isPanelOpen = () => element("panel").matches(":popover-open");

element("panel").addEventListener("focusout", event => {  // Tab has led out of it
  const next = event.relatedTarget;
  if (next && next !== element("view") && !element("panel").contains(next)) element("panel").hidePopover();
});

element("save").onclick = () => download(new Blob([csvOf(shownLines(), span)], {type: "text/csv"}), "csv");
element("picture").onclick = () => pictureOfGraph().toBlob(blob => download(blob, "png"));

function download(blob, ending) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = localTime(Date.now(), `zws %Y-%m-%d %H.%M.%S.${ending}`);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), MINUTE);  // when the browser has surely read it
}

// As RFC 4180 has it.
function csvOf(shown, range) {
  const rows = ["time_ms,label,y"];
  for (const {label, drawn} of shown) {
    const field = /[",\r\n]/.test(label) ? `"${label.replaceAll('"', '""')}"` : label;
    const {from, to} = drawn.placesIn(range);
    for (let place = from; place < to; place += 1) {
      const y = drawn.ys[place];
      rows.push(`${drawn.xs[place]},${field},${Number.isNaN(y) ? "" : y}`);
    }
  }
  return `${rows.join("\r\n")}\r\n`;
}

const LONGEST_SPAN = 1e9;  // in seconds; with a much longer one there would be no dates

function showChoices() {
  const select = element("span");
  select.options[0].text = `${datalen} points`;
  const asked = Number(address.get("span"));
  if (asked > 0 && asked <= LONGEST_SPAN) {
    select.value = asked;  // or "", if there is no such option
    if (!select.value) select.add(new Option(durationText(asked * SECOND, threeDigits), asked, true, true));
    chosenSpan = select.value;
  }
  showPressed();
  showPause();
}

// ---- on paper: light, without buttons, and with all that has to be scrolled to on the screen ----

const PRINT_WIDTH = 680;  // pixels; so wide are both A4 and Letter, upright, without their margins
const PRINT_HEIGHT = 420;  // pixels, at least

function putOnPaper(width, height) {
  const root = document.documentElement;
  root.style.setProperty("--paper-width", `${width}px`);
  root.style.setProperty("--paper-height", `${height}px`);
  root.classList.add("paper");
  isLayoutOld = true;
  statistics = NO_STATISTICS;  // so that they are of the same moment as all else
  draw();
}

function takeOffPaper() {
  document.documentElement.classList.remove("paper");
  isLayoutOld = true;
  draw();
}

addEventListener("beforeprint", () => putOnPaper(PRINT_WIDTH, PRINT_HEIGHT));
addEventListener("afterprint", takeOffPaper);

// ---- a picture: the legend and the graph as on paper, painted on one canvas ----

const PICTURE_RESOLUTION = 2;  // times the resolution of the screen,
const MOST_PIXELS = 2 ** 26;  // unless it had more pixels than all browsers can handle
const PICTURE_FOOT = 22;  // pixels of the page, for the time below the graph

// The page goes on paper, is painted and comes back, all before the browser shows anything of it.
function pictureOfGraph() {
  const {clientWidth, clientHeight} = element("placeholder");
  putOnPaper(clientWidth, clientHeight);
  const canvas = paintedGraph();
  takeOffPaper();
  return canvas;
}

function paintedGraph() {
  const {left, right: rightOfGraph, bottom} = element("graph").getBoundingClientRect();
  const right = Math.max(rightOfGraph, element("rows").getBoundingClientRect().right + SIDE_MARGIN);
  const top = Math.floor(element("legend").getBoundingClientRect().top) - MARGIN;
  const width = right - left;
  const height = Math.ceil(bottom - top + PICTURE_FOOT);
  const resolution = Math.min(PICTURE_RESOLUTION * devicePixelRatio, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = document.createElement("canvas");
  canvas.width = width * resolution;
  canvas.height = height * resolution;
  const context = canvas.getContext("2d");
  context.scale(resolution, resolution);
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.translate(-left, -top);
  for (const swatch of document.querySelectorAll("#legend i, #statistics i")) paintSwatch(context, swatch);
  for (const strip of allStrips()) paintStrip(context, strip, resolution);
  for (const text of document.querySelectorAll("#legend *, #statistics *, #placeholder *")) paintText(context, text);
  context.textAlign = "right";
  context.fillText(localTime(Date.now(), "%Y-%m-%d %H:%M:%S"), right - SIDE_MARGIN, bottom + PICTURE_FOOT / 2);
  return canvas;
}

function paintSwatch(context, swatch) {
  const {left, top, width, height} = swatch.getBoundingClientRect();
  context.fillStyle = swatch.style.background;
  context.fillRect(left, top, width, height);
}

// Flot draws again what it has drawn, on a canvas that has more pixels now. What it writes is no part of that.
function paintStrip(context, {plot}, resolution) {
  const canvas = plot.getCanvas();
  const {left, top} = canvas.getBoundingClientRect();
  canvas.width = canvas.clientWidth * resolution;
  canvas.height = canvas.clientHeight * resolution;
  canvas.getContext("2d").scale(resolution, resolution);
  plot.draw();
  context.drawImage(canvas, Math.round(left), Math.round(top), canvas.width / resolution, canvas.height / resolution);
}

// A text stands where it stands on the page. A name that is too long for its strip is squeezed.
function paintText(context, node) {
  const {left, top, right, width, height} = node.getBoundingClientRect();
  const {fontWeight, fontSize, fontFamily, color, fill, visibility} = getComputedStyle(node);
  const isSeen = width > 0 && height > 0 && visibility === "visible";
  if (!isSeen || node.children.length || !node.textContent) return;
  const isTick = node instanceof SVGElement;
  context.font = `${fontWeight} ${fontSize} ${fontFamily}`;
  context.fillStyle = isTick ? fill : color;
  const rows = isTick ? [{text: node.textContent, left, top, height}] : rowsOf(node.firstChild);
  for (const row of rows) {
    const {fontBoundingBoxAscent: ascent, fontBoundingBoxDescent: descent} = context.measureText(row.text);
    context.fillText(row.text, row.left, row.top + (row.height + ascent - descent) / 2, right - row.left);
  }
}

// The rows into which the browser has broken a text, and where they are.
function rowsOf(textNode) {
  const rows = [];
  const range = document.createRange();
  let place = 0;
  for (const letter of textNode.data) {
    range.setStart(textNode, place);
    place += letter.length;
    range.setEnd(textNode, place);
    const {left, top, height} = range.getBoundingClientRect();
    const row = rows.at(-1);
    if (row && top < row.top + row.height) row.text += letter;
    else rows.push({text: letter, left, top, height});
  }
  return rows;
}

// ---- connection ----

const DEFAULT_WS_PORT = 9999;  // as in zws.py, which names any other one in the address
const FIRST_WAIT = SECOND / 2;  // before the page connects again, if it was connected; then twice as long,
const LONGEST_WAIT = 4 * SECOND;  // but no longer than this
const FAILURES_IN_A_ROW = 2;  // after so many it seems to be no passing fault

let wasConnected = false;
let attempts = 0;  // to connect, since it last was connected
let retry = null;  // the timer of the next one

function connect() {
  if (retry) element("retry").textContent = ", trying again";
  clearTimeout(retry);
  retry = null;
  attempts += 1;
  const scheme = location.protocol.replace("http", "ws");
  const port = Number(address.get("ws")) || DEFAULT_WS_PORT;
  const ws = new WebSocket(`${scheme}//${location.hostname}:${port}/`);
  ws.onopen = () => {
    wasConnected = true;
    attempts = 0;
    openedAt = Date.now();
    for (const line of lines.values()) line.comesAgain = true;
    showStatus("Connected");
  };
  ws.onmessage = message => addMessage(JSON.parse(message.data));
  ws.onclose = event => {
    const shortest = Math.min(FIRST_WAIT * 2 ** attempts, LONGEST_WAIT);
    const wait = shortest * (1 + Math.random() / 4);  // so that not all tabs come at the same moment
    openedAt = 0;
    retry = setTimeout(connect, wait);
    const advice = attempts >= FAILURES_IN_A_ROW ? " (see the server's log)" : "";
    const failure = wasConnected ? "Server gone" : "Not Connected";
    showStatus(event.wasClean ? "Closed" : failure, `, next try in ${(wait / SECOND).toFixed(1)} s${advice}`);
  };
}

function showStatus(text, more = "") {
  element("conn_status").textContent = text;
  element("retry").textContent = more;
  element("rate").textContent = "";
}

document.addEventListener("visibilitychange", () => {  // a hidden tab's timers are slow
  if (!document.hidden && retry) connect();
});

let countedAt = performance.now();
let receivedBefore = 0;  // at that time

setInterval(() => {
  const seconds = (performance.now() - countedAt) / SECOND;  // many, if the tab was hidden
  const rate = Math.round((received - receivedBefore) / seconds);
  countedAt = performance.now();
  receivedBefore = received;
  const isHistoryCounted = Date.now() - openedAt < HISTORY_TIME + SECOND;
  if (openedAt && !isHistoryCounted) setText(element("rate"), rate === 1 ? "1 point/s" : `${rate} points/s`);
  askForDrawing();  // lines may have stopped
}, SECOND);

showChoices();
draw();
connect();
