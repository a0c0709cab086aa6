"""The functions of an equation's edges: exact in their domain, finite and continuous outside."""

import math

import numpy as np
import pytest
import torch

from dartsedu.spaces.equation.operations import (
    FUNCTIONS,
    LARGEST_EXPONENT,
    OPERATIONS,
    PRIMITIVES,
    SMALLEST,
    degrees_of_freedom,
    guarded_exp,
    guarded_ln,
    guarded_reciprocal,
)
from dartsedu.spaces.equation.words import VOCABULARY

X = np.linspace(0.002, 5.0, 101)
EXACT = {
    "identity": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "exp": np.exp,
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "reciprocal": lambda x: 1 / x,
    "ln": np.log,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "softminus": lambda x: x - np.log1p(np.exp(x)),
}


def number(x):
    return torch.tensor(x, dtype=torch.float64)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_exact_in_its_domain(name):
    found = FUNCTIONS[name](torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(found, EXACT[name](X), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_argument_gives_anything_that_is_not_finite(name):
    wild = [0.0, -0.0, 1e-300, -1e-300, SMALLEST, -SMALLEST, LARGEST_EXPONENT, 1e6, -1e6]
    x = number([*wild, *np.linspace(-50, 50, 1001)]).requires_grad_()
    y = FUNCTIONS[name](x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert y.isfinite().all()
    assert slope.isfinite().all()


@pytest.mark.parametrize(
    ("function", "edge"),
    [
        (guarded_exp, LARGEST_EXPONENT),
        (guarded_ln, SMALLEST),
        (guarded_reciprocal, SMALLEST),
        (guarded_reciprocal, -SMALLEST),
    ],
)
def test_a_guard_meets_its_function_at_the_edge(function, edge):
    below, above = function(number([edge * (1 - 1e-12), edge * (1 + 1e-12)])).tolist()
    assert below == pytest.approx(above, rel=1e-9)


@pytest.mark.parametrize("x", [-3.0, 0.0, 0.0005])
def test_below_its_domain_the_logarithm_leads_back(x):
    leaf = number(x).requires_grad_()
    (slope,) = torch.autograd.grad(guarded_ln(leaf), leaf)
    assert float(slope) == 1.0


def test_a_power_is_a_power():
    found = OPERATIONS["power"](torch.from_numpy(X), 0.33, 0.0).numpy()
    np.testing.assert_allclose(found, X**0.33, rtol=1e-12)


@pytest.mark.parametrize(
    ("primitive", "freedom"),
    [("none", 0), ("add", 0), ("exp", 0), ("mult", 1), ("power", 1), ("linear_ln", 2)],
)
def test_degrees_of_freedom_are_the_coefficients_to_be_found(primitive, freedom):
    assert degrees_of_freedom(primitive) == freedom


def test_a_linear_form_is_the_function_of_a_line():
    x = torch.from_numpy(X)
    for name, operation in OPERATIONS.items():
        if name.startswith("linear_"):
            bare = OPERATIONS[name.removeprefix("linear_")]
            assert torch.equal(operation(x, 0.7, 0.2), bare(0.7 * x + 0.2, 1.0, 0.0))


def test_genotype_files_may_name_every_primitive():
    assert VOCABULARY.primitives == ("none", *OPERATIONS)
    assert set(PRIMITIVES) <= set(VOCABULARY.primitives)


def test_subtract_is_minus_x():
    assert math.isclose(float(OPERATIONS["subtract"](number(2.5), -1.0, 0.0)), -2.5)
