"""Pictures as values: panels of marks that the explorer draws in the browser and matplotlib as PNG.

A lesson describes what is to be seen once; both drawings show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike

from dartsedu.show.picture import Picture, blank_picture

Style = Literal["-", "--", ":"]

INK, SOFT = "ink", "soft"
"""Inks of the theme: that of text, and a paler one. As colours of marks, like any ``#rrggbb``."""
BLUE, RED = "#2468c9", "#c8371d"
"""Two more for what is no operation: no operation has them."""
_PRINTED = {INK: "#1a1a1a", SOFT: "#757575"}


@dataclass(frozen=True)
class Line:
    """A polyline. ``name`` puts it into the legend; ``faint`` is for a background."""

    x: ArrayLike
    y: ArrayLike
    colour: str
    name: str = ""
    style: Style = "-"
    faint: bool = False


@dataclass(frozen=True)
class Dots:
    """Points; ``label`` is written beside the last of them."""

    x: ArrayLike
    y: ArrayLike
    colour: str
    name: str = ""
    label: str = ""
    size: float = 4.0


@dataclass(frozen=True)
class Arrow:
    """An arrow from (x, y) to (x, y)."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str
    name: str = ""


@dataclass(frozen=True)
class Bars:
    """Horizontal bars from zero, the first on top, each with its name and number."""

    names: Sequence[str]
    values: Sequence[float]
    colours: Sequence[str]


@dataclass(frozen=True)
class Pixels:
    """A matrix as an image, from black (``low``) to yellow (``high``)."""

    values: ArrayLike
    low: float
    high: float

    def colours(self) -> list[list[str]]:
        """Every pixel's colour, as ``#rrggbb``."""
        values = np.asarray(self.values, dtype=float)
        scaled = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        return [[to_hex(c) for c in row] for row in mpl.colormaps["cividis"](scaled)]


@dataclass(frozen=True)
class Heat:
    """Numbers over two axes as colours, (rows, columns), the first row below.

    Args:
        x, y: the centres of the first and the last column and row.
        low, high: what is black, what is yellow; the same for all scenes that are compared.
        name: what the colours show; written beside the colour bar.
    """

    values: ArrayLike
    x: tuple[float, float]
    y: tuple[float, float]
    low: float
    high: float
    name: str


Mark = Line | Dots | Arrow | Bars | Pixels | Heat


