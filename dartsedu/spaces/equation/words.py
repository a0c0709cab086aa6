"""The words of an equation's graph, and how they look: what a genotype file may say."""

from dartsedu.genotype import Vocabulary
from dartsedu.show.palette import Appearance, Look

CELL = "equation"
"""The name of the one cell, which has an input for each variable."""

CURVES = (
    "relu",
    "exp",
    "logistic",
    "sin",
    "cos",
    "tanh",
    "reciprocal",
    "ln",
    "softplus",
    "softminus",
)
"""Functions of an edge; each has a form ``linear_…`` as well."""

VOCABULARY = Vocabulary(
    cells=(CELL,),
    inputs=None,
    primitives=(
        "none",
        "add",
        "subtract",
        "mult",
        "linear",
        *CURVES,
        *(f"linear_{curve}" for curve in CURVES),
        "power",
    ),
    weightless=("add", "subtract", *CURVES),
    rule="argmax",  # An edge is left out by choosing none.
)


def state_names(inputs: int, nodes: int) -> list[str]:
    """Variables x_1, x_2, … and latent quantities u_1, u_2, …"""
    return [f"x_{i + 1}" for i in range(inputs)] + [f"u_{i + 1}" for i in range(nodes)]


APPEARANCE = Appearance(
    looks={
        "linear": Look("#c08a08"),
        "linear_exp": Look("#089aaa"),
        "linear_logistic": Look("#a90fe8"),
        "linear_reciprocal": Look("#4c7655", dashed=True),
        "ln": Look("#a3507a", dashed=True),
        "power": Look("#7b6c06", dashed=True),
    },
    states=state_names,
    output="y",
)
