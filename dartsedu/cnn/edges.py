"""The edges of a cell that leave the same states, seen together: what they share, what they stack.

Weights are read from the plain modules and stacked on the way in, so there is one set of parameters
and nothing to keep in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.cnn.operations import FactorizedReduce
from dartsedu.relaxation import MixedOp

if TYPE_CHECKING:
    from dartsedu.cnn.supernet import Cell


class Depthwise(NamedTuple):
    """A primitive made of depthwise and pointwise convolutions, and whether it does so twice."""

    kernel: int
    dilation: int
    twice: bool


DEPTHWISE = {
    "sep_conv_3x3": Depthwise(3, 1, True),
    "sep_conv_5x5": Depthwise(5, 1, True),
    "sep_conv_7x7": Depthwise(7, 1, True),
    "dil_conv_3x3": Depthwise(3, 2, False),
    "dil_conv_5x5": Depthwise(5, 2, False),
}
POOLS = ("max_pool_3x3", "avg_pool_3x3")


class Stacks:
    """Kernels of a cell's edges, stacked once a pass and handed out in groups of edges.

    ``groups`` are rows of α, a list for each group of edges.
    """

    def __init__(self, cell: Cell, groups: Sequence[Sequence[int]]) -> None:
        self.edges = [cast(MixedOp, cell.edges[row]) for rows in groups for row in rows]
        self.primitives = cell.primitives
        self.sizes = [len(rows) for rows in groups]
        self._made: dict[tuple[tuple[str, ...], int], Sequence[Tensor]] = {}

    def kernels(self, primitives: tuple[str, ...], part: int, group: int) -> Tensor:
        """Weights of the convolutions that are number ``part`` of each operation.

        (edges, primitives, C_out, C_in, k, k). Small kernels have a border of zeros.
        """
        key = primitives, part
        if key not in self._made:
            self._made[key] = self._stack(primitives, part).split(self.sizes)
        return self._made[key][group]

    def _stack(self, primitives: tuple[str, ...], part: int) -> Tensor:
        columns = []
        for k in (self.primitives.index(primitive) for primitive in primitives):
            sequences = [cast(nn.Sequential, edge.operations[k]) for edge in self.edges]
            columns.append(torch.stack([cast(nn.Conv2d, s[part]).weight for s in sequences]))
        largest = max(column.shape[-1] for column in columns)
        borders = [(largest - column.shape[-1]) // 2 for column in columns]
        padded = [
            F.pad(column, [border] * 4) if border else column
            for column, border in zip(columns, borders, strict=True)
        ]
        return torch.stack(padded, dim=1)


@dataclass(frozen=True)
class Edges:
    """Edges of ``cell`` that leave some states, equally many from each, ordered by state.

    ``rows`` are their rows of α, ``sources`` the number of states, ``stride`` that of the edges,
    ``weights`` the mixture (rows, primitives), ``stacks`` their kernels, there in ``group``.
    """

    cell: Cell
    rows: Sequence[int]
    sources: int
    stride: int
    weights: Tensor
    stacks: Stacks
    group: int

    @property
    def each(self) -> int:
        """Edges that leave each state."""
        return len(self.rows) // self.sources

    @property
    def shared(self) -> list[str]:
        """Primitives that give the same on every edge that leaves a state.

        In evaluation the BatchNorm behind a pool has statistics of its own on each edge.
        """
        common = [*(POOLS if self.cell.training else ()), *["skip_connect"] * (self.stride == 1)]
        return [p for p in common if p in self.cell.primitives]

    @property
    def separable(self) -> list[str]:
        """Primitives made of depthwise and pointwise convolutions, those that do so twice first."""
        found = set(DEPTHWISE) & set(self.cell.primitives)
        return sorted(found, key=lambda p: (not DEPTHWISE[p].twice, p))

    @property
    def reduces(self) -> bool:
        """Whether a skip connection has to halve the map."""
        return self.stride == 2 and "skip_connect" in self.cell.primitives

    @property
    def rest(self) -> list[str]:
        """Primitives that are called one by one."""
        known = {*self.shared, *DEPTHWISE, "none", "skip_connect"}
        return [p for p in self.cell.primitives if p not in known]

    def operations(self, primitive: str) -> list[nn.Module]:
        """The modules of a primitive, one for each edge."""
        k = self.cell.primitives.index(primitive)
        return [cast(MixedOp, self.cell.edges[row]).operations[k] for row in self.rows]

    def share(self, primitive: str) -> Tensor:
        """The mixture weight of a primitive on each edge, (rows,)."""
        return self.weights[:, self.cell.primitives.index(primitive)]

    def kernels(self, primitives: Sequence[str], part: int) -> Tensor:
        """As ``Stacks.kernels``, of these edges."""
        return self.stacks.kernels(tuple(primitives), part, self.group)


def norms(operations: Sequence[nn.Module], part: int) -> list[nn.BatchNorm2d]:
    """The BatchNorms that are number ``part`` of each operation."""
    return [cast(nn.BatchNorm2d, cast(nn.Sequential, op)[part]) for op in operations]


def halves(reduces: Sequence[nn.Module]) -> Tensor:
    """Several ``FactorizedReduce`` as one 2×2 convolution of stride 2: (modules, C_out, C, 2, 2).

    Its even half reads the upper left pixel of each four, its odd half the lower right one.
    """
    modules = [cast(FactorizedReduce, module) for module in reduces]
    even = torch.stack([module.even.weight for module in modules])
    odd = torch.stack([module.odd.weight for module in modules])
    return torch.cat([F.pad(even, (0, 1, 0, 1)), F.pad(odd, (1, 0, 1, 0))], dim=1)


def batch_norm(x: Tensor, modules: Sequence[nn.BatchNorm2d], gamma: Tensor | None) -> Tensor:
    """BatchNorm of maps side by side, x (N, maps · C, …), each times its γ (maps,).

    There is a module for each map; or several, one after the other, that all keep its statistics.
    """
    first = modules[0]
    maps = x.shape[1] // first.num_features
    # PyTorch finds a wrong input gradient on a CPU, silently, if γ is not contiguous.
    scale = None if gamma is None else gamma.repeat_interleave(first.num_features).contiguous()
    if not first.training:
        mean = torch.cat([cast(Tensor, module.running_mean) for module in modules])
        var = torch.cat([cast(Tensor, module.running_var) for module in modules])
        return F.batch_norm(x, mean, var, scale, eps=first.eps)
    if not first.track_running_stats:
        return F.batch_norm(x, None, None, scale, training=True, eps=first.eps)
    # With a momentum of one the running statistics are the batch's.
    mean, var = x.new_zeros(2, x.shape[1], dtype=cast(Tensor, first.running_mean).dtype)
    y = F.batch_norm(x, mean, var, scale, training=True, momentum=1.0, eps=first.eps)
    track(modules, mean.view(maps, -1), var.view(maps, -1))
    return y


def track(modules: Sequence[nn.BatchNorm2d], mean: Tensor, var: Tensor) -> None:
    """Let modules keep the statistics (maps, C) of a batch, as many modules for each map."""
    each = len(modules) // len(mean)
    for kept, new in (
        ([cast(Tensor, module.running_mean) for module in modules], mean),
        ([cast(Tensor, module.running_var) for module in modules], var),
    ):
        batch = [row for row in new.unbind() for _ in range(each)]
        torch._foreach_lerp_(kept, batch, modules[0].momentum or 0.0)
    counters = [cast(Tensor, module.num_batches_tracked) for module in modules]
    torch._foreach_add_(counters, [torch.ones_like(counters[0])] * len(counters))
