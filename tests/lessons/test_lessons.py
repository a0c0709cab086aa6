"""The lessons themselves: in step with their sources, in the frame, right when solved, small."""

import re
import statistics

import build_lessons
import nbformat
import pytest
from build_lessons import ROOT, built, sources

every_lesson = pytest.mark.parametrize("source", sources(), ids=lambda s: s.stem)


def text_of(notebook):
    return "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")


def code_of(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def checks_of(notebook):
    return [c for c in code_of(notebook) if "check" in c.metadata.get("tags", [])]


def said(cell):
    return "".join(o.get("data", {}).get("text/plain", o.get("text", "")) for o in cell.outputs)


@every_lesson
def test_a_notebook_is_built_from_its_source(source):
    fresh, committed = build_lessons.lesson(source), nbformat.read(built(source), as_version=4)
    advice = "run make notebooks, or build_lessons.py --text if only words or lines have moved"
    assert [(c.cell_type, c.source, c.metadata) for c in committed.cells] == [
        (c.cell_type, c.source, c.metadata) for c in fresh.cells
    ], advice


@every_lesson
def test_a_lesson_keeps_to_the_frame(source):
    notebook = build_lessons.lesson(source)
    text = text_of(notebook)
    assert text.startswith(f"# {source.stem[:2]} ")
    first = notebook.cells[0].source
    assert re.search(r"\d+ minutes", first)
    assert "You will be able to" in first
    assert "You need" in first
    for heading in ("## Recap", "## Quiz", "## Break it"):
        assert text.count(heading) == 1
    assert 25 <= len(notebook.cells) <= 45
    assert "../docs/glossary.md#" in text


@every_lesson
def test_a_lesson_asks_before_it_shows(source):
    """Three to five questions to click at the end, and guesses before results on the way."""
    pages = [
        "".join(output.get("data", {}).get("text/html", ""))
        for cell in code_of(nbformat.read(built(source), as_version=4))
        for output in cell.outputs
    ]
    (quiz,) = (page for page in pages if "dartsedu-quiz" in page)
    assert 3 <= quiz.count("<li>") <= 5
    for question in quiz.split("<li>")[1:]:
        assert question.count('class="dartsedu-right"') == 1
        assert question.count("<details") >= 3
    assert sum("dartsedu-predict" in page for page in pages) >= 2


@every_lesson
def test_something_moves_within_the_first_five_cells(source):
    first = nbformat.read(built(source), as_version=4).cells[:5]
    shown = "".join(said(cell) for cell in first if cell.cell_type == "code")
    assert re.search(r"Explorer: |A replayed search|A live search", shown)


@every_lesson
def test_code_cells_are_short(source):
    lines = sorted(len(c.source.splitlines()) for c in code_of(build_lessons.lesson(source)))
    assert statistics.median(lines) <= 6
    assert statistics.quantiles(lines, n=10)[-1] <= 15


@every_lesson
def test_an_exercise_has_hints_a_solution_and_a_check(source):
    cells = build_lessons.lesson(source).cells
    exercises = [i for i, c in enumerate(cells) if "exercise" in c.metadata.get("tags", [])]
    assert exercises
    for i in exercises:
        hints, check = cells[i + 1].source, cells[i + 2]
        assert 2 <= hints.count("<summary>Hint") <= 3
        assert hints.count("<summary>Solution</summary>") == 1
        assert "check" in check.metadata["tags"]


@every_lesson
def test_folded_blocks_are_rendered_as_markdown(source):
    """Without an empty line after <summary> GitHub and JupyterLab show the raw text."""
    text = text_of(build_lessons.lesson(source))
    assert text.count("<details>") == text.count("</details>")
    for after in re.findall(r"</summary>(\n*)", text):
        assert len(after) >= 2
    for before in re.findall(r"(\n*)</details>", text):
        assert len(before) >= 2


@every_lesson
def test_equations_link_to_their_code(source):
    """Read from the committed notebook: the linked line defines what the link is called."""
    notebook = nbformat.read(built(source), as_version=4)
    link = re.compile(r"\[`(?:\w+\.)?(\w+)`\]\(\.\./(dartsedu/[\w/]+\.py)#L(\d+)\)")
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert "$$" not in cell.source or link.search(cell.source), cell.source
    for name, path, number in link.findall(text_of(notebook)):
        line = (ROOT / path).read_text().splitlines()[int(number) - 1]
        assert re.match(rf"\s*(def|class) {name}\b", line), (name, line)


@every_lesson
def test_pictures_are_described(source):
    text = text_of(build_lessons.lesson(source))
    for alt in re.findall(r"!\[([^\]]*)\]", text):
        assert len(alt.split()) >= 4


@every_lesson
def test_the_learners_notebook_says_what_to_do(source):
    notebook = nbformat.read(built(source), as_version=4)
    assert checks_of(notebook)
    for cell in checks_of(notebook):
        assert said(cell).startswith("… To do"), cell.source


# The kernel's own peak in MiB. On Linux ru_maxrss will not do: it begins with what the process that
# started the kernel had used, here a test process with many tests behind it.
MEMORY = """
import re, resource, sys
from pathlib import Path
status = Path("/proc/self/status")
kib = int(re.search(r"VmHWM:\\s+(\\d+)", status.read_text())[1]) if status.exists() else None
resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 2**20 if kib is None else kib // 1024
"""


@every_lesson
def test_the_solutions_are_right_and_the_kernel_is_small(source):
    """The lesson with the solutions in the place of the stubs; peak memory in MiB."""
    notebook = build_lessons.lesson(source, solved=True)
    notebook.cells.append(nbformat.v4.new_code_cell(MEMORY))
    build_lessons.execute(notebook)
    for cell in checks_of(notebook):
        assert said(cell).startswith("✔ Right"), f"{cell.source}\n{said(cell)}"
    assert int(said(notebook.cells[-1])) < 1500
