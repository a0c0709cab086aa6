"""Lesson 07: curves that bend into data while a search runs, kept to be played again."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dartsedu.data.tables import TableTask
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import BLUE, SOFT, Dots, Line, Mark, Panel, Scene
from dartsedu.search import Search
from dartsedu.show.palette import short
from dartsedu.spaces.equation import EquationSupernet
from dartsedu.spaces.equation.words import CELL

FRAMES, POINTS, BESIDE = 25, 30, 5
LEADING = BLUE


def forming_explorer(search: Search, task: TableTask) -> Explorer:
    """Run a search to its end; a slider, with a play button, over the curves of some restarts.

    The strong curve is that of the restart that leads at the end, the faint ones are others. The
    task has one variable.
    """
    supernet, scaling = search.supernet, task.scaling
    assert isinstance(supernet, EquationSupernet)
    wanted = sorted({round(s) for s in np.geomspace(1, search.total, FRAMES)})
    table = task.table(task.training)
    x = table.inputs[:, 0]
    grid = np.linspace(x.min(), x.max(), POINTS)
    inputs = torch.from_numpy(grid[:, None] / scaling.inputs[0])
    curves: dict[int, NDArray[np.float64]] = {}
    errors: dict[int, NDArray[np.float64]] = {}
    kept: dict[int, list[str]] = {}
    for step in search:
        number = step.index + 1
        if number not in wanted:
            continue
        with torch.no_grad():
            curves[number] = supernet.respond(inputs)[..., 0].numpy()
            batch = task.architecture.whole
            rest = supernet.respond(batch.inputs) - batch.targets
            errors[number] = rest.square().mean(dim=(1, 2)).sqrt().numpy()
        names = [[short(e.primitive) for _, e in g[CELL].edges] for g in supernet.genotypes()]
        kept[number] = [", ".join(edges) for edges in names]
    ranked = np.argsort(errors[wanted[-1]])
    leader, others = int(ranked[0]), ranked[1 :: max(1, len(ranked) // BESIDE)]
    margin = 0.15 * float(np.ptp(table.targets))
    ends = float(table.targets.min()) - margin, float(table.targets.max()) + margin

    def show(step: float) -> Scene:
        number = int(step)
        y = scaling.centre[0] + scaling.scale[0] * curves[number]
        marks: list[Mark] = [Dots(x, table.targets, SOFT, "data", size=2)]
        marks += [Line(grid, y[other], LEADING, faint=True) for other in others]
        marks.append(Line(grid, y[leader], LEADING, "the restart that leads at the end"))
        span = float(x.min()), float(x.max())
        panel = Panel("mixtures on the data", marks, task.variables[0], task.targets[0], span, ends)
        return Scene(
            [panel],
            f"Step {number} of {wanted[-1]}: it misses held-out rows by "
            f"{errors[number][leader]:.2f} deviations. "
            f"Strongest on its edges: {kept[number][leader]}.",
        )

    return Explorer(
        "A curve bends into data", show, step=Control("step", wanted, wanted[0], rate=4.0)
    )
