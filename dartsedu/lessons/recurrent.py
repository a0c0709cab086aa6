"""Lesson 06: texts, one edge, a short search, what recorded trainings say."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from math import exp
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from torch import Tensor

from dartsedu.base.yardstick import perplexity
from dartsedu.data.ngrams import reference_losses
from dartsedu.data.tasks import load_task
from dartsedu.data.text import TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.genotype import Genotype
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import Bars, Dots, Line, Mark, Panel, Scene, Style, draw
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.show.palette import OTHER, colour
from dartsedu.show.picture import Picture
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.spaces.rnn.operations import gated
from dartsedu.spaces.rnn.settings import RNNTrainSettings
from dartsedu.stream.stream import Step
from dartsedu.train import Training

RECORDED = Path(__file__).parent / "recordings" / "recurrent.json"
"""Trainings from scratch with the whole preset: ``python benchmarks/recurrent_cells.py``.

Three rows marked ``earlier`` are figures that an earlier run of the same commands left, rounded; a
fourth of that run came out the same again.
"""
SEARCH = Path(__file__).parent / "recordings" / "pydoc.jsonl"
"""A search with the whole preset: ``dartsedu search --preset rnn-classroom --seed 0``."""

SHORT_SEARCH = (
    "supernet.hidden=32",
    "supernet.nodes=3",
    "search.epochs=1",
    "search.weights.learning_rate=5",
    "search.weights.learning_rate_end=5",
)
"""What makes the classroom's search short enough for a lesson."""
SHORT_TRAINING = ("train.epochs=3",)
ON_GRAMMAR = ("train.weights.learning_rate=5", "train.weights.learning_rate_end=5")
"""With the preset's 20 the cell found diverges there."""


def load_text(name: str) -> TextTask:
    """A text of the classroom: ``pydoc`` with a vocabulary of 1,000 words, or ``grammar``."""
    task = load_task(name, vocabulary=1000 if name == "pydoc" else None)
    assert isinstance(task, TextTask)
    return task


def text_search(task: TextTask, seed: int = 0, *changes: str) -> Search:
    """The search of ``rnn-classroom`` in short, with ``changes`` as the command line takes them."""
    settings = load_preset("rnn-classroom", (*SHORT_SEARCH, *changes))
    return Search(build_supernet(settings, task, seed), task, settings.search, seed=seed)


def text_training(genotype: Genotype, task: TextTask, seed: int = 0, *changes: str) -> Training:
    """The training of ``rnn-classroom`` in short, of a genotype's network."""
    settings = load_preset("rnn-classroom", (*SHORT_TRAINING, *changes)).train
    assert isinstance(settings, RNNTrainSettings)
    return Training(build_network(genotype, settings, task, seed), task, settings, seed=seed)


def references(task: TextTask) -> dict[str, float]:
    """Test perplexities of counting words and, where it is known, the floor."""
    assert isinstance(task.training, TextSplit)
    assert isinstance(task.test, TextSplit)
    losses = reference_losses(task.training, task.test, len(task.words))
    found = {name: perplexity(loss) for name, loss in losses.items()}
    return found if task.floor is None else {**found, "floor": task.floor}


# ---- How long a state remembers -----------------------------------------------------------------

GATES = [round(-6 + 0.25 * i, 2) for i in range(37)]
FACTORS = [round(0.5 + 0.1 * i, 1) for i in range(16)]


def memory_explorer(words: int = 30) -> Explorer:
    """What is left of one word after others that say nothing, with a gate and without."""
    time = np.arange(words + 1)

    def show(gate: float, factor: float) -> Scene:
        opened = 1 / (1 + exp(-gate))
        kept = (1 - opened) ** time
        plain = [1.0]
        for _ in time[1:]:
            plain.append(float(np.tanh(factor * plain[-1])))
        marks: list[Mark] = [
            Line(time, np.full(words + 1, 0.5), OTHER, "half", style=":"),
            Line(time, plain, colour("tanh"), "without gate: s ← tanh(w s)", style="--"),
            Line(time, kept, colour("relu"), "with gate: s ← s + σ(c) (0 − s)"),
            Dots([10, 10], [plain[10], kept[10]], OTHER),
        ]
        return Scene(
            [Panel("what is left of a word", marks, "words since", "state", (0, words), (0, 1.05))],
            f"σ(c) = {opened:.3f}. After ten words the gated state holds {kept[10]:.2f}, the one "
            f"without a gate {plain[10]:.2f}.",
        )

    return Explorer(
        "How long a state remembers",
        show,
        gate=Control("gate c", GATES, 0.0),
        factor=Control("w, without gate", FACTORS, 0.8),
    )


# ---- One edge -----------------------------------------------------------------------------------


