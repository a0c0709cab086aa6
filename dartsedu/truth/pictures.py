"""Pictures of all cells, and of a search on its way through them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import groupby

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from dartsedu.genotype import Genotype
from dartsedu.show.measures import genotypes
from dartsedu.show.picture import STYLE, Picture, blank_picture
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace
from dartsedu.truth.cells import TruthError
from dartsedu.truth.table import Standing, Truth

ALL, PATH, END = "#8d9184", "#17202c", "#c2410c"


def landscape_figure(
    truth: Truth,
    steps: Sequence[Step] = (),
    rule: str | None = None,
    log: bool = True,
    space: SearchSpace | None = None,
) -> Picture:
    """Every different cell, true accuracy against parameters; the path of a search among them.

    The path joins the cells that ``rule`` would have kept after each step of ``steps``, as far as
    they are in the table. ``log`` stretches the axis of the parameters. ``space`` is that of the
    search, where it is not the table's own.
    """
    path = path_of(truth, genotypes(space or truth.space, steps, rule))
    picture, ((axis,),) = blank_picture(1, 1, 8.5, 4.6, landscape_words(truth, path))
    draw_landscape(axis, truth, path, log)
    with mpl.rc_context(STYLE):
        axis.legend(loc="lower right")
    return picture


def path_of(truth: Truth, found: Iterable[Genotype]) -> list[int]:
    """The rows that a search passes through, none twice in a row; cells without one left out."""
    rows: list[int] = []
    for genotype in found:
        with suppress(TruthError):
            rows.append(truth.row(genotype))
    return [row for row, _ in groupby(rows)]


def landscape_words(truth: Truth, path: Sequence[int]) -> str:
    """What ``draw_landscape`` shows, in words."""
    words = (
        f"The {len(truth):,} different cells, true accuracy against parameters. Accuracies go from "
        f"{truth.accuracies.min():.2f} to {truth.accuracies.max():.2f}."
    )
    if path:
        first, last = (truth.accuracies[row] for row in (path[0], path[-1]))
        words += (
            f" The search passes through {len(path)} of them, from {first:.2f} (open circle) to "
            f"{last:.2f} (filled): "
            f"{truth.standing(truth.genotype(path[-1]))}."
        )
    return words


def draw_landscape(axis: Axes, truth: Truth, path: Sequence[int], log: bool = True) -> None:
    """Draw all cells of a table, and the path of a search (``path_of``) among them."""
    with mpl.rc_context(STYLE):
        # Cells of one size stand apart a little, always alike.
        spread = np.random.default_rng(0).uniform(0.97, 1.03, len(truth))
        axis.plot(
            truth.parameters * spread,
            100 * truth.accuracies,
            ".",
            color=ALL,
            markersize=2.5,
            alpha=0.6,
            label=f"all {len(truth):,} cells",
            rasterized=True,
        )
        if path:
            rows = list(path)
            x, y = truth.parameters[rows], 100 * truth.accuracies[rows]
            axis.plot(x, y, "-", color=PATH, linewidth=1.2, label="kept if stopped, step by step")
            axis.plot(x[:1], y[:1], "o", color=PATH, fillstyle="none", label="at the first step")
            axis.plot(x[-1:], y[-1:], "o", color=END, label="at the end")
        if log:
            axis.set_xscale("log")
        axis.set_xlabel("parameters")
        axis.set_ylabel("true accuracy, %")


def standing_figure(
    truth: Truth,
    steps: Sequence[Step],
    rule: str | None = None,
    space: SearchSpace | None = None,
) -> Picture:
    """True accuracy and rank of the cell that ``rule`` would keep, step by step.

    A rule may leave an edge out; steps whose cell the table has not are left out. Raises
    ``TruthError`` where no step remains. ``space`` is that of the search, where it is not the
    table's own.
    """
    known: list[tuple[int, Standing]] = []
    for step in steps:
        with suppress(TruthError):
            known.append((step.index + 1, truth.standing_now(step.alphas, rule, space)))
    if not known:
        raise TruthError(f"the table {truth.about.name!r} has none of the cells of this search")
    x, standings = zip(*known, strict=True)
    last = standings[-1]
    alt = (
        f"True accuracy of the cell that would be kept after each of {len(known)} steps, from "
        f"{standings[0].accuracy:.2f} to {last.accuracy:.2f}; the best of all cells has "
        f"{last.accuracy + last.regret:.2f}. At the end {last}."
    )
    picture, ((left, right),) = blank_picture(1, 2, 10, 3.4, alt)
    with mpl.rc_context(STYLE):
        left.step(x, [100 * s.accuracy for s in standings], where="post", color=PATH)
        left.axhline(100 * (last.accuracy + last.regret), color=END, linestyle="--", label="best")
        middle = 100 * truth.accuracy(truth.median)
        left.axhline(middle, color=ALL, linestyle=":", label="median cell")
        left.set_ylabel("true accuracy, %")
        left.legend(loc="lower right")
        right.step(x, [s.rank for s in standings], where="post", color=PATH)
        right.set_yscale("log")
        right.invert_yaxis()
        right.set_ylabel(f"rank of {last.of:,}")
        for axis in (left, right):
            axis.set_xlabel("step")
    return picture
