"""Filling a model from a ``state_dict`` of the authors' code, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn


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
