"""Tasks. Data sets of torchvision are read from small files in their true formats."""

import itertools
import pickle
import struct

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from scipy.io import savemat
from sklearn.datasets import load_digits

from dartsedu.data.augment import cutout, random_crop, random_flip
from dartsedu.data.images import TORCHVISION
from dartsedu.data.splits import TaskError
from dartsedu.data.tasks import load_task, tasks
from dartsedu.stream.stream import seed_of


def places(task, split):
    """The places in the whole data set of a split's images."""
    whole = (load_digits().data * (255 / 16)).round().astype(np.uint8)
    rows = {row.tobytes(): i for i, row in enumerate(whole)}
    return {rows[image.numpy().tobytes()] for image in split.images.reshape(len(split), -1)}


def test_digits_are_split_in_three_disjoint_parts_that_together_are_all():
    task = load_task("digits")
    parts = [places(task, s) for s in (task.weights, task.architecture, task.test)]
    assert [len(s) for s in (task.weights, task.architecture, task.test)] == [718, 719, 360]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert places(task, task.training) == parts[0] | parts[1]
    assert (task.image_shape, task.classes) == ((1, 8, 8), 10)


def test_splits_are_stratified_and_seeded():
    task, again, other = (load_task("digits", split_seed=s) for s in (0, 0, 1))
    whole = np.bincount(load_digits().target) / 1797
    for split in (task.weights, task.architecture, task.test):
        np.testing.assert_allclose(np.bincount(split.targets) / len(split), whole, atol=0.003)
    assert torch.equal(task.weights.images, again.weights.images)
    assert not torch.equal(task.weights.images, other.weights.images)
    assert torch.equal(task.test.images, other.test.images)


def test_training_data_is_normalised():
    task = load_task("digits")
    images = torch.cat([b.inputs for b in task.training.once(256)])
    assert float(images.mean()) == pytest.approx(0, abs=1e-4)
    assert float(images.std()) == pytest.approx(1, abs=1e-3)


def test_noise_is_a_part_of_the_task_and_the_same_each_time():
    clean, noisy = load_task("digits"), load_task("digits", noise=0.5)
    first, second = (torch.cat([b.inputs for b in noisy.test.once(100)]) for _ in range(2))
    assert torch.equal(first, second)
    noise = first - torch.cat([b.inputs for b in clean.test.once(100)])
    assert float(noise.std()) == pytest.approx(0.5, rel=0.02)
    assert float(noise.mean()) == pytest.approx(0, abs=0.01)


# ---- Batches ------------------------------------------------------------------------------------


def test_a_pass_meets_every_example_once_and_leaves_the_rest_out():
    split = load_task("digits").weights
    assert split.batches(64) == 11
    numbers, chosen = zip(*itertools.islice(split.order(64, 5, 0), 22), strict=True)
    assert list(numbers) == list(range(22))
    for first in (0, 11):
        seen = torch.cat(chosen[first : first + 11])
        assert len(seen.unique()) == len(seen) == 704
    assert not torch.equal(chosen[0], chosen[11])


@pytest.mark.parametrize("start", [1, 2, 3, 7])
def test_batches_continue_anywhere(task, start):
    def batches(first, count):
        return list(itertools.islice(task.weights.training(12, 4, first, cutout_length=2), count))

    whole = batches(0, 9)
    for a, b in zip(whole[start:], batches(start, 9 - start), strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.targets, b.targets)


def test_a_split_smaller_than_a_batch_is_one_batch(task):
    batch = next(task.weights.training(500, 0))
    assert len(batch.targets) == 36


# ---- Augmentation -------------------------------------------------------------------------------


def generator():
    return torch.Generator().manual_seed(seed_of(0, "test"))


