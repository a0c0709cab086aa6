"""The tensors of a module are found, and replaced, wherever they stand."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from dartsedu.registry import Registry


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


def test_others_stand_in_all_places_of_a_tensor_until_the_end():
    """As ``functional_call`` has it, and also after an error."""
    one, two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3)
    two.weight = one.weight
    module = nn.Sequential(one, two)
    before = dict(module.named_parameters(remove_duplicate=False))
    others = {p: torch.randn_like(p, requires_grad=True) for p in module.parameters()}
    x = torch.randn(2, 3)
    named = {name: others[p] for name, p in before.items()}
    with pytest.raises(ZeroDivisionError), Registry(module).replaced(others):
        found = module(x) / (1 // 0)
    with Registry(module).replaced(others):
        found = module(x)
    torch.testing.assert_close(found, functional_call(module, named, (x,)), rtol=0, atol=0)
    found.sum().backward()
    assert all(other.grad is not None for other in others.values())
    assert all(p is before[n] for n, p in module.named_parameters(remove_duplicate=False))
    assert all(p.grad is None for p in module.parameters())
