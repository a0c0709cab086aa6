import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

import dartsedu
from dartsedu.derivation import derive
from dartsedu.genotype import random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.show import plots
from dartsedu.show.cell_graph import genotype_figure
from dartsedu.show.layout import arrange
from dartsedu.show.palette import (
    CELL_COLOURS,
    INK,
    PAPERS,
    SOFT,
    SPLIT_COLOURS,
    colour,
    contrast,
    legible,
    looks,
    mixed,
    pale,
    short,
    state_label,
    state_names,
)
from dartsedu.show.scores import scores_figure
from dartsedu.spaces import bench, cnn, equation, rnn
from dartsedu.spaces.cnn import OPERATIONS, cnn_space
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step

PACKAGE = Path(dartsedu.__file__).parent
SPACE = cnn_space(nodes=2)


def step(index, seed):
    random = np.random.default_rng(seed)
    alphas = {c.name: random.normal(size=SPACE.shape(c.name)).astype("f4") for c in SPACE.cells}
    mixture = {n: np.exp(a) / np.exp(a).sum(axis=1, keepdims=True) for n, a in alphas.items()}
    both = {"weights": 2.0 / (index + 1), "architecture": 2.1 / (index + 1)}
    return Step(index, 0, both, {"weights": 0.5, "architecture": 0.4}, {}, alphas, mixture)


RECORDING = Recording(
    Header(kind="search", total=12, seed=0, space=SPACE), tuple(step(i, i) for i in range(12))
)


def every_picture():
    return {
        "genotype": genotype_figure(PUBLISHED["nasnet"]),
        "cells": plots.mixture_figure(SPACE, RECORDING.steps[::6], ["first", "later"]),
        "heatmap": plots.heatmap_figure(SPACE, RECORDING.steps[-1].mixture),
        "trajectories": plots.trajectories_figure(RECORDING, "normal"),
        "losses": plots.losses_figure(RECORDING),
        "search": plots.search_figure({"": RECORDING}),
        "two searches": plots.search_figure({"one": RECORDING, "other": RECORDING}),
        "accuracies": scores_figure({"this cell": [0.9, 0.92], "random cells": [0.8]}),
    }


def test_every_picture_has_alternative_text_and_can_be_saved(tmp_path):
    for name, picture in every_picture().items():
        assert len(picture.alt.split()) >= 8, name
        for form, magic in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")):
            picture.save(tmp_path / f"{name}.{form}")
            assert (tmp_path / f"{name}.{form}").read_bytes().startswith(magic)
        assert picture.render("svg") == picture.render("svg")


def test_a_notebook_shows_a_png_with_its_alternative_text():
    picture = every_picture()["heatmap"]
    data, metadata = picture._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert metadata["image/png"]["alt"] == data["text/plain"] == picture.alt


def test_names_and_colours():
    assert [short(p) for p in OPERATIONS] == [
        "none",
        "max pool 3×3",
        "avg pool 3×3",
        "skip",
        "sep 3×3",
        "sep 5×5",
        "dil 3×3",
        "dil 5×5",
        "sep 7×7",
        "7×1 1×7",
    ]
    assert [state_label(n) for n in state_names(2, 2)] == ["cₖ₋₂", "cₖ₋₁", "0", "1"]
    own = {*cnn.PRIMITIVES, *rnn.PRIMITIVES, *equation.PRIMITIVES, *bench.PRIMITIVES}
    assert set(looks()) == own
    assert [short(p) for p in bench.PRIMITIVES[2:4]] == ["conv 1×1", "conv 3×3"]
    assert colour("anything else")
    labels = [state_label(n) for n in state_names(2, 2, "equation")]
    assert labels == ["x₁", "x₂", "u₁", "u₂"]


@pytest.mark.parametrize(
    "primitives", [cnn.PRIMITIVES, rnn.PRIMITIVES, equation.PRIMITIVES, bench.PRIMITIVES]
)
def test_no_two_primitives_of_a_space_look_alike(primitives):
    assert len({colour(p) for p in primitives}) == len(primitives)


