"""What leaves the states of a cell, for small maps: a few large matrix products.

- States are laid out as (channel, height, width, image), so that a map operation is a matrix on
  pixels, and BatchNorm normalises rows.
- On a small map a depthwise convolution *is* a small matrix: kernel × a constant 0/1 basis.
- A small kernel is a large one with a border of zeros, so kernels of two sizes share one product.
- Edges that leave one state share its ReLU, its pools and the pools' BatchNorm.
- Convolutions of all primitives on all edges that leave a state are one batched product.
- Weighting what leaves the states, and summing it by target, is one product with a matrix of the
  mixture's weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.spaces.cnn.fast.batch_norm import batch_norm_of_rows
from dartsedu.spaces.cnn.fast.edges import DEPTHWISE, Edges, Norms
from dartsedu.spaces.cnn.fast.plan import Reading, for_small_maps
from dartsedu.spaces.cnn.operations import FactorizedReduce

CHANNELS = 1
"""The axis of a state's channels."""
SIDE = 0
"""The axis along which states are side by side."""


class Pass(Reading):
    """One pass over a cell."""

    make = staticmethod(for_small_maps)

    def batch_norm(self, z: Tensor, norms: Norms) -> Tensor:
        """BatchNorm of z (maps · C, pixels · N)."""
        first = norms.first
        if not first.training:
            mean, var = (norms.running(name)[:, None] for name in ("running_mean", "running_var"))
            return (z - mean) * (var + first.eps).rsqrt()
        y, mean, r = batch_norm_of_rows(z, first.eps, self.twice)
        if first.track_running_stats:
            self.note(norms, mean, r, z.shape[1])
        return y


def enter(modules: nn.ModuleList, inputs: Sequence[Tensor], this: Pass) -> Tensor:
    """The inputs of a cell, (N, C, H, W), brought to its width: (inputs, C, H, W, N)."""
    found = []
    for module, x in zip(modules, inputs, strict=True):
        active = x.permute(1, 2, 3, 0).contiguous().relu()
        kernel = this.kernels[module]
        if isinstance(module, FactorizedReduce):
            found.append(_reduce(active[:, None], kernel)[0])
        else:
            found.append(torch.mm(kernel, active.flatten(1)))
    size = active.shape[1:]  # The newer input has the size of the cell.
    return this.batch_norm(torch.cat(found), this.entering).view(len(found), -1, *size)


def images(state: Tensor) -> Tensor:
    """A state as images (N, C, H, W)."""
    return state[0].permute(3, 0, 1, 2)


def leave(edges: Edges, this: Pass, together: Tensor, before: Tensor | None) -> Tensor:
    """Σ of ō over the edges that enter each target, added to what is there ``before``.

    ``together`` (sources, C, H, W, N), the sums (targets, C, H, W, N).
    """
    _, channels, height, width, count = together.shape
    size = ceil(height / edges.stride), ceil(width / edges.stride)
    total = None if before is None else before.flatten(1)

    def add(primitives: Sequence[str], things: Tensor) -> None:
        nonlocal total
        matrix = this.mixture[edges, tuple(primitives)]
        things = things.reshape(matrix.shape[1], -1)
        total = torch.mm(matrix, things) if total is None else torch.addmm(total, matrix, things)

    if pools := edges.pools:
        # To a pool, images are channels, which come last.
        maps = together.flatten(0, 1).permute(0, 3, 1, 2)
        pooled = [edges.parts([p], 0)[0](maps).permute(0, 2, 3, 1) for p in pools]
        add(pools, this.batch_norm(torch.cat(pooled).flatten(1), edges.pooling))
    if "skip_connect" in edges.shared:
        add(["skip_connect"], together)

    if edges.convolving or edges.reduces:
        active = together.transpose(0, 1).relu().contiguous()
        for primitives in edges.convolving:
            add(primitives, _convolve(edges, this, primitives, active))
        if edges.reduces:
            z = _reduce(active, this.kernels[edges]).flatten(0, 1)
            add(["skip_connect"], this.batch_norm(z, edges.reducing))

    for primitive in edges.rest:
        states = [images(x).contiguous() for x in together.split(1) for _ in range(edges.each)]
        pairs = zip(edges.operations(primitive), states, strict=True)
        add([primitive], torch.stack([this.call(*pair).permute(1, 2, 3, 0) for pair in pairs]))

    shape = edges.each, channels, *size, count
    return together.new_zeros(shape) if total is None else total.view(shape)


