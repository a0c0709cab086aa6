"""Builds the lessons: ``source/NN_name.py`` becomes ``notebooks/NN_name.ipynb``, executed.

    python notebooks/source/build_lessons.py             all of them
    python notebooks/source/build_lessons.py 01 02       these
    python notebooks/source/build_lessons.py --text      do not run: keep the outputs

CONTRIBUTING.md says how a source is written.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from working_copies import LANGUAGE

SOURCES = Path(__file__).parent
NOTEBOOKS = SOURCES.parent
ROOT = NOTEBOOKS.parent

VIEW = "application/vnd.jupyter.widget-view+json"
CODE_LINK = re.compile(r"\]\((dartsedu/[\w/]+\.py):([\w.]+)\)")
SOLUTION = "<details>\n<summary>Solution</summary>\n\n```python\n{}\n```\n\n</details>"


def sources() -> list[Path]:
    """The sources of all lessons, in order."""
    return sorted(SOURCES.glob("[0-9][0-9]_*.py"))


def built(source: Path) -> Path:
    """Where the notebook of a source lives."""
    return NOTEBOOKS / f"{source.stem}.ipynb"


def lesson(source: Path, solved: bool = False) -> NotebookNode:
    """The notebook of a source, not executed: the learner's or, ``solved``, with the solutions.

    The cell tagged ``solution`` belongs to the last cell tagged ``exercise``. The learner's
    notebook shows it folded, under the hints that stand before it. Raises ``ValueError`` for a
    solution without exercise or a link to a symbol that is not there.
    """
    cells: list[NotebookNode] = []
    exercise: NotebookNode | None = None
    for cell in jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent").cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            if exercise is None or cells[-1].cell_type != "markdown":
                raise ValueError(f"{source.name}: a solution follows an exercise and its hints")
            if solved:
                exercise.source = cell.source
            cells[-1].source += "\n\n" + SOLUTION.format(cell.source)
            exercise = None
            continue
        if "exercise" in tags:
            exercise = cell
        if cell.cell_type == "markdown":
            cell.source = with_lines(cell.source)
        cells.append(cell)
    if exercise is not None:
        raise ValueError(f"{source.name}: an exercise has no solution")
    for number, cell in enumerate(cells):
        cell.id = f"{source.stem[:2]}-{number:02d}"
        cell.metadata = NotebookNode({k: v for k, v in cell.metadata.items() if k == "tags"})
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata = NotebookNode(
        kernelspec={
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        },
        language_info=LANGUAGE,
    )
    return notebook


def with_lines(markdown: str) -> str:
    """Links such as ``(dartsedu/relaxation.py:MixedOp.forward)`` made links to that line."""

    def link(match: re.Match[str]) -> str:
        path, symbol = match.groups()
        return f"](../{path}#L{line_of(path, symbol)})"

    return CODE_LINK.sub(link, markdown)


def line_of(path: str, symbol: str) -> int:
    """The line that defines ``symbol`` (a function, a class or ``Class.method``) in a file."""
    node: ast.AST = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    for name in symbol.split("."):
        inside = [n for n in ast.iter_child_nodes(node) if getattr(n, "name", None) == name]
        if not inside:
            raise ValueError(f"{path} defines no {symbol}: mend the link in the lesson")
        node = inside[0]
    return node.lineno


def execute(notebook: NotebookNode) -> None:
    """Run a notebook in place, in its folder; an error stops it.

    Outputs keep the picture of a widget, not its view, which says nothing without a kernel.
    """
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources=resources,
        record_timing=False,
        store_widget_state=False,
    ).execute()
    notebook.metadata.language_info = NotebookNode(LANGUAGE)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)


def show_once(notebook: NotebookNode) -> None:
    """Leave out the PNG of a picture whose page has it already, in light and dark."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if "<figure" in output.get("data", {}).get("text/html", ""):
                output.data.pop("image/png", None)
                output.metadata.pop("image/png", None)


def keep_outputs(notebook: NotebookNode, earlier: NotebookNode) -> None:
    """Take over the outputs of a notebook with the same code. Raises ``ValueError`` for another."""
    pairs = [[c for c in n.cells if c.cell_type == "code"] for n in (notebook, earlier)]
    if [c.source for c in pairs[0]] != [c.source for c in pairs[1]]:
        raise ValueError("the code has changed: build without --text")
    for cell, before in zip(*pairs, strict=True):
        cell.outputs, cell.execution_count = before.outputs, before.execution_count


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description="Build the lessons from their sources.")
    parser.add_argument("numbers", nargs="*", help="such as 01; none: all")
    parser.add_argument("--text", action="store_true", help="do not run, keep the outputs")
    options = parser.parse_args()
    chosen = [s for s in sources() if not options.numbers or s.stem[:2] in options.numbers]
    if not chosen:
        sys.exit(f"no lesson {' '.join(options.numbers)} among: {', '.join(map(str, sources()))}")
    for source in chosen:
        notebook = lesson(source)
        if options.text:
            keep_outputs(notebook, nbformat.read(built(source), as_version=4))
        else:
            execute(notebook)
        show_once(notebook)
        nbformat.write(notebook, built(source))
        print(built(source).relative_to(ROOT))


if __name__ == "__main__":
    main()
