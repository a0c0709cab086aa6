"""The discrete network of a benchmark cell, trained from scratch."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu import genotype as discrete
from dartsedu.data.splits import Batch
from dartsedu.relaxation import Outcome
from dartsedu.spaces.bench import fast
from dartsedu.spaces.bench.operations import OPERATIONS, Reduction, Skeleton, Stem
from dartsedu.spaces.bench.words import CELL
from dartsedu.spaces.classifier import Classifier, accuracy


class Cell(nn.Module):
    """A discrete cell: every node is the sum of its edges, the last one goes out."""

    def __init__(self, cell: discrete.Cell, channels: int, running: bool) -> None:
        super().__init__()
        self.cell = cell
        self.operations = nn.ModuleList(
            OPERATIONS[edge.primitive](channels, True, running) for _, edge in cell.edges
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        states = [x, *[x.new_zeros(x.shape) for _ in self.cell.nodes]]
        for (state, edge), operation in zip(self.cell.edges, self.operations, strict=True):
            states[state] = states[state] + operation(states[edge.source])
        return states[-1]


class BenchNetwork(Classifier):
    """The evaluation network of a genotype (NAS-Bench-201's, with its defaults).

    Args:
        genotype: a genotype of the space ``bench``.
        image_channels: of the images, which may have any size that the reductions can halve.
        classes: number of classes.
        channels: width of the first stage (published: 16).
        cells: in a stage (published: 5).
        stages: published: 3.
        stem: side of the first convolution (published: 3).
        reduction: between stages (published: residual).
        running: keep BatchNorm's statistics for evaluation; otherwise each batch's own are used.
        fast: compute the same in fewer steps, where those are the quicker and running statistics
            are not wanted.

    Raises ``ValueError`` for a genotype of another space.
    """

    def __init__(
        self,
        genotype: discrete.Genotype,
        *,
        image_channels: int = 3,
        classes: int = 10,
        channels: int = 16,
        cells: int = 5,
        stages: int = 3,
        stem: Stem = 3,
        reduction: Reduction = "residual",
        running: bool = True,
        fast: bool = True,
    ) -> None:
        super().__init__()
        if genotype.space != "bench":
            raise ValueError(
                f"a BenchNetwork needs a genotype of 'bench', not of {genotype.space!r}"
            )
        self.running = running
        self.fast = fast and not running
        self.cell = genotype[CELL]
        self.skeleton = Skeleton(
            lambda width: Cell(self.cell, width, running),
            image_channels=image_channels,
            classes=classes,
            channels=channels,
            cells=cells,
            stages=stages,
            stem=stem,
            reduction=reduction,
            running=running,
        )

    def forward(self, images: Tensor) -> Tensor:
        images = images.to(self.skeleton.classifier.weight.dtype)
        if self.fast and fast.suits(images):
            w = {name: weight[None] for name, weight in self.named_parameters()}
            cell = fast.discrete_cell(w, self.cell)
            return fast.run(w, images[:, None], self.skeleton.kinds, cell)[:, 0]
        return self.skeleton(images)

    def train_loss(self, batch: Batch, settings: Any, epoch: int) -> Outcome:
        """Cross-entropy and accuracy."""
        logits = self(batch.inputs)
        return Outcome(F.cross_entropy(logits, batch.targets), accuracy(logits, batch.targets))
