"""∇α of the validation loss: first order, finite difference, exact (DARTS §2.3, eq. 5–8).

α should descend ``L_val(w*(α), α)``, where ``w*`` minimises the training loss. The unrolled
approximation takes one training step for ``w*``:

    w′ = w − ξ ∇w L_train(w, α)                                                       (eq. 6)

and its α-gradient has a direct and an implicit term:

    ∇α L_val(w′, α) − ξ ∇²α,w L_train(w, α) · ∇w′ L_val(w′, α)                        (eq. 7)

Every architect here leaves the supernet as it found it: weights, BatchNorm statistics and the
random state are untouched, no module is copied, and every pass of one step sees the same random
masks (the weight step that follows sees them too).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dartsedu.relaxation import Outcome, Supernet

Named = dict[str, Tensor]


class Hypergradient(NamedTuple):
    """∇α by cell, each of α's shape, and the outcome of the pass on the architecture batch."""

    gradient: Named
    outcome: Outcome


@dataclass(frozen=True)
class VirtualStep:
    """The step w → w′ (eq. 6) that second-order architects look through.

    Args:
        xi: its length ξ; ``None`` takes the present learning rate of the weights' optimiser.
        momentum: include the optimiser's momentum buffer (the official code does, eq. 6 does not).
        weight_decay: include the optimiser's weight decay (likewise).
        clip: the largest norm of the gradient, as in the weights' own step; ``None``: no limit.
            (Recurrent cells take steps of 20 times a gradient clipped to 0.25.)
    """

    xi: float | None = None
    momentum: bool = False
    weight_decay: bool = False
    clip: float | None = None

    def length(self, optimizer: torch.optim.Optimizer) -> float:
        """ξ as it is now."""
        return optimizer.param_groups[0]["lr"] if self.xi is None else self.xi

    def take(
        self, weights: Mapping[str, nn.Parameter], slopes: Named, optimizer: torch.optim.Optimizer
    ) -> Named:
        """w′ from w and ∇w L_train; differentiable in ``slopes``."""
        group = optimizer.param_groups[0]
        xi = self.length(optimizer)
        slopes = self._clipped(slopes)
        virtual = {}
        for name, w in weights.items():
            slope = slopes[name]
            if self.weight_decay:
                slope = slope + group["weight_decay"] * w.detach()
            buffer = optimizer.state.get(w, {}).get("momentum_buffer")
            if self.momentum and buffer is not None:
                slope = slope + group["momentum"] * buffer
            virtual[name] = w.detach() - xi * slope
        return virtual

    def _clipped(self, slopes: Named) -> Named:
        if self.clip is None:
            return slopes
        factor = (self.clip / (_norm(slopes) + 1e-6)).clamp(max=1.0)
        return {name: factor * slope for name, slope in slopes.items()}

    def seen_through(self, slopes: Named, v: Named) -> Named:
        """v as it reaches ``slopes`` through the clipping: Jᵀ v; without clipping v itself."""
        if self.clip is None:
            return v
        leaves = {name: slope.detach().requires_grad_() for name, slope in slopes.items()}
        clipped = self._clipped(leaves)
        found = torch.autograd.grad(
            list(clipped.values()), list(leaves.values()), [v[name] for name in clipped]
        )
        return dict(zip(leaves, found, strict=True))


class Architect(Protocol):
    """What the search asks of an architect."""

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        """∇α of the validation loss.

        ``weights_batch`` is the batch that the coming weight step will use, ``optimizer`` the
        weights' optimiser, whose state is read and never changed.
        """


@dataclass(frozen=True)
class FirstOrder:
    """ξ = 0: the direct term alone, ∇α L_val(w, α). One pass."""

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        with _extra_passes(supernet) as passes:
            outcome = passes.loss(architecture_batch)
            slopes = torch.autograd.grad(outcome.loss, passes.alphas, allow_unused=True)
        return Hypergradient(passes.by_cell(slopes), _detached(outcome))


