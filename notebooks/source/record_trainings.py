"""Makes ``dartsedu/lessons/recordings/trainings.json``, the figures of lesson 05.

    python notebooks/source/record_trainings.py             about seven minutes of one core
    python notebooks/source/record_trainings.py --cells 2 --out trainings.json

For each number 0, 1, …: a search, its cell trained from scratch twice, a random cell twice, DARTS
v2 once, and the random cell and DARTS v2 once more for twice as many epochs.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from dartsedu import PUBLISHED, Search, load_preset, load_task, random_genotype
from dartsedu.base.values import write_text
from dartsedu.lessons.scratch import AGAIN, RECORD, SETTINGS, Record, train
from dartsedu.runs.order import versions
from dartsedu.spaces.build import build_supernet, search_space


def main() -> None:
    """Search, train, write after each round."""
    parser = argparse.ArgumentParser(description="Record the trainings of lesson 05.")
    parser.add_argument("--cells", type=int, default=5, help="searches, and random cells")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = load_preset("classroom", SETTINGS)
    twice = load_preset("classroom", [*SETTINGS, f"train.epochs={2 * settings.train.epochs}"])
    task = load_task(**settings.task.model_dump())
    found, seconds, trained = [], [], []
    for i in range(options.cells):
        start = time.process_time()
        search = Search(build_supernet(settings, task, i), task, settings.search, seed=i)
        for _ in search:
            pass
        found.append(search.supernet.genotype(settings.search.rule))
        seconds.append(round(time.process_time() - start, 1))
        drawn, published = random_genotype(search_space(settings), i), PUBLISHED["darts-v2"]
        for group, genotype, cell, seed, how in (
            ("found", found[-1], i, i, settings),
            ("random", drawn, i, i, settings),
            ("found", found[-1], i, AGAIN + i, settings),
            ("random", drawn, i, AGAIN + i, settings),
            ("darts-v2", published, 0, i, settings),
            ("random", drawn, i, i, twice),
            ("darts-v2", published, 0, i, twice),
        ):
            trained.append(train(group, genotype, cell, seed, how, task))
            print(trained[-1], flush=True)
        record = Record(
            settings=settings,
            versions=versions(),
            search_seconds=seconds,
            found=found,
            trained=trained,
        )
        write_text(options.out, record.model_dump_json(indent=1) + "\n")


if __name__ == "__main__":
    main()
