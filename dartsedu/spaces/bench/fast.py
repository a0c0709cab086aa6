"""The whole network in fewer, larger steps, one or several side by side: the same function.

Several networks are one whose convolutions have groups; each has weights and images of its own.
Convolutions of one kind that leave a state are one convolution. Behind it, a mixing weight is the γ
of BatchNorm. A pool of a small map is a product with a fixed matrix. Edges that lead nowhere are
left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from dartsedu import genotype as discrete
from dartsedu.relaxation import add

Weights = Mapping[str, Tensor]
"""The weights of the plain form by name, with a leading axis for the networks, (S, …)."""
InCell = Callable[[str, Tensor], Tensor]
"""What a cell gives, from the prefix of its weights' names and (N, S·C, H, W); of that shape."""

LARGEST_MAP = 256
"""Pixels of the largest map whose pool is a matrix."""
KERNELS = ("nor_conv_3x3", "nor_conv_1x1")


def suits(images: Tensor) -> bool:
    """Whether the fast form is the faster one: for small maps, on a CPU."""
    return images.device.type == "cpu" and images.shape[-2] * images.shape[-1] <= LARGEST_MAP


def run(w: Weights, images: Tensor, kinds: tuple[str, ...], cell: InCell) -> Tensor:
    """Images (N, S, C, H, W), each network's own → logits (N, S, classes).

    ``kinds`` says of each block of the ``Skeleton`` whether it is a cell, a residual or a pool.
    BatchNorm uses the statistics of the batch.
    """
    x = _convolved(images.flatten(1, 2), w["skeleton.stem.0.weight"])
    x = _normed(x, w["skeleton.stem.1.weight"], w["skeleton.stem.1.bias"])
    blocks: dict[str, InCell] = {
        "cell": cell,
        "pool": lambda prefix, x: _pool_reduction(w, prefix, x),
        "residual": lambda prefix, x: _residual_reduction(w, prefix, x),
    }
    for number, kind in enumerate(kinds):
        x = blocks[kind](f"skeleton.blocks.{number}", x)
    x = F.relu(_normed(x, w["skeleton.norm.weight"], w["skeleton.norm.bias"]))
    means = x.mean((2, 3)).unflatten(1, (images.shape[1], -1))
    logits = torch.einsum("nsc,skc->nsk", means, w["skeleton.classifier.weight"])
    return logits + w["skeleton.classifier.bias"]


def _convolved(x: Tensor, weight: Tensor, stride: int = 1) -> Tensor:
    """(N, S·I, H, W), with kernels (S, O, I, k, k) → (N, S·O, …)."""
    return F.conv2d(
        x, weight.flatten(0, 1), None, stride, weight.shape[-1] // 2, groups=weight.shape[0]
    )


def _normed(x: Tensor, scale: Tensor, shift: Tensor | None = None) -> Tensor:
    """BatchNorm of (N, S·C, H, W) by the batch, γ and β of shape (S, C)."""
    flat = None if shift is None else shift.flatten()
    return F.batch_norm(x, None, None, scale.flatten(), flat, training=True)


def _pool_reduction(w: Weights, prefix: str, x: Tensor) -> Tensor:
    x = _convolved(F.avg_pool2d(x, 2), w[f"{prefix}.1.weight"])
    return _normed(x, w[f"{prefix}.2.weight"], w[f"{prefix}.2.bias"])


