"""BatchNorm that is quick to derive twice: of images, keeping its output alone, and of rows.

With n entries in a channel, means over these, r = (var x + ε)^−½ and y = (x − mean x) r, a slope g
of y and a slope s of r are a slope of x of

    r (g − mean g − y mean(g y)) − s r² y / n

The first term, B(g), is its own transpose as a map of g. The derivative of ⟨u, B(g)⟩ by g is thus
B(u); by y and by r it is

    −r (u mean(g y) + g mean(u y))     and     Σ u (g − mean g − y mean(g y))

and by x, put together, with ⟨a, b⟩ = Σ a b in a channel,

    −(r / n) (⟨u, B(g)⟩ y + ⟨g, y⟩ B(u) + ⟨u, y⟩ B(g))
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dartsedu.cnn.channels import channels_last


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
    """y, means and r, each row of z (rows, n) a channel; the latter two are not to be derived.

    A second derivative of y is always right, and quick if ``twice`` announces it. (A first one is
    quicker without: what Python adds to it tells on small rows.)
    """
    return _Rows.apply(z, eps) if twice else ordinary_rows(z, eps)


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
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, r = torch.native_batch_norm(x, None, None, None, None, True, 0.0, eps)
        ctx.save_for_backward(y, r)
        ctx.mark_non_differentiable(mean)
        ctx.set_materialize_grads(False)
        return y, mean, r

    @staticmethod
    def backward(ctx: Any, g: Tensor | None, _: None, s: Tensor | None) -> tuple[Any, ...]:
        y, r = ctx.saved_tensors
        of_x = None if g is None else _Slope.apply(channels_last(g), y, r)
        if s is not None:
            through_r = y * _wide(-s * r.square() * (len(r) / y.numel()))
            of_x = through_r if of_x is None else of_x + through_r
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
        u, n = channels_last(u), y.numel() // len(r)
        of_g, _, _ = _backward(u, y, r, sums=False)
        (_, g_y, g_sum), (_, u_y, u_sum), (_, u_g, _) = (
            _backward(a, b, r, sums=True) for a, b in ((g, y), (u, y), (u, g))
        )
        of_y = (u * _wide(-r * g_y / n)).addcmul_(g, _wide(-r * u_y / n))
        return of_g, of_y, u_g - (u_sum * g_sum + u_y * g_y) / n


def _backward(g: Tensor, y: Tensor, r: Tensor, sums: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Either B(g) or, by channel, Σ g y and Σ g; both at once take no less."""
    backward = torch.ops.aten.native_batch_norm_backward
    mask = [not sums, sums, sums]
    return backward(g, y, r, None, None, torch.zeros_like(r), torch.ones_like(r), True, 0.0, mask)


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        y, mean, r = ordinary_rows(z, eps)
        ctx.save_for_backward(z, mean, r)
        ctx.mark_non_differentiable(mean, r)
        return y, mean, r

    @staticmethod
    def backward(ctx: Any, g: Tensor, *_: Any) -> tuple[Any, ...]:
        return _RowsSlope.apply(g, *ctx.saved_tensors), None


class _RowsSlope(torch.autograd.Function):
    """B(g) as a function of g and z."""

    @staticmethod
    def forward(ctx: Any, g: Tensor, z: Tensor, mean: Tensor, r: Tensor) -> Tensor:
        slope = _rows_backward(g, z, mean, r)
        ctx.save_for_backward(g, z, mean, r, slope)
        return slope

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor) -> tuple[Tensor | None, ...]:
        g, z, mean, r, slope = ctx.saved_tensors
        of_g = _rows_backward(u, z, mean, r)
        g_y, u_y = (_along(a, z, mean, r) for a in (g, u))
        u_slope = _along(u, slope, torch.zeros_like(mean), torch.ones_like(r))
        scale = r / -z.shape[1]
        of_y = scale * u_slope * r  # y = (z − mean) r
        of_z = torch.addcmul(-mean * of_y, z, of_y)
        return of_g, of_z.addcmul_(of_g, scale * g_y).addcmul_(slope, scale * u_y), None, None


def _rows_backward(g: Tensor, z: Tensor, mean: Tensor, r: Tensor) -> Tensor:
    """B(g); LayerNorm's is quicker than that of groups."""
    backward = torch.ops.aten.native_layer_norm_backward
    return backward(g, z, [z.shape[1]], mean, r, None, None, [True, False, False])[0]


def _along(a: Tensor, x: Tensor, mean: Tensor, r: Tensor) -> Tensor:
    """Σ a (x − mean) r of each row, (rows, 1), in one go: what BatchNorm's γ would be told."""
    backward = torch.ops.aten.native_batch_norm_backward
    mask, (mean, r) = [False, True, False], (mean[:, 0], r[:, 0])
    return backward(a[None], x[None], None, None, None, mean, r, True, 0.0, mask)[1][:, None]


def _wide(c: Tensor) -> Tensor:
    """A number for each channel, as it meets images."""
    return c[:, None, None]
