"""The laws. Oracles: the SymPy form beside the NumPy form, limits and values known by hand."""

import subprocess
import sys

import numpy as np
import pytest
import sympy

from dartsedu.data.laws import LAWS, find_law

each_law = pytest.mark.parametrize("law", LAWS.values(), ids=list(LAWS))


@each_law
def test_numpy_and_sympy_say_the_same(law):
    X, y = law.sample(500, seed=3)
    exact = sympy.lambdify([sympy.Symbol(v) for v in law.variables], law.expression, "mpmath")
    truth = np.array([float(exact(*row)) for row in X])
    np.testing.assert_allclose(y, truth, rtol=1e-13, atol=1e-13)
    assert law.expression.free_symbols == {sympy.Symbol(v) for v in law.variables}
    assert y.dtype == np.float64


@each_law
def test_samples_fill_their_ranges_and_repeat(law):
    X, y = law.sample(2000, noise=0.1, seed=1)
    assert X.shape == (2000, len(law.variables))
    assert y.shape == (2000,)
    assert np.isfinite(y).all()
    for column, (low, high) in zip(X.T, law.variables.values(), strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < column.max() <= high
    again = law.sample(2000, noise=0.1, seed=1)
    np.testing.assert_array_equal(X, again[0])
    np.testing.assert_array_equal(y, again[1])
    assert not np.array_equal(X, law.sample(2000, noise=0.1, seed=2)[0])


@each_law
def test_noise_is_relative_to_the_spread_of_the_truth(law):
    X, y = law.sample(20_000, noise=0.2, seed=5)
    residual = y - law.function(X)
    # The standard error of a standard deviation of 20 000 normal values is 0.5 %.
    assert residual.std() == pytest.approx(0.2 * law.function(X).std(), rel=0.02)
    assert abs(np.corrcoef(residual, law.function(X))[0, 1]) < 0.03
    np.testing.assert_array_equal(law.sample(50, seed=5)[0], law.sample(50, noise=0.3, seed=5)[0])


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("weber-fechner", [0.4], 0.0),  # nothing is felt at the threshold
        ("stevens", [1.0], 1.2),
        ("michaelis-menten", [1.5], 1.0),  # half of V where S = K
        ("exponential-learning", [0.0], 0.4),
        ("exponential-learning", [1e3], 2.0),
        ("logistic-growth", [0.0], 0.15),
        ("logistic-growth", [np.log(19) / 0.8], 1.5),  # the turning point at half of K
        ("damped-oscillation", [(np.pi / 2 - 0.5) / 1.7], 0.0),
        ("expected-value", [0.25, 4.0], 1.0),
    ],
)
def test_values_known_by_hand(name, row, value):
    assert find_law(name).function(np.array([row]))[0] == pytest.approx(value, abs=1e-12)


def test_bad_requests_say_what_is_expected():
    with pytest.raises(ValueError, match=r"unknown law 'newton'; expected one of: weber-fechner,"):
        find_law("newton")
    law = find_law("expected-value")
    with pytest.raises(ValueError, match=r"columns p, x; got the shape \(3, 1\)"):
        law.function(np.ones((3, 1)))
    with pytest.raises(ValueError, match="at least one row, got n=0"):
        law.sample(0)
    with pytest.raises(ValueError, match=r"0 or more, got -0\.1"):
        law.sample(5, noise=-0.1)
    with pytest.raises(ValueError, match="0 or more, got nan"):
        law.sample(5, noise=float("nan"))


def test_sympy_is_loaded_only_for_an_expression():
    code = (
        "import sys; from dartsedu.data.laws import find_law; "
        "find_law('stevens').sample(5, noise=0.1); assert 'sympy' not in sys.modules; "
        "find_law('stevens').expression; assert 'sympy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
