"""The benchmark's space as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from dartsedu.data.images import ImageTask
from dartsedu.genotype import Genotype
from dartsedu.network import Network, Together
from dartsedu.relaxation import Supernet
from dartsedu.settings import SettingsError
from dartsedu.spaces.bench import memory
from dartsedu.spaces.bench.isomorphism import from_string, graph_of
from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.operations import PRIMITIVES
from dartsedu.spaces.bench.settings import BenchSettings, BenchTrainSettings
from dartsedu.spaces.bench.side_by_side import BenchNetworks, BenchSupernets
from dartsedu.spaces.bench.supernet import BenchSupernet, bench_space
from dartsedu.spaces.bench.words import APPEARANCE, VOCABULARY
from dartsedu.spaces.space import Space
from dartsedu.topology import SearchSpace


class BenchSpace(Space):
    """One cell of six edges that classifies images (NAS-Bench-201)."""

    name = "bench"
    vocabulary = VOCABULARY
    appearance = APPEARANCE
    settings = BenchSettings
    tasks = ImageTask
    default_preset = "bench-classroom"
    search_sizes = ("supernet.channels", "supernet.cells", "supernet.stages", "search.batch_size")
    training_sizes = ("train.channels", "train.cells", "train.stages", "train.batch_size")

    def read(self, text: str) -> Genotype | None:
        return from_string(text) if "~" in text and "|" in text else None

    def same(self, genotype: Genotype) -> Hashable:
        return graph_of(genotype)

    def truths(self) -> Mapping[str, str]:
        return {"bench-digits": "bench-digits.npz"}

    def trains_alike(self, one: BenchTrainSettings, other: BenchTrainSettings) -> bool:
        apart = {*BenchTrainSettings.counts, "checkpoint_every", "fast"}
        return one.model_dump(exclude=apart) == other.model_dump(exclude=apart)

    def together(self, networks: Sequence[Network]) -> Together:
        members = [network for network in networks if isinstance(network, BenchNetwork)]
        if any(network.running for network in members):
            raise SettingsError(
                "networks side by side use the statistics of each batch: --set train.running=false"
            )
        return BenchNetworks(members)

    def side_by_side(self, supernets: Sequence[Supernet]) -> Supernet:
        return BenchSupernets([net for net in supernets if isinstance(net, BenchSupernet)])

    def search_space(self, settings: BenchSettings, task: ImageTask | None = None) -> SearchSpace:
        named = settings.supernet.primitives
        return bench_space(PRIMITIVES if named is None else named)

    def supernet(self, space: SearchSpace, settings: BenchSettings, task: ImageTask) -> Supernet:
        given = settings.supernet
        _check_stages("supernet", given.stages, task)
        return BenchSupernet(
            space,
            image_channels=task.image_shape[0],
            classes=task.classes,
            channels=given.channels,
            cells=given.cells,
            stages=given.stages,
            stem=given.stem,
            reduction=given.reduction,
            alpha_scale=given.alpha_scale,
            fast=given.fast,
        )

    def network(
        self, genotype: Genotype | None, train: BenchTrainSettings, task: ImageTask, size: int
    ) -> Network:
        if genotype is None:
            return super().network(genotype, train, task, size)
        _check_stages("train", train.stages, task)
        return BenchNetwork(
            genotype,
            image_channels=task.image_shape[0],
            classes=task.classes,
            channels=train.channels,
            cells=train.cells,
            stages=train.stages,
            stem=train.stem,
            reduction=train.reduction,
            running=train.running,
            fast=train.fast,
        )

    def search_memory(self, settings: BenchSettings, task: ImageTask) -> int:
        return memory.search_memory(settings, task)

    def training_memory(
        self, train: BenchTrainSettings, task: ImageTask, genotype: Genotype
    ) -> int:
        return memory.training_memory(train, task, genotype)


def _check_stages(of: str, stages: int, task: ImageTask) -> None:
    """Raise ``SettingsError`` where the maps would be halved to nothing."""
    height, width = task.image_shape[1:]
    if min(height, width) >> (stages - 1) < 1:
        raise SettingsError(
            f"{of}.stages is {stages}: every stage after the first halves the map, of which "
            f"images of {height}×{width} pixels leave nothing; expected at most "
            f"{min(height, width).bit_length()}"
        )


SPACE = BenchSpace()
