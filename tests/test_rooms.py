"""The house: who may import whom, and who may know of a space."""

import ast
import re
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from dartsedu.base.extensions import SPACES, names

PACKAGE = Path(__file__).parents[1] / "dartsedu"
FILES = sorted(PACKAGE.rglob("*.py"))
ROOMS = (
    *(
        "base",
        "topology",
        "genotype",
        "published",
        "derivation",
        "relaxation",
        "architect",
    ),
    *("stream", "data", "discretisation", "network", "methods", "settings", "presets", "search"),
    "train",
    *("show", "spaces", "truth", "dashboard", "runs", "lessons"),
)
"""From the ground up. What is named first knows nothing of what is named later."""
CORE = [PACKAGE / f"{room}.py" for room in ROOMS if (PACKAGE / f"{room}.py").exists()]


def module(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in FILES}


def imported(path):
    """The files of the package that a file imports anywhere, for its types alone too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in whole}
    return found & MODULES


def room(name):
    return name.split(".")[1] if "." in name else ""


def inside():
    """Every file but the front doors, which show what is behind them."""
    return [p for p in FILES if p.parent != PACKAGE or p.name not in ("__init__.py", "__main__.py")]


def test_every_file_is_in_a_room():
    assert {room(module(path)) for path in inside()} == set(ROOMS)


@pytest.mark.parametrize("path", inside(), ids=module)
def test_nobody_imports_from_a_higher_room(path):
    own = ROOMS.index(room(module(path)))
    higher = [name for name in imported(path) if room(name) and ROOMS.index(room(name)) > own]
    assert not higher


def test_no_files_import_each_other():
    try:
        TopologicalSorter({module(p): imported(p) - {module(p)} for p in FILES}).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of files: {' → '.join(error.args[1])}")


def test_no_space_imports_another():
    for path in (PACKAGE / "spaces").rglob("*.py"):
        own = module(path).split(".")
        others = [
            name.split(".")[2]
            for name in imported(path)
            if name.startswith("dartsedu.spaces.") and name.split(".")[2] in names(SPACES)
        ]
        assert set(others) <= set(own[2:3]), path


def spoken(path):
    """Names and whole texts that a file uses, docstrings left out."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def of_spaces():
    """The classes that spaces define, and their names."""
    found = set(names(SPACES))
    for path in (PACKAGE / "spaces").rglob("*/*.py"):
        classes = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ClassDef)]
        found |= {n.name for n in classes if re.search("Settings|Network|Supernet", n.name)}
    return found


def of_tasks():
    """The classes of the kinds of task."""
    return {
        node.name
        for path in (PACKAGE / "data").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and re.fullmatch(r"\w+(Task|TaskSettings)", node.name)
    }


def test_only_a_space_knows_a_space():
    concrete = of_spaces()
    assert {"CNNNetwork", "RNNSettings", "equation"} <= concrete
    for path in inside():
        if room(module(path)) not in ("spaces", "lessons") or path.parent == PACKAGE / "spaces":
            assert not concrete & set(spoken(path)), path


def test_only_data_and_spaces_know_a_kind_of_task():
    concrete = of_tasks() - {"TaskSettings"}
    assert {"ImageTask", "TextTask", "TableTask"} <= concrete
    for path in inside():
        if room(module(path)) not in ("data", "spaces", "lessons"):
            assert not concrete & set(spoken(path)), path


def test_the_core_stays_small_and_files_short():
    assert sum(len(path.read_text().splitlines()) for path in CORE) <= 2500
    for path in FILES:
        assert len(path.read_text().splitlines()) <= 400, path


@pytest.mark.parametrize("path", FILES, ids=module)
def test_every_file_says_its_idea(path):
    assert ast.get_docstring(ast.parse(path.read_text()))
