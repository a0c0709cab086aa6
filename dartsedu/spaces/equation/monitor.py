"""Watching a fit of ``DARTSRegressor``, in the manner of ``autora-theorist-darts``."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.spaces.equation.supernet import EquationSupernet
from dartsedu.spaces.equation.words import CELL
from dartsedu.stream.stream import Step


@dataclass(frozen=True)
class Leader:
    """The restart that leads a search, under the names that AutoRA's network and architect have.

    Attributes:
        supernet: all restarts.
        step: what the last step of the search did; its ``alphas`` are the leader's too.
    """

    supernet: EquationSupernet
    step: Step

    @property
    def primitives(self) -> tuple[str, ...]:
        """Names of the columns of α."""
        return self.supernet.space.primitives

    @property
    def alphas_normal(self) -> Tensor:
        """Raw α, a copy, (edges, primitives)."""
        return torch.tensor(self.step.alphas[CELL])

    def arch_parameters(self) -> list[Tensor]:
        """``alphas_normal`` in a list."""
        return [self.alphas_normal]

    @property
    def current_loss(self) -> float:
        """The last loss on the rows that train α."""
        return self.step.loss["architecture"]


class DARTSExecutionMonitor:
    """Keeps what a fit does, epoch by epoch, for ``display``.

    Attributes:
        epoch_history: the epochs, 0 for the first.
        loss_history: the leader's architecture loss at the end of each.
        arch_weight_history: α of all restarts, (restarts, edges, primitives) each.
        primitives: names of α's columns.

    ::

        monitor = DARTSExecutionMonitor()
        DARTSRegressor(execution_monitor=monitor.execution_monitor).fit(X, y)
        monitor.display().arch_fig
    """

    def __init__(self) -> None:
        self.epoch_history: list[int] = []
        self.loss_history: list[float] = []
        self.arch_weight_history: list[NDArray[np.float64]] = []
        self.primitives: tuple[str, ...] = ()
        self._leader = 0

    def execution_monitor(self, network: Leader, architect: Leader, epoch: int, **_: Any) -> None:
        """Take note of an epoch: to be given to a regressor as ``execution_monitor``."""
        self.epoch_history.append(epoch)
        self.loss_history.append(architect.current_loss)
        self.arch_weight_history.append(network.supernet.alphas[CELL].detach().cpu().numpy().copy())
        self.primitives = network.primitives
        self._leader = network.supernet.leader

    def display(self) -> SimpleNamespace:
        """``loss_fig`` with ``loss_ax``; ``arch_fig`` with ``arch_axes``, a panel for each edge.

        α are those of the restart that led at the end. Raises ``ValueError`` before the first
        epoch.
        """
        from dartsedu.show.picture import blank_picture

        if not self.epoch_history:
            raise ValueError("there is no epoch to draw yet: fit a regressor with this monitor")
        losses = self.loss_history
        loss_fig, ((loss_ax,),) = blank_picture(
            1, 1, 5, 3, f"Architecture loss from {losses[0]:.3g} to {losses[-1]:.3g}."
        )
        loss_ax.plot(self.epoch_history, losses)
        loss_ax.set_xlabel("epoch")
        loss_ax.set_ylabel("architecture loss")

        alphas = np.stack([alpha[self._leader] for alpha in self.arch_weight_history])
        side = ceil(sqrt(alphas.shape[1]))
        ends = [self.primitives[int(alpha.argmax())] for alpha in alphas[-1]]
        arch_fig, arch_axes = blank_picture(
            side,
            side,
            3.2 * side,
            2.6 * side,
            f"α of every edge; largest at the end: {', '.join(ends)}.",
        )
        for edge, axis in enumerate(arch_axes.flat):
            if edge >= alphas.shape[1]:
                axis.axis("off")
                continue
            for column, name in enumerate(self.primitives):
                style = "-" if column < 10 else "--"  # There are ten colours.
                curve = alphas[:, edge, column]
                axis.plot(self.epoch_history, curve, style, color=f"C{column % 10}", label=name)
            axis.set_title(f"edge {edge + 1}")
            axis.set_xlabel("epoch")
            axis.set_ylabel("α")
        arch_axes[0, 0].legend(fontsize=8)
        return SimpleNamespace(
            loss_fig=loss_fig, loss_ax=loss_ax, arch_fig=arch_fig, arch_axes=arch_axes
        )
