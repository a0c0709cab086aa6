// All cells of a small space, true accuracy against parameters, and the way of a search among them.

import { html, put, set, svg } from "../show/elements.js";
import { style, ticks } from "./curves.js";

const FIELD = { left: 50, right: 12, top: 8 };
const SPREAD = 0.03; // of the width: cells of one size stand apart by so much, always alike

/** The part after the comma of a multiple of the golden ratio: evenly spread, whatever the count. */
const scattered = (row) => ((row + 1) * 0.6180339887498949) % 1;

/** Marks of a logarithmic axis: 1, 2 and 5 times the powers of ten. */
export function powers(low, high) {
  const marks = [];
  for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
    marks.push(...[1, 2, 5].map((m) => m * power).filter((mark) => mark >= low && mark <= high));
  }
  return marks;
}

/**
 * One picture of `truth` ({parameters, accuracies}) for all runs. The cells are a picture of their own behind the
 * rest, which the browser paints again only when it changes its size.
 */
export class Landscape {
  constructor(truth, runs) {
    Object.assign(this, { truth, runs, width: 0, height: 0 });
    this.cells = svg("path", { class: "dartsedu-every" });
    this.frame = svg("g", { class: "dartsedu-axis" });
    this.behind = svg("svg", { class: "dartsedu-behind", "aria-hidden": "true" }, this.frame, this.cells);
    this.ways = runs.map((run, r) => ({
      path: svg("path", { class: "dartsedu-line", ...style(r, 0, runs.length) }),
      start: svg("circle", { class: "dartsedu-start", r: 4 }),
      here: svg("circle", { class: "dartsedu-here", r: 6 }),
      name: svg("text", { class: "dartsedu-here-name" }),
    }));
    this.front = svg("svg", { class: "dartsedu-front", "aria-hidden": "true" },
      ...this.ways.flatMap(({ path, start }) => [path, start]), ...this.ways.flatMap(({ here, name }) => [here, name]));
    this.field = html("div", { class: "dartsedu-field", role: "img" }, this.behind, this.front);
    this.title = `all ${truth.accuracies.length.toLocaleString("en")} cells`;
    const caption = html("figcaption", { text: `${this.title}: true accuracy against parameters` });
    this.node = html("figure", { class: "dartsedu-landscape" }, caption, this.field);
    const ends = (values) => [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    this.sizes = ends(truth.parameters).map((x) => Math.max(1, x));
    this.scores = ends(truth.accuracies);
  }

  /** Take so many pixels; `line` of them for a line of text. */
  fit(width, height, line) {
    if (width === this.width && height === this.height) return;
    Object.assign(this, { width, height, line, drawnFor: "" });
    const { parameters, accuracies } = this.truth;
    const [least, most] = this.sizes;
    const [low, high] = this.scores;
    const right = width - FIELD.right;
    const floor = height - 2.2 * line;
    this.floor = floor;
    const inside = right - FIELD.left;
    const room = SPREAD * inside;
    const across = (x) => FIELD.left + room / 2 + ((Math.log(x) - Math.log(least)) / (Math.log(most / least) || 1)) * (inside - room);
    const down = (y) => floor - 4 - ((y - low) / (high - low || 1)) * (floor - 4 - FIELD.top);
    this.place = (row) => [across(Math.max(1, parameters[row])) + room * (scattered(row) - 0.5), down(accuracies[row])];
    for (const node of [this.behind, this.front]) put(node, { viewBox: `0 0 ${width} ${height}`, width, height }, []);
    const dots = parameters.map((_, row) => {
      const [x, y] = this.place(row);
      return `M${x.toFixed(1)},${y.toFixed(1)}h0`;
    });
    set(this.cells, "d", dots.join(""));
    this.frame.replaceChildren(
      svg("line", { x1: FIELD.left, x2: right, y1: floor, y2: floor }),
      svg("line", { x1: FIELD.left, x2: FIELD.left, y1: FIELD.top, y2: floor }),
      ...powers(least, most).map((mark) =>
        svg("text", { x: across(mark), y: floor + line - 2, "text-anchor": "middle", text: mark.toLocaleString("en") })),
      ...ticks(100 * high, 5).filter((mark) => mark >= 100 * low).map((mark) =>
        svg("text", { x: FIELD.left - 4, y: down(mark / 100) + 4, "text-anchor": "end", text: `${mark} %` })),
      svg("text", { x: FIELD.left + inside / 2, y: height - 4, "text-anchor": "middle", text: "parameters" }),
    );
  }

  /** Draw the ways up to these rows of the runs; null: before the first step. */
  draw(places) {
    const drawnFor = `${places} ${this.runs.map(({ partial }) => partial)}`;
    if (!this.place || drawnFor === this.drawnFor) return;
    this.drawnFor = drawnFor;
    const words = this.ways.map(({ path, start, here, name }, r) => {
      const run = this.runs[r];
      const way = places[r] === null ? [] : run.way(places[r]);
      const points = way.map(this.place);
      const now = places[r] !== null && run.standing(places[r]) ? points.at(-1) : undefined;
      set(path, "d", points.length > 1 ? `M${points.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")}` : "");
      for (const [circle, point] of [[start, points[0]], [here, now]]) {
        circle.toggleAttribute("hidden", point === undefined);
        if (point !== undefined) put(circle, { cx: point[0].toFixed(1), cy: point[1].toFixed(1) }, []);
      }
      if (this.runs.length > 1 && now !== undefined) {
        const left = now[0] > this.width / 2;
        const y = Math.min(now[1] + 4 + this.line * r, this.floor); // Names of cells side by side stand below each other.
        put(name, { x: now[0] + (left ? -10 : 10), y, "text-anchor": left ? "end" : "start", text: run.spec.name }, []);
      } else name.textContent = "";
      const of = run.spec.name ? `${run.spec.name}: ` : "";
      return now === undefined ? "" : `${of}${run.standing(places[r])}, ${way.length} cells on the way`;
    });
    set(this.field, "aria-label", [`${this.title}, true accuracy against parameters`, ...words.filter(Boolean)].join(". "));
  }
}
