"""Makes ``dartsedu/lessons/recordings/cuts.json``, the figures of lesson 04.

    python notebooks/source/record_cuts.py             about ten minutes of one core
    python notebooks/source/record_cuts.py --seeds 2 --threads 2 --out cuts.json

For each seed what the lesson does with one: a patient and a hasty search, their supernets cut and
sharpened, random cells cut out of them, and derived and random cells trained from scratch.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dartsedu import load_task
from dartsedu.base.values import write_text
from dartsedu.lessons.cuts import RECORD, Record, measure
from dartsedu.runs.order import versions


def main() -> None:
    """Measure, write after each seed."""
    parser = argparse.ArgumentParser(description="Record the cuts of lesson 04.")
    parser.add_argument("--seeds", type=int, default=20, help="searches of either kind")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=RECORD)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    task, runs = load_task("digits"), []
    for seed in range(options.seeds):
        runs.append(measure(seed, task))
        record = Record(versions=versions(), runs=runs)
        write_text(options.out, record.model_dump_json() + "\n")
        print(f"seed {seed}: gap {runs[-1].gap:.2f}, hasty {runs[-1].hasty_gap:.2f}", flush=True)


if __name__ == "__main__":
    main()
