"""Live runs, replays and what they tell the browser, without a browser."""

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from comparison import same_step

from dartsedu.dashboard import compare, live, replay
from dartsedu.dashboard.history import GAP, History
from dartsedu.dashboard.widget import SNAPSHOT, Dashboard
from dartsedu.data.tasks import load_task
from dartsedu.derivation import derive
from dartsedu.discretisation import discretisation_gap, gap_every
from dartsedu.lessons.equations import equation_search
from dartsedu.relaxation import mixture_weights
from dartsedu.search import Search
from dartsedu.show.measures import changes, entropy, genotypes, passing
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import Header, Recorder, Recording, RecordingError, recorded
from dartsedu.stream.stream import Step, after_steps, until
from dartsedu.truth.table import PLACE


@pytest.fixture
def make_search(task, make_supernet, search_settings):
    return lambda seed=0: Search(make_supernet(seed), task, search_settings, seed=seed)


def made_up(space, count, seed=0, accuracy=True):
    """A recording of random α."""
    random = np.random.default_rng(seed)
    steps = []
    for index in range(count):
        alphas = {c.name: random.normal(size=space.shape(c.name)).astype("f4") for c in space.cells}
        mixture = {n: mixture_weights(torch.from_numpy(a)).numpy() for n, a in alphas.items()}
        splits = {"weights": 1.0 / (index + 1), "architecture": 2.0 / (index + 1)}
        known = splits if accuracy else {}
        steps.append(Step(index, index // 10, splits, known, {}, alphas, mixture, 0.1 * index))
    return Recording(Header(kind="search", total=count, seed=seed, space=space), tuple(steps))


def eventually(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Browser:
    """Catches what a widget sends; answers as a view would."""

    def __init__(self, shown):
        shown._repr_mimebundle_()
        self.widget = shown._widget
        self.messages = []
        self.widget.send = lambda content, buffers=None: self.messages.append((content, buffers))

    def say(self, **content):
        self.widget._receive(None, content, [])

    def of(self, kind):
        return [content for content, _ in self.messages if content["type"] == kind]

    def rows(self, width):
        """All rows sent so far, in the order of their numbers, none missing."""
        found = {}
        for content, buffers in self.messages:
            if content["type"] == "rows":
                rows = np.frombuffer(buffers[0], "<f4").reshape(-1, width)
                found.update(enumerate(rows, content["first"]))
        assert sorted(found) == list(range(len(found)))
        return np.array([found[i] for i in range(len(found))])


# ---- Live ---------------------------------------------------------------------------------------


def test_numbers_are_those_of_the_bare_search(make_search):
    bare = list(make_search())
    alone, watched = live(make_search()), live(make_search(), interval=1e-6)
    Browser(watched)
    for run in (alone, watched):
        assert run.wait(60)
        assert run.state == "finished"
        assert all(map(same_step, run.recording.steps, bare))
        assert len(run.recording.steps) == len(bare)


def test_finished_starts_and_waits(make_search):
    run = live(make_search())
    asyncio.run(run.finished())
    assert run.state == "finished"
    asyncio.run(run.finished())


def test_a_cancelled_wait_pauses_and_nothing_is_lost(make_search):
    run = live(make_search())
    run.limit(5)

    async def interrupted():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run.finished(), 0.3)

    asyncio.run(interrupted())
    run.limit(None)
    eventually(lambda: run.state == "paused")
    assert 0 < len(run.recording.steps) < 9
    assert not run.wait(0.1)  # Nobody pressed Play.
    run.start()
    assert run.wait(60)
    assert len(run.recording.steps) == 9


def test_failure_is_raised_to_whoever_waits(make_search):
    search = make_search()
    with torch.no_grad():
        next(iter(search.supernet.weights().values())).fill_(float("nan"))
    run = live(search)
    browser = Browser(run)
    with pytest.raises(ArithmeticError, match="very first step"):
        run.wait(60)
    with pytest.raises(ArithmeticError):
        asyncio.run(run.finished())
    assert run.state == "failed"
    assert "NonFiniteError: the architecture loss is nan" in browser.of("status")[-1]["message"]


def test_steps_can_come_from_a_recorder_and_a_stop_rule(make_search, tmp_path):
    bare = list(make_search())
    search = make_search()
    paths = tmp_path / "run.jsonl", tmp_path / "run.ckpt"
    first = live(search, until(recorded(search, *paths, space=search.space), after_steps(4)))
    first.wait(60)
    assert len(Recording.load(paths[0]).steps) == 4
    again = make_search().load(paths[1])
    earlier = Recording.load(paths[0]).steps
    second = live(again, recorded(again, *paths, space=again.space), earlier=earlier)
    second.wait(60)
    assert all(map(same_step, second.recording.steps, bare))
    assert len(Recording.load(paths[0]).steps) == len(bare)


def test_stop_and_take_up_again(make_search):
    search = make_search()
    run = live(search)
    run.step()
    eventually(lambda: run.state == "paused")
    run.stop()
    run.wait(60)
    assert run.state == "stopped"
    rest = live(search)
    rest.wait(60)
    assert [step.index for step in rest.recording.steps] == list(range(9))


def test_a_second_view_takes_the_search_over(make_search):
    """As happens when a cell is run again: no step is lost, none is done twice."""
    search = make_search()
    first = live(search)
    first.start()
    eventually(lambda: len(first.recording.steps) > 1)
    second = live(search)
    assert first.state in ("stopped", "finished")
    second.wait(60)
    assert [step.index for step in second.recording.steps] == list(range(9))


def test_earlier_steps_that_will_be_done_again_are_left_out(make_search, tmp_path):
    search = make_search()
    steps = [next(search) for _ in range(5)]
    search.save(tmp_path / "ckpt")
    steps += [next(search) for _ in range(2)]
    again = live(make_search().load(tmp_path / "ckpt"), earlier=steps)
    again.wait(60)
    assert [step.index for step in again.recording.steps] == list(range(9))


def test_gap_is_that_of_the_package_and_leaves_the_run_alone(make_search):
    bare = list(make_search())
    search = make_search()
    run = live(search)
    with pytest.raises(ValueError, match="no step"):
        run.gap()
    for _ in range(3):
        run.step()
    gap = run.gap()
    eventually(lambda: run.state == "paused")
    step = run.recording.steps[-1]
    expected = discretisation_gap(
        search.supernet, search.task.architecture, derive(search.space, step.alphas)
    )
    assert run.gap() == expected
    assert len(run.recording.steps) == 3
    assert gap.mixture.accuracy is not None
    assert run.gap(0) != expected
    with pytest.raises(ValueError, match=r"no step 99; this view knows 3 steps, 0 to 2"):
        run.gap(99)
    run.start()
    run.wait(60)
    assert all(map(same_step, run.recording.steps, bare))


def test_wrong_arguments(make_search, tmp_path):
    with pytest.raises(TypeError, match=r"shows a Search, not list; .*replay\(\)"):
        live([])
    for interval in (-1, 0):
        with pytest.raises(ValueError, match="interval"):
            live(make_search(), interval=interval)
    with pytest.raises(ValueError, match="threads = 0"):
        live(make_search(), threads=0)
    run = live(make_search())
    with pytest.raises(ValueError, match="above 0, or None"):
        run.limit(0)
    with pytest.raises(ValueError, match="at least 2"):
        run.export_html(tmp_path / "x.html", most=1)


def test_text_is_constant_and_the_picture_comes_with_the_first_step(make_search):
    run = live(make_search())
    before, _ = run._repr_mimebundle_()
    assert "image/png" not in before
    run.wait(60)
    after, metadata = run._repr_mimebundle_()
    assert before["text/plain"] == after["text/plain"] == repr(run)
    assert before["application/vnd.jupyter.widget-view+json"]
    assert after["image/png"].startswith("iVBOR")
    assert "normal cell" in metadata["image/png"]["alt"].lower()


# ---- Messages -----------------------------------------------------------------------------------


def test_every_row_reaches_the_browser(make_search):
    run = live(make_search())
    browser = Browser(run)
    run.wait(60)
    history = run._history
    rows = browser.rows(history.width)
    assert rows.tobytes() == history.rows(0, 99)
    assert [s["state"] for s in browser.of("status")] == ["running", "finished"]
    assert browser.of("status")[0]["wanted"] == "run"
    assert browser.widget.status["state"] == "finished"
    assert browser.widget.snapshots == [history.rows(0, 99)]


def test_a_pause_is_kept_if_it_lasts(make_search, monkeypatch):
    """Traits are large: a click on Step must not send them all again."""
    monkeypatch.setattr("dartsedu.dashboard.control.REST", 60)
    run = live(make_search())
    kept = Browser(run).widget
    for count in (1, 2, 3):
        run.step()
        eventually(lambda n=count: run.state == "paused" and len(run.recording.steps) == n)
    assert kept.snapshots == [b""]
    monkeypatch.setattr("dartsedu.dashboard.control.REST", 0.05)
    run.step()
    eventually(lambda: kept.snapshots == [run._history.rows(0, 4)])
    assert kept.status["state"] == "paused"
    run.stop()
    run.wait(60)
    assert kept.status["state"] == "stopped"


def test_a_view_that_opens_late_gets_everything(make_search):
    run = live(make_search())
    run.wait(60)
    run.gap()
    browser = Browser(run)
    browser.say(type="hello")
    browser.say(type="need", run=0, have=4)
    [rows] = browser.of("rows")
    assert (rows["first"], rows["of"]) == (4, 9)
    assert browser.of("status")[0]["have"] == 9
    assert browser.of("gap")[0]["step"] == 8


def test_long_histories_go_in_pieces():
    recording = made_up(cnn_space(nodes=4), 700)
    browser = Browser(replay(recording))
    have, pieces = 0, 0
    while have < 700:
        browser.say(type="need", run=0, have=have)
        content, buffers = browser.messages[-1]
        assert len(buffers[0]) <= 2**18
        have = content["first"] + len(buffers[0]) // (4 * History(recording.header).width)
        pieces += 1
    assert pieces > 2
    assert len(browser.widget.snapshots[0]) // (4 * History(recording.header).width) == SNAPSHOT


def test_buttons_do_what_they_say(make_search):
    run = live(make_search())
    browser = Browser(run)
    browser.say(type="command", command="step")
    eventually(lambda: run.state == "paused" and run.recording.steps)
    browser.say(type="command", command="limit", rate=500.0)
    assert browser.of("status")[-1]["limit"] == 500
    browser.say(type="command", command="gap", step=0)
    browser.say(type="command", command="gap", step=7)
    browser.say(type="command", command="play")
    run.wait(60)
    good, bad = browser.of("gap")
    assert good["mixture"]["loss"] > 0
    assert "no step 7" in bad["error"]
    browser.say(type="command", command="play")  # Too late: the view is told.
    assert browser.of("status")[-1]["state"] == "finished"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "command", "command": "rm -rf"},
        {"type": "command", "command": "__class__"},
        {"type": "command", "command": "limit", "rate": -1},
        {"type": "command", "command": "limit", "rate": 1e-12},
        {"type": "command", "command": "limit", "rate": float("nan")},
        {"type": "command", "command": "play", "more": 1},
        {"type": "need", "run": 7, "have": 0},
        {"type": "need", "run": 0, "have": -1},
        {"type": "need", "run": "0; drop", "have": 0},
        {"type": "surprise"},
        {},
        "play",
        None,
    ],
)
def test_anything_else_is_ignored_with_a_warning(make_search, message):
    run = live(make_search())
    browser = Browser(run)
    with pytest.warns(UserWarning, match="ignored"):
        browser.widget._receive(None, message, [])
    assert run.state == "ready"
    assert not browser.messages


