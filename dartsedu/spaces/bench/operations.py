"""The primitives and the skeleton of NAS-Bench-201 (Dong & Yang, ICLR 2020, §2).

Every primitive keeps the shape of its input, (N, C, H, W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Reduction = Literal["residual", "pool"]
Stem = Literal[1, 3]


def relu_conv_norm(
    channels_in: int,
    channels_out: int,
    kernel: int,
    *,
    affine: bool = True,
    running: bool = True,
    stride: int = 1,
) -> nn.Sequential:
    """ReLU, convolution, BatchNorm.

    ``affine`` says if BatchNorm has γ and β, ``running`` if it keeps statistics for evaluation;
    without, it uses those of each batch.
    """
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out, affine=affine, track_running_stats=running),
    )


class Zero(nn.Module):
    """The primitive *none*: no connection."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


Operation = Callable[[int, bool, bool], nn.Module]
"""Builds a primitive from (channels, affine, running), see ``relu_conv_norm``."""

OPERATIONS: dict[str, Operation] = {
    "none": lambda channels, affine, running: Zero(),
    "skip_connect": lambda channels, affine, running: nn.Identity(),
    "nor_conv_1x1": lambda channels, affine, running: relu_conv_norm(
        channels, channels, 1, affine=affine, running=running
    ),
    "nor_conv_3x3": lambda channels, affine, running: relu_conv_norm(
        channels, channels, 3, affine=affine, running=running
    ),
    "avg_pool_3x3": lambda channels, affine, running: nn.AvgPool2d(
        3, 1, padding=1, count_include_pad=False
    ),
}

PRIMITIVES: tuple[str, ...] = tuple(OPERATIONS)
"""The five, in the order of the benchmark's α columns."""


class ResidualReduction(nn.Module):
    """Half the size, twice the channels: two 3×3 convolutions beside a pool and a 1×1 convolution.

    The published reduction. The shortcut has no BatchNorm.
    """

    def __init__(self, channels: int, running: bool) -> None:
        super().__init__()
        self.first = relu_conv_norm(channels, 2 * channels, 3, running=running, stride=2)
        self.second = relu_conv_norm(2 * channels, 2 * channels, 3, running=running)
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2), nn.Conv2d(channels, 2 * channels, 1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        # A pool leaves the last row and column of an odd map out, a convolution does not.
        even = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]
        return self.second(self.first(even)) + self.shortcut(even)


class PoolReduction(nn.Sequential):
    """Half the size, twice the channels, and no more: a 2×2 pool, a 1×1 convolution, BatchNorm.

    It leaves all that has to do with neighbouring pixels to the cells.
    """

    def __init__(self, channels: int, running: bool) -> None:
        super().__init__(
            nn.AvgPool2d(2),
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            nn.BatchNorm2d(2 * channels, track_running_stats=running),
        )


REDUCTIONS: dict[Reduction, Callable[[int, bool], nn.Module]] = {
    "residual": ResidualReduction,
    "pool": PoolReduction,
}


class Skeleton(nn.Module):
    """Stem; stages of equal cells with a reduction between them; BatchNorm, ReLU, mean, classifier.

    Args:
        cell: builds a cell of so many channels.
        image_channels, classes: of the data.
        channels: of the first stage; each reduction doubles them.
        cells: in a stage.
        stages: how many.
        stem: side of the first convolution. With 1, cells alone see neighbouring pixels.
        reduction: between stages.
        running: whether BatchNorm keeps statistics.
    """

    def __init__(
        self,
        cell: Callable[[int], nn.Module],
        *,
        image_channels: int,
        classes: int,
        channels: int,
        cells: int,
        stages: int,
        stem: Stem,
        reduction: Reduction,
        running: bool,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(image_channels, channels, stem, padding=stem // 2, bias=False),
            nn.BatchNorm2d(channels, track_running_stats=running),
        )
        blocks: list[nn.Module] = []
        for stage in range(stages):
            if stage:
                blocks.append(REDUCTIONS[reduction](channels, running))
                channels *= 2
            blocks += [cell(channels) for _ in range(cells)]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.BatchNorm2d(channels, track_running_stats=running)
        self.classifier = nn.Linear(channels, classes)

    @property
    def kinds(self) -> tuple[str, ...]:
        """What each block is: cell, residual or pool."""
        made = {ResidualReduction: "residual", PoolReduction: "pool"}
        return tuple(made.get(type(block), "cell") for block in self.blocks)

    def forward(self, x: Tensor, *given: Tensor) -> Tensor:
        """Images (N, C, H, W) → logits (N, classes). ``given`` is what cells take beside a map."""
        x = self.stem(x)
        for kind, block in zip(self.kinds, self.blocks, strict=True):
            x = block(x, *given) if kind == "cell" else block(x)
        return self.classifier(F.relu(self.norm(x)).mean(dim=(2, 3)))
