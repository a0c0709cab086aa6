"""The fast form of a cell: the same function of the same modules, in far fewer, larger steps.

The plain form calls one module for each edge and primitive. Here everything that leaves a state is
done together (``edges``), in one of two layouts: as a few large matrix products where a map has few
pixels (``small_maps``, on a CPU), as convolutions with more channels otherwise (``large_maps``).
Everything is ordinary PyTorch, differentiable as often as the plain form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from dartsedu.cnn import large_maps, small_maps
from dartsedu.cnn.edges import Edges, Pass
from dartsedu.cnn.stack import COMBINE
from dartsedu.topology import Topology

if TYPE_CHECKING:
    from dartsedu.cnn.supernet import Cell

LARGEST_MAP = 64
"""Pixels of the largest map for which a depthwise convolution is worth a matrix, on a CPU."""
FEWEST_IMAGES = 4
"""Images of the smallest batch for which it is: for fewer it saves no time and costs memory."""


def suits(images: Tensor) -> bool:
    """Whether the fast form is meant for this device (N, C, H, W)."""
    return images.device.type in ("cpu", "cuda")


def groups(cell: Cell) -> list[tuple[tuple[int, ...], Edges]]:
    """The cell's states in the order in which they are known, and the edges that leave them."""
    found = []
    for sources in together(cell.topology):
        links = enumerate(cell.topology.edges)
        by_source = sorted((link.source, row) for row, link in links if link.source in sources)
        rows = [row for _, row in by_source]
        found.append((sources, Edges(cell, rows, len(sources), cell.place.stride(sources[0]))))
    return found


def forward(cell: Cell, inputs: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """``cell(inputs, weights)``: inputs (N, C, H, W), weights (edges, primitives)."""
    topology, newer = cell.topology, inputs[1]
    count, _, height, width = newer.shape
    small = height * width <= LARGEST_MAP and count >= FEWEST_IMAGES
    form = small_maps if small and newer.device.type == "cpu" else large_maps
    states = [form.enter(module, x) for module, x in zip(cell.preprocess, inputs, strict=True)]
    this = Pass([edges for _, edges in cell.groups], weights)
    entered: dict[int, Tensor] = {}
    for sources, edges in cell.groups:
        if sources[0] >= topology.inputs:
            states.append(entered.pop(sources[0]))
        if edges.rows:
            all_known = all(target in entered for target in edges.targets)
            before = [entered.pop(target) for target in edges.targets] if all_known else None
            mixed = form.leave(edges, this, [states[s] for s in sources], before)
            for target, x in zip(edges.targets, mixed, strict=True):
                entered[target] = entered[target] + x if target in entered else x
    return form.images(COMBINE[topology.combine](states[topology.inputs :], form.CHANNELS))


def together(topology: Topology) -> list[tuple[int, ...]]:
    """The states in groups that are known at once and whose edges enter the same states."""
    inputs = tuple(range(topology.inputs))
    entered = {tuple(e.target for e in topology.edges if e.source == s) for s in inputs}
    first = [inputs] if len(entered) == 1 else [(s,) for s in inputs]
    return [*first, *((topology.inputs + node,) for node in range(topology.nodes))]
