"""The steps of a long run in a few hundred bytes each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from dartsedu.stream.stream import Arrays, Step


class _Layout(NamedTuple):
    """What the steps of a run have in common: the names, the shapes and types of arrays."""

    losses: tuple[str, ...]
    accuracies: tuple[str, ...]
    rates: tuple[str, ...]
    measured: tuple[str, ...]
    alphas: tuple[tuple[str, tuple[int, ...], str], ...]
    mixture: tuple[tuple[str, tuple[int, ...], str], ...]
    fitted: tuple[tuple[str, tuple[int, ...], str], ...]

    @classmethod
    def of(cls, step: Step) -> _Layout:
        return cls(
            tuple(step.loss),
            tuple(step.accuracy),
            tuple(step.learning_rate),
            tuple(step.measured),
            _arrays(step.alphas),
            _arrays(step.mixture),
            _arrays(step.fitted),
        )


class _Kept(NamedTuple):
    """``data``: index, epoch, elapsed and the scalars as float64, then the arrays."""

    layout: _Layout
    data: bytes
    written: str | None


class KeptSteps(Sequence[Step]):
    """Steps that are made anew when asked for, equal to the last bit.

    A ``Step`` takes some kilobytes, for the most part of dictionaries and array headers. Appending
    and reading may happen in different threads.
    """

    def __init__(self) -> None:
        self._kept: list[_Kept] = []
        self._layouts: dict[_Layout, _Layout] = {}

    def append(self, step: Step) -> None:
        """Keep a step."""
        layout = _Layout.of(step)
        layout = self._layouts.setdefault(layout, layout)
        scalars = [
            step.index,
            step.epoch,
            step.elapsed,
            *step.loss.values(),
            *step.accuracy.values(),
            *step.learning_rate.values(),
            *step.measured.values(),
        ]
        data = np.array(scalars, dtype=np.float64).tobytes()
        for array in (*step.alphas.values(), *step.mixture.values(), *step.fitted.values()):
            data += array.tobytes()
        self._kept.append(_Kept(layout, data, step.written))

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, place: int) -> Step: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Step, ...]: ...

    def __getitem__(self, place: int | slice) -> Step | tuple[Step, ...]:
        if isinstance(place, slice):
            return tuple(_step(kept) for kept in self._kept[place])
        return _step(self._kept[place])

    def written(self, place: int) -> str | None:
        """The formula of a step."""
        return self._kept[place].written


def _arrays(arrays: Arrays) -> tuple[tuple[str, tuple[int, ...], str], ...]:
    return tuple((name, array.shape, array.dtype.str) for name, array in arrays.items())


def _step(kept: _Kept) -> Step:
    layout, data, written = kept
    names = (layout.losses, layout.accuracies, layout.rates, layout.measured)
    count = 3 + sum(map(len, names))
    index, epoch, elapsed, *rest = np.frombuffer(data, dtype=np.float64, count=count).tolist()
    scalars = iter(rest)
    loss, accuracy, rates, measured = ({name: next(scalars) for name in group} for group in names)
    offset = 8 * count
    alphas: dict[str, NDArray[np.float32]] = {}
    mixture: dict[str, NDArray[np.float32]] = {}
    fitted: dict[str, NDArray[np.float32]] = {}
    groups = (alphas, layout.alphas), (mixture, layout.mixture), (fitted, layout.fitted)
    for found, group in groups:
        for name, shape, dtype in group:
            array = np.frombuffer(data, dtype, int(np.prod(shape)), offset).reshape(shape)
            found[name], offset = array, offset + array.nbytes
    return Step(
        int(index),
        int(epoch),
        loss,
        accuracy,
        rates,
        alphas,
        mixture,
        elapsed,
        written,
        fitted,
        measured,
    )
