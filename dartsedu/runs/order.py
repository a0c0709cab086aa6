"""``settings.json``: what a run was asked for, and whether it can be done here."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from typing import Any, Literal, Self

import torch
from pydantic import Field, SerializeAsAny, model_validator

from dartsedu.base.values import Value
from dartsedu.data.splits import Split, TaskError
from dartsedu.data.task import Task
from dartsedu.genotype import Genotype
from dartsedu.presets import presets_of, read_settings
from dartsedu.settings import MOST_THREADS, SearchSettings, Settings, SettingsError, TrainSettings
from dartsedu.spaces.build import search_space, space_of
from dartsedu.spaces.memory import check_memory, memory_here


class Order(Value):
    """Everything needed to do the run again.

    ``searches`` is false where the genotype was given and only training is asked for. ``device``
    and ``threads`` are a part of it, since sums depend on them in their last digits.
    """

    format: Literal["dartsedu run"] = "dartsedu run"
    version: Literal[1] = 1
    seed: int = Field(ge=0)
    searches: bool
    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1, le=MOST_THREADS)
    settings: SerializeAsAny[Settings]
    versions: dict[str, str]

    @model_validator(mode="after")
    def _comes_from_a_preset_of_its_space(self) -> Self:
        preset, space = self.settings.preset, self.settings.space
        fitting = presets_of(space)
        if preset not in fitting:
            raise ValueError(
                f"settings.preset is {preset!r}; expected one of the space {space!r}: "
                f"{', '.join(fitting)}"
            )
        reason = space_of(self.settings).nothing_to_train
        if not self.searches and reason:
            raise ValueError(f"searches is false, but {reason}; expected true")
        return self

    @classmethod
    def read(cls, text: str) -> Self:
        """An order from JSON. Raises ``ValueError`` (of pydantic or a ``SettingsError``)."""
        try:
            values: Any = json.loads(text)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        if isinstance(values, dict) and isinstance(values.get("settings"), dict):
            values = values | {"settings": read_settings(values["settings"])}
        return cls.model_validate(values)


def check_order(
    settings: Settings, task: Task, genotype: Genotype | None, device: str | torch.device
) -> None:
    """Raise ``SettingsError`` for what cannot be run on ``device``.

    Without a ``genotype`` a search is asked for. Sizes come first: a space too large could not even
    be described.
    """
    precision, where = settings.search.precision, torch.device(device).type
    if genotype is None and precision != "float32" and where != "cuda":
        raise SettingsError(
            f"search.precision={precision} is for a GPU; on {where} use search.precision=float32"
        )
    check_memory(settings, task, genotype, memory_here(device))
    search_space(settings)
    read: list[tuple[str, SearchSettings | TrainSettings]] = []
    if genotype is None:
        read = [("weights", settings.search), ("architecture", settings.search)]
    if isinstance(settings.train, TrainSettings):
        read.append(("training", settings.train))
    for part, reading in read:
        split: Split = getattr(task, part)
        try:
            split.passes(reading.batch_size, 0, 1, **reading.reading())
        except TaskError as error:
            stage = "search" if isinstance(reading, SearchSettings) else "train"
            raise SettingsError(f"{stage}.batch_size, {part} split: {error}") from None


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    names = ("dartsedu", "torch", "torchvision", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "not installed"
