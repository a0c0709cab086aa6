// The live view of an architecture search. Plain JavaScript, run by anywidget or by an exported page.
//
//   rows.js    Run: the rows of one run, read by name; Session: one for each model, with the kernel's messages
//   graph.js   a cell: edges as bundles of strands
//   curves.js  curves over steps; predictions over data
//   landscape.js  all cells of a small space, and the way of a search among them
//   View       one for each place that shows the model: what is looked at, and the drawing
//
// Names come from files that nobody has checked: they are only ever set as text, never as markup.

import { FOCUSABLE, disconnected, html, ownKeys, put, say, set, svg } from "../show/elements.js";
import { Chart, DataPlot, number, style } from "./curves.js";
import { Graph, coloured, titled } from "./graph.js";
import { Landscape } from "./landscape.js";
import { Session, percent } from "./rows.js";

const CURVES = 1000; // milliseconds between two drawings of the curves of a running search

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  if (seconds < 6000) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

// ---- The chosen edge ----------------------------------------------------------------------------

/** The operations of an edge, a row each; of several runs side by side. Their colours are explained here. */
class EdgePanel {
  constructor(runs, view) {
    Object.assign(this, { runs, view });
    this.caption = html("caption", { class: "dartsedu-edge-name" });
    const primitives = new Map(runs.flatMap((run) => run.spec.primitives.map((p) => [p.name, p])));
    this.rows = [...primitives.values()].map((primitive) => {
      const chip = coloured(html("span", { class: "dartsedu-swatch", "data-none": primitive.none }), primitive);
      const cells = runs.map(() => {
        const bar = coloured(html("span", { class: "dartsedu-bar", "data-none": primitive.none }), primitive);
        const [share, alpha] = [html("td", { class: "dartsedu-number" }), html("td", { class: "dartsedu-number" })];
        return { bar, share, alpha, place: html("td", { class: "dartsedu-bar-place" }, bar) };
      });
      const row = html("tr", {}, html("th", { scope: "row" }, chip, ` ${primitive.label}`),
        ...cells.flatMap(({ place, share, alpha }) => (runs.length > 1 ? [place, share] : [place, share, alpha])));
      return { primitive, row, cells };
    });
    this.scales = runs.map(() => html("th", { scope: "col" }));
    const heads = runs.flatMap((run, r) => [
      this.scales[r],
      html("th", { scope: "col", class: "dartsedu-number", text: runs.length > 1 ? "" : `${run.relaxation}(α)` }),
      ...(runs.length > 1 ? [] : [html("th", { scope: "col", class: "dartsedu-number", text: "α" })]),
    ]);
    this.node = html("section", { class: "dartsedu-panel", "aria-label": "chosen edge" }, html(
      "table", { class: "dartsedu-bars" }, this.caption,
      html("thead", {}, html("tr", {}, html("th", { scope: "col", text: "operation" }), ...heads)),
      html("tbody", {}, ...this.rows.map(({ row }) => row))));
  }

  /** Draw the rows of all runs (null: before the first step) for an edge that each of them may have. */
  draw(places, chosen, name) {
    const { runs } = this;
    const known = runs.map((run) => Boolean(run.spec.cells[chosen.cell]?.edges[chosen.edge]));
    const weights = runs.map((run, r) => (!known[r] ? null
      : places[r] === null ? run.shares(null, chosen.cell, chosen.edge) : run.mixture(places[r], chosen.cell, chosen.edge)));
    const kept = runs.map((run, r) => (known[r] && places[r] !== null ? run.kept(places[r], chosen.cell, chosen.edge) : []));
    const fate = (r) => (places[r] === null ? "all alike" : kept[r].length ? "kept" : "would be cut");
    const cell = runs[known.indexOf(true)]?.spec.cells[chosen.cell];
    say(this.caption, `${titled(cell?.name)}, ${name}${runs.length > 1 ? "" : `: ${fate(0)}`}`);
    const whole = Math.max(...weights.flatMap((w) => w ?? [0])) > 0.5 ? 1 : 0.5;
    this.scales.forEach((node, r) => say(node, runs.length > 1 ? `${runs[r].spec.name || "run"}: ${fate(r)}` : `0 … ${whole}`));
    this.rows.forEach(({ primitive, row, cells }) => {
      let keeps = false;
      cells.forEach(({ bar, share, alpha }, r) => {
        const o = known[r] ? runs[r].spec.primitives.findIndex((p) => p.name === primitive.name) : -1;
        bar.style.width = o < 0 ? "0" : `${((100 * weights[r][o]) / whole).toFixed(1)}%`;
        say(share, o < 0 ? "–" : weights[r][o].toFixed(3));
        const raw = o < 0 || places[r] === null ? NaN : runs[r].alpha(places[r], chosen.cell, chosen.edge)[o];
        say(alpha, Number.isNaN(raw) ? "–" : `${raw < 0 ? "−" : "+"}${Math.abs(raw).toFixed(3)}`);
        keeps ||= kept[r].includes(o);
      });
      set(row, "data-kept", keeps);
    });
  }
}

