"""The live view and the lessons' explorer in JupyterLab, as a student meets them."""

import re

import numpy as np
from playwright.sync_api import expect
from scipy.special import softmax

from dartsedu.dashboard import compare
from dartsedu.spaces.cnn import cnn_space
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step

SEARCH = """
import torch
from dartsedu import CNNSupernet, Search, cnn_space, live, load_preset, load_task
torch.manual_seed(0)
supernet = CNNSupernet(cnn_space(nodes=2), image_channels=1, channels=4, cells=3)
settings = load_preset("classroom", ["search.epochs=200"]).search
search = Search(supernet, load_task("digits"), settings)
run = live(search)
run
"""

GAME = "from dartsedu.lessons import bilevel\nbilevel.game_explorer()"


expect.set_options(timeout=30_000)


def steps_done(page):
    text = page.locator(".dartsedu-progress-text").inner_text()
    return int(re.match(r"(\d+)", text)[1]) if text else 0


def wait_for_steps(page, count):
    page.wait_for_function(
        "n => parseInt(document.querySelector('.dartsedu-progress-text')?.textContent) >= n",
        arg=count,
        timeout=60_000,
    )


def button(page, name):
    return page.locator(".dartsedu").get_by_role("button", name=re.compile(rf"^\W*{name}$"))


def test_play_pause_step_scrub_reload_and_stop(notebook, screenshot):
    book = notebook(SEARCH, "await run.finished()\nprint(run.state, len(run.recording.steps))")
    page = book.page
    book.run_all()  # The second cell waits, and the buttons stay alive.
    wait_for_steps(page, 12)

    before = steps_done(page)
    button(page, "Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    paused = steps_done(page)
    page.wait_for_timeout(800)
    assert steps_done(page) == paused
    assert paused >= before

    button(page, "Step").click()
    wait_for_steps(page, paused + 1)
    page.wait_for_timeout(800)
    assert steps_done(page) == paused + 1
    screenshot(page, "paused")

    slider = page.get_by_role("slider", name="history step")
    slider.focus()
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", f"step 1 of {paused + 1}")
    expect(button(page, "Live")).to_have_attribute("aria-pressed", "false")
    button(page, "Live").click()
    expect(slider).to_have_attribute("aria-valuetext", f"step {paused + 1} of {paused + 1}")

    button(page, r"What if I stopped now\?").click()
    expect(page.get_by_text("Discretisation gap")).to_be_visible(timeout=30_000)
    screenshot(page, "stopped-now")

    book.command("docmanager:save")
    page.wait_for_timeout(1500)
    button(page, "Play").click()
    wait_for_steps(page, paused + 4)
    page.reload()
    page.wait_for_selector(".dartsedu", timeout=90_000)
    wait_for_steps(page, paused + 6)
    slider = page.get_by_role("slider", name="history step")
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"step 1 of"))
    button(page, "Stop").click()
    expect(page.get_by_role("status")).to_have_text("Stopped")
    screenshot(page, "after-reload")


def test_keyboard_edge_panel_and_dark_theme(notebook, screenshot):
    book = notebook(SEARCH, "run.start()", "run")  # Two views of one run.
    page = book.page
    book.run_all()
    wait_for_steps(page, 5)
    cells = book.cells()

    edges = page.get_by_role("radiogroup", name="normal cell, edges").first.get_by_role("radio")
    edges.first.focus()
    page.keyboard.press("ArrowRight")
    expect(edges.nth(1)).to_be_focused()
    expect(edges.nth(1)).to_have_attribute("aria-checked", "true")
    expect(page.get_by_text(re.compile("normal cell, cₖ₋₁ → 0")).first).to_be_visible()
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.keyboard.press("b")
    button(page, "Step").first.focus()
    page.keyboard.press("d")
    page.keyboard.press("d")
    page.keyboard.press("b")
    assert book.cells() == cells

    button(page, "Pause").first.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("status").first).to_have_text("Paused")
    screenshot(page, "light")
    book.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_timeout(1500)
    screenshot(page, "dark")
    paper = page.locator(".dartsedu").first.evaluate("e => getComputedStyle(e).backgroundColor")
    assert paper == "rgb(17, 17, 17)"
    book.command("apputils:change-theme", theme="JupyterLab Light")


LESSON = """
run = live(search, speed=12, measure_gap=10)
run
"""


def widget_height(page):
    return page.locator(".dartsedu").last.evaluate("e => e.getBoundingClientRect().height")


