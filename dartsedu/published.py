"""Published cells of every space, by name: the paper's own and those it compares itself with."""

from collections.abc import Mapping

from dartsedu.base.extensions import SPACES, every
from dartsedu.genotype import Genotype

PUBLISHED: Mapping[str, Genotype] = {
    name: genotype for space in every(SPACES) for name, genotype in space.published().items()
}
"""NASNet-A, AmoebaNet-A, DARTS of first (v1) and second order (v2) for images; ENAS and DARTS for
language models; and those of spaces that other distributions add."""
