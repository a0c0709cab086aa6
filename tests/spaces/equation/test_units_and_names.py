"""A formula depends neither on the units of the data nor on what the columns are called."""

import logging

import numpy as np
import pytest
import sympy as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.mathtext import MathTextParser

from dartsedu.spaces.equation import (
    DARTSRegressor,
    EquationSupernet,
    Table,
    conclude,
    equation_space,
    formula,
    table_task,
)
from dartsedu.spaces.equation.names import latex_name

x, z = sp.symbols("x z", real=True)
INPUTS = np.random.default_rng(0).uniform(0.5, 8, (2, 60, 1))
NOISE = 0.02 * np.random.default_rng(1).normal(size=(2, 60))
FORMS = [
    (lambda v: 2 * v + 1, 0.9 * x + 0.5),
    (lambda v: 0.3 * v**2.2 - 4, 0.9 * x**1.7 + 0.5),
    (lambda v: 2 * np.log(v) + 1, 20 * x**0.09 - 18.7),
    (lambda v: 2.5 * v / (3 + v), 2.5 - 7.4 / (x + 3.1)),
]
exponents = st.floats(-30, 30)
odd_names = st.one_of(
    st.sampled_from(
        ["log", "lambda", "x y", "E", "pi", "I", "__import__", "c0", "c", "1", "", "exp", "x0"]
    ),
    st.sampled_from(["humidity %", "#", '"', "{ }", "\\x", "__", "$", "$$", "&", "^", "~", "日"]),
    st.text(max_size=8),
)


@pytest.mark.parametrize(("truth", "start"), FORMS)
@settings(derandomize=True, max_examples=5, deadline=None)
@given(exponents, exponents)
def test_a_formula_is_the_same_in_all_units(truth, start, input_size, target_size):
    a, b = 10.0**input_size, 10.0**target_size

    def found(a, b):
        tables = [
            Table(i * a, (truth(i[:, 0]) + e) * b) for i, e in zip(INPUTS, NOISE, strict=True)
        ]
        return formula(start.xreplace({x: x / sp.Float(a)}) * sp.Float(b), ["x"], *tables)

    plain, other = found(1.0, 1.0), found(a, b)
    expected = plain.predict(INPUTS[0])
    np.testing.assert_allclose(
        other.predict(INPUTS[0] * a) / b, expected, rtol=0, atol=1e-6 * abs(expected).max()
    )


def test_a_slope_has_the_units_of_the_target():
    table = Table(INPUTS[0], 2 * INPUTS[0][:, 0] + 1 + NOISE[0])
    plain = formula(0.9 * x + 0.5, ["x"], table)
    for unit in (1e7, 1e9, 1e-30, 1e30):
        start = sp.Float(0.9 * unit) * x + sp.Float(0.5 * unit)
        other = formula(start, ["x"], Table(table.inputs, table.targets * unit))
        for name, constant in plain.constants.items():
            assert other.constants[name].value == pytest.approx(constant.value * unit, rel=1e-6)
            assert other.constants[name].error == pytest.approx(constant.error * unit, rel=1e-5)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(odd_names, odd_names)
def test_names_do_not_change_a_formula(first, second):
    if first == second:
        return
    inputs = np.random.default_rng(2).uniform(0.5, 3, (50, 2))
    table = Table(inputs, 2 * np.log(inputs[:, 0]) + np.exp(0.4 * inputs[:, 1]))

    def found(names):
        one, two = (sp.Symbol(name, real=True) for name in names)
        return formula(1.9 * sp.log(1.1 * one) + 1.2 * sp.exp(0.35 * two), names, table)

    plain, other = found(("x", "z")), found((first, second))
    np.testing.assert_allclose(other.predict(inputs), plain.predict(inputs), rtol=1e-9)
    MathTextParser("agg").parse(f"${other.latex()}$")


def test_variables_need_different_names():
    with pytest.raises(ValueError, match="have to have different names"):
        formula(2.5 * x, ["x", "x"], Table(np.ones((9, 2)), np.ones(9)))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(odd_names)
def test_any_name_can_be_drawn(name):
    logging.getLogger("matplotlib.mathtext").setLevel(logging.ERROR)
    MathTextParser("agg").parse(rf"$\frac{{1}}{{{latex_name(name)}}} + {latex_name(name)}^{{2}}$")


@pytest.mark.parametrize(
    ("name", "latex"),
    [
        ("x", "x"),
        ("x1", "x_{1}"),
        ("S_0", "S_{0}"),
        ("alpha_max", r"\alpha_{max}"),
        ("humidity %", r"\mathrm{humidity~\%}"),
        ("reaction_time", r"\mathrm{reaction\_time}"),
        ("pH-value", "\\mathrm{pH\u2010value}"),
    ],
)
def test_how_names_look(name, latex):
    assert latex_name(name) == latex


@pytest.mark.parametrize("size", [1e160, 1e300, 1e-170])
def test_numbers_whose_squares_are_none_are_refused(size):
    X = INPUTS[0]
    for inputs, targets in ((X * size, X[:, 0]), (X, X[:, 0] * size)):
        with pytest.raises(ValueError, match="choose another unit"):
            DARTSRegressor(restarts=1, max_epochs=1).fit(inputs, targets)


def test_progress_is_told_of_every_equation_that_is_written():
    told = []
    task = table_task(INPUTS[0], 2 * INPUTS[0][:, 0] + NOISE[0])
    torch.manual_seed(0)
    supernet = EquationSupernet(equation_space(1, 1), restarts=4, alpha_scale=1.0)
    conclude(supernet, task, most=2, progress=lambda *now: told.append(now))
    total = told[0][2]
    written = [now for now in told if now[0] == "writing equations"]
    assert written == [("writing equations", done, total) for done in range(total + 1)]
    first = [what for what, done, _ in told if done == 0]
    assert first[1:] == [f"writing equations, {i} forms tried" for i in range(1, len(first))]
    last = [now for now in told if "all rows" in now[0]]
    assert [done for _, done, _ in last] == list(range(1, last[0][2] + 1))
    assert told[-len(last) :] == last
