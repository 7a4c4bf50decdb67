// What the nodes have done in the last minutes, drawn by hand: a line a node. Fed by
// admin.js with what the API says of nodes. Rates are made from counters of two answers, so
// a node of an older version, which tells none, has a line of its sessions alone.
'use strict';

const SPAN_MS = 5 * 60 * 1000;
const GAP_MS = 30 * 1000; // nobody has looked meanwhile: the line is broken
const PLOT = { width: 340, height: 130, left: 36, right: 6, top: 10, bottom: 20 };
const COLOURS = 6; // classes of admin.css
const CHARTS = [
  { id: 'chart-sessions', name: 'Sessions', of: 'sessions' },
  { id: 'chart-in', name: 'Messages in a second', of: 'in' },
  { id: 'chart-out', name: 'Deliveries a second', of: 'out' },
];
const SHORT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

const lines = new Map(); // by the number of a node: name, colour, metrics, samples

function rate(now, before, counter) {
  const seconds = now.interval - before.interval;
  const more = now.items[counter] - before.items[counter];
  return seconds > 0 && more >= 0 ? more / seconds : null; // else it has started anew
}

function sampleOf(node, before, at) {
  const { metrics } = node;
  const known = metrics !== undefined && before !== undefined;
  return {
    at,
    sessions: node.num_clients ?? null,
    in: known ? rate(metrics, before, 'fanwire_messages_in_total') : null,
    out: known ? rate(metrics, before, 'fanwire_deliveries_total') : null,
  };
}

function freeColour() {
  const taken = new Set([...lines.values()].map((line) => line.colour));
  const free = [...Array(COLOURS).keys()].find((colour) => !taken.has(colour));
  return free ?? lines.size % COLOURS;
}

/** A node says something new at each of its beats only; until then nothing is known. */
function take(node, at) {
  const line = lines.get(node.uid) ?? { colour: freeColour(), samples: [] };
  const isNew = node.metrics === undefined || node.metrics.interval !== line.metrics?.interval;
  line.name = node.name;
  if (isNew) {
    line.samples.push(sampleOf(node, line.metrics, at));
    line.metrics = node.metrics;
  }
  lines.set(node.uid, line);
}

function forget(at) {
  for (const [uid, line] of lines) {
    line.samples = line.samples.filter((sample) => at - sample.at <= SPAN_MS);
    if (line.samples.length === 0) {
      lines.delete(uid);
    }
  }
}

function svg(name, attributes, text = '') {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  element.textContent = text;
  return element;
}

/** 1, 2 or 5 times a power of ten, and not below. */
function roundedUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((n) => n * power).find((n) => n >= value);
}

function pathOf(samples, of, at, top) {
  const width = PLOT.width - PLOT.left - PLOT.right;
  const height = PLOT.height - PLOT.top - PLOT.bottom;
  let path = '';
  let before = -Infinity;
  for (const sample of samples.filter((s) => s[of] !== null)) {
    const x = PLOT.left + width * (1 - (at - sample.at) / SPAN_MS);
    const y = PLOT.top + height * (1 - sample[of] / top);
    const place = `${x.toFixed(1)} ${y.toFixed(1)}`;
    // h0 is a dot where the line has but one point.
    path += sample.at - before > GAP_MS ? `M${place}h0` : `L${place}`;
    before = sample.at;
  }
  return path;
}

function frame(top) {
  const right = PLOT.width - PLOT.right;
  const bottom = PLOT.height - PLOT.bottom;
  return [
    svg('path', { class: 'axis', d: `M${PLOT.left} ${PLOT.top}H${right}M${PLOT.left} ${bottom}H${right}` }),
    svg('text', { x: PLOT.left - 4, y: PLOT.top + 4, 'text-anchor': 'end' }, SHORT.format(top)),
    svg('text', { x: PLOT.left - 4, y: bottom + 4, 'text-anchor': 'end' }, '0'),
    svg('text', { x: PLOT.left, y: PLOT.height - 4 }, `${SPAN_MS / 60000} minutes ago`),
    svg('text', { x: right, y: PLOT.height - 4, 'text-anchor': 'end' }, 'now'),
  ];
}

function draw(chart, shown, at) {
  const values = shown.flatMap((line) => line.samples.map((sample) => sample[chart.of] ?? 0));
  const top = roundedUp(Math.max(1, ...values));
  const latest = shown.map((line) => {
    const value = line.samples.at(-1)[chart.of];
    return `${line.name} ${value === null ? '?' : SHORT.format(value)}`;
  });
  const element = document.getElementById(chart.id);
  element.setAttribute('viewBox', `0 0 ${PLOT.width} ${PLOT.height}`);
  element.setAttribute('aria-label', `${chart.name}: ${latest.join(', ')}`);
  element.replaceChildren(...frame(top), ...shown.map((line) =>
    svg('path', { class: `line colour-${line.colour}`, d: pathOf(line.samples, chart.of, at, top) })));
}

function drawLegend(shown) {
  document.getElementById('legend').replaceChildren(...shown.map((line) => {
    const item = document.createElement('li');
    item.className = `colour-${line.colour}`;
    item.textContent = line.name;
    return item;
  }));
}

/** Takes what the API's info says of nodes, now, and draws it. */
function showCharts(nodes) {
  const at = Date.now();
  nodes.forEach((node) => take(node, at));
  forget(at);
  const shown = [...lines.values()].sort((a, b) => a.name.localeCompare(b.name));
  CHARTS.forEach((chart) => draw(chart, shown, at));
  drawLegend(shown);
}
