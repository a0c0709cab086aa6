// The front end alone: data, messages, drawing and keys, with a kernel made of two functions.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { lastRank, upperEnd } from "../../dartsedu/dashboard/curves.js";
import widget from "../../dartsedu/dashboard/dashboard.js";
import { beside, fitting } from "../../dartsedu/dashboard/graph.js";
import { powers } from "../../dartsedu/dashboard/landscape.js";
import { Run, Session, dirichlet, sigmoid, softmax } from "../../dartsedu/dashboard/rows.js";

const OPS = ["none", "skip_connect", "sep_conv_3x3"];

const sheet = (width) => ({
  width, height: 100, font: 12, bundle: 10,
  states: [[20, 20, 30, 20], [20, 80, 30, 20], [100, 50, 30, 30], [180, 50, 30, 20]],
  ways: [
    { curve: [[35, 20], [60, 20], [76, 44]], head: [[84, 46], [76, 40], [74, 48]], label: [60, 8, 50, 15] },
    { curve: [[35, 80], [60, 80], [76, 56]], head: [[84, 54], [76, 60], [74, 52]], label: null },
  ],
});

function description(name = "", total = 100) {
  const cell = (label) => ({
    name: label,
    states: ["a", "b", "0"],
    output: "out",
    outputs: [2],
    edges: [{ source: 0, target: 2 }, { source: 1, target: 2 }],
    sheets: [sheet(200), sheet(300), sheet(500)],
    large: [sheet(260)],
  });
  return {
    name,
    total,
    rule: "paper",
    clear: 1.5,
    series: [],
    data: null,
    fitted: [],
    scalars: ["index", "epoch", "elapsed", "loss weights"],
    primitives: OPS.map((op, i) => ({ name: op, label: op, brief: op, colour: "#123456", pale: 50, legible: 60, dashed: i === 1, none: i === 0 })),
    cells: [cell("normal"), cell("reduce")],
    charts: [{ title: "loss", lines: [{ scalar: "loss weights", label: "weights", smooth: true }] }],
  };
}

const WIDTH = 4 + 2 * 2 * OPS.length + 2 * 2;

// Edge 0 of each cell leans to skip first and to sep from step 5 on; edge 1 is cut.
function row(index) {
  const lean = index < 5 ? [0, 2, 1] : [0, 1, 2];
  const best = index < 5 ? 2 : 3;
  return [index, Math.floor(index / 10), index * 0.5, 1 / (index + 1), ...lean, 0, 0.1, 0, ...lean, 0, 0.1, 0, best, 0, best, 0];
}

const rows = (first, count) => Float32Array.from(Array.from({ length: count }, (_, i) => row(first + i)).flat());
const view = (data) => new DataView(data.buffer, data.byteOffset, data.byteLength);

class Kernel {
  constructor({ mode = "live", runs = [description()], status = {}, snapshots = [], texts = [], gaps = [] } = {}) {
    this.traits = { spec: { mode, title: "a search", runs, gaps }, status, snapshots, texts };
    this.heard = [];
    this.listeners = [];
  }

  get(name) { return this.traits[name]; }
  on(event, listener) { this.listeners.push([event, listener]); }
  off(_, listener) { this.listeners = this.listeners.filter(([, l]) => l !== listener); }
  tell(event) { for (const [name, listener] of this.listeners) if (name === event) listener(); }
  send(message) { this.heard.push(message); }
  say(message, ...buffers) {
    for (const [name, listener] of this.listeners) if (name === "msg:custom") listener(message, buffers.map(view));
  }
  rows(first, count, run = 0, of = first + count, texts = []) { this.say({ type: "rows", run, first, of, texts }, rows(first, count)); }
  state(state, more = {}) { this.say({ type: "status", state, message: "", limit: null, have: 0, ...more }); }
  of(type) { return this.heard.filter((message) => message.type === type); }
}

let closers = [];
beforeEach(() => vi.useFakeTimers());
afterEach(() => {
  for (const close of closers) close();
  closers = [];
  vi.useRealTimers();
  document.body.replaceChildren();
});

function open(options) {
  const kernel = new Kernel(options);
  const { initialize, render } = widget();
  closers.push(initialize({ model: kernel }));
  const el = document.body.appendChild(document.createElement("div"));
  closers.push(render({ model: kernel, el }));
  const draw = () => vi.advanceTimersByTime(20);
  const button = (name) => [...el.querySelectorAll("button")].find((b) => b.textContent.includes(name));
  const text = (selector) => el.querySelector(selector).textContent;
  return { kernel, el, draw, button, text, slider: el.querySelector("input"), again: render };
}

