"""When two steps count as the same."""

import numpy as np


def same_step(one, other) -> bool:
    """Whether two steps agree in everything but the time they took."""
    return (
        (one.index, one.epoch) == (other.index, other.epoch)
        and one.loss == other.loss
        and one.accuracy == other.accuracy
        and one.learning_rate == other.learning_rate
        and all(np.array_equal(one.alphas[c], other.alphas[c]) for c in one.alphas)
        and all(np.array_equal(one.mixture[c], other.mixture[c]) for c in one.mixture)
    )
