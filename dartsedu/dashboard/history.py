"""The steps of one run as the browser takes them: a description, and a row of numbers a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dartsedu.dashboard.kept import KeptSteps
from dartsedu.derivation import derive, rule_of
from dartsedu.genotype import Genotype
from dartsedu.show.layout import arrange
from dartsedu.show.measures import entropy, genotypes, passing
from dartsedu.show.palette import (
    CELL_COLOURS,
    DASHED_SPLITS,
    OTHER,
    SPLIT_COLOURS,
    colour,
    dashed,
    output_label,
    short,
    state_label,
    state_names,
)
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step
from dartsedu.topology import Link, SearchSpace, Topology

SPLITS = ("weights", "architecture")
_GAP = 0.26  # free space around a state in the picture, in columns


class Snapshot(NamedTuple):
    """Some rows of a history, and their formulas: as many, or none."""

    rows: bytes
    texts: list[str]


class History:
    """The steps of one run, with their rows.

    A row is little-endian float32: the scalars that ``description`` names (NaN where a step has
    none), then raw α cell by cell, then for every edge the primitives that ``rule`` keeps there,
    as digits of base (primitives + 1): 0 if the edge is cut, else column + 1 of the strongest, and
    so on for a second one. A step that is written as a formula has a text beside its row.

    Appending and reading may happen in different threads.
    """

    def __init__(self, header: Header, steps: Iterable[Step] = (), rule: str | None = None) -> None:
        assert header.space is not None
        self.header = header
        self.space: SearchSpace = header.space
        self.rule = rule or rule_of(header.space)
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
        return len(self._scalars) + edges * (len(self.space.primitives) + 1)

    def describe(self, name: str) -> dict[str, Any]:
        """What the browser must know to draw the rows, as plain JSON; ``name`` is a title."""
        return {
            "name": name,
            "total": self.header.total,
            "rule": self.rule,
            "relaxation": self.space.relaxation,
            "scalars": self._scalars,
            "primitives": [
                {
                    "name": primitive,
                    "label": short(primitive),
                    "colour": colour(primitive),
                    "dashed": dashed(primitive),
                    "none": primitive == "none",
                }
                for primitive in self.space.primitives
            ],
            "cells": [_describe_cell(topology) for topology in self.space.cells],
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
        ]
        alphas = [np.ravel(step.alphas[cell]) for cell in cells]
        kept = [_digits(self.space, topology, found) for topology in self.space.cells]
        return np.concatenate([scalars, *alphas, *kept]).astype("<f4")

    def _charts(self) -> list[dict[str, Any]]:
        """The curves over time: of both splits, then of every cell."""
        charts = [
            {
                "title": kind,
                "lines": [
                    {
                        "scalar": f"{kind} {split}",
                        "label": split,
                        "colour": SPLIT_COLOURS.get(split, OTHER),
                        "dashed": split in DASHED_SPLITS,
                        "smooth": True,
                    }
                    for split in SPLITS
                ],
            }
            for kind in ("loss", "accuracy")
        ]
        kind = passing(self.space)
        measures = {"entropy": "entropy (bits)"}
        if kind:
            measures[kind] = f"{short(kind)} edges kept"
        for scalar, title in measures.items():
            lines = [
                {
                    "scalar": f"{scalar} {topology.name}",
                    "label": topology.name,
                    "colour": CELL_COLOURS[i % len(CELL_COLOURS)],
                    "dashed": i % 2 == 1,
                    "smooth": False,
                }
                for i, topology in enumerate(self.space.cells)
            ]
            charts.append({"title": title, "lines": lines})
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


def _describe_cell(topology: Topology) -> dict[str, Any]:
    plan = arrange(topology.inputs, topology.nodes, topology.edges)
    names = state_names(topology.inputs, topology.nodes, topology.name)
    return {
        "name": topology.name,
        "states": [
            {"label": state_label(name), "at": list(place)}
            for name, place in zip(names, plan.states, strict=True)
        ],
        "output": {"label": output_label(topology.name), "at": list(plan.output)},
        "outputs": list(topology.outputs),
        "edges": [
            {
                "source": link.source,
                "target": link.target,
                "curve": [list(point) for point in curve.shortened(_GAP)],
            }
            for link, curve in zip(topology.edges, plan.curves, strict=True)
        ],
    }
