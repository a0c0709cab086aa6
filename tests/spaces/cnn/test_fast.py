"""The fast form is the plain one: float64, every output, gradient and statistic."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.base.packing import as_vector
from dartsedu.data.splits import Batch
from dartsedu.search import clipped
from dartsedu.spaces.cnn import OPERATIONS, CNNSupernet, cnn_space, fast
from dartsedu.spaces.cnn.fast import batch_norm, convolution, large_maps, small_maps
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


SIZES = st.tuples(st.integers(2, 9), st.integers(2, 9))


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
@pytest.mark.parametrize("size", [(6, 5), (10, 9)])
def test_every_architect_finds_the_same_hypergradient(architect, size):
    found = []
    for net in pair(cnn_space(nodes=2, primitives=sorted(OPERATIONS))):
        optimizer = torch.optim.SGD(net.weights().values(), lr=0.1)
        before = copy.deepcopy(net.state_dict())
        gradient = architect.gradient(net, batch(size), batch(size, seed=2), optimizer).gradient
        assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
        found.append(gradient)
    # A finite difference with this ε keeps six digits.
    tolerance = 1e-4 if isinstance(architect, FiniteDifference) else 1e-8
    for cell, slope in found[0].items():
        torch.testing.assert_close(found[1][cell], slope, rtol=tolerance, atol=tolerance * 1e-2)


@pytest.mark.parametrize("size", [(6, 5), (10, 9)])
def test_at_other_weights_and_back_even_after_an_error(size):
    """A vector stands for every weight, in their order: what the plain form has with a copy."""
    plain, other = pair(cnn_space(nodes=1, primitives=sorted(OPERATIONS)))
    start = copy.deepcopy(plain)
    w = torch.randn_like(as_vector(plain.weights().values()))
    with pytest.raises(ZeroDivisionError), other.at(w):
        other.loss(batch(size)).loss / (1 // 0)
    other.load_state_dict(start.state_dict())
    assert_same(copy.deepcopy(start), copy.deepcopy(other), batch(size))

    torch.nn.utils.vector_to_parameters(w, plain.weights().values())
    w = w.detach().requires_grad_()
    with other.at(w):
        found = other.loss(batch(size)).loss
    expected = plain.loss(batch(size)).loss
    torch.testing.assert_close(found, expected)
    slopes = torch.autograd.grad(expected, list(plain.weights().values()), materialize_grads=True)
    torch.testing.assert_close(torch.autograd.grad(found, w)[0], as_vector(slopes))


@pytest.mark.parametrize("size", [(9, 8), (11, 7)])
def test_large_maps_and_the_change_from_large_to_small(size):
    plain, other = pair(cnn_space(nodes=2, primitives=sorted(OPERATIONS)))
    assert_same(plain, other, batch(size))


def test_the_form_follows_the_map_the_batch_and_the_device(monkeypatch):
    assert fast.suits(torch.zeros(1, 3, 9, 8))
    assert not fast.suits(torch.zeros(1, 3, 8, 8, device="meta"))
    seen = []
    for form in (small_maps, large_maps):
        kept = form.leave

        def noted(*given, form=form, kept=kept):
            seen.append(form)
            return kept(*given)

        monkeypatch.setattr(form, "leave", noted)
    supernet = CNNSupernet(cnn_space(1, 2, ["skip_connect"]), channels=2, cells=4)
    supernet(torch.zeros(4, 3, 16, 16))
    # 16×16, then two reductions: the reduction cell that reads 16×16 belongs to the large ones.
    assert seen == [large_maps, large_maps, small_maps, small_maps]
    seen.clear()
    supernet(torch.zeros(2, 3, 8, 8))
    assert seen == [large_maps] * 4
    seen.clear()
    supernet.fast = False
    supernet(torch.zeros(2, 3, 16, 16))
    assert not seen


@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "dilation"), [(3, 1), (5, 1), (7, 1), (3, 2), (5, 2)])
def test_a_depthwise_convolution_is_a_matrix_on_pixels(kernel, dilation, stride, share):
    """Of two branches, each with a pointwise one behind it: PyTorch's, and when derived twice."""
    torch.manual_seed(0)
    maps = 3 if share else 6
    x = torch.randn(maps, 5, 4, 2, dtype=torch.float64, requires_grad=True)
    k = torch.randn(6, kernel * kernel, dtype=torch.float64, requires_grad=True)
    point = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    basis = small_maps._basis(kernel, dilation, stride, 5, 4, x.dtype)

    def function(k, point, x):
        return small_maps._separable(x.flatten(1, 2), k, point, basis, share)

    def plain(k, point, x):
        padding = dilation * (kernel - 1) // 2
        kernels = k.view(6, 1, kernel, kernel)
        d = F.conv2d(x.permute(3, 0, 1, 2), kernels, None, stride, padding, dilation, maps)
        if share:  # Rows are channel by channel, branches inside.
            d = d.unflatten(1, (3, 2)).transpose(1, 2).flatten(1, 2)
        z = F.conv2d(d, point.view(6, 3, 1, 1), groups=2)
        return z.permute(1, 2, 3, 0).reshape(6, -1)

    inputs = k, point, x
    torch.testing.assert_close(function(*inputs), plain(*inputs))
    toward, *second = (torch.randn_like(y) for y in (plain(*inputs), *inputs))
    found = []
    for form in (function, plain):
        slopes = torch.autograd.grad(form(*inputs), inputs, toward, create_graph=True)
        found.append((slopes, torch.autograd.grad(slopes, inputs, second)))
    torch.testing.assert_close(found[0], found[1])


