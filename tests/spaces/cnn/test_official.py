"""Official checkpoints: a reading of the authors' layout, written out here independently."""

import re

import numpy as np
import pytest
import torch

from dartsedu.published import PUBLISHED
from dartsedu.spaces.cnn import PRIMITIVES, CNNNetwork, CNNSupernet, cnn_space

CELLS = ("nasnet", "amoebanet", "darts-v1", "darts-v2")


def norm(prefix, channels, affine):
    """BatchNorm's entries as PyTorch 0.3 wrote them: no counter."""
    names = ["weight", "bias"] if affine else []
    return {f"{prefix}.{n}": (channels,) for n in [*names, "running_mean", "running_var"]}


def operation(prefix, primitive, c, stride, affine):
    """Shapes by key of one operation in the authors' ``operations.py``."""
    if primitive.startswith(("sep", "dil")):
        k = int(primitive[-1])
        halves = (
            [("1", "2", "3"), ("5", "6", "7")] if primitive.startswith("sep") else [("1", "2", "3")]
        )
        shapes = {}
        for depthwise, pointwise, bn in halves:
            shapes[f"{prefix}.op.{depthwise}.weight"] = (c, 1, k, k)
            shapes[f"{prefix}.op.{pointwise}.weight"] = (c, c, 1, 1)
            shapes |= norm(f"{prefix}.op.{bn}", c, affine)
        return shapes
    if primitive == "conv_7x1_1x7":
        return {
            f"{prefix}.1.weight": (c, c, 1, 7),
            f"{prefix}.2.weight": (c, c, 7, 1),
            **norm(f"{prefix}.3", c, affine),
        }
    if primitive == "skip_connect" and stride == 2:
        return reduce(prefix, c, c, affine)
    return {}


