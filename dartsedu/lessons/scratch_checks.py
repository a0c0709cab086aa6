"""Lesson 05: the checks of its exercises, its quiz."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import stats

from dartsedu.lessons.check import Wrong, ask, check, same
from dartsedu.lessons.guess import Question, Quiz
from dartsedu.lessons.intervals import Scores, difference, interval


def _ends(found: Any, where: str) -> torch.Tensor:
    """(low, high) as a tensor, in any form that a learner may give it."""
    try:
        ends = torch.tensor([float(end) for end in found], dtype=torch.float64)
    except (TypeError, ValueError):
        raise Wrong(f"{where} should be two numbers, (low, high).") from None
    if ends.shape != (2,):
        raise Wrong(f"{where} should be two numbers, (low, high), but has {len(ends)}.")
    return ends


def _around(mean: float, half: float) -> torch.Tensor:
    return torch.tensor([mean - half, mean + half], dtype=torch.float64)


@check
def check_interval(answer: Callable[[Scores], Any]) -> str:
    """``answer(scores)`` is Student's 95 % interval of the mean."""
    for scores in (np.array([88.0, 90.0, 85.0]), np.array([70.0, 81.0, 79.0, 90.0, 85.0])):
        n, mean, s = len(scores), float(scores.mean()), float(scores.std(ddof=1))
        t = float(stats.t.ppf(0.975, n - 1))
        root = n**0.5
        mistakes = {
            "you used the standard deviation of the scores; their mean varies less: divide by √n": (
                t * s
            ),
            "you divided by n instead of √n": t * s / n,
            "s is taken with n below the sum instead of n − 1: np.std needs ddof=1": (
                t * float(scores.std()) / root
            ),
            "you used 1.96, which holds for many scores; for a few, Student's t is wider": (
                1.96 * s / root
            ),
            "you used t with n degrees of freedom; one went into the mean, n − 1 are left": (
                float(stats.t.ppf(0.975, n)) * s / root
            ),
            "you took the 95 % point of t; with 2.5 % on either side it is t.ppf(0.975, …)": (
                float(stats.t.ppf(0.95, n - 1)) * s / root
            ),
            "you forgot the factor t: that is one standard error to either side": s / root,
        }
        same(
            _ends(ask(answer, scores), "interval(scores)"),
            torch.tensor(interval(scores)[1:], dtype=torch.float64),
            f"interval({scores.tolist()})",
            {meaning: _around(mean, half) for meaning, half in mistakes.items()},
        )
    return "it is SciPy's, ttest_1samp(scores, 0).confidence_interval()."


@check
def check_paired(answer: Callable[..., Any]) -> str:
    """``answer(a, b)`` is the 95 % interval of the mean of a − b over pairs."""
    for a, b in (
        (np.array([90.0, 80.0, 73.0, 88.0]), np.array([88.0, 81.0, 69.0, 92.0])),
        (np.array([60.0, 75.0, 91.0]), np.array([61.0, 90.0, 72.0])),
    ):
        n, d = len(a), a - b
        expected = difference(a, b, paired=True)
        s, t = float(d.std(ddof=1)), float(stats.t.ppf(0.975, n - 1))
        swapped = torch.tensor([-expected.high, -expected.low], dtype=torch.float64)
        pooled = stats.ttest_ind(a, b).confidence_interval(0.95)
        mistakes = {
            "you treated them as two groups and not as pairs: take the differences first": (
                torch.tensor(difference(a, b)[1:], dtype=torch.float64)
            ),
            "you treated them as two groups of equal spread: take the differences first": (
                torch.tensor([pooled.low, pooled.high], dtype=torch.float64)
            ),
            "the sign is the wrong way round: a − b": swapped,
            "you sorted before subtracting, which tears the pairs apart": torch.tensor(
                difference(np.sort(a), np.sort(b), paired=True)[1:], dtype=torch.float64
            ),
            "you used the standard deviation of the differences; divide by √n": _around(
                expected.mean, t * s
            ),
            "s is taken with n below the sum instead of n − 1: np.std needs ddof=1": _around(
                expected.mean, t * float(d.std()) / n**0.5
            ),
            "you counted 2n − 2 degrees of freedom; n pairs leave n − 1": _around(
                expected.mean, float(stats.t.ppf(0.975, 2 * n - 2)) * s / n**0.5
            ),
            "you counted 2n numbers; after subtracting, n are left: divide by √n": _around(
                expected.mean, t * s / (2 * n) ** 0.5
            ),
            "you counted 2n numbers throughout; after subtracting, n are left": _around(
                expected.mean, float(stats.t.ppf(0.975, 2 * n - 1)) * s / (2 * n) ** 0.5
            ),
            "you used 1.96, which holds for many pairs; for a few, Student's t is wider": _around(
                expected.mean, 1.96 * s / n**0.5
            ),
            "you used t with n degrees of freedom; one went into the mean, n − 1 are left": _around(
                expected.mean, float(stats.t.ppf(0.975, n)) * s / n**0.5
            ),
            "you took the 95 % point of t; with 2.5 % on either side it is t.ppf(0.975, …)": (
                _around(expected.mean, float(stats.t.ppf(0.95, n - 1)) * s / n**0.5)
            ),
            "you divided by n instead of √n": _around(expected.mean, t * s / n),
            "you forgot the factor t: that is one standard error to either side": _around(
                expected.mean, s / n**0.5
            ),
        }
        same(
            _ends(ask(answer, a, b), "paired(a, b)"),
            torch.tensor(expected[1:], dtype=torch.float64),
            f"paired({a.tolist()}, {b.tolist()})",
            mistakes,
        )
    return "it is SciPy's, ttest_rel(a, b).confidence_interval()."


