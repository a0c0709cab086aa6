"""The command ``dartsedu``: search, train, resume, show.

Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dartsedu.genotype import PUBLISHED, Genotype, GenotypeError
from dartsedu.presets import PRESETS, Settings, SettingsError, describe, load_preset
from dartsedu.recording import RecordingError
from dartsedu.runs import Run, RunError
from dartsedu.stream import CheckpointError, NonFiniteError, Step
from dartsedu.tasks import TASKS, TaskError
from dartsedu.terminal import genotype_table, summary, watch

app = typer.Typer(
    help="Learn differentiable architecture search (DARTS) by watching it happen.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)

Preset = Annotated[str, typer.Option(help=f"Named settings: {', '.join(PRESETS)}.")]
TaskName = Annotated[str | None, typer.Option("--task", help=f"Data set: {', '.join(TASKS)}.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Replace a setting, e.g. --set search.epochs=3; repeat for more. "
        "'dartsedu show PRESET' lists all fields.",
    ),
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random number of the run.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda. auto takes a GPU if there is one.")]
Out = Annotated[Path | None, typer.Option(help="The run's folder, new or empty.")]
Target = Annotated[str, typer.Argument(metavar="GENOTYPE|RUN")]
Folder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]


@app.command()
def search(
    preset: Preset = "classroom",
    task: TaskName = None,
    seed: Seed = 0,
    device: Device = "auto",
    out: Out = None,
    overrides: Overrides = None,
) -> None:
    """Search a cell: α and w descend in turn. Leaves a run's folder with a report."""
    where = _device(device)
    settings = _settings(preset, task, overrides)
    run = Run.create(out or Path("runs") / f"{preset}-{seed}", settings, seed)
    _search(run, where)


@app.command()
def train(
    target: Target,
    preset: Preset = "classroom",
    task: TaskName = None,
    seed: Seed = 0,
    device: Device = "auto",
    out: Out = None,
    overrides: Overrides = None,
) -> None:
    """Train a genotype from scratch, beside random ones if settings say so, and test it.

    GENOTYPE is a file or a published name (nasnet, amoebanet, darts-v1, darts-v2). A RUN whose
    search is done trains what it found, with its own settings; only --set applies to it.
    """
    where = _device(device)
    if Path(target).is_dir():
        run = Run.open(target)
        if out is not None or task is not None:
            raise RunError(f"{target} is a run: it has its folder and task; drop --out and --task")
        if overrides:
            run = run.amended(overrides)
    else:
        settings = _settings(preset, task, overrides)
        name = target if target in PUBLISHED else Path(target).stem
        folder = out or Path("runs") / f"{name}-{preset}-{seed}"
        run = Run.create(folder, settings, seed, _genotype(target))
    _train(run, where)


@app.command()
def resume(folder: Folder, device: Device = "auto") -> None:
    """Continue a run that was stopped or killed, as if it never had been."""
    run = Run.open(folder)
    where = _device(device)
    if not run.genotype_path.exists():
        _search(run, where)
    elif (run.folder / "training").exists() or not run.order.searches:
        _train(run, where)
    else:
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
    if Path(target).is_dir():
        run = Run.open(target)
        _show_run(run)
        if not run.genotype_path.exists():
            if out is not None:
                raise RunError(f"{target} has no genotype to draw yet; continue it with resume")
            return
        genotype = run.genotype()
    else:
        genotype = _genotype(target)
    console.print(genotype_table(genotype))
    if out is not None:
        _draw(genotype, out)
        console.print(f"drawn: {out}", highlight=False)


# ---- What the commands share --------------------------------------------------------------------


def _settings(preset: str, task: str | None, overrides: list[str] | None) -> Settings:
    chosen = [] if task is None else [f'task.name="{task}"']
    return load_preset(preset, [*chosen, *(overrides or [])])


