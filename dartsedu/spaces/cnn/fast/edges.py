"""The edges of a cell that leave the same states, seen together: what they share, what they stack.

Which modules belong together is looked up once. Weights are read from the plain modules on the way
in, so there is one set of parameters and nothing to keep in step.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from dartsedu.base.packing import as_vector
from dartsedu.relaxation import MixedOp
from dartsedu.spaces.cnn.fast.gathered import Plan
from dartsedu.spaces.cnn.operations import FactorizedReduce
from dartsedu.spaces.cnn.stack import Place
from dartsedu.topology import Topology


class Cell(Protocol):
    """What the fast form reads of a cell of the supernet, which is its plain form."""

    training: bool
    w: Tensor | None
    twice: bool

    @property
    def topology(self) -> Topology:
        """The graph."""

    @property
    def primitives(self) -> tuple[str, ...]:
        """The candidates of every edge."""

    @property
    def place(self) -> Place:
        """Where the cell stands in the stack."""

    @property
    def preprocess(self) -> nn.ModuleList:
        """What prepares each input."""

    @property
    def edges(self) -> nn.ModuleList:
        """A ``MixedOp`` for each edge."""

    @property
    def groups(self) -> Groups:
        """The edges that are computed together."""

    def modules(self) -> Iterator[nn.Module]:
        """Every module inside."""


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

    @property
    def rows(self) -> list[Tensor]:
        """Means and variances (modules, C), and numbers of batches (modules,): all, to be moved."""
        present = cast(Tensor, self.first.running_mean)
        if not self._rows or self._rows[0].data_ptr() != present.data_ptr():
            self._gather()  # At first, and after modules were moved or loaded.
        return self._rows

    @torch.inference_mode(False)  # They may next be moved in a pass with gradients.
    def _gather(self) -> None:
        self._rows = []
        for name in BUFFERS:
            each = [module.get_buffer(name) for module in self.modules]
            rows = torch.stack(each) if len(each) > 1 else each[0][None]
            for module, row in zip(self.modules, rows, strict=True):
                module._buffers[name] = row
            self._rows.append(rows)


class Statistics:
    """What a pass has found of the batch, which all BatchNorms keep at its end."""

    def __init__(self) -> None:
        self._norms: list[Norms] = []
        self._means: list[Tensor] = []
        self._scales: list[Tensor] = []
        self._counts: list[int] = []

    def note(self, norms: Norms, mean: Tensor, r: Tensor, count: int) -> None:
        """Of maps side by side the means and r = (variance + ε)^−½, of ``count`` entries each.

        There is a module for each map; or several, one after the other, that all keep the same.
        """
        self._norms.append(norms)
        self._means.append(mean.detach())
        self._scales.append(r.detach())
        self._counts.append(count)

    @torch.no_grad()
    def keep(self) -> None:
        """Move every module's statistics towards what was found."""
        if not self._norms:
            return
        first = self._norms[0].first
        variances = list(torch._foreach_pow(self._scales, -2))
        torch._foreach_sub_(variances, first.eps)
        torch._foreach_mul_(variances, [count / max(count - 1, 1) for count in self._counts])
        kept, found, numbers = [], [], []
        for norms, *moments in zip(self._norms, self._means, variances, strict=True):
            *every, number = norms.rows
            for rows, new in zip(every, moments, strict=True):
                # (maps, modules that keep the same of one, C)
                new = new.view(-1, 1, rows.shape[1])
                kept.append(rows.view(new.shape[0], -1, rows.shape[1]))
                found.append(new)
            numbers.append(number)
        torch._foreach_lerp_(kept, found, first.momentum or 0.0)
        torch._foreach_add_(numbers, 1)


