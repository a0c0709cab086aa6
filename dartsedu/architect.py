"""∇α of the validation loss: first order, finite difference, exact (DARTS §2.3, eq. 5–8).

α should descend ``L_val(w*(α), α)``, where ``w*`` minimises the training loss. The unrolled
approximation takes one training step for ``w*``:

    w′ = w − ξ ∇w L_train(w, α)                                                       (eq. 6)

and its α-gradient has a direct and an implicit term:

    ∇α L_val(w′, α) − ξ ∇²α,w L_train(w, α) · ∇w′ L_val(w′, α)                        (eq. 7)

Every architect here leaves the supernet as it found it: weights, BatchNorm statistics and the
random state are untouched, no module is copied, and every pass of one step sees the same random
masks (the weight step that follows sees them too). Only what follows the authors' code for
recurrent cells (``anew``, ``OfficialRecurrent``) draws masks anew for each pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dartsedu.base.packing import as_tensors, as_vector
from dartsedu.relaxation import Mixture, Outcome, Supernet

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

    def take(self, w: Tensor, slope: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        """w′ from w and ∇w L_train, vectors both; differentiable in ``slope``."""
        group = optimizer.param_groups[0]
        w, slope = w.detach(), self.clipped(slope)
        slope = self.decayed(slope, w, optimizer)
        if self.momentum:
            moved = group["params"]  # The weights, or one vector of all.
            states = [optimizer.state.get(p, {}).get("momentum_buffer") for p in moved]
            pairs = zip(states, moved, strict=True)
            buffers = [torch.zeros_like(p) if state is None else state for state, p in pairs]
            slope = slope + group["momentum"] * as_vector(buffers)
        return w - self.length(optimizer) * slope

    def decayed(self, slope: Tensor, w: Tensor, optimizer: torch.optim.Optimizer) -> Tensor:
        """A gradient of w with the optimiser's weight decay, if that is part of the step."""
        if not self.weight_decay:
            return slope
        return slope + optimizer.param_groups[0]["weight_decay"] * w

    def clipped(self, slope: Tensor) -> Tensor:
        """A gradient of w, no longer than ``clip``."""
        if self.clip is None:
            return slope
        return slope * (self.clip / (slope.norm() + 1e-6)).clamp(max=1.0)

    def seen_through(self, slope: Tensor, v: Tensor) -> Tensor:
        """v as it reaches ``slope`` through the clipping: Jᵀ v; without clipping v itself."""
        if self.clip is None:
            return v
        leaf = slope.detach().requires_grad_()
        (found,) = torch.autograd.grad(self.clipped(leaf), leaf, v)
        return found


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
    """ξ = 0: the direct term alone, ∇α L_val(w, α). One pass.

    ``anew``: the weight step that follows draws other random masks.
    """

    anew: bool = False

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        with _extra_passes(supernet, self.anew) as passes:
            outcome = passes.loss(architecture_batch, passes.w)
            slopes = torch.autograd.grad(outcome.loss, passes.alphas, allow_unused=True)
        return Hypergradient(passes.by_cell(slopes), detached(outcome))


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
        if not supernet.vector().numel():  # Nothing to look through: the direct term is all.
            return FirstOrder().gradient(supernet, weights_batch, architecture_batch, optimizer)
        xi = self.virtual_step.length(optimizer)
        with _extra_passes(supernet) as passes:
            w = passes.w.requires_grad_()
            (slope,) = torch.autograd.grad(passes.loss(weights_batch, w).loss, w)
            virtual = self.virtual_step.take(w, slope, optimizer).requires_grad_()

            outcome = passes.loss(architecture_batch, virtual)
            *slopes, v = torch.autograd.grad(
                outcome.loss, [*passes.alphas, virtual], allow_unused=True
            )
            direct = passes.by_cell(slopes)
            v = self.virtual_step.seen_through(slope, v)
            if xi == 0:
                return Hypergradient(direct, detached(outcome))
            # Where v is zero both ends are the same, whatever ε: no need to look, and to wait.
            epsilon = self.epsilon_scale / v.norm().clamp(min=torch.finfo(v.dtype).tiny)
            plus, minus = passes.beside(weights_batch, w.detach(), epsilon * v)
        gradient = {
            cell: direct[cell] - xi * (plus[cell] - minus[cell]) / (2 * epsilon) for cell in direct
        }
        return Hypergradient(gradient, detached(outcome))


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
        if not supernet.vector().numel():
            return FirstOrder().gradient(supernet, weights_batch, architecture_batch, optimizer)
        with _extra_passes(supernet) as passes:
            w = passes.w.requires_grad_()
            loss = passes.loss(weights_batch, w, twice=True).loss
            (slope,) = torch.autograd.grad(loss, w, create_graph=True)
            virtual = self.virtual_step.take(w, slope, optimizer)
            outcome = passes.loss(architecture_batch, virtual)
            gradient = torch.autograd.grad(outcome.loss, passes.alphas, allow_unused=True)
        return Hypergradient(passes.by_cell(gradient), detached(outcome))


