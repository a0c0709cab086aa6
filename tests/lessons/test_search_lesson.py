"""The checks and pictures of lessons 00 and 03."""

import math

import pytest
import torch

from dartsedu.genotype import random_genotype
from dartsedu.lessons import search as lesson
from dartsedu.lessons import search_checks as checks
from dartsedu.lessons import start_checks
from dartsedu.show.measures import entropy


def right(supernet, weights_batch, architecture_batch, w, alpha):
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    w.zero_grad()
    supernet.loss(weights_batch).loss.backward()
    w.step()
    return True


def w_first(supernet, weights_batch, architecture_batch, w, alpha):
    w.zero_grad()
    supernet.loss(weights_batch).loss.backward()
    w.step()
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    return True


def not_cleared(supernet, weights_batch, architecture_batch, w, alpha):
    alpha.zero_grad()
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    supernet.loss(weights_batch).loss.backward()
    w.step()
    return True


def one_split(supernet, weights_batch, architecture_batch, w, alpha):
    return right(supernet, architecture_batch, architecture_batch, w, alpha)


def only_alpha(supernet, weights_batch, architecture_batch, w, alpha):
    supernet.loss(architecture_batch).loss.backward()
    alpha.step()
    return True


def only_w(supernet, weights_batch, architecture_batch, w, alpha):
    supernet.loss(weights_batch).loss.backward()
    w.step()
    return True


@pytest.mark.parametrize(
    ("step", "status", "words"),
    [
        (right, "right", "α first, on its own split"),
        (w_first, "wrong", "w moved before α"),
        (not_cleared, "wrong", "w keeps gradients that are not its own"),
        (one_split, "wrong", "w descends the architecture batch"),
        (only_alpha, "wrong", "w did not move"),
        (only_w, "wrong", "α did not move"),
        (lambda *_: None, "open", "gives nothing yet"),
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


def test_pictures_say_what_they_show():
    search = lesson.digits_search(0)
    step = next(search)
    from dartsedu.stream.recording import Header, Recording

    recording = Recording(Header.of(search, search.space), (step,))
    bits = f"{entropy(step.mixture['normal']):.2f}"
    assert bits in lesson.entropies_picture({"a": recording}).alt
    assert "a: 30%" in lesson.shares_picture({"a": 0.3}).alt
    assert torch.get_num_threads() == 1
