from math import log

import numpy as np
import pytest
import torch

from dartsedu.data.ngrams import bigram_loss, reference_losses, unigram, unigram_loss
from dartsedu.data.text import TextSplit


def test_unigram_by_hand():
    """Counts 2, 1, 0 of 3 words: (2+1, 1+1, 0+1) / 6."""
    training, test = np.array([0, 1, 0]), np.array([2, 0, 2])
    np.testing.assert_allclose(unigram(training, 3), np.array([3, 2, 1]) / 6)
    assert unigram_loss(training, test, 3) == pytest.approx(-(log(3 / 6) + log(1 / 6)) / 2)


def test_bigram_by_hand():
    """0 is followed by 1 twice and by 0 once: n = 3, t = 2. 2 never stands before a word."""
    training = np.array([0, 1, 0, 0, 1])
    base = (np.array([3, 2, 0]) + 1) / 8
    test = np.array([0, 1, 0, 2, 1])
    wanted = [
        (2 + 2 * base[1]) / 5,  # after 0
        (1 + 1 * base[0]) / 2,  # after 1, which was followed once, by 0
        (0 + 2 * base[2]) / 5,
        base[1],  # after 2
    ]
    assert bigram_loss(training, test, 3) == pytest.approx(-np.log(wanted).mean())


def test_bigram_chances_add_up_to_one():
    training = np.random.default_rng(0).integers(0, 6, 40)
    for before in range(7):
        losses = [bigram_loss(training, np.array([before, after]), 7) for after in range(7)]
        assert np.exp(-np.array(losses)).sum() == pytest.approx(1)


def test_references_of_a_text():
    split = TextSplit(torch.tensor([0, 1] * 500))
    found = reference_losses(split, split, 2)
    assert found["unigram"] == pytest.approx(log(2), abs=1e-3)
    assert found["bigram"] < 0.01
