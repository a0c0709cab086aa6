"""The words of the benchmark's cell, and how they look: what a genotype file may say."""

from dartsedu.genotype import Vocabulary
from dartsedu.show.palette import Appearance, Look

CELL = "cell"
"""The name of the one cell."""
NODES = 3

VOCABULARY = Vocabulary(
    cells=(CELL,),
    inputs=1,
    primitives=("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"),
    rule="argmax",
    passing="skip_connect",
)
"""In the order of NAS-Bench-201."""


def state_names(inputs: int, nodes: int) -> list[str]:
    """State 0 comes in; the nodes are 1, 2 and 3, the last of which goes out."""
    return [str(i) for i in range(inputs + nodes)]


APPEARANCE = Appearance(
    looks={
        "skip_connect": Look("#4c7655", dashed=True),
        "nor_conv_1x1": Look("#7b6c06", dashed=True, name="conv 1×1"),
        "nor_conv_3x3": Look("#a90fe8", name="conv 3×3"),
        "avg_pool_3x3": Look("#089aaa"),
    },
    states=state_names,
    output="out",
)