// ---- What if I stopped now? ---------------------------------------------------------------------

/** Shows the cells as they would be kept, in their place, and says what stopping would cost. */
class Verdict {
  constructor(session, view) {
    Object.assign(this, { session, view, asked: null });
    this.button = html("button", { type: "button", "aria-pressed": "false", ...FOCUSABLE, text: "What if I stopped now?" });
    this.button.addEventListener("click", () => this.toggle());
    this.gap = html("div", { class: "dartsedu-gap" });
    this.node = html("section", { class: "dartsedu-verdict", "aria-label": "what if I stopped now", hidden: "" }, this.gap);
  }

  get open() {
    return this.asked !== null;
  }

  toggle() {
    const index = this.view.shownIndex();
    this.asked = this.open || index === null ? null : index;
    if (this.open && !this.session.offline) this.session.command("gap", { step: index });
    this.view.schedule(true);
  }

  /** The step that is judged: the one asked about; where nobody can be asked, the one that is shown. */
  get step() {
    return this.open && this.session.offline ? this.view.shownIndex() : this.asked;
  }

  draw() {
    this.button.disabled = this.view.shownIndex() === null;
    set(this.button, "aria-pressed", this.open);
    this.node.hidden = !this.open;
    if (!this.open) return;
    const { runs } = this.session;
    const lines = runs.map((run) => {
      const i = run.at(this.step);
      const words = [`${run.spec.name ? `${run.spec.name}, c` : "C"}ut after step ${run.index(i) + 1}. ${this.words(run, i)}`];
      if (run.standing(i)) words.push(`Among all cells: ${run.standing(i)}.`);
      for (const title of run.spec.series ?? []) {
        const row = run.known(`series ${title}`).filter((row) => row <= i).at(-1);
        if (row !== undefined) words.push(`${title}: ${number(run.scalar(row, `series ${title}`))}.`);
      }
      return words.join(" ");
    });
    const text = JSON.stringify(lines);
    if (text !== this.drawnFor) this.gap.replaceChildren(...lines.map((line) => html("p", { text: line })));
    this.drawnFor = text;
  }

  words(run, i) {
    const index = run.index(i);
    const gap = this.session.runs.length === 1 ? this.session.gaps.get(index) : undefined;
    if (gap?.error) return `Not measured: ${gap.error}`;
    if (gap) {
      const whose = gap.weights === gap.step ? "" : ` α are those of step ${gap.step + 1}, the operation weights those of step ${gap.weights + 1}.`;
      return compared(gap.mixture, gap.discretised) + whose;
    }
    if (!this.session.offline) return "Measuring on the architecture split, between two steps …";
    const row = run.known("mixture loss").filter((row) => row <= i).at(-1);
    if (row === undefined) return "The discretisation gap was not measured in this run: a recording keeps α, not the operation weights w.";
    const score = (name) => {
      const accuracy = run.scalar(row, `${name} accuracy`);
      return { accuracy: Number.isNaN(accuracy) ? null : accuracy, loss: run.scalar(row, `${name} loss`) };
    };
    const when = row === i ? "" : ` Measured after step ${run.index(row) + 1}.`;
    return compared(score("mixture"), score("discretised")) + when;
  }
}