class Edges:
    """Edges of ``cell`` that leave some states for the same targets, ordered by state.

    ``rows`` are their rows of α, ``sources`` the number of states, ``stride`` that of the edges;
    ``targets`` are the states they enter, ``each`` how many of these there are; ``convolving`` are
    the primitives that convolve as often, together.
    """

    def __init__(self, cell: Cell, rows: Sequence[int], sources: int, stride: int) -> None:
        self.rows, self.sources, self.stride = rows, sources, stride
        links = cell.topology.edges
        self.each = len(rows) // sources
        self.targets = [links[row].target for row in rows[: self.each]]
        self.columns = {primitive: k for k, primitive in enumerate(cell.primitives)}
        self.twice = [p for p in DEPTHWISE if p in self.columns and DEPTHWISE[p].twice]
        self.once = [p for p in DEPTHWISE if p in self.columns and not DEPTHWISE[p].twice]
        self.convolving = [family for family in (self.twice, self.once) if family]
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
    def pools(self) -> list[str]:
        """The pools among what is shared."""
        return [p for p in self.shared if p in POOLS]

    @property
    def alike(self) -> list[list[str]]:
        """What is shared, in the parts that are mixed at once."""
        skip = [p for p in self.shared if p == "skip_connect"]
        return [family for family in (self.pools, skip) if family]

    @property
    def apart(self) -> list[list[str]]:
        """Primitives that give something of its own on every edge, likewise."""
        skip = [["skip_connect"]] if self.reduces else []
        return [*self.convolving, *skip, *([p] for p in self.rest)]

    @property
    def rest(self) -> list[str]:
        """Primitives that are called edge by edge."""
        known = {*self.shared, *DEPTHWISE, "none", "skip_connect"}
        return [p for p in self.columns if p not in known]

    def operations(self, primitive: str) -> list[nn.Module]:
        """The modules of a primitive, one for each edge."""
        k = self.columns[primitive]
        return [cast(MixedOp, self._cell.edges[row]).operations[k] for row in self.rows]

    def convolutions(self, primitives: Sequence[str]) -> list[int]:
        """Numbers of an operation's modules that are convolutions, depthwise and pointwise ones."""
        return [1, 2, 5, 6] if DEPTHWISE[primitives[0]].twice else [1, 2]

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


class Groups:
    """All edges of a cell in groups, in the order in which the states that they leave are known.

    ``sources`` are the states of each group: those that are known at once and whose edges enter the
    same states.
    """

    def __init__(self, cell: Cell) -> None:
        topology = cell.topology
        self.sources = _known_at_once(topology)
        self.edges = []
        for sources in self.sources:
            links = enumerate(topology.edges)
            by_source = sorted((link.source, row) for row, link in links if link.source in sources)
            rows = [row for _, row in by_source]
            self.edges.append(Edges(cell, rows, len(sources), cell.place.stride(sources[0])))
        self.leaving = [edges for edges in self.edges if edges.rows]
        self.rows = len(topology.edges)
        self.preparing = list(cell.preprocess)
        self.entering = Norms([_norm_of(module) for module in self.preparing])
        self._weights = [
            (module, name)
            for module in cell.modules()
            for name, weight in module._parameters.items()
            if weight is not None
        ]
        self.plans: dict[Hashable, Plan] = {}
        """What the forms have worked out once."""

    def vector(self) -> Tensor:
        """The cell's weights, one after the other."""
        # To ask a module for its weight takes as long as to copy it.
        return as_vector(cast(Tensor, module._parameters[name]) for module, name in self._weights)

    def positions(self) -> dict[tuple[nn.Module, str], Tensor]:
        """Where in that vector the entries of each weight stand, by module and name."""
        found, begin = {}, 0
        for module, name in self._weights:
            shape = cast(Tensor, module._parameters[name]).shape
            found[module, name] = begin + torch.arange(shape.numel()).view(shape)
            begin += shape.numel()
        return found


def _known_at_once(topology: Topology) -> list[tuple[int, ...]]:
    inputs = tuple(range(topology.inputs))
    entered = {tuple(e.target for e in topology.edges if e.source == s) for s in inputs}
    first = [inputs] if len(entered) == 1 else [(s,) for s in inputs]
    return [*first, *((topology.inputs + node,) for node in range(topology.nodes))]


def _norm_of(module: nn.Module) -> nn.BatchNorm2d:
    if isinstance(module, FactorizedReduce):
        return module.norm
    return cast(nn.BatchNorm2d, cast(nn.Sequential, module)[2])
