"""From α to a genotype: every edge keeps its strongest primitive, every node its strongest edges.

DARTS §2.4, and the rules of other authors beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from dartsedu.genotype import Edge, Genotype, GenotypeError, cell_of, vocabulary
from dartsedu.topology import Relaxation, SearchSpace

Strengths = NDArray[np.float64]
Kept = list[tuple[int, int]]
"""Pairs (row of α among the node's edges, column = primitive), strongest first."""


def _best_per_edge(strength: Strengths, none: int | None) -> list[tuple[float, int, int]]:
    """For every row its strongest primitive other than none, as (strength, row, column)."""
    allowed = strength.copy()
    if none is not None:
        allowed[:, none] = -np.inf
    columns = allowed.argmax(axis=1)
    return [(float(allowed[row, column]), row, int(column)) for row, column in enumerate(columns)]


def _strongest(found: list[tuple[float, int, int]], keep: int) -> Kept:
    """The ``keep`` strongest, ties to the earlier edge."""
    return [(row, column) for _, row, column in sorted(found, key=lambda f: -f[0])[:keep]]


Mix = Callable[[Strengths], Strengths]
"""From the α of a node's edges to their mixture weights, both (edges, primitives)."""

MIX: dict[Relaxation, Mix] = {"softmax": partial(softmax, axis=1), "sigmoid": expit}
"""What ``relaxation.mixture_weights`` computes, for NumPy."""


def _paper(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    return _strongest(_best_per_edge(mix(alpha), none), keep)


def _raw_alpha(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    return _strongest(_best_per_edge(alpha, none), keep)


def _none_excluded(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    masked = alpha.copy()
    if none is not None:
        masked[:, none] = -np.inf
    return _strongest(_best_per_edge(mix(masked), none), keep)


def _shared_predecessor(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    strength = mix(alpha)
    pairs = [
        (float(strength[row, column]), row, column)
        for row in range(alpha.shape[0])
        for column in range(alpha.shape[1])
        if column != none
    ]
    return _strongest(pairs, keep)


def _argmax(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    return [(row, int(column)) for row, column in enumerate(alpha.argmax(axis=1))]


def _threshold(alpha: Strengths, none: int | None, keep: int, mix: Mix) -> Kept:
    found = [f for f in _best_per_edge(expit(alpha), none) if f[0] >= FAIR_THRESHOLD]
    if not found and none is None:
        raise GenotypeError(
            f"rule 'threshold': no edge of a node reaches sigmoid(α) ≥ {FAIR_THRESHOLD}, and the "
            "space has no primitive 'none' to leave the node empty; choose another rule"
        )
    return _strongest(found, keep) or [(0, none or 0)]


FAIR_THRESHOLD = 0.85
"""Least sigmoid(α) of an edge that FairDARTS keeps."""

RULES: dict[str, Callable[[Strengths, int | None, int, Mix], Kept]] = {
    "paper": _paper,
    "raw-alpha": _raw_alpha,
    "none-excluded": _none_excluded,
    "shared-predecessor": _shared_predecessor,
    "argmax": _argmax,
    "threshold": _threshold,
}
"""Derivation rules by name.

==================  =============================================  =============================
name                strength of an edge                            edges kept at a node
==================  =============================================  =============================
paper               best weight, none among the primitives         top k, distinct predecessors
raw-alpha           best α, none ignored (pt.darts, NNI)           top k, distinct predecessors
none-excluded       best weight taken without none (NASLib)        top k, distinct predecessors
shared-predecessor  every weight by itself (AutoDL)                top k, predecessor may repeat
argmax              largest α, none may win (AutoRA, NB-201)       all
threshold           best sigmoid(α) ≥ 0.85 (FairDARTS)             at most k, perhaps none at all
==================  =============================================  =============================

A weight is what the space's relaxation makes of α: softmax(α), with none in the denominator unless
it is left out, or sigmoid(α), where primitives do not compete and *paper*, *none-excluded* and
*raw-alpha* find the same. *threshold* looks at sigmoid(α) in any space.
Only *paper* is DARTS §2.4; in every rule but *argmax* the primitive none never wins.
"""


def rule_of(space: SearchSpace) -> str:
    """The derivation rule of a space where none is named."""
    return vocabulary(space.name).rule


def derive(
    space: SearchSpace, alphas: Mapping[str, ArrayLike], rule: str | None = None
) -> Genotype:
    """Discretise α: the genotype that ``rule`` reads off (default: ``rule_of``).

    ``alphas`` maps each cell's name to its raw α of shape ``(edges, primitives)``. Edges of a
    node come strongest first. Raises ``GenotypeError`` for an unknown rule, a missing cell, a wrong
    shape or an α that is not finite.
    """
    rule = rule or rule_of(space)
    if rule not in RULES:
        raise GenotypeError(
            f"unknown derivation rule {rule!r}; expected one of: {', '.join(RULES)}"
        )
    none = space.primitives.index("none") if "none" in space.primitives else None
    if none is not None and len(space.primitives) == 1:
        raise GenotypeError(
            "a space whose only primitive is 'none' has no genotype: name others beside it"
        )
    mix = MIX[space.relaxation]
    cells = []
    for topology in space.cells:
        alpha = _numbers(alphas, topology.name)
        if alpha.shape != space.shape(topology.name):
            raise GenotypeError(
                f"α of cell {topology.name!r} has shape {alpha.shape}; "
                f"expected (edges, primitives) = {space.shape(topology.name)}"
            )
        if not np.isfinite(alpha).all():
            raise GenotypeError(f"α of cell {topology.name!r} is not finite")
        nodes = []
        for node, sources in enumerate(topology.predecessors):
            kept = RULES[rule](alpha[topology.rows(node)], none, topology.keep, mix)
            nodes.append(
                tuple(
                    Edge(primitive=space.primitives[column], source=sources[row])
                    for row, column in kept
                )
            )
        cells.append(cell_of(topology, tuple(nodes)))
    return Genotype(space=space.name, cells=tuple(cells))


def _numbers(alphas: Mapping[str, ArrayLike], cell: str) -> Strengths:
    if cell not in alphas:
        raise GenotypeError(
            f"α of cell {cell!r} is missing; given are the cells: {', '.join(map(str, alphas))}"
        )
    try:
        return np.asarray(alphas[cell], dtype=np.float64)
    except (TypeError, ValueError):
        raise GenotypeError(f"α of cell {cell!r} is not a matrix of numbers") from None
