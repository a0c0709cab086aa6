"""The discrete cell: its value, its JSON form, its derivation from α, and the published ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, ValidationError, model_validator
from scipy.special import expit, softmax

from dartsedu.official_genotype import is_official, official_cells
from dartsedu.topology import MOST, Combine, Name, Relaxation, SearchSpace, Topology
from dartsedu.values import Value, explain, read_text, write_text


class Vocabulary(NamedTuple):
    """The words a genotype file of one space may use, and the rule that derives its genotypes.

    ``inputs`` is ``None`` where it varies.
    """

    cells: tuple[str, ...]
    inputs: int | None
    primitives: tuple[str, ...]
    rule: str = "paper"


EQUATION_CURVES = (
    "relu",
    "exp",
    "logistic",
    "sin",
    "cos",
    "tanh",
    "reciprocal",
    "ln",
    "softplus",
    "softminus",
)
"""Functions of an equation's edge; each has a form ``linear_…`` as well."""

VOCABULARY: dict[str, Vocabulary] = {
    "cnn": Vocabulary(
        cells=("normal", "reduce"),
        inputs=2,
        primitives=(
            "none",
            "max_pool_3x3",
            "avg_pool_3x3",
            "skip_connect",
            "sep_conv_3x3",
            "sep_conv_5x5",
            "dil_conv_3x3",
            "dil_conv_5x5",
            "sep_conv_7x7",
            "conv_7x1_1x7",
        ),
    ),
    "rnn": Vocabulary(
        cells=("recurrent",),
        inputs=1,
        primitives=("none", "tanh", "relu", "sigmoid", "identity"),
    ),
    "equation": Vocabulary(
        cells=("equation",),
        inputs=None,
        primitives=(
            "none",
            "add",
            "subtract",
            "mult",
            "linear",
            *EQUATION_CURVES,
            *(f"linear_{curve}" for curve in EQUATION_CURVES),
            "power",
        ),
        rule="argmax",  # An edge is left out by choosing none.
    ),
}
"""Spaces by name. The paper's primitives come first; NASNet and AmoebaNet need the last two of
``cnn``. An equation has an input for each variable."""


class GenotypeError(ValueError):
    """A genotype is malformed or does not fit its search space; the message says where."""


class Edge(Value):
    """One kept edge: ``primitive`` applied to state ``source``."""

    primitive: Name
    source: int = Field(ge=0)


class Cell(Value):
    """A discrete cell. Node ``i`` is state ``inputs + i``, the sum of its edges.

    ``keep`` is the number of edges every node has (``None``: it varies). ``outputs`` are the
    states that ``combine`` joins into the cell's output.
    """

    name: Name
    inputs: int = Field(ge=1, le=MOST)
    keep: int | None = Field(ge=1)
    nodes: tuple[Annotated[tuple[Edge, ...], Field(max_length=2 * MOST)], ...] = Field(
        min_length=1, max_length=MOST
    )
    combine: Combine
    outputs: tuple[int, ...] = Field(min_length=1, max_length=MOST)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        states = self.inputs + len(self.nodes)
        for index, edges in enumerate(self.nodes):
            if not edges or (self.keep is not None and len(edges) != self.keep):
                expected = "at least one" if self.keep is None else f"keep = {self.keep}"
                raise ValueError(f"node {index} has {len(edges)} edges, expected {expected}")
            for edge in edges:
                if edge.source >= self.inputs + index:
                    raise ValueError(
                        f"node {index} takes {edge.primitive!r} from the missing predecessor "
                        f"{edge.source}; expected an earlier state, 0 to {self.inputs + index - 1}"
                    )
        if len(set(self.outputs)) != len(self.outputs):
            raise ValueError(f"outputs {self.outputs} name a state twice")
        wrong = [state for state in self.outputs if not self.inputs <= state < states]
        if wrong:
            raise ValueError(
                f"outputs name states {wrong}; expected nodes, {self.inputs} to {states - 1}"
            )
        return self

    @property
    def edges(self) -> tuple[tuple[int, Edge], ...]:
        """Every edge with the state it enters, node by node."""
        return tuple((self.inputs + i, edge) for i, node in enumerate(self.nodes) for edge in node)

    def count(self, primitive: str) -> int:
        """How many edges use ``primitive``."""
        return sum(edge.primitive == primitive for _, edge in self.edges)


