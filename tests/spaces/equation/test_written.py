"""The equation in plain text, as the live view shows it during a search."""

import math

import numpy as np
import pytest
import sympy
import torch
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)

from dartsedu.presets import load_preset
from dartsedu.relaxation import Outcome
from dartsedu.search import Search
from dartsedu.spaces.equation import Equation, EquationSupernet, equation_space, table_task
from dartsedu.spaces.equation.expression import Term
from dartsedu.stream.recording import Header, Recorder, Recording


def equation(*nodes, variables=("x",), factors=None, constant=0.0, kind="real", **scaling):
    units = {
        "input_scale": (1.0,) * len(variables),
        "target_centre": (0.0,),
        "target_scale": (1.0,),
    }
    return Equation(
        variables=variables,
        nodes=tuple(
            tuple(Term(primitive=p, source=s, scale=a, offset=b) for p, s, a, b in n) for n in nodes
        ),
        factors=(tuple(factors or [1.0] * len(nodes)),),
        constants=(constant,),
        kind=kind,
        **{**units, **scaling},
    )


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (equation([("linear", 0, 2.0, -1.0)]), "y = −1 + 2 x"),
        (equation([("add", 0, 1.0, 0.0), ("subtract", 0, -1.0, 0.0)]), "y = 0"),
        (equation([]), "y = 0"),
        (equation([("linear_exp", 0, -0.5, 0.25)], factors=[-3.0]), "y = −3 exp(0.25 − 0.5 x)"),
        (equation([("linear_reciprocal", 0, 1.0, 2.0)], factors=[4.0]), "y = 4/(2 + x)"),
        (equation([("ln", 0, 1.0, 0.0)], constant=1.0, input_scale=(math.e,)), "y = ln(x)"),
        (equation([("power", 0, -0.5, 0.0)], input_scale=(4.0,)), "y = 2 x^−0.5"),
        (
            equation([("linear", 0, 1.0, 1.0)], [("power", 1, 2.0, 0.0)], factors=[0.0, 1.0]),
            "y = (1 + x)^2",
        ),
        (
            equation([("ln", 0, 1.0, 0.0)], target_centre=(5.0,), target_scale=(2.0,)),
            "y = 5 + 2 ln(x)",
        ),
        (equation([("mult", 0, 3.0, 0.0)], kind="sigmoid"), "y = logistic(3 x)"),
        (
            equation([("ln", 0, 1.0, 0.0), ("ln", 1, 1.0, 0.0)], variables=("a", "b")),
            "y = ln(a) + ln(b)",
        ),
    ],
)
def test_an_equation_in_words(found, text):
    assert found.written(["y"]) == text


def test_a_node_without_terms_is_a_number():
    """ln of nothing is the guarded value, as everywhere: −6.9 at 0.001, less 0.001."""
    found = equation([], [("ln", 1, 1.0, 0.0)])
    assert found.written(["y"]) == "y = −6.91"
    assert found.predict([[1.0]])[0, 0] == pytest.approx(math.log(1e-3) - 1e-3)


def read(text):
    """The function of x that a text says."""
    z, x = sympy.symbols("z x")
    names = {"x": x, "ln": sympy.log, "logistic": sympy.Lambda(z, 1 / (1 + sympy.exp(-z)))}
    rules = (*standard_transformations, implicit_multiplication, convert_xor)
    plain = text.split(" = ")[1].replace("−", "-")
    return sympy.lambdify(x, parse_expr(plain, names, rules), "numpy")


def test_the_text_predicts_what_the_equation_predicts():
    """Random graphs inside their functions' domains, the text read by SymPy."""
    x = np.linspace(1.0, 3.0, 7)
    random = np.random.default_rng(0)
    names = ("linear", "linear_exp", "linear_logistic", "linear_reciprocal", "ln", "power", "mult")
    for _ in range(40):
        first, second, third = random.choice(names, 3)
        a, b, c = random.uniform(0.2, 1.0, 3)
        found = equation(
            [(str(first), 0, a, b if "linear" in first else 0.0)],
            [
                (str(second), 0, b, c if "linear" in second else 0.0),
                (str(third), 1, c, 1.0 if "linear" in third else 0.0),
            ],
            factors=[a, -b],
            constant=c,
            input_scale=(0.5,),
            target_centre=(2.0,),
            target_scale=(1.5,),
        )
        # The coefficients of functions that have none of their own.
        fixed = [
            tuple(t.model_copy(update={"scale": 1.0}) if t.primitive == "ln" else t for t in n)
            for n in found.nodes
        ]
        found = found.model_copy(update={"nodes": tuple(fixed)})
        expected = found.predict(x[:, None])[:, 0]
        values = read(found.written(["y"]))(x)
        assert values == pytest.approx(expected, rel=0.05, abs=0.05), found.written(["y"])


@pytest.fixture
def search():
    torch.manual_seed(0)
    x = np.linspace(1, 9, 40)[:, None]
    task = table_task(x, np.log(x), variables=["S"], target_names=["R"])
    space = equation_space(1, 1, relaxation="sigmoid")
    supernet = EquationSupernet(space, restarts=3, alpha_scale=1)
    return Search(supernet, task, load_preset("equation", ["search.epochs=4"]).search)


def test_a_search_writes_its_leader_and_a_recording_keeps_it(search, tmp_path):
    header = Header.of(search, search.space)
    with Recorder(tmp_path / "run.jsonl", header) as recorder:
        steps = list(search)
        for step in steps:
            recorder.append(step)
    again = Recording.load(tmp_path / "run.jsonl")
    assert all(step.written.startswith("R = ") and "S" in step.written for step in steps)
    assert [step.written for step in again.steps] == [step.written for step in steps]
    np.testing.assert_allclose(
        again.steps[2].mixture["equation"], steps[2].mixture["equation"], rtol=1e-6
    )


def test_the_loss_that_is_shown_is_that_of_the_restart_that_is_shown(search):
    """A leader that fails is no longer shown, and neither is its loss."""
    supernet = search.supernet
    for losses, leader in (([1.0, 2.0, 3.0], 0), ([1e9, 2.0, 3.0], 1)):
        outcome = Outcome(torch.tensor(losses[0]), losses=torch.tensor(losses).double())
        supernet.judged(outcome)
        assert supernet.leader == leader
        assert float(supernet.shown_loss(outcome)) == losses[leader]
