"""Examples read in batches, from memory or from files, the same batches every time."""

from __future__ import annotations

import os
import signal
from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dartsedu.data.augment import cutout, gaussian_noise, random_crop, random_flip
from dartsedu.data.image_files import ImageError, evenly, read_image
from dartsedu.stream.stream import seed_of


class TaskError(ValueError):
    """A data set cannot be had or read as asked for; the message says what to do."""


class TaskWarning(UserWarning):
    """How a data set was understood, where it could have been meant otherwise."""


class Batch(NamedTuple):
    """``inputs`` (N, C, H, W) float, normalised; ``targets`` (N,) class numbers. Of a table:
    (N, variables) and (N, outputs), float64."""

    inputs: Tensor
    targets: Tensor

    @property
    def share(self) -> float:
        """Every batch counts the same."""
        return 1.0

    def after(self, carried: Tensor | None) -> Batch:
        """This batch: it goes on from nothing."""
        return self


class Split(ABC):
    """Examples that are read in batches. What training batch number i holds depends on (seed, i)
    alone, so that a run continues anywhere without a state of its own.

    A batch has ``share``, the factor of the learning rate that is its due, and ``after``, which
    hands it what the batch before it left behind.
    """

    evaluation_batch = 256
    """Batch size of an evaluation."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of examples."""

    @abstractmethod
    def training(
        self, batch_size: int, seed: int, start: int = 0, *_: Any, **reading: Any
    ) -> Iterator[Any]:
        """Endless training batches, from number ``start`` on. ``reading`` is the kind of split's
        own: what its batches are drawn with besides."""

    @abstractmethod
    def passes(self, batch_size: int, seed: int, count: int, *_: Any, **reading: Any) -> list[int]:
        """The number of training batches in each of the first ``count`` passes."""

    @abstractmethod
    def once(self, batch_size: int) -> Iterator[Any]:
        """Every example once, in order, not augmented; the last batch may be smaller."""

    def contents(self) -> Iterator[bytes | memoryview]:
        """What is read, in whatever form tells other data from the same; by default nothing, and
        a change of the data goes unnoticed. Equal wherever the data lies, on every device."""
        return iter(())

    @abstractmethod
    def to(self, device: torch.device) -> Split:
        """The same split with its batches on ``device``."""


def raw(values: Tensor) -> memoryview:
    """The bytes of a tensor, copied only from a GPU or where they are apart."""
    return values.cpu().contiguous().numpy().data


