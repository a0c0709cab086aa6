"""What the step of w sees, against closed forms."""

import pytest
import torch
from torch import nn

from dartsedu.methods.blends import Adversarial, RandomSmoothing, Same, _uniform
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.relaxation import Outcome, Supernet
from dartsedu.spaces.cnn import cnn_space

NOW = Progress(0, 50)
SIZE = 0.05


class Linear(Supernet):
    """L = Σ c · p, so that the worst p + δ is p + ε sign(c)."""

    def __init__(self):
        super().__init__(cnn_space(nodes=2, primitives=("skip_connect", "sep_conv_3x3")))
        generator = torch.Generator().manual_seed(1)
        self.c = {
            cell.name: torch.randn(self.space.shape(cell.name), generator=generator)
            for cell in self.space.cells
        }
        self.w = nn.Parameter(torch.ones(1))

    def loss(self, batch, mixture=None):
        mixture = self.mixture() if mixture is None else mixture
        return Outcome(sum((self.c[cell] * p).sum() for cell, p in mixture.items()) * self.w.sum())


def projected(p):
    cut = p.clamp(0, 1)
    return cut / cut.sum(-1, keepdim=True)


def test_the_published_size_goes_from_003_to_03():
    assert Adversarial().size(Progress(0, 50)) == pytest.approx(0.03)
    assert RandomSmoothing().size(Progress(40, 50)) == pytest.approx(0.03 + 0.27 * 40 / 50)


def test_the_adversary_of_a_linear_loss_is_the_corner():
    supernet = Linear()
    found = Adversarial(size=Schedule(start=SIZE)).seen(supernet, None, NOW, 0)
    for cell, p in supernet.mixture().items():
        corner = projected(p.detach() + SIZE * supernet.c[cell].sign())
        torch.testing.assert_close(found[cell], corner)
    assert supernet.loss(None, found).loss >= supernet.loss(None).loss


def test_the_adversary_never_lowers_the_loss(make_supernet, task):
    supernet = make_supernet().train()
    batch = next(task.weights.training(12, 0))
    before = {name: t.clone() for name, t in supernet.state_dict().items()}
    with supernet.frozen():
        plain = float(supernet.loss(batch).loss.detach())
        for seed in range(3):
            seen = Adversarial(size=Schedule(start=0.3)).seen(supernet, batch, NOW, seed)
            assert float(supernet.loss(batch, seen).loss.detach()) >= plain
    assert all(torch.equal(before[name], t) for name, t in supernet.state_dict().items())
    assert all(p.grad is None for p in supernet.parameters())


def test_an_attack_that_fails_is_dropped():
    """c is the same for all primitives of an edge, so the projection undoes every shift."""
    supernet = Linear()
    for c in supernet.c.values():
        c[:, 1] = c[:, 0]
    seen = Adversarial(size=Schedule(start=SIZE)).seen(supernet, None, NOW, 0)
    with torch.no_grad():
        assert supernet.loss(None, seen).loss >= supernet.loss(None).loss - 1e-6


def test_random_smoothing_is_uniform_within_its_size():
    """Of p = ½ the first moves by (δ₁ − δ₂) / 2 / (1 + δ₁ + δ₂): at most by ε."""
    supernet = Linear()
    p = {cell: p.detach() for cell, p in supernet.mixture().items()}
    piece = RandomSmoothing(size=Schedule(start=SIZE))
    draws = torch.stack(
        [piece.seen(supernet, None, NOW, seed)["normal"][:, 0] for seed in range(400)]
    )
    shift = draws - p["normal"][:, 0]
    assert 0.8 * SIZE < float(shift.abs().max()) <= SIZE + 1e-6
    # Var(δ₁ − δ₂)/4 = ε²/6 to first order, and Var is shared by all edges.
    assert float(shift.var()) == pytest.approx(SIZE**2 / 6, rel=0.1)
    assert float(shift.mean()) == pytest.approx(0, abs=5 * SIZE / (6 * 2000) ** 0.5)
    for cell, row in piece.seen(supernet, None, NOW, 0).items():
        torch.testing.assert_close(row.sum(-1), torch.ones(len(row)), msg=cell)


def test_the_mean_loss_under_random_smoothing_is_that_of_a_wider_valley():
    """E L(p + δ) = L(p) + ε²/6 tr H, before Π, for a quadratic L. Its H is 2 I here."""
    supernet = Linear()
    p = torch.full((2000, 4), 0.25)
    shift = _uniform({"cell": p}, SIZE, 3)["cell"]
    rise = ((p + shift).square() - p.square()).sum(-1)
    expected = SIZE**2 / 6 * 2 * 4
    assert float(rise.mean()) == pytest.approx(expected, abs=5 * float(rise.std()) / 2000**0.5)
    assert Same().seen(supernet, None, NOW, 0) is None


def test_a_size_of_zero_is_the_mixture_itself():
    supernet = Linear()
    for piece in (RandomSmoothing(size=Schedule(start=0)), Adversarial(size=Schedule(start=0))):
        seen = piece.seen(supernet, None, NOW, 0)
        for cell, p in supernet.mixture().items():
            torch.testing.assert_close(seen[cell], p.detach())


def test_weights_that_do_not_compete_are_cut_to_0_and_1_alone():
    supernet = Linear()
    supernet.space = supernet.space.model_copy(update={"relaxation": "sigmoid"})
    with torch.no_grad():
        for alpha in supernet.alphas.values():
            alpha.fill_(8.0)
    seen = Adversarial(size=Schedule(start=0.3)).seen(supernet, None, NOW, 0)
    for cell, p in supernet.mixture().items():
        expected = (p.detach() + 0.3 * supernet.c[cell].sign()).clamp(0, 1)
        torch.testing.assert_close(seen[cell], expected)


def test_a_size_below_zero_is_refused():
    with pytest.raises(ValueError, match="a size of -1; expected numbers of 0 or more"):
        RandomSmoothing(size=Schedule(start=-1))
