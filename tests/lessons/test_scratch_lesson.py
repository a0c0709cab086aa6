"""Lesson 05: its checks tell typical mistakes, its record is whole, its commands are real."""

import re
import shlex

import build_lessons
import numpy as np
import pytest
import torch
import typer
from scipy import stats
from scipy.special import comb

from dartsedu.data.tasks import load_task
from dartsedu.derivation import derive
from dartsedu.genotype import random_genotype
from dartsedu.lessons import intervals
from dartsedu.lessons import scratch as lesson
from dartsedu.lessons import scratch_checks as checks
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.runs.cli import app
from dartsedu.show.measures import changes, entropy, genotypes
from dartsedu.spaces.build import build_network, search_space
from dartsedu.stream.recording import Recording

SOURCE = build_lessons.SOURCES / "05_from_scratch.py"


# ---- Checks -------------------------------------------------------------------------------------


def interval(x, ddof=1, p=0.975, df=-1, root=0.5, t=True, z=None):
    factor = (stats.t.ppf(p, len(x) + df) if t else 1.0) if z is None else z
    half = factor * x.std(ddof=ddof) / len(x) ** root
    return x.mean() - half, x.mean() + half


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"root": 0}, "standard deviation of the scores"),
        ({"root": 1}, "divided by n instead"),
        ({"ddof": 0}, "ddof=1"),
        ({"z": 1.96}, "you used 1.96"),
        ({"df": 0}, "n degrees of freedom"),
        ({"p": 0.95}, "0.975"),
        ({"t": False}, "one standard error"),
    ],
)
def test_a_wrong_interval_is_told_why(mistake, words):
    verdict = checks.check_interval(lambda x: interval(x, **mistake))
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_interval(interval).status == "right"


def test_an_interval_has_two_ends():
    assert "has 3" in checks.check_interval(lambda x: (1, 2, 3)).message
    assert "two numbers" in checks.check_interval(lambda x: 7.0).message
    assert checks.check_interval(lambda x: ...).status == "open"
    assert checks.check_interval(lambda x: torch.tensor(interval(x))).status == "right"


def doubled(d, df):
    """As if the n differences were 2n."""
    half = stats.t.ppf(0.975, df) * d.std(ddof=1) / (2 * len(d)) ** 0.5
    return d.mean() - half, d.mean() + half


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: intervals.difference(a, b)[1:], "two groups and not as pairs"),
        (lambda a, b: stats.ttest_ind(a, b).confidence_interval(), "equal spread"),
        (lambda a, b: interval(b - a), "sign"),
        (lambda a, b: interval(np.sort(a) - np.sort(b)), "tears the pairs apart"),
        (lambda a, b: interval(a - b, root=0), "divide by √n"),
        (lambda a, b: interval(a - b, ddof=0), "ddof=1"),
        (lambda a, b: interval(a - b, df=len(a) - 2), "2n − 2"),
        (lambda a, b: doubled(a - b, len(a) - 1), "divide by √n"),
        (lambda a, b: doubled(a - b, 2 * len(a) - 1), "2n numbers throughout"),
        (lambda a, b: interval(a - b, z=1.96), "you used 1.96"),
        (lambda a, b: interval(a - b, df=0), "n degrees of freedom"),
        (lambda a, b: interval(a - b, p=0.95), "0.975"),
        (lambda a, b: interval(a - b, root=1), "n instead of √n"),
        (lambda a, b: interval(a - b, t=False), "one standard error"),
    ],
)
def test_a_wrong_paired_interval_is_told_why(answer, words):
    verdict = checks.check_paired(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_paired(lambda a, b: interval(a - b)).status == "right"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda v, t: t.max(), "chose on the test set"),
        (lambda v, t: v.max(), "too good"),
        (lambda v, t: v.argmax(), "the number of the candidate"),
        (lambda v, t: t.mean(), "mean of all"),
        (lambda v, t: t[v.argmin()], "lowest"),
    ],
)
def test_a_wrong_report_is_told_why(answer, words):
    verdict = checks.check_report(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_report(lambda v, t: t[v.argmax()]).status == "right"


# ---- Statistics ---------------------------------------------------------------------------------


def test_students_interval_keeps_its_promise_and_a_normal_one_does_not():
    assert intervals.coverage(intervals.interval, 3) == pytest.approx(0.95, abs=0.015)
    assert intervals.coverage(lambda x: interval(x, z=1.96), 3) == pytest.approx(0.81, abs=0.025)


def test_pairs_are_narrower_where_they_share_something():
    b = np.array([60.0, 70.0, 80.0, 90.0])
    a = np.array([61.0, 72.0, 81.0, 92.0])
    pairs, groups = intervals.difference(a, b, paired=True), intervals.difference(a, b)
    assert pairs.mean == groups.mean == pytest.approx(1.5)
    assert pairs.low > 0 > groups.low
    assert intervals.told(pairs).endswith("leaves out zero")
    assert intervals.told(groups).endswith("holds zero")


def test_a_plan_is_students_interval_of_groups_of_equal_spread():
    """Five of each, whose spreads are equal: SciPy's interval with pooled variance."""
    a = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    b = a + 0.5
    ends = stats.ttest_ind(a, b).confidence_interval(0.95)
    found = intervals.planned(a, b, 5)
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high))
    wide, narrow = (intervals.planned(a, b, n) for n in (10, 40))
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(2, rel=0.07)


