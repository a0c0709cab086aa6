"""Spaces whose parameters are empty, or that have none, are searched and resumed like any other."""

import torch
from comparison import same_step
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from dartsedu.base.packing import Joined, as_vector
from dartsedu.data.tasks import load_task
from dartsedu.presets import load_preset
from dartsedu.relaxation import Outcome, Supernet
from dartsedu.search import Search
from dartsedu.spaces.equation.operations import OPERATIONS
from dartsedu.spaces.equation.supernet import EquationSupernet, Output, equation_space
from dartsedu.topology import SearchSpace, Topology

ARCHITECTS = st.sampled_from(["first-order", "finite-difference", "exact"])
SETTINGS = load_preset("equation", ["search.epochs=3"]).search
TASK = load_task("weber-fechner")


def chosen(architect, clip=None):
    weights = SETTINGS.weights.model_copy(update={"clip": clip})
    changes = {"architect": architect, "virtual_momentum": True, "weights": weights}
    return SETTINGS.model_copy(update=changes)


def check_that_it_resumes(make, path):
    """Three steps are what two, a checkpoint and a third are."""
    whole, begun = list(make()), make()
    next(begun)
    next(begun)
    begun.save(path)
    assert len(whole) == 3
    assert same_step(whole[2], next(make().load(path)))


@given(
    primitives=st.lists(st.sampled_from(["none", *OPERATIONS]), min_size=1, max_size=3, unique=True)
    .filter(lambda names: names != ["none"])
    .map(tuple),
    output=st.builds(Output, *map(st.just, ("real", 1)), st.booleans(), st.booleans()),
    relaxation=st.sampled_from(["softmax", "sigmoid"]),
    architect=ARCHITECTS,
    clip=st.sampled_from([None, 5.0]),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_equations_of_any_primitives(
    tmp_path_factory, primitives, output, relaxation, architect, clip
):
    def make():
        torch.manual_seed(0)
        space = equation_space(len(TASK.variables), 2, primitives, relaxation)
        supernet = EquationSupernet(space, restarts=2, output=output, output_decay=0.1)
        return Search(supernet, TASK, chosen(architect, clip))

    check_that_it_resumes(make, tmp_path_factory.mktemp("run") / "c.pt")


class Nothing(Supernet):
    """The loss is a parabola of α; there is no operation weight."""

    def loss(self, batch, mixture=None):
        weights = (self.mixture() if mixture is None else mixture)["cell"]
        return Outcome((weights - 0.3).square().sum())


@given(architect=ARCHITECTS)
@settings(derandomize=True, deadline=None)
def test_a_supernet_without_weights(tmp_path_factory, architect):
    cell = Topology.dense("cell", inputs=1, nodes=2, keep=1, combine="sum")
    space = SearchSpace(name="toy", primitives=("none", "a"), cells=(cell,))

    def make():
        torch.manual_seed(0)
        return Search(Nothing(space, alpha_scale=1.0), TASK, chosen(architect))

    check_that_it_resumes(make, tmp_path_factory.mktemp("run") / "c.pt")


@given(sizes=st.lists(st.integers(0, 2), max_size=5), moved=st.booleans())
@settings(derandomize=True, deadline=None)
def test_to_move_the_vector_moves_its_parts_however_empty(sizes, moved):
    parts = [nn.Parameter(torch.randn(size, 2, dtype=torch.float64)) for size in sizes]
    joined = Joined(parts)
    if moved:
        for part in parts:
            part.data = part.data.clone()
        joined.gather()
    before = as_vector(parts).detach().clone()
    with torch.no_grad():
        joined.vector += 1
    assert torch.equal(as_vector(parts), before + 1)
    assert joined.vector.numel() == 2 * sum(sizes)
