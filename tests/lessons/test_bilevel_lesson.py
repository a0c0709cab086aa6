"""Lesson 02: its checks tell typical mistakes, its toy agrees with the package's architects."""

import itertools

import pytest
import torch

from dartsedu.architect import Exact, FirstOrder, VirtualStep
from dartsedu.data.splits import Batch
from dartsedu.lessons import bilevel as lesson
from dartsedu.lessons import bilevel_checks as checks
from dartsedu.lessons import overfitting
from dartsedu.lessons.relaxation import OneEdge


def grad(value, at, **more):
    return torch.autograd.grad(value, at, **more)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, w: grad(lesson.validation_loss(a, w), w), "slope in w"),
        (lambda a, w: grad(lesson.train_loss(a, w), a), "training loss"),
        (lambda a, w: lesson.validation_loss(a, w), "not its slope"),
    ],
)
def test_a_wrong_first_order_is_told_why(answer, words):
    verdict = checks.check_first_order(answer)
    assert verdict.status == "wrong"
    assert words in verdict.message


def exact(alpha, w, xi, graph=True, sign=-1, factor=None, at_w=False, toward="alpha"):
    slope = grad(lesson.train_loss(alpha, w), w, create_graph=graph)
    virtual = w if at_w else w + sign * (xi if factor is None else factor) * slope
    return grad(lesson.validation_loss(alpha, virtual), alpha if toward == "alpha" else virtual)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"graph": False}, "create_graph"),
        ({"sign": +1}, "uphill"),
        ({"factor": 1.0}, "left out"),
        ({"at_w": True}, "instead of at w′"),
        ({"toward": "w"}, "slope in w′"),
    ],
)
def test_a_wrong_exact_is_told_why(mistake, words):
    verdict = checks.check_exact(lambda alpha, w, xi: exact(alpha, w, xi, **mistake))
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_exact(exact).status == "right"


def finite(
    alpha,
    w,
    xi,
    epsilon,
    train,
    val,
    sign=-1,
    width=2.0,
    factor=None,
    direct=True,
    implicit=True,
    at_virtual=False,
    own=False,
):
    train = lesson.train_loss if own else train
    virtual = w - xi * grad(train(alpha, w), w)
    v = grad(val(alpha, virtual), virtual)
    first = grad(val(alpha, virtual.detach()), alpha)
    centre = virtual.detach() if at_virtual else w
    up, down = (grad(train(alpha, centre + s * epsilon * v), alpha) for s in (1, -1))
    second = sign * (xi if factor is None else factor) * (up - down) / (width * epsilon)
    return direct * first + implicit * second


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"sign": +1}, "subtracts"),
        ({"width": 1.0}, "instead of 2ε"),
        ({"factor": 1.0}, "factor ξ"),
        ({"implicit": False}, "implicit term is missing"),
        ({"direct": False}, "only the implicit"),
        ({"at_virtual": True}, "taken at w′ ± εv"),
        ({"own": True}, "not those that are given"),
    ],
)
def test_a_wrong_finite_difference_is_told_why(mistake, words):
    verdict = checks.check_finite_difference(lambda *a: finite(*a, **mistake))
    assert verdict.status == "wrong"
    assert words in verdict.message
    assert checks.check_finite_difference(finite).status == "right"


def test_a_wrong_place_of_rest_is_told_why():
    assert "counts twice" in checks.check_settling_point(lambda xi: 2 / (1 + xi)).message
    assert "sign" in checks.check_settling_point(lambda xi: 2 / (1 - 2 * xi + 1e-12)).message
    assert "a number" in checks.check_settling_point(lambda xi: "half").message


@pytest.mark.parametrize("xi", [0.0, 0.25, 1.0])
def test_terms_by_hand_are_those_of_the_package(xi):
    toy = lesson.Fig2(alpha=1.5, w=-0.5)
    optimizer = torch.optim.SGD(toy.weights().values(), lr=0.1)
    _, direct, implicit = lesson.terms(1.5, -0.5, xi)
    for architect in (Exact(VirtualStep(xi)), *([FirstOrder()] if xi == 0 else [])):
        found = architect.gradient(toy, "train", "val", optimizer).gradient["edge"]
        assert found.item() == pytest.approx(direct + implicit)


