"""A notebook with a live view, run without any front end."""

import subprocess
import sys
import time

import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbconvert import HTMLExporter

CELLS = (
    """\
import torch
from dartsedu import CNNSupernet, Search, cnn_space, live, load_preset, load_task, until
torch.manual_seed(0)
supernet = CNNSupernet(cnn_space(nodes=1), image_channels=1, channels=2, cells=3)
search = Search(supernet, load_task("digits"), load_preset("classroom").search)
run = live(search, until(search, lambda step: step.index == 5))""",
    "run",
    "await run.finished()",
    """\
last = run.recording.steps[-1]
print(run.state, last.index, round(last.loss["weights"], 4))""",
    "run.figure()",
)


def test_runs_compares_and_converts_without_a_front_end(tmp_path):
    path = tmp_path / "live.ipynb"
    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    nbformat.write(notebook, path)

    shown = notebook.cells[1].outputs[0].data
    assert "image/png" not in shown
    assert shown["application/vnd.jupyter.widget-view+json"]
    assert notebook.cells[2].outputs == []
    assert notebook.cells[3].outputs[0].text.startswith("finished 5 ")
    picture = notebook.cells[4].outputs[0]
    assert picture.metadata["image/png"]["alt"].startswith("6 steps; running means: loss")

    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert page.count('src="data:image/png') == 1

    strict = [sys.executable, "-m", "pytest", "--nbval", "--nbval-current-env", "-q", str(path)]
    done = subprocess.run(strict, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout


def test_an_interrupt_of_the_awaiting_cell_pauses_the_run_and_gives_the_cell_back():
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        setup = (
            CELLS[0]
            .replace("step.index == 5", "step.index == 10**6")
            .replace(
                'load_preset("classroom")', 'load_preset("classroom", ["search.epochs=10000"])'
            )
        )
        assert answered(client, setup, 60) == "ok"
        waiting = client.execute("await run.finished()")
        time.sleep(2)
        manager.interrupt_kernel()
        assert client.get_shell_msg(timeout=20)["parent_header"]["msg_id"] == waiting
        check = "import time; time.sleep(1); assert run.state == 'paused', run.state"
        assert answered(client, check, 20) == "ok"
        assert answered(client, "run.stop(); run.wait(20)", 30) == "ok"
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def answered(client, code, timeout):
    """Whether a cell ended well."""
    return client.execute_interactive(code, timeout=timeout)["content"]["status"]
