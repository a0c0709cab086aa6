"""The frame of the lessons: builder, checks, panels, explorer."""

import json
import re

import build_lessons
import nbformat
import numpy as np
import pytest
import torch
from traitlets import TraitError

from dartsedu.lessons.check import Open, Verdict, Wrong, ask, check, same
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.guess import Question, Quiz, predict
from dartsedu.lessons.panel import (
    Arrow,
    Bars,
    Dots,
    Line,
    Panel,
    Pixels,
    Scene,
    as_json,
    contours,
    draw,
)

SOURCE = """\
# %% [markdown]
# # 07 Doubling
#
# It is [`MixedOp`](dartsedu/relaxation.py:MixedOp), not
# [`forward`](dartsedu/relaxation.py:MixedOp.forward).

# %% tags=["exercise"]
def double(x):
    ...  # your code

# %% [markdown]
# <details>
# <summary>Hint 1</summary>
#
# Add it to itself.
#
# </details>

# %% tags=["solution"]
def double(x):
    return x + x

# %%
double(4)
"""


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "07_doubling.py"
    path.write_text(SOURCE)
    return path


def test_a_source_becomes_a_notebook(source):
    learner = build_lessons.lesson(source)
    nbformat.validate(learner)
    assert [cell.cell_type for cell in learner.cells] == ["markdown", "code", "markdown", "code"]
    assert "your code" in learner.cells[1].source
    hints = learner.cells[2].source
    assert hints.index("Hint 1") < hints.index("<summary>Solution</summary>")
    assert "\n\n```python\ndef double(x):\n    return x + x\n```\n\n</details>" in hints
    assert learner.cells[1].metadata == {"tags": ["exercise"]}
    solved = build_lessons.lesson(source, solved=True)
    assert solved.cells[1].source == "def double(x):\n    return x + x"


def test_links_lead_to_the_line_of_the_definition(source):
    text = build_lessons.lesson(source).cells[0].source
    lines = (build_lessons.ROOT / "dartsedu/relaxation.py").read_text().splitlines()
    at = [int(part.split(")")[0]) for part in text.split("relaxation.py#L")[1:]]
    assert lines[at[0] - 1].startswith("class MixedOp")
    assert lines[at[1] - 1].strip().startswith("def forward")
    assert at[1] > at[0]


def test_mistakes_in_a_source_are_named(source):
    source.write_text(SOURCE.replace("MixedOp.forward", "MixedOp.backward"))
    with pytest.raises(ValueError, match=r"relaxation.py defines no MixedOp.backward"):
        build_lessons.lesson(source)
    source.write_text(SOURCE.replace('tags=["solution"]', ""))
    with pytest.raises(ValueError, match="an exercise has no solution"):
        build_lessons.lesson(source)
    source.write_text(SOURCE.replace('tags=["exercise"]', ""))
    with pytest.raises(ValueError, match="follows an exercise"):
        build_lessons.lesson(source)


def test_outputs_are_kept_only_for_the_same_code(source):
    earlier, later = build_lessons.lesson(source), build_lessons.lesson(source)
    earlier.cells[3].execution_count = 5
    build_lessons.keep_outputs(later, earlier)
    assert later.cells[3].execution_count == 5
    earlier.cells[3].source += "0"
    with pytest.raises(ValueError, match="the code has changed"):
        build_lessons.keep_outputs(later, earlier)


def test_a_picture_whose_page_is_kept_is_kept_once():
    cell = nbformat.v4.new_code_cell()
    both = {"image/png": "iVBOR", "text/html": "<figure></figure>"}
    cell.outputs = [
        nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": "x"}})
        for data in (both, {"image/png": "iVBOR"})
    ]
    build_lessons.show_once(nbformat.v4.new_notebook(cells=[cell]))
    assert [list(output.data) for output in cell.outputs] == [["text/html"], ["image/png"]]


# ---- Checks -------------------------------------------------------------------------------------