describe("rows", () => {
  it("are read by name", () => {
    const run = new Run(description());
    expect(run.width).toBe(WIDTH);
    expect(run.append(0, rows(0, 8))).toBe(true);
    expect(run.scalar(3, "loss weights")).toBeCloseTo(0.25);
    expect([...run.alpha(2, 1, 0)]).toEqual([0, 2, 1]);
    expect(run.kept(2, 0, 0)).toEqual([1]);
    expect(run.kept(2, 0, 1)).toEqual([]);
    expect(run.lead(run.mixture(2, 0, 0))).toBe(1);
    expect(run.changes).toEqual([5]);
    expect(run.smooth(1, "loss weights")).toBeCloseTo(0.75);
    expect(run.pace()).toBeCloseTo(0.5);
  });

  it("may overlap, but not leave a gap", () => {
    const run = new Run(description());
    run.append(0, rows(0, 4));
    expect(run.append(2, rows(2, 4))).toBe(true);
    expect(run.count).toBe(6);
    expect(run.append(1, rows(1, 2))).toBe(true);
    expect(run.count).toBe(6);
    expect(run.append(8, rows(8, 2))).toBe(false);
    expect(run.count).toBe(6);
    for (let i = 0; i < 6; i++) expect(run.index(i)).toBe(i);
  });

  it("may keep two operations on an edge", () => {
    const run = new Run(description());
    const data = rows(0, 1);
    data[WIDTH - 4] = 3 + 4 * 2; // digits of base 4: sep_conv first, then skip
    run.append(0, data);
    expect(run.kept(0, 0, 0)).toEqual([2, 1]);
  });

  it("of a saved notebook are few, and known to be", () => {
    const run = new Run(description());
    run.restore(Float32Array.from([...row(0), ...row(40), ...row(80)]));
    expect(run.partial).toBe(true);
    expect([0, 39, 40, 79, 99].map((i) => run.at(i))).toEqual([0, 0, 1, 1, 2]);
    run.restore(rows(0, 3));
    expect(run.partial).toBe(false);
  });

  it("stay few when drawn, whatever their number, and the last is among them", () => {
    const run = new Run(description("", 5000));
    run.append(0, rows(0, 5000));
    const places = run.drawn();
    expect(places.length).toBeLessThanOrEqual(513);
    expect(places[0]).toBe(0);
    expect(places.at(-1)).toBe(4999);
    expect(run.scalar(4321, "index")).toBe(4321);
  });

  it("turn into mixture weights by what the description says", () => {
    const data = rows(0, 1);
    const kinds = ["softmax", "sigmoid", "dirichlet"];
    const [plain, fair, mean] = kinds.map((relaxation) => new Run({ ...description(), relaxation }));
    for (const run of [plain, fair, mean]) run.append(0, data);
    expect(plain.mixture(0, 0, 0)).toEqual(softmax([0, 2, 1]));
    expect(fair.mixture(0, 0, 0)).toEqual(sigmoid([0, 2, 1]));
    expect(sigmoid([0, Math.log(3)])[1]).toBeCloseTo(0.75);
    expect(mean.mixture(0, 0, 0)).toEqual([1 / 6, 3 / 6, 2 / 6]);
    expect(dirichlet([0, -Math.log(3)])[0]).toBeCloseTo(0.75);
  });

  it("turn into mixture weights by softmax", () => {
    const weights = softmax([1000, 1000 + Math.log(3)]);
    expect(weights[0]).toBeCloseTo(0.25);
    expect(weights[1]).toBeCloseTo(0.75);
  });

  it("may come in a buffer that is not aligned", () => {
    const kernel = new Kernel();
    const session = new Session(kernel);
    closers.push(() => session.close());
    const bytes = new Uint8Array(rows(0, 2).buffer.byteLength + 1);
    bytes.set(new Uint8Array(rows(0, 2).buffer), 1);
    session.receive({ type: "rows", run: 0, first: 0, of: 2 }, [new DataView(bytes.buffer, 1)]);
    expect(session.runs[0].index(1)).toBe(1);
  });
});

