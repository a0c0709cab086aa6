"""Settings of the benchmark's cells that classify images."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from pydantic import Field

from dartsedu.base.values import Value
from dartsedu.base.yardstick import ACCURACY
from dartsedu.data.images import ImageSettings
from dartsedu.settings import MOST, MOST_CELLS, SearchSettings, Settings, TrainSettings
from dartsedu.spaces.bench.operations import Reduction, Stem

MOST_STAGES = 8
"""Each doubles the channels and halves the map."""


class Body(Value):
    """The skeleton that cells are stacked in, of a search and of a training."""

    channels: int = Field(16, ge=1, le=MOST, description="width of the first stage")
    cells: int = Field(5, ge=1, le=MOST_CELLS, description="cells of a stage")
    stages: int = Field(3, ge=1, le=MOST_STAGES, description="stages, a reduction between them")
    stem: Stem = Field(3, description="side of the first convolution; 1: none sees neighbours")
    reduction: Reduction = Field("residual", description="pool: 2×2, then a 1×1 convolution")
    fast: bool = Field(True, description="the fast form where it suits")


class BenchSupernetSettings(Body):
    """The relaxed network of the search."""

    primitives: tuple[str, ...] | None = Field(None, min_length=1, description="none: all five")
    alpha_scale: float = Field(
        0.0, ge=0, le=100, description="α start at this times normal numbers"
    )


class BenchTrainSettings(TrainSettings, Body):
    """The discrete network, trained from scratch."""

    running: bool = Field(
        True, description="evaluate by BatchNorm's running statistics, not those of each batch"
    )
    nesterov: bool = Field(False, description="look ahead by the momentum (Nesterov)")

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.SGD:
        made = super().optimizer(parameters)
        for group in made.param_groups:
            group["nesterov"] = self.nesterov
        return made


class BenchSettings(Settings):
    """Cells of a space that is small enough to train every one."""

    yardstick = ACCURACY
    space: Literal["bench"] = "bench"
    task: ImageSettings = ImageSettings()
    supernet: BenchSupernetSettings = BenchSupernetSettings()
    search: SearchSettings = SearchSettings()
    train: BenchTrainSettings = BenchTrainSettings(epochs=200, batch_size=256)
