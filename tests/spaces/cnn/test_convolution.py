"""Convolutions and their derivatives are PyTorch's, in float64."""

import pytest
import torch
import torch.nn.functional as F

from dartsedu.spaces.cnn.fast.convolution import How, convolve, separable

GROUPS = {"depthwise": (3, 1, 1), "grouped": (2, 3, 2), "one group": (1, 2, 3)}


def assert_same_derivatives(found, plain, inputs):
    torch.testing.assert_close(found, plain)
    toward, *second = (torch.randn_like(y) for y in (plain, *inputs))
    slopes = [torch.autograd.grad(y, inputs, toward, create_graph=True) for y in (plain, found)]
    torch.testing.assert_close(slopes[1], slopes[0])
    curves = [torch.autograd.grad(slope, inputs, second) for slope in slopes]
    torch.testing.assert_close(curves[1], curves[0])


@pytest.mark.parametrize("groups", GROUPS.values(), ids=GROUPS)
@pytest.mark.parametrize("size", [(6, 6), (5, 7), (4, 3), (1, 2)], ids=str)
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (3, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_every_derivative_is_pytorchs(kernel, stride, dilation, size, groups):
    torch.manual_seed(0)
    number, channels_in, channels_out = groups
    x = torch.randn(2, number * channels_in, *size, dtype=torch.float64, requires_grad=True)
    shape = number * channels_out, channels_in, kernel, kernel
    k = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    padding = dilation * (kernel - 1) // 2
    plain = F.conv2d(x, k, None, stride, padding, dilation, number)
    assert_same_derivatives(convolve(x, k, How(stride, dilation, number)), plain, (x, k))


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2), (2, 2)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("keep", [False, True])
def test_every_derivative_of_a_separable_convolution_is_pytorchs(
    kernel, stride, dilation, relu, keep
):
    torch.manual_seed(0)
    shapes = (2, 6, 5, 7), (6, 1, kernel, kernel), (4, 3, 1, 1)
    inputs = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]
    x, k, point = inputs
    padding = dilation * (kernel - 1) // 2
    d = F.conv2d(x.relu() if relu else x, k, None, stride, padding, dilation, 6)
    plain = F.conv2d(d, point, groups=2)
    found = separable(*inputs, How(stride, dilation, 2), relu, keep)
    assert_same_derivatives(found, plain, inputs)


def test_channels_stay_last_in_every_derivative():
    """Otherwise maps are turned around at every step, which takes longer than what is computed."""
    x = torch.randn(2, 4, 6, 6).contiguous(memory_format=torch.channels_last).requires_grad_()
    for how in (How(1, 1, 4), How(2, 1, 4), How(1, 2, 4)):
        kernel = torch.randn(4, 1, 3, 3, requires_grad=True)
        y = convolve(x, kernel, how)
        slopes = torch.autograd.grad(y, (x, kernel), torch.randn(y.shape), create_graph=True)
        (curve,) = torch.autograd.grad(slopes[1].square().sum(), x)
        for maps in (y, slopes[0], curve):
            assert maps.is_contiguous(memory_format=torch.channels_last)
