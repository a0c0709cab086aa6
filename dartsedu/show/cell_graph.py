"""Cells drawn as graphs: a genotype, in words, by Graphviz and by hand; a mixture of primitives."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence

import graphviz
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Path2D

from dartsedu.genotype import Cell, Genotype, GenotypeError
from dartsedu.show.layout import arrange
from dartsedu.show.palette import (
    colour,
    dashed,
    dashes,
    label,
    output_label,
    short,
    state_label,
    state_names,
)
from dartsedu.show.picture import STYLE, Picture, blank_picture
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace, Topology

MOST_EDGES = 300
"""Of a cell in a picture: more take minutes to lay out, and nobody could tell them apart."""
GRAPHVIZ_EDGES = 150
"""Of a cell that Graphviz is asked to draw: seconds for these, minutes for more."""


def check_size(cells: Iterable[Cell | Topology], most: int = MOST_EDGES) -> None:
    """Raise ``GenotypeError`` for a cell of more states or edges than a picture can show."""
    for cell in cells:
        nodes = cell.nodes if isinstance(cell, Topology) else len(cell.nodes)
        states, edges = cell.inputs + nodes, len(cell.edges)
        if max(states, edges) > most:
            raise GenotypeError(
                f"cell {cell.name!r:.80} has {states} states and {edges} edges; a picture shows at "
                f"most {most} of each"
            )


def describe_cell(cell: Cell) -> str:
    """A cell in words: which node takes what from where."""
    names = [state_label(name) for name in state_names(cell.inputs, len(cell.nodes), cell.name)]
    nodes = [
        f"node {names[cell.inputs + i]} adds "
        + " and ".join(f"{short(e.primitive)} of {names[e.source]}" for e in node)
        for i, node in enumerate(cell.nodes)
    ]
    return f"{cell.name} cell: " + "; ".join(nodes) + "."


def describe_genotype(genotype: Genotype) -> str:
    """A genotype in words."""
    return " ".join(describe_cell(cell).capitalize() for cell in genotype.cells)


def genotype_dot(genotype: Genotype) -> graphviz.Digraph:
    """A genotype as a Graphviz graph: ``.source`` is its DOT text."""
    graph = graphviz.Digraph("genotype", graph_attr={"rankdir": "LR", "fontname": "Helvetica"})
    graph.attr("node", shape="box", style="rounded,filled", fillcolor="#eef2f7")
    graph.attr("node", fontname="Helvetica")
    graph.attr("edge", fontname="Helvetica", penwidth="2")
    # dot stacks clusters from the bottom up.
    for cell in reversed(genotype.cells):
        with graph.subgraph(name=f"cluster_{cell.name}") as part:
            part.attr(label=f"{cell.name} cell", color="#c8ced8", fontsize="18")
            names = [state_label(n) for n in state_names(cell.inputs, len(cell.nodes), cell.name)]
            ids = [f"{cell.name}_{i}" for i in range(len(names))]
            for identifier, name in zip(ids, names, strict=True):
                part.node(identifier, name)
            part.node(f"{cell.name}_out", output_label(cell.name), fillcolor="#dfe7f2")
            for state, edge in cell.edges:
                part.edge(
                    ids[edge.source],
                    ids[state],
                    label=f" {short(edge.primitive)} ",
                    color=colour(edge.primitive),
                    fontcolor=colour(edge.primitive),
                    style="dashed" if dashed(edge.primitive) else "solid",
                )
            for state in cell.outputs:
                part.edge(ids[state], f"{cell.name}_out", color="#9aa3af", penwidth="1")
    return graph


def genotype_svg(genotype: Genotype) -> bytes:
    """A genotype drawn by Graphviz if its ``dot`` is installed, else as ``genotype_figure``.

    So is one with a cell of more than ``GRAPHVIZ_EDGES`` edges.

    Raises ``GenotypeError`` for a cell of more than ``MOST_EDGES`` edges or states.
    """
    check_size(genotype.cells)
    if shutil.which("dot") and all(len(c.edges) <= GRAPHVIZ_EDGES for c in genotype.cells):
        try:
            drawn: bytes = genotype_dot(genotype).pipe(format="svg", encoding=None)
            return drawn
        except graphviz.CalledProcessError:
            pass
    return genotype_figure(genotype).render("svg")


def _draw_cell(
    axes: Axes,
    inputs: int,
    nodes: int,
    outputs: Sequence[int],
    edges: Sequence[tuple[int, int, str, float, bool]],
    labels: bool,
    gap: float,
    cell: str,
) -> None:
    """Edges are (source, target, primitive, thickness in points, whether it is kept).

    ``gap`` is the free space around a state, in units of x.
    """
    plan = arrange(inputs, nodes, [(source, target) for source, target, *_ in edges])
    names = [state_label(name) for name in state_names(inputs, nodes, cell)]
    for number, (curve, edge) in enumerate(zip(plan.curves, edges, strict=True)):
        _, _, primitive, thickness, kept = edge
        axes.add_patch(
            FancyArrowPatch(
                path=Path2D(curve.shortened(gap), [Path2D.MOVETO, Path2D.CURVE3, Path2D.CURVE3]),
                arrowstyle="-|>",
                mutation_scale=12,
                color=colour(primitive),
                linewidth=thickness,
                linestyle=dashes(primitive),
                alpha=1.0 if kept else 0.25,
                zorder=1,
            )
        )
        if labels:
            axes.text(
                *curve.at(0.40 + 0.18 * (number % 2)),
                label(short(primitive)),
                color=colour(primitive),
                ha="center",
                va="center",
                fontsize=10,
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
                zorder=2,
            )
    for state in outputs:
        start, end = plan.states[state], plan.output
        axes.plot([start.x, end.x], [start.y, end.y], color="#c8ced8", linewidth=1, zorder=0)
    boxes = {"boxstyle": "round,pad=0.45", "facecolor": "#eef2f7", "edgecolor": "#5b6676"}
    for place, name in zip([*plan.states, plan.output], [*names, output_label(cell)], strict=True):
        axes.text(*place, name, ha="center", va="center", bbox=boxes, zorder=3)
    low, high = plan.heights
    axes.set_xlim(-0.35, plan.output.x + 0.35)
    axes.set_ylim(low - 0.7, high + 0.7)
    axes.axis("off")


def genotype_figure(genotype: Genotype) -> Picture:
    """A genotype drawn without Graphviz: one row a cell.

    Raises ``GenotypeError`` for a cell of more than ``MOST_EDGES`` edges or states.
    """
    check_size(genotype.cells)
    count = len(genotype.cells)
    picture, axes = blank_picture(count, 1, 9.5, 3.3 * count, describe_genotype(genotype))
    for row, cell in enumerate(genotype.cells):
        edges = [(e.source, state, e.primitive, 2.2, True) for state, e in cell.edges]
        shape = cell.inputs, len(cell.nodes), cell.outputs
        _draw_cell(axes[row, 0], *shape, edges, True, 0.09, cell.name)
        axes[row, 0].set_title(f"{label(cell.name)} cell")
    return picture


def draw_mixture(
    axes: Axes, space: SearchSpace, topology: Topology, step: Step, kept: Cell
) -> None:
    """A cell at a step: every edge as thick as its strongest primitive, faded unless ``kept``.

    Raises ``GenotypeError`` for a cell of more than ``MOST_EDGES`` edges or states.
    """
    check_size([topology])
    weights = np.array(step.mixture[topology.name])
    if "none" in space.primitives:
        weights[:, space.primitives.index("none")] = -1
    links = {(edge.source, state) for state, edge in kept.edges if edge.primitive != "none"}
    edges = []
    for index, link in enumerate(topology.edges):
        best = int(weights[index].argmax())
        thickness = 0.5 + 12.0 * max(0.0, float(weights[index, best]))
        edges.append((*link, space.primitives[best], thickness, link in links))
    shape = topology.inputs, topology.nodes, topology.outputs
    _draw_cell(axes, *shape, edges, False, 0.16, topology.name)


def draw_legend(picture: Picture, primitives: Sequence[str]) -> None:
    """Colours and dashes of the primitives, below a picture."""
    with mpl.rc_context(STYLE):
        handles = [
            mpl.lines.Line2D(
                [], [], color=colour(p), linestyle=dashes(p), linewidth=3, label=label(short(p))
            )
            for p in primitives
        ]
        picture.legend(
            handles=handles, loc="outside lower center", ncols=min(4, len(handles)), handlelength=3
        )
