"""The discretisation gap: what a supernet loses when all but the genotype's edges are cut."""

from __future__ import annotations

from math import isfinite

import torch
from torch import Tensor

from dartsedu.base.values import Value
from dartsedu.data.splits import Split
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.relaxation import Mixture, Supernet
from dartsedu.stream.stream import Measure, Step
from dartsedu.topology import Link, SearchSpace


class Score(Value):
    """Mean loss and accuracy over a split."""

    loss: float
    accuracy: float | None = None


class Gap(Value):
    """The supernet on the architecture split, as a mixture and as the genotype cut out of it."""

    mixture: Score
    discretised: Score


def discretised_mixture(space: SearchSpace, genotype: Genotype) -> dict[str, Tensor]:
    """The mixture that makes a supernet act as ``genotype``: 1 on its edges, 0 elsewhere.

    Comparing the loss under it with the loss under softmax(α) gives the discretisation gap.
    """
    genotype.check(space)
    mixture = {}
    for topology in space.cells:
        weights = torch.zeros(space.shape(topology.name))
        for state, edge in genotype[topology.name].edges:
            row = topology.edges.index(Link(edge.source, state))
            weights[row, space.primitives.index(edge.primitive)] += 1.0
        mixture[topology.name] = weights
    return mixture


def discretisation_gap(
    supernet: Supernet,
    split: Split,
    genotype: Genotype,
    batch_size: int = 256,
    mixture: Mixture | None = None,
) -> Gap:
    """Loss and accuracy of a supernet as the mixture it is and as ``genotype``, with the same w.

    ``mixture`` takes the place of softmax(α) if given, for instance that of an earlier step.
    Both are scored on ``split`` with each batch's own BatchNorm statistics: the running ones
    belong to the mixture. The genotype is scored without the ``auxiliary`` skip connections, which
    are cut with the other edges. The supernet stays as it is.
    """
    device = next(supernet.parameters()).device
    discrete = {
        cell: weights.to(device)
        for cell, weights in discretised_mixture(supernet.space, genotype).items()
    }
    whole = score(supernet, split, mixture, batch_size)
    auxiliary, supernet.auxiliary = supernet.auxiliary, 0.0
    try:
        cut = score(supernet, split, discrete, batch_size)
    finally:
        supernet.auxiliary = auxiliary
    return Gap(mixture=whole, discretised=cut)


@torch.no_grad()
def score(
    supernet: Supernet, split: Split, mixture: Mixture | None = None, batch_size: int = 256
) -> Score:
    """Mean loss and accuracy over the examples of a split, under softmax(α) or ``mixture``.

    With each batch's own BatchNorm statistics. The supernet stays as it is.
    """
    loss, correct, count, carried = 0.0, 0.0, 0, None
    with supernet.measuring():
        for batch in split.once(batch_size):
            size = batch.targets.numel()
            if size == 1 and count:
                continue  # BatchNorm cannot take statistics of a single 1×1 map.
            outcome = supernet.loss(batch.after(carried), mixture)
            carried = outcome.carried
            loss += float(outcome.loss) * size
            correct += 0.0 if outcome.accuracy is None else float(outcome.accuracy) * size
            count += size
    accuracy = None if outcome.accuracy is None else correct / count
    return Score(loss=loss / count, accuracy=accuracy)


def gap_every(supernet: Supernet, split: Split, steps: int, rule: str | None = None) -> Measure:
    """Measures the discretisation gap after the first step and after every so many.

    For the readers of a search, such as ``recorded``, which keep the four numbers with the step:
    ``mixture loss``, ``discretised loss`` and, where there is one, both accuracies, over the whole
    of ``split``. The genotype is what ``rule`` derives.

    Raises ``ValueError`` for fewer than 1 step.
    """
    if steps < 1:
        raise ValueError(f"steps = {steps}; expected at least 1")

    def measure(step: Step) -> dict[str, float]:
        if step.index and (step.index + 1) % steps:
            return {}
        gap = discretisation_gap(supernet, split, derive(supernet.space, step.alphas, rule))
        return numbers(gap)

    return measure


def numbers(gap: Gap) -> dict[str, float]:
    """The numbers of a gap by name; losses that are not finite are left out."""
    found = {
        f"{name} {kind}": getattr(score, kind)
        for name, score in (("mixture", gap.mixture), ("discretised", gap.discretised))
        for kind in ("accuracy", "loss")
    }
    return {name: value for name, value in found.items() if value is not None and isfinite(value)}
