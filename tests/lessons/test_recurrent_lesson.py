"""The checks, explorers and recorded numbers of lesson 06."""

from itertools import product
from math import exp, log
from statistics import fmean

import numpy as np
import pytest
import torch

from dartsedu.derivation import derive
from dartsedu.lessons import recurrent as lesson
from dartsedu.lessons import recurrent_checks as checks
from dartsedu.lessons.intervals import difference
from dartsedu.spaces.rnn import rnn_space
from dartsedu.stream.recording import Recording
from dartsedu.stream.stream import Step


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda p: (-p.log().mean()).exp(), "right", "8 equally likely"),
        (lambda p: (1 / p).prod() ** (1 / len(p)), "right", "8 equally likely"),
        (lambda p: -p.log().mean(), "wrong", "mean loss in nats"),
        (lambda p: 2 ** (-p.log().mean()), "wrong", "different bases"),
        (lambda p: (1 / p).mean(), "wrong", "the mean belongs to the logarithms"),
        (lambda p: (-p.log().sum()).exp(), "wrong", "summed over the words"),
        (lambda p: p.log().mean().exp(), "wrong", "sign"),
        (lambda p: ..., "open", "gives nothing yet"),
    ],
)
def test_perplexity_is_judged(answer, status, words):
    verdict = checks.check_perplexity(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def halves(state, weight):
    return (state @ weight).chunk(2, dim=-1)


def right_edge(state, weight, f):
    gate, value = halves(state, weight)
    return (1 - gate.sigmoid()) * state + gate.sigmoid() * f(value)


def no_sigmoid(state, weight, f):
    gate, value = halves(state, weight)
    return state + gate * (f(value) - state)


def swapped(state, weight, f):
    value, gate = halves(state, weight)
    return state + gate.sigmoid() * (f(value) - state)


def reversed_gate(state, weight, f):
    gate, value = halves(state, weight)
    return gate.sigmoid() * state + (1 - gate.sigmoid()) * f(value)


def nothing_kept(state, weight, f):
    gate, value = halves(state, weight)
    return gate.sigmoid() * f(value)


def all_kept(state, weight, f):
    gate, value = halves(state, weight)
    return state + gate.sigmoid() * f(value)


def of_state(state, weight, f):
    gate, _ = halves(state, weight)
    return state + gate.sigmoid() * (f(state) - state)


def no_activation(state, weight, f):
    gate, value = halves(state, weight)
    return state + gate.sigmoid() * (value - state)


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (right_edge, "right", "all four activations"),
        (lesson.edge, "right", "all four activations"),
        (no_sigmoid, "wrong", "needs the sigmoid"),
        (swapped, "wrong", "gate and value are swapped"),
        (reversed_gate, "wrong", "the other way round"),
        (nothing_kept, "wrong", "nothing of the old state"),
        (all_kept, "wrong", "the whole old state"),
        (of_state, "wrong", "you applied f to the state"),
        (no_activation, "wrong", "f is missing"),
        (lambda state, weight, f: f(state @ weight), "wrong", "shape"),
        (lambda *_: ..., "open", "gives nothing yet"),
    ],
)
def test_an_edge_is_judged(answer, status, words):
    verdict = checks.check_edge(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


FUNCTIONS = (torch.tanh, torch.relu, torch.sigmoid, lambda v: v)


def node(states, weight, shares, keep_none=False):
    total = 0
    for state, row in zip(states, shares, strict=True):
        total = total + sum(
            p * right_edge(state, weight, f) for p, f in zip(row[1:], FUNCTIONS, strict=True)
        )
        total = total + row[0] * state if keep_none else total
    return total


def one_gate(states, weight, shares):
    total = 0
    for state, row in zip(states, shares, strict=True):
        gate, value = halves(state, weight)
        mixed = sum(p * f(value) for p, f in zip(row[1:], FUNCTIONS, strict=True))
        total = total + state + gate.sigmoid() * (mixed - state)
    return total


def shifted(states, weight, shares):
    return node(states, weight, torch.cat([shares[:, :1], shares[:, :4]], dim=1))


def renormalised(states, weight, shares):
    return node(states, weight, shares / (1 - shares[:, :1]))


def first_row(states, weight, shares):
    return node(states, weight, shares[:1].repeat(len(states), 1))


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (node, "right", "the package's mixed cell"),
        (lambda s, w, p: node(s, w, p, keep_none=True), "wrong", "none passes the state on"),
        (lambda s, w, p: node(s, w, p) / len(s), "wrong", "mean over the predecessors"),
        (lambda s, w, p: node(s[-1:], w, p[-1:]), "wrong", "only the last predecessor"),
        (lambda s, w, p: node(s, w, torch.ones_like(p)), "wrong", "shares are not used"),
        (one_gate, "wrong", "the share 1 − p(none)"),
        (shifted, "wrong", "off by one"),
        (renormalised, "wrong", "shared out among the others"),
        (first_row, "wrong", "a row of its own"),
        (lambda s, w, p: node(s, w, p).sum(), "wrong", "shape (4, 3)"),
        (lambda s, w, p: 0.5, "wrong", "shape (4, 3)"),
        (lambda s, w, p: p[0, 9], "wrong", "IndexError"),
        (lambda *_: None, "open", "gives nothing yet"),
    ],
)
def test_a_mixed_node_is_judged(answer, status, words):
    verdict = checks.check_mixed_node(answer)
    assert verdict.status == status, verdict
    assert words in verdict.message


