"""Does searching pay where every cell is known? python benchmarks/bench_search.py

Ten seeds of the search of ``bench-classroom``, side by side, each followed by look-ups in the table
of all cells: what is kept after each epoch by either rule, beside the obvious guess (one primitive
on all edges) and random cells, with and without *none*. Then, paired in one process, the CPU time
of the steps of ten searches by themselves over that of ten side by side, in the fast and in the
plain form.

``--save`` writes ``results/bench_search.json``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch

from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.presets import load_preset
from dartsedu.search import Search
from dartsedu.spaces.build import build_supernet, search_side_by_side
from dartsedu.truth import load_truth
from dartsedu.truth.comparison import best_of_random, cost_of_search, judge

RESULTS = Path(__file__).parent / "results" / "bench_search.json"
RULES = ("paper", "argmax")
RANDOM = 100
"""Random cells; to look one up costs nothing."""


def searched(seeds: range, epochs: int) -> dict:
    """What the searches of these seeds keep after every epoch, and what that is worth."""
    asked = load_preset("bench-classroom", [f"search.epochs={epochs}"])
    truth, task = load_truth("bench-digits"), asked.task.load()
    search = search_side_by_side(asked, task, seeds)
    after = []
    for step in search:
        if (step.index + 1) % (search.total // epochs) == 0:
            alphas = search.supernet.alphas["cell"].detach().numpy()
            kept = {
                rule: [derive(search.space, {"cell": own}, rule) for own in alphas]
                for rule in RULES
            }
            after.append({"steps": step.index + 1} | {r: worth(kept[r]) for r in RULES})
    cost = cost_of_search(truth, task, search.total, asked.search.batch_size)
    return {"epochs": epochs, "price in trainings": round(cost, 1), "after": after}


def worth(cells: list[Genotype]) -> dict:
    """Mean true accuracy of some cells with its standard error, and their ranks."""
    truth = load_truth("bench-digits")
    accuracies = np.array([truth.accuracy(cell) for cell in cells])
    ranks = [truth.rank(cell) for cell in cells]
    return {
        "mean": round(float(accuracies.mean()), 4),
        "standard error": round(float(accuracies.std(ddof=1) / len(cells) ** 0.5), 4),
        "least": round(float(accuracies.min()), 4),
        "median rank": int(median(ranks)),
        "ranks": ranks,
    }


def others(cost: float) -> dict:
    """What is there without searching."""
    truth = load_truth("bench-digits")
    found = judge(truth, truth.best, cost)
    return {
        "cells": len(truth),
        "best": found.best,
        "median": found.median,
        "obvious guess": found.uniform,
        "random": worth(truth.sample(RANDOM, 0)),
        "random without none": worth(truth.sample(RANDOM, 0, none=False)),
        "best of as many random ones": found.best_of_random,
        "best of n random ones without none": {
            n: round(best_of_random(truth, n), 4) for n in (1, 2, 4, 8, 16, 32, 64)
        },
    }


def paired(seeds: range, rounds: int, steps: int) -> dict:
    """CPU seconds of a step and seed: by themselves over side by side, round by round."""
    ratios: dict[str, list[float]] = {}
    for form in ("fast", "plain"):
        asked = load_preset("bench-classroom", [f"supernet.fast={str(form == 'fast').lower()}"])
        task = asked.task.load()
        together = search_side_by_side(asked, task, seeds)
        alone = [
            Search(build_supernet(asked, task, seed), task, asked.search, seed=seed)
            for seed in seeds
        ]
        for search in (together, *alone):
            next(search)
        for _ in range(rounds):
            began = process_time()
            for _ in range(steps):
                next(together)
            middle = process_time()
            for search in alone:
                for _ in range(steps):
                    next(search)
            own = (process_time() - middle) / (middle - began)
            ratios.setdefault(form, []).append(own)
    return {
        form: [round(f(found), 2) for f in (median, min, max)] for form, found in ratios.items()
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=10)
    arguments.add_argument("--long", type=int, default=16, help="epochs of the long search")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--steps", type=int, default=4, help="of a round")
    arguments.add_argument("--save", action="store_true")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    seeds = range(given.seeds)
    short = searched(seeds, load_preset("bench-classroom").search.epochs)
    found = {
        "search": short,
        "long search": searched(seeds, given.long),
        "others": others(short["price in trainings"]),
        "by themselves over side by side, CPU time": paired(seeds, given.rounds, given.steps),
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
    if given.save:
        RESULTS.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
