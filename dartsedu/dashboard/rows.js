// The rows of a run as the kernel sends them, and the messages to and from it.

const WINDOW = 10; // steps in the running mean of a loss
const POINTS = 256; // of a drawn curve, at most twice as many

export const percent = (x) => `${(100 * x).toFixed(1)} %`;

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

/** The steps of one run; `spec` is what History.describe gives, `truth` the table of all cells, if there is one. */
export class Run {
  constructor(spec, truth = null) {
    this.spec = spec;
    this.truth = truth;
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
    this.fittedFrom = next;
    this.points = spec.data ? (spec.data.at.length || spec.data.y.length) : 0;
    this.width = next + this.points * (spec.fitted ?? []).length;
    this.clear();
  }

  clear() {
    this.count = 0;
    this.rows = new Float32Array(64 * this.width);
    this.texts = []; // what each row says as a formula, where the space has formulas
    this.changes = []; // numbers of the rows whose genotype differs from the one before
    this.knownRows = {};
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
    for (let k = this.keptFrom; k < this.fittedFrom; k++) {
      if (this.rows[i * this.width + k] !== this.rows[(i - 1) * this.width + k]) return true;
    }
    return false;
  }

  /** A number of a row by its name, NaN where there is none. */
  scalar(i, name) {
    return name in this.column ? this.rows[i * this.width + this.column[name]] : NaN;
  }

  index(i) {
    return this.rows[i * this.width];
  }

  /** Where the cell stands among all that would be kept at row i; "" where nobody knows. */
  standing(i) {
    const rank = this.scalar(i, "rank");
    if (Number.isNaN(rank)) return "";
    const of = this.truth ? ` of ${this.truth.accuracies.length.toLocaleString("en")}` : "";
    const below = 100 * this.scalar(i, "regret");
    const best = rank === 1 ? "none is better" : `${below.toFixed(1)} points below the best`;
    const accuracy = percent(this.scalar(i, "true accuracy")).replace(" ", "\u00a0"); // The line may be broken, not there.
    return `rank ${rank.toLocaleString("en")}${of} · true accuracy ${accuracy} · ${best}`;
  }

  /** The rows of the table that the search has passed through up to row i; cells that it lacks are left out. */
  way(i) {
    const places = [0, ...this.changes].filter((place) => place <= i);
    return places.map((place) => this.scalar(place, "truth row")).filter((row, k, rows) => !Number.isNaN(row) && row !== rows[k - 1]);
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

  /** What a bundle of strands is made of: the weights, by their sum where that is more than 1. Even before the
   * first step, whose number is null. */
  shares(i, cell, edge) {
    const weights = i === null ? Array(this.operations).fill(1 / this.operations) : this.mixture(i, cell, edge);
    const sum = Math.max(1, weights.reduce((a, b) => a + b, 0));
    return weights.map((w) => w / sum);
  }

  /** The predictions of a step by name, at the places that the description's `data` has. */
  fitted(i, name) {
    const start = i * this.width + this.fittedFrom + this.spec.fitted.indexOf(name) * this.points;
    return this.rows.subarray(start, start + this.points);
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

  /** The column of the strongest weight if it leads clearly, else null. */
  lead(weights) {
    const best = weights.indexOf(Math.max(...weights));
    const second = Math.max(0, ...weights.filter((_, o) => o !== best));
    return weights[best] >= this.spec.clear * second ? best : null;
  }

  /** Numbers of the rows in which a scalar has a value. */
  known(name) {
    const known = (this.knownRows[name] ??= { seen: 0, rows: [] });
    for (; known.seen < this.count; known.seen++) {
      if (!Number.isNaN(this.scalar(known.seen, name))) known.rows.push(known.seen);
    }
    return known.rows;
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
    this.runs = this.spec.runs.map((run) => new Run(run, this.spec.truth));
    this.status = { state: "ready", message: "", limit: null, ...model.get("status") };
    this.gaps = new Map((this.spec.gaps ?? []).map((gap) => [gap.step, gap]));
    this.views = new Set();
    this.available = this.runs.map(() => Infinity); // rows that the kernel has, as far as known
    this.coming = this.runs.map(() => null); // what will replace the few rows of a saved notebook
    this.answered = false; // has the kernel ever answered?
    this.offline = this.spec.mode === "replay";
    this.gone = false; // has the kernel that ran this been restarted or shut down?
    this.asked = null; // a command without an answer yet: {name, time}
    this.lastMessage = this.lastHello = performance.now();
    this.needed = this.runs.map(() => -Infinity); // when rows were asked for, until they come
    (model.get("snapshots") ?? []).forEach((rows, i) => {
      if (rows.byteLength) this.runs[i]?.restore(floats(rows), model.get("texts")?.[i]);
    });
    this.listener = (message, buffers) => this.receive(message, buffers ?? []);
    model.on("msg:custom", this.listener);
    // What Jupyter tells a widget whose kernel was restarted.
    this.parting = () => this.lost();
    model.on("comm_live_update", this.parting);
    this.timer = setInterval(() => this.watch(), 500);
    this.hello();
    this.runs.forEach((_, i) => this.need(i));
  }

  close() {
    clearInterval(this.timer);
    this.model.off("msg:custom", this.listener);
    this.model.off("comm_live_update", this.parting);
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

  /** The kernel is not the one that ran this any more. What has come can still be looked at. */
  lost() {
    if (this.spec.mode !== "live" || this.gone) return;
    this.gone = this.offline = true;
    this.changed();
  }

  receive(message, buffers) {
    this.lastMessage = performance.now();
    this.answered = true;
    if (this.spec.mode === "live" && !this.gone) this.offline = false;
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
      const { rows, count, changes, texts: all, knownRows } = run;
      Object.assign(shown, { rows, count, changes, texts: all, knownRows, partial: false });
      this.coming[i] = null;
    }
    if (!fits) this.need(i);
    else if (this.have(i) < of) this.need(i);
  }

  /** Twice a second: ask again for what should have come; notice that nobody answers. */
  watch() {
    for (const view of this.views) view.notice();
    const now = performance.now();
    const silent = now - this.lastMessage;
    if (!this.answered && silent > 4000) {
      const before = this.offline;
      this.offline = true;
      if (!before) this.changed();
    }
    if (!this.answered || this.gone) return;
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
