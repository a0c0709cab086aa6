"""What a cell looks like before anything is chosen. A topology is data: no code depends on it."""

from __future__ import annotations

from itertools import count
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from dartsedu.base.values import Value

Combine = Literal["concat", "mean", "sum"]
Relaxation = Literal["softmax", "sigmoid", "dirichlet"]
"""How α becomes mixture weights, see ``relaxation.mixture_weights``."""

MOST = 1000
"""Most inputs, nodes, cells and primitives; a node has at most twice as many edges. A file of a few
lines must not ask for more than a machine can hold. (The largest published cell has 11 nodes.)"""
MOST_ALPHAS = 10_000_000
"""Most entries of all α of a space."""
Name = Annotated[str, Field(max_length=200)]
"""The name of a space, a cell or a primitive."""


class Link(NamedTuple):
    """An edge of a cell's graph: the state it leaves and the state it enters."""

    source: int
    target: int


class Topology(Value):
    """A cell as a directed acyclic graph of states (DARTS §2.1).

    States ``0 … inputs-1`` come from outside. Node ``i`` is state ``inputs + i`` and is the sum
    of its incoming edges (eq. 1), one from each state in ``predecessors[i]``. The cell's output
    combines all nodes, or is the last one alone if ``only_last``.

    Row ``e`` of an α matrix belongs to ``edges[e]``: node by node, predecessors ascending.

    >>> Topology.dense("normal", inputs=2, nodes=2).edges
    (Link(source=0, target=2), Link(source=1, target=2), Link(source=0, target=3), \
Link(source=1, target=3), Link(source=2, target=3))
    """

    name: Name
    inputs: int = Field(ge=1, le=MOST)
    predecessors: tuple[Annotated[tuple[int, ...], Field(max_length=2 * MOST)], ...] = Field(
        min_length=1, max_length=MOST
    )
    keep: int = Field(default=2, ge=1)
    combine: Combine = "concat"
    only_last: bool = False

    @classmethod
    def dense(
        cls,
        name: str,
        inputs: int = 2,
        nodes: int = 4,
        keep: int = 2,
        combine: Combine = "concat",
        only_last: bool = False,
    ) -> Self:
        """The published form: every node hears every earlier state and keeps ``keep`` of them.

        Raises ``ValueError`` for no inputs or nodes, or more than ``MOST``.
        """
        for what, number in (("inputs", inputs), ("nodes", nodes)):
            if not 1 <= number <= MOST:  # Here, before their edges are written down.
                raise ValueError(f"a cell has 1 to {MOST} {what}, not {number}")
        earlier = tuple(tuple(range(inputs + node)) for node in range(nodes))
        return cls(
            name=name,
            inputs=inputs,
            predecessors=earlier,
            keep=keep,
            combine=combine,
            only_last=only_last,
        )

    @model_validator(mode="after")
    def _is_acyclic(self) -> Self:
        for node, sources in zip(count(self.inputs), self.predecessors, strict=False):
            if not sources or list(sources) != sorted(set(sources)):
                raise ValueError(
                    f"state {node} of cell {self.name!r} has predecessors {sources}; "
                    "expected at least one, ascending, none twice"
                )
            if sources[0] < 0 or sources[-1] >= node:
                raise ValueError(
                    f"state {node} of cell {self.name!r} has predecessors {sources}; "
                    f"expected earlier states, 0 to {node - 1}"
                )
        return self

    @property
    def nodes(self) -> int:
        """Number of intermediate nodes."""
        return len(self.predecessors)

    @property
    def outputs(self) -> tuple[int, ...]:
        """The states that the cell's output combines: all nodes, or the last one."""
        states = range(self.inputs, self.inputs + self.nodes)
        return tuple(states[-1:] if self.only_last else states)

    @property
    def edges(self) -> tuple[Link, ...]:
        """All edges in the order of the rows of α."""
        return tuple(
            Link(source, self.inputs + node)
            for node, sources in enumerate(self.predecessors)
            for source in sources
        )

    def rows(self, node: int) -> range:
        """The rows of α that belong to the edges entering ``node`` (0 is the first)."""
        start = sum(len(sources) for sources in self.predecessors[:node])
        return range(start, start + len(self.predecessors[node]))


class SearchSpace(Value):
    """The cells to be found, each a topology, and the primitives every edge may choose from.

    The α of cell ``c`` has the shape ``(len(c.edges), len(primitives))``; ``relaxation`` is how it
    becomes mixture weights.
    """

    name: Name
    primitives: tuple[Name, ...] = Field(min_length=1, max_length=MOST)
    cells: tuple[Topology, ...] = Field(min_length=1, max_length=MOST)
    relaxation: Relaxation = "softmax"

    @model_validator(mode="after")
    def _has_no_doubles(self) -> Self:
        names = [cell.name for cell in self.cells]
        for what, words in (("primitive", list(self.primitives)), ("cell", names)):
            doubles = sorted({word for word in words if words.count(word) > 1})
            if doubles:
                raise ValueError(f"each {what} may be named once, but {doubles} come twice or more")
        edges = sum(len(sources) for cell in self.cells for sources in cell.predecessors)
        if edges * len(self.primitives) > MOST_ALPHAS:
            raise ValueError(
                f"{edges} edges with {len(self.primitives)} primitives each are more than the "
                f"{MOST_ALPHAS:,} entries that α may have; take fewer nodes or primitives"
            )
        return self

    def shape(self, cell: str) -> tuple[int, int]:
        """Shape of the α of ``cell``: (edges, primitives)."""
        return len(self[cell].edges), len(self.primitives)

    def __getitem__(self, name: str) -> Topology:
        for cell in self.cells:
            if cell.name == name:
                return cell
        known = ", ".join(cell.name for cell in self.cells)
        raise KeyError(f"no cell {name!r} in space {self.name!r}; it has: {known}")
