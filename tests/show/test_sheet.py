"""Cells drawn to size: nothing lies on anything that is to be read."""

from itertools import combinations

import numpy as np
import pytest

from dartsedu.genotype import random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.show.palette import brief, output_label, state_label, state_names
from dartsedu.show.sheet import Box, Drawn, lay_out
from dartsedu.spaces.cnn import cnn_space
from dartsedu.topology import Topology

WIDTHS = (290, 390, 700)


def drawn(cell, links, texts):
    nodes = cell.nodes if isinstance(cell, Topology) else len(cell.nodes)
    names = [state_label(name) for name in state_names(cell.inputs, nodes, cell.name)]
    names = (*names, output_label(cell.name))
    return Drawn(cell.inputs, nodes, tuple(links), names, tuple(map(len, texts)))


def genotype_cell(cell):
    links = [(edge.source, state) for state, edge in cell.edges]
    return drawn(cell, links, [brief(edge.primitive) for _, edge in cell.edges])


def random_cell(seed):
    """A discrete cell, or one before anything is chosen with some predecessors left out."""
    random = np.random.default_rng(seed)
    nodes = 1 + seed % 5
    if seed % 2:
        return genotype_cell(random_genotype(cnn_space(nodes), seed)["normal"])
    predecessors = []
    for node in range(nodes):
        some = random.choice(2 + node, size=random.integers(1, 3 + node), replace=False)
        predecessors.append(tuple(sorted(some.tolist())))
    cell = Topology(name="normal", inputs=2, predecessors=tuple(predecessors), keep=1)
    return drawn(cell, cell.edges, ["max 3×3"] * len(cell.edges))


def check(cell, sheet):
    """No label, state or arrowhead lies on another; all of it lies on the sheet."""
    labels = [("label", way.label) for way in sheet.ways if way.label is not None]
    heads = [("head", way.head_box) for way in sheet.ways]
    every = [*labels, *heads, *(("state", box) for box in sheet.states)]
    for (one, a), (other, b) in combinations(every, 2):
        assert not a.meets(b, -0.01), (cell, one, a, other, b)
    for _, box in every:
        assert box.x - box.width / 2 >= -0.01
        assert box.x + box.width / 2 <= sheet.width + 0.01
        assert box.y - box.height / 2 >= -0.01
        assert box.y + box.height / 2 <= sheet.height + 0.01


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_lies_on_anything_in_published_cells(width):
    for genotype in PUBLISHED.values():
        for cell in genotype.cells:
            given = genotype_cell(cell)
            sheet = lay_out(given, width, 190, 12)
            check(given, sheet)
            lost = sum(way.label is None for way in sheet.ways)
            assert lost <= (0 if width >= 700 else 4), (cell.name, lost)


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_lies_on_anything_in_random_cells(width):
    lost = total = 0
    for seed in range(200):
        given = random_cell(seed)
        sheet = lay_out(given, width, 190, 12)
        check(given, sheet)
        lost += sum(way.label is None for way in sheet.ways)
        total += len(sheet.ways)
    assert lost <= 0.25 * total


def test_a_large_sheet_for_projectors_and_one_that_is_too_small():
    for width, height in ((400, 230), (40, 30)):
        given = random_cell(8)
        sheet = lay_out(given, width, height, 17, 20)
        check(given, sheet)
        assert sheet.font == 17


def test_two_edges_between_the_same_states_run_apart():
    sheet = lay_out(Drawn(1, 1, ((0, 1), (0, 1)), ("a", "0", "out"), (4, 4)), 300, 190, 12)
    one, other = (way.curve for way in sheet.ways)
    assert abs(one.control.y - other.control.y) > sheet.bundle


def test_boxes_meet_where_they_have_a_point_in_common():
    box = Box(0, 0, 10, 4)
    assert box.meets(Box(9, 3, 10, 4))
    assert not box.meets(Box(11, 0, 10, 4))
    assert box.meets(Box(11, 0, 10, 4), 2)
