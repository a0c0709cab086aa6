"""A space and a data set of another distribution, which the package has never heard of."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

TOY = Path(__file__).parents[1] / "toy"
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join([str(TOY), os.environ.get("PYTHONPATH", "")])
}


def python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def dartsedu(*arguments):
    return python("-m", "dartsedu", *arguments)


def without_times(folder):
    lines = [json.loads(line) for line in (folder / "recording.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "elapsed"} for line in lines]


def test_it_is_found_searched_trained_and_reported(tmp_path):
    folder = tmp_path / "run"
    assert "square" in dartsedu("search", "--space", "toy", "--out", folder)
    told = dartsedu("train", folder)
    assert "genotype-0: test error" in told
    page = (folder / "report.html").read_text()
    assert "curve cell" in page.lower()
    assert (folder / "pictures" / "cells.svg").exists()
    results = json.loads((folder / "results.json").read_text())
    assert [t["kind"] for t in results["trained"]] == ["genotype"] * 2 + ["random"] * 2
    assert "error" in results["trained"][0]["test"]
    assert "toy" in dartsedu("show", folder)
    assert "numbers" in dartsedu("show", "toy")
    assert dartsedu("show", folder / "genotype.json", "--out", tmp_path / "cell.svg")
    assert "square" in (tmp_path / "cell.svg").read_text()


def test_a_data_set_of_another_distribution_brings_its_space(tmp_path):
    dartsedu("search", "--task", "wave", "--out", tmp_path / "run")
    settings = json.loads((tmp_path / "run" / "settings.json").read_text())["settings"]
    assert (settings["space"], settings["task"]["name"]) == ("toy", "wave")


def test_it_resumes_after_a_kill_as_if_never_killed(tmp_path):
    request = ["search", "--preset", "toy", "--set", "search.epochs=300"]
    command = [sys.executable, "-m", "dartsedu", *request, "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    checkpoint = tmp_path / "killed" / "checkpoint.pt"
    end = time.monotonic() + 60
    while not checkpoint.exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(without_times(tmp_path / "killed")) < 601
    dartsedu("resume", tmp_path / "killed")
    dartsedu(*request, "--out", tmp_path / "whole")
    assert without_times(tmp_path / "killed") == without_times(tmp_path / "whole")


def test_it_is_shown_live():
    code = """
from dartsedu import Search, live, load_preset
from dartsedu.spaces.build import build_supernet
settings = load_preset("toy")
task = settings.task.load()
run = live(Search(build_supernet(settings, task, 0), task, settings.search))
run.start()
assert run.wait(30)
described = run._history.describe("toy")
labels = [primitive["label"] for primitive in described["primitives"]]
print(labels, described["cells"][0]["name"], len(run.recording.steps))
"""
    assert python("-c", code).split() == ["['straight',", "'square']", "curve", "10"]
