"""The recurrent space. Oracles: published sizes, the formulas written out in NumPy, autograd."""

import numpy as np
import pytest
import torch

from dartsedu.architect import Exact, FiniteDifference, FirstOrder, VirtualStep, _ExtraPasses
from dartsedu.data.text import TextBatch
from dartsedu.discretisation import discretised_mixture
from dartsedu.genotype import random_genotype
from dartsedu.published import PUBLISHED
from dartsedu.spaces.rnn import (
    ACTIVATIONS,
    PRIMITIVES,
    Dropout,
    LSTMNetwork,
    RNNNetwork,
    RNNSupernet,
    lstm_hidden,
    rnn_space,
)
from dartsedu.spaces.rnn.operations import draw_mask
from dartsedu.spaces.rnn.words import VOCABULARY
from dartsedu.topology import SearchSpace, Topology

CELLS = [name for name, genotype in PUBLISHED.items() if genotype.space == "rnn"]
EVERYTHING = Dropout(words=0.1, embedding=0.2, input=0.3, hidden=0.25, output=0.2)


def words(*shape, size=20, seed=0):
    return torch.randint(size, shape, generator=torch.Generator().manual_seed(seed))


def batch(length=6, columns=5, hidden=None, seed=0):
    text = words(length + 1, columns, seed=seed)
    return TextBatch(text[:-1], text[1:], first=hidden is None, usual=length, hidden=hidden)


def supernet(nodes=3, seed=0, primitives=PRIMITIVES, **changes):
    torch.manual_seed(seed)
    options = {"words": 20, "hidden": 6, "alpha_scale": 1.0} | changes
    return RNNSupernet(rnn_space(nodes, primitives), **options).double()


# ---- Published sizes and cells ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "hidden", "parameters"),
    [
        ("darts-rnn-v2", 10_000, 850, 22_960_000),
        ("darts-rnn-v1", 10_000, 850, 22_960_000),
        ("darts-rnn-v2", 33_278, 700, 33_127_878),
    ],
)
def test_language_models_have_the_published_size(name, size, hidden, parameters):
    assert RNNNetwork(PUBLISHED[name], size, hidden).size == parameters


def test_search_network_has_the_size_of_its_parts():
    """10,000 · 301 for the words, 600 · 600 for the first state, 8 nodes of 300 · 600."""
    size = sum(w.numel() for w in RNNSupernet(rnn_space(), words=10_000).weights().values())
    assert size == 10_000 * 301 + 600 * 600 + 8 * 300 * 600


def test_an_lstm_of_nearly_any_size_can_be_had():
    """Each hidden unit more adds words + 16 H + 12 parameters: half of that is the most to miss."""
    for target in (50_000, 114_152, 22_960_000):
        size = 10_000 if target > 1e6 else 1000
        hidden = lstm_hidden(target, size)
        found = LSTMNetwork(size, hidden).size
        assert abs(found - target) <= (size + 16 * hidden + 12) / 2


def test_vocabulary_is_what_can_be_built():
    assert VOCABULARY.primitives == PRIMITIVES
    assert {"none", *ACTIVATIONS} == set(PRIMITIVES)


def test_space_is_the_papers():
    space = rnn_space()
    assert space.shape("recurrent") == (36, 5)
    assert (space["recurrent"].keep, space["recurrent"].combine) == (1, "mean")


@pytest.mark.parametrize("name", CELLS)
def test_published_cells_make_networks(name):
    network = RNNNetwork(PUBLISHED[name], 20, 4, EVERYTHING, 0.1, 0.1)
    outcome = network.loss(batch())
    outcome.objective.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_other_spaces_are_refused():
    with pytest.raises(ValueError, match="needs a genotype of 'rnn'"):
        RNNNetwork(PUBLISHED["darts-v2"], 20)
    with pytest.raises(ValueError, match="unknown primitives"):
        rnn_space(primitives=("none", "skip_connect"))
    two = Topology.dense("recurrent", inputs=2, nodes=1, keep=1, combine="mean")
    with pytest.raises(ValueError, match="one input"):
        RNNSupernet(SearchSpace(name="rnn", primitives=("tanh",), cells=(two,)), words=3)
    chain = Topology(name="recurrent", inputs=1, predecessors=((0,), (1,)), keep=1, combine="mean")
    with pytest.raises(ValueError, match="hears all earlier"):
        RNNSupernet(SearchSpace(name="rnn", primitives=("tanh",), cells=(chain,)), words=3)
    normal = Topology.dense("normal", inputs=1, nodes=1, keep=1, combine="mean")
    with pytest.raises(ValueError, match="is not recurrent"):
        RNNSupernet(SearchSpace(name="rnn", primitives=("tanh",), cells=(normal,)), words=3)


