"""The steps of one run as the browser takes them: a description, and a row of numbers a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dartsedu.base.observed import Observed
from dartsedu.dashboard import standing
from dartsedu.dashboard.kept import KeptSteps
from dartsedu.derivation import derive, rule_of
from dartsedu.genotype import Genotype
from dartsedu.show.measures import CLEAR, entropy, genotypes, passing
from dartsedu.show.palette import (
    brief,
    colour,
    dashed,
    legible,
    output_label,
    pale,
    short,
    state_label,
    state_names,
)
from dartsedu.show.sheet import Drawn, Sheet, lay_out
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step
from dartsedu.topology import Link, SearchSpace, Topology
from dartsedu.truth.table import Truth

SPLITS = ("weights", "architecture")
GAP = ("mixture accuracy", "discretised accuracy", "mixture loss", "discretised loss")
"""What ``discretisation.gap_every`` measures of a step."""
_PARTS = {"all mixtures": "mixture", "kept edges only": "discretised"}
FITTED = ("mixture", "kept")
"""Names of predictions."""

Series = Mapping[str, Callable[[Step, Genotype], float]]
"""Curves by title; see ``History``."""

Sizes = tuple[tuple[int, int], ...]
_SIZES: Sizes = ((290, 170), (390, 205), (520, 225), (700, 240), (900, 250))
_LOW = tuple((width, height - 38) for width, height in _SIZES)  # of runs side by side
_LARGE: Sizes = ((400, 230), (560, 270), (760, 300))
_FONT, _LARGE_FONT = 12.0, 17.0
_MANY = 60  # edges of a cell that is drawn to one size only


class Snapshot(NamedTuple):
    """Some rows of a history, and their formulas: as many, or none."""

    rows: bytes
    texts: list[str]


class History:
    """The steps of one run, with their rows.

    A row is little-endian float32: the scalars that ``description`` names (NaN where a step has
    none), then raw α cell by cell, then for every edge the primitives that ``rule`` keeps there,
    as digits of base (primitives + 1): 0 if the edge is cut, else column + 1 of the strongest, and
    so on for a second one; then predictions, in spaces whose steps have some. A step that is
    written as a formula has a text beside its row.

    Args:
        header: of the run.
        steps: of the run so far.
        rule: derives the genotypes, default that of the space.
        series: further curves by title: numbers of a step and the genotype that would be kept
            then, NaN where there is none.
        truth: a table of all cells of the space, which says where that genotype stands.

    Appending and reading may happen in different threads.
    """

    def __init__(
        self,
        header: Header,
        steps: Iterable[Step] = (),
        rule: str | None = None,
        series: Series = MappingProxyType({}),
        truth: Truth | None = None,
    ) -> None:
        assert header.space is not None
        self.header = header
        self.space: SearchSpace = header.space
        self.rule = rule or rule_of(header.space)
        self.series = dict(series)
        self.truth = truth
        self.steps = KeptSteps()
        self._rows: list[bytes] = []
        for step in steps:
            self.append(step)

    def __len__(self) -> int:
        """Number of steps that have a row."""
        return len(self._rows)

    def append(self, step: Step) -> None:
        """Add a step."""
        found = derive(self.space, step.alphas, self.rule)
        self.steps.append(step)
        self._rows.append(self._row(step, found).tobytes())

    @property
    def recording(self) -> Recording:
        """The steps so far as a recording, for plots and comparisons."""
        return Recording(self.header, self.steps[: len(self)])

    def genotypes(self, steps: Iterable[Step]) -> list[Genotype]:
        """What ``rule`` derives after each step; not kept, since they take more than the rows."""
        return genotypes(self.space, steps, self.rule)

    def rows(self, first: int, count: int) -> bytes:
        """So many rows from number ``first`` on, as far as there are."""
        return b"".join(self._rows[first : first + count])

    def texts(self, first: int, count: int) -> list[str]:
        """The formulas of the same rows; empty in a space that writes none."""
        return self._texts(range(first, min(first + count, len(self))))

    def thinned(self, most: int) -> Snapshot:
        """At most so many rows, the first and the last among them, evenly spread."""
        total = len(self)
        chosen = np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(int))
        rows = b"".join(self._rows[i] for i in chosen)
        return Snapshot(rows, self._texts(chosen.tolist()))

    def _texts(self, places: Iterable[int]) -> list[str]:
        found = [self.steps.written(i) for i in places]
        return [text or "" for text in found] if any(found) else []

    @property
    def width(self) -> int:
        """Numbers in a row."""
        edges = sum(len(topology.edges) for topology in self.space.cells)
        predictions = 0 if self.header.data is None else len(FITTED) * self.header.data.points
        return len(self._scalars) + edges * (len(self.space.primitives) + 1) + predictions

    def describe(self, name: str, low: bool = False) -> dict[str, Any]:
        """What the browser must know to draw the rows, as plain JSON; ``name`` is a title.

        ``low`` cells leave room for those of another run.
        """
        data, sizes = self.header.data, _LOW if low else _SIZES
        return {
            "name": name,
            "total": self.header.total,
            "rule": self.rule,
            "relaxation": self.space.relaxation,
            "clear": CLEAR,
            "scalars": self._scalars,
            "series": list(self.series),
            "data": None if data is None else data.model_dump(),
            "fitted": list(FITTED) if data is not None else [],
            "primitives": [_describe_primitive(primitive) for primitive in self.space.primitives],
            "cells": [_describe_cell(t, self.space, data, sizes) for t in self.space.cells],
            "charts": self._charts(),
        }

    @property
    def _scalars(self) -> list[str]:
        return [
            "index",
            "epoch",
            "elapsed",
            *(f"{kind} {split}" for kind in ("loss", "accuracy") for split in SPLITS),
            *(f"entropy {topology.name}" for topology in self.space.cells),
            *(f"{passing(self.space) or 'passing'} {t.name}" for t in self.space.cells),
            *GAP,
            *standing.scalars(self.truth),
            *(f"series {title}" for title in self.series),
        ]

    def _row(self, step: Step, found: Genotype) -> NDArray[np.float32]:
        kind = passing(self.space)
        cells = [topology.name for topology in self.space.cells]
        competing = self.space.relaxation != "sigmoid"  # Its weights are no chances.
        scalars = [
            step.index,
            step.epoch,
            step.elapsed,
            *(step.loss.get(split, np.nan) for split in SPLITS),
            *(step.accuracy.get(split, np.nan) for split in SPLITS),
            *(entropy(step.mixture[cell]) if competing else np.nan for cell in cells),
            *(found[cell].count(kind) if kind else np.nan for cell in cells),
            *(step.measured.get(name, np.nan) for name in GAP),
            *standing.place(self.truth, step, found),
            *(value(step, found) for value in self.series.values()),
        ]
        alphas = [np.ravel(step.alphas[cell]) for cell in cells]
        kept = [_digits(self.space, topology, found) for topology in self.space.cells]
        with np.errstate(over="ignore"):
            return np.concatenate([scalars, *alphas, *kept, *self._fitted(step)]).astype("<f4")

    def _fitted(self, step: Step) -> list[NDArray[np.float32]]:
        if self.header.data is None:
            return []
        unknown = np.full(self.header.data.points, np.nan, np.float32)
        return [step.fitted.get(name, unknown) for name in FITTED]

    def _charts(self) -> list[dict[str, Any]]:
        """The curves over time: of both splits, of every cell, the gap, and the series."""

        def chart(title: str, lines: Mapping[str, str], **more: bool) -> dict[str, Any]:
            drawn = [{"scalar": scalar, "label": name} | more for name, scalar in lines.items()]
            return {"title": title, "lines": drawn}

        cells = [topology.name for topology in self.space.cells]
        charts = [
            chart(kind, {split: f"{kind} {split}" for split in SPLITS}, smooth=True)
            for kind in ("loss", "accuracy")
        ]
        charts.append(chart("entropy (bits)", {cell: f"entropy {cell}" for cell in cells}))
        if kind := passing(self.space):
            title = f"{short(kind)} edges kept"
            charts.append(chart(title, {cell: f"{kind} {cell}" for cell in cells}))
        for kind in ("accuracy", "loss"):
            lines = {name: f"{part} {kind}" for name, part in _PARTS.items()}
            charts.append(chart(f"cut: {kind}", lines, sparse=True))
        charts[-1]["unless"] = GAP[0]  # The gap is one of accuracy wherever there is one.
        charts += [own for own in standing.charts() if own["title"] not in self.series]
        charts += [chart(title, {title: f"series {title}"}, sparse=True) for title in self.series]
        return charts


def _digits(space: SearchSpace, topology: Topology, found: Genotype) -> list[float]:
    rows = {link: row for row, link in enumerate(topology.edges)}
    codes = [0] * len(rows)
    for state, edge in reversed(found[topology.name].edges):
        if edge.primitive == "none":  # Some rules may choose it: then the edge is cut.
            continue
        row = rows[Link(edge.source, state)]
        codes[row] = codes[row] * (len(space.primitives) + 1)
        codes[row] += space.primitives.index(edge.primitive) + 1
    return [float(code) for code in codes]


def _describe_primitive(primitive: str) -> dict[str, Any]:
    shade = colour(primitive)
    return {
        "name": primitive,
        "label": short(primitive),
        "brief": brief(primitive),
        "colour": shade,
        "pale": pale(shade),
        "legible": legible(shade),
        "dashed": dashed(primitive),
        "none": primitive == "none",
    }


def _describe_cell(
    topology: Topology, space: SearchSpace, data: Observed | None, sizes: Sizes
) -> dict[str, Any]:
    names = state_names(topology.inputs, topology.nodes, topology.name)
    labels = [state_label(name) for name in names]
    output = output_label(topology.name)
    if data is not None and len(data.variables) == topology.inputs:
        labels[: topology.inputs] = [_column(name) for name in data.variables]
        output = _column(data.target)
    longest = max(len(brief(primitive)) for primitive in space.primitives)
    drawn = Drawn(
        topology.inputs,
        topology.nodes,
        topology.edges,
        (*labels, output),
        (longest,) * len(topology.edges),
    )
    few = slice(None) if len(topology.edges) <= _MANY else slice(-1, None)
    return {
        "name": topology.name,
        "states": labels,
        "output": output,
        "outputs": list(topology.outputs),
        "edges": [{"source": link.source, "target": link.target} for link in topology.edges],
        "sheets": [_sheet(lay_out(drawn, *size, _FONT)) for size in sizes[few]],
        "large": [_sheet(lay_out(drawn, *size, _LARGE_FONT, 20)) for size in _LARGE[few]],
    }


def _column(name: str) -> str:
    """The name of a column as a box has room for it."""
    return name if len(name) <= 14 else f"{name[:13]}…"


def _sheet(sheet: Sheet) -> dict[str, Any]:
    """A sheet as plain JSON, in tenths of pixels."""

    def places(numbers: Iterable[float]) -> list[float]:
        return [round(float(x), 1) for x in numbers]

    return {
        "width": round(sheet.width, 1),
        "height": round(sheet.height, 1),
        "font": sheet.font,
        "bundle": sheet.bundle,
        "states": [places(box) for box in sheet.states],
        "ways": [
            {
                "curve": [places(point) for point in way.curve],
                "head": [places(point) for point in way.head],
                "label": None if way.label is None else places(way.label),
            }
            for way in sheet.ways
        ],
    }
