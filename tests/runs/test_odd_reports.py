"""Reports of folders that were edited, moved or cut short: they say what is missing, and stand."""

import json
import math
import warnings

import numpy as np
import pytest
from command import Page
from scipy.stats import ttest_ind

from dartsedu.base.yardstick import ACCURACY, PERPLEXITY
from dartsedu.genotype import random_genotype
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.runs import report
from dartsedu.runs.claim import RunError
from dartsedu.runs.comparison import compare
from dartsedu.runs.folder import Run
from dartsedu.runs.report import write_report
from dartsedu.runs.results import Results, Trained
from dartsedu.show import plots
from dartsedu.spaces.build import search_space
from dartsedu.spaces.equation import pictures
from dartsedu.spaces.rnn import TextNetwork
from dartsedu.stream.recording import Header, Recorder
from dartsedu.stream.stream import Step

PRESETS = {"cnn": "classroom", "rnn": "rnn-classroom", "equation": "equation"}
NASTY = '$$ \\unknown <b>&" %# \u202eabc 😀'
FOUND = {"formula": "2*x", "latex": r"\unknown{$", "complexity": 2, "restarts": 1} | dict.fromkeys(
    ("held_out_error", "test_error"), "inf"
)
FINDINGS = {
    "found": [FOUND],
    "errors": [0.1, 1e300],
    "references": {"mean": 1.0, "unheard of": 1e300},
    "predictions": {split: ["nan"] for split in ("weights", "architecture", "test")},
}


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def table(folder):
    """A table whose columns' names are fit for no formula and no page."""
    x = np.linspace(1, 3, 40)
    quoted = NASTY.replace('"', '""')
    rows = [f'"x {quoted}","y {quoted}"', *(f"{a},{2 * a}" for a in x)]
    path = folder / "table.csv"
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def made(tmp_path, space, steps=2):
    """A run whose search is done, without searching: its recording and genotype are made up."""
    settings = load_preset(PRESETS[space])
    if space == "equation":
        path = json.dumps(str(table(tmp_path)))
        target = json.dumps(f"y {NASTY}", ensure_ascii=False)
        overrides = ['task.name="csv"', f"task.path={path}", f"task.target={target}"]
        settings = load_preset(PRESETS[space], overrides)
    run = Run.create(tmp_path / "run", settings, seed=0)
    searched = search_space(settings)
    if space == "equation":
        searched = searched.model_copy(update={"cells": _one_input(searched.cells)})
    with Recorder(run.recording_path, Header(kind="search", total=2, seed=0, space=searched)) as to:
        for index in range(steps):
            alphas = {c.name: np.zeros(searched.shape(c.name), "f4") for c in searched.cells}
            to.append(Step(index, 0, {"weights": 1e300}, {}, {}, alphas, alphas))
    random_genotype(searched, 0).save(run.genotype_path)
    return run


def _one_input(cells):
    return tuple(type(c).dense(c.name, 1, c.nodes, c.keep, c.combine) for c in cells)


def edit(run, **results):
    (run.folder / "results.json").write_text(json.dumps(results), encoding="utf-8")


def written(run):
    """The page's words and pictures, and what was told."""
    told = []
    page = Page(write_report(run, told.append).read_text(encoding="utf-8"))
    assert not page.open
    assert all(image["alt"] for image in page.images)
    return " ".join(" ".join(page.words).split()), page.images, told


@pytest.mark.parametrize("space", PRESETS)
def test_one_drawing_that_fails_never_costs_the_page(tmp_path, monkeypatch, space):
    run = made(tmp_path, space)
    edit(run, **({"findings": FINDINGS} if space == "equation" else {}))

    def fails(*_):
        raise RuntimeError("out of ink")

    drawers = {
        plots: ("mixture_figure", "heatmap_figure", "losses_figure", "trajectories_figure"),
        report: ("genotype_svg",),
        pictures: ("restarts_figure", "law_figure"),
    }
    for module, names in drawers.items():
        for name in names:
            monkeypatch.setattr(module, name, fails)
    text, images, told = written(run)
    assert not images
    assert f"The picture {'law' if space == 'equation' else 'heatmap'} could not be drawn" in text
    assert len(told) == 4 + len(run.recording().space.cells) + 2 * (space == "equation")
    assert all("could not be drawn: out of ink" in sentence for sentence in told)
    assert "Settings and versions" in text


@pytest.mark.parametrize("space", PRESETS)
@pytest.mark.parametrize("cut", ["header only", "gone", "torn"])
def test_without_a_recording_the_rest_stands(tmp_path, space, cut):
    run = made(tmp_path, space, steps=0)
    if cut == "gone":
        run.recording_path.unlink()
    elif cut == "torn":
        run.recording_path.write_text("no\nrecording\n")
    text, images, told = written(run)
    assert len(images) == 1
    assert "found by differentiable architecture search" in text
    assert "The search cannot be shown: " in text
    assert "The search cannot be shown: " in told[0]


NETWORK = {"name": NASTY, "kind": "random", "seed": 1, "parameters": 1, "steps": 1, "seconds": 1}
READ = NETWORK | {"training": {"perplexity": 9}, "test": {"perplexity": "inf"}}
SEEN = NETWORK | {"training": {"accuracy": 0.5}, "test": {"accuracy": 0.5}}


