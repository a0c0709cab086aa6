"""How the nodes of an equation's graph become a prediction, and the loss of one."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

OutputType = Literal["real", "sigmoid", "softmax"]
"""What the linear combination becomes: itself, a number in 0…1, chances that sum to 1."""


class Output(NamedTuple):
    """How the nodes become a prediction.

    Attributes:
        kind: see ``OutputType``. The loss is the mean squared error or, of ``softmax``, the
            cross-entropy.
        size: numbers predicted.
        scale: whether the factors of the nodes are found from data; else they are 1.
        offset: whether the constant is found from data; else it is 0.
    """

    kind: OutputType = "real"
    size: int = 1
    scale: bool = True
    offset: bool = True


def respond(kind: OutputType, combined: Tensor) -> Tensor:
    """The prediction that a combination of nodes (…, outputs, N) stands for."""
    if kind == "real":
        return combined
    return torch.sigmoid(combined) if kind == "sigmoid" else torch.softmax(combined, dim=-2)


def error(kind: OutputType, combined: Tensor, targets: Tensor) -> Tensor:
    """The loss of each restart, (restarts,), of combinations (restarts, outputs, N).

    ``targets`` are (N, outputs) numbers or, for ``softmax``, chances.
    """
    if kind == "softmax":
        return -(targets.T * torch.log_softmax(combined, dim=-2)).sum(-2).mean(-1)
    return (respond(kind, combined) - targets.T).square().mean((-2, -1))