class Genotype(Value):
    """An architecture: one discrete cell for each kind of cell in the space.

    Immutable and hashable. ``to_json`` and ``from_json`` are inverse to each other.
    """

    format: Literal["dartsedu genotype"] = "dartsedu genotype"
    version: Literal[1] = 1
    space: Name
    cells: tuple[Cell, ...] = Field(max_length=MOST)

    @model_validator(mode="after")
    def _uses_the_vocabulary(self) -> Self:
        if self.space not in VOCABULARY:
            known = ", ".join(VOCABULARY)
            raise ValueError(f"unknown space {self.space!r}; expected one of: {known}")
        vocabulary = VOCABULARY[self.space]
        names = tuple(cell.name for cell in self.cells)
        if sorted(names) != sorted(vocabulary.cells):
            raise ValueError(
                f"a genotype of space {self.space!r} has the cells "
                f"{', '.join(vocabulary.cells)}, once each; this one has: {', '.join(names)}"
            )
        for cell in self.cells:
            if vocabulary.inputs is not None and cell.inputs != vocabulary.inputs:
                raise ValueError(
                    f"cell {cell.name!r} has {cell.inputs} inputs; "
                    f"a cell of space {self.space!r} has {vocabulary.inputs}"
                )
            for state, edge in cell.edges:
                if edge.primitive not in vocabulary.primitives:
                    raise ValueError(
                        f"unknown primitive {edge.primitive!r} entering state {state} of cell "
                        f"{cell.name!r}; expected one of: {', '.join(vocabulary.primitives)}"
                    )
        return self

    def __getitem__(self, name: str) -> Cell:
        for cell in self.cells:
            if cell.name == name:
                return cell
        known = ", ".join(cell.name for cell in self.cells)
        raise KeyError(f"no cell {name!r} in this genotype; it has: {known}")

    def to_json(self) -> str:
        """The genotype as indented JSON text, ending in a newline."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what ``to_json`` wrote. Raises ``GenotypeError`` naming each wrong place."""
        try:
            genotype = cls.model_validate_json(text, strict=True)
        except ValidationError as error:
            raise GenotypeError(explain(error, "genotype")) from None
        absent = {"format", "version"} - genotype.model_fields_set
        if absent:
            raise GenotypeError(f"genotype is not valid: it lacks {', '.join(sorted(absent))}")
        return genotype

    @classmethod
    def from_official(cls, text: str) -> Self:
        """Read ``Genotype(normal=[('sep_conv_3x3', 1), …], …)``, as the authors' code prints it.

        Raises ``GenotypeError`` naming what is wrong.
        """
        try:
            return cls.model_validate(official_cells(text))
        except ValidationError as error:
            raise GenotypeError(explain(error, "genotype")) from None
        except ValueError as error:
            raise GenotypeError(f"the authors' form of a genotype is not valid: {error}") from None

    def save(self, path: str | Path) -> None:
        """Write the JSON form to ``path``, atomically."""
        write_text(path, self.to_json())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a genotype file: JSON, or a line of the authors' log or source.

        Raises ``GenotypeError`` if it is absent or malformed.
        """
        try:
            text = read_text(path)
        except (OSError, ValueError) as error:
            raise GenotypeError(f"cannot read a genotype from {path}: {error}") from None
        try:
            return cls.from_official(text) if is_official(text) else cls.from_json(text)
        except GenotypeError as error:
            raise GenotypeError(f"{path}: {error}") from None

    def check(self, space: SearchSpace) -> None:
        """Raise ``GenotypeError`` unless this genotype is a member of ``space``."""
        if self.space != space.name:
            raise GenotypeError(f"a genotype of {self.space!r} does not fit space {space.name!r}")
        names = {cell.name for cell in self.cells}
        for topology in space.cells:
            if topology.name not in names:
                raise GenotypeError(
                    f"the space has a cell {topology.name!r}; the genotype has: "
                    f"{', '.join(sorted(names))}"
                )
            cell = self[topology.name]
            if (cell.inputs, len(cell.nodes)) != (topology.inputs, topology.nodes):
                raise GenotypeError(
                    f"cell {cell.name!r} has {cell.inputs} inputs and {len(cell.nodes)} nodes; "
                    f"the space has {topology.inputs} and {topology.nodes}"
                )
            if (cell.combine, cell.outputs) != (topology.combine, topology.outputs):
                raise GenotypeError(
                    f"cell {cell.name!r} gives the {cell.combine} of states {cell.outputs}; "
                    f"the space gives the {topology.combine} of {topology.outputs}"
                )
            links = set(topology.edges)
            for state, edge in cell.edges:
                if (edge.source, state) not in links or edge.primitive not in space.primitives:
                    raise GenotypeError(
                        f"cell {cell.name!r} takes {edge.primitive!r} from state {edge.source} to "
                        f"{state}, which the space does not offer"
                    )


# ---- Derivation: α → genotype (DARTS §2.4) ------------------------------------------------------

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
    return VOCABULARY[space.name].rule if space.name in VOCABULARY else "paper"


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
        cells.append(_cell(topology, tuple(nodes)))
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


def random_genotype(space: SearchSpace, seed: int) -> Genotype:
    """A cell drawn uniformly: ``keep`` distinct predecessors a node, any primitive but none.

    The same seed gives the same genotype. (The random baseline of DARTS Table 1 is the best of 24
    such cells by validation error.)
    """
    generator = np.random.default_rng(seed)
    primitives = [p for p in space.primitives if p != "none"]
    if not primitives:
        raise GenotypeError(
            "a space whose only primitive is 'none' has no genotype: name others beside it"
        )
    cells = []
    for topology in space.cells:
        nodes = []
        for sources in topology.predecessors:
            keep = min(topology.keep, len(sources))
            chosen = sorted(int(s) for s in generator.choice(sources, keep, replace=False))
            nodes.append(
                tuple(
                    Edge(primitive=str(generator.choice(primitives)), source=source)
                    for source in chosen
                )
            )
        cells.append(_cell(topology, tuple(nodes)))
    return Genotype(space=space.name, cells=tuple(cells))


def _cell(topology: Topology, nodes: tuple[tuple[Edge, ...], ...]) -> Cell:
    uniform = all(len(edges) == topology.keep for edges in nodes)
    return Cell(
        name=topology.name,
        inputs=topology.inputs,
        keep=topology.keep if uniform else None,
        nodes=nodes,
        combine=topology.combine,
        outputs=topology.outputs,
    )


# ---- Published cells ----------------------------------------------------------------------------


def _published(
    space: str = "cnn", combine: Combine = "concat", **cells: tuple[str, tuple[int, ...]]
) -> Genotype:
    """Read the compact form ``"primitive 0, primitive 1; …"``: edges by comma, nodes by ';'."""

    def edge(text: str) -> Edge:
        primitive, source = text.split()
        return Edge(primitive=primitive, source=int(source))

    return Genotype(
        space=space,
        cells=tuple(
            Cell(
                name=name,
                inputs=VOCABULARY[space].inputs,
                keep=text.split(";")[0].count(",") + 1,
                nodes=tuple(tuple(map(edge, node.split(","))) for node in text.split(";")),
                combine=combine,
                outputs=outputs,
            )
            for name, (text, outputs) in cells.items()
        ),
    )


PUBLISHED: dict[str, Genotype] = {
    "nasnet": _published(
        normal=(
            "sep_conv_5x5 1, sep_conv_3x3 0; sep_conv_5x5 0, sep_conv_3x3 0;"
            "avg_pool_3x3 1, skip_connect 0; avg_pool_3x3 0, avg_pool_3x3 0;"
            "sep_conv_3x3 1, skip_connect 1",
            (2, 3, 4, 5, 6),
        ),
        reduce=(
            "sep_conv_5x5 1, sep_conv_7x7 0; max_pool_3x3 1, sep_conv_7x7 0;"
            "avg_pool_3x3 1, sep_conv_5x5 0; skip_connect 3, avg_pool_3x3 2;"
            "sep_conv_3x3 2, max_pool_3x3 1",
            (4, 5, 6),
        ),
    ),
    "amoebanet": _published(
        normal=(
            "avg_pool_3x3 0, max_pool_3x3 1; sep_conv_3x3 0, sep_conv_5x5 2;"
            "sep_conv_3x3 0, avg_pool_3x3 3; sep_conv_3x3 1, skip_connect 1;"
            "skip_connect 0, avg_pool_3x3 1",
            (4, 5, 6),
        ),
        reduce=(
            "avg_pool_3x3 0, sep_conv_3x3 1; max_pool_3x3 0, sep_conv_7x7 2;"
            "sep_conv_7x7 0, avg_pool_3x3 1; max_pool_3x3 0, max_pool_3x3 1;"
            "conv_7x1_1x7 0, sep_conv_3x3 5",
            (3, 4, 6),
        ),
    ),
    "darts-v1": _published(
        normal=(
            "sep_conv_3x3 1, sep_conv_3x3 0; skip_connect 0, sep_conv_3x3 1;"
            "skip_connect 0, sep_conv_3x3 1; sep_conv_3x3 0, skip_connect 2",
            (2, 3, 4, 5),
        ),
        reduce=(
            "max_pool_3x3 0, max_pool_3x3 1; skip_connect 2, max_pool_3x3 0;"
            "max_pool_3x3 0, skip_connect 2; skip_connect 2, avg_pool_3x3 0",
            (2, 3, 4, 5),
        ),
    ),
    "darts-v2": _published(
        normal=(
            "sep_conv_3x3 0, sep_conv_3x3 1; sep_conv_3x3 0, sep_conv_3x3 1;"
            "sep_conv_3x3 1, skip_connect 0; skip_connect 0, dil_conv_3x3 2",
            (2, 3, 4, 5),
        ),
        reduce=(
            "max_pool_3x3 0, max_pool_3x3 1; skip_connect 2, max_pool_3x3 1;"
            "max_pool_3x3 0, skip_connect 2; skip_connect 2, max_pool_3x3 1",
            (2, 3, 4, 5),
        ),
    ),
    "enas": _published(
        "rnn",
        "mean",
        recurrent=(
            "tanh 0; tanh 1; relu 1; tanh 3; tanh 3; relu 3; relu 4; relu 7; relu 8; relu 8;relu 8",
            (2, 5, 6, 9, 10, 11),
        ),
    ),
    "darts-rnn-v1": _published(
        "rnn",
        "mean",
        recurrent=(
            "relu 0; relu 1; tanh 2; relu 3; relu 4; identity 1; relu 5; relu 1",
            tuple(range(1, 9)),
        ),
    ),
    "darts-rnn-v2": _published(
        "rnn",
        "mean",
        recurrent=(
            "sigmoid 0; relu 1; relu 1; identity 1; tanh 2; sigmoid 5; tanh 3; relu 5",
            tuple(range(1, 9)),
        ),
    ),
}
"""Published cells by name: NASNet-A, AmoebaNet-A, DARTS first (v1) and second order (v2); for
language models ENAS and DARTS on Penn Treebank, first (v1) and second order (v2)."""
