"""The edges of a cell that leave the same states, seen together: what they share, what they stack.

Which modules belong together is looked up once. Weights are read from the plain modules and stacked
on the way in, so there is one set of parameters and nothing to keep in step.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
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
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


class Norms:
    """BatchNorms of one width that keep their statistics side by side, so that one call moves all.

    Each module's buffers become rows of common ones, as soon as there is something to keep.
    """

    def __init__(self, modules: Sequence[nn.BatchNorm2d]) -> None:
        self.modules = modules
        self._rows: list[Tensor] = []

    @property
    def first(self) -> nn.BatchNorm2d:
        """One of them, which has the settings of all."""
        return self.modules[0]

    def running(self, name: str) -> Tensor:
        """A buffer of all modules, one after the other."""
        return torch.cat([module.get_buffer(name) for module in self.modules])

    def keep(self, mean: Tensor, var: Tensor) -> None:
        """Move all statistics towards those of a batch (maps, C); as many modules for each map."""
        present = cast(Tensor, self.first.running_mean)
        if not self._rows or self._rows[0].data_ptr() != present.data_ptr():
            self._gather()  # At first, and after modules were moved or loaded.
        each = len(self.modules) // len(mean)
        for kept, new in zip(self._rows, (mean, var), strict=False):
            new = new if each == 1 else new.repeat_interleave(each, dim=0)
            kept.lerp_(new, self.first.momentum or 0.0)
        self._rows[2].add_(1)

    @torch.inference_mode(False)  # They may next be moved in a pass with gradients.
    def _gather(self) -> None:
        self._rows = []
        for name in BUFFERS:
            each = [module.get_buffer(name) for module in self.modules]
            rows = torch.stack(each) if len(each) > 1 else each[0][None]
            for module, row in zip(self.modules, rows, strict=True):
                module._buffers[name] = row
            self._rows.append(rows)


class Edges:
    """Edges of ``cell`` that leave some states for the same targets, ordered by state.

    ``rows`` are their rows of α, ``sources`` the number of states, ``stride`` that of the edges;
    ``targets`` are the states they enter, ``each`` how many of these there are.
    """

    def __init__(self, cell: Cell, rows: Sequence[int], sources: int, stride: int) -> None:
        self.rows, self.sources, self.stride = rows, sources, stride
        links = cell.topology.edges
        self.each = len(rows) // sources
        self.targets = [links[row].target for row in rows[: self.each]]
        self.columns = {primitive: k for k, primitive in enumerate(cell.primitives)}
        self.twice = [p for p in DEPTHWISE if p in self.columns and DEPTHWISE[p].twice]
        self.once = [p for p in DEPTHWISE if p in self.columns and not DEPTHWISE[p].twice]
        self.reduces = stride == 2 and "skip_connect" in self.columns
        self._cell = cell
        self._parts: dict[tuple[tuple[str, ...], int], list[nn.Module]] = {}
        self._norms: dict[tuple[tuple[str, ...], int], Norms] = {}

    @property
    def shared(self) -> list[str]:
        """Primitives that give the same on every edge that leaves a state.

        In evaluation the BatchNorm behind a pool has statistics of its own on each edge.
        """
        common = [*(POOLS if self._cell.training else ()), *["skip_connect"] * (self.stride == 1)]
        return [p for p in common if p in self.columns]

    @property
    def rest(self) -> list[str]:
        """Primitives that are called one by one."""
        known = {*self.shared, *DEPTHWISE, "none", "skip_connect"}
        return [p for p in self.columns if p not in known]

    def operations(self, primitive: str) -> list[nn.Module]:
        """The modules of a primitive, one for each edge."""
        k = self.columns[primitive]
        return [cast(MixedOp, self._cell.edges[row]).operations[k] for row in self.rows]

    def parts(self, primitives: Sequence[str], part: int) -> list[nn.Module]:
        """Module number ``part`` of each operation, by edge, then by primitive."""
        key = tuple(primitives), part
        if key not in self._parts:
            columns = [self.operations(primitive) for primitive in primitives]
            rows = zip(*columns, strict=True)
            self._parts[key] = [cast(nn.Sequential, op)[part] for row in rows for op in row]
        return self._parts[key]

    def norms(self, primitives: Sequence[str], part: int) -> Norms:
        """``parts`` that are BatchNorms."""
        key = tuple(primitives), part
        if key not in self._norms:
            self._norms[key] = Norms(cast(list[nn.BatchNorm2d], self.parts(primitives, part)))
        return self._norms[key]

    @cached_property
    def pooling(self) -> Norms:
        """The BatchNorms behind the pools: those of one pool on all edges, then the next one's."""
        pools = [p for p in POOLS if p in self.columns]
        return Norms([norm for pool in pools for norm in self.norms([pool], 1).modules])

    @cached_property
    def reducing(self) -> Norms:
        """The BatchNorms of skip connections that halve the map."""
        return Norms([cast(FactorizedReduce, m).norm for m in self.operations("skip_connect")])


