// The explorer alone: controls, drawing and keys, with Python played by an object of traits.

import { afterEach, describe, expect, it, vi } from "vitest";
import widget, { upgradePages } from "../../dartsedu/lessons/explorer.js";

// The panels' rectangle in explorer.js: from (56, 10) to (346, 254) of 360 by 300.
const LEFT = 56, RIGHT = 346, TOP = 10, FLOOR = 254;

const SLOPE = { name: "a", label: "slope", values: ["0", "0.5", "1"], raw: [0, 0.5, 1], rate: 0, menu: false };
const KIND = { name: "kind", label: "kind", values: ["one", "<b>other</b>"], raw: ["one", "<b>other</b>"], rate: 0, menu: true };

function panel(...marks) {
  const [xaxis, yaxis] = [{ ends: [0, 10], ticks: [[0, "0"], [5, "5"]] }, { ends: [0, 2], ticks: [[2, "10⁻³"]] }];
  return { title: "a panel", x: "step", y: "loss", xaxis, yaxis, marks };
}

const line = (more = {}) => ({ kind: "line", x: [0, 5, 10], y: [0, 1, 2], colour: "#a90fe8", name: "", style: "-", faint: false, ...more });
const dots = (more = {}) => ({ kind: "dots", x: [0, 10], y: [2, 0], colour: "#089aaa", name: "", label: "", size: 4, ...more });
const arrow = (x, y, more = {}) => ({ kind: "arrow", x, y, colour: "#c08a08", name: "", ...more });

class Model {
  constructor(traits) {
    this.traits = { title: "Slopes", controls: [SLOPE, KIND], places: { a: 1, kind: 0 }, ...traits };
    this.listeners = [];
    this.saved = 0;
  }

  get(name) { return this.traits[name]; }
  on(event, listener) { this.listeners.push([event, listener]); }
  off(event, listener) { this.listeners = this.listeners.filter(([e, l]) => e !== event || l !== listener); }
  save_changes() { this.saved += 1; }
  set(name, value) {
    this.traits[name] = value;
    for (const [event, listener] of this.listeners) if (event === `change:${name}`) listener();
  }
}

let closers = [];
afterEach(() => {
  for (const close of closers) close();
  closers = [];
  document.body.replaceChildren();
});

function open(marks = [line()], traits = {}) {
  const model = new Model({ scene: { text: "The slope is 0.5.", panels: [panel(...marks)] }, ...traits });
  const el = document.body.appendChild(document.createElement("div"));
  closers.push(widget.render({ model, el }));
  const all = (selector) => [...el.querySelectorAll(selector)];
  return { model, el, all, one: (selector) => el.querySelector(selector), plot: (selector) => all(`[clip-path] ${selector}`) };
}

const number = (node, name) => Number(node.getAttribute(name));
const points = (node) => node.getAttribute("points").split(" ").map((pair) => pair.split(",").map(Number));

function move(input, value) {
  input.value = value;
  input.dispatchEvent(new Event("input"));
}

describe("controls", () => {
  it("are a slider over numbers and a menu over words", () => {
    const { one, all } = open();
    const slider = one("input");
    expect([slider.type, slider.min, slider.max, slider.value]).toEqual(["range", "0", "2", "1"]);
    expect(slider.getAttribute("aria-label")).toBe("slope");
    expect(slider.getAttribute("aria-valuetext")).toBe("0.5");
    const menu = one("select");
    expect(menu.getAttribute("aria-label")).toBe("kind");
    expect([...menu.options].map((option) => option.textContent)).toEqual(KIND.values);
    expect(menu.value).toBe("0");
    expect(all(".dartsedu-control").map((label) => label.firstChild.textContent)).toEqual(["slope", "kind"]);
  });

  it("ask Python for the scene at the new places, the others kept", () => {
    const { model, one } = open();
    const before = model.get("places");
    move(one("input"), 2);
    expect(model.get("places")).toEqual({ a: 2, kind: 0 });
    expect(before).toEqual({ a: 1, kind: 0 }); // A new value, or nothing would be sent.
    expect(one("input").getAttribute("aria-valuetext")).toBe("1");
    move(one("select"), 1);
    expect(model.get("places")).toEqual({ a: 2, kind: 1 });
    expect(model.saved).toBe(2);
  });

  it("follow places that Python sets, and send nothing back", () => {
    const { model, one } = open();
    model.set("places", { a: 0, kind: 1 });
    expect(one("input").value).toBe("0");
    expect(one("input").getAttribute("aria-valuetext")).toBe("0");
    expect(one("select").value).toBe("1");
    expect(model.saved).toBe(0);
  });

  it("of two views of one explorer move together", () => {
    const { model, one } = open();
    const el = document.body.appendChild(document.createElement("div"));
    closers.push(widget.render({ model, el }));
    move(one("input"), 0);
    expect(el.querySelector("input").value).toBe("0");
  });
});

