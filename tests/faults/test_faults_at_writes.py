"""Killed runs and full disks, at every write: the undisturbed end, or a sentence."""

import pytest
from small import lines

KINDS = (
    *("killed-cnn", "killed-rnn", "killed-equation", "full-cnn", "full-rnn", "full-equation"),
    "files-that-may-not-grow",
)


@pytest.fixture(scope="module")
def found():
    return lines(*KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_none_fails(found, kind):
    assert ", 0 FAILED" in found[kind], found[kind]
