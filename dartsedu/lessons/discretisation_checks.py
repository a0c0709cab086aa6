"""Lesson 04: the checks of its exercises, its quiz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.discretisation import Places, derived, node_alpha
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.relaxation import mixture_weights


def _cases() -> list[Tensor]:
    """α to try an answer on: the lesson's own, and 40 random ones of 2 to 5 edges."""
    generator = torch.Generator().manual_seed(4)
    sizes = [2 + i % 4 for i in range(40)]
    return [node_alpha(), *(2 * torch.randn(n, 4, generator=generator) for n in sizes)]


@check
def check_strengths(answer: Callable[[Tensor], Any]) -> str:
    """``answer(alpha)`` is each edge's largest softmax(α) among the columns but the first."""
    for alpha in _cases()[:9]:
        ranked = derived(alpha, keep=len(alpha))
        p = mixture_weights(alpha)
        expected = torch.stack([p[row, column] for row, column in sorted(ranked)])
        flat = torch.softmax(alpha.flatten(), 0).view_as(alpha)
        mistakes = {
            "none may win: leave out its column before you take the largest": p.amax(1),
            "none is gone from the denominator: take softmax over all columns first": (
                mixture_weights(alpha[:, 1:]).amax(1)
            ),
            "these are raw α: the strength is softmax(α)": alpha[:, 1:].amax(1),
            "the softmax goes over the edges: operations of one edge lie along the last "
            "dimension": torch.softmax(alpha, 0)[:, 1:].amax(1),
            "the softmax goes over all edges together": flat[:, 1:].amax(1),
            "this is the largest weight of each operation, not of each edge": p[:, 1:].amax(0),
            "this is the whole table of weights: take the largest of each row": p[:, 1:],
            "these are the places of the largest weights, not the weights": (
                p[:, 1:].argmax(1).to(p.dtype)
            ),
        }
        same(ask(answer, alpha), expected, f"strengths of {len(alpha)} edges", mistakes)
    return "softmax over all, none included; then the best that is not none."


def _none_may_win(alpha: Tensor) -> Places:
    best = mixture_weights(alpha).max(1)
    return [(int(row), int(best.indices[row])) for row in best.values.argsort(descending=True)[:2]]


_KEPT_BY_MISTAKE: dict[str, Callable[[Tensor], Places]] = {
    "you rank by raw α: the strength is softmax(α)": lambda a: derived(a, "raw-alpha"),
    "none has left the denominator: take softmax over all columns first": (
        lambda a: derived(a, "none-excluded")
    ),
    "both edges may come from the same predecessor: take the best operation of each edge first, "
    "then the two best edges": lambda a: derived(a, "shared-predecessor"),
    "none may win: an edge that is kept must carry something": _none_may_win,
    "every edge is kept: a node keeps two": lambda a: derived(a, keep=len(a)),
    "the weakest edges are kept, not the strongest": lambda a: derived(a, keep=len(a))[-2:],
    "only one edge is kept": lambda a: derived(a, keep=1),
    "the operation comes first: each pair is (edge, operation)": lambda a: [
        (column, row) for row, column in derived(a)
    ],
    "columns are counted without none: none is column 0": lambda a: [
        (row, column - 1) for row, column in derived(a)
    ],
}


@check
def check_derive(answer: Callable[[Tensor], Any]) -> str:
    """``answer(alpha)`` keeps what ``derive`` keeps, on the lesson's α and on random ones."""
    cases = _cases()
    found = [_pairs(ask(answer, alpha)) for alpha in cases]
    expected = [sorted(derived(alpha)) for alpha in cases]
    if found != expected:
        for meaning, mistake in _KEPT_BY_MISTAKE.items():
            if found == [sorted(mistake(alpha)) for alpha in cases]:
                raise Wrong(f"it looks as if {meaning}.")
        place = next(i for i, (f, e) in enumerate(zip(found, expected, strict=True)) if f != e)
        raise Wrong(
            f"for α = {[[round(v, 1) for v in row] for row in cases[place].tolist()]} you keep "
            f"{found[place]}; expected {expected[place]}, each pair (edge, operation)."
        )
    return f"the same two edges as dartsedu.derive, for {len(cases)} different α."


def _pairs(found: Any) -> Places:
    try:
        return sorted((int(row), int(column)) for row, column in found)
    except (TypeError, ValueError):
        raise Wrong(
            "the result should be a list of pairs (edge, operation), such as [(2, 3), (1, 1)], "
            f"but is {found!r}."
        ) from None


# ---- The quiz ----------------------------------------------------------------------------------

QUIZ = Quiz(
    [
        Question(
            "Somebody adds 5 to the α of `none` on every edge. Which rules may derive another "
            "cell?",
            "`argmax`, `paper` and `shared-predecessor`",
            "`argmax` gives the edges to none; for the two others every strength shrinks, and not"
            " all by the same factor.",
            {
                "all six": (
                    "`raw-alpha`, `none-excluded` and `threshold` leave none out before they "
                    "compare: they do not see the change."
                ),
                "none of them, since none cannot win": (
                    "It cannot win by the paper's rule, but it stands in the denominator of every"
                    " strength."
                ),
                "`argmax` only": (
                    "There none wins. But it also weakens the edges of the rules that keep it in "
                    "the sum."
                ),
            },
        ),
        Question(
            "A supernet scores 98 %, cut to its genotype 45 %. A random cell, trained from "
            "scratch, scores 97 %. What do you know about the genotype?",
            "hardly anything yet",
            "98 % is the mixture's, 45 % that of weights trained for a mixture. Train it from "
            "scratch, several times.",
            {
                "it is worse than the random cell": (
                    "45 % is measured with the w of the mixture, 97 % after a training of its "
                    "own: they cannot be compared."
                ),
                "the search has failed": (
                    "Every search of this lesson's record had a wide gap, and left cells that "
                    "trained as well as random ones."
                ),
                "it is better, since the supernet reached 98 %": (
                    "98 % is what all operations together can do. The genotype keeps a few of them."
                ),
            },
        ),
        Question(
            "Why does cooling α to T → 0 not lead to the paper's cell?",
            "a temperature chooses on each edge, but never between edges",
            "softmax within an edge cannot drop the edge. And none may win.",
            {
                "the temperature was not low enough": (
                    "At T = 0.01 each edge has decided. It is the kind of choice that differs."
                ),
                "w would have to be trained at each temperature": (
                    "That would change the accuracy, not the cell: the order of α is the same at "
                    "every T."
                ),
            },
        ),
        Question(
            "A hasty α leaves a narrow gap, a patient one a wide gap. Which cell do you train?",
            "both: the gap does not say",
            "In twenty searches of either kind the hasty cells, trained from scratch, were not "
            "worse.",
            {
                "the hasty one: its accuracy survives": (
                    "What survives is the accuracy of weights that were trained for little but "
                    "this cell. Any cell could have that."
                ),
                "the patient one: its mixture is better": (
                    "The mixture does not come along when the cell is cut out."
                ),
            },
        ),
    ]
)
