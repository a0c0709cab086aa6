"""The benchmark's space: published sizes, plain against fast, one against several side by side."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.architect import Exact, FiniteDifference, VirtualStep
from dartsedu.base.packing import as_vector
from dartsedu.data.beside import beside
from dartsedu.data.splits import Batch
from dartsedu.derivation import derive
from dartsedu.discretisation import discretised_mixture
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.settings import SettingsError
from dartsedu.spaces.bench import memory
from dartsedu.spaces.bench.isomorphism import cell_of_choices
from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.operations import PRIMITIVES
from dartsedu.spaces.bench.space import SPACE
from dartsedu.spaces.bench.supernet import BenchSupernet, bench_space
from dartsedu.spaces.build import build_supernet, search_side_by_side
from dartsedu.spaces.classifier import multiply_adds
from dartsedu.spaces.memory import check_memory
from dartsedu.topology import SearchSpace, Topology
from dartsedu.train import Training

SMALL = {"image_channels": 2, "classes": 3, "channels": 4, "cells": 1, "stages": 2}
cells = st.lists(st.sampled_from(PRIMITIVES), min_size=6, max_size=6).map(cell_of_choices)
bodies = st.fixed_dictionaries(
    {"stem": st.sampled_from([1, 3]), "reduction": st.sampled_from(["pool", "residual"])}
)


def batch(runs=0, size=(6, 6)):
    generator = torch.Generator().manual_seed(1)
    shape = (5, runs) if runs else (5,)
    images = torch.randn(*shape, 2, *size, generator=generator, dtype=torch.float64)
    return Batch(images, torch.randint(0, 3, shape, generator=generator))


# ---- As published --------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(cells)
def test_parameters_are_the_published_ones(genotype):
    """A closed form; its ends are what the benchmark's interface says: 0.073306 and 1.531546 M."""
    count = genotype["cell"].count
    expected = 73_306 + 243_040 * count("nor_conv_3x3") + 28_000 * count("nor_conv_1x1")
    assert BenchNetwork(genotype).size == expected
    assert 73_306 <= expected <= 1_531_546


def test_parameters_on_other_data():
    nothing = cell_of_choices(["none"] * 6)
    assert BenchNetwork(nothing, classes=100).size == 79_156
    assert BenchNetwork(nothing, classes=120).size == 80_456


def test_multiply_adds_by_hand():
    """Stem 27·16 a pixel; a 3×3 convolution 9·C² in each of 5 cells of a stage; see the shapes."""
    network = BenchNetwork(cell_of_choices(["nor_conv_3x3", *["none"] * 5]))
    first, second, third = 32 * 32, 16 * 16, 8 * 8
    stem = 27 * 16 * first
    cells = 5 * 9 * (16**2 * first + 32**2 * second + 64**2 * third)
    reduce = (9 * 16 * 32 + 9 * 32 * 32 + 16 * 32) * second
    reduce += (9 * 32 * 64 + 9 * 64 * 64 + 32 * 64) * third
    assert multiply_adds(network, (3, 32, 32)) == stem + cells + reduce + 64 * 10


def test_the_space():
    space = bench_space()
    (cell,) = space.cells
    assert cell.edges == ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert cell.outputs == (3,)
    assert space.primitives == SPACE.vocabulary.primitives
    genotype = derive(space, {"cell": torch.zeros(6, 5)})
    assert genotype["cell"].count("none") == 6  # The first of equals, and none may win.
    without = derive(space, {"cell": torch.zeros(6, 5)}, "paper")
    assert (without["cell"].count("none"), len(without["cell"].edges)) == (0, 6)
    assert Genotype.from_json(genotype.to_json()) == genotype


def test_random_cells_may_have_none():
    space = bench_space()
    cells = [random_genotype(space, seed, none=True)["cell"] for seed in range(40)]
    assert 0.1 < sum(cell.count("none") for cell in cells) / 240 < 0.3
    assert not any(random_genotype(space, seed)["cell"].count("none") for seed in range(40))


@pytest.mark.parametrize(
    "space",
    [
        SearchSpace(name="cnn", primitives=PRIMITIVES, cells=bench_space().cells),
        SearchSpace(name="bench", primitives=PRIMITIVES, cells=(Topology.dense("other", 1, 3),)),
        bench_space().model_copy(update={"primitives": ("sep_conv_3x3",)}),
    ],
)
def test_another_space_is_refused(space):
    with pytest.raises(ValueError, match="expected"):
        BenchSupernet(space)


def test_a_genotype_of_another_space_is_refused():
    other = Genotype.model_validate_json(
        cell_of_choices(["skip_connect"] * 6)
        .to_json()
        .replace('"bench"', '"rnn"')
        .replace("skip_connect", "tanh")
        .replace('"cell"', '"recurrent"')
    )
    with pytest.raises(ValueError, match="needs a genotype of 'bench', not of 'rnn'"):
        BenchNetwork(other)


# ---- Plain and fast ------------------------------------------------------------------------------


