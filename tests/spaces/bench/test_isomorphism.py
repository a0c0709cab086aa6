"""Which cells are the same: the published count, ours, and what equal graphs compute."""

import itertools
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.genotype import Genotype, GenotypeError
from dartsedu.spaces.bench.isomorphism import (
    cell_of_choices,
    from_string,
    graph_of,
    to_string,
    unique_string,
)
from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.operations import PRIMITIVES

EVERY = list(itertools.product(PRIMITIVES, repeat=6))


@pytest.fixture(scope="module")
def graphs():
    return [graph_of(cell_of_choices(choices)) for choices in EVERY]


def test_counts(graphs):
    """6,466 is published (Dong & Yang 2020)."""
    assert len({unique_string(cell_of_choices(choices)) for choices in EVERY}) == 6466
    assert len(set(graphs)) == 5425


def has_a_path(choices):
    reached = {0}
    for (source, target), primitive in zip(
        [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)], choices, strict=True
    ):
        if primitive != "none" and source in reached:
            reached.add(target)
    return 3 in reached


def test_cells_without_a_path_are_one(graphs):
    dead = {graph for graph, choices in zip(graphs, EVERY, strict=True) if not has_a_path(choices)}
    assert len(dead) == 1
    assert sum(not has_a_path(choices) for choices in EVERY) == 341


def test_nodes_may_change_places():
    one = "|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|none~0|skip_connect~1|nor_conv_1x1~2|"
    other = "|avg_pool_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|nor_conv_1x1~1|skip_connect~2|"
    assert graph_of(from_string(one)) == graph_of(from_string(other))


def test_a_convolution_that_is_read_twice_is_not_two():
    once = from_string(
        "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|skip_connect~1|skip_connect~2|"
    )
    twice = from_string(
        "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|skip_connect~1|skip_connect~2|"
    )
    assert unique_string(once) == unique_string(twice)
    assert graph_of(once) != graph_of(twice)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_equal_graphs_compute_the_same(graphs, number):
    """With every convolution of a kind having the same weights, equal graphs give equal outputs."""
    groups = defaultdict(list)
    for choices, graph in zip(EVERY, graphs, strict=True):
        groups[graph].append(choices)
    several = [group for group in groups.values() if len(group) > 1]
    group = several[number % len(several)]
    chosen = [group[number % len(group)], group[-1]]
    outputs = []
    for choices in chosen:
        torch.manual_seed(0)
        network = BenchNetwork(
            cell_of_choices(choices), image_channels=1, channels=3, cells=1, stages=1, running=False
        ).double()
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d):
                with torch.no_grad():
                    module.weight.copy_(
                        torch.linspace(-1, 1, module.weight.numel()).view_as(module.weight)
                    )
        for name, parameter in network.named_parameters():
            if "classifier" in name:
                torch.nn.init.constant_(parameter, 0.3)
        generator = torch.Generator().manual_seed(0)
        images = torch.randn(4, 1, 5, 5, generator=generator, dtype=torch.float64)
        outputs.append(network(images))
    torch.testing.assert_close(*outputs)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(EVERY))
def test_strings_come_back(choices):
    genotype = cell_of_choices(choices)
    assert from_string(to_string(genotype)) == genotype
    assert Genotype.from_json(genotype.to_json()) == genotype


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("|max_pool~0|+|none~0|none~1|+|none~0|none~1|none~2|", "'max_pool~0'"),
        ("|none~0|+|none~0|none~1|", "three nodes"),
        ("|none~0|+|none~0|none~1|+|none~0|none~2|none~1|", "three nodes"),
        ("|none~1|+|none~0|none~1|+|none~0|none~1|none~2|", "three nodes"),
        ("|none|", "no edge"),
        ("|none~²|", "no edge"),
        ("~|" * 1000, "no edge"),
    ],
)
def test_malformed_strings_are_named(text, said):
    with pytest.raises(GenotypeError, match=said):
        from_string(text)
