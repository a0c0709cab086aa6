"""Files that somebody else wrote: tables, texts, images, genotypes, recordings, widget messages."""

import csv
import io
import json
import math
import shutil
import warnings
from pathlib import Path

import damage
import tiny
import torch
from campaign import Case, Refused, command, kind

from dartsedu.dashboard.history import History
from dartsedu.dashboard.widget import Dashboard
from dartsedu.data.tables import TableTask
from dartsedu.data.tasks import load_task
from dartsedu.genotype import Genotype, GenotypeError
from dartsedu.published import PUBLISHED
from dartsedu.show import cell_graph
from dartsedu.stream.recording import Recording

# ---- Tables -------------------------------------------------------------------------------------


@kind(small=1000)
def tables(case: Case) -> None:
    """A table is read with numbers that a search can hold, or refused with a sentence."""
    path = case.folder / "table.csv"
    path.write_bytes(_table(case))
    task = load_task("csv", path=path, target="y")
    assert isinstance(task, TableTask)
    for split in task.parts().values():
        assert len(split) > 0
        for numbers in (split.inputs, split.targets):
            assert torch.isfinite(numbers).all(), "numbers that are not finite"
            assert torch.isfinite(numbers.square().sum()), "numbers whose squares overflow"
    assert all(math.isfinite(size) for part in task.scaling for size in part), "infinite units"


@kind(small=20)
def tables_searched(case: Case) -> None:
    """Whatever table is read can be searched."""
    path = case.folder / "table.csv"
    path.write_bytes(_table(case))
    settings = [s for s in tiny.EQUATION if not s.startswith("task.")]
    command("search", "--data", path, "--target", "y", *tiny.sets(*settings), seconds=2)


def _table(case: Case) -> bytes:
    draw = case.draw
    rows = list(csv.reader(io.StringIO(tiny.table(draw, rows=draw.choice((0, 1, 19, 24, 40))))))
    for _ in range(draw.choice((0, 1, 1, 3))):
        _change_table(case, rows)
    text = io.StringIO()
    csv.writer(text, delimiter=draw.choice(",,,,,;\t"), lineterminator="\n").writerows(rows)
    if draw.random() < 0.3:
        return damage.in_some_encoding(draw, text.getvalue())
    data = text.getvalue().encode("utf-8", errors="surrogatepass")
    return damage.damaged_bytes(draw, data) if draw.random() < 0.1 else data


def _change_table(case: Case, rows: list[list[str]]) -> None:
    draw = case.draw
    row, column = draw.randrange(len(rows)), draw.randrange(max(1, len(rows[0])))
    what = draw.choice(("number", "number", "word", "name", "column", "factor", "row", "cells"))
    if what == "number" and column < len(rows[row]):
        rows[row][column] = damage.number(draw)
    elif what == "word" and column < len(rows[row]):
        rows[row][column] = damage.word(draw)
    elif what == "name" and column < len(rows[0]):
        rows[0][column] = damage.word(draw)
    elif what == "column":  # The same everywhere.
        same = damage.number(draw)
        rows[1:] = [[*cells[:column], same, *cells[column + 1 :]] for cells in rows[1:]]
    elif what == "factor":
        factor = draw.choice((0.0, 1e-300, 1e-30, 1e30, 1e100, 1e160, 1e290, -1.0))
        for cells in rows[1:]:
            if column < len(cells) and _is_number(cells[column]):
                cells[column] = repr(float(cells[column]) * factor)
    elif what == "row":
        rows.insert(row, draw.choice(rows))
    else:
        rows[row] = rows[row][: draw.randrange(3)] if draw.random() < 0.5 else [*rows[row], "1"]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# ---- Texts --------------------------------------------------------------------------------------


