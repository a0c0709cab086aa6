"""Pictures of α over time and of results. They read values and recordings, never a supernet.

Every function gives a ``Picture``: a matplotlib figure that knows its own alternative text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, cycle
from types import MappingProxyType
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from dartsedu.base.yardstick import ACCURACY, Yardstick, number, perplexity
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.show.cell_graph import check_size, describe_genotype, draw_legend, draw_mixture
from dartsedu.show.measures import changes, entropy, genotypes, passing
from dartsedu.show.palette import (
    CELL_COLOURS,
    DASHED_SPLITS,
    OTHER,
    SPLIT_COLOURS,
    cell_title,
    colour,
    dashes,
    label,
    short,
    state_label,
    state_names,
)
from dartsedu.show.picture import Picture, blank_picture
from dartsedu.stream.recording import Recording
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace, Topology

MOST_PANELS = 100
"""Of a picture: more take minutes to draw."""

# ---- α over time --------------------------------------------------------------------------------


def mixture_figure(
    space: SearchSpace, steps: Sequence[Step], titles: Sequence[str], rule: str | None = None
) -> Picture:
    """The cells at some steps, a column each: an edge is a bundle of strands, one a primitive.

    A strand is as wide as its share of the mixture. Edges that ``rule`` would keep have full
    colours and an outline, others are pale.
    """
    alt = (
        f"The cells at {len(steps)} moments of the search ({', '.join(titles)}). "
        "An edge is a bundle of strands, one a primitive, as wide as its share. At the end: "
        + describe_genotype(derive(space, steps[-1].alphas, rule))
    )
    picture, axes = blank_picture(
        len(space.cells), len(steps), 3.6 * len(steps), 2.3 * len(space.cells), alt
    )
    for column, (step, title) in enumerate(zip(steps, titles, strict=True)):
        kept = derive(space, step.alphas, rule)
        for row, topology in enumerate(space.cells):
            axis = axes[row, column]
            mixture = step.mixture[topology.name]
            draw_mixture(axis, space, topology, mixture, kept[topology.name], (250, 135))
            axes[row, column].set_title(f"{label(topology.name)}, {label(title)}")
    draw_legend(picture, space.primitives)
    return picture


def even_figure(space: SearchSpace) -> Picture:
    """The cells before the first step, when all primitives have the same share."""
    alt = "The cells before the first step: on every edge all primitives have the same share."
    picture, axes = blank_picture(1, len(space.cells), 5.4 * len(space.cells), 2.8, alt)
    for axis, topology in zip(axes[0], space.cells, strict=True):
        even = np.full(space.shape(topology.name), 1 / len(space.primitives))
        draw_mixture(axis, space, topology, even, None, (370, 150))
        axis.set_title(f"{cell_title(label(topology.name))} before the first step")
    draw_legend(picture, space.primitives)
    return picture


def heatmap_figure(space: SearchSpace, mixture: Mapping[str, NDArray[np.float32]]) -> Picture:
    """Mixture weights as a heat map: a row for each edge, a column for each primitive."""
    check_size(space.cells)
    strongest = []
    for topology in space.cells:
        row, column = np.unravel_index(
            mixture[topology.name].argmax(), mixture[topology.name].shape
        )
        strongest.append(
            f"{topology.name}: the largest is {mixture[topology.name][row, column]:.2f}, "
            f"{space.primitives[column]} on edge {_edge_names(space, topology.name)[row]}"
        )
    rows = max(len(t.edges) for t in space.cells)
    count = len(space.cells)
    picture, axes = blank_picture(
        1,
        count,
        4.8 * count,
        1.6 + 0.4 * rows,
        "Mixture weights by edge and primitive. " + "; ".join(strongest) + ".",
    )
    top = _top([mixture[t.name] for t in space.cells])
    for axis, topology in zip(axes[0], space.cells, strict=True):
        weights = mixture[topology.name]
        image = axis.imshow(weights, cmap="cividis", vmin=0, vmax=top, aspect="auto")
        axis.set_xticks(
            range(len(space.primitives)), map(_short, space.primitives), rotation=40, ha="right"
        )
        axis.set_yticks(range(len(topology.edges)), _edge_names(space, topology.name))
        axis.set_title(cell_title(label(topology.name)))
        axis.spines[:].set_visible(False)
        for (row, column), weight in np.ndenumerate(weights):
            ink = "black" if weight > 0.55 * top else "white"
            axis.text(column, row, f"{weight:.2f}", ha="center", va="center", color=ink, fontsize=9)
    picture.colorbar(image, ax=axes[0].tolist(), label=f"{space.relaxation}(α)", shrink=0.9)
    return picture


def _short(primitive: str) -> str:
    return label(short(primitive))


def _top(weights: Iterable[ArrayLike]) -> float:
    """The largest finite weight, 1 if there is none above 0: the end of a scale."""
    every = np.concatenate([np.ravel(w) for w in weights])
    return float(every[np.isfinite(every)].max(initial=0.0)) or 1.0


def _edge_names(space: SearchSpace, cell: str) -> list[str]:
    topology = space[cell]
    names = [state_label(name) for name in state_names(topology.inputs, topology.nodes, cell)]
    return [f"{names[link.source]} → {names[link.target]}" for link in topology.edges]


def trajectories_figure(recording: Recording, cell: str) -> Picture:
    """How the mixture weights of every edge of a cell moved: a panel for each edge."""
    space = recording.space
    check_size([space[cell]], MOST_PANELS)
    mixture = recording.mixture(cell)
    names = _edge_names(space, cell)
    columns = min(4, len(names)) if len(names) != 5 else 3
    rows = -(-len(names) // columns)
    winners = [
        f"{name} {short(space.primitives[int(mixture[-1, e].argmax())])}"
        for e, name in enumerate(names)
    ]
    alt = (
        f"Mixture weights of the {cell_title(cell)} over {len(mixture)} steps, a panel for each "
        f"edge, from {mixture[0].max():.2f} at most to {mixture[-1].max():.2f}. "
        f"Strongest at the end: {', '.join(winners)}."
    )
    picture, axes = blank_picture(rows, columns, 2.9 * columns, 0.8 + 2.1 * rows, alt)
    top = _top(mixture) * 1.08
    drawn = _thinned(len(mixture))
    for edge, axis in enumerate(axes.flat):
        if edge >= len(names):
            axis.axis("off")
            continue
        for column, primitive in enumerate(space.primitives):
            axis.plot(
                drawn,
                mixture[drawn, edge, column],
                color=colour(primitive),
                linestyle=dashes(primitive),
                linewidth=1.8,
            )
        axis.set_title(names[edge])
        axis.set_ylim(0, top)
        if edge % columns == 0:
            axis.set_ylabel(f"{space.relaxation}(α)")
        if edge >= len(names) - columns:
            axis.set_xlabel("step")
    draw_legend(picture, space.primitives)
    return picture


def losses_figure(recording: Recording, yardstick: Yardstick = ACCURACY) -> Picture:
    """Loss and, where there is one, accuracy on each split, with a running mean of 10 steps.

    Of a text instead of the loss its perplexity, on a logarithmic scale.
    """
    steps = recording.steps
    kinds = [yardstick.name] if yardstick.replaces_loss else _kinds(recording)
    picture, axes = blank_picture(
        1, len(kinds), 5.0 * len(kinds), 3.0, f"Running means: {_ends(steps, kinds)}."
    )
    for axis, kind in zip(axes[0], kinds, strict=True):
        _draw_splits(axis, steps, kind)
    return picture


def _ends(steps: Sequence[Step], kinds: Sequence[str]) -> str:
    return ", ".join(
        f"{kind} on {split} from {number(values[0], '.2f')} to {number(values[-1], '.2f')}"
        for kind in kinds
        for split, values in _smoothed(steps, kind).items()
    )


def _draw_splits(axis: Axes, steps: Sequence[Step], kind: str) -> None:
    drawn = _thinned(len(steps))
    at = [steps[i].index for i in drawn]
    for split, values in _smoothed(steps, kind).items():
        raw = np.array([_value(steps[i], kind, split) for i in drawn])
        values, name = values[drawn], label(split)
        if kind == "perplexity":
            raw, values = (np.where((v > 1e-99) & (v < 1e99), v, np.nan) for v in (raw, values))
            if lost := int(np.isnan(values).sum()):
                name += f" (no finite value at {lost} of {len(drawn)})"
        ink, dashed = SPLIT_COLOURS.get(split, OTHER), split in DASHED_SPLITS
        axis.plot(at, raw, color=ink, alpha=0.2, linewidth=1)
        style = "--" if dashed else "-"
        axis.plot(at, values, color=ink, linewidth=2.2, linestyle=style, label=name)
    axis.set_xlabel("step")
    axis.set_ylabel(kind)
    axis.legend()
    if kind == "loss" and axis.dataLim.ymin >= 0:
        axis.set_ylim(bottom=0)
    elif kind == "perplexity" and np.isfinite(axis.dataLim.get_points()).all():
        axis.set_yscale("log")
        axis.yaxis.set_major_formatter(mpl.ticker.ScalarFormatter())
        axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())


# ---- A whole search in one picture --------------------------------------------------------------


class Panel(NamedTuple):
    """One more panel of a picture: how it is drawn, and what it shows in words."""

    draw: Callable[[Axes], None]
    words: str


def search_figure(
    recordings: Mapping[str, Recording],
    derived: Mapping[str, Sequence[Genotype]] | None = None,
    further: Mapping[str, Panel] = MappingProxyType({}),
) -> Picture:
    """What the live view shows at the end: cells, losses, entropy of the mixtures, skips.

    Several recordings, by name, stand side by side. ``derived`` are the genotypes after each of
    their steps, by default those of the paper's rule; marks on the axis of the entropy are steps
    at which they changed. ``further`` are panels that come last, one for each of them. Raises
    ``ValueError`` for a recording without a step.
    """
    if not all(recording.steps for recording in recordings.values()):
        raise ValueError("there is no step to draw yet: start the search first")
    derived = derived or {n: genotypes(r.space, r.steps) for n, r in recordings.items()}
    panels = {name: _panels(recordings[name], found) for name, found in derived.items()}
    for name, panel in further.items():
        panels[name].append(panel.draw)
    single = len(panels) == 1
    columns = 2 if single else len(panels)
    most = max(map(len, panels.values()))
    rows = -(-most // 2) if single else most
    words = [
        f"{name + ': ' if name else ''}{len(recording.steps)} steps; "
        f"running means: {_ends(recording.steps, _kinds(recording))}; "
        + describe_genotype(derived[name][-1])
        + (f" {further[name].words}" if name in further else "")
        for name, recording in recordings.items()
    ]
    picture, axes = blank_picture(rows, columns, 5.4 * columns, 2.6 * rows, " ".join(words))
    for column, (name, drawers) in enumerate(panels.items()):
        places = axes.flat if single else axes[:, column]
        for place, axis in enumerate(places):
            if place < len(drawers):
                drawers[place](axis)
            else:
                axis.axis("off")
        if not single:
            axes[0, column].set_title(f"{label(name)}\n{axes[0, column].get_title()}")
    every = [r.space.primitives for r in recordings.values()]
    draw_legend(picture, [*dict.fromkeys(chain(*every))])
    return picture


def _kinds(recording: Recording) -> list[str]:
    return ["loss", *(["accuracy"] if recording.steps[0].accuracy else [])]


def _panels(recording: Recording, found: Sequence[Genotype]) -> list[Callable[[Axes], None]]:
    """One drawer a panel: every cell, loss, accuracy, entropy, skips."""
    space, steps = recording.space, recording.steps
    at = [step.index for step in steps]

    def cell(topology: Topology, axis: Axes) -> None:
        kept = found[-1][topology.name]
        draw_mixture(axis, space, topology, steps[-1].mixture[topology.name], kept, (370, 150))
        axis.set_title(f"{cell_title(label(topology.name))} after step {at[-1] + 1}")

    def by_cell(what: str, value: Callable[[int, str], float], axis: Axes) -> None:
        drawn = _thinned(len(steps))
        for topology, ink, style in zip(space.cells, cycle(CELL_COLOURS), cycle(("-", "--"))):
            values = [value(i, topology.name) for i in drawn]
            axis.plot(
                [at[i] for i in drawn],
                values,
                style,
                color=ink,
                linewidth=2,
                label=label(topology.name),
            )
        axis.set_xlabel("step")
        axis.set_ylabel(what)
        axis.set_ylim(bottom=0)
        if len(space.cells) > 1:
            axis.legend()

    def entropies(axis: Axes) -> None:
        by_cell("entropy (bits)", lambda i, name: entropy(steps[i].mixture[name]), axis)
        marks = [at[i] for i in changes(found)]
        if marks:  # A line of no points that is not clipped would push all panels apart.
            axis.plot(marks, [0] * len(marks), "|", color="#5b6676", markersize=12, clip_on=False)

    drawers: list[Callable[[Axes], None]] = [partial(cell, topology) for topology in space.cells]
    drawers += [partial(_draw_splits, steps=steps, kind=kind) for kind in _kinds(recording)]
    drawers.append(entropies)
    if kind := passing(space):
        what = f"{short(kind)} edges kept"

        def counts(axis: Axes) -> None:
            by_cell(what, lambda i, name: found[i][name].count(kind), axis)
            axis.yaxis.set_major_locator(mpl.ticker.MaxNLocator(integer=True))

        drawers.append(counts)
    return drawers


def _value(step: Step, kind: str, split: str) -> float:
    """A step's loss, accuracy or perplexity on a split."""
    if kind == "perplexity":
        return perplexity(step.loss[split])
    values: Mapping[str, float] = getattr(step, kind)
    return values[split]


def _thinned(count: int, most: int = 500) -> NDArray[np.int64]:
    """Places of at most so many steps, the first and the last among them, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def _smoothed(steps: Sequence[Step], kind: str) -> dict[str, NDArray[np.float64]]:
    smoothed = {}
    for split in steps[0].accuracy if kind == "accuracy" else steps[0].loss:
        measured = "loss" if kind == "perplexity" else kind
        raw = np.array([_value(step, measured, split) for step in steps])
        # No running sum: after one step of 1e20 it would have lost all others' digits.
        padded = np.concatenate([np.zeros(9), raw])
        window = np.minimum(10, np.arange(1, len(raw) + 1))
        with np.errstate(over="ignore", invalid="ignore"):
            means = np.lib.stride_tricks.sliding_window_view(padded, 10).sum(axis=1) / window
            smoothed[split] = np.exp(means) if kind == "perplexity" else means
    return smoothed
