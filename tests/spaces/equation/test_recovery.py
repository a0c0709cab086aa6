"""Is it the law? Oracles: identities, and expressions that are known to be other laws."""

import numpy as np
import pytest
import sympy
from sympy import Float, Max, Symbol, cos, exp, log, sin, sqrt, tanh

from dartsedu.data.laws import LAWS, find_law
from dartsedu.spaces.equation.recovery import Family, equivalent, recovered

S, t, p, x = (Symbol(name) for name in "Stpx")


def is_law(name, found, **options):
    law = find_law(name)
    return equivalent(found, law.expression, law.variables, **options)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_is_itself(name):
    assert is_law(name, LAWS[name].expression)
    assert is_law(name, sympy.expand(1.01 * LAWS[name].expression))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("weber-fechner", 1.48 * log(2.6 * S)),
        ("weber-fechner", 1.6 * log(S) + 1.3),
        ("weber-fechner", 3.1 * log(sqrt(S)) + 1.3),
        ("weber-fechner", -1.5 * log(0.4 / S)),
        ("weber-fechner", 0.8 * log(1.7 * S) + 0.7 * log(S) + 0.8),
        ("stevens", exp(0.68 * log(S) + 0.2)),
        ("stevens", 1.1 * (1.3 * S) ** Float(0.66)),
        ("michaelis-menten", 1 / (0.52 + 0.7 / S)),
        ("michaelis-menten", 2.1 - 3.0 / (1.4 + S)),
        ("michaelis-menten", 0.9 * S / (0.5 * S + 0.7)),
        ("exponential-learning", 2.02 - exp(0.45 - 0.36 * t)),
        ("exponential-learning", 0.4 + 1.6 * (1 - Float(0.7) ** t)),
        ("logistic-growth", 3.1 * exp(0.8 * t) / (exp(0.8 * t) + 18)),
        ("logistic-growth", 1.5 + 1.5 * tanh(0.4 * t - 1.47)),
        ("damped-oscillation", 2.1 * exp(-0.19 * t) * sin(1.7 * t + 2.1)),
        ("expected-value", exp(1.01 * log(p) + 0.99 * log(x))),
        ("expected-value", 1.02 * p * x),
    ],
)
def test_another_form_of_the_law_is_the_law(name, found):
    assert is_law(name, found)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("weber-fechner", 1.5 * log(S / 0.4) + 0.01 * S),
        ("weber-fechner", 1.5 * log(S / 0.4) + 0.02 * cos(2.3 * S + 0.7)),
        ("weber-fechner", 1.47 * log(S / 0.4) + 0.015 * Max(0, 0.9 * S - 2)),
        ("michaelis-menten", 2 * S / (S + 1.5) + 0.005),
        ("exponential-learning", 2 - 1.6 * exp(-0.35 * t + 0.0004 * t**2)),
        ("expected-value", 1.01 * p * x + 0.01 * log(p) - 0.02),
    ],
)
def test_a_tiny_surplus_term_is_dropped_and_a_large_one_is_not(name, found):
    assert is_law(name, found)
    assert not is_law(name, found, tolerance=1e-4)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("weber-fechner", 6.0 * S ** Float(0.2) - 4.4),  # the logarithm is its limit
        ("weber-fechner", 2.4 * log(S + 0.7) - 0.2),
        ("weber-fechner", 1.5 * log(S) + 1.4 + 0.2 * S),
        ("stevens", 2.6 * log(S + 1)),
        ("michaelis-menten", 1.8 - 1.6 * exp(-0.5 * S)),
        ("michaelis-menten", 0.55 * log(S) + 0.6),
        ("exponential-learning", 1.2 + 0.8 * tanh(0.3 * t - 0.4)),
        ("exponential-learning", 0.7 * log(t + 1) + 0.4),
        ("logistic-growth", 1.5 + 1.5 * sin(0.4 * t - 1.5)),
        ("damped-oscillation", 2 * cos(1.7 * t + 0.5)),
        ("expected-value", 0.5 * p + 2 * x),
        ("expected-value", p * x + 0.3 * x),
        ("weber-fechner", Float(3.0)),
        ("weber-fechner", 0 * S),
        ("weber-fechner", log(-S)),
    ],
)
def test_another_law_is_not_the_law(name, found):
    assert not is_law(name, found)


