"""The mixed cell over a text with its derivative written out: the same function as the plain form.

A recurrent cell is hundreds of small steps, and each small operation costs more in bookkeeping
than in arithmetic. Here the steps that depend on each other do as little as possible, and all
else is done for the whole text at once:

- What comes from the input is one product for the whole text, and so is every gradient of a matrix.
- A state is multiplied in one go by the matrices of all nodes that hear it; its gates and
  activations are computed once for all edges that leave it.
- With P = Σ p over all primitives but none, an edge is P s + σ(c) ⊙ (Σ p f(h) − P s).
- Going back, all factors of the chain rule are ready before the first step is taken.

A second derivative (the exact architect) is autograd's, through the plain form computed anew.
Weights are read from the plain cell, so there is one set of parameters and nothing to keep in step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.relaxation import add
from dartsedu.spaces.rnn.operations import ACTIVATIONS

SLOPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "tanh": lambda x, y: 1 - y * y,
    "relu": lambda x, y: (x > 0).to(x.dtype),
    "sigmoid": lambda x, y: y * (1 - y),
    "identity": lambda x, y: torch.ones_like(x),
}
"""The derivative of each activation y = f(x)."""


class MixedCell(Protocol):
    """What the fast form reads of the mixed cell, which is its plain form."""

    training: bool

    @property
    def primitives(self) -> tuple[str, ...]:
        """The candidates of every edge."""

    @property
    def initial(self) -> nn.Parameter:
        """The matrix of state 0, (2H, 2H)."""

    @property
    def nodes(self) -> nn.ParameterList:
        """A matrix (H, 2H) for each node."""

    @property
    def norm(self) -> nn.BatchNorm1d:
        """The normalisation that all states share."""

    @property
    def run(self) -> Callable[..., Tensor]:
        """The plain form for any weights."""


def suits(cell: MixedCell, state: Tensor) -> bool:
    """Whether the fast form can stand for the plain one: in training, on more than one column."""
    return cell.training and len(state) > 1


def forward(
    cell: MixedCell, inputs: Tensor, state: Tensor, hidden_mask: Tensor | None, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """``cell(inputs, state, hidden_mask, weights)``."""
    mask = torch.ones_like(state) if hidden_mask is None else hidden_mask
    matrices = torch.stack(list(cell.nodes))
    outputs: Tensor = _Recurrence.apply(cell, inputs, state, mask, cell.initial, matrices, weights)
    return outputs, outputs[-1]


class _Recurrence(torch.autograd.Function):
    """inputs (T, N, H) → outputs (T, N, H); ``matrices`` (nodes, H, 2H) are those of the nodes.

    m edges leave state j, to the nodes j, j + 1, …; what belongs to them is a list over j.
    """

    @staticmethod
    def forward(
        ctx: Any,
        cell: MixedCell,
        inputs: Tensor,
        start: Tensor,
        mask: Tensor,
        initial: Tensor,
        matrices: Tensor,
        weights: Tensor,
    ) -> Tensor:
        length, columns, hidden = inputs.shape
        nodes = len(matrices)
        kept = [k for k, primitive in enumerate(cell.primitives) if primitive != "none"]
        names = [cell.primitives[k] for k in kept]
        together = [_together(matrices, j) for j in range(nodes)]
        shares = [weights[_leaving(nodes, j)][:, kept, None].unbind(1) for j in range(nodes)]
        passing = [add(p) for p in shares]

        def buffers(*shape: int) -> list[Tensor]:
            return [
                inputs.new_empty(length, columns, *shape, nodes - j, hidden) for j in range(nodes)
            ]

        products, mixed = buffers(2), buffers()
        found = [None if name == "identity" else buffers() for name in names]
        opened = inputs.new_empty(length, columns, 2, hidden)
        rows = [_by_word(part) for part in products]
        gates = [_by_word(part[:, :, 0]) for part in products]
        values = [_by_word(part[:, :, 1]) for part in products]
        mixes = [_by_word(part) for part in mixed]
        activated = [values if parts is None else list(map(_by_word, parts)) for parts in found]
        functions = [ACTIVATIONS[name] for name in names]
        states: list[list[Tensor]] = [[] for _ in range(nodes + 1)]
        masked: list[list[Tensor]] = [[] for _ in range(nodes + 1)]
        inverse: list[list[Tensor]] = [[] for _ in range(nodes + 1)]
        norm, momentum = cell.norm, cell.norm.momentum or 0.0
        tracked = norm.track_running_stats
        mean, var = (norm.running_mean, norm.running_var) if tracked else (None, None)

        def keep(x: Tensor, j: int) -> Tensor:
            """State j of a word: x after BatchNorm."""
            y, _, i = torch.native_batch_norm(x, None, None, mean, var, True, momentum, norm.eps)
            states[j].append(y)
            masked[j].append(y * mask)
            inverse[j].append(i)
            return y

        outputs = []
        state = start
        from_input = inputs @ initial[:hidden]
        of_state = initial[hidden:].contiguous()
        for t, (of_input, gate, value) in enumerate(
            zip(from_input, *opened.unbind(2), strict=True)
        ):
            pre = torch.addmm(of_input, state * mask, of_state)
            torch.sigmoid(pre[:, :hidden], out=gate)
            torch.tanh(pre[:, hidden:], out=value)
            s = keep(torch.lerp(state, value, gate), 0)
            waiting = None
            for j in range(nodes):
                torch.mm(masked[j][t], together[j], out=rows[j][t].view(columns, -1))
                gate, value, mix = gates[j][t].sigmoid_(), values[j][t], mixes[j][t]
                for k, (ys, p) in enumerate(zip(activated, shares[j], strict=True)):
                    y = ys[j][t]
                    if y is not value:
                        y.copy_(functions[k](value))
                    if k == 0:
                        torch.mul(y, p, out=mix)
                    else:
                        mix.addcmul_(y, p)
                out = torch.lerp(passing[j] * s[:, None], mix, gate)
                waiting = out if waiting is None else out.add_(waiting[:, 1:])
                s = keep(waiting[:, 0], j + 1)
            state = torch.stack([of_node[t] for of_node in states[1:]]).mean(dim=0)
            outputs.append(state)
        if tracked and norm.num_batches_tracked is not None:
            norm.num_batches_tracked.add_(length * (nodes + 1))

        whole = torch.stack(outputs)
        ctx.save_for_backward(inputs, start, mask, initial, matrices, weights, whole)
        ctx.of_cell = names, kept, norm.eps, cell
        ctx.of_text = products, mixed, found, opened, states, masked, inverse
        return whole

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        inputs, start, mask, initial, matrices, weights, outputs = ctx.saved_tensors
        if torch.is_grad_enabled():
            return _through_plain(ctx, slope)
        names, kept, _, _ = ctx.of_cell
        products, mixed, found, opened, states, masked, inverse = ctx.of_text
        length, columns, hidden = inputs.shape
        nodes = len(matrices)
        shares = [weights[_leaving(nodes, j)][:, kept, None].unbind(1) for j in range(nodes)]

        # What one word and the next have nothing to do with: the factors of the chain rule.
        factors, through = [], []
        for j in range(nodes):
            gate, value = products[j].unbind(2)
            of = torch.empty_like(products[j])
            passing = add(shares[j])
            difference = torch.sub(
                mixed[j], passing * torch.stack(states[j])[:, :, None], out=of[:, :, 0]
            )
            difference.mul_(gate).mul_(1 - gate)
            steep = add(
                p * SLOPES[name](value, value if ys is None else ys[j])
                for p, name, ys in zip(shares[j], names, found, strict=True)
            )
            torch.mul(steep, gate, out=of[:, :, 1])
            factors.append(of)
            through.append((1 - gate) * passing)
        previous = torch.cat([start[None], outputs[:-1]])
        gate, value = opened.unbind(2)
        opening = torch.stack(
            [(value - previous) * gate * (1 - gate), gate * (1 - value * value)], dim=2
        )
        staying = 1 - gate

        # Back through the text, word by word and state by state.
        backwards = [_together(matrices, j).t().contiguous() for j in range(nodes)]
        of_state = initial[hidden:].t().contiguous()
        of_sums = inputs.new_empty(length, columns, nodes, hidden)
        of_products = [torch.empty_like(of) for of in factors]
        of_opening = torch.empty_like(opening)
        factor_rows, through_rows = [_by_word(x) for x in factors], [_by_word(x) for x in through]
        product_rows = [_by_word(x) for x in of_products]
        carried = torch.zeros_like(start)

        def leaving(t: int, j: int, of_targets: Tensor) -> Tensor:
            """What comes back to state j along the edges that leave it."""
            product = torch.mul(factor_rows[j][t], of_targets[:, None], out=product_rows[j][t])
            back = torch.mm(product.view(columns, -1), backwards[j]).mul_(mask)
            return back.add_((through_rows[j][t] * of_targets).sum(dim=1))

        def before_norm(of_state: Tensor, t: int, j: int, out: Tensor | None = None) -> Tensor:
            y = states[j][t]
            common = torch.addcmul(of_state.sum(dim=0), y, (of_state * y).sum(dim=0))
            moved = torch.sub(of_state, common, alpha=1 / columns)
            return torch.mul(moved, inverse[j][t], out=out)

        for t in reversed(range(length)):
            share = (slope[t] + carried) / nodes
            of_sum = of_sums[t]
            for j, of_node in reversed(list(enumerate(of_sum.unbind(1), 1))):
                came = share if j == nodes else leaving(t, j, of_sum[:, j:]).add_(share)
                before_norm(came, t, j, of_node)
            came = before_norm(leaving(t, 0, of_sum), t, 0)
            pre = torch.mul(opening[t], came[:, None], out=of_opening[t])
            carried = (pre.view(columns, -1) @ of_state).mul_(mask).addcmul_(came, staying[t])

        # Gradients of what is the same for all words.
        needed = ctx.needs_input_grad
        before = of_opening.view(length * columns, -1)
        of_inputs = (before @ initial[:hidden].t()).view_as(inputs) if needed[1] else None
        of_initial = of_matrices = of_weights = None
        if needed[4]:
            rows = torch.cat([inputs, previous * mask], dim=2).flatten(0, 1)
            of_initial = rows.t() @ before
        if needed[5]:
            of_matrices = torch.zeros_like(matrices)
            for j in range(nodes):
                rows = torch.cat(masked[j])
                product = rows.t() @ of_products[j].view(length * columns, -1)
                parts = product.view(hidden, 2, nodes - j, hidden)
                of_matrices[j:] += parts.permute(2, 0, 1, 3).flatten(2)
        if needed[6]:
            of_weights = torch.zeros_like(weights)
            for j in range(nodes):
                gate, value = products[j].unbind(2)
                of_targets = of_sums[:, :, j:]
                gated = of_targets * gate
                passed = ((of_targets - gated) * torch.stack(states[j])[:, :, None]).sum(
                    dim=(0, 1, 3)
                )
                for k, ys in zip(kept, found, strict=True):
                    y = value if ys is None else ys[j]
                    of_weights[_leaving(nodes, j), k] = (gated * y).sum(dim=(0, 1, 3)) + passed
        return None, of_inputs, carried, None, of_initial, of_matrices, of_weights


def _by_word(x: Tensor) -> list[Tensor]:
    """What belongs to each word of a text (T, …), as views."""
    return list(x.unbind(0))


def _leaving(nodes: int, j: int) -> list[int]:
    """The rows of α that belong to the edges leaving state j, by the node they enter."""
    return [node * (node + 1) // 2 + j for node in range(j, nodes)]


def _together(matrices: Tensor, j: int) -> Tensor:
    """The matrices of the nodes j, j + 1, … side by side, (H, 2 · nodes · H), gates first."""
    _, hidden, _ = matrices.shape
    return matrices[j:].view(-1, hidden, 2, hidden).permute(1, 2, 0, 3).reshape(hidden, -1)


def _through_plain(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
    """The gradients with a graph of their own, from the plain form."""
    inputs, start, mask, initial, matrices, weights, _ = ctx.saved_tensors
    _, _, eps, cell = ctx.of_cell

    def norm(x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True, eps=eps)

    outputs = cell.run(inputs, start, mask, weights, initial, matrices, norm)
    wanted = [
        (place, tensor)
        for place, tensor in enumerate((inputs, start, mask, initial, matrices, weights), 1)
        if ctx.needs_input_grad[place]
    ]
    slopes = torch.autograd.grad(
        outputs, [tensor for _, tensor in wanted], slope, create_graph=True
    )
    found: list[Tensor | None] = [None] * 7
    for (place, _), gradient in zip(wanted, slopes, strict=True):
        found[place] = gradient
    return tuple(found)
