"""The benchmarks still run: their smallest pieces, once. What they measure is theirs."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import bench_search
import search_step
import second_order


@pytest.mark.parametrize("architect", search_step.ARCHITECTS)
def test_published_and_own_steps_of_the_classrooms_shape(architect):
    shape = dict(search_step.SHAPES["classroom"], batch=4)
    search_step.make_published(shape, architect)()
    for fast in (False, True):
        search_step.make_step(shape, architect, fast)()


def test_the_second_order_study(monkeypatch):
    monkeypatch.setattr(second_order, "SCALES", second_order.SCALES[:3])
    monkeypatch.setattr(second_order, "NETWORKS", ("smooth",))
    rows = second_order.along_searches(1, (0,), 2)
    searches = second_order.whole_searches(1, 1)
    found = second_order.summary({"rows": rows, "searches": searches})
    # What the study finds: without kinks the difference is the derivative.
    error, _, _ = found["gradients"]["smooth, 0 steps"]["finite difference, whole: error"]
    assert error < 1e-3


def test_searching_where_every_cell_is_known():
    found = bench_search.searched(range(2), 1)
    assert [row["steps"] for row in found["after"]] == [16]
    assert len(found["after"][0]["argmax"]["ranks"]) == 2
    assert bench_search.others(4.0)["cells"] == 5425
    assert set(bench_search.paired(range(2), 1, 1)) == {"fast", "plain"}
