"""Run folders that somebody edited or put together: one sentence that names the file, never a
traceback."""

import contextlib
import io
import json
import shutil
import sys

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dartsedu.runs.cli import main
from dartsedu.runs.folder import Run

TINY = {
    "cnn": [
        *("--task", "digits"),
        "search.epochs=1",
        "search.batch_size=240",
        "supernet.nodes=1",
        "supernet.channels=2",
        'supernet.primitives=["none", "skip_connect"]',
        "train.epochs=1",
        "train.channels=2",
        "train.seeds=1",
        "train.random_cells=1",
        "train.batch_size=240",
    ],
    "rnn": [
        *("--task", "grammar"),
        "search.epochs=1",
        "search.batch_size=64",
        "search.bptt=100",
        "supernet.hidden=4",
        "supernet.nodes=1",
        "train.hidden=4",
        "train.epochs=1",
        "train.batch_size=64",
        "train.bptt=100",
        "train.seeds=1",
        "train.random_cells=0",
        "train.lstms=0",
    ],
    "equation": [
        *("--task", "weber-fechner"),
        "search.epochs=2",
        "task.rows=30",
        "supernet.nodes=1",
        "supernet.restarts=2",
        'supernet.primitives=["none", "linear"]',
        "train.random_restarts=0",
        "train.formulas=1",
    ],
}


