"""A real JupyterLab and a real Chromium, for the few things that only they can show.

Screenshots go to ``build/screenshots``: look at them.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OFFLINE = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium():
    """The path of a Chromium; without one the tests are skipped, but not in CI."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        message = f"no browser: install one of {', '.join(BROWSERS)} (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def browser(chromium, tmp_path_factory):
    """A Chromium with a profile of its own."""
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=chromium,
            args=OFFLINE,
            viewport={"width": 1400, "height": 1100},
        )
        yield context
        context.close()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of a JupyterLab on an empty folder, and the folder."""
    folder = tmp_path_factory.mktemp("lab")
    port = free_port()
    home = tmp_path_factory.mktemp("jupyter")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"),
            *("--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"),
            "--LabApp.expose_app_in_browser=True",
        ],
        env=os.environ | {"JUPYTER_CONFIG_DIR": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home)},
        stdout=(folder.parent / "lab.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api/status", timeout=5).close()
                break
            except OSError:
                time.sleep(0.5)
        else:
            pytest.fail(f"JupyterLab did not start; see {folder.parent / 'lab.log'}")
        yield address, folder
    finally:
        process.terminate()
        process.wait(30)


KERNEL_IS_IDLE = """() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session
    ?.kernel?.status === "idle" """


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, path):
        self.page = page
        self.path = path

    def run_all(self):
        # Not awaited: the command ends with the last cell.
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")

    def command(self, name, **arguments):
        self.page.evaluate(f"() => jupyterapp.commands.execute('{name}', {json.dumps(arguments)})")

    def cells(self):
        return self.page.locator(".jp-Notebook .jp-Cell").count()

    def outputs(self):
        """The texts that the cells have printed, a text for each code cell."""
        self.command("docmanager:save")
        self.page.wait_for_timeout(1000)
        saved = nbformat.read(self.path, 4)
        return ["".join(o.get("text", "") for o in c.outputs) for c in saved.cells]

    def screenshot(self, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png")


@pytest.fixture
def notebook(browser, server, request):
    """Opens cells of code as a notebook in JupyterLab, with its kernel idle."""
    address, folder = server
    pages = []

    def open_notebook(*cells, name="test"):
        path = folder / f"{name}.ipynb"
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        new = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel
        )
        nbformat.write(new, path)
        page = browser.new_page()
        page.on("pageerror", lambda error: print("page error:", error))
        page.on("console", lambda message: print(f"console {message.type}:", message.text))
        pages.append(page)
        for attempt in range(2):  # A cold start on a loaded machine may take very long once.
            page.goto(f"{address}/lab/tree/{path.name}?reset")
            try:
                page.wait_for_function(KERNEL_IS_IDLE, timeout=90_000)
                break
            except Exception:
                if attempt:
                    raise
        return Notebook(page, path)

    yield open_notebook
    for page in pages:
        Notebook(page, None).screenshot(f"{request.node.name}-end")
        page.evaluate("() => jupyterapp.serviceManager.sessions.shutdownAll()")
        page.close()
