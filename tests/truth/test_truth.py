"""A table of all cells: look-ups by hand, its file, and what is refused."""

import json
import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dartsedu.genotype import Genotype
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.spaces.bench.isomorphism import cell_of_choices
from dartsedu.spaces.bench.operations import PRIMITIVES
from dartsedu.spaces.bench.supernet import bench_space
from dartsedu.spaces.cnn import cnn_space
from dartsedu.truth import Truth, TruthError, load_truth, truth_of, truths
from dartsedu.truth.build import different
from dartsedu.truth.cells import cells_of, choices_of, genotype_of, number_of
from dartsedu.truth.comparison import best_of_random, judge, price
from dartsedu.truth.pictures import landscape_figure, standing_figure
from dartsedu.truth.table import About

SMALL = ["supernet.primitives=['none', 'nor_conv_3x3']"]
"""Two primitives: 64 cells, few enough to write a table of by hand."""


@pytest.fixture(scope="module")
def small():
    """A table whose accuracies are made up: the more convolutions, the better."""
    asked = load_preset("bench-classroom", SMALL)
    space = bench_space(("none", "nor_conv_3x3"))
    choices, row_of = different(asked)
    rows = len(choices)
    right = np.array([[10 * sum(c) + seed for seed in (0, 1)] for c in choices], np.uint16)
    about = About(name="small", space=space, settings=asked, seeds=(4, 9), versions={})
    return Truth(
        about,
        choices=np.array(choices, np.uint8),
        row_of=np.array(row_of, np.uint16),
        training_loss=np.ones((rows, 3, 2), np.float32),
        validation_right=np.repeat(right[:, None], 3, axis=1) // 2,
        test_right=right,
        parameters=np.array([100 + 50 * sum(c) for c in choices], np.int64),
        multiply_adds=np.array([1000 + 100 * sum(c) for c in choices], np.int64),
        latency=np.full(rows, 1e-3, np.float32),
        validation_size=50,
        test_size=100,
    )


def all_of(primitive):
    return cell_of_choices([primitive] * 6)


# ---- Look-ups ------------------------------------------------------------------------------------


def test_rank_accuracy_and_regret_by_hand(small):
    best, worst = all_of("nor_conv_3x3"), all_of("none")
    assert small.best == best
    assert small.accuracy(best, 4) == 0.6
    assert small.accuracy(best, 9) == 0.61
    assert small.accuracy(best) == pytest.approx(0.605)
    assert small.validation(best) == 0.6
    assert small.validation(best, 9, 0) == 0.6
    assert small.rank(best) == 1
    standing = small.standing(worst)
    assert (standing.of, standing.better_than) == (len(small), 0)
    assert standing.rank == len(small)
    assert standing.regret == pytest.approx(0.6)
    one = small.standing(best)
    assert (
        str(one)
        == f"rank 1 of {len(small)}: better than {100 - 100 / len(small):.1f} % of the cells"
    )
    assert small.accuracy(worst) <= small.accuracy(small.median) <= small.accuracy(best)


def test_cells_that_are_the_same_share_a_row(small):
    one = cell_of_choices(["nor_conv_3x3", "none", "none", "none", "nor_conv_3x3", "none"])
    other = cell_of_choices(["none", "nor_conv_3x3", "none", "none", "none", "nor_conv_3x3"])
    assert one != other
    assert small.row(one) == small.row(other)
    assert small.standing(one) == small.standing(other)


def test_where_the_present_alpha_stands(small):
    alphas = np.zeros((6, 2))
    alphas[:, 1] = 1
    assert small.standing_now({"cell": alphas}).rank == 1
    assert small.standing_now({"cell": -alphas}).rank == len(small)
    assert small.standing_now({"cell": -alphas}, "paper").rank == 1  # None never wins.


def test_neighbours_differ_on_one_edge(small):
    own = all_of("none")
    near = small.neighbours(own)
    assert len(set(near)) == 6
    assert all(cell["cell"].count("nor_conv_3x3") == 1 for cell in near)