def gradients(net, loss):
    return torch.autograd.grad(
        loss, list(net.parameters()), allow_unused=True, materialize_grads=True
    )


@settings(max_examples=40, deadline=None)
@given(cells, bodies, st.sampled_from([(6, 6), (4, 8), (5, 7)]))
def test_the_fast_network_is_the_plain_one(genotype, body, size):
    network = BenchNetwork(genotype, **SMALL, **body, running=False).double()
    images, found = batch(size=size), []
    for network.fast in (False, True):
        loss = network.train_loss(images, None, 0).loss
        found.append((loss, *gradients(network, loss)))
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-11)


@settings(max_examples=30, deadline=None)
@given(st.sets(st.sampled_from(PRIMITIVES), min_size=1), bodies, st.sampled_from([(6, 6), (5, 7)]))
def test_the_fast_supernet_is_the_plain_one(primitives, body, size):
    space = bench_space(sorted(primitives, key=PRIMITIVES.index))
    supernet = BenchSupernet(space, **SMALL, **body, alpha_scale=1.0).double()
    images, found = batch(size=size), []
    for supernet.fast in (False, True):
        loss = supernet.loss(images).loss
        found.append((loss, *gradients(supernet, loss)))
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("architect", [Exact(VirtualStep(0.1)), FiniteDifference(VirtualStep(0.1))])
def test_second_order_is_the_same_in_both_forms(architect):
    supernet = BenchSupernet(bench_space(), **SMALL, stem=1, reduction="pool", alpha_scale=1.0)
    supernet.double()
    optimizer = torch.optim.SGD([supernet.vector()], lr=0.1)
    found = []
    for supernet.fast in (False, True):
        gradient, _ = architect.gradient(supernet, batch(), batch(), optimizer)
        found.append(gradient["cell"])
    torch.testing.assert_close(found[1], found[0], rtol=1e-7, atol=1e-10)


