"""What a search for equations gives: a graph of functions with its numbers.

An ``Equation`` predicts, is saved as JSON and becomes a SymPy expression, which ``formulas`` writes
as short as may be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import log
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from dartsedu.base.values import Value
from dartsedu.data.table import Floats, Scaling
from dartsedu.genotype import Cell, Edge, Genotype
from dartsedu.spaces.equation.constants import symbols
from dartsedu.spaces.equation.operations import OPERATIONS
from dartsedu.spaces.equation.output import Output, OutputType, respond
from dartsedu.spaces.equation.words import CELL
from dartsedu.topology import SearchSpace


class Term(Value):
    """One edge of an equation: ``primitive`` of state ``source``, f(scale · x + offset)."""

    primitive: str
    source: int
    scale: float
    offset: float


class Equation(Value):
    """A graph of functions with its coefficients.

    Attributes:
        variables: names of the states 0 … d−1.
        nodes: the terms that each node sums; a node without terms is 0.
        factors: of the nodes in each output, (outputs, nodes).
        constants: added to each output.
        kind: what becomes of an output, see ``output.OutputType``.
        input_scale: every variable is divided by this first.
        target_centre, target_scale: of ``real`` outputs: target = centre + scale · output.
    """

    format: Literal["dartsedu equation"] = "dartsedu equation"
    version: Literal[1] = 1
    variables: tuple[str, ...]
    nodes: tuple[tuple[Term, ...], ...]
    factors: tuple[tuple[float, ...], ...]
    constants: tuple[float, ...]
    kind: OutputType = "real"
    input_scale: tuple[float, ...]
    target_centre: tuple[float, ...]
    target_scale: tuple[float, ...]

    @torch.no_grad()
    def predict(self, inputs: ArrayLike) -> Floats:
        """Predictions (N, outputs) for ``inputs`` (N, variables), in the units of the data.

        Outside the domain of a function its guarded form is used (see ``operations``).
        """
        table = np.asarray(inputs, dtype=np.float64) / np.array(self.input_scale)
        states = list(torch.from_numpy(np.ascontiguousarray(table.T)))
        for terms in self.nodes:
            node = torch.zeros(len(table), dtype=torch.float64)
            for term in terms:
                node = node + OPERATIONS[term.primitive](
                    states[term.source], term.scale, term.offset
                )
            states.append(node)
        nodes = torch.stack(states[len(self.variables) :])
        factors, constants = _matrix(self.factors), _matrix(self.constants)
        outputs = respond(self.kind, factors @ nodes + constants[:, None]).T.numpy()
        found: Floats = np.array(self.target_centre) + np.array(self.target_scale) * outputs
        return found

    @property
    def degrees_of_freedom(self) -> int:
        """Coefficients of its terms that were found from data, and terms that were chosen."""
        return sum(
            1 + len(OPERATIONS[term.primitive].coefficients) for node in self.nodes for term in node
        )

    @property
    def length(self) -> int:
        """Terms when all is written out: those of a node again wherever it is heard."""
        lengths = [0] * len(self.variables)
        for node in self.nodes:
            lengths.append(sum(1 + lengths[term.source] for term in node))
        return sum(lengths)

    def without(self, terms: Collection[tuple[int, int]]) -> Equation:
        """The equation less some of its terms, each (node, place in the node)."""
        nodes = tuple(
            tuple(term for place, term in enumerate(node) if (number, place) not in terms)
            for number, node in enumerate(self.nodes)
        )
        return self.model_copy(update={"nodes": nodes})

    def genotype(self) -> Genotype:
        """The graph without its numbers; a node without terms keeps one edge *none*."""
        nodes = tuple(
            tuple(Edge(primitive=t.primitive, source=t.source) for t in terms)
            or (Edge(primitive="none", source=0),)
            for terms in self.nodes
        )
        inputs = len(self.variables)
        outputs = tuple(range(inputs, inputs + len(nodes)))
        cell = Cell(
            name=CELL, inputs=inputs, keep=None, nodes=nodes, combine="sum", outputs=outputs
        )
        return Genotype(space="equation", cells=(cell,))

    def written(self, targets: Sequence[str]) -> str:
        """The equation as plain text, its numbers rounded to three digits: ``y = 0.97 + 2 ln(x)``.

        Quick enough for every step of a search: nothing but constants is simplified. The functions
        are the exact ones. ``targets`` are the names of the outputs.
        """
        pairs = zip(self.variables, self.input_scale, strict=True)
        states = [_Sum(0.0, {name: 1 / scale}) for name, scale in pairs]
        for terms in self.nodes:
            node = _Sum(0.0, {})
            for term in terms:
                node = node.plus(_of_term(term, states[term.source]))
            states.append(node)
        nodes = states[len(self.variables) :]
        rows = zip(self.factors, self.constants, self.target_centre, self.target_scale, strict=True)
        found = []
        for target, (factors, constant, centre, spread) in zip(targets, rows, strict=True):
            output = _Sum(constant, {})
            for factor, node in zip(factors, nodes, strict=True):
                output = output.plus(node.times(factor))
            if self.kind == "real":
                output = _Sum(centre, {}).plus(output.times(spread))
            text = str(output)
            outside = {"real": f" = {text}", "sigmoid": f" = logistic({text})"}
            found.append(target + outside.get(self.kind, f" ∝ exp({text})"))
        return "; ".join(found)

    def expressions(self) -> list[Any]:
        """Each output as a SymPy expression of the variables, before its output type.

        The functions are the exact ones; the numbers are those of the graph, nothing is simplified.
        """
        import sympy as sp

        functions = _symbolic_functions()
        pairs = zip(symbols(self.variables), self.input_scale, strict=True)
        states: list[Any] = [x if s == 1 else x / sp.Float(s) for x, s in pairs]
        for terms in self.nodes:
            node = sp.S.Zero
            for term in terms:
                operation, x = OPERATIONS[term.primitive], states[term.source]
                if x.is_number:  # Perhaps outside the domain, where the guarded form counts.
                    value = torch.tensor(float(x), dtype=torch.float64)
                    node += _number(float(operation(value, term.scale, term.offset)))
                    continue
                of = functions[operation.of](x)
                inside = _number(term.scale) * of + _number(term.offset)
                node += functions[operation.function](inside)
            states.append(node)
        nodes = states[len(self.variables) :]
        rows = zip(self.factors, self.constants, self.target_centre, self.target_scale, strict=True)
        found = []
        for factors, constant, centre, spread in rows:
            output = _number(constant)
            for factor, state in zip(factors, nodes, strict=True):
                output += _number(factor) * state
            found.append(
                _number(centre) + _number(spread) * output if self.kind == "real" else output
            )
        return found


class _Sum(NamedTuple):
    """A constant and terms, each a text with its factor."""

    constant: float
    terms: dict[str, float]

    def plus(self, other: _Sum) -> _Sum:
        terms = dict(self.terms)
        for text, factor in other.terms.items():
            terms[text] = terms.get(text, 0.0) + factor
        return _Sum(self.constant + other.constant, terms)

    def times(self, factor: float) -> _Sum:
        return _Sum(factor * self.constant, {text: factor * f for text, f in self.terms.items()})

    @property
    def product(self) -> tuple[float, str] | None:
        """(k, u) if it is k · u with a k above 0."""
        if self.constant or len(self.terms) != 1:
            return None
        ((text, factor),) = self.terms.items()
        return (factor, text) if factor > 0 else None

    def __str__(self) -> str:
        parts = [f"{self.constant:+.3g}"] if self.constant else []
        for text, factor in self.terms.items():
            number = f"{factor:+.3g}"
            if text.startswith("1/"):
                parts.append(number + text[1:])
            elif factor:
                parts.append(number[0] + text if number[1:] == "1" else f"{number} {text}")
        found = " ".join(f"{part[0]} {part[1:]}" for part in parts) or "+ 0"
        return (found[0].strip("+") + found[2:]).replace("-", "−")


def _of_term(term: Term, state: _Sum) -> _Sum:
    """What an edge makes of a state, as text; factors of ln and powers are taken out."""
    operation = OPERATIONS[term.primitive]
    if not state.terms:  # A number, perhaps outside the domain, where the guarded form counts.
        value = torch.tensor(state.constant, dtype=torch.float64)
        return _Sum(float(operation(value, term.scale, term.offset)), {})
    if operation.of == "ln":  # A power, exp(a ln(x)).
        size, base = state.product or (1.0, str(state))
        base = base if base.isidentifier() else f"({base})"
        return _Sum(0.0, {f"{base}^{term.scale:.3g}".replace("-", "−"): size**term.scale})
    inside = state.times(term.scale).plus(_Sum(term.offset, {}))
    if operation.function == "identity":
        return inside
    if operation.function == "ln" and inside.product:
        size, text = inside.product
        return _Sum(log(size), {f"ln({text})": 1.0})
    if operation.function == "reciprocal":
        return _Sum(0.0, {f"1/({inside})": 1.0})
    return _Sum(0.0, {f"{operation.function}({inside})": 1.0})


class Fitted(Protocol):
    """What is read of a supernet of equations: the coefficients of all its restarts."""

    @property
    def output(self) -> Output:
        """How nodes become a prediction."""

    @property
    def output_scale(self) -> Tensor:
        """Factors of the nodes, (restarts, nodes, outputs)."""

    @property
    def output_offset(self) -> Tensor:
        """Constants, (restarts, outputs)."""

    @property
    def space(self) -> SearchSpace:
        """The graph."""

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Scale and offset of every edge and primitive, (restarts, edges, primitives, 1) each."""


