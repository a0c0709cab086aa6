"""Recordings that somebody changed: refused with the line, or read and drawn."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.dashboard import replay
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream import recording as module
from dartsedu.stream.recording import Header, Recorder, Recording, RecordingError
from dartsedu.stream.stream import Step

SPACE = cnn_space(nodes=1, primitives=("none", "skip_connect", "sep_conv_3x3"))


def write(path, count=3):
    """A recording of some steps, and its lines."""
    shapes = {cell.name: SPACE.shape(cell.name) for cell in SPACE.cells}
    with Recorder(path, Header(kind="search", total=3, seed=0, space=SPACE)) as recorder:
        for i in range(count):
            alphas = {name: np.full(shape, i, np.float32) for name, shape in shapes.items()}
            recorder.append(
                Step(i, 0, {"weights": 1.0}, {"weights": 0.5}, {"weights": 0.1}, alphas)
            )
    return path.read_bytes().splitlines()


VALUES = [
    None, True, -1, 0, 1, 7, 0.5, -0.5, 1e39, 1e300, 10**400, "", "x", "cnn", "training", [], {},
    [[0.0]], float("nan"), float("inf"),
]  # fmt: skip


def places(tree, path=()):
    found = [path]
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in pairs:
        found += places(value, (*path, key)) if isinstance(value, dict | list) else [(*path, key)]
    return found


@given(data=st.data())
@settings(derandomize=True, deadline=None, max_examples=300)
def test_a_changed_line_is_refused_with_its_number_or_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("changed") / "r.jsonl"
    lines = write(path)
    number = data.draw(st.integers(0, len(lines) - 1), "line")
    line = json.loads(lines[number])
    *above, key = data.draw(st.sampled_from(places(line)[1:]), "place")
    inner = line
    for step in above:
        inner = inner[step]
    if data.draw(st.booleans(), "left out"):
        del inner[key]
    else:
        inner[key] = data.draw(st.sampled_from(VALUES), "value")
    lines[number] = json.dumps(line).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")
    refused = refusal(path)
    if refused is not None:
        assert f"{path}, line " in refused
        assert len(refused) < 1000


def refusal(path):
    """Why a recording cannot be read, or read and shown; ``None`` if it can."""
    try:
        recording = Recording.load(path)
    except RecordingError as error:
        return str(error)
    for step in recording.steps:
        assert all(np.isfinite(mixture).all() for mixture in step.mixture.values())
    with suppress(RecordingError):  # Its words are looked at elsewhere.
        replay(recording)
    return None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff\xfe{", "line 3: recording is not valid"),
        (b'{"index":' + b"1" * 5000 + b"}", "line 3: recording is not valid"),
        (b"[" * 100_000, "line 3: recording is not valid"),
        (b'{"index":NaN}', "line 3: recording is not valid"),
        (b"", "line 3: recording is not valid"),
        (b"\x00" * 200, "line 3: recording is not valid"),
        (b"x" * 2**11, "line 3: longer than"),
    ],
)
def test_lines_that_are_nothing(tmp_path, monkeypatch, line, words):
    path = tmp_path / "r.jsonl"
    lines = write(path)
    if len(line) == 2**11:
        monkeypatch.setattr(module, "_LONGEST", 2**11)
    path.write_bytes(b"\n".join([*lines[:2], line, *lines[3:], b""]))
    with pytest.raises(RecordingError, match=words):
        Recording.load(path)


def changed(path, number, **fields):
    lines = path.read_bytes().splitlines()
    lines[number] = json.dumps(json.loads(lines[number]) | fields).encode()
    path.write_bytes(b"\n".join(lines) + b"\n")


@pytest.mark.parametrize(
    ("number", "fields", "words"),
    [
        (0, {"total": 10**15}, "line 1.*less than or equal to"),
        (0, {"total": 2}, "line 4: step 2 of a run of 2 steps"),
        (0, {"seed": -1}, "line 1.*greater than or equal to 0"),
        (2, {"loss": {"weights": -0.1}}, "line 3: the loss -0.1 is negative"),
        (2, {"accuracy": {"weights": 1.1}}, "line 3.*less than or equal to 1"),
        (2, {"learning_rate": {"weights": -1}}, "line 3.*greater than or equal to 0"),
        (2, {"alphas": {c.name: [[1e39] * 3] * 2 for c in SPACE.cells}}, "line 3: α of.*beyond"),
    ],
)
def test_values_that_no_run_has(tmp_path, number, fields, words):
    path = tmp_path / "r.jsonl"
    write(path)
    changed(path, number, **fields)
    with pytest.raises(RecordingError, match=f"(?s){words}"):
        Recording.load(path)


def test_a_recording_with_a_header_only(tmp_path):
    path = tmp_path / "r.jsonl"
    write(path, count=0)
    recording = Recording.load(path)
    assert recording.steps == ()
    assert recording.alphas("normal").shape == recording.mixture("normal").shape == (0, 2, 3)
    with pytest.raises(RecordingError, match="holds no step of a search"):
        replay(path)


def test_the_recording_of_an_unknown_space_is_read_but_not_shown(tmp_path):
    """A supernet of one's own may search any space."""
    path = tmp_path / "r.jsonl"
    write(path)
    changed(path, 0, space=SPACE.model_dump() | {"name": "mine"})
    assert len(Recording.load(path).steps) == 3
    with pytest.raises(RecordingError, match="mine"):
        replay(path)
