"""What a run needs at the least: never more than it takes, refused before anything is made."""

import sys
import time

import pytest
import torch

from dartsedu.data.tasks import load_task
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.runs.cli import main
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_network, build_supernet, space_of
from dartsedu.spaces.memory import check_memory

LARGE = [
    ("digits", "supernet.channels=1000000"),
    ("digits", "supernet.nodes=10000"),
    ("grammar", "supernet.hidden=1000000"),
    ("grammar", "supernet.nodes=5000"),
    ("weber-fechner", "supernet.nodes=60"),
    ("weber-fechner", "supernet.nodes=10000"),
    ("weber-fechner", "supernet.restarts=1000000"),
    ("weber-fechner", "train.random_restarts=1000000"),
]


@pytest.mark.parametrize(("task", "field"), LARGE)
def test_what_no_machine_holds_is_refused_at_once(task, field, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("dartsedu.spaces.memory.os.sysconf", lambda name: 2**16)  # 4 GiB.
    arguments = ["search", "--task", task, "--set", field, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["dartsedu", *arguments, "--out", str(tmp_path / "run")])
    began = time.process_time()
    with pytest.raises(SystemExit) as done:
        main()
    assert time.process_time() - began < 10
    said = capsys.readouterr().err
    assert done.value.code == 2
    assert "4.3 GB are there" in said
    assert field.replace("=", " (now ") in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("field", ["train.channels=1000000", "train.cells=1000"])
def test_a_training_is_measured_too(field):
    settings, task = load_preset("paper", [field, "task.name=digits"]), load_task("digits")
    with pytest.raises(SettingsError, match=r"training needs at least .* GB"):
        check_memory(settings, task, PUBLISHED["darts-v2"], 10**9)


PRESETS = [
    ("classroom", "digits", "darts-v2"),
    ("official", "digits", "nasnet"),
    ("imagenet", "digits", "darts-v1"),
    ("rnn-classroom", "grammar", "darts-rnn-v2"),
    ("equation", "weber-fechner", None),
]


@pytest.mark.parametrize(("preset", "name", "genotype"), PRESETS)
def test_the_estimate_is_a_lower_bound_and_near_it(preset, name, genotype):
    """Against the networks themselves: w with gradient and momentum make up what is estimated, if
    a batch is as small as it can be."""
    settings = load_preset(preset, [f"task.name={name}", "task.noise=0"][: 1 + (name == "digits")])
    task = load_task(name)
    supernet = build_supernet(settings, task, 0)
    w = sum(p.numel() * p.element_size() for p in supernet.weights().values())
    alphas = sum(p.numel() * p.element_size() for p in supernet.alphas.values())
    copies = 3 if settings.search.weights.momentum else 2
    counted = copies * w + 4 * alphas
    small = settings.search.model_copy(update={"batch_size": 2})
    if preset.startswith("rnn"):
        small = small.model_copy(update={"bptt": 2})
    space = space_of(settings)
    least = space.search_memory(settings.model_copy(update={"search": small}), task)
    if preset != "equation":  # Its end needs more than its search.
        assert 0.7 * counted < least < 1.2 * counted
    if genotype is not None:
        settings = settings.model_copy(
            update={"train": settings.train.model_copy(update={"batch_size": 2})}
        )
        network = build_network(PUBLISHED[genotype], settings.train, task, 0)
        copies = 3 if settings.train.weights.momentum else 2
        counted = 4 * copies * sum(p.numel() for p in network.parameters())
        needed = space.training_memory(settings.train, task, PUBLISHED[genotype])
        assert 0.7 * counted < needed < 1.2 * counted


def test_the_estimate_draws_no_random_numbers():
    task, settings = load_task("digits"), load_preset("classroom")
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    space_of(settings).search_memory(settings, task)
    space_of(settings).training_memory(settings.train, task, PUBLISHED["darts-v2"])
    assert torch.rand(1) == expected