def _reduce(active: Tensor, w: Tensor) -> Tensor:
    """``FactorizedReduce`` before its BatchNorm: (sources, R, pixels · N).

    ``active`` (C, sources, H, W, N), ``w`` (sources, R, 2C).
    """
    height, width = active.shape[2:4]
    even = active[:, :, ::2, ::2]
    if height % 2 or width % 2:
        active = F.pad(active, (0, 0, 0, width % 2, 0, height % 2))
    # The upper left and the lower right pixel of every four.
    both = torch.stack([even, active[:, :, 1::2, 1::2]]).transpose(0, 2)
    return torch.bmm(w, both.transpose(1, 2).reshape(*w.shape[::2], -1))


def _convolve(edges: Edges, this: Pass, primitives: Sequence[str], active: Tensor) -> Tensor:
    """Primitives that convolve as often, on every edge: (branches · C, pixels · N).

    ``active`` (C, sources, H, W, N). Branches run over (source, target, primitive).
    """
    kinds = [DEPTHWISE[primitive] for primitive in primitives]
    twice, dilation, largest = kinds[0].twice, kinds[0].dilation, max(k.kernel for k in kinds)
    size = ceil(active.shape[2] / edges.stride), ceil(active.shape[3] / edges.stride)

    def operation(part: int, x: Tensor, stride: int) -> Tensor:
        """With BatchNorm (branches · C, pixels · N), of x (maps, H, W, N)."""
        kernel, point = (this.kernels[edges, tuple(primitives), n] for n in (part, part + 1))
        basis = _basis(largest, dilation, stride, *x.shape[1:3], x.dtype)
        z = _separable(x.flatten(1, 2), kernel, point, basis, part == 1)
        return this.batch_norm(z, edges.norms(primitives, part + 2))

    y = operation(1, active.flatten(0, 1), edges.stride)
    if twice:
        # What is to be derived twice keeps y for it.
        y = operation(5, F.relu(y, inplace=not this.twice).view(-1, *size, active.shape[4]), 1)
    return y


def _separable(x: Tensor, kernel: Tensor, point: Tensor, basis: Tensor, share: bool) -> Tensor:
    """Depthwise convolutions as matrices on pixels, and pointwise ones: (branches · C, pixels · N).

    x (maps, inputs, N), kernel (rows, k²), point (branches, C, C), basis (k², outputs · inputs).
    Rows run over (branch, channel) or, where branches ``share`` maps, over (channel, branch).
    """
    branches, _, channels = point.shape
    matrices = torch.mm(kernel, basis).view(x.shape[0], -1, x.shape[1])
    d = torch.bmm(matrices, x)
    if share:
        d = d.view(channels, branches, -1).transpose(0, 1)
    return torch.bmm(point, d.view(branches, channels, -1)).flatten(0, 1)


@lru_cache(maxsize=256)
def _basis(
    kernel: int, dilation: int, stride: int, height: int, width: int, dtype: torch.dtype
) -> Tensor:
    """(kernel², outputs · inputs): 1 where that kernel entry carries that input to that output."""
    with torch.inference_mode(False):  # It is kept, and may next be used in a pass with gradients.
        rows = _reach(kernel, dilation, stride, height)
        columns = _reach(kernel, dilation, stride, width)
        # (ky, y_out, y_in) × (kx, x_out, x_in) → (ky, kx, y_out, x_out, y_in, x_in)
        whole = torch.einsum("kab,lcd->klacbd", rows, columns)
        return whole.reshape(kernel * kernel, -1).to(dtype).contiguous()


def _reach(kernel: int, dilation: int, stride: int, size: int) -> Tensor:
    """(kernel, outputs, inputs) along one axis, with the padding that keeps the size."""
    padding = dilation * (kernel - 1) // 2
    taken = torch.zeros(kernel, ceil(size / stride), size)
    for k in range(kernel):
        for out in range(ceil(size / stride)):
            at = out * stride + k * dilation - padding
            if 0 <= at < size:
                taken[k, out, at] = 1
    return taken
