"""Tables of numbers: splits, units, CSV files, and the tasks made of them."""

import re

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dartsedu.data.laws import LAWS
from dartsedu.data.splits import TaskError
from dartsedu.data.table import TableSplit, read_csv, units
from dartsedu.data.tables import SETS, TableTask, table_task
from dartsedu.data.tasks import load_task

X = np.random.default_rng(0).uniform(1, 9, (50, 2))
Y = X[:, 0] * X[:, 1]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_a_csv_file_is_read_by_the_names_in_its_first_line(tmp_path):
    file = write(tmp_path / "d.csv", "\ufeffa, b,y\n1,2,3\n\n4,5e-1, -6\n")
    inputs, targets, names = read_csv(file, "y")
    assert names == ("a", "b")
    np.testing.assert_array_equal(inputs, [[1, 2], [4, 0.5]])
    np.testing.assert_array_equal(targets, [3, -6])
    inputs, targets, names = read_csv(file, "a", ["y"])
    assert names == ("y",)
    np.testing.assert_array_equal(inputs, [[3], [-6]])


@pytest.mark.parametrize(
    ("text", "target", "variables", "words"),
    [
        ("", "y", None, "is empty"),
        ("a,y\n1,2\n", "z", None, "no column 'z'; it has: a, y"),
        ("a,y\n1,2\n", "y", ["b"], "no column 'b'"),
        ("a,y\n1,2\n", "y", ["y"], "cannot be one of its variables"),
        ("y\n1\n", "y", None, "no column besides 'y'"),
        ("a,a,y\n1,2,3\n", "y", None, "more than one column 'a'"),
        ("a,y\n1,2\n3,tall\n", "y", None, "line 3 .* column 'y': 'tall' is not a finite number"),
        ("a,y\n1,2\n,4\n", "y", None, "line 3 .* column 'a': '' is not a finite number"),
        ("a,y\n1,nan\n", "y", None, "line 2 .* 'nan' is not a finite number"),
        ("a,y\n1,2,3\n", "y", None, "line 2 .* 3 cells; expected 2"),
    ],
)
def test_a_csv_file_that_cannot_be_used_says_where(tmp_path, text, target, variables, words):
    with pytest.raises(TaskError, match=words):
        read_csv(write(tmp_path / "d.csv", text), target, variables)


def test_a_csv_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(TaskError, match="cannot read a table"):
        read_csv(tmp_path / "none.csv", "y")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskError, match="cannot read a table"):
        read_csv(tmp_path / "binary.csv", "y")


def test_splits_are_disjoint_and_together_everything():
    task = table_task(X, Y, split_seed=3)
    rows = np.concatenate([task.table(split).inputs for split in task.parts().values()])
    assert [len(split) for split in task.parts().values()] == [20, 15, 15]
    np.testing.assert_allclose(np.sort(rows, axis=0), np.sort(X, axis=0), rtol=1e-12)
    assert len(task.training) == 35
    assert not np.array_equal(table_task(X, Y, split_seed=4).weights.inputs, task.weights.inputs)


def test_units_come_from_the_training_rows_and_can_be_undone():
    task = table_task(X, Y)
    assert torch.allclose(task.training.targets.mean(), torch.tensor(0.0).double(), atol=1e-12)
    assert torch.allclose(task.training.inputs.square().mean(0), torch.ones(2).double(), atol=1e-12)
    table = task.table(task.test)
    np.testing.assert_allclose(table.targets, table.inputs.prod(axis=1), rtol=1e-12)
    plain = table_task(X, Y, scale_inputs=False, scale_targets=False)
    assert plain.scaling == ((1.0, 1.0), (0.0,), (1.0,))


def test_a_constant_column_is_left_as_it_is():
    split = TableSplit(torch.zeros(4, 1).double(), torch.full((4, 1), 2.0).double())
    assert units(split) == ((1.0,), (2.0,), (1.0,))


def test_full_batches_are_all_rows_and_smaller_ones_are_permutations():
    split = table_task(X, Y).weights
    assert split.passes(64, 0, 3) == [1, 1, 1]
    assert len(next(split.training(64, seed=0)).inputs) == 20
    batches = split.training(5, seed=0)
    seen = torch.cat([next(batches).targets for _ in range(4)])
    assert torch.equal(seen.sort(0).values, split.targets.sort(0).values)
    assert torch.equal(next(split.training(5, seed=0, start=2)).targets, seen[10:15])


