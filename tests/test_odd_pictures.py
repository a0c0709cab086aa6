"""Pictures of whatever names and numbers a folder, a table or a caller may hold."""

import math
import re
import warnings
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dartsedu import cell_graph, plots
from dartsedu.equation.pictures import law_figure, restarts_figure
from dartsedu.genotype import Cell, Edge, Genotype, GenotypeError
from dartsedu.palette import label, short, writable
from dartsedu.picture import blank_picture
from dartsedu.recording import Header, Recording
from dartsedu.stream import Step
from dartsedu.table import Table
from dartsedu.topology import SearchSpace, Topology
from dartsedu.yardstick import ACCURACY, ERROR, PERPLEXITY, number

FEW = settings(max_examples=5, deadline=None, derandomize=True, phases=[Phase.generate])
"""Pictures take long: a failing example is shown as it was found, not shrunk."""
NASTY = (
    "$$",
    r"$\unknown$",
    r"a\$b$",
    "humidity %",
    "_$a_$",
    "__",
    "_hidden",
    "",
    "a\nb\tc",
    "\x00\x1b[1m\x85",
    "\ud800",
    "\ufffe",
    "\u202egnp.exe",
    "שלום",
    "😀𝑇",
    "e" + "\u0301" * 50,
    "x" * 3000,
    "<b>&\"'",
)
NAMES = st.sampled_from(NASTY) | st.text(st.characters(), max_size=12)
READ = NAMES.filter(lambda name: len(name) <= 200 and not re.search("[\ud800-\udfff]", name))
"""Names of cells and primitives that a recording may have."""
NUMBERS = st.sampled_from(
    [math.nan, math.inf, -math.inf, 1e300, -1e300, 5e-324, 0.0, -0.0, -1.0, 0.5, 3.0]
) | st.floats(width=64)
FINITE = st.sampled_from([1e300, -1e300, 5e-324, 0.0, -1.0, 0.5, 800.0]) | st.floats(-1e308, 1e308)


def drawn(picture):
    """Drawing gives a well-formed SVG, and no warning."""
    svg = picture.render("svg")
    ElementTree.fromstring(svg)
    return svg.decode()


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.lists(NAMES, min_size=40, max_size=40))
def test_no_name_is_mathematics_or_breaks_a_picture(names):
    names = [*NASTY, *names]
    picture, axes = blank_picture(1, 1, 5, 12, "names")
    axis = axes[0, 0]
    axis.set_yticks(range(len(names)), map(label, names))
    axis.set_title(label(names[0]))
    for name in NASTY:
        axis.plot([0, 1], [0, 1], label=label(name) or "nameless")
    axis.legend()
    svg = drawn(picture)
    assert "$$" in svg
    assert r"$\unknown$" in svg
    assert "_hidden" in svg


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NAMES)
def test_a_label_is_one_short_line_and_a_text_can_be_written(name):
    assert "\n" not in label(name)
    assert len(label(name).replace(r"\$", "$")) <= 41
    assert writable(name).encode("utf-8") is not None
    assert len(writable(name)) == len(name)
    assert short(name) is not None


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NUMBERS)
def test_every_number_is_written_in_a_few_characters(x):
    for yardstick in (ACCURACY, PERPLEXITY, ERROR):
        assert 0 < len(yardstick.show(x)) <= 12
    assert 0 < len(number(x, "+.1f")) <= 12
    if abs(x) < 1e6:
        assert PERPLEXITY.show(x) == f"{x:.1f}"
        assert ACCURACY.show(x) == f"{x:.1%}"


@FEW
@given(
    st.dictionaries(NAMES, st.lists(NUMBERS, min_size=1, max_size=4), min_size=1, max_size=4),
    st.dictionaries(NAMES, NUMBERS, max_size=3),
)
@pytest.mark.parametrize("yardstick", [ACCURACY, PERPLEXITY, ERROR], ids=lambda y: y.name)
def test_scores_of_any_name_and_number_are_drawn(yardstick, groups, lines):
    assert drawn(plots.scores_figure(groups, yardstick, lines))


def test_an_infinite_perplexity_is_shown_as_such():
    groups = {"this cell": [math.inf, 30.0], "random cells": [math.inf]}
    picture = plots.scores_figure(groups, PERPLEXITY)
    assert "this cell: mean ∞ of 2 networks, from 30.0 to ∞" in picture.alt
    assert "not drawn: ∞" in drawn(picture)
    with pytest.raises(ValueError, match="no network to draw"):
        plots.scores_figure({"this cell": []})


def recording(cells, primitives, splits, losses, weights):
    """A recording of three steps with any names and any numbers for losses and mixture."""
    topologies = tuple(Topology.dense(name, 2, 2) for name in cells)
    space = SearchSpace(name="cnn", primitives=tuple(primitives), cells=topologies)

    def step(index):
        alphas = {c: np.zeros(space.shape(c), "f4") for c in cells}
        mixture = {c: np.full(space.shape(c), weights[index], "f4") for c in cells}
        loss = {split: losses[(index + i) % 3] for i, split in enumerate(splits)}
        return Step(index, 0, loss, {}, {}, alphas, mixture)

    header = Header(kind="search", total=3, seed=0, space=space)
    return Recording(header, tuple(map(step, range(3))))


