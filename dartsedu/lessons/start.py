"""Lesson 00: the shipped recordings, what this machine can do."""

from __future__ import annotations

import itertools
import platform
from importlib.metadata import version
from pathlib import Path

import torch

from dartsedu.derivation import derive
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.panel import Bars, Panel, Scene
from dartsedu.show.palette import colour, short, state_label, state_names
from dartsedu.stream.recording import Recording

_FOLDER = Path(__file__).parent / "recordings"
RECORDING = _FOLDER / "digits.jsonl"
"""A search on digits: ``dartsedu search --preset classroom --seed 0``."""
DECIDED = _FOLDER / "decided.jsonl"
"""A search that decides, that of ``search.deciding_search(seed=0)``."""

FRAMES = 45


def shares_explorer(recording: Recording, cell: str = "normal") -> Explorer:
    """The shares of all operations on one edge of a cell, played from the even mixture on."""
    space, steps = recording.header.space, recording.steps
    if space is None or not steps:
        raise ValueError("the recording holds no step of a search")
    topology = next(one for one in space.cells if one.name == cell)
    names = state_names(topology.inputs, topology.nodes, cell)
    edges = [f"{state_label(names[e.source])} → node {names[e.target]}" for e in topology.edges]
    moments = sorted({round(i * len(steps) / (FRAMES - 1)) for i in range(FRAMES)})
    words = [short(name) for name in space.primitives]
    inks = [colour(name) for name in space.primitives]

    def show(step: float, edge: str) -> Scene:
        even = [1 / len(words)] * len(words)
        taken = int(step)
        shares = steps[taken - 1].mixture[cell][edges.index(edge)].tolist() if taken else even
        lead = max(range(len(words)), key=shares.__getitem__)
        leader = f"{words[lead]} leads with {shares[lead]:.2f}" if taken else "all shares are even"
        panel = Panel(f"shares on the edge {edge}", [Bars(words, shares, inks)], xlim=(0, 1))
        return Scene([panel], f"Step {taken} on the edge {edge}: {leader}.")

    played = Control("step", moments, 0, rate=8)
    return Explorer(
        "One edge makes up its mind", show, step=played, edge=Control("edge", edges, edges[0])
    )


def changes(recording: Recording, last: int) -> int:
    """In how many of the last steps the genotype that would be kept was another than before."""
    space = recording.header.space
    if space is None:
        raise ValueError("the recording holds no step of a search")
    kept = [derive(space, step.alphas) for step in recording.steps[-last - 1 :]]
    return sum(one != other for one, other in itertools.pairwise(kept))


def this_machine() -> str:
    """What the lessons will run on, in a line for each thing."""
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "none; a CPU is enough"
    return "\n".join(
        [
            f"Python {platform.python_version()}, dartsedu {version('dartsedu')}",
            f"PyTorch {torch.__version__}",
            f"GPU: {gpu}",
        ]
    )
