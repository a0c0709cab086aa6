"""Batches of several runs side by side, for networks that are trained as one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from dartsedu.data.splits import Batch, Split
from dartsedu.data.task import Task
from dartsedu.stream.stream import seed_of

AnyTask = TypeVar("AnyTask", bound=Task)


class Beside(Split):
    """A split whose batches are those of several seeds: examples on the first axis, runs on the
    second.

    Args:
        split: of which every batch holds equally many examples.
        seeds: of its order, one for each run. Those that ``training`` is given are not asked.
    """

    def __init__(self, split: Split, seeds: Sequence[int]) -> None:
        self.split, self.seeds = split, tuple(seeds)
        self.evaluation_batch = split.evaluation_batch

    def __len__(self) -> int:
        return len(self.split)

    def training(
        self, batch_size: int, seed: int, start: int = 0, *_: Any, **reading: Any
    ) -> Iterator[Batch]:
        streams = [self.split.training(batch_size, own, start, **reading) for own in self.seeds]
        for batches in zip(*streams, strict=True):
            yield Batch(
                torch.stack([batch.inputs for batch in batches], 1),
                torch.stack([batch.targets for batch in batches], 1),
            )

    def passes(self, batch_size: int, seed: int, count: int, *_: Any, **reading: Any) -> list[int]:
        return self.split.passes(batch_size, self.seeds[0], count, **reading)

    def once(self, batch_size: int) -> Iterator[Batch]:
        runs = len(self.seeds)
        for batch in self.split.once(batch_size):
            yield Batch(
                batch.inputs[:, None].expand(-1, runs, *batch.inputs.shape[1:]),
                batch.targets[:, None].expand(-1, runs, *batch.targets.shape[1:]),
            )

    def contents(self) -> Iterator[bytes | memoryview]:
        return self.split.contents()

    def to(self, device: torch.device) -> Beside:
        return Beside(self.split.to(device), self.seeds)


def beside(task: AnyTask, seeds: Sequence[int]) -> AnyTask:
    """A task as several runs with seeds of their own read it, each what it would read alone."""

    def read(purpose: str) -> Beside:
        return Beside(getattr(task, purpose), [seed_of(seed, purpose) for seed in seeds])

    return replace(
        task,
        weights=read("weights"),
        architecture=read("architecture"),
        training=read("training"),
        test=read("test"),
    )
