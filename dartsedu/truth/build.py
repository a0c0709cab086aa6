"""Making a table: every different cell of a space is trained, with every seed.

What is done is kept line by line beside the table, so that a build that was stopped or killed goes
on from there.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from pydantic import Field, ValidationError

from dartsedu import __version__
from dartsedu.base.packing import Joined, as_vector
from dartsedu.base.values import Value, explain
from dartsedu.data.beside import beside
from dartsedu.data.splits import Batch, Passes
from dartsedu.data.task import Task
from dartsedu.network import Network
from dartsedu.search import clipped
from dartsedu.settings import Settings, SettingsError, TrainSettings
from dartsedu.spaces.build import build_network, search_space, space_of
from dartsedu.truth.cells import TruthError, cells_of, genotype_of
from dartsedu.truth.table import About, Truth

TIMED = 15
"""Passes of one image, of which the quickest is the latency: the others were disturbed."""


class Row(Value):
    """What was found of one cell, see ``Truth``."""

    row: int = Field(ge=0)
    training_loss: tuple[tuple[float, ...], ...]
    validation_right: tuple[tuple[int, ...], ...]
    test_right: tuple[int, ...]
    parameters: int
    multiply_adds: int
    latency: float


def build(
    name: str, settings: Settings, seeds: Sequence[int], path: Path, jobs: int = 1
) -> Iterator[tuple[int, int]]:
    """Train every different cell, and write the table. Tells how many are done, of how many.

    Args:
        name: of the table.
        settings: ``supernet`` gives the space, ``task`` the data, ``train`` the networks.
        seeds: of the networks of each cell.
        path: of the table. ``path`` with ``.part`` holds what is done meanwhile.
        jobs: processes.

    Raises ``TruthError`` if the part is of another table, ``SettingsError`` if networks of these
    settings cannot be trained side by side, or there are none.
    """
    from joblib import Parallel, delayed

    if not isinstance(settings.train, TrainSettings):
        raise SettingsError(
            f"the space {settings.space!r} trains no networks, so there is no table of its cells; "
            "name a preset of another space"
        )
    space = search_space(settings)
    about = About(
        name=name, space=space, settings=settings, seeds=tuple(seeds), versions=_versions()
    )
    choices, row_of = different(settings)
    # The simplest is tried here: what cannot be trained is told before a file or process is made.
    space_of(settings).together(_networks(settings, seeds, choices[0]))
    part = path.with_name(path.name + ".part")
    done = _begun(part, about)
    left = [row for row in range(len(choices)) if row not in done]
    yield len(done), len(choices)
    tasks = (delayed(learn)(settings, tuple(seeds), row, choices[row]) for row in left)
    with part.open("a", encoding="utf-8") as file:
        for found in Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks):
            file.write(found.model_dump_json() + "\n")
            file.flush()
            done[found.row] = found
            yield len(done), len(choices)
    _table(about, choices, row_of, done, _task(settings)).save(path)
    part.unlink()


def different(settings: Settings) -> tuple[list[tuple[int, ...]], list[int]]:
    """The different cells of a space, and the row among these of every cell (``cells_of``).

    Each is the one with the fewest operations of those that are the same (``Space.same``).
    """
    space, owner = search_space(settings), space_of(settings)
    every = cells_of(space)
    none = space.primitives.index("none") if "none" in space.primitives else -1
    first: dict[Any, int] = {}
    rows: list[tuple[int, ...]] = []
    row_of = [0] * len(every)
    for number in sorted(range(len(every)), key=lambda n: sum(c != none for c in every[n])):
        same = owner.same(genotype_of(space, every[number]))
        if same not in first:
            first[same] = len(rows)
            rows.append(every[number])
        row_of[number] = first[same]
    return rows, row_of


def learn(settings: Settings, seeds: tuple[int, ...], row: int, choices: tuple[int, ...]) -> Row:
    """Train the networks of one cell side by side, and measure them.

    The same numbers as ``Training`` gives for each seed, but for rounding.
    """
    torch.set_num_threads(1)
    train, task = settings.train, _task(settings)
    assert isinstance(train, TrainSettings)
    members = _networks(settings, seeds, choices)
    networks = space_of(settings).together(members)
    parameters = list(networks.parameters())
    joined = Joined(parameters)
    optimizer = train.optimizer([joined.vector])
    scheduler = train.scheduler(optimizer)
    losses, rights, summed = [], [], torch.zeros(len(seeds))
    batches, passes = _batches(settings, seeds)
    begun = 0
    for number, batch in enumerate(batches):
        each, _ = networks.losses(batch)
        # An edge on no way to the output has weights that the loss knows nothing of.
        slopes = torch.autograd.grad(
            each.sum(), parameters, allow_unused=True, materialize_grads=True
        )
        joined.vector.grad, _ = clipped(as_vector(slopes), train.weights.clip, parameters)
        optimizer.step()
        summed += each.detach()
        if passes.closed_by(number):
            scheduler.step()
            losses.append((summed / (number + 1 - begun)).tolist())
            rights.append(networks.right(task.architecture).tolist())
            summed, begun = torch.zeros(len(seeds)), number + 1
    network = members[0]
    return Row(
        row=row,
        training_loss=losses,
        validation_right=rights,
        test_right=networks.right(task.test).tolist(),
        parameters=network.size,
        multiply_adds=_multiply_adds(network, task),
        latency=_latency(network, task),
    )


def _networks(settings: Settings, seeds: Sequence[int], choices: tuple[int, ...]) -> list[Network]:
    """The networks of a cell at their start, one for each seed."""
    genotype, train = genotype_of(search_space(settings), choices), settings.train
    assert isinstance(train, TrainSettings)
    return [build_network(genotype, train, _task(settings), seed) for seed in seeds]


@cache
def _task(settings: Settings) -> Task:
    return settings.task.load()


@cache
def _batches(settings: Settings, seeds: tuple[int, ...]) -> tuple[list[Batch], Passes]:
    """All batches of a training, those of the seeds side by side: the same for every cell."""
    train, split = settings.train, beside(_task(settings), seeds).training
    assert isinstance(train, TrainSettings)
    reading, size = train.reading(), train.batch_size
    passes = Passes(split.passes(size, 0, train.epochs, **reading))
    return list(islice(split.training(size, 0, **reading), passes.total)), passes


def _one(task: Task) -> torch.Tensor:
    return next(task.test.once(1)).inputs


def _multiply_adds(network: torch.nn.Module, task: Task) -> int:
    from dartsedu.spaces.classifier import multiply_adds

    _, depth, height, width = _one(task).shape
    return multiply_adds(network, (depth, height, width))


@torch.no_grad()
def _latency(network: torch.nn.Module, task: Task) -> float:
    """Seconds of a pass of one image."""
    network.eval()
    image, took = _one(task), []
    for _ in range(TIMED):
        began = perf_counter()
        network(image)
        took.append(perf_counter() - began)
    return min(took)


# ---- What is on disk -----------------------------------------------------------------------------


def _versions() -> dict[str, str]:
    return {"dartsedu": __version__, "torch": torch.__version__, "numpy": np.__version__}


def _begun(part: Path, about: About) -> dict[int, Row]:
    """The rows that a build has found already; the file of one that begins.

    A last line that was cut short is taken away.
    """
    first = about.model_dump_json(exclude={"versions"})
    if not part.exists():
        part.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(first + "\n", encoding="utf-8")
        return {}
    whole = [line for line in part.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    try:
        if not whole or json.loads(whole[0]) != json.loads(first):
            raise ValueError("it is of a table with other settings or seeds")
        rows = [Row.model_validate_json(line) for line in whole[1:]]
    except ValidationError as error:
        raise TruthError(f"{part}: {explain(error, 'row')}") from None
    except ValueError as error:
        raise TruthError(
            f"{part} cannot be gone on with: {error!s:.300}. Remove it, or name another --out"
        ) from None
    with part.open("r+b") as file:
        file.truncate(sum(map(len, whole)))
    return {row.row: row for row in rows}


def _table(
    about: About,
    choices: list[tuple[int, ...]],
    row_of: list[int],
    found: dict[int, Row],
    task: Task,
) -> Truth:
    rows = [found[row] for row in range(len(choices))]
    return Truth(
        about,
        choices=np.array(choices, np.uint8),
        row_of=np.array(row_of, np.uint16),
        training_loss=np.array([row.training_loss for row in rows], np.float32),
        validation_right=np.array([row.validation_right for row in rows], np.uint16),
        test_right=np.array([row.test_right for row in rows], np.uint16),
        parameters=np.array([row.parameters for row in rows], np.int64),
        multiply_adds=np.array([row.multiply_adds for row in rows], np.int64),
        latency=np.array([row.latency for row in rows], np.float32),
        validation_size=len(task.architecture),
        test_size=len(task.test),
    )
