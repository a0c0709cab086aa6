"""What passes see of α, against closed forms."""

import math

import pytest
import torch
from pydantic import ValidationError
from scipy.stats import binom

from dartsedu.derivation import derive
from dartsedu.discretisation import discretised_mixture
from dartsedu.methods.draws import Dirichlet, Gumbel, GumbelHard, Plain, Sigmoid
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.relaxation import concentration, mixture_weights

NOW = Progress(0, 10)


def at(kind, temperature):
    return kind(temperature=Schedule(start=temperature))


def rows(alpha, count):
    return torch.tensor(alpha, dtype=torch.float64).expand(count, -1)


def drawn(piece, alpha, seed=0):
    return piece.mixing(NOW, seed)({"cell": alpha})["cell"]


def test_what_is_expected_is_no_draw():
    assert Plain().mixing(NOW, 0) is None
    assert Sigmoid().mixing(NOW, 0) is None


@pytest.mark.parametrize("piece", [at(Gumbel, 0.7), at(GumbelHard, 0.7), Dirichlet()])
def test_a_draw_depends_on_the_seed_alone_and_leaves_other_random_numbers_alone(piece):
    alpha = rows([0.0, 1.0, -1.0], 30)
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first = drawn(piece, alpha, 5)
    assert torch.equal(torch.rand(2), expected)
    assert torch.equal(drawn(piece, alpha, 5), first)
    assert not torch.equal(drawn(piece, alpha, 6), first)
    torch.testing.assert_close(first.sum(-1), torch.ones(30, dtype=torch.float64))
    assert len(first.unique(dim=0)) > 1


def test_a_hot_draw_is_even_and_a_cold_one_picks_with_the_chances_of_softmax():
    """Gumbel-max: P(k) = softmax(α)_k; 20,000 draws, each share in its 99.99 % interval."""
    alpha = [0.0, math.log(2), math.log(5)]
    hot = drawn(at(Gumbel, 1e6), rows(alpha, 100))
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / 3), atol=1e-4, rtol=0)
    count = 20_000
    cold = drawn(at(Gumbel, 1e-3), rows(alpha, count))
    # The two largest may be closer than the temperature in a few rows of a thousand.
    assert float((cold.max(-1).values > 0.999).double().mean()) > 0.99
    for draws in (cold.argmax(-1), drawn(at(GumbelHard, 1.0), rows(alpha, count)).argmax(-1)):
        for k, p in enumerate((1 / 8, 2 / 8, 5 / 8)):
            low, high = binom.interval(0.9999, count, p)
            assert low <= int((draws == k).sum()) <= high


def test_the_gradient_of_a_draw_is_that_of_its_definition():
    """Central differences of the same draw in float64."""
    alpha = torch.randn(2, 4, dtype=torch.float64).requires_grad_()
    for temperature in (0.3, 1.0, 4.0):
        assert torch.autograd.gradcheck(lambda a, t=temperature: drawn(at(Gumbel, t), a), alpha)


def test_a_hard_draw_is_one_hot_exactly_and_its_gradient_that_of_the_soft_one():
    alpha = torch.randn(6, 5).requires_grad_()
    slope = torch.randn(6, 5)
    hard = drawn(at(GumbelHard, 0.4), alpha, 3)
    assert set(hard.unique().tolist()) == {0.0, 1.0}  # h − q + q would not be, in float32.
    assert torch.equal(hard.sum(-1), torch.ones(6))
    q = drawn(at(Gumbel, 0.4), alpha, 3)  # The same noise.
    assert torch.equal(hard.argmax(-1), q.argmax(-1))
    (found,) = torch.autograd.grad(hard, alpha, slope)
    # ∂q_k/∂α_j = q_k (δ_kj − q_j) / τ, so Jᵀ g = q ⊙ (g − ⟨q, g⟩) / τ.
    q = q.detach()
    expected = q * (slope - (q * slope).sum(-1, keepdim=True)) / 0.4
    torch.testing.assert_close(found, expected)


