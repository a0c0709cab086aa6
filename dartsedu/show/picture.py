"""A matplotlib figure that knows its own alternative text, and writes the same bytes every time."""

from __future__ import annotations

import base64
import colorsys
import html
import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

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
        """In a notebook: a page with caption and dark version, a PNG where pages are not shown."""
        png = base64.b64encode(self.render("png")).decode()
        shown = {"image/png": png, "text/html": self.as_html(), "text/plain": self.alt}
        return shown, {"image/png": {"alt": self.alt}}

    def as_html(self, note: str = "") -> str:
        """The picture as a figure of a page: its alternative text is its caption as well.

        In JupyterLab's dark theme it is drawn light on dark. ``note`` is added to the caption.
        """
        light, dark = self.render("png"), self._dark()
        name = f"dartsedu-{zlib.crc32(light):08x}"
        shown = base64.b64encode(light).decode()
        replaced = base64.b64encode(dark).decode()
        rule = f'[data-jp-theme-light="false"] .{name} {{ content: url("data:image/png;base64,'
        caption = html.escape(" ".join(filter(None, (self.alt, note))))
        return (
            f'<figure style="margin: 0"><style>{rule}{replaced}") }}</style>'
            f'<img class="{name}" style="max-width: 100%" alt="{html.escape(self.alt)}" '
            f'src="data:image/png;base64,{shown}">'
            f"<figcaption>{caption}</figcaption></figure>"
        )

    def _dark(self) -> bytes:
        """A PNG in which greys are turned over: black on white becomes light on dark."""
        with _turned_over(self):
            return self.render("png")

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
                out,
                format=form,
                metadata=undated,
                bbox_inches="tight",
                dpi=110,
                facecolor=self.get_facecolor(),
            )
        return _with_few_colours(out.getvalue()) if form == "png" else out.getvalue()

    def save(self, path: str | Path) -> None:
        """Write to ``path``, atomically, in the form that its ending names."""
        save_picture(path, self.render(Path(path).suffix.removeprefix(".")))


_PAPER = "#111111"
"""What white becomes in the dark version: the paper of JupyterLab's dark theme."""


def _over(value: Any) -> Any:
    """A colour of the dark version: greys turned over, the others as they are."""
    red, green, blue, alpha = to_rgba(value)
    _, lightness, _ = colorsys.rgb_to_hls(red, green, blue)
    if max(red, green, blue) - min(red, green, blue) > 0.12:
        return value
    ground = to_rgba(_PAPER)[0]
    grey = ground + (1 - lightness) * (0.92 - ground)
    return (grey, grey, grey, alpha)


@contextmanager
def _turned_over(picture: Figure) -> Iterator[None]:
    """The picture's artists in the colours of the dark version, for a while."""
    changes = []
    artists = picture.findobj()
    behind = [artist.get_bbox_patch() for artist in artists if isinstance(artist, Text)]
    for artist in [*artists, *filter(None, behind)]:
        own = getattr(artist, "get_color", lambda: None)()
        for name in ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor"):
            get, change = (getattr(artist, f"{kind}_{name}", None) for kind in ("get", "set"))
            value = get() if get is not None else None
            if change is None or value is None or (name.startswith("marker") and value == own):
                continue
            try:
                to_rgba(value)
            except ValueError:  # A list of colours: those of many marks.
                continue
            changes.append((change, value))
    for change, value in changes:
        change(_over(value))
    try:
        yield
    finally:
        for change, value in reversed(changes):
            change(value)


def _with_few_colours(png: bytes) -> bytes:
    """The same picture with a palette of 256 colours, in a third of the bytes."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, "png", optimize=True)
    return out.getvalue()


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
        picture.set_facecolor("white")
        picture.alt = alt
        return picture, picture.subplots(rows, columns, squeeze=False)
