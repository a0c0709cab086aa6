"""Equations as numbers and as formulas: SymPy and the graph say the same."""

import numpy as np
import pytest
import sympy as sp
import torch

from dartsedu.genotype import Genotype
from dartsedu.spaces.equation import Equation, Table, conclude, equation_space, formula, table_task
from dartsedu.spaces.equation.discovery import equations
from dartsedu.spaces.equation.expression import Term
from dartsedu.spaces.equation.formulas import Constant, normal_form, simplifications
from dartsedu.spaces.equation.operations import OPERATIONS
from dartsedu.spaces.equation.supernet import EquationSupernet

x, z = sp.symbols("x z", real=True)
INPUTS = np.random.default_rng(0).uniform(0.5, 8, (120, 1))


def table(function, noise=0.01, seed=0, inputs=INPUTS):
    y = function(inputs[:, 0])
    return Table(inputs, y + noise * y.std() * np.random.default_rng(seed).normal(size=len(y)))


def values(expression, at=INPUTS[:, 0]):
    return np.broadcast_to(sp.lambdify([x], expression, "numpy")(at), len(at))


def restarts(number=12, variables=2, primitives=("none", *OPERATIONS), seed=0):
    torch.manual_seed(seed)
    space = equation_space(variables, 2, primitives)
    supernet = EquationSupernet(space, restarts=number, alpha_scale=1.0)
    inputs = np.random.default_rng(1).uniform(0.5, 3, (60, variables))
    task = table_task(inputs, inputs.sum(1) ** 0.7)
    return equations(supernet, supernet.genotypes(), task), task


def exactly(equation, inputs):
    names = sp.symbols(" ".join(equation.variables), real=True, seq=True)
    with np.errstate(all="ignore"):
        values = sp.lambdify(names, equation.expressions()[0], "numpy")(*inputs.T)
    return np.broadcast_to(values, len(inputs))


def test_the_graph_and_its_expression_say_the_same():
    endless = [p for p in OPERATIONS if not p.endswith(("exp", "ln", "reciprocal", "power"))]
    inputs = np.random.default_rng(2).uniform(-3, 3, (40, 2))
    for restart in restarts(24, primitives=("none", *endless))[0]:
        found, exact = restart.equation.predict(inputs)[:, 0], exactly(restart.equation, inputs)
        there = np.isfinite(exact)  # Where eˣ overflows inside a logistic, NumPy has no value.
        assert there.mean() > 0.8
        np.testing.assert_allclose(found[there], exact[there], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("primitive", [p for p in OPERATIONS if p.endswith(("exp", "ln", "power"))])
def test_inside_the_domain_the_guarded_functions_are_the_exact_ones(primitive):
    first = Term(primitive="linear", source=0, scale=0.4, offset=0.1)
    second = Term(primitive=primitive, source=1, scale=0.8, offset=0.3)
    equation = Equation(
        variables=("x",),
        nodes=((first,), (second,)),
        factors=((0.5, 2.0),),
        constants=(0.25,),
        input_scale=(2.0,),
        target_centre=(10.0,),
        target_scale=(3.0,),
    )
    inputs = np.linspace(0.5, 9, 30)[:, None]
    np.testing.assert_allclose(equation.predict(inputs)[:, 0], exactly(equation, inputs), rtol=1e-9)


def test_an_equation_is_saved_as_json_and_gives_its_genotype():
    found, task = restarts()
    for restart in found:
        again = Equation.model_validate_json(restart.equation.model_dump_json())
        assert again == restart.equation
        genotype = again.genotype()
        assert Genotype.from_json(genotype.to_json()) == genotype
    inputs = task.table(task.test).inputs
    assert np.array_equal(again.predict(inputs), restart.equation.predict(inputs))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (sp.log(2 * x), sp.log(x) + sp.log(2)),
        (sp.log(3 * x + 6), sp.log(x + 2) + sp.log(3)),
        (sp.exp(x + 2), sp.exp(2) * sp.exp(x)),
        (6 / (2 * x + 4), 3 / (x + 2)),
        (-6 / (-2 * x - 4), 3 / (x + 2)),
        ((4 * x) ** 0.5, 2 * x**0.5),
        (3 / (2 + 4 * sp.exp(-x)), 1.5 / (1 + 2 * sp.exp(-x))),
        (sp.log(x**2.5), 2.5 * sp.log(x)),
        ((x**1.3) ** 0.5, x**0.65),
    ],
)
def test_one_function_has_one_form(one, other):
    first, second = (normal_form(sp.N(e)) for e in (one, other))
    assert sp.Abs(sp.N(first - second)).subs(x, 1.7) < 1e-9
    assert [f.func for f in sp.preorder_traversal(first)] == [
        f.func for f in sp.preorder_traversal(second)
    ]


