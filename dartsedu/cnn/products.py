"""BatchNorm'd products: what a pointwise convolution and its BatchNorm come to, without a pass.

BatchNorm of ``W d`` subtracts ``W m`` and divides by the root of ``diag(W C Wᵀ)``, where ``m`` and
``C`` are the mean and the covariance of ``d``. Both are small, so BatchNorm (and the mixture weight
behind it) is a scaling of W and a constant: no map is read again, and several weighted, normalised
products are summed as they are made. In DARTS this is where most of the time went.

The derivative is as small, and written out by hand: autograd would record some thirty steps for it.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    sources: int = 1,
    base: Tensor | None = None,
) -> Tensor:
    """``base`` + Σ over sources and kinds of γ · BatchNorm(w d): (rows, R, M).

    ``d`` (sources · rows · kinds, K, M), ``w`` (sources · rows · kinds, R, K), ``gamma``
    (sources · rows · kinds, 1 or R), ``base`` (rows, R, M). There is a module for each R / C rows
    of outputs, in their order, where C is its number of features.
    """
    first, count = norms.first, d.shape[2]
    if kinds > 1:
        d = d.contiguous()  # Products of all kinds, side by side, are one.
    if gamma is not None:
        gamma = gamma.unsqueeze(2)
    if first.training:
        y, total, var = cast(
            list[Tensor], _Normalised.apply(d, w, gamma, base, kinds, sources, first.eps)
        )
        if first.track_running_stats:
            with torch.no_grad():
                mean = torch.bmm(w, total).div_(count)
                var = var * (count / max(count - 1, 1))
            norms.keep(mean.view(-1, first.num_features), var.view(-1, first.num_features))
        return y
    shape = *w.shape[:2], 1
    mean, var = (norms.running(name).view(shape) for name in ("running_mean", "running_var"))
    scale = (var + first.eps).rsqrt()
    scale = scale if gamma is None else scale * gamma
    constant = (-scale * mean).unflatten(0, (sources, -1, kinds)).sum(dim=(0, 2))
    return _sum(_wide(scale * w, kinds), d, constant, 1.0, kinds, sources, base)


def _sum(
    wide: Tensor,
    d: Tensor,
    constant: Tensor,
    times: float,
    kinds: int,
    sources: int,
    base: Tensor | None,
) -> Tensor:
    """``base`` + Σ over sources and kinds of w d + ``times`` · constant, of ``wide = _wide(w)``."""
    matrices = _parts(wide, sources)
    maps = _parts(d.view(-1, kinds * d.shape[1], d.shape[2]), sources)
    if base is None:
        y = torch.baddbmm(constant, matrices[0], maps[0], beta=times)
    else:
        y = torch.add(base, constant, alpha=times).baddbmm_(matrices[0], maps[0])
    for w, x in zip(matrices[1:], maps[1:], strict=True):
        y = y.baddbmm_(w, x)
    return y


def _wide(w: Tensor, kinds: int) -> Tensor:
    """Matrices (rows · kinds, R, K) side by side: (rows, R, kinds · K)."""
    if kinds == 1:
        return w
    _, out, k = w.shape
    return w.view(-1, kinds, out, k).transpose(1, 2).reshape(-1, out, kinds * k)


def _parts(x: Tensor, number: int) -> Sequence[Tensor]:
    """So many equal slices, which may be written to."""
    if number == 1:
        return [x]
    rows = x.shape[0] // number
    return [x.narrow(0, i * rows, rows) for i in range(number)]


def _moments(d: Tensor, w: Tensor, eps: float) -> tuple[Tensor, ...]:
    """M m (B, K, 1), W C (B, R, K), the variance of W d and its inverse root (B, R, 1)."""
    count = d.shape[2]
    total = d.sum(dim=2, keepdim=True)
    square = torch.bmm(total, total.mT)
    covariance = torch.baddbmm(square, d, d.mT, beta=-1 / count**2, alpha=1 / count)
    wc = torch.bmm(w, covariance)
    # Rounding may go below zero, where a large map hardly varies.
    var = (wc * w).sum(dim=2, keepdim=True).clamp(min=0)
    return total, wc, var, (var + eps).rsqrt()


class _Normalised(torch.autograd.Function):
    """``normalised`` in training, Σ d (M times the mean of d) and the variance of w d."""

    @staticmethod
    def forward(
        ctx: Any,
        d: Tensor,
        w: Tensor,
        gamma: Tensor | None,
        base: Tensor | None,
        kinds: int,
        sources: int,
        eps: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        total, wc, var, rstd = _moments(d, w, eps)
        wide = _wide(w * (rstd if gamma is None else rstd * gamma), kinds)
        shift = torch.bmm(wide, total.view(wide.shape[0], -1, 1))
        shift = shift if sources == 1 else shift.view(sources, -1, *shift.shape[1:]).sum(dim=0)
        y = _sum(wide, d, shift, -1 / d.shape[2], kinds, sources, base)
        ctx.save_for_backward(d, w, gamma, total, wc, var, rstd, wide)
        ctx.kinds, ctx.sources, ctx.eps = kinds, sources, eps
        ctx.mark_non_differentiable(total, var)
        ctx.set_materialize_grads(False)
        return y, total, var

    @staticmethod
    def backward(ctx: Any, slope: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        if slope is None:  # Nothing was made of the product.
            return (None,) * 7
        d, w, gamma, total, wc, var, rstd, wide = ctx.saved_tensors
        kinds, sources, count = ctx.kinds, ctx.sources, d.shape[2]
        needs_d, needs_w, needs_gamma, needs_base = ctx.needs_input_grad[:4]
        if torch.is_grad_enabled():  # To be differentiated again.
            total, wc, var, rstd = _moments(d, w, ctx.eps)
            wide = _wide(w * (rstd if gamma is None else rstd * gamma), kinds)
        scale = rstd if gamma is None else rstd * gamma
        felt, matrices = slope.sum(dim=2, keepdim=True), _parts(wide, sources)

        def apart(x: Tensor) -> Sequence[Tensor]:
            """What belongs to each source, kinds side by side: (rows, kinds · K, …)."""
            return _parts(x.view(wide.shape[0], -1, x.shape[2]), sources)

        # Σ slope (d − m)ᵀ
        of_wide = [
            torch.baddbmm(torch.bmm(felt, t.mT), slope, x.mT, beta=-1 / count)
            for t, x in zip(apart(total), apart(d), strict=True)
        ]
        of_scaled = of_wide[0] if sources == 1 else torch.cat(of_wide)
        if kinds > 1:
            out, k = w.shape[1:]
            of_scaled = of_scaled.view(-1, out, kinds, k).transpose(1, 2).reshape(w.shape)
        along = (of_scaled * w).sum(dim=2, keepdim=True) * rstd  # Σ slope · BatchNorm(w d)
        bend = scale * rstd * along * var.sign()  # −2 · what the loss feels of the variance
        of_d = of_w = of_gamma = None
        if needs_d:
            twist = torch.bmm((bend * w).mT, w)
            back = [torch.bmm(matrix.mT, felt) for matrix in matrices]
            level = (back[0] if sources == 1 else torch.cat(back)).view_as(total)
            constant = torch.baddbmm(level, twist, total, beta=-1 / count, alpha=1 / count**2)
            of_d = torch.baddbmm(constant, twist, d, alpha=-1 / count)
            for part, matrix in zip(apart(of_d), matrices, strict=True):
                part.baddbmm_(matrix.mT, slope)
        if needs_w:
            of_w = torch.addcmul(scale * of_scaled, bend, wc, value=-1)
        if needs_gamma:
            of_gamma = along if gamma.shape[1] > 1 else along.sum(dim=1, keepdim=True)
        return of_d, of_w, of_gamma, slope if needs_base else None, None, None, None
