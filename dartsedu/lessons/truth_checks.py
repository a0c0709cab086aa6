"""Lesson 08: the checks of its exercises."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import numpy as np
import torch
from scipy import stats

from dartsedu.lessons.check import Wrong, ask, check, same


def _numbers(found: Any, count: int, where: str) -> torch.Tensor:
    """So many numbers as a tensor, in any form that a learner may give them."""
    try:
        numbers = [float(number) for number in found]
    except (TypeError, ValueError):
        raise Wrong(f"{where} should be {count} numbers, but is {found!r:.60}.") from None
    if len(numbers) != count:
        raise Wrong(f"{where} should be {count} numbers, but there are {len(numbers)}.")
    return torch.tensor(numbers, dtype=torch.float64)


@check
def check_standing(answer: Callable[..., Any]) -> str:
    """``answer(accuracies, own)`` is the rank and the regret of a cell of that accuracy."""
    for accuracies, own in (
        (np.array([0.7, 0.3, 0.9, 0.7, 0.1, 0.7]), 0.7),
        (np.array([0.3, 0.6, 0.6, 0.2]), 0.6),
    ):
        better, worse = int((accuracies > own).sum()), int((accuracies < own).sum())
        alike = len(accuracies) - better - worse
        regret = float(accuracies.max() - own)
        where = f"standing({accuracies.tolist()}, {own})"
        found = _numbers(ask(answer, accuracies, own), 2, where)
        ranks = {
            "you counted the cells that are better; the best one has rank 1, not 0": better,
            "you counted from the worst: rank 1 is the best": worse + 1,
            "you counted cells of the same accuracy as better: > and not >=": better + alike,
            "you counted cells of the same accuracy as better, and one more: > and not >=": (
                better + alike + 1
            ),
        }
        same(
            found[0],
            torch.tensor(better + 1.0, dtype=torch.float64),
            f"the rank, {where}",
            {meaning: torch.tensor(float(rank)) for meaning, rank in ranks.items()},
        )
        regrets = {
            "the sign is the wrong way round: the best less this one": -regret,
            "you divided by the best: regret is a difference": regret / accuracies.max(),
            "you took the mean in the place of the best": accuracies.mean() - own,
        }
        same(
            found[1],
            torch.tensor(regret, dtype=torch.float64),
            f"the regret, {where}",
            {meaning: torch.tensor(float(value)) for meaning, value in regrets.items()},
        )
    return "it is Truth.standing: cells of the same accuracy share a rank."


Cell = tuple[int, ...]


@check
def check_neighbours(answer: Callable[..., Any]) -> str:
    """``answer(cell, operations)`` lists the cells that differ from it on one edge."""
    for cell, operations in (((0, 1), 3), ((2, 0, 1), 3), ((4, 0, 3, 3, 1, 2), 5)):
        where = f"neighbours({cell}, {operations})"
        found = _cells(ask(answer, cell, operations), len(cell), where)
        apart = [sum(a != b for a, b in zip(cell, other, strict=True)) for other in found]
        if len(set(found)) < len(found):
            raise Wrong(f"{where} names some cells more than once.")
        if 0 in apart:
            raise Wrong(f"{where} names the cell itself: it is not its own neighbour.")
        if max(apart, default=0) > 1:
            other = found[apart.index(max(apart))]
            raise Wrong(f"{where} names {other}, which differs on {max(apart)} edges, not on one.")
        outside = [other for other in found if not set(other) <= set(range(operations))]
        if outside:
            raise Wrong(f"{where} names {outside[0]}: operations are 0 to {operations - 1}.")
        wanted = len(cell) * (operations - 1)
        if len(found) < wanted:
            missing = next(
                other
                for other in product(range(operations), repeat=len(cell))
                if sum(a != b for a, b in zip(cell, other, strict=True)) == 1 and other not in found
            )
            raise Wrong(
                f"{where} has {len(found)} cells; expected {wanted}: every edge may take each of "
                f"the {operations - 1} other operations. {missing} is missing."
            )
    return "24 for a cell of six edges and five operations, as Truth.neighbours has them."


def _cells(found: Any, edges: int, where: str) -> list[Cell]:
    try:
        cells = [tuple(int(choice) for choice in cell) for cell in found]
    except (TypeError, ValueError):
        raise Wrong(f"{where} should be a list of cells, each a tuple of numbers.") from None
    if any(len(cell) != edges for cell in cells):
        raise Wrong(f"{where} has a cell that has not {edges} edges, as {cells[0]} may be.")
    return cells


HILLS: tuple[tuple[dict[int, list[int]], dict[int, float], int], ...] = (
    # A ridge of two steps, a fork, a plateau, and a top that no step leads to.
    ({0: [1, 2], 1: [3], 2: [4], 3: [], 4: [], 9: []}, {0: 1, 1: 2, 2: 3, 3: 5, 4: 9, 9: 20}, 3),
    ({0: [1], 1: [0, 2], 2: [1, 3], 3: [2, 4], 4: [3]}, {0: 1, 1: 3, 2: 3, 3: 4, 4: 5}, 1),
    ({0: [1, 2], 1: [0], 2: [0]}, {0: 7, 1: 2, 2: 7}, 0),
)
"""Neighbours, scores, and where a walk from 0 ends that goes to the first better neighbour."""


@check
def check_climb(answer: Callable[..., Any]) -> str:
    """``answer(start, neighbours, score)`` goes to the first better neighbour, again and again."""
    for links, scores, end in HILLS:
        looks = [0]

        def score(place: int, known: dict[int, float] = scores, looks: list[int] = looks) -> float:
            looks[0] += 1
            if looks[0] > 1000:
                raise _Endless
            return known[place]

        where = f"climb(0, …) on {_hill(links, scores)}"
        found = _climbed(answer, links.__getitem__, score, where)
        if not isinstance(found, (int, np.integer)):
            raise Wrong(f"{where} should be the place where the walk ends, but is {found!r:.60}.")
        place, mistakes = int(found), _ends(links, scores)
        if place != end and place in mistakes:
            raise Wrong(f"{where} ends at {place}: it looks as if {mistakes[place]}.")
        if place != end:
            raise Wrong(f"{where} ends at {place}; expected {end}.")
    return "a walk uphill ends at a cell that no neighbour is better than, the best or not."


class _Endless(Exception):
    """A walk that goes on and on."""


def _climbed(
    answer: Callable[..., Any],
    neighbours: Callable[[int], list[int]],
    score: Callable[[int], float],
    where: str,
) -> Any:
    try:
        return ask(answer, 0, neighbours, score)
    except Wrong as wrong:
        if _Endless.__name__ in str(wrong):
            raise Wrong(
                f"{where} does not end: it looks as if you go to neighbours that are as good, not "
                "better."
            ) from None
        raise


def _hill(links: dict[int, list[int]], scores: dict[int, float]) -> str:
    return ", ".join(f"{p} (score {scores[p]:g}) beside {links[p] or 'none'}" for p in links)


def _ends(links: dict[int, list[int]], scores: dict[int, float]) -> dict[int, str]:
    """Where other walks end, and what they are."""

    def walk(choose: Callable[[int], Sequence[int]], most: int = 10) -> int:
        here = 0
        for _ in range(most):
            better = choose(here)
            if not better:
                break
            here = better[0]
        return here

    def first(here: int) -> list[int]:
        return [n for n in links[here] if scores[n] > scores[here]]

    def best(here: int) -> list[int]:
        return sorted(first(here), key=lambda n: -scores[n])

    return {
        0: "you never left the start",
        max(scores, key=lambda p: scores[p]): (
            "you looked at all cells: a walk knows only its neighbours"
        ),
        walk(best): (
            "you went to the best neighbour, which costs a look at each; take the first better one"
        ),
        walk(first, 1): "you took one step: go on until no neighbour is better",
    }


@check
def check_tau(answer: Callable[..., Any]) -> str:
    """``answer(a, b)`` is Kendall's τ of two arrays without ties."""
    for a, b in (
        (np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 3.0, 2.0, 4.0])),
        (np.array([0.5, 0.1, 0.9, 0.7, 0.3]), np.array([0.2, 0.4, 0.3, 0.9, 0.1])),
    ):
        n = len(a)
        tau = float(stats.kendalltau(a, b).statistic)
        pairs = n * (n - 1) / 2
        alike = (tau + 1) / 2
        mistakes = {
            "you counted the pairs in the same order only; those in the other order count −1": (
                alike
            ),
            "you counted every pair twice; or divided by half of them": 2 * tau,
            "you divided by n², which counts each cell with itself": tau * pairs * 2 / n**2,
            "you divided by n² with every pair counted once": tau * pairs / n**2,
            "you did not divide by the number of pairs": tau * pairs,
            "you did not divide by the number of pairs, and counted each twice": 2 * tau * pairs,
            "you divided by n; there are n (n − 1) / 2 pairs": tau * pairs / n,
            "the sign is the wrong way round: the same order counts +1": -tau,
            "this is Pearson's correlation; τ looks at orders only": float(np.corrcoef(a, b)[0, 1]),
            "this is Spearman's correlation of the ranks": float(stats.spearmanr(a, b).statistic),
        }
        found = ask(answer, a, b)
        same(
            float(found) if isinstance(found, np.generic) else found,
            torch.tensor(tau),
            f"tau({a.tolist()}, {b.tolist()})",
            {meaning: torch.tensor(value) for meaning, value in mistakes.items()},
        )
    return "it is SciPy's, kendalltau(a, b).statistic, where nothing is tied."
