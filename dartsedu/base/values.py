"""Immutable values that can be written as JSON, and files that are whole or absent."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from math import isfinite
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, ValidationError

from dartsedu.base.encoding import decoded


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
    """Say in plain lines what pydantic found wrong with ``what``: where, what was given, why.

    At most ten faults are named, and no more than somebody reads.
    """
    lines: list[str] = []
    for detail in error.errors(include_url=False)[:10]:
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p:.80}" for p in detail["loc"])
        message = f"{detail['msg'].removeprefix('Value error, '):.600}"
        given = detail.get("input")
        shown = ""
        if detail["type"] == "extra_forbidden":
            message = "unknown field; remove it or correct its name"
        elif isinstance(given, (str, int, float, bool)):
            shown = f" (given: {given!r:.80})"
        line = f"  {what}{place:.200}: {message}{shown}"
        if lines and len(line) + sum(map(len, lines)) > 1500:
            break
        lines.append(line)
    more = error.error_count() - len(lines)
    return f"{what} is not valid:\n" + "\n".join([*lines, *[f"  … and {more} more"] * (more > 0)])


# ---- Files --------------------------------------------------------------------------------------


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Give a temporary neighbour of ``path`` to write to; on success it replaces ``path``.

    A reader sees the old file or the new one, never a part; after an exception the old one. What a
    killed process leaves behind is found by ``leftovers``. Raises ``OSError`` with ``path`` if the
    disk is full or the file cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{path.suffix}")
    try:
        temporary.touch(exist_ok=False)
        yield temporary
        with temporary.open("rb") as written:
            sync(written)
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):
            raise placed(error, path) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    if os.name == "posix":
        _sync_folder(path.parent)


def leftovers(path: Path) -> list[Path]:
    """What killed processes left of ``atomic_path(path)``, or what others are writing just now."""
    found = path.parent.glob(f".{escape(path.name)}.????????{escape(path.suffix)}")
    return sorted(found)


def placed(error: OSError, path: Path) -> OSError:
    """The same error, said of ``path``; of a full disk with the way out."""
    if error.errno is None:
        return error
    words = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        words += " (what was written before is intact; make room on the disk)"
    return OSError(error.errno, words, str(path))


def sync(file: IO[Any]) -> None:
    """Wait until a file is on the disk itself, on file systems that can say so."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def _sync_folder(folder: Path) -> None:
    """So that a new name, too, survives a power cut: as far as the file system can promise it."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def write_text(path: str | Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, atomically."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_text(text, encoding="utf-8")


LARGEST = 10_000_000
"""Bytes of the largest file of one value, such as a genotype; a published one has 4,000."""


def read_text(path: str | Path) -> str:
    """The text of a file in UTF-8, or in the Unicode encoding that its byte order mark names.

    Raises ``OSError``, or ``ValueError`` for other bytes and for more than ``LARGEST`` of them.
    """
    with Path(path).open("rb") as file:
        read = file.read(LARGEST + 1)
    if len(read) > LARGEST:
        raise ValueError(f"it has more than {LARGEST:,} bytes; is it another kind of file?")
    return decoded(read)
