"""Lesson 08: the table of every cell as a landscape, and where a search walks in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.guess import Prediction, predict
from dartsedu.lessons.panel import BLUE, INK, RED, SOFT, Dots, Line, Mark, Panel, Scene, Style, draw
from dartsedu.show.layout import arrange
from dartsedu.show.palette import colour, dashes, short
from dartsedu.show.picture import Picture
from dartsedu.stream.recording import Recording
from dartsedu.truth.cells import choices_of, genotype_of
from dartsedu.truth.table import Standing, Truth

Numbers = NDArray[np.float64]
INKS = (BLUE, RED, INK)
STYLES: tuple[Style, ...] = ("--", ":", "-")

# ---- One cell among all -------------------------------------------------------------------------


def cell(truth: Truth, *primitives: str) -> Genotype:
    """The cell with these primitives on its edges, in the order of ``edge_names``.

    They are called as in pictures: ``"none"``, ``"skip"``, ``"conv 1×1"``,
    ``"conv 3×3"``, ``"avg pool 3×3"``. A single one is put on every edge.
    """
    names = {short(primitive): number for number, primitive in enumerate(truth.space.primitives)}
    edges = len(edge_names(truth))
    return genotype_of(truth.space, [names[p] for p in primitives] * (edges // len(primitives)))


def edge_names(truth: Truth) -> list[str]:
    """The edges of the cell: 0→1, 0→2, 1→2, …"""
    return [f"{link.source}→{link.target}" for link in truth.space.cells[0].edges]


def written(truth: Truth, genotype: Genotype) -> str:
    """A cell on one line."""
    choices = choices_of(truth.space, genotype)
    each = zip(edge_names(truth), choices, strict=True)
    return ", ".join(f"{edge} {short(truth.space.primitives[choice])}" for edge, choice in each)


def table(truth: Truth, cells: Mapping[str, Genotype]) -> str:
    """Where cells stand, a line each."""
    lines = [f"{'cell':<22}{'accuracy':>10}{'regret':>8}{'rank':>7}{'better than':>13}"]
    for name, genotype in cells.items():
        s = truth.standing(genotype)
        lines.append(
            f"{name:<22}{s.accuracy:>10.1%}{s.regret:>8.1%}{s.rank:>7,}{s.better_than:>13.1%}"
        )
    return "\n".join(lines)


def cell_explorer(truth: Truth) -> Explorer:
    """Choose the operation of every edge; see where the cell stands among all."""
    edges = edge_names(truth)
    names = [short(primitive) for primitive in truth.space.primitives]

    def show(**chosen: str) -> Scene:
        genotype = cell(truth, *(chosen[f"edge{i}"] for i in range(len(edges))))
        own = truth.standing(genotype)
        text = f"{own.accuracy:.1%} right; {own}."
        return Scene([_drawn(truth, genotype), _among(truth, own)], text)

    controls = {
        f"edge{i}": Control(edge, names, "skip" if i else "conv 3×3")
        for i, edge in enumerate(edges)
    }
    return Explorer("Build a cell", show, **controls).in_browser(
        "cellOfTable",
        names=names,
        rows=truth.row_of.tolist(),
        right=truth.test_right.sum(axis=1).tolist(),
        images=truth.test_size * len(truth.about.seeds),
    )


def _ink(primitive: str) -> str:
    return SOFT if primitive == "none" else colour(primitive)


def _style(primitive: str) -> Style:
    return ":" if primitive == "none" else dashes(primitive)


def _drawn(truth: Truth, genotype: Genotype) -> Panel:
    """The cell: its edges, then its states."""
    links = truth.space.cells[0].edges
    plan = arrange(1, len(truth.space.cells[0].predecessors), links)
    marks: list[Mark] = []
    on = choices_of(truth.space, genotype)
    for curve, choice in zip(plan.curves, on, strict=True):
        primitive = truth.space.primitives[choice]
        along = np.array([curve.at(t) for t in np.linspace(0, 1, 13)])
        marks.append(Line(along[:, 0], along[:, 1], _ink(primitive), style=_style(primitive)))
    for number, place in enumerate(plan.states):
        marks.append(Dots([place.x], [place.y], INK, label=str(number), size=6))
    for primitive in truth.space.primitives:
        ink, style = _ink(primitive), _style(primitive)
        marks.append(Line([0, 0], [0, 0], ink, short(primitive), style))
    low, high = plan.heights
    ends = -0.3, plan.states[-1].x + 0.4
    return Panel("the cell", marks, xlim=ends, ylim=(low - 0.8, high + 0.8), bare=True)


def _among(truth: Truth, own: Standing) -> Panel:
    """All cells from the best to the worst, and one of them."""
    ordered = np.sort(truth.accuracies)[::-1]
    places = np.unique(np.linspace(0, len(ordered) - 1, 200).round().astype(int))
    marks: list[Mark] = [
        Line(places + 1, ordered[places], SOFT),
        Dots([own.rank], [own.accuracy], RED, label=f"rank {own.rank:,}", size=6),
    ]
    return Panel("among all cells", marks, "rank", "true accuracy", (1, own.of), (0.0, 1.0))


def guesses(truth: Truth) -> list[Prediction]:
    """Three cells whose accuracy is to be guessed."""
    none = len(edge_names(truth)) * ["none"]
    shown = edge_names(truth).index("0→3")
    single = [*none[:shown], "conv 3×3", *none[shown + 1 :]]
    asked = {
        "All six edges are 3×3 convolutions.": cell(truth, "conv 3×3"),
        "All six edges are skip connections.": cell(truth, "skip"),
        "One 3×3 convolution, from state 0 to state 3, and none everywhere else.": (
            cell(truth, *single)
        ),
    }
    return [
        predict(
            f"{question} What share of the test images does it get right?",
            100 * truth.accuracy(genotype),
            f"{truth.standing(genotype)}.".capitalize(),
            unit=" %",
            near=5,
        )
        for question, genotype in asked.items()
    ]


def percent(truth: Truth, cells: Sequence[Genotype]) -> Numbers:
    """The true accuracies of some cells in points, 0…100."""
    return np.array([100 * truth.accuracy(genotype) for genotype in cells])


# ---- The landscape ------------------------------------------------------------------------------


class Spread(NamedTuple):
    """How much networks differ.

    Attributes:
        cells: standard deviation between cells, of their mean accuracies.
        seeds: standard deviation between the trainings of one cell.
        agreement: Spearman's rank correlation of the cells between two seeds, the mean over pairs.
    """

    cells: float
    seeds: float
    agreement: float


def spread(truth: Truth) -> Spread:
    """Over the different cells."""
    of_seeds = truth.test_right / truth.test_size
    pairs = combinations(of_seeds.T, 2)
    return Spread(
        float(truth.accuracies.std(ddof=1)),
        float(of_seeds.var(axis=1, ddof=1).mean() ** 0.5),
        float(np.mean([stats.spearmanr(a, b).statistic for a, b in pairs])),
    )


def crowd_picture(truth: Truth, marked: Mapping[str, Genotype]) -> Picture:
    """How many cells have which accuracy; some cells marked."""
    counts, ends = np.histogram(truth.accuracies, bins=50, range=(0, 1))
    top = 1.1 * counts.max()
    marks: list[Mark] = [Line(np.repeat(ends, 2)[1:-1], np.repeat(counts, 2), SOFT)]
    words = []
    for (name, genotype), ink, style in zip(marked.items(), INKS, STYLES, strict=False):
        accuracy = truth.accuracy(genotype)
        marks.append(Line([accuracy] * 2, [0, top], ink, name, style))
        words.append(f"{name} {accuracy:.1%}")
    x, y = "true accuracy", "cells"
    panel = Panel(f"{len(truth):,} different cells", marks, x, y, (0, 1), (0, top))
    crowded = int(counts.argmax())
    text = (
        f"The fullest bar is {ends[crowded]:.0%} to {ends[crowded + 1]:.0%}. Marked: "
        f"{', '.join(words)}."
    )
    return draw(Scene([panel], text))


def _grid(truth: Truth) -> Numbers:
    """The truth of every cell as written, (primitives, …), an axis for each edge."""
    edges = truth.choices.shape[1]
    return truth.accuracies[truth.row_of].reshape((len(truth.space.primitives),) * edges)


def alikeness(truth: Truth) -> Numbers:
    """(edges + 1,) the correlation of a cell's truth with that of cells so many edges away.

    Over all pairs of cells as they are written. Entry 0 is 1.
    """
    centred = _grid(truth) - _grid(truth).mean()
    count = len(centred)
    # away[d]: for each cell the sum of means over cells that differ on d chosen edges, over all
    # choices of d of the edges so far.
    away = [centred]
    for edge in range(centred.ndim):
        other = [(a.sum(axis=edge, keepdims=True) - a) / (count - 1) for a in away]
        longer = zip([*away, 0.0 * centred], [0.0 * centred, *other], strict=True)
        away = [same + changed for same, changed in longer]
    means = np.array([(centred * a).mean() for a in away])
    choices = np.array([len(list(combinations(range(centred.ndim), d))) for d in range(len(away))])
    found: Numbers = means / choices / centred.var()
    return found


def alikeness_line(truth: Truth) -> Line:
    """That correlation, to be drawn first as a guess over ``alikeness_panel``."""
    found = alikeness(truth)
    return Line(np.arange(len(found)), found, BLUE, "correlation")


def alikeness_panel() -> Panel:
    """Axes for it."""
    zero = Line([0, 6], [0, 0], SOFT, style="--")
    return Panel("alike?", [zero], "edges changed", "correlation", (0, 6), (-0.2, 1.0))


def tops(truth: Truth) -> list[Genotype]:
    """The different cells that no neighbour is better than."""
    grid = _grid(truth)
    best = np.logical_and.reduce(
        [grid == grid.max(axis=edge, keepdims=True) for edge in range(grid.ndim)]
    )
    return [truth.genotype(row) for row in np.unique(truth.row_of[best.ravel()])]


class Sum(NamedTuple):
    """The truth as a sum over edges: a number for each primitive on each edge.

    Attributes:
        effects: (edges, primitives), what each adds to the mean over all cells as written.
        share: how much of the variance between cells the sum explains, 0…1.
        best: the cell that has the best primitive on every edge, by the sum.
    """

    effects: Numbers
    share: float
    best: Genotype


def sum_of_edges(truth: Truth) -> Sum:
    """The least-squares sum, over all cells as they are written."""
    grid = _grid(truth)
    axes = range(grid.ndim)
    effects = np.array(
        [grid.mean(axis=tuple(a for a in axes if a != e)) - grid.mean() for e in axes]
    )
    share = float((effects**2).mean(axis=1).sum() / grid.var())
    return Sum(effects, share, genotype_of(truth.space, effects.argmax(axis=1).tolist()))


def sum_table(truth: Truth, found: Sum) -> str:
    """The effects in points, an edge a line."""
    names = [short(primitive) for primitive in truth.space.primitives]
    lines = ["edge" + "".join(f"{name:>14}" for name in names)]
    for edge, row in zip(edge_names(truth), found.effects, strict=True):
        lines.append(f"{edge:<4}" + "".join(f"{100 * effect:>+14.1f}" for effect in row))
    return "\n".join(lines)


# ---- A search in the landscape ------------------------------------------------------------------

RULES = {"paper": BLUE, "argmax": RED}
"""The rules that the lesson compares, and their inks."""


def path_explorer(truth: Truth, recording: Recording) -> Explorer:
    """A search as it walks: at every step the cell that each rule would keep."""
    stands = {
        rule: [truth.standing_now(step.alphas, rule) for step in recording.steps] for rule in RULES
    }
    steps = [step.index + 1 for step in recording.steps]

    def show(step: int) -> Scene:
        now = steps.index(step)
        slope = _among(truth, stands["paper"][now])
        others: list[Mark] = []
        curves: list[Mark] = []
        for rule, ink in RULES.items():
            own = stands[rule]
            others.append(Dots([own[now].rank], [own[now].accuracy], ink, rule, size=6))
            curves.append(Line(steps[: now + 1], [s.accuracy for s in own[: now + 1]], ink, rule))
        told = "; ".join(f"{rule}: {stands[rule][now]}" for rule in RULES)
        time = Panel("so far", curves, "step", "true accuracy", (1, max(2, steps[-1])), (0.0, 1.0))
        among = Panel(
            slope.title, [slope.marks[0], *others], slope.x, slope.y, slope.xlim, slope.ylim
        )
        return Scene([among, time], f"Step {step}. {told}.")

    return Explorer(
        "The path of the search", show, step=Control("step", steps, steps[-1], rate=8.0)
    )


def kept(truth: Truth, alphas: Sequence[NDArray[np.float32]], rule: str) -> list[Genotype]:
    """The cells that a rule derives from some α, (edges, primitives) each."""
    name = truth.space.cells[0].name
    return [derive(truth.space, {name: alpha}, rule) for alpha in alphas]
