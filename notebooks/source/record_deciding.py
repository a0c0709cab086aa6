"""Records the search that decides, which lesson 00 replays:

python notebooks/source/record_deciding.py
"""

from __future__ import annotations

import torch

from dartsedu.lessons.search import deciding_search
from dartsedu.lessons.start import DECIDED
from dartsedu.stream.recording import Header, Recorder


def main() -> None:
    """Run it from seed 0 and write it where the lesson looks for it."""
    torch.set_num_threads(1)
    search = deciding_search(seed=0)
    with Recorder(DECIDED, Header.of(search, search.space)) as recorder:
        for step in search:
            recorder.append(step)
    print(f"{DECIDED.name}: {search.done} steps")


if __name__ == "__main__":
    main()
