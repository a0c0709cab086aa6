"""A skip connection beside every mixture."""

import numpy as np
import pytest
import torch
from torch import nn

from dartsedu.discretisation import discretisation_gap, discretised_mixture, score
from dartsedu.methods.edges import AuxiliarySkip, PlainEdge
from dartsedu.methods.method import Method
from dartsedu.methods.schedule import Progress
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import search_space
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.spaces.cnn.operations import FactorizedReduce
from dartsedu.spaces.cnn.stack import Place
from dartsedu.spaces.cnn.supernet import Cell
from dartsedu.topology import Topology

PRIMITIVES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")


def make(auxiliary=True, fast=True, primitives=PRIMITIVES):
    torch.manual_seed(0)
    supernet = CNNSupernet(
        cnn_space(nodes=2, primitives=primitives),
        image_channels=1,
        classes=3,
        channels=4,
        cells=3,
        alpha_scale=0.5,
        fast=fast,
        auxiliary=auxiliary,
    )
    return supernet


def like(other, **options):
    """A supernet with the α and w of another, as far as it has them."""
    supernet = make(**options)
    missing, _ = supernet.load_state_dict(other.state_dict(), strict=False)
    assert all(".skips." in name for name in missing)
    return supernet


def slopes(supernet, batch):
    with supernet.frozen(), supernet.at(supernet.vector()):
        loss = supernet.loss(batch).loss
        found = torch.autograd.grad(loss, [*supernet.alphas.values(), supernet.vector()])
    return loss.detach(), *found


def test_the_published_strength_falls_from_one_and_stays_above_zero():
    piece = AuxiliarySkip()
    strengths = [piece.skip(Progress(epoch, 50)) for epoch in range(50)]
    np.testing.assert_allclose(strengths, 1 - np.arange(50) / 50)
    assert PlainEdge().skip(Progress(3, 50)) == 0


def test_an_edge_that_has_chosen_the_skip_gives_one_plus_beta_times_its_input():
    topology = Topology.dense("normal", inputs=2, nodes=1)
    place = Place("normal", (4, 4), 4, False)
    cell = Cell(topology, PRIMITIVES, place, auxiliary=True)
    cell.preprocess = nn.ModuleList([nn.Identity(), nn.Identity()])
    inputs = torch.randn(2, 4, 5, 5), torch.randn(2, 4, 5, 5)
    one_hot = torch.zeros(2, 4)
    one_hot[:, PRIMITIVES.index("skip_connect")] = 1.0
    for strength in (0.0, 0.3):
        expected = (1 + strength) * (inputs[0] + inputs[1])
        torch.testing.assert_close(cell(inputs, one_hot, strength), expected)


def test_only_where_the_map_is_halved_the_skip_has_weights():
    supernet = make()
    for kind, cell in zip(supernet.kinds, supernet.cells, strict=True):
        links = cell.topology.edges
        expected = [
            FactorizedReduce if kind == "reduce" and link.source < 2 else nn.Identity
            for link in links
        ]
        assert [type(skip) for skip in cell.skips] == expected
        assert cell.plain == (kind == "reduce")


def test_without_strength_it_is_darts(task):
    plain = make(auxiliary=False)
    supernet = like(plain)
    batch = next(task.weights.training(12, 0))
    loss, *of_alpha, _ = slopes(plain, batch)
    found, *also, _ = slopes(supernet, batch)
    torch.testing.assert_close(found, loss)
    for one, other in zip(of_alpha, also, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("primitives", [PRIMITIVES, ("none", "sep_conv_3x3", "max_pool_3x3")])
def test_the_fast_form_is_the_plain_one(task, primitives):
    """Loss and slopes of α and w, also where the mixture has no skip to be added to."""
    supernet = make(primitives=primitives)
    other = like(supernet, fast=False, primitives=primitives)
    batch = next(task.weights.training(12, 0))
    supernet.auxiliary = other.auxiliary = 0.7
    for one, two in zip(slopes(supernet, batch), slopes(other, batch), strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-4)
    supernet.auxiliary = 0.0
    assert not torch.allclose(slopes(supernet, batch)[0], slopes(other, batch)[0])


def test_its_weights_are_trained(task):
    supernet = make()
    supernet.auxiliary = 0.7
    _, *_, slope = slopes(supernet, next(task.weights.training(12, 0)))
    sizes = {name: w.numel() for name, w in supernet.weights().items()}
    parts = dict(zip(sizes, slope.split(list(sizes.values())), strict=True))
    skips = [part for name, part in parts.items() if ".skips." in name]
    assert skips
    assert all(part.any() for part in skips)


def test_a_search_lowers_it_from_epoch_to_epoch_and_the_genotype_is_cut_without_it(
    task, search_settings, tmp_path
):
    settings = search_settings.model_copy(update={"method": Method(edge=AuxiliarySkip())})
    search = Search(make(), task, settings)
    seen = []
    for step in search:
        seen.append(search.supernet.auxiliary)
        if step.index == 4:
            search.save(tmp_path / "c.pt")
    assert seen == pytest.approx([1, 1, 1, 2 / 3, 2 / 3, 2 / 3, 1 / 3, 1 / 3, 1 / 3])
    resumed = Search(make(), task, settings).load(tmp_path / "c.pt")
    assert resumed.supernet.auxiliary == pytest.approx(2 / 3)
    supernet, genotype = search.supernet, search.genotype()
    gap = discretisation_gap(supernet, task.architecture, genotype)
    assert supernet.auxiliary == pytest.approx(1 / 3)
    assert gap.mixture == score(supernet, task.architecture)
    supernet.auxiliary = 0.0
    cut = discretised_mixture(supernet.space, genotype)
    assert gap.discretised == score(supernet, task.architecture, cut)


def test_who_has_no_such_edges_says_so(task, search_settings):
    settings = search_settings.model_copy(update={"method": Method(edge=AuxiliarySkip())})
    with pytest.raises(ValueError, match="needs a supernet with a skip connection beside every"):
        Search(make(auxiliary=False), task, settings)
    for preset in ("rnn-classroom", "equation"):
        chosen = load_preset(preset, ["search.method.edge.kind=auxiliary-skip"])
        with pytest.raises(SettingsError, match="changes what an edge computes, and the space"):
            search_space(chosen)
