"""What other distributions bring, and how little of it can do harm."""

import json
import sys
from importlib.metadata import EntryPoint

import pytest

from dartsedu.base import extensions
from dartsedu.base.extensions import (
    DATA,
    SPACES,
    ExtensionError,
    ExtensionWarning,
    every,
    find,
    names,
)
from dartsedu.data.task import DataSet
from dartsedu.spaces.cnn.space import CNNSpace

OWN = ("bench", "cnn", "equation", "rnn")


class Unset(CNNSpace):
    """Usable, but without presets beside it."""

    name = "other"


class Bare(CNNSpace):
    """Without words."""

    name = "other"

    @property
    def vocabulary(self):
        raise AttributeError


THINGS = {
    "a_function": json.dumps,
    "a_class": CNNSpace,
    "other_name": CNNSpace(),
    "no_preset": Unset(),
    "no_words": Bare(),
    "not_a_set": DataSet("other", 3, None),
}


@pytest.fixture
def bring(monkeypatch):
    """Puts an entry point into a group, as if a distribution with it were installed."""
    caches = extensions._loaders, extensions._loaded, extensions.tell

    def clear():
        for cached in caches:
            cached.cache_clear()

    def put(group, name, value):
        point = EntryPoint(name, value, group)
        monkeypatch.setattr(
            extensions, "entry_points", lambda group: [point] if group == point.group else []
        )
        clear()

    module = type(sys)("brought")
    for name, thing in THINGS.items():
        setattr(module, name, thing)
    monkeypatch.setitem(sys.modules, "brought", module)
    yield put
    monkeypatch.undo()
    clear()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("no_such_module:SPACE", "ModuleNotFoundError"),
        ("brought:nothing", "has no attribute 'nothing'"),
        ("brought:a_function", "is a function; expected a space, an object"),
        ("brought:a_class", "is a class; expected a space"),
        ("brought:other_name", "calls itself 'cnn'; expected 'other'"),
        ("brought:no_preset", "presets.toml"),
        ("brought:no_words", "it lacks vocabulary"),
    ],
)
def test_a_space_that_cannot_be_used_is_left_out_and_named(bring, value, words):
    bring(SPACES, "other", value)
    assert names(SPACES) == (*OWN, "other")
    with pytest.warns(ExtensionWarning, match=words):
        assert tuple(space.name for space in every(SPACES)) == OWN
    with pytest.raises(ExtensionError, match=words):
        find(SPACES, "other")


def test_a_data_set_that_cannot_be_used_is_left_out_and_named(bring):
    bring(DATA, "other", "brought:not_a_set")
    with pytest.warns(ExtensionWarning, match="expected a kind"):
        assert every(DATA) == ()


def test_a_name_that_is_taken_stays_with_its_owner(bring):
    bring(SPACES, "cnn", "brought:a_function")
    with pytest.warns(ExtensionWarning, match="'cnn' of brought:a_function .* name is taken"):
        assert find(SPACES, "cnn").name == "cnn"


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ExtensionError, match="unknown space 'gnn'; expected one of: bench, cnn, equ"):
        find(SPACES, "gnn")
