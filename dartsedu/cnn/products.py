"""BatchNorm'd products: what a pointwise convolution and its BatchNorm come to, without a pass.

BatchNorm of ``W d`` subtracts ``W m`` and divides by the root of ``diag(W C Wᵀ)``, where ``m`` and
``C`` are the mean and the covariance of ``d``. Both are small, so BatchNorm (and the mixture weight
behind it) is a scaling of W and a constant: no map is read again, and several weighted, normalised
products are summed as they are made. In DARTS this is where most of the time went.

The derivative is as small, and written out by hand: autograd would record some thirty steps for it.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from dartsedu.cnn.edges import Norms


def normalised(
    d: Tensor,
    w: Tensor,
    norms: Norms,
    gamma: Tensor | None = None,
    kinds: int = 1,
) -> Tensor:
    """Σ over kinds of γ · BatchNorm(w d): (rows, R, M).

    ``d`` (rows · kinds, K, M), ``w`` (rows · kinds, R, K), ``gamma`` (rows · kinds,). There is a
    module for each R / C rows of outputs, in their order, where C is its number of features.
    """
    first, count = norms.first, d.shape[2]
    if kinds > 1:
        d = d.contiguous()  # Products of all kinds, side by side, are one: see ``_wide``.
    if gamma is not None:
        gamma = gamma.view(-1, 1, 1)
    if first.training:
        y, mean, var = cast(list[Tensor], _Normalised.apply(d, w, gamma, kinds, first.eps))
        if first.track_running_stats:
            unbiased = var * (count / max(count - 1, 1))
            norms.keep(mean.view(-1, first.num_features), unbiased.view(-1, first.num_features))
        return y
    shape = *w.shape[:2], 1
    mean, var = (norms.running(name).view(shape) for name in ("running_mean", "running_var"))
    scale = (var + first.eps).rsqrt()
    scale = scale if gamma is None else scale * gamma
    return _product(scale * w, -scale * mean, d, kinds)


def _product(w: Tensor, constant: Tensor, d: Tensor, kinds: int) -> Tensor:
    """Σ over kinds of w d + constant."""
    if kinds > 1:
        constant = constant.unflatten(0, (-1, kinds)).sum(dim=1)
    return torch.baddbmm(constant, _wide(w, kinds), d.view(-1, kinds * d.shape[1], d.shape[2]))


def _wide(w: Tensor, kinds: int) -> Tensor:
    """Matrices (rows · kinds, R, K) side by side: (rows, R, kinds · K)."""
    return w if kinds == 1 else w.unflatten(0, (-1, kinds)).transpose(1, 2).flatten(2)


def _moments(d: Tensor, w: Tensor, eps: float) -> tuple[Tensor, ...]:
    """m (B, K, 1), W C (B, R, K), the variance of W d and its inverse root (B, R, 1)."""
    mean = d.mean(dim=2, keepdim=True)
    square = torch.bmm(mean, mean.mT)
    covariance = torch.baddbmm(square, d, d.mT, beta=-1, alpha=1 / d.shape[2])
    wc = torch.bmm(w, covariance)
    # Rounding may go below zero, where a large map hardly varies.
    var = (wc * w).sum(dim=2, keepdim=True).clamp(min=0)
    return mean, wc, var, (var + eps).rsqrt()


class _Normalised(torch.autograd.Function):
    """``normalised`` in training, and the mean and variance of w d."""

    @staticmethod
    def forward(
        ctx: Any, d: Tensor, w: Tensor, gamma: Tensor | None, kinds: int, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, wc, var, rstd = _moments(d, w, eps)
        scaled = w * (rstd if gamma is None else rstd * gamma)
        y = _product(scaled, -torch.bmm(scaled, mean), d, kinds)
        ctx.save_for_backward(d, w, gamma, mean, wc, var, rstd)
        ctx.kinds, ctx.eps = kinds, eps
        mean = torch.bmm(w, mean)
        ctx.mark_non_differentiable(mean, var)
        ctx.set_materialize_grads(False)
        return y, mean, var

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        d, w, gamma, mean, wc, var, rstd = ctx.saved_tensors
        kinds, count = ctx.kinds, d.shape[2]
        if torch.is_grad_enabled():  # To be differentiated again.
            mean, wc, var, rstd = _moments(d, w, ctx.eps)
        total = slope.sum(dim=2, keepdim=True)
        wide = d.view(-1, kinds * d.shape[1], count)
        of_w = torch.bmm(slope, wide.mT)
        if kinds > 1:
            of_w = of_w.unflatten(2, (kinds, -1)).transpose(1, 2).flatten(0, 1)
            total = total.repeat_interleave(kinds, dim=0)
        of_w = torch.baddbmm(of_w, total, mean.mT, alpha=-1)  # Σ slope (d − m)ᵀ
        along = (of_w * w).sum(dim=2, keepdim=True) * rstd  # Σ slope · BatchNorm(w d)
        scale = rstd if gamma is None else rstd * gamma
        bend = scale * rstd * along * (var > 0)  # −2 · what the loss feels of the variance
        bent, scaled = bend * w, scale * w
        of_d = None
        if ctx.needs_input_grad[0]:
            twist = torch.bmm(bent.mT, w) / -count
            constant = torch.baddbmm(
                torch.bmm(scaled.mT, total), twist, mean, beta=-1 / count, alpha=-1
            )
            of_d = torch.baddbmm(constant, twist, d).view_as(wide)
            of_d = of_d.baddbmm_(_wide(scaled, kinds).mT, slope).view_as(d)
        of_gamma = along.sum(dim=1, keepdim=True) if ctx.needs_input_grad[2] else None
        if not ctx.needs_input_grad[1]:
            return of_d, None, of_gamma, None, None
        return of_d, torch.addcmul(scale * of_w, bend, wc, value=-1), of_gamma, None, None