def test_a_broken_view_does_not_end_the_search(make_search):
    run = live(make_search())
    browser = Browser(run)

    def broken(content, buffers=None):
        raise LookupError("no front end")

    browser.widget.send = broken
    with pytest.warns(UserWarning, match="a view cannot hear, the search goes on: LookupError"):
        run.wait(60)
    assert run.state == "finished"


# ---- Rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["paper", "shared-predecessor"])
def test_rows_hold_alpha_scalars_and_the_genotype(rule):
    space = cnn_space(nodes=3)
    recording = made_up(space, 12)
    history = History(recording.header, recording.steps, rule)
    spec = json.loads(json.dumps(history.describe("one"), allow_nan=False))
    rows = np.frombuffer(history.rows(0, 99), "<f4").reshape(12, history.width)
    operations = len(space.primitives)
    for row, step in zip(rows, recording.steps, strict=True):
        scalars = dict(zip(spec["scalars"], row, strict=False))
        assert scalars["index"] == step.index
        assert scalars["loss weights"] == np.float32(step.loss["weights"])
        genotype, rest = derive(space, step.alphas, rule), row[len(scalars) :]
        for topology in space.cells:
            size = len(topology.edges) * operations
            alpha, rest = rest[:size].reshape(-1, operations), rest[size:]
            np.testing.assert_array_equal(alpha, step.alphas[topology.name])
            bits = scalars[f"entropy {topology.name}"]
            p = np.exp(alpha.astype("f8")) / np.exp(alpha.astype("f8")).sum(1, keepdims=True)
            assert bits == pytest.approx(-(p * np.log2(p)).sum(1).mean(), rel=1e-5)
            skips = genotype[topology.name].count("skip_connect")
            assert scalars[f"skip_connect {topology.name}"] == skips
        for topology in space.cells:
            codes, rest = rest[: len(topology.edges)], rest[len(topology.edges) :]
            found = set()
            for link, code in zip(topology.edges, codes, strict=True):
                digits = int(code)
                while digits:
                    found.add((link.source, link.target, space.primitives[digits % 9 - 1]))
                    digits //= operations + 1
            expected = genotype[topology.name].edges
            assert found == {(e.source, state, e.primitive) for state, e in expected}
        assert len(rest) == 0