@pytest.mark.parametrize(
    "expression",
    [
        sp.log(0.3 * x + 0.2) * 2 + 1,
        sp.exp(0.2 * x + 1) / 3,
        2 / (1 + sp.exp(-(0.7 * x - 2))),
        (0.4 * x) ** 1.7 - 2,
        sp.sin(2 * x + 1) * 3,
    ],
)
def test_the_normal_form_is_the_same_function(expression):
    np.testing.assert_allclose(values(normal_form(expression)), values(expression), rtol=1e-9)


def test_the_root_of_a_square_is_no_power():
    found = normal_form((x**2) ** 0.5 + 1.5)
    np.testing.assert_allclose(values(found, at=-INPUTS[:, 0]), INPUTS[:, 0] + 1.5)


def test_simplifications_are_each_simpler_by_one_step():
    found = list(simplifications(normal_form(2.0 * sp.log(x) + 0.001 * x + 1.0)))
    assert normal_form(2.0 * sp.log(x) + 1.0) in found
    assert normal_form(0.001 * x + 1.0) in found


def test_a_high_power_of_a_sum_is_not_multiplied_out():
    found = list(simplifications(normal_form((x + 2.5) ** -20.9 + (x + 1.5) ** 2.1)))
    assert normal_form((x + 2.5) ** -20.9 + (x + 1.5) ** 2) in found
    assert max(len(e.args) for e in found) <= 4


@pytest.mark.parametrize(
    ("truth", "start", "says"),
    [
        (
            lambda v: 2.5 * v / (3 + v),
            2.5 - 7.4 / (x + 3.1),
            lambda c: c[0] * x / (x + c[1]),
        ),
        (
            lambda v: 5 / (1 + 90 * np.exp(-1.1 * v)),
            4.9 - 4.9 / (1 + 0.011 * sp.exp(1.1 * x)),
            lambda c: c[0] / (1 + c[1] * sp.exp(c[2] * x)),
        ),
        (
            lambda v: 2 * np.log(v) + 1,
            1.9 * sp.log(1.1 * x + 0.01) + 0.002 * sp.exp(0.1 * x) + 1,
            lambda c: c[0] * sp.log(x) + c[1],
        ),
        (
            lambda v: 2 * np.log(v) + 1,
            20 * x**0.09 - 18.7,
            lambda c: c[0] * sp.log(x) + c[1],
        ),
    ],
)
def test_occam_finds_the_textbook_form(truth, start, says):
    held = np.random.default_rng(2).uniform(0.5, 8, (120, 1))
    found = formula(start, ["x"], table(truth), table(truth, seed=1, inputs=held))
    shape = says(sp.symbols("c:3", real=True))
    constants = sp.symbols("c:9", real=True)
    unnamed = [
        e.xreplace(dict.fromkeys(constants, sp.Symbol("c"))) for e in (found.template, shape)
    ]
    assert unnamed[0] == unnamed[1]
    np.testing.assert_allclose(found.predict(INPUTS), truth(INPUTS[:, 0]), rtol=0.05, atol=0.05)


