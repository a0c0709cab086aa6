"""Lesson 02: the checks of its exercises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dartsedu.lessons.bilevel import terms, validation_loss
from dartsedu.lessons.check import Wrong, ask, check, same

_POINTS = [(2.0, -2.0, 0.25), (-1.0, 0.5, 0.5), (0.5, 3.0, 0.1)]


def _number(value: float) -> Tensor:
    return torch.tensor(float(value), dtype=torch.float64)


def _at(alpha: float, w: float) -> tuple[Tensor, Tensor]:
    return _number(alpha).requires_grad_(), _number(w).requires_grad_()


@check
def check_first_order(answer: Callable[[Tensor, Tensor], Tensor]) -> str:
    """``answer(alpha, w)`` is ∂L_val(w, α)/∂α with w held still."""
    for alpha, w, _ in _POINTS:
        mistakes = {
            "this is the slope in w, not in α": _number(alpha),
            "this is the slope of the training loss": _number(2 * (alpha - w)),
            "this is the loss, not its slope": _number(validation_loss(alpha, w)),
        }
        where = f"first_order({alpha:g}, {w:g})"
        same(ask(answer, *_at(alpha, w)), _number(w - 2), where, mistakes)
    return "∂L_val/∂α = w − 2: the direct term alone. FirstOrder in the package does this."


@check
def check_exact(answer: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """``answer(alpha, w, xi)`` is ∂L_val(w′(α), α)/∂α, through the virtual step."""
    for alpha, w, xi in _POINTS:
        _, direct, implicit = terms(alpha, w, xi)
        mistakes = {
            "w′ is treated as a constant: the implicit term is missing. Does the first grad have "
            "create_graph=True?": _number(direct),
            "L_val is taken at w instead of at w′": _number(w - 2),
            "the virtual step goes uphill: w′ is w minus ξ times the slope": _number(
                w + 2 * xi * (w - alpha) - 2 - 2 * xi * alpha
            ),
            "ξ is left out of the virtual step": _number(sum(terms(alpha, w, 1.0)[1:])),
            "this is the slope in w′, not in α": _number(alpha),
        }
        where = f"exact({alpha:g}, {w:g}, {xi:g})"
        same(ask(answer, *_at(alpha, w), xi), _number(direct + implicit), where, mistakes)
    return "direct and implicit term, equal to the calculation by hand."


@check
def check_finite_difference(answer: Callable[[Tensor, Tensor, float, float], Tensor]) -> str:
    """``answer(alpha, w, xi, epsilon)`` is eq. 8 with w ± εv."""
    for alpha, w, xi in _POINTS:
        _, direct, implicit = terms(alpha, w, xi)
        mistakes = {
            "the implicit term is missing": _number(direct),
            "the implicit term is added; eq. 7 subtracts it": _number(direct - implicit),
            "it is divided by ε instead of 2ε": _number(direct + 2 * implicit),
            "the factor ξ in front of the difference is missing": _number(direct + 2 * alpha),
            "the direct term is taken at w instead of at w′": _number(w - 2 + implicit),
            "only the implicit term is there": _number(implicit),
        }
        for epsilon in (0.01, 0.1):
            where = f"finite_difference({alpha:g}, {w:g}, {xi:g}, {epsilon:g})"
            found = ask(answer, *_at(alpha, w), xi, epsilon)
            same(found, _number(direct + implicit), where, mistakes)
    return "equal to the exact gradient here, since L_train is quadratic."


@check
def check_settling_point(answer: Callable[[float], float]) -> str:
    """``answer(xi)`` is where alternating steps end: α = w = 2/(1+2ξ)."""
    for xi in (0.0, 0.25, 0.5, 1.0):
        found = ask(answer, xi)
        if not isinstance(found, (int, float)):
            raise Wrong(f"settles_at({xi:g}) should be a number.")
        mistakes = {
            "ξ counts twice: w′ = w when w = α, so the direct term is w − 2": _number(2 / (1 + xi)),
            "the sign of the implicit term is wrong": _number(2 / (1 - 2 * xi) if xi != 0.5 else 9),
        }
        same(found, _number(2 / (1 + 2 * xi)), f"settles_at({xi:g})", mistakes)
    return "2 / (1 + 2ξ). Compare with the dots of the explorer."
