// A guess before the result, and the quiz. Both are pages that fold without any script; this file puts
// a field for the guess before the fold, and counts what was right at the first try.

import { FOCUSABLE, html, ownKeys, svg } from "../show/elements.js";
import { SIZE, drawPanel, scale } from "./panel.js";

const shownNumber = (value, unit) => `${Number(value.toPrecision(4))}${unit}`;

/** A field for a number. */
function numberField(spec) {
  const input = html("input", { type: "number", step: "any", "aria-label": "your guess", ...FOCUSABLE });
  return {
    node: html("span", {}, input, html("span", { text: spec.unit })),
    taken: () => (input.value === "" ? null : Number(input.value)),
    said: (guess) => {
      const truth = shownNumber(spec.answer, spec.unit);
      if (Math.abs(guess - spec.answer) <= spec.near) return `You said ${shownNumber(guess, spec.unit)}: it is ${truth}.`;
      return `You said ${shownNumber(guess, spec.unit)}. It is ${truth}.`;
    },
  };
}

let groups = 0;

/** One of several answers. */
function choiceField(spec) {
  const name = `dartsedu-choice-${groups++}`;
  const choices = spec.among.map((text) => {
    const input = html("input", { type: "radio", name, value: text, ...FOCUSABLE });
    return html("label", {}, input, html("span", { text }));
  });
  const node = html("span", { role: "radiogroup", "aria-label": "your guess" }, ...choices);
  return {
    node,
    taken: () => node.querySelector("input:checked")?.value ?? null,
    said: (guess) =>
      guess === spec.answer ? `You said “${guess}”, and so it is.` : `You said “${guess}”. It is: ${spec.answer}.`,
  };
}

/** A curve drawn by hand, or with the arrow keys, over the panel's axes. */
function curveField(spec) {
  const node = html("span", { class: "dartsedu-panels" }, drawPanel(spec.panel));
  const image = node.querySelector("svg");
  const x = scale(spec.panel.xaxis.ends, [SIZE.left, SIZE.width - SIZE.right]);
  const y = scale(spec.panel.yaxis.ends, [SIZE.height - SIZE.bottom, SIZE.top]);
  const [low, high] = spec.panel.yaxis.ends;
  const guess = spec.x.map(() => null);
  const line = svg("polyline", { class: "dartsedu-drawn" });
  const mark = svg("circle", { class: "dartsedu-cursor", r: 5, cx: -20, cy: -20 });
  const truth = svg("polyline", { fill: "none", stroke: spec.colour, "stroke-width": 2.5 });
  image.append(truth, line, mark);
  image.removeAttribute("aria-hidden");
  const words = "draw your guess; or with the keys: left and right choose a place, up and down set it";
  for (const [k, v] of Object.entries({ tabindex: 0, role: "application", "aria-label": words, ...FOCUSABLE })) {
    image.setAttribute(k, v);
  }
  let place = 0, open = true;
  const draw = () => {
    const points = spec.x.map((v, i) => [v, guess[i]]).filter(([, v]) => v !== null);
    line.setAttribute("points", points.map(([a, b]) => `${x(a)},${y(b)}`).join(" "));
    mark.setAttribute("cx", x(spec.x[place]));
    mark.setAttribute("cy", y(guess[place] ?? (low + high) / 2));
  };
  const set = (value) => {
    guess[place] = Math.min(high, Math.max(low, value));
    draw();
  };
  const point = (event) => {
    const box = image.getBoundingClientRect();
    const [px, py] = [((event.clientX - box.left) / box.width) * SIZE.width, ((event.clientY - box.top) / box.height) * SIZE.height];
    const apart = spec.x.map((v) => Math.abs(x(v) - px));
    place = apart.indexOf(Math.min(...apart));
    set(low + ((py - y(low)) / (y(high) - y(low))) * (high - low));
  };
  let pressed = false;
  image.addEventListener("pointerdown", (event) => {
    pressed = open;
    if (open) point(event);
  });
  image.addEventListener("pointermove", (event) => {
    if (pressed && open) point(event);
  });
  addEventListener("pointerup", () => (pressed = false));
  image.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const rise = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!open || !(step || rise)) return;
    event.preventDefault();
    const at = guess[place] ?? (low + high) / 2;
    if (step) {
      place = Math.min(spec.x.length - 1, Math.max(0, place + step));
      if (guess[place] === null) guess[place] = at;
      draw();
    } else set(at + (rise * (high - low)) / 40);
  });
  draw();
  return {
    node,
    taken: () => (guess.filter((v) => v !== null).length > 1 ? guess : null),
    said: () => {
      open = false;
      truth.setAttribute("points", spec.x.map((v, i) => `${x(v)},${y(spec.answer[i])}`).join(" "));
      const missed = spec.x.map((_, i) => i).filter((i) => guess[i] !== null).map((i) => Math.abs(guess[i] - spec.answer[i]));
      const mean = missed.reduce((a, b) => a + b, 0) / missed.length;
      return `The full line is what happens; on average yours is ${shownNumber(mean, "")} away.`;
    },
  };
}

const FIELDS = { number: numberField, choice: choiceField, curve: curveField };

/** Put the field before the fold, which stays shut until a guess is made or given up. */
function askFirst(block) {
  const spec = JSON.parse(block.dataset.spec);
  const fold = block.querySelector("details");
  const field = FIELDS[spec.kind](spec);
  const words = html("output", { "aria-live": "polite" });
  const say = html("button", { type: "submit", text: "This is my guess", ...FOCUSABLE });
  const give = html("button", { type: "button", text: "Show it without a guess", class: "dartsedu-quiet", ...FOCUSABLE });
  const form = html("form", {}, field.node, say, give);
  const open = () => {
    fold.hidden = false;
    fold.open = true;
    fold.querySelector("summary").textContent = "The result";
    say.disabled = true;
    give.remove();
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const guess = field.taken();
    if (guess === null) words.textContent = spec.kind === "curve" ? "Draw a line first." : "Enter a guess first.";
    else if (!say.disabled) {
      words.textContent = field.said(guess);
      open();
    }
  });
  give.addEventListener("click", open);
  fold.hidden = true;
  fold.before(form, words);
}

/** Mark what was clicked, and count the questions answered right at the first try. */
function countFirstTries(block) {
  const questions = [...block.querySelectorAll("li")];
  const words = html("output", { "aria-live": "polite" });
  const first = new Map();
  const tell = () => {
    const right = [...first.values()].filter(Boolean).length;
    words.textContent = `${right} of ${questions.length} right at the first try` + (first.size < questions.length ? " so far." : ".");
  };
  for (const question of questions) {
    for (const option of question.querySelectorAll("details")) {
      option.addEventListener("toggle", () => {
        if (!option.open || first.has(question)) return;
        first.set(question, option.classList.contains("dartsedu-right"));
        tell();
      });
    }
  }
  block.append(words);
}

/** Upgrade the blocks under a node that have not been yet. */
export function upgrade(root) {
  for (const block of root.querySelectorAll(".dartsedu-guess:not([data-ready])")) {
    block.dataset.ready = "";
    ownKeys(block);
    if (block.dataset.spec) askFirst(block);
    else countFirstTries(block);
  }
}

upgrade(document);

export default { upgrade };