def read_equation(
    supernet: Fitted,
    genotype: Genotype,
    restart: int,
    variables: Sequence[str],
    scaling: Scaling,
) -> Equation:
    """The equation that a restart's coefficients give to a genotype."""
    genotype.check(supernet.space)
    scale, offset = (w[restart, ..., 0].tolist() for w in supernet.coefficients())
    links = {tuple(edge): row for row, edge in enumerate(supernet.space[CELL].edges)}
    columns = {p: column for column, p in enumerate(supernet.space.primitives)}
    nodes: list[list[Term]] = [[] for _ in genotype[CELL].nodes]
    for state, edge in genotype[CELL].edges:
        if edge.primitive == "none":
            continue
        row, column = links[edge.source, state], columns[edge.primitive]
        nodes[state - len(variables)].append(
            Term(
                primitive=edge.primitive,
                source=edge.source,
                scale=scale[row][column],
                offset=offset[row][column],
            )
        )
    output = supernet.output
    factors = torch.ones(len(nodes), output.size)
    constants = torch.zeros(output.size)
    if output.scale:
        factors = supernet.output_scale[restart].detach()
    if output.offset:
        constants = supernet.output_offset[restart].detach()
    return Equation(
        variables=tuple(variables),
        nodes=tuple(map(tuple, nodes)),
        factors=tuple(map(tuple, factors.T.tolist())),
        constants=tuple(constants.tolist()),
        kind=output.kind,
        input_scale=scaling.inputs,
        target_centre=scaling.centre,
        target_scale=scaling.scale,
    )


def _symbolic_functions() -> dict[str, Any]:
    import sympy as sp

    return {
        "identity": lambda x: x,
        "relu": lambda x: sp.Max(0, x),
        "exp": sp.exp,
        "logistic": lambda x: 1 / (1 + sp.exp(-x)),
        "sin": sp.sin,
        "cos": sp.cos,
        "tanh": sp.tanh,
        "reciprocal": lambda x: 1 / x,
        "ln": sp.log,
        "softplus": lambda x: sp.log(1 + sp.exp(x)),
        "softminus": lambda x: x - sp.log(1 + sp.exp(x)),
    }


def _number(value: float) -> Any:
    """A SymPy number; whole 0, 1 and −1 are exact, so that they vanish where they should."""
    import sympy as sp

    return sp.Integer(int(value)) if value in (0.0, 1.0, -1.0) else sp.Float(value)


def _matrix(values: Any) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)
