"""Convolutions of many channels side by side that are quick in every derivative on a CPU.

PyTorch's own gradients are several times slower than its forward pass in the cases that DARTS is
made of: of kernels wider than three columns, of dilated kernels, and second derivatives of many
groups, which it takes one after the other. Here

- a convolution, its input's slope and its kernel's slope are three bilinear maps, each of whose
  derivatives are the other two: they can be differentiated any number of times;
- the slope of an input is a convolution with the kernel turned round;
- the slope of a wide kernel is taken three columns at a time;
- the slope of a dilated kernel is an undilated one's, of every second pixel at a time;
- what is between a depthwise and a pointwise convolution is made again rather than kept, but where
  second derivatives are asked for.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.grad import conv2d_weight

from dartsedu.spaces.cnn.fast.channels import channels_last

COLUMNS = 3
"""Widest kernel whose slope PyTorch finds quickly."""


class How(NamedTuple):
    """Stride, dilation and number of groups."""

    stride: int = 1
    dilation: int = 1
    groups: int = 1


def convolve(x: Tensor, kernel: Tensor, how: How) -> Tensor:
    """``conv2d`` with the padding that keeps the size, before the stride.

    ``x`` (N, groups · C_in, H, W), ``kernel`` (groups · C_out, C_in, k, k) with an odd k.
    """
    if x.device.type == "cpu":
        return _Convolution.apply(x, kernel, how)
    return ordinary(x, kernel, how)


def separable(
    x: Tensor, kernel: Tensor, point: Tensor, how: How, relu: bool = False, keep: bool = False
) -> Tensor:
    """A depthwise convolution by ``kernel``, as ``how`` says, then a pointwise one by ``point``.

    ``how.groups`` are those of the second. A ReLU may come first. What is between is made again for
    the derivative, unless ``keep``: what is made twice would also be derived twice.
    """
    if x.device.type != "cpu":
        return ordinary_separable(x, kernel, point, how, relu)
    if not keep:
        return _Separable.apply(x, kernel, point, how, relu)
    d = convolve(x.relu() if relu else x, kernel, how._replace(groups=x.shape[1]))
    return convolve(d, point, How(groups=how.groups))


def ordinary_separable(
    x: Tensor, kernel: Tensor, point: Tensor, how: How, relu: bool = False
) -> Tensor:
    """The same as PyTorch does it."""
    d = ordinary(x.relu() if relu else x, kernel, how._replace(groups=x.shape[1]))
    return ordinary(d, point, How(groups=how.groups))


class _Separable(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, point: Tensor, how: How, relu: bool) -> Tensor:
        ctx.save_for_backward(x, kernel, point)
        ctx.how, ctx.relu = how, relu
        return ordinary_separable(x, kernel, point, how, relu)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel, point = ctx.saved_tensors
        deep, wide = ctx.how._replace(groups=x.shape[1]), How(groups=ctx.how.groups)
        slope, active = channels_last(slope), x.relu() if ctx.relu else x
        of_x = of_kernel = of_point = None
        if ctx.needs_input_grad[2]:
            d = _Convolution.apply(active, kernel, deep)
            of_point = _KernelSlope.apply(d, slope, point.shape, wide)
        size = slope.shape[0], x.shape[1], *slope.shape[2:]
        slope = _InputSlope.apply(slope, point, size, wide)
        if ctx.needs_input_grad[0]:
            of_x = _InputSlope.apply(slope, kernel, x.shape, deep)
            if ctx.relu:
                of_x = torch.ops.aten.threshold_backward(of_x, x, 0)
        if ctx.needs_input_grad[1]:
            of_kernel = _KernelSlope.apply(active, slope, kernel.shape, deep)
        return of_x, of_kernel, of_point, None, None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, how: How) -> Tensor:
        ctx.save_for_backward(x, kernel)
        ctx.how = how
        return ordinary(x, kernel, how)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        x, kernel = ctx.saved_tensors
        slope = channels_last(slope)
        of_x = of_kernel = None
        if ctx.needs_input_grad[0]:
            of_x = _InputSlope.apply(slope, kernel, x.shape, ctx.how)
        if ctx.needs_input_grad[1]:
            of_kernel = _KernelSlope.apply(x, slope, kernel.shape, ctx.how)
        return of_x, of_kernel, None


class _InputSlope(torch.autograd.Function):
    """∂/∂x of Σ slope · convolution(x, kernel)."""

    @staticmethod
    def forward(ctx: Any, slope: Tensor, kernel: Tensor, size: torch.Size, how: How) -> Tensor:
        ctx.save_for_backward(slope, kernel)
        ctx.how = how
        return _input_slope(slope, kernel, size, how)

    @staticmethod
    def backward(ctx: Any, toward: Tensor) -> tuple[Tensor | None, ...]:
        slope, kernel = ctx.saved_tensors
        toward = channels_last(toward)
        of_slope = of_kernel = None
        if ctx.needs_input_grad[0]:
            of_slope = _Convolution.apply(toward, kernel, ctx.how)
        if ctx.needs_input_grad[1]:
            of_kernel = _KernelSlope.apply(toward, slope, kernel.shape, ctx.how)
        return of_slope, of_kernel, None, None


class _KernelSlope(torch.autograd.Function):
    """∂/∂kernel of Σ slope · convolution(x, kernel)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor, size: torch.Size, how: How) -> Tensor:
        ctx.save_for_backward(x, slope)
        ctx.how = how
        return _kernel_slope(x, slope, size, how)

    @staticmethod
    def backward(ctx: Any, toward: Tensor) -> tuple[Tensor | None, ...]:
        x, slope = ctx.saved_tensors
        of_x = of_slope = None
        if ctx.needs_input_grad[0]:
            of_x = _InputSlope.apply(slope, toward, x.shape, ctx.how)
        if ctx.needs_input_grad[1]:
            of_slope = _Convolution.apply(x, toward, ctx.how)
        return of_x, of_slope, None, None


