"""Lesson 02: the problem of the paper's Fig. 2, overfitting α, the finite difference."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder, VirtualStep
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import (
    BLUE,
    INK,
    RED,
    SOFT,
    Arrow,
    Bars,
    Dots,
    Line,
    Mark,
    Panel,
    Scene,
    as_json,
    contours,
)
from dartsedu.lessons.relaxation import one_edge_space
from dartsedu.relaxation import Mixture, Outcome, Supernet
from dartsedu.show.palette import short

DIRECT, IMPLICIT, TOTAL = BLUE, RED, INK
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
    """The game played step by step: the path for one ξ, and how far every smaller ξ has come."""
    axis = np.linspace(-2.2, 4.4, 67)
    surface = validation_loss(axis[None], axis[:, None])
    lines = contours(axis, axis, surface, [-4, -2, -1, 0, 2, 4, 6, 8], SOFT)
    every = np.linspace(0, 1, 60)
    closed_form = Line(every, 2 / (1 + 2 * every), RED, "2 / (1 + 2ξ)")

    def ends(marks: Sequence[Mark]) -> Panel:
        return Panel("where the game is by then", marks, "ξ", "α", (0, 1), (-0.5, 2.8))

    def show(steps: float, xi: float, curve: str) -> Scene:
        first, second = descend(0.0, int(steps)), descend(xi, int(steps))
        alpha, w = second[-1]
        marks: list[Mark] = [
            *lines,
            Line([-2.2, 4.4], [-2.2, 4.4], SOFT, "w = α: w's answer", ":"),
            Line(first[:, 0], first[:, 1], BLUE, "first order (ξ = 0)", "--"),
            Line(second[:, 0], second[:, 1], INK, f"second order, ξ = {xi:g}"),
            Dots([1], [1], RED, "the best α", size=6),
            Dots([alpha], [w], INK, size=6),
        ]
        reached = [one for one in XIS if one <= xi]
        settled: list[Mark] = [
            Dots(reached, [descend(one, int(steps))[-1, 0] for one in reached], INK, "α, by ξ")
        ]
        if curve == "show":
            settled.append(closed_form)
        return Scene(
            [
                Panel("the path of (α, w)", marks, "α", "w", (-0.5, 4.4), (-2.2, 4.4)),
                ends(settled),
            ],
            f"After {int(steps)} steps with ξ = {xi:g}: α = {alpha:.3f}, w = {w:.3f}, "
            f"L_val = {validation_loss(alpha, w):.3f}.",
        )

    explorer = Explorer(
        "The game of α and w",
        show,
        steps=Control("steps", [*range(0, 60, 2), *range(60, 301, 20)], 0, rate=6),
        xi=Control("ξ", XIS, 0.25),
        curve=Control("closed form", ["hide", "show"], "hide"),
    )
    drawn = as_json(Scene([ends([closed_form])], ""))["panels"][0]["marks"][0]
    return explorer.in_browser("game", xis=XIS, curve=drawn, background=len(lines) + 1)


def arrows_explorer() -> Explorer:
    """Sliders for α, w and ξ: the two terms of the descent as arrows along α."""

    def show(alpha: float, w: float, xi: float) -> Scene:
        virtual, direct, implicit = terms(alpha, w, xi)
        one, both = alpha - direct, alpha - direct - implicit
        marks: list[Mark] = [
            Line([-4, 8], [-4, 8], SOFT, "w = α", ":"),
            Arrow((alpha, w), (alpha, virtual), SOFT, "virtual step w → w′"),
            Arrow((alpha, virtual), (one, virtual), DIRECT, "−direct"),
            Arrow((one, virtual - 0.35), (both, virtual - 0.35), IMPLICIT, "−implicit"),
            Arrow((alpha, virtual - 0.7), (both, virtual - 0.7), TOTAL, "their sum: where α goes"),
            Dots([alpha], [w], TOTAL, label="(α, w)", size=5),
        ]
        bars = Bars(
            ["−direct", "−implicit", "sum"],
            [-direct, -implicit, -direct - implicit],
            [DIRECT, IMPLICIT, TOTAL],
        )
        return Scene(
            [
                Panel("the arrows at (α, w)", marks, "α", "w", (-3, 8), (-3.5, 3.5)),
                Panel("downhill for α", [bars], xlim=(-5, 5)),
            ],
            f"w′ = {virtual:.2f}. Downhill: −direct {-direct:+.2f}, −implicit {-implicit:+.2f}, "
            f"together {-direct - implicit:+.2f}: {_way(direct + implicit)}.",
        )

    return Explorer(
        "Two terms and their sum",
        show,
        alpha=Control("α", [round(-1 + 0.25 * i, 2) for i in range(17)], 2.0),
        w=Control("w", [round(-2 + 0.25 * i, 2) for i in range(17)], -2.0),
        xi=Control("ξ", XIS[:11], 0.25),
    ).in_browser("arrows")


def _way(slope: float) -> str:
    if abs(slope) < 1e-9:
        return "α stays"
    return "α goes up" if slope < 0 else "α goes down"


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
            Line(epsilons, errors["float32"], INK, "float32"),
            Line(epsilons, errors["float64"], BLUE, "float64", "--"),
            Dots([epsilons[place]] * 2, list(here.values()), RED, size=6),
        ]
        pairs = zip(names, exact[0].tolist(), finite["float32"][place][0].tolist(), strict=True)
        labels, values = [], []
        for name, true, found in pairs:
            labels += [f"{name}", "≈"]
            values += [true / unit, float(np.clip(found / unit, -2, 2))]
        bars = Bars(labels, values, [SOFT, INK] * len(names))
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
