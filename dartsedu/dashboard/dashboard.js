// The live view of an architecture search. Plain JavaScript, run by anywidget or by an exported page.
//
//   Run       the rows of one run: a Float32Array that grows, read by name
//   Session   one for each model: its runs, the messages to and from the kernel
//   View      one for each place that shows the model: what is looked at, and the drawing
//
// Names come from files that nobody has checked: they are only ever set as text, never as markup.

import { FOCUSABLE, html, ownKeys, put, svg } from "../show/elements.js";

const WINDOW = 10; // steps in the running mean of a loss
const POINTS = 256; // of a drawn curve, at most twice as many
const CURVES = 1000; // milliseconds between two drawings of the curves of a running search

// ---- Data ---------------------------------------------------------------------------------------

/** Mixture weights from raw α (eq. 2). */
export function softmax(alpha) {
  const top = Math.max(...alpha);
  const powers = Array.from(alpha, (a) => Math.exp(a - top));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((p) => p / sum);
}

/** Mixture weights that do not compete: each α alone. */
export const sigmoid = (alpha) => Array.from(alpha, (a) => 1 / (1 + Math.exp(-a)));

/** The mean of the Dirichlet distribution with the concentrations elu(alpha) + 1. */
export const dirichlet = (alpha) => {
  const beta = Array.from(alpha, (a) => (a > 0 ? a + 1 : Math.exp(a)));
  const total = beta.reduce((sum, b) => sum + b, 0);
  return beta.map((b) => b / total);
};

const RELAXATIONS = { softmax, sigmoid, dirichlet };

/** The steps of one run; `spec` is what History.describe gives. */
export class Run {
  constructor(spec) {
    this.spec = spec;
    this.operations = spec.primitives.length;
    this.relaxation = spec.relaxation in RELAXATIONS ? spec.relaxation : "softmax";
    this.column = Object.fromEntries(spec.scalars.map((name, i) => [name, i]));
    let next = spec.scalars.length;
    this.alphaStart = spec.cells.map((cell) => {
      const start = next;
      next += cell.edges.length * this.operations;
      return start;
    });
    this.keptFrom = next;
    this.keptStart = spec.cells.map((cell) => {
      const start = next;
      next += cell.edges.length;
      return start;
    });
    this.width = next;
    this.clear();
  }

  clear() {
    this.count = 0;
    this.rows = new Float32Array(64 * this.width);
    this.texts = []; // what each row says as a formula, where the space has formulas
    this.changes = []; // numbers of the rows whose genotype differs from the one before
    this.partial = false; // whether these are a few rows of many, kept in a saved notebook
  }

  /** Add rows of which the first has the number `first`; false if some before it are missing. */
  append(first, data, texts = []) {
    const total = Math.floor(data.length / this.width);
    const from = this.count - first;
    if (from < 0) return false;
    if (from >= total) return true;
    const fresh = data.subarray(from * this.width, total * this.width);
    const needed = this.count * this.width + fresh.length;
    if (needed > this.rows.length) {
      const grown = new Float32Array(Math.max(needed, 2 * this.rows.length));
      grown.set(this.rows.subarray(0, this.count * this.width));
      this.rows = grown;
    }
    this.rows.set(fresh, this.count * this.width);
    const start = this.count;
    texts.slice(from, total).forEach((text, i) => (this.texts[start + i] = text));
    this.count = first + total;
    for (let i = Math.max(1, start); i < this.count; i++) if (this.differs(i)) this.changes.push(i);
    return true;
  }

  /** Take the few rows that a saved notebook holds. */
  restore(data, texts = []) {
    this.clear();
    this.append(0, data, texts);
    this.partial = this.count > 0 && this.index(this.count - 1) - this.index(0) >= this.count;
  }

  differs(i) {
    for (let k = this.keptFrom; k < this.width; k++) {
      if (this.rows[i * this.width + k] !== this.rows[(i - 1) * this.width + k]) return true;
    }
    return false;
  }

  scalar(i, name) {
    return this.rows[i * this.width + this.column[name]];
  }

  index(i) {
    return this.rows[i * this.width];
  }

