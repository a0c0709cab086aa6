import numpy as np
import pytest

from dartsedu.genotype import random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.show import plots
from dartsedu.show.cell_graph import genotype_figure
from dartsedu.show.layout import arrange
from dartsedu.show.palette import colour, looks, short, state_label, state_names
from dartsedu.show.scores import scores_figure
from dartsedu.spaces import cnn, equation, rnn
from dartsedu.spaces.cnn import OPERATIONS, cnn_space
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step

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
    assert set(looks()) == {*cnn.PRIMITIVES, *rnn.PRIMITIVES, *equation.PRIMITIVES}
    assert colour("anything else")
    labels = [state_label(n) for n in state_names(2, 2, "equation")]
    assert labels == ["x₁", "x₂", "u₁", "u₂"]


@pytest.mark.parametrize("primitives", [cnn.PRIMITIVES, rnn.PRIMITIVES, equation.PRIMITIVES])
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


def test_thickness_is_the_mixture_weight():
    """The thickest curve of the picture belongs to the largest weight."""
    last = RECORDING.steps[-1]
    picture = plots.mixture_figure(SPACE, [last], ["end"])
    arrows = [p for p in picture.axes[0].patches if hasattr(p, "get_arrowstyle")]
    weights = last.mixture["normal"][:, 1:].max(axis=1)
    widths = np.array([arrow.get_linewidth() for arrow in arrows])
    np.testing.assert_allclose(widths, 0.5 + 12 * weights, rtol=1e-6)
    assert [a.get_alpha() for a in arrows[:2]] == [1.0, 1.0]
    assert sum(a.get_alpha() < 1 for a in arrows) == 1


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
