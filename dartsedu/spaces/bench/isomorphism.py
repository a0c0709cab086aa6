"""Which of the 15,625 cells are the same, and how the benchmark's authors write a cell.

Three ways to count them: as written (15,625), as the authors' string tells them apart (6,466), as
graphs of what is alive (5,425).
"""

from __future__ import annotations

from collections import Counter
from itertools import permutations, product

from dartsedu.genotype import Cell, Genotype, GenotypeError
from dartsedu.spaces.bench.words import CELL, VOCABULARY

Atom = int
"""An operation of a cell by the number of its edge, or −1: what comes in."""
Sum = frozenset[tuple[Atom, int]]
"""What a state is: operations, and how often each is added."""
INPUT: Atom = -1
Terms = tuple[tuple[Atom, int], ...]
Graph = tuple[Terms, tuple[tuple[str, Terms], ...]]
"""What goes out, and of each operation its primitive and what it reads."""


def graph_of(genotype: Genotype) -> Graph:
    """Equal for cells that are the same graph of operations, whatever they are written as.

    A vertex is a convolution or a pool with the sum that it reads: skip connections are dissolved,
    dead edges left out, and which node holds a sum does not matter. Two convolutions of one input
    are two, since each has weights of its own; so are two pools. There are 5,425 such graphs.
    (The constant that BatchNorm's β makes of a convolution of nothing is no difference here.)
    """
    output, reads = _operations(genotype[CELL])
    vertices: set[Atom] = set()
    coming = [atom for atom, _ in output]
    while coming:
        atom = coming.pop()
        if atom != INPUT and atom not in vertices:
            vertices.add(atom)
            coming += [source for source, _ in reads[atom][1]]
    # Vertices that read alike may stand in any order: the first in the order of Python is chosen.
    alike: dict[str, list[Atom]] = {}
    written = {INPUT: "x"}
    for atom in sorted(vertices):  # What an edge reads stands on edges before it.
        primitive, source = reads[atom]
        written[atom] = f"{primitive}({sorted((written[a], n) for a, n in source)})"
        alike.setdefault(written[atom], []).append(atom)
    groups = [alike[text] for text in sorted(alike)]
    return min(
        _numbered([atom for group in order for atom in group], output, reads)
        for order in product(*(permutations(group) for group in groups))
    )


def _operations(cell: Cell) -> tuple[Sum, dict[Atom, tuple[str, Sum]]]:
    """What the last node is, and of each operation its primitive and what it reads."""
    states: list[Counter[Atom]] = [Counter({INPUT: 1})]
    reads: dict[Atom, tuple[str, Sum]] = {}
    number = 0
    for edges in cell.nodes:
        total: Counter[Atom] = Counter()
        for edge in sorted(edges, key=lambda edge: edge.source):
            source = states[edge.source]
            if edge.primitive == "skip_connect":
                total += source
            elif edge.primitive != "none" and source:
                reads[number] = edge.primitive, frozenset(source.items())
                total[number] += 1
            number += 1
        states.append(total)
    return frozenset(states[-1].items()), reads


def _numbered(order: list[Atom], output: Sum, reads: dict[Atom, tuple[str, Sum]]) -> Graph:
    """The graph with its vertices in this order."""
    number = {INPUT: INPUT, **{atom: place for place, atom in enumerate(order)}}

    def renamed(terms: Sum) -> Terms:
        return tuple(sorted((number[atom], count) for atom, count in terms))

    return renamed(output), tuple((reads[atom][0], renamed(reads[atom][1])) for atom in order)


def unique_string(genotype: Genotype) -> str:
    """The string by which NAS-Bench-201 tells cells apart: 6,466 differ.

    States as nested sums: a skip connection is its source, *none* and what it leads to is ``#``.
    It keeps ``#`` in sums, and takes an operation that is read twice for two equal ones.
    """
    states = ["0"]
    for edges in genotype[CELL].nodes:
        terms = []
        for edge in edges:
            source = states[edge.source]
            if edge.primitive == "none" or source == "#":
                terms.append("#")
            elif edge.primitive == "skip_connect":
                terms.append(source)
            else:
                terms.append(f"({source})@{edge.primitive}")
        states.append("+".join(sorted(terms)))
    return states[-1]


def to_string(genotype: Genotype) -> str:
    """A cell as NAS-Bench-201 writes it: ``|op~0|+|op~0|op~1|+|op~0|op~1|op~2|``."""
    nodes = (
        sorted((edge.source, edge.primitive) for edge in edges) for edges in genotype[CELL].nodes
    )
    return "+".join("|" + "".join(f"{op}~{source}|" for source, op in node) for node in nodes)


def from_string(text: str) -> Genotype:
    """Read what ``to_string`` writes. Raises ``GenotypeError`` naming what is wrong."""
    nodes = []
    for node in text.strip().split("+"):
        edges = []
        for part in node.strip("|").split("|"):
            primitive, tilde, source = part.partition("~")
            if not tilde or not source.isdecimal() or primitive not in VOCABULARY.primitives:
                raise GenotypeError(
                    f"{part!r:.80} in {text!r:.200} is no edge; expected op~state, with op one of: "
                    f"{', '.join(VOCABULARY.primitives)}"
                )
            edges.append((primitive, int(source)))
        nodes.append(edges)
    wanted = [list(range(node + 1)) for node in range(len(nodes))]
    if len(nodes) != 3 or [[source for _, source in node] for node in nodes] != wanted:
        raise GenotypeError(
            f"{text!r:.200} is no cell of the benchmark; expected three nodes, each with an edge "
            "from every state before it: |op~0|+|op~0|op~1|+|op~0|op~1|op~2|"
        )
    return cell_of_choices([primitive for node in nodes for primitive, _ in node])


def cell_of_choices(primitives: list[str] | tuple[str, ...]) -> Genotype:
    """The genotype whose edges 0→1, 0→2, 1→2, 0→3, 1→3, 2→3 have these primitives."""
    rest = iter(primitives)
    nodes = tuple(
        tuple({"primitive": next(rest), "source": source} for source in range(node + 1))
        for node in range(3)
    )
    cell = {
        "name": CELL,
        "inputs": 1,
        "keep": None,
        "nodes": nodes,
        "combine": "sum",
        "outputs": (3,),
    }
    return Genotype.model_validate({"space": "bench", "cells": (cell,)})
