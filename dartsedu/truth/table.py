"""A table of every cell of a space: what each is worth when it is trained from scratch.

Cells that are the same graph share a row (``Space.same``). A file is a NumPy archive of plain
arrays with a text that says what made it, and a checksum over all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self
from zipfile import ZipFile

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from dartsedu.base.extensions import SPACES, ExtensionError, every, find
from dartsedu.base.values import Value, atomic_path, explain
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype, vocabulary
from dartsedu.settings import Settings
from dartsedu.spaces.build import search_space
from dartsedu.stream.stream import Measure, Step
from dartsedu.topology import SearchSpace
from dartsedu.truth.arrays import ARRAYS, check_arrays, checksum
from dartsedu.truth.cells import TruthError, choices_of, genotype_of, number_of

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 200_000_000
"""Bytes that a file may hold when it is unpacked."""
PLACE = ("rank", "true accuracy", "regret")
"""What ``Truth.measure`` says of a step, see ``Standing``."""


class Standing(NamedTuple):
    """Where a cell stands among all.

    Attributes:
        rank: 1 for the best; cells of the same accuracy share one.
        of: how many cells there are.
        accuracy: on the test split, 0…1, the mean over the seeds.
        regret: the accuracy of the best cell less this one's.
        better_than: the share of the cells that are worse, 0…1.
    """

    rank: int
    of: int
    accuracy: float
    regret: float
    better_than: float

    def __str__(self) -> str:
        return (
            f"rank {self.rank:,} of {self.of:,}: better than {100 * self.better_than:.1f} % "
            "of the cells"
        )


class About(Value):
    """What a table is of, and what made it.

    ``settings`` are those of the preset, of which ``task`` and ``train`` made the table; ``seeds``
    those of the networks, in the order of the table.
    """

    format: Literal["dartsedu truth"] = "dartsedu truth"
    version: Literal[1] = 1
    name: str
    space: SearchSpace
    settings: SerializeAsAny[Settings]
    seeds: tuple[int, ...] = Field(min_length=1, max_length=1000)
    versions: dict[str, str]

    @field_validator("settings", mode="before")
    @classmethod
    def _are_of_a_space(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            return find(SPACES, str(given.get("space"))).settings.model_validate(given)
        return given

    @model_validator(mode="after")
    def _is_of_one_space(self) -> Self:
        if self.space.name != self.settings.space:
            raise ValueError(
                f"the cells are of the space {self.space.name!r}, the settings of "
                f"{self.settings.space!r}"
            )
        known = vocabulary(self.space.name).primitives
        if unknown := [p for p in self.space.primitives if p not in known]:
            raise ValueError(f"unknown primitives {unknown}; expected some of: {', '.join(known)}")
        return self


@dataclass(frozen=True, eq=False)
class Truth:
    """Every cell of a space, trained with several seeds.

    Attributes:
        about: what it is of.
        choices: (rows, edges) the primitive of each edge, by its number in the space.
        row_of: (cells,) the row of every cell, in the order of ``itertools.product`` over edges.
        training_loss: (rows, epochs, seeds) mean over each epoch.
        validation_right: (rows, epochs, seeds) right answers on the architecture split, which
            trained no weights here, after each epoch.
        test_right: (rows, seeds) right answers on the test split, at the end.
        parameters, multiply_adds: (rows,) of the network.
        latency: (rows,) seconds for one image, on the machine that made the table.
        validation_size, test_size: examples of these splits.
    """

    about: About
    choices: NDArray[np.uint8]
    row_of: NDArray[np.uint16]
    training_loss: NDArray[np.float32]
    validation_right: NDArray[np.uint16]
    test_right: NDArray[np.uint16]
    parameters: NDArray[np.int64]
    multiply_adds: NDArray[np.int64]
    latency: NDArray[np.float32]
    validation_size: int
    test_size: int

    # ---- Cells and rows --------------------------------------------------------------------------

    @property
    def space(self) -> SearchSpace:
        """The space whose cells these are."""
        return self.about.space

    def __len__(self) -> int:
        """How many cells are different."""
        return len(self.choices)

    def row(self, genotype: Genotype) -> int:
        """The row of a cell. Raises ``TruthError`` for one that is not of the space."""
        return int(self.row_of[number_of(self.space, genotype)])

    def check(self, space: SearchSpace) -> None:
        """Raise ``TruthError`` unless a search in ``space`` finds cells of this table.

        The space may have fewer primitives, and another relaxation.
        """
        own = self.space
        lacking = [primitive for primitive in space.primitives if primitive not in own.primitives]
        if (space.name, space.cells) == (own.name, own.cells) and not lacking:
            return
        other = f"has primitives that the table has not: {', '.join(lacking)}"
        if space.name != own.name:
            other = f"is in the space {space.name!r}"
        elif space.cells != own.cells:
            other = "has cells with other states or edges"
        raise TruthError(
            f"the table {self.about.name!r} is of the space {own.name!r} and does not fit this "
            f"search, which {other}. Leave the table out, or take one of the search's own space"
        )

    def genotype(self, row: int) -> Genotype:
        """The cell of a row, as it was trained."""
        return genotype_of(self.space, self.choices[row].tolist())

    # ---- How good they are -----------------------------------------------------------------------

    @cached_property
    def accuracies(self) -> NDArray[np.float64]:
        """(rows,) accuracy on the test split, 0…1, the mean over the seeds: the truth."""
        return self.test_right.mean(axis=1) / self.test_size

    def accuracy(self, genotype: Genotype, seed: int | None = None) -> float:
        """Test accuracy of a cell, 0…1: of one seed, or the mean over all."""
        row = self.row(genotype)
        if seed is None:
            return float(self.accuracies[row])
        return float(self.test_right[row, self._seed(seed)] / self.test_size)

    def validation(
        self, genotype: Genotype, seed: int | None = None, epoch: int | None = None
    ) -> float:
        """Accuracy of a cell on the architecture split, 0…1, after an epoch, 0 for the first.

        Of one seed or the mean over all; by default at the end. This is what a strategy may look
        at: the test split is for the judge.
        """
        rights = self.validation_right[self.row(genotype)]
        epoch = len(rights) - 1 if epoch is None else epoch
        if not 0 <= epoch < len(rights):
            raise TruthError(f"no epoch {epoch}; the table has 0 to {len(rights) - 1}")
        of = rights[epoch] if seed is None else rights[epoch, self._seed(seed)]
        return float(np.mean(of) / self.validation_size)

    def _seed(self, seed: int) -> int:
        if seed not in self.about.seeds:
            known = ", ".join(map(str, self.about.seeds))
            raise TruthError(f"no seed {seed}; the table has {known}")
        return self.about.seeds.index(seed)

    def standing(self, genotype: Genotype) -> Standing:
        """Where a cell stands among all different ones."""
        own, cells = self.accuracies[self.row(genotype)], len(self)
        better, worse = int((self.accuracies > own).sum()), int((self.accuracies < own).sum())
        regret = float(self.accuracies.max() - own)
        return Standing(better + 1, cells, float(own), regret, worse / cells)

    def rank(self, genotype: Genotype) -> int:
        """1 for the best cell."""
        return self.standing(genotype).rank

    def standing_now(
        self,
        alphas: Mapping[str, ArrayLike],
        rule: str | None = None,
        space: SearchSpace | None = None,
    ) -> Standing:
        """Where the cell stands that ``rule`` would derive from α now.

        ``space`` is that of the search, where it is not the table's own (see ``check``).
        """
        return self.standing(derive(space or self.space, alphas, rule))

    def measure(self, rule: str | None = None, space: SearchSpace | None = None) -> Measure:
        """What readers of a search may keep of each step: ``recorded(…, measure=truth.measure())``.

        The numbers are ``PLACE``, of the cell that ``rule`` would derive then. A rule may leave an
        edge out; of a cell that the table has not, there are none. ``space`` is as in
        ``standing_now``; raises ``TruthError`` for one that does not fit (see ``check``).
        """
        if space is not None:
            self.check(space)

        def measure(step: Step) -> dict[str, float]:
            try:
                found = self.standing_now(step.alphas, rule, space)
            except TruthError:
                return {}
            return dict(zip(PLACE, (found.rank, found.accuracy, found.regret), strict=True))

        return measure

    @property
    def best(self) -> Genotype:
        """The cell of the highest mean test accuracy, the first of several."""
        return self.genotype(int(self.accuracies.argmax()))

    @property
    def median(self) -> Genotype:
        """A cell than which as many are better as are worse."""
        return self.genotype(int(np.argsort(self.accuracies, kind="stable")[len(self) // 2]))

    def sample(self, count: int, seed: int = 0, none: bool = True) -> list[Genotype]:
        """Cells drawn uniformly from all that can be written, not from the different ones.

        Without ``none``, from those that have it on no edge.
        """
        generator = np.random.default_rng(seed)
        allowed = [i for i, p in enumerate(self.space.primitives) if none or p != "none"]
        drawn = generator.choice(allowed, (count, self.choices.shape[1]))
        return [genotype_of(self.space, choices) for choices in drawn.tolist()]

    def neighbours(self, genotype: Genotype) -> list[Genotype]:
        """All cells that differ from it on one edge."""
        own = choices_of(self.space, genotype)
        return [
            genotype_of(self.space, [*own[:edge], other, *own[edge + 1 :]])
            for edge in range(len(own))
            for other in range(len(self.space.primitives))
            if other != own[edge]
        ]

    def frame(self) -> pd.DataFrame:
        """All different cells as a table of pandas, the best first.

        Raises ``ImportError`` where pandas is not installed.
        """
        import pandas as pd

        names = [
            f"{cell.name} {link.source}→{link.target}"
            for cell in self.space.cells
            for link in cell.edges
        ]
        primitives = np.array(self.space.primitives)[self.choices]
        own: dict[str, Any] = dict(zip(names, primitives.T, strict=True))
        own |= {"accuracy": self.accuracies}
        for number, seed in enumerate(self.about.seeds):
            own[f"accuracy {seed}"] = self.test_right[:, number] / self.test_size
        own["validation"] = self.validation_right[:, -1].mean(axis=1) / self.validation_size
        own["training loss"] = self.training_loss[:, -1].mean(axis=1)
        own |= {
            "parameters": self.parameters,
            "multiply-adds": self.multiply_adds,
            "latency": self.latency,
        }
        return pd.DataFrame(own).sort_values("accuracy", ascending=False, kind="stable")

    # ---- Files -----------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the table, atomically."""
        arrays = {name: getattr(self, name) for name in ARRAYS}
        arrays["sizes"] = np.array([self.validation_size, self.test_size])
        text = self.about.model_dump_json()
        with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                about=np.frombuffer(text.encode(), np.uint8),
                checksum=np.frombuffer(checksum(text, arrays), np.uint8),
                **arrays,
            )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read what ``save`` wrote. Raises ``TruthError`` saying what is wrong."""
        path = Path(path)
        try:
            with ZipFile(path) as packed:
                if sum(entry.file_size for entry in packed.infolist()) > LARGEST:
                    raise ValueError(f"it holds more than {LARGEST // 10**6} MB")
            with np.load(path, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in [*ARRAYS, "sizes"]}
                text = archive["about"].tobytes().decode()
                known = archive["checksum"].tobytes()
            if checksum(text, arrays) != known:
                raise ValueError("its checksum is not that of what it holds")
            about = About.model_validate_json(text)
            sizes = arrays.pop("sizes")
            check_arrays(about.space, len(about.seeds), arrays, sizes)
            validation, test = sizes.tolist()
            return cls(about, **arrays, validation_size=validation, test_size=test)
        except ValidationError as error:
            said = explain(error, "about")
        except KeyError as error:
            said = f"it lacks {str(error.args[0]).split()[0]:.100}"
        except OSError as error:
            said = error.strerror or str(error)
        except Exception as error:  # Unpacking what somebody damaged may fail in any way.
            said = str(error).split("\n")[0] or type(error).__name__
        raise TruthError(
            f"{path} is no table of a truth that this version can read: {said:.500}. Take the one "
            "that comes with the package, or make one: dartsedu truth build"
        )


# ---- Tables by name ------------------------------------------------------------------------------


def truths() -> tuple[str, ...]:
    """The names of the tables that come with the spaces."""
    return tuple(name for space in every(SPACES) for name in space.truths())


_shipped = cache(Truth.load)
"""Tables of the package do not change while it runs; files may."""


def load_truth(name: str | Path) -> Truth:
    """A table by its name, one of ``truths()``, or by the path of a file ``….npz``.

    Raises ``TruthError`` for an unknown name or a file that is none.

    >>> truth = load_truth("bench-digits")
    >>> truth.rank(truth.best)
    1
    """
    for space in every(SPACES):
        if str(name) in space.truths():
            return _shipped(str(space.folder.joinpath(space.truths()[str(name)])))
    if Path(name).suffix == ".npz":
        return Truth.load(name)
    raise TruthError(
        f"unknown table {str(name)!r:.100}; expected one of: {', '.join(truths())}, or a file ….npz"
    )


def truth_of(settings: Settings) -> Truth | None:
    """The table that says what the cells of a run are worth, if there is one.

    It is of the same data and of networks trained alike, and has all primitives of the run's space.
    """
    try:
        space = find(SPACES, settings.space)
    except ExtensionError:
        return None
    for name in space.truths():
        truth = load_truth(name)
        made = truth.about.settings
        if made.task != settings.task or not space.trains_alike(made.train, settings.train):
            continue
        if set(search_space(settings).primitives) <= set(truth.space.primitives):
            return truth
    return None
