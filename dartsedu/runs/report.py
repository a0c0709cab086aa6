"""``report.html``: a run on one self-contained page, and its pictures as files."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jinja2

from dartsedu.base.values import write_text
from dartsedu.base.yardstick import number
from dartsedu.genotype import Genotype
from dartsedu.presets import changes, describe
from dartsedu.runs.claim import RunError
from dartsedu.runs.comparison import compare
from dartsedu.runs.folder import Run
from dartsedu.runs.results import GENOTYPE, Results
from dartsedu.runs.truths import judged, lines
from dartsedu.show import plots
from dartsedu.show.cell_graph import describe_genotype, genotype_svg
from dartsedu.show.palette import cell_title, writable
from dartsedu.show.picture import Picture, save_picture
from dartsedu.show.scores import scores_figure
from dartsedu.spaces.space import Space
from dartsedu.stream.recording import Recording, RecordingError
from dartsedu.stream.stream import Step
from dartsedu.truth.pictures import landscape_figure, standing_figure
from dartsedu.truth.table import truth_of

TEMPLATE = "report.html.jinja"
"""The file of a page's template, in this room and, where it has one, in a space's folder."""
COMMON = "report.html.jinja"
"""The name by which a space's template extends the common one."""


class Shown(NamedTuple):
    """A picture on the page: an SVG and the text that stands for it; of one that failed, why."""

    svg: bytes
    alt: str
    failure: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


def write_report(run: Run, tell: Callable[[str], object] | None = None) -> Path:
    """Write ``pictures/*.svg`` and ``report.html`` from what the folder holds; returns the page.

    Works at any stage: after the search, in the middle of the training, at the end. What cannot be
    drawn or read (a table that has moved, an edited recording) is named on the page, and to
    ``tell``; everything else stands.
    """
    genotype = run.genotype()
    results = run.results()
    recording, missing = _recording(run)
    findings = results.findings
    found = judged(run)
    pictures = _pictures(run, genotype, recording, results)
    for name, picture in pictures.items():
        if not picture.failure:
            save_picture(run.folder / "pictures" / f"{name}.svg", picture.svg)
    notes = [
        f"The picture {name} could not be drawn: {p.failure}"
        for name, p in pictures.items()
        if p.failure
    ]
    for note in [missing] * bool(missing) + notes:
        if tell is not None:
            tell(f"{run.folder}: {note}")
    yardstick, space = run.settings.yardstick, run.space
    references = results.references or {}
    words = space.reference_words
    page = _page(space).render(
        run=run,
        settings=describe(run.settings),
        changes=changes(run.settings),
        genotype=genotype,
        words=describe_genotype(genotype),
        recording=recording,
        missing=missing,
        results=results,
        findings=findings,
        pictures=pictures,
        judged=found,
        among_all=lines(found) if found else [],
        comparison=compare(results.trained, yardstick),
        trained=results.trained,
        yardstick=yardstick,
        number=number,
        file_name=_file_name,
        cell_title=cell_title,
        references={words[name]: references[name] for name in words if name in references},
        samples=[t for t in results.trained if t.texts and t.kind == GENOTYPE][:1],
    )
    path = run.folder / "report.html"
    write_text(path, writable(page))
    return path


def _recording(run: Run) -> tuple[Recording | None, str]:
    """The recording of the search, if there is one with a step; else a sentence that says why not.

    Neither of a run that did not search.
    """
    if not run.order.searches:
        return None, ""
    try:
        recording = run.recording()
        if recording.space and recording.steps:
            return recording, ""
    except (RecordingError, RunError) as error:
        return None, f"The search cannot be shown: {error}"
    return None, f"The search cannot be shown: {run.recording_path} holds no step"


def _page(space: Space) -> jinja2.Template:
    """The page's template: the space's own if it has one, which fills blocks of the common one."""

    def text(name: str) -> str:
        folder = files("dartsedu.runs") if name == COMMON else space.folder
        return (folder / TEMPLATE).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FunctionLoader(text)
    )
    own = (space.folder / TEMPLATE).is_file()
    return environment.get_template("own" if own else COMMON)


def _pictures(
    run: Run,
    genotype: Genotype,
    recording: Recording | None,
    results: Results,
) -> dict[str, Shown]:
    """All pictures by the names of their files. One that fails costs no other."""
    shown: dict[str, Shown] = {}

    def add(name: str, draw: Callable[[], Picture]) -> None:
        def drawn() -> Shown:
            picture = draw()
            return Shown(picture.render("svg"), picture.alt)

        shown[name] = _attempt(drawn)

    shown["genotype"] = _attempt(lambda: Shown(genotype_svg(genotype), describe_genotype(genotype)))
    settings = run.settings
    if recording is not None:
        space, steps = recording.space, recording.steps
        moments = _moments(steps)
        titles = [f"step {step.index + 1}" for step in moments]
        add("cells", lambda: plots.mixture_figure(space, moments, titles, settings.search.rule))
        add("heatmap", lambda: plots.heatmap_figure(space, steps[-1].mixture))
        add("losses", lambda: plots.losses_figure(recording, settings.yardstick))
        truth = truth_of(settings)
        if truth is not None:
            rule = settings.search.rule
            add("landscape", partial(landscape_figure, truth, steps, rule, space=space))
            add("standing", partial(standing_figure, truth, steps, rule, space))
        for number, cell in enumerate(space.cells):
            draw = partial(plots.trajectories_figure, recording, cell.name)
            add(_file_name("trajectories", cell.name, number), draw)
    judged = settings.yardstick.name
    groups = {
        label: [t.test[judged] for t in results.trained if t.kind == kind]
        for kind, label in run.space.kinds.items()
    }
    if groups[run.space.kinds[GENOTYPE]]:
        tested = {label: scores for label, scores in groups.items() if scores}
        lines = results.references
        add("scores", lambda: scores_figure(tested, settings.yardstick, lines))
    if results.findings is not None:
        shown |= _of_findings(run, results)
    return shown


def _of_findings(run: Run, results: Results) -> dict[str, Shown]:
    """The space's own pictures; those that need data which has moved say so."""
    drawers = run.space.pictures(results.findings, run.task)

    def drawn(draw: Callable[[], Picture]) -> Shown:
        picture = draw()
        return Shown(picture.render("svg"), picture.alt)

    return {name: _attempt(partial(drawn, draw)) for name, draw in drawers.items()}


def _attempt(draw: Callable[[], Shown]) -> Shown:
    """A picture, or why there is none: names and numbers of a folder may be anything."""
    try:
        return draw()
    except Exception as error:
        return Shown(b"", "", str(error) or type(error).__name__)


def _file_name(kind: str, cell: str, number: int) -> str:
    """``kind-cell``; a cell that is called what no file should be is numbered."""
    return f"{kind}-{cell if re.fullmatch('[a-z]{1,30}', cell) else number}"


def _moments(steps: Sequence[Step]) -> list[Step]:
    """The first step, the middle one and the last."""
    return [steps[i] for i in sorted({0, len(steps) // 2, len(steps) - 1})]
