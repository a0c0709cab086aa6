"""Settings of a graph of functions that explains a table."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from dartsedu.base.values import Value
from dartsedu.base.yardstick import ERROR
from dartsedu.data.tables import TableSettings
from dartsedu.settings import MOST, MOST_NODES, SearchSettings, Settings


class EquationSupernetSettings(Value):
    """The relaxed graph of functions, many times."""

    nodes: int = Field(2, ge=1, le=MOST_NODES, description="latent nodes of the graph")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: equation.PRIMITIVES"
    )
    restarts: int = Field(128, ge=1, le=MOST, description="searches side by side")
    relaxation: Literal["softmax", "sigmoid"] = "softmax"
    complexity: float = Field(1e-3, ge=0, description="penalty of a coefficient in the mixture")
    alpha_scale: float = Field(
        1e-3, ge=0, le=100, description="α start at this times normal numbers"
    )


class EquationSearchSettings(SearchSettings):
    """The bilevel loop over a table."""

    rule: str = Field("argmax", description="derivation rule: argmax, where none may win")
    derivation: Literal["max", "sample"] = Field(
        "max", description="the largest α of an edge, or a draw by its weight"
    )

    @field_validator("rule")
    @classmethod
    def _keeps_what_is_not_none(cls, rule: str) -> str:
        if rule != "argmax":
            raise ValueError("an equation leaves edges out by choosing none; expected argmax")
        return rule


class EquationTrainSettings(Value):
    """What follows a search for equations: its restarts are refitted and compared."""

    random_restarts: int = Field(
        128, ge=0, le=MOST, description="random graphs refitted beside those that were found"
    )
    formulas: int = Field(8, ge=1, le=MOST, description="equations written as formulas, at most")


class EquationSettings(Settings):
    """A graph of functions that explains a table."""

    yardstick = ERROR
    space: Literal["equation"] = "equation"
    task: TableSettings = TableSettings()
    supernet: EquationSupernetSettings = EquationSupernetSettings()
    search: EquationSearchSettings = EquationSearchSettings()
    train: EquationTrainSettings = EquationTrainSettings()
