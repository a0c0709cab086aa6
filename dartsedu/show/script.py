"""A script of the browser as one text, since anywidget and an exported page load no second file."""

from __future__ import annotations

import re
from pathlib import Path

_ELEMENTS = Path(__file__).parent / "elements.js"
_IMPORT = re.compile(r'^import \{[^}]*\} from "\.\./show/elements\.js";$', re.MULTILINE)


def script(path: Path) -> str:
    """The text of a module, with ``elements.js`` in the place of the line that imports it.

    Raises ``ValueError`` for a module without such a line.
    """
    elements = re.sub("^export ", "", _ELEMENTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    text, count = _IMPORT.subn(lambda _: elements, path.read_text(encoding="utf-8"))
    if count != 1:
        raise ValueError(
            f'{path} has {count} lines such as import {{ … }} from "../show/elements.js"'
        )
    return text
