"""The mixed cell in fewer and larger pieces: the same function as ``supernet.MixedCell.forward``.

Its ideas, a sentence each:

- What comes from the input is one product for the whole text.
- A state is multiplied once by the matrices of all nodes that hear it, side by side.
- An activation is computed once for all edges that leave a state, and gates with it.
- With P = Σ p over all primitives but none, an edge is P s + σ(c) ⊙ (Σ p f(h) − P s).

Weights are read from the plain cell, so there is one set of parameters and nothing to keep in step.
Everything is ordinary PyTorch, twice differentiable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from dartsedu.relaxation import add
from dartsedu.rnn.operations import ACTIVATIONS, initial_state

if TYPE_CHECKING:
    from dartsedu.rnn.supernet import MixedCell


def forward(
    cell: MixedCell, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """``cell(inputs, state, hidden_mask, weights)``."""
    hidden, nodes = state.shape[-1], cell.topology.nodes
    gates, values = torch.stack(list(cell.nodes)).chunk(2, dim=-1)
    leaving = []  # For each state: the matrices of the nodes that hear it, and their mixtures.
    for source in range(nodes):
        matrices = [part[source:].transpose(0, 1).flatten(1) for part in (gates, values)]
        rows = [row for row, link in enumerate(cell.topology.edges) if link.source == source]
        leaving.append((torch.cat(matrices, dim=1), weights[rows]))
    outputs = []
    for x in inputs @ cell.initial[:hidden]:
        s = _norm(cell, initial_state(x, state, cell.initial[hidden:], hidden_mask))
        waiting: Tensor | None = None
        found = []
        for matrix, mixture in leaving:
            out = _leave(cell, s, hidden_mask, matrix, mixture)
            waiting = out if waiting is None else waiting[:, 1:] + out
            s = _norm(cell, waiting[:, 0])
            found.append(s)
        state = torch.stack(found).mean(dim=0)
        outputs.append(state)
    return torch.stack(outputs), state


def _leave(
    cell: MixedCell, s: Tensor, mask: Tensor | None, matrix: Tensor, mixture: Tensor
) -> Tensor:
    """Every edge that leaves state s (N, H): (N, edges, H). ``mixture`` is (edges, primitives)."""
    masked = s if mask is None else s * mask
    gate, value = (masked @ matrix).view(len(s), 2, len(mixture), -1).unbind(1)
    kept = [k for k, primitive in enumerate(cell.primitives) if primitive != "none"]
    mixed = add(mixture[:, k, None] * ACTIVATIONS[cell.primitives[k]](value) for k in kept)
    passed = mixture[:, kept].sum(dim=1, keepdim=True) * s[:, None]
    return torch.lerp(passed, mixed, torch.sigmoid(gate))


def _norm(cell: MixedCell, x: Tensor) -> Tensor:
    return cell.norm(x)
