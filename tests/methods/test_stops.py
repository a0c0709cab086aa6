"""When a search ends and what it answers: published series, made-up α, a Hessian that is known."""

import numpy as np
import pytest
import torch
from torch import nn

from dartsedu.methods.curvature import Curvature
from dartsedu.methods.schedule import Progress
from dartsedu.methods.stops import (
    Eigenvalue,
    Seen,
    SettledRanking,
    TooManySkips,
    Watch,
    learnable,
)
from dartsedu.relaxation import Outcome, Supernet
from dartsedu.spaces.cnn import cnn_space
from dartsedu.topology import SearchSpace, Topology

EPOCHS = [*range(0, 50, 2), 49]
SERIES = {
    # Zela et al. 2020, published logs: space, weight decay, seed; epoch and answer of the stop.
    ("S1 C10 3e-4", 1): (
        ".179 .148 .170 .146 .121 .249 .231 .360 .225 .386 .208 .430 .508 .229 .410 .502 .500 .250"
        " .457 .517 .644 .459 .707 1.319 .527 .521",
        (22, 10),
        1.453,
    ),
    ("S1 C10 3e-4", 3): (
        ".146 .208 .316 .197 .213 .183 .347 .203 .250 .171 .310 .305 .253 .261 .407 .592 .596 .789"
        " .733 .481 .365 .786 .913 .312 .880 1.064",
        (30, 18),
        1.467,
    ),
    ("S1 C10 8.1e-3", 1): (
        ".123 .142 .090 .161 .115 .168 .172 .144 .129 .130 .204 .183 .180 .165 .267 .193 .204 .125"
        " .131 .202 .193 .172 .141 .229 .198 .220",
        None,
        None,
    ),
    ("S3 SVHN 3e-4", 2): (
        ".158 .100 .085 .094 .140 .117 .090 .107 .097 .113 .086 .136 .068 .149 .190 .171 .125 .366"
        " .198 .329 .393 .261 .275 .291 .216 .280",
        (30, 18),
        1.325,
    ),
}


@pytest.mark.parametrize("name", SERIES)
def test_the_eigenvalue_rule_stops_the_published_runs_where_they_were_stopped(name):
    text, expected, ratio = SERIES[name]
    values = [float(number) for number in text.split()]
    assert len(values) == len(EPOCHS)
    rule, found = Eigenvalue(), None
    for count in range(1, len(values)):  # The last epoch is measured, and ends the run anyway.
        answer = rule.answer(EPOCHS[:count], values[:count])
        if answer is not None:
            found = EPOCHS[count - 1], answer
            now, then = values[count - 5 : count], values[count - 9 : count - 4]
            assert np.mean(now) / np.mean(then) == pytest.approx(ratio, abs=2e-3)
            break
    assert found == expected


# ---- A supernet whose Hessian is known -----------------------------------------------------------


class Bowl(Supernet):
    """L = ½ αᵀ A α over both cells jointly, and w that does not matter."""

    def __init__(self, nodes=2, seed=0):
        space = cnn_space(nodes=nodes, primitives=("skip_connect", "sep_conv_3x3"))
        super().__init__(space, alpha_scale=1.0)
        self.w = nn.Parameter(torch.zeros(1))
        size = sum(alpha.numel() for alpha in self.alphas.values())
        half = np.random.default_rng(seed).standard_normal((size, size))
        self.matrix = torch.tensor((half + half.T) / 2)
        self.double()

    def loss(self, batch, mixture=None):
        alpha = torch.cat([alpha.flatten() for alpha in self.alphas.values()])
        return Outcome(alpha @ self.matrix @ alpha / 2 + 0 * self.w.sum())


@pytest.mark.parametrize("nodes", [2, 6])
def test_the_largest_eigenvalue_is_that_of_the_matrix(nodes):
    """By the full matrix (20 entries) and by products with it (108)."""
    torch.manual_seed(0)
    bowl = Bowl(nodes)
    curvature = Curvature(bowl, None)
    torch.testing.assert_close(curvature.matrix(), bowl.matrix)
    expected = np.linalg.eigvalsh(bowl.matrix.numpy())[-1]
    assert curvature.largest() == pytest.approx(expected, rel=1e-9)


def test_a_plain_without_any_curvature_has_none():
    bowl = Bowl(6)
    bowl.matrix = torch.zeros_like(bowl.matrix)
    assert Curvature(bowl, None).largest() == 0


def test_the_curvature_of_a_supernet_is_that_of_its_gradients(make_supernet, task):
    """Symmetric, and equal to central differences of ∇α in float64; nothing is left behind."""
    supernet = make_supernet().double()
    batch = next(task.weights.training(12, 0))
    batch = batch._replace(inputs=batch.inputs.double())
    before = {name: t.clone() for name, t in supernet.state_dict().items()}
    matrix = Curvature(supernet, batch).matrix()
    assert all(torch.equal(before[name], t) for name, t in supernet.state_dict().items())
    torch.testing.assert_close(matrix, matrix.T)

    def slope():
        with supernet.frozen():
            loss = supernet.loss(batch).loss
        return torch.cat(
            [s.flatten() for s in torch.autograd.grad(loss, list(supernet.alphas.values()))]
        )

    alpha, step = supernet.alphas["normal"], 1e-5
    with torch.no_grad():
        alpha[1, 2] += step
    above = slope()
    with torch.no_grad():
        alpha[1, 2] -= 2 * step
    row = 1 * len(supernet.space.primitives) + 2
    torch.testing.assert_close(matrix[row], (above - slope()) / (2 * step), atol=1e-7, rtol=1e-4)


