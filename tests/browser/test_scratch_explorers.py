"""The explorers of lesson 05 in JupyterLab: more networks, another comparison, the luckiest."""

import re

from playwright.sync_api import expect

CELL = "from dartsedu.lessons import scratch\nscratch.{}"


def test_networks_are_added_and_the_best_gets_luckier(notebook, screenshot):
    book = notebook(
        CELL.format("seeds_explorer(scratch.Record.load())"), CELL.format("best_explorer()")
    )
    page = book.page
    book.run_all()
    seeds = page.get_by_role("group", name="How many networks?")
    expect(seeds).to_be_visible(timeout=60_000)
    expect(seeds.locator("output")).to_contain_text("First 3 of each")
    count = seeds.get_by_role("slider", name="networks of each")
    count.focus()
    count.press("ArrowRight")
    expect(seeds.locator("output")).to_contain_text("First 4 of each")
    seeds.get_by_role("combobox", name="compare").select_option(label="8 − 4 epochs, pairs")
    expect(seeds.locator("output")).to_contain_text(re.compile("(holds|leaves out) zero"))
    screenshot(page, "seeds")

    best = page.get_by_role("group", name="The luck of the best")
    expect(best.locator("output")).to_contain_text("+0.00 points of luck")
    best.get_by_role("slider", name="candidates").press("End")
    expect(best.locator("output")).to_contain_text("The best of 50 cells")
    best.get_by_role("combobox", name="test images").select_option(label="10,000")
    expect(best.locator("output")).to_contain_text("10,000 images")
