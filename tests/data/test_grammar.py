"""The grammar. Oracles: closed forms, enumeration of its sentences, what was drawn."""

from collections import Counter
from math import exp, log

import numpy as np
import pytest

from dartsedu.data.grammar import ENGLISH, Grammar
from dartsedu.data.tasks import load_task
from dartsedu.data.text import END


def test_entropy_of_a_geometric_sentence_in_closed_form():
    """ "a" again with probability q: H = h(q) / (1 − q), length 1 / (1 − q) and the end sign."""
    q = 0.3
    grammar = Grammar({"S": [(q, ("a", "S")), (1 - q, ("a",))]})
    binary = -q * log(q) - (1 - q) * log(1 - q)
    assert grammar.entropy == pytest.approx(binary / (1 - q))
    assert grammar.length == pytest.approx(1 / (1 - q) + 1)
    assert grammar.perplexity == pytest.approx(exp(binary / (1 - q) / (1 / (1 - q) + 1)))


def test_even_choices_have_the_logarithm_of_their_number():
    rules = {"S": [(1.0, ("W", "W"))], "W": [(0.25, (w,)) for w in "abcd"]}
    grammar = Grammar(rules)
    assert grammar.entropy == pytest.approx(2 * log(4))
    assert grammar.perplexity == pytest.approx(exp(2 * log(4) / 3))


def sentences(grammar, least):
    """Every sentence with its probability, derivations above ``least`` added up by their words."""
    found, open_ = Counter(), [(1.0, (), (grammar.start,))]
    while open_:
        p, words, rest = open_.pop()
        while rest and rest[0] not in grammar.rules:
            words, rest = (*words, rest[0]), rest[1:]
        if not rest:
            found[words] += p
            continue
        for q, parts in grammar.rules[rest[0]]:
            if p * q >= least:
                open_.append((p * q, words, (*parts, *rest[1:])))
    return found


def test_english_is_unambiguous_and_its_entropy_that_of_its_sentences():
    """With one noun, verb and article to a class, all sentences but rare ones can be listed."""
    rules = {}
    for symbol, choices in ENGLISH.rules.items():
        only_words = all(len(parts) == 1 and parts[0] not in ENGLISH.rules for _, parts in choices)
        rules[symbol] = [(1.0, choices[0][1])] if only_words else choices
    grammar = Grammar(rules)
    for least, close in ((1e-6, 0.1), (1e-8, 0.03)):
        found = sentences(grammar, least)
        entropy = -sum(p * log(p) for p in found.values())
        length = sum(p * (len(words) + 1) for words, p in found.items())
        assert 1 - close < entropy / grammar.entropy < 1
        assert 1 - close < length / grammar.length < 1
    # Each sentence is found once: no two derivations give the same words.
    derivations, open_ = [], [(1.0, (), (grammar.start,))]
    while open_:
        p, words, rest = open_.pop()
        while rest and rest[0] not in grammar.rules:
            words, rest = (*words, rest[0]), rest[1:]
        if not rest:
            derivations.append(words)
            continue
        open_ += [
            (p * q, words, (*parts, *rest[1:]))
            for q, parts in grammar.rules[rest[0]]
            if p * q >= 1e-6
        ]
    assert len(derivations) == len(set(derivations)) > 1000


def test_what_is_drawn_has_the_expected_length_and_agrees():
    generator = np.random.default_rng(0)
    drawn = [ENGLISH.sentence(generator) for _ in range(20_000)]
    assert np.mean([len(words) + 1 for words in drawn]) == pytest.approx(ENGLISH.length, rel=0.02)
    short = {" ".join(words[1:]) for words in drawn if len(words) == 3}
    assert "dog sleeps" in short
    assert "dogs sleep" in short
    assert "dog sleep" not in short


def test_task_knows_its_floor_and_no_count_of_neighbours_reaches_it():
    from dartsedu.data.ngrams import reference_losses

    task = load_task("grammar")
    assert task.floor == pytest.approx(exp(ENGLISH.entropy_rate))
    assert END in task.words
    references = reference_losses(task.training, task.test, len(task.words))
    assert task.floor < exp(references["bigram"]) < exp(references["unigram"])
    assert len(load_task("grammar", split_seed=1).test) == len(task.test)


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"S": [(0.5, ("a",)), (0.4, ("b",))]}, "add up to 0.9"),
        ({"S": [(1.5, ("a",)), (-0.5, ("b",))]}, "expected positive"),
        ({"S": [(0.6, ("S", "S")), (0.4, ("a",))]}, "grow without end"),
    ],
)
def test_bad_grammars_are_refused(rules, words):
    with pytest.raises(ValueError, match=words):
        Grammar(rules)