@dataclass(frozen=True)
class OfficialRecurrent:
    """Second order as the authors' code for recurrent cells has it. Four passes.

    What differs from ``FiniteDifference``, and is no part of eq. 6 to 8:

    - The supernet's tied weights stay in the virtual step as they are (``Supernet.tied``). Their
      code moves them, and then overwrites them from the entry that the decoder has for the same
      matrix in the ``state_dict`` of before.
    - ∇w′ L_val is clipped as a gradient of w, and w′ times the weight decay added, before it is v.
    - w± lie around w′, not around w; the difference is divided by 2ε + 1e-10.
    - Every pass draws its own random masks.
    """

    virtual_step: VirtualStep = VirtualStep(weight_decay=True, clip=0.25)
    epsilon_scale: float = 0.01

    def gradient(
        self,
        supernet: Supernet,
        weights_batch: Any,
        architecture_batch: Any,
        optimizer: torch.optim.Optimizer,
    ) -> Hypergradient:
        xi = self.virtual_step.length(optimizer)
        with _extra_passes(supernet, anew=True) as passes:
            w = passes.w.requires_grad_()
            (slope,) = torch.autograd.grad(passes.loss(weights_batch, w).loss, w)
            moved = self.virtual_step.take(w, slope, optimizer)
            virtual = _without_tied(supernet, w.detach(), moved).requires_grad_()

            outcome = passes.loss(architecture_batch, virtual)
            *slopes, v = torch.autograd.grad(
                outcome.loss, [*passes.alphas, virtual], allow_unused=True
            )
            direct, around = passes.by_cell(slopes), virtual.detach()
            v = self.virtual_step.decayed(self.virtual_step.clipped(v), around, optimizer)
            epsilon = self.epsilon_scale / v.norm()
            plus, minus = passes.beside(weights_batch, around, epsilon * v)
        gradient = {
            cell: direct[cell] - xi * (plus[cell] - minus[cell]) / (2 * epsilon + 1e-10)
            for cell in direct
        }
        return Hypergradient(gradient, detached(outcome))


def _without_tied(supernet: Supernet, w: Tensor, moved: Tensor) -> Tensor:
    """``moved``, but for the supernet's tied weights, which are as in ``w``."""
    weights = supernet.weights()
    like = list(weights.values())
    parts = zip(weights, as_tensors(w, like), as_tensors(moved, like), strict=True)
    return as_vector(before if name in supernet.tied else after for name, before, after in parts)


def trial(supernet: Supernet, batch: Any, mixture: Mixture | None = None) -> Outcome:
    """The outcome of a pass that leaves no trace, with its graph; what follows draws as it did."""
    devices = sorted({alpha.device.index for alpha in supernet.alphas.values() if alpha.is_cuda})
    with supernet.frozen(), torch.random.fork_rng(devices):
        return supernet.loss(batch, mixture)


class _ExtraPasses:
    """Passes that leave no trace in the supernet and all draw the same random numbers.

    ``anew``: each draws its own, and so does what follows.
    """

    def __init__(self, supernet: Supernet, anew: bool) -> None:
        self._anew = anew
        self.cells = list(supernet.alphas.keys())
        self.alphas = list(supernet.alphas.values())
        self._supernet = supernet
        self._devices = sorted({alpha.device.index for alpha in self.alphas if alpha.is_cuda})

    @property
    def w(self) -> Tensor:
        """The operation weights as they are, one vector without graph."""
        return self._supernet.vector().detach()

    def loss(self, batch: Any, w: Tensor, twice: bool = False) -> Outcome:
        """The loss at these weights, without copying the supernet."""
        # A CUDA graph that is being captured replays its random numbers itself.
        capturing = bool(self._devices) and torch.cuda.is_current_stream_capturing()
        apart = not (self._anew or capturing)
        with torch.random.fork_rng(self._devices, enabled=apart), self._supernet.at(w, twice):
            return self._supernet.loss(batch)

    def beside(self, batch: Any, w: Tensor, step: Tensor) -> tuple[Named, Named]:
        """∇α of the loss at w + step and at w − step, by cell: the ends of a central difference."""
        ends = []
        for moved in (w + step, w - step):
            loss = self.loss(batch, moved).loss
            slopes = torch.autograd.grad(loss, self.alphas, allow_unused=True)
            ends.append(self.by_cell(slopes))
        return ends[0], ends[1]

    def by_cell(self, slopes: Sequence[Tensor | None]) -> Named:
        pairs = zip(self.cells, self.alphas, slopes, strict=True)
        return {cell: torch.zeros_like(a) if s is None else s for cell, a, s in pairs}


@contextmanager
def _extra_passes(supernet: Supernet, anew: bool = False) -> Iterator[_ExtraPasses]:
    with supernet.frozen(), torch.enable_grad():
        yield _ExtraPasses(supernet, anew)


@contextmanager
def held(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """Inside, nothing is recorded, or kept, for the gradients of these parameters."""
    asking = [w for w in parameters if w.requires_grad]
    for w in asking:
        w.requires_grad_(False)
    try:
        yield
    finally:
        for w in asking:
            w.requires_grad_(True)


def detached(outcome: Outcome) -> Outcome:
    """An outcome without its graph."""
    return outcome._replace(loss=outcome.loss.detach(), penalty=None)
