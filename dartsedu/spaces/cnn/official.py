"""Reading ``state_dict``s in the key layout of the authors' code (quark0/darts, ``cnn/``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from dartsedu.spaces.official import load_translated, translated

_RENAMED = (
    (r"^alphas_", "alphas."),
    (r"\.preprocess([01])\.", r".preprocess.\1."),
    (r"\._ops\.(\d+)\._ops\.", r".edges.\1.operations."),
    (r"\._ops\.", ".operations."),
    (r"\.op\.", "."),
    (r"\.conv_1\.", ".even."),
    (r"\.conv_2\.", ".odd."),
    (r"\.bn\.", ".norm."),
)
"""The authors' name of a part, as a pattern, and this package's."""


def translate(key: str) -> str:
    """The name that this package gives to the tensor the authors call ``key``.

    >>> translate("cells.3._ops.5._ops.4.op.1.weight")
    'cells.3.edges.5.operations.4.1.weight'
    """
    for pattern, name in _RENAMED:
        key = re.sub(pattern, name, key)
    return key


def load_official(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy an official ``state_dict`` into a ``CNNSupernet`` or ``CNNNetwork``, in place.

    α may be absent (the authors' file has none) and so may BatchNorm's counters (files written
    before PyTorch 0.4). Weights of an auxiliary head are dropped if ``model`` has none: it does
    not take part in inference. What ``DataParallel`` and ``torch.compile`` put before names does
    not matter, nor a dictionary around the weights (ImageNet's file keeps them under the key
    ``"state_dict"``). Raises ``ValueError`` for what is no ``state_dict``, or naming keys that are
    missing, left over or of another shape; ``model`` is then unchanged.

    Read a file with ``torch.load(path, map_location="cpu", weights_only=True)``.
    """
    given = translated(state, translate)
    if not any(key.startswith("auxiliary_head.") for key in model.state_dict()):
        given = {k: v for k, v in given.items() if not k.startswith("auxiliary_head.")}
    load_translated(
        model,
        given,
        lambda key: key.endswith("num_batches_tracked") or key.startswith("alphas."),
        "Build the network with the genotype, channels, cells, classes and stem that the weights "
        "were trained with.",
    )
