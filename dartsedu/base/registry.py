"""Where the tensors of a module stand, looked up once.

To walk through hundreds of modules, as ``state_dict`` and ``functional_call`` do each time, takes
longer than a small cell's pass; to write hundreds of tensors to a file, longer than its step.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any, cast

import torch
from torch import Tensor, nn

from dartsedu.base.packing import as_tensors, as_vector


class Registry:
    """The parameters and buffers of a module, whatever takes their places later.

    Modules, parameters and buffers that are added later are not seen.
    """

    def __init__(self, module: nn.Module) -> None:
        self._places = [
            (f"{prefix}.{name}" if prefix else name, cast(dict[str, Any], registry), name)
            for prefix, part in module.named_modules(remove_duplicate=False)
            for registry in (part._parameters, part._buffers)
            for name, tensor in registry.items()
            if tensor is not None and name not in part._non_persistent_buffers_set
        ]
        # Those in several places are known by the name of the first.
        names = {parameter: name for name, parameter in module.named_parameters()}
        self._of: dict[str, list[tuple[dict[str, Any], str]]] = {}
        for _, registry, name in self._places:
            if (whole := names.get(registry[name])) is not None:
                self._of.setdefault(whole, []).append((registry, name))

    def state(self) -> dict[str, Tensor]:
        """What ``state_dict`` gives, not detached."""
        return {whole: registry[name] for whole, registry, name in self._places}

    def parameters(self) -> dict[str, nn.Parameter]:
        """What ``named_parameters`` gives."""
        return {whole: registry[name] for whole, ((registry, name), *_) in self._of.items()}

    @contextmanager
    def replaced(self, others: Mapping[str, Tensor]) -> Iterator[None]:
        """Inside, others stand in the places of some parameters, by name, in all places of each."""
        places = [(*place, other) for whole, other in others.items() for place in self._of[whole]]
        own = [registry[name] for registry, name, _ in places]
        for registry, name, other in places:
            registry[name] = other
        try:
            yield
        finally:
            for (registry, name, _), tensor in zip(places, own, strict=True):
                registry[name] = tensor

    @cached_property
    def _layout(self) -> str:
        return json.dumps({name: list(tensor.shape) for name, tensor in self.state().items()})

    @torch.no_grad()
    def pack(self) -> dict[str, Any]:
        """The state in few parts: by dtype all numbers as one vector, in ``layout`` the shapes.

        The layout is JSON: the shape of each tensor by its name, in the order of the vectors.
        """
        vectors = {dtype: as_vector(alike) for dtype, alike in self._by_dtype()}
        return {"layout": self._layout, **vectors}

    @torch.no_grad()
    def unpack(self, packed: Mapping[str, Any]) -> None:
        """Take up what ``pack`` gave. Raises ``ValueError`` if that was of other tensors."""
        given, own = json.loads(packed["layout"]), json.loads(self._layout)
        if list(given.items()) != list(own.items()):
            raise ValueError(
                f"it has {_first_difference(given, own)} where {_first_difference(own, given)} "
                "was expected"
            )
        for dtype, alike in self._by_dtype():
            if dtype not in packed or str(packed[dtype].dtype) != dtype:
                found = [name for name in packed if name != "layout"]
                raise ValueError(f"its numbers are of {', '.join(found)}; {dtype} was expected")
            for tensor, part in zip(alike, as_tensors(packed[dtype], alike), strict=True):
                tensor.copy_(part)

    def _by_dtype(self) -> Iterator[tuple[str, list[Tensor]]]:
        for dtype, places in self._places_by_dtype.items():
            yield dtype, [registry[name] for registry, name in places]

    @cached_property
    def _places_by_dtype(self) -> dict[str, list[tuple[dict[str, Any], str]]]:
        found: dict[str, list[tuple[dict[str, Any], str]]] = {}
        for _, registry, name in self._places:
            found.setdefault(str(registry[name].dtype), []).append((registry, name))
        return found


def _first_difference(one: Mapping[str, list[int]], other: Mapping[str, list[int]]) -> str:
    pairs = (f"{name} {shape}" for name, shape in one.items() if other.get(name) != shape)
    return next(pairs, "nothing")
