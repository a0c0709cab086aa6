"""Immutable values that can be written as JSON, and files that are whole or absent."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError


class Value(BaseModel):
    """Base of every value that this package writes as JSON: frozen, hashable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Measured = Annotated[
    float,
    Field(allow_inf_nan=True),
    PlainSerializer(lambda x: x if isfinite(x) else str(x), when_used="json"),
]
"""A field's number that may be infinite, or NaN where there is none: a text in JSON, which knows
neither."""


def explain(error: ValidationError, what: str) -> str:
    """Say in plain lines what pydantic found wrong with ``what``: where, what was given, why."""
    lines = []
    for detail in error.errors(include_url=False):
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in detail["loc"])
        message = detail["msg"].removeprefix("Value error, ")
        given = detail.get("input")
        shown = ""
        if detail["type"] == "extra_forbidden":
            message = "unknown field; remove it or correct its name"
        elif isinstance(given, (str, int, float, bool)):
            shown = f" (given: {given!r:.80})"
        lines.append(f"  {what}{place}: {message}{shown}")
    return f"{what} is not valid:\n" + "\n".join(lines)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour of ``path`` to write to; on success it replaces ``path``.

    A reader sees the old file or the new one, never a part; after an exception the old one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
        if os.name == "posix":  # The new name, too, must survive a power cut.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")
