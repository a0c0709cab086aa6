import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from dartsedu.discretisation import discretisation_gap, discretised_mixture
from dartsedu.genotype import GenotypeError
from dartsedu.published import PUBLISHED
from dartsedu.relaxation import MixedOp, mixture_weights


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_mixture_weights_by_hand():
    """softmax(0, ln 2, ln 5) = (1, 2, 5) / 8."""
    weights = mixture_weights(torch.tensor([[0.0, math.log(2), math.log(5)]], dtype=torch.float64))
    torch.testing.assert_close(weights, torch.tensor([[1, 2, 5]], dtype=torch.float64) / 8)


def test_mixed_operation_by_hand():
    """(1·0 + 2·1 + 5·3)/8 = 17/8 times x; its slope in weight k is Σ x·factor_k."""
    mixed = MixedOp([Times(0.0), Times(1.0), Times(3.0)])
    weights = (torch.tensor([1.0, 2.0, 5.0]) / 8).requires_grad_()
    x = torch.tensor([4.0, -8.0])
    out = mixed(x, weights)
    torch.testing.assert_close(out, torch.tensor([8.5, -17.0]))
    out[0].backward()
    torch.testing.assert_close(weights.grad, torch.tensor([0.0, 4.0, 12.0]))


def test_a_mixed_operation_needs_a_weight_for_each():
    with pytest.raises(ValueError, match="zip"):
        MixedOp([Times(1.0), Times(2.0)])(torch.ones(1), torch.ones(3))


def test_alphas_and_weights_are_disjoint_and_complete(make_supernet):
    supernet = make_supernet()
    alphas = {id(p) for p in supernet.alphas.values()}
    weights = {id(p) for p in supernet.weights().values()}
    assert not alphas & weights
    assert alphas | weights == {id(p) for p in supernet.parameters()}
    assert {name: tuple(a.shape) for name, a in supernet.alphas.items()} == {
        "normal": (5, 4),
        "reduce": (5, 4),
    }


def test_the_weights_are_the_parts_of_one_vector_also_in_a_copy(make_supernet):
    supernet = make_supernet()
    before = torch.cat([w.detach().flatten() for w in supernet.weights().values()])
    vector = supernet.vector()
    assert torch.equal(vector, before)
    other = copy.deepcopy(supernet).double()
    with torch.no_grad():
        other.vector().add_(1)
    found = torch.cat([w.detach().flatten() for w in other.weights().values()])
    torch.testing.assert_close(found, before.double() + 1)
    assert supernet.vector() is vector
    assert torch.equal(vector, before)


def test_alpha_starts_at_zero_in_the_paper_and_small_in_the_code(make_supernet):
    supernet = make_supernet()
    alpha = supernet.alphas["normal"].detach()
    assert 0 < alpha.abs().max() < 1e-2
    fresh = type(supernet)(supernet.space, image_channels=1, channels=2, cells=3)
    assert not fresh.alphas["normal"].any()
    np.testing.assert_allclose(fresh.mixture()["normal"].detach().numpy(), 1 / 4)


def test_frozen_passes_leave_no_trace_and_give_the_same_loss(make_supernet, task):
    supernet = make_supernet().train()
    batch = next(task.weights.training(12, 0))
    before = {k: v.clone() for k, v in supernet.state_dict().items()}
    with supernet.frozen():
        frozen = supernet.loss(batch).loss
    assert all(torch.equal(before[k], v) for k, v in supernet.state_dict().items())
    torch.testing.assert_close(supernet.loss(batch).loss, frozen, rtol=0, atol=0)
    assert any(not torch.equal(before[k], v) for k, v in supernet.state_dict().items())


def test_frozen_lets_go_after_an_error(make_supernet):
    supernet = make_supernet()
    with pytest.raises(RuntimeError, match="stop"), supernet.frozen():
        raise RuntimeError("stop")
    norms = [m for m in supernet.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms
    assert all(m.track_running_stats for m in norms)


def test_discretised_mixture_is_one_on_kept_edges_only(make_supernet):
    supernet = make_supernet()
    mixture = discretised_mixture(supernet.space, supernet.genotype())
    for cell in supernet.genotype().cells:
        topology = supernet.space[cell.name]
        for row, link in enumerate(topology.edges):
            kept = [e.primitive for s, e in cell.edges if (e.source, s) == link]
            ones = [supernet.space.primitives[i] for i in mixture[cell.name][row].nonzero()]
            assert ones == kept
    with pytest.raises(GenotypeError):
        discretised_mixture(supernet.space, PUBLISHED["darts-v1"])


def test_gap_is_the_loss_under_either_mixture_and_vanishes_for_a_decided_alpha(make_supernet, task):
    """With α far apart on all edges the mixture is the genotype, so there is no gap."""
    supernet = make_supernet()
    gap = discretisation_gap(supernet.eval(), task.architecture, supernet.genotype(), 36)
    assert not supernet.training
    supernet.train()
    batch = next(task.architecture.once(36))
    with torch.no_grad(), supernet.frozen():
        expected = supernet.loss(batch)
    assert gap.mixture.loss == pytest.approx(float(expected.loss))
    assert gap.mixture.accuracy == pytest.approx(float(expected.accuracy))
    assert gap.discretised.loss != pytest.approx(gap.mixture.loss)

    skip, none = (supernet.space.primitives.index(p) for p in ("skip_connect", "none"))
    with torch.no_grad():
        for alpha in supernet.alphas.values():
            alpha.zero_()
            alpha[:, skip] = 60.0
            alpha[4, none] = 120.0  # The last edge goes; its node keeps the other two.
    decided = discretisation_gap(supernet, task.architecture, supernet.genotype())
    assert decided.discretised.loss == pytest.approx(decided.mixture.loss, rel=1e-5)
