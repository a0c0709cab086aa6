"""A run's folder from the first step to the report, and the command line over it."""

import json
import re
import subprocess
import sys

import pytest
import torch
from command import Page, dartsedu

from dartsedu.base.yardstick import ACCURACY
from dartsedu.genotype import Genotype
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.runs.claim import RunError
from dartsedu.runs.comparison import compare
from dartsedu.runs.folder import Run
from dartsedu.runs.results import Trained
from dartsedu.settings import SettingsError

TINY = {
    "search.epochs": 1,
    "search.batch_size": 96,
    "supernet.nodes": 1,
    "supernet.channels": 2,
    "supernet.primitives": '["none", "skip_connect", "sep_conv_3x3"]',
    "train.epochs": 1,
    "train.channels": 2,
    "train.seeds": 2,
    "train.random_cells": 2,
    "train.batch_size": 96,
}
SETS = [part for field, value in TINY.items() for part in ("--set", f"{field}={value}")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny run, searched and trained by the command line."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    dartsedu("search", "--out", folder, "--seed", 5, "--device", "cpu", *SETS)
    dartsedu("train", folder, "--device", "cpu")
    return folder


def test_a_run_leaves_everything_it_promises(folder):
    names = {path.name for path in folder.iterdir() if path.name != ".lock"}
    assert names == {
        "settings.json",
        "recording.jsonl",
        "checkpoint.pt",
        "genotype.json",
        "results.json",
        "training",
        "pictures",
        "report.html",
    }
    run = Run.open(folder)
    assert len(run.recording().steps) == 7
    run.genotype().check(run.recording().space)
    results = run.results()
    assert [t.name for t in results.trained] == [
        "genotype-5",
        "genotype-6",
        "random-5000",
        "random-5001",
    ]
    assert all(0 <= t.test["accuracy"] <= 1 for t in results.trained)
    assert results.gap.mixture.loss > 0
    drawn = {path.name for path in (folder / "pictures").iterdir()}
    assert {"genotype.svg", "cells.svg", "heatmap.svg", "losses.svg", "scores.svg"} <= drawn


def test_the_report_is_one_complete_page_that_needs_nothing_else(folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.images) == 7
    assert all(len(image["alt"].split()) >= 8 for image in page.images)
    assert all(address.startswith("data:") for address in page.addresses)
    words = " ".join(page.words)
    for needed in (
        "random cells, same budget",
        "Discretisation gap",
        "95 % interval",
        "test accuracy",
        "torch",
        "search.weights.learning_rate",
        "architecture split",
    ):
        assert needed in words, needed


def test_training_again_does_nothing_twice(folder, capsys):
    before = (folder / "results.json").read_bytes()
    dartsedu("train", folder)
    dartsedu("resume", folder)
    assert (folder / "results.json").read_bytes() == before


def test_more_seeds_may_be_added_but_nothing_else_changed(folder, capsys):
    dartsedu("train", folder, "--set", "train.epochs=2", code=2)
    assert "has trained with other settings" in capsys.readouterr().err
    dartsedu("train", folder, "--set", "search.epochs=2", code=2)
    assert "only train.* may change" in capsys.readouterr().err
    dartsedu("train", folder, "--seed", 99, code=2)
    assert "drop --preset, --task, --seed and --out" in capsys.readouterr().err
    dartsedu("train", folder, "--set", "train.seeds=3")
    assert [t.name for t in Run.open(folder).results().trained][-1] == "genotype-7"


def test_the_same_seed_gives_the_same_results_in_another_folder(folder, tmp_path):
    dartsedu("search", "--out", tmp_path / "again", "--seed", 5, *SETS)
    dartsedu("train", tmp_path / "again")
    one, other = (Run.open(f).results() for f in (folder, tmp_path / "again"))
    assert one.gap == other.gap
    for a, b in zip(one.trained, other.trained, strict=False):
        assert a.model_copy(update={"seconds": 0.0}) == b.model_copy(update={"seconds": 0.0})


def test_a_training_that_was_stopped_goes_on_where_it_was(folder, tmp_path):
    """Stop in the first network's fourth step; the result is the uninterrupted one's."""
    settings = load_preset("classroom", [f"{k}={v}" for k, v in TINY.items()])
    run = Run.create(tmp_path / "stopped", settings, 5, Run.open(folder).genotype())
    candidate = run.candidates()[0]
    training = run.begin_training(candidate, run.task(), "cpu")
    for step in run.follow_training(candidate, training):
        if step.index == 3:
            break
    dartsedu("resume", tmp_path / "stopped")
    expected = Run.open(folder).results().trained
    found = run.results().trained
    assert [t.test for t in found] == [t.test for t in expected[:4]]
    page = (tmp_path / "stopped" / "report.html").read_text()
    assert "A cell trained from scratch" in page


def test_train_takes_published_names_and_files(tmp_path, capsys):
    once = ["--set", "train.seeds=1", "--set", "train.random_cells=0", "--set", "train.cells=3"]
    dartsedu("train", "darts-v1", "--out", tmp_path / "a", *SETS, *once)
    PUBLISHED["darts-v1"].save(tmp_path / "cell.json")
    dartsedu("train", tmp_path / "cell.json", "--out", tmp_path / "b", *SETS, *once)
    first, second = (Run.open(tmp_path / name).results().trained for name in "ab")
    assert first[0].test == second[0].test


def test_show_describes_what_there_is(folder, tmp_path, capsys):
    dartsedu("show", folder)
    shown = capsys.readouterr().out
    assert "preset classroom, task digits, seed 5" in shown
    assert "search: 7 of 7 steps, complete" in shown
    assert re.search(r"random-5000: test accuracy \d", shown)
    dartsedu("show", "darts-v2", "--out", tmp_path / "cell.svg")
    assert "dil_conv_3x3(0)" in capsys.readouterr().out
    assert b"<svg" in (tmp_path / "cell.svg").read_bytes()
    dartsedu("show", folder / "genotype.json", "--out", tmp_path / "cell.png")
    dartsedu("show", "paper")
    assert "search.architecture.beta1" in capsys.readouterr().out
    settings = load_preset("classroom")
    Run.create(tmp_path / "new", settings, 0)
    dartsedu("show", tmp_path / "new")
    assert "search: not begun" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["search", "--task", "letters"], "unknown task"),
        (["search", "--task", "imagenet"], "--set task.noise=0"),
        (["search", "--set", 'supernet.primitives=["none"]'], "only primitive is 'none'"),
        (["search", "--set", 'supernet.primitives=["none", "none"]'], "may be named once"),
        (["search", "--preset", "large"], "unknown preset 'large'"),
        (["search", "--set", "search.epoch=1"], "is not a setting"),
        (["search", "--set", 'supernet.primitives=["conv"]'], "unknown primitives"),
        (["search", "--device", "tpu"], "unknown device 'tpu'"),
        (["search", "--device", "cuda"], "no CUDA device here"),
        (["search", "--seed", "-1"], "greater than or equal to 0"),
        (["train", "darts-v3"], "published are: nasnet, amoebanet"),
        (["show", "nothing"], "no published genotype 'nothing'"),
        (["show", "darts-v1", "--out", "cell.bmp"], "cannot draw a .bmp file"),
        (["show", "classroom", "--out", "cell.svg"], "is a preset"),
        (["resume", "nowhere"], "nowhere is not a run's folder"),
        (["dance"], "No such command"),
    ],
)
def test_wrong_requests_exit_with_2_and_a_reason(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    dartsedu(*arguments, code=2)
    assert words in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_not_overwritten(folder, capsys):
    dartsedu("search", "--out", folder, code=2)
    assert f"dartsedu resume {folder}" in capsys.readouterr().err
    dartsedu("train", folder, "--out", "elsewhere", code=2)
    assert "and --out" in capsys.readouterr().err


def test_a_folder_that_is_being_worked_on_is_left_alone(folder, capsys):
    with Run.open(folder).locked():
        dartsedu("resume", folder, code=2)
    assert "another process is working on" in capsys.readouterr().err


def test_names_are_never_markup(tmp_path, capsys):
    dartsedu("search", "--out", tmp_path / "[red]a[/b]", *SETS)
    assert "[red]a[/b]/report.html" in capsys.readouterr().out


def test_an_unfinished_search_says_how_to_go_on(tmp_path, capsys):
    settings = load_preset("classroom", [f"{k}={v}" for k, v in TINY.items()])
    run = Run.create(tmp_path / "run", settings, 0)
    steps = run.follow_search(run.begin_search("cpu"))
    next(steps)
    steps.close()
    dartsedu("train", tmp_path / "run", code=2)
    assert f"continue it with: dartsedu resume {tmp_path / 'run'}" in capsys.readouterr().err
    dartsedu("show", tmp_path / "run")
    assert "search: 1 of 7 steps, not complete" in capsys.readouterr().out
    (tmp_path / "run" / "recording.jsonl").write_text("hello\n")
    dartsedu("show", tmp_path / "run", code=2)
    assert "line 1" in capsys.readouterr().err


def test_a_training_without_its_genotype_never_becomes_a_search(tmp_path, capsys):
    settings = load_preset("classroom", [f"{k}={v}" for k, v in TINY.items()])
    run = Run.create(tmp_path / "run", settings, 0, PUBLISHED["darts-v1"])
    run.genotype_path.unlink()
    dartsedu("resume", tmp_path / "run", code=2)
    assert "is gone" in capsys.readouterr().err


def test_random_cells_are_as_large_as_the_genotype(tmp_path):
    settings = load_preset("classroom")
    run = Run.create(tmp_path / "run", settings, 0, PUBLISHED["nasnet"])
    for candidate in run.candidates():
        assert [len(cell.nodes) for cell in candidate.genotype.cells] == [5, 5]
        assert all(len(node) == 2 for cell in candidate.genotype.cells for node in cell.nodes)


def test_parameters_are_counted_without_the_auxiliary_head(tmp_path):
    overrides = [f"{k}={v}" for k, v in (TINY | {"train.auxiliary_weight": 0.4}).items()]
    run = Run.create(
        tmp_path / "run", load_preset("classroom", overrides), 0, PUBLISHED["darts-v1"]
    )
    candidate = run.candidates()[0]
    training = run.begin_training(candidate, run.task(), "cpu")
    list(run.follow_training(candidate, training))
    head = sum(p.numel() for p in training.network.auxiliary_head.parameters())
    whole = sum(p.numel() for p in training.network.parameters())
    assert run.end_training(candidate, training).parameters == whole - head


def test_the_advice_after_an_exploding_training_can_be_followed(tmp_path, capsys):
    explosive = {"train.weights.learning_rate": "1e30", "train.checkpoint_every": 1}
    sets = [part for k, v in explosive.items() for part in ("--set", f"{k}={v}")]
    dartsedu("train", "darts-v1", "--out", tmp_path / "run", *SETS, *sets, code=1)
    assert "train.weights.learning_rate (now 1e+30)" in capsys.readouterr().err
    dartsedu("train", tmp_path / "run", "--set", "train.weights.learning_rate=0.1")
    assert len(Run.open(tmp_path / "run").results().trained) == 4


def test_missing_data_exits_with_1(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", None)
    data = ["--set", f"task.root={tmp_path}"]
    dartsedu("search", "--task", "cifar10", "--out", tmp_path / "run", *data, code=1)
    assert "cifar-10-python.tar.gz" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_exploding_run_exits_with_1_and_keeps_its_steps(tmp_path, capsys):
    rates = ["--set", "search.weights.learning_rate=1e30"]
    dartsedu("search", "--out", tmp_path / "run", *SETS, *rates, code=1)
    errors = capsys.readouterr().err
    assert "are intact and, if the run is recorded, on disk" in errors
    assert Run.open(tmp_path / "run").recording().steps


def test_damaged_folders_are_explained(folder, tmp_path):
    with pytest.raises(RunError, match="not a run's folder"):
        Run.open(tmp_path)
    (tmp_path / "settings.json").write_text("{}")
    with pytest.raises(RunError, match=r"settings\.json is not valid"):
        Run.open(tmp_path)
    value = json.loads((folder / "settings.json").read_text())
    value["settings"]["search"]["epochs"] = 0
    (tmp_path / "settings.json").write_text(json.dumps(value))
    with pytest.raises(RunError, match=r"search\.epochs: .* \(given: 0\)"):
        Run.open(tmp_path)


def test_settings_are_checked_before_a_folder_is_made(tmp_path):
    settings = load_preset("classroom", ['supernet.primitives=["tanh"]'])
    with pytest.raises(SettingsError, match="unknown primitives"):
        Run.create(tmp_path / "run", settings, 0)
    assert not (tmp_path / "run").exists()


def trained(kind, *accuracies):
    return [
        Trained(
            name=f"{kind}-{i}",
            kind=kind,
            seed=i,
            parameters=1,
            steps=1,
            seconds=1.0,
            training={"accuracy": 0.5},
            test={"accuracy": accuracy},
        )
        for i, accuracy in enumerate(accuracies)
    ]


def test_comparison_is_welchs_interval():
    """By hand: means .9 and .8, variances .0001 each, n = 3: standard error √(2·.0001/3), 4
    degrees of freedom, t = 2.776."""
    three = [*trained("genotype", 0.89, 0.9, 0.91), *trained("random", 0.79, 0.8, 0.81)]
    found = compare(three, ACCURACY)
    half = 2.7764 * (2 * 0.0001 / 3) ** 0.5
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), abs=1e-5)
    assert "better than random cells" in found.verdict
    noise = compare([*trained("genotype", 0.8, 0.9), *trained("random", 0.79, 0.9)], ACCURACY)
    assert "cannot be told from noise" in noise.verdict
    single = compare([*trained("genotype", 0.8), *trained("random", 0.7, 0.9)], ACCURACY)
    assert "Too few" in single.verdict
    assert compare(trained("genotype", 0.8), ACCURACY) is None


@pytest.mark.parametrize("command", ["search", "train", "resume", "show"])
def test_every_command_has_help(command, capsys):
    dartsedu(command, "--help")
    assert "--help" in capsys.readouterr().out


def test_plain_lines_when_piped(tmp_path):
    command = [sys.executable, "-m", "dartsedu", "search", "--out", str(tmp_path / "run"), *SETS]
    piped = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = [line for line in piped.stdout.splitlines() if line.startswith("search: step 7/7")]
    assert len(lines) == 1
    assert "ETA 0:00" in lines[0]
    assert "\x1b" not in piped.stdout
    assert Genotype.load(tmp_path / "run" / "genotype.json")
