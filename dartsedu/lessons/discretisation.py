"""Lesson 04: one node whose α every rule reads differently, the gap, the price of two edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np
from torch import Tensor, tensor

from dartsedu.derivation import RULES, derive
from dartsedu.genotype import Genotype
from dartsedu.lessons.cuts import TEMPERATURES, Record, Sharpened, keeping
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import (
    BLUE,
    INK,
    RED,
    SOFT,
    Arrow,
    Bars,
    Dots,
    Heat,
    Line,
    Mark,
    Panel,
    Scene,
    Style,
    draw,
)
from dartsedu.relaxation import Supernet, mixture_weights
from dartsedu.show.layout import Curve, arrange
from dartsedu.show.palette import OTHER, colour, dashes, short, state_label, state_names
from dartsedu.show.picture import Picture
from dartsedu.spaces.cnn import cnn_space

PRIMITIVES = ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3")
NONE = 0
"""The column of *none*."""
SOURCES = [state_label(name) for name in state_names(inputs=2, nodes=1)]
"""The three states that node 1 of a cell can hear."""
NONE_STEPS = [round(-2 + 0.1 * i, 1) for i in range(61)]
SEP_STEPS = [-2.0, -1.0, -0.5, 0.0, 0.4, 0.7, 1.0, 2.0]
FOUND, DRAWN, WHOLE = BLUE, RED, INK
"""Inks of what α chose, of what chance chose, of the mixture."""

Places = list[tuple[int, int]]
"""Pairs (row, column) of α that stay."""


def node_alpha() -> Tensor:
    """α of the three edges into node 1, shape (3, 4): the rules of ``RULES`` read six nodes."""
    return tensor([[2.6, 0.2, 0.0, 1.8], [0.0, 0.9, 0.8, 0.7], [-1.0, -0.2, 0.4, 0.6]])


def derived(alpha: Tensor, rule: str = "paper", keep: int = 2) -> Places:
    """What the package keeps of a node's α (edges, primitives), strongest first.

    It is the last node of a cell that has one edge for each row; column 0 is *none*.
    """
    primitives = PRIMITIVES[: alpha.shape[1]]
    space = cnn_space(nodes=len(alpha) - 1, keep=keep, primitives=primitives)
    alphas = {cell.name: np.zeros(space.shape(cell.name)) for cell in space.cells}
    alphas["normal"][-len(alpha) :] = alpha.numpy()
    node = derive(space, alphas, rule)["normal"].nodes[-1]
    return [(edge.source, primitives.index(edge.primitive)) for edge in node]


def dropped(alpha: Tensor) -> str:
    """The state whose edge into node 1 the paper's rule drops, as it is called on the screen."""
    kept = {row for row, _ in derived(alpha)}
    return next(name for row, name in enumerate(SOURCES) if row not in kept)


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


def _node(title: str, kept: Places) -> Panel:
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


def _told(kept: Places) -> str:
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
            [colour(best[row]) if row in kept else SOFT for row in range(3)],
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
        none=Control(f"α none, {SOURCES[0]}", NONE_STEPS, round(alpha[0, 0].item(), 1)),
        sep=Control(f"α sep 3×3, {SOURCES[1]}", SEP_STEPS, round(alpha[1, 3].item(), 1)),
    )


def rules_explorer(alpha: Tensor) -> Explorer:
    """One α moves; what every rule keeps of the same node."""

    def show(none: float) -> Scene:
        moved = alpha.clone()
        moved[0, NONE] = none
        kept = {rule: derived(moved, rule) for rule in RULES}
        different = len({tuple(sorted(k)) for k in kept.values()})
        count = f"{different} different nodes" if different > 1 else "the same node from all"
        panels = [_node(f"{rule}: {_told(k)}", k) for rule, k in kept.items()]
        return Scene(panels, f"{len(RULES)} rules look at one α and keep: {count}.")

    return Explorer(
        "Six rules, one α",
        show,
        none=Control(f"α none, {SOURCES[0]}", NONE_STEPS, round(alpha[0, 0].item(), 1)),
    )