describe("a live view", () => {
  it("greets, asks for what it lacks, and asks again after a gap", () => {
    const { kernel } = open();
    expect(kernel.heard).toEqual([{ type: "hello" }, { type: "need", run: 0, have: 0 }]);
    kernel.rows(5, 2);
    expect(kernel.of("need").length).toBe(1); // The first is still on its way.
    vi.advanceTimersByTime(2500);
    expect(kernel.of("need").length).toBe(2);
    kernel.rows(0, 3, 0, 9);
    expect(kernel.heard.at(-1)).toEqual({ type: "need", run: 0, have: 3 });
    kernel.rows(3, 6);
    kernel.state("paused", { have: 12 });
    expect(kernel.heard.at(-1)).toEqual({ type: "need", run: 0, have: 9 });
  });

  it("does not ask for the same rows again and again", () => {
    const { kernel } = open();
    for (let first = 100; first < 120; first++) kernel.rows(first, 1);
    expect(kernel.of("need").length).toBe(1);
  });

  it("asks by itself when a running kernel falls silent, and says so in the end", () => {
    const { kernel, draw, text } = open();
    kernel.rows(0, 3);
    kernel.state("running", { have: 3 });
    vi.advanceTimersByTime(3000);
    expect(kernel.of("hello").length).toBe(2); // Answered with a status, if there is a kernel.
    vi.advanceTimersByTime(9000);
    expect(text("[role=status]")).toContain("No answer from the kernel");
    kernel.state("paused", { have: 3 });
    draw();
    expect(text("[role=status]")).toBe("Paused");
  });

  it("sends commands, and says what the kernel has done, not what was asked", () => {
    const { kernel, button, text, draw, el } = open();
    button("Play").click();
    draw();
    expect(kernel.of("command")).toEqual([{ type: "command", command: "play" }]);
    expect(text("[role=status]")).toContain("Ready");
    kernel.state("running");
    kernel.rows(0, 4);
    draw();
    expect(text("[role=status]")).toBe("Running");
    expect(text(".dartsedu-progress-text")).toBe("4 of 100 steps, about 48 s left");
    button("Pause").click();
    button("Step").click();
    button("Stop").click();
    expect(kernel.of("command").map((m) => m.command)).toEqual(["play", "pause", "step", "stop"]);
    vi.advanceTimersByTime(2100);
    expect(text("[role=status]")).toContain("Asked to stop; the kernel is busy");
    kernel.state("running", { wanted: "stop" }); // Heard, but the step is long.
    draw();
    expect(text("[role=status]")).toBe("Stopping after this step");
    kernel.state("running", { wanted: "run" });
    draw();
    const rate = el.querySelector("select");
    rate.value = "2";
    rate.dispatchEvent(new Event("change"));
    expect(kernel.of("command").at(-1)).toEqual({ type: "command", command: "limit", rate: 2 });
    kernel.state("running", { limit: 3 }); // Set in Python.
    draw();
    expect(rate.selectedOptions[0].textContent).toBe("3 steps a second");
    kernel.state("stopped");
    draw();
    expect(text("[role=status]")).toBe("Stopped");
    expect(button("Play").disabled).toBe(true);
  });

  it("shows a failure with its message, as text", () => {
    const { kernel, draw, el, text } = open();
    kernel.state("failed", { message: "NonFiniteError: <img src=x onerror=alert(1)>" });
    draw();
    expect(text("[role=status]")).toContain("Failed: NonFiniteError: <img");
    expect(el.querySelector("img")).toBeNull();
  });

  it("scrubs without the kernel and comes back to the newest step", () => {
    const { kernel, draw, slider, button, text, el } = open();
    kernel.state("running");
    kernel.rows(0, 10);
    draw();
    const heard = kernel.heard.length;
    slider.value = "2";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(text(".dartsedu-where")).toBe("step 3, epoch 1");
    expect(slider.getAttribute("aria-valuetext")).toBe("step 3 of 10");
    expect(el.querySelector("[role=radio]").getAttribute("aria-label")).toContain("skip_connect");
    kernel.rows(10, 5);
    draw();
    expect(text(".dartsedu-where")).toBe("step 3, epoch 1");
    button("Live").click();
    draw();
    expect(text(".dartsedu-where")).toBe("step 15, epoch 2");
    expect(el.querySelector("[role=radio]").getAttribute("aria-label")).toContain("sep_conv_3x3");
    expect(kernel.heard.length).toBe(heard);
  });

  it("keeps apart what two views of one run look at", () => {
    const { kernel, draw, slider, again } = open();
    const el = document.body.appendChild(document.createElement("div"));
    closers.push(again({ model: kernel, el }));
    kernel.rows(0, 10);
    draw();
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    draw();
    const where = [...document.querySelectorAll(".dartsedu-where")].map((node) => node.textContent);
    expect(where).toEqual(["step 1, epoch 1", "step 10, epoch 1"]);
    expect(kernel.of("hello").length).toBe(1);
  });

  it("becomes a replay of what was saved when no kernel answers", () => {
    const saved = Float32Array.from([...row(0), ...row(40), ...row(80)]);
    const { draw, text, button, slider } = open({ snapshots: [view(saved)], status: { state: "paused" } });
    draw();
    expect(text("[role=status]")).toBe("Paused");
    vi.advanceTimersByTime(5000);
    expect(text("[role=status]")).toBe("A saved view: no kernel answers (3 of 81 steps kept)");
    expect(button("Stop").hidden).toBe(true);
    slider.value = "1";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(text(".dartsedu-where")).toBe("step 41, epoch 5");
  });

  it("replaces what was saved when the kernel has everything", () => {
    const saved = Float32Array.from([...row(0), ...row(40), ...row(80)]);
    const { kernel, draw, text } = open({ snapshots: [view(saved)] });
    expect(kernel.heard.at(-1)).toEqual({ type: "need", run: 0, have: 0 });
    kernel.rows(0, 50, 0, 85);
    draw();
    expect(text(".dartsedu-progress-text")).toContain("81 of 100 steps"); // Still the saved ones.
    expect(kernel.heard.at(-1)).toEqual({ type: "need", run: 0, have: 50 });
    kernel.rows(50, 35);
    draw();
    expect(text(".dartsedu-progress-text")).toContain("85 of 100 steps");
    kernel.rows(85, 1);
    draw();
    expect(text(".dartsedu-progress-text")).toContain("86 of 100 steps");
  });

  it("writes out what the kept edges say at the step that is shown, as text", () => {
    const { kernel, el, draw, slider } = open();
    const written = el.querySelector(".dartsedu-written");
    const formula = el.querySelector(".dartsedu-formula");
    kernel.rows(0, 2);
    draw();
    expect(written.hidden).toBe(true);
    const words = (first, count) => Array.from({ length: count }, (_, i) => `y = ${first + i} <b>x</b>`);
    kernel.rows(2, 4, 0, 6, words(2, 4));
    kernel.rows(4, 4, 0, 8, words(4, 4)); // overlaps
    draw();
    expect(written.hidden).toBe(false);
    expect(formula.textContent).toBe("y = 7 <b>x</b>");
    expect(formula.children.length).toBe(0);
    slider.value = "3";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(formula.textContent).toBe("y = 3 <b>x</b>");
  });

  it("keeps the formulas of a saved notebook until the kernel has everything", () => {
    const kept = Float32Array.from([...row(0), ...row(40)]);
    const { kernel, draw, text } = open({ snapshots: [view(kept)], texts: [["y = a", "y = b"]] });
    vi.advanceTimersByTime(4600);
    draw();
    expect(text(".dartsedu-formula")).toBe("y = b");
    kernel.rows(0, 42, 0, 42, Array.from({ length: 42 }, (_, i) => `y = ${i}`));
    draw();
    expect(text(".dartsedu-formula")).toBe("y = 41");
  });

  it("measures what would be lost by stopping now", () => {
    const { kernel, draw, button, el, text } = open();
    draw();
    expect(button("What if").disabled).toBe(true);
    kernel.rows(0, 7);
    draw();
    button("What if").click();
    draw();
    expect(kernel.of("command").at(-1)).toEqual({ type: "command", command: "gap", step: 6 });
    expect(text(".dartsedu-gap")).toContain("Measuring");
    const score = (loss, accuracy) => ({ loss, accuracy });
    kernel.say({ type: "gap", step: 6, weights: 8, mixture: score(0.5, 0.9), discretised: score(1.5, 0.3) });
    draw();
    expect(text(".dartsedu-gap")).toContain("Discretisation gap: 60.0 points of accuracy.");
    expect(text(".dartsedu-gap")).toContain("α are those of step 7, the operation weights those of step 9");
    const cut = el.querySelector(".dartsedu-graph[role=img]");
    expect(cut.hasAttribute("hidden")).toBe(false);
    expect(el.querySelector("[role=radiogroup]").hasAttribute("hidden")).toBe(true);
    expect(cut.getAttribute("aria-label")).toBe("normal cell: a → 0 sep_conv_3x3");
    expect(text("figcaption")).toBe("normal cell (cut after step 7)");
    kernel.say({ type: "gap", step: 6, error: "out of memory" });
    draw();
    expect(text(".dartsedu-gap")).toBe("Cut after step 7. Not measured: out of memory");
    button("What if").click();
    draw();
    expect(cut.hasAttribute("hidden")).toBe(true);
    expect(el.querySelector(".dartsedu-verdict").hidden).toBe(true);
  });
});

