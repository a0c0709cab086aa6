"""Cases tried in a forked child, so that what hangs, dies or fills the memory ends there alone."""

import gc
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

SECONDS = 10
"""Of processor time that a case may take."""
ASLEEP = 60
"""Seconds after which a case that only waits is ended."""
MEMORY = 1 << 30
"""Bytes that a case may take besides what the libraries hold."""

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {
    "os.mkdir": 1,
    "os.remove": 1,
    "os.rmdir": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.chmod": 1,
    "os.truncate": 1,
}
"""Audit events that change files, with the number of their arguments that are paths."""
_COMMANDS = ("os.system", "os.exec", "os.posix_spawn", "subprocess.Popen")


class Verdict(NamedTuple):
    """What became of a case: ``worked``, ``refused`` or ``FAILED``, and why."""

    number: int
    outcome: str
    text: str


class Watch:
    """Notes what a case may not do: change files outside ``folders``, or run commands.

    ``canary`` must not be a part of any source that is compiled. There is no network.
    """

    def __init__(self) -> None:
        self.folders: tuple[str, ...] = ("/",)
        self.canary, self.seen = "", list[str]()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if event == "open" and isinstance(arguments[0], (str, bytes)):
            path, mode, flags = arguments
            if set(mode or "") & set("wax+") or (flags or 0) & _WRITES:
                self._note(event, path)
        elif event in _CHANGES:
            for path in arguments[: _CHANGES[event]]:
                self._note(event, path)
        elif event in _COMMANDS and "/dot'" not in f"/{arguments[0]}'":
            self.seen.append(f"{event} {arguments!r:.200}")
        elif event == "compile" and self.canary and self.canary in str(arguments[0]):
            self.seen.append(f"generated source holds what a user wrote: {arguments[0]!r:.200}")
        elif event in ("socket.connect", "socket.getaddrinfo"):
            raise OSError("no network here")

    def _note(self, event: str, path: object) -> None:
        if isinstance(path, int):  # A folder that is open already: how that came is told above.
            return
        whole = os.path.abspath(os.fsdecode(path))  # noqa: PTH100  Path would call os.open.
        if whole != os.devnull and not whole.startswith(self.folders):
            self.seen.append(f"{event} {whole!r:.200}, outside its folder")


def in_children(
    numbers: Iterable[int], attempt: Callable[[int, Watch], tuple[str, str]]
) -> Iterator[Verdict]:
    """Verdicts on the cases ``numbers``, in order.

    ``attempt`` is called in a child with a case's number and the child's watch, in an empty folder,
    and gives outcome and text. A child that dies fails its case; the next one goes on in another.
    """
    left = list(numbers)
    while left:
        ended = yield from _until_one_dies(left, attempt)
        if left:
            yield Verdict(left.pop(0), "FAILED", ended)


def _until_one_dies(
    left: list[int], attempt: Callable[[int, Watch], tuple[str, str]]
) -> Iterator[Verdict]:
    read, write = os.pipe()
    with tempfile.TemporaryDirectory(prefix="faults-") as box:
        child = os.fork()
        if child == 0:
            os.close(read)
            _work(left, attempt, Path(box), write)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as reports:
            for line in reports:
                if line.endswith("\n"):
                    left.pop(0)
                    yield Verdict(*json.loads(line))
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGPROF:
        return f"more than {SECONDS} s of processor time"
    if code == -signal.SIGALRM:
        return f"still waiting after {ASLEEP} s"
    return f"the process ended with {signal.Signals(-code).name if code < 0 else code}"


def _work(
    numbers: list[int],
    attempt: Callable[[int, Watch], tuple[str, str]],
    box: Path,
    write: int,
) -> None:
    """What the child does; never returns."""
    try:
        watch = Watch()
        limit_memory(MEMORY)
        reports = os.fdopen(write, "w", encoding="utf-8")
        for number in list(numbers):
            with _alone(box / str(number), watch):
                outcome, text = attempt(number, watch)
            if watch.seen:
                outcome, text = "FAILED", "; ".join(watch.seen[:3])
            watch.seen.clear()
            reports.write(json.dumps([number, outcome, text]) + "\n")
            reports.flush()
        os._exit(0)
    finally:
        os._exit(70)


@contextmanager
def _alone(folder: Path, watch: Watch) -> Iterator[None]:
    """An empty folder that is home, for a limited time."""
    watch.folders = (str(folder.parent),)
    folder.mkdir()
    os.chdir(folder)
    os.environ["HOME"] = str(folder)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # Its signal ends a process.
    signal.setitimer(signal.ITIMER_REAL, ASLEEP)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        os.chdir(folder.parent)
        watch.canary = ""
        shutil.rmtree(folder, ignore_errors=True)


def limit_memory(more: int) -> None:
    """Let this process take ``more`` bytes besides those that it has.

    Of its data: addresses that threads set aside, and never use, are no memory.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    most = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def ready_to_fork() -> None:
    """Leave what is in memory to the children as it is: collecting it would copy it."""
    gc.collect()
    gc.freeze()
