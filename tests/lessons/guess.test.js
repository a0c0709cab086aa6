// A guess before the result, and the quiz: what the script makes of the folds.

import { afterEach, describe, expect, it } from "vitest";
import { upgrade } from "../../dartsedu/lessons/guess.js";

afterEach(() => document.body.replaceChildren());

function predict(spec) {
  const block = document.createElement("div");
  block.className = "dartsedu-guess";
  block.dataset.spec = JSON.stringify(spec);
  block.innerHTML = "<p>How many?</p><details><summary>show</summary><p>the result</p></details>";
  document.body.append(block);
  upgrade(document);
  const one = (selector) => block.querySelector(selector);
  const say = () => one("form").dispatchEvent(new Event("submit", { cancelable: true }));
  return { block, one, say, fold: one("details"), words: one("output") };
}

describe("a guess", () => {
  it("of a number unlocks the result, and is compared with it", () => {
    const { one, say, fold, words } = predict({ kind: "number", answer: 5, unit: " edges", near: 0 });
    expect(fold.hidden).toBe(true);
    say();
    expect(fold.hidden).toBe(true);
    expect(words.textContent).toContain("Enter a guess");
    one("input").value = "4";
    say();
    expect([fold.hidden, fold.open]).toEqual([false, true]);
    expect(words.textContent).toBe("You said 4 edges. It is 5 edges.");
  });

  it("near enough counts as right", () => {
    const { one, say, words } = predict({ kind: "number", answer: 5, unit: "", near: 1 });
    one("input").value = "4.5";
    say();
    expect(words.textContent).toBe("You said 4.5: it is 5.");
  });

  it("of a choice is one of the answers", () => {
    const { block, say, words } = predict({ kind: "choice", among: ["a", "<b>"], answer: "<b>" });
    const [first, second] = block.querySelectorAll("input");
    expect(first.name).toBe(second.name);
    second.checked = true;
    say();
    expect(words.textContent).toBe("You said “<b>”, and so it is.");
  });

  it("of a curve is drawn with the keys", () => {
    const axis = { ends: [0, 1], ticks: [] };
    const panel = { title: "", x: "", y: "", xaxis: axis, yaxis: axis, marks: [{ kind: "line", x: [0], y: [0], colour: "red", name: "", style: "-" }] };
    const { one, say, words } = predict({ kind: "curve", panel, x: [0, 0.5, 1], answer: [0.5, 0.5, 0.5], colour: "red" });
    const image = one("svg");
    say();
    expect(words.textContent).toBe("Draw a line first.");
    for (const key of ["ArrowUp", "ArrowRight", "ArrowRight"]) image.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    say();
    expect(words.textContent).toContain("0.025 away");
  });

  it("may be left out", () => {
    const { one, fold } = predict({ kind: "number", answer: 5, unit: "", near: 0 });
    one(".dartsedu-quiet").click();
    expect(fold.hidden).toBe(false);
  });

  it("is asked once, however often the page is looked through", () => {
    const { block } = predict({ kind: "number", answer: 5, unit: "", near: 0 });
    upgrade(document);
    expect(block.querySelectorAll("form").length).toBe(1);
  });
});

describe("a quiz", () => {
  it("counts what was right at the first try", () => {
    const block = document.createElement("div");
    block.className = "dartsedu-guess";
    const item = "<li><details><summary>no</summary></details><details class='dartsedu-right'><summary>yes</summary></details></li>";
    block.innerHTML = `<ol>${item}${item}</ol>`;
    document.body.append(block);
    upgrade(document);
    const options = block.querySelectorAll("details");
    const pick = (i) => {
      options[i].open = true;
      options[i].dispatchEvent(new Event("toggle"));
    };
    pick(1);
    expect(block.querySelector("output").textContent).toBe("1 of 2 right at the first try so far.");
    pick(2);
    pick(3);
    expect(block.querySelector("output").textContent).toBe("1 of 2 right at the first try.");
  });
});
