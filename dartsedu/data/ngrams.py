"""Counting words: what a text model has to beat before it has learnt anything."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dartsedu.data.text import TextSplit

Words = NDArray[np.int64]


def unigram(training: Words, size: int) -> NDArray[np.float64]:
    """Probability of each of ``size`` words by its count, one added to every count (Laplace)."""
    return (np.bincount(training, minlength=size) + 1.0) / (len(training) + size)


def unigram_loss(training: Words, test: Words, size: int) -> float:
    """Mean nats of each word of ``test`` but the first, told by its frequency alone."""
    return float(-np.log(unigram(training, size)[test[1:]]).mean())


def bigram_loss(training: Words, test: Words, size: int) -> float:
    """Mean nats of each word of ``test`` but the first, told from the word before it.

    Counts of pairs are smoothed by word frequencies (Witten and Bell 1991): after a word h that
    was met n times with t different followers, word w has the probability
    (count(h, w) + t · unigram(w)) / (n + t).
    """
    pairs, counts = np.unique(training[:-1] * size + training[1:], return_counts=True)
    followers = np.bincount(pairs // size, minlength=size)
    met = np.bincount(training[:-1], minlength=size)
    wanted = test[:-1] * size + test[1:]
    places = np.searchsorted(pairs, wanted).clip(max=len(pairs) - 1)
    seen = np.where(pairs[places] == wanted, counts[places], 0)
    base = unigram(training, size)[test[1:]]
    t, n = followers[test[:-1]], met[test[:-1]]
    # A word that was never followed by any tells nothing: its frequencies are all there is.
    chances = np.where(n + t > 0, (seen + t * base) / np.maximum(n + t, 1), base)
    return float(-np.log(chances).mean())


def reference_losses(training: TextSplit, test: TextSplit, size: int) -> dict[str, float]:
    """``unigram`` and ``bigram``: nats a word on ``test``, counted in ``training``."""
    counted, told = (split.words.cpu().numpy() for split in (training, test))
    return {
        "unigram": unigram_loss(counted, told, size),
        "bigram": bigram_loss(counted, told, size),
    }
