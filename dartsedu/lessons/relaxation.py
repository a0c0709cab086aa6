"""Lesson 01: one edge on digits, one edge of functions, their pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.data.splits import Batch
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import (
    INK,
    SOFT,
    Bars,
    Dots,
    Line,
    Mark,
    Panel,
    Pixels,
    Scene,
    draw,
)
from dartsedu.relaxation import MixedOp, Mixture, Outcome, Supernet, add, mixture_weights
from dartsedu.show.palette import colour, short
from dartsedu.show.picture import Picture
from dartsedu.spaces.classifier import accuracy
from dartsedu.spaces.cnn.operations import PRIMITIVES, candidate
from dartsedu.topology import SearchSpace, Topology

GATES: dict[str, Callable[[Tensor], Tensor]] = {
    "softmax": mixture_weights,
    "sigmoid": torch.sigmoid,
}
"""Ways from α to weights that the explorers compare."""
ALPHA_STEPS = [round(-3 + 0.25 * i, 2) for i in range(25)]
TEMPERATURES = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0]
FUNCTION_COLOURS = dict(
    zip(
        ("linear", "exponential", "logistic"),
        (colour("max_pool_3x3"), colour("avg_pool_3x3"), colour("sep_conv_3x3")),
        strict=True,
    )
)


def one_edge_space(primitives: Sequence[str]) -> SearchSpace:
    """A cell with one input and one node, so one edge."""
    cell = Topology.dense("edge", inputs=1, nodes=1, keep=1)
    return SearchSpace(name="one edge", primitives=tuple(primitives), cells=(cell,))


# ---- One edge on images -------------------------------------------------------------------------


class OneEdge(Supernet):
    """The smallest image supernet: stem, one mixed operation, mean over the map, classifier.

    Args:
        primitives: what the edge mixes; α has the shape (1, primitives).
        channels: width of the stem.
    """

    def __init__(self, primitives: Sequence[str] = PRIMITIVES, channels: int = 8) -> None:
        super().__init__(one_edge_space(primitives))
        self.stem = nn.Sequential(
            nn.Conv2d(1, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.edge = MixedOp(candidate(name, channels, stride=1) for name in primitives)
        self.classifier = nn.Linear(channels, 10)

    def forward(self, images: Tensor, mixture: Mixture | None = None) -> Tensor:
        """Images (N, 1, H, W) → logits (N, 10)."""
        weights = (self.mixture() if mixture is None else mixture)["edge"][0]
        return self.classifier(self.edge(self.stem(images), weights).mean(dim=(2, 3)))

    def loss(self, batch: Batch, mixture: Mixture | None = None) -> Outcome:
        logits = self(batch.inputs, mixture)
        return Outcome(F.cross_entropy(logits, batch.targets), accuracy(logits, batch.targets))


def train_weights(supernet: Supernet, batches: Sequence[Any], learning_rate: float = 0.1) -> None:
    """One SGD step of w for each batch; α stay as they are."""
    optimizer = torch.optim.SGD(supernet.weights().values(), lr=learning_rate, momentum=0.9)
    for batch in batches:
        optimizer.zero_grad()
        supernet.loss(batch).loss.backward()
        optimizer.step()
    supernet.zero_grad()


def operations_picture(image: Tensor, operations: Mapping[str, nn.Module]) -> Picture:
    """What every operation makes of an image (1, 1, H, W)."""
    outputs = {name: _pixels(op(image)) for name, op in operations.items()}
    low, high = _range(outputs)
    panels = [Panel(short(n), [Pixels(o, low, high)]) for n, o in outputs.items()]
    names = ", ".join(short(name) for name in operations)
    text = f"The same digit after each of {len(operations)} operations: {names}. All keep its size."
    return draw(Scene(panels, text), columns=4)


def _pixels(output: Tensor) -> Any:
    return output.detach()[0, 0].numpy()


def _range(outputs: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the colours, beyond which lie 2 % of the pixels on either side."""
    pixels = np.concatenate([output.ravel() for output in outputs.values()])
    low, high = np.quantile(pixels, [0.02, 0.98])
    return float(low), float(high)


