"""Lesson 08: its checks tell typical mistakes, its figures are what it says they are."""

import itertools

import numpy as np
import pytest
from scipy import stats

from dartsedu.lessons import rivals
from dartsedu.lessons import truth as lesson
from dartsedu.lessons import truth_checks as checks
from dartsedu.stream.recording import Header, Recording
from dartsedu.truth import load_truth
from dartsedu.truth.cells import choices_of, genotype_of, number_of
from dartsedu.truth.comparison import best_of_random


@pytest.fixture(scope="module")
def truth():
    return load_truth("bench-digits")


# ---- Checks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rank", "regret", "words"),
    [
        (lambda a, o: (a > o).sum(), None, "not 0"),
        (lambda a, o: 1 + (a < o).sum(), None, "from the worst"),
        (lambda a, o: 1 + (a >= o).sum(), None, "and one more"),
        (lambda a, o: (a >= o).sum(), None, "> and not >="),
        (None, lambda a, o: o - a.max(), "sign"),
        (None, lambda a, o: 1 - o / a.max(), "a difference"),
        (None, lambda a, o: a.mean() - o, "the mean"),
    ],
)
def test_a_wrong_standing_is_told_why(rank, regret, words):
    ranked = rank or (lambda a, o: 1 + (a > o).sum())
    lost = regret or (lambda a, o: a.max() - o)
    verdict = checks.check_standing(lambda a, o: (ranked(a, o), lost(a, o)))
    assert verdict.status == "wrong"
    assert words in verdict.message


def test_a_right_standing_may_have_any_form():
    assert checks.check_standing(lambda a, o: ((a > o).sum() + 1, max(a) - o)).status == "right"
    assert checks.check_standing(lambda a, o: [1.0 + (a > o).sum(), max(a) - o]).status == "right"
    assert checks.check_standing(lambda a, o: ...).status == "open"
    assert "2 numbers" in checks.check_standing(lambda a, o: 3).message
    assert "there are 3" in checks.check_standing(lambda a, o: (1, 2, 3)).message


