"""The fast form of a cell: the same function of the same modules, in far fewer, larger steps.

The plain form calls one module for each edge and primitive. Here everything that leaves a state is
done together (``edges``), in one of two layouts: as a few large matrix products where a map has few
pixels (``small_maps``, on a CPU), as convolutions with more channels otherwise (``large_maps``).
Everything is plain PyTorch and can be differentiated twice.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from dartsedu.spaces.cnn.fast import large_maps, small_maps
from dartsedu.spaces.cnn.fast.edges import Cell
from dartsedu.spaces.cnn.stack import COMBINE

LARGEST_MAP = 64
"""Pixels of the largest map for which a depthwise convolution is worth a matrix, on a CPU."""
FEWEST_IMAGES = 4
"""Images of the smallest batch for which it is: for fewer its matrices outgrow the maps."""


def suits(x: Tensor) -> bool:
    """Whether the fast form is meant for this tensor's device."""
    return x.device.type in ("cpu", "cuda")


def forward(cell: Cell, inputs: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """``cell(inputs, weights)``: inputs (N, C, H, W), weights (edges, primitives)."""
    topology, groups, newer = cell.topology, cell.groups, inputs[1]
    count, _, height, width = newer.shape
    small = height * width <= LARGEST_MAP and count >= FEWEST_IMAGES
    form = small_maps if small and newer.device.type == "cpu" else large_maps
    w = groups.vector() if cell.w is None else cell.w
    this = form.Pass(groups, weights, w, cell.twice)
    known = form.enter(cell.preprocess, inputs, this)
    side = form.SIDE
    states = [known] if len(groups.sources[0]) > 1 else list(known.chunk(topology.inputs, side))
    nodes: list[Tensor] = []
    # What has entered the nodes that are not yet complete, in order and side by side.
    waiting: list[int] = []
    entered: Tensor | None = None
    for sources, edges in zip(groups.sources, groups.edges, strict=True):
        if sources[0] >= topology.inputs:
            node, entered = _first(cast(Tensor, entered), len(waiting), side)
            nodes.append(node)
            del waiting[0]
        state = nodes[-1] if nodes else states.pop(0)
        if not edges.rows:
            continue
        if entered is None or edges.targets == waiting:
            waiting, entered = list(edges.targets), form.leave(edges, this, state, entered)
        else:
            mixed = form.leave(edges, this, state, None).chunk(edges.each, side)
            sums = dict(zip(waiting, entered.chunk(len(waiting), side), strict=True))
            for target, x in zip(edges.targets, mixed, strict=True):
                sums[target] = sums[target] + x if target in sums else x
            waiting = sorted(sums)
            entered = torch.cat([sums[target] for target in waiting], side)
    this.keep()
    return form.images(COMBINE[topology.combine](nodes, form.CHANNELS))


def _first(together: Tensor, number: int, side: int) -> tuple[Tensor, Tensor | None]:
    """The first of so many states that are side by side, and the others."""
    if number == 1:
        return together, None
    width = together.shape[side] // number
    first, others = together.split([width, together.shape[side] - width], side)
    return first, others
