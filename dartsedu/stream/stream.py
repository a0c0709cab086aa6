"""A run as a stream of immutable steps: what search and training share.

A ``Stream`` yields one ``Step`` at a time and can be saved and restored between any two.
Recordings, progress bars and stop rules read the steps; the stream knows none of them.
"""

from __future__ import annotations

import json
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from dartsedu.base.memory import keep_freed_memory
from dartsedu.base.observed import Observed
from dartsedu.base.packing import Packed, pack, unpack
from dartsedu.stream import checkpoint

Arrays = Mapping[str, NDArray[np.float32]]


_NUMBERS = ("loss", "accuracy", "learning_rate", "measured")


@dataclass(frozen=True, eq=False)
class Step:
    """What one step did. Mappings and arrays are read-only.

    Attributes:
        index: 0 for the first step of the run.
        epoch: 0 for the first pass over the ``weights`` split.
        loss: by split (``weights``, ``architecture``), on this step's batches, before w moved; a
            second-order architect reads the ``architecture`` loss at the virtual weights w′.
        accuracy: by split, 0…1; empty where the space has none.
        learning_rate: by optimiser (``weights``, ``architecture``), as used in this step.
        alphas: raw α by cell, shape (edges, primitives), after the step; empty when training a
            discrete network.
        mixture: mixture weights by cell, likewise.
        elapsed: seconds spent in steps since the run began, pauses excluded, resumed runs added.
        written: what the genotype of these α says as a formula, where the space has formulas.
        fitted: what the supernet predicts now, by name, where ``Observed`` says; empty in most
            spaces.
        measured: further numbers by name: what the method measured in this step, and what a reader
            of the stream has added (see ``measuring``).
    """

    index: int
    epoch: int
    loss: Mapping[str, float]
    accuracy: Mapping[str, float]
    learning_rate: Mapping[str, float]
    alphas: Arrays = field(default_factory=dict)
    mixture: Arrays = field(default_factory=dict)
    elapsed: float = 0.0
    written: str | None = None
    fitted: Arrays = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in (*_NUMBERS, "alphas", "mixture", "fitted"):
            values = dict(getattr(self, name))
            for value in values.values():
                if isinstance(value, np.ndarray):
                    value.flags.writeable = False
            object.__setattr__(self, name, MappingProxyType(values))


class CheckpointError(ValueError):
    """A checkpoint cannot be read, or belongs to another run."""


class NonFiniteError(ArithmeticError):
    """A loss or gradient became NaN or infinite. ``step`` is the index of the failing step."""

    def __init__(self, what: str, value: float, step: int, epoch: int, advice: str) -> None:
        super().__init__(
            f"the {what} became {value} at step {step} (epoch {epoch}). Steps 0 to {step - 1} "
            f"are intact and, if the run is recorded, on disk. {advice}"
            if step
            else f"the {what} is {value} at the very first step. {advice}"
        )
        self.step = step


