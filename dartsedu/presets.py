"""Settings of a run, validated, and the named presets in ``presets.toml``."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from dartsedu.genotype import RULES
from dartsedu.tasks import EQUATION_TASKS, IMAGE_TASKS, MOST_NOISE, TEXT_TASKS
from dartsedu.values import Value, explain
from dartsedu.yardstick import ACCURACY, ERROR, PERPLEXITY, Yardstick

MOST = 1_000_000
"""Of anything counted; what a machine can hold is less, see ``memory_needed``."""
MOST_NODES = 10_000
"""Of nodes of a cell."""
MOST_CELLS = 1000
"""Of cells of a network."""
MOST_THREADS = 1024
"""PyTorch ends the process where the system refuses a thread."""
LARGEST = 1e30
"""Of any other number, such as a learning rate: networks reckon in 32 bits."""
LONGEST = 100_000
"""Characters of a value given as text."""


class SettingsError(ValueError):
    """A setting is unknown or out of range; the message names it."""


class WeightsOptimizer(Value):
    """SGD of the operation weights w."""

    learning_rate: float = Field(0.025, gt=0, description="at the start")
    learning_rate_end: float = Field(0.0, ge=0, description="floor that cosine annealing ends at")
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(3e-4, ge=0)
    clip: float | None = Field(None, gt=0, description="largest gradient norm; none: no limit")


class ArchitectureOptimizer(Value):
    """Adam of α."""

    learning_rate: float = Field(3e-4, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, ge=0, lt=1)
    weight_decay: float = Field(1e-3, ge=0, description="added to the gradient, as Adam does")


class ImageSettings(Value):
    """Which images to classify (see ``tasks.load_task``)."""

    name: str = Field("digits", description="a data set, one of tasks.IMAGE_TASKS")
    root: str = Field("data", description="folder of the data sets")
    split_seed: int = Field(0, ge=0, lt=2**32, description="division into weights and architecture")
    noise: float = Field(
        0.0, ge=0, le=MOST_NOISE, description="noise added to every image, in its own deviations"
    )
    image_size: int = Field(224, ge=8, le=4096, description="side of imagenet images, pixels")
    workers: int = Field(4, ge=0, le=256, description="processes that read imagenet files")

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name in TEXT_TASKS:
            raise ValueError("this task is a text; use a preset for texts, such as rnn-classroom")
        if name in EQUATION_TASKS:
            raise ValueError("this task is a table; use the preset equation")
        if name not in IMAGE_TASKS:
            raise ValueError(f"unknown task; expected one of: {', '.join(IMAGE_TASKS)}")
        return name

    @model_validator(mode="after")
    def _has_noise_only_in_memory(self) -> Self:
        if self.noise and self.name == "imagenet":
            raise ValueError("imagenet is read without noise; use --set task.noise=0")
        return self


class TextSettings(Value):
    """Which text to read (see ``tasks.load_task``)."""

    name: str = Field("pydoc", description="a text, one of tasks.TEXT_TASKS")
    root: str = Field("data", description="folder of the data sets")
    split_seed: int = Field(0, ge=0, lt=2**32, description="division into weights and architecture")
    vocabulary: int | None = Field(
        None, ge=3, description="words in the vocabulary, <eos> and <unk> among them; none: all"
    )

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name in IMAGE_TASKS:
            raise ValueError("this task is images; use a preset for images, such as classroom")
        if name in EQUATION_TASKS:
            raise ValueError("this task is a table; use the preset equation")
        if name not in TEXT_TASKS:
            raise ValueError(f"unknown task; expected one of: {', '.join(TEXT_TASKS)}")
        return name


class CNNSupernetSettings(Value):
    """The relaxed convolutional network of the search."""

    channels: int = Field(16, ge=2, le=MOST, description="width of the first cell")
    cells: int = Field(8, ge=3, le=MOST_CELLS, description="depth")
    nodes: int = Field(4, ge=1, le=MOST_NODES, description="intermediate nodes of a cell")
    keep: int = Field(2, ge=1, description="predecessors each node keeps in the genotype")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: the paper's eight"
    )
    alpha_scale: float = Field(
        0.0, ge=0, le=100, description="α start at this times normal numbers"
    )
    fast: bool = Field(True, description="the fast form of a cell where it suits")


class DropoutSettings(Value):
    """Probabilities of being dropped; every mask holds for all words of a batch."""

    words: float = Field(0.0, ge=0, lt=1, description="a word, with its whole embedding")
    embedding: float = Field(0.0, ge=0, lt=1, description="an entry of the embedded text")
    input: float = Field(0.0, ge=0, lt=1, description="an entry of the cell's input")
    hidden: float = Field(0.0, ge=0, lt=1, description="an entry of the cell's states")
    output: float = Field(0.0, ge=0, lt=1, description="an entry of what is decoded")


class RNNSupernetSettings(Value):
    """The relaxed recurrent cell of the search, and the language model around it."""

    hidden: int = Field(300, ge=1, le=MOST, description="size of embedding and hidden state")
    nodes: int = Field(8, ge=1, le=MOST_NODES, description="intermediate nodes of the cell")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: the paper's five"
    )
    dropout: DropoutSettings = DropoutSettings()
    activation: float = Field(0.0, ge=0, description="weight of the mean square of the outputs")
    slowness: float = Field(0.0, ge=0, description="weight of the mean square of their changes")
    alpha_scale: float = Field(
        0.0, ge=0, le=100, description="α start at this times normal numbers"
    )
    fast: bool = Field(True, description="the fast form of the cell")


class SearchSettings(Value):
    """The bilevel loop."""

    epochs: int = Field(50, ge=1, le=MOST, description="passes over the weights split")
    batch_size: int = Field(64, ge=2, le=MOST)
    architect: Literal["first-order", "finite-difference", "exact"] = "first-order"
    xi: float | None = Field(None, ge=0, description="ξ; none: the weights' learning rate")
    epsilon_scale: float = Field(0.01, gt=0, description="ε·‖v‖ of the finite difference")
    weights_steps: int = Field(1, ge=1, le=MOST, description="steps of w for each step of α")
    virtual_momentum: bool = Field(False, description="momentum in the virtual step")
    virtual_weight_decay: bool = Field(False, description="weight decay in the virtual step")
    weights: WeightsOptimizer = WeightsOptimizer()
    architecture: ArchitectureOptimizer = ArchitectureOptimizer()
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="of products on a GPU; bfloat16: mixed with float32"
    )
    rule: str = Field("paper", description="derivation rule, of genotype.RULES")
    checkpoint_every: int = Field(1, ge=1, le=MOST, description="steps between checkpoints")

    @field_validator("rule")
    @classmethod
    def _is_known(cls, rule: str) -> str:
        if rule not in RULES:
            raise ValueError(f"unknown derivation rule; expected one of: {', '.join(RULES)}")
        return rule

    def reading(self) -> dict[str, Any]:
        """What training batches of the split are drawn with besides size and seed."""
        return {}


class RNNSearchSettings(SearchSettings):
    """The bilevel loop over a text."""

    bptt: int = Field(
        35, ge=2, le=MOST, description="words a gradient goes back; now and then half of it"
    )
    virtual_clip: bool = Field(False, description="clipping in the virtual step")
    official: bool = Field(
        False, description="α's text, masks and second order as in the authors' code"
    )

    @model_validator(mode="after")
    def _is_a_form_of_the_authors(self) -> Self:
        if self.official and self.architect == "exact":
            raise ValueError(
                "the authors' code has no exact second order; use architect=finite-difference or "
                "first-order, or official=false"
            )
        return self

    def reading(self) -> dict[str, Any]:
        return {"bptt": self.bptt}


class TableSettings(Value):
    """Which table to explain (see ``tasks.load_task``)."""

    name: str = Field("weber-fechner", description="a law of equation.laws, or csv")
    path: str | None = Field(None, description="a CSV file with a line of names, for csv")
    target: str | None = Field(None, description="the column to be explained, for csv")
    variables: tuple[str, ...] | None = Field(
        None, min_length=1, description="the columns that explain; none: all others"
    )
    rows: int = Field(300, ge=20, le=1_000_000, description="rows drawn from a law")
    noise: float = Field(
        0.02, ge=0, le=MOST_NOISE, description="of a law's target, in its own deviations"
    )
    split_seed: int = Field(0, ge=0, lt=2**32, description="rows of a law; division into three")
    scale_inputs: bool = Field(True, description="variables are divided by their size")

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.name not in EQUATION_TASKS:
            known = ", ".join(EQUATION_TASKS)
            raise ValueError(f"task {self.name!r} is no table; expected one of: {known}")
        if self.name != "csv" and (self.path or self.target or self.variables):
            raise ValueError("path, target and variables are of the task csv; use --task csv")
        if self.variables is not None and len(set(self.variables)) < len(self.variables):
            raise ValueError("a variable is named twice; name each column once")
        return self


class EquationSupernetSettings(Value):
    """The relaxed graph of functions, many times."""

    nodes: int = Field(2, ge=1, le=MOST_NODES, description="latent nodes of the graph")
    primitives: tuple[str, ...] | None = Field(
        None, min_length=1, description="none: equation.PRIMITIVES"
    )
    restarts: int = Field(128, ge=1, le=MOST, description="searches side by side")
    relaxation: Literal["softmax", "sigmoid"] = "softmax"
    complexity: float = Field(1e-3, ge=0, description="penalty of a coefficient in the mixture")
    alpha_scale: float = Field(
        1e-3, ge=0, le=100, description="α start at this times normal numbers"
    )


class EquationSearchSettings(SearchSettings):
    """The bilevel loop over a table."""

    rule: str = Field("argmax", description="derivation rule: argmax, where none may win")
    derivation: Literal["max", "sample"] = Field(
        "max", description="the largest α of an edge, or a draw by its weight"
    )

    @field_validator("rule")
    @classmethod
    def _keeps_what_is_not_none(cls, rule: str) -> str:
        if rule != "argmax":
            raise ValueError("an equation leaves edges out by choosing none; expected argmax")
        return rule


class CNNTrainSettings(Value):
    """The discrete convolutional network, trained from scratch."""

    channels: int = Field(36, ge=2, le=MOST, description="width of the first cell")
    cells: int = Field(20, ge=3, le=MOST_CELLS, description="depth")
    stem: Literal["cifar", "imagenet"] = "cifar"
    epochs: int = Field(
        600, ge=1, le=MOST, description="passes over weights and architecture together"
    )
    batch_size: int = Field(96, ge=2, le=MOST)
    weights: WeightsOptimizer = WeightsOptimizer()
    schedule: Literal["cosine", "exponential"] = "cosine"
    decay: float = Field(0.97, gt=0, le=1, description="factor an epoch, if exponential")
    drop_path: float = Field(0.0, ge=0, lt=1, description="probability at the end of a linear ramp")
    auxiliary_weight: float = Field(0.0, ge=0, description="weight of the auxiliary head; 0: none")
    cutout: int = Field(0, ge=0, le=MOST, description="side of the square cut out, pixels")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    checkpoint_every: int = Field(20, ge=1, le=MOST, description="steps between checkpoints")
    seeds: int = Field(1, ge=1, le=MOST, description="networks trained from the genotype")
    random_cells: int = Field(0, ge=0, le=MOST, description="random genotypes trained beside it")

    def reading(self) -> dict[str, Any]:
        """What training batches of the split are drawn with besides size and seed."""
        return {"cutout_length": self.cutout}


class RNNTrainSettings(Value):
    """The discrete recurrent cell in a language model, trained from scratch."""

    hidden: int = Field(850, ge=1, le=MOST, description="size of embedding and hidden state")
    dropout: DropoutSettings = DropoutSettings()
    activation: float = Field(0.0, ge=0, description="weight of the mean square of the outputs")
    slowness: float = Field(0.0, ge=0, description="weight of the mean square of their changes")
    epochs: int = Field(1600, ge=1, le=MOST, description="passes over the weights split")
    batch_size: int = Field(64, ge=2, le=MOST)
    bptt: int = Field(
        35, ge=2, le=MOST, description="words a gradient goes back; now and then half of it"
    )
    bptt_spread: float = Field(0.0, ge=0, description="deviation of normal noise on that length")
    weights: WeightsOptimizer = WeightsOptimizer()
    non_monotone: int | None = Field(
        5,
        ge=1,
        description="average the weights once the validation loss has not been the lowest for so "
        "many epochs; none: never",
    )
    official: bool = Field(
        False, description="steps while averaging, and the test, as in the authors' code"
    )
    checkpoint_every: int = Field(20, ge=1, le=MOST, description="steps between checkpoints")
    seeds: int = Field(1, ge=1, le=MOST, description="networks trained from the genotype")
    random_cells: int = Field(0, ge=0, le=MOST, description="random genotypes trained beside it")
    lstms: int = Field(
        0, ge=0, le=MOST, description="LSTMs of as many parameters trained beside it"
    )

    def reading(self) -> dict[str, Any]:
        """What training batches of the split are drawn with besides size and seed."""
        return {"bptt": self.bptt, "spread": self.bptt_spread}


TrainSettings = CNNTrainSettings | RNNTrainSettings
"""Settings of a training, of a space whose networks are trained from scratch."""


class EquationTrainSettings(Value):
    """What follows a search for equations: its restarts are refitted and compared."""

    random_restarts: int = Field(
        128, ge=0, le=MOST, description="random graphs refitted beside those that were found"
    )
    formulas: int = Field(8, ge=1, le=MOST, description="equations written as formulas, at most")


class Settings(Value):
    """Everything that defines a run but the seed of its random numbers and its device."""

    yardstick: ClassVar[Yardstick]
    preset: str = Field(description="the preset these settings come from")
    follows: str = Field("", description="whose settings these are")
    space: str
    threads: int | None = Field(
        None, ge=1, le=MOST_THREADS, description="CPU threads; none: PyTorch's choice"
    )
    task: ImageSettings | TextSettings | TableSettings
    supernet: CNNSupernetSettings | RNNSupernetSettings | EquationSupernetSettings
    search: SearchSettings
    train: TrainSettings | EquationTrainSettings

    @model_validator(mode="after")
    def _has_numbers_that_can_be_held(self) -> Self:
        for name, number in _floats(self):
            if number > LARGEST:
                raise ValueError(
                    f"{name} is {number:g}, too large to reckon with; expected at most {LARGEST:g}"
                )
        return self


class CNNSettings(Settings):
    """Convolutional cells that classify images."""

    yardstick = ACCURACY
    space: Literal["cnn"] = "cnn"
    task: ImageSettings = ImageSettings()
    supernet: CNNSupernetSettings = CNNSupernetSettings()
    search: SearchSettings = SearchSettings()
    train: CNNTrainSettings = CNNTrainSettings()


class RNNSettings(Settings):
    """A recurrent cell that reads a text."""

    yardstick = PERPLEXITY
    space: Literal["rnn"] = "rnn"
    task: TextSettings = TextSettings()
    supernet: RNNSupernetSettings = RNNSupernetSettings()
    search: RNNSearchSettings = RNNSearchSettings()
    train: RNNTrainSettings = RNNTrainSettings()


class EquationSettings(Settings):
    """A graph of functions that explains a table."""

    yardstick = ERROR
    space: Literal["equation"] = "equation"
    task: TableSettings = TableSettings()
    supernet: EquationSupernetSettings = EquationSupernetSettings()
    search: EquationSearchSettings = EquationSearchSettings()
    train: EquationTrainSettings = EquationTrainSettings()


SETTINGS: dict[str, type[Settings]] = {
    "cnn": CNNSettings,
    "rnn": RNNSettings,
    "equation": EquationSettings,
}
"""The kind of settings of each space."""
AnySettings = Annotated[CNNSettings | RNNSettings | EquationSettings, Field(discriminator="space")]
"""Settings of any space, told apart by ``space``."""


def _table() -> dict[str, Any]:
    return tomllib.loads(files("dartsedu").joinpath("presets.toml").read_text(encoding="utf-8"))


PRESETS: tuple[str, ...] = tuple(_table())
"""Names of the presets."""


Override = str | tuple[str, Any]
"""``"field=value"``, the value written as in TOML, or a field's dotted name and its value."""


