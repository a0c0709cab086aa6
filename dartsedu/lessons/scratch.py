"""Lesson 05: networks trained from scratch, their record, intervals, costs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

import numpy as np
import torch
from scipy import stats

from dartsedu.base.values import Value
from dartsedu.data.images import ImageTask
from dartsedu.data.splits import ArraySplit
from dartsedu.genotype import Genotype
from dartsedu.lessons.explorer import Control, Explorer
from dartsedu.lessons.intervals import Interval, Scores, difference, groups_scene, told
from dartsedu.lessons.panel import BLUE, INK, RED, SOFT, Dots, Line, Mark, Panel, Scene, draw
from dartsedu.presets import load_preset
from dartsedu.published import PUBLISHED
from dartsedu.search import Search
from dartsedu.show.picture import Picture
from dartsedu.spaces.build import build_network, build_supernet
from dartsedu.spaces.classifier import multiply_adds
from dartsedu.spaces.cnn import CNNNetwork
from dartsedu.spaces.cnn.settings import CNNSettings
from dartsedu.stream.stream import Stream
from dartsedu.train import Training

RECORDINGS = Path(__file__).parent / "recordings"
RECORD = RECORDINGS / "trainings.json"
"""What ``notebooks/source/record_trainings.py`` measured."""
LARGER = RECORDINGS / "larger.jsonl"
"""A search on digits: ``dartsedu search --preset classroom --set supernet.nodes=4 --set
supernet.cells=5 --set supernet.channels=8 --set search.epochs=14``, stopped after 228 steps."""

# ---- Networks trained from scratch --------------------------------------------------------------

SETTINGS = ("search.epochs=5", "train.epochs=4")
"""What the lesson changes in the preset ``classroom``: half the epochs, for time."""
AGAIN = 100
"""Added to the seed of a cell's second training."""

Group = Literal["found", "random", "darts-v2"]


class Scratch(Value):
    """A network trained from scratch and tested once.

    ``cell`` numbers the cells of a group: the seed of its search, or of the random cell. ``seed``
    is the training's; ``seconds`` are of one core's time; ``parameters`` and ``multiply_adds`` (of
    one image) are counted as published figures are.
    """

    group: Group
    cell: int
    seed: int
    epochs: int
    accuracy: float
    parameters: int
    multiply_adds: int
    seconds: float


class Record(Value):
    """Searches, and networks trained from scratch, with the settings of all."""

    format: Literal["dartsedu trainings"] = "dartsedu trainings"
    settings: CNNSettings
    versions: dict[str, str]
    search_seconds: tuple[float, ...]
    found: tuple[Genotype, ...]
    trained: tuple[Scratch, ...]

    @classmethod
    def load(cls, path: Path = RECORD) -> Self:
        """Read a record; the shipped one by default."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    def of(self, group: Group, epochs: int = 4, again: bool = False) -> list[Scratch]:
        """A group's networks after so many epochs, in order; ``again``: the second trainings."""
        return [
            t
            for t in self.trained
            if t.group == group and t.epochs == epochs and (t.seed >= AGAIN) == again
        ]

    def scores(self, group: Group, epochs: int = 4, again: bool = False) -> Scores:
        """Their test accuracies in points, 0…100."""
        return np.array([100 * t.accuracy for t in self.of(group, epochs, again)])


def train(
    group: Group, genotype: Genotype, cell: int, seed: int, settings: CNNSettings, task: ImageTask
) -> Scratch:
    """Train the network of ``genotype`` by ``settings.train`` on ``task``, test it once."""
    start = time.process_time()
    network = build_network(genotype, settings.train, task, seed)
    assert isinstance(network, CNNNetwork)
    training = Training(network, task, settings.train, seed=seed)
    for _ in training:
        pass
    return Scratch(
        group=group,
        cell=cell,
        seed=seed,
        epochs=settings.train.epochs,
        accuracy=training.test(),
        parameters=network.size,
        multiply_adds=multiply_adds(network, task.image_shape),
        seconds=round(time.process_time() - start, 1),
    )


def table(rows: Sequence[Scratch]) -> str:
    """The networks, a line each."""
    lines = [f"{'cell':<12}{'seed':>5}{'accuracy':>10}{'parameters':>12}{'multiply-adds':>15}"]
    for row in rows:
        name = row.group if row.group == "darts-v2" else f"{row.group} {row.cell}"
        lines.append(
            f"{name:<12}{row.seed:>5}{row.accuracy:>10.1%}{row.parameters:>12,}"
            f"{row.multiply_adds:>15,}"
        )
    return "\n".join(lines)


def beside(accuracy: float, recorded: Scratch) -> str:
    """A training of this machine beside the same one in the record, and whether they agree."""
    apart = 100 * abs(accuracy - recorded.accuracy)
    verdict = "the same" if round(apart, 2) == 0 else f"{apart:.1f} points apart"
    return (
        f"{recorded.group} {recorded.cell}, seed {recorded.seed}: {accuracy:.1%} on this machine, "
        f"{recorded.accuracy:.1%} in the record: {verdict}"
    )


