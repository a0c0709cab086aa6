"""Data sets with three named, disjoint splits: ``weights``, ``architecture`` and ``test``.

``weights`` trains w and ``architecture`` trains α during the search; a discrete network trains on
both together (on text on ``weights`` alone, watching ``architecture``); ``test`` is read once, when
everything is chosen (DARTS §3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from dartsedu.data.grammar import ENGLISH
from dartsedu.data.image_files import ImageError, ImageFiles, check_images, find_images
from dartsedu.data.laws import LAWS
from dartsedu.data.splits import ArraySplit, Augmentation, FolderSplit, Split
from dartsedu.data.splits import TaskError as TaskError
from dartsedu.data.table import Scaling, Table, TableSplit, check_magnitudes, read_csv, units
from dartsedu.data.text import (
    END,
    TextSplit,
    Vocabulary,
    all_words,
    frequent_words,
    in_blocks,
    python_documentation,
    read_corpus,
)
from dartsedu.stream.stream import seed_of


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt.

    Attributes:
        name: as in ``TASKS``.
        weights, architecture, test: the disjoint splits.
        training: what the discrete network trains on.
    """

    name: str
    weights: Split
    architecture: Split
    test: Split
    training: Split

    @cached_property
    def fingerprint(self) -> str:
        """Of what the splits hold: equal for equal data, wherever it lies; 64 hexadecimal digits.

        Whole if the data is in memory; of image files see ``FolderSplit.contents``.
        """
        digest = sha256(self._described().encode(errors="surrogateescape"))
        for split in (self.weights, self.architecture, self.test):
            digest.update(f"\n{len(split)}\n".encode())
            for part in split.contents():
                digest.update(part)
        return digest.hexdigest()

    def _described(self) -> str:
        """What belongs to the data beside its splits."""
        return ""

    def to(self, device: torch.device) -> Self:
        """The same task with its batches on ``device``."""
        parts = ("weights", "architecture", "test", "training")
        return replace(self, **{part: getattr(self, part).to(device) for part in parts})


@dataclass(frozen=True, kw_only=True)
class ImageTask(Task):
    """A classification of images. ``training`` is ``weights`` and ``architecture`` together.

    Attributes:
        image_shape: (channels, height, width).
        classes: number of classes.
    """

    image_shape: tuple[int, int, int]
    classes: int


@dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A text whose next word is to be told. ``training`` is ``weights``.

    Attributes:
        words: the vocabulary, by number.
        floor: the least perplexity that is possible, where it is known.
    """

    words: tuple[str, ...]
    floor: float | None = None

    def _described(self) -> str:
        return "\n".join(self.words)


@dataclass(frozen=True, kw_only=True)
class EquationTask(Task):
    """A table to be explained by an equation, its splits in units of ``scaling``.

    ``training`` is ``weights`` and ``architecture`` together.

    Attributes:
        variables: names of the columns that explain.
        targets: names of the columns to be explained.
        scaling: the units of the splits; see ``units``.
    """

    weights: TableSplit
    architecture: TableSplit
    test: TableSplit
    training: TableSplit
    variables: tuple[str, ...]
    targets: tuple[str, ...]
    scaling: Scaling

    def _described(self) -> str:
        # To 7 digits, as the splits: another processor may sum a little differently.
        shifts = zip(self.scaling.centre, self.scaling.scale, strict=True)
        numbers = [
            *self.scaling.inputs,
            *self.scaling.scale,
            *(round(centre / scale, 6) + 0.0 for centre, scale in shifts),
        ]
        return "\n".join((*self.variables, *self.targets, *(f"{n:.6e}" for n in numbers)))

    def parts(self) -> dict[str, TableSplit]:
        """The three disjoint splits by name."""
        return {"weights": self.weights, "architecture": self.architecture, "test": self.test}

    def table(self, split: TableSplit, target: int = 0) -> Table:
        """The rows of a split in the units of the data, with one of the targets."""
        inputs = split.inputs.cpu().numpy() * np.array(self.scaling.inputs)
        centre, scale = self.scaling.centre[target], self.scaling.scale[target]
        return Table(inputs, split.targets[:, target].cpu().numpy() * scale + centre)


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
CORPORA: dict[str, str] = {"ptb": "penn", "wikitext2": "wikitext-2"}
"""Texts read from files, by name, with their folder: Penn Treebank and WikiText-2."""

EQUATION_TASKS: tuple[str, ...] = (*LAWS, "csv")
IMAGE_TASKS: tuple[str, ...] = ("digits", *TORCHVISION, "imagenet")
TEXT_TASKS: tuple[str, ...] = ("pydoc", "grammar", *CORPORA)
TASKS: tuple[str, ...] = (*IMAGE_TASKS, *TEXT_TASKS, *EQUATION_TASKS)
"""Names that ``load_task`` knows."""
MOST_NOISE = 1000.0
"""A noise of more deviations of the data than this leaves nothing of it in float32."""


def load_task(
    name: str,
    *,
    root: str | Path = "data",
    split_seed: int = 0,
    noise: float = 0.0,
    image_size: int = 224,
    workers: int = 4,
    vocabulary: int | None = None,
    rows: int = 300,
    path: str | Path | None = None,
    target: str | None = None,
    variables: Sequence[str] | None = None,
    scale_inputs: bool = True,
) -> Task:
    """A task by name.

    Args:
        name: one of ``TASKS``.
        root: folder of the data sets (``digits``, which comes with scikit-learn, ``pydoc``, which
            comes with Python, and ``grammar`` need none).
        split_seed: seed of the division into ``weights`` and ``architecture``, 1:1 and stratified
            by class. ``test`` is the data set's own and does not depend on it; digits has none,
            so a fixed stratified fifth is set apart. Of ``pydoc`` and ``grammar`` 70 % are
            ``weights``, 15 % ``architecture`` and a fixed 15 % ``test``; a corpus in files has its
            own three parts. The rows of a table are dealt at random, see ``TABLE_SHARES``.
        noise: standard deviation of noise added to every image, in units of the data's own, or to
            the target of a law, in units of its own. 0 is the data as it is; more makes a small
            task hard enough to tell cells apart.
        image_size: side of the images cut from an ``imagenet`` folder, pixels.
        workers: processes that read an ``imagenet`` folder.
        vocabulary: number of words of a text's vocabulary; rarer ones become ``<unk>``.
            ``None``: all.
        rows: number of rows drawn from a law.
        path, target, variables: of ``csv``, see ``table.read_csv``.
        scale_inputs: of a table, see ``table.units``.

    Raises ``TaskError`` for an unknown name, or where the data is missing and cannot be
    downloaded: it says which file to put where.
    """
    if not 0 <= noise <= MOST_NOISE:
        raise TaskError(f"a noise of {noise:g} is out of range; expected 0 to {MOST_NOISE:g}")
    if name == "digits":
        return _digits(split_seed, noise)
    if name in TORCHVISION:
        return _torchvision(name, Path(root), split_seed, noise)
    if name == "imagenet":
        if noise:
            raise TaskError(
                "noise is for tasks held in memory; for imagenet use --set task.noise=0"
            )
        return _imagenet(Path(root), split_seed, image_size, workers)
    if name == "pydoc":
        return _pydoc(split_seed, vocabulary)
    if name == "grammar":
        return _grammar(split_seed)
    if name in CORPORA:
        return _text_task(name, read_corpus(Path(root) / CORPORA[name]), vocabulary)
    if name in LAWS:
        law = LAWS[name]
        return table_task(
            *law.sample(rows, noise, split_seed),
            name=name,
            variables=tuple(law.variables),
            target_names=(law.target,),
            split_seed=split_seed,
            scale_inputs=scale_inputs,
        )
    if name == "csv":
        if path is None or target is None:
            raise TaskError(
                "the task csv needs a file and the column to be explained: "
                "--data FILE --target NAME"
            )
        inputs, targets, names = read_csv(path, target, variables)
        return table_task(
            inputs,
            targets,
            name=Path(path).name,
            variables=names,
            target_names=(target,),
            split_seed=split_seed,
            scale_inputs=scale_inputs,
        )
    raise TaskError(f"unknown task {name!r}; expected one of: {', '.join(TASKS)}")


def _halves(targets: NDArray[np.int64], seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Two stratified halves of the places 0 … len(targets)-1, each ascending."""
    from sklearn.model_selection import train_test_split

    places = np.arange(len(targets))
    if np.bincount(targets).min() < 2:
        raise TaskError("a class has fewer than two training images; halves need one each")
    first, second = train_test_split(places, test_size=0.5, stratify=targets, random_state=seed)
    return np.sort(first), np.sort(second)


def _digits(split_seed: int, noise: float) -> ImageTask:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, targets = load_digits(return_X_y=True)
    # Pixels count 0…16 set points of a 4×4 block: stretch them to 0…255.
    pixels = (images.reshape(-1, 1, 8, 8) * (255 / 16)).round().astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(targets)), test_size=0.2, stratify=targets, random_state=0
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


# ---- Texts --------------------------------------------------------------------------------------