def test_a_gated_state_fades_by_its_closed_form():
    explorer = lesson.memory_explorer()
    for gate in (-4.0, -2.75, 0.0):
        explorer.set(gate=gate)
        left = (1 - 1 / (1 + exp(-gate))) ** 10
        assert f"gated states hold {left:.2f} and {0.3 * left:.2f}" in explorer.scene["text"]


def test_the_answers_about_memory_are_right():
    def left(gate):
        return (1 - 1 / (1 + exp(-gate))) ** 10

    assert left(-2.63) == pytest.approx(0.5, abs=0.002)
    assert left(-2.5) < 0.5 < left(-2.75)
    assert {-2.5, -2.75} <= set(lesson.GATES)
    explorer = lesson.memory_explorer()
    explorer.set(factor=1.1)
    assert explorer.scene["text"].endswith("those without a gate 0.53 and 0.45.")
    explorer.set(factor=1.5)
    assert explorer.scene["text"].endswith("those without a gate 0.86 and 0.86.")


def test_a_short_search_and_a_short_training_step():
    task = lesson.load_text("pydoc")
    search = lesson.text_search(task, 0)
    step = next(search)
    assert step.loss["weights"] == pytest.approx(log(1000), abs=0.1)
    training = lesson.text_training(search.supernet.genotype(), task)
    assert next(training).loss["training"] == pytest.approx(log(1000), abs=0.1)
    assert training.total > 250


def step(index, **loss):
    return Step(
        index=index, epoch=0, loss=loss, accuracy={}, learning_rate={}, alphas={}, mixture={}
    )


def test_a_training_is_drawn_with_its_lines():
    steps = [step(0, training=2.0), step(1, training=1.5, validation=log(40.0))]
    alt = lesson.training_picture(steps, {"unigram": 90.0, "bigram": 50.0}).alt
    assert "after each epoch: 40.0." in alt
    assert "unigram 90.0, bigram 50.0" in alt
    assert "At the end it is below unigram, below bigram." in alt


def test_a_search_is_drawn_with_its_lines():
    steps = [step(i, architecture=log(200.0 - 10 * i)) for i in range(12)]
    alt = lesson.search_picture(steps, {"unigram": 150.0, "bigram": 50.0}).alt
    assert "Perplexity falls from 200 to" in alt
    assert "below unigram, above bigram" in alt


def test_the_recording_is_whole():
    """Three searches, every group of networks, all better than counting words."""
    assert lesson.groups("pydoc") == list(lesson.GROUPS)
    assert len(lesson.found_cells()) == 3
    for genotype in lesson.found_cells():
        genotype.check(rnn_space(4))
    lines = lesson.recorded()["references"]["pydoc"]
    for group in lesson.GROUPS:
        assert all(1 < value < lines["bigram"] for value in lesson.perplexities("pydoc", group))


def test_the_recorded_search_is_the_one_whose_cell_was_trained():
    recording = Recording.load(lesson.SEARCH)
    last = derive(recording.space, recording.steps[-1].alphas)
    assert last == lesson.found_cells()[0]


def test_pictures_say_the_numbers():
    alt = lesson.perplexities_picture("pydoc").alt
    mean = fmean(lesson.perplexities("pydoc", "random"))
    assert f"mean {mean:.1f}, interval" in alt
    assert "published: 50.4, a single one" in alt
    recording = Recording.load(lesson.SEARCH)
    assert "identity leads of all but none, with 0.55" in lesson.leaders_picture(recording).alt


def test_identity_leads_in_the_recorded_cells():
    assert lesson.kept_primitives() == {"identity": 7, "relu": 4, "sigmoid": 1}
    for genotype in lesson.found_cells():
        kept = [edge.primitive for _, edge in genotype["recurrent"].edges]
        assert kept.count("identity") >= 2


def test_what_the_lesson_says_of_the_recorded_networks():
    scores = lesson.scores("pydoc")
    found, drawn, lstm = (scores[g] for g in ("found", "random", "LSTM"))
    assert difference(found, drawn).low < 0 < difference(found, drawn).high
    assert difference(lstm, drawn).high < 0
    assert max(lstm) < min(*found, *drawn)


def test_luck_is_counted_over_all_pairs():
    pairs = list(product([1.0, 3.0], [2.0, 3.0]))
    expected = fmean((a < b) + 0.5 * (a == b) for a, b in pairs)
    assert lesson.one_of_each(np.array([1.0, 3.0]), np.array([2.0, 3.0])) == expected
    same = lesson.scores("pydoc")["random"]
    assert lesson.one_of_each(same, same) == 0.5


def test_a_plan_says_how_many_networks_it_takes():
    explorer = lesson.plan_explorer("pydoc")

    def verdict(first, second, n):
        explorer.set(first=first, second=second, networks=n)
        return explorer.shown.text.split("it ")[-1].split(".")[0]

    for first, needed in (("found", 20), ("LSTM", 4)):
        assert verdict(first, "random", needed - 1) == "holds zero"
        assert verdict(first, "random", needed) == "leaves out zero"
    explorer.set(first="LSTM", second="LSTM")
    assert "LSTM − LSTM: +0.0" in explorer.shown.text
