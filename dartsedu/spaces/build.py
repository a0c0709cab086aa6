"""The search spaces by name: how each builds its supernet and its discrete network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from pydantic import ValidationError

from dartsedu.base.values import explain
from dartsedu.data.tasks import EquationTask, ImageTask, Task, TextTask
from dartsedu.genotype import Genotype, derive
from dartsedu.network import Network
from dartsedu.presets import (
    CNNSettings,
    CNNTrainSettings,
    EquationSettings,
    RNNSettings,
    RNNTrainSettings,
    Settings,
    SettingsError,
    TrainSettings,
)
from dartsedu.relaxation import Supernet
from dartsedu.spaces.build import cnn, equation, rnn
from dartsedu.stream.stream import seed_of
from dartsedu.topology import SearchSpace


def search_space(settings: Settings, task: Task | None = None) -> SearchSpace:
    """The cells and primitives that the settings describe.

    An equation has as many inputs as ``task`` has variables; one, where none is given. Raises
    ``SettingsError`` if the settings describe no space, or one that their rule can derive nothing
    from.
    """
    named = settings.supernet.primitives
    try:
        if isinstance(settings, CNNSettings):
            space = cnn.cnn_space(
                settings.supernet.nodes,
                settings.supernet.keep,
                cnn.PRIMITIVES if named is None else named,
            )
        elif isinstance(settings, EquationSettings):
            space = equation.equation_space(
                len(task.variables) if isinstance(task, EquationTask) else 1,
                settings.supernet.nodes,
                equation.PRIMITIVES if named is None else named,
                settings.supernet.relaxation,
            )
        else:
            space = rnn.rnn_space(
                settings.supernet.nodes, rnn.PRIMITIVES if named is None else named
            )
        undecided = {cell.name: np.zeros(space.shape(cell.name)) for cell in space.cells}
        derive(space, undecided, settings.search.rule)
    except ValidationError as error:
        raise SettingsError(explain(error, "settings.supernet")) from None
    except ValueError as error:
        raise SettingsError(f"settings: {error}") from None
    return space


def build_supernet(settings: Settings, task: Task, seed: int) -> Supernet:
    """The supernet of the settings, with the start that ``seed`` gives.

    Raises ``SettingsError`` for a task of another space.
    """
    space = search_space(settings, task)
    with _started(seed, "supernet"):
        if isinstance(settings, EquationSettings) and isinstance(task, EquationTask):
            return equation.EquationSupernet(
                space,
                restarts=settings.supernet.restarts,
                complexity=settings.supernet.complexity,
                alpha_scale=settings.supernet.alpha_scale,
            )
        if isinstance(settings, CNNSettings) and isinstance(task, ImageTask):
            return cnn.CNNSupernet(
                space,
                image_channels=task.image_shape[0],
                classes=task.classes,
                channels=settings.supernet.channels,
                cells=settings.supernet.cells,
                alpha_scale=settings.supernet.alpha_scale,
                fast=settings.supernet.fast,
            )
        if isinstance(settings, RNNSettings) and isinstance(task, TextTask):
            return rnn.RNNSupernet(
                space,
                words=len(task.words),
                hidden=settings.supernet.hidden,
                dropout=rnn.Dropout(**settings.supernet.dropout.model_dump()),
                activation=settings.supernet.activation,
                slowness=settings.supernet.slowness,
                alpha_scale=settings.supernet.alpha_scale,
                fast=settings.supernet.fast,
            )
    raise SettingsError(f"the task {task.name!r} is not for the space {settings.space!r}")


def build_network(
    genotype: Genotype | None, settings: TrainSettings, task: Task, seed: int, size: int = 0
) -> Network:
    """The discrete network of a genotype, with the start that ``seed`` gives.

    Without a genotype, for a text: an LSTM with about ``size`` parameters. Raises
    ``SettingsError`` for a task of another space.
    """
    with _started(seed, "network"):
        if (
            isinstance(settings, CNNTrainSettings)
            and isinstance(task, ImageTask)
            and genotype is not None
        ):
            return cnn.CNNNetwork(
                genotype,
                image_shape=task.image_shape,
                classes=task.classes,
                channels=settings.channels,
                cells=settings.cells,
                stem=settings.stem,
                auxiliary=settings.auxiliary_weight > 0,
            )
        if isinstance(settings, RNNTrainSettings) and isinstance(task, TextTask):
            words = len(task.words)
            dropout = rnn.Dropout(**settings.dropout.model_dump())
            regular = (dropout, settings.activation, settings.slowness)
            if genotype is None:
                return rnn.LSTMNetwork(words, rnn.lstm_hidden(size, words), *regular)
            return rnn.RNNNetwork(genotype, words, settings.hidden, *regular)
    raise SettingsError(f"the task {task.name!r} is not for these train settings")


@contextmanager
def _started(seed: int, purpose: str) -> Iterator[None]:
    """Inside, random numbers depend on the seed and the purpose alone; the outside's are kept."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed_of(seed, purpose))
        yield
