"""Settings of a recurrent cell that reads a text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any, ClassVar, Literal, Self

import torch
from pydantic import Field, model_validator

from dartsedu.architect import Architect, FirstOrder, OfficialRecurrent, VirtualStep
from dartsedu.base.values import Value
from dartsedu.base.yardstick import PERPLEXITY
from dartsedu.data.task import Task
from dartsedu.data.text import TextSplit
from dartsedu.data.texts import TextSettings
from dartsedu.settings import MOST, MOST_NODES, SearchSettings, Settings, TrainSettings
from dartsedu.stream.averaging import Averaging
from dartsedu.stream.stream import seed_of


class DropoutSettings(Value):
    """Probabilities of being dropped; every mask holds for all words of a batch."""

    words: float = Field(0.0, ge=0, lt=1, description="a word, with its whole embedding")
    embedding: float = Field(0.0, ge=0, lt=1, description="an entry of the embedded text")
    input: float = Field(0.0, ge=0, lt=1, description="an entry of the cell's input")
    hidden: float = Field(0.0, ge=0, lt=1, description="an entry of the cell's states")
    output: float = Field(0.0, ge=0, lt=1, description="an entry of what is decoded")


class RNNSupernetSettings(Value):
    """The relaxed recurrent cell of the search, and the language model around it."""

    hidden: int = Field(300, ge=1, le=MOST, description="size of embedding and hidden state")
    nodes: int = Field(8, ge=1, le=MOST_NODES, description="intermediate nodes of the cell")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: the paper's five"
    )
    dropout: DropoutSettings = DropoutSettings()
    activation: float = Field(0.0, ge=0, description="weight of the mean square of the outputs")
    slowness: float = Field(0.0, ge=0, description="weight of the mean square of their changes")
    alpha_scale: float = Field(
        0.0, ge=0, le=100, description="α start at this times normal numbers"
    )
    fast: bool = Field(True, description="the fast form of the cell")


class RNNSearchSettings(SearchSettings):
    """The bilevel loop over a text."""

    bptt: int = Field(
        35, ge=2, le=MOST, description="words a gradient goes back; now and then half of it"
    )
    virtual_clip: bool = Field(False, description="clipping in the virtual step")
    official: bool = Field(
        False, description="α's text, masks and second order as in the authors' code"
    )

    @model_validator(mode="after")
    def _is_a_form_of_the_authors(self) -> Self:
        if self.official and self.architect == "exact":
            raise ValueError(
                "the authors' code has no exact second order; use architect=finite-difference or "
                "first-order, or official=false"
            )
        return self

    def reading(self) -> dict[str, Any]:
        return {"bptt": self.bptt}

    def virtual_step(self) -> VirtualStep:
        step = super().virtual_step()
        return replace(step, clip=self.weights.clip) if self.virtual_clip else step

    def make_architect(self) -> Architect:
        if not self.official:
            return super().make_architect()
        if self.architect == "finite-difference":
            return OfficialRecurrent(self.virtual_step(), self.epsilon_scale)
        return FirstOrder(anew=True)

    def architecture_batches(self, task: Task, seed: int, done: int) -> Iterator[Any]:
        """As the authors read them: what stands where each step's first weights batch is read."""
        if not self.official:
            return super().architecture_batches(task, seed, done)
        weights, text, stride = task.weights, task.architecture, self.weights_steps
        assert isinstance(weights, TextSplit)
        assert isinstance(text, TextSplit)
        first = done * stride
        batches = text.beside(
            weights, self.batch_size, seed_of(seed, "weights"), first, **self.reading()
        )
        return islice(batches, None, None, stride)


class RNNTrainSettings(TrainSettings):
    """The discrete recurrent cell in a language model, trained from scratch."""

    hidden: int = Field(850, ge=1, le=MOST, description="size of embedding and hidden state")
    dropout: DropoutSettings = DropoutSettings()
    activation: float = Field(0.0, ge=0, description="weight of the mean square of the outputs")
    slowness: float = Field(0.0, ge=0, description="weight of the mean square of their changes")
    epochs: int = Field(1600, ge=1, le=MOST, description="passes over the weights split")
    batch_size: int = Field(64, ge=2, le=MOST)
    bptt: int = Field(
        35, ge=2, le=MOST, description="words a gradient goes back; now and then half of it"
    )
    bptt_spread: float = Field(0.0, ge=0, description="deviation of normal noise on that length")
    non_monotone: int | None = Field(
        5,
        ge=1,
        description="average the weights once the validation loss has not been the lowest for so "
        "many epochs; none: never",
    )
    official: bool = Field(
        False, description="steps while averaging, and the test, as in the authors' code"
    )
    counts: ClassVar[frozenset[str]] = TrainSettings.counts | {"lstms"}
    lstms: int = Field(
        0, ge=0, le=MOST, description="LSTMs of as many parameters trained beside it"
    )

    def reading(self) -> dict[str, Any]:
        return {"bptt": self.bptt, "spread": self.bptt_spread}

    def averaging(self, network: torch.nn.Module) -> Averaging:
        return Averaging(network, self.non_monotone, as_asgd=self.official)

    def rate_is_late(self, averaging: Averaging | None) -> bool:
        return self.official and averaging is not None and averaging.steps > 0

    @property
    def test_batch(self) -> int | None:
        return 1 if self.official else None


class RNNSettings(Settings):
    """A recurrent cell that reads a text."""

    yardstick = PERPLEXITY
    space: Literal["rnn"] = "rnn"
    task: TextSettings = TextSettings()
    supernet: RNNSupernetSettings = RNNSupernetSettings()
    search: RNNSearchSettings = RNNSearchSettings()
    train: RNNTrainSettings = RNNTrainSettings()