@pytest.mark.parametrize("xi", [0.0, 0.25, 0.5, 1.0])
def test_the_game_ends_at_the_closed_form(xi):
    explorer = lesson.game_explorer()
    explorer.set(xi=xi, steps=300)
    alpha, w = lesson.descend(xi, 300)[-1]
    assert [alpha, w] == pytest.approx([2 / (1 + 2 * xi)] * 2, abs=1e-3)
    assert f"α = {alpha:.3f}" in explorer.shown.text


def test_dots_gather_as_xi_moves():
    explorer = lesson.game_explorer()
    explorer.set(xi=1.0, steps=300)
    settled = explorer.scene["panels"][1]["marks"][0]
    assert settled["x"] == lesson.XIS
    assert settled["y"] == pytest.approx([2 / (1 + 2 * xi) for xi in lesson.XIS], abs=1e-3)
    explorer.set(curve="show", xi=0.5)
    dots, curve = explorer.scene["panels"][1]["marks"]
    assert dots["x"] == [xi for xi in lesson.XIS if xi <= 0.5]
    assert curve["name"] == "2 / (1 + 2ξ)"


def test_no_arrow_leaves_the_picture():
    explorer = lesson.arrows_explorer()
    ends = {c["name"]: (c["raw"][0], c["raw"][-1]) for c in explorer.controls}
    for alpha, w, xi in itertools.product(*ends.values()):
        explorer.set(alpha=alpha, w=w, xi=xi)
        path, sums = explorer.scene["panels"]
        for mark in path["marks"]:
            if mark["kind"] == "arrow":
                assert all(-3 <= x <= 8 for x in mark["x"])
                assert all(-3.5 <= y <= 3.5 for y in mark["y"])
        assert all(abs(v) <= 5 for v in sums["marks"][0]["values"])


def test_arrows_cancel_at_the_optimum():
    explorer = lesson.arrows_explorer()
    explorer.set(alpha=1.0, w=1.0, xi=0.5)
    assert "α stays" in explorer.shown.text


@pytest.fixture
def network():
    torch.manual_seed(0)
    net = OneEdge(("skip_connect", "avg_pool_3x3", "sep_conv_3x3"), channels=2).double()
    images = torch.randn(2, 16, 1, 8, 8, dtype=torch.float64)
    return net, *(Batch(x, torch.arange(16) % 10) for x in images)


def test_the_definition_agrees_with_the_exact_gradient(network):
    net, train, val = network
    found = lesson.by_definition(net, train, val, xi=0.3)
    optimizer = torch.optim.SGD(net.weights().values(), lr=0.3)
    torch.testing.assert_close(
        found, Exact().gradient(net, train, val, optimizer).gradient["edge"], rtol=1e-5, atol=1e-9
    )


def test_the_epsilon_explorer_shows_where_it_breaks(network):
    explorer = lesson.epsilon_explorer(*network, xi=0.3)
    single, double = (mark["y"] for mark in explorer.scene["panels"][0]["marks"][:2])
    assert min(double) < min(single) < 0.0  # logarithms
    assert single[0] > min(single) + 1
    assert double[-1] > min(double) + 3


def test_joint_training_prefers_what_fits_the_noise():
    torch.manual_seed(0)
    data = overfitting.noisy_line(0)
    net = overfitting.LineOrWiggle()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.05)
    before = overfitting.frame(net, data.test)
    for _ in range(200):
        optimizer.zero_grad()
        net.loss(data.train).loss.backward()
        optimizer.step()
    after = overfitting.frame(net, data.test)
    assert before.weights == [0.5, 0.5]
    assert after.weights[1] > 0.5
    assert after.loss > 2 * net.loss(data.train).loss
    explorer = overfitting.fits_explorer(
        {"same points": [before, after]}, {"same points": {"w and α": data.train}}
    )
    explorer.set(frame=1)
    assert f"wiggle {after.weights[1]:.2f}" in explorer.shown.text
    assert explorer.scene["panels"][0]["marks"][2]["y"] == pytest.approx(after.curve, abs=1e-3)


def test_the_overfitting_picture_tells_its_ranges():
    def frames(*pairs):
        return [overfitting.Frame([1 - wiggle, wiggle], [], loss) for wiggle, loss in pairs]

    results = {
        "a": frames((0.9, 3.0), (0.7, 5.0)),
        "b": frames((0.5, 1.0)),
        "c": frames((0.1, 0.3)),
    }
    alt = overfitting.overfitting_picture(results).alt
    assert "a: wiggle 0.70 to 0.90, loss on new data 3.00 to 5.00" in alt
