"""The checks and pictures of lesson 07."""

from itertools import combinations

import numpy as np
import pytest
import torch

from dartsedu.data.laws import LAWS
from dartsedu.data.tasks import load_task
from dartsedu.lessons import chance
from dartsedu.lessons import equations as lesson
from dartsedu.lessons import equations_checks as checks
from dartsedu.lessons.check import Open
from dartsedu.lessons.forming import forming_explorer
from dartsedu.spaces.equation import EquationSupernet, equation_space
from dartsedu.spaces.equation.operations import degrees_of_freedom

FUNCTIONS = (lambda z: z, torch.exp, torch.sigmoid)


def mix(x, weights, inside):
    return sum(w * f(inside(k)) for k, (w, f) in enumerate(zip(weights, FUNCTIONS, strict=True)))


@pytest.mark.parametrize(
    ("edge", "status", "words"),
    [
        (lambda x, p, a, b: mix(x, p, lambda k: a[k] * x + b[k]), "right", "EquationSupernet"),
        (
            lambda x, p, a, b: sum(p[k] * (a[k] * f(x) + b[k]) for k, f in enumerate(FUNCTIONS)),
            "wrong",
            "stand outside the function",
        ),
        (lambda x, p, a, b: mix(x, p, lambda k: a[k] * x), "wrong", "offset is left out"),
        (lambda x, p, a, b: mix(x, p, lambda k: x + b[k]), "wrong", "scale is left out"),
        (
            lambda x, p, a, b: mix(x, torch.ones(3), lambda k: a[k] * x + b[k]),
            "wrong",
            "mixture weights are left out",
        ),
        (
            lambda x, p, a, b: mix(x, torch.softmax(p, 0), lambda k: a[k] * x + b[k]),
            "wrong",
            "softmax is applied again",
        ),
        (
            lambda x, p, a, b: mix(x, p[[0, 2, 1]], lambda k: a[k] * x + b[k]),
            "wrong",
            "changed places",
        ),
        (lambda x, p, a, b: ..., "open", "gives nothing yet"),
    ],
)
def test_an_edge_of_functions_is_judged(edge, status, words):
    verdict = checks.check_edge(edge)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def line(x):
    return (x - 1e-3).clamp(max=0)


@pytest.mark.parametrize(
    ("safe_ln", "status", "words"),
    [
        (lambda x: x.clamp(min=1e-3).log() + line(x), "right", "guarded_ln"),
        (lambda x: x.clamp(min=1e-3).log(), "wrong", "it is flat"),
        (lambda x: x.log(), "wrong", "is still called there"),
        (lambda x: (x + 1e-3).log(), "wrong", "added inside ln"),
        (lambda x: x.log10(), "wrong", "base 10"),
        (lambda x: x.abs().clamp(min=1e-3).log(), "wrong", "dropped with abs"),
        (lambda x: x.clamp(min=1e-3).log() + x.clamp(max=1e-3) * (x < 1e-3), "wrong", "step"),
        (lambda x: x.clamp(min=1e-3).log() - line(x), "wrong", "falls where it should rise"),
        (
            lambda x: torch.where(x < 1e-3, np.log(1e-3) + line(x), x.log()),
            "wrong",
            "torch.where hides the value",
        ),
        (
            lambda x: (x.clamp(min=1e-3).log() + line(x)).detach(),
            "wrong",
            "no gradient passes",
        ),
        (lambda x: None, "open", "gives nothing yet"),
    ],
)
def test_a_safe_logarithm_is_judged(safe_ln, status, words):
    verdict = checks.check_ln(safe_ln)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def by_the_rule(errors, spreads, complexities):
    best = int(np.argmin(errors))
    close = [i for i, e in enumerate(errors) if e <= errors[best] + spreads[best]]
    return min(close, key=lambda i: (complexities[i], errors[i]))


def own_spread(errors, spreads, complexities):
    close = [i for i, e in enumerate(errors) if e - spreads[i] <= min(errors)]
    return min(close, key=lambda i: (complexities[i], errors[i]))


def first_of_equals(errors, spreads, complexities):
    best = int(np.argmin(errors))
    close = [i for i, e in enumerate(errors) if e <= errors[best] + spreads[best]]
    return min(close, key=lambda i: complexities[i])


