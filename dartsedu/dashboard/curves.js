// Curves over the steps of one run or several, and predictions over the data. Drawn to the size that they have
// on the screen, so that text keeps its own.

import { put, say, set, svg } from "../show/elements.js";

const MARGIN = { left: 38, right: 8, top: 20, bottom: 18 };
const DASHES = ["none", "6 4", "2 3", "9 3 2 3"];

export function ticks(top, most = 2) {
  const raw = top / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((m) => m * power >= raw);
  const marks = [];
  for (let k = 0; k * step <= top * 1.0001; k++) marks.push(k * step);
  return marks;
}

export const number = (x) => (Math.abs(x) >= 100 ? x.toFixed(0) : String(Number(x.toPrecision(3))));

/** The end of an axis for some values from 0 on; a few that are far out are cut off. */
export function upperEnd(values) {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b);
  const most = sorted.at(-1) ?? 0;
  const usual = 2 * (sorted[Math.floor(0.95 * (sorted.length - 1))] ?? 0);
  return (usual > 0 && most > 3 * usual ? usual : most) || 1;
}

/** The end of an axis for ranks: a power of ten. */
export const lastRank = (ranks) => 10 ** Math.ceil(Math.log10(Math.max(10, ...ranks.filter(Number.isFinite))));

/** What lines look like: of one run by their place in the chart, of several by run and place. */
export function style(run, place, runs) {
  const dash = DASHES[(runs > 1 ? run : place) % DASHES.length];
  return { "stroke-dasharray": dash, "data-tone": place % 2 };
}

/**
 * Lines over steps: {run, label, value(i), raw(i), scalar}. `sparse` ones are measured now and then, and `unless`
 * names a scalar that makes a line needless. An operation's line has its colour, others a `look`. `ranks` stand on
 * a logarithmic axis, 1 on top.
 */
export class Chart {
  constructor(title, lines, view) {
    Object.assign(this, { title, lines, view, drawnFor: "", width: 190, height: 104 });
    this.frame = svg("g", { class: "dartsedu-axis" });
    this.paths = lines.map((line) => {
      const look = line.colour ? { stroke: line.colour, "stroke-dasharray": line.dashed ? "6 4" : "none" } : line.look;
      return {
        line,
        raw: line.raw ? svg("path", { class: "dartsedu-raw", ...look, "stroke-dasharray": "none" }) : null,
        value: svg("path", { class: "dartsedu-line", ...look }),
      };
    });
    this.curves = svg("g", {}, ...this.paths.flatMap(({ raw, value }) => (raw ? [raw, value] : [value])));
    this.marks = svg("path", { class: "dartsedu-change" });
    this.cursor = svg("line", { class: "dartsedu-cursor" });
    this.heading = svg("text", { x: 2, y: 13, class: "dartsedu-chart-title", text: title });
    this.now = svg("text", { y: 13, class: "dartsedu-chart-now", "text-anchor": "end" });
    this.node = svg(
      "svg", { class: "dartsedu-chart", role: "img", "aria-label": title },
      this.frame, this.curves, this.marks, this.cursor, this.heading, this.now,
    );
    this.node.addEventListener("pointerdown", (event) => {
      const x = event.clientX - this.node.getBoundingClientRect().left;
      this.view.show(Math.round(this.first + ((x - MARGIN.left) / this.inner()) * this.span));
    });
  }

  /** Whether there is anything to draw. */
  get measured() {
    return this.lines.some(({ run, scalar, unless }) =>
      run.count && !(unless && run.known(unless).length) && (!scalar || run.known(scalar).length));
  }

