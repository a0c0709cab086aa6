"""Lesson 03: a search of a small cell on digits, its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from dartsedu.data.task import Task
from dartsedu.data.tasks import load_task
from dartsedu.genotype import Genotype
from dartsedu.lessons.panel import Bars, Line, Panel, Pixels, Scene, Style, draw
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.show.measures import entropy
from dartsedu.show.palette import colour
from dartsedu.show.picture import Picture
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.stream.recording import Recording


def digits_search(seed: int = 0, *changes: str, task: Task | None = None, nodes: int = 2) -> Search:
    """A search of cells with so many nodes on digits, classroom settings.

    ``changes`` are settings as the command line takes them, such as ``"search.epochs=5"``.
    """
    torch.manual_seed(seed)
    supernet = CNNSupernet(cnn_space(nodes=nodes), image_channels=1, channels=4, cells=3)
    settings = load_preset("classroom", changes).search
    return Search(supernet, task or load_task("digits"), settings, seed=seed)


def digits_picture(task: Task) -> Picture:
    """Ten images of the weights split, one of each digit."""
    batch = next(task.weights.once(len(task.weights)))
    first = [int((batch.targets == digit).nonzero()[0]) for digit in range(10)]
    panels = [
        Panel(str(digit), [Pixels(batch.inputs[i, 0].numpy(), -2.0, 3.0)])
        for digit, i in enumerate(first)
    ]
    text = "Ten handwritten digits of 8 by 8 pixels, 0 to 9, grainy with added noise."
    return draw(Scene(panels, text), columns=5)


# ---- Seeds and settings -------------------------------------------------------------------------


def shared_edges(genotypes: Sequence[Genotype]) -> float:
    """The share of kept edges, operation included, that two genotypes have in common, on average.

    Over all pairs; 1 if all are the same.
    """
    kept = [
        {(cell.name, state, edge) for cell in genotype.cells for state, edge in cell.edges}
        for genotype in genotypes
    ]
    pairs = [(a, b) for i, a in enumerate(kept) for b in kept[i + 1 :]]
    return sum(len(a & b) / len(a) for a, b in pairs) / len(pairs)


def shares_picture(shares: Mapping[str, float]) -> Picture:
    """How much genotypes have in common, a bar for each group."""
    colours = [colour("sep_conv_3x3"), colour("none")]
    bars = Bars(list(shares), list(shares.values()), colours)
    words = ", ".join(f"{name}: {value:.0%}" for name, value in shares.items())
    panel = Panel("edges in common", [bars], x="share of kept edges", xlim=(0.0, 1.0))
    return draw(Scene([panel], f"Share of kept edges that two cells have in common. {words}."))


def entropies_picture(recordings: Mapping[str, Recording], cell: str = "normal") -> Picture:
    """Entropy of one cell's mixture over time, a line for each recording."""
    colours = ("#a90fe8", "#7b6c06", "#089aaa", "#a3507a", "#4c7655")
    styles: tuple[Style, ...] = ("-", "--", ":", "-", "--")
    lines, words, last = [], [], 1
    for (name, recording), ink, style in zip(recordings.items(), colours, styles, strict=False):
        bits = [entropy(step.mixture[cell]) for step in recording.steps]
        steps = [step.index + 1 for step in recording.steps]
        lines.append(Line(steps, bits, ink, name=name, style=style))
        words.append(f"{name}: {bits[0]:.2f} to {bits[-1]:.2f} bits")
        last = max(last, steps[-1])
    panel = Panel(f"{cell} cell", lines, "step", "entropy (bits)", (1, last + 1), (0.0, 3.1))
    return draw(Scene([panel], "Entropy of the mixtures over time. " + "; ".join(words) + "."))
