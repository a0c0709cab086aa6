"""Where the kernels and mixture weights of a cell stand in the tensors that its fast form needs.

The stacking, padding and turning of weights is done once, on their positions. A pass then reads all
of a cell's kernels in one step, from one vector, and so its mixture: hundreds of views, and as many
slopes to bring back, are saved.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from dartsedu.spaces.cnn.fast.edges import Edges, Groups, Statistics
from dartsedu.spaces.cnn.fast.gathered import Gathered, Plan
from dartsedu.spaces.cnn.operations import FactorizedReduce


class Reading(Statistics):
    """What one pass over a cell reads of its mixture and kernels, and the statistics it finds.

    Args:
        mixture: (edges, primitives).
        w: the cell's weights, one vector.
        twice: whether second derivatives will be asked for.
    """

    make: Callable[[Groups, torch.device], Plan]
    """What makes the plan of a form, once for a cell."""

    def __init__(self, groups: Groups, mixture: Tensor, w: Tensor, twice: bool) -> None:
        super().__init__()
        self.entering, self.twice = groups.entering, twice
        key = self.make, groups.entering.first.training, w.device
        if key not in groups.plans:
            groups.plans[key] = self.make(groups, w.device)
        plan = groups.plans[key]
        self.mixture, self.kernels = plan.mixture.read(mixture.flatten()), plan.kernels.read(w)

    def call(self, operation: nn.Module, state: Tensor) -> Tensor:
        """What an operation makes of images, which is called by itself."""
        weights = {name: self.kernels[operation, name] for name, _ in operation.named_parameters()}
        return cast(Tensor, functional_call(operation, weights, (state,)))


@torch.inference_mode(False)  # It is kept, and may next be used in a pass with gradients.
def for_small_maps(groups: Groups, device: torch.device) -> Plan:
    """As matrices.

    - ``mixture``: (targets, things that leave): what each of these weighs in each target. A thing
      is what a primitive makes of a state, the same for all edges, by (primitive, source); or what
      it makes on an edge, by (source, target, primitive).
    - ``kernels``: branches run over (source, target, primitive): pointwise kernels are
      (branches, C_out, C_in), depthwise ones (branches · C, k · k), the first ones, which share
      sources, (C · branches, k · k); small ones have a border of zeros. Of skip connections that
      halve the map (sources, targets · C_out, 2 · C_in), for the upper left and the lower right
      pixel of every four; of an input (C_out, C_in), or (1, C_out, 2 · C_in) where it is halved.
    """
    at = _Positions(groups)
    mixture: dict[Hashable, Tensor] = {}
    kernels: dict[Hashable, Tensor] = {}

    def halves(modules: Sequence[nn.Module]) -> Tensor:
        found = []
        for module in cast(Sequence[FactorizedReduce], modules):
            even, odd = (at[half].flatten(1) for half in (module.even, module.odd))
            width = even.shape[1]
            even = F.pad(even, (0, width), value=at.zero)
            found.append(torch.cat([even, F.pad(odd, (width, 0), value=at.zero)]))
        return torch.stack(found)

    def stack(edges: Edges, primitives: Sequence[str], part: int) -> Tensor:
        columns = [torch.stack([at[m] for m in edges.parts([p], part)]) for p in primitives]
        largest = max(column.shape[-1] for column in columns)
        borders = [(largest - column.shape[-1]) // 2 for column in columns]
        pairs = zip(columns, borders, strict=True)
        padded = [F.pad(column, [border] * 4, value=at.zero) for column, border in pairs]
        found = torch.stack(padded, dim=1).flatten(0, 1).flatten(2)
        found = found.transpose(0, 1) if part == 1 else found
        return found.flatten(0, 1) if part in (1, 5) else found

    for module in groups.preparing:
        halved = isinstance(module, FactorizedReduce)
        kernels[module] = halves([module]) if halved else at[_pointwise(module)].flatten(1)
    for edges in groups.leaving:
        for primitives in edges.alike:
            weights = _weights(edges, primitives)
            mixture[edges, tuple(primitives)] = weights.permute(1, 2, 0).flatten(1)
        for primitives in edges.apart:
            weights = _weights(edges, primitives)
            found = torch.full((edges.each, *weights.shape), groups.rows * len(edges.columns))
            for target in range(edges.each):
                found[target, :, target] = weights[:, target]
            mixture[edges, tuple(primitives)] = found.flatten(1)
        for primitives in edges.convolving:
            for part in edges.convolutions(primitives):
                kernels[edges, tuple(primitives), part] = stack(edges, primitives, part)
        if edges.reduces:
            found = halves(edges.operations("skip_connect"))
            kernels[edges] = found.view(edges.sources, -1, found.shape[2])
        kernels |= at.called(edges)
    return Plan(Gathered(mixture, device), Gathered(kernels, device))


@torch.inference_mode(False)
def for_large_maps(groups: Groups, device: torch.device) -> Plan:
    """Side by side, ordered by edge (row): (rows · C_out, C_in, k, k).

    The mixture is (rows, primitives). A ``FactorizedReduce`` is a 2×2 kernel, whose even half reads
    the upper left pixel of every four and whose odd half reads the lower right one.
    """
    at = _Positions(groups)
    mixture: dict[Hashable, Tensor] = {}
    kernels: dict[Hashable, Tensor] = {}

    def halves(modules: Sequence[nn.Module]) -> Tensor:
        found = []
        for module in cast(Sequence[FactorizedReduce], modules):
            found.append(F.pad(at[module.even], (0, 1, 0, 1), value=at.zero))
            found.append(F.pad(at[module.odd], (1, 0, 1, 0), value=at.zero))
        return torch.cat(found)

    for module in groups.preparing:
        halved = isinstance(module, FactorizedReduce)
        kernels[module] = halves([module]) if halved else at[_pointwise(module)]
    for edges in groups.leaving:
        for primitives in (edges.shared, *([p] for family in edges.apart for p in family)):
            if primitives:
                mixture[edges, tuple(primitives)] = _weights(edges, primitives).flatten(0, 1)
        for primitive in (*edges.twice, *edges.once):
            for part in edges.convolutions([primitive]):
                modules = edges.parts([primitive], part)
                kernels[edges, primitive, part] = torch.cat([at[m] for m in modules])
        if edges.reduces:
            kernels[edges] = halves(edges.operations("skip_connect"))
        kernels |= at.called(edges)
    return Plan(Gathered(mixture, device), Gathered(kernels, device))


class _Positions:
    """Where the weights of modules stand in their cell's vector, and the zero behind it."""

    def __init__(self, groups: Groups) -> None:
        self._of = groups.positions()
        self.zero = sum(positions.numel() for positions in self._of.values())

    def __getitem__(self, convolution: nn.Module) -> Tensor:
        return self._of[convolution, "weight"]

    def called(self, edges: Edges) -> dict[Hashable, Tensor]:
        """Of the operations that are called one by one, by operation and name."""
        operations = (op for primitive in edges.rest for op in edges.operations(primitive))
        return {
            (op, f"{prefix}.{name}".removeprefix(".")): self._of[module, name]
            for op in operations
            for prefix, module in op.named_modules()
            for name, weight in module._parameters.items()
            if weight is not None
        }


def _pointwise(module: nn.Module) -> nn.Module:
    """The convolution of ``relu_conv_norm``."""
    return cast(nn.Sequential, module)[1]


def _weights(edges: Edges, primitives: Sequence[str]) -> Tensor:
    """Positions of mixture weights, (sources, targets, primitives)."""
    columns = torch.tensor([edges.columns[primitive] for primitive in primitives])
    rows = torch.tensor(edges.rows).view(edges.sources, edges.each, 1)
    return rows * len(edges.columns) + columns