def test_samples_are_uniform_and_repeat(small):
    drawn = small.sample(2000, seed=1)
    assert drawn == small.sample(2000, seed=1)
    share = np.mean([cell["cell"].count("none") for cell in drawn]) / 6
    assert share == pytest.approx(0.5, abs=0.02)
    assert {c["cell"].count("none") for c in small.sample(20, none=False)} == {0}


def test_a_frame_of_pandas(small):
    frame = small.frame()
    assert len(frame) == len(small)
    first = frame.iloc[0]
    assert first["accuracy"] == pytest.approx(0.605)
    assert first["accuracy 9"] == 0.61
    assert first["cell 1→3"] == "nor_conv_3x3"
    assert frame["accuracy"].is_monotonic_decreasing


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 5**6 - 1))
def test_numbers_and_cells_belong_together(number):
    space = bench_space()
    choices = cells_of(space)[number]
    genotype = genotype_of(space, choices)
    assert number_of(space, genotype) == number
    assert choices_of(space, genotype) == list(choices)
    assert genotype == cell_of_choices([PRIMITIVES[c] for c in choices])


def test_what_is_not_in_the_table_is_refused(small):
    for genotype in (PUBLISHED["darts-v2"], all_of("skip_connect")):
        with pytest.raises(TruthError, match="the table is of the space 'bench'"):
            small.rank(genotype)
    with pytest.raises(TruthError, match="no seed 5; the table has 4, 9"):
        small.accuracy(small.best, 5)
    with pytest.raises(TruthError, match="no epoch 3; the table has 0 to 2"):
        small.validation(small.best, epoch=3)
    missing = json.loads(small.best.to_json())
    missing["cells"][0]["nodes"][2].pop()
    with pytest.raises(TruthError, match="one operation on every edge"):
        small.rank(Genotype.from_json(json.dumps(missing)))


def test_a_space_that_chooses_edges_has_no_table():
    with pytest.raises(TruthError, match="do not keep all edges"):
        cells_of(cnn_space(nodes=2))


# ---- Beside others -------------------------------------------------------------------------------


def test_the_best_of_random_cells_is_the_mean_over_draws(small):
    """The exact expectation against 4,000 random searches."""
    generator = np.random.default_rng(0)
    cells = small.sample(8000, seed=3)
    rows = np.array([small.row(cell) for cell in cells]).reshape(-1, 4)
    validation = small.validation_right[rows, -1, 0] + generator.uniform(0, 0.1, rows.shape)
    drawn = small.accuracies[rows[np.arange(len(rows)), validation.argmax(axis=1)]]
    exact = best_of_random(small, 4, none=True)
    assert exact == pytest.approx(drawn.mean(), abs=4 * drawn.std() / len(drawn) ** 0.5)
    assert best_of_random(small, 1, none=True) == pytest.approx(
        small.accuracies[small.row_of].mean()
    )
    assert best_of_random(small, 4) == pytest.approx(small.accuracies.max())


def test_the_price_of_a_search_by_hand(small):
    """The supernet computes all primitives, 1,600 multiply-adds an image; a cell those it has."""
    mean = small.multiply_adds[small.row_of].mean()
    assert price(small, 1000, 500) == pytest.approx(1000 * 1600 / (500 * mean))


def test_a_found_cell_beside_the_others(small):
    found = judge(small, small.best, 4)
    assert found.found.rank == 1
    assert found.uniform == ("nor_conv_3x3", pytest.approx(0.605))
    assert len(found.random) == len(found.random_without_none) == 10
    assert set(found.random_without_none) == {found.best}


# ---- Files ---------------------------------------------------------------------------------------


def test_a_table_comes_back_from_its_file(small, tmp_path):
    path = tmp_path / "small.npz"
    small.save(path)
    again = Truth.load(path)
    assert again.about == small.about
    for name in ("choices", "row_of", "test_right", "validation_right", "latency"):
        np.testing.assert_array_equal(getattr(again, name), getattr(small, name))
    assert load_truth(str(path)).rank(small.best) == 1


