"""What leaves the states of a cell, for maps of any size: images (N, C, H, W), channels last.

- Edges that leave one state share its ReLU, its pools and the pools' BatchNorm.
- Convolutions of one kind on all edges that leave a state are one call with as many more channels.
- The mixture weight is BatchNorm's γ, so weighting costs nothing.
- Pools and skip connections are mixed by one 1×1 convolution whose kernel is the mixture.
- With the channels last in memory no library has to turn the maps around.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.cnn.depthwise import depthwise
from dartsedu.cnn.edges import DEPTHWISE, Edges, Groups, Norms, Statistics
from dartsedu.cnn.operations import FactorizedReduce
from dartsedu.relaxation import add

CHANNELS = 1
"""The axis of a state's channels."""


class Pass(Statistics):
    """What one pass needs of a cell's parameters: its mixture and its kernels, stacked once.

    ``weights`` is the cell's mixture (edges, primitives).
    """

    def __init__(self, groups: Groups, weights: Tensor) -> None:
        super().__init__()
        self._groups = groups.edges
        by_row = weights.unbind()
        rows = [by_row[row] for edges in self._groups for row in edges.rows]
        sizes = [len(edges.rows) for edges in self._groups]
        self._mixture = torch.stack(rows).split(sizes)
        self._kernels: dict[tuple[str, int], Sequence[Tensor]] = {}

    def shares(self, edges: Edges, primitives: Sequence[str]) -> Tensor:
        """The mixture weights of some primitives, (rows, primitives)."""
        columns = self._mixture[self._groups.index(edges)].unbind(1)
        return torch.stack([columns[edges.columns[primitive]] for primitive in primitives], dim=1)

    def kernels(self, edges: Edges, primitive: str, part: int) -> Tensor:
        """Weights of the convolutions that are number ``part`` of each operation.

        Side by side: (rows · C_out, C_in, k, k).
        """
        if (primitive, part) not in self._kernels:
            every = chain.from_iterable(e.parts([primitive], part) for e in self._groups)
            stacked = torch.cat([cast(Tensor, convolution.weight) for convolution in every])
            each = len(stacked) // sum(len(e.rows) for e in self._groups)
            sizes = [len(e.rows) * each for e in self._groups]
            self._kernels[primitive, part] = stacked.split(sizes)
        return self._kernels[primitive, part][self._groups.index(edges)]


def enter(modules: nn.ModuleList, inputs: Sequence[Tensor], this: Pass) -> Tensor:
    """The inputs of a cell, brought to its width, side by side: (N, inputs · C, H, W)."""
    pairs = zip(modules, inputs, strict=True)
    found = [module(x.contiguous(memory_format=torch.channels_last)) for module, x in pairs]
    return torch.cat(found, dim=1)


def apart(together: Tensor, number: int) -> Sequence[Tensor]:
    """So many states that are side by side."""
    return together.chunk(number, dim=1)


def images(state: Tensor) -> Tensor:
    """A state as images (N, C, H, W)."""
    return state


def leave(
    edges: Edges, this: Pass, together: Tensor, before: Sequence[Tensor] | None
) -> Sequence[Tensor]:
    """Σ of ō over the edges that enter each target, added to what is there ``before``.

    ``together`` (N, sources · C, H, W).
    """
    each, sources = edges.each, edges.sources
    found: list[Tensor] = []

    if edges.shared:
        found.append(_mix_shared(edges, this, together))

    active = together.relu()
    separable = [*edges.twice, *edges.once]
    if separable:
        copies = [state for state in apart(active, sources) for _ in range(each)]
        copied = torch.cat(copies, dim=1) if len(copies) > 1 else active
        found += [_convolve(edges, this, p, copied) for p in separable]

    if edges.reduces:
        modules = edges.operations("skip_connect")
        height, width = active.shape[2:]
        padded = F.pad(active, (0, width % 2, 0, height % 2))
        z = F.conv2d(padded, _halves(modules).flatten(0, 1), stride=2, groups=sources)
        gamma = this.shares(edges, ["skip_connect"]).flatten()
        found.append(batch_norm(z, edges.reducing, gamma, this))

    for primitive in edges.rest:
        states = [state for state in apart(together, sources) for _ in range(each)]
        shares = this.shares(edges, [primitive]).unbind()
        triples = zip(shares, edges.operations(primitive), states, strict=True)
        found.append(torch.cat([weight * op(state) for weight, op, state in triples], dim=1))

    if not found:
        empty = apart(together, sources)[0][:, :, :: edges.stride, :: edges.stride]
        return before or [torch.zeros_like(empty) for _ in range(each)]
    mixed = list(apart(add(found), sources))
    if before is not None:
        mixed.append(torch.cat(list(before), dim=1))
    return apart(add(mixed), each)


