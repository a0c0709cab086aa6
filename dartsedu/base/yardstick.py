"""What a space judges its networks by: accuracy, perplexity, error, or something of its own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from math import exp, isfinite, isnan, sqrt
from typing import NamedTuple, Protocol


class Scored(Protocol):
    """Something with a mean loss and, where there is one, an accuracy."""

    @property
    def loss(self) -> float:
        """Mean loss."""

    @property
    def accuracy(self) -> float | None:
        """0…1."""


class Yardstick(NamedTuple):
    """One way to judge.

    Attributes:
        name: of what is measured, such as accuracy.
        larger_is_better: which way is better.
        show: how a value is written.
        measure: the value that belongs to a mean loss and, where there is one, an accuracy.
        share: whether it is a part of a whole, 0…1, of which differences are points of a hundred;
            otherwise values are compared by their ratio.
        replaces_loss: whether losses on the way are shown as this.
    """

    name: str
    larger_is_better: bool
    show: Callable[[float], str]
    measure: Callable[[float, float | None], float]
    share: bool = False
    replaces_loss: bool = False

    def of(self, score: Scored) -> float:
        """The value of a score; NaN where it has no accuracy and needs one."""
        return self.measure(score.loss, score.accuracy)


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


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats a word: among how many words the model wavers; ∞ beyond 700."""
    return exp(loss) if loss < 700 else float("inf")


def relative_error(loss: float) -> float:
    """The root of a mean squared error of targets that were brought to variance 1.

    NaN of a loss below 0, which is no such error.
    """
    return sqrt(loss) if loss >= 0 else float("nan")


def _accuracy(loss: float, accuracy: float | None) -> float:
    return float("nan") if accuracy is None else accuracy


ACCURACY = Yardstick("accuracy", True, lambda x: number(x, ".1%"), _accuracy, share=True)
PERPLEXITY = Yardstick(
    "perplexity",
    False,
    lambda x: number(x, ".1f"),
    lambda loss, accuracy: perplexity(loss),
    replaces_loss=True,
)
ERROR = Yardstick(
    "error", False, lambda x: number(x, ".2%"), lambda loss, accuracy: relative_error(loss)
)
"""Root mean square error in standard deviations of the target."""
