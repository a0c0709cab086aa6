"""Images to be classified: the task, its data sets and their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from dartsedu.data.image_files import ImageError, ImageFiles, check_images, find_images
from dartsedu.data.splits import ArraySplit, Augmentation, FolderSplit, TaskError
from dartsedu.data.task import MOST_NOISE, Task, TaskSettings


@dataclass(frozen=True, kw_only=True)
class ImageTask(Task):
    """A classification of images. ``training`` is ``weights`` and ``architecture`` together, or
    ``weights`` alone, see ``ImageSettings.training``.

    Attributes:
        image_shape: (channels, height, width).
        classes: number of classes.
    """

    image_shape: tuple[int, int, int]
    classes: int


class Source(NamedTuple):
    """One data set of torchvision: its class there, the statistics and augmentation in use."""

    dataset: str
    shape: tuple[int, int, int]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augmentation: Augmentation
    files: str


_CIFAR_10 = ((0.49139968, 0.48215827, 0.44653124), (0.24703233, 0.24348505, 0.26158768))
_CIFAR_100 = ((0.50707516, 0.48654887, 0.44091784), (0.26733429, 0.25643846, 0.27615047))
_SVHN = ((0.4376821, 0.4437697, 0.47280442), (0.19803012, 0.20101562, 0.19703614))
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_IDX = (
    "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
    "t10k-labels-idx1-ubyte.gz into {root}/%s/raw/"
)

TORCHVISION: dict[str, Source] = {
    "mnist": Source(
        "MNIST", (1, 28, 28), 10, (0.1307,), (0.3081,), Augmentation(padding=4), _IDX % "MNIST"
    ),
    "fashion-mnist": Source(
        "FashionMNIST",
        (1, 28, 28),
        10,
        (0.2860,),
        (0.3530,),
        Augmentation(padding=4, flip=True),
        _IDX % "FashionMNIST",
    ),
    "cifar10": Source(
        "CIFAR10",
        (3, 32, 32),
        10,
        *_CIFAR_10,
        Augmentation(padding=4, flip=True),
        "cifar-10-python.tar.gz into {root}/",
    ),
    "cifar100": Source(
        "CIFAR100",
        (3, 32, 32),
        100,
        *_CIFAR_100,
        Augmentation(padding=4, flip=True),
        "cifar-100-python.tar.gz into {root}/",
    ),
    "svhn": Source(
        "SVHN",
        (3, 32, 32),
        10,
        *_SVHN,
        Augmentation(padding=4),
        "train_32x32.mat and test_32x32.mat into {root}/",
    ),
}


def _halves(targets: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two stratified halves of the places 0 … len(targets)-1, each ascending."""
    from sklearn.model_selection import train_test_split

    places = np.arange(len(targets))
    if np.bincount(targets).min() < 2:
        raise TaskError("a class has fewer than two training images; halves need one each")
    first, second = train_test_split(places, test_size=0.5, stratify=targets, random_state=seed)
    return np.sort(first), np.sort(second)


def _digits(split_seed: int, noise: float, test_share: float) -> ImageTask:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, targets = load_digits(return_X_y=True)
    # Pixels count 0…16 set points of a 4×4 block: stretch them to 0…255.
    pixels = (images.reshape(-1, 1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(targets)), test_size=test_share, stratify=targets, random_state=0
    )
    train, test = np.sort(train), np.sort(test)
    mean, std = float(pixels[train].mean()) / 255, float(pixels[train].std()) / 255
    return _in_memory(
        "digits",
        10,
        (pixels[train], targets[train]),
        (pixels[test], targets[test]),
        ((mean,), (std,)),
        Augmentation(noise=noise),
        split_seed,
    )


def _torchvision(name: str, root: Path, split_seed: int, noise: float) -> ImageTask:
    try:
        import torchvision.datasets
    except (ImportError, RuntimeError) as error:
        raise TaskError(
            f"the task {name!r} needs torchvision, which cannot be imported here ({error}); "
            "install the torchvision that belongs to your torch, or use the task 'digits'"
        ) from error
    source = TORCHVISION[name]

    def read(train: bool) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        which: dict[str, Any] = {"train": train}
        if source.dataset == "SVHN":
            which = {"split": "train" if train else "test"}
        try:
            data = getattr(torchvision.datasets, source.dataset)(str(root), download=True, **which)
        except Exception as error:
            raise TaskError(
                f"the data of task {name!r} is not in {root} and could not be downloaded "
                f"({type(error).__name__}: {error!s:.200}). Put "
                f"{source.files.format(root=root)} "
                "(data/README.md says where to get it), or use the task 'digits', which needs no "
                "download"
            ) from error
        pixels = np.asarray(data.data)
        if pixels.ndim == 3:
            pixels = pixels[:, None]
        elif pixels.shape[-1] == 3:
            pixels = pixels.transpose(0, 3, 1, 2)
        targets = np.asarray(data.labels if source.dataset == "SVHN" else data.targets)
        return np.ascontiguousarray(pixels), targets.astype(np.int64)

    augmentation = source.augmentation._replace(noise=noise)
    statistics = (source.mean, source.std)
    return _in_memory(
        name, source.classes, read(True), read(False), statistics, augmentation, split_seed
    )


