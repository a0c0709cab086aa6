"""Sentences with numbers: a lesson may only state what it computes, shows or can cite.

A number is grounded if a code cell or a formula of the same lesson has it (a setting, an assert).
Every other sentence stands in ``numbers.toml`` with what it rests on: a test, a recording, the
paper, arithmetic. The test lists those that do not, and entries that no lesson has any more.
"""

import re
import tomllib
from pathlib import Path

import build_lessons
import pytest
from build_lessons import sources

REGISTER = tomllib.loads((Path(__file__).parent / "numbers.toml").read_text(encoding="utf-8"))

NUMBER = r"(?<![\w.×/-])\d[\d,]*(?:\.\d+)?(?![\w×/])"
COUNT = "two|three|four|five|six|seven|eight|nine|ten"
VERDICT = rf"(?i)\b(?:{COUNT})(?: \w+)? (?:of|in|out of) (?:{COUNT})\b|\bon all (?:{COUNT})\b"
"""What a run may have given: four of five, on all five."""

LABEL = re.compile(
    r"\b(lessons?|exercises?|questions?|parts?|eq\.|fig\.|tables?|hints?|algorithm|python|dartsedu|cifar)"
    r"[ -](§?[A-Z.]*\d[\d.]*(, | and |–|/| or | to )?)+|§\s*[\d.]+|\d+ minutes|\(?(19|20)\d\d\b",
    re.IGNORECASE,
)
NOISE = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$|<[^>]+>|^#+ [^\n]*$|^[ \t]*(\*\*)?\d+\.(\*\*)?\s",
    re.DOTALL | re.MULTILINE,
)


def sentences(markdown):
    """Sentences of a cell that have a number of their own, with these numbers."""
    text = re.sub(r"\[(?:0\d )?([^\]]*)\]\([^)]*\)", r"\1", markdown)
    # What was taken out leaves an object behind, or a list's item would join the next.
    text = LABEL.sub("¶", NOISE.sub("¶", text))
    for block in re.split(r"\n\s*\n|\n\s*[-|>] ", text):
        for sentence in re.split(r"(?<=[.?!:])\s+(?=[A-ZαξεL*])", " ".join(block.split())):
            found = re.findall(rf"({NUMBER})(\s?%)?", sentence)
            numbers = [float(n.replace(",", "")) / (100 if share else 1) for n, share in found]
            numbers += [float("nan") for _ in re.findall(VERDICT, sentence)]
            if numbers:
                yield sentence, numbers


def known_numbers(notebook):
    """The numbers of code and formulas."""
    code = "\n".join(c.source for c in notebook.cells if c.cell_type == "code")
    prose = "\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    formulas = " ".join(re.findall(r"\$\$.*?\$\$|\$[^$]*\$", prose, re.DOTALL))
    found = re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", f"{code} {formulas}")
    return {float(number) for number in found}


def ungrounded(notebook):
    known = known_numbers(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for sentence, numbers in sentences(cell.source):
                if not known.issuperset(numbers):
                    yield sentence


@pytest.mark.parametrize("source", sources(), ids=lambda s: s.stem)
def test_every_number_rests_on_something(source):
    register = REGISTER.get(source.stem[:2], {})
    found = list(ungrounded(build_lessons.lesson(source)))
    missing = [s for s in found if not any(part in s for part in register)]
    assert not missing, "state what these rest on, in numbers.toml:\n" + "\n".join(missing)
    stale = [part for part in register if not any(part in s for s in found)]
    assert not stale, "no lesson says this any more:\n" + "\n".join(stale)
    assert all(reason.strip() for reason in register.values())


def test_sentences_with_numbers_are_found():
    assert [len(n) for _, n in sentences("It wins on four of five data sets.")] == [1]
    text = (
        "## 3 · Title\n\nSee lesson 04 and eq. 2. It loses 42 points! `x = 7` $y = 8$ by 3×3.\n\n"
    )
    assert [n for _, n in sentences(text + "1. A list of 0.25 %.")] == [[42], [0.0025]]
