"""The fast form of the mixed cell against the plain one and against numbers."""

import pytest
import torch

from dartsedu.data.text import TextBatch
from dartsedu.spaces.rnn import PRIMITIVES, Dropout, RNNSupernet, fast, rnn_space

DROPOUT = Dropout(words=0.1, embedding=0.2, input=0.3, hidden=0.25, output=0.2)


def make(primitives=PRIMITIVES, nodes=4, dropout=DROPOUT):
    torch.manual_seed(0)
    net = RNNSupernet(
        rnn_space(nodes, primitives),
        words=20,
        hidden=5,
        dropout=dropout,
        activation=0.1,
        slowness=0.1,
        alpha_scale=1.0,
    ).double()
    for weight in net.weights().values():
        torch.nn.init.normal_(weight, std=0.5)
    return net


def batch():
    text = torch.randint(20, (8, 6))
    hidden = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    return TextBatch(text[:-1], text[1:], False, 7, hidden)


def both(net, function):
    """What ``function`` gives with the plain and with the fast form, from the same start."""
    found = []
    for form in (False, True):
        net.fast = form
        net.core.norm.reset_running_stats()
        torch.manual_seed(3)
        found.append(function())
    return found


@pytest.mark.parametrize("nodes", [1, 2, 5])
@pytest.mark.parametrize("dropout", [DROPOUT, Dropout()])
@pytest.mark.parametrize(
    "primitives", [PRIMITIVES, ("relu", "none", "identity"), ("tanh",), ("identity", "sigmoid")]
)
def test_loss_gradients_and_statistics_are_the_plain_forms(primitives, dropout, nodes):
    net, text = make(primitives, nodes, dropout), batch()
    wanted = [*net.parameters(), text.hidden]

    def pass_():
        outcome = net.loss(text)
        slopes = torch.autograd.grad(outcome.objective, wanted)
        norm = net.core.norm
        kept = norm.running_mean.clone(), norm.running_var.clone(), norm.num_batches_tracked.clone()
        return [outcome.loss, outcome.carried, *slopes, *kept]

    plain, quick = both(net, pass_)
    for a, b in zip(plain, quick, strict=True):
        torch.testing.assert_close(b, a, rtol=1e-11, atol=1e-14)
    assert int(quick[-1]) == 7 * (nodes + 1)


def test_derivative_is_the_numeric_one():
    net = make(("none", "tanh", "sigmoid", "identity"), nodes=3, dropout=Dropout())
    cell = net.core
    inputs = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    state = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    mask = torch.rand(4, 5, dtype=torch.float64)
    mixture = net.mixture()["recurrent"].detach().requires_grad_()

    def run(inputs, state, mixture, *_):
        return fast.forward(cell, inputs, state, mask, mixture)[0]

    with net.frozen():
        everything = (inputs, state, mixture, *cell.parameters())
        assert torch.autograd.gradcheck(run, everything)
        assert torch.autograd.gradgradcheck(run, (inputs[:2, :, :], state, mixture))


def test_second_derivatives_are_the_plain_forms():
    net, text = make(), batch()

    def second():
        with net.frozen():
            loss = net.loss(text).loss
            slopes = torch.autograd.grad(loss, list(net.weights().values()), create_graph=True)
            return torch.autograd.grad(sum((s**2).sum() for s in slopes), list(net.parameters()))

    for a, b in zip(*both(net, second), strict=True):
        torch.testing.assert_close(b, a, rtol=1e-10, atol=1e-13)


def test_frozen_passes_keep_the_statistics():
    net = make()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with net.frozen():
        net.loss(batch())
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_evaluation_and_single_columns_take_the_plain_form():
    net = make()
    state = torch.zeros(6, 5)
    assert fast.suits(net.core, state)
    assert not fast.suits(net.core, state[:1])
    assert not fast.suits(net.eval().core, state)
    text = batch()
    plain, quick = both(net, lambda: net.loss(text).loss)
    assert torch.equal(plain, quick)


def test_in_single_precision_it_is_as_near_to_the_truth_as_the_plain_form():
    net, text = make(), batch()
    text = text._replace(hidden=text.hidden.detach())

    def alphas(precision):
        net.to(precision)
        at = text._replace(hidden=text.hidden.to(precision))
        torch.manual_seed(3)
        slope = torch.autograd.grad(net.loss(at).loss, net.alphas["recurrent"])[0]
        return slope.double()

    net.model.dropout = Dropout()
    truth = alphas(torch.float64)
    errors = []
    for form in (False, True):
        net.fast = form
        errors.append(float((alphas(torch.float32) - truth).norm() / truth.norm()))
    assert max(errors) < 1e-4
