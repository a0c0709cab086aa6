"""The command ``dartsedu``: search, train, resume, show.

Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import errno
import re
import signal
import sys
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dartsedu.genotype import PUBLISHED, Genotype, GenotypeError
from dartsedu.laws import LAWS
from dartsedu.presets import (
    PRESETS,
    Override,
    Settings,
    SettingsError,
    TableSettings,
    changes,
    describe,
    load_preset,
)
from dartsedu.recording import RecordingError
from dartsedu.runs import Run, RunError, Trained
from dartsedu.splits import TaskError, TaskWarning
from dartsedu.stream import CheckpointError, NonFiniteError, Step
from dartsedu.tasks import EQUATION_TASKS, TASKS, TEXT_TASKS
from dartsedu.terminal import fitting, genotype_table, summary, watch, writable
from dartsedu.yardstick import ERROR

app = typer.Typer(
    help="Learn differentiable architecture search (DARTS) by watching it happen.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
console = Console(markup=False, highlight=False, soft_wrap=True)
errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

DEFAULT_PRESETS = {"cnn": "classroom", "rnn": "rnn-classroom", "equation": "equation"}
"""The preset of a space where none is named."""
TERMINATED = 128 + signal.SIGTERM
Preset = Annotated[
    str | None,
    typer.Option(
        help=f"Named settings: {', '.join(PRESETS)}. [default: "
        "{cnn}, for a text {rnn}, for a table {equation}]".format(**DEFAULT_PRESETS)
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option("--task", help=f"Data set: {', '.join(TASKS)}. [default: the preset's]"),
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
    Literal["cnn", "rnn", "equation"] | None,
    typer.Option(help="What is searched. [default: follows from the task or the preset]"),
]
Data = Annotated[
    Path | None,
    typer.Option(help="A CSV file to explain by an equation, names of columns in its first line."),
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


@app.command()
def search(
    preset: Preset = None,
    space: Space = None,
    task: TaskName = None,
    data: Data = None,
    target: TargetColumn = None,
    variables: Columns = None,
    seed: Seed = None,
    device: Device = None,
    out: Out = None,
    overrides: Overrides = None,
) -> None:
    """Search a cell, or an equation: alpha and w descend in turn.

    Leaves a run's folder with a report.

    For an equation name a law to draw data from (--task weber-fechner) or give your own table:
    --data FILE.csv --target COLUMN.
    """
    table = _table_settings(task, data, target, variables)
    if data is not None:
        task = "csv"
    chosen = preset or DEFAULT_PRESETS[space or _space_of(task)]
    if data is not None and load_preset(chosen).space != "equation":
        raise SettingsError(
            f"--data is explained by an equation, the preset {chosen!r} is of another space; drop "
            "--preset and --space"
        )
    settings = _settings(chosen, task, [*table, *(overrides or [])])
    if space not in (None, settings.space):
        raise SettingsError(
            f"the preset {chosen!r} is of the space {settings.space!r}, not {space!r}; drop one of "
            "--preset and --space"
        )
    folder = _home(out or Path("runs") / f"{settings.preset}-{seed or 0}")
    where = _device(device)
    with Run.begun(folder, settings, seed or 0, device=_kind(where)) as run:
        _search(run, where)


@app.command()
def train(
    target: Target,
    preset: Preset = None,
    task: TaskName = None,
    seed: Seed = None,
    device: Device = None,
    out: Out = None,
    overrides: Overrides = None,
) -> None:
    """Train a genotype from scratch, beside random ones if settings say so, and test it.

    GENOTYPE is a file or a published name: nasnet, amoebanet, darts-v1, darts-v2 for images, enas,
    darts-rnn-v1, darts-rnn-v2 for texts. A RUN whose search is done trains what it found, with its
    own settings; only --set and --device apply.
    """
    if _is_folder(target):
        run = Run.open(_home(target))
        if any(given is not None for given in (preset, task, seed, out)):
            raise RunError(
                f"{target} is a run with a preset, task, seed and folder of its own; "
                "drop --preset, --task, --seed and --out"
            )
        run.genotype()
        with run.locked():
            _train(run.amended(overrides) if overrides else run, _device_of(run, device))
        return
    genotype, name = _genotype(target)
    settings = _settings(preset or DEFAULT_PRESETS[genotype.space], task, overrides)
    folder = _home(out or Path("runs") / f"{name}-{settings.preset}-{seed or 0}")
    where = _device(device)
    with Run.begun(folder, settings, seed or 0, genotype, _kind(where)) as run:
        _train(run, where)


@app.command()
def resume(folder: Folder, device: Device = None) -> None:
    """Continue a run that was stopped or killed, as if it never had been."""
    run = Run.open(_home(folder))
    where = _device_of(run, device)
    with run.locked():
        if run.order.searches and not run.genotype_path.exists():
            _search(run, where)
        elif (run.folder / "training").exists() or not run.order.searches:
            _train(run, where)
        else:
            _report_again(run)
            console.print(
                f"The search in {folder} is complete. Train its cell with: dartsedu train {folder}"
            )


@app.command()
def show(
    target: Annotated[
        str,
        typer.Argument(
            metavar="GENOTYPE|RUN|PRESET", help="A file, a published name, a folder, a preset."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Draw the genotype here: .svg, .png or .pdf.")
    ] = None,
) -> None:
    """Draw a genotype, describe a run, or list the fields of a preset."""
    if target in PRESETS:
        if out is not None:
            raise RunError(f"{target!r} is a preset: there is no picture of it; drop --out")
        _show_settings(load_preset(target))
        return
    if _is_folder(target):
        run = Run.open(_home(target))
        _show_run(run)
        if out is None and not run.genotype_path.exists():
            return
        genotype = run.genotype()
    else:
        genotype, _ = _genotype(target)
    console.print(genotype_table(genotype))
    if out is not None:
        _draw(genotype, _home(out))
        console.print(f"drawn: {_home(out)}")


# ---- What the commands share --------------------------------------------------------------------


def _space_of(task: str | None) -> Literal["cnn", "rnn", "equation"]:
    """The space that a task belongs to."""
    if task in EQUATION_TASKS:
        return "equation"
    return "rnn" if task in TEXT_TASKS else "cnn"


def _home(path: str | Path) -> Path:
    """The path with the user's home in the place of ~, which shells keep in ``--out=~/x``."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # No such user: then it is a name like any other.
        return Path(path)