class Passes:
    """The steps of a run, each of which takes one batch, by the pass (epoch) they belong to.

    Args:
        lengths: the number of batches in each pass.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.ends = tuple(accumulate(lengths))

    @property
    def total(self) -> int:
        """The number of steps in all passes."""
        return self.ends[-1]

    def epoch(self, step: int) -> int:
        """The pass that a step belongs to, 0 for the first."""
        return bisect_right(self.ends, step)

    def closed_by(self, step: int) -> bool:
        """Whether a step is the last of its pass."""
        return step + 1 == self.ends[self.epoch(step)]


class ShuffledSplit(Split):
    """Examples in no order. Each training pass is a new permutation; what does not fill a batch at
    its end is left out of that pass."""

    def passes(self, batch_size: int, seed: int, count: int, *_: Any, **reading: Any) -> list[int]:
        return [self.batches(batch_size)] * count

    def batches(self, batch_size: int) -> int:
        """Training batches in one pass: at least 1, whole ones only."""
        return max(1, len(self) // batch_size)

    def order(self, batch_size: int, seed: int, start: int) -> Iterator[tuple[int, Tensor]]:
        """Numbers of the coming training batches, and the places of their examples."""
        number = start
        while True:
            epoch, first = divmod(number, self.batches(batch_size))
            generator = torch.Generator().manual_seed(seed_of(seed, "order", epoch))
            permutation = torch.randperm(len(self), generator=generator)
            for inside in range(first, self.batches(batch_size)):
                yield number, permutation[inside * batch_size : (inside + 1) * batch_size]
                number += 1


class ImageSplit(ShuffledSplit):
    """Images. ``cutout_length`` is the side of the square cut out of training images, pixels."""


class Augmentation(NamedTuple):
    """What happens to a training image: crop after padding, mirror, noise (in units of the
    normalised image)."""

    padding: int = 0
    flip: bool = False
    noise: float = 0.0


class ArraySplit(ImageSplit):
    """A split held in memory.

    Args:
        images: (N, C, H, W) uint8.
        targets: (N,) class numbers.
        mean, std: by channel, in units of uint8 / 255.
        augmentation: of training batches. ``noise`` is a part of the task and is added to
            ``once`` too, the same each time for the same batch size.
    """

    def __init__(
        self,
        images: Tensor,
        targets: Tensor,
        mean: Sequence[float],
        std: Sequence[float],
        augmentation: Augmentation = Augmentation(),
    ) -> None:
        self.images, self.targets = images, targets
        self.mean, self.std = tuple(mean), tuple(std)
        self.augmentation = augmentation

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: torch.device) -> ArraySplit:
        return ArraySplit(
            self.images.to(device), self.targets.to(device), self.mean, self.std, self.augmentation
        )

    def contents(self) -> Iterator[bytes | memoryview]:
        yield f"{tuple(self.images.shape)} {self.augmentation.noise}".encode()
        for values in (self.images, self.targets):
            yield raw(values)

    def _normalised(self, images: Tensor) -> Tensor:
        mean, std = torch.tensor([self.mean, self.std], dtype=torch.float32)[..., None, None].to(
            images.device
        )
        return (images.float() / 255 - mean) / std

    def training(
        self, batch_size: int, seed: int, start: int = 0, cutout_length: int = 0
    ) -> Iterator[Batch]:
        augmentation = self.augmentation
        for number, places in self.order(batch_size, seed, start):
            generator = torch.Generator().manual_seed(seed_of(seed, "augment", number))
            places = places.to(self.images.device)
            images = self.images[places]
            if augmentation.padding:
                images = random_crop(images, augmentation.padding, generator)
            if augmentation.flip:
                images = random_flip(images, generator)
            images = self._normalised(images)
            if augmentation.noise:
                images = gaussian_noise(images, augmentation.noise, generator)
            if cutout_length:
                images = cutout(images, cutout_length, generator)
            yield Batch(images, self.targets[places])

    def once(self, batch_size: int) -> Iterator[Batch]:
        for number, places in enumerate(torch.arange(len(self)).split(batch_size)):
            places = places.to(self.images.device)
            images = self._normalised(self.images[places])
            if self.augmentation.noise:
                generator = torch.Generator().manual_seed(seed_of(0, "noise", number))
                images = gaussian_noise(images, self.augmentation.noise, generator)
            yield Batch(images, self.targets[places])


class FolderSplit(ImageSplit):
    """A split read from image files as it is needed, by worker processes.

    A file that cannot be read ends the reading with a ``TaskError`` that names it.

    Args:
        files: paths of the images.
        targets: their class numbers.
        train, evaluate: torchvision transforms from an RGB image to a normalised tensor.
        workers: processes that read ahead; 0 reads in this one.
    """

    def __init__(
        self,
        files: Sequence[str],
        targets: Sequence[int],
        train: Callable[[Any], Tensor],
        evaluate: Callable[[Any], Tensor],
        workers: int,
        device: torch.device | None = None,
    ) -> None:
        self.files, self.targets = list(files), list(targets)
        self.train, self.evaluate = train, evaluate
        self.workers = workers
        self.device = device or torch.device("cpu")

    def __len__(self) -> int:
        return len(self.files)

    def to(self, device: torch.device) -> FolderSplit:
        return FolderSplit(
            self.files, self.targets, self.train, self.evaluate, self.workers, device
        )

    def read(self, place: int, seed: int | None) -> tuple[Tensor, int]:
        """One image; ``seed`` fixes its augmentation, ``None`` leaves it as it is."""
        image = read_image(self.files[place])
        if seed is None:
            return self.evaluate(image), self.targets[place]
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            return self.train(image), self.targets[place]

    def contents(self) -> Iterator[bytes | memoryview]:
        """Class folder, name, size and label of each file, and 4 kB from the middle of as many as
        ``check_images`` looks into: where they lie and when they were written is no matter."""
        for file, target in zip(self.files, self.targets, strict=True):
            path = Path(file)
            named = Path(*path.parts[-2:]).as_posix()
            yield os.fsencode(named) + f" {path.stat().st_size} {target}\n".encode()
        for file in evenly(self.files):
            with Path(file).open("rb") as stream:
                stream.seek(max(0, os.fstat(stream.fileno()).st_size // 2 - 2048))
                yield stream.read(4096)

    def _load(self, order: Iterator[list[tuple[int, int | None]]]) -> Iterator[Batch]:
        loader = torch.utils.data.DataLoader(
            _Reader(self),
            batch_sampler=order,
            num_workers=self.workers,
            collate_fn=_collated,
            pin_memory=self.device.type == "cuda",
            worker_init_fn=_leave_ctrl_c_to_the_parent,
        )
        for loaded in self._handed_over(loader):
            if isinstance(loaded, ImageError):
                raise TaskError(str(loaded))
            images, targets = loaded
            yield Batch(
                images.to(self.device, non_blocking=True),
                targets.to(self.device, non_blocking=True),
            )

    def _handed_over(self, loader: Iterable[Any]) -> Iterator[Any]:
        """What the workers read; ``TaskError`` if they cannot work here."""
        batches = None
        while True:
            try:
                batches = iter(loader) if batches is None else batches
                batch = next(batches)
            except StopIteration:
                return
            except (RuntimeError, OSError) as error:
                if not self.workers:
                    raise
                said = str(error).strip().split("\n")[-1]
                raise TaskError(
                    f"the {self.workers} processes that read images broke off ({said:.200}). "
                    "Usually the memory that they share with this one, /dev/shm, is too small: "
                    "enlarge it, or let this process read with --set task.workers=0"
                ) from None
            yield batch

    def training(
        self, batch_size: int, seed: int, start: int = 0, cutout_length: int = 0
    ) -> Iterator[Batch]:
        order: Iterator[list[tuple[int, int | None]]] = (
            [
                (int(place), seed_of(seed, "augment", number * batch_size + i))
                for i, place in enumerate(places)
            ]
            for number, places in self.order(batch_size, seed, start)
        )
        for number, batch in enumerate(self._load(order), start):
            if cutout_length:
                generator = torch.Generator().manual_seed(seed_of(seed, "cutout", number))
                batch = Batch(cutout(batch.inputs, cutout_length, generator), batch.targets)
            yield batch

    def once(self, batch_size: int) -> Iterator[Batch]:
        places = torch.arange(len(self)).split(batch_size)
        return self._load(iter([(int(place), None) for place in part] for part in places))


def _leave_ctrl_c_to_the_parent(worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _collated(examples: list[tuple[Tensor, int] | ImageError]) -> Any:
    """A batch, or what keeps it from being one: raised in a worker it would lose its form."""
    faults = [example for example in examples if isinstance(example, ImageError)]
    return faults[0] if faults else torch.utils.data.default_collate(examples)


class _Reader(torch.utils.data.Dataset[tuple[Tensor, int] | ImageError]):
    """The form in which a DataLoader asks for examples. A fault, too, is handed on."""

    def __init__(self, split: FolderSplit) -> None:
        self.split = split

    def __getitem__(self, item: tuple[int, int | None]) -> tuple[Tensor, int] | ImageError:
        try:
            return self.split.read(*item)
        except ImageError as error:
            return error
