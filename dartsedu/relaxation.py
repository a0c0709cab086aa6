"""The continuous relaxation: from a choice on every edge to a mixture, and what holds the mixture.

DARTS §2.2, eq. 2: an edge applies every primitive and adds the results, weighted by softmax(α).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, reduce
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dartsedu.base.observed import Observed
from dartsedu.base.packing import Joined, as_tensors
from dartsedu.base.registry import Registry
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.topology import Relaxation, SearchSpace

Mixture = Mapping[str, Tensor]
"""Mixture weights by cell, each of shape (edges, primitives)."""
Mixing = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
"""From α by cell to the mixture of a pass."""


def mixture_weights(alpha: Tensor, relaxation: Relaxation = "softmax") -> Tensor:
    """Raw α of shape (…, edges, primitives) → mixture weights.

    ``softmax`` over the primitives (eq. 2): they compete for a sum of 1. ``sigmoid`` of each alone:
    they do not compete (Fair DARTS, Chu et al. 2020, eq. 2). ``dirichlet``: β / Σβ, the mean of the
    distribution with the ``concentration`` β (DrNAS, Chen et al. 2021).
    """
    if relaxation == "sigmoid":
        return torch.sigmoid(alpha)
    if relaxation == "dirichlet":
        beta = concentration(alpha)
        return beta / beta.sum(-1, keepdim=True)
    return torch.softmax(alpha, dim=-1)


def concentration(alpha: Tensor) -> Tensor:
    """β = elu(α) + 1 of a Dirichlet distribution over an edge's primitives; above 0."""
    # elu(α) + 1 itself is 0 from α = −17 on, in float32.
    # (And a clamp has no slope at its bound, where α starts.)
    below = torch.where(alpha > 0, torch.zeros_like(alpha), alpha).exp()
    return torch.where(alpha > 0, alpha + 1, below.clamp(min=torch.finfo(alpha.dtype).tiny))


def add(terms: Iterable[Tensor]) -> Tensor:
    """The sum of tensors of one shape."""
    return reduce(torch.add, terms)


