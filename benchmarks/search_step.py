"""One search step, three ways, paired in one process: python benchmarks/search_step.py --help

- *published*: one module for each edge and primitive, and an architecture step that computes every
  weight gradient and throws it away, as the authors' code does.
- *plain*: the same modules, with this package's architect, which asks for the α-gradient only.
- *fast*: as plain, in the fast form of ``dartsedu/cnn/fast.py``.

A round runs each once, in a new random order. The figure is the median over rounds of the paired
ratio to *published*, with the smallest and the largest, for CPU time and for wall time.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

import torch

from dartsedu.architect import Architect, Exact, FiniteDifference, FirstOrder
from dartsedu.cnn import CNNSupernet, cnn_space
from dartsedu.splits import Batch

SHAPES = {
    "digits": {"image": (1, 8, 8), "channels": 8, "cells": 4, "nodes": 4, "batch": 64},
    "classroom": {"image": (1, 8, 8), "channels": 4, "cells": 3, "nodes": 2, "batch": 32},
    "cifar": {"image": (3, 32, 32), "channels": 16, "cells": 8, "nodes": 4, "batch": 16},
}
ARCHITECTS: dict[str, Architect] = {
    "first-order": FirstOrder(),
    "finite-difference": FiniteDifference(),
    "exact": Exact(),
}


def make_step(shape: dict, architect: Architect, fast: bool, published: bool) -> Callable[[], None]:
    """A function that does one step: α on one batch, w on another, clipping and optimisers."""
    torch.manual_seed(0)
    supernet = CNNSupernet(
        cnn_space(shape["nodes"]),
        image_channels=shape["image"][0],
        channels=shape["channels"],
        cells=shape["cells"],
        fast=fast,
    ).train()
    of_w = torch.optim.SGD(
        supernet.weights().values(), lr=0.025, momentum=0.9, weight_decay=3e-4, foreach=True
    )
    of_alpha = torch.optim.Adam(supernet.alphas.values(), lr=3e-4, betas=(0.5, 0.999))
    weights = list(supernet.weights().values())
    batches = [
        Batch(torch.randn(shape["batch"], *shape["image"]), torch.arange(shape["batch"]) % 10)
        for _ in range(2)
    ]

    def step() -> None:
        if published and isinstance(architect, FirstOrder):
            of_alpha.zero_grad()
            supernet.loss(batches[0]).loss.backward()
        else:
            found = architect.gradient(supernet, batches[1], batches[0], of_w).gradient
            for cell, alpha in supernet.alphas.items():
                alpha.grad = found[cell]
        of_alpha.step()
        of_w.zero_grad()
        supernet.loss(batches[1]).loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        of_w.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shape", choices=SHAPES, default="digits")
    parser.add_argument("--architect", choices=ARCHITECTS, default="first-order")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--profile", action="store_true", help="show where the fast step's time goes"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    shape, architect = SHAPES[options.shape], ARCHITECTS[options.architect]
    steps = {
        "published": make_step(shape, architect, fast=False, published=True),
        "plain": make_step(shape, architect, fast=False, published=False),
        "fast": make_step(shape, architect, fast=True, published=False),
    }
    for step in steps.values():
        step()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name in random.sample(list(steps), len(steps)):
            cpu, wall = time.process_time(), time.perf_counter()
            steps[name]()
            taken[name].append((time.process_time() - cpu, time.perf_counter() - wall))

    print(f"{options.shape}, {options.architect}, {options.threads} thread(s), {torch.__version__}")
    for name, times in taken.items():
        for clock, unit in enumerate(("CPU", "wall")):
            own = statistics.median(t[clock] for t in times)
            ratios = [p[clock] / t[clock] for p, t in zip(taken["published"], times, strict=True)]
            print(
                f"{name:10} {unit:4} {own:7.3f} s   "
                f"{statistics.median(ratios):5.2f}× ({min(ratios):.2f} to {max(ratios):.2f})"
            )
    if options.profile:
        with torch.profiler.profile() as profile:
            steps["fast"]()
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=15))


if __name__ == "__main__":
    main()
