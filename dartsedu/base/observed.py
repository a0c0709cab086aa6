"""What a search has to explain, where that is a few numbers that a picture can show."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from dartsedu.base.values import Value

MOST_ROWS = 300
"""Rows that a picture shows at most; more are thinned out."""

LONGEST = 200
"""Characters of a column's name; of a longer one, these are shown."""
_Text = Annotated[str, Field(max_length=LONGEST)]


class Observed(Value):
    """Rows of a table, in the units of the data, and where a supernet's predictions are drawn.

    With one variable predictions are a curve over ``at``; with more (``x`` and ``at`` are empty)
    there is one for each row.

    Attributes:
        variables: names of the columns that explain.
        target: name of the column to be explained.
        y: the target of each row.
        x: the variable of each row.
        at: values of the variable, ascending.
    """

    variables: tuple[_Text, ...] = Field(min_length=1, max_length=1000)
    target: _Text
    y: tuple[float, ...] = Field(min_length=1, max_length=MOST_ROWS)
    x: tuple[float, ...] = Field(default=(), max_length=MOST_ROWS)
    at: tuple[float, ...] = Field(default=(), max_length=MOST_ROWS)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        single = len(self.variables) == 1
        if len(self.x) != single * len(self.y) or bool(self.at) != single:
            raise ValueError(
                f"{len(self.variables)} variables, {len(self.y)} rows, {len(self.x)} values of x "
                f"and {len(self.at)} places of a curve do not belong together"
            )
        return self

    @property
    def points(self) -> int:
        """Predictions of one curve."""
        return len(self.at or self.y)