def test_a_polynomial_as_close_as_the_noise_is_told_by_its_structure_and_beyond_the_range():
    """A polynomial in √S is at the noise floor inside the range, and wrong outside."""
    law = find_law("weber-fechner")
    X, y = law.sample(400, noise=0.05, seed=0)
    coefficients = np.polyfit(np.sqrt(X[:, 0]), y, 4)
    found = sum(c * sqrt(S) ** k for k, c in zip(range(4, -1, -1), coefficients, strict=True))
    verdict = recovered(found, law, noise=0.05)
    assert verdict.at_floor
    assert not verdict.equivalent
    assert not verdict.recovered
    beyond = np.linspace(20, 100, 50)
    wrong = np.array([float(found.subs(S, value)) for value in beyond])
    assert np.abs(wrong - law.function(beyond[:, None])).min() > 0.1 * y.std()


def test_constants_fitted_to_noisy_data_reach_the_floor_and_bad_ones_do_not():
    law = find_law("weber-fechner")
    X, y = law.sample(200, noise=0.1, seed=4)
    slope, offset = np.polyfit(np.log(X[:, 0]), y, 1)
    good = recovered(slope * log(S) + offset, law, noise=0.1)
    assert good.recovered
    # Two fitted constants: the expected error is noise · √(2 / 200).
    assert 0 < good.error < 3 * 0.1 * np.sqrt(2 / 200)
    bad = recovered(1.2 * slope * log(S) + offset, law, noise=0.1)
    assert bad.equivalent
    assert not bad.at_floor
    assert not bad.recovered


def test_the_error_is_relative_to_the_spread_of_the_truth():
    law = find_law("expected-value")
    _, truth = law.sample(1000, seed=1_000_003)
    verdict = recovered(p * x + 0.5, law, noise=0.0)
    assert verdict.error == pytest.approx(0.5 / truth.std())
    assert recovered(p * x, law, noise=0.0).recovered
    assert recovered(log(-p), law, noise=0.1).error == np.inf


def test_a_law_that_hardly_counts_beside_what_does_the_work_is_not_found():
    """The family contains the logarithm, but what was found does without it."""
    law = find_law("weber-fechner")
    X, y = law.sample(400, seed=0)
    polynomial = np.polyfit(np.sqrt(X[:, 0]), y, 4)
    powers = sum(c * sqrt(S) ** k for k, c in zip(range(4, -1, -1), polynomial, strict=True))
    assert not is_law("weber-fechner", powers + 0.002 * log(S))


def test_numbers_are_set_free_and_structures_are_not():
    ranges = {"S": (0.5, 10.0)}

    def numbers(expression):
        return sorted(Family(expression, ranges).values.tolist())

    assert numbers(1.5 * log(2.5 * S)) == [1.5, 2.5]
    assert numbers(log(S)) == [1]
    assert numbers(S + 0.3) == [0.3, 1]
    assert numbers(S**2) == [1]
    assert numbers(S ** Float(2.1)) == [1, 2.1]
    assert numbers(Max(0, 2.5 * S - 1.5)) == [-1.5, 1, 2.5]
    shared = exp(-0.5 * S)  # the same node twice has one set of numbers
    assert numbers(shared / (1 + shared)) == [-0.5, 1, 1, 1]


@pytest.mark.parametrize(
    "found",
    [sympy.zoo, sympy.nan, log(S) + sympy.oo, log(S) + sympy.I, S * log(Float(-2)), log(S - 5)],
)
def test_an_expression_without_real_values_is_no_law_and_no_failure(found):
    verdict = recovered(found, find_law("weber-fechner"), noise=0.1)
    assert not verdict.equivalent
    assert not verdict.at_floor


def test_the_tolerance_grows_with_the_noise():
    """Exponents that are wrong by what 200 rows with that noise leave open."""
    found = p ** Float(1.06) * x ** Float(0.97)
    law = find_law("expected-value")
    assert not recovered(found, law, noise=0.02).equivalent
    assert recovered(found, law, noise=0.2).equivalent


def test_an_unknown_symbol_is_named():
    with pytest.raises(ValueError, match="contains a, x; expected only the variables S"):
        equivalent(Symbol("a") * x + S, S, {"S": (0, 1)})
