"""From α to a genotype: every edge keeps its strongest primitive, every node its strongest edges.

DARTS §2.4, and the rules of other authors beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, softmax

from dartsedu.genotype import Edge, Genotype, GenotypeError, cell_of, vocabulary
from dartsedu.topology import Relaxation, SearchSpace, Topology

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
"""From α to mixture weights, both (edges, primitives)."""


def _dirichlet(alpha: Strengths) -> Strengths:
    tiny = np.finfo(np.float64).tiny
    beta = np.where(alpha > 0, alpha + 1, np.exp(np.minimum(alpha, 0)).clip(tiny))
    return beta / beta.sum(axis=1, keepdims=True)


MIX: dict[Relaxation, Mix] = {
    "softmax": partial(softmax, axis=1),
    "sigmoid": expit,
    "dirichlet": _dirichlet,
}
"""What ``relaxation.mixture_weights`` computes, for NumPy."""


# ---- The strength of every primitive on every edge of a cell ------------------------------------


def _weight(alpha: Strengths, none: int | None, mix: Mix) -> Strengths:
    return mix(alpha)


def _raw_alpha(alpha: Strengths, none: int | None, mix: Mix) -> Strengths:
    return alpha


def _none_excluded(alpha: Strengths, none: int | None, mix: Mix) -> Strengths:
    masked = alpha.copy()
    if none is not None:
        masked[:, none] = -np.inf
    return mix(masked)


def _softmax_alpha(alpha: Strengths, none: int | None, mix: Mix) -> Strengths:
    return MIX["softmax"](alpha)


def _sigmoid_alpha(alpha: Strengths, none: int | None, mix: Mix) -> Strengths:
    return expit(alpha)


# ---- What a node keeps --------------------------------------------------------------------------


def _paper(strength: Strengths, none: int | None, keep: int) -> Kept:
    return _strongest(_best_per_edge(strength, none), keep)


def _pairs(strength: Strengths, none: int | None, keep: int) -> Kept:
    pairs = [
        (float(strength[row, column]), row, column)
        for row in range(strength.shape[0])
        for column in range(strength.shape[1])
        if column != none
    ]
    return _strongest(pairs, keep)


def _every(strength: Strengths, none: int | None, keep: int) -> Kept:
    return [(row, int(column)) for row, column in enumerate(strength.argmax(axis=1))]


def _threshold(strength: Strengths, none: int | None, keep: int) -> Kept:
    found = [f for f in _best_per_edge(strength, none) if f[0] >= FAIR_THRESHOLD]
    if not found and none is None:
        raise GenotypeError(
            f"rule 'threshold': no edge of a node reaches sigmoid(α) ≥ {FAIR_THRESHOLD}, and the "
            "space has no primitive 'none' to leave the node empty; choose another rule"
        )
    return _strongest(found, keep) or [(0, none or 0)]


FAIR_THRESHOLD = 0.85
"""Least sigmoid(α) of an edge that FairDARTS keeps."""


class Rule(NamedTuple):
    """How a genotype is read off α: the strength of primitives, what a node keeps, what is amended.

    ``most_skips`` is how many skip connections the first cell may keep (P-DARTS, Chen et al. 2019,
    §3.3): while there are more, the weakest of them loses its strength, and its node keeps again.
    """

    strength: Callable[[Strengths, int | None, Mix], Strengths] = _weight
    keep: Callable[[Strengths, int | None, int], Kept] = _paper
    most_skips: int | None = None


RULES: dict[str, Rule] = {
    "paper": Rule(),
    "raw-alpha": Rule(_raw_alpha),
    "none-excluded": Rule(_none_excluded),
    "shared-predecessor": Rule(keep=_pairs),
    "argmax": Rule(_raw_alpha, _every),
    "threshold": Rule(_sigmoid_alpha, _threshold),
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
it is left out; sigmoid(α), where primitives do not compete and *paper*, *none-excluded* and
*raw-alpha* find the same; or the mean of a Dirichlet distribution. *threshold* looks at sigmoid(α)
in any space.
Only *paper* is DARTS §2.4; in every rule but *argmax* the primitive none never wins.
"""

METHOD_RULES: dict[str, Rule] = {
    "softmax-alpha": Rule(_softmax_alpha),
    "two-skips": Rule(most_skips=2),
}
"""Rules that belong to a method: *paper* with softmax(α) in any space, as the authors' code of
DrNAS has it; *paper* with at most two skip connections in the first cell (P-DARTS)."""


def rules() -> dict[str, Rule]:
    """Every derivation rule by name."""
    return RULES | METHOD_RULES


def _nodes(
    topology: Topology, strength: Strengths, none: int | None, rule: Rule, skip: int | None
) -> list[Kept]:
    """What every node of a cell keeps; ``skip`` is the column that may be kept so often only."""

    def kept() -> list[Kept]:
        return [
            rule.keep(strength[topology.rows(node)], none, topology.keep)
            for node in range(topology.nodes)
        ]

    found = kept()
    while skip is not None and rule.most_skips is not None:
        skips = [
            topology.rows(node)[row]
            for node, pairs in enumerate(found)
            for row, column in pairs
            if column == skip
        ]
        weakest = min(skips, key=lambda row: strength[row, skip], default=0)
        # On an edge with nothing else to offer it stays, whatever its strength.
        if len(skips) <= rule.most_skips or not strength[weakest, skip]:
            break
        strength[weakest, skip] = 0.0
        found = kept()
    return found


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
    known = rules()
    if rule not in known:
        raise GenotypeError(
            f"unknown derivation rule {rule!r}; expected one of: {', '.join(known)}"
        )
    none = space.primitives.index("none") if "none" in space.primitives else None
    if none is not None and len(space.primitives) == 1:
        raise GenotypeError(
            "a space whose only primitive is 'none' has no genotype: name others beside it"
        )
    mix, skip = MIX[space.relaxation], None
    if vocabulary(space.name).passing in space.primitives:
        skip = space.primitives.index(str(vocabulary(space.name).passing))
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
        strength = known[rule].strength(alpha, none, mix)
        kept = _nodes(topology, strength, none, known[rule], skip)
        nodes = tuple(
            tuple(
                Edge(primitive=space.primitives[column], source=sources[row])
                for row, column in pairs
            )
            for sources, pairs in zip(topology.predecessors, kept, strict=True)
        )
        cells.append(cell_of(topology, nodes))
        skip = None  # Of the first cell alone.
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
