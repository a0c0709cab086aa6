"""The equation space through settings, a run's folder, the command line and the report."""

import json

import numpy as np
import pytest
from command import Page, dartsedu

from dartsedu.data.tasks import load_task
from dartsedu.derivation import derive
from dartsedu.genotype import Genotype
from dartsedu.presets import load_preset
from dartsedu.runs.folder import Run, RunError
from dartsedu.settings import SettingsError
from dartsedu.spaces.build import build_supernet
from dartsedu.spaces.equation import Equation
from dartsedu.stream.recording import Recording

QUICK = ("search.epochs=20", "supernet.restarts=16", "train.random_restarts=8", "train.formulas=2")


def quick(*more):
    return [part for change in (*QUICK, *more) for part in ("--set", change)]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV file of 60 rows: effect = 3 ln(dose) + noise; age does nothing."""
    generator = np.random.default_rng(0)
    dose, age = generator.uniform(0.5, 9, 60), generator.uniform(20, 80, 60)
    effect = 3 * np.log(dose) + 0.02 * generator.normal(size=60)
    lines = [f"{d},{a},{e}" for d, a, e in zip(dose, age, effect, strict=True)]
    path = tmp_path_factory.mktemp("table") / "own data.csv"
    path.write_text("\n".join(["dose,age,effect", *lines]) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "own"
    dartsedu("search", "--data", table, "--target", "effect", "--out", folder, *quick())
    return Run.open(folder)


def test_a_table_of_ones_own_gives_an_equation(run):
    findings = run.results().findings
    assert findings.truth is None
    assert "log(dose)" in findings.found[0].formula
    assert findings.found[0].test_error < 0.05
    assert findings.references["linear"] > findings.found[0].test_error
    assert list(findings.errors) == sorted(findings.errors)
    assert len(findings.random_errors) <= 8
    assert {name: len(values) for name, values in findings.predictions.items()} == {
        "weights": 24,
        "architecture": 18,
        "test": 18,
    }


def test_the_folder_holds_the_graph_the_numbers_and_the_search(run):
    equation = Equation.model_validate_json((run.folder / "equation.json").read_text())
    assert equation.variables == ("dose", "age")
    assert Genotype.load(run.genotype_path) == equation.genotype()
    recording = run.recording()
    assert len(recording.steps) == 20
    assert recording.steps[0].alphas["equation"].shape == recording.space.shape("equation")


def test_the_report_says_what_was_found_beside_what_it_is_compared_with(run):
    page = Page((run.folder / "report.html").read_text(encoding="utf-8"))
    text = " ".join(" ".join(page.words).split())
    assert "An equation found by differentiable architecture search" in text
    assert "log(dose)" in text
    assert "best of random graphs" in text
    assert "polynomial of degree 3" in text
    assert "train again" not in text
    assert {"law.svg", "restarts.svg", "genotype.svg"} <= {
        path.name for path in (run.folder / "pictures").iterdir()
    }
    assert all(image["alt"] for image in page.images)
    assert not page.open


def test_an_equation_is_not_trained_again(run, capsys):
    with pytest.raises(RunError, match="nothing to train"):
        run.candidates()
    dartsedu("train", run.folder, code=2)
    assert "nothing to train" in capsys.readouterr().err


def test_show_writes_the_formula(run, capsys):
    dartsedu("show", run.folder)
    said = capsys.readouterr().out
    assert "effect = " in said
    assert "log(dose)" in said


def test_a_law_by_name_is_recovered_or_not_and_says_so(tmp_path, capsys):
    dartsedu("search", "--task", "weber-fechner", "--out", tmp_path / "law", *quick("task.rows=80"))
    assert "the data came from" in capsys.readouterr().out
    findings = json.loads((tmp_path / "law" / "results.json").read_text())["findings"]
    assert findings["recovered"] in (True, False)
    assert findings["references"]["noise"] == pytest.approx(0.02, rel=1e-3)


def test_a_stopped_search_goes_on_bit_for_bit(tmp_path):
    def make(name):
        settings = load_preset("equation", [*QUICK, "task.rows=40"])
        return Run.create(tmp_path / name, settings, seed=3)

    whole = make("whole")
    search = whole.begin_search("cpu")
    for _ in whole.follow_search(search):
        pass
    whole.end_search(search)
    broken = make("broken")
    steps = broken.follow_search(broken.begin_search("cpu"))
    for _ in range(7):
        next(steps)
    steps.close()
    again = broken.begin_search("cpu")
    assert again.done == 7
    for _ in broken.follow_search(again):
        pass
    broken.end_search(again)
    for name in ("equation.json", "genotype.json", "results.json"):
        assert (whole.folder / name).read_bytes() == (broken.folder / name).read_bytes()
    alphas = [r.recording().alphas("equation") for r in (whole, broken)]
    np.testing.assert_array_equal(*alphas)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "effect"], "of --data FILE.csv"),
        (["--data", "{table}"], "needs --target"),
        (["--data", "{table}", "--target", "effect", "--task", "digits"], "drop --task digits"),
        (["--data", "{table}", "--target", "weight"], "no column 'weight'"),
        (["--data", "{table}", "--target", "effect", "--variables", "dose,sex"], "no column 'sex'"),
        (["--data", "{table}", "--target", "effect", "--variables", "age,age"], "named twice"),
        (["--task", "weber-fechner", "--set", "task.noise=1e300"], "less than or equal to 1000"),
        (["--task", "weber-fechner", "--set", "supernet.alpha_scale=1e300"], "or equal to 100"),
        (["--data", "nowhere.csv", "--target", "y"], "cannot read a table"),
        (["--data", "{table}", "--target", "effect", "--space", "cnn"], "drop --preset"),
        (
            ["--task", "weber-fechner", "--preset", "classroom"],
            "a table; use a preset for that, such as equation",
        ),
        (["--space", "rnn", "--preset", "equation"], "drop one of"),
        (["--task", "weber-fechner", "--set", "search.rule=paper"], "expected argmax"),
    ],
)
def test_what_cannot_be_searched_is_named(table, tmp_path, capsys, arguments, words):
    given = [argument.format(table=table) for argument in arguments]
    code = 1 if words.startswith(("no column", "cannot read")) else 2
    dartsedu("search", "--out", tmp_path / "run", *given, code=code)
    assert words in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "run").exists()


def test_a_table_that_changed_does_not_go_on_and_one_that_is_back_does(tmp_path, table, capsys):
    own, folder = tmp_path / "own.csv", tmp_path / "run"
    own.write_text(table.read_text())
    changes = (f"task.path={own}", "task.target=effect", "task.name=csv")
    run = Run.create(folder, load_preset("equation", [*QUICK, *changes]), seed=0)
    steps = run.follow_search(run.begin_search("cpu"))
    for _ in range(5):
        next(steps)
    steps.close()
    lines = [line.split(",") for line in table.read_text().splitlines()]
    lines[1:] = [[dose, age, str(-5 * float(effect))] for dose, age, effect in lines[1:]]
    own.write_text("\n".join(map(",".join, lines)))
    dartsedu("resume", folder, code=2)
    assert "the data has changed since" in capsys.readouterr().err
    own.write_text(table.read_text())
    dartsedu("resume", folder)
    assert Run.open(folder).genotype_path.exists()


def test_how_a_table_was_understood_is_said_in_a_line(tmp_path, table, capsys):
    numbered = tmp_path / "numbered.csv"
    header, *rows = table.read_text().splitlines()
    numbered.write_text(
        "\n".join(["," + header, *(f"{i},{row}" for i, row in enumerate(rows))]), encoding="utf-8"
    )
    given = ("--data", numbered, "--target", "effect", "--out", tmp_path / "run")
    dartsedu("search", *given, *quick("search.epochs=2"))
    said = capsys.readouterr().err
    assert said.startswith(f"dartsedu: the first column of {numbered}, without a name, counts")
    assert "TaskWarning" not in said
    assert Run.open(tmp_path / "run").task().variables == ("dose", "age")


def test_a_sigmoid_mixture_is_recorded_as_one(tmp_path):
    settings = load_preset("equation", [*QUICK, "supernet.relaxation=sigmoid", "task.rows=40"])
    run = Run.create(tmp_path / "run", settings, seed=0)
    search = run.begin_search("cpu")
    steps = list(run.follow_search(search))
    read = Recording.load(run.recording_path)
    assert read.space.relaxation == "sigmoid"
    for step, again in zip(steps, read.steps, strict=True):
        np.testing.assert_allclose(again.mixture["equation"], step.mixture["equation"], atol=1e-7)
        alpha = step.alphas["equation"]
        np.testing.assert_allclose(step.mixture["equation"], 1 / (1 + np.exp(-alpha)), atol=1e-6)


def test_the_rule_of_the_space_is_the_default():
    settings = load_preset("equation")
    supernet = build_supernet(settings, load_task("weber-fechner"), 0)
    alphas = {"equation": np.zeros(supernet.space.shape("equation"))}
    alphas["equation"][:, 0] = 1.0
    assert {e.primitive for _, e in derive(supernet.space, alphas).cells[0].edges} == {"none"}


def test_a_table_task_is_not_for_another_space():
    with pytest.raises(SettingsError, match="is images; use a preset for that"):
        load_preset("equation", ['task.name="digits"'])
    with pytest.raises(SettingsError, match="are of the task csv"):
        load_preset("equation", ['task.target="y"'])