def test_formulas_go_with_their_rows():
    recording = made_up(cnn_space(nodes=1), 9)
    steps = tuple(replace(step, written=f"y = {step.index}") for step in recording.steps)
    history = History(recording.header, steps)
    assert history.texts(2, 3) == ["y = 2", "y = 3", "y = 4"]
    assert history.texts(7, 99) == ["y = 7", "y = 8"]
    kept = history.thinned(3)
    assert kept.texts == ["y = 0", "y = 4", "y = 8"]
    assert np.frombuffer(kept.rows, "<f4").reshape(3, -1)[:, 0].tolist() == [0, 4, 8]
    assert History(recording.header, recording.steps).thinned(3).texts == []
    shown = compare({"a": Recording(recording.header, steps), "b": recording})
    browser = Browser(shown)
    assert [len(texts) for texts in browser.widget.texts] == [9, 0]
    browser.say(type="need", run=0, have=7)
    browser.say(type="need", run=1, have=7)
    assert [message["texts"] for message in browser.of("rows")] == [["y = 7", "y = 8"], []]


def test_an_exported_page_holds_formulas_as_text(tmp_path):
    recording = made_up(cnn_space(nodes=1), 2)
    steps = tuple(replace(step, written="y = </script><b>x</b>") for step in recording.steps)
    shown = compare({"a": Recording(recording.header, steps)})
    page = shown.export_html(tmp_path / "page.html").read_text()
    assert "</script><b>" not in page
    assert "y = \\u003c/script>" in page