def _in_memory(
    name: str,
    classes: int,
    train: tuple[NDArray[np.uint8], NDArray[np.int64]],
    test: tuple[NDArray[np.uint8], NDArray[np.int64]],
    statistics: tuple[Sequence[float], Sequence[float]],
    augmentation: Augmentation,
    split_seed: int,
) -> ImageTask:
    pixels, targets = train

    def split(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> ArraySplit:
        return ArraySplit(
            torch.from_numpy(images), torch.from_numpy(labels), *statistics, augmentation
        )

    first, second = _halves(targets, split_seed)
    return ImageTask(
        name=name,
        image_shape=pixels.shape[1:],
        classes=classes,
        weights=split(pixels[first], targets[first]),
        architecture=split(pixels[second], targets[second]),
        test=split(*test),
        training=split(pixels, targets),
    )


def _imagenet(root: Path, split_seed: int, size: int, workers: int) -> ImageTask:
    folders = [root / "imagenet" / part for part in ("train", "val")]
    for folder in folders:
        if not folder.is_dir():
            raise TaskError(
                f"no folder {folder}. Unpack ImageNet's images so that each class is a folder: "
                f"{folder}/n01440764/….JPEG (data/README.md says where to get it)"
            )
    try:
        training, test = (find_images(folder) for folder in folders)
        for found in (training, test):
            check_images(found.files)
    except ImageError as error:
        raise TaskError(str(error)) from None
    if training.classes != test.classes:
        odd = sorted(set(training.classes) ^ set(test.classes))
        raise TaskError(
            f"{folders[0]} and {folders[1]} do not have the same classes: {', '.join(odd[:10])} "
            "found in one of them alone"
        )
    from torchvision.transforms import v2

    to_tensor = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize(*map(list, _IMAGENET)),
    ]
    train = v2.Compose(
        [
            v2.RandomResizedCrop(size),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.2),
            *to_tensor,
        ]
    )
    evaluate = v2.Compose([v2.Resize(size * 256 // 224), v2.CenterCrop(size), *to_tensor])

    def split(images: ImageFiles, places: Sequence[int]) -> FolderSplit:
        files = [images.files[place] for place in places]
        targets = [images.targets[place] for place in places]
        return FolderSplit(files, targets, train, evaluate, workers)

    first, second = _halves(np.asarray(training.targets), split_seed)
    return ImageTask(
        name="imagenet",
        image_shape=(3, size, size),
        classes=len(training.classes),
        weights=split(training, first.tolist()),
        architecture=split(training, second.tolist()),
        test=split(test, range(len(test.files))),
        training=split(training, range(len(training.files))),
    )


SETS: Mapping[str, Callable[[Any], Task]] = {
    "digits": lambda given: _digits(given.split_seed, given.noise, given.test_share),
    **dict.fromkeys(
        TORCHVISION,
        lambda given: _torchvision(given.name, Path(given.root), given.split_seed, given.noise),
    ),
    "imagenet": lambda given: _imagenet(
        Path(given.root), given.split_seed, given.image_size, given.workers
    ),
}
"""Data sets of images by name."""


class ImageSettings(TaskSettings):
    """Which images to classify (see ``tasks.load_task``)."""

    kind = "images"
    sets = SETS

    name: str = Field("digits", description="a data set, one of images.SETS")
    root: str = Field("data", description="folder of the data sets")
    split_seed: int = Field(0, ge=0, lt=2**32, description="division into weights and architecture")
    noise: float = Field(
        0.0, ge=0, le=MOST_NOISE, description="noise added to every image, in its own deviations"
    )
    test_share: float = Field(
        0.2, ge=0.05, le=0.9, description="share of the digits that is the test split"
    )
    training: Literal["both", "weights"] = Field(
        "both",
        description="what discrete networks train on: weights and architecture, or weights alone",
    )
    image_size: int = Field(224, ge=8, le=4096, description="side of imagenet images, pixels")
    workers: int = Field(4, ge=0, le=256, description="processes that read imagenet files")

    def load(self) -> Task:
        task = super().load()
        return task if self.training == "both" else replace(task, training=task.weights)

    @model_validator(mode="after")
    def _has_noise_only_in_memory(self) -> Self:
        if self.noise and self.name == "imagenet":
            raise ValueError("imagenet is read without noise; use --set task.noise=0")
        return self