describe("a scene", () => {
  it("is drawn anew when Python sends it, and said", () => {
    const { model, one, all } = open();
    expect(one("output").getAttribute("aria-live")).toBe("polite");
    expect(one("output").textContent).toBe("The slope is 0.5.");
    model.set("scene", { text: "The slope is 1.", panels: [panel(line()), panel(dots())] });
    expect(one("output").textContent).toBe("The slope is 1.");
    expect(all("figure").length).toBe(2);
  });

  it("is not drawn any more once its view is closed", () => {
    const { model, one } = open();
    closers.pop()();
    expect(model.listeners).toEqual([]);
    model.set("scene", { text: "The slope is 1.", panels: [] });
    expect(one("output").textContent).toBe("The slope is 0.5.");
  });

  it("shows words as text, wherever they come from", () => {
    const evil = "<img src=x onerror=alert(1)>";
    const marks = [line({ name: evil }), dots({ label: evil, name: evil })];
    const controls = [{ ...SLOPE, label: evil, values: [evil, evil] }, { ...KIND, label: evil, values: [evil] }];
    const { el, model } = open(marks, { title: evil, controls, places: { a: 0, kind: 0 } });
    const bars = { kind: "bars", names: [evil], values: [1], colours: ["#000000"] };
    const odd = { ...panel(line()), title: evil, x: evil, y: evil };
    odd.xaxis.ticks = [[0, evil]];
    model.set("scene", { text: evil, panels: [odd, panel(bars)] });
    expect(el.querySelector("img, b")).toBeNull();
    expect(el.textContent.split(evil).length).toBeGreaterThan(6);
  });
});

