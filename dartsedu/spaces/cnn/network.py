"""The discrete network that a genotype describes, trained from scratch (DARTS §3.2, A.1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu import genotype as discrete
from dartsedu.data.splits import Batch
from dartsedu.relaxation import Outcome, add
from dartsedu.spaces.classifier import Classifier, accuracy
from dartsedu.spaces.cnn.official import load_official
from dartsedu.spaces.cnn.operations import OPERATIONS
from dartsedu.spaces.cnn.stack import COMBINE, Place, places, reductions, width
from dartsedu.spaces.cnn.supernet import STEM_MULTIPLIER, cifar_stem

Stem = Literal["cifar", "imagenet"]


def drop_path(x: Tensor, probability: float) -> Tensor:
    """Zero whole samples of ``x`` (N, C, H, W) with this probability; scale the others to keep
    the mean (Larsson et al. 2017, as used in NASNet)."""
    keep = 1.0 - probability
    mask = torch.empty(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype).bernoulli_(keep)
    return x * mask / keep


class Cell(nn.Module):
    """A discrete cell: every node is the sum of its kept edges."""

    def __init__(self, cell: discrete.Cell, place: Place) -> None:
        super().__init__()
        self.cell = cell
        self.preprocess = place.preprocess(affine=True)
        self.operations = nn.ModuleList(
            OPERATIONS[edge.primitive](place.channels, place.stride(edge.source), True)
            for _, edge in cell.edges
        )

    def forward(self, inputs: tuple[Tensor, Tensor], drop: float) -> Tensor:
        """``drop`` is the drop-path probability of every edge that is not an identity."""
        states = [prepare(x) for prepare, x in zip(self.preprocess, inputs, strict=True)]
        operations = iter(self.operations)
        for edges in self.cell.nodes:
            paths = []
            for edge in edges:
                operation = next(operations)
                path = operation(states[edge.source])
                if drop > 0 and not isinstance(operation, nn.Identity):
                    path = drop_path(path, drop)
                paths.append(path)
            states.append(add(paths))
        return COMBINE[self.cell.combine]([states[i] for i in self.cell.outputs], 1)


class AuxiliaryHead(nn.Module):
    """A second classifier at 2/3 of the depth that helps the early cells learn (A.1.2).

    Its pool leaves a 2×2 map: the published one on the published sizes (8 for CIFAR, 7 for
    ImageNet), an adaptive one on any other. The ImageNet head has no second BatchNorm, as in the
    authors' released models.
    """

    def __init__(self, channels: int, classes: int, stem: Stem, size: tuple[int, int]) -> None:
        super().__init__()
        published = {("cifar", (8, 8)): 3, ("imagenet", (7, 7)): 2}
        stride = published.get((stem, size))
        pool = nn.AvgPool2d(5, stride) if stride else nn.AdaptiveAvgPool2d(2)
        norm = [nn.BatchNorm2d(768)] if stem == "cifar" else []
        self.features = nn.Sequential(
            nn.ReLU(),
            pool,
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            *norm,
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


class CNNNetwork(Classifier):
    """The evaluation network of a genotype: stem, discrete cells, pooling, classifier.

    Args:
        genotype: a genotype of the space ``cnn``.
        image_shape: (channels, height, width) of the images; the network runs on other sizes
            too, only the auxiliary head is made for this one.
        classes: number of classes.
        channels: width of the first cell (paper: 36 on CIFAR-10, 48 on ImageNet).
        cells: depth (paper: 20 and 14).
        stem: ``cifar`` keeps the size, ``imagenet`` divides it by 8 in three convolutions.
        auxiliary: build the auxiliary head.

    ``drop`` is the drop-path probability in training mode (default 0); a training loop sets it.
    Raises ``ValueError`` for a genotype of another space.
    """

    def __init__(
        self,
        genotype: discrete.Genotype,
        *,
        image_shape: tuple[int, int, int] = (3, 32, 32),
        classes: int = 10,
        channels: int = 36,
        cells: int = 20,
        stem: Stem = "cifar",
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        if genotype.space != "cnn":
            raise ValueError(f"a CNNNetwork needs a genotype of 'cnn', not of {genotype.space!r}")
        self.drop = 0.0
        depth, *size = image_shape
        if stem == "cifar":
            stem_channels = STEM_MULTIPLIER * channels
            self.stem = cifar_stem(depth, stem_channels)
        else:
            stem_channels = channels
            self.stem0, self.stem1 = imagenet_stem(depth, channels)
        widths = {cell.name: width(cell.combine, len(cell.outputs)) for cell in genotype.cells}
        stack = list(places(cells, channels, stem_channels, widths, stem == "imagenet"))
        self.cells = nn.ModuleList(Cell(genotype[place.cell], place) for place in stack)
        self.auxiliary_after = 2 * cells // 3
        if auxiliary:
            place = stack[self.auxiliary_after]
            halvings = len(reductions(cells)) + (3 if stem == "imagenet" else 0)
            height, breadth = (ceil(side / 2**halvings) for side in size)
            self.auxiliary_head: AuxiliaryHead | None = AuxiliaryHead(
                widths[place.cell] * place.channels, classes, stem, (height, breadth)
            )
        else:
            self.auxiliary_head = None
        self.classifier = nn.Linear(widths[stack[-1].cell] * stack[-1].channels, classes)

    def _run(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits, and the output of the cell that the auxiliary head reads."""
        images = images.to(self.classifier.weight.dtype)  # Which PyTorch's default may have set.
        if hasattr(self, "stem"):
            older = newer = self.stem(images)
        else:
            older = self.stem0(images)
            newer = self.stem1(older)
        read = newer
        for position, cell in enumerate(self.cells):
            older, newer = newer, cell((older, newer), self.drop if self.training else 0.0)
            if position == self.auxiliary_after:
                read = newer
        return self.classifier(newer.mean(dim=(2, 3))), read

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) → logits (N, classes)."""
        return self._run(images)[0]

    def loss(
        self, batch: Batch, label_smoothing: float = 0.0, auxiliary_weight: float = 0.0
    ) -> Outcome:
        """Cross-entropy, plus ``auxiliary_weight`` times the auxiliary head's when training."""
        logits, read = self._run(batch.inputs)
        loss = F.cross_entropy(logits, batch.targets, label_smoothing=label_smoothing)
        if self.training and self.auxiliary_head is not None:
            auxiliary = F.cross_entropy(
                self.auxiliary_head(read), batch.targets, label_smoothing=label_smoothing
            )
            loss = loss + auxiliary_weight * auxiliary
        return Outcome(loss, accuracy(logits, batch.targets))

    def train_loss(self, batch: Batch, settings: Any, epoch: int) -> Outcome:
        """``loss`` with the settings' regularisation; drop-path grows linearly over the epochs."""
        self.drop = settings.drop_path * epoch / settings.epochs
        return self.loss(batch, settings.label_smoothing, settings.auxiliary_weight)

    @property
    def size(self) -> int:
        """Number of parameters without the auxiliary head."""
        return sum(
            p.numel()
            for name, p in self.named_parameters()
            if not name.startswith("auxiliary_head.")
        )

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load weights in the key layout of the authors' networks for CIFAR and ImageNet."""
        load_official(self, state)


def imagenet_stem(image_channels: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Two stages that divide the size by 4 and by 2 more; the first cell reads both."""
    half = channels // 2
    first = nn.Sequential(
        nn.Conv2d(image_channels, half, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(half),
        nn.ReLU(),
        nn.Conv2d(half, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )
    second = nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(channels),
    )
    return first, second
