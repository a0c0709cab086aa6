"""Is a curve over a line of numbers straight or square? A space of two primitives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from dartsedu.base.values import Value
from dartsedu.base.yardstick import ERROR
from dartsedu.data.splits import Batch, Split
from dartsedu.data.table import TableSplit
from dartsedu.data.task import DataSet, Task, TaskSettings
from dartsedu.genotype import Genotype, Vocabulary
from dartsedu.network import Network
from dartsedu.relaxation import Mixture, Outcome, Supernet
from dartsedu.settings import SearchSettings, Settings, TrainSettings
from dartsedu.show.palette import Appearance, Look
from dartsedu.spaces.space import Space
from dartsedu.topology import SearchSpace, Topology

# ---- Data ----------------------------------------------------------------------------------------


class CurveTask(Task):
    """Numbers x, and y of each."""


def curve(function: Callable[[Tensor], Tensor], given: CurveSettings) -> CurveTask:
    """Points of a function, every third for one split."""
    x = torch.linspace(-1, 1, given.numbers, dtype=torch.float64)[:, None]
    weights, architecture, test = (TableSplit(x[i::3], function(x[i::3])) for i in range(3))
    return CurveTask(
        name=given.name, weights=weights, architecture=architecture, test=test, training=weights
    )


SETS = {"parabola": lambda given: curve(torch.square, given)}


class CurveSettings(TaskSettings):
    """Which curve it is."""

    kind = "a curve"
    sets = SETS
    name: str = "parabola"
    numbers: int = Field(48, ge=12, description="how many points there are")


WAVE = DataSet("wave", CurveSettings.kind, lambda given: curve(lambda x: torch.sin(3 * x), given))

# ---- Supernet and network ------------------------------------------------------------------------

PRIMITIVES: dict[str, Callable[[Tensor], Tensor]] = {
    "straight": lambda x: x,
    "square": torch.square,
}


def run(topology: Topology, x: Tensor, edge: Callable[[int, Tensor], Tensor]) -> Tensor:
    """The mean of all nodes, each the sum of its edges, ``edge(row, state)``."""
    states = [x]
    for node, sources in enumerate(topology.predecessors):
        rows = topology.rows(node)
        states.append(sum(edge(row, states[i]) for row, i in zip(rows, sources, strict=True)))
    return torch.stack(states[1:]).mean(0)


def loss(predicted: Tensor, batch: Batch) -> Outcome:
    """The mean squared error."""
    return Outcome((predicted - batch.targets.float()).square().mean())


class CurveSupernet(Supernet):
    """Each edge: Σ weight · w · primitive(x)."""

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        self.w = nn.Parameter(torch.rand(space.shape("curve")))

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        shares = (self.mixture() if mixture is None else mixture)["curve"] * self.w

        def edge(row: int, x: Tensor) -> Tensor:
            each = zip(shares[row], self.space.primitives, strict=True)
            return sum(share * PRIMITIVES[p](x) for share, p in each)

        return loss(run(self.space["curve"], batch.inputs.float(), edge), batch)


class CurveNetwork(Network):
    """A genotype with a factor for each edge."""

    def __init__(self, genotype: Genotype) -> None:
        super().__init__()
        self.edges = genotype["curve"].edges
        self.nodes = len(genotype["curve"].nodes)
        self.w = nn.Parameter(torch.rand(len(self.edges)))

    def forward(self, x: Tensor) -> Tensor:
        states = [x, *[torch.zeros_like(x)] * self.nodes]
        for w, (state, edge) in zip(self.w, self.edges, strict=True):
            states[state] = states[state] + w * PRIMITIVES[edge.primitive](states[edge.source])
        return torch.stack(states[1:]).mean(0)

    def train_loss(self, batch: Batch, settings: Any, epoch: int) -> Outcome:
        return loss(self(batch.inputs.float()), batch)

    @torch.no_grad()
    def score(self, split: Split, batch_size: int | None = None) -> float:
        (batch,) = split.once(len(split))
        return ERROR.measure(float(loss(self(batch.inputs.float()), batch).loss), None)


# ---- Settings, and the space itself --------------------------------------------------------------


class CurveSupernetSettings(Value):
    """The relaxed graph."""

    nodes: int = Field(2, ge=1, description="intermediate nodes")


class CurveTrainSettings(TrainSettings):
    """The discrete network."""


class ToySettings(Settings):
    """A graph of straight and square edges."""

    yardstick = ERROR
    space: Literal["toy"] = "toy"
    task: CurveSettings = CurveSettings()
    supernet: CurveSupernetSettings = CurveSupernetSettings()
    search: SearchSettings = SearchSettings()
    train: CurveTrainSettings


class Toy(Space):
    """Curves over a line of numbers."""

    name = "toy"
    vocabulary = Vocabulary(cells=("curve",), inputs=1, primitives=tuple(PRIMITIVES))
    appearance = Appearance({"straight": Look("#089aaa"), "square": Look("#a90fe8", dashed=True)})
    settings = ToySettings
    tasks = CurveTask
    default_preset = "toy"

    def search_space(self, settings: ToySettings, task: CurveTask | None = None) -> SearchSpace:
        cell = Topology.dense("curve", 1, settings.supernet.nodes, keep=1, combine="mean")
        return SearchSpace(name=self.name, primitives=tuple(PRIMITIVES), cells=(cell,))

    def supernet(self, space: SearchSpace, settings: ToySettings, task: CurveTask) -> Supernet:
        return CurveSupernet(space)

    def network(
        self, genotype: Genotype | None, train: CurveTrainSettings, task: CurveTask, size: int
    ) -> Network:
        return CurveNetwork(genotype)


SPACE = Toy()