describe("marks", () => {
  it("stand where the axes say: the least left and below, the greatest right and above", () => {
    const [drawn] = open([line()]).plot("polyline");
    expect(points(drawn)).toEqual([[LEFT, FLOOR], [(LEFT + RIGHT) / 2, (TOP + FLOOR) / 2], [RIGHT, TOP]]);
  });

  it("outside the axes are cut off by a clip path of the panel's own", () => {
    const { all } = open([line()], { scene: { text: "", panels: [panel(line()), panel(line())] } });
    const ids = all("clipPath").map((clip) => clip.id);
    expect(new Set(ids).size).toBe(2);
    expect(all("g[clip-path]").map((g) => g.getAttribute("clip-path"))).toEqual(ids.map((id) => `url(#${id})`));
  });

  it("have a style, and are faint in the background", () => {
    const [dashed, faint] = open([line({ style: "--" }), line({ faint: true })]).plot("polyline");
    expect(dashed.getAttribute("stroke-dasharray")).toBe("7 4");
    expect(dashed.hasAttribute("opacity")).toBe(false);
    expect(faint.hasAttribute("stroke-dasharray")).toBe(false);
    expect(number(faint, "opacity")).toBeLessThan(1);
    expect(number(faint, "stroke-width")).toBeLessThan(number(dashed, "stroke-width"));
  });

  it("of points write their label beside the last one, on the side where there is room", () => {
    const [right] = open([dots({ label: "here" })]).plot("text");
    expect([right.textContent, right.getAttribute("text-anchor")]).toEqual(["here", "end"]);
    expect(number(right, "x")).toBeLessThan(RIGHT);
    const [left] = open([dots({ x: [10, 0], label: "here" })]).plot("text");
    expect(left.getAttribute("text-anchor")).toBe("start");
    expect(number(left, "x")).toBeGreaterThan(LEFT);
    const { plot } = open([dots({ x: [], y: [], label: "nowhere" })]);
    expect(plot("text, circle")).toEqual([]);
  });

  it("of arrows end at their point, with a head along their line", () => {
    const { plot } = open([arrow([0, 10], [0, 0])]);
    const [tip, upper, lower] = points(plot("polygon")[0]);
    expect(tip).toEqual([RIGHT, FLOOR]);
    expect(upper[0]).toBeCloseTo(RIGHT - 11);
    expect(lower[0]).toBeCloseTo(RIGHT - 11);
    expect((upper[1] + lower[1]) / 2).toBeCloseTo(FLOOR);
    expect(number(plot("line")[0], "x1")).toBe(LEFT);
    expect(number(plot("line")[0], "x2")).toBeCloseTo(RIGHT - 11);
  });

  it("of arrows without length are a dot", () => {
    const { plot } = open([arrow([5, 5], [1, 1])]);
    expect(plot("polygon, line")).toEqual([]);
    expect(plot("circle").map((c) => [number(c, "cx"), number(c, "cy")])).toEqual([[(LEFT + RIGHT) / 2, (TOP + FLOOR) / 2]]);
  });

  it("are named below in their colour and style, those that have a name", () => {
    const { all } = open([line({ name: "α", style: ":" }), line(), dots({ name: "minimum" }), arrow([0, 1], [0, 1], { name: "step" })]);
    const keys = all(".dartsedu-keys > span");
    expect(keys.map((key) => key.textContent)).toEqual(["α", "minimum", "step"]);
    const [path, circle, arrowed] = keys.map((key) => key.querySelector("path, circle"));
    expect([path.getAttribute("stroke"), path.getAttribute("stroke-dasharray")]).toEqual(["#a90fe8", "2 4"]);
    expect([circle.tagName, circle.getAttribute("fill")]).toEqual(["circle", "#089aaa"]);
    expect(arrowed.hasAttribute("stroke-dasharray")).toBe(false);
  });

  it("stand between axes with ticks and names", () => {
    const { all } = open();
    const words = all("figure svg > text").map((node) => node.textContent);
    expect(words).toEqual(["0", "5", "10⁻³", "step", "loss"]);
    const [zero, five, top] = all("figure svg > text");
    expect([number(zero, "x"), number(five, "x")]).toEqual([LEFT, (LEFT + RIGHT) / 2]);
    expect(number(top, "y")).toBe(TOP + 4);
  });
});

describe("bars", () => {
  const scene = (values) => {
    const names = values.map((_, i) => `bar ${i}`);
    const bars = { kind: "bars", names, values, colours: names.map(() => "#a90fe8") };
    return { text: "", panels: [{ ...panel(bars), xaxis: { ends: [-1, 1], ticks: [] } }] };
  };

  it("reach from zero to their value, either way, with name and number", () => {
    const { all } = open([], { scene: scene([1, -0.5, 0]) });
    const [plus, minus, none] = all("rect");
    const zero = number(plus, "x");
    expect(number(minus, "x") + number(minus, "width")).toBeCloseTo(zero);
    expect(number(minus, "width")).toBeCloseTo(number(plus, "width") / 2);
    expect([number(none, "x"), number(none, "width")]).toEqual([zero, 1]); // To be seen at all.
    expect(all("figure text").map((t) => t.textContent)).toEqual(["bar 0", "1.00", "bar 1", "-0.50", "bar 2", "0.00"]);
    expect(number(minus, "y")).toBeGreaterThan(number(plus, "y"));
  });

  it("do not write a negative zero", () => {
    const { all } = open([], { scene: scene([-0.001]) });
    expect(all("figure text").map((t) => t.textContent)).toEqual(["bar 0", "0.00"]);
  });
});

describe("pixels", () => {
  it("fill a square, the first row on top", () => {
    const colours = [["#000001", "#000002"], ["#000003", "#000004"]];
    const { all, one } = open([{ kind: "pixels", colours }]);
    expect(one("figure svg").getAttribute("viewBox")).toBe("0 0 300 300");
    const seen = all("rect").map((r) => [number(r, "x"), number(r, "y"), r.getAttribute("fill")]);
    expect(seen).toEqual([[0, 0, "#000001"], [150, 0, "#000002"], [0, 150, "#000003"], [150, 150, "#000004"]]);
    expect(all("figure text")).toEqual([]);
  });
});

