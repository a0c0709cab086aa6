"""A run as seen in a terminal: progress and the cell as it forms, or plain lines when piped."""

from __future__ import annotations

import codecs
import io
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from dartsedu.base.yardstick import ACCURACY, Yardstick, number
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.show.palette import cell_title, colour, short, state_label, state_names
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace
from dartsedu.truth.table import PLACE

LINE_EVERY = 5.0
"""Seconds between two lines of a piped run."""

_PLAIN = {"α": "alpha", "ξ": "xi", "ε": "eps", "σ": "sigma", "²": "2", "·": "*", "×": "x"}
_PLAIN |= {"→": "->", "●": "*", "█": "#", "−": "-", "≤": "<=", "≥": ">=", "∞": "inf", "…": "..."}
"""What stands for characters that an output cannot write."""


def writable(stream: TextIO | None) -> None:
    """Let ``stream`` write every text: in its own encoding, other characters as plain ones."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors=_IN_PLAIN)


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end]
    plain = "".join(_PLAIN.get(c, c) for c in text)
    return plain.encode("ascii", "backslashreplace").decode(), error.end


_IN_PLAIN = "dartsedu.plain"
codecs.register_error(_IN_PLAIN, _in_plain)


def watch(
    steps: Iterable[Step],
    *,
    title: str,
    total: int,
    done: int,
    console: Console,
    space: SearchSpace | None = None,
    rule: str | None = None,
    yardstick: Yardstick = ACCURACY,
) -> Iterator[Step]:
    """Show ``steps`` as they pass. ``done`` of ``total`` were done in an earlier run.

    On a terminal: a bar with ETA and, for a search, the cells' mixtures. Else a line every 5 s.
    """
    if not console.is_terminal:
        yield from _lines(steps, title, total, done, console, yardstick)
        return
    progress = Progress(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        console=console,
    )
    bar = progress.add_task(title, total=total, completed=done)
    with Live(progress, console=console, refresh_per_second=8) as live:
        for step in steps:
            progress.update(bar, completed=step.index + 1)
            live.update(_view(progress, step, space, rule, yardstick))
            yield step


@contextmanager
def fitting(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """Inside, show what is done after a search: called with what, how much and of how much.

    On a terminal a bar that goes when all is done, else a line every 5 s.
    """
    if not console.is_terminal:
        said = time.monotonic()

        def say(what: str, done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - said >= LINE_EVERY:
                said = time.monotonic()
                console.print(f"{what}: {done} of {total}")

        yield say
        return
    columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bars:
        bar = bars.add_task("concluding", total=None)
        yield lambda what, done, total: bars.update(
            bar, description=what, completed=done, total=total
        )


def _lines(
    steps: Iterable[Step],
    title: str,
    total: int,
    done: int,
    console: Console,
    yardstick: Yardstick,
) -> Iterator[Step]:
    began = said = time.monotonic()
    for fresh, step in enumerate(steps, 1):
        now = time.monotonic()
        if now - said >= LINE_EVERY or step.index + 1 == total:
            said = now
            left = (total - step.index - 1) * (now - began) / fresh
            console.print(
                f"{title}: step {step.index + 1}/{total}, epoch {step.epoch}, "
                f"{summary(step, yardstick)}, "
                f"ETA {int(left // 60)}:{int(left % 60):02d}"
            )
        yield step


def summary(step: Step, yardstick: Yardstick = ACCURACY) -> str:
    """Losses and accuracies of a step, or its perplexities, in one line; its rank if it has one."""
    rank = step.measured.get(PLACE[0])
    return _scores(step, yardstick) + ("" if rank is None else f", rank {rank:,.0f}")


def _scores(step: Step, yardstick: Yardstick) -> str:
    if yardstick.replaces_loss:
        values = {split: yardstick.measure(loss, None) for split, loss in step.loss.items()}
        shown = (f"{split} {yardstick.show(value)}" for split, value in values.items())
        return f"{yardstick.name} " + ", ".join(shown)
    parts = []
    for split, loss in step.loss.items():
        accuracy = step.accuracy.get(split)
        parts.append(
            f"{split} {number(loss, '.3f')}" + ("" if accuracy is None else f" ({accuracy:.0%})")
        )
    return "loss " + ", ".join(parts)


def _view(
    progress: Progress,
    step: Step,
    space: SearchSpace | None,
    rule: str | None,
    yardstick: Yardstick,
) -> RenderableType:
    parts: list[RenderableType] = [
        progress,
        Text(f"epoch {step.epoch}, {summary(step, yardstick)}"),
    ]
    if space is not None:
        tables = Table.grid(padding=(0, 3))
        tables.add_row(*(_mixture_table(space, step, cell.name, rule) for cell in space.cells))
        parts.append(tables)
    return Group(*parts)


def _mixture_table(space: SearchSpace, step: Step, cell: str, rule: str | None) -> Table:
    """Each edge with its strongest primitive; edges that the genotype would keep are marked."""
    topology = space[cell]
    kept = {(e.source, state) for state, e in derive(space, step.alphas, rule)[cell].edges}
    names = state_names(topology.inputs, topology.nodes, cell)
    table = Table(title=f"{cell_title(cell)} (● kept if stopped now)", box=None, padding=(0, 1))
    for heading in ("edge", "", "strongest", f"{space.relaxation}(α)"):
        table.add_column(heading)
    for row, link in enumerate(topology.edges):
        weights = np.where(np.array(space.primitives) == "none", -1, step.mixture[cell][row])
        best = int(weights.argmax())
        primitive, weight = space.primitives[best], float(weights[best])
        bar = "█" * max(1, round(20 * weight))
        table.add_row(
            f"{state_label(names[link.source])} → {names[link.target]}",
            "●" if link in kept else " ",
            Text(short(primitive), style=colour(primitive)),
            Text(f"{bar} {weight:.2f}", style=colour(primitive)),
        )
    return table


def genotype_table(genotype: Genotype) -> Table:
    """A genotype as text: a line for each node."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("cell", "node", "adds"):
        table.add_column(heading)
    for cell in genotype.cells:
        names = state_names(cell.inputs, len(cell.nodes), cell.name)
        for index, node in enumerate(cell.nodes):
            terms = Text(" + ").join(
                Text(
                    f"{edge.primitive}({state_label(names[edge.source])})",
                    style=colour(edge.primitive),
                )
                for edge in node
            )
            table.add_row(cell.name if index == 0 else "", names[cell.inputs + index], terms)
    return table
