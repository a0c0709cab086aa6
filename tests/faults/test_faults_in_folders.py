"""Signals, two starts, changed checkpoints and folders: the undisturbed end, or a sentence."""

import pytest
from small import lines

KINDS = (
    *("signals", "two-starts", "checkpoints", "checkpoint-bytes"),
    *("folders", "folders-resumed", "folders-reported"),
)


@pytest.fixture(scope="module")
def found():
    return lines(*KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_none_fails(found, kind):
    assert ", 0 FAILED" in found[kind], found[kind]
