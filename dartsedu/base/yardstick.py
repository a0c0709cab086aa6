"""What is judged by on the test split: accuracy, perplexity or the error of an equation."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import exp, isfinite, isnan, sqrt
from typing import Literal, NamedTuple, Protocol


class Scored(Protocol):
    """Something with a mean loss and, where there is one, an accuracy."""

    @property
    def loss(self) -> float:
        """Mean loss."""

    @property
    def accuracy(self) -> float | None:
        """0…1."""


class Yardstick(NamedTuple):
    """One way to judge: its name, which way is better, how to write a value."""

    name: Literal["accuracy", "perplexity", "error"]
    larger_is_better: bool
    show: Callable[[float], str]

    def of(self, score: Scored) -> float:
        """The accuracy of a score, or the perplexity or error that belongs to its loss.

        NaN where the score has no accuracy.
        """
        if self.name == "perplexity":
            return perplexity(score.loss)
        if self.name == "error":
            return relative_error(score.loss)
        return float("nan") if score.accuracy is None else score.accuracy


def number(x: float, form: str) -> str:
    """``x`` in a format such as ``.1f``; what a million or more would make long in three digits.

    >>> [number(x, ".1f") for x in (2.25, 1e300, float("inf"), float("nan"))]
    ['2.2', '1e+300', '∞', 'no number']
    """
    if isnan(x):
        return "no number"
    percent, sign = "%" * form.endswith("%"), "+" * form.startswith("+")
    if not isfinite(x):
        return f"{'-' if x < 0 else sign}∞"
    if abs(x) < 1e6:
        return f"{x:{form}}"
    return f"{Decimal(x) * 100:{sign}.3g}%" if percent else f"{x:{sign}.3g}"


ACCURACY = Yardstick("accuracy", True, lambda x: number(x, ".1%"))
PERPLEXITY = Yardstick("perplexity", False, lambda x: number(x, ".1f"))
ERROR = Yardstick("error", False, lambda x: number(x, ".2%"))
"""Root mean square error in standard deviations of the target."""


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats a word: among how many words the model wavers; ∞ beyond 700."""
    return exp(loss) if loss < 700 else float("inf")


def relative_error(loss: float) -> float:
    """The root of a mean squared error of targets that were brought to variance 1.

    NaN of a loss below 0, which is no such error.
    """
    return sqrt(loss) if loss >= 0 else float("nan")
