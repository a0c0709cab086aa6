"""A matplotlib figure that knows its own alternative text, and writes the same bytes every time."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dartsedu.base.values import atomic_path

STYLE: Any = {
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "dartsedu",
    "font.family": "sans-serif",
}
"""For ``matplotlib.rc_context``, around whatever is added to a picture later on."""


class Picture(Figure):
    """A figure with ``alt``, the text that stands for it where it cannot be seen."""

    alt: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        """In a notebook: a PNG with its alternative text."""
        png = base64.b64encode(self.render("png")).decode()
        return {"image/png": png, "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    def render(self, form: str) -> bytes:
        """The file's bytes as ``svg``, ``png`` or ``pdf``; the same picture gives the same."""
        out = io.BytesIO()
        undated: dict[str, Any] = {
            "svg": {"Date": None},
            "pdf": {"CreationDate": None},
        }.get(form, {})
        with mpl.rc_context(STYLE), warnings.catch_warnings():
            # A name may be in any writing: an SVG's reader has the font that is missing here.
            warnings.filterwarnings("ignore", r"Glyph \d+")
            # Arrange once: each further draw would move things a little.
            self.draw_without_rendering()
            self.set_layout_engine("none")
            self.savefig(
                out, format=form, metadata=undated, bbox_inches="tight", dpi=110, facecolor="white"
            )
        return out.getvalue()

    def save(self, path: str | Path) -> None:
        """Write to ``path``, atomically, in the form that its ending names."""
        save_picture(path, self.render(Path(path).suffix.removeprefix(".")))


def save_picture(path: str | Path, content: bytes) -> None:
    """Write a picture file, atomically."""
    with atomic_path(Path(path)) as temporary:
        temporary.write_bytes(content)


def blank_picture(
    rows: int, columns: int, width: float, height: float, alt: str
) -> tuple[Picture, Any]:
    """A picture of so many inches with a grid of empty axes, (rows, columns)."""
    with mpl.rc_context(STYLE):
        picture = Picture(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(picture)
        picture.alt = alt
        return picture, picture.subplots(rows, columns, squeeze=False)
