"""Several networks or supernets as one program: each with weights and batches of its own.

They do not know each other: the loss is the sum of theirs, so the gradient of each is that of its
own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.data.splits import Batch, Split
from dartsedu.network import Together
from dartsedu.relaxation import Mixture, Outcome, Supernet
from dartsedu.spaces.bench import fast
from dartsedu.spaces.bench.network import BenchNetwork
from dartsedu.spaces.bench.supernet import BenchSupernet
from dartsedu.spaces.bench.words import CELL, NODES


def _stacked(members: Sequence[nn.Module], names: Sequence[str]) -> nn.ParameterDict:
    """The weights of some networks of one shape, (S, …) each. (A key must not have dots.)"""
    own = [dict(member.named_parameters()) for member in members]
    return nn.ParameterDict(
        {
            name.replace(".", "/"): torch.stack([weights[name].detach() for weights in own])
            for name in names
        }
    )


def _named(weights: nn.ParameterDict) -> dict[str, Tensor]:
    return {name.replace("/", "."): weight for name, weight in weights.items()}


def _losses(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and accuracy of each network, (S,); logits (N, S, classes), targets (N, S)."""
    each = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
    right = (logits.detach().argmax(dim=2) == targets).float()
    return each.view(targets.shape).mean(0), right.mean(0)


class BenchNetworks(Together):
    """Networks of one genotype, trained side by side.

    Args:
        members: their starts, networks of one genotype and size that use the statistics of batches
            (``running=False``).
    """

    def __init__(self, members: Sequence[BenchNetwork]) -> None:
        super().__init__()
        self.kinds, self.cell = members[0].skeleton.kinds, members[0].cell
        self.stacked = _stacked(members, [name for name, _ in members[0].named_parameters()])

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, S, C, H, W) → logits (N, S, classes)."""
        w = _named(self.stacked)
        return fast.run(w, images, self.kinds, fast.discrete_cell(w, self.cell))

    def losses(self, batch: Batch) -> tuple[Tensor, Tensor]:
        return _losses(self(batch.inputs), batch.targets)

    @torch.no_grad()
    def right(self, split: Split) -> Tensor:
        networks = len(self.stacked["skeleton/classifier/bias"])
        right = torch.zeros(networks, dtype=torch.long)
        for batch in split.once(split.evaluation_batch):
            images = batch.inputs[:, None].expand(-1, networks, -1, -1, -1)
            right += (self(images).argmax(dim=2) == batch.targets[:, None]).sum(0)
        return right


class BenchSupernets(Supernet):
    """Supernets of one space and size, searched side by side as restarts.

    Args:
        members: their starts.
    """

    restarts: int

    def __init__(self, members: Sequence[BenchSupernet]) -> None:
        first = members[0]
        super().__init__(first.space)
        self.restarts = len(members)
        self.alphas = nn.ParameterDict(
            {CELL: torch.stack([member.alphas[CELL].detach() for member in members])}
        )
        self.kinds = first.skeleton.kinds
        self.stacked = _stacked(members, list(first.weights()))

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        """The sum of the cross-entropies; a batch is (N, S, C, H, W) and (N, S)."""
        weights = (self.mixture() if mixture is None else mixture)[CELL]
        w = _named(self.stacked)
        cell = fast.mixed_cell(w, weights, self.space.primitives, NODES)
        images = batch.inputs.to(weights.dtype)
        losses, accuracies = _losses(fast.run(w, images, self.kinds, cell), batch.targets)
        return Outcome(losses.sum(), accuracies.mean(), losses=losses.detach())

    def leading(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The first one's."""
        return {cell: tensor[0] for cell, tensor in tensors.items()}

    def shown_loss(self, outcome: Outcome) -> Tensor:
        """The first one's."""
        assert outcome.losses is not None
        return outcome.losses[0]

    def alphas_of(self, number: int) -> dict[str, Any]:
        """The α of one of them, as ``derive`` takes them."""
        return {cell: alpha[number].detach().numpy() for cell, alpha in self.alphas.items()}
