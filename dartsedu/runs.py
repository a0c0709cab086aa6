"""A run's folder: what a search and its trainings leave on disk, and how they go on from there.

settings.json     what was asked for, with seed and versions
recording.jsonl   the search, a line a step        checkpoint.pt   where it stands
genotype.json     the cell found                   results.json    gap and test accuracies
training/NAME/    each network trained from scratch: genotype, recording, checkpoint
pictures/         SVG files                        report.html     all of it on one page
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal, Self, TypeVar

import torch
from filelock import FileLock, Timeout
from pydantic import ValidationError

from dartsedu.discretisation import Gap, discretisation_gap
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.presets import Settings, SettingsError, override
from dartsedu.recording import Recording, recorded
from dartsedu.search import Search
from dartsedu.spaces import build_network, build_supernet, search_space
from dartsedu.stream import Step, Stream
from dartsedu.tasks import Task, load_task
from dartsedu.topology import SearchSpace, Topology
from dartsedu.train import Training
from dartsedu.values import Value, explain, write_text


class RunError(ValueError):
    """A run's folder is not what was expected; the message says what to do."""


class Order(Value):
    """``settings.json``: everything needed to do the run again.

    ``searches`` is false where the genotype was given and only training is asked for. ``device``
    and ``threads`` are a part of it, since sums depend on them in their last digits.
    """

    format: Literal["dartsedu run"] = "dartsedu run"
    version: Literal[1] = 1
    seed: int
    searches: bool
    device: Literal["cpu", "cuda"]
    threads: int
    settings: Settings
    versions: dict[str, str]


class Trained(Value):
    """A network trained from scratch. ``kind`` is ``genotype`` or ``random``.

    ``parameters`` leaves out the auxiliary head, as published figures do.
    """

    name: str
    kind: Literal["genotype", "random"]
    seed: int
    parameters: int
    steps: int
    seconds: float
    training_accuracy: float
    test_accuracy: float


class Results(Value):
    """``results.json``: what has been measured so far."""

    gap: Gap | None = None
    trained: tuple[Trained, ...] = ()


class Candidate(Value):
    """A network to be trained: its name, genotype and seed."""

    name: str
    kind: Literal["genotype", "random"]
    seed: int
    genotype: Genotype


