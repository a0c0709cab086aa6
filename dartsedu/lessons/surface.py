"""Lesson 01: the loss of an edge over its two α, and how it moves."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.data.splits import Batch
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import INK, RED, Arrow, Bars, Dots, Heat, Line, Mark, Panel, Scene
from dartsedu.lessons.relaxation import ALPHA_STEPS, GATES, OneEdge, train_weights
from dartsedu.relaxation import mixture_weights
from dartsedu.show.palette import colour, short

Floats = NDArray[np.float32]


class Surface(NamedTuple):
    """The loss of an edge of two operations over their α: (25, 25), the second α by rows.

    ``first`` and ``second`` are its slopes in either α.
    """

    loss: Floats
    first: Floats
    second: Floats

    @classmethod
    def of(
        cls, supernet: OneEdge, batch: Batch, gate: Callable[[Tensor], Tensor] = mixture_weights
    ) -> Surface:
        """At the w of a supernet, on a batch."""
        parts, bias = _logits_by_operation(supernet, batch.inputs)
        axis = torch.tensor(ALPHA_STEPS)
        alphas = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)
        alphas = alphas.flatten(0, 1).requires_grad_()
        logits = torch.einsum("rk,knc->rnc", gate(alphas), parts) + bias
        targets = batch.targets.repeat(len(alphas))
        each = F.cross_entropy(logits.flatten(0, 1), targets, reduction="none")
        losses = each.view(len(alphas), -1).mean(dim=1)
        (slopes,) = torch.autograd.grad(losses.sum(), alphas)
        shape = (len(axis), len(axis))
        first, second = slopes.numpy().T.reshape(2, *shape)
        return cls(losses.detach().numpy().reshape(shape), first, second)

    def at(self, first: float, second: float) -> tuple[float, tuple[float, float]]:
        """Loss and slope at two of the α of ``ALPHA_STEPS``."""
        place = ALPHA_STEPS.index(second), ALPHA_STEPS.index(first)
        return float(self.loss[place]), (float(self.first[place]), float(self.second[place]))


ENDS = (ALPHA_STEPS[0], ALPHA_STEPS[-1])
REACH = 12.0
"""How long the arrow of a slope of 1 is drawn: the same for all, so that flat looks flat."""


def _map(surface: Surface, low: float, high: float) -> Heat:
    return Heat(surface.loss, ENDS, ENDS, low, high, "loss")


def _downhill(place: tuple[float, float], slope: tuple[float, float]) -> Arrow:
    tip = (place[0] - REACH * slope[0], place[1] - REACH * slope[1])
    return Arrow(place, tip, RED, "downhill, as long as it is steep")


def rolling_explorer(
    supernet: OneEdge,
    batch: Batch,
    batches: Sequence[Batch],
    start: tuple[float, float] = (0.0, 0.0),
    rate: float = 8.0,
) -> Explorer:
    """A ball on the loss over two α, played: w learns from ``batches``, α rolls down on ``batch``.

    Between two pictures w takes two steps with the α of that moment, then α one of length ``rate``
    times the slope, which is taken from the supernet itself.
    """
    surfaces, places = [], [start]
    for first in range(0, len(batches) + 1, 2):
        (alpha,) = supernet.alphas.values()
        with torch.no_grad():
            alpha.copy_(torch.tensor([places[-1]]))
        surfaces.append(Surface.of(supernet, batch))
        with supernet.frozen():
            (slope,) = torch.autograd.grad(supernet.loss(batch).loss, alpha)
        moved = (alpha.detach() - rate * slope)[0].clamp(*ENDS)
        places.append((float(moved[0]), float(moved[1])))
        train_weights(supernet, batches[first : first + 2])
    low = min(float(s.loss.min()) for s in surfaces)
    high = max(float(s.loss.max()) for s in surfaces)
    names = [short(name) for name in supernet.space.primitives]
    inks = [colour(name) for name in supernet.space.primitives]

    def show(steps: float) -> Scene:
        frame = int(steps) // 2
        surface, ball = surfaces[frame], places[frame]
        path = list(zip(*places[: frame + 1], strict=True))
        marks: list[Mark] = [
            _map(surface, low, high),
            Line(path[0], path[1], INK, "the way of α"),
            Dots([ball[0]], [ball[1]], RED, "α now", size=7),
        ]
        weights = mixture_weights(torch.tensor([ball]))[0].tolist()
        x, y = f"α of {names[0]}", f"α of {names[1]}"
        return Scene(
            [
                Panel("the loss over two α", marks, x, y, ENDS, ENDS),
                Panel("weights: softmax(α)", [Bars(names, weights, inks)], xlim=(0, 1)),
            ],
            f"w has learned for {int(steps)} steps. Loss from {surface.loss.min():.2f} to "
            f"{surface.loss.max():.2f}; {names[1]} has the weight {weights[1]:.2f}.",
        )

    steps = [2 * frame for frame in range(len(surfaces))]
    played = Control("training steps of w", steps, steps[0], rate=6)
    return Explorer("α rolls downhill while w bends the surface", show, steps=played)


def surface_explorer(
    supernet: OneEdge, batch: Batch, batches: Sequence[Batch], at: Sequence[int] = (0, 5, 20, 60)
) -> Explorer:
    """The loss of an edge of two operations over their α, after some steps of training w.

    The steps use ``batches`` one by one, with α as they are; the loss is that on ``batch``.
    """
    tables: dict[tuple[int, str], Surface] = {}
    for start, end in zip([0, *at], at, strict=False):
        train_weights(supernet, batches[start:end])
        for name, function in GATES.items():
            tables[end, name] = Surface.of(supernet, batch, function)
    low = min(float(s.loss.min()) for s in tables.values())
    high = max(float(s.loss.max()) for s in tables.values())
    names = [short(name) for name in supernet.space.primitives]
    inks = [colour(name) for name in supernet.space.primitives]

    def show(first: float, second: float, steps: float, gate: str) -> Scene:
        surface = tables[int(steps), gate]
        loss, slope = surface.at(first, second)
        marks: list[Mark] = [
            _map(surface, low, high),
            _downhill((first, second), slope),
            Dots([first], [second], RED, "you are here", size=6),
        ]
        weights = GATES[gate](torch.tensor([first, second])).tolist()
        x, y = f"α of {names[0]}", f"α of {names[1]}"
        return Scene(
            [
                Panel("the loss over two α", marks, x, y, ENDS, ENDS),
                Panel("weights", [Bars(names, weights, inks)], xlim=(0, 1)),
            ],
            f"Loss here {loss:.3f}, steepness {math.hypot(*slope):.3f}. On the whole map from "
            f"{surface.loss.min():.3f} to {surface.loss.max():.3f}.",
        )

    explorer = Explorer(
        "The loss over two α",
        show,
        first=Control(f"α of {names[0]}", ALPHA_STEPS, 0.0),
        second=Control(f"α of {names[1]}", ALPHA_STEPS, 0.0),
        steps=Control("training steps of w", list(at), at[-1]),
        gate=Control("gate", list(GATES), "softmax"),
    )
    numbers = {
        f"{steps} {gate}": {k: v.round(5).tolist() for k, v in surface._asdict().items()}
        for (steps, gate), surface in tables.items()
    }
    return explorer.in_browser("surface", tables=numbers, reach=REACH)


@torch.no_grad()
def _logits_by_operation(supernet: OneEdge, images: Tensor) -> tuple[Tensor, Tensor]:
    """Each operation's share of the logits (operations, N, 10), and the bias.

    After the mixture everything is linear, so the logits of a mixture are the mixture of these.
    """
    with supernet.frozen():
        x = supernet.stem(images)
        means = torch.stack([op(x).mean(dim=(2, 3)) for op in supernet.edge.operations])
    return means @ supernet.classifier.weight.T, supernet.classifier.bias.clone()
