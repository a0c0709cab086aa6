"""Where the cell of each step stands among all: rows, description, recordings, pictures."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from comparison import same_step

from dartsedu.dashboard import compare, live, replay
from dartsedu.dashboard.history import History
from dartsedu.dashboard.standing import ROW
from dartsedu.derivation import derive
from dartsedu.presets import load_preset
from dartsedu.relaxation import mixture_weights
from dartsedu.runs.folder import Run
from dartsedu.runs.terminal import summary
from dartsedu.search import Search
from dartsedu.spaces.bench.supernet import bench_space
from dartsedu.spaces.build import build_supernet
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import Header, Recording, recorded
from dartsedu.stream.stream import Step, after_steps, until
from dartsedu.truth import TruthError, load_truth
from dartsedu.truth.table import PLACE

ASKED = load_preset("bench-classroom", ["search.epochs=1", "search.batch_size=128"])


@pytest.fixture(scope="module")
def truth():
    return load_truth("bench-digits")


def made_up(space, count=12, seed=0):
    """A recording of random α."""
    random, steps = np.random.default_rng(seed), []
    for index in range(count):
        alphas = {c.name: random.normal(size=space.shape(c.name)).astype("f4") for c in space.cells}
        mixture = {n: mixture_weights(torch.from_numpy(a)).numpy() for n, a in alphas.items()}
        losses = {"weights": 1.0, "architecture": 2.0}
        steps.append(Step(index, 0, losses, {}, {}, alphas, mixture, 0.1 * index))
    return Recording(Header(kind="search", total=count, seed=seed, space=space), tuple(steps))


def make_search():
    task = ASKED.task.load()
    return Search(build_supernet(ASKED, task, 0), task, ASKED.search, seed=0)


def scalars(history):
    """The named numbers of every row."""
    names = history.describe("")["scalars"]
    rows = np.frombuffer(history.rows(0, 10**6), "<f4").reshape(len(history), history.width)
    return {name: rows[:, place] for place, name in enumerate(names)}


def by_hand(truth, genotypes):
    """Rank, accuracy and regret by sorting the counts of right answers."""
    right = truth.test_right.astype(int).sum(axis=1)
    own = right[[truth.row(genotype) for genotype in genotypes]]
    questions = truth.test_size * len(truth.about.seeds)
    rank = [1 + int((right > count).sum()) for count in own]
    return np.array([rank, own / questions, (right.max() - own) / questions])


# ---- What the browser gets -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primitives", "rule"),
    [
        (bench_space().primitives, "argmax"),
        (bench_space().primitives, "paper"),
        (("nor_conv_3x3", "none"), "argmax"),  # Fewer primitives than the table, in another order.
    ],
)
def test_rows_say_where_the_cell_stands(truth, primitives, rule):
    space = bench_space(primitives)
    recording = made_up(space)
    shown = replay(recording, rule, truth=truth)
    found = scalars(shown._histories[""])
    genotypes = [derive(space, step.alphas, rule) for step in recording.steps]
    np.testing.assert_array_equal(found[ROW], [truth.row(genotype) for genotype in genotypes])
    np.testing.assert_allclose([found[n] for n in PLACE], by_hand(truth, genotypes), rtol=1e-6)
    assert str(truth.standing(genotypes[-1])) in shown.figure().alt
    measure = truth.measure(rule, space)
    kept = np.array([list(measure(step).values()) for step in recording.steps]).T
    np.testing.assert_allclose(kept, by_hand(truth, genotypes), rtol=1e-12)
    assert tuple(measure(recording.steps[0])) == PLACE


def test_the_browser_gets_the_table_once(truth, tmp_path):
    recording = made_up(bench_space())
    shown = compare({"one": recording, "other": recording}, truth=truth)
    spec = json.loads(json.dumps(shown._spec("replay"), allow_nan=False))
    table = spec["truth"]
    assert table["name"] == "bench-digits"
    assert table["parameters"] == truth.parameters.tolist()
    np.testing.assert_allclose(table["accuracies"], truth.accuracies, atol=6e-5)
    assert all("truth" not in run for run in spec["runs"])
    titles = [chart["title"] for chart in spec["runs"][0]["charts"]]
    assert titles[-2:] == ["rank", "true accuracy"]
    assert replay(recording)._spec("replay")["truth"] is None
    page = shown.export_html(tmp_path / "page.html").read_text()
    state = json.loads(re.search(r'id="state">(.*?)</script>', page, re.S)[1])
    assert state["spec"]["truth"] == table
    assert shown.figure().alt.count("The 5,425 different cells") == 2


def test_a_curve_of_the_readers_own_goes_before(truth):
    series = {"rank": lambda step, genotype: truth.rank(genotype)}
    history = History(made_up(bench_space()).header, (), "argmax", series, truth)
    lines = [line for chart in history.describe("")["charts"] for line in chart["lines"]]
    assert [line["scalar"] for line in lines][-2:] == ["true accuracy", "series rank"]


def test_a_cell_that_the_table_lacks_has_no_place(truth):
    """``threshold`` leaves edges out; that ends neither a search nor its view."""
    space = bench_space()
    recording = made_up(space, 3)
    shown = replay(recording, "threshold", truth=truth)
    found = scalars(shown._histories[""])
    assert all(np.isnan(found[name]).all() for name in (*PLACE, ROW))
    assert truth.measure("threshold", space)(recording.steps[0]) == {}
    assert "passes through" not in shown.figure().alt


def test_a_table_that_does_not_fit_is_refused_before_anything_starts(
    truth, task, make_supernet, search_settings
):
    search = Search(make_supernet(0), task, search_settings, seed=0)
    first = live(search)
    with pytest.raises(TruthError, match=r"'bench' and does not fit.* is in the space 'cnn'"):
        live(search, truth=truth)
    assert first.state == "ready"  # Not even stopped.
    first.stop()
    first.wait(60)
    foreign = made_up(cnn_space(nodes=1))
    for show in (replay, lambda given, **more: compare({"a": given}, **more)):
        with pytest.raises(TruthError, match="the table 'bench-digits' is of the space 'bench'"):
            show(foreign, truth=truth)
    space = bench_space()
    with pytest.raises(TruthError, match="primitives that the table has not: sep_conv_3x3"):
        truth.check(space.model_copy(update={"primitives": ("none", "sep_conv_3x3")}))
    cell = space.cells[0].model_copy(update={"only_last": False})
    with pytest.raises(TruthError, match="other states or edges"):
        truth.measure(space=space.model_copy(update={"cells": (cell,)}))


# ---- Live and on disk ----------------------------------------------------------------------------


def test_a_live_search_and_a_run_of_its_own_say_the_same(truth, tmp_path):
    bare = list(until(make_search(), after_steps(3)))
    search = make_search()
    shown = live(search, until(search, after_steps(3)), truth=truth)
    assert shown.wait(60)
    assert all(map(same_step, shown.steps, bare))
    found = scalars(shown._history)
    genotypes = [derive(search.space, step.alphas, ASKED.search.rule) for step in bare]
    np.testing.assert_allclose([found[n] for n in PLACE], by_hand(truth, genotypes), rtol=1e-6)


def test_recordings_of_runs_hold_it_and_go_on_bit_for_bit(truth, tmp_path):
    run = Run.create(tmp_path / "run", ASKED, 0)
    search = run.begin_search("cpu")
    steps = run.follow_search(search)
    for _ in range(2):  # Stopped and resumed in between.
        next(steps)
    steps.close()
    again = Run.open(tmp_path / "run")
    search = again.begin_search("cpu")
    list(again.follow_search(search))
    known = again.recording().steps
    plain = tmp_path / "plain.jsonl", tmp_path / "plain.ckpt"
    other = run.begin_search("cpu")
    assert other.done == len(known)
    fresh = make_search()
    torch.set_num_threads(run.order.threads)
    bare = list(recorded(fresh, *plain, space=fresh.space))
    for step, same in zip(known, bare, strict=True):
        assert same_step(step, replace(same, measured=step.measured))
    genotypes = [derive(search.space, step.alphas, ASKED.search.rule) for step in known]
    kept = np.array([[step.measured[name] for name in PLACE] for step in known]).T
    np.testing.assert_allclose(kept, by_hand(truth, genotypes), rtol=1e-12)
    # Without the table a view has the curves of what was recorded, and none of an older recording.
    found = scalars(replay(again.recording_path)._histories[""])
    np.testing.assert_allclose([found[name] for name in PLACE], kept, rtol=1e-6)
    old = scalars(replay(plain[0])._histories[""])
    assert all(np.isnan(old[name]).all() for name in PLACE)
    assert ROW not in old
    assert summary(known[0]).endswith(f", rank {kept[0, 0]:,.0f}")
    assert "rank" not in summary(bare[0])


def test_a_run_whose_rule_leaves_edges_out_goes_on(tmp_path):
    asked = load_preset(
        "bench-classroom",
        ["search.epochs=1", "search.batch_size=256", "search.rule=threshold"],
    )
    run = Run.create(tmp_path / "run", asked, 0)
    steps = list(run.follow_search(run.begin_search("cpu")))
    assert not any(step.measured for step in steps)
