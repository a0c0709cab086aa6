"""Settings of convolutional cells that classify images."""

from __future__ import annotations

from typing import Any, Literal

import torch
from pydantic import Field

from dartsedu.base.values import Value
from dartsedu.base.yardstick import ACCURACY
from dartsedu.data.images import ImageSettings
from dartsedu.settings import MOST, MOST_CELLS, MOST_NODES, SearchSettings, Settings, TrainSettings


class CNNSupernetSettings(Value):
    """The relaxed convolutional network of the search."""

    channels: int = Field(16, ge=2, le=MOST, description="width of the first cell")
    cells: int = Field(8, ge=3, le=MOST_CELLS, description="depth")
    nodes: int = Field(4, ge=1, le=MOST_NODES, description="intermediate nodes of a cell")
    keep: int = Field(2, ge=1, description="predecessors each node keeps in the genotype")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: the paper's eight"
    )
    alpha_scale: float = Field(
        0.0, ge=0, le=100, description="α start at this times normal numbers"
    )
    fast: bool = Field(True, description="the fast form of a cell where it suits")


class CNNTrainSettings(TrainSettings):
    """The discrete convolutional network, trained from scratch."""

    channels: int = Field(36, ge=2, le=MOST, description="width of the first cell")
    cells: int = Field(20, ge=3, le=MOST_CELLS, description="depth")
    stem: Literal["cifar", "imagenet"] = "cifar"
    epochs: int = Field(
        600, ge=1, le=MOST, description="passes over weights and architecture together"
    )
    batch_size: int = Field(96, ge=2, le=MOST)
    schedule: Literal["cosine", "exponential"] = "cosine"
    decay: float = Field(0.97, gt=0, le=1, description="factor an epoch, if exponential")
    drop_path: float = Field(0.0, ge=0, lt=1, description="probability at the end of a linear ramp")
    auxiliary_weight: float = Field(0.0, ge=0, description="weight of the auxiliary head; 0: none")
    cutout: int = Field(0, ge=0, le=MOST, description="side of the square cut out, pixels")
    label_smoothing: float = Field(0.0, ge=0, lt=1)

    def reading(self) -> dict[str, Any]:
        return {"cutout_length": self.cutout}

    def scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        if self.schedule == "exponential":
            return torch.optim.lr_scheduler.ExponentialLR(optimizer, self.decay)
        return super().scheduler(optimizer)


class CNNSettings(Settings):
    """Convolutional cells that classify images."""

    yardstick = ACCURACY
    space: Literal["cnn"] = "cnn"
    task: ImageSettings = ImageSettings()
    supernet: CNNSupernetSettings = CNNSupernetSettings()
    search: SearchSettings = SearchSettings()
    train: CNNTrainSettings = CNNTrainSettings()
