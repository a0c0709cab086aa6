"""Named settings of all spaces, and how settings are read, overridden and described."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import ValidationError

from dartsedu.base.extensions import SPACES, ExtensionError, every, find, tell
from dartsedu.base.values import Value, explain
from dartsedu.settings import Settings, SettingsError

DEFAULT = "classroom"
"""The preset where nothing is asked for."""
LONGEST = 100_000
"""Characters of a value given as text."""

Override = str | tuple[str, Any]
"""``"field=value"``, the value written as in TOML, or a field's dotted name and its value."""


def load_preset(name: str, overrides: Iterable[Override] = ()) -> Settings:
    """A preset by name, with fields replaced.

    Args:
        name: one of ``PRESETS``.
        overrides: ``"search.epochs=3"``: a field's dotted name and its value as in TOML, where
            quotes around a plain word may be left out; ``none`` makes an optional field absent.
            Or ``("search.epochs", 3)``: the value itself, nothing of which is read as TOML.
            A field ``kind`` chooses what the fields beside it are, and comes before them.

    Raises ``SettingsError`` for an unknown preset or field, or a value out of range.

    >>> load_preset("classroom", ["search.epochs=3"]).search.epochs
    3
    """
    return override(read_settings({"preset": name, **_merged(name)}), overrides)


def override(settings: Settings, overrides: Iterable[Override]) -> Settings:
    """Settings with fields replaced (see ``load_preset``). Raises ``SettingsError``."""
    values = settings.model_dump()
    for given in overrides:
        field, value = _assignment(given) if isinstance(given, str) else given
        if field in ("preset", "follows"):
            raise SettingsError(f"{field!r} says where the settings come from; it cannot be set")
        if field == "space" and value != settings.space:
            raise SettingsError(
                f"preset {settings.preset!r} is of the space {settings.space!r}, which cannot be "
                "changed; choose a preset of another space"
            )
        *path, last = field.split(".")
        target = values
        for part in path:
            target = target.get(part, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{field!r:.80} is not a setting: {part!r} has no fields")
        if last not in target:
            known = ", ".join(name for name, _, _ in describe(settings))
            raise SettingsError(f"{field!r:.80} is not a setting; the settings are: {known}")
        if last == "kind" and value != target[last]:
            target.clear()  # The other fields are those of the kind before.
        target[last] = value
    return read_settings(values)


def _assignment(text: str) -> tuple[str, Any]:
    """Field and value of ``"field=value"``."""
    field, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not field:
        raise SettingsError(f"cannot read {text!r:.80}; expected field=value")
    return field, _value(field, value)


def read_settings(values: Mapping[str, Any] | str) -> Settings:
    """Settings of any space from a mapping or from JSON text. Raises ``SettingsError``."""
    try:
        given = json.loads(values) if isinstance(values, str) else values
        if not isinstance(given, Mapping):
            raise SettingsError(f"settings are a {type(given).__name__}; expected fields by name")
        kind: type[Settings] = find(SPACES, str(given.get("space"))).settings
        _check_task(given.get("task"), kind)
        return kind.model_validate(given)
    except ExtensionError as error:
        raise SettingsError(f"settings.space: {error}") from None
    except ValidationError as error:
        raise SettingsError(explain(error, "settings")) from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise SettingsError(f"settings are no JSON: {error}") from None


def _check_task(given: Any, settings: type[Settings]) -> None:
    """Raise ``SettingsError`` for a data set of another space: it says which preset to use."""
    name = given.get("name") if isinstance(given, Mapping) else None
    kind = settings.model_fields["task"].annotation
    if not isinstance(name, str) or not isinstance(kind, type) or name in kind.known():
        return
    usual_first = sorted(every(SPACES), key=lambda space: space.default_preset != DEFAULT)
    for space in usual_first:
        if name in space.task_kind.known():
            raise SettingsError(
                f"settings.task.name: {name!r} is {space.task_kind.kind}; use a preset for that, "
                f"such as {space.default_preset}"
            )


@cache
def _table() -> dict[str, dict[str, Any]]:
    """The presets of every space as they are written, each with its space."""
    found: dict[str, dict[str, Any]] = {}
    for space in every(SPACES):
        text = (space.folder / "presets.toml").read_text(encoding="utf-8")
        for name, values in tomllib.loads(text).items():
            if name in found:
                tell(f"the preset {name!r} of the space {space.name!r} is left out: there is one")
            found.setdefault(name, {"space": space.name, **values})
    return found


PRESETS: tuple[str, ...] = tuple(_table())
"""Names of the presets of every space."""


def presets_of(space: str) -> tuple[str, ...]:
    """Names of the presets of one space."""
    return tuple(name for name, values in _table().items() if values["space"] == space)


def _merged(name: str, below: tuple[str, ...] = ()) -> dict[str, Any]:
    """A preset with all that it extends; ``below`` are the presets that extend it."""
    table = _table()
    by = f" (extended by {below[-1]!r})" if below else ""
    if name not in table:
        raise SettingsError(f"unknown preset {name!r:.80}{by}; expected one of: {', '.join(table)}")
    if name in below:
        raise SettingsError(f"the preset {name!r} extends itself: {' → '.join((*below, name))}")
    values = dict(table[name])
    base = values.pop("extends", None)
    return _over(_merged(base, (*below, name)), values) if base else values


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _value(field: str, text: str) -> Any:
    """A value written as in TOML; what is none is a text."""
    if text.lower() == "none":
        return None
    if len(text) > LONGEST:
        raise SettingsError(
            f"the value of {field:.80} has {len(text)} characters; expected at most {LONGEST}"
        )
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError):  # More digits or brackets than Python reads.
        raise SettingsError(
            f"the value of {field:.80} cannot be read: {text:.40} …; expected a number of usual "
            "length, a text or a flat list"
        ) from None
    return table["value"] if len(table) == 1 else text


def changes(settings: Settings) -> list[tuple[str, str, str]]:
    """Fields that differ from the settings' preset, as (dotted name, value, preset's value).

    A field that one of them has not got, since it has another ``kind`` there, is "-" of it.
    """
    now, before = (
        {name: value for name, value, _ in describe(given)}
        for given in (settings, load_preset(settings.preset))
    )
    pairs = ((name, now.get(name, "-"), before.get(name, "-")) for name in now | before)
    return [(name, value, was) for name, value, was in pairs if value != was]


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Every field as (dotted name, value, description), in order."""
    rows = []

    def visit(value: Value, prefix: str) -> None:
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            if isinstance(inner, Value):
                visit(inner, f"{prefix}{name}.")
            else:
                shown = "none" if inner is None else str(inner)
                rows.append((prefix + name, shown, field.description or ""))

    visit(settings, "")
    return rows
