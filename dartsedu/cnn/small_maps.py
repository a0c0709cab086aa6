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

from dartsedu.cnn.edges import DEPTHWISE, Edges, halves, norms, track
from dartsedu.cnn.operations import FactorizedReduce
from dartsedu.cnn.products import normalised
from dartsedu.relaxation import add


def enter(module: nn.Module, images: Tensor) -> Tensor:
    """An input of a cell, (N, C, H, W), brought to the cell's width: (C, H, W, N)."""
    active = images.permute(1, 2, 3, 0).contiguous().relu()
    if isinstance(module, FactorizedReduce):
        return _reduce(active[:, None], [module], None)[0]
    point = cast(nn.Conv2d, cast(nn.Sequential, module)[1]).weight
    z = normalised(active.flatten(1)[None], point.flatten(1)[None], norms([module], 2))
    return z[0].view(-1, *active.shape[1:])


def images(state: Tensor) -> Tensor:
    """A state as images (N, C, H, W)."""
    return state.permute(3, 0, 1, 2)


def leave(edges: Edges, states: Sequence[Tensor]) -> list[Tensor]:
    """ō of every edge that leaves ``states``."""
    channels, height, width, count = states[0].shape
    size = ceil(height / edges.stride), ceil(width / edges.stride)
    shape = len(edges.rows), channels, *size, count
    found: list[Tensor] = []
    if edges.shared:
        found.append(_mix_shared(edges, states))

    if edges.separable or edges.reduces:
        active = torch.stack(list(states), dim=1).relu()
        for twice in (True, False):
            primitives = [p for p in edges.separable if DEPTHWISE[p].twice == twice]
            if primitives:
                found.append(_convolve(edges, primitives, active))
        if edges.reduces:
            modules = edges.operations("skip_connect")
            found.append(_reduce(active, modules, edges.share("skip_connect")))

    for primitive in edges.rest:
        apart = [images(state).contiguous() for state in states for _ in range(edges.each)]
        triples = zip(edges.share(primitive), edges.operations(primitive), apart, strict=True)
        outs = [weight * op(state) for weight, op, state in triples]
        found.append(torch.stack(outs).permute(0, 2, 3, 4, 1))

    total = add(x.reshape(shape) for x in found) if found else states[0].new_zeros(shape)
    return list(total.unbind())


def _mix_shared(edges: Edges, states: Sequence[Tensor]) -> Tensor:
    """Σ of weight · op over the primitives that edges share: (sources, edges, C · pixels · N)."""
    shares = torch.stack([edges.share(primitive) for primitive in edges.shared], dim=1)
    same: list[Tensor] = []
    pools = [primitive for primitive in edges.shared if primitive != "skip_connect"]
    if pools:
        # To a pool, images are channels, which come last.
        maps = torch.cat(list(states)).permute(0, 3, 1, 2)
        pooled = [
            edges.operations(primitive)[0].get_submodule("0")(maps).permute(0, 2, 3, 1)
            for primitive in pools
        ]
        x = torch.stack(pooled).view(len(pools), edges.sources, states[0].shape[0], -1)
        same += _shared_norm(x, [norms(edges.operations(p), 1) for p in pools])
    if "skip_connect" in edges.shared:
        same.append(torch.stack(list(states)).flatten(2))
    mixed = torch.stack([x.flatten(1) for x in same], dim=1)
    return torch.bmm(shares.unflatten(0, (edges.sources, -1)), mixed)


def _shared_norm(x: Tensor, modules: Sequence[Sequence[nn.BatchNorm2d]]) -> list[Tensor]:
    """BatchNorm in training of x (pools, sources, C, M), whose statistics many modules keep."""
    count = x.shape[3]
    mean = x.mean(dim=3, keepdim=True)
    x = x - mean
    var = torch.linalg.vecdot(x, x)[..., None] / count
    if modules[0][0].track_running_stats:
        unbiased = var.detach() * (count / max(count - 1, 1))
        every = [module for those in modules for module in those]
        track(every, mean.detach()[..., 0].flatten(0, 1), unbiased[..., 0].flatten(0, 1))
    return list((x * (var + modules[0][0].eps).rsqrt()).unbind())


def _reduce(active: Tensor, modules: Sequence[nn.Module], gamma: Tensor | None) -> Tensor:
    """``FactorizedReduce`` by several modules, times γ: (modules, C, H/2, W/2, N).

    ``active`` (C, sources, H, W, N), and equally many modules for each source.
    """
    channels, sources, height, width, count = active.shape
    shifted = F.pad(active, (0, 0, 0, width % 2, 0, height % 2))[:, :, 1:, 1:]
    both = torch.stack([active[:, :, ::2, ::2], shifted[:, :, ::2, ::2]]).transpose(1, 2)
    size = both.shape[3:5]
    d = both.transpose(0, 1).reshape(sources, 2 * channels, -1)
    # The upper left and the lower right pixel of every four.
    w = halves(modules).diagonal(dim1=3, dim2=4).movedim(3, 2).flatten(2)
    out = w.shape[1]
    w = w.reshape(sources, -1, 2 * channels)
    own = [cast(FactorizedReduce, module).norm for module in modules]
    scale = None if gamma is None else gamma.repeat_interleave(out).view(sources, -1, 1)
    z = normalised(d, w, own)
    z = z if scale is None else z * scale
    return z.view(len(modules), out, *size, count)


def _convolve(edges: Edges, primitives: Sequence[str], active: Tensor) -> Tensor:
    """Σ of weight · op over primitives that convolve as often: (rows, C, pixels · N).

    ``active`` (C, sources, H, W, N). Branches run over (row, primitive), in this order.
    """
    channels, sources, height, width, count = active.shape
    kinds = [DEPTHWISE[primitive] for primitive in primitives]
    twice, dilation, largest = kinds[0].twice, kinds[0].dilation, max(k.kernel for k in kinds)
    columns = [edges.operations(primitive) for primitive in primitives]
    branches = [op for row in zip(*columns, strict=True) for op in row]
    gamma = torch.stack([edges.share(primitive) for primitive in primitives], dim=1).flatten()

    def flat(part: int) -> Tensor:
        """Kernels (branches, rows of a matrix, columns of a matrix)."""
        return edges.kernels(primitives, part).view(len(branches), channels, -1)

    basis = _basis(largest, dilation, edges.stride, height, width, active.dtype)
    matrices = torch.mm(flat(1).transpose(0, 1).reshape(-1, largest**2), basis)
    matrices = matrices.view(channels * sources, -1, height * width)
    d = torch.bmm(matrices, active.view(channels * sources, height * width, count))
    d = d.view(channels, len(branches), -1).transpose(0, 1)
    if twice:
        z = normalised(d, flat(2), norms(branches, 3)).relu_()
        height, width = ceil(height / edges.stride), ceil(width / edges.stride)
        basis = _basis(largest, dilation, 1, height, width, active.dtype)
        matrices = torch.mm(flat(5).flatten(0, 1), basis).view(-1, height * width, height * width)
        d = torch.bmm(matrices, z.view(-1, height * width, count))
        d = d.view(len(branches), channels, -1)
    first = 5 if twice else 1
    return normalised(d, flat(first + 1), norms(branches, first + 2), gamma, len(primitives))


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
