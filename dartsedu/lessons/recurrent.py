"""Lesson 06: texts, one edge, a short search, what recorded trainings say."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.base.yardstick import perplexity
from dartsedu.data.ngrams import reference_losses
from dartsedu.data.tasks import load_task
from dartsedu.data.text import TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.genotype import Genotype
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.intervals import Scores, groups_scene, planned
from dartsedu.lessons.panel import BLUE, INK, RED, SOFT, Dots, Line, Mark, Panel, Scene, Style, draw
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.show.palette import colour, short
from dartsedu.show.picture import Picture
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.spaces.rnn.operations import gated
from dartsedu.spaces.rnn.settings import RNNTrainSettings
from dartsedu.stream.recording import Recording
from dartsedu.stream.stream import Step
from dartsedu.train import Training

Floats = NDArray[np.float64]

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
CELL = "recurrent"
"""The only cell of the space."""
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

FAINT_WORD = 0.3
"""What the weaker of two words leaves in the state."""
GATED, PLAIN = BLUE, RED
GATES = [round(-6 + 0.25 * i, 2) for i in range(31)]
FACTORS = [round(0.5 + 0.1 * i, 1) for i in range(16)]


def memory_explorer(words: int = 30) -> Explorer:
    """What is left of two words after others that say nothing, with a gate and without."""
    time = np.arange(words + 1)

    def show(gate: float, factor: float) -> Scene:
        opened = 1 / (1 + exp(-gate))
        starts = (1.0, FAINT_WORD)
        kept = [np.asarray(start * (1 - opened) ** time) for start in starts]
        plain = [np.asarray(_without_gate(start, factor, words)) for start in starts]
        looks: tuple[tuple[str, Style, str], ...] = (
            (GATED, "-", "with gate: s ← s + σ(c) (0 − s)"),
            (PLAIN, "--", "without gate: s ← tanh(w s)"),
        )
        marks: list[Mark] = [Line(time, np.full(words + 1, 0.5), SOFT, "half", style=":")]
        for (ink, style, name), (strong, weak) in zip(looks, (kept, plain), strict=True):
            marks.append(Line(time, strong, ink, name, style))
            marks.append(Line(time, weak, ink, "", style, faint=True))
            marks.append(Dots([10, 10], [strong[10], weak[10]], ink))
        return Scene(
            [
                Panel(
                    f"what is left of a word of 1, and of {FAINT_WORD}",
                    marks,
                    "words since",
                    "state",
                    (0, words),
                    (0, 1.05),
                )
            ],
            f"σ(c) = {opened:.3f}. After ten words the gated states hold {kept[0][10]:.2f} and "
            f"{kept[1][10]:.2f}, those without a gate {plain[0][10]:.2f} and {plain[1][10]:.2f}.",
        )

    return Explorer(
        "How long a state remembers",
        show,
        gate=Control("gate c", GATES, 0.0),
        factor=Control("w, without gate", FACTORS, 0.8),
    )


def _without_gate(start: float, factor: float, words: int) -> Floats:
    found = [start]
    for _ in range(words):
        found.append(float(np.tanh(factor * found[-1])))
    return np.array(found)


# ---- One edge -----------------------------------------------------------------------------------


def edge(state: Tensor, weight: Tensor, activation: Callable[[Tensor], Tensor]) -> Tensor:
    """What an edge makes of a state (N, H): the highway, with gate and value from ``weight``."""
    gate, value = (state @ weight).chunk(2, dim=-1)
    return gated(state, gate, activation(value))


# ---- A search, and a training from scratch ------------------------------------------------------

STYLES: dict[str, Style] = {"unigram": ":", "bigram": "--", "floor": "-"}
"""How the lines to beat are drawn."""


def _lines(lines: Mapping[str, float], ends: tuple[float, float]) -> list[Mark]:
    return [Line(ends, [value] * 2, SOFT, name, STYLES[name]) for name, value in lines.items()]


def _against(value: float, lines: Mapping[str, float]) -> str:
    """On which side of each line a perplexity lies, in words."""
    sides = [f"{'below' if value < line else 'above'} {name}" for name, line in lines.items()]
    return ", ".join(sides)


def search_picture(steps: Sequence[Step], lines: Mapping[str, float]) -> Picture:
    """Perplexity of a supernet on the architecture split, step by step, and reference lines."""
    found = [perplexity(step.loss["architecture"]) for step in steps]
    ends = (0.0, len(found) + 1.0)
    panel = Panel(
        "the supernet",
        [Line(range(1, len(found) + 1), found, GATED, "each batch"), *_lines(lines, ends)],
        "step",
        "perplexity",
        ends,
        (0.7 * min([*found, *lines.values()]), 1.2 * max(found)),
        log="y",
    )
    last = exp(fmean(step.loss["architecture"] for step in steps[-LAST:]))
    of_lines = ", ".join(f"{name} {value:.1f}" for name, value in lines.items())
    text = (
        f"Perplexity falls from {found[0]:.0f} to {last:.0f}, over the last {LAST} steps: "
        f"{_against(last, lines)}. Lines: {of_lines}."
    )
    return draw(Scene([panel], text))


LAST = 10
"""Steps whose mean loss is told at the end of a search."""


def leaders_picture(recording: Recording) -> Picture:
    """The mean share of every primitive over the steps of a search, and its loss."""
    space = recording.space
    steps = [step.index + 1 for step in recording.steps]
    shares = np.stack([step.mixture[CELL].mean(axis=0) for step in recording.steps])
    ends, chosen = (0.0, steps[-1] + 1.0), list(range(1, len(space.primitives)))
    lines = [Line(steps, shares[:, i], colour(p), short(p)) for i, p in enumerate(space.primitives)]
    losses = [step.loss["architecture"] for step in recording.steps]
    panels = [
        Panel("mean share on the edges", lines, "step", "share", ends, (0.0, 1.15 * shares.max())),
        Panel(
            "architecture loss",
            [Line(steps, losses, GATED)],
            "step",
            "nats a word",
            ends,
            (0.0, 1.05 * max(losses)),
        ),
    ]
    leader = shares[:, chosen].argmax(axis=1)
    last = int(leader[-1])
    others = np.flatnonzero(leader != last)
    since = steps[int(others[-1]) + 1] if len(others) else steps[0]
    text = (
        f"At the end {short(space.primitives[chosen[last]])} leads of all but none, with "
        f"{shares[-1, chosen[last]]:.2f}, and has done so since step {since} of {steps[-1]}."
    )
    return draw(Scene(panels, text))


def training_picture(steps: Iterable[Step], lines: Mapping[str, float]) -> Picture:
    """Perplexity on the text that is not learnt from, epoch by epoch, and reference lines."""
    found = [perplexity(step.loss["validation"]) for step in steps if "validation" in step.loss]
    epochs = list(range(1, len(found) + 1))
    most = max([*found, *lines.values()]) * 1.1
    ends = (0.5, len(found) + 0.5)
    marks = [
        *_lines(lines, ends),
        Line(epochs, found, GATED, "the cell found"),
        Dots(epochs, found, GATED),
    ]
    said = ", ".join(f"{value:.1f}" for value in found)
    of_lines = ", ".join(f"{name} {value:.1f}" for name, value in lines.items())
    text = (
        f"Perplexity after each epoch: {said}. Lines: {of_lines}. "
        f"At the end it is {_against(found[-1], lines)}."
    )
    panel = Panel(
        "text that it has not learnt from",
        marks,
        "epoch",
        "perplexity",
        ends,
        (0, most),
        ticks={"x": [(epoch, str(epoch)) for epoch in epochs]},
    )
    return draw(Scene([panel], text))


# ---- Recorded trainings -------------------------------------------------------------------------

GROUPS: dict[str, tuple[str, int]] = {
    "found": ("found", 4),
    "random": ("random", 4),
    "LSTM": ("LSTM", 4),
    "published": ("published", 8),
}
"""What is compared, with its kind and number of nodes in the recording. (An LSTM has no nodes; its
size is that of cells of four.)"""
INKS = dict(zip(GROUPS, (BLUE, RED, INK, SOFT), strict=True))


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


def scores(task: str) -> dict[str, Scores]:
    """The recorded perplexities of a task, by group."""
    return {group: np.array(perplexities(task, group)) for group in groups(task)}


def kept_primitives(task: str = "pydoc") -> dict[str, int]:
    """How often each primitive stands in the recorded cells, most often first."""
    kept = Counter(e.primitive for cell in found_cells(task) for _, e in cell[CELL].edges)
    return dict(kept.most_common())


def perplexities_picture(task: str) -> Picture:
    """Every recorded network of a task as a dot, means with intervals, and the bigram line."""
    known = scores(task)
    lines = {"bigram": recorded()["references"][task]["bigram"]}
    what = f"test perplexity on {task}, lower is better"
    return draw(groups_scene(what, known, [INKS[group] for group in known], lines, margin=2.0))


def one_of_each(first: Scores, second: Scores) -> float:
    """The share of all pairs in which the first has the lesser perplexity; a tie counts half."""
    pairs = np.subtract.outer(first, second)
    return float(np.mean((pairs < 0) + 0.5 * (pairs == 0)))


def plan_explorer(task: str = "pydoc") -> Explorer:
    """The interval of a difference that so many networks of each would give."""
    known = {group: found for group, found in scores(task).items() if len(found) > 1}
    names = list(known)
    counts = list(range(2, 31))

    def show(first: str, second: str, networks: float) -> Scene:
        one, other = known[first], known[second]
        every = [planned(one, other, n) for n in counts]
        mean, low, high = every[counts.index(int(networks))]
        reach = 1.15 * max(abs(end) for found in every[1:] for end in found)
        inside = [(max(-reach, f.low), min(reach, f.high)) for f in every]
        ends = (counts[0] - 0.5, counts[-1] + 0.5)
        marks: list[Mark] = [
            Line(ends, [0, 0], SOFT, "no difference", "--"),
            Line(counts, [f[0] for f in inside], INKS[first], "from"),
            Line(counts, [f[1] for f in inside], INKS[first], "to", ":"),
            Line([networks] * 2, [max(-reach, low), min(reach, high)], INK),
            Dots([networks], [mean], INK, size=6),
        ]
        verdict = "holds zero" if low <= 0 <= high else "leaves out zero"
        pair = {first: one, second: other}
        dots = groups_scene("test perplexity", pair, [INKS[group] for group in pair], margin=2.0)
        text = (
            f"{first} − {second}: {mean:+.1f}. With {int(networks)} of each the interval would "
            f"be {low:+.1f} to {high:+.1f}: it {verdict}. With one of each, {first} would have "
            f"looked better {one_of_each(one, other):.0%} of the time."
        )
        title = "the interval, if means and spread stay"
        plan = Panel(title, marks, "networks of each", "difference", ends, (-reach, reach))
        return Scene([*dots.panels, plan], text)

    return Explorer(
        "How many networks would it take?",
        show,
        first=Control("first", names, names[0]),
        second=Control("second", names, names[1]),
        networks=Control("networks of each", counts, 4),
    )
