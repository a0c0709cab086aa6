// The explorer of the lessons: controls above panels of marks. A scene comes from compute.js, from the
// scenes that the explorer carries, or else from Python.

import { FOCUSABLE, html, ownKeys } from "../show/elements.js";
import { COMPUTE } from "./compute.js";
import { drawPanel } from "./panel.js";

const PATIENCE = 4000; // Milliseconds until a silent kernel counts as gone.

/** The scene at the places of the controls as far as the browser knows it, or null. */
export function localScene(model) {
  const controls = model.get("controls");
  const places = model.get("places");
  const compute = COMPUTE[model.get("compute")];
  if (compute) {
    const values = Object.fromEntries(controls.map((c) => [c.name, c.raw[places[c.name]]]));
    return compute(model.get("data"), values, structuredClone(model.get("start")));
  }
  const grid = model.get("grid");
  const scene = grid?.scenes?.[controls.map((c) => places[c.name]).join(",")];
  if (!scene) return null;
  const panels = scene.panels.map(([frame, marks]) => ({ ...grid.frames[frame], marks: marks.map((i) => grid.marks[i]) }));
  return { text: scene.text, panels };
}

function control(spec, model, moved) {
  const move = (place) => {
    model.set("places", { ...model.get("places"), [spec.name]: place });
    moved();
  };
  let input;
  const shown = html("span", { "aria-hidden": "true" });
  const follow = () => {
    const place = model.get("places")[spec.name];
    if (Number(input.value) !== place) input.value = place;
    if (!spec.menu) {
      shown.textContent = spec.values[place];
      input.setAttribute("aria-valuetext", spec.values[place]);
    }
  };
  if (spec.menu) {
    const options = spec.values.map((text, i) => html("option", { value: i, text }));
    input = html("select", { "aria-label": spec.label, ...FOCUSABLE }, ...options);
  } else {
    const range = { type: "range", min: 0, max: spec.values.length - 1, step: 1 };
    input = html("input", { ...range, "aria-label": spec.label, ...FOCUSABLE });
  }
  input.addEventListener("input", () => {
    move(Number(input.value));
    follow();
  });
  follow();
  const node = html("label", { class: "dartsedu-control" }, html("span", { text: spec.label }), shown, input);
  return { node, follow, input, move };
}

/** A button that plays one control from its first value to its last, and again. */
function player(spec, part, model) {
  const last = spec.values.length - 1;
  const button = html("button", { type: "button", class: "dartsedu-play", ...FOCUSABLE });
  let timer = null;
  const label = () => {
    button.textContent = timer ? "Pause" : "Play";
    button.setAttribute("aria-label", timer ? "pause" : `play ${spec.label}`);
  };
  const pause = () => {
    clearInterval(timer);
    timer = null;
    label();
  };
  const step = () => {
    const place = model.get("places")[spec.name];
    if (place >= last) return pause();
    part.move(place + 1);
    part.follow();
  };
  const play = () => {
    if (model.get("places")[spec.name] >= last) {
      part.move(0);
      part.follow();
    }
    timer = setInterval(step, 1000 / spec.rate);
    label();
  };
  button.addEventListener("click", () => (timer ? pause() : play()));
  part.input.addEventListener("pointerdown", pause);
  label();
  const still = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches;
  let watch = null;
  if (!still && globalThis.IntersectionObserver) {
    watch = new IntersectionObserver((seen) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      watch.disconnect();
      play();
    });
    watch.observe(button);
  }
  return { button, close: () => (watch?.disconnect(), pause()) };
}

const SAYS = {
  alone: "Computed in your browser: it needs no kernel.",
  asks: "Every move asks the kernel.",
  silent: "No kernel answers, and this explorer computes in Python: run its cell again and the sliders move.",
};

const widget = {
  render({ model, el }) {
    const alone = localScene(model) !== null;
    const words = html("output", { "aria-live": "polite" });
    const says = html("p", { class: "dartsedu-says", text: alone ? SAYS.alone : SAYS.asks });
    const panels = html("div", { class: "dartsedu-panels" });
    let waiting = null;
    const draw = (scene) => {
      words.textContent = scene.text;
      panels.replaceChildren(...scene.panels.map(drawPanel));
    };
    const silent = () => {
      root.dataset.silent = "";
      says.textContent = SAYS.silent;
      for (const part of parts) part.input.disabled = true;
    };
    const moved = () => {
      if (alone) return; // Drawn as the places changed.
      clearTimeout(waiting);
      waiting = setTimeout(silent, model.static ? 0 : PATIENCE);
      model.save_changes();
    };
    const answered = () => {
      clearTimeout(waiting);
      draw(model.get("scene"));
    };
    const specs = model.get("controls");
    const parts = specs.map((spec) => control(spec, model, moved));
    const players = specs.flatMap((spec, i) => (spec.rate > 0 ? [player(spec, parts[i], model)] : []));
    const root = html(
      "div",
      { class: "dartsedu-lesson", role: "group", "aria-label": model.get("title") },
      html("h3", { text: model.get("title") }),
      html("div", { class: "dartsedu-controls" }, ...players.map((p) => p.button), ...parts.map((c) => c.node)),
      words,
      panels,
      says,
    );
    const follow = () => {
      parts.forEach((c) => c.follow());
      if (alone) draw(localScene(model));
    };
    ownKeys(root);
    model.on("change:scene", answered);
    model.on("change:places", follow);
    draw(localScene(model) ?? model.get("scene"));
    if (model.static && !alone) silent();
    el.append(root);
    return () => {
      players.forEach((p) => p.close());
      clearTimeout(waiting);
      model.off("change:scene", answered);
      model.off("change:places", follow);
    };
  },
};

/** What stands for the kernel's model on a page that has none. */
function staticModel(traits) {
  const listeners = [];
  return {
    static: true,
    get: (name) => traits[name],
    set(name, value) {
      traits[name] = value;
      for (const [event, listener] of listeners) if (event === `change:${name}`) listener();
    },
    on: (event, listener) => listeners.push([event, listener]),
    off() {},
    save_changes() {},
  };
}

/** Make the explorers of a saved page move. */
export function upgradePages(root) {
  for (const page of root.querySelectorAll(".dartsedu-explorer-page:not([data-ready])")) {
    page.dataset.ready = "";
    const traits = JSON.parse(page.querySelector("script[type='application/json']").textContent);
    page.replaceChildren();
    widget.render({ model: staticModel(traits), el: page });
  }
}

upgradePages(document);

export default widget;
