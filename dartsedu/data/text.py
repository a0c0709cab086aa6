"""Text as a long row of words, read side by side in columns and a stretch at a time."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dartsedu.base.encoding import decoded
from dartsedu.data.splits import Split, TaskError, raw
from dartsedu.stream.stream import seed_of

END, UNKNOWN = "<eos>", "<unk>"
"""The words that stand for the end of a sentence or paragraph, and for a rare word."""


class TextBatch(NamedTuple):
    """A stretch of text, (words, columns): ``targets`` are ``inputs`` one word later.

    ``first`` says that a pass over the text begins here; ``usual`` is the usual number of words of
    a batch; ``hidden`` is the state that the batch before left behind, ``None`` for none.
    """

    inputs: Tensor
    targets: Tensor
    first: bool
    usual: int
    hidden: Tensor | None = None

    @property
    def share(self) -> float:
        """Length as a multiple of the usual one: the learning rate goes with it."""
        return len(self.inputs) / self.usual

    def after(self, carried: Tensor | None) -> TextBatch:
        """This batch with the hidden state that its predecessor left; a new pass begins anew."""
        return self if self.first else self._replace(hidden=carried)


class TextSplit(Split):
    """A text cut into as many columns as a batch has, each read from top to bottom.

    A training batch is the next stretch of every column, so hidden states can be carried from one
    to the next. Its length is random, so that words do not always meet the same borders (Merity et
    al. 2018, and the authors' code): ``bptt`` words or, one time in twenty, half as many, plus
    normal noise of deviation ``spread``, at least 5 and at most ``bptt + 20``.

    Args:
        words: (N,) numbers of words in a vocabulary.
    """

    evaluation_batch = 10

    def __init__(self, words: Tensor) -> None:
        self.words = words

    def __len__(self) -> int:
        return len(self.words)

    def to(self, device: torch.device) -> TextSplit:
        return TextSplit(self.words.to(device))

    def contents(self) -> Iterator[bytes | memoryview]:
        yield raw(self.words)

    def columns(self, batch_size: int) -> Tensor:
        """The text as (rows, columns); words that do not fill the last row are left out.

        Raises ``TaskError`` if that leaves fewer than 3 rows.
        """
        rows = len(self.words) // batch_size
        if rows < 3:
            raise TaskError(
                f"a text of {len(self)} words cannot be read in {batch_size} columns of at least 3 "
                f"words; use a batch size of at most {len(self) // 3}, or a longer text"
            )
        return self.words[: rows * batch_size].view(batch_size, rows).t().contiguous()

    def passes(
        self, batch_size: int, seed: int, count: int, bptt: int = 35, spread: float = 0.0
    ) -> list[int]:
        rows = len(self.columns(batch_size))
        return [len(_lengths(rows, bptt, spread, seed, epoch)) for epoch in range(count)]

    def training(
        self, batch_size: int, seed: int, start: int = 0, bptt: int = 35, spread: float = 0.0
    ) -> Iterator[TextBatch]:
        columns = self.columns(batch_size)
        number = 0
        for epoch in count():
            lengths = _lengths(len(columns), bptt, spread, seed, epoch)
            position = 0
            for length in lengths.tolist():
                if number >= start:
                    yield _stretch(columns, position, length, bptt)
                number += 1
                position += length

    def beside(
        self,
        other: TextSplit,
        batch_size: int,
        seed: int,
        start: int = 0,
        bptt: int = 35,
        spread: float = 0.0,
    ) -> Iterator[TextBatch]:
        """Stretches of ``bptt`` words where the training batches of ``other`` begin.

        Positions count modulo the length of this text, so a stretch may begin anywhere, and its
        state is not that of the words before it: how the authors' code reads α's text. A stretch
        at the end of the text is shorter.
        """
        columns = self.columns(batch_size)
        last = len(columns) - 1
        position = 0
        for number, batch in enumerate(other.training(batch_size, seed, 0, bptt, spread)):
            position = 0 if batch.first else position
            if number >= start:
                here = position % last
                stretch = _stretch(columns, here, min(bptt, last - here), bptt)
                yield stretch._replace(first=batch.first)
            position += len(batch.inputs)

    def once(self, batch_size: int, bptt: int = 35) -> Iterator[TextBatch]:
        """The whole text in stretches of ``bptt`` words, the last one shorter."""
        columns = self.columns(min(batch_size, len(self) // 3))
        last = len(columns) - 1
        for position in range(0, last, bptt):
            yield _stretch(columns, position, min(bptt, last - position), bptt)


def _stretch(columns: Tensor, position: int, length: int, usual: int) -> TextBatch:
    return TextBatch(
        columns[position : position + length],
        columns[position + 1 : position + 1 + length],
        first=position == 0,
        usual=usual,
    )


def _lengths(rows: int, bptt: int, spread: float, seed: int, epoch: int) -> NDArray[np.int64]:
    """How many words each batch of a pass has; at most one target is left over."""
    generator = np.random.default_rng(seed_of(seed, "bptt", epoch))
    least = max(1, min(5, bptt // 2))
    most = rows // least + 1
    usual = np.where(generator.random(most) < 0.95, bptt, bptt / 2)
    drawn = np.trunc(generator.normal(usual, spread)).astype(np.int64)
    lengths = drawn.clip(least, bptt + 20)
    starts = np.cumsum(lengths) - lengths
    lengths = lengths[starts < rows - 2]
    lengths[-1] = min(lengths[-1], rows - 1 - starts[len(lengths) - 1])
    return lengths


# ---- Vocabularies -------------------------------------------------------------------------------


class Vocabulary:
    """Words and their numbers. An unknown word has the number of ``<unk>``."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._numbers = {word: number for number, word in enumerate(self.words)}

    def numbers(self, words: Iterable[str]) -> Tensor:
        """Numbers of ``words``, (N,). Raises ``KeyError`` for an unknown one without ``<unk>``."""
        known = self._numbers
        if UNKNOWN not in known:
            return torch.tensor([known[word] for word in words])
        unknown = known[UNKNOWN]
        return torch.tensor([known.get(word, unknown) for word in words])


def all_words(*texts: Sequence[str]) -> Vocabulary:
    """Every word of the texts, in the order of their first appearance."""
    return Vocabulary(tuple(dict.fromkeys(word for text in texts for word in text)))


def frequent_words(size: int, *texts: Sequence[str]) -> Vocabulary:
    """``<eos>``, ``<unk>`` and the most frequent words of the texts, ``size`` in all."""
    counted = Counter(word for text in texts for word in text if word not in (END, UNKNOWN))
    ranked = sorted(counted, key=lambda word: (-counted[word], word))
    return Vocabulary((END, UNKNOWN, *ranked[: size - 2]))


# ---- Texts --------------------------------------------------------------------------------------


PYDOC = Path(__file__).parent / "pydoc.txt.gz"
"""What ``benchmarks/pydoc_corpus.py`` wrote; its licence lies beside it, ``LICENSE.pydoc``."""


def python_documentation() -> list[list[str]]:
    """The reference texts behind the ``help()`` of Python 3.11, 82,683 words, in paragraphs.

    Lower case; words, numbers and runs of one sign are words; ``<eos>`` ends a paragraph. About a
    fifth of the original repeats other parts of it word by word and is left out, so that no test
    text has been read before. A file of this package, so it is the same with every Python.
    """
    lines = gzip.decompress(PYDOC.read_bytes()).decode().splitlines()
    return [[*line.split(" "), END] for line in lines]


def in_blocks(paragraphs: Iterable[list[str]], size: int = 400) -> list[list[str]]:
    """Consecutive paragraphs joined until a block has ``size`` words."""
    blocks: list[list[str]] = [[]]
    for paragraph in paragraphs:
        if len(blocks[-1]) >= size:
            blocks.append([])
        blocks[-1].extend(paragraph)
    return blocks


FILES = ("train.txt", "valid.txt", "test.txt")
"""The files of a corpus in the usual layout."""
FEWEST_WORDS = 3
"""Words that a split has to have, so that it can be read at all."""


def read_corpus(folder: Path) -> list[list[str]]:
    """The words of ``train.txt``, ``valid.txt`` and ``test.txt``; every line ends in ``<eos>``.

    Raises ``TaskError`` naming the files that are missing, or what is wrong with one.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise TaskError(
            f"{folder} lacks {', '.join(missing)}. Put the corpus there as {', '.join(FILES)}: "
            "plain text, a sentence a line, words apart by spaces, rare words already <unk> "
            "(data/README.md says where to get it); or use the task 'pydoc', which needs no file"
        )
    texts = []
    for name in FILES:
        try:
            lines = decoded((folder / name).read_bytes()).splitlines()
        except (OSError, ValueError) as error:
            raise TaskError(f"cannot read {folder / name}: {error}") from None
        texts.append([word for line in lines for word in (*line.split(), END)])
        if len(texts[-1]) < FEWEST_WORDS:
            raise TaskError(
                f"{folder / name} is empty; expected a sentence a line, words apart by spaces"
                if not texts[-1]
                else f"{folder / name} has {len(texts[-1])} words, ends of lines among them; "
                f"expected at least {FEWEST_WORDS}"
            )
    return texts
