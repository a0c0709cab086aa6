"""Lesson 08: many searches at once, their rivals by look-up, and what shared weights say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dartsedu.data.task import Task
from dartsedu.genotype import Genotype
from dartsedu.lessons.cuts import cut_accuracy
from dartsedu.lessons.guess import Prediction, predict
from dartsedu.lessons.intervals import difference, groups_scene, interval, told
from dartsedu.lessons.panel import BLUE, INK, SOFT, Dots, Line, Mark, Panel, Scene, draw
from dartsedu.lessons.truth import INKS, RULES, STYLES, cell, kept
from dartsedu.presets import load_preset
from dartsedu.relaxation import Supernet
from dartsedu.search import Search
from dartsedu.show.picture import Picture
from dartsedu.spaces.build import build_supernet, search_side_by_side
from dartsedu.truth.cells import cells_of, written
from dartsedu.truth.comparison import cost_of_search
from dartsedu.truth.table import Truth

PRESET = "bench-classroom"
Numbers = NDArray[np.float64]
Alphas = NDArray[np.float32]

# ---- Searches -----------------------------------------------------------------------------------


def bench_search(seed: int, *changes: str, task: Task | None = None) -> Search:
    """A search of the table's space with the settings of the preset, but for ``changes``."""
    settings = load_preset(PRESET, changes)
    task = task or settings.task.load()
    return Search(build_supernet(settings, task, seed), task, settings.search, seed=seed)


class Searches(NamedTuple):
    """Searches of several seeds, step by step.

    Attributes:
        alphas: (seeds, steps, edges, primitives) after each step.
        accuracies: (steps,) of the supernets on the batch that moved α, the mean over the seeds.
    """

    alphas: Alphas
    accuracies: Numbers


def searches(seeds: Sequence[int], *changes: str) -> Searches:
    """A search for each seed, all of them as one program."""
    settings = load_preset(PRESET, changes)
    search = search_side_by_side(settings, settings.task.load(), seeds)
    (alpha,) = search.supernet.alphas.values()
    alphas, accuracies = [], []
    for step in search:
        alphas.append(alpha.detach().numpy().copy())
        accuracies.append(step.accuracy["architecture"])
    return Searches(np.stack(alphas, axis=1), np.array(accuracies))


def true_accuracies(truth: Truth, alphas: Alphas, rule: str, steps: Sequence[int]) -> Numbers:
    """(seeds, steps) what the cells are worth that a rule would keep after so many steps."""
    return np.array(
        [
            [truth.accuracy(c) for c in kept(truth, [course[n - 1] for n in steps], rule)]
            for course in alphas
        ]
    )


def leads(scores: Mapping[str, Numbers]) -> list[float]:
    """By how many of its standard errors the mean of the first group is above that of each of the
    others: Welch's t."""
    first, *others = scores.values()
    return [float(stats.ttest_ind(first, own, equal_var=False).statistic) for own in others]


def lead_over(scores: Numbers, known: float) -> float:
    """By how many of its standard errors a mean is above a number that is known: Student's t."""
    return float(stats.ttest_1samp(scores, known).statistic)


def chance(truth: Truth, none: bool = True) -> float:
    """The mean true accuracy of all cells as written, in points; of those without none."""
    return 100 * float(truth.accuracies[truth.row_of[written(truth.space, none)]].mean())


def verdicts(scores: Mapping[str, Numbers]) -> str:
    """The first group against each of the others, a line each."""
    (name, first), *others = scores.items()
    return "\n".join(
        f"{name} − {other}: {told(difference(first, own))}; {lead:.1f} standard errors"
        for (other, own), lead in zip(others, leads(scores), strict=True)
    )


def known_verdicts(truth: Truth, scores: Numbers) -> str:
    """A group of cells against what is known without doubt, a line each."""
    known = {
        "a random cell": chance(truth),
        "a random cell without none": chance(truth, none=False),
        "all conv 3×3": 100 * truth.accuracy(cell(truth, "conv 3×3")),
    }
    return "\n".join(
        f"{name}: {accuracy:.1f}; the mean of these is {lead_over(scores, accuracy):+.1f} standard "
        "errors above it"
        for name, accuracy in known.items()
    )


def groups_picture(truth: Truth, scores: Mapping[str, Numbers]) -> Picture:
    """Groups of cells, true accuracies in points, beside the obvious guess."""
    lines = {"all conv 3×3": 100 * truth.accuracy(cell(truth, "conv 3×3"))}
    return draw(groups_scene("true accuracy", scores, INKS[: len(scores)], lines))


