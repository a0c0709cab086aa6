"""Equations of many terms: compiled term by term, and cut before they are written short."""

import numpy as np
import pytest
import sympy as sp

from dartsedu.spaces.equation import Equation, Table
from dartsedu.spaces.equation.constants import curve
from dartsedu.spaces.equation.discovery import cut
from dartsedu.spaces.equation.expression import Term

INPUTS = np.random.default_rng(0).uniform(0.5, 3, (50, 2))


@pytest.mark.parametrize(
    "text",
    [
        "c0*x*exp(c1*y) + c2*log(x + c3) + c4",
        "c0*x + c0*y**2 + x*y",  # One constant in two terms, and a term with none.
        "c0/(c1 + x**c2) + c0",
        "x - 3*y",
        "c0*log(c1*exp(c2*log(c3 + x)) + 1)**2",
    ],
)
@pytest.mark.parametrize("variables", [("x", "y"), ("y", "x")])
def test_a_curve_and_its_slopes_are_those_of_sympy(text, variables):
    names = tuple(f"c{i}" for i in range(text.count("c")) if f"c{i}" in text)
    symbols = {name: sp.Symbol(name, real=True) for name in (*variables, *names)}
    template = sp.sympify(text, locals=symbols)
    given = list(symbols.values())
    slopes = [sp.diff(template, symbols[name]) for name in names]
    values = np.random.default_rng(1).uniform(0.5, 2, len(names))
    found = curve(template, variables, names)
    for expressions, is_found in (
        ([template], found.value(INPUTS, *values)[:, None]),
        (slopes, found.slopes(INPUTS, *values)),
    ):
        assert is_found.shape == (50, len(expressions))
        for expression, column in zip(expressions, is_found.T, strict=True):
            exact = [
                float(expression.subs(dict(zip(given, [*row, *values], strict=True))))
                for row in INPUTS[:5]
            ]
            assert column[:5] == pytest.approx(exact, rel=1e-12)


def full(nodes):
    """Every node hears the variable and all earlier nodes; the first one counts most."""
    return Equation(
        variables=("x",),
        nodes=tuple(
            tuple(
                Term(
                    primitive="linear_sin",
                    source=source,
                    scale=1.0,
                    offset=0.3 * source + 0.1 * node,
                )
                for source in range(node + 1)
            )
            for node in range(nodes)
        ),
        factors=((2.0, *[1e-3] * (nodes - 1)),),
        constants=(1.0,),
        input_scale=(1.0,),
        target_centre=(0.0,),
        target_scale=(1.0,),
    )


@pytest.mark.parametrize("nodes", [1, 2, 5])
def test_the_length_is_that_of_what_is_written_out(nodes):
    equation = full(nodes)
    written = equation.expressions()[0]
    assert equation.length == sum(isinstance(n, sp.sin) for n in sp.preorder_traversal(written))
    assert equation.length == 2 ** (nodes + 1) - 2 - nodes


def test_a_long_equation_loses_what_matters_least():
    equation, inputs = full(16), INPUTS[:, :1]
    table = Table(inputs, 2 * np.sin(inputs[:, 0]) + 1)
    assert equation.length > 130_000
    short = cut(equation, table)
    assert 0 < short.length <= 32
    assert short.predict(inputs)[:, 0] == pytest.approx(table.targets, abs=0.2)
    assert cut(short, table) is short
    shortest = cut(equation, table, longest=1)
    assert shortest.nodes == (equation.nodes[0], *[()] * 15)


def test_terms_are_taken_away_by_their_places():
    equation = full(3)
    less = equation.without([(0, 0), (2, 1)])
    assert [len(node) for node in less.nodes] == [0, 2, 2]
    assert less.nodes[2] == (equation.nodes[2][0], equation.nodes[2][2])
