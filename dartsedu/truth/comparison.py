"""A found cell beside the best, the median, the obvious guess and random ones, by look-up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from dartsedu.data.task import Task
from dartsedu.genotype import Genotype
from dartsedu.settings import TrainSettings
from dartsedu.truth.cells import genotype_of, written
from dartsedu.truth.table import Standing, Truth

RANDOM_CELLS = 10


class Judged(NamedTuple):
    """What a cell is worth, beside others. All accuracies are on the test split, 0…1.

    Attributes:
        found: where the cell stands.
        best, median: accuracies in the table.
        uniform: the best cell that has one primitive on all edges, and its accuracy.
        random: accuracies of ten cells drawn uniformly, and of ten without *none*.
        trainings: what the search cost, in trainings of one network.
        best_of_random: accuracy that can be expected of the best of so many random cells without
            *none*, chosen by validation.
    """

    found: Standing
    best: float
    median: float
    uniform: tuple[str, float]
    random: tuple[float, ...]
    random_without_none: tuple[float, ...]
    trainings: float
    best_of_random: float


def judge(truth: Truth, genotype: Genotype, trainings: float, seed: int = 0) -> Judged:
    """Where a genotype stands in a table, beside what else there is.

    ``trainings`` is what it has cost to find; ``seed`` that of the random cells.
    """
    return Judged(
        found=truth.standing(genotype),
        best=float(truth.accuracies.max()),
        median=truth.accuracy(truth.median),
        uniform=_uniform(truth),
        random=_accuracies(truth, truth.sample(RANDOM_CELLS, seed)),
        random_without_none=_accuracies(truth, truth.sample(RANDOM_CELLS, seed, none=False)),
        trainings=trainings,
        best_of_random=best_of_random(truth, max(1, round(trainings))),
    )


def price(truth: Truth, searched: int, trained: int) -> float:
    """What a search costs, in trainings of an average cell, by the multiply-adds of their passes.

    ``searched`` are the images that pass through the supernet, ``trained`` those that pass through
    one network in its training. The supernet computes every primitive on every edge.
    """
    edges = truth.choices.shape[1]
    uniform = [
        truth.multiply_adds[truth.row(genotype_of(truth.space, [number] * edges))]
        for number in range(len(truth.space.primitives))
    ]
    least = min(uniform)  # Of the stem, the classifier and whatever else is not searched.
    supernet = least + sum(count - least for count in uniform)
    return float(searched * supernet / (trained * truth.multiply_adds[truth.row_of].mean()))


def cost_of_search(truth: Truth, task: Task, steps: int, batch_size: int) -> float:
    """What a search of so many steps costs, in trainings of an average cell (``price``).

    A step passes a batch of either split through the supernet. ``task`` is the table's.
    """
    train = truth.about.settings.train
    assert isinstance(train, TrainSettings)
    batches = sum(task.training.passes(train.batch_size, 0, train.epochs, **train.reading()))
    return price(truth, 2 * steps * batch_size, batches * train.batch_size)


def _accuracies(truth: Truth, cells: list[Genotype]) -> tuple[float, ...]:
    return tuple(truth.accuracy(cell) for cell in cells)


def _uniform(truth: Truth) -> tuple[str, float]:
    """The best cell with one primitive on all edges."""
    edges = truth.choices.shape[1]
    worth: Mapping[str, float] = {
        primitive: truth.accuracy(genotype_of(truth.space, [number] * edges))
        for number, primitive in enumerate(truth.space.primitives)
    }
    best = max(worth, key=lambda primitive: worth[primitive])
    return best, worth[best]


def best_of_random(truth: Truth, count: int, none: bool = False) -> float:
    """The mean test accuracy of the best of ``count`` random cells, exactly.

    The best is chosen by the validation accuracy of the table's first seed at the end, as a random
    search would: it trains each cell once. Cells are drawn uniformly from those that can be
    written; without ``none`` from those that have it on no edge.
    """
    rows = truth.row_of[written(truth.space, none)]
    validation = truth.validation_right[rows, -1, 0].astype(np.int64)
    order = np.argsort(validation, kind="stable")
    ordered, worth = validation[order], truth.accuracies[rows][order]
    # Of the best of n draws: P(validation ≤ v) is (share of cells ≤ v)^n; equal ones share evenly.
    upto = np.searchsorted(ordered, ordered, side="right") / len(rows)
    below = np.searchsorted(ordered, ordered, side="left") / len(rows)
    chance = (upto**count - below**count) / ((upto - below) * len(rows))
    return float((chance * worth).sum())
