import json

import numpy as np
import pytest
from comparison import same_step

from dartsedu.search import Search
from dartsedu.stream.recording import Header, Recorder, Recording, RecordingError, recorded
from dartsedu.stream.stream import NonFiniteError


@pytest.fixture
def search(make_supernet, task, search_settings):
    return Search(make_supernet(), task, search_settings)


@pytest.fixture
def files(tmp_path):
    return tmp_path / "recording.jsonl", tmp_path / "checkpoint.pt"


def record(search, files, **options):
    return recorded(search, *files, space=search.space, **options)


def test_a_recording_gives_the_steps_back_exactly(search, files):
    steps = list(record(search, files))
    recording = Recording.load(files[0])
    assert recording.header == Header(kind="search", total=9, seed=0, space=search.space)
    assert all(same_step(a, b) for a, b in zip(steps, recording.steps, strict=True))
    assert recording.alphas("normal").shape == recording.mixture("normal").shape == (9, 5, 4)
    assert recording.alphas("normal").dtype == np.float32


def test_a_step_is_on_disk_before_it_is_seen(search, files):
    for count, step in enumerate(record(search, files), 1):
        assert same_step(Recording.load(files[0]).steps[-1], step)
        assert len(Recording.load(files[0]).steps) == count


def test_a_line_cut_short_by_a_crash_is_left_out(search, files):
    list(record(search, files))
    text = files[0].read_bytes()
    files[0].write_bytes(text[:-40])
    assert len(Recording.load(files[0]).steps) == 8


def test_stopping_to_listen_saves_a_checkpoint(search, files, make_supernet, task, search_settings):
    for step in record(search, files, checkpoint_every=100):
        if step.index == 4:
            break
    resumed = Search(make_supernet(), task, search_settings).load(files[1])
    assert resumed.done == 5
    rest = list(record(resumed, files))
    assert [step.index for step in rest] == [5, 6, 7, 8]
    assert [step.index for step in Recording.load(files[0]).steps] == list(range(9))


def test_steps_after_the_checkpoint_are_done_again(
    search, files, make_supernet, task, search_settings
):
    stream = record(search, files, checkpoint_every=4)
    for _ in range(6):
        next(stream)
    old = Recording.load(files[0]).steps
    resumed = Search(make_supernet(), task, search_settings).load(files[1])
    assert resumed.done == 4  # As if the process had been killed here.
    list(record(resumed, files))
    new = Recording.load(files[0]).steps
    assert len(new) == 9
    assert all(same_step(a, b) for a, b in zip(old, new[:6], strict=True))


def test_a_failing_run_keeps_everything_up_to_there(search, files):
    stream = record(search, files)
    for _ in range(3):
        next(stream)
    checkpoint = files[1].read_bytes()
    search.task.weights.images = search.task.weights.images.float() * float("inf")
    with pytest.raises(NonFiniteError):
        next(stream)
    assert len(Recording.load(files[0]).steps) == 3
    assert files[1].read_bytes() == checkpoint


def test_a_disk_that_is_full_loses_one_step_and_no_more(
    search, files, make_supernet, task, search_settings, monkeypatch
):
    stream = record(search, files, checkpoint_every=100)
    for _ in range(3):
        next(stream)
    with monkeypatch.context() as patch:
        patch.setattr(Recorder, "append", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with pytest.raises(OSError, match="disk full"):
            next(stream)
    assert not files[1].exists()  # No checkpoint that is ahead of the recording.
    again = Search(make_supernet(), task, search_settings)
    assert len(list(record(again, files))) == 9


def test_continuing_needs_the_recording_of_the_same_run(search, files):
    header = Header.of(search, search.space)
    with pytest.raises(RecordingError, match="no recording"):
        Recorder(files[0], header, keep=2)
    list(record(search, files))
    with pytest.raises(RecordingError, match="of another run"):
        Recorder(files[0], header.model_copy(update={"seed": 5}), keep=2)
    with pytest.raises(RecordingError, match="holds 9 steps, fewer than the 20"):
        Recorder(files[0], header, keep=20)


def damaged(change):
    def write(path):
        lines = path.read_text().splitlines()
        change(lines)
        path.write_text("\n".join(lines) + "\n")

    return write


def edited(number, **fields):
    def change(lines):
        lines[number] = json.dumps(json.loads(lines[number]) | fields)

    return damaged(change)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda p: p.unlink(), "cannot read the recording"),
        (lambda p: p.write_text(""), "is empty"),
        (lambda p: p.write_text("hello\n"), "line 1"),
        (edited(0, version=2), "line 1.*version"),
        (edited(3, index=7), "line 4: step 7 where step 2 was expected"),
        (edited(3, alphas={}), r"line 4: α of the cells \[\]"),
        (edited(3, alphas={"normal": [[0.0]], "reduce": [[0.0]]}), "not the shape"),
        (edited(3, loss={"weights": "low"}), "line 4.*valid number"),
        (edited(3, surprise=1), "line 4.*unknown field"),
        (damaged(lambda lines: lines.insert(2, "{")), "line 3"),
    ],
)
def test_malformed_recordings_are_refused_with_the_line(search, files, damage, words):
    list(record(search, files))
    damage(files[0])
    with pytest.raises(RecordingError, match=f"(?s){words}"):
        Recording.load(files[0])
