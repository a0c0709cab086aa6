"""What recurrent cells are worth when trained from scratch, gathered from runs for lesson 06.

    for seed in 0 1 2; do
        dartsedu search --preset rnn-classroom --seed $seed --out runs/pydoc-$seed
        dartsedu train runs/pydoc-$seed
    done
    dartsedu train darts-rnn-v2 --out runs/published
    python benchmarks/recurrent_cells.py runs/pydoc-? runs/published

Writes ``dartsedu/lessons/recordings/recurrent.json`` and prints range, mean and interval of each
group, of whatever the runs have trained by then.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dartsedu.base.values import write_text
from dartsedu.lessons import recurrent
from dartsedu.published import PUBLISHED
from dartsedu.runs.folder import Run


def rows_of(run: Run) -> list[dict]:
    """A row for each network that the run has trained."""
    genotype = run.genotype()
    kinds = {
        "genotype": "published" if genotype in PUBLISHED.values() else "found",
        "random": "random",
        "lstm": "LSTM",
    }
    return [
        {
            "task": run.settings.task.name,
            "kind": kinds[trained.kind],
            "nodes": len(genotype.cells[0].nodes),
            "run": run.order.seed,
            "seed": trained.seed,
            "parameters": trained.parameters,
            "training": round(trained.training, 2),
            "perplexity": round(trained.test, 2),
        }
        for trained in run.results().trained
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path)
    runs = [Run.open(folder) for folder in parser.parse_args().folders]
    searches = [
        {
            "task": run.settings.task.name,
            "seed": run.order.seed,
            "genotype": run.genotype().model_dump(mode="json"),
        }
        for run in runs
        if run.order.searches
    ]
    found = {
        "versions": runs[0].order.versions,
        "references": {
            run.settings.task.name: {
                name: round(value, 2) for name, value in (run.results().references or {}).items()
            }
            for run in runs
        },
        "searches": searches,
        "networks": [row for run in runs for row in rows_of(run)],
    }
    write_text(recurrent.RECORDED, json.dumps(found, indent=1) + "\n")
    for task, lines in found["references"].items():
        print(task, lines)
        print(recurrent.perplexities_picture(task).alt)


if __name__ == "__main__":
    main()
