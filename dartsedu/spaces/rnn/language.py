"""The language model around a recurrent cell (DARTS A.2, after Merity et al. 2018).

Embedding, cell, decoder; the decoder's matrix is the embedding's. Every dropout mask is drawn once
for a batch and holds for all its words (locked, or variational, dropout).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.data.text import TextBatch
from dartsedu.relaxation import Outcome
from dartsedu.spaces.rnn.operations import draw_mask, matrix


class Dropout(NamedTuple):
    """Probabilities of being dropped in training."""

    words: float = 0.0
    """A word of the vocabulary, with its whole embedding."""
    embedding: float = 0.0
    """An entry of the embedded text."""
    input: float = 0.0
    """An entry of a cell's input, in its products."""
    hidden: float = 0.0
    """An entry of a cell's states, in its products."""
    output: float = 0.0
    """An entry of what is decoded."""


class Core(Protocol):
    """A cell run over a text: inputs (T, N, H), carried state → outputs (T, N, H), new state.

    ``hidden_mask`` (N, H) or ``None`` holds for all words. The state is one tensor.
    """

    def __call__(
        self, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None
    ) -> tuple[Tensor, Tensor]: ...


class LanguageModel(nn.Module):
    """Embedding and decoder with one matrix, and the losses of a text.

    Args:
        words: size of the vocabulary, V.
        hidden: size of embedding and hidden state, H.
        dropout: probabilities, in training mode only.
        activation: weight of the mean square of the dropped-out outputs (activation
            regularisation, AR).
        slowness: weight of the mean square of the change of the outputs from word to word
            (temporal activation regularisation, TAR).
    """

    def __init__(
        self,
        words: int,
        hidden: int,
        dropout: Dropout = Dropout(),
        activation: float = 0.0,
        slowness: float = 0.0,
    ) -> None:
        super().__init__()
        self.hidden, self.dropout = hidden, dropout
        self.activation, self.slowness = activation, slowness
        self.embedding = matrix(words, hidden)
        self.bias = nn.Parameter(torch.zeros(words))

    def start(self, batch: TextBatch) -> Tensor:
        """The hidden state (N, H) that a batch goes on from: what it was handed, or zero."""
        if batch.hidden is not None:
            return batch.hidden
        return self.embedding.new_zeros(batch.inputs.shape[1], self.hidden)

    def _read(self, core: Core, words: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Words (T, N) and a state → outputs (T, N, H), these dropped out, the new state."""
        drop = self.dropout if self.training else Dropout()
        table, columns, like = self.embedding, words.shape[1], self.embedding
        of_words = draw_mask((len(table), 1), drop.words, like)
        of_embedding, of_input, of_hidden, of_output = (
            draw_mask((columns, self.hidden), p, like)
            for p in (drop.embedding, drop.input, drop.hidden, drop.output)
        )
        x = F.embedding(words, _masked(table, of_words))
        x = _masked(_masked(x, of_embedding), of_input)
        outputs, state = core(x, state, of_hidden)
        return outputs, _masked(outputs, of_output), state

    def read(self, core: Core, words: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Words (T, N) and a state → logits (T, N, V) of each next word, and the new state."""
        _, dropped, state = self._read(core, words, state)
        return F.linear(dropped, self.embedding, self.bias), state

    def loss(self, core: Core, batch: TextBatch, state: Tensor) -> Outcome:
        """Mean cross-entropy in nats a word; AR and TAR as its penalty; the state to carry on."""
        outputs, dropped, state = self._read(core, batch.inputs, state)
        logits = F.linear(dropped, self.embedding, self.bias)
        loss = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())
        penalty = None
        if self.training and (self.activation or self.slowness):
            penalty = self.activation * dropped.square().mean()
            if len(outputs) > 1:
                penalty = penalty + self.slowness * (outputs[1:] - outputs[:-1]).square().mean()
        return Outcome(loss, carried=state.detach(), penalty=penalty)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask
