"""Lesson 00: the check of its exercise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dartsedu.lessons.check import ask, check, same


@check
def check_count(count: Callable[[int, int], Any]) -> str:
    """The number of cells with ``nodes`` nodes and ``operations`` to choose from on every edge."""
    for nodes, operations in ((1, 7), (2, 7), (4, 7)):
        predecessors = [math.comb(2 + i, 2) for i in range(nodes)]
        expected = math.prod(p * operations**2 for p in predecessors)
        mistakes = {
            "you let a node take the same predecessor twice, or count an order: use math.comb": (
                math.prod((2 + i) ** 2 * operations**2 for i in range(nodes))
            ),
            "you chose the predecessors, but not the operations": math.prod(predecessors),
            "a node keeps two edges, and each has an operation of its own": math.prod(
                p * operations for p in predecessors
            ),
        }
        same(
            ask(count, nodes, operations),
            torch.tensor(float(expected), dtype=torch.float64),
            f"count({nodes}, {operations})",
            {m: torch.tensor(float(v), dtype=torch.float64) for m, v in mistakes.items()},
        )
    return "about 10⁹ normal cells, and as many reduction cells: 10¹⁸ pairs."
