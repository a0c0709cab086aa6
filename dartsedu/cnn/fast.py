"""A cell of the supernet on a small map, as a few large matrix products.

The same function as ``supernet.Cell.forward``, for the same modules, several times faster on a CPU
where a map has few pixels. Its ideas, a sentence each:

- States are laid out as (channel, pixel, image), so that a map operation is a matrix on its pixels.
- On a small map a depthwise convolution *is* a small matrix: kernel × a constant 0/1 basis.
- Edges that leave one state share its ReLU, its pools and the pools' BatchNorm.
- Convolutions of all primitives on all edges that leave a state are one batched product.
- The mixture weight is BatchNorm's γ, so weighting costs nothing.

Weights are read from the plain modules and stacked on the way in, so there is one set of parameters
and nothing to keep in step. Everything is ordinary PyTorch, twice differentiable.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.cnn.operations import FactorizedReduce
from dartsedu.cnn.stack import COMBINE
from dartsedu.relaxation import MixedOp, add

if TYPE_CHECKING:
    from dartsedu.cnn.supernet import Cell

LARGEST_MAP = 64
"""Pixels of the largest map for which a depthwise convolution is worth a matrix."""


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


def suits(images: Tensor) -> bool:
    """Whether the fast form is the faster one for a cell with this input (N, C, H, W)."""
    return images.device.type == "cpu" and images.shape[2] * images.shape[3] <= LARGEST_MAP


def forward(cell: Cell, inputs: tuple[Tensor, Tensor], weights: Tensor) -> Tensor:
    """``cell(inputs, weights)``: inputs (N, C, H, W), weights (edges, primitives)."""
    topology = cell.topology
    states = [_prepare(module, x) for module, x in zip(cell.preprocess, inputs, strict=True)]
    incoming: dict[int, list[Tensor]] = {}
    height = width = 0
    for source in range(topology.inputs + topology.nodes):
        if source >= topology.inputs:
            states.append(_State(add(incoming.pop(source)), height, width))
        rows = [row for row, link in enumerate(topology.edges) if link.source == source]
        if rows:
            stride = cell.place.stride(source)
            height, width = (ceil(side / stride) for side in states[source][1:])
            mixed = _leave(cell, states[source], rows, stride, weights[rows])
            for row, x in zip(rows, mixed, strict=True):
                incoming.setdefault(topology.edges[row].target, []).append(x)
    outputs = [
        state.pixels.unflatten(1, (state.height, state.width)).permute(3, 0, 1, 2)
        for state in states[topology.inputs :]
    ]
    return COMBINE[topology.combine](outputs)


class _State(NamedTuple):
    """A state: ``pixels`` (C, height · width, N)."""

    pixels: Tensor
    height: int
    width: int


def _prepare(module: nn.Module, x: Tensor) -> _State:
    """An input of a cell, (N, C, H, W), brought to the cell's width."""
    images, _, height, width = x.shape
    state = _State(x.permute(1, 2, 3, 0).flatten(1, 2).contiguous(), height, width)
    if isinstance(module, FactorizedReduce):
        height, width = ceil(height / 2), ceil(width / 2)
        pixels = _reduce(state, [module], None)
    else:
        part = cast(nn.Sequential, module)
        z = _kernel(part, 1).flatten(1) @ state.pixels.relu().flatten(1)
        pixels = _norm(z[None], [part[2]], None)
    return _State(pixels.view(pixels.shape[1], -1, images), height, width)


def _reduce(state: _State, modules: Sequence[FactorizedReduce], gamma: Tensor | None) -> Tensor:
    """``FactorizedReduce`` of a state by several modules, times γ: (modules, C, pixels · N)."""
    pixels, height, width = state
    maps = pixels.relu().unflatten(1, (height, width))
    shifted = F.pad(maps, (0, 0, 0, width % 2, 0, height % 2))[:, 1:, 1:]
    halves = [
        torch.stack([conv.weight for conv in convs]).flatten(2) @ x[:, ::2, ::2].flatten(1)
        for convs, x in (
            ([module.even for module in modules], maps),
            ([module.odd for module in modules], shifted),
        )
    ]
    return _norm(torch.cat(halves, dim=1), [module.norm for module in modules], gamma)