def limited(errors, spreads, complexities, close):
    best = int(np.argmin(errors))
    limit = errors[best], spreads[best]
    found = [i for i, e in enumerate(errors) if i == best or close(e, *limit)]
    return min(found, key=lambda i: (complexities[i], errors[i]))


@pytest.mark.parametrize(
    ("choose", "status", "words"),
    [
        (by_the_rule, "right", "no worse than the best"),
        (lambda e, s, c: np.int64(by_the_rule(e, s, c)), "right", "no worse"),
        (lambda e, s, c: int(np.argmin(e)), "wrong", "the least error"),
        (lambda e, s, c: int(np.argmin(c)), "wrong", "simplest of all"),
        (own_spread, "wrong", "its own spread"),
        (first_of_equals, "wrong", "lesser error"),
        (lambda *lists: limited(*lists, lambda e, best, s: e < best + s), "wrong", "it is <="),
        (lambda *lists: limited(*lists, lambda e, best, s: e <= best + 2 * s), "wrong", "one"),
        (lambda e, s, c: 0.5, "wrong", "should return a place"),
        (lambda e, s, c: ..., "open", "gives nothing yet"),
    ],
)
def test_a_choice_is_judged(choose, status, words):
    verdict = checks.check_choose(choose)
    assert (verdict.status, words in verdict.message) == (status, True), verdict
    assert issubclass(Open, Exception)


