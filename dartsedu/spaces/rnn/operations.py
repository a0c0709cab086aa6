"""The candidate operations of the recurrent space: activations inside a gated update (DARTS §3.1).

An edge takes a state s to s + c ⊙ (f(h) − s), where c is a gate and h a candidate value, both
linear in s; the primitive is the activation f. (The gate makes it a highway: where c is 0, the
state passes unchanged.) The edge *none* gives zero.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
    "identity": lambda x: x,
}
"""Every primitive but *none*, by name."""

PRIMITIVES: tuple[str, ...] = ("none", *ACTIVATIONS)
"""The paper's five, in the order of its α columns."""

INITIAL_RANGE = 0.04
"""Weights start uniform between plus and minus this (the authors' code)."""


def matrix(rows: int, columns: int) -> nn.Parameter:
    """A weight matrix with its random start."""
    return nn.Parameter(torch.empty(rows, columns).uniform_(-INITIAL_RANGE, INITIAL_RANGE))


def gated(state: Tensor, gate: Tensor, value: Tensor) -> Tensor:
    """state + σ(gate) ⊙ (value − state), all of one shape."""
    return state + torch.sigmoid(gate) * (value - state)


def initial_state(x: Tensor, previous: Tensor, weight: Tensor, mask: Tensor | None) -> Tensor:
    """State 0 of a cell: the previous hidden state, moved towards tanh by a gate.

    ``x`` is the part of the products that comes from the input, (N, 2H); ``previous`` (N, H);
    ``weight`` (H, 2H) gives gate and value from ``previous`` times ``mask``.
    """
    masked = previous if mask is None else previous * mask
    gate, value = (x + masked @ weight).chunk(2, dim=-1)
    return gated(previous, gate, torch.tanh(value))


def draw_mask(shape: tuple[int, ...], dropout: float, like: Tensor) -> Tensor | None:
    """A dropout mask: 0 with probability ``dropout``, else 1/(1 − dropout). ``None`` for 0."""
    if dropout == 0:
        return None
    keep = 1 - dropout
    return torch.empty(shape, dtype=like.dtype, device=like.device).bernoulli_(keep) / keep
