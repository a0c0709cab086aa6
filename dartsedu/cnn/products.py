"""BatchNorm'd products: what a pointwise convolution and its BatchNorm come to, without a pass.

BatchNorm of ``W d`` subtracts ``W m`` and divides by the root of ``diag(W C Wᵀ)``, where ``m`` and
``C`` are the mean and the covariance of ``d``. Both are small, so BatchNorm (and the mixture weight
behind it) is a scaling of W and a constant: no map is read again, and several weighted, normalised
products are summed as they are made. In DARTS this is where most of the time went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from dartsedu.cnn.edges import track


def normalised(
    d: Tensor,
    w: Tensor,
    modules: Sequence[nn.BatchNorm2d],
    gamma: Tensor | None = None,
    kinds: int = 1,
) -> Tensor:
    """Σ over kinds of γ · BatchNorm(w d): (rows, R, M).

    ``d`` (rows · kinds, K, M), ``w`` (rows · kinds, R, K), ``gamma`` (rows · kinds,). There is a
    module for each R / C rows of outputs, in their order, where C is its number of features.
    """
    first, count = modules[0], d.shape[2]
    if kinds > 1:
        d = d.contiguous()  # Products of all kinds, side by side, are one: see below.
    if first.training:
        gram, mean = cast(tuple[Tensor, Tensor], _Moments.apply(d))
        mean = mean / count
        covariance = torch.baddbmm(gram, mean, mean.mT, beta=1 / count, alpha=-1)
        var = (torch.bmm(w, covariance) * w).sum(dim=2, keepdim=True)
        var = var.clamp(min=0)  # Rounding may go below, where a large map hardly varies.
        mean = torch.bmm(w, mean)
        if first.track_running_stats:
            unbiased = var.detach() * (count / max(count - 1, 1))
            track(
                modules,
                mean.detach().view(len(modules), -1),
                unbiased.view(len(modules), -1),
            )
    else:
        shape = *w.shape[:2], 1
        mean = torch.cat([cast(Tensor, module.running_mean) for module in modules]).view(shape)
        var = torch.cat([cast(Tensor, module.running_var) for module in modules]).view(shape)
    scale = (var + first.eps).rsqrt()
    if gamma is not None:
        scale = scale * gamma.view(-1, 1, 1)
    constant, w = -scale * mean, scale * w
    if kinds > 1:
        constant = constant.unflatten(0, (-1, kinds)).sum(dim=1)
        w = w.unflatten(0, (-1, kinds)).transpose(1, 2).flatten(2)
        d = d.view(len(w), -1, count)
    return torch.baddbmm(constant, w, d)


class _Moments(torch.autograd.Function):
    """d (B, K, M) → Σ d dᵀ (B, K, K) and Σ d (B, K, 1), summed over M."""

    @staticmethod
    def forward(ctx: Any, d: Tensor) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(d)
        return torch.bmm(d, d.mT), d.sum(dim=2, keepdim=True)

    @staticmethod
    def backward(ctx: Any, of_gram: Tensor, of_sum: Tensor) -> Tensor:
        (d,) = ctx.saved_tensors
        return torch.baddbmm(of_sum, of_gram + of_gram.mT, d)
