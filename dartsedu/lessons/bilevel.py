"""Lesson 02: the problem of the paper's Fig. 2, overfitting α, the finite difference."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import Arrow, Bars, Dots, Line, Mark, Panel, Scene, contours, draw
from dartsedu.lessons.relaxation import one_edge_space
from dartsedu.relaxation import Mixture, Outcome, Supernet
from dartsedu.show.palette import OTHER, colour, short
from dartsedu.show.picture import Picture

DIRECT, IMPLICIT, TOTAL = colour("avg_pool_3x3"), colour("max_pool_3x3"), colour("sep_conv_3x3")
XIS = [round(0.05 * i, 2) for i in range(21)]

# ---- The problem of Fig. 2 ----------------------------------------------------------------------


def train_loss(alpha: Any, w: Any) -> Any:
    """L_train = w² − 2αw + α² (DARTS, Fig. 2); smallest at w = α."""
    return w**2 - 2 * alpha * w + alpha**2


def validation_loss(alpha: Any, w: Any) -> Any:
    """L_val = αw − 2α + 1 (DARTS, Fig. 2); with w = α smallest at α = 1."""
    return alpha * w - 2 * alpha + 1


class Fig2(Supernet):
    """The problem of Fig. 2 as a supernet. A batch is "train" or "val"; starts at (2, −2)."""

    def __init__(self, alpha: float = 2.0, w: float = -2.0) -> None:
        super().__init__(one_edge_space(["skip_connect"]))
        self.w = nn.Parameter(torch.tensor(w))
        self.double()
        with torch.no_grad():
            self.alphas["edge"].fill_(alpha)

    def loss(self, batch: str, mixture: Mixture | None = None) -> Outcome:
        alpha = self.alphas["edge"].squeeze()
        return Outcome((train_loss if batch == "train" else validation_loss)(alpha, self.w))


def terms(alpha: float, w: float, xi: float) -> tuple[float, float, float]:
    """w′, direct and implicit term of ∂L_val(w′, α)/∂α on the problem of Fig. 2, by hand.

    w′ = w − 2ξ(w − α); direct w′ − 2; implicit −ξ · (−2) · α.
    """
    virtual = w - 2 * xi * (w - alpha)
    return virtual, virtual - 2, 2 * xi * alpha


def descend(
    xi: float, steps: int, rate: float = 0.1, start: tuple[float, float] = (2.0, -2.0)
) -> NDArray[np.float64]:
    """α and w in turn downhill from ``start``; the points (steps + 1, 2)."""
    alpha, w = start
    path = [start]
    for _ in range(steps):
        _, direct, implicit = terms(alpha, w, xi)
        alpha -= rate * (direct + implicit)
        w -= rate * 2 * (w - alpha)
        path.append((alpha, w))
    return np.array(path)


def game_explorer() -> Explorer:
    """A slider for ξ: the path of alternating steps and, setting by setting, where it ends."""
    axis = np.linspace(-2.2, 4.4, 67)
    surface = validation_loss(axis[None], axis[:, None])
    lines = contours(axis, axis, surface, [-4, -2, -1, 0, 2, 4, 6, 8], OTHER)
    visited: dict[float, float] = {}

    def show(xi: float, steps: float, curve: str) -> Scene:
        first, second = descend(0.0, int(steps)), descend(xi, int(steps))
        alpha, w = second[-1]
        if steps == 300:
            visited[xi] = alpha
        marks: list[Mark] = [
            *lines,
            Line([-2.2, 4.4], [-2.2, 4.4], OTHER, "w = α: w's answer", ":"),
            Line(first[:, 0], first[:, 1], DIRECT, "first order (ξ = 0)", "--"),
            Line(second[:, 0], second[:, 1], TOTAL, f"second order, ξ = {xi:g}"),
            Dots([1], [1], IMPLICIT, "the best α", size=6),
            Dots([alpha], [w], TOTAL, size=5),
        ]
        ends: list[Mark] = [Dots(list(visited), list(visited.values()), TOTAL, "settled at")]
        if curve == "show":
            every = np.linspace(0, 1, 60)
            ends.append(Line(every, 2 / (1 + 2 * every), IMPLICIT, "2 / (1 + 2ξ)"))
        return Scene(
            [
                Panel("the path of (α, w)", marks, "α", "w", (-0.5, 4.4), (-2.2, 4.4)),
                Panel("where it settles", ends, "ξ", "α", (0, 1), (0, 2.2)),
            ],
            f"After {int(steps)} steps with ξ = {xi:g}: α = {alpha:.3f}, w = {w:.3f}, "
            f"L_val = {validation_loss(alpha, w):.3f}.",
        )

    return Explorer(
        "The game of α and w",
        show,
        xi=Control("ξ", XIS, 0.25),
        steps=Control("steps", [0, 1, 2, 3, 5, 8, 12, 20, 30, 50, 100, 300], 300),
        curve=Control("closed form", ["hide", "show"], "hide"),
    )


def arrows_explorer() -> Explorer:
    """Sliders for α, w and ξ: the two terms of the descent as arrows along α."""
    places = [round(-2 + 0.25 * i, 2) for i in range(21)]

    def show(alpha: float, w: float, xi: float) -> Scene:
        virtual, direct, implicit = terms(alpha, w, xi)
        one, both = alpha - direct, alpha - direct - implicit
        marks: list[Mark] = [
            Line([-4, 4], [-4, 4], OTHER, "w = α", ":"),
            Arrow((alpha, w), (alpha, virtual), OTHER, "virtual step w → w′"),
            Arrow((alpha, virtual), (one, virtual), DIRECT, "−direct"),
            Arrow((one, virtual - 0.4), (both, virtual - 0.4), IMPLICIT, "−implicit"),
            Arrow((alpha, virtual - 0.8), (both, virtual - 0.8), TOTAL, "both: where α goes"),
            Dots([alpha], [w], TOTAL, label="(α, w)", size=5),
        ]
        bars = Bars(
            ["−direct", "−implicit", "both"],
            [-direct, -implicit, -direct - implicit],
            [DIRECT, IMPLICIT, TOTAL],
        )
        return Scene(
            [
                Panel("the arrows at (α, w)", marks, "α", "w", (-3, 7), (-4, 4)),
                Panel("downhill for α", [bars], xlim=(-8, 8)),
            ],
            f"w′ = {virtual:.2f}. Direct {direct:+.2f}, implicit {implicit:+.2f}, "
            f"together {direct + implicit:+.2f}: {_way(direct + implicit)}.",
        )

    return Explorer(
        "Two arrows",
        show,
        alpha=Control("α", places, 2.0),
        w=Control("w", places, -2.0),
        xi=Control("ξ", XIS, 0.25),
    )


def _way(slope: float) -> str:
    if abs(slope) < 1e-9:
        return "α stays"
    return "α goes up" if slope < 0 else "α goes down"


# ---- Overfitting α ------------------------------------------------------------------------------


class LineOrWiggle(Supernet):
    """A mixture of a straight line and a sum of 12 sines and 12 cosines. A batch is (x, y)."""

    def __init__(self) -> None:
        super().__init__(one_edge_space(["line", "wiggle"]))
        self.line = nn.Parameter(torch.zeros(2))
        self.waves = nn.Parameter(torch.zeros(24))

    def forward(self, x: Tensor, mixture: Mixture | None = None) -> Tensor:
        """x (N,) → y (N,)."""
        p = (self.mixture() if mixture is None else mixture)["edge"][0]
        angles = torch.pi * x[:, None] * torch.arange(1, 13)
        wiggle = torch.cat([angles.sin(), angles.cos()], dim=1) @ self.waves
        return p[0] * (self.line[0] * x + self.line[1]) + p[1] * wiggle

    def loss(self, batch: tuple[Tensor, Tensor], mixture: Mixture | None = None) -> Outcome:
        x, y = batch
        return Outcome(F.mse_loss(self(x, mixture), y))


class Noisy(NamedTuple):
    """Three samples of a noisy straight line: for w, for α, and for the final judgement."""

    train: tuple[Tensor, Tensor]
    val: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


def noisy_line(seed: int, noise: float = 0.5) -> Noisy:
    """y = x + noise at 20 random x of −1…1 for w, as many for α, 200 to judge."""
    generator = torch.Generator().manual_seed(seed)

    def sample(count: int) -> tuple[Tensor, Tensor]:
        x = 2 * torch.rand(count, generator=generator) - 1
        return x, x + noise * torch.randn(count, generator=generator)

    return Noisy(sample(20), sample(20), sample(200))


def overfitting_picture(results: Mapping[str, Sequence[tuple[float, float]]]) -> Picture:
    """For every way of searching and data set: the wiggle's weight, the loss on new data."""
    panels = []
    titles = ("weight of the wiggle", (-0.05, 1.05)), ("loss on new data", (0.1, 30.0))
    for column, (title, ends) in enumerate(titles):
        marks = [
            Dots(range(1, len(pairs) + 1), [p[column] for p in pairs], ink, name, size=5)
            for (name, pairs), ink in zip(results.items(), (DIRECT, IMPLICIT, TOTAL), strict=True)
        ]
        count = max(map(len, results.values()))
        log: Literal["", "y"] = "y" if column else ""
        panels.append(Panel(title, marks, "data set", "", (0.5, count + 0.5), ends, log=log))
    words = []
    for name, pairs in results.items():
        wiggle, loss = zip(*pairs, strict=True)
        words.append(
            f"{name}: wiggle {min(wiggle):.2f} to {max(wiggle):.2f}, "
            f"loss on new data {min(loss):.2f} to {max(loss):.2f}"
        )
    return draw(Scene(panels, "Range over the data sets. " + "; ".join(words) + "."))


