"""The fingerprint of the data: equal for equal data wherever it lies, another for any other."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from PIL import Image

from dartsedu.data.splits import ArraySplit
from dartsedu.data.tables import table_task
from dartsedu.data.tasks import load_task
from dartsedu.data.text import FILES
from dartsedu.genotype import random_genotype
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.stream.stream import CheckpointError
from dartsedu.train import Training

FAST = settings(
    derandomize=True,
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
X = np.random.default_rng(0).uniform(1, 9, (40, 2))
Y = X[:, 0] * X[:, 1]


@pytest.mark.parametrize("name", ["digits", "pydoc", "weber-fechner"])
def test_the_same_data_has_the_same_fingerprint(name):
    task, again, other = (load_task(name, split_seed=seed) for seed in (0, 0, 1))
    assert len(task.fingerprint) == 64
    assert task.fingerprint == again.fingerprint == task.to(torch.device("cpu")).fingerprint
    assert task.fingerprint != other.fingerprint


def test_noise_and_vocabulary_belong_to_the_data():
    assert load_task("digits").fingerprint != load_task("digits", noise=0.1).fingerprint
    small, smaller = (load_task("pydoc", vocabulary=size).fingerprint for size in (500, 499))
    assert small != smaller


def test_a_change_of_one_pixel_or_label_shows(task):
    seen = {task.fingerprint}
    for part in ("weights", "architecture", "test"):
        split = getattr(task, part)
        for name in ("images", "targets"):
            changed = {"images": split.images.clone(), "targets": split.targets.clone()}
            changed[name].view(-1)[-1] += 1
            other = ArraySplit(**changed, mean=split.mean, std=split.std)
            seen.add(replace(task, **{part: other}).fingerprint)
    assert len(seen) == 7


@FAST
@given(
    row=st.integers(0, 39),
    column=st.integers(0, 2),
    factor=st.floats(-5, 5).filter(lambda factor: abs(factor - 1) > 1e-3),
    whole=st.booleans(),
)
def test_a_change_of_one_cell_or_of_the_unit_of_a_column_shows(row, column, factor, whole):
    rows = np.column_stack([X, Y])
    before = table_task(rows[:, :2], rows[:, 2])
    rows[slice(None) if whole else row, column] *= factor
    assume(np.isfinite(rows).all() and (np.abs(rows).max(0) > 1e-40).all())
    assert table_task(rows[:, :2], rows[:, 2]).fingerprint != before.fingerprint


@FAST
@given(seed=st.integers(0, 2**32 - 1), mean=st.sampled_from([0.0, 1.0, 1e3]))
def test_what_another_processor_computes_a_little_differently_is_the_same_table(seed, mean):
    generator = np.random.default_rng(seed)
    x, y = generator.uniform(1, 9, (40, 2)), mean + generator.standard_normal(40)
    nearly = 1 + 2e-16 * generator.standard_normal(40)
    before = table_task(x, y).fingerprint
    assert table_task(x * nearly[:, None], y * nearly).fingerprint == before


def test_columns_that_change_their_names_show():
    one, other = (table_task(X, Y, variables=names) for names in (("a", "b"), ("b", "a")))
    assert one.fingerprint != other.fingerprint


def test_a_text_that_moves_is_the_same_and_one_that_changes_is_not(tmp_path):
    folder = tmp_path / "here" / "penn"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("the cat sat\non the mat\n" * 3)
    before = load_task("ptb", root=tmp_path / "here").fingerprint
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    assert load_task("ptb", root=tmp_path / "there").fingerprint == before
    whole = (folder / "train.txt").read_text()
    moved = [whole[: -len("on the mat\n")], "on the mat\n" + whole]
    for name, text in zip(FILES, moved, strict=False):
        (folder / name).write_text(text)
    assert load_task("ptb", root=tmp_path / "here").fingerprint != before


def test_a_folder_of_images_that_moves_is_the_same_and_one_that_changes_is_not(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            folder = tmp_path / "here/imagenet" / part / name
            folder.mkdir(parents=True)
            for number in range(2):
                Image.fromarray(pixels + number).save(folder / f"{number}.bmp")

    def fingerprint(place):
        return load_task("imagenet", root=tmp_path / place, workers=0).fingerprint

    before = fingerprint("here")
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    assert fingerprint("there") == before
    file = tmp_path / "there/imagenet/val/dog/1.bmp"
    Image.fromarray(255 - pixels).save(file)  # As many bytes as before.
    assert fingerprint("there") != before
    shutil.copyfile(tmp_path / "here/imagenet/val/dog/1.bmp", file)
    assert fingerprint("there") == before
    file.rename(file.with_name("2.bmp"))
    assert fingerprint("there") != before


# ---- Checkpoints --------------------------------------------------------------------------------


def search_of(task):
    settings = load_preset("equation", ["supernet.restarts=2", "search.epochs=4"])
    return Search(build_supernet(settings, task, 0), task, settings.search)


def training_of(task):
    settings = load_preset("classroom", ["train.epochs=1", "train.batch_size=24"])
    genotype = random_genotype(build_supernet(settings, task, 0).space, 0)
    return Training(build_network(genotype, settings.train, task, 0), task, settings.train)


def test_a_search_does_not_go_on_with_another_table(tmp_path):
    search = search_of(table_task(X, Y))
    next(search)
    search.save(tmp_path / "checkpoint.pt")
    for factor in (-5, 5):
        with pytest.raises(CheckpointError, match=r"the data has changed since .* Put it back"):
            search_of(table_task(X, factor * Y)).load(tmp_path / "checkpoint.pt")
    assert search_of(table_task(X, Y)).load(tmp_path / "checkpoint.pt").done == 1


def test_a_training_does_not_go_on_with_other_images(tmp_path, task):
    training = training_of(task)
    next(training)
    training.save(tmp_path / "checkpoint.pt")
    with pytest.raises(CheckpointError, match="the data has changed"):
        training_of(replace(task, test=task.weights)).load(tmp_path / "checkpoint.pt")
    assert training_of(task).load(tmp_path / "checkpoint.pt").done == 1


def test_a_checkpoint_that_does_not_know_its_data_goes_on(tmp_path):
    search = search_of(table_task(X, Y))
    next(search)
    search.save(tmp_path / "checkpoint.pt")
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    del saved["data"]
    torch.save(saved, tmp_path / "checkpoint.pt")
    assert search_of(table_task(X, -5 * Y)).load(tmp_path / "checkpoint.pt").done == 1
