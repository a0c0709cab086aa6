"""Whatever a browser says, the run goes on and the next message is heard."""

import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_live import Browser, made_up

from dartsedu.dashboard import live, replay
from dartsedu.search import Search
from dartsedu.spaces.cnn import cnn_space

words = st.sampled_from(
    ["type", "hello", "need", "run", "have", "command", "limit", "rate", "gap", "step"]
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, -(2**63), 2**53]),
    st.floats(),
    st.text(max_size=5),
    words,
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=8,
)
messages = anything | st.fixed_dictionaries(
    {"type": st.sampled_from(["hello", "need", "command"])},
    optional={
        "command": st.sampled_from(["pause", "limit", "gap"]) | anything,
        "rate": anything,
        "step": anything,
        "run": anything,
        "have": anything,
    },
)


@pytest.fixture
def run(make_supernet, task, search_settings):
    return live(Search(make_supernet(), task, search_settings))


def test_any_message_is_answered_or_ignored(run):
    browser = Browser(run)

    @given(message=messages)
    @settings(derandomize=True, deadline=None, max_examples=400)
    def say(message):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            browser.widget._receive(None, message, [])
        browser.messages.clear()
        assert all("ignored" in str(w.message) and len(str(w.message)) < 2000 for w in said)

    say()
    browser.say(type="command", command="stop")
    assert run.wait(60)
    browser.say(type="hello")
    assert browser.of("status")[-1]["state"] in ("stopped", "finished")


@pytest.mark.parametrize("depth", [10, 2_000, 20_000])
@pytest.mark.parametrize("place", ["type", "command", "rate", "surprise"])
def test_a_message_of_any_depth(run, depth, place):
    inside = "x"
    for level in range(depth):
        inside = {"type": inside} if level % 2 else [inside]
    browser = Browser(run)
    with pytest.warns(UserWarning, match="ignored"):
        browser.say(**({"type": "command", "command": "limit"} | {place: inside}))
    browser.say(type="command", command="limit", rate=5.0)
    assert browser.of("status")[-1]["limit"] == 5


def test_a_message_with_very_many_or_very_long_names(run):
    names = {str(i): 0 for i in range(10_000)} | {"x" * 10**6: 0}
    with pytest.warns(UserWarning, match=r"… and \d+ more") as said:
        Browser(run).say(type="command", command="play", **names)
    assert len(str(said[0].message)) < 3000
    assert run.state == "ready"


def test_a_view_that_is_gone_when_it_is_answered():
    browser = Browser(replay(made_up(cnn_space(nodes=1), 3)))

    def gone(*_):
        raise RuntimeError("the comm is closed")

    browser.widget.send = gone
    with pytest.warns(UserWarning, match="ignored a message.*the comm is closed"):
        browser.say(type="need", run=0, have=0)


def test_messages_that_are_no_objects(run):
    for message in ("[]", '"hello"', "3", "null", "[[]]", '{"type": null}', "{}"):
        with pytest.warns(UserWarning, match="ignored"):
            Browser(run).widget._receive(None, json.loads(message), [])
