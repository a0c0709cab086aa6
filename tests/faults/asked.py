"""What somebody asks for: settings, command lines, names of columns."""

import json
from functools import cache
from pathlib import Path
from random import Random
from unittest import mock

import damage
import tiny
from campaign import Case, Refused, command, kind

from dartsedu.data.tasks import tasks
from dartsedu.presets import PRESETS, describe, load_preset, read_settings
from dartsedu.runs import cli

# ---- Settings -----------------------------------------------------------------------------------


@kind(small=1000)
def settings(case: Case) -> None:
    """Settings with a field replaced are valid and can be written and read, or are refused."""
    preset = case.draw.choice(PRESETS)
    changes = [_change(case.draw, preset) for _ in range(case.draw.choice((1, 1, 2)))]
    found = load_preset(preset, changes)
    assert read_settings(found.model_dump_json()) == found
    assert describe(found)


@kind(small=25)
def settings_searched(case: Case) -> None:
    """Settings that are valid can be searched with and trained with, or are refused at once."""
    draw, folder = case.draw, case.folder / "run"
    space = draw.choice(tuple(tiny.PRESETS))
    fields = _fields(tiny.PRESETS[space])
    part = draw.choice(("task.", "supernet.", "search.", "train.", "threads"))
    field = draw.choice([name for name in fields if name.startswith(part)])
    change = f"{field}={draw.choice((damage.number(draw), draw.randint(1, 40)))}"
    command(*tiny.search(space, case.base), "--set", change, "--out", folder, seconds=1)
    if space != "equation" and (folder / "genotype.json").exists():
        command("train", folder, seconds=1)


@cache
def _fields(preset: str) -> tuple[str, ...]:
    return tuple(name for name, _, _ in describe(load_preset(preset)))


def _change(draw: Random, preset: str) -> str:
    field = draw.choice(_fields(preset))
    if draw.random() < 0.1:
        field = draw.choice((field.partition(".")[0], field + ".x", damage.word(draw), ""))
    value = draw.choice(
        (
            lambda: damage.number(draw),
            lambda: damage.number(draw),
            lambda: damage.word(draw),
            lambda: json.dumps([damage.word(draw)[:100] for _ in range(draw.choice((0, 1, 3)))]),
            lambda: "[" * draw.choice((1, 3000)),
            lambda: f"{{ x = {damage.number(draw)} }}",
        )
    )()
    return f"{field}{draw.choice(('=', '=', '=', '=', ' = ', '', '=='))}{value}"


# ---- Command lines ------------------------------------------------------------------------------


@kind(small=1000)
def command_lines(case: Case) -> None:
    """A command line is carried out up to the work itself, or refused before anything is made."""
    draw = case.draw
    (case.folder / "data.csv").write_text(tiny.table(Random(0)))
    (case.folder / "empty").mkdir()
    before = sorted(case.folder.rglob("*"))
    with (
        mock.patch.object(cli, "_search"),
        mock.patch.object(cli, "_train"),
        mock.patch.object(cli, "_report"),
    ):
        try:
            command(*_line(draw, case.base))
        except Refused as error:  # With code 1 a download may have been tried.
            if error.code == 2 and sorted(case.folder.rglob("*")) != before:
                raise AssertionError(f"exit code 2, but something was made: {error}") from None
            raise


def _line(draw: Random, materials: Path) -> list[str]:
    words = [
        draw.choice(("search", "search", "train", "resume", "show", "show", "bogus", "-h", ""))
    ]
    if words[0] in ("train", "resume", "show"):
        targets = ("darts-v2", "enas", "paper", "empty", "data.csv", "nothing", damage.word(draw))
        finished = [str(run) for run in tiny.runs(materials).values()]
        # A run that others stand on is looked at, no more.
        words.append(draw.choice((*targets, *finished) if words[0] == "show" else targets))
    options = (
        ("--preset", (*PRESETS, damage.word(draw))),
        ("--space", ("cnn", "rnn", "equation", "x")),
        ("--task", (*tasks(), damage.word(draw))),
        ("--data", ("data.csv", "data.csv", "nothing.csv", "empty", damage.word(draw))),
        ("--target", ("y", "y", "x", damage.word(draw))),
        ("--variables", ("x", "x,z", "x,x", "", ",", "x,y", damage.word(draw))),
        ("--seed", ("0", "7", damage.number(draw))),
        ("--device", ("cpu", "auto", "cuda", "gpu")),
        ("--out", ("out", "a/b/c", "empty", "data.csv", "data.csv/x", "x.svg", damage.word(draw))),
        ("--set", (_change(draw, draw.choice(PRESETS)),)),
        ("--help", ("",)),
        (damage.word(draw), ("",)),
    )
    table = draw.random() < 0.4
    if table:
        words += ["--data", "data.csv", "--target", "y"]
    for option, values in draw.sample(options, draw.choice((0, 1, 1, 2, 3))):
        words += [option, draw.choice(values)]
    return [word.replace("\0", "") for word in words]


# ---- Names of columns ---------------------------------------------------------------------------

_RESERVED = ("log", "exp", "sin", "lambda", "c0", "c1", "c_0", "e", "I", "S", "N", "E", "None", "x")


@kind(small=20)
def names(case: Case) -> None:
    """Any names of columns do; they are shown, and never a part of generated source."""
    _search_with_names(case)


@kind(small=2)
def names_drawn(case: Case) -> None:
    """Any names of columns do in a report, whose pictures are drawn."""
    from report import drawn

    with drawn():
        _search_with_names(case)
    assert (case.folder / "run" / "report.html").exists()


def _search_with_names(case: Case) -> None:
    import csv

    draw, path = case.draw, case.folder / "data.csv"
    chosen = list[str]()
    while len(chosen) < 3:
        name = draw.choice((lambda: damage.word(draw), lambda: draw.choice(_RESERVED)))()
        name = (name[:200] + draw.choice(("", "", " caught"))).strip()
        if name and name not in chosen and "\0" not in name:
            chosen.append(name)
    case.watch.canary = "caught"
    rows = [row.split(",") for row in tiny.table(draw).splitlines()]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([chosen, *rows[1:]])
    settings = [s for s in tiny.EQUATION if not s.startswith("task.")]
    request = ["--data", path, f"--target={chosen[2]}", *tiny.sets(*settings)]
    if draw.random() < 0.3:
        request.append(f"--variables={chosen[0]}")
    command("search", *request, "--out", case.folder / "run")
    command("show", case.folder / "run")
