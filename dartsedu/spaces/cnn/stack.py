"""How cells are stacked into a network: which reduce, and how wide each one is (DARTS §3.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dartsedu.relaxation import add
from dartsedu.spaces.cnn.operations import FactorizedReduce, relu_conv_norm
from dartsedu.topology import Combine

COMBINE: dict[Combine, Callable[[list[Tensor], int], Tensor]] = {
    "concat": lambda states, channels: torch.cat(states, dim=channels),
    "mean": lambda states, channels: add(states) / len(states),
    "sum": lambda states, channels: add(states),
}
"""How states become a cell's output, given their axis of channels, by the name a topology uses."""


def width(combine: Combine, outputs: int) -> int:
    """Channels of a cell's output as a multiple of the channels of its states."""
    return outputs if combine == "concat" else 1


class Place(NamedTuple):
    """One cell's place in the stack."""

    cell: str
    channels_in: tuple[int, int]
    channels: int
    input_reduced: bool

    @property
    def reduces(self) -> bool:
        """Whether edges that leave the cell's inputs have stride 2."""
        return self.cell == "reduce"

    def stride(self, source: int) -> int:
        """Stride of an edge that leaves state ``source``: 2 at the inputs of a reduction cell."""
        return 2 if self.reduces and source < len(self.channels_in) else 1

    def preprocess(self, affine: bool) -> nn.ModuleList:
        """Bring both inputs to this cell's width; the older one may still be twice as large."""
        older, newer = self.channels_in
        first = FactorizedReduce if self.input_reduced else relu_conv_norm
        return nn.ModuleList(
            [first(older, self.channels, affine), relu_conv_norm(newer, self.channels, affine)]
        )


def reductions(cells: int) -> set[int]:
    """Positions of the reduction cells: at 1/3 and 2/3 of the depth."""
    return {cells // 3, 2 * cells // 3}


def places(
    cells: int, channels: int, stem: int, widths: dict[str, int], stem_reduces: bool = False
) -> Iterator[Place]:
    """The stack from the stem up. Each reduction doubles the channels.

    ``channels`` is the width of the first cell, ``stem`` the channels that the stem gives,
    ``widths`` the output width of each kind of cell (see ``width``), ``stem_reduces`` whether
    the newer of the stem's two outputs is half the size of the older (the ImageNet stem).
    Raises ``ValueError`` for fewer than 2 channels.
    """
    if channels < 2:
        raise ValueError(
            f"a cell needs at least 2 channels, not {channels}: it halves them to reduce"
        )
    older = newer = stem
    input_reduced = stem_reduces
    for position in range(cells):
        kind = "reduce" if position in reductions(cells) else "normal"
        if kind == "reduce":
            channels *= 2
        place = Place(kind, (older, newer), channels, input_reduced)
        yield place
        older, newer = newer, widths[kind] * channels
        input_reduced = place.reduces