def arrays_of(path):
    with np.load(path) as archive:
        return dict(archive)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a.pop("test_right"), "it lacks test_right"),
        (lambda a: a["test_right"].__setitem__((0, 0), 7), "checksum"),
        (lambda a: a.update(checksum=np.zeros(3, np.uint8)), "checksum"),
        (lambda a: a.update(latency=np.array([{"code": 1}], object)), "pickle|Object arrays"),
    ],
)
def test_a_table_that_was_changed_is_refused(small, tmp_path, change, said):
    path = tmp_path / "small.npz"
    small.save(path)
    arrays = arrays_of(path)
    change(arrays)
    np.savez(path, **arrays)
    with pytest.raises(TruthError, match=said):
        Truth.load(path)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_files_give_a_sentence(small, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "small.npz"
    small.save(path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    # A byte that nothing depends on, as the time of an entry, may change.
    with suppress(TruthError):
        assert Truth.load(path).rank(small.best) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"version": 2}, "version"),
        ({"format": "something"}, "format"),
        ({"space": bench_space().model_dump()}, "choices|every cell"),
        ({"space": cnn_space().model_dump()}, "space 'cnn', the settings of 'bench'"),
        (
            {"space": bench_space().model_dump() | {"primitives": ["none", "mystery"]}},
            "unknown primitives",
        ),
    ],
)
def test_another_version_or_space_is_refused(small, tmp_path, text, said):
    """Rewritten with a right checksum: it is what it says that is wrong."""
    about = json.loads(small.about.model_dump_json()) | text
    changed = small.about.model_construct(**small.about.__dict__)
    object.__setattr__(changed, "model_dump_json", lambda: json.dumps(about))
    path = tmp_path / "odd.npz"
    Truth(
        changed, **{k: v for k, v in small.__dict__.items() if k not in ("about", "accuracies")}
    ).save(path)
    with pytest.raises(TruthError, match=said):
        Truth.load(path)


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"test_size": 0}, "sizes are not two numbers"),
        ({"test_size": 20}, "61 right answers of 20 examples"),
        ({"training_loss": slice(0), "validation_right": slice(0)}, "0 epochs.*at least one"),
        ({"training_loss": slice(2)}, "2 epochs, validation_right 3"),
    ],
)
def test_numbers_that_do_not_belong_together_are_refused(small, tmp_path, odd, said):
    changed = {k: getattr(small, k)[:, v] if isinstance(v, slice) else v for k, v in odd.items()}
    replace(small, **changed).save(tmp_path / "odd.npz")
    with pytest.raises(TruthError, match=said):
        Truth.load(tmp_path / "odd.npz")


def test_a_file_that_changed_is_read_anew(small, tmp_path):
    path = tmp_path / "small.npz"
    small.save(path)
    assert load_truth(path).about.seeds == (4, 9)
    replace(small, about=small.about.model_copy(update={"seeds": (1, 2)})).save(path)
    assert load_truth(str(path)).about.seeds == (1, 2)
    assert load_truth("bench-digits") is load_truth("bench-digits")


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("cells")
    for name in ("text.npz", "absent.npz"):
        with pytest.raises(TruthError, match="no table"):
            load_truth(str(tmp_path / name))
    with pytest.raises(TruthError, match=re.escape(f"one of: {', '.join(truths())}")):
        load_truth("bench-letters")


# ---- The shipped one -----------------------------------------------------------------------------


def test_the_shipped_table_is_of_the_preset():
    truth = truth_of(load_preset("bench-classroom"))
    assert truth is not None
    assert truth is load_truth("bench-digits")
    assert (len(truth), len(truth.row_of)) == (5425, 15625)
    assert truth.about.seeds == (0, 1, 2)
    assert (truth.validation_size, truth.test_size) == (539, 719)
    rows, row_of = different(load_preset("bench-classroom"))
    np.testing.assert_array_equal(truth.choices, rows)
    np.testing.assert_array_equal(truth.row_of, row_of)