def agreement_picture(same: Mapping[str, int], steps: int) -> Picture:
    """At how many of so many steps each rule derives the paper's cell."""
    shares = [count / steps for count in same.values()]
    bars = Bars(list(same), shares, [SOFT if rule == "paper" else FOUND for rule in same])
    panel = Panel("derives the paper's cell", [bars], "share of the steps", xlim=(0.0, 1.2))
    told = ", ".join(f"{rule} at {count}" for rule, count in same.items())
    return draw(Scene([panel], f"The paper's cell is derived, of {steps} steps, by {told}."))


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
            [colour(e.primitive) if e in kept else SOFT for e in edges],
        )
        panels.append(Panel(f"into node {node}", [bars], xlim=(0, 1.2 * float(weights.max()))))
        if len(edges) > len(kept):
            last, first = values[len(kept) - 1], values[len(kept)]
            words.append(f"node {node} keeps {last:.3f} and drops {first:.3f}")
    return draw(Scene(panels, f"Strengths of the edges of the {cell} cell; {', '.join(words)}."))


def cuts_picture(mixture: float, cut: float, blind: Sequence[float]) -> Picture:
    """One supernet's accuracies: as the mixture it is, cut by α, and cut blindly so many times."""
    marks: list[Mark] = [
        Dots([mixture], [3], WHOLE, "the mixture", label=f"{mixture:.2f}", size=6),
        Dots([cut], [2], FOUND, "cut by α", label=f"{cut:.2f}", size=6),
        Dots(blind, [1] * len(blind), DRAWN, "random cuts"),
        Line([cut, cut], [0.5, 2], FOUND, faint=True),
    ]
    beaten = sum(cut > one for one in blind)
    panel = Panel(
        "the same w",
        marks,
        "accuracy on the architecture split",
        "",
        (0.0, 1.1),
        (0.5, 3.6),
        ticks={"y": []},
    )
    text = (
        f"Right on {mixture:.0%} of the images as a mixture, on {cut:.0%} cut by α. Random cuts: "
        f"{min(blind):.0%} to {max(blind):.0%}, {fmean(blind):.0%} on average; the cut by α beats "
        f"{beaten} of {len(blind)}."
    )
    return draw(Scene([panel], text))


def seeds_picture(record: Record) -> Picture:
    """Mixture and cut of every recorded search, patient and hasty."""
    pairs = {
        "patient": [(run.sharpened.mixture, run.sharpened.paper) for run in record.runs],
        "hasty": [(run.hasty_mixture, run.hasty_cut) for run in record.runs],
    }
    panels, words = [], []
    for name, found in pairs.items():
        marks: list[Mark] = []
        for number, ends in enumerate(found, 1):
            marks.append(Line([number] * 2, ends, OTHER, faint=True))
        numbers = range(1, len(found) + 1)
        marks.append(Dots(list(numbers), [m for m, _ in found], WHOLE, "mixture"))
        marks.append(Dots(list(numbers), [c for _, c in found], FOUND, "cut by α"))
        ends = (0.5, len(found) + 0.5)
        panels.append(Panel(f"{name} α", marks, "search", "accuracy", ends, (0.0, 1.05)))
        gaps = [m - c for m, c in found]
        words.append(
            f"{name}: mixture {fmean(m for m, _ in found):.2f} on average, gap "
            f"{fmean(gaps):.2f} ({min(gaps):.2f} to {max(gaps):.2f})"
        )
    return draw(Scene(panels, f"{len(record.runs)} searches of either kind. {'; '.join(words)}."))


def _keep_scene(
    title: str, found: Mapping[int, Sequence[float]], drawn: Mapping[int, Sequence[float]]
) -> Scene:
    """Accuracies by how many edges a cell keeps: of derived cells and of random ones."""
    marks: list[Mark] = []
    words = []
    styles: tuple[Style, Style] = ("-", "--")
    for shift, name, values, ink, style in zip(
        (-0.1, 0.1), ("derived", "random"), (found, drawn), (FOUND, DRAWN), styles, strict=True
    ):
        means = [fmean(v) for v in values.values()]
        places = [edges + shift for edges in values]
        each = [(x, a) for x, group in zip(places, values.values(), strict=True) for a in group]
        marks.append(Line(places, means, ink, f"{name}, mean", style))
        marks.append(Dots([x for x, _ in each], [a for _, a in each], ink, f"{name}, each", size=3))
        told = ", ".join(f"{m:.2f} with {n} edges" for n, m in zip(values, means, strict=True))
        words.append(f"{name} {told}")
    ends = (min(found) - 1, max(found) + 1), (0.0, 1.05)
    panel = Panel(title, marks, "edges that the cell keeps", "accuracy", *ends)
    return Scene([panel], f"{title.capitalize()}, mean accuracy: {'; '.join(words)}.")


