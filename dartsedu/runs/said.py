"""What the command says about settings and runs, in lines and tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dartsedu.presets import changes, describe
from dartsedu.runs.folder import Run
from dartsedu.runs.results import Trained
from dartsedu.runs.terminal import summary
from dartsedu.settings import Settings


def settings_table(settings: Settings) -> Table:
    """Every field of settings, with its meaning."""
    table = Table(box=None, padding=(0, 1))
    for heading in ("field", "value", "meaning"):
        table.add_column(heading, overflow="fold")
    for row in describe(settings):
        table.add_row(*map(Text, row))
    return table


def say_run(run: Run, console: Console) -> None:
    """What a run is, how far it is and what it has found."""
    settings = run.settings
    console.print(
        f"{run.folder}: preset {settings.preset}, task {settings.task.name}, seed {run.order.seed}"
    )
    for name, value, before in changes(settings):
        console.print(f"changed: {name} = {value} (preset: {before})")
    if run.order.searches:
        _say_search(run, console)
    say_gap(run, console)
    say_findings(run, console)
    for trained in run.results().trained:
        console.print(tested(run, trained))


def tested(run: Run, trained: Trained) -> str:
    """The test of a network in one line."""
    yardstick = run.settings.yardstick
    return (
        f"{trained.name}: test {yardstick.name} {yardstick.show(trained.test[yardstick.name])}, "
        f"{trained.parameters:,} parameters"
    )


def _say_search(run: Run, console: Console) -> None:
    if not run.recording_path.exists():
        console.print("search: not begun")
        return
    recording = run.recording()
    state = "complete" if run.genotype_path.exists() else "not complete: continue with resume"
    console.print(f"search: {len(recording.steps)} of {recording.header.total} steps, {state}")
    if recording.steps:
        console.print(f"last step: {summary(recording.steps[-1], run.settings.yardstick)}")


def say_gap(run: Run, console: Console) -> None:
    """The discretisation gap, where it was measured."""
    gap = run.results().gap
    if gap is not None:
        yardstick = run.settings.yardstick
        mixture, discretised = (
            yardstick.show(yardstick.of(score)) for score in (gap.mixture, gap.discretised)
        )
        unit = "" if yardstick.share else f"{yardstick.name} of the "
        console.print(
            f"architecture split: {unit}mixture {mixture}, discretised {discretised} "
            "(same weights, not retrained)"
        )


def say_findings(run: Run, console: Console) -> None:
    """What the run's space has found besides."""
    findings = run.results().findings
    if findings is not None:
        for line in run.space.told(findings, run.settings):
            console.print(line)
