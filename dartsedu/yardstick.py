"""What is judged by on the test split: accuracy, perplexity or the error of an equation."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, sqrt
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
        """The accuracy of a score, or the perplexity or error that belongs to its loss."""
        if self.name == "perplexity":
            return perplexity(score.loss)
        if self.name == "error":
            return relative_error(score.loss)
        assert score.accuracy is not None
        return score.accuracy


ACCURACY = Yardstick("accuracy", True, lambda x: f"{x:.1%}")
PERPLEXITY = Yardstick("perplexity", False, lambda x: f"{x:.1f}")
ERROR = Yardstick("error", False, lambda x: f"{x:.2%}")
"""Root mean square error in standard deviations of the target."""


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats a word: among how many words the model wavers; ∞ beyond 700."""
    return exp(loss) if loss < 700 else float("inf")


def relative_error(loss: float) -> float:
    """The root of a mean squared error of targets that were brought to variance 1."""
    return sqrt(loss)