describe("edges", () => {
  const radios = (el) => [...el.querySelectorAll("[role=radio]")];
  const press = (node, key) => node.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));

  it("are chosen with arrow keys, one tab stop for a cell", () => {
    const { kernel, el, draw, text } = open();
    kernel.rows(0, 10);
    draw();
    const [first, second] = radios(el);
    expect(radios(el).map((node) => node.getAttribute("tabindex"))).toEqual(["0", "-1", "0", "-1"]);
    first.focus();
    press(first, "ArrowRight");
    expect(document.activeElement).toBe(second);
    draw();
    expect(second.getAttribute("aria-checked")).toBe("true");
    expect(text(".dartsedu-edge-name")).toBe("normal cell, b → 0: would be cut");
    press(second, "ArrowDown");
    expect(document.activeElement).toBe(first);
    press(first, "End");
    expect(document.activeElement).toBe(second);
  });

  it("are previewed by hovering", () => {
    const { kernel, el, draw, text } = open();
    kernel.rows(0, 10);
    draw();
    radios(el)[3].dispatchEvent(new Event("pointerenter"));
    draw();
    expect(text(".dartsedu-edge-name")).toContain("reduce cell, b → 0");
    radios(el)[3].dispatchEvent(new Event("pointerleave"));
    draw();
    expect(text(".dartsedu-edge-name")).toContain("normal cell, a → 0");
  });

  it("tell raw α and softmax", () => {
    const { kernel, el, draw } = open();
    kernel.rows(0, 10);
    draw();
    const cells = [...el.querySelectorAll(".dartsedu-bars tbody tr")].map((tr) => tr.textContent.trim());
    expect(cells).toEqual(["none0.090+0.000", "skip_connect0.245+1.000", "sep_conv_3x30.665+2.000"]);
  });

  const widths = (edge) => [...edge.querySelectorAll(".dartsedu-strand")].map((strand) => Number(strand.getAttribute("stroke-width")));

  it("are bundles whose strands are as wide as the operations' shares, none too", () => {
    const { kernel, el, draw } = open();
    kernel.rows(0, 10);
    draw();
    const [kept, cut] = radios(el);
    softmax([0, 1, 2]).forEach((share, o) => expect(widths(kept)[o]).toBeCloseTo(10 * share, 1));
    softmax([0, 0.1, 0]).forEach((share, o) => expect(widths(cut)[o]).toBeCloseTo(10 * share, 1));
    expect([kept.dataset.kept, cut.dataset.kept]).toEqual(["true", "false"]);
  });

  it("are even before the first step, and nothing is kept or named", () => {
    const { el } = open();
    for (const edge of radios(el)) {
      expect(edge.dataset.kept).toBe("open");
      for (const width of widths(edge)) expect(width).toBeCloseTo(10 / 3, 1);
      expect(edge.getAttribute("aria-label")).toContain("all operations alike");
    }
    expect([...el.querySelectorAll("[role=radiogroup] .dartsedu-label")].every((label) => label.hasAttribute("hidden"))).toBe(true);
    expect([...el.querySelectorAll(".dartsedu-bars tbody tr")].map((tr) => tr.textContent.trim())[0]).toBe("none0.333–");
  });

  it("are named where one operation leads clearly and there is room", () => {
    const run = new Run(description());
    expect(run.lead([0.2, 0.5, 0.3])).toBe(1);
    expect(run.lead([0.3, 0.4, 0.3])).toBe(null);
    const { kernel, el, draw } = open();
    kernel.rows(0, 10);
    draw();
    const labels = [...el.querySelectorAll("[role=radiogroup] .dartsedu-label")];
    expect(labels.map((label) => (label.hasAttribute("hidden") ? "" : label.textContent))).toEqual(["sep_conv_3x3", "", "sep_conv_3x3", ""]);
  });

  it("share a bundle by their sum where weights do not compete", () => {
    const run = new Run({ ...description(), relaxation: "sigmoid" });
    run.append(0, rows(0, 1));
    const shares = run.shares(0, 0, 0);
    expect(shares.reduce((a, b) => a + b)).toBeCloseTo(1);
    expect(shares[1] / shares[0]).toBeCloseTo(sigmoid([2])[0] / sigmoid([0])[0]);
  });

  it("are drawn on the widest sheet that there is room for", () => {
    const sheets = [{ width: 200 }, { width: 300 }, { width: 500 }];
    expect([0, 200, 299, 300, 2000].map((room) => fitting(sheets, room).width)).toEqual([200, 200, 200, 300, 500]);
    const moved = beside([[0, 0], [5, 0], [10, 0]], 3);
    expect(moved).toEqual([[0, 3], [5, 3], [10, 3]]);
  });

  it("grow with the switch for projectors", () => {
    const { el, button } = open();
    const width = () => el.querySelector(".dartsedu-graph").getAttribute("width");
    expect(width()).toBe("300");
    button("Large").click();
    expect(width()).toBe("260");
    expect(button("Large").getAttribute("aria-pressed")).toBe("true");
    expect(el.querySelector(".dartsedu").hasAttribute("data-large")).toBe(true);
    button("Large").click();
    expect(width()).toBe("300");
  });
});

