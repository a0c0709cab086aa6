"""The equation supernet: a graph of latent quantities whose every edge is a mixture of functions.

Musslick, S. (2021): Recovering quantitative models of human information processing with
differentiable architecture search. States 0 … d−1 are the variables; a node is the sum of its edges
(DARTS eq. 1); an edge is a mixture of f(a·x + b) (eq. 2); the output is a linear combination of all
nodes.

Equations depend on where a search starts, so a supernet holds many ``restarts`` side by side: every
parameter has a leading axis for them, and one pass computes all. They do not know each other: the
gradient of a restart's α and w comes from its own loss alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from dartsedu.base.observed import LONGEST, MOST_ROWS, Observed
from dartsedu.data.splits import Batch
from dartsedu.data.tables import TableTask
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.relaxation import Mixture, Outcome, Supernet, add
from dartsedu.spaces.equation.expression import read_equation
from dartsedu.spaces.equation.operations import (
    FUNCTIONS,
    OPERATIONS,
    PRIMITIVES,
    degrees_of_freedom,
)
from dartsedu.spaces.equation.output import Output, error, respond
from dartsedu.spaces.equation.words import CELL
from dartsedu.topology import Relaxation, SearchSpace, Topology

PLACES = 48
"""Points of the curve that the live view draws."""


def equation_space(
    variables: int,
    nodes: int = 2,
    primitives: Iterable[str] = PRIMITIVES,
    relaxation: Relaxation = "softmax",
) -> SearchSpace:
    """One cell with an input a variable; every node hears all earlier states and keeps all edges.

    (An edge is left out by choosing *none*: see the derivation rule ``argmax``.) Raises
    ``ValueError`` for an unknown primitive.
    """
    cell = Topology.dense(
        CELL, inputs=variables, nodes=nodes, keep=variables + nodes - 1, combine="sum"
    )
    space = SearchSpace(
        name="equation", primitives=tuple(primitives), cells=(cell,), relaxation=relaxation
    )
    check_space(space)
    return space


def check_space(space: SearchSpace) -> None:
    """Raise ``ValueError`` unless ``space`` is one that an equation can be built from."""
    names = tuple(cell.name for cell in space.cells)
    if space.name != "equation" or names != (CELL,):
        raise ValueError(
            f"space {space.name!r} with cells {names} holds no equations; expected the space "
            f"'equation' with one cell {CELL!r}"
        )
    known = ("none", *OPERATIONS)
    unknown = [p for p in space.primitives if p not in known]
    if unknown:
        raise ValueError(f"unknown primitives {unknown}; expected some of: {', '.join(known)}")


class EquationSupernet(Supernet):
    """Many mixtures of equations, computed at once, in float64.

    Args:
        space: see ``equation_space``.
        restarts: independent searches held side by side.
        output: see ``Output``.
        complexity: weight of the penalty: the mean number of coefficients of the mixture,
            Σ_edges Σ_primitives weight · degrees of freedom. It is a part of the loss; since it
            does not depend on w, it moves α alone.
        presence: weight of the penalty of a term, Σ_edges Σ_primitives but *none* weight, likewise.
        zero_one: weight of the zero-one loss −mean (weight − ½)² over edges and primitives, which
            drives sigmoid mixtures to 0 or 1 (Fair DARTS, Chu et al. 2020), likewise.
        output_decay: decay of the output's factors and constants, a half of it times their squares
            beside the loss of w.
        alpha_scale: α start at this times standard normal numbers, different in every restart.

    Raises ``ValueError`` for a space that holds no equations or an unknown primitive.
    """

    restarts: int
    standing: Tensor
    """Running mean of each restart's architecture loss, NaN before the first."""
    prices: Tensor
    """What each primitive adds to the loss at mixture weight 1, (primitives, 1)."""

    def __init__(
        self,
        space: SearchSpace,
        *,
        restarts: int = 1,
        output: Output = Output(),
        complexity: float = 0.0,
        presence: float = 0.0,
        zero_one: float = 0.0,
        output_decay: float = 0.0,
        alpha_scale: float = 0.0,
    ) -> None:
        super().__init__(space)
        check_space(space)
        if restarts < 1:
            raise ValueError(f"restarts is {restarts}; expected at least 1")
        self.restarts, self.output = restarts, output
        self.zero_one, self.output_decay = zero_one, output_decay
        edges, primitives = space.shape(CELL)
        self.alphas = nn.ParameterDict({CELL: alpha_scale * _normal(restarts, edges, primitives)})
        scales, offsets = (self._columns(name) for name in ("scale", "offset"))
        self.scale = nn.Parameter(_normal(restarts, edges, len(scales)))
        self.offset = nn.Parameter(_normal(restarts, edges, len(offsets)))
        nodes = space[CELL].nodes
        if output.scale:
            self.output_scale = nn.Parameter(_normal(restarts, nodes, output.size))
        if output.offset:
            self.output_offset = nn.Parameter(torch.zeros(restarts, output.size).double())
        for name, columns in (("scale", scales), ("offset", offsets)):
            places = torch.eye(primitives, dtype=torch.float64)[columns]
            fixed = [self._fixed(p, name) for p in space.primitives]
            self.register_buffer(f"{name}_places", places, persistent=False)
            self.register_buffer(f"{name}_fixed", _column(fixed), persistent=False)
        prices = [
            complexity * degrees_of_freedom(p) + presence * (p != "none") for p in space.primitives
        ]
        self.register_buffer("prices", _column(prices), persistent=False)
        self.register_buffer("standing", torch.full((restarts,), torch.nan, dtype=torch.float64))
        self._families = self._by_function()

    # ---- The function ---------------------------------------------------------------------------

    def forward(self, inputs: Tensor, mixture: Tensor) -> Tensor:
        """The combination of the nodes, (restarts, outputs, N), before its output type.

        ``inputs`` (N, variables); ``mixture`` (restarts, edges, primitives), as many restarts as
        the parameters have.
        """
        topology = self.space[CELL]
        scale, offset = self._whole("scale"), self._whole("offset")
        states = list(inputs.T.expand(len(mixture), -1, -1).unbind(1))
        arriving: list[list[Tensor]] = [[] for _ in range(topology.nodes)]
        for source in range(topology.inputs + topology.nodes - 1):
            if source >= topology.inputs:
                states.append(add(arriving[source - topology.inputs]))
            rows = [e for e, edge in enumerate(topology.edges) if edge.source == source]
            values = self._edges(states[source], scale[:, rows], offset[:, rows], mixture[:, rows])
            for row, value in zip(rows, values.unbind(1), strict=True):
                arriving[topology.edges[row].target - topology.inputs].append(value)
        states.append(add(arriving[-1]))
        nodes = torch.stack(states[topology.inputs :], dim=1)[:, :, None]
        if self.output.scale:
            combined = (nodes * _by_sample(self.output_scale, 3)).sum(1)
        else:
            combined = nodes.sum(1).expand(-1, self.output.size, -1)
        return combined + _by_sample(self.output_offset, 2) if self.output.offset else combined

    def _edges(self, x: Tensor, scale: Tensor, offset: Tensor, mixture: Tensor) -> Tensor:
        """What leaves a state x (restarts, N) on all its edges: (restarts, edges, N).

        All edges and primitives at once; primitives of one function share its call.
        """
        terms = []
        for (function, of), columns in self._families.items():
            a, b, weight = scale[:, :, columns], offset[:, :, columns], mixture[:, :, columns, None]
            values = FUNCTIONS[function](a * FUNCTIONS[of](x)[:, None, None] + b)
            terms.append((weight * values).sum(2))
        return add(terms) if terms else x.new_zeros(*mixture.shape[:2], x.shape[-1])

    def coefficients(self) -> tuple[Tensor, Tensor]:
        """Scale and offset of every edge and primitive, each (restarts, edges, primitives, 1)."""
        return self._whole("scale").detach(), self._whole("offset").detach()

    def _whole(self, name: str) -> Tensor:
        """Scale or offset of every edge and primitive, found or fixed: (restarts, edges, P, 1)."""
        found = _by_sample(getattr(self, name), 3)
        places: Tensor = getattr(self, f"{name}_places")
        fixed: Tensor = getattr(self, f"{name}_fixed")
        return (found.movedim(2, -1) @ places).movedim(-1, 2) + fixed

    def _columns(self, name: str) -> list[int]:
        """The columns of the primitives whose scale, or offset, is found from data."""
        return [
            column
            for column, p in enumerate(self.space.primitives)
            if p != "none" and name in OPERATIONS[p].coefficients
        ]

    def _fixed(self, primitive: str, name: str) -> float:
        """The scale, or offset, that a primitive has without being asked; 0 where it is found."""
        value = None if primitive == "none" else getattr(OPERATIONS[primitive], name)
        return 0.0 if value is None else value

    def _by_function(self) -> dict[tuple[str, str], list[int]]:
        """Columns of the primitives by what they compute; *none* computes nothing."""
        families: dict[tuple[str, str], list[int]] = {}
        for column, primitive in enumerate(self.space.primitives):
            if primitive != "none":
                operation = OPERATIONS[primitive]
                families.setdefault((operation.function, operation.of), []).append(column)
        return families

    # ---- The loss -------------------------------------------------------------------------------

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        """The loss of the leading restart, with the gradients of every restart's own loss.

        ``mixture`` may be of one restart, (edges, primitives): it is then given to all.
        """
        weights = (self.mixture() if mixture is None else mixture)[CELL].to(self.scale)
        weights = weights.expand(self.restarts, -1, -1)
        losses = error(self.output.kind, self(batch.inputs, weights), batch.targets)
        losses = losses + (weights @ self.prices).sum((1, 2))
        if self.zero_one:
            losses = losses - self.zero_one * (weights - 0.5).square().mean((1, 2))
        kept = losses.detach()
        # Restarts are independent, so the gradient of the sum is each one's own.
        loss = losses.sum() - kept.sum() + kept[self.leader]
        return Outcome(loss, losses=kept, penalty=self._decay())

    def _decay(self) -> Tensor | None:
        """What is added to the loss of w for the size of the output's coefficients."""
        found = [p for name, p in self.weights().items() if name.startswith("output_")]
        if not (self.output_decay and found):
            return None
        return self.output_decay / 2 * add(p.square().sum() for p in found)

    def respond(self, inputs: Tensor, mixture: Tensor | None = None) -> Tensor:
        """What every restart predicts, after its output type: (restarts, N, outputs)."""
        weights = self.mixture()[CELL] if mixture is None else mixture
        return respond(self.output.kind, self(inputs, weights)).mT

    # ---- Which restart is shown -----------------------------------------------------------------

    @property
    def leader(self) -> int:
        """The restart with the least running mean of the architecture loss."""
        return int(self.standing.nan_to_num(torch.inf).argmin())

    def shown_loss(self, outcome: Outcome) -> Tensor:
        assert outcome.losses is not None
        return outcome.losses[self.leader]

    def judged(self, outcome: Outcome) -> None:
        losses = outcome.losses
        assert losses is not None
        began = self.standing.isnan()
        self.standing = torch.where(began, losses, self.standing.lerp(losses, 0.1))

    def leading(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor[self.leader] for name, tensor in tensors.items()}

    def written(self, task: TableTask) -> str:
        """The leader's equation, not refitted: the functions of largest α with their present w."""
        names, scaling = task.variables, task.scaling
        equation = read_equation(self, self.genotype("argmax"), self.leader, names, scaling)
        return equation.written(task.targets)

    def observed(self, task: TableTask) -> Observed | None:
        """The training rows, thinned to ``MOST_ROWS``; ``None`` with several outputs."""
        if self.output.size > 1:
            return None
        table = task.table(task.training)
        variables = tuple(name[:LONGEST] for name in task.variables)
        target = task.targets[0][:LONGEST]
        rows = _spread(len(table.targets), MOST_ROWS)
        y = tuple(table.targets[rows].tolist())
        if len(task.variables) > 1:
            return Observed(variables=variables, target=target, y=y)
        x = table.inputs[:, 0]
        at = np.linspace(x.min(), x.max(), PLACES)
        return Observed(
            variables=variables,
            target=target,
            y=y,
            x=tuple(x[rows].tolist()),
            at=tuple(at.tolist()),
        )

    @torch.no_grad()
    def fitted(self, task: TableTask) -> dict[str, Tensor]:
        """What the leader predicts, as the ``mixture`` it is and with the ``kept`` edges alone."""
        if self.output.size > 1:
            return {}
        every, leader = task.training.inputs, self.leader
        if len(task.variables) > 1:
            inputs = every[_spread(len(every), MOST_ROWS)]
        else:
            steps = torch.linspace(0, 1, PLACES, dtype=every.dtype, device=every.device)
            inputs = torch.lerp(every.min(), every.max(), steps)[:, None]
        mixture = self.mixture()[CELL][leader]
        strongest = self.alphas[CELL][leader].argmax(-1)
        kept = nn.functional.one_hot(strongest, mixture.shape[-1]).to(mixture)
        own = {name: w[leader : leader + 1] for name, w in self.weights().items()}
        centre, scale = task.scaling.centre[0], task.scaling.scale[0]
        with self.registry.replaced(own):
            both = self.respond(inputs, torch.stack([mixture, kept]))[..., 0] * scale + centre
        return dict(zip(("mixture", "kept"), both, strict=True))

    def genotypes(self, rule: str = "argmax") -> list[Genotype]:
        """The genotype of every restart."""
        alphas = self.alphas[CELL].detach().cpu().numpy()
        return [derive(self.space, {CELL: alpha}, rule) for alpha in alphas]


def _spread(count: int, most: int) -> list[int]:
    """Places of at most so many rows, evenly spread."""
    found: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return found


def _normal(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64)


def _column(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None]


def _by_sample(parameter: Tensor, axes: int) -> Tensor:
    """A parameter with an axis for the samples at its end: 1, or N where each has its own."""
    return parameter[..., None] if parameter.dim() == axes else parameter
