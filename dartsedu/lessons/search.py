"""Lesson 03: a search of a small cell on digits, its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from dartsedu.data.task import Task
from dartsedu.data.tasks import load_task
from dartsedu.derivation import derive
from dartsedu.discretisation import score
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.lessons.panel import BLUE, INK, RED, SOFT, Line, Panel, Pixels, Scene, Style, draw
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.show.measures import entropy
from dartsedu.show.picture import Picture
from dartsedu.spaces.cnn import CNNSupernet, cnn_space
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace


def digits_search(seed: int = 0, *changes: str, task: Task | None = None, nodes: int = 2) -> Search:
    """A search of cells with so many nodes on digits, classroom settings.

    ``changes`` are settings as the command line takes them, such as ``"search.epochs=5"``.
    """
    torch.manual_seed(seed)
    supernet = CNNSupernet(cnn_space(nodes=nodes), image_channels=1, channels=4, cells=3)
    settings = load_preset("classroom", changes).search
    return Search(supernet, task or load_task("digits"), settings, seed=seed)


DECIDING = ("skip_connect", "max_pool_3x3", "sep_conv_3x3")


def deciding_search(seed: int = 0, *changes: str, task: Task | None = None) -> Search:
    """A search that decides within some seconds: three operations, and an α that moves fast.

    ``none`` is left out, α has a learning rate of 0.6 and no weight decay, which would pull it back
    to an even mixture.
    """
    torch.manual_seed(seed)
    space = cnn_space(nodes=2, primitives=DECIDING)
    supernet = CNNSupernet(space, image_channels=1, channels=4, cells=3)
    alpha = "search.architecture"
    own = (f"{alpha}.learning_rate=0.6", f"{alpha}.weight_decay=0", "search.epochs=8")
    settings = load_preset("classroom", (*own, *changes)).search
    return Search(supernet, task or load_task("digits"), settings, seed=seed)


def strongest_share(step: Step) -> float:
    """The share of the strongest operation, on average over the edges of all cells."""
    return float(np.mean([share for m in step.mixture.values() for share in m.max(axis=1)]))


def record(searches: Mapping[str, Search]) -> dict[str, Recording]:
    """Run searches one after the other, with a bar that shows how far they are."""
    from IPython.display import display
    from ipywidgets import IntProgress

    total = sum(search.total for search in searches.values())
    bar = IntProgress(max=total, description="searching")
    display(bar)
    recordings = {}
    for name, search in searches.items():
        bar.description = name
        steps = []
        for step in search:
            steps.append(step)
            bar.value += 1
        recordings[name] = Recording(Header.of(search, search.space), tuple(steps))
    bar.description = "done"
    return recordings


def kept_at(recording: Recording, index: int) -> Genotype:
    """The genotype at step number ``index``, or at the last one of a run that ended before it."""
    space = recording.header.space
    if space is None or not recording.steps:
        raise ValueError("the recording holds no step yet: start the search first")
    return derive(space, recording.steps[min(index, len(recording.steps) - 1)].alphas)


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


def chance(space: SearchSpace, group: int, draws: int = 1000, pool: int = 200) -> list[float]:
    """``shared_edges`` of so many random cells, drawn again and again from a pool of them."""
    cells = [random_genotype(space, seed) for seed in range(pool)]
    generator = np.random.default_rng(0)
    chosen = (generator.choice(pool, group, replace=False) for _ in range(draws))
    return [shared_edges([cells[i] for i in places]) for places in chosen]


def chance_picture(found: float, by_chance: Sequence[float]) -> Picture:
    """What searches have in common, as a line in the histogram of what chance gives."""
    edges = np.linspace(0, 1, 41)
    shares = np.histogram(by_chance, edges)[0] / len(by_chance)
    height = float(shares.max()) * 1.1
    above = float(np.mean(np.asarray(by_chance) >= found))
    marks = [
        Line(np.repeat(edges, 2)[1:-1], np.repeat(shares, 2), SOFT, "groups of random cells"),
        Line([found, found], [0, height], RED, "the searches"),
    ]
    panel = Panel("edges in common", marks, "share", "of the draws", (0, 1), (0, height))
    text = (
        f"The searches have {found:.0%} of their kept edges in common; as much or more have "
        f"{above:.0%} of the groups of as many random cells, whose mean is "
        f"{np.mean(by_chance):.0%}."
    )
    return draw(Scene([panel], text))


def accuracy_table(searches: Mapping[str, Sequence[Search]]) -> str:
    """By setting, over its seeds: entropy of the mixture, accuracy on the architecture split.

    Searches must have run; they are scored on the whole split, at the α and w of their end.
    """
    lines = [f"{'':12}{'entropy, bits':>18}{'accuracy':>18}"]
    for name, group in searches.items():
        bits = [entropy(torch.cat(list(s.supernet.mixture().values())).detach()) for s in group]
        right = [score(s.supernet, s.task.architecture).accuracy or 0.0 for s in group]
        lines.append(f"{name:12}{_range(bits):>18}{_range(right):>18}")
    return "\n".join(lines)


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def entropies_picture(recordings: Mapping[str, Recording], cell: str = "normal") -> Picture:
    """Entropy of one cell's mixture over time, a line for each recording."""
    colours = (INK, BLUE, RED, SOFT, BLUE)
    styles: tuple[Style, ...] = ("-", "-", "-", "-", "--")
    lines, words, last = [], [], 1
    for (name, recording), ink, style in zip(recordings.items(), colours, styles, strict=False):
        bits = [entropy(step.mixture[cell]) for step in recording.steps]
        steps = [step.index + 1 for step in recording.steps]
        lines.append(Line(steps, bits, ink, name=name, style=style))
        words.append(f"{name}: {bits[0]:.2f} to {bits[-1]:.2f} bits")
        last = max(last, steps[-1])
    panel = Panel(f"{cell} cell", lines, "step", "entropy (bits)", (1, last + 1), (0.0, 3.1))
    return draw(Scene([panel], "Entropy of the mixtures over time. " + "; ".join(words) + "."))