def mixing_explorer(image: Tensor, operations: Mapping[str, nn.Module]) -> Explorer:
    """Sliders for every α and the temperature; the weights and the mixed map."""
    outputs = {name: _pixels(op(image)) for name, op in operations.items()}
    low, high = _range(outputs)
    names = list(outputs)

    def show(temperature: float, gate: str, **alphas: float) -> Scene:
        alpha = torch.tensor([alphas[name] for name in names])
        weights = GATES[gate](alpha / temperature).tolist()
        mixed = sum(w * outputs[name] for w, name in zip(weights, names, strict=True))
        words = ", ".join(f"{short(n)} {w:.2f}" for n, w in zip(names, weights, strict=True))
        bars = Bars([short(n) for n in names], weights, [colour(n) for n in names])
        return Scene(
            [
                Panel(f"weights: {gate}(α / T)", [bars], xlim=(0, 1)),
                Panel("mixed output", [Pixels(mixed, low, high)]),
            ],
            f"Weights: {words}. Their sum is {sum(weights):.2f}.",
        )

    sliders = {name: Control(f"α of {short(name)}", ALPHA_STEPS, 0.0) for name in names}
    explorer = Explorer(
        "One edge, three operations",
        show,
        **sliders,
        temperature=Control("temperature T", TEMPERATURES, 1.0),
        gate=Control("gate", list(GATES), "softmax"),
    )
    maps = [output.round(5).tolist() for output in outputs.values()]
    words = [short(name) for name in names]
    return explorer.in_browser("mixing", names=names, words=words, maps=maps, low=low, high=high)


def gradient_picture(supernet: Supernet) -> Picture:
    """−∂L/∂α of a supernet with one edge, after ``backward``: what each operation would gain."""
    (alpha,) = supernet.alphas.values()
    if alpha.grad is None:
        raise ValueError("α have no gradient yet: call backward() on the loss first")
    pulls = (-alpha.grad[0]).tolist()
    primitives = supernet.space.primitives
    names = [short(p) for p in primitives]
    words = ", ".join(f"{n} {v:+.3f}" for n, v in zip(names, pulls, strict=True))
    ends = 1.2 * max(map(abs, pulls))
    # Bars show two decimals, so in hundredths.
    bars = Bars(names, [100 * v for v in pulls], [colour(p) for p in primitives])
    panel = Panel("−∂L/∂α, in hundredths", [bars], xlim=(-100 * ends, 100 * ends))
    return draw(Scene([panel], f"Where gradient descent pushes each α: {words}."))


def weights_picture(history: Sequence[Tensor], colours: Mapping[str, str]) -> Picture:
    """Mixture weights (operations,) of one edge over the steps of a descent.

    ``colours`` are by the operations' names, in their order.
    """
    weights, names = torch.stack(list(history)).numpy(), list(colours)
    steps = list(range(len(weights)))
    top = 1.05 * float(weights.max())
    marks = [
        Line(steps, column, colours[name], name, "-" if i % 2 == 0 else "--")
        for i, (column, name) in enumerate(zip(weights.T, names, strict=True))
    ]
    best = int(weights[-1].argmax())
    text = (
        f"Mixture weights over {len(weights)} steps: from {weights[0].max():.2f} each at the start "
        f"to {names[best]} {weights[-1, best]:.2f} at the end."
    )
    panel = Panel("mixture weights", marks, "step", "softmax(α)", (0, len(weights)), (0, top))
    return draw(Scene([panel], text))


# ---- One edge of functions ----------------------------------------------------------------------


