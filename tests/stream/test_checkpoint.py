"""Checkpoints under faults: a disk that fills up, and files that somebody changed."""

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dartsedu.base.packing import Packed, pack, unpack
from dartsedu.base.values import atomic_path, leftovers
from dartsedu.data.tasks import load_task
from dartsedu.data.text import END, TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.genotype import random_genotype
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.equation.supernet import EquationSupernet, equation_space
from dartsedu.spaces.rnn import RNNNetwork, RNNSupernet, rnn_space
from dartsedu.stream import checkpoint
from dartsedu.stream.recording import Header, Recorder, Recording
from dartsedu.stream.stream import CheckpointError
from dartsedu.train import Training

# ---- A disk that fills up -----------------------------------------------------------------------


def names(folder):
    return [path.name for path in folder.iterdir()]


class Full:
    """A file on a disk that takes so many bytes more."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        self.room -= len(data)
        if self.room < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self.file.write(data)


STATE = {"a": torch.arange(700.0), "b": [1, None, "c"], "d": torch.zeros(3, dtype=torch.int64)}


def test_a_disk_full_at_any_byte_is_named_and_the_old_checkpoint_stays(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    checkpoint.write(path, STATE)
    old = path.read_bytes()
    plain = checkpoint._Patient
    for room in (*range(0, len(old), 97), len(old) - 1):
        monkeypatch.setattr(checkpoint, "_Patient", lambda f, room=room: plain(Full(f, room)))
        with pytest.raises(OSError, match=r"No space left.*intact; make room.*c\.pt") as full:
            checkpoint.write(path, STATE)
        assert full.value.errno == errno.ENOSPC
        assert full.value.filename == str(path)
        assert path.read_bytes() == old
        assert names(tmp_path) == ["c.pt"]
    assert checkpoint.read(path).keys() == STATE.keys()


LIMITED = """
import resource, signal, sys, torch
from dartsedu.stream import checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for room in range(0, 40_000, 1000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
    try:
        checkpoint.write(__import__("pathlib").Path(sys.argv[1]), {"w": torch.ones(9000)})
    except OSError as error:
        assert error.filename == sys.argv[1], error
    else:
        break
print(room)
"""


def test_a_real_file_that_may_not_grow(tmp_path):
    """The system itself refuses the write, at the end of a buffer or when the file is closed."""
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "c.pt")]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stderr == ""
    assert int(found.stdout) > 36_000
    assert names(tmp_path) == ["c.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_recording_on_a_full_disk_says_where(tmp_path):
    path = tmp_path / "r.jsonl"
    recorder = Recorder(path, Header(kind="training", total=3, seed=0))
    recorder._file = Path("/dev/full").open("wb")  # noqa: SIM115 - the recorder closes it
    with pytest.raises(OSError, match=r"No space left.*r\.jsonl"), recorder:
        recorder._write("{}")
    assert Recording.load(path).steps == ()


# ---- File systems that can do less ---------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_a_file_system_without_chmod_and_fsync(tmp_path, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    for name in ("chmod", "fchmod", "fsync"):
        monkeypatch.setattr(os, name, refuse)
    checkpoint.write(tmp_path / "c.pt", STATE)
    assert names(tmp_path) == ["c.pt"]


def test_a_new_file_may_be_read_by_whom_the_umask_lets(tmp_path):
    before = os.umask(0o027)
    try:
        checkpoint.write(tmp_path / "c.pt", STATE)
    finally:
        os.umask(before)
    assert (tmp_path / "c.pt").stat().st_mode & 0o777 == 0o640


def test_a_disk_that_fails_when_asked_to_be_sure_is_not_believed(tmp_path, monkeypatch):
    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=r"Input/output error.*c\.pt"):
        checkpoint.write(tmp_path / "c.pt", STATE)
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_found(tmp_path):
    path = tmp_path / "a[1].pt"
    with atomic_path(path) as temporary:
        assert leftovers(path) == [temporary]
    assert leftovers(path) == []
    assert path.exists()


# ---- Files that somebody changed -----------------------------------------------------------------


def equation_search():
    torch.manual_seed(0)
    task = load_task("weber-fechner")
    space = equation_space(len(task.variables), 1, ("none", "linear", "ln"))
    chosen = load_preset("equation", ["search.epochs=3"]).search
    return Search(EquationSupernet(space, restarts=2), task, chosen)


def small_text():
    """A text of 12 words that come in runs."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(0, 3, (400,), generator=generator).cumsum(0) % 12
    weights, architecture, test = (TextSplit(part) for part in words.split([200, 120, 80]))
    names = (END, *"abcdefghijk")
    return TextTask(
        name="tiny",
        words=names,
        weights=weights,
        architecture=architecture,
        test=test,
        training=weights,
    )


def recurrent_search():
    torch.manual_seed(0)
    supernet = RNNSupernet(rnn_space(nodes=1), words=12, hidden=4)
    chosen = load_preset("rnn-classroom").search
    changes = {"epochs": 2, "batch_size": 8, "bptt": 12}
    return Search(supernet, small_text(), chosen.model_copy(update=changes))


def recurrent_training():
    torch.manual_seed(0)
    network = RNNNetwork(random_genotype(rnn_space(nodes=1), 0), words=12, hidden=4)
    chosen = load_preset("rnn-classroom").train
    changes = {"epochs": 3, "batch_size": 8, "bptt": 12, "non_monotone": 1}
    return Training(network, small_text(), chosen.model_copy(update=changes))


STREAMS = {f.__name__: f for f in (equation_search, recurrent_search, recurrent_training)}
CHANGES = {
    "a tensor that only seems large": lambda _: torch.ones(1).expand(10**12),
    "nothing": lambda _: None,
    "true": lambda _: True,
    "minus one": lambda _: -1,
    "one more": lambda x: x + 1,
    "huge": lambda _: 10**30,
    "a half": lambda _: 0.5,
    "minus a half": lambda _: -0.5,
    "nan": lambda _: math.nan,
    "infinite": lambda _: math.inf,
    "text": lambda _: "x",
    "bytes": lambda _: b"x",
    "a list": lambda x: [x],
    "empty": lambda _: {},
    "a dtype": lambda _: torch.float16,
    "no tensor": lambda _: torch.empty(0),
    "another shape": lambda x: torch.cat([x.flatten(), x.flatten()]),
    "one number of nan": lambda x: torch.where(torch.arange(x.numel()).view(x.shape) == 0, nan, x),
    "another type": lambda x: x.to(torch.complex64),
}
nan = torch.tensor(math.nan)


def leaves(tree, path=()):
    """Where everything stands in a tree of dictionaries and sequences."""
    found = [path]
    if isinstance(tree, dict):
        for key, value in tree.items():
            found += leaves(value, (*path, key))
    elif isinstance(tree, list | tuple):
        for number, value in enumerate(tree):
            found += leaves(value, (*path, number))
    return found


def changed(tree, path, change):
    """A copy of a tree with one thing in it changed; ``change`` ``None`` leaves it out."""
    key, *rest = path
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    copy = dict(pairs)
    if rest:
        copy[key] = changed(copy[key], rest, change)
    elif change is None:
        del copy[key]
    else:
        copy[key] = change(copy[key])
    return copy if isinstance(tree, dict) else type(tree)(copy.values())


@pytest.fixture(scope="module", params=STREAMS)
def begun(request, tmp_path_factory):
    """How a stream is made, what it wrote half way, and where to write."""
    make = STREAMS[request.param]
    stream = make()
    for _ in range(stream.total - 2):
        next(stream)
    path = tmp_path_factory.mktemp("run") / "c.pt"
    stream.save(path)
    return make, checkpoint.read(path), path


def of(stream):
    """All that a stream stands at, as plain values."""
    packed = pack(stream._state())
    tensors = {str(dtype): vector.tolist() for dtype, vector in packed.tensors.items()}
    return stream.done, stream._elapsed, repr(packed.state), repr(tensors)


@given(data=st.data())
@settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=list(HealthCheck),
)
def test_a_changed_checkpoint_is_refused_as_a_whole_or_goes_on(begun, data):
    make, saved, path = begun
    state = unpack(Packed(saved["state"], saved["tensors"], saved["sizes"]))
    packed = data.draw(st.booleans(), "change what is packed")
    tree = saved if packed else saved | {"state": state}
    place = data.draw(st.sampled_from(leaves(tree)[1:]), "place")
    names = [*CHANGES, "left out"][0 if packed else 1 :]
    name = data.draw(st.sampled_from(names), "change")
    try:
        tree = changed(tree, place, CHANGES.get(name))
    except (TypeError, AttributeError):  # Not for what stands there.
        return
    if not packed and "state" in tree:
        tree |= pack(tree["state"])._asdict()
    torch.save(tree, path)
    stream = make()
    before = of(stream)
    refused = refusal(stream, path)
    if refused is None:
        assert len(list(stream)) == stream.total - tree["done"]
    else:
        assert str(path) in refused
        assert len(refused) < 1500
        assert of(stream) == before
        assert next(stream).index == 0


def refusal(stream, path):
    """Why a stream cannot go on from a checkpoint, ``None`` if it can."""
    try:
        stream.load(path)
    except CheckpointError as error:
        return str(error)
    return None


@pytest.mark.parametrize("content", [b"", b"just text\n", b"PK\x03\x04", b"\x80\x02.", b"{}"])
def test_a_file_that_is_no_checkpoint(tmp_path, content):
    (tmp_path / "c.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match="it is not a checkpoint, or a damaged one"):
        equation_search().load(tmp_path / "c.pt")


def test_a_checkpoint_cut_anywhere(tmp_path, begun):
    make, saved, _ = begun
    torch.save(saved, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    for end in range(0, len(whole), len(whole) // 40):
        (tmp_path / "c.pt").write_bytes(whole[:end])
        with pytest.raises(CheckpointError, match="it is not a checkpoint, or a damaged one"):
            make().load(tmp_path / "c.pt")
