"""Drives a real JupyterLab with a real Chromium, for tests and ``benchmarks/live_view.py``."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import nbformat

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
KERNEL_IS_IDLE = """() => globalThis.jupyterapp?.shell.currentWidget?.sessionContext?.session
    ?.kernel?.status === "idle" """


def find_chromium():
    """The path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@contextmanager
def chromium(program, profile):
    """A window of Chromium with a profile of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        context = driver.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            args=OFFLINE,
            viewport={"width": 1400, "height": 1100},
        )
        yield context
        context.close()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def jupyterlab(folder, home, variables=()):
    """A JupyterLab on ``folder`` with settings of its own in ``home``; gives its address."""
    port, log = _free_port(), home / "lab.log"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *(f"--ServerApp.port={port}", "--ServerApp.ip=127.0.0.1"),
            *("--IdentityProvider.token=", f"--ServerApp.root_dir={folder}"),
            "--LabApp.expose_app_in_browser=True",
        ],
        env=os.environ
        | {"JUPYTER_CONFIG_DIR": str(home), "JUPYTERLAB_SETTINGS_DIR": str(home)}
        | dict(variables),
        stdout=log.open("wb"),
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
            raise RuntimeError(f"JupyterLab did not start; see {log}")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()


class Notebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page):
        self.page = page

    @classmethod
    def open(cls, browser, address, path, cells):
        """Write cells of code to ``path`` and open them, with the kernel idle."""
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        code = [nbformat.v4.new_code_cell(cell) for cell in cells]
        nbformat.write(nbformat.v4.new_notebook(cells=code, metadata=kernel), path)
        page = browser.new_page()
        for attempt in range(2):  # A cold start on a loaded machine may take very long once.
            page.goto(f"{address}/lab/tree/{path.name}?reset")
            try:
                page.wait_for_function(KERNEL_IS_IDLE, timeout=90_000)
                break
            except Exception:
                if attempt:
                    raise
        return cls(page)

    def command(self, name, **arguments):
        """Run one of JupyterLab's commands; not awaited, since some end with the last cell."""
        self.page.evaluate(
            f"() => {{ jupyterapp.commands.execute('{name}', {json.dumps(arguments)}) }}"
        )

    def run_all(self):
        self.command("notebook:run-all-cells")

    def run_cell(self, number):
        """Run one cell, the first being number 0, and wait until it is done."""
        cell = "jupyterapp.shell.currentWidget.content"
        self.page.evaluate(f"() => {{ {cell}.activeCellIndex = {number} }}")
        self.command("notebook:run-cell")
        self.page.wait_for_function(
            f"() => {cell}.widgets[{number}].model.executionCount", timeout=90_000
        )

    def restart(self):
        """Restart the kernel, without the question whether to."""
        self.page.evaluate(
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )

    def cells(self):
        return self.page.locator(".jp-Notebook .jp-Cell").count()

    def close(self):
        self.page.evaluate("() => { jupyterapp.serviceManager.sessions.shutdownAll() }")
        self.page.close()
