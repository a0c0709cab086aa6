"""Lesson 02: why α and w must not learn from the same points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import (
    BLUE,
    INK,
    RED,
    SOFT,
    Bars,
    Dots,
    Line,
    Mark,
    Panel,
    Scene,
    draw,
)
from dartsedu.lessons.relaxation import one_edge_space
from dartsedu.relaxation import Mixture, Outcome, Supernet
from dartsedu.show.picture import Picture


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


class Frame(NamedTuple):
    """A mixture of line and wiggle at one moment: weights (2,), curve over ``GRID``, new loss."""

    weights: list[float]
    curve: list[float]
    loss: float


GRID = torch.linspace(-1, 1, 81)


def frame(net: LineOrWiggle, new: tuple[Tensor, Tensor]) -> Frame:
    """The net as it is now, judged on ``new``."""
    with torch.no_grad():
        weights = net.mixture()["edge"][0].tolist()
        return Frame(weights, net(GRID).tolist(), net.loss(new).loss.item())


def fits_explorer(
    fits: Mapping[str, Sequence[Frame]], points: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]]
) -> Explorer:
    """Searches side by side, played: the curve of each on its points, and the wiggle's weight.

    Args:
        fits: by the search's name, its frames, as many in each.
        points: by the search's name, what w and what α learn from, by what they are for.
    """
    count = len(next(iter(fits.values())))

    def show(frame: float) -> Scene:
        now = int(frame)
        panels, words, names, values = [], [], [], []
        for name, frames in fits.items():
            marks: list[Mark] = [
                Dots(x, y, ink, f"points for {what}", size=3)
                for (what, (x, y)), ink in zip(points[name].items(), (BLUE, RED), strict=False)
            ]
            marks.append(Line([-1, 1], [-1, 1], SOFT, "the truth", ":"))
            marks.append(Line(GRID, frames[now].curve, INK, "mixture"))
            panels.append(Panel(name, marks, "x", "y", (-1, 1), (-2.5, 2.5)))
            names.append(name)
            values.append(frames[now].weights[1])
            words.append(f"{name}: wiggle {values[-1]:.2f}, on new data {frames[now].loss:.2f}")
        bars = Bars(names, values, [INK] * len(names))
        panels.append(Panel("weight of the wiggle", [bars], xlim=(0, 1)))
        return Scene(panels, f"Picture {now + 1} of {count}. {'; '.join(words)}.")

    played = Control("moment", list(range(count)), 0, rate=5)
    return Explorer("A line or a wiggle?", show, frame=played)


def overfitting_picture(results: Mapping[str, Sequence[Frame]]) -> Picture:
    """For every way of searching and data set: the wiggle's weight, the loss on new data."""
    panels = []
    titles = ("weight of the wiggle", (-0.05, 1.05)), ("loss on new data", (0.1, 30.0))
    columns = {
        name: ([f.weights[1] for f in frames], [f.loss for f in frames])
        for name, frames in results.items()
    }
    for column, (title, ends) in enumerate(titles):
        marks = [
            Dots(range(1, len(pair[column]) + 1), pair[column], ink, name, size=5)
            for (name, pair), ink in zip(columns.items(), (RED, BLUE, INK), strict=True)
        ]
        count = max(map(len, results.values()))
        log: Literal["", "y"] = "y" if column else ""
        y = ("share of the mixture", "mean squared error")[column]
        panels.append(Panel(title, marks, "data set", y, (0.5, count + 0.5), ends, log=log))
    words = [
        f"{name}: wiggle {min(wiggle):.2f} to {max(wiggle):.2f}, "
        f"loss on new data {min(loss):.2f} to {max(loss):.2f}"
        for name, (wiggle, loss) in columns.items()
    ]
    return draw(Scene(panels, "Range over the data sets. " + "; ".join(words) + "."))
