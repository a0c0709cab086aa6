"""Kinds of faults, the cases of each, and what may become of a case.

A case is made from (kind, seed, number) alone. It *worked*, or it was *refused*: an error that the
command line turns into one message, in plain words. Everything else FAILED: another exception, a
traceback, a message that says nothing, a process that died, took too long or too much memory, or
touched what is not its own.
"""

import io
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import typer
from child import Verdict, Watch, in_children

from dartsedu.data.splits import TaskError
from dartsedu.genotype import GenotypeError
from dartsedu.runs import cli
from dartsedu.runs.folder import RunError
from dartsedu.settings import SettingsError
from dartsedu.stream.recording import RecordingError
from dartsedu.stream.stream import CheckpointError, NonFiniteError

REFUSALS = (
    CheckpointError,
    GenotypeError,
    NonFiniteError,
    RecordingError,
    RunError,
    SettingsError,
    TaskError,
)
"""Errors that the command line shows as one message."""
ENDS = (None, 0, cli.INTERRUPTED, cli.TERMINATED)
"""Exit codes of a command that did its work, or was interrupted by Ctrl-C or SIGTERM."""
LONGEST = 2000
"""Characters of a message that somebody still reads."""


_app = typer.main.get_command(cli.app)
"""The command line, put together once."""


class Refused(Exception):
    """A request was refused; the message is what a person saw, ``code`` the exit code."""

    def __init__(self, message: str, code: object = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Case:
    """What a case stands on.

    Attributes:
        draw: its random numbers.
        folder: an empty one of its own.
        base: what all cases of its kind share, see ``Kind``.
        watch: what listens to it.
    """

    draw: Random
    folder: Path
    base: Any
    watch: Watch


@dataclass(frozen=True)
class Kind:
    """A kind of faults.

    Attributes:
        name: what it is called.
        attempt: tries a case: returns if it worked, raises if it was refused or failed.
        ready: makes ``Case.base`` of the folder of materials.
        small: cases that ``make test`` tries.
    """

    name: str
    attempt: Callable[[Case], None]
    ready: Callable[[Path], Any]
    small: int


@dataclass
class Tally:
    """What became of the cases of a kind."""

    kind: str
    seed: int
    tried: int = 0
    refused: int = 0
    worked: int = 0
    failures: list[Verdict] = field(default_factory=list)

    def count(self, verdict: Verdict) -> None:
        self.tried += 1
        if verdict.outcome == "FAILED":
            self.failures.append(verdict)
        elif verdict.outcome == "refused":
            self.refused += 1
        else:
            self.worked += 1

    def add(self, other: "Tally") -> None:
        """Count the cases of another tally of the same kind."""
        self.tried += other.tried
        self.refused += other.refused
        self.worked += other.worked
        self.failures += other.failures

    def __str__(self) -> str:
        text = (
            f"{self.kind}: {self.tried} tried, {self.refused} refused with a sentence, "
            f"{self.worked} worked, {len(self.failures)} FAILED"
        )
        if not self.failures:
            return text
        first = self.failures[0]
        said = " ".join(first.text.split())
        return (
            f"{text}; first: {said:.400}; again: python tests/faults --kind {self.kind} "
            f"--seed {self.seed} --number {first.number}"
        )


KINDS: dict[str, Kind] = {}


def kind(
    small: int, ready: Callable[[Path], Any] = lambda materials: materials
) -> Callable[[Callable[[Case], None]], Callable[[Case], None]]:
    """Make a kind of faults of a function that tries one case; see ``Kind``."""

    def register(attempt: Callable[[Case], None]) -> Callable[[Case], None]:
        name = attempt.__name__.replace("_", "-")
        KINDS[name] = Kind(name, attempt, ready, small)
        return attempt

    return register


def try_cases(of: Kind, seed: int, numbers: Iterable[int], materials: Path) -> Tally:
    """Try cases of a kind, each in a folder of its own, in children."""
    tally = Tally(of.name, seed)
    base: list[Any] = []

    def attempt(number: int, watch: Watch) -> tuple[str, str]:
        if not base:  # In the child, that the parent stays as it is.
            allowed, watch.folders = watch.folders, ("/",)
            base.append(of.ready(materials))
            watch.folders = allowed
        case = Case(Random(f"{of.name} {seed} {number}"), Path.cwd(), base[0], watch)
        return judged(lambda: of.attempt(case))

    for verdict in in_children(numbers, attempt):
        tally.count(verdict)
    return tally


def judged(call: Callable[[], None]) -> tuple[str, str]:
    """Outcome and text of a call."""
    try:
        call()
    except (Refused, *REFUSALS) as error:
        problem = unreadable(str(error))
        return ("FAILED", f"{problem}: {error}"[:4000]) if problem else ("refused", str(error))
    except BaseException as error:
        places = traceback.extract_tb(error.__traceback__)
        inside = [p for p in places if "dartsedu" in p.filename and "faults" not in p.filename]
        place = (inside or places)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return "FAILED", f"{type(error).__name__} in {where}: {error}"[:4000]
    return "worked", ""


def unreadable(message: str) -> str:
    """What keeps a person from reading a message; empty if nothing does."""
    if "Traceback (most recent call last)" in message:
        return "a traceback"
    if len(message.split()) < 4:
        return "a message that says nothing"
    if len(message) > LONGEST:
        return f"a message of {len(message)} characters"
    if " object at 0x" in message:
        return "a message with an address"
    return ""


def command(*arguments: object, seconds: float | None = None) -> str:
    """Run the command line in this process and give what it printed.

    Raises ``Refused`` for exit codes 1 and 2. After ``seconds`` it is told to end, as by SIGTERM:
    what runs well until then has worked.
    """
    shown, complaints = io.StringIO(), io.StringIO()
    sys.argv = ["dartsedu", *map(str, arguments)]
    before = signal.getitimer(signal.ITIMER_REAL)
    if seconds is not None:
        signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM))
        signal.setitimer(signal.ITIMER_REAL, seconds)
    code: object = 0
    try:
        with (
            redirect_stdout(shown),
            redirect_stderr(complaints),
            mock.patch.object(cli, "app", _app),
        ):
            cli.main()
    except SystemExit as done:
        code = done.code
    finally:
        signal.setitimer(signal.ITIMER_REAL, *before)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if code in (1, 2):
        raise Refused(complaints.getvalue(), code)
    if code not in ENDS or "Traceback" in complaints.getvalue():
        raise AssertionError(f"exit code {code}: {complaints.getvalue()}")
    return shown.getvalue()
