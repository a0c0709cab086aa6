"""Methods in a search: what each changes, and that none leaves the stream's promises."""

import os
import signal
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from comparison import same_step

from dartsedu.architect import Exact, FiniteDifference, FirstOrder
from dartsedu.methods.blends import Adversarial
from dartsedu.methods.draws import GumbelHard
from dartsedu.methods.method import Gate, Method
from dartsedu.methods.penalties import BetaDecay
from dartsedu.methods.schedule import Progress, Schedule
from dartsedu.methods.stops import Eigenvalue, SettledRanking
from dartsedu.methods.table import METHODS
from dartsedu.presets import PRESETS, changes, load_preset, read_settings
from dartsedu.runs.requests import chosen_settings, method_settings
from dartsedu.search import Search
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_supernet, search_space
from dartsedu.spaces.cnn import CNNSupernet
from dartsedu.stream.recording import Recording, recorded
from dartsedu.stream.stream import CheckpointError

# The stops as they are wait longer than these runs last.
QUICK = {
    "robust-darts-es": Method(
        stop=Eigenvalue(every=1, window=1, lag=1, back=1, from_epoch=1, ratio=1e-6)
    ),
    "darts-plus-ranking": Method(stop=SettledRanking(epochs=1)),
}
TINY = (
    "search.epochs=1",
    "search.batch_size=64",
    "supernet.channels=2",
    'supernet.primitives=["none", "skip_connect", "sep_conv_3x3", "dil_conv_3x3"]',
)


def method_of(name):
    return QUICK.get(name, METHODS[name].method)


@pytest.fixture
def make_search(make_supernet, task, search_settings):
    def make(method, seed=0, supernet=None, **changes):
        settings = search_settings.model_copy(update={"method": method, **changes})
        supernet = supernet or make_supernet(seed)
        if method.edge.builds_skips:
            torch.manual_seed(seed)
            supernet = CNNSupernet(
                supernet.space,
                image_channels=1,
                classes=3,
                channels=2,
                cells=3,
                alpha_scale=1e-3,
                auxiliary=True,
            )
        expected = method.relaxation.expected
        if expected is not None:
            supernet.space = supernet.space.model_copy(update={"relaxation": expected})
        return Search(supernet, task, settings, seed=seed)

    return make


# ---- Promises of the stream, for every method ----------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_every_method_resumes_bit_for_bit_and_records_what_is_expected(make_search, name, tmp_path):
    method = method_of(name)
    whole_search = make_search(method)
    whole = list(whole_search)
    stop = len(whole) - 2
    begun = make_search(method)
    for _ in range(stop):
        next(begun)
    begun.save(tmp_path / "c.pt")
    torch.manual_seed(99)
    resumed_search = make_search(method, seed=0)
    with torch.no_grad():
        for p in resumed_search.supernet.parameters():
            p.uniform_()
    resumed = list(resumed_search.load(tmp_path / "c.pt"))
    assert all(same_step(a, b) for a, b in zip(whole[stop:], resumed, strict=True))
    assert [s.measured for s in resumed] == [s.measured for s in whole[stop:]]
    assert resumed_search.genotype() == whole_search.genotype()
    assert resumed_search.ended == whole_search.ended
    assert whole_search.ended == (name in QUICK)
    assert all(np.isfinite(list(step.loss.values())).all() for step in whole)
    relaxation = whole_search.space.relaxation
    for step in whole:
        for cell, alpha in step.alphas.items():
            exact = alpha.astype(float)
            expected = {
                "softmax": np.exp(exact) / np.exp(exact).sum(1, keepdims=True),
                "sigmoid": 1 / (1 + np.exp(-exact)),
                "dirichlet": (beta := np.where(exact > 0, exact + 1, np.exp(exact)))
                / beta.sum(1, keepdims=True),
            }[relaxation]
            np.testing.assert_allclose(step.mixture[cell], expected, rtol=1e-5)


def begun(name):
    """A search of the digits by a method, at its start."""
    settings = load_preset("classroom", [*TINY, ("search.method", method_of(name).model_dump())])
    task = task_of("classroom")
    return Search(build_supernet(settings, task, 0), task, settings.search, seed=0)


def on_disk(search, folder):
    return recorded(
        search, folder / "r.jsonl", folder / "c.pt", space=search.space, checkpoint_every=2
    )


