"""How much memory a run needs at the least, before anything of it is built.

Counted are numbers that every form of a network keeps: w with its gradient and momentum, α with
Adam's means, and one state an edge or a node that the backward pass reads. The truth is several
times more, so what is refused here could never have run.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from math import ceil

import torch

from dartsedu.data.tasks import EquationTask, ImageTask, Task, TextTask
from dartsedu.genotype import Genotype
from dartsedu.presets import (
    CNNSettings,
    EquationSettings,
    RNNSettings,
    RNNTrainSettings,
    Settings,
    SettingsError,
    WeightsOptimizer,
)
from dartsedu.spaces.build import cnn, equation, rnn
from dartsedu.spaces.cnn.operations import OPERATIONS, candidate
from dartsedu.spaces.cnn.stack import Place, places, width
from dartsedu.spaces.cnn.supernet import STEM_MULTIPLIER
from dartsedu.spaces.equation.operations import degrees_of_freedom

FLOAT, DOUBLE = 4, 8
"""Bytes of a number."""
_FIELDS = {
    ("cnn", True): ("supernet.channels", "supernet.cells", "supernet.nodes", "search.batch_size"),
    ("cnn", False): ("train.channels", "train.cells", "train.batch_size"),
    ("rnn", True): ("supernet.hidden", "supernet.nodes", "search.batch_size", "search.bptt"),
    ("rnn", False): ("train.hidden", "train.batch_size", "train.bptt"),
    ("equation", True): ("supernet.nodes", "supernet.restarts", "train.random_restarts"),
}
"""What makes a run large, by its space and whether it searches."""


def check_memory(
    settings: Settings, task: Task, genotype: Genotype | None, memory: int | None
) -> None:
    """Raise ``SettingsError`` for a search, or the training of ``genotype``, beyond ``memory``.

    ``memory`` is in bytes; see ``memory_here``. ``None``, not known, refuses nothing.
    """
    need = training_memory(settings, task, genotype) if genotype else search_memory(settings, task)
    if memory is None or need <= memory:
        return
    fields = []
    for field in _FIELDS[settings.space, genotype is None]:
        part, name = field.split(".")
        fields.append(f"{field} (now {getattr(getattr(settings, part), name)})")
    what = "search" if genotype is None else "training"
    raise SettingsError(
        f"this {what} needs at least {_gigabytes(need)} of memory, and {_gigabytes(memory)} are "
        f"there. Make one of these smaller: {', '.join(fields)}"
    )


def memory_here(device: torch.device | str) -> int | None:
    """The memory of a device in bytes, ``None`` where the system does not say."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def search_memory(settings: Settings, task: Task) -> int:
    """Bytes that the search of ``settings`` needs at the least."""
    if isinstance(settings, CNNSettings) and isinstance(task, ImageTask):
        return _convolutional_search(settings, task)
    if isinstance(settings, RNNSettings) and isinstance(task, TextTask):
        inner, search = settings.supernet, settings.search
        edges = _edges(1, inner.nodes)
        w = _recurrent_weights(len(task.words), inner.hidden, inner.nodes)
        alphas = edges * _primitives(inner.primitives, rnn.PRIMITIVES)
        states = edges * search.batch_size * search.bptt * inner.hidden
        return FLOAT * (_copies(search.weights) * w + 4 * alphas + states)
    assert isinstance(settings, EquationSettings)
    assert isinstance(task, EquationTask)
    return _equation_search(settings, task)


def training_memory(settings: Settings, task: Task, genotype: Genotype) -> int:
    """Bytes that the training of ``genotype`` with ``settings`` needs at the least."""
    train = settings.train
    if isinstance(settings, CNNSettings) and isinstance(task, ImageTask):
        edges = {
            cell.name: Counter((e.primitive, e.source < cell.inputs) for _, e in cell.edges)
            for cell in genotype.cells
        }
        widths = {cell.name: width(cell.combine, len(cell.outputs)) for cell in genotype.cells}
        stem = settings.train.channels * (STEM_MULTIPLIER if settings.train.stem == "cifar" else 1)
        stack = places(
            settings.train.cells,
            settings.train.channels,
            stem,
            widths,
            settings.train.stem == "imagenet",
        )
        w = sum(
            count * _cell_weights(place, edges[place.cell], searched=False)
            for place, count in Counter(stack).items()
        )
        return FLOAT * _copies(settings.train.weights) * w
    if isinstance(train, RNNTrainSettings) and isinstance(task, TextTask):
        nodes = len(genotype.cells[0].nodes)
        w = _recurrent_weights(len(task.words), train.hidden, nodes)
        states = nodes * train.batch_size * train.bptt * train.hidden
        return FLOAT * (_copies(train.weights) * w + states)
    return 0


def _convolutional_search(settings: CNNSettings, task: ImageTask) -> int:
    inner = settings.supernet
    names = cnn.PRIMITIVES if inner.primitives is None else inner.primitives
    entering, between = 2 * inner.nodes, _edges(2, inner.nodes) - 2 * inner.nodes
    edges = Counter({(p, True): entering for p in names}) + Counter(
        {(p, False): between for p in names}
    )
    widths = dict.fromkeys(("normal", "reduce"), inner.nodes)
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
    return FLOAT * (_copies(settings.search.weights) * w + 4 * alphas + states)


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


def _recurrent_weights(words: int, hidden: int, nodes: int) -> int:
    """Numbers of w in embedding, first matrices and those of the nodes."""
    return words * hidden + words + 4 * hidden**2 + nodes * 2 * hidden**2


def _equation_search(settings: EquationSettings, task: EquationTask) -> int:
    """The larger of the search and its end, where least squares squares the coefficients."""
    inner = settings.supernet
    names = equation.PRIMITIVES if inner.primitives is None else inner.primitives
    edges, rows = _edges(len(task.variables), inner.nodes), len(task.weights)
    own = sum(degrees_of_freedom(p) for p in names if p in equation.OPERATIONS)
    coefficients = edges * own + inner.nodes + 1
    values = edges * len(names) * min(rows, settings.search.batch_size)
    search = inner.restarts * (
        _copies(settings.search.weights) * coefficients + 4 * edges * len(names) + values
    )
    restarts = max(inner.restarts, settings.train.random_restarts)
    # JᵀJ, its damped form and the factors of that; the coefficients of every row and their slopes.
    refit = restarts * coefficients * (3 * coefficients + 2 * rows)
    return DOUBLE * max(search, refit)


def _edges(inputs: int, nodes: int) -> int:
    """Edges of a cell whose every node hears all earlier states."""
    return inputs * nodes + nodes * (nodes - 1) // 2


def _copies(optimizer: WeightsOptimizer) -> int:
    """Numbers kept for each of w: itself, its gradient and its momentum."""
    return 3 if optimizer.momentum else 2


def _primitives(named: tuple[str, ...] | None, default: tuple[str, ...]) -> int:
    return len(default if named is None else named)


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"