def test_groups_are_named_and_a_single_score_has_no_interval():
    scene = intervals.groups_scene(
        "points", {"a": np.array([1.0, 3.0]), "b": np.array([2.0])}, "xy"
    )
    assert [label for _, label in scene.panels[0].ticks["x"]] == ["a", "b"]
    assert "a: 1.0 to 3.0, mean 2.0, interval -10.7 to 14.7; b: 2.0, a single one" in scene.text


@pytest.mark.parametrize(("n", "p", "images"), [(1, 0.88, 360), (2, 0.5, 2), (3, 0.7, 5)])
def test_the_best_of_equals_is_the_sum_over_all_outcomes(n, p, images):
    """The oracle draws every combination of scores, each with its binomial probability."""
    k = np.arange(images + 1)
    chance = comb(images, k) * p**k * (1 - p) ** (images - k)
    grids = np.meshgrid(*[k] * n, indexing="ij")
    weight = np.prod(np.meshgrid(*[chance] * n, indexing="ij"), axis=0)
    expected = (np.max(grids, axis=0) * weight).sum() / images
    assert lesson.best_of(n, p, images) == pytest.approx(expected, rel=1e-9)


def test_the_explorers_say_what_they_show():
    record = lesson.Record.load()
    seeds = lesson.seeds_explorer(record)
    n = len(record.of("random"))
    for what, (one, other, paired) in lesson.COMPARISONS.items():
        seeds.set(n=n, what=what)
        scores = record.scores(*one), record.scores(*other)
        assert intervals.told(intervals.difference(*scores, paired)) in seeds.shown.text
    best = lesson.best_explorer()
    assert "+0.00 points of luck" in best.shown.text
    best.set(n=24, accuracy=0.97, images="10,000")
    luck = 100 * (lesson.best_of(24, 0.97, 10_000) - 0.97)
    assert f"{luck:+.2f} points of luck" in best.shown.text


def test_a_leaderboard_of_equals_has_a_leader():
    explorer = lesson.dice_explorer()
    assert explorer.shown.text.startswith("After 1: ")
    leads = []
    for draw in ("draw 1", "draw 2", "draw 3"):
        explorer.set(n=lesson.TRIED, draw=draw)
        leads.append(float(explorer.shown.text.split(", ")[1].split()[0]))
    luck = 100 * (lesson.best_of(lesson.TRIED, lesson.EQUAL, 360) - lesson.EQUAL)
    assert np.mean(leads) == pytest.approx(luck, abs=1.0)
    assert min(leads) > 1.5


def test_a_live_training_stands_beside_the_recorded_one():
    row = lesson.Record.load().of("found")[0]
    assert lesson.beside(row.accuracy, row).endswith("in the record: the same")
    told = lesson.beside(row.accuracy + 0.0055, row)
    assert told.startswith("found 0, seed 0: ")
    assert told.endswith("0.6 points apart") or told.endswith("0.5 points apart")


# ---- What the lesson says of the record ---------------------------------------------------------


def test_what_the_lesson_says_of_the_trainings():
    record = lesson.Record.load()
    found, again = record.scores("found"), record.scores("found", again=True)
    drawn, longer = record.scores("random"), record.scores("random", epochs=8)
    # Found and random cannot be told apart; one found cell is worse, both times.
    assert intervals.difference(found, drawn).low < 0 < intervals.difference(found, drawn).high
    for scores in (found, again):
        worst, second = np.sort(scores)[:2]
        assert scores.argmin() == 1
        assert 3.5 < second - worst < 5.5
    # Pairs help the found cells and not the random ones.
    wide, narrow = (intervals.difference(again, found, paired) for paired in (False, True))
    assert narrow.high - narrow.low < (wide.high - wide.low) / 3
    groups, pairs = (intervals.difference(longer, drawn, paired) for paired in (False, True))
    assert groups.low > 0 > pairs.low
    # Two or three pairs look like proof, four or five do not.
    proof = [intervals.difference(longer[:k], drawn[:k], True).low > 0 for k in range(2, 6)]
    assert proof == [True, True, False, False]
    # DARTS v2: far worse; with twice the epochs two thirds of the gap are gone.
    four = intervals.difference(record.scores("darts-v2"), drawn)
    eight = intervals.difference(record.scores("darts-v2", epochs=8), longer)
    assert four.high < eight.high < 0
    assert eight.mean / four.mean == pytest.approx(1 / 3, abs=0.05)
    sizes = [row.parameters for row in record.of("random")]
    assert record.of("darts-v2")[0].parameters / np.mean(sizes) == pytest.approx(0.5, abs=0.1)


