"""Whose folder it is: two that begin at once, one killed at any write, files of somebody else."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

import pytest

from dartsedu.data.task import TaskSettings
from dartsedu.data.tasks import load_task
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.runs.claim import RunError, check_free
from dartsedu.runs.folder import Run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="these tests fork")
TINY = ["search.epochs=2", "supernet.restarts=2", "train.random_restarts=0", "train.formulas=1"]
FORK = multiprocessing.get_context("fork") if hasattr(os, "fork") else None


def begin(folder, seed, start, over, told):
    """Begin a run when all are ready, keep it until all have tried; tell who got the folder."""
    settings = load_preset("equation", TINY)
    start.wait()
    try:
        with Run.begun(folder, settings, seed):
            told.put(seed)
            over.wait()
    except RunError:
        over.wait()


@pytest.mark.parametrize("attempt", range(4))
@pytest.mark.parametrize("before", ["nothing", "a beginning"])
def test_of_many_that_begin_at_once_one_gets_the_folder(attempt, before, tmp_path):
    folder = tmp_path / "run"
    if before == "a beginning":
        folder.mkdir()
        for name in (".lock", ".settings.json.abcd1234.json", "genotype.json"):
            (folder / name).write_text("{")
    count = 4
    start, over, told = FORK.Barrier(count), FORK.Barrier(count), FORK.Queue()
    racers = [
        FORK.Process(target=begin, args=(folder, seed, start, over, told)) for seed in range(count)
    ]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(60)
    assert [racer.exitcode for racer in racers] == [0] * count
    winner = told.get(timeout=5)
    assert told.empty()
    assert Run.open(folder).order.seed == winner
    assert {p.name for p in folder.iterdir()} == {".lock", "settings.json"}


def test_two_searches_started_together_do_not_mix(tmp_path):
    sets = [part for text in TINY for part in ("--set", text)]
    command = [sys.executable, "-m", "dartsedu", "search", "--out", str(tmp_path / "run"), *sets]
    command += ["--task", "weber-fechner", "--seed"]
    both = [
        subprocess.Popen([*command, seed], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        for seed in ("1", "2")
    ]
    said = [process.communicate(timeout=300)[1].decode() for process in both]
    codes = [process.returncode for process in both]
    assert sorted(codes) == [0, 2], said
    loser = said[codes.index(2)]
    assert "another process is working on" in loser or "dartsedu resume" in loser
    header = json.loads((tmp_path / "run" / "recording.jsonl").read_text().splitlines()[0])
    seed = Run.open(tmp_path / "run").order.seed
    assert seed == codes.index(0) + 1
    assert header["seed"] == seed


def killed_at(number, folder, settings, genotype):
    """Begin a run in another process, killed before it touches the folder for the ``number``-th
    time. Returns whether it was."""
    child = os.fork()
    if child == 0:
        left = [number]

        def kill(event, arguments):
            ours = event.startswith(("open", "os.", "shutil.")) and str(folder) in str(arguments)
            if ours:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(kill)
        Run.create(folder, settings, 1, genotype)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("kind", ["search", "train"])
def test_wherever_a_beginning_is_killed_the_next_one_begins(kind, tmp_path, monkeypatch):
    """The folder is then a whole run, or as good as empty; it never asks for both or neither."""
    if kind == "search":
        settings, genotype = load_preset("equation", TINY), None
    else:
        settings, genotype = load_preset("classroom"), PUBLISHED["darts-v2"]
    tasks = {s.task.name: load_task(s.task.name) for s in (settings, load_preset("equation"))}
    monkeypatch.setattr(TaskSettings, "load", lambda asked: tasks[asked.name])
    number = 1
    while killed_at(number, folder := tmp_path / str(number), settings, genotype):
        try:
            found = Run.open(folder)
        except RunError as error:
            advice = str(error)
            # What is asked for now may be something else: nothing of the first may be left.
            found = Run.create(folder, load_preset("equation", TINY), 2)
            assert {p.name for p in folder.iterdir()} == {".lock", "settings.json"}
            assert found.order.seed == 2
            assert f"dartsedu search --out {folder}" in advice
        else:
            assert found.order.seed == 1
            assert found.genotype_path.exists() == (genotype is not None)
            with pytest.raises(RunError, match=f"dartsedu resume {folder}"):
                check_free(folder)
        number += 1
    assert number > 10


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "desktop.ini"])
def test_what_file_managers_leave_is_nothing(name, tmp_path):
    (tmp_path / name).write_bytes(b"\0")
    with pytest.raises(RunError, match=f"dartsedu search --out {tmp_path}"):
        Run.open(tmp_path)
    Run.create(tmp_path, load_preset("equation", TINY), 0)
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["thesis.txt", "genotype.json", "recording.jsonl", ".settings"])
def test_files_of_somebody_else_stay_and_no_lock_is_left(name, tmp_path):
    (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match=f"no run's folder: it holds {name}") as refused:
        Run.create(tmp_path, load_preset("equation", TINY), 0)
    assert "resume" not in str(refused.value)
    with pytest.raises(RunError, match="has no settings") as unknown:
        Run.open(tmp_path)
    assert "search" in str(unknown.value)
    assert f"--out {tmp_path}" not in str(unknown.value)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_run_is_locked_from_its_beginning_to_its_end(tmp_path):
    with Run.begun(tmp_path / "run", load_preset("equation", TINY), 0) as run:
        other = Run.open(run.folder).locked()
        with pytest.raises(RunError, match="another process is working on"):
            other.__enter__()
    with run.locked():
        pass