SHARES = (0.7, 0.15, 0.15)
"""Parts of ``pydoc`` and ``grammar`` that are weights, architecture and test."""
GRAMMAR_WORDS = 100_000
"""Words drawn from the grammar in all."""


def _pydoc(split_seed: int, vocabulary: int | None) -> TextTask:
    blocks = in_blocks(python_documentation())
    order = np.random.default_rng(0).permutation(len(blocks))
    test, rest = np.split(order, [round(SHARES[2] * len(blocks))])
    rest = np.random.default_rng(split_seed).permutation(np.sort(rest))
    architecture, weights = np.split(rest, [round(SHARES[1] * len(blocks))])
    texts = [
        [word for place in places for word in blocks[place]]
        for places in (weights, architecture, test)
    ]
    return _text_task("pydoc", texts, vocabulary)


def _grammar(split_seed: int) -> TextTask:
    texts = []
    for part, share in zip(("weights", "architecture", "test"), SHARES, strict=True):
        seed = seed_of(0 if part == "test" else split_seed, f"grammar {part}")
        generator, words = np.random.default_rng(seed), list[str]()
        while len(words) < share * GRAMMAR_WORDS:
            words += [*ENGLISH.sentence(generator), END]
        texts.append(words)
    return replace(_text_task("grammar", texts, None), floor=ENGLISH.perplexity)


def _text_task(name: str, texts: Sequence[Sequence[str]], vocabulary: int | None) -> TextTask:
    """``texts`` are weights, architecture and test. A capped vocabulary is not taken from test."""
    known: Vocabulary
    known = all_words(*texts) if vocabulary is None else frequent_words(vocabulary, *texts[:2])
    weights, architecture, test = (TextSplit(known.numbers(text)) for text in texts)
    return TextTask(
        name=name,
        words=known.words,
        weights=weights,
        architecture=architecture,
        test=test,
        training=weights,
    )


# ---- Tables -------------------------------------------------------------------------------------

TABLE_SHARES = (0.4, 0.3, 0.3)
"""Parts of a table that are weights, architecture and test."""
FEWEST_ROWS = 20


def table_task(
    inputs: ArrayLike,
    targets: ArrayLike,
    *,
    name: str = "table",
    variables: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    shares: tuple[float, float, float] = TABLE_SHARES,
    split_seed: int = 0,
    scale_inputs: bool = True,
    scale_targets: bool = True,
    fewest: int = FEWEST_ROWS,
) -> EquationTask:
    """A task of the rows of ``inputs`` (N, variables) and ``targets`` (N,) or (N, outputs).

    Args:
        name: what the task is called.
        variables, target_names: names of the columns; default x1, x2 … and y1, y2 … (y if one).
        shares: parts that are weights, architecture and test.
        split_seed: seed of the division.
        scale_inputs, scale_targets: see ``units``; measured on the training rows.
        fewest: rows that there have to be.

    Raises ``TaskError`` for rows that are too few or do not fit together, and for numbers that are
    not finite or that a search cannot hold.
    """
    x, y = np.asarray(inputs, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if len(x) < fewest:
        raise TaskError(f"the table has {len(x)} rows; expected at least {fewest}")
    if x.ndim != 2 or y.ndim not in (1, 2) or len(y) != len(x):
        raise TaskError(
            f"inputs of shape {x.shape} and targets of shape {y.shape} are no table; expected "
            "(rows, variables), and as many rows of targets"
        )
    y = y.reshape(len(x), -1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise TaskError("the table holds numbers that are not finite; leave those rows out")
    names = variables or [f"x{i + 1}" for i in range(x.shape[1])]
    outputs = target_names or (
        ["y"] if y.shape[1] == 1 else [f"y{i + 1}" for i in range(y.shape[1])]
    )
    order = np.random.default_rng(split_seed).permutation(len(x))
    ends = np.round(np.cumsum(shares) * len(x)).astype(int)[:-1]
    places = np.split(order, ends)

    def split(rows: NDArray[np.int64]) -> TableSplit:
        return TableSplit(torch.from_numpy(x[rows]), torch.from_numpy(y[rows]))

    training = split(np.concatenate(places[:2]))
    scaling = units(training, scale_inputs, scale_targets)
    check_magnitudes(x, scaling.inputs, names)
    check_magnitudes(y, scaling.scale, outputs)
    weights, architecture, test = (split(rows).scaled(scaling) for rows in places)
    return EquationTask(
        name=name,
        weights=weights,
        architecture=architecture,
        test=test,
        training=training.scaled(scaling),
        variables=tuple(names),
        targets=tuple(outputs),
        scaling=scaling,
    )
