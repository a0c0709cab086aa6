"""The constants of a formula at their least squares, with errors, whatever the units of the data.

A formula is compiled here too: its variables are called by numbers in the code that SymPy makes, so
that a column may have any name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import floor, isfinite, ldexp, log2, log10, sqrt
from typing import Any, NamedTuple

import numpy as np

from dartsedu.base.values import Value
from dartsedu.data.table import Floats, Table

MOST_STEPS = 200
"""Of a least-squares fit: constants that make up for each other crawl on for ever."""

LARGEST = 1e300
"""A constant that is still a number when it is rounded up."""

FARTHEST = 1e6
"""A residual that no larger one is told from; that of a NaN."""

STEEPEST = 1e100
"""A slope, likewise: its square is still a number."""


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


class Units(NamedTuple):
    """What to divide the columns of a table by, so that no number in it is far from 1.

    Powers of 1024, so that nothing is rounded, and 1 for a column whose largest number is between
    1/32 and 32. The least squares of ``c0 x^c1`` crawl along a bent valley where x is a million.
    """

    inputs: tuple[float, ...]
    target: float

    @classmethod
    def of(cls, table: Table) -> Units:
        """The units that suit a table."""
        inputs = tuple(_unit(column) for column in table.inputs.T)
        return cls(inputs, _unit(table.targets))

    def convert(self, table: Table) -> Table:
        """A table in these units."""
        return Table(table.inputs / np.array(self.inputs), table.targets / self.target)


def _unit(column: Floats) -> float:
    largest = _largest(column)
    return ldexp(1.0, 10 * round(log2(largest) / 10)) if largest else 1.0


def _largest(column: Floats) -> float:
    return float(np.abs(column).max(initial=0.0))


def fit_constants(of: Curve, values: list[float], table: Table) -> list[Constant]:
    """The constants at their least squares, those that the data fix with standard errors.

    The table is in suitable ``Units``.
    """
    from scipy.optimize import least_squares

    if not values or len(values) >= len(table.targets):
        return [Constant(value=v, error=None) for v in values]

    def residuals(constants: Floats) -> Floats:
        with np.errstate(all="ignore"):
            difference = of.value(table.inputs, *constants) - table.targets
        return _bounded(difference, FARTHEST, nan=FARTHEST)

    def jacobian_at(constants: Floats) -> Floats:
        with np.errstate(all="ignore"):
            found = of.slopes(table.inputs, *constants)
        return _bounded(found, STEEPEST, nan=0.0)

    units = np.maximum(np.abs(values), 1e-6)
    found = least_squares(
        residuals, values, jacobian_at, method="lm", x_scale=units, max_nfev=MOST_STEPS
    )
    units = np.maximum(np.abs(found.x), 1e-6)
    errors = _errors(np.asarray(found.jac) * units, units, 2 * found.cost)
    best = np.nan_to_num(found.x).clip(-LARGEST, LARGEST)
    pairs = zip(best.tolist(), errors, strict=True)
    return [Constant(value=value, error=error) for value, error in pairs]


def judge_constants(of: Curve, values: list[float], table: Table) -> list[Constant]:
    """The constants as they are, those that the data fix with standard errors.

    They are at their least squares already; the table may be in any units.
    """
    if not values or len(values) >= len(table.targets):
        return [Constant(value=v, error=None) for v in values]
    size, units = _largest(table.targets) or 1.0, np.abs(values)
    with np.errstate(all="ignore"):
        difference = (of.value(table.inputs, *values) - table.targets) / size
        scaled = of.slopes(table.inputs, *values) / size * units
        cost = float(np.square(_bounded(difference, FARTHEST, nan=FARTHEST)).sum())
    errors = _errors(_bounded(scaled, STEEPEST, nan=0.0), units, cost)
    return [Constant(value=v, error=error) for v, error in zip(values, errors, strict=True)]


def _errors(scaled: Floats, units: Floats, cost: float) -> list[float | None]:
    """Standard errors of constants by their Jacobian (N, constants) in ``units`` of the constants.

    A direction in it that the data do not see (its singular value is 1e-6 of the largest) is given
    up by holding its chief constant fast. ``cost`` is the sum of the squares of the residuals.
    """
    rows, number = scaled.shape
    free = list(range(number))
    while free:
        _, sizes, directions = np.linalg.svd(scaled[:, free], full_matrices=False)
        if sizes[-1] > 1e-6 * sizes[0]:
            break
        free.pop(int(np.argmax(np.abs(directions[-1]))))
    errors: list[float | None] = [None] * number
    if free:
        variance = cost / (rows - len(free))
        # The diagonal of (JᵀJ)⁻¹, J = U S Vᵀ, is that of V S⁻² Vᵀ.
        lengths = np.linalg.norm(directions / sizes[:, None], axis=0)
        with np.errstate(over="ignore"):
            deviations = units[free] * sqrt(variance) * lengths
        for place, deviation in zip(free, deviations.tolist(), strict=True):
            errors[place] = deviation if isfinite(deviation) else None
    return errors


def _bounded(numbers: Floats, largest: float, nan: float) -> Floats:
    return np.where(np.isnan(numbers), nan, numbers.clip(-largest, largest))


def legible(of: Curve, constants: list[Constant], table: Table) -> list[Constant]:
    """The constants with as many digits as keep the rounded curve within a tenth of the residuals.

    Root mean squares over the table; at most ten digits more than each constant's own.
    """
    size = Units.of(table).target
    with np.errstate(all="ignore"):
        exact = of.value(table.inputs, *(c.value for c in constants))
        allowed = 0.1 * np.sqrt(np.mean(np.square((exact - table.targets) / size)))
        for more in range(10):
            constants = [c.model_copy(update={"more": more}) for c in constants]
            off = of.value(table.inputs, *(c.rounded for c in constants)) - exact
            if not np.sqrt(np.mean(np.square(off / size))) > allowed:
                break
    return constants


def symbols(variables: Sequence[str]) -> list[Any]:
    """The SymPy symbols of variables: real numbers."""
    import sympy as sp

    return [sp.Symbol(name, real=True) for name in variables]


class Curve(NamedTuple):
    """A formula as a function of its constants.

    Attributes:
        value: ``value(inputs (N, variables), *constants) -> (N,)``.
        slopes: its Jacobian, ``slopes(inputs, *constants) -> (N, constants)``.
    """

    value: Callable[..., Floats]
    slopes: Callable[..., Floats]


@lru_cache(maxsize=256)
def curve(template: Any, variables: tuple[str, ...], names: tuple[str, ...]) -> Curve:
    """A SymPy expression of the variables and of the constants ``names``, compiled.

    It is compiled term by term, and a term only once: of the expressions that are tried in turn
    most have the same terms.
    """
    import sympy as sp

    called = numbered(symbols(variables))
    ordered = tuple(called[variable] for variable in symbols(variables))
    places = {symbol: place for place, symbol in enumerate(symbols(names))}
    terms: list[tuple[list[int], Any, Any]] = []
    for term in sp.Add.make_args(template):
        own = sorted(places[symbol] for symbol in term.free_symbols & places.keys())
        constants = zip(symbols([names[place] for place in own]), _constants(len(own)), strict=True)
        value, slopes = _term(term.xreplace(called | dict(constants)), ordered, len(own))
        terms.append((own, value, slopes))

    def value_at(inputs: Floats, *constants: float) -> Floats:
        total = np.zeros(len(inputs))
        for own, value, _ in terms:
            total += value(*inputs.T, *(constants[place] for place in own))
        return total

    def slopes_at(inputs: Floats, *constants: float) -> Floats:
        found = np.zeros((len(inputs), len(names)))
        for own, _, slopes in terms:
            columns = slopes(*inputs.T, *(constants[place] for place in own))
            for place, column in zip(own, columns, strict=True):
                found[:, place] += column
        return found

    return Curve(value_at, slopes_at)


@lru_cache(maxsize=512)
def _term(term: Any, variables: tuple[Any, ...], constants: int) -> tuple[Any, Any]:
    """A term of so many constants, and its slopes in them, as functions of variables and constants.

    One of five nodes takes some 20 ms to compile; of the functions each keeps the names of NumPy.
    """
    import sympy as sp

    names = _constants(constants)
    given = [*variables, *names]
    slopes = [sp.diff(term, name) for name in names]
    return (
        sp.lambdify(given, term, "numpy", cse=True),
        sp.lambdify(given, slopes, "numpy", cse=True),
    )


def _constants(number: int) -> list[Any]:
    """Symbols of the constants of a term: c0000, c0001, …"""
    return symbols([f"c{place:04}" for place in range(number)])


def numbered(given: Sequence[Any]) -> dict[Any, Any]:
    """For each SymPy symbol one called v0000, v0001, …, to stand for it in code that is generated.

    A name of a user's is no name for code: it may be ``log``, ``lambda`` or no word at all. The
    numbers are in the order of the names, since SymPy adds up terms in that order.
    """
    import sympy as sp

    ranked = sorted(given, key=lambda symbol: symbol.name)
    return {s: sp.Symbol(f"v{place:04}", **s.assumptions0) for place, s in enumerate(ranked)}
