"""From a supernet of many restarts to the equation that explains the data, and its rivals.

Every restart gives an equation: its genotype, its coefficients refitted on the rows that trained w.
The rows that trained α, which no coefficient has seen, say how good it is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, sqrt
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from dartsedu.data.table import Table, TableSplit
from dartsedu.data.tables import TableTask
from dartsedu.derivation import derive
from dartsedu.discretisation import discretised_mixture
from dartsedu.genotype import Genotype
from dartsedu.spaces.equation.expression import Equation, read_equation
from dartsedu.spaces.equation.formulas import Formula, formula, squared_error
from dartsedu.spaces.equation.refit import refit
from dartsedu.spaces.equation.supernet import EquationSupernet
from dartsedu.spaces.equation.words import CELL

LONGEST = 32
"""Terms of an equation, written out, that is made short: the work grows with their third power."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Restart:
    """What one restart found.

    Attributes:
        number: its place among the restarts.
        equation: with coefficients fitted to the weights split.
        error: mean squared error on the architecture split, in units of the targets' variance.
    """

    number: int
    equation: Equation
    error: float


@dataclass(frozen=True)
class Candidate:
    """An equation written short.

    Attributes:
        formula: one output's formula, constants fitted to both splits of the search.
        error: mean squared error of the formula on the architecture split, fitted to the weights
            split, in the target's units.
        spread: the standard error of ``error``.
        restarts: numbers of the restarts whose equations come to this formula.
    """

    formula: Formula
    error: float
    spread: float
    restarts: tuple[int, ...]


@dataclass(frozen=True)
class Discovery:
    """What a search for equations came to.

    Attributes:
        restarts: every restart's equation, the best on the architecture split first.
        candidates: formulas, the preferred first; none if the output is not one real number.
    """

    restarts: tuple[Restart, ...]
    candidates: tuple[Candidate, ...]

    @property
    def equation(self) -> Equation:
        """The equation behind the preferred formula, or the best one."""
        if not self.candidates:
            return self.restarts[0].equation
        number = self.candidates[0].restarts[0]
        return next(r.equation for r in self.restarts if r.number == number)

    @property
    def formula(self) -> Formula:
        """The preferred formula. Raises ``ValueError`` if there is none."""
        if not self.candidates:
            raise ValueError("only an equation of one real output has a formula")
        return self.candidates[0].formula


def conclude(
    supernet: EquationSupernet,
    task: TableTask,
    derivation: Literal["max", "sample"] = "max",
    seed: int = 0,
    most: int = 8,
    refit_steps: int = 40,
    progress: Progress | None = None,
) -> Discovery:
    """Discretise every restart, refit it in so many steps at most, and choose.

    ``max`` takes the largest α of every edge (the rule ``argmax``); ``sample`` draws one by its
    mixture weight, with ``seed``. At most ``most`` equations are written as formulas, of which
    ``progress`` is told, see ``candidates``. The supernet's coefficients are moved.
    """
    genotypes = supernet.genotypes() if derivation == "max" else sampled(supernet, seed)
    restarts = equations(supernet, genotypes, task, refit_steps)
    found: list[Candidate] = []
    if supernet.output.kind == "real" and supernet.output.size == 1:
        tables = task.table(task.weights), task.table(task.architecture)
        found = candidates(restarts, *tables, most, progress)
    return Discovery(tuple(restarts), tuple(found))


def sampled(supernet: EquationSupernet, seed: int) -> list[Genotype]:
    """A genotype for every restart, each edge's primitive drawn by its mixture weight."""
    weights = supernet.mixture()[CELL].detach().cpu().flatten(0, 1)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.multinomial(weights, 1, generator=generator)
    hot = torch.zeros_like(weights).scatter_(1, drawn, 1.0).view(supernet.alphas[CELL].shape)
    return [derive(supernet.space, {CELL: alpha}, "argmax") for alpha in hot.numpy()]


def equations(
    supernet: EquationSupernet,
    genotypes: Sequence[Genotype],
    task: TableTask,
    refit_steps: int = 40,
) -> list[Restart]:
    """The equation of every restart, best first.

    ``genotypes`` has one for each restart; their coefficients start at the supernet's w and are
    fitted in place to the weights split.
    """
    mixture = torch.stack([discretised_mixture(supernet.space, g)[CELL] for g in genotypes])
    mixture = mixture.to(supernet.scale)
    refit(supernet, mixture, task.weights.whole, refit_steps)
    errors = _errors(supernet, mixture, task.architecture)
    found = [
        Restart(
            number=number,
            equation=read_equation(supernet, genotype, number, task.variables, task.scaling),
            error=float(errors[number]),
        )
        for number, genotype in enumerate(genotypes)
    ]
    return sorted(found, key=lambda restart: restart.error)


@torch.no_grad()
def _errors(supernet: EquationSupernet, mixture: Tensor, split: TableSplit) -> Tensor:
    """Mean squared error of every restart, infinite where it is not a number."""
    batch = split.whole
    found = supernet.respond(batch.inputs, mixture) - batch.targets
    return found.square().mean((1, 2)).nan_to_num(torch.inf)


