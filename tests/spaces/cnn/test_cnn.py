"""The convolutional space. Oracles: published sizes, shapes, hand-computed values."""

import pytest
import torch
from torch import nn

from dartsedu.data.splits import Batch
from dartsedu.genotype import random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.spaces.classifier import multiply_adds
from dartsedu.spaces.cnn import OPERATIONS, CNNNetwork, CNNSupernet, cnn_space
from dartsedu.spaces.cnn.network import AuxiliaryHead, drop_path
from dartsedu.spaces.cnn.operations import FactorizedReduce, candidate
from dartsedu.spaces.cnn.stack import reductions
from dartsedu.topology import SearchSpace, Topology

CELLS = ("nasnet", "amoebanet", "darts-v1", "darts-v2")


def weights(model):
    return sum(p.numel() for name, p in model.named_parameters() if "alphas" not in name)


# ---- Published sizes ----------------------------------------------------------------------------


def test_search_network_has_the_published_size():
    assert weights(CNNSupernet(cnn_space(), channels=16, cells=8)) == 1_930_618


@pytest.mark.parametrize(("name", "size"), [("darts-v2", 3_349_342), ("darts-v1", 3_169_414)])
def test_cifar_networks_have_the_published_size(name, size):
    assert weights(CNNNetwork(PUBLISHED[name], channels=36, cells=20)) == size


def imagenet():
    return CNNNetwork(
        PUBLISHED["darts-v2"],
        image_shape=(3, 224, 224),
        classes=1000,
        channels=48,
        cells=14,
        stem="imagenet",
    )


def test_imagenet_network_has_the_published_size():
    assert weights(imagenet()) == 4_718_752


def test_multiply_adds_of_a_layer_by_hand():
    """3×3 depthwise 8·8·4·9, pointwise 8·8·4·5, linear 5·7."""
    layers = nn.Sequential(
        nn.Conv2d(4, 4, 3, padding=1, groups=4),
        nn.Conv2d(4, 5, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(5, 7),
    )
    assert multiply_adds(layers, (4, 8, 8)) == 8 * 8 * 4 * 9 + 8 * 8 * 4 * 5 + 5 * 7


def test_imagenet_multiply_adds_from_the_shapes_of_the_layers():
    """Σ over convolutions of (output pixels × weights) + the classifier, counted by hooks."""
    network = imagenet().eval()
    counted = []

    def count(module, inputs, output):
        pixels = output.shape[2] * output.shape[3] if output.dim() == 4 else 1
        counted.append(pixels * module.weight.numel())

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    with torch.no_grad():
        network(torch.zeros(1, 3, 224, 224))
    by_hooks = sum(counted)
    assert multiply_adds(network, (3, 224, 224)) == by_hooks == 529_911_552


# ---- Operations ---------------------------------------------------------------------------------


@pytest.mark.parametrize("primitive", OPERATIONS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 1), (2, 3)])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_every_operation_keeps_channels_and_divides_any_size(primitive, stride, size, channels):
    x = torch.randn(2, channels, *size)
    expected = (2, channels, -(-size[0] // stride), -(-size[1] // stride))
    assert OPERATIONS[primitive](channels, stride, True).eval()(x).shape == expected
    assert candidate(primitive, channels, stride).eval()(x).shape == expected


def test_factorized_reduce_reads_even_and_odd_pixels():
    """With unit weights: the top left pixel of each 2×2 block, then the bottom right one."""
    reduce = FactorizedReduce(1, 2).eval()
    for conv in (reduce.even, reduce.odd):
        nn.init.ones_(conv.weight)
    x = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    scale = (1 + reduce.norm.eps) ** 0.5
    even, odd = (reduce(x) * scale)[0]
    torch.testing.assert_close(even, torch.tensor([[1.0, 3.0], [7.0, 9.0]]))
    torch.testing.assert_close(odd, torch.tensor([[5.0, 0.0], [0.0, 0.0]]))


def test_average_pool_does_not_count_the_border():
    pooled = OPERATIONS["avg_pool_3x3"](1, 1, True)(torch.ones(1, 1, 3, 3))
    torch.testing.assert_close(pooled, torch.ones(1, 1, 3, 3))


def test_candidates_have_no_scale_of_their_own():
    for primitive in OPERATIONS:
        for module in candidate(primitive, 4, 2).modules():
            assert not (isinstance(module, nn.BatchNorm2d) and module.affine)
    assert isinstance(candidate("max_pool_3x3", 4, 1)[1], nn.BatchNorm2d)


# ---- Supernet -----------------------------------------------------------------------------------


def test_reductions_stand_at_a_third_and_two_thirds():
    assert reductions(8) == {2, 5}
    assert reductions(20) == {6, 13}


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (28, 28), (5, 4)])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_supernet_takes_any_image(size, channels):
    supernet = CNNSupernet(
        cnn_space(nodes=2, primitives=("skip_connect", "dil_conv_3x3", "avg_pool_3x3")),
        image_channels=channels,
        classes=4,
        channels=3,
        cells=3,
    )
    assert supernet(torch.randn(2, channels, *size)).shape == (2, 4)