@FEW
@given(
    st.lists(READ, min_size=1, max_size=2, unique=True),
    st.lists(READ, min_size=1, max_size=3, unique=True),
    st.lists(NAMES, min_size=1, max_size=2, unique=True),
    st.lists(FINITE, min_size=3, max_size=3),
    st.lists(st.sampled_from([0.0, 0.3, math.nan, 1.0]), min_size=3, max_size=3),
    NAMES,
)
def test_a_recording_of_any_names_and_numbers_is_drawn(cells, words, splits, losses, weights, name):
    read = recording(cells, ["none", *(w for w in words if w != "none")], splits, losses, weights)
    assert drawn(plots.heatmap_figure(read.space, read.steps[-1].mixture))
    assert drawn(plots.trajectories_figure(read, cells[0]))
    for yardstick in (ACCURACY, PERPLEXITY):
        assert drawn(plots.losses_figure(read, yardstick))
    # A genotype is derived for these, and knows the words of its space alone.
    known = recording(["normal", "reduce"], ["skip_connect"], splits, losses, weights)
    assert drawn(plots.mixture_figure(known.space, known.steps[-1:], [name]))
    assert drawn(plots.search_figure({name: known, "other": known}))


def test_a_search_that_changed_nothing_is_drawn_without_a_gap():
    still = recording(["normal", "reduce"], ["skip_connect"], ["weights"], [1.0] * 3, [1.0] * 3)
    assert drawn(plots.search_figure({"": still}))


def test_a_running_mean_forgets_a_spike():
    steps = recording(["normal"], ["none"], ["weights"], [1e20, 1.0, 1.0], [0.0] * 3).steps
    many = steps[:1] + (steps[1],) * 30
    assert "to 1.00" in plots.losses_figure(Recording(Header(kind="a", total=9, seed=0), many)).alt


class Rows:
    """As much of a task as a picture of a law needs."""

    test = training = None

    def __init__(self, variables, target, values):
        self.variables, self.targets = tuple(variables), (target,)
        inputs = np.outer(values, np.ones(len(variables)))
        self._table = Table(inputs, np.array(values))

    def parts(self):
        return {"weights": 0, "architecture": 1, "test": 2}

    def table(self, split):
        return self._table


@FEW
@given(
    st.lists(NAMES, min_size=1, max_size=2),
    NAMES,
    st.lists(st.floats(-1e100, 1e100), min_size=4, max_size=4),
    st.lists(NUMBERS.filter(lambda x: not abs(x) > 1e100 or math.isinf(x)), min_size=4, max_size=4),
    st.sampled_from([r"\frac{x}{2}", "$", r"\unknown", "{", "x_{humidity %}", "температура", ""]),
)
def test_a_law_of_any_names_and_numbers_is_drawn(variables, target, values, predicted, latex):
    predictions = dict.fromkeys(("weights", "architecture", "test"), predicted)
    assert drawn(law_figure(Rows(variables, target, values), predictions, latex))


@FEW
@given(st.lists(NUMBERS, max_size=5), st.lists(NUMBERS, max_size=3))
def test_restarts_of_any_error_are_drawn_or_counted(errors, chance):
    if not any(map(math.isfinite, [*errors, *chance])):
        with pytest.raises(ValueError, match="no restart has a finite error"):
            restarts_figure(errors, chance)
        return
    picture = restarts_figure(errors, chance)
    assert drawn(picture)
    lost = sum(not math.isfinite(error) for error in [*errors, *chance])
    assert (f"without a finite error: {lost}" in picture.alt) == bool(lost)


def equation(inputs, nodes):
    """A genotype of an equation: ``nodes`` are the sources of each node's edges."""
    cells = Cell(
        name="equation",
        inputs=inputs,
        keep=None,
        nodes=tuple(tuple(Edge(primitive="linear", source=s) for s in node) for node in nodes),
        combine="sum",
        outputs=tuple(range(inputs, inputs + len(nodes))),
    )
    return Genotype(space="equation", cells=(cells,))


@pytest.mark.parametrize(
    "genotype",
    [
        equation(1, [[0]]),
        equation(1, [[0, 0, 0]]),
        equation(200, [range(200)]),
        equation(2, [[0], [2], [3], [4]] * 1),
        equation(60, [[i] for i in range(60)]),
        equation(2, [range(2 + node) for node in range(20)]),
    ],
    ids=["one", "thrice", "wide", "chain", "rows", "dense"],
)
def test_odd_genotypes_are_drawn_in_seconds(genotype):
    assert drawn(cell_graph.genotype_figure(genotype))
    ElementTree.fromstring(cell_graph.genotype_svg(genotype))


@pytest.mark.parametrize(
    "genotype", [equation(301, [[0]]), equation(1, [[0] * 301]), equation(1, [[0]] * 300)]
)
def test_what_nobody_could_read_is_refused(genotype):
    for draw in (cell_graph.genotype_figure, cell_graph.genotype_svg):
        with pytest.raises(GenotypeError, match="a picture shows at most 300"):
            draw(genotype)


def test_a_space_of_too_many_panels_is_refused():
    read = recording(["normal"], ["none", "tanh"], ["weights"], [1.0] * 3, [0.5] * 3)
    cells = (Topology.dense("normal", 2, 15),)
    wide = Header(
        kind="search", total=3, seed=0, space=read.space.model_copy(update={"cells": cells})
    )
    with pytest.raises(GenotypeError, match="at most 100"):
        plots.trajectories_figure(Recording(wide, read.steps), "normal")