def test_random_crop_shifts_each_image_by_itself():
    images = torch.arange(1, 10).reshape(1, 1, 3, 3).repeat(200, 1, 1, 1)
    cropped = random_crop(images, 1, generator())
    padded = torch.nn.functional.pad(images[0, 0], (1, 1, 1, 1))
    windows = {
        tuple(padded[i : i + 3, j : j + 3].flatten().tolist()) for i in range(3) for j in range(3)
    }
    assert {tuple(c.flatten().tolist()) for c in cropped} == windows


def test_random_crop_keeps_channels_and_colours_together():
    images = torch.arange(2 * 3 * 16).reshape(2, 3, 4, 4)
    cropped = random_crop(images, 2, generator())
    assert cropped.shape == images.shape
    inside = cropped[0, 0] > 0
    assert torch.equal(
        (cropped[0, 1] - cropped[0, 0])[inside], torch.full((int(inside.sum()),), 16)
    )


def test_random_flip_mirrors_about_half():
    images = torch.arange(3.0).repeat(1000, 1, 1, 1)
    flipped = random_flip(images, generator())
    mirrored = int((flipped[:, 0, 0, 0] == 2).sum())
    assert 440 < mirrored < 560
    assert int((flipped[:, 0, 0, 0] == 0).sum()) == 1000 - mirrored


def test_cutout_removes_a_square_that_may_reach_over_the_border():
    holes = cutout(torch.ones(500, 2, 9, 9), 4, generator()) == 0
    assert torch.equal(holes[:, 0], holes[:, 1])
    areas = holes[:, 0].sum(dim=(1, 2))
    assert int(areas.max()) == 16
    assert int(areas.min()) == 4  # centre in the first corner: rows and columns 0 and 1
    assert bool(holes[:, 0].any(dim=0).all())


# ---- Data sets of torchvision -------------------------------------------------------------------

RANDOM = np.random.default_rng(0)
COUNT = 40


def write_idx(folder, prefix):
    folder.mkdir(parents=True, exist_ok=True)
    images = RANDOM.integers(0, 256, (COUNT, 28, 28), dtype=np.uint8)
    labels = np.arange(COUNT, dtype=np.uint8) % 10
    head = struct.pack(">IIII", 2051, COUNT, 28, 28)
    (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + images.tobytes())
    head = struct.pack(">II", 2049, COUNT)
    (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(head + labels.tobytes())
    return images


def write_cifar(path, key, classes):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = RANDOM.integers(0, 256, (COUNT, 3072), dtype=np.uint8)
    path.write_bytes(pickle.dumps({"data": rows, key: [i % classes for i in range(COUNT)]}))
    return rows


@pytest.mark.parametrize(
    ("name", "folder"), [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST")]
)
def test_idx_files_are_read(name, folder, tmp_path):
    train = write_idx(tmp_path / folder / "raw", "train")
    write_idx(tmp_path / folder / "raw", "t10k")
    task = load_task(name, root=tmp_path)
    assert (task.image_shape, task.classes) == ((1, 28, 28), 10)
    assert [len(s) for s in (task.weights, task.architecture, task.test)] == [20, 20, 40]
    assert np.array_equal(task.training.images[:, 0], train)
    source = TORCHVISION[name]
    expected = (train[0].astype(np.float32) / 255 - source.mean[0]) / source.std[0]
    np.testing.assert_allclose(next(task.training.once(1)).inputs[0, 0], expected, rtol=1e-5)


def test_the_two_mnists_do_not_share_files(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw", "train")
    write_idx(tmp_path / "MNIST" / "raw", "t10k")
    load_task("mnist", root=tmp_path)
    with pytest.raises(TaskError, match="FashionMNIST/raw/"):
        load_task("fashion-mnist", root=tmp_path)


def test_cifar10_files_are_read(tmp_path, monkeypatch):
    # The checksums are those of the true files; these have only their form.
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    folder = tmp_path / "cifar-10-batches-py"
    parts = [write_cifar(folder / f"data_batch_{i}", "labels", 10) for i in range(1, 6)]
    write_cifar(folder / "test_batch", "labels", 10)
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    task = load_task("cifar10", root=tmp_path)
    assert len(task.training) == 200
    pixels = parts[1][3].reshape(3, 32, 32)
    assert np.array_equal(task.training.images[COUNT + 3], pixels)
    batch = next(task.training.training(8, 0, cutout_length=16))
    assert batch.inputs.shape == (8, 3, 32, 32)


def test_cifar100_files_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.CIFAR100, "_check_integrity", lambda self: True)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *_: True)
    folder = tmp_path / "cifar-100-python"
    write_cifar(folder / "train", "fine_labels", 10)
    write_cifar(folder / "test", "fine_labels", 10)
    (folder / "meta").write_bytes(pickle.dumps({"fine_label_names": list("abcdefghij")}))
    assert load_task("cifar100", root=tmp_path).classes == 100


def test_svhn_files_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets.SVHN, "_check_integrity", lambda self: True)
    monkeypatch.setattr(torchvision.datasets.SVHN, "download", lambda self: None)
    for part in ("train", "test"):
        pixels = RANDOM.integers(0, 256, (32, 32, 3, COUNT), dtype=np.uint8)
        labels = (np.arange(COUNT) % 10 + 1)[:, None].astype(np.uint8)
        savemat(tmp_path / f"{part}_32x32.mat", {"X": pixels, "y": labels})
    task = load_task("svhn", root=tmp_path)
    assert task.image_shape == (3, 32, 32)
    assert set(task.test.targets.tolist()) == set(range(10))
    assert np.array_equal(task.test.images[5], pixels[..., 5].transpose(2, 0, 1))


