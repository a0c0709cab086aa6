"""A table of numbers as a task: columns that explain, columns to be explained, three splits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from dartsedu.equation.expression import Scaling, Table
from dartsedu.splits import Batch, ShuffledSplit, TaskError
from dartsedu.tasks import Task


class TableSplit(ShuffledSplit):
    """Rows held in memory: ``inputs`` (N, variables) and ``targets`` (N, outputs), float64."""

    evaluation_batch = 65_536

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def to(self, device: torch.device) -> TableSplit:
        return TableSplit(self.inputs.to(device), self.targets.to(device))

    @property
    def whole(self) -> Batch:
        """All rows in one batch."""
        return Batch(self.inputs, self.targets)

    def training(
        self, batch_size: int, seed: int, start: int = 0, *_: Any, **reading: Any
    ) -> Iterator[Batch]:
        if batch_size >= len(self):  # All rows, in any order, are the same batch.
            while True:
                yield self.whole
        for _number, places in self.order(batch_size, seed, start):
            yield Batch(self.inputs[places], self.targets[places])

    def once(self, batch_size: int) -> Iterator[Batch]:
        for places in torch.arange(len(self)).split(batch_size):
            yield Batch(self.inputs[places], self.targets[places])

    def scaled(self, scaling: Scaling) -> TableSplit:
        """The rows in the units of ``scaling``."""
        inputs, centre, scale = (
            torch.tensor(values, dtype=torch.float64)
            for values in (scaling.inputs, scaling.centre, scaling.scale)
        )
        return TableSplit(self.inputs / inputs, (self.targets - centre) / scale)


def units(table: TableSplit, inputs: bool = True, targets: bool = True) -> Scaling:
    """Units in which columns are of size 1.

    A variable is divided by its root mean square and not shifted, so that ln x and xᵃ keep their
    meaning; a target is centred and divided by its standard deviation. Constant columns, and what
    is not asked for, stay as they are.
    """
    x, y = table.inputs, table.targets
    sizes = x.square().mean(0).sqrt() if inputs else torch.ones(x.shape[1])
    centre = y.mean(0) if targets else torch.zeros(y.shape[1])
    spread = y.std(0, correction=0) if targets else torch.ones(y.shape[1])
    return Scaling(
        tuple(torch.where(sizes > 0, sizes, 1.0).tolist()),
        tuple(centre.tolist()),
        tuple(torch.where(spread > 0, spread, 1.0).tolist()),
    )


@dataclass(frozen=True, kw_only=True)
class EquationTask(Task):
    """Rows of variables and targets, the splits in units of ``scaling``.

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

    def table(self, split: TableSplit, target: int = 0) -> Table:
        """The rows of a split in the units of the data, with one of the targets."""
        inputs = split.inputs.cpu().numpy() * np.array(self.scaling.inputs)
        centre, scale = self.scaling.centre[target], self.scaling.scale[target]
        return Table(inputs, split.targets[:, target].cpu().numpy() * scale + centre)


SHARES = (0.4, 0.3, 0.3)
"""Parts of a table that are weights, architecture and test."""
FEWEST_ROWS = 20


def table_task(
    inputs: ArrayLike,
    targets: ArrayLike,
    *,
    name: str = "table",
    variables: Sequence[str] | None = None,
    target_names: Sequence[str] | None = None,
    shares: tuple[float, float, float] = SHARES,
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

    Raises ``TaskError`` for rows that are too few, or numbers that are not finite.
    """
    x = np.asarray(inputs, dtype=np.float64)
    y = np.asarray(targets, dtype=np.float64).reshape(len(x), -1)
    if len(x) < fewest:
        raise TaskError(f"the table has {len(x)} rows; expected at least {fewest}")
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
