"""Checks of exercises: a wrong answer is told what is wrong with it, an open one what to do.

A check is a function that raises ``Open`` or ``Wrong``, or returns what is right:

    @check
    def check_double(answer):
        same(ask(answer, 3.0), torch.tensor(6.0), "double(3)", {"you squared": torch.tensor(9.0)})
        return "and that is all there is to doubling."
"""

from __future__ import annotations

import contextlib
import functools
import html
import io
import textwrap
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor


class Open(Exception):
    """The exercise has not been done yet; the message says what to do."""


class Wrong(Exception):
    """The answer is wrong; the message says what is wrong and, if known, why."""


_HEADS = {"right": "✔ Right: ", "wrong": "✘ Not right: ", "open": "… To do: "}
_COLOURS = {"right": "#2e8b57", "wrong": "#c0392b", "open": "#888888"}


@dataclass(frozen=True, repr=False)
class Verdict:
    """What a check says; its text is what the notebook shows."""

    status: Literal["right", "wrong", "open"]
    message: str

    def __repr__(self) -> str:
        lines = (_HEADS[self.status] + self.message).splitlines()
        return "\n".join(textwrap.fill(line, 92, subsequent_indent="  ") for line in lines)

    def _repr_html_(self) -> str:
        """In a notebook: with the colour of the verdict at its side."""
        message = html.escape(self.message).replace("\n", "<br>")
        return (
            f'<div style="border-left: 6px solid {_COLOURS[self.status]}; padding: 4px 10px">'
            f"<strong>{_HEADS[self.status]}</strong>{message}</div>"
        )


def check(function: Callable[..., str]) -> Callable[..., Verdict]:
    """Make a check: a function of the learner's answers that gives a verdict."""

    @functools.wraps(function)
    def verdict(*answers: Any) -> Verdict:
        try:
            return Verdict("right", function(*answers))
        except Open as todo:
            return Verdict("open", str(todo))
        except Wrong as wrong:
            return Verdict("wrong", str(wrong))

    return verdict


def call(answer: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Call the learner's code, whatever it gives. ``Wrong`` if it raises."""
    try:
        return answer(*arguments, **named)
    except NotImplementedError:
        return None
    except Exception as error:
        line = traceback.extract_tb(error.__traceback__)[-1].line
        at = f"\nat the line: {line}" if line else ""
        raise Wrong(f"{_name(answer)} stopped with {type(error).__name__}: {error}{at}") from None


def ask(answer: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """What the learner's code gives. ``Open`` if that is nothing, ``Wrong`` if it raises."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        found = call(answer, *arguments, **named)
    if found is None or found is Ellipsis:
        if printed.getvalue().strip():
            raise Wrong(f"{_name(answer)} prints its result but gives nothing back: use return.")
        raise Open(
            f"{_name(answer)} gives nothing yet. Replace the dots by your code, with a return; run "
            "the cell, then this one."
        )
    return found


def _name(answer: Any) -> str:
    return getattr(answer, "__name__", type(answer).__name__)


def same(
    found: Any,
    expected: Tensor,
    where: str,
    mistakes: Mapping[str, Tensor] | None = None,
    tolerance: float = 1e-4,
) -> None:
    """Raise ``Wrong`` unless ``found`` equals ``expected``.

    Args:
        found: a tensor, or a number where ``expected`` is a scalar.
        where: what was computed, for the message.
        mistakes: results of typical mistakes, by what they mean.
        tolerance: relative and absolute.
    """
    if isinstance(found, (int, float)):
        found = torch.tensor(float(found))
    if not isinstance(found, Tensor):
        raise Wrong(f"{where} should be a tensor, but is a {type(found).__name__}.")
    found = found.detach().to(expected.dtype)
    for meaning, result in (mistakes or {}).items():
        if _close(found, result, tolerance) and not _close(found, expected, tolerance):
            raise Wrong(f"{where}: it looks as if {meaning}{'' if meaning.endswith('?') else '.'}")
    if found.shape != expected.shape:
        raise Wrong(
            f"{where} has the shape {tuple(found.shape)}; expected {tuple(expected.shape)}."
        )
    if not _close(found, expected, tolerance):
        if found.isnan().any():
            raise Wrong(f"{where} contains nan.")
        worst = int((found - expected).abs().argmax())
        place = f"[{worst}]" if found.dim() == 1 else f", entry {worst} of the flattened result,"
        place = place if found.dim() else ""
        raise Wrong(
            f"{where}{place} is {_number(found.flatten()[worst])}; "
            f"expected {_number(expected.flatten()[worst])}."
        )


def _close(found: Tensor, expected: Tensor, tolerance: float) -> bool:
    expected = expected.to(found.dtype)
    return found.shape == expected.shape and torch.allclose(
        found, expected, rtol=tolerance, atol=tolerance
    )


def _number(value: Tensor) -> str:
    return f"{float(value.detach()):.4g}"
