"""The history of a run on disk: one JSON line a step, readable while it grows and after a crash."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import IO, Annotated, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from dartsedu.base.extensions import SPACES, find, names
from dartsedu.base.observed import Observed
from dartsedu.base.values import Value, explain, leftovers, placed, sync
from dartsedu.relaxation import mixture_weights
from dartsedu.stream.stream import Measure, Step, Stream, measured, signals_held
from dartsedu.topology import SearchSpace

_LONGEST = 2**24
"""Bytes; a step of the largest space takes a tenth of it."""


class RecordingError(ValueError):
    """A recording is absent or malformed; the message says where."""


class Header(Value):
    """First line of a recording: what run this is. ``space`` is absent where no α is searched.

    ``data`` is what pictures show beside the predictions of ``Step.fitted``, in spaces with some.
    """

    format: Literal["dartsedu recording"] = "dartsedu recording"
    version: Literal[1] = 1
    kind: str
    total: int = Field(ge=1, le=10**12)
    seed: int = Field(ge=0)
    space: SearchSpace | None = None
    data: Observed | None = None

    @classmethod
    def of(cls, stream: Stream, space: SearchSpace | None = None) -> Self:
        """The header of a stream's recording."""
        return cls(
            kind=stream.kind,
            total=stream.total,
            seed=stream.seed,
            space=space,
            data=stream.observed,
        )

    def continues(self, other: Header) -> bool:
        """Whether this is the same run as ``other``, which may be too old to show its data."""
        return self == other or (
            other.data is None and self.model_copy(update={"data": None}) == other
        )


class _Line(Value):
    """Every other line: one step. The mixture is left out, it follows from α."""

    index: int = Field(ge=0)
    epoch: int = Field(ge=0)
    loss: dict[str, float]
    accuracy: dict[str, Annotated[float, Field(ge=0, le=1)]]
    learning_rate: dict[str, Annotated[float, Field(ge=0)]]
    alphas: dict[str, list[list[float]]]
    elapsed: float = Field(ge=0)
    written: str | None = None
    fitted: dict[str, list[float | None]] = Field(default_factory=dict)
    measured: dict[str, float] = Field(default_factory=dict)


def _nine_digits(values: NDArray[np.float32]) -> list[list[float]]:
    """float32 numbers in as few decimals as give them back exactly."""
    return [[float(f"{x:.9g}") for x in row] for row in values]


def _six_digits(values: NDArray[np.float32]) -> list[float | None]:
    """Numbers to be drawn, ``None`` for one that is not finite."""
    return [float(f"{x:.6g}") if np.isfinite(x) else None for x in values]


class Recorder:
    """Appends steps to a recording. Each line is handed to the system before ``append`` returns.

    Args:
        path: the file; made with its folder, or continued.
        header: what the first line says. Continuing a file with another header raises
            ``RecordingError``.
        keep: number of steps to keep if the file exists. Later ones are cut off: a resumed run
            does them again.
    """

    def __init__(self, path: str | Path, header: Header, keep: int = 0) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if keep and self.path.exists():
            with self.path.open("rb") as old:
                lines = [line for line in old if line.endswith(b"\n")][: keep + 1]
            if not lines or not header.continues(_header(lines[0], self.path)):
                raise RecordingError(f"{path} is the recording of another run")
            if len(lines) < keep + 1:
                raise RecordingError(
                    f"{path} holds {len(lines) - 1} steps, fewer than the {keep} to continue from"
                )
            self._file: IO[bytes] = self.path.open("r+b")
            self._file.truncate(sum(map(len, lines)))
            self._file.seek(0, 2)
        elif keep:
            raise RecordingError(f"no recording {path} to continue")
        else:
            self._file = self.path.open("wb")
            self._write(header.model_dump_json())

    def append(self, step: Step) -> None:
        """Write one step."""
        line = {
            "index": step.index,
            "epoch": step.epoch,
            "loss": dict(step.loss),
            "accuracy": dict(step.accuracy),
            "learning_rate": dict(step.learning_rate),
            "alphas": {cell: _nine_digits(alpha) for cell, alpha in step.alphas.items()},
            "elapsed": round(step.elapsed, 4),
        }
        if step.written is not None:
            line["written"] = step.written
        if step.fitted:
            line["fitted"] = {name: _six_digits(values) for name, values in step.fitted.items()}
        if step.measured:
            line["measured"] = dict(step.measured)
        self._write(json.dumps(line, separators=(",", ":"), allow_nan=False))

    def sync(self) -> None:
        """Wait until every step is on the disk itself, so that a checkpoint is never ahead."""
        try:
            sync(self._file)
        except OSError as error:
            raise placed(error, self.path) from error

    def _write(self, line: str) -> None:
        try:
            self._file.write(line.encode() + b"\n")
            self._file.flush()
        except OSError as error:
            self._close_in_vain()
            raise placed(error, self.path) from error

    def _close_in_vain(self) -> None:
        """What did not fit on the disk is not tried again."""
        with suppress(OSError):
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def recorded(
    stream: Stream,
    recording: str | Path,
    checkpoint: str | Path,
    *,
    space: SearchSpace | None = None,
    checkpoint_every: int = 1,
    measure: Measure | None = None,
) -> Generator[Step]:
    """The coming steps of ``stream``, each given only when it is on disk.

    A stream that stands at step n continues a recording that holds at least n steps. A checkpoint
    is written every so many steps, at the end, and when the consumer stops or Ctrl-C or SIGTERM
    arrives; a killed process does again what came after the last one, with the same result.

    ``measure`` adds numbers to steps before they are written, for instance the discretisation gap
    now and then (``discretisation.gap_every``). It changes nothing in the run.
    """
    for half in leftovers(Path(checkpoint)):  # Of a killed process: nobody else writes here.
        half.unlink(missing_ok=True)
    saved = written = stream.done
    with Recorder(recording, Header.of(stream, space), keep=stream.done) as recorder:
        try:
            while True:
                with signals_held():
                    step = next(stream, None)
                    if step is None:
                        return
                    if measure is not None:
                        step = measured(step, measure)
                    recorder.append(step)
                    written = stream.done
                    if stream.done % checkpoint_every == 0:
                        recorder.sync()
                        stream.save(checkpoint)
                        saved = stream.done
                yield step
        finally:
            # Never a checkpoint of a step that the recording has not got.
            if saved < stream.done == written and not stream.failed:
                with signals_held():  # A second Ctrl-C waits until the first is answered.
                    recorder.sync()
                    stream.save(checkpoint)