def edge(state: Tensor, weight: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """What an edge makes of a state (N, H): the highway, with gate and value from ``weight``."""
    gate, value = (state @ weight).chunk(2, dim=-1)
    return gated(state, gate, activation(value))


# ---- A training from scratch --------------------------------------------------------------------


def training_picture(steps: Iterable[Step], lines: Mapping[str, float]) -> Picture:
    """Perplexity on the text that is not learnt from, epoch by epoch, and reference lines."""
    found = [perplexity(step.loss["validation"]) for step in steps if "validation" in step.loss]
    epochs = list(range(1, len(found) + 1))
    most = max([*found, *lines.values()]) * 1.1
    styles: dict[str, Style] = {"unigram": ":", "bigram": "--", "floor": "-"}
    marks: list[Mark] = [
        Line([0.5, len(found) + 0.5], [value, value], OTHER, name, style=styles[name])
        for name, value in lines.items()
    ]
    marks += [
        Line(epochs, found, colour("relu"), "the cell found"),
        Dots(epochs, found, colour("relu")),
    ]
    said = ", ".join(f"{value:.1f}" for value in found)
    of_lines = ", ".join(f"{name} {value:.1f}" for name, value in lines.items())
    text = f"Perplexity after each epoch: {said}. Lines: {of_lines}."
    ends = (0.5, len(found) + 0.5)
    panel = Panel("text that it has not learnt from", marks, "epoch", "perplexity", ends, (0, most))
    return draw(Scene([panel], text))


# ---- Recorded trainings -------------------------------------------------------------------------

GROUPS: dict[str, tuple[str, int]] = {
    "cells found": ("found", 4),
    "random cells": ("random", 4),
    "LSTM": ("LSTM", 4),
    "published cell": ("published", 8),
}
"""What is compared, with its kind and number of nodes in the recording. (An LSTM has no nodes; its
size is that of cells of four.)"""
_INKS = (colour("relu"), OTHER, colour("tanh"), colour("sigmoid"))


def recorded() -> dict[str, Any]:
    """The recording: versions, references, searches, networks."""
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def perplexities(task: str, group: str) -> list[float]:
    """Test perplexities of the recorded networks of a group; empty if it has none."""
    wanted = (task, *GROUPS[group])
    return [
        row["perplexity"]
        for row in recorded()["networks"]
        if (row["task"], row["kind"], row["nodes"]) == wanted
    ]


def groups(task: str) -> list[str]:
    """The groups that have been recorded on a task."""
    return [group for group in GROUPS if perplexities(task, group)]


def found_cells(task: str = "pydoc") -> list[Genotype]:
    """The genotypes of the recorded searches, by seed."""
    return [
        Genotype.model_validate(search["genotype"])
        for search in recorded()["searches"]
        if search["task"] == task
    ]


def describe(task: str, group: str) -> str:
    """Number, mean, deviation and range of a group's perplexities, in words."""
    found = perplexities(task, group)
    if len(found) == 1:
        return f"{group}: {found[0]:.1f} (1 network)"
    least, most = min(found), max(found)
    return (
        f"{group}: {fmean(found):.1f} ± {stdev(found):.1f} ({least:.1f} to {most:.1f}, "
        f"{len(found)} networks)"
    )


def perplexities_picture(task: str) -> Picture:
    """Every recorded network of a task as a dot, and the bigram line."""
    marks: list[Mark] = []
    place, known = 1, groups(task)
    for group, ink in zip(GROUPS, _INKS, strict=True):
        values = perplexities(task, group)
        places = list(range(place, place + len(values)))
        place += len(values)
        if values:
            marks.append(Dots(places, values, ink, group))
    every = [value for group in known for value in perplexities(task, group)]
    lines = recorded()["references"][task]
    bigram = lines["bigram"]
    marks.append(Line([0, place], [bigram, bigram], OTHER, "bigram", style="--"))
    ends = [*every, bigram]
    margin = 0.06 * (max(ends) - min(ends))
    said = "; ".join(describe(task, group) for group in known)
    counted = ", ".join(f"{name} {value:.1f}" for name, value in lines.items())
    panel = Panel(
        f"test perplexity on {task}",
        marks,
        "network",
        "perplexity (lower is better)",
        (0, place),
        (min(ends) - margin, max(ends) + margin),
    )
    return draw(
        Scene([panel], f"Test perplexity, mean ± deviation: {said}. Counting words: {counted}.")
    )


def luck_explorer(task: str = "pydoc") -> Explorer:
    """How often a comparison of a few networks says that the first group is better.

    Networks are drawn from the recorded ones with replacement (a bootstrap).
    """
    known = [group for group in groups(task) if len(perplexities(task, group)) > 1]

    def show(first: str, second: str, networks: float) -> Scene:
        one, other = (np.array(perplexities(task, name)) for name in (first, second))
        k = int(networks)
        drawn = np.random.default_rng(0)
        a, b = (np.stack([drawn.choice(x, k) for _ in range(4000)]) for x in (one, other))
        difference = a.mean(axis=1) - b.mean(axis=1)
        edges = np.linspace(-12, 12, 25)
        shares = np.histogram(difference.clip(-11.9, 11.9), edges)[0] / len(difference)
        stairs_x, stairs_y = np.repeat(edges, 2)[1:-1], np.repeat(shares, 2)
        better = float((difference < 0).mean())
        highest = max(0.05, float(shares.max())) * 1.1
        marks: list[Mark] = [
            Line([0, 0], [0, highest], OTHER, "no difference", style=":"),
            Line(stairs_x, stairs_y, colour("relu"), f"{first} − {second}"),
        ]
        bars = Bars(
            [f"{first} better", f"{second} better"],
            [better, 1 - better],
            [colour("relu"), OTHER],
        )
        return Scene(
            [
                Panel(
                    "difference of the means",
                    marks,
                    "perplexity",
                    "share of the comparisons",
                    (-12, 12),
                    (0, highest),
                ),
                Panel("what you would have said", [bars], xlim=(0, 1)),
            ],
            f"With {k} of each, {first} look better than {second} in {better:.0%} of comparisons. "
            f"All of them: {one.mean():.1f} against {other.mean():.1f}.",
        )

    return Explorer(
        "How much is luck",
        show,
        first=Control("first", known, known[0]),
        second=Control("second", known, known[1]),
        networks=Control("networks of each", [1, 2, 3, 5, 10], 1),
    )
