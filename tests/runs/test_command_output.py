"""What the command reads and writes outside ASCII, and how it ends."""

import errno
import os
import signal
import subprocess
import sys

import pytest

import dartsedu.runs.cli as cli
from dartsedu.presets import load_preset
from dartsedu.runs.folder import Run
from dartsedu.runs.requests import table_settings
from dartsedu.settings import SettingsError

TINY = ["search.epochs=1", "supernet.nodes=1", "supernet.restarts=2", "train.random_restarts=0"]
TINY += ["task.rows=30", "train.formulas=1", 'supernet.primitives=["none", "linear"]']


def sets(*texts):
    return [part for text in texts for part in ("--set", text)]


def dartsedu(*arguments):
    """Run the command in this process: its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["dartsedu", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            cli.main()
    return done.value.code or 0


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1"])
def test_any_encoding_can_be_written_to(encoding, tmp_path):
    """Help, settings, a genotype and a search with its report, where α cannot be written."""
    script = (
        "import sys\n"
        "from dartsedu.runs.cli import main\n"
        "for arguments in ASKED:\n"
        "    sys.argv = ['dartsedu', *arguments]\n"
        "    try:\n"
        "        main()\n"
        "    except SystemExit as done:\n"
        "        assert not done.code, arguments\n"
    )
    asked = [
        ["search", "--help"],
        ["--help"],
        ["show", "rnn-paper"],
        ["show", "darts-v2"],
        ["search", "--task", "weber-fechner", "--out", str(tmp_path / "α run"), *sets(*TINY)],
        ["show", str(tmp_path / "α run")],
    ]
    script = script.replace("ASKED", repr(asked))
    done = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", script],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode(encoding)
    said = done.stdout.decode(encoding)
    assert "alpha" in said
    assert "report: " in said
    assert (tmp_path / "α run" / "report.html").exists()


NAMES = ["😀", "𝑇", "y\u2028z", 'say "y"', "back\\slash", "{y}", "[1, 2]", "none", "3", "a = b"]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_columns_are_names_whatever_they_look_like(name, tmp_path):
    """They reach the settings as they were given: nothing of them is read as TOML or JSON."""
    settings = load_preset(
        "equation",
        [("task.name", "csv"), ("task.target", name), ("task.variables", [name, "x"])],
    )
    assert settings.task.target == name
    assert settings.task.variables == (name, "x")
    table = table_settings(None, tmp_path / f"{name.replace('/', '')}.csv", name, f"{name},x")
    chosen = load_preset("equation", [("task.name", "csv"), *table]).task
    assert chosen.target == name
    assert chosen.path == str((tmp_path / f"{name}.csv").resolve())
    assert chosen.variables == tuple(part.strip() for part in f"{name},x".split(","))


@pytest.mark.parametrize("part", ["--data", "--target", "--variables"])
def test_names_that_are_no_unicode_are_refused(part, tmp_path, capsys):
    given = {"--data": tmp_path / "table.csv", "--target": "y", "--variables": "x"}
    given[part] = f"{given[part]}\udcff"
    assert dartsedu("search", *[a for pair in given.items() for a in pair]) == 2
    assert f"{part} " in capsys.readouterr().err


def test_a_folder_that_is_no_unicode_is_refused(tmp_path, capsys):
    assert dartsedu("search", "--out", f"{tmp_path}/\udcff") == 2
    assert "no UTF-8" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("search.epochs=" + "9" * 5000, "search.epochs cannot be read"),
        ("search.epochs=" + "9" * 200_000, "has 200000 characters"),
        ("search.epochs=" + "9" * 100, "search.epochs"),
        ("search.epochs=10000000", "less than or equal to 1000000"),
        ("supernet.primitives=" + "[" * 50_000, "supernet.primitives cannot be read"),
        ("supernet.primitives=" + "[" * 500 + "]" * 500, "supernet.primitives"),
        ("supernet.primitives=" + str([1] * 20_000), "supernet.primitives"),
        ("supernet.channels=3\nx=4", "supernet.channels"),
        ("supernet.channels=1979-05-27", "supernet.channels"),
        ("supernet.channels={a=1}", "supernet.channels"),
        ("threads=100000", "less than or equal to 1024"),
        ("search.weights_steps=1000000", "less than or equal to 10000"),
        ("a." * 5000 + "b=1", "is not a setting"),
        ("\udcff=1", "is not a setting"),
        ("search.rule=\udcff", "unknown derivation rule"),
    ],
    ids=lambda value: value[:30].encode("ascii", "replace").decode(),
)
def test_odd_settings_are_explained_in_few_lines(text, words):
    with pytest.raises(SettingsError) as refused:
        load_preset("classroom", [text])
    assert words in str(refused.value)
    assert len(str(refused.value)) < 5000


def test_home_is_where_the_user_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert dartsedu("search", "--task", "weber-fechner", "--out=~/x", *sets(*TINY)) == 0
    assert [p.name for p in tmp_path.iterdir()] == ["home"]
    for command in ("show", "resume"):
        assert dartsedu(command, "~/x") == 0
    assert dartsedu("show", "darts-v1", "--out=~/cell.svg") == 0
    assert (tmp_path / "home" / "cell.svg").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "r/x"), "goes on with 'dartsedu resume"),
        (RuntimeError("unable to write to file </torch_123_4>"), "--set task.workers=0"),
        (RuntimeError("DataLoader worker is killed by signal: Bus error."), "task.workers=0"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9"), "too small"),
        (MemoryError(), "memory is too small"),
    ],
)
def test_what_the_machine_lacks_is_told(error, words, monkeypatch, capsys, tmp_path):
    def lack(*_, **__):
        raise error

    monkeypatch.setattr(Run, "begin_search", lack)
    assert dartsedu("search", "--out", tmp_path / "run") == 1
    assert words in capsys.readouterr().err


def test_a_fault_of_the_package_is_no_message(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise RuntimeError("shapes do not fit")

    monkeypatch.setattr(Run, "begin_search", fail)
    monkeypatch.setattr(sys, "argv", ["dartsedu", "search", "--out", str(tmp_path / "run")])
    with pytest.raises(RuntimeError, match="shapes"):
        cli.main()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_signal_while_python_ends_is_silent():
    script = (
        "import atexit, sys, time\n"
        "from dartsedu.runs.cli import main\n"
        "atexit.register(lambda: (print('ending', flush=True), time.sleep(30)))\n"
        "sys.argv = ['dartsedu', 'show', 'classroom']\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while process.stdout.readline().strip() != b"ending":
        pass
    process.terminate()
    assert process.communicate(timeout=30)[1] == b""
    assert process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)


def test_an_interrupt_before_the_work_ends_the_command_quietly(monkeypatch, capsys):
    def interrupted(stream):
        raise KeyboardInterrupt

    monkeypatch.setattr("dartsedu.runs.cli.writable", interrupted)
    assert dartsedu("show", "darts-v1") == 130
    assert capsys.readouterr() == ("", "")


def test_what_follows_a_search_is_shown(monkeypatch, tmp_path, capsys):
    """A search of equations tells of every formula it fits; a line where no bar can be."""
    said = []
    monkeypatch.setattr("dartsedu.runs.terminal.LINE_EVERY", 0.0)
    run = Run.create(tmp_path / "run", load_preset("equation", [*TINY, "train.formulas=2"]), 0)
    search = run.begin_search("cpu")
    list(run.follow_search(search))
    run.end_search(search, lambda *progress: said.append(progress))
    assert said[-1][0].endswith("fitting constants to all rows")
    assert said[0][0] == "writing equations"
    assert ("writing equations, 1 forms tried", 0, said[0][2]) in said
    assert all(0 <= done <= total for _, done, total in said)
    assert any(done == total for _, done, total in said)
    assert dartsedu("search", "--task", "weber-fechner", "--out", tmp_path / "b", *sets(*TINY)) == 0
    out = capsys.readouterr().out
    assert "fitting constants to all rows: 1 of 1" in out
    assert "terms" not in out


def test_many_terms_are_told_before_the_search(tmp_path, capsys):
    """Twelve columns: a line says what follows, and how much it may be."""
    names = [f"w{i}" for i in range(12)]
    rows = [[(7 * i * j + i) % 11 for j in range(13)] for i in range(1, 21)]
    table = tmp_path / "t.csv"
    lines = [",".join(map(str, row)) for row in ([*names, "y"], *rows)]
    table.write_text("\n".join(lines) + "\n")
    given = ("--data", table, "--target", "y", "--out", tmp_path / "run")
    fast = ("train.formulas=1", "supernet.restarts=1", 'supernet.primitives=["none", "add"]')
    assert dartsedu("search", *given, *sets(*TINY, *fast, "supernet.nodes=2")) == 0
    assert "may have 32 terms here. To write one short, some 512 forms" in capsys.readouterr().out
