"""A probabilistic grammar whose entropy is known exactly, so that a perplexity has a floor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from math import exp, log

import numpy as np
from numpy.typing import NDArray

Rule = tuple[float, tuple[str, ...]]
"""A probability and what stands for the symbol then: symbols and words."""


class Grammar:
    """A context-free grammar with probabilities. Symbols are the keys of ``rules``, words the rest.

    Args:
        rules: for each symbol its rules, whose probabilities add up to 1.
        start: the symbol of a sentence.

    ``entropy`` and ``entropy_rate`` are exact for an unambiguous grammar, in which every sentence
    has one derivation only. Raises ``ValueError`` if probabilities do not add up to 1 or sentences
    grow without end.
    """

    def __init__(self, rules: Mapping[str, Sequence[Rule]], start: str = "S") -> None:
        for symbol, choices in rules.items():
            total = sum(p for p, _ in choices)
            if abs(total - 1) > 1e-9 or any(p <= 0 for p, _ in choices):
                raise ValueError(
                    f"the rules of {symbol!r} have probabilities that add up to {total}; expected "
                    "positive ones that add up to 1"
                )
        self.rules = {symbol: tuple(choices) for symbol, choices in rules.items()}
        self.start = start
        self._bounds = {
            symbol: list(accumulate(p for p, _ in choices[:-1]))
            for symbol, choices in rules.items()
        }
        self._symbols = {symbol: i for i, symbol in enumerate(rules)}
        self._children = np.zeros((len(rules), len(rules)))
        for symbol, choices in rules.items():
            for p, parts in choices:
                for part in parts:
                    if part in rules:
                        self._children[self._symbols[symbol], self._symbols[part]] += p
        if max(abs(np.linalg.eigvals(self._children))) >= 1:
            raise ValueError("sentences of this grammar grow without end; make recursion rarer")

    def _expected(self, of_one_step: NDArray[np.float64]) -> float:
        """The sum of a quantity over a derivation: x = own + Σ children · x, solved for x."""
        whole = np.linalg.solve(np.eye(len(self.rules)) - self._children, of_one_step)
        return float(whole[self._symbols[self.start]])

    @property
    def length(self) -> float:
        """Expected number of words in a sentence, the sign that ends it included."""
        words = [
            sum(p * sum(part not in self.rules for part in parts) for p, parts in choices)
            for choices in self.rules.values()
        ]
        return self._expected(np.array(words)) + 1

    @property
    def entropy(self) -> float:
        """Entropy of a sentence in nats: that of every choice in its derivation, added up
        (Grenander 1967)."""
        own = [-sum(p * log(p) for p, _ in choices) for choices in self.rules.values()]
        return self._expected(np.array(own))

    @property
    def entropy_rate(self) -> float:
        """Nats a word of a text of independent sentences, their end signs being words."""
        return self.entropy / self.length

    @property
    def perplexity(self) -> float:
        """The least perplexity that any model can have on such a text in the long run."""
        return exp(self.entropy_rate)

    def sentence(self, generator: np.random.Generator) -> list[str]:
        """A random sentence, without an end sign."""
        words: list[str] = []
        stack = [self.start]
        while stack:
            symbol = stack.pop()
            if symbol not in self.rules:
                words.append(symbol)
                continue
            chosen = bisect_right(self._bounds[symbol], generator.random())
            stack.extend(reversed(self.rules[symbol][chosen][1]))
        return words


def _zipf(words: str) -> list[Rule]:
    """The words of a class, the k-th with probability proportional to 1/k."""
    names = words.split()
    total = sum(1 / k for k in range(1, len(names) + 1))
    return [(1 / k / total, (name,)) for k, name in enumerate(names, 1)]


def _phrases(
    number: str, nouns: str, of_one: str, of_two: str, articles: Iterable[str]
) -> dict[str, list[Rule]]:
    """The rules of one grammatical number: s or p."""
    article, noun, bare = f"D{number}", f"N{number}", f"B{number}"
    subject, predicate = f"NP{number}", f"VP{number}"
    first, second, third = articles
    return {
        subject: [
            (0.70, (article, bare)),
            (0.15, (article, bare, "that", predicate)),
            (0.075, (article, bare, "that", "NPs", "Vs")),
            (0.075, (article, bare, "that", "NPp", "Vp")),
        ],
        bare: [(0.75, (noun,)), (0.25, ("A", bare))],
        predicate: [
            (0.5, (f"I{number}",)),
            (0.25, (f"V{number}", "NPs")),
            (0.25, (f"V{number}", "NPp")),
        ],
        article: [(0.6, (first,)), (0.2, (second,)), (0.2, (third,))],
        noun: _zipf(nouns),
        f"I{number}": _zipf(of_one),
        f"V{number}": _zipf(of_two),
    }


ENGLISH = Grammar(
    {
        "S": [(0.5, ("NPs", "VPs")), (0.5, ("NPp", "VPp"))],
        **_phrases(
            "s",
            "dog cat bird child fox horse mouse teacher",
            "sleeps runs sings waits jumps",
            "sees chases likes hears follows",
            ("the", "a", "every"),
        ),
        **_phrases(
            "p",
            "dogs cats birds children foxes horses mice teachers",
            "sleep run sing wait jump",
            "see chase like hear follow",
            ("the", "some", "all"),
        ),
        "A": _zipf("small old quick red clever tired"),
    }
)
"""Sentences in which verbs agree with their subject across relative clauses.

To come near the floor a model has to remember, over any number of words and one inside the other,
whether the subject was singular: no count of neighbouring words can.
"""
