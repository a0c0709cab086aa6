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
from dartsedu.genotype import Genotype
from dartsedu.presets import changes, describe
from dartsedu.recording import Recording
from dartsedu.runs import Run, Trained
from dartsedu.stream import Step
from dartsedu.values import write_text


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
    """Test accuracy of the genotype's networks against random cells, with a verdict in words."""

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
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    template = files("dartsedu").joinpath("report.html.jinja").read_text(encoding="utf-8")
    page = environment.from_string(template).render(
        run=run,
        settings=describe(run.settings),
        changes=changes(run.settings),
        genotype=genotype,
        words=plots.describe_genotype(genotype),
        recording=recording,
        results=results,
        pictures=pictures,
        comparison=compare(results.trained),
        trained=results.trained,
    )
    path = run.folder / "report.html"
    write_text(path, page)
    return path


def compare(trained: Sequence[Trained]) -> Comparison | None:
    """Welch's 95 % interval of the difference in test accuracy; ``None`` without both kinds."""
    found = [t.test_accuracy for t in trained if t.kind == "genotype"]
    random = [t.test_accuracy for t in trained if t.kind == "random"]
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
            better = "better" if difference > 0 else "worse"
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
        add("losses", plots.losses_figure(recording))
        for cell in space.cells:
            add(f"trajectories-{cell.name}", plots.trajectories_figure(recording, cell.name))
    groups = {
        label: [t.test_accuracy for t in trained if t.kind == kind]
        for kind, label in (("genotype", "this cell"), ("random", "random cells"))
    }
    if groups["this cell"]:
        add("accuracies", plots.accuracies_figure({k: v for k, v in groups.items() if v}))
    return {picture.name: picture for picture in shown}


def _moments(steps: Sequence[Step]) -> list[Step]:
    """The first step, the middle one and the last."""
    return [steps[i] for i in sorted({0, len(steps) // 2, len(steps) - 1})]
