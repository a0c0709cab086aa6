"""The command ``dartsedu``: search, train, resume, show, truth.

Exit codes: 0 done, 1 the run failed, 2 the request was wrong, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.text import Text

from dartsedu.data.splits import TaskError, TaskWarning
from dartsedu.genotype import Genotype, GenotypeError
from dartsedu.presets import PRESETS, load_preset
from dartsedu.runs import truths
from dartsedu.runs.claim import RunError
from dartsedu.runs.folder import Run
from dartsedu.runs.lacks import advice_on_disk, lack_of_memory
from dartsedu.runs.options import (
    Columns,
    Data,
    Device,
    Folder,
    MethodName,
    Out,
    Overrides,
    Preset,
    Seed,
    Space,
    Target,
    TargetColumn,
    TaskName,
)
from dartsedu.runs.requests import (
    TABLE,
    check_takes_tables,
    chosen_device,
    chosen_genotype,
    chosen_settings,
    default_preset,
    home,
    is_folder,
    table_settings,
)
from dartsedu.runs.said import say_findings, say_gap, say_run, settings_table, tested
from dartsedu.runs.terminal import fitting, genotype_table, watch, writable
from dartsedu.settings import SettingsError
from dartsedu.stream.recording import RecordingError
from dartsedu.stream.stream import CheckpointError, NonFiniteError, Step
from dartsedu.truth.cells import TruthError

app = typer.Typer(
    help="Learn differentiable architecture search (DARTS) by watching it happen.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(truths.app, name="truth")
console = Console(markup=False, highlight=False, soft_wrap=True)
errors = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
LONGEST = 20_000
"""Characters of a word of the command, which messages repeat."""


@app.command()
def search(
    preset: Preset = None,
    space: Space = None,
    task: TaskName = None,
    method: MethodName = None,
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
    table = table_settings(task, data, target, variables)
    if data is not None:
        task = TABLE
    chosen = preset or default_preset(space, task)
    if data is not None:
        check_takes_tables(chosen)
    asked = chosen_settings(chosen, task, [*table, *(overrides or [])], method)
    if space not in (None, asked.space):
        raise SettingsError(
            f"the preset {chosen!r} is of the space {asked.space!r}, not {space!r}; drop one of "
            "--preset and --space"
        )
    named = f"{asked.preset}-{method}" if method else asked.preset
    folder = home(out or Path("runs") / f"{named}-{seed or 0}")
    where = chosen_device(device)
    with Run.begun(folder, asked, seed or 0, device=_kind(where)) as run:
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
    if is_folder(target):
        run = Run.open(home(target))
        if any(given is not None for given in (preset, task, seed, out)):
            raise RunError(
                f"{target} is a run with a preset, task, seed and folder of its own; "
                "drop --preset, --task, --seed and --out"
            )
        run.genotype()
        with run.locked():
            _train(run.amended(overrides) if overrides else run, _device_of(run, device))
        return
    cell, name = chosen_genotype(target)
    asked = chosen_settings(preset or default_preset(cell.space, None), task, overrides)
    folder = home(out or Path("runs") / f"{name}-{asked.preset}-{seed or 0}")
    where = chosen_device(device)
    with Run.begun(folder, asked, seed or 0, cell, _kind(where)) as run:
        _train(run, where)


@app.command()
def resume(folder: Folder, device: Device = None) -> None:
    """Continue a run that was stopped or killed, as if it never had been."""
    run = Run.open(home(folder))
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
        console.print(settings_table(load_preset(target)))
        return
    if is_folder(target):
        run = Run.open(home(target))
        say_run(run, console)
        truths.say_judged(run, console)
        if out is None and not run.genotype_path.exists():
            return
        cell = run.genotype()
    else:
        cell, _ = chosen_genotype(target)
    console.print(genotype_table(cell))
    if out is not None:
        _draw(cell, home(out))
        console.print(f"drawn: {home(out)}")


# ---- What the commands share --------------------------------------------------------------------


def _device_of(run: Run, name: str | None) -> torch.device:
    """The device a run began on, unless another is asked for."""
    where = chosen_device(name or run.order.device)
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
    if said := run.space.beforehand(search.space, run.settings):
        console.print(said)
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
    answer = search.course.answer
    if answer is not None:
        console.print(
            f"the search stopped after step {search.done - 1}; its cell is that of step "
            f"{answer.step}, the end of epoch {answer.epoch}"
        )
    console.print(genotype_table(genotype))
    say_gap(run, console)
    say_findings(run, console)
    _report(run)
    truths.say_judged(run, console)


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
        console.print(f"{tested(run, trained)}, {trained.seconds:.0f} s")
    _report(run)
    truths.say_judged(run, console)


def _report(run: Run) -> None:
    from dartsedu.runs.report import (
        write_report,  # Plotting and statistics: only when they are used.
    )

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
        raise typer.Exit(
            INTERRUPTED if isinstance(request, KeyboardInterrupt) else TERMINATED
        ) from None


def _draw(genotype: Genotype, path: Path) -> None:
    from dartsedu.show import cell_graph
    from dartsedu.show.picture import save_picture

    if path.suffix not in (".svg", ".png", ".pdf"):
        raise RunError(f"cannot draw a {path.suffix or 'nameless'} file; use .svg, .png or .pdf")
    if path.suffix == ".svg":
        save_picture(path, cell_graph.genotype_svg(genotype))
    else:
        cell_graph.genotype_figure(genotype).save(path)


def main() -> None:
    """Run the command line; turn expected errors into one message and an exit code."""
    try:
        _answer()
    except KeyboardInterrupt:  # Before the work or after it: there is no run to save.
        sys.exit(INTERRUPTED)


def _answer() -> None:
    for stream in (sys.stdout, sys.stderr):
        writable(stream)
    # Outside a step, too, SIGTERM shall end a run in order, with its checkpoint written.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    _say_warnings()
    try:
        if any(len(word) > LONGEST for word in sys.argv):
            raise SettingsError(f"a word of the command has more than {LONGEST:,} characters")
        app(prog_name="dartsedu")
    except (
        SettingsError,
        GenotypeError,
        RunError,
        RecordingError,
        CheckpointError,
        TruthError,
    ) as error:
        _fail(error, 2)
    except (NonFiniteError, TaskError) as error:
        _fail(error, 1)
    except OSError as error:
        _fail(f"{error}{advice_on_disk(error)}", 1)
    except (MemoryError, RuntimeError) as error:
        _fail(lack_of_memory(error), 1)
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


def _fail(error: object, code: int) -> None:
    errors.print(Text(f"dartsedu: {error}", style="bold red"))
    sys.exit(code)
