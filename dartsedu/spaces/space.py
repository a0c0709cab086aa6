"""What a search space has to offer: the one object that the rest of the package asks.

A space is one folder. Its file ``space.py`` holds the object ``SPACE``, of a subclass of ``Space``;
everything else in the folder (operations, supernet, discrete network, settings, presets, words) is
reached through it. ``tests/toy`` is a small one, outside the package.
"""

from __future__ import annotations

import inspect
import tomllib
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dartsedu.base.official_genotype import Official
from dartsedu.base.values import Value
from dartsedu.base.yardstick import Yardstick
from dartsedu.data.task import Task, TaskSettings
from dartsedu.genotype import Genotype, Vocabulary
from dartsedu.methods.method import Method
from dartsedu.network import Network, Together
from dartsedu.relaxation import Supernet
from dartsedu.search import Search
from dartsedu.settings import Settings, SettingsError
from dartsedu.show.palette import Appearance
from dartsedu.topology import SearchSpace
from dartsedu.train import Training

Progress = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done and how much there is."""

if TYPE_CHECKING:  # Plotting is loaded when something is drawn.
    from dartsedu.show.picture import Picture


class Conclusion(NamedTuple):
    """What follows from a search that is over.

    Attributes:
        genotype: the cell that was found.
        findings: what the space has to say besides, to be kept with the results.
        files: texts to be kept in the run's folder, by name.
    """

    genotype: Genotype
    findings: Value | None = None
    files: Mapping[str, str] = {}


class Space(ABC):
    """A search space. The methods that are not abstract have a neutral default.

    Attributes:
        name: as genotypes and settings name it; that of its folder.
        vocabulary: the words of its genotypes.
        appearance: how its cells are drawn.
        settings: the class of its settings.
        tasks: the class of its tasks.
        default_preset: the preset for its tasks where none is named.
        findings: the class of what ``conclude`` finds besides, if anything.
        nothing_to_train: why there is nothing to train after a search; empty where there is.
        kinds: the kinds of network that are trained, in words.
        reference_words: the ``references`` in words.
        negative_loss: whether the loss of a search may be below 0.
        official: how the authors' code prints a genotype, if it does.
        edges: the forms of an edge that its supernet can have (``methods.edges``).
        search_sizes, training_sizes: the settings that make a search and a training large.
    """

    name: str
    vocabulary: Vocabulary
    appearance: Appearance
    settings: type[Settings]
    tasks: type[Task]
    default_preset: str
    findings: type[Value] | None = None
    nothing_to_train: str = ""
    kinds: Mapping[str, str] = {"genotype": "this cell", "random": "random cells"}
    reference_words: Mapping[str, str] = {}
    negative_loss: bool = False
    official: Official | None = None
    edges: tuple[str, ...] = ("plain",)
    search_sizes: tuple[str, ...] = ("search.batch_size",)
    training_sizes: tuple[str, ...] = ("train.batch_size",)

    def check(self, name: str) -> None:
        """Raise ``ValueError`` unless it can be used under the ``name`` of its entry point."""
        wanted = ("name", "vocabulary", "appearance", "settings", "tasks", "default_preset")
        missing = [field for field in wanted if not hasattr(self, field)]
        if missing:
            raise ValueError(f"it lacks {', '.join(missing)}")
        if self.name != name:
            raise ValueError(f"it calls itself {self.name!r}; expected {name!r}")
        if not isinstance(self.task_kind.kind, str) or not issubclass(self.train_kind, Value):
            raise ValueError("its settings say neither which tasks nor what training it has")
        presets = tomllib.loads((self.folder / "presets.toml").read_text(encoding="utf-8"))
        if not all(isinstance(preset, dict) for preset in presets.values()):
            raise ValueError("presets.toml holds values outside of a preset")
        if self.default_preset not in presets:
            raise ValueError(f"presets.toml has no {self.default_preset!r}, its default")

    @property
    def folder(self) -> Traversable:
        """Where ``presets.toml`` is and, if the space has one, ``report.html.jinja``."""
        package, _, _ = type(self).__module__.rpartition(".")
        return files(package) if package else Path(inspect.getfile(type(self))).parent

    @property
    def task_kind(self) -> type[TaskSettings]:
        """The kind of task that its settings take."""
        kind = self.settings.model_fields["task"].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, TaskSettings)
        return kind

    @property
    def train_kind(self) -> type[Value]:
        """The class of what its settings say about training."""
        kind = self.settings.model_fields["train"].annotation
        assert isinstance(kind, type)
        assert issubclass(kind, Value)
        return kind

    @property
    def yardstick(self) -> Yardstick:
        """What its networks are judged by."""
        return self.settings.yardstick

    def published(self) -> Mapping[str, Genotype]:
        """Published cells of this space by name."""
        return {}

    def read(self, text: str) -> Genotype | None:
        """A genotype in a notation of this space's own; ``None`` if the text is in no such one.

        Raises ``GenotypeError`` if it is malformed.
        """
        return None

    # ---- Every cell ------------------------------------------------------------------------------

    def same(self, genotype: Genotype) -> Hashable:
        """Equal for cells that are the same network, whatever they are written as."""
        return genotype

    def truths(self) -> Mapping[str, str]:
        """Tables of all cells, trained, by name: files in ``folder`` (see ``truth``)."""
        return {}

    def trains_alike(self, one: Any, other: Any) -> bool:
        """Whether two ``train`` settings make a network of the same worth from a genotype."""
        return bool(one == other)

    def together(self, networks: Sequence[Network]) -> Together:
        """Networks of one genotype as one that trains them side by side.

        Raises ``SettingsError`` where that cannot be.
        """
        raise SettingsError(f"the space {self.name!r} cannot train networks side by side")

    def side_by_side(self, supernets: Sequence[Supernet]) -> Supernet:
        """Supernets of one shape as the restarts of one, each on batches of its own.

        Raises ``SettingsError`` where that cannot be.
        """
        raise SettingsError(f"the space {self.name!r} cannot search side by side")

    # ---- What is searched, and what is trained ---------------------------------------------------

    @abstractmethod
    def search_space(self, settings: Any, task: Any | None = None) -> SearchSpace:
        """The cells and primitives of the settings; of a ``task``, if their shape depends on it.

        Raises ``ValueError`` if the settings describe none.
        """

    @abstractmethod
    def supernet(self, space: SearchSpace, settings: Any, task: Any) -> Supernet:
        """A new supernet for a task of this space's kind."""

    def network(self, genotype: Genotype | None, train: Any, task: Any, size: int) -> Network:
        """A new discrete network of a genotype, or of a rival's kind with about ``size``
        parameters."""
        raise SettingsError(f"the space {self.name!r} has no discrete network")

    def search_memory(self, settings: Any, task: Any) -> int:
        """Bytes that a search needs at the least, found without building anything."""
        return 0

    def training_memory(self, train: Any, task: Any, genotype: Genotype) -> int:
        """Likewise of the training of a genotype."""
        return 0

    def beforehand(self, space: SearchSpace, settings: Any) -> str:
        """What somebody should know before a search begins; empty if there is nothing."""
        return ""

    def lacks(self, method: Method) -> str:
        """What keeps this space from a method, in words; empty where nothing does."""
        if method.edge.kind not in self.edges:
            return (
                f"edge={method.edge.kind} changes what an edge computes, and the space "
                f"{self.name!r} has: {', '.join(self.edges)}"
            )
        return ""

    # ---- What follows ----------------------------------------------------------------------------

    def conclude(
        self, search: Search, settings: Any, seed: int, progress: Progress | None = None
    ) -> Conclusion:
        """What a search that is over has found."""
        return Conclusion(search.genotype())

    def rivals(self, train: Any) -> Mapping[str, int]:
        """Kinds of network without a genotype, to be trained beside it: how many of each."""
        return {}

    def written(self, training: Training, seed: int) -> Mapping[str, str]:
        """Texts that belong to a trained network, by name."""
        return {}

    def references(self, task: Any) -> Mapping[str, float]:
        """Test scores of what is no network, by name."""
        return {}

    # ---- What is shown ---------------------------------------------------------------------------

    def pictures(
        self, findings: Any, task: Callable[[], Any]
    ) -> Mapping[str, Callable[[], Picture]]:
        """What draws the findings for the report, by name; ``task`` loads the data if need be."""
        return {}

    def told(self, findings: Any, settings: Any) -> Sequence[str]:
        """The findings as lines for a terminal."""
        return ()
