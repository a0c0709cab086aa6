"""A search that begins to be watched."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

from dartsedu.dashboard.history import Series
from dartsedu.dashboard.run import LiveRun
from dartsedu.discretisation import gap_every
from dartsedu.search import Search
from dartsedu.stream.stream import Step, measuring

if TYPE_CHECKING:
    from dartsedu.truth.table import Truth


def default_interval() -> float:
    """Seconds between two messages to the browser: 0.1, or 0.25 on one or two cores."""
    return 0.1 if (os.cpu_count() or 1) > 2 else 0.25


def live(
    search: Search,
    steps: Iterator[Step] | None = None,
    *,
    interval: float | None = None,
    threads: int = 1,
    earlier: Sequence[Step] = (),
    speed: float | None = None,
    measure_gap: int | None = None,
    series: Series = MappingProxyType({}),
    truth: Truth | None = None,
) -> LiveRun:
    """Watch a search: returns a run that shows itself in Jupyter and waits for Play or ``start``.

    ::

        run = live(search)
        run                      # the dashboard
        await run.finished()     # the next cell
        run.figure()             # the last cell

    Args:
        search: what is run.
        steps: where its steps are drawn from, default the search itself. For instance
            ``until(search, after_seconds(60))``, or
            ``recorded(search, "run.jsonl", "run.ckpt", space=search.space)``, which also keeps
            them on disk, so that a killed kernel loses at most the last one.
        interval: least time between two messages to the browser, in seconds; default 0.1, or 0.25
            on one or two cores.
        threads: PyTorch's threads in the run. One by default: the browser needs a core, too, and a
            step on crowded cores takes several times as long.
        earlier: steps of this search from before, shown in front of the new ones; for instance
            ``Recording.load("run.jsonl").steps`` after ``search.load("run.ckpt")``. Those that the
            search will do again are left out.
        speed: steps a second at most, from the moment a browser shows the view, so that a class can
            follow; whoever looks may choose another one. Without a browser it has no effect.
        measure_gap: measure the discretisation gap after the first step and after every so many
            (see ``gap_every``); it becomes a curve, and is kept in the recording.
        series: further curves by title, functions of a step and of the genotype that would be kept
            then: ``{"learning rate": lambda step, genotype: step.learning_rate["weights"]}``.
        truth: a table of all cells of the space, such as ``load_truth("bench-digits")``: the view
            then shows where the cell that would be kept stands among them.

    A run that already shows this search is stopped after its present step; the new one goes on from
    there and shows its steps, too. Raises ``TypeError`` if ``search`` is not a ``Search``,
    ``TruthError`` for a table that does not fit it.
    """
    if not isinstance(search, Search):
        raise TypeError(
            f"live() shows a Search, not {type(search).__name__}; "
            "give the steps of another iterator as live(search, steps), a recording to replay()"
        )
    if speed is not None and not speed > 0:
        raise ValueError(f"speed = {speed}; expected steps a second above 0, or None")
    if threads < 1:
        raise ValueError(f"threads = {threads}; expected at least 1")
    if truth is not None:
        truth.check(search.space)
    former = _shown[search]() if search in _shown else None
    if former is not None:
        former.stop()
        former.wait_for_end()
        earlier = earlier or former.recording.steps
    before = [step for step in earlier if step.index < search.done]
    taken = search if steps is None else iter(steps)
    if measure_gap is not None:
        split, rule = search.task.architecture, search.settings.rule
        taken = measuring(taken, gap_every(search.supernet, split, measure_gap, rule))
    interval = default_interval() if interval is None else interval
    run = LiveRun(search, taken, interval, threads, before, speed, series, truth)
    _shown[search] = ref(run)
    return run


_shown: WeakKeyDictionary[Search, ref[LiveRun]] = WeakKeyDictionary()