def die(folder):
    """Of every method, run a search in a process of its own that is killed in its sixth step."""
    for name in METHODS:
        if child := os.fork():
            os.waitpid(child, 0)
            continue
        search = begun(name)
        plain = search.supernet.loss

        def loss(*arguments, search=search, plain=plain):
            if search.done == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return plain(*arguments)

        object.__setattr__(search.supernet, "loss", loss)
        for _ in on_disk(search, folder / name):
            pass
        os._exit(1)  # It should not have come so far.


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_every_method_that_was_killed_goes_on_bit_for_bit(tmp_path):
    script = f"from test_methods import die; from pathlib import Path; die(Path({str(tmp_path)!r}))"
    here = Path(__file__).parent
    paths = os.pathsep.join([str(here), str(here.parent), *sys.path])
    environment = os.environ | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment, timeout=600)
    for name in METHODS:
        whole, folder = list(begun(name)), tmp_path / name
        if len(whole) > 5:
            assert len(Recording.load(folder / "r.jsonl").steps) == 5
        search = begun(name).load(folder / "c.pt")
        resumed = list(on_disk(search, folder))
        assert search.done == len(whole)
        pairs = zip(whole[len(whole) - len(resumed) :], resumed, strict=True)
        assert all(same_step(a, b) for a, b in pairs), name
        kept = Recording.load(folder / "r.jsonl").steps
        assert all(same_step(a, b) for a, b in zip(whole, kept, strict=True)), name
        assert [step.measured for step in kept] == [step.measured for step in whole]


@cache
def task_of(preset):
    return load_preset(preset).task.load()


@pytest.mark.parametrize("space", ["rnn-classroom", "equation"])
@pytest.mark.parametrize("name", METHODS)
def test_a_method_works_in_every_space_or_is_refused_with_the_reason(space, name):
    small = {
        "rnn-classroom": ["supernet.hidden=4", "supernet.nodes=2", "search.batch_size=4"],
        "equation": ["supernet.restarts=3", "search.batch_size=12"],
    }[space]
    settings = chosen_settings(space, None, [*small, "search.epochs=2"], name)
    task = task_of(space)
    refused = {
        ("equation", "robust-darts-es"): "many restarts",
        ("equation", "darts-plus"): "the space has none",
        ("equation", "darts-minus"): "the space 'equation' has: plain",
        ("rnn-classroom", "darts-minus"): "the space 'rnn' has: plain",
        ("rnn-classroom", "darts-plus-ranking"): "fewer than two",
    }.get((space, name))
    if refused is not None:
        with pytest.raises(SettingsError, match=refused):
            search_space(settings, task)
        return
    search = Search(build_supernet(settings, task, 0), task, settings.search, seed=0)
    steps = [next(search) for _ in range(2)]
    assert all(np.isfinite(list(step.loss.values())).all() for step in steps)
    assert any((steps[0].alphas[cell] != steps[1].alphas[cell]).any() for cell in steps[0].alphas)


# ---- The factors one by one ----------------------------------------------------------------------


def test_the_neutral_method_is_darts():
    assert METHODS["darts"].method == Method()
    settings = load_preset("classroom").search
    assert settings.method == Method()
    assert '"method"' not in settings.identity  # Checkpoints of before go on.


def test_alpha_rests_before_its_epoch_and_between_its_turns(make_search):
    gate = Gate(from_epoch=1, every=2)
    search = make_search(Method(gate=gate))
    alphas = [search.supernet.alphas["normal"].detach().numpy().copy()]
    steps = list(search)
    alphas += [step.alphas["normal"] for step in steps]
    moved = [bool((a != b).any()) for a, b in pairwise(alphas)]
    assert moved == [step >= 3 and step % 2 == 0 for step in range(9)]
    assert all(step.loss["architecture"] > 0 for step in steps)


def test_w_goes_the_same_way_and_the_loss_is_the_same_while_alpha_rests(make_search):
    """Against an architect that finds no slope, with an Adam that stands still."""
    rests = list(make_search(Method(gate=Gate(from_epoch=10))))
    still = make_search(Method())

    class Still(FirstOrder):
        def gradient(self, *arguments):
            found = super().gradient(*arguments)
            return found._replace(gradient={c: 0 * g for c, g in found.gradient.items()})

    still.architect = Still()
    still.architecture_optimizer.param_groups[0]["weight_decay"] = 0.0
    assert all(same_step(a, b) for a, b in zip(rests, still, strict=True))


