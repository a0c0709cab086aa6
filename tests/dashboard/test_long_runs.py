"""What a long run takes: memory for its steps, and no thread or file that outlives it."""

import gc
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from comparison import same_step
from hypothesis import given, settings
from hypothesis import strategies as st
from test_live import Browser, eventually, made_up

from dartsedu.dashboard import live
from dartsedu.dashboard.history import History
from dartsedu.dashboard.kept import KeptSteps
from dartsedu.search import Search
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import recorded
from dartsedu.stream.stream import Step

OPEN = Path("/proc/self/fd")
SPACE = cnn_space(nodes=2, primitives=("none", "skip_connect", "sep_conv_3x3"))
"""Of a row of some 200 bytes, like that of a recurrent cell of three nodes."""


def endless(count):
    """Other α at every step, so that the genotype changes, too, without keeping any step."""
    for index in range(count):
        (step,) = made_up(SPACE, 1, seed=index).steps
        yield replace(step, index=index, learning_rate={"weights": 0.1, "architecture": 0.03})


def test_a_watched_run_grows_by_less_than_a_kilobyte_a_step(make_supernet, task, search_settings):
    search = Search(make_supernet(primitives=SPACE.primitives), task, search_settings)
    run = live(search, endless(3000), interval=0.01)
    browser = Browser(run)
    browser.widget.send = lambda *_: None
    taken = {}
    history, append = run._history, run._history.append

    def watched(step):
        append(step)
        if len(history) in (500, 3000):
            gc.collect()
            taken[len(history)], _ = tracemalloc.get_traced_memory()

    history.append = watched
    tracemalloc.start()
    try:
        run.wait(120)
    finally:
        tracemalloc.stop()
    assert 150 < 4 * history.width < 250
    assert (taken[3000] - taken[500]) / 2500 < 1024
    assert len(run.recording.steps) == 3000


def test_starts_and_stops_leave_no_thread_and_no_file(
    make_supernet, task, search_settings, tmp_path
):
    def handles():
        gc.collect()
        return len(list(OPEN.iterdir())) if OPEN.is_dir() else 0

    threads, files = threading.active_count(), handles()
    for number in range(50):
        search = Search(make_supernet(), task, search_settings)
        paths = tmp_path / f"{number}.jsonl", tmp_path / f"{number}.pt"
        run = live(search, recorded(search, *paths, space=search.space))
        run.start()
        run.stop()
        assert run.wait(60)
    eventually(lambda: threading.active_count() == threads)
    assert handles() <= files


numbers = st.floats(allow_nan=False)


@given(
    losses=st.dictionaries(st.sampled_from(["weights", "architecture", "x"]), numbers),
    rates=st.dictionaries(st.text(max_size=3), numbers, max_size=3),
    shapes=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=3),
    dtype=st.sampled_from(["f4", "f8"]),
    written=st.none() | st.text(max_size=5),
)
@settings(derandomize=True, deadline=None)
def test_kept_steps_are_the_steps(losses, rates, shapes, dtype, written):
    random = np.random.default_rng(0)
    arrays = [
        {str(n): random.normal(size=s).astype(dtype) for n, s in enumerate(shapes)}
        for _ in range(2)
    ]
    given = [Step(i, i // 2, losses, {}, rates, *arrays, 0.1 * i, written) for i in range(4)]
    kept = KeptSteps()
    for step in given:
        kept.append(step)
    found = [*kept, kept[-1], *kept[1:3]]
    for one, two in zip([*given, given[-1], *given[1:3]], found, strict=True):
        assert same_step(one, two)
        assert (one.elapsed, one.written) == (two.elapsed, two.written)
        assert list(one.alphas) == list(two.alphas)
        assert not any(array.flags.writeable for array in two.alphas.values())
    with pytest.raises(IndexError):
        kept[4]
    assert list(kept[4:]) == []


def test_a_history_gives_the_genotypes_of_its_rule():
    recording = made_up(SPACE, 5)
    history = History(recording.header, recording.steps, "shared-predecessor")
    found = history.genotypes(recording.steps)
    assert found == history.genotypes(history.steps)
    assert len(found) == 5
