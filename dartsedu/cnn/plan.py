"""Where the kernels and mixture weights of a cell stand in the matrices that small maps need.

The stacking, padding and turning of weights is done once, on their positions. A pass then reads all
of them in one step, from one vector.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.cnn.edges import Edges, Groups


class Gathered:
    """Tensors whose entries are those of a vector, or zero.

    ``positions`` gives for each tensor, by key, where each entry stands; behind the vector there is
    a zero.
    """

    def __init__(self, positions: Mapping[Hashable, Tensor]) -> None:
        self._index = torch.cat([torch.empty(0).long(), *(p.flatten() for p in positions.values())])
        self._shapes = {key: part.shape for key, part in positions.items()}
        self._sizes = [part.numel() for part in positions.values()]

    def read(self, parts: Iterable[Tensor]) -> dict[Hashable, Tensor]:
        """The tensors by key, from a vector in parts, of any shapes."""
        if not self._shapes:
            return {}
        flat = [part.flatten() for part in parts]
        vector = torch.cat([*flat, flat[0].new_zeros(1)])
        entries = vector.index_select(0, self._index).split(self._sizes)
        pairs = zip(self._shapes.items(), entries, strict=True)
        return {key: part.view(shape) for (key, shape), part in pairs}


class Plan:
    """How a pass over small maps reads a cell's parameters, in training or not.

    - ``mixture``: by edges and primitives, (targets, things that leave): what each of these weighs
      in each target. A thing is what a primitive makes of a state, the same for all edges, by
      (primitive, source); or what it makes on an edge, by (source, target, primitive).
    - ``kernels``: by edges, primitives and part of the operation, (branches, C_out, C_in · k · k),
      for the first part (C, branches, k · k), where branches run over (source, target, primitive).
      Small kernels have a border of zeros. To be read from the weights of ``convolutions``.
    """

    @torch.inference_mode(False)  # It is kept, and may next be used in a pass with gradients.
    def __init__(self, groups: Groups) -> None:
        mixture: dict[Hashable, Tensor] = {}
        kernels: dict[Hashable, Tensor] = {}
        leaving = [edges for edges in groups.edges if edges.rows]
        place, self.convolutions, zero = _places(leaving)
        for edges in leaving:
            for primitives in edges.alike:
                mixture[edges, tuple(primitives)] = _alike(edges, primitives, groups.rows)
            for primitives in edges.apart:
                mixture[edges, tuple(primitives)] = _apart(edges, primitives, groups.rows)
            for primitives in edges.convolving:
                for part in edges.convolutions(primitives):
                    found = _stack(edges, primitives, part, place, zero)
                    kernels[edges, tuple(primitives), part] = found
        self.mixture, self.kernels = Gathered(mixture), Gathered(kernels)


def _positions(edges: Edges, primitives: Sequence[str]) -> Tensor:
    """Of a mixture's weights, (sources, targets, primitives)."""
    columns = torch.tensor([edges.columns[primitive] for primitive in primitives])
    rows = torch.tensor(edges.rows).view(edges.sources, edges.each, 1)
    return rows * len(edges.columns) + columns


def _alike(edges: Edges, primitives: Sequence[str], rows: int) -> Tensor:
    return _positions(edges, primitives).permute(1, 2, 0).flatten(1)


def _apart(edges: Edges, primitives: Sequence[str], rows: int) -> Tensor:
    positions = _positions(edges, primitives)
    zero = rows * len(edges.columns)
    found = torch.full((edges.each, *positions.shape), zero)
    for target in range(edges.each):
        found[target, :, target] = positions[:, target]
    return found.flatten(1)


def _places(
    groups: Iterable[Edges],
) -> tuple[dict[nn.Module, Tensor], list[list[nn.Module]], int]:
    """Positions of each convolution's weights, the convolutions by shape, positions in all."""
    by_shape: dict[torch.Size, list[nn.Module]] = {}
    for edges in groups:
        for primitives in edges.convolving:
            for part in edges.convolutions(primitives):
                for module in edges.parts(primitives, part):
                    by_shape.setdefault(cast(Tensor, module.weight).shape, []).append(module)
    place, first = {}, 0
    for shape, modules in by_shape.items():
        for module in modules:
            place[module] = torch.arange(first, first + shape.numel()).view(shape)
            first += shape.numel()
    return place, list(by_shape.values()), first


def _stack(
    edges: Edges,
    primitives: Sequence[str],
    part: int,
    place: Mapping[nn.Module, Tensor],
    zero: int,
) -> Tensor:
    columns = [torch.stack([place[m] for m in edges.parts([p], part)]) for p in primitives]
    largest = max(column.shape[-1] for column in columns)
    borders = [(largest - column.shape[-1]) // 2 for column in columns]
    pairs = zip(columns, borders, strict=True)
    padded = [F.pad(column, [border] * 4, value=zero) for column, border in pairs]
    found = torch.stack(padded, dim=1).flatten(0, 1).flatten(2)
    return found.transpose(0, 1) if part == 1 else found
