"""One search step of a recurrent cell, paired in one process: python benchmarks/recurrent_step.py

- *published*: the structure of the authors' code: for each node all earlier states through its
  matrix, each activation gated and weighted by itself; an architecture step that computes every
  weight gradient and throws it away.
- *plain*: a module for each idea of the paper, with this package's architect, which asks for the
  α-gradient only.
- *fast*: as plain, in the fast form of ``dartsedu/spaces/rnn/fast.py``.
- *published-cell*: the published structure with this package's architect, so that its ratio to
  *fast* is that of the cells alone. (Of second order this is what *published* is, too: the authors'
  finite difference takes the same passes, and an exact gradient they have not.)

A round runs each once, in a new random order. The figure is the median over rounds of the paired
ratio to *published*, with the smallest and the largest, for CPU time and for wall time. ``--save``
adds a row to ``results/``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from search_step import save, summary, time_rounds
from torch import Tensor

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder
from dartsedu.data.text import TextBatch
from dartsedu.spaces.rnn import ACTIVATIONS, Dropout, RNNSupernet, rnn_space
from dartsedu.spaces.rnn.supernet import MixedCell

RESULTS = Path(__file__).parent / "results" / "recurrent_step.json"
SHAPES = {
    "small": {"hidden": 64, "nodes": 8, "words": 1000, "columns": 16, "bptt": 35},
    "classroom": {"hidden": 64, "nodes": 4, "words": 1000, "columns": 32, "bptt": 20},
    "paper-narrow": {"hidden": 300, "nodes": 8, "words": 10_000, "columns": 32, "bptt": 35},
    "paper": {"hidden": 300, "nodes": 8, "words": 10_000, "columns": 256, "bptt": 35},
}
ARCHITECTS: dict[str, Architect] = {
    "first-order": FirstOrder(),
    "finite-difference": FiniteDifference(),
    "exact": Exact(),
}


def published(
    cell: MixedCell, inputs: Tensor, state: Tensor, mask: Tensor | None, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """``MixedCell.forward`` in the order in which the authors' code computes it."""
    outputs = []
    for x in inputs:
        masked = state if mask is None else state * mask
        product = torch.cat([x, masked], dim=-1).mm(cell.initial)
        gate, value = product.chunk(2, dim=-1)
        states = cell.norm(state + gate.sigmoid() * (value.tanh() - state))[None]
        offset = 0
        for node, matrix in enumerate(cell.nodes):
            masked = states if mask is None else states * mask[None]
            product = (
                masked.view(-1, matrix.shape[0]).mm(matrix).view(node + 1, -1, matrix.shape[1])
            )
            gate, value = product.chunk(2, dim=-1)
            gate = gate.sigmoid()
            mixed = torch.zeros_like(states[0])
            for k, primitive in enumerate(cell.primitives):
                if primitive == "none":
                    continue
                out = states + gate * (ACTIVATIONS[primitive](value) - states)
                share = weights[offset : offset + node + 1, k, None, None]
                mixed = mixed + (share * out).sum(dim=0)
            states = torch.cat([states, cell.norm(mixed)[None]])
            offset += node + 1
        state = states[1:].mean(dim=0)
        outputs.append(state)
    return torch.stack(outputs), state


def make_step(shape: dict, architect: Architect, form: str) -> Callable[[], None]:
    """A function that does one step: α on one batch, w on another, clipping and optimisers."""
    torch.manual_seed(0)
    supernet = RNNSupernet(
        rnn_space(shape["nodes"]),
        words=shape["words"],
        hidden=shape["hidden"],
        dropout=Dropout(0.0, 0.2, 0.75, 0.25, 0.75),
        slowness=1e-3,
        fast=form == "fast",
    ).train()
    if form.startswith("published"):
        # The same module with another forward, which mypy cannot tell from a mistake.
        supernet.core.forward = partial(published, supernet.core)  # type: ignore[method-assign]
    of_w = torch.optim.SGD(supernet.weights().values(), lr=20.0, weight_decay=5e-7, foreach=True)
    of_alpha = torch.optim.Adam(supernet.alphas.values(), lr=3e-3)
    weights = list(supernet.weights().values())
    texts = torch.randint(shape["words"], (2, shape["bptt"] + 1, shape["columns"]))
    batches = [TextBatch(text[:-1], text[1:], first=True, usual=shape["bptt"]) for text in texts]

    def step() -> None:
        if form == "published" and isinstance(architect, FirstOrder):
            of_alpha.zero_grad()
            supernet.loss(batches[0]).loss.backward()
        else:
            found = architect.gradient(supernet, batches[1], batches[0], of_w).gradient
            for cell, alpha in supernet.alphas.items():
                alpha.grad = found[cell]
        of_alpha.step()
        of_w.zero_grad()
        supernet.loss(batches[1]).objective.backward()
        torch.nn.utils.clip_grad_norm_(weights, 0.25)
        of_w.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="small")
    parser.add_argument("--architect", choices=ARCHITECTS, default="first-order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--save", action="store_true", help=f"add to results/{RESULTS.name}")
    parser.add_argument("--profile", action="store_true", help="where the fast step's time goes")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape, architect = SHAPES[options.shape], ARCHITECTS[options.architect]
    first_order = isinstance(architect, FirstOrder)
    forms = ("published", *(["published-cell"] if first_order else []), "plain", "fast")
    steps = {form: make_step(shape, architect, form) for form in forms}
    row = {
        "what": options.shape,
        "architect": options.architect,
        "threads": options.threads,
        "rounds": options.rounds,
        "torch": torch.__version__.split("+")[0],
        **summary(time_rounds(steps, options.rounds)),
    }
    print(json.dumps(row, indent=1, ensure_ascii=False))
    if options.save:
        save(row, RESULTS)
    if options.profile:
        with torch.profiler.profile() as profile:
            steps["fast"]()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=25))


if __name__ == "__main__":
    main()
