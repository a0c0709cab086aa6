"""Lesson 01: its checks tell typical mistakes, its pictures show what the package computes."""

import pytest
import torch
from torch import nn

from dartsedu.data.splits import Batch
from dartsedu.lessons import relaxation as lesson
from dartsedu.lessons import relaxation_checks as checks
from dartsedu.lessons import surface
from dartsedu.relaxation import MixedOp, mixture_weights
from dartsedu.spaces.cnn.operations import candidate


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, t: torch.softmax(a / t, dim=0), "axis"),
        (lambda a, t: torch.softmax(a, dim=-1), "temperature is left out"),
        (lambda a, t: torch.softmax(a * t, dim=-1), "multiplied by the temperature"),
        (lambda a, t: torch.softmax(a, dim=-1) / t, "after the softmax"),
        (lambda a, t: torch.sigmoid(a / t), "sigmoid"),
        (lambda a, t: print(torch.softmax(a / t, dim=-1)), "use return"),
        (lambda a, t: (a / t).exp(), "not divided by their sum"),
        (lambda a, t: torch.softmax((a / t).flatten(), 0).view_as(a), "all edges together"),
        (lambda a, t: (a / t).exp() / (a / t).exp().sum(-1, keepdim=True), "overflows"),
        (lambda a, t: torch.ones(2), "shape"),
    ],
)
def test_wrong_weights_are_told_why(answer, words):
    verdict = checks.check_weights(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message


class Mixed(nn.Module):
    def __init__(self, operations):
        super().__init__()
        self.operations = nn.ModuleList(operations)

    def pairs(self, x, weights):
        return [(w, o(x)) for w, o in zip(weights, self.operations, strict=True)]


class Unweighted(Mixed):
    def forward(self, x, weights):
        return sum(o for _, o in self.pairs(x, weights))


class Twice(Mixed):
    def forward(self, x, weights):
        return sum(w * o for w, o in self.pairs(x, torch.softmax(weights, 0)))


class Early(Mixed):
    def forward(self, x, weights):
        for w, o in self.pairs(x, weights):
            return w * o


class Stacked(Mixed):
    def forward(self, x, weights):
        return torch.stack([w * o for w, o in self.pairs(x, weights)])


class Cut(Mixed):
    """A mixture without a gradient: what the lesson is about is gone."""

    def forward(self, x, weights):
        return sum(w.item() * o for w, o in self.pairs(x, weights))


class Unregistered(nn.Module):
    def __init__(self, operations):
        super().__init__()
        self.operations = list(operations)

    forward = MixedOp.forward


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Unweighted, "without their weights"),
        (Twice, "again"),
        (Early, "return inside the loop"),
        (Stacked, "not summed"),
        (Cut, "no gradient reaches the weights"),
        (Unregistered, "ModuleList"),
        (lambda operations: len(operations), "subclass of nn.Module"),
    ],
)
def test_a_wrong_mixed_op_is_told_why(answer, words):
    verdict = checks.check_mixed_op(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_mixed_op(MixedOp).status == "right"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, g: p * g, "average is missing"),
        (lambda p, g: p * (g - g.mean()), "without the weights"),
        (lambda p, g: g - (p * g).sum(), "factor p"),
        (lambda p, g: p * ((p * g).sum() - g), "sign"),
        (lambda p, g: p * (1 - p) * g, "the weights of all"),
    ],
)
def test_a_wrong_pull_is_told_why(answer, words):
    verdict = checks.check_pull(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message


def batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(32, 1, 8, 8, generator=generator)
    return Batch(images, torch.randint(0, 10, (32,), generator=generator))


def pair():
    torch.manual_seed(0)
    return lesson.OneEdge(("max_pool_3x3", "sep_conv_3x3"))


def test_the_surface_is_the_loss_of_the_supernet():
    """The explorer mixes logits; the supernet mixes maps. Loss and slope are the same."""
    net = pair()
    explorer = surface.surface_explorer(net, batch(), [batch(1)] * 3, at=(0, 3))
    explorer.set(first=1.0, second=-0.5)
    net.alphas["edge"].data = torch.tensor([[1.0, -0.5]])
    with net.frozen():
        outcome = net.loss(batch()).loss
    (slope,) = torch.autograd.grad(outcome, net.alphas["edge"])
    loss = outcome.item()
    assert f"Loss here {loss:.3f}, steepness {slope.norm():.3f}" in explorer.shown.text
    explorer.set(first=2.0, second=0.5)  # both up by one: the same mixture
    assert f"Loss here {loss:.3f}" in explorer.shown.text


def test_all_surfaces_have_the_same_colours_and_arrows_are_as_long_as_it_is_steep():
    explorer = surface.surface_explorer(pair(), batch(), [batch(1)] * 3, at=(0, 3))
    lengths, colours = [], set()
    for steps in (0, 3):
        explorer.set(steps=steps, first=0.0, second=0.0)
        heat, arrow, _ = explorer.scene["panels"][0]["marks"]
        colours.add((heat["low"], heat["high"]))
        lengths.append(abs(arrow["x"][1] - arrow["x"][0]))
        steepness = float(explorer.shown.text.split("steepness ")[1].split(".  ")[0].split(". ")[0])
        reach = surface.REACH * steepness
        assert (lengths[-1] ** 2 * 2) ** 0.5 == pytest.approx(reach, abs=0.02)
    assert len(colours) == 1


def test_the_ball_rolls_to_where_the_loss_is_less():
    net, data = pair(), batch()
    explorer = surface.rolling_explorer(net, data, [data] * 20)
    explorer.set(steps=20)
    way = explorer.scene["panels"][0]["marks"][1]
    assert len(way["x"]) == 11
    assert [way["x"][0], way["y"][0]] == [0.0, 0.0]
    assert explorer.alone
    assert explorer.controls[0]["rate"] > 0


def test_sliders_mix_as_the_package_does():
    torch.manual_seed(0)
    operations = {n: candidate(n, 1, 1) for n in ("skip_connect", "max_pool_3x3")}
    explorer = lesson.mixing_explorer(batch().inputs[:1], operations)
    explorer.set(skip_connect=1.0, temperature=0.5)
    expected = mixture_weights(torch.tensor([2.0, 0.0])).tolist()
    assert explorer.scene["panels"][0]["marks"][0]["values"] == pytest.approx(expected)
    explorer.set(gate="sigmoid", max_pool_3x3=3.0)
    assert "Their sum is 1.88" in explorer.shown.text


def test_the_gradient_picture_needs_a_gradient():
    with pytest.raises(ValueError, match=r"call backward\(\)"):
        lesson.gradient_picture(lesson.OneEdge())


def test_an_edge_of_functions_is_its_formula():
    edge = lesson.FunctionEdge().double()
    x = torch.tensor([-1.0, 0.5], dtype=torch.float64)
    by_hand = (0.1 * x + torch.exp(0.1 * x) + 1 / (1 + torch.exp(-0.1 * x))) / 3
    torch.testing.assert_close(edge(x), by_hand, rtol=1e-6, atol=1e-6)
    assert "linear 0.33" in lesson.function_explorer(lesson.FunctionEdge(), (x, x)).shown.text


def test_the_sliders_cannot_do_much_better_than_the_search():
    data = lesson.growth_data()
    edge = lesson.FunctionEdge()
    explorer = lesson.function_explorer(edge, data)
    assert f"with {edge.loss(data).loss.item():.5f}" in explorer.shown.text
    least = lesson.best_setting(edge, data)
    for alpha in (-3.0, 0.0, 3.0):
        explorer.set(linear=alpha)
        assert float(explorer.shown.text.split()[3]) >= least - 1e-5