@pytest.mark.parametrize(
    ("space", "results", "words"),
    [
        ("cnn", {"findings": FINDINGS}, "has no findings"),
        ("cnn", {"trained": [READ]}, "has no training accuracy"),
        ("rnn", {"findings": FINDINGS}, "has no findings"),
        ("rnn", {"trained": [SEEN]}, "has no training perplexity"),
        ("equation", {"trained": [SEEN]}, "trained holds networks"),
    ],
)
def test_results_of_another_space_are_refused(tmp_path, space, results, words):
    run = made(tmp_path, space, steps=1)
    edit(run, **results)
    with pytest.raises(RunError, match=words) as refused:
        write_report(run)
    assert "results.json" in str(refused.value)


def test_findings_that_cannot_be_drawn_are_told(tmp_path):
    run = made(tmp_path, "equation", steps=1)
    edit(run, findings=FINDINGS)
    text, _, told = written(run)
    assert "but the table has" in told[0]
    assert "∞ % test error" in text
    assert f"y {NASTY}".replace("\u202e", "�") in text


def test_a_table_that_has_moved_costs_its_picture_alone(tmp_path):
    run = made(tmp_path, "equation")
    edit(run, findings=FINDINGS)
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    run = Run.open(run.folder)
    text, _, told = written(run)
    assert len(told) == 1
    assert "The picture law could not be drawn: " in told[0]
    assert "table.csv" in told[0]
    assert "= 2*x" in text


def test_names_of_pictures_are_names_of_files():
    assert report._file_name("trajectories", "normal", 0) == "trajectories-normal"
    for name in ("../../x", "", "a/b", "\x00", "con.", "x" * 300):
        assert report._file_name("trajectories", name, 1) == "trajectories-1"


def trained(kind, score, yardstick):
    scores = {"training": {}, "test": {yardstick.name: score}}
    return Trained(name=kind, kind=kind, seed=0, parameters=1, steps=1, seconds=1, **scores)


def compared(found, random, yardstick=PERPLEXITY):
    both = [("genotype", score) for score in found] + [("random", score) for score in random]
    return compare([trained(kind, score, yardstick) for kind, score in both], yardstick)


def test_the_interval_is_welchs():
    generator = np.random.default_rng(0)
    for _ in range(50):
        found, random = (generator.normal(50, 9, generator.integers(2, 6)) for _ in range(2))
        interval = ttest_ind(found, random, equal_var=False).confidence_interval(0.95)
        ours = compared(found, random)
        assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


@pytest.mark.parametrize("yardstick", [ACCURACY, PERPLEXITY], ids=["accuracy", "perplexity"])
def test_networks_that_score_the_same_are_compared_exactly(yardstick):
    both = compared([0.1] * 3, [0.2] * 3, yardstick)
    assert both.low == both.high == pytest.approx(-0.1)
    assert "score the same" in both.verdict
    one = compared([0.1] * 3, [0.2, 0.3], yardstick)
    half = 12.706204736432095 * math.sqrt(0.005 / 2)  # Student's t of one degree of freedom.
    assert (one.low, one.high) == pytest.approx((-0.15 - half, -0.15 + half))


@pytest.mark.parametrize(
    ("found", "random", "words"),
    [
        ([math.inf, 3.0], [4.0, 5.0], "without a finite score"),
        ([math.inf], [math.inf], "without a finite score"),
        ([1e299, 2e299], [3.0, 4.0], "holds zero"),
        ([0.0, 0.0], [0.0, 0.0], "score the same"),
        ([3.0], [4.0, 5.0], "Too few"),
    ],
)
def test_any_scores_are_compared(found, random, words):
    assert words in compared(found, random).verdict


def test_what_is_not_finite_is_read_back_as_it_was_written():
    results = Results(
        trained=(trained("genotype", math.inf, PERPLEXITY),), references={"unigram": math.inf}
    )
    text = json.dumps(results.model_dump(mode="json", exclude_none=True), allow_nan=False)
    assert Results.model_validate_json(text) == results
    assert Results.model_validate_json(text.replace('"inf"', "35.5")).trained[0].test == {
        "perplexity": 35.5
    }


def test_an_infinite_validation_perplexity_is_a_finite_loss(tmp_path, monkeypatch):
    monkeypatch.setattr(TextNetwork, "score", lambda *_: math.inf)
    tiny = ["task.vocabulary=60", "train.hidden=8", "train.epochs=1", "train.batch_size=512"]
    settings = load_preset("rnn-classroom", [*tiny, "train.seeds=1", "train.random_cells=0"])
    run = Run.create(tmp_path / "run", settings, seed=0, genotype=PUBLISHED["darts-rnn-v2"])
    candidate = run.candidates()[0]
    training = run.begin_training(candidate, run.task(), "cpu")
    losses = [step.loss.get("validation") for step in run.follow_training(candidate, training)]
    assert losses[-1] == 700.0
    assert run.end_training(candidate, training).test == {"perplexity": math.inf}
    assert "not drawn: ∞" in write_report(run).with_name("pictures").joinpath(
        "scores.svg"
    ).read_text(encoding="utf-8")
