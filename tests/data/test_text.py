"""Reading texts: batches, vocabularies, corpora."""

import codecs
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from dartsedu.data.splits import Passes, TaskError
from dartsedu.data.tasks import load_task
from dartsedu.data.text import (
    END,
    FEWEST_WORDS,
    FILES,
    UNKNOWN,
    TextSplit,
    _lengths,
    all_words,
    frequent_words,
    in_blocks,
    python_documentation,
    read_corpus,
)
from dartsedu.data.texts import CORPORA

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from pydoc_corpus import paragraphs


def first_pass(split, *arguments, **reading):
    """The batches of the first pass, and that the next begins anew."""
    (count,) = split.passes(arguments[0], arguments[1], 1, **reading)
    batches = list(itertools.islice(split.training(*arguments, **reading), count + 1))
    assert batches[-1].first
    return batches[:-1]


def test_columns_and_batches_by_hand():
    split = TextSplit(torch.arange(13))
    assert split.columns(3).tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    batches = list(split.once(3, bptt=2))
    assert batches[0].inputs.tolist() == [[0, 4, 8], [1, 5, 9]]
    assert batches[0].targets.tolist() == [[1, 5, 9], [2, 6, 10]]
    assert [b.first for b in batches] == [True, False]
    assert batches[1].targets.tolist() == [[3, 7, 11]]


@pytest.mark.parametrize("spread", [0.0, 4.0])
def test_a_pass_reads_every_column_from_top_to_bottom_once(spread):
    split = TextSplit(torch.arange(6007))
    batches = first_pass(split, 6, 3, bptt=20, spread=spread)
    read = torch.cat([b.inputs for b in batches])
    columns = split.columns(6)
    assert len(read) in (len(columns) - 1, len(columns) - 2)
    assert torch.equal(read, columns[: len(read)])
    assert torch.equal(torch.cat([b.targets for b in batches]), columns[1 : len(read) + 1])
    assert [b.first for b in batches] == [True] + [False] * (len(batches) - 1)


def test_lengths_follow_the_published_rule():
    """35 words, or 17 one time in twenty; with noise, from 5 to 55, about the same means."""
    plain = np.concatenate([_lengths(5000, 35, 0.0, 1, e)[:-1] for e in range(60)])
    assert set(plain) == {35, 17}
    assert np.mean(plain == 17) == pytest.approx(0.05, abs=0.01)
    noisy = np.concatenate([_lengths(5000, 35, 5.0, 1, e)[:-1] for e in range(60)])
    for limit in (27, 30, 35, 40):  # Fractions are cut off, so below 30 is below 30.
        share = 0.95 * norm.cdf((limit - 35) / 5) + 0.05 * norm.cdf((limit - 17.5) / 5)
        assert np.mean(noisy < limit) == pytest.approx(share, abs=0.015)
    assert (noisy.min(), noisy.max()) >= (5, 50)
    assert noisy.max() <= 55


def test_a_batchs_share_is_its_length():
    split = TextSplit(torch.arange(3000))
    for batch in first_pass(split, 4, 0, bptt=20, spread=5.0):
        assert batch.share == len(batch.inputs) / 20


@pytest.mark.parametrize("start", [1, 5, 37, 80])
def test_batches_continue_anywhere(start):
    split, reading = TextSplit(torch.arange(4000)), {"bptt": 20, "spread": 3.0}

    def batches(first, count):
        return list(itertools.islice(split.training(4, 9, first, **reading), count))

    for a, b in zip(batches(0, 100)[start:], batches(start, 100 - start), strict=True):
        assert torch.equal(a.inputs, b.inputs)
        assert torch.equal(a.targets, b.targets)
        assert a.first == b.first


def test_passes_differ_in_length_and_are_counted_right():
    split, reading = TextSplit(torch.arange(4000)), {"bptt": 20, "spread": 5.0}
    lengths = split.passes(4, 2, 6, **reading)
    assert len(set(lengths)) > 1
    firsts = [b.first for b in itertools.islice(split.training(4, 2, **reading), sum(lengths))]
    assert [i for i, first in enumerate(firsts) if first] == [0, *np.cumsum(lengths)[:-1]]


def test_steps_know_their_pass():
    passes = Passes([3, 1, 2])
    assert passes.total == 6
    assert [passes.epoch(step) for step in range(6)] == [0, 0, 0, 1, 2, 2]
    assert [passes.closed_by(step) for step in range(6)] == [False, False, True, True, False, True]


def test_a_text_too_short_says_so():
    with pytest.raises(TaskError, match="use a batch size of at most 33"):
        TextSplit(torch.arange(100)).columns(50)


# ---- Vocabularies -------------------------------------------------------------------------------


def test_all_words_are_numbered_as_they_appear():
    vocabulary = all_words(["b", "a", END], ["a", "c"])
    assert vocabulary.words == ("b", "a", END, "c")
    assert vocabulary.numbers(["c", "b"]).tolist() == [3, 0]
    with pytest.raises(KeyError):
        vocabulary.numbers(["d"])


def test_rare_words_become_one():
    vocabulary = frequent_words(4, ["x", "y", "y", END, "z", "z", "z"])
    assert vocabulary.words == (END, UNKNOWN, "z", "y")
    assert vocabulary.numbers(["x", "y", END, "never"]).tolist() == [1, 3, 0, 1]


# ---- Texts --------------------------------------------------------------------------------------


def test_python_documentation_is_english_without_repetitions():
    paragraphs = python_documentation()
    words = [word for paragraph in paragraphs for word in paragraph]
    assert len(words) == 82_683
    assert len({tuple(p) for p in paragraphs}) == len(paragraphs)
    assert all(paragraph[-1] == END for paragraph in paragraphs)
    text = " ".join(words)
    assert "list comprehension" in text
    assert words.count("the") > 2000


