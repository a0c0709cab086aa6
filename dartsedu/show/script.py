"""A script of the browser as one text, since anywidget and an exported page load no second file."""

from __future__ import annotations

import re
from pathlib import Path

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[^"\n]*\.js)";\n', re.MULTILINE)


def script(path: Path) -> str:
    """The text of a module, with those that it imports before it.

    Modules say ``import { … } from "./other.js"``; every name is defined once in all of them.
    Raises ``ValueError`` for a module that imports otherwise, or nothing.
    """
    texts: dict[Path, str] = {}
    _collect(path.resolve(), texts)
    if len(texts) == 1:
        raise ValueError(f'{path} has no line such as import {{ … }} from "../show/elements.js";')
    *others, own = texts.values()
    return "\n".join([*(re.sub("^export ", "", text, flags=re.MULTILINE) for text in others), own])


def _collect(path: Path, texts: dict[Path, str]) -> None:
    """Add a module to ``texts`` after those that it imports."""
    if path in texts:
        return
    text = path.read_text(encoding="utf-8")
    for name in _IMPORT.findall(text):
        _collect((path.parent / name).resolve(), texts)
    texts[path] = _IMPORT.sub("", text)
