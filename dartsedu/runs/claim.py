"""The folder that a run lies in: whether it is free, and that one process alone works on it."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

SETTINGS = "settings.json"
"""The file that makes a folder a run's."""

_LOCK = ".lock"
_TEMPORARY = re.compile(r"\.(settings|genotype)\.json\..+")
"""What ``values.atomic_path`` leaves if it is killed."""
_LITTER = (".DS_Store", "Thumbs.db", "desktop.ini")
"""What file managers leave in folders that somebody looked at."""


class RunError(ValueError):
    """A run's folder is not what was expected; the message says what to do."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside, this process alone works on ``folder``. Raises ``RunError`` if one does already.

    A process that dies lets go.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RunError(f"another process is working on {folder}; wait for it") from None
    except NotImplementedError:
        raise RunError(
            f"the file system of {folder} knows no locks, so two runs might mix there; choose "
            "another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Make ``folder`` and lock it for a run that begins; inside, it is as good as empty.

    What an earlier beginning left that was killed before its settings were written is removed.
    Raises ``RunError`` unless the folder is free: of two processes that ask, one gets it.
    """
    check_free(folder)  # Before the lock, which would be a file in a folder of somebody else.
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        check_free(folder)
        for path in folder.iterdir():
            if path.name not in (_LOCK, *_LITTER):
                path.unlink()
        yield


def check_free(folder: Path) -> None:
    """Raise ``RunError`` unless a run may begin in ``folder``.

    It may where there is nothing, or nothing but what a killed beginning or a file manager left.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise RunError(
            f"{folder} is no UTF-8, so no file can name it; choose another --out"
        ) from None
    with _explained(folder):
        if not folder.exists():
            return
        if not folder.is_dir():
            raise RunError(f"{folder} is a file; choose another --out")
        if (folder / SETTINGS).exists():
            raise RunError(
                f"{folder} is not empty: it holds a run. Continue it with 'dartsedu resume "
                f"{folder}', or choose another --out"
            )
        names = {path.name for path in folder.iterdir()}
    others = sorted(name for name in names if not _is_beginning(name, names))
    if others:
        raise RunError(
            f"{folder} is not empty, and no run's folder: it holds {', '.join(others[:3])}"
            f"{' …' if len(others) > 3 else ''}. Choose another --out"
        )


def not_a_run(folder: Path) -> RunError:
    """The error for a ``folder`` without settings: it tells what can be done there."""
    try:
        check_free(folder)
    except RunError:
        advice = "name the folder that a search was told with --out, or one under runs/"
    else:
        advice = f"begin one there with: dartsedu search --out {folder}"
    return RunError(f"{folder} is not a run's folder: it has no {SETTINGS}; {advice}")


def _is_beginning(name: str, names: set[str]) -> bool:
    """Whether a file beside ``names`` says nothing: ours without settings, or no one's.

    A genotype is written before the settings, under our lock; without it, it is somebody's own.
    """
    ours = name == _LOCK or _TEMPORARY.fullmatch(name) is not None
    return ours or name in _LITTER or (name == "genotype.json" and _LOCK in names)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Inside, what forbids the use of ``folder`` is a wrong request; a full disk is none."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise RunError(f"cannot use {folder}: {error.strerror}; choose another --out") from None
