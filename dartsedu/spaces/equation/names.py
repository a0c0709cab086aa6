"""Names of columns in LaTeX that matplotlib's mathtext, MathJax and KaTeX all read."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

_GREEK = (
    "alpha|beta|gamma|delta|epsilon|zeta|eta|theta|iota|kappa|lambda|mu|nu|xi|pi|rho|sigma|tau|"
    "upsilon|phi|chi|psi|omega|Gamma|Delta|Theta|Lambda|Xi|Pi|Sigma|Upsilon|Phi|Psi|Omega"
)
_SYMBOL = re.compile(
    rf"(?P<letter>[A-Za-z]|{_GREEK})(?:_?(?P<index>[0-9]+)|_(?P<word>[A-Za-z0-9]+))?"
)

_MARKS = {
    **{mark: f"\\{mark}" for mark in "%${}_"},
    " ": "~",
    "&": r"\text{\&}",
    "#": r"{\sharp}",
    "\\": r"{\backslash}",
    "^": r"{\wedge}",
    "~": r"{\sim}",
    "-": "\u2010",  # A hyphen: a minus would take the name apart.
    '"': "\u201d",
    "'": "\u2019",
    "`": "\u2018",
}
"""What stands for a character that means something in LaTeX. Mathtext knows no escape of # ^ ~."""


def latex_name(name: str) -> str:
    """A name as LaTeX: x1 as a letter with an index, anything longer upright and as it is spelt.

    A letter is one of a to z or the name of a Greek one; S_0 and alpha_max have indices too.
    """
    symbol = _SYMBOL.fullmatch(name)
    if symbol is None:
        shown = name if name.strip() else "\u201c\u201d"  # A pair of quotes: nothing is not drawn.
        return rf"\mathrm{{{''.join(map(_character, shown))}}}"
    letter, index = symbol["letter"], symbol["index"] or symbol["word"]
    letter = f"\\{letter}" if len(letter) > 1 else letter
    return f"{letter}_{{{index}}}" if index else letter


def latex_of(expression: Any) -> str:
    """A SymPy expression as LaTeX, whatever its symbols are called."""
    import sympy as sp

    names = {symbol: latex_name(symbol.name) for symbol in expression.free_symbols}
    return str(sp.latex(expression, symbol_names=names, ln_notation=True, full_prec=False))


def _character(character: str) -> str:
    """A character of an upright name; a replacement where it can be neither seen nor drawn."""
    if character.isspace():
        character = " "
    if unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co") or character > "\U0001ffff":
        return "\ufffd"
    return _MARKS.get(character, character)