def test_under_a_hard_draw_the_supernet_is_the_discrete_network_of_what_was_drawn(
    make_supernet, task
):
    supernet = make_supernet()
    batch = next(task.weights.training(12, 0))
    with torch.no_grad(), supernet.frozen(), supernet.mixing(GumbelHard().mixing(NOW, 1)):
        mixture = supernet.mixture()
        found = supernet.loss(batch).loss
        genotype = derive(supernet.space, {c: m.numpy() for c, m in mixture.items()}, "argmax")
        expected = supernet.loss(batch, discretised_mixture(supernet.space, genotype)).loss
    torch.testing.assert_close(found, expected)


def test_a_flat_dirichlet_has_the_moments_of_the_simplex():
    """α = 0: mean 1/n, variance (n − 1) / (n² (n + 1))."""
    n = 4
    found = drawn(Dirichlet(), rows([0.0] * n, 40_000))
    variance = (n - 1) / (n**2 * (n + 1))
    tolerance = 5 * math.sqrt(variance / 40_000)
    torch.testing.assert_close(
        found.mean(0), torch.full((n,), 1 / n, dtype=torch.float64), atol=tolerance, rtol=0
    )
    torch.testing.assert_close(
        found.var(0), torch.full((n,), variance, dtype=torch.float64), atol=0.002, rtol=0
    )


def test_the_mean_gradient_of_a_dirichlet_draw_is_the_gradient_of_the_mean():
    """E c·θ = c·m with m = β / Σβ, so its slope in β_i is (c_i − c·m) / Σβ."""
    alpha = [0.4, -0.7, 1.2]
    c = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    count = 40_000
    leaf = torch.tensor([alpha], dtype=torch.float64).repeat(count, 1).requires_grad_()
    (each,) = torch.autograd.grad((drawn(Dirichlet(), leaf) @ c).sum(), leaf)
    small = torch.tensor(alpha, dtype=torch.float64)
    beta = torch.nn.functional.elu(small) + 1
    chain = torch.where(small > 0, 1.0, small.exp())
    expected = (c - c @ beta / beta.sum()) / beta.sum() * chain
    error = each.std(0) / math.sqrt(count)
    assert bool(((each.mean(0) - expected).abs() < 5 * error).all())


def test_a_dirichlet_of_small_concentrations_is_sparse_and_finite():
    alpha = rows([-40.0, -40.0, -41.0], 200).float().requires_grad_()
    found = drawn(Dirichlet(), alpha)
    assert bool(torch.isfinite(found).all())
    assert float(found.detach().max(-1).values.min()) > 0.999
    shares = [float((found.argmax(-1) == k).float().mean()) for k in range(3)]
    assert shares == pytest.approx([0.42, 0.42, 0.16], abs=0.12)  # One-hot, with chances β / Σβ.
    assert bool(torch.isfinite(torch.autograd.grad(found.square().sum(), alpha)[0]).all())
    even = mixture_weights(torch.full((1, 4), -200.0), "dirichlet")
    torch.testing.assert_close(even, torch.full((1, 4), 0.25))


def test_the_expected_dirichlet_mixture_is_the_mean_with_its_gradient():
    alpha = torch.tensor([[0.0, 1.0, -1.0]], dtype=torch.float64).requires_grad_()
    beta = torch.nn.functional.elu(alpha) + 1
    torch.testing.assert_close(mixture_weights(alpha, "dirichlet"), beta / beta.sum())
    assert torch.autograd.gradcheck(lambda a: mixture_weights(a, "dirichlet"), alpha + 0.1)


def test_the_concentration_is_one_plus_elu_with_its_slope_also_where_alpha_starts():
    alpha = torch.tensor([0.0, 1.5, -1.5, -30.0], dtype=torch.float64).requires_grad_()
    beta = concentration(alpha)
    expected = [1.0, 2.5, math.exp(-1.5), math.exp(-30)]
    torch.testing.assert_close(beta.detach(), torch.tensor(expected, dtype=torch.float64))
    (slope,) = torch.autograd.grad(beta.sum(), alpha)
    expected = torch.tensor([1.0, 1.0, math.exp(-1.5), math.exp(-30)], dtype=torch.float64)
    torch.testing.assert_close(slope, expected)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValidationError, match="a temperature of 0; expected numbers above 0"):
        Gumbel(temperature=Schedule(shape="linear", start=1))
