"""Tables to be explained: the task, its laws and files, and their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from dartsedu.data.laws import LAWS
from dartsedu.data.splits import TaskError
from dartsedu.data.table import Scaling, Table, TableSplit, check_magnitudes, read_csv, units
from dartsedu.data.task import MOST_NOISE, Task, TaskSettings


@dataclass(frozen=True, kw_only=True)
class TableTask(Task):
    """A table to be explained, its splits in units of ``scaling``.

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
) -> TableTask:
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
    return TableTask(
        name=name,
        weights=weights,
        architecture=architecture,
        test=test,
        training=training.scaled(scaling),
        variables=tuple(names),
        targets=tuple(outputs),
        scaling=scaling,
    )


def _drawn(given: TableSettings) -> TableTask:
    law = LAWS[given.name]
    return table_task(
        *law.sample(given.rows, given.noise, given.split_seed),
        name=given.name,
        variables=tuple(law.variables),
        target_names=(law.target,),
        split_seed=given.split_seed,
        scale_inputs=given.scale_inputs,
    )


def _read(given: TableSettings) -> TableTask:
    if given.path is None or given.target is None:
        raise TaskError(
            "the task csv needs a file and the column to be explained: --data FILE --target NAME"
        )
    inputs, targets, names = read_csv(given.path, given.target, given.variables)
    return table_task(
        inputs,
        targets,
        name=Path(given.path).name,
        variables=names,
        target_names=(given.target,),
        split_seed=given.split_seed,
        scale_inputs=given.scale_inputs,
    )


SETS: Mapping[str, Callable[[Any], Task]] = {**dict.fromkeys(LAWS, _drawn), "csv": _read}
"""Tables by name: laws to draw rows from, and a file."""


class TableSettings(TaskSettings):
    """Which table to explain (see ``tasks.load_task``)."""

    kind = "a table"
    sets = SETS
    plain: ClassVar[Mapping[str, Any]] = {"noise": 0.0}

    name: str = Field("weber-fechner", description="a law of laws.LAWS, or csv")
    path: str | None = Field(None, description="a CSV file with a line of names, for csv")
    target: str | None = Field(None, description="the column to be explained, for csv")
    variables: tuple[str, ...] | None = Field(
        None, min_length=1, description="the columns that explain; none: all others"
    )
    rows: int = Field(300, ge=20, le=1_000_000, description="rows drawn from a law")
    noise: float = Field(
        0.02, ge=0, le=MOST_NOISE, description="of a law's target, in its own deviations"
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="rows of a law; division into three")
    scale_inputs: bool = Field(True, description="variables are divided by their size")

    @model_validator(mode="after")
    def _names_columns_of_a_file(self) -> Self:
        if self.name != "csv" and (self.path or self.target or self.variables):
            raise ValueError("path, target and variables are of the task csv; use --task csv")
        if self.variables is not None and len(set(self.variables)) < len(self.variables):
            raise ValueError("a variable is named twice; name each column once")
        return self

    @property
    def explained(self) -> str:
        """The name of what is to be explained."""
        return LAWS[self.name].target if self.name in LAWS else str(self.target)
