"""The networks that a run trains: its genotype's, random ones beside it, rivals of the space's."""

from __future__ import annotations

from dartsedu.base.values import Value
from dartsedu.genotype import Genotype, random_genotype
from dartsedu.runs.results import GENOTYPE, RANDOM
from dartsedu.settings import Settings, TrainSettings
from dartsedu.spaces.build import search_space, space_of
from dartsedu.topology import SearchSpace, Topology


class Candidate(Value):
    """A network to be trained: its name, kind and seed, and its genotype if it has one."""

    name: str
    kind: str
    seed: int
    genotype: Genotype | None


def candidates(
    found: Genotype, settings: Settings, train: TrainSettings, seed: int
) -> list[Candidate]:
    """All networks that ``train`` asks for, in the order of their training."""

    def numbered(kind: str, number: int, genotype: Genotype | None) -> Candidate:
        return Candidate(name=f"{kind}-{number}", kind=kind, seed=number, genotype=genotype)

    every = [numbered(GENOTYPE, seed + i, found) for i in range(train.seeds)]
    space, first = _space_like(found, settings), 1000 * seed
    for number in range(first, first + train.random_cells):
        every.append(numbered(RANDOM, number, random_genotype(space, number)))
    for kind, count in space_of(settings).rivals(train).items():
        every += [numbered(kind, seed + i, None) for i in range(count)]
    return every


def _space_like(genotype: Genotype, settings: Settings) -> SearchSpace:
    """The space of random cells as large as ``genotype``, with the settings' primitives."""
    own = search_space(settings)
    keep = own.cells[0].keep
    cells = tuple(
        Topology.dense(
            c.name,
            c.inputs,
            len(c.nodes),
            c.keep or keep,
            c.combine,
            c.outputs == (c.inputs + len(c.nodes) - 1,),
        )
        for c in genotype.cells
    )
    return SearchSpace(name=genotype.space, primitives=own.primitives, cells=cells)
