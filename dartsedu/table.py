"""Tables of numbers as splits: rows of variables and targets, in units of their size, from CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.splits import Batch, ShuffledSplit, TaskError

Floats = NDArray[np.float64]


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

    def scaled(self, scaling: Scaling) -> TableSplit:
        """The rows in the units of ``scaling``."""
        kind = {"dtype": self.inputs.dtype, "device": self.inputs.device}
        inputs, centre, scale = (torch.tensor(values, **kind) for values in scaling)
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
    return Scaling(
        tuple(torch.where(sizes > 0, sizes, 1.0).tolist()),
        tuple(centre.tolist()),
        tuple(torch.where(spread > 0, spread, 1.0).tolist()),
    )


def read_csv(
    path: str | Path, target: str, variables: Sequence[str] | None = None
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Variables (N, d), targets (N,) and the variables' names from a CSV file.

    Args:
        path: comma-separated text in UTF-8, names of the columns in its first line.
        target: the column to be explained.
        variables: the columns that explain; ``None``: every other one.

    Raises ``TaskError`` for a file that cannot be read, a missing column, and for a cell that is
    empty, no number or not finite: it says in which line.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError(f"cannot read a table from {path}: {error}") from None
    if not lines:
        raise TaskError(f"{path} is empty; expected names of columns in its first line")
    names = [name.strip() for name in lines[0]]
    doubles = sorted({name for name in names if names.count(name) > 1})
    if doubles:
        raise TaskError(f"{path} has more than one column {', '.join(map(repr, doubles))}")
    chosen = tuple(n for n in names if n != target) if variables is None else tuple(variables)
    for name in (target, *chosen):
        if name not in names:
            raise TaskError(f"{path} has no column {name!r}; it has: {', '.join(names)}")
    if target in chosen or not chosen:
        raise TaskError(
            f"{path}: the target {target!r} cannot be one of its variables"
            if chosen
            else f"{path} has no column besides {target!r} to explain it by"
        )
    places = [names.index(name) for name in (*chosen, target)]
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(names):
            raise TaskError(
                f"line {number} of {path} has {len(cells)} cells; expected {len(names)}, as many "
                "as there are names"
            )
        rows.append([_number(cells[place], path, number, names[place]) for place in places])
    table = np.array(rows, dtype=np.float64).reshape(-1, len(places))
    return table[:, :-1], table[:, -1], chosen


def _number(cell: str, path: str | Path, line: int, name: str) -> float:
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise TaskError(
            f"line {line} of {path}, column {name!r}: {cell.strip()!r} is not a finite number; "
            "correct it, or leave the line out"
        )
    return value
