"""Checkpoints on disk: whole or absent when written, doubted when read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from sys import float_info
from typing import IO, Any, cast

import torch
from torch import Tensor

from dartsedu.base.values import atomic_path

_MOMENTS: dict[type[torch.optim.Optimizer], tuple[str, ...]] = {
    torch.optim.SGD: ("momentum_buffer",),
    torch.optim.Adam: ("step", "exp_avg", "exp_avg_sq"),
}
"""What each optimiser keeps of a parameter: numbers of its shape, and how many steps it took."""


class _Patient:
    """A file whose ``write`` never fails; ``problem`` is the first thing that went wrong.

    ``torch.save`` would make an error without a cause of a full disk.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.problem: OSError | None = None

    def write(self, data: Any) -> int:
        if self.problem is None:
            try:
                self._file.write(data)
            except OSError as error:
                self.problem = error
        return len(data)

    def flush(self) -> None:
        """Nothing is promised before the end."""


def write(path: Path, saved: Mapping[str, Any]) -> None:
    """Write tensors and plain values, atomically. Raises ``OSError`` if the disk is full."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        patient = _Patient(file)
        torch.save(saved, cast(IO[bytes], patient))  # It asks for no more than ``write``.
        if patient.problem is not None:
            raise patient.problem


def read(path: Path) -> dict[str, Any]:
    """What was written, on the CPU. Raises ``OSError`` or ``ValueError``; no code is executed."""
    with path.open("rb") as file:
        try:
            saved = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise ValueError("it is not a checkpoint, or a damaged one") from error
    if not isinstance(saved, dict):
        raise ValueError(f"it holds a {type(saved).__name__}, not a checkpoint")
    return saved


# ---- What a checkpoint may say ------------------------------------------------------------------


def whole_number(value: Any, what: str, least: int, most: int) -> int:
    """``value`` if it is an integer in least…most; otherwise ``ValueError``."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"its {what} is {value!r:.50}; expected a whole number {least} to {most}")
    return value


def amount(value: Any, what: str, most: float = float_info.max) -> float:
    """``value`` if it is a number in 0…most; otherwise ``ValueError``."""
    if type(value) not in (int, float) or not 0 <= value <= most:
        raise ValueError(f"its {what} is {value!r:.50}; expected a number 0 to {most:g}")
    return float(value)


def check_finite(tensors: Iterable[Tensor], what: str) -> None:
    """Raise ``ValueError`` if a number is NaN or infinite."""
    if not all(bool(torch.isfinite(tensor).all()) for tensor in tensors):
        raise ValueError(f"its {what} are not finite numbers")


def restore_optimizer(
    optimizer: torch.optim.Optimizer, given: Mapping[str, Any], most: float
) -> None:
    """Take up learning rates of at most ``most``, and moments. All else is as the settings say.

    Raises ``ValueError`` for a state of another optimiser or of other parameters.
    """
    if not isinstance(given, dict) or not all(isinstance(g, dict) for g in given["param_groups"]):
        raise ValueError("it holds no state of an optimiser")
    own = optimizer.state_dict()
    groups = [
        group | {"lr": amount(other["lr"], "learning rate", most)}
        for group, other in zip(own["param_groups"], given["param_groups"], strict=True)
    ]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    names = _MOMENTS[type(optimizer)]
    for number, kept in given["state"].items():
        shape = parameters[whole_number(number, "parameter", 0, len(parameters) - 1)].shape
        if set(kept) != set(names):
            raise ValueError(f"its optimiser keeps {list(kept)!r:.200}; expected {list(names)}")
        for name, moment in kept.items():
            absent = moment is None and name == "momentum_buffer"
            if not absent and moment.shape != (() if name == "step" else shape):
                raise ValueError(f"its {name} has the shape {tuple(moment.shape)}")
            if not absent and not moment.is_floating_point():
                raise ValueError(f"its {name} is of {moment.dtype}")
    optimizer.load_state_dict({"state": given["state"], "param_groups": groups})


def moments(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """All that an optimiser has kept so far."""
    kept = [moment for state in optimizer.state.values() for moment in state.values()]
    return [moment for moment in kept if moment is not None]


def restore_scheduler(
    scheduler: torch.optim.lr_scheduler.LRScheduler, given: Mapping[str, Any], epoch: int
) -> None:
    """Take up the schedule after ``epoch`` epochs. Raises ``ValueError`` if it stands elsewhere."""
    whole_number(given["last_epoch"], "epoch", epoch, epoch)
    rates = [group["lr"] for group in scheduler.optimizer.param_groups]
    own = {"last_epoch": epoch, "_step_count": epoch + 1, "_last_lr": rates}
    scheduler.load_state_dict(scheduler.state_dict() | own)
