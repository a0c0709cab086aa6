"""The recurrent space through search, training, a run's folder and the command line."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from command import Page, dartsedu
from comparison import same_step

from dartsedu.data.tasks import load_task
from dartsedu.data.text import END, FILES, TextSplit
from dartsedu.data.texts import TextTask
from dartsedu.genotype import random_genotype
from dartsedu.presets import describe, load_preset, override
from dartsedu.published import PUBLISHED
from dartsedu.runs.folder import Run
from dartsedu.search import Search
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.spaces.rnn import Dropout, RNNNetwork, RNNSupernet, rnn_space
from dartsedu.stream.stream import NonFiniteError
from dartsedu.train import Training, evaluate

EVERYTHING = Dropout(words=0.1, embedding=0.2, input=0.3, hidden=0.25, output=0.2)
ARCHITECTS = ("first-order", "finite-difference", "exact")


@pytest.fixture
def text():
    """A text of 12 words that come in runs, in three parts."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(0, 3, (920,), generator=generator)
    words = steps.cumsum(0) % 12
    parts = [TextSplit(part) for part in words.split([480, 240, 200])]
    names = (END, *"abcdefghijk")
    return TextTask(
        name="tiny",
        words=names,
        weights=parts[0],
        architecture=parts[1],
        test=parts[2],
        training=parts[0],
    )


@pytest.fixture
def make_search(text):
    def make(seed=0, dropout=EVERYTHING, **changes):
        settings = load_preset("rnn-classroom").search
        changes = {"epochs": 2, "batch_size": 8, "bptt": 12} | changes
        torch.manual_seed(seed)
        supernet = RNNSupernet(
            rnn_space(2), words=12, hidden=6, dropout=dropout, slowness=0.01, alpha_scale=1e-3
        )
        return Search(supernet, text, settings.model_copy(update=changes), seed=seed)

    return make


# ---- Search -------------------------------------------------------------------------------------


@pytest.mark.parametrize("architect", ARCHITECTS)
def test_a_search_is_a_stream_of_steps_without_accuracy(make_search, architect):
    search = make_search(architect=architect)
    steps = list(search)
    assert len(steps) == search.total
    assert [s.epoch for s in steps] == sorted(s.epoch for s in steps)
    assert steps[-1].epoch == 1
    assert all(s.loss.keys() == {"weights", "architecture"} and not s.accuracy for s in steps)
    assert not np.array_equal(steps[0].alphas["recurrent"], steps[-1].alphas["recurrent"])


def test_learning_rate_goes_with_the_length_of_a_batch(make_search):
    search = make_search(epochs=10)
    rates = {round(s.learning_rate["weights"], 6) for s in search}
    assert {10.0, 5.0} <= rates  # 12 words, now and then 6; the last batch of a pass is shorter.
    assert max(rates) == 10.0
    assert search.weights_optimizer.param_groups[0]["lr"] == 10.0


def watched(search):
    """The batches and outcomes of every pass of a search, noted as they come."""
    seen, plain = [], search.supernet.loss

    def noted(batch, mixture=None):
        outcome = plain(batch, mixture)
        seen.append((batch, outcome))
        return outcome

    search.supernet.loss = noted
    return seen


def found_in(text, part):
    """Whether ``part`` is a stretch of ``text``."""
    starts = range(len(text) - len(part) + 1)
    return any(torch.equal(part, text[i : i + len(part)]) for i in starts)


@pytest.mark.parametrize("architect", ARCHITECTS)
def test_hidden_states_stay_in_their_split_and_carry_no_gradient(make_search, architect):
    search = make_search(architect=architect)
    seen = watched(search)
    texts = {name: getattr(search.task, name).columns(8) for name in ("weights", "architecture")}
    expected = dict.fromkeys(texts)
    for step in search:
        passes, seen[:] = list(seen), []
        by_split = {
            name: [(b, o) for b, o in passes if found_in(text, b.inputs)]
            for name, text in texts.items()
        }
        assert sum(map(len, by_split.values())) == len(passes)
        for split, found in by_split.items():
            for batch, outcome in found:
                assert not outcome.carried.requires_grad
                if batch.first:
                    assert batch.hidden is None
                else:
                    assert torch.equal(batch.hidden, expected[split])
        # The weights' own step comes last; second order reads the architecture split once, at w′.
        expected = {split: found[-1][1].carried for split, found in by_split.items()}
        assert step.loss["weights"] == float(by_split["weights"][-1][1].loss.detach())