class Stream(Iterator[Step], ABC):
    """An iterator of ``total`` steps with a state that can be saved between any two of them.

    A subclass defines ``_advance`` (do the work of step ``done``), and ``_state`` and ``_restore``
    (everything that the next steps depend on). Random numbers of a step come from the seed and
    the step's index alone, so they need no saving, and nothing drawn between two steps changes a
    run. (PyTorch's generator is one for all threads: draw none in another thread during a step.)
    A subclass that is over before ``total`` steps sets ``ended``, and restores it.

    ``identity`` is a text that names what is run, ``fingerprint`` one that names the data it is
    run on; a checkpoint continues only its own.
    """

    kind: str

    def __init__(
        self,
        identity: str,
        total: int,
        seed: int,
        device: torch.device,
        fingerprint: str | None = None,
    ) -> None:
        self.identity = identity
        self.fingerprint = fingerprint
        self.total = total
        self.seed = seed
        self.device = device
        self.done = 0
        self.last: Step | None = None
        self.ended = False
        self._elapsed = 0.0
        self._failure: Exception | None = None
        keep_freed_memory()

    @property
    def observed(self) -> Observed | None:
        """The data that pictures of this run show, if there are some."""
        return None

    @abstractmethod
    def _advance(self) -> Step:
        """Do step number ``done``; ``elapsed`` is filled in by the caller."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Tensors and plain values that ``_restore`` needs."""

    @abstractmethod
    def _restore(self, state: dict[str, Any]) -> None:
        """Take up what ``_state`` gave, of step ``done``."""

    @abstractmethod
    def _examine(self) -> None:
        """Raise an error if no step can follow on what was just taken up. Changes nothing."""

    def __next__(self) -> Step:
        """Do one step. SIGINT and SIGTERM wait until it is complete (``last`` then holds it)."""
        if self._failure is not None:
            raise self._failure
        if self.ended or self.done >= self.total:
            raise StopIteration
        with signals_held():
            began = time.perf_counter()
            try:
                with self._seeded():
                    step = self._advance()
            except Exception as error:
                self._failure = error
                raise
            self._elapsed += time.perf_counter() - began
            self.done += 1
            self.last = step = replace(step, elapsed=self._elapsed)
        return step

    @property
    def failed(self) -> bool:
        """Whether a step broke off, for instance in a ``NonFiniteError``."""
        return self._failure is not None

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        """Random numbers that depend on the seed and the step alone; the outside's are kept."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), torch.enable_grad():
            seed = seed_of(self.seed, self.kind, self.done)
            torch.default_generator.manual_seed(seed)
            for device in devices:
                with torch.cuda.device(device):
                    torch.cuda.manual_seed(seed)
            yield

    def save(self, path: str | Path) -> None:
        """Write a checkpoint, atomically. Refused after a step that broke off."""
        if self._failure is not None:
            raise CheckpointError(f"not saved, since the run has failed: {self._failure}")
        packed = pack(self._state())
        state = {
            "format": f"dartsedu {self.kind} checkpoint",
            "version": 4,
            "identity": self.identity,
            "data": self.fingerprint,
            "seed": self.seed,
            "total": self.total,
            "done": self.done,
            "elapsed": self._elapsed,
            "state": packed.state,
            "tensors": packed.tensors,
            "sizes": packed.sizes,
        }
        checkpoint.write(Path(path), state)

    def load(self, path: str | Path) -> Self:
        """Continue from a checkpoint, bit for bit as if never stopped; returns the stream.

        Raises ``CheckpointError`` if the file is absent, damaged or of another run; the stream is
        then as it was before.
        """
        try:
            saved = checkpoint.read(Path(path))
            self._recognise(saved, path)
            done = checkpoint.whole_number(saved["done"], "number of steps", 0, self.total)
            elapsed = checkpoint.amount(saved["elapsed"], "time")
            packed = Packed(saved["state"], saved.get("tensors", {}), saved.get("sizes", {}))
            state = unpack(packed)
            if not isinstance(state, dict):
                raise ValueError("it holds no state")
        except Exception as error:
            raise _refusal(path, error) from error
        before = self.done, self._elapsed, unpack(pack(self._state()))
        try:
            self.done, self._elapsed = done, elapsed
            self._restore(state)
            with self._seeded():
                self._examine()
        except Exception as error:
            self.done, self._elapsed, state = before
            self._restore(state)
            raise _refusal(path, error) from error
        return self

    def _recognise(self, saved: dict[str, Any], path: str | Path) -> None:
        """Raise ``CheckpointError`` if a checkpoint is of another run."""
        known = saved["version"] in (1, 3, 4)  # The first had each tensor by itself.
        if saved["format"] != f"dartsedu {self.kind} checkpoint" or not known:
            raise CheckpointError(f"{path} holds no {self.kind} that this version can read")
        if (saved["seed"], saved["total"]) != (self.seed, self.total):
            raise CheckpointError(
                f"{path} is of a run with seed {saved['seed']!s:.40} and "
                f"{saved['total']!s:.40} steps; this one has seed {self.seed} and "
                f"{self.total} steps"
            )
        if saved["identity"] != self.identity:
            others = _differences(saved["identity"], self.identity)
            if others:
                raise CheckpointError(f"{path} is of a run with other settings: {others:.1000}")
        # Older checkpoints do not say which data they are of.
        if None not in (saved.get("data"), self.fingerprint) and saved["data"] != self.fingerprint:
            raise CheckpointError(
                f"the data has changed since the run of {path} began. Put it back as it was, "
                "or begin anew in another folder"
            )

    def _check(self, what: str, value: float, advice: str, epoch: int) -> float:
        """``value`` if it is finite; otherwise the run ends here."""
        if not isfinite(value):
            raise NonFiniteError(what, value, self.done, epoch, advice)
        return value


def _refusal(path: str | Path, error: Exception) -> CheckpointError:
    """What keeps a run from going on from a checkpoint, in words."""
    if isinstance(error, CheckpointError):
        return error
    # PyTorch's own words and Python's (a missing key) are of no use to who did not write the file.
    known = isinstance(error, OSError) or type(error) is ValueError
    said = str(error) if known else f"it is damaged or was changed ({error!r:.100})"
    return CheckpointError(
        f"cannot continue from {path}: {said}. Take a checkpoint that this run has written, "
        "or begin it anew."
    )


def _differences(was: str, now: str) -> str:
    """Where two identities differ, in words; settings are JSON, in whatever order."""
    try:
        before, after = json.loads(was), json.loads(now)
        fields = [field for field in before | after if before.get(field) != after.get(field)]
    except (TypeError, ValueError, AttributeError):
        return f"{was!s:.400} instead of {now:.400}"
    return ", ".join(
        f"{field} = {before.get(field)!s:.80} instead of {after.get(field)!s:.80}"
        for field in fields
    )


def seed_of(seed: int, purpose: str, index: int = 0) -> int:
    """An independent 63-bit seed for each (seed, purpose, index)."""
    words = [seed, *purpose.encode(), index]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) >> 1


# ---- Signals ------------------------------------------------------------------------------------


@contextmanager
def signals_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is complete, then act on the first one.

    Ctrl-C raises ``KeyboardInterrupt``, SIGTERM ``SystemExit(143)``. Only the main thread receives
    signals; in another one this does nothing. May be nested: the outermost block acts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        received.append(number)

    held = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, note) for number in held}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        first = received[0]
        if callable(before[signal.Signals(first)]):
            signal.raise_signal(first)
        elif first == signal.SIGTERM and before[signal.SIGTERM] is signal.SIG_DFL:
            raise SystemExit(128 + signal.SIGTERM)


# ---- Measuring ----------------------------------------------------------------------------------

Measure = Callable[[Step], Mapping[str, float]]
"""Numbers by name that belong to a step; empty where nothing is measured. Changes nothing."""


def measuring(steps: Iterable[Step], measure: Measure) -> Iterator[Step]:
    """The steps with what ``measure`` says of each, asked before the next is taken."""
    try:
        for step in steps:
            yield measured(step, measure)
    finally:
        getattr(steps, "close", lambda: None)()


def measured(step: Step, measure: Measure) -> Step:
    """A step with what ``measure`` says of it."""
    found = measure(step)
    return replace(step, measured={**step.measured, **found}) if found else step


# ---- Stop rules ---------------------------------------------------------------------------------

StopRule = Callable[[Step], bool]
"""True at the step after which a run should end. Any function of a step will do."""


def until(steps: Iterable[Step], *rules: StopRule) -> Iterator[Step]:
    """The steps up to and with the first at which a rule is true.

    For instance ``until(search, after_seconds(60), settled(search.space, steps=100))``.
    """
    for step in steps:
        yield step
        # A list, so that rules with a memory see every step.
        verdicts = [rule(step) for rule in rules]
        if any(verdicts):
            return


def after_steps(count: int) -> StopRule:
    """True once ``count`` steps are done."""
    return lambda step: step.index + 1 >= count


def after_seconds(seconds: float) -> StopRule:
    """True once steps have taken this long (resumed runs included)."""
    return lambda step: step.elapsed >= seconds
