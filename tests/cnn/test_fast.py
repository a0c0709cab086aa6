"""The fast form is the plain one: float64, every output, gradient and statistic."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.cnn import OPERATIONS, CNNSupernet, cnn_space, fast, small_maps
from dartsedu.splits import Batch
from dartsedu.topology import SearchSpace, Topology


def pair(space, channels=3, cells=3, image_channels=2, seed=0):
    """The same supernet twice, plain and fast, with α and statistics that are not the start's."""
    torch.manual_seed(seed)
    plain = CNNSupernet(
        space,
        image_channels=image_channels,
        classes=3,
        channels=channels,
        cells=cells,
        alpha_scale=1.0,
        fast=False,
    ).double()
    for name, buffer in plain.named_buffers():
        if "running" in name:
            buffer.copy_(torch.rand_like(buffer) + 0.5)
    other = copy.deepcopy(plain)
    other.fast = True
    return plain, other


def batch(size, count=5, channels=2, seed=1):
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, channels, *size, generator=generator, dtype=torch.float64)
    return Batch(images, torch.arange(count) % 3)


def assert_same(plain, other, images):
    """Logits, gradients of α and w, BatchNorm statistics, after one pass of each."""
    outcomes = [net.loss(images).loss for net in (plain, other)]
    torch.testing.assert_close(outcomes[1], outcomes[0], rtol=1e-10, atol=1e-12)
    for outcome in outcomes:
        outcome.backward()
    for (name, p), q in zip(plain.named_parameters(), other.parameters(), strict=True):
        one, two = (torch.zeros_like(x) if x.grad is None else x.grad for x in (p, q))
        torch.testing.assert_close(two, one, rtol=1e-7, atol=1e-10, msg=name)
    for (name, a), b in zip(plain.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-9, atol=1e-12, msg=name)


SIZES = st.tuples(st.integers(2, 8), st.integers(2, 8))


@settings(max_examples=20, deadline=None)
@given(
    primitives=st.lists(st.sampled_from(sorted(OPERATIONS)), min_size=1, unique=True),
    nodes=st.integers(1, 3),
    size=SIZES,
    training=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_every_subset_of_primitives_size_and_number_of_nodes(
    primitives, nodes, size, training, seed
):
    plain, other = pair(cnn_space(nodes, primitives=primitives), seed=seed)
    assert_same(plain.train(training), other.train(training), batch(size))


@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_every_topology(data):
    cells = []
    for name in ("normal", "reduce"):
        count = data.draw(st.integers(1, 3))
        predecessors = tuple(
            tuple(sorted(data.draw(st.sets(st.integers(0, 1 + node), min_size=1))))
            for node in range(count)
        )
        combine = data.draw(st.sampled_from(["concat", "mean", "sum"]))
        cells.append(
            Topology(name=name, inputs=2, predecessors=predecessors, keep=1, combine=combine)
        )
    primitives = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_5x5")
    space = SearchSpace(name="cnn", primitives=primitives, cells=tuple(cells))
    assert_same(*pair(space), batch(data.draw(SIZES)))


def test_the_published_space_on_digits():
    plain, other = pair(cnn_space(), channels=8, image_channels=1)
    assert_same(plain, other, batch((8, 8), 6, 1))


def test_a_first_pass_in_inference_mode_does_not_spoil_later_ones():
    plain, other = pair(cnn_space(nodes=1, primitives=("sep_conv_3x3",)))
    small_maps._basis.cache_clear()
    with torch.inference_mode():
        other.eval()(batch((5, 3)).inputs)
    assert_same(plain, other.train(), batch((5, 3)))


def test_several_steps_keep_statistics_in_step():
    plain, other = pair(cnn_space(nodes=2))
    for seed in range(3):
        plain.zero_grad()
        other.zero_grad()
        assert_same(plain, other, batch((6, 6), seed=seed))


@pytest.mark.parametrize(
    "architect",
    [FirstOrder(), FiniteDifference(VirtualStep(), 1e-6), Exact()],
    ids=lambda a: type(a).__name__,
)
def test_every_architect_finds_the_same_hypergradient(architect):
    found = []
    for net in pair(cnn_space(nodes=2)):
        optimizer = torch.optim.SGD(net.weights().values(), lr=0.1)
        before = copy.deepcopy(net.state_dict())
        gradient = architect.gradient(net, batch((6, 5)), batch((6, 5), seed=2), optimizer).gradient
        assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
        found.append(gradient)
    # A finite difference with this ε keeps six digits.
    tolerance = 1e-4 if isinstance(architect, FiniteDifference) else 1e-8
    for cell, slope in found[0].items():
        torch.testing.assert_close(found[1][cell], slope, rtol=tolerance, atol=tolerance * 1e-2)


def test_it_is_taken_for_small_maps_on_a_cpu_and_can_be_switched_off(monkeypatch):
    assert fast.suits(torch.zeros(1, 3, 8, 8))
    assert not fast.suits(torch.zeros(1, 3, 9, 8))
    assert not fast.suits(torch.zeros(1, 3, 8, 8, device="meta"))
    seen = []
    plain_form = fast.forward

    def noted(cell, *arguments):
        seen.append(cell)
        return plain_form(cell, *arguments)

    monkeypatch.setattr(fast, "forward", noted)
    supernet = CNNSupernet(cnn_space(1, 2, ["skip_connect"]), channels=2, cells=4)
    supernet(torch.zeros(2, 3, 16, 16))
    # 16×16, then two reductions: the reduction cell that reads 16×16 is still run plainly.
    assert [cell is supernet.cells[2 + i] for i, cell in enumerate(seen)] == [True, True]
    seen.clear()
    supernet.fast = False
    supernet(torch.zeros(2, 3, 16, 16))
    assert not seen
