"""How much memory convolutional cells need at the least, see ``spaces.memory``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import ceil

import torch

from dartsedu.data.images import ImageTask
from dartsedu.genotype import Genotype
from dartsedu.spaces.cnn.operations import OPERATIONS, PRIMITIVES, candidate
from dartsedu.spaces.cnn.settings import CNNSettings, CNNTrainSettings
from dartsedu.spaces.cnn.stack import Place, places, width
from dartsedu.spaces.cnn.supernet import STEM_MULTIPLIER
from dartsedu.spaces.cnn.words import VOCABULARY
from dartsedu.spaces.memory import FLOAT, copies, dense_edges


def search_memory(settings: CNNSettings, task: ImageTask) -> int:
    """Bytes that the search of ``settings`` needs at the least."""
    inner = settings.supernet
    names = PRIMITIVES if inner.primitives is None else inner.primitives
    entering, between = 2 * inner.nodes, dense_edges(2, inner.nodes) - 2 * inner.nodes
    edges = Counter({(p, True): entering for p in names}) + Counter(
        {(p, False): between for p in names}
    )
    widths = dict.fromkeys(VOCABULARY.cells, inner.nodes)
    stack = places(inner.cells, inner.channels, STEM_MULTIPLIER * inner.channels, widths)
    height, breadth = task.image_shape[1:]
    images = min(settings.search.batch_size, len(task.weights))
    w = states = 0
    for place, count in Counter(stack).items():
        w += count * _cell_weights(place, edges, searched=True)
        halvings = place.channels // inner.channels
        pixels = ceil(height / halvings) * ceil(breadth / halvings)
        states += count * inner.nodes * images * place.channels * pixels
    alphas = 2 * (entering + between) * len(names)
    return FLOAT * (copies(settings.search.weights) * w + 4 * alphas + states)


def training_memory(train: CNNTrainSettings, genotype: Genotype) -> int:
    """Bytes that the training of ``genotype`` needs at the least."""
    edges = {
        cell.name: Counter((e.primitive, e.source < cell.inputs) for _, e in cell.edges)
        for cell in genotype.cells
    }
    widths = {cell.name: width(cell.combine, len(cell.outputs)) for cell in genotype.cells}
    stem = train.channels * (STEM_MULTIPLIER if train.stem == "cifar" else 1)
    stack = places(train.cells, train.channels, stem, widths, train.stem == "imagenet")
    w = sum(
        count * _cell_weights(place, edges[place.cell], searched=False)
        for place, count in Counter(stack).items()
    )
    return FLOAT * copies(train.weights) * w


def _cell_weights(place: Place, edges: Mapping[tuple[str, bool], int], searched: bool) -> int:
    """Numbers of w in a cell, whose ``edges`` are counted by primitive and whether they enter.

    One of each is made without memory, on PyTorch's device *meta*.
    """
    with torch.device("meta"):
        total = _size(place.preprocess(not searched))
        for (primitive, enters), count in edges.items():
            if primitive in OPERATIONS:  # A wrong name is told by the space.
                stride = place.stride(0) if enters else 1
                made = (
                    candidate(primitive, place.channels, stride)
                    if searched
                    else OPERATIONS[primitive](place.channels, stride, True)
                )
                total += count * _size(made)
    return total


def _size(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
