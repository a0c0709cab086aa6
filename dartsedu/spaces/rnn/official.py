"""Reading ``state_dict``s in the key layout of the authors' code (quark0/darts, ``rnn/``)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from dartsedu.spaces.official import load_translated, translated

_RENAMED = (
    (r"^weights$", "alphas.recurrent"),
    (r"^encoder\.weight$", "model.embedding"),
    (r"^decoder\.bias$", "model.bias"),
    (r"^rnns\.0\._W0$", "core.initial"),
    (r"^rnns\.0\._Ws\.", "core.nodes."),
    (r"^rnns\.0\.bn\.", "core.norm."),
)
"""The authors' name of a part, as a pattern, and this package's."""


def translate(key: str) -> str:
    """The name that this package gives to the tensor the authors call ``key``.

    >>> translate("rnns.0._Ws.3")
    'core.nodes.3'
    """
    for pattern, name in _RENAMED:
        key = re.sub(pattern, name, key)
    return key


def load_official(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy an official ``state_dict`` into an ``RNNSupernet`` or ``RNNNetwork``, in place.

    The decoder's matrix is the encoder's and stands there twice. α may be absent (the authors'
    ``state_dict`` has none) and so may BatchNorm's counter. What ``DataParallel`` and
    ``torch.compile`` put before names does not matter, nor a dictionary around the weights. Raises
    ``ValueError`` for what is no ``state_dict``, naming keys that are missing, left over or of
    another shape, or if the two matrices differ; ``model`` is then unchanged.

    The authors' files hold whole pickled models, which this package does not read: write
    ``model.state_dict()`` with ``torch.save`` where their code runs, and read that with
    ``torch.load(path, map_location="cpu", weights_only=True)``.
    """
    given = translated(state, translate)
    decoder = given.pop("decoder.weight", None)
    tied = given.get("model.embedding")
    if decoder is not None and tied is not None and not tied.equal(decoder):
        raise ValueError(
            "this state_dict does not fit the network: encoder.weight and decoder.weight differ, "
            "but the embedding is tied"
        )
    load_translated(
        model,
        given,
        lambda key: key.endswith("num_batches_tracked") or key.startswith("alphas."),
        "Build the network with the vocabulary, hidden size and genotype (or number of nodes) "
        "that the weights were trained with.",
    )
