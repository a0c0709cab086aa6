"""Lesson 02: the checks of its exercises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dartsedu.lessons.bilevel import terms, train_loss, validation_loss
from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.guess import Question, Quiz

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


def _bent_loss(alpha: Tensor, w: Tensor) -> Tensor:
    """(w − α)² + αw³/3: not quadratic, so that it matters where its slopes are taken."""
    return (w - alpha) ** 2 + alpha * w**3 / 3


def _bent_terms(alpha: float, w: float, xi: float) -> tuple[float, float, float]:
    """w′, direct and implicit term with ``_bent_loss`` as training loss, by hand."""
    virtual = w - xi * (2 * (w - alpha) + alpha * w**2)
    return virtual, virtual - 2, -xi * (-2 + w**2) * alpha


@check
def check_finite_difference(answer: Callable[..., Tensor]) -> str:
    """``answer(alpha, w, xi, epsilon, L_train, L_val)`` is eq. 8 with w ± εv.

    On the problem of Fig. 2, and on one whose training loss is not quadratic.
    """
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
            found = ask(answer, *_at(alpha, w), xi, epsilon, train_loss, validation_loss)
            same(found, _number(direct + implicit), where, mistakes)
    for alpha, w, xi in _POINTS:
        virtual, direct, implicit = _bent_terms(alpha, w, xi)
        mistakes = {
            "the two slopes are taken at w′ ± εv; eq. 8 takes them at w ± εv. (Where L_train is "
            "quadratic that makes no difference)": _number(direct - xi * (-2 + virtual**2) * alpha),
            "the losses of Fig. 2 are used, not those that are given": _number(
                sum(terms(alpha, w, xi)[1:])
            ),
        }
        where = f"finite_difference({alpha:g}, {w:g}, {xi:g}) of another training loss"
        found = ask(answer, *_at(alpha, w), xi, 0.001, _bent_loss, validation_loss)
        same(found, _number(direct + implicit), where, mistakes)
    return "equal to the exact gradient on Fig. 2, and on a training loss that is not quadratic."


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


QUIZ = Quiz(
    [
        Question(
            "Why does first order end at α = 2 in Fig. 2?",
            "It takes w for fixed, and w − 2 is zero there",
            "It never learns that moving α would move w too.",
            {
                "It needs more steps": "It is at rest: no number of steps moves it.",
                "Its learning rate is too high": "A smaller one ends at the same place, later.",
            },
        ),
        Question(
            "Is `Exact` the gradient of the bilevel problem?",
            "No: that of L_val(w′, α), one virtual step ahead",
            "And not of L_val(w*(α), α). In Fig. 2 they agree at rest only for ξ = ½.",
            {
                "Yes, that is what exact means": "Exact goes through one virtual step; "
                "w* would take training to the end.",
                "Only if ε is small enough": "ε belongs to the finite difference. Exact has none.",
            },
        ),
        Question(
            "α and w learn from the same points, and α prefers the more flexible operation. Why?",
            "It lowers the loss on just these points best",
            "Noise included. On points that w has not seen, it is no help.",
            {
                "Flexible operations learn faster": "They need not. They win since they can follow "
                "noise, however long that takes.",
                "The optimiser of α is too weak": "It does its work: its loss falls.",
            },
        ),
        Question(
            "An ε far too small gives …",
            "a difference that drowns in rounding",
            "Two nearly equal gradients are subtracted, and few digits are left.",
            {
                "a better derivative, only slower": "As good as the digits allow, and no slower.",
                "first order": "First order leaves the term out; here it is there, full of noise.",
            },
        ),
    ]
)
