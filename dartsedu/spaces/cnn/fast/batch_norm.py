"""BatchNorm that is quick to derive twice, keeping its output alone: of images, and of rows.

With n entries in a channel, means over these, r = (var x + ε)^−½ and y = (x − mean x) r, a slope g
of y and a slope s of r are a slope of x of

    r (g − mean g − y mean(g y)) − s r² y / n

The first term, B(g), is its own transpose as a map of g. The derivative of ⟨u, B(g)⟩ by g is thus
B(u); by y and by r it is

    −r (u mean(g y) + g mean(u y))     and     Σ u (g − mean g − y mean(g y))
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dartsedu.spaces.cnn.fast.channels import channels_last


def batch_norm(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """y (N, C, H, W) as in training, differentiable twice; the batch's means (C,) and r (C,).

    Raises ``ValueError`` for a channel of one value, as PyTorch does.
    """
    if x.numel() <= x.shape[1]:
        raise ValueError(
            f"BatchNorm cannot train on one value for each channel, {tuple(x.shape)}: use larger "
            "images or batches of at least 2"
        )
    return _BatchNorm.apply(x, eps) if x.device.type == "cpu" else ordinary(x, eps)


def batch_norm_of_rows(z: Tensor, eps: float, twice: bool) -> tuple[Tensor, Tensor, Tensor]:
    """y, means and r (rows, 1), each row of z (rows, n) a channel; only y is to be derived.

    A second derivative of y is always right, and quick if ``twice`` announces it. (A first one is
    quicker without: what Python adds to it tells on small rows.)
    """
    if not twice:
        return ordinary_rows(z, eps)
    y, mean, r = _BatchNorm.apply(z[None], eps)
    return y[0], mean[:, None], r[:, None]


def ordinary_rows(z: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same as PyTorch does it."""
    rows, count = z.shape
    # Groups of one channel: PyTorch finds their moments several times faster than BatchNorm's.
    return torch.native_group_norm(z, None, None, rows, 1, count, 1, eps)


def ordinary(x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The same as PyTorch does it."""
    count = x.numel() // x.shape[1]
    mean, var = x.new_zeros(2, x.shape[1], dtype=torch.promote_types(x.dtype, torch.float32))
    # With a momentum of one the running statistics are the batch's.
    y = F.batch_norm(x, mean, var, training=True, momentum=1.0, eps=eps)
    return y, mean, (var * ((count - 1) / count) + eps).rsqrt()


class _BatchNorm(torch.autograd.Function):
    """Of images (N, C, H, W), or of rows (1, C, n)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        if x.dim() == 4:
            y, mean, r = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        else:
            y, mean, r = ordinary_rows(x[0], eps)
            y, mean, r = y[None], mean[:, 0], r[:, 0]
        ctx.save_for_backward(y, r)
        ctx.mark_non_differentiable(mean)
        ctx.set_materialize_grads(False)
        return y, mean, r

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, _: None, s: Tensor | None) -> tuple[Any, ...]:
        y, r = ctx.saved_tensors
        of_x = None if g is None else _Slope.apply(_as(y, g), y, r)
        if s is not None:
            through_r = _wide(-s * r.square() * (len(r) / y.numel()), y)
            of_x = y * through_r if of_x is None else torch.addcmul(of_x, y, through_r)
        return of_x, None


class _Slope(torch.autograd.Function):
    """B(g)."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, y: Tensor, r: Tensor) -> Tensor:
        ctx.save_for_backward(g, y, r)
        return _backward(g, y, r, sums=False)[0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        g, y, r = ctx.saved_tensors
        u, n = _as(y, u), y.numel() // len(r)
        of_g, _, _ = _backward(u, y, r, sums=False)
        (_, g_y, g_sum), (_, u_y, u_sum), (_, u_g, _) = (
            _backward(a, b, r, sums=True) for a, b in ((g, y), (u, y), (u, g))
        )
        of_y = (u * _wide(-r * g_y / n, y)).addcmul_(g, _wide(-r * u_y / n, y))
        return of_g, of_y, u_g - (u_sum * g_sum + u_y * g_y) / n


def _backward(g: Tensor, y: Tensor, r: Tensor, sums: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Either B(g) or, by channel, Σ g y and Σ g; both at once take no less."""
    backward = torch.ops.aten.native_batch_norm_backward
    mask = [not sums, sums, sums]
    return backward(g, y, r, None, None, torch.zeros_like(r), torch.ones_like(r), True, 0.0, mask)


def _as(y: Tensor, g: Tensor) -> Tensor:
    """g as y lies in memory."""
    return channels_last(g) if y.dim() == 4 else g.contiguous()


def _wide(c: Tensor, y: Tensor) -> Tensor:
    """A number for each channel, as it meets y."""
    return c.view(-1, *[1] * (y.dim() - 2))