@kind(small=1000)
def texts(case: Case) -> None:
    """A corpus is read so that each of its splits can be, or refused with a sentence."""
    draw, folder = case.draw, case.folder / "penn"
    shutil.copytree(case.base / "penn", folder)
    for name in draw.sample(("train.txt", "valid.txt", "test.txt"), draw.choice((1, 1, 3))):
        _change_text(case, folder / name)
    task = load_task("ptb", root=case.folder, vocabulary=draw.choice((None, None, 3, 5)))
    for split in (task.weights, task.architecture, task.test, task.training):
        batches = list(split.once(10))
        assert batches
        assert all(len(batch.inputs) for batch in batches)
    assert not any("\ufeff" in word for word in task.words), "a byte order mark in a word"


def _change_text(case: Case, path: Path) -> None:
    draw, text = case.draw, path.read_text()
    what = draw.choice(("short", "word", "bytes", "encoding", "none", "folder", "empty lines"))
    if what == "short":
        path.write_text(draw.choice(("", "a", "a b", "a\n", "\n", " \n\n", "a b c")))
    elif what == "word":
        at = draw.randrange(len(text))
        changed = text[:at] + damage.word(draw) + text[at:]
        path.write_bytes(changed.encode("utf-8", errors="surrogatepass"))
    elif what == "bytes":
        path.write_bytes(damage.damaged_bytes(draw, path.read_bytes()))
    elif what == "encoding":
        path.write_bytes(damage.in_some_encoding(draw, text))
    elif what == "empty lines":
        path.write_text(text.replace("\n", "\n" * draw.choice((2, 50))))
    else:
        path.unlink()
        if what == "folder":
            path.mkdir()


# ---- Images -------------------------------------------------------------------------------------


@kind(small=100)
def images(case: Case) -> None:
    """A folder of images is refused, or every image in it can be read."""
    draw, root = case.draw, case.folder
    shutil.copytree(case.base / "imagenet", root / "imagenet")
    files = sorted(root.rglob("*.*g"))
    for _ in range(draw.choice((1, 1, 2))):
        _change_image(case, draw.choice(files))
    task = load_task("imagenet", root=root, image_size=8, workers=0)
    for split in (task.training, task.test):
        for batch in split.once(4):
            assert torch.isfinite(batch.inputs).all()
    folders = {path.name for path in (root / "imagenet/train").iterdir() if path.name[0] != "."}
    assert task.classes <= len(folders), "a hidden folder became a class"


def _change_image(case: Case, path: Path) -> None:
    draw = case.draw
    inside = path.parent
    what = draw.choice(("cut", "bytes", "text", "hidden", "remove", "class", "mac", "stranger"))
    if what == "cut" and path.exists():
        data = path.read_bytes()
        path.write_bytes(data[: draw.randrange(len(data))])
    elif what == "bytes" and path.exists():
        path.write_bytes(damage.damaged_bytes(draw, path.read_bytes()))
    elif what == "text" and inside.exists():
        path.write_text("no image")
    elif what == "hidden":
        hidden = inside.parent / ".ipynb_checkpoints"
        hidden.mkdir(exist_ok=True)
        if draw.random() < 0.7 and path.exists():
            shutil.copy(path, hidden)
    elif what == "remove" and inside.exists():
        shutil.rmtree(inside)
    elif what == "class":
        (inside.parent / damage.word(draw)[:50].replace("/", "").replace("\0", "")).mkdir(
            exist_ok=True
        )
    elif what == "mac" and inside.exists():
        (inside / f"._{path.name}").write_bytes(b"\0\5\26\7" + bytes(100))
    elif inside.exists():
        (inside / draw.choice(("notes.txt", "cat.svg", "x.png"))).write_text("hello")


# ---- Genotypes ----------------------------------------------------------------------------------