def loss_picture(losses: Sequence[float], steps_an_epoch: int) -> Picture:
    """The training loss of one network, and its mean over each epoch."""
    x = np.arange(1, len(losses) + 1)
    means = np.reshape(losses, (-1, steps_an_epoch)).mean(axis=1)
    ends = np.arange(1, len(means) + 1) * steps_an_epoch
    marks: list[Mark] = [
        Line(x, losses, SOFT, "each batch", faint=True),
        Line(ends - steps_an_epoch / 2, means, INKS["found"], "mean of an epoch"),
    ]
    panel = Panel("from scratch", marks, "step", "training loss", (0, len(losses)), (0, 2.6))
    words = ", ".join(f"{mean:.2f}" for mean in means)
    return draw(Scene([panel], f"Training loss falls; its means over the epochs are {words}."))


# ---- Comparisons --------------------------------------------------------------------------------

INKS = {"found": BLUE, "random": RED, "darts-v2": INK, "new": SOFT}
"""The ink of each group."""
NAMES = {"found": "found", "random": "random", "darts-v2": "DARTS v2"}


def groups_picture(groups: Mapping[Group, Scores]) -> Picture:
    """Every network a dot, a group's mean with its interval beside them."""
    named = {NAMES[group]: scores for group, scores in groups.items()}
    return draw(groups_scene("test accuracy", named, [INKS[group] for group in groups]))


class Side(NamedTuple):
    """One side of a comparison: networks of the record."""

    group: Group
    epochs: int = 4
    again: bool = False

    @property
    def name(self) -> str:
        """As the explorer calls it."""
        return f"{NAMES[self.group]}, {self.epochs} epochs{', again' * self.again}"


COMPARISONS: dict[str, tuple[Side, Side, bool]] = {
    "found − random": (Side("found"), Side("random"), False),
    "DARTS v2 − random": (Side("darts-v2"), Side("random"), False),
    "DARTS v2 − random, 8 epochs": (Side("darts-v2", 8), Side("random", 8), False),
    "8 − 4 epochs, two groups": (Side("random", 8), Side("random"), False),
    "8 − 4 epochs, pairs": (Side("random", 8), Side("random"), True),
    "found again − found, two groups": (Side("found", 4, True), Side("found"), False),
    "found again − found, pairs": (Side("found", 4, True), Side("found"), True),
}
"""What the seeds explorer compares: two sides, and whether their networks are pairs."""


def seeds_explorer(record: Record) -> Explorer:
    """The interval of a difference as networks are added one by one."""
    most = len(record.of("random"))

    def show(n: int, what: str) -> Scene:
        one, other, paired = COMPARISONS[what]
        a, b = record.scores(*one), record.scores(*other)
        found = [difference(a[:k], b[:k], paired) for k in range(2, most + 1)]
        text = f"First {n} of each: {told(found[n - 2])}."
        return Scene([_networks(a, b, COMPARISONS[what], n), _intervals(found, n)], text)

    return Explorer(
        "How many networks?",
        show,
        n=Control("networks of each", list(range(2, most + 1)), 3),
        what=Control("compare", list(COMPARISONS), "found − random"),
    )


def _networks(a: Scores, b: Scores, comparison: tuple[Side, Side, bool], n: int) -> Panel:
    one, other, paired = comparison
    x = np.arange(1, n + 1)
    marks: list[Mark] = []
    if paired:
        marks += [Line([i, i], [a[i - 1], b[i - 1]], SOFT, faint=True) for i in x]
    marks += [
        Dots(x, a[:n], INKS["new"] if one.group == other.group else INKS[one.group], one.name),
        Dots(x, b[:n], INKS[other.group], other.name),
    ]
    every = np.concatenate([a, b])
    ends = (float(every.min()) - 3, float(every.max()) + 3)
    return Panel("networks", marks, "number", "test accuracy", (0.5, len(a) + 0.5), ends)


def _intervals(found: Sequence[Interval], n: int) -> Panel:
    """The intervals of 2 … n networks, the last in colour; axes that fit those of 3 or more."""
    reach = 1.3 * max(abs(end) for one in found[1:] for end in one)
    most = len(found) + 1
    marks: list[Mark] = [Line([1.5, most + 0.5], [0, 0], SOFT, style="--")]
    for k, one in enumerate(found[: n - 1], 2):
        mean, low, high = np.clip(one, -reach, reach)
        ink = INKS["found"] if k == n else SOFT
        marks.append(Line([k, k], [low, high], ink, faint=k < n))
        marks.append(Dots([k], [mean], ink, size=5 if k == n else 3))
    xlim, ylim = (1.5, most + 0.5), (-reach, reach)
    return Panel("difference of the means", marks, "networks of each", "points", xlim, ylim)


