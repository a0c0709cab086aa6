"""Kills and a full disk at every write of a tiny run, and what comes of going on afterwards.

A kill leaves on disk what was written until then, no more: the folder, copied before each write and
in the middle of each, is what a kill at that moment leaves. For a full disk the run is forked at
each of these moments, with no room from then on in the child.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import tiny
from campaign import Refused, Tally, command, judged
from child import Verdict, Watch, in_children
from writing import ROOM, Disk, Kept

_TEMPORARY = re.compile(r"^\.(.+)\.[^.]{8}(\.\w+)?$")


def requests(space: str, seed: int, materials: Path, folder: Path) -> list[list[str]]:
    """The commands that make a whole run."""
    search = [*tiny.search(space, materials), "--seed", str(seed), "--out", str(folder)]
    return [search] if space == "equation" else [search, ["train", str(folder)]]


def go_on(space: str, seed: int, materials: Path, folder: Path) -> None:
    """What somebody does whose run ended: resume it; where nothing had begun, begin again."""
    commands = requests(space, seed, materials, folder)
    try:
        command("resume", folder)
    except Refused:
        if (folder / "settings.json").exists():
            raise
        command(*commands[0])
    for more in commands[1:]:
        command(*more)


def result(folder: Path) -> dict[str, Any]:
    """Everything that a run found, without the time it took."""
    found: dict[str, Any] = {}
    for path in sorted(folder.rglob("*.json*")):
        name = str(path.relative_to(folder))
        if _TEMPORARY.match(path.name):
            continue
        lines = (
            [json.loads(line) for line in path.read_text().splitlines()]
            if (path.suffix == ".jsonl")
            else [json.loads(path.read_text())]
        )
        for line in lines:
            line.pop("elapsed", None)
            for trained in line.get("trained", ()):
                trained.pop("seconds")
        found[name] = lines
    return found


def state(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """What a folder holds: two that are equal are gone on from alike.

    The random part of a temporary file's name does not count.
    """
    held = []
    for path in sorted(folder.rglob("*")):
        name = str(path.parent.relative_to(folder) / _TEMPORARY.sub(r".\1.tmp\2", path.name))
        held.append((name, b"" if path.is_dir() else path.read_bytes()))
    return tuple(sorted(held))


# ---- The run that is looked at ------------------------------------------------------------------


def _observed(
    space: str, seed: int, materials: Path, box: Path, full: bool, only: int | None
) -> None:
    """Make a run in ``box/run`` and leave in ``box/N`` what a fault at moment N leaves of it.

    With ``full`` also ``box/N.json``: how the run with a full disk ended.
    """
    folder, first = box / "run", os.getpid()
    moment = -1

    def before(what: str) -> None:
        nonlocal moment
        # A write that begins on a full disk and one whose middle finds it so end alike.
        if os.getpid() != first or (full and (what == "begin" or what not in ROOM)):
            return
        moment += 1
        if only not in (None, moment):
            return
        if not full:
            _copy(folder, box / str(moment))
            return
        kept = Kept(folder, box / "kept")
        child = os.fork()
        if child == 0:
            disk.full = True
            return
        os.waitpid(child, 0)
        _copy(folder, box / str(moment))
        kept.restore()

    disk = Disk(folder, before)
    outcome = "worked", ""
    try:
        with disk.in_place():
            for request in requests(space, seed, materials, folder):
                outcome = judged(lambda request=request: _run(request))
                if outcome[0] != "worked":
                    break
    finally:
        if os.getpid() != first:
            (box / f"{moment}.json").write_text(json.dumps(outcome))
            os._exit(0)
    if outcome[0] != "worked":
        raise AssertionError(f"undisturbed, the run did not work: {outcome[1]}")


def _run(request: list[str]) -> None:
    try:
        command(*request)
    except Refused as error:
        if error.code != 1:
            raise AssertionError(f"exit code {error.code}, expected 1: {error}") from None
        raise


def _copy(folder: Path, to: Path) -> None:
    to.mkdir()
    if folder.exists():
        shutil.copytree(folder, to / "run")


# ---- Kinds --------------------------------------------------------------------------------------


def try_writes(
    space: str, full: bool, seed: int, materials: Path, only: int | None, exact: bool
) -> Tally:
    """A fault at every write of a run; ``only`` one of them.

    What temporary files hold is told apart only if ``exact``.
    """
    name = f"{'full' if full else 'killed'}-{space}"
    tally = Tally(name, seed)
    with tempfile.TemporaryDirectory(prefix="writes-") as folder:
        box = Path(folder)

        def observe(_: int, watch: Watch) -> tuple[str, str]:
            watch.folders += (str(box),)
            return judged(lambda: _observed(space, seed, materials, box, full, only))

        (verdict,) = in_children([0], observe)
        if verdict.outcome != "worked":
            tally.count(verdict)
            return tally
        expected = result(box / "run")
        moments = sorted(int(path.name) for path in box.iterdir() if path.name.isdigit())
        alike = _alike(box, moments, exact)
        ends = {m: _end(box, m, expected) for m in moments} if full else {}

        def attempt(moment: int, watch: Watch) -> tuple[str, str]:
            watch.folders += (str(box),)
            left = box / str(moment) / "run"
            return judged(lambda: _same_end(space, seed, materials, left, expected))

        firsts = sorted(set(alike.values()))
        gone_on = {verdict.number: verdict for verdict in in_children(firsts, attempt)}
        for moment in moments:
            after = gone_on[alike[moment]]
            end = ends.get(moment, ("worked", ""))
            if end[0] == "FAILED":
                tally.count(Verdict(moment, *end))
            elif after.outcome != "worked":
                said = f"going on afterwards: {after.text}"
                tally.count(Verdict(moment, "FAILED", said))
            else:
                tally.count(Verdict(moment, *end))
    return tally


def _alike(box: Path, moments: Iterable[int], exact: bool) -> dict[int, int]:
    """For each moment the first one that left the same."""
    seen: dict[Any, int] = {}
    found = {}
    for moment in moments:
        key = state(box / str(moment))
        if not exact:
            key = tuple((name, b"" if ".tmp" in name else data) for name, data in key)
        found[moment] = seen.setdefault(key, moment)
    return found


def _end(box: Path, moment: int, expected: dict[str, Any]) -> tuple[str, str]:
    """How a run with a full disk ended; one that says it worked has to be whole."""
    path = box / f"{moment}.json"
    if not path.exists():
        return "FAILED", "the run died"
    outcome, text = json.loads(path.read_text())
    if outcome == "worked" and result(box / str(moment) / "run") != expected:
        return "FAILED", "exit code 0, but its results are not complete"
    return outcome, text


def _same_end(
    space: str, seed: int, materials: Path, folder: Path, expected: dict[str, Any]
) -> None:
    go_on(space, seed, materials, folder)
    found = result(folder)
    wrong = [
        name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name)
    ]
    assert not wrong, f"another end than undisturbed: {', '.join(sorted(wrong))}"


KINDS: dict[str, Callable[..., Tally]] = {}
for _full in (False, True):
    for _space in tiny.PRESETS:

        def _kind(
            seed: int,
            materials: Path,
            only: int | None,
            exact: bool,
            space: str = _space,
            full: bool = _full,
        ) -> Tally:
            return try_writes(space, full, seed, materials, only, exact)

        KINDS[f"{'full' if _full else 'killed'}-{_space}"] = _kind
