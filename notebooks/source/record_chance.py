"""Makes ``dartsedu/lessons/recordings/chance.json``, the comparison of lesson 07.

    python notebooks/source/record_chance.py             about three minutes of one core
    python notebooks/source/record_chance.py --seeds 1 --out chance.json

For each law of one variable and each seed: a search of 64 restarts and 64 random graphs on the same
rows, cut and refitted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dartsedu.base.values import write_text
from dartsedu.data.laws import LAWS
from dartsedu.lessons.chance import RECORD, Record, measure
from dartsedu.runs.order import versions


def main() -> None:
    """Measure, write after each trial."""
    parser = argparse.ArgumentParser(description="Record search and chance for lesson 07.")
    parser.add_argument("--seeds", type=int, default=3, help="data sets of each law")
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    torch.set_num_threads(1)
    trials = []
    for seed in range(options.seeds):
        for name, law in LAWS.items():
            if len(law.variables) > 1:
                continue
            trials.append(measure(name, seed))
            record = Record(versions=versions(), trials=trials)
            write_text(options.out, record.model_dump_json() + "\n")
            last = trials[-1]
            for side in (last.search, last.chance):
                print(f"{name} {seed}: {side.median:.3f} {side.best:.4f}", flush=True)


if __name__ == "__main__":
    main()
