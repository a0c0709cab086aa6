"""Numbers that tell how a search is doing, read off its steps."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr

from dartsedu.derivation import derive
from dartsedu.genotype import Genotype, vocabulary
from dartsedu.stream.stream import Step
from dartsedu.topology import SearchSpace


def entropy(mixture: ArrayLike) -> float:
    """Mean entropy of the edges' mixtures, in bits: log₂ of how many primitives still compete.

    ``mixture`` has the shape (edges, primitives), rows summing to 1. Even mixtures of eight
    primitives give 3, decided edges 0.

    >>> entropy([[0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    0.5
    """
    return float(entr(np.asarray(mixture, dtype=np.float64)).sum(axis=-1).mean() / np.log(2))


CLEAR = 1.5
"""A primitive leads clearly whose weight is that many times the next one's."""


def clear_lead(weights: ArrayLike) -> int | None:
    """The place of the largest of some weights, ``None`` where the lead is not clear.

    >>> clear_lead([0.2, 0.5, 0.3]), clear_lead([0.3, 0.4, 0.3])
    (1, None)
    """
    given = np.asarray(weights, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    second = given[order[-2]] if len(order) > 1 else 0.0
    return int(order[-1]) if given[order[-1]] >= CLEAR * second else None


def shares(weights: ArrayLike) -> NDArray[np.float64]:
    """How a bundle is divided: an edge's weights, by their sum where that is more than 1.

    What is no finite number from 0 on has no share.

    >>> shares([0.5, 0.5, 1.0]).tolist()
    [0.25, 0.25, 0.5]
    """
    given = np.nan_to_num(np.asarray(weights, dtype=np.float64), posinf=0.0, neginf=0.0).clip(0)
    return given / max(1.0, float(given.sum()))


def passing(space: SearchSpace) -> str | None:
    """The primitive of ``space`` that hands its input on unchanged, ``None`` if it has none."""
    found = vocabulary(space.name).passing
    return found if found in space.primitives else None


def genotypes(space: SearchSpace, steps: Iterable[Step], rule: str | None = None) -> list[Genotype]:
    """The genotype that ``rule`` would derive after each step."""
    return [derive(space, step.alphas, rule) for step in steps]


def changes(found: Iterable[Genotype]) -> list[int]:
    """The places in a sequence of genotypes that differ from the one before."""
    found = list(found)
    return [i for i in range(1, len(found)) if found[i] != found[i - 1]]
