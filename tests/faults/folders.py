"""What a run left behind, changed before it goes on: checkpoints, and the files of its folder."""

import json
import shutil
from pathlib import Path
from typing import Any

import damage
import tiny
import torch
from campaign import Case, command, kind
from report import drawn

from dartsedu.runs.folder import Run
from dartsedu.search import Search
from dartsedu.stream.stream import NonFiniteError

# ---- Checkpoints --------------------------------------------------------------------------------


def _searches(materials: Path) -> list[tuple[Path, Search]]:
    """Searches, and a checkpoint from the middle of each."""
    found = []
    for space, folder in tiny.runs(materials).items():
        run = Run.open(folder)
        search = run.begin_search("cpu")
        if space != "cnn":  # Whose only step is the last one.
            path = Path(f"{space}.pt").absolute()
            middle = _fresh(run)
            next(middle)
            middle.save(path)
            found.append((path, search))
    return found


def _fresh(run: Run) -> Search:
    checkpoint = run.folder / "checkpoint.pt"
    hidden = checkpoint.rename(run.folder / "elsewhere.pt")
    try:
        return run.begin_search("cpu")
    finally:
        hidden.rename(checkpoint)


def _saved_searches(materials: Path) -> list[tuple[dict[str, Any], bytes, Search]]:
    return [
        (torch.load(path, weights_only=True), path.read_bytes(), search)
        for path, search in _searches(materials)
    ]


@kind(small=1000, ready=_saved_searches)
def checkpoints(case: Case) -> None:
    """A changed checkpoint is refused when it is loaded, or the search goes on from it."""
    saved, _, search = case.draw.choice(case.base)
    path = case.folder / "checkpoint.pt"
    torch.save(damage.damaged_tree(case.draw, saved, _leaf), path)
    _go_on(search, path)


@kind(small=500, ready=_saved_searches)
def checkpoint_bytes(case: Case) -> None:
    """A damaged checkpoint file is refused when it is loaded, or the search goes on from it."""
    _, data, search = case.draw.choice(case.base)
    path = case.folder / "checkpoint.pt"
    path.write_bytes(damage.damaged_bytes(case.draw, data))
    _go_on(search, path)


def _go_on(search: Search, path: Path) -> None:
    search._failure = None
    search.load(path)
    try:
        next(search, None)
    except NonFiniteError:
        return  # Numbers of w or α are what they are.


def _leaf(draw: Any, before: Any) -> Any:
    if not isinstance(before, torch.Tensor):
        return damage.value(draw)
    changed = before.clone()
    what = draw.choice(("value", "nan", "cut", "none", "shape", "type", "count"))
    if what == "cut":
        return changed[: len(changed) // 2]
    if what == "shape":
        return changed.reshape(1, -1)
    if what == "type":
        return changed.to(draw.choice((torch.int8, torch.float64, torch.complex64)))
    if what == "nan" and changed.is_floating_point() and len(changed):
        changed[draw.randrange(len(changed))] = float("nan")
        return changed
    if what == "count" and not changed.is_floating_point() and len(changed):
        changed[draw.randrange(len(changed))] = draw.choice((-1, 0, 10**6, 2**62))
        return changed
    return damage.value(draw)


# ---- Folders ------------------------------------------------------------------------------------

FILES = ("settings.json", "results.json", "genotype.json", "recording.jsonl", "equation.json")


def _damaged_folder(case: Case) -> Path:
    """A finished run with a file or two that were edited, lost, or taken from another run."""
    draw, runs = case.draw, tiny.runs(case.base)
    folder = case.folder / "run"
    shutil.copytree(runs[draw.choice(tuple(runs))], folder)
    changed = set[str]()
    for _ in range(draw.choice((1, 1, 2))):
        names = [name for name in FILES if (folder / name).is_file()]
        name = draw.choice((*names, "settings.json", "results.json"))
        path = folder / name
        what = draw.choice(("json", "json", "json", "bytes", "lost", "foreign", "empty", "folder"))
        if what == "foreign":
            other = runs[draw.choice(tuple(runs))] / name
            if other.exists():
                shutil.copy(other, path)
        elif not path.is_file():
            continue
        elif what == "json" and path.suffix == ".json" and name not in changed:
            path.write_bytes(damage.written_json(draw, json.loads(path.read_bytes())))
        elif what in ("json", "bytes"):
            path.write_bytes(damage.damaged_bytes(draw, path.read_bytes()))
        elif what == "empty":
            path.write_bytes(b"")
        else:
            path.unlink()
            if what == "folder":
                path.mkdir()
        changed.add(name)
    return folder


@kind(small=1000)
def folders(case: Case) -> None:
    """A changed folder is shown, or refused with a sentence."""
    command("show", _damaged_folder(case))


@kind(small=60)
def folders_resumed(case: Case) -> None:
    """A changed folder is resumed and trained, or refused with a sentence."""
    folder = _damaged_folder(case)
    if case.draw.random() < 0.3:
        shutil.rmtree(folder / "training", ignore_errors=True)
    if case.draw.random() < 0.3 and (folder / "genotype.json").is_file():
        (folder / "genotype.json").unlink()
    command(case.draw.choice(("resume", "train")), folder, seconds=1)


@kind(small=6)
def folders_reported(case: Case) -> None:
    """A changed folder has a report, or is refused with a sentence."""
    with drawn():
        command("resume", _damaged_folder(case), seconds=1)
