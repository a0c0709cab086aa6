"""Published cells of variants of DARTS, as their authors' repositories hold them.

A node without an edge (FairDARTS) has the primitive *none* here, and is no output of its cell.
"""

from dartsedu.genotype import Genotype, compact

_CODES = {
    "n": "none",
    "M": "max_pool_3x3",
    "A": "avg_pool_3x3",
    "S": "skip_connect",
    "s3": "sep_conv_3x3",
    "s5": "sep_conv_5x5",
    "d3": "dil_conv_3x3",
    "d5": "dil_conv_5x5",
}
_CELLS = {
    "pc-darts-cifar10": (
        "s3 1, S 0; s3 0, d3 1; s5 0, s3 1; A 0, d3 1",
        "s5 1, M 0; s5 1, s5 2; s3 0, s3 3; s3 1, s3 2",
    ),
    "pc-darts-imagenet": (
        "S 1, s3 0; s3 0, S 1; s3 1, s3 3; s3 1, d5 4",
        "s3 0, S 1; d5 2, M 1; s3 2, s3 1; s5 0, s3 3",
    ),
    "p-darts-cifar10": (
        "S 0, d3 1; S 0, s3 1; s3 1, s3 3; s3 0, d5 4",
        "A 0, s5 1; s3 0, d5 2; M 0, d3 1; d3 1, d5 3",
    ),
    "fair-darts-a": (
        "s3 0, s5 1; n 0; M 0; s3 0",
        "M 0, A 1; A 0, d5 1; A 0, s5 1; S 0, S 1",
    ),
    "fair-darts-b": (
        "s3 0, s3 1; s3 1; d3 0, s5 1; d5 1",
        "S 0, d3 1; S 0, d3 1; M 0, s3 1; S 2, M 0",
    ),
    "fair-darts-c": (
        "M 0, s5 1; n 0; d3 0, d5 2; s3 0",
        "d3 1, d5 0; d3 0, s3 1; s5 0, s5 3; s5 0, S 1",
    ),
    "fair-darts-d": (
        "s3 0, s5 1; d3 1, M 0; d3 0, d3 1; s3 0, d5 1",
        "M 0, s5 1; A 0, d5 2; d3 3, A 0; A 0, S 3",
    ),
    "fair-darts-e": (
        "s3 0, s3 1; n 0; d3 1, d3 2; d3 0, d5 1",
        "M 1, M 0; M 1, M 0; s5 1, M 0; A 0, d5 1",
    ),
    "fair-darts-f": (
        "M 0, s3 1; d3 1; s5 1; s3 0, s3 1",
        "M 0, M 1; M 0, d3 1; d3 2, M 0; M 0, s3 1",
    ),
    "gdas-v1": (
        "S 0, S 1; S 0, s5 2; s3 3, S 0; s5 4, s3 3",
        "s5 0, s3 1; s5 2, s5 1; d5 2, s3 1; s5 0, s5 1",
    ),
    "snas-mild": (
        "s3 0, s3 1; S 0, d3 1; S 0, S 1; S 0, s3 1",
        "M 0, M 1; M 1, S 2; M 1, S 2; M 0, d5 2",
    ),
    "mdenas": (
        "s5 1, s3 0; S 0, s5 1; s5 3, s3 1; d5 3, M 4",
        "M 0, s5 1; S 0, S 1; s3 3, S 2; d3 3, s5 0",
    ),
    "enas-cnn": (
        "s3 1, S 1; s5 1, S 0; A 0, s3 1; s3 0, A 1; s5 1, A 0",
        "s5 0, s3 1; s3 1, A 1; s3 1, A 1; A 1, s5 4; s3 5, s5 0",
    ),
    "sgas-1-1": (
        "S 0, s3 1; s3 0, s5 1; s3 1, s3 2; d5 2, d3 3",
        "M 0, d3 1; s3 0, s5 2; M 1, S 2; S 2, S 3",
    ),
    "sgas-1-3": (
        "s3 0, d3 1; s3 0, s3 1; s5 1, s5 3; S 0, d5 2",
        "M 0, d5 1; s3 0, S 2; s3 1, S 2; M 0, M 1",
    ),
    "sgas-2-3": (
        "s3 0, s3 1; s3 0, s3 2; M 0, s3 3; s3 2, s3 3",
        "s3 0, M 1; d3 0, M 1; M 0, s3 2; M 0, s5 2",
    ),
    "sgas-2-4": (
        "s3 0, s3 1; s3 0, s3 1; d5 0, d3 2; s3 1, d5 3",
        "s5 0, d3 1; M 0, M 1; d3 0, d5 2; M 0, A 1",
    ),
    "drnas-cifar10": (
        "s3 0, s5 1; s3 1, s3 2; S 0, s3 1; s3 2, d5 3",
        "M 0, s5 1; d5 2, s5 1; s5 1, d5 3; S 4, s5 1",
    ),
    "drnas-imagenet": (
        "s3 1, s3 0; s3 0, s3 1; s3 0, d3 3; S 0, s3 1",
        "M 0, s3 1; s3 0, S 2; s3 0, s3 2; s3 3, s3 1",
    ),
    "darts-pt-0": (
        "s3 0, s3 1; s5 0, d3 1; S 0, S 2; S 0, M 4",
        "s3 0, A 1; d5 1, d3 2; A 0, M 2; s3 2, S 4",
    ),
    "darts-pt-1": (
        "s3 0, s3 1; s3 0, d3 1; M 0, S 2; S 0, d3 4",
        "d5 0, A 1; M 0, s5 2; M 1, d3 3; s5 0, s3 4",
    ),
    "darts-pt-3": (
        "s3 0, s3 1; s3 0, s3 1; S 0, S 2; s3 1, S 3",
        "A 0, s5 1; M 1, S 2; d5 1, M 3; s5 2, S 3",
    ),
    "darts-pt-blank": (
        "s3 0, s5 1; s3 0, s3 1; A 1, S 3; M 0, A 2",
        "S 0, s5 1; d3 1, s5 2; M 0, S 3; M 0, M 2",
    ),
    "sdarts-rs-cifar10": (
        "s3 1, s3 0; s5 1, S 0; s3 3, S 1; s3 1, d3 2",
        "M 0, s3 1; S 2, M 0; d5 3, M 0; s3 2, s5 3",
    ),
    "sdarts-adv-cifar10": (
        "s3 0, s3 1; s3 1, S 0; s5 0, d3 3; d3 4, S 0",
        "M 0, s5 1; S 2, M 0; S 3, S 2; S 2, s5 4",
    ),
    "lambda-darts-0": (
        "s5 0, S 1; s3 2, s5 1; s3 1, M 0; d3 2, M 0",
        "S 1, S 0; M 0, d3 2; d5 3, d5 1; S 1, s5 2",
    ),
    "oles-cifar10": (
        "s3 1, s3 0; s5 0, s3 1; s3 0, s5 1; s3 0, d3 1",
        "M 0, s3 1; A 0, S 2; S 2, A 0; S 2, S 3",
    ),
    "oles-cifar100": (
        "S 0, s3 1; S 0, s5 1; S 0, S 1; S 0, s3 1",
        "S 0, s5 1; M 0, S 2; M 0, S 2; S 2, M 0",
    ),
}
"""By name, the normal and the reduction cell: code and predecessor of every edge."""


def _cell(text: str) -> tuple[str, tuple[int, ...]]:
    """The compact form of a cell, and the states that it puts out: every node with an edge."""
    nodes = [[edge.split() for edge in node.split(",")] for node in text.split(";")]
    outputs = tuple(2 + i for i, edges in enumerate(nodes) if edges[0][0] != "n")
    words = ([f"{_CODES[code]} {source}" for code, source in edges] for edges in nodes)
    return "; ".join(", ".join(edges) for edges in words), outputs


VARIANTS: dict[str, Genotype] = {
    name: compact("cnn", "concat", normal=_cell(normal), reduce=_cell(reduce))
    for name, (normal, reduce) in _CELLS.items()
}
"""By name: cells of PC-DARTS, P-DARTS, FairDARTS, GDAS, SNAS, MdeNAS, ENAS, SGAS, DrNAS, DARTS-PT,
SmoothDARTS, Λ-DARTS and OLES."""
