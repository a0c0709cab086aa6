"""What the words of a command mean: settings, a genotype, a table, a device, a path."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch

from dartsedu.base.extensions import SPACES, ExtensionError, every, find
from dartsedu.data.splits import TaskError
from dartsedu.data.task import TaskSettings
from dartsedu.data.tasks import kind_of
from dartsedu.genotype import Genotype, GenotypeError, vocabulary
from dartsedu.methods.table import METHODS
from dartsedu.presets import DEFAULT, Override, load_preset
from dartsedu.published import PUBLISHED
from dartsedu.settings import Settings, SettingsError

TABLE = "csv"
"""The data set that ``--data`` names a file of."""


def default_preset(space: str | None, task: str | None) -> str:
    """The preset where none is named: that of the space, or of one that can use the task."""
    if space is not None:
        try:
            return str(find(SPACES, space).default_preset)
        except ExtensionError as error:
            raise SettingsError(f"--space: {error}") from None
    if task is None:
        return DEFAULT
    try:
        return preset_for(kind_of(task))
    except TaskError as error:
        raise SettingsError(f"--task: {error}") from None


def preset_for(kind: type[TaskSettings]) -> str:
    """The preset for tasks of a kind where neither preset nor space is named."""
    presets = [space.default_preset for space in every(SPACES) if space.task_kind is kind]
    return DEFAULT if DEFAULT in presets else str(presets[0])


def check_takes_tables(preset: str) -> None:
    """Raise ``SettingsError`` unless a preset is of a space that explains tables."""
    own: type = type(load_preset(preset).task)
    if own is not kind_of(TABLE):
        raise SettingsError(
            f"--data is a table, the preset {preset!r} is not for tables; drop --preset and --space"
        )


def home(path: str | Path) -> Path:
    """The path with the user's home in the place of ~, which shells keep in ``--out=~/x``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # No such user: then it is a name like any other.
        return Path(path)


def is_folder(target: str) -> bool:
    """Whether ``target`` names a folder, and no published genotype."""
    try:
        return target not in PUBLISHED and home(target).is_dir()
    except OSError:  # A name that no file can have, for instance one too long.
        return False


def table_settings(
    task: str | None, data: Path | None, target: str | None, variables: str | None
) -> list[Override]:
    """The settings that say which table is to be explained."""
    if data is None:
        if target is not None or variables is not None:
            raise SettingsError("--target and --variables name columns of --data FILE.csv")
        return []
    if task not in (None, TABLE):
        raise SettingsError(f"--data is a task of its own; drop --task {task}")
    if target is None:
        raise SettingsError("--data needs --target, the name of the column to be explained")
    _check_unicode("--data", str(data))
    _check_unicode("--target", target)
    chosen: list[Override] = [
        ("task.path", str(home(data).resolve())),
        ("task.target", target),
    ]
    if variables is not None:
        _check_unicode("--variables", variables)
        chosen.append(("task.variables", [name.strip() for name in variables.split(",")]))
    return chosen


def _check_unicode(option: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise SettingsError(
            f"{option} {text!r} is no UTF-8, so no settings can hold it; give the file or column "
            "another name"
        ) from None


def chosen_settings(
    preset: str, task: str | None, overrides: Iterable[Override] | None, method: str | None = None
) -> Settings:
    """The settings of a preset, with a task, a method and other fields replaced."""
    chosen: list[Override] = [] if task is None else [("task.name", task)]
    if method is not None:
        chosen += method_settings(method, load_preset(preset).space)
    return load_preset(preset, [*chosen, *(overrides or [])])


def method_settings(name: str, space: str) -> list[Override]:
    """The settings that make the search of a space one by the method of this name."""
    if name not in METHODS:
        raise SettingsError(f"unknown method {name!r:.80}; expected one of: {', '.join(METHODS)}")
    found = METHODS[name]
    chosen: list[Override] = [("search.method", found.method.model_dump())]
    if vocabulary(space).rule == "paper":
        chosen.append(("search.rule", found.rule))
    return chosen


def chosen_genotype(target: str) -> tuple[Genotype, str]:
    """A genotype by published name, in a notation of its space, or by file; and a name for it."""
    if target in PUBLISHED:
        return PUBLISHED[target], target
    for space in every(SPACES):
        if (written := space.read(target)) is not None:
            return written, f"{space.name}-cell"
    path = home(target)
    try:
        there = path.exists()
    except OSError:  # A name that no file can have.
        there = False
    if not there:
        raise GenotypeError(
            f"no file and no published genotype {target!r:.200}; published are: "
            f"{', '.join(PUBLISHED)}"
        )
    of_a_run = path.name == "genotype.json"
    return Genotype.load(path), path.resolve().parent.name if of_a_run else path.stem


def chosen_device(name: str | None) -> torch.device:
    """``auto`` (the default), ``cpu`` or ``cuda`` as a device that is there."""
    if name not in (None, "auto", "cpu", "cuda"):
        raise SettingsError(f"unknown device {name!r}; expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("no CUDA device here; use --device cpu or auto")
    use_cuda = name != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if use_cuda else torch.device("cpu")
