"""The convolutional space as the rest of the package sees it."""

from __future__ import annotations

from collections.abc import Mapping

from dartsedu.data.images import ImageTask
from dartsedu.genotype import Genotype
from dartsedu.network import Network
from dartsedu.relaxation import Supernet
from dartsedu.spaces.cnn import memory
from dartsedu.spaces.cnn.network import CNNNetwork
from dartsedu.spaces.cnn.operations import PRIMITIVES
from dartsedu.spaces.cnn.settings import CNNSettings, CNNTrainSettings
from dartsedu.spaces.cnn.supernet import CNNSupernet, cnn_space
from dartsedu.spaces.cnn.words import APPEARANCE, OFFICIAL, VOCABULARY
from dartsedu.spaces.space import Space
from dartsedu.topology import SearchSpace


class CNNSpace(Space):
    """Normal and reduction cells that classify images (DARTS §3.1)."""

    name = "cnn"
    vocabulary = VOCABULARY
    appearance = APPEARANCE
    settings = CNNSettings
    tasks = ImageTask
    default_preset = "classroom"
    official = OFFICIAL
    edges = ("plain", "auxiliary-skip")
    search_sizes = ("supernet.channels", "supernet.cells", "supernet.nodes", "search.batch_size")
    training_sizes = ("train.channels", "train.cells", "train.batch_size")

    def published(self) -> Mapping[str, Genotype]:
        from dartsedu.spaces.cnn.published import PUBLISHED  # Genotypes ask for this space's words.

        return PUBLISHED

    def search_space(self, settings: CNNSettings, task: ImageTask | None = None) -> SearchSpace:
        given = settings.supernet
        named = PRIMITIVES if given.primitives is None else given.primitives
        return cnn_space(given.nodes, given.keep, named)

    def supernet(self, space: SearchSpace, settings: CNNSettings, task: ImageTask) -> Supernet:
        given = settings.supernet
        return CNNSupernet(
            space,
            image_channels=task.image_shape[0],
            classes=task.classes,
            channels=given.channels,
            cells=given.cells,
            alpha_scale=given.alpha_scale,
            fast=given.fast,
            auxiliary=settings.search.method.edge.builds_skips,
        )

    def network(
        self, genotype: Genotype | None, train: CNNTrainSettings, task: ImageTask, size: int
    ) -> Network:
        if genotype is None:
            return super().network(genotype, train, task, size)
        return CNNNetwork(
            genotype,
            image_shape=task.image_shape,
            classes=task.classes,
            channels=train.channels,
            cells=train.cells,
            stem=train.stem,
            auxiliary=train.auxiliary_weight > 0,
        )

    def search_memory(self, settings: CNNSettings, task: ImageTask) -> int:
        return memory.search_memory(settings, task)

    def training_memory(self, train: CNNTrainSettings, task: ImageTask, genotype: Genotype) -> int:
        return memory.training_memory(train, genotype)


SPACE = CNNSpace()
