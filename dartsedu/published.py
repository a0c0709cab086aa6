"""Published cells of every space, by name: the paper's own and those it compares itself with."""

from collections.abc import Iterator, Mapping
from typing import Any

from dartsedu.base.extensions import SPACES, every, tell
from dartsedu.genotype import Genotype


def _cells(space: Any) -> Iterator[tuple[str, Genotype]]:
    try:
        yield from space.published().items()
    except Exception as error:  # Of another distribution: it shall not cost the other spaces.
        tell(f"published cells of the space {space.name!r} are left out: {error!r:.300}")


PUBLISHED: Mapping[str, Genotype] = {
    name: genotype for space in every(SPACES) for name, genotype in _cells(space)
}
"""NASNet-A, AmoebaNet-A, DARTS of first (v1) and second order (v2) for images; ENAS and DARTS for
language models; and those of spaces that other distributions add."""
