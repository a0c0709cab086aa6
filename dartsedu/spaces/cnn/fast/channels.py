"""Maps (N, C, H, W) with their channels last in memory, in every derivative.

Where that order is lost, libraries turn maps around again and again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def channels_last(x: Tensor) -> Tensor:
    """The same with its channels last in memory."""
    return x.contiguous(memory_format=torch.channels_last)


def side_by_side(maps: Sequence[Tensor]) -> Tensor:
    """Maps joined along their channels; PyTorch's ``cat`` loses the order when derived twice."""
    return _SideBySide.apply(*maps) if len(maps) > 1 else maps[0]


class _SideBySide(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *maps: Tensor) -> Tensor:
        ctx.widths = [x.shape[1] for x in maps]
        return torch.cat(maps, dim=1)

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, ...]:
        return slope.split(ctx.widths, dim=1)
