"""Published convolutional cells."""

from dartsedu.genotype import Genotype, compact
from dartsedu.spaces.cnn.variants import VARIANTS

PUBLISHED: dict[str, Genotype] = {
    "nasnet": compact(
        "cnn",
        "concat",
        normal=(
            "sep_conv_5x5 1, sep_conv_3x3 0; sep_conv_5x5 0, sep_conv_3x3 0;"
            "avg_pool_3x3 1, skip_connect 0; avg_pool_3x3 0, avg_pool_3x3 0;"
            "sep_conv_3x3 1, skip_connect 1",
            (2, 3, 4, 5, 6),
        ),
        reduce=(
            "sep_conv_5x5 1, sep_conv_7x7 0; max_pool_3x3 1, sep_conv_7x7 0;"
            "avg_pool_3x3 1, sep_conv_5x5 0; skip_connect 3, avg_pool_3x3 2;"
            "sep_conv_3x3 2, max_pool_3x3 1",
            (4, 5, 6),
        ),
    ),
    "amoebanet": compact(
        "cnn",
        "concat",
        normal=(
            "avg_pool_3x3 0, max_pool_3x3 1; sep_conv_3x3 0, sep_conv_5x5 2;"
            "sep_conv_3x3 0, avg_pool_3x3 3; sep_conv_3x3 1, skip_connect 1;"
            "skip_connect 0, avg_pool_3x3 1",
            (4, 5, 6),
        ),
        reduce=(
            "avg_pool_3x3 0, sep_conv_3x3 1; max_pool_3x3 0, sep_conv_7x7 2;"
            "sep_conv_7x7 0, avg_pool_3x3 1; max_pool_3x3 0, max_pool_3x3 1;"
            "conv_7x1_1x7 0, sep_conv_3x3 5",
            (3, 4, 6),
        ),
    ),
    "darts-v1": compact(
        "cnn",
        "concat",
        normal=(
            "sep_conv_3x3 1, sep_conv_3x3 0; skip_connect 0, sep_conv_3x3 1;"
            "skip_connect 0, sep_conv_3x3 1; sep_conv_3x3 0, skip_connect 2",
            (2, 3, 4, 5),
        ),
        reduce=(
            "max_pool_3x3 0, max_pool_3x3 1; skip_connect 2, max_pool_3x3 0;"
            "max_pool_3x3 0, skip_connect 2; skip_connect 2, avg_pool_3x3 0",
            (2, 3, 4, 5),
        ),
    ),
    "darts-v2": compact(
        "cnn",
        "concat",
        normal=(
            "sep_conv_3x3 0, sep_conv_3x3 1; sep_conv_3x3 0, sep_conv_3x3 1;"
            "sep_conv_3x3 1, skip_connect 0; skip_connect 0, dil_conv_3x3 2",
            (2, 3, 4, 5),
        ),
        reduce=(
            "max_pool_3x3 0, max_pool_3x3 1; skip_connect 2, max_pool_3x3 1;"
            "max_pool_3x3 0, skip_connect 2; skip_connect 2, max_pool_3x3 1",
            (2, 3, 4, 5),
        ),
    ),
    **VARIANTS,
}
"""By name: NASNet-A, AmoebaNet-A, DARTS first (v1) and second order (v2), and ``VARIANTS``."""