@check
def check_double(answer):
    same(
        ask(answer, torch.tensor([1.0, 3.0])),
        torch.tensor([2.0, 6.0]),
        "double([1, 3])",
        {"you squared instead": torch.tensor([1.0, 9.0])},
    )
    return "it doubles."


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (lambda x: None, "open", "Replace the dots"),
        (lambda x: ..., "open", "Replace the dots"),
        (lambda x: 2 * x, "right", "it doubles"),
        (lambda x: x**2, "wrong", "you squared instead"),
        (lambda x: 2 * x + 1, "wrong", "is 3; expected 2"),
        (lambda x: x.sum(), "wrong", r"shape (); expected (2,)"),
        (lambda x: "six", "wrong", "is a str"),
        (lambda x: x / 0 * 0, "wrong", "nan"),
        (lambda x: x.nonsense, "wrong", "AttributeError"),
    ],
)
def test_a_check_says_what_is_wrong(answer, status, words):
    verdict = check_double(answer)
    assert verdict.status == status
    assert words in repr(verdict)


def test_an_unfinished_answer_may_raise():
    def unfinished(x):
        raise NotImplementedError

    assert check_double(unfinished).status == "open"


def test_a_defect_of_a_check_is_not_taken_for_a_wrong_answer():
    @check
    def broken(answer):
        raise KeyError("mine")

    with pytest.raises(KeyError):
        broken(None)
    assert issubclass(Open, Exception)
    assert issubclass(Wrong, Exception)


# ---- Panels and explorer ------------------------------------------------------------------------


def scene(a=1.0, kind="line"):
    x = np.linspace(0, 1, 5)
    marks = [
        Line(x, a * x, "#a90fe8", kind),
        Dots([0.5], [a / 2], "#089aaa", label="here"),
        Arrow((0, 0), (1, a), "#c08a08", "slope"),
    ]
    return Scene(
        [
            Panel("curve", marks, "x", "y", (0, 1), (0, 2)),
            Panel(
                "logs", [Line([1e-3, 1], [1, 10], "#4c7655")], "ε", "e", (1e-3, 1), (1, 10), "xy"
            ),
            Panel("bars", [Bars(["one", "two"], [a, -0.5], ["#a90fe8", "#089aaa"])], xlim=(-1, 1)),
            Panel("image", [Pixels(np.eye(3), 0, 1)]),
        ],
        f"The slope is {a}.",
    )


def test_a_scene_is_plain_json_and_a_picture():
    data = json.loads(json.dumps(as_json(scene()), allow_nan=False))
    curve, logs, bars, image = data["panels"]
    assert curve["marks"][0]["y"] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (curve["marks"][2]["x"], curve["marks"][2]["y"]) == ([0.0, 1.0], [0.0, 1.0])
    assert logs["xaxis"]["ends"] == [-3.0, 0.0]
    assert logs["xaxis"]["ticks"][0][1] == "10⁻³"
    assert bars["marks"][0]["values"] == [1.0, -0.5]
    assert image["marks"][0]["colours"][0][0] == "#fee838"
    picture = draw(scene())
    assert picture.alt == "The slope is 1.0."
    assert picture.render("png").startswith(b"\x89PNG")


def test_an_axis_may_name_its_ticks_or_have_none():
    named = {"x": [(1, "one"), (2, "two")], "y": []}
    panel = Panel("", [Dots([1, 2], [0.3, 0.6], "ink")], "x", "y", (0, 3), (0, 1), ticks=named)
    (drawn,) = as_json(Scene([panel], "Two dots."))["panels"]
    assert drawn["xaxis"]["ticks"] == [(1, "one"), (2, "two")]
    assert drawn["yaxis"]["ticks"] == []
    (axes,) = draw(Scene([panel], "Two dots.")).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == ["one", "two"]
    assert list(axes.get_yticks()) == []


def test_contours_lie_on_their_level():
    x = y = np.linspace(-1, 1, 41)
    lines = contours(x, y, x[None] ** 2 + y[:, None] ** 2, [0.25], "#000000")
    radius = np.hypot(lines[0].x, lines[0].y)
    assert radius == pytest.approx(0.5, abs=2e-3)


def test_an_explorer_shows_what_its_function_gives():
    explorer = Explorer(
        "Slopes",
        scene,
        a=Control("slope", [0.0, 1.0, 2.0], 1.0),
        kind=Control("kind", ["p", "q"], "q"),
    )
    assert explorer.scene["text"] == "The slope is 1.0."
    assert explorer.places == {"a": 1, "kind": 1}
    explorer.places = {"a": 2, "kind": 0}  # as the browser sets it
    assert explorer.scene["text"] == "The slope is 2.0."
    assert explorer.scene["panels"][0]["marks"][0]["name"] == "p"
    explorer.set(a=0.0)
    assert explorer.scene["text"] == "The slope is 0.0."


