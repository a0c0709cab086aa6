"""Every write of a process, made to pass one place: there a run can be looked at, or fail."""

import builtins
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import filelock
import torch

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_open, _io_open, _os = os.open, io.open, {name: getattr(os, name) for name in dir(os)}

ROOM = ("open", "mkdir", "begin", "write", "fsync", "replace")
"""What a full disk refuses; the rest needs no room."""


class Disk:
    """A disk that tells ``before`` of every write in ``folder``, and may be full.

    ``before(what)`` is called before each change of a file or folder; ``what`` is ``begin`` before
    a write and ``write`` in its middle, when half its bytes are there. The taking of a lock is not
    told: a process forked in the midst of it may not go on.
    """

    def __init__(self, folder: Path, before: Callable[[str], None]) -> None:
        self.folder, self.before, self.full = str(folder), before, False
        self._telling = False

    def change(self, what: str) -> None:
        """Something is about to be changed. Raises ``OSError`` if the disk is full."""
        if not self._telling:  # What is told may write as well.
            self._telling = True
            self.before(what)
            self._telling = False
        if self.full and what in ROOM:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def holds(self, path: Any) -> bool:
        """Whether a path is in the folder."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  Path would call os.open.
        return whole.startswith(self.folder)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Writes of this process go to this disk."""

        def of_path(name: str) -> Callable[..., Any]:
            def call(path: Any, *rest: Any, **named: Any) -> Any:
                if self.holds(path):
                    self.change(name)
                return _os[name](path, *rest, **named)

            return call

        def of_file(name: str) -> Callable[..., Any]:
            def call(file: int, *rest: Any) -> Any:
                if self.holds(Path(f"/proc/self/fd/{file}").readlink()):
                    self.change(name)
                return _os[name](file, *rest)

            return call

        def open_number(path: Any, flags: int, *rest: Any, **named: Any) -> int:
            if flags & _WRITES and self.holds(path):
                self.change("open")
            return _open(path, flags, *rest, **named)

        def open_file(file: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
            if set(mode) & set("wax+") and self.holds(file):
                return self._open(file, mode, *rest, **named)
            return _io_open(file, mode, *rest, **named)

        save, acquire = torch.save, filelock.FileLock.acquire

        def acquire_untold(lock: Any, *rest: Any, **named: Any) -> Any:
            before, self._telling = self._telling, True
            try:
                return acquire(lock, *rest, **named)
            finally:
                self._telling = before

        def save_through_python(value: Any, file: Any, *rest: Any, **named: Any) -> None:
            if not isinstance(file, (str, os.PathLike)):
                return save(value, file, *rest, **named)
            with io.open(file, "wb") as opened:  # noqa: UP020  The one that is replaced.
                return save(value, opened, *rest, **named)

        with ExitStack() as stack:
            for name in ("mkdir", "unlink", "remove", "rmdir", "replace", "rename", "chmod"):
                stack.enter_context(mock.patch.object(os, name, of_path(name)))
            for name in ("write", "fsync", "ftruncate"):
                stack.enter_context(mock.patch.object(os, name, of_file(name)))
            stack.enter_context(mock.patch.object(os, "open", open_number))
            stack.enter_context(mock.patch.object(io, "open", open_file))
            stack.enter_context(mock.patch.object(builtins, "open", open_file))
            stack.enter_context(mock.patch.object(filelock.FileLock, "acquire", acquire_untold))
            stack.enter_context(mock.patch.object(torch, "save", save_through_python))
            yield

    def _open(
        self,
        file: Any,
        mode: str,
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        self.change("open")
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), self)
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)


class _Raw(io.FileIO):
    """A file on a ``Disk``."""

    def __init__(self, file: Any, mode: str, disk: Disk) -> None:
        super().__init__(file, mode)
        self._disk = disk

    def write(self, data: Any) -> int:
        half = len(data) // 2
        self._disk.change("begin")
        written = super().write(memoryview(data)[:half])
        try:
            self._disk.change("write")
        except OSError:
            if written:  # The next write will be told.
                return written
            raise
        return written + super().write(memoryview(data)[half:])

    def truncate(self, size: int | None = None) -> int:
        self._disk.change("truncate")
        return super().truncate(size)


# ---- A folder as it was -------------------------------------------------------------------------


class Kept:
    """A folder as it is now, to be restored even under files that are open.

    ``beside`` is an empty path on the same file system.
    """

    def __init__(self, folder: Path, beside: Path) -> None:
        self.folder, self.beside = folder, beside
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        self.folders = [folder] if folder.exists() else []
        self.files = dict[Path, tuple[Path, bytes]]()
        for path in sorted(folder.rglob("*")):
            if path.is_dir():
                self.folders.append(path)
            else:
                link = beside / str(len(self.files))
                os.link(path, link)
                self.files[path] = link, path.read_bytes()
        self.places = {number: os.lseek(number, 0, os.SEEK_CUR) for number in self._open_files()}

    def restore(self) -> None:
        for path in sorted(self.folder.rglob("*"), reverse=True):
            if path.is_dir() and path not in self.folders:
                path.rmdir()
            elif not path.is_dir() and path not in self.files:
                path.unlink()
        if self.folder not in self.folders and self.folder.exists():
            self.folder.rmdir()
        for path in self.folders:
            path.mkdir(exist_ok=True)
        for path, (link, data) in self.files.items():
            if not path.exists() or not path.samefile(link):
                path.unlink(missing_ok=True)
                os.link(link, path)
            if path.read_bytes() != data:
                path.write_bytes(data)
        for number, place in self.places.items():
            os.lseek(number, place, os.SEEK_SET)

    def _open_files(self) -> list[int]:
        found = []
        for entry in Path("/proc/self/fd").iterdir():
            try:
                if str(entry.readlink()).startswith(str(self.folder)):
                    found.append(int(entry.name))
            except OSError:  # The handle that lists this folder.
                continue
        return found
