"""Lesson 07: an edge of functions, a graph that finds a law, two laws that look alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import comb

import numpy as np
import torch
from IPython.display import display
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.data.tables import TableTask, table_task
from dartsedu.discretisation import discretised_mixture
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import (
    BLUE,
    INK,
    RED,
    SOFT,
    Bars,
    Dots,
    Line,
    Mark,
    Panel,
    Scene,
    Style,
    draw,
)
from dartsedu.lessons.relaxation import growth_data
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.show.palette import colour, short
from dartsedu.show.picture import Picture
from dartsedu.spaces.equation import Discovery, EquationSupernet, conclude, equation_space
from dartsedu.spaces.equation.formulas import Formula
from dartsedu.spaces.equation.refit import refit
from dartsedu.spaces.equation.words import CELL

Floats = NDArray[np.float64]

THREE = ("linear", "linear_exp", "linear_logistic")
"""The functions of lesson 01's edge, by their names here."""
MIXTURE, CUT, FITTED = BLUE, RED, INK
"""Inks of curves."""


def growth_task() -> TableTask:
    """The 40 points of a logistic curve that lesson 01 mixes functions on."""
    x, y = growth_data()
    return table_task(x[:, None].numpy(), y.numpy(), name="growth")


def equation_search(task: TableTask, seed: int = 0, nodes: int = 2, epochs: int = 150) -> Search:
    """A search of 64 restarts with the settings of the preset ``equation``, but ``epochs``."""
    torch.manual_seed(seed)
    space = equation_space(len(task.variables), nodes)
    supernet = EquationSupernet(space, restarts=64, complexity=1e-3, alpha_scale=1e-3)
    settings = load_preset("equation", [f"search.epochs={epochs}"]).search
    return Search(supernet, task, settings, seed=seed)


def discovered(task: TableTask, seed: int = 0, epochs: int = 150) -> Discovery:
    """Search and conclude; in a notebook a line says how far it is, and is gone at the end."""
    line = display(Working("begins"), display_id=True)

    def say(what: str, done: int, total: int) -> None:
        if line is not None:
            line.update(Working(f"{what}: {done} of {total}"))

    search = equation_search(task, seed, epochs=epochs)
    for step in search:
        if (step.index + 1) % 25 == 0:
            say("search, steps", step.index + 1, search.total)
    assert isinstance(search.supernet, EquationSupernet)
    found = conclude(search.supernet, task, progress=say)
    if line is not None:
        line.update(Working(""))
    return found


@dataclass(frozen=True)
class Working:
    """A line of a notebook that changes while one waits."""

    text: str

    def __repr__(self) -> str:
        return self.text


# ---- One edge -----------------------------------------------------------------------------------


def strongest(supernet: EquationSupernet) -> dict[str, float]:
    """The share of a supernet's restarts, of one edge each, that would keep each primitive."""
    kept = [genotype[CELL].nodes[0][0].primitive for genotype in supernet.genotypes()]
    return {p: kept.count(p) / len(kept) for p in supernet.space.primitives}


def strongest_picture(shares: Mapping[int, Mapping[str, float]]) -> Picture:
    """Which primitive leads in what share of the restarts, a panel for each number of steps."""
    panels, words = [], []
    for steps, found in shares.items():
        names = [short(p) for p in found]
        bars = Bars(names, list(found.values()), [colour(p) for p in found])
        panels.append(Panel(f"after {steps} steps", [bars], "share of restarts", xlim=(0, 1)))
        told = ", ".join(f"{n} {s:.0%}" for n, s in zip(names, found.values(), strict=True))
        words.append(f"after {steps} steps {told}")
    return draw(Scene(panels, f"Which function leads, by share of restarts: {'; '.join(words)}."))


# ---- A graph, and what is left of it ------------------------------------------------------------


