"""What leaves the states of a cell, for maps of any size: images (N, C, H, W), channels last.

- Edges that leave one state share its ReLU, its pools and the pools' BatchNorm.
- Convolutions of one kind on all edges that leave a state are one call with as many more channels.
- Pools and skip connections are mixed by one 1×1 convolution whose kernel is the mixture.
- With the channels last in memory no library has to turn the maps around.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.relaxation import add
from dartsedu.spaces.cnn.fast.batch_norm import batch_norm
from dartsedu.spaces.cnn.fast.channels import channels_last, side_by_side
from dartsedu.spaces.cnn.fast.convolution import How, convolve, separable
from dartsedu.spaces.cnn.fast.edges import DEPTHWISE, Edges, Norms
from dartsedu.spaces.cnn.fast.plan import Reading, for_large_maps
from dartsedu.spaces.cnn.operations import FactorizedReduce

CHANNELS = 1
"""The axis of a state's channels."""
SIDE = 1
"""The axis along which states are side by side."""


class Pass(Reading):
    """One pass over a cell."""

    make = staticmethod(for_large_maps)

    def batch_norm(self, x: Tensor, norms: Norms) -> Tensor:
        """BatchNorm of maps side by side (N, maps · C, H, W)."""
        first = norms.first
        if not first.training:
            mean, var = norms.running("running_mean"), norms.running("running_var")
            return F.batch_norm(x, mean, var, eps=first.eps)
        y, mean, r = batch_norm(x, first.eps)
        if first.track_running_stats:
            self.note(norms, mean, r, x.numel() // x.shape[1])
        return y


def enter(modules: nn.ModuleList, inputs: Sequence[Tensor], this: Pass) -> Tensor:
    """The inputs of a cell, brought to its width, side by side: (N, inputs · C, H, W)."""
    found = []
    for module, x in zip(modules, inputs, strict=True):
        active, kernel = channels_last(x).relu(), this.kernels[module]
        halved = isinstance(module, FactorizedReduce)
        found.append(_reduce(active, kernel) if halved else convolve(active, kernel, How()))
    return this.batch_norm(side_by_side(found), this.entering)


def apart(together: Tensor, number: int) -> Sequence[Tensor]:
    """So many states that are side by side."""
    return together.chunk(number, dim=1) if number > 1 else [together]


def images(state: Tensor) -> Tensor:
    """A state as images (N, C, H, W)."""
    return state


def leave(edges: Edges, this: Pass, together: Tensor, before: Tensor | None) -> Tensor:
    """Σ of ō over the edges that enter each target, added to what is there ``before``.

    ``together`` (N, sources · C, H, W), the sums (N, targets · C, H, W).
    """
    each, sources = edges.each, edges.sources
    found: list[Tensor] = []

    if edges.shared:
        found.append(_mix_shared(edges, this, together))

    active = together.relu()
    seen = _copied(edges, active) if edges.convolving else active
    found += [_convolve(edges, this, p, seen, edges.stride) for p in edges.twice]
    if edges.once and edges.stride == 2:  # Dilated kernels read every second pixel, side by side.
        seen = _copied(edges, F.avg_pool2d(active, 1, 2))
    found += [_convolve(edges, this, p, seen, 1) for p in edges.once]

    if edges.reduces:
        y = this.batch_norm(_reduce(active, this.kernels[edges], sources), edges.reducing)
        found.append(_weighted(this.mixture[edges, ("skip_connect",)], y))

    for primitive in edges.rest:
        states = [state for state in apart(together, sources) for _ in range(each)]
        shares = this.mixture[edges, (primitive,)].unbind()
        triples = zip(shares, edges.operations(primitive), states, strict=True)
        found.append(side_by_side([weight * this.call(op, state) for weight, op, state in triples]))

    if not found:
        if before is not None:
            return before
        count, width, *size = together[:, :, :: edges.stride, :: edges.stride].shape
        return together.new_zeros(count, width // sources * each, *size)
    mixed = list(apart(add(found), sources))
    return add(mixed if before is None else [*mixed, before])


def _mix_shared(edges: Edges, this: Pass, together: Tensor) -> Tensor:
    """Σ of weight · op over the primitives that edges share: (N, rows · C, H, W)."""
    same = []
    for primitive in edges.shared:
        if primitive == "skip_connect":
            same.append(together)
        else:
            pooled = edges.parts([primitive], 0)[0](together)
            same.append(this.batch_norm(pooled, edges.norms([primitive], 1)))
    shares = this.mixture[edges, tuple(edges.shared)]
    channels = together.shape[1] // edges.sources
    pieces = [apart(x, edges.sources) for x in same]
    ordered = side_by_side([x[s] for s in range(edges.sources) for x in pieces])
    identity = torch.eye(channels, dtype=shares.dtype, device=shares.device)
    kernel = torch.einsum("rp,cd->rcpd", shares, identity).flatten(2).flatten(0, 1)
    return convolve(ordered, kernel[..., None, None], How(groups=edges.sources))


def _copied(edges: Edges, together: Tensor) -> Tensor:
    """Each state once for every edge that leaves it: (N, rows · C, H, W)."""
    states = apart(together, edges.sources)
    return side_by_side([state for state in states for _ in range(edges.each)])


def _convolve(edges: Edges, this: Pass, primitive: str, seen: Tensor, stride: int) -> Tensor:
    """weight · op for a primitive of depthwise convolutions, on all edges: (N, rows · C, H, W).

    ``seen`` (N, rows · C, H, W) is what is active of the state that each edge leaves.
    """
    kind, rows = DEPTHWISE[primitive], len(edges.rows)
    # What is dilated and has a stride of 2 does without both on every second pixel.
    dilation = 1 if edges.stride == 2 else kind.dilation

    def pair(x: Tensor, part: int, how: How) -> Tensor:
        deep, point = (this.kernels[edges, primitive, part + k] for k in (0, 1))
        z = separable(x, deep, point, how, relu=part > 1, keep=this.twice)
        return this.batch_norm(z, edges.norms([primitive], part + 2))

    y = pair(seen, 1, How(stride, dilation, rows))
    if kind.twice:
        y = pair(y, 5, How(groups=rows))
    return _weighted(this.mixture[edges, (primitive,)], y)


def _weighted(shares: Tensor, maps: Tensor) -> Tensor:
    """Maps (N, rows · C, H, W), each times its weight (rows, 1)."""
    channels = maps.shape[1] // len(shares)
    return maps * shares.repeat_interleave(channels, dim=0)[..., None]


def _reduce(active: Tensor, kernel: Tensor, sources: int = 1) -> Tensor:
    """``FactorizedReduce`` before its BatchNorm, of several states, ordered by source."""
    height, width = active.shape[2:]
    padded = F.pad(active, (0, width % 2, 0, height % 2))
    return F.conv2d(padded, kernel, stride=2, groups=sources)
