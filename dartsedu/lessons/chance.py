"""Lesson 07: restarts of a search beside as many random graphs, on many data sets; a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal, Self

from dartsedu.base.values import Measured, Value
from dartsedu.data.laws import LAWS
from dartsedu.data.tables import TableTask
from dartsedu.data.tasks import load_task
from dartsedu.lessons.equations import equation_search
from dartsedu.lessons.panel import BLUE, RED, Bars, Panel, Scene, draw
from dartsedu.show.picture import Picture
from dartsedu.spaces.equation import EquationSupernet, conclude, random_alphas
from dartsedu.spaces.equation.recovery import recovered

RECORD = Path(__file__).parent / "recordings" / "chance.json"
"""What ``notebooks/source/record_chance.py`` measured."""
ROWS, NOISE = 200, 0.1


def random_graphs(task: TableTask, seed: int = 0) -> EquationSupernet:
    """A supernet as ``equation_search`` has it, with random α: 64 graphs that nobody searched."""
    supernet = equation_search(task, seed).supernet
    assert isinstance(supernet, EquationSupernet)
    random_alphas(supernet, seed=seed)
    return supernet


class Side(Value):
    """What 64 restarts came to, found or drawn.

    Attributes:
        errors: of every restart on the architecture split, root mean squares in deviations of the
            target, least first.
        law: whether the preferred formula has the law's form.
    """

    errors: tuple[Measured, ...]
    law: bool

    @property
    def median(self) -> float:
        """The error of a typical restart."""
        return median(self.errors)

    @property
    def best(self) -> float:
        """The least error."""
        return self.errors[0]


class Trial(Value):
    """A search and random graphs on the same rows of a law."""

    law: str
    seed: int
    search: Side
    chance: Side


class Record(Value):
    """Trials on the laws of one variable."""

    format: Literal["dartsedu chance"] = "dartsedu chance"
    versions: Mapping[str, str]
    trials: tuple[Trial, ...]

    @classmethod
    def load(cls, path: Path = RECORD) -> Self:
        """Read a record; the shipped one by default."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def wins(self, what: Literal["median", "best"]) -> int:
        """In how many trials the search's error is the lesser."""
        return sum(getattr(t.search, what) < getattr(t.chance, what) for t in self.trials)

    def laws(self, side: Literal["search", "chance"]) -> int:
        """In how many trials the preferred formula has the law's form."""
        return sum(getattr(t, side).law for t in self.trials)


def measure(law: str, seed: int) -> Trial:
    """Search, and draw as many graphs, on ``ROWS`` rows of a law with noise."""
    task = load_task(law, noise=NOISE, rows=ROWS, split_seed=seed)
    assert isinstance(task, TableTask)
    search = equation_search(task, seed)
    for _ in search:
        pass
    sides = []
    for supernet in (search.supernet, random_graphs(task, seed)):
        assert isinstance(supernet, EquationSupernet)
        found = conclude(supernet, task)
        errors = tuple(round(restart.error**0.5, 5) for restart in found.restarts)
        form = recovered(found.formula.expression, LAWS[law], NOISE).equivalent
        sides.append(Side(errors=errors, law=form))
    return Trial(law=law, seed=seed, search=sides[0], chance=sides[1])


def picture(record: Record) -> Picture:
    """In how many trials the search is ahead, by three measures."""
    count = len(record.trials)
    names = ("a typical restart", "the best of 64")
    measures: Sequence[Literal["median", "best"]] = ("median", "best")
    wins = [record.wins(what) for what in measures]
    ahead = Bars(
        [f"{n}: {side}" for n in names for side in ("search", "chance")],
        [value / count for won in wins for value in (won, count - won)],
        [BLUE, RED] * 2,
    )
    laws = [record.laws("search"), record.laws("chance")]
    form = Bars(["search", "chance"], [n / count for n in laws], [BLUE, RED])
    panels = [
        Panel("who has the lesser error", [ahead], "share of data sets", xlim=(0, 1.2)),
        Panel("who finds the law's form", [form], "share of data sets", xlim=(0, 1.2)),
    ]
    text = (
        f"Of {count} data sets, a typical restart of the search has the lesser error in {wins[0]}, "
        f"its best of 64 in {wins[1]}. The preferred formula has the law's form in {laws[0]} "
        f"(search) and {laws[1]} (random graphs)."
    )
    return draw(Scene(panels, text))
