"""The report of a run, which takes a second to draw: left out of cases that are about the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dartsedu.runs import report

_write_report = report.write_report


def _named(run: Any, *_: Any) -> Path:
    return run.folder / "report.html"


def leave_out() -> None:
    """Write no report from now on."""
    report.write_report = _named


@contextmanager
def drawn() -> Iterator[None]:
    """Reports are written after all."""
    report.write_report = _write_report
    try:
        yield
    finally:
        report.write_report = _named