def test_what_the_lesson_says_of_the_luck_of_the_best():
    luck = [100 * (lesson.best_of(n, 0.88, 360) - 0.88) for n in (17, 18)]
    assert luck[0] < 3 < luck[1]
    assert 100 * (lesson.best_of(24, 0.97, 10_000) - 0.97) == pytest.approx(1 / 3, abs=0.02)


# ---- What is shipped ----------------------------------------------------------------------------


def test_the_record_is_whole():
    record = lesson.Record.load()
    n = len(record.found)
    assert record.settings == load_preset("classroom", lesson.SETTINGS)
    for group, epochs, again in (
        ("found", 4, False),
        ("found", 4, True),
        ("random", 4, False),
        ("random", 4, True),
        ("random", 8, False),
        ("darts-v2", 4, False),
        ("darts-v2", 8, False),
    ):
        rows = record.of(group, epochs, again)
        numbers = [row.seed if group == "darts-v2" else row.cell for row in rows]
        assert numbers == list(range(n)), (group, epochs, again)
    assert len(record.trained) == 7 * n


def test_the_counts_of_the_record_are_those_of_its_cells():
    record = lesson.Record.load()
    task, space = load_task("digits"), search_space(record.settings)
    cells = {
        "found": lambda i: record.found[i],
        "random": lambda i: random_genotype(space, i),
        "darts-v2": lambda i: PUBLISHED["darts-v2"],
    }
    for row in record.trained:
        network = build_network(cells[row.group](row.cell), record.settings.train, task, 0)
        assert row.parameters == network.size


def test_a_training_is_what_its_settings_say():
    settings = load_preset("classroom", ["train.epochs=1", "train.batch_size=512"])
    task = load_task("digits")
    row = lesson.train("darts-v2", PUBLISHED["darts-v2"], 0, 3, settings, task)
    assert (row.group, row.seed, row.epochs) == ("darts-v2", 3, 1)
    assert (row.parameters, row.multiply_adds) == (4906, 148416)
    assert f"{row.accuracy:.1%}" in lesson.table([row])


def test_the_larger_recording_is_what_the_lesson_says():
    recording = Recording.load(lesson.LARGER)
    assert (len(recording.steps), recording.header.total, recording.header.seed) == (228, 308, 0)
    assert recording.space == search_space(load_preset("classroom", ["supernet.nodes=4"]))
    assert lesson.LARGER.stat().st_size < 2**20
    assert derive(recording.space, recording.steps[-1].alphas).space == "cnn"
    normal, reduce = (
        [entropy(step.mixture[cell]) for step in recording.steps] for cell in ("normal", "reduce")
    )
    assert 125 <= int(np.argmin(normal)) <= 140
    assert (round(min(normal), 1), round(normal[-1], 1)) == (2.3, 2.6)
    assert min(reduce) > 2.8
    late = [n for n in changes(genotypes(recording.space, recording.steps)) if n > 180]
    assert len(late) / (228 - 180) == pytest.approx(0.75, abs=0.03)


# ---- Commands of the lesson ---------------------------------------------------------------------


def blocks(language):
    text = "\n".join(
        c.source for c in build_lessons.lesson(SOURCE).cells if c.cell_type == "markdown"
    )
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_commands_of_the_lesson_are_those_of_the_command_line():
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    assert len(lines) >= 6
    commands = typer.main.get_command(app).commands
    for line in lines:
        program, name, *arguments = shlex.split(line)
        assert program == "dartsedu"
        asked = commands[name].make_context(name, arguments).params
        preset = asked.get("preset") or ("paper" if asked.get("overrides") else None)
        if preset:
            load_preset(preset, asked["overrides"] or ())


def test_the_notebook_code_for_a_gpu_runs_here_on_digits():
    (code,) = [b for b in blocks("python") if "build_supernet" in b]
    here = code.replace('"cifar10"', '"digits"').replace('"cuda"', '"cpu"')
    assert here != code
    names = {}
    exec(here, names)
    assert names["run"].state == "ready"
    assert names["search"].settings.architect == "finite-difference"