def test_best_of_so_many_is_the_median_over_all_draws():
    errors = [0.5, 0.1, 0.9, 0.3, 0.3]
    for count in range(1, 6):
        draws = [min(draw) for draw in combinations(errors, count)]
        # Of an even number of draws, the lower of the two in the middle.
        assert lesson.best_of(errors, count) == sorted(draws)[(len(draws) - 1) // 2]
    with pytest.raises(ValueError, match="expected 1 to 5"):
        lesson.best_of(errors, 6)


def test_the_stages_leave_the_supernet_alone_and_end_with_the_least_squares():
    task = load_task("weber-fechner", noise=0.1, rows=60)
    search = lesson.equation_search(task, epochs=3)
    for _ in search:
        pass
    before = {n: p.clone() for n, p in search.supernet.state_dict().items()}
    found = lesson.stages(search.supernet, task)
    assert all(torch.equal(before[n], p) for n, p in search.supernet.state_dict().items())
    assert list(found) == ["mixture", "argmax", "argmax, refitted"]
    assert found["argmax, refitted"].error < found["argmax"].error
    loss = search.supernet.loss(task.architecture.whole).losses.detach()[search.supernet.leader]
    mixture = search.supernet.mixture()["equation"][search.supernet.leader].detach()
    freedom = torch.tensor([degrees_of_freedom(p) for p in search.space.primitives]).double()
    fitted = float(loss - 1e-3 * (mixture @ freedom).sum())
    assert found["mixture"].error == pytest.approx(fitted**0.5, rel=1e-6)
    words = lesson.stages_picture(found, task).alt
    assert f"mixture {found['mixture'].error:.3f}" in words


def test_the_explorer_says_when_two_laws_can_be_told_apart():
    explorer = lesson.rivals_explorer()
    assert "takes about 183 rows: 60 are too few" in explorer.scene["text"]
    explorer.set(exponent=1.0, span=1000.0, noise=0.01)
    assert "takes about 4 rows: 60 are enough" in explorer.scene["text"]
    explorer.set(noise=0.0)
    assert "noise is 0 %" in explorer.scene["text"]
    explorer.set(exponent=0.05, noise=0.1)
    assert "takes about 80 rows: 60 are too few" in explorer.scene["text"]
    explorer.set(span=10_000.0)
    assert "takes about 45 rows: 60 are enough" in explorer.scene["text"]


def test_the_answers_about_rows_are_those_of_the_explorer():
    def rows(exponent, span, noise=0.1):
        return lesson.rows_needed(lesson.misfit(exponent, span)[3], noise)

    assert rows(0.33, 5.0) < lesson.ROWS < rows(0.33, 2.0)
    assert (rows(0.33, 2.0), rows(0.33, 10.0), rows(0.05, 2.0)) == (183, 17, 7953)
    assert rows(0.33, 2.0, 0.2) == pytest.approx(4 * rows(0.33, 2.0), abs=2)


@pytest.mark.parametrize("n", [50, 400])
def test_so_many_rows_are_two_standard_errors(n):
    """By drawing: n rows of the power with noise, residuals of it and of the nearest logarithm."""
    generator, noise = np.random.default_rng(0), 0.2
    _, power, near, missed = lesson.misfit(0.33, 5.0)
    rows = generator.integers(0, len(power), (3000, n))
    rest = noise * generator.standard_normal(rows.shape)
    gain = ((rest + (power - near)[rows]) ** 2 - rest**2).sum(axis=1)
    expected = 2 * (n / lesson.rows_needed(missed, noise)) ** 0.5
    assert gain.mean() / gain.std() == pytest.approx(expected, rel=0.1)


def test_a_power_of_a_small_exponent_passes_for_a_logarithm():
    task = load_task("weber-fechner", noise=0.1, rows=200)
    power, logarithm = lesson.near_logarithm(task, 0.03).splitlines()
    product = float(power.split(" = ")[-1])
    slope = float(logarithm.split("·ln(S)")[0].split()[-1])
    assert product == pytest.approx(slope, rel=0.05) == 1.5
    errors = [float(line.split("error ")[1][:5]) for line in (power, logarithm)]
    assert errors[0] == pytest.approx(errors[1], rel=0.03)


def test_a_form_of_curves_is_kept_for_every_frame():
    task = load_task("weber-fechner", noise=0.1, rows=60)
    explorer = forming_explorer(lesson.equation_search(task, epochs=4), task)
    assert "Step 1 of 4" in explorer.shown.text
    explorer.set(step=4)
    marks = explorer.shown.panels[0].marks
    assert len(marks) == 2 + len(range(1, 64, 64 // 5))
    assert marks[-1].name.startswith("the restart that leads")
    assert not any(mark.name for mark in marks[1:-1])


def test_discovery_says_how_far_it_is(monkeypatch):
    seen = []

    class Line:
        def update(self, line):
            seen.append(repr(line))

    monkeypatch.setattr(lesson, "display", lambda line, display_id: Line())
    task = load_task("weber-fechner", noise=0.1, rows=60)
    found = lesson.discovered(task, epochs=25)
    assert found.formula.complexity > 0
    assert seen[0] == "search, steps: 25 of 25"
    assert any("of" in line and "search" not in line for line in seen[1:])
    assert seen[-1] == ""
    assert "log(" not in lesson.listed(found, task)


# ---- The record: search and chance --------------------------------------------------------------


def test_the_record_has_every_law_of_one_variable():
    record = chance.Record.load()
    laws = [name for name, law in LAWS.items() if len(law.variables) == 1]
    assert [(t.law, t.seed) for t in record.trials] == [(n, s) for s in range(3) for n in laws]
    for side in (side for t in record.trials for side in (t.search, t.chance)):
        assert len(side.errors) == 64
        assert list(side.errors) == sorted(side.errors)


def test_the_search_does_not_beat_chance_by_its_best():
    record = chance.Record.load()
    assert record.wins("best") < 0.75 * len(record.trials)
    alt = chance.picture(record).alt
    assert f"the best of 64 has the lesser error in {record.wins('best')}." in alt
    assert f"a typical restart has the lesser error in {record.wins('median')};" in alt


def test_pictures_say_what_they_show():
    task = load_task("weber-fechner", noise=0.1, rows=60)
    assert "24 weights, 18 architecture, 18 test" in lesson.data_picture(task).alt
    supernet = EquationSupernet(equation_space(1, 1, lesson.THREE), restarts=5)
    shares = lesson.strongest(supernet)
    assert shares == {"linear": 1, "linear_exp": 0, "linear_logistic": 0}
    assert "after 7 steps linear 100%" in lesson.strongest_picture({7: shares}).alt
    errors = {"search": [0.4, 0.2, 0.1, 0.3, np.inf], "random": [0.5] * 4}
    words = lesson.best_of_picture(errors, 0.1).alt
    assert "The best of all: search ahead by 80%" in words
    assert "search: one restart 0.200" in words
    assert "of all 0.100" in words
    assert lesson.growth_task().name == "growth"
