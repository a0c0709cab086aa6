"""The search spaces by name: how each builds its supernet and its discrete network."""

from __future__ import annotations

import torch

from dartsedu.cnn import PRIMITIVES, CNNNetwork, CNNSupernet, cnn_space
from dartsedu.genotype import Genotype
from dartsedu.presets import Settings, SettingsError, TrainSettings
from dartsedu.relaxation import Supernet
from dartsedu.stream import seed_of
from dartsedu.tasks import Task
from dartsedu.topology import SearchSpace


def search_space(settings: Settings) -> SearchSpace:
    """The cells and primitives that the settings describe. Raises ``SettingsError``."""
    chosen = settings.supernet.primitives or PRIMITIVES
    try:
        return cnn_space(settings.supernet.nodes, settings.supernet.keep, chosen)
    except ValueError as error:
        raise SettingsError(f"settings.supernet: {error}") from None


def build_supernet(settings: Settings, task: Task, seed: int) -> Supernet:
    """The supernet of the settings, with the start that ``seed`` gives."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, "supernet"))
        return CNNSupernet(
            search_space(settings),
            image_channels=task.image_shape[0],
            classes=task.classes,
            channels=settings.supernet.channels,
            cells=settings.supernet.cells,
            alpha_scale=settings.supernet.alpha_scale,
        )


def build_network(genotype: Genotype, settings: TrainSettings, task: Task, seed: int) -> CNNNetwork:
    """The discrete network of a genotype, with the start that ``seed`` gives."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(seed, "network"))
        return CNNNetwork(
            genotype,
            image_shape=task.image_shape,
            classes=task.classes,
            channels=settings.channels,
            cells=settings.cells,
            stem=settings.stem,
            auxiliary=settings.auxiliary_weight > 0,
        )
