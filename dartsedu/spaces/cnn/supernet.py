"""The convolutional supernet: cells whose every edge is a mixed operation, stacked (DARTS §3.1.1).

This is the plain form: one module for each edge and primitive, as the paper describes it. ``fast``
computes the same function from the same modules in fewer, larger steps, unless it is switched off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.data.splits import Batch
from dartsedu.relaxation import MixedOp, Mixture, Outcome, Supernet, add
from dartsedu.spaces.classifier import accuracy
from dartsedu.spaces.cnn import fast
from dartsedu.spaces.cnn.fast.edges import Groups
from dartsedu.spaces.cnn.official import load_official
from dartsedu.spaces.cnn.operations import PRIMITIVES, candidate, skip_connect
from dartsedu.spaces.cnn.stack import COMBINE, Place, places, width
from dartsedu.spaces.cnn.words import VOCABULARY
from dartsedu.topology import SearchSpace, Topology

STEM_MULTIPLIER = 3
"""The CIFAR stem is this many times as wide as the first cell."""


def cnn_space(nodes: int = 4, keep: int = 2, primitives: Iterable[str] = PRIMITIVES) -> SearchSpace:
    """Normal and reduction cell, two inputs each, every node hearing all earlier states.

    Raises ``ValueError`` for an unknown primitive.
    """
    cells = tuple(
        Topology.dense(name, inputs=2, nodes=nodes, keep=keep) for name in VOCABULARY.cells
    )
    space = SearchSpace(name="cnn", primitives=tuple(primitives), cells=cells)
    check_space(space)
    return space


class Cell(nn.Module):
    """One cell of the supernet: node j = Σ over edges (i, j) of ō(state i) (eq. 1 and 2).

    With ``auxiliary``, an edge has a skip connection of its own beside the mixture, whose strength
    a pass is given. ``w`` is a vector of weights that the fast form takes in the place of the
    modules' own, and ``twice`` whether second derivatives will be asked for (see ``Supernet.at``).
    """

    def __init__(
        self,
        topology: Topology,
        primitives: Iterable[str],
        place: Place,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        self.topology, self.primitives, self.place = topology, tuple(primitives), place
        self.preprocess = place.preprocess(affine=False)
        self.edges = nn.ModuleList(
            MixedOp(
                candidate(p, place.channels, place.stride(link.source)) for p in self.primitives
            )
            for link in topology.edges
        )
        strides = [place.stride(link.source) for link in topology.edges] if auxiliary else []
        self.skips = nn.ModuleList(skip_connect(place.channels, s, False) for s in strides)
        self.w: Tensor | None = None
        self.twice = False

    @cached_property
    def plain(self) -> bool:
        """Whether it has no fast form: skips of its own that are no skips of the mixture."""
        own = any(not isinstance(skip, nn.Identity) for skip in self.skips)
        return own or (len(self.skips) > 0 and "skip_connect" not in self.primitives)

    def with_skips(self, weights: Tensor, strength: float) -> Tensor:
        """A mixture that is the same as ``weights`` with the auxiliary skips, of a cell that is not
        ``plain``: where a skip hands on its input, its strength adds to that of the primitive."""
        if not strength:
            return weights
        added = [strength * (primitive == "skip_connect") for primitive in self.primitives]
        return weights + weights.new_tensor(added)

    @cached_property
    def groups(self) -> Groups:
        """The edges that the fast form computes together."""
        return Groups(self)

    def forward(
        self, inputs: tuple[Tensor, Tensor], weights: Tensor, strength: float = 0.0
    ) -> Tensor:
        """``weights`` is this cell's mixture, shape (edges, primitives); ``strength`` that of the
        auxiliary skips."""
        states = [prepare(x) for prepare, x in zip(self.preprocess, inputs, strict=True)]

        def edge(row: int, x: Tensor) -> Tensor:
            mixed: Tensor = self.edges[row](x, weights[row])
            return mixed + strength * self.skips[row](x) if strength else mixed

        for node, sources in enumerate(self.topology.predecessors):
            incoming = zip(self.topology.rows(node), sources, strict=True)
            states.append(add(edge(row, states[i]) for row, i in incoming))
        return COMBINE[self.topology.combine](states[self.topology.inputs :], 1)


class CNNSupernet(Supernet):
    """Stem, a stack of cells that share one α for each kind of cell, pooling, classifier.

    Args:
        space: its cells are called ``normal`` and ``reduce`` and have two inputs.
        image_channels: channels of the images, which may have any size.
        classes: number of classes.
        channels: width of the first cell (paper: 16); each reduction doubles it.
        cells: depth (paper: 8), at least 3; cells at 1/3 and 2/3 of it reduce.
        alpha_scale: α start at this times standard normal numbers (paper: 0, official code: 1e-3).
        fast: use the fast form of a cell where it is the faster one.
        auxiliary: build a skip connection beside every mixture (DARTS-); cells in which it halves
            the map then keep their plain form.

    Raises ``ValueError`` for a space that is not convolutional, an unknown primitive, fewer than
    3 cells or 2 channels.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        image_channels: int = 3,
        classes: int = 10,
        channels: int = 16,
        cells: int = 8,
        alpha_scale: float = 0.0,
        fast: bool = True,
        auxiliary: bool = False,
    ) -> None:
        super().__init__(space, alpha_scale)
        check_space(space)
        self.fast, self.has_auxiliary = fast, auxiliary
        stem = STEM_MULTIPLIER * channels
        self.stem = cifar_stem(image_channels, stem)
        widths = {cell.name: width(cell.combine, cell.nodes) for cell in space.cells}
        stack = list(places(cells, channels, stem, widths))
        self.kinds = [place.cell for place in stack]
        if set(self.kinds) != set(widths):
            raise ValueError(f"a stack of {cells} has no normal cell, so its α would mean nothing")
        self.cells = nn.ModuleList(
            Cell(space[p.cell], space.primitives, p, auxiliary) for p in stack
        )
        self.classifier = nn.Linear(widths[stack[-1].cell] * stack[-1].channels, classes)

    def forward(self, images: Tensor, mixture: Mixture | None = None) -> Tensor:
        """Images (N, C, H, W) → logits (N, classes), under softmax(α) or the mixture given."""
        weights = self.mixture() if mixture is None else mixture
        images = images.to(self.classifier.weight.dtype)  # Which PyTorch's default may have set.
        if self.fast:
            images = images.contiguous(memory_format=torch.channels_last)
        older = newer = self.stem(images)
        for kind, cell in zip(self.kinds, cast(Iterable[Cell], self.cells), strict=True):
            inputs = older, newer
            if self.fast and not cell.plain and fast.suits(newer):
                mixed = cell.with_skips(weights[kind], self.auxiliary)
                output = fast.forward(cell, inputs, mixed)
            else:
                output = cell(inputs, weights[kind], self.auxiliary)
            older, newer = newer, output
        return self.classifier(newer.mean(dim=(2, 3)))

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        """Cross-entropy and accuracy."""
        logits = self(batch.inputs, mixture)
        return Outcome(F.cross_entropy(logits, batch.targets), accuracy(logits, batch.targets))

    @contextmanager
    def at(self, w: Tensor, twice: bool = False) -> Iterator[None]:
        """As every supernet does it; the fast form takes a cell's weights together."""
        if not (self.fast and fast.suits(w)):
            with super().at(w, twice):
                yield
            return
        pieces = w.split([size for _, size in self._pieces])
        others = {}
        for (place, _), piece in zip(self._pieces, pieces, strict=True):
            if isinstance(place, Cell):
                place.w, place.twice = piece, twice
            else:
                others[place] = piece.view_as(self.get_parameter(place))
        try:
            with self.registry.replaced(others):
                yield
        finally:
            for place, _ in self._pieces:
                if isinstance(place, Cell):
                    place.w, place.twice = None, False

    @cached_property
    def _pieces(self) -> list[tuple[Cell | str, int]]:
        """What stands in a vector of w, and how long it is: whole cells where they have a fast
        form, other weights by name."""

        every = cast(Iterable[Cell], self.cells)
        cells = {f"cells.{n}": cell for n, cell in enumerate(every) if not cell.plain}

        def place(name: str) -> str:
            cell = ".".join(name.split(".")[:2])
            return cell if cell in cells else name

        weights = self.weights()
        return [
            (cells.get(where, where), sum(weights[name].numel() for name in names))
            for where, names in groupby(weights, key=place)
        ]

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load weights (and α, if there) in the key layout of the authors' search network."""
        load_official(self, state)


def cifar_stem(image_channels: int, channels: int) -> nn.Sequential:
    """A 3×3 convolution and BatchNorm at full size."""
    return nn.Sequential(
        nn.Conv2d(image_channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
    )


def check_space(space: SearchSpace) -> None:
    """Raise ``ValueError`` unless ``space`` is one that convolutional cells can be built from."""
    names = tuple(cell.name for cell in space.cells)
    if space.name != "cnn" or sorted(names) != sorted(VOCABULARY.cells):
        raise ValueError(
            f"space {space.name!r} with cells {names} is not convolutional; expected the space "
            f"'cnn' with cells {VOCABULARY.cells}"
        )
    if any(cell.inputs != 2 for cell in space.cells):
        raise ValueError("a convolutional cell has two inputs: the outputs of the two cells before")
    unknown = [p for p in space.primitives if p not in VOCABULARY.primitives]
    if unknown:
        raise ValueError(
            f"unknown primitives {unknown}; expected some of: {', '.join(VOCABULARY.primitives)}"
        )
