"""Where a cell stands among all, on an exported page in Chromium."""

import re

import numpy as np
from playwright.sync_api import expect
from scipy.special import softmax

from dartsedu.dashboard import compare
from dartsedu.derivation import derive
from dartsedu.stream.recording import Header, Recording
from dartsedu.stream.stream import Step
from dartsedu.truth import load_truth


def made_up(space, count, seed):
    random, steps = np.random.default_rng(seed), []
    alphas = {cell.name: np.zeros(space.shape(cell.name), "f4") for cell in space.cells}
    for index in range(count):
        alphas = {n: a + random.normal(0, 0.3, a.shape).astype("f4") for n, a in alphas.items()}
        mixture = {name: softmax(alpha, axis=1) for name, alpha in alphas.items()}
        both = {"weights": 2 / (index + 1), "architecture": 2.2 / (index + 1)}
        steps.append(Step(index, 0, both, both, {}, alphas, mixture))
    return Recording(Header(kind="search", total=count, seed=seed, space=space), tuple(steps))


def test_the_way_through_all_cells_goes_with_the_slider(browser, screenshot, tmp_path):
    truth = load_truth("bench-digits")
    one, other = (made_up(truth.space, 30, seed) for seed in (0, 1))
    pages = {
        "one": (compare({"": one}, "paper", truth=truth), 620),
        "two": (compare({"one": one, "other": other}, "paper", truth=truth), 760),
    }
    page = browser.new_page()
    page.set_viewport_size({"width": 1000, "height": 900})  # As beside JupyterLab's side bar.
    for name, (shown, most) in pages.items():
        path = shown.export_html(tmp_path / f"{name}.html")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.goto(path.as_uri())
            page.wait_for_selector(".dartsedu-here")
            page.wait_for_timeout(500)
            screenshot(page, f"{name}-{scheme}")
        assert page.locator(".dartsedu").evaluate("e => e.getBoundingClientRect().height") <= most
        slider = page.get_by_role("slider", name="history step")
        slider.focus()
        for key, step in (("Home", one.steps[0]), ("ArrowRight", one.steps[1])):
            slider.press(key)
            rank = truth.rank(derive(truth.space, step.alphas, "paper"))
            said = re.compile(rf"rank {rank:,} of 5,425 · true accuracy")
            expect(page.locator(".dartsedu-standing").first).to_have_text(said)
            field = page.get_by_role("img", name=re.compile("all 5,425 cells, true accuracy"))
            expect(field).to_have_attribute("aria-label", said)
    page.close()
