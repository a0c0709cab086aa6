"""A campaign of faults: ``python tests/faults --seconds 3600 --seed 1`` prints a line a kind.

``--small`` tries what ``make test`` tries. ``--kind NAME --number K`` repeats a case.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import asked  # noqa: F401  It has kinds.
import child
import ends  # noqa: F401  It has kinds.
import folders  # noqa: F401  It has kinds.
import inputs  # noqa: F401  It has kinds.
import report
import tiny
import torch
import writes
from campaign import KINDS, Kind, Tally, try_cases

AT_A_TIME = 250
"""Cases of one child."""


def main() -> int:
    """Run the campaign; 1 if a case failed."""
    parser = argparse.ArgumentParser(prog="python tests/faults", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600, help="for all kinds together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--small", action="store_true", help="a fixed number of cases of each kind")
    parser.add_argument("--kind", action="append", choices=[*KINDS, *writes.KINDS])
    parser.add_argument("--number", type=int, help="the case to repeat")
    parser.add_argument("--all", action="store_true", help="print every case that failed")
    asked_for = parser.parse_args()
    sys.dont_write_bytecode = True
    torch.set_num_threads(1)
    report.leave_out()
    names = asked_for.kind or [*KINDS, *writes.KINDS]
    failed = False
    with tempfile.TemporaryDirectory(prefix="materials-") as folder:
        materials = Path(folder)
        tiny.make(materials)
        child.ready_to_fork()
        for name in names:
            tally = _try(name, asked_for, asked_for.seconds / len(names), materials)
            print(tally, flush=True)
            if asked_for.all:
                for verdict in tally.failures:
                    print(f"  {verdict.number}: {' '.join(verdict.text.split())[:300]}")
            failed = failed or bool(tally.failures)
    return int(failed)


def _try(name: str, asked_for: argparse.Namespace, seconds: float, materials: Path) -> Tally:
    """Cases of a kind for so many seconds, or the small number of them, or the one asked for."""
    seed, number = asked_for.seed, asked_for.number
    if name in writes.KINDS:
        return writes.KINDS[name](seed, materials, number, not asked_for.small)
    of = KINDS[name]
    if number is not None or asked_for.small:
        return try_cases(of, seed, range(of.small) if number is None else [number], materials)
    return _for_seconds(of, seed, seconds, materials)


def _for_seconds(of: Kind, seed: int, seconds: float, materials: Path) -> Tally:
    began, tally = time.monotonic(), Tally(of.name, seed)
    while tally.tried == 0 or time.monotonic() - began < seconds:
        numbers = range(tally.tried, tally.tried + min(AT_A_TIME, of.small))
        tally.add(try_cases(of, seed, numbers, materials))
    return tally


if __name__ == "__main__":
    sys.exit(main())