def load_preset(name: str, overrides: Iterable[Override] = ()) -> Settings:
    """A preset by name, with fields replaced.

    Args:
        name: one of ``PRESETS``.
        overrides: ``"search.epochs=3"``: a field's dotted name and its value as in TOML, where
            quotes around a plain word may be left out; ``none`` makes an optional field absent.
            Or ``("search.epochs", 3)``: the value itself, nothing of which is read as TOML.

    Raises ``SettingsError`` for an unknown preset or field, or a value out of range.

    >>> load_preset("classroom", ["search.epochs=3"]).search.epochs
    3
    """
    return override(read_settings({"preset": name, **_merged(name)}), overrides)


def override(settings: Settings, overrides: Iterable[Override]) -> Settings:
    """Settings with fields replaced (see ``load_preset``). Raises ``SettingsError``."""
    values = settings.model_dump()
    for given in overrides:
        field, value = _assignment(given) if isinstance(given, str) else given
        if field in ("preset", "follows"):
            raise SettingsError(f"{field!r} says where the settings come from; it cannot be set")
        if field == "space" and value != settings.space:
            raise SettingsError(
                f"preset {settings.preset!r} is of the space {settings.space!r}, which cannot be "
                "changed; choose a preset of another space"
            )
        *path, last = field.split(".")
        target = values
        for part in path:
            target = target.get(part, {})
            if not isinstance(target, dict):
                raise SettingsError(f"{field!r:.80} is not a setting: {part!r} has no fields")
        if last not in target:
            known = ", ".join(name for name, _, _ in describe(settings))
            raise SettingsError(f"{field!r:.80} is not a setting; the settings are: {known}")
        target[last] = value
    return read_settings(values)


