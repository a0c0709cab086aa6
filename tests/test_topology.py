import pytest
from pydantic import ValidationError

from dartsedu.topology import SearchSpace, Topology


def test_published_cell_has_fourteen_edges_in_node_order():
    cell = Topology.dense("normal", inputs=2, nodes=4)
    assert len(cell.edges) == 14
    assert cell.edges[:5] == ((0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    assert [list(cell.rows(node)) for node in range(3)] == [[0, 1], [2, 3, 4], [5, 6, 7, 8]]


def test_any_acyclic_graph_is_a_topology():
    chain = Topology(name="chain", inputs=1, predecessors=((0,), (1,), (0, 2)), keep=1)
    assert chain.edges == ((0, 1), (1, 2), (0, 3), (2, 3))


@pytest.mark.parametrize(
    ("predecessors", "words"),
    [
        (((),), "expected at least one"),
        (((0, 0),), "none twice"),
        (((1, 0),), "ascending"),
        (((2,),), "earlier states, 0 to 1"),
        (((-1, 0),), "earlier states"),
    ],
)
def test_other_graphs_are_refused_with_a_reason(predecessors, words):
    with pytest.raises(ValidationError, match=words):
        Topology(name="bad", inputs=2, predecessors=predecessors)


def test_space_knows_the_shape_of_alpha_and_refuses_doubles():
    cells = (Topology.dense("a", 2, 2), Topology.dense("b", 1, 3))
    space = SearchSpace(name="toy", primitives=("none", "skip"), cells=cells)
    assert space.shape("a") == (5, 2)
    assert space.shape("b") == (6, 2)
    with pytest.raises(KeyError, match="it has: a, b"):
        space["c"]
    with pytest.raises(ValidationError, match=r"each primitive may be named once.*skip"):
        SearchSpace(name="toy", primitives=("skip", "skip"), cells=cells)


def test_space_survives_json():
    space = SearchSpace(name="toy", primitives=("none",), cells=(Topology.dense("a"),))
    assert SearchSpace.model_validate_json(space.model_dump_json()) == space
