"""Derivation as strength, what a node keeps, and what is amended: rules that belong to a method."""

import numpy as np
import pytest

from dartsedu.derivation import METHOD_RULES, RULES, derive, rules
from dartsedu.spaces.cnn import cnn_space

PRIMITIVES = ("none", "skip_connect", "sep_conv_3x3")


def alphas(normal, nodes=2):
    space = cnn_space(nodes=nodes, primitives=PRIMITIVES)
    given = np.zeros(space.shape("normal"))
    given[:] = np.log(normal)
    return space, {"normal": given, "reduce": given.copy()}


def edges(space, given, rule, cell="normal"):
    return [
        [(e.primitive, e.source) for e in node] for node in derive(space, given, rule)[cell].nodes
    ]


P = [
    # none, skip, convolution: shares of five edges, 0→2, 1→2, 0→3, 1→3, 2→3.
    [0.1, 0.6, 0.3],
    [0.1, 0.5, 0.4],
    [0.2, 0.7, 0.1],
    [0.3, 0.2, 0.5],
    [0.1, 0.45, 0.45],
]


def test_a_third_skip_connection_gives_way():
    """The paper's rule keeps skips 0.6 and 0.5 at the first node, 0.7 at the second. The weakest,
    0.5, loses its strength, and its edge takes the convolution of 0.4."""
    space, given = alphas(P)
    assert edges(space, given, "paper") == [
        [("skip_connect", 0), ("skip_connect", 1)],
        [("skip_connect", 0), ("sep_conv_3x3", 1)],
    ]
    assert edges(space, given, "two-skips") == [
        [("skip_connect", 0), ("sep_conv_3x3", 1)],
        [("skip_connect", 0), ("sep_conv_3x3", 1)],
    ]
    # The limit is the first cell's.
    assert edges(space, given, "two-skips", "reduce") == edges(space, given, "paper", "reduce")


def test_a_node_may_take_another_edge_when_its_skip_loses_strength():
    """Of three skips at the second node, the weakest has hardly anything else to offer."""
    shares = [
        [0.1, 0.1, 0.8],
        [0.1, 0.8, 0.1],
        [0.1, 0.65, 0.25],
        [0.25, 0.7, 0.05],
        [0.1, 0.2, 0.7],
    ]
    space, given = alphas(shares)
    given["normal"][4] = np.log([0.6, 0.1, 0.3])
    assert edges(space, given, "paper")[1] == [("skip_connect", 1), ("skip_connect", 0)]
    assert edges(space, given, "two-skips")[1] == [("skip_connect", 1), ("sep_conv_3x3", 2)]


def test_the_number_of_skips_never_rises_and_is_at_most_two():
    generator = np.random.default_rng(0)
    for _ in range(100):
        space = cnn_space(nodes=4, primitives=PRIMITIVES)
        given = {c.name: generator.standard_normal(space.shape(c.name)) for c in space.cells}
        paper, limited = (derive(space, given, rule)["normal"] for rule in ("paper", "two-skips"))
        assert limited.count("skip_connect") <= min(2, paper.count("skip_connect"))
        if paper.count("skip_connect") <= 2:
            assert limited == paper


def test_an_edge_with_nothing_but_a_skip_to_offer_keeps_it():
    space = cnn_space(nodes=2, primitives=("none", "skip_connect"))
    given = {c.name: np.zeros(space.shape(c.name)) for c in space.cells}
    assert derive(space, given, "two-skips")["normal"].count("skip_connect") == 4


def test_softmax_of_alpha_may_choose_other_edges_than_the_mean_of_a_dirichlet():
    """Within an edge they rank alike; across edges β / Σβ is flatter for large α."""
    space = cnn_space(nodes=2, primitives=("skip_connect", "sep_conv_3x3"))
    space = space.model_copy(update={"relaxation": "dirichlet"})
    given = {c.name: np.zeros(space.shape(c.name)) for c in space.cells}
    # softmax: 0.88 and 0.82; β/Σβ with β = (4, 2) and (1, e^−1.5): 0.67 and 0.82.
    given["normal"][2:] = [[3.0, 1.0], [0.0, -1.5], [2.9, 1.0]]
    assert edges(space, given, "softmax-alpha")[1] == [("skip_connect", 0), ("skip_connect", 2)]
    assert edges(space, given, "paper")[1] == [("skip_connect", 1), ("skip_connect", 0)]


@pytest.mark.parametrize("relaxation", ["softmax", "sigmoid"])
def test_in_a_space_of_softmax_it_is_the_papers_rule(relaxation):
    generator = np.random.default_rng(1)
    space = cnn_space(nodes=3, primitives=PRIMITIVES).model_copy(update={"relaxation": relaxation})
    given = {c.name: 2 * generator.standard_normal(space.shape(c.name)) for c in space.cells}
    plain = cnn_space(nodes=3, primitives=PRIMITIVES)
    assert derive(space, given, "softmax-alpha") == derive(plain, given, "paper")


def test_every_rule_has_one_name():
    assert rules().keys() == RULES.keys() | METHOD_RULES.keys()
    assert not RULES.keys() & METHOD_RULES.keys()
