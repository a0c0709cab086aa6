"""BatchNorm and its derivatives are those of its definition, in float64."""

import pytest
import torch

from dartsedu.cnn.batch_norm import batch_norm

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def definition(x, gamma, eps):
    centred = x - x.mean(dim=(0, 2, 3), keepdim=True)
    y = centred * (centred.square().mean(dim=(0, 2, 3), keepdim=True) + eps).rsqrt()
    return y if gamma is None else y * gamma.view(-1, 1, 1)


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("with_gamma", [True, False])
def test_first_and_second_derivatives(layout, with_gamma):
    torch.manual_seed(0)
    x = torch.randn(3, 2, 2, 3, dtype=torch.float64).contiguous(memory_format=layout) + 1
    inputs = [x.requires_grad_()]
    if with_gamma:
        inputs.append(torch.rand(2, dtype=torch.float64, requires_grad=True))

    def function(x, gamma=None):
        return batch_norm(x, gamma, 1e-2, None, None)

    torch.testing.assert_close(function(*inputs), definition(x, *inputs[1:] or [None], 1e-2))
    assert torch.autograd.gradcheck(function, inputs)
    assert torch.autograd.gradgradcheck(function, inputs)


def test_the_statistics_are_the_batchs():
    x = torch.randn(3, 2, 4, 5, dtype=torch.float64)
    mean, var = torch.zeros(2, 2, dtype=torch.float64)
    batch_norm(x, None, 1e-5, mean, var)
    rows = x.transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean, rows.mean(dim=1))
    torch.testing.assert_close(var, rows.var(dim=1))


def test_maps_far_from_zero_keep_their_digits():
    """In float32, with a mean a thousand times the deviation: against float64."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, 6, 6) + 1000
    toward = torch.randn(2, *x.shape)
    found = []
    for dtype in (torch.float32, torch.float64):
        leaf = x.to(dtype).requires_grad_()
        one, two = toward.to(dtype)
        (slope,) = torch.autograd.grad(
            batch_norm(leaf, None, 1e-5, None, None), leaf, one, create_graph=True
        )
        (curve,) = torch.autograd.grad(slope, leaf, two)
        found.append((slope.detach().double(), curve.double()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_a_gamma_with_gaps_in_memory_has_the_right_slopes():
    """PyTorch 2.13 finds a wrong input slope, silently, if γ is not contiguous."""
    torch.manual_seed(0)
    x = torch.randn(2, 4, 5, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    gamma = torch.rand(4, 2)[:, 0]
    toward = torch.randn(2, 4, 5, 5).contiguous(memory_format=torch.channels_last)
    (found,) = torch.autograd.grad(batch_norm(x, gamma, 1e-5, None, None), x, toward)
    exact = x.detach().double().requires_grad_()
    (true,) = torch.autograd.grad(definition(exact, gamma.double(), 1e-5), exact, toward.double())
    torch.testing.assert_close(found.double(), true, rtol=1e-4, atol=1e-5)
