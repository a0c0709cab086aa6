"""Recordings watched as if they were live, one or several side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pydantic import ValidationError

from dartsedu.base.values import explain
from dartsedu.dashboard.history import History, Series
from dartsedu.dashboard.shown import Shown
from dartsedu.stream.recording import Recording, RecordingError

if TYPE_CHECKING:
    from dartsedu.dashboard.widget import Dashboard
    from dartsedu.truth.table import Truth


class Replay(Shown):
    """Recordings shown with the view of a live search, without any training. Made by ``replay``."""

    _text = "A replayed search. In Jupyter it shows itself; .figure() is its picture."

    def __init__(
        self, title: str, histories: Mapping[str, History], play: bool, truth: Truth | None
    ) -> None:
        super().__init__(title, histories, truth)
        self._play = play

    def _open(self) -> Dashboard:
        from dartsedu.dashboard.widget import Dashboard

        return Dashboard(self._spec("replay"), list(self._histories.values()))


def replay(
    recording: Recording | str | Path,
    rule: str | None = None,
    *,
    series: Series = MappingProxyType({}),
    truth: Truth | None = None,
    play: bool = False,
) -> Replay:
    """Show a recording as if it were live, at any speed. Takes the file's path as well.

    ``series`` are further curves by title, functions of a step and of the genotype that ``rule``
    derives from it: ``{"learning rate": lambda step, genotype: step.learning_rate["weights"]}``.
    ``truth``: a table of all cells of the space, such as ``load_truth("bench-digits")``; the view
    then shows where the cell of each step stands among them. ``play``: begin at the first step by
    itself, ten steps a second, unless the reader wants little motion; else the last step is shown.

    Raises ``RecordingError`` if the file is absent or malformed, or holds no step of a search,
    ``TruthError`` for a table that does not fit.
    """
    return compare({"": recording}, rule, series=series, truth=truth, play=play)


def compare(
    recordings: Mapping[str, Recording | str | Path],
    rule: str | None = None,
    *,
    series: Series = MappingProxyType({}),
    truth: Truth | None = None,
    play: bool = False,
) -> Replay:
    """Show recordings side by side, by name, moving through time together.

    ::

        compare({"first order": "runs/one/recording.jsonl", "exact": "runs/two/recording.jsonl"})

    Time is the number of the step; a run that ended before says so. ``series``,
    ``truth`` and ``play`` are as in ``replay``, and so are the errors.
    """
    if not recordings:
        raise ValueError("compare() was given no recording; expected at least one, by name")
    histories = {}
    for name, given in recordings.items():
        recording = given if isinstance(given, Recording) else Recording.load(given)
        where = given if isinstance(given, (str, Path)) else f"the recording {name!r}"
        if recording.header.space is None or not recording.steps:
            raise RecordingError(f"{where} holds no step of a search, so there is nothing to show")
        if truth is not None:
            truth.check(recording.header.space)
        try:
            histories[name] = History(recording.header, recording.steps, rule, series, truth)
        except ValidationError as error:
            raise RecordingError(f"{where}: {explain(error, 'its genotype')}") from None
        except ValueError as error:
            raise RecordingError(f"{where} cannot be shown: {error}") from None
    title = " and ".join(name for name in recordings if name) or "Architecture search, replayed"
    return Replay(title, histories, play, truth)