class FunctionEdge(Supernet):
    """A mixture of three functions of one number, each with two weights of its own:

    ``p₁·(a x + b) + p₂·exp(a x + b) + p₃·σ(a x + b)``. A batch is a pair (x, y); the loss is the
    mean squared error.
    """

    FUNCTIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
        "linear": lambda z: z,
        "exponential": torch.exp,
        "logistic": torch.sigmoid,
    }

    def __init__(self) -> None:
        super().__init__(one_edge_space(tuple(self.FUNCTIONS)))
        self.slopes = nn.Parameter(torch.tensor([0.1, 0.1, 0.1]))
        self.shifts = nn.Parameter(torch.zeros(3))

    def parts(self, x: Tensor) -> list[Tensor]:
        """Every function's own value at x, each of x's shape."""
        pairs = zip(self.FUNCTIONS.values(), self.slopes, self.shifts, strict=True)
        return [function(a * x + b) for function, a, b in pairs]

    def forward(self, x: Tensor, mixture: Mixture | None = None) -> Tensor:
        """x of any shape → the mixture, of the same shape."""
        weights = (self.mixture() if mixture is None else mixture)["edge"][0]
        return add(w * part for w, part in zip(weights, self.parts(x), strict=True))

    def loss(self, batch: tuple[Tensor, Tensor], mixture: Mixture | None = None) -> Outcome:
        x, y = batch
        return Outcome(F.mse_loss(self(x, mixture), y))


def growth_data(noise: float = 0.03) -> tuple[Tensor, Tensor]:
    """40 noisy points of a logistic curve, x from −3 to 3."""
    generator = torch.Generator().manual_seed(0)
    x = torch.linspace(-3, 3, 40)
    return x, torch.sigmoid(2 * x) + noise * torch.randn(40, generator=generator)


def function_explorer(edge: FunctionEdge, data: tuple[Tensor, Tensor]) -> Explorer:
    """Sliders for the three α over the functions as they are; the curve, its loss, the search's."""
    x, y = data
    with torch.no_grad():
        parts = [part.numpy() for part in edge.parts(x)]
        searched = float(F.mse_loss(edge(x), y))
    ended = ", ".join(f"{alpha:.1f}" for alpha in edge.alphas["edge"][0].tolist())
    found = f"The search ended at α = ({ended}) with {searched:.5f}."

    def show(**alphas: float) -> Scene:
        weights = mixture_weights(torch.tensor(list(alphas.values()))).tolist()
        mixed = sum(w * part for w, part in zip(weights, parts, strict=True))
        loss = float(np.mean((mixed - y.numpy()) ** 2))
        marks: list[Mark] = [
            Dots(x, y, SOFT, "data", size=3),
            *(
                Line(x, part, ink, name, "--")
                for part, (name, ink) in zip(parts, FUNCTION_COLOURS.items(), strict=True)
            ),
            Line(x, mixed, INK, "mixture"),
        ]
        words = ", ".join(f"{n} {w:.2f}" for n, w in zip(alphas, weights, strict=True))
        bars = Bars(list(alphas), weights, list(FUNCTION_COLOURS.values()))
        return Scene(
            [
                Panel("the edge and its parts", marks, "x", "y", (-3, 3), (-0.6, 1.6)),
                Panel("weights", [bars], xlim=(0, 1)),
            ],
            f"Mean squared error {loss:.5f} with the weights {words}. {found}",
        )

    names = list(FUNCTION_COLOURS)
    sliders = {name: Control(f"α of {name}", ALPHA_STEPS, 0.0) for name in names}
    explorer = Explorer("One edge of functions", show, **sliders)
    curves = [part.round(5).tolist() for part in parts]
    targets = y.numpy().round(5).tolist()
    return explorer.in_browser("functions", names=names, parts=curves, y=targets, found=found)


def best_setting(edge: FunctionEdge, data: tuple[Tensor, Tensor]) -> float:
    """The least mean squared error that any setting of the sliders of ``function_explorer`` has."""
    x, y = data
    axis = torch.tensor(ALPHA_STEPS)
    with torch.no_grad():
        weights = mixture_weights(torch.cartesian_prod(axis, axis, axis))
        mixed = weights @ torch.stack(edge.parts(x))
        return float((mixed - y).square().mean(dim=1).min())
