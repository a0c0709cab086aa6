"""Data sets by name, of every kind that a space can use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dartsedu.base.extensions import SPACES, every
from dartsedu.base.values import explain
from dartsedu.data.splits import TaskError
from dartsedu.data.task import Task, TaskSettings


def kinds() -> tuple[type[TaskSettings], ...]:
    """The kinds of task that the known spaces can use."""
    return tuple(dict.fromkeys(space.task_kind for space in every(SPACES)))


def kind_of(name: str) -> type[TaskSettings]:
    """The kind that the data set ``name`` is of. Raises ``TaskError`` for an unknown one."""
    for kind in kinds():
        if name in kind.known():
            return kind
    raise TaskError(f"unknown task {name!r}; expected one of: {', '.join(tasks())}")


def tasks() -> tuple[str, ...]:
    """The names that ``load_task`` knows, kind by kind."""
    return tuple(name for kind in kinds() for name in kind.known())


def load_task(name: str, **options: Any) -> Task:
    """A task by name.

    Args:
        name: one of ``tasks()``.
        options: fields of the settings of its kind: ``images.ImageSettings``,
            ``texts.TextSettings``, ``tables.TableSettings``. Noise is none unless asked for.

    Raises ``TaskError`` for an unknown name or option, or where the data is missing and cannot be
    downloaded: it says which file to put where.

    >>> load_task("digits", split_seed=1).classes
    10
    """
    kind = kind_of(name)
    given = {field: str(v) if isinstance(v, Path) else v for field, v in options.items()}
    try:
        settings = kind(**{"name": name, **kind.plain, **given})
    except ValidationError as error:
        raise TaskError(explain(error, f"task {name!r}")) from None
    return settings.load()
