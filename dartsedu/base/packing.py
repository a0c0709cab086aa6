"""Hundreds of small tensors as a few large ones: in arithmetic, and as written to a checkpoint.

Written one by one they take longer than a classroom search's step.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._utils import _flatten_dense_tensors
from torch.nn import Parameter


def as_vector(tensors: Iterable[Tensor]) -> Tensor:
    """All entries of some tensors, one after the other.

    Weights are hundreds of small tensors; arithmetic on them is quicker on one. Of no tensor at all
    it is the empty vector.
    """
    parts = list(tensors)
    found: Tensor = _flatten_dense_tensors(parts) if parts else torch.empty(0)
    return found


def as_tensors(vector: Tensor, like: Sequence[Tensor]) -> Sequence[Tensor]:
    """What ``as_vector`` made a vector of, as views of it; ``like`` has the shapes."""
    # The gradient of a split is one concatenation, that of slices a sum of as many vectors.
    parts = vector.split([part.numel() for part in like])
    return [part.view_as(shape) for part, shape in zip(parts, like, strict=True)]


@torch.no_grad()
def largest_of(tensors: Iterable[Tensor]) -> float:
    """The largest number by size, NaN if there is one; 0 of no number at all."""
    present = [tensor for tensor in tensors if tensor.numel()]
    return float(torch.nn.utils.get_total_norm(present, float("inf")))


class Joined:
    """Parameters that are the parts of one ``vector``, in order: to move it moves them.

    Until somebody gives them other places in memory; then ``gather`` joins them anew.
    """

    def __init__(self, parameters: Iterable[Parameter]) -> None:
        self.parameters = list(parameters)
        self.vector = Parameter(torch.empty(0))
        # Only what has a place in memory can tell by it whether all are still where they were.
        self._first = next((part for part in self.parameters if part.numel()), None)
        self.gather()

    def gather(self) -> None:
        """Give the vector the numbers that the parameters have now, wherever they are."""
        if self._first is not None and self._first.data_ptr() == self.vector.data_ptr():
            return
        self.vector.data = as_vector(part.detach() for part in self.parameters)
        places = as_tensors(self.vector.detach(), self.parameters)
        for part, place in zip(self.parameters, places, strict=True):
            part.data = place


class Packed(NamedTuple):
    """``state`` with its dtype in the place of each tensor.

    ``tensors``: those of a dtype as one vector; ``sizes``: the number of axes of each and their
    lengths, in the order of the state.
    """

    state: Any
    tensors: dict[torch.dtype, Tensor]
    sizes: dict[torch.dtype, Tensor]


@torch.no_grad()
def pack(state: Any) -> Packed:
    """A tree of dictionaries, lists and tuples with tensors at its leaves, on the CPU."""
    found: dict[torch.dtype, list[Tensor]] = {}

    def note(leaf: Any) -> Any:
        if not isinstance(leaf, Tensor):
            return leaf
        found.setdefault(leaf.dtype, []).append(leaf)
        return leaf.dtype

    packed = _replaced(state, note)
    tensors = {dtype: _together(leaves).cpu() for dtype, leaves in found.items()}
    sizes = {}
    for dtype, leaves in found.items():
        numbers = array("q", [n for leaf in leaves for n in (leaf.dim(), *leaf.shape)])
        sizes[dtype] = torch.frombuffer(numbers, dtype=torch.int64)
    return Packed(packed, tensors, sizes)


def _together(leaves: Sequence[Tensor]) -> Tensor:
    # Beside what is on a GPU Adam keeps its numbers of steps on the CPU.
    device = next((leaf.device for leaf in leaves if leaf.is_cuda), torch.device("cpu"))
    return as_vector(leaf if leaf.device == device else leaf.to(device) for leaf in leaves)


def unpack(packed: Packed) -> Any:
    """What was packed. Raises ``ValueError`` if the vectors are not as long as they seem."""
    if not all(vector.is_contiguous() for vector in packed.tensors.values()):
        raise ValueError("its tensors are larger than what the file holds")
    rest = {dtype: _parts(packed.tensors[dtype], packed.sizes[dtype]) for dtype in packed.tensors}

    def find(leaf: Any) -> Any:
        return next(rest[leaf]) if isinstance(leaf, torch.dtype) else leaf

    return _replaced(packed.state, find)


def _parts(vector: Tensor, sizes: Tensor) -> Iterator[Tensor]:
    begin, numbers = 0, iter(sizes.tolist())
    for axes in numbers:
        size = torch.Size(next(numbers) for _ in range(axes))
        yield vector[begin : begin + size.numel()].view(size).clone()
        begin += size.numel()


def _replaced(x: Any, leaf: Callable[[Any], Any]) -> Any:
    if isinstance(x, dict):
        return {key: _replaced(value, leaf) for key, value in x.items()}
    if isinstance(x, (list, tuple)):
        return type(x)(_replaced(value, leaf) for value in x)
    return leaf(x)