describe("Jupyter", () => {
  it("gets no key typed here, except with Ctrl, Meta or Alt", () => {
    const { one, all } = open();
    const seen = vi.fn();
    document.body.addEventListener("keydown", seen);
    const press = (options) => one("input").dispatchEvent(new KeyboardEvent("keydown", { bubbles: true, ...options }));
    press({ key: "d" });
    press({ key: "b" });
    expect(seen).not.toHaveBeenCalled();
    press({ key: "s", ctrlKey: true });
    expect(seen).toHaveBeenCalledTimes(1);
    for (const node of all("input, select")) expect(node.getAttribute("data-lm-suppress-shortcuts")).toBe("true");
    document.body.removeEventListener("keydown", seen);
  });

  it("names the group, and leaves the pictures to the sentence that describes them", () => {
    const { one, all } = open();
    expect(one("[role=group]").getAttribute("aria-label")).toBe("Slopes");
    expect(all("figure svg").every((image) => image.getAttribute("aria-hidden") === "true")).toBe(true);
    expect(all("[aria-live]").length).toBe(1);
  });
});

describe("without a kernel", () => {
  const scene = (text) => ({ text, panels: [] });
  const grid = {
    frames: [panel()],
    marks: [line(), dots()],
    scenes: {
      "0,0": { text: "none", panels: [] },
      "1,0": { text: "half", panels: [[0, [0]]] },
      "2,0": { text: "whole", panels: [[0, [0, 1]]] },
    },
  };

  it("a scene that the explorer carries is drawn at once, and Python is not asked", () => {
    const { model, one, plot } = open([line()], { grid });
    expect(one("output").textContent).toBe("half");
    move(one("input"), 2);
    expect(one("output").textContent).toBe("whole");
    expect(plot("circle").length).toBe(2);
    expect(model.saved).toBe(0);
    expect(one(".dartsedu-says").textContent).toContain("no kernel");
  });

  it("an explorer that nobody answers is greyed out, and says why", () => {
    vi.useFakeTimers();
    const { model, one } = open();
    move(one("input"), 2);
    vi.advanceTimersByTime(5000);
    expect(one("[role=group]").hasAttribute("data-silent")).toBe(true);
    expect(one(".dartsedu-says").textContent).toContain("run its cell again");
    expect(one("input").disabled).toBe(true);
    vi.useRealTimers();
    expect(model.saved).toBe(1);
  });

  it("an answer in time keeps it awake", () => {
    vi.useFakeTimers();
    const { model, one } = open();
    move(one("input"), 2);
    model.set("scene", scene("there"));
    vi.advanceTimersByTime(5000);
    expect(one("[role=group]").hasAttribute("data-silent")).toBe(false);
    vi.useRealTimers();
  });

  it("a control is played from its place to its last value, and then again", () => {
    vi.useFakeTimers();
    const controls = [{ ...SLOPE, rate: 10 }, KIND];
    const { one } = open([line()], { grid, controls, places: { a: 0, kind: 0 } });
    const button = one(".dartsedu-play");
    expect(button.getAttribute("aria-label")).toBe("play slope");
    button.click();
    expect(button.textContent).toBe("Pause");
    vi.advanceTimersByTime(110);
    expect(one("output").textContent).toBe("half");
    vi.advanceTimersByTime(300);
    expect(one("output").textContent).toBe("whole");
    expect(button.textContent).toBe("Play");
    button.click();
    expect(one("output").textContent).toBe("none");
    button.click();
    vi.useRealTimers();
  });

  it("a saved page becomes the explorer", () => {
    const traits = { title: "Saved", controls: [SLOPE, KIND], places: { a: 1, kind: 0 }, scene: scene("start"), grid };
    const page = document.createElement("div");
    page.className = "dartsedu-explorer-page";
    const data = document.createElement("script");
    data.type = "application/json";
    data.textContent = JSON.stringify(traits);
    page.append("a picture", data);
    document.body.append(page);
    upgradePages(document);
    expect(page.textContent).not.toContain("a picture");
    move(page.querySelector("input"), 0);
    expect(page.querySelector("output").textContent).toBe("none");
  });
});