def data_picture(task: TableTask) -> Picture:
    """The rows of the three splits of a table with one variable."""
    looks = {"weights": MIXTURE, "architecture": CUT, "test": SOFT}
    tables = {name: task.table(getattr(task, name)) for name in looks}
    marks = [
        Dots(table.inputs[:, 0], table.targets, looks[name], name, size=2.5)
        for name, table in tables.items()
    ]
    counts = ", ".join(f"{len(table.targets)} {name}" for name, table in tables.items())
    x = np.concatenate([table.inputs[:, 0] for table in tables.values()])
    y = np.concatenate([table.targets for table in tables.values()])
    panel = Panel("", marks, task.variables[0], task.targets[0], _ends(x), _ends(y))
    text = (
        f"{task.targets[0]} against {task.variables[0]}, rising ever more slowly. Rows: {counts}."
    )
    return draw(Scene([panel], text))


def _ends(values: Floats) -> tuple[float, float]:
    margin = 0.05 * float(np.ptp(values))
    return float(values.min()) - margin, float(values.max()) + margin


@dataclass(frozen=True)
class Stage:
    """A function on the way from mixture to equation.

    Attributes:
        error: root mean square error on the architecture split, in deviations of the target.
        x, y: its curve, in the units of the data.
    """

    error: float
    x: Floats
    y: Floats


def stages(supernet: EquationSupernet, task: TableTask) -> dict[str, Stage]:
    """What discretisation does to the leading restart: mixture, argmax, argmax refitted.

    The task has one variable. The supernet stays as it is.
    """
    leader, copy = supernet.leader, deepcopy(supernet)
    genotypes = copy.genotypes()
    kept = torch.stack([discretised_mixture(copy.space, g)[CELL] for g in genotypes]).double()
    found = {
        "mixture": _stage(copy, None, leader, task),
        "argmax": _stage(copy, kept, leader, task),
    }
    refit(copy, kept, task.weights.whole)
    return {**found, "argmax, refitted": _stage(copy, kept, leader, task)}


@torch.no_grad()
def _stage(
    supernet: EquationSupernet, mixture: Tensor | None, leader: int, task: TableTask
) -> Stage:
    batch, scaling = task.architecture.whole, task.scaling
    rest = supernet.respond(batch.inputs, mixture)[leader] - batch.targets
    x = task.table(task.training).inputs[:, 0]
    grid = np.linspace(x.min(), x.max(), 120)
    inputs = torch.from_numpy(grid[:, None] / scaling.inputs[0])
    y = supernet.respond(inputs, mixture)[leader, :, 0].numpy()
    error = float(rest.square().mean().sqrt())
    return Stage(error, grid, scaling.centre[0] + scaling.scale[0] * y)


def stages_picture(found: Mapping[str, Stage], task: TableTask) -> Picture:
    """The curves of ``stages`` on the data of the architecture split."""
    table = task.table(task.architecture)
    y = np.concatenate([table.targets, *(stage.y for stage in found.values())])
    marks: list[Mark] = [Dots(table.inputs[:, 0], table.targets, SOFT, "data", size=2.5)]
    styles: tuple[Style, ...] = ("-", ":", "--")
    looks = zip(found.items(), (MIXTURE, CUT, FITTED), styles, strict=True)
    for (name, stage), ink, style in looks:
        marks.append(Line(stage.x, stage.y, ink, name, style))
    words = ", ".join(f"{name} {stage.error:.3f}" for name, stage in found.items())
    text = f"Three curves on the data. Their errors, in deviations of the target: {words}."
    ends = _ends(table.inputs[:, 0])
    return draw(Scene([Panel("", marks, task.variables[0], task.targets[0], ends, _ends(y))], text))


def listed(found: Discovery, task: TableTask) -> str:
    """The formulas of a discovery, preferred first, a line each."""
    scale = task.scaling.scale[0]
    lines = ["    error  complexity  formula"]
    for number, candidate in enumerate(found.candidates):
        mark = "→" if number == 0 else " "
        error = candidate.error**0.5 / scale
        written = as_text(candidate.formula)
        lines.append(f"{mark} {error:7.3f}  {candidate.formula.complexity:10}  {written}")
    return "\n".join(lines)


