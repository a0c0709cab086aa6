"""The live view of a search for an equation: formula and curve move with α."""

import re

from playwright.sync_api import expect

SEARCH = """
from dartsedu import live, load_task
from dartsedu.lessons import equations
run = live(equations.equation_search(load_task("weber-fechner", noise=0.1, rows=60), epochs=30))
run
"""


def test_the_formula_is_written_out_and_follows_the_slider(notebook, screenshot):
    book = notebook(SEARCH, "await run.finished()\nprint(run.recording.steps[0].written)")
    page = book.page
    book.run_all()
    expect(page.get_by_role("status")).to_have_text("Finished", timeout=90_000)
    formula = page.locator(".dartsedu-formula")
    expect(formula).to_have_text(re.compile(r"^R = .*\d"))
    screenshot(page, "finished")
    slider = page.get_by_role("slider", name="history step")
    slider.press("Home")
    first = page.locator(".jp-OutputArea-output pre").last.inner_text().strip()
    expect(formula).to_have_text(first)
    # The columns' names stand everywhere, and the curve bends into the data.
    assert page.locator(".dartsedu-state-name").all_text_contents()[0] == "S"
    expect(page.locator(".dartsedu-data")).to_contain_text("R over S")
    curve = page.locator(".dartsedu-data .dartsedu-line").first
    at_the_start = curve.get_attribute("d")
    slider.press("End")
    expect(curve).not_to_have_attribute("d", at_the_start)
    book.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_timeout(1500)
    screenshot(page, "dark")
    book.command("apputils:change-theme", theme="JupyterLab Light")
