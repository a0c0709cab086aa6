"""What networks that classify images share, of whatever space."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from dartsedu.data.splits import Split
from dartsedu.network import Network


def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
    """Fraction of rows whose largest logit is the target's, a scalar without graph."""
    return (logits.detach().argmax(dim=1) == targets).float().mean()


class Classifier(Network):
    """A discrete network that gives logits."""

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """Images (N, C, H, W) → logits (N, classes)."""

    @torch.no_grad()
    def score(self, split: Split, batch_size: int | None = None) -> float:
        """Accuracy on a whole split, 0…1, in evaluation mode."""
        training = self.training
        self.eval()
        try:
            correct = 0
            for batch in split.once(batch_size or split.evaluation_batch):
                correct += int((self(batch.inputs).argmax(dim=1) == batch.targets).sum())
        finally:
            self.train(training)
        return correct / len(split)


def multiply_adds(network: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """Multiply-adds of one image's forward pass, in convolutions and linear layers."""
    from torch.utils.flop_counter import FlopCounterMode  # Takes most of a second to import.

    device = next(network.parameters()).device
    training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            network(torch.zeros(1, *image_shape, device=device))
    finally:
        network.train(training)
    return counter.get_total_flops() // 2
