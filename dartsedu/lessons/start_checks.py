"""Lesson 00: the check of its exercise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from dartsedu.lessons.check import ask, check, same
from dartsedu.lessons.guess import Question, Quiz


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
            "m counts once for a node; it keeps two edges, each with an operation of its own": (
                math.prod(p * operations for p in predecessors)
            ),
            "every edge of the cell has an operation, 14 for four nodes; but a node keeps only two "
            "of the edges into it": operations ** sum(2 + i for i in range(nodes)),
        }
        same(
            ask(count, nodes, operations),
            torch.tensor(float(expected), dtype=torch.float64),
            f"count({nodes}, {operations})",
            {m: torch.tensor(float(v), dtype=torch.float64) for m, v in mistakes.items()},
        )
    return "about 10⁹ normal cells, and as many reduction cells: 10¹⁸ pairs."


QUIZ = Quiz(
    [
        Question(
            "What does DARTS search?",
            "Two cells: a normal and a reduction cell",
            "Networks are stacks of them. Their weights are trained along the way, and again from "
            "scratch once the cells are fixed.",
            {
                "A whole network, layer by layer": "The stack is given. What repeats in it, the "
                "cell, is what is searched.",
                "The weights of a given network": "That is ordinary training. Here the operations "
                "themselves are open.",
            },
        ),
        Question(
            "Why not train every cell and take the best?",
            "There are about 10⁹ normal cells of four nodes alone",
            "And as many reduction cells, so 10¹⁸ pairs.",
            {
                "A cell cannot be trained alone": "It can, as a stack with a head. There are just "
                "too many.",
                "Training is not repeatable": "True to a degree, and a reason for several seeds; "
                "but the number alone rules it out.",
            },
        ),
        Question(
            "In the replay one operation of a kept edge has nearly all of its share. What do you "
            "know about the network that keeps it?",
            "That this operation led its edge when you looked",
            "Not more. The supernet's loss is that of all operations together.",
            {
                "That the network will be good": "Shares say how the mixture divides; how good the "
                "cell alone is must be measured.",
                "That the others are useless there": "They had smaller shares. Some might do as "
                "well, had they led.",
            },
        ),
    ]
)