@pytest.mark.parametrize(
    ("inputs", "targets", "words"),
    [
        (X[:10], Y[:10], "10 rows; expected at least 20"),
        (np.where(X > 8, np.nan, X), Y, "not finite"),
    ],
)
def test_a_table_that_cannot_be_used(inputs, targets, words):
    with pytest.raises(TaskError, match=words):
        table_task(inputs, targets)


def test_every_law_is_a_task():
    assert (*LAWS, "csv") == tuple(SETS)
    for name, law in LAWS.items():
        task = load_task(name, rows=50, noise=0.0)
        assert isinstance(task, TableTask)
        assert task.variables == tuple(law.variables)
        table = task.table(task.weights)
        np.testing.assert_allclose(table.targets, law.function(table.inputs), rtol=1e-9)


def test_csv_needs_a_file_and_a_column():
    with pytest.raises(TaskError, match="--data FILE --target NAME"):
        load_task("csv")


def test_a_table_without_rows_is_refused():
    with pytest.raises(TaskError, match="0 rows; expected at least 20"):
        table_task(np.empty((0, 2)), np.empty(0))


@pytest.mark.parametrize(("x", "y"), [(X[:, 0], Y), (X, Y[:-1]), (X, np.zeros((50, 2, 2)))])
def test_arrays_that_are_no_table_are_refused(x, y):
    with pytest.raises(TaskError, match="are no table"):
        table_task(x, y)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    exponents=st.tuples(st.integers(-320, 300), st.integers(-320, 300)),
    outlier=st.none() | st.tuples(st.integers(0, 49), st.integers(0, 1), st.integers(0, 305)),
    scaled=st.booleans(),
)
@example(exponents=(0, 0), outlier=(3, 1, 300), scaled=True)
@example(exponents=(160, 160), outlier=None, scaled=True)
@example(exponents=(-170, 0), outlier=None, scaled=True)
def test_what_a_search_cannot_hold_is_refused(exponents, outlier, scaled):
    rows = np.column_stack([X[:, 0], Y])
    with np.errstate(over="ignore", under="ignore"):
        rows = rows * [float(f"1e{exponent}") for exponent in exponents]
    if outlier is not None:
        row, column, exponent = outlier
        rows[row, column] = float(f"1e{exponent}")
    refused = None
    try:
        task = table_task(rows[:, :1], rows[:, 1], scale_inputs=scaled)
    except TaskError as error:
        refused = str(error)
    if refused:
        assert re.search(r"column '(x1|y)', row \d+: |not finite", refused)
        return
    for split in (*task.parts().values(), task.training):
        for values in (split.inputs, split.targets):
            assert values.float().square().isfinite().all()
    restored = task.table(task.weights)
    assert np.isfinite(restored.inputs**3).all()
    assert np.isfinite(restored.targets**3).all()
    for scale in (*task.scaling.inputs[: int(scaled)], *task.scaling.scale):
        assert scale != 1.0


@settings(derandomize=True, deadline=None, max_examples=50)
@given(value=st.floats(-1e50, 1e50), rows=st.integers(20, 60))
def test_equal_targets_have_no_spread(value, rows):
    assume(value == 0 or abs(value) > 1e-50)
    assume(abs(value) < 1e18)
    task = table_task(X[:20].repeat(3, 0)[:rows], np.full(rows, value))
    assert task.scaling.scale == (1.0,)


@pytest.mark.parametrize(
    ("noise", "words"),
    [
        (-1.0, "greater than or equal to 0"),
        (1e300, "less than or equal to 1000"),
        (float("nan"), "a finite number"),
        (float("inf"), "a finite number"),
    ],
)
@pytest.mark.parametrize("name", ["weber-fechner", "digits"])
def test_a_noise_out_of_range_is_refused(name, noise, words):
    with pytest.raises(TaskError, match=rf"task '{name}'\.noise: .*{words}"):
        load_task(name, noise=noise)