function compared(mixture, discretised) {
  const said = ({ accuracy, loss }) => (accuracy === null ? `loss ${loss.toFixed(3)}` : `${percent(accuracy)} (loss ${loss.toFixed(3)})`);
  const lost = mixture.accuracy === null
    ? `${(discretised.loss - mixture.loss).toFixed(3)} of loss`
    : `${(100 * (mixture.accuracy - discretised.accuracy)).toFixed(1)} points of accuracy`;
  return `Architecture split: all mixtures ${said(mixture)}, kept edges only ${said(discretised)}. Discretisation gap: ${lost}. Same weights w, not trained again.`;
}

// ---- The view -----------------------------------------------------------------------------------

const rate = (r) => [r, `${r} step${r > 1 ? "s" : ""} a second`];
const LIVE_RATES = [["", "as fast as it can"], ...[1, 2, 5, 10, 25].map(rate)];
const REPLAY_RATES = [1, 2, 5, 10, 25, 50, 100, 500, 1000].map(rate);
const EDGES = ["outlined: kept now, pale: would be cut", "named: ahead of the next by half or more"];
const BRIEFLY = "outlined: kept now, pale: cut, named: clear lead";
const PACE = 10; // steps a second that can be followed
const ROOM = 400; // pixels of a cell where nothing can be measured
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
    this.large = false;
    this.root = html("div", { class: "dartsedu", role: "group", "aria-label": session.spec.title });
    ownKeys(this.root);
    this.build();
    el.append(this.root);
    session.views.add(this);
    this.sizes = globalThis.ResizeObserver ? new ResizeObserver(() => this.resize()) : null;
    this.sizes?.observe(this.root);
    this.resize();
    this.draw();
    if (session.spec.play && !this.calm) this.begin();
  }

  /** Grey out where Jupyter says that the kernel is gone. */
  notice() {
    if (disconnected(this.root)) this.session.lost();
  }

  /** From the first step on, by itself. */
  begin() {
    if (!this.clock.count) return;
    this.shown = this.clock.index(0);
    this.onPlay();
  }

  /** Fit everything into the room that there is. */
  resize() {
    const wide = this.root.clientWidth;
    if (wide === this.wide && this.large === this.fittedLarge) return;
    Object.assign(this, { wide, fittedLarge: this.large });
    this.root.toggleAttribute("data-narrow", wide > 0 && wide < (this.large ? 800 : 560));
    for (const { places } of this.columns) {
      for (const { node, drawings } of places) {
        for (const drawing of drawings) drawing.fit(node.clientWidth || ROOM, this.large);
      }
    }
    for (const { plot, places } of this.columns) {
      plot?.fit(plot.node.parentElement.clientWidth || ROOM, places[0].drawings[0].sheet.height);
    }
    const high = Math.max(this.large ? 260 : 210, this.columns[0].places[0].drawings[0].sheet.height);
    this.landscape?.fit(this.landscape.node.clientWidth || ROOM, high, this.large ? 21 : 16);
    for (const chart of this.charts) chart.fit(chart.node.clientWidth || 190, this.large ? 150 : 106);
    this.schedule(true);
  }

  close() {
    this.session.views.delete(this);
    this.sizes?.disconnect();
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
    this.icon = svg("path", {});
    this.word = html("span");
    this.play = button("", () => this.onPlay());
    this.play.append(svg("svg", { viewBox: "0 0 12 12", width: 12, height: 12, "aria-hidden": "true" }, this.icon), " ", this.word);
    this.play.classList.add("dartsedu-main");
    this.step = button("Step", () => this.onStep());
    this.stop = button("Stop", () => session.command("stop"));
    this.rate = html("select", { "aria-label": "speed", ...FOCUSABLE });
    this.rate.addEventListener("change", () => this.onRate());
    this.verdict = new Verdict(session, this);
    this.size = button("Large", () => {
      this.large = !this.large;
      this.root.toggleAttribute("data-large", this.large);
      set(this.size, "aria-pressed", this.large);
      this.resize();
    });
    set(this.size, "aria-pressed", false);
    this.state = html("span", { class: "dartsedu-state-text", role: "status", "aria-live": "polite" });
    this.progress = html("span", { class: "dartsedu-progress-text" });
    this.slider = html("input", { type: "range", min: 0, max: 0, value: 0, step: 1, "aria-label": "history step", ...FOCUSABLE });
    this.slider.addEventListener("input", () => this.show(this.clock.index(Number(this.slider.value))));
    this.follow = button("Live", () => { this.shown = null; this.schedule(true); });
    this.where = html("span", { class: "dartsedu-where" });
    const bar = html("div", { class: "dartsedu-toolbar", role: "toolbar", "aria-label": "search" },
      this.play, this.step, this.stop, this.rate, this.verdict.button, this.size, this.state);
    const time = html("div", { class: "dartsedu-time" }, this.slider, this.follow, this.where, this.progress);
    this.columns = session.runs.map((run) => this.column(run));
    this.landscape = session.spec.truth ? new Landscape(session.spec.truth, session.runs) : null;
    this.panel = new EdgePanel(session.runs, this);
    this.charts = this.makeCharts();
    this.chartsNode = html("div", { class: "dartsedu-charts" }, ...this.charts.map((c) => c.node));
    this.root.append(
      bar, time, this.verdict.node,
      html("div", { class: "dartsedu-columns" }, ...this.columns.map((c) => c.node), ...(this.landscape ? [this.landscape.node] : [])),
      html("div", { class: "dartsedu-details" }, this.panel.node, html("div", { class: "dartsedu-right" },
        this.chartsNode, this.legend())),
    );
    this.fillRates();
  }

  fillRates() {
    this.ratesFor = this.session.offline;
    const rates = this.session.offline ? REPLAY_RATES : LIVE_RATES;
    this.rate.replaceChildren(...rates.map(([value, text]) => html("option", { value, text })));
    if (!this.session.offline) return;
    const run = this.clock;
    // At a pace that can be followed; a long run in about a minute.
    const whole = run.count ? (run.index(run.count - 1) - run.index(0)) / 60 : 0;
    this.rate.value = String((rates.find(([r]) => r >= Math.max(PACE, whole)) ?? rates.at(-1))[0]);
  }

  /** A line that says what lines and edges mean: colours of operations stand in the table. */
  legend() {
    const { runs } = this.session;
    const sample = (look, words) => html("span", {},
      svg("svg", { viewBox: "0 0 26 10", width: 26, height: 10, "aria-hidden": "true" },
        svg("line", { x1: 0, x2: 26, y1: 5, y2: 5, class: "dartsedu-line", ...look })), ` ${words}`);
    const names = [0, 1].map((place) => [...new Set(runs.flatMap((run) =>
      run.spec.charts.flatMap(({ lines }) => (lines.length === 2 ? [lines[place].label] : []))))].join(", "));
    const items = runs.length > 1
      ? [...runs.map((run, r) => sample(style(r, 0, 2), run.spec.name || `run ${r + 1}`)), html("span", { text: `dark: ${names[0]}; light: ${names[1]}` })]
      : names.flatMap((words, place) => (words ? [sample(style(0, place, 1), words)] : []));
    return html("p", { class: "dartsedu-legend" }, ...items);
  }

  column(run) {
    const kinds = run.spec.cells.map((cell, c) => {
      const graph = new Graph(run, c, this);
      const cut = new Graph(run, c, this, { discrete: true });
      cut.node.toggleAttribute("hidden", true);
      const caption = html("figcaption");
      return { cell, graph, cut, caption, figure: html("figure", {}, caption, graph.node, cut.node) };
    });
    const formula = html("span", { class: "dartsedu-formula" });
    const written = html("p", { class: "dartsedu-written", hidden: "" },
      html("span", { class: "dartsedu-note", text: "The kept edges say: " }), formula);
    const standing = html("p", { class: "dartsedu-standing", hidden: run.truth ? null : "" });
    const plot = run.spec.data ? new DataPlot(run) : null;
    const figures = [...kinds.map((k) => k.figure), ...(plot ? [html("figure", { class: "dartsedu-fit" }, plot.node)] : [])];
    const ended = html("span", { class: "dartsedu-note" });
    const node = html("section", { class: "dartsedu-run", "aria-label": run.spec.name || "search" },
      ...(run.spec.name ? [html("h3", {}, html("span", { text: run.spec.name }), " ", ended)] : []),
      html("div", { class: "dartsedu-cells" }, ...figures), written, standing);
    const places = kinds.map(({ figure, graph, cut }) => ({ node: figure, drawings: [graph, cut] }));
    return { run, kinds, places, plot, written, formula, standing, ended, node };
  }

  makeCharts() {
    const { runs } = this.session;
    const several = runs.length > 1;
    const edges = runs.map((run) => new Chart(
      several ? `edge: ${run.spec.name}` : "this edge",
      run.spec.primitives.map((primitive, o) => ({
        run, label: primitive.label, colour: primitive.colour, dashed: primitive.dashed,
        value: (i) => (this.drawnEdge ? run.mixture(i, this.drawnEdge.cell, this.drawnEdge.edge)[o] : NaN),
      })), this));
    const titles = [...new Set(runs.flatMap((run) => run.spec.charts.map((chart) => chart.title)))];
    const others = titles.map((title) => new Chart(title, runs.flatMap((run, r) => {
      const { lines = [], unless } = run.spec.charts.find((chart) => chart.title === title) ?? {};
      return lines.map((line, place) => ({
        ...line, run, unless, look: style(r, place, runs.length),
        name: several ? `${run.spec.name} ${line.label}` : line.label,
        raw: line.smooth ? (i) => run.scalar(i, line.scalar) : null,
        value: (i) => (line.smooth ? run.smooth(i, line.scalar) : run.scalar(i, line.scalar)),
      }));
    }), this));
    this.edgeCharts = edges;
    return [...edges, ...others];
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
    const before = this.shown;
    this.shown = Math.min(last, playing.from + Math.floor(steps));
    if (this.shown >= last) this.playing = null;
    if (this.shown !== before || !this.playing) this.draw();
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
    this.verdict.draw();
    const chosen = this.previewed ?? this.chosen;
    const wait = this.lastCurves + CURVES - performance.now();
    this.curvesAreDue = wait <= 0 || this.session.status.state !== "running";
    if (this.curvesAreDue) this.lastCurves = performance.now();
    else this.curves ??= setTimeout(() => { this.curves = null; this.schedule(); }, wait);
    const rows = this.columns.map(({ run }) => (run.count && index !== null ? run.at(index) : null));
    this.columns.forEach((column, r) => this.drawColumn(column, rows[r], index));
    this.landscape?.draw(rows);
    const has = ({ cell, edge }) => this.session.runs.find((run) => run.spec.cells[cell]?.edges[edge]);
    this.drawnEdge = has(chosen) ? chosen : { cell: 0, edge: 0 };
    const owner = this.columns.find(({ run }) => run === has(this.drawnEdge));
    this.panel.draw(rows, this.drawnEdge, owner.kinds[this.drawnEdge.cell].graph.name(this.drawnEdge.edge));
    const drawn = [];
    for (const chart of this.charts) {
      const empty = index === null || !chart.measured;
      if (empty !== chart.node.hasAttribute("hidden")) chart.node.toggleAttribute("hidden", empty);
      if (!empty) drawn.push(chart);
    }
    // Two rows of charts, as far as they fit.
    const columns = Math.min(Math.ceil(drawn.length / 2), Math.max(1, Math.floor((this.chartsRoom() + 8) / (this.large ? 200 : 120))));
    this.chartsNode.style.setProperty("--columns", Math.max(columns, 1));
    for (const chart of drawn) {
      chart.fit(chart.node.clientWidth || chart.width, chart.height);
      chart.draw(index, this.edgeCharts.includes(chart) ? `${this.drawnEdge.cell} ${this.drawnEdge.edge}` : "");
    }
  }

  chartsRoom() {
    return this.chartsNode.clientWidth || 2 * ROOM;
  }

  /** One run at row i; null before its first step. */
  drawColumn({ run, kinds, plot, written, formula, standing, ended }, i, index) {
    const cut = this.verdict.open && i !== null;
    const judged = cut ? run.at(this.verdict.step) : i;
    for (const { cell, graph, cut: discrete, caption } of kinds) {
      graph.node.toggleAttribute("hidden", cut);
      discrete.node.toggleAttribute("hidden", !cut);
      if (cut) discrete.draw(judged, this.chosen);
      else graph.draw(i, this.chosen);
      const note = cut ? `cut after step ${run.index(judged) + 1}` : i === null ? "before the first step: all operations alike"
        : kinds.length > 1 ? EDGES[cell === kinds[0].cell ? 0 : 1] : BRIEFLY;
      say(caption, `${titled(cell.name)} (${note})`);
    }
    plot?.draw(i);
    const text = i === null ? "" : run.texts[i];
    written.hidden = !text;
    say(formula, text ?? "");
    const among = i === null ? "" : run.standing(i);
    standing.hidden = !run.truth && !among;
    say(standing, among || (i === null ? "no step yet" : "This cell leaves edges out; the table has none such."));
    const last = i === null ? null : run.index(run.count - 1);
    say(ended, last !== null && index > last ? `ended at step ${last + 1}, shown as it was then` : "");
  }

  drawControls() {
    const { session } = this;
    const { status, offline, asked } = session;
    const run = this.clock;
    const over = ["finished", "stopped", "failed"].includes(status.state);
    const going = offline ? this.playing !== null : status.state === "running";
    say(this.word, going ? "Pause" : "Play");
    set(this.icon, "d", going ? "M1,0h4v12h-4zM7,0h4v12h-4z" : "M1,0L12,6L1,12z");
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
      text = session.gone ? "The kernel was restarted or shut down, and this search with it: run its cell again. What came before can be looked at"
        : session.spec.mode === "replay" ? "Replay" : "A saved view: no kernel answers";
      if (run.partial) text += ` (${run.count} of ${run.index(run.count - 1) + 1} steps kept)`;
    } else if (asked && performance.now() - asked.time > 1500) {
      text = `Asked to ${asked.name}; the kernel is busy with a cell or gone`;
    } else if (session.silent()) {
      text = "No answer from the kernel: it is busy, restarted or gone";
    } else if (going && status.wanted === "pause") text = "Pausing after this step";
    else if (!over && status.wanted === "stop") text = "Stopping after this step";
    say(this.state, text);
    set(this.root, "data-state", offline ? "replay" : status.state);
    this.root.toggleAttribute("data-gone", session.gone);
    const done = run.count ? run.index(run.count - 1) + 1 : 0;
    const { total } = run.spec;
    const pace = Math.max(run.count ? run.pace() : NaN, status.limit ? 1 / status.limit : 0);
    const left = going && !offline ? duration((total - done) * pace) : "";
    say(this.progress, run.count && session.spec.mode === "live" ? `${done} of ${total} steps${left ? `, about ${left} left` : ""}` : "");
    // Words that grow must not move the slider.
    const epochs = run.count ? run.scalar(run.count - 1, "epoch") + 1 : 1;
    const live = session.spec.mode === "live";
    this.where.style.minWidth = `${`step ${total}${live ? "" : ` of ${total}`}, epoch ${epochs}`.length * 0.92}ch`;
    this.progress.style.minWidth = live ? `${`${total} of ${total} steps, about 99 min left`.length * 0.86}ch` : "0";
    this.slider.max = Math.max(0, run.count - 1);
    this.slider.disabled = run.count < 2;
    const index = this.shownIndex();
    if (index === null) return say(this.where, "no step yet");
    const i = run.at(index);
    this.slider.value = i;
    const of = session.spec.mode === "live" ? "" : ` of ${total}`;
    const where = `step ${index + 1}${of}, epoch ${run.scalar(i, "epoch") + 1}`;
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
