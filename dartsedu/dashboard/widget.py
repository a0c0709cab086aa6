"""The view in the browser: an anywidget, and the messages between it and a run.

Kernel → view: ``{"type": "rows", "run", "first", "of", "texts"}`` with a buffer of rows (see
``history.History``), ``of`` being how many there are and ``texts`` the formulas of these rows, if
any; ``{"type": "status", …}``; ``{"type": "gap", …}``. View → kernel: ``{"type": "hello"}`` from a
view that has just opened, ``{"type": "need", "run", "have"}`` for rows, and
``{"type": "command", …}``.

Traits are set while no step is being computed, or seldom.
"""

from __future__ import annotations

import reprlib
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import anywidget
import traitlets
from pydantic import Field, ValidationError

from dartsedu.base.values import Value, explain
from dartsedu.dashboard.history import History
from dartsedu.show.script import script

_FOLDER = Path(__file__).parent

SNAPSHOT = 200
"""Rows that a notebook saved with its widget state keeps of a run."""

_CHUNK = 2**18
"""Bytes in one answer to ``need``, so that no message keeps others waiting for long."""


_LARGEST = 2**53
"""No whole number from JavaScript is larger."""


class Command(Value):
    """What a button in the browser asks for."""

    type: Literal["command"]
    command: Literal["play", "pause", "step", "stop", "limit", "gap"]
    rate: float | None = Field(default=None, ge=0.01, le=1000)
    step: int | None = Field(default=None, ge=0, le=_LARGEST)


class Need(Value):
    """A view's wish for the rows of a run from number ``have`` on."""

    type: Literal["need"]
    run: int = Field(ge=0, le=_LARGEST)
    have: int = Field(ge=0, le=_LARGEST)


class Dashboard(anywidget.AnyWidget):
    """Shows histories side by side; hands commands on to ``obey``.

    Args:
        spec: what the browser must know, plain JSON; constant.
        histories: the runs, in the order of ``spec["runs"]``.
        obey: called with every valid command, in the thread that receives it.
        greet: called when a view opens, in the thread that receives its greeting.
    """

    _esm = script(_FOLDER / "dashboard.js")
    _css = _FOLDER / "dashboard.css"
    spec = traitlets.Dict().tag(sync=True)
    status = traitlets.Dict().tag(sync=True)
    snapshots = traitlets.List(traitlets.Bytes()).tag(sync=True)
    texts = traitlets.List(traitlets.List(traitlets.Unicode())).tag(sync=True)

    def __init__(
        self,
        spec: dict[str, Any],
        histories: Sequence[History],
        obey: Callable[[Command], None] | None = None,
        greet: Callable[[], None] | None = None,
        status: dict[str, Any] | None = None,
    ) -> None:
        self._histories = histories
        self._obey = obey
        self._greet = greet
        super().__init__(spec=spec, status=status or {}, **self._kept())
        self.on_msg(self._receive)

    def keep(self, status: dict[str, Any]) -> None:
        """Put status and thinned rows where a saved notebook keeps them."""
        self.status, kept = status, self._kept()
        self.snapshots, self.texts = kept["snapshots"], kept["texts"]

    def send_rows(self, run: int, first: int, most: int = _CHUNK) -> int:
        """Send a run's rows from number ``first`` on; returns the number of the next one."""
        history = self._histories[run]
        count = min(len(history) - first, max(1, most // (4 * history.width)))
        if count > 0:
            message = {"type": "rows", "run": run, "first": first, "of": len(history)}
            texts = history.texts(first, count)
            self.send(message | {"texts": texts}, [history.rows(first, count)])
        return first + max(0, count)

    def _kept(self) -> dict[str, Any]:
        """The traits that hold some rows of every run."""
        thinned = [history.thinned(SNAPSHOT) for history in self._histories]
        return {"snapshots": [k.rows for k in thinned], "texts": [k.texts for k in thinned]}

    def _receive(self, _: Any, content: Any, buffers: Any) -> None:
        """Take a message from a browser; anything it may not say is left out with a warning."""
        kind = content.get("type") if isinstance(content, dict) else None
        try:
            if kind == "hello" and self._greet is not None:
                self._greet()
            elif kind == "need":
                need = Need.model_validate(content)
                if need.run >= len(self._histories):
                    raise ValueError(f"there is no run {need.run}")
                self.send_rows(need.run, need.have)
            elif kind == "command" and self._obey is not None:
                self._obey(Command.model_validate(content))
            elif kind != "hello":
                raise ValueError(f"unknown message {reprlib.repr(kind)}")
        except ValidationError as error:
            warnings.warn(f"ignored: {explain(error, 'message from the view')}", stacklevel=2)
        except Exception as error:  # Whatever it was, the next message is heard.
            said = error if isinstance(error, ValueError) else repr(error)
            warnings.warn(f"ignored a message from the view: {said}", stacklevel=2)
