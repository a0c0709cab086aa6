// A cell as a graph: every edge a bundle of strands, an operation each. Where things stand is the kernel's work
// (dartsedu/show/sheet.py): a few sheets of different width, of which the widest that fits is taken.

import { FOCUSABLE, put, say, set, svg } from "../show/elements.js";

/** The curve that runs beside a quadratic one, so far from it. */
export function beside(curve, distance) {
  const [start, control, end] = curve;
  return [[start, control], [start, end], [control, end]].map(([[ax, ay], [bx, by]], k) => {
    const span = Math.hypot(bx - ax, by - ay) || 1;
    return [curve[k][0] - (distance * (by - ay)) / span, curve[k][1] + (distance * (bx - ax)) / span];
  });
}

const path = ([a, b, c]) => `M${a.map((v) => v.toFixed(1))} Q${b.map((v) => v.toFixed(1))} ${c.map((v) => v.toFixed(1))}`;

/** The widest of some sheets that is not wider than `room`; the narrowest if all are. */
export function fitting(sheets, room) {
  return sheets.reduce((best, sheet) => (sheet.width <= room && sheet.width > best.width ? sheet : best), sheets[0]);
}

/** What a cell is called; where it is the only one and called so, "cell" is enough. */
export const titled = (name) => (name === "cell" ? name : `${name} cell`);

/** One cell of one run. Edges are a radio group: arrows move the choice, hovering previews it. */
export class Graph {
  constructor(run, cell, view, { discrete = false } = {}) {
    Object.assign(this, { run, cell, view, discrete, sheet: null });
    this.spec = run.spec.cells[cell];
    this.outs = this.spec.outputs.map(() => svg("line", { class: "dartsedu-out" }));
    this.edges = this.spec.edges.map((_, e) => this.edge(e));
    this.boxes = [...this.spec.states, this.spec.output].map((text) => ({
      box: svg("rect", { rx: 6, class: "dartsedu-state" }),
      name: svg("text", { class: "dartsedu-state-name", text }),
    }));
    this.node = svg(
      "svg",
      { class: "dartsedu-graph", role: discrete ? "img" : "radiogroup", "aria-label": `${titled(this.spec.name)}, edges` },
      ...this.outs, ...this.edges.map((edge) => edge.group),
      ...this.boxes.flatMap(({ box, name }) => [box, name]), ...this.edges.map((edge) => edge.label),
    );
    this.fit(0, false);
  }

  name(e) {
    const { states, edges } = this.spec;
    return `${states[edges[e].source]} → ${states[edges[e].target]}`;
  }