@pytest.mark.parametrize("combine", ["concat", "mean", "sum"])
def test_the_topology_is_data(combine):
    """A chain in one cell, three nodes in the other, one edge kept, another way to combine."""
    chain = Topology(name="normal", inputs=2, predecessors=((0, 1), (2,)), keep=1, combine=combine)
    space = SearchSpace(
        name="cnn",
        primitives=("skip_connect", "max_pool_3x3"),
        cells=(chain, Topology.dense("reduce", 2, 3, keep=1, combine=combine)),
    )
    supernet = CNNSupernet(space, image_channels=1, classes=2, channels=4, cells=4)
    assert supernet.alphas["normal"].shape == (3, 2)
    images = torch.randn(2, 1, 8, 8)
    assert supernet(images).shape == (2, 2)
    genotype = supernet.genotype()
    assert [len(node) for node in genotype["normal"].nodes] == [1, 1]
    network = CNNNetwork(genotype, image_shape=(1, 8, 8), classes=2, channels=4, cells=4)
    assert network(images).shape == (2, 2)


def test_none_passes_nothing_and_skip_everything():
    """A normal cell of skips alone gives the sum of its two prepared inputs."""
    space = cnn_space(nodes=1, primitives=("none", "skip_connect"))
    supernet = CNNSupernet(space, image_channels=1, channels=2, cells=8).eval()
    cell = supernet.cells[0]
    x = torch.randn(2, 6, 4, 4)
    prepared = [prepare(x) for prepare in cell.preprocess]
    only = {"skip": torch.tensor([[0.0, 1.0]] * 2), "none": torch.tensor([[1.0, 0.0]] * 2)}
    torch.testing.assert_close(cell((x, x), only["skip"]), prepared[0] + prepared[1])
    assert not cell((x, x), only["none"]).any()


def test_a_space_that_is_not_convolutional_is_refused():
    with pytest.raises(ValueError, match="unknown primitives \\['tanh'\\]"):
        cnn_space(primitives=("tanh",))
    with pytest.raises(ValueError, match="not convolutional"):
        CNNSupernet(SearchSpace(name="rnn", primitives=("none",), cells=(Topology.dense("a"),)))
    one_input = tuple(Topology.dense(n, inputs=1) for n in ("normal", "reduce"))
    with pytest.raises(ValueError, match="a stack of 2 has no normal cell"):
        CNNSupernet(cnn_space(), cells=2)
    with pytest.raises(ValueError, match="at least 2 channels"):
        CNNSupernet(cnn_space(), channels=1)
    with pytest.raises(ValueError, match="two inputs"):
        CNNSupernet(SearchSpace(name="cnn", primitives=("none",), cells=one_input))


# ---- Discrete network ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize(
    ("stem", "size"), [("cifar", (32, 32)), ("cifar", (9, 7)), ("imagenet", (64, 40))]
)
def test_published_cells_make_networks(name, stem, size):
    network = CNNNetwork(
        PUBLISHED[name],
        image_shape=(3, *size),
        classes=5,
        channels=4,
        cells=5,
        stem=stem,
        auxiliary=True,
    )
    batch = Batch(torch.randn(2, 3, *size), torch.tensor([0, 3]))
    network.drop = 0.5
    network.loss(batch, label_smoothing=0.1, auxiliary_weight=0.4).loss.backward()
    assert all(p.grad is not None for p in network.auxiliary_head.parameters())
    assert network(batch.inputs).shape == (2, 5)


def test_auxiliary_head_uses_the_published_pool_on_published_sizes():
    pools = [
        AuxiliaryHead(4, 10, stem, size).features[1]
        for stem, size in (("cifar", (8, 8)), ("imagenet", (7, 7)), ("cifar", (2, 2)))
    ]
    assert [type(p).__name__ for p in pools] == ["AvgPool2d", "AvgPool2d", "AdaptiveAvgPool2d"]
    assert [p.stride for p in pools[:2]] == [3, 2]
    assert AuxiliaryHead(4, 10, "cifar", (8, 8))(torch.randn(2, 4, 8, 8)).shape == (2, 10)


def test_auxiliary_loss_counts_only_in_training():
    network = CNNNetwork(
        PUBLISHED["darts-v1"], image_shape=(1, 8, 8), channels=2, cells=3, auxiliary=True
    )
    batch = Batch(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 2, 3]))
    with_head = network.loss(batch, auxiliary_weight=1.0).loss
    without = network.loss(batch, auxiliary_weight=0.0).loss
    assert (with_head - without).item() > 0.5
    network.eval()
    assert network.loss(batch, auxiliary_weight=1.0).loss == network.loss(batch).loss


def test_drop_path_keeps_the_mean_and_drops_whole_samples():
    torch.manual_seed(0)
    dropped = drop_path(torch.ones(20_000, 1, 2, 2), 0.25)
    assert dropped.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)
    assert bool((dropped == dropped[:, :, :1, :1]).all())


def test_drop_path_spares_identities_and_evaluation():
    genotype = random_genotype(cnn_space(nodes=2, primitives=("skip_connect",)), 0)
    network = CNNNetwork(genotype, image_shape=(1, 4, 4), channels=2, cells=8)
    network.drop = 0.9
    cell, x = network.cells[0], torch.randn(8, 6, 4, 4)
    torch.testing.assert_close(cell.eval()((x, x), 0.9), cell((x, x), 0.0))
    network.eval()
    images = torch.randn(4, 1, 4, 4)
    torch.testing.assert_close(network(images), network(images))


def test_network_refuses_a_genotype_of_another_space():
    foreign = PUBLISHED["darts-v1"].model_copy(update={"space": "rnn"})
    with pytest.raises(ValueError, match="not of 'rnn'"):
        CNNNetwork(foreign)
