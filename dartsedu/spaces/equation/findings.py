"""What a search for equations found, beside what it has to be compared with."""

from __future__ import annotations

from math import isfinite, sqrt

import numpy as np
from pydantic import Field

from dartsedu.base.values import Measured, Value
from dartsedu.data.laws import LAWS
from dartsedu.data.tables import TableTask
from dartsedu.spaces.build import build_supernet
from dartsedu.spaces.equation.discovery import (
    Candidate,
    Discovery,
    Progress,
    conclude,
    random_alphas,
)
from dartsedu.spaces.equation.formulas import squared_error
from dartsedu.spaces.equation.settings import EquationSettings
from dartsedu.spaces.equation.supernet import EquationSupernet
from dartsedu.stream.stream import seed_of

DEGREE = 3
"""Of the polynomial that equations are compared with."""


class Found(Value):
    """A formula that explains the data.

    Attributes:
        formula: as SymPy writes it, constants rounded to their uncertainty.
        latex: the same for a page.
        complexity: constants, variables and functions in it.
        held_out_error: on the architecture split, with constants fitted to the weights split.
        test_error: on the test split, with constants fitted to all other rows.
        restarts: how many restarts came to it.

    Errors are root mean squares in standard deviations of the target, infinite where the formula
    has no value in some row.
    """

    formula: str
    latex: str
    complexity: int
    held_out_error: Measured
    test_error: Measured
    restarts: int


class Findings(Value):
    """Everything a report on an equation says.

    Attributes:
        found: the preferred formula, then those that explain the data almost as well or worse.
        errors: of every restart's refitted equation on the architecture split, ascending; one
            without a finite value there is left out.
        random_found: the preferred formula of as many random graphs, treated alike; ``None`` where
            none were asked for.
        random_errors: of these graphs, ascending.
        references: test errors of what is no search: the mean, linear and polynomial regression,
            and, of a law, the noise.
        truth: the law that the data were drawn from, if known.
        recovered: whether ``found`` is that law, see ``equation.recovery``.
        random_recovered: likewise of ``random_found``.
        predictions: of the preferred formula for the rows of each split, in the target's units; NaN
            where it has no value.
    """

    found: tuple[Found, ...] = Field(min_length=1)
    errors: tuple[float, ...]
    random_found: Found | None = None
    random_errors: tuple[float, ...] = ()
    references: dict[str, float]
    truth: str | None = None
    recovered: bool | None = None
    random_recovered: bool | None = None
    predictions: dict[str, tuple[Measured, ...]]


def _of_random(progress: Progress) -> Progress:
    return lambda what, done, total: progress(f"random graphs: {what}", done, total)


def find(
    supernet: EquationSupernet,
    task: TableTask,
    settings: EquationSettings,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Discovery, Findings]:
    """Refit and choose among a searched supernet's restarts; the same for random graphs.

    The test split is read here, once. The supernet's coefficients are moved. ``progress`` is told
    of every formula, those of random graphs after the others.
    """
    most = settings.train.formulas
    discovery = conclude(supernet, task, settings.search.derivation, seed, most, progress=progress)
    chance: Discovery | None = None
    if settings.train.random_restarts:
        more = settings.supernet.model_copy(update={"restarts": settings.train.random_restarts})
        start = settings.model_copy(update={"supernet": more})
        other = build_supernet(start, task, seed_of(seed, "random equations") % 2**31)
        assert isinstance(other, EquationSupernet)
        random_alphas(other, seed)
        chance = conclude(
            other, task, "max", seed, most, progress=progress and _of_random(progress)
        )
    law = LAWS.get(settings.task.name)
    noise = settings.task.noise

    def is_law(candidate: Candidate | None) -> bool | None:
        if law is None or candidate is None:
            return None
        from dartsedu.spaces.equation.recovery import recovered

        return recovered(candidate.formula.expression, law, noise).recovered

    best = chance.candidates[0] if chance else None
    return discovery, Findings(
        found=tuple(_found(candidate, task) for candidate in discovery.candidates),
        errors=_errors(discovery),
        random_found=None if best is None else _found(best, task),
        random_errors=_errors(chance) if chance else (),
        references=_references(task) | ({"noise": noise / sqrt(1 + noise**2)} if law else {}),
        truth=str(law.expression) if law else None,
        recovered=is_law(discovery.candidates[0]),
        random_recovered=is_law(best),
        predictions={
            name: tuple(discovery.formula.predict(task.table(split).inputs).tolist())
            for name, split in task.parts().items()
        },
    )


def _errors(discovery: Discovery) -> tuple[float, ...]:
    return tuple(sqrt(r.error) for r in discovery.restarts if isfinite(r.error))


def _found(candidate: Candidate, task: TableTask) -> Found:
    scale = task.scaling.scale[0]
    formula = candidate.formula
    return Found(
        formula=str(formula),
        latex=formula.latex(),
        complexity=formula.complexity,
        held_out_error=sqrt(candidate.error) / scale,
        test_error=sqrt(squared_error(formula, task.table(task.test))[0]) / scale,
        restarts=len(candidate.restarts),
    )


def _references(task: TableTask) -> dict[str, float]:
    """Test errors of regressions fitted to all rows but those of the test split."""
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures

    train, test = task.table(task.training), task.table(task.test)
    errors = {"mean": test.targets - train.targets.mean()}
    for name, degree in (("linear", 1), ("polynomial", DEGREE)):
        model = make_pipeline(PolynomialFeatures(degree), LinearRegression())
        model.fit(train.inputs, train.targets)
        errors[name] = test.targets - model.predict(test.inputs)
    scale = task.scaling.scale[0]
    return {name: float(np.sqrt(np.square(e).mean())) / scale for name, e in errors.items()}
