"""The promises of the files around the package."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {
    "torch": "pytorch-cpu",
    "matplotlib": "matplotlib-base",
    "graphviz": "python-graphviz",
}


def requirements(lines):
    """name → version, from 'name>=1,!=2'."""
    return dict(re.fullmatch(r"([A-Za-z0-9_-]+)(.*)", line).groups() for line in lines)


def test_conda_environment_is_in_step_with_pyproject():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    conda = requirements(line for line in environment if isinstance(line, str))
    needed = {CONDA_NAMES.get(n, n): v for n, v in requirements(project["dependencies"]).items()}
    extra = {name: conda.pop(name) for name in ("python", "pip", "graphviz")}
    assert conda == needed
    assert extra["python"] == "=3.11"
    assert environment[-1] == {"pip": ["-e ."]}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


def test_importing_the_package_loads_nothing():
    code = "import sys, dartsedu; print([m for m in sys.modules if m.startswith('torch')])"
    assert python(code).stdout.strip() == "[]"


def test_a_headless_search_needs_neither_widgets_nor_plots():
    code = """
import sys
for name in ("ipywidgets", "anywidget", "IPython", "matplotlib", "graphviz", "torchvision"):
    sys.modules[name] = None
from dartsedu import CNNSupernet, Search, cnn_space, load_preset, load_task, recorded
supernet = CNNSupernet(cnn_space(1, 2, ["skip_connect"]), image_channels=1, channels=2, cells=3)
print(next(Search(supernet, load_task("digits"), load_preset("classroom").search)).index)
import dartsedu.runs.folder, dartsedu.runs.cli
"""
    assert python(code).stdout.strip() == "0"


def test_every_public_name_is_where_it_should_be():
    import dartsedu

    assert sorted(dartsedu.__all__) == sorted(dartsedu._MODULE)
    for name in dartsedu.__all__:
        assert getattr(dartsedu, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = dartsedu.nothing
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert dartsedu.__version__ == project["version"]


def test_pictures_in_documents_have_alternative_text():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "notebooks").glob("*.md")]
    for page in pages:
        for alt in re.findall(r"!\[([^\]]*)\]", page.read_text()):
            assert len(alt.split()) >= 4 or alt == "Binder", page


def test_notebooks_are_committed_executed_and_their_pictures_described():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            if cell["cell_type"] == "code":
                assert cell["execution_count"], path
                for output in cell["outputs"]:
                    assert output["output_type"] != "error"
                    if "image/png" in output.get("data", {}):
                        assert len(output["metadata"]["image/png"]["alt"].split()) >= 8
                    page = "".join(output.get("data", {}).get("text/html", ""))
                    for alt in re.findall(r'<img[^>]* alt="([^"]*)"', page):
                        assert len(alt.split()) >= 8, (path, alt)
                        assert f"<figcaption>{alt}" in page, path


def test_readme_python_runs():
    """The first example of the README, cut to two steps."""
    text = (ROOT / "README.md").read_text()
    code = re.search(r"## In Python\n\n```python\n(.*?)```", text, re.DOTALL)[1]
    code = code.replace('load_preset("classroom").search)', "settings)").replace(
        "for step",
        "settings = load_preset('classroom', ['search.epochs=1', "
        "'search.batch_size=500']).search\nfor step",
    )
    assert '"dartsedu genotype"' in python(code).stdout


def test_doctests():
    import doctest

    import dartsedu
    from dartsedu import presets, topology
    from dartsedu.spaces import cnn, rnn

    for module in (dartsedu, presets, topology, cnn.official, rnn.official):
        results = doctest.testmod(module)
        assert results.attempted, module
        assert not results.failed, module


def test_continuous_integration_runs_make_test():
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "make test"
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert workflow["jobs"]["test"]["steps"][-1]["run"] == ".ci/run"