def test_carrying_is_reading_the_text_in_one_piece(make_search, text):
    """With weights that hardly move and no dropout, a pass in batches is one long pass."""
    tiny = load_preset("rnn-classroom").search.weights.model_copy(
        update={"learning_rate": 1e-30, "learning_rate_end": 1e-30, "weight_decay": 0.0}
    )
    still = load_preset("rnn-classroom").search.architecture.model_copy(
        update={"learning_rate": 1e-30, "weight_decay": 0.0}
    )
    search = make_search(dropout=Dropout(), epochs=1, weights=tiny, architecture=still)
    seen = watched(search)
    total = words = 0
    for step in search:
        length = len(seen[-1][0].inputs)
        total += step.loss["weights"] * length
        words += length
    columns = text.weights.columns(8)[: words + 1]
    whole = seen[0][0]._replace(inputs=columns[:-1], targets=columns[1:], first=True, hidden=None)
    with search.supernet.frozen():
        expected = float(type(search.supernet).loss(search.supernet, whole).loss.detach())
    assert total / words == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("architect", ARCHITECTS)
@pytest.mark.parametrize("stop", [3, 8])
def test_a_search_resumes_bit_for_bit(make_search, architect, stop, tmp_path):
    whole = list(make_search(architect=architect))
    begun = make_search(architect=architect)
    for _ in range(stop):
        next(begun)
    begun.save(tmp_path / "c.pt")
    resumed = list(make_search(seed=0, architect=architect).load(tmp_path / "c.pt"))
    assert len(resumed) == len(whole) - stop
    assert all(same_step(a, b) for a, b in zip(whole[stop:], resumed, strict=True))
    forgetful = make_search(seed=0, architect=architect).load(tmp_path / "c.pt")
    forgetful._carried = {}
    assert not same_step(next(forgetful), whole[stop])


def test_virtual_step_is_clipped_as_the_weights_are(make_search):
    settings = make_search(architect="exact", virtual_clip=True).settings
    assert settings.make_architect().virtual_step.clip == settings.weights.clip
    plain = settings.model_copy(update={"virtual_clip": False})
    assert plain.make_architect().virtual_step.clip is None


# ---- Training -----------------------------------------------------------------------------------


@pytest.fixture
def make_training(text):
    def make(seed=0, **changes):
        settings = load_preset("rnn-classroom").train
        changes = {
            "hidden": 6, "epochs": 6, "batch_size": 8, "bptt": 12, "bptt_spread": 3.0,
            "non_monotone": 1,
        } | changes  # fmt: skip
        settings = settings.model_copy(update=changes)
        network = build_network(random_genotype(rnn_space(2), 3), settings, text, seed)
        return Training(network, text, settings, seed=seed)

    return make


def test_training_looks_at_the_architecture_split_after_each_epoch(make_training, text):
    training = make_training()
    steps = list(training)
    ends = [i for i, s in enumerate(steps) if "validation" in s.loss]
    assert ends == [end - 1 for end in training._passes.ends]
    assert training.averaging.losses == [steps[i].loss["validation"] for i in ends]
    best = min(training.averaging.losses)
    assert math.log(evaluate(training.network, text.architecture)) == pytest.approx(best)
    assert training.test() == evaluate(training.network, text.test)


