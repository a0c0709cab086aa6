"""When a search ends before its last epoch, and which step it then answers with.

A stop looks at the end of every epoch. Its rules are plain functions of what it has seen; what it
has seen is its state, a part of the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from dartsedu.base.values import Value
from dartsedu.derivation import derive
from dartsedu.genotype import vocabulary
from dartsedu.methods.curvature import Curvature
from dartsedu.methods.schedule import MOST_EPOCHS, Progress
from dartsedu.relaxation import Supernet
from dartsedu.stream.stream import Step, StopRule
from dartsedu.topology import SearchSpace


class Seen(NamedTuple):
    """What there is to see when an epoch ends.

    Attributes:
        supernet: after the epoch's last step.
        batch: the last architecture batch.
        progress: which epoch it was.
        decay: the weight decay of α.
        rule: the derivation rule.
    """

    supernet: Supernet
    batch: Any
    progress: Progress
    decay: float
    rule: str

    def alphas(self) -> dict[str, Tensor]:
        """The shown α by cell."""
        shown = self.supernet.leading(dict(self.supernet.alphas.items()))
        return {cell: alpha.detach().cpu().clone() for cell, alpha in shown.items()}


class Verdict(NamedTuple):
    """What a stop says at the end of an epoch.

    Attributes:
        answer: the epoch whose α are the result, if the search is to end; otherwise ``None``.
        measured: what was measured, by name.
    """

    answer: int | None = None
    measured: Mapping[str, float] = {}


class Watch:
    """What a stop has seen: of some epochs a number each, and the α at their ends.

    Attributes:
        epochs: which epochs, ascending.
        values: a number of each.
        alphas: α by cell of each.
    """

    def __init__(self) -> None:
        self.epochs: list[int] = []
        self.values: list[float] = []
        self.alphas: list[dict[str, Tensor]] = []

    def note(self, epoch: int, value: float, alphas: dict[str, Tensor]) -> None:
        """Keep what an epoch ended with."""
        self.epochs.append(epoch)
        self.values.append(value)
        self.alphas.append(alphas)

    def at(self, epoch: int) -> dict[str, Tensor]:
        """α at the end of an epoch that was noted."""
        return self.alphas[self.epochs.index(epoch)]

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"epochs": self.epochs, "values": self.values, "alphas": self.alphas}

    def restore(self, state: Mapping[str, Any], space: SearchSpace, epochs: int) -> None:
        """Take up what ``state`` gave. Raises ``ValueError`` for what no watch has seen."""
        seen, values, alphas = (list(state[name]) for name in ("epochs", "values", "alphas"))
        known = [e for e in seen if type(e) is int and 0 <= e < epochs]
        if known != sorted(set(seen)) or not len(seen) == len(values) == len(alphas):
            raise ValueError("its watch has seen no epochs of this run")
        shapes = {cell.name: space.shape(cell.name) for cell in space.cells}
        for value, kept in zip(values, alphas, strict=True):
            found = {cell: tuple(alpha.shape) for cell, alpha in kept.items()}
            finite = all(bool(torch.isfinite(alpha).all()) for alpha in kept.values())
            if found != shapes or not finite or not np.isfinite(value):
                raise ValueError("its watch has seen numbers that this search cannot have shown")
        self.epochs, self.values, self.alphas = seen, values, alphas


class Stop(Value):
    """Base of the stops."""

    def look(self, seen: Seen, watch: Watch) -> Verdict:
        """Called at the end of every epoch; may note in ``watch`` what it needs later."""
        return Verdict()

    def lacks(self, space: SearchSpace) -> str:
        """Why a space cannot be stopped so; empty where it can."""
        return ""


class NoStop(Stop):
    """The search ends with its last epoch."""

    kind: Literal["never"] = "never"


class TooManySkips(Stop):
    """Once the derived cell has so many skip connections (DARTS+, Liang et al. 2019, criterion 1).

    The answer is the cell as it then is, with ``count`` of them or more.
    """

    kind: Literal["skips"] = "skips"
    count: int = Field(2, ge=1, le=1000, description="skip connections that end the search")
    cell: str | None = Field(None, max_length=200, description="which cell; none: the first")

    def look(self, seen: Seen, watch: Watch) -> Verdict:
        space = seen.supernet.space
        alphas = seen.alphas()
        cell = derive(space, {c: a.double().numpy() for c, a in alphas.items()}, seen.rule)[
            self.cell or space.cells[0].name
        ]
        found = cell.count(str(vocabulary(space.name).passing))
        if found < self.count:
            return Verdict()
        watch.note(seen.progress.epoch, found, alphas)
        return Verdict(seen.progress.epoch)

    def lacks(self, space: SearchSpace) -> str:
        if vocabulary(space.name).passing not in space.primitives:
            return "stop=skips counts skip connections, and the space has none"
        names = [cell.name for cell in space.cells]
        if self.cell is not None and self.cell not in names:
            return f"stop.cell={self.cell!r:.80} is no cell of the space; it has: {names}"
        return ""


class SettledRanking(Stop):
    """Once the ranking of α has not changed for so many epochs (DARTS+, criterion 2).

    The ranking of the primitives that have weights of their own, on every edge. Neither does it
    imply that the genotype is settled, nor the other way round.
    """

    kind: Literal["ranking"] = "ranking"
    epochs: int = Field(10, ge=1, le=MOST_EPOCHS, description="epochs without a change")

    def look(self, seen: Seen, watch: Watch) -> Verdict:
        alphas = seen.alphas()
        columns = learnable(seen.supernet.space)
        now = _rankings(alphas, columns)
        # Of the epochs since the last change only the first and the present one are needed.
        if not watch.epochs or _rankings(watch.alphas[0], columns) != now:
            watch.epochs, watch.values, watch.alphas = [], [], []
        elif len(watch.epochs) > 1:
            for kept in (watch.epochs, watch.values, watch.alphas):
                kept.pop()
        watch.note(seen.progress.epoch, float(len(columns)), alphas)
        same = watch.epochs[-1] - watch.epochs[0]
        return Verdict(seen.progress.epoch if same >= self.epochs else None)

    def lacks(self, space: SearchSpace) -> str:
        if len(learnable(space)) < 2:
            return (
                "stop=ranking ranks the primitives that have weights of their own, and the space "
                "has fewer than two"
            )
        return ""


class Eigenvalue(Stop):
    """Once the largest eigenvalue of ∂²L_val/∂α² grows (Zela et al. 2020: DARTS-ES).

    It is measured at the end of epochs 0, ``every``, 2 ``every`` … and of the last, on the last
    architecture batch, with Adam's decay of α added to the matrix, as the authors' code has it. The
    search ends where the mean of the last ``window`` values is more than ``ratio`` times the mean
    of as many, ``lag`` earlier; the answer is the α of ``back`` values before.
    """

    kind: Literal["eigenvalue"] = "eigenvalue"
    every: int = Field(2, ge=1, le=MOST_EPOCHS, description="epochs between two values")
    window: int = Field(5, ge=1, le=1000, description="values of a mean")
    lag: int = Field(4, ge=1, le=1000, description="values between the two means")
    ratio: float = Field(1.3, gt=0, description="of the means, beyond which the search ends")
    back: int = Field(6, ge=0, le=1000, description="values from the end back to the answer")
    from_epoch: int = Field(22, ge=0, le=MOST_EPOCHS, description="first epoch that may end it")

    def look(self, seen: Seen, watch: Watch) -> Verdict:
        epoch, last = seen.progress.epoch, seen.progress.epochs - 1
        if epoch % self.every and epoch != last:
            return Verdict()
        value = Curvature(seen.supernet, seen.batch).largest() + seen.decay
        watch.note(epoch, value, seen.alphas())
        answer = None if epoch == last else self.answer(watch.epochs, watch.values)
        return Verdict(answer, {"eigenvalue": value})

    def answer(self, epochs: Sequence[int], values: Sequence[float]) -> int | None:
        """Whether the last value ends the search: the epoch to answer with, or ``None``."""
        if epochs[-1] < self.from_epoch or len(values) < max(self.window + self.lag, self.back + 1):
            return None
        now = np.mean(values[len(values) - self.window :])
        then = np.mean(values[len(values) - self.lag - self.window : len(values) - self.lag])
        # In the form that needs no positive mean: a flat valley has eigenvalues around 0.
        return epochs[-1 - self.back] if now > self.ratio * then else None


StopPiece = Annotated[
    NoStop | TooManySkips | SettledRanking | Eigenvalue, Field(discriminator="kind")
]


def learnable(space: SearchSpace) -> list[int]:
    """The columns of the primitives that have weights of their own."""
    without = {"none", *vocabulary(space.name).weightless}
    return [k for k, primitive in enumerate(space.primitives) if primitive not in without]


def _rankings(alphas: Mapping[str, Tensor], columns: Sequence[int]) -> list[list[list[int]]]:
    """Of every edge of every cell, the columns from the largest α down; ties to the earlier."""
    return [
        alpha[:, columns].sort(dim=-1, descending=True, stable=True).indices.tolist()
        for alpha in alphas.values()
    ]


# ---- Rules for ``until`` that look at the cell ---------------------------------------------------


def settled(space: SearchSpace, steps: int, rule: str | None = None) -> StopRule:
    """True once the derived genotype has stayed the same for so many steps."""
    last, since = None, 0

    def is_settled(step: Step) -> bool:
        nonlocal last, since
        found = derive(space, step.alphas, rule)
        if found != last:
            last, since = found, step.index
        return step.index - since >= steps

    return is_settled


def skip_connections(space: SearchSpace, cell: str, count: int) -> StopRule:
    """True once the derived ``cell`` has so many skip connections (DARTS+, Liang et al. 2019)."""

    def has_collapsed(step: Step) -> bool:
        return derive(space, step.alphas)[cell].count("skip_connect") >= count

    return has_collapsed