describe("Jupyter", () => {
  it("gets no key typed here, except with Ctrl, Meta or Alt", () => {
    const { el, button } = open();
    const seen = vi.fn();
    document.body.addEventListener("keydown", seen);
    const press = (options) => button("Step").dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, ...options }));
    press({ key: "d" });
    press({ key: "b" });
    press({ key: "Enter" });
    expect(seen).not.toHaveBeenCalled();
    press({ key: "s", ctrlKey: true });
    expect(seen).toHaveBeenCalledTimes(1);
    for (const node of el.querySelectorAll("button, select, input, [role=radio]")) {
      expect(node.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    }
    document.body.removeEventListener("keydown", seen);
  });

  it("announces only changes of state", () => {
    const { el } = open();
    expect(el.querySelectorAll("[aria-live], output").length).toBe(1);
  });
});

describe("a replay", () => {
  const recorded = (count, name) => ({ mode: "replay", runs: [description(name, count)], snapshots: [view(rows(0, count))] });

  it("plays by itself at the chosen speed, and stops at the end", () => {
    const { el, button, draw, text, slider, kernel } = open(recorded(60));
    draw();
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    const rate = el.querySelector("select");
    rate.value = "10";
    button("Play").click();
    vi.advanceTimersByTime(2000);
    const reached = Number(slider.value);
    expect(reached).toBeGreaterThanOrEqual(18);
    expect(reached).toBeLessThanOrEqual(21);
    button("Pause").click();
    vi.advanceTimersByTime(1000);
    expect(Number(slider.value)).toBe(reached);
    button("Step").click();
    draw();
    expect(Number(slider.value)).toBe(reached + 1);
    rate.value = "500";
    button("Play").click();
    vi.advanceTimersByTime(3000);
    expect(text(".dartsedu-where")).toBe("step 60 of 60, epoch 6");
    expect(button("Play")).toBeTruthy();
    expect(kernel.of("command")).toEqual([]);
  });

  it("of a few kept steps takes as long as one of all", () => {
    const saved = Float32Array.from([...row(0), ...row(40), ...row(80)]);
    const { el, button, draw, slider, text } = open({ mode: "replay", snapshots: [view(saved)] });
    draw();
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    const rate = el.querySelector("select");
    expect(rate.value).toBe("10"); // A pace that can be followed.
    rate.value = "10";
    button("Play").click();
    vi.advanceTimersByTime(3900);
    expect(text(".dartsedu-where")).toBe("step 1 of 100, epoch 1");
    rate.value = "50";
    rate.dispatchEvent(new Event("change")); // goes on from step 40, which was not kept
    vi.advanceTimersByTime(100);
    expect(text(".dartsedu-where")).toBe("step 41 of 100, epoch 5");
    expect(slider.getAttribute("aria-valuetext")).toBe("step 41 of 81");
    vi.advanceTimersByTime(600);
    expect(button("Pause")).toBeTruthy();
    vi.advanceTimersByTime(200);
    expect(text(".dartsedu-where")).toBe("step 81 of 100, epoch 9");
    expect(button("Play")).toBeTruthy();
  });

  it("moves two recordings through time together", () => {
    const two = {
      mode: "replay",
      runs: [description("first", 60), description("<b>second</b>", 30)],
      snapshots: [view(rows(0, 60)), view(rows(0, 30))],
    };
    const { el, draw, slider, button } = open(two);
    draw();
    expect([...el.querySelectorAll("h3 > span:first-child")].map((h) => h.textContent)).toEqual(["first", "<b>second</b>"]);
    slider.value = "4";
    slider.dispatchEvent(new Event("input"));
    draw();
    const labels = () => [...el.querySelectorAll(".dartsedu-run")].map((run) => run.querySelector("[role=radio]").getAttribute("aria-label"));
    expect(labels().every((label) => label.includes("skip_connect"))).toBe(true);
    slider.value = "50";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(labels().every((label) => label.includes("sep_conv_3x3"))).toBe(true);
    button("What if").click();
    draw();
    const ended = () => [...el.querySelectorAll("h3 .dartsedu-note")].map((note) => note.textContent);
    expect(ended()).toEqual(["", "ended at step 30, shown as it was then"]);
    const verdicts = [...el.querySelectorAll(".dartsedu-gap p")].map((p) => p.textContent);
    expect(verdicts[0]).toContain("first, cut after step 51. The discretisation gap was not measured in this run");
    expect(verdicts[1]).toContain("cut after step 30.");
    expect(el.querySelector("b")).toBeNull();
  });

  it("moves once a second for who wants little motion", () => {
    vi.stubGlobal("matchMedia", () => ({ matches: true }));
    const { button, slider, draw } = open(recorded(60));
    draw();
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    draw();
    const seen = new Set();
    button("Play").click();
    for (let t = 0; t < 3000; t += 20) {
      vi.advanceTimersByTime(20);
      seen.add(slider.value);
    }
    vi.unstubAllGlobals();
    expect(seen.size).toBeLessThanOrEqual(4);
  });

  it("begins by itself where it is asked to", () => {
    const kernel = new Kernel(recorded(60));
    kernel.traits.spec.play = true;
    const { initialize, render } = widget();
    closers.push(initialize({ model: kernel }));
    const el = document.body.appendChild(document.createElement("div"));
    closers.push(render({ model: kernel, el }));
    vi.advanceTimersByTime(1050);
    const reached = Number(el.querySelector("input").value);
    expect(reached).toBeGreaterThanOrEqual(9);
    expect(reached).toBeLessThanOrEqual(11);
  });
});