def dartsedu(*arguments):
    """Run the command in this process: its exit code and what it said on stderr."""
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(said):
        patch.setattr(sys, "argv", ["dartsedu", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
    return done.value.code or 0, said.getvalue()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of each space."""
    torch.set_num_threads(1)
    folders = {}
    for space, arguments in TINY.items():
        folder = tmp_path_factory.mktemp("runs") / space
        sets = [p for text in arguments[2:] for p in ("--set", text)]
        assert dartsedu("search", "--out", folder, *arguments[:2], *sets) == (0, "")
        if space != "equation":
            assert dartsedu("train", folder) == (0, "")
        folders[space] = folder
    return folders


WORDS = ["", "x", "équation", "classroom", "equation", "rnn", "cnn", "none", "digits", "csv", "nan"]
NUMBERS = [-1, 0, 1, 10**6, 10**30, -0.5, 1e300, 1e-300]
VALUES = st.sampled_from([None, True, [], {}, [[]], {"x": 1}, *WORDS, *NUMBERS])


def mutated(value, data):
    """A JSON value with one thing in it dropped, replaced, renamed or doubled."""
    places = []

    def visit(inner):
        children = inner.items() if isinstance(inner, dict) else enumerate(inner)
        for key, child in list(children):
            places.append((inner, key))
            if isinstance(child, (dict, list)):
                visit(child)

    visit(value)
    inner, key = data.draw(st.sampled_from(places))
    how = data.draw(st.sampled_from(["drop", "replace", "replace", "rename", "number"]))
    if how == "drop":
        del inner[key]
    elif how == "rename" and isinstance(inner, dict):
        inner[key + "_"] = inner.pop(key)
    elif how == "number" and isinstance(inner[key], (int, float)):
        inner[key] = data.draw(st.sampled_from([-inner[key], inner[key] * 1000, inner[key] + 1]))
    else:
        inner[key] = data.draw(VALUES)
    return value


FILES = [
    (space, name)
    for space in TINY
    for name in ("settings.json", "results.json", "genotype.json", "equation.json")
    if name != "equation.json" or space == "equation"
]


@pytest.mark.parametrize(("space", "name"), FILES)
def test_no_edit_of_a_finished_run_gives_a_traceback(space, name, finished, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(finished[space], folder)
    original = json.loads((folder / name).read_text())

    @settings(
        max_examples=25,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def check(data):
        (folder / name).write_text(json.dumps(mutated(json.loads(json.dumps(original)), data)))
        code, said = dartsedu("show", folder)
        assert code in (0, 2), said
        assert code == 0 or str(folder) in said
        assert "Traceback" not in said

    check()
    capsys.readouterr()


@pytest.mark.parametrize("command", ["show", "resume", "train"])
@pytest.mark.parametrize("space", TINY)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings.json", b"{}"),
        ("settings.json", b"[]"),
        ("settings.json", b"\xff\xfe"),
        ("settings.json", b"[" * 100_000),
        ("results.json", b"nothing"),
        ("results.json", b"\xff\xfe"),
        ("results.json", b"[]"),
        ("results.json", b'{"gap": 1}'),
        ("genotype.json", b"{}"),
        ("genotype.json", b"\xff"),
    ],
)
def test_files_that_are_something_else(command, space, name, content, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[space], folder)
    (folder / name).write_bytes(content)
    code, said = dartsedu(command, folder)
    assert code == 2
    assert str(folder) in said
    if (command, space) != ("train", "equation"):
        assert name in said


def edited(folder, name, change):
    value = json.loads((folder / name).read_text())
    change(value)
    (folder / name).write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("space", "name", "change", "words"),
    [
        ("cnn", "settings.json", lambda v: v.update(seed=-1), "seed"),
        ("cnn", "settings.json", lambda v: v.update(threads=0), "threads"),
        ("cnn", "settings.json", lambda v: v["settings"].update(preset="mine"), "'mine'"),
        ("rnn", "settings.json", lambda v: v["settings"].update(preset="paper"), "rnn-classroom"),
        ("equation", "settings.json", lambda v: v.update(searches=False), "searches"),
        ("cnn", "results.json", lambda v: v["trained"][0]["test"].pop("accuracy"), "test accuracy"),
        ("rnn", "results.json", lambda v: v["trained"][0]["test"].pop("perplexity"), "test perp"),
        ("cnn", "results.json", lambda v: v["gap"]["mixture"].pop("accuracy"), "mixture.accuracy"),
        (
            "equation",
            "results.json",
            lambda v: v["gap"]["mixture"].update(loss=-1.0),
            "mixture.loss",
        ),
        ("equation", "results.json", lambda v: v.pop("findings"), "findings"),
    ],
)
def test_the_file_and_the_field_are_named(space, name, change, words, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished[space], folder)
    edited(folder, name, change)
    for command in ("show", "resume"):
        code, said = dartsedu(command, folder)
        assert (code, str(folder) in said, name in said, words in said) == (2, True, True, True), (
            said
        )


def test_files_of_another_run_are_told(finished, tmp_path):
    for name in ("genotype.json", "recording.jsonl", "results.json"):
        for to in TINY:
            other = next(space for space in TINY if space != to)
            folder = tmp_path / f"{to}-{name}"
            shutil.copytree(finished[to], folder)
            shutil.copy(finished[other] / name, folder / name)
            for command in ("show", "resume"):
                code, said = dartsedu(command, folder)
                # Of a recording only the pictures are missing from the report.
                expected = 0 if (command, name) == ("resume", "recording.jsonl") else 2
                assert (code, name in said) == (expected, True), (name, to, said)


def test_a_recording_with_a_header_only(finished, tmp_path):
    for space in TINY:
        folder = tmp_path / space
        shutil.copytree(finished[space], folder)
        recording = folder / "recording.jsonl"
        recording.write_bytes(recording.read_bytes().split(b"\n")[0] + b"\n")
        for command, expected in (("show", 2), ("resume", 0)):
            code, said = dartsedu(command, folder)
            assert (code, "holds no step" in said) == (expected, True), said
        assert "holds no step" in (folder / "report.html").read_text()


def test_a_table_that_has_moved_does_not_hide_a_finished_run(tmp_path, capsys):
    rows = "".join(f"{i},{3 * i + 1}\n" for i in range(60))
    (tmp_path / "table.csv").write_text("x,y\n" + rows)
    folder = tmp_path / "run"
    data = ["--data", tmp_path / "table.csv", "--target", "y"]
    sets = [p for t in TINY["equation"][2:] if "rows" not in t for p in ("--set", t)]
    assert dartsedu("search", *data, "--out", folder, *sets)[0] == 0
    (tmp_path / "table.csv").unlink()
    capsys.readouterr()
    assert dartsedu("show", folder)[0] == 0
    assert "y = " in capsys.readouterr().out
    code, said = dartsedu("resume", folder)
    assert code == 0
    assert "table.csv" in said
    assert (folder / "report.html").exists()
    assert Run.open(folder).results().findings is not None
