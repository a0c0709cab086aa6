"""The search spaces by name: how each builds its supernet and its discrete network."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import ValidationError

from dartsedu.cnn import PRIMITIVES, CNNNetwork, CNNSupernet, cnn_space
from dartsedu.genotype import Genotype, derive
from dartsedu.presets import Settings, SettingsError, TrainSettings
from dartsedu.relaxation import Supernet
from dartsedu.stream import seed_of
from dartsedu.tasks import Task
from dartsedu.topology import SearchSpace
from dartsedu.values import explain


def search_space(settings: Settings) -> SearchSpace:
    """The cells and primitives that the settings describe.

    Raises ``SettingsError`` if they describe none, or one that their rule can derive nothing from.
    """
    named = settings.supernet.primitives
    try:
        space = cnn_space(
            settings.supernet.nodes, settings.supernet.keep, PRIMITIVES if named is None else named
        )
        undecided = {cell.name: np.zeros(space.shape(cell.name)) for cell in space.cells}
        derive(space, undecided, settings.search.rule)
    except ValidationError as error:
        raise SettingsError(explain(error, "settings.supernet")) from None
    except ValueError as error:
        raise SettingsError(f"settings: {error}") from None
    return space


def build_supernet(settings: Settings, task: Task, seed: int) -> Supernet:
    """The supernet of the settings, with the start that ``seed`` gives."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed_of(seed, "supernet"))
        return CNNSupernet(
            search_space(settings),
            image_channels=task.image_shape[0],
            classes=task.classes,
            channels=settings.supernet.channels,
            cells=settings.supernet.cells,
            alpha_scale=settings.supernet.alpha_scale,
            fast=settings.supernet.fast,
        )


def build_network(genotype: Genotype, settings: TrainSettings, task: Task, seed: int) -> CNNNetwork:
    """The discrete network of a genotype, with the start that ``seed`` gives."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed_of(seed, "network"))
        return CNNNetwork(
            genotype,
            image_shape=task.image_shape,
            classes=task.classes,
            channels=settings.channels,
            cells=settings.cells,
            stem=settings.stem,
            auxiliary=settings.auxiliary_weight > 0,
        )
