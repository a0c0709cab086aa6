"""The words of the recurrent cell, and how they look: what a genotype file may say."""

from dartsedu.base.official_genotype import Official
from dartsedu.genotype import Vocabulary
from dartsedu.show.palette import Appearance, Look

CELL = "recurrent"
"""The name of the one cell."""

VOCABULARY = Vocabulary(
    cells=(CELL,),
    inputs=1,
    primitives=("none", "tanh", "relu", "sigmoid", "identity"),
    passing="identity",
    weightless=("tanh", "relu", "sigmoid", "identity"),  # A node has weights, not an edge.
)


def state_names(inputs: int, nodes: int) -> list[str]:
    """State 0 is made of x_t and h_{t-1}; the nodes are 1, 2, …"""
    return ["x_t, h_{t-1}", *(str(i) for i in range(1, nodes + 1))]


APPEARANCE = Appearance(
    looks={
        "tanh": Look("#c08a08", dashed=True),
        "relu": Look("#a90fe8"),
        "sigmoid": Look("#089aaa"),
        "identity": Look("#4c7655", dashed=True),
    },
    states=state_names,
    output="hₜ",
)

OFFICIAL = Official("rnn", inputs=1, keep=1, combine="mean", cells={CELL: (CELL, "concat")})