def test_weights_that_do_not_compete_have_no_entropy():
    recording = made_up(cnn_space(nodes=1), 2)
    fair = recording.space.model_copy(update={"relaxation": "sigmoid"})
    history = History(recording.header.model_copy(update={"space": fair}), recording.steps)
    spec = history.describe("")
    scalars = dict(zip(spec["scalars"], np.frombuffer(history.rows(0, 1), "<f4"), strict=False))
    assert spec["relaxation"] == "sigmoid"
    assert np.isnan(scalars["entropy normal"])


def test_what_a_step_does_not_have_is_nan():
    recording = made_up(cnn_space(nodes=1, primitives=("none", "sep_conv_3x3")), 3, accuracy=False)
    history = History(recording.header, recording.steps)
    row = np.frombuffer(history.rows(0, 1), "<f4")
    names = history.describe("")["scalars"]
    missing = {name for name, value in zip(names, row, strict=False) if np.isnan(value)}
    kinds = {"accuracy weights", "accuracy architecture", "passing normal", "passing reduce"}
    assert missing == kinds | set(GAP) | set(PLACE)
    titles = [chart["title"] for chart in history.describe("")["charts"]]
    drawn = ["loss", "accuracy", "rank", "true accuracy", "entropy (bits)"]
    assert sorted(titles) == sorted([*drawn, "cut: accuracy", "cut: loss"])