  edge(e) {
    const { primitives } = this.run.spec;
    const edge = {
      halo: svg("path", { class: "dartsedu-halo" }),
      outline: svg("path", { class: "dartsedu-outline" }),
      ground: svg("path", { class: "dartsedu-ground" }),
      strands: primitives.map((primitive) => coloured(svg("path", { class: "dartsedu-strand", "data-none": primitive.none }), primitive)),
      head: svg("polygon", { class: "dartsedu-head" }),
      hit: svg("path", { class: "dartsedu-hit" }),
      chip: svg("rect", { class: "dartsedu-chip" }),
      text: svg("text", { class: "dartsedu-op-name" }),
    };
    edge.label = svg("g", { class: "dartsedu-label", "aria-hidden": "true" }, edge.chip, edge.text);
    edge.group = svg("g", {}, edge.halo, edge.outline, edge.ground, ...edge.strands, edge.head, edge.hit);
    if (this.discrete) return edge;
    put(edge.group, { role: "radio", class: "dartsedu-choice", ...FOCUSABLE }, []);
    edge.group.addEventListener("click", () => edge.group.focus());
    edge.group.addEventListener("focus", () => this.view.choose(this.cell, e));
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

  /** Take the sheet that fits into so many pixels. Text keeps its size. */
  fit(room, large) {
    const sheet = fitting(large ? this.spec.large : this.spec.sheets, room);
    if (sheet === this.sheet) return;
    this.sheet = sheet;
    const { width, height, font, bundle, states, ways } = sheet;
    put(this.node, { viewBox: `0 0 ${width} ${height}`, width, height }, []);
    this.node.style.setProperty("--font", `${font}px`);
    const [ox, oy, ow] = states.at(-1);
    this.spec.outputs.forEach((state, k) => {
      const [x, y, w] = states[state];
      put(this.outs[k], { x1: x + w / 2, y1: y, x2: ox - ow / 2, y2: oy }, []);
    });
    this.boxes.forEach(({ box, name }, k) => {
      const [x, y, w, h] = states[k];
      put(box, { x: x - w / 2, y: y - h / 2, width: w, height: h }, []);
      put(name, { x, y: y + 0.36 * font }, []);
    });
    this.edges.forEach((edge, e) => {
      const { curve, head, label } = ways[e];
      const d = path(curve);
      for (const part of [edge.halo, edge.outline, edge.ground, edge.hit]) set(part, "d", d);
      set(edge.halo, "stroke-width", bundle + 8);
      set(edge.outline, "stroke-width", bundle + 3);
      set(edge.ground, "stroke-width", bundle);
      set(edge.hit, "stroke-width", Math.max(14, bundle));
      set(edge.head, "points", head.join(" "));
      if (label === null) return;
      const [x, y, w] = label;
      put(edge.chip, { x: x - w / 2 + 2, y: y - 0.35 * font, width: 0.7 * font, height: 0.7 * font }, []);
      put(edge.text, { x: x - w / 2 + 0.9 * font + 2, y: y + 0.35 * font }, []);
    });
  }

  /** Draw row i, or what there is before the first step: null. */
  draw(i, chosen) {
    const { run } = this;
    const { primitives } = run.spec;
    const drawnFor = `${i} ${run.partial} ${chosen.cell} ${chosen.edge} ${this.sheet.width} ${this.sheet.font}`;
    if (drawnFor === this.drawnFor) return;
    this.drawnFor = drawnFor;
    this.edges.forEach((edge, e) => {
      const kept = i === null ? [] : run.kept(i, this.cell, e);
      const shares = this.discrete ? primitives.map((_, o) => (kept.includes(o) ? 1 / kept.length : 0)) : run.shares(i, this.cell, e);
      this.strands(edge, e, shares);
      set(edge.group, "data-kept", i === null ? "open" : kept.length > 0);
      const lead = this.discrete ? kept[0] ?? null : i === null ? null : run.lead(shares);
      const named = lead !== null && this.sheet.ways[e].label !== null;
      edge.label.toggleAttribute("hidden", !named);
      if (named) {
        coloured(edge.label, primitives[lead]);
        say(edge.text, (this.discrete ? kept : [lead]).map((o) => primitives[o].brief).join(" + "));
      }
      if (this.discrete) {
        if (lead !== null) coloured(edge.head, primitives[lead]);
        return;
      }
      const isChosen = chosen.cell === this.cell && chosen.edge === e;
      set(edge.group, "aria-checked", isChosen);
      const chosenHere = chosen.cell === this.cell && chosen.edge < this.edges.length;
      set(edge.group, "tabindex", isChosen || (!chosenHere && e === 0) ? 0 : -1);
      const best = shares.indexOf(Math.max(...shares));
      const fate = kept.length ? "kept" : "would be cut";
      set(edge.group, "aria-label", i === null
        ? `${this.name(e)}: all operations alike`
        : `${this.name(e)}: ${primitives[best].label} ${run.mixture(i, this.cell, e)[best].toFixed(2)}, ${fate}`);
    });
    if (this.discrete) set(this.node, "aria-label", this.words(i));
  }

  /** Lay the strands side by side, as wide as their shares of the bundle. */
  strands(edge, e, shares) {
    const { bundle, ways } = this.sheet;
    let side = (-bundle * shares.reduce((a, b) => a + b, 0)) / 2;
    shares.forEach((share, o) => {
      const width = share * bundle;
      set(edge.strands[o], "d", width < 0.05 ? "" : path(beside(ways[e].curve, side + width / 2)));
      set(edge.strands[o], "stroke-width", width.toFixed(2));
      side += width;
    });
  }

  /** The discrete cell in words. */
  words(i) {
    const { primitives } = this.run.spec;
    const kept = this.edges.flatMap((_, e) => this.run.kept(i, this.cell, e).map((o) => `${this.name(e)} ${primitives[o].label}`));
    return `${titled(this.spec.name)}: ${kept.join("; ")}`;
  }
}

/** Hand an operation's colours to a node and what is in it. */
export function coloured(node, { colour, pale, legible }) {
  if (node.style.getPropertyValue("--op") !== colour) {
    node.style.setProperty("--op", colour);
    node.style.setProperty("--pale", `${pale}%`);
    node.style.setProperty("--legible", `${legible}%`);
  }
  return node;
}
