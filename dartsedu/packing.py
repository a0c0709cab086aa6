"""Hundreds of small tensors as a few large ones, as they are written to a checkpoint.

Written one by one they take longer than a classroom search's step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Packed(NamedTuple):
    """``state`` with (dtype, size) in the place of each tensor; ``tensors``: a vector a dtype."""

    state: Any
    tensors: dict[torch.dtype, Tensor]


def pack(state: Any) -> Packed:
    """A tree of dictionaries, lists and tuples with tensors at its leaves, on the CPU."""
    found: dict[torch.dtype, list[Tensor]] = {}

    def note(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        found.setdefault(leaf.dtype, []).append(leaf.detach().reshape(-1))
        return leaf.dtype, leaf.shape

    packed = _replaced(state, note)
    return Packed(packed, {dtype: torch.cat(flat).cpu() for dtype, flat in found.items()})


def unpack(packed: Packed) -> Any:
    """What was packed; tensors that were not are left as they are."""
    begun = dict.fromkeys(packed.tensors, 0)

    def find(leaf: Any) -> Any:
        if not _is_place(leaf):
            return leaf
        dtype, size = leaf
        begin, begun[dtype] = begun[dtype], begun[dtype] + size.numel()
        return packed.tensors[dtype][begin : begun[dtype]].view(size).clone()

    return _replaced(packed.state, find)


def _is_place(x: Any) -> bool:
    return isinstance(x, tuple) and len(x) == 2 and isinstance(x[0], torch.dtype)


def _replaced(x: Any, leaf: Callable[[Any], Any]) -> Any:
    if isinstance(x, dict):
        return {key: _replaced(value, leaf) for key, value in x.items()}
    if isinstance(x, (list, tuple)) and not _is_place(x):
        return type(x)(_replaced(value, leaf) for value in x)
    return leaf(x)
