"""How primitives and states look and are called wherever they are shown.

A space says how its own look (``Appearance``); here stands what all share, and how to find them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Literal, NamedTuple

from dartsedu.base.extensions import SPACES, every


class Look(NamedTuple):
    """The colour of a primitive, and whether its lines are dashed: on thin lines colour alone is
    not enough. ``name`` is what pictures call it, if not ``short`` makes it of the primitive's."""

    colour: str
    dashed: bool = False
    name: str = ""


class Appearance(NamedTuple):
    """How a space is drawn.

    Attributes:
        looks: of its primitives. Colours should stay apart from the others of the space for every
            kind of colour vision, on white and on black; about every other one is dashed.
        states: names of a cell's states for so many inputs and nodes, as ``state_names`` writes
            them; ``None``: as those of the paper's convolutional cells.
        output: the name of a cell's output in plain Unicode.
    """

    looks: Mapping[str, Look]
    states: Callable[[int, int], list[str]] | None = None
    output: str = "cₖ"


NONE = Look("#8d9184")
OTHER = "#6b7280"
"""The colour of a primitive that has none of its own: it is told apart by its label."""

INK, SOFT = "#2f3642", OTHER
"""What is no primitive is drawn in ink: their colours mean nothing else."""
SPLIT_COLOURS = {"weights": SOFT, "architecture": INK, "training": SOFT}
"""The ink of a split's curve."""
DASHED_SPLITS = {"architecture"}
CELL_COLOURS = (INK, SOFT)
"""The inks of the curves of a space's first and second cell."""

PAPERS = {"#ffffff": "#212121", "#111111": "#ffffff", "#212121": "#ffffff"}
"""What cells are drawn on, light and dark, and the ink of text on it."""
FADED, LEGIBLE = 2.0, 4.5
"""The least contrast of an edge that would be cut, and of text (WCAG 2.2, 1.4.3)."""

_SUBSCRIPT = str.maketrans("kt-0123456789", "ₖₜ₋₀₁₂₃₄₅₆₇₈₉", "_{}")


@cache
def looks() -> Mapping[str, Look]:
    """The look of every primitive that has one, in the spaces that are known.

    Of the package's own the least CIEDE2000 difference within a space is 12.8 (normal 17.3, protan
    13.8, deutan 13.6, tritan 12.8), the least contrast 3.0.
    """
    found = {"none": NONE}
    for space in every(SPACES):
        for primitive, look in space.appearance.looks.items():
            found.setdefault(primitive, look)
    return found


@cache
def _appearance_of(cell: str) -> Appearance:
    """That of the space whose cell has this name."""
    spaces = (space for space in every(SPACES) if cell in space.vocabulary.cells)
    found: Appearance = next((space.appearance for space in spaces), Appearance({}))
    return found


_UNWRITABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\u202a-\u202e\u2066-\u2069"
    + "".join(
        chr(plane + last) for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)
    )
    + "]"
)
"""What no page and no picture can hold: control characters, halves of pairs, what is no character;
and what would turn the text around it."""


def writable(text: str) -> str:
    """A text with � for every character that a page cannot hold; line breaks and tabs stay."""
    return _UNWRITABLE.sub("�", text)


def label(name: object, most: int = 40) -> str:
    """A name from outside as a picture writes it: on one line, never as mathematics.

    Of a name of more than ``most`` characters the middle is left out.
    """
    shown = writable(" ".join(str(name).split()))
    if len(shown) > most:
        shown = f"{shown[: most - most // 3 - 1]}…{shown[-(most // 3) :]}"
    # matplotlib takes dollars for mathematics, and leaves names that are empty or begin with _ out
    # of legends.
    return " " * shown.startswith("_") + (shown.replace("$", r"\$") or "–")


def colour(primitive: str) -> str:
    """The colour of a primitive."""
    return looks().get(primitive, Look(OTHER)).colour


def dashed(primitive: str) -> bool:
    """Whether lines of a primitive are dashed."""
    return looks().get(primitive, Look(OTHER)).dashed


def dashes(primitive: str) -> Literal["--", "-"]:
    """The line style of a primitive."""
    return "--" if dashed(primitive) else "-"


def short(primitive: str) -> str:
    """A primitive's name for a picture: ``sep_conv_3x3`` → ``sep 3×3``."""
    if own := looks().get(primitive, NONE).name:
        return own
    words = primitive.replace("_connect", "").replace("conv_", "").split("_")
    return " ".join(word.replace("x", "×") if word[:1].isdigit() else word for word in words)


def brief(primitive: str) -> str:
    """A primitive's name for an edge of a graph: ``max_pool_3x3`` → ``max 3×3``."""
    name = short(primitive).replace(" pool", "")
    return name if len(name) <= 17 else f"{name[:16]}…"


def _channels(shade: str) -> tuple[int, int, int]:
    red, green, blue = (int(shade[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _luminance(shade: str) -> float:
    parts = [c / 255 for c in _channels(shade)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours ``#rrggbb``, 1 to 21 (WCAG 2.2, relative luminance)."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def mixed(shade: str, other: str, percent: float) -> str:
    """So much of a colour and the rest of another, as ``color-mix(in srgb, …)`` does."""
    pairs = zip(_channels(shade), _channels(other), strict=True)
    parts = [round((a * percent + b * (100 - percent)) / 100) for a, b in pairs]
    return "#" + "".join(f"{part:02x}" for part in parts)


@cache
def pale(shade: str) -> int:
    """Percent of a colour in its faded form: as little as has the contrast ``FADED`` everywhere.

    The rest is paper.
    """
    return next(
        percent
        for percent in range(10, 101)
        if percent == 100
        or all(contrast(mixed(shade, paper, percent), paper) >= 1.03 * FADED for paper in PAPERS)
    )


@cache
def legible(shade: str) -> int:
    """Percent of a colour in text: as much as leaves the contrast ``LEGIBLE`` everywhere.

    The rest is ink.
    """
    return next(
        percent
        for percent in range(100, -1, -1)
        if percent == 0
        or all(
            contrast(mixed(shade, ink, percent), paper) >= 1.05 * LEGIBLE
            for paper, ink in PAPERS.items()
        )
    )


def cell_title(cell: str) -> str:
    """What a cell is called over a picture or in a sentence: ``normal`` → ``normal cell``.

    Where a space calls its only cell ``cell``, that is enough.
    """
    return cell if cell == "cell" else f"{cell} cell"


def state_names(inputs: int, nodes: int, cell: str = "") -> list[str]:
    """Names of a cell's states, as the paper writes them: its inputs, then 0, 1, 2, …

    A space may name those of its cells otherwise.
    """
    own = _appearance_of(cell).states
    if own is not None:
        return own(inputs, nodes)
    return [f"c_{{k-{inputs - i}}}" for i in range(inputs)] + [str(i) for i in range(nodes)]


def state_label(name: str) -> str:
    """A state's name in plain Unicode: ``c_{k-2}`` → ``cₖ₋₂``; a node's number stays as it is."""
    return name.translate(_SUBSCRIPT) if "_" in name else name


def output_label(cell: str) -> str:
    """The name of a cell's output in plain Unicode."""
    return _appearance_of(cell).output