@check
def check_report(answer: Callable[..., Any]) -> str:
    """``answer(validation, test)`` is the test score of the candidate that validation prefers."""
    for validation, test in (
        (np.array([81.0, 86.0, 84.0]), np.array([83.0, 85.0, 88.0])),
        (np.array([70.0, 60.0, 65.0, 68.0]), np.array([66.0, 71.0, 64.0, 69.0])),
    ):
        chosen = int(validation.argmax())
        numbers = {
            "you chose on the test set: then nothing is left to judge the choice by": test.max(),
            "this is the validation score it was chosen by, which is too good: report its test "
            "score": validation.max(),
            "this is the number of the candidate, not its test score": chosen,
            "this is the mean of all candidates, not the score of the chosen one": test.mean(),
            "you chose the lowest validation score": test[int(validation.argmin())],
        }
        found = ask(answer, validation, test)
        same(
            float(found) if isinstance(found, (np.generic, int)) else found,
            torch.tensor(float(test[chosen])),
            f"report({validation.tolist()}, {test.tolist()})",
            {meaning: torch.tensor(float(value)) for meaning, value in numbers.items()},
        )
    return "chosen by one split, judged by another."


# ---- The quiz ----------------------------------------------------------------------------------

QUIZ = Quiz(
    [
        Question(
            "A paper trains its cell ten times and reports 2.8 ± 0.1 %, and one random cell with "
            "3.3 %. What does the ± not contain?",
            "that another search would find another cell",
            "Only the training was repeated. The luck of the cell, on either side, is not in it; "
            "nor is that of the test set.",
            {
                "that another seed gives another number": (
                    "That is the one thing that was repeated, ten times."
                ),
                "nothing: it is the error of the method": (
                    "It is the error of the mean of one cell's trainings. The method was used once."
                ),
                "the spread of single trainings": (
                    "The spread is what the ± is made of, divided by the root of ten if it is a "
                    "standard error."
                ),
            },
        ),
        Question(
            "An interval for found − random is −0.8 to +2.1 points. What may you say?",
            "we cannot tell which is better",
            "Zero is inside, and so is +2. More searches and more random cells would narrow it.",
            {
                "the search is useless": ("A gain of two points is inside the interval, too."),
                "they are equally good": (
                    "Holding zero is no proof of zero: −0.8 and +2.1 are as compatible."
                ),
                "found is better, since most of the interval is above zero": (
                    "That is not what a 95 % interval promises, and a search is not better by a "
                    "share of an interval."
                ),
            },
        ),
        Question(
            "You try 30 settings of a search and report the test accuracy of the best. What is "
            "wrong?",
            "it was chosen by the number that is reported",
            "The best of 30 is lucky as well as good. Choose by a validation split, test the "
            "chosen one once.",
            {
                "30 are too few": (
                    "More settings make it worse: the best of more is luckier still."
                ),
                "nothing, if all are trained alike": (
                    "The leaderboard at the top had candidates that were alike in everything, and"
                    " a leader all the same."
                ),
                "the mean should be reported": (
                    "The mean of all says what a setting does on average, not what the chosen one"
                    " does."
                ),
            },
        ),
        Question(
            "When does it help to subtract in pairs?",
            "when the two of a pair share what makes scores differ, such as the cell",
            "What they share drops out. If they share nothing that matters, half of the degrees "
            "of freedom are lost for nothing.",
            {
                "whenever there are as many of either kind": (
                    "Found cell 3 and random cell 3 share a number, which is nothing."
                ),
                "when the interval gets narrower by it": (
                    "To choose what gives the nicer interval is to choose by luck. Decide before."
                ),
                "never: it throws away half of the numbers": (
                    "It loses degrees of freedom, but with shared luck gone the interval may be "
                    "several times as narrow."
                ),
            },
        ),
    ]
)