def test_perplexity_by_hand(make_training, text):
    """exp of the mean of −log p over all words, the state carried by hand."""
    network = make_training().network.double().train()
    found = evaluate(network, text.test, batch_size=5)
    assert network.training
    columns, state, losses = text.test.columns(5), torch.zeros(5, 6).double(), []
    network.eval()
    with torch.no_grad():
        for now, later in pairwise(columns):
            logits, state = network.model.read(network.core, now[None], state)
            chances = torch.softmax(logits[0], dim=1)
            losses += (-chances[torch.arange(5), later].log()).tolist()
    assert found == pytest.approx(math.exp(sum(losses) / len(losses)), rel=1e-6)


@pytest.mark.parametrize("stop", [1, 22, 37])
def test_training_resumes_bit_for_bit_averaging_or_not(make_training, stop, tmp_path):
    changes = {"epochs": 8, "non_monotone": 1}
    training = make_training(**changes)
    whole = list(training)
    assert training.averaging.averaged is not None
    begun = make_training(**changes)
    for _ in range(stop):
        next(begun)
    begun.save(tmp_path / "c.pt")
    other = make_training(seed=0, **changes)
    torch.nn.init.zeros_(other.network.model.embedding)
    resumed = list(other.load(tmp_path / "c.pt"))
    assert all(same_step(a, b) for a, b in zip(whole[stop:], resumed, strict=True))
    assert other.test() == training.test()


def test_a_small_model_learns_what_can_be_learned(make_training, text):
    """The next word is one of three: perplexity 3 at best, 12 by guessing."""
    training = make_training(epochs=40, hidden=16, non_monotone=None)
    before = training.test()
    list(training)
    assert before == pytest.approx(12, rel=0.1)
    assert 2.9 < training.test() < 4.5


def test_exploding_training_says_what_to_change(make_training):
    weights = make_training().settings.weights.model_copy(
        update={"learning_rate": 1e30, "clip": None}
    )
    with pytest.raises(NonFiniteError, match=r"train\.weights\.learning_rate \(now 1e\+30\)"):
        list(make_training(weights=weights))


# ---- Presets ------------------------------------------------------------------------------------


def test_paper_preset_is_the_papers():
    """DARTS A.1.1 and A.2, and the code where these are silent: the numbers, one by one."""
    paper = load_preset("rnn-paper")
    search, train = paper.search, paper.train
    assert (paper.supernet.hidden, paper.supernet.nodes, paper.supernet.alpha_scale) == (300, 8, 0)
    assert tuple(paper.supernet.dropout.model_dump().values()) == (0, 0.2, 0.75, 0.25, 0.75)
    assert (search.epochs, search.batch_size, search.bptt) == (50, 256, 35)
    assert (search.weights.learning_rate, search.weights.learning_rate_end) == (20, 20)
    assert (search.weights.momentum, search.weights.weight_decay) == (0, 5e-7)
    assert search.weights.clip == train.weights.clip == 0.25
    assert (search.architecture.learning_rate, search.architecture.weight_decay) == (3e-3, 1e-3)
    assert (search.architecture.beta1, search.architecture.beta2) == (0.9, 0.999)
    assert (train.hidden, train.epochs, train.batch_size) == (850, 1600, 64)
    assert tuple(train.dropout.model_dump().values()) == (0.1, 0.2, 0.75, 0.25, 0.75)
    assert (train.weights.weight_decay, train.non_monotone) == (8e-7, 5)
    assert (train.bptt, train.bptt_spread) == (35, 5)
    wikitext = load_preset("rnn-wikitext2").train
    assert (wikitext.hidden, wikitext.dropout.hidden) == (700, 0.15)
    assert wikitext.weights.weight_decay == 5e-7


def test_presets_build_what_they_name():
    for name, words, size in (
        ("rnn-paper", 10_000, 22_960_000),
        ("rnn-wikitext2", 33_278, 33_127_878),
    ):
        text = TextSplit(torch.zeros(10, dtype=torch.long))
        task = TextTask(
            name="any", words=tuple(map(str, range(words))), weights=text, architecture=text,
            test=text, training=text,
        )  # fmt: skip
        settings = load_preset(name)
        network = build_network(PUBLISHED["darts-rnn-v2"], settings.train, task, 0)
        assert network.size == size
        assert build_network(None, settings.train, task, 0, size).size == pytest.approx(
            size, rel=1e-3
        )
        assert isinstance(build_supernet(settings, task, 0), RNNSupernet)


