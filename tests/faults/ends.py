"""Other ends of a run: files that may not grow, signals, and two starts in one folder."""

import json
import os
import resource
import shutil
import signal
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import tiny
from campaign import Case, Refused, command, judged, kind
from writes import go_on, requests, result

SEEDS = (1, 2)


@cache
def _undisturbed(space: str, seed: int, materials: Path) -> dict[str, Any]:
    folder = Path(f"undisturbed-{space}-{seed}").absolute()
    for request in requests(space, seed, materials, folder):
        command(*request)
    found = result(folder)
    shutil.rmtree(folder)
    return found


def _in_another(call: Callable[[], None], to: Path) -> int:
    """Start ``call`` in another process, which writes outcome and text ``to`` a file."""
    child = os.fork()
    if child == 0:
        to.write_text(json.dumps(judged(call)))
        os._exit(0)
    return child


def _outcome(of: Path) -> tuple[str, str]:
    outcome, text = json.loads(of.read_text())
    assert outcome != "FAILED", text
    return outcome, text


@kind(small=15)
def files_that_may_not_grow(case: Case) -> None:
    """No room inside PyTorch's own writing: a sentence, and the run can be gone on with."""
    space, folder = case.draw.choice(tuple(tiny.PRESETS)), case.folder / "run"
    expected = _undisturbed(space, 1, case.base)
    most = case.draw.randrange(0, 13_000)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # An error, as on a full disk.
        try:
            for request in requests(space, 1, case.base, folder):
                command(*request)
        except Refused as error:
            if error.code != 1:
                raise AssertionError(f"exit code {error.code}, expected 1: {error}") from None
            raise
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    os.waitpid(_in_another(limited, case.folder / "outcome"), 0)
    _, text = _outcome(case.folder / "outcome")
    go_on(space, 1, case.base, folder)
    assert result(folder) == expected, "another end than undisturbed"
    if text:
        raise Refused(text)


@kind(small=15)
def signals(case: Case) -> None:
    """Ctrl-C, SIGTERM or a kill at any time: no traceback, and the run can be gone on with."""
    space, folder = case.draw.choice(tuple(tiny.PRESETS)), case.folder / "run"
    expected = _undisturbed(space, 1, case.base)

    def run() -> None:
        for request in requests(space, 1, case.base, folder):
            signal.signal(signal.SIGINT, signal.default_int_handler)
            command(*request)
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Between commands this is no dartsedu.

    child = _in_another(run, case.folder / "outcome")
    time.sleep(case.draw.uniform(0.02, 0.3))
    os.kill(child, case.draw.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL)))
    os.waitpid(child, 0)
    if (case.folder / "outcome").exists() and (case.folder / "outcome").stat().st_size:
        _outcome(case.folder / "outcome")
    go_on(space, 1, case.base, folder)
    assert result(folder) == expected, "another end than undisturbed"


@kind(small=8)
def two_starts(case: Case) -> None:
    """Two searches that begin in one new folder at once: one is done, the other is refused."""
    space, folder = case.draw.choice(tuple(tiny.PRESETS)), case.folder / "run"
    expected = [_undisturbed(space, seed, case.base) for seed in SEEDS]
    searched = [_of_search(whole) for whole in expected]
    starts = [requests(space, seed, case.base, folder)[0] for seed in SEEDS]
    outcomes = [case.folder / str(seed) for seed in SEEDS]
    together = time.monotonic() + 0.3  # Until both processes are there.

    def begin(start: list[str]) -> None:
        time.sleep(max(0.0, together - time.monotonic()))
        command(*start)

    children = [
        _in_another(lambda start=start: begin(start), outcome)
        for start, outcome in zip(starts, outcomes, strict=True)
    ]
    for child in children:
        os.waitpid(child, 0)
    worked = [_outcome(outcome)[0] == "worked" for outcome in outcomes]
    assert sum(worked) == 1, f"of two starts {sum(worked)} worked"
    found = _of_search(result(folder))
    assert found == searched[worked.index(True)], "neither the one run nor the other"


def _of_search(whole: dict[str, Any]) -> dict[str, Any]:
    """What a search alone leaves of what a whole run does."""
    found = {name: lines for name, lines in whole.items() if not name.startswith("training")}
    found["results.json"] = [
        {name: value for name, value in lines.items() if name not in ("trained", "references")}
        for lines in found["results.json"]
    ]
    return found
