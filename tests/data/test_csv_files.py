"""Tables in CSV files: every form that is recognised, and what is said of the rest."""

import codecs
import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from dartsedu.data.csv_files import LARGEST, read_csv
from dartsedu.data.splits import TaskError, TaskWarning

FAST = settings(
    derandomize=True,
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32")
NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters='\n",;\t'),
    min_size=1,
    max_size=8,
).filter(lambda name: name == name.strip() and not name.startswith("\ufeff"))
NUMBERS = st.floats(-LARGEST, LARGEST) | st.integers(-(10**9), 10**9)


def written(rows, separator=",", ending="\r\n"):
    file = io.StringIO()
    csv.writer(file, delimiter=separator, lineterminator=ending).writerows(rows)
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "table.csv"


@FAST
@given(
    names=st.lists(NAMES, min_size=2, max_size=4, unique=True),
    numbers=st.lists(st.lists(NUMBERS, min_size=4, max_size=4), min_size=1, max_size=4),
    separator=st.sampled_from(",;\t"),
    ending=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(ENCODINGS),
    decimal_comma=st.booleans(),
    zipped=st.booleans(),
    trailing=st.booleans(),
)
def test_a_table_is_read_however_it_was_written(
    path, names, numbers, separator, ending, encoding, decimal_comma, zipped, trailing
):
    assume(names[0] not in ("sep=,", "sep=;"))
    numbers = [row[: len(names)] for row in numbers]
    cells = [[repr(value) for value in row] for row in numbers]
    if separator == ";" and decimal_comma:
        cells = [[cell.replace(".", ",") for cell in row] for row in cells]
    text = written([[*row, ""] if trailing else row for row in (names, *cells)], separator, ending)
    raw = text.encode(encoding)
    path.write_bytes(gzip.compress(raw) if zipped else raw)
    inputs, targets, found = read_csv(path, names[-1])
    assert found == tuple(names[:-1])
    np.testing.assert_array_equal(np.column_stack([inputs, targets]), numbers)


@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
@pytest.mark.parametrize("first", [0, 1, 17])
def test_row_numbers_are_left_out_and_said_so(path, name, first):
    path.write_text(written([[name, "x", "y"], *([first + i, 7 + i, i] for i in range(5))]))
    with pytest.warns(TaskWarning, match="counts the rows and is left out"):
        inputs, _, names = read_csv(path, "y")
    assert names == ("x",)
    np.testing.assert_array_equal(inputs[:, 0], 7 + np.arange(5))


@pytest.mark.parametrize("labels", [[5, 9], [1, 1], [2, 1], [0.5, 1.5], ["a", "b"]])
def test_another_column_without_a_name_is_refused_until_columns_are_chosen(path, labels):
    path.write_text(written([["", "x", "y"], *([label, 1, 2] for label in labels)]))
    with pytest.raises(TaskError, match=r"column 1 of .* has no name; .*--variables"):
        read_csv(path, "y")
    assert read_csv(path, "y", ["x"])[2] == ("x",)


def test_a_column_that_counts_but_has_a_name_explains(path):
    path.write_text("n,y\n1,2\n2,4\n")
    assert read_csv(path, "y")[2] == ("n",)


def test_what_is_not_in_utf_8_is_taken_for_windows_1252_and_said_so(path):
    path.write_bytes("T (°C),y\n1,2\n".encode("cp1252"))
    with pytest.warns(TaskWarning, match="read as Windows-1252"):
        assert read_csv(path, "y")[2] == ("T (°C)",)


def test_a_spreadsheet_may_say_what_its_columns_are_apart_by(path):
    path.write_text("sep=|\na|y\n1|2\nx|3\n")
    with pytest.raises(TaskError, match=r"line 4 .* 'x'"):
        read_csv(path, "y")


CELLS = {
    "12%": "a percentage",
    "1,234": "marks of thousands",
    "1 234 567.5": "marks of thousands",
    "1'234": "marks of thousands",
    "12,5": "a point",
    "TRUE": "1 and 0",
    "no": "1 and 0",
    "2024-05-17": "a date or time",
    "17/05/2024": "a date or time",
    "12:30:05": "a date or time",
    "NA": "a missing value",
    "#N/A": "a missing value",
    "": "a missing value",
    "$5": "units into the name",
    "5 kg": "units into the name",
    "1_1": "an identifier",
    "1_000": "an identifier",
    "inf": "",
    "-1e999": "",
    "1e60": "too large",
}


@pytest.mark.parametrize(("cell", "cause"), CELLS.items())
@pytest.mark.parametrize("breaks", [0, 2])
def test_a_cell_that_is_no_number_is_named_with_its_line_and_cause(path, cell, cause, breaks):
    header = ["Temp" + "\n" * breaks + "(C)", "y"]
    path.write_text(written([header, [1, 2], ["3", "4"], [cell, 5]], ending="\n"))
    with pytest.raises(TaskError) as error:
        read_csv(path, "y")
    said = str(error.value)
    assert said.startswith(f"line {4 + breaks} of {path}, column {header[0]!r}: ")
    assert cause in said
    assert "not a finite number" in said or "too large" in said


def test_points_among_decimal_commas_are_refused(path):
    path.write_text("a;y\n1,5;2\n1.234;4\n")
    with pytest.raises(TaskError, match=r"line 3 .*\(a point, where other cells"):
        read_csv(path, "y")


def test_a_row_of_units_is_told(path):
    path.write_text("a,y\nm,kg\n1,2\n")
    with pytest.raises(TaskError, match=r"line 2 .* row of units"):
        read_csv(path, "y")


@pytest.mark.parametrize(
    ("text", "target", "variables", "words"),
    [
        ("a,y\n", "y", None, "line of names and no rows"),
        ("a,y\n1,2\n", "y", ["a", "a"], "'a' is named twice"),
        ("Length,y\n1,2\n", "Y", None, "no column 'Y'; .* Did you mean 'y'"),
        ("Length,y\n1,2\n", "y", ["lenght"], "Did you mean 'Length'"),
        ("a y\n1 2\n", "y", None, "apart by commas, semicolons or tabs"),
        ("a,y\n1,2,5\n", "y", None, "3 cells; expected 2.* quotation marks"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(path, text, target, variables, words):
    path.write_text(text)
    with pytest.raises(TaskError, match=words):
        read_csv(path, target, variables)


def test_a_workbook_is_no_csv_file(path):
    path.write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(TaskError, match="save its table as CSV"):
        read_csv(path, "y")


@FAST
@pytest.mark.filterwarnings("ignore::dartsedu.data.splits.TaskWarning")
@given(
    raw=st.binary(max_size=60)
    | st.text(alphabet='a,y;\t"\n\r15.e-_% \0', max_size=60).map(str.encode),
    mark=st.sampled_from(
        [b"", b"a,y\n", b"a;y\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE]
    ),
    zipped=st.booleans(),
)
@example(raw=b"\x1f\x8b\x08", mark=b"", zipped=False)
def test_any_bytes_are_a_table_or_refused_in_words(path, raw, mark, zipped):
    path.write_bytes(gzip.compress(mark + raw) if zipped else mark + raw)
    try:
        inputs, targets, _ = read_csv(path, "y")
    except TaskError:
        return
    assert np.isfinite(inputs).all()
    assert len(inputs) == len(targets) > 0
