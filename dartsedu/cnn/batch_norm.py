"""BatchNorm of images with a second derivative that walks few times over the maps.

With n entries in a channel, means over these, x̂ = (x − mean x) r and r = (var x + ε)^−½, the
derivative of γ x̂ toward a slope g is, by x and by γ,

    B(g) = γ r (g − ḡ − x̂ m)     and     n m,     with m = mean(g x̂)

B is its own transpose, so the derivative of ⟨u, B(g)⟩ by g is B(u). By γ and x it is, with
p = mean(u x̂) and k = mean(u g) − ū ḡ − p m,

    n r k     and     −γ r² (m (u − ū) + p (g − ḡ) + (k − 2 p m) x̂)
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dartsedu.cnn.channels import channels_last


def batch_norm(
    x: Tensor, gamma: Tensor | None, eps: float, mean: Tensor | None, var: Tensor | None
) -> Tensor:
    """γ x̂ as in training, differentiable twice.

    ``x`` (N, C, H, W); the others (C,). ``gamma`` is ``None`` for ones; the batch's mean and
    variance are put in ``mean`` and ``var``, if there.
    """
    # PyTorch finds a wrong input slope on a CPU, silently, if γ is not contiguous.
    gamma = None if gamma is None else gamma.contiguous()
    if x.device.type == "cpu":
        return _BatchNorm.apply(x, gamma, eps, mean, var)
    return ordinary(x, gamma, eps, mean, var)


def ordinary(
    x: Tensor, gamma: Tensor | None, eps: float, mean: Tensor | None, var: Tensor | None
) -> Tensor:
    """The same as PyTorch does it."""
    # With a momentum of one the running statistics are the batch's.
    return F.batch_norm(x, mean, var, gamma, training=True, momentum=1.0, eps=eps)


class _BatchNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor | None, eps: float, *kept: Any) -> Tensor:
        running_mean, running_var = kept
        y, mean, r = torch.native_batch_norm(
            x, gamma, None, running_mean, running_var, True, 1.0, eps
        )
        ctx.save_for_backward(x, gamma, mean, r)
        return y

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        x, gamma, mean, r = ctx.saved_tensors
        of_x, of_gamma = _Slope.apply(channels_last(g), x, gamma, mean, r)
        return of_x, None if gamma is None else of_gamma, None, None, None


class _Slope(torch.autograd.Function):
    """B(g) and n m."""

    @staticmethod
    def forward(
        ctx: Any, g: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, r: Tensor
    ) -> tuple[Tensor, Tensor]:
        of_x, along, total = _backward(g, x, gamma, mean, r)
        ctx.save_for_backward(g, x, gamma, mean, r, along, total)
        ctx.set_materialize_grads(False)
        return of_x, along

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, u: Tensor | None, v: Tensor | None) -> tuple[Tensor | None, ...]:
        """Toward slopes ``u`` (N, C, H, W) of B(g) and ``v`` (C,) of n m."""
        g, x, gamma, mean, r, along, total = ctx.saved_tensors
        u = torch.zeros_like(x) if u is None else channels_last(u)
        of_g, along_u, total_u = _backward(u, x, gamma, mean, r)
        _, product, _ = _backward(u, g, None, torch.zeros_like(r), torch.ones_like(r))
        n = x.numel() // x.shape[1]
        m, g_mean, p, u_mean = along / n, total / n, along_u / n, total_u / n
        k = product / n - u_mean * g_mean - p * m
        scale = -r.square() if gamma is None else -gamma * r.square()
        centred = x - _wide(mean)
        rest = -scale * (m * u_mean + p * g_mean)
        of_x = torch.addcmul(_wide(rest), u, _wide(scale * m))
        of_x.addcmul_(g, _wide(scale * p))
        of_x.addcmul_(centred, _wide(scale * r * (k - 2 * p * m)))
        if v is not None:
            of_g = of_g + centred * _wide(r * v)
            of_x += _wide(r * v) * (g - _wide(g_mean) - centred * _wide(r * m))
        return of_g, of_x, None if gamma is None else n * r * k, None, None


def _backward(
    g: Tensor, x: Tensor, gamma: Tensor | None, mean: Tensor, r: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """B(g), n m and n ḡ."""
    backward = torch.ops.aten.native_batch_norm_backward
    return backward(g, x, gamma, None, None, mean, r, True, 0.0, [True, True, True])


def _wide(c: Tensor) -> Tensor:
    """A number for each channel, as it meets images."""
    return c[:, None, None]
