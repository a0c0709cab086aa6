"""Lesson 07: the checks of its exercises, its quiz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.equations import THREE
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.spaces.equation import EquationSupernet, Output, equation_space
from dartsedu.spaces.equation.operations import guarded_ln


@check
def check_edge(answer: Callable[..., Tensor]) -> str:
    """``answer(x, weights, scale, offset)`` is a mixture of x, exp x and σ(x) of scale·x + offset.

    Held to an ``EquationSupernet`` of one edge.
    """
    supernet = EquationSupernet(
        equation_space(1, 1, THREE), output=Output(scale=False, offset=False)
    )
    x = torch.tensor([-1.0, 0.0, 0.5, 2.0], dtype=torch.float64)
    weights = torch.tensor([0.5, 0.2, 0.3], dtype=torch.float64)
    scale = torch.tensor([2.0, -0.5, 3.0], dtype=torch.float64)
    offset = torch.tensor([1.0, 0.25, -1.0], dtype=torch.float64)
    with torch.no_grad():
        supernet.scale[0, 0], supernet.offset[0, 0] = scale, offset
        expected = supernet(x[:, None], weights[None, None])[0, 0]
    functions: tuple[Callable[[Tensor], Tensor], ...] = (lambda z: z, torch.exp, torch.sigmoid)

    def mixed(weights: Tensor, inside: Callable[[int], Tensor]) -> Tensor:
        parts = [w * f(inside(k)) for k, (w, f) in enumerate(zip(weights, functions, strict=True))]
        return torch.stack(parts).sum(0)

    outside = [scale[k] * f(x) + offset[k] for k, f in enumerate(functions)]
    mistakes = {
        "scale and offset stand outside the function: it is f(a·x + b), not a·f(x) + b": (
            torch.stack([w * o for w, o in zip(weights, outside, strict=True)]).sum(0)
        ),
        "the offset is left out": mixed(weights, lambda k: scale[k] * x),
        "the scale is left out": mixed(weights, lambda k: x + offset[k]),
        "the mixture weights are left out": mixed(
            torch.ones(3), lambda k: scale[k] * x + offset[k]
        ),
        "softmax is applied again: these weights already sum to 1": mixed(
            torch.softmax(weights, 0), lambda k: scale[k] * x + offset[k]
        ),
        "the three have changed places: weights are for x, exp and σ, in this order": mixed(
            weights[[0, 2, 1]], lambda k: scale[k] * x + offset[k]
        ),
    }
    same(
        ask(answer, x, weights, scale, offset),
        expected,
        "edge(x, weights, scale, offset)",
        mistakes,
    )
    return "the same as an EquationSupernet of one edge."


@check
def check_ln(answer: Callable[[Tensor], Tensor]) -> str:
    """``answer(x)`` is ln(x) from 0.001 on and a line of slope 1 below, with that slope."""
    inside = torch.tensor([1e-3, 0.01, 1.0, 5.0], dtype=torch.float64)
    same(
        ask(answer, inside),
        inside.log(),
        "safe_ln where ln is defined",
        {
            "a small number is added inside ln: then it is no longer ln where it could be": (
                (inside + 1e-3).log()
            ),
            "this is the logarithm to base 10; ln has the base e": inside.log10(),
        },
        1e-9,
    )
    below = torch.tensor([9e-4, 0.0, -0.5, -3.0], dtype=torch.float64)
    flat = torch.full_like(below, 1e-3).log()
    mistakes = {
        "below 0.001 it is flat: no slope leads back into the domain": flat,
        "the sign is dropped with abs: −3 and 3 become the same": below.abs().clamp(min=1e-3).log(),
        "the line does not meet ln at 0.001: there is a step": flat + below,
        "the line falls where it should rise": flat - (below - 1e-3),
    }
    found = ask(answer, below)
    if isinstance(found, Tensor) and found.isnan().any():
        raise Wrong("for x below 0 it is nan: ln is still called there. Clamp x before ln sees it.")
    same(found, guarded_ln(below), "safe_ln below 0.001", mistakes, 1e-9)
    every = torch.cat([below, inside[1:]]).requires_grad_()
    found = ask(answer, every)
    if not found.requires_grad:
        raise Wrong("the values are right, but no gradient passes: keep to tensor operations.")
    (slopes,) = torch.autograd.grad(found.sum(), every)
    if not slopes.isfinite().all():
        raise Wrong(
            "the values are right, but a slope is nan or infinite. torch.where hides the value of "
            "ln at −3, not its slope. Clamp x before ln sees it."
        )
    expected = torch.cat([torch.ones(4, dtype=torch.float64), 1 / inside[1:]])
    same(slopes, expected, "the slope of safe_ln", tolerance=1e-9)
    return "exact inside, finite outside, and its slope leads back. It is the package's guarded_ln."


@check
def check_choose(answer: Callable[[list[float], list[float], list[int]], Any]) -> str:
    """``answer(errors, spreads, complexities)`` follows the one-standard-error rule."""
    cases: list[tuple[list[float], list[float], list[int], int, dict[str, int]]] = [
        (
            [0.010, 0.011, 0.030],
            [0.002, 0.002, 0.004],
            [9, 4, 1],
            1,
            {
                "you took the least error; a simpler one is as good within one standard error": 0,
                "you took the simplest of all; its error is too large": 2,
            },
        ),
        (
            [0.030, 0.0115, 0.010],
            [0.030, 0.002, 0.002],
            [1, 4, 9],
            1,
            {
                "you took the least error; a simpler one is as good within one standard error": 2,
                "each is judged by its own spread; the limit is that of the best: its error and "
                "its spread": 0,
            },
        ),
        (
            [0.0115, 0.010, 0.011],
            [0.002, 0.002, 0.002],
            [4, 9, 4],
            2,
            {"of two equally simple ones take the one with the lesser error": 0},
        ),
        (
            [0.50, 0.75, 1.00],
            [0.25, 0.25, 0.25],
            [9, 4, 1],
            1,
            {
                "an error of exactly the limit is left out: the rule says at most, so it is <=": 0,
                "the limit is the best error and two spreads: it is one": 2,
            },
        ),
    ]
    for errors, spreads, complexities, place, mistakes in cases:
        found = ask(answer, errors, spreads, complexities)
        if isinstance(found, (np.integer, Tensor)):
            found = int(found)
        if not isinstance(found, int):
            raise Wrong(f"choose should return a place, 0 to 2, but gave {found!r}.")
        same(
            found,
            torch.tensor(float(place)),
            f"choose({errors}, {spreads}, {complexities})",
            {meaning: torch.tensor(float(wrong)) for meaning, wrong in mistakes.items()},
        )
    return "the simplest that is no worse than the best, as far as the data can tell."


# ---- The quiz ----------------------------------------------------------------------------------

QUIZ = Quiz(
    [
        Question(
            "A mixture has the error 0.10, its argmax 0.90, the argmax refitted 0.11. Was the "
            "choice of functions bad?",
            "no: they can say nearly what the mixture said",
            "The 0.90 came from coefficients that belonged to the mixture.",
            {
                "yes: 0.90 is nine times the mixture's error": (
                    "That error is of the old w. Refitted, the same functions have 0.11."
                ),
                "yes: 0.11 is worse than 0.10": (
                    "By less than such errors wander from data to data, and with far fewer "
                    "constants."
                ),
                "it depends on α": (
                    "α has chosen already. What counts now is what the functions can say."
                ),
            },
        ),
        Question(
            "Your search finds the law in 9 of 10 data sets. What is missing before you praise it?",
            "how often as many random graphs find it",
            "With the same refit and the same rule of choice. That is the yardstick.",
            {
                "the tenth data set": (
                    "Nine of ten may be good or bad: it depends on what chance does."
                ),
                "more restarts": ("They would help search and chance alike."),
                "a smaller learning rate": (
                    "It might change the nine. It would not say what nine are worth."
                ),
            },
        ),
        Question(
            "On stimuli from 1 to 5, a power with the exponent 0.04 has a slightly smaller error "
            "than a logarithm. Which law do you report?",
            "both, and that these data do not tell them apart",
            "The rule prefers the logarithm, which has a constant less. A range from 1 to 1000 "
            "would be the next experiment.",
            {
                "the power: its error is smaller": (
                    "Slightly smaller is what a third constant gives for nothing."
                ),
                "the logarithm, since nature likes it": ("Perhaps; but the data have not said so."),
                "neither": ("Both predict well in this range. What is open is what lies behind."),
            },
        ),
        Question(
            "Why is ln continued by a straight line below 0.001, and not by a constant?",
            "a constant has no slope: nothing would lead back",
            "The line keeps the value finite and its slope says in which direction the logarithm "
            "is defined.",
            {
                "a constant would give nan": (
                    "It is finite. Its slope of 0 is what is wrong with it."
                ),
                "the line is nearer to the logarithm": (
                    "Just below 0.001 it is nearer, but that is not the point: ln goes to minus "
                    "infinity."
                ),
                "it makes the law simpler": (
                    "The guard is no part of the law. It is there for the search."
                ),
            },
        ),
    ]
)
