"""A number that changes from epoch to epoch: temperatures, sizes, weights of penalties."""

from __future__ import annotations

from math import cos, pi
from typing import Literal, NamedTuple, Self

from pydantic import Field, model_validator

from dartsedu.base.values import Value

MOST_EPOCHS = 1_000_000


class Progress(NamedTuple):
    """Where a search stands: ``epoch`` from 0, of ``epochs``."""

    epoch: int
    epochs: int


class Schedule(Value):
    """From ``start`` to ``end`` over some epochs; a function of the epoch, so it has no state.

    With f the share of the way that is done, 0…1:

    ===========  ===================================================================
    shape        value
    ===========  ===================================================================
    constant     start
    linear       start + (end − start) · f
    cosine       end + (start − end) · (1 + cos πf) / 2
    exponential  start · (end / start)^f
    from-epoch   start before epoch ``begin``, end from it on
    ===========  ===================================================================

    f is (t − begin) / n at epoch t, with n = ``over``, or the epochs that are left of the run. So
    the end would be reached one epoch after the last; if ``closed``, f is (t − begin) / (n − 1),
    and the last epoch has it. Raises ``ValueError`` for an exponential that is not above 0.

    >>> Schedule(shape="linear", start=10, end=0.1, closed=True)(Progress(249, 250))
    0.1
    """

    shape: Literal["constant", "linear", "cosine", "exponential", "from-epoch"] = "constant"
    start: float = Field(description="value at first")
    end: float = Field(0.0, description="value at last; unused if constant")
    begin: int = Field(0, ge=0, le=MOST_EPOCHS, description="epoch at which it begins to change")
    over: int | None = Field(
        None, ge=1, le=MOST_EPOCHS, description="epochs that the change takes; none: the run's rest"
    )
    closed: bool = Field(False, description="the last epoch has the end, not the one after it")

    @model_validator(mode="after")
    def _can_be_reckoned(self) -> Self:
        if self.shape == "exponential" and not (self.start > 0 and self.end > 0):
            raise ValueError(
                f"an exponential goes from {self.start:g} to {self.end:g}; expected both above 0"
            )
        return self

    def __call__(self, progress: Progress) -> float:
        """The value at an epoch."""
        start, end = self.start, self.end
        if self.shape == "constant":
            return start
        if self.shape == "from-epoch":
            return end if progress.epoch >= self.begin else start
        done = self._share(progress)
        if self.shape == "linear":
            return start * (1 - done) + end * done
        if self.shape == "cosine":
            return end + (start - end) * (1 + cos(pi * done)) / 2
        return start * (end / start) ** done

    def _share(self, progress: Progress) -> float:
        whole = self.over or progress.epochs - self.begin
        steps = max(whole - self.closed, 1)
        return min(max((progress.epoch - self.begin) / steps, 0.0), 1.0)

    @property
    def least(self) -> float:
        """The smallest value that it may take."""
        return self.start if self.shape == "constant" else min(self.start, self.end)