  /** The number of the last row that is not after step `index`. */
  at(index) {
    let low = 0;
    let high = this.count - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.index(middle) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  alpha(i, cell, edge) {
    const start = i * this.width + this.alphaStart[cell] + edge * this.operations;
    return this.rows.subarray(start, start + this.operations);
  }

  mixture(i, cell, edge) {
    return RELAXATIONS[this.relaxation](this.alpha(i, cell, edge));
  }

  /** The operations that the genotype keeps on an edge, strongest first; none if it is cut. */
  kept(i, cell, edge) {
    const found = [];
    let digits = this.rows[i * this.width + this.keptStart[cell] + edge];
    for (; digits > 0; digits = Math.floor(digits / (this.operations + 1))) {
      found.push((digits % (this.operations + 1)) - 1);
    }
    return found;
  }

  /** The strongest operation other than none: [its column, its mixture weight]. */
  strongest(i, cell, edge) {
    const weights = this.mixture(i, cell, edge);
    let best = -1;
    this.spec.primitives.forEach((primitive, o) => {
      if (!primitive.none && (best < 0 || weights[o] > weights[best])) best = o;
    });
    return [best, weights[best]];
  }

  /** The mean of a scalar over the last steps. */
  smooth(i, name) {
    const from = Math.max(0, i - WINDOW + 1);
    let sum = 0;
    for (let k = from; k <= i; k++) sum += this.scalar(k, name);
    return sum / (i - from + 1);
  }

  /** Seconds of computing a step, over the last fifty. */
  pace() {
    const last = this.count - 1;
    const from = Math.max(0, last - 50);
    if (last <= from) return NaN;
    return (this.scalar(last, "elapsed") - this.scalar(from, "elapsed")) / (last - from);
  }

  /** Numbers of the rows to draw a curve through: a few hundred, always the same ones, and the last. */
  drawn() {
    const stride = 2 ** Math.max(0, Math.ceil(Math.log2(this.count / POINTS / 2)));
    const places = [];
    for (let i = 0; i < this.count; i += stride) places.push(i);
    if (this.count && places.at(-1) !== this.count - 1) places.push(this.count - 1);
    return places;
  }
}

function floats(view) {
  if (view.byteOffset % 4 === 0) {
    return new Float32Array(view.buffer, view.byteOffset, Math.floor(view.byteLength / 4));
  }
  return new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// ---- Messages -----------------------------------------------------------------------------------

export class Session {
  constructor(model) {
    this.model = model;
    this.spec = model.get("spec");
    this.runs = this.spec.runs.map((run) => new Run(run));
    this.status = { state: "ready", message: "", limit: null, ...model.get("status") };
    this.gaps = new Map((this.spec.gaps ?? []).map((gap) => [gap.step, gap]));
    this.views = new Set();
    this.available = this.runs.map(() => Infinity); // rows that the kernel has, as far as known
    this.coming = this.runs.map(() => null); // what will replace the few rows of a saved notebook
    this.answered = false; // has the kernel ever answered?
    this.offline = this.spec.mode === "replay";
    this.asked = null; // a command without an answer yet: {name, time}
    this.lastMessage = this.lastHello = performance.now();
    this.needed = this.runs.map(() => -Infinity); // when rows were asked for, until they come
    (model.get("snapshots") ?? []).forEach((rows, i) => {
      if (rows.byteLength) this.runs[i]?.restore(floats(rows), model.get("texts")?.[i]);
    });
    this.listener = (message, buffers) => this.receive(message, buffers ?? []);
    model.on("msg:custom", this.listener);
    this.timer = setInterval(() => this.watch(), 500);
    this.hello();
    this.runs.forEach((_, i) => this.need(i));
  }

  close() {
    clearInterval(this.timer);
    this.model.off("msg:custom", this.listener);
  }

  have(i) {
    return (this.runs[i].partial ? this.coming[i]?.count : this.runs[i].count) ?? 0;
  }

  /** Ask for rows, once until they have come or two seconds have passed. */
  need(i) {
    if (performance.now() - this.needed[i] < 2000) return;
    this.needed[i] = performance.now();
    this.model.send({ type: "need", run: i, have: this.have(i) });
  }

  hello() {
    this.lastHello = performance.now();
    this.model.send({ type: "hello" });
  }

  command(name, more = {}) {
    this.asked = { name, time: performance.now() };
    this.model.send({ type: "command", command: name, ...more });
    this.changed();
  }

  receive(message, buffers) {
    this.lastMessage = performance.now();
    this.answered = true;
    if (this.spec.mode === "live") this.offline = false;
    if (message.type === "rows") this.takeRows(message, floats(buffers[0]));
    else if (message.type === "status") {
      this.asked = null;
      this.status = { ...this.status, ...message };
      this.available[0] = message.have;
      if (this.have(0) < message.have) this.need(0);
    } else if (message.type === "gap") {
      this.asked = null;
      this.gaps.set(message.step, message);
    }
    this.changed();
  }

  takeRows({ run: i, first, of, texts }, data) {
    const shown = this.runs[i];
    const run = shown.partial ? (this.coming[i] ??= new Run(shown.spec)) : shown;
    this.available[i] = of;
    if (first <= run.count) this.needed[i] = -Infinity;
    const fits = run.append(first, data, texts);
    if (run !== shown && run.count >= of) {
      const { rows, count, changes, texts: all } = run;
      Object.assign(shown, { rows, count, changes, texts: all, partial: false });
      this.coming[i] = null;
    }
    if (!fits) this.need(i);
    else if (this.have(i) < of) this.need(i);
  }

  /** Twice a second: ask again for what should have come; notice that nobody answers. */
  watch() {
    const now = performance.now();
    const silent = now - this.lastMessage;
    if (!this.answered && silent > 4000) {
      const before = this.offline;
      this.offline = true;
      if (!before) this.changed();
    }
    if (!this.answered) return;
    // A message may have been lost: the greeting is answered with the status.
    const expecting = this.asked || this.status.state === "running";
    if (this.spec.mode === "live" && expecting && silent > 2000 && now - this.lastHello > 2000) this.hello();
    this.runs.forEach((_, i) => this.available[i] < Infinity && this.have(i) < this.available[i] && this.need(i));
    if (this.silent() || (this.asked && now - this.asked.time > 1500)) this.changed();
  }

  /** Seconds without an answer from a kernel that should be running, 0 if it is too early to say. */
  silent() {
    const seconds = (performance.now() - this.lastMessage) / 1000;
    return this.answered && !this.offline && this.status.state === "running" && seconds > 10 ? seconds : 0;
  }

  changed() {
    for (const view of this.views) view.schedule();
  }
}

// ---- Building -----------------------------------------------------------------------------------

function set(node, name, value) {
  if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const percent = (x) => `${(100 * x).toFixed(1)} %`;
const number = (x) => (Math.abs(x) >= 100 ? x.toFixed(0) : x.toPrecision(3));

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  if (seconds < 6000) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// ---- A cell as a graph --------------------------------------------------------------------------

const UNIT = { x: 100, y: 84 };
const BOX = { width: 46, height: 30 };
const place = ([x, y]) => [x * UNIT.x, -y * UNIT.y];

function onCurve([[x0, y0], [x1, y1], [x2, y2]], t) {
  const mix = (a, b, c) => (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t ** 2 * c;
  return [mix(x0, x1, x2), mix(y0, y1, y2)];
}

/** The place on a curve for its label that is farthest from what is `taken`, which it joins. */
function freest(curve, taken) {
  const room = ([x, y]) => Math.min(...taken.map(([a, b]) => Math.max(Math.abs(a - x) / 70, Math.abs(b - y) / 20)));
  const places = [0.5, 0.4, 0.6, 0.3, 0.7].map((t) => onCurve(curve, t));
  const found = places.find((p) => room(p) >= 1) ?? places.reduce((p, q) => (room(q) > room(p) ? q : p));
  taken.push(found);
  return found;
}

/** One cell of one run. Edges are a radio group: arrows move the choice, hovering previews it. */
class Graph {
  constructor(run, cell, view, { discrete = false } = {}) {
    Object.assign(this, { run, cell, view, discrete });
    const spec = run.spec.cells[cell];
    const curves = spec.edges.map((edge) => edge.curve.map(place));
    const points = [...spec.states.map((s) => place(s.at)), place(spec.output.at)];
    const wide = (label) => Math.max(BOX.width, 10 * label.length + 8);
    const edge = wide(spec.states[0].label) / 2 + 11;
    const all = [...points, ...curves.flatMap((c) => [onCurve(c, 0.3), onCurve(c, 0.5), onCurve(c, 0.7)])];
    const [xs, ys] = [all.map((p) => p[0]), all.map((p) => p[1])];
    const [left, top] = [Math.min(...xs) - edge, Math.min(...ys) - 26];
    const size = [Math.max(...xs) + 34 - left, Math.max(...ys) + 26 - top];
    this.node = svg("svg", {
      viewBox: `${left} ${top} ${size.join(" ")}`,
      class: "dartsedu-graph",
      role: discrete ? "img" : "radiogroup",
      "aria-label": `${spec.name} cell, edges`,
    });
    for (const state of spec.outputs) {
      const [[x1, y1], [x2, y2]] = [points[state], points.at(-1)];
      this.node.append(svg("line", { x1, y1, x2, y2, class: "dartsedu-out" }));
    }
    const taken = [...points];
    this.edges = spec.edges.map((_, e) => this.edge(e, curves[e], freest(curves[e], taken)));
    this.node.append(...this.edges.map((edge) => edge.group));
    const labels = [...spec.states.map((s) => s.label), spec.output.label];
    labels.forEach((label, i) => {
      const [x, y] = points[i];
      const [width, height] = [wide(label), BOX.height];
      this.node.append(
        svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 7, class: "dartsedu-state" }),
        svg("text", { x, y: y + 6, class: "dartsedu-state-name", text: label }),
      );
    });
    this.node.append(...this.edges.map((edge) => edge.label));
  }

  name(e) {
    const { states, edges } = this.run.spec.cells[this.cell];
    return `${states[edges[e].source].label} → ${states[edges[e].target].label}`;
  }

  edge(e, curve, [lx, ly]) {
    const [start, control, end] = curve;
    const d = `M${start} Q${control} ${end}`;
    const angle = (Math.atan2(end[1] - control[1], end[0] - control[0]) * 180) / Math.PI;
    const edge = {
      halo: svg("path", { d, class: "dartsedu-halo" }),
      line: svg("path", { d, class: "dartsedu-edge" }),
      head: svg("path", { d: "M4,0 L-9,-6 L-9,6 Z", transform: `translate(${end}) rotate(${angle})` }),
      hit: svg("path", { d, class: "dartsedu-hit" }),
      label: svg("text", { x: lx, y: ly + 5, class: "dartsedu-op-name", "aria-hidden": "true" }),
    };
    edge.group = svg("g", {}, edge.halo, edge.line, edge.head, edge.hit);
    if (this.discrete) return edge;
    put(edge.group, { role: "radio", class: "dartsedu-choice", ...FOCUSABLE }, []);
    const choose = () => this.view.choose(this.cell, e);
    edge.group.addEventListener("click", () => edge.group.focus());
    edge.group.addEventListener("focus", choose);
    edge.group.addEventListener("pointerenter", () => this.view.preview(this.cell, e));
    edge.group.addEventListener("pointerleave", () => this.view.preview(null));
    edge.group.addEventListener("keydown", (event) => this.walk(event, e));
    return edge;
  }

  walk(event, e) {
    const last = this.edges.length - 1;
    const to = {
      ArrowRight: e + 1, ArrowDown: e + 1, ArrowLeft: e - 1, ArrowUp: e - 1, Home: 0, End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.edges[(to + last + 1) % (last + 1)].group.focus();
  }

  draw(i, chosen) {
    const { primitives } = this.run.spec;
    this.edges.forEach((edge, e) => {
      const [best, weight] = this.run.strongest(i, this.cell, e);
      const kept = this.run.kept(i, this.cell, e);
      const primitive = primitives[this.discrete && kept.length ? kept[0] : best];
      const isChosen = chosen.cell === this.cell && chosen.edge === e;
      set(edge.line, "stroke", primitive.colour);
      set(edge.line, "stroke-width", this.discrete ? 4 : (1 + 12 * weight).toFixed(2));
      set(edge.line, "stroke-dasharray", primitive.dashed ? "10 5" : "none");
      set(edge.head, "fill", primitive.colour);
      set(edge.group, "data-kept", kept.length > 0);
      const names = kept.length ? kept.map((o) => primitives[o].label) : [primitive.label];
      const shown = kept.length > 0 || (isChosen && !this.discrete);
      say(edge.label, shown ? names.join(" + ") : "");
      set(edge.label, "fill", primitive.colour);
      if (this.discrete) return;
      set(edge.group, "aria-checked", isChosen);
      const chosenHere = chosen.cell === this.cell && chosen.edge < this.edges.length;
      set(edge.group, "tabindex", isChosen || (!chosenHere && e === 0) ? 0 : -1);
      const fate = kept.length ? "kept" : "would be cut";
      set(edge.group, "aria-label", `${this.name(e)}: ${primitive.label} ${weight.toFixed(2)}, ${fate}`);
    });
    if (this.discrete) set(this.node, "aria-label", this.words(i));
  }

  /** The discrete cell in words. */
  words(i) {
    const { primitives, cells } = this.run.spec;
    const kept = this.edges.flatMap((_, e) =>
      this.run.kept(i, this.cell, e).map((o) => `${this.name(e)} ${primitives[o].label}`));
    return `${cells[this.cell].name} cell: ${kept.join("; ")}`;
  }
}

// ---- Curves over time ---------------------------------------------------------------------------

const CHART = { left: 40, right: 8, top: 46, bottom: 22 };

function ticks(top) {
  const raw = top / 3;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  const marks = [];
  for (let k = 0; k * step <= top * 1.0001; k++) marks.push(k * step);
  return marks;
}

/** Lines over the steps of a run: {label, colour, dashed, raw(i), value(i)}. */
class Chart {
  constructor(run, title, lines, view, width = 270, height = 165) {
    Object.assign(this, { run, title, lines, view, width, height, drawnFor: "" });
    this.frame = svg("g", { class: "dartsedu-axis" });
    const style = (line) => ({ stroke: line.colour, "stroke-dasharray": line.dashed ? "7 4" : "none" });
    this.paths = lines.map((line) => ({
      line,
      raw: line.raw ? svg("path", { class: "dartsedu-raw", stroke: line.colour }) : null,
      value: svg("path", { class: "dartsedu-line", ...style(line) }),
    }));
    this.curves = svg("g", {}, ...this.paths.flatMap(({ raw, value }) => (raw ? [raw, value] : [value])));
    this.marks = svg("path", { class: "dartsedu-change" });
    this.cursor = svg("line", { class: "dartsedu-cursor", y1: CHART.top, y2: this.height - CHART.bottom });
    this.heading = svg("text", { x: 4, y: 18, class: "dartsedu-chart-title", text: title });
    let x = 4;
    const named = lines.length < 4 ? lines : [];
    this.legend = svg("g", { class: "dartsedu-chart-legend" }, ...named.flatMap((line) => {
      const [from, to] = [x, x + 24];
      x += 38 + 7.5 * line.label.length;
      return [
        svg("line", { x1: from, x2: to, y1: 32, y2: 32, class: "dartsedu-line", ...style(line) }),
        svg("text", { x: to + 4, y: 37, text: line.label }),
      ];
    }));
    this.node = svg(
      "svg",
      { viewBox: `0 0 ${this.width} ${this.height}`, class: "dartsedu-chart", role: "img", "aria-label": title },
      this.frame, this.curves, this.marks, this.cursor, this.heading, this.legend,
    );
    this.node.addEventListener("pointerdown", (event) => {
      const box = this.node.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * this.width;
      this.view.show(Math.round(this.first + ((x - CHART.left) / this.inner()) * this.span));
    });
  }

  inner() {
    return this.width - CHART.left - CHART.right;
  }

  x(index) {
    return CHART.left + ((index - this.first) / this.span) * this.inner();
  }

  draw(i, key = "") {
    const { run } = this;
    // Curves cost more than all the rest: while a search runs, once a second is enough.
    const drawnFor = `${run.partial} ${key}`;
    const length = `${run.count} ${this.view.clock.count}`;
    if (drawnFor !== this.drawnFor || (length !== this.length && this.view.curvesAreDue)) {
      this.redraw();
      Object.assign(this, { drawnFor, length });
    }
    const x = Math.min(this.x(run.index(i)), this.width - CHART.right).toFixed(1);
    set(this.cursor, "x1", x);
    set(this.cursor, "x2", x);
    const now = this.lines.map((line) => `${line.label} ${number(line.value(i))}`).join(", ");
    set(this.node, "aria-label", `${this.title} at step ${run.index(i) + 1}: ${now}`);
  }

  redraw() {
    const { run } = this;
    const places = run.drawn();
    this.first = run.index(0);
    const clock = this.view.clock; // Runs side by side share their time axis.
    const last = clock.index(clock.count - 1);
    const doubled = 2 ** Math.ceil(Math.log2(Math.max(32, last - this.first + 1)));
    this.span = Math.max(1, Math.min(doubled, clock.spec.total - this.first) - 1);
    let top = 0;
    for (const line of this.lines) for (const i of places) top = Math.max(top, (line.raw ?? line.value)(i) || 0);
    top = top || 1;
    const low = this.height - CHART.bottom;
    const y = (value) => low - (value / top) * (low - CHART.top);
    const path = (value) => {
      let d = "";
      let pen = "M";
      for (const i of places) {
        const v = value(i);
        if (Number.isNaN(v)) pen = "M";
        else {
          d += `${pen}${this.x(run.index(i)).toFixed(1)},${y(v).toFixed(1)}`;
          pen = "L";
        }
      }
      return d;
    };
    for (const { line, raw, value } of this.paths) {
      if (raw) set(raw, "d", path(line.raw));
      set(value, "d", path(line.value));
    }
    set(this.marks, "d", run.changes.map((i) => `M${this.x(run.index(i)).toFixed(1)},${low}v7`).join(""));
    const framed = `${this.first} ${this.span} ${top}`;
    if (framed === this.framed) return;
    this.framed = framed;
    const right = this.width - CHART.right;
    this.frame.replaceChildren(
      ...ticks(top).flatMap((v) => [
        svg("line", { x1: CHART.left, x2: right, y1: y(v), y2: y(v) }),
        svg("text", { x: CHART.left - 5, y: y(v) + 4, "text-anchor": "end", text: String(+v.toPrecision(3)) }),
      ]),
      svg("text", { x: CHART.left, y: this.height - 6, text: `step ${this.first + 1}` }),
      svg("text", { x: right, y: this.height - 6, "text-anchor": "end", text: String(this.first + this.span + 1) }),
    );
  }
}

// ---- The chosen edge ----------------------------------------------------------------------------

class EdgePanel {
  constructor(run, view) {
    Object.assign(this, { run, view });
    this.caption = html("caption", { class: "dartsedu-edge-name" });
    this.rows = run.spec.primitives.map((primitive) => {
      const bar = html("span", { class: "dartsedu-bar" });
      bar.style.background = primitive.dashed
        ? `repeating-linear-gradient(90deg, ${primitive.colour} 0 6px, transparent 6px 9px)`
        : primitive.colour;
      const [share, alpha] = [html("td", { class: "dartsedu-number" }), html("td", { class: "dartsedu-number" })];
      const row = html("tr", {}, html("th", { scope: "row", text: primitive.label }), html("td", {}, bar), share, alpha);
      return { row, bar, share, alpha };
    });
    this.scale = html("th", { scope: "col", class: "dartsedu-note" });
    const [operation, share, alpha] = ["operation", run.relaxation, "α"].map((text) => html("th", { scope: "col", text }));
    put(share, { class: "dartsedu-number" }, []);
    put(alpha, { class: "dartsedu-number" }, []);
    this.table = html(
      "table", { class: "dartsedu-bars" }, this.caption,
      html("thead", {}, html("tr", {}, operation, this.scale, share, alpha)), html("tbody", {}, ...this.rows.map((r) => r.row)),
    );
    const lines = run.spec.primitives.map((primitive, o) => ({
      ...primitive, value: (i) => run.mixture(i, this.chosen.cell, this.chosen.edge)[o],
    }));
    this.chart = new Chart(run, `${run.relaxation}(α) of this edge`, lines, view, 440, 200);
    this.node = html("section", { class: "dartsedu-panel", "aria-label": "chosen edge" }, this.table, this.chart.node);
  }

  draw(i, chosen, name) {
    this.chosen = chosen;
    const { run } = this;
    const alpha = run.alpha(i, chosen.cell, chosen.edge);
    const weights = run.mixture(i, chosen.cell, chosen.edge);
    const kept = run.kept(i, chosen.cell, chosen.edge);
    say(this.caption, `${run.spec.cells[chosen.cell].name} cell, ${name}: ${kept.length ? "kept" : "would be cut"}`);
    const whole = Math.max(...weights) > 0.5 ? 1 : 0.5;
    say(this.scale, `0 … ${whole}`);
    this.rows.forEach(({ row, bar, share, alpha: raw }, o) => {
      bar.style.width = `${((100 * weights[o]) / whole).toFixed(1)}%`;
      say(share, weights[o].toFixed(3));
      say(raw, `${alpha[o] < 0 ? "−" : "+"}${Math.abs(alpha[o]).toFixed(3)}`);
      set(row, "data-kept", kept.includes(o));
    });
    this.chart.draw(i, `${chosen.cell} ${chosen.edge}`);
  }
}

// ---- What if I stopped now? ---------------------------------------------------------------------

class Verdict {
  constructor(session, view) {
    Object.assign(this, { session, view, step: null });
    this.button = html("button", { type: "button", "aria-expanded": "false", ...FOCUSABLE, text: "What if I stopped now?" });
    this.button.addEventListener("click", () => this.ask());
    this.heading = html("h3");
    this.gap = html("div", { class: "dartsedu-gap" });
    this.graphs = session.runs.map((run) => run.spec.cells.map((_, c) => new Graph(run, c, view, { discrete: true })));
    const cells = session.runs.map((run, r) =>
      html("div", { class: "dartsedu-cells" }, ...run.spec.cells.map((cell, c) =>
        html("figure", {}, html("figcaption", { text: title(run, cell) }), this.graphs[r][c].node))));
    this.body = html("div", { hidden: "" }, this.heading, html("div", { class: "dartsedu-columns" }, ...cells), this.gap);
    this.node = html("section", { class: "dartsedu-verdict", "aria-label": "what if I stopped now" }, this.button, this.body);
  }

  ask() {
    const index = this.view.shownIndex();
    if (index === null) return;
    this.step = index;
    if (!this.session.offline) this.session.command("gap", { step: index });
    this.body.hidden = false;
    this.button.setAttribute("aria-expanded", "true");
    this.view.schedule(true);
  }

  draw() {
    this.button.disabled = this.view.shownIndex() === null;
    if (this.step === null) return;
    say(this.heading, `The genotype after step ${this.step + 1}`);
    this.session.runs.forEach((run, r) => {
      if (run.count) for (const graph of this.graphs[r]) graph.draw(run.at(this.step), {});
    });
    const gap = this.session.gaps.get(this.step);
    const text = JSON.stringify([gap ?? null, this.session.offline, this.step]);
    if (text !== this.drawnFor) this.gap.replaceChildren(...this.describe(gap));
    this.drawnFor = text;
  }

  describe(gap) {
    const line = (text) => html("p", { text });
    if (gap?.error) return [line(`Not measured: ${gap.error}`)];
    if (!gap && this.session.offline) {
      return [line("A recording keeps α but not the operation weights w, so the discretisation gap cannot be measured here.")];
    }
    if (!gap) return [line("Measuring on the architecture split, between two steps …")];
    const row = (name, { accuracy, loss }) => html(
      "tr", {}, html("th", { scope: "row", text: name }),
      html("td", { class: "dartsedu-number", text: accuracy === null ? "–" : percent(accuracy) }),
      html("td", { class: "dartsedu-number", text: loss.toFixed(3) }),
    );
    const heads = ["on the architecture split", "accuracy", "loss"].map((text) => html("th", { scope: "col", text }));
    const { mixture, discretised } = gap;
    const lost = mixture.accuracy === null
      ? `${(discretised.loss - mixture.loss).toFixed(3)} of loss`
      : `${(100 * (mixture.accuracy - discretised.accuracy)).toFixed(1)} points of accuracy`;
    const whose = gap.weights === gap.step ? "" : ` α are those of step ${gap.step + 1}, the operation weights those of step ${gap.weights + 1}.`;
    return [
      html("table", {}, html("thead", {}, html("tr", {}, ...heads)),
        html("tbody", {}, row("supernet, all mixtures", mixture), row("only the edges above", discretised))),
      html("p", {}, html("strong", { text: `Discretisation gap: ${lost}.` }),
        ` Same weights w, not trained again.${whose}`),
    ];
  }
}

function title(run, cell) {
  return run.spec.name ? `${run.spec.name}: ${cell.name} cell` : `${cell.name} cell`;
}

// ---- The view -----------------------------------------------------------------------------------

const LIVE_RATES = [["", "as fast as it can"], ...[1, 2, 5, 10].map((r) => [r, `${r} step${r > 1 ? "s" : ""} a second`])];
const REPLAY_RATES = [1, 2, 5, 10, 25, 50, 100, 500, 1000].map((r) => [r, `${r} step${r > 1 ? "s" : ""} a second`]);
const IN_WORDS = {
  ready: "Ready. Press Play.", running: "Running", paused: "Paused", stopped: "Stopped",
  finished: "Finished", failed: "Failed",
};

class View {
  constructor(session, el) {
    this.session = session;
    this.chosen = { cell: 0, edge: 0 };
    this.previewed = null;
    this.shown = null; // the step that is shown; null follows the newest
    this.playing = null; // of a replay: {from, since}, the step and the time at which it set off
    this.frame = null;
    this.calm = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ? 1000 : 0;
    this.lastDraw = this.lastCurves = -Infinity;
    this.root = html("div", { class: "dartsedu", role: "group", "aria-label": session.spec.title });
    ownKeys(this.root);
    this.build();
    el.append(this.root);
    session.views.add(this);
    this.draw();
  }

  close() {
    this.session.views.delete(this);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.later);
    clearTimeout(this.curves);
    this.playing = null;
    this.root.remove();
  }

  // ---- what is looked at

  /** The longest run: its rows are the time axis. */
  get clock() {
    return this.session.runs.reduce((a, b) => (b.count && (!a.count || b.index(b.count - 1) > a.index(a.count - 1)) ? b : a));
  }

  shownIndex() {
    const run = this.clock;
    if (!run.count) return null;
    return run.index(this.shown === null ? run.count - 1 : run.at(this.shown));
  }

  show(index) {
    this.playing = null;
    const run = this.clock;
    if (!run.count) return;
    const atEnd = index >= run.index(run.count - 1);
    this.shown = atEnd && !this.session.offline ? null : Math.max(run.index(0), Math.min(index, run.index(run.count - 1)));
    this.schedule(true);
  }

  choose(cell, edge) {
    this.chosen = { cell, edge };
    this.schedule(true);
  }

  preview(cell, edge) {
    this.previewed = cell === null ? null : { cell, edge };
    this.schedule(true);
  }

  // ---- building

  build() {
    const { session } = this;
    const button = (label, action) => {
      const node = html("button", { type: "button", ...FOCUSABLE, text: label });
      node.addEventListener("click", action);
      return node;
    };
    this.play = button("▶ Play", () => this.onPlay());
    this.play.classList.add("dartsedu-main");
    this.step = button("Step", () => this.onStep());
    this.stop = button("Stop", () => session.command("stop"));
    this.rate = html("select", { "aria-label": "speed", ...FOCUSABLE });
    this.rate.addEventListener("change", () => this.onRate());
    this.state = html("span", { class: "dartsedu-state-text", role: "status", "aria-live": "polite" });
    this.progress = html("span", { class: "dartsedu-progress-text" });
    this.slider = html("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "history step", ...FOCUSABLE });
    this.slider.addEventListener("input", () => this.show(this.clock.index(Number(this.slider.value))));
    this.follow = button("Live", () => { this.shown = null; this.schedule(true); });
    this.where = html("span", { class: "dartsedu-where" });
    const bar = html("div", { class: "dartsedu-toolbar", role: "toolbar", "aria-label": "search" },
      this.play, this.step, this.stop, this.rate, this.state, this.progress);
    const time = html("div", { class: "dartsedu-time" }, this.slider, this.follow, this.where);
    this.columns = session.runs.map((run) => this.column(run));
    this.verdict = new Verdict(session, this);
    this.root.append(
      bar, time, this.legend(),
      html("div", { class: "dartsedu-columns" }, ...this.columns.map((c) => c.node)), this.verdict.node,
    );
    this.fillRates();
  }

  fillRates() {
    this.ratesFor = this.session.offline;
    const rates = this.session.offline ? REPLAY_RATES : LIVE_RATES;
    this.rate.replaceChildren(...rates.map(([value, text]) => html("option", { value, text })));
    if (!this.session.offline) return;
    const run = this.clock;
    const whole = run.count ? (run.index(run.count - 1) - run.index(0)) / 20 : 0; // in about twenty seconds
    this.rate.value = String((rates.find(([r]) => r >= whole) ?? rates.at(-1))[0]);
  }

  legend() {
    const primitives = new Map(this.session.runs.flatMap((run) => run.spec.primitives.map((p) => [p.name, p])));
    const items = [...primitives.values()].filter((p) => !p.none).map(({ colour, dashed, label }) => html(
      "span", {},
      svg("svg", { viewBox: "0 0 34 10", width: 34, height: 10, "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 34, y1: 5, y2: 5, stroke: colour, "stroke-width": 5, "stroke-dasharray": dashed ? "9 4" : "none" })),
      ` ${label}`));
    return html("p", { class: "dartsedu-legend" }, ...items,
      html("span", { class: "dartsedu-note", text: "thick: strong · solid: would be kept · faded: would be cut" }));
  }

  column(run) {
    const graphs = run.spec.cells.map((_, cell) => new Graph(run, cell, this));
    const formula = html("span", { class: "dartsedu-formula" });
    const written = html("p", { class: "dartsedu-written", hidden: "" },
      html("span", { class: "dartsedu-note", text: "What the kept edges say, with w as they are: " }), formula);
    const panel = new EdgePanel(run, this);
    const charts = run.spec.charts.map(({ title: name, lines }) => new Chart(
      run, name,
      lines.map((line) => ({
        ...line,
        raw: line.smooth ? (i) => run.scalar(i, line.scalar) : null,
        value: (i) => (line.smooth ? run.smooth(i, line.scalar) : run.scalar(i, line.scalar)),
        scalar: line.scalar,
      })), this));
    const node = html("section", { class: "dartsedu-run", "aria-label": run.spec.name || "search" },
      ...(run.spec.name ? [html("h3", { text: run.spec.name })] : []),
      html("div", { class: "dartsedu-cells" }, ...run.spec.cells.map((cell, c) =>
        html("figure", {}, html("figcaption", { text: `${cell.name} cell` }), graphs[c].node))),
      written,
      html("div", { class: "dartsedu-details" }, panel.node,
        html("div", { class: "dartsedu-charts" }, ...charts.map((c) => c.node))),
      html("p", { class: "dartsedu-note", text: "Ticks under the curves: steps at which the derived genotype changed. Click a curve to go there." }));
    return { run, graphs, written, formula, panel, charts, node };
  }

  // ---- commands

  onPlay() {
    const { session } = this;
    if (!session.offline) session.command(session.status.state === "running" ? "pause" : "play");
    else if (this.playing) this.playing = null;
    else {
      const run = this.clock;
      const now = this.shownIndex();
      const atEnd = now >= run.index(run.count - 1);
      this.playing = { from: atEnd ? run.index(0) : now, since: performance.now() };
      this.advance();
    }
    this.schedule(true);
  }

  onStep() {
    if (!this.session.offline) {
      this.shown = null;
      this.session.command("step");
    } else if (this.clock.count) {
      const run = this.clock;
      this.show(run.index(Math.min(run.count - 1, run.at(this.shownIndex()) + 1)));
    }
  }

  onRate() {
    const rate = this.rate.value === "" ? null : Number(this.rate.value);
    if (!this.session.offline) this.session.command("limit", { rate });
    else if (this.playing) this.playing = { from: this.shown, since: performance.now() };
  }

  /** A replay moves on, by steps: where only some were kept, each is shown until the next. */
  advance() {
    const { playing } = this;
    if (!playing) return;
    const run = this.clock;
    const steps = ((performance.now() - playing.since) / 1000) * Number(this.rate.value);
    const last = run.index(run.count - 1);
    this.shown = Math.min(last, playing.from + Math.floor(steps));
    if (this.shown >= last) this.playing = null;
    this.draw();
    if (this.playing) setTimeout(() => this.frameOnce(() => this.advance()), this.calm);
  }

  // ---- drawing

  frameOnce(action) {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      action();
    });
  }

  /** Draw at the next frame; without `now`, no oftener than somebody who wants no motion bears. */
  schedule(now = false) {
    if (this.playing && !now) return;
    const wait = now ? 0 : this.lastDraw + this.calm - performance.now();
    if (wait <= 0) {
      if (this.frame === null) this.frameOnce(() => (this.playing ? this.advance() : this.draw()));
    } else this.later ??= setTimeout(() => { this.later = null; this.schedule(true); }, wait);
  }

  draw() {
    this.lastDraw = performance.now();
    if (this.ratesFor !== this.session.offline) this.fillRates();
    this.drawControls();
    const index = this.shownIndex();
    this.root.toggleAttribute("data-empty", index === null);
    this.verdict.draw();
    if (index === null) return;
    const chosen = this.previewed ?? this.chosen;
    const wait = this.lastCurves + CURVES - performance.now();
    this.curvesAreDue = wait <= 0 || this.session.status.state !== "running";
    if (this.curvesAreDue) this.lastCurves = performance.now();
    else this.curves ??= setTimeout(() => { this.curves = null; this.schedule(); }, wait);
    for (const { run, graphs, written, formula, panel, charts } of this.columns) {
      if (!run.count) continue;
      const i = run.at(index);
      for (const graph of graphs) graph.draw(i, this.chosen);
      written.hidden = !run.texts[i];
      say(formula, run.texts[i] ?? "");
      const known = run.spec.cells[chosen.cell]?.edges[chosen.edge] ? chosen : { cell: 0, edge: 0 };
      panel.draw(i, known, graphs[known.cell].name(known.edge));
      for (const chart of charts) {
        const measured = chart.lines.some((line) => !Number.isNaN(run.scalar(i, line.scalar)));
        chart.node.toggleAttribute("hidden", !measured);
        if (measured) chart.draw(i);
      }
    }
  }

  drawControls() {
    const { session } = this;
    const { status, offline, asked } = session;
    const run = this.clock;
    const over = ["finished", "stopped", "failed"].includes(status.state);
    const going = offline ? this.playing !== null : status.state === "running";
    say(this.play, going ? "⏸ Pause" : "▶ Play");
    this.play.disabled = offline ? run.count < 2 : over;
    this.step.disabled = offline ? run.count < 2 : over;
    this.stop.hidden = this.follow.hidden = offline;
    this.stop.disabled = over;
    if (!offline && document.activeElement !== this.rate) {
      const limit = String(status.limit ?? "");
      if (![...this.rate.options].some((option) => option.value === limit)) {
        this.rate.append(html("option", { value: limit, text: `${limit} steps a second` }));
      }
      this.rate.value = limit;
    }
    set(this.follow, "aria-pressed", this.shown === null);
    let text = status.message ? `${IN_WORDS[status.state]}: ${status.message}` : IN_WORDS[status.state];
    if (offline) {
      text = this.session.spec.mode === "replay" ? "Replay" : "A saved view: no kernel answers";
      if (run.partial) text += ` (${run.count} of ${run.index(run.count - 1) + 1} steps kept)`;
    } else if (asked && performance.now() - asked.time > 1500) {
      text = `Asked to ${asked.name}; the kernel is busy with a cell or gone`;
    } else if (session.silent()) {
      text = "No answer from the kernel: it is busy, restarted or gone";
    } else if (going && status.wanted === "pause") text = "Pausing after this step";
    else if (!over && status.wanted === "stop") text = "Stopping after this step";
    say(this.state, text);
    set(this.root, "data-state", offline ? "replay" : status.state);
    const done = run.count ? run.index(run.count - 1) + 1 : 0;
    const { total } = run.spec;
    const pace = Math.max(run.count ? run.pace() : NaN, status.limit ? 1 / status.limit : 0);
    const left = going && !offline ? duration((total - done) * pace) : "";
    say(this.progress, run.count ? `${done} of ${total} steps${left ? `, about ${left} left` : ""}` : "");
    this.root.style.setProperty("--dartsedu-done", `${(100 * done) / total}%`);
    this.slider.max = Math.max(0, run.count - 1);
    this.slider.disabled = run.count < 2;
    const index = this.shownIndex();
    if (index === null) return say(this.where, "no step yet");
    const i = run.at(index);
    this.slider.value = i;
    const where = `step ${index + 1}, epoch ${run.scalar(i, "epoch") + 1}`;
    this.slider.setAttribute("aria-valuetext", `step ${index + 1} of ${done}`);
    say(this.where, where);
  }
}

export default () => {
  let session = null;
  return {
    initialize({ model }) {
      session = new Session(model);
      return () => session.close();
    },
    render({ model, el }) {
      session ??= new Session(model);
      const view = new View(session, el);
      return () => view.close();
    },
  };
};
