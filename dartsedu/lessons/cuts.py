"""Lesson 04: supernets cut, sharpened and hurried, their cells trained again; a record of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from torch import Tensor

from dartsedu.base.values import Value
from dartsedu.data.splits import Split
from dartsedu.data.task import Task
from dartsedu.derivation import derive
from dartsedu.discretisation import discretisation_gap, discretised_mixture, score
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.lessons.intervals import Interval, difference
from dartsedu.lessons.search import digits_search
from dartsedu.presets import load_preset
from dartsedu.relaxation import Supernet, mixture_weights
from dartsedu.search import Search
from dartsedu.show.measures import entropy
from dartsedu.spaces.cnn import CNNNetwork
from dartsedu.spaces.cnn.settings import CNNTrainSettings
from dartsedu.topology import SearchSpace
from dartsedu.train import Training, evaluate

RECORD = Path(__file__).parent / "recordings" / "cuts.json"
"""What ``notebooks/source/record_cuts.py`` measured."""
TEMPERATURES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
KEEPS = {3: 1, 6: 2, 9: 4}
"""Edges of a cell of three nodes, by how many edges a node may keep."""
PATIENT = ("search.epochs=3",)
HASTY = (*PATIENT, "search.architecture.learning_rate=1.5")
"""What the lesson changes in the preset ``classroom``; hasty: thirty times the learning rate."""


def searched(changes: tuple[str, ...], seed: int, task: Task) -> Search:
    """A search of cells of three nodes, run to its end."""
    search = digits_search(seed, *changes, task=task, nodes=3)
    for _ in search:
        pass
    return search


# ---- Cutting, and training again ----------------------------------------------------------------


def _keeping(space: SearchSpace, keep: int) -> SearchSpace:
    """The same space with so many edges kept at a node, or as many as there are."""
    cells = tuple(cell.model_copy(update={"keep": keep}) for cell in space.cells)
    return space.model_copy(update={"cells": cells})


def keeping(supernet: Supernet, keep: int) -> Genotype:
    """The genotype of a supernet if every node keeps ``keep`` edges, or all it has."""
    alphas = {name: alpha.detach().numpy() for name, alpha in supernet.alphas.items()}
    return derive(_keeping(supernet.space, keep), alphas)


def random_keeping(supernet: Supernet, keep: int, seed: int) -> Genotype:
    """A random genotype of the supernet's space with ``keep`` edges a node, or all it has."""
    return random_genotype(_keeping(supernet.space, keep), seed)


def cut_accuracy(supernet: Supernet, split: Split, genotype: Genotype) -> float:
    """Accuracy of the supernet when all but the genotype's edges are cut, with the same w."""
    accuracy = score(supernet, split, discretised_mixture(supernet.space, genotype)).accuracy
    assert accuracy is not None
    return accuracy


def scratch_accuracy(genotype: Genotype, task: Task, seed: int = 0, epochs: int = 4) -> float:
    """Accuracy on the architecture split of a small network trained on the weights split only."""
    torch.manual_seed(seed)
    network = CNNNetwork(genotype, image_shape=(1, 8, 8), channels=4, cells=3)
    settings = load_preset("classroom", [f"train.epochs={epochs}"]).train
    assert isinstance(settings, CNNTrainSettings)
    for _ in Training(network, replace(task, training=task.weights), settings, seed=seed):
        pass
    return evaluate(network, task.architecture)


# ---- Sharpening ---------------------------------------------------------------------------------


class Sharpened(Value):
    """A supernet under softmax(α / T), with the same w.

    Attributes:
        alphas: by cell, (edges, primitives).
        accuracies: on the architecture split, for each of ``TEMPERATURES``.
        paper, argmax: the accuracy after the cut by these two rules.
    """

    alphas: dict[str, tuple[tuple[float, ...], ...]]
    accuracies: tuple[float, ...]
    paper: float
    argmax: float

    @property
    def mixture(self) -> float:
        """The accuracy of the mixture as it is, T = 1."""
        return self.accuracies[-1]

    def weights(self, temperature: float) -> dict[str, Tensor]:
        """softmax(α / T) by cell."""
        return {
            name: mixture_weights(torch.tensor(a) / temperature) for name, a in self.alphas.items()
        }

    @property
    def bits(self) -> list[float]:
        """The mean entropy of an edge, for each of ``TEMPERATURES``."""
        return [entropy(torch.cat(list(self.weights(t).values()))) for t in TEMPERATURES]

    def after_losing(self, bits: float) -> float:
        """The accuracy when so many bits are gone, on the line between two temperatures."""
        known = self.bits
        return float(np.interp(known[-1] - bits, known, self.accuracies))


def sharpened(supernet: Supernet, split: Split) -> Sharpened:
    """Measure a supernet at all of ``TEMPERATURES``, and cut."""
    alphas = {name: alpha.detach() for name, alpha in supernet.alphas.items()}
    accuracies = [
        score(supernet, split, {n: mixture_weights(a / t) for n, a in alphas.items()}).accuracy
        or 0.0
        for t in TEMPERATURES
    ]
    paper, argmax = (
        cut_accuracy(supernet, split, supernet.genotype(rule)) for rule in ("paper", "argmax")
    )
    return Sharpened(
        alphas={n: tuple(map(tuple, a.tolist())) for n, a in alphas.items()},
        accuracies=tuple(accuracies),
        paper=paper,
        argmax=argmax,
    )


