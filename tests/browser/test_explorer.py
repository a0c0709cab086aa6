"""The explorer of the lessons in JupyterLab: keys, menu, dark theme."""

from playwright.sync_api import expect

GAME = "from dartsedu.lessons import bilevel\nbilevel.game_explorer()"


def test_sliders_ask_the_kernel_and_keep_their_keys(notebook, screenshot):
    book = notebook(GAME, "1 + 1")
    page = book.page
    book.run_all()
    explorer = page.get_by_role("group", name="The game of α and w")
    expect(explorer).to_be_visible(timeout=60_000)
    cells = book.cells()

    xi = explorer.get_by_role("slider", name="ξ", exact=True)
    xi.focus()
    for _ in range(5):
        xi.press("ArrowRight")
    expect(xi).to_have_attribute("aria-valuetext", "0.5")
    expect(explorer.locator("output")).to_contain_text("ξ = 0.5: α = 1.000, w = 1.000")
    for key in "ddb":  # would delete and insert cells
        xi.press(key)
    assert book.cells() == cells

    explorer.get_by_role("combobox", name="closed form").select_option(label="show")
    expect(explorer.get_by_text("2 / (1 + 2ξ)")).to_be_visible()
    book.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_timeout(1500)
    screenshot(page, "dark")