@pytest.mark.parametrize("name", TORCHVISION)
def test_missing_data_says_which_file_goes_where(name, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(TaskError) as error:
        load_task(name, root=tmp_path)
    words = str(error.value)
    assert str(tmp_path) in words
    assert "Put " in words
    assert "data/README.md" in words


def test_unknown_task_names_the_known_ones():
    with pytest.raises(TaskError, match=", ".join(tasks())):
        load_task("letters")


# ---- An ImageNet folder -------------------------------------------------------------------------


@pytest.fixture
def image_folder(tmp_path):
    for part, count in (("train", 6), ("val", 2)):
        for name in ("n01", "n02", "n03"):
            folder = tmp_path / "imagenet" / part / name
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = RANDOM.integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{i}.JPEG")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_image_folder_is_read_and_continues_anywhere(image_folder, workers):
    task = load_task("imagenet", root=image_folder, image_size=16, workers=workers)
    assert (task.image_shape, task.classes) == ((3, 16, 16), 3)
    assert [len(s) for s in (task.weights, task.architecture, task.test)] == [9, 9, 6]
    assert not set(task.weights.files) & set(task.architecture.files)
    torch.manual_seed(0)
    whole = list(itertools.islice(task.weights.training(4, 1, cutout_length=4), 5))
    torch.manual_seed(1)
    rest = list(itertools.islice(task.weights.training(4, 1, 3, cutout_length=4), 2))
    for a, b in zip(whole[3:], rest, strict=True):
        assert torch.equal(a.inputs, b.inputs)
    assert whole[0].inputs.shape == (4, 3, 16, 16)
    once = [torch.cat([b.targets for b in task.test.once(4)]) for _ in range(2)]
    assert once[0].tolist() == [0, 0, 1, 1, 2, 2] == once[1].tolist()


def test_image_folder_problems_are_explained(tmp_path, image_folder):
    with pytest.raises(TaskError, match="Unpack ImageNet's images"):
        load_task("imagenet", root=tmp_path / "elsewhere")
    (image_folder / "imagenet" / "val" / "n03").rename(image_folder / "imagenet" / "val" / "n04")
    with pytest.raises(TaskError, match="same classes"):
        load_task("imagenet", root=image_folder)