def _assignment(text: str) -> tuple[str, Any]:
    """Field and value of ``"field=value"``."""
    field, separator, value = (part.strip() for part in text.partition("="))
    if not separator or not field:
        raise SettingsError(f"cannot read {text!r:.80}; expected field=value")
    return field, _value(field, value)


def read_settings(values: Mapping[str, Any] | str) -> Settings:
    """Settings from a mapping or from JSON text. Raises ``SettingsError``."""
    try:
        if isinstance(values, str):
            settings: Settings = TypeAdapter(AnySettings).validate_json(values)
            return settings
        return SETTINGS[values.get("space", "cnn")].model_validate(values)
    except ValidationError as error:
        raise SettingsError(explain(error, "settings")) from None


def _merged(name: str) -> dict[str, Any]:
    table = _table()
    if name not in table:
        raise SettingsError(f"unknown preset {name!r}; expected one of: {', '.join(table)}")
    values = table[name]
    base = values.pop("extends", None)
    return _over(_merged(base), values) if base else values


def _over(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in top.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _over(merged[key], value) if both else value
    return merged


def _value(field: str, text: str) -> Any:
    """A value written as in TOML; what is none is a text."""
    if text.lower() == "none":
        return None
    if len(text) > LONGEST:
        raise SettingsError(
            f"the value of {field} has {len(text)} characters; expected at most {LONGEST}"
        )
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    except (ValueError, RecursionError):  # More digits or brackets than Python reads.
        raise SettingsError(
            f"the value of {field} cannot be read: {text:.40} …; expected a number of usual "
            "length, a text or a flat list"
        ) from None
    return table["value"] if len(table) == 1 else text


def changes(settings: Settings) -> list[tuple[str, str, str]]:
    """Fields that differ from the settings' preset, as (dotted name, value, preset's value)."""
    preset = describe(load_preset(settings.preset))
    pairs = zip(describe(settings), preset, strict=True)
    return [(name, value, before) for (name, value, _), (_, before, _) in pairs if value != before]


def _floats(value: Value, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Every field that is a float, by its dotted name."""
    for name, inner in value:
        if isinstance(inner, Value):
            yield from _floats(inner, f"{prefix}{name}.")
        elif isinstance(inner, float):
            yield prefix + name, inner


def describe(settings: Settings) -> list[tuple[str, str, str]]:
    """Every field as (dotted name, value, description), in order."""
    rows = []

    def visit(value: Value, prefix: str) -> None:
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            if isinstance(inner, Value):
                visit(inner, f"{prefix}{name}.")
            else:
                shown = "none" if inner is None else str(inner)
                rows.append((prefix + name, shown, field.description or ""))

    visit(settings, "")
    return rows
