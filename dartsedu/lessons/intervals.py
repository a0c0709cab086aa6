"""Intervals of a mean and of a difference, and groups of scores drawn with theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dartsedu.lessons.panel import SOFT, Dots, Line, Mark, Panel, Scene

Scores = NDArray[np.float64]


class Interval(NamedTuple):
    """A mean with the ends of its interval."""

    mean: float
    low: float
    high: float


def interval(scores: Scores, level: float = 0.95) -> Interval:
    """Student's interval of the mean of at least two scores, as SciPy gives it."""
    ends = stats.ttest_1samp(scores, 0).confidence_interval(level)
    return Interval(float(np.mean(scores)), float(ends.low), float(ends.high))


def difference(a: Scores, b: Scores, paired: bool = False, level: float = 0.95) -> Interval:
    """The interval of mean(a) − mean(b): Welch's for two groups, Student's for pairs."""
    test = stats.ttest_rel(a, b) if paired else stats.ttest_ind(a, b, equal_var=False)
    ends = test.confidence_interval(level)
    return Interval(float(np.mean(a) - np.mean(b)), float(ends.low), float(ends.high))


def told(found: Interval, unit: str = "points") -> str:
    """An interval of a difference in words."""
    verdict = "holds zero" if found.low <= 0 <= found.high else "leaves out zero"
    return (
        f"{found.mean:+.1f} {unit}, 95 % interval {found.low:+.1f} to {found.high:+.1f}: {verdict}"
    )


def planned(a: Scores, b: Scores, n: int, level: float = 0.95) -> Interval:
    """What the interval of mean(a) − mean(b) would be with ``n`` scores of each, at least 2.

    For planning: it takes the means and the pooled spread of the scores that there are for the
    truth, and n − 1 degrees of freedom of either group.
    """
    freedom = len(a) + len(b) - 2
    within = float(((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum())
    factor = float(stats.t.ppf((1 + level) / 2, 2 * n - 2))
    half = factor * (within / freedom * 2 / n) ** 0.5
    mean = float(a.mean() - b.mean())
    return Interval(mean, mean - half, mean + half)


def coverage(interval: Callable[..., Any], n: int, trials: int = 2000) -> float:
    """How often an interval of ``n`` normal scores with mean zero holds zero."""
    scores = np.random.default_rng(0).normal(size=(trials, n))
    ends = [interval(row)[-2:] for row in scores]
    return float(np.mean([low <= 0 <= high for low, high in ends]))


def groups_scene(
    what: str,
    groups: Mapping[str, Scores],
    inks: Sequence[str],
    lines: Mapping[str, float] | None = None,
    margin: float = 5.0,
    most: float = 100.0,
) -> Scene:
    """Every score a dot; beside each group of two or more its mean with Student's interval.

    Args:
        what: is measured, for the axis.
        groups: scores by name.
        inks: a colour for each group.
        lines: drawn across, by name.
        margin: free space below and above.
        most: no axis ends above this.
    """
    marks: list[Mark] = []
    words = []
    for row, ((name, scores), ink) in enumerate(zip(groups.items(), inks, strict=True), 1):
        count = len(scores)
        marks.append(Dots(row + np.linspace(-0.2, 0.1, count), scores, ink))
        if count == 1:
            words.append(f"{name}: {scores[0]:.1f}, a single one")
            continue
        mean, low, high = interval(scores)
        marks.append(Line([row + 0.25] * 2, [low, high], ink))
        marks.append(Dots([row + 0.25], [mean], ink, size=6))
        words.append(
            f"{name}: {scores.min():.1f} to {scores.max():.1f}, mean {mean:.1f}, interval "
            f"{low:.1f} to {high:.1f}"
        )
    every = [*np.concatenate(list(groups.values())), *(lines or {}).values()]
    for name, value in (lines or {}).items():
        marks.append(Line([0.5, len(groups) + 0.6], [value, value], SOFT, name, "--"))
        words.append(f"{name}: {value:.1f}")
    ends = floor(min(every) - margin), min(most, ceil(max(every) + margin))
    panel = Panel(
        "each network; the mean, its interval",
        marks,
        "",
        what,
        (0.5, len(groups) + 0.6),
        ends,
        ticks={"x": list(enumerate(groups, 1))},
    )
    return Scene([panel], f"{what.capitalize()}. {'; '.join(words)}.")
