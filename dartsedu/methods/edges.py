"""What an edge of the supernet computes beside its mixture of primitives.

Not every space can: what a ``Space`` says in ``edges`` is what its supernet builds.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from dartsedu.base.values import Value
from dartsedu.methods.schedule import Progress, Schedule


class Edge(Value):
    """Base of the forms of an edge."""

    builds_skips: ClassVar[bool] = False
    """Whether the supernet has a skip connection beside every mixture."""

    def skip(self, progress: Progress) -> float:
        """The strength of that skip connection."""
        return 0.0


class PlainEdge(Edge):
    """The mixture alone."""

    kind: Literal["plain"] = "plain"


class AuxiliarySkip(Edge):
    """β(t) · skip(x) + mixture (DARTS-, Chu et al. 2021, eq. 5).

    The primitive *skip connection* stays a candidate; it need no longer win because it helps
    training. The auxiliary skip is no part of the genotype. β goes from 1 to 0, linearly as
    published; the last epoch still has 1 / epochs.
    """

    builds_skips: ClassVar[bool] = True
    kind: Literal["auxiliary-skip"] = "auxiliary-skip"
    strength: Schedule = Schedule(shape="linear", start=1.0, end=0.0)

    def skip(self, progress: Progress) -> float:
        return self.strength(progress)


EdgePiece = Annotated[PlainEdge | AuxiliarySkip, Field(discriminator="kind")]
