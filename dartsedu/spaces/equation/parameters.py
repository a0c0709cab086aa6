"""What the parameters of ``DARTSRegressor`` mean: their ranges, the search and the supernet.

They bear the names of ``autora-theorist-darts``; what is made from them bears ours.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator

from dartsedu.base.values import Value
from dartsedu.data.tables import TableTask
from dartsedu.settings import (
    LARGEST,
    MOST_WEIGHTS_STEPS,
    ArchitectureOptimizer,
    WeightsOptimizer,
)
from dartsedu.spaces.equation.output import Output, OutputType
from dartsedu.spaces.equation.settings import EquationSearchSettings
from dartsedu.spaces.equation.supernet import EquationSupernet, equation_space
from dartsedu.stream.stream import seed_of

_KINDS: dict[str, OutputType] = {
    "real": "real",
    "sigmoid": "sigmoid",
    "probability": "sigmoid",
    "probability_sample": "sigmoid",
    "probability_distribution": "softmax",
}
SIZES = (1e-100, 1e100)
"""Least and most of a column's largest number: its square is still far from the ends of a float."""


def kind_of(output_type: str, columns: int) -> OutputType:
    """What an ``output_type`` of so many columns makes of the combination of the nodes.

    A distribution over one column is the chance of one outcome against all others: the softmax of
    the combination and of 0 is the sigmoid.
    """
    return "sigmoid" if columns == 1 and output_type != "real" else _KINDS[output_type]


class ParameterError(ValueError, NotImplementedError):
    """A parameter of the estimator is out of its range.

    A ``ValueError``, as scikit-learn has it, and what AutoRA raises for primitives and output types
    that it does not have.
    """


class Parameters(Value):
    """The constructor's parameters with their ranges, and what is made from them."""

    batch_size: int = Field(ge=2)
    num_graph_nodes: int = Field(ge=1)
    output_type: Literal[
        "real", "sigmoid", "probability", "probability_sample", "probability_distribution"
    ]
    classifier_weight_decay: float = Field(ge=0)
    darts_type: Literal["original", "fair"]
    init_weights_function: Callable[..., Any] | None
    param_updates_per_epoch: int = Field(ge=1, le=MOST_WEIGHTS_STEPS)
    param_updates_for_sampled_model: int = Field(ge=0)
    param_learning_rate_max: float = Field(gt=0)
    param_learning_rate_min: float = Field(ge=0)
    param_momentum: float = Field(ge=0, lt=1)
    param_weight_decay: float = Field(ge=0)
    arch_updates_per_epoch: int = Field(ge=0)
    arch_learning_rate_max: float = Field(gt=0)
    arch_weight_decay: float = Field(ge=0)
    arch_weight_decay_df: float = Field(ge=0)
    arch_weight_decay_base: float = Field(ge=0)
    arch_momentum: float = Field(ge=0, lt=1)
    fair_darts_loss_weight: float = Field(ge=0)
    max_epochs: int = Field(ge=0)
    grad_clip: float | None = Field(gt=0)
    primitives: tuple[str, ...] = Field(min_length=1)
    train_classifier_coefficients: bool
    train_classifier_bias: bool
    execution_monitor: Callable[..., Any] | None
    sampling_strategy: Literal["max", "sample"]
    restarts: int = Field(ge=1)
    architect: Literal["first-order", "finite-difference", "exact"]
    architecture_share: float = Field(gt=0, lt=1)
    random_state: Any

    @field_validator("*")
    @classmethod
    def _can_be_held(cls, given: Any) -> Any:
        if isinstance(given, float) and given > LARGEST:
            raise ValueError(f"it is too large to reckon with; expected at most {LARGEST:g}")
        return given

    @field_validator("primitives")
    @classmethod
    def _exist(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        equation_space(1, 1, given)
        return given

    def settings(self, task: TableTask, steps: int) -> EquationSearchSettings:
        """The bilevel loop of at least so many steps; one epoch of it is a pass over the rows."""
        return EquationSearchSettings(
            epochs=ceil(steps / task.weights.batches(self.batch_size)),
            batch_size=self.batch_size,
            architect=self.architect,
            weights_steps=ceil(self.param_updates_per_epoch / self.arch_updates_per_epoch),
            weights=WeightsOptimizer(
                learning_rate=self.param_learning_rate_max,
                learning_rate_end=self.param_learning_rate_min,
                momentum=self.param_momentum,
                weight_decay=self.param_weight_decay,
                clip=self.grad_clip,
            ),
            architecture=ArchitectureOptimizer(
                learning_rate=self.arch_learning_rate_max,
                beta1=self.arch_momentum,
                weight_decay=self.arch_weight_decay,
            ),
        )

    def supernet(self, output: Output, task: TableTask, seed: int) -> EquationSupernet:
        """The supernet at its start."""
        fair = self.darts_type == "fair"
        with torch.random.fork_rng([]):
            torch.default_generator.manual_seed(seed_of(seed, "supernet"))
            supernet = EquationSupernet(
                equation_space(
                    len(task.variables),
                    self.num_graph_nodes,
                    self.primitives,
                    "sigmoid" if fair else "softmax",
                ),
                restarts=self.restarts,
                output=output,
                complexity=self.arch_weight_decay_df,
                presence=self.arch_weight_decay_df
                + self.arch_weight_decay_base * self.num_graph_nodes,
                zero_one=self.fair_darts_loss_weight if fair else 0.0,
                output_decay=self.classifier_weight_decay,
                alpha_scale=1e-3,
            )
            if self.init_weights_function is not None:
                supernet.apply(self.init_weights_function)
        return supernet


def check_targets(targets: NDArray[np.float64], output_type: str) -> None:
    """Raise ``ValueError`` for targets (rows, outputs) that the output type cannot give."""
    if output_type != "real" and (targets.min() < 0 or targets.max() > 1):
        raise ValueError(
            f"y goes from {targets.min():g} to {targets.max():g}; output_type={output_type!r} "
            "expects numbers in 0…1 (use 'real' for others)"
        )


def check_sizes(columns: NDArray[np.float64]) -> None:
    """Raise ``ValueError`` for columns whose squares no float can hold."""
    largest = np.abs(columns).max(axis=0)
    if ((largest > SIZES[1]) | ((largest < SIZES[0]) & (largest > 0))).any():
        raise ValueError(
            f"a column of the data has numbers up to {largest.max():g}, or none above "
            f"{largest[largest > 0].min():g}; expected sizes of {SIZES[0]:g} to {SIZES[1]:g}: "
            "choose another unit"
        )
