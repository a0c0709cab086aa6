"""The arrays of a table's file: what they are, and whether they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dartsedu.topology import SearchSpace

ARRAYS = {
    "choices": (np.uint8, 1),
    "row_of": (np.uint16, 0),
    "training_loss": (np.float32, 2),
    "validation_right": (np.uint16, 2),
    "test_right": (np.uint16, 1),
    "parameters": (np.int64, 0),
    "multiply_adds": (np.int64, 0),
    "latency": (np.float32, 0),
}
"""Those of a table, (cells, …): their type, and how many axes come after the first."""


def checksum(text: str, arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """SHA-256 over what a file says of itself and over all its arrays."""
    digest = sha256(text.encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()


def check_arrays(
    space: SearchSpace, seeds: int, arrays: Mapping[str, NDArray[Any]], sizes: NDArray[Any]
) -> None:
    """Raise ``ValueError`` unless the arrays are those of a table of all cells of ``space``.

    ``sizes`` are the examples of the architecture split and of the test split.
    """
    rows = len(arrays["choices"])
    edges, primitives = sum(len(cell.edges) for cell in space.cells), len(space.primitives)
    for name, (dtype, axes) in ARRAYS.items():
        array = arrays[name]
        if array.dtype != dtype or array.ndim != axes + 1:
            raise ValueError(f"{name} is {array.dtype} with {array.ndim} axes")
        if name != "row_of" and len(array) != rows:
            raise ValueError(f"{name} has {len(array)} rows; expected {rows}")
        if name.endswith(("_right", "_loss")) and array.shape[-1] != seeds:
            raise ValueError(f"{name} has {array.shape[-1]} seeds; expected {seeds}")
    if not rows or arrays["choices"].shape[1] != edges or arrays["choices"].max() >= primitives:
        raise ValueError("choices are not of the space")
    if arrays["row_of"].shape != (primitives**edges,) or arrays["row_of"].max() >= rows:
        raise ValueError("not every cell of the space has a row")
    losses, rights = arrays["training_loss"], arrays["validation_right"]
    if not losses.shape[1] or losses.shape != rights.shape:
        raise ValueError(
            f"training_loss has {losses.shape[1]} epochs, validation_right {rights.shape[1]}; "
            "expected as many, and at least one"
        )
    if sizes.dtype.kind not in "iu" or sizes.shape != (2,) or sizes.min() < 1:
        raise ValueError("sizes are not two numbers of examples, each at least 1")
    for name, size in zip(("validation_right", "test_right"), sizes.tolist(), strict=True):
        if arrays[name].max() > size:
            raise ValueError(f"{name} has {arrays[name].max()} right answers of {size} examples")
