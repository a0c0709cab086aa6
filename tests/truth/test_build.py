"""Making a table: the numbers of single trainings, whole after a kill; the shipped one again."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from dartsedu.presets import load_preset
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_network
from dartsedu.train import Training
from dartsedu.truth import Truth, TruthError, load_truth
from dartsedu.truth.build import build, different, learn
from dartsedu.truth.cells import genotype_of

TINY = [
    "supernet.primitives=['none', 'nor_conv_1x1']",
    "train.epochs=2",
    "train.batch_size=128",
    "train.channels=2",
]
"""14 different cells, 8 steps each."""


def test_side_by_side_gives_what_training_gives():
    asked = load_preset("bench-classroom", ["train.epochs=2"])
    task = asked.task.load()
    genotype = genotype_of(load_truth("bench-digits").space, [3, 1, 2, 4, 0, 3])
    found = learn(asked, (5, 6), 0, (3, 1, 2, 4, 0, 3))
    for number, seed in enumerate((5, 6)):
        training = Training(
            build_network(genotype, asked.train, task, seed), task, asked.train, seed=seed
        )
        steps = list(training)
        for epoch in (0, 1):
            own = np.mean([step.loss["training"] for step in steps if step.epoch == epoch])
            assert found.training_loss[epoch][number] == pytest.approx(
                own, rel=1e-2 if epoch else 1e-4
            )
        # A rounding may turn a few answers.
        assert found.test_right[number] / len(task.test) == pytest.approx(training.test(), abs=0.03)
        judged = training.network.score(task.architecture)
        assert found.validation_right[-1][number] / len(task.architecture) == pytest.approx(
            judged, abs=0.03
        )
    assert found.parameters == training.network.size
    assert found.latency > 0


def test_a_random_handful_of_the_shipped_table_is_found_again():
    """Processors round differently: compared are answers, and the loss before it drifts apart."""
    truth = load_truth("bench-digits")
    rows = np.random.default_rng(time.time_ns()).choice(len(truth), 5, replace=False)
    differences = []
    for row in rows.tolist():
        found = learn(
            truth.about.settings, truth.about.seeds, row, tuple(truth.choices[row].tolist())
        )
        assert found.training_loss[0] == pytest.approx(truth.training_loss[row, 0], rel=5e-3)
        differences.append(
            (np.array(found.test_right) - truth.test_right[row].astype(int)) / truth.test_size
        )
        assert found.parameters == truth.parameters[row]
        assert found.multiply_adds == truth.multiply_adds[row]
    assert np.abs(differences).max() < 0.12, rows
    assert abs(np.mean(differences)) < 0.03, rows


def test_a_table_is_built_and_goes_on_from_where_it_was(tmp_path):
    asked = load_preset("bench-classroom", TINY)
    whole, half = tmp_path / "whole.npz", tmp_path / "half.npz"
    assert list(build("tiny", asked, (0, 1), whole))[-1] == (14, 14)
    steps = build("tiny", asked, (0, 1), half)
    for _ in range(6):
        next(steps)
    steps.close()
    part = tmp_path / "half.npz.part"
    with part.open("ab") as file:
        file.write(b'{"row": 13, "trai')  # Cut short by a kill.
    assert next(build("tiny", asked, (0, 1), half)) == (5, 14)
    list(build("tiny", asked, (0, 1), half))
    assert not part.exists()
    tables = [Truth.load(path) for path in (whole, half)]
    for name in (
        "choices",
        "row_of",
        "training_loss",
        "validation_right",
        "test_right",
        "parameters",
    ):
        np.testing.assert_array_equal(*(getattr(table, name) for table in tables))
    assert tables[0].row_of.tolist() == different(asked)[1]


def test_a_part_of_another_table_is_refused(tmp_path):
    asked = load_preset("bench-classroom", TINY)
    path = tmp_path / "tiny.npz"
    part = tmp_path / "tiny.npz.part"
    steps = build("tiny", asked, (0,), path)
    next(steps)
    steps.close()
    for other, seeds in (
        (asked, (0, 1)),
        (load_preset("bench-classroom", [*TINY, "task.noise=0.1"]), (0,)),
    ):
        with pytest.raises(TruthError, match="other settings or seeds"):
            next(build("tiny", other, seeds, path))
    part.write_text(part.read_text() + '{"row": 1}\n')
    with pytest.raises(TruthError, match="row"):
        next(build("tiny", asked, (0,), path))


def test_networks_that_cannot_be_side_by_side_are_refused(tmp_path):
    asked = load_preset("bench-classroom", [*TINY, "train.running=true"])
    with pytest.raises(SettingsError, match="statistics of each batch"):
        next(build("tiny", asked, (0,), tmp_path / "tiny.npz"))
    assert not list(tmp_path.iterdir())


# ---- The command ---------------------------------------------------------------------------------


def dartsedu(*arguments, check=True):
    return subprocess.run(
        [sys.executable, "-m", "dartsedu", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=check,
    )


def tiny(out):
    overrides = [part for override in TINY for part in ("--set", override)]
    return [
        "truth",
        "build",
        "--preset",
        "bench-classroom",
        "--seeds",
        "1",
        "--out",
        out,
        *overrides,
    ]


def test_the_command_builds_after_a_kill_and_shows(tmp_path):
    out = tmp_path / "tiny.npz"
    part = tmp_path / "tiny.npz.part"
    process = subprocess.Popen([sys.executable, "-m", "dartsedu", *map(str, tiny(out))])
    while not part.exists() or part.read_bytes().count(b"\n") < 3:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    said = dartsedu(*tiny(out), "--jobs", "2").stdout
    assert "14 of them different" in said
    assert not part.exists()
    cell = "|nor_conv_1x1~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|"
    shown = dartsedu("truth", "show", cell, "--table", out).stdout
    assert "of 14: better than" in shown
    assert "nor_conv_1x1(0)" in shown
    again = dartsedu(*tiny(out), check=False)
    assert again.returncode == 2
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["build", "--preset", "classroom"], "do not keep all edges"),
        (["build", "--preset", "bench-classroom", "--out", "table.csv"], "….npz"),
        (["show", "|nor_conv_9x9~0|"], "is no edge"),
        (["show", "darts-v2"], "no table holds cells of the space 'cnn'"),
        (["show", "--table", "letters"], "unknown table 'letters'"),
    ],
)
def test_odd_requests_are_answered(tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    asked = dartsedu("truth", *arguments, check=False)
    assert asked.returncode == 2
    assert said in asked.stderr
    assert "Traceback" not in asked.stderr
    assert not list(tmp_path.iterdir())


def test_a_run_says_where_its_cell_stands(tmp_path):
    folder = tmp_path / "run"
    said = dartsedu(
        "search", "--preset", "bench-classroom", "--set", "search.epochs=1", "--out", folder
    ).stdout
    assert "of 5,425: better than" in said
    for words in ("best of all", "median of all", "obvious guess", "ten random cells", "price"):
        assert words in said
    page = (folder / "report.html").read_text()
    assert "Among all cells" in page
    assert (folder / "pictures" / "landscape.svg").exists()
    assert "of 5,425" in dartsedu("show", folder).stdout
    assert "of 5,425" in dartsedu("truth", "show", folder).stdout
    genotype = json.loads((folder / "genotype.json").read_text())
    assert genotype["cells"][0]["outputs"] == [3]


def test_a_space_that_trains_no_networks_has_no_table(tmp_path):
    with pytest.raises(SettingsError, match="'equation' trains no networks"):
        next(build("laws", load_preset("equation"), [0], tmp_path / "laws.npz"))