def _is_folder(target: str) -> bool:
    try:
        return target not in PUBLISHED and _home(target).is_dir()
    except OSError:  # A name that no file can have, for instance one too long.
        return False


def _table_settings(
    task: str | None, data: Path | None, target: str | None, variables: str | None
) -> list[Override]:
    """The settings that say which table is to be explained."""
    if data is None:
        if target is not None or variables is not None:
            raise SettingsError("--target and --variables name columns of --data FILE.csv")
        return []
    if task not in (None, "csv"):
        raise SettingsError(f"--data is a task of its own; drop --task {task}")
    if target is None:
        raise SettingsError("--data needs --target, the name of the column to be explained")
    _check_unicode("--data", str(data))
    _check_unicode("--target", target)
    chosen: list[Override] = [
        ("task.path", str(_home(data).resolve())),
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


def _settings(preset: str, task: str | None, overrides: Iterable[Override] | None) -> Settings:
    chosen: list[Override] = [] if task is None else [("task.name", task)]
    return load_preset(preset, [*chosen, *(overrides or [])])


def _genotype(target: str) -> tuple[Genotype, str]:
    """A genotype by published name or file, and a name for it."""
    if target in PUBLISHED:
        return PUBLISHED[target], target
    path = _home(target)
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


def _device(name: str | None) -> torch.device:
    if name not in (None, "auto", "cpu", "cuda"):
        raise SettingsError(f"unknown device {name!r}; expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("no CUDA device here; use --device cpu or auto")
    use_cuda = name != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if use_cuda else torch.device("cpu")


def _device_of(run: Run, name: str | None) -> torch.device:
    """The device a run began on, unless another is asked for."""
    where = _device(name or run.order.device)
    if where.type != run.order.device:
        errors.print(
            f"{run.folder} began on {run.order.device}; on {where.type} it goes on, "
            "but not bit for bit as it would have"
        )
    return where


def _kind(device: torch.device) -> Literal["cpu", "cuda"]:
    return "cuda" if device.type == "cuda" else "cpu"


def _search(run: Run, device: torch.device) -> None:
    search = run.begin_search(device)
    steps = run.follow_search(search)
    view = watch(
        steps,
        title="search",
        total=search.total,
        done=search.done,
        console=console,
        space=search.space,
        rule=run.settings.search.rule,
        yardstick=run.settings.yardstick,
    )
    _exhaust(view, steps, run)
    with fitting(console) as progress:
        genotype = run.end_search(search, progress)
    console.print(genotype_table(genotype))
    _show_gap(run)
    _show_findings(run)
    _report(run)


def _train(run: Run, device: torch.device) -> None:
    candidates = run.candidates()
    if not candidates:
        _report_again(run)
        return
    task = run.task()
    for number, candidate in enumerate(candidates, 1):
        training = run.begin_training(candidate, task, device)
        steps = run.follow_training(candidate, training)
        title = f"train {candidate.name} ({number}/{len(candidates)})"
        view = watch(
            steps,
            title=title,
            total=training.total,
            done=training.done,
            console=console,
            yardstick=run.settings.yardstick,
        )
        _exhaust(view, steps, run)
        trained = run.end_training(candidate, training)
        console.print(f"{_tested(run, trained)}, {trained.seconds:.0f} s")
    _report(run)


def _report(run: Run) -> None:
    from dartsedu.report import write_report  # Plotting and statistics: only when they are used.

    console.print(f"report: {write_report(run, errors.print)}")


def _report_again(run: Run) -> None:
    """The report of a run that is complete; one that exists stays if the data is gone."""
    try:
        _report(run)
    except TaskError as error:
        if not (run.folder / "report.html").exists():
            raise
        errors.print(f"the report stays as it is: {error}")


def _exhaust(view: Iterator[Step], steps: Generator[Step], run: Run) -> None:
    """Run to the end; Ctrl-C and SIGTERM end the command between two steps."""
    try:
        with closing(steps):  # Whatever ends the view, the last checkpoint is written.
            deque(view, maxlen=0)
    except (KeyboardInterrupt, SystemExit) as request:
        if isinstance(request, SystemExit) and request.code != TERMINATED:
            raise
        errors.print(f"\nstopped between two steps; continue with: dartsedu resume {run.folder}")
        raise typer.Exit(130 if isinstance(request, KeyboardInterrupt) else TERMINATED) from None


def _draw(genotype: Genotype, path: Path) -> None:
    from dartsedu import cell_graph
    from dartsedu.picture import save_picture

    if path.suffix not in (".svg", ".png", ".pdf"):
        raise RunError(f"cannot draw a {path.suffix or 'nameless'} file; use .svg, .png or .pdf")
    if path.suffix == ".svg":
        save_picture(path, cell_graph.genotype_svg(genotype))
    else:
        cell_graph.genotype_figure(genotype).save(path)


def _show_settings(settings: Settings) -> None:
    table = Table(box=None, padding=(0, 1))
    for heading in ("field", "value", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in describe(settings):
        table.add_row(*map(Text, row))
    console.print(table)


def _show_run(run: Run) -> None:
    settings = run.settings
    console.print(
        f"{run.folder}: preset {settings.preset}, task {settings.task.name}, seed {run.order.seed}"
    )
    for name, value, before in changes(settings):
        console.print(f"changed: {name} = {value} (preset: {before})")
    if run.order.searches:
        _show_search(run)
    _show_gap(run)
    _show_findings(run)
    for trained in run.results().trained:
        console.print(_tested(run, trained))


def _tested(run: Run, trained: Trained) -> str:
    yardstick = run.settings.yardstick
    return (
        f"{trained.name}: test {yardstick.name} {yardstick.show(trained.test)}, "
        f"{trained.parameters:,} parameters"
    )


def _show_search(run: Run) -> None:
    if not run.recording_path.exists():
        console.print("search: not begun")
        return
    recording = run.recording()
    state = "complete" if run.genotype_path.exists() else "not complete: continue with resume"
    console.print(f"search: {len(recording.steps)} of {recording.header.total} steps, {state}")
    if recording.steps:
        console.print(f"last step: {summary(recording.steps[-1], run.settings.yardstick)}")


def _show_gap(run: Run) -> None:
    gap = run.results().gap
    if gap is not None:
        yardstick = run.settings.yardstick
        mixture, discretised = (
            yardstick.show(yardstick.of(score)) for score in (gap.mixture, gap.discretised)
        )
        unit = "" if yardstick.name == "accuracy" else f"{yardstick.name} of the "
        console.print(
            f"architecture split: {unit}mixture {mixture}, discretised {discretised} "
            "(same weights, not retrained)"
        )


def _show_findings(run: Run) -> None:
    findings = run.results().findings
    if findings is None:
        return
    settings = run.settings.task  # Not the data itself, which may have moved since.
    assert isinstance(settings, TableSettings)
    target = settings.target or LAWS[settings.name].target
    for found in findings.found[:3]:
        console.print(f"{target} = {found.formula}   (test error {ERROR.show(found.test_error)})")
    if findings.random_found is not None:
        random = findings.random_found
        console.print(
            f"of as many random graphs: {random.formula}   "
            f"(test error {ERROR.show(random.test_error)})"
        )
    if findings.truth is not None:
        said = "the law that made the data" if findings.recovered else "not the law"
        console.print(f"the data came from {target} = {findings.truth}: the first is {said}")


def main() -> None:
    """Run the command line; turn expected errors into one message and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        writable(stream)
    # Outside a step, too, SIGTERM shall end a run in order, with its checkpoint written.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    _say_warnings()
    try:
        app(prog_name="dartsedu")
    except (SettingsError, GenotypeError, RunError, RecordingError, CheckpointError) as error:
        _fail(error, 2)
    except (NonFiniteError, TaskError) as error:
        _fail(error, 1)
    except OSError as error:
        _fail(f"{error}{_advice_on_disk(error)}", 1)
    except (MemoryError, RuntimeError) as error:
        _fail(_explained(error), 1)
    finally:  # While Python ends there is no run left to save, and nobody to catch an exit.
        signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


def _say_warnings() -> None:
    """Say in one line how the data was understood; other warnings as Python shows them."""
    shown = warnings.showwarning

    def say(message: Warning | str, category: type[Warning], *args: Any, **where: Any) -> None:
        if issubclass(category, TaskWarning):
            errors.print(f"dartsedu: {message}")
        else:
            shown(message, category, *args, **where)

    warnings.showwarning = say


def _advice_on_disk(error: OSError) -> str:
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    return ". The disk is full: make room, then continue with 'dartsedu resume RUN'"


_OUT_OF_SHARED_MEMORY = re.compile("shared memory|torch_\\d+_|shm|Bus error")
_OUT_OF_MEMORY = re.compile("can't allocate memory|out of memory|not enough memory")


def _explained(error: Exception) -> str:
    """What a lack of memory means, which comes as a plain ``RuntimeError``; others go on."""
    text = str(error)
    if _OUT_OF_SHARED_MEMORY.search(text):
        return (
            "the shared memory, through which workers hand over images, is too small; read them "
            f"without workers: --set task.workers=0, in a new folder ({text.splitlines()[0]:.100})"
        )
    if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(text):
        return (
            "the memory is too small for this run. What is on disk is intact; a smaller "
            "batch_size, or fewer channels, hidden, nodes or restarts, need less "
            f"({(text.splitlines() or ['MemoryError'])[0]:.100})"
        )
    raise error


def _fail(error: object, code: int) -> None:
    errors.print(Text(f"dartsedu: {error}", style="bold red"))
    sys.exit(code)
