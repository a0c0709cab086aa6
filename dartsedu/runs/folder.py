"""A run's folder: what a search and its trainings leave on disk, and how they go on from there.

settings.json     what was asked for, with seed and versions
recording.jsonl   the search, a line a step        checkpoint.pt   where it stands
genotype.json     the cell found                   results.json    gap and test accuracies
and what the space has to keep besides
training/NAME/    each network trained from scratch: genotype, recording, checkpoint
pictures/         SVG files                        report.html     all of it on one page
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import ValidationError

from dartsedu.base.values import explain, write_text
from dartsedu.data.task import Task
from dartsedu.discretisation import Score, discretisation_gap
from dartsedu.genotype import Genotype
from dartsedu.presets import Override, override
from dartsedu.runs.candidates import Candidate, candidates
from dartsedu.runs.claim import SETTINGS, RunError, check_free, claimed, locked, not_a_run
from dartsedu.runs.order import Order, check_order, versions
from dartsedu.runs.results import Results, Trained
from dartsedu.search import Search
from dartsedu.settings import Settings, SettingsError, TrainSettings
from dartsedu.spaces.build import build_network, build_supernet, space_of
from dartsedu.spaces.memory import check_memory, memory_here
from dartsedu.spaces.space import Progress, Space
from dartsedu.stream.recording import Recording, recorded
from dartsedu.stream.stream import Step, Stream
from dartsedu.train import Training
from dartsedu.truth.table import truth_of


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
        with locked(self.folder):
            yield

    @classmethod
    def create(
        cls,
        folder: str | Path,
        settings: Settings,
        seed: int,
        genotype: Genotype | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Self:
        """Make a run's folder, as ``begun`` does, for whoever locks it later or not at all."""
        with cls.begun(folder, settings, seed, genotype, device) as run:
            return run

    @classmethod
    @contextmanager
    def begun(
        cls,
        folder: str | Path,
        settings: Settings,
        seed: int,
        genotype: Genotype | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Iterator[Self]:
        """Make a run's folder: to search, or to train a given ``genotype`` only. Inside, this
        process alone works on it, and has from the moment that it was found free.

        Raises ``RunError`` if the folder holds anything already, ``SettingsError`` if the settings
        describe no search space, more than the machine can hold, or batches that the data cannot
        fill, ``TaskError`` if the data is missing; no folder is made then.
        """
        folder = Path(folder)
        check_free(folder)  # The quick question before the slow ones; ``claimed`` asks for good.
        if genotype is not None and genotype.space != settings.space:
            raise RunError(
                f"a genotype of the space {genotype.space!r} cannot be trained with the preset "
                f"{settings.preset!r}, which is of the space {settings.space!r}; choose another "
                "--preset"
            )
        reason = space_of(settings).nothing_to_train
        if genotype is not None and reason:
            raise RunError(
                f"there is nothing to train: {reason}. Search with: dartsedu search --space "
                f"{settings.space}"
            )
        order = Order(
            seed=seed,
            searches=genotype is None,
            device=device,
            threads=settings.threads or torch.get_num_threads(),
            settings=settings,
            versions=versions(),
        )
        run = cls(folder, order)
        check_order(settings, run.task(), genotype, device)
        with claimed(folder):
            if genotype is not None:
                genotype.save(run.genotype_path)
            run._write_order()
            yield run

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Find a run that exists. Raises ``RunError`` if ``folder`` holds none."""
        folder = Path(folder)
        try:
            there = (folder / SETTINGS).exists()
        except OSError:  # A name that no file can have.
            there = False
        if not there:
            raise not_a_run(folder)
        text = _read(folder / SETTINGS)
        try:
            return cls(folder, Order.read(text))
        except ValidationError as error:
            raise RunError(f"{folder}: {explain(error, SETTINGS)}") from None
        except ValueError as error:
            raise RunError(f"{folder / SETTINGS}: {error}") from None

    def amended(self, overrides: Iterable[Override]) -> Self:
        """The same run with other ``train`` settings, written to its folder.

        ``overrides`` are as in ``load_preset``. Raises ``SettingsError`` for anything but the
        fields of ``train``, ``RunError`` if a network has been trained already (then only more
        seeds and random cells may be asked for). What an unfinished training did is put away.
        """
        settings = override(self.settings, overrides)
        if settings.model_copy(update={"train": self.settings.train}) != self.settings:
            raise SettingsError("a run that has begun keeps its settings; only train.* may change")
        train = settings.train
        more = train.model_dump(include=set(getattr(train, "counts", ())))
        same = self.settings.train.model_copy(update=more) == settings.train
        if self.results().trained and not same:
            raise RunError(
                f"{self.folder} has trained with other settings; only train.seeds and "
                "train.random_cells may change. Train its genotype in a new folder: dartsedu train "
                f"{self.genotype_path} --out …"
            )
        run = type(self)(self.folder, self.order.model_copy(update={"settings": settings}))
        if not same:
            check_memory(settings, self.task(), self.genotype(), memory_here(self.order.device))
            shutil.rmtree(self.folder / "training", ignore_errors=True)
        run._write_order()
        return run

    def _write_order(self) -> None:
        write_text(self.folder / SETTINGS, self.order.model_dump_json(indent=2) + "\n")

    @property
    def space(self) -> Space:
        """The space of the settings."""
        return space_of(self.settings)

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
        genotype = Genotype.load(self.genotype_path)
        if genotype.space != self.settings.space:
            raise RunError(
                f"{self.genotype_path} is of the space {genotype.space!r}, but the run is of "
                f"{self.settings.space!r}; put the run's own genotype back"
            )
        return genotype

    def recording(self) -> Recording:
        """The recording of the search.

        Raises ``RecordingError`` if there is none, ``RunError`` if it is another run's or, though
        the search is complete, holds no step.
        """
        recording = Recording.load(self.recording_path)
        found = recording.header.space
        if found is None or found.name != self.settings.space:
            other = recording.header.kind if found is None else f"the space {found.name!r}"
            raise RunError(
                f"{self.recording_path} is of {other}, but the run searches the space "
                f"{self.settings.space!r}; put its own recording back"
            )
        if not recording.steps and self.genotype_path.exists():
            raise RunError(
                f"{self.recording_path} holds no step, but the search is complete; put its own "
                "recording back"
            )
        return recording

    def results(self) -> Results:
        """What has been measured so far."""
        path = self.folder / "results.json"
        if not path.exists():
            return Results()
        text = _read(path)
        try:
            return Results.read(text, self.space)
        except ValidationError as error:
            raise RunError(f"{self.folder}: {explain(error, path.name)}") from None
        except ValueError as error:
            raise RunError(f"{path}: {error}; put back what the run has written") from None

    def task(self) -> Task:
        """The data set of the settings, loaded once. Raises ``TaskError`` if it is missing."""
        if self._task is None:
            self._task = self.settings.task.load()
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
        """The search's coming steps, each on disk before it is given.

        Where there is a table of all cells they say what the cell is worth that would be kept.
        """
        truth, rule = truth_of(self.settings), self.settings.search.rule
        return recorded(
            search,
            self.recording_path,
            self.folder / "checkpoint.pt",
            space=search.space,
            checkpoint_every=self.settings.search.checkpoint_every,
            measure=None if truth is None else truth.measure(rule, search.space),
        )

    def end_search(self, search: Search, progress: Progress | None = None) -> Genotype:
        """Measure the discretisation gap, conclude as the space does, write what was found.

        ``progress`` is told how far the conclusion is. The gap is that of the genotype that the
        rule derives from the shown α.
        """
        cut, answer = search.genotype(), search.course.answer
        mixture = None if answer is None else answer.mixture(search.supernet)
        gap = discretisation_gap(search.supernet, search.task.architecture, cut, mixture=mixture)
        found = self.space.conclude(search, self.settings, self.order.seed, progress)
        for name, text in found.files.items():
            write_text(self.folder / name, text)
        more = {"gap": gap, "findings": found.findings}
        self._write_results(self.results().model_copy(update=more))
        found.genotype.save(self.genotype_path)
        return found.genotype

    # ---- Training ------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """The networks to train that are not trained yet.

        Raises ``RunError`` in a space that has nothing to train.
        """
        every = candidates(self.genotype(), self.settings, self._train_settings(), self.order.seed)
        done = {trained.name for trained in self.results().trained}
        return [candidate for candidate in every if candidate.name not in done]

    def _train_settings(self) -> TrainSettings:
        train = self.settings.train
        if not isinstance(train, TrainSettings):
            raise RunError(
                f"there is nothing to train: {self.space.nothing_to_train}. The run's report is "
                f"{self.folder / 'report.html'}"
            )
        return train

    def begin_training(
        self, candidate: Candidate, task: Task, device: str | torch.device
    ) -> Training:
        """Training of a candidate where its checkpoint stands, or at its start.

        Sets PyTorch's threads and algorithms as ``begin_search`` does.
        """
        self._make_exact(device)
        folder, seed = self._training(candidate), candidate.seed
        train, size = self._train_settings(), 0
        if candidate.genotype is None:
            size = build_network(self.genotype(), train, task, seed).size
        else:
            candidate.genotype.save(folder / "genotype.json")
        network = build_network(candidate.genotype, train, task, seed, size)
        training = Training(network, task, train, seed=seed, device=device)
        return _continued(training, folder / "checkpoint.pt")

    def follow_training(self, candidate: Candidate, training: Training) -> Generator[Step]:
        """The training's coming steps, each on disk before it is given."""
        folder = self._training(candidate)
        return recorded(
            training,
            folder / "recording.jsonl",
            folder / "checkpoint.pt",
            checkpoint_every=self._train_settings().checkpoint_every,
        )

    def end_training(self, candidate: Candidate, training: Training) -> Trained:
        """Test the network, once, and write the result."""
        recording = Recording.load(self._training(candidate) / "recording.jsonl")
        last = recording.steps[-1]
        steps = [step for step in recording.steps if step.epoch == last.epoch]
        yardstick, space = self.settings.yardstick, self.space
        accuracies = [step.accuracy["training"] for step in steps if step.accuracy]
        mean = Score(
            loss=fmean(step.loss["training"] for step in steps),
            accuracy=sum(accuracies) / len(accuracies) if accuracies else None,
        )
        trained = Trained(
            name=candidate.name,
            kind=candidate.kind,
            seed=candidate.seed,
            parameters=training.network.size,
            steps=len(recording.steps),
            seconds=round(last.elapsed, 2),
            training={yardstick.name: yardstick.of(mean)},
            test={yardstick.name: training.test()},
            texts=dict(space.written(training, candidate.seed)),
        )
        results = self.results()
        more: dict[str, Any] = {"trained": (*results.trained, trained)}
        if results.references is None:
            more["references"] = dict(space.references(training.task)) or None
        self._write_results(results.model_copy(update=more))
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
        text = json.dumps(results.model_dump(mode="json", exclude_none=True), indent=2)
        write_text(self.folder / "results.json", text + "\n")


def _read(path: Path) -> str:
    """A text of a run's folder. Raises ``RunError`` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunError(
            f"{path} is not text in UTF-8: {error}; put back what the run wrote"
        ) from None
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None


_AnyStream = TypeVar("_AnyStream", bound=Stream)


def _continued(stream: _AnyStream, checkpoint: Path) -> _AnyStream:
    return stream.load(checkpoint) if checkpoint.exists() else stream