@dataclass(frozen=True)
class Recording:
    """A recording read back."""

    header: Header
    steps: tuple[Step, ...]

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a recording; a last line that a crash cut short is left out.

        Raises ``RecordingError`` if the file is absent, empty or malformed.
        """
        path = Path(path)
        lines = _lines(path)
        first = next(lines, None)
        if first is None:
            raise RecordingError(f"{path} is empty, not a recording")
        header, steps, number = _header(first, path), [], 2
        try:
            for number, text in enumerate(lines, 2):
                steps.append(_read(_Line.model_validate_json(text), header, number - 2))
        except ValidationError as error:
            problem = explain(error, "recording")
            raise RecordingError(f"{path}, line {number}: {problem}") from None
        except RecordingError:
            raise
        except ValueError as error:
            raise RecordingError(f"{path}, line {number}: {error}") from None
        return cls(header, tuple(steps))

    @property
    def space(self) -> SearchSpace:
        """The space that was searched. Raises ``RecordingError`` if none was."""
        if self.header.space is None:
            raise RecordingError(f"a recording of a {self.header.kind} has no search space")
        return self.header.space

    def alphas(self, cell: str) -> NDArray[np.float32]:
        """Raw α of a cell over time, shape (steps, edges, primitives)."""
        shape = (len(self.steps), *self.space.shape(cell))
        return np.array([step.alphas[cell] for step in self.steps], np.float32).reshape(shape)

    def mixture(self, cell: str) -> NDArray[np.float32]:
        """Mixture weights of a cell over time, shape (steps, edges, primitives)."""
        shape = (len(self.steps), *self.space.shape(cell))
        return np.array([step.mixture[cell] for step in self.steps], np.float32).reshape(shape)


def _lines(path: Path) -> Iterator[bytes]:
    """The whole lines of a recording; a last one that was cut short is left out."""
    try:
        with path.open("rb") as file:
            for number in count(1):
                line = file.readline(_LONGEST)
                if len(line) == _LONGEST:
                    raise RecordingError(
                        f"{path}, line {number}: longer than {_LONGEST // 10**6} MB; "
                        "expected a step a line, as a run writes them"
                    )
                if not line.endswith(b"\n"):
                    return
                yield line[:-1]
    except OSError as error:
        raise RecordingError(f"cannot read the recording {path}: {error}") from None


def _header(line: bytes, path: Path) -> Header:
    try:
        return Header.model_validate_json(line)
    except ValidationError as error:
        raise RecordingError(f"{path}, line 1: {explain(error, 'recording')}") from None


def _may_be_negative(space: str | None) -> bool:
    """Whether a loss may be; ``None``: that of a discrete network. Of unknown spaces who knows."""
    if space is None:
        return False
    return space not in names(SPACES) or bool(find(SPACES, space).negative_loss)


def _read(line: _Line, header: Header, index: int) -> Step:
    if line.index != index:
        raise ValueError(f"step {line.index} where step {index} was expected")
    if index >= header.total:
        raise ValueError(f"step {index} of a run of {header.total} steps")
    kind = None if header.space is None else header.space.name
    if not _may_be_negative(kind) and any(loss < 0 for loss in line.loss.values()):
        raise ValueError(f"the loss {min(line.loss.values())} is negative; expected 0 or more")
    expected = {} if header.space is None else {c.name: c for c in header.space.cells}
    relaxation = "softmax" if header.space is None else header.space.relaxation
    if line.alphas.keys() != expected.keys():
        raise ValueError(f"α of the cells {list(line.alphas)}; expected {list(expected)}")
    alphas, mixture = {}, {}
    for cell, rows in line.alphas.items():
        assert header.space is not None
        shape = header.space.shape(cell)
        if len(rows) != shape[0] or any(len(row) != shape[1] for row in rows):
            raise ValueError(f"α of cell {cell!r} has not the shape {shape}")
        with np.errstate(over="ignore"):
            alphas[cell] = np.array(rows, dtype=np.float32)
        if not np.isfinite(alphas[cell]).all():
            raise ValueError(f"α of cell {cell!r} is beyond ±3e38")
        mixture[cell] = mixture_weights(torch.from_numpy(alphas[cell]), relaxation).numpy()
    fitted = {
        name: np.array([np.nan if x is None else x for x in values], np.float32)
        for name, values in line.fitted.items()
    }
    points = 0 if header.data is None else header.data.points
    if any(len(values) != points for values in fitted.values()):
        raise ValueError(f"predictions for other than the {points} places of the first line")
    return Step(
        index=line.index,
        epoch=line.epoch,
        loss=line.loss,
        accuracy=line.accuracy,
        learning_rate=line.learning_rate,
        alphas=alphas,
        mixture=mixture,
        elapsed=line.elapsed,
        written=line.written,
        fitted=fitted,
        measured=line.measured,
    )