def test_on_one_level_alpha_and_w_leave_the_same_point(make_search):
    """The first step by hand: both slopes on the weights batch, at the α and w of the start."""
    search, other = make_search(Method(level="single")), make_search(Method(level="single"))
    step = next(search)
    batch = next(other._weights_batches)
    held_out = next(other._architecture_batches)
    supernet, settings = other.supernet, other.settings
    with other._seeded(), supernet.frozen():
        shown = float(supernet.loss(held_out).loss.detach())
    with other._seeded(), supernet.frozen():
        loss = supernet.loss(batch).loss
        of_alpha, of_w = torch.autograd.grad(
            loss, [supernet.alphas["normal"], supernet.classifier.weight], retain_graph=True
        )
        every = torch.autograd.grad(loss, list(supernet.weights().values()))
    assert step.loss["weights"] == pytest.approx(float(loss.detach()))
    assert step.loss["architecture"] == pytest.approx(shown)
    alpha = supernet.alphas["normal"].detach()
    slope = of_alpha + settings.architecture.weight_decay * alpha
    moved = alpha - settings.architecture.learning_rate * slope / (slope.abs() + 1e-8)
    np.testing.assert_allclose(step.alphas["normal"], moved.numpy(), rtol=1e-3, atol=1e-6)
    w = supernet.classifier.weight.detach()
    norm = float(torch.sqrt(sum(s.square().sum() for s in every)))
    down = of_w * min(1.0, settings.weights.clip / norm) + settings.weights.weight_decay * w
    expected = w - settings.weights.learning_rate * down
    torch.testing.assert_close(search.supernet.classifier.weight.detach(), expected)


@pytest.mark.parametrize("architect", ["first-order", "finite-difference", "exact"])
def test_a_penalty_adds_its_own_slope_to_that_of_any_architect(make_search, architect):
    weight = Schedule(start=3.0)
    plain = make_search(Method(), architect=architect)
    other = make_search(Method(penalty=BetaDecay(weight=weight)), architect=architect)
    found = []
    for search in (plain, other):
        moved = search.architecture_optimizer.step
        search.architecture_optimizer.step = lambda s=search, m=moved: (
            found.append({c: a.grad.clone() for c, a in s.supernet.alphas.items()}),
            m(),
        )
        start = {cell: a.detach().clone() for cell, a in search.supernet.alphas.items()}
        next(search)
    for cell, alpha in start.items():
        expected = found[0][cell] + 3.0 / 10 * torch.softmax(alpha, -1)
        torch.testing.assert_close(found[1][cell], expected, atol=1e-7, rtol=1e-5)


def test_the_steps_of_alpha_and_w_see_draws_of_their_own_and_on_one_level_the_same(make_search):
    for level, distinct in (("bilevel", 2), ("single", 1)):
        search = make_search(Method(level=level, relaxation=GumbelHard()))
        plain, seen = search.supernet.loss, []

        def loss(batch, mixture=None, plain=plain, search=search, seen=seen):
            seen.append(search.supernet.mixture()["normal"].detach().clone())
            return plain(batch, mixture)

        object.__setattr__(search.supernet, "loss", loss)
        next(search)
        rows = {tuple(mixture.flatten().tolist()) for mixture in seen}
        assert len(rows) == distinct
        shown = search.supernet.mixture()["normal"]
        assert not any(torch.equal(shown, mixture) for mixture in seen)


def test_all_passes_of_a_second_order_step_see_one_draw(make_search):
    """In float64 the finite difference finds the exact slope only if its draws are the same."""
    search = make_search(Method())
    supernet = search.supernet.double()
    batches = [
        batch._replace(inputs=batch.inputs.double())
        for batch in (next(search._weights_batches), next(search._architecture_batches))
    ]
    optimizer = torch.optim.SGD([supernet.vector()], lr=0.1)
    draw = METHODS["snas"].method.relaxation.mixing(Progress(0, 3), 5)
    with supernet.mixing(draw):
        near, exact = (
            architect.gradient(supernet, *batches, optimizer).gradient
            for architect in (FiniteDifference(epsilon_scale=1e-5), Exact())
        )
        first = FirstOrder().gradient(supernet, *batches, optimizer).gradient
    for cell, slope in exact.items():
        torch.testing.assert_close(near[cell], slope, atol=1e-7, rtol=1e-4)
        assert not torch.allclose(first[cell], slope, atol=1e-5)


def test_a_disturbance_of_size_zero_is_darts(make_search):
    blend = Adversarial(size=Schedule(start=0.0), steps=2)
    steps, plain = list(make_search(Method(blend=blend))), list(make_search(Method()))
    for a, b in zip(steps, plain, strict=True):
        np.testing.assert_allclose(a.alphas["normal"], b.alphas["normal"], rtol=1e-3, atol=1e-4)
        assert a.loss["weights"] == pytest.approx(b.loss["weights"], rel=1e-3)