class MixedOp(nn.Module):
    """One edge of a supernet: ``ō(x) = Σ_o weight_o · o(x)`` (eq. 2).

    ``forward(x, weights)`` takes the edge's mixture weights, shape (primitives,).
    """

    def __init__(self, operations: Iterable[nn.Module]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        return add(weight * op(x) for weight, op in zip(weights, self.operations, strict=True))


class Outcome(NamedTuple):
    """What one pass over a batch gives.

    Attributes:
        loss: a scalar that carries its graph.
        accuracy: a scalar in 0…1 without graph, ``None`` where the space has none.
        carried: what the next batch of the same split goes on from (a hidden state), without
            graph; ``None`` where batches are independent.
        penalty: what regularises w beside the loss, a scalar with its graph, or ``None``.
        losses: of a supernet that holds several restarts, the loss of each, (restarts,), without
            graph.
    """

    loss: Tensor
    accuracy: Tensor | None = None
    carried: Tensor | None = None
    penalty: Tensor | None = None
    losses: Tensor | None = None

    @property
    def objective(self) -> Tensor:
        """Loss and penalty: what a step of the weights descends."""
        return self.loss if self.penalty is None else self.loss + self.penalty


class Supernet(nn.Module, ABC):
    """What the search knows of a space: α and w as disjoint named sets, and a loss.

    A subclass builds its operations, takes α only through ``mixture``, and defines ``loss``.
    Architecture parameters live in ``alphas``, one (edges, primitives) matrix for each cell, and
    start at ``alpha_scale`` times standard normal numbers (default 0: all zero, as in the paper).
    Everything else that is a parameter is an operation weight.

    A supernet may hold several ``restarts``: independent α and w side by side, every parameter with
    a leading axis for them. ``leading`` picks the one that is shown.
    """

    restarts: int | None = None
    """How many; ``None``: one, and no axis."""
    _mixing: Mixing | None = None
    has_auxiliary: bool = False
    """Whether there is a skip connection beside every mixture, of strength ``auxiliary``."""
    auxiliary: float = 0.0
    """Its strength β: an edge gives β · skip(x) + the mixture (DARTS-, Chu et al. 2021)."""
    tied: tuple[str, ...] = ()
    """Names of weights that stand in two places, as the matrix of an embedding and a decoder."""

    def __init__(self, space: SearchSpace, alpha_scale: float = 0.0) -> None:
        super().__init__()
        self.space = space
        self.alphas = nn.ParameterDict(
            {cell.name: alpha_scale * torch.randn(space.shape(cell.name)) for cell in space.cells}
        )

    @abstractmethod
    def loss(self, batch: Any, mixture: Mixture | None = None) -> Outcome:
        """Loss and accuracy on ``batch``, with ``mixture`` in the place of softmax(α) if given."""

    def weights(self) -> dict[str, nn.Parameter]:
        """The operation weights w by name: every parameter that is not an α."""
        return {
            name: parameter
            for name, parameter in self.registry.parameters().items()
            if not name.startswith("alphas.")
        }

    def vector(self) -> nn.Parameter:
        """The weights as one vector, in the order of ``weights()``: they are its parts.

        To move it moves them. It is always the same one, wherever the weights stood before.
        """
        self._joined.gather()
        return self._joined.vector

    @cached_property
    def _joined(self) -> Joined:
        return Joined(self.weights().values())

    @contextmanager
    def at(self, w: Tensor, twice: bool = False) -> Iterator[None]:
        """Inside, the weights are the entries of the vector ``w``, in the order of ``weights()``.

        ``twice`` announces that a pass will be derived twice. That is always right; a space may do
        something to make it quick.
        """
        own = self.weights()
        others = zip(own, as_tensors(w, list(own.values())), strict=True)
        with self.registry.replaced(dict(others)):
            yield

    def mixture(self) -> dict[str, Tensor]:
        """The mixture weights by cell, of α's shape; of softmax, rows sum to 1.

        The expected ones; ``mixing`` puts others in their place.
        """
        if self._mixing is not None:
            return self._mixing(dict(self.alphas.items()))
        return {
            name: mixture_weights(alpha, self.space.relaxation)
            for name, alpha in self.alphas.items()
        }

    @contextmanager
    def mixing(self, mixing: Mixing | None) -> Iterator[None]:
        """Inside, ``mixture`` is what ``mixing`` makes of α; ``None``: the expected one."""
        before, self._mixing = self._mixing, mixing
        try:
            yield
        finally:
            self._mixing = before

    def leading(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The shown part of what is kept by cell, of α or its mixture: (edges, primitives) each."""
        return dict(tensors)

    def shown_loss(self, outcome: Outcome) -> Tensor:
        """The loss of the shown part, which may have changed since ``outcome`` was computed."""
        return outcome.loss

    def judged(self, outcome: Outcome) -> None:
        """Told the outcome on every architecture batch of a search; several restarts keep count."""

    def written(self, task: Any) -> str | None:
        """What the shown genotype says as a formula, with w as they are, in names of ``task``.

        ``None`` in a space without formulas.
        """
        return None

    def observed(self, task: Any) -> Observed | None:
        """The data of ``task`` that a picture shows beside ``fitted``; ``None`` in most spaces."""
        return None

    def fitted(self, task: Any) -> dict[str, Tensor]:
        """What the shown part predicts now where ``observed`` says, by name, in units of the data.

        Empty where there is nothing to show. Changes nothing.
        """
        return {}

    def genotype(self, rule: str | None = None) -> Genotype:
        """The genotype that ``rule`` (see ``derivation.RULES``) derives from the present α."""
        shown = self.leading(dict(self.alphas.items()))
        alphas = {name: alpha.detach().cpu().double().numpy() for name, alpha in shown.items()}
        return derive(self.space, alphas, rule)

    @cached_property
    def registry(self) -> Registry:
        """Where all parameters and buffers stand."""
        return Registry(self)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Inside, passes leave no trace: BatchNorm uses the batch but keeps its statistics."""
        tracking = [norm for norm in self._norms if norm.track_running_stats]
        for norm in tracking:  # Past ``nn.Module.__setattr__``: this is done in every step.
            norm.__dict__["track_running_stats"] = False
        try:
            yield
        finally:
            for norm in tracking:
                norm.__dict__["track_running_stats"] = True

    @cached_property
    def _norms(self) -> list[_BatchNorm]:
        return [module for module in self.modules() if isinstance(module, _BatchNorm)]

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Inside, passes leave no trace and use each batch's own BatchNorm statistics.

        A space with random masks extends this to do without them.
        """
        training = self.training
        self.train()
        try:
            with self.frozen():
                yield
        finally:
            self.train(training)
