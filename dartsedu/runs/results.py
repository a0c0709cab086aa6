"""``results.json``: what a run has measured, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from dartsedu.base.values import Measured, Value
from dartsedu.base.yardstick import Yardstick
from dartsedu.discretisation import Gap
from dartsedu.spaces.space import Space

GENOTYPE, RANDOM = "genotype", "random"
"""Kinds of network that every space trains: the run's genotype, and random ones."""


class Trained(Value):
    """A network trained from scratch.

    Attributes:
        name: of its folder.
        kind: ``genotype``, ``random``, or a rival of the space's.
        seed: of its start and its training.
        parameters: how many, without an auxiliary head, as published figures count.
        steps: of the training.
        seconds: that these took.
        training: measures on the training split in the last epoch, by name.
        test: measures on the test split, by name.
        texts: what the network wrote, by name.
    """

    name: str
    kind: str
    seed: int = Field(ge=0)
    parameters: int = Field(ge=0)
    steps: int = Field(ge=1)
    seconds: float = Field(ge=0)
    training: dict[str, Measured]
    test: dict[str, Measured]
    texts: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _may_be_of_version_0_1(cls, given: Any) -> Any:
        """Up to version 0.1.0 each measure was a field, ``test_accuracy`` for instance."""
        if not isinstance(given, Mapping) or "test" in given:
            return given
        found: dict[str, Any] = {"training": {}, "test": {}}
        for field, value in given.items():
            split, _, measure = field.partition("_")
            if split in ("training", "test") and measure:
                if value is not None:
                    found[split][measure] = value
            elif field == "sample":
                found["texts"] = {} if value is None else {field: value}
            else:
                found[field] = value
        return found


class Results(Value):
    """What has been measured so far.

    Attributes:
        gap: the discretisation gap at the end of the search.
        trained: the networks trained from scratch.
        references: test scores of what is no network, by name.
        findings: what the space has found besides.
    """

    gap: Gap | None = None
    trained: tuple[Trained, ...] = ()
    references: dict[str, Measured] | None = None
    findings: SerializeAsAny[Value] | None = None

    @field_validator("findings", mode="before")
    @classmethod
    def _are_of_the_space(cls, given: Any, info: ValidationInfo) -> Any:
        """Read by the class that the space in the context has for them."""
        if given is None or isinstance(given, Value):
            return given
        space: Space = (info.context or {})["space"]
        if space.findings is None:
            raise ValueError(f"the space {space.name!r} has no findings")
        return space.findings.model_validate(given)

    @classmethod
    def read(cls, text: str, space: Space) -> Self:
        """Results of a run of ``space`` from JSON. Raises ``ValueError`` for what is none of it."""
        results = cls.model_validate_json(text, context={"space": space})
        results.check(space)
        return results

    def check(self, space: Space) -> None:
        """Raise ``ValueError`` unless these are results of a run of ``space``."""
        if self.trained and space.nothing_to_train:
            raise ValueError(f"trained holds networks, but {space.nothing_to_train}")
        if self.gap is not None and space.findings is not None and self.findings is None:
            raise ValueError("findings are missing; a search of this space ends with them")
        yardstick = space.yardstick
        for trained in self.trained:
            for split in ("training", "test"):
                _check_measure(trained, split, yardstick)
        for name in ("mixture", "discretised") if self.gap is not None else ():
            score = getattr(self.gap, name)
            if score.loss < 0:
                raise ValueError(f"gap.{name}.loss is {score.loss}; a loss is never below 0")
            if yardstick.share and (score.accuracy is None or not 0 <= score.accuracy <= 1):
                raise ValueError(f"gap.{name}.accuracy is {score.accuracy}; expected 0 to 1")


def _check_measure(trained: Trained, split: str, yardstick: Yardstick) -> None:
    measures: Mapping[str, float] = getattr(trained, split)
    if yardstick.name not in measures:
        raise ValueError(f"trained {trained.name!r} has no {split} {yardstick.name}")
    value = measures[yardstick.name]
    if yardstick.share and not 0 <= value <= 1:
        raise ValueError(
            f"trained {trained.name!r} has the {split} {yardstick.name} {value}; expected 0 to 1"
        )
