"""The authors' recurrent search: its second order, its text of α, its masks.

The second order is written out here by itself, from what their program does: it builds a new
model, moves every parameter, and loads the moved ones over the old ``state_dict``, in which the
tied matrix stands a second time, under the decoder's name.
"""

import copy
from itertools import islice

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dartsedu.architect import FirstOrder, OfficialRecurrent, VirtualStep
from dartsedu.data.tasks import load_task
from dartsedu.data.text import TextBatch, TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.presets import describe, load_preset
from dartsedu.published import PUBLISHED
from dartsedu.search import Search
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.spaces.rnn import Dropout, RNNSupernet, rnn_space
from dartsedu.train import Training, evaluate

V, H, NODES, COLUMNS = 12, 4, 3, 6
PRIMITIVES = (None, torch.tanh, torch.relu, torch.sigmoid, lambda x: x)


class TheirCell(nn.Module):
    def __init__(self):
        super().__init__()
        self._W0 = nn.Parameter(0.5 * torch.randn(2 * H, 2 * H))
        self._Ws = nn.ParameterList(0.5 * torch.randn(H, 2 * H) for _ in range(NODES))
        self.bn = nn.BatchNorm1d(H, affine=False)


class TheirModel(nn.Module):
    """A language model whose decoder's matrix is its encoder's; α is no parameter of it."""

    def __init__(self, dropout):
        super().__init__()
        self.encoder = nn.Embedding(V, H)
        self.rnns = nn.ModuleList([TheirCell()])
        self.decoder = nn.Linear(H, V)
        self.decoder.weight = self.encoder.weight
        self.dropout = dropout

    def loss(self, alpha, batch):
        def mask(*shape, p):
            return torch.empty(shape).bernoulli_(1 - p) / (1 - p) if p else torch.ones(shape)

        rows = mask(V, 1, p=self.dropout.words)
        masks = [mask(COLUMNS, H, p=p) for p in self.dropout[1:]]
        table, cell = self.encoder.weight * rows, self.rnns[0]
        state, outputs = batch.hidden, []
        for word in batch.inputs:
            x = table[word] * masks[0] * masks[1]
            gate, value = (torch.cat([x, state * masks[2]], 1) @ cell._W0).split(H, 1)
            states = [cell.bn(state + gate.sigmoid() * (value.tanh() - state))]
            row = 0
            for weight in cell._Ws:
                total = 0
                for s in states:
                    gate, value = ((s * masks[2]) @ weight).split(H, 1)
                    for k, f in enumerate(PRIMITIVES):
                        if f is not None:
                            share = alpha.softmax(-1)[row, k]
                            total = total + share * (s + gate.sigmoid() * (f(value) - s))
                    row += 1
                states.append(cell.bn(total))
            state = sum(states[1:]) / NODES
            outputs.append(state * masks[3])
        logits = self.decoder(torch.stack(outputs))
        return F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten())


def their_clipping(slopes, largest):
    norm = sum(float(slope.square().sum()) for slope in slopes) ** 0.5
    factor = min(1, largest / (norm + 1e-6))
    return [slope * factor for slope in slopes]


def their_gradient(model, alpha, train, valid, rate, decay, largest):
    """∇α, and the model after the virtual step."""
    named = dict(model.named_parameters())
    slopes = torch.autograd.grad(model.loss(alpha, train), list(named.values()))
    moved = {
        name: w.detach() - rate * (slope + decay * w.detach())
        for (name, w), slope in zip(named.items(), their_clipping(slopes, largest), strict=True)
    }
    virtual = copy.deepcopy(model)
    virtual.load_state_dict({**model.state_dict(), **moved})

    w = list(virtual.parameters())
    loss = virtual.loss(alpha, valid)
    direct, *slopes = torch.autograd.grad(loss, [alpha, *w])
    v = [s + decay * p.detach() for s, p in zip(their_clipping(slopes, largest), w, strict=True)]
    r = 0.01 / sum(float(part.square().sum()) for part in v) ** 0.5
    ends = []
    for distance in (r, -r):
        end = copy.deepcopy(virtual)
        with torch.no_grad():
            for p, part in zip(end.parameters(), v, strict=True):
                p += distance * part
        ends.append(torch.autograd.grad(end.loss(alpha, train), alpha)[0])
    return direct - rate * (ends[0] - ends[1]) / (2 * r + 1e-10), virtual


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def random_batch(length):
    words = torch.randint(V, (length + 1, COLUMNS))
    return TextBatch(words[:-1], words[1:], False, length, 0.3 * torch.randn(COLUMNS, H))


