"""Changed checkpoints and folders, killed runs, full disks: a sentence, or the undisturbed end."""

import pytest
from small import lines

KINDS = (
    *("killed-cnn", "killed-rnn", "killed-equation", "full-cnn", "full-rnn", "full-equation"),
    *("files-that-may-not-grow", "signals", "two-starts"),
    *("checkpoints", "checkpoint-bytes", "folders", "folders-resumed", "folders-reported"),
)


@pytest.fixture(scope="module")
def found():
    return lines(*KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_none_fails(found, kind):
    assert ", 0 FAILED" in found[kind], found[kind]