def test_measures():
    assert entropy(np.full((5, 8), 1 / 8)) == pytest.approx(3)
    assert entropy(np.eye(4)) == 0
    assert passing(cnn_space()) == "skip_connect"
    assert passing(cnn_space(primitives=("none", "sep_conv_3x3"))) is None
    assert changes("aabbb a") == [2, 5, 6]
    recording = made_up(cnn_space(nodes=1), 4)
    found = genotypes(recording.space, recording.steps)
    assert found[2] == derive(recording.space, recording.steps[2].alphas)


# ---- Replay -------------------------------------------------------------------------------------


def test_replay_reads_a_file_and_compares(make_search, tmp_path):
    search = make_search()
    path = tmp_path / "run.jsonl"
    with Recorder(path, Header.of(search, search.space)) as recorder:
        for step in search:
            recorder.append(step)
    shown = replay(path)
    assert shown.figure().alt.startswith("9 steps")
    other = live(make_search(1))
    other.wait(60)
    both = compare({"seed 0": path, "seed 1": other.recording})
    assert "seed 1: 9 steps" in both.figure().alt
    browser = Browser(both)
    browser.say(type="hello")
    browser.say(type="need", run=1, have=0)
    assert browser.messages[-1][0]["run"] == 1
    with pytest.warns(UserWarning, match="unknown message 'command'"):
        browser.say(type="command", command="play")


def test_wrong_recordings(tmp_path):
    with pytest.raises(RecordingError, match="cannot read the recording"):
        replay(tmp_path / "absent.jsonl")
    (tmp_path / "bad.jsonl").write_text("{}\n")
    with pytest.raises(RecordingError, match=r"bad\.jsonl, line 1"):
        replay(tmp_path / "bad.jsonl")
    odd = made_up(cnn_space(nodes=1).model_copy(update={"primitives": ("none", "weird")}), 2)
    with pytest.raises(
        RecordingError, match=r"'odd': its genotype is not valid:\n.*unknown primitive 'weird'"
    ):
        compare({"odd": odd})
    empty = Recording(Header(kind="search", total=3, seed=0, space=cnn_space()), ())
    with pytest.raises(RecordingError, match="no step of a search"):
        replay(empty)
    with pytest.raises(RecordingError, match="'training' holds no step"):
        compare({"training": Recording(Header(kind="training", total=3, seed=0), ())})
    with pytest.raises(ValueError, match="no recording"):
        compare({})


def test_exported_page_is_one_file_and_names_stay_text(tmp_path):
    evil = "</script><script>alert(1)</script><!--"
    space = cnn_space(nodes=1).model_copy(
        update={"primitives": ("none", evil, "sep_conv_3x3", "skip_connect")}
    )
    recording = made_up(space, 300)
    # A genotype with such an operation is refused; here it never wins.
    for step in recording.steps:
        for alpha in step.alphas.values():
            alpha.flags.writeable = True
            alpha[:, 1] = -9
    path = compare({evil: recording}).export_html(tmp_path / "a" / "replay.html", most=50)
    page = path.read_text()
    assert "alert(1)" in page
    assert page.count("</script>") == 2
    assert page.count("<!--") == 0
    assert not re.search(r"""(src|href)=["']?(?!#)""", page)
    assert "http://www.w3.org/2000/svg" in page.replace("https", "")
    addresses = set(re.findall(r"https?://[^\"'\s)]+", page))
    assert addresses == {"http://www.w3.org/2000/svg"}
    state = json.loads(re.search(r'id="state">(.*?)</script>', page, re.S)[1])
    assert state["spec"]["runs"][0]["name"] == evil
    assert state["spec"]["runs"][0]["primitives"][1]["name"] == evil


