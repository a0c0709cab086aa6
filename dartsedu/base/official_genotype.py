"""Reading a genotype as the authors' code prints it (quark0/darts): a Python call, never executed.

::

    Genotype(normal=[('sep_conv_3x3', 1), …], normal_concat=range(2, 6), reduce=…, reduce_concat=…)
    Genotype(recurrent=[('sigmoid', 0), …], concat=range(1, 9))
"""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

from dartsedu.base.extensions import SPACES, every

CALL = "Genotype("
LONGEST = 100_000
"""Characters of the longest text that is parsed; the published ones have 500."""
LONGEST_RANGE = 1000


class Official(NamedTuple):
    """How the authors name the cells of a space: edges and outputs by cell."""

    space: str
    inputs: int
    keep: int
    combine: str
    cells: dict[str, tuple[str, str]]

    @property
    def fields(self) -> set[str]:
        """All fields of the call."""
        return {name for pair in self.cells.values() for name in pair}


def is_official(text: str) -> bool:
    """Whether a text seems to be in the authors' form, and not in JSON."""
    return CALL in text and not text.lstrip().startswith("{")


def official_cells(text: str) -> dict[str, Any]:
    """The fields of a ``Genotype`` of this package, still to be validated.

    Before the call may stand what the authors' log or source puts there, on the same line. Raises
    ``ValueError`` for anything but one such call of plain names, numbers and ``range``.
    """
    before, call, after = text.strip().partition(CALL)
    if "\n" in before or CALL in after:
        raise ValueError(f"expected one {CALL}…) and nothing else; keep the line of one genotype")
    given = _arguments(call + after)
    layouts: list[Official] = [space.official for space in every(SPACES) if space.official]
    for layout in layouts:
        if set(given) == layout.fields:
            break
    else:
        raise ValueError(
            f"it has {', '.join(given) or 'nothing'}; expected "
            + ", or ".join(", ".join(sorted(layout.fields)) for layout in layouts)
        )
    cells = [
        {
            "name": name,
            "inputs": layout.inputs,
            "keep": layout.keep,
            "nodes": _nodes(given[edges], edges, layout.keep),
            "combine": layout.combine,
            "outputs": _states(given[outputs], outputs),
        }
        for name, (edges, outputs) in layout.cells.items()
    ]
    return {"space": layout.space, "cells": cells}


def _arguments(source: str) -> dict[str, ast.expr]:
    if len(source) > LONGEST:
        raise ValueError(f"it has {len(source):,} characters; expected at most {LONGEST:,}")
    try:
        call = ast.parse(source, mode="eval").body
    except SyntaxError as error:
        raise ValueError(error.msg) from None
    except (ValueError, RecursionError, MemoryError):  # A zero byte; brackets in brackets.
        raise ValueError("it cannot be read as one call") from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError(f"expected {CALL}name=…, …) with named fields alone")
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg is not None}
    if len(given) < len(call.keywords):
        raise ValueError("expected fields by name, each once")
    return given


def _nodes(edges: ast.expr, field: str, keep: int) -> tuple[tuple[dict[str, Any], ...], ...]:
    """The edges of each node, ``keep`` after ``keep``."""
    found = [_edge(item, field) for item in _items(edges, field)]
    if len(found) % keep:
        raise ValueError(f"{field} has {len(found)} edges; expected {keep} for each node")
    return tuple(tuple(found[i : i + keep]) for i in range(0, len(found), keep))


def _edge(edge: ast.expr, field: str) -> dict[str, Any]:
    match edge:
        case (
            ast.Tuple(elts=[ast.Constant(value=str(primitive)), source])
            | ast.List(elts=[ast.Constant(value=str(primitive)), source])
        ):
            return {"primitive": primitive, "source": _number(source, field)}
    raise ValueError(f"{field} has {_shown(edge)}; expected ('primitive', state)")


def _states(states: ast.expr, field: str) -> tuple[int, ...]:
    match states:
        case ast.Call(func=ast.Name(id="range"), args=[_, *_] as ends, keywords=[]) if (
            len(ends) <= 2
        ):
            found = range(*(_number(end, field) for end in ends))
            if found[LONGEST_RANGE:]:  # Its length may be more than ``len`` can say.
                raise ValueError(f"{field} names more than {LONGEST_RANGE} states")
            return tuple(found)
    return tuple(_number(item, field) for item in _items(states, field))


def _items(values: ast.expr, field: str) -> list[ast.expr]:
    if not isinstance(values, (ast.List, ast.Tuple)):
        raise ValueError(f"{field} is {_shown(values)}; expected a list")
    return values.elts


def _number(value: ast.expr, field: str) -> int:
    if not isinstance(value, ast.Constant) or type(value.value) is not int:
        raise ValueError(f"{field} has {_shown(value)}; expected the number of a state")
    return value.value


def _shown(value: ast.expr) -> str:
    """A part of the text, as it might be written, and not all of it where it is long."""
    try:
        shown = ast.unparse(value)
    except RecursionError:
        return "a long expression"
    return shown if len(shown) <= 80 else f"{shown[:80]}…"
