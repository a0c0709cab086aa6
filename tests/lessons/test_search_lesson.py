"""The checks and pictures of lessons 00 and 03."""

import math

import pytest
import torch

from dartsedu.genotype import random_genotype
from dartsedu.lessons import search as lesson
from dartsedu.lessons import search_checks as checks
from dartsedu.lessons import start, start_checks
from dartsedu.show.measures import entropy
from dartsedu.stream.recording import Header, Recording


def right(supernet, weights_batch, architecture_batch, w, alpha):
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    w.zero_grad()
    supernet.loss(weights_batch).loss.backward()
    w.step()


def w_first(supernet, weights_batch, architecture_batch, w, alpha):
    w.zero_grad()
    supernet.loss(weights_batch).loss.backward()
    w.step()
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()


def not_cleared(supernet, weights_batch, architecture_batch, w, alpha):
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    supernet.loss(weights_batch).loss.backward()
    w.step()


def one_split(supernet, weights_batch, architecture_batch, w, alpha):
    right(supernet, architecture_batch, architecture_batch, w, alpha)


def crossed(supernet, weights_batch, architecture_batch, w, alpha):
    right(supernet, architecture_batch, weights_batch, w, alpha)


def alpha_on_weights(supernet, weights_batch, architecture_batch, w, alpha):
    right(supernet, weights_batch, weights_batch, w, alpha)


def joint(supernet, weights_batch, architecture_batch, w, alpha):
    w.zero_grad()
    alpha.zero_grad()
    supernet.loss(weights_batch).loss.backward()
    alpha.step()
    w.step()


def joint_on_architecture(supernet, weights_batch, architecture_batch, w, alpha):
    joint(supernet, architecture_batch, weights_batch, w, alpha)


def only_alpha(supernet, weights_batch, architecture_batch, w, alpha):
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()


def only_w(supernet, weights_batch, architecture_batch, w, alpha):
    supernet.loss(weights_batch).loss.backward()
    w.step()


@pytest.mark.parametrize(
    ("step", "status", "words"),
    [
        (right, "right", "α first, on its own split"),
        (w_first, "wrong", "w moved before α"),
        (not_cleared, "wrong", "w keeps gradients that are not its own"),
        (one_split, "wrong", "w descends the architecture batch"),
        (only_alpha, "wrong", "w did not move"),
        (only_w, "wrong", "α did not move"),
        (crossed, "wrong", "the splits are crossed"),
        (alpha_on_weights, "wrong", "α descends the weights batch"),
        (joint, "wrong", "both step after one backward pass, on the weights batch"),
        (joint_on_architecture, "wrong", "both step after one pass, on the architecture batch"),
        (lambda *_: None, "open", "moves nothing yet"),
        (lambda *_: ..., "open", "moves nothing yet"),
    ],
)
def test_a_step_of_the_search_is_judged(step, status, words):
    verdict = checks.check_step(step)
    assert verdict.status == status, verdict
    assert words in verdict.message


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda p: -(p * p.log2()).sum(1).mean(), "right", "0 means decided"),
        (lambda p: -(p * p.log()).sum(1).mean(), "wrong", "natural logarithm"),
        (lambda p: -(p * p.log2()).sum(), "wrong", "summed over the edges"),
        (lambda p: (p * p.log2()).sum(1).mean(), "wrong", "sign"),
        (lambda p: ..., "open", "gives nothing yet"),
    ],
)
def test_entropy_is_judged(answer, status, words):
    verdict = checks.check_entropy(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda n, k: math.prod(math.comb(2 + i, 2) * k**2 for i in range(n)), "right", "10"),
        (lambda n, k: math.prod((2 + i) ** 2 * k**2 for i in range(n)), "wrong", "twice"),
        (lambda n, k: math.prod(math.comb(2 + i, 2) for i in range(n)), "wrong", "operations"),
        (lambda n, k: math.prod(math.comb(2 + i, 2) * k for i in range(n)), "wrong", "two edges"),
        (lambda n, k: k ** sum(2 + i for i in range(n)), "wrong", "every edge of the cell"),
        (lambda n, k: print(n), "wrong", "use return"),
        (lambda n, k: ..., "open", "gives nothing yet"),
    ],
)
def test_the_size_of_the_space_is_judged(answer, status, words):
    verdict = start_checks.check_count(answer)
    assert (verdict.status, words in verdict.message) == (status, True), verdict


def test_shared_edges():
    search = lesson.digits_search(0)
    one, other = random_genotype(search.space, 0), random_genotype(search.space, 1)
    assert lesson.shared_edges([one, one]) == 1
    assert 0 <= lesson.shared_edges([one, other]) < 1
    assert lesson.shared_edges([one, one, other]) < 1


def test_a_deciding_search_starts_even_and_recordings_say_what_is_kept():
    searches = {"a": lesson.deciding_search(0, "search.epochs=1")}
    recordings = lesson.record(searches)
    steps = recordings["a"].steps
    assert 1 / 3 < lesson.strongest_share(steps[0]) < 0.55
    assert lesson.strongest_share(steps[-1]) > lesson.strongest_share(steps[0])
    assert lesson.kept_at(recordings["a"], 10_000) == lesson.kept_at(
        recordings["a"], len(steps) - 1
    )
    table = lesson.accuracy_table({"a": [searches["a"]]})
    assert "accuracy" in table


def test_the_shipped_search_decides():
    recording = Recording.load(start.DECIDED)
    assert lesson.strongest_share(recording.steps[0]) < 0.55
    assert lesson.strongest_share(recording.steps[-1]) >= 0.8
    explorer = start.shares_explorer(recording)
    assert explorer.alone
    assert explorer.scene["panels"][0]["marks"][0]["values"] == pytest.approx([1 / 3] * 3)
    explorer.set(step=len(recording.steps))
    assert f"Step {len(recording.steps)} on the edge" in explorer.shown.text


def test_changes_are_counted():
    recording = Recording.load(start.RECORDING)
    kept = [lesson.kept_at(recording, i) for i in range(len(recording.steps))]
    expected = sum(kept[i] != kept[i - 1] for i in range(len(kept) - 50, len(kept)))
    assert start.changes(recording, last=50) == expected


def test_chance_is_drawn_from_random_cells():
    space = lesson.digits_search(0).space
    by_chance = lesson.chance(space, group=2, draws=50, pool=20)
    assert len(by_chance) == 50
    assert 0 <= min(by_chance) <= max(by_chance) <= 1
    alt = lesson.chance_picture(0.9, by_chance).alt
    assert "90% of their kept edges" in alt
    assert "have 0% of the groups" in alt


def test_pictures_say_what_they_show():
    search = lesson.digits_search(0)
    step = next(search)
    recording = Recording(Header.of(search, search.space), (step,))
    bits = f"{entropy(step.mixture['normal']):.2f}"
    assert bits in lesson.entropies_picture({"a": recording}).alt
    assert torch.get_num_threads() == 1