# ---- Luck of the test set -----------------------------------------------------------------------


def best_of(candidates: int, accuracy: float, images: int) -> float:
    """The expected best test accuracy of candidates that are all equally good.

    E[max] = Σₖ (1 − F(k)ⁿ) / images, with F the binomial distribution; their luck is taken to be
    independent.
    """
    below = stats.binom.cdf(np.arange(images), images, accuracy)
    return float((1 - below**candidates).sum() / images)


EQUAL, TRIED = 0.88, 40
"""What each of so many equal candidates is worth."""


def dice_explorer(images: int = 360) -> Explorer:
    """A leaderboard without skill: candidates of the same worth are tested one after another."""
    drawn = {
        f"draw {seed + 1}": 100
        * np.random.default_rng(seed).binomial(images, EQUAL, TRIED)
        / images
        for seed in range(3)
    }

    def show(n: int, draw: str) -> Scene:
        scores = drawn[draw]
        best = np.maximum.accumulate(scores)
        x = np.arange(1, TRIED + 1)
        records = int((np.diff(best[:n]) > 0).sum())
        leader = int(scores[:n].argmax())
        marks: list[Mark] = [
            Line([0, TRIED + 1], [100 * EQUAL] * 2, SOFT, "what every candidate is worth", "--"),
            Dots(x[:n], scores[:n], INKS["random"], "its test score", size=3),
            Line(x[:n], best[:n], INKS["found"], "the best so far"),
            Dots([leader + 1], [scores[leader]], INKS["found"], label=f"{scores[leader]:.1f}"),
        ]
        panel = Panel(
            f"{TRIED} equal candidates, {images} test images",
            marks,
            "candidate",
            "test accuracy",
            (0, TRIED + 1),
            (80.0, 95.0),
        )
        text = (
            f"After {n}: the leader scores {best[n - 1]:.1f}, {best[n - 1] - 100 * EQUAL:+.1f} "
            f"points against what it is worth. The lead has changed {records} times."
        )
        return Scene([panel], text)

    return Explorer(
        "A leaderboard without skill",
        show,
        n=Control("candidates tested", list(range(1, TRIED + 1)), 1, rate=4.0),
        draw=Control("luck", list(drawn), "draw 1"),
    )


def best_explorer() -> Explorer:
    """What the best of n equal candidates looks like on a test set."""
    sizes = {"360": 360, "10,000": 10_000}

    def show(n: int, accuracy: float, images: str) -> Scene:
        x = np.arange(1, 51)
        best = [100 * best_of(int(k), accuracy, sizes[images]) for k in x]
        true, here = 100 * accuracy, best[n - 1]
        marks: list[Mark] = [
            Line([1, 50], [true, true], SOFT, "what every candidate is worth", "--"),
            Line(x, best, INKS["found"], "what the best one scores"),
            Dots([n], [here], INKS["found"], label=f"{here - true:+.2f}", size=6),
        ]
        panel = Panel(
            "best of n equal cells", marks, "n", "test accuracy", (0, 52), (true - 1, true + 5)
        )
        text = (
            f"The best of {n} cells that are all worth {true:.1f} scores {here:.2f} on "
            f"{sizes[images]:,} images, on average: {here - true:+.2f} points of luck."
        )
        return Scene([panel], text)

    return Explorer(
        "The luck of the best",
        show,
        n=Control("candidates", [*range(1, 25), 30, 40, 50], 1),
        accuracy=Control("true accuracy", [0.8, 0.88, 0.95, 0.97], 0.88),
        images=Control("test images", list(sizes), "360"),
    )


# ---- What the paper's settings cost -------------------------------------------------------------


def _noise_images(count: int) -> ImageTask:
    images = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8)
    split = ArraySplit(images, torch.arange(count) % 10, [0.5] * 3, [0.25] * 3)
    return ImageTask(
        name="noise",
        weights=split,
        architecture=split,
        test=split,
        training=split,
        image_shape=(3, 32, 32),
        classes=10,
    )


def seconds_an_image(stage: Literal["search", "train"], batch: int = 2) -> float:
    """Seconds of one core of this machine for one image of one step of the ``paper`` preset.

    One step with a batch of noise in CIFAR-10's format, after one to warm up; the search is first
    order. Small batches make it an overestimate.
    """
    settings = load_preset("paper", ["search.architect=first-order"])
    assert isinstance(settings, CNNSettings)
    task, size = _noise_images(4 * batch), {"batch_size": batch}
    stream: Stream
    if stage == "search":
        supernet = build_supernet(settings, task, 0)
        stream = Search(supernet, task, settings.search.model_copy(update=size))
    else:
        network = build_network(PUBLISHED["darts-v2"], settings.train, task, 0)
        stream = Training(network, task, settings.train.model_copy(update=size))
    next(stream)
    start = time.process_time()
    next(stream)
    return (time.process_time() - start) / batch