def keep_picture(
    title: str, found: Mapping[int, Sequence[float]], drawn: Mapping[int, Sequence[float]]
) -> Picture:
    """Accuracies by how many edges a cell keeps: of derived cells and of random ones."""
    return draw(_keep_scene(title, found, drawn))


def kept_pictures(record: Record) -> Picture:
    """Every recorded cell by the edges that it keeps: cut out, and trained from scratch."""
    scenes = []
    for title, values in (
        ("cut out of the supernet", lambda k: ([k.cut], k.cut_drawn)),
        ("trained from scratch", lambda k: ([k.scratch], [k.scratch_drawn])),
    ):
        sides: tuple[dict[int, list[float]], dict[int, list[float]]] = ({}, {})
        for kept in (kept for run in record.runs for kept in run.kept):
            for side, more in zip(sides, values(kept), strict=True):
                side.setdefault(kept.edges, []).extend(more)
        scenes.append(_keep_scene(title, *sides))
    text = " ".join(scene.text for scene in scenes)
    return draw(Scene([panel for scene in scenes for panel in scene.panels], text))


_CODES = {
    "none": "none",
    "max_pool_3x3": "max",
    "avg_pool_3x3": "avg",
    "skip_connect": "skip",
    "sep_conv_3x3": "s3",
    "sep_conv_5x5": "s5",
    "dil_conv_3x3": "d3",
    "dil_conv_5x5": "d5",
}
"""Names of primitives that fit under the columns of a small table."""


def temperature_explorer(found: Sharpened) -> Explorer:
    """A slider for T: the mixtures softmax(α / T), their entropy, what the supernet scores."""
    bits, ends = found.bits, (3.1, -0.1)
    space = cnn_space(nodes=3)
    names = [state_label(n) for n in state_names(2, 3)]
    edges = [f"{names[e.source]}→{names[e.target]}" for e in space["normal"].edges]
    operations = [_CODES[p] for p in space.primitives]
    ticks = {"x": list(enumerate(operations)), "y": list(enumerate(edges[::-1]))}
    limits = (-0.5, len(operations) - 0.5), (-0.5, len(edges) - 0.5)

    def show(temperature: float) -> Scene:
        place = TEMPERATURES.index(temperature)
        here = bits[place], found.accuracies[place]
        marks: list[Mark] = [
            Line(bits, found.accuracies, WHOLE, "softmax(α / T)"),
            Line(ends, [found.paper] * 2, FOUND, "cut, paper", "--"),
            Line(ends, [found.argmax] * 2, SOFT, "cut, argmax", ":"),
            Dots([here[0]], [here[1]], RED, label=f"T = {temperature:g}", size=6),
        ]
        shares = found.weights(temperature)["normal"].numpy()[::-1]
        rows, columns = shares.shape
        table = Heat(shares, (0.0, columns - 1.0), (0.0, rows - 1.0), 0.0, 1.0, "share")
        return Scene(
            [
                Panel("the same w", marks, "entropy (bits)", "accuracy", ends, (0, 1.1)),
                Panel(
                    "normal cell", [table], "operation (s: sep, d: dil)", "", *limits, ticks=ticks
                ),
            ],
            f"T = {temperature:g}: entropy {here[0]:.2f} bits, accuracy {here[1]:.2f}. "
            f"Half a bit less costs {found.mixture - found.after_losing(0.5):.2f}, a whole bit "
            f"{found.mixture - found.after_losing(1):.2f}. "
            f"Cut by the paper's rule {found.paper:.2f}, by argmax {found.argmax:.2f}.",
        )

    return Explorer(
        "From mixture to choice",
        show,
        temperature=Control("temperature T", TEMPERATURES[::-1], 1.0, rate=2.0),
    )


def counted(genotype: Genotype, cell: str, word: str) -> int:
    """How many of a cell's operations have a word in their names."""
    return sum(word in edge.primitive for _, edge in genotype[cell].edges)


def published_table(genotypes: Mapping[str, Genotype]) -> str:
    """By cell: convolutions, pools and skips, and nodes that take both edges from one state."""
    lines = [f"{'':18}{'conv':>6}{'pool':>6}{'skip':>6}{'nodes taking one state twice':>31}"]
    for name, genotype in genotypes.items():
        for cell in genotype.cells:
            counts = [counted(genotype, cell.name, word) for word in ("conv", "pool", "skip")]
            twice = sum(len({edge.source for edge in node}) < len(node) for node in cell.nodes)
            numbers = "".join(f"{count:6}" for count in counts)
            lines.append(f"{name + ' ' + cell.name:18}{numbers}{twice:31}")
    return "\n".join(lines)
