"""What leaves the states of a cell, for small maps: a few large matrix products.

- States are laid out as (channel, height, width, image), so that a map operation is a matrix on
  pixels.
- On a small map a depthwise convolution *is* a small matrix: kernel × a constant 0/1 basis.
- A small kernel is a large one with a border of zeros, so kernels of two sizes share one product.
- Edges that leave one state share its ReLU, its pools and the pools' BatchNorm.
- Convolutions of all primitives on all edges that leave a state are one batched product.
- BatchNorm and the mixture weight are folded into the pointwise convolution (``products``).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.cnn.edges import DEPTHWISE, Edges, Norms, Pass, halves
from dartsedu.cnn.operations import FactorizedReduce
from dartsedu.cnn.products import normalised


def enter(module: nn.Module, images: Tensor) -> Tensor:
    """An input of a cell, (N, C, H, W), brought to the cell's width: (C, H, W, N)."""
    active = images.permute(1, 2, 3, 0).contiguous().relu()
    if isinstance(module, FactorizedReduce):
        size = ceil(active.shape[1] / 2), ceil(active.shape[2] / 2), active.shape[3]
        return _reduce(active[:, None], [module], Norms([module.norm]), 1).view(-1, *size)
    _, point, norm = cast(nn.Sequential, module)
    w = cast(Tensor, point.weight).flatten(1)[None]
    z = normalised(active.flatten(1)[None], w, Norms([cast(nn.BatchNorm2d, norm)]))
    return z[0].view(-1, *active.shape[1:])


CHANNELS = 0
"""The axis of a state's channels."""


def images(state: Tensor) -> Tensor:
    """A state as images (N, C, H, W)."""
    return state.permute(3, 0, 1, 2)


def leave(
    edges: Edges, this: Pass, states: Sequence[Tensor], before: Sequence[Tensor] | None
) -> Sequence[Tensor]:
    """Σ of ō over the edges that enter each target, added to what is there ``before``."""
    channels, height, width, count = states[0].shape
    size = ceil(height / edges.stride), ceil(width / edges.stride)
    shape = edges.each, channels, *size, count
    total = None if before is None else torch.stack(list(before))
    if edges.shared:
        total = _mix_shared(edges, this, states, total)

    if edges.twice or edges.once or edges.reduces:
        active = torch.stack(list(states), dim=1).relu_()
        for primitives in (edges.twice, edges.once):
            if primitives:
                total = _convolve(edges, this, primitives, active, total)
        if edges.reduces:
            gamma = this.shares(edges, ["skip_connect"])
            modules = edges.operations("skip_connect")
            total = _reduce(active, modules, edges.reducing, edges.each, gamma, total)

    for primitive in edges.rest:
        apart = [images(state).contiguous() for state in states for _ in range(edges.each)]
        shares = this.shares(edges, [primitive]).unbind()
        triples = zip(shares, edges.operations(primitive), apart, strict=True)
        outs = torch.stack([weight * op(state) for weight, op, state in triples])
        mixed = outs.unflatten(0, (edges.sources, -1)).sum(dim=0).permute(0, 2, 3, 4, 1)
        total = mixed if total is None else total.view(shape) + mixed

    return (states[0].new_zeros(shape) if total is None else total.reshape(shape)).unbind()


def _mix_shared(edges: Edges, this: Pass, states: Sequence[Tensor], total: Tensor | None) -> Tensor:
    """``total`` + Σ of weight · op over the primitives that edges share: (targets, C · pixels · N).

    Where several edges enter a target, their sum is one product.
    """
    together = torch.cat(list(states)) if edges.sources > 1 else states[0]
    found = None if total is None else total.view(edges.each, -1)

    def mix(primitives: Sequence[str], x: Tensor, found: Tensor | None) -> Tensor:
        shares = this.shares(edges, primitives).view(edges.sources, edges.each, -1)
        shares = shares.permute(1, 2, 0).reshape(edges.each, -1)
        return torch.mm(shares, x) if found is None else torch.addmm(found, shares, x)

    pools = [primitive for primitive in edges.shared if primitive != "skip_connect"]
    if pools:
        # To a pool, images are channels, which come last.
        maps = together.permute(0, 3, 1, 2)
        pooled = [edges.parts([p], 0)[0](maps).permute(0, 2, 3, 1) for p in pools]
        z = _batch_norm(torch.cat(pooled).flatten(1), edges.pooling)
        found = mix(pools, z.view(len(pools) * edges.sources, -1), found)
    if "skip_connect" in edges.shared:
        found = mix(["skip_connect"], together.view(edges.sources, -1), found)
    return cast(Tensor, found)


