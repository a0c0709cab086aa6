"""Columns of numbers from CSV files, as spreadsheets and data frames write them.

What can be told for certain is read: the separator, decimal commas, the encoding, row numbers. What
cannot is refused with its line, its likely cause and the way out.
"""

from __future__ import annotations

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from io import StringIO
from math import isfinite
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dartsedu.base.encoding import decoded
from dartsedu.data.splits import TaskError, TaskWarning

Floats = NDArray[np.float64]

SEPARATORS = (",", ";", "\t")
"""What may stand between columns, the usual one first."""
LARGEST = 1e50
"""A table's numbers are at most this large: their cubes, and sums of these, are finite."""
_ROW_NUMBERS = ("", "Unnamed: 0")
"""Names of the column of row numbers as data frames write it, and write it once more."""


class Line(NamedTuple):
    """The cells of a line of the table, and the line of the file where it begins."""

    number: int
    cells: list[str]


def read_csv(
    path: str | Path, target: str, variables: Sequence[str] | None = None
) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Variables (N, d), targets (N,) and the variables' names from a CSV file.

    Args:
        path: text with names of the columns in its first line, also compressed by gzip. Columns
            are apart by commas, semicolons (decimal commas are then read, too) or tabs. In UTF-8,
            or UTF-16 with its mark; anything else is taken for Windows-1252, with a warning.
        target: the column to be explained.
        variables: the columns that explain; ``None``: every other one, but for empty columns
            without a name and, with a warning, a first column of row numbers without one.

    Raises ``TaskError`` for a file that cannot be read, a missing column, and for a cell that is
    empty, no finite number or too large: it says in which line.
    """
    lines, separator = _lines(_text(path), target)
    if not lines:
        raise TaskError(f"{path} is empty; expected names of columns in its first line")
    names, rows = [name.strip() for name in lines[0].cells], lines[1:]
    chosen = _chosen(path, names, rows, target, variables)
    if not rows:
        raise TaskError(
            f"{path} has a line of names and no rows; expected a row of numbers a line below them"
        )
    places = [names.index(name) for name in (*chosen, target)]
    number = _Numbers(path, rows, names, places, decimal_comma=separator == ";")
    table = np.array(list(number.rows()), dtype=np.float64)
    return table[:, :-1], table[:, -1], chosen


def _text(path: str | Path) -> str:
    try:
        raw = Path(path).read_bytes()
        if raw.startswith(b"\x1f\x8b"):
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"cannot read a table from {path}: {error}") from None
    if raw.startswith(b"PK\x03\x04"):
        raise TaskError(
            f"cannot read a table from {path}: it is a workbook or an archive; save its table as "
            "CSV (UTF-8)"
        )
    try:
        return decoded(raw)
    except ValueError as error:
        try:
            if b"\0" in raw:
                raise error
            text = raw.decode("cp1252")
        except ValueError:
            raise TaskError(f"cannot read a table from {path}: {error}") from None
    warnings.warn(TaskWarning(f"{path} is not in UTF-8; read as Windows-1252"), stacklevel=3)
    return text


def _lines(text: str, target: str) -> tuple[list[Line], str]:
    """The lines that are not empty, the names first, and what the columns are apart by."""
    announced = re.match(r"sep=(.)\r?\n", text)  # As a spreadsheet does for others of its kind.
    skipped = 1 if announced else 0
    text = text[announced.end() :] if announced else text
    separator = announced[1] if announced else _separator(text, target)
    reader, begin, lines = csv.reader(StringIO(text, newline=""), delimiter=separator), 1, []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                lines.append(Line(begin + skipped, cells))
            begin = reader.line_num + 1
    except csv.Error as error:
        raise TaskError(f"cannot read line {begin + skipped} of a table: {error}") from None
    return lines, separator


def _separator(text: str, target: str) -> str:
    """The separator with which ``target`` is a name; otherwise that which makes most names."""
    found = {}
    for separator in SEPARATORS:
        rows = csv.reader(StringIO(text, newline=""), delimiter=separator)
        try:
            found[separator] = [name.strip() for name in next(rows, [])]
        except csv.Error:
            found[separator] = []
    return max(found, key=lambda separator: (target in found[separator], len(found[separator])))


def _chosen(
    path: str | Path,
    names: Sequence[str],
    rows: Sequence[Line],
    target: str,
    variables: Sequence[str] | None,
) -> tuple[str, ...]:
    """The names of the columns that explain."""
    doubles = sorted({name for name in names if name and names.count(name) > 1})
    if doubles:
        raise TaskError(f"{path} has more than one column {', '.join(map(_shown, doubles[:10]))}")
    if variables is None:
        chosen = tuple(_explaining(path, names, rows, target))
    else:
        chosen = tuple(variables)
        twice = sorted({name for name in chosen if chosen.count(name) > 1})
        if twice:
            raise TaskError(
                f"the variable {_shown(twice[0])} is named twice; name each column once"
            )
    for name in (target, *chosen):
        if not name or name not in names:
            apart = " (columns are apart by commas, semicolons or tabs)" if len(names) == 1 else ""
            raise TaskError(
                f"{path} has no column {_shown(name)}; it has: {_listed(name, names)}{apart}"
            )
    if target in chosen or not chosen:
        raise TaskError(
            f"{path}: the target {_shown(target)} cannot be one of its variables"
            if chosen
            else f"{path} has no column besides {_shown(target)} to explain it by"
        )
    return chosen


def _explaining(
    path: str | Path, names: Sequence[str], rows: Sequence[Line], target: str
) -> Iterator[str]:
    """Every column but the target, the empty ones without a name and the row numbers."""
    for place, name in enumerate(names):
        cells = [row.cells[place].strip() for row in rows if len(row.cells) > place]
        if name == target:
            continue
        if place == 0 and name in _ROW_NUMBERS and rows and _consecutive(cells):
            shown = f"called {name!r}" if name else "without a name"
            warnings.warn(
                TaskWarning(
                    f"the first column of {path}, {shown}, counts the rows and is left out; "
                    "give it another name if it is to explain"
                ),
                stacklevel=4,
            )
        elif name:
            yield name
        elif any(cells):
            raise TaskError(
                f"column {place + 1} of {path} has no name; name it in the first line, or say "
                "which columns explain with --variables (a data frame's row labels: save it "
                "without them, as with index=False)"
            )


def _consecutive(cells: Sequence[str]) -> bool:
    """Whether whole numbers count up by one."""
    if not all(re.fullmatch(r"\d{1,15}", cell) for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _listed(name: str, names: Sequence[str]) -> str:
    """The known names, and the one that was perhaps meant."""
    known = [known for known in names if known]
    shown = ", ".join(map(_cut, known[:20])) + (", …" if len(known) > 20 else "")
    folded = {known.casefold(): known for known in known}
    close = get_close_matches(name.strip().casefold(), folded, n=1)
    return f"{shown}. Did you mean {_shown(folded[close[0]])}?" if close else shown


# ---- Numbers ------------------------------------------------------------------------------------

_CAUSES = (
    (r"|-|\?|\.|#?n/?a|nan|null|none|missing|#n/a", "a missing value"),
    (r"true|false|yes|no", "write 1 and 0 for yes and no"),
    (r"[-+]?[\d.,]+\s*%", "a percentage: write 0.5 for 50 %, or the number without its sign"),
    (r"[-+]?\d{1,3}([ \u00a0\u202f,.'’]\d{3})+([.,]\d+)?", "write it without marks of thousands"),
    (
        r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?|\d{1,2}:\d\d(:[\d.]+)?",
        "a date or time: write a number, such as days since the first",
    ),
    (
        r"[-+]?\d+,\d+(e[-+]?\d+)?",
        "decimal commas are read where columns are apart by semicolons: write a point",
    ),
    (r"[-+]?\d+(_\d+)+", "an identifier measures nothing"),
    (
        r"[$€£¥]\s*[-+]?[\d.,]+|[-+]?[\d.,]+(e[-+]?\d+)?\s*\D+",
        "write units into the name of the column",
    ),
)
"""What a cell that is no number may be, and what to do, the first that fits."""


class _Numbers:
    """The chosen columns as numbers. ``decimal_comma``: 1,5 may stand for 1.5."""

    def __init__(
        self,
        path: str | Path,
        lines: Sequence[Line],
        names: Sequence[str],
        places: Sequence[int],
        decimal_comma: bool,
    ) -> None:
        self.path, self.lines, self.names, self.places = path, lines, names, places
        self.decimal_comma = decimal_comma and any(
            "," in line.cells[place]
            for line in lines
            for place in places
            if place < len(line.cells)
        )

    def rows(self) -> Iterator[list[float]]:
        """The numbers of each line."""
        for line in self.lines:
            if len(line.cells) != len(self.names):
                raise TaskError(
                    f"line {line.number} of {self.path} has {len(line.cells)} cells; expected "
                    f"{len(self.names)}, as many as there are names (a comma inside a number or a "
                    "text needs quotation marks around the cell)"
                )
            yield [self._number(line, place) for place in self.places]

    def _number(self, line: Line, place: int) -> float:
        cell = line.cells[place].strip()
        value = self._value(cell)
        if isfinite(value) and abs(value) <= LARGEST:
            return value
        where = f"line {line.number} of {self.path}, column {_shown(self.names[place])}"
        if isfinite(value):
            raise TaskError(
                f"{where}: {value:g} is too large to reckon with; expected at most {LARGEST:g}: "
                "correct it, or give the column in another unit"
            )
        words = [self._value(line.cells[place].strip()) for place in self.places]
        if line is self.lines[0] and len(self.lines) > 1 and not any(map(isfinite, words)):
            raise TaskError(
                f"{where}: {_shown(cell)} is not a finite number, nor is any other cell of this "
                "line: leave out a row of units or a second line of names"
            )
        raise TaskError(
            f"{where}: {_shown(cell)} is not a finite number{self._cause(cell)}. Correct it, leave "
            "the line out, or choose other columns with --variables"
        )

    def _value(self, cell: str) -> float:
        """The number that a cell holds; NaN if it holds none."""
        if "_" in cell:  # ``float`` would read 1_1 as 11.
            return float("nan")
        if self.decimal_comma:
            if "." in cell:
                return float("nan")
            cell = cell.replace(",", ".")
        try:
            return float(cell.replace("\u2212", "-"))  # The sign that typesetters use.
        except ValueError:
            return float("nan")

    def _cause(self, cell: str) -> str:
        if self.decimal_comma and re.fullmatch(r"[-+]?[\d.]+", cell):
            return " (a point, where other cells of this file have decimal commas)"
        fits = (words for form, words in _CAUSES if re.fullmatch(form, cell, re.IGNORECASE))
        found = next(fits, None)
        return f" ({found})" if found else ""


def _shown(cell: str) -> str:
    return repr(_cut(cell))


def _cut(text: str) -> str:
    """A name or cell of any length, as a message can show it."""
    return text if len(text) <= 40 else f"{text[:40]}…"
