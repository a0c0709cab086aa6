"""The constants of a formula at their least squares, with errors, whatever the units of the data.

A formula is compiled here too: its variables are called by numbers in the code that SymPy makes, so
that a column may have any name.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import floor, frexp, isfinite, ldexp, log10, sqrt
from typing import Any

import numpy as np

from dartsedu.table import Floats, Table
from dartsedu.values import Value

MOST_STEPS = 200
"""Of a least-squares fit: constants that make up for each other crawl on for ever."""

LARGEST = 1e300
"""A constant that is still a number when it is rounded up."""

FARTHEST = 1e6
"""A residual, in sizes of the target, that no larger one is told from; that of a NaN."""

STEEPEST = 1e100
"""A slope, in sizes of the target for a constant's own size, likewise: its square is a number."""

SLIGHTEST = 1e-6
"""A constant's unit is what changes the curve by so many sizes of the target, or more."""


class Constant(Value):
    """A number of a formula: its value and standard error (``None`` if the data do not fix it)."""

    value: float
    error: float | None
    more: int = 0

    @property
    def rounded(self) -> float:
        """The value to the second digit of its standard error, at least one digit of its own.

        ``more`` digits are added where constants make up for each other and rounding each by itself
        would bend the curve.
        """
        if self.error is None or not isfinite(self.error) or self.error == 0 or self.value == 0:
            return float(f"{self.value:.{4 + self.more}g}")
        place = min(floor(log10(self.error)) - 1, floor(log10(abs(self.value))))
        return round(self.value, self.more - place)


def fit_constants(function: Any, slopes: Any, values: list[float], table: Table) -> list[Constant]:
    """The constants at their least squares, those that the data fix with standard errors.

    ``slopes`` gives the Jacobian of ``function``. Residuals are taken in sizes of the target and
    constants in units of their own, so that the units of the data do not matter. A direction that
    the data do not see (its singular value is 1e-6 of the largest) is given up by holding its chief
    constant fast.
    """
    from scipy.optimize import least_squares

    if not values or len(values) >= len(table.targets):
        return [Constant(value=v, error=None) for v in values]
    size = _power_of_two(target_size(table))
    start = np.array(values)
    with np.errstate(all="ignore"):
        units = _units(start, slopes(table.inputs, *start), size)
        # Powers of two: dividing by them is exact.
        steps = np.array([_power_of_two(unit) for unit in units])

    def residuals(constants: Floats) -> Floats:
        with np.errstate(all="ignore"):
            difference = (function(table.inputs, *constants * steps)[:, 0] - table.targets) / size
        far = np.nan_to_num(difference, nan=FARTHEST, posinf=FARTHEST, neginf=-FARTHEST)
        return far.clip(-FARTHEST, FARTHEST)

    def jacobian_at(constants: Floats) -> Floats:
        with np.errstate(all="ignore"):
            found = slopes(table.inputs, *constants * steps) / size * steps
        steep = np.nan_to_num(found, nan=0.0, posinf=STEEPEST, neginf=-STEEPEST)
        return steep.clip(-STEEPEST, STEEPEST)

    found = least_squares(
        residuals,
        start / steps,
        jacobian_at,
        method="lm",
        x_scale=units / steps,
        max_nfev=MOST_STEPS,
    )
    best = found.x * steps
    with np.errstate(all="ignore"):
        units = _units(best, np.asarray(found.jac) / steps, 1.0)
    scaled = np.asarray(found.jac) * (units / steps)
    free = list(range(len(values)))
    while free:
        _, sizes, directions = np.linalg.svd(scaled[:, free], full_matrices=False)
        if sizes[-1] > 1e-6 * sizes[0]:
            break
        free.pop(int(np.argmax(np.abs(directions[-1]))))
    errors: list[float | None] = [None] * len(values)
    if free:
        variance = 2 * found.cost / (len(table.targets) - len(free))
        # The diagonal of (JᵀJ)⁻¹, J = U S Vᵀ, is that of V S⁻² Vᵀ.
        lengths = np.linalg.norm(directions / sizes[:, None], axis=0)
        with np.errstate(over="ignore"):
            deviations = units[free] * sqrt(variance) * lengths
        for place, deviation in zip(free, deviations.tolist(), strict=True):
            errors[place] = deviation if isfinite(deviation) else None
    best = np.nan_to_num(best).clip(-LARGEST, LARGEST)
    pairs = zip(best.tolist(), errors, strict=True)
    return [Constant(value=value, error=error) for value, error in pairs]


def target_size(table: Table) -> float:
    """The largest target without its sign; 1 if all are 0."""
    return float(np.abs(table.targets).max()) or 1.0


def _units(constants: Floats, slopes: Floats, size: float) -> Floats:
    """A unit for each constant: its own size, or what is just enough to be seen in the curve."""
    steepest = np.abs(np.nan_to_num(slopes, posinf=0.0, neginf=0.0)).max(axis=0)
    slight = np.where(steepest > 0, SLIGHTEST * size / steepest, constants == 0)
    return np.maximum(np.abs(constants), slight).clip(1 / LARGEST, LARGEST)


def _power_of_two(number: float) -> float:
    """The power of two at or below it."""
    return ldexp(1.0, frexp(number)[1] - 1)


def legible(function: Any, constants: list[Constant], table: Table) -> list[Constant]:
    """The constants with as many digits as keep the rounded curve within a tenth of the residuals.

    Root mean squares over the table; at most ten digits more than each constant's own.
    """
    size = _power_of_two(target_size(table))
    with np.errstate(all="ignore"):
        exact = function(table.inputs, *(c.value for c in constants))[:, 0]
        allowed = 0.1 * np.sqrt(np.mean(np.square((exact - table.targets) / size)))
        for more in range(10):
            constants = [c.model_copy(update={"more": more}) for c in constants]
            off = function(table.inputs, *(c.rounded for c in constants))[:, 0] - exact
            if not np.sqrt(np.mean(np.square(off / size))) > allowed:
                break
    return constants


def symbols(variables: Sequence[str]) -> list[Any]:
    """The SymPy symbols of variables: real numbers."""
    import sympy as sp

    return [sp.Symbol(name, real=True) for name in variables]


@lru_cache(maxsize=256)
def evaluator(
    expressions: tuple[Any, ...], variables: tuple[str, ...], names: tuple[str, ...]
) -> Any:
    """``f(inputs (N, variables), *constants) -> (N, expressions)``, the constants in ``names``."""
    import sympy as sp

    given = symbols([*variables, *names])
    called = numbered(given)
    compiled = sp.lambdify(
        [called[symbol] for symbol in given],
        [expression.xreplace(called) for expression in expressions],
        "numpy",
        cse=True,
    )

    def evaluate(inputs: Floats, *values: float) -> Floats:
        found = np.empty((len(inputs), len(expressions)))
        for column, x in zip(found.T, compiled(*inputs.T, *values), strict=True):
            column[:] = x
        return found

    return evaluate


def numbered(given: Sequence[Any]) -> dict[Any, Any]:
    """For each SymPy symbol one called v0000, v0001, …, to stand for it in code that is generated.

    A name of a user's is no name for code: it may be ``log``, ``lambda`` or no word at all. The
    numbers are in the order of the names, since SymPy adds up terms in that order.
    """
    import sympy as sp

    ranked = sorted(given, key=lambda symbol: symbol.name)
    return {s: sp.Symbol(f"v{place:04}", **s.assumptions0) for place, s in enumerate(ranked)}
