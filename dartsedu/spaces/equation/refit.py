"""The coefficients of given equations, by least squares: many equations at once.

Levenberg–Marquardt (Marquardt 1963; Nocedal & Wright 2006, §10.3): with residuals r and Jacobian J,
the step solves (JᵀJ + λ diag(JᵀJ)) δ = −Jᵀr; λ shrinks after a step that helped and grows after one
that did not. One equation alone could be given to ``scipy.optimize.least_squares``, which the tests
hold this to; here every restart has its own λ and all are one tensor program.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.func import functional_call

from dartsedu.data.splits import Batch
from dartsedu.spaces.equation.output import respond
from dartsedu.spaces.equation.supernet import EquationSupernet

FIRST_DAMPING = 1e-2
DAMPING = (1e-9, 1e9)
"""Least and most λ."""


def refit(supernet: EquationSupernet, mixture: Tensor, batch: Batch, steps: int = 40) -> Tensor:
    """Move every restart's w down the mean squared error on ``batch`` under a fixed mixture.

    ``mixture`` (restarts, edges, primitives), 1 on the edges of an equation and 0 elsewhere.
    Coefficients that it leaves out stay as they are. Returns the errors reached, (restarts,); an
    error never grows. (Chances, output type ``softmax``, are fitted by their squared error too.)
    """
    curve = _Curve(supernet, mixture, batch)
    theta = curve.start()
    now = curve.residuals(theta)
    least = now.square().mean(1).nan_to_num(torch.inf)
    damping = torch.full_like(least, FIRST_DAMPING)
    for _ in range(steps):
        step = _damped_step(curve.jacobian(theta), now, damping)
        tried = curve.residuals(theta + step)
        errors = tried.square().mean(1)
        better = errors < least  # False for a NaN: such a step is not taken.
        theta = torch.where(better[:, None], theta + step, theta)
        now = torch.where(better[:, None], tried, now)
        gained = (least - torch.where(better, errors, least)) / least.clamp(min=1e-300)
        least = torch.where(better, errors, least)
        damping = (damping * torch.where(better, 0.2, 5.0)).clamp(*DAMPING)
        if bool((gained < 1e-9).all() and (damping > 1e3).all()):
            break
    curve.keep(theta)
    return least


class _Curve:
    """Residuals of all restarts as a function of their coefficients as rows of a matrix."""

    def __init__(self, supernet: EquationSupernet, mixture: Tensor, batch: Batch) -> None:
        self.supernet, self.mixture, self.batch = supernet, mixture, batch
        self.parameters = supernet.weights()
        self.sizes = [p.numel() // supernet.restarts for p in self.parameters.values()]

    def start(self) -> Tensor:
        """The present coefficients, (restarts, coefficients)."""
        rows = [p.detach().flatten(1) for p in self.parameters.values()]
        return torch.cat(rows, dim=1)

    @torch.no_grad()
    def residuals(self, theta: Tensor) -> Tensor:
        """Prediction minus target, (restarts, outputs · N)."""
        return self._residuals(theta).flatten(1)

    def _residuals(self, theta: Tensor) -> Tensor:
        parts = theta.split(self.sizes, dim=1)
        shaped = {
            name: part.reshape(*p.shape, *theta.shape[2:])
            for (name, p), part in zip(self.parameters.items(), parts, strict=True)
        }
        combined = functional_call(self.supernet, shaped, (self.batch.inputs, self.mixture))
        return respond(self.supernet.output.kind, combined) - self.batch.targets.T

    def jacobian(self, theta: Tensor) -> Tensor:
        """Slopes of the residuals, (restarts, outputs · N, coefficients).

        Every sample is given coefficients of its own, so one backward pass of an output's sum has
        the slope of each sample.
        """
        with torch.enable_grad():
            own = theta[..., None].expand(-1, -1, len(self.batch.inputs)).clone().requires_grad_()
            residuals = self._residuals(own)
            outputs = residuals.shape[1]
            slopes = [
                torch.autograd.grad(residuals[:, o].sum(), own, retain_graph=o + 1 < outputs)[0]
                for o in range(outputs)
            ]
        return torch.cat(slopes, dim=2).mT

    @torch.no_grad()
    def keep(self, theta: Tensor) -> None:
        """Make ``theta`` the supernet's coefficients."""
        parts = theta.split(self.sizes, dim=1)
        for p, part in zip(self.parameters.values(), parts, strict=True):
            p.copy_(part.reshape(p.shape))


def _damped_step(jacobian: Tensor, residuals: Tensor, damping: Tensor) -> Tensor:
    """δ of every restart; 0 for a coefficient that nothing depends on."""
    normal = jacobian.mT @ jacobian
    diagonal = normal.diagonal(dim1=-2, dim2=-1)
    floor = 1e-10 * diagonal.amax(dim=1, keepdim=True).clamp(min=1e-10)
    system = normal + torch.diag_embed(damping[:, None] * diagonal.clamp(min=floor) + floor)
    slope = jacobian.mT @ residuals[..., None]
    step, _ = torch.linalg.solve_ex(system, -slope)
    return step[..., 0]