def _batch_norm(x: Tensor, norms: Norms) -> Tensor:
    """BatchNorm in training, x (maps · C, pixels · N).

    In this layout a row is normalised, as LayerNorm does, which is twice as fast.
    """
    first, count = norms.first, x.shape[1]
    y, mean, rstd = torch.native_layer_norm(x, [count], None, None, first.eps)
    if first.track_running_stats:
        with torch.no_grad():
            var = (rstd**-2 - first.eps) * (count / max(count - 1, 1))
        norms.keep(mean.view(-1, first.num_features), var.view(-1, first.num_features))
    return y


def _reduce(
    active: Tensor,
    modules: Sequence[nn.Module],
    norms: Norms,
    targets: int,
    gamma: Tensor | None = None,
    total: Tensor | None = None,
) -> Tensor:
    """``total`` + Σ over sources of γ · ``FactorizedReduce``: (1, targets · C, pixels · N).

    ``active`` (C, sources, H, W, N), and a module for each target of each source.
    """
    channels, sources, height, width, _ = active.shape
    shifted = F.pad(active, (0, 0, 0, width % 2, 0, height % 2))[:, :, 1:, 1:]
    both = torch.stack([active[:, :, ::2, ::2], shifted[:, :, ::2, ::2]]).transpose(1, 2)
    d = both.transpose(0, 1).reshape(sources, 2 * channels, -1)
    # The upper left and the lower right pixel of every four.
    w = halves(modules).diagonal(dim1=3, dim2=4).movedim(3, 2).flatten(2)
    out = w.shape[1]
    w = w.reshape(sources, -1, 2 * channels)
    if gamma is not None:
        gamma = gamma.flatten().repeat_interleave(out).view(sources, -1)
    if total is not None:
        total = total.view(1, targets * out, -1)
    return normalised(d, w, norms, gamma, sources=sources, base=total)


def _convolve(
    edges: Edges,
    this: Pass,
    primitives: Sequence[str],
    active: Tensor,
    total: Tensor | None,
) -> Tensor:
    """``total`` + Σ of weight · op over primitives that convolve as often.

    ``active`` (C, sources, H, W, N), the sum (targets, C, pixels · N). Branches run over (row,
    primitive), in this order.
    """
    channels, sources, height, width, count = active.shape
    kinds = [DEPTHWISE[primitive] for primitive in primitives]
    twice, dilation, largest = kinds[0].twice, kinds[0].dilation, max(k.kernel for k in kinds)
    branches = len(edges.rows) * len(primitives)
    gamma = this.shares(edges, primitives).view(-1, 1)

    def flat(part: int) -> Tensor:
        """Kernels (branches, rows of a matrix, columns of a matrix)."""
        return this.kernels(edges, primitives, part).view(branches, channels, -1)

    basis = _basis(largest, dilation, edges.stride, height, width, active.dtype)
    matrices = torch.mm(flat(1).transpose(0, 1).reshape(-1, largest**2), basis)
    matrices = matrices.view(channels * sources, -1, height * width)
    d = torch.bmm(matrices, active.view(channels * sources, height * width, count))
    d = d.view(channels, branches, -1).transpose(0, 1)
    if twice:
        z = normalised(d, flat(2), edges.norms(primitives, 3)).relu_()
        height, width = ceil(height / edges.stride), ceil(width / edges.stride)
        basis = _basis(largest, dilation, 1, height, width, active.dtype)
        matrices = torch.mm(flat(5).flatten(0, 1), basis).view(-1, height * width, height * width)
        d = torch.bmm(matrices, z.view(-1, height * width, count))
        d = d.view(branches, channels, -1)
    first = 5 if twice else 1
    norms = edges.norms(primitives, first + 2)
    base = None if total is None else total.view(edges.each, channels, -1)
    return normalised(d, flat(first + 1), norms, gamma, len(primitives), sources, base)


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
