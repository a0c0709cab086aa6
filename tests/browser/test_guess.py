"""Guesses, quizzes and explorers in JupyterLab: they work, also when the kernel has gone."""

from playwright.sync_api import expect

expect.set_options(timeout=30_000)

GUESS = """from dartsedu.lessons.guess import predict
predict("How many edges?", 5, unit=" edges")"""
QUIZ = """from dartsedu.lessons import start_checks
start_checks.QUIZ"""
ARROWS = """from dartsedu.lessons import bilevel
bilevel.arrows_explorer()"""


def test_a_guess_a_quiz_and_an_explorer_need_no_kernel(notebook, screenshot):
    book = notebook(GUESS, QUIZ, ARROWS)
    page = book.page
    book.run_all()
    arrows = page.get_by_role("group", name="Two terms and their sum")
    expect(arrows).to_be_visible(timeout=120_000)
    page.evaluate("() => { jupyterapp.serviceManager.sessions.shutdownAll() }")

    guess = page.locator(".dartsedu-predict")
    expect(guess.get_by_text("Result:")).to_be_hidden()
    guess.get_by_role("spinbutton", name="your guess").fill("4")
    guess.get_by_role("spinbutton", name="your guess").press("Enter")
    expect(guess.locator("output")).to_have_text("You said 4 edges. It is 5 edges.")
    expect(guess.get_by_text("Result:")).to_be_visible()

    quiz = page.locator(".dartsedu-quiz")
    quiz.get_by_text("Two cells: a normal").focus()
    quiz.get_by_text("Two cells: a normal").press("Enter")
    expect(quiz.locator("output")).to_contain_text("1 of 3 right at the first try")

    slider = arrows.get_by_role("slider", name="ξ")
    slider.focus()
    slider.press("Home")
    expect(arrows.locator("output")).to_contain_text("−implicit")
    expect(slider).to_have_attribute("aria-valuetext", "0")
    expect(arrows.locator("output")).to_contain_text("w′ = -2.00")
    screenshot(page, "without-kernel")
