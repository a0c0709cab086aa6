"""A guess before the result shows, and a quiz: pages that need no kernel.

What they put into a notebook is HTML that folds by itself. Where scripts run, a field asks for the
guess first and unlocks the result; where they do not, as on GitHub, the fold is all there is.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dartsedu.lessons.panel import Line, Panel, Scene, as_json, draw
from dartsedu.show.picture import Picture
from dartsedu.show.script import script

_FOLDER = Path(__file__).parent


def _block(kind: str, inside: str, spec: Mapping[str, Any] | None = None) -> str:
    """A part of a page with style and script; ``spec`` is what the script must know."""
    data = f' data-spec="{html.escape(json.dumps(spec, ensure_ascii=False))}"' if spec else ""
    style = (_FOLDER / "guess.css").read_text(encoding="utf-8")
    return (
        f'<div class="dartsedu-guess dartsedu-{kind}"{data}>\n<style>{style}</style>\n{inside}\n'
        f'<script type="module">\n{script(_FOLDER / "guess.js")}</script>\n</div>'
    )


def _text(words: str) -> str:
    """Words as HTML; what stands between backticks is code."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", html.escape(words))


# ---- A guess ------------------------------------------------------------------------------------

Answer = float | str | Line
Result = Picture | Scene | str | None


@dataclass(frozen=True, repr=False)
class Prediction:
    """A question whose result is folded until a guess is made. Made by ``predict``."""

    question: str
    answer: Answer
    result: Result
    spec: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Your guess first: {self.question}"

    def _repr_html_(self) -> str:
        answer = ""
        if not isinstance(self.answer, Line):
            said = f"{self.answer:.4g}" if not isinstance(self.answer, str) else self.answer
            answer = f"<p>Result: <strong>{_text(said + self.spec.get('unit', ''))}</strong></p>"
        inside = (
            f"<p><strong>Your guess first.</strong> {_text(self.question)}</p>\n"
            "<details>\n<summary>My guess is made: show the result</summary>\n"
            f"{answer}{_result(self.result)}\n</details>"
        )
        return _block("predict", inside, self.spec)


def _result(result: Result) -> str:
    match result:
        case Scene():
            return draw(result).as_html()
        case Picture():
            return result.as_html()
        case str():
            return f"<p>{_text(result)}</p>"
    return ""


def predict(
    question: str,
    answer: Answer,
    result: Result = None,
    *,
    among: Sequence[str] = (),
    unit: str = "",
    near: float = 0.0,
    panel: Panel | None = None,
) -> Prediction:
    """Ask for a guess, then show what came out.

    Args:
        question: in words; backticks mark code.
        answer: a number; one of ``among``; or a ``Line`` to be drawn over ``panel``.
        result: shown with the answer: a picture, a scene, a sentence.
        among: the answers to choose from.
        unit: written behind numbers, with its space.
        near: a number no further from the answer counts as right.
        panel: axes, and marks that are shown from the beginning.

    Raises ``ValueError`` for an answer that is not among the choices, or a line without a panel.
    """
    spec: dict[str, Any]
    if isinstance(answer, Line):
        if panel is None:
            raise ValueError("a guess that is drawn needs axes: give predict() a panel")
        (drawn,) = as_json(Scene([panel], ""))["panels"]
        (line,) = as_json(Scene([_only(panel, answer)], ""))["panels"][0]["marks"]
        spec = {"kind": "curve", "panel": drawn, "x": line["x"], "answer": line["y"]}
        spec["colour"] = line["colour"]
        if result is None:
            first, last = line["y"][0], line["y"][-1]
            drawn_too = replace(panel, marks=[*panel.marks, answer])
            said = f"{answer.name}: from {first:.3g} at the left to {last:.3g} at the right."
            result = Scene([drawn_too], said)
    elif isinstance(answer, str):
        if answer not in among:
            raise ValueError(f"the answer {answer!r} is not among the choices {list(among)}")
        spec = {"kind": "choice", "among": list(among), "answer": answer}
    else:
        spec = {"kind": "number", "answer": float(answer), "unit": unit, "near": near}
    return Prediction(question, answer, result, spec)


def _only(panel: Panel, line: Line, most: int = 24) -> Panel:
    """The panel with nothing but the line, at so many of its points."""
    x, y = np.ravel(np.asarray(line.x)), np.ravel(np.asarray(line.y))
    places = np.unique(np.linspace(0, len(x) - 1, min(most, len(x))).round().astype(int))
    return replace(panel, marks=[Line(x[places], y[places], line.colour)])


# ---- A quiz -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """One item of a quiz.

    Args:
        text: the question; backticks mark code here and below.
        right: the right answer.
        why: why it is right.
        wrong: wrong answers, each with the reason why it is wrong.
    """

    text: str
    right: str
    why: str
    wrong: Mapping[str, str]

    def options(self) -> list[tuple[str, str, bool]]:
        """(answer, reason, whether it is right), in an order that tells nothing."""
        found = [(self.right, self.why, True), *((w, r, False) for w, r in self.wrong.items())]
        return sorted(found, key=lambda option: zlib.crc32((self.text + option[0]).encode()))


@dataclass(frozen=True, repr=False)
class Quiz:
    """Questions with answers to click, three to five a lesson; each answer says what is with it."""

    questions: Sequence[Question]

    def __repr__(self) -> str:
        return f"A quiz of {len(self.questions)} questions."

    def _repr_html_(self) -> str:
        items = "\n".join(f"<li>{_item(question)}</li>" for question in self.questions)
        lead = "<p><strong>Quiz.</strong> Open the answer that you take for right.</p>"
        return _block("quiz", f"{lead}\n<ol>\n{items}\n</ol>")


def _item(question: Question) -> str:
    options = []
    for answer, reason, right in question.options():
        mark, kind = ("✔ Right.", ' class="dartsedu-right"') if right else ("✘ No.", "")
        options.append(
            f"<details{kind}>\n<summary>{_text(answer)}</summary>\n"
            f"<p>{mark} {_text(reason)}</p>\n</details>"
        )
    return "\n".join([f"<p>{_text(question.text)}</p>", *options])