def test_python_documentation_is_what_its_maker_writes():
    """Every Python's text holds most paragraphs of the shipped one, 3.11.7's all of them."""
    shipped, made = ({tuple(p) for p in found} for found in (python_documentation(), paragraphs()))
    assert len(shipped & made) > 0.8 * len(shipped)
    assert sys.version_info[:3] != (3, 11, 7) or shipped == made


def test_blocks_hold_whole_paragraphs():
    blocks = in_blocks([["a"] * 3, ["b"] * 3, ["c"] * 9, ["d"]], size=5)
    assert [len(block) for block in blocks] == [6, 9, 1]


def test_pydoc_is_split_in_three():
    task, again, other = (load_task("pydoc", split_seed=s, vocabulary=500) for s in (0, 0, 1))
    assert len(task.words) == 500
    splits = (task.weights, task.architecture, task.test)
    sizes = np.array([len(split) for split in splits])
    np.testing.assert_allclose(sizes / sizes.sum(), [0.7, 0.15, 0.15], atol=0.01)
    assert torch.equal(task.weights.words, again.weights.words)
    assert len(task.test) == len(other.test)
    assert not torch.equal(task.architecture.words[:200], other.architecture.words[:200])
    whole = sum(len(paragraph) for paragraph in python_documentation())
    assert sizes.sum() == whole
    assert task.training is task.weights
    # Numbers that say where a split's text is from: no run of 30 words is in two splits.
    runs = []
    for split in splits:
        found = split.words.unfold(0, 30, 1)
        known = (found != task.words.index(UNKNOWN)).float().mean(dim=1) > 0.9
        runs.append({tuple(run) for run in found[known].tolist()})
    assert len(runs[0] & runs[1]) + len(runs[0] & runs[2]) + len(runs[1] & runs[2]) < 60


def test_test_words_do_not_choose_the_vocabulary():
    one, other = load_task("pydoc", vocabulary=500), load_task("pydoc", vocabulary=60)
    assert one.words[:60] == other.words


@pytest.mark.parametrize("name", CORPORA)
def test_corpora_are_read_from_files(name, tmp_path):
    folder = tmp_path / CORPORA[name]
    folder.mkdir()
    (folder / "train.txt").write_text(" the cat sat \n\n the <unk> sat \n")
    (folder / "valid.txt").write_text("a dog sat\n")
    (folder / "test.txt").write_text("the dog\n")
    task = load_task(name, root=tmp_path)
    assert task.words == ("the", "cat", "sat", END, UNKNOWN, "a", "dog")
    assert task.weights.words.tolist() == [0, 1, 2, 3, 3, 0, 4, 2, 3]
    assert task.architecture.words.tolist() == [5, 6, 2, 3]
    assert task.test.words.tolist() == [0, 6, 3]
    (folder / "test.txt").unlink()
    with pytest.raises(TaskError, match=rf"{CORPORA[name]} lacks test\.txt\. Put the corpus there"):
        load_task(name, root=tmp_path)
    (folder / "test.txt").write_bytes(b"un caf\xe9\n")
    with pytest.raises(TaskError, match="not text in UTF-8: line 1 holds the byte 0xe9; save"):
        load_task(name, root=tmp_path)
    (folder / "test.txt").write_text("")
    with pytest.raises(TaskError, match="is empty"):
        load_task(name, root=tmp_path)


def test_missing_corpora_name_all_files(tmp_path):
    with pytest.raises(TaskError, match=r"lacks train\.txt, valid\.txt, test\.txt"):
        load_task("ptb", root=tmp_path)


FAST = settings(
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@FAST
@given(
    words=st.lists(st.text("abcé語\U0001d447.", min_size=1, max_size=4), min_size=3, max_size=20),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, words, encoding, ending):
    lines = [" ".join(words[:2]), " ".join(words[2:])]
    for name in FILES:
        (tmp_path / name).write_bytes(ending.join(lines).encode(encoding))
    expected = [*words[:2], END, *words[2:], END]
    assert read_corpus(tmp_path) == [expected] * 3


@FAST
@given(
    raw=st.binary(max_size=40) | st.text(" ab\n\r\0", max_size=12).map(str.encode),
    mark=st.sampled_from([b"", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE]),
    which=st.sampled_from(FILES),
)
@example(raw=b"un caf\xe9", mark=b"", which="test.txt")
@example(raw=b"the\0cat sat", mark=b"", which="train.txt")
@example(raw=b"a", mark=codecs.BOM_UTF16_LE, which="valid.txt")
def test_any_bytes_are_a_text_that_can_be_read_or_are_refused_in_words(tmp_path, raw, mark, which):
    for name in FILES:
        (tmp_path / name).write_text("the cat sat\n")
    (tmp_path / which).write_bytes(mark + raw)
    refusal = ""
    try:
        texts = read_corpus(tmp_path)
    except TaskError as error:
        refusal = str(error)
    if refusal:
        assert which in refusal
        return
    for text in texts:
        assert len(text) >= FEWEST_WORDS
        assert not any("\0" in word for word in text)
        split = TextSplit(all_words(text).numbers(text))
        assert sum(len(batch.targets) for batch in split.once(10)) >= 2


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("text", ["a", "a\n", "\n\n"])
def test_a_split_of_fewer_than_three_words_is_refused_when_it_is_read(tmp_path, name, text):
    for other in FILES:
        (tmp_path / other).write_text("the cat sat\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(TaskError, match=rf"{name} has [12] words, .* at least 3"):
        read_corpus(tmp_path)
