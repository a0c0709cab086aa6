"""Tables of numbers as splits: rows of variables and targets, in units of their size, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.data.csv_files import LARGEST
from dartsedu.data.csv_files import read_csv as read_csv
from dartsedu.data.splits import Batch, ShuffledSplit, TaskError, raw

Floats = NDArray[np.float64]

LARGEST_SCALED = 1e18
"""A search sees no larger numbers: their squares are finite in float32, too."""


class Table(NamedTuple):
    """Rows of data: ``inputs`` (N, variables) and one target each, (N,)."""

    inputs: Floats
    targets: Floats


class Scaling(NamedTuple):
    """Units in which a supernet sees a table: inputs / scale, (target − centre) / scale."""

    inputs: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]


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
        while batch_size >= len(self):  # All rows, in any order, are the same batch.
            yield self.whole
        for _number, places in self.order(batch_size, seed, start):
            yield Batch(self.inputs[places], self.targets[places])

    def once(self, batch_size: int) -> Iterator[Batch]:
        for places in torch.arange(len(self)).split(batch_size):
            yield Batch(self.inputs[places], self.targets[places])

    def contents(self) -> Iterator[bytes | memoryview]:
        # A grid of 1e-6: what another processor makes a little different is the same table.
        for values in (self.inputs, self.targets):
            yield raw(torch.round(values * 2**20) + 0.0)

    def scaled(self, scaling: Scaling) -> TableSplit:
        """The rows in the units of ``scaling``."""
        like = self.inputs
        inputs, centre, scale = (
            torch.tensor(values, dtype=like.dtype, device=like.device) for values in scaling
        )
        return TableSplit(self.inputs / inputs, (self.targets - centre) / scale)


def units(table: TableSplit, inputs: bool = True, targets: bool = True) -> Scaling:
    """Units in which columns are of size 1.

    A variable is divided by its root mean square and not shifted, so that ln x and xᵃ keep their
    meaning; a target is centred and divided by its standard deviation. Constant columns, and what
    is not asked for, stay as they are.
    """
    x, y = table.inputs, table.targets
    sizes = x.square().mean(0).sqrt() if inputs else torch.ones_like(x[0])
    centre = y.mean(0) if targets else torch.zeros_like(y[0])
    spread = y.std(0, correction=0) if targets else torch.ones_like(y[0])
    # What rounding makes of equal numbers is no spread.
    varied = (y.amax(0) > y.amin(0)) & (spread > 0)
    return Scaling(
        tuple(torch.where(sizes > 0, sizes, 1.0).tolist()),
        tuple(centre.tolist()),
        tuple(torch.where(varied, spread, 1.0).tolist()),
    )


def check_magnitudes(values: Floats, scale: Sequence[float], names: Sequence[str]) -> None:
    """Raise ``TaskError`` for a number that a search cannot hold, with its column and row.

    Args:
        values: (N, columns), in the units of the data.
        scale: the units of the columns in which a search sees them.
    """
    for column, (name, unit) in enumerate(zip(names, scale, strict=True)):
        size = np.abs(values[:, column])
        row = int(size.argmax())
        value = values[row, column]
        where = f"column {name!r}, row {row + 1}: {value:g}"
        if size[row] > LARGEST:
            raise TaskError(
                f"{where} is too large to reckon with; expected at most {LARGEST:g}: correct it, "
                "or give the column in another unit"
            )
        if 0 < size[row] < 1 / LARGEST:
            raise TaskError(
                f"{where} is the largest number of its column, and too small to reckon with; "
                f"expected at least {1 / LARGEST:g}: give the column in another unit"
            )
        if size[row] / unit > LARGEST_SCALED:
            raise TaskError(
                f"{where} is {size[row] / unit:.0e} times the size of what the search trains on; "
                f"expected at most {LARGEST_SCALED:g} times: correct it, leave that row out, or "
                "let variables be divided by their size (task.scale_inputs)"
            )