# ---- A small network ----------------------------------------------------------------------------


def by_definition(
    supernet: Supernet, train: Any, val: Any, xi: float, nudge: float = 1e-5
) -> Tensor:
    """∇α L_val(w − ξ ∇w L_train(w, α), α) without any formula: nudge an α, take the step, measure.

    Central differences over copies of the supernet, which has one cell; slow, and in float64 only.
    """
    (cell,) = supernet.alphas

    def measured(row: int, column: int, shift: float) -> float:
        other = copy.deepcopy(supernet)
        with torch.no_grad():
            other.alphas[cell][row, column] += shift
        with other.frozen():
            optimizer = torch.optim.SGD(other.weights().values(), lr=xi)
            other.loss(train).loss.backward()
            optimizer.step()
            return float(other.loss(val).loss.detach())

    result = torch.zeros_like(supernet.alphas[cell])
    for row, column in np.ndindex(*result.shape):
        up, down = measured(row, column, nudge), measured(row, column, -nudge)
        result[row, column] = (up - down) / (2 * nudge)
    return result.detach()


def direct_term(supernet: Supernet, train: Any, val: Any, xi: float) -> Tensor:
    """∂L_val(w′, α)/∂α with w′ held still: first order, after a real step of length ξ."""
    other = copy.deepcopy(supernet)
    optimizer = torch.optim.SGD(other.weights().values(), lr=xi)
    with other.frozen():
        other.loss(train).loss.backward()
    optimizer.step()
    (gradient,) = FirstOrder().gradient(other, train, val, optimizer).gradient.values()
    return gradient