def seen(supernet, epoch, epochs=50, batch=None, decay=1e-3, rule="paper"):
    return Seen(supernet, batch, Progress(epoch, epochs), decay, rule)


def test_the_eigenvalue_is_measured_every_other_epoch_with_the_decay_of_alpha_on_top():
    torch.manual_seed(0)
    bowl, watch = Bowl(), Watch()
    top = np.linalg.eigvalsh(bowl.matrix.numpy())[-1]
    measured = [Eigenvalue().look(seen(bowl, epoch, 10), watch).measured for epoch in range(10)]
    assert watch.epochs == [0, 2, 4, 6, 8, 9]
    assert [bool(m) for m in measured] == [e in watch.epochs for e in range(10)]
    assert measured[9]["eigenvalue"] == pytest.approx(top + 1e-3)


def test_a_valley_that_grows_sharp_ends_the_search_with_an_earlier_alpha():
    torch.manual_seed(0)
    bowl, watch = Bowl(), Watch()
    plain = bowl.matrix.clone()
    stop = Eigenvalue(every=1, window=2, lag=2, back=3, from_epoch=0)
    for epoch in range(20):
        with torch.no_grad():
            bowl.alphas["normal"][0, 0] = float(epoch)
        bowl.matrix = plain * (1.0 if epoch < 8 else 2.0)
        verdict = stop.look(seen(bowl, epoch, 20), watch)
        if verdict.answer is not None:
            break
    assert (epoch, verdict.answer) == (8, 5)  # The mean of 1 and 2 is 1.5 times that of 1 and 1.
    assert float(watch.at(5)["normal"][0, 0]) == 5.0


# ---- DARTS+ --------------------------------------------------------------------------------------

PRIMITIVES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")


class Made(Supernet):
    """α as one likes; no rule asks for its loss."""

    def __init__(self, primitives=PRIMITIVES):
        super().__init__(cnn_space(nodes=2, primitives=primitives))

    def loss(self, batch, mixture=None):
        raise NotImplementedError


def favour(supernet, cell, row, *order):
    """Give the primitives of an edge α in this order, the largest first."""
    with torch.no_grad():
        for place, primitive in enumerate(order):
            column = supernet.space.primitives.index(primitive)
            supernet.alphas[cell][row, column] = float(len(order) - place)


def test_two_skips_in_the_normal_cell_end_the_search():
    supernet, watch = Made(), Watch()
    for cell in ("normal", "reduce"):
        for row in range(5):
            favour(supernet, cell, row, "sep_conv_3x3", "skip_connect")
    stop = TooManySkips()
    assert stop.look(seen(supernet, 0), watch).answer is None
    for row in range(5):
        favour(supernet, "reduce", row, "skip_connect", "sep_conv_3x3")
    favour(supernet, "normal", 0, "skip_connect", "sep_conv_3x3")
    assert stop.look(seen(supernet, 1), watch).answer is None
    favour(supernet, "normal", 1, "skip_connect", "sep_conv_3x3")
    assert stop.look(seen(supernet, 2), watch).answer == 2
    assert TooManySkips(cell="reduce", count=4).look(seen(supernet, 1), watch).answer == 1


def test_the_ranking_ignores_what_has_no_weights_and_starts_anew_when_two_convolutions_swap():
    supernet, watch = Made(), Watch()
    for cell in ("normal", "reduce"):
        for row in range(5):
            favour(supernet, cell, row, "sep_conv_3x3", "dil_conv_3x3", "skip_connect")
    stop, answers = SettledRanking(epochs=3), {}
    for epoch in range(8):
        if epoch in (1, 2):  # Skips come out on top: the ranking of the convolutions is the same.
            favour(supernet, "normal", epoch, "skip_connect", "max_pool_3x3", "sep_conv_3x3")
        if epoch == 3:
            favour(supernet, "reduce", 4, "dil_conv_3x3", "sep_conv_3x3")
        answers[epoch] = stop.look(seen(supernet, epoch), watch).answer
    assert [epoch for epoch, answer in answers.items() if answer is not None] == [6, 7]
    assert answers[6] == 6


def test_which_primitives_have_weights_of_their_own():
    assert learnable(Made().space) == [3, 4]
    cell = Topology.dense("recurrent", inputs=1, nodes=2, keep=1, combine="mean")
    rnn = SearchSpace(name="rnn", primitives=("none", "tanh", "relu"), cells=(cell,))
    assert "fewer than two" in SettledRanking().lacks(rnn)
    assert "no cell of the space" in TooManySkips(cell="other").lacks(Made().space)
    without = Made(("none", "sep_conv_3x3")).space
    assert "the space has none" in TooManySkips().lacks(without)


# ---- What a checkpoint may say -------------------------------------------------------------------


def test_a_watch_goes_on_from_its_state_and_refuses_what_it_cannot_have_seen():
    torch.manual_seed(0)
    bowl, watch = Bowl(), Watch()
    for epoch in (0, 2):
        watch.note(epoch, 0.5, seen(bowl, epoch).alphas())
    other = Watch()
    other.restore(watch.state(), bowl.space, 10)
    assert (other.epochs, other.values) == ([0, 2], [0.5, 0.5])
    assert torch.equal(other.at(2)["reduce"], watch.at(2)["reduce"])
    for change in (
        {"epochs": [2, 0]},
        {"epochs": [0, 12]},
        {"epochs": [0]},
        {"values": [0.5, float("nan")]},
        {"alphas": [{}, {}]},
        {"alphas": [{cell: a / 0 for cell, a in kept.items()} for kept in watch.alphas]},
    ):
        with pytest.raises(ValueError, match="its watch has seen"):
            Watch().restore(watch.state() | change, bowl.space, 10)
