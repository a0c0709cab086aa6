"""Tensors gathered from one vector in one step: a cell's mixture and its kernels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Gathered:
    """Tensors whose entries are those of a vector, or zero.

    ``positions`` gives for each tensor, by key, where each entry stands. Behind the vector there is
    a zero.
    """

    def __init__(self, positions: Mapping[Hashable, Tensor], device: torch.device) -> None:
        flat = [part.flatten().int() for part in positions.values()]
        self._index = torch.cat([torch.empty(0).int(), *flat]).to(device)
        self._shapes = {key: part.shape for key, part in positions.items()}
        self._sizes = [part.numel() for part in positions.values()]

    def read(self, vector: Tensor) -> dict[Hashable, Tensor]:
        """The tensors by key."""
        if not self._shapes:
            return {}
        entries = F.pad(vector, (0, 1)).index_select(0, self._index).split(self._sizes)
        pairs = zip(self._shapes.items(), entries, strict=True)
        return {key: part.view(shape) for (key, shape), part in pairs}


class Plan(NamedTuple):
    """How a pass reads a cell's mixture, and its kernels, from two vectors.

    Things are kept by edges and primitives, kernels also by part of the operation, or by edges
    alone (skip connections that halve the map), by module (those that prepare inputs), or by
    operation and name of the weight (what is called edge by edge).
    """

    mixture: Gathered
    kernels: Gathered
