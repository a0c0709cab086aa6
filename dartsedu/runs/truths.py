"""``dartsedu truth``: tables of every cell of a space, and what a run's cell is worth by them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from dartsedu.base.extensions import SPACES, find
from dartsedu.genotype import Genotype, GenotypeError
from dartsedu.presets import load_preset
from dartsedu.runs.claim import RunError
from dartsedu.runs.folder import Run
from dartsedu.runs.requests import chosen_genotype, home, is_folder
from dartsedu.runs.terminal import fitting, genotype_table
from dartsedu.show.palette import short
from dartsedu.truth.cells import TruthError
from dartsedu.truth.comparison import Judged, cost_of_search, judge
from dartsedu.truth.table import Truth, load_truth, truth_of, truths

app = typer.Typer(
    help="Every cell of a small space, trained: look one up, or make such a table.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)
console = Console(markup=False, highlight=False, soft_wrap=True)


@app.command()
def show(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="GENOTYPE|RUN",
            help="A file, a folder, or a cell as its benchmark writes it. [default: the table]",
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(truths())}, or a file. [default: of the cell's space]"
        ),
    ] = None,
) -> None:
    """Say where a cell stands among all, or what a table holds."""
    if target is None:
        _say_table(load_truth(home(table or truths()[0])))
        return
    cell = _cell(target)
    name = table or next(iter(find(SPACES, cell.space).truths()), None)
    if name is None:
        raise TruthError(
            f"no table holds cells of the space {cell.space!r}; there are: {', '.join(truths())}"
        )
    _say_cell(load_truth(home(name)), cell)


@app.command()
def build(
    preset: Annotated[str, typer.Option(help="Whose cells, data and networks.")],
    out: Annotated[Path | None, typer.Option(help="The file. [default: PRESET.npz]")] = None,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Networks of each cell.")] = 3,
    jobs: Annotated[int, typer.Option(min=1, max=1024, help="Processes.")] = 1,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Replace a setting; repeat for more."),
    ] = None,
) -> None:
    """Train every cell of a space. One that was stopped goes on where it was."""
    from dartsedu.truth.build import build as building

    settings = load_preset(preset, overrides or [])
    path = home(out or Path(f"{preset}.npz"))
    if path.suffix != ".npz":
        raise RunError(f"a table is a file ….npz, not {path.name!r}")
    if path.exists():
        raise RunError(f"{path} is there already; remove it, or name another --out")
    with fitting(console) as progress:
        for done, total in building(path.stem, settings, range(seeds), path, jobs):
            progress("cells trained", done, total)
    console.print(f"table: {path}")
    _say_table(Truth.load(path))


def _cell(target: str) -> Genotype:
    """A cell that is named somehow."""
    if is_folder(target):
        return Run.open(home(target)).genotype()
    return chosen_genotype(target)[0]


def _say_table(truth: Truth) -> None:
    about = truth.about
    console.print(
        f"{about.name}: the {len(truth.row_of):,} cells of the space {truth.space.name!r}, "
        f"{len(truth):,} of them different, {len(about.seeds)} networks each"
    )
    console.print(f"task {about.settings.task.name}, preset {about.settings.preset}")
    seeds = truth.test_right.astype(float) / truth.test_size
    console.print(
        f"test accuracy: best {truth.accuracies.max():.1%}, median "
        f"{np.median(truth.accuracies):.1%}, worst {truth.accuracies.min():.1%}"
    )
    if len(about.seeds) > 1:
        of_seeds = np.sqrt(seeds.var(axis=1, ddof=1).mean())
        console.print(
            f"deviation of the cells {truth.accuracies.std():.3f}, of the networks of one cell "
            f"{of_seeds:.3f}"
        )
    console.print("the best:")
    console.print(genotype_table(truth.best))


def _say_cell(truth: Truth, cell: Genotype) -> None:
    standing, row = truth.standing(cell), truth.row(cell)
    each = ", ".join(f"{right / truth.test_size:.1%}" for right in truth.test_right[row])
    console.print(genotype_table(cell))
    console.print(f"{standing} ({truth.about.name})")
    console.print(
        f"test accuracy {standing.accuracy:.1%} ({each}), {standing.regret:.1%} below the best; "
        f"validation {truth.validation(cell):.1%}"
    )
    console.print(
        f"{truth.parameters[row]:,} parameters, {truth.multiply_adds[row]:,} multiply-adds, "
        f"{1e3 * truth.latency[row]:.2f} ms an image where the table was made"
    )


# ---- What a run has found ------------------------------------------------------------------------


def judged(run: Run) -> Judged | None:
    """The cell of a run, by the table that fits its settings; ``None`` where there is none."""
    settings = run.settings
    truth = truth_of(settings)
    if truth is None or not run.genotype_path.exists():
        return None
    try:
        return judge(truth, run.genotype(), _cost(run, truth), run.order.seed)
    except (GenotypeError, TruthError):  # A genotype given by hand may be larger.
        return None


def _cost(run: Run, truth: Truth) -> float:
    """What the search of a run has cost, in trainings; 0 of a run that only trains."""
    if not run.order.searches:
        return 0.0
    search, task = run.settings.search, run.task()
    steps = sum(task.weights.passes(search.batch_size, 0, search.epochs))
    return cost_of_search(truth, task, steps, search.batch_size)


def say_judged(run: Run, out: Console) -> None:
    """Where the cell of a run stands, beside the best, the median and random ones."""
    found = judged(run)
    if found is None:
        return
    table = Table(box=None, padding=(0, 1))
    table.add_column("cell, by the table of all")
    table.add_column("true accuracy", justify="right")
    for row in lines(found):
        table.add_row(*row)
    out.print(table)
    out.print(str(found.found))


def lines(found: Judged) -> list[tuple[str, str]]:
    """The found cell and the others, each with its accuracy in words."""
    primitive, uniform = found.uniform
    rows = [
        ("found", f"{found.found.accuracy:.1%}"),
        ("best of all", f"{found.best:.1%}"),
        ("median of all", f"{found.median:.1%}"),
        (f"all {short(primitive)}, the obvious guess", f"{uniform:.1%}"),
        ("ten random cells", _range(found.random)),
        ("ten random cells without none", _range(found.random_without_none)),
    ]
    if found.trainings:
        count = max(1, round(found.trainings))
        words = f"best of {count} random cells without none, at the price of this search"
        rows.append((words, f"{found.best_of_random:.1%}"))
    return rows


def _range(accuracies: tuple[float, ...]) -> str:
    return f"mean {np.mean(accuracies):.1%} ({min(accuracies):.0%} to {max(accuracies):.0%})"
