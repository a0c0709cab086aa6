"""The discrete cell: a value, and its JSON form."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Self

import numpy as np
from pydantic import Field, ValidationError, model_validator

from dartsedu.base.extensions import SPACES, ExtensionError, find
from dartsedu.base.official_genotype import is_official, official_cells
from dartsedu.base.values import Value, explain, read_text, write_text
from dartsedu.topology import MOST, Combine, Name, SearchSpace, Topology


class GenotypeError(ValueError):
    """A genotype is malformed or does not fit its search space; the message says where."""


class Vocabulary(NamedTuple):
    """The words a genotype file of one space may use.

    Attributes:
        cells: the names of its cells.
        inputs: inputs of each; ``None`` where that varies.
        primitives: what may stand on an edge.
        rule: the rule that derives its genotypes where none is named.
        passing: the primitive that hands its input on unchanged, if there is one.
        weightless: the primitives that have no weights of their own, beside none.
    """

    cells: tuple[str, ...]
    inputs: int | None
    primitives: tuple[str, ...]
    rule: str = "paper"
    passing: str | None = None
    weightless: tuple[str, ...] = ()


def vocabulary(space: str) -> Vocabulary:
    """The words of a space. Raises ``GenotypeError`` for an unknown one."""
    try:
        words: Vocabulary = find(SPACES, space).vocabulary
    except ExtensionError as error:
        raise GenotypeError(str(error)) from None
    return words


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
    nodes: tuple[Annotated[tuple[Edge, ...], Field(max_length=MOST)], ...] = Field(
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
        words = vocabulary(self.space)
        names = tuple(cell.name for cell in self.cells)
        if sorted(names) != sorted(words.cells):
            raise ValueError(
                f"a genotype of space {self.space!r} has the cells "
                f"{', '.join(words.cells)}, once each; this one has: {', '.join(names)}"
            )
        for cell in self.cells:
            if words.inputs is not None and cell.inputs != words.inputs:
                raise ValueError(
                    f"cell {cell.name!r} has {cell.inputs} inputs; "
                    f"a cell of space {self.space!r} has {words.inputs}"
                )
            for state, edge in cell.edges:
                if edge.primitive not in words.primitives:
                    raise ValueError(
                        f"unknown primitive {edge.primitive!r} entering state {state} of cell "
                        f"{cell.name!r}; expected one of: {', '.join(words.primitives)}"
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


def random_genotype(space: SearchSpace, seed: int, none: bool = False) -> Genotype:
    """A cell drawn uniformly: ``keep`` distinct predecessors a node, any primitive but none.

    With ``none``, that one too. The same seed gives the same genotype. (The random baseline of
    DARTS Table 1 is the best of 24 such cells by validation error.)
    """
    generator = np.random.default_rng(seed)
    primitives = [p for p in space.primitives if none or p != "none"]
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
        cells.append(cell_of(topology, tuple(nodes)))
    return Genotype(space=space.name, cells=tuple(cells))


def cell_of(topology: Topology, nodes: tuple[tuple[Edge, ...], ...]) -> Cell:
    """The discrete cell of a topology, with the edges of each node."""
    uniform = all(len(edges) == topology.keep for edges in nodes)
    return Cell(
        name=topology.name,
        inputs=topology.inputs,
        keep=topology.keep if uniform else None,
        nodes=nodes,
        combine=topology.combine,
        outputs=topology.outputs,
    )


def compact(space: str, combine: Combine, **cells: tuple[str, tuple[int, ...]]) -> Genotype:
    """A genotype from the compact form of its cells, each with the states that it puts out.

    The form is ``"primitive 0, primitive 1; …"``: edges by comma, nodes by semicolon.
    """

    def edge(text: str) -> Edge:
        primitive, source = text.split()
        return Edge(primitive=primitive, source=int(source))

    def keep(text: str) -> int | None:
        counts = {node.count(",") + 1 for node in text.split(";")}
        return counts.pop() if len(counts) == 1 else None

    return Genotype(
        space=space,
        cells=tuple(
            Cell(
                name=name,
                inputs=vocabulary(space).inputs,
                keep=keep(text),
                nodes=tuple(tuple(map(edge, node.split(","))) for node in text.split(";")),
                combine=combine,
                outputs=outputs,
            )
            for name, (text, outputs) in cells.items()
        ),
    )
