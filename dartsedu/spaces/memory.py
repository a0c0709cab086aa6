"""How much memory a run needs at the least, before anything of it is built.

Counted are numbers that every form of a network keeps: w with its gradient and momentum, α with
Adam's means, and one state an edge or a node that the backward pass reads. The truth is several
times more, so what is refused here could never have run.
"""

from __future__ import annotations

import os

import torch

from dartsedu.base.extensions import SPACES, find
from dartsedu.data.task import Task
from dartsedu.genotype import Genotype
from dartsedu.settings import Settings, SettingsError, WeightsOptimizer
from dartsedu.spaces.space import Space

FLOAT, DOUBLE = 4, 8
"""Bytes of a number."""


def check_memory(
    settings: Settings, task: Task, genotype: Genotype | None, memory: int | None
) -> None:
    """Raise ``SettingsError`` for a search, or the training of ``genotype``, beyond ``memory``.

    ``memory`` is in bytes; see ``memory_here``. ``None``, not known, refuses nothing.
    """
    space: Space = find(SPACES, settings.space)
    if genotype is None:
        what, fields, need = "search", space.search_sizes, space.search_memory(settings, task)
    else:
        what, fields = "training", space.training_sizes
        need = space.training_memory(settings.train, task, genotype)
    if memory is None or need <= memory:
        return
    sizes = []
    for field in fields:
        part, name = field.split(".")
        sizes.append(f"{field} (now {getattr(getattr(settings, part), name)})")
    raise SettingsError(
        f"this {what} needs at least {_gigabytes(need)} of memory, and {_gigabytes(memory)} are "
        f"there. Make one of these smaller: {', '.join(sizes)}"
    )


def memory_here(device: torch.device | str) -> int | None:
    """The memory of a device in bytes, ``None`` where the system does not say."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def dense_edges(inputs: int, nodes: int) -> int:
    """Edges of a cell whose every node hears all earlier states."""
    return inputs * nodes + nodes * (nodes - 1) // 2


def copies(optimizer: WeightsOptimizer) -> int:
    """Numbers kept for each of w: itself, its gradient and its momentum."""
    return 3 if optimizer.momentum else 2


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.2g} GB" if size < 1e10 else f"{size / 1e9:,.0f} GB"