// ---- What is measured beside the search -----------------------------------------------------------

describe("numbers measured now and then", () => {
  const GAP = ["mixture accuracy", "discretised accuracy", "mixture loss", "discretised loss"];
  const scalars = ["index", "epoch", "elapsed", "loss weights", ...GAP, "series rank"];

  function measured(count, every = 10) {
    const spec = {
      ...description("", count), scalars, series: ["rank"],
      charts: [
        { title: "cut: accuracy", lines: [{ scalar: GAP[0], label: "all mixtures", sparse: true }, { scalar: GAP[1], label: "kept edges only", sparse: true }] },
        { title: "cut: loss", unless: GAP[0], lines: [{ scalar: GAP[2], label: "all mixtures", sparse: true }] },
        { title: "rank", lines: [{ scalar: "series rank", label: "rank", sparse: true }] },
      ],
    };
    const data = Array.from({ length: count }, (_, i) => {
      const gap = i % every ? [NaN, NaN, NaN, NaN] : [0.9, 0.1 + i / 100, 0.5, 2];
      return [...row(i).slice(0, 4), ...gap, 100 - i, ...row(i).slice(4)];
    });
    return { mode: "replay", runs: [spec], snapshots: [view(Float32Array.from(data.flat()))] };
  }

  it("answer in a recording, from the last step at which they were measured", () => {
    const { draw, button, slider, text } = open(measured(40));
    draw();
    button("What if").click();
    slider.value = "25";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(text(".dartsedu-gap")).toContain("Cut after step 26.");
    expect(text(".dartsedu-gap")).toContain("all mixtures 90.0 % (loss 0.500), kept edges only 30.0 % (loss 2.000). Discretisation gap: 60.0 points of accuracy.");
    expect(text(".dartsedu-gap")).toContain("Measured after step 21. rank: 75.");
    slider.value = "30";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(text(".dartsedu-gap")).toContain("Cut after step 31.");
    expect(text(".dartsedu-gap")).not.toContain("Measured after");
  });

  it("become curves through the steps that have them, of accuracy where there is one", () => {
    const { el, draw } = open(measured(40));
    draw();
    const charts = [...el.querySelectorAll(".dartsedu-chart")].filter((chart) => !chart.hasAttribute("hidden"));
    const titles = charts.map((chart) => chart.querySelector(".dartsedu-chart-title").textContent);
    expect(titles).toEqual(["this edge", "cut: accuracy", "rank"]);
    const [mixture] = charts[1].querySelectorAll(".dartsedu-line");
    expect(mixture.getAttribute("d").match(/[ML]/g)).toEqual(["M", "L", "L", "L"]);
    expect(charts[2].getAttribute("aria-label")).toBe("rank at step 40: rank 61");
  });
});