@kind(small=1000)
def genotypes(case: Case) -> None:
    """A genotype file is shown and drawn, or refused with a sentence."""
    draw, path = case.draw, case.folder / "cell.json"
    found = draw.choice((*PUBLISHED.values(), *_found(case.base)))
    path.write_bytes(damage.written_json(draw, json.loads(found.to_json())))
    genotype = Genotype.load(path)
    assert Genotype.from_json(genotype.to_json()) == genotype
    command("show", path)
    if draw.random() < 0.1:
        cell_graph.genotype_svg(genotype)


def _found(materials: Path) -> list[Genotype]:
    return [Genotype.load(run / "genotype.json") for run in tiny.runs(materials).values()]


@kind(small=200)
def official_genotypes(case: Case) -> None:
    """The text that the authors' code prints is read as a genotype, or refused with a sentence."""
    draw, path = case.draw, case.folder / "genotype.txt"
    chosen = draw.choice(("nasnet", "amoebanet", "darts-v1", "darts-v2", "darts-rnn-v2", "enas"))
    text = _as_the_authors_print(PUBLISHED[chosen])
    whole = draw.random() < 0.2
    path.write_bytes(text.encode() if whole else damage.damaged_bytes(draw, text.encode()))
    try:
        found = Genotype.load(path)
    except GenotypeError as error:
        if whole:
            raise AssertionError(f"what the authors print was refused: {error}") from None
        raise
    assert not whole or found == PUBLISHED[chosen]


def _as_the_authors_print(genotype: Genotype) -> str:
    parts = []
    for cell in genotype.cells:
        edges = [(edge.primitive, edge.source) for _, edge in cell.edges]
        joined = "concat" if cell.name == "recurrent" else f"{cell.name}_concat"
        parts += [f"{cell.name}={edges}", f"{joined}={list(cell.outputs)}"]
    return f"Genotype({', '.join(parts)})"


# ---- Recordings ---------------------------------------------------------------------------------


@kind(small=1000)
def recordings(case: Case) -> None:
    """A recording is read, with as many steps as it says, or refused with a sentence."""
    draw, path = case.draw, case.folder / "recording.jsonl"
    whole = draw.choice(list(tiny.runs(case.base).values())) / "recording.jsonl"
    lines = whole.read_bytes().splitlines(keepends=True)
    at = draw.randrange(len(lines))
    what = draw.choice(("json", "json", "json", "bytes", "swap", "remove", "header", "end"))
    if what == "json":
        lines[at] = damage.as_json(damage.damaged_json(draw, json.loads(lines[at]))) + b"\n"
    elif what == "bytes":
        lines[at] = damage.damaged_bytes(draw, lines[at])
    elif what == "swap":
        lines[at], lines[-1] = lines[-1], lines[at]
    elif what == "remove":
        del lines[at]
    elif what == "header":
        del lines[1:]
    else:
        lines[-1] = lines[-1][: draw.randrange(len(lines[-1]))]
    path.write_bytes(b"".join(lines))
    recording = Recording.load(path)
    assert [step.index for step in recording.steps] == list(range(len(recording.steps)))
    for step in recording.steps:
        assert all(math.isfinite(loss) for loss in step.loss.values())


# ---- Messages from the browser ------------------------------------------------------------------


def _dashboard(materials: Path) -> Dashboard:
    recording = Recording.load(materials / "equation" / "recording.jsonl")
    history = History(recording.header, recording.steps)
    spec = {"mode": "live", "title": "", "runs": []}
    return Dashboard(spec, [history], lambda order: None, lambda: None)


@kind(small=1000, ready=_dashboard)
def messages(case: Case) -> None:
    """A message from the browser is obeyed, or left out with a warning that says why."""
    draw = case.draw
    messages = (
        {"type": "command", "command": "limit", "rate": 2.0, "step": 3},
        {"type": "need", "run": 0, "have": 1},
        {"type": "hello"},
    )
    content = damage.damaged_json(draw, draw.choice(messages))
    if draw.random() < 0.1:
        content = damage.value(draw)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        case.base._receive(case.base, damage.dug(content), [])
    if said:
        raise Refused(str(said[0].message))