def reduce(prefix, c_in, c_out, affine):
    return {
        f"{prefix}.conv_1.weight": (c_out // 2, c_in, 1, 1),
        f"{prefix}.conv_2.weight": (c_out // 2, c_in, 1, 1),
        **norm(f"{prefix}.bn", c_out, affine),
    }


def preprocess(prefix, before, previous, c, reduced, affine):
    first = (
        reduce(f"{prefix}.preprocess0", before, c, affine)
        if reduced
        else {
            f"{prefix}.preprocess0.op.1.weight": (c, before, 1, 1),
            **norm(f"{prefix}.preprocess0.op.2", c, affine),
        }
    )
    return first | {
        f"{prefix}.preprocess1.op.1.weight": (c, previous, 1, 1),
        **norm(f"{prefix}.preprocess1.op.2", c, affine),
    }


def official_network(name, c, layers, classes):
    """Shapes by key of ``NetworkCIFAR(c, classes, layers, True, genotype)``."""
    genotype = PUBLISHED[name]
    shapes = {"stem.0.weight": (3 * c, 3, 3, 3), **norm("stem.1", 3 * c, True)}
    before = previous = 3 * c
    reduced = False
    for i in range(layers):
        reducing = i in (layers // 3, 2 * layers // 3)
        c = 2 * c if reducing else c
        cell = genotype["reduce" if reducing else "normal"]
        shapes |= preprocess(f"cells.{i}", before, previous, c, reduced, True)
        for k, (_, edge) in enumerate(cell.edges):
            stride = 2 if reducing and edge.source < 2 else 1
            shapes |= operation(f"cells.{i}._ops.{k}", edge.primitive, c, stride, True)
        before, previous, reduced = previous, len(cell.outputs) * c, reducing
        if i == 2 * layers // 3:
            shapes |= {
                "auxiliary_head.features.2.weight": (128, previous, 1, 1),
                **norm("auxiliary_head.features.3", 128, True),
                "auxiliary_head.features.5.weight": (768, 128, 2, 2),
                **norm("auxiliary_head.features.6", 768, True),
                "auxiliary_head.classifier.weight": (classes, 768),
                "auxiliary_head.classifier.bias": (classes,),
            }
    return shapes | {"classifier.weight": (classes, previous), "classifier.bias": (classes,)}


def filled(shapes):
    torch.manual_seed(1)
    return {key: torch.rand(shape) + 0.5 for key, shape in shapes.items()}


@pytest.mark.parametrize("name", CELLS)
def test_every_official_tensor_finds_its_place(name):
    state = filled(official_network(name, 4, 6, 10))
    network = CNNNetwork(PUBLISHED[name], channels=4, cells=6, auxiliary=True)
    network.load_official(state)
    own = network.state_dict()
    loaded = {k: v for k, v in own.items() if not k.endswith("num_batches_tracked")}
    assert len(loaded) == len(state)
    torch.testing.assert_close(
        sorted(float(v.sum()) for v in loaded.values()),
        sorted(float(v.sum()) for v in state.values()),
    )
    some = "cells.0._ops.0.op.2.weight" if name != "amoebanet" else "cells.0._ops.2.op.2.weight"
    k = re.search(r"_ops\.(\d)", some)[1]
    torch.testing.assert_close(network.cells[0].operations[int(k)][2].weight, state[some])
    torch.testing.assert_close(
        network.cells[3].preprocess[0].odd.weight, state["cells.3.preprocess0.conv_2.weight"]
    )


def test_search_network_loads_with_alphas():
    c, shapes = 4, {"stem.0.weight": (12, 3, 3, 3), **norm("stem.1", 12, True)}
    before = previous = 12
    reduced = False
    for i in range(3):
        reducing = i in (1, 2)
        c = 2 * c if reducing else c
        shapes |= preprocess(f"cells.{i}", before, previous, c, reduced, False)
        edges = [(j, n) for n in range(4) for j in range(2 + n)]
        for e, (source, _) in enumerate(edges):
            stride = 2 if reducing and source < 2 else 1
            for o, primitive in enumerate(PRIMITIVES):
                prefix = f"cells.{i}._ops.{e}._ops.{o}"
                shapes |= operation(prefix, primitive, c, stride, False)
                if "pool" in primitive:
                    shapes |= norm(f"{prefix}.1", c, False)
        before, previous, reduced = previous, 4 * c, reducing
    shapes |= {"classifier.weight": (10, previous), "classifier.bias": (10,)}
    state = filled(shapes)
    supernet = CNNSupernet(cnn_space(), channels=4, cells=3)
    supernet.load_official(state)
    torch.testing.assert_close(
        supernet.cells[2].edges[13].operations[7][2].weight,
        state["cells.2._ops.13._ops.7.op.2.weight"],
    )
    assert not supernet.alphas["normal"].any()
    supernet.load_official(state | {"alphas_normal": torch.ones(14, 8)})
    assert bool(supernet.alphas["normal"].all())


SHELLS = ("", "module.", "_orig_mod.", "module.module.", "module._orig_mod.", "_orig_mod.module.")
AROUND = (None, "state_dict", "model", "model_state_dict", "net", "network")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("around", AROUND)
def test_wrappers_counters_and_the_auxiliary_head_are_optional(shell, around):
    network = CNNNetwork(PUBLISHED["darts-v2"], channels=4, cells=3)
    state = filled(official_network("darts-v2", 4, 3, 10))
    given = {shell + key: value for key, value in state.items()}
    if around is not None:
        given = {"epoch": 3, "best": torch.tensor(0.9), "optimizer": {"state": {}}, around: given}
    network.load_official(given)
    torch.testing.assert_close(network.stem[0].weight, state["stem.0.weight"])


def test_a_part_that_was_compiled_by_itself_finds_its_place():
    network, state = (CNNNetwork(PUBLISHED["darts-v1"], channels=4, cells=3) for _ in range(2))
    state.cells[1] = torch.compile(state.cells[1])  # Never called: nothing is compiled.
    assert any("._orig_mod." in key for key in state.state_dict())
    network.load_official(state.state_dict())
    for ours, theirs in zip(network.parameters(), state.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1, 2], "no state_dict but a list"),
        (None, "no state_dict but a NoneType"),
        (torch.zeros(3), "no state_dict but a Tensor"),
        (torch.nn.Linear(2, 2), r"a whole model; give its weights, model.state_dict\(\)"),
        ({"model": torch.nn.Linear(2, 2)}, "a whole model"),
        ({"epoch": 3}, "its entry 'epoch' is a int; expected tensors by name"),
        ({"ema": {"stem.0.weight": torch.zeros(1)}}, "its entry 'ema' is a dict"),
        ({"stem.0.weight": np.zeros(1)}, "is a ndarray; expected tensors by name"),
        ({3: torch.zeros(1)}, "its entry 3 is"),
        (
            {"module.stem.0.weight": torch.zeros(1), "stem.0.weight": torch.ones(1)},
            "has stem.0.weight twice",
        ),
        ({}, "missing, such as"),
    ],
)
def test_what_is_no_state_dict_is_refused_with_a_sentence(given, words):
    network = CNNNetwork(PUBLISHED["darts-v2"], channels=4, cells=3)
    with pytest.raises(ValueError, match=words):
        network.load_official(given)


def test_a_state_that_does_not_fit_changes_nothing_and_is_explained():
    network = CNNNetwork(PUBLISHED["darts-v2"], channels=4, cells=6)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    state = filled(official_network("darts-v2", 4, 6, 100))
    state.pop("stem.0.weight")
    state["extra"] = torch.zeros(1)
    words = "1 missing, such as stem.0.weight; 1 left over, such as extra; 2 of another shape"
    with pytest.raises(ValueError, match=words):
        network.load_official(state)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