describe("a chart", () => {
  it("does not let one step that ran off press all others flat", () => {
    expect(upperEnd([1, 2, 3])).toBe(3);
    expect(upperEnd([...Array(99).fill(1), 5000])).toBe(2);
    expect(upperEnd([])).toBe(1);
    expect(upperEnd([NaN, Infinity, 2])).toBe(2);
  });
});

describe("the data of an equation", () => {
  const data = { variables: ["S"], target: "R", y: [1, 2, 3], x: [10, 20, 30], at: [10, 30] };

  it("are shown with the curve of every step and the columns' names", () => {
    const spec = { ...description("", 3), data, fitted: ["mixture", "kept"] };
    const values = [0, 1, 2].flatMap((i) => [...row(i), 1, 1 + i, NaN, 2]);
    const { el, draw, slider } = open({ mode: "replay", runs: [spec], snapshots: [view(Float32Array.from(values))] });
    draw();
    const plot = el.querySelector(".dartsedu-data");
    const [mixture, kept] = [...plot.querySelectorAll(".dartsedu-line")].map((line) => () => line.getAttribute("d"));
    expect(plot.querySelector(".dartsedu-dots").getAttribute("d").match(/M/g).length).toBe(3);
    expect(plot.textContent).toContain("R over S");
    const last = mixture();
    expect(last.match(/[ML]/g)).toEqual(["M", "L"]);
    expect(kept().match(/[ML]/g)).toEqual(["M"]);
    slider.value = "0";
    slider.dispatchEvent(new Event("input"));
    draw();
    expect(mixture()).not.toBe(last);
  });
});

describe("a kernel that is gone", () => {
  for (const [how, part] of [
    ["Jupyter tells the widget", ({ kernel }) => kernel.tell("comm_live_update")],
    ["Jupyter marks what is around it", ({ el }) => el.classList.add("jupyter-widgets-disconnected")],
  ]) {
    it(`greys the view out and says why when ${how}, and what has come can still be looked at`, () => {
      const opened = open();
      const { kernel, el, draw, button, slider, text } = opened;
      kernel.rows(0, 10);
      kernel.state("running", { have: 10 });
      part(opened);
      vi.advanceTimersByTime(600);
      expect(el.querySelector(".dartsedu").hasAttribute("data-gone")).toBe(true);
      expect(text("[role=status]")).toContain("The kernel was restarted or shut down");
      expect(button("Stop").hidden).toBe(true);
      slider.value = "2";
      slider.dispatchEvent(new Event("input"));
      draw();
      expect(text(".dartsedu-where")).toContain("step 3");
      const heard = kernel.heard.length;
      vi.advanceTimersByTime(20_000);
      expect(kernel.heard.length).toBe(heard);
    });
  }
});

