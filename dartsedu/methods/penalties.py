"""What is added to the loss of α beside that of the data.

A penalty depends on α alone, not on w: its gradient is added to what any architect finds, and that
is exact for second order, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import Dirichlet, kl_divergence

from dartsedu.base.values import Value
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.relaxation import add, concentration, mixture_weights
from dartsedu.topology import SearchSpace


class Penalty(Value):
    """Base of the penalties."""

    def term(
        self, alphas: Mapping[str, Tensor], space: SearchSpace, progress: Progress
    ) -> Tensor | None:
        """A scalar to be added to the loss, of α by cell, (…, edges, primitives) each.

        Of several restarts, the sum of each one's own. ``None``: nothing.
        """
        return None


class NoPenalty(Penalty):
    """Nothing is added."""

    kind: Literal["off"] = "off"


class ZeroOne(Penalty):
    """−λ · mean (weight − ½)², or −λ · mean |weight − ½|: drives weights to 0 or 1.

    The mean is over all entries of all cells, those of *none* left out: a sigmoid mixture does not
    feel it (Fair DARTS, Chu et al. 2020, eq. 3, has no such primitive). At weight ½ the square has
    no slope.
    """

    kind: Literal["zero-one"] = "zero-one"
    norm: Literal["l2", "l1"] = "l2"
    weight: Schedule = Schedule(start=10.0)

    def term(
        self, alphas: Mapping[str, Tensor], space: SearchSpace, progress: Progress
    ) -> Tensor | None:
        columns = [k for k, primitive in enumerate(space.primitives) if primitive != "none"]
        total, entries = [], 0
        for alpha in alphas.values():
            away = mixture_weights(alpha, space.relaxation)[..., columns] - 0.5
            total.append((away.square() if self.norm == "l2" else away.abs()).sum())
            entries += alpha.shape[-2] * len(columns)
        return -self.weight(progress) / max(entries, 1) * add(total)


class BetaDecay(Penalty):
    """λ(t) · mean over all edges of log Σ_k e^α_k (β-DARTS, Ye et al. 2022).

    Its gradient in an edge's α is λ/E · softmax(α): it moves softmax(α) towards uniform.
    """

    kind: Literal["beta-decay"] = "beta-decay"
    weight: Schedule = Schedule(shape="linear", start=0.0, end=50.0)

    def term(
        self, alphas: Mapping[str, Tensor], space: SearchSpace, progress: Progress
    ) -> Tensor | None:
        total = add(torch.logsumexp(alpha, dim=-1).sum() for alpha in alphas.values())
        return self.weight(progress) / _edges(alphas) * total


class DirichletDivergence(Penalty):
    """λ · Σ over edges of KL(Dir(elu(α) + 1) ‖ Dir(1)) (DrNAS, Chen et al. 2021)."""

    kind: Literal["dirichlet-kl"] = "dirichlet-kl"
    weight: Schedule = Schedule(start=1e-3)

    def term(
        self, alphas: Mapping[str, Tensor], space: SearchSpace, progress: Progress
    ) -> Tensor | None:
        found = []
        for alpha in alphas.values():
            beta = concentration(alpha)
            own = Dirichlet(beta, validate_args=False)
            anchor = Dirichlet(torch.ones_like(beta), validate_args=False)
            found.append(kl_divergence(own, anchor).sum())
        return self.weight(progress) * add(found)


PenaltyPiece = Annotated[
    NoPenalty | ZeroOne | BetaDecay | DirichletDivergence, Field(discriminator="kind")
]


def _edges(alphas: Mapping[str, Tensor]) -> int:
    return sum(alpha.shape[-2] for alpha in alphas.values())
