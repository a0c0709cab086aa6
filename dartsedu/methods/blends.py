"""What the step of w sees of the mixture: the same as everybody, or one that was disturbed.

SmoothDARTS (Chen & Hsieh 2020): w learns to do well around the mixture, not at it alone, so that
less is lost when the mixture is cut to a genotype. The steps of α see the mixture as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor

from dartsedu.architect import trial
from dartsedu.base.values import Value
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.relaxation import Mixture, Outcome, Supernet


class Blend(Value):
    """Base of what w may see."""

    random: ClassVar[bool] = False
    """Whether it draws, and so needs a seed."""

    def seen(self, supernet: Supernet, batch: Any, progress: Progress, seed: int) -> Mixture | None:
        """The mixture under which w descends the loss of ``batch``; ``None``: the supernet's own.

        Leaves no trace in the supernet.
        """
        return None


class Same(Blend):
    """The mixture of the pass, undisturbed."""

    kind: Literal["same"] = "same"


class _Shifted(Blend):
    """A mixture that is moved by at most ``size``."""

    random: ClassVar[bool] = True
    size: Schedule = Schedule(shape="linear", start=0.03, end=0.3)

    @field_validator("size")
    @classmethod
    def _is_no_less_than_zero(cls, given: Schedule) -> Schedule:
        if given.least < 0:
            raise ValueError(f"a size of {given.least:g}; expected numbers of 0 or more")
        return given


class RandomSmoothing(_Shifted):
    """Π(p + δ), δ uniform in −ε…ε (SDARTS-RS)."""

    kind: Literal["random"] = "random"

    def seen(self, supernet: Supernet, batch: Any, progress: Progress, seed: int) -> Mixture | None:
        size = self.size(progress)
        mixture = {cell: p.detach() for cell, p in supernet.mixture().items()}
        return {
            cell: _projected(supernet, mixture[cell] + shift)
            for cell, shift in _uniform(mixture, size, seed).items()
        }


class Adversarial(_Shifted):
    """Π(p + δ) with the δ in −ε…ε that makes the loss large (SDARTS-ADV).

    From a uniform δ so many ``steps`` of 2ε / steps along the sign of the slope, each cut to ±ε.
    Where the loss at the end is below that at p, p itself is taken. Every pass uses the batch's
    own BatchNorm statistics and the masks of the step that follows.
    """

    kind: Literal["adversarial"] = "adversarial"
    steps: int = Field(7, ge=1, le=1000, description="of sign ascent")

    def seen(self, supernet: Supernet, batch: Any, progress: Progress, seed: int) -> Mixture | None:
        size = self.size(progress)
        mixture = {cell: p.detach() for cell, p in supernet.mixture().items()}
        shifts = _uniform(mixture, size, seed)
        for _ in range(self.steps):
            leaves = {cell: (mixture[cell] + shifts[cell]).requires_grad_() for cell in mixture}
            loss = trial(supernet, batch, leaves).loss
            slopes = torch.autograd.grad(loss, list(leaves.values()))
            for cell, slope in zip(leaves, slopes, strict=True):
                moved = shifts[cell] + 2 * size / self.steps * slope.sign()
                shifts[cell] = moved.clamp(-size, size)
        worse = {cell: _projected(supernet, mixture[cell] + shifts[cell]) for cell in mixture}
        with torch.no_grad():
            found = _losses(trial(supernet, batch, worse))
            before = _losses(trial(supernet, batch, mixture))
        raised = found >= before
        if raised.dim():  # Of restarts, each for itself.
            raised = raised[:, None, None]
        return {cell: torch.where(raised, worse[cell], mixture[cell]) for cell in mixture}


BlendPiece = Annotated[Same | RandomSmoothing | Adversarial, Field(discriminator="kind")]


def _uniform(mixture: Mapping[str, Tensor], size: float, seed: int) -> dict[str, Tensor]:
    """Numbers in −size…size of the shapes of a mixture, the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    return {
        cell: (2 * torch.rand(p.shape, generator=generator, dtype=torch.float64) - 1).to(p) * size
        for cell, p in mixture.items()
    }


def _projected(supernet: Supernet, p: Tensor) -> Tensor:
    """Π: weights cut to 0…1 and, where primitives compete, divided by their sum."""
    cut = p.clamp(0, 1)
    if supernet.space.relaxation == "sigmoid":
        return cut
    total = cut.sum(-1, keepdim=True)
    return torch.where(total > 0, cut / total.clamp(min=torch.finfo(p.dtype).tiny), cut)


def _losses(outcome: Outcome) -> Tensor:
    return outcome.loss if outcome.losses is None else outcome.losses