  fit(width, height) {
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height, drawnFor: "" });
  }

  inner() {
    return this.width - MARGIN.left - MARGIN.right;
  }

  x(index) {
    return MARGIN.left + ((index - this.first) / this.span) * this.inner();
  }

  /** Draw what is known up to now, with the cursor at step `index`. */
  draw(index, key = "") {
    // Curves cost more than all the rest: while a search runs, once a second is enough.
    const drawnFor = `${this.width} ${this.height} ${this.lines.map(({ run }) => run.partial)} ${key}`;
    const length = this.lines.map(({ run }) => run.count).join(" ");
    if (drawnFor !== this.drawnFor || (length !== this.length && this.view.curvesAreDue)) {
      this.redraw();
      Object.assign(this, { drawnFor, length });
    }
    const x = Math.min(this.x(index), this.width - MARGIN.right).toFixed(1);
    put(this.cursor, { x1: x, x2: x, y1: MARGIN.top, y2: this.height - MARGIN.bottom }, []);
    const values = this.lines.map((line) => this.at(line, index));
    const now = this.lines.map((line, k) => `${line.name ?? line.label} ${values[k]}`).join(", ");
    set(this.node, "aria-label", `${this.title} at step ${index + 1}: ${now}`);
    const text = this.lines.length > 2 ? "" : values.join(" · ");
    const fits = 6.6 * (text.length + this.title.length) + 14 < this.width;
    say(this.now, fits ? text : "");
    set(this.now, "x", this.width - MARGIN.right);
  }

  /** A line's value at a step, in words. */
  at({ run, value, scalar, sparse }, index) {
    if (!run.count) return "–";
    let i = run.at(index);
    if (sparse) i = run.known(scalar).filter((row) => row <= i).at(-1);
    return i === undefined || Number.isNaN(value(i)) ? "–" : number(value(i));
  }

  redraw() {
    const low = this.height - MARGIN.bottom;
    const right = this.width - MARGIN.right;
    put(this.node, { viewBox: `0 0 ${this.width} ${this.height}` }, []);
    const clock = this.view.clock; // Runs side by side share their time axis.
    const last = clock.index(clock.count - 1);
    this.first = clock.index(0);
    const doubled = 2 ** Math.ceil(Math.log2(Math.max(32, last - this.first + 1)));
    this.span = Math.max(1, Math.min(doubled, clock.spec.total - this.first) - 1);
    const places = this.lines.map(({ run, scalar, sparse }) => (sparse ? run.known(scalar) : run.drawn()));
    const values = this.lines.flatMap((line, k) => places[k].map(line.raw ?? line.value));
    const ranks = this.lines.some((line) => line.ranks);
    const top = ranks ? lastRank(values) : upperEnd(values);
    const part = ranks ? (value) => 1 - Math.log10(value) / Math.log10(top) : (value) => Math.max(0, Math.min(value, top)) / top;
    const y = (value) => low - part(value) * (low - MARGIN.top);
    const path = (run, value, rows) => {
      let d = "";
      let pen = "M";
      for (const i of rows) {
        const v = value(i);
        if (!Number.isFinite(v)) pen = "M";
        else {
          d += `${pen}${this.x(run.index(i)).toFixed(1)},${y(v).toFixed(1)}`;
          pen = "L";
        }
      }
      return d;
    };
    this.paths.forEach(({ line, raw, value }, k) => {
      if (raw) set(raw, "d", path(line.run, line.raw, places[k]));
      set(value, "d", path(line.run, line.value, places[k]));
    });
    const changes = this.view.session.runs.length > 1 ? [] : this.lines[0].run.changes;
    set(this.marks, "d", changes.map((i) => `M${this.x(clock.index(i)).toFixed(1)},${low}v4`).join(""));
    this.frame.replaceChildren(
      ...(ranks ? [...new Set([1, top > 1000 ? 100 : 10, top])] : ticks(top)).flatMap((v) => [
        svg("line", { x1: MARGIN.left, x2: right, y1: y(v), y2: y(v) }),
        svg("text", { x: MARGIN.left - 4, y: y(v) + 4, "text-anchor": "end", text: v < 1000 ? number(v) : `${number(v / 1000)}k` }),
      ]),
      svg("text", { x: MARGIN.left, y: this.height - 2, text: `step ${this.first + 1}` }),
      svg("text", { x: right, y: this.height - 2, "text-anchor": "end", text: String(this.first + this.span + 1) }),
    );
  }
}

// ---- The data, and what bends into them -----------------------------------------------------------

const PLOT = { left: 46, right: 10, top: 20, bottom: 34 };

