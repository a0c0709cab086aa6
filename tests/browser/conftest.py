"""A JupyterLab and a Chromium for the few things that only they can show."""

import os
from pathlib import Path

import pytest
from lab import BROWSERS, Notebook, chromium, find_chromium, jupyterlab

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A Chromium, closed with the module since it keeps an event loop. Skips without, not in CI."""
    program = find_chromium()
    if program is None:
        message = f"no browser: install one of {', '.join(BROWSERS)} (Debian: apt install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with chromium(program, tmp_path_factory.mktemp("profile")) as context:
        yield context


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab on an empty folder, and the folder."""
    folder = tmp_path_factory.mktemp("notebooks")
    with jupyterlab(folder, tmp_path_factory.mktemp("settings")) as address:
        yield address, folder


@pytest.fixture
def screenshot(request):
    """Takes a picture of a page into ``build/screenshots``: look at them."""

    def take(page, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{request.node.name.removeprefix('test_')}-{name}.png")

    return take


@pytest.fixture
def notebook(browser, server, screenshot):
    """Opens cells of code as a notebook in JupyterLab, with its kernel idle."""
    address, folder = server
    books = []

    def open_notebook(*cells):
        path = folder / f"test{len(list(folder.glob('*.ipynb')))}.ipynb"
        books.append(Notebook.open(browser, address, path, cells))
        return books[-1]

    yield open_notebook
    for book in books:
        screenshot(book.page, "end")
        book.close()