describe("where a cell stands among all", () => {
  const PLACE = ["rank", "true accuracy", "regret", "truth row"];
  const truth = { name: "small", parameters: [100, 1000, 1000, 10000], accuracies: [0.1, 0.5, 0.8, 0.875] };
  const stands = (row) => [4 - row, truth.accuracies[row], 0.875 - truth.accuracies[row], row];

  /** Steps 0 to 4 keep the worst cell, then the best; step 7 one that the table lacks. */
  function among(count, { table = truth, name = "", gone = 7 } = {}) {
    const charts = ["rank", "true accuracy"].map((title) => ({ title, lines: [{ scalar: title, label: title, ranks: title === "rank" }] }));
    const spec = { ...description(name, count), scalars: ["index", "epoch", "elapsed", "loss weights", ...PLACE], charts };
    const data = Array.from({ length: count }, (_, i) => {
      const numbers = i === gone ? [NaN, NaN, NaN, NaN] : stands(i < 5 ? 0 : 3);
      return [...row(i).slice(0, 4), ...numbers, ...row(i).slice(4)];
    });
    return { spec, rows: view(Float32Array.from(data.flat())), table };
  }

  function show(...runs) {
    const kernel = new Kernel({ mode: "replay", runs: runs.map((run) => run.spec), snapshots: runs.map((run) => run.rows) });
    kernel.traits.spec.truth = runs[0].table;
    const { initialize, render } = widget();
    closers.push(initialize({ model: kernel }));
    const el = document.body.appendChild(document.createElement("div"));
    closers.push(render({ model: kernel, el }));
    vi.advanceTimersByTime(20);
    const slider = el.querySelector("input");
    const to = (step) => {
      slider.value = String(step);
      slider.dispatchEvent(new Event("input"));
      vi.advanceTimersByTime(20);
    };
    const said = () => [...el.querySelectorAll(".dartsedu-standing")].filter((p) => !p.hidden).map((p) => p.textContent);
    return { el, to, said, field: el.querySelector(".dartsedu-field") };
  }

  it("is said in a line that goes with the slider", () => {
    const { to, said } = show(among(10));
    expect(said()).toEqual(["rank 1 of 4 · true accuracy 87.5\u00a0% · none is better"]);
    to(2);
    expect(said()).toEqual(["rank 4 of 4 · true accuracy 10.0\u00a0% · 77.5 points below the best"]);
    to(7);
    expect(said()).toEqual(["This cell leaves edges out; the table has none such."]);
  });

  it("is a point among all cells, with the way there, and all of it in words", () => {
    const { el, to, field } = show(among(10));
    const all = el.querySelector(".dartsedu-every");
    const dots = all.getAttribute("d");
    expect(dots.match(/M/g).length).toBe(4);
    const [here, start, path] = ["here", "start", "line"].map((name) => field.querySelector(`.dartsedu-${name}`));
    const centre = (circle) => `M${circle.getAttribute("cx")},${circle.getAttribute("cy")}h0`;
    expect(dots.endsWith(centre(here))).toBe(true);
    expect(dots.startsWith(centre(start))).toBe(true);
    expect(path.getAttribute("d").match(/[ML]/g)).toEqual(["M", "L"]);
    expect(field.getAttribute("role")).toBe("img");
    expect(field.getAttribute("aria-label")).toBe(
      "all 4 cells, true accuracy against parameters. rank 1 of 4 · true accuracy 87.5\u00a0% · none is better, 2 cells on the way",
    );
    to(2);
    expect(dots.startsWith(centre(here))).toBe(true);
    expect(path.getAttribute("d")).toBe("");
    expect(field.getAttribute("aria-label")).toContain("rank 4 of 4");
    to(7);
    expect(here.hasAttribute("hidden")).toBe(true);
    expect(all.getAttribute("d")).toBe(dots); // Drawn once.
  });

  it("becomes curves, ranks on a logarithmic axis with 1 on top", () => {
    const { el } = show(among(10));
    const charts = [...el.querySelectorAll(".dartsedu-chart")].filter((chart) => !chart.hasAttribute("hidden"));
    const [rank] = charts.filter((chart) => chart.getAttribute("aria-label").startsWith("rank at step 10: rank 1"));
    expect([...rank.querySelectorAll(".dartsedu-axis text")].map((text) => text.textContent).slice(0, 2)).toEqual(["1", "10"]);
    const heights = [...rank.querySelector(".dartsedu-line").getAttribute("d").matchAll(/[ML][\d.]+,([\d.]+)/g)].map((m) => Number(m[1]));
    const rest = Number(rank.getAttribute("viewBox").split(" ")[3]) - 38; // between the axis and the heading
    expect((heights[0] - 20) / rest).toBeCloseTo(Math.log10(4), 1);
    expect(heights.at(-1)).toBe(20);
    expect(heights.length).toBe(9); // The step without a place leaves a gap.
  });

  it("of runs side by side is shown in one picture, by name, as text", () => {
    const { el, said, to } = show(among(10, { name: "<b>one</b>" }), among(4, { name: "other" }));
    expect(el.querySelectorAll(".dartsedu-field").length).toBe(1);
    expect([...el.querySelectorAll(".dartsedu-here-name")].map((name) => name.textContent)).toEqual(["<b>one</b>", "other"]);
    expect(el.querySelector("b")).toBeNull();
    expect(said()).toEqual(["rank 1 of 4 · true accuracy 87.5\u00a0% · none is better", "rank 4 of 4 · true accuracy 10.0\u00a0% · 77.5 points below the best"]);
    to(0);
    expect(said()[0]).toBe(said()[1]);
  });

  it("needs no table where a recording holds it, and leaves no room where it does not", () => {
    const { said, field } = show(among(10, { table: null }));
    expect(field).toBeNull();
    expect(said()).toEqual(["rank 1 · true accuracy 87.5\u00a0% · none is better"]);
    const { el, text } = open({ mode: "replay", snapshots: [view(rows(0, 3))] });
    expect(el.querySelector(".dartsedu-field")).toBeNull();
    expect(el.querySelector(".dartsedu-standing").hidden).toBe(true);
    expect(text(".dartsedu-gap")).toBe("");
  });

  it("is said where there is no step yet", () => {
    const kernel = new Kernel({ runs: [among(10).spec] });
    kernel.traits.spec.truth = truth;
    const { initialize, render } = widget();
    closers.push(initialize({ model: kernel }));
    const el = document.body.appendChild(document.createElement("div"));
    closers.push(render({ model: kernel, el }));
    expect(el.querySelector(".dartsedu-standing").textContent).toBe("no step yet");
    expect(el.querySelector(".dartsedu-field").getAttribute("aria-label")).toBe("all 4 cells, true accuracy against parameters");
  });

  it("has round numbers on its axes", () => {
    expect(powers(400, 18400)).toEqual([500, 1000, 2000, 5000, 10000]);
    expect(lastRank([3])).toBe(10);
    expect(lastRank([5425, NaN])).toBe(10000);
    expect(lastRank([1000])).toBe(1000);
  });
});
