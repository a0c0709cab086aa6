"""Independent oracles: the closed form of the paper's Fig. 2, and autograd of the definition."""

import copy

import pytest
import torch
from torch import nn

from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.base.packing import as_vector
from dartsedu.relaxation import Outcome, Supernet
from dartsedu.topology import SearchSpace, Topology


class Fig2(Supernet):
    """L_train = w² − 2αw + α², L_val = αw − 2α + 1, from (α, w) = (2, −2). A batch is a name."""

    def __init__(self):
        cell = Topology.dense("toy", inputs=1, nodes=1, keep=1)
        super().__init__(SearchSpace(name="fig2", primitives=("skip_connect",), cells=(cell,)))
        self.w = nn.Parameter(torch.tensor(-2.0))
        self.double()
        with torch.no_grad():
            self.alphas["toy"].fill_(2.0)

    def loss(self, batch, mixture=None):
        alpha, w = self.alphas["toy"].squeeze(), self.w
        if batch == "train":
            return Outcome(w**2 - 2 * alpha * w + alpha**2)
        return Outcome(alpha * w - 2 * alpha + 1)


@pytest.mark.parametrize("xi", [0.0, 0.1, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("kind", [FiniteDifference, Exact])
def test_fig2_settles_at_the_closed_form(kind, xi):
    """Alternating steps settle where w = α and w − 2 + 2ξα = 0: α = w = 2 / (1 + 2ξ)."""
    assert settle(kind(VirtualStep(xi))) == pytest.approx([2 / (1 + 2 * xi)] * 2, abs=1e-6)


def test_fig2_first_order_settles_at_two():
    assert settle(FirstOrder()) == pytest.approx([2.0, 2.0], abs=1e-6)


def settle(architect):
    toy = Fig2()
    of_w = torch.optim.SGD(toy.weights().values(), lr=0.1)
    of_alpha = torch.optim.SGD(toy.alphas.values(), lr=0.1)
    for _ in range(800):
        toy.alphas["toy"].grad = architect.gradient(toy, "train", "val", of_w).gradient["toy"]
        of_alpha.step()
        of_w.zero_grad()
        toy.loss("train").loss.backward()
        of_w.step()
    return [toy.alphas["toy"].item(), toy.w.item()]


def test_fig2_gradient_by_hand():
    """At (2, −2), ξ = ½: w′ = w − ½·2(w−α) = 2, direct w′ − 2 = 0, implicit α·2ξ = 2."""
    toy = Fig2()
    of_w = torch.optim.SGD(toy.weights().values(), lr=0.5)
    assert float(FirstOrder().gradient(toy, "train", "val", of_w).gradient["toy"]) == -4.0
    for architect in (Exact(), FiniteDifference()):  # ξ from the optimiser's learning rate
        found = architect.gradient(toy, "train", "val", of_w).gradient["toy"]
        assert float(found) == pytest.approx(2.0)


class Smooth(Supernet):
    """Two layers without kinks, with dropout, BatchNorm and a mixture of tanh and sin."""

    def __init__(self, dropout=0.0, norm=False):
        cell = Topology.dense("toy", inputs=1, nodes=1, keep=1)
        space = SearchSpace(name="smooth", primitives=("tanh", "sin"), cells=(cell,))
        super().__init__(space, alpha_scale=0.5)
        self.first = nn.Linear(3, 4)
        self.norm = nn.BatchNorm1d(4) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Linear(4, 2)
        self.double()

    def loss(self, batch, mixture=None):
        inputs, targets = batch
        p = (self.mixture() if mixture is None else mixture)["toy"][0]
        hidden = self.norm(self.first(inputs))
        hidden = self.dropout(p[0] * torch.tanh(hidden) + p[1] * torch.sin(hidden))
        return Outcome(nn.functional.cross_entropy(self.second(hidden), targets))


class Tied(Smooth):
    """With one matrix in two places, as the embedding and the decoder of a language model."""

    def __init__(self):
        super().__init__()
        self.third = nn.Linear(3, 4).double()
        self.third.weight = self.first.weight

    def loss(self, batch, mixture=None):
        outcome = super().loss(batch, mixture)
        return outcome._replace(loss=outcome.loss + self.third(batch[0]).sin().mean())


def smooth(seed=0, kind=Smooth, **more):
    torch.manual_seed(seed)
    supernet = kind(**more)
    batches = [
        (torch.randn(8, 3, dtype=torch.float64), torch.randint(0, 2, (8,))) for _ in range(2)
    ]
    optimizer = torch.optim.SGD(
        supernet.weights().values(), lr=0.3, momentum=0.9, weight_decay=0.05
    )
    for _ in range(3):  # So that there is a momentum buffer.
        optimizer.zero_grad()
        supernet.loss(batches[0]).loss.backward()
        optimizer.step()
    return supernet, batches, optimizer


@pytest.mark.parametrize("momentum", [False, True])
@pytest.mark.parametrize("weight_decay", [False, True])
@pytest.mark.parametrize("clip", [None, 0.05, 100.0])
@pytest.mark.parametrize("kind", [Smooth, Tied])
def test_exact_is_autograd_of_the_definition(momentum, weight_decay, clip, kind):
    """Differentiate α ↦ L_val(w − ξ·step(α), α) written out for one flat function, numerically."""
    supernet, (train, val), optimizer = smooth(kind=kind)
    virtual = VirtualStep(momentum=momentum, weight_decay=weight_decay, clip=clip)
    found = Exact(virtual).gradient(supernet, train, val, optimizer).gradient["toy"]

    def unrolled(alpha):
        other = copy.deepcopy(supernet)
        other.alphas["toy"] = nn.Parameter(alpha.clone())
        slopes = torch.autograd.grad(other.loss(train).loss, list(other.weights().values()))
        total = torch.cat([slope.flatten() for slope in slopes]).norm()
        if clip is not None and total > clip:
            slopes = [slope * clip / (total + 1e-6) for slope in slopes]
        with torch.no_grad():
            pairs = zip(other.weights().values(), supernet.weights().values(), slopes, strict=True)
            for w, original, slope in pairs:
                step = slope.clone()
                if weight_decay:
                    step += 0.05 * original
                if momentum:
                    step += 0.9 * optimizer.state[original]["momentum_buffer"]
                w -= 0.3 * step
        return other.loss(val).loss.item()

    alpha = supernet.alphas["toy"].detach()
    for index in range(2):
        nudge = torch.zeros_like(alpha)
        nudge[0, index] = 1e-5
        numeric = (unrolled(alpha + nudge) - unrolled(alpha - nudge)) / 2e-5
        assert float(found[0, index]) == pytest.approx(numeric, rel=1e-7)


def test_gradcheck_of_the_unrolled_loss():
    supernet, (train, val), optimizer = smooth()
    weights = supernet.weights()

    def unrolled(alpha):
        state = {"alphas.toy": alpha}

        def loss(batch, **more):
            return torch.func.functional_call(Loss(supernet), prefixed(state | more), (batch,))

        slopes = torch.autograd.grad(loss(train), list(weights.values()), create_graph=True)
        moved = VirtualStep().take(as_vector(weights.values()), as_vector(slopes), optimizer)
        parts = moved.split([w.numel() for w in weights.values()])
        pairs = zip(weights.items(), parts, strict=True)
        return loss(val, **{name: part.view(w.shape) for (name, w), part in pairs})

    alpha = supernet.alphas["toy"].detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(unrolled, alpha)
    (slope,) = torch.autograd.grad(unrolled(alpha), alpha)
    found = Exact().gradient(supernet, train, val, optimizer).gradient["toy"]
    torch.testing.assert_close(found, slope)


class Loss(nn.Module):
    def __init__(self, supernet):
        super().__init__()
        self.supernet = supernet

    def forward(self, batch):
        return self.supernet.loss(batch).loss


def prefixed(state):
    return {f"supernet.{name}": value for name, value in state.items()}


@pytest.mark.parametrize("clip", [None, 0.05])
@pytest.mark.parametrize(
    "kinds", [{}, {"norm": True}, {"dropout": 0.4}, {"norm": True, "dropout": 0.4}]
)
def test_finite_difference_meets_exact_as_epsilon_shrinks(kinds, clip):
    """Central differences: a tenth of ε is a hundredth of the error, until rounding. With random
    masks this holds only if all passes see the same ones."""
    supernet, (train, val), optimizer = smooth(**kinds)
    step = VirtualStep(clip=clip)
    exact = at_seed(Exact(step), supernet, train, val, optimizer)
    direct = at_seed(FiniteDifference(VirtualStep(0.0)), supernet, train, val, optimizer)
    assert relative(direct, exact) > (1e-2 if clip is None else 1e-3)
    errors = [
        relative(at_seed(FiniteDifference(step, e), supernet, train, val, optimizer), exact)
        for e in (1e-1, 1e-2, 1e-4)
    ]
    assert errors[1] < errors[0] / 50
    assert errors[2] < 1e-7


def at_seed(architect, *arguments):
    torch.manual_seed(7)
    return architect.gradient(*arguments).gradient["toy"]


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


ARCHITECTS = [FirstOrder(), FiniteDifference(VirtualStep(momentum=True)), Exact()]


@pytest.mark.parametrize("architect", ARCHITECTS, ids=lambda a: type(a).__name__)
def test_an_architect_leaves_no_trace(architect):
    supernet, (train, val), optimizer = smooth(dropout=0.3, norm=True)
    supernet.zero_grad()
    state = copy.deepcopy(supernet.state_dict())
    buffers = copy.deepcopy(optimizer.state_dict())
    random = torch.get_rng_state()
    outcome = architect.gradient(supernet, train, val, optimizer).outcome
    assert not outcome.loss.requires_grad
    assert all(torch.equal(state[k], v) for k, v in supernet.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    after = optimizer.state_dict()
    for key, entry in buffers["state"].items():
        assert torch.equal(entry["momentum_buffer"], after["state"][key]["momentum_buffer"])
    assert all(p.grad is None for p in supernet.parameters())


@pytest.mark.parametrize("architect", ARCHITECTS, ids=lambda a: type(a).__name__)
def test_no_module_is_copied(architect, monkeypatch):
    def refuse(*_):
        raise AssertionError("the supernet was copied")

    supernet, (train, val), optimizer = smooth()
    monkeypatch.setattr(Smooth, "__deepcopy__", refuse, raising=False)
    monkeypatch.setattr(Smooth, "load_state_dict", refuse)
    architect.gradient(supernet, train, val, optimizer)


def test_masks_are_those_of_the_coming_weight_step():
    """The virtual step's loss and the weight step's loss are the same number."""
    supernet, (train, val), optimizer = smooth(dropout=0.5)
    seen = []
    plain = Smooth.loss

    def noted(self, batch, mixture=None):
        outcome = plain(self, batch, mixture)
        seen.append((batch is train, float(outcome.loss.detach())))
        return outcome

    supernet.loss = noted.__get__(supernet)
    Exact().gradient(supernet, train, val, optimizer)
    assert seen[0] == (True, float(supernet.loss(train).loss.detach()))


def test_first_order_computes_no_weight_gradient():
    """A weight whose gradient would raise must not be asked for one."""

    class Refuses(torch.autograd.Function):
        @staticmethod
        def forward(ctx, w):
            return w.clone()

        @staticmethod
        def backward(ctx, slope):
            raise AssertionError("a weight gradient was computed")

    supernet, (train, val), optimizer = smooth()
    plain = nn.functional.linear
    supernet.first.forward = lambda x: plain(
        x, Refuses.apply(supernet.first.weight), supernet.first.bias
    )
    FirstOrder().gradient(supernet, train, val, optimizer)
    with pytest.raises(AssertionError, match="weight gradient"):
        supernet.loss(train).loss.backward()


@pytest.mark.parametrize("kind", [FiniteDifference, Exact])
def test_second_order_on_a_real_supernet(make_supernet, task, kind):
    """In float64 with a tiny ε both agree on the convolutional supernet too."""
    supernet = make_supernet().double().train()
    batches = [next(s.training(12, 0)) for s in (task.weights, task.architecture)]
    train, val = (b._replace(inputs=b.inputs.double()) for b in batches)
    optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.1)
    architect = kind(epsilon_scale=1e-8) if kind is FiniteDifference else kind()
    found = architect.gradient(supernet, train, val, optimizer).gradient
    exact = Exact().gradient(supernet, train, val, optimizer).gradient
    for cell, slope in exact.items():
        assert relative(found[cell], slope) < 1e-5