def luminance(hexadecimal):
    channels = [int(hexadecimal[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_have_contrast_on_white_and_on_black():
    for shade in {look.colour for look in looks().values()}:
        on_white = 1.05 / (luminance(shade) + 0.05)
        on_black = (luminance(shade) + 0.05) / (luminance("#111111") + 0.05)
        assert min(on_white, on_black) >= 2.99
        assert contrast(shade, "#ffffff") == pytest.approx(on_white)
        assert contrast("#111111", shade) == pytest.approx(on_black)


@pytest.mark.parametrize(("paper", "ink"), PAPERS.items())
def test_faded_edges_and_text_have_contrast_in_light_and_dark(paper, ink):
    for shade in {colour("anything else"), *(look.colour for look in looks().values())}:
        assert contrast(mixed(shade, paper, pale(shade)), paper) >= 2
        assert contrast(mixed(shade, ink, legible(shade)), paper) >= 4.5
    assert contrast(INK, "#ffffff") >= 4.5
    assert contrast(SOFT, "#ffffff") >= 4.5


def test_what_is_no_operation_has_no_colour_of_one():
    neutral = {INK, SOFT, *SPLIT_COLOURS.values(), *CELL_COLOURS}
    assert neutral.isdisjoint({look.colour for look in looks().values()} - {colour("unknown")})
    style = (PACKAGE / "dashboard/dashboard.css").read_text()
    assert set(re.findall("#[0-9a-f]{3,6}", style)) <= {"#d22"}  # of a failure


@pytest.mark.parametrize(("paper", "ink"), [("#ffffff", "#000000"), ("#111111", "#ffffff")])
def test_inks_of_the_live_view_have_contrast(paper, ink):
    style = (PACKAGE / "dashboard/dashboard.css").read_text()
    soft = int(re.search(r"--soft: color-mix\(in srgb, var\(--ink\) (\d+)%", style)[1])
    head = re.search(r"-head \{ fill: color-mix\(in srgb, var\(--ink\) (\d+)%", style)
    panel = mixed(ink, paper, 5)
    assert min(contrast(mixed(ink, paper, soft), on) for on in (paper, panel)) >= 4.5
    assert contrast(mixed(ink, paper, int(head[1])), paper) >= 2
    sizes = {int(size) for size in re.findall(r"--text: (\d+)px", style)}
    assert min(sizes) - 1 >= 12
    assert max(sizes) <= 18


def test_strands_are_as_wide_as_their_shares_and_kept_edges_are_outlined():
    last = RECORDING.steps[-1]
    picture = plots.mixture_figure(SPACE, [last], ["end"])
    lines = [p for p in picture.axes[0].patches if isinstance(p, PathPatch)]
    inks = [to_hex(line.get_edgecolor()) for line in lines]
    kept = {(edge.source, state) for state, edge in derive(SPACE, last.alphas)["normal"].edges}
    edges = SPACE["normal"].edges
    assert inks.count(INK) == len(kept) < len(edges)
    count = len(SPACE.primitives)
    place = 0
    for link, weights in zip(edges, last.mixture["normal"], strict=True):
        place += 2 * (tuple(link) in kept)
        widths = np.array([line.get_linewidth() for line in lines[place : place + count]])
        np.testing.assert_allclose(widths / widths.sum(), weights, rtol=1e-4)
        strongest = SPACE.primitives[int(weights.argmax())]
        full = inks[place + int(weights.argmax())] == colour(strongest)
        assert full == (tuple(link) in kept and strongest != "none")
        place += count
    assert place == len(lines)


def test_before_the_first_step_all_strands_are_alike():
    picture = plots.even_figure(SPACE)
    widths = {
        round(p.get_linewidth(), 6) for p in picture.axes[0].patches if isinstance(p, PathPatch)
    }
    assert len(widths) == 1
    assert "before the first step" in picture.alt


@pytest.mark.parametrize("nodes", [1, 2, 4, 7])
def test_layout_goes_from_left_to_right_and_no_two_states_meet(nodes):
    for seed in range(20):
        cell = random_genotype(cnn_space(nodes), seed)["normal"]
        links = [(edge.source, state) for state, edge in cell.edges]
        plan = arrange(2, nodes, links)
        assert all(plan.states[source].x < plan.states[target].x for source, target in links)
        assert len({*plan.states, plan.output}) == nodes + 3
        ends = [(curve.start, curve.end) for curve in plan.curves]
        assert ends == [(plan.states[source], plan.states[target]) for source, target in links]
