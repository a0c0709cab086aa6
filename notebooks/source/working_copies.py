"""Copies of the lessons to work in: ``my_lessons/NN_name.ipynb``, without outputs.

    python notebooks/source/working_copies.py

The lessons themselves keep their outputs for those who only read. A copy that is there already is
somebody's work and stays as it is.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path

import nbformat
from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).parents[1]
COPIES = NOTEBOOKS.parent / "my_lessons"
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": platform.python_version(),
}
"""As a kernel of this Python describes itself: JupyterLab then finds nothing to change on opening."""


def copy_lessons(notebooks: Path, copies: Path) -> list[Path]:
    """Copy every lesson that ``copies`` does not hold yet; returns the new ones.

    A copy has the lesson's text and code, no outputs. Raises ``OSError`` where it cannot be written.
    """
    copies.mkdir(parents=True, exist_ok=True)
    made = []
    for lesson in sorted(notebooks.glob("[0-9][0-9]_*.ipynb")):
        notebook = nbformat.read(lesson, as_version=4)
        notebook.metadata.language_info = NotebookNode(LANGUAGE)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        try:
            with (copies / lesson.name).open("x", encoding="utf-8") as file:
                nbformat.write(notebook, file)
        except FileExistsError:
            continue
        made.append(copies / lesson.name)
    return made


def main() -> None:
    """Make what is missing, and say so."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    made = copy_lessons(NOTEBOOKS, COPIES)
    kept = len(list(COPIES.glob("*.ipynb"))) - len(made)
    print(f"{COPIES.name}/: {len(made)} new, {kept} of yours left as they are")
    if kept and not made:
        print("(For a fresh lesson, rename or delete your copy and run this again.)")


if __name__ == "__main__":
    main()