# ---- The cell by hand ---------------------------------------------------------------------------


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


FUNCTIONS = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": sigmoid,
    "identity": lambda x: x,
}


def update(s, product, function):
    """s + c ⊙ (f(h) − s), the first half of the product being the gate."""
    half = product.shape[-1] // 2
    return s + sigmoid(product[..., :half]) * (function(product[..., half:]) - s)


@pytest.mark.parametrize("name", CELLS)
def test_discrete_cell_by_hand(name):
    """Two words, the cell's formulas in NumPy, one product after the other."""
    torch.manual_seed(0)
    network = RNNNetwork(PUBLISHED[name], 20, 3).double()
    cell = network.core
    for weight in cell.parameters():
        torch.nn.init.normal_(weight)
    x = torch.randn(2, 4, 3, dtype=torch.float64)
    h = torch.randn(4, 3, dtype=torch.float64)
    mask = draw_mask((4, 3), 0.4, x)
    found, last = cell(x, h, mask)

    m, state = mask.numpy(), h.numpy()
    initial = cell.initial.detach().numpy()
    for t in range(2):
        product = np.concatenate([x[t].numpy(), state * m], axis=1) @ initial
        states = [update(state, product, np.tanh)]
        for node, (edge,) in enumerate(PUBLISHED[name].cells[0].nodes):
            s = states[edge.source]
            product = (s * m) @ cell.nodes[node].detach().numpy()
            states.append(update(s, product, FUNCTIONS[edge.primitive]))
        state = np.mean([states[i] for i in PUBLISHED[name].cells[0].outputs], axis=0)
        np.testing.assert_allclose(found[t].detach().numpy(), state, rtol=1e-12)
    assert torch.equal(last, found[-1])


@pytest.mark.parametrize("fast", [False, True])
def test_mixed_cell_by_hand(fast):
    """Every edge of every node, weighted; BatchNorm by its formula; the mean of the nodes."""
    net = supernet(nodes=3, fast=fast)
    cell = net.core
    for weight in cell.parameters():
        torch.nn.init.normal_(weight)
    p = net.mixture()["recurrent"].detach()
    x = torch.randn(2, 4, 6, dtype=torch.float64)
    h, mask = torch.randn(2, 4, 6, dtype=torch.float64).unbind(0)
    from dartsedu.spaces.rnn import fast as fast_form

    found, _ = fast_form.forward(cell, x, h, mask, p) if fast else cell(x, h, mask, p)

    def norm(s):
        return (s - s.mean(axis=0)) / np.sqrt(s.var(axis=0) + 1e-5)

    m, state = mask.numpy(), h.numpy()
    for t in range(2):
        product = np.concatenate([x[t].numpy(), state * m], axis=1) @ cell.initial.detach().numpy()
        states, row = [norm(update(state, product, np.tanh))], 0
        for node in range(3):
            total = np.zeros_like(state)
            for s in states:
                product = (s * m) @ cell.nodes[node].detach().numpy()
                for k, primitive in enumerate(PRIMITIVES[1:], 1):
                    total += float(p[row, k]) * update(s, product, FUNCTIONS[primitive])
                row += 1
            states.append(norm(total))
        state = np.mean(states[1:], axis=0)
        np.testing.assert_allclose(found[t].detach().numpy(), state, rtol=1e-9, atol=1e-12)


def test_lstm_is_pytorchs():
    torch.manual_seed(0)
    ours = LSTMNetwork(20, 5).double().core
    for weight in ours.parameters():
        torch.nn.init.normal_(weight)
    theirs = torch.nn.LSTM(5, 5).double()
    # Ours: input, forget and output gate, then the value; theirs: input, forget, value, output.
    places = torch.cat([torch.arange(0, 10), torch.arange(15, 20), torch.arange(10, 15)])
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(ours.weight[:5].t()[places])
        theirs.weight_hh_l0.copy_(ours.weight[5:].t()[places])
        theirs.bias_ih_l0.copy_(ours.bias[places])
        theirs.bias_hh_l0.zero_()
    x = torch.randn(4, 3, 5, dtype=torch.float64)
    state = torch.randn(2, 3, 5, dtype=torch.float64)
    found, last = ours(x, state, None)
    expected, (h, c) = theirs(x, (state[:1], state[1:]))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(last, torch.cat([h, c]))