def predict_course(course: Numbers, steps: Sequence[int], result: Picture) -> Prediction:
    """Ask how the mean over some searches goes, by the first of the rules."""
    mean = course.mean(axis=0)
    line = Line(steps, mean, RULES["paper"], "mean")
    axes = (0.0, float(steps[-1])), (0.0, 1.0)
    first = Dots(steps[:1], mean[:1], SOFT, label=f"after {steps[0]} steps")
    panel = Panel("kept by the rule paper", [first], "step", "true accuracy", *axes)
    return predict(f"How does the mean of {len(course)} searches go on?", line, result, panel=panel)


def courses_picture(
    found: Searches, courses: Mapping[str, Numbers], steps: Sequence[int]
) -> Picture:
    """Searches over time, a panel for each rule: the cell that each would keep, their mean, and
    the accuracy of the supernets, averaged since the step before."""
    parts = np.split(found.accuracies, steps[:-1])
    supernet = [float(part.mean()) for part in parts]
    panels, words = [], [f"supernets: from {supernet[0]:.0%} to {supernet[-1]:.0%}"]
    for rule, course in courses.items():
        marks: list[Mark] = [Line(steps, own, SOFT, faint=True) for own in course]
        marks.append(Line(steps, supernet, INK, "supernets", ":"))
        marks.append(Line(steps, course.mean(axis=0), RULES[rule], "mean of the cells"))
        title, x, y = f"kept by the rule {rule}", "step", "accuracy"
        panels.append(Panel(title, marks, x, y, (0, steps[-1]), (0.0, 1.0)))
        words.append(
            f"{rule}: {course[:, 0].mean():.0%} after {steps[0]} steps, "
            f"{course[:, -1].mean():.0%} after {steps[-1]}"
        )
    text = f"{len(course)} searches, the true accuracy of the cell that each would keep. "
    return draw(Scene(panels, f"{text}Means: {'; '.join(words)}."))


def rules_table(courses: Mapping[str, Numbers], steps: Sequence[int], at: Sequence[int]) -> str:
    """Mean with Student's interval, median, the worst and the number of dead cells, in points."""
    head = f"{'steps':>5}  {'rule':<8}{'mean':>6}{'interval':>16}"
    lines = [f"{head}{'median':>8}{'worst':>7}{'dead':>6}"]
    for n in at:
        for rule, course in courses.items():
            own = 100 * course[:, list(steps).index(n)]
            mean, low, high = interval(own)
            ends = f"{low:.1f} to {high:.1f}"
            dead = int((own < 100 * DEAD).sum())
            lines.append(
                f"{n:>5}  {rule:<8}{mean:>6.1f}{ends:>16}{np.median(own):>8.1f}{own.min():>7.1f}"
                f"{dead:>6}"
            )
    return "\n".join(lines)


DEAD = 0.12
"""Accuracy below which a cell of ten classes knows nothing: chance is 0.1."""


# ---- Rivals, by look-up -------------------------------------------------------------------------


def trainings(truth: Truth, steps: int) -> float:
    """What a search of so many steps costs, in trainings of an average cell."""
    settings = truth.about.settings
    return cost_of_search(truth, settings.task.load(), steps, settings.search.batch_size)


def random_search(
    truth: Truth, budget: int, repeats: int = 300, seed: int = 0, none: bool = True
) -> Numbers:
    """(repeats, budget) the true accuracy of what random search would report after each training.

    Every training is a look-up, of a cell drawn uniformly and of one of its seeds. Validation
    accuracy chooses; the truth, which the search does not see, is what is told. Without ``none``
    cells that have it are not drawn.
    """
    generator = np.random.default_rng(seed)
    cells = written(truth.space, none)
    rows = truth.row_of[generator.choice(cells, (repeats, budget))]
    of_seed = generator.integers(len(truth.about.seeds), size=rows.shape)
    seen = truth.validation_right[rows, -1, of_seed].astype(np.int64)
    # The first of the best so far: later ones must be better by one right answer.
    ordered = seen * budget + np.arange(budget)[::-1]
    leader = budget - 1 - np.maximum.accumulate(ordered, axis=1) % budget
    return np.asarray(truth.accuracies[np.take_along_axis(rows, leader, axis=1)])


def local_search(truth: Truth, budget: int, repeats: int = 300, seed: int = 0) -> Numbers:
    """(repeats, budget) likewise for local search: look at the neighbours in a random order, go to
    the first that is better; begin anew at a random cell where none is."""
    generator = np.random.default_rng(seed)
    walks = [_walk(truth, budget, generator) for _ in range(repeats)]
    return np.asarray(truth.accuracies[truth.row_of[np.array(walks)]])


