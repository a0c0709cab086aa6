"""The words of convolutional cells, and how they look: what a genotype file may say."""

from dartsedu.base.official_genotype import Official
from dartsedu.genotype import Vocabulary
from dartsedu.show.palette import Appearance, Look

VOCABULARY = Vocabulary(
    cells=("normal", "reduce"),
    inputs=2,
    primitives=(
        "none",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
        "sep_conv_7x7",
        "conv_7x1_1x7",
    ),
    passing="skip_connect",
    weightless=("max_pool_3x3", "avg_pool_3x3", "skip_connect"),
)
"""The paper's primitives come first; NASNet and AmoebaNet need the last two."""

APPEARANCE = Appearance(
    looks={
        "max_pool_3x3": Look("#c08a08", dashed=True),
        "avg_pool_3x3": Look("#089aaa"),
        "skip_connect": Look("#4c7655", dashed=True),
        "sep_conv_3x3": Look("#a90fe8"),
        "sep_conv_5x5": Look("#bc72ff", dashed=True),
        "dil_conv_3x3": Look("#a3507a"),
        "dil_conv_5x5": Look("#7b6c06", dashed=True),
    }
)

OFFICIAL = Official(
    "cnn",
    inputs=2,
    keep=2,
    combine="concat",
    cells={"normal": ("normal", "normal_concat"), "reduce": ("reduce", "reduce_concat")},
)