def test_a_stop_ends_the_stream_and_answers_with_an_earlier_step(make_search, tmp_path):
    search = make_search(QUICK["robust-darts-es"])
    steps = list(search)
    assert (len(steps), search.total, search.ended) == (6, 9, True)
    answer = search.course.answer
    assert (answer.epoch, answer.step) == (0, 2)
    np.testing.assert_array_equal(answer.alphas["normal"].numpy(), steps[2].alphas["normal"])
    np.testing.assert_array_equal(
        answer.mixture(search.supernet)["reduce"].numpy(), steps[2].mixture["reduce"]
    )
    assert [bool(step.measured) for step in steps] == [False, False, True] * 2
    with pytest.raises(StopIteration):
        next(search)
    path = tmp_path / "r.jsonl"
    again = make_search(QUICK["robust-darts-es"])
    list(recorded(again, path, tmp_path / "c.pt", space=again.space))
    kept = Recording.load(path).steps
    assert [step.measured for step in kept] == [step.measured for step in steps]
    assert list(make_search(QUICK["robust-darts-es"]).load(tmp_path / "c.pt")) == []


def test_a_checkpoint_whose_answer_was_not_seen_is_refused(make_search, tmp_path):
    search = make_search(QUICK["robust-darts-es"])
    list(search)
    search.save(tmp_path / "c.pt")
    saved = torch.load(tmp_path / "c.pt", weights_only=True)
    saved["state"]["course"]["answer"] = 7
    torch.save(saved, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="an epoch that was not watched"):
        make_search(QUICK["robust-darts-es"]).load(tmp_path / "c.pt")


# ---- By name, and as settings --------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_a_method_by_name_survives_json_and_is_told_as_a_change(name):
    settings = chosen_settings("classroom", None, [], name)
    assert settings.search.method == METHODS[name].method
    assert settings.search.rule == METHODS[name].rule
    assert read_settings(settings.model_dump_json()) == settings
    assert bool(changes(settings)) == (name != "darts")
    search_space(settings)


def test_an_equation_keeps_its_own_rule():
    assert chosen_settings("equation", None, [], "gdas").search.rule == "argmax"
    assert method_settings("gdas", "cnn")[1] == ("search.rule", "paper")


def test_a_piece_is_chosen_by_its_kind_and_then_its_fields():
    settings = load_preset(
        "classroom",
        [
            "search.method.relaxation.kind=gumbel",
            "search.method.relaxation.temperature.end=0.5",
            "search.method.gate.from_epoch=2",
        ],
    )
    relaxation = settings.search.method.relaxation
    assert (relaxation.kind, relaxation.temperature.end) == ("gumbel", 0.5)
    told = {name: (now, before) for name, now, before in changes(settings)}
    assert told["search.method.relaxation.kind"] == ("gumbel", "plain")
    assert told["search.method.relaxation.temperature.end"] == ("0.5", "-")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("search.method.relaxation.kind=concrete", "does not match any of the expected tags"),
        ("search.method.relaxation.temperature.end=1", "'temperature' has no fields|not a setting"),
        ("search.method.gate.every=0", "greater than or equal to 1"),
        ("search.method.level=none", "'bilevel' or 'single'"),
    ],
)
def test_wrong_pieces_are_explained(text, words):
    with pytest.raises(SettingsError, match=words):
        load_preset("classroom", [text])


def test_what_does_not_fit_together_is_refused(make_supernet, task, search_settings):
    with pytest.raises(SettingsError, match="no inner problem that architect=exact could"):
        load_preset("classroom", ["search.architect=exact", "search.method.level=single"])
    with pytest.raises(SettingsError, match="unknown method 'dart'; expected one of: darts"):
        chosen_settings("classroom", None, [], "dart")
    settings = search_settings.model_copy(update={"method": METHODS["fair-darts"].method})
    with pytest.raises(ValueError, match=r"is of sigmoid\(α\), but the supernet's space has"):
        Search(make_supernet(), task, settings)


@pytest.mark.parametrize("name", [name for name in PRESETS if name in METHODS])
def test_a_preset_of_a_method_has_its_factors_and_rule(name):
    search = load_preset(name).search
    assert (search.method, search.rule) == (METHODS[name].method, METHODS[name].rule)
    assert (search.architect, search.epochs) == ("first-order", 50)


def test_the_preset_of_fair_darts_has_the_published_numbers():
    search = load_preset("fair-darts").search
    assert (search.batch_size, search.weights.learning_rate) == (128, 0.005)
    assert search.weights.learning_rate_end == 0.001
    alpha = search.architecture
    assert (alpha.learning_rate, alpha.beta1, alpha.beta2) == (3e-3, 0.9, 0.999)