@pytest.mark.parametrize("form", ["plain", "fast"])
def test_mixed_precision_finds_nearly_the_gradients_of_float32(monkeypatch, form):
    """As on a GPU: convolutions in bfloat16, the derivative of w taken outside of autocast."""
    monkeypatch.setattr(fast, "LARGEST_MAP", 0)
    monkeypatch.setattr(large_maps, "convolve", convolution.ordinary)
    monkeypatch.setattr(
        large_maps,
        "separable",
        lambda *given, keep, **named: convolution.ordinary_separable(*given, **named),
    )
    monkeypatch.setattr(large_maps, "batch_norm", batch_norm.ordinary)
    torch.manual_seed(0)
    net = CNNSupernet(cnn_space(nodes=2), channels=4, cells=3, fast=form == "fast")
    images = Batch(torch.randn(32, 3, 9, 9), torch.arange(32) % 10)
    weights = list(net.weights().values())
    optimizer = torch.optim.SGD(weights, lr=0.1)
    found = []
    for mixed in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed, cache_enabled=False):
            of_alpha = FirstOrder().gradient(net, images, images, optimizer).gradient
            loss = net.loss(images).loss
        of_w = torch.autograd.grad(loss, weights)
        assert {slope.dtype for slope in of_w} == {torch.float32}
        found.append([loss.detach(), as_vector(of_alpha.values()), as_vector(of_w)])
    torch.testing.assert_close(found[1][0], found[0][0], rtol=0.01, atol=0)
    for one, two in zip(found[0][1:], found[1][1:], strict=True):
        assert torch.cosine_similarity(one, two, dim=0) > 0.95


def test_statistics_stay_the_modules_own_when_they_are_moved_copied_and_loaded():
    """The fast form keeps them side by side; whatever replaces a module's buffers is heard."""
    plain, other = pair(cnn_space(nodes=1))
    assert_same(plain, other, batch((6, 6)))
    other = copy.deepcopy(other).float().double()
    plain.float().double()
    for net in (plain, other):
        net.zero_grad()
    assert_same(plain, other, batch((6, 6), seed=2))
    other.load_state_dict(plain.state_dict(), assign=True)
    other, plain = copy.deepcopy(other), copy.deepcopy(plain)
    for net in (plain, other):
        net.zero_grad()
    assert_same(plain, other, batch((6, 6), seed=3))


class NoWaiting(TorchDispatchMode):
    """Fails at an operation that makes the processor wait for a GPU."""

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        assert function.overloadpacket.__name__ not in (
            "_local_scalar_dense",
            "nonzero",
            "is_nonzero",
        )
        return function(*arguments, **(named or {}))


def test_nothing_in_a_pass_waits_for_a_gpu():
    supernet = CNNSupernet(cnn_space(nodes=2), channels=2, cells=3)
    images = batch((9, 9), channels=3)
    images = Batch(images.inputs.float(), images.targets)
    optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.1, momentum=0.9, fused=True)
    w = supernet.vector()
    with NoWaiting():
        for architect in (FirstOrder(), FiniteDifference(), Exact()):
            architect.gradient(supernet, images, images, optimizer)
        with supernet.at(w):
            loss = supernet.loss(images).loss
        clipped(*torch.autograd.grad(loss, w), clip=5.0)


@pytest.mark.parametrize("seed", range(5))
def test_a_map_that_hardly_varies_does_not_become_nan(seed):
    """Of float32, whose digits end where the images begin to differ."""
    _, net = pair(cnn_space(nodes=2), image_channels=2, seed=seed)
    images = batch((6, 6), count=8, seed=seed)
    images = Batch(300 + 1e-4 * images.inputs.float(), images.targets)
    loss = net.float().loss(images).loss
    assert loss.isfinite()
    slopes = torch.autograd.grad(loss, list(net.parameters()))
    assert all(slope.isfinite().all() for slope in slopes)
