"""Where the cell of every step stands among all cells of a small space, for the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dartsedu.genotype import Genotype
from dartsedu.stream.stream import Step
from dartsedu.truth.cells import TruthError
from dartsedu.truth.table import PLACE, Truth

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dartsedu.show.plots import Panel

ROW = "truth row"
"""The scalar of a row that says which row of the table the cell has."""


def scalars(truth: Truth | None) -> list[str]:
    """Names of the numbers of a row that say where its cell stands."""
    return [*PLACE, *([] if truth is None else [ROW])]


def place(truth: Truth | None, step: Step, found: Genotype) -> list[float]:
    """Those numbers: by the table, without one what the step has measured; NaN where nothing is."""
    if truth is None:
        return [step.measured.get(name, np.nan) for name in PLACE]
    try:
        row, standing = truth.row(found), truth.standing(found)
    except TruthError:  # A rule may leave an edge out.
        return [np.nan] * (len(PLACE) + 1)
    return [standing.rank, standing.accuracy, standing.regret, row]


def charts() -> list[dict[str, Any]]:
    """The curves of them, drawn where they are known; ranks on a logarithmic axis, 1 on top."""
    return [
        {"title": name, "lines": [{"scalar": name, "label": name, "ranks": name == PLACE[0]}]}
        for name in PLACE[:2]
    ]


def describe(truth: Truth) -> dict[str, Any]:
    """What the browser must know of a table to draw all cells, as plain JSON."""
    return {
        "name": truth.about.name,
        "parameters": truth.parameters.tolist(),
        "accuracies": [round(accuracy, 4) for accuracy in truth.accuracies.tolist()],
    }


def panel(truth: Truth, found: Sequence[Genotype]) -> Panel:
    """All cells and the way of a search among them, for a static picture."""
    from dartsedu.show.plots import Panel
    from dartsedu.truth.pictures import draw_landscape, landscape_words, path_of

    path = path_of(truth, found)

    def draw(axis: Axes) -> None:
        draw_landscape(axis, truth, path)
        if path:
            axis.set_title(str(truth.standing(truth.genotype(path[-1]))))

    return Panel(draw, landscape_words(truth, path))