def _leave(cell: Cell, state: _State, rows: Sequence[int], stride: int, weights: Tensor) -> Tensor:
    """ō of every edge that leaves ``state``, (edges, C, pixels, N). ``weights`` are their mixtures.

    Primitives come in groups: those all edges share, the convolutions, and the rest one by one.
    """
    pixels, height, width = state
    channels, _, images = pixels.shape
    size = ceil(height / stride), ceil(width / stride)
    mixed = [cast(MixedOp, cell.edges[row]) for row in rows]
    edges = [[cast(nn.Sequential, op) for op in edge.operations] for edge in mixed]
    column = {primitive: k for k, primitive in enumerate(cell.primitives)}
    found: list[Tensor] = []

    same: dict[str, Tensor] = {}
    # In evaluation each edge's BatchNorm has statistics of its own, so pools go with the rest.
    for primitive in [p for p in POOLS if p in column and cell.training]:
        norms = [operations[column[primitive]][1] for operations in edges]
        same[primitive] = _same_norm(_pool(primitive, state, stride), norms)
    if "skip_connect" in column and stride == 1:
        same["skip_connect"] = pixels.flatten(1)
    if same:
        shares = weights[:, [column[primitive] for primitive in same]]
        sums = shares @ torch.stack(list(same.values())).flatten(1)
        found.append(sums.view(len(rows), channels, -1))

    separable = sorted(set(DEPTHWISE) & set(column), key=lambda p: (not DEPTHWISE[p].twice, p))
    if separable:
        modules = [[operations[column[p]] for operations in edges] for p in separable]
        gamma = weights[:, [column[p] for p in separable]].t().flatten()
        kinds = [DEPTHWISE[p] for p in separable]
        found.append(_convolve(state, kinds, modules, gamma, stride))

    if "skip_connect" in column and stride == 2:
        k = column["skip_connect"]
        reduces = [cast(FactorizedReduce, operations[k]) for operations in edges]
        found.append(_reduce(state, reduces, weights[:, k]))

    rest = set(column) - set(same) - set(DEPTHWISE) - {"none", "skip_connect"}
    if rest:
        plain = pixels.unflatten(1, (height, width)).permute(3, 0, 1, 2).contiguous()
        for k in sorted(column[primitive] for primitive in rest):
            outs = [
                w[k] * operations[k](plain) for w, operations in zip(weights, edges, strict=True)
            ]
            found.append(torch.stack(outs).permute(0, 2, 3, 4, 1).reshape(len(rows), channels, -1))

    shape = len(rows), channels, size[0] * size[1], images
    return add(found).view(shape) if found else pixels.new_zeros(shape)