def epsilon_explorer(supernet: Supernet, train: Any, val: Any, xi: float) -> Explorer:
    """A slider for ε: the implicit term by finite difference beside the exact one.

    The supernet, of one cell, and the batches are in float64; the difference also in float32.
    """
    powers = list(range(-9, 3))
    nets = {"float64": supernet, "float32": copy.deepcopy(supernet).float()}
    direct = direct_term(supernet, train, val, xi)
    virtual = VirtualStep(xi)
    exact = _ask(Exact(virtual), supernet, train, val) - direct
    finite = {
        name: [
            _ask(FiniteDifference(virtual, 10.0**power), net, *_cast(name, train, val)) - direct
            for power in powers
        ]
        for name, net in nets.items()
    }
    errors = {
        name: [float((term - exact).norm() / exact.norm()) for term in terms]
        for name, terms in finite.items()
    }
    names = [short(p) for p in supernet.space.primitives]
    epsilons = [10.0**power for power in powers]
    # Bars show two decimals: scaled so that the longest exact one is 1.
    unit = float(exact.abs().max())

    def show(power: float) -> Scene:
        place = powers.index(int(power))
        here = {name: errors[name][place] for name in errors}
        marks: list[Mark] = [
            Line(epsilons, errors["float32"], TOTAL, "float32"),
            Line(epsilons, errors["float64"], DIRECT, "float64", "--"),
            Dots([epsilons[place]] * 2, list(here.values()), OTHER, size=6),
        ]
        pairs = zip(names, exact[0].tolist(), finite["float32"][place][0].tolist(), strict=True)
        labels, values = [], []
        for name, true, found in pairs:
            labels += [f"{name}", "≈"]
            values += [true / unit, float(np.clip(found / unit, -2, 2))]
        bars = Bars(labels, values, [IMPLICIT, TOTAL] * len(names))
        ends = (1e-9, 1e2), (1e-11, 1e2)
        return Scene(
            [
                Panel("error of the implicit term", marks, "ε · ‖v‖", "relative", *ends, log="xy"),
                Panel("exact, and by finite difference (≈, cut at ±2)", [bars], xlim=(-2, 2)),
            ],
            f"w moved by {epsilons[place]:.0e} to either side: error of the implicit term "
            f"{_share(here['float32'])} in float32, {_share(here['float64'])} in float64.",
        )

    return Explorer("How far may w be moved?", show, power=Control("log₁₀ of ε · ‖v‖", powers, -2))


def _cast(precision: str, *batches: Any) -> list[Any]:
    return [b._replace(inputs=b.inputs.to(getattr(torch, precision))) for b in batches]


def _ask(architect: Architect, supernet: Supernet, train: Any, val: Any) -> Tensor:
    """The gradient of a supernet with one cell, in float64."""
    optimizer = torch.optim.SGD(supernet.weights().values(), lr=0.1)
    (gradient,) = architect.gradient(supernet, train, val, optimizer).gradient.values()
    return gradient.double()


def _share(error: float) -> str:
    return f"{error:.1%}" if error >= 5e-4 else "under 0.05%"
