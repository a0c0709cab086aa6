"""Cells drawn as graphs: a genotype, in words, by Graphviz and by hand; a mixture of primitives."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import graphviz
import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Path2D
from numpy.typing import ArrayLike

from dartsedu.genotype import Cell, Genotype, GenotypeError
from dartsedu.show.layout import Curve
from dartsedu.show.measures import clear_lead, shares
from dartsedu.show.palette import (
    INK,
    PAPERS,
    brief,
    cell_title,
    colour,
    dashed,
    label,
    legible,
    mixed,
    output_label,
    pale,
    short,
    state_label,
    state_names,
)
from dartsedu.show.picture import STYLE, Picture, blank_picture
from dartsedu.show.sheet import Drawn, lay_out
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
    return f"{cell_title(cell.name)}: " + "; ".join(nodes) + "."


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
            part.attr(label=cell_title(cell.name), color="#c8ced8", fontsize="18")
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


class _Drawing(NamedTuple):
    """How an edge of a picture looks: strands (colour, width as a part of the bundle), side by
    side; its label with the colour of that; whether it is outlined, since it would be kept."""

    strands: tuple[tuple[str, float], ...]
    label: str
    colour: str
    kept: bool
    head: str


_OUTLINE = 1.1
_SIZE = 10.0  # of labels, in points


def _draw_cell(
    axes: Axes,
    cell: Cell | Topology,
    links: Sequence[tuple[int, int]],
    edges: Sequence[_Drawing],
    size: tuple[float, float],
    bundle: float,
    characters: int | None = None,
) -> None:
    """Draw a cell on axes of about ``size`` points; ``characters`` may be written on every edge."""
    nodes = cell.nodes if isinstance(cell, Topology) else len(cell.nodes)
    names = [state_label(name) for name in state_names(cell.inputs, nodes, cell.name)]
    names.append(output_label(cell.name))
    lengths = tuple(len(e.label) if characters is None else characters for e in edges)
    drawn = Drawn(cell.inputs, nodes, tuple(links), tuple(names), lengths)
    sheet = lay_out(drawn, *size, _SIZE, bundle)
    shrunk = min(1.0, size[0] / sheet.width, size[1] / sheet.height)

    def stroke(curve: Curve, ink: str, width: float, order: float) -> None:
        line = Path2D(curve, [Path2D.MOVETO, Path2D.CURVE3, Path2D.CURVE3])
        axes.add_patch(
            PathPatch(
                line,
                fill=False,
                edgecolor=ink,
                linewidth=width * shrunk,
                capstyle="butt",
                zorder=order,
            )
        )

    for way, edge in zip(sheet.ways, edges, strict=True):
        order = 2.0 if edge.kept else 1.0
        if edge.kept and len(edge.strands) > 1:
            stroke(way.curve, INK, sheet.bundle + 2 * _OUTLINE, order)
            stroke(way.curve, "#ffffff", sheet.bundle, order)
        side = -sum(share for _, share in edge.strands) * sheet.bundle / 2
        for ink, share in edge.strands:
            width = share * sheet.bundle
            stroke(way.curve.beside(side + width / 2), ink, width, order)
            side += width
        axes.add_patch(Polygon(way.head, closed=True, color=edge.head, linewidth=0, zorder=order))
        if edge.label and way.label is not None:
            box = way.label
            axes.text(
                box.x,
                box.y,
                label(edge.label),
                color=edge.colour,
                ha="center",
                va="center",
                fontsize=_SIZE * shrunk,
                fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
                zorder=4,
            )
    out = sheet.states[-1]
    for state in cell.outputs:
        box = sheet.states[state]
        ends = [box.x + box.width / 2, out.x - out.width / 2], [box.y, out.y]
        axes.plot(*ends, color="#c8ced8", linewidth=1, zorder=0)
    for box, name in zip(sheet.states, names, strict=True):
        corner = box.x - box.width / 2, box.y - box.height / 2
        frame = FancyBboxPatch(
            corner,
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=4",
            facecolor="#eef2f7",
            edgecolor="#5b6676",
            zorder=3,
        )
        axes.add_patch(frame)
        axes.text(
            box.x, box.y, name, ha="center", va="center", fontsize=1.1 * _SIZE * shrunk, zorder=5
        )
    axes.set_xlim(0, sheet.width)
    axes.set_ylim(sheet.height, 0)
    axes.set_aspect("equal")
    axes.axis("off")


def genotype_figure(genotype: Genotype) -> Picture:
    """A genotype drawn without Graphviz: one row a cell.

    Raises ``GenotypeError`` for a cell of more than ``MOST_EDGES`` edges or states.
    """
    check_size(genotype.cells)
    count = len(genotype.cells)
    picture, axes = blank_picture(count, 1, 9.5, 3.3 * count, describe_genotype(genotype))
    for row, cell in enumerate(genotype.cells):
        edges = [
            _Drawing(
                ((colour(e.primitive), 1.0),),
                brief(e.primitive),
                _text_colour(e.primitive),
                True,
                colour(e.primitive),
            )
            for _, e in cell.edges
        ]
        links = [(e.source, state) for state, e in cell.edges]
        _draw_cell(axes[row, 0], cell, links, edges, (620, 190), 5)
        axes[row, 0].set_title(cell_title(label(cell.name)))
    return picture


def _text_colour(primitive: str) -> str:
    shade = colour(primitive)
    return mixed(shade, PAPERS["#ffffff"], legible(shade))


def _pale(primitive: str) -> str:
    shade = colour(primitive)
    return mixed(shade, "#ffffff", pale(shade))


def draw_mixture(
    axes: Axes,
    space: SearchSpace,
    topology: Topology,
    mixture: ArrayLike,
    kept: Cell | None,
    size: tuple[float, float],
) -> None:
    """A cell at a step: every edge a bundle of strands, as wide as the primitives' shares.

    Edges of ``kept`` have full colours and an outline, the others are pale; ``None``: nobody
    knows yet, all have full colours. A primitive is named where it leads clearly (see
    ``clear_lead``). ``mixture`` has the shape (edges, primitives), ``size`` is about that of the
    axes, in points.

    Raises ``GenotypeError`` for a cell of more than ``MOST_EDGES`` edges or states.
    """
    check_size([topology])
    found = () if kept is None else kept.edges
    links = {(edge.source, state) for state, edge in found if edge.primitive != "none"}
    edges = []
    for link, weights in zip(topology.edges, np.asarray(mixture), strict=True):
        stays, lead = link in links, clear_lead(weights)
        full = stays or kept is None
        inks = [colour(p) if full and p != "none" else _pale(p) for p in space.primitives]
        edges.append(
            _Drawing(
                tuple(zip(inks, shares(weights).tolist(), strict=True)),
                "" if lead is None else brief(space.primitives[lead]),
                "" if lead is None else _text_colour(space.primitives[lead]),
                stays,
                INK if stays else _pale("none"),
            )
        )
    longest = max(len(brief(primitive)) for primitive in space.primitives)
    _draw_cell(axes, topology, topology.edges, edges, size, 14, longest)


def draw_legend(picture: Picture, primitives: Sequence[str]) -> None:
    """The colours of the primitives' strands, below a picture."""
    with mpl.rc_context(STYLE):
        handles = [
            mpl.lines.Line2D(
                [],
                [],
                color=colour(p) if p != "none" else _pale(p),
                linewidth=6,
                label=label(short(p)),
            )
            for p in primitives
        ]
        picture.legend(
            handles=handles, loc="outside lower center", ncols=min(4, len(handles)), handlelength=2
        )
