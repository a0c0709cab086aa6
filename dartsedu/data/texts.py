"""Texts whose next word is to be told: the task, its data sets and their settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from dartsedu.data.grammar import ENGLISH
from dartsedu.data.task import Task, TaskSettings
from dartsedu.data.text import (
    END,
    TextSplit,
    Vocabulary,
    all_words,
    frequent_words,
    in_blocks,
    python_documentation,
    read_corpus,
)
from dartsedu.stream.stream import seed_of


@dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A text whose next word is to be told. ``training`` is ``weights``.

    Attributes:
        words: the vocabulary, by number.
        floor: the least perplexity that is possible, where it is known.
    """

    words: tuple[str, ...]
    floor: float | None = None

    def _described(self) -> str:
        return "\n".join(self.words)


CORPORA: dict[str, str] = {"ptb": "penn", "wikitext2": "wikitext-2"}
"""Texts read from files, by name, with their folder: Penn Treebank and WikiText-2."""

SHARES = (0.7, 0.15, 0.15)
"""Parts of ``pydoc`` and ``grammar`` that are weights, architecture and test."""
GRAMMAR_WORDS = 100_000
"""Words drawn from the grammar in all."""


def _pydoc(split_seed: int, vocabulary: int | None) -> TextTask:
    blocks = in_blocks(python_documentation())
    order = np.random.default_rng(0).permutation(len(blocks))
    test, rest = np.split(order, [round(SHARES[2] * len(blocks))])
    rest = np.random.default_rng(split_seed).permutation(np.sort(rest))
    architecture, weights = np.split(rest, [round(SHARES[1] * len(blocks))])
    texts = [
        [word for place in places for word in blocks[place]]
        for places in (weights, architecture, test)
    ]
    return _text_task("pydoc", texts, vocabulary)


def _grammar(split_seed: int) -> TextTask:
    texts = []
    for part, share in zip(("weights", "architecture", "test"), SHARES, strict=True):
        seed = seed_of(0 if part == "test" else split_seed, f"grammar {part}")
        generator, words = np.random.default_rng(seed), list[str]()
        while len(words) < share * GRAMMAR_WORDS:
            words += [*ENGLISH.sentence(generator), END]
        texts.append(words)
    return replace(_text_task("grammar", texts, None), floor=ENGLISH.perplexity)


def _text_task(name: str, texts: Sequence[Sequence[str]], vocabulary: int | None) -> TextTask:
    """``texts`` are weights, architecture and test. A capped vocabulary is not taken from test."""
    known: Vocabulary
    known = all_words(*texts) if vocabulary is None else frequent_words(vocabulary, *texts[:2])
    weights, architecture, test = (TextSplit(known.numbers(text)) for text in texts)
    return TextTask(
        name=name,
        words=known.words,
        weights=weights,
        architecture=architecture,
        test=test,
        training=weights,
    )


SETS: Mapping[str, Callable[[Any], Task]] = {
    "pydoc": lambda given: _pydoc(given.split_seed, given.vocabulary),
    "grammar": lambda given: _grammar(given.split_seed),
    **dict.fromkeys(
        CORPORA,
        lambda given: _text_task(
            given.name, read_corpus(Path(given.root) / CORPORA[given.name]), given.vocabulary
        ),
    ),
}
"""Texts by name."""


class TextSettings(TaskSettings):
    """Which text to read (see ``tasks.load_task``)."""

    kind = "a text"
    sets = SETS

    name: str = Field("pydoc", description="a text, one of texts.SETS")
    root: str = Field("data", description="folder of the data sets")
    split_seed: int = Field(0, ge=0, lt=2**32, description="division into weights and architecture")
    vocabulary: int | None = Field(
        None, ge=3, description="words in the vocabulary, <eos> and <unk> among them; none: all"
    )
