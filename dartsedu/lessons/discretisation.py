"""Lesson 04: one node whose α every rule reads differently, the gap, the price of two edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dartsedu.data.splits import Split
from dartsedu.data.task import Task
from dartsedu.derivation import RULES, derive
from dartsedu.discretisation import discretised_mixture, score
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import Arrow, Bars, Dots, Line, Mark, Panel, Pixels, Scene, Style, draw
from dartsedu.presets import load_preset
from dartsedu.relaxation import Supernet, mixture_weights
from dartsedu.show.layout import Curve, arrange
from dartsedu.show.measures import entropy
from dartsedu.show.palette import OTHER, colour, dashes, short, state_label, state_names
from dartsedu.show.picture import Picture
from dartsedu.spaces.cnn import CNNNetwork, cnn_space
from dartsedu.spaces.cnn.settings import CNNTrainSettings
from dartsedu.topology import SearchSpace
from dartsedu.train import Training, evaluate

PRIMITIVES = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")
NONE = 0
"""The column of *none*."""
SOURCES = [state_label(name) for name in state_names(inputs=2, nodes=1)]
"""The three states that node 1 of a cell can hear."""
ALPHA_STEPS = [round(-2 + 0.1 * i, 1) for i in range(61)]
TEMPERATURES = [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0]
DROPPED = "#c8ced8"
FOUND, DRAWN = colour("sep_conv_3x3"), colour("avg_pool_3x3")

Kept = list[tuple[int, int]]
"""Pairs (row, column) of α that stay."""


def node_alpha() -> Tensor:
    """α of the three edges into node 1, shape (3, 4): the rules of ``RULES`` read six nodes."""
    return torch.tensor([[2.6, 0.2, 0.0, 1.8], [0.0, 0.9, 0.8, 0.7], [-1.0, -0.2, 0.4, 0.6]])


def derived(alpha: Tensor, rule: str = "paper", keep: int = 2) -> Kept:
    """What the package keeps of a node's α (edges, primitives), strongest first.

    It is the last node of a cell that has one edge for each row; column 0 is *none*.
    """
    primitives = PRIMITIVES[: alpha.shape[1]]
    space = cnn_space(nodes=len(alpha) - 1, keep=keep, primitives=primitives)
    alphas = {cell.name: np.zeros(space.shape(cell.name)) for cell in space.cells}
    alphas["normal"][-len(alpha) :] = alpha.numpy()
    node = derive(space, alphas, rule)["normal"].nodes[-1]
    return [(edge.source, primitives.index(edge.primitive)) for edge in node]


# ---- One node -----------------------------------------------------------------------------------


def node_picture(weights: Tensor) -> Picture:
    """The mixture weights (3, 4) of the edges into node 1."""
    names, inks = [short(p) for p in PRIMITIVES], [colour(p) for p in PRIMITIVES]
    panels, words = [], []
    for source, row in zip(SOURCES, weights.tolist(), strict=True):
        panels.append(Panel(f"{source} → 1", [Bars(names, row, inks)], xlim=(0, 1)))
        told = ", ".join(f"{name} {w:.2f}" for name, w in zip(names, row, strict=True))
        words.append(f"From {source}: {told}.")
    return draw(Scene(panels, "Weights of the three edges into node 1. " + " ".join(words)))


def _node(title: str, kept: Kept) -> Panel:
    """Node 1 with what it keeps of its three edges; the others are faint, *none* is dotted."""
    target = 3
    links = [(source, target) for source in range(target)]
    sources = [source for source, _ in kept]
    again = [(s, target) for i, s in enumerate(sources) if s in sources[:i]]
    plan = arrange(2, 2, links + again)
    moments = np.linspace(0, 1, 20)

    def line(
        curve: Curve, ink: str, name: str = "", style: Style = "-", faint: bool = False
    ) -> Line:
        points = [curve.at(t) for t in moments]
        return Line([p.x for p in points], [p.y for p in points], ink, name, style, faint)

    marks: list[Mark] = [line(curve, OTHER, faint=True) for curve in plan.curves[:target]]
    spare = iter(plan.curves[target:])
    for i, (source, column) in enumerate(kept):
        primitive, ink = PRIMITIVES[column], colour(PRIMITIVES[column])
        whole = next(spare) if source in sources[:i] else plan.curves[source]
        curve = whole.shortened(0.12)
        known = column in [earlier for _, earlier in kept[:i]]
        style: Style = ":" if column == NONE else dashes(primitive)
        marks.append(line(curve, ink, "" if known else short(primitive), style))
        if column != NONE:
            marks.append(Arrow(curve.at(0.9), curve.end, ink))
    for point, label in zip(plan.states, [*SOURCES, "1"], strict=True):
        marks.append(Dots([point.x], [point.y], OTHER, label=label, size=7))
    return Panel(title, marks, xlim=(-0.2, 3.2), ylim=(-1.4, 1.6), bare=True)


def _told(kept: Kept) -> str:
    """What is kept, in words."""
    words = [f"{short(PRIMITIVES[column])} of {SOURCES[row]}" for row, column in kept]
    return " and ".join(words)


def node_explorer(alpha: Tensor) -> Explorer:
    """Two α move; the strength of every edge, what the node keeps and by how much."""

    def show(none: float, sep: float) -> Scene:
        moved = alpha.clone()
        moved[0, NONE], moved[1, 3] = none, sep
        ranked = derived(moved, keep=3)
        p = mixture_weights(moved)
        strength = {row: float(p[row, column]) for row, column in ranked}
        best = {row: PRIMITIVES[column] for row, column in ranked}
        kept = [row for row, _ in ranked[:2]]
        bars = Bars(
            [f"{SOURCES[row]}: {short(best[row])}" for row in range(3)],
            [strength[row] for row in range(3)],
            [colour(best[row]) if row in kept else DROPPED for row in range(3)],
        )
        margin = strength[ranked[1][0]] - strength[ranked[2][0]]
        return Scene(
            [
                Panel("strength of each edge", [bars], xlim=(0, 1)),
                _node("what node 1 keeps", ranked[:2]),
            ],
            f"Kept: {_told(ranked[:2])}. Margin over the edge left out: {margin:.3f}.",
        )

    return Explorer(
        "Which edges does node 1 keep?",
        show,
        none=Control(f"α none, {SOURCES[0]}", ALPHA_STEPS, round(alpha[0, 0].item(), 1)),
        sep=Control(f"α sep 3×3, {SOURCES[1]}", ALPHA_STEPS, round(alpha[1, 3].item(), 1)),
    )


def rules_explorer(alpha: Tensor) -> Explorer:
    """One α moves; what every rule keeps of the same node."""

    def show(none: float) -> Scene:
        moved = alpha.clone()
        moved[0, NONE] = none
        kept = {rule: derived(moved, rule) for rule in RULES}
        different = len({tuple(sorted(k)) for k in kept.values()})
        count = f"{different} different nodes" if different > 1 else "the same node from all"
        return Scene(
            [_node(rule, k) for rule, k in kept.items()],
            f"{len(RULES)} rules, {count}. "
            + " ".join(f"{rule}: {_told(k)}." for rule, k in kept.items()),
        )

    return Explorer(
        "Six rules, one α",
        show,
        none=Control(f"α none, {SOURCES[0]}", ALPHA_STEPS, round(alpha[0, 0].item(), 1)),
    )


# ---- A whole cell -------------------------------------------------------------------------------


def competition_picture(supernet: Supernet, cell: str = "normal") -> Picture:
    """The strength of every edge of a cell, a panel for each node; dropped edges are grey."""
    space = supernet.space
    topology, genotype = space[cell], supernet.genotype()
    ranked = keeping(supernet, len(topology.edges))[cell]
    weights = supernet.mixture()[cell].detach()
    names = [state_label(n) for n in state_names(topology.inputs, topology.nodes, cell)]
    panels, words = [], []
    for node, edges in enumerate(ranked.nodes):
        kept = genotype[cell].nodes[node]
        rows = dict(zip(topology.predecessors[node], topology.rows(node), strict=True))
        values = [
            float(weights[rows[e.source], space.primitives.index(e.primitive)]) for e in edges
        ]
        bars = Bars(
            [f"{names[e.source]}: {short(e.primitive)}" for e in edges],
            values,
            [colour(e.primitive) if e in kept else DROPPED for e in edges],
        )
        panels.append(Panel(f"into node {node}", [bars], xlim=(0, 1.2 * float(weights.max()))))
        if len(edges) > len(kept):
            last, first = values[len(kept) - 1], values[len(kept)]
            words.append(f"node {node} keeps {last:.3f} and drops {first:.3f}")
    return draw(Scene(panels, f"Strengths of the edges of the {cell} cell; {', '.join(words)}."))


def _arrays(supernet: Supernet) -> dict[str, Any]:
    return {name: alpha.detach().numpy() for name, alpha in supernet.alphas.items()}


def _keeping(space: SearchSpace, keep: int) -> SearchSpace:
    """The same space with so many edges kept at a node, or as many as there are."""
    cells = tuple(cell.model_copy(update={"keep": keep}) for cell in space.cells)
    return space.model_copy(update={"cells": cells})


def keeping(supernet: Supernet, keep: int) -> Genotype:
    """The genotype of a supernet if every node keeps ``keep`` edges, or all it has."""
    return derive(_keeping(supernet.space, keep), _arrays(supernet))


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


def accuracies_picture(accuracies: Mapping[str, float]) -> Picture:
    """A bar for each accuracy."""
    colours = [FOUND if i < 2 else DRAWN for i in range(len(accuracies))]
    bars = Bars(list(accuracies), list(accuracies.values()), colours)
    words = ", ".join(f"{name} {value:.2f}" for name, value in accuracies.items())
    panel = Panel("accuracy on the architecture split", [bars], xlim=(0, 1.1))
    return draw(Scene([panel], f"Accuracy on the architecture split: {words}."))


def keep_picture(
    title: str, found: Mapping[int, Sequence[float]], drawn: Mapping[int, Sequence[float]]
) -> Picture:
    """Accuracies by how many edges a cell keeps: of derived cells and of random ones."""
    marks: list[Mark] = []
    words = []
    styles: tuple[Style, Style] = ("-", "--")
    for shift, name, values, ink, style in zip(
        (-0.1, 0.1), ("derived", "random"), (found, drawn), (FOUND, DRAWN), styles, strict=True
    ):
        means = [float(np.mean(v)) for v in values.values()]
        places = [edges + shift for edges in values]
        each = [(x, a) for x, group in zip(places, values.values(), strict=True) for a in group]
        marks.append(Line(places, means, ink, f"{name}, mean", style))
        marks.append(Dots([x for x, _ in each], [a for _, a in each], ink, f"{name}, each"))
        told = ", ".join(f"{m:.2f} with {n} edges" for n, m in zip(values, means, strict=True))
        words.append(f"{name} {told}")
    ends = (min(found) - 1, max(found) + 1), (0.0, 1.05)
    panel = Panel(title, marks, "edges that the cell keeps", "accuracy", *ends)
    return draw(Scene([panel], f"{title}, mean accuracy: {'; '.join(words)}."))


def temperature_explorer(supernet: Supernet, split: Split) -> Explorer:
    """A slider for T: the mixtures softmax(α / T), their entropy, what the supernet scores."""
    mixtures = [
        {name: mixture_weights(alpha.detach() / t) for name, alpha in supernet.alphas.items()}
        for t in TEMPERATURES
    ]
    bits = [entropy(torch.cat(list(mixture.values()))) for mixture in mixtures]
    accuracies = [score(supernet, split, mixture).accuracy or 0.0 for mixture in mixtures]
    paper, argmax = (
        cut_accuracy(supernet, split, supernet.genotype(rule)) for rule in ("paper", "argmax")
    )
    ends = (3.1, -0.1)

    def show(temperature: float) -> Scene:
        place = TEMPERATURES.index(temperature)
        here = bits[place], accuracies[place]
        marks: list[Mark] = [
            Line(bits, accuracies, FOUND, "softmax(α / T)"),
            Line(ends, [paper] * 2, colour("max_pool_3x3"), "cut, paper", "--"),
            Line(ends, [argmax] * 2, DRAWN, "cut, argmax", ":"),
            Dots([here[0]], [here[1]], "#d1306a", label=f"T = {temperature:g}", size=6),
        ]
        table = Pixels(mixtures[place]["normal"], 0, 1)
        return Scene(
            [
                Panel("the same w", marks, "entropy (bits)", "accuracy", ends, (0, 1.1)),
                Panel("normal cell: edges × operations", [table]),
            ],
            f"T = {temperature:g}: entropy {here[0]:.2f} bits, accuracy {here[1]:.2f}. "
            f"Cut by the paper's rule {paper:.2f}, by argmax {argmax:.2f}.",
        )

    return Explorer(
        "From mixture to choice", show, temperature=Control("temperature T", TEMPERATURES, 1.0)
    )


def published_table(genotypes: Mapping[str, Genotype]) -> str:
    """By cell: convolutions, pools and skips, and nodes that take both edges from one state."""
    lines = [f"{'':18}{'conv':>6}{'pool':>6}{'skip':>6}{'nodes taking one state twice':>31}"]
    for name, genotype in genotypes.items():
        for cell in genotype.cells:
            used = [edge.primitive for _, edge in cell.edges]
            counts = [sum(word in p for p in used) for word in ("conv", "pool", "skip")]
            twice = sum(len({edge.source for edge in node}) < len(node) for node in cell.nodes)
            numbers = "".join(f"{count:6}" for count in counts)
            lines.append(f"{name + ' ' + cell.name:18}{numbers}{twice:31}")
    return "\n".join(lines)