def both(seed, dropout):
    """The same weights and α in their model and in ours."""
    torch.manual_seed(seed)
    model = TheirModel(dropout).train()
    alpha = torch.randn(NODES * (NODES + 1) // 2, len(PRIMITIVES), requires_grad=True)
    supernet = RNNSupernet(rnn_space(NODES), words=V, hidden=H, dropout=dropout, slowness=1e-3)
    supernet.load_official(model.state_dict() | {"weights": alpha.detach()})
    return model, alpha, supernet.train()


DROPOUT = [Dropout(), Dropout(0.1, 0.2, 0.5, 0.25, 0.5)]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dropout", DROPOUT, ids=["whole", "dropped"])
@pytest.mark.parametrize(("rate", "largest"), [(20.0, 0.25), (0.5, 100.0)])
def test_the_second_order_is_theirs_to_ten_digits(seed, dropout, rate, largest, double):
    model, alpha, supernet = both(seed, dropout)
    train, valid, decay = random_batch(5), random_batch(4), 5e-3
    torch.manual_seed(seed)
    expected, virtual = their_gradient(model, alpha, train, valid, rate, decay, largest)
    assert torch.equal(virtual.encoder.weight, model.encoder.weight)
    assert not torch.equal(virtual.rnns[0]._W0, model.rnns[0]._W0)

    before = {name: w.clone() for name, w in supernet.state_dict().items()}
    optimizer = torch.optim.SGD([supernet.vector()], lr=rate, weight_decay=decay)
    architect = OfficialRecurrent(VirtualStep(weight_decay=True, clip=largest))
    torch.manual_seed(seed)
    found, _ = architect.gradient(supernet, train, valid, optimizer)
    torch.testing.assert_close(found["recurrent"], expected, rtol=1e-10, atol=1e-13)
    assert all(torch.equal(before[name], w) for name, w in supernet.state_dict().items())


@pytest.mark.parametrize("anew", [False, True])
def test_their_first_order_draws_other_masks_than_the_weight_step(anew, double):
    model, alpha, supernet = both(0, DROPOUT[1])
    batch = random_batch(5)
    optimizer = torch.optim.SGD([supernet.vector()], lr=1.0)
    torch.manual_seed(3)
    found, _ = FirstOrder(anew).gradient(supernet, None, batch, optimizer)
    following = torch.rand(())
    torch.manual_seed(3)
    (expected,) = torch.autograd.grad(model.loss(alpha, batch), alpha)
    torch.testing.assert_close(found["recurrent"], expected, rtol=1e-10, atol=1e-13)
    assert bool(following == torch.rand(())) == anew


# ---- α's text -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("alphas_words", "bptt"), [(150, 7), (400, 4), (90, 11)])
def test_alphas_text_is_read_where_the_training_text_is(alphas_words, bptt):
    size, seed = 5, 1
    train, valid = TextSplit(torch.arange(600)), TextSplit(torch.arange(alphas_words))
    columns = np.arange(alphas_words).reshape(size, -1).T  # (rows, columns)
    passes = train.passes(size, seed, 3, bptt)
    read = valid.beside(train, size, seed, bptt=bptt)
    found = list(islice(read, sum(passes)))
    batches = islice(train.training(size, seed, bptt=bptt), sum(passes))
    for of_w, of_alpha in zip(batches, found, strict=True):
        position = int(of_w.inputs[0, 0]) % (len(columns) - 1)
        until = min(position + bptt, len(columns) - 1)
        assert of_alpha.first == of_w.first
        assert np.array_equal(of_alpha.inputs, columns[position:until])
        assert np.array_equal(of_alpha.targets, columns[position + 1 : until + 1])
    assert sum(batch.first for batch in found) == 3
    later = list(islice(valid.beside(train, size, seed, 9, bptt=bptt), 4))
    assert all(torch.equal(a.inputs, b.inputs) for a, b in zip(later, found[9:], strict=False))


# ---- The preset ---------------------------------------------------------------------------------


def test_the_preset_differs_from_the_papers_where_their_code_does():
    paper, official = (
        {n: v for n, v, _ in describe(load_preset(p))} for p in ("rnn-paper", "rnn-official")
    )
    different = {n: v for n, v in official.items() if paper[n] != v}
    assert different.keys() == {
        "preset",
        "follows",
        "supernet.alpha_scale",
        "search.virtual_weight_decay",
        "search.official",
        "train.epochs",
        "train.official",
    }
    assert (different["supernet.alpha_scale"], different["train.epochs"]) == ("0.001", "8000")
    step = load_preset("rnn-official").search.make_architect()
    assert step == OfficialRecurrent(VirtualStep(weight_decay=True, clip=0.25), 0.01)
    first = load_preset("rnn-official", ["search.architect=first-order"])
    assert first.search.make_architect() == FirstOrder(anew=True)
    with pytest.raises(SettingsError, match="no exact second order; use architect=finite-diff"):
        load_preset("rnn-official", ["search.architect=exact"])


@pytest.mark.parametrize("more", [[], ["search.weights_steps=2"]])
def test_a_search_as_theirs_goes_on_bit_for_bit(more, tmp_path):
    small = ["supernet.hidden=4", "supernet.nodes=2", "task.name=grammar", "search.epochs=1"]
    settings = load_preset("rnn-official", [*small, "search.batch_size=32", *more])
    task = load_task("grammar")

    def start():
        return Search(build_supernet(settings, task, 0), task, settings.search)

    search = start()
    list(islice(search, 3))
    search.save(tmp_path / "checkpoint")
    again = start().load(tmp_path / "checkpoint")
    for a, b in zip(islice(search, 2), islice(again, 2), strict=True):
        assert a.loss == b.loss
        assert (a.alphas["recurrent"] == b.alphas["recurrent"]).all()


def test_a_checkpoint_from_before_this_setting_is_still_of_the_same_search():
    settings = load_preset("rnn-classroom", ["task.name=grammar", "supernet.hidden=4"])
    task = load_task("grammar")
    search = Search(build_supernet(settings, task, 0), task, settings.search)
    assert "official" not in search.identity


# ---- The training -------------------------------------------------------------------------------


def training(official):
    small = {"hidden": 4, "epochs": 6, "batch_size": 8, "non_monotone": 1, "official": official}
    settings = load_preset("rnn-official").train.model_copy(update=small)
    generator = torch.Generator().manual_seed(0)
    # Words that are never read in training are expected less and less: averaging soon begins.
    train, valid, test = (
        TextSplit(torch.randint(first, first + V // 2, (size,), generator=generator))
        for first, size in ((0, 900), (V // 2, 200), (0, 200))
    )
    words = tuple(map(str, range(V)))
    task = TextTask(
        name="any", weights=train, architecture=valid, test=test, training=train, words=words
    )
    network = build_network(PUBLISHED["darts-rnn-v1"], settings, task, 0)
    return Training(network, task, settings)


def test_while_it_averages_each_step_has_the_rate_of_the_batch_before():
    ours, theirs = training(False), training(True)
    rates, found = [], []
    for a, b in zip(ours, theirs, strict=True):
        if theirs.averaging.averaged is None:
            assert a.loss == b.loss
        rates.append(a.learning_rate["weights"])
        found.append(b.learning_rate["weights"])
    begun = len(found) - theirs.averaging.steps
    assert 0 < begun < len(found) - 2
    assert found[: begun + 1] == rates[: begun + 1]
    assert found[begun + 1 :] == rates[begun:-1]


def test_their_test_reads_the_text_in_one_column():
    theirs = training(True)
    assert theirs.test() == evaluate(theirs.network, theirs.task.test, 1)
    assert theirs.test() != training(False).test()


def test_a_training_as_theirs_goes_on_bit_for_bit(tmp_path):
    whole = list(training(True))
    begun = training(True)
    stop = len(whole) - 5
    assert list(islice(begun, stop))
    assert begun.averaging.steps > 2
    begun.save(tmp_path / "checkpoint")
    resumed = list(training(True).load(tmp_path / "checkpoint"))
    assert [step.loss for step in resumed] == [step.loss for step in whole[stop:]]
    assert "official" not in training(False).identity
