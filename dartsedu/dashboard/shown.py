"""What a live run and a replay have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dartsedu.dashboard.history import History
from dartsedu.dashboard.page import write_page
from dartsedu.dashboard.standing import describe, panel

if TYPE_CHECKING:
    from dartsedu.dashboard.widget import Dashboard
    from dartsedu.show.picture import Picture
    from dartsedu.truth.table import Truth


class Shown(ABC):
    """Histories that show themselves in Jupyter and can be drawn and exported."""

    _text: str
    _play = False
    """Whether a view that opens begins to play by itself."""

    def __init__(
        self, title: str, histories: Mapping[str, History], truth: Truth | None = None
    ) -> None:
        self._title = title
        self._histories = dict(histories)
        self._truth = truth
        self._gaps: dict[int, dict[str, Any]] = {}
        self._widget: Dashboard | None = None

    def figure(self) -> Picture:
        """The picture for paper, GitHub and nbviewer: cells, losses and entropy at the last step.

        Where a table of all cells was given, also the way of the search among them. Before the
        first step it is that of the even mixtures.
        """
        from dartsedu.show.plots import even_figure, search_figure

        if not all(map(len, self._histories.values())):
            return even_figure(next(iter(self._histories.values())).space)
        recordings = {name: history.recording for name, history in self._histories.items()}
        found = {n: h.genotypes(recordings[n].steps) for n, h in self._histories.items()}
        truth = self._truth
        further = {} if truth is None else {n: panel(truth, f) for n, f in found.items()}
        return search_figure(recordings, found, further)

    def export_html(self, path: str | Path, most: int = 500) -> Path:
        """Write the replay as one HTML file that needs no network and no kernel; returns its path.

        It holds at most ``most`` steps of a run, evenly spread, the first and the last among them
        (about 1.4 kB a step for two cells of 14 edges), and the table of all cells, if one was
        given (about 14 bytes a cell).
        """
        if most < 2:
            raise ValueError(f"most = {most}; expected at least 2 steps")
        snapshots = [history.thinned(most) for history in self._histories.values()]
        return write_page(path, self._title, self._spec("replay"), snapshots)

    def _spec(self, mode: str) -> dict[str, Any]:
        several = len(self._histories) > 1
        runs = [history.describe(name, several) for name, history in self._histories.items()]
        return {
            "mode": mode,
            "title": self._title,
            "runs": runs,
            "gaps": list(self._gaps.values()),
            "play": self._play,
            "truth": None if self._truth is None else describe(self._truth),
        }

    @abstractmethod
    def _open(self) -> Dashboard:
        """Make the view."""

    @property
    def _at_rest(self) -> bool:
        return True

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The view, and for readers without a kernel a picture if there is something to draw."""
        if self._widget is None:
            self._widget = self._open()
        shown: Any = self._widget._repr_mimebundle_()
        data = dict(shown[0] if isinstance(shown, tuple) else shown) | {"text/plain": self._text}
        metadata: dict[str, Any] = {}
        if self._at_rest and all(map(len, self._histories.values())):
            picture, alternative = self.figure()._repr_mimebundle_()
            data |= {name: picture[name] for name in ("image/png", "text/html")}
            metadata = alternative
        return data, metadata

    def __repr__(self) -> str:
        return self._text
