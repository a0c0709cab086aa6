"""Runs of each space that take a tenth of a second, and the files that damage is done to."""

from pathlib import Path
from random import Random

from campaign import command

CNN = (
    *("search.epochs=1", "search.batch_size=360", "supernet.nodes=1", "supernet.channels=2"),
    'supernet.primitives=["skip_connect","max_pool_3x3"]',
    *("train.epochs=1", "train.channels=2", "train.batch_size=720", "train.seeds=1"),
    "train.random_cells=1",
)
RNN = (
    *("task.name=ptb", "task.vocabulary=none", "supernet.hidden=4", "supernet.nodes=1"),
    *("search.epochs=1", "search.batch_size=8", "search.bptt=8"),
    *("train.hidden=4", "train.epochs=1", "train.batch_size=8", "train.bptt=8", "train.seeds=1"),
    *("train.random_cells=0", "train.lstms=1", "train.checkpoint_every=2"),
)
EQUATION = (
    *("task.rows=20", "search.epochs=3", "supernet.restarts=2", "supernet.nodes=1"),
    'supernet.primitives=["none","linear"]',
    *("train.random_restarts=1", "train.formulas=1", "search.checkpoint_every=1"),
)
PRESETS = {"cnn": "classroom", "rnn": "rnn-classroom", "equation": "equation"}


def sets(*changes: str) -> list[str]:
    """Options of the command line that replace settings."""
    return [part for change in changes for part in ("--set", change)]


def search(space: str, materials: Path) -> list[str]:
    """A tiny search, as arguments of the command line; its folder is not among them."""
    changes = {"cnn": CNN, "equation": EQUATION}.get(space)
    if changes is None:
        changes = (*RNN, f"task.root={materials}")
    return ["search", "--preset", PRESETS[space], "--device", "cpu", *sets(*changes)]


def runs(materials: Path) -> dict[str, Path]:
    """The finished run of each space."""
    return {space: materials / space for space in PRESETS}


def make(materials: Path) -> None:
    """A table, a text, images, and a finished run of each space."""
    (materials / "table.csv").write_text(table(Random(0)))
    corpus(materials / "penn")
    images(materials / "imagenet")
    for space, folder in runs(materials).items():
        command(*search(space, materials), "--out", folder)
        if space != "equation":
            command("train", folder)


def table(draw: Random, names: tuple[str, ...] = ("x", "z", "y"), rows: int = 24) -> str:
    """A CSV file: y = 3x + 1 and a column that does nothing."""
    lines = [",".join(names)]
    for _ in range(rows):
        x, z = draw.uniform(0.5, 9), draw.uniform(-1, 1)
        lines.append(f"{x:.4f},{z:.4f},{3 * x + 1:.4f}")
    return "\n".join(lines) + "\n"


def corpus(folder: Path) -> None:
    """The three files of a text of six words."""
    draw = Random(0)
    folder.mkdir()
    for name, count in (("train", 30), ("valid", 10), ("test", 10)):
        lines = [" ".join(draw.choices("abcdef", k=5)) for _ in range(count)]
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n")


def images(folder: Path) -> None:
    """Two classes of images, 16×16, PNG and JPEG."""
    from PIL import Image

    draw = Random(0)
    for part, count in (("train", 4), ("val", 2)):
        for name in ("cat", "dog"):
            inside = folder / part / name
            inside.mkdir(parents=True)
            for number in range(count):
                picture = Image.frombytes("RGB", (16, 16), draw.randbytes(16 * 16 * 3))
                picture.save(inside / f"{number}.{'png' if number % 2 else 'jpg'}")
