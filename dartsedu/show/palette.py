"""How primitives and states look and are called wherever they are shown."""

import re
from typing import Literal

COLOURS: dict[str, str] = {
    "none": "#8d9184",
    "max_pool_3x3": "#c08a08",
    "avg_pool_3x3": "#089aaa",
    "skip_connect": "#4c7655",
    "sep_conv_3x3": "#a90fe8",
    "sep_conv_5x5": "#bc72ff",
    "dil_conv_3x3": "#a3507a",
    "dil_conv_5x5": "#7b6c06",
    "tanh": "#c08a08",
    "relu": "#a90fe8",
    "sigmoid": "#089aaa",
    "identity": "#4c7655",
    "linear": "#c08a08",
    "linear_exp": "#089aaa",
    "linear_logistic": "#a90fe8",
    "linear_reciprocal": "#4c7655",
    "ln": "#a3507a",
    "power": "#7b6c06",
}
"""One colour a primitive, apart from the others of its space for every kind of colour vision, on
white and on black.

Least CIEDE2000 difference 12.8 (normal 17.3, protan 13.8, deutan 13.6, tritan 12.8), least
contrast 3.0. A primitive that is not listed is grey and told apart by its label.
"""
OTHER = "#6b7280"
"""The colour of a primitive that has none of its own."""

DASHED = {
    "max_pool_3x3",
    "skip_connect",
    "sep_conv_5x5",
    "dil_conv_5x5",
    "tanh",
    "identity",
    "linear_reciprocal",
    "ln",
    "power",
}
"""Every other primitive is dashed, since on thin lines colour alone is not enough."""

SPLIT_COLOURS = {"weights": "#a3507a", "architecture": "#089aaa", "training": "#a3507a"}
"""The colour of a split's curve."""
DASHED_SPLITS = {"architecture"}
CELL_COLOURS = ("#a90fe8", "#7b6c06")
"""The colours of the curves of a space's first and second cell."""

_SUBSCRIPT = str.maketrans("kt-0123456789", "ₖₜ₋₀₁₂₃₄₅₆₇₈₉", "_{}")
RECURRENT = "recurrent"
"""The cell whose one input is made of a word and of what the cell said before."""
EQUATION = "equation"
"""The cell whose inputs are the variables of a table."""


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
    return COLOURS.get(primitive, OTHER)


def dashes(primitive: str) -> Literal["--", "-"]:
    """The line style of a primitive."""
    return "--" if primitive in DASHED else "-"


def short(primitive: str) -> str:
    """A primitive's name for a picture: ``sep_conv_3x3`` → ``sep 3×3``."""
    words = primitive.replace("_connect", "").replace("conv_", "").split("_")
    return " ".join(word.replace("x", "×") if word[:1].isdigit() else word for word in words)


def state_names(inputs: int, nodes: int, cell: str = "") -> list[str]:
    """Names of a cell's states, as the paper writes them: its inputs, then 0, 1, 2, …

    State 0 of the recurrent cell is made of x_t and h_{t-1}; its nodes are 1, 2, … An equation has
    variables x_1, x_2, … and latent quantities u_1, u_2, …
    """
    if cell == EQUATION:
        return [f"x_{i + 1}" for i in range(inputs)] + [f"u_{i + 1}" for i in range(nodes)]
    if cell == RECURRENT:
        return ["x_t, h_{t-1}", *(str(i) for i in range(1, nodes + 1))]
    return [f"c_{{k-{inputs - i}}}" for i in range(inputs)] + [str(i) for i in range(nodes)]


def state_label(name: str) -> str:
    """A state's name in plain Unicode: ``c_{k-2}`` → ``cₖ₋₂``; a node's number stays as it is."""
    return name.translate(_SUBSCRIPT) if "_" in name else name


def output_label(cell: str) -> str:
    """The name of a cell's output in plain Unicode."""
    return {RECURRENT: "hₜ", EQUATION: "y"}.get(cell, "cₖ")
