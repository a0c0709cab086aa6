"""BatchNorm and its derivatives are those of its definition, in float64."""

import pytest
import torch

from dartsedu.spaces.cnn.fast.batch_norm import batch_norm, batch_norm_of_rows, ordinary

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def definition(x, eps):
    mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
    r = (var + eps).rsqrt()
    return (x - mean[:, None, None]) * r[:, None, None], mean, r


@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
def test_first_and_second_derivatives_of_both_outputs(layout):
    torch.manual_seed(0)
    x = torch.randn(3, 2, 2, 3, dtype=torch.float64).contiguous(memory_format=layout) + 1
    torch.testing.assert_close(batch_norm(x, 1e-2), definition(x, 1e-2))
    torch.testing.assert_close(ordinary(x, 1e-2), definition(x, 1e-2))
    x.requires_grad_()

    def function(x):
        y, _, r = batch_norm(x, 1e-2)
        return y, r

    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


@pytest.mark.parametrize("twice", [False, True])
def test_derivatives_of_rows(twice):
    torch.manual_seed(0)
    z = torch.randn(3, 7, dtype=torch.float64) + 1
    found = batch_norm_of_rows(z, 1e-2, twice)
    y, mean, r = definition(z[None, :, :, None], 1e-2)
    torch.testing.assert_close(found, (y[0, :, :, 0], mean[:, None], r[:, None]))
    z.requires_grad_()

    def function(z):
        return batch_norm_of_rows(z, 1e-2, twice)[0]

    assert torch.autograd.gradcheck(function, z)
    assert torch.autograd.gradgradcheck(function, z)


def as_rows(x, eps):
    rows = x.transpose(0, 1).flatten(1)
    return [batch_norm_of_rows(rows, eps, twice=True)[0].view_as(x.transpose(0, 1)).transpose(0, 1)]


@pytest.mark.parametrize("form", [batch_norm, as_rows])
def test_maps_far_from_zero_keep_their_digits(form):
    """In float32, with a mean a thousand times the deviation: against float64."""
    torch.manual_seed(0)
    x = torch.randn(4, 3, 6, 6) + 1000
    toward = torch.randn(2, *x.shape)
    found = []
    for dtype in (torch.float32, torch.float64):
        leaf = x.to(dtype).requires_grad_()
        one, two = toward.to(dtype)
        (slope,) = torch.autograd.grad(form(leaf, 1e-5)[0], leaf, one, create_graph=True)
        (curve,) = torch.autograd.grad(slope, leaf, two)
        found.append((slope.detach().double(), curve.double()))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-3)


def test_channels_last_maps_have_the_right_input_slope():
    """PyTorch 2.13 finds a wrong one, silently, for a γ that is not contiguous: there is none."""
    torch.manual_seed(0)
    x = torch.randn(2, 12, 5, 5).contiguous(memory_format=torch.channels_last).requires_grad_()
    toward = torch.randn(2, 12, 5, 5).contiguous(memory_format=torch.channels_last)
    (found,) = torch.autograd.grad(batch_norm(x, 1e-5)[0], x, toward)
    exact = x.detach().double().requires_grad_()
    (true,) = torch.autograd.grad(definition(exact, 1e-5)[0], exact, toward.double())
    torch.testing.assert_close(found.double(), true, rtol=1e-4, atol=1e-5)


def test_one_value_is_refused():
    with pytest.raises(ValueError, match="batches of at least 2"):
        batch_norm(torch.zeros(1, 3, 1, 1), 1e-5)