def candidates(
    restarts: Sequence[Restart],
    weights: Table,
    architecture: Table,
    most: int = 8,
    progress: Progress | None = None,
) -> list[Candidate]:
    """The formulas of the best restarts, the preferred first.

    ``most`` equations at most are written as formulas, see ``worth_writing``. Preferred is the
    simplest whose error is within one standard error of the least; then come the others by their
    error. Only equations of one real output have formulas; a graph that is too long for one is
    ``cut`` first.

    Many variables make this the longest part of a search. After every formula that is tried
    ``progress`` is called with what is done, the number of equations that are written, and of how
    many.
    """
    tell = progress or (lambda *_: None)
    found: dict[Any, Candidate] = {}
    chosen = worth_writing(restarts, architecture, most)
    for done, restart in enumerate(chosen):
        tell("writing equations", done, len(chosen))
        equation = cut(restart.equation, architecture)
        short = formula(
            equation.expressions()[0],
            equation.variables,
            weights,
            architecture,
            partial(_tell_forms, tell, done, len(chosen)),
        )
        error, spread = squared_error(short, architecture)
        known = found.get(short.template)
        numbers = (restart.number,) if known is None else (*known.restarts, restart.number)
        found[short.template] = Candidate(short, error, spread, numbers)
    tell("writing equations", len(chosen), len(chosen))
    ranked = sorted(found.values(), key=lambda candidate: candidate.error)
    limit = ranked[0].error + ranked[0].spread
    preferred = min(
        (c for c in ranked if c.error <= limit), key=lambda c: (c.formula.complexity, c.error)
    )
    both = Table(
        np.concatenate([weights.inputs, architecture.inputs]),
        np.concatenate([weights.targets, architecture.targets]),
    )
    ordered = [preferred, *(c for c in ranked if c is not preferred)]
    closing: list[Candidate] = []
    for c in ordered:
        last = formula(c.formula.expression, c.formula.variables, both)
        closing.append(Candidate(last, c.error, c.spread, c.restarts))
        tell("fitting constants to all rows", len(closing), len(ordered))
    return closing


def _tell_forms(tell: Progress, done: int, total: int, tried: int) -> None:
    tell(f"writing equations, {tried} forms tried", done, total)


def cut(equation: Equation, table: Table, longest: int = LONGEST) -> Equation:
    """An equation of at most ``longest`` terms, written out.

    The terms go without which its error on ``table`` is least, a tenth of them at a time; other
    coefficients stay as they are.
    """

    def error_without(terms: Collection[tuple[int, int]]) -> float:
        predicted = equation.without(terms).predict(table.inputs)[:, 0]
        return float(np.nan_to_num(np.square(predicted - table.targets).mean(), nan=np.inf))

    while equation.length > longest:
        terms = [(i, j) for i, node in enumerate(equation.nodes) for j in range(len(node))]
        terms.sort(key=lambda term: error_without([term]))
        equation = equation.without(terms[: ceil(len(terms) / 10)])
    return equation


def worth_writing(restarts: Sequence[Restart], table: Table, most: int) -> list[Restart]:
    """The restarts whose equations become formulas; ``restarts`` come best first.

    Half of them are the simplest of those that are as good as the best one, within its standard
    error on ``table``, each with other functions than those before: a law may look no better than
    its look-alikes until it is written out. The others are the best of each size.
    """
    best = restarts[0]
    with np.errstate(all="ignore"):  # Not finite is as good as far off.
        squares = np.square(best.equation.predict(table.inputs)[:, 0] - table.targets)
        relative = float(squares.std(ddof=1) / sqrt(len(squares)) / max(squares.mean(), 1e-300))
    good = [r for r in restarts if r.error <= best.error * (1 + relative)]
    good.sort(key=lambda restart: (restart.equation.degrees_of_freedom, restart.error))
    functions: dict[frozenset[str], Restart] = {}
    for restart in good:
        used = frozenset(term.primitive for node in restart.equation.nodes for term in node)
        functions.setdefault(used, restart)
    chosen = list(functions.values())[: most // 2]
    sizes: list[int] = []
    for restart in restarts:  # Best first: later ones have to be simpler.
        freedom = restart.equation.degrees_of_freedom
        if len(chosen) < most and all(freedom < size for size in sizes):
            sizes.append(freedom)
            if restart not in chosen:
                chosen.append(restart)
    return chosen


def random_alphas(supernet: EquationSupernet, seed: int) -> None:
    """Give every restart random α: the random search that a search is measured by.

    On every edge each primitive is then equally likely, *none* included.
    """
    generator = torch.Generator().manual_seed(seed)
    alpha = supernet.alphas[CELL]
    with torch.no_grad():
        alpha.copy_(torch.randn(alpha.shape, generator=generator, dtype=alpha.dtype))
