"""Filling a model from a ``state_dict`` of the authors' code, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

WRAPPED = ("state_dict", "model_state_dict", "model", "net", "network")
"""What training scripts call the weights where they save them beside other things."""
SHELLS = ("module", "_orig_mod")
"""What ``DataParallel`` and ``torch.compile`` put before the names of what they hold."""


def translated(given: Any, translate: Callable[[str], str]) -> dict[str, Tensor]:
    """The tensors of a ``state_dict`` by this package's names, without shells and wrapping.

    ``translate`` takes the authors' name of a tensor. Raises ``ValueError`` for what is no
    ``state_dict``, holds none, or names a tensor twice.
    """
    found: dict[str, Tensor] = {}
    for key, value in _state_dict(given).items():
        if not isinstance(key, str) or not isinstance(value, Tensor):
            raise ValueError(
                f"this is no state_dict: its entry {key!r} is a {type(value).__name__}; expected "
                "tensors by name, as model.state_dict() gives them"
            )
        name = translate(".".join(part for part in key.split(".") if part not in SHELLS))
        if name in found:
            raise ValueError(
                f"this state_dict has {name} twice, the second time as {key}; give the weights of "
                "one model"
            )
        found[name] = value
    return found


def _state_dict(given: Any) -> Mapping[Any, Any]:
    """``given`` itself, or the ``state_dict`` that it holds beside other things."""
    if isinstance(given, nn.Module):
        raise ValueError("this is a whole model; give its weights, model.state_dict()")
    if not isinstance(given, Mapping):
        raise ValueError(
            f"this is no state_dict but a {type(given).__name__}; expected tensors by name, as "
            "model.state_dict() gives them"
        )
    for key in WRAPPED:
        if isinstance(given.get(key), (Mapping, nn.Module)):
            return _state_dict(given[key])
    return given


def load_translated(
    model: nn.Module, given: Mapping[str, Tensor], may_lack: Callable[[str], bool], advice: str
) -> None:
    """Copy ``given``, whose keys are the model's own, into ``model``, in place.

    ``may_lack`` tells whether a key may be missing. Raises ``ValueError`` naming keys that are
    missing, left over or of another shape, and giving ``advice``; ``model`` is then unchanged.
    """
    own = model.state_dict()
    missing = [key for key in own if key not in given and not may_lack(key)]
    left_over = [key for key in given if key not in own]
    reshaped = [
        f"{key} {tuple(given[key].shape)} instead of {tuple(own[key].shape)}"
        for key in given
        if key in own and given[key].shape != own[key].shape
    ]
    problems = [
        f"{len(keys)} {what}, such as {keys[0]}"
        for what, keys in (
            ("missing", missing),
            ("left over", left_over),
            ("of another shape", reshaped),
        )
        if keys
    ]
    if problems:
        raise ValueError(
            f"this state_dict does not fit the network: {'; '.join(problems)}. {advice}"
        )
    model.load_state_dict(own | dict(given))
