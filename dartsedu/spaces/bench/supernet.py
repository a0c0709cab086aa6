"""The benchmark's supernet: a skeleton of cells whose every edge is a mixed operation.

This is the plain form; ``fast`` computes the same function of the same weights in fewer steps.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.data.splits import Batch
from dartsedu.relaxation import MixedOp, Mixture, Outcome, Supernet, add
from dartsedu.spaces.bench import fast
from dartsedu.spaces.bench.operations import (
    OPERATIONS,
    PRIMITIVES,
    Reduction,
    Skeleton,
    Stem,
)
from dartsedu.spaces.bench.words import CELL, NODES, VOCABULARY
from dartsedu.spaces.classifier import accuracy
from dartsedu.topology import SearchSpace, Topology


def bench_space(primitives: Iterable[str] = PRIMITIVES) -> SearchSpace:
    """One input, three nodes that hear all earlier states, every edge kept, the last node goes out.

    Raises ``ValueError`` for an unknown primitive.
    """
    cell = Topology.dense(CELL, inputs=1, nodes=NODES, keep=NODES, combine="sum", only_last=True)
    space = SearchSpace(name="bench", primitives=tuple(primitives), cells=(cell,))
    check_space(space)
    return space


def check_space(space: SearchSpace) -> None:
    """Raise ``ValueError`` unless ``space`` is one that these cells can be built from."""
    if space.name != "bench" or [cell.name for cell in space.cells] != [CELL]:
        names = tuple(cell.name for cell in space.cells)
        raise ValueError(
            f"space {space.name!r} with cells {names} is not the benchmark's; expected the space "
            f"'bench' with the cell {CELL!r}"
        )
    unknown = [p for p in space.primitives if p not in VOCABULARY.primitives]
    if unknown:
        raise ValueError(
            f"unknown primitives {unknown}; expected some of: {', '.join(VOCABULARY.primitives)}"
        )


class Cell(nn.Module):
    """One cell of the supernet: state j = Σ over edges (i, j) of ō(state i) (eq. 1 and 2)."""

    def __init__(self, topology: Topology, primitives: Iterable[str], channels: int) -> None:
        super().__init__()
        self.topology = topology
        self.edges = nn.ModuleList(
            MixedOp(OPERATIONS[p](channels, False, False) for p in primitives)
            for _ in topology.edges
        )

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        """``weights`` is the mixture, shape (edges, primitives)."""
        states = [x]
        for node, sources in enumerate(self.topology.predecessors):
            incoming = zip(self.topology.rows(node), sources, strict=True)
            states.append(add(self.edges[row](states[i], weights[row]) for row, i in incoming))
        return states[-1]


class BenchSupernet(Supernet):
    """The skeleton of ``operations.Skeleton`` with one mixed cell in all its places.

    Args:
        space: see ``bench_space``.
        image_channels: of the images.
        classes: number of classes.
        channels: width of the first stage (published: 16).
        cells: in a stage (published: 5).
        stages: published: 3.
        stem: side of the first convolution (published: 3).
        reduction: between stages (published: residual).
        alpha_scale: α start at this times standard normal numbers.
        fast: compute the same in fewer steps where that is faster.

    BatchNorm uses each batch's own statistics and keeps none: running ones would belong to the
    mixture, which no evaluation asks for. In the cells it has neither γ nor β.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        image_channels: int = 3,
        classes: int = 10,
        channels: int = 16,
        cells: int = 5,
        stages: int = 3,
        stem: Stem = 3,
        reduction: Reduction = "residual",
        alpha_scale: float = 0.0,
        fast: bool = True,
    ) -> None:
        check_space(space)
        super().__init__(space, alpha_scale)
        self.fast = fast
        self.skeleton = Skeleton(
            lambda width: Cell(space[CELL], space.primitives, width),
            image_channels=image_channels,
            classes=classes,
            channels=channels,
            cells=cells,
            stages=stages,
            stem=stem,
            reduction=reduction,
            running=False,
        )

    def forward(self, images: Tensor, mixture: Mixture | None = None) -> Tensor:
        """Images (N, C, H, W) → logits (N, classes), under softmax(α) or the mixture given."""
        weights = (self.mixture() if mixture is None else mixture)[CELL]
        images = images.to(self.skeleton.classifier.weight.dtype)
        if self.fast and fast.suits(images):
            w = {name: weight[None] for name, weight in self.weights().items()}
            cell = fast.mixed_cell(w, weights[None], self.space.primitives, NODES)
            return fast.run(w, images[:, None], self.skeleton.kinds, cell)[:, 0]
        return self.skeleton(images, weights)

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        """Cross-entropy and accuracy."""
        logits = self(batch.inputs, mixture)
        return Outcome(F.cross_entropy(logits, batch.targets), accuracy(logits, batch.targets))
