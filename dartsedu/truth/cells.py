"""Cells of a space that keeps all edges, by number: every edge chooses a primitive."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from dartsedu.genotype import Edge, Genotype, GenotypeError, cell_of
from dartsedu.topology import SearchSpace

MOST_CELLS = 1_000_000
"""Of a space of which there may be a table."""


class TruthError(ValueError):
    """A table is absent, malformed or of another space; the message says what to do."""


def cells_of(space: SearchSpace) -> list[tuple[int, ...]]:
    """Every cell of a space that keeps all edges: the number of each edge's primitive.

    Raises ``TruthError`` where these are too many, or edges are chosen.
    """
    edges = sum(len(cell.edges) for cell in space.cells)
    if any(cell.keep < max(map(len, cell.predecessors)) for cell in space.cells):
        raise TruthError(
            f"cells of the space {space.name!r} do not keep all edges, so there is no table of "
            "them; take a preset of a space that does, such as bench-classroom"
        )
    if len(space.primitives) ** edges > MOST_CELLS:
        raise TruthError(
            f"the space {space.name!r} has {len(space.primitives)}^{edges} cells; a table may have "
            f"{MOST_CELLS:,}"
        )
    return list(product(range(len(space.primitives)), repeat=edges))


def written(space: SearchSpace, none: bool = True) -> NDArray[np.int64]:
    """The numbers of all cells, in the order of ``cells_of``; without ``none``, of those that have
    it on no edge."""
    choices = np.array(cells_of(space))
    if none or "none" not in space.primitives:
        return np.arange(len(choices))
    return np.flatnonzero((choices != space.primitives.index("none")).all(axis=1))


def choices_of(space: SearchSpace, genotype: Genotype) -> list[int]:
    """The number of the primitive on each edge. Raises ``TruthError`` for a cell of elsewhere."""
    try:
        genotype.check(space)
        choices = []
        for cell in space.cells:
            on = {(edge.source, state): edge.primitive for state, edge in genotype[cell.name].edges}
            if len(on) != len(cell.edges) or len(genotype[cell.name].edges) != len(on):
                raise GenotypeError(f"cell {cell.name!r} has not one operation on every edge")
            choices += [space.primitives.index(on[link]) for link in cell.edges]
    except GenotypeError as error:
        raise TruthError(f"the table is of the space {space.name!r}: {error}") from None
    return choices


def number_of(space: SearchSpace, genotype: Genotype) -> int:
    """The place of a cell in the order of ``cells_of``."""
    number = 0
    for choice in choices_of(space, genotype):
        number = number * len(space.primitives) + choice
    return number


def genotype_of(space: SearchSpace, choices: list[int] | tuple[int, ...]) -> Genotype:
    """The cell with these primitives on its edges."""
    rest = iter(choices)
    cells = []
    for topology in space.cells:
        nodes = tuple(
            tuple(Edge(primitive=space.primitives[next(rest)], source=s) for s in sources)
            for sources in topology.predecessors
        )
        cells.append(cell_of(topology, nodes))
    return Genotype(space=space.name, cells=tuple(cells))