def fonts(page):
    """The sizes of all words in the last view."""
    return page.locator(".dartsedu").last.evaluate(
        """root => [...new Set([...root.querySelectorAll("*")]
          .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())
            && e.getClientRects().length && e.closest("h3") === null)
          .map(e => parseFloat(getComputedStyle(e).fontSize)))].sort((a, b) => a - b)"""
    )


def test_everything_that_a_class_sees_fits_on_one_screen(notebook, screenshot):
    search = SEARCH.replace("run = live(search)\nrun\n", LESSON)
    two = (
        "from dartsedu import compare\n"
        "steps = run.recording\n"
        'compare({"first order": steps, "other": type(steps)(steps.header, steps.steps[:6])})'
    )
    book = notebook(search, "run.start()", two)
    page = book.page
    page.set_viewport_size({"width": 1280, "height": 800})
    book.run_cell(0)
    page.wait_for_selector(".dartsedu")
    screenshot(page, "before-the-first-step")
    assert page.locator(".dartsedu-choice[data-kept=open]").count() == 10
    book.run_cell(1)
    wait_for_steps(page, 22)
    button(page, "Pause").click()
    expect(page.get_by_role("status")).to_have_text("Paused")
    button(page, r"What if I stopped now\?").click()
    expect(page.get_by_text("Discretisation gap")).to_be_visible(timeout=30_000)
    for width in (700, 1280, 1920):
        page.set_viewport_size({"width": width, "height": 800})
        page.wait_for_timeout(800)
        screenshot(page, f"{width}")
        sizes = fonts(page)
        assert min(sizes) >= 12, (width, sizes)
        assert max(sizes) <= 18, (width, sizes)
        if width == 1280:
            assert widget_height(page) <= 620
    page.set_viewport_size({"width": 1280, "height": 800})
    book.command("apputils:change-theme", theme="JupyterLab Dark")
    page.wait_for_timeout(1500)
    screenshot(page, "dark")
    book.command("apputils:change-theme", theme="JupyterLab Light")
    book.run_cell(2)
    page.wait_for_function("() => document.querySelectorAll('.dartsedu').length === 2")
    expect(page.get_by_text("ended at step 6, shown as it was then")).to_be_visible()
    screenshot(page, "compared")
    assert widget_height(page) <= 760


def test_a_restarted_kernel_greys_the_view_out_and_says_why(notebook, screenshot):
    book = notebook(SEARCH, "run.start()")
    page = book.page
    book.run_all()
    wait_for_steps(page, 5)
    book.restart()
    expect(page.get_by_role("status")).to_contain_text("The kernel was restarted or shut down")
    assert page.locator(".dartsedu").evaluate("e => e.hasAttribute('data-gone')")
    slider = page.get_by_role("slider", name="history step")
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", re.compile("step 1 of"))
    screenshot(page, "gone")


def test_exported_page_needs_no_network_and_no_kernel(browser, screenshot, tmp_path):
    space = cnn_space(nodes=4)
    random, steps = np.random.default_rng(0), []
    alphas = {cell.name: np.zeros(space.shape(cell.name), "f4") for cell in space.cells}
    for index in range(40):
        alphas = {n: a + random.normal(0, 0.2, a.shape).astype("f4") for n, a in alphas.items()}
        mixture = {name: softmax(alpha, axis=1) for name, alpha in alphas.items()}
        both = {"weights": 2 / (index + 1), "architecture": 2.2 / (index + 1)}
        steps.append(Step(index, index // 10, both, {}, {}, alphas, mixture))
    recording = Recording(Header(kind="search", total=40, seed=0, space=space), tuple(steps))
    path = compare({"one": recording, "other": recording}).export_html(tmp_path / "replay.html")

    page, asked, problems = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: problems.append(error))
    page.emulate_media(color_scheme="dark")
    page.goto(path.as_uri())
    slider = page.get_by_role("slider", name="history step")
    slider.press("Home")
    expect(slider).to_have_attribute("aria-valuetext", "step 1 of 40")
    page.get_by_label("speed").select_option("50")
    button(page, "Play").click()
    expect(slider).to_have_attribute("aria-valuetext", "step 40 of 40")
    button(page, r"What if I stopped now\?").click()
    expect(page.get_by_text("was not measured in this run").first).to_be_visible()
    screenshot(page, "dark")
    assert asked == [path.as_uri()]
    assert problems == []
    page.close()


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
