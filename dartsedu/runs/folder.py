"""A run's folder: what a search and its trainings leave on disk, and how they go on from there.

settings.json     what was asked for, with seed and versions
recording.jsonl   the search, a line a step        checkpoint.pt   where it stands
genotype.json     the cell found                   results.json    gap and test accuracies
equation.json     of an equation: with its numbers
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
from statistics import fmean
from typing import Any, Literal, Self, TypeVar

import torch
from pydantic import Field, ValidationError, model_validator

from dartsedu.base.values import Measured, Value, explain, write_text
from dartsedu.base.yardstick import perplexity
from dartsedu.data.ngrams import reference_losses
from dartsedu.data.splits import Split, TaskError
from dartsedu.data.tables import TableTask
from dartsedu.data.task import Task
from dartsedu.data.tasks import load_task
from dartsedu.data.text import END, TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.discretisation import Gap, discretisation_gap
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.presets import MOST_THREADS, PRESETS, AnySettings, Override, load_preset, override
from dartsedu.runs.claim import SETTINGS, check_free, claimed, locked, not_a_run
from dartsedu.runs.claim import RunError as RunError
from dartsedu.search import Search
from dartsedu.settings import SearchSettings, Settings, SettingsError, TrainSettings
from dartsedu.spaces.build import build_network, build_supernet, search_space
from dartsedu.spaces.equation import EquationSupernet
from dartsedu.spaces.equation.discovery import Progress
from dartsedu.spaces.equation.findings import Findings, find
from dartsedu.spaces.equation.settings import EquationSettings
from dartsedu.spaces.memory import check_memory, memory_here
from dartsedu.spaces.rnn import TextNetwork
from dartsedu.spaces.rnn.settings import RNNTrainSettings
from dartsedu.stream.recording import Recording, recorded
from dartsedu.stream.stream import Step, Stream
from dartsedu.topology import SearchSpace, Topology
from dartsedu.train import Training

SAMPLE_WORDS = 80
"""Words that a language model writes for the report."""


class Order(Value):
    """``settings.json``: everything needed to do the run again.

    ``searches`` is false where the genotype was given and only training is asked for. ``device``
    and ``threads`` are a part of it, since sums depend on them in their last digits.
    """

    format: Literal["dartsedu run"] = "dartsedu run"
    version: Literal[1] = 1
    seed: int = Field(ge=0)
    searches: bool
    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1, le=MOST_THREADS)
    settings: AnySettings
    versions: dict[str, str]

    @model_validator(mode="after")
    def _comes_from_a_preset_of_its_space(self) -> Self:
        preset, space = self.settings.preset, self.settings.space
        fitting = [name for name in PRESETS if load_preset(name).space == space]
        if preset not in fitting:
            raise ValueError(
                f"settings.preset is {preset!r}; expected one of the space {space!r}: "
                f"{', '.join(fitting)}"
            )
        if not self.searches and space == "equation":
            raise ValueError("searches is false, but an equation has no training; expected true")
        return self


Kind = Literal["genotype", "random", "lstm"]
"""What is trained: the genotype, a random one, an LSTM with as many parameters."""


class Trained(Value):
    """A network trained from scratch, with its accuracies or, on a text, its perplexities.

    ``parameters`` leaves out the auxiliary head, as published figures do. ``sample`` is a text that
    the network wrote.
    """

    name: str
    kind: Kind
    seed: int = Field(ge=0)
    parameters: int = Field(ge=0)
    steps: int = Field(ge=1)
    seconds: float = Field(ge=0)
    training_accuracy: float | None = Field(None, ge=0, le=1)
    test_accuracy: float | None = Field(None, ge=0, le=1)
    training_perplexity: Measured | None = None
    test_perplexity: Measured | None = None
    sample: str | None = None

    @property
    def training(self) -> float:
        """Accuracy or perplexity on the training split in the last epoch; NaN without either."""
        return _only(self.training_accuracy, self.training_perplexity)

    @property
    def test(self) -> float:
        """Accuracy or perplexity on the test split; NaN without either."""
        return _only(self.test_accuracy, self.test_perplexity)


def _only(accuracy: float | None, perplexity: float | None) -> float:
    found = perplexity if accuracy is None else accuracy
    return float("nan") if found is None else found


class Results(Value):
    """``results.json``: what has been measured so far. ``references`` are test perplexities of what
    is no network: counted words, and the least that is possible. ``findings`` are of equations."""

    gap: Gap | None = None
    trained: tuple[Trained, ...] = ()
    references: dict[str, Measured] | None = None
    findings: Findings | None = None

    def check(self, settings: Settings) -> None:
        """Raise ``ValueError`` unless these are results of a run with ``settings``."""
        space, judged = settings.space, settings.yardstick.name
        if space == "equation":
            if self.trained:
                raise ValueError("trained holds networks, but an equation has no training")
            if self.gap is not None and self.findings is None:
                raise ValueError("findings are missing; the search of an equation ends with them")
        elif self.findings is not None:
            raise ValueError(f"findings are of an equation, but the space is {space!r}")
        for trained in self.trained:
            for field in (f"training_{judged}", f"test_{judged}"):
                if getattr(trained, field) is None:
                    raise ValueError(f"trained {trained.name!r} has no {field}")
        for name in ("mixture", "discretised") if self.gap is not None else ():
            score = getattr(self.gap, name)
            if score.loss < 0:
                raise ValueError(f"gap.{name}.loss is {score.loss}; a loss is never below 0")
            if judged == "accuracy" and (score.accuracy is None or not 0 <= score.accuracy <= 1):
                raise ValueError(f"gap.{name}.accuracy is {score.accuracy}; expected 0 to 1")


class Candidate(Value):
    """A network to be trained: its name, genotype (an LSTM has none) and seed."""

    name: str
    kind: Kind
    seed: int
    genotype: Genotype | None


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
        fill, ``TaskError`` if the data is
        missing; no folder is made then.
        """
        folder = Path(folder)
        check_free(folder)  # The quick question before the slow ones; ``claimed`` asks for good.
        if genotype is not None and genotype.space != settings.space:
            raise RunError(
                f"a genotype of the space {genotype.space!r} cannot be trained with the preset "
                f"{settings.preset!r}, which is of the space {settings.space!r}; choose another "
                "--preset"
            )
        if genotype is not None and genotype.space == "equation":
            raise RunError(
                "there is nothing to train: the coefficients of an equation are fitted when its "
                "search ends. Search for one with: dartsedu search --space equation"
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
        run._check(device, genotype)
        with claimed(folder):
            if genotype is not None:
                genotype.save(run.genotype_path)
            run._write_order()
            yield run

    def _check(self, device: str | torch.device, genotype: Genotype | None) -> None:
        """Raise ``SettingsError`` for what cannot be run on ``device``, ``TaskError`` for data that
        is missing. Sizes come first: a space too large could not even be described."""
        precision = self.settings.search.precision
        where = torch.device(device).type
        if genotype is None and precision != "float32" and where != "cuda":
            raise SettingsError(
                f"search.precision={precision} is for a GPU; on {where} use "
                "search.precision=float32"
            )
        check_memory(self.settings, self.task(), genotype, memory_here(device))
        search_space(self.settings)
        _check_batches(self.task(), self.settings, searches=genotype is None)

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
            return cls(folder, Order.model_validate_json(text))
        except ValidationError as error:
            raise RunError(f"{folder}: {explain(error, SETTINGS)}") from None

    def amended(self, overrides: Iterable[Override]) -> Self:
        """The same run with other ``train`` settings, written to its folder.

        ``overrides`` are as in ``load_preset``. Raises ``SettingsError`` for anything but the
        fields of ``train``, ``RunError`` if a network has been trained already (then only more
        seeds and random cells may be asked for). What an unfinished training did is put away.
        """
        settings = override(self.settings, overrides)
        if settings.model_copy(update={"train": self.settings.train}) != self.settings:
            raise SettingsError("a run that has begun keeps its settings; only train.* may change")
        counts = {"seeds", "random_cells", "lstms"}
        more = settings.train.model_dump(include=counts)
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
            results = Results.model_validate_json(text)
            results.check(self.settings)
        except ValidationError as error:
            raise RunError(f"{self.folder}: {explain(error, path.name)}") from None
        except ValueError as error:
            raise RunError(f"{path}: {error}; put back what the run has written") from None
        return results

    def task(self) -> Task:
        """The data set of the settings, loaded once. Raises ``TaskError`` if it is missing."""
        if self._task is None:
            self._task = load_task(**self.settings.task.model_dump())
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

    def end_search(self, search: Search, progress: Progress | None = None) -> Genotype:
        """Derive the genotype, measure the discretisation gap, write both.

        Of an equation: refit every restart, compare, and take the genotype of the preferred one;
        ``progress`` is told how far that is. The gap is that of the leading restart, before it is
        refitted.
        """
        genotype = search.supernet.genotype(self.settings.search.rule)
        gap = discretisation_gap(search.supernet, search.task.architecture, genotype)
        results = self.results().model_copy(update={"gap": gap})
        if isinstance(self.settings, EquationSettings):
            assert isinstance(search.supernet, EquationSupernet)
            assert isinstance(search.task, TableTask)
            discovery, findings = find(
                search.supernet, search.task, self.settings, self.order.seed, progress
            )
            genotype = discovery.equation.genotype()
            write_text(
                self.folder / "equation.json", discovery.equation.model_dump_json(indent=2) + "\n"
            )
            results = results.model_copy(update={"findings": findings})
        self._write_results(results)
        genotype.save(self.genotype_path)
        return genotype

    # ---- Training ------------------------------------------------------------------------------

    def candidates(self) -> list[Candidate]:
        """The networks to train that are not trained yet: the genotype's, random ones, LSTMs.

        Raises ``RunError`` for an equation.
        """
        found, train = self.genotype(), self._train_settings()
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
        if isinstance(train, RNNTrainSettings):
            for seed in range(self.order.seed, self.order.seed + train.lstms):
                every.append(Candidate(name=f"lstm-{seed}", kind="lstm", seed=seed, genotype=None))
        done = {trained.name for trained in self.results().trained}
        return [candidate for candidate in every if candidate.name not in done]

    def _train_settings(self) -> TrainSettings:
        train = self.settings.train
        if not isinstance(train, TrainSettings):
            raise RunError(
                "there is nothing to train: the coefficients of an equation are fitted when its "
                "search ends. Its report is "
                f"{self.folder / 'report.html'}"
            )
        return train

    def _space_of(self, genotype: Genotype) -> SearchSpace:
        """The space of random cells as large as ``genotype``, with the settings' primitives."""
        own = search_space(self.settings)
        keep = own.cells[0].keep
        cells = tuple(
            Topology.dense(c.name, c.inputs, len(c.nodes), c.keep or keep, c.combine)
            for c in genotype.cells
        )
        return SearchSpace(name=genotype.space, primitives=own.primitives, cells=cells)

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
        epoch, task = recording.steps[-1].epoch, training.task
        last_epoch = [step for step in recording.steps if step.epoch == epoch]
        measured: dict[str, Any]
        if isinstance(task, TextTask):
            assert isinstance(training.network, TextNetwork)
            written = training.network.write(task.words.index(END), SAMPLE_WORDS, candidate.seed)
            measured = {
                "training_perplexity": perplexity(fmean(s.loss["training"] for s in last_epoch)),
                "test_perplexity": training.test(),
                "sample": " ".join(task.words[word] for word in written),
            }
        else:
            measured = {
                "training_accuracy": sum(s.accuracy["training"] for s in last_epoch)
                / len(last_epoch),
                "test_accuracy": training.test(),
            }
        trained = Trained(
            name=candidate.name,
            kind=candidate.kind,
            seed=candidate.seed,
            parameters=training.network.size,
            steps=len(recording.steps),
            seconds=round(recording.steps[-1].elapsed, 2),
            **measured,
        )
        results = self.results()
        more: dict[str, Any] = {"trained": (*results.trained, trained)}
        if isinstance(task, TextTask) and results.references is None:
            more["references"] = _references(task)
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


def _check_batches(task: Task, settings: Settings, searches: bool) -> None:
    """Raise ``SettingsError`` if a split is too small for the batches that are to be read of it."""
    read: list[tuple[str, SearchSettings | TrainSettings]] = []
    if searches:
        read = [("weights", settings.search), ("architecture", settings.search)]
    if isinstance(settings.train, TrainSettings):
        read.append(("training", settings.train))
    for part, reading in read:
        split: Split = getattr(task, part)
        try:
            split.passes(reading.batch_size, 0, 1, **reading.reading())
        except TaskError as error:
            stage = "search" if isinstance(reading, SearchSettings) else "train"
            raise SettingsError(f"{stage}.batch_size, {part} split: {error}") from None


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


def _references(task: TextTask) -> dict[str, float]:
    """Test perplexities of counted words and, where it is known, the least that is possible."""
    assert isinstance(task.training, TextSplit)
    assert isinstance(task.test, TextSplit)
    losses = reference_losses(task.training, task.test, len(task.words))
    floor = {} if task.floor is None else {"floor": task.floor}
    return {name: perplexity(loss) for name, loss in losses.items()} | floor


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