def test_an_explorer_takes_no_nonsense():
    explorer = Explorer("Slopes", scene, a=Control("slope", [0.0, 1.0], 1.0))
    for places in ({"a": 7}, {"a": "x"}, {"b": 1}, {"a": -1}):
        explorer.places = places
        assert explorer.places == {"a": 1}
    with pytest.raises(TraitError):
        explorer.places = 5
    with pytest.raises(ValueError, match="start 3 is not one of"):
        Explorer("Slopes", scene, a=Control("slope", [0.0, 1.0], 3))


def test_an_explorer_is_a_page_for_readers_without_a_kernel():
    explorer = Explorer("Slopes", scene, a=Control("slope", [0.0, 1.0, 2.0], 1.0))
    bundle, _ = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == "Explorer: Slopes"
    assert build_lessons.VIEW in bundle
    page = bundle["text/html"]
    assert 'alt="The slope is 1.0."' in page
    assert "<figcaption>The slope is 1.0. Run this cell" in page
    traits = re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1]
    grid = json.loads(traits)["grid"]
    for place, a in enumerate((0.0, 1.0, 2.0)):
        kept = grid["scenes"][str(place)]
        frames = [
            {**grid["frames"][f], "marks": [grid["marks"][m] for m in marks]}
            for f, marks in kept["panels"]
        ]
        assert {"text": kept["text"], "panels": frames} == json.loads(json.dumps(as_json(scene(a))))
    assert len(grid["frames"]) == 4


def test_an_explorer_of_too_many_scenes_says_that_it_asks():
    values = list(range(30))
    many = {"a": Control("a", values, 0), "kind": Control("b", [f"k{v}" for v in values], "k0")}
    explorer = Explorer("Slopes", scene, **many)
    assert not explorer.alone
    explorer._carry()
    assert explorer.grid == {}
    assert Explorer("Slopes", scene, **many).in_browser("softmax", x=1).alone


# ---- Guesses and quizzes ------------------------------------------------------------------------


def test_a_guess_folds_its_result_without_a_script():
    page = predict("How many `edges`?", 5.0, scene(), unit=" edges")._repr_html_()
    assert "<code>edges</code>" in page
    fold = page.split("<details>")[1].split("</details>")[0]
    assert "<strong>5 edges</strong>" in fold
    assert 'alt="The slope is 1.0."' in fold
    assert repr(predict("Why?", "a", among=["a", "b"])) == "Your guess first: Why?"


def test_a_guess_may_be_drawn():
    line = Line(np.linspace(0, 1, 101), np.linspace(0, 2, 101), "#a90fe8", "the share")
    axes = Panel("share", [Dots([0.0], [0.0], "ink")], "step", "share", (0, 1), (0, 2))
    drawn = predict("How will it go?", line, panel=axes)
    assert drawn.spec["x"][-1] == 1.0
    assert len(drawn.spec["x"]) == len(drawn.spec["answer"]) == 24
    assert "the share: from 0 at the left to 2" in drawn._repr_html_()


@pytest.mark.parametrize(
    ("answer", "more", "words"),
    [
        ("c", {"among": ["a", "b"]}, "not among the choices"),
        (Line([0, 1], [0, 1], "ink"), {}, "needs axes"),
    ],
)
def test_a_guess_that_cannot_be_asked_is_refused(answer, more, words):
    with pytest.raises(ValueError, match=words):
        predict("?", answer, **more)


def test_every_answer_of_a_quiz_says_what_is_with_it():
    wrong = {"A number": "It has no digit.", "<b>": "No tag."}
    quiz = Quiz([Question("What is `x`?", "A letter", "It is one.", wrong)])
    page = quiz._repr_html_()
    assert page.count("<details") == 3
    assert page.count('<details class="dartsedu-right">') == 1
    assert re.search(r"A letter</summary>\s*<p>✔ Right. It is one", page)
    assert "<summary>&lt;b&gt;</summary>" in page
    assert repr(quiz) == "A quiz of 1 questions."
    assert quiz._repr_html_() == page


def test_a_verdict_has_its_colour():
    assert "✔" in check_double(lambda x: 2 * x)._repr_html_()
    assert "&lt;" in Verdict("wrong", "a < b")._repr_html_()
