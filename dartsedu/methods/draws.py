"""How α becomes the mixture of a pass: the expected one, or a draw around it.

What is recorded and derived from is always the expected mixture, ``relaxation.mixture_weights`` of
the search space. A draw is what the passes of one step see instead. It depends on α and a seed
alone: all passes of a step of α that share a seed see the same noise, and ∇α goes through the draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from dartsedu.base.values import Value
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.relaxation import Mixing, concentration
from dartsedu.topology import Relaxation


class Draw(Value):
    """Base of the relaxations: what a pass sees, and what is expected of it."""

    expected: ClassVar[Relaxation | None] = None
    """The relaxation of the search space; ``None``: its own."""
    random: ClassVar[bool] = False
    """Whether it draws, and so needs a seed."""

    def mixing(self, progress: Progress, seed: int) -> Mixing | None:
        """What makes the mixture of a pass; ``None``: the expected one."""
        return None


class Plain(Draw):
    """What the space makes of α, in every pass: softmax(α) unless its settings say otherwise."""

    kind: Literal["plain"] = "plain"


class Sigmoid(Draw):
    """sigmoid(α) of each primitive: they do not compete (Fair DARTS, Chu et al. 2020, eq. 2)."""

    kind: Literal["sigmoid"] = "sigmoid"
    expected: ClassVar[Relaxation | None] = "sigmoid"


class _Disturbed(Draw):
    """A draw with Gumbel noise."""

    expected: ClassVar[Relaxation | None] = "softmax"
    random: ClassVar[bool] = True
    temperature: Schedule

    @field_validator("temperature")
    @classmethod
    def _is_above_zero(cls, given: Schedule) -> Schedule:
        if not given.least > 0:
            raise ValueError(f"a temperature of {given.least:g}; expected numbers above 0")
        return given

    def mixing(self, progress: Progress, seed: int) -> Mixing | None:
        temperature = self.temperature(progress)

        def drawn(alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
            noise = _gumbel(alphas, seed)
            return {
                cell: self._weights((alpha + noise[cell]) / temperature)
                for cell, alpha in alphas.items()
            }

        return drawn

    def _weights(self, disturbed: Tensor) -> Tensor:
        return torch.softmax(disturbed, dim=-1)


class Gumbel(_Disturbed):
    """A draw of the concrete distribution: softmax((α + G) / τ), G of Gumbel's distribution.

    (SNAS, Xie et al. 2019, eq. 5.) At τ → 0 it is one-hot, and primitive k has the chance
    softmax(α)_k; at τ → ∞ uniform.
    """

    kind: Literal["gumbel"] = "gumbel"
    temperature: Schedule = Schedule(shape="linear", start=1.0, end=0.03, closed=True)


class GumbelHard(_Disturbed):
    """One primitive an edge, drawn with the chances softmax(α) (GDAS, Dong & Yang 2019, eq. 5-8).

    The pass sees the one-hot h = onehot argmax(α + G), exactly; ∇α is that of softmax((α + G) / τ)
    in its place (straight through): ∂L/∂α = Jᵀ ⟨G, o_k(x)⟩ with every primitive run.
    """

    kind: Literal["gumbel-hard"] = "gumbel-hard"
    temperature: Schedule = Schedule(shape="linear", start=10.0, end=0.1, closed=True)

    def _weights(self, disturbed: Tensor) -> Tensor:
        soft = super()._weights(disturbed)
        best = disturbed.argmax(dim=-1, keepdim=True)
        hard = torch.zeros_like(soft).scatter_(-1, best, 1.0)
        return _StraightThrough.apply(hard, soft)


class Dirichlet(Draw):
    """A draw θ of Dir(β), β = elu(α) + 1, with the gradient of its reparametrisation.

    (DrNAS, Chen et al. 2021.) The expected mixture is β / Σβ. At α = 0 it is uniform on the
    simplex.
    """

    kind: Literal["dirichlet"] = "dirichlet"
    expected: ClassVar[Relaxation | None] = "dirichlet"
    random: ClassVar[bool] = True

    def mixing(self, progress: Progress, seed: int) -> Mixing | None:
        def drawn(alphas: Mapping[str, Tensor]) -> dict[str, Tensor]:
            with torch.random.fork_rng([]):  # The sampler takes no generator.
                torch.default_generator.manual_seed(seed)
                return {cell: _dirichlet(alpha) for cell, alpha in alphas.items()}

        return drawn


RelaxationPiece = Annotated[
    Plain | Sigmoid | Gumbel | GumbelHard | Dirichlet, Field(discriminator="kind")
]


class _StraightThrough(torch.autograd.Function):
    """``hard`` forward, exactly; its gradient goes to ``soft``."""

    @staticmethod
    def forward(ctx: Any, hard: Tensor, soft: Tensor) -> Tensor:
        return hard

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[None, Tensor]:
        return None, slopes[0]


def _gumbel(alphas: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Independent numbers of Gumbel's distribution of each α's shape, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return {
        cell: -torch.empty(alpha.shape, dtype=torch.float64)
        .exponential_(generator=generator)
        .log()
        .to(alpha)
        for cell, alpha in alphas.items()
    }


def _dirichlet(alpha: Tensor) -> Tensor:
    # On the CPU and in float64 on every device: the same draw.
    beta = concentration(alpha.double().cpu())
    # Gamma(β) is Gamma(β + 1) · U^(1/β), whose logarithm is finite where the number itself is 0.
    larger = torch.distributions.Gamma(beta + 1, torch.ones_like(beta)).rsample()
    logarithm = larger.log() + torch.rand_like(beta).clamp(min=1e-300).log() / beta
    return torch.softmax(logarithm, dim=-1).to(alpha)