def test_a_finished_page_keeps_the_gaps(make_search, tmp_path):
    run = live(make_search())
    run.wait(60)
    run.gap()
    page = run.export_html(tmp_path / "run.html").read_text()
    assert '"gaps": [{' in page


def test_headless_needs_no_widget_library():
    code = """
import sys
for name in ("anywidget", "ipywidgets", "IPython"):
    sys.modules[name] = None
from dartsedu import CNNSupernet, Search, cnn_space, live, load_preset, load_task
supernet = CNNSupernet(cnn_space(nodes=1), image_channels=1, channels=2, cells=3)
search = Search(supernet, load_task("digits"), load_preset("classroom").search)
run = live(search)
run.step()
run.gap()
run.stop()
print(run.wait(60), run.state, len(run.recording.steps))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "True stopped 1\n"


def test_widget_does_not_keep_files_open():
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        Dashboard({"mode": "replay", "title": "", "runs": []}, [])
        gc.collect()


# ---- Beside the search --------------------------------------------------------------------------


def test_the_gap_is_measured_now_and_then_and_changes_nothing(make_search, tmp_path):
    bare = list(make_search())
    search = make_search()
    measure = gap_every(search.supernet, search.task.architecture, 4)
    paths = tmp_path / "run.jsonl", tmp_path / "run.ckpt"
    steps = recorded(search, *paths, space=search.space, measure=measure)
    for _ in range(5):  # Killed and resumed in between: the same numbers.
        next(steps)
    steps.close()
    again = make_search().load(paths[1])
    measure = gap_every(again.supernet, again.task.architecture, 4)
    run = live(again, recorded(again, *paths, space=again.space, measure=measure))
    assert run.wait(60)
    whole = live(make_search(), measure_gap=4)
    assert whole.wait(60)
    known = Recording.load(paths[0]).steps
    for step, same, plain in zip(known, whole.steps, bare, strict=True):
        assert same_step(step, replace(plain, measured=step.measured))
        assert step.measured == same.measured
        assert bool(step.measured) == (step.index == 0 or (step.index + 1) % 4 == 0)
    gap = discretisation_gap(
        whole.search.supernet,
        whole.search.task.architecture,
        derive(whole.search.space, known[-1].alphas),
    )
    assert whole.gap() == gap
    assert known[0].measured["mixture loss"] > 0
    with pytest.raises(ValueError, match="steps = 0; expected at least 1"):
        gap_every(search.supernet, search.task.architecture, 0)


def test_the_gap_of_the_last_step_is_that_of_the_supernet(make_search):
    run = live(make_search(), measure_gap=1)
    assert run.wait(60)
    gap = run.gap()
    found = run.steps[-1].measured
    assert found["mixture accuracy"] == gap.mixture.accuracy
    assert found["discretised loss"] == gap.discretised.loss


def test_further_curves_are_functions_of_step_and_genotype(make_search):
    run = live(
        make_search(), series={"rank": lambda step, genotype: len(str(genotype)) + step.index}
    )
    browser = Browser(run)
    assert run.wait(60)
    spec = run._widget.spec["runs"][0]
    assert spec["series"] == ["rank"]
    assert spec["charts"][-1]["lines"][0]["scalar"] == "series rank"
    column = spec["scalars"].index("series rank")
    history = run._history
    browser.say(type="need", run=0, have=0)
    rows = browser.rows(history.width)
    found = history.genotypes(run.steps)
    want = [
        len(str(genotype)) + step.index for step, genotype in zip(run.steps, found, strict=True)
    ]
    assert rows[:, column].tolist() == want
    shown = replay(run.recording, series={"n": lambda step, genotype: step.index}, play=True)
    assert shown._spec("replay")["runs"][0]["series"] == ["n"]
    assert shown._spec("replay")["play"]


def test_speed_is_for_who_looks(make_search):
    run = live(make_search(), speed=12)
    assert run._status()["limit"] is None
    Browser(run).say(type="hello")
    assert run._status()["limit"] == 12
    chosen = live(make_search(), speed=12)
    chosen.limit(3)
    Browser(chosen).say(type="hello")
    assert chosen._status()["limit"] == 3
    with pytest.raises(ValueError, match="speed = 0; expected steps a second above 0"):
        live(make_search(), speed=0)


def test_a_stop_at_any_step_leaves_something_to_look_at(make_search):
    run = live(make_search())
    assert run.steps == ()
    assert "before the first step" in run.figure().alt
    with pytest.raises(ValueError, match="no step 3 or earlier: start the search first"):
        run.step_at(3)
    run.step()
    eventually(lambda: len(run.steps) == 1)
    run.stop()
    assert run.wait(60)
    assert run.step_at(65).index == 0
    assert run.figure().alt.startswith("1 steps")
    assert run.gap().mixture.loss > 0


def test_an_equation_shows_its_data_and_the_curves_of_every_step():
    search = equation_search(load_task("weber-fechner", noise=0.1, rows=60), epochs=4)
    run = live(search)
    assert run.wait(60)
    data, table = search.observed, search.task.table(search.task.training)
    assert (data.variables, data.target) == (("S",), "R")
    assert sorted(data.y) == sorted(table.targets.tolist())
    last = run.steps[-1]
    inputs = torch.tensor(data.at)[:, None] / search.task.scaling.inputs[0]
    with torch.no_grad():
        predicted = search.supernet.respond(inputs.double())[search.supernet.leader, :, 0]
    predicted = predicted * search.task.scaling.scale[0] + search.task.scaling.centre[0]
    np.testing.assert_allclose(last.fitted["mixture"], predicted, rtol=1e-4)
    spec = run._history.describe("")
    assert spec["cells"][0]["states"][0] == "S"
    assert spec["cells"][0]["output"] == "R"
    width = run._history.width
    row = np.frombuffer(run._history.rows(len(run.steps) - 1, 1), "<f4")
    assert len(row) == width
    np.testing.assert_array_equal(row[-2 * data.points : -data.points], last.fitted["mixture"])


def test_predictions_survive_a_recording(tmp_path):
    search = equation_search(load_task("weber-fechner", noise=0.1, rows=60), epochs=3)
    steps = list(recorded(search, tmp_path / "a.jsonl", tmp_path / "a.ckpt", space=search.space))
    found = Recording.load(tmp_path / "a.jsonl")
    assert found.header.data == search.observed
    for step, kept in zip(steps, found.steps, strict=True):
        for name in ("mixture", "kept"):
            np.testing.assert_allclose(kept.fitted[name], step.fitted[name], rtol=1e-5)
    replay(found).export_html(tmp_path / "a.html")


def test_a_recording_from_before_predictions_is_continued(tmp_path):
    def search():
        return equation_search(load_task("weber-fechner", noise=0.1, rows=60), epochs=4)

    first, paths = search(), (tmp_path / "a.jsonl", tmp_path / "a.ckpt")
    steps = recorded(first, *paths, space=first.space)
    next(steps)
    steps.close()
    header, *lines = paths[0].read_text().splitlines()
    old = {name: value for name, value in json.loads(header).items() if name != "data"}
    plain = [json.loads(line) for line in lines]
    for line in plain:
        del line["fitted"]
    paths[0].write_text("".join(json.dumps(line) + "\n" for line in (old, *plain)))
    second = search().load(paths[1])
    assert len(list(recorded(second, *paths, space=second.space))) == 3