class Pass:
    """What one pass needs of a cell's parameters: its mixture and its kernels, stacked once.

    ``groups`` are all edges of the cell, ``weights`` its mixture (edges, primitives).
    """

    def __init__(self, groups: Sequence[Edges], weights: Tensor) -> None:
        self.groups = groups
        by_row = weights.unbind()
        self._columns = torch.stack([by_row[row] for edges in groups for row in edges.rows], dim=1)
        self._shares: dict[tuple[str, ...], Sequence[Tensor]] = {}
        self._kernels: dict[tuple[tuple[str, ...], int], Sequence[Tensor]] = {}

    def shares(self, edges: Edges, primitives: Sequence[str]) -> Tensor:
        """The mixture weights of some primitives, (rows, primitives)."""
        key = tuple(primitives)
        if key not in self._shares:
            columns = [self._columns[edges.columns[primitive]] for primitive in primitives]
            sizes = [len(edges.rows) for edges in self.groups]
            self._shares[key] = torch.stack(columns, dim=1).split(sizes)
        return self._shares[key][self.groups.index(edges)]

    def kernels(self, edges: Edges, primitives: Sequence[str], part: int) -> Tensor:
        """Weights of the convolutions that are number ``part`` of each operation.

        (rows · primitives, C_out, C_in, k, k). Small kernels have a border of zeros.
        """
        key = tuple(primitives), part
        if key not in self._kernels:
            sizes = [len(edges.rows) * len(primitives) for edges in self.groups]
            self._kernels[key] = self._stack(primitives, part).split(sizes)
        return self._kernels[key][self.groups.index(edges)]

    def _stack(self, primitives: Sequence[str], part: int) -> Tensor:
        columns = []
        for primitive in primitives:
            convolutions = chain.from_iterable(e.parts([primitive], part) for e in self.groups)
            columns.append(torch.stack([cast(Tensor, c.weight) for c in convolutions]))
        if len(columns) == 1:
            return columns[0]
        largest = max(column.shape[-1] for column in columns)
        borders = [(largest - column.shape[-1]) // 2 for column in columns]
        padded = [
            F.pad(column, [border] * 4) if border else column
            for column, border in zip(columns, borders, strict=True)
        ]
        return torch.stack(padded, dim=1).flatten(0, 1)


def halves(reduces: Sequence[nn.Module]) -> Tensor:
    """Several ``FactorizedReduce`` as one 2×2 convolution of stride 2: (modules, C_out, C, 2, 2).

    Its even half reads the upper left pixel of each four, its odd half the lower right one.
    """
    modules = [cast(FactorizedReduce, module) for module in reduces]
    even = torch.stack([module.even.weight for module in modules])
    odd = torch.stack([module.odd.weight for module in modules])
    return torch.cat([F.pad(even, (0, 1, 0, 1)), F.pad(odd, (1, 0, 1, 0))], dim=1)
