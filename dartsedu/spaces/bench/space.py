"""The benchmark's space as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, cast

from dartsedu.data.images import ImageTask
from dartsedu.genotype import Genotype
from dartsedu.network import Network, Together
from dartsedu.relaxation import Supernet
from dartsedu.settings import SettingsError
from dartsedu.spaces.bench import memory
from dartsedu.spaces.bench.isomorphism import from_string, graph_of
from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.operations import PRIMITIVES
from dartsedu.spaces.bench.settings import BenchSettings, BenchTrainSettings, Body
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
        members = cast(Sequence[BenchNetwork], networks)
        if any(network.running for network in members):
            raise SettingsError(
                "networks side by side use the statistics of each batch: --set train.running=false"
            )
        return BenchNetworks(members)

    def side_by_side(self, supernets: Sequence[Supernet]) -> Supernet:
        return BenchSupernets(cast(Sequence[BenchSupernet], supernets))

    def search_space(self, settings: BenchSettings, task: ImageTask | None = None) -> SearchSpace:
        named = settings.supernet.primitives
        return bench_space(PRIMITIVES if named is None else named)

    def supernet(self, space: SearchSpace, settings: BenchSettings, task: ImageTask) -> Supernet:
        given = settings.supernet
        body = _body("supernet", given, task)
        return BenchSupernet(space, **body, alpha_scale=given.alpha_scale)

    def network(
        self, genotype: Genotype | None, train: BenchTrainSettings, task: ImageTask, size: int
    ) -> Network:
        if genotype is None:
            return super().network(genotype, train, task, size)
        return BenchNetwork(genotype, **_body("train", train, task), running=train.running)

    def search_memory(self, settings: BenchSettings, task: ImageTask) -> int:
        return memory.search_memory(settings, task)

    def training_memory(
        self, train: BenchTrainSettings, task: ImageTask, genotype: Genotype
    ) -> int:
        return memory.training_memory(train, task, genotype)


def _body(of: str, body: Body, task: ImageTask) -> dict[str, Any]:
    """What a network is made of by its settings and the data, as arguments.

    Raises ``SettingsError`` where the maps would be halved to nothing; ``of`` names the settings.
    """
    depth, height, width = task.image_shape
    if min(height, width) >> (body.stages - 1) < 1:
        raise SettingsError(
            f"{of}.stages is {body.stages}: every stage after the first halves the map, of which "
            f"images of {height}×{width} pixels leave nothing; expected at most "
            f"{min(height, width).bit_length()}"
        )
    given = body.model_dump(include=set(Body.model_fields))
    return {"image_channels": depth, "classes": task.classes, **given}


SPACE = BenchSpace()
