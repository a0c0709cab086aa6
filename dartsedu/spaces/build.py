"""From settings to what is searched and trained, in the space that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from pydantic import ValidationError

from dartsedu.base.extensions import SPACES, every, find
from dartsedu.base.values import explain
from dartsedu.data.beside import beside
from dartsedu.data.task import Task
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.network import Network
from dartsedu.relaxation import Supernet
from dartsedu.search import Search
from dartsedu.settings import Settings, SettingsError, TrainSettings
from dartsedu.spaces.space import Space
from dartsedu.stream.stream import seed_of
from dartsedu.topology import SearchSpace


def space_of(settings: Settings) -> Space:
    """The space that settings belong to."""
    space: Space = find(SPACES, settings.space)
    return space


def search_space(settings: Settings, task: Task | None = None) -> SearchSpace:
    """The cells and primitives that the settings describe; of a ``task``, if that is given.

    Raises ``SettingsError`` if they describe no space, one that their rule can derive nothing
    from, or one that cannot express their method.
    """
    try:
        owner, method = space_of(settings), settings.search.method
        space = owner.search_space(settings, task)
        expected = method.relaxation.expected
        if expected is not None:
            space = space.model_copy(update={"relaxation": expected})
        lacks = owner.lacks(method) or method.stop.lacks(space)
        if lacks:
            raise SettingsError(f"settings.search.method: {lacks}")
        undecided = {cell.name: np.zeros(space.shape(cell.name)) for cell in space.cells}
        derive(space, undecided, settings.search.rule)
    except SettingsError:
        raise
    except ValidationError as error:
        raise SettingsError(explain(error, "settings.supernet")) from None
    except ValueError as error:
        raise SettingsError(f"settings: {error}") from None
    return space


def build_supernet(settings: Settings, task: Task, seed: int) -> Supernet:
    """The supernet of the settings, with the start that ``seed`` gives.

    Raises ``SettingsError`` for a task of another space.
    """
    owner = space_of(settings)
    _check(owner, task)
    space = search_space(settings, task)
    with _started(seed, "supernet"):
        return owner.supernet(space, settings, task)


def search_side_by_side(settings: Settings, task: Task, seeds: Sequence[int]) -> Search:
    """Several searches as one: each has the start, the batches and so the α that its seed gives.

    Steps show the first. The α of all are ``search.supernet.alphas``, (seeds, edges, primitives).
    Raises ``SettingsError`` for a space that has no such form.
    """
    supernets = [build_supernet(settings, task, seed) for seed in seeds]
    supernet = space_of(settings).side_by_side(supernets)
    return Search(supernet, beside(task, seeds), settings.search, seed=seeds[0])


def build_network(
    genotype: Genotype | None, settings: TrainSettings, task: Task, seed: int, size: int = 0
) -> Network:
    """The discrete network of a genotype, with the start that ``seed`` gives.

    Without a genotype: a rival's network of about ``size`` parameters. Raises ``SettingsError``
    for settings or a task of another space.
    """
    spaces: tuple[Space, ...] = every(SPACES)
    if genotype is not None:
        spaces = (find(SPACES, genotype.space),)
    owner = next((space for space in spaces if isinstance(settings, space.train_kind)), None)
    if owner is None:
        raise SettingsError(f"{type(settings).__name__} do not train what this genotype describes")
    _check(owner, task)
    with _started(seed, "network"):
        return owner.network(genotype, settings, task, size)


def _check(space: Space, task: Task) -> None:
    if not isinstance(task, space.tasks):
        raise SettingsError(f"the task {task.name!r} is not for the space {space.name!r}")


@contextmanager
def _started(seed: int, purpose: str) -> Iterator[None]:
    """Inside, random numbers depend on the seed and the purpose alone; the outside's are kept."""
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(seed_of(seed, purpose))
        yield