def ordinary(x: Tensor, kernel: Tensor, how: How) -> Tensor:
    """The same as PyTorch does it."""
    border = _border(kernel.shape[2], how)
    return F.conv2d(x, kernel, None, how.stride, border, how.dilation, how.groups)


def _border(size: int, how: How) -> int:
    """Of zeros, for a kernel of this size."""
    return how.dilation * (size // 2)


def _input_slope(slope: Tensor, kernel: Tensor, size: torch.Size, how: How) -> Tensor:
    if how.stride == 1:
        return ordinary(slope, _turned(kernel, how.groups), how)
    border, stride, groups = _border(kernel.shape[2], how), how.stride, how.groups
    over = [(length - 1) % stride for length in size[2:]]
    return F.conv_transpose2d(slope, kernel, None, stride, border, over, groups, how.dilation)


def _turned(kernel: Tensor, groups: int) -> Tensor:
    """Each group's kernel from its outputs to its inputs: (groups · C_in, C_out, k, k)."""
    by_group = kernel.unflatten(0, (groups, -1))
    return by_group.transpose(1, 2).flatten(0, 1).flip(2, 3)


def _kernel_slope(x: Tensor, slope: Tensor, size: torch.Size, how: How) -> Tensor:
    if how.dilation > 1 and how.stride > 1:
        border = _border(size[3], how)
        return conv2d_weight(x, size, slope, how.stride, border, how.dilation, how.groups)
    if how.dilation > 1:
        x, slope = (_phases(images, how.dilation) for images in (x, slope))
        return _kernel_slope(x, slope, size, How(groups=how.groups))
    columns, border = size[3], size[3] // 2
    most = COLUMNS if x.shape[3] >= columns else columns
    parts = []
    for left in range(0, columns, most):
        width = min(most, columns - left)
        if width == columns:
            seen, beside = x, border
        else:
            reach = (slope.shape[3] - 1) * how.stride + width
            before = border - left
            seen, beside = F.pad(x, (before, reach - x.shape[3] - before)), 0
        part = conv2d_weight(
            seen, (*size[:3], width), slope, how.stride, (border, beside), groups=how.groups
        )
        parts.append(part)
    return torch.cat(parts, dim=3) if len(parts) > 1 else parts[0]


def _phases(x: Tensor, step: int) -> Tensor:
    """Every ``step``-th pixel as an image of its own: (step² · N, C, ⌈H/step⌉, ⌈W/step⌉)."""
    height, width = x.shape[2:]
    if height % step or width % step:
        x = F.pad(x, (0, -width % step, 0, -height % step))
    return torch.cat([x[:, :, i::step, j::step] for i in range(step) for j in range(step)])
