"""A script of the browser as one text, since anywidget and an exported page load no second file."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.{1,2}/[\w./]+\.js)";$', re.MULTILINE)


def script(path: Path) -> str:
    """The text of a module, with every file that it imports in the place of the import.

    A file that several import stands where it is needed first. Raises ``ValueError`` for a module
    without a line such as ``import { … } from "../show/elements.js";``.
    """
    text = path.read_text(encoding="utf-8")
    if not _IMPORT.search(text):
        raise ValueError(f'{path} has 0 lines such as import {{ … }} from "../show/elements.js"')
    return _with_imports(path, set())


def _with_imports(path: Path, known: set[Path]) -> str:
    """The file's text after those of its imports that are not ``known`` yet."""

    def text_of(found: re.Match[str]) -> str:
        other = (path.parent / found[1]).resolve()
        if other in known:
            return ""
        known.add(other)
        return re.sub("^export ", "", _with_imports(other, known), flags=re.MULTILINE)

    return _IMPORT.sub(text_of, path.read_text(encoding="utf-8"))