def _convolve(
    state: _State,
    kinds: Sequence[Depthwise],
    modules: Sequence[Sequence[nn.Sequential]],
    gamma: Tensor,
    stride: int,
) -> Tensor:
    """Σ over separable and dilated convolutions of weight · op: (edges, C, pixels · N).

    ``kinds`` begin with those that convolve twice; ``modules`` are theirs, one for each edge;
    ``gamma`` the mixture weights. All run over (primitive, edge), in this order.
    """
    pixels, height, width = state
    channels, _, images = pixels.shape
    count = len(modules[0])
    every = [op for ops in modules for op in ops]

    matrices = []
    for kind, ops in zip(kinds, modules, strict=True):
        basis = _basis(kind.kernel, kind.dilation, stride, height, width, pixels.dtype)
        kernels = torch.stack([_kernel(op, 1) for op in ops], dim=1).reshape(channels * count, -1)
        matrices.append((kernels @ basis).view(channels, -1, height * width))
    depthwise = torch.bmm(torch.cat(matrices, dim=1), pixels.relu())
    depthwise = depthwise.view(channels, len(every), -1).transpose(0, 1)
    z = torch.bmm(torch.stack([_kernel(op, 2) for op in every]).flatten(2), depthwise)

    twice = sum(kind.twice for kind in kinds)
    parts = twice * count, len(every) - twice * count
    gammas = gamma.split(parts)
    middle, once = z.split(parts)
    results = []
    if len(once):
        results.append(_norm(once, [op[3] for op in every[parts[0] :]], gammas[1]))
    if twice:
        every = every[: parts[0]]
        height, width = ceil(height / stride), ceil(width / stride)
        matrices = []
        for kind, ops in zip(kinds[:twice], modules, strict=False):
            basis = _basis(kind.kernel, 1, 1, height, width, pixels.dtype)
            kernels = torch.stack([_kernel(op, 5) for op in ops]).reshape(count * channels, -1)
            matrices.append((kernels @ basis).view(-1, height * width, height * width))
        middle = _norm(middle, [op[3] for op in every], None).relu()
        again = torch.bmm(torch.cat(matrices), middle.view(-1, height * width, images))
        points = torch.stack([_kernel(op, 6) for op in every]).flatten(2)
        z = torch.bmm(points, again.view(len(every), channels, -1))
        results.append(_norm(z, [op[7] for op in every], gammas[0]))
    return add(x.view(-1, count, channels, x.shape[2]).sum(dim=0) for x in results)


def _kernel(op: nn.Sequential, part: int) -> Tensor:
    return cast(nn.Conv2d, op[part]).weight


def _norm(x: Tensor, norms: Sequence[nn.Module], gamma: Tensor | None) -> Tensor:
    """BatchNorm of x (modules, C, pixels · N), each by its own module, times its γ (modules,)."""
    modules = [cast(nn.BatchNorm2d, norm) for norm in norms]
    first = modules[0]
    means = [m.running_mean for m in modules if m.running_mean is not None]
    variances = [m.running_var for m in modules if m.running_var is not None]
    reads = not first.training or first.track_running_stats
    mean, var = (torch.cat(means), torch.cat(variances)) if reads else (None, None)
    scale = None if gamma is None else gamma.repeat_interleave(x.shape[1])
    rows = x.reshape(1, -1, x.shape[2])
    momentum = first.momentum or 0.0
    y = F.batch_norm(rows, mean, var, scale, None, first.training, momentum, first.eps)
    if first.training and mean is not None and var is not None:
        for norm, m, v in zip(modules, mean.split(x.shape[1]), var.split(x.shape[1]), strict=True):
            _track(norm, m, v)
    return y.view(x.shape)


def _same_norm(x: Tensor, norms: Sequence[nn.Module]) -> Tensor:
    """BatchNorm in training of one x (C, pixels · N) that several modules see.

    All of them keep statistics, each from its own past.
    """
    y = _norm(x[None], norms[:1], None)[0]
    first, *others = (cast(nn.BatchNorm2d, norm) for norm in norms)
    if first.track_running_stats and others:
        var, mean = torch.var_mean(x.detach(), dim=1)
        for norm in others:
            assert norm.running_mean is not None
            assert norm.running_var is not None
            momentum = norm.momentum or 0.0
            _track(
                norm, norm.running_mean.lerp(mean, momentum), norm.running_var.lerp(var, momentum)
            )
    return y


def _track(norm: nn.BatchNorm2d, mean: Tensor, var: Tensor) -> None:
    for kept, new in ((norm.running_mean, mean), (norm.running_var, var)):
        assert kept is not None
        kept.copy_(new)
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)


def _pool(primitive: str, state: _State, stride: int) -> Tensor:
    """A 3×3 pool of a state: (C, pixels · N). To the pool, images are channels-last channels."""
    pixels, height, width = state
    maps = pixels.unflatten(1, (height, width)).permute(0, 3, 1, 2)
    if primitive == "avg_pool_3x3":
        pooled = F.avg_pool2d(maps, 3, stride, padding=1, count_include_pad=False)
    else:
        pooled = F.max_pool2d(maps, 3, stride, padding=1)
    return pooled.permute(0, 2, 3, 1).flatten(1)


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
