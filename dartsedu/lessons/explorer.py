"""Sliders over a scene: the one widget of the lessons.

The browser draws and holds the sliders; every move asks Python for the scene at the new values.
So what a slider shows is computed by the package itself, or by the learner's own function.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from dartsedu.lessons.panel import Scene, as_json, draw
from dartsedu.show.script import script

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Control:
    """One choice among values: a slider for numbers, a menu for words.

    Args:
        label: what it is called on the screen.
        values: numbers in order, or words.
        start: one of them.
    """

    label: str
    values: Sequence[float] | Sequence[str]
    start: float | str

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
        return {"name": name, "label": self.label, "values": words, "menu": menu}


class Explorer(anywidget.AnyWidget):
    """``show`` drawn anew at every move of its controls.

    Args:
        title: the widget's name.
        show: from the controls' values, by name, to a scene; called with the starts first.
        controls: by the name of ``show``'s argument.

    In a notebook that nobody runs it is a PNG of the start. ``set`` moves a control from code.
    """

    _esm = script(_FOLDER / "explorer.js")
    _css = _FOLDER / "explorer.css"
    title = traitlets.Unicode().tag(sync=True)
    controls: Any = traitlets.List().tag(sync=True)
    places = traitlets.Dict().tag(sync=True)
    scene = traitlets.Dict().tag(sync=True)

    def __init__(self, title: str, show: Callable[..., Scene], **controls: Control) -> None:
        self._show, self._known = show, controls
        self.shown = show(**{name: control.start for name, control in controls.items()})
        super().__init__(
            title=title,
            controls=[control.describe(name) for name, control in controls.items()],
            places={name: control.place for name, control in controls.items()},
            scene=as_json(self.shown),
        )

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

    def __repr__(self) -> str:
        return f"Explorer: {self.title}"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        bundle = super()._repr_mimebundle_(**kwargs)
        data = dict(bundle[0]) if bundle else {}
        png = base64.b64encode(draw(self.shown).render("png")).decode()
        alt = f"{self.title}. {self.shown.text}"
        return {**data, "text/plain": repr(self), "image/png": png}, {"image/png": {"alt": alt}}