# ---- The record ---------------------------------------------------------------------------------


class Kept(Value):
    """Cells that keep so many edges: derived from a supernet, and random.

    Attributes:
        cut: accuracy of the derived cell, cut out of the supernet.
        cut_drawn: accuracies of random cells, cut out of it.
        scratch, scratch_drawn: of the derived cell and of one random cell, trained from scratch.
    """

    edges: int
    cut: float
    cut_drawn: tuple[float, ...]
    scratch: float
    scratch_drawn: float


class Cuts(Value):
    """What the lesson measures, with one seed.

    Attributes:
        sharpened: the patient search's supernet.
        blind: accuracies of ten random cells of two edges a node, cut out of it.
        kept: by edges that the cell keeps.
        hasty_mixture, hasty_cut: the hasty search's supernet, as it is and cut.
        hasty_scratch: its cell trained from scratch.
    """

    seed: int
    sharpened: Sharpened
    blind: tuple[float, ...]
    kept: tuple[Kept, ...]
    hasty_mixture: float
    hasty_cut: float
    hasty_scratch: float

    @property
    def gap(self) -> float:
        """What the patient search's supernet loses when it is cut."""
        return self.sharpened.mixture - self.sharpened.paper

    @property
    def hasty_gap(self) -> float:
        """What the hasty search's supernet loses when it is cut."""
        return self.hasty_mixture - self.hasty_cut


class Record(Value):
    """The lesson's measurements with many seeds."""

    format: Literal["dartsedu cuts"] = "dartsedu cuts"
    versions: Mapping[str, str]
    runs: tuple[Cuts, ...]

    @classmethod
    def load(cls, path: Path = RECORD) -> Self:
        """Read a record; the shipped one by default."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))


def _rounded(found: float) -> float:
    return round(found, 4)


def measure(
    seed: int,
    task: Task,
    drawn: int = 5,
    blind: int = 10,
    changes: tuple[str, ...] = (),
    epochs: int = 4,
) -> Cuts:
    """Two searches, their supernets cut in many ways, the cells trained from scratch.

    ``changes`` are further ones of the searches' settings.
    """
    split = task.architecture
    supernet, hurried = (
        searched((*settings, *changes), seed, task).supernet for settings in (PATIENT, HASTY)
    )
    found = sharpened(supernet, split)
    quick = discretisation_gap(hurried, split, hurried.genotype())

    def cut(genotype: Genotype) -> float:
        return _rounded(cut_accuracy(supernet, split, genotype))

    def trained(genotype: Genotype) -> float:
        return _rounded(scratch_accuracy(genotype, task, seed, epochs))

    kept = [
        Kept(
            edges=edges,
            cut=cut(keeping(supernet, keep)),
            cut_drawn=tuple(cut(random_keeping(supernet, keep, s)) for s in range(drawn)),
            scratch=trained(keeping(supernet, keep)),
            scratch_drawn=trained(random_keeping(supernet, keep, seed)),
        )
        for edges, keep in KEEPS.items()
    ]
    return Cuts(
        seed=seed,
        sharpened=Sharpened(
            alphas={
                name: tuple(tuple(map(_rounded, row)) for row in rows)
                for name, rows in found.alphas.items()
            },
            accuracies=tuple(map(_rounded, found.accuracies)),
            paper=_rounded(found.paper),
            argmax=_rounded(found.argmax),
        ),
        blind=tuple(cut(random_keeping(supernet, 2, s)) for s in range(blind)),
        kept=tuple(kept),
        hasty_mixture=_rounded(quick.mixture.accuracy or 0.0),
        hasty_cut=_rounded(quick.discretised.accuracy or 0.0),
        hasty_scratch=trained(hurried.genotype()),
    )


# ---- What the record says ------------------------------------------------------------------------


def patience(record: Record) -> dict[str, Interval]:
    """Hasty − patient over the recorded seeds, in points: the mixture, the cell from scratch."""
    runs = record.runs
    patient = [_kept(run.kept, 6).scratch for run in runs]
    return {
        "mixture": _points(
            [run.hasty_mixture for run in runs], [run.sharpened.mixture for run in runs]
        ),
        "cell from scratch": _points([run.hasty_scratch for run in runs], patient),
    }


def derived_or_drawn(record: Record) -> dict[int, Interval]:
    """Derived − random cell, both trained from scratch, in points, by edges that are kept."""
    found = {}
    for edges in (kept.edges for kept in record.runs[0].kept):
        each = [_kept(run.kept, edges) for run in record.runs]
        found[edges] = _points(
            [k.scratch for k in each], [k.scratch_drawn for k in each], paired=False
        )
    return found


def _kept(every: Sequence[Kept], edges: int) -> Kept:
    return next(kept for kept in every if kept.edges == edges)


def _points(one: Sequence[float], other: Sequence[float], paired: bool = True) -> Interval:
    return difference(100 * np.array(one), 100 * np.array(other), paired)
