"""Lesson 06: the checks of its exercises, its quiz."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp
from typing import Any

import torch
from torch import Tensor

from dartsedu.base.yardstick import perplexity
from dartsedu.genotype import Cell as DiscreteCell
from dartsedu.genotype import Edge
from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.lessons.recurrent import edge
from dartsedu.spaces.rnn import ACTIVATIONS, PRIMITIVES, rnn_space
from dartsedu.spaces.rnn.network import Cell
from dartsedu.spaces.rnn.operations import gated, initial_state
from dartsedu.spaces.rnn.supernet import MixedCell

# ---- Exercise 1: perplexity ---------------------------------------------------------------------


@check
def check_perplexity(answer: Callable[[Tensor], Any]) -> str:
    """Perplexity from the probabilities that a model gave to the words that came."""
    even = torch.full((6,), 1 / 8)
    mixed = torch.tensor([0.5, 0.1, 0.02, 0.9])
    for chances, where in ((even, "six words, each told with 1/8"), (mixed, "an uneven text")):
        mean = float(-chances.log().mean())
        same(
            ask(answer, chances),
            torch.tensor(perplexity(mean)),
            f"the perplexity of {where}",
            {
                "that is the mean loss in nats: take exp of it": torch.tensor(mean),
                "logarithm and power have different bases: ln belongs to exp": torch.tensor(
                    2**mean
                ),
                "you took the mean of 1/p: the mean belongs to the logarithms": (
                    (1 / chances).mean()
                ),
                "you summed over the words: take the mean": torch.tensor(exp(mean * len(chances))),
                "the sign is wrong: the loss is −ln p": torch.tensor(exp(-mean)),
            },
        )
    return "a perplexity of 8 is to waver among 8 equally likely words."


# ---- Exercise 2: one edge -----------------------------------------------------------------------


def _small(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@check
def check_edge(answer: Callable[[Tensor, Tensor, Callable[[Tensor], Tensor]], Any]) -> str:
    """The learner's edge against the output of the package's cell with that one node."""
    hidden = 3
    for name, f in ACTIVATIONS.items():
        node = ((Edge(primitive=name, source=0),),)
        cell = Cell(
            DiscreteCell(
                name="recurrent", inputs=1, keep=1, nodes=node, combine="mean", outputs=(1,)
            ),
            hidden,
        )
        with torch.no_grad():
            cell.initial.copy_(_small(1, 2 * hidden, 2 * hidden))
            cell.nodes[0].copy_(_small(2, hidden, 2 * hidden))
            word, before = _small(3, 4, hidden), _small(4, 4, hidden)
            outputs, _ = cell(word[None], before, None)
            start = initial_state(word @ cell.initial[:hidden], before, cell.initial[hidden:], None)
            matrix = cell.nodes[0].detach()
            first, second = (start @ matrix).chunk(2, dim=-1)
            open_gate, value = first.sigmoid(), f(second)
            mistakes = {
                "the gate is used as it is: it needs the sigmoid": start + first * (value - start),
                "gate and value are swapped: the gate is the first half": (
                    start + second.sigmoid() * (f(first) - start)
                ),
                "the gate works the other way round: where it is open, the new value comes in": (
                    value + open_gate * (start - value)
                ),
                "nothing of the old state is kept: add (1 − σ(c)) times it": open_gate * value,
                "you added the whole old state: the gate takes away what it replaces": (
                    start + open_gate * value
                ),
                "you applied f to the state: it belongs to the second half of the product": (
                    start + open_gate * (f(start) - start)
                ),
            }
            if name != "identity":
                mistakes["f is missing"] = start + open_gate * (second - start)
        same(ask(answer, start, matrix, f), outputs[0], f"an edge with {name}", mistakes)
    return "it is the node of the package's cell, for all four activations."


# ---- Exercise 3: the mixed node -----------------------------------------------------------------

_Node = Callable[[Sequence[Tensor], Tensor, Tensor], Tensor]
_FUNCTIONS = tuple(ACTIVATIONS[name] for name in PRIMITIVES if name != "none")


def mixed_node(states: Sequence[Tensor], weight: Tensor, shares: Tensor) -> Tensor:
    """A node of the supernet, before BatchNorm.

    ``states`` are all earlier ones, each (N, H); ``shares`` (states, primitives), *none* first.
    """
    return sum(
        (
            share * edge(state, weight, f)
            for state, row in zip(states, shares, strict=True)
            for share, f in zip(row[1:], _FUNCTIONS, strict=True)
        ),
        start=torch.zeros_like(states[0]),
    )


def _none_passes(states: Sequence[Tensor], weight: Tensor, shares: Tensor) -> Tensor:
    passed = sum(row[0] * state for state, row in zip(states, shares, strict=True))
    return mixed_node(states, weight, shares) + passed


def _one_gate(states: Sequence[Tensor], weight: Tensor, shares: Tensor) -> Tensor:
    total = torch.zeros_like(states[0])
    for state, row in zip(states, shares, strict=True):
        gate, value = (state @ weight).chunk(2, dim=-1)
        mixed = sum(p * f(value) for p, f in zip(row[1:], _FUNCTIONS, strict=True))
        total = total + gated(state, gate, mixed)
    return total


def _first_column_used(states: Sequence[Tensor], weight: Tensor, shares: Tensor) -> Tensor:
    return mixed_node(states, weight, torch.cat([shares[:, :1], shares[:, :4]], dim=1))


def _renormalised(states: Sequence[Tensor], weight: Tensor, shares: Tensor) -> Tensor:
    left = shares[:, 1:] / shares[:, 1:].sum(dim=1, keepdim=True)
    return mixed_node(states, weight, torch.cat([shares[:, :1], left], dim=1))


_MISTAKES: dict[str, _Node] = {
    "what none leaves is shared out among the others: its share is missing from the sum": (
        _renormalised
    ),
    "none passes the state on: it gives zero, whatever comes in": _none_passes,
    "you took the mean over the predecessors: a node is their sum": lambda states, w, p: (
        mixed_node(states, w, p) / len(states)
    ),
    "the shares of one row serve for all states: each state has a row of its own": (
        lambda states, w, p: mixed_node(states, w, p[:1].expand_as(p))
    ),
    "only the last predecessor is heard": lambda states, w, p: mixed_node(states[-1:], w, p[-1:]),
    "the shares are not used": lambda states, w, p: mixed_node(states, w, torch.ones_like(p)),
    "you mixed the activations first and lost what none takes away: the old state, too, has only "
    "the share 1 − p(none)": _one_gate,
    "the shares are off by one: the first of each row belongs to none": _first_column_used,
}


@check
def check_mixed_node(answer: _Node) -> str:
    """A whole cell of the learner's nodes against the package's mixed cell."""
    hidden, nodes = 3, 3
    cell = MixedCell(rnn_space(nodes), hidden)
    initial, matrices = _small(1, 2 * hidden, 2 * hidden), _small(2, nodes, hidden, 2 * hidden)
    word, before = _small(3, 4, hidden), _small(4, 4, hidden)
    shares = torch.softmax(_small(5, nodes * (nodes + 1) // 2, len(PRIMITIVES)), dim=1)
    with torch.no_grad():
        expected = cell.run(word[None], before, None, shares, initial, matrices, lambda x: x)[0]

        def output(node: _Node) -> Tensor:
            states = [initial_state(word @ initial[:hidden], before, initial[hidden:], None)]
            for i, matrix in enumerate(matrices):
                found = ask(node, list(states), matrix, shares[cell.topology.rows(i)])
                if not isinstance(found, Tensor) or found.shape != before.shape:
                    shape = tuple(found.shape) if isinstance(found, Tensor) else type(found)
                    raise Wrong(f"A node should have the shape (4, 3) of a state, not {shape}.")
                states.append(found)
            return torch.stack(states[1:]).mean(dim=0)

        mistakes = {meaning: output(node) for meaning, node in _MISTAKES.items()}
        same(output(answer), expected, "the output of a cell of your nodes", mistakes)
    return "a cell of your nodes is the package's mixed cell (but for its BatchNorm)."


# ---- The quiz ----------------------------------------------------------------------------------

QUIZ = Quiz(
    [
        Question(
            "A model has perplexity 60 on a text and somebody else's has 50. Which is better?",
            "not to be told before text, split, vocabulary and rare words are the same",
            "With a smaller vocabulary more words are `<unk>`, which is easy to tell.",
            {
                "the one with 50": ("If it was measured on the same words. Often it was not."),
                "the one with 60": ("Lower is better: it wavers among fewer words."),
                "neither: ten points are within the noise": (
                    "How far two trainings differ is one question. But first one has to know that"
                    " both were asked the same."
                ),
            },
        ),
        Question(
            "Why does `none` stand in the softmax, if a genotype never keeps it?",
            "it lets the supernet make a whole edge weak",
            "The strength of an edge is its largest share but that of none: an edge that none has"
            " most of is a weak predecessor.",
            {
                "it keeps the shares summing to 1": ("They would do so without it."),
                "it saves computing": (
                    "The mixture computes all others as well; none only takes away."
                ),
                "a node may listen to nothing": ("In this space every node keeps one predecessor."),
            },
        ),
        Question(
            "On the grammar a network is far below the floor on the test split. What do you look "
            "for?",
            "a mistake: test sentences that were learnt from, or a word that is seen before it is"
            " told",
            "Nothing can be below the floor in the long run. A little below, on a short text, is "
            "luck; far below is a mistake.",
            {
                "a paper to publish it in": (
                    "The floor is computed from the grammar itself. Nobody can tell dice better "
                    "than that."
                ),
                "a mistake in the formula of perplexity": (
                    "Possible, but then all models would be off alike, counting too."
                ),
                "a larger test split, to be sure": (
                    "A larger split narrows luck. It does not explain a wide distance."
                ),
            },
        ),
        Question(
            "A found cell has 50.0, a random one 53.7, an LSTM 43.8: a network each. What do you "
            "say about the search?",
            "nothing yet",
            "Two networks of one kind differ by as much as these. Means of several, with "
            "intervals, may say something.",
            {
                "it pays: found beats random": (
                    "In this lesson's record the other order is the commoner one, if you take one"
                    " of each."
                ),
                "it is useless: the LSTM is better": (
                    "The LSTM is the work of decades. The question was found against random."
                ),
                "it has found the best recurrent cell of its space": (
                    "It has found one of the many thousands of cells, judged as a mixture."
                ),
            },
        ),
    ]
)
