"""Sliders over a scene: the one widget of the lessons.

Moves are answered in the browser: by a function of ``compute.js``, or from the scenes of all values
where these are few. So an explorer works on a saved page and after the kernel has gone. Others ask
Python for every scene, and are greyed out, with the reason, where no kernel answers.
"""

from __future__ import annotations

import html
import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from dartsedu.lessons.panel import Scene, as_json, draw
from dartsedu.show.script import script

_FOLDER = Path(__file__).parent

MOST_SCENES = 512
"""An explorer with no more combinations of values takes all its scenes along."""


@dataclass(frozen=True)
class Control:
    """One choice among values: a slider for numbers, a menu for words.

    Args:
        label: what it is called on the screen.
        values: numbers in order, or words.
        start: one of them.
        rate: for a slider that is also played, from the first value to the last: values a second.
    """

    label: str
    values: Sequence[float] | Sequence[str]
    start: float | str
    rate: float = 0.0

    @property
    def place(self) -> int:
        """Which of the values is the start."""
        if self.start not in self.values:
            raise ValueError(f"{self.label}: start {self.start} is not one of {list(self.values)}")
        return list(self.values).index(self.start)

    def describe(self, name: str) -> dict[str, Any]:
        """What the browser must know."""
        words = [v if isinstance(v, str) else f"{v:.4g}" for v in self.values]
        menu = any(isinstance(v, str) for v in self.values)
        known = {"name": name, "label": self.label, "values": words, "menu": menu}
        return known | {"raw": list(self.values), "rate": self.rate}


class Explorer(anywidget.AnyWidget):
    """``show`` drawn anew at every move of its controls.

    Args:
        title: the widget's name.
        show: from the controls' values, by name, to a scene; called with the starts first.
        controls: by the name of ``show``'s argument.

    On a page without a kernel it works from what it carries; where no scripts run it is a picture
    of the start. ``set`` moves a control from code.
    """

    _esm = script(_FOLDER / "explorer.js")
    _css = _FOLDER / "explorer.css"
    title = traitlets.Unicode().tag(sync=True)
    controls: Any = traitlets.List().tag(sync=True)
    places = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)
    start = traitlets.Dict().tag(sync=True)
    compute = traitlets.Unicode().tag(sync=True)
    data = traitlets.Dict().tag(sync=True)
    grid = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        title: str,
        show: Callable[..., Scene],
        **controls: Control,
    ) -> None:
        self._show, self._known = show, controls
        self.shown = show(**{name: control.start for name, control in controls.items()})
        drawn = as_json(self.shown)
        super().__init__(
            title=title,
            controls=[control.describe(name) for name, control in controls.items()],
            places={name: control.place for name, control in controls.items()},
            scene=drawn,
            start=drawn,
        )

    def in_browser(self, compute: str, **data: Any) -> Explorer:
        """Answer moves by a function of ``compute.js``, from ``data``: plain JSON. Gives itself."""
        self.compute, self.data = compute, data
        return self

    @property
    def alone(self) -> bool:
        """Whether it answers every move without a kernel."""
        combinations = math.prod(len(control.values) for control in self._known.values())
        return bool(self.compute) or combinations <= MOST_SCENES

    def set(self, **values: float | str) -> None:
        """Move controls to values of theirs."""
        places = {name: list(self._known[name].values).index(v) for name, v in values.items()}
        self.places = {**self.places, **places}

    @traitlets.validate("places")
    def _inside(self, proposal: Any) -> dict[str, int]:
        """Places as the browser may send them: unknown ones are dropped, others kept in range."""
        asked = proposal["value"]
        found = {}
        for name, control in self._known.items():
            place = asked.get(name)
            valid = isinstance(place, int) and 0 <= place < len(control.values)
            found[name] = place if valid else self.places.get(name, control.place)
        return found

    @traitlets.observe("places")
    def _redraw(self, change: Any) -> None:
        if change["old"]:
            values = {name: self._known[name].values[i] for name, i in change["new"].items()}
            self.shown = self._show(**values)
            self.scene = as_json(self.shown)

    def _carry(self) -> None:
        """Take along the scenes of all values, each mark and each frame of a panel but once."""
        if self.compute or self.grid or not self.alone:
            return
        frames: dict[str, int] = {}
        marks: dict[str, int] = {}

        def number(known: dict[str, int], value: Any) -> int:
            return known.setdefault(json.dumps(value), len(known))

        scenes = {}
        names = list(self._known)
        for places in itertools.product(*(range(len(c.values)) for c in self._known.values())):
            values = {
                n: self._known[n].values[place] for n, place in zip(names, places, strict=True)
            }
            drawn = as_json(self._show(**values))
            panels = [
                [
                    number(frames, {**panel, "marks": []}),
                    [number(marks, m) for m in panel["marks"]],
                ]
                for panel in drawn["panels"]
            ]
            scenes[",".join(map(str, places))] = {"text": drawn["text"], "panels": panels}
        self.grid = {
            "frames": [json.loads(frame) for frame in frames],
            "marks": [json.loads(mark) for mark in marks],
            "scenes": scenes,
        }

    def __repr__(self) -> str:
        return f"Explorer: {self.title}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        self._carry()
        bundle = super()._repr_mimebundle_(**kwargs)
        data = dict(bundle[0]) if bundle else {}
        return {**data, "text/plain": repr(self), "text/html": self._page()}, {}

    def _page(self) -> str:
        """The explorer for a page that has no kernel: a picture, which a script makes move."""
        names = ("title", "controls", "places", "scene", "start", "compute", "data", "grid")
        # Inside a script element only "</script" and "<!--" could end or change it.
        traits = json.dumps({name: getattr(self, name) for name in names}, allow_nan=False)
        traits = traits.replace("<", "\\u003c")
        style = self._css if isinstance(self._css, str) else Path(self._css).read_text("utf-8")
        picture = draw(self.shown).as_html("Run this cell in JupyterLab and the picture moves.")
        return (
            f"<div><style>{style}</style>\n"
            f'<div class="dartsedu-explorer-page"><p><strong>{html.escape(self.title)}</strong></p>'
            f"\n{picture}\n"
            f'<script type="application/json">{traits}</script></div>\n'
            f'<script type="module">\n{self._esm}</script>\n</div>'
        )