/** Rows of a table with the curves of a step; with several variables, fitted against measured. */
export class DataPlot {
  constructor(run) {
    Object.assign(this, { run, width: 0, height: 0 });
    const { data } = run.spec;
    this.single = data.at.length > 0;
    this.frame = svg("g", { class: "dartsedu-axis" });
    this.dots = svg("path", { class: "dartsedu-dots" });
    this.fitted = run.spec.fitted.map((_, k) =>
      svg("path", { class: this.single ? "dartsedu-line" : "dartsedu-fitted", ...style(0, k, 1) }));
    this.words = svg("text", { class: "dartsedu-chart-title", x: 2, y: 13, text: this.single ? `${data.target} over ${data.variables[0]}` : `${data.target}: fitted over measured` });
    this.area = svg("svg", {}, this.dots, ...this.fitted);
    this.node = svg("svg", { class: "dartsedu-data", role: "img", "aria-label": this.words.textContent }, this.frame, this.area, this.words);
    const ends = (values) => [Math.min(...values), Math.max(...values)];
    const [low, high] = ends(data.y);
    const room = 0.12 * (high - low || 1);
    this.down = [low - room, high + room];
    this.across = this.single ? ends([...data.x, ...data.at]) : this.down;
  }

  fit(width, height) {
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height });
    const { data } = this.run.spec;
    const inside = { x: PLOT.left, y: PLOT.top, width: width - PLOT.left - PLOT.right, height: height - PLOT.top - PLOT.bottom };
    put(this.node, { viewBox: `0 0 ${width} ${height}`, width, height }, []);
    put(this.area, { ...inside, viewBox: `0 0 ${inside.width} ${inside.height}` }, []);
    const scale = ([from, to], size) => (v) => ((v - from) / (to - from || 1)) * size;
    const x = scale(this.across, inside.width);
    const y = (v) => inside.height - scale(this.down, inside.height)(v);
    this.place = (a, b) => `${x(a).toFixed(1)},${y(b).toFixed(1)}`;
    const dot = (a, b) => `M${this.place(a, b)}h0`;
    const diagonal = `M${this.place(this.down[0], this.down[0])}L${this.place(this.down[1], this.down[1])}`;
    set(this.dots, "d", this.single ? data.y.map((v, i) => dot(data.x[i], v)).join("") : diagonal);
    this.dots.classList.toggle("dartsedu-diagonal", !this.single);
    const floor = PLOT.top + inside.height;
    const names = this.single ? [data.variables[0], data.target] : [`${data.target}, measured`, "fitted"];
    const [a, b] = this.across;
    const [c, d] = this.down;
    this.frame.replaceChildren(
      svg("line", { x1: PLOT.left, x2: width - PLOT.right, y1: floor, y2: floor }),
      svg("line", { x1: PLOT.left, x2: PLOT.left, y1: PLOT.top, y2: floor }),
      ...[[a, PLOT.left, "start"], [b, width - PLOT.right, "end"]].map(([v, at, anchor]) =>
        svg("text", { x: at, y: floor + 14, "text-anchor": anchor, text: number(v) })),
      ...[[c, floor], [d, PLOT.top + 8]].map(([v, at]) => svg("text", { x: PLOT.left - 4, y: at, "text-anchor": "end", text: number(v) })),
      svg("text", { x: PLOT.left + inside.width / 2, y: height - 4, "text-anchor": "middle", text: names[0] }),
    );
  }

  draw(i) {
    const { run } = this;
    const { data, fitted } = run.spec;
    if (!this.place) return;
    fitted.forEach((name, k) => {
      const values = i === null ? [] : run.fitted(i, name);
      let d = "";
      let pen = "M";
      // Far out of the picture is far enough.
      const [low, high] = this.down;
      const held = (v) => Math.max(2 * low - high, Math.min(2 * high - low, v));
      for (let k = 0; k < values.length; k++) {
        if (!Number.isFinite(values[k])) pen = "M";
        else if (this.single) {
          d += `${pen}${this.place(data.at[k], held(values[k]))}`;
          pen = "L";
        } else d += `M${this.place(data.y[k], held(values[k]))}h0`;
      }
      set(this.fitted[k], "d", d);
    });
    set(this.node, "aria-label", `${this.words.textContent}: ${data.y.length} rows; solid: the mixture, dashed: the kept edges alone`);
  }
}
