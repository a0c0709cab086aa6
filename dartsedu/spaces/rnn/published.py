"""Published recurrent cells."""

from dartsedu.genotype import Genotype, compact

PUBLISHED: dict[str, Genotype] = {
    "enas": compact(
        "rnn",
        "mean",
        recurrent=(
            "tanh 0; tanh 1; relu 1; tanh 3; tanh 3; relu 3; relu 4; relu 7; relu 8; relu 8;relu 8",
            (2, 5, 6, 9, 10, 11),
        ),
    ),
    "darts-rnn-v1": compact(
        "rnn",
        "mean",
        recurrent=(
            "relu 0; relu 1; tanh 2; relu 3; relu 4; identity 1; relu 5; relu 1",
            tuple(range(1, 9)),
        ),
    ),
    "darts-rnn-v2": compact(
        "rnn",
        "mean",
        recurrent=(
            "sigmoid 0; relu 1; relu 1; identity 1; tanh 2; sigmoid 5; tanh 3; relu 5",
            tuple(range(1, 9)),
        ),
    ),
}
"""By name: ENAS, and DARTS on Penn Treebank, first (v1) and second order (v2)."""
