"""How much memory the benchmark's networks need at the least, see ``spaces.memory``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import ceil

from dartsedu.data.images import ImageTask
from dartsedu.genotype import Genotype
from dartsedu.spaces.bench.operations import PRIMITIVES
from dartsedu.spaces.bench.settings import BenchSettings, BenchTrainSettings, Body
from dartsedu.spaces.bench.words import CELL, NODES
from dartsedu.spaces.memory import FLOAT, copies, dense_edges

KERNEL = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


def search_memory(settings: BenchSettings, task: ImageTask) -> int:
    """Bytes that the search of ``settings`` needs at the least."""
    inner = settings.supernet
    names = PRIMITIVES if inner.primitives is None else inner.primitives
    edges = dense_edges(1, NODES)
    w = weights(inner, task, lambda width: edges * _convolutions(names, width))
    images = min(settings.search.batch_size, len(task.weights))
    height, breadth = task.image_shape[1:]
    states = sum(
        inner.cells
        * NODES
        * images
        * (inner.channels << stage)
        * ceil(height / 2**stage)
        * ceil(breadth / 2**stage)
        for stage in range(inner.stages)
    )
    return FLOAT * (copies(settings.search.weights) * w + 4 * edges * len(names) + states)


def training_memory(train: BenchTrainSettings, task: ImageTask, genotype: Genotype) -> int:
    """Bytes that the training of ``genotype`` needs at the least."""
    names = [edge.primitive for _, edge in genotype[CELL].edges]
    affine = sum(name in KERNEL for name in names)
    w = weights(train, task, lambda width: _convolutions(names, width) + affine * 2 * width)
    return FLOAT * copies(train.weights) * w


def weights(
    body: Body,
    task: ImageTask,
    cell: Callable[[int], int],
) -> int:
    """Numbers of w in a skeleton whose cell of so many channels has ``cell`` of them."""
    width = body.channels
    total = body.stem**2 * task.image_shape[0] * width + 2 * width
    for stage in range(body.stages):
        if stage:
            wide = 2 * width
            shortcut = width * wide
            residual = 9 * (width * wide + wide * wide) + 4 * wide
            total += shortcut + (residual if body.reduction == "residual" else 2 * wide)
            width = wide
        total += body.cells * cell(width)
    return total + 2 * width + (width + 1) * task.classes


def _convolutions(names: Iterable[str], width: int) -> int:
    return sum(KERNEL[name] ** 2 * width**2 for name in names if name in KERNEL)