@dataclass(frozen=True)
class FiniteDifference:
    """Second order as published (eq. 8): the Hessian product as a central difference. Four passes.

    With v = ∇w′ L_val(w′, α), ε = ``epsilon_scale`` / ‖v‖ and w± = w ± ε v:

        ∇²α,w L_train · v ≈ (∇α L_train(w⁺, α) − ∇α L_train(w⁻, α)) / 2ε
    """

    virtual_step: VirtualStep = VirtualStep()
    epsilon_scale: float = 0.01

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        weights = supernet.weights()
        xi = self.virtual_step.length(optimizer)
        with _extra_passes(supernet) as passes:
            loss = passes.loss(weights_batch).loss
            slopes = _named(
                weights, torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
            )
            virtual = self.virtual_step.take(weights, slopes, optimizer)
            virtual = {name: w.detach().requires_grad_() for name, w in virtual.items()}

            outcome = passes.loss(architecture_batch, virtual)
            both = torch.autograd.grad(
                outcome.loss, [*passes.alphas, *virtual.values()], allow_unused=True
            )
            direct = passes.by_cell(both[: len(passes.alphas)])
            v = _named(weights, both[len(passes.alphas) :])
            v = self.virtual_step.seen_through(slopes, v)

            norm = _norm(v)
            if xi == 0 or norm == 0:
                return Hypergradient(direct, _detached(outcome))
            epsilon = self.epsilon_scale / norm
            ends = []
            for sign in (+1, -1):
                moved = {name: w.detach() + sign * epsilon * v[name] for name, w in weights.items()}
                loss = passes.loss(weights_batch, moved).loss
                slope = torch.autograd.grad(loss, passes.alphas, allow_unused=True)
                ends.append(passes.by_cell(slope))
        gradient = {
            cell: direct[cell] - xi * (ends[0][cell] - ends[1][cell]) / (2 * epsilon)
            for cell in direct
        }
        return Hypergradient(gradient, _detached(outcome))


@dataclass(frozen=True)
class Exact:
    """Second order without approximation: autograd through the virtual step (eq. 7). Two passes."""

    virtual_step: VirtualStep = VirtualStep()

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        weights = supernet.weights()
        with _extra_passes(supernet) as passes:
            loss = passes.loss(weights_batch).loss
            slopes = torch.autograd.grad(
                loss, list(weights.values()), create_graph=True, allow_unused=True
            )
            virtual = self.virtual_step.take(weights, _named(weights, slopes), optimizer)
            outcome = passes.loss(architecture_batch, virtual)
            gradient = torch.autograd.grad(outcome.loss, passes.alphas, allow_unused=True)
        return Hypergradient(passes.by_cell(gradient), _detached(outcome))


class _LossOf(nn.Module):
    """``supernet.loss`` as a forward, which is what ``functional_call`` evaluates."""

    def __init__(self, supernet: Supernet) -> None:
        super().__init__()
        self.supernet = supernet

    def forward(self, batch: Any) -> Outcome:
        return self.supernet.loss(batch)


class _ExtraPasses:
    """Passes that leave no trace in the supernet and all draw the same random numbers."""

    def __init__(self, supernet: Supernet) -> None:
        self.cells = list(supernet.alphas.keys())
        self.alphas = list(supernet.alphas.values())
        self._loss = _LossOf(supernet)
        self._devices = sorted({alpha.device.index for alpha in self.alphas if alpha.is_cuda})

    def loss(self, batch: Any, weights: Named | None = None) -> Outcome:
        """The loss at the supernet's own weights or, without copying it, at others."""
        with torch.random.fork_rng(self._devices):
            if weights is None:
                return self._loss(batch)
            renamed = {f"supernet.{name}": w for name, w in weights.items()}
            return functional_call(self._loss, renamed, (batch,))

    def by_cell(self, slopes: tuple[Tensor | None, ...]) -> Named:
        pairs = zip(self.cells, self.alphas, slopes, strict=True)
        return {cell: torch.zeros_like(a) if s is None else s for cell, a, s in pairs}


@contextmanager
def _extra_passes(supernet: Supernet) -> Iterator[_ExtraPasses]:
    with supernet.frozen(), torch.enable_grad():
        yield _ExtraPasses(supernet)


def _named(weights: Mapping[str, nn.Parameter], slopes: tuple[Tensor | None, ...]) -> Named:
    pairs = zip(weights.items(), slopes, strict=True)
    return {name: torch.zeros_like(w) if s is None else s for (name, w), s in pairs}


def _norm(vectors: Named) -> Tensor:
    return torch.sqrt(sum((v.square().sum() for v in vectors.values()), torch.zeros(())))


def _detached(outcome: Outcome) -> Outcome:
    return outcome._replace(loss=outcome.loss.detach(), penalty=None)