def test_none_takes_from_an_edge_and_gives_nothing():
    net = supernet(nodes=1)
    with torch.no_grad():
        net.alphas["recurrent"][0] = torch.tensor([60.0, 0, 0, 0, 0])
    x, h = torch.randn(2, 4, 6, dtype=torch.float64), torch.zeros(4, 6, dtype=torch.float64)
    outputs, _ = net.core(x, h, None, net.mixture()["recurrent"])
    torch.testing.assert_close(outputs, torch.zeros_like(outputs), atol=1e-6, rtol=0)


def test_discretised_supernet_is_the_discrete_cell_but_for_batchnorm():
    net = supernet(nodes=4, fast=False)
    genotype = random_genotype(net.space, 3)
    network = RNNNetwork(genotype, 20, 6).double()
    with torch.no_grad():
        for target, source in zip(network.core.parameters(), net.core.parameters(), strict=True):
            target.copy_(source)
    mixture = discretised_mixture(net.space, genotype)["recurrent"].double()
    x, h = torch.randn(3, 4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    matrices = torch.stack(list(net.core.nodes))
    found = net.core.run(x, h, None, mixture, net.core.initial, matrices, lambda s: s)
    torch.testing.assert_close(found, network.core(x, h, None)[0])


# ---- The language model -------------------------------------------------------------------------


def test_loss_and_penalties_by_hand():
    """Without dropout: cross-entropy of embedding · output + bias, and the two mean squares."""
    network = RNNNetwork(PUBLISHED["darts-rnn-v1"], 20, 4, Dropout(), 0.5, 0.25).double()
    torch.nn.init.normal_(network.model.bias)
    b = batch(hidden=torch.randn(5, 4, dtype=torch.float64))
    outcome = network.loss(b)
    x = network.model.embedding[b.inputs]
    outputs, last = network.core(x, b.hidden, None)
    logits = outputs @ network.model.embedding.t() + network.model.bias
    chances = torch.softmax(logits, dim=-1).gather(2, b.targets[..., None])
    torch.testing.assert_close(outcome.loss, -chances.log().mean())
    slow = ((outputs[1:] - outputs[:-1]) ** 2).mean()
    torch.testing.assert_close(outcome.penalty, 0.5 * (outputs**2).mean() + 0.25 * slow)
    torch.testing.assert_close(outcome.objective, outcome.loss + outcome.penalty)
    assert torch.equal(outcome.carried, last)
    assert network.eval().loss(b).penalty is None


def test_dropout_masks_hold_for_all_words_of_a_batch():
    """The share of what is dropped, and that it is the same for every word."""
    network = RNNNetwork(PUBLISHED["darts-rnn-v1"], 400, 40, Dropout(words=0.25, output=0.5))
    seen = {}

    def core(inputs, state, hidden_mask):
        seen["inputs"], seen["mask"] = inputs, hidden_mask
        return torch.ones_like(inputs), state

    text = words(7, 30, size=400)
    _, dropped, _ = network.model._read(core, text, torch.zeros(30, 40))
    assert seen["mask"] is None
    zero = (seen["inputs"] == 0).all(dim=2)
    assert 0.15 < float(zero.float().mean()) < 0.35
    for word in text.unique():
        assert len(zero[text == word].unique()) == 1
    kept = seen["inputs"][~zero] / network.model.embedding[text[~zero]]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / 0.75))
    assert torch.equal(dropped, dropped[:1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    network.model.dropout = Dropout(hidden=0.5)
    network.model._read(core, text, torch.zeros(30, 40))
    assert set(seen["mask"].unique().tolist()) == {0.0, 2.0}
    network.eval()
    network.model._read(core, text, torch.zeros(30, 40))
    assert seen["mask"] is None


def test_carried_state_has_no_gradient_and_continues_the_text():
    """Two halves with the state handed on give the words of the whole; the gradient stops there."""
    network = RNNNetwork(PUBLISHED["darts-rnn-v2"], 20, 4).double()
    text = words(9, 3)
    whole = TextBatch(text[:-1], text[1:], True, 8)
    first = TextBatch(text[:4], text[1:5], True, 4)
    second = TextBatch(text[4:-1], text[5:], False, 4)
    one = network.loss(first)
    assert not one.carried.requires_grad
    two = network.loss(second.after(one.carried))
    torch.testing.assert_close((one.loss + two.loss) / 2, network.loss(whole).loss)
    alone = RNNNetwork(PUBLISHED["darts-rnn-v2"], 20, 4).double()
    alone.load_state_dict(network.state_dict())
    two.loss.backward()
    alone.loss(second.after(one.carried.clone())).loss.backward()
    for a, b in zip(network.parameters(), alone.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)
    assert first.after(one.carried).hidden is None  # A pass begins anew.


def test_written_text_follows_the_models_chances():
    """A bias alone decides: word 3 with odds e² against each of the other three."""
    network = RNNNetwork(PUBLISHED["darts-rnn-v1"], 4, 2).double()
    with torch.no_grad():
        network.model.embedding.zero_()
        network.model.bias[3] = 2.0
    written = network.write(first=0, count=2000, seed=1)
    share = written.count(3) / 2000
    assert share == pytest.approx(np.exp(2) / (np.exp(2) + 3), abs=0.03)
    assert network.write(0, 50, seed=1) == written[:50]
    assert network.write(0, 50, temperature=0.01) == [3] * 50
    assert network.training


# ---- The search's passes ------------------------------------------------------------------------


def parts(seed=0, **changes):
    net = supernet(seed=seed, **changes)
    for weight in net.weights().values():
        torch.nn.init.normal_(weight, std=0.5)
    batches = [batch(seed=s, hidden=torch.randn(5, 6, dtype=torch.float64)) for s in (1, 2)]
    optimizer = torch.optim.SGD(net.weights().values(), lr=0.5)
    return net, batches, optimizer


def relative(found, expected):
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize("fast", [False, True])
def test_finite_difference_needs_the_same_masks_in_all_passes(fast, monkeypatch):
    """With frozen masks it meets the exact gradient; with masks drawn anew it is another thing."""
    smooth = ("none", "tanh", "sigmoid", "identity")
    net, (train, val), optimizer = parts(dropout=EVERYTHING, primitives=smooth, fast=fast)

    def gradient(architect):
        torch.manual_seed(7)
        return architect.gradient(net, train, val, optimizer).gradient["recurrent"]

    exact = gradient(Exact())
    direct = gradient(FiniteDifference(VirtualStep(0.0)))
    frozen = relative(gradient(FiniteDifference(epsilon_scale=1e-5)) - direct, exact - direct)
    assert frozen < 1e-5
    with_masks = _ExtraPasses.loss

    def redrawn(self, batch, weights=None):
        torch.manual_seed(int(torch.randint(2**31, ())))
        return with_masks(self, batch, weights)

    monkeypatch.setattr(_ExtraPasses, "loss", redrawn)
    for scale in (1e-1, 1e-2, 1e-5):
        wrong = gradient(FiniteDifference(epsilon_scale=scale)) - direct
        assert relative(wrong, exact - direct) > 1


ARCHITECTS = [FirstOrder(), FiniteDifference(), Exact()]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("architect", ARCHITECTS, ids=lambda a: type(a).__name__)
def test_an_architect_leaves_no_trace_and_hands_on_the_state(architect, fast):
    net, (train, val), optimizer = parts(dropout=EVERYTHING, fast=fast)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    random = torch.get_rng_state()
    outcome = architect.gradient(net, train, val, optimizer).outcome
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    assert outcome.carried.shape == (5, 6)
    assert not outcome.carried.requires_grad


@pytest.mark.parametrize("fast", [False, True])
def test_exact_is_the_numeric_derivative_of_the_definition(fast):
    """α ↦ L_val(w − ξ ∇w L_train(w, α), α) of the whole language model, by central differences."""
    net, (train, val), optimizer = parts(primitives=("none", "tanh", "identity"), fast=fast)
    found = Exact().gradient(net, train, val, optimizer).gradient["recurrent"]
    alpha, own = net.alphas["recurrent"], dict(net.weights())
    start = {name: w.detach().clone() for name, w in own.items()}

    def unrolled():
        slopes = torch.autograd.grad(net.loss(train).loss, list(own.values()))
        with torch.no_grad():
            for w, slope in zip(own.values(), slopes, strict=True):
                w -= 0.5 * slope
        value = float(net.loss(val).loss.detach())
        with torch.no_grad():
            for name, w in own.items():
                w.copy_(start[name])
        return value

    for row, column in ((0, 1), (3, 0), (5, 2)):
        ends = []
        for nudge in (1e-5, -1e-5):
            with torch.no_grad():
                alpha[row, column] += nudge
            ends.append(unrolled())
            with torch.no_grad():
                alpha[row, column] -= nudge
        numeric = (ends[0] - ends[1]) / 2e-5
        assert float(found[row, column]) == pytest.approx(numeric, rel=1e-5, abs=1e-9)


def test_measuring_leaves_out_dropout_and_leaves_no_trace():
    net = supernet(dropout=EVERYTHING).eval()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    with net.measuring():
        one, two = (float(net.loss(batch()).loss.detach()) for _ in range(2))
    assert one == two
    assert not net.training
    assert net.model.dropout == EVERYTHING
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