def test_a_one_hot_mixture_is_the_discrete_cell():
    """The supernet at a genotype's mixture gives what the network gives with the same weights."""
    space = bench_space()
    supernet = BenchSupernet(space, **SMALL, stem=1, reduction="pool").double()
    genotype = random_genotype(space, 3, none=True)
    network = BenchNetwork(genotype, **SMALL, stem=1, reduction="pool", running=False).double()
    own = supernet.weights()
    state = {}
    for name in network.state_dict():
        if ".operations." not in name:
            state[name] = own[name].detach()
    for block in (0, 2):
        for edge, (_, kept) in enumerate(genotype["cell"].edges):
            if kept.primitive.startswith("nor"):
                there = f"skeleton.blocks.{block}.operations.{edge}"
                column = PRIMITIVES.index(kept.primitive)
                here = f"skeleton.blocks.{block}.edges.{edge}.operations.{column}.1.weight"
                state[f"{there}.1.weight"] = own[here].detach()
                state[f"{there}.2.weight"] = torch.ones(4 * (1 + block // 2)).double()
                state[f"{there}.2.bias"] = torch.zeros(4 * (1 + block // 2)).double()
    network.load_state_dict(state)
    mixture = {"cell": discretised_mixture(space, genotype)["cell"].double()}
    expected = network(batch().inputs)
    torch.testing.assert_close(supernet(batch().inputs, mixture), expected)


def test_running_statistics_are_kept_in_the_plain_form_alone():
    genotype = random_genotype(bench_space(), 0)
    assert not BenchNetwork(genotype, **SMALL).fast
    network = BenchNetwork(genotype, **SMALL, running=False)
    assert network.fast
    assert not list(network.buffers())


# ---- Side by side --------------------------------------------------------------------------------


def test_networks_side_by_side_are_those_alone():
    genotype = random_genotype(bench_space(), 1)
    alone = [
        BenchNetwork(genotype, **SMALL, stem=1, reduction="pool", running=False).double()
        for _ in range(3)
    ]
    together = SPACE.together(alone)
    images = batch(runs=3)
    losses, accuracies = together.losses(images)
    names = [name.removeprefix("stacked.") for name, _ in together.named_parameters()]
    slopes = dict(zip(names, gradients(together, losses.sum()), strict=True))
    for number, network in enumerate(alone):
        own = Batch(images.inputs[:, number], images.targets[:, number])
        outcome = network.train_loss(own, None, 0)
        torch.testing.assert_close(losses[number], outcome.loss)
        assert accuracies[number] == outcome.accuracy
        theirs = gradients(network, outcome.loss)
        for (name, _), expected in zip(network.named_parameters(), theirs, strict=True):
            slope = slopes[name.replace(".", "/")][number]
            torch.testing.assert_close(slope, expected, rtol=1e-9, atol=1e-11)


def test_side_by_side_needs_statistics_of_batches():
    network = BenchNetwork(random_genotype(bench_space(), 1), **SMALL)
    with pytest.raises(SettingsError, match=r"train\.running=false"):
        SPACE.together([network])


def classroom(*overrides):
    return load_preset("bench-classroom", ["search.epochs=1", *overrides])


def test_searches_side_by_side_are_those_alone():
    """In float64: every α of every seed after every step, and what is shown is the first."""
    asked = classroom("search.batch_size=64")
    task, seeds = asked.task.load(), (3, 0, 7)
    supernets = [build_supernet(asked, task, seed).double() for seed in seeds]
    together = SPACE.side_by_side(supernets).double()
    joined = Search(together, beside(task, seeds), asked.search, seed=seeds[0])
    alone = [
        Search(supernet, task, asked.search, seed=seed)
        for supernet, seed in zip(supernets, seeds, strict=True)
    ]
    for step, *own in itertools.islice(zip(joined, *alone, strict=True), 6):
        for number, search in enumerate(alone):
            theirs = search.supernet.alphas["cell"].detach()
            found = together.alphas["cell"][number].detach()
            torch.testing.assert_close(found, theirs, rtol=1e-9, atol=1e-12)
            assert together.alphas_of(number)["cell"].shape == (6, 5)
        assert step.loss["architecture"] == pytest.approx(own[0].loss["architecture"], rel=1e-9)
        assert step.alphas["cell"] == pytest.approx(own[0].alphas["cell"])


def test_searches_side_by_side_resume_bit_for_bit(tmp_path):
    asked = classroom("search.batch_size=128")
    task = asked.task.load()

    def new():
        return search_side_by_side(asked, task, (0, 1))

    whole = new()
    steps = list(whole)
    half = new()
    for _ in range(2):
        next(half)
    half.save(tmp_path / "half.pt")
    resumed = new().load(tmp_path / "half.pt")
    rest = list(resumed)
    assert rest
    assert [step.loss for step in rest] == [step.loss for step in steps[2:]]
    ends = [as_vector(search.supernet.parameters()) for search in (whole, resumed)]
    assert torch.equal(*ends)


def test_another_space_cannot_search_side_by_side():
    asked = load_preset("classroom")
    with pytest.raises(SettingsError, match="cannot search side by side"):
        search_side_by_side(asked, asked.task.load(), (0, 1))


# ---- Settings ------------------------------------------------------------------------------------


def test_nesterov_is_the_optimisers_own():
    asked = load_preset("bench-classroom", ["train.nesterov=true", "train.epochs=1"])
    task = asked.task.load()
    network = SPACE.network(random_genotype(bench_space(), 0), asked.train, task, 0)
    training = Training(network, task, asked.train)
    assert training.optimizer.param_groups[0]["nesterov"]
    next(training)


def test_the_paper_preset_is_the_published_setting():
    asked = load_preset("bench-paper")
    assert (asked.train.channels, asked.train.cells, asked.train.stages) == (16, 5, 3)
    assert (asked.train.epochs, asked.train.batch_size, asked.train.nesterov) == (200, 256, True)
    assert asked.train.weights.weight_decay == 5e-4


def test_networks_of_the_classroom_never_see_the_architecture_split():
    task = classroom().task.load()
    assert task.training is task.weights
    assert [len(s) for s in (task.weights, task.architecture, task.test)] == [539, 539, 719]


@pytest.mark.parametrize("preset", ["bench-classroom", "bench-paper"])
def test_memory_counts_every_weight(preset):
    asked = load_preset(preset, ["task.name=digits", "supernet.cells=2", "train.cells=2"])
    task = asked.task.load()
    genotype = cell_of_choices(["nor_conv_3x3", "none", "nor_conv_1x1", *["skip_connect"] * 3])
    network = SPACE.network(genotype, asked.train, task, 0)
    assert memory.training_memory(asked.train, task, genotype) == 4 * 3 * network.size
    supernet = build_supernet(asked, task, 0)
    size = sum(w.numel() for w in supernet.weights().values())
    needed = memory.search_memory(asked, task)
    assert 4 * 3 * size < needed < 4 * 3 * size + 50_000_000


@pytest.mark.parametrize("override", ["supernet.channels=1000000", "train.channels=1000000"])
def test_what_no_machine_can_hold_is_refused(override):
    asked = load_preset("bench-classroom", [override])
    genotype = None if override.startswith("supernet") else cell_of_choices(["nor_conv_3x3"] * 6)
    with pytest.raises(SettingsError, match="needs at least"):
        check_memory(asked, asked.task.load(), genotype, 10**12)


@pytest.mark.parametrize("of", ["supernet", "train"])
def test_more_stages_than_the_images_have_halves_are_refused(of):
    """8×8 pixels: maps of 8, 4, 2 and 1."""
    asked = load_preset("bench-classroom", [f"{of}.stages=5"])
    task = asked.task.load()
    build = {
        "supernet": lambda: build_supernet(asked, task, 0),
        "train": lambda: SPACE.network(cell_of_choices(["none"] * 6), asked.train, task, 1),
    }[of]
    with pytest.raises(SettingsError, match=f"{of}.stages is 5.* 8×8 pixels.*at most 4"):
        build()
