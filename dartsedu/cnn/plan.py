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
from dartsedu.cnn.operations import FactorizedReduce


class Gathered:
    """Tensors whose entries are those of a vector, or zero.

    ``positions`` gives for each tensor, by key, where each entry stands; behind the vector there is
    a zero.
    """

    def __init__(self, positions: Mapping[Hashable, Tensor]) -> None:
        flat = [part.flatten().int() for part in positions.values()]
        self._index = torch.cat([torch.empty(0).int(), *flat])
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
    - ``kernels``: by edges, primitives and part of the operation. Branches run over (source,
      target, primitive): pointwise kernels are (branches, C_out, C_in), depthwise ones
      (branches · C, k · k), the first ones, which share sources, (C · branches, k · k); small ones
      have a border of zeros. Of skip connections that halve the map, by edges,
      (sources, targets · C_out, 2 · C_in), and of an input's ``FactorizedReduce``, by module.
    - ``parameters``: those of the convolutions whose weights ``kernels`` is read from, by shape.
    """

    @torch.inference_mode(False)  # It is kept, and may next be used in a pass with gradients.
    def __init__(self, groups: Groups) -> None:
        leaving = [edges for edges in groups.edges if edges.rows]
        place = _Places(leaving, groups.halving)
        mixture: dict[Hashable, Tensor] = {}
        kernels: dict[Hashable, Tensor] = {m: place.halves([m]) for m in groups.halving}
        for edges in leaving:
            for primitives in edges.alike:
                mixture[edges, tuple(primitives)] = _alike(edges, primitives)
            for primitives in edges.apart:
                mixture[edges, tuple(primitives)] = _apart(edges, primitives, groups.rows)
            for primitives in edges.convolving:
                for part in edges.convolutions(primitives):
                    kernels[edges, tuple(primitives), part] = place.stack(edges, primitives, part)
            if edges.reduces:
                found = place.halves(edges.operations("skip_connect"))
                kernels[edges] = found.view(edges.sources, -1, found.shape[2])
        # To ask a module for its weight takes as long as to stack it.
        self.parameters = [[m._parameters for m in modules] for modules in place.convolutions]
        self.mixture, self.kernels = Gathered(mixture), Gathered(kernels)


def _weights(edges: Edges, primitives: Sequence[str]) -> Tensor:
    """Positions of mixture weights, (sources, targets, primitives)."""
    columns = torch.tensor([edges.columns[primitive] for primitive in primitives])
    rows = torch.tensor(edges.rows).view(edges.sources, edges.each, 1)
    return rows * len(edges.columns) + columns


def _alike(edges: Edges, primitives: Sequence[str]) -> Tensor:
    return _weights(edges, primitives).permute(1, 2, 0).flatten(1)


def _apart(edges: Edges, primitives: Sequence[str], rows: int) -> Tensor:
    weights = _weights(edges, primitives)
    found = torch.full((edges.each, *weights.shape), rows * len(edges.columns))  # the zero
    for target in range(edges.each):
        found[target, :, target] = weights[:, target]
    return found.flatten(1)


class _Places:
    """Positions of the weights of convolutions, which are read one shape after the other."""

    def __init__(self, leaving: Sequence[Edges], halving: Sequence[nn.Module]) -> None:
        modules: list[nn.Module] = []
        for edges in leaving:
            for primitives in edges.convolving:
                for part in edges.convolutions(primitives):
                    modules += edges.parts(primitives, part)
        reduces = [m for e in leaving if e.reduces for m in e.operations("skip_connect")]
        for reduce in cast(list[FactorizedReduce], [*halving, *reduces]):
            modules += [reduce.even, reduce.odd]

        by_shape: dict[torch.Size, list[nn.Module]] = {}
        for module in modules:
            by_shape.setdefault(cast(Tensor, module.weight).shape, []).append(module)
        self.convolutions = list(by_shape.values())
        self._of: dict[nn.Module, Tensor] = {}
        self._zero = 0
        for shape, alike in by_shape.items():
            for module in alike:
                positions = torch.arange(self._zero, self._zero + shape.numel(), dtype=torch.int)
                self._of[module] = positions.view(shape)
                self._zero += shape.numel()

    def stack(self, edges: Edges, primitives: Sequence[str], part: int) -> Tensor:
        columns = [torch.stack([self._of[m] for m in edges.parts([p], part)]) for p in primitives]
        largest = max(column.shape[-1] for column in columns)
        borders = [(largest - column.shape[-1]) // 2 for column in columns]
        pairs = zip(columns, borders, strict=True)
        padded = [F.pad(column, [border] * 4, value=self._zero) for column, border in pairs]
        found = torch.stack(padded, dim=1).flatten(0, 1).flatten(2)
        found = found.transpose(0, 1) if part == 1 else found
        return found.flatten(0, 1) if part in (1, 5) else found

    def halves(self, modules: Sequence[nn.Module]) -> Tensor:
        """(modules, C_out, 2 · C_in): the even half reads the first C_in, the odd half the rest."""
        found = []
        for module in cast(Sequence[FactorizedReduce], modules):
            even, odd = (self._of[half].flatten(1) for half in (module.even, module.odd))
            width = even.shape[1]
            even = F.pad(even, (0, width), value=self._zero)
            found.append(torch.cat([even, F.pad(odd, (width, 0), value=self._zero)]))
        return torch.stack(found)
