"""The recurrent supernet: a cell whose every edge is a mixture, in a language model (DARTS §3.1.2).

This is the plain form, as the paper describes it; ``fast`` computes the same function from the same
parameters in fewer and larger pieces, unless it is switched off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from dartsedu.data.text import TextBatch
from dartsedu.relaxation import Mixture, Outcome, Supernet, add
from dartsedu.spaces.rnn import fast
from dartsedu.spaces.rnn.language import Dropout, LanguageModel
from dartsedu.spaces.rnn.official import load_official
from dartsedu.spaces.rnn.operations import (
    ACTIVATIONS,
    PRIMITIVES,
    gated,
    initial_state,
    matrix,
)
from dartsedu.spaces.rnn.words import CELL
from dartsedu.topology import SearchSpace, Topology


def rnn_space(nodes: int = 8, primitives: Iterable[str] = PRIMITIVES) -> SearchSpace:
    """One cell; every node hears all earlier states and keeps one of them; the output is the mean.

    State 0 is made from the input and the previous hidden state. Raises ``ValueError`` for an
    unknown primitive.
    """
    cell = Topology.dense(CELL, inputs=1, nodes=nodes, keep=1, combine="mean")
    space = SearchSpace(name="rnn", primitives=tuple(primitives), cells=(cell,))
    check_space(space)
    return space


class MixedCell(nn.Module):
    """The cell as a mixture, run over a text.

    Node i has one matrix, whatever its predecessor: from each predecessor s it makes gate and value
    c, h = (s ⊙ mask) W_i and adds, over primitives f, weight · (s + σ(c) ⊙ (f(h) − s)). Every state
    passes a BatchNorm without γ and β, which all states share: without it a supernet of 8 nodes
    hardly trains (A.1.2).

    ``forward(inputs, state, hidden_mask, weights)`` takes inputs (T, N, H), the previous hidden
    state (N, H), a mask (N, H) or ``None`` and the mixture (edges, primitives); it returns the
    outputs (T, N, H) and the last of them.
    """

    def __init__(self, space: SearchSpace, hidden: int) -> None:
        super().__init__()
        self.topology, self.primitives = space[CELL], space.primitives
        self.initial = matrix(2 * hidden, 2 * hidden)
        self.nodes = nn.ParameterList(
            matrix(hidden, 2 * hidden) for _ in self.topology.predecessors
        )
        self.norm = nn.BatchNorm1d(hidden, affine=False)

    def forward(
        self, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None, weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        matrices = torch.stack(list(self.nodes))
        outputs = self.run(inputs, state, hidden_mask, weights, self.initial, matrices, self.norm)
        return outputs, outputs[-1]

    def run(
        self,
        inputs: Tensor,
        state: Tensor,
        hidden_mask: Tensor | None,
        weights: Tensor,
        initial: Tensor,
        matrices: Tensor,
        norm: Callable[[Tensor], Tensor],
    ) -> Tensor:
        """The outputs for any weights: ``initial`` (2H, 2H), ``matrices`` (nodes, H, 2H)."""
        hidden = state.shape[-1]
        outputs = []
        for x in inputs @ initial[:hidden]:
            states = norm(initial_state(x, state, initial[hidden:], hidden_mask))[None]
            for node, weight in enumerate(matrices):
                masked = states if hidden_mask is None else states * hidden_mask
                gate, value = (masked @ weight).chunk(2, dim=-1)
                shares = weights[self.topology.rows(node), :, None, None].unbind(1)
                mixed = add(
                    share * gated(states, gate, ACTIVATIONS[primitive](value))
                    for share, primitive in zip(shares, self.primitives, strict=True)
                    if primitive != "none"
                )
                states = torch.cat([states, norm(mixed.sum(dim=0))[None]])
            state = states[1:].mean(dim=0)
            outputs.append(state)
        return torch.stack(outputs)


class RNNSupernet(Supernet):
    """A language model whose cell is a mixture.

    Args:
        space: its one cell is called ``recurrent`` and has one input.
        words: size of the vocabulary.
        hidden: size of embedding and hidden state (paper: 300).
        dropout, activation, slowness: regularisation, see ``LanguageModel``.
        alpha_scale: α start at this times standard normal numbers (paper: 0, official code: 1e-3).
        fast: use the fast form of the cell.

    Raises ``ValueError`` for a space that is not recurrent or an unknown primitive.
    """

    tied = ("model.embedding",)

    def __init__(
        self,
        space: SearchSpace,
        *,
        words: int,
        hidden: int = 300,
        dropout: Dropout = Dropout(),
        activation: float = 0.0,
        slowness: float = 0.0,
        alpha_scale: float = 0.0,
        fast: bool = True,
    ) -> None:
        super().__init__(space, alpha_scale)
        check_space(space)
        self.fast = fast
        self.model = LanguageModel(words, hidden, dropout, activation, slowness)
        self.core = MixedCell(space, hidden)

    def loss(self, batch: TextBatch, mixture: Mixture | None = None) -> Outcome:
        """Cross-entropy in nats a word, going on from ``batch.hidden`` (``None``: from zero)."""
        weights = (self.mixture() if mixture is None else mixture)[CELL]

        def core(
            inputs: Tensor, state: Tensor, hidden_mask: Tensor | None
        ) -> tuple[Tensor, Tensor]:
            if self.fast and fast.suits(self.core, state):
                return fast.forward(self.core, inputs, state, hidden_mask, weights)
            return self.core(inputs, state, hidden_mask, weights)

        return self.model.loss(core, batch, self.model.start(batch))

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """As for every supernet, and without dropout."""
        dropout, self.model.dropout = self.model.dropout, Dropout()
        try:
            with super().measuring():
                yield
        finally:
            self.model.dropout = dropout

    def load_official(self, state: Mapping[str, Tensor]) -> None:
        """Load weights (and α, if there) in the key layout of the authors' ``RNNModelSearch``."""
        load_official(self, state)


def check_space(space: SearchSpace) -> None:
    """Raise ``ValueError`` unless ``space`` is one that a recurrent cell can be built from."""
    names = tuple(cell.name for cell in space.cells)
    if space.name != "rnn" or names != (CELL,):
        raise ValueError(
            f"space {space.name!r} with cells {names} is not recurrent; expected the space 'rnn' "
            f"with one cell {CELL!r}"
        )
    if space[CELL].inputs != 1 or space[CELL].combine != "mean":
        raise ValueError("a recurrent cell has one input and gives the mean of its nodes")
    nodes = space[CELL].nodes
    if space[CELL].predecessors != tuple(tuple(range(1 + node)) for node in range(nodes)):
        raise ValueError("every node of a recurrent cell hears all earlier states")
    unknown = [p for p in space.primitives if p not in PRIMITIVES]
    if unknown:
        raise ValueError(f"unknown primitives {unknown}; expected some of: {', '.join(PRIMITIVES)}")