def as_text(formula: Formula) -> str:
    """A formula as the lesson writes it: ln, ^ and · in the place of SymPy's log, ** and *."""
    return str(formula).replace("log(", "ln(").replace("**", "^").replace("*", "·")


# ---- Restarts -----------------------------------------------------------------------------------


def best_of(errors: Sequence[float], count: int) -> float:
    """The least error of ``count`` of these restarts: its median over all draws.

    Drawn without repetition. The least is among the first i of n errors in ascending order with the
    chance 1 − C(n − i, count) / C(n, count).
    """
    ordered, n = sorted(errors), len(errors)
    if not 1 <= count <= n:
        raise ValueError(f"count is {count}; expected 1 to {n}, the number of errors")
    return next(e for i, e in enumerate(ordered, 1) if 2 * comb(n - i, count) <= comb(n, count))


def best_of_picture(errors: Mapping[str, Sequence[float]], floor: float) -> Picture:
    """Errors of restarts in order, and the best of so many in the median.

    Errors are root mean squares in deviations of the target; ``floor`` is that of the noise.
    """
    looks: tuple[tuple[str, Style], ...] = ((MIXTURE, "-"), (SOFT, "--"), (FITTED, ":"))
    ranked: list[Mark] = []
    best: list[Mark] = []
    words, most = [], 1
    finite = {name: [e for e in values if np.isfinite(e)] for name, values in errors.items()}
    for (name, values), (ink, style) in zip(finite.items(), looks, strict=False):
        counts = list(range(1, len(values) + 1))
        medians = [best_of(values, k) for k in counts]
        ranked.append(Line(counts, sorted(values), ink, name, style))
        best.append(Line(counts, medians, ink, name, style))
        words.append(
            f"{name}: one restart {medians[0]:.3f}, the best of four {medians[3]:.3f}, of all "
            f"{medians[-1]:.3f}"
        )
        most = max(most, len(values))
    line = Line([1, most], [floor, floor], SOFT, "noise", "--", faint=True)
    ends = (0.8 * min(floor, *(min(part) for part in finite.values())), 3.0)
    top = 1.3 * max(floor, *(best_of(part, 1) for part in finite.values()))
    panels = [
        Panel(
            "every restart", [*ranked, line], "restart, best first", "error", (1, most), ends, "y"
        ),
        Panel("the best of so many", [*best, line], "restarts", "error", (1, most), (0.0, top)),
    ]
    ahead = [_lesser(finite, measure) for measure in (lambda e: best_of(e, 1), min)]
    return draw(
        Scene(
            panels,
            f"Errors on held-out rows, medians. {'; '.join(words)}. Noise: {floor:.3f}. "
            f"The typical restart: {ahead[0]}. The best of all: {ahead[1]}.",
        )
    )


CLOSE = 0.01
"""Errors that differ by less than this share are called equal."""


def _lesser(errors: Mapping[str, Sequence[float]], measure: Callable[..., float]) -> str:
    """Which of two groups has the lesser error by a measure, and by how much, in words."""
    (one, other), (a, b) = list(errors), [measure(list(values)) for values in errors.values()]
    if abs(a - b) <= CLOSE * min(a, b):
        return f"{one} and {other} within {CLOSE:.0%} of each other"
    return f"{one if a < b else other} ahead by {abs(a - b) / max(a, b):.0%}"


# ---- Two formulas, one set of data --------------------------------------------------------------

ROWS = 60


_POINTS = 400
_DRAWN = np.linspace(0, _POINTS - 1, 40).round().astype(int)
FEWEST = 4
"""Rows without which two curves of two constants each cannot be compared at all."""


def rows_needed(misfit: float, noise: float) -> int:
    """About how many rows tell two formulas apart: then their errors differ by two standard errors.

    Over n rows the squared errors differ by n · misfit² on average, with the standard error
    2 · √n · misfit · noise: twice that needs n = 16 (noise / misfit)².
    """
    return max(FEWEST, round(16 * (noise / misfit) ** 2))


def misfit(exponent: float, span: float) -> tuple[Floats, Floats, Floats, float]:
    """x from 1 to ``span``, x^exponent in deviations of its own, the nearest a + b ln(x), and by
    how much that misses, as a root mean square.
    """
    grid = np.geomspace(1.0, span, _POINTS)
    power = (grid**exponent - (grid**exponent).mean()) / (grid**exponent).std()
    near = _fitted(np.log(grid), power)
    return grid, power, near, float(np.sqrt(np.mean((near - power) ** 2)))


def rivals_explorer() -> Explorer:
    """A power law with noise, and the logarithm that comes closest to it.

    Stimuli are spaced by ratios, as in experiments on sensation.
    """
    generator = np.random.default_rng(0)
    places, draws = np.sort(generator.uniform(size=ROWS)), generator.standard_normal(ROWS)

    def show(exponent: float, span: float, noise: float) -> Scene:
        grid, power, near, missed = misfit(exponent, span)
        x = span**places
        y = np.interp(x, grid, power) + noise * draws
        rows = rows_needed(missed, noise)
        marks: list[Mark] = [
            Dots(x, y, SOFT, f"{ROWS} rows", size=2.5),
            Line(grid[_DRAWN], power[_DRAWN], colour("power"), f"x^{exponent:g}, the truth"),
            Line(grid[_DRAWN], near[_DRAWN], colour("ln"), "a + b ln(x)", "--"),
        ]
        bars = Bars(["noise", "misfit of ln"], [100 * noise, 100 * missed], [SOFT, colour("ln")])
        return Scene(
            [
                Panel("two formulas", marks, "x", "y", (1.0, span), (-3.0, 2.8)),
                Panel("in % of the deviation of y", [bars], xlim=(0.0, 65.0)),
            ],
            f"The best logarithm misses the power by {100 * missed:.2f} %, the noise is "
            f"{100 * noise:.0f} %. To tell them apart takes about {rows:,} rows: {ROWS} are "
            f"{'enough' if rows <= ROWS else 'too few'}.",
        )

    return Explorer(
        "A power or a logarithm?",
        show,
        exponent=Control("exponent a", [0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 1.0], 0.33),
        span=Control(
            "largest x (the least is 1)", [2.0, 5.0, 10.0, 30.0, 100.0, 1000.0, 10_000.0], 2.0
        ),
        noise=Control("noise", [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], 0.1),
    )


def _fitted(feature: Floats, y: Floats) -> Floats:
    """The best a + b · feature, by least squares."""
    a, b = _line(feature, y)
    return a + b * feature


def _line(feature: Floats, y: Floats) -> tuple[float, float]:
    columns = np.column_stack([np.ones_like(feature), feature])
    a, b = np.linalg.lstsq(columns, y, rcond=None)[0]
    return float(a), float(b)


def near_logarithm(task: TableTask, exponent: float) -> str:
    """A power of a small exponent and the logarithm, both fitted to all rows but the test's."""
    table = task.table(task.training)
    x, y = table.inputs[:, 0], table.targets
    (name,), (target,) = task.variables, task.targets

    def told(feature: Floats, written: str) -> tuple[float, str]:
        a, b = _line(feature, y)
        error = float(np.std(y - a - b * feature)) / task.scaling.scale[0]
        sign = "+" if b >= 0 else "−"
        return b, f"{target} = {a:.2f} {sign} {abs(b):.2f}·{written}: error {error:.3f}"

    factor, power = told(x**exponent, f"{name}^{exponent:g}")
    _, logarithm = told(np.log(x), f"ln({name})")
    return f"{power}, and {factor:.2f} · {exponent:g} = {factor * exponent:.2f}\n{logarithm}"
