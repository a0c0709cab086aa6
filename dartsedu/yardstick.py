"""What a network is judged by on its test split: accuracy or perplexity."""

from __future__ import annotations

from collections.abc import Callable
from math import exp
from typing import Literal, NamedTuple

Measured = Literal["accuracy", "perplexity"]


class Yardstick(NamedTuple):
    """One way to judge: its name, which way is better, how to write a value and a difference."""

    name: Measured
    larger_is_better: bool
    show: Callable[[float], str]
    difference: Callable[[float], str]


ACCURACY = Yardstick("accuracy", True, lambda x: f"{x:.1%}", lambda x: f"{100 * x:+.1f} points")
PERPLEXITY = Yardstick("perplexity", False, lambda x: f"{x:.1f}", lambda x: f"{x:+.1f}")


def perplexity(loss: float) -> float:
    """exp of a mean loss in nats a word: among how many words the model wavers; ∞ beyond 700."""
    return exp(loss) if loss < 700 else float("inf")
