"""The formula that one reads: an expression written as short as may be, its constants with errors.

SymPy does the algebra, SciPy the least squares; they are loaded when they are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import count
from math import inf, isfinite, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dartsedu.data.table import Floats, Table
from dartsedu.spaces.equation.constants import (
    LARGEST,
    Constant,
    Units,
    curve,
    fit_constants,
    judge_constants,
    legible,
    symbols,
)
from dartsedu.spaces.equation.names import latex_of


@dataclass(frozen=True)
class Formula:
    """One output of an equation, written short.

    Attributes:
        template: a SymPy expression of the variables and of ``constants``' names c0, c1, …
            (c_0, c_1, … if the name of a variable begins with c).
        constants: the numbers, by name.
        variables: names of the variables.
    """

    template: Any
    constants: dict[str, Constant]
    variables: tuple[str, ...]

    @cached_property
    def expression(self) -> Any:
        """The SymPy expression with constants in full precision."""
        return self._with({name: c.value for name, c in self.constants.items()})

    @cached_property
    def rounded(self) -> Any:
        """The SymPy expression with every constant rounded to its uncertainty."""
        return self._with({name: c.rounded for name, c in self.constants.items()})

    @property
    def complexity(self) -> int:
        """Constants, variables and functions in it: what there is to read."""
        import sympy as sp

        leaves = sum(1 for node in sp.preorder_traversal(self.template) if node.is_Symbol)
        functions = sum(
            1
            for node in sp.preorder_traversal(self.template)
            if node.is_Function or isinstance(node, sp.Pow)
        )
        return leaves + functions

    def _with(self, values: dict[str, float]) -> Any:
        import sympy as sp

        numbers = {sp.Symbol(name, real=True): sp.Float(v, 15) for name, v in values.items()}
        return self.template.xreplace(numbers)

    def latex(self) -> str:
        """The rounded formula as LaTeX."""
        return latex_of(_tidy(self.rounded))

    def __str__(self) -> str:
        import sympy as sp

        return str(sp.sstr(_tidy(self.rounded), full_prec=False))

    def predict(self, inputs: ArrayLike) -> Floats:
        """The exact formula at ``inputs`` (N, variables); NaN outside its domain."""
        values = [c.value for c in self.constants.values()]
        with np.errstate(all="ignore"):
            return curve(self.template, self.variables, tuple(self.constants)).value(
                np.asarray(inputs, dtype=np.float64), *values
            )


def formula(
    expression: Any,
    variables: Sequence[str],
    fitted: Table,
    held_out: Table | None = None,
    tell: Callable[[int], None] | None = None,
) -> Formula:
    """An expression in its shortest form, its constants fitted once more to find their errors.

    Products are multiplied out and constants folded (``normal_form``). With ``held_out`` data a
    term, at any depth, is dropped and a constant made a whole number as long as the error there
    stays within one standard error of what it was (the rule of Breiman et al. 1984, §3.4.3). The
    standard errors of the constants are those of least squares; where two constants do one job, one
    is held fast and has none.

    Of T terms some T²/2 forms are tried; after each, ``tell`` is called with their number so far.

    Raises ``ValueError`` for variables of the same name.
    """
    import sympy as sp

    if len(set(variables)) < len(variables):
        raise ValueError(f"the variables {', '.join(variables)} have to have different names")
    units = Units.of(fitted)
    if units == Units((1.0,) * len(variables), 1.0):
        return _shortest(expression, variables, fitted, held_out, tell)
    inside, outside = _units_inside(variables, units)
    target = sp.Float(units.target)
    found = _shortest(
        expression.xreplace(inside) / target,
        variables,
        units.convert(fitted),
        None if held_out is None else units.convert(held_out),
        tell,
    )
    in_data_units = normal_form(target * found.expression.xreplace(outside))
    return _fit(in_data_units, variables, fitted, judge_constants)


def _units_inside(variables: Sequence[str], units: Units) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """What to put in the place of each variable, to go to ``units`` and back."""
    import sympy as sp

    pairs = [(x, sp.Float(unit)) for x, unit in zip(symbols(variables), units.inputs, strict=True)]
    return {x: x * unit for x, unit in pairs}, {x: x / unit for x, unit in pairs}


def _shortest(
    expression: Any,
    variables: Sequence[str],
    fitted: Table,
    held_out: Table | None,
    tell: Callable[[int], None] | None,
) -> Formula:
    """``formula`` of tables in suitable units."""
    tried = count(1)

    def fit(expression: Any) -> Formula:
        found = _fit(expression, variables, fitted)
        if tell is not None:
            tell(next(tried))
        return found

    best = fit(normal_form(expression))
    if held_out is not None:
        limit = sum(squared_error(best, held_out))
        while True:
            simpler = [fit(e) for e in simplifications(best.expression)]
            errors = [squared_error(f, held_out)[0] for f in simpler]
            if not errors or not min(errors) <= limit:
                break
            best = simpler[int(np.argmin(errors))]
    return best


def squared_error(formula: Formula, table: Table) -> tuple[float, float]:
    """Mean squared error and its standard error; infinite where the formula has no value."""
    with np.errstate(all="ignore"):
        squares = np.square(formula.predict(table.inputs) - table.targets)
        mean, spread = float(squares.mean()), float(squares.std(ddof=1) / sqrt(len(squares)))
    return (mean, spread) if isfinite(mean) and isfinite(spread) else (inf, inf)


def simplifications(expression: Any) -> Iterator[Any]:
    """Every expression that is simpler by one step: a term less, or a constant made whole.

    An exponent goes to zero whole, so that a growth too slow to be seen is a constant; one of a
    power that is near zero also to its limit there, the logarithm.
    """
    seen = {expression}
    for node, simpler in _simpler_nodes(expression):
        form = normal_form(expression.xreplace({node: simpler}))
        if form not in seen and _in_range(form):
            yield form
        seen.add(form)


def _simpler_nodes(expression: Any) -> Iterator[tuple[Any, Any]]:
    """Every node that may be replaced, with what replaces it."""
    import sympy as sp

    for node in sp.preorder_traversal(expression):
        if isinstance(node, sp.Add):
            for term in node.args:
                yield node, node - term
                if (joined := _joined(node, term)) is not None:
                    yield node, joined
        elif isinstance(node, sp.exp):
            yield node, sp.S.One
        elif isinstance(node, sp.Pow) and isinstance(node.exp, sp.Float):
            whole = sp.Integer(round(float(node.exp)))
            # A high power of a sum would be multiplied out to as many terms.
            short = abs(whole) <= 3 or not isinstance(node.base, sp.Add)
            if abs(node.exp - whole) < 0.25 and short:
                yield node, node.base**whole
            if whole == 0:  # uᵃ = 1 + a ln u + O(a²): a logarithm can hide behind a small exponent.
                yield node, 1 + node.exp * sp.log(node.base)


def _in_range(expression: Any) -> bool:
    """Whether every number in it is real and one that a float can hold: e^1000 is none."""
    import sympy as sp

    strange = expression.has(sp.zoo, sp.nan, sp.oo, -sp.oo, sp.I)
    return not strange and all(isfinite(float(f)) for f in expression.atoms(sp.Float))


def _joined(total: Any, term: Any) -> Any | None:
    """a + b / (k + u), the constant a among other terms, as a u / (k + u): right if b = −a k.

    Michaelis–Menten and logistic growth are written so. Where u is an exponential it is divided
    through.
    """
    import sympy as sp

    constant = total.as_coeff_Add()[0]
    _, power = term.as_coeff_Mul()
    if constant == 0 or not (isinstance(power, sp.Pow) and power.exp == -1):
        return None
    k, u = power.base.as_coeff_Add()
    if k == 0:
        return None
    rest = total - constant - term
    if u.as_coeff_Mul()[1].func is sp.exp:
        return rest + constant / (1 + sp.expand(k / u))
    return rest + constant * u / (k + u)


def _fit(
    expression: Any, variables: Sequence[str], table: Table, found: Any = fit_constants
) -> Formula:
    """An expression with its numbers as constants, ``found`` from the table."""
    import sympy as sp

    numbers: list[sp.Float] = []
    letter = "c"
    while any(variable.startswith(letter) for variable in variables):
        letter += "_"

    def name(number: sp.Float) -> sp.Symbol:
        numbers.append(number)
        return sp.Symbol(f"{letter}{len(numbers) - 1}", real=True)

    template = _replace_numbers(expression, name)
    # SymPy turns e^(900 + x) into a number that no float can hold, times e^x.
    values = np.clip([float(number) for number in numbers], -LARGEST, LARGEST).tolist()
    names = tuple(f"{letter}{i}" for i in range(len(numbers)))
    compiled = curve(template, tuple(variables), names)
    constants = legible(compiled, found(compiled, values, table), table)
    return Formula(template, dict(zip(names, constants, strict=True)), tuple(variables))


def normal_form(expression: Any) -> Any:
    """The same function multiplied out, with constants folded.

    e^(a+b) → e^a e^b; (u^a)^b → u^(a b); ln(k u) → ln k + ln u and (k u)^a → k^a u^a with the
    factor |k| of the first term taken out, so that one function has one form (for arguments that
    are positive).
    """
    import sympy as sp

    for _ in range(5):
        folded = _exact_ones(sp.Add(*map(_folded, sp.Add.make_args(expression))))
        if folded == expression:
            break
        expression = folded
    return expression


@lru_cache(maxsize=1024)
def _folded(term: Any) -> Any:
    """A term multiplied out, with constants folded."""
    import sympy as sp

    return sp.expand(_fold(sp.expand(term)), log=False, power_base=False)


def _fold(node: Any) -> Any:
    import sympy as sp

    if not node.args:
        return node
    node = node.func(*map(_fold, node.args))
    if node.is_number:
        return node if node.is_Rational else node.evalf()
    if isinstance(node, sp.exp):
        constant, rest = sp.expand(node.args[0]).as_independent(*node.free_symbols, as_Add=True)
        return sp.exp(constant).evalf() * sp.exp(rest)
    if isinstance(node, sp.log):
        size, rest = _without_size(node.args[0])
        if isinstance(rest, sp.Pow) and rest.exp.is_number:
            return sp.log(size).evalf() + rest.exp * sp.log(rest.base)
        return sp.log(size).evalf() + sp.log(rest)
    if isinstance(node, sp.Pow) and node.exp.is_number and not _is_count(node.exp):
        size, rest = _without_size(node.base, signed=bool(node.exp.is_integer))
        return _exact_ones((size**node.exp).evalf() * _power(rest, node.exp))
    return node


def _power(base: Any, exponent: Any) -> Any:
    """(uᵃ)ᵇ → uᵃᵇ, but for even a, where u may be negative."""
    import sympy as sp

    if isinstance(base, sp.Pow) and base.exp.is_number and not base.exp.is_even:
        return base.base ** (base.exp * exponent)
    return base**exponent


def _is_count(exponent: Any) -> bool:
    return bool(exponent.is_integer and exponent.is_positive)


def _without_size(node: Any, signed: bool = False) -> tuple[Any, Any]:
    """(k, u) with node = k · u, where k is the factor of one of node's terms, or the size of it.

    The term is the first that varies; of 1 + c eˣ and its like, the constant.
    """
    import sympy as sp

    terms = sp.Add.make_args(sp.expand(node))
    varying = [t for t in terms if t.free_symbols]
    if not varying:
        return sp.S.One, node
    chosen = min(varying, key=sp.default_sort_key).as_coeff_Mul()[0]
    if signed and any(t.has(sp.exp) for t in varying) and len(varying) < len(terms):
        chosen = sum(t for t in terms if not t.free_symbols)
    size = chosen if signed else abs(chosen)
    return size, _exact_ones(sp.expand(node / size))


def _exact_ones(expression: Any) -> Any:
    """Floats that are 1 or −1 as whole numbers: they are no constants to be found."""
    import sympy as sp

    ones = {f: sp.Integer(round(float(f))) for f in expression.atoms(sp.Float) if _is_one(f)}
    return expression.xreplace(ones)


def _is_one(number: Any) -> bool:
    return abs(abs(float(number)) - 1) < 1e-12


def _replace_numbers(expression: Any, name: Any) -> Any:
    """The expression with every number that is not a whole one replaced by ``name(number)``."""
    import sympy as sp

    if isinstance(expression, sp.Float):
        return name(expression)
    if not expression.args:
        return expression
    return expression.func(*(_replace_numbers(argument, name) for argument in expression.args))


def _tidy(expression: Any) -> Any:
    """Whole numbers written without a point, other floats as short as they are."""
    import sympy as sp

    def short(number: Any) -> Any:
        digits = f"{float(number):.12g}"
        if float(digits) == int(float(digits)) and abs(float(digits)) < 1e6:
            return sp.Integer(int(float(digits)))
        return sp.Float(digits)

    return expression.xreplace({number: short(number) for number in expression.atoms(sp.Float)})