def neighbours(cell, operations):
    return [
        (*cell[:edge], other, *cell[edge + 1 :])
        for edge in range(len(cell))
        for other in range(operations)
        if other != cell[edge]
    ]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda c, k: [*neighbours(c, k), c], "the cell itself"),
        (lambda c, k: 2 * neighbours(c, k), "more than once"),
        (lambda c, k: [d for d in itertools.product(range(k), repeat=len(c)) if d != c], "differs"),
        (lambda c, k: neighbours(c, k + 1), "operations are 0 to"),
        (lambda c, k: neighbours(c, k)[1:], "is missing"),
        (lambda c, k: [(*c[:e], (c[e] + 1) % k, *c[e + 1 :]) for e in range(len(c))], "expected"),
        (lambda c, k: 24, "a list of cells"),
        (lambda c, k: [c[1:]], "edges"),
    ],
)
def test_wrong_neighbours_are_told_why(answer, words):
    verdict = checks.check_neighbours(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_neighbours(neighbours).status == "right"
    as_arrays = checks.check_neighbours(lambda c, k: np.array(neighbours(c, k))[::-1])
    assert as_arrays.status == "right"
    assert checks.check_neighbours(lambda c, k: None).status == "open"


def climb(start, neighbours, score, choose=lambda better, score: better[0], most=100, alike=False):
    here = start
    for _ in range(most):
        better = [
            n
            for n in neighbours(here)
            if score(n) > score(here) or (alike and score(n) == score(here))
        ]
        if not better:
            break
        here = choose(better, score)
    return here


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, n, f: climb(s, n, f, lambda b, f: max(b, key=f)), "best neighbour"),
        (lambda s, n, f: climb(s, n, f, most=1), "one step"),
        (lambda s, n, f: s, "never left"),
        (lambda s, n, f: climb(s, n, f, most=10**6, alike=True), "does not end"),
        (lambda s, n, f: max((0, 1, 2, 3, 4, 9), key=f), "looked at all cells"),
        (lambda s, n, f: [0, 1, 3], "the place where"),
        (lambda s, n, f: climb(s, n, f, lambda b, f: b[-1]), "ends at"),
    ],
)
def test_a_wrong_walk_is_told_why(answer, words):
    verdict = checks.check_climb(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_climb(climb).status == "right"
    assert checks.check_climb(lambda *_: ...).status == "open"


def tau(a, b):
    n = len(a)
    return (np.sign(a[:, None] - a) * np.sign(b[:, None] - b)).sum() / (n * (n - 1))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: (tau(a, b) + 1) / 2, "same order only"),
        (lambda a, b: 2 * tau(a, b), "twice"),
        (lambda a, b: tau(a, b) * (len(a) - 1) / len(a), "with itself"),
        (lambda a, b: tau(a, b) * len(a) * (len(a) - 1) / 2, "did not divide"),
        (lambda a, b: -tau(a, b), "sign"),
        (lambda a, b: np.corrcoef(a, b)[0, 1], "Pearson"),
    ],
)
def test_a_wrong_tau_is_told_why(answer, words):
    verdict = checks.check_tau(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_tau(tau).status == "right"
    assert checks.check_tau(lambda a, b: stats.kendalltau(a, b).statistic).status == "right"


# ---- The landscape ------------------------------------------------------------------------------


def test_cells_are_written_and_read(truth):
    own = lesson.cell(truth, "none", "skip", "conv 1×1", "conv 3×3", "avg pool 3×3", "none")
    assert choices_of(truth.space, own) == [0, 1, 2, 3, 4, 0]
    assert lesson.written(truth, own).startswith("0→1 none, 0→2 skip, 1→2 conv 1×1, ")
    assert choices_of(truth.space, lesson.cell(truth, "conv 3×3")) == [3] * 6
    assert f"{truth.rank(own):,}" in lesson.table(truth, {"own": own}).splitlines()[1]


def test_three_guesses_have_the_answers_of_the_table(truth):
    answers = [guess.answer for guess in lesson.guesses(truth)]
    alone = lesson.cell(truth, "none", "none", "none", "conv 3×3", "none", "none")
    cells = [lesson.cell(truth, "conv 3×3"), lesson.cell(truth, "skip"), alone]
    assert answers == [100 * truth.accuracy(cell) for cell in cells]
    assert lesson.percent(truth, cells).tolist() == answers


def test_the_spread_is_what_it_says(truth):
    found = lesson.spread(truth)
    of_seeds = truth.test_right / truth.test_size
    assert found.cells == pytest.approx(np.std(of_seeds.mean(axis=1), ddof=1))
    within = [np.var(cell, ddof=1) for cell in of_seeds]
    assert found.seeds == pytest.approx(np.mean(within) ** 0.5)
    ranks = [stats.rankdata(seed) for seed in of_seeds.T]
    expected = np.mean([np.corrcoef(a, b)[0, 1] for a, b in itertools.combinations(ranks, 2)])
    assert found.agreement == pytest.approx(expected)


def test_alikeness_is_the_correlation_of_pairs(truth):
    """Against pairs that are drawn, and all neighbours of a few cells."""
    found = lesson.alikeness(truth)
    assert found[0] == pytest.approx(1)
    generator = np.random.default_rng(0)
    values = truth.accuracies[truth.row_of].reshape((5,) * 6)
    for changed in range(1, 7):
        one = generator.integers(5, size=(20_000, 6))
        other = one.copy()
        for row in other:
            edges = generator.choice(6, changed, replace=False)
            row[edges] = (row[edges] + generator.integers(1, 5, changed)) % 5
        pairs = values[tuple(one.T)], values[tuple(other.T)]
        assert found[changed] == pytest.approx(np.corrcoef(*pairs)[0, 1], abs=0.03)


def test_the_sum_of_edges_is_the_least_squares_fit(truth):
    found = lesson.sum_of_edges(truth)
    values = truth.accuracies[truth.row_of]
    choices = np.array(list(itertools.product(range(5), repeat=6)))
    indicators = (choices[:, :, None] == np.arange(5)).reshape(len(choices), -1).astype(float)
    fit, *_ = np.linalg.lstsq(indicators, values, rcond=None)
    assert np.var(indicators @ fit) / np.var(values) == pytest.approx(found.share)
    own = fit.reshape(6, 5)
    assert own - own.mean(axis=1, keepdims=True) == pytest.approx(found.effects)
    assert choices_of(truth.space, found.best) == found.effects.argmax(axis=1).tolist()
    assert f"{100 * found.effects[0, 0]:+.1f}" in lesson.sum_table(truth, found)


def test_no_neighbour_of_a_top_is_better(truth):
    tops = lesson.tops(truth)
    assert truth.rank(truth.best) == 1
    assert truth.best in tops
    for top in tops[::7]:
        assert truth.accuracy(top) >= max(truth.accuracy(n) for n in truth.neighbours(top))
    climbed = climb(truth.sample(1)[0], truth.neighbours, truth.accuracy)
    assert truth.accuracy(climbed) in {truth.accuracy(top) for top in tops}


def test_pictures_say_what_they_show(truth):
    best = f"{truth.accuracy(truth.best):.1%}"
    assert f"the best {best}" in lesson.crowd_picture(truth, {"the best": truth.best}).alt


# ---- Explorers ----------------------------------------------------------------------------------


def test_the_path_of_a_search_is_that_of_its_cells(truth):
    search = rivals.bench_search(0, "search.epochs=1")
    steps = tuple(search)
    recording = Recording(Header.of(search, search.space), steps)
    explorer = lesson.path_explorer(truth, recording)
    explorer.set(step=5)
    for rule in lesson.RULES:
        assert str(truth.standing_now(steps[4].alphas, rule)) in explorer.shown.text
    assert explorer.alone


# ---- Searches and rivals ------------------------------------------------------------------------


def test_searches_side_by_side_are_single_searches(truth):
    together, accuracies = rivals.searches((3, 4), "search.epochs=1")
    alone = [step.alphas["cell"] for step in rivals.bench_search(4, "search.epochs=1")]
    assert together.shape == (2, len(alone), 6, 5)
    assert accuracies.shape == (len(alone),)
    # In float32 rounding grows from step to step.
    assert together[1, :4] == pytest.approx(np.array(alone[:4]), abs=2e-3)
    true = rivals.true_accuracies(truth, together, "argmax", [1, 16])
    assert true[1, 1] == truth.standing_now({"cell": together[1, 15]}, "argmax").accuracy
    assert true.shape == (2, 2)


def test_random_search_gives_what_is_to_be_expected(truth):
    """Against the exact expectation, of one seed; here a seed is drawn for each training."""
    for none in (True, False):
        reported = rivals.random_search(truth, 20, repeats=4000, none=none)
        for count in (1, 4, 20):
            expected = best_of_random(truth, count, none)
            assert reported[:, count - 1].mean() == pytest.approx(expected, abs=0.012)


def test_local_search_walks_among_neighbours(truth):
    reported = rivals.local_search(truth, 40, repeats=50)
    assert reported.shape == (50, 40)
    assert set(reported.ravel()) <= set(truth.accuracies)
    assert reported[:, -1].mean() > reported[:, 0].mean() + 0.1
    again = rivals.local_search(truth, 40, repeats=50)
    assert (reported == again).all()
    drawn = truth.accuracies[truth.row_of]
    assert rivals.local_search(truth, 1, 2000)[:, 0].mean() == pytest.approx(
        drawn.mean(), abs=4 * drawn.std() / 2000**0.5
    )


def test_neighbours_by_number_are_the_neighbours_of_the_table(truth):
    for number in (0, 777, 15_624):
        around = rivals._around(truth)[number]
        cell = genotype_of(truth.space, [int(i) for i in np.unravel_index(number, (5,) * 6)])
        wanted = {number_of(truth.space, other) for other in truth.neighbours(cell)}
        assert len(around) == 24
        assert set(around.tolist()) == wanted


def test_what_a_search_costs(truth):
    """Twice the steps, twice the price; at least what the passes of a mean cell would cost."""
    one, two = rivals.trainings(truth, 64), rivals.trainings(truth, 128)
    assert two == pytest.approx(2 * one)
    assert one > 2


def test_a_supernet_scores_cells_by_their_own_operations(truth):
    search = rivals.bench_search(0, "search.epochs=1")
    for _ in search:
        pass
    dead, guess = lesson.cell(truth, "none"), lesson.cell(truth, "conv 3×3")
    scores = rivals.shared_scores(search.supernet, search.task, [dead, guess])
    assert scores[0] < 0.2
    assert ((scores >= 0) & (scores <= 1)).all()
    cells = truth.sample(12)
    true = np.array([truth.accuracy(cell) for cell in cells])
    assert list(rivals.agreement(truth, cells, true)) == pytest.approx([1, 1])
    assert list(rivals.agreement(truth, cells, -true)) == pytest.approx([-1, -1])
    told = rivals.agreement_picture(truth, cells, {"itself": true}).alt
    assert "τ = 1.00" in told
    assert f"favourites are worth {np.sort(true)[-10:].mean():.0%}" in told


def test_leads_are_told_in_standard_errors():
    scores = {"a": np.array([3.0, 4.0, 5.0]), "b": np.array([1.0, 2.0, 3.0])}
    assert rivals.leads(scores) == pytest.approx([2 / (2 / 3) ** 0.5])
    assert rivals.verdicts(scores).startswith("a − b: +2.0 points, ")
    assert rivals.verdicts(scores).endswith("; 2.4 standard errors")


def test_chance_is_the_mean_of_many_draws(truth):
    for none in (True, False):
        drawn = lesson.percent(truth, truth.sample(4000, none=none))
        assert rivals.chance(truth, none) == pytest.approx(drawn.mean(), abs=1.5)
        error = drawn.std(ddof=1) / 4000**0.5
        lead = (drawn.mean() - 40) / error
        assert rivals.lead_over(drawn, 40.0) == pytest.approx(lead)


def test_cells_are_compared_with_what_is_known(truth):
    scores = np.array([87.0, 88.0, 89.0])
    lines = rivals.known_verdicts(truth, scores).splitlines()
    for line, known in zip(
        lines, (rivals.chance(truth), rivals.chance(truth, False)), strict=False
    ):
        assert f": {known:.1f}; the mean of these is {(88 - known) * 3**0.5:+.1f}" in line
    guess = lesson.cell(truth, "conv 3×3")
    assert lines[2].startswith(f"all conv 3×3: {100 * truth.accuracy(guess):.1f};")


# ---- What the lesson says of the table -----------------------------------------------------------


def test_what_it_says_of_the_landscape(truth):
    guess = lesson.cell(truth, "conv 3×3")
    assert 100 < truth.rank(guess) < 120
    assert truth.row(lesson.sum_of_edges(truth).best) == truth.row(guess)
    assert 0.6 < lesson.sum_of_edges(truth).share < 0.75
    assert len(lesson.tops(truth)) < len(truth) / 100
    worth = 100 * truth.accuracy(guess)
    lead = rivals.chance(truth, none=False) - rivals.chance(truth)
    assert 0.2 < lead / (worth - rivals.chance(truth)) < 0.3


def test_what_it_says_of_the_rivals(truth):
    drawn, walked = rivals.random_search(truth, 120), rivals.local_search(truth, 120)
    without = rivals.random_search(truth, 120, none=False)
    price = round(rivals.trainings(truth, 64))
    assert price == 10
    mean = {count: walked[:, count - 1].mean() - drawn[:, count - 1].mean() for count in (10, 30)}
    assert mean[10] < -0.02
    assert mean[30] == pytest.approx(0, abs=0.01)
    guess = truth.accuracy(lesson.cell(truth, "conv 3×3"))
    for reported in (drawn, without, walked):
        assert reported[:, :100].mean(axis=0).max() < guess
        assert reported[:, 10 * price - 1].mean() < 0.866
