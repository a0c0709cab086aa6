"""A recurrent search in JupyterLab, and an explorer of its lesson."""

import re

from playwright.sync_api import expect

SEARCH = """
from dartsedu import live
from dartsedu.lessons import recurrent as lesson
search = lesson.text_search(lesson.load_text("grammar"), 0)
run = live(search)
run
"""


def test_a_recurrent_search_shows_its_graph(notebook, screenshot):
    book = notebook(SEARCH, "run.start()", "lesson.memory_explorer()")
    page = book.page
    book.run_all()
    page.wait_for_function(
        "() => parseInt(document.querySelector('.dartsedu-progress-text')?.textContent) >= 3",
        timeout=90_000,
    )
    edges = page.get_by_role("radiogroup", name="recurrent cell, edges").get_by_role("radio")
    expect(edges).to_have_count(6)
    edges.first.focus()
    page.keyboard.press("ArrowRight")
    expect(edges.nth(1)).to_have_attribute("aria-checked", "true")
    expect(page.get_by_text(re.compile("recurrent cell, .*hₜ₋₁ → 2")).first).to_be_visible()
    page.locator(".dartsedu").get_by_role("button", name=re.compile(r"^\W*Stop$")).click()
    expect(page.get_by_role("status").first).to_have_text("Stopped", timeout=30_000)
    screenshot(page, "stopped")

    explorer = page.get_by_role("group", name="How long a state remembers")
    gate = explorer.get_by_role("slider", name="gate c")
    gate.focus()
    gate.press("ArrowLeft")
    expect(gate).to_have_attribute("aria-valuetext", "-0.25")
    expect(explorer.locator("output")).to_contain_text("σ(c) = 0.438")
