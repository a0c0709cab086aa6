"""A method: which variant of DARTS a search is, as a choice for each factor."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from dartsedu.base.values import Value
from dartsedu.methods.blends import BlendPiece, Same
from dartsedu.methods.draws import Plain, RelaxationPiece
from dartsedu.methods.edges import EdgePiece, PlainEdge
from dartsedu.methods.penalties import NoPenalty, PenaltyPiece
from dartsedu.methods.schedule import MOST_EPOCHS
from dartsedu.methods.stops import NoStop, StopPiece


class Gate(Value):
    """When α moves. In the other steps its loss is looked at, and w moves alone."""

    from_epoch: int = Field(0, ge=0, le=MOST_EPOCHS, description="first epoch in which α moves")
    every: int = Field(1, ge=1, le=MOST_EPOCHS, description="of so many steps α moves in one")

    def opens(self, epoch: int, step: int) -> bool:
        """Whether α moves in a step."""
        return epoch >= self.from_epoch and step % self.every == 0


class Method(Value):
    """One choice for each factor; the defaults are DARTS.

    With ``level`` single, α and w descend the loss of the same batch, of the ``weights`` split,
    from the same point; the architecture batch is then looked at only.
    """

    level: Literal["bilevel", "single"] = Field(
        "bilevel", description="single: α and w descend the same training loss together"
    )
    relaxation: RelaxationPiece = Plain()
    edge: EdgePiece = PlainEdge()
    penalty: PenaltyPiece = NoPenalty()
    blend: BlendPiece = Same()
    gate: Gate = Gate()
    stop: StopPiece = NoStop()
