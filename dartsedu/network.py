"""What training knows of a discrete network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor, nn

from dartsedu.data.splits import Split
from dartsedu.relaxation import Outcome


class Network(nn.Module, ABC):
    """A network that is trained from scratch and judged by its space's yardstick."""

    @abstractmethod
    def train_loss(self, batch: Any, settings: Any, epoch: int) -> Outcome:
        """The pass of a training step, in training mode, in epoch 0, 1, …

        ``settings`` are the space's own train settings.
        """

    @abstractmethod
    def score(self, split: Split, batch_size: int | None = None) -> float:
        """Accuracy, 0…1, or perplexity on a whole split, in evaluation mode.

        ``batch_size`` defaults to the split's ``evaluation_batch``.
        """

    @property
    def size(self) -> int:
        """Number of parameters, as published figures count them."""
        return sum(parameter.numel() for parameter in self.parameters())


class Together(nn.Module, ABC):
    """Several networks of one genotype as one program, each with weights of its own."""

    @abstractmethod
    def losses(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Loss and accuracy of each, (networks,), on a batch whose second axis is theirs."""

    @abstractmethod
    def right(self, split: Split) -> Tensor:
        """How many examples of a split each gets right, (networks,)."""