def _residual_reduction(w: Weights, prefix: str, x: Tensor) -> Tensor:
    x = x[..., : x.shape[2] // 2 * 2, : x.shape[3] // 2 * 2]

    def block(x: Tensor, name: str, stride: int) -> Tensor:
        y = _convolved(F.relu(x), w[f"{prefix}.{name}.1.weight"], stride)
        return _normed(y, w[f"{prefix}.{name}.2.weight"], w[f"{prefix}.{name}.2.bias"])

    shortcut = _convolved(F.avg_pool2d(x, 2), w[f"{prefix}.shortcut.1.weight"])
    return block(block(x, "first", 2), "second", 1) + shortcut


@cache
def _pool_matrix(height: int, width: int, dtype: torch.dtype) -> Tensor:
    """What a flat map is multiplied with, to its right, for its 3×3 average pool of stride 1."""
    pixels = torch.eye(height * width, dtype=dtype).view(-1, 1, height, width)
    pooled = F.avg_pool2d(pixels, 3, 1, padding=1, count_include_pad=False)
    return pooled.view(height * width, height * width)


def _pool(x: Tensor) -> Tensor:
    """The primitive ``avg_pool_3x3`` of (…, H, W)."""
    height, width = x.shape[-2:]
    return (x.flatten(-2) @ _pool_matrix(height, width, x.dtype)).view(x.shape)


# ---- Cells ---------------------------------------------------------------------------------------


def discrete_cell(w: Weights, cell: discrete.Cell) -> InCell:
    """A discrete cell, the same in all networks."""
    edges = [
        (number, edge.source, state, edge.primitive)
        for number, (state, edge) in enumerate(cell.edges)
        if edge.primitive != "none"
    ]
    last = len(cell.nodes)
    leading = {last}
    for _, source, state, _ in sorted(edges, key=lambda edge: -edge[2]):
        if state in leading:
            leading.add(source)
    edges = [edge for edge in edges if edge[2] in leading]

    def together(prefix: str, x: Tensor, numbers: list[int]) -> list[Tensor]:
        """Convolution and BatchNorm of some edges on one rectified state, each (N, S·C, H, W)."""
        names = [f"{prefix}.operations.{number}" for number in numbers]
        weight, scale, shift = (
            _beside([w[f"{name}.{part}"] for name in names])
            for part in ("1.weight", "2.weight", "2.bias")
        )
        y = _normed(_convolved(x, weight), scale, shift)
        if len(numbers) == 1:
            return [y]
        parts = y.unflatten(1, (weight.shape[0], len(numbers), -1)).unbind(2)
        return [part.flatten(1, 2) for part in parts]

    def forward(prefix: str, x: Tensor) -> Tensor:
        incoming: list[list[Tensor]] = [[x], *([] for _ in range(last))]
        for source in range(last):
            leaving = [edge for edge in edges if edge[1] == source]
            if not incoming[source]:  # Of nothing, a convolution gives the β of its BatchNorm.
                for number, _, target, name in leaving:
                    if name in KERNELS:
                        shift = w[f"{prefix}.operations.{number}.2.bias"]
                        incoming[target].append(shift.view(1, -1, 1, 1).expand_as(x))
                continue
            if not leaving:
                continue
            state = add(incoming[source])
            of = {name: [e for e in leaving if e[3] == name] for name in {e[3] for e in leaving}}
            given: list[tuple[int, Tensor]] = []
            convolutions = [name for name in KERNELS if name in of]
            if convolutions:
                rectified = F.relu(state)
                for name in convolutions:
                    outputs = together(prefix, rectified, [edge[0] for edge in of[name]])
                    given += zip([edge[2] for edge in of[name]], outputs, strict=True)
            if "avg_pool_3x3" in of:
                pooled = _pool(state)
                given += [(edge[2], pooled) for edge in of["avg_pool_3x3"]]
            given += [(edge[2], state) for edge in of.get("skip_connect", [])]
            for target, tensor in given:
                incoming[target].append(tensor)
        return add(incoming[last]) if incoming[last] else torch.zeros_like(x)

    return forward


def _beside(tensors: list[Tensor]) -> Tensor:
    """Weights (S, C, …) of several edges, one beside the other: (S, edges·C, …)."""
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, dim=1)


def mixed_cell(w: Weights, mixture: Tensor, primitives: tuple[str, ...], nodes: int) -> InCell:
    """A cell of mixed operations, with each network's own mixture (S, edges, primitives)."""
    column = {primitive: mixture[..., i] for i, primitive in enumerate(primitives)}
    kernels = [p for p in KERNELS if p in column]

    def forward(prefix: str, x: Tensor) -> Tensor:
        incoming = [[x.unflatten(1, (len(mixture), -1))], *([] for _ in range(nodes))]
        for source in range(nodes):
            state = add(incoming[source])  # (N, S, C, H, W)
            value, channels = state.flatten(1, 2), state.shape[2]
            targets = range(source + 1, nodes + 1)
            rows = [target * (target - 1) // 2 + source for target in targets]
            terms = []  # Each (N, S, targets or 1, C, H, W)
            rectified = F.relu(value) if kernels else value
            for primitive in kernels:
                place = primitives.index(primitive)
                weight = _beside(
                    [w[f"{prefix}.edges.{row}.operations.{place}.1.weight"] for row in rows]
                )
                share = column[primitive][:, rows].repeat_interleave(channels, dim=1)
                y = _normed(_convolved(rectified, weight), share)
                terms.append(y.unflatten(1, (len(mixture), len(rows), channels)))
            for primitive, operation in (("skip_connect", None), ("avg_pool_3x3", _pool)):
                if primitive in column:
                    given = state if operation is None else operation(state)
                    share = column[primitive][None, :, rows, None, None, None]
                    terms.append(given[:, :, None] * share)
            if not terms:  # Nothing but none.
                terms = [torch.zeros_like(state)[:, :, None].expand(-1, -1, len(rows), -1, -1, -1)]
            for target, part in zip(targets, add(terms).unbind(2), strict=True):
                incoming[target].append(part)
        return add(incoming[nodes]).flatten(1, 2)

    return forward
