"""Scores of networks on the test split, by group, beside what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np

from dartsedu.base.yardstick import ACCURACY, Yardstick
from dartsedu.show.palette import INK, SOFT, label
from dartsedu.show.picture import Picture, blank_picture


def scores_figure(
    groups: Mapping[str, Sequence[float]],
    yardstick: Yardstick = ACCURACY,
    lines: Mapping[str, float] | None = None,
) -> Picture:
    """Test accuracies or perplexities by group: every network a dot, the mean a bar.

    ``lines`` are values to compare with, by name, drawn over all groups. What has no place on the
    axis, such as an infinite perplexity, is written beside it. Raises ``ValueError`` for a group
    without a value.
    """
    lines = lines or {}
    show = yardstick.show
    if not all(map(len, groups.values())):
        raise ValueError("there is no network to draw yet: train one of each group first")
    with np.errstate(over="ignore", invalid="ignore"):
        means = {name: float(np.mean(values)) for name, values in groups.items()}
    alt = f"Test {yardstick.name}. " + "; ".join(
        f"{name}: mean {show(means[name])} of {len(values)} networks, from {show(min(values))} to "
        f"{show(max(values))}"
        for name, values in groups.items()
    )
    alt += "".join(f"; {name}: {show(value)}" for name, value in lines.items())
    picture, axes = blank_picture(1, 1, 7.5, 0.9 + 0.8 * len(groups) + 0.3 * bool(lines), alt + ".")
    axis = axes[0, 0]
    colours = [INK, SOFT]
    names, every = [], []
    for row, (name, values) in enumerate(groups.items()):
        spread = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0.0]
        ink = colours[min(row, 1)]
        placed = [_has_a_place(value, yardstick) for value in values]
        if _has_a_place(means[name], yardstick):
            axis.plot([means[name]] * 2, [row - 0.3, row + 0.3], color=ink, linewidth=3)
        drawn = np.asarray(values, dtype=np.float64)[placed]
        heights = row + np.asarray(spread)[placed]
        axis.plot(drawn, heights, "o", color=ink, markersize=9, alpha=0.75)
        every += drawn.tolist()
        beside = dict.fromkeys(show(v) for v, has in zip(values, placed, strict=True) if not has)
        names.append(label(name) + (f"\nnot drawn: {label(', '.join(beside))}" if beside else ""))
    axis.set_yticks(range(len(groups)), names)
    axis.set_ylim(len(groups) - 0.5, -0.5)
    lines = {name: value for name, value in lines.items() if _has_a_place(value, yardstick)}
    if yardstick.share:
        # At least ten points wide, so that a small difference looks small.
        every = every or [0.5]
        middle, half = (min(every) + max(every)) / 2, max(0.05, 0.6 * (max(every) - min(every)))
        axis.set_xlim(middle - half, middle + half)
        axis.xaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
    else:
        axis.set_xscale("log")
        logs = np.log([*every, *lines.values()] or [1.0])
        # At least a factor of two wide, for the same reason.
        middle, half = (logs.min() + logs.max()) / 2, (logs.max() - logs.min()) / 2
        half = max(np.log(2) / 2, np.log(1.15) + half)
        axis.set_xlim(np.exp(middle - half), np.exp(middle + half))
        for kind in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
            kind(mpl.ticker.LogFormatter(minor_thresholds=(2, 0.8)))
    low, high = axis.get_xlim()
    for name, value in lines.items():
        if not low <= value <= high:
            continue
        axis.axvline(value, color="#5b6676", linestyle=":", linewidth=1.5)
        axis.annotate(label(name), (value, 1.02), xycoords=("data", "axes fraction"), ha="center")
    axis.set_xlabel(f"{yardstick.name} on the test split")
    axis.grid(axis="x", alpha=0.3)
    return picture


def _has_a_place(value: float, yardstick: Yardstick) -> bool:
    """Whether a value can stand on the axis: an accuracy from 0 to 1, else what has a logarithm."""
    return 0 <= value <= 1 if yardstick.share else 1e-99 < value < 1e99
