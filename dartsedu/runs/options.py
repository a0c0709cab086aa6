"""The options that commands share: what they are called, and what their help says."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dartsedu.base.extensions import SPACES, names
from dartsedu.data.tasks import kinds, tasks
from dartsedu.methods.table import METHODS
from dartsedu.presets import PRESETS
from dartsedu.runs.requests import preset_for

Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Named settings: {', '.join(PRESETS)}. [default: "
        + ", ".join(f"for {kind.kind} {preset_for(kind)}" for kind in kinds())
        + "]"
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option("--task", help=f"Data set: {', '.join(tasks())}. [default: the preset's]"),
]
MethodName = Annotated[
    str | None,
    typer.Option(
        "--method", help=f"Variant of DARTS: {', '.join(METHODS)}. [default: the preset's]"
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Replace a setting, e.g. --set search.epochs=3; repeat for more. "
        "'dartsedu show PRESET' lists all fields.",
    ),
]
Space = Annotated[
    str | None,
    typer.Option(
        help=f"What is searched: {', '.join(names(SPACES))}. "
        "[default: follows from the task or the preset]"
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(help="A CSV file to be explained, names of columns in its first line."),
]
TargetColumn = Annotated[
    str | None, typer.Option("--target", help="The column of --data that is to be explained.")
]
Columns = Annotated[
    str | None,
    typer.Option(help="The columns of --data that explain, with commas. [default: all others]"),
]
Seed = Annotated[
    int | None,
    typer.Option(min=0, help="Seed of every random number of the run. [default: 0]"),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu or cuda. [default: auto, a GPU if there is one; for a run, its own]"
    ),
]
Out = Annotated[
    Path | None, typer.Option(help="The run's folder, new or empty. [default: one under runs/]")
]
Target = Annotated[str, typer.Argument(metavar="GENOTYPE|RUN", help="What to train, see above.")]
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
