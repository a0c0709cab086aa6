"""Damaged files, odd requests: each is carried out, or refused with a sentence."""

import pytest
from small import lines

KINDS = (
    *("settings", "settings-searched", "command-lines", "names", "names-drawn"),
    *("tables", "tables-searched", "texts", "images", "genotypes", "official-genotypes"),
    *("recordings", "messages"),
)


@pytest.fixture(scope="module")
def found():
    return lines(*KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_none_fails(found, kind):
    assert ", 0 FAILED" in found[kind], found[kind]
