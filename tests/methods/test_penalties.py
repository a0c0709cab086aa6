"""What is added to the loss of α, against closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy.special import digamma, expit, gammaln, softmax

from dartsedu.methods.penalties import BetaDecay, DirichletDivergence, NoPenalty, ZeroOne
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.topology import SearchSpace, Topology

NOW = Progress(3, 10)
LAMBDA = 10.0


def space(relaxation="sigmoid", primitives=("skip_connect", "sep_conv_3x3", "max_pool_3x3")):
    cells = tuple(Topology.dense(name, nodes=2) for name in ("normal", "reduce"))
    return SearchSpace(name="cnn", primitives=primitives, cells=cells, relaxation=relaxation)


def alphas(given, value=None, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return {
        cell.name: (
            torch.randn(given.shape(cell.name), generator=generator, dtype=torch.float64)
            if value is None
            else torch.full(given.shape(cell.name), value, dtype=torch.float64)
        ).requires_grad_()
        for cell in given.cells
    }


def slopes(piece, given, at):
    term = piece.term(at, given, NOW)
    return float(term.detach()), torch.autograd.grad(term, list(at.values()))


def test_nothing_is_nothing():
    assert NoPenalty().term(alphas(space()), space(), NOW) is None


@pytest.mark.parametrize("norm", ["l2", "l1"])
def test_zero_one_by_hand(norm):
    """R = −λ mean (s − ½)², its slope −(2λ/N)(s − ½) s (1 − s); of L1 ∓(λ/N) s (1 − s)."""
    given = space()
    at = alphas(given)
    value, found = slopes(ZeroOne(norm=norm), given, at)
    entries = np.concatenate([a.detach().numpy().ravel() for a in at.values()])
    s, n = expit(entries), len(entries)
    away = (s - 0.5) ** 2 if norm == "l2" else abs(s - 0.5)
    assert value == pytest.approx(-LAMBDA * away.mean())
    inner = 2 * (s - 0.5) if norm == "l2" else np.sign(s - 0.5)
    expected = -LAMBDA / n * inner * s * (1 - s)
    np.testing.assert_allclose(np.concatenate([f.numpy().ravel() for f in found]), expected)


def test_zero_one_lies_between_its_bounds_pushes_nothing_at_half_and_most_where_the_slope_peaks():
    """In [−λ/4, 0]; no slope at α = 0; extreme at s = ½ ± √3/6."""
    given = space()
    for value in (0.0, 2.0, -2.0, 40.0):
        term, found = slopes(ZeroOne(), given, alphas(given, value))
        assert -LAMBDA / 4 <= term <= 0
        if value == 0:
            assert all(not f.any() for f in found)
    peak = 0.5 + math.sqrt(3) / 6
    best = math.log(peak / (1 - peak))
    push = {v: slopes(ZeroOne(), given, alphas(given, v))[1][0].abs().max().item()
            for v in (best - 0.05, best, best + 0.05)}  # fmt: skip
    assert push[best] == max(push.values())


def test_zero_one_does_not_couple_primitives_and_leaves_none_alone():
    given = space(primitives=("none", "skip_connect"))
    at = alphas(given)
    _, found = slopes(ZeroOne(), given, at)
    assert not found[0][:, 0].any()
    assert found[0][:, 1].all()
    moved = {cell: a.detach().clone().requires_grad_() for cell, a in at.items()}
    with torch.no_grad():
        moved["normal"][:, 0] += 3
    _, again = slopes(ZeroOne(), given, moved)
    assert torch.equal(found[0][:, 1], again[0][:, 1])


def test_beta_decay_by_hand():
    """λ(t) = 50 t / T; slope λ/E softmax(α); a shift c of an edge adds λ c / E and no slope."""
    given = space("softmax")
    at = alphas(given)
    weight, edges = 50 * 3 / 10, 10
    value, found = slopes(BetaDecay(), given, at)
    stacked = np.concatenate([a.detach().numpy() for a in at.values()])
    assert value == pytest.approx(weight / edges * np.log(np.exp(stacked).sum(1)).sum())
    expected = weight / edges * softmax(stacked, axis=1)
    np.testing.assert_allclose(torch.cat(found).numpy(), expected)
    shifted = {cell: a.detach().clone() for cell, a in at.items()}
    shifted["reduce"][1] += 2.0
    shifted = {cell: a.requires_grad_() for cell, a in shifted.items()}
    more, again = slopes(BetaDecay(), given, shifted)
    assert more - value == pytest.approx(weight * 2 / edges)
    torch.testing.assert_close(torch.cat(again), torch.cat(found))


def test_a_step_of_beta_decay_lowers_every_edge_by_the_same_and_moves_it_to_uniform():
    given = space("softmax")
    at = alphas(given)
    rate, weight, edges = 0.1, 15.0, 10
    _, found = slopes(BetaDecay(), given, at)
    for a, slope in zip(at.values(), found, strict=True):
        before, after = a.detach(), a.detach() - rate * slope
        lowered = before.sum(-1) - after.sum(-1)
        torch.testing.assert_close(lowered, torch.full_like(lowered, rate * weight / edges))
        spread = torch.softmax(before, -1).var(-1) - torch.softmax(after, -1).var(-1)
        assert bool((spread > 0).all())


def test_the_divergence_of_a_dirichlet_from_the_flat_one_by_hand():
    """KL(Dir(β) ‖ Dir(1)) = ln Γ(Σβ) − Σ ln Γ(β) − ln Γ(n) + Σ (β − 1)(ψ(β) − ψ(Σβ))."""
    given = space("dirichlet")
    piece = DirichletDivergence(weight=Schedule(start=0.5))
    at = alphas(given)
    value, _ = slopes(piece, given, at)
    stacked = np.concatenate([a.detach().numpy() for a in at.values()])
    beta = np.where(stacked > 0, stacked + 1, np.exp(stacked))
    total = beta.sum(1)
    each = gammaln(total) - gammaln(beta).sum(1) - gammaln(beta.shape[1])
    each += ((beta - 1) * (digamma(beta) - digamma(total)[:, None])).sum(1)
    assert value == pytest.approx(0.5 * each.sum())
    flat, found = slopes(piece, given, alphas(given, 0.0))
    assert flat == pytest.approx(0, abs=1e-12)
    assert all(bool(f.abs().max() < 1e-12) for f in found)


@pytest.mark.parametrize("piece", [ZeroOne(), BetaDecay(), DirichletDivergence()])
def test_restarts_have_each_their_own_penalty(piece):
    given = space("sigmoid" if isinstance(piece, ZeroOne) else "softmax")
    each = [alphas(given, seed=seed) for seed in range(3)]
    together = {
        cell: torch.stack([a[cell].detach() for a in each]).requires_grad_() for cell in each[0]
    }
    values, alone = zip(*(slopes(piece, given, a) for a in each), strict=True)
    value, found = slopes(piece, given, together)
    assert value == pytest.approx(sum(values))
    for place, cell in enumerate(together):
        expected = torch.stack([a[place] for a in alone])
        torch.testing.assert_close(found[place], expected, msg=cell)
