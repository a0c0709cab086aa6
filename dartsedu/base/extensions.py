"""What can be added without a change here: search spaces and data sets, found when asked for.

A space is a folder in ``dartsedu/spaces`` with a file ``space.py`` that holds the object ``SPACE``,
or an entry point of another distribution in the group ``dartsedu.spaces`` that names one.
Data sets of other distributions are entry points in the group ``dartsedu.data``. So rooms below can
ask for what belongs to a space without knowing any.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.resources import files
from typing import Any

SPACES = "dartsedu.spaces"
DATA = "dartsedu.data"
WHAT = {SPACES: "space", DATA: "data set"}
"""The groups of what can be added, and what is in them."""


class ExtensionWarning(UserWarning):
    """Something of another distribution is left out."""


class ExtensionError(ValueError):
    """What was asked for by name is unknown, or another distribution's cannot be loaded."""


def names(group: str) -> tuple[str, ...]:
    """The names that a group (``SPACES`` or ``DATA``) has, its own first. Loads none of them."""
    return tuple(_loaders(group))


def find(group: str, name: str) -> Any:
    """The object called ``name``. Raises ``ExtensionError`` if there is none or it is broken."""
    loaders = _loaders(group)
    if name not in loaders:
        raise ExtensionError(
            f"unknown {WHAT[group]} {name!r:.80}; expected one of: {', '.join(loaders)}"
        )
    return _loaded(group, name)


def every(group: str) -> tuple[Any, ...]:
    """All objects of a group; one of another distribution that cannot be used is left out, with a
    warning."""
    found = []
    for name in names(group):
        try:
            found.append(_loaded(group, name))
        except ExtensionError as error:
            tell(str(error))
    return tuple(found)


@cache
def tell(text: str) -> None:
    """Warn of what is left out, once."""
    warnings.warn(text, ExtensionWarning, stacklevel=3)


@cache
def _loaders(group: str) -> dict[str, Callable[[], Any] | EntryPoint]:
    loaders: dict[str, Callable[[], Any] | EntryPoint] = {}
    if group == SPACES:
        folders = sorted(f.name for f in files(SPACES).iterdir() if (f / "space.py").is_file())
        loaders = {name: partial(_own, name) for name in folders}
    for point in entry_points(group=group):
        if point.name in loaders:
            tell(
                f"the {WHAT[group]} {point.name!r} of {point.value} is left out: the name is taken"
            )
        loaders.setdefault(point.name, point)
    return loaders


def _own(name: str) -> Any:
    return import_module(f"{SPACES}.{name}.space").SPACE


@cache
def _loaded(group: str, name: str) -> Any:
    load = _loaders(group)[name]
    if not isinstance(load, EntryPoint):
        return load()
    try:
        found = load.load()
        if isinstance(found, type) or not hasattr(found, "check"):
            kind = "class" if isinstance(found, type) else type(found).__name__
            raise TypeError(f"{load.value} is a {kind}; expected a {WHAT[group]}, an object")
        found.check(name)
    except (Exception, SystemExit) as error:
        raise ExtensionError(
            f"the {WHAT[group]} {name!r} of another distribution cannot be used: "
            f"{type(error).__name__}: {error!s:.300}. Repair or uninstall that distribution"
        ) from error
    return found
