"""Supernets that are seldom built: of few primitives, with few weights, in another precision."""

import pytest
import torch

from dartsedu.data.tasks import load_task
from dartsedu.genotype import random_genotype
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.search import Search
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.train import Training

PRESET = {"cnn": "classroom", "rnn": "rnn-classroom"}
TASK = {"cnn": "digits", "rnn": "grammar"}
SMALL = {
    "cnn": ["search.batch_size=60", "supernet.nodes=1", "supernet.channels=2", "train.channels=2"],
    "rnn": ["supernet.hidden=4", "supernet.nodes=2", "train.hidden=4"],
}
ARCHITECTS = ("finite-difference", "exact")
"""Whose passes hold those of the first order."""


@pytest.fixture(scope="module")
def tasks():
    return {space: load_task(name) for space, name in TASK.items()}


@pytest.fixture(params=[torch.float64, torch.bfloat16], ids=str)
def default_dtype(request):
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


def started(space, task, architect, *more):
    settings = load_preset(PRESET[space], [f"search.architect={architect}", *SMALL[space], *more])
    return Search(build_supernet(settings, task, 0), task, settings.search)


def goes_on_from_its_checkpoint(start, path):
    """Two steps, a checkpoint, a third step: the same from the checkpoint. Gives the search."""
    search = start()
    for _ in range(2):
        next(search)
    search.save(path)
    step = next(search)
    again = next(start().load(path))
    assert again.loss == step.loss
    for cell, alpha in step.alphas.items():
        assert (again.alphas[cell] == alpha).all()
    return search


@pytest.mark.parametrize("architect", ARCHITECTS)
@pytest.mark.parametrize("fast", ["true", "false"])
@pytest.mark.parametrize(
    ("space", "primitives"),
    [
        ("cnn", '["none", "skip_connect"]'),
        ("cnn", '["avg_pool_3x3", "none"]'),
        ("cnn", '["conv_7x1_1x7", "none"]'),
        ("rnn", '["identity"]'),
        ("rnn", '["none", "identity"]'),
    ],
)
def test_few_primitives_and_no_weights_on_edges(
    space, primitives, fast, architect, tasks, tmp_path
):
    def start():
        more = f"supernet.primitives={primitives}", f"supernet.fast={fast}"
        return started(space, tasks[space], architect, *more)

    search = goes_on_from_its_checkpoint(start, tmp_path / "checkpoint")
    search.supernet.genotype().check(search.space)


@pytest.mark.parametrize("architect", ARCHITECTS)
@pytest.mark.parametrize("space", PRESET)
def test_searches_under_another_default_precision(space, architect, default_dtype, tasks, tmp_path):
    search = goes_on_from_its_checkpoint(
        lambda: started(space, tasks[space], architect), tmp_path / "checkpoint"
    )
    assert search.supernet.vector().dtype == default_dtype
    search.supernet.genotype().check(search.space)


@pytest.mark.parametrize("space", PRESET)
def test_trainings_under_another_default_precision(space, default_dtype, tasks):
    settings = load_preset(PRESET[space], [*SMALL[space], "train.epochs=1"])
    genotype = PUBLISHED["darts-rnn-v1"]
    if space == "cnn":
        genotype = random_genotype(build_supernet(settings, tasks[space], 0).space, 0)
    network = build_network(genotype, settings.train, tasks[space], 0)
    training = Training(network, tasks[space], settings.train)
    assert next(training).loss["training"] > 0
    assert training.test() > 0
