"""Was the law found? Its structure up to constants, and its error at the noise floor.

*Structure.* Two expressions can differ in every sign and still be one law: ``log(2 S)`` and
``log(S) + 0.69``, ``S / (K + S)`` and ``1 / (1 + K / S)``. So trees are not compared, families are.
A family is an expression whose numbers are free: those written, and a factor for each term of a sum
and for the whole. Rational exponents stay, since ``S**2`` is a structure; a decimal one is free.
The found expression is the law if

1. the truth is in the family of what was found, exactly and not far from the numbers found, after
   the surplus was dropped: terms without which the others, fitted again, say the same;
2. what was found is in the family of the truth, to within the same tolerance.

A function that is merely close, such as a polynomial for a logarithm, fails 1, also if the
logarithm stands beside it with a coefficient that hardly matters. The law beside a term that
matters fails 2. Surplus is dropped greedily, the smallest change first.

*Error.* On held-out rows without noise, against the noise of the data: ``Recovery.at_floor``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.stats import qmc

from dartsedu.data.laws import Law
from dartsedu.spaces.equation.constants import numbered

Array = NDArray[np.float64]

EXACT = 1e-6
"""Two functions closer than this, relative to the spread of the truth, are the same function."""
POINTS = 256
"""Number of points at which functions are compared, many times the constants of any law."""
TOLERANCE = 0.02
"""A difference that does not matter, relative to the spread: 0.04 % of the variance."""
REACH = 9.0
"""A constant c may move by this many times max(1, |c|). Without a bound ``a x**c + b`` would
contain the logarithm, as the limit of c → 0 and a → ∞."""


class Family:
    """An expression with its numbers set free, as a function of them.

    Args:
        expression: in the symbols named by ``ranges``.
        ranges: for each variable from where to where; a variable that is never negative or zero is
            known as positive to SymPy.

    ``values`` (k,) are the numbers that were written in the expression. Raises ``ValueError`` for a
    symbol that is none of the variables.
    """

    def __init__(self, expression: sympy.Expr, ranges: Mapping[str, tuple[float, float]]) -> None:
        strange = sorted({s.name for s in expression.free_symbols} - set(ranges))
        if strange:
            raise ValueError(
                f"the expression contains {', '.join(strange)}; expected only the variables "
                f"{', '.join(ranges)}, with numbers for constants"
            )
        signed = [
            sympy.Symbol(name, positive=True) if low > 0 else sympy.Symbol(name, real=True)
            for name, (low, _) in ranges.items()
        ]
        called = numbered(signed)
        variables = {symbol.name: called[symbol] for symbol in signed}
        expression = expression.subs({s: variables[s.name] for s in expression.free_symbols})
        self._constants: list[sympy.Symbol] = []
        self._values: list[float] = []
        self._seen: dict[sympy.Basic, sympy.Basic] = {}
        whole = self._free(expression)
        if not expression.is_Add and expression.as_coeff_Mul()[0] == 1:
            whole = self._constant(1.0) * whole
        self.values: Array = np.array(self._values)
        arguments = [list(variables.values()), self._constants]
        derivatives = [sympy.diff(whole, c) for c in self._constants]
        self._function = sympy.lambdify(arguments, whole, "numpy", cse=True)
        self._derivatives = sympy.lambdify(arguments, derivatives, "numpy", cse=True)
        low, high = np.array(list(ranges.values())).T
        halton = qmc.Halton(len(ranges), scramble=False)
        halton.fast_forward(1)  # the first point is the corner
        self._points: Array = qmc.scale(halton.random(POINTS), low, high)

    def _constant(self, value: Any) -> sympy.Symbol:
        self._constants.append(sympy.Dummy(f"c{len(self._constants)}", real=True))
        real = sympy.sympify(value)
        self._values.append(float(real) if real.is_real and real.is_finite else np.nan)
        return self._constants[-1]

    def _free(self, part: sympy.Basic) -> sympy.Basic:
        """``part`` with constants for numbers; the same part twice gets the same constants."""
        if isinstance(part, sympy.Expr) and part.is_number:
            return self._constant(part)
        if part not in self._seen:
            self._seen[part] = self._freed(part)
        return self._seen[part]

    def _freed(self, part: sympy.Basic) -> sympy.Basic:
        if part.is_Symbol or not part.args:
            return part
        if part.is_Add:
            number, rest = part.as_coeff_Add()
            terms = [
                c * self._free(term) for c, term in map(self._factored, rest.as_ordered_terms())
            ]
            return sympy.Add(*terms, *([self._constant(number)] if number else []))
        if part.is_Mul:
            number, rest = part.as_coeff_Mul()
            if number != 1:
                return self._constant(number) * self._free(rest)
            return sympy.Mul(*[self._free(factor) for factor in part.args])
        if part.is_Pow and part.exp.is_Rational:
            return sympy.Pow(self._free(part.base), part.exp)
        if isinstance(part, sympy.Max | sympy.Min | sympy.Rel):  # Max(0, x): its 0 is a structure
            return part.func(*[a if a == 0 else self._free(a) for a in part.args])
        return part.func(*[self._free(a) for a in part.args])

    def _factored(self, term: sympy.Expr) -> tuple[sympy.Symbol, sympy.Expr]:
        number, rest = term.as_coeff_Mul()
        return self._constant(number), rest

    def at(self, constants: Array) -> Array:
        """The function at the points of comparison, shape (POINTS,)."""
        with np.errstate(all="ignore"):
            return np.broadcast_to(self._function(self._points.T, constants), POINTS).astype(float)

    def gradient(self, constants: Array) -> Array:
        """Derivatives by the constants at these points, shape (POINTS, k)."""
        with np.errstate(all="ignore"):
            columns = self._derivatives(self._points.T, constants)
        return np.stack([np.broadcast_to(c, POINTS) for c in columns], axis=1).astype(float)

    def fit(
        self, target: Array, start: Array, dropped: Collection[int] = ()
    ) -> tuple[Array, float]:
        """Constants nearest to ``target`` in least squares, from ``start`` and within ``REACH``.

        Those in ``dropped`` are zero. Returns all, and the root mean square error relative to the
        spread of ``target``; infinite where the function has no values.
        """
        constants = start.copy()
        constants[list(dropped)] = 0
        free = [i for i in range(len(constants)) if i not in dropped]
        scale = target.std()

        def put(values: Array) -> Array:
            constants[free] = values
            return constants

        def residual(values: Array) -> Array:
            return (self.at(put(values)) - target) / scale

        def jacobian(values: Array) -> Array:
            return np.nan_to_num(self.gradient(put(values))[:, free] / scale)

        if not np.isfinite(residual(constants[free])).all():
            return constants, np.inf
        if free:
            room = REACH * np.maximum(1, np.abs(constants[free]))
            found = least_squares(
                residual,
                constants[free],
                jacobian,
                bounds=(constants[free] - room, constants[free] + room),
                x_scale="jac",
                ftol=1e-15,
                xtol=1e-15,
                gtol=1e-15,
                max_nfev=200,
            )
            put(found.x)
        return constants, float(np.sqrt(np.mean(residual(constants[free]) ** 2)))


def equivalent(
    found: sympy.Expr,
    truth: sympy.Expr,
    ranges: Mapping[str, tuple[float, float]],
    tolerance: float = TOLERANCE,
) -> bool:
    """Whether ``found`` is the law ``truth`` in structure, up to the values of its constants.

    Args:
        found: an expression of the variables, its constants as numbers.
        truth: another.
        ranges: for each variable from where to where the functions are compared.
        tolerance: root mean square, relative to the spread of ``found``, of a difference that does
            not matter.

    The rules are those at the head of this module. Raises ``ValueError`` for a symbol that is none
    of the variables.
    """
    family, law = Family(found, ranges), Family(truth, ranges)
    said, target = family.at(family.values), law.at(law.values)
    if not np.isfinite(said).all() or said.std() <= EXACT * target.std():
        return False
    if law.fit(said, law.values)[1] > tolerance:
        return False
    dropped, rest = _without_surplus(family, said, tolerance)
    return family.fit(target, rest, dropped)[1] <= EXACT


def _without_surplus(family: Family, said: Array, tolerance: float) -> tuple[frozenset[int], Array]:
    """Which numbers of a family can be zero, and the others fitted again to what it said."""
    dropped: frozenset[int] = frozenset()
    constants = family.values
    while True:
        for i in _by_change(family, said, constants, dropped):
            closest, error = family.fit(said, constants, dropped | {i})
            if error <= tolerance:
                dropped, constants = dropped | {i}, closest
                break
        else:
            return dropped, constants


def _by_change(family: Family, said: Array, constants: Array, dropped: frozenset[int]) -> list[int]:
    """The numbers that can be zero, the smallest change of the function first."""
    changes = []
    for i in set(range(len(constants))) - dropped:
        trial = constants.copy()
        trial[i] = 0
        change = float(np.mean((family.at(trial) - said) ** 2))
        if np.isfinite(change):
            changes.append((change, i))
    return [i for _, i in sorted(changes)]


@dataclass(frozen=True)
class Recovery:
    """What a search made of a law.

    Attributes:
        equivalent: the found expression is the law, up to the values of its constants.
        error: root mean square error on held-out rows without noise, relative to the spread of the
            truth there; infinite where the found expression has no values.
        noise: standard deviation of the noise in the data, relative to the same spread.
    """

    equivalent: bool
    error: float
    noise: float

    @property
    def at_floor(self) -> bool:
        """The error is at most a third of the noise, and 0.1 % of the spread where there is none.

        On noisy rows the root mean square error is then at most √(1 + 1/9) times, 5 % above, that
        of the truth itself.
        """
        return self.error <= max(self.noise / 3, 1e-3)

    @property
    def recovered(self) -> bool:
        """Both: the law, with constants as good as the noise allows."""
        return self.equivalent and self.at_floor


def recovered(
    found: sympy.Expr, law: Law, noise: float, rows: int = 1000, seed: int = 1_000_003
) -> Recovery:
    """Judge an expression that was found from ``law.sample(..., noise)``.

    The tolerance of ``equivalent`` is its default or a third of the noise, whichever is more: a
    difference that small is not to be seen in the data.

    Args:
        found: in the variables of the law, as SymPy symbols of their names.
        law: the truth.
        noise: that of the data the expression was found from.
        rows, seed: the held-out rows; take another seed than that of the data.

    Raises ``ValueError`` for a symbol that is none of the variables.
    """
    same = equivalent(found, law.expression, law.variables, max(TOLERANCE, noise / 3))
    X, truth = law.sample(rows, seed=seed)
    symbols = {s.name: s for s in found.free_symbols}
    given = [symbols.get(name, sympy.Symbol(name)) for name in law.variables]
    called = numbered(given)
    written = found.xreplace({sympy.zoo: sympy.nan, **called})
    with np.errstate(all="ignore"):
        function = sympy.lambdify([called[symbol] for symbol in given], written, "numpy")
        values = np.broadcast_to(function(*X.T), rows)
    error = float(np.sqrt(np.mean(np.abs(values - truth) ** 2)) / truth.std())
    return Recovery(same, error if np.isfinite(error) else np.inf, noise)
