"""Averaged SGD with a non-monotone trigger, and the best network of a run (Merity et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from math import isnan
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel


class Averaging:
    """Averages the weights of a run once its validation loss stops falling.

    Call ``after_step`` after each step and ``after_epoch`` after each epoch. The weights of all
    steps since the trigger are averaged, evenly; the run itself goes on as it was. ``best`` is the
    ``state_dict`` with the lowest validation loss of all epochs, averaged weights if there were
    any by then.

    (``torch.optim.ASGD`` with λ = 0 takes its step with the learning rate of the batch before,
    which matters where the rate follows the length of a batch, and leaves the first step out.)

    Args:
        network: the one that is trained.
        patience: the trigger is a validation loss above the lowest of all epochs but the last so
            many (*nonmono*, 5 in the authors' code); ``None``: never average.
        as_asgd: leave the first step since the trigger out of the average.
    """

    def __init__(self, network: nn.Module, patience: int | None, *, as_asgd: bool = False) -> None:
        self.network, self.patience, self.as_asgd = network, patience, as_asgd
        self.steps = 0
        self.losses: list[float] = []
        self.averaged: AveragedModel | None = None
        self.best: dict[str, torch.Tensor] = {}

    @property
    def judged(self) -> nn.Module:
        """The network that an epoch is judged by: the averaged one once there is one."""
        return self.network if self.averaged is None else self.averaged.module

    def after_step(self) -> None:
        """Take the present weights into the average, if averaging has begun."""
        if self.averaged is None:
            return
        self.steps += 1
        if self.as_asgd and self.steps == 2:
            self.averaged.n_averaged.zero_()
        self.averaged.update_parameters(self.network)

    def after_epoch(self, loss: float) -> None:
        """Note the validation loss of ``judged``: is it the best, is it time to average?"""
        if not self.losses or loss < min(self.losses):
            self.best = {key: value.clone() for key, value in self.judged.state_dict().items()}
        past = [] if self.patience is None else self.losses[: -self.patience]
        if self.averaged is None and past and loss > min(past):
            self.averaged = AveragedModel(self.network)
        self.losses.append(loss)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next calls depend on."""
        return {
            "losses": self.losses,
            "steps": self.steps,
            "averaged": None if self.averaged is None else self.averaged.state_dict(),
            "best": self.best,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what ``state_dict`` gave. Raises ``ValueError`` if it is of another network."""
        losses, best = list(state["losses"]), state["best"]
        if not all(isinstance(loss, (int, float)) and not isnan(loss) for loss in losses):
            raise ValueError("its validation losses are not numbers")
        expected = self.network.state_dict() if losses else {}
        if _shapes(best) != _shapes(expected):
            raise ValueError("its best network is another network than this one")
        self.losses, self.best, self.averaged = losses, best, None
        self.steps = int(state.get("steps", 0))  # Absent before; only ``as_asgd`` reads it.
        if state["averaged"] is not None:
            self.averaged = AveragedModel(self.network)
            self.averaged.load_state_dict(state["averaged"])
            if self.averaged.n_averaged < 0:
                raise ValueError("its average is of less than no step")


def _shapes(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Size]:
    return {name: tensor.shape for name, tensor in tensors.items()}
