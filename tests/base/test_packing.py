"""What is packed comes back, through a file that runs no code."""

import torch
from torch import nn

from dartsedu.base.packing import Joined, Packed, as_vector, pack, unpack


def test_a_state_comes_back_through_a_file(tmp_path):
    state = {
        "w": [torch.randn(2, 3), torch.tensor(7), torch.empty(0)],
        "group": {"betas": (0.5, 0.999), "none": None, 3: torch.randn(4, dtype=torch.float64)},
        "strided": torch.randn(4, 6)[::2, 1::2],
    }
    packed = pack(state)
    assert sorted(map(str, packed.tensors)) == ["torch.float32", "torch.float64", "torch.int64"]
    torch.save(tuple(packed), tmp_path / "state.pt")
    found = unpack(Packed(*torch.load(tmp_path / "state.pt", weights_only=True)))
    for one, two in zip(state["w"], found["w"], strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
    assert torch.equal(found["strided"], state["strided"])
    assert torch.equal(found["group"].pop(3), state["group"].pop(3))
    assert found["group"] == state["group"]


def test_what_was_not_packed_is_left_alone():
    state = {"w": torch.ones(2), "done": 3}
    assert unpack(Packed(state, {}, {}))["w"] is state["w"]


def test_to_move_a_vector_moves_its_parts_wherever_they_have_been_put():
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4)).double()
    start = as_vector(module.parameters()).detach().clone()
    joined = Joined(module.parameters())
    assert torch.equal(joined.vector, start)
    with torch.no_grad():
        joined.vector += 1
    assert torch.equal(as_vector(module.parameters()), start + 1)

    module.float()
    for parameter in module.parameters():
        parameter.data = parameter.data.clone()
    joined.gather()
    with torch.no_grad():
        joined.vector *= 2
    torch.testing.assert_close(as_vector(module.parameters()), 2 * (start + 1).float())
