"""Run folders of version 0.1.0, as it wrote them: they open, resume, replay and are reported.

Each is tiny: of every space one in the middle of its search, one in the middle of its training and
one that is complete. (Sums differ from processor to processor in their last digits, so only what
stands in the folders is compared.)
"""

import json
import shutil
from pathlib import Path

import pytest

from dartsedu.dashboard import replay
from dartsedu.genotype import Genotype
from dartsedu.runs.cli import app
from dartsedu.runs.folder import Run
from dartsedu.stream.recording import Recording

FOLDERS = sorted((Path(__file__).parent / "version_0_1_0").iterdir())


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def old(request, tmp_path):
    """A copy of an old folder, to be worked on, and the folder itself."""
    return Path(shutil.copytree(request.param, tmp_path / request.param.name)), request.param


def command(*words):
    with pytest.raises(SystemExit) as end:
        app([str(word) for word in words])
    assert end.value.code in (0, None)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def recordings(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob("recording.jsonl"))


def test_it_is_shown_and_replayed(old):
    folder, _ = old
    command("show", folder)
    for path in recordings(folder):
        assert len(Recording.load(folder / path).steps) == len(lines(folder / path)) - 1
    assert replay(folder / "recording.jsonl").figure().alt


def test_it_is_resumed_to_its_end(old):
    folder, before = old
    command("resume", folder)
    run = Run.open(folder)
    assert run.genotype().space == run.settings.space
    for path in recordings(before):  # What was done stays as it is; the rest follows.
        was, now = lines(before / path), lines(folder / path)
        assert now[: len(was)] == was
        assert len(now) == was[0]["total"] + 1
    assert (folder / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f.name.endswith("done")], ids=str)
def test_its_results_are_read_as_they_were(folder):
    written, read = json.loads((folder / "results.json").read_text()), Run.open(folder).results()
    assert read.gap.model_dump(exclude_none=True) == written["gap"]
    for old, new in zip(written.get("trained", []), read.trained, strict=True):
        for split in ("training", "test"):
            ((name, value),) = getattr(new, split).items()
            assert value == old[f"{split}_{name}"]
        assert new.texts.get("sample") == old.get("sample")
    if "findings" in written:
        assert read.findings.found[0].formula == written["findings"]["found"][0]["formula"]
    assert Genotype.load(folder / "genotype.json") == Run.open(folder).genotype()
