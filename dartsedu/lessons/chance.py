"""Lesson 07: restarts of a search beside as many random graphs, on many data sets; a record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Literal, Self

import numpy as np

from dartsedu.base.values import Measured, Value
from dartsedu.data.tables import TableTask
from dartsedu.data.tasks import load_task
from dartsedu.lessons.equations import equation_search
from dartsedu.lessons.panel import BLUE, INK, SOFT, Dots, Line, Mark, Panel, Scene, draw
from dartsedu.show.picture import Picture
from dartsedu.spaces.equation import EquationSupernet, random_alphas
from dartsedu.spaces.equation.discovery import equations

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
    """

    errors: tuple[Measured, ...]

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
        restarts = equations(supernet, supernet.genotypes(), task)
        sides.append(Side(errors=tuple(round(r.error**0.5, 5) for r in restarts)))
    return Trial(law=law, seed=seed, search=sides[0], chance=sides[1])


def picture(record: Record) -> Picture:
    """By how much the search's error is the lesser, on every data set, by two measures."""
    marks: list[Mark] = []
    words = []
    measures: Sequence[tuple[Literal["median", "best"], str, str]] = (
        ("median", "a typical restart", SOFT),
        ("best", "the best of 64", BLUE),
    )
    count = len(record.trials)
    numbers = np.arange(1, count + 1)
    reach = 0.0
    for shift, (what, name, ink) in zip((-0.15, 0.15), measures, strict=True):
        sides = np.array([[getattr(s, what) for s in (t.search, t.chance)] for t in record.trials])
        leads = 100 * np.log(sides[:, 1] / sides[:, 0])
        reach = max(reach, 1.1 * float(np.abs(leads).max()))
        marks.append(Dots(numbers + shift, leads, ink, name))
        words.append(f"{name} has the lesser error in {record.wins(what)}")
    marks.insert(0, Line([0, count + 1], [0, 0], INK, style="--"))
    ends = (0.0, count + 1.0), (-reach, reach)
    panel = Panel("above the line: the search is ahead", marks, "data set", "lead in %", *ends)
    text = f"Of {count} data sets, the search is ahead thus: {'; '.join(words)}."
    return draw(Scene([panel], text))