class Run:
    """A run's folder, made by ``create`` or found by ``open``."""

    def __init__(self, folder: Path, order: Order) -> None:
        self.folder = folder
        self.order = order
        self.settings = order.settings
        self._task: Task | None = None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Inside, this process alone works on the folder. Raises ``RunError`` if one does already.

        A process that dies lets go.
        """
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"another process is working on {self.folder}; wait for it") from None
        try:
            yield
        finally:
            lock.release()

    @classmethod
    def create(
        cls,
        folder: str | Path,
        settings: Settings,
        seed: int,
        genotype: Genotype | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Self:
        """Make a run's folder: to search, or to train a given ``genotype`` only.

        Raises ``RunError`` if the folder holds anything already, ``SettingsError`` if the settings
        describe no search space, ``TaskError`` if the data is missing; no folder is made then.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise RunError(
                f"{folder} is not empty. Continue it with 'dartsedu resume {folder}', or choose "
                "another --out"
            )
        search_space(settings)
        order = Order(
            seed=seed,
            searches=genotype is None,
            device=device,
            threads=settings.threads or torch.get_num_threads(),
            settings=settings,
            versions=versions(),
        )
        run = cls(folder, order)
        run.task()
        if genotype is not None:
            genotype.save(run.genotype_path)
        run._write_order()
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Find a run that exists. Raises ``RunError`` if ``folder`` holds none."""
        folder = Path(folder)
        try:
            text = (folder / "settings.json").read_text(encoding="utf-8")
            return cls(folder, Order.model_validate_json(text))
        except (OSError, UnicodeDecodeError) as error:
            raise RunError(f"{folder} is not a run's folder: {error}") from None
        except ValidationError as error:
            raise RunError(f"{folder}: {explain(error, 'settings.json')}") from None

    def amended(self, overrides: Iterable[str]) -> Self:
        """The same run with other ``train`` settings, written to its folder.

        ``overrides`` are as in ``load_preset``. Raises ``SettingsError`` for anything but the
        fields of ``train``, ``RunError`` if a network has been trained already (then only more
        seeds and random cells may be asked for). What an unfinished training did is put away.
        """
        settings = override(self.settings, overrides)
        if settings.model_copy(update={"train": self.settings.train}) != self.settings:
            raise SettingsError("a run that has begun keeps its settings; only train.* may change")
        more = {"seeds": settings.train.seeds, "random_cells": settings.train.random_cells}
        same = self.settings.train.model_copy(update=more) == settings.train
        if self.results().trained and not same:
            raise RunError(
                f"{self.folder} has trained with other settings; only train.seeds and "
                "train.random_cells may change. Train its genotype in a new folder: dartsedu train "
                f"{self.genotype_path} --out …"
            )
        if not same:
            shutil.rmtree(self.folder / "training", ignore_errors=True)
        run = type(self)(self.folder, self.order.model_copy(update={"settings": settings}))
        run._write_order()
        return run

    def _write_order(self) -> None:
        write_text(self.folder / "settings.json", self.order.model_dump_json(indent=2) + "\n")

    @property
    def genotype_path(self) -> Path:
        """Where the genotype is, once the search is done."""
        return self.folder / "genotype.json"

    @property
    def recording_path(self) -> Path:
        """Where the recording of the search is, once it has begun."""
        return self.folder / "recording.jsonl"

    def genotype(self) -> Genotype:
        """The genotype found or given. Raises ``RunError`` if there is none yet."""
        if not self.genotype_path.exists():
            raise RunError(
                f"the search in {self.folder} is not complete; continue it with: dartsedu resume "
                f"{self.folder}"
                if self.order.searches
                else f"{self.genotype_path}, which this run was to train, is gone"
            )
        return Genotype.load(self.genotype_path)

    def recording(self) -> Recording:
        """The recording of the search. Raises ``RecordingError`` if there is none."""
        return Recording.load(self.recording_path)

    def results(self) -> Results:
        """What has been measured so far."""
        path = self.folder / "results.json"
        if not path.exists():
            return Results()
        try:
            return Results.model_validate_json(path.read_text(encoding="utf-8"))
        except ValidationError as error:
            raise RunError(f"{self.folder}: {explain(error, 'results.json')}") from None
        except UnicodeDecodeError as error:
            raise RunError(f"{path} is not text: {error}") from None

    def task(self) -> Task:
        """The data set of the settings, loaded once. Raises ``TaskError`` if it is missing."""
        if self._task is None:
            task = self.settings.task
            self._task = load_task(
                task.name,
                root=task.root,
                split_seed=task.split_seed,
                noise=task.noise,
                image_size=task.image_size,
                workers=task.workers,
            )
        return self._task

    # ---- The search ----------------------------------------------------------------------------

    def begin_search(self, device: str | torch.device) -> Search:
        """The search where the folder's checkpoint stands, or at its start.

        Sets PyTorch's number of threads and, on a GPU, its deterministic algorithms: they are a
        part of the result.
        Raises ``TaskError`` if the data is missing, ``CheckpointError`` if the checkpoint is bad.
        """
        self._make_exact(device)
        task, seed = self.task(), self.order.seed
        supernet = build_supernet(self.settings, task, seed)
        search = Search(supernet, task, self.settings.search, seed=seed, device=device)
        return _continued(search, self.folder / "checkpoint.pt")

    def follow_search(self, search: Search) -> Generator[Step]:
        """The search's coming steps, each on disk before it is given."""
        return recorded(
            search,
            self.recording_path,
            self.folder / "checkpoint.pt",
            space=search.space,
            checkpoint_every=self.settings.search.checkpoint_every,
        )

    def end_search(self, search: Search) -> Genotype:
        """Derive the genotype, measure the discretisation gap, write both."""
        genotype = search.supernet.genotype(self.settings.search.rule)
        gap = discretisation_gap(search.supernet, search.task.architecture, genotype)
        self._write_results(self.results().model_copy(update={"gap": gap}))
        genotype.save(self.genotype_path)
        return genotype

    # ---- Training ------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """The networks to train that are not trained yet: the genotype's and the random ones."""
        found, train = self.genotype(), self.settings.train
        seeds = range(self.order.seed, self.order.seed + train.seeds)
        every = [
            Candidate(name=f"genotype-{seed}", kind="genotype", seed=seed, genotype=found)
            for seed in seeds
        ]
        space = self._space_of(found)
        first = 1000 * self.order.seed
        for seed in range(first, first + train.random_cells):
            cell = random_genotype(space, seed)
            every.append(Candidate(name=f"random-{seed}", kind="random", seed=seed, genotype=cell))
        done = {trained.name for trained in self.results().trained}
        return [candidate for candidate in every if candidate.name not in done]

    def _space_of(self, genotype: Genotype) -> SearchSpace:
        """The space of random cells as large as ``genotype``, with the settings' primitives."""
        keep = self.settings.supernet.keep
        cells = tuple(
            Topology.dense(c.name, c.inputs, len(c.nodes), c.keep or keep, c.combine)
            for c in genotype.cells
        )
        primitives = search_space(self.settings).primitives
        return SearchSpace(name=genotype.space, primitives=primitives, cells=cells)

    def begin_training(
        self, candidate: Candidate, task: Task, device: str | torch.device
    ) -> Training:
        """Training of a candidate where its checkpoint stands, or at its start.

        Sets PyTorch's threads and algorithms as ``begin_search`` does.
        """
        self._make_exact(device)
        folder, seed = self._training(candidate), candidate.seed
        candidate.genotype.save(folder / "genotype.json")
        network = build_network(candidate.genotype, self.settings.train, task, seed)
        training = Training(network, task, self.settings.train, seed=seed, device=device)
        return _continued(training, folder / "checkpoint.pt")

    def follow_training(self, candidate: Candidate, training: Training) -> Generator[Step]:
        """The training's coming steps, each on disk before it is given."""
        folder = self._training(candidate)
        return recorded(
            training,
            folder / "recording.jsonl",
            folder / "checkpoint.pt",
            checkpoint_every=self.settings.train.checkpoint_every,
        )

    def end_training(self, candidate: Candidate, training: Training) -> Trained:
        """Test the network, once, and write the result."""
        recording = Recording.load(self._training(candidate) / "recording.jsonl")
        last_epoch = [
            step.accuracy["training"]
            for step in recording.steps
            if step.epoch == recording.steps[-1].epoch
        ]
        trained = Trained(
            name=candidate.name,
            kind=candidate.kind,
            seed=candidate.seed,
            parameters=sum(
                p.numel()
                for name, p in training.network.named_parameters()
                if not name.startswith("auxiliary_head.")
            ),
            steps=len(recording.steps),
            seconds=round(recording.steps[-1].elapsed, 2),
            training_accuracy=sum(last_epoch) / len(last_epoch),
            test_accuracy=training.test(),
        )
        results = self.results()
        self._write_results(results.model_copy(update={"trained": (*results.trained, trained)}))
        return trained

    def _make_exact(self, device: str | torch.device) -> None:
        torch.set_num_threads(self.order.threads)
        if torch.device(device).type == "cuda":
            # cuBLAS reads this when it is first used.
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
            torch.backends.cudnn.benchmark = False
            torch.use_deterministic_algorithms(True, warn_only=True)

    def _training(self, candidate: Candidate) -> Path:
        return self.folder / "training" / candidate.name

    def _write_results(self, results: Results) -> None:
        text = json.dumps(results.model_dump(mode="json"), indent=2)
        write_text(self.folder / "results.json", text + "\n")


_AnyStream = TypeVar("_AnyStream", bound=Stream)


def _continued(stream: _AnyStream, checkpoint: Path) -> _AnyStream:
    return stream.load(checkpoint) if checkpoint.exists() else stream


def versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    names = ("dartsedu", "torch", "torchvision", "numpy", "scikit-learn")
    return {"python": platform.python_version(), **{name: _version(name) for name in names}}


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "not installed"