def _genotype(target: str) -> Genotype:
    if target in PUBLISHED:
        return PUBLISHED[target]
    if not Path(target).exists():
        raise GenotypeError(
            f"no file and no published genotype {target!r}; published are: {', '.join(PUBLISHED)}"
        )
    return Genotype.load(target)


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise SettingsError(f"unknown device {name!r}; expected auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingsError("no CUDA device here; use --device cpu or auto")
    use_cuda = name != "cpu" and torch.cuda.is_available()
    return torch.device("cuda", torch.cuda.current_device()) if use_cuda else torch.device("cpu")


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
    )
    _exhaust(view, run)
    genotype = run.end_search(search)
    console.print(genotype_table(genotype))
    gap = run.results().gap
    if gap is not None and gap.mixture.accuracy is not None:
        console.print(
            f"architecture split: mixture {gap.mixture.accuracy:.1%}, "
            f"discretised {gap.discretised.accuracy:.1%} (same weights, not retrained)"
        )
    _report(run)


def _train(run: Run, device: torch.device) -> None:
    task = run.task()
    candidates = run.candidates()
    for number, candidate in enumerate(candidates, 1):
        training = run.begin_training(candidate, task, device)
        steps = run.follow_training(candidate, training)
        title = f"train {candidate.name} ({number}/{len(candidates)})"
        view = watch(steps, title=title, total=training.total, done=training.done, console=console)
        _exhaust(view, run)
        trained = run.end_training(candidate, training)
        console.print(
            f"{trained.name}: test accuracy {trained.test_accuracy:.1%}, "
            f"{trained.parameters:,} parameters, {trained.seconds:.0f} s",
            highlight=False,
        )
    _report(run)


def _report(run: Run) -> None:
    from dartsedu.report import write_report  # Plotting and statistics: only when they are used.

    console.print(f"report: {write_report(run)}", highlight=False, soft_wrap=True)


def _exhaust(steps: Iterator[Step], run: Run) -> None:
    """Run to the end; Ctrl-C and SIGTERM end the command between two steps."""
    try:
        deque(steps, maxlen=0)
    except (KeyboardInterrupt, SystemExit) as request:
        errors.print(
            f"\nstopped between two steps; continue with: dartsedu resume {run.folder}",
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(130 if isinstance(request, KeyboardInterrupt) else 143) from None


def _draw(genotype: Genotype, path: Path) -> None:
    from dartsedu import plots

    if path.suffix not in (".svg", ".png", ".pdf"):
        raise RunError(f"cannot draw a {path.suffix or 'nameless'} file; use .svg, .png or .pdf")
    if path.suffix == ".svg":
        plots.save_picture(path, plots.genotype_svg(genotype))
    else:
        plots.genotype_figure(genotype).save(path)


def _show_settings(settings: Settings) -> None:
    table = Table(box=None, padding=(0, 1))
    for heading in ("field", "value", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in describe(settings):
        table.add_row(*row)
    console.print(table, highlight=False)


def _show_run(run: Run) -> None:
    settings, results = run.settings, run.results()
    console.print(
        f"{run.folder}: preset {settings.preset}, task {settings.task.name}, seed {run.order.seed}",
        highlight=False,
        soft_wrap=True,
    )
    if run.order.searches:
        _show_search(run)
    if results.gap is not None and results.gap.mixture.accuracy is not None:
        console.print(
            f"architecture split: mixture {results.gap.mixture.accuracy:.1%}, "
            f"discretised {results.gap.discretised.accuracy:.1%}"
        )
    for trained in results.trained:
        console.print(
            f"{trained.name}: test accuracy {trained.test_accuracy:.1%}, "
            f"{trained.parameters:,} parameters"
        )


def _show_search(run: Run) -> None:
    try:
        recording = run.recording()
    except RecordingError:
        console.print("search: not begun")
        return
    state = "complete" if run.genotype_path.exists() else "not complete: continue with resume"
    console.print(f"search: {len(recording.steps)} of {recording.header.total} steps, {state}")
    if recording.steps:
        console.print(f"last step: {summary(recording.steps[-1])}")


def main() -> None:
    """Run the command line; turn expected errors into one message and an exit code."""
    try:
        app(prog_name="dartsedu")
    except (SettingsError, GenotypeError, RunError, RecordingError, CheckpointError) as error:
        _fail(error, 2)
    except (NonFiniteError, TaskError) as error:
        _fail(error, 1)


def _fail(error: Exception, code: int) -> None:
    text = Text(f"dartsedu: {error}", style="bold red")
    errors.print(text, soft_wrap=True)
    sys.exit(code)