@dataclass(frozen=True)
class Panel:
    """Axes with marks.

    Args:
        marks: drawn in this order.
        x, y: what the axes show.
        xlim, ylim: ends of the axes; needed but for ``Pixels``, and ``Bars`` need ``xlim`` only.
        log: which axes are logarithmic.
        bare: without axes, for a drawing.
        ticks: (place, label) of the ticks of an axis, by ``"x"`` or ``"y"``; without them numbers.
    """

    title: str
    marks: Sequence[Mark]
    x: str = ""
    y: str = ""
    xlim: tuple[float, float] = (0.0, 1.0)
    ylim: tuple[float, float] = (0.0, 1.0)
    log: Literal["", "y", "xy"] = ""
    bare: bool = False
    ticks: Mapping[str, Sequence[tuple[float, str]]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scene:
    """Panels side by side, and in words what they show: caption and alternative text in one."""

    panels: Sequence[Panel]
    text: str


# ---- For the browser ----------------------------------------------------------------------------


def as_json(scene: Scene) -> dict[str, Any]:
    """A scene as plain JSON: in every panel logarithms are taken and ticks chosen already."""
    return {"text": scene.text, "panels": [_panel_json(panel) for panel in scene.panels]}


def _panel_json(panel: Panel) -> dict[str, Any]:
    def coordinates(axis: str, values: ArrayLike) -> list[float]:
        scaled = np.log10(values) if axis in panel.log else values
        return [float(f"{v:.5g}") for v in np.ravel(scaled)]

    def axis(name: str, ends: tuple[float, float]) -> dict[str, Any]:
        named = panel.ticks.get(name)
        ticks = _ticks(ends, name in panel.log) if named is None else list(named)
        return {"ends": coordinates(name, ends), "ticks": ticks}

    marks: list[dict[str, Any]] = []
    for mark in panel.marks:
        kind = type(mark).__name__.lower()
        drawn: dict[str, Any]
        match mark:
            case Line() | Dots():
                drawn = {"x": coordinates("x", mark.x), "y": coordinates("y", mark.y)}
            case Arrow():
                ends = zip("xy", zip(mark.start, mark.end, strict=True), strict=True)
                drawn = {name: coordinates(name, pair) for name, pair in ends}
            case Bars():
                drawn = {
                    "names": list(mark.names),
                    "values": [float(v) for v in mark.values],
                    "colours": [_css(c) for c in mark.colours],
                }
            case Pixels():
                drawn = {"colours": mark.colours()}
            case Heat():
                rows = [[float(f"{v:.4g}") for v in row] for row in np.asarray(mark.values)]
                drawn = {"x": list(mark.x), "y": list(mark.y), "rows": rows}
        look = {k: v for k, v in vars(mark).items() if isinstance(v, (str, bool, int, float))}
        if "colour" in look:
            look["colour"] = _css(str(look["colour"]))
        marks.append({"kind": kind, **look, **drawn})
    return {
        "title": panel.title,
        "x": panel.x,
        "y": panel.y,
        "bare": panel.bare,
        "xaxis": axis("x", panel.xlim),
        "yaxis": axis("y", panel.ylim),
        "marks": marks,
    }


def _css(colour: str) -> str:
    """A colour for the browser: inks are those of the page."""
    return f"var(--{colour})" if colour in _PRINTED else colour


def _printed(colour: str) -> str:
    """A colour for paper."""
    return _PRINTED.get(colour, colour)


def _ticks(ends: tuple[float, float], log: bool) -> list[tuple[float, str]]:
    """(place, label) of the ticks inside the ends; places as in the JSON."""
    low, high = min(ends), max(ends)
    if log:
        powers = np.log10(LogLocator(numticks=6).tick_values(low, high))
        inside = [p for p in powers if np.log10(low) - 1e-9 <= p <= np.log10(high) + 1e-9]
        return [(float(p), f"10{str(round(p)).translate(_RAISED)}") for p in inside]
    places = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
    return [(float(p), f"{p:g}") for p in np.round(places, 10) if low <= p <= high]


_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# ---- For paper ----------------------------------------------------------------------------------


def draw(scene: Scene, columns: int = 3) -> Picture:
    """A scene as a picture, so many panels in a row."""
    columns = min(columns, len(scene.panels))
    rows = -(-len(scene.panels) // columns)
    images = all(isinstance(p.marks[0], Pixels) for p in scene.panels)
    tall = 2.0 if images else 3.8
    picture, axes = blank_picture(
        rows, columns, 4.4 / 3.4 * tall * columns, tall * rows, scene.text
    )
    for place, axis in enumerate(axes.flat):
        if place < len(scene.panels):
            _draw_panel(axis, scene.panels[place])
        else:
            axis.axis("off")
    return picture


def _draw_panel(axes: Axes, panel: Panel) -> None:
    for mark in panel.marks:
        _DRAW[type(mark)](axes, mark)
    axes.set_title(panel.title, fontsize=12)
    if isinstance(panel.marks[0], Pixels):
        axes.axis("off")
        return
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    for name, axis, ends in (("x", axes.xaxis, panel.xlim), ("y", axes.yaxis, panel.ylim)):
        if name in panel.log:
            axes.set(**{f"{name}scale": "log"})
            ticks = _ticks(ends, log=True)
            axis.set_ticks([10**place for place, _ in ticks], [text for _, text in ticks])
            axis.set_minor_locator(NullLocator())
        if name in panel.ticks:
            named = panel.ticks[name]
            axis.set_ticks([place for place, _ in named], [text for _, text in named])
    if panel.bare:
        axes.axis("off")
    axes.set_xlim(panel.xlim)
    if not isinstance(panel.marks[0], Bars):
        axes.set_ylim(panel.ylim)
    if any(getattr(m, "name", "") for m in panel.marks if not isinstance(m, Heat)):
        axes.legend(
            fontsize=9,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0 if panel.bare else -0.19),
            ncols=2,
        )


def _line(axes: Axes, mark: Line) -> None:
    width, alpha = (1.0, 0.45) if mark.faint else (2.2, 1.0)
    axes.plot(
        mark.x,
        mark.y,
        mark.style,
        color=_printed(mark.colour),
        linewidth=width,
        alpha=alpha,
        label=mark.name or None,
    )


def _dots(axes: Axes, mark: Dots) -> None:
    axes.plot(
        mark.x,
        mark.y,
        "o",
        color=_printed(mark.colour),
        markersize=mark.size * 1.6,
        label=mark.name or None,
    )
    if mark.label:
        at = float(np.ravel(mark.x)[-1]), float(np.ravel(mark.y)[-1])
        axes.annotate(mark.label, at, (7, 7), textcoords="offset points", fontsize=10)


def _arrow(axes: Axes, mark: Arrow) -> None:
    style = {
        "arrowstyle": "-|>",
        "color": _printed(mark.colour),
        "linewidth": 2.5,
        "mutation_scale": 16,
    }
    axes.annotate("", mark.end, mark.start, arrowprops={**style, "shrinkA": 0, "shrinkB": 0})
    if mark.name:
        axes.plot([], [], color=_printed(mark.colour), linewidth=2.5, label=mark.name)


def _bars(axes: Axes, mark: Bars) -> None:
    rows = range(len(mark.names))
    axes.barh(rows, mark.values, color=[_printed(c) for c in mark.colours])
    axes.axvline(0, color="#5b6676", linewidth=1)
    axes.set_yticks(rows, list(mark.names))
    axes.set_ylim(len(mark.names) - 0.5, -0.5)
    for row, value in enumerate(mark.values):
        axes.annotate(
            f"{value:.2f}", (max(value, 0), row), (4, 0), textcoords="offset points", va="center"
        )


def _pixels(axes: Axes, mark: Pixels) -> None:
    axes.imshow(np.asarray(mark.values), cmap="cividis", vmin=mark.low, vmax=mark.high)


def _heat(axes: Axes, mark: Heat) -> None:
    values = np.asarray(mark.values)
    ends = []
    for (low, high), count in ((mark.x, values.shape[1]), (mark.y, values.shape[0])):
        half = (high - low) / (count - 1) / 2
        ends += [low - half, high + half]
    image = axes.imshow(
        values,
        cmap="cividis",
        vmin=mark.low,
        vmax=mark.high,
        extent=(ends[0], ends[1], ends[2], ends[3]),
        origin="lower",
        aspect="auto",
    )
    axes.figure.colorbar(image, ax=axes, label=mark.name)


_DRAW: dict[type, Callable[[Axes, Any], None]] = {
    Line: _line,
    Dots: _dots,
    Arrow: _arrow,
    Bars: _bars,
    Pixels: _pixels,
    Heat: _heat,
}


def contours(
    x: ArrayLike, y: ArrayLike, z: ArrayLike, levels: Sequence[float], colour: str
) -> list[Line]:
    """Contour lines of ``z`` (len(y), len(x)) as faint marks."""
    import contourpy

    generator: Any = contourpy.contour_generator(x, y, z)
    return [
        Line(part[:, 0], part[:, 1], colour, faint=True)
        for level in levels
        for part in generator.lines(level)
    ]