def test_any_field_can_be_overridden():
    settings = load_preset("rnn-classroom")
    for name, value, _ in describe(settings):
        if name not in ("preset", "follows"):
            text = value.lower() if value in ("True", "False") else value
            assert override(settings, [f"{name}={text}"]) == settings, name


@pytest.mark.parametrize(
    ("preset", "text", "words"),
    [
        ("rnn-classroom", "space=cnn", "cannot be changed"),
        ("classroom", "task.name=pydoc", "is a text; use a preset for that, such as rnn-classroom"),
        (
            "rnn-classroom",
            "task.name=digits",
            "is images; use a preset for that, such as classroom",
        ),
        ("rnn-classroom", "task.name=letters", "expected one of: pydoc, grammar, ptb, wikitext2"),
        ("rnn-classroom", "supernet.dropout.hidden=1", "less than 1"),
        ("rnn-classroom", "task.noise=1", "not a setting"),
    ],
)
def test_wrong_overrides_are_explained(preset, text, words):
    with pytest.raises(SettingsError, match=words):
        load_preset(preset, [text])


# ---- A run's folder -----------------------------------------------------------------------------

TINY = {
    "task.vocabulary": 60,
    "supernet.hidden": 8,
    "supernet.nodes": 2,
    "search.epochs": 1,
    "search.batch_size": 256,
    "train.hidden": 8,
    "train.epochs": 1,
    "train.batch_size": 256,
    "train.seeds": 2,
    "train.random_cells": 2,
    "train.lstms": 1,
}
SETS = [part for field, value in TINY.items() for part in ("--set", f"{field}={value}")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny run, searched and trained by the command line."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    dartsedu("search", "--task", "pydoc", "--out", folder, "--seed", 5, "--device", "cpu", *SETS)
    dartsedu("train", folder, "--device", "cpu")
    return folder


def test_a_run_leaves_everything_it_promises(folder, capsys):
    run = Run.open(folder)
    assert run.settings.preset == "rnn-classroom"
    run.genotype().check(run.recording().space)
    results = run.results()
    assert [t.name for t in results.trained] == [
        "genotype-5", "genotype-6", "random-5000", "random-5001", "lstm-5",
    ]  # fmt: skip
    assert all(t.test.keys() == {"perplexity"} for t in results.trained)
    assert all(t.test["perplexity"] > 1 for t in results.trained)
    # After a dozen steps better than an even guess among 60 words, if not with every random cell.
    for name in ("genotype-5", "genotype-6", "lstm-5"):
        [trained] = [t for t in results.trained if t.name == name]
        assert trained.test["perplexity"] < TINY["task.vocabulary"]
    sizes = [t.parameters for t in results.trained]
    assert sizes[-1] == pytest.approx(sizes[0], rel=0.1)
    assert 1 < results.references["bigram"] < results.references["unigram"] < 60
    assert results.gap.mixture.loss > 0
    names = {path.name for path in (folder / "pictures").iterdir()}
    assert {"genotype.svg", "cells.svg", "losses.svg", "scores.svg"} <= names
    dartsedu("show", folder)
    shown = capsys.readouterr().out
    assert "last step: perplexity weights" in shown
    assert "architecture split: perplexity of the mixture" in shown
    assert "lstm-5: test perplexity" in shown


def test_the_report_is_complete_and_in_perplexity(folder):
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert page.open == []
    assert all(len(image["alt"].split()) >= 8 for image in page.images)
    assert all(address.startswith("data:") for address in page.addresses)
    words = " ".join(page.words)
    for needed in (
        "perplexity of this cell",
        "random cells, same budget",
        "words by their frequency alone",
        "words by the one before them",
        "lstm-5",
        "What genotype-5 writes",
        "95 % interval",
        "xₜ",
    ):
        assert needed in words, needed
    assert "accuracy" not in words.replace("accuracy on", "")
    sample = Run.open(folder).results().trained[0].texts["sample"]
    assert len(sample.split()) == 80
    assert set(sample.split()) <= set(load_task("pydoc", vocabulary=60).words)


def test_a_stopped_training_goes_on_where_it_was(folder, tmp_path):
    run = Run.create(
        tmp_path / "stopped", Run.open(folder).settings, 5, Run.open(folder).genotype()
    )
    candidate = run.candidates()[-1]
    assert candidate.kind == "lstm"
    training = run.begin_training(candidate, run.task(), "cpu")
    for step in run.follow_training(candidate, training):
        if step.index == 3:
            break
    dartsedu("resume", tmp_path / "stopped")
    found = {t.name: t.test for t in run.results().trained}
    assert found == {t.name: t.test for t in Run.open(folder).results().trained}


def test_published_cells_are_known_by_name_and_spaces_kept_apart(tmp_path, capsys):
    dartsedu("show", "darts-rnn-v2", "--out", tmp_path / "cell.svg")
    shown = capsys.readouterr().out
    assert "sigmoid(xₜ, hₜ₋₁)" in shown
    assert b"<svg" in (tmp_path / "cell.svg").read_bytes()
    dartsedu("show", "enas")
    dartsedu("show", "rnn-paper")
    dartsedu("train", "enas", "--preset", "classroom", "--out", tmp_path / "a", code=2)
    assert "which is of the space 'cnn'; choose another --preset" in capsys.readouterr().err
    dartsedu("search", "--preset", "classroom", "--task", "ptb", code=2)
    assert "'ptb' is a text; use a preset for that" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_missing_corpora_exit_with_1_and_say_what_goes_where(tmp_path, capsys):
    data = ["--set", f"task.root={tmp_path}"]
    dartsedu("search", "--task", "ptb", "--out", tmp_path / "run", *data, code=1)
    words = " ".join(capsys.readouterr().err.split())
    assert f"{tmp_path / 'penn'} lacks train.txt, valid.txt, test.txt. Put the corpus" in words
    assert not (tmp_path / "run").exists()


def test_grammar_has_a_floor_in_the_report(tmp_path):
    sets = [p for k, v in (TINY | {"train.random_cells": 0}).items() for p in ("--set", f"{k}={v}")]
    dartsedu("train", "darts-rnn-v1", "--task", "grammar", "--out", tmp_path / "run", *sets)
    run = Run.open(tmp_path / "run")
    assert run.results().references["floor"] < min(
        t.test["perplexity"] for t in run.results().trained
    )
    assert "the least that is possible" in (tmp_path / "run" / "report.html").read_text()


def test_official_weights_run_through_the_public_names():
    network = RNNNetwork(PUBLISHED["darts-rnn-v2"], words=12, hidden=4)
    assert network.score(TextSplit(torch.arange(60) % 12)) == pytest.approx(12, rel=0.05)


@pytest.mark.parametrize(
    ("short", "changes", "words"),
    [
        ("train.txt", (), "search.batch_size, weights split: "),
        ("valid.txt", (), "search.batch_size, architecture split: "),
        ("train.txt", ("search.batch_size=2",), "train.batch_size, training split: "),
    ],
)
def test_batches_that_a_text_cannot_fill_are_refused_before_a_folder_is_made(
    tmp_path, capsys, short, changes, words
):
    (tmp_path / "penn").mkdir()
    for name in FILES:
        lines = 4 if name == short else 1000
        (tmp_path / "penn" / name).write_text("the cat sat\n" * lines)
    sets = [part for change in (f"task.root={tmp_path}", *changes) for part in ("--set", change)]
    dartsedu("search", "--task", "ptb", "--out", tmp_path / "run", *sets, code=2)
    said = capsys.readouterr().err
    assert words in said
    assert "use a batch size of at most 5" in said
    assert not (tmp_path / "run").exists()
