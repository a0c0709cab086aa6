"""Settings of a run, validated: what every space shares. Each space has its own beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, field_validator, model_validator

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.base.values import Value
from dartsedu.base.yardstick import Yardstick
from dartsedu.data.task import Task, TaskSettings
from dartsedu.derivation import rules
from dartsedu.methods.method import Method
from dartsedu.stream.averaging import Averaging
from dartsedu.stream.stream import seed_of

MOST = 1_000_000
"""Of anything counted; what a machine can hold is less, see ``spaces.memory``."""
MOST_NODES = 10_000
"""Of nodes of a cell."""
MOST_CELLS = 1000
"""Of cells of a network."""
MOST_WEIGHTS_STEPS = 10_000
"""Of w for a step of α: a search is stopped, and goes on, between steps of α."""
MOST_THREADS = 1024
"""PyTorch ends the process where the system refuses a thread."""
LARGEST = 1e30
"""Of any other number, such as a learning rate: networks reckon in 32 bits."""


class SettingsError(ValueError):
    """A setting is unknown or out of range; the message names it."""


class WeightsOptimizer(Value):
    """SGD of the operation weights w."""

    learning_rate: float = Field(0.025, gt=0, description="at the start")
    learning_rate_end: float = Field(0.0, ge=0, description="floor that cosine annealing ends at")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    clip: float | None = Field(None, gt=0, description="largest gradient norm; none: no limit")


class ArchitectureOptimizer(Value):
    """Adam of α."""

    learning_rate: float = Field(3e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    weight_decay: float = Field(1e-3, ge=0, description="added to the gradient, as Adam does")


class SearchSettings(Value):
    """The bilevel loop."""

    epochs: int = Field(50, ge=1, le=MOST, description="passes over the weights split")
    batch_size: int = Field(64, ge=2, le=MOST)
    architect: Literal["first-order", "finite-difference", "exact"] = "first-order"
    xi: float | None = Field(None, ge=0, description="ξ; none: the weights' learning rate")
    epsilon_scale: float = Field(0.01, gt=0, description="ε·‖v‖ of the finite difference")
    weights_steps: int = Field(
        1, ge=1, le=MOST_WEIGHTS_STEPS, description="steps of w for each step of α"
    )
    virtual_momentum: bool = Field(False, description="momentum in the virtual step")
    virtual_weight_decay: bool = Field(False, description="weight decay in the virtual step")
    weights: WeightsOptimizer = WeightsOptimizer()
    architecture: ArchitectureOptimizer = ArchitectureOptimizer()
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of products on a GPU; bfloat16: mixed with float32"
    )
    method: Method = Method()
    rule: str = Field("paper", description="derivation rule, see derivation.RULES")
    checkpoint_every: int = Field(1, ge=1, le=MOST, description="steps between checkpoints")

    @field_validator("rule")
    @classmethod
    def _is_known(cls, rule: str) -> str:
        if rule not in rules():
            raise ValueError(f"unknown derivation rule; expected one of: {', '.join(rules())}")
        return rule

    @model_validator(mode="after")
    def _is_one_problem(self) -> Self:
        if self.method.level == "single" and self.architect != "first-order":
            raise ValueError(
                f"method.level=single has no inner problem that architect={self.architect} could "
                "look through; use architect=first-order, or method.level=bilevel"
            )
        return self

    @property
    def identity(self) -> str:
        """What a search's checkpoint belongs to, as JSON."""
        return _identity(self, {"rule", "checkpoint_every"})

    def reading(self) -> dict[str, Any]:
        """What training batches of the split are drawn with besides size and seed."""
        return {}

    def architecture_batches(self, task: Task, seed: int, done: int) -> Iterator[Any]:
        """The architecture split's batches from step ``done`` on, one a step."""
        return task.architecture.training(
            self.batch_size, seed_of(seed, "architecture"), done, **self.reading()
        )

    def virtual_step(self) -> VirtualStep:
        """The step of w through which second-order architects look."""
        return VirtualStep(self.xi, self.virtual_momentum, self.virtual_weight_decay)

    def make_architect(self) -> Architect:
        """The architect that is named."""
        if self.architect == "finite-difference":
            return FiniteDifference(self.virtual_step(), self.epsilon_scale)
        return Exact(self.virtual_step()) if self.architect == "exact" else FirstOrder()


class TrainSettings(Value):
    """The discrete network, trained from scratch. A space adds its own fields."""

    epochs: int = Field(ge=1, le=MOST, description="passes over the training split")
    batch_size: int = Field(ge=2, le=MOST)
    weights: WeightsOptimizer = WeightsOptimizer()
    checkpoint_every: int = Field(20, ge=1, le=MOST, description="steps between checkpoints")
    seeds: int = Field(1, ge=1, le=MOST, description="networks trained from the genotype")
    random_cells: int = Field(0, ge=0, le=MOST, description="random genotypes trained beside it")

    counts: ClassVar[frozenset[str]] = frozenset({"seeds", "random_cells"})
    """Fields that say how many networks are trained, and nothing of how."""

    @property
    def identity(self) -> str:
        """What a training's checkpoint belongs to, as JSON."""
        return _identity(self, {*self.counts, "checkpoint_every"})

    def reading(self) -> dict[str, Any]:
        """What training batches of the split are drawn with besides size and seed."""
        return {}

    def optimizer(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.SGD:
        """What moves the weights."""
        w = self.weights
        return torch.optim.SGD(
            parameters, lr=w.learning_rate, momentum=w.momentum, weight_decay=w.weight_decay
        )

    def scheduler(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """What moves the learning rate after each epoch: cosine annealing."""
        return torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, self.epochs, self.weights.learning_rate_end
        )

    def averaging(self, network: torch.nn.Module) -> Averaging | None:
        """What averages the weights of a network that is judged after each epoch; ``None`` where
        none does."""
        return None

    def rate_is_late(self, averaging: Averaging | None) -> bool:
        """Whether a step takes the learning rate of the batch before."""
        return False

    @property
    def test_batch(self) -> int | None:
        """The batch size of the test; ``None``: the split's own."""
        return None


class Settings(Value):
    """Everything that defines a run but the seed of its random numbers and its device.

    ``train`` are ``TrainSettings``, or say what else follows a search.
    """

    yardstick: ClassVar[Yardstick]
    preset: str = Field(description="the preset these settings come from")
    follows: str = Field("", description="whose settings these are")
    space: str
    threads: int | None = Field(
        None, ge=1, le=MOST_THREADS, description="CPU threads; none: PyTorch's choice"
    )
    task: TaskSettings
    supernet: Value
    search: SearchSettings
    train: Value

    @model_validator(mode="after")
    def _has_numbers_that_can_be_held(self) -> Self:
        for name, number in _floats(self):
            if number > LARGEST:
                raise ValueError(
                    f"{name} is {number:g}, too large to reckon with; expected at most {LARGEST:g}"
                )
        return self


def _floats(value: Value, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every field that is a float, by its dotted name."""
    for name, inner in value:
        if isinstance(inner, Value):
            yield from _floats(inner, f"{prefix}{name}.")
        elif isinstance(inner, float):
            yield prefix + name, inner


LATER = {"official", "method"}
"""Fields that checkpoints of version 0.1.0 know nothing of; they go on where these are off."""


def _identity(settings: Value, without: set[str]) -> str:
    """Settings as JSON, without some fields and without what has come later and is off."""
    fields = type(settings).model_fields
    off = {
        name for name in LATER & fields.keys() if getattr(settings, name) == fields[name].default
    }
    return settings.model_dump_json(exclude=without | off)
