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


def check_shapes(space: SearchSpace, seeds: int, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ``ValueError`` unless the arrays are those of a table of all cells of ``space``."""
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
