"""``report.html``: a run on one self-contained page, and its pictures as files."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from math import isfinite, sqrt
from pathlib import Path
from statistics import variance
from typing import NamedTuple

import jinja2
from scipy.stats import t as students_t

from dartsedu import plots
from dartsedu.cell_graph import describe_genotype, genotype_svg
from dartsedu.equation.pictures import law_figure, restarts_figure
from dartsedu.findings import Findings
from dartsedu.genotype import Genotype
from dartsedu.palette import writable
from dartsedu.picture import Picture, save_picture
from dartsedu.presets import changes, describe
from dartsedu.recording import Recording, RecordingError
from dartsedu.runs import Results, Run, RunError, Trained
from dartsedu.splits import TaskError
from dartsedu.stream import Step
from dartsedu.tasks import EquationTask
from dartsedu.values import write_text
from dartsedu.yardstick import ACCURACY, Yardstick, number, perplexity


class Shown(NamedTuple):
    """A picture on the page: an SVG and the text that stands for it; of one that failed, why."""

    svg: bytes
    alt: str
    failure: str = ""

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return "data:image/svg+xml;base64," + base64.b64encode(self.svg).decode()


class Comparison(NamedTuple):
    """The test score of the genotype's networks against random cells, with a verdict in words."""

    found: float
    random: float
    low: float
    high: float
    verdict: str


def write_report(run: Run, tell: Callable[[str], object] | None = None) -> Path:
    """Write ``pictures/*.svg`` and ``report.html`` from what the folder holds; returns the page.

    Works at any stage: after the search, in the middle of the training, at the end. What cannot be
    drawn or read (a table that has moved, an edited recording) is named on the page, and to
    ``tell``; everything else stands.
    """
    genotype = run.genotype()
    results = run.results()
    recording, missing = _recording(run)
    equation = run.settings.space == "equation"
    findings = results.findings if equation else None
    if findings is not None and not findings.found:
        findings = None
    pictures = _pictures(run, genotype, recording, results, findings)
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
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FunctionLoader(_template)
    )
    name = "equation/report" if equation else "report"
    page = environment.get_template(f"{name}.html.jinja").render(
        run=run,
        target=_target(run) if equation else None,
        settings=describe(run.settings),
        changes=changes(run.settings),
        genotype=genotype,
        words=describe_genotype(genotype),
        recording=recording,
        missing=missing,
        results=results,
        findings=findings,
        pictures=pictures,
        comparison=compare(results.trained, run.settings.yardstick),
        trained=results.trained,
        yardstick=run.settings.yardstick,
        number=number,
        file_name=_file_name,
        perplexity=perplexity,
        references=_references(results),
        samples=[t for t in results.trained if t.sample is not None and t.kind == "genotype"][:1],
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


def _target(run: Run) -> str:
    """The name of what an equation explains, also where its table has moved."""
    try:
        task = run.task()
    except TaskError:
        return getattr(run.settings.task, "target", None) or "y"
    assert isinstance(task, EquationTask)
    return task.targets[0]


def _template(name: str) -> str:
    return files("dartsedu").joinpath(name).read_text(encoding="utf-8")


REFERENCES = {
    "unigram": "words by their frequency alone",
    "bigram": "words by the one before them",
    "floor": "the least that is possible",
}
"""What the reference lines of a text are, in words."""


def _references(results: Results) -> dict[str, float]:
    """Reference perplexities by what they are, in words."""
    found = results.references or {}
    return {words: found[name] for name, words in REFERENCES.items() if name in found}


def compare(trained: Sequence[Trained], yardstick: Yardstick = ACCURACY) -> Comparison | None:
    """Welch's 95 % interval of the difference in test scores; ``None`` without both kinds.

    Where one network of a kind has no finite score, or there is nothing to tell noise by, the
    interval is the difference alone and the verdict says why.
    """
    found = [t.test for t in trained if t.kind == "genotype"]
    random = [t.test for t in trained if t.kind == "random"]
    if not found or not random:
        return None
    if not all(map(isfinite, [*found, *random])):
        low = high = difference = _mean(found) - _mean(random)
        verdict = "A network without a finite score cannot be compared."
        return Comparison(_mean(found), _mean(random), low, high, verdict)
    difference, half = _mean(found) - _mean(random), _half_width(found, random)
    low, high = difference - half, difference + half
    if min(len(found), len(random)) < 2:
        verdict = "Too few networks to say more than that: train several of each."
    elif half == 0:
        verdict = (
            "All networks of a kind score the same, so there is no noise to compare this with: "
            "a larger test split would tell them apart."
        )
    elif low <= 0 <= high:
        verdict = (
            "The interval holds zero: with so few networks this difference cannot be told "
            "from noise."
        )
    else:
        better = "better" if (difference > 0) == yardstick.larger_is_better else "worse"
        verdict = (
            f"The interval leaves out zero: on this task and budget the found cell is {better} "
            "than random cells."
        )
    return Comparison(_mean(found), _mean(random), low, high, verdict)


def _mean(values: Sequence[float]) -> float:
    """The mean, divided before it is summed, so that large perplexities have one."""
    return sum(value / len(values) for value in values)


def _half_width(one: Sequence[float], other: Sequence[float]) -> float:
    """Half of Welch's 95 % interval of a difference of means; 0 for fewer than two of a kind.

    A kind whose values are all the same has the variance 0, exactly.
    """
    if min(len(one), len(other)) < 2:
        return 0.0
    unit = max(map(abs, [*one, *other])) or 1.0  # Squares of large perplexities overflow.
    parts = [variance([v / unit for v in values]) / len(values) for values in (one, other)]
    if not (total := sum(parts)):
        return 0.0
    shares = zip(parts, (one, other), strict=True)
    freedom = 1 / sum((part / total) ** 2 / (len(values) - 1) for part, values in shares)
    return unit * float(students_t.ppf(0.975, freedom)) * sqrt(total)


def _pictures(
    run: Run,
    genotype: Genotype,
    recording: Recording | None,
    results: Results,
    findings: Findings | None,
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
        for number, cell in enumerate(space.cells):
            draw = partial(plots.trajectories_figure, recording, cell.name)
            add(_file_name("trajectories", cell.name, number), draw)
    labels = {"genotype": "this cell", "random": "random cells", "lstm": "LSTM"}
    groups = {
        label: [t.test for t in results.trained if t.kind == kind] for kind, label in labels.items()
    }
    if groups["this cell"]:
        shown_groups = {k: v for k, v in groups.items() if v}
        name = "accuracies" if settings.yardstick is ACCURACY else "perplexities"
        add(name, lambda: plots.scores_figure(shown_groups, settings.yardstick, results.references))
    if findings is not None:

        def law() -> Picture:
            table = run.task()
            assert isinstance(table, EquationTask)
            return law_figure(table, findings.predictions, findings.found[0].latex)

        add("law", law)
        add("restarts", lambda: restarts_figure(findings.errors, findings.random_errors))
    return shown


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
