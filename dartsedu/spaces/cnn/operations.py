"""The candidate operations of the convolutional space (DARTS §3.1.1, A.1.1).

Every operation maps ``(N, C, H, W)`` to ``(N, C, ⌈H/stride⌉, ⌈W/stride⌉)``, for any size.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Zero(nn.Module):
    """The primitive *none*: no connection, zeros of the right shape."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        height, width = (ceil(size / self.stride) for size in x.shape[2:])
        return x.new_zeros(*x.shape[:2], height, width)


class FactorizedReduce(nn.Module):
    """Halve the map without losing a pixel: two 1×1 convolutions of stride 2, one pixel apart.

    The second one starts at pixel (1, 1). On an odd map it reads one row and column of zeros, so
    that both halves have the same size.
    """

    def __init__(self, channels_in: int, channels_out: int, affine: bool = True) -> None:
        super().__init__()
        half = channels_out // 2
        self.even = nn.Conv2d(channels_in, half, 1, stride=2, bias=False)
        self.odd = nn.Conv2d(channels_in, channels_out - half, 1, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        height, width = x.shape[2:]
        shifted = F.pad(x, (0, width % 2, 0, height % 2))[:, :, 1:, 1:]
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], dim=1))


def relu_conv_norm(channels_in: int, channels_out: int, affine: bool = True) -> nn.Sequential:
    """ReLU, 1×1 convolution, BatchNorm: how a cell brings its inputs to its own width."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, 1, bias=False),
        nn.BatchNorm2d(channels_out, affine=affine),
    )


def dil_conv(channels: int, kernel: int, stride: int, affine: bool, dilation: int) -> nn.Sequential:
    """ReLU, depthwise convolution (perhaps dilated), pointwise convolution, BatchNorm."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(
            channels, channels, kernel, stride, padding, dilation, groups=channels, bias=False
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def sep_conv(channels: int, kernel: int, stride: int, affine: bool) -> nn.Sequential:
    """A depthwise-separable convolution applied twice; only the first has the stride."""
    return nn.Sequential(
        *dil_conv(channels, kernel, stride, affine, dilation=1),
        *dil_conv(channels, kernel, 1, affine, dilation=1),
    )


def skip_connect(channels: int, stride: int, affine: bool) -> nn.Module:
    """The state itself or, with a stride, its ``FactorizedReduce``."""
    return nn.Identity() if stride == 1 else FactorizedReduce(channels, channels, affine)


def conv_7x1_1x7(channels: int, stride: int, affine: bool) -> nn.Sequential:
    """A 7×7 convolution as a row and a column (AmoebaNet)."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, (1, 7), (1, stride), (0, 3), bias=False),
        nn.Conv2d(channels, channels, (7, 1), (stride, 1), (3, 0), bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


Operation = Callable[[int, int, bool], nn.Module]
"""Builds a primitive from (channels, stride, affine): affine says if its BatchNorm has γ and β."""

OPERATIONS: dict[str, Operation] = {
    "none": lambda channels, stride, affine: Zero(stride),
    "max_pool_3x3": lambda channels, stride, affine: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": lambda channels, stride, affine: nn.AvgPool2d(
        3, stride, padding=1, count_include_pad=False
    ),
    "skip_connect": skip_connect,
    "sep_conv_3x3": lambda channels, stride, affine: sep_conv(channels, 3, stride, affine),
    "sep_conv_5x5": lambda channels, stride, affine: sep_conv(channels, 5, stride, affine),
    "dil_conv_3x3": lambda channels, stride, affine: dil_conv(channels, 3, stride, affine, 2),
    "dil_conv_5x5": lambda channels, stride, affine: dil_conv(channels, 5, stride, affine, 2),
    "sep_conv_7x7": lambda channels, stride, affine: sep_conv(channels, 7, stride, affine),
    "conv_7x1_1x7": conv_7x1_1x7,
}

PRIMITIVES: tuple[str, ...] = tuple(OPERATIONS)[:8]
"""The paper's eight, in the order of its α columns."""


def candidate(primitive: str, channels: int, stride: int) -> nn.Module:
    """A primitive as the supernet mixes it: BatchNorm without γ and β, and one after each pool.

    Without them a primitive could grow its own output and so take the place of its α.
    """
    operation = OPERATIONS[primitive](channels, stride, False)
    if "pool" in primitive:
        return nn.Sequential(operation, nn.BatchNorm2d(channels, affine=False))
    return operation
