"""``report.html``: a run on one self-contained page, and its pictures as files."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import jinja2
import numpy as np
from scipy.stats import ttest_ind

from dartsedu import plots
from dartsedu.equation.pictures import law_figure, restarts_figure
from dartsedu.genotype import Genotype
from dartsedu.presets import changes, describe
from dartsedu.recording import Recording
from dartsedu.runs import Results, Run, Trained
from dartsedu.stream import Step
from dartsedu.tasks import EquationTask
from dartsedu.values import write_text
from dartsedu.yardstick import ACCURACY, Yardstick, perplexity


class Shown(NamedTuple):
    """A picture on the page: an SVG and the text that stands for it."""

    name: str
    svg: bytes
    alt: str

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


def write_report(run: Run) -> Path:
    """Write ``pictures/*.svg`` and ``report.html`` from what the folder holds; returns the page.

    Works at any stage: after the search, in the middle of the training, at the end.
    """
    genotype = run.genotype()
    results = run.results()
    recording = run.recording() if run.order.searches else None
    pictures = _pictures(run, genotype, recording, results.trained)
    for picture in pictures.values():
        plots.save_picture(run.folder / "pictures" / f"{picture.name}.svg", picture.svg)
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, loader=jinja2.FunctionLoader(_template)
    )
    name = "report" if results.findings is None else "equation/report"
    page = environment.get_template(f"{name}.html.jinja").render(
        run=run,
        task=run.task(),
        settings=describe(run.settings),
        changes=changes(run.settings),
        genotype=genotype,
        words=plots.describe_genotype(genotype),
        recording=recording,
        results=results,
        pictures=pictures,
        comparison=compare(results.trained, run.settings.yardstick),
        trained=results.trained,
        yardstick=run.settings.yardstick,
        perplexity=perplexity,
        references=_references(results),
        samples=[t for t in results.trained if t.sample is not None and t.kind == "genotype"][:1],
    )
    path = run.folder / "report.html"
    write_text(path, page)
    return path


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
    """Welch's 95 % interval of the difference in test scores; ``None`` without both kinds."""
    found = [t.test for t in trained if t.kind == "genotype"]
    random = [t.test for t in trained if t.kind == "random"]
    if not found or not random:
        return None
    difference = float(np.mean(found) - np.mean(random))
    if min(len(found), len(random)) < 2 or (np.ptp(found) == 0 and np.ptp(random) == 0):
        low = high = difference
        verdict = "Too few networks to say more than that: train several of each."
    else:
        interval = ttest_ind(found, random, equal_var=False).confidence_interval(0.95)
        low, high = float(interval.low), float(interval.high)
        if low <= 0 <= high:
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
    return Comparison(float(np.mean(found)), float(np.mean(random)), low, high, verdict)


def _pictures(
    run: Run, genotype: Genotype, recording: Recording | None, trained: Sequence[Trained]
) -> dict[str, Shown]:
    shown = [Shown("genotype", plots.genotype_svg(genotype), plots.describe_genotype(genotype))]

    def add(name: str, picture: plots.Picture) -> None:
        shown.append(Shown(name, picture.render("svg"), picture.alt))

    if recording is not None:
        space, last = recording.space, recording.steps[-1]
        moments = _moments(recording.steps)
        titles = [f"step {step.index + 1}" for step in moments]
        add("cells", plots.mixture_figure(space, moments, titles, run.settings.search.rule))
        add("heatmap", plots.heatmap_figure(space, last.mixture))
        add("losses", plots.losses_figure(recording, run.settings.yardstick))
        for cell in space.cells:
            add(f"trajectories-{cell.name}", plots.trajectories_figure(recording, cell.name))
    labels = {"genotype": "this cell", "random": "random cells", "lstm": "LSTM"}
    groups = {label: [t.test for t in trained if t.kind == kind] for kind, label in labels.items()}
    if groups["this cell"]:
        shown_groups = {k: v for k, v in groups.items() if v}
        name = "accuracies" if run.settings.yardstick is ACCURACY else "perplexities"
        lines = run.results().references
        add(name, plots.scores_figure(shown_groups, run.settings.yardstick, lines))
    findings = run.results().findings
    if findings is not None:
        table = run.task()
        assert isinstance(table, EquationTask)
        add("law", law_figure(table, findings.predictions, findings.found[0].latex))
        add("restarts", restarts_figure(findings.errors, findings.random_errors))
    return {picture.name: picture for picture in shown}


def _moments(steps: Sequence[Step]) -> list[Step]:
    """The first step, the middle one and the last."""
    return [steps[i] for i in sorted({0, len(steps) // 2, len(steps) - 1})]
