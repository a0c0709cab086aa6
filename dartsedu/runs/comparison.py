"""The found cell's networks against those of random cells: Welch's interval, and a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite, sqrt
from statistics import variance
from typing import NamedTuple

from scipy.stats import t as students_t

from dartsedu.base.yardstick import Yardstick
from dartsedu.runs.results import GENOTYPE, RANDOM, Trained


class Comparison(NamedTuple):
    """The test score of the genotype's networks against random cells, with a verdict in words."""

    found: float
    random: float
    low: float
    high: float
    verdict: str


def compare(trained: Sequence[Trained], yardstick: Yardstick) -> Comparison | None:
    """Welch's 95 % interval of the difference in test scores; ``None`` without both kinds.

    Where one network of a kind has no finite score, or there is nothing to tell noise by, the
    interval is the difference alone and the verdict says why.
    """
    found = [t.test[yardstick.name] for t in trained if t.kind == GENOTYPE]
    random = [t.test[yardstick.name] for t in trained if t.kind == RANDOM]
    if not found or not random:
        return None
    if not all(map(isfinite, [*found, *random])):
        low = high = difference = _mean(found) - _mean(random)
        verdict = "A network without a finite score cannot be compared."
        return Comparison(_mean(found), _mean(random), low, high, verdict)
    difference, half = _mean(found) - _mean(random), _half_width(found, random)
    low, high = difference - half, difference + half
    if min(len(found), len(random)) < 2:
        verdict = "Too few networks to say more than that: train several of each."
    elif half == 0:
        verdict = (
            "All networks of a kind score the same, so there is no noise to compare this with: "
            "a larger test split would tell them apart."
        )
    elif low <= 0 <= high:
        verdict = (
            "The interval holds zero: with so few networks this difference cannot be told "
            "from noise."
        )
    else:
        better = "better" if (difference > 0) == yardstick.larger_is_better else "worse"
        verdict = (
            f"The interval leaves out zero: on this task and budget the found cell is {better} "
            "than random cells."
        )
    return Comparison(_mean(found), _mean(random), low, high, verdict)


def _mean(values: Sequence[float]) -> float:
    """The mean, divided before it is summed, so that large perplexities have one."""
    return sum(value / len(values) for value in values)


def _half_width(one: Sequence[float], other: Sequence[float]) -> float:
    """Half of Welch's 95 % interval of a difference of means; 0 for fewer than two of a kind.

    A kind whose values are all the same has the variance 0, exactly.
    """
    if min(len(one), len(other)) < 2:
        return 0.0
    unit = max(map(abs, [*one, *other])) or 1.0  # Squares of large perplexities overflow.
    parts = [variance([v / unit for v in values]) / len(values) for values in (one, other)]
    if not (total := sum(parts)):
        return 0.0
    shares = zip(parts, (one, other), strict=True)
    freedom = 1 / sum((part / total) ** 2 / (len(values) - 1) for part, values in shares)
    return unit * float(students_t.ppf(0.975, freedom)) * sqrt(total)
