"""``make demo``, whole, and what it leaves behind."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import Page

from dartsedu.runs.folder import Run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that ``make demo`` leaves, made in the environment that runs the tests."""
    assert shutil.which("make"), "make is needed for this test: apt install make"
    folder = tmp_path_factory.mktemp("demo") / "demo"
    binaries = Path(sys.executable).parent
    subprocess.run(
        # -o: the environment is there already, do not install it again.
        ["make", "demo", f"DEMO={folder}", f"BIN={binaries}", "-o", ".venv/installed"],
        cwd=ROOT,
        check=True,
        timeout=900,
    )
    return folder


def test_the_demo_searches_and_finds_a_valid_cell(demo):
    run = Run.open(demo)
    recording = run.recording()
    assert len(recording.steps) == recording.header.total == 64
    run.genotype().check(recording.space)
    first, last = (
        sum(step.loss["architecture"] for step in part) / 20
        for part in (recording.steps[:20], recording.steps[-20:])
    )
    assert last < first / 2
    assert run.results().gap.mixture.accuracy > 0.7


def test_the_demo_trains_networks_that_have_learned(demo):
    """Chance is 0.1; a random cell has half of the digits right."""
    trained = Run.open(demo).results().trained
    assert [t.kind for t in trained] == ["genotype"] * 3 + ["random"] * 3
    found = [t.test["accuracy"] for t in trained if t.kind == "genotype"]
    assert sum(found) / 3 > 0.8
    assert min(found) > 0.7


def test_the_demo_leaves_a_complete_report(demo):
    page = Page((demo / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert len(page.images) == 8
    assert all(address.startswith("data:") for address in page.addresses)
    words = " ".join(page.words)
    assert "random cells, same budget, mean of 3" in words
    assert "95 % interval" in words
