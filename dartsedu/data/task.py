"""What a task is: three named, disjoint splits, ``weights``, ``architecture`` and ``test``.

``weights`` trains w and ``architecture`` trains α during the search; a discrete network trains on
both together (on text on ``weights`` alone, watching ``architecture``); ``test`` is read once, when
everything is chosen (DARTS §3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, ClassVar, NamedTuple, Self

import torch
from pydantic import Field, field_validator

from dartsedu.base.extensions import DATA, every
from dartsedu.base.values import Value
from dartsedu.data.splits import Split, TaskError

MOST_NOISE = 1000.0
"""A noise of more deviations of the data than this leaves nothing of it in float32."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be learnt.

    Attributes:
        name: what it is called.
        weights, architecture, test: the disjoint splits.
        training: what the discrete network trains on.
    """

    name: str
    weights: Split
    architecture: Split
    test: Split
    training: Split

    @cached_property
    def fingerprint(self) -> str:
        """Of what the splits hold: equal for equal data, wherever it lies; 64 hexadecimal digits.

        Whole if the data is in memory; of image files see ``FolderSplit.contents``.
        """
        digest = sha256(self._described().encode(errors="surrogateescape"))
        for split in (self.weights, self.architecture, self.test):
            digest.update(f"\n{len(split)}\n".encode())
            for part in split.contents():
                digest.update(part)
        return digest.hexdigest()

    def _described(self) -> str:
        """What belongs to the data beside its splits."""
        return ""

    def to(self, device: torch.device) -> Self:
        """The same task with its batches on ``device``."""
        parts = ("weights", "architecture", "test", "training")
        return replace(self, **{part: getattr(self, part).to(device) for part in parts})


class DataSet(NamedTuple):
    """A data set that another distribution adds, as an entry point of the group ``dartsedu.data``.

    Attributes:
        name: what it is called.
        kind: the kind of task, such as ``images.ImageSettings.kind``.
        load: gives the task for settings of that kind.
    """

    name: str
    kind: str
    load: Callable[[Any], Task]

    def check(self, name: str) -> None:
        """Raise ``ValueError`` unless it can be used under the ``name`` of its entry point."""
        if self.name != name:
            raise ValueError(f"it calls itself {self.name!r}; expected {name!r}")
        if not isinstance(self.kind, str) or not callable(self.load):
            raise ValueError("expected a kind, a text, and load, a function")


class TaskSettings(Value):
    """Which data set is the task. A kind of task is a subclass, with a table of its data sets."""

    kind: ClassVar[str]
    """What its tasks are, in words: images, a text, a table."""
    sets: ClassVar[Mapping[str, Callable[[Any], Task]]]
    """The data sets of this kind by name: what loads each."""
    plain: ClassVar[Mapping[str, Any]] = {}
    """What ``load_task`` does not ask for unless told to, where settings do by default."""

    name: str = Field(description="a data set, one of tasks.tasks()")

    @classmethod
    def known(cls) -> dict[str, Callable[[Any], Task]]:
        """The data sets of this kind by name, those of other distributions last."""
        added = {data.name: data.load for data in every(DATA) if data.kind == cls.kind}
        return {**cls.sets, **{n: load for n, load in added.items() if n not in cls.sets}}

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in cls.known():
            raise ValueError(f"unknown task; expected one of: {', '.join(cls.known())}")
        return name

    def load(self) -> Task:
        """The task. Raises ``TaskError`` where the data is missing: it says what goes where."""
        load = self.known()[self.name]
        if self.name in self.sets:
            return load(self)
        try:
            task = load(self)
            if not isinstance(task, Task):
                raise TypeError(f"it gives a {type(task).__name__}, which is no task")
        except Exception as error:
            raise TaskError(
                f"the data set {self.name!r} of another distribution cannot be had: "
                f"{type(error).__name__}: {error!s:.300}"
            ) from error
        return task
