"""The fast form of a cell: the same function of the same modules, in far fewer, larger steps.

The plain form calls one module for each edge and primitive. Here everything that leaves a state is
done together (``edges``), in one of two layouts: as a few large matrix products where a map has few
pixels (``small_maps``, on a CPU), as convolutions with more channels otherwise (``large_maps``).
Everything is plain PyTorch and can be differentiated twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from dartsedu.cnn import large_maps, small_maps
from dartsedu.cnn.stack import COMBINE

if TYPE_CHECKING:
    from dartsedu.cnn.supernet import Cell

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
    this = form.Pass(groups, weights, w)
    known = form.enter(cell.preprocess, inputs, this)
    states = [known] if len(groups.sources[0]) > 1 else list(form.apart(known, topology.inputs))
    nodes: list[Tensor] = []
    entered: dict[int, Tensor] = {}
    for sources, edges in zip(groups.sources, groups.edges, strict=True):
        if sources[0] >= topology.inputs:
            nodes.append(entered.pop(sources[0]))
        state = nodes[-1] if nodes else states.pop(0)
        if edges.rows:
            all_known = all(target in entered for target in edges.targets)
            before = [entered.pop(target) for target in edges.targets] if all_known else None
            mixed = form.leave(edges, this, state, before)
            for target, x in zip(edges.targets, mixed, strict=True):
                entered[target] = entered[target] + x if target in entered else x
    this.keep()
    return form.images(COMBINE[topology.combine](nodes, form.CHANNELS))
