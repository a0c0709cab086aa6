"""The language model of a genotype, trained from scratch, and an LSTM to compare it with."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn

from dartsedu import genotype as discrete
from dartsedu.base.yardstick import perplexity
from dartsedu.data.splits import Split
from dartsedu.data.text import TextBatch
from dartsedu.network import Network
from dartsedu.relaxation import Outcome, add
from dartsedu.spaces.rnn.language import Dropout, LanguageModel
from dartsedu.spaces.rnn.official import load_official
from dartsedu.spaces.rnn.operations import (
    ACTIVATIONS,
    gated,
    initial_state,
    matrix,
)


class Cell(nn.Module):
    """A discrete cell, run over a text. Node i has one matrix W_i for gate and value.

    ``forward(inputs, state, hidden_mask)`` takes inputs (T, N, H), the previous hidden state (N, H)
    and a mask (N, H) or ``None``; it returns the outputs (T, N, H) and the last of them. The mask
    falls on states in products with a matrix, never on what a gate lets pass. (In the supernet a
    BatchNorm follows every state; here none does.)
    """

    def __init__(self, cell: discrete.Cell, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.initial = matrix(2 * hidden, 2 * hidden)
        self.nodes = nn.ParameterList(matrix(hidden, 2 * hidden) for _ in cell.nodes)

    def forward(
        self, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        hidden = state.shape[-1]
        outputs = []
        for x in inputs @ self.initial[:hidden]:
            states = [initial_state(x, state, self.initial[hidden:], hidden_mask)]
            for weight, edges in zip(self.nodes, self.cell.nodes, strict=True):
                states.append(
                    add(
                        self._edge(edge, states[edge.source], hidden_mask, weight) for edge in edges
                    )
                )
            kept = [states[i] for i in self.cell.outputs]
            state = add(kept) / len(kept)
            outputs.append(state)
        return torch.stack(outputs), state

    @staticmethod
    def _edge(edge: discrete.Edge, s: Tensor, mask: Tensor | None, weight: Tensor) -> Tensor:
        if edge.primitive == "none":
            return torch.zeros_like(s)
        masked = s if mask is None else s * mask
        gate, value = (masked @ weight).chunk(2, dim=-1)
        return gated(s, gate, ACTIVATIONS[edge.primitive](value))


class LSTM(nn.Module):
    """A long short-term memory (Hochreiter and Schmidhuber 1997), run over a text.

    As ``Cell``, but the state is (2, N, H): hidden state and memory.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.weight = matrix(2 * hidden, 4 * hidden)
        self.bias = nn.Parameter(torch.zeros(4 * hidden))

    def forward(
        self, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        output, memory = state
        size = output.shape[-1]
        outputs = []
        for x in inputs @ self.weight[:size] + self.bias:
            masked = output if hidden_mask is None else output * hidden_mask
            gates, value = (x + masked @ self.weight[size:]).split([3 * size, size], dim=-1)
            take, keep, show = torch.sigmoid(gates).chunk(3, dim=-1)
            memory = keep * memory + take * torch.tanh(value)
            output = show * torch.tanh(memory)
            outputs.append(output)
        return torch.stack(outputs), torch.stack([output, memory])


class TextNetwork(Network):
    """A language model with a core that is trained from scratch.

    Args:
        words: size of the vocabulary.
        hidden: size of embedding and hidden state.
        dropout, activation, slowness: regularisation, see ``LanguageModel``.
    """

    core: nn.Module

    def __init__(
        self,
        words: int,
        hidden: int,
        dropout: Dropout = Dropout(),
        activation: float = 0.0,
        slowness: float = 0.0,
    ) -> None:
        super().__init__()
        self.model = LanguageModel(words, hidden, dropout, activation, slowness)

    @abstractmethod
    def _start(self, batch: TextBatch) -> Tensor:
        """The state that a batch goes on from."""

    def loss(self, batch: TextBatch) -> Outcome:
        """Cross-entropy in nats a word, going on from ``batch.hidden`` (``None``: from zero)."""
        return self.model.loss(self.core, batch, self._start(batch))

    def train_loss(self, batch: TextBatch, settings: Any, epoch: int) -> Outcome:
        """``loss``; what regularises it was given when the network was made."""
        return self.loss(batch)

    @torch.no_grad()
    def score(self, split: Split, batch_size: int | None = None) -> float:
        """Perplexity on a whole text, in evaluation mode: exp of the mean loss of a word.

        The hidden state is carried from stretch to stretch, in ``batch_size`` columns.
        """
        training = self.training
        self.eval()
        try:
            total, count, carried = 0.0, 0, None
            for batch in split.once(batch_size or split.evaluation_batch):
                outcome = self.loss(batch.after(carried))
                carried = outcome.carried
                total += float(outcome.loss) * batch.targets.numel()
                count += batch.targets.numel()
        finally:
            self.train(training)
        return perplexity(total / count)

    @torch.no_grad()
    def write(self, first: int, count: int, seed: int = 0, temperature: float = 1.0) -> list[int]:
        """``count`` words, each drawn from what the model expects after all before it.

        ``first`` is the number of the word that stands before them (``<eos>`` to begin a
        sentence). A ``temperature`` below 1 prefers likely words more.
        """
        training = self.training
        self.eval()
        generator = torch.Generator().manual_seed(seed)
        device = self.model.embedding.device
        try:
            word = torch.tensor([[first]], device=device)
            state = self._start(TextBatch(word, word, first=True, usual=1))
            written: list[int] = []
            for _ in range(count):
                logits, state = self.model.read(self.core, word, state)
                chances = torch.softmax(logits[0, 0].double().cpu() / temperature, dim=0)
                word = torch.multinomial(chances, 1, generator=generator)[None].to(device)
                written.append(int(word))
        finally:
            self.train(training)
        return written


class RNNNetwork(TextNetwork):
    """The evaluation model of a genotype (A.2): its cell between a tied embedding and decoder.

    Args:
        genotype: a genotype of the space ``rnn``.
        words: size of the vocabulary (Penn Treebank 10,000; WikiText-2 33,278).
        hidden: size of embedding and hidden state (paper: 850 and 700).
        dropout, activation, slowness: regularisation, see ``LanguageModel``.

    Raises ``ValueError`` for a genotype of another space.
    """

    def __init__(
        self,
        genotype: discrete.Genotype,
        words: int,
        hidden: int = 850,
        dropout: Dropout = Dropout(),
        activation: float = 0.0,
        slowness: float = 0.0,
    ) -> None:
        if genotype.space != "rnn":
            raise ValueError(f"an RNNNetwork needs a genotype of 'rnn', not of {genotype.space!r}")
        super().__init__(words, hidden, dropout, activation, slowness)
        self.core = Cell(genotype.cells[0], hidden)

    def _start(self, batch: TextBatch) -> Tensor:
        return self.model.start(batch)

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load weights in the key layout of the authors' ``RNNModel``."""
        load_official(self, state)


class LSTMNetwork(TextNetwork):
    """The same language model with an LSTM in the place of the cell.

    ``lstm_hidden`` gives the hidden size for a number of parameters.
    """

    def __init__(
        self,
        words: int,
        hidden: int,
        dropout: Dropout = Dropout(),
        activation: float = 0.0,
        slowness: float = 0.0,
    ) -> None:
        super().__init__(words, hidden, dropout, activation, slowness)
        self.core = LSTM(hidden)

    def _start(self, batch: TextBatch) -> Tensor:
        start = self.model.start(batch)
        return start if batch.hidden is not None else torch.stack([start, start])


def lstm_hidden(parameters: int, words: int) -> int:
    """The hidden size H at which an ``LSTMNetwork`` has nearest to so many parameters.

    It has words · (H + 1) + 8 H² + 4 H.
    """
    b, c = words + 4, words - parameters
    root = (sqrt(b * b - 32 * c) - b) / 16
    return max(1, round(root))