def _walk(truth: Truth, budget: int, generator: np.random.Generator) -> list[int]:
    """The numbers of the cells that a walk would report after each training."""
    seen: dict[int, int] = {}
    reported: list[int] = []

    def train(number: int) -> None:
        if number in seen or len(reported) == budget:
            return
        of_seed = generator.integers(len(truth.about.seeds))
        seen[number] = int(truth.validation_right[truth.row_of[number], -1, of_seed])
        lead = reported[-1] if reported else number
        reported.append(number if seen[number] > seen[lead] else lead)

    around = _around(truth)
    while len(reported) < budget:
        here = int(generator.integers(len(truth.row_of)))
        train(here)
        while True:
            for other in generator.permutation(around[here]).tolist():
                train(other)
                if seen.get(other, -1) > seen[here]:
                    here = other
                    break
            else:
                break
    return reported


def _around(truth: Truth) -> NDArray[np.int64]:
    """(cells, neighbours) the numbers of the neighbours of every cell."""
    digits, count = np.array(cells_of(truth.space)), len(truth.space.primitives)
    place = count ** np.arange(digits.shape[1])[::-1]
    shifted = (digits[..., None] + np.arange(1, count)) % count
    moves = (shifted - digits[..., None]) * place[:, None]
    return (np.arange(len(digits))[:, None, None] + moves).reshape(len(digits), -1)


def rivals_picture(
    rivals: Mapping[str, Numbers], lines: Mapping[str, float], charged: int
) -> Picture:
    """What strategies report after each training, in the mean, beside fixed accuracies.

    ``charged`` is where a search stands on the axis.
    """
    marks: list[Mark] = []
    words = []
    for (name, reported), ink in zip(rivals.items(), INKS, strict=False):
        budget = reported.shape[1]
        marks.append(Line(np.arange(1, budget + 1), reported.mean(axis=0), ink, name))
        words.append(f"{name} after {charged} trainings: {reported[:, charged - 1].mean():.1%}")
    for (name, value), style in zip(lines.items(), STYLES, strict=False):
        marks.append(Line([1, budget], [value, value], SOFT, name, style))
        words.append(f"{name}: {value:.1%}")
    marks.append(Line([charged] * 2, [0.5, 0.92], SOFT, "price of a search", faint=True))
    axes = (1.0, float(budget)), (0.5, 0.92)
    panel = Panel("at equal cost", marks, "trainings", "true accuracy", *axes)
    repeats = len(reported)
    return draw(Scene([panel], f"Means over {repeats} repeats. {'; '.join(words)}."))


# ---- Shared weights -----------------------------------------------------------------------------


def shared_scores(supernet: Supernet, task: Task, cells: Sequence[Genotype]) -> Numbers:
    """What a supernet says of cells: its accuracy on the architecture split with nothing but the
    cell's operations, by the weights it has."""
    return np.array([cut_accuracy(supernet, task.architecture, cell) for cell in cells])


FAVOURITES = 10
"""How many cells of the highest accuracy in the supernet are looked at."""


def agreement(truth: Truth, cells: Sequence[Genotype], scores: Numbers) -> Iterator[float]:
    """Kendall's τ of scores with the truth: over all the cells, and over the better half."""
    true = np.array([truth.accuracy(cell) for cell in cells])
    for chosen in (true >= -1, true >= np.median(true)):
        yield float(stats.kendalltau(true[chosen], scores[chosen]).statistic)


def agreement_picture(
    truth: Truth, cells: Sequence[Genotype], scores: Mapping[str, Numbers]
) -> Picture:
    """What supernets say of cells against what they are worth; what their favourites are worth."""
    true = np.array([truth.accuracy(cell) for cell in cells])
    panels, words = [], []
    for name, own in scores.items():
        every, better = agreement(truth, cells, own)
        dots = Dots(true, own, BLUE, size=1.8)
        x, y = "true accuracy", "accuracy in the supernet"
        panels.append(Panel(name, [dots], x, y, (0.0, 1.0), (0.0, 1.0)))
        favourites = true[np.argsort(-own, kind="stable")[:FAVOURITES]].mean()
        words.append(
            f"{name}: τ = {every:.2f}, among the better half {better:.2f}; its {FAVOURITES} "
            f"favourites are worth {favourites:.0%}"
        )
    text = f"{len(true)} cells, worth {true.mean():.0%} on average."
    return draw(Scene(panels, f"{text} {'. '.join(words)}."))
