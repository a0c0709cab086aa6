"""The tensors of a module are found, and replaced, wherever they stand."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from dartsedu.base.registry import Registry


def test_a_registry_has_the_state_dict_at_any_time():
    """With a module in two places, a buffer that is not saved, and a buffer that is replaced."""
    shared = nn.BatchNorm1d(2)
    module = nn.Sequential(nn.Linear(3, 2, bias=False), shared, shared)
    module.register_buffer("passing", torch.ones(1), persistent=False)
    registry = Registry(module)
    shared.running_mean = torch.randn(2)
    module.load_state_dict({k: torch.ones_like(v) for k, v in module.state_dict().items()})
    found, expected = registry.state(), module.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


def test_a_registry_has_the_named_parameters():
    one = nn.Linear(3, 3, bias=False)
    module = nn.Sequential(one, nn.BatchNorm1d(3), nn.Linear(3, 3), one)
    module[2].weight = one.weight
    found, expected = Registry(module).parameters(), dict(module.named_parameters())
    assert list(found) == list(expected)
    assert all(found[name] is parameter for name, parameter in expected.items())


def test_a_packed_state_is_taken_up_by_another_module_and_only_by_its_like(tmp_path):
    def make(width=2):
        return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 1))

    module, other = make(), make()
    module(torch.randn(4, 3))  # BatchNorm counts a batch, in a dtype of its own.
    torch.save(Registry(module).pack(), tmp_path / "state.pt")
    packed = torch.load(tmp_path / "state.pt", weights_only=True)
    assert len(packed) == 3
    Registry(other).unpack(packed)
    for name, tensor in module.state_dict().items():
        assert torch.equal(other.state_dict()[name], tensor)
    with pytest.raises(ValueError, match=r"0\.weight \[2, 3\] where 0\.weight \[5, 3\] was exp"):
        Registry(make(5)).unpack(packed)
    with pytest.raises(ValueError, match=r"it has 1\.weight \[2\] where nothing was expected"):
        Registry(make()[:1]).unpack(packed)
    renamed = nn.Sequential(*make()[:2], nn.Sequential(make()[2]))
    with pytest.raises(ValueError, match=r"2\.weight \[1, 2\] where 2\.0\.weight \[1, 2\] was"):
        Registry(renamed).unpack(packed)


def test_others_stand_in_all_places_of_a_tensor_until_the_end():
    """As ``functional_call`` has it, and also after an error."""
    one, two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3)
    two.weight = one.weight
    module = nn.Sequential(one, two)
    before = dict(module.named_parameters(remove_duplicate=False))
    others = {n: torch.randn_like(p, requires_grad=True) for n, p in module.named_parameters()}
    x = torch.randn(2, 3)
    with pytest.raises(ZeroDivisionError), Registry(module).replaced(others):
        found = module(x) / (1 // 0)
    with Registry(module).replaced(others):
        found = module(x)
    torch.testing.assert_close(found, functional_call(module, others, (x,)), rtol=0, atol=0)
    found.sum().backward()
    assert all(other.grad is not None for other in others.values())
    assert all(p is before[n] for n, p in module.named_parameters(remove_duplicate=False))
    assert all(p.grad is None for p in module.parameters())