def test_the_shipped_table_tells_cells_apart():
    """Two seeds agree on the order, and cells differ by several times what seeds do."""
    from scipy.stats import spearmanr

    truth = load_truth("bench-digits")
    scores = truth.test_right / truth.test_size
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert spearmanr(scores[:, one], scores[:, other]).statistic > 0.9
    assert truth.accuracies.std() > 4 * np.sqrt(scores.var(axis=1, ddof=1).mean())


def test_other_data_or_networks_have_no_truth():
    for override in ("task.noise=0.4", "train.epochs=5", "train.channels=4"):
        assert truth_of(load_preset("bench-classroom", [override])) is None
    for override in ("search.epochs=9", "train.seeds=8", *SMALL):
        assert truth_of(load_preset("bench-classroom", [override])) is not None
    assert truth_of(load_preset("bench-paper")) is None
    assert truth_of(load_preset("classroom")) is None


def test_pictures_say_what_they_show(small):
    from dartsedu.stream.stream import Step

    alphas = [np.full((6, 2), x, np.float32) for x in (0, 1)]
    alphas[1][:, 0] = 0
    steps = [
        Step(index=i, epoch=0, loss={}, accuracy={}, learning_rate={}, alphas={"cell": a})
        for i, a in enumerate(alphas)
    ]
    picture = landscape_figure(small, steps)
    assert "rank 1 of" in picture.alt
    assert b"accuracy" in picture.render("svg")
    assert "the best of all cells has 0.60" in standing_figure(small, steps).alt


def test_a_picture_leaves_out_cells_that_are_in_no_table(small):
    """Where *none* wins, the rule ``threshold`` may leave an edge out."""
    from dartsedu.stream.stream import Step

    alphas = np.full((2, 6, 2), -9, np.float32)
    alphas[1, :, 1] = 9
    steps = [Step(i, 0, {}, {}, {}, {"cell": a}, {}) for i, a in enumerate(alphas)]
    assert "after each of 1 steps" in standing_figure(small, steps, "threshold").alt
    with pytest.raises(TruthError, match="none of the cells"):
        standing_figure(small, steps[:1], "threshold")


def test_what_the_docs_say_is_in_the_table_and_the_results():
    """Figures of docs/truth.md and of the README."""
    from scipy.stats import spearmanr

    root = Path(__file__).parents[2]
    docs, readme = ((root / name).read_text() for name in ("docs/truth.md", "README.md"))
    truth = load_truth("bench-digits")
    scores = truth.test_right / truth.test_size
    seeds = np.sqrt(scores.var(axis=1, ddof=1).mean())
    ranks = [spearmanr(scores[:, i], scores[:, j]).statistic for i, j in ((0, 1), (0, 2), (1, 2))]
    told = [
        f"from {truth.accuracies.min():.0%}".replace("%", " %"),
        f"to {100 * truth.accuracies.max():.1f} %",
        f"{truth.accuracies.std():.3f}",
        f"{seeds:.3f}",
        "correlation " + "{:.2f}, {:.2f} and {:.2f}".format(*ranks),
        f"all 3×3 convolutions have {100 * truth.accuracy(all_of('nor_conv_3x3')):.1f} %",
        f"can be expected to have {100 * best_of_random(truth, 10):.1f} %",
        f"best of 64 has {100 * best_of_random(truth, 64):.1f} %",
        f"has {100 * best_of_random(truth, 1, none=True):.0f} % on average",
    ]
    results = json.loads((root / "benchmarks/results/bench_search.json").read_text())
    found = results["search"]["after"][-1]["paper"]
    told.append(f"{100 * found['mean']:.1f} ± {100 * found['standard error']:.1f} %")
    told.append(f"as many multiply-adds as {results['search']['price in trainings']} trainings")
    told.append(f"ranks {min(found['ranks'])} to {max(found['ranks'])}")
    flat = " ".join(docs.split())
    assert [words for words in told if words not in flat] == []
    assert f"{100 * found['mean']:.1f} %" in readme
    assert found["median rank"] < len(truth) / 10
    random = results["others"]["random without none"]
    error = np.hypot(found["standard error"], random["standard error"])
    assert found["mean"] - random["mean"] > 4 * error