def _mix_shared(edges: Edges, this: Pass, together: Tensor) -> Tensor:
    """Σ of weight · op over the primitives that edges share: (N, rows · C, H, W)."""
    same = []
    for primitive in edges.shared:
        if primitive == "skip_connect":
            same.append(together)
        else:
            pooled = edges.parts([primitive], 0)[0](together)
            same.append(batch_norm(pooled, edges.norms([primitive], 1), None, this))
    shares = this.shares(edges, edges.shared)
    channels = together.shape[1] // edges.sources
    pieces = [apart(x, edges.sources) for x in same]
    ordered = torch.cat([x[s] for s in range(edges.sources) for x in pieces], dim=1)
    identity = torch.eye(channels, dtype=shares.dtype, device=shares.device)
    kernel = torch.einsum("rp,cd->rcpd", shares, identity).flatten(2).flatten(0, 1)
    return F.conv2d(ordered, kernel[..., None, None], groups=edges.sources)


def _convolve(edges: Edges, this: Pass, primitive: str, copied: Tensor) -> Tensor:
    """weight · op for a primitive of depthwise convolutions, on all edges: (N, rows · C, H, W).

    ``copied`` (N, rows · C, H, W) is the active state that each edge leaves.
    """
    kind, rows = DEPTHWISE[primitive], len(edges.rows)

    def pair(x: Tensor, part: int, stride: int, dilation: int) -> Tensor:
        y = depthwise(x, this.kernels(edges, primitive, part), stride, dilation)
        return F.conv2d(y, this.kernels(edges, primitive, part + 1), groups=rows)

    z = pair(copied, 1, edges.stride, kind.dilation)
    if kind.twice:
        middle = batch_norm(z, edges.norms([primitive], 3), None, this).relu()
        z = pair(middle, 5, 1, kind.dilation)
    gamma = this.shares(edges, [primitive]).flatten()
    return batch_norm(z, edges.norms([primitive], 7 if kind.twice else 3), gamma, this)


def _halves(reduces: Sequence[nn.Module]) -> Tensor:
    """Several ``FactorizedReduce`` as one 2×2 convolution of stride 2: (modules, C_out, C, 2, 2).

    Its even half reads the upper left pixel of each four, its odd half the lower right one.
    """
    modules = [cast(FactorizedReduce, module) for module in reduces]
    even = torch.stack([module.even.weight for module in modules])
    odd = torch.stack([module.odd.weight for module in modules])
    return torch.cat([F.pad(even, (0, 1, 0, 1)), F.pad(odd, (1, 0, 1, 0))], dim=1)


def batch_norm(x: Tensor, norms: Norms, gamma: Tensor | None, this: Statistics) -> Tensor:
    """BatchNorm of maps side by side, x (N, maps · C, …), each times its γ (maps,).

    There is a module for each map; or several, one after the other, that all keep its statistics.
    """
    first = norms.first
    # PyTorch finds a wrong input gradient on a CPU, silently, if γ is not contiguous.
    scale = None if gamma is None else gamma.repeat_interleave(first.num_features).contiguous()
    if not first.training:
        mean, var = norms.running("running_mean"), norms.running("running_var")
        return F.batch_norm(x, mean, var, scale, eps=first.eps)
    if not first.track_running_stats:
        return F.batch_norm(x, None, None, scale, training=True, eps=first.eps)
    # With a momentum of one the running statistics are the batch's.
    mean, var = x.new_zeros(2, x.shape[1], dtype=cast(Tensor, first.running_mean).dtype)
    y = F.batch_norm(x, mean, var, scale, training=True, momentum=1.0, eps=first.eps)
    this.note(norms, mean, var)
    return y