def test_a_product_is_found_behind_exponents_near_zero():
    """exp(a p^b + c x^d) with b and d near zero is nearly k p x: the logarithms are its limit."""
    generator = np.random.default_rng(1)
    inputs = generator.uniform(0.1, 5, (2, 150, 2))
    noise = 0.02 * generator.normal(size=(2, 150))
    fitted, held = (Table(i, i.prod(1) + e) for i, e in zip(inputs, noise, strict=True))
    start = 1.2e14 * sp.exp(-13.2 * x**-0.075) * sp.exp(-18.2 * z**-0.06)
    found = formula(start, ["x", "z"], fitted, held)
    assert found.template.free_symbols >= {x, z}
    assert all(exponent == 1 for exponent in sp.Poly(found.expression, x, z).degree_list())
    np.testing.assert_allclose(found.predict(inputs[0]), inputs[0].prod(1), atol=0.05)


def test_a_number_that_no_float_can_hold_spoils_one_formula_and_no_search():
    """e^(900 − 900 x) is e^900 e^(−900 x) to SymPy."""
    data = table(np.log)
    found = formula(sp.exp(900.0 - 900.0 * x) + 1.5 * sp.log(x), ["x"], data, data)
    assert np.isfinite([c.rounded for c in found.constants.values()]).all()
    assert str(found)
    assert found.latex()


def test_constants_have_the_errors_of_linear_regression():
    data = table(lambda v: 2 * v + 1, noise=0.1)
    found = formula(0.9 * x + 0.5, ["x"], data)
    design = np.column_stack([np.ones(120), data.inputs[:, 0]])
    best, residual, *_ = np.linalg.lstsq(design, data.targets, rcond=None)
    covariance = residual[0] / (120 - 2) * np.linalg.inv(design.T @ design)
    got = sorted((c.value, c.error) for c in found.constants.values())
    expected = sorted(zip(best, np.sqrt(np.diag(covariance)), strict=True))
    np.testing.assert_allclose(got, expected, rtol=1e-4)


def test_constants_that_do_one_job_have_no_error():
    found = formula(1.5 * sp.exp(0.3 * x) ** 2.0 + 0.1 * x, ["x"], table(lambda v: v**2))
    assert all(c.error is None or np.isfinite(c.error) for c in found.constants.values())


@pytest.mark.parametrize(
    ("value", "error", "rounded"),
    [
        (2.01347, 0.0031, 2.0135),
        (123.456, 4.0, 123.5),
        (0.5, 30.0, 0.5),
        (1.23456, None, 1.235),
        (-4.2, 0.0, -4.2),
    ],
)
def test_a_constant_is_rounded_to_its_uncertainty(value, error, rounded):
    assert Constant(value=value, error=error).rounded == pytest.approx(rounded, rel=1e-12)


def test_formulas_are_written_as_text_and_as_latex():
    found = formula(2.0 * sp.log(1.0 * x) + 1.0, ["x"], table(lambda v: 2 * np.log(v) + 1, 0.0))
    assert str(found) == "2*log(x) + 1"
    assert r"\ln" in found.latex()


def test_outside_its_domain_a_formula_has_no_value():
    found = formula(2.0 * sp.log(x) + 1.0, ["x"], table(np.log))
    assert np.isnan(found.predict(np.array([[-1.0]]))).all()


def test_several_outputs_have_no_formula():
    torch.manual_seed(0)
    inputs = np.random.default_rng(0).uniform(1, 2, (40, 1))
    from dartsedu.spaces.equation import Output

    supernet = EquationSupernet(equation_space(1, 1), restarts=4, output=Output(size=2))
    discovery = conclude(supernet, table_task(inputs, np.hstack([inputs, inputs**2])))
    assert discovery.candidates == ()
    assert discovery.equation.predict(inputs).shape == (40, 2)
    with pytest.raises(ValueError, match="one real output"):
        _ = discovery.formula
