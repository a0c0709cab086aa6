"""The explorers of lesson 04 in JupyterLab: a cell that flips under the student's hand."""

from playwright.sync_api import expect

expect.set_options(timeout=30_000)

NODE = """from dartsedu.lessons import discretisation
discretisation.node_explorer(discretisation.node_alpha())"""
RULES = "discretisation.rules_explorer(discretisation.node_alpha())"


def test_the_cell_flips_and_says_so(notebook, screenshot):
    book = notebook(NODE, RULES)
    page = book.page
    book.run_all()
    node = page.get_by_role("group", name="Which edges does node 1 keep?")
    rules = page.get_by_role("group", name="Six rules, one α")
    expect(rules).to_be_visible(timeout=90_000)  # From here on the kernel is free for the sliders.
    words = node.locator("output")
    expect(words).to_contain_text("Kept: sep 3×3 of 0 and skip of cₖ₋₁")
    assert node.locator("figure").nth(1).locator(".dartsedu-axes").count() == 0

    none = node.get_by_role("slider", name="α none")
    none.focus()
    for _ in range(3):
        none.press("ArrowLeft")
    expect(none).to_have_attribute("aria-valuetext", "2.3")
    expect(words).to_contain_text("Kept: sep 3×3 of 0 and sep 3×3 of cₖ₋₂")

    expect(rules.locator("output")).to_contain_text("6 different nodes")
    rules.get_by_role("slider").press("Home")
    expect(rules.locator("output")).to_contain_text("4 different nodes")
    screenshot(page, "flipped")
