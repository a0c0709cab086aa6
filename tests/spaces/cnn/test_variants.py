"""Published cells of variants: their sizes in parameters, counted apart from this package."""

import pytest
import torch

from dartsedu.presets import PRESETS
from dartsedu.published import PUBLISHED
from dartsedu.spaces.cnn import CNNNetwork
from dartsedu.spaces.cnn.variants import VARIANTS

SIZES = {
    "pc-darts-cifar10": (3_634_678, 5_270_560),
    "pc-darts-imagenet": (3_721_510, 5_342_464),
    "p-darts-cifar10": (3_433_798, 4_944_352),
    "fair-darts-a": (2_360_782, 3_472_000),
    "fair-darts-b": (3_407_878, 4_865_248),
    "fair-darts-c": (2_598_814, 3_859_264),
    "fair-darts-d": (3_365_542, 4_785_760),
    "fair-darts-e": (2_643_742, 3_773_824),
    "fair-darts-f": (3_151_054, 4_542_112),
    "gdas-v1": (3_368_782, 4_969_216),
    "snas-mild": (2_661_382, 3_939_328),
    "mdenas": (3_783_286, 5_325_760),
    "enas-cnn": (4_020_166, 5_908_768),
    "sgas-1-1": (3_750_238, 5_247_040),
    "sgas-1-3": (3_795_166, 5_285_440),
    "sgas-2-3": (4_094_110, 5_697_664),
    "sgas-2-4": (3_909_430, 5_438_464),
    "drnas-cifar10": (4_099_294, 5_738_464),
    "drnas-imagenet": (4_048_750, 5_726_368),
    "darts-pt-0": (2_851_246, 4_228_576),
    "darts-pt-1": (3_053_206, 4_510_816),
    "darts-pt-3": (3_328_174, 4_779_712),
    "darts-pt-blank": (3_039_598, 4_448_128),
    "sdarts-rs-cifar10": (3_606_166, 5_120_320),
    "sdarts-adv-cifar10": (3_344_806, 4_768_864),
    "lambda-darts-0": (3_320_614, 4_792_768),
    "oles-cifar10": (4_222_414, 5_736_544),
    "oles-cifar100": (2_587_942, 3_874_528),
}
"""Of 20 cells of width 36 for 10 classes, and of 14 of width 48 for ImageNet: sums over the layers
by hand, which agree with what authors publish (FairDARTS count their auxiliary head, too)."""


def test_every_variant_is_published_and_has_a_size():
    assert VARIANTS.keys() == SIZES.keys()
    assert VARIANTS.items() <= PUBLISHED.items()
    assert not PUBLISHED.keys() & set(PRESETS)  # "dartsedu show" takes either.


@pytest.mark.parametrize("name", VARIANTS)
def test_networks_of_variants_have_the_published_sizes(name):
    with torch.device("meta"):
        cifar = CNNNetwork(PUBLISHED[name], channels=36, cells=20)
        imagenet = CNNNetwork(
            PUBLISHED[name],
            image_shape=(3, 224, 224),
            classes=1000,
            channels=48,
            cells=14,
            stem="imagenet",
        )
    assert (cifar.size, imagenet.size) == SIZES[name]


def test_a_node_without_an_edge_is_no_output_and_the_network_runs():
    cell = PUBLISHED["fair-darts-a"]["normal"]
    assert cell.outputs == (2, 4, 5)
    assert cell.keep is None
    network = CNNNetwork(PUBLISHED["fair-darts-a"], channels=4, cells=3)
    assert network(torch.randn(2, 3, 8, 8)).shape == (2, 10)
